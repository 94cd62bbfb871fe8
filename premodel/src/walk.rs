//! The walk over a program. It stops whenever the caller has to do something, and goes on afterwards.
#![deny(clippy::disallowed_types)]

use crate::{Answer, CandidateId, Mask, Program, View};

/// What a walk asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Run this candidate and write its signals; then call [`Program::step`] again, or [`Program::failed`] if the candidate failed.
    Run(CandidateId),
    /// The walk has ended with this answer.
    Answer(Answer),
    /// The walk has ended without an answer: every candidate of the fallback list has failed.
    NoneWorks,
}

/// Where a walk stands. This is plain data: it borrows nothing, and it may be copied or dropped at any time.
///
/// ```
/// use trt_select_premodel::{Answer, CandidateId, Node, Program, Request, Schema};
///
/// let (small, large) = (CandidateId(0), CandidateId(1));
/// let nodes = [Node::run(small, 1), Node::answer(small)];
/// let schema = Schema { candidates: 2, classes: 10, needs: &[], fallback: &[large, small] };
/// let program = Program::check(&nodes, schema)?;
///
/// let mut walk = program.start();
/// assert_eq!(program.step(&mut walk, &[]), Request::Run(small));
/// // The network could not run, so the first candidate of the fallback list takes over.
/// assert_eq!(program.failed(&mut walk, small), Request::Run(large));
/// assert_eq!(program.step(&mut walk, &[]), Request::Answer(Answer::Candidate(large)));
/// assert!(walk.ran().has(large) && !walk.ran().has(small));
/// # Ok::<(), trt_select_premodel::CheckError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    at: u16,
    ran: Mask,
    failed: Mask,
    /// After another candidate failed: the candidate of the fallback list that answers once it has run.
    rescue: Option<CandidateId>,
}

impl Walk {
    /// The candidates that ran and did not fail.
    pub const fn ran(&self) -> Mask {
        self.ran.without(self.failed)
    }

    /// The candidates that failed.
    pub const fn failed(&self) -> Mask {
        self.failed
    }

    /// Index of the node that the walk stands on. After [`Request::Answer`] this is the answer's node, which
    /// [`Premodel::why`](crate::Premodel::why) explains. After a failure it is the node that asked for the candidate that failed.
    pub const fn node(&self) -> usize {
        self.at as usize
    }
}

impl Program<'_> {
    /// A new walk, which stands on the first node.
    #[inline]
    pub const fn start(&self) -> Walk {
        Walk { at: 0, ran: Mask::EMPTY, failed: Mask::EMPTY, rescue: None }
    }

    /// Walks on until a candidate has to run or an answer is found. `signals` holds one value for each signal of the schema. The values of
    /// candidates that have not run are not read. A test whose signal is missing or NaN goes to its else branch.
    ///
    /// Allocates nothing and never panics. Each test on the path is made once. A walk that was started on another program ends with some
    /// answer of this program, or with [`Request::NoneWorks`].
    #[inline]
    pub fn step(&self, walk: &mut Walk, signals: &[f32]) -> Request {
        self.step_by(walk, |at| self.descend(at, signals))
    }

    /// Does what [`Program::step`] does, with tests that compiled code makes: `next` is given the node to start from (the first node, or
    /// the one after a Run) and returns the first Run or Answer that the tests lead to, as the code that `compile` writes does. Where it
    /// returns any other node, the result is [`Request::NoneWorks`].
    #[inline(always)]
    pub fn step_by(&self, walk: &mut Walk, next: impl FnOnce(u16) -> u16) -> Request {
        if let Some(candidate) = walk.rescue {
            return Request::Answer(Answer::Candidate(candidate));
        }
        let nodes = self.nodes();
        let mut at = walk.at;
        // The walk stands on a Run node whose candidate has run since: go on from the node after it.
        if let Some(View::Run { candidate, next }) = nodes.get(usize::from(at)).map(|n| n.view())
            && walk.ran.has(candidate)
        {
            at = next;
        }
        walk.at = next(at);
        match nodes.get(usize::from(walk.at)).map(|n| n.view()) {
            Some(View::Run { candidate, .. }) => {
                walk.ran = walk.ran.with(candidate);
                Request::Run(candidate)
            }
            Some(View::Answer(answer)) => Request::Answer(answer),
            Some(View::Test { .. }) | None => Request::NoneWorks,
        }
    }

    /// Tells the walk that a candidate failed. The walk then leaves the program: the first candidate of the fallback list that has not
    /// failed gives the answer. The result asks for it to run if it has not run yet.
    pub fn failed(&self, walk: &mut Walk, candidate: CandidateId) -> Request {
        walk.failed = walk.failed.with(candidate);
        walk.rescue = self.schema().fallback.iter().copied().find(|&c| !walk.failed.has(c));
        match walk.rescue {
            None => Request::NoneWorks,
            Some(c) if walk.ran.has(c) => Request::Answer(Answer::Candidate(c)),
            Some(c) => {
                walk.ran = walk.ran.with(c);
                Request::Run(c)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Node, Schema, SignalId};

    const A: CandidateId = CandidateId(0);
    const B: CandidateId = CandidateId(1);
    const C: CandidateId = CandidateId(2);
    /// If feature 0 ≤ 0.5, run A; then, if A's signal 1 ≤ 0.7, run B and average, else answer with A. If feature 0 > 0.5, run C.
    const NODES: [Node; 8] = [
        Node::test(SignalId(0), 0.5, 1, 6),
        Node::run(A, 2),
        Node::test(SignalId(1), 0.7, 3, 5),
        Node::run(B, 4),
        Node::average(Mask(3)),
        Node::answer(A),
        Node::run(C, 7),
        Node::answer(C),
    ];
    const SCHEMA: Schema<'static> =
        Schema { candidates: 3, classes: 10, needs: &[Mask::EMPTY, Mask(1)], fallback: &[C, B, A] };

    #[test]
    fn a_walk_asks_then_answers() {
        let program = Program::check(&NODES, SCHEMA).unwrap();
        let mut walk = program.start();
        assert_eq!(program.step(&mut walk, &[0.5, f32::NAN]), Request::Run(A));
        assert_eq!(program.step(&mut walk, &[0.5, 0.7]), Request::Run(B));
        assert_eq!(program.step(&mut walk, &[0.5, 0.7]), Request::Answer(Answer::Average(Mask(3))));
        assert_eq!(walk.ran(), Mask(3));
        assert_eq!(walk.node(), 4);
        // A step after the answer gives the same answer again.
        assert_eq!(program.step(&mut walk, &[0.5, 0.7]), Request::Answer(Answer::Average(Mask(3))));
    }

    #[test]
    fn nan_and_missing_signals_take_the_else_branch() {
        let program = Program::check(&NODES, SCHEMA).unwrap();
        for signals in [&[f32::NAN, 0.0][..], &[]] {
            let mut walk = program.start();
            assert_eq!(program.step(&mut walk, signals), Request::Run(C));
            assert_eq!(program.step(&mut walk, signals), Request::Answer(Answer::Candidate(C)));
        }
    }

    #[test]
    fn a_failure_goes_to_the_most_capable_that_works() {
        let program = Program::check(&NODES, SCHEMA).unwrap();
        let mut walk = program.start();
        assert_eq!(program.step(&mut walk, &[0.0, 0.0]), Request::Run(A));
        assert_eq!(program.failed(&mut walk, A), Request::Run(C));
        assert_eq!(program.failed(&mut walk, C), Request::Run(B));
        assert_eq!(program.step(&mut walk, &[0.0, 0.0]), Request::Answer(Answer::Candidate(B)));
        assert_eq!(walk.ran(), Mask::of(B));
        assert_eq!(program.failed(&mut walk, B), Request::NoneWorks);
    }

    #[test]
    fn a_failure_may_be_answered_by_one_that_already_ran() {
        let schema = Schema { fallback: &[A, C], ..SCHEMA };
        let program = Program::check(&NODES, schema).unwrap();
        let mut walk = program.start();
        assert_eq!(program.step(&mut walk, &[0.0, 0.0]), Request::Run(A));
        assert_eq!(program.step(&mut walk, &[0.0, 0.0]), Request::Run(B));
        assert_eq!(program.failed(&mut walk, B), Request::Answer(Answer::Candidate(A)));
    }

    #[test]
    fn costs_of_the_worst_path() {
        let program = Program::check(&NODES, SCHEMA).unwrap();
        assert_eq!(program.worst_case(&[1.0, 10.0, 8.0]), 11.0);
        assert_eq!(program.worst_case(&[1.0, 2.0, 8.0]), 8.0);
        assert_eq!((program.max_runs(), program.max_tests()), (2, 2));
        assert_eq!(program.runs(), Mask(7));
        assert!(program.reads().eq([SignalId(0), SignalId(1)]));
    }
}
