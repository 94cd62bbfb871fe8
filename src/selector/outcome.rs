//! What became of an input.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::{Answer, Mask};

use crate::times::StageTimes;

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
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
