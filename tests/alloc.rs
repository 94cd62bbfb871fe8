//! The hot paths do not allocate after warm-up: a counting allocator says so, over features, preprocessing, the walk over a
//! premodel, and the selector's submit and poll on the null engine.
//!
//! Each thread counts its own: the test harness allocates when it likes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

mod common;

use common::{LARGE, averaging, cascade, null_candidates, several};
use trt_select::features::{self, FEATURE_COUNT, Features, Groups, Workspace};
use trt_select::premodel::Mix;
use trt_select::preprocess::{Filter, Preprocess, PreprocessConfig};
use trt_select::{Frame, Selector};
use trt_select_cuda::Format;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn note() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call is passed on unchanged to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[track_caller]
fn counts_none(name: &str, rounds: u32, mut work: impl FnMut()) {
    work();
    let before = ALLOCATIONS.get();
    for _ in 0..rounds {
        work();
    }
    let count = ALLOCATIONS.get() - before;
    assert_eq!(count, 0, "{name}: {count} allocations in {rounds} rounds");
    println!("{name}: 0 allocations in {rounds} rounds");
}

#[test]
fn nothing_is_allocated_after_warm_up() {
    let bytes: Vec<u8> = (0..4 * 64 * 64u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let grey = Frame::packed(Format::Gray8, 28, 28, 28, &bytes).unwrap();
    let colour = Frame::packed(Format::Bgr8, 33, 21, 100, &bytes).unwrap();
    let yuv = Frame::nv12(64, 63, &bytes, 64, &bytes, 64).unwrap();

    let mut workspace = Workspace::new();
    let mut values = [0.0; FEATURE_COUNT];
    let mut compute = |frame: &Frame<'_>| {
        let accumulators = Features::compute(black_box(frame), Groups::ALL, &mut workspace);
        features::derive(&accumulators, &mut values);
        black_box(&values);
    };
    // A debug build does the same work, only slower.
    let many = if cfg!(debug_assertions) { 2_000 } else { 100_000 };
    counts_none("features, 28x28 gray8", 10 * many, || compute(&grey));
    counts_none("features, 33x21 bgr8", many / 10, || compute(&colour));
    counts_none("features, 64x63 nv12", many / 10, || compute(&yuv));

    let mut same = Preprocess::new(PreprocessConfig::new(28, 28, 1).normalize(vec![0.13], vec![0.3])).unwrap();
    let mut out = vec![0.0; same.config().output_len()];
    counts_none("preprocess, same size", many, || same.run(black_box(&grey), &mut out).unwrap());

    for filter in [Filter::Bicubic, Filter::Bilinear] {
        let mut resizing = Preprocess::new(PreprocessConfig::imagenet(24, 24).filter(filter)).unwrap();
        let mut out = vec![0.0; resizing.config().output_len()];
        for frame in [&grey, &colour, &yuv] {
            let name = format!("preprocess, {filter:?} resize from {}", frame.format().name());
            counts_none(&name, many / 20, || resizing.run(black_box(frame), &mut out).unwrap());
        }
        // Frames of two sizes in turn recompute the weights in the same memory.
        counts_none("preprocess, alternating sizes", many / 100, || {
            resizing.run(black_box(&grey), &mut out).unwrap();
            resizing.run(black_box(&yuv), &mut out).unwrap();
        });
        counts_none("tables for the device, alternating sizes", many / 100, || {
            black_box(resizing.device_tables(28, 28));
            black_box(resizing.device_tables(64, 63));
        });
    }

    decisions(10 * many, &grey);
}

/// The walk, and the selector around it. The margin alternates, so that both paths of the program are taken.
fn decisions(many: u32, frame: &Frame<'_>) {
    let premodel = cascade(true);
    let program = premodel.program();
    let mut round = 0_u32;
    counts_none("premodel", many, || {
        round = round.wrapping_add(1);
        let signals = [if round.is_multiple_of(2) { 0.9 } else { 0.1 }, 50.0];
        let mut walk = program.start();
        while let trt_select_premodel::Request::Run(_) = program.step(&mut walk, black_box(&signals)) {}
        black_box(walk.ran());
    });

    for polls in [0, 2] {
        let (candidates, _) =
            null_candidates(polls, |enqueue| if enqueue.is_multiple_of(2) { [4.0, 0.0] } else { [0.1, 0.0] });
        let mut selector = Selector::new(candidates, cascade(true)).unwrap();
        selector.warm_up((*frame).into()).unwrap();
        let mut ran = [0_u64; 3];
        counts_none(&format!("submit + poll, null engine, {polls} polls"), many, || {
            let mut flight = selector.submit(*frame).unwrap();
            let outcome = loop {
                if let Some(outcome) = flight.poll().unwrap() {
                    break outcome;
                }
            };
            ran[outcome.ran.len() as usize] += 1;
        });
        assert!(ran[1] > u64::from(many / 3) && ran[2] > u64::from(many / 3), "both paths: {ran:?}");
    }

    // Several programs take turns: by their numbers, by a price, and by what the large candidate costs.
    for polls in [0, 2] {
        let (candidates, _) = null_candidates(polls, |run| if run % 2 == 0 { [4.0, 0.0] } else { [0.1, 0.0] });
        let front = several().with_mix(Some(Mix { programs: [0, 3], share: 0.5, seed: 1 })).unwrap();
        let mut selector = Selector::new(candidates, front).unwrap();
        // The chosen program reads no feature, but others do.
        selector.warm_up((*frame).into()).unwrap();
        let (mut round, mut decided) = (0_u32, [0_u64; 4]);
        counts_none(&format!("programs that take turns, {polls} polls"), many, || {
            round = round.wrapping_add(1);
            match round % 4 {
                0 => selector.set_program((round / 4 % 4) as usize).unwrap(),
                1 => drop(black_box(selector.set_price(f64::from(round / 4 % 50) / 1e3))),
                2 => drop(black_box(selector.set_cost_multiplier(LARGE, f64::from(1 + round / 4 % 9)))),
                _ => selector.reset_control(),
            }
            decided[selector.infer(*frame).unwrap().program] += 1;
        });
        assert!(decided.iter().all(|&n| n > u64::from(many / 20)), "all programs: {decided:?}");
    }

    // Calibrated averages: one alone, and where it is unsure that of both.
    for (polls, temperatures) in [(0, [0.5, 2.0]), (2, [1.0, 1.5])] {
        let (candidates, _) =
            null_candidates(polls, |enqueue| if enqueue.is_multiple_of(2) { [4.0, 0.0] } else { [0.1, 0.0] });
        let model = averaging(temperatures[0], temperatures[1], Some([0.25, 0.75]));
        let mut selector = Selector::new(candidates, model).unwrap();
        selector.warm_up((*frame).into()).unwrap();
        let mut ran = [0_u64; 3];
        counts_none(&format!("averages at {temperatures:?}, {polls} polls"), many, || {
            let outcome = selector.infer(*frame).unwrap();
            assert!(matches!(outcome.answer, trt_select_premodel::Answer::Average(of) if of == outcome.ran));
            ran[outcome.ran.len() as usize] += 1;
        });
        assert!(ran[1] > u64::from(many / 3) && ran[2] > u64::from(many / 3), "both paths: {ran:?}");
    }
}
