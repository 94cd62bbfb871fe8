//! The decider: a premodel for programs that run their networks themselves and only ask which one to run, and when to answer.
//!
//! ```c
//! trtsel_decider_begin(d);
//! for (;;) {
//!     trtsel_decision todo = {.struct_size = sizeof todo};
//!     trtsel_decider_next(d, &todo);
//!     if (todo.kind != TRTSEL_DECIDE_RUN) break;
//!     const float *logits = my_network(todo.candidate);
//!     trtsel_decider_set_scores(d, todo.candidate, TRTSEL_LOGITS, logits, classes);
//! }
//! ```

use std::ffi::{CString, c_char};
use std::slice;

use trt_select_premodel::{
    Answer, Board, CandidateId, Control, Mask, Premodel, Request, Scores, Signal, SignalId, Walk, summarise,
};

use super::boundary::{self, Called, Guarded, Handle, wanted};
use super::frame::floats;
use super::info::c_text;
use super::options::path;
use super::result::{TRTSEL_NO_CANDIDATE, answered, trtsel_summary};
use super::sized::{Output, Sized_};
use super::status::{
    Fail, TRTSEL_BUFFER_TOO_SMALL, TRTSEL_INPUT, TRTSEL_INVALID_ARGUMENT, TRTSEL_NOT_FOUND, TRTSEL_NULL_POINTER,
    TRTSEL_OK, TRTSEL_PREMODEL, TRTSEL_WRONG_STATE, trtsel_status,
};
use crate::features::{FEATURE_COUNT, feature_index};
use crate::selector::read_premodel;

/// The scores are logits, that is any real numbers, which softmax turns into probabilities.
pub const TRTSEL_LOGITS: u32 = 0;
/// The scores are probabilities.
pub const TRTSEL_PROBABILITIES: u32 = 1;

/// Kind of a decision: run `candidate`, set its signals, and ask again.
pub const TRTSEL_DECIDE_RUN: u32 = 1;
/// Kind of a decision: answer with `candidate`, or with the average of the candidates in `answer_mask`.
pub const TRTSEL_DECIDE_ANSWER: u32 = 2;
/// Kind of a decision: every candidate that could answer has failed.
pub const TRTSEL_DECIDE_NONE_WORKS: u32 = 3;

/// A decision: what the caller has to do next.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_decision {
    /// `sizeof(trtsel_decision)`; set it before the call.
    pub struct_size: u32,
    /// A `TRTSEL_DECIDE_` number.
    pub kind: u32,
    /// The candidate to run or to answer with; `TRTSEL_NO_CANDIDATE` for an average, and where no candidate works.
    pub candidate: u32,
    /// For an answer the candidates behind it, bit k for candidate k; else 0.
    pub answer_mask: u32,
    /// The candidates that were asked for so far and did not fail, by the same bits.
    pub ran_mask: u32,
    /// The candidates that failed, by the same bits.
    pub failed_mask: u32,
    /// The node of the program at which the walk stands: `trtsel_decider_why` puts it into words.
    pub node: u32,
    /// The number of the premodel's program that decides, counted from 0.
    pub program: u32,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_decision {
    const FIRST: usize = 32;
}

/// The class and the probability of an answer.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_answer {
    /// `sizeof(trtsel_answer)`; set it before the call.
    pub struct_size: u32,
    /// The number of the most probable class, counted from 0.
    pub class_index: u32,
    /// The probability of that class, 0 to 1, by the candidate or the average that answers.
    pub probability: f32,
    /// `probability` less the probability of the second most probable class; `probability` itself where there is only one class.
    pub margin: f32,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_answer {
    const FIRST: usize = 16;
}

/// A decider: a premodel without networks. It decides on one input at a time.
pub struct trtsel_decider {
    guarded: Guarded<DeciderState>,
    pub(super) premodel: Premodel,
    pub(super) candidates: Vec<CString>,
    pub(super) signals: Vec<CString>,
    /// Every signal that is an image feature, with the number of that feature.
    features: Vec<(SignalId, usize)>,
}

/// What one call at a time may change.
pub(super) struct DeciderState {
    board: Board,
    /// Which of the premodel's programs decides.
    pub(super) control: Control,
    /// The program that decides on the current input.
    pub(super) program: usize,
    /// The walk of the current input; `None` before the first one.
    walk: Option<Walk>,
    /// The request that `trtsel_decider_next` returned last; `None` before the first one and after a failure was reported.
    last: Option<Request>,
    /// The request that follows from a reported failure, which the next `trtsel_decider_next` returns.
    after_failure: Option<Request>,
}

impl Handle for trtsel_decider {
    type State = DeciderState;

    fn guarded(&self) -> &Guarded<DeciderState> {
        &self.guarded
    }
}

const NOT_BEGUN: Fail =
    Fail::new(TRTSEL_WRONG_STATE, "decider: expected an input that was begun, got none; begin one first");
const NOT_ASKED: Fail = Fail::new(
    TRTSEL_WRONG_STATE,
    "decider: expected the candidate that was asked for last, got another; run what trtsel_decider_next says",
);
pub(super) const NO_SLOT: Fail = Fail::new(TRTSEL_NOT_FOUND, "signal: expected one of the premodel's, got another");
pub(super) const NO_SUCH_CANDIDATE: Fail =
    Fail::new(TRTSEL_NOT_FOUND, "candidate: expected one of the premodel's, got another number");
const UNTRUSTED: Fail = Fail::new(
    TRTSEL_INPUT,
    "scores: expected finite numbers (probabilities: 0 to 1), got others; call trtsel_decider_failed for this candidate",
);

const NO_SCORES: Fail = Fail::new(
    TRTSEL_WRONG_STATE,
    "decider: expected the scores of every candidate of an average, got those of some only; call trtsel_decider_set_scores \
     after each run",
);
const NO_ANSWER: Fail = Fail::new(
    TRTSEL_WRONG_STATE,
    "decider: expected an answer as the last decision, got another; ask for decisions until one is an answer",
);

impl trtsel_decider {
    fn new(premodel: Premodel) -> trtsel_decider {
        let names = premodel.candidates();
        let mut features = Vec::new();
        for (at, signal) in (0_u16..).zip(premodel.signals()) {
            if let Signal::Feature(name) = signal
                && let Some(feature) = feature_index(name)
            {
                features.push((SignalId(at), feature));
            }
        }
        let board = Board::new(&premodel, premodel.classes() as usize);
        trtsel_decider {
            candidates: names.iter().map(|name| c_text(name)).collect(),
            signals: premodel.signals().iter().map(|s| c_text(&s.name(names))).collect(),
            features,
            guarded: Guarded::new(DeciderState {
                board,
                control: Control::new(&premodel),
                program: premodel.chosen(),
                walk: None,
                last: None,
                after_failure: None,
            }),
            premodel,
        }
    }

    /// The candidate with this number.
    pub(super) fn candidate(&self, number: u32) -> Result<CandidateId, Fail> {
        let fits = (number as usize) < self.candidates.len();
        if fits { Ok(CandidateId(number as u8)) } else { Err(NO_SUCH_CANDIDATE) }
    }

    /// The candidate with this number, if it is the one that the last decision asked for.
    fn asked_for(&self, state: &DeciderState, number: u32) -> Result<CandidateId, Fail> {
        let candidate = self.candidate(number)?;
        if state.last == Some(Request::Run(candidate)) { Ok(candidate) } else { Err(NOT_ASKED) }
    }

    fn next(&self, state: &mut DeciderState) -> Result<trtsel_decision, Fail> {
        let walk = state.walk.as_mut().ok_or(NOT_BEGUN)?;
        let request = if let Some(request) = state.after_failure.take() {
            request
        } else if let Some(end @ (Request::Answer(_) | Request::NoneWorks)) = state.last {
            // Once the walk has ended, every further call returns the same decision.
            end
        } else if state.board.lacks(walk.ran()).is_some() {
            // A test that reads an average which was never computed would silently take its else branch.
            return Err(NO_SCORES);
        } else {
            self.premodel.program_number(state.program).step(walk, state.board.values())
        };
        state.last = Some(request);
        let (kind, candidate, mask) = match request {
            Request::Run(c) => (TRTSEL_DECIDE_RUN, u32::from(c.0), 0),
            Request::Answer(answer) => {
                let (candidate, mask) = answered(answer);
                (TRTSEL_DECIDE_ANSWER, candidate, mask.0)
            }
            Request::NoneWorks => (TRTSEL_DECIDE_NONE_WORKS, TRTSEL_NO_CANDIDATE, 0),
        };
        Ok(trtsel_decision {
            struct_size: 0,
            kind,
            candidate,
            answer_mask: mask.into(),
            ran_mask: walk.ran().0.into(),
            failed_mask: walk.failed().0.into(),
            node: walk.node() as u32,
            program: state.program as u32,
        })
    }

    fn set_scores(&self, state: &mut DeciderState, number: u32, kind: u32, scores: &[f32]) -> Called {
        let candidate = self.asked_for(state, number)?;
        let kind = scores_kind(kind)?;
        let classes = self.premodel.classes() as usize;
        let count = scores.len();
        // A premodel that does not state its number of classes has 0.
        if count == 0 || (classes != 0 && classes != count) {
            return Err(Fail::new(
                TRTSEL_INVALID_ARGUMENT,
                "scores: expected one per class of the premodel, got another number",
            ));
        }
        let board = &mut state.board;
        if board.classes(candidate) != count {
            board.resize(candidate, count);
        }
        // The candidates that are in an average together with this one must have as many classes.
        let others = board.averages().filter(|of| of.has(candidate)).fold(Mask::EMPTY, Mask::union);
        if others.iter().any(|other| board.reported().has(other) && board.classes(other) != count) {
            return Err(Fail::new(
                TRTSEL_INVALID_ARGUMENT,
                "scores: expected as many as of the other candidates of an average, got another number",
            ));
        }
        board.take_scores(candidate, kind, scores).ok_or(UNTRUSTED)?;
        Ok(TRTSEL_OK)
    }

    fn answer(&self, state: &mut DeciderState) -> Result<(trtsel_answer, Answer), Fail> {
        let Some(Request::Answer(answer)) = state.last else { return Err(NO_ANSWER) };
        let top = state.board.answer(answer).ok_or(NO_SCORES)?;
        let said = trtsel_answer { struct_size: 0, class_index: top.class, probability: top.top1, margin: top.margin };
        Ok((said, answer))
    }
}

/// Opens the premodel of a `premodel.json`. On success `*decider` is the new handle. On failure one line that says why is written
/// to `error_text`, a buffer of `error_bytes` bytes, which may be NULL. Errors: `TRTSEL_IO`, `TRTSEL_PREMODEL`. Any thread;
/// allocates, and reads the file.
///
/// # Safety
/// `premodel_file` is NULL or a text; `decider` NULL or writable; `error_text` NULL or a buffer of `error_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_open(
    premodel_file: *const c_char,
    decider: *mut *mut trtsel_decider,
    error_text: *mut c_char,
    error_bytes: usize,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    let opened = || Ok(boundary::give(trtsel_decider::new(read_premodel(&unsafe { path(premodel_file)? })?)));
    // SAFETY: the caller's promise.
    let work = || unsafe { boundary::put(decider, opened) };
    // SAFETY: the caller's promise.
    unsafe { boundary::open(error_text, error_bytes, work) }
}

/// Like `trtsel_decider_open`, for a premodel in memory: `json` points to `json_bytes` bytes of JSON, which may be freed after
/// the call.
///
/// # Safety
/// `json` is NULL or an array of `json_bytes` bytes; the rest as for `trtsel_decider_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_open_memory(
    json: *const c_char,
    json_bytes: usize,
    decider: *mut *mut trtsel_decider,
    error_text: *mut c_char,
    error_bytes: usize,
) -> trtsel_status {
    let opened = || {
        if json.is_null() {
            return Err(Fail::new(TRTSEL_NULL_POINTER, "premodel: expected JSON, got NULL; give its address"));
        }
        if isize::try_from(json_bytes).is_err() {
            return Err(Fail::new(
                TRTSEL_INVALID_ARGUMENT,
                "premodel: expected a size in bytes, got more than memory holds",
            ));
        }
        // SAFETY: the array is not NULL and fits the address space; the rest is the caller's promise.
        let bytes = unsafe { slice::from_raw_parts(json.cast::<u8>(), json_bytes) };
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Fail::text(TRTSEL_PREMODEL, format!("premodel: expected UTF-8, got other bytes: {e}")))?;
        let premodel = Premodel::from_json(text).map_err(|e| Fail::text(TRTSEL_PREMODEL, format!("premodel: {e}")))?;
        Ok(boundary::give(trtsel_decider::new(premodel)))
    };
    // SAFETY: the caller's promise.
    let work = || unsafe { boundary::put(decider, opened) };
    // SAFETY: the caller's promise.
    unsafe { boundary::open(error_text, error_bytes, work) }
}

/// Closes a decider; NULL does nothing. Returns `TRTSEL_BUSY`, and frees nothing, while another call on the decider is running.
///
/// # Safety
/// `decider` is NULL or open, and no other thread will use it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_close(decider: *mut trtsel_decider) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::close(decider) }
}

/// The text of the last failure of a call that takes the decider without `const`; empty before the first one, and never NULL. It
/// is valid until the next such call. One call at a time; works on a poisoned decider too; does not allocate.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_error(decider: *mut trtsel_decider) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { boundary::error(decider) }
}

/// Sets the signal in a slot. The caller's own signals (`signal.X`) keep their value until they are set again; begin unsets all
/// others, that is, sets them to NaN, for which every test takes its else branch. `TRTSEL_NOT_FOUND` where there is no such slot.
/// One call at a time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_set_signal(
    decider: *mut trtsel_decider,
    slot: u32,
    value: f32,
) -> trtsel_status {
    let work = |_: &trtsel_decider, state: &mut DeciderState| {
        let signal = SignalId(u16::try_from(slot).map_err(|_| NO_SLOT)?);
        if state.board.set(signal, value) { Ok(TRTSEL_OK) } else { Err(NO_SLOT) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Writes the value of the signal in a slot; NaN where it is unset. `trtsel_decider_set_scores` computes only signals that a test
/// reads, so the others are NaN. `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open, `value` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_get_signal(
    decider: *mut trtsel_decider,
    slot: u32,
    value: *mut f32,
) -> trtsel_status {
    let work = |_: &trtsel_decider, state: &mut DeciderState| {
        // SAFETY: the caller's promise.
        unsafe { boundary::put(value, || state.board.values().get(slot as usize).copied().ok_or(NO_SLOT)) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Begins an input, at the first node of the program that decides: see `trtsel_decider_set_price`. All signals of the input before are unset, except the caller's own. One
/// call at a time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_begin(decider: *mut trtsel_decider) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        state.program = state.control.next_program();
        state.board.begin_for(state.program);
        state.walk = Some(this.premodel.program_number(state.program).start());
        state.last = None;
        state.after_failure = None;
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Sets the signals of all image features that the premodel knows. `values` holds the values of all features, as
/// `trtsel_features_compute` writes them where its `numbers` are NULL. `TRTSEL_INVALID_ARGUMENT` where `count` is less than
/// `trtsel_feature_count()`. To be called after begin, which unsets these signals. One call at a time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open, `values` NULL or an array of `count` floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_set_features(
    decider: *mut trtsel_decider,
    values: *const f32,
    count: usize,
) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        // SAFETY: the caller's promise.
        let values = unsafe { floats(values, count)? };
        if count < FEATURE_COUNT {
            return Err(Fail::new(
                TRTSEL_INVALID_ARGUMENT,
                "features: expected a value of each, got fewer; compute all",
            ));
        }
        for &(signal, feature) in &this.features {
            state.board.set(signal, values[feature]);
        }
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Decides what to do next. After `TRTSEL_DECIDE_RUN` the caller runs that candidate and sets its signals by
/// `trtsel_decider_set_scores` or `trtsel_decider_set_signal`, or reports by `trtsel_decider_failed` that it failed, and then
/// calls this function again. A decision of any other kind is the last one for the input: further calls return it again until the
/// next begin.
///
/// `TRTSEL_WRONG_STATE` before the first begin, and where a test reads an average although the scores of a candidate in it were
/// not set. One call at a time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open, `decision` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_next(
    decider: *mut trtsel_decider,
    decision: *mut trtsel_decision,
) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(decision)? };
        output.write(&this.next(state)?);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Computes and sets a candidate's signals from its class scores: top-1, margin, entropy, risk, the agreement with candidates
/// whose scores were set before, and averages. `kind` is `TRTSEL_LOGITS` or `TRTSEL_PROBABILITIES`.
///
/// Errors: `TRTSEL_WRONG_STATE` where the last decision did not ask for this candidate; `TRTSEL_INVALID_ARGUMENT` for an unknown
/// `kind`, and where `count` is not the premodel's number of classes, or, if the premodel does not state it, not that of the
/// other candidates of an average; `TRTSEL_INPUT` where the scores are not finite numbers, or not probabilities, although `kind`
/// says so. One call at a time; allocates only where the premodel does not state its number of classes and `count` is not that of
/// the candidate's call before.
///
/// # Safety
/// `decider` is NULL or open, `scores` NULL or an array of `count` floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_set_scores(
    decider: *mut trtsel_decider,
    candidate: u32,
    kind: u32,
    scores: *const f32,
    count: usize,
) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        // SAFETY: the caller's promise.
        let scores = unsafe { floats(scores, count)? };
        this.set_scores(state, candidate, kind, scores)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Writes the class and the probability of the answer, after a decision of `TRTSEL_DECIDE_ANSWER`. An average is computed from
/// the scores that were set: it is the weighted mean of its candidates' probabilities at their temperatures. Where
/// `probabilities` is not NULL, the probabilities of all classes are copied to it; `TRTSEL_BUFFER_TOO_SMALL` where there are more
/// classes than `capacity`. `TRTSEL_WRONG_STATE` where the last decision was not an answer, and where the scores of a candidate
/// behind the answer were not set. One call at a time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open, `answer` NULL or a struct of its `struct_size`, `probabilities` NULL or an array of `capacity`
/// floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_answer(
    decider: *mut trtsel_decider,
    answer: *mut trtsel_answer,
    probabilities: *mut f32,
    capacity: usize,
) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(answer)? };
        let (said, answer) = this.answer(state)?;
        if !probabilities.is_null() {
            let from = state.board.probabilities(answer);
            if from.len() > capacity {
                return Err(Fail::new(
                    TRTSEL_BUFFER_TOO_SMALL,
                    "probabilities: expected room for all classes, got less; give as many floats as there are classes",
                ));
            }
            // SAFETY: the caller's array has room for `capacity` floats, at least as many as are copied.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), probabilities, from.len()) };
        }
        output.write(&said);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Reports that the candidate that the last decision asked for has failed. The most capable candidate that works will answer in
/// its place; `trtsel_decider_next` says what to do next. `TRTSEL_WRONG_STATE` where the last decision did not ask for this
/// candidate. One call at a time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_failed(decider: *mut trtsel_decider, candidate: u32) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        let candidate = this.asked_for(state, candidate)?;
        let walk = state.walk.as_mut().ok_or(NOT_BEGUN)?;
        state.after_failure = Some(this.premodel.program_number(state.program).failed(walk, candidate));
        state.last = None;
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

fn scores_kind(kind: u32) -> Result<Scores, Fail> {
    match kind {
        TRTSEL_LOGITS => Ok(Scores::Logits),
        TRTSEL_PROBABILITIES => Ok(Scores::Probabilities),
        _ => Err(Fail::new(
            TRTSEL_INVALID_ARGUMENT,
            "scores: expected TRTSEL_LOGITS or TRTSEL_PROBABILITIES, got another number",
        )),
    }
}

/// Summarises class scores without a decider: writes `count` probabilities and their summary. `TRTSEL_INPUT` where the scores are
/// not finite numbers, or not probabilities, although `kind` says so; then the contents of `probabilities` are unspecified.
/// `TRTSEL_INVALID_ARGUMENT` where `count` is 0, and for an unknown `kind`. Any thread; does not allocate.
///
/// # Safety
/// `scores` and `probabilities` are NULL or arrays of `count` floats that do not overlap; `summary` NULL or a struct of its
/// `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_summarise(
    kind: u32,
    scores: *const f32,
    probabilities: *mut f32,
    count: usize,
    summary: *mut trtsel_summary,
) -> trtsel_status {
    boundary::plain(|| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(summary)? };
        // SAFETY: the caller's promise.
        let scores = unsafe { floats(scores, count)? };
        let to = wanted(probabilities)?;
        let kind = scores_kind(kind)?;
        if count == 0 || !to.is_aligned() {
            return Err(Fail::new(TRTSEL_INVALID_ARGUMENT, "scores: expected at least one, got none"));
        }
        // SAFETY: the array is not NULL and aligned; the caller promises that it has `count` floats and does not overlap the
        // scores. It may hold any bytes, since floats have no invalid values.
        let probabilities = unsafe { slice::from_raw_parts_mut(to, count) };
        output.write(&summarise(scores, kind, probabilities).ok_or(UNTRUSTED)?.into());
        Ok(TRTSEL_OK)
    })
}
