//! A checked program.
#![deny(clippy::disallowed_types)]

use crate::packed::{Packed, descend_nodes};
use crate::schema::{MAX_DEPTH, Schema};
use crate::{Answer, CheckError, Mask, Node, SignalId, View, check};

/// A program that was checked against its schema. Holding one proves that every walk ends.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    nodes: &'a [Node],
    schema: Schema<'a>,
    packed: Packed<'a>,
}

impl<'a> Program<'a> {
    /// Proves that the program is sound: every path ends in an answer, no signal is read before the candidates it needs
    /// ran, no candidate runs twice on a path, an answer names only candidates that ran, each node but the first has one
    /// parent that lies before it, thresholds are finite, and all indices fit the schema.
    ///
    /// Allocates nothing; the time grows with the number of nodes.
    ///
    /// # Errors
    /// The first rule broken, with the node that breaks it.
    pub fn check(nodes: &'a [Node], schema: Schema<'a>) -> Result<Program<'a>, CheckError> {
        check::check(nodes, &schema)?;
        Ok(Program { nodes, schema, packed: Packed::default() })
    }

    /// A program that [`Program::check`] has passed before, with its packed tests.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn checked_before(nodes: &'a [Node], schema: Schema<'a>, packed: Packed<'a>) -> Program<'a> {
        Program { nodes, schema, packed }
    }

    /// A number that tells programs apart: FNV-1a, 64 bits, over the nodes, the fallback list and the number of signals.
    /// Names, costs and provenance do not count. Compiled code carries it, so that code and premodel can be held against each other.
    pub fn hash(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut add = |bytes: &[u8]| {
            for &byte in bytes {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(&(self.schema.needs.len() as u64).to_le_bytes());
        for candidate in self.schema.fallback {
            add(&[candidate.0]);
        }
        for node in self.nodes {
            let (kind, operand, threshold, children) = match node.view() {
                View::Test { signal, threshold, then, otherwise } => (0_u8, signal.0, threshold, [then, otherwise]),
                View::Run { candidate, next } => (1, u16::from(candidate.0), 0.0, [next, 0]),
                View::Answer(Answer::Candidate(c)) => (2, u16::from(c.0), 0.0, [0, 0]),
                View::Answer(Answer::Average(mask)) => (3, mask.0, 0.0, [0, 0]),
            };
            add(&[kind]);
            add(&operand.to_le_bytes());
            add(&threshold.to_bits().to_le_bytes());
            add(&children[0].to_le_bytes());
            add(&children[1].to_le_bytes());
        }
        hash
    }

    /// The first node at or below `at` that is no test.
    #[inline]
    pub(crate) fn descend(&self, at: u16, signals: &[f32]) -> u16 {
        self.packed.descend(at, signals).unwrap_or_else(|| descend_nodes(self.nodes, at, signals))
    }

    /// Its nodes; the first is where a walk starts.
    pub const fn nodes(&self) -> &'a [Node] {
        self.nodes
    }

    /// What it was checked against.
    pub const fn schema(&self) -> Schema<'a> {
        self.schema
    }

    /// Calls `visit` for each node, parents first, with the candidates that ran before it and the tests passed on the way.
    pub fn for_each_path(&self, mut visit: impl FnMut(usize, &'a Node, Mask, usize)) {
        // The check bounds the depth, and each step leaves at most one sibling behind.
        let mut stack = [(0_u16, Mask::EMPTY, 0_usize); MAX_DEPTH + 1];
        let mut top = 1;
        while top > 0 {
            top -= 1;
            let (at, ran, tests) = stack[top];
            let node = &self.nodes[usize::from(at)];
            visit(usize::from(at), node, ran, tests);
            match node.view() {
                View::Test { then, otherwise, .. } => {
                    stack[top] = (otherwise, ran, tests + 1);
                    stack[top + 1] = (then, ran, tests + 1);
                    top += 2;
                }
                View::Run { candidate, next } => {
                    stack[top] = (next, ran.with(candidate), tests);
                    top += 1;
                }
                View::Answer(_) => {}
            }
        }
    }

    /// The largest cost of any path, in the unit of `costs` (one per candidate, none negative).
    pub fn worst_case(&self, costs: &[f64]) -> f64 {
        let mut worst = 0.0_f64;
        self.for_each_path(|_, node, ran, _| {
            if let View::Answer(_) = node.view() {
                let cost = ran.iter().map(|c| costs.get(c.index()).copied().unwrap_or(0.0)).sum();
                worst = worst.max(cost);
            }
        });
        worst
    }

    /// The most candidates that run on any path.
    pub fn max_runs(&self) -> usize {
        let mut most = 0;
        self.for_each_path(|_, _, ran, _| most = most.max(ran.len() as usize));
        most
    }

    /// The most tests on any path.
    pub fn max_tests(&self) -> usize {
        let mut most = 0;
        self.for_each_path(|_, _, _, tests| most = most.max(tests));
        most
    }

    /// The candidates that any path runs.
    pub fn runs(&self) -> Mask {
        self.nodes.iter().fold(Mask::EMPTY, |all, node| match node.view() {
            View::Run { candidate, .. } => all.with(candidate),
            _ => all,
        })
    }

    /// The signals that any test reads; a signal read twice comes twice.
    pub fn reads(&self) -> impl Iterator<Item = SignalId> + 'a {
        self.nodes.iter().filter_map(|node| match node.view() {
            View::Test { signal, .. } => Some(signal),
            _ => None,
        })
    }
}
