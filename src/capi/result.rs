//! The result of an input, and the summary of one candidate's output.

use trt_select_premodel::{Answer, Mask};

use super::sized::Sized_;
use crate::selector::Outcome;
use crate::times::StageTimes;
use trt_select_premodel::Summary;

/// Flag of a result: the average of several candidates answered.
pub const TRTSEL_AVERAGE: u32 = 1;
/// Flag of a result: the deadline passed while the program still asked for a candidate, so the most capable candidate that had
/// run answered.
pub const TRTSEL_LATE: u32 = 2;

/// The value of `candidate` where no single candidate is meant.
pub const TRTSEL_NO_CANDIDATE: u32 = 0xffff_ffff;

/// The time of each stage in nanoseconds. A stage that happened more than once has the sum of its times.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_times {
    /// Computing the image features.
    pub features_ns: u64,
    /// Walking the program. Where the program begins with a Run, the way to that Run is not timed.
    pub decide_ns: u64,
    /// Converting the frame to the networks' input tensors.
    pub preprocess_ns: u64,
    /// Running the networks and computing their signals; where the input is a tensor, also copying it.
    pub compute_ns: u64,
    /// From submit to the result. This includes the time that the caller spends between polls.
    pub total_ns: u64,
    /// Copying the frame, by the device's clock. The times whose names begin with `device_` are 0 without TensorRT; those by the
    /// device's clock are also 0 without `TRTSEL_DEVICE_TIMES`.
    pub device_upload_ns: u64,
    /// Running the feature kernels, by the device's clock.
    pub device_features_ns: u64,
    /// Enqueueing the candidates' work, by the host's clock.
    pub device_enqueue_ns: u64,
    /// Preprocessing, networks and their signals, by the device's clock.
    pub device_compute_ns: u64,
}

/// The result of an input.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_result {
    /// `sizeof(trtsel_result)`; set it before the call.
    pub struct_size: u32,
    /// The sum of the flags that apply: `TRTSEL_AVERAGE`, `TRTSEL_LATE`.
    pub flags: u32,
    /// The number of the class in the answer, counted from 0.
    pub class_index: u32,
    /// The probability of that class, 0 to 1, by the candidate or the average that answered.
    pub probability: f32,
    /// The candidate that answered; `TRTSEL_NO_CANDIDATE` for an average.
    pub candidate: u32,
    /// The candidates behind the answer: bit k is set for candidate k.
    pub answer_mask: u32,
    /// The candidates that ran, by the same bits.
    pub ran_mask: u32,
    /// The candidates that failed, by the same bits; `trtsel_selector_failure` says why.
    pub failed_mask: u32,
    /// The node of the program at which the walk ended: `trtsel_selector_why` puts it into words.
    pub node: u32,
    /// The number of the premodel's program that decided, counted from 0.
    pub program: u32,
    /// The time of each stage.
    pub times: trtsel_times,
}

// SAFETY: `repr(C)`, numbers only, no padding.
unsafe impl Sized_ for trtsel_result {
    const FIRST: usize = 40;
}

/// The summary of one candidate's output.
#[derive(Clone, Copy, Default)]
#[repr(C)]
pub struct trtsel_summary {
    /// `sizeof(trtsel_summary)`; set it before the call.
    pub struct_size: u32,
    /// The class with the largest probability; if several have it, the first of them.
    pub class_index: u32,
    /// The probability of that class, 0 to 1.
    pub top1: f32,
    /// `top1` less the probability of the second most probable class, 0 to 1; `top1` itself where there is only one class.
    pub margin: f32,
    /// The entropy of the probabilities, divided by the logarithm of the number of classes, 0 to 1.
    pub entropy: f32,
    /// Reserved; 0.
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

/// The candidate of an answer, `TRTSEL_NO_CANDIDATE` for an average, and the mask of the candidates behind it.
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
            program: o.program as u32,
            times: (&o.times).into(),
        }
    }
}
