//! What a program may name, and how large it may be.
#![deny(clippy::disallowed_types)]

use crate::{CandidateId, Mask};

/// Most candidates that a program may name.
pub const MAX_CANDIDATES: usize = 16;
/// Most nodes that a program may have.
pub const MAX_NODES: usize = 4096;
/// Most nodes on a path from the first node to an answer.
pub const MAX_DEPTH: usize = 64;

/// The candidates and signals that a program may name, and what its check has to know of them.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a> {
    /// Number of candidates.
    pub candidates: u8,
    /// Number of classes of the task, or 0 where it has none.
    pub classes: u32,
    /// For each signal, the candidates that must have run before it exists. An image feature or a signal of the user's own needs none, a
    /// candidate's confidence needs that candidate, an agreement needs two, and an average needs all that it is made of.
    pub needs: &'a [Mask],
    /// The candidates that take over when another one fails at run time, in this order: the most capable comes first.
    pub fallback: &'a [CandidateId],
}
