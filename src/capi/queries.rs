//! What a selector is made of and what it has done: the calls that ask it.

use std::ffi::c_char;

use trt_select_engines::registry::Kind;
use trt_select_premodel::CandidateId;

use super::boundary::{NO_OUTPUT, wanted};
use super::info::{NO_SUCH, TRTSEL_MEMORY_SHARED, TRTSEL_MEMORY_SUM, give_name, trtsel_info, trtsel_memory};
use super::options::{
    TRTSEL_ENGINE_AUTO, TRTSEL_ENGINE_NULL, TRTSEL_ENGINE_ORT, TRTSEL_ENGINE_TENSORRT, TRTSEL_ENGINE_TRACT, name,
};
use super::selector::{SelectorState, trtsel_selector};
use super::sized::Output;
use super::statistics::{trtsel_candidate_statistics, trtsel_statistics};
use super::status::{Fail, TRTSEL_NOT_FOUND, TRTSEL_OK, trtsel_status};

fn engine_number(kind: Kind) -> u32 {
    match kind {
        Kind::Tensorrt => TRTSEL_ENGINE_TENSORRT,
        Kind::Ort => TRTSEL_ENGINE_ORT,
        Kind::Tract => TRTSEL_ENGINE_TRACT,
        Kind::Null => TRTSEL_ENGINE_NULL,
        _ => TRTSEL_ENGINE_AUTO,
    }
}

/// Writes what the selector is made of. Any thread, at any time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `info` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_info(
    selector: *const trtsel_selector,
    info: *mut trtsel_info,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        trtsel_selector::look(selector, |selector| {
            let (from, of) = (&selector.info, selector.info.of_premodel());
            Output::new(info)?.write(&trtsel_info {
                struct_size: 0,
                engine: engine_number(from.engine),
                candidate_count: from.candidates.len() as u32,
                class_count: from.classes as u32,
                label_count: from.labels.len() as u32,
                signal_count: of.signals.len() as u32,
                reads_features: of.reads_features.into(),
                is_baked: of.is_baked.into(),
                engine_reason: from.reason.as_ptr(),
                device: from.device.as_ptr(),
                worst_case_ns: of.worst_case_ns,
            });
            Ok(TRTSEL_OK)
        })
    }
}

/// The name of a candidate; `TRTSEL_NOT_FOUND` past the last. It lives until the selector is closed. Any thread, at any time; does not
/// allocate.
///
/// # Safety
/// `selector` is NULL or open, `name` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_candidate_name(
    selector: *const trtsel_selector,
    candidate: u32,
    name: *mut *const c_char,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::look(selector, |s| give_name(s.info.candidates.get(candidate as usize), name)) }
}

/// The label of a class; `TRTSEL_NOT_FOUND` past the last, and where the bundle has no labels. It lives until the selector is closed. Any
/// thread, at any time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `label` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_label(
    selector: *const trtsel_selector,
    class_index: u32,
    label: *mut *const c_char,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::look(selector, |s| give_name(s.info.labels.get(class_index as usize), label)) }
}

/// The name of one of the caller's own signals, by its slot; `TRTSEL_NOT_FOUND` past the last. It lives until the selector is closed. Any
/// thread, at any time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `name` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_signal_name(
    selector: *const trtsel_selector,
    slot: u32,
    name: *mut *const c_char,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::look(selector, |s| give_name(s.info.of_premodel().signals.get(slot as usize), name)) }
}

/// The slot of one of the caller's own signals, by its name without `signal.`; `TRTSEL_NOT_FOUND` where the premodel has none of
/// that name. Any thread, at any time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `signal` NULL or a text, `slot` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_signal_slot(
    selector: *const trtsel_selector,
    signal: *const c_char,
    slot: *mut u32,
) -> trtsel_status {
    let work = |selector: &trtsel_selector| {
        let slot = wanted(slot, NO_OUTPUT)?;
        // SAFETY: the caller's promise.
        let wanted = unsafe { name(signal)? };
        let of = selector.info.of_premodel();
        let mut known = of.signals.iter().zip(&of.is_known);
        let at = known.position(|(name, is_known)| *is_known && name.as_bytes() == wanted.as_bytes());
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { slot.write(at.ok_or(NO_SUCH)? as u32) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::look(selector, work) }
}

/// Bytes that one candidate holds, or `TRTSEL_MEMORY_SHARED`, or `TRTSEL_MEMORY_SUM`. `TRTSEL_NOT_FOUND` for other numbers. What is not counted:
/// the driver's context and loaded code, the libraries' own host memory, the features' host workspace, what TensorRT takes past its
/// allocator. One call at a time; allocates nothing.
///
/// # Safety
/// `selector` is NULL or open, `memory` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_memory(
    selector: *mut trtsel_selector,
    candidate: u32,
    memory: *mut trtsel_memory,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(memory)? };
        let set = state.selector.set();
        let of = |at: usize| {
            let m = set.memory(CandidateId(at as u8));
            trtsel_memory {
                host_bytes: m.host_bytes,
                pinned_bytes: m.pinned_bytes,
                device_bytes: m.device_bytes,
                activation_bytes: m.activation_bytes,
                ..trtsel_memory::default()
            }
        };
        let count = set.as_slice().len();
        let all = || (0..count).map(of);
        let shared = || {
            let shared = set.shared_memory();
            let activation_bytes = all().map(|m| m.activation_bytes).max().unwrap_or(0);
            let device_bytes = shared.device_bytes + shared.library_bytes + activation_bytes;
            let pinned_bytes = shared.pinned_bytes;
            trtsel_memory { pinned_bytes, device_bytes, activation_bytes, ..trtsel_memory::default() }
        };
        let bytes = match candidate {
            TRTSEL_MEMORY_SHARED => shared(),
            TRTSEL_MEMORY_SUM => all().fold(shared(), |sum, m| trtsel_memory {
                host_bytes: sum.host_bytes + m.host_bytes,
                pinned_bytes: sum.pinned_bytes + m.pinned_bytes,
                device_bytes: sum.device_bytes + m.device_bytes,
                ..sum
            }),
            number if (number as usize) < count => of(number as usize),
            _ => return Err(NO_SUCH),
        };
        output.write(&bytes);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}

/// Writes what the selector has done so far. Each number is whole; while another thread infers, they may be of one input
/// more or less than each other. Any thread, at any time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `statistics` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_statistics(
    selector: *const trtsel_selector,
    statistics: *mut trtsel_statistics,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        trtsel_selector::look(selector, |selector| {
            let output = Output::new(statistics)?;
            output.write(&selector.statistics.snapshot());
            Ok(TRTSEL_OK)
        })
    }
}

/// Writes what one candidate has done so far, as `trtsel_selector_statistics`; `TRTSEL_NOT_FOUND` where there is none of that number.
/// Any thread, at any time; does not allocate.
///
/// # Safety
/// As `trtsel_selector_statistics`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_candidate_statistics(
    selector: *const trtsel_selector,
    candidate: u32,
    statistics: *mut trtsel_candidate_statistics,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        trtsel_selector::look(selector, |selector| {
            let output = Output::new(statistics)?;
            if candidate as usize >= selector.info.candidates.len() {
                return Err(Fail::new(TRTSEL_NOT_FOUND, "candidate: expected one of the bundle's, got another number"));
            }
            output.write(&selector.statistics.of_candidate(candidate as usize));
            Ok(TRTSEL_OK)
        })
    }
}

/// Sets all counts to 0. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_reset_statistics(selector: *mut trtsel_selector) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        trtsel_selector::enter(selector, |selector, _| {
            selector.statistics.reset();
            Ok(TRTSEL_OK)
        })
    }
}
