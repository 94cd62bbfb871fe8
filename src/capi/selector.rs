//! The selector: calls that open and close it, run inputs, and set its deadline, signals and premodel.

use std::ffi::c_char;
use std::path::Path;
use std::time::{Duration, Instant};

use super::boundary::{self, Called, Guarded, Handle};
use super::frame::{input, tensor, trtsel_frame};
use super::info::Info;
use super::log::{self, Sink};
use super::options::{Options, deadline, path, trtsel_options};
use super::result::trtsel_result;
use super::sized::{self, Output};
use super::statistics::Statistics;
use super::status::{Fail, TRTSEL_NOT_FOUND, TRTSEL_OK, TRTSEL_PENDING, TRTSEL_WRONG_STATE, trtsel_status};
use crate::bundle::Bundle;
use crate::error::{Error, ErrorKind};
use crate::input::Input;
use crate::selector::{Outcome, Selector, read_premodel};

/// A selector: the candidates and the premodel of a bundle that was opened. At most one input is in flight at a time.
pub struct trtsel_selector {
    guarded: Guarded<SelectorState>,
    pub(super) info: Info,
    pub(super) statistics: Statistics,
    sink: Option<Sink>,
    stream: u64,
}

/// What one call at a time may change.
pub(super) struct SelectorState {
    pub(super) selector: Selector,
    /// The input in flight. It borrows memory that the caller keeps as long as the documentation of submit says.
    flight: Option<Input<'static>>,
    /// The last result, and whether its true class was fed back.
    pub(super) last: Option<(Outcome, bool)>,
}

impl Handle for trtsel_selector {
    type State = SelectorState;

    fn guarded(&self) -> &Guarded<SelectorState> {
        &self.guarded
    }

    fn sink(&self) -> Option<log::Sink> {
        self.sink
    }
}

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
    /// Discards the last result before a new input; fails where an input is in flight.
    fn prepare_input(&self, state: &mut SelectorState) -> Result<(), Fail> {
        if state.flight.is_some() {
            return Err(IN_FLIGHT);
        }
        state.last = None;
        Ok(())
    }

    fn submit(&self, state: &mut SelectorState, input: Input<'static>) -> Called {
        self.prepare_input(state)?;
        self.statistics.inputs.count();
        state.selector.begin(&input).map_err(|error| self.failed(error))?;
        state.flight = Some(input);
        Ok(TRTSEL_OK)
    }

    fn infer(&self, state: &mut SelectorState, input: &Input<'_>, output: Output<trtsel_result>) -> Called {
        self.prepare_input(state)?;
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

    /// Counts an input that has ended, and writes its result.
    fn done(
        &self,
        state: &mut SelectorState,
        outcome: Result<Outcome, Error>,
        output: Output<trtsel_result>,
    ) -> Called {
        match outcome {
            Ok(outcome) => {
                self.statistics.outcome(&outcome, state.selector.deadline());
                state.last = Some((outcome, false));
                output.write(&trtsel_result::from(&outcome));
                Ok(TRTSEL_OK)
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Counts an input that has ended with an error.
    fn failed(&self, error: Error) -> Fail {
        self.statistics.failed.count();
        if error.kind() == ErrorKind::Deadline {
            self.statistics.deadline_misses.count();
        }
        error.into()
    }

    fn reload(&self, state: &mut SelectorState, reload: impl FnOnce(&mut Selector) -> Result<(), Error>) -> Called {
        if state.flight.is_some() {
            return Err(IN_FLIGHT);
        }
        reload(&mut state.selector)?;
        // The last result's probabilities and its node belong to the premodel that was replaced.
        state.last = None;
        self.info.update(&state.selector);
        Ok(TRTSEL_OK)
    }

    /// Waits until nothing reads the frame of the input in flight, and then drops that input, even if the wait failed.
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

/// Opens a bundle: its engine, networks and premodel. NULL for `options` means the defaults. On success `*selector` is the new
/// handle. On failure one line that says why is written to `error_text`, a buffer of `error_bytes` bytes, which may be NULL.
///
/// Errors: `TRTSEL_IO`, `TRTSEL_BUNDLE`, `TRTSEL_PREMODEL`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_STRUCT_SIZE`,
/// `TRTSEL_UNSUPPORTED`, `TRTSEL_ENGINE`, and the statuses from `TRTSEL_LIBRARY_MISSING` on, which say what is wrong with the
/// engine's library, the driver, the device, a plan or a model. Any thread; allocates, reads files, and may take seconds.
///
/// # Safety
/// `bundle_folder` is NULL or a text; `options` NULL or a struct of its `struct_size`; `selector` NULL or writable; `error_text`
/// NULL or a buffer of `error_bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_open(
    bundle_folder: *const c_char,
    options: *const trtsel_options,
    selector: *mut *mut trtsel_selector,
    error_text: *mut c_char,
    error_bytes: usize,
) -> trtsel_status {
    let opened = || {
        // SAFETY: the caller's promise.
        let folder = unsafe { path(bundle_folder)? };
        let options = if options.is_null() {
            // SAFETY: zeros are a value of the options; they mean the defaults.
            unsafe { std::mem::zeroed::<trtsel_options>() }
        } else {
            // SAFETY: the caller's promise.
            unsafe { sized::read(options)? }
        };
        let options = options.understand()?;
        Ok(boundary::give(log::with(options.sink, || open(&folder, &options))?))
    };
    // SAFETY: the caller's promise.
    let work = || unsafe { boundary::put(selector, opened) };
    // SAFETY: the caller's promise.
    unsafe { boundary::open(error_text, error_bytes, work) }
}

/// Opens a bundle, in Rust's terms.
fn open(folder: &Path, options: &Options) -> Result<trtsel_selector, Error> {
    let bundle = Bundle::read(folder)?;
    let (mut selector, choice) = Selector::open(&bundle, &options.config)?;
    ::log::info!("{}", choice.reason);
    selector.set_deadline(options.deadline);
    let info = Info::new(&bundle, &selector, &choice);
    Ok(trtsel_selector {
        guarded: Guarded::new(SelectorState { selector, flight: None, last: None }),
        info,
        statistics: Statistics::new(),
        sink: options.sink,
        stream: options.stream,
    })
}

/// Closes a selector: waits until the device has finished its work, and frees everything; NULL does nothing. Returns
/// `TRTSEL_BUSY`, and frees nothing, while another call on the selector is running. After `TRTSEL_OK` the handle no longer
/// exists.
///
/// # Safety
/// `selector` is NULL or open, and no other thread will use it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_close(selector: *mut trtsel_selector) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::close(selector) }
}

/// The text of the last failure of a call that takes the selector without `const`; empty before the first one, and never NULL. It
/// is valid until the next such call. One call at a time; works on a poisoned selector too; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_error(selector: *mut trtsel_selector) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { boundary::error(selector) }
}

/// Computes the features and runs every candidate once on a frame, so that all memory that depends on the frame's size is
/// allocated. There is no result, the last one is discarded, and the statistics do not count the frame. Errors as for
/// `trtsel_selector_submit`. One call at a time; allocates.
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
        boundary::enter(selector, |this, state| {
            let input = input(frame, this.stream)?;
            this.prepare_input(state)?;
            state.selector.warm_up(input)?;
            Ok(TRTSEL_OK)
        })
    }
}

/// Begins an input that is a frame: computes the features that the premodel reads (with TensorRT: enqueues their computation). No
/// network runs yet. The frame must stay unchanged until the result is there or the input is cancelled: see `trtsel_frame`.
///
/// Errors: `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_INPUT`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_UNSUPPORTED`,
/// `TRTSEL_ENGINE` or another status of the engine. One call at a time; allocates only where the frame is larger than every frame
/// before.
///
/// # Safety
/// As for `trtsel_selector_warm_up`; the frame's planes live as long as `trtsel_frame` says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_submit(
    selector: *mut trtsel_selector,
    frame: *const trtsel_frame,
) -> trtsel_status {
    // SAFETY: the caller's promise, which includes keeping the planes until the input is done.
    unsafe { boundary::enter(selector, |this, state| this.submit(state, input(frame, this.stream)?)) }
}

/// Like `trtsel_selector_submit`, for a bundle whose input is a tensor: `values` holds its elements in the network's order, and
/// must stay unchanged until the result is there or the input is cancelled. `TRTSEL_INPUT` where the premodel reads image
/// features. (A wrong `count` is found only by the poll, which then fails.)
///
/// # Safety
/// `selector` is NULL or open; `values` NULL or an array of `count` floats that lives until the input is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_submit_tensor(
    selector: *mut trtsel_selector,
    values: *const f32,
    count: usize,
) -> trtsel_status {
    // SAFETY: the caller's promise, which includes keeping the floats until the input is done.
    unsafe { boundary::enter(selector, |this, state| this.submit(state, tensor(values, count)?)) }
}

/// Walks the program as far as it can without waiting for the device, and starts the candidates that the program asks for.
/// (Engines on the CPU run their networks within this call.) `TRTSEL_OK` says that the result is written and no input is in
/// flight any more; `TRTSEL_PENDING` says that the device is still at work.
///
/// A candidate that fails does not make the input fail, since the most capable candidate that works answers in its place. Errors:
/// `TRTSEL_ENGINE` or another status of the engine where no candidate works, `TRTSEL_DEADLINE`, `TRTSEL_INPUT`; after these no
/// input is in flight either. `TRTSEL_WRONG_STATE` where no input was in flight. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `result` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_poll(
    selector: *mut trtsel_selector,
    result: *mut trtsel_result,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, |this, state| this.poll(state, Output::new(result)?)) }
}

/// Polls without sleeping until the result is there, or until `timeout_ns` nanoseconds have passed; then it returns
/// `TRTSEL_PENDING`, and the input stays in flight. In all else like `trtsel_selector_poll`.
///
/// # Safety
/// As for `trtsel_selector_poll`.
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
    unsafe { boundary::enter(selector, work) }
}

/// Submits a frame and waits for its result. Errors and allocations are those of `trtsel_selector_submit` and
/// `trtsel_selector_poll`. One call at a time.
///
/// # Safety
/// As for `trtsel_selector_submit` and `trtsel_selector_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_infer(
    selector: *mut trtsel_selector,
    frame: *const trtsel_frame,
    result: *mut trtsel_result,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        boundary::enter(selector, |this, state| this.infer(state, &input(frame, this.stream)?, Output::new(result)?))
    }
}

/// Like `trtsel_selector_infer`, for a bundle whose input is a tensor.
///
/// # Safety
/// As for `trtsel_selector_submit_tensor` and `trtsel_selector_poll`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_infer_tensor(
    selector: *mut trtsel_selector,
    values: *const f32,
    count: usize,
    result: *mut trtsel_result,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, |this, state| this.infer(state, &tensor(values, count)?, Output::new(result)?)) }
}

/// Gives up the input in flight, if there is one, and waits until nothing reads its frame any more. One call at a time; does not
/// allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_cancel(selector: *mut trtsel_selector) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, |this, state| this.cancel(state).map(|()| TRTSEL_OK)) }
}

/// Puts the selector back into the state that it had after open: cancels the input in flight, discards the last result, unsets
/// the caller's own signals, forgets prices, programs and cost multipliers, and sets all counts to 0. The deadline and the
/// premodel in use stay. One call at a time; does not
/// allocate.
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
        state.selector.reset_control();
        this.statistics.reset();
        waited.map(|()| TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Sets how long an input may take from its submit on, in nanoseconds; 0 sets no limit. The new limit applies from the next input
/// on.
///
/// Once an input's deadline has passed, no further candidate is started, and no candidate that is running on a device is waited
/// for. The most capable candidate that has run answers, and the result has `TRTSEL_LATE`; where none has run, the input ends
/// with `TRTSEL_DEADLINE`. The deadline is checked between candidates and in each poll, so a network that runs on the CPU is not
/// interrupted. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_set_deadline(
    selector: *mut trtsel_selector,
    deadline_ns: u64,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        state.selector.set_deadline(deadline(deadline_ns));
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Sets one of the caller's own signals, by the slot that `trtsel_selector_signal_slot` gives. The value stays until it is set
/// again or the selector is reset. A signal that is not set is NaN, for which every test takes its else branch.
/// `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; does not allocate.
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
    unsafe { boundary::enter(selector, work) }
}

/// Replaces the premodel by that of a `premodel.json` for the same candidates, while the selector stays open: the networks, their
/// memory, the deadline, the caller's own signals with their slots and values, and all counts stay. So do a price and the cost
/// multipliers; a program that was set by its number does not. The last result is discarded. If the call fails, nothing has
/// changed.
///
/// Errors: `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_IO`, `TRTSEL_PREMODEL`. One call at a time; allocates, and
/// reads the file.
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
    unsafe { boundary::enter(selector, work) }
}

/// Like `trtsel_selector_reload`, with the premodel that a bundle names. `TRTSEL_BUNDLE` where the bundle names other networks
/// than those that were opened, or where the networks' files were changed since. Labels stay those that were read at open.
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
    unsafe { boundary::enter(selector, work) }
}
