//! The selector: open, inputs, results, feedback, close.

use std::ffi::c_char;
use std::time::{Duration, Instant};

pub(super) use super::boundary::NO_OUTPUT;
use super::boundary::{self, Called, Guarded, Handle, wanted};
use super::frame::{input, tensor, trtsel_frame};
use super::info::Info;
use super::log::{self, Sink};
use super::options::{deadline, path, trtsel_options};
use super::result::trtsel_result;
use super::sized::{self, Output};
use super::statistics::Statistics;
use super::status::{
    Fail, TRTSEL_NOT_FOUND, TRTSEL_NULL_POINTER, TRTSEL_OK, TRTSEL_PENDING, TRTSEL_WRONG_STATE, trtsel_status,
};
use crate::bundle::Bundle;
use crate::error::{Error, ErrorKind};
use crate::input::Input;
use crate::selector::{Outcome, Selector, read_premodel};

/// A bundle's candidates and premodel, open. One input is in flight at a time.
pub struct trtsel_selector {
    guarded: Guarded<SelectorState>,
    pub(super) info: Info,
    pub(super) statistics: Statistics,
    sink: Option<Sink>,
    stream: u64,
}

/// What one caller at a time may change.
pub(super) struct SelectorState {
    pub(super) selector: Selector,
    /// The input in flight. It borrows the caller's memory, which he keeps as long as the documentation of submit says.
    flight: Option<Input<'static>>,
    /// The last result, and whether its true answer was fed back.
    pub(super) last: Option<(Outcome, bool)>,
    /// `u64::MAX`: none.
    deadline_ns: u64,
}

impl Handle for trtsel_selector {
    type State = SelectorState;

    fn guarded(&self) -> &Guarded<SelectorState> {
        &self.guarded
    }
}

const NULL: Fail = Fail::new(TRTSEL_NULL_POINTER, "selector: expected an open one, got NULL; open one first");
const IN_FLIGHT: Fail = Fail::new(
    TRTSEL_WRONG_STATE,
    "selector: expected no input in flight, got one; poll or wait until it is done, or cancel it",
);
const NOTHING: Fail =
    Fail::new(TRTSEL_WRONG_STATE, "selector: expected an input in flight, got none; submit one first");
const NO_RESULT: Fail = Fail::new(
    TRTSEL_WRONG_STATE,
    "selector: expected a result before this call, got none; infer or wait for one first",
);

impl trtsel_selector {
    /// A call that may change the selector.
    ///
    /// # Safety
    /// `selector` is NULL or open.
    pub(super) unsafe fn enter(
        selector: *mut trtsel_selector,
        work: impl FnOnce(&trtsel_selector, &mut SelectorState) -> Called,
    ) -> trtsel_status {
        // SAFETY: the caller's promise. A shared reference: other threads may look at the same time.
        let Some(selector) = (unsafe { selector.as_ref() }) else { return NULL.status };
        selector.guarded.enter(selector.sink, |state| work(selector, state))
    }

    /// A call that changes nothing.
    ///
    /// # Safety
    /// `selector` is NULL or open.
    pub(super) unsafe fn look(
        selector: *const trtsel_selector,
        work: impl FnOnce(&trtsel_selector) -> Called,
    ) -> trtsel_status {
        // SAFETY: the caller's promise.
        let Some(selector) = (unsafe { selector.as_ref() }) else { return NULL.status };
        selector.guarded.look(|| work(selector))
    }

    fn begun(&self, state: &mut SelectorState) -> Result<(), Fail> {
        if state.flight.is_some() {
            return Err(IN_FLIGHT);
        }
        state.last = None;
        Ok(())
    }

    fn submit(&self, state: &mut SelectorState, input: Input<'static>) -> Called {
        self.begun(state)?;
        state.selector.begin(&input)?;
        self.statistics.inputs.count();
        state.flight = Some(input);
        Ok(TRTSEL_OK)
    }

    fn infer(&self, state: &mut SelectorState, input: &Input<'_>, output: Output<trtsel_result>) -> Called {
        self.begun(state)?;
        self.statistics.inputs.count();
        let outcome = state.selector.infer_input(input);
        self.done(state, outcome, output)
    }

    fn poll(&self, state: &mut SelectorState, output: Output<trtsel_result>) -> Called {
        let Some(input) = &state.flight else { return Err(NOTHING) };
        match state.selector.poll_input(input).transpose() {
            None => Ok(TRTSEL_PENDING),
            Some(outcome) => {
                state.flight = None;
                self.done(state, outcome, output)
            }
        }
    }

    fn done(
        &self,
        state: &mut SelectorState,
        outcome: Result<Outcome, Error>,
        output: Output<trtsel_result>,
    ) -> Called {
        match outcome {
            Ok(outcome) => {
                self.statistics.outcome(&outcome, state.deadline_ns);
                state.last = Some((outcome, false));
                output.write(&trtsel_result::from(&outcome));
                Ok(TRTSEL_OK)
            }
            Err(error) => {
                self.statistics.failed.count();
                if error.kind() == ErrorKind::Deadline {
                    self.statistics.deadline_misses.count();
                }
                Err(error.into())
            }
        }
    }

    fn reload(&self, state: &mut SelectorState, reload: impl FnOnce(&mut Selector) -> Result<(), Error>) -> Called {
        if state.flight.is_some() {
            return Err(IN_FLIGHT);
        }
        reload(&mut state.selector)?;
        // Its probabilities and its node were those of the premodel before.
        state.last = None;
        self.info.update(&state.selector);
        Ok(TRTSEL_OK)
    }

    fn cancel(&self, state: &mut SelectorState) -> Result<(), Fail> {
        let waited = state.selector.settle();
        if state.flight.take().is_some() {
            self.statistics.cancelled.count();
        }
        Ok(waited?)
    }
}

impl SelectorState {
    pub(super) fn last(&self) -> Result<&Outcome, Fail> {
        self.last.as_ref().map(|(outcome, _)| outcome).ok_or(NO_RESULT)
    }
}

/// Opens a bundle: its engines, networks and premodel. `options` may be NULL: the defaults. On success `*selector` is the new
/// handle; else a line about why not is written to `error_text` (cut to `error_bytes`, with a NUL; NULL: nowhere).
///
/// `TRTSEL_IO`, `TRTSEL_BUNDLE`, `TRTSEL_PREMODEL`, `TRTSEL_ENGINE`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_STRUCT_SIZE`. Any thread; allocates,
/// reads files, and may take seconds.
///
/// # Safety
/// `bundle_folder` is NULL or a text; `options` NULL or a struct of its `struct_size`; `selector` NULL or writable; `error_text`
/// NULL or of `error_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_open(
    bundle_folder: *const c_char,
    options: *const trtsel_options,
    selector: *mut *mut trtsel_selector,
    error_text: *mut c_char,
    error_bytes: usize,
) -> trtsel_status {
    let work = || {
        let selector = wanted(selector, NO_OUTPUT)?;
        // SAFETY: the caller's promise.
        let folder = unsafe { path(bundle_folder)? };
        let options = if options.is_null() {
            // SAFETY: zeros are a value of the options, and the defaults.
            unsafe { std::mem::zeroed::<trtsel_options>() }
        } else {
            // SAFETY: the caller's promise.
            unsafe { sized::read(options)? }
        };
        let options = options.understand()?;
        let open = || -> Result<trtsel_selector, Error> {
            let bundle = Bundle::read(&folder)?;
            let (mut opened, choice) = Selector::open(&bundle, &options.config)?;
            ::log::info!("{}", choice.reason);
            opened.set_deadline(options.deadline);
            let info = Info::new(&bundle, &opened, &choice);
            Ok(trtsel_selector {
                guarded: Guarded::new(SelectorState {
                    selector: opened,
                    flight: None,
                    last: None,
                    deadline_ns: deadline_or_none(options.deadline),
                }),
                info,
                statistics: Statistics::new(),
                sink: options.sink,
                stream: options.stream,
            })
        };
        let opened = match options.sink {
            None => open()?,
            Some(sink) => log::with(sink, open)?,
        };
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { selector.write(boundary::give(opened)) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::open(error_text, error_bytes, work) }
}

fn deadline_or_none(deadline: Option<Duration>) -> u64 {
    deadline.map_or(u64::MAX, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX))
}

/// Closes a selector: waits for what is under way and frees everything. NULL is taken. `TRTSEL_BUSY` where a call is inside:
/// then nothing is freed. After `TRTSEL_OK` the handle is gone.
///
/// # Safety
/// `selector` is NULL or open, and no other thread will use it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_close(selector: *mut trtsel_selector) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::close(selector) }
}

/// The text of the last failure of a call that takes the selector without `const`; empty before the first. Never NULL. Valid
/// until the next such call. One call at a time, but also on a poisoned selector; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_error(selector: *mut trtsel_selector) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { boundary::error(selector) }
}

/// Runs the features and every candidate once on a frame, so that all memory that depends on its size is taken. No result, and
/// nothing is counted. One call at a time; allocates.
///
/// # Safety
/// `selector` is NULL or open, `frame` NULL or a frame as `trtsel_frame` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_warm_up(
    selector: *mut trtsel_selector,
    frame: *const trtsel_frame,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        trtsel_selector::enter(selector, |this, state| {
            let input = input(frame, this.stream)?;
            this.begun(state)?;
            state.selector.warm_up(input)?;
            Ok(TRTSEL_OK)
        })
    }
}

/// Starts on a frame: computes the features that the premodel reads (with TensorRT: enqueues them), runs no network. The frame
/// stays as it is until the result is there or the input is cancelled: see `trtsel_frame`.
///
/// `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_INPUT`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_UNSUPPORTED`, `TRTSEL_ENGINE`. One call
/// at a time. Allocates nothing, unless the frame is larger than any before.
///
/// # Safety
/// As `trtsel_selector_warm_up`; the frame's planes live as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_submit(
    selector: *mut trtsel_selector,
    frame: *const trtsel_frame,
) -> trtsel_status {
    // SAFETY: the caller's promise; he keeps the planes until the input is done.
    unsafe { trtsel_selector::enter(selector, |this, state| this.submit(state, input(frame, this.stream)?)) }
}

/// `trtsel_selector_submit` for a bundle whose input is a tensor: its elements in the network's order. `TRTSEL_INPUT` where the premodel
/// reads image features. (A wrong `count` shows in the poll.)
///
/// # Safety
/// `selector` is NULL or open; `values` NULL or `count` floats that live as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_submit_tensor(
    selector: *mut trtsel_selector,
    values: *const f32,
    count: usize,
) -> trtsel_status {
    // SAFETY: the caller's promise; he keeps the floats until the input is done.
    unsafe { trtsel_selector::enter(selector, |this, state| this.submit(state, tensor(values, count)?)) }
}

/// Takes the next decisions whose signals are there, and starts what they ask for. `TRTSEL_OK`: the result is written, and nothing is in
/// flight. `TRTSEL_PENDING`: something is at work on the device; nothing was waited for. (Engines on the CPU run inside this call.)
///
/// A candidate that fails does not fail the input: the most capable one that works answers. `TRTSEL_ENGINE` where none does,
/// `TRTSEL_DEADLINE`, `TRTSEL_INPUT`; then nothing is in flight either. `TRTSEL_WRONG_STATE` where nothing was. One call at a time;
/// allocates nothing.
///
/// # Safety
/// `selector` is NULL or open, `result` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_poll(
    selector: *mut trtsel_selector,
    result: *mut trtsel_result,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, |this, state| this.poll(state, Output::new(result)?)) }
}

/// Polls until the result is there or `timeout_ns` nanoseconds are over: then `TRTSEL_PENDING`, and the input stays in flight. It polls
/// without sleeping. Else as `trtsel_selector_poll`.
///
/// # Safety
/// As `trtsel_selector_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_wait(
    selector: *mut trtsel_selector,
    timeout_ns: u64,
    result: *mut trtsel_result,
) -> trtsel_status {
    let work = |this: &trtsel_selector, state: &mut SelectorState| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(result)? };
        let started = Instant::now();
        loop {
            match this.poll(state, output)? {
                TRTSEL_PENDING if started.elapsed() < Duration::from_nanos(timeout_ns) => std::hint::spin_loop(),
                status => return Ok(status),
            }
        }
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}

/// Submits a frame and waits. Errors and memory as `trtsel_selector_submit` and `trtsel_selector_poll`. One call at a time.
///
/// # Safety
/// As `trtsel_selector_submit` and `trtsel_selector_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_infer(
    selector: *mut trtsel_selector,
    frame: *const trtsel_frame,
    result: *mut trtsel_result,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        trtsel_selector::enter(selector, |this, state| {
            this.infer(state, &input(frame, this.stream)?, Output::new(result)?)
        })
    }
}

/// `trtsel_selector_infer` for a bundle whose input is a tensor.
///
/// # Safety
/// As `trtsel_selector_submit_tensor` and `trtsel_selector_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_infer_tensor(
    selector: *mut trtsel_selector,
    values: *const f32,
    count: usize,
    result: *mut trtsel_result,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        trtsel_selector::enter(selector, |this, state| this.infer(state, &tensor(values, count)?, Output::new(result)?))
    }
}

/// Gives up the input in flight, if there is one, and waits until nothing reads its frame any more. One call at a time; allocates
/// nothing.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_cancel(selector: *mut trtsel_selector) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, |this, state| this.cancel(state).map(|()| TRTSEL_OK)) }
}

/// Back to how it was after open: `trtsel_selector_cancel`, no last result, own signals not set, all counts 0. The deadline stays. One call
/// at a time; allocates nothing.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_reset(selector: *mut trtsel_selector) -> trtsel_status {
    let work = |this: &trtsel_selector, state: &mut SelectorState| {
        let waited = this.cancel(state);
        state.last = None;
        let mut number = 0;
        while let Some(slot) = state.selector.slot_of_number(number) {
            state.selector.set_signal(slot, f32::NAN);
            number += 1;
        }
        this.statistics.reset();
        waited.map(|()| TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}

/// Sets how long an input may take from its submit on, in nanoseconds, from the next input on; 0: no limit.
///
/// Past its deadline no further candidate is started, and none that works on a device is waited for: of the candidates that ran the most
/// capable one answers, and the result has `TRTSEL_LATE`. Where none ran, the input ends with `TRTSEL_DEADLINE`. The clock is read
/// between candidates and in each poll: a network that runs on the CPU is not interrupted. One call at a time; allocates nothing.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_set_deadline(
    selector: *mut trtsel_selector,
    deadline_ns: u64,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        let deadline = deadline(deadline_ns);
        state.selector.set_deadline(deadline);
        state.deadline_ns = deadline_or_none(deadline);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}

/// Sets one of the caller's own signals, by the slot that `trtsel_selector_signal_slot` gave. It stays until it is set again; before the
/// first time it is NaN, which takes the else branch of every test. `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time;
/// allocates nothing.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_set_signal(
    selector: *mut trtsel_selector,
    slot: u32,
    value: f32,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        let Some(slot) = state.selector.slot_of_number(slot) else {
            return Err(Fail::new(TRTSEL_NOT_FOUND, "signal: expected a slot of the premodel's, got another number"));
        };
        state.selector.set_signal(slot, value);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}

/// Takes another premodel of the same candidates, from a `premodel.json`, without a restart: networks, their memory, the deadline, own
/// signals with their slots and values, and all counts stay. There is no last result after it. On a failure nothing has changed.
///
/// `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_IO`, `TRTSEL_PREMODEL`. One call at a time; allocates and reads the file.
///
/// # Safety
/// `selector` is NULL or open, `premodel_file` NULL or a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_reload(
    selector: *mut trtsel_selector,
    premodel_file: *const c_char,
) -> trtsel_status {
    let work = |this: &trtsel_selector, state: &mut SelectorState| {
        // SAFETY: the caller's promise.
        let file = unsafe { path(premodel_file)? };
        this.reload(state, |selector| selector.reload(read_premodel(&file)?))
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}

/// `trtsel_selector_reload` with the premodel of a bundle that is read again. `TRTSEL_BUNDLE` where it names other networks than were
/// opened, or their files were changed since; labels are not read anew.
///
/// # Safety
/// `selector` is NULL or open, `bundle_folder` NULL or a text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_reload_bundle(
    selector: *mut trtsel_selector,
    bundle_folder: *const c_char,
) -> trtsel_status {
    let work = |this: &trtsel_selector, state: &mut SelectorState| {
        // SAFETY: the caller's promise.
        let folder = unsafe { path(bundle_folder)? };
        this.reload(state, |selector| selector.reload_bundle(&Bundle::read(&folder)?))
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}
