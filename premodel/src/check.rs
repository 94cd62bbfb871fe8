//! The check that proves a program sound before anything may walk it.

use core::fmt;

use crate::schema::{MAX_CANDIDATES, MAX_DEPTH, MAX_NODES};
use crate::{Mask, Node, Schema, SignalId, View};

/// The rule that a program breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum CheckErrorKind {
    /// There is no node.
    Empty,
    /// There are more than [`MAX_NODES`] nodes; their number.
    TooManyNodes(usize),
    /// The schema names no candidate, or more than [`MAX_CANDIDATES`]; their number.
    CandidateCount(usize),
    /// The fallback list is empty, repeats a candidate or names one that does not exist.
    Fallback,
    /// The schema says that this signal needs a candidate that does not exist.
    SignalNeeds(SignalId),
    /// A node names this index as a child, and the program has no node with it.
    ChildOutOfRange(u16),
    /// A node names this index as a child, and it is the node itself or one before it. Such a child could make a walk go in circles.
    ChildNotAfterParent(u16),
    /// Two nodes, or both branches of one test, lead to this node.
    TwoParents,
    /// No node leads to this node.
    Unreachable,
    /// A path has more than [`MAX_DEPTH`] nodes.
    TooDeep,
    /// A threshold is not a finite number.
    Threshold,
    /// A test reads this signal, which the schema does not have.
    UnknownSignal(SignalId),
    /// A test reads this signal before all the candidates that it needs have run; the mask holds those that have not.
    SignalBeforeRun(SignalId, Mask),
    /// A node names this candidate, which the schema does not have.
    UnknownCandidate(u16),
    /// This candidate runs twice on one path.
    RunTwice(u8),
    /// An answer names candidates that have not run; the mask holds them.
    AnswerNotRun(Mask),
    /// An answer is an average of no candidates.
    EmptyAverage,
}

/// Why a program cannot be evaluated: the rule that it breaks, and the node that breaks it.
///
/// ```
/// use trt_select_premodel::{CandidateId, CheckErrorKind, Mask, Node, Program, Schema};
///
/// // The program answers with candidate 1, but only candidate 0 has run.
/// let nodes = [Node::run(CandidateId(0), 1), Node::answer(CandidateId(1))];
/// let schema = Schema { candidates: 2, classes: 10, needs: &[], fallback: &[CandidateId(0)] };
/// let error = Program::check(&nodes, schema).unwrap_err();
/// assert_eq!(error.node, Some(1));
/// assert_eq!(error.kind, CheckErrorKind::AnswerNotRun(Mask::of(CandidateId(1))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct CheckError {
    /// Index of the node that breaks the rule; `None` where the schema breaks it, or the program as a whole.
    pub node: Option<usize>,
    /// The rule that is broken.
    pub kind: CheckErrorKind,
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CheckErrorKind as K;
        match self.node {
            Some(node) => write!(f, "program node {node}: ")?,
            None => write!(f, "program: ")?,
        }
        match self.kind {
            K::Empty => write!(f, "expected at least one node, got none"),
            K::TooManyNodes(n) => write!(f, "expected at most {MAX_NODES} nodes, got {n}"),
            K::CandidateCount(n) => write!(f, "expected 1 to {MAX_CANDIDATES} candidates, got {n}"),
            K::Fallback => write!(f, "expected a fallback list of distinct candidates, got an empty or faulty one"),
            K::SignalNeeds(s) => write!(f, "expected signal {} to need candidates of the schema, got others", s.0),
            K::ChildOutOfRange(c) => write!(f, "expected a child within the program, got node {c}"),
            K::ChildNotAfterParent(c) => {
                write!(f, "expected a child that lies after its parent, got node {c} (a cycle)")
            }
            K::TwoParents => write!(f, "expected one parent, got two"),
            K::Unreachable => write!(f, "expected a path that leads to it, got none"),
            K::TooDeep => write!(f, "expected at most {MAX_DEPTH} nodes on a path, got more"),
            K::Threshold => write!(f, "expected a finite threshold, got NaN or infinity"),
            K::UnknownSignal(s) => write!(f, "expected a signal of the schema, got number {}", s.0),
            K::SignalBeforeRun(s, missing) => {
                write!(f, "expected signal {} to be read after candidates {missing:?} ran, got it read before", s.0)
            }
            K::UnknownCandidate(c) => write!(f, "expected a candidate of the schema, got number {c}"),
            K::RunTwice(c) => write!(f, "expected candidate {c} to run once on a path, got it run twice"),
            K::AnswerNotRun(missing) => {
                write!(f, "expected an answer from candidates that ran, got {missing:?} which did not")
            }
            K::EmptyAverage => write!(f, "expected an average of at least one candidate, got none"),
        }?;
        write!(f, "; mend the program, or train it anew")
    }
}

impl core::error::Error for CheckError {}

pub(crate) fn check(nodes: &[Node], schema: &Schema<'_>) -> Result<(), CheckError> {
    check_schema(schema)?;
    if nodes.is_empty() {
        return Err(CheckError { node: None, kind: CheckErrorKind::Empty });
    }
    if nodes.len() > MAX_NODES {
        return Err(CheckError { node: None, kind: CheckErrorKind::TooManyNodes(nodes.len()) });
    }
    check_shape(nodes)?;
    check_paths(nodes, schema)
}

fn check_schema(schema: &Schema<'_>) -> Result<(), CheckError> {
    let fail = |kind| Err(CheckError { node: None, kind });
    let count = usize::from(schema.candidates);
    if count == 0 || count > MAX_CANDIDATES {
        return fail(CheckErrorKind::CandidateCount(count));
    }
    let all = Mask::first(count);
    let mut seen = Mask::EMPTY;
    for &candidate in schema.fallback {
        if !all.has(candidate) || seen.has(candidate) {
            return fail(CheckErrorKind::Fallback);
        }
        seen = seen.with(candidate);
    }
    if seen.is_empty() {
        return fail(CheckErrorKind::Fallback);
    }
    for (i, needs) in schema.needs.iter().enumerate() {
        if !needs.without(all).is_empty() {
            return fail(CheckErrorKind::SignalNeeds(SignalId(i as u16)));
        }
    }
    Ok(())
}

/// Checks that every node except the first has exactly one parent, and that the parent lies before it. The nodes are then a tree, and
/// every path through them ends.
fn check_shape(nodes: &[Node]) -> Result<(), CheckError> {
    // One bit per node says whether its parent was found. The bitmap is small enough for the stack, so nothing is allocated.
    let mut has_parent = [0_u64; MAX_NODES / 64];
    for (at, node) in nodes.iter().enumerate() {
        for child in node.children() {
            let c = usize::from(child);
            let fail = |kind| Err(CheckError { node: Some(at), kind });
            if c >= nodes.len() {
                return fail(CheckErrorKind::ChildOutOfRange(child));
            }
            if c <= at {
                return fail(CheckErrorKind::ChildNotAfterParent(child));
            }
            if has_parent[c / 64] >> (c % 64) & 1 == 1 {
                return Err(CheckError { node: Some(c), kind: CheckErrorKind::TwoParents });
            }
            has_parent[c / 64] |= 1 << (c % 64);
        }
    }
    for at in 1..nodes.len() {
        if has_parent[at / 64] >> (at % 64) & 1 == 0 {
            return Err(CheckError { node: Some(at), kind: CheckErrorKind::Unreachable });
        }
    }
    Ok(())
}

fn check_paths(nodes: &[Node], schema: &Schema<'_>) -> Result<(), CheckError> {
    let all = Mask::first(usize::from(schema.candidates));
    // Nodes still to visit: index, candidates that ran before, number of nodes on the path so far. Each step down leaves at most one
    // sibling to visit later, so the stack never holds more entries than a path has nodes.
    let mut stack = [(0_u16, Mask::EMPTY, 1_usize); MAX_DEPTH + 1];
    let mut top = 1;
    while top > 0 {
        top -= 1;
        let (at, ran, depth) = stack[top];
        let node = usize::from(at);
        let fail = |kind| Err(CheckError { node: Some(node), kind });
        if depth > MAX_DEPTH {
            return fail(CheckErrorKind::TooDeep);
        }
        match nodes[node].view() {
            View::Test { signal, threshold, then, otherwise } => {
                let Some(&needs) = schema.needs.get(signal.index()) else {
                    return fail(CheckErrorKind::UnknownSignal(signal));
                };
                if !threshold.is_finite() {
                    return fail(CheckErrorKind::Threshold);
                }
                if !needs.without(ran).is_empty() {
                    return fail(CheckErrorKind::SignalBeforeRun(signal, needs.without(ran)));
                }
                stack[top] = (otherwise, ran, depth + 1);
                stack[top + 1] = (then, ran, depth + 1);
                top += 2;
            }
            View::Run { candidate, next } => {
                if !all.has(candidate) {
                    return fail(CheckErrorKind::UnknownCandidate(u16::from(candidate.0)));
                }
                if ran.has(candidate) {
                    return fail(CheckErrorKind::RunTwice(candidate.0));
                }
                stack[top] = (next, ran.with(candidate), depth + 1);
                top += 1;
            }
            View::Answer(answer) => {
                if let crate::Answer::Candidate(c) = answer
                    && !all.has(c)
                {
                    return fail(CheckErrorKind::UnknownCandidate(u16::from(c.0)));
                }
                let needs = answer.needs();
                if needs.is_empty() {
                    return fail(CheckErrorKind::EmptyAverage);
                }
                if !needs.without(ran).is_empty() {
                    return fail(CheckErrorKind::AnswerNotRun(needs.without(ran)));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CandidateId, Program};

    const A: CandidateId = CandidateId(0);
    const B: CandidateId = CandidateId(1);
    /// Signal 0 is an image feature and needs no candidate; signal 1 needs candidate A; signal 2 needs both.
    const NEEDS: [Mask; 3] = [Mask::EMPTY, Mask(1), Mask(3)];

    fn kind(nodes: &[Node]) -> Option<(Option<usize>, CheckErrorKind)> {
        let schema = Schema { candidates: 2, classes: 10, needs: &NEEDS, fallback: &[B, A] };
        Program::check(nodes, schema).err().map(|e| (e.node, e.kind))
    }

    #[test]
    fn each_rule_is_kept() {
        use CheckErrorKind as K;
        let test = |signal, then, otherwise| Node::test(SignalId(signal), 0.5, then, otherwise);
        let (run_a, end_a) = (Node::run(A, 1), Node::answer(A));
        let cases: &[(&[Node], Option<usize>, K)] = &[
            (&[], None, K::Empty),
            (&[Node::run(A, 7), end_a], Some(0), K::ChildOutOfRange(7)),
            (&[run_a, Node::run(B, 0), end_a], Some(1), K::ChildNotAfterParent(0)),
            (&[run_a, Node::run(B, 1), end_a], Some(1), K::ChildNotAfterParent(1)),
            (&[run_a, test(0, 2, 2), end_a], Some(2), K::TwoParents),
            (&[run_a, end_a, end_a], Some(2), K::Unreachable),
            (&[run_a, Node::test(SignalId(0), f32::NAN, 2, 3), end_a, end_a], Some(1), K::Threshold),
            (&[run_a, Node::test(SignalId(0), f32::INFINITY, 2, 3), end_a, end_a], Some(1), K::Threshold),
            (&[run_a, test(3, 2, 3), end_a, end_a], Some(1), K::UnknownSignal(SignalId(3))),
            (
                &[test(1, 1, 3), Node::run(A, 2), end_a, Node::run(A, 4), end_a],
                Some(0),
                K::SignalBeforeRun(SignalId(1), Mask(1)),
            ),
            (&[run_a, test(2, 2, 3), end_a, end_a], Some(1), K::SignalBeforeRun(SignalId(2), Mask(2))),
            (&[Node::run(CandidateId(2), 1), end_a], Some(0), K::UnknownCandidate(2)),
            (&[Node::run(CandidateId(200), 1), end_a], Some(0), K::UnknownCandidate(200)),
            (&[run_a, Node::run(A, 2), end_a], Some(1), K::RunTwice(0)),
            (&[run_a, Node::answer(B)], Some(1), K::AnswerNotRun(Mask(2))),
            (&[run_a, Node::answer(CandidateId(16))], Some(1), K::UnknownCandidate(16)),
            (&[run_a, Node::average(Mask(3))], Some(1), K::AnswerNotRun(Mask(2))),
            (&[run_a, Node::average(Mask::EMPTY)], Some(1), K::EmptyAverage),
            (&[end_a], Some(0), K::AnswerNotRun(Mask(1))),
        ];
        for (i, (nodes, node, expected)) in cases.iter().enumerate() {
            assert_eq!(kind(nodes), Some((*node, *expected)), "case {i}");
        }
        assert_eq!(kind(&[run_a, test(1, 2, 3), end_a, Node::run(B, 4), Node::average(Mask(3))]), None);
    }

    #[test]
    fn the_schema_is_checked_too() {
        let nodes = [Node::run(A, 1), Node::answer(A)];
        let kind = |schema| Program::check(&nodes, schema).err().map(|e| e.kind);
        let good = Schema { candidates: 2, classes: 0, needs: &[], fallback: &[A] };
        assert_eq!(kind(good), None);
        assert_eq!(kind(Schema { candidates: 0, ..good }), Some(CheckErrorKind::CandidateCount(0)));
        assert_eq!(kind(Schema { candidates: 17, ..good }), Some(CheckErrorKind::CandidateCount(17)));
        assert_eq!(kind(Schema { fallback: &[], ..good }), Some(CheckErrorKind::Fallback));
        assert_eq!(kind(Schema { fallback: &[A, A], ..good }), Some(CheckErrorKind::Fallback));
        assert_eq!(kind(Schema { fallback: &[CandidateId(2)], ..good }), Some(CheckErrorKind::Fallback));
        assert_eq!(kind(Schema { needs: &[Mask(4)], ..good }), Some(CheckErrorKind::SignalNeeds(SignalId(0))));
    }

    #[test]
    fn depth_and_size_are_bounded() {
        extern crate std;
        use std::vec::Vec;
        // Each test's else branch is the next test, and each then branch is an answer.
        let comb = |tests: u16| -> Vec<Node> {
            let mut nodes = std::vec![Node::run(A, 1)];
            for i in 0..tests {
                nodes.push(Node::test(SignalId(0), f32::from(i), 2 * i + 2, 2 * i + 3));
                nodes.push(Node::answer(A));
            }
            nodes.push(Node::answer(A));
            nodes
        };
        assert_eq!(kind(&comb(62)), None);
        assert!(matches!(kind(&comb(63)), Some((_, CheckErrorKind::TooDeep))));
        assert!(matches!(kind(&comb(3000)), Some((None, CheckErrorKind::TooManyNodes(_)))));
        // The other way round: each then branch is the next test, so the stack has to hold every else branch until the end.
        let mut nodes = std::vec![Node::run(A, 1)];
        for i in 0..62_u16 {
            nodes.push(Node::test(SignalId(0), 0.0, i + 2, 64 + i));
        }
        nodes.extend([Node::answer(A); 63]);
        assert_eq!(kind(&nodes), None);
    }
}
