//! Every form of a program decides the same: the walk of the nodes, the walk of packed tests, and compiled Rust and C in both styles.

#![cfg(feature = "json")]

mod programs;
mod reference;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use programs::{deep, fashion, full, golden, random, rows};
use reference::{Row, record, record_walk};
use trt_select_base::random::Rng;
use trt_select_premodel::compile::{Code, Options, Style, Target, compile};
use trt_select_premodel::{Mask, Premodel, Program, Schema};

const STYLES: [Style; 2] = [Style::Branchless, Style::Nested];
/// Number of rows for each of the seven programs that are compiled: more than a million in all.
const COMPILED_ROWS: usize = 150_000;

/// The programs that are compiled, each with its rows.
fn subjects() -> Vec<(Premodel, Vec<Row>)> {
    let mut r = Rng::new(7);
    let mut models = vec![
        fashion(),
        full(&mut r),
        deep(&mut r),
        random_with(&mut r, 400, &[&SMALL_FORMS[..], &OTHER_FORMS[..]].concat()),
    ];
    // These programs are small, so that many rows come to each test.
    models.extend(SMALL_FORMS.map(|form| random_with(&mut r, 14, &[form])));
    let mut subjects: Vec<(Premodel, Vec<Row>)> = models
        .into_iter()
        .map(|model| {
            let rows = rows(&mut r, &model, COMPILED_ROWS);
            (model, rows)
        })
        .collect();
    let golden = golden(&subjects[0].0);
    assert_eq!(golden.len(), 10_000);
    subjects[0].1.extend(golden);
    subjects
}

/// Code that is written for up to three tests that stand alone, and for everything else.
const SMALL_FORMS: [&str; 3] =
    ["leaves[2u * a + b * (1u - a)]", "leaves[2u * a + c * a]", "leaves[2u * a + b + (c - b) * a]"];
const OTHER_FORMS: [&str; 3] = ["_descend_(", "} else {", "V_AVERAGE,"];

/// A random program of about this many nodes or fewer, whose code contains each of these forms.
fn random_with(r: &mut Rng, nodes: usize, forms: &[&str]) -> Premodel {
    for _ in 0..10_000 {
        let model = random(r, nodes);
        let text = code(&model, Target::Header, Style::Branchless, "v").text;
        if forms.iter().all(|form| text.contains(form)) {
            return model;
        }
    }
    panic!("no random program has the forms {forms:?}");
}

fn code(model: &Premodel, target: Target, style: Style, name: &str) -> Code {
    compile(model, &Options { target, style, name, origin: "Compiled by a test from */ ??/ \\\nnothing." }).unwrap()
}

/// The requests on all rows, according to the reference.
fn expected(model: &Premodel, rows: &[Row]) -> Vec<u32> {
    let mut words = Vec::new();
    for row in rows {
        record(model, row, &mut words);
    }
    words
}

/// The rows as the harnesses read them: the signals of a row, then the mask of the candidates that fail.
fn bytes_of(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend(row.signals.iter().flat_map(|v| v.to_le_bytes()));
        bytes.extend(u32::from(row.failing.0).to_le_bytes());
    }
    bytes
}

#[track_caller]
fn same(what: &str, expected: &[u32], got: &[u8]) {
    let got: Vec<u32> = got.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes"))).collect();
    let differs = expected.iter().zip(&got).position(|(a, b)| a != b);
    if let Some(at) = differs {
        panic!("{what}: expected {:08x} as word {at}, got {:08x}", expected[at], got[at]);
    }
    assert_eq!(got.len(), expected.len(), "{what}: expected as many words");
}

fn run(command: &mut Command) -> Vec<u8> {
    let out = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// Those compilers of a list that are installed.
fn there(compilers: &[&'static str]) -> Vec<&'static str> {
    let works = |c: &&&str| Command::new(c).arg("--version").output().is_ok_and(|out| out.status.success());
    compilers.iter().filter(works).copied().collect()
}

#[test]
fn walks_say_what_the_reference_says() {
    let mut r = Rng::new(1);
    for turn in 0..400 {
        let model = match turn % 8 {
            0 => full(&mut r),
            1 => deep(&mut r),
            _ => {
                let budget = 1 + (r.next_u64() % 200) as usize;
                random(&mut r, budget)
            }
        };
        let needs: Vec<Mask> = model.signals().iter().map(|s| s.needs()).collect();
        let schema = Schema {
            candidates: model.candidates().len() as u8,
            classes: model.classes(),
            needs: &needs,
            fallback: model.fallback(),
        };
        let plain = Program::check(model.program().nodes(), schema).unwrap();
        for row in rows(&mut r, &model, 500) {
            let (mut expected, mut packed, mut nodes) = (Vec::new(), Vec::new(), Vec::new());
            record(&model, &row, &mut expected);
            record_walk(&model.program(), &row, &mut packed);
            record_walk(&plain, &row, &mut nodes);
            assert_eq!(packed, expected, "packed, {row:?}\n{}", model.tree());
            assert_eq!(nodes, expected, "nodes, {row:?}\n{}", model.tree());
        }
    }
}

#[test]
fn the_hash_tells_programs_apart() {
    let mut r = Rng::new(2);
    let models: Vec<Premodel> = (0..50).map(|_| random(&mut r, 40)).collect();
    let mut hashes: Vec<u64> = models.iter().map(|m| m.program().hash()).collect();
    assert_eq!(Premodel::from_json(&models[0].to_json()).unwrap().program().hash(), hashes[0]);
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), models.len());
}

const C_FLAGS: [&str; 6] = ["-std=c99", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-pedantic"];

/// A C program around the compiled functions. It walks every row of a file and writes the requests.
fn c_harness(name: &str, signals: usize, include: &str) -> String {
    format!(
        r#"{include}
#include <stdio.h>
#include <stdlib.h>
static {name}_request last;
static void put({name}_request r)
{{
    uint32_t word = (uint32_t)r.kind << 24 | (uint32_t)r.candidate << 16 | r.average;
    fwrite(&word, 4, 1, stdout);
    last = r;
}}
int main(int argc, char **argv)
{{
    struct {{ float signals[{size}]; uint32_t failing; }} row;
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL) return 1;
    while (fread(&row, {bytes}, 1, file) == 1) {{
        {name}_walk walk = {{0}};
        uint32_t end;
        put({name}_step(&walk, row.signals));
        while (last.kind == {k}_RUN)
            put((row.failing >> last.candidate & 1u) ? {name}_failed(&walk, last.candidate) : {name}_step(&walk, row.signals));
        put({name}_step(&walk, row.signals));
        end = 0xff000000u | {name}_node(&walk);
        fwrite(&end, 4, 1, stdout);
    }}
    return 0;
}}
"#,
        size = signals.max(1),
        bytes = 4 * signals + 4,
        k = name.to_uppercase(),
    )
}

#[test]
fn compiled_c_says_what_the_reference_says() {
    let compilers = there(&["gcc", "clang", "clang-14"]);
    if compilers.is_empty() {
        println!("skipped: neither gcc nor clang is there");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: String| dir.path().join(name);
    for (i, (model, rows)) in subjects().into_iter().enumerate() {
        let data = file(format!("rows{i}"));
        fs::write(&data, bytes_of(&rows)).unwrap();
        let expected = expected(&model, &rows);
        for style in STYLES {
            // One form has its functions in a file of their own, the other has all in a header.
            let (apart, whole) = (format!("apart{i}_{}", style.name()), format!("whole{i}_{}", style.name()));
            let Code { text, header } = code(&model, Target::C, style, &apart);
            fs::write(file(format!("{apart}.c")), text).unwrap();
            fs::write(file(format!("{apart}.h")), header.expect("C comes with a header")).unwrap();
            fs::write(file(format!("{whole}.h")), code(&model, Target::Header, style, &whole).text).unwrap();
            for name in [&apart, &whole] {
                let harness = c_harness(name, model.signals().len(), &format!("#include \"{name}.h\""));
                fs::write(file(format!("{name}_main.c")), harness).unwrap();
            }
            for compiler in &compilers {
                let object = file(format!("{apart}.o"));
                run(Command::new(compiler)
                    .args(C_FLAGS)
                    .args(["-O2", "-c"])
                    .arg(file(format!("{apart}.c")))
                    .arg("-o")
                    .arg(&object));
                for (name, object) in [(&apart, Some(object)), (&whole, None)] {
                    let program = file(format!("{name}_{compiler}"));
                    // The harness needs a C library, so the header is first compiled alone, as freestanding code.
                    let only = file(format!("{name}_only.c"));
                    fs::write(&only, format!("#include \"{name}.h\"\nint here;\n")).unwrap();
                    run(Command::new(compiler).args(C_FLAGS).args(["-fsyntax-only"]).arg(&only));
                    run(Command::new(compiler)
                        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O2"])
                        .arg(file(format!("{name}_main.c")))
                        .args(object)
                        .arg("-o")
                        .arg(&program));
                    same(
                        &format!("program {i}, {name}, {compiler}"),
                        &expected,
                        &run(Command::new(&program).arg(&data)),
                    );
                }
            }
            if there(&["g++"]).is_empty() {
                println!("skipped: g++ is not there, the header was not tried as C++");
            } else {
                let only = file(format!("{whole}.cpp"));
                fs::write(&only, format!("#include \"{whole}.h\"\n{whole}_walk walk = {{}};\n")).unwrap();
                run(Command::new("g++").args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only"]).arg(&only));
            }
        }
    }
}

#[test]
fn c_that_forgets_nan_is_refused() {
    let Some(compiler) = there(&["gcc", "clang", "clang-14"]).first().copied() else {
        println!("skipped: neither gcc nor clang is there");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("fast.c");
    fs::write(dir.path().join("fast.h"), code(&fashion(), Target::Header, Style::Branchless, "fast").text).unwrap();
    fs::write(&file, "#include \"fast.h\"\nint here;\n").unwrap();
    let out = Command::new(compiler).args(["-ffast-math", "-fsyntax-only"]).arg(&file).output().unwrap();
    assert!(!out.status.success() && String::from_utf8_lossy(&out.stderr).contains("comparisons that know NaN"));
}

/// Every program in every form in one crate, which cargo builds.
#[test]
fn compiled_rust_says_what_the_reference_says() {
    let subjects = subjects();
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("src");
    fs::create_dir(&source).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = format!(
        "[package]\nname = \"forms\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[dependencies]\ntrt-select-premodel = {{ path = {:?}, \
         default-features = false }}\n[workspace]\n",
        root
    );
    fs::write(dir.path().join("Cargo.toml"), manifest).unwrap();
    let mut main = String::from(include_str!("harness.rs"));
    let mut arms = String::new();
    for (i, (model, _)) in subjects.iter().enumerate() {
        for style in STYLES {
            let (module, baked) = (format!("module{i}_{}", style.name()), format!("baked{i}_{}", style.name()));
            fs::write(source.join(format!("{module}.rs")), code(model, Target::Rust, style, &module).text).unwrap();
            fs::write(source.join(format!("{baked}.in")), code(model, Target::Baked, style, &baked).text).unwrap();
            let needs: Vec<String> = model.signals().iter().map(|s| format!("Mask({})", s.needs().0)).collect();
            let fallback: Vec<String> = model.fallback().iter().map(|c| format!("CandidateId({})", c.0)).collect();
            let _ = write!(
                main,
                "mod {module};
standalone!({module}_run, {module});
mod {baked} {{
    #![allow(unused_imports, dead_code)]
    use trt_select_premodel::{{CandidateId, Mask, Node, Program, Schema, SignalId}};
    include!(\"{baked}.in\");
    pub(crate) fn program() -> Program<'static> {{
        const NEEDS: [Mask; {}] = [{}];
        const FALLBACK: [CandidateId; {}] = [{}];
        let schema = Schema {{ candidates: {}, classes: {}, needs: &NEEDS, fallback: &FALLBACK }};
        Program::check(&NODES, schema).unwrap()
    }}
}}
baked!({baked}_run, {baked}, {});
",
                needs.len(),
                needs.join(", "),
                fallback.len(),
                fallback.join(", "),
                model.candidates().len(),
                model.classes(),
                needs.len(),
            );
            for form in [&module, &baked] {
                let _ = writeln!(arms, "        {form:?} => {form}_run(rows, &mut out),");
            }
        }
    }
    let _ = write!(
        main,
        "fn dispatch(form: &str, rows: &[u8]) -> Vec<u8> {{\n    let mut out = Vec::new();\n    match form {{\n{arms}        _ => panic!(\"{{form}}\"),\n    }}\n    out\n}}\n"
    );
    fs::write(source.join("main.rs"), main).unwrap();
    let target: PathBuf = dir.path().join("target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(Command::new(cargo)
        .args(["build", "--release", "--offline", "--quiet", "--manifest-path"])
        .arg(dir.path().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", "-D warnings"));
    for (i, (model, rows)) in subjects.iter().enumerate() {
        let data = dir.path().join(format!("rows{i}"));
        fs::write(&data, bytes_of(rows)).unwrap();
        let expected = expected(model, rows);
        for form in STYLES.iter().flat_map(|s| ["module", "baked"].map(|f| format!("{f}{i}_{}", s.name()))) {
            let out = run(Command::new(target.join("release/forms")).arg(&form).arg(&data));
            same(&format!("program {i}, {form}"), &expected, &out);
        }
    }
}
