//! Random programs that read every kind of signal but image features, and rows with random outputs of their candidates.

use std::sync::Arc;

use trt_select::engines::{Completion, DataType, Description, Engine, Error, Memory, Precision, TensorInfo};
use trt_select::premodel::{
    Average, AverageSignal, CandidateId, CandidateSignal, Mask, Node, Premodel, Scores, Signal, SignalId, TrainedFor,
    summarise,
};
use trt_select::train::{Profile, TopK};
use trt_select::{Candidate, Selector};
use trt_select_base::random::Rng;

const CANDIDATES: usize = 4;

/// One input: the values of the user's own signals, and the output that each candidate gives for it.
pub(super) struct Row {
    pub(super) own: Vec<f32>,
    pub(super) outputs: Vec<Vec<f32>>,
}

/// A premodel to test, with the kind of its candidates' outputs and with its own signals.
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) premodel: Premodel,
    pub(super) classes: usize,
    pub(super) kinds: Vec<Scores>,
    pub(super) own: Vec<SignalId>,
    pub(super) own_names: Vec<String>,
    seed: u64,
}

impl Subject {
    pub(super) fn new(name: &str, premodel: Premodel, kinds: Vec<Scores>) -> Subject {
        let (own_names, own) = super::own_signals(&premodel);
        Subject { name: name.into(), classes: premodel.classes() as usize, premodel, kinds, own, own_names, seed: 0 }
    }

    pub(super) fn rows(&self, count: usize) -> Vec<Row> {
        let mut r = Rng::new(self.seed);
        (0..count)
            .map(|_| Row {
                own: self.own.iter().map(|_| r.unit_f32()).collect(),
                outputs: self.kinds.iter().map(|&kind| output(&mut r, kind, self.classes)).collect(),
            })
            .collect()
    }

    /// A selector whose candidates give the outputs of row i for the tensor `[i]`.
    pub(super) fn selector(&self, rows: &[Row]) -> Selector {
        let mut all: Vec<Vec<Vec<f32>>> = vec![Vec::new(); self.kinds.len()];
        for row in rows {
            all.iter_mut().zip(&row.outputs).for_each(|(all, output)| all.push(output.clone()));
        }
        let names = self.premodel.candidates().iter();
        let candidates: Vec<Candidate> = names
            .zip(all)
            .zip(&self.kinds)
            .map(|((name, outputs), &kind)| {
                let engine = Box::new(Given::new(outputs, self.classes));
                Candidate::new(name, engine, None, kind, None, None).expect("a candidate")
            })
            .collect();
        Selector::new(candidates, self.premodel.clone()).expect("they fit")
    }
}

/// A random output of a network. Most are ordinary; some have ties, some have scores that lie far apart, and some cannot be
/// trusted.
fn output(r: &mut Rng, kind: Scores, classes: usize) -> Vec<f32> {
    let spread = [0.0, 0.01, 1.0, 6.0, 30.0, 300.0][r.below(6)];
    let round = r.below(4) == 0;
    let mut scores: Vec<f32> = (0..classes)
        .map(|_| {
            let z = (r.unit_f32() + r.unit_f32() + r.unit_f32() - 1.5) * spread;
            if round { z.round() } else { z }
        })
        .collect();
    if kind == Scores::Probabilities {
        let top = scores.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = scores.iter().map(|z| (z - top).exp()).sum();
        scores.iter_mut().for_each(|z| *z = (*z - top).exp() / sum);
        match r.below(12) {
            0 => scores.iter_mut().for_each(|p| *p *= 1e-41),
            1 => scores.fill(0.0),
            2 => scores[0] = 1.000_5,
            _ => {}
        }
    } else if r.below(12) == 0 {
        let at = r.below(classes);
        scores[at] = [f32::MAX, f32::MIN, -0.0, 1e-45, 88.0][r.below(5)];
    }
    if r.below(8) == 0 {
        let at = r.below(classes);
        scores[at] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][r.below(3)];
    }
    scores
}

/// The signals that programs may read: all kinds but image features, with averages of every set of candidates but the empty one.
fn signals() -> Vec<Signal> {
    let mut signals: Vec<Signal> = ["own", "another"].map(|name| Signal::User(name.into())).into();
    let of = [CandidateSignal::Top1, CandidateSignal::Margin, CandidateSignal::Entropy, CandidateSignal::Risk];
    for c in (0..CANDIDATES as u8).map(CandidateId) {
        signals.extend(of.iter().map(|s| Signal::Candidate(c, s.clone())));
    }
    for a in 0..CANDIDATES as u8 {
        signals.extend((0..a).map(|b| Signal::Agreement(CandidateId(b), CandidateId(a))));
    }
    for set in (1..1 << CANDIDATES).map(Mask) {
        signals.extend([AverageSignal::Top1, AverageSignal::Margin].map(|s| Signal::Average(set, s)));
    }
    signals
}

/// Appends a random subtree of tests, Runs and answers, and returns the place of its root. `ran` are the candidates that ran
/// before it. Thresholds lie between 0.1 and 0.9, as most values of signals do.
fn grow(nodes: &mut Vec<Node>, signals: &[Signal], ran: Mask, depth: u32, r: &mut Rng) -> u16 {
    let at = nodes.len() as u16;
    nodes.push(Node::answer(CandidateId(0)));
    let may_read: Vec<u16> =
        (0_u16..).zip(signals).filter(|(_, s)| s.needs().without(ran).is_empty()).map(|(i, _)| i).collect();
    let may_run: Vec<CandidateId> = (0..CANDIDATES as u8).map(CandidateId).filter(|&c| !ran.has(c)).collect();
    let room = nodes.len() < 220 && depth < 24;
    nodes[usize::from(at)] = if room && r.below(10) < 6 {
        // The larger of two random places is taken, so that later signals in the list, such as averages, are read more often.
        let pick = r.below(may_read.len()).max(r.below(may_read.len()));
        let then = grow(nodes, signals, ran, depth + 1, r);
        let otherwise = grow(nodes, signals, ran, depth + 1, r);
        Node::test(SignalId(may_read[pick]), 0.1 + 0.8 * r.unit_f32(), then, otherwise)
    } else if ran.is_empty() || (!may_run.is_empty() && room && r.below(3) > 0) {
        let c = may_run[r.below(may_run.len())];
        Node::run(c, grow(nodes, signals, ran.with(c), depth + 1, r))
    } else if r.below(2) == 0 {
        Node::average(ran)
    } else {
        Node::answer(ran.iter().nth(r.below(ran.len() as usize)).expect("one of them"))
    };
    at
}

fn premodel(r: &mut Rng, classes: usize) -> Premodel {
    let names: Vec<String> = ["nano", "a-b", "2x", "large"].map(String::from).into();
    let mut nodes = Vec::new();
    // The program begins with up to two Runs, so that many signals exist at its tests.
    let mut ran = Mask::EMPTY;
    for _ in 0..r.below(3) {
        let c = CandidateId(r.below(CANDIDATES) as u8);
        if !ran.has(c) {
            nodes.push(Node::run(c, nodes.len() as u16 + 1));
            ran = ran.with(c);
        }
    }
    grow(&mut nodes, &signals(), ran, 0, r);
    let mut fallback: Vec<CandidateId> = (0..CANDIDATES as u8).map(CandidateId).collect();
    (1..CANDIDATES).rev().for_each(|i| fallback.swap(i, r.below(i + 1)));
    fallback.truncate(1 + r.below(CANDIDATES));
    let risk = (0..CANDIDATES).map(|_| (0..classes).map(|_| r.unit_f32()).collect()).collect();
    let trained_for = TrainedFor::of_costs(vec![1.0; CANDIDATES]);
    let model = Premodel::new(names, classes as u32, signals(), nodes, fallback, risk, trained_for).expect("sound");
    let temperatures = (0..CANDIDATES).map(|_| [1.0, 0.05, 0.5, 1.7, 20.0][r.below(5)]).collect();
    let mut averages = Vec::new();
    for of in (1..1 << CANDIDATES).map(Mask) {
        if r.below(2) == 0 {
            continue;
        }
        let raw: Vec<f32> = of.iter().map(|_| r.unit_f32()).collect();
        let sum: f32 = raw.iter().sum();
        averages.push(Average { of, weights: raw.into_iter().map(|w| w / sum).collect() });
    }
    model.with_calibration(temperatures, averages).expect("calibrated")
}

/// Random subjects. Their numbers of classes are 1, and some that fill less and more than one SIMD vector, and more than one
/// block of the arithmetic's sums.
pub(super) fn random(count: usize) -> Vec<Subject> {
    let mut r = Rng::new(12);
    (0..count)
        .map(|i| {
            let classes = [1, 2, 5, 10, 15, 16, 17, 37, 600, 1_030][i % 10];
            let kinds = (0..CANDIDATES).map(|_| [Scores::Logits, Scores::Probabilities][r.below(2)]).collect();
            let mut subject = Subject::new(&format!("p{i}"), premodel(&mut r, classes), kinds);
            subject.seed = r.next_u64();
            subject
        })
        .collect()
}

/// The profile of a subject's rows: for each candidate the summary of its output, and its probabilities of all classes.
pub(super) fn profile(subject: &Subject, rows: &[Row]) -> Profile {
    let mut text = String::from("input");
    subject.own_names.iter().for_each(|name| text += &format!(",signal.{name}"));
    for name in subject.premodel.candidates() {
        text += &format!(",{name}.reward,{name}.answer,{name}.top1,{name}.margin,{name}.entropy");
    }
    text.push('\n');
    let mut classes = vec![Vec::new(); CANDIDATES];
    let mut probabilities = vec![Vec::new(); CANDIDATES];
    for (i, row) in rows.iter().enumerate() {
        text += &i.to_string();
        row.own.iter().for_each(|value| text += &format!(",{value}"));
        for (c, output) in row.outputs.iter().enumerate() {
            let mut p = vec![0.0; subject.classes];
            let said = summarise(output, Scores::Probabilities, &mut p).expect("trusted");
            text += &format!(",1,{},{},{},{}", said.class, said.top1, said.margin, said.entropy);
            let mut order: Vec<u32> = (0..subject.classes as u32).collect();
            order.sort_by(|&a, &b| p[b as usize].total_cmp(&p[a as usize]));
            probabilities[c].extend(order.iter().map(|&class| p[class as usize]));
            classes[c].extend(order);
        }
        text.push('\n');
    }
    let mut profile = Profile::parse("rows", text.as_bytes()).expect("a profile");
    let topk = TopK::new(subject.classes, subject.classes as u32, classes, probabilities).expect("a table");
    profile.topk = Some(topk);
    profile
}

/// A stand-in for a network: for the tensor `[i]` it gives the i-th of the outputs that it was made with.
struct Given {
    description: Description,
    input: [f32; 1],
    outputs: Arc<Vec<Vec<f32>>>,
    at: usize,
}

impl Given {
    fn new(outputs: Vec<Vec<f32>>, classes: usize) -> Given {
        let tensor = |name: &str, n| TensorInfo { name: name.into(), data_type: DataType::F32, shape: vec![1, n] };
        let description = Description {
            kind: "given",
            version: "given".into(),
            device: "cpu".into(),
            precision: Precision::Fp32,
            inputs: vec![tensor("input", 1)],
            outputs: vec![tensor("scores", classes)],
        };
        Given { description, input: [0.0], outputs: Arc::new(outputs), at: 0 }
    }
}

impl Engine for Given {
    fn description(&self) -> &Description {
        &self.description
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }

    fn input(&mut self, _: usize) -> &mut [f32] {
        &mut self.input
    }

    fn output(&self, _: usize) -> &[f32] {
        &self.outputs[self.at]
    }

    fn enqueue(&mut self) -> Result<Completion, Error> {
        self.at = self.input[0] as usize;
        Ok(Completion::Done)
    }
}
