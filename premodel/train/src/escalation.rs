//! Where does a program run a dearer candidate because a confidence is higher?
//!
//! A program that looks at how sure its candidates are should stop where they are surer, and go on where they are less so. What breaks that
//! is nearly always noise of the table that it was trained on, and costs time on inputs that were right already. The search makes no such
//! program; one that was written by hand, or by an earlier trainer, may be one.

use trt_select_premodel::{Answer, CandidateSignal, Premodel, Signal, SignalId, View};

use super::bins::Direction;

/// A test at which a program escalates on a higher confidence: with all other signals equal, there are values on its surer side for which a
/// dearer candidate runs than for values on its other side.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Escalation {
    /// The test's node.
    pub node: usize,
    /// The signal that it reads.
    pub signal: SignalId,
    /// Its threshold.
    pub threshold: f32,
}

/// The values that a signal may have: more than the first, at most the second.
type Range = (f32, f32);

const ALL: Range = (f32::NEG_INFINITY, f32::INFINITY);

/// Two places in a program that are compared, with the values that signals may have.
struct Pair<'a> {
    premodel: &'a Premodel,
    /// The signal that is higher for one of the two.
    signal: SignalId,
    /// What the other signals may be, for both.
    others: Vec<(SignalId, Range)>,
}

/// The tests of a premodel's program at which it escalates on a higher confidence. Tests of image features and of the user's own signals are
/// not looked at: nobody knows beforehand which way they should point.
///
/// ```
/// use trt_select_premodel::{CandidateId, Node, Premodel, Signal, SignalId, TrainedFor};
/// use trt_select_train::escalations;
///
/// let names = vec!["small".to_string(), "large".to_string()];
/// let (small, large) = (CandidateId(0), CandidateId(1));
/// let program = |then, otherwise| {
///     let signals = vec![Signal::parse("small.top1", &names).unwrap()];
///     let nodes = vec![
///         Node::run(small, 1),
///         Node::test(SignalId(0), 0.4, then, otherwise),
///         Node::run(large, 3),
///         Node::answer(large),
///         Node::answer(small),
///     ];
///     let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
///     Premodel::new(names.clone(), 10, signals, nodes, vec![large, small], vec![], trained_for)
/// };
/// assert!(escalations(&program(2, 4)?).is_empty());
/// assert_eq!(escalations(&program(4, 2)?)[0].node, 1, "it runs `large` where `small` is sure");
/// # Ok::<(), trt_select_premodel::ModelError>(())
/// ```
pub fn escalations(premodel: &Premodel) -> Vec<Escalation> {
    let mut found = Vec::new();
    look(premodel, 0, &mut Vec::new(), &mut found);
    found
}

/// Looks at a node and at all below it. `known` is what tests on the way there say of signals; of several ranges of a signal the last counts.
fn look(premodel: &Premodel, at: usize, known: &mut Vec<(SignalId, Range)>, found: &mut Vec<Escalation>) {
    let (signal, threshold, then, otherwise) = match premodel.program().nodes()[at].view() {
        View::Test { signal, threshold, then, otherwise } => {
            (signal, threshold, usize::from(then), usize::from(otherwise))
        }
        View::Run { next, .. } => return look(premodel, usize::from(next), known, found),
        View::Answer(_) => return,
    };
    let own = of_signal(known, signal);
    let low = (then, both(own, (f32::NEG_INFINITY, threshold)));
    let high = (otherwise, both(own, (threshold, f32::INFINITY)));
    let order = match direction(&premodel.signals()[signal.index()]) {
        Direction::Rising => Some((high, low)),
        Direction::Falling => Some((low, high)),
        Direction::Free => None,
    };
    if let Some((sure, unsure)) = order
        && !is_empty(sure.1)
        && !is_empty(unsure.1)
        && (Pair { premodel, signal, others: known.clone() }).is_dearer(sure, unsure)
    {
        found.push(Escalation { node: at, signal, threshold });
    }
    for (next, range) in [low, high] {
        if !is_empty(range) {
            known.push((signal, range));
            look(premodel, next, known, found);
            known.pop();
        }
    }
}

/// What is known of a signal.
fn of_signal(known: &[(SignalId, Range)], signal: SignalId) -> Range {
    known.iter().rev().find(|(other, _)| *other == signal).map_or(ALL, |(_, range)| *range)
}

/// Which way a signal says that what has run is right.
pub(super) fn direction(signal: &Signal) -> Direction {
    match signal {
        Signal::Candidate(_, CandidateSignal::Top1 | CandidateSignal::Margin)
        | Signal::Agreement(..)
        | Signal::Average(..) => Direction::Rising,
        Signal::Candidate(_, CandidateSignal::Entropy | CandidateSignal::Risk) => Direction::Falling,
        _ => Direction::Free,
    }
}

impl Pair<'_> {
    /// Whether values exist for which the program does something dearer from the node `sure` on than from `unsure` on, each of which has its
    /// own range of the signal.
    fn is_dearer(&mut self, sure: (usize, Range), unsure: (usize, Range)) -> bool {
        let nodes = self.premodel.program().nodes();
        for (turned, (at, own)) in [(false, sure), (true, unsure)] {
            let View::Test { signal, threshold, then, otherwise } = nodes[at].view() else { continue };
            let sides = [(then, (f32::NEG_INFINITY, threshold)), (otherwise, (threshold, f32::INFINITY))];
            return sides.into_iter().any(|(next, side)| {
                let next = usize::from(next);
                if signal == self.signal {
                    let here = (next, both(own, side));
                    return !is_empty(here.1)
                        && if turned { self.is_dearer(sure, here) } else { self.is_dearer(here, unsure) };
                }
                let range = both(of_signal(&self.others, signal), side);
                self.others.push((signal, range));
                let here = (next, own);
                let is_dearer =
                    !is_empty(range) && if turned { self.is_dearer(sure, here) } else { self.is_dearer(here, unsure) };
                self.others.pop();
                is_dearer
            });
        }
        self.cost(sure.0) > self.cost(unsure.0)
    }

    /// How dear the next step is: nothing for an answer.
    fn cost(&self, at: usize) -> f64 {
        match self.premodel.program().nodes()[at].view() {
            View::Run { candidate, .. } => self.premodel.trained_for.costs_ns[candidate.index()],
            View::Answer(Answer::Candidate(_) | Answer::Average(_)) | View::Test { .. } => -1.0,
        }
    }
}

fn both(a: Range, b: Range) -> Range {
    (a.0.max(b.0), a.1.min(b.1))
}

fn is_empty(range: Range) -> bool {
    range.0 >= range.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use trt_select_premodel::{CandidateId, Node, TrainedFor};

    /// Two candidates of costs 1 and 9, the first of which has run; `nodes` begin with node 1.
    fn premodel(signals: &[&str], nodes: &[Node]) -> Premodel {
        let names: Vec<String> = ["a", "b"].map(String::from).into();
        let signals = signals.iter().map(|name| Signal::parse(name, &names).unwrap()).collect();
        let nodes = [Node::run(CandidateId(0), 1)].iter().chain(nodes).copied().collect();
        let trained_for = TrainedFor::of_costs(vec![1.0, 9.0]);
        Premodel::new(names, 4, signals, nodes, vec![CandidateId(1)], Vec::new(), trained_for).unwrap()
    }

    #[test]
    fn a_band_in_the_middle_is_found_and_a_feature_is_not_looked_at() {
        let (a, b) = (Node::answer(CandidateId(0)), Node::answer(CandidateId(1)));
        let run = |next| Node::run(CandidateId(1), next);
        let test = |signal, threshold, then, otherwise| Node::test(SignalId(signal), threshold, then, otherwise);
        // Answers up to 0.5, runs b up to 0.9, answers above.
        let band = [test(0, 0.5, 2, 3), a, test(0, 0.9, 4, 6), run(5), b, a];
        let found = escalations(&premodel(&["a.top1"], &band));
        assert_eq!(found.iter().map(|e| e.node).collect::<Vec<_>>(), [1]);
        assert!(escalations(&premodel(&["feature.contrast"], &band)).is_empty());
        // The same with the entropy: what is surer than 0.5 answers, what is less sure than 0.9 too. The second test is the wrong one.
        let found = escalations(&premodel(&["a.entropy"], &band));
        assert_eq!(found.iter().map(|e| e.node).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_second_signal_may_make_it_dearer_only_where_both_can_be() {
        let (a, b) = (Node::answer(CandidateId(0)), Node::answer(CandidateId(1)));
        let run = |next| Node::run(CandidateId(1), next);
        let test = |signal, threshold, then, otherwise| Node::test(SignalId(signal), threshold, then, otherwise);
        // Unsure: b where the feature is high. Sure: never.
        let nested = [test(0, 0.5, 2, 6), test(1, 0.3, 3, 4), a, run(5), b, a];
        assert!(escalations(&premodel(&["a.top1", "feature.hue1"], &nested)).is_empty());
        // Unsure: answers. Sure: b where the feature is high.
        let sure = [test(0, 0.5, 2, 3), a, test(1, 0.3, 4, 5), a, run(6), b];
        assert_eq!(escalations(&premodel(&["a.top1", "feature.hue1"], &sure))[0].node, 1);
        // Both run b where the feature is high: no values make the difference.
        let alike = [test(0, 0.5, 2, 6), test(1, 0.3, 3, 4), a, run(5), b, test(1, 0.3, 7, 8), a, run(9), b];
        assert!(escalations(&premodel(&["a.top1", "feature.hue1"], &alike)).is_empty());
    }
}
