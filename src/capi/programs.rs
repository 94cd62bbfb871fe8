//! Calls that say which of a premodel's programs decides, for selectors and deciders, and that describe the programs.
//!
//! Prices are in reward per millisecond: what a gain of one millisecond must be worth.

use trt_select_premodel::{CandidateId, Control, ControlError};

use super::boundary::{self, Called, put};
use super::decider::{DeciderState, NO_SUCH_CANDIDATE, trtsel_decider};
use super::info::trtsel_program;
use super::selector::{SelectorState, trtsel_selector};
use super::sized::Output;
use super::status::{Fail, TRTSEL_INVALID_ARGUMENT, TRTSEL_NOT_FOUND, TRTSEL_OK, TRTSEL_PREMODEL, trtsel_status};

const NO_PROGRAM: Fail = Fail::new(
    TRTSEL_NOT_FOUND,
    "program: expected one of the premodel's, got another number; ask for their number first",
);

/// The failure of what a control refused, without allocating a text.
fn refused(error: ControlError) -> Fail {
    match error {
        ControlError::Price(_) => {
            Fail::new(TRTSEL_INVALID_ARGUMENT, "price: expected a finite number of at least 0, got another; name one")
        }
        ControlError::Program(..) => NO_PROGRAM,
        ControlError::Candidate(..) => NO_SUCH_CANDIDATE,
        ControlError::Multiplier(_) => Fail::new(
            TRTSEL_INVALID_ARGUMENT,
            "cost multiplier: expected a finite number of at least 0, got another; name one, where 1 is the cost that was measured",
        ),
        _ => Fail::new(
            TRTSEL_PREMODEL,
            "price: expected a premodel whose programs say what to expect of them, got one without; train it anew",
        ),
    }
}

fn set_price(control: &mut Control, price: f64) -> Called {
    control.set_price(price).map_err(refused)?;
    Ok(TRTSEL_OK)
}

fn set_program(control: &mut Control, program: u32) -> Called {
    control.set_program(program as usize).map_err(refused)?;
    Ok(TRTSEL_OK)
}

fn set_cost_multiplier(control: &mut Control, candidate: u32, multiplier: f64) -> Called {
    // No premodel has as many candidates as this number, so that it is refused like every other that is too large.
    let candidate = CandidateId(u8::try_from(candidate).unwrap_or(u8::MAX));
    control.set_cost_multiplier(candidate, multiplier).map_err(refused)?;
    Ok(TRTSEL_OK)
}

/// Writes the number of programs of the premodel in use; they are numbered from 0. Any thread, at any time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `count` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_program_count(
    selector: *const trtsel_selector,
    count: *mut u32,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::look(selector, |s| put(count, || Ok(s.info.of_premodel().programs.len() as u32))) }
}

/// Writes what is known of a program of the premodel in use. `TRTSEL_NOT_FOUND` where there is no program of this number. Any
/// thread, at any time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `info` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_program_info(
    selector: *const trtsel_selector,
    program: u32,
    info: *mut trtsel_program,
) -> trtsel_status {
    let work = |selector: &trtsel_selector| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(info)? };
        let premodel = selector.info.of_premodel();
        output.write(premodel.programs.get(program as usize).ok_or(NO_PROGRAM)?);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::look(selector, work) }
}

/// Lets the best program at this price decide from the next submit on. The price is in reward per millisecond. The best program
/// has the largest expected reward less price times cost, where the cost follows `trtsel_selector_set_cost_multiplier`; of
/// several, it is the cheapest. An input in flight keeps its program.
///
/// `TRTSEL_INVALID_ARGUMENT` where the price is not finite or below 0; `TRTSEL_PREMODEL` where no program says what to expect of
/// it. One call at a time; takes a few nanoseconds, and does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_set_price(selector: *mut trtsel_selector, price: f64) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| set_price(state.selector.control_mut(), price);
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Lets the program of this number decide from the next submit on, whatever it costs. `TRTSEL_NOT_FOUND` where there is no such
/// program. An input in flight keeps its program. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_set_program(selector: *mut trtsel_selector, program: u32) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| set_program(state.selector.control_mut(), program);
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Says that one run of a candidate now costs this many times what it cost when the premodel was made, for example 2 where its
/// server has become half as fast. After `trtsel_selector_set_price` the best program at that price and these costs decides from
/// the next submit on; after `trtsel_selector_set_program` that program; else the best at the price that the chosen program was
/// trained for, and where it has none the chosen program.
///
/// `TRTSEL_NOT_FOUND` where there is no such candidate; `TRTSEL_INVALID_ARGUMENT` where the multiplier is not finite or below 0.
/// One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_set_cost_multiplier(
    selector: *mut trtsel_selector,
    candidate: u32,
    multiplier: f64,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        set_cost_multiplier(state.selector.control_mut(), candidate, multiplier)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Forgets prices, programs and cost multipliers that were set: from the next submit on the premodel's own choice decides. One
/// call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_reset_control(selector: *mut trtsel_selector) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        state.selector.reset_control();
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Writes the number of the program that decides from the next submit on. Where a mix of two programs decides, it is the one that
/// decided last; `program` of a result says which one decided. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `program` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_current_program(
    selector: *mut trtsel_selector,
    program: *mut u32,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        // SAFETY: the caller's promise.
        unsafe { put(program, || Ok(state.selector.current_program() as u32)) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Writes the number of programs of the premodel; they are numbered from 0. Any thread, at any time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open, `count` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_program_count(
    decider: *const trtsel_decider,
    count: *mut u32,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::look(decider, |d| put(count, || Ok(d.premodel.programs().len() as u32))) }
}

/// Like `trtsel_selector_program_info`, for a decider.
///
/// # Safety
/// `decider` is NULL or open, `info` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_program_info(
    decider: *const trtsel_decider,
    program: u32,
    info: *mut trtsel_program,
) -> trtsel_status {
    let work = |decider: &trtsel_decider| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(info)? };
        output.write(&decider.premodel.program_at(program as usize).ok_or(NO_PROGRAM)?.into());
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::look(decider, work) }
}

/// Like `trtsel_selector_set_price`, for a decider: it applies from the next begin on.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_set_price(decider: *mut trtsel_decider, price: f64) -> trtsel_status {
    let work = |_: &trtsel_decider, state: &mut DeciderState| set_price(&mut state.control, price);
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Like `trtsel_selector_set_program`, for a decider: it applies from the next begin on.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_set_program(decider: *mut trtsel_decider, program: u32) -> trtsel_status {
    let work = |_: &trtsel_decider, state: &mut DeciderState| set_program(&mut state.control, program);
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Like `trtsel_selector_set_cost_multiplier`, for a decider: it applies from the next begin on.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_set_cost_multiplier(
    decider: *mut trtsel_decider,
    candidate: u32,
    multiplier: f64,
) -> trtsel_status {
    let work =
        |_: &trtsel_decider, state: &mut DeciderState| set_cost_multiplier(&mut state.control, candidate, multiplier);
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}

/// Like `trtsel_selector_reset_control`, for a decider: it applies from the next begin on.
///
/// # Safety
/// `decider` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_reset_control(decider: *mut trtsel_decider) -> trtsel_status {
    let work = |_: &trtsel_decider, state: &mut DeciderState| {
        state.control.reset();
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}
