//! Whether two tables have inputs in common.

use std::collections::HashMap;

use trt_select_premodel::{CandidateSignal, Signal};

use super::profile::{MEASURED, Profile};

/// Where only answers and labels can be compared, so many inputs must agree in all of them before they count as the same inputs.
const AGREEING: usize = 20;

/// What confidences of the same answer may differ by.
const NEAR: f32 = 1e-3;

impl Profile {
    /// How many inputs of another table are inputs of this one, as far as the tables tell: they have the same name within their
    /// recordings, and labels, answers, image features and own signals are the same. Names alone tell nothing, since each folder may
    /// have a `0001.png`. So this is 0 unless most inputs of equal names look the same. Without features and own signals it is 0 unless
    /// all of them do, at least 20, and the candidates are as sure of their answers in both tables, to a thousandth.
    ///
    /// ```
    /// use trt_select_train::Profile;
    ///
    /// let table = |x: f32| Profile::parse("p.csv", format!("input,signal.x,a.reward\n1.png,{x},1\n").as_bytes());
    /// assert_eq!(table(0.5)?.inputs_again(&table(0.5)?), 1);
    /// assert_eq!(table(0.5)?.inputs_again(&table(0.75)?), 0, "another folder's 1.png");
    /// # Ok::<(), trt_select_train::ProfileError>(())
    /// ```
    pub fn inputs_again(&self, other: &Profile) -> usize {
        let mut rows_of: HashMap<&str, Vec<usize>> = HashMap::new();
        for (row, input) in self.inputs.iter().enumerate() {
            rows_of.entry(self.recordings.name_within(row, input)).or_default().push(row);
        }
        let compared = Compared::new(self, other);
        let (mut shared, mut same) = (0, 0);
        for (row, input) in other.inputs.iter().enumerate() {
            let Some(rows) = rows_of.get(other.recordings.name_within(row, input)) else { continue };
            shared += 1;
            same += usize::from(rows.iter().any(|&own| compared.are_same(own, row)));
        }
        let enough = if compared.signals.is_empty() { same == shared && same >= AGREEING } else { 2 * same > shared };
        if enough { same } else { 0 }
    }
}

/// What two tables say of an input, whoever measured it and on whichever machine.
struct Compared<'a> {
    labels: [&'a [Option<u32>]; 2],
    /// Answers of the candidates that both have; rewards where one has no answers.
    answers: Vec<[&'a [u32]; 2]>,
    rewards: Vec<[&'a [f32]; 2]>,
    /// Image features and own signals that both have.
    signals: Vec<[&'a [f32]; 2]>,
    /// Signals of candidates that both have, where they have no others in common. They depend on the engine in their last digits.
    confidences: Vec<[&'a [f32]; 2]>,
}

impl<'a> Compared<'a> {
    fn new(a: &'a Profile, b: &'a Profile) -> Compared<'a> {
        let mut compared = Compared {
            labels: [&a.labels, &b.labels],
            answers: Vec::new(),
            rewards: Vec::new(),
            signals: Vec::new(),
            confidences: Vec::new(),
        };
        for (i, name) in a.candidates.iter().enumerate() {
            let Some(j) = b.candidates.iter().position(|other| other == name) else { continue };
            match (a.answers.get(i), b.answers.get(j)) {
                (Some(own), Some(others)) => compared.answers.push([own, others]),
                _ => compared.rewards.push([&a.rewards[i], &b.rewards[j]]),
            }
        }
        for column in a.columns.iter().filter(|c| matches!(c.signal, Signal::Feature(_) | Signal::User(_))) {
            if let Some(other) = b.columns.iter().find(|c| c.signal == column.signal) {
                compared.signals.push([&column.values, &other.values]);
            }
        }
        if compared.signals.is_empty() {
            let named = |profile: &'a Profile| {
                let of_candidates = profile.columns.iter().filter(|c| is_confidence(&c.signal));
                of_candidates.map(|c| (c.signal.name(&profile.candidates), c.values.as_slice()))
            };
            let others: HashMap<String, &[f32]> = named(b).collect();
            compared.confidences = named(a).filter_map(|(name, own)| Some([own, *others.get(&name)?])).collect();
        }
        compared
    }

    fn are_same(&self, a: usize, b: usize) -> bool {
        self.labels[0][a] == self.labels[1][b]
            && self.answers.iter().all(|[own, others]| own[a] == others[b])
            && self.rewards.iter().all(|[own, others]| own[a] == others[b])
            && self.signals.iter().all(|[own, others]| own[a] == others[b])
            && self.confidences.iter().all(|[own, others]| (own[a] - others[b]).abs() <= NEAR * own[a].abs().max(1.0))
    }
}

/// Whether a signal is a candidate's own, and no measurement of its run.
fn is_confidence(signal: &Signal) -> bool {
    match signal {
        Signal::Candidate(_, CandidateSignal::Other(name)) => !MEASURED.contains(&name.as_str()),
        Signal::Candidate(..) => true,
        _ => false,
    }
}
