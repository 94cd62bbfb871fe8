//! The proof that a program is sound.

use core::fmt;

use crate::schema::{MAX_CANDIDATES, MAX_DEPTH, MAX_NODES};
use crate::{Mask, Node, Schema, SignalId, View};

/// The rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum CheckErrorKind {
    /// There is no node.
    Empty,
    /// There are more than [`MAX_NODES`] nodes.
    TooManyNodes(usize),
    /// The schema names no candidate, or more than [`MAX_CANDIDATES`].
    CandidateCount(usize),
    /// The fallback list is empty, repeats a candidate or names one that does not exist.
    Fallback,
    /// A signal of the schema needs a candidate that does not exist.
    SignalNeeds(SignalId),
    /// A child's index is not that of a node.
    ChildOutOfRange(u16),
    /// A child lies at or before its parent, as in a cycle.
    ChildNotAfterParent(u16),
    /// A node has a second parent.
    TwoParents,
    /// No path leads to a node.
    Unreachable,
    /// A path has more than [`MAX_DEPTH`] nodes.
    TooDeep,
    /// A threshold is not a finite number.
    Threshold,
    /// A signal's index does not fit the schema.
    UnknownSignal(SignalId),
    /// A signal is read before the candidates that it needs ran; these are missing.
    SignalBeforeRun(SignalId, Mask),
    /// A candidate's index does not fit the schema.
    UnknownCandidate(u16),
    /// A candidate runs twice on one path.
    RunTwice(u8),
    /// An answer names candidates that did not run; these are missing.
    AnswerNotRun(Mask),
    /// An average is over no candidate.
    EmptyAverage,
}

/// Why a program cannot be evaluated: the rule, and the node that breaks it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckError {
    /// Index of the node, where one is to blame.
    pub node: Option<usize>,
    /// The rule.
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
    let all = Mask(u16::MAX >> (16 - count));
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

/// Each node but the first has one parent, which lies before it: so the nodes are a tree, and every path ends.
fn check_shape(nodes: &[Node]) -> Result<(), CheckError> {
    // One bit a node: cheaper than a list, and on the stack.
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
    let all = Mask(u16::MAX >> (16 - usize::from(schema.candidates)));
    // Node, candidates that ran, nodes on the path. A step leaves at most one sibling behind, so the depth bounds this.
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
    /// Signal 0 is an image feature, 1 belongs to candidate A, 2 to the pair.
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
        // A comb: each test's else branch is the next test.
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
        // Other way round: the then branch goes deep, and the stack must still hold every sibling.
        let mut nodes = std::vec![Node::run(A, 1)];
        for i in 0..62_u16 {
            nodes.push(Node::test(SignalId(0), 0.0, i + 2, 64 + i));
        }
        nodes.extend([Node::answer(A); 63]);
        assert_eq!(kind(&nodes), None);
    }
}
