//! What runs for every frame allocates nothing of ours. Libraries may; how often is printed, and must not grow.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use support::{input, onnx_engines, open, output};
use trt_select_engines::null::NullEngine;
use trt_select_engines::registry::EngineKind;
use trt_select_engines::{DataType, Engine, TensorInfo};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, which counts the calling thread's allocations made through Rust.
struct Counting;

// SAFETY: every call is passed on unchanged; counting touches no memory of the allocator's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count<T>(work: impl FnOnce() -> T) -> (u64, T) {
    let before = COUNT.with(Cell::get);
    let result = work();
    (COUNT.with(Cell::get) - before, result)
}

#[test]
fn the_null_engine_allocates_nothing() {
    let tensor = |name: &str| TensorInfo { name: name.to_owned(), data_type: DataType::F32, shape: vec![1, 1000] };
    let mut engine = NullEngine::new(vec![tensor("image")], vec![tensor("logits")]).expect("f32 tensors");
    engine.fail_at(1, trt_select_engines::Error::new(trt_select_engines::ErrorKind::Run, "as asked"));
    let (allocations, ()) = count(|| {
        for round in 0..8_u32 {
            engine.set_polls(round % 3);
            engine.set_output(0, &[round as f32; 1000]);
            input(&mut engine, 0).fill(1.0);
            let _ = engine.enqueue();
            while !engine.ready().expect("only enqueues fail") {}
            std::hint::black_box((output(&engine, 0), engine.description(), engine.memory()));
        }
    });
    assert_eq!(allocations, 0);
}

#[test]
fn around_the_library_nothing_allocates() {
    for kind in onnx_engines() {
        let mut engine = open(kind, "classifier.onnx").expect("a model to run");
        engine.enqueue().expect("it runs");
        let (first, _) = count(|| engine.enqueue().expect("it runs"));
        for _ in 0..20 {
            let (around, ()) = count(|| {
                input(&mut *engine, 0).fill(0.5);
                assert_eq!(engine.ready(), Ok(true));
                std::hint::black_box((output(&*engine, 0), engine.description(), engine.memory()));
            });
            assert_eq!(around, 0, "{kind}");
            let (allocations, _) = count(|| engine.enqueue().expect("it runs"));
            assert_eq!(allocations, first, "{kind}: allocations grow");
        }
        if kind == EngineKind::Ort {
            assert_eq!(first, 0, "the library is C++: whatever Rust's allocator is asked for is ours");
        }
        eprintln!("{kind}: {first} allocations within the library an inference, none of ours");
    }
}

/// tract's own call, bare, allocates exactly as often as the engine's.
#[cfg(feature = "tract")]
#[test]
fn the_tract_engine_adds_nothing_to_what_tract_allocates() {
    use tract_onnx::prelude::*;

    let model = tract_onnx::onnx().model_for_path(support::model("classifier.onnx")).expect("a model");
    let options = RunOptions { executor: Some(multithread::Executor::SingleThread), ..RunOptions::default() };
    let plan = TypedSimplePlan::new_with_options(model.into_optimized().expect("optimised"), &options).expect("a plan");
    let mut state = TypedSimpleState::new(&plan).expect("a state");
    let tensor = Arc::new(Tensor::zero::<f32>(&[1, 3, 8, 8]).expect("a tensor"));
    let mut bare = || {
        let input = tvec![TValue::from_const(Arc::clone(&tensor))];
        count(|| drop(state.run(input).expect("it runs"))).0
    };
    bare();
    let bare = bare();

    let mut engine = open(EngineKind::Tract, "classifier.onnx").expect("a model to run");
    engine.enqueue().expect("it runs");
    let (ours, _) = count(|| engine.enqueue().expect("it runs"));
    assert_eq!(ours, bare);
}
