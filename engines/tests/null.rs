//! The null engine does what its script says.

mod support;

use support::{input, output};
use trt_select_engines::null::NullEngine;
use trt_select_engines::{Completion, DataType, Engine, Error, ErrorKind, Precision, TensorInfo, registry};

fn tensor(name: &str, shape: &[usize]) -> TensorInfo {
    TensorInfo { name: name.to_owned(), data_type: DataType::F32, shape: shape.to_vec() }
}

fn engine() -> NullEngine {
    NullEngine::new(vec![tensor("image", &[1, 3, 2, 2])], vec![tensor("logits", &[1, 3]), tensor("box", &[4])])
        .expect("f32 tensors")
}

fn broken() -> Error {
    Error::new(ErrorKind::Run, "out of memory, as asked")
}

#[test]
fn it_answers_zeros_then_what_was_set() {
    let mut engine = engine();
    assert_eq!(engine.description().kind, "null");
    assert_eq!(engine.description().precision, Precision::Fp32);
    assert_eq!(input(&mut engine, 0).len(), 12);
    assert_eq!(engine.enqueue(), Ok(Completion::Done));
    assert_eq!(output(&engine, 0), [0.0; 3]);
    engine.set_output(0, &[0.1, 0.7, 0.2]);
    assert_eq!(output(&engine, 0), [0.0; 3], "only the next enqueue publishes it");
    assert_eq!(engine.enqueue(), Ok(Completion::Done));
    assert_eq!(engine.ready(), Ok(true));
    assert_eq!(output(&engine, 0), [0.1, 0.7, 0.2]);
    assert_eq!(output(&engine, 1), [0.0; 4]);
    assert_eq!(engine.enqueues(), 2);
    assert_eq!(engine.memory().host_bytes, 4 * (12 + 2 * 7));
}

#[test]
fn a_function_computes_answers_from_inputs() {
    let mut engine = engine();
    engine.set_function(|inputs, answers| answers[0][0] = inputs[0].iter().sum());
    input(&mut engine, 0).fill(0.5);
    engine.enqueue().expect("it runs");
    assert_eq!(output(&engine, 0), [6.0, 0.0, 0.0]);
    input(&mut engine, 0).fill(1.0);
    engine.enqueue().expect("it runs");
    assert_eq!(output(&engine, 0), [12.0, 0.0, 0.0]);
}

#[test]
fn work_stays_pending_for_as_many_polls_as_asked() {
    let mut engine = engine();
    engine.set_output(1, &[1.0, 2.0, 3.0, 4.0]);
    engine.set_polls(2);
    for _ in 0..3 {
        assert_eq!(engine.enqueue(), Ok(Completion::Pending));
        assert!(output(&engine, 1).iter().all(|v| v.is_nan()), "an output read too early shows");
        assert_eq!(engine.ready(), Ok(false));
        assert_eq!(engine.ready(), Ok(false));
        assert!(output(&engine, 1).iter().all(|v| v.is_nan()));
        assert_eq!(engine.ready(), Ok(true));
        assert_eq!(output(&engine, 1), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(engine.ready(), Ok(true), "and stays so");
    }
    engine.set_polls(0);
    assert_eq!(engine.enqueue(), Ok(Completion::Done));
}

#[test]
fn the_enqueue_that_was_named_fails_and_the_next_works() {
    let mut engine = engine();
    let counter = engine.counter();
    engine.set_output(0, &[1.0; 3]);
    engine.fail_at(1, broken());
    let mut engine: Box<dyn Engine> = Box::new(engine);
    assert_eq!(engine.enqueue(), Ok(Completion::Done));
    assert_eq!(engine.enqueue(), Err(broken()));
    assert!(output(&*engine, 0).iter().all(|v| v.is_nan()), "an output read after a failure shows");
    assert_eq!(engine.ready(), Ok(true), "nothing is under way");
    assert!(output(&*engine, 0).iter().all(|v| v.is_nan()));
    assert_eq!(engine.enqueue(), Ok(Completion::Done));
    assert_eq!(output(&*engine, 0), [1.0; 3]);
    assert_eq!(counter.load(std::sync::atomic::Ordering::Relaxed), 3);
}

#[test]
fn pending_work_can_fail_late() {
    let mut engine = engine();
    engine.set_polls(1);
    engine.set_fail_late(true);
    engine.fail_at(0, broken());
    assert_eq!(engine.enqueue(), Ok(Completion::Pending));
    assert_eq!(engine.ready(), Ok(false));
    assert_eq!(engine.ready(), Err(broken()));
    assert!(output(&engine, 0).iter().all(|v| v.is_nan()));
    assert_eq!(engine.enqueue(), Ok(Completion::Pending));
    assert_eq!(engine.ready(), Ok(false));
    assert_eq!(engine.ready(), Ok(true));
    assert_eq!(output(&engine, 0), [0.0; 3]);
}

#[test]
fn only_f32_is_taken() {
    let half = TensorInfo { data_type: DataType::F16, ..tensor("image", &[1]) };
    let error = NullEngine::new(vec![half], vec![]).expect_err("half precision");
    assert_eq!(error.kind(), ErrorKind::Shape);
    assert_eq!(error.to_string(), "null engine: input `image` holds f16, expected f32");
}

#[test]
fn the_registry_opens_it_with_tensors() {
    let mut engine =
        registry::open_null(vec![tensor("image", &[2])], vec![tensor("logits", &[2])]).expect("f32 tensors");
    assert_eq!(engine.enqueue(), Ok(Completion::Done));
    assert_eq!(output(&*engine, 0), [0.0; 2]);
}
