//! Structs that describe a selector, and what the selector keeps to fill them in: names, counts, and the memory that it holds.

use std::ffi::{CString, c_char};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use trt_select_engines::registry::{Choice, EngineKind};
use trt_select_premodel::{FrontProgram, Interval};

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
    /// 1 where the chosen program of the premodel in use reads image features, else 0.
    pub reads_features: u32,
    /// 1 where that program was compiled into the library, else 0.
    pub is_baked: u32,
    /// One line of text that says which engine was chosen, and why.
    pub engine_reason: *const c_char,
    /// The device that the networks run on, as a text.
    pub device: *const c_char,
    /// The cost of the most expensive path through the chosen program of the premodel in use, in nanoseconds, by the costs that
    /// the premodel states.
    pub worst_case_ns: f64,
}

// SAFETY: `repr(C)`, no padding, numbers and raw pointers only.
unsafe impl Sized_ for trtsel_info {
    const FIRST: usize = 56;
}

/// A program of a premodel, and what to expect of it. Numbers that the premodel does not state are NaN.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_program {
    /// `sizeof(trtsel_program)`; set it before the call.
    pub struct_size: u32,
    /// 1 for the program that decides where nobody asks for another and the premodel has no mix, else 0.
    pub is_chosen: u32,
    /// 1 where the program reads image features, else 0.
    pub reads_features: u32,
    /// Number of the program's nodes.
    pub node_count: u32,
    /// The price that the program was trained for, in reward per millisecond.
    pub price: f64,
    /// The expected mean reward: for classification the share of right answers. The next two are the ends of its 95 % interval.
    pub reward: f64,
    /// See `reward`.
    pub reward_low: f64,
    /// See `reward`.
    pub reward_high: f64,
    /// The expected mean cost of an input, in nanoseconds, by the costs that the premodel states. The next two are the ends of its
    /// 95 % interval.
    pub cost_ns: f64,
    /// See `cost_ns`.
    pub cost_ns_low: f64,
    /// See `cost_ns`.
    pub cost_ns_high: f64,
    /// The expected mean reward less that of the best single network on the same inputs. The next two are the ends of its 95 %
    /// interval.
    pub over_best_single: f64,
    /// See `over_best_single`.
    pub over_best_single_low: f64,
    /// See `over_best_single`.
    pub over_best_single_high: f64,
    /// The cost of the most expensive path through the program, in nanoseconds, by the costs that the premodel states.
    pub worst_case_ns: f64,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_program {
    const FIRST: usize = 104;
}

impl From<FrontProgram<'_>> for trtsel_program {
    fn from(program: FrontProgram<'_>) -> trtsel_program {
        const UNKNOWN: Interval = Interval { mean: f64::NAN, low: f64::NAN, high: f64::NAN };
        let expected = program.expected();
        let reward = expected.map_or(UNKNOWN, |e| e.reward);
        let cost_ns = expected.map_or(UNKNOWN, |e| e.cost_ns);
        let over_best_single = expected.map_or(UNKNOWN, |e| e.over_best_single);
        trtsel_program {
            struct_size: 0,
            is_chosen: program.is_chosen().into(),
            reads_features: program.reads_features().into(),
            node_count: program.program().nodes().len() as u32,
            price: program.price().unwrap_or(f64::NAN),
            reward: reward.mean,
            reward_low: reward.low,
            reward_high: reward.high,
            cost_ns: cost_ns.mean,
            cost_ns_low: cost_ns.low,
            cost_ns_high: cost_ns.high,
            over_best_single: over_best_single.mean,
            over_best_single_low: over_best_single.low,
            over_best_single_high: over_best_single.high,
            worst_case_ns: program.worst_case_ns(),
        }
    }
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
    pub(super) programs: Vec<trtsel_program>,
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
            programs: Vec::new(),
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
        of.is_baked = selector.is_baked_program(premodel.chosen());
        of.worst_case_ns = premodel.worst_case_ns();
        of.programs = premodel.programs().map(trtsel_program::from).collect();
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
