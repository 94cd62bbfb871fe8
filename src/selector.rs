//! The selector: frame → features → decision → engine → answer, as a state machine.
//!
//! ```text
//! submit ─► features ─► poll: decide ─► run a candidate ─► its signals ─► decide ─► … ─► outcome
//! ```
//! A selector allocates its memory while it is opened and during the first inputs. After [`Selector::warm_up`] it allocates
//! nothing, takes no lock and logs nothing, as long as no frame is larger than all frames before it. (This does not say what
//! an engine does inside its own calls.) With [`GpuConfig::max_resident_bytes`](crate::GpuConfig::max_resident_bytes) a
//! candidate that was evicted is loaded again when the program asks for it, and the poll that loads it takes as long as that.
//!
//! # Threads
//! A selector works on one input at a time: an [`InFlight`] borrows the selector for as long as it lives. A selector may be
//! moved to another thread between two inputs. Several selectors may run at the same time, each in its own thread.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

mod deadline;
mod in_flight;
mod outcome;
mod own;
mod prepared;
mod programs;
mod ranges;
mod reload;

pub use in_flight::InFlight;
pub use outcome::Outcome;
pub use own::SignalSlot;

use std::path::Path;
use std::time::{Duration, Instant};

use trt_select_engines::Completion;
use trt_select_engines::registry::Choice;
use trt_select_premodel::{Answer, Board, CandidateId, Control, Mask, Premodel, Request, Summary, Walk};

use crate::backend::Wanted;
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
use ranges::Ranges;
use reload::Networks;

/// Reads a premodel's file and checks it.
///
/// # Errors
/// [`ErrorKind::Io`] if the file cannot be read, [`ErrorKind::Premodel`] if it holds no premodel or a premodel whose program
/// breaks a rule.
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

/// Checks that a premodel is for the candidates with these names, in the same order.
///
/// # Errors
/// [`ErrorKind::Premodel`] if the names or their order differ.
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
    /// No input is in flight.
    Idle,
    /// A device is still computing the input's features.
    Features,
    /// The features are there, and the program has not been asked for its first request yet.
    Deciding,
    /// This candidate was started, and its output has not been taken yet.
    Running(CandidateId),
    /// The deadline passed and the input was ended. A device or an engine may still be at work on it.
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
/// // Run `small`. If it is unsure, run `large`.
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
    /// The premodel, and what was computed from it when it was put to use.
    prepared: Prepared,
    /// Which of the premodel's programs decides.
    control: Control,
    /// The signals of the input in flight, or of the last one.
    board: Board,
    /// The user's own signals, with their values.
    own: OwnSignals,
    flight: Flight,
    /// What a profiler shows of the input in flight.
    ranges: Ranges,
    /// How long each input may take; `None` if there is no limit.
    deadline: Option<Duration>,
    /// The networks as they were when the bundle was opened; `None` if the selector was not opened from a bundle.
    networks: Option<Networks>,
    /// Whether a premodel that was trained for something else is refused.
    strict: bool,
}

/// The state of the input in flight, or of the last one.
struct Flight {
    state: State,
    /// The program that decides on it, whatever the control says meanwhile.
    program: usize,
    /// Whether that program's tests were compiled into the library.
    is_baked: bool,
    /// The candidate of the Run with which that program begins; `None` if it begins with a test.
    first_run: Option<CandidateId>,
    walk: Walk,
    watch: Stopwatch,
    features: [f32; FEATURE_COUNT],
    /// The answer of the outcome; `None` while there is no outcome.
    answered: Option<Answer>,
    /// The error of the last candidate that failed.
    failure: Option<Error>,
    /// The moment at which the deadline passes; `None` if there is no deadline.
    due: Option<Instant>,
}

impl std::fmt::Debug for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Selector").field("candidates", &self.set).finish_non_exhaustive()
    }
}

impl Selector {
    /// Opens the engines and the premodel of a bundle. Also returns which engine was chosen, and why.
    ///
    /// # Errors
    /// If an engine, a model or the premodel cannot be opened, or if they do not fit each other.
    pub fn open(bundle: &Bundle, config: &OpenConfig) -> Result<(Selector, Choice)> {
        let premodel = premodel_of(bundle)?;
        let networks = Networks::of(bundle);
        let (set, choice) = CandidateSet::open(bundle, config)?;
        reload::check_trained_for(&premodel, &set, config.strict)?;
        let mut selector = Selector::new(set, premodel)?;
        selector.networks = Some(networks);
        selector.strict = config.strict;
        Ok((selector, choice))
    }

    /// Makes a selector of candidates and a premodel. The premodel must name these candidates, in the same order.
    ///
    /// # Errors
    /// [`ErrorKind::Premodel`] if the premodel is for other candidates or another number of classes, or if its program reads a
    /// feature or a signal that this selector cannot compute.
    pub fn new(candidates: impl Into<CandidateSet>, premodel: Premodel) -> Result<Selector> {
        let set = candidates.into();
        let (prepared, mut board) = Prepared::new(premodel, set.as_slice())?;
        let mut own = OwnSignals::default();
        own.use_with(&prepared.premodel, &mut board);
        let flight = Flight {
            state: State::Idle,
            program: prepared.premodel.chosen(),
            is_baked: false,
            first_run: None,
            walk: prepared.programs[prepared.premodel.chosen()].start,
            watch: Stopwatch::new(),
            features: [0.0; FEATURE_COUNT],
            answered: None,
            failure: None,
            due: None,
        };
        let ranges = Ranges::new(set.as_slice());
        let control = Control::new(&prepared.premodel);
        Ok(Selector {
            set,
            prepared,
            control,
            board,
            own,
            flight,
            ranges,
            deadline: None,
            networks: None,
            strict: false,
        })
    }

    /// The candidates, in the order of their ids.
    pub fn candidates(&self) -> &[CandidateInfo] {
        self.set.as_slice()
    }

    /// The candidates as a set, which also knows their device and their memory.
    pub fn set(&self) -> &CandidateSet {
        &self.set
    }

    /// The premodel.
    pub fn premodel(&self) -> &Premodel {
        &self.prepared.premodel
    }

    /// Whether the tests of the current program are those that were compiled into the library: see [`crate::BAKED_PROGRAM`].
    pub fn is_baked(&self) -> bool {
        self.prepared.programs[self.current_program()].baked
    }

    /// Computes the features that any of the premodel's programs reads, and runs every candidate once, so that all memory that
    /// depends on the input's size is allocated. No program decides, so a mix takes no chance.
    ///
    /// # Errors
    /// The errors of [`Selector::submit`] and of [`CandidateSet::run`].
    pub fn warm_up(&mut self, input: Input<'_>) -> Result<()> {
        let program = self.current_program();
        // Programs that read features cannot decide on tensors, so there is nothing to prepare for them.
        let wanted = if matches!(input, Input::Tensor(_)) { None } else { Some(self.prepared.wanted_by_any) };
        self.begin_for(program, wanted, &input)?;
        while let State::Features = self.flight.state {
            self.take_features()?;
        }
        self.flight.state = State::Idle;
        for candidate in 0..self.set.as_slice().len() {
            self.set.run(CandidateId(candidate as u8), &input)?;
        }
        Ok(())
    }

    /// Starts work on an input: the image features that the program reads are computed, or a device starts to compute them. The
    /// selector and the input stay borrowed until the [`InFlight`] is dropped.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] if the program reads image features and the input is a tensor. On a GPU, also what the driver
    /// reports.
    pub fn submit<'s, 'i>(&'s mut self, input: impl Into<Input<'i>>) -> Result<InFlight<'s, 'i>> {
        let input = input.into();
        self.begin(&input)?;
        Ok(InFlight { selector: self, input })
    }

    /// Submits an input and waits for its outcome.
    ///
    /// # Errors
    /// The errors of [`Selector::submit`] and of [`InFlight::poll`].
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

    /// Runs one candidate on an input and waits for it. The premodel is not used.
    ///
    /// # Errors
    /// The errors of [`CandidateSet::run`].
    ///
    /// # Panics
    /// If there is no candidate with this id.
    pub fn run_single<'i>(&mut self, candidate: CandidateId, input: impl Into<Input<'i>>) -> Result<Run> {
        self.settle()?;
        // The run may overwrite the probabilities of the last input, which can still be asked for.
        self.set.backend.bring_probabilities(self.board.reported(), &mut self.board);
        self.set.run(candidate, &input.into())
    }

    /// The class probabilities that the last outcome is based on. If an average answered, these are the weighted mean of the
    /// candidates' calibrated probabilities. Empty before the first outcome, while the next input is in flight, and after
    /// [`Selector::reload`].
    pub fn probabilities(&self) -> &[f32] {
        match self.flight.answered {
            Some(Answer::Candidate(candidate)) => self.probabilities_of(candidate),
            Some(average) => self.board.probabilities(average),
            None => &[],
        }
    }

    /// The class probabilities that a candidate gave for the last input; empty if it did not run on that input.
    pub fn probabilities_of(&self, candidate: CandidateId) -> &[f32] {
        // On a GPU the board has them only if a signal needed them. The others are copied when somebody asks.
        if self.board.without_probabilities(Mask::of(candidate)).next().is_some() {
            return self.set.backend.probabilities(candidate);
        }
        self.board.probabilities(Answer::Candidate(candidate))
    }

    /// The most probable class that a candidate gave for the last input, with its confidences; `None` if it did not run on that
    /// input.
    pub fn summary(&self, candidate: CandidateId) -> Option<Summary> {
        self.board.summary(candidate)
    }

    /// The values of the premodel's signals for the last input, in the order of [`Premodel::signals`]. The value of a signal that
    /// was not computed is NaN.
    pub fn signals(&self) -> &[f32] {
        self.board.values()
    }

    /// The error of a candidate that failed on the last input; `None` if none failed. If several failed, it is the error of the
    /// last one.
    pub fn failure(&self) -> Option<&Error> {
        self.flight.failure.as_ref()
    }

    /// Waits for work of an input that was given up. Until that work is done, it uses the candidates' tensors.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.flight.state = State::Idle;
        self.set.backend.settle()
    }

    pub(crate) fn begin(&mut self, input: &Input<'_>) -> Result<()> {
        let program = self.control.next_program();
        self.begin_for(program, None, input)
    }

    /// Begins an input on which this program decides, and computes the features that it reads, or others where they are wanted.
    #[inline(always)]
    fn begin_for(&mut self, program: usize, wanted: Option<Wanted>, input: &Input<'_>) -> Result<()> {
        if !matches!(self.flight.state, State::Idle) {
            // The previous input was given up, and its work may not be done yet. The selector waits for it before it starts the
            // stopwatch, so that the times of this input do not contain the wait.
            self.settle()?;
        }
        self.ranges.submit();
        let Selector { set, prepared, board, flight, ranges, deadline, .. } = self;
        flight.due = deadline.and_then(|deadline| Instant::now().checked_add(deadline));
        flight.watch.start();
        flight.failure = None;
        flight.answered = None;
        let plan = &prepared.programs[program];
        flight.program = program;
        (flight.is_baked, flight.first_run) = (plan.baked, plan.first_run);
        flight.walk = plan.start;
        board.begin_for(program);
        let wanted = wanted.unwrap_or(plan.wanted);
        if !wanted.is_empty() && matches!(input, Input::Tensor(_)) {
            return Err(Error::from_static(
                ErrorKind::Input,
                "input: expected a frame, got a tensor; the program reads image features",
            ));
        }
        if !wanted.is_empty() {
            ranges.features();
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
        for &(signal, feature) in &self.prepared.programs[self.flight.program].features {
            self.board.set(signal, self.flight.features[feature]);
        }
        self.flight.watch.featured();
        self.ranges.features_done();
        self.flight.state = State::Deciding;
    }

    /// Takes the features that a device has computed. Returns false if they are not there yet.
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

    /// Does what [`InFlight::poll`] does, for a caller that keeps the input itself, as the C ABI does.
    pub(crate) fn poll_input(&mut self, input: &Input<'_>) -> Result<Option<Outcome>> {
        if let State::Deciding = self.flight.state {
            // The time that the caller spent since `submit` belongs to no stage.
            self.flight.watch.skip();
        }
        self.advance(input)
    }

    /// Takes decisions and starts candidates until the outcome is there or an engine is at work asynchronously; `None` in the
    /// second case.
    fn advance(&mut self, input: &Input<'_>) -> Result<Option<Outcome>> {
        if let State::Features = self.flight.state
            && !self.take_features()?
        {
            // If the program begins with a Run, the walk already counts that candidate as one that ran, but it has not been
            // started yet.
            return if self.is_due() { self.cut_short(self.flight.first_run) } else { Ok(None) };
        }
        let mut request = match self.flight.state {
            State::Idle | State::Features | State::Abandoned => return Err(NOTHING_IN_FLIGHT),
            // If the program begins with a Run, there is nothing to decide. So no time is measured, which saves a reading of the
            // clock.
            State::Deciding => match self.flight.first_run {
                Some(candidate) => Request::Run(candidate),
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
                        return self.cut_short(Some(candidate));
                    }
                    self.ranges.run(candidate);
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
                            // The input cannot be used, so it would be no use to start another candidate.
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
        let _shown = self.ranges.decide();
        let request = self.step();
        self.flight.watch.decided();
        request
    }

    fn step(&mut self) -> Request {
        let (program, values) = (self.prepared.premodel.program_number(self.flight.program), self.board.values());
        if self.flight.is_baked {
            program.step_by(&mut self.flight.walk, |at| baked::next(at, values))
        } else {
            program.step(&mut self.flight.walk, values)
        }
    }

    /// Takes the output of a candidate that was started, and returns what the program asks for next; `None` if the candidate is
    /// not done.
    #[inline(always)]
    fn take_output(&mut self, candidate: CandidateId) -> Option<Request> {
        let Flight { watch, .. } = &mut self.flight;
        match self.set.backend.poll(candidate, &mut self.board, &mut watch.times.device) {
            Ok(false) => None,
            Ok(true) => {
                watch.computed();
                self.ranges.run_done();
                Some(self.decide())
            }
            Err(error) => Some(self.after_failure(candidate, error)),
        }
    }

    fn after_failure(&mut self, candidate: CandidateId, error: Error) -> Request {
        self.flight.watch.computed();
        self.ranges.run_done();
        self.flight.failure = Some(error);
        self.prepared.premodel.program_number(self.flight.program).failed(&mut self.flight.walk, candidate)
    }

    /// Makes the outcome of an answer. If the deadline has passed, `cut` has the candidates that did not come to their end
    /// although the walk counts them as run; else it is `None`.
    fn outcome(&mut self, answer: Answer, cut: Option<Mask>) -> Result<Option<Outcome>> {
        let Selector { set, board, flight, .. } = self;
        flight.state = State::Idle;
        if let Answer::Average(of) = answer {
            set.backend.bring_probabilities(of, board);
        }
        let top = board.answer(answer).ok_or(NOTHING_IN_FLIGHT)?;
        if matches!(answer, Answer::Average(_)) {
            flight.watch.computed();
        }
        self.ranges.done();
        flight.answered = Some(answer);
        // The stopwatch was last read at the end of the decision or of the average, so the total time ends there.
        flight.watch.stop();
        let times = &mut flight.watch.times;
        set.backend.begin_times(&mut times.device);
        Ok(Some(Outcome {
            class: top.class,
            probability: top.top1,
            answer,
            ran: flight.walk.ran().without(cut.unwrap_or(Mask::EMPTY)),
            failed: flight.walk.failed(),
            program: flight.program,
            node: flight.walk.node(),
            late: cut.is_some(),
            times: *times,
        }))
    }
}

const NOTHING_IN_FLIGHT: Error =
    Error::from_static(ErrorKind::Usage, "selector: expected an input in flight, got none; submit one first");
