//! Decide only: a premodel for programs that run their networks themselves.
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
    Answer, Board, CandidateId, Mask, Premodel, Request, Scores, Signal, SignalId, Walk, summarise,
};

use super::boundary::{self, Called, Guarded, Handle, wanted};
use super::frame::floats;
use super::info::c_text;
use super::options::path;
use super::result::{TRTSEL_NO_CANDIDATE, answered, trtsel_summary};
use super::selector::NO_OUTPUT;
use super::sized::{Output, Sized_};
use super::status::{
    Fail, TRTSEL_BUFFER_TOO_SMALL, TRTSEL_INPUT, TRTSEL_INVALID_ARGUMENT, TRTSEL_NOT_FOUND, TRTSEL_NULL_POINTER,
    TRTSEL_OK, TRTSEL_PREMODEL, TRTSEL_WRONG_STATE, trtsel_status,
};
use crate::features::{FEATURE_COUNT, feature_index};
use crate::selector::read_premodel;

/// Scores are any real numbers; softmax makes them probabilities.
pub const TRTSEL_LOGITS: u32 = 0;
/// Scores are probabilities already.
pub const TRTSEL_PROBABILITIES: u32 = 1;

/// Kind of a decision: run `candidate`, set its signals, and ask again.
pub const TRTSEL_DECIDE_RUN: u32 = 1;
/// Kind of a decision: answer with `candidate`, or the average of `answer_mask`.
pub const TRTSEL_DECIDE_ANSWER: u32 = 2;
/// Kind of a decision: every candidate that could answer has failed.
pub const TRTSEL_DECIDE_NONE_WORKS: u32 = 3;

/// What to do next.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_decision {
    /// `sizeof(trtsel_decision)`; set it before the call.
    pub struct_size: u32,
    /// A `TRTSEL_DECIDE_` number.
    pub kind: u32,
    /// Which candidate; `TRTSEL_NO_CANDIDATE` for an average and where none works.
    pub candidate: u32,
    /// The candidates behind an answer: bit k is candidate k; else 0.
    pub answer_mask: u32,
    /// The candidates that were asked for so far and did not fail.
    pub ran_mask: u32,
    /// The candidates that failed.
    pub failed_mask: u32,
    /// The program's node: `trtsel_decider_why` puts it into words.
    pub node: u32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_decision {
    const FIRST: usize = 32;
}

/// What an answer says.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_answer {
    /// `sizeof(trtsel_answer)`; set it before the call.
    pub struct_size: u32,
    /// Number of the class.
    pub class_index: u32,
    /// Its probability, 0 to 1: the candidate's own, or that of the average.
    pub probability: f32,
    /// Its probability less that of the next class; with one class, its probability.
    pub margin: f32,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_answer {
    const FIRST: usize = 16;
}

/// A premodel without networks. One input at a time.
pub struct trtsel_decider {
    guarded: Guarded<DeciderState>,
    pub(super) premodel: Premodel,
    pub(super) candidates: Vec<CString>,
    pub(super) signals: Vec<CString>,
    /// (signal, feature) pairs.
    features: Vec<(SignalId, usize)>,
}

/// What one caller at a time may change.
pub(super) struct DeciderState {
    board: Board,
    walk: Option<Walk>,
    /// What was asked for last.
    last: Option<Request>,
    /// A failure's consequence, which the next call gives.
    next: Option<Request>,
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

const UNHEARD: Fail = Fail::new(
    TRTSEL_WRONG_STATE,
    "decider: expected the scores of every candidate of an average, got none of one; call trtsel_decider_set_scores after each run",
);
const NO_ANSWER: Fail = Fail::new(
    TRTSEL_WRONG_STATE,
    "decider: expected an answer as the last decision, got another; ask for decisions until one is an answer",
);

impl trtsel_decider {
    fn new(premodel: Premodel) -> trtsel_decider {
        let names = premodel.candidates();
        let feature = |(at, signal): (u16, &Signal)| match signal {
            Signal::Feature(name) => Some((SignalId(at), feature_index(name)?)),
            _ => None,
        };
        let board = Board::new(&premodel, premodel.classes() as usize);
        trtsel_decider {
            candidates: names.iter().map(|name| c_text(name)).collect(),
            signals: premodel.signals().iter().map(|s| c_text(&s.name(names))).collect(),
            features: (0_u16..).zip(premodel.signals()).filter_map(feature).collect(),
            guarded: Guarded::new(DeciderState { board, walk: None, last: None, next: None }),
            premodel,
        }
    }

    pub(super) fn candidate(&self, number: u32) -> Result<CandidateId, Fail> {
        let fits = (number as usize) < self.candidates.len();
        if fits { Ok(CandidateId(number as u8)) } else { Err(NO_SUCH_CANDIDATE) }
    }

    /// The candidate, where it is the one asked for last.
    fn asked_for(&self, state: &DeciderState, number: u32) -> Result<CandidateId, Fail> {
        let candidate = self.candidate(number)?;
        if state.last == Some(Request::Run(candidate)) { Ok(candidate) } else { Err(NOT_ASKED) }
    }

    fn next(&self, state: &mut DeciderState) -> Result<trtsel_decision, Fail> {
        let walk = state.walk.as_mut().ok_or(NOT_BEGUN)?;
        let request = match (state.next.take(), state.last) {
            (Some(request), _) => request,
            // An end stays one.
            (None, Some(end @ (Request::Answer(_) | Request::NoneWorks))) => end,
            // A test of an average that nobody computed would go astray in silence.
            _ if state.board.lacks(walk.ran()).is_some() => return Err(UNHEARD),
            _ => self.premodel.program().step(walk, state.board.values()),
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
            reserved: 0,
        })
    }

    fn set_scores(&self, state: &mut DeciderState, number: u32, kind: u32, scores: &[f32]) -> Called {
        let (candidate, kind) = (self.asked_for(state, number)?, scores_kind(kind)?);
        let (classes, count) = (self.premodel.classes() as usize, scores.len());
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
        let others = board.averages().filter(|of| of.has(candidate)).fold(Mask::EMPTY, Mask::union);
        if others.iter().any(|other| board.heard().has(other) && board.classes(other) != count) {
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
        let top = state.board.answer(answer).ok_or(UNHEARD)?;
        let said = trtsel_answer { struct_size: 0, class_index: top.class, probability: top.top1, margin: top.margin };
        Ok((said, answer))
    }

    /// # Safety
    /// `decider` is NULL or open.
    pub(super) unsafe fn enter(
        decider: *mut trtsel_decider,
        work: impl FnOnce(&trtsel_decider, &mut DeciderState) -> Called,
    ) -> trtsel_status {
        // SAFETY: the caller's promise. A shared reference: other threads may look at the same time.
        match unsafe { decider.as_ref() } {
            None => TRTSEL_NULL_POINTER,
            Some(decider) => decider.guarded.enter(None, |state| work(decider, state)),
        }
    }

    /// # Safety
    /// `decider` is NULL or open.
    pub(super) unsafe fn look(
        decider: *const trtsel_decider,
        work: impl FnOnce(&trtsel_decider) -> Called,
    ) -> trtsel_status {
        // SAFETY: the caller's promise.
        match unsafe { decider.as_ref() } {
            None => TRTSEL_NULL_POINTER,
            Some(decider) => decider.guarded.look(|| work(decider)),
        }
    }
}

/// Opens a `premodel.json`. On success `*decider` is the new handle; else a line about why not is written to `error_text` (cut to
/// `error_bytes`, with a NUL; NULL: nowhere). `TRTSEL_IO`, `TRTSEL_PREMODEL`. Any thread; allocates and reads the file.
///
/// # Safety
/// `premodel_file` is NULL or a text; `decider` NULL or writable; `error_text` NULL or of `error_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_open(
    premodel_file: *const c_char,
    decider: *mut *mut trtsel_decider,
    error_text: *mut c_char,
    error_bytes: usize,
) -> trtsel_status {
    let work = || {
        let to = wanted(decider, NO_OUTPUT)?;
        // SAFETY: the caller's promise.
        let premodel = read_premodel(&unsafe { path(premodel_file)? })?;
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { to.write(boundary::give(trtsel_decider::new(premodel))) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::open(error_text, error_bytes, work) }
}

/// `trtsel_decider_open` for a premodel in memory: `json_bytes` bytes of JSON, which are not needed after the call.
///
/// # Safety
/// `json` is NULL or of `json_bytes`; else as `trtsel_decider_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_open_memory(
    json: *const c_char,
    json_bytes: usize,
    decider: *mut *mut trtsel_decider,
    error_text: *mut c_char,
    error_bytes: usize,
) -> trtsel_status {
    let work = || {
        let to = wanted(decider, NO_OUTPUT)?;
        if json.is_null() {
            return Err(Fail::new(TRTSEL_NULL_POINTER, "premodel: expected JSON, got NULL; give its address"));
        }
        if isize::try_from(json_bytes).is_err() {
            return Err(Fail::new(
                TRTSEL_INVALID_ARGUMENT,
                "premodel: expected a size in bytes, got more than memory holds",
            ));
        }
        // SAFETY: not NULL, in the address space; the rest is the caller's promise.
        let bytes = unsafe { slice::from_raw_parts(json.cast::<u8>(), json_bytes) };
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Fail::text(TRTSEL_PREMODEL, format!("premodel: expected UTF-8, got other bytes: {e}")))?;
        let premodel = Premodel::from_json(text).map_err(|e| Fail::text(TRTSEL_PREMODEL, format!("premodel: {e}")))?;
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { to.write(boundary::give(trtsel_decider::new(premodel))) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::open(error_text, error_bytes, work) }
}

/// Closes a decider. NULL is taken. `TRTSEL_BUSY` where a call is inside: then nothing is freed.
///
/// # Safety
/// `decider` is NULL or open, and no other thread will use it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_close(decider: *mut trtsel_decider) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::close(decider) }
}

/// The text of the last failure of a call that takes the decider without `const`; empty before the first. Never NULL. Valid until the
/// next such call. One call at a time, but also on a poisoned decider; does not allocate.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_error(decider: *mut trtsel_decider) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { boundary::error(decider) }
}

/// Sets a signal by its slot. Own signals (`signal.X`) stay until they are set again; all others are unset (NaN, which takes the else
/// branch of every test) by the next begin. `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; allocates nothing.
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
    unsafe { trtsel_decider::enter(decider, work) }
}

/// Reads a signal by its slot: NaN where it is unset. Of the signals that are computed, those that no test reads are not.
/// `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; allocates nothing.
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
        let to = wanted(value, NO_OUTPUT)?;
        let value = *state.board.values().get(slot as usize).ok_or(NO_SLOT)?;
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { to.write(value) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::enter(decider, work) }
}

/// Begins an input: a walk at the program's first node. What the last one left is forgotten, own signals are not. One call at a time;
/// allocates nothing.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_begin(decider: *mut trtsel_decider) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        state.board.begin();
        state.walk = Some(this.premodel.program().start());
        (state.last, state.next) = (None, None);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::enter(decider, work) }
}

/// Sets the signals of all image features that the premodel knows, from the values that `trtsel_features_compute` gives for NULL numbers:
/// `count` is at least `trtsel_feature_count()`, else `TRTSEL_INVALID_ARGUMENT`. After begin. One call at a time; allocates nothing.
///
/// # Safety
/// `decider` is NULL or open, `values` NULL or of `count`.
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
    unsafe { trtsel_decider::enter(decider, work) }
}

/// What to do next. After `TRTSEL_DECIDE_RUN`: run that candidate, then `trtsel_decider_set_scores` or `trtsel_decider_set_signal` for its
/// signals, or `trtsel_decider_failed`; then ask again. The other kinds are the end, and stay so until the next begin.
/// `TRTSEL_WRONG_STATE` before the first begin. One call at a time; allocates nothing.
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
    unsafe { trtsel_decider::enter(decider, work) }
}

/// Sets a candidate's signals (top-1, margin, entropy, risk, agreement with those set before, averages) from its class scores. `kind` is
/// `TRTSEL_LOGITS` or `TRTSEL_PROBABILITIES`. `TRTSEL_WRONG_STATE` where it is not the candidate asked for last; `TRTSEL_INVALID_ARGUMENT` where
/// `count` is not the premodel's number of classes; `TRTSEL_INPUT` where a score is no number. One call at a time; allocates nothing, but
/// for the first call where the premodel does not say its number of classes.
///
/// # Safety
/// `decider` is NULL or open, `scores` NULL or of `count`.
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
    unsafe { trtsel_decider::enter(decider, work) }
}

/// What the answer says, after a decision of `TRTSEL_DECIDE_ANSWER`: its class and probability. An average is the weighted mean of its
/// candidates' probabilities at their temperatures, made from the scores that were set. Where `probabilities` is not NULL, the
/// probabilities of all classes are copied to it: `TRTSEL_BUFFER_TOO_SMALL` where they are more than `capacity`.
/// `TRTSEL_WRONG_STATE` where the last decision was no answer, and where the scores of a candidate behind it were not set. One call at a
/// time; allocates nothing.
///
/// # Safety
/// `decider` is NULL or open, `answer` NULL or a struct of its `struct_size`, `probabilities` NULL or of `capacity` floats.
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
            // SAFETY: the caller's array has `capacity` floats, at least as many as are copied.
            unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), probabilities, from.len()) };
        }
        output.write(&said);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::enter(decider, work) }
}

/// Tells that the candidate asked for last failed. From here on the most capable candidate that works answers; ask what is next.
/// `TRTSEL_WRONG_STATE` where it was not asked for. One call at a time; allocates nothing.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_failed(decider: *mut trtsel_decider, candidate: u32) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        let candidate = this.asked_for(state, candidate)?;
        let walk = state.walk.as_mut().ok_or(NOT_BEGUN)?;
        state.next = Some(this.premodel.program().failed(walk, candidate));
        state.last = None;
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::enter(decider, work) }
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

/// Sums up class scores, without a decider: writes `count` probabilities and what they say. `TRTSEL_INPUT` where a score is no number,
/// then the probabilities are unspecified; `TRTSEL_INVALID_ARGUMENT` where there is none, or for an unknown `kind`. Any thread; does not allocate.
///
/// # Safety
/// `scores` and `probabilities` are NULL or of `count`, and do not overlap; `summary` NULL or a struct of its `struct_size`.
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
        let (output, scores) = unsafe { (Output::new(summary)?, floats(scores, count)?) };
        let (to, kind) = (wanted(probabilities, NO_OUTPUT)?, scores_kind(kind)?);
        if count == 0 || !to.is_aligned() {
            return Err(Fail::new(TRTSEL_INVALID_ARGUMENT, "scores: expected at least one, got none"));
        }
        // SAFETY: not NULL, aligned, as long as the scores, which it does not overlap: the caller's promise. His array may hold
        // anything, but floats have no invalid values.
        let probabilities = unsafe { slice::from_raw_parts_mut(to, count) };
        output.write(&summarise(scores, kind, probabilities).ok_or(UNTRUSTED)?.into());
        Ok(TRTSEL_OK)
    })
}
