//! Toy networks y = W·x + b: as plans for the double of TensorRT (`tests/doubles/toy-plan.md`), as ONNX models for the CPU engines, and as
//! an engine that is written here. Also a bundle of three of them.

use std::path::Path;

use half::f16;
use trt_select::bundle::{Bundle, CandidateSpec, Scores};
use trt_select::engines::{Completion, DataType, Description, Engine, Error, Memory, Precision, TensorInfo};
use trt_select::premodel::{CandidateId, CandidateSignal, Mask, Node, Premodel, Signal, SignalId, TrainedFor};
use trt_select::{Candidate, Outcome, Selector};

use super::toy_plan::{Form, ToyPlan, ToyTensor};

pub(crate) const CLASSES: usize = 10;

/// A toy network.
#[derive(Clone, Debug)]
pub(crate) struct Toy {
    pub(crate) name: &'static str,
    /// Extents of the input: 1, channels, height and width, in the order of the layout.
    pub(crate) shape: [usize; 4],
    pub(crate) half: bool,
    pub(crate) activation_bytes: u64,
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

impl Toy {
    fn new(name: &'static str, shape: [usize; 4], half: bool, activation_bytes: u64, seed: u64) -> Toy {
        let mut state = seed;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32) / (1 << 23) as f32 - 1.0
        };
        let inputs: usize = shape.iter().product();
        let scale = 2.0 / (inputs as f32).sqrt();
        let weights = (0..inputs * CLASSES).map(|_| uniform() * scale).collect();
        let bias = (0..CLASSES).map(|_| uniform() * 0.1).collect();
        Toy { name, shape, half, activation_bytes, weights, bias }
    }

    pub(crate) fn inputs(&self) -> usize {
        self.shape.iter().product()
    }

    /// The network's output. The sums are in f32, in the order of the inputs.
    fn run(&self, x: &[f32], y: &mut [f32]) {
        let round = |v: f32| if self.half { f16::from_f32(v).to_f32() } else { v };
        for (class, out) in y.iter_mut().enumerate() {
            let row = &self.weights[class * x.len()..(class + 1) * x.len()];
            let mut sum = 0.0_f32;
            for (w, x) in row.iter().zip(x) {
                sum += w * round(*x);
            }
            *out = round(sum + self.bias[class]);
        }
    }

    /// The network as an ONNX model: a Flatten and a Gemm.
    pub(crate) fn onnx(&self) -> Vec<u8> {
        self.onnx_of_weights(false)
    }

    /// The same network; its weights may be stored in half precision, of which a Cast makes 32-bit floats.
    pub(crate) fn onnx_of_weights(&self, half: bool) -> Vec<u8> {
        let floats = |name: &str, dims: &[usize], values: &[f32]| {
            let mut t = Vec::new();
            dims.iter().for_each(|&d| field_varint(&mut t, 1, d as u64));
            field_varint(&mut t, 2, if half { 10 } else { 1 });
            field_bytes(&mut t, 8, format!("{name}{}", if half { "_half" } else { "" }).as_bytes());
            let halves: Vec<u8> = values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect();
            field_bytes(&mut t, 9, if half { &halves } else { bytemuck::cast_slice(values) });
            t
        };
        let value = |name: &str, dims: &[usize]| {
            let (mut shape, mut tensor, mut kind, mut info) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
            for &d in dims {
                let mut dim = Vec::new();
                field_varint(&mut dim, 1, d as u64);
                field_bytes(&mut shape, 1, &dim);
            }
            field_varint(&mut tensor, 1, 1);
            field_bytes(&mut tensor, 2, &shape);
            field_bytes(&mut kind, 1, &tensor);
            field_bytes(&mut info, 1, name.as_bytes());
            field_bytes(&mut info, 2, &kind);
            info
        };
        let node = |inputs: &[&str], output: &str, op: &str| {
            let mut n = Vec::new();
            inputs.iter().for_each(|i| field_bytes(&mut n, 1, i.as_bytes()));
            field_bytes(&mut n, 2, output.as_bytes());
            field_bytes(&mut n, 4, op.as_bytes());
            n
        };
        let mut transposed = vec![0.0; self.weights.len()];
        for class in 0..CLASSES {
            for i in 0..self.inputs() {
                transposed[i * CLASSES + class] = self.weights[class * self.inputs() + i];
            }
        }
        let mut graph = Vec::new();
        for (stored, name) in [("W_half", "W"), ("b_half", "b")].iter().filter(|_| half) {
            let (mut cast, mut to) = (node(&[stored], name, "Cast"), Vec::new());
            // The attribute `to` is the integer 1, which stands for 32-bit floats.
            field_bytes(&mut to, 1, b"to");
            field_varint(&mut to, 3, 1);
            field_varint(&mut to, 20, 2);
            field_bytes(&mut cast, 5, &to);
            field_bytes(&mut graph, 1, &cast);
        }
        field_bytes(&mut graph, 1, &node(&["input"], "flat", "Flatten"));
        field_bytes(&mut graph, 1, &node(&["flat", "W", "b"], "logits", "Gemm"));
        field_bytes(&mut graph, 2, self.name.as_bytes());
        field_bytes(&mut graph, 5, &floats("W", &[self.inputs(), CLASSES], &transposed));
        field_bytes(&mut graph, 5, &floats("b", &[CLASSES], &self.bias));
        field_bytes(&mut graph, 11, &value("input", &self.shape));
        field_bytes(&mut graph, 12, &value("logits", &[1, CLASSES]));
        let (mut model, mut opset) = (Vec::new(), Vec::new());
        field_varint(&mut model, 1, 8);
        field_bytes(&mut model, 7, &graph);
        field_varint(&mut opset, 2, 13);
        field_bytes(&mut model, 8, &opset);
        model
    }
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 127 {
        out.push(value as u8 | 128);
        value >>= 7;
    }
    out.push(value as u8);
}

fn field_varint(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn field_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Three networks: a small grey one; a middle one in half precision, with a cropped input; and a large one whose channels are interleaved,
/// blue first. The sizes of their activation memory occur nowhere else.
pub(crate) fn toys() -> Vec<Toy> {
    vec![
        Toy::new("small", [1, 1, 12, 16], false, 51_456, 1),
        Toy::new("middle", [1, 3, 14, 14], true, 1_333_248, 2),
        Toy::new("large", [1, 24, 20, 3], false, 717_824, 3),
    ]
}

const BUNDLE: &str = r#"format = 1
name = "toys"
premodel = "premodel.json"

[[candidate]]
name = "small"
onnx = "small.onnx"
input = "input"
size = [16, 12]
channels = 1
mean = [0.4]
std = [0.3]
filter = "bilinear"

[[candidate]]
name = "middle"
onnx = "middle.onnx"
precision = "fp16"
size = [14, 14]
resize = "crop"
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]

[[candidate]]
name = "large"
onnx = "large.onnx"
plan = "plans/of-large.plan"
size = [20, 24]
order = "bgr"
layout = "nhwc"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
"#;

/// For bright frames the small network runs first, and the large one where it is unsure. For dark frames the middle one runs first, and
/// where it is unsure the average of the middle and the large one answers.
pub(crate) fn premodel() -> Premodel {
    let [small, middle, large] = [CandidateId(0), CandidateId(1), CandidateId(2)];
    let signals = vec![
        Signal::Feature("brightness_average".into()),
        Signal::Candidate(small, CandidateSignal::Margin),
        Signal::Candidate(middle, CandidateSignal::Top1),
        Signal::Feature("edge_density".into()),
    ];
    let nodes = vec![
        Node::test(SignalId(0), 120.0, 1, 6),
        Node::run(middle, 2),
        Node::test(SignalId(2), 0.5, 3, 5),
        Node::run(large, 4),
        Node::average(Mask::of(middle).with(large)),
        Node::answer(middle),
        Node::test(SignalId(3), 0.25, 7, 12),
        Node::run(small, 8),
        Node::test(SignalId(1), 0.3, 9, 11),
        Node::run(large, 10),
        Node::answer(large),
        Node::answer(small),
        Node::run(large, 13),
        Node::answer(large),
    ];
    premodel_of(signals, nodes)
}

/// A premodel of the toys. Where one fails, the largest that works answers.
pub(crate) fn premodel_of(signals: Vec<Signal>, nodes: Vec<Node>) -> Premodel {
    let names = toys().iter().map(|t| t.name.to_owned()).collect();
    let fallback = [2, 1, 0].map(CandidateId).to_vec();
    let trained_for = TrainedFor::of_costs(vec![1.0, 2.0, 4.0]);
    Premodel::new(names, CLASSES as u32, signals, nodes, fallback, Vec::new(), trained_for).expect("a premodel")
}

/// Writes the bundle with its ONNX models, and with the plans that `plan` gives.
pub(crate) fn write_bundle(dir: &Path, plan: impl Fn(&Toy) -> Vec<u8>) {
    std::fs::create_dir_all(dir.join("plans")).expect("a folder");
    std::fs::write(dir.join("bundle.toml"), BUNDLE).expect("written");
    std::fs::write(dir.join("premodel.json"), premodel().to_json()).expect("written");
    for toy in toys() {
        std::fs::write(dir.join(format!("{}.onnx", toy.name)), toy.onnx()).expect("written");
        std::fs::write(plan_path(dir, toy.name), plan(&toy)).expect("written");
    }
}

pub(crate) fn plan_path(dir: &Path, name: &str) -> std::path::PathBuf {
    if name == "large" { dir.join("plans/of-large.plan") } else { dir.join(format!("{name}.plan")) }
}

/// The toy network on the CPU, written here. Everything else is compared with it.
#[derive(Debug)]
pub(crate) struct OnCpu {
    toy: Toy,
    description: Description,
    x: Vec<f32>,
    y: Vec<f32>,
}

impl OnCpu {
    pub(crate) fn new(toy: Toy) -> OnCpu {
        let info = |name: &str, shape: &[usize]| TensorInfo {
            name: name.to_owned(),
            data_type: DataType::F32,
            shape: shape.to_vec(),
        };
        let description = Description {
            kind: "toy",
            version: "toy".to_owned(),
            device: "cpu".to_owned(),
            precision: Precision::Fp32,
            inputs: vec![info("input", &toy.shape)],
            outputs: vec![info("logits", &[1, CLASSES])],
        };
        OnCpu { x: vec![0.0; toy.inputs()], y: vec![0.0; CLASSES], toy, description }
    }
}

/// A selector with the networks and the premodel of a bundle of [`write_bundle`], on the CPU.
pub(crate) fn on_cpu(bundle: &Path) -> Selector {
    let bundle = Bundle::read(bundle).expect("a bundle");
    let candidate = |(toy, spec): (Toy, &CandidateSpec)| {
        let engine = Box::new(OnCpu::new(toy));
        Candidate::new(&spec.name, engine, spec.image.clone(), Scores::Logits, None, None).expect("a candidate")
    };
    let candidates: Vec<Candidate> = toys().into_iter().zip(&bundle.candidates).map(candidate).collect();
    Selector::new(candidates, premodel()).expect("a selector")
}

/// Checks that two outcomes are the same, except for what the order of a sum may change in its last bits.
#[track_caller]
pub(crate) fn assert_same(gpu: &Outcome, cpu: &Outcome, what: &str) {
    assert_eq!((gpu.class, gpu.answer, gpu.ran, gpu.node), (cpu.class, cpu.answer, cpu.ran, cpu.node), "{what}");
    assert!((gpu.probability - cpu.probability).abs() < 2e-6, "{what}: {gpu:?} {cpu:?}");
    assert!(gpu.failed.is_empty(), "{what}");
}

impl Engine for OnCpu {
    fn description(&self) -> &Description {
        &self.description
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }

    fn input(&mut self, _: usize) -> &mut [f32] {
        &mut self.x
    }

    fn output(&self, _: usize) -> &[f32] {
        &self.y
    }

    fn enqueue(&mut self) -> Result<Completion, Error> {
        self.toy.run(&self.x, &mut self.y);
        Ok(Completion::Done)
    }
}

impl Toy {
    /// The network as a plan for the double in its RTX edition, built for compute capability 8.0.
    pub(crate) fn plan(&self) -> Vec<u8> {
        self.plan_as(Form::RTX).bytes()
    }

    /// The network as a plan of another version.
    pub(crate) fn plan_as(&self, form: Form) -> ToyPlan {
        let tensor = |name: &str, shape: &[usize]| ToyTensor {
            name: name.to_owned(),
            half: self.half,
            shape: shape.iter().map(|&extent| extent as i64).collect(),
        };
        let (input, output) = (tensor("input", &self.shape), tensor("logits", &[1, CLASSES]));
        let (weights, bias) = (self.weights.clone(), self.bias.clone());
        ToyPlan { weights, bias, ..ToyPlan::new(form, input, output, self.activation_bytes) }
    }
}
