//! The selector: frame → features → decision → engine → answer, as a state machine.
//!
//! ```text
//! submit ─► features ─► poll: decide ─► run a candidate ─► its signals ─► decide ─► … ─► outcome
//! ```
//! All memory is taken at open and during the first inputs; after [`Selector::warm_up`] the selector itself allocates
//! nothing, takes no lock and logs nothing, as long as no frame is larger than any before. (What an engine does inside its own
//! call is the engine's.) With [`GpuConfig::max_resident_bytes`](crate::GpuConfig::max_resident_bytes) a candidate that was
//! evicted is loaded again when the program asks for it: that poll takes as long as loading does.
//!
//! # Threads
//! One input is in flight per selector: [`Selector::submit`] borrows it until the outcome is there. A selector may be moved
//! to another thread between inputs; several selectors run side by side.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

mod deadline;
mod outcome;
mod own;
mod prepared;
mod reload;

pub use outcome::Outcome;
pub use own::SignalSlot;

use std::path::Path;
use std::time::{Duration, Instant};

use trt_select_engines::Completion;
use trt_select_engines::registry::Choice;
use trt_select_premodel::{Answer, Board, CandidateId, Mask, Premodel, Request, Summary, Walk};

use crate::baked;
use crate::bundle::Bundle;
use crate::candidate::CandidateInfo;
use crate::candidates::{CandidateSet, Run};
use crate::config::OpenConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::features::FEATURE_COUNT;
use crate::input::Input;
use crate::times::Stopwatch;
use own::OwnSignals;
use prepared::Prepared;
use reload::Networks;

/// Reads a premodel's file and checks it.
///
/// # Errors
/// Where it cannot be read, or breaks a rule of the decision program.
pub fn read_premodel(path: &Path) -> Result<Premodel> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::expected(ErrorKind::Io, path.display(), "a premodel", e, "train one"))?;
    Premodel::from_json(&text).map_err(|e| Error::new(ErrorKind::Premodel, format!("{}: {e}", path.display())))
}

/// Reads the premodel that a bundle names.
fn premodel_of(bundle: &Bundle) -> Result<Premodel> {
    let path = bundle.premodel.as_deref().ok_or_else(|| {
        let object = bundle.dir.join(crate::bundle::FILE_NAME);
        Error::expected(ErrorKind::Bundle, object.display(), "a `premodel`", "none", "train one, and name it")
    })?;
    read_premodel(path)
}

/// Holds a premodel's candidates against those of a bundle: the same names in the same order.
///
/// # Errors
/// Where they differ.
pub fn check_candidates<'a>(premodel: &Premodel, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let names: Vec<&str> = names.collect();
    if premodel.candidates() == names {
        return Ok(());
    }
    Err(Error::expected(
        ErrorKind::Premodel,
        "premodel",
        format!("the candidates {names:?}"),
        format!("{:?}", premodel.candidates()),
        "train it anew for this set",
    ))
}

#[derive(Clone, Copy)]
enum State {
    Idle,
    /// Waiting for features from a device.
    Features,
    Deciding,
    Running(CandidateId),
    /// Answered without what is still at work.
    Abandoned,
}

/// Holds the candidates, the premodel and all memory for one input at a time.
///
/// ```
/// use trt_select::engines::null::NullEngine;
/// use trt_select::engines::{DataType, TensorInfo};
/// use trt_select::premodel::{Answer, CandidateId, Node, Premodel, Scores, Signal, SignalId, TrainedFor};
/// use trt_select::{Candidate, Input, Selector};
///
/// // Two networks of four inputs and two classes; these do nothing, and always give the same logits.
/// let tensor = |name: &str, n| TensorInfo { name: name.into(), data_type: DataType::F32, shape: vec![1, n] };
/// let network = |name: &str, logits: [f32; 2]| -> trt_select::Result<Candidate> {
///     let mut engine = NullEngine::new(vec![tensor("input", 4)], vec![tensor("logits", 2)])?;
///     engine.set_output(0, &logits);
///     Candidate::new(name, Box::new(engine), None, Scores::Logits, None, None)
/// };
/// let candidates = vec![network("small", [0.1, 0.0])?, network("large", [0.0, 5.0])?];
///
/// // Run `small`; where it is unsure, `large`.
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
/// let premodel = Premodel::new(names, 2, signals, nodes, vec![large, small], vec![], trained_for)?;
///
/// let mut selector = Selector::new(candidates, premodel)?;
/// let outcome = selector.infer(Input::Tensor(&[0.0; 4]))?;
/// assert_eq!((outcome.answer, outcome.class), (Answer::Candidate(large), 1));
/// assert!(selector.summary(small).unwrap().margin < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Selector {
    set: CandidateSet,
    /// What never changes while its premodel is in use.
    prepared: Prepared,
    /// The signals of the input in flight, or of the last one.
    board: Board,
    own: OwnSignals,
    flight: Flight,
    deadline: Option<Duration>,
    /// The networks as the bundle named them, where one was opened.
    networks: Option<Networks>,
    strict: bool,
}

/// What belongs to the input in flight.
struct Flight {
    state: State,
    walk: Walk,
    watch: Stopwatch,
    features: [f32; FEATURE_COUNT],
    answered: Option<Answer>,
    failure: Option<Error>,
    /// When it is due.
    due: Option<Instant>,
}

impl std::fmt::Debug for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Selector").field("candidates", &self.set).finish_non_exhaustive()
    }
}

impl Selector {
    /// Opens a bundle: its engines and its premodel. Answers which engine was chosen, and why.
    ///
    /// # Errors
    /// Where an engine, a model or the premodel cannot be opened, or they do not fit each other.
    pub fn open(bundle: &Bundle, config: &OpenConfig) -> Result<(Selector, Choice)> {
        let premodel = premodel_of(bundle)?;
        let networks = Networks::of(bundle);
        let (set, choice) = CandidateSet::open(bundle, config)?;
        reload::check_trained_for(&premodel, &set, config.strict)?;
        let mut selector = Selector::new(set, premodel)?;
        (selector.networks, selector.strict) = (Some(networks), config.strict);
        Ok((selector, choice))
    }

    /// A selector of candidates and a premodel, which are matched by name.
    ///
    /// # Errors
    /// Where the premodel names a candidate or a feature that is not there, or reads a signal that a selector cannot give.
    pub fn new(candidates: impl Into<CandidateSet>, premodel: Premodel) -> Result<Selector> {
        let set = candidates.into();
        let (prepared, mut board) = Prepared::new(premodel, set.as_slice())?;
        let mut own = OwnSignals::default();
        own.use_with(&prepared.premodel, &mut board);
        let flight = Flight {
            state: State::Idle,
            walk: prepared.start,
            watch: Stopwatch::new(),
            features: [0.0; FEATURE_COUNT],
            answered: None,
            failure: None,
            due: None,
        };
        Ok(Selector { set, prepared, board, own, flight, deadline: None, networks: None, strict: false })
    }

    /// The candidates, in the order of their ids.
    pub fn candidates(&self) -> &[CandidateInfo] {
        self.set.as_slice()
    }

    /// The candidates with what they share.
    pub fn set(&self) -> &CandidateSet {
        &self.set
    }

    /// The premodel.
    pub fn premodel(&self) -> &Premodel {
        &self.prepared.premodel
    }

    /// Whether the premodel's tests are those that were compiled into the library: see [`crate::BAKED_PROGRAM`].
    pub fn is_baked(&self) -> bool {
        self.prepared.baked
    }

    /// Runs features and every candidate once on an input, so that memory that depends on its size is taken.
    ///
    /// # Errors
    /// As [`CandidateSet::run`].
    pub fn warm_up(&mut self, input: Input<'_>) -> Result<()> {
        self.begin(&input)?;
        while let State::Features = self.flight.state {
            self.take_features()?;
        }
        self.flight.state = State::Idle;
        for candidate in 0..self.set.as_slice().len() {
            self.set.run(CandidateId(candidate as u8), &input)?;
        }
        Ok(())
    }

    /// Starts on an input: computes the features that the program reads. The input lives until the outcome is there.
    ///
    /// # Errors
    /// Where the program reads image features and the input is a tensor.
    pub fn submit<'s, 'i>(&'s mut self, input: impl Into<Input<'i>>) -> Result<InFlight<'s, 'i>> {
        let input = input.into();
        self.begin(&input)?;
        Ok(InFlight { selector: self, input })
    }

    /// Submits and waits.
    ///
    /// # Errors
    /// As [`Selector::submit`] and [`InFlight::poll`].
    pub fn infer<'i>(&mut self, input: impl Into<Input<'i>>) -> Result<Outcome> {
        self.infer_input(&input.into())
    }

    pub(crate) fn infer_input(&mut self, input: &Input<'_>) -> Result<Outcome> {
        self.begin(input)?;
        loop {
            if let Some(outcome) = self.advance(input)? {
                return Ok(outcome);
            }
            std::hint::spin_loop();
        }
    }

    /// Runs one candidate, whatever the premodel says, and waits.
    ///
    /// # Errors
    /// As [`CandidateSet::run`].
    ///
    /// # Panics
    /// If there is no such candidate.
    pub fn run_single<'i>(&mut self, candidate: CandidateId, input: impl Into<Input<'i>>) -> Result<Run> {
        self.settle()?;
        self.set.run(candidate, &input.into())
    }

    /// Class probabilities behind the last outcome (of an average: the weighted mean of calibrated ones); empty before the first, and
    /// while the next input is in flight.
    pub fn probabilities(&self) -> &[f32] {
        self.flight.answered.map_or(&[], |answer| self.board.probabilities(answer))
    }

    /// Class probabilities of one candidate on the last input; empty where it did not run on it.
    pub fn probabilities_of(&self, candidate: CandidateId) -> &[f32] {
        self.board.probabilities(Answer::Candidate(candidate))
    }

    /// What a candidate said of the last input; `None` where it did not run on it.
    pub fn summary(&self, candidate: CandidateId) -> Option<Summary> {
        self.board.summary(candidate)
    }

    /// The values of all signals that the program reads, of the last input, in the order of [`Premodel::signals`]; NaN where one was
    /// not computed.
    pub fn signals(&self) -> &[f32] {
        self.board.values()
    }

    /// Why a candidate failed on the last input, where one did.
    pub fn failure(&self) -> Option<&Error> {
        self.flight.failure.as_ref()
    }

    /// Waits for work that an input given up has left under way: its tensors are still in use.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.flight.state = State::Idle;
        self.set.backend.settle()
    }

    pub(crate) fn begin(&mut self, input: &Input<'_>) -> Result<()> {
        if !matches!(self.flight.state, State::Idle) {
            // What the input before left under way is waited for first: its time is none of this one's.
            self.settle()?;
        }
        let Selector { set, prepared, board, flight, deadline, .. } = self;
        flight.due = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        flight.watch.start();
        flight.failure = None;
        flight.answered = None;
        flight.walk = prepared.start;
        board.begin();
        let wanted = prepared.wanted;
        if !wanted.is_empty() && matches!(input, Input::Tensor(_)) {
            return Err(Error::from_static(
                ErrorKind::Input,
                "input: expected a frame, got a tensor; the premodel reads image features",
            ));
        }
        if !set.backend.begin(input, wanted, &mut flight.features)? {
            flight.state = State::Features;
        } else {
            flight.state = State::Deciding;
            if !wanted.is_empty() {
                self.features_are_there();
            }
        }
        Ok(())
    }

    fn features_are_there(&mut self) {
        for &(signal, feature) in &self.prepared.features {
            self.board.set(signal, self.flight.features[feature]);
        }
        self.flight.watch.featured();
        self.flight.state = State::Deciding;
    }

    /// Takes the features that a device computed, if they are there.
    fn take_features(&mut self) -> Result<bool> {
        match self.set.backend.poll_features(&mut self.flight.features) {
            Ok(false) => Ok(false),
            Ok(true) => {
                self.features_are_there();
                Ok(true)
            }
            Err(error) => {
                self.flight.state = State::Idle;
                Err(error)
            }
        }
    }

    /// [`InFlight::poll`], for whoever holds the input himself.
    pub(crate) fn poll_input(&mut self, input: &Input<'_>) -> Result<Option<Outcome>> {
        if let State::Deciding = self.flight.state {
            // What the caller did since submit is no stage of ours.
            self.flight.watch.skip();
        }
        self.advance(input)
    }

    /// Goes on as far as it can without waiting for an engine that works on its own.
    fn advance(&mut self, input: &Input<'_>) -> Result<Option<Outcome>> {
        if let State::Features = self.flight.state
            && !self.take_features()?
        {
            // The walk stands past a first Run, which has not been started yet.
            let first = self.prepared.first_run();
            return if self.is_due() { self.cut_short(first) } else { Ok(None) };
        }
        let mut request = match self.flight.state {
            State::Idle | State::Features | State::Abandoned => return Err(NOTHING_IN_FLIGHT),
            // A first Run takes no decision that were worth a reading of the clock.
            State::Deciding => match self.prepared.first {
                Some(first) => first,
                None => self.decide(),
            },
            State::Running(candidate) => match self.take_output(candidate) {
                None if self.is_due() => return self.cut_short(Some(candidate)),
                None => return Ok(None),
                Some(request) => request,
            },
        };
        loop {
            match request {
                Request::Run(candidate) => {
                    if self.is_due() {
                        self.flight.state = State::Idle;
                        return self.cut_short(Some(candidate));
                    }
                    request = match self.set.backend.start(candidate, input, &mut self.flight.watch) {
                        Ok(completion) => {
                            self.flight.state = State::Running(candidate);
                            match completion {
                                Completion::Pending => return Ok(None),
                                Completion::Done => match self.take_output(candidate) {
                                    Some(request) => request,
                                    None => return Ok(None),
                                },
                            }
                        }
                        Err(error) if error.kind() == ErrorKind::Input => {
                            // The next candidate could do nothing better with it.
                            self.flight.state = State::Idle;
                            return Err(error);
                        }
                        Err(error) => self.after_failure(candidate, error),
                    };
                }
                Request::Answer(answer) => return self.outcome(answer, None),
                Request::NoneWorks => {
                    self.flight.state = State::Idle;
                    return Err(self.flight.failure.clone().unwrap_or(NOTHING_IN_FLIGHT));
                }
            }
        }
    }

    fn decide(&mut self) -> Request {
        let request = self.step();
        self.flight.watch.decided();
        request
    }

    fn step(&mut self) -> Request {
        let (program, values) = (self.prepared.premodel.program(), self.board.values());
        if self.prepared.baked {
            program.step_by(&mut self.flight.walk, |at| baked::next(at, values))
        } else {
            program.step(&mut self.flight.walk, values)
        }
    }

    /// What the program asks for after a candidate that was started, if that one is done.
    #[inline(always)]
    fn take_output(&mut self, candidate: CandidateId) -> Option<Request> {
        let Flight { watch, .. } = &mut self.flight;
        match self.set.backend.poll(candidate, &mut self.board, &mut watch.times.device) {
            Ok(false) => None,
            Ok(true) => {
                watch.computed();
                Some(self.decide())
            }
            Err(error) => Some(self.after_failure(candidate, error)),
        }
    }

    fn after_failure(&mut self, candidate: CandidateId, error: Error) -> Request {
        self.flight.watch.computed();
        self.flight.failure = Some(error);
        self.prepared.premodel.program().failed(&mut self.flight.walk, candidate)
    }

    /// The outcome of an answer; where it was cut short, with the candidates that the walk counts and that did not run.
    fn outcome(&mut self, answer: Answer, cut: Option<Mask>) -> Result<Option<Outcome>> {
        let Selector { set, board, flight, .. } = self;
        flight.state = State::Idle;
        let top = board.answer(answer).ok_or(NOTHING_IN_FLIGHT)?;
        if matches!(answer, Answer::Average(_)) {
            flight.watch.computed();
        }
        flight.answered = Some(answer);
        // The last stage, a decision or an average, ended here.
        flight.watch.stop();
        let times = &mut flight.watch.times;
        set.backend.begin_times(&mut times.device);
        Ok(Some(Outcome {
            class: top.class,
            probability: top.top1,
            answer,
            ran: flight.walk.ran().without(cut.unwrap_or(Mask::EMPTY)),
            failed: flight.walk.failed(),
            node: flight.walk.node(),
            late: cut.is_some(),
            times: *times,
        }))
    }
}

const NOTHING_IN_FLIGHT: Error =
    Error::from_static(ErrorKind::Usage, "selector: expected an input in flight, got none; submit one first");

/// An input under way. Dropping it gives the input up; before the selector takes the next one it waits for the engine that
/// may still be at work.
#[derive(Debug)]
pub struct InFlight<'s, 'i> {
    selector: &'s mut Selector,
    input: Input<'i>,
}

impl InFlight<'_, '_> {
    /// Takes the next decisions whose signals are there, and starts what they ask for. `None` means that an engine is at
    /// work. Never waits for an engine that works on its own; one that runs on the caller's thread (tract, ONNX Runtime) runs
    /// inside this call, and one that was evicted is loaded in it (see
    /// [`GpuConfig::max_resident_bytes`](crate::GpuConfig::max_resident_bytes)).
    ///
    /// A candidate that fails does not fail the input: the most capable candidate that works answers, and
    /// [`Outcome::failed`] tells.
    ///
    /// # Errors
    /// Where the input does not fit, where no candidate works, or where the outcome was already given.
    pub fn poll(&mut self) -> Result<Option<Outcome>> {
        self.selector.poll_input(&self.input)
    }

    /// Polls until the outcome is there or the time is over; `None` then, and the input stays in flight.
    ///
    /// # Errors
    /// As [`InFlight::poll`].
    pub fn wait(&mut self, timeout: Duration) -> Result<Option<Outcome>> {
        let clock = self.selector.flight.watch.clock();
        let (started, timeout_ns) = (clock.now(), u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
        loop {
            if let Some(outcome) = self.poll()? {
                return Ok(Some(outcome));
            }
            if clock.ns_between(started, clock.now()) >= timeout_ns {
                return Ok(None);
            }
            std::hint::spin_loop();
        }
    }
}
