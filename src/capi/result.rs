//! What became of an input.

use trt_select_premodel::{Answer, Mask};

use super::sized::Sized_;
use crate::selector::Outcome;
use crate::times::StageTimes;
use trt_select_premodel::Summary;

/// Flag of a result: the average of several candidates answered.
pub const TRTSEL_AVERAGE: u32 = 1;
/// Flag of a result: the deadline passed while the program still asked for a candidate, and the most capable one that had run
/// answered.
pub const TRTSEL_LATE: u32 = 2;

/// `candidate` where no single candidate is meant.
pub const TRTSEL_NO_CANDIDATE: u32 = 0xffff_ffff;

/// Time per stage in nanoseconds. Stages that happened more than once are summed.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_times {
    /// Image features.
    pub features_ns: u64,
    /// Walking the program. A program that runs a network before it tests anything is not timed on the way there.
    pub decide_ns: u64,
    /// From frame to the networks' tensors.
    pub preprocess_ns: u64,
    /// The networks and their signals; copying an input that is a tensor already.
    pub compute_ns: u64,
    /// From submit to the result, the caller's own time between polls included.
    pub total_ns: u64,
    /// By the device's clock: copy of the frame. These are 0 without TensorRT, and all but `device_enqueue_ns` without
    /// `TRTSEL_DEVICE_TIMES`.
    pub device_upload_ns: u64,
    /// By the device's clock: feature kernels.
    pub device_features_ns: u64,
    /// Host time to enqueue the candidates' work.
    pub device_enqueue_ns: u64,
    /// By the device's clock: preprocessing, network, signals.
    pub device_compute_ns: u64,
}

/// What became of an input.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_result {
    /// `sizeof(trtsel_result)`; set it before the call.
    pub struct_size: u32,
    /// `TRTSEL_AVERAGE`, `TRTSEL_LATE`, added up.
    pub flags: u32,
    /// Number of the class answered, from 0.
    pub class_index: u32,
    /// Its probability, 0 to 1, by the candidate that answered or the average.
    pub probability: f32,
    /// Who answered; `TRTSEL_NO_CANDIDATE` for an average.
    pub candidate: u32,
    /// The candidates behind the answer: bit k is candidate k.
    pub answer_mask: u32,
    /// The candidates that ran.
    pub ran_mask: u32,
    /// The candidates that failed; `trtsel_selector_failure` says why.
    pub failed_mask: u32,
    /// The program's node that the walk ended on: `trtsel_selector_why` puts it into words.
    pub node: u32,
    /// 0.
    pub reserved: u32,
    /// Where the time went.
    pub times: trtsel_times,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_result {
    const FIRST: usize = 40;
}

/// What one candidate said.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_summary {
    /// `sizeof(trtsel_summary)`; set it before the call.
    pub struct_size: u32,
    /// The class of the largest probability; of equals, the first.
    pub class_index: u32,
    /// Its probability, 0 to 1.
    pub top1: f32,
    /// Its probability less that of the next class, 0 to 1; with one class, its probability.
    pub margin: f32,
    /// Entropy of the probabilities over the logarithm of the number of classes, 0 to 1.
    pub entropy: f32,
    /// 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_summary {
    const FIRST: usize = 24;
}

impl From<Summary> for trtsel_summary {
    fn from(s: Summary) -> trtsel_summary {
        trtsel_summary {
            class_index: s.class,
            top1: s.top1,
            margin: s.margin,
            entropy: s.entropy,
            ..trtsel_summary::default()
        }
    }
}

impl From<&StageTimes> for trtsel_times {
    fn from(t: &StageTimes) -> trtsel_times {
        trtsel_times {
            features_ns: t.features_ns,
            decide_ns: t.decide_ns,
            preprocess_ns: t.preprocess_ns,
            compute_ns: t.compute_ns,
            total_ns: t.total_ns,
            device_upload_ns: t.device.upload_ns,
            device_features_ns: t.device.features_ns,
            device_enqueue_ns: t.device.enqueue_ns,
            device_compute_ns: t.device.compute_ns,
        }
    }
}

/// The candidate and the mask of an answer.
pub(super) fn answered(answer: Answer) -> (u32, Mask) {
    match answer {
        Answer::Candidate(c) => (u32::from(c.0), Mask::of(c)),
        Answer::Average(mask) => (TRTSEL_NO_CANDIDATE, mask),
    }
}

impl From<&Outcome> for trtsel_result {
    fn from(o: &Outcome) -> trtsel_result {
        let (candidate, mask) = answered(o.answer);
        let average = if candidate == TRTSEL_NO_CANDIDATE { TRTSEL_AVERAGE } else { 0 };
        trtsel_result {
            struct_size: 0,
            flags: average | if o.late { TRTSEL_LATE } else { 0 },
            class_index: o.class,
            probability: o.probability,
            candidate,
            answer_mask: mask.0.into(),
            ran_mask: o.ran.0.into(),
            failed_mask: o.failed.0.into(),
            node: o.node as u32,
            reserved: 0,
            times: (&o.times).into(),
        }
    }
}
