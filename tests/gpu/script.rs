//! `tests/gpu/run --double`: every part runs to its end on the doubles, and a step that fails is not forgotten.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use trt_select::engines::tensorrt::{Edition, lines};

/// A folder with the programs that the script runs, of this very build; `None`, with the reason printed, where that is not possible.
fn programs(folder: &Path) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The doubles of TensorRT are made from our declarations of 8.6, so the program's line has to be made from them too.
    let own = root.join("tests/doubles/headers/8.6");
    let named = std::env::var_os("TENSORRT_INCLUDE_DIR").unwrap_or_default();
    let is_own = std::env::split_paths(&named).any(|path| path == own);
    let has_line = lines().iter().any(|line| {
        (line.edition, line.header_version.major, line.header_version.minor) == (Edition::Enterprise, 8, 6)
    });
    if !is_own || !has_line {
        println!(
            "skipped: this build has no line of TensorRT made from tests/doubles/headers/8.6: run tests/doubles/lines"
        );
        return None;
    }
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        println!("skipped: no C++ compiler ({})", compiler.display());
        return None;
    }
    let compile = |source: &str, to: &str| {
        let mut command = Command::new(&compiler);
        command.current_dir(root).args(["-std=c++17", "-O1", "-isystem"]).arg(&own);
        command.args(["-isystem", "engines/tensorrt/cuda_stub", source, "-o"]).arg(folder.join(to)).arg("-ldl");
        assert!(command.status().expect("the compiler runs").success(), "{source}");
    };
    compile("tests/gpu/probe.cpp", "probe");
    compile("tests/gpu/bare.cpp", "bare8");
    symlink(env!("CARGO_BIN_EXE_trt-select"), folder.join("trt-select")).expect("a link");
    symlink(std::env::current_exe().expect("this program"), folder.join("gpu")).expect("a link");
    // With this library preloaded the programs count their heap allocations.
    let full = doubles().join("full");
    let built = Command::new(root.join("tests/doubles/build-libcuda")).arg(&full).status().expect("the script runs");
    assert!(built.success(), "build-libcuda");
    symlink(full.join("libcountmalloc.so"), folder.join("libcountmalloc.so")).expect("a link");
    Some(folder.to_owned())
}

/// Where other tests build their doubles too: the script then finds that of the driver.
fn doubles() -> PathBuf {
    std::env::current_exe().expect("this program").ancestors().nth(3).expect("target").join("doubles")
}

/// Runs the script; gives its exit status and what it printed.
fn run(programs: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new("tests/gpu/run")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(arguments)
        .env_remove("TRT_SELECT_LIBNVINFER")
        .env_remove("TENSORRT_HEADERS_86")
        .env("TRT_SELECT_GPU_PROGRAMS", programs)
        .env("TRT_SELECT_GPU_DOUBLES", doubles())
        .envs(variables.iter().copied())
        .output()
        .expect("the script starts");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

#[test]
fn every_part_runs_to_its_end_on_the_doubles() {
    if std::env::var_os("TRT_SELECT_LIBCUDA").is_some() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let Some(programs) = programs(folder.path()) else { return };
    let record = tempfile::tempdir().expect("a folder");
    let out = record.path().to_str().expect("a path");

    let (status, said) = run(
        &programs,
        &["--double", out],
        &[("TRT_SELECT_GPU_VARIANTS", "compatible"), ("TRT_SELECT_TEST_INFERS", "100")],
    );
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(status, Some(0), "{said}");
    let parts = [
        "A: 11 ran (driver ok, kernels ok, lanes ok)",
        "; B: 5 ran (plans ok, bench ok)",
        "; C: 10 ran (plans ok, bench ok)",
    ];
    parts.iter().for_each(|part| assert!(last.contains(part), "no `{part}` in {last}"));
    for line in
        ["probe: done", "graphs: 100 outcomes as on the CPU", "heap allocations: 0", "around the network, nano:"]
    {
        assert!(said.contains(line), "no `{line}` in {said}");
    }

    // A build that fails leaves part B's other steps, and its status.
    let fails = [("TRT_SELECT_NVDOUBLE_FAIL", "buildSerializedNetwork:1"), ("TRT_SELECT_GPU_VARIANTS", "plain")];
    let (status, said) = run(&programs, &["--part", "B", "--double", out], &fails);
    let last = said.lines().last().unwrap_or_default();
    assert_eq!(status, Some(1), "{said}");
    assert!(last.contains("B: 2 ran (plans FAILED), failed: fashion, plain: build (exit 1)"), "{last}");
}

#[test]
fn what_failed_stays_failed_whatever_comes_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let steps = "until=0 text=/dev/null work=$0; . tests/gpu/steps; part=A
        step kernels 5 comparison false; step kernels 5 loading true; step plans 5 build true; step plans 1 slow sleep 9; skip ncu 'not here'
        summary A; passed && ran_some";
    let mut bash = Command::new("bash");
    bash.current_dir(env!("CARGO_MANIFEST_DIR")).args(["-uo", "pipefail", "-c", steps]).arg(folder.path());
    let output = bash.output().expect("bash starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let failed = "failed: comparison (exit 1), slow (cut off after 1 s)";
    let line = format!("A: 4 ran (kernels FAILED, plans FAILED), {failed}, skipped: ncu (not here)");
    assert_eq!(said.lines().last(), Some(line.as_str()), "{said}");
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
    ] {
        let output = Command::new(root.join("tests/gpu").join(script)).args(arguments).output().expect("it starts");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{script} {arguments:?}: {said}");
        assert!(said.lines().count() == 1 && said.contains(words), "{script} {arguments:?}: {said}");
    }
}
