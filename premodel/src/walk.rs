//! The resumable walk over a program.
#![deny(clippy::disallowed_types)]

use crate::{Answer, CandidateId, Mask, Program, View};

/// What a walk asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// Run this candidate, write its signals, and call [`Program::step`] again (or [`Program::failed`], if it failed).
    Run(CandidateId),
    /// Done.
    Answer(Answer),
    /// Nothing can answer: every candidate of the fallback list failed.
    NoneWorks,
}

/// Where a walk stands. Plain data: it borrows nothing, may be copied, and dropped at any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    at: u16,
    ran: Mask,
    failed: Mask,
    /// The candidate that answers once it has run, after another one failed.
    rescue: Option<CandidateId>,
}

impl Walk {
    /// The candidates that ran, those that failed left out.
    pub const fn ran(&self) -> Mask {
        self.ran.without(self.failed)
    }

    /// The candidates that failed.
    pub const fn failed(&self) -> Mask {
        self.failed
    }

    /// The node that the walk stands on. After [`Request::Answer`] it is the answer's node, which tells why; after a
    /// failure it is the node that asked for the candidate that failed.
    pub const fn node(&self) -> usize {
        self.at as usize
    }
}

impl Program<'_> {
    /// A walk at the first node.
    #[inline]
    pub const fn start(&self) -> Walk {
        Walk { at: 0, ran: Mask::EMPTY, failed: Mask::EMPTY, rescue: None }
    }

    /// Goes on until a candidate is wanted or an answer is found. `signals` holds one value per signal of the schema;
    /// those of candidates that have not run are not used, and one that is missing or NaN goes to the else branch.
    ///
    /// Allocates nothing and never panics; each test of a path is made once. A walk of another program gives some
    /// answer of this one, or [`Request::NoneWorks`].
    #[inline]
    pub fn step(&self, walk: &mut Walk, signals: &[f32]) -> Request {
        self.step_by(walk, |at| self.descend(at, signals))
    }

    /// [`Program::step`], with the tests made by compiled code: `next` gets the node to start from (the first one, or the
    /// one after a Run) and gives the first Run or Answer that it comes to, as the code that `compile` writes does.
    /// Where `next` gives something else, the answer is [`Request::NoneWorks`].
    #[inline(always)]
    pub fn step_by(&self, walk: &mut Walk, next: impl FnOnce(u16) -> u16) -> Request {
        if let Some(candidate) = walk.rescue {
            return Request::Answer(Answer::Candidate(candidate));
        }
        let nodes = self.nodes();
        let mut at = walk.at;
        // Standing on a Run node that was already answered for: go past it.
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

    /// Tells the walk that a candidate failed. From here on the program is left: the first candidate of the fallback
    /// list that has not failed answers, and runs first if it has not run yet.
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
    /// feature 0 ≤ 0.5: run A, and if its signal 1 ≤ 0.7 run B and average; else run C.
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
        // Asked again, it says the same again.
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
