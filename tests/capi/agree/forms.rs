//! The forms of a program that run outside this process: the decider, called from C, and the C and the Rust that `compile`
//! writes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use trt_select::premodel::Scores;
use trt_select::premodel::compile::{Options, Style, Target, compile};

use super::programs::{Row, Subject};
use crate::library::{archive, client, compilers, has, run};

/// The bytes of rows, as all harnesses read them: the user's own signals, then each candidate's scores.
fn bytes_of(rows: &[Row]) -> Vec<u8> {
    let values = rows.iter().flat_map(|row| row.own.iter().chain(row.outputs.iter().flatten()));
    values.flat_map(|v| v.to_le_bytes()).collect()
}

fn words_of(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes"))).collect()
}

fn output_of(command: &mut Command) -> Vec<u8> {
    let out = command.env_remove("LD_PRELOAD").output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(out.status.success(), "{command:?}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// The words that the client trace.c writes for the rows: the trace of the decider.
pub(super) fn decide_in_c(subject: &Subject, rows: &[Row]) -> Vec<u32> {
    let dir = tempfile::tempdir().expect("a folder");
    let (premodel, data) = (dir.path().join("premodel.json"), dir.path().join("rows"));
    std::fs::write(&premodel, subject.premodel.to_json()).expect("written");
    std::fs::write(&data, bytes_of(rows)).expect("written");
    let compiler = compilers().into_iter().next().expect("a C compiler");
    let program = compiler.program(&client("trace.c"), &archive(), &[]);
    let mut command = Command::new(program);
    command.arg(premodel).arg(data).arg(subject.classes.to_string()).arg(kinds(subject));
    command.args(subject.own.iter().map(|signal| signal.0.to_string()));
    words_of(&output_of(&mut command))
}

/// A character for each candidate: `0` where its scores are logits, `1` where they are probabilities.
fn kinds(subject: &Subject) -> String {
    subject.kinds.iter().map(|&kind| if kind == Scores::Logits { '0' } else { '1' }).collect()
}

/// The slots of a subject's own signals, as text between commas.
fn own_slots(subject: &Subject) -> String {
    subject.own.iter().map(|signal| signal.0.to_string()).collect::<Vec<_>>().join(", ")
}

/// C code that walks a subject's emitted program over the rows of a file, and writes the words that `trace` in agree.rs makes.
fn walk_in_c(subject: &Subject) -> String {
    let name = &subject.name;
    let constant = name.to_uppercase();
    let kinds = kinds(subject);
    // ISO C has no empty arrays, so the list ends with a 0 that the loop leaves out.
    let own: String = subject.own.iter().map(|signal| format!("{}, ", signal.0)).collect();
    format!(
        r#"
static {name}_board {name}_board_;
static {name}_request {name}_last_;
static void {name}_put_({name}_request r)
{{
    put((uint32_t)r.kind << 24 | (uint32_t)r.candidate << 16 | r.average);
    fwrite({name}_board_.signals, 4, {constant}_SIGNALS, out);
    {name}_last_ = r;
}}
static void {name}_run_(FILE *in)
{{
    static const int own[] = {{{own}0}};
    static const char kinds[] = "{kinds}";
    static float scores[{constant}_CANDIDATES][{constant}_CLASSES];
    {name}_init(&{name}_board_);
    for (;;) {{
        {name}_walk walk = {{0}};
        {name}_summary summary;
        const float *probabilities = NULL;
        size_t i;
        {name}_begin(&{name}_board_);
        for (i = 0; i + 1 < sizeof own / sizeof own[0]; i++) {{
            if (fread(&{name}_board_.signals[own[i]], 4, 1, in) != 1) return;
        }}
        if (fread(scores, sizeof scores, 1, in) != 1) return;
        {name}_put_({name}_step(&walk, {name}_board_.signals));
        while ({name}_last_.kind == {constant}_RUN) {{
            const uint8_t c = {name}_last_.candidate;
            const int kind = kinds[c] == '0' ? {constant}_LOGITS : {constant}_PROBABILITIES;
            {name}_put_({name}_scores(&{name}_board_, c, kind, scores[c]) ? {name}_step(&walk, {name}_board_.signals)
                                                                          : {name}_failed(&walk, c));
        }}
        if ({name}_answer(&{name}_board_, {name}_last_, &summary, &probabilities)) {{
            uint32_t hash = 0x811c9dc5u, bits;
            for (i = 0; i < {constant}_CLASSES; i++) {{
                memcpy(&bits, &probabilities[i], 4);
                hash = (hash ^ bits) * 0x01000193u;
            }}
            put(1);
            put(summary.class_index);
            memcpy(&bits, &summary.probability, 4);
            put(bits);
            memcpy(&bits, &summary.margin, 4);
            put(bits);
            put(hash);
        }} else {{
            put(0);
        }}
        put(0xff000000u | {name}_node(&walk));
    }}
}}
"#
    )
}

/// The sources of two programs, one in C and one in Rust, that walk the emitted code of several subjects over their rows.
pub(super) struct Forms {
    /// The folder of the sources, the rows, and the words that the programs have to write.
    dir: PathBuf,
    c: String,
    c_cases: String,
    rust: String,
    rust_cases: String,
    names: Vec<String>,
}

impl Forms {
    pub(super) fn new(dir: &Path) -> Forms {
        let dir = dir.join("forms");
        std::fs::create_dir_all(&dir).expect("a folder");
        Forms {
            dir,
            c: "#include <stdio.h>\n#include <string.h>\n".into(),
            c_cases: String::new(),
            rust: include_str!("harness.rs").into(),
            rust_cases: String::new(),
            names: Vec::new(),
        }
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.dir.join(name), bytes).expect("written");
    }

    /// Adds a subject, whose trace over the rows must be `expected`.
    pub(super) fn add(&mut self, subject: &Subject, rows: &[Row], expected: &[u32]) {
        let name = &subject.name;
        self.write(&format!("{name}.rows"), bytes_of(rows));
        self.write(&format!("{name}.expected"), expected.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>());
        for (target, style, file) in [
            (Target::Header, Style::Branchless, format!("{name}.h")),
            (Target::Rust, Style::Nested, format!("{name}.rs")),
        ] {
            let options = Options { target, style, name, origin: "A test." };
            self.write(&file, compile(&subject.premodel, &options).expect("it compiles").text);
        }
        let _ = writeln!(self.c, "#include \"{name}.h\"");
        self.c_cases += &walk_in_c(subject);
        let _ = writeln!(self.rust, "mod {name};");
        let own = own_slots(subject);
        let kinds = kinds(subject);
        let _ = writeln!(self.rust_cases, "        {name:?} => walk_all!({name}, [{own}], {kinds:?}, rows),");
        self.names.push(name.clone());
    }

    /// Builds the two programs, and compares the words that they write with those expected. Keeps the folder under the name
    /// `kept_as`.
    pub(super) fn compare(&self, kept_as: &str) {
        let mut c = self.c.clone();
        c += "static FILE *out;\nstatic void put(uint32_t word) { fwrite(&word, 4, 1, out); }\n";
        c += &self.c_cases;
        c += r#"
int main(int argc, char **argv)
{
    FILE *in = argc == 4 ? fopen(argv[2], "rb") : NULL;
    out = in ? fopen(argv[3], "wb") : NULL;
    if (!out) return 1;
"#;
        for name in &self.names {
            let _ = writeln!(c, "    if (strcmp(argv[1], \"{name}\") == 0) {name}_run_(in);");
        }
        c += "    return fclose(out);\n}\n";
        self.write("main.c", c);
        let mut rust = self.rust.clone();
        rust += "\nfn dispatch(name: &str, rows: &[u8]) -> Vec<u8> {\n    match name {\n";
        rust += &self.rust_cases;
        rust += "        _ => panic!(\"{name}\"),\n    }\n}\n";
        self.write("main.rs", rust);
        self.write("names", self.names.join("\n") + "\n");

        let mut programs = Vec::new();
        for compiler in compilers() {
            // Without optimisation compilers never contract a product and a sum into one operation; with it the code must forbid
            // them to.
            for level in ["-O3", "-O0"] {
                let program = self.dir.join(format!("in-c-{}{level}", compiler.name));
                let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", level];
                run(Command::new(compiler.c).args(flags).arg(self.dir.join("main.c")).arg("-o").arg(&program));
                programs.push(program);
            }
        }
        if has("rustc") {
            let program = self.dir.join("in-rust");
            let mut rustc = Command::new("rustc");
            rustc
                .args(["--edition", "2024", "-O", "-D", "warnings"])
                .arg(self.dir.join("main.rs"))
                .arg("-o")
                .arg(&program);
            run(&mut rustc);
            programs.push(program);
        } else {
            println!("skipped: no rustc on the path, so the emitted Rust is not run");
        }
        assert!(!programs.is_empty());
        for program in programs {
            for name in &self.names {
                let file = |ending: &str| self.dir.join(format!("{name}.{ending}"));
                run(Command::new(&program).arg(name).arg(file("rows")).arg(file("got")).env_remove("LD_PRELOAD"));
                let read = |ending: &str| words_of(&std::fs::read(file(ending)).expect("read"));
                let (expected, got) = (read("expected"), read("got"));
                let differs = expected.iter().zip(&got).position(|(a, b)| a != b);
                assert_eq!(differs, None, "{name}, {program:?}: of {} words", expected.len());
                assert_eq!(expected.len(), got.len(), "{name}, {program:?}");
            }
        }
        // tests/aarch64/run-capi repeats the comparison from this copy.
        let to = super::cases().join(kept_as);
        let _ = std::fs::remove_dir_all(&to);
        std::fs::create_dir_all(super::cases()).expect("a folder");
        run(Command::new("cp").arg("-r").arg(&self.dir).arg(&to).env_remove("LD_PRELOAD"));
    }
}
