//! Microbenchmarks of what trt-select adds around a network: features, the walk over a premodel, the selector on an engine
//! that does nothing. `cargo bench --no-default-features`

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{cascade, null_candidates};
use divan::Bencher;
use divan::counter::BytesCount;
use trt_select::clock::Clock;
use trt_select::cuda::Format;
use trt_select::engines::Engine;
use trt_select::features::{Features, Groups, Workspace};
use trt_select::{Frame, Input, Selector};
use trt_select_premodel::Request;

fn main() {
    divan::main();
}

/// Bytes that no branch predictor or SIMD trick can guess.
fn noise(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761).rotate_left(13).wrapping_mul(2_246_822_519) >> 24) as u8)
        .collect()
}

const SIZES: [(u32, u32); 4] = [(28, 28), (640, 480), (1280, 720), (1920, 1080)];

/// What the frame's bytes cost to copy: the yardstick for the features.
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

/// A walk that runs two candidates.
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

/// Submit, decide, preprocess 16 pixels, run, read the signals of 2 classes, answer.
#[divan::bench]
fn selector_one_null_run(bencher: Bencher<'_, '_>) {
    let (candidates, _) = null_candidates(0, |_| [4.0, 0.0]);
    let mut selector = Selector::new(candidates, cascade(false)).expect("they fit");
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).expect("a valid frame");
    bencher.bench_local(|| black_box(selector.infer(black_box(frame))));
}

/// The same without frame and preprocessing: submit, poll, decide, dispatch, signals of 2 classes, result.
#[divan::bench]
fn selector_one_null_run_of_a_tensor(bencher: Bencher<'_, '_>) {
    let mut selector =
        Selector::new(common::tensor_candidates([4.0, 0.0], [0.0, 5.0]), cascade(false)).expect("they fit");
    let values = [0.5_f32; 16];
    bencher.bench_local(|| black_box(selector.infer(Input::Tensor(black_box(&values)))));
}

/// What the engine itself takes of the two above: its input written, its call, its output read, through the same trait object.
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

/// A reading of the selector's clock, of which an input takes five.
#[divan::bench]
fn clock(bencher: Bencher<'_, '_>) {
    let clock = Clock::chosen();
    bencher.bench_local(|| clock.now());
}

/// A reading of the system's clock.
#[divan::bench]
fn system_clock(bencher: Bencher<'_, '_>) {
    bencher.bench_local(std::time::Instant::now);
}
