//! One table of cases, `models/cases.json`, run through every engine that is here.

mod support;

use serde::Deserialize;
use support::{input, onnx_engines, open, output};
use trt_select_engines::registry::EngineKind;
use trt_select_engines::{Completion, DataType, Engine, TensorInfo};

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<usize>,
    data: Vec<f32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Case {
    Answers { model: String, inputs: Vec<Tensor>, outputs: Vec<Tensor>, tolerance: f32 },
    Refused { model: String, refused: String, words: Vec<String> },
}

fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("models/cases.json")).expect("a table of cases")
}

fn infos(tensors: &[Tensor]) -> Vec<TensorInfo> {
    let info = |t: &Tensor| TensorInfo { name: t.name.clone(), data_type: DataType::F32, shape: t.shape.clone() };
    tensors.iter().map(info).collect()
}

fn fill(engine: &mut dyn Engine, inputs: &[Tensor], factor: f32) {
    for (index, tensor) in inputs.iter().enumerate() {
        let buffer = input(engine, index);
        assert_eq!(buffer.len(), tensor.data.len());
        buffer.iter_mut().zip(&tensor.data).for_each(|(to, from)| *to = from * factor);
    }
}

fn check(engine: &dyn Engine, outputs: &[Tensor], tolerance: f32, what: &str) {
    for (index, tensor) in outputs.iter().enumerate() {
        let found = output(engine, index);
        assert_eq!(found.len(), tensor.data.len(), "{what}");
        for (found, expected) in found.iter().zip(&tensor.data) {
            let difference = (found - expected).abs();
            assert!(difference <= tolerance, "{what}: output `{}`: {found}, expected {expected}", tensor.name);
        }
    }
}

#[test]
fn every_engine_answers_as_the_reference_does() {
    for kind in onnx_engines() {
        for case in cases() {
            let Case::Answers { model, inputs, outputs, tolerance } = case else { continue };
            let what = format!("{kind}: {model}");
            let mut engine = open(kind, &model).unwrap_or_else(|e| panic!("{what}: {e}"));
            let engine = &mut *engine;
            assert_eq!(engine.description().inputs, infos(&inputs), "{what}");
            assert_eq!(engine.description().outputs, infos(&outputs), "{what}");
            let addresses = |engine: &mut dyn Engine| {
                let inputs: Vec<_> = (0..inputs.len()).map(|i| input(engine, i).as_ptr()).collect();
                let outputs: Vec<_> = (0..outputs.len()).map(|i| output(engine, i).as_ptr()).collect();
                (inputs, outputs)
            };
            let bound = addresses(engine);

            // Other inputs between show that nothing is carried over, and that buffers are read anew.
            for round in 0..3 {
                fill(engine, &inputs, 1.0);
                assert_eq!(engine.enqueue(), Ok(Completion::Done), "{what}");
                assert_eq!(engine.ready(), Ok(true), "{what}");
                check(engine, &outputs, tolerance, &format!("{what}, round {round}"));
                // Inputs are left alone: running on them again answers the same.
                assert_eq!(engine.enqueue(), Ok(Completion::Done), "{what}");
                check(engine, &outputs, tolerance, &format!("{what}, round {round}, again"));
                fill(engine, &inputs, -3.0);
                assert_eq!(engine.enqueue(), Ok(Completion::Done), "{what}");
                assert_eq!(addresses(engine), bound, "{what}: buffers moved");
            }
        }
    }
}

#[test]
fn every_engine_refuses_in_the_same_words() {
    for kind in onnx_engines() {
        for case in cases() {
            let Case::Refused { model, refused, words } = case else { continue };
            let Err(error) = open(kind, &model) else { panic!("{kind}: {model} was taken") };
            let line = error.to_string();
            eprintln!("{kind}: {line}");
            assert_eq!(format!("{:?}", error.kind()), refused, "{kind}: {line}");
            assert!(line.contains(&model) && !line.contains('\n'), "{kind}: {line}");
            for word in words {
                assert!(line.contains(&word), "{kind}: {word}: {line}");
            }
        }
    }
}

#[test]
fn descriptions_and_memory() {
    for kind in onnx_engines() {
        let engine = open(kind, "classifier.onnx").expect("a model to run");
        let description = engine.description();
        assert_eq!(description.kind, kind.name());
        assert_eq!(description.device, "cpu, 1 thread");
        let (library, version) = description.version.split_once(' ').expect("a name and a version");
        assert_eq!(library, if kind == EngineKind::Ort { "onnxruntime" } else { "tract" });
        assert!(version.split('.').count() >= 3, "{version}");
        // 108 + 4 + 20 + 5 weights, 192 inputs, 5 outputs.
        assert!(engine.memory().host_bytes >= 4 * (137 + 192 + 5), "{:?}", engine.memory());
        assert_eq!((engine.memory().device_bytes, engine.memory().activation_bytes), (0, 0));
    }
}

#[test]
fn an_engine_moves_between_threads() {
    for kind in onnx_engines() {
        let mut engine = open(kind, "two_in_two_out.onnx").expect("a model to run");
        input(&mut *engine, 0).fill(3.0);
        input(&mut *engine, 1).fill(1.0);
        let mut engine = std::thread::spawn(move || {
            engine.enqueue().expect("it runs");
            engine
        })
        .join()
        .expect("no panic");
        assert_eq!(output(&*engine, 0), [2.0; 4]);
        engine.enqueue().expect("it runs here too");
    }
}

#[test]
fn many_engines_open_at_once() {
    for kind in onnx_engines() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    let mut engine = open(kind, "classifier.onnx").expect("a model to run");
                    engine.enqueue().expect("it runs");
                });
            }
        });
    }
}

#[test]
fn more_threads_give_the_same_answers() {
    for kind in onnx_engines() {
        let options = trt_select_engines::OpenOptions::default().threads(2);
        let path = support::model("two_in_two_out.onnx");
        let mut engine = trt_select_engines::registry::open(kind, &path, "two", &options).expect("a model to run");
        input(&mut *engine, 0).fill(3.0);
        engine.enqueue().expect("it runs");
        assert_eq!(output(&*engine, 0), [3.0; 4]);
        let expected = if kind == EngineKind::Ort { "cpu, 2 threads" } else { "cpu, 1 thread" };
        assert_eq!(engine.description().device, expected);

        let none = trt_select_engines::OpenOptions::default().threads(0);
        let error = trt_select_engines::registry::open(kind, &path, "two", &none).err().expect("refused");
        assert!(error.to_string().contains("at least 1"), "{error}");
    }
}
