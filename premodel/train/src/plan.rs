//! A program as a tree of boxes, before it becomes nodes.

use std::sync::Arc;

use trt_select_premodel::{Answer, CandidateId, Mask, Node, SignalId};

use super::bins::{Binned, SignalClass};

/// What to do from some point on.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// Look at a column, and go on with the part that its value falls into. Parts lie from low values to high ones; part `i`
    /// ends with bin `cuts[i]`, the last one with the last bin.
    Test {
        column: usize,
        cuts: Vec<u8>,
        parts: Vec<Plan>,
    },
    Run {
        candidate: CandidateId,
        next: Box<Plan>,
    },
    Answer(Answer),
}

impl Plan {
    /// The plan that runs one candidate and answers with it.
    pub(super) fn single(candidate: CandidateId) -> Plan {
        Plan::Run { candidate, next: Box::new(Plan::Answer(Answer::Candidate(candidate))) }
    }

    pub(super) fn reads_features(&self, columns: &[Arc<Binned>]) -> bool {
        self.columns().iter().any(|&c| columns[c].class == SignalClass::Feature)
    }

    /// The columns that tests read, ascending, each once.
    pub(super) fn columns(&self) -> Vec<usize> {
        let mut found = Vec::new();
        self.visit(Mask::EMPTY, &mut |_, plan| {
            if let Plan::Test { column, .. } = plan {
                found.push(*column);
            }
        });
        ascending(found)
    }

    /// The sets whose average answers, ascending, each once.
    pub(super) fn averages(&self) -> Vec<Mask> {
        let mut found = Vec::new();
        self.visit(Mask::EMPTY, &mut |_, plan| {
            if let Plan::Answer(Answer::Average(set)) = plan {
                found.push(*set);
            }
        });
        ascending(found)
    }

    /// The sets of candidates that have run at some point of the plan, ascending, each once.
    pub(super) fn states(&self) -> Vec<Mask> {
        let mut found = Vec::new();
        self.visit(Mask::EMPTY, &mut |ran, _| found.push(ran));
        ascending(found)
    }

    /// Calls for this box and every box below it, with the candidates that have run where it is reached.
    fn visit<'a>(&'a self, ran: Mask, call: &mut dyn FnMut(Mask, &'a Plan)) {
        call(ran, self);
        match self {
            Plan::Test { parts, .. } => parts.iter().for_each(|part| part.visit(ran, call)),
            Plan::Run { candidate, next } => next.visit(ran.with(*candidate), call),
            Plan::Answer(_) => {}
        }
    }

    /// The plan as nodes, parents first; `place` gives each column's place among the program's signals.
    pub(super) fn nodes(&self, columns: &[Arc<Binned>], place: &dyn Fn(usize) -> SignalId) -> Vec<Node> {
        let mut writer = NodeWriter { columns, place, nodes: Vec::new() };
        writer.plan(self);
        writer.nodes
    }
}

/// The items in ascending order, each once.
pub(super) fn ascending<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}

/// Writes plans as nodes.
struct NodeWriter<'a> {
    columns: &'a [Arc<Binned>],
    place: &'a dyn Fn(usize) -> SignalId,
    nodes: Vec<Node>,
}

impl NodeWriter<'_> {
    fn plan(&mut self, plan: &Plan) {
        match plan {
            Plan::Test { column, cuts, parts } => self.parts(*column, cuts, parts),
            Plan::Run { candidate, next } => {
                self.nodes.push(Node::run(*candidate, self.nodes.len() as u16 + 1));
                self.plan(next);
            }
            Plan::Answer(Answer::Candidate(candidate)) => self.nodes.push(Node::answer(*candidate)),
            Plan::Answer(Answer::Average(set)) => self.nodes.push(Node::average(*set)),
        }
    }

    /// The parts of a column's range, as a balanced binary tree of tests.
    fn parts(&mut self, column: usize, cuts: &[u8], parts: &[Plan]) {
        if let [only] = parts {
            return self.plan(only);
        }
        let middle = cuts.len() / 2;
        let (signal, cut) = ((self.place)(column), self.columns[column].cuts[usize::from(cuts[middle])]);
        let at = self.nodes.len();
        // Where its second part begins is known once the first one is written.
        self.nodes.push(Node::test(signal, cut, 0, 0));
        self.parts(column, &cuts[..middle], &parts[..=middle]);
        let second = self.nodes.len() as u16;
        self.parts(column, &cuts[middle + 1..], &parts[middle + 1..]);
        self.nodes[at] = Node::test(signal, cut, at as u16 + 1, second);
    }
}
