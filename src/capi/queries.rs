//! Calls that ask a selector what it is made of, and what it has done so far.

use std::ffi::c_char;

use trt_select_engines::registry::EngineKind;
use trt_select_premodel::CandidateId;

use super::boundary::{self, put};
use super::info::{NO_SUCH, TRTSEL_MEMORY_SHARED, TRTSEL_MEMORY_SUM, give_name, trtsel_info, trtsel_memory};
use super::options::{
    TRTSEL_ENGINE_AUTO, TRTSEL_ENGINE_NULL, TRTSEL_ENGINE_ORT, TRTSEL_ENGINE_TENSORRT, TRTSEL_ENGINE_TRACT, name,
};
use super::selector::{SelectorState, trtsel_selector};
use super::sized::Output;
use super::statistics::{trtsel_candidate_statistics, trtsel_statistics};
use super::status::{Fail, TRTSEL_NOT_FOUND, TRTSEL_OK, trtsel_status};
use crate::candidates::CandidateSet;

fn engine_number(kind: EngineKind) -> u32 {
    match kind {
        EngineKind::Tensorrt => TRTSEL_ENGINE_TENSORRT,
        EngineKind::Ort => TRTSEL_ENGINE_ORT,
        EngineKind::Tract => TRTSEL_ENGINE_TRACT,
        EngineKind::Null => TRTSEL_ENGINE_NULL,
        _ => TRTSEL_ENGINE_AUTO,
    }
}

/// Writes a description of the selector. Any thread, at any time; does not allocate.
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
        boundary::look(selector, |selector| {
            let known = &selector.info;
            let premodel = known.of_premodel();
            Output::new(info)?.write(&trtsel_info {
                struct_size: 0,
                engine: engine_number(known.engine),
                candidate_count: known.candidates.len() as u32,
                class_count: known.classes as u32,
                label_count: known.labels.len() as u32,
                signal_count: premodel.signals.len() as u32,
                reads_features: premodel.reads_features.into(),
                is_baked: premodel.is_baked.into(),
                engine_reason: known.reason.as_ptr(),
                device: known.device.as_ptr(),
                worst_case_ns: premodel.worst_case_ns,
            });
            Ok(TRTSEL_OK)
        })
    }
}

/// Writes the address of a candidate's name, which lives until the selector is closed; `TRTSEL_NOT_FOUND` where there is no
/// candidate of this number. Any thread, at any time; does not allocate.
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
    unsafe { boundary::look(selector, |s| give_name(s.info.candidates.get(candidate as usize), name)) }
}

/// Writes the address of a class's label, which lives until the selector is closed; `TRTSEL_NOT_FOUND` where there is no class of
/// this number, and where the bundle has no labels. Any thread, at any time; does not allocate.
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
    unsafe { boundary::look(selector, |s| give_name(s.info.labels.get(class_index as usize), label)) }
}

/// Writes the address of the name of one of the caller's own signals, without `signal.`. It lives until the selector is closed;
/// `TRTSEL_NOT_FOUND` where there is no such slot. Any thread, at any time; does not allocate.
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
    unsafe { boundary::look(selector, |s| give_name(s.info.of_premodel().signals.get(slot as usize), name)) }
}

/// Writes the slot of the caller's own signal with this name, without `signal.`; `TRTSEL_NOT_FOUND` where the premodel in use has
/// no such signal. Any thread, at any time; does not allocate.
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
        let at = || {
            // SAFETY: the caller's promise.
            let wanted = unsafe { name(signal)? };
            let premodel = selector.info.of_premodel();
            let mut signals = premodel.signals.iter().zip(&premodel.is_known);
            let at = signals.position(|(name, is_known)| *is_known && name.as_bytes() == wanted.as_bytes());
            at.map(|at| at as u32).ok_or(NO_SUCH)
        };
        // SAFETY: the caller's promise.
        unsafe { put(slot, at) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::look(selector, work) }
}

/// The memory that one candidate holds.
fn memory_of(set: &CandidateSet, candidate: usize) -> trtsel_memory {
    let memory = set.memory(CandidateId(candidate as u8));
    trtsel_memory {
        host_bytes: memory.host_bytes,
        pinned_bytes: memory.pinned_bytes,
        device_bytes: memory.device_bytes,
        activation_bytes: memory.activation_bytes,
        ..trtsel_memory::default()
    }
}

/// The memory that all candidates share, with one activation block as large as the largest candidate needs.
fn shared_memory(set: &CandidateSet) -> trtsel_memory {
    let shared = set.shared_memory();
    let candidates = 0..set.as_slice().len();
    let activation_bytes = candidates.map(|candidate| memory_of(set, candidate).activation_bytes).max().unwrap_or(0);
    trtsel_memory {
        pinned_bytes: shared.pinned_bytes,
        device_bytes: shared.device_bytes + shared.library_bytes + activation_bytes,
        activation_bytes,
        ..trtsel_memory::default()
    }
}

/// The sum of the shared memory and the memory of every candidate.
fn whole_memory(set: &CandidateSet) -> trtsel_memory {
    let mut sum = shared_memory(set);
    for candidate in 0..set.as_slice().len() {
        let memory = memory_of(set, candidate);
        sum.host_bytes += memory.host_bytes;
        sum.pinned_bytes += memory.pinned_bytes;
        sum.device_bytes += memory.device_bytes;
    }
    sum
}

/// Writes how many bytes of memory the candidate with this number holds; for `TRTSEL_MEMORY_SHARED` what all candidates share,
/// for `TRTSEL_MEMORY_SUM` the sum of all. `TRTSEL_NOT_FOUND` for other numbers. It does not count the driver's context and
/// loaded code, the host memory of the engines' libraries, the workspace that features are computed in on the host, and what
/// TensorRT allocates without its allocator. One call at a time; does not allocate.
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
        let bytes = match candidate {
            TRTSEL_MEMORY_SHARED => shared_memory(set),
            TRTSEL_MEMORY_SUM => whole_memory(set),
            number if (number as usize) < set.as_slice().len() => memory_of(set, number as usize),
            _ => return Err(NO_SUCH),
        };
        output.write(&bytes);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Writes the counts of what the selector has done so far. While another thread infers, some counts may already include an input
/// that others do not yet include. Any thread, at any time; does not allocate.
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
        boundary::look(selector, |selector| {
            let output = Output::new(statistics)?;
            output.write(&selector.statistics.snapshot());
            Ok(TRTSEL_OK)
        })
    }
}

/// Like `trtsel_selector_statistics`, for one candidate; `TRTSEL_NOT_FOUND` where there is no candidate of this number. Any
/// thread, at any time; does not allocate.
///
/// # Safety
/// As for `trtsel_selector_statistics`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_candidate_statistics(
    selector: *const trtsel_selector,
    candidate: u32,
    statistics: *mut trtsel_candidate_statistics,
) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        boundary::look(selector, |selector| {
            let output = Output::new(statistics)?;
            if candidate as usize >= selector.info.candidates.len() {
                return Err(Fail::new(TRTSEL_NOT_FOUND, "candidate: expected one of the bundle's, got another number"));
            }
            output.write(&selector.statistics.of_candidate(candidate as usize));
            Ok(TRTSEL_OK)
        })
    }
}

/// Sets all counts of the selector and its candidates to 0. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_reset_statistics(selector: *mut trtsel_selector) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe {
        boundary::enter(selector, |selector, _| {
            selector.statistics.reset();
            Ok(TRTSEL_OK)
        })
    }
}
