//! Tests `trt-select compile` as a program: what it writes, what it refuses, and that the code of a bundle's premodel gives the right
//! answers.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PREMODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/capi/bundle/premodel.json");

fn compile(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trt-select"));
    command.arg("compile").args(args).env_remove("RUST_LOG").output().expect("the binary starts")
}

fn path(file: &Path) -> &str {
    file.to_str().expect("UTF-8")
}

#[test]
fn the_file_asked_for_is_written_and_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, others, part) in [
        ("decide.rs", &[][..], "pub fn step(&mut self, signals: &[f32; SIGNALS]) -> Request"),
        ("decide.c", &["decide.h"][..], "decide_request decide_step(decide_walk *walk, const float *signals)\n{"),
        ("whole.h", &[][..], "static inline whole_request whole_step(whole_walk *walk, const float *signals)\n{"),
    ] {
        let file = dir.path().join(name);
        let out = compile(&[PREMODEL, "-o", path(&file)]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let text = fs::read_to_string(&file).unwrap();
        for part in [part, "Compiled by trt-select", "from premodel.json", "SHA-256", "branchless style", "run small"] {
            assert!(text.contains(part), "{name}: expected '{part}' in:\n{text}");
        }
        let written: Vec<String> =
            others.iter().chain([&name]).map(|n| format!("{}\n", dir.path().join(n).display())).collect();
        assert_eq!(String::from_utf8_lossy(&out.stdout), written.concat());
        // Compiling once more gives the same bytes.
        compile(&[PREMODEL, "-o", path(&file)]);
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    let nested = dir.path().join("nested.c");
    assert!(compile(&[PREMODEL, "-o", path(&nested), "--style", "nested"]).status.success());
    assert!(fs::read_to_string(&nested).unwrap().contains("nested style"));
}

#[test]
fn what_cannot_be_compiled_is_refused_with_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let broken = dir.path().join("broken.json");
    fs::write(&broken, fs::read_to_string(PREMODEL).unwrap().replace("\"next\": 1", "\"next\": 0")).unwrap();
    let (good, nowhere) = (dir.path().join("x.c"), dir.path().join("no/x.c"));
    for (args, code, parts) in [
        (&[PREMODEL, "-o", "x.py"][..], 2, &["ends with .rs, .c or .h"][..]),
        (&[PREMODEL, "-o", path(&good), "--style", "fast"], 2, &["expected branchless or nested, got 'fast'"]),
        (&["none.json", "-o", path(&good)], 1, &["none.json", "expected a premodel"]),
        (&[path(&broken), "-o", path(&good)], 1, &["broken.json", "a cycle"]),
        (&[PREMODEL, "-o", path(&nowhere)], 1, &["x.h", "expected to be written"]),
    ] {
        let out = compile(args);
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(out.stdout.is_empty() && stderr.lines().count() == 1, "{args:?}: {stderr}");
        assert!(parts.iter().all(|part| stderr.contains(part)), "{args:?}: {stderr}");
    }
    assert!(!good.exists());
}

#[test]
fn c_of_the_fashion_premodel_answers() {
    if Command::new("cc").arg("--version").output().is_err() {
        println!("skipped: cc is not there");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    assert!(compile(&[PREMODEL, "-o", path(&dir.path().join("decide.c"))]).status.success());
    let main = r#"#include "decide.h"
int main(void)
{
    float signals[DECIDE_SIGNALS] = {0};
    decide_walk walk = {0};
    decide_request request = decide_step(&walk, signals);
    if (request.kind != DECIDE_RUN || request.candidate != DECIDE_CANDIDATE_SMALL) return 1;
    signals[DECIDE_SIGNAL_SMALL_MARGIN] = 0.9f;
    request = decide_step(&walk, signals);
    if (request.kind != DECIDE_ANSWER || request.candidate != DECIDE_CANDIDATE_SMALL) return 2;
    return decide_node(&walk) == DECIDE_NODE_4_ANSWER_SMALL ? 0 : 3;
}
"#;
    fs::write(dir.path().join("main.c"), main).unwrap();
    let program = dir.path().join("program");
    let out = Command::new("cc")
        .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"])
        .args([dir.path().join("decide.c"), dir.path().join("main.c")])
        .arg("-o")
        .arg(&program)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(Command::new(&program).status().unwrap().code(), Some(0));
}
