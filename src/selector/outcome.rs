//! What became of an input, and where its time went.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::{Answer, Mask};

use crate::candidate::DeviceTimes;

/// Time spent per stage on one input, in nanoseconds. Stages that happened more than once are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Image features.
    pub features_ns: u64,
    /// Walking the program. A program that runs a network before it tests anything is not timed on the way there.
    pub decide_ns: u64,
    /// From frame to the networks' tensors.
    pub preprocess_ns: u64,
    /// The networks and their signals; copying an input that is a tensor already.
    pub compute_ns: u64,
    /// From submit to the outcome, the caller's own time between polls included.
    pub total_ns: u64,
    /// What the device's clock says, where the engine is on a device and was asked for it.
    pub device: DeviceTimes,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Number of the class answered.
    pub class: u32,
    /// Its probability, by the candidate that answered or the average.
    pub probability: f32,
    /// Who answered.
    pub answer: Answer,
    /// Candidates that ran.
    pub ran: Mask,
    /// Candidates that failed: see [`Selector::failure`](super::Selector::failure).
    pub failed: Mask,
    /// The program's node that the walk ended on: [`Premodel::why`](trt_select_premodel::Premodel::why) puts it into words.
    pub node: usize,
    /// The deadline passed while the program still asked for a candidate, and the most capable one that had run by then
    /// answered: see [`Selector::set_deadline`](super::Selector::set_deadline).
    pub late: bool,
    /// Where the time went.
    pub times: StageTimes,
}
