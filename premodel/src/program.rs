//! A program that has been checked, and what can be asked about it.
#![deny(clippy::disallowed_types)]

use crate::packed::{Packed, descend_nodes};
use crate::schema::{MAX_DEPTH, Schema};
use crate::{Answer, CheckError, Mask, Node, SignalId, View, check};

/// A program that has been checked against its schema, so that every walk of it ends.
///
/// ```
/// use trt_select_premodel::{CandidateId, Mask, Node, Program, Schema, SignalId};
///
/// let (small, large) = (CandidateId(0), CandidateId(1));
/// // Signal 0 is the margin of `small`, so it exists once `small` has run.
/// let nodes = [
///     Node::run(small, 1),
///     Node::test(SignalId(0), 0.4, 2, 4),
///     Node::run(large, 3),
///     Node::answer(large),
///     Node::answer(small),
/// ];
/// let schema = Schema { candidates: 2, classes: 10, needs: &[Mask::of(small)], fallback: &[large, small] };
/// let program = Program::check(&nodes, schema)?;
/// assert_eq!((program.max_runs(), program.max_tests()), (2, 1));
/// // If `small` costs 1 and `large` costs 9, the most expensive path costs 10.
/// assert_eq!(program.worst_case(&[1.0, 9.0]), 10.0);
/// # Ok::<(), trt_select_premodel::CheckError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    nodes: &'a [Node],
    schema: Schema<'a>,
    packed: Packed<'a>,
}

impl<'a> Program<'a> {
    /// Checks that the program is sound: every path ends in an answer, no signal is read before the candidates that it needs have run, no
    /// candidate runs twice on a path, an answer names only candidates that ran, each node except the first has exactly one parent, which
    /// lies before it, thresholds are finite, and all indices fit the schema.
    ///
    /// Allocates nothing. The time grows in proportion to the number of nodes.
    ///
    /// ```
    /// use trt_select_premodel::{CandidateId, CheckErrorKind, Mask, Node, Program, Schema, SignalId};
    ///
    /// let small = CandidateId(0);
    /// let schema = Schema { candidates: 1, classes: 10, needs: &[Mask::of(small)], fallback: &[small] };
    /// assert!(Program::check(&[Node::run(small, 1), Node::answer(small)], schema).is_ok());
    ///
    /// // Signal 0 needs `small` to have run, but here it is read first.
    /// let early = [
    ///     Node::test(SignalId(0), 0.5, 1, 3),
    ///     Node::run(small, 2),
    ///     Node::answer(small),
    ///     Node::run(small, 4),
    ///     Node::answer(small),
    /// ];
    /// let error = Program::check(&early, schema).unwrap_err();
    /// assert_eq!(error.kind, CheckErrorKind::SignalBeforeRun(SignalId(0), Mask::of(small)));
    /// ```
    ///
    /// # Errors
    /// The first rule that is found broken, with the node that breaks it.
    pub fn check(nodes: &'a [Node], schema: Schema<'a>) -> Result<Program<'a>, CheckError> {
        check::check(nodes, &schema)?;
        Ok(Program { nodes, schema, packed: Packed::default() })
    }

    /// A program that [`Program::check`] accepted before, together with its packed tests.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(crate) const fn checked_before(nodes: &'a [Node], schema: Schema<'a>, packed: Packed<'a>) -> Program<'a> {
        Program { nodes, schema, packed }
    }

    /// A number that tells programs apart: the 64-bit FNV-1a hash of the nodes, the fallback list and the number of signals. Names, costs
    /// and provenance do not change it. Compiled code carries this number, so that one can check which premodel it was made from.
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

    /// The first node at or below `at` that is not a test.
    #[inline]
    pub(crate) fn descend(&self, at: u16, signals: &[f32]) -> u16 {
        self.packed.descend(at, signals).unwrap_or_else(|| descend_nodes(self.nodes, at, signals))
    }

    /// The program's nodes. A walk starts at the first one.
    pub const fn nodes(&self) -> &'a [Node] {
        self.nodes
    }

    /// The schema that the program was checked against.
    pub const fn schema(&self) -> Schema<'a> {
        self.schema
    }

    /// Calls `visit` once for each node, and for a parent before its children. It gets the node's index, the node, the candidates that
    /// ran before it, and the number of tests passed on the way to it.
    pub fn for_each_path(&self, mut visit: impl FnMut(usize, &'a Node, Mask, usize)) {
        // The check has bounded the depth, and each step down leaves at most one sibling to visit later, so the stack is large enough.
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

    /// The largest cost of any path, in the unit of `costs`. `costs` has one number per candidate, none of them negative.
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

    /// The signals that the tests read, in the order of the nodes. A signal that two tests read comes twice.
    pub fn reads(&self) -> impl Iterator<Item = SignalId> + 'a {
        self.nodes.iter().filter_map(|node| match node.view() {
            View::Test { signal, .. } => Some(signal),
            _ => None,
        })
    }
}
