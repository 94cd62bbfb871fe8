//! What a selector is made of: names, numbers, memory.

use std::ffi::{CString, c_char};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use trt_select_engines::registry::{Choice, Kind};
use trt_select_premodel::CandidateId;

use super::boundary::wanted;
use super::options::{
    TRTSEL_ENGINE_AUTO, TRTSEL_ENGINE_NULL, TRTSEL_ENGINE_ORT, TRTSEL_ENGINE_TENSORRT, TRTSEL_ENGINE_TRACT, name,
};
use super::selector::{Inside, NO_OUTPUT, trtsel_selector};
use super::sized::{Output, Sized_};
use super::status::{Fail, TRTSEL_NOT_FOUND, TRTSEL_OK, trtsel_status};
use crate::bundle::Bundle;
use crate::candidate::CandidateInfo;
use crate::selector::Selector;

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
    /// Number of the caller's own signals that premodels of this selector have named: slots are 0 to this less 1. A reload may add
    /// some; it takes none away, and a slot keeps its meaning.
    pub signal_count: u32,
    /// 1 where the premodel in use reads image features, else 0.
    pub reads_features: u32,
    /// 1 where the premodel was compiled into the library, else 0.
    pub is_baked: u32,
    /// Which engine, and why: a line.
    pub engine_reason: *const c_char,
    /// What the networks run on.
    pub device: *const c_char,
    /// The dearest path's cost by the measurements of the premodel in use, in nanoseconds.
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

/// What is told of a selector while another thread may be inside it.
pub(super) struct Info {
    engine: Kind,
    reason: CString,
    device: CString,
    pub(super) candidates: Vec<CString>,
    labels: Vec<CString>,
    pub(super) classes: usize,
    /// What a reload changes. Inputs never look at it, so that nobody who infers waits for this lock.
    of_premodel: RwLock<OfPremodel>,
}

struct OfPremodel {
    /// Names of own signals by their slots. Only ever added to: texts that were given away stay where they are.
    signals: Vec<CString>,
    /// Whether the premodel in use knows the signal.
    is_known: Vec<bool>,
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
        let of_premodel = OfPremodel {
            signals: Vec::new(),
            is_known: Vec::new(),
            reads_features: false,
            is_baked: false,
            worst_case_ns: 0.0,
        };
        let info = Info {
            engine: choice.kind,
            reason: c_text(&choice.reason),
            device: c_text(&selector.set().device()),
            candidates: selector.candidates().iter().map(|c| c_text(c.name())).collect(),
            labels: bundle.labels.iter().map(|label| c_text(label)).collect(),
            classes: selector.candidates().first().map_or(0, CandidateInfo::classes),
            of_premodel: RwLock::new(of_premodel),
        };
        info.update(selector);
        info
    }

    /// Takes over what the premodel in use says.
    pub(super) fn update(&self, selector: &Selector) {
        let premodel = selector.premodel();
        let mut of = self.of_premodel.write().unwrap_or_else(PoisonError::into_inner);
        of.is_known.clear();
        for (at, (name, _)) in selector.own_signals().enumerate() {
            if at == of.signals.len() {
                of.signals.push(c_text(name));
            }
            of.is_known.push(selector.signal_slot(name).is_some());
        }
        of.reads_features = premodel.reads_features();
        of.is_baked = selector.is_baked();
        of.worst_case_ns = premodel.worst_case_ns();
    }

    fn of_premodel(&self) -> RwLockReadGuard<'_, OfPremodel> {
        self.of_premodel.read().unwrap_or_else(PoisonError::into_inner)
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
    let work = |_: &trtsel_selector, inside: &mut Inside| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(memory)? };
        let set = inside.selector.set();
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
