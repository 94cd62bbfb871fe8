//! Candidates on engines that run no network, and premodels for them.
#![allow(dead_code, reason = "each test uses its own part")]

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use trt_select::Candidate;
use trt_select::bundle::Scores;
use trt_select::engines::null::NullEngine;
use trt_select::engines::{DataType, TensorInfo};
use trt_select::preprocess::{PreprocessConfig, Resize};
use trt_select_premodel::{
    Alternative, Average, AverageSignal, CandidateId, CandidateSignal, Expected, Interval, Mask, Node, Premodel,
    Signal, SignalId, TrainedFor,
};

pub(crate) const SMALL: CandidateId = CandidateId(0);
pub(crate) const LARGE: CandidateId = CandidateId(1);

/// An engine with an input of 4×4 grey pixels and an output of two classes.
pub(crate) fn null_engine() -> NullEngine {
    let tensor =
        |name: &str, shape: &[usize]| TensorInfo { name: name.into(), data_type: DataType::F32, shape: shape.into() };
    NullEngine::new(vec![tensor("input", &[1, 1, 4, 4])], vec![tensor("logits", &[1, 2])]).unwrap()
}

/// A candidate that takes frames.
pub(crate) fn of_frames(name: &str, engine: NullEngine) -> Candidate {
    let config = PreprocessConfig::new(4, 4, 1).resize(Resize::ShorterSideCrop { fraction: 0.875 });
    Candidate::new(name, Box::new(engine), Some(config), Scores::Logits, None, None).unwrap()
}

/// Two candidates that take tensors and always answer with these logits.
pub(crate) fn tensor_candidates(small: [f32; 2], large: [f32; 2]) -> Vec<Candidate> {
    let of_tensors = |name: &str, logits: [f32; 2]| {
        let mut engine = null_engine();
        engine.set_output(0, &logits);
        Candidate::new(name, Box::new(engine), None, Scores::Logits, Some("input"), Some("logits")).unwrap()
    };
    vec![of_tensors("small", small), of_tensors("large", large)]
}

/// Two candidates that take frames. The first one answers its n-th run with the logits that the function gives for n; the second one is
/// always sure of class 1. Also returns the counters of their runs.
pub(crate) fn null_candidates(
    polls: u32,
    logits: impl Fn(u64) -> [f32; 2] + Send + 'static,
) -> (Vec<Candidate>, [Arc<AtomicU64>; 2]) {
    let (mut small, mut large) = (null_engine(), null_engine());
    let mut run = 0;
    small.set_function(move |_, outputs| {
        outputs[0].copy_from_slice(&logits(run));
        run += 1;
    });
    large.set_output(0, &[0.0, 9.0]);
    small.set_polls(polls);
    large.set_polls(polls);
    let counters = [small.counter(), large.counter()];
    (vec![of_frames("small", small), of_frames("large", large)], counters)
}

/// Runs the small candidate; where its margin is at most 0.5, runs the large one too and answers with that. With `features`, the program
/// begins with a test on the contrast, both branches of which do the same.
pub(crate) fn cascade(features: bool) -> Premodel {
    let mut signals = vec![Signal::Candidate(SMALL, CandidateSignal::Margin)];
    let mut nodes = Vec::new();
    let tail = |at: u16| {
        [
            Node::run(SMALL, at + 1),
            Node::test(SignalId(0), 0.5, at + 2, at + 4),
            Node::run(LARGE, at + 3),
            Node::answer(LARGE),
            Node::answer(SMALL),
        ]
    };
    if features {
        signals.push(Signal::Feature("contrast".into()));
        nodes.push(Node::test(SignalId(1), 30.0, 1, 6));
        nodes.extend(tail(1));
        nodes.extend(tail(6));
    } else {
        nodes.extend(tail(0));
    }
    premodel(signals, nodes)
}

/// Logits of the n-th run of a small candidate that is sure on two inputs of three.
pub(crate) fn sure_on_two_of_three(run: u64) -> [f32; 2] {
    if run.is_multiple_of(3) { [0.1, 0.0] } else { [4.0, 0.0] }
}

/// A premodel of `small` and `large`. The large one comes first in the fallback list.
pub(crate) fn premodel(signals: Vec<Signal>, nodes: Vec<Node>) -> Premodel {
    premodel_with_risk(signals, nodes, Vec::new())
}

/// The same premodel with a table of risks per candidate and class.
pub(crate) fn premodel_with_risk(signals: Vec<Signal>, nodes: Vec<Node>, risk: Vec<Vec<f32>>) -> Premodel {
    let trained_for = TrainedFor::of_costs(vec![1.0, 10.0]);
    let names = vec!["small".into(), "large".into()];
    Premodel::new(names, 2, signals, nodes, vec![LARGE, SMALL], risk, trained_for).unwrap()
}

/// A premodel with these temperatures and weights (equal weights where none are given). It runs the small candidate. Where that one's own
/// calibrated probability (signal 0) is at most 0.75, it runs the large one too. Then, where the margin of their average (signal 1) is
/// above 0.125, the average answers, and else the large one.
pub(crate) fn averaging(small: f32, large: f32, weights: Option<[f32; 2]>) -> Premodel {
    let both = Mask(3);
    let signals =
        vec![Signal::Average(Mask::of(SMALL), AverageSignal::Top1), Signal::Average(both, AverageSignal::Margin)];
    let nodes = vec![
        Node::run(SMALL, 1),
        Node::test(SignalId(0), 0.75, 2, 6),
        Node::run(LARGE, 3),
        Node::test(SignalId(1), 0.125, 4, 5),
        Node::answer(LARGE),
        Node::average(both),
        Node::average(Mask::of(SMALL)),
    ];
    let averages = weights.map(|w| Average { of: both, weights: w.into() });
    premodel(signals, nodes).with_calibration(vec![small, large], averages.into_iter().collect()).unwrap()
}

/// What to expect of a program that earns this much, in this many milliseconds.
pub(crate) fn expected(reward: f64, cost_ms: f64) -> Expected {
    let about = |mean: f64| Interval { mean, low: 0.9 * mean, high: 1.1 * mean };
    Expected::new(about(reward), about(1e6 * cost_ms), about(reward - 0.9), "made up".into())
}

/// A premodel of four programs, from the cheapest to the best:
/// 0. always the small candidate;
/// 1. the small one, and where its margin is at most 0.5 the large one;
/// 2. the same with averages, as [`averaging`] does, by the temperatures 0.5 and 2;
/// 3. the large one where the contrast is at most 30, and else both, of which the large one answers.
///
/// The large candidate costs ten times as much. Program 1 is the chosen one.
pub(crate) fn several() -> Premodel {
    let both = Mask(3);
    let signals = vec![
        Signal::Candidate(SMALL, CandidateSignal::Margin),
        Signal::Average(Mask::of(SMALL), AverageSignal::Top1),
        Signal::Average(both, AverageSignal::Margin),
        Signal::Feature("contrast".into()),
    ];
    let cascade = vec![
        Node::run(SMALL, 1),
        Node::test(SignalId(0), 0.5, 2, 4),
        Node::run(LARGE, 3),
        Node::answer(LARGE),
        Node::answer(SMALL),
    ];
    let averages = vec![
        Node::run(SMALL, 1),
        Node::test(SignalId(1), 0.75, 2, 6),
        Node::run(LARGE, 3),
        Node::test(SignalId(2), 0.125, 4, 5),
        Node::answer(LARGE),
        Node::average(both),
        Node::average(Mask::of(SMALL)),
    ];
    let by_contrast = vec![
        Node::test(SignalId(3), 30.0, 1, 3),
        Node::run(LARGE, 2),
        Node::answer(LARGE),
        Node::run(SMALL, 4),
        Node::run(LARGE, 5),
        Node::answer(LARGE),
    ];
    let trained_for = TrainedFor::of_costs(vec![1e6, 10e6]);
    let names = vec!["small".into(), "large".into()];
    let weights = Average { of: both, weights: vec![0.25, 0.75] };
    let programs = vec![
        Alternative::single(SMALL, 2).expected(Some(expected(0.8, 1.0))),
        Alternative::new(cascade.clone()).price(Some(0.02)).expected(Some(expected(0.88, 4.0))).ran(vec![1.0, 0.3]),
        Alternative::new(averages).price(Some(0.01)).expected(Some(expected(0.9, 6.0))).ran(vec![1.0, 0.5]),
        Alternative::new(by_contrast).price(Some(0.001)).expected(Some(expected(0.91, 10.5))).ran(vec![0.5, 1.0]),
    ];
    Premodel::new(names, 2, signals, cascade, vec![LARGE, SMALL], Vec::new(), trained_for)
        .and_then(|premodel| premodel.with_calibration(vec![0.5, 2.0], vec![weights]))
        .and_then(|premodel| premodel.with_programs(programs, 1))
        .unwrap()
}

/// The premodel of one of the programs alone.
pub(crate) fn alone(premodel: &Premodel, number: usize) -> Premodel {
    let program = premodel.program_at(number).unwrap();
    let nodes = program.program().nodes().to_vec();
    premodel.clone().with_programs(vec![Alternative::new(nodes)], 0).unwrap()
}
