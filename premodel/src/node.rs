//! The nodes of a program.
#![deny(clippy::disallowed_types)]

use core::fmt;

/// A candidate: one selectable engine, by its place in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct CandidateId(pub u8);

impl CandidateId {
    /// Its place as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A signal, by its place in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SignalId(pub u16);

impl SignalId {
    /// Its place as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of candidates.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Mask(pub u16);

impl Mask {
    /// No candidate.
    pub const EMPTY: Mask = Mask(0);

    /// One candidate. A number past 15 gives the empty set.
    pub const fn of(candidate: CandidateId) -> Mask {
        if candidate.0 < 16 { Mask(1 << candidate.0) } else { Mask::EMPTY }
    }

    /// This set and one candidate more.
    #[must_use]
    pub const fn with(self, candidate: CandidateId) -> Mask {
        Mask(self.0 | Mask::of(candidate).0)
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Mask) -> Mask {
        Mask(self.0 | other.0)
    }

    /// Those of this set that the other lacks.
    #[must_use]
    pub const fn without(self, other: Mask) -> Mask {
        Mask(self.0 & !other.0)
    }

    /// Whether a candidate is in it.
    pub const fn has(self, candidate: CandidateId) -> bool {
        self.0 & Mask::of(candidate).0 != 0
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many candidates are in it.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Its candidates, in order.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// The answer of one candidate that ran.
    Candidate(CandidateId),
    /// The class with the largest weighted mean of the calibrated probabilities of candidates that ran.
    Average(Mask),
}

impl Answer {
    /// The candidates it needs.
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

/// One node: 12 bytes of plain data. Made by its constructors, read through [`Node::view`].
#[derive(Clone, Copy, PartialEq)]
#[repr(C)]
pub struct Node {
    threshold: f32,
    /// Signal, candidate or mask.
    operand: u16,
    first: u16,
    second: u16,
    kind: u8,
    zero: u8,
}

/// What a node says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// Go to `then` where the signal is at most the threshold, else (NaN included) to `otherwise`.
    Test {
        /// The signal read.
        signal: SignalId,
        /// What it is compared with.
        threshold: f32,
        /// Index of the node for signal ≤ threshold.
        then: u16,
        /// Index of the node for everything else, NaN included.
        otherwise: u16,
    },
    /// Run a candidate, then go on.
    Run {
        /// The candidate.
        candidate: CandidateId,
        /// Index of the node after it.
        next: u16,
    },
    /// Done.
    Answer(Answer),
}

impl Node {
    /// A test: `then` where signal ≤ threshold, else `otherwise`.
    pub const fn test(signal: SignalId, threshold: f32, then: u16, otherwise: u16) -> Node {
        Node { threshold, operand: signal.0, first: then, second: otherwise, kind: TEST, zero: 0 }
    }

    /// Runs a candidate and goes on at `next`.
    pub const fn run(candidate: CandidateId, next: u16) -> Node {
        Node { threshold: 0.0, operand: candidate.0 as u16, first: next, second: 0, kind: RUN, zero: 0 }
    }

    /// Answers with a candidate.
    pub const fn answer(candidate: CandidateId) -> Node {
        Node { threshold: 0.0, operand: candidate.0 as u16, first: 0, second: 0, kind: ANSWER, zero: 0 }
    }

    /// Answers with the average of several candidates.
    pub const fn average(mask: Mask) -> Node {
        Node { threshold: 0.0, operand: mask.0, first: 0, second: 0, kind: AVERAGE, zero: 0 }
    }

    /// What it says.
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

    /// Whether it is a test.
    #[inline(always)]
    pub(crate) const fn is_test(&self) -> bool {
        self.kind == TEST
    }

    /// Of a test: where it leads when it holds, and when it does not.
    #[inline(always)]
    pub(crate) const fn pair(&self) -> [u16; 2] {
        [self.first, self.second]
    }

    /// Of a test: the signal it reads and its threshold.
    #[cfg(feature = "alloc")]
    pub(crate) const fn test_of(&self) -> Option<(u16, f32)> {
        if self.is_test() { Some((self.operand, self.threshold)) } else { None }
    }

    /// Whether a test holds. A signal that is missing or NaN fails it.
    #[inline(always)]
    pub(crate) fn holds(&self, signals: &[f32]) -> bool {
        signals.get(usize::from(self.operand)).copied().unwrap_or(f32::NAN) <= self.threshold
    }

    /// The nodes it leads to.
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
