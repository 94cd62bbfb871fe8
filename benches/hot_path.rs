//! Measures what trt-select adds to the cost of a network: the features, the walk over a premodel, and the selector on an engine that does
//! nothing. `cargo bench --bench hot_path`
//!
//! With `-- --ratios` the selector and a bare call of its engine take turns in one run, and a table is printed. With the feature `ort` the
//! table also has the smallest network of `plans/fashion` on ONNX Runtime with one thread.

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{cascade, null_candidates};
use divan::Bencher;
use divan::counter::BytesCount;
use trt_select::bundle::Scores;
use trt_select::clock::Clock;
use trt_select::cuda::Format;
use trt_select::engines::null::NullEngine;
use trt_select::engines::{DataType, Engine, TensorInfo};
use trt_select::features::{Features, Groups, Workspace};
use trt_select::premodel::summarise;
use trt_select::{Candidate, Frame, Input, Selector};
use trt_select_premodel::{CandidateId, CandidateSignal, Node, Premodel, Request, Signal, SignalId, TrainedFor};

fn main() {
    if std::env::args().any(|a| a == "--ratios") { ratios() } else { divan::main() }
}

/// What is timed: its name, how many calls a block has, and a function that makes one call.
type Contender = (&'static str, u32, Box<dyn FnMut()>);

/// A selector with one candidate that takes tensors, which is run on every input: there are no features and no preprocessing.
fn selector_of(classes: usize, elements: usize, network: Box<dyn Engine>) -> Selector {
    let candidate = Candidate::new("small", network, None, Scores::Logits, None, None).expect("a candidate");
    let info = candidate.info();
    assert_eq!((info.classes(), info.description().inputs[0].len()), (classes, elements));
    let (small, trained_for) = (CandidateId(0), TrainedFor::of_costs(vec![1.0]));
    let signals = vec![Signal::Candidate(small, CandidateSignal::Margin)];
    let nodes = vec![Node::run(small, 1), Node::test(SignalId(0), 0.5, 2, 3), Node::answer(small), Node::answer(small)];
    let premodel = Premodel::new(vec!["small".into()], 0, signals, nodes, vec![small], vec![], trained_for);
    Selector::new(vec![candidate], premodel.expect("a premodel")).expect("they fit")
}

/// Nothing but a call of an engine through the trait object: the input is written, the network called, and the output read.
fn bare(mut engine: Box<dyn Engine>, values: Vec<f32>) -> impl FnMut() {
    move || {
        engine.input(0).copy_from_slice(black_box(&values));
        black_box(engine.enqueue().is_ok());
        black_box(engine.output(0)[0]);
    }
}

fn through(mut selector: Selector, values: Vec<f32>) -> impl FnMut() {
    move || {
        black_box(selector.infer(Input::Tensor(black_box(&values))).is_ok());
    }
}

fn null_of(elements: usize, classes: usize) -> Box<dyn Engine> {
    let tensor = |name: &str, n| TensorInfo { name: name.into(), data_type: DataType::F32, shape: vec![1, n] };
    let mut engine = NullEngine::new(vec![tensor("input", elements)], vec![tensor("logits", classes)]).expect("f32");
    let logits: Vec<f32> = (0..classes).map(|i| if i == 1 { 4.0 } else { i as f32 * 0.1 }).collect();
    engine.set_output(0, &logits);
    Box::new(engine)
}

/// The smallest network of the fashion bundle on ONNX Runtime, twice: one for a bare call, and one for a selector.
#[cfg(feature = "ort")]
fn nano() -> Option<[Box<dyn Engine>; 2]> {
    use trt_select::engines::{OpenOptions, registry};
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/fashion/nano.onnx");
    let open = || registry::open(registry::EngineKind::Ort, &path, "nano", &OpenOptions::default());
    match (open(), open()) {
        (Ok(a), Ok(b)) => {
            println!("nano: {}", a.description().version);
            Some([a, b])
        }
        (Err(e), _) | (_, Err(e)) => {
            println!("skipped: {e}");
            None
        }
    }
}

#[cfg(not(feature = "ort"))]
fn nano() -> Option<[Box<dyn Engine>; 2]> {
    println!("skipped: nano on ONNX Runtime: built without the feature ort");
    None
}

const TURNS: usize = 301;

fn ratios() {
    let mut contenders = contenders();
    let statistics = measure(&mut contenders);
    print_ratios(&contenders, &statistics);
}

/// What is measured: name, calls in a turn, call. [`print_ratios`] relies on their order.
fn contenders() -> Vec<Contender> {
    let clock = Clock::chosen();
    println!("clock: {}", if clock.is_counter() { "the processor's counter" } else { "the system's" });
    let mut contenders: Vec<Contender> = vec![
        (
            "clock, one reading",
            2_000,
            Box::new(move || {
                black_box(clock.now());
            }),
        ),
        ("null engine, 16 elements, 2 classes: bare call", 2_000, Box::new(bare(null_of(16, 2), vec![0.5; 16]))),
        ("the same through the selector", 2_000, Box::new(through(selector_of(2, 16, null_of(16, 2)), vec![0.5; 16]))),
        ("null engine, 784 elements, 10 classes: bare call", 2_000, Box::new(bare(null_of(784, 10), vec![0.5; 784]))),
        (
            "the same through the selector",
            2_000,
            Box::new(through(selector_of(10, 784, null_of(784, 10)), vec![0.5; 784])),
        ),
    ];
    let (logits, mut probabilities): (Vec<f32>, _) = ((0..10).map(|i| i as f32 * 0.3).collect(), vec![0.0; 10]);
    contenders.push((
        "signals of 10 classes alone",
        2_000,
        Box::new(move || {
            black_box(summarise(black_box(&logits), Scores::Logits, &mut probabilities));
        }),
    ));
    if let Some([a, b]) = nano() {
        let values: Vec<f32> = noise(784).into_iter().map(|v| f32::from(v) / 255.0).collect();
        contenders.push(("nano, ONNX Runtime, 1 thread: bare call", 50, Box::new(bare(a, values.clone()))));
        contenders.push(("the same through the selector", 50, Box::new(through(selector_of(10, 784, b), values))));
    }
    contenders
}

/// Median and least time of one call of each contender, in nanoseconds. The contenders take turns.
fn measure(contenders: &mut [Contender]) -> Vec<(f64, f64)> {
    let mut ns = vec![Vec::with_capacity(TURNS); contenders.len()];
    for turn in 0..TURNS + 3 {
        for k in 0..contenders.len() {
            let at = (k + turn) % contenders.len();
            let (_, calls, call) = &mut contenders[at];
            let start = std::time::Instant::now();
            (0..*calls).for_each(|_| call());
            let each = start.elapsed().as_nanos() as f64 / f64::from(*calls);
            // The first turns are for warming up.
            if turn >= 3 {
                ns[at].push(each);
            }
        }
    }
    ns.iter_mut()
        .map(|times| {
            times.sort_by(f64::total_cmp);
            (times[times.len() / 2], times[0])
        })
        .collect()
}

fn print_ratios(contenders: &[Contender], statistics: &[(f64, f64)]) {
    println!("{TURNS} turns\n\n| | ns: median | least |\n| --- | ---: | ---: |");
    for ((name, ..), (median, least)) in contenders.iter().zip(statistics) {
        println!("| {name} | {median:.1} | {least:.1} |");
    }
    println!();
    let added = |i: usize| (statistics[i + 1].0 - statistics[i].0, statistics[i + 1].1 - statistics[i].1);
    for (i, what) in [(1, "2 classes"), (3, "10 classes")] {
        let (median, least) = added(i);
        println!(
            "- The selector adds {median:.0} ns (least times: {least:.0}) to a bare call of the null engine, {what}."
        );
    }
    let signals = statistics[5];
    println!("- The signals of 10 classes (softmax, entropy) take {:.0} ns ({:.0} ns) of that.", signals.0, signals.1);
    if let Some(nano) = statistics.get(6) {
        let (median, least) = added(3);
        println!(
            "- Of a bare call of nano, {:.1} us ({:.1} us), that is {:.2} % ({:.2} %), without the signals {:.2} % ({:.2} %).",
            nano.0 / 1e3,
            nano.1 / 1e3,
            100.0 * median / nano.0,
            100.0 * least / nano.1,
            100.0 * (median - signals.0) / nano.0,
            100.0 * (least - signals.1) / nano.1,
        );
    }
}

/// Bytes that no branch predictor can learn.
fn noise(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519) >> 24) as u8)
        .collect()
}

const SIZES: [(u32, u32); 4] = [(28, 28), (640, 480), (1280, 720), (1920, 1080)];

/// The time of copying the frame's bytes, with which the features are compared.
#[divan::bench(args = SIZES)]
fn memcpy_rgb8(bencher: Bencher<'_, '_>, (width, height): (u32, u32)) {
    let from = noise(3 * (width * height) as usize);
    let mut to = vec![0_u8; from.len()];
    bencher.counter(BytesCount::of_slice(&from)).bench_local(|| black_box(&mut to).copy_from_slice(black_box(&from)));
}

fn features(bencher: Bencher<'_, '_>, (width, height): (u32, u32), groups: Groups) {
    let bytes = noise(3 * (width * height) as usize);
    let frame = Frame::packed(Format::Rgb8, width, height, 3 * width as usize, &bytes).expect("a valid frame");
    let mut workspace = Workspace::new();
    bencher
        .counter(BytesCount::of_slice(&bytes))
        .bench_local(|| black_box(Features::compute(black_box(&frame), groups, &mut workspace)));
}

#[divan::bench(args = SIZES)]
fn features_whole_rgb8(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    features(bencher, size, Groups::WHOLE);
}

#[divan::bench(args = SIZES)]
fn features_grid_rgb8(bencher: Bencher<'_, '_>, size: (u32, u32)) {
    features(bencher, size, Groups::GRID);
}

/// A walk on which two candidates run.
#[divan::bench]
fn walk_two_runs(bencher: Bencher<'_, '_>) {
    let premodel = cascade(false);
    let program = premodel.program();
    bencher.bench_local(|| {
        let mut walk = program.start();
        while let Request::Run(_) = program.step(&mut walk, black_box(&[0.1])) {}
        black_box(walk)
    });
}

/// Submits a frame, decides, preprocesses 16 pixels, runs, computes the signals of 2 classes, and answers.
#[divan::bench]
fn selector_one_null_run(bencher: Bencher<'_, '_>) {
    let (candidates, _) = null_candidates(0, |_| [4.0, 0.0]);
    let mut selector = Selector::new(candidates, cascade(false)).expect("they fit");
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).expect("a valid frame");
    bencher.bench_local(|| black_box(selector.infer(black_box(frame))));
}

/// The same without a frame and preprocessing: submits, polls, decides, runs, computes the signals of 2 classes, and answers.
#[divan::bench]
fn selector_one_null_run_of_a_tensor(bencher: Bencher<'_, '_>) {
    let mut selector =
        Selector::new(common::tensor_candidates([4.0, 0.0], [0.0, 5.0]), cascade(false)).expect("they fit");
    let values = [0.5_f32; 16];
    bencher.bench_local(|| black_box(selector.infer(Input::Tensor(black_box(&values)))));
}

/// The engine's own share of the two above: its input is written, it is called and its output is read, through the same trait object.
#[divan::bench]
fn engine_alone(bencher: Bencher<'_, '_>) {
    let mut engine: Box<dyn Engine> = black_box(Box::new(common::null_engine()));
    let values = [0.5_f32; 16];
    bencher.bench_local(|| {
        engine.input(0).copy_from_slice(black_box(&values));
        black_box(engine.enqueue().is_ok());
        black_box(engine.output(0)[0])
    });
}

/// One reading of the selector's clock. An input takes three to five.
#[divan::bench]
fn clock(bencher: Bencher<'_, '_>) {
    let clock = Clock::chosen();
    bencher.bench_local(|| clock.now());
}

/// One reading of the system's clock.
#[divan::bench]
fn system_clock(bencher: Bencher<'_, '_>) {
    bencher.bench_local(std::time::Instant::now);
}
