//! How much more an inference costs through C than through Rust, on the null engine: in time, and in instructions by Callgrind.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use trt_select::bundle::Bundle;
use trt_select::engines::registry::EngineKind;
use trt_select::premodel::{CandidateId, Node, Premodel, TrainedFor};
use trt_select::{Input, OpenConfig, Selector};

use super::double::is_child;
use super::library::{archive, client, compilers, has, run};

/// Writes a bundle with a single candidate of four numbers, which always answers: the smallest work that an infer can have.
fn write_bundle(dir: &Path) {
    let small = CandidateId(0);
    let trained_for = TrainedFor::of_costs(vec![1.0]);
    let nodes = vec![Node::run(small, 1), Node::answer(small)];
    let premodel =
        Premodel::new(vec!["small".into()], 4, Vec::new(), nodes, vec![small], Vec::new(), trained_for).expect("one");
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("written");
    write("premodel.json", &premodel.to_json());
    write("labels.txt", "a\nb\nc\nd\n");
    write("none.onnx", "");
    write(
        "bundle.toml",
        "format = 1\nname = \"tensor\"\npremodel = \"premodel.json\"\nlabels = \"labels.txt\"\n\n[input]\nkind = \"tensor\"\n\
         shape = [1, 4]\n\n[[candidate]]\nname = \"small\"\nonnx = \"none.onnx\"\n",
    );
}

/// The time of one infer by the Rust API in nanoseconds: the smallest mean of several batches.
fn in_rust(dir: &Path, batches: usize, size: usize) -> f64 {
    let bundle = Bundle::read(dir).expect("a bundle");
    let config = OpenConfig::new(EngineKind::Null);
    let (mut selector, _) = Selector::open(&bundle, &config).expect("open");
    let tensor = [1.0_f32, 2.0, 3.0, 4.0];
    let mut best = f64::INFINITY;
    for _ in 0..batches {
        let start = Instant::now();
        for _ in 0..size {
            black_box(selector.infer(Input::Tensor(black_box(&tensor))).expect("answered"));
        }
        best = best.min(start.elapsed().as_nanos() as f64 / size as f64);
    }
    best
}

#[test]
fn a_c_call_costs_less_than_50_ns_more_than_a_rust_call() {
    let Some(compiler) = compilers().into_iter().next() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    write_bundle(dir.path());
    let program = compiler.program(&client("speed.c"), &archive(), &[]);
    let (mut rust, mut c) = (f64::INFINITY, f64::INFINITY);
    // The two are measured in turns, so that a change in the machine's speed affects both.
    for _ in 0..10 {
        rust = rust.min(in_rust(dir.path(), 100, 1000));
        let text = run(Command::new(&program).arg(dir.path()).args(["100", "1000"]));
        c = c.min(text.trim().parse().expect("a number"));
    }
    println!("infer on the null engine: Rust {rust:.1} ns, C {c:.1} ns, difference {:.1} ns", c - rust);
    // In a debug build of this test the Rust side is slow, so the difference says nothing.
    assert!(cfg!(debug_assertions) || c - rust < 50.0, "Rust {rust:.1} ns, C {c:.1} ns");
}

/// The loop that Callgrind runs in a process of its own. As a test it does nothing.
#[test]
fn rust_loop() {
    if let (true, Ok(dir)) = (is_child("speed::rust_loop"), std::env::var("TRT_SELECT_TEST_BUNDLE")) {
        let size = std::env::var("TRT_SELECT_TEST_INFERS").expect("a number").parse().expect("a number");
        in_rust(Path::new(&dir), 1, size);
    }
}

/// The number of instructions that Callgrind counted in a whole run of a command.
fn instructions(command: &mut Command) -> u64 {
    let output = command.output().expect("valgrind runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    let line = text.lines().find_map(|line| line.split_once("Collected :")).expect("a count");
    line.1.trim().parse().expect("a number")
}

#[test]
fn a_c_call_executes_few_instructions_more() {
    if !has("valgrind") {
        return println!("skipped: no valgrind");
    }
    let Some(compiler) = compilers().into_iter().next() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    write_bundle(dir.path());
    let program = compiler.program(&client("speed.c"), &archive(), &[]);
    let callgrind = || {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command
    };
    let in_c = |n: u64| instructions(callgrind().arg(&program).arg(dir.path()).args(["1", &n.to_string()]));
    let in_rust = |n: u64| {
        let this = std::env::current_exe().expect("a path");
        let mut command = callgrind();
        command.arg(this).args(["speed::rust_loop", "--exact", "--nocapture", "--test-threads=1"]);
        instructions(
            command
                .env("TRT_SELECT_TEST_CHILD", "speed::rust_loop")
                .env("TRT_SELECT_TEST_BUNDLE", dir.path())
                .env("TRT_SELECT_TEST_INFERS", n.to_string()),
        )
    };
    // The difference of two runs does not contain the instructions before and after the loop.
    let per_call = |count: &dyn Fn(u64) -> u64| (count(11_000) - count(1_000)) as f64 / 10_000.0;
    let c = per_call(&in_c);
    let rust = per_call(&in_rust);
    println!("instructions of an infer on the null engine: Rust {rust:.1}, C {c:.1}, difference {:.1}", c - rust);
    assert!(cfg!(debug_assertions) || c - rust < 400.0, "Rust {rust}, C {c}");
}
