//! What a selector is made of: names, numbers, memory.

use std::ffi::{CString, c_char};

use trt_select_engines::registry::{Choice, Kind};
use trt_select_premodel::Signal;

use super::boundary::wanted;
use super::options::{
    TRTSEL_ENGINE_AUTO, TRTSEL_ENGINE_NULL, TRTSEL_ENGINE_ORT, TRTSEL_ENGINE_TENSORRT, TRTSEL_ENGINE_TRACT, name,
};
use super::selector::{Inside, NO_OUTPUT, trtsel_selector};
use super::sized::{Output, Sized_};
use super::status::{Fail, TRTSEL_NOT_FOUND, TRTSEL_OK, trtsel_status};
use crate::bundle::Bundle;
use crate::candidate::Candidate;
use crate::selector::{Selector, SignalSlot};

/// Instead of a candidate's number in `trtsel_selector_memory`: what all candidates share, that is frames, features' records, what
/// TensorRT took at run time, and the one activation block.
pub const TRTSEL_MEMORY_SHARED: u32 = 0xffff_fffe;
/// Instead of a candidate's number in `trtsel_selector_memory`: all of it.
pub const TRTSEL_MEMORY_SUM: u32 = 0xffff_ffff;

/// What a selector is made of. The texts live until the selector is closed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_info {
    /// `sizeof(trtsel_info)`; set it before the call.
    pub struct_size: u32,
    /// The engine that was chosen: a `TRTSEL_ENGINE_` number.
    pub engine: u32,
    /// Number of candidates, 1 to 16.
    pub candidate_count: u32,
    /// Number of classes.
    pub class_count: u32,
    /// Number of class labels: `class_count`, or 0 where the bundle names none.
    pub label_count: u32,
    /// Number of the caller's own signals that the premodel knows: slots are 0 to this less 1.
    pub signal_count: u32,
    /// 1 where the premodel reads image features, else 0.
    pub reads_features: u32,
    /// 1 where the premodel was compiled into the library, else 0.
    pub is_baked: u32,
    /// Which engine, and why: a line.
    pub engine_reason: *const c_char,
    /// What the networks run on.
    pub device: *const c_char,
    /// The dearest path's cost by the premodel's measurements, in nanoseconds.
    pub worst_case_ns: f64,
}

// SAFETY: `repr(C)`, no padding, numbers and raw pointers only.
unsafe impl Sized_ for trtsel_info {
    const FIRST: usize = 56;
}

/// Memory in bytes.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_memory {
    /// `sizeof(trtsel_memory)`; set it before the call.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Host memory: weights and IO buffers.
    pub host_bytes: u64,
    /// Page-locked host memory.
    pub pinned_bytes: u64,
    /// Device memory: weights and IO tensors.
    pub device_bytes: u64,
    /// Device memory needed only while it runs. One block of the largest candidate's size serves all: it is in `device_bytes` of
    /// `TRTSEL_MEMORY_SHARED`, not in the candidates'.
    pub activation_bytes: u64,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_memory {
    const FIRST: usize = 40;
}

/// What never changes while a selector is open.
pub(super) struct Info {
    engine: Kind,
    reason: CString,
    device: CString,
    pub(super) candidates: Vec<CString>,
    labels: Vec<CString>,
    pub(super) signals: Vec<(CString, SignalSlot)>,
    pub(super) classes: usize,
    reads_features: bool,
    is_baked: bool,
    worst_case_ns: f64,
}

/// A text for C; a NUL inside would end it early and is left out.
pub(super) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "")).unwrap_or_default()
}

impl Info {
    pub(super) fn new(bundle: &Bundle, selector: &Selector, choice: &Choice) -> Info {
        let premodel = selector.premodel();
        let own = premodel.signals().iter().filter_map(|signal| match signal {
            Signal::User(name) => Some((c_text(name), selector.signal_slot(name)?)),
            _ => None,
        });
        Info {
            engine: choice.kind,
            reason: c_text(&choice.reason),
            device: c_text(&selector.set().device()),
            candidates: selector.candidates().iter().map(|c| c_text(c.name())).collect(),
            labels: bundle.labels.iter().map(|label| c_text(label)).collect(),
            signals: own.collect(),
            classes: selector.candidates().first().map_or(0, Candidate::classes),
            reads_features: premodel.reads_features(),
            is_baked: selector.is_baked(),
            worst_case_ns: premodel.worst_case_ns(),
        }
    }
}

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
            let from = &selector.info;
            Output::new(info)?.write(&trtsel_info {
                struct_size: 0,
                engine: engine_number(from.engine),
                candidate_count: from.candidates.len() as u32,
                class_count: from.classes as u32,
                label_count: from.labels.len() as u32,
                signal_count: from.signals.len() as u32,
                reads_features: from.reads_features.into(),
                is_baked: from.is_baked.into(),
                engine_reason: from.reason.as_ptr(),
                device: from.device.as_ptr(),
                worst_case_ns: from.worst_case_ns,
            });
            Ok(TRTSEL_OK)
        })
    }
}

const NO_SUCH: Fail =
    Fail::new(TRTSEL_NOT_FOUND, "name: expected a number of the bundle's, got another; see trtsel_info");

/// Gives a text that lives as long as its handle.
///
/// # Safety
/// `to` is NULL or writable.
pub(super) unsafe fn give_name(from: Option<&CString>, to: *mut *const c_char) -> super::boundary::Called {
    let to = wanted(to, NO_OUTPUT)?;
    let from = from.ok_or(NO_SUCH)?;
    // SAFETY: the caller's promise; NULL was refused.
    unsafe { to.write(from.as_ptr()) };
    Ok(TRTSEL_OK)
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
    unsafe { trtsel_selector::look(selector, |s| give_name(s.info.signals.get(slot as usize).map(|(n, _)| n), name)) }
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
        let at = selector.info.signals.iter().position(|(name, _)| name.as_bytes() == wanted.as_bytes());
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
    let work = |_: &trtsel_selector, inside: &mut Inside| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(memory)? };
        let set = inside.selector.set();
        let of = |c: &Candidate| {
            let m = c.memory();
            trtsel_memory {
                host_bytes: m.host_bytes,
                pinned_bytes: m.pinned_bytes,
                device_bytes: m.device_bytes,
                activation_bytes: m.activation_bytes,
                ..trtsel_memory::default()
            }
        };
        let all = || set.as_slice().iter().map(of);
        let shared = || {
            let (pinned_bytes, device_bytes) = set.gpu().map_or((0, 0), |gpu| gpu.shared_bytes());
            let activation_bytes = all().map(|m| m.activation_bytes).max().unwrap_or(0);
            let other = set.gpu().map_or(0, |gpu| gpu.other_bytes(set.as_slice()));
            let device_bytes = device_bytes + other + activation_bytes;
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
            number => set.as_slice().get(number as usize).map(of).ok_or(NO_SUCH)?,
        };
        output.write(&bytes);
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { trtsel_selector::enter(selector, work) }
}
