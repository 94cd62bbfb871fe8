//! The board: the values of all signals of one input, and the one place where they are computed.
//!
//! ```text
//! begin ─► set: features, the user's own ─► step the program over values()
//!                                               │ Run(c)
//!              take_scores(c) (or take_summary) ◄─┘ ─► c's signals, agreements, averages ─► step again
//!                                               │ Answer(a)
//!                                               └► answer(a): class and probability; probabilities(a)
//! ```
//! The selector, the C ABI's decider and the trainer's judge all walk programs, and all of them take the signals from a board. The code
//! that `compile` writes has a board of its own; a test compares it with this one bit for bit.
//!
//! A board computes only the signals that some test of its program reads. It computes an average at most once after each run of one of
//! the average's candidates.
//!
//! A premodel may hold several programs. What candidates say is kept once for all of them; for each program a board has a *wiring*, which says
//! what is computed from it. The wiring is chosen when an input begins, so no input pays for what other programs read.
#![deny(clippy::disallowed_types)]

mod wiring;

use alloc::vec;
use alloc::vec::Vec;

use crate::arithmetic::{add_weighted, ln_f64, of_logits, of_probabilities};
use crate::summary::summarise_by;
use crate::{Answer, AverageSignal, CandidateId, Mask, Premodel, Scores, Signal, SignalId, Summary, Top};

pub(crate) use wiring::{Agreement, Average, Own, Wiring};

/// The output of one candidate, and what is computed from it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    summary: Summary,
    probabilities: Vec<f32>,
    /// Whether `probabilities` are those that the summary belongs to. They may still be elsewhere, for example on the device.
    is_whole: bool,
    /// 1 over the natural logarithm of the number of classes.
    entropy_scale: f64,
    /// For each class: how often the candidate is wrong when it answers with that class. Empty where no test reads it.
    pub(crate) risk: Vec<f32>,
    pub(crate) calibration: Option<Calibration>,
}

/// A candidate's probabilities at its temperature, for averages. Only candidates whose temperature is not 1 have this.
#[derive(Clone, Debug)]
pub(crate) struct Calibration {
    pub(crate) temperature: f32,
    /// The logits of its last output, if it reported logits. Probabilities would do as well, but they have been rounded already.
    logits: Vec<f32>,
    has_logits: bool,
    probabilities: Vec<f32>,
    /// Whether `probabilities` belong to its last output. They are computed when an average first needs them.
    is_current: bool,
}

/// The signals of one input at a time. Only [`Board::new`], [`Board::of_outputs`] and [`Board::resize`] allocate.
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
    /// The places of all values except the user's own: the next input unsets these.
    pub(crate) transient: Vec<usize>,
    pub(crate) outputs: Vec<Output>,
    /// What is computed for the program of this input.
    pub(crate) wiring: Wiring,
    /// For each program what is computed for it. In place of the one in `wiring` stands one that computes nothing.
    wirings: Vec<Wiring>,
    /// The number of the program whose signals are computed.
    program: usize,
    /// Whether any program has averages.
    has_averages: bool,
    /// The candidates whose output on this input was taken.
    reported: Mask,
    /// The probabilities of the average that was computed last.
    mixed: Vec<f32>,
    /// The number of that average, and its most probable class. `None` where a candidate has reported another output since.
    last: Option<(usize, Top)>,
}

impl Board {
    /// A board for a premodel whose networks have this many classes. Its first input is one of the premodel's chosen program.
    pub fn new(premodel: &Premodel, classes: usize) -> Board {
        let mut board = Board::of_outputs(premodel.candidates().len(), classes);
        board.values = vec![f32::NAN; premodel.signals().len()];
        let is_transient = |&at: &usize| !matches!(premodel.signals()[at], Signal::User(_));
        board.transient = (0..premodel.signals().len()).filter(is_transient).collect();
        board.wirings = premodel.programs().map(|program| Wiring::of(program.program(), premodel)).collect();
        board.make_room(premodel);
        board.program = premodel.chosen();
        core::mem::swap(&mut board.wiring, &mut board.wirings[premodel.chosen()]);
        board
    }

    /// A board without a premodel. It has no signals; it holds the outputs of this many candidates.
    pub fn of_outputs(candidates: usize, classes: usize) -> Board {
        let mut board = Board {
            values: Vec::new(),
            transient: Vec::new(),
            outputs: vec![Output::default(); candidates],
            wiring: Wiring { own: vec![Vec::new(); candidates], ..Wiring::default() },
            wirings: vec![Wiring::default()],
            program: 0,
            has_averages: false,
            reported: Mask::EMPTY,
            mixed: Vec::new(),
            last: None,
        };
        (0..candidates).for_each(|c| board.resize(CandidateId(c as u8), classes));
        board
    }

    /// Makes room for what the programs read besides probabilities: risks, calibrated probabilities, averages.
    fn make_room(&mut self, premodel: &Premodel) {
        let averaged = self.wirings.iter().fold(Mask::EMPTY, |all, wiring| all.union(wiring.averaged));
        let reads_risk =
            |c: usize| self.wirings.iter().any(|wiring| wiring.own[c].iter().any(|(_, own)| matches!(own, Own::Risk)));
        let reads_risk: Vec<bool> = (0..self.outputs.len()).map(reads_risk).collect();
        for ((candidate, output), reads_risk) in (0_u8..).map(CandidateId).zip(&mut self.outputs).zip(reads_risk) {
            if reads_risk {
                output.risk = premodel.risk(candidate).unwrap_or_default().to_vec();
            }
            let temperature = premodel.temperature(candidate);
            if averaged.has(candidate) && temperature != 1.0 {
                let classes = output.probabilities.len();
                output.calibration = Some(Calibration {
                    temperature,
                    logits: vec![0.0; classes],
                    has_logits: false,
                    probabilities: vec![0.0; classes],
                    is_current: false,
                });
            }
        }
        let classes = self.outputs.iter().map(|output| output.probabilities.len()).max().unwrap_or(0);
        self.has_averages = !averaged.is_empty();
        self.mixed = vec![0.0; if self.has_averages { classes } else { 0 }];
    }

    /// Gives a candidate another number of classes than the board was made with. Allocates. An average whose candidates differ in their
    /// numbers of classes is never computed.
    pub fn resize(&mut self, candidate: CandidateId, classes: usize) {
        let Some(output) = self.outputs.get_mut(candidate.index()) else { return };
        output.probabilities = vec![0.0; classes];
        output.entropy_scale = 1.0 / ln_f64(classes.max(2) as f64);
        if let Some(calibration) = &mut output.calibration {
            calibration.logits = vec![0.0; classes];
            calibration.probabilities = vec![0.0; classes];
        }
        if self.has_averages && self.mixed.len() < classes {
            self.mixed = vec![0.0; classes];
        }
        self.unset(candidate);
    }

    /// Number of classes of a candidate, or 0 where there is no such candidate.
    pub fn classes(&self, candidate: CandidateId) -> usize {
        self.outputs.get(candidate.index()).map_or(0, |output| output.probabilities.len())
    }

    /// The candidates that enter averages of the program of this input at another temperature than 1, with that temperature.
    pub(crate) fn calibrated(&self) -> impl Iterator<Item = (CandidateId, f32)> {
        let averaged = self.wiring.averaged;
        let outputs =
            (0_u8..).map(CandidateId).zip(&self.outputs).filter(move |(candidate, _)| averaged.has(*candidate));
        outputs.filter_map(|(candidate, output)| Some((candidate, output.calibration.as_ref()?.temperature)))
    }

    /// The averages that the program of this input reads or answers with.
    pub fn averages(&self) -> impl Iterator<Item = Mask> {
        self.wiring.averages.iter().map(|average| average.of)
    }

    /// The first average that a test reads, whose candidates are all in `ran`, and which is nevertheless neither computed nor set. In that
    /// case the caller has not handed in the output of one of its candidates.
    pub fn lacks(&self, ran: Mask) -> Option<Mask> {
        let is_missing = |average: &&Average| {
            average.of.without(ran).is_empty()
                && !average.of.without(self.reported).is_empty()
                && average.signals.iter().any(|&(at, _)| self.values[at].is_nan())
        };
        self.wiring.averages.iter().find(is_missing).map(|average| average.of)
    }

    /// Begins another input for this program of the premodel, as [`Board::begin`] does: from here on the signals that this program reads are
    /// computed. Takes the same time whichever program was used before, and allocates nothing.
    ///
    /// # Panics
    /// If the premodel has no program of this number.
    #[inline]
    pub fn begin_for(&mut self, program: usize) {
        if program != self.program {
            self.use_program(program);
        }
        self.begin();
    }

    #[inline(never)]
    fn use_program(&mut self, program: usize) {
        assert!(program < self.wirings.len(), "the premodel has no program {program}");
        core::mem::swap(&mut self.wiring, &mut self.wirings[self.program]);
        core::mem::swap(&mut self.wiring, &mut self.wirings[program]);
        self.program = program;
    }

    /// The number of the program whose signals are computed.
    pub fn program(&self) -> usize {
        self.program
    }

    /// Begins another input for the same program: unsets all signals except the user's own. An unset signal is NaN, which takes the else
    /// branch of every test.
    #[inline]
    pub fn begin(&mut self) {
        for &at in &self.transient {
            self.values[at] = f32::NAN;
        }
        self.reported = Mask::EMPTY;
        self.last = None;
    }

    /// The values of all signals, in the order of their ids: what [`Program::step`](crate::Program::step) reads. A signal is NaN if it was
    /// not set, if its candidates have not run, or if no test reads it.
    #[inline]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Sets a signal. Returns `false` where the premodel has no signal with that id.
    #[inline]
    pub fn set(&mut self, signal: SignalId, value: f32) -> bool {
        let Some(slot) = self.values.get_mut(signal.index()) else { return false };
        *slot = value;
        true
    }

    /// The candidates whose probabilities the board reads when it takes a summary of this candidate: the members of every average that a test
    /// reads, whose other members have all reported. Probabilities that are elsewhere must be brought before: see
    /// [`Board::take_summary_alone`].
    pub fn reads_probabilities_with(&self, candidate: CandidateId) -> Mask {
        let reported = self.reported.with(candidate);
        let is_read = |average: &&Average| {
            !average.signals.is_empty() && average.of.has(candidate) && average.of.without(reported).is_empty()
        };
        self.wiring.averages.iter().filter(is_read).fold(Mask::EMPTY, |all, average| all.union(average.of))
    }

    /// Those of the given candidates that have reported a summary on this input, but no probabilities so far.
    pub fn without_probabilities(&self, of: Mask) -> impl Iterator<Item = CandidateId> + use<> {
        let is_whole = |c: CandidateId| self.outputs.get(c.index()).is_none_or(|output| output.is_whole);
        let without = of.iter().filter(|&c| self.reported.has(c) && !is_whole(c)).fold(Mask::EMPTY, Mask::with);
        without.iter()
    }

    /// Takes a candidate's output whose probabilities are elsewhere. They may be brought later by [`Board::take_probabilities`]. Until then
    /// [`Board::probabilities`] of the candidate is empty, and no average that it is a member of can be computed.
    pub fn take_summary_alone(&mut self, candidate: CandidateId, summary: Summary) {
        if let Some(output) = self.outputs.get_mut(candidate.index()) {
            output.is_whole = false;
            self.take(candidate, summary);
        }
    }

    /// Brings the probabilities of a summary that was taken alone. Returns `false`, and takes nothing, where the candidate has not reported or
    /// has another number of classes.
    pub fn take_probabilities(&mut self, candidate: CandidateId, probabilities: &[f32]) -> bool {
        match self.outputs.get_mut(candidate.index()) {
            Some(output) if self.reported.has(candidate) && output.probabilities.len() == probabilities.len() => {
                output.probabilities.copy_from_slice(probabilities);
                output.is_whole = true;
                if let Some(calibration) = &mut output.calibration {
                    (calibration.has_logits, calibration.is_current) = (false, false);
                }
                if self.last.is_some_and(|(at, _)| self.wiring.averages[at].of.has(candidate)) {
                    self.last = None;
                }
                true
            }
            _ => false,
        }
    }

    /// Takes the output of a candidate that ran, and computes every signal that depends on it and whose other candidates have run too.
    ///
    /// Returns `None` where the output cannot be trusted (see [`summarise`](crate::summarise)) or there is no such candidate; in the first
    /// case the signals that depend on the candidate are unset.
    #[inline]
    pub fn take_scores(&mut self, candidate: CandidateId, kind: Scores, scores: &[f32]) -> Option<Summary> {
        let output = self.outputs.get_mut(candidate.index())?;
        let Some(summary) = summarise_by(scores, kind, &mut output.probabilities, output.entropy_scale) else {
            self.unset(candidate);
            return None;
        };
        output.is_whole = true;
        // Other programs may average this candidate although this one does not: then nobody will ask for its calibrated probabilities.
        if let Some(calibration) = &mut output.calibration
            && self.wiring.averaged.has(candidate)
        {
            calibration.has_logits = kind == Scores::Logits;
            if calibration.has_logits {
                calibration.logits.copy_from_slice(scores);
            }
        }
        self.take(candidate, summary);
        Some(summary)
    }

    /// The place for a candidate's probabilities, for a caller that computes them elsewhere: write them here, then call
    /// [`Board::take_summary`]. Empty where there is no such candidate.
    pub fn probabilities_mut(&mut self, candidate: CandidateId) -> &mut [f32] {
        self.outputs.get_mut(candidate.index()).map_or(&mut [], |output| &mut output.probabilities)
    }

    /// Does what [`Board::take_scores`] does for an output whose summary was computed elsewhere, for example on the device. The
    /// probabilities that the summary belongs to must stand in [`Board::probabilities_mut`] already.
    pub fn take_summary(&mut self, candidate: CandidateId, summary: Summary) {
        let Some(output) = self.outputs.get_mut(candidate.index()) else { return };
        output.is_whole = true;
        if let Some(calibration) = &mut output.calibration {
            calibration.has_logits = false;
        }
        self.take(candidate, summary);
    }

    #[inline(always)]
    fn take(&mut self, candidate: CandidateId, summary: Summary) {
        self.reported = self.reported.with(candidate);
        let wiring = &self.wiring;
        let output = &mut self.outputs[candidate.index()];
        output.summary = summary;
        // A network may have more classes than the premodel knows: their risk is unknown.
        let risk = output.risk.get(summary.class as usize).copied().unwrap_or(f32::NAN);
        let own = [summary.top1, summary.margin, summary.entropy, risk];
        for &(at, which) in &wiring.own[candidate.index()] {
            self.values[at] = own[which as usize];
        }
        if let Some(calibration) = &mut output.calibration {
            calibration.is_current = false;
        }
        for Agreement { signal, pair: [a, b] } in &wiring.agreements {
            if (*a == candidate || *b == candidate) && self.reported.has(*a) && self.reported.has(*b) {
                let class = |c: &CandidateId| self.outputs[c.index()].summary.class;
                self.values[*signal] = if class(a) == class(b) { 1.0 } else { 0.0 };
            }
        }
        if !wiring.averages.is_empty() {
            self.average_again(candidate);
        }
    }

    /// Computes again the signals of the averages that this candidate is a member of.
    #[inline(never)]
    fn average_again(&mut self, candidate: CandidateId) {
        if self.last.is_some_and(|(at, _)| self.wiring.averages[at].of.has(candidate)) {
            self.last = None;
        }
        for at in 0..self.wiring.averages.len() {
            let average = &self.wiring.averages[at];
            if average.signals.is_empty() || !average.of.has(candidate) {
                continue;
            }
            let Some(top) = self.mix(at) else { continue };
            for &(value, signal) in &self.wiring.averages[at].signals {
                self.values[value] = match signal {
                    AverageSignal::Top1 => top.top1,
                    AverageSignal::Margin => top.margin,
                };
            }
        }
    }

    /// Computes the probabilities of an average. Returns `None` where not all its candidates have run with probabilities, or where they
    /// differ in their numbers of classes.
    fn mix(&mut self, at: usize) -> Option<Top> {
        let Average { of, members, .. } = &self.wiring.averages[at];
        let classes = self.outputs[members.first()?.0.index()].probabilities.len();
        let fits = |(c, _): &(CandidateId, f32)| {
            let output = &self.outputs[c.index()];
            output.probabilities.len() == classes && output.is_whole
        };
        if !of.without(self.reported).is_empty() || !members.iter().all(fits) {
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

    /// Forgets a candidate's output, and unsets the signals that depend on it.
    #[cold]
    fn unset(&mut self, candidate: CandidateId) {
        self.reported = self.reported.without(Mask::of(candidate));
        for at in self.wiring.signals_of(candidate) {
            self.values[at] = f32::NAN;
        }
        if self.last.is_some_and(|(at, _)| self.wiring.averages[at].of.has(candidate)) {
            self.last = None;
        }
    }

    /// The summary of a candidate's output on this input; `None` where it has not run.
    #[inline]
    pub fn summary(&self, candidate: CandidateId) -> Option<Summary> {
        let output = self.outputs.get(candidate.index())?;
        self.reported.has(candidate).then_some(output.summary)
    }

    /// The candidates whose output on this input was taken.
    pub fn reported(&self) -> Mask {
        self.reported
    }

    /// The class of an answer with its probability and margin. For an average these are those of the weighted mean of the calibrated
    /// probabilities. Returns `None` where not all candidates of the answer have run, and for an average that the program does not name.
    #[inline]
    pub fn answer(&mut self, answer: Answer) -> Option<Top> {
        match answer {
            Answer::Candidate(candidate) => {
                let Summary { class, top1, margin, .. } = self.summary(candidate)?;
                Some(Top { class, top1, margin })
            }
            Answer::Average(of) => {
                let at = self.wiring.averages.iter().position(|average| average.of == of)?;
                match self.last {
                    Some((last, top)) if last == at => Some(top),
                    _ => self.mix(at),
                }
            }
        }
    }

    /// The class probabilities of an answer. Call [`Board::answer`] for the same answer first: an average is computed there. Empty where
    /// there are none, and where a candidate's summary was taken alone.
    pub fn probabilities(&self, answer: Answer) -> &[f32] {
        match answer {
            Answer::Candidate(candidate) if self.reported.has(candidate) => {
                self.outputs.get(candidate.index()).filter(|output| output.is_whole).map_or(&[], |o| &o.probabilities)
            }
            Answer::Candidate(_) => &[],
            Answer::Average(of) => match self.last {
                Some((at, _)) if self.wiring.averages[at].of == of => {
                    let classes = self.wiring.averages[at].members.first().map_or(0, |&(c, _)| self.classes(c));
                    &self.mixed[..classes]
                }
                _ => &[],
            },
        }
    }
}

impl Output {
    /// The probabilities of its last output at its temperature, computed from the logits if it reported logits.
    fn calibrated(&mut self) -> &[f32] {
        let Some(calibration) = &mut self.calibration else { return &self.probabilities };
        if !calibration.is_current {
            let Calibration { temperature, logits, has_logits, probabilities, is_current } = calibration;
            if *has_logits {
                of_logits(logits, *temperature, probabilities);
            } else {
                of_probabilities(&self.probabilities, *temperature, probabilities);
            }
            *is_current = true;
        }
        &calibration.probabilities
    }
}

#[cfg(test)]
mod tests;
