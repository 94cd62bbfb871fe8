//! Programs and rows that contain whatever may go wrong.

use trt_select_base::random::Rng;
use trt_select_premodel::{
    AverageSignal, CandidateId, CandidateSignal, Mask, Node, Premodel, Signal, SignalId, TrainedFor, View,
};

use crate::reference::Row;

/// A finite threshold: usually an ordinary one, sometimes one at the end of the range of floats.
fn threshold(r: &mut Rng) -> f32 {
    match r.below(12) {
        0 => [0.0, -0.0, f32::MIN_POSITIVE, -f32::MIN_POSITIVE, f32::MAX, f32::MIN, 1e-45, -1e-45, 1.0][r.below(9)],
        1 => Some(f32::from_bits(r.next_u64() as u32)).filter(|v| v.is_finite()).unwrap_or(0.1),
        _ => r.unit_f32(),
    }
}

/// Names that could break source code if they were written into it as they are.
const CANDIDATES: [&str; 5] = ["nano", "a-b", "a_b", "2x", "_"];

fn signals() -> Vec<Signal> {
    let mut signals: Vec<Signal> =
        ["contrast", "a*/b", "back\\", "tri??/", "zwei Wörter"].map(|n| Signal::User(n.into())).into();
    signals.extend(["hue1", "hue2", "hue3"].map(|n| Signal::Feature(n.into())));
    for c in (0..5).map(CandidateId) {
        signals.extend([CandidateSignal::Top1, CandidateSignal::Margin].map(|s| Signal::Candidate(c, s)));
    }
    signals.push(Signal::Agreement(CandidateId(0), CandidateId(3)));
    signals.push(Signal::Average(Mask(0b1001), AverageSignal::Margin));
    signals.push(Signal::Average(Mask(0b10), AverageSignal::Top1));
    signals
}

fn model(signals: Vec<Signal>, nodes: Vec<Node>, fallback: Vec<CandidateId>) -> Premodel {
    let trained_for = TrainedFor::of_costs(vec![1.0; CANDIDATES.len()]);
    Premodel::new(CANDIDATES.map(String::from).into(), 10, signals, nodes, fallback, Vec::new(), trained_for).unwrap()
}

/// Eight levels of tests of sixteen signals, and below them a Run and an Answer each.
pub(crate) fn full(r: &mut Rng) -> Premodel {
    fn grow(nodes: &mut Vec<Node>, depth: u32, r: &mut Rng) -> u16 {
        let at = nodes.len() as u16;
        if depth == 0 {
            let c = CandidateId(r.below(5) as u8);
            nodes.extend([Node::run(c, at + 1), Node::answer(c)]);
            return at;
        }
        nodes.push(Node::answer(CandidateId(0)));
        let then = grow(nodes, depth - 1, r);
        let otherwise = grow(nodes, depth - 1, r);
        nodes[usize::from(at)] = Node::test(SignalId(r.below(16) as u16), threshold(r), then, otherwise);
        at
    }
    let mut nodes = Vec::new();
    grow(&mut nodes, 8, r);
    let signals = (0..16).map(|i| Signal::User(format!("s{i}"))).collect();
    model(signals, nodes, (0..5).rev().map(CandidateId).collect())
}

/// A program of tests that is as deep as a program may be: one branch of every second test is an answer.
pub(crate) fn deep(r: &mut Rng) -> Premodel {
    let mut nodes = vec![Node::run(CandidateId(1), 1)];
    for level in 0..61_u16 {
        let at = nodes.len() as u16;
        // The values of the rows lie around these thresholds, so that walks end at every level.
        let (signal, threshold) = (SignalId(r.below(8) as u16), 0.02 + 0.1 * r.unit_f32());
        let (leaf, rest) = (at + 1, at + 2);
        let (then, otherwise) = if level % 2 == 0 { (leaf, rest) } else { (rest, leaf) };
        let threshold = if level % 2 == 0 { threshold } else { 1.0 - threshold };
        nodes.extend([Node::test(signal, threshold, then, otherwise), Node::answer(CandidateId(1))]);
    }
    nodes.push(Node::average(Mask::of(CandidateId(1))));
    model(signals(), nodes, vec![CandidateId(3)])
}

/// Tests, Runs, answers and averages in a random arrangement.
pub(crate) fn random(r: &mut Rng, budget: usize) -> Premodel {
    fn grow(nodes: &mut Vec<Node>, signals: &[Signal], ran: Mask, depth: u32, budget: usize, r: &mut Rng) -> u16 {
        let at = nodes.len() as u16;
        nodes.push(Node::answer(CandidateId(0)));
        let may_read: Vec<u16> =
            (0_u16..).zip(signals).filter(|(_, s)| s.needs().without(ran).is_empty()).map(|(i, _)| i).collect();
        let may_run: Vec<CandidateId> = (0..5).map(CandidateId).filter(|&c| !ran.has(c)).collect();
        let room = nodes.len() < budget && depth < 50;
        nodes[usize::from(at)] = if room && r.below(10) < 8 {
            let then = grow(nodes, signals, ran, depth + 1, budget, r);
            let otherwise = grow(nodes, signals, ran, depth + 1, budget, r);
            Node::test(SignalId(may_read[r.below(may_read.len())]), threshold(r), then, otherwise)
        } else if ran.is_empty() || (!may_run.is_empty() && room && r.below(2) == 0) {
            let c = may_run[r.below(may_run.len())];
            Node::run(c, grow(nodes, signals, ran.with(c), depth + 1, budget, r))
        } else if ran.len() > 1 && r.below(2) == 0 {
            Node::average(ran)
        } else {
            Node::answer(ran.iter().nth(r.below(ran.len() as usize)).expect("one of them"))
        };
        at
    }
    let (mut nodes, signals) = (Vec::new(), signals());
    grow(&mut nodes, &signals, Mask::EMPTY, 0, budget, r);
    let mut fallback: Vec<CandidateId> = (0..5).map(CandidateId).collect();
    for i in (1..5).rev() {
        fallback.swap(i, r.below(i + 1));
    }
    fallback.truncate(1 + r.below(5));
    model(signals, nodes, fallback)
}

/// The rows of the profile on which the shipped premodel was trained.
pub(crate) fn golden(model: &Premodel) -> Vec<Row> {
    let text = include_str!("../../../plans/fashion/profile.csv");
    let mut lines = text.lines().filter(|l| !l.starts_with('#'));
    let header: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let column = |s: &Signal| {
        let name = s.name(model.candidates());
        header.iter().position(|h| *h == name).unwrap_or_else(|| panic!("no column {name}"))
    };
    let columns: Vec<usize> = model.signals().iter().map(column).collect();
    let values = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        columns.iter().map(|&c| cells[c].parse().expect("a number")).collect()
    };
    lines.map(|line| Row { signals: values(line), failing: Mask::EMPTY }).collect()
}

/// The premodel that is shipped with the fashion bundle.
pub(crate) fn fashion() -> Premodel {
    Premodel::from_json(include_str!("../../../tests/capi/bundle/premodel.json")).unwrap()
}

/// Rows with ordinary values, with values at and just beside the program's own thresholds, and with every special float. On some rows
/// candidates fail.
pub(crate) fn rows(r: &mut Rng, model: &Premodel, count: usize) -> Vec<Row> {
    let thresholds: Vec<f32> = model
        .program()
        .nodes()
        .iter()
        .filter_map(|n| match n.view() {
            View::Test { threshold, .. } => Some(threshold),
            _ => None,
        })
        .collect();
    const ODD: [f32; 12] = [
        f32::NAN,
        -f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        0.0,
        -0.0,
        f32::MIN_POSITIVE,
        1e-45,
        -1e-45,
        -1e-40,
        f32::MAX,
        f32::MIN,
    ];
    (0..count)
        .map(|_| {
            let signals = (0..model.signals().len())
                .map(|_| match r.below(16) {
                    0 | 5 => ODD[r.below(ODD.len())],
                    1 => f32::from_bits(r.next_u64() as u32),
                    2..=4 if !thresholds.is_empty() => {
                        let t = thresholds[r.below(thresholds.len())];
                        [t, t.next_up(), t.next_down()][r.below(3)]
                    }
                    _ => r.unit_f32(),
                })
                .collect();
            let failing = if r.below(8) == 0 { Mask(r.next_u64() as u16) } else { Mask::EMPTY };
            Row { signals, failing }
        })
        .collect()
}
