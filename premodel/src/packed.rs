//! A program's tests packed for the walk: two levels of tests a block.
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
//! One test after the other waits for the one before, and where a test is a jump, every second one on rows like a coin's
//! throws is predicted wrongly. Here each turn is two levels deep, and only the end of the loop is a jump. The four
//! places that a block leads to stand side by side, so that `next` is all it stores of them; where one of them is a node
//! to stop at and another is not, the first gets a block whose tests do not matter.
#![deny(clippy::disallowed_types)]

use crate::Node;

/// Two levels of tests: 20 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Block {
    /// What the signals are compared with: of the first test, of that where it holds, of that where it fails.
    pub(crate) thresholds: [f32; 3],
    /// The signals that are read.
    pub(crate) signals: [u16; 3],
    /// First of the four places that it leads to: a block's number, or the number of blocks and a leaf's number.
    pub(crate) next: u16,
}

const _: () = assert!(size_of::<Block>() == 20);

/// The packed tests of a program. Empty where nothing was packed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packed<'a> {
    pub(crate) blocks: &'a [Block],
    /// Nodes to stop at.
    pub(crate) leaves: &'a [u16],
    /// For each node of the program, the place that tests start from, where they may start there.
    pub(crate) starts: &'a [u16],
}

/// In [`Packed::starts`]: no test starts here.
pub(crate) const NO_START: u16 = u16::MAX;

impl Packed<'_> {
    /// The first node at or below `at` that is no test, or `None` where no packed tests start there.
    #[inline]
    pub(crate) fn descend(&self, at: u16, signals: &[f32]) -> Option<u16> {
        let mut place = *self.starts.get(usize::from(at))?;
        if place == NO_START {
            return None;
        }
        while let Some(block) = self.blocks.get(usize::from(place)) {
            let [a, b, c] = [0, 1, 2].map(|i| {
                let value = signals.get(usize::from(block.signals[i])).copied().unwrap_or(f32::NAN);
                // `<=` and then "not", so that NaN fails.
                let holds = value <= block.thresholds[i];
                u16::from(!holds)
            });
            place = block.next.wrapping_add(2 * a + b).wrapping_add(c.wrapping_sub(b) * a);
        }
        self.leaves.get(usize::from(place) - self.blocks.len()).copied()
    }
}

/// The same on nodes, for programs that were not packed: each test chooses by a conditional move, and those of both
/// children are made beside their parent's.
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

/// The child that the test at `at` leads to, or `at` itself where that is no test.
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
