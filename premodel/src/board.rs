//! The board: the values of all signals of one input, and the one place where they are computed.
//!
//! ```text
//! begin ─► set: features, the user's own ─► step the program over values()
//!                                               │ Run(c)
//!              take_scores(c) (or take_summary) ◄─┘ ─► c's signals, agreements, averages ─► step again
//!                                               │ Answer(a)
//!                                               └► answer(a): class and probability; probabilities(a)
//! ```
//! Whoever walks a program takes its signals from a board: the selector, the C ABI's decider, and the trainer's judge. The code that
//! `compile` writes has a board of its own with the same arithmetic, and a test holds all of them together bit for bit.
//!
//! A board computes only what some test of its program reads, and an average at most once after each run of one of its candidates.
#![deny(clippy::disallowed_types)]

use alloc::vec;
use alloc::vec::Vec;

use crate::arithmetic::{add_weighted, ln_f64, of_logits, of_probabilities};
use crate::summary::summarise_by;
use crate::{
    Answer, AverageSignal, CandidateId, CandidateSignal, Mask, Premodel, Scores, Signal, SignalId, Summary, Top, View,
};

/// A signal of one candidate's summary: its place in the array that `take` makes of a summary.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Own {
    Top1 = 0,
    Margin = 1,
    Entropy = 2,
    Risk = 3,
}

/// What one candidate said, and what is made of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    summary: Summary,
    probabilities: Vec<f32>,
    /// 1 over the natural logarithm of the number of classes.
    entropy_scale: f64,
    /// Its signals that a test reads: places among the values.
    pub(crate) signals: Vec<(usize, Own)>,
    /// By class: share of wrong answers. Empty where no test reads it.
    pub(crate) risk: Vec<f32>,
    pub(crate) calibration: Option<Calibration>,
}

/// A candidate's probabilities at another temperature than 1, for averages.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    pub(crate) temperature: f32,
    /// Its logits, where it gave such: they are sharper than probabilities that were rounded already.
    logits: Vec<f32>,
    has_logits: bool,
    probabilities: Vec<f32>,
    /// Whether `probabilities` are those of its last output: they are made when an average first asks for them.
    is_made: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) signal: usize,
    pub(crate) pair: [CandidateId; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct Average {
    pub(crate) of: Mask,
    /// Its candidates with their weights.
    pub(crate) members: Vec<(CandidateId, f32)>,
    /// Its signals that a test reads: places among the values.
    pub(crate) signals: Vec<(usize, AverageSignal)>,
}

/// The signals of one input at a time. Allocates when it is made (and in [`Board::resize`]), and never again.
///
/// ```
/// use trt_select_premodel::{Board, CandidateId, Node, Premodel, Request, Scores, Signal, SignalId, TrainedFor};
///
/// // Run `small`; where its margin is at most 0.4, run `large` too.
/// let names = vec!["small".to_string(), "large".to_string()];
/// let (small, large) = (CandidateId(0), CandidateId(1));
/// let signals = vec![Signal::parse("small.margin", &names).unwrap()];
/// let nodes = vec![
///     Node::run(small, 1),
///     Node::test(SignalId(0), 0.4, 2, 4),
///     Node::run(large, 3),
///     Node::answer(large),
///     Node::answer(small),
/// ];
/// let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
/// let premodel = Premodel::new(names, 3, signals, nodes, vec![large, small], vec![], trained_for)?;
///
/// let mut board = Board::new(&premodel, 3);
/// let program = premodel.program();
/// board.begin();
/// let mut walk = program.start();
/// let answer = loop {
///     match program.step(&mut walk, board.values()) {
///         Request::Run(candidate) => {
///             let logits = if candidate == small { [0.0, 0.5, 0.0] } else { [0.0, 0.0, 4.0] };
///             board.take_scores(candidate, Scores::Logits, &logits).expect("finite numbers");
///         }
///         Request::Answer(answer) => break answer,
///         Request::NoneWorks => unreachable!("no candidate failed"),
///     }
/// };
/// let top = board.answer(answer).expect("its candidates ran");
/// assert_eq!((answer, top.class), (trt_select_premodel::Answer::Candidate(large), 2));
/// assert_eq!(board.probabilities(answer)[2], top.top1);
/// # Ok::<(), trt_select_premodel::ModelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Board {
    /// One value per signal of the premodel.
    values: Vec<f32>,
    /// Places of the values that the next input does not keep: all but the user's own.
    pub(crate) transient: Vec<usize>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) agreements: Vec<Agreement>,
    pub(crate) averages: Vec<Average>,
    /// The candidates whose output on this input is here.
    heard: Mask,
    /// The probabilities of the average made last.
    mixed: Vec<f32>,
    /// Which average that is, and what it says.
    last: Option<(usize, Top)>,
}

impl Board {
    /// The board of a premodel whose networks have so many classes.
    pub fn new(premodel: &Premodel, classes: usize) -> Board {
        let mut board = Board::of_outputs(premodel.candidates().len(), classes);
        board.values = vec![f32::NAN; premodel.signals().len()];
        board.place_averages(premodel);
        let program = premodel.program();
        let mut is_read = vec![false; premodel.signals().len()];
        program.reads().for_each(|signal| is_read[signal.index()] = true);
        for (at, signal) in premodel.signals().iter().enumerate() {
            if !matches!(signal, Signal::User(_)) {
                board.transient.push(at);
            }
            if is_read[at] {
                board.place_signal(at, signal, premodel);
            }
        }
        board
    }

    /// A board without a premodel: it holds what so many candidates said, and has no signal.
    pub fn of_outputs(candidates: usize, classes: usize) -> Board {
        let mut board = Board {
            values: Vec::new(),
            transient: Vec::new(),
            outputs: vec![Output::default(); candidates],
            agreements: Vec::new(),
            averages: Vec::new(),
            heard: Mask::EMPTY,
            mixed: Vec::new(),
            last: None,
        };
        (0..candidates).for_each(|c| board.resize(CandidateId(c as u8), classes));
        board
    }

    /// Finds the averages that the program reads or answers with, and tells their candidates their temperatures.
    fn place_averages(&mut self, premodel: &Premodel) {
        let program = premodel.program();
        let read = program.reads().filter_map(|signal| match premodel.signals()[signal.index()] {
            Signal::Average(of, _) => Some(of),
            _ => None,
        });
        let answered = program.nodes().iter().filter_map(|node| match node.view() {
            View::Answer(Answer::Average(of)) => Some(of),
            _ => None,
        });
        for of in read.chain(answered) {
            if self.averages.iter().any(|average| average.of == of) {
                continue;
            }
            let members = premodel.members(of).map(|(candidate, weight, _)| (candidate, weight)).collect();
            self.averages.push(Average { of, members, signals: Vec::new() });
            for (candidate, _, temperature) in premodel.members(of) {
                if temperature != 1.0 {
                    let output = &mut self.outputs[candidate.index()];
                    let classes = output.probabilities.len();
                    output.calibration = Some(Calibration {
                        temperature,
                        logits: vec![0.0; classes],
                        has_logits: false,
                        probabilities: vec![0.0; classes],
                        is_made: false,
                    });
                }
            }
        }
        let classes = self.outputs.iter().map(|output| output.probabilities.len()).max().unwrap_or(0);
        self.mixed = vec![0.0; if self.averages.is_empty() { 0 } else { classes }];
    }

    /// Notes where a signal that a test reads is computed. Features and own signals are set by the caller.
    fn place_signal(&mut self, at: usize, signal: &Signal, premodel: &Premodel) {
        match signal {
            Signal::Feature(_) | Signal::User(_) | Signal::Candidate(_, CandidateSignal::Other(_)) => {}
            Signal::Candidate(candidate, signal) => {
                let output = &mut self.outputs[candidate.index()];
                let own = match signal {
                    CandidateSignal::Top1 => Own::Top1,
                    CandidateSignal::Margin => Own::Margin,
                    CandidateSignal::Entropy => Own::Entropy,
                    CandidateSignal::Risk => {
                        output.risk = premodel.risk(*candidate).unwrap_or_default().to_vec();
                        Own::Risk
                    }
                    CandidateSignal::Other(_) => return,
                };
                output.signals.push((at, own));
            }
            Signal::Agreement(a, b) => self.agreements.push(Agreement { signal: at, pair: [*a, *b] }),
            Signal::Average(of, signal) => {
                if let Some(average) = self.averages.iter_mut().find(|average| average.of == *of) {
                    average.signals.push((at, *signal));
                }
            }
        }
    }

    /// Says how many classes a candidate has, where it is another number than all have. Allocates. An average is made of candidates
    /// that have the same number of classes; of others there is none.
    pub fn resize(&mut self, candidate: CandidateId, classes: usize) {
        let Some(output) = self.outputs.get_mut(candidate.index()) else { return };
        output.probabilities = vec![0.0; classes];
        output.entropy_scale = 1.0 / ln_f64(classes.max(2) as f64);
        if let Some(calibration) = &mut output.calibration {
            calibration.logits = vec![0.0; classes];
            calibration.probabilities = vec![0.0; classes];
        }
        if !self.averages.is_empty() && self.mixed.len() < classes {
            self.mixed = vec![0.0; classes];
        }
        self.unset(candidate);
    }

    /// Number of classes of a candidate.
    pub fn classes(&self, candidate: CandidateId) -> usize {
        self.outputs.get(candidate.index()).map_or(0, |output| output.probabilities.len())
    }

    /// The averages that it may compute: those that the program reads or answers with.
    pub fn averages(&self) -> impl Iterator<Item = Mask> {
        self.averages.iter().map(|average| average.of)
    }

    /// The first average that a test reads and that is neither computed nor set, though all its candidates are among those that ran:
    /// whoever walks the program forgot to hand in the output of one of them.
    pub fn lacks(&self, ran: Mask) -> Option<Mask> {
        let lacks = |average: &&Average| {
            average.of.without(ran).is_empty()
                && !average.of.without(self.heard).is_empty()
                && average.signals.iter().any(|&(at, _)| self.values[at].is_nan())
        };
        self.averages.iter().find(lacks).map(|average| average.of)
    }

    /// Begins another input: all is unset (NaN, which takes the else branch of every test) but the user's own signals.
    #[inline]
    pub fn begin(&mut self) {
        for &at in &self.transient {
            self.values[at] = f32::NAN;
        }
        self.heard = Mask::EMPTY;
        self.last = None;
    }

    /// The values of all signals, in the order of their ids: what [`Program::step`](crate::Program::step) reads. NaN where nobody
    /// set one, where its candidates have not run, and where no test reads it.
    #[inline]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Sets a signal. `false` where there is none of that number.
    #[inline]
    pub fn set(&mut self, signal: SignalId, value: f32) -> bool {
        let Some(slot) = self.values.get_mut(signal.index()) else { return false };
        *slot = value;
        true
    }

    /// Takes the output of a candidate that ran, and computes the signals that exist since.
    ///
    /// `None` where the output cannot be trusted (see [`summarise`](crate::summarise)) or there is no such candidate; then the
    /// candidate's signals are unset.
    #[inline]
    pub fn take_scores(&mut self, candidate: CandidateId, kind: Scores, scores: &[f32]) -> Option<Summary> {
        let output = self.outputs.get_mut(candidate.index())?;
        let Some(summary) = summarise_by(scores, kind, &mut output.probabilities, output.entropy_scale) else {
            self.unset(candidate);
            return None;
        };
        if let Some(calibration) = &mut output.calibration {
            calibration.has_logits = kind == Scores::Logits;
            if calibration.has_logits {
                calibration.logits.copy_from_slice(scores);
            }
        }
        self.take(candidate, summary);
        Some(summary)
    }

    /// Where whoever computes a candidate's probabilities elsewhere writes them, before [`Board::take_summary`]. Empty where there is
    /// no such candidate.
    pub fn probabilities_mut(&mut self, candidate: CandidateId) -> &mut [f32] {
        self.outputs.get_mut(candidate.index()).map_or(&mut [], |output| &mut output.probabilities)
    }

    /// Takes what was computed elsewhere of a candidate's output, for example on the device: its summary, whose probabilities stand in
    /// [`Board::probabilities_mut`]. Computes the signals that exist since.
    pub fn take_summary(&mut self, candidate: CandidateId, summary: Summary) {
        let Some(output) = self.outputs.get_mut(candidate.index()) else { return };
        if let Some(calibration) = &mut output.calibration {
            calibration.has_logits = false;
        }
        self.take(candidate, summary);
    }

    #[inline(always)]
    fn take(&mut self, candidate: CandidateId, summary: Summary) {
        self.heard = self.heard.with(candidate);
        let output = &mut self.outputs[candidate.index()];
        output.summary = summary;
        // A class that the premodel has never heard of says nothing.
        let risk = output.risk.get(summary.class as usize).copied().unwrap_or(f32::NAN);
        let own = [summary.top1, summary.margin, summary.entropy, risk];
        for &(at, which) in &output.signals {
            self.values[at] = own[which as usize];
        }
        if let Some(calibration) = &mut output.calibration {
            calibration.is_made = false;
        }
        for Agreement { signal, pair: [a, b] } in &self.agreements {
            if (*a == candidate || *b == candidate) && self.heard.has(*a) && self.heard.has(*b) {
                let class = |c: &CandidateId| self.outputs[c.index()].summary.class;
                self.values[*signal] = if class(a) == class(b) { 1.0 } else { 0.0 };
            }
        }
        if !self.averages.is_empty() {
            self.average_again(candidate);
        }
    }

    /// Computes the averages that exist, or are others, since a candidate said something.
    #[inline(never)]
    fn average_again(&mut self, candidate: CandidateId) {
        if self.last.is_some_and(|(at, _)| self.averages[at].of.has(candidate)) {
            self.last = None;
        }
        for at in 0..self.averages.len() {
            let average = &self.averages[at];
            if average.signals.is_empty() || !average.of.has(candidate) {
                continue;
            }
            let Some(top) = self.mix(at) else { continue };
            for &(value, signal) in &self.averages[at].signals {
                self.values[value] = match signal {
                    AverageSignal::Top1 => top.top1,
                    AverageSignal::Margin => top.margin,
                };
            }
        }
    }

    /// The average of probabilities, where all its candidates have run and have the same number of classes.
    fn mix(&mut self, at: usize) -> Option<Top> {
        let Average { of, members, .. } = &self.averages[at];
        let classes = self.outputs[members.first()?.0.index()].probabilities.len();
        let fits = |(c, _): &(CandidateId, f32)| self.outputs[c.index()].probabilities.len() == classes;
        if !of.without(self.heard).is_empty() || !members.iter().all(fits) {
            return None;
        }
        let mixed = &mut self.mixed[..classes];
        mixed.fill(0.0);
        for &(candidate, weight) in members {
            add_weighted(mixed, weight, self.outputs[candidate.index()].calibrated());
        }
        let top = Top::of(mixed);
        self.last = Some((at, top));
        Some(top)
    }

    /// Forgets what a candidate said.
    #[cold]
    fn unset(&mut self, candidate: CandidateId) {
        self.heard = self.heard.without(Mask::of(candidate));
        for at in signals_of(candidate, &self.outputs, &self.agreements, &self.averages) {
            self.values[at] = f32::NAN;
        }
        if self.last.is_some_and(|(at, _)| self.averages[at].of.has(candidate)) {
            self.last = None;
        }
    }

    /// What a candidate said of this input; `None` where it has not run.
    #[inline]
    pub fn summary(&self, candidate: CandidateId) -> Option<Summary> {
        let output = self.outputs.get(candidate.index())?;
        self.heard.has(candidate).then_some(output.summary)
    }

    /// The candidates that said something of this input.
    pub fn heard(&self) -> Mask {
        self.heard
    }

    /// What an answer says: the class and its probability, of an average those of the weighted mean of calibrated probabilities.
    /// `None` where its candidates have not run, and for an average that the program does not name.
    #[inline]
    pub fn answer(&mut self, answer: Answer) -> Option<Top> {
        match answer {
            Answer::Candidate(candidate) => {
                let Summary { class, top1, margin, .. } = self.summary(candidate)?;
                Some(Top { class, top1, margin })
            }
            Answer::Average(of) => {
                let at = self.averages.iter().position(|average| average.of == of)?;
                match self.last {
                    Some((last, top)) if last == at => Some(top),
                    _ => self.mix(at),
                }
            }
        }
    }

    /// The class probabilities behind an answer, after [`Board::answer`] of it; empty where there are none.
    pub fn probabilities(&self, answer: Answer) -> &[f32] {
        match answer {
            Answer::Candidate(candidate) if self.heard.has(candidate) => {
                self.outputs.get(candidate.index()).map_or(&[], |output| &output.probabilities)
            }
            Answer::Candidate(_) => &[],
            Answer::Average(of) => match self.last {
                Some((at, _)) if self.averages[at].of == of => {
                    let classes = self.averages[at].members.first().map_or(0, |&(c, _)| self.classes(c));
                    &self.mixed[..classes]
                }
                _ => &[],
            },
        }
    }
}

/// Places of the signals that are made of what a candidate says.
pub(crate) fn signals_of<'a>(
    candidate: CandidateId,
    outputs: &'a [Output],
    agreements: &'a [Agreement],
    averages: &'a [Average],
) -> impl Iterator<Item = usize> + 'a {
    let own = outputs.get(candidate.index()).into_iter().flat_map(|output| &output.signals).map(|&(at, _)| at);
    let agreed = agreements.iter().filter(move |a| a.pair.contains(&candidate)).map(|a| a.signal);
    let averaged = averages.iter().filter(move |a| a.of.has(candidate)).flat_map(|a| &a.signals).map(|&(at, _)| at);
    own.chain(agreed).chain(averaged)
}

impl Output {
    /// The probabilities of its last output at its temperature: from the logits where they are here, else from the probabilities.
    fn calibrated(&mut self) -> &[f32] {
        let Some(calibration) = &mut self.calibration else { return &self.probabilities };
        if !calibration.is_made {
            let Calibration { temperature, logits, has_logits, probabilities, is_made } = calibration;
            if *has_logits {
                of_logits(logits, *temperature, probabilities);
            } else {
                of_probabilities(&self.probabilities, *temperature, probabilities);
            }
            *is_made = true;
        }
        &calibration.probabilities
    }
}

#[cfg(test)]
mod tests;
