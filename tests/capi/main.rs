//! C and C++ programs that are linked with the library. They are tested for the same answers as in Rust, misuse, panics,
//! allocations, threads, under sanitizers, and together with a second Rust library; the installed files are tested too.
//!
//! Cargo builds the library once, and it is kept in `target/capi`. Where a machine lacks a tool (a compiler, Valgrind, TensorRT's
//! headers for the double), the tests that need it print the reason and are skipped.

#[cfg(feature = "cli")]
mod agree;
mod answers;
#[path = "../../cuda/tests/common/mod.rs"]
mod double;
#[path = "../tensorrt/doubles.rs"]
#[allow(dead_code, reason = "its other users are tests/tensorrt")]
mod doubles;
mod examples;
#[path = "../gpu/frames.rs"]
mod frames;
mod library;
#[path = "../tensorrt/line.rs"]
mod line;
mod misuse;
mod packaging;
mod programs;
mod reload;
mod ros2;
mod speed;
mod statuses;
mod tools;
#[path = "../tensorrt/toy.rs"]
#[allow(dead_code, reason = "its other users are tests/tensorrt")]
mod toy;
#[path = "../doubles/toy_plan.rs"]
mod toy_plan;
#[path = "../doubles/versions.rs"]
mod versions;

use std::path::Path;

use trt_select::premodel::{CandidateId, CandidateSignal, Mask, Node, Premodel, Signal, SignalId, TrainedFor};

/// A premodel of two candidates. Its program reads a feature, the caller's own signal `speed` and a margin, and ends with an
/// answer of each kind. On the null engine every margin is 0.
pub(crate) fn premodel(classes: u32) -> Premodel {
    let [small, large] = [CandidateId(0), CandidateId(1)];
    let signals = vec![
        Signal::Feature("brightness_average".into()),
        Signal::User("speed".into()),
        Signal::Candidate(small, CandidateSignal::Margin),
    ];
    let nodes = vec![
        Node::test(SignalId(0), 100.0, 1, 6),
        Node::run(small, 2),
        Node::test(SignalId(2), 0.5, 3, 5),
        Node::run(large, 4),
        Node::average(Mask::of(small).with(large)),
        Node::answer(small),
        Node::test(SignalId(1), 3.5, 7, 9),
        Node::run(small, 8),
        Node::answer(small),
        Node::run(large, 10),
        Node::answer(large),
    ];
    let names = vec!["small".into(), "large".into()];
    let trained_for = TrainedFor::of_costs(vec![1.0, 10.0]);
    Premodel::new(names, classes, signals, nodes, vec![large, small], Vec::new(), trained_for).expect("a premodel")
}

/// Writes a bundle for the null engine. The files of its networks exist, but nothing reads them.
pub(crate) fn write_null_bundle(dir: &Path) {
    let bundle = "format = 1\nname = \"nothing\"\npremodel = \"premodel.json\"\nlabels = \"labels.txt\"\n\n\
        [input]\nkind = \"image\"\n";
    let candidate = |name: &str, side: u32| {
        format!(
            "\n[[candidate]]\nname = \"{name}\"\nonnx = \"none.onnx\"\nsize = [{side}, {side}]\nchannels = 1\n\
             mean = [0.5]\nstd = [0.5]\n"
        )
    };
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("written");
    write("bundle.toml", &format!("{bundle}{}{}", candidate("small", 8), candidate("large", 16)));
    write("labels.txt", "a\nb\nc\nd\n");
    write("none.onnx", "");
    write("premodel.json", &premodel(4).to_json());
}
