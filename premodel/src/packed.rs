//! A program's tests, packed for a fast walk: one block holds two levels of tests.
//!
//! ```text
//! at = start of the tests to make
//! while at is a block:
//!     a = the block's first test fails        (three tests that wait for nothing but the block)
//!     b = the test below it fails, where the first holds
//!     c = the test below it fails, where the first fails
//!     at = block.next + 2·a + (a ? c : b)     (arithmetic: nothing to predict)
//! answer: the node that stands at place at − number of blocks among the leaves
//! ```
//! In a plain walk each test has to wait for the result of the test before it. Where tests are compiled to conditional jumps and the
//! rows are hard to predict, the processor also guesses about every second jump wrongly. Here each turn of the loop passes two levels of
//! tests, and the only jump is the one at the loop's end. The four places that a block leads to are numbered one after the other, so a
//! block stores only the first number, `next`. Where some of the four places are nodes to stop at and others are blocks, each node to
//! stop at gets a block of its own that leads to this node whatever its tests say.
#![deny(clippy::disallowed_types)]

use crate::Node;

/// Two levels of tests in 20 bytes: one test, and below it the test for each of its two outcomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    /// The thresholds of the three tests: of the first, of the one below it where the first holds, and of the one where it fails.
    pub(crate) thresholds: [f32; 3],
    /// The signals that the three tests read.
    pub(crate) signals: [u16; 3],
    /// The first of the four places that the block leads to. A place is the number of a block, or the number of blocks plus the number of
    /// a leaf.
    pub(crate) next: u16,
}

const _: () = assert!(size_of::<Block>() == 20);

/// The packed tests of a program, borrowed. Everything is empty where nothing was packed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packed<'a> {
    pub(crate) blocks: &'a [Block],
    /// The nodes at which packed tests stop.
    pub(crate) leaves: &'a [u16],
    /// For each node of the program: the block at which its packed tests begin, or [`NO_START`] where none begin at it.
    pub(crate) starts: &'a [u16],
}

/// The entry of [`Packed::starts`] for a node at which no packed tests begin.
pub(crate) const NO_START: u16 = u16::MAX;

impl Packed<'_> {
    /// The first node at or below `at` that is not a test, or `None` where no packed tests start at `at`.
    #[inline]
    pub(crate) fn descend(&self, at: u16, signals: &[f32]) -> Option<u16> {
        let mut place = *self.starts.get(usize::from(at))?;
        if place == NO_START {
            return None;
        }
        while let Some(block) = self.blocks.get(usize::from(place)) {
            let [a, b, c] = [0, 1, 2].map(|i| {
                let value = signals.get(usize::from(block.signals[i])).copied().unwrap_or(f32::NAN);
                // The test is `<=` and its result is then negated: with `>` a NaN would not fail the test.
                let holds = value <= block.thresholds[i];
                u16::from(!holds)
            });
            place = block.next.wrapping_add(2 * a + b).wrapping_add(c.wrapping_sub(b) * a);
        }
        self.leaves.get(usize::from(place) - self.blocks.len()).copied()
    }
}

/// Does the same on the nodes themselves, for programs that were not packed: the first node at or below `at` that is not a test. The
/// tests of both children are made together with their parent's, so that each result can be chosen by a conditional move.
pub(crate) fn descend_nodes(nodes: &[Node], mut at: u16, signals: &[f32]) -> u16 {
    while let Some(node) = nodes.get(usize::from(at))
        && node.is_test()
    {
        let [then, otherwise] = node.pair();
        let (then, otherwise) = (one_test(nodes, then, signals), one_test(nodes, otherwise, signals));
        at = core::hint::select_unpredictable(node.holds(signals), then, otherwise);
    }
    at
}

/// The child that the test at `at` leads to; `at` itself where this node is not a test.
#[inline(always)]
fn one_test(nodes: &[Node], at: u16, signals: &[f32]) -> u16 {
    match nodes.get(usize::from(at)) {
        Some(node) if node.is_test() => {
            let [then, otherwise] = node.pair();
            core::hint::select_unpredictable(node.holds(signals), then, otherwise)
        }
        _ => at,
    }
}
