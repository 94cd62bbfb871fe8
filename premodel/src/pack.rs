//! Makes the packed form of a program's tests, which the module `packed` explains.

use alloc::vec;
use alloc::vec::Vec;

use crate::packed::{Block, NO_START, Packed};
use crate::{Node, View};

/// The packed tests of a program, with the memory that they lie in.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pack {
    pub(crate) blocks: Vec<Block>,
    pub(crate) leaves: Vec<u16>,
    starts: Vec<u16>,
}

impl Pack {
    /// Packs the tests that start at each of the given nodes of a checked program. A given node that is not a test is skipped.
    pub(crate) fn of(nodes: &[Node], starts: impl IntoIterator<Item = u16>) -> Pack {
        let mut pack = Pack { starts: vec![NO_START; nodes.len()], ..Pack::default() };
        // `open`: blocks that are reserved and still to be filled, each with the test that it begins with. `ends`: blocks whose four places
        // are leaves. Leaves are numbered after the blocks, whose number is known only at the end, so `next` of these is completed there.
        let mut open = Vec::new();
        let mut ends = Vec::new();
        for start in starts {
            if nodes[usize::from(start)].is_test() {
                pack.starts[usize::from(start)] = pack.reserve(1);
                open.push((pack.starts[usize::from(start)], start));
            }
        }
        while let Some((number, at)) = open.pop() {
            let node = &nodes[usize::from(at)];
            let [then, otherwise] = node.pair();
            let (first, below) = (node.test_of(), [then, otherwise].map(|n| nodes[usize::from(n)].test_of()));
            // Where a child is not a test, both of its places are that child, so it does not matter which test the block makes for it.
            let tests = [first, below[0].or(first), below[1].or(first)].map(|t| t.unwrap_or_default());
            let places = [then, otherwise].map(|n| match nodes[usize::from(n)].view() {
                View::Test { then, otherwise, .. } => [then, otherwise],
                _ => [n, n],
            });
            let places = [places[0][0], places[0][1], places[1][0], places[1][1]];
            let next = if places.iter().any(|&p| nodes[usize::from(p)].is_test()) {
                let next = pack.reserve(4);
                for (number, place) in (next..).zip(places) {
                    if nodes[usize::from(place)].is_test() {
                        open.push((number, place));
                    } else {
                        let thresholds = [0.0; 3];
                        let next = pack.add_leaves([place; 4]);
                        pack.blocks[usize::from(number)] = Block { thresholds, signals: [tests[0].0; 3], next };
                        ends.push(number);
                    }
                }
                next
            } else {
                ends.push(number);
                pack.add_leaves(places)
            };
            pack.blocks[usize::from(number)] =
                Block { thresholds: tests.map(|t| t.1), signals: tests.map(|t| t.0), next };
        }
        // The numbers fit 16 bits: a program has at most 4096 nodes, so at most 2047 tests, which make about 8000 blocks and four times as
        // many leaves.
        for number in ends {
            pack.blocks[usize::from(number)].next += pack.blocks.len() as u16;
        }
        pack
    }

    /// The nodes at which a walk may have to make tests: the first node, and the node after each Run.
    pub(crate) fn starts_of(nodes: &[Node]) -> impl Iterator<Item = u16> {
        let after_runs = nodes.iter().filter_map(|n| match n.view() {
            View::Run { next, .. } => Some(next),
            _ => None,
        });
        [0].into_iter().chain(after_runs)
    }

    /// The block at which the tests that start at a node begin; `None` where no packed tests start there.
    pub(crate) fn start(&self, node: u16) -> Option<u16> {
        self.starts.get(usize::from(node)).copied().filter(|&s| s != NO_START)
    }

    #[inline]
    pub(crate) fn packed(&self) -> Packed<'_> {
        Packed { blocks: &self.blocks, leaves: &self.leaves, starts: &self.starts }
    }

    fn reserve(&mut self, blocks: usize) -> u16 {
        let first = self.blocks.len();
        self.blocks.resize(first + blocks, Block { thresholds: [0.0; 3], signals: [0; 3], next: 0 });
        first as u16
    }

    fn add_leaves(&mut self, leaves: [u16; 4]) -> u16 {
        let first = self.leaves.len();
        self.leaves.extend(leaves);
        first as u16
    }
}
