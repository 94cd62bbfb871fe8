//! Ranges for NVIDIA's profilers, heard by a library that stands for a profiler's.

use std::path::PathBuf;
use std::process::Command;

use trt_select::engines::null::NullEngine;
use trt_select::engines::{DataType, TensorInfo};
use trt_select::premodel::{CandidateId, Node, Premodel, Scores, Signal, SignalId, TrainedFor};
use trt_select::{Candidate, Input, Selector};

const RANGES: &str = "TRT_SELECT_TEST_RANGES";

/// `small` runs first, and `large` where it is unsure, which it is.
fn selector() -> trt_select::Result<Selector> {
    let tensor = |name: &str, n| TensorInfo { name: name.into(), data_type: DataType::F32, shape: vec![1, n] };
    let network = |name: &str, logits: [f32; 2]| -> trt_select::Result<Candidate> {
        let mut engine = NullEngine::new(vec![tensor("input", 4)], vec![tensor("logits", 2)])?;
        engine.set_output(0, &logits);
        Candidate::new(name, Box::new(engine), None, Scores::Logits, None, None)
    };
    let candidates = vec![network("small", [0.1, 0.0])?, network("large", [0.0, 5.0])?];
    let names = vec!["small".to_owned(), "large".to_owned()];
    let (small, large) = (CandidateId(0), CandidateId(1));
    let signals = vec![Signal::parse("small.margin", &names).expect("a signal")];
    let nodes = vec![
        Node::run(small, 1),
        Node::test(SignalId(0), 0.4, 2, 4),
        Node::run(large, 3),
        Node::answer(large),
        Node::answer(small),
    ];
    let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
    let premodel = Premodel::new(names, 2, signals, nodes, vec![large, small], vec![], trained_for);
    Selector::new(candidates, premodel.expect("a premodel"))
}

/// What a process with a profiler does: run by the tests below.
#[test]
#[ignore = "run by another test"]
fn two_inputs() {
    let mut selector = selector().expect("a selector");
    for _ in 0..2 {
        selector.infer(Input::Tensor(&[0.0; 4])).expect("answered");
    }
}

/// Runs the process with a profiler's library.
fn run(library: &str, ranges: &std::path::Path) -> std::process::Output {
    let mut child = Command::new(std::env::current_exe().expect("a path"));
    child.args(["two_inputs", "--exact", "--include-ignored", "--nocapture"]);
    child.env("NVTX_INJECTION64_PATH", library).env(RANGES, ranges).output().expect("it starts")
}

#[test]
fn a_profiler_hears_inputs_decisions_and_candidates() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("injection.so");
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/nvtx/injection.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&library).arg(source);
    let Ok(status) = compiler.status() else {
        println!("skipped: no C compiler (cc)");
        return;
    };
    assert!(status.success());
    let ranges = folder.path().join("ranges");
    let output = run(library.to_str().expect("a path"), &ranges);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let heard = std::fs::read_to_string(&ranges).expect("ranges were heard");
    let one = |first: u64| {
        let [input, small, large] = [first, first + 1, first + 2];
        format!(
            "start {input} trt-select input\nstart {small} small\nend {small}\npush trt-select decide\npop\n\
             start {large} large\nend {large}\npush trt-select decide\npop\nend {input}\n"
        )
    };
    assert_eq!(heard, format!("{}{}", one(1), one(4)));
}

/// A profiler's library that cannot be used is a warning, and nothing else happens.
#[test]
fn without_a_profiler_nothing_is_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let ranges = folder.path().join("ranges");
    for library in ["", "/nowhere/injection.so", "libc.so.6"] {
        let output = run(library, &ranges);
        assert!(output.status.success(), "{library}: {}", String::from_utf8_lossy(&output.stdout));
        assert!(!ranges.exists());
    }
}
