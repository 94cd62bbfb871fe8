//! What a decider's premodel is made of: the calls that ask it.

use std::ffi::c_char;

use trt_select_premodel::Mask;

use super::boundary::{NO_OUTPUT, wanted};
use super::decider::{DeciderState, NO_SLOT, NO_SUCH_CANDIDATE, trtsel_decider};
use super::info::give_name;
use super::options::name;
use super::outcome::give_text;
use super::status::{Fail, TRTSEL_NOT_FOUND, TRTSEL_OK, trtsel_status};

/// The name of a candidate; `TRTSEL_NOT_FOUND` past the last. It lives until the decider is closed. Any thread, at any time; does not
/// allocate.
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
    unsafe { trtsel_decider::look(decider, |d| give_name(d.candidates.get(candidate as usize), name)) }
}

/// The name of a signal that the premodel knows, by its slot: `feature.X`, `signal.X`, `CANDIDATE.top1`, `agree.A.B`, …;
/// `TRTSEL_NOT_FOUND` past the last. It lives until the decider is closed. Any thread, at any time; does not allocate.
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
    unsafe { trtsel_decider::look(decider, |d| give_name(d.signals.get(slot as usize), name)) }
}

/// The slot of a signal, by its whole name (see `trtsel_decider_signal_name`); `TRTSEL_NOT_FOUND` where the premodel has none of that name.
/// Any thread, at any time; does not allocate.
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
        let slot = wanted(slot, NO_OUTPUT)?;
        // SAFETY: the caller's promise.
        let wanted = unsafe { name(signal)? };
        let at = decider.signals.iter().position(|name| name.as_bytes() == wanted.as_bytes()).ok_or(NO_SLOT)?;
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { slot.write(at as u32) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::look(decider, work) }
}

/// The temperature at which a candidate's probabilities go into averages: 1 where the premodel has none. `TRTSEL_NOT_FOUND` past the last
/// candidate. Any thread, at any time; does not allocate.
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
        let to = wanted(temperature, NO_OUTPUT)?;
        let candidate = decider.candidate(candidate)?;
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { to.write(decider.premodel.temperature(candidate)) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::look(decider, work) }
}

/// The weight of a candidate in the average of the candidates of `mask` (bit k is candidate k). `TRTSEL_NOT_FOUND` where the candidate is
/// not in it, or the premodel has no such candidates. Any thread, at any time; does not allocate.
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
        let to = wanted(weight, NO_OUTPUT)?;
        let candidate = decider.candidate(candidate)?;
        if mask >> decider.candidates.len() != 0 {
            return Err(NO_SUCH_CANDIDATE);
        }
        let mask = Mask(mask as u16);
        let (_, found, _) = decider.premodel.members(mask).find(|&(c, ..)| c == candidate).ok_or(NO_SUCH_CANDIDATE)?;
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { to.write(found) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::look(decider, work) }
}

/// Why the program came to a node (`node` of a decision), in words. One call at a time; allocates.
///
/// # Safety
/// `decider` is NULL or open; `text` NULL or of `text_bytes`; `needed_bytes` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_decider_why(
    decider: *mut trtsel_decider,
    node: u32,
    text: *mut c_char,
    text_bytes: usize,
    needed_bytes: *mut usize,
) -> trtsel_status {
    let work = |this: &trtsel_decider, _: &mut DeciderState| {
        if node as usize >= this.premodel.program().nodes().len() {
            return Err(Fail::new(TRTSEL_NOT_FOUND, "node: expected one of the program's, got another number"));
        }
        // SAFETY: the caller's promise.
        unsafe { give_text(&this.premodel.why(node as usize), text, text_bytes, needed_bytes) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_decider::enter(decider, work) }
}
