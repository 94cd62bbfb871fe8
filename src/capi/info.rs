//! Structs that describe a selector, and what the selector keeps to fill them in: names, counts, and the memory that it holds.

use std::ffi::{CString, c_char};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use trt_select_engines::registry::{Choice, EngineKind};

use super::boundary::{Called, put};
use super::sized::Sized_;
use super::status::{Fail, TRTSEL_NOT_FOUND};
use crate::bundle::Bundle;
use crate::candidate::CandidateInfo;
use crate::selector::Selector;

/// In place of a candidate's number in `trtsel_selector_memory`: the memory that all candidates share. It holds frames, the
/// records of the features, what TensorRT allocated at run time, and the one activation block.
pub const TRTSEL_MEMORY_SHARED: u32 = 0xffff_fffe;
/// In place of a candidate's number in `trtsel_selector_memory`: the sum of the shared memory and that of every candidate.
pub const TRTSEL_MEMORY_SUM: u32 = 0xffff_ffff;

/// A description of a selector. Its texts live until the selector is closed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_info {
    /// `sizeof(trtsel_info)`; set it before the call.
    pub struct_size: u32,
    /// The engine that the selector uses: a `TRTSEL_ENGINE_` number.
    pub engine: u32,
    /// Number of candidates, 1 to 16.
    pub candidate_count: u32,
    /// Number of classes.
    pub class_count: u32,
    /// Number of class labels: `class_count`, or 0 where the bundle has no labels.
    pub label_count: u32,
    /// Number of the caller's own signals that premodels of this selector have named so far; their slots are numbered from 0. A
    /// reload may add signals. It removes none, and a slot always stands for the same signal.
    pub signal_count: u32,
    /// 1 where the premodel in use reads image features, else 0.
    pub reads_features: u32,
    /// 1 where the premodel was compiled into the library, else 0.
    pub is_baked: u32,
    /// One line of text that says which engine was chosen, and why.
    pub engine_reason: *const c_char,
    /// The device that the networks run on, as a text.
    pub device: *const c_char,
    /// The cost of the most expensive path through the program of the premodel in use, in nanoseconds, by the costs that the
    /// premodel states.
    pub worst_case_ns: f64,
}

// SAFETY: `repr(C)`, no padding, numbers and raw pointers only.
unsafe impl Sized_ for trtsel_info {
    const FIRST: usize = 56;
}

/// Memory that a candidate, or all of a selector, holds, in bytes.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_memory {
    /// `sizeof(trtsel_memory)`; set it before the call.
    pub struct_size: u32,
    /// Reserved; 0.
    pub reserved: u32,
    /// Host memory: weights and IO buffers.
    pub host_bytes: u64,
    /// Page-locked host memory.
    pub pinned_bytes: u64,
    /// Device memory: weights and IO tensors.
    pub device_bytes: u64,
    /// Device memory that a candidate needs only while it runs. All candidates share one block, as large as the largest of them
    /// needs; `device_bytes` of `TRTSEL_MEMORY_SHARED` includes that block, and `device_bytes` of a candidate does not.
    pub activation_bytes: u64,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_memory {
    const FIRST: usize = 40;
}

/// What calls on a `const` selector read, while another thread may be running a call that changes the selector.
pub(super) struct Info {
    pub(super) engine: EngineKind,
    pub(super) reason: CString,
    pub(super) device: CString,
    pub(super) candidates: Vec<CString>,
    pub(super) labels: Vec<CString>,
    pub(super) classes: usize,
    /// The part that a reload changes. Calls that handle an input never take this lock, so no inference waits for it.
    of_premodel: RwLock<OfPremodel>,
}

/// What [`trtsel_info`] and the names of signals say of the premodels of a selector.
pub(super) struct OfPremodel {
    /// The names of the caller's own signals, by their slots. Names are only ever added, because the caller may hold their
    /// addresses.
    pub(super) signals: Vec<CString>,
    /// For each slot, whether the premodel in use knows the signal.
    pub(super) is_known: Vec<bool>,
    pub(super) reads_features: bool,
    pub(super) is_baked: bool,
    pub(super) worst_case_ns: f64,
}

/// A text for C. NULs within it are left out, since the first one would end the text.
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

    /// Takes over what the premodel that the selector now uses says of itself.
    pub(super) fn update(&self, selector: &Selector) {
        let premodel = selector.premodel();
        let mut of = self.of_premodel.write().unwrap_or_else(PoisonError::into_inner);
        of.is_known.clear();
        for (at, (name, is_known)) in selector.own_signals().enumerate() {
            if at == of.signals.len() {
                of.signals.push(c_text(name));
            }
            of.is_known.push(is_known);
        }
        of.reads_features = premodel.reads_features();
        of.is_baked = selector.is_baked();
        of.worst_case_ns = premodel.worst_case_ns();
    }

    pub(super) fn of_premodel(&self) -> RwLockReadGuard<'_, OfPremodel> {
        self.of_premodel.read().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) const NO_SUCH: Fail =
    Fail::new(TRTSEL_NOT_FOUND, "name: expected a number of the bundle's, got another; see trtsel_info");

/// Writes the address of a text that lives as long as its handle. `from` is `None` where the caller's number names nothing.
///
/// # Safety
/// `to` is NULL or writable.
pub(super) unsafe fn give_name(from: Option<&CString>, to: *mut *const c_char) -> Called {
    // SAFETY: the caller's promise.
    unsafe { put(to, || from.map(|text| text.as_ptr()).ok_or(NO_SUCH)) }
}
