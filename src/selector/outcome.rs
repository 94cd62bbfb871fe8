//! The outcome of an input.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::{Answer, Mask};

use crate::times::StageTimes;

/// The answer to an input, and how the selector came to it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// Index of the class that was answered.
    pub class: u32,
    /// The probability that the candidate or the average that answered gives to this class.
    pub probability: f32,
    /// The candidate that answered, or the candidates whose average answered.
    pub answer: Answer,
    /// The candidates that ran and did not fail.
    pub ran: Mask,
    /// The candidates that failed: see [`Selector::failure`](super::Selector::failure).
    pub failed: Mask,
    /// The number of the premodel's program that decided: 0 where it has only one.
    pub program: usize,
    /// The program's node that the walk ended on.
    /// [`FrontProgram::why`](trt_select_premodel::FrontProgram::why) explains it in words.
    pub node: usize,
    /// Whether the deadline passed before the program came to its answer. If so, the most capable candidate that had run by then
    /// answered: see [`Selector::set_deadline`](super::Selector::set_deadline).
    pub late: bool,
    /// The time that each stage took.
    pub times: StageTimes,
}
