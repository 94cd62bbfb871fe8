//! Calls that ask a decider what its premodel is made of.

use std::ffi::c_char;

use trt_select_premodel::Mask;

use super::boundary::{self, put};
use super::decider::{DeciderState, NO_SLOT, NO_SUCH_CANDIDATE, trtsel_decider};
use super::info::give_name;
use super::options::name;
use super::outcome::give_why;
use super::status::trtsel_status;

/// Writes the address of a candidate's name, which lives until the decider is closed; `TRTSEL_NOT_FOUND` where there is no
/// candidate of this number. Any thread, at any time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open, `name` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_candidate_name(
    decider: *const trtsel_decider,
    candidate: u32,
    name: *mut *const c_char,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::look(decider, |d| give_name(d.candidates.get(candidate as usize), name)) }
}

/// Writes the address of the name of the premodel's signal in this slot: `feature.X`, `signal.X`, `CANDIDATE.top1`, `agree.A.B`,
/// …. It lives until the decider is closed; `TRTSEL_NOT_FOUND` where there is no such slot. Any thread, at any time; does not
/// allocate.
///
/// # Safety
/// `decider` is NULL or open, `name` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_signal_name(
    decider: *const trtsel_decider,
    slot: u32,
    name: *mut *const c_char,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::look(decider, |d| give_name(d.signals.get(slot as usize), name)) }
}

/// Writes the slot of the signal with this whole name (see `trtsel_decider_signal_name`); `TRTSEL_NOT_FOUND` where the premodel
/// has no such signal. Any thread, at any time; does not allocate.
///
/// # Safety
/// `decider` is NULL or open, `signal` NULL or a text, `slot` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_signal_slot(
    decider: *const trtsel_decider,
    signal: *const c_char,
    slot: *mut u32,
) -> trtsel_status {
    let work = |decider: &trtsel_decider| {
        let at = || {
            // SAFETY: the caller's promise.
            let wanted = unsafe { name(signal)? };
            let at = decider.signals.iter().position(|name| name.as_bytes() == wanted.as_bytes());
            at.map(|at| at as u32).ok_or(NO_SLOT)
        };
        // SAFETY: the caller's promise.
        unsafe { put(slot, at) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::look(decider, work) }
}

/// Writes the temperature that the premodel applies to a candidate's probabilities before it averages them; 1 where the premodel
/// has no temperatures. `TRTSEL_NOT_FOUND` where there is no candidate of this number. Any thread, at any time; does not
/// allocate.
///
/// # Safety
/// `decider` is NULL or open, `temperature` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_temperature(
    decider: *const trtsel_decider,
    candidate: u32,
    temperature: *mut f32,
) -> trtsel_status {
    let work = |decider: &trtsel_decider| {
        // SAFETY: the caller's promise.
        unsafe { put(temperature, || Ok(decider.premodel.temperature(decider.candidate(candidate)?))) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::look(decider, work) }
}

/// Writes the weight of a candidate in the average of the candidates in `mask` (bit k stands for candidate k). `TRTSEL_NOT_FOUND`
/// where the candidate is not in `mask`, or `mask` has a candidate that the premodel does not have. Any thread, at any time; does
/// not allocate.
///
/// # Safety
/// `decider` is NULL or open, `weight` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_weight(
    decider: *const trtsel_decider,
    mask: u32,
    candidate: u32,
    weight: *mut f32,
) -> trtsel_status {
    let work = |decider: &trtsel_decider| {
        let found = || {
            let candidate = decider.candidate(candidate)?;
            if mask >> decider.candidates.len() != 0 {
                return Err(NO_SUCH_CANDIDATE);
            }
            let mut members = decider.premodel.members(Mask(mask as u16));
            members.find(|&(c, ..)| c == candidate).map(|(_, weight, _)| weight).ok_or(NO_SUCH_CANDIDATE)
        };
        // SAFETY: the caller's promise.
        unsafe { put(weight, found) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::look(decider, work) }
}

/// Writes in words which tests and runs lead the program that decides on the current input to a node (`node` of a decision).
/// `TRTSEL_NOT_FOUND` where the program has no such node. One call at a time; allocates.
///
/// # Safety
/// `decider` is NULL or open; `text` NULL or a buffer of `text_bytes` bytes; `needed_bytes` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_why(
    decider: *mut trtsel_decider,
    node: u32,
    text: *mut c_char,
    text_bytes: usize,
    needed_bytes: *mut usize,
) -> trtsel_status {
    let work = |this: &trtsel_decider, state: &mut DeciderState| {
        // SAFETY: the caller's promise.
        unsafe { give_why(&this.premodel, state.program, node, text, text_bytes, needed_bytes) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(decider, work) }
}
