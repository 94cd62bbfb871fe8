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

pub use outcome::{Outcome, StageTimes};

use std::path::Path;
use std::time::{Duration, Instant};

use trt_select_engines::Completion;
use trt_select_engines::registry::Choice;
use trt_select_premodel::{
    Answer, AverageSignal, CandidateId, CandidateSignal, Mask, Node, Premodel, Request, Signal, View, Walk,
};

use crate::average::Averages;
use crate::baked;
use crate::bundle::Bundle;
use crate::candidate::{Candidate, Input, OpenConfig, Run};
use crate::candidates::CandidateSet;
use crate::clock::{Clock, Moment};
use crate::device;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{self, FEATURE_COUNT, Features, Groups, Needs, Workspace, feature_index};
use crate::gpu::Gpu;

/// Reads a premodel's file and checks it.
///
/// # Errors
/// Where it cannot be read, or breaks a rule of the decision program.
pub fn read_premodel(path: &Path) -> Result<Premodel> {
    let text = std::fs::read_to_string(path).map_err(|e| {
        Error::expected(ErrorKind::Io, path.display(), "a premodel", e, "make one with trt-select train")
    })?;
    Premodel::from_json(&text).map_err(|e| Error::new(ErrorKind::Premodel, format!("{}: {e}", path.display())))
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

/// Where a user's own signal is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalSlot(u16);

enum State {
    Idle,
    /// Waiting for features from a device.
    Features,
    Deciding,
    Running(CandidateId),
    /// Still at work, though the input was answered without it.
    Abandoned(CandidateId),
}

/// Holds the candidates, the premodel and all memory for one input at a time.
pub struct Selector {
    set: CandidateSet,
    premodel: Premodel,
    /// Whether the premodel's tests are compiled in.
    baked: bool,
    /// Whether the program runs a candidate before it tests anything.
    runs_first: bool,
    /// One value per signal of the premodel.
    values: Vec<f32>,
    /// (signal, feature) pairs, and what must be computed for them.
    features: Vec<(usize, usize)>,
    groups: Groups,
    needs: Needs,
    workspace: Workspace,
    derived: [f32; FEATURE_COUNT],
    /// Per candidate: (signal, what it is) pairs.
    own: Vec<Vec<(usize, CandidateSignal)>>,
    agreements: Vec<(usize, CandidateId, CandidateId)>,
    averages: Averages,
    answered: Option<Answer>,
    walk: Walk,
    state: State,
    times: StageTimes,
    clock: Clock,
    started: Moment,
    /// When the stage under way began. A reading of the clock ends one stage and begins the next.
    lap: Moment,
    failure: Option<Error>,
    deadline: Option<Duration>,
    /// When the input in flight is due.
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
        let path = bundle.premodel.as_deref().ok_or_else(|| {
            let object = bundle.dir.join(crate::bundle::FILE_NAME);
            let remedy = "make one with trt-select profile, then trt-select train, and name it";
            Error::expected(ErrorKind::Bundle, object.display(), "a `premodel`", "none", remedy)
        })?;
        let premodel = read_premodel(path)?;
        let (set, choice) = CandidateSet::open(bundle, config)?;
        if let Some(difference) = device::differs_from(&premodel.trained_for, &set) {
            if config.strict {
                return Err(Error::new(ErrorKind::Premodel, difference));
            }
            log::warn!("{difference}");
        }
        Ok((Selector::new(set, premodel)?, choice))
    }

    /// A selector of candidates and a premodel, which are matched by name.
    ///
    /// # Errors
    /// Where the premodel names a candidate or a feature that is not there, or reads a signal that a selector cannot give.
    pub fn new(candidates: impl Into<CandidateSet>, premodel: Premodel) -> Result<Selector> {
        let mut set = candidates.into();
        let candidates = set.as_slice();
        check_candidates(&premodel, candidates.iter().map(Candidate::name))?;
        let classes = candidates.first().map_or(0, Candidate::classes);
        if premodel.classes() != 0 && premodel.classes() as usize != classes {
            return Err(Error::expected(
                ErrorKind::Premodel,
                "premodel",
                format!("{classes} classes, as the networks have"),
                premodel.classes(),
                "train it anew for these networks",
            ));
        }
        let (mut features, mut agreements) = (Vec::new(), Vec::new());
        let mut own = vec![Vec::new(); candidates.len()];
        let read: Vec<usize> = premodel.program().reads().map(|s| s.index()).collect();
        for (i, signal) in premodel.signals().iter().enumerate().filter(|(i, _)| read.contains(i)) {
            let fail = |expected: &str, remedy: &str| {
                let object = format!("premodel: signal '{}'", signal.name(premodel.candidates()));
                Err(Error::expected(ErrorKind::Premodel, object, expected, "another", remedy))
            };
            match signal {
                Signal::Feature(name) => match feature_index(name) {
                    Some(feature) => features.push((i, feature)),
                    None => return fail("a feature that this version computes", "train it anew"),
                },
                Signal::User(_) => {}
                Signal::Agreement(a, b) => agreements.push((i, *a, *b)),
                Signal::Average(_, AverageSignal::Top1 | AverageSignal::Margin) => {}
                Signal::Candidate(_, CandidateSignal::Other(_)) => {
                    return fail("top1, margin, entropy or risk", "walk its program yourself with your signals");
                }
                Signal::Candidate(c, signal) => own[c.index()].push((i, signal.clone())),
                _ => return fail("a signal that this version knows", "use the version that trained it"),
            }
        }
        let clock = Clock::chosen();
        let now = clock.now();
        Ok(Selector {
            values: vec![f32::NAN; premodel.signals().len()],
            groups: Groups::of_features(features.iter().map(|&(_, f)| f)),
            needs: Needs::of_features(features.iter().map(|&(_, f)| f)),
            features,
            workspace: Workspace::new(),
            derived: [0.0; FEATURE_COUNT],
            own,
            agreements,
            averages: Averages::new(&premodel, &mut set)?,
            answered: None,
            walk: premodel.program().start(),
            state: State::Idle,
            times: StageTimes::default(),
            clock,
            started: now,
            lap: now,
            failure: None,
            deadline: None,
            due: None,
            set,
            baked: baked::is_baked(&premodel.program()),
            runs_first: matches!(premodel.program().nodes().first().map(Node::view), Some(View::Run { .. })),
            premodel,
        })
    }

    /// The candidates, in the order of their ids.
    pub fn candidates(&self) -> &[Candidate] {
        self.set.as_slice()
    }

    /// The candidates with what they share.
    pub fn set(&self) -> &CandidateSet {
        &self.set
    }

    /// The premodel.
    pub fn premodel(&self) -> &Premodel {
        &self.premodel
    }

    /// Whether the premodel's tests are those that were compiled into the library: see [`crate::BAKED_PROGRAM`].
    pub fn is_baked(&self) -> bool {
        self.baked
    }

    /// Runs features and every candidate once on an input, so that memory that depends on its size is taken.
    ///
    /// # Errors
    /// As [`CandidateSet::run`].
    pub fn warm_up(&mut self, input: Input<'_>) -> Result<()> {
        self.begin(&input)?;
        while let State::Features = self.state {
            self.take_features()?;
        }
        self.state = State::Idle;
        for candidate in 0..self.set.as_slice().len() {
            self.set.run(CandidateId(candidate as u8), &input)?;
        }
        Ok(())
    }

    /// The slot of a user's own signal (named without `signal.`), or `None` where the premodel has none of that name.
    pub fn signal_slot(&self, name: &str) -> Option<SignalSlot> {
        let wanted = |s: &Signal| matches!(s, Signal::User(n) if n == name);
        self.premodel.signals().iter().position(wanted).map(|i| SignalSlot(i as u16))
    }

    /// Sets a user's own signal. It stays until it is set again; before the first time it is NaN, which takes the else
    /// branch of every test.
    pub fn set_signal(&mut self, slot: SignalSlot, value: f32) {
        if let Some(at) = self.values.get_mut(usize::from(slot.0)) {
            *at = value;
        }
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

    /// Class probabilities behind the last outcome (of an average: the weighted mean of calibrated ones); empty before the first. Valid until the next input, be it submitted or
    /// given to [`Selector::run_single`].
    pub fn probabilities(&self) -> &[f32] {
        match self.answered {
            None => &[],
            Some(Answer::Candidate(c)) => self.set.as_slice()[c.index()].probabilities(),
            Some(Answer::Average(_)) => self.averages.probabilities(),
        }
    }

    /// Why a candidate failed on the last input, where one did.
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_ref()
    }

    /// Waits for work that an input given up has left under way: its tensors are still in use.
    pub(crate) fn settle(&mut self) -> Result<()> {
        if let State::Running(candidate) | State::Abandoned(candidate) = self.state
            && self.set.gpu.is_none()
        {
            while matches!(self.set.ready(candidate), Ok(false)) {
                std::hint::spin_loop();
            }
        }
        self.state = State::Idle;
        self.set.gpu.as_mut().map_or(Ok(()), Gpu::settle)
    }

    pub(crate) fn begin(&mut self, input: &Input<'_>) -> Result<()> {
        self.settle()?;
        self.due = self.deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        self.started = self.clock.now();
        self.lap = self.started;
        self.times = StageTimes::default();
        self.failure = None;
        self.answered = None;
        self.averages.forget();
        self.walk = self.premodel.program().start();
        if !self.groups.is_empty() && matches!(input, Input::Tensor(_)) {
            return Err(Error::from_static(
                ErrorKind::Input,
                "input: expected a frame, got a tensor; the premodel reads image features",
            ));
        }
        if self.set.gpu.is_some() {
            self.set.begin(input, self.groups)?;
            self.state = if self.groups.is_empty() { State::Deciding } else { State::Features };
            return Ok(());
        }
        if let (Input::Frame(frame), false) = (input, self.groups.is_empty()) {
            let sums = Features::compute(frame, self.needs, &mut self.workspace);
            features::derive(&sums, &mut self.derived);
            self.features_are_there();
        }
        self.state = State::Deciding;
        Ok(())
    }

    fn features_are_there(&mut self) {
        for &(signal, feature) in &self.features {
            self.values[signal] = self.derived[feature];
        }
        self.times.features_ns = self.lap();
    }

    /// Time since the last lap, which ends here.
    fn lap(&mut self) -> u64 {
        let now = self.clock.now();
        let time = self.clock.ns_between(self.lap, now);
        self.lap = now;
        time
    }

    /// Takes the features that a device computed, if they are there.
    fn take_features(&mut self) -> Result<bool> {
        let Some(gpu) = &mut self.set.gpu else { return Ok(true) };
        match gpu.poll_features(&mut self.derived) {
            Ok(false) => Ok(false),
            Ok(true) => {
                self.features_are_there();
                self.state = State::Deciding;
                Ok(true)
            }
            Err(error) => {
                self.state = State::Idle;
                Err(error)
            }
        }
    }

    /// [`InFlight::poll`], for whoever holds the input himself.
    pub(crate) fn poll_input(&mut self, input: &Input<'_>) -> Result<Option<Outcome>> {
        if let State::Deciding = self.state {
            // What the caller did since submit is no stage of ours.
            self.lap = self.clock.now();
        }
        self.advance(input)
    }

    /// Goes on as far as it can without waiting for an engine that works on its own.
    fn advance(&mut self, input: &Input<'_>) -> Result<Option<Outcome>> {
        if let State::Features = self.state
            && !self.take_features()?
        {
            return if self.is_due() { self.cut_short(None).map(Some) } else { Ok(None) };
        }
        let mut request = match self.state {
            State::Idle | State::Features | State::Abandoned(_) => return Err(NOTHING_IN_FLIGHT),
            // Of two readings of the clock around nothing, one is enough.
            State::Deciding if self.runs_first => self.step(),
            State::Deciding => self.decide(),
            State::Running(candidate) => match self.set.ready(candidate) {
                Ok(false) if self.is_due() => return self.cut_short(Some(candidate)).map(Some),
                Ok(false) => return Ok(None),
                Ok(true) => self.after_run(candidate),
                Err(error) => self.after_failure(candidate, error),
            },
        };
        loop {
            match request {
                Request::Run(candidate) => {
                    if self.is_due() {
                        self.state = State::Idle;
                        return self.cut_short(Some(candidate)).map(Some);
                    }
                    if let Err(error) = self.set.load(candidate, input) {
                        if error.kind() == ErrorKind::Input {
                            // The next candidate could do nothing better with it.
                            self.state = State::Idle;
                            return Err(error);
                        }
                        request = self.after_failure(candidate, error);
                        continue;
                    }
                    // A tensor is copied, which is no stage worth a reading of the clock. A device's enqueue is timed by itself.
                    if matches!(input, Input::Frame(_)) || self.set.gpu.is_some() {
                        self.times.preprocess_ns += self.lap();
                    }
                    let enqueued = self.set.enqueue(candidate);
                    if self.set.gpu.is_some() {
                        self.times.device.enqueue_ns += self.clock.ns_between(self.lap, self.clock.now());
                    }
                    request = match enqueued {
                        Ok(Completion::Pending) => {
                            self.state = State::Running(candidate);
                            return Ok(None);
                        }
                        Ok(Completion::Done) => self.after_run(candidate),
                        Err(error) => self.after_failure(candidate, error),
                    };
                }
                Request::Answer(answer) => return Ok(Some(self.outcome(answer, None))),
                Request::NoneWorks => {
                    self.state = State::Idle;
                    return Err(self.failure.clone().unwrap_or(NOTHING_IN_FLIGHT));
                }
            }
        }
    }

    fn decide(&mut self) -> Request {
        let request = self.step();
        self.times.decide_ns += self.lap();
        request
    }

    fn step(&mut self) -> Request {
        let (program, values) = (self.premodel.program(), &self.values);
        if self.baked {
            program.step_by(&mut self.walk, |at| baked::next(at, values))
        } else {
            program.step(&mut self.walk, values)
        }
    }

    fn after_run(&mut self, candidate: CandidateId) -> Request {
        let summary = match self.set.finish(candidate) {
            Ok(summary) => summary,
            Err(error) => return self.after_failure(candidate, error),
        };
        for (at, signal) in &self.own[candidate.index()] {
            self.values[*at] = match signal {
                CandidateSignal::Top1 => summary.top1,
                CandidateSignal::Margin => summary.margin,
                CandidateSignal::Entropy => summary.entropy,
                CandidateSignal::Risk => {
                    let table = self.premodel.risk(candidate).unwrap_or(&[]);
                    table.get(summary.class as usize).copied().unwrap_or(f32::NAN)
                }
                _ => f32::NAN,
            };
        }
        let ran = self.walk.ran();
        for &(at, a, b) in &self.agreements {
            if (a == candidate || b == candidate) && ran.has(a) && ran.has(b) {
                let class = |c: CandidateId| self.set.as_slice()[c.index()].summary().class;
                self.values[at] = if class(a) == class(b) { 1.0 } else { 0.0 };
            }
        }
        self.averages.after_run(candidate, ran, &mut self.set, &mut self.values);
        self.times.compute_ns += self.lap();
        if self.set.gpu.is_some() {
            self.times.device.compute_ns += self.set.device_times(candidate).compute_ns;
        }
        self.decide()
    }

    fn after_failure(&mut self, candidate: CandidateId, error: Error) -> Request {
        self.times.compute_ns += self.lap();
        self.failure = Some(error);
        self.premodel.program().failed(&mut self.walk, candidate)
    }

    /// The outcome of an answer; where it was cut short, with the candidates that the walk counts and that did not run.
    fn outcome(&mut self, answer: Answer, cut: Option<Mask>) -> Outcome {
        let (class, probability) = match answer {
            Answer::Candidate(c) => {
                let summary = self.set.as_slice()[c.index()].summary();
                (summary.class, summary.top1)
            }
            Answer::Average(of) => {
                let mixture = self.averages.answer(of, &mut self.set);
                self.times.compute_ns += self.lap();
                (mixture.class, mixture.top1)
            }
        };
        self.state = State::Idle;
        self.answered = Some(answer);
        // The last stage, a decision or an average, ended here.
        self.times.total_ns = self.clock.ns_between(self.started, self.lap);
        if let Some(Ok(times)) = self.set.gpu.as_ref().map(Gpu::begin_times) {
            (self.times.device.upload_ns, self.times.device.features_ns) = (times.upload_ns, times.features_ns);
        }
        Outcome {
            class,
            probability,
            answer,
            ran: self.walk.ran().without(cut.unwrap_or(Mask::EMPTY)),
            failed: self.walk.failed(),
            node: self.walk.node(),
            late: cut.is_some(),
            times: self.times,
        }
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
        let clock = self.selector.clock;
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
