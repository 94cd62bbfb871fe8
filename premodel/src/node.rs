//! The nodes of a program.
#![deny(clippy::disallowed_types)]

use core::fmt;

/// A candidate: one of the networks that a program may run, by its index in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct CandidateId(pub u8);

impl CandidateId {
    /// The number as an index into slices.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A signal, by its index in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SignalId(pub u16);

impl SignalId {
    /// The number as an index into slices.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of candidates: bit k stands for the candidate with the number k.
///
/// ```
/// use trt_select_premodel::{CandidateId, Mask};
///
/// let (small, large) = (CandidateId(0), CandidateId(3));
/// let both = Mask::of(small).with(large);
/// assert_eq!((both, both.len()), (Mask(0b1001), 2));
/// assert_eq!(both.without(Mask::of(small)), Mask::of(large));
/// assert!(both.iter().eq([small, large]));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Mask(pub u16);

impl Mask {
    /// The set without any candidate.
    pub const EMPTY: Mask = Mask(0);

    /// The set of one candidate. A number above 15 gives the empty set.
    pub const fn of(candidate: CandidateId) -> Mask {
        if candidate.0 < 16 { Mask(1 << candidate.0) } else { Mask::EMPTY }
    }

    /// The candidates with the numbers below `count`, which is 1 to 16.
    pub(crate) const fn first(count: usize) -> Mask {
        Mask(u16::MAX >> (16 - count))
    }

    /// This set with one candidate added.
    #[must_use]
    pub const fn with(self, candidate: CandidateId) -> Mask {
        Mask(self.0 | Mask::of(candidate).0)
    }

    /// The candidates that are in either set.
    #[must_use]
    pub const fn union(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }

    /// The candidates that are in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Mask) -> Mask {
        Mask(self.0 & !other.0)
    }

    /// Whether a candidate is in the set.
    pub const fn has(self, candidate: CandidateId) -> bool {
        self.0 & Mask::of(candidate).0 != 0
    }

    /// Whether the set has no candidate.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Number of candidates in the set.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// The candidates of the set, in the order of their numbers.
    pub fn iter(self) -> impl Iterator<Item = CandidateId> {
        (0..16).map(CandidateId).filter(move |&c| self.has(c))
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|c| c.0)).finish()
    }
}

/// What a program ends with.
///
/// ```
/// use trt_select_premodel::{Answer, CandidateId, Mask};
///
/// let both = Mask::of(CandidateId(0)).with(CandidateId(1));
/// assert_eq!(Answer::Average(both).needs(), both);
/// assert_eq!(Answer::Candidate(CandidateId(1)).needs(), Mask::of(CandidateId(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The class that this candidate gave when it ran.
    Candidate(CandidateId),
    /// The class with the largest probability in the weighted average of these candidates' calibrated probabilities. All of them ran.
    Average(Mask),
}

impl Answer {
    /// The candidates that must have run for this answer.
    pub const fn needs(self) -> Mask {
        match self {
            Answer::Candidate(c) => Mask::of(c),
            Answer::Average(mask) => mask,
        }
    }
}

const TEST: u8 = 0;
const RUN: u8 = 1;
const ANSWER: u8 = 2;
const AVERAGE: u8 = 3;

/// One node of a program: 12 bytes of plain data. Its constructors make one, and [`Node::view`] reads it.
///
/// ```
/// use trt_select_premodel::{Node, SignalId, View};
///
/// let node = Node::test(SignalId(2), 0.5, 1, 4);
/// assert_eq!(node.view(), View::Test { signal: SignalId(2), threshold: 0.5, then: 1, otherwise: 4 });
/// assert!(node.children().eq([1, 4]));
/// assert_eq!(size_of::<Node>(), 12);
/// ```
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Node {
    threshold: f32,
    /// Number of the signal or candidate, or the bits of the mask, by the kind of the node.
    operand: u16,
    first: u16,
    second: u16,
    kind: u8,
    zero: u8,
}

/// What a node says: see [`Node::view`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// Go to `then` where the signal is at most the threshold. Go to `otherwise` where it is larger or NaN.
    Test {
        /// The signal that is read.
        signal: SignalId,
        /// The number that it is compared with.
        threshold: f32,
        /// Index of the next node where signal ≤ threshold.
        then: u16,
        /// Index of the next node everywhere else, NaN included.
        otherwise: u16,
    },
    /// Run a candidate, then go to the next node.
    Run {
        /// The candidate to run.
        candidate: CandidateId,
        /// Index of the next node.
        next: u16,
    },
    /// Stop: this is the answer.
    Answer(Answer),
}

impl Node {
    /// A test, which leads to `then` where signal ≤ threshold and to `otherwise` everywhere else.
    pub const fn test(signal: SignalId, threshold: f32, then: u16, otherwise: u16) -> Node {
        Node { threshold, operand: signal.0, first: then, second: otherwise, kind: TEST, zero: 0 }
    }

    /// A node that runs a candidate and leads to `next`.
    pub const fn run(candidate: CandidateId, next: u16) -> Node {
        Node { threshold: 0.0, operand: candidate.0 as u16, first: next, second: 0, kind: RUN, zero: 0 }
    }

    /// A node that answers with what one candidate said.
    pub const fn answer(candidate: CandidateId) -> Node {
        Node { threshold: 0.0, operand: candidate.0 as u16, first: 0, second: 0, kind: ANSWER, zero: 0 }
    }

    /// A node that answers with the average of several candidates.
    pub const fn average(mask: Mask) -> Node {
        Node { threshold: 0.0, operand: mask.0, first: 0, second: 0, kind: AVERAGE, zero: 0 }
    }

    /// What the node says.
    #[inline]
    pub const fn view(&self) -> View {
        match self.kind {
            TEST => View::Test {
                signal: SignalId(self.operand),
                threshold: self.threshold,
                then: self.first,
                otherwise: self.second,
            },
            RUN => View::Run { candidate: CandidateId(self.operand as u8), next: self.first },
            ANSWER => View::Answer(Answer::Candidate(CandidateId(self.operand as u8))),
            _ => View::Answer(Answer::Average(Mask(self.operand))),
        }
    }

    /// Whether the node is a test.
    #[inline(always)]
    pub(crate) const fn is_test(&self) -> bool {
        self.kind == TEST
    }

    /// For a test: the node that it leads to when it holds, then the one when it does not.
    #[inline(always)]
    pub(crate) const fn pair(&self) -> [u16; 2] {
        [self.first, self.second]
    }

    /// For a test: the number of the signal that it reads, and its threshold.
    #[cfg(feature = "alloc")]
    pub(crate) const fn test_of(&self) -> Option<(u16, f32)> {
        if self.is_test() { Some((self.operand, self.threshold)) } else { None }
    }

    /// For a test: whether it holds. It does not where its signal is missing or NaN.
    #[inline(always)]
    pub(crate) fn holds(&self, signals: &[f32]) -> bool {
        signals.get(usize::from(self.operand)).copied().unwrap_or(f32::NAN) <= self.threshold
    }

    /// Indices of the nodes that this one leads to: two for a test, one for a run, none for an answer.
    pub fn children(&self) -> impl Iterator<Item = u16> {
        let (count, pair) = match self.view() {
            View::Test { then, otherwise, .. } => (2, [then, otherwise]),
            View::Run { next, .. } => (1, [next, 0]),
            View::Answer(_) => (0, [0, 0]),
        };
        pair.into_iter().take(count)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

const _: () = assert!(size_of::<Node>() == 12);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_give_back_what_was_put_in() {
        let mask = Mask::of(CandidateId(0)).with(CandidateId(15));
        assert_eq!(
            Node::test(SignalId(7), 0.25, 1, 9).view(),
            View::Test { signal: SignalId(7), threshold: 0.25, then: 1, otherwise: 9 }
        );
        assert_eq!(Node::run(CandidateId(3), 4).view(), View::Run { candidate: CandidateId(3), next: 4 });
        assert_eq!(Node::answer(CandidateId(3)).view(), View::Answer(Answer::Candidate(CandidateId(3))));
        assert_eq!(Node::average(mask).view(), View::Answer(Answer::Average(mask)));
    }

    #[test]
    fn masks_are_sets() {
        let m = Mask::of(CandidateId(2)).with(CandidateId(5)).with(CandidateId(2));
        assert_eq!(m.len(), 2);
        assert!(m.has(CandidateId(5)) && !m.has(CandidateId(4)));
        assert!(m.iter().eq([CandidateId(2), CandidateId(5)]));
        assert_eq!(m.without(Mask::of(CandidateId(5))), Mask::of(CandidateId(2)));
        assert!(Mask::of(CandidateId(16)).is_empty());
    }
}
