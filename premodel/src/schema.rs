//! What a program may name, and how large it may be.
#![deny(clippy::disallowed_types)]

use crate::{CandidateId, Mask};

/// Most candidates that a program may name.
pub const MAX_CANDIDATES: usize = 16;
/// Most nodes that a program may have.
pub const MAX_NODES: usize = 4096;
/// Most nodes on a path from the first node to an answer.
pub const MAX_DEPTH: usize = 64;

/// What a program may name.
#[derive(Clone, Copy, Debug)]
pub struct Schema<'a> {
    /// Number of candidates.
    pub candidates: u8,
    /// Number of classes of the task, or 0 where it has none.
    pub classes: u32,
    /// For each signal, the candidates that must have run before it exists: none for image features and the user's own
    /// signals, one for a confidence, two for an agreement.
    pub needs: &'a [Mask],
    /// The candidates to fall back to when one fails at run time, the most capable first.
    pub fallback: &'a [CandidateId],
}
