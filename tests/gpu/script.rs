//! `tests/gpu/run --double`: every part runs to its end on the doubles, and a step that fails is not forgotten.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use trt_select::engines::tensorrt::{Edition, Version, lines};

use super::doubles::said;

/// The folders of our declarations of 8.6 and 10.3, which the doubles are made from; `None`, with the reason printed, where this build has
/// no lines made from them too.
fn declarations() -> Option<[PathBuf; 2]> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let named = std::env::var_os("TENSORRT_INCLUDE_DIR").unwrap_or_default();
    let folders = ["8.6", "10.3"].map(|version| root.join("tests/doubles/headers").join(version));
    let has_line = |number: (u32, u32)| {
        let is_it = |v: Version| (v.major, v.minor) == number;
        lines().iter().any(|line| line.edition == Edition::Enterprise && is_it(line.header_version))
    };
    let are_named = folders.iter().all(|own| std::env::split_paths(&named).any(|path| path == *own));
    if !are_named || !has_line((8, 6)) || !has_line((10, 3)) {
        println!(
            "skipped: this build has no line of TensorRT made from tests/doubles/headers/8.6 and 10.3: run tests/doubles/lines"
        );
        return None;
    }
    Some(folders)
}

/// Puts the programs of this very build into a folder.
fn link_programs(folder: &Path) {
    symlink(env!("CARGO_BIN_EXE_trt-select"), folder.join("trt-select")).expect("a link");
    symlink(std::env::current_exe().expect("this program"), folder.join("gpu")).expect("a link");
}

/// Puts all programs that the script runs into a folder; `None`, with the reason printed, where that is not possible.
fn programs(folder: &Path) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [own8, own10] = declarations()?;
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        println!("skipped: no C++ compiler ({})", compiler.display());
        return None;
    }
    let compile = |source: &str, own: &Path, to: &str| {
        let mut command = Command::new(&compiler);
        command.current_dir(root).args(["-std=c++17", "-O0", "-isystem"]).arg(own);
        command.args(["-isystem", "engines/tensorrt/cuda_stub", source, "-o"]).arg(folder.join(to)).arg("-ldl");
        command.spawn().expect("the compiler runs")
    };
    let compilers = [
        compile("tests/gpu/probe.cpp", &own8, "probe"),
        compile("tests/gpu/bare.cpp", &own8, "bare8"),
        compile("tests/gpu/bare.cpp", &own10, "bare10"),
    ];
    for mut compiler in compilers {
        assert!(compiler.wait().expect("it ends").success(), "probe.cpp or bare.cpp");
    }
    link_programs(folder);
    // With this library preloaded the programs count their heap allocations.
    let full = build("build-libcuda", "full", &[]);
    symlink(full.join("libcountmalloc.so"), folder.join("libcountmalloc.so")).expect("a link");
    Some(folder.to_owned())
}

/// Where other tests build their doubles too: the script then finds that of the driver.
fn doubles() -> PathBuf {
    std::env::current_exe().expect("this program").ancestors().nth(3).expect("target").join("doubles")
}

/// Builds a double in a folder of that place, and gives the folder.
fn build(script: &str, folder: &str, arguments: &[&str]) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = doubles().join(folder);
    let mut command = Command::new(root.join("tests/doubles").join(script));
    let built = command.current_dir(root).arg(&out).args(arguments).status().expect("the script runs");
    assert!(built.success(), "{script} {arguments:?}");
    out
}

/// What `tests/gpu/join` unpacks, with doubles for the libraries: the parts' programs, TensorRT 8.6 with its builder, the lean runtimes 8.6
/// and 10.3, and in the place of ImageNet's networks toys, whose plans have the answers of their models.
fn fake_pack(pack: &Path, programs: &Path) {
    let headers = |version: &str| format!("tests/doubles/headers/{version}");
    let builder = build("build-libnvinfer", "8.6", &[&headers("8.6")]);
    let lean8 = build("build-libnvinfer", "lean", &[&headers("8.6"), "--lean"]);
    let lean10 = build("build-libnvinfer", "lean10", &[&headers("10.3"), "--lean"]);
    for part in ["A", "B", "C"] {
        std::fs::create_dir(pack.join(part)).expect("a folder");
        for program in std::fs::read_dir(programs).expect("a folder").map(|entry| entry.expect("an entry")) {
            symlink(program.path(), pack.join(part).join(program.file_name())).expect("a link");
        }
    }
    for (library, to) in [(&builder, "B/tensorrt"), (&lean8, "C/lean86"), (&lean10, "C/lean10")] {
        symlink(library, pack.join(to)).expect("a link");
    }
    let written = Command::new(programs.join("gpu"))
        .args(["--ignored", "write_the_toys_to_build"])
        .env("TRT_SELECT_LIBNVINFER", builder.join("libnvinfer.so.8"))
        .env("TRT_SELECT_TOY_BUNDLE", pack.join("B/imagenet"))
        .output()
        .expect("this program");
    assert!(written.status.success(), "{written:?}");
    symlink(pack.join("B/imagenet"), pack.join("C/imagenet")).expect("a link");
}

/// Runs the script; gives its exit status and what it printed.
fn run(arguments: &[&str], variables: &[(&str, &Path)]) -> (Option<i32>, String) {
    let output = Command::new("tests/gpu/run")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .env_remove("TRT_SELECT_LIBNVINFER")
        .env_remove("TRT_SELECT_LIBNVINFER_LEAN")
        .env_remove("TENSORRT_HEADERS_86")
        .env_remove("TENSORRT_HEADERS_10")
        .env("TRT_SELECT_GPU_DOUBLES", doubles())
        // A pack that somebody has joined in this checkout is none of the test's.
        .env("TRT_SELECT_GPU_PACK", doubles().join("no-pack"))
        .env("TRT_SELECT_TEST_INFERS", "100")
        .envs(variables.iter().copied())
        .output()
        .expect("the script starts");
    (output.status.code(), said(&output))
}

#[test]
fn every_part_runs_to_its_end_on_the_doubles() {
    if std::env::var_os("TRT_SELECT_LIBCUDA").is_some() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Some(programs) = programs(folder.path()) else { return };
    let [pack, record] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    fake_pack(pack.path(), &programs);
    let probe = Command::new(programs.join("probe")).args(["", ""]).output().expect("it starts");
    assert_eq!(probe.status.code(), Some(2), "no calls are required, so none is missing: {probe:?}");
    let out = record.path().to_str().expect("a path");

    let pack = ("TRT_SELECT_GPU_PACK", pack.path());
    let (status, said) = run(&["--double", out], &[pack, ("TRT_SELECT_GPU_VARIANTS", Path::new("compatible"))]);
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(status, Some(0), "{said}");
    for words in [
        "A: 11 ran (driver ok, kernels ok, lanes ok)",
        "; B: 20 ran (plans ok, bench ok)",
        "; C: 52 ran (plans ok, bench ok)",
    ] {
        assert!(last.contains(words), "no `{words}` in {last}");
    }
    for words in [
        "probe: done",
        "the kernels were loaded as sm_90",
        "the kernels were loaded as ptx",
        "graphs: 100 outcomes as on the CPU",
        "target: heap allocations of inputs after warm-up, at most 0: 0: reached",
        "small.plan up to date: ",
        "; verified: 100 % the class of ",
        "answers large: 40 of 40 the class of tract",
        "around the network, fashion, compatible, nano: ",
        "around the network, lean 10, imagenet, small: ",
        "target: lean 10, imagenet: heap allocations of inputs after warm-up, at most 0: 0: reached",
        "so far: B: ",
        "so far: C: ",
    ] {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    assert!(record.path().join("plans.tar.gz").exists() && !record.path().join(".plans-new").exists());
    wrong_answers_are_told(&record.path().join("plans.tar.gz"), &programs);
}

/// The double's plans of real networks answer something else than their models.
fn wrong_answers_are_told(plans: &Path, programs: &Path) {
    let script = r#"tar -xzf PLANS -C "$0" && cp -rn plans/fashion/. "$0/fashion-compatible/"
        TRT_SELECT_GPU_BUNDLE=$0/fashion-compatible TRT_SELECT_GPU_ANSWERS=20 TRT_SELECT_LIBNVINFER=DOUBLES/8.6/libnvinfer.so.8 \
            TRT_SELECT_LIBCUDA=DOUBLES/full/libcuda.so.1 TRT_SELECT_DOUBLE_CC=9.0 PROGRAMS/gpu --ignored answers_are_those_of_the_cpu"#;
    let paths = [("PLANS", plans), ("DOUBLES", &doubles()), ("PROGRAMS", programs)];
    let script =
        paths.iter().fold(script.to_owned(), |script, (word, path)| script.replace(word, &path.to_string_lossy()));
    let (status, said) = bash(&script);
    assert_eq!(status, Some(101), "{said}");
    assert!(said.contains("candidates with the CPU's class on fewer than 99 % of the samples: nano ("), "{said}");
}

/// A build that fails leaves what an earlier run has left, part B's other steps, and its status; what it leaves out is named.
#[test]
fn a_part_in_which_no_plan_is_built_says_what_is_left_out() {
    if std::env::var_os("TRT_SELECT_LIBCUDA").is_some() || declarations().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    link_programs(folder.path());
    let record = tempfile::tempdir().expect("a folder");
    let out = record.path().to_str().expect("a path");
    std::fs::write(record.path().join("plans.tar.gz"), "of an earlier run").expect("written");
    let fails = [
        ("TRT_SELECT_NVDOUBLE_FAIL", Path::new("buildSerializedNetwork:1")),
        ("TRT_SELECT_GPU_VARIANTS", Path::new("plain")),
        ("TRT_SELECT_GPU_PROGRAMS", folder.path()),
    ];
    let (status, said) = run(&["--part", "B", "--double", out], &fails);
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(status, Some(1), "{said}");
    for words in [
        "B: 6 ran (plans FAILED), failed: fashion, plain: build nano (exit 1), fashion, plain: build tiny (exit 1)",
        "fashion, plain: verification, memory, the bare loop, bench (no plan was built)",
        "; C: not asked for",
    ] {
        assert!(last.contains(words), "no `{words}` in {last}");
    }
    assert_eq!(std::fs::read_to_string(record.path().join("plans.tar.gz")).expect("kept"), "of an earlier run");
}

/// Runs a piece of bash that sources files of this folder. `$0` is a folder for its files.
fn bash(script: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut bash = Command::new("bash");
    bash.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-uo", "pipefail", "-c", script]).arg(folder.path());
    let output = bash.output().expect("bash starts");
    (output.status.code(), said(&output))
}

/// One network of a bundle has no plan: the others are measured, and kept.
#[test]
fn a_bundle_is_measured_without_the_network_that_has_no_plan() {
    let script = r#"out=$0/out; mkdir -p "$out"; . tests/gpu/bundles
        cp -r plans/fashion "$0/from" && touch "$0"/from/{nano,small,large}.plan
        measurable "$0/from" "$0/to" && plans_of "$0/to" | tr '\n' ' '
        grep -c 'channels = 1' "$0/to/bundle.toml"; grep -c '^name = "fashion"' "$0/to/bundle.toml"; ls "$0/to" | grep -c premodel.json
        touch "$0/from/tiny.plan" && measurable "$0/from" "$0/to" && cmp "$0/from/bundle.toml" "$0/to/bundle.toml" && ls "$0/to" | grep premodel
        keep_plans "$0/from" && tar -tzf "$out/plans.tar.gz" | grep -c plan$; mv "$out/plans.tar.gz" "$out/plans.tar.gz.00"
        head -c 20000000 /dev/urandom >"$0/from/large.plan"; keep_plans "$0/from" && cat "$out"/plans.tar.gz* | tar -tz | grep -c plan$
        rm "$0"/from/*.plan; keep_plans "$0/from"; ls -A "$out" | tr '\n' ' '"#;
    let (_, said) = bash(script);
    let expected = "nano nano.plan small small.plan large large.plan 3\n1\n0\npremodel.json\n4\n4\nplans.tar.gz.00 plans.tar.gz.01 ";
    assert_eq!(said, expected);
}

/// What pack cuts is joined again, and a piece that was damaged on its way is told.
#[test]
fn pieces_are_joined_as_they_were_cut() {
    if Command::new("zstd").arg("--version").output().is_err() {
        println!("skipped: no zstd");
        return;
    }
    let script = r#"mkdir -p "$0/from/A/toy"; head -c 2500000 /dev/urandom >"$0/from/A/toy/library"; echo program >"$0/from/A/gpu"; chmod +x "$0/from/A/gpu"
        tests/gpu/cut --limit 200 --piece 1 "$0/from/A" "$0/pieces/A" >/dev/null && (cd "$0/pieces/A" && echo part*)
        cd "$0" && TRT_SELECT_GPU_PACK=$0/pack OLDPWD/tests/gpu/join pieces/A >/dev/null && diff -r from pack && [ -x pack/A/gpu ] && echo joined
        printf x | dd of=pieces/A/part02/piece bs=1 seek=999 conv=notrunc status=none
        TRT_SELECT_GPU_PACK=$0/other OLDPWD/tests/gpu/join pieces/A 2>&1 | grep -o 'part02/piece: FAILED\|bring those again'; ls "$0" | grep -c other
        OLDPWD/tests/gpu/cut --limit 1 --room 2>&1 | grep -o 'name a larger limit'"#;
    let (_, said) = bash(&script.replace("OLDPWD", env!("CARGO_MANIFEST_DIR")));
    let expected = "part01 part02 part03\njoined\npart02/piece: FAILED\nbring those again\n0\nname a larger limit\n";
    assert_eq!(said, expected);
}

#[test]
fn what_failed_stays_failed_whatever_comes_later() {
    let steps = r#"until=0 text=/dev/null work=$0 kill_after=1; . tests/gpu/steps; part=A
        step kernels 5 comparison false; step kernels 5 loading true; step plans 5 build true; step plans 1 slow sleep 9
        step plans 1 stubborn bash -c 'trap "" TERM; sleep 9'; step plans 5 killed bash -c 'kill -9 $$'; skip ncu 'not here'
        tests 2 lanes 5 all echo 'test result: ok. 2 passed; 0 failed'; tests 1 lanes 5 none echo 'test result: ok. 0 passed; 0 failed'
        until=$SECONDS; step bench 5 late true; [ -s "$work/last" ] && echo "the last output is an earlier step's"
        target far 3 2; target near 1.3 1.3; target unknown "" 1; so_far
        summary A; passed && ran_some"#;
    let (status, said) = bash(steps);
    assert_eq!(status, Some(1), "{said}");
    let failed = "failed: comparison (exit 1), slow (cut off after 1 s), stubborn (cut off after 1 s), killed (exit 137), \
                  none (expected 1 tests to pass, got another number), late (no time left)";
    let proved = "kernels FAILED, plans FAILED, lanes FAILED, bench FAILED";
    let line = format!("A: 9 ran ({proved}), {failed}, skipped: ncu (not here)");
    // Bash says beside it what was killed.
    assert!(said.lines().any(|said| said == line), "{said}");
    for words in
        [&format!("so far: {line}"), "target: far at most 2: 3: missed", "1.3: 1.3: reached", "unknown: not measured"]
    {
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    assert!(!said.contains("the last output"), "{said}");
}

#[test]
fn wrong_usage_is_told_in_a_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (script, arguments, words) in [
        ("run", &["--part", "D"][..], "expected A, B or C, got D"),
        ("run", &["--seconds", "soon"][..], "expected a number, got soon"),
        ("run", &["--graphs"][..], "got --graphs"),
        ("pack", &["DEST"][..], "expected --limit"),
        ("pack", &["--limit", "64", "--part", "C", "DEST"][..], "expected --plans"),
        ("programs", &["D"][..], "expected A, B or C"),
        ("cut", &["--limit", "64", "nowhere", "DEST"][..], "expected a folder to cut"),
    ] {
        let output = Command::new(root.join("tests/gpu").join(script)).args(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{script} {arguments:?}: {said}");
        assert!(said.lines().count() == 1 && said.contains(words), "{script} {arguments:?}: {said}");
    }
}
