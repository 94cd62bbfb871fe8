//! Programs in words: as an indented tree, and the way to a node.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::{Answer, Node, Signal, View};

/// The fewest lines of a subtree that is printed only once. For fewer lines a reference would be no shorter.
const FEWEST_LINES: usize = 3;

/// The program as an indented tree, one node a line. A subtree of at least [`FEWEST_LINES`] lines that occurs several times is printed
/// where it comes first, with a label such as `[1]`, and everywhere else as `as [1]`.
pub(crate) fn tree(nodes: &[Node], signals: &[Signal], candidates: &[String]) -> String {
    let mut drawing = Drawing { nodes, signals, candidates, kinds: kinds(nodes), labels: BTreeMap::new() };
    let mut met = BTreeSet::new();
    drawing.find_repeats(0, &mut met);
    let mut text = String::new();
    drawing.draw(0, 0, "", &mut text);
    text
}

/// A subtree as it is compared with others.
#[derive(Clone, Copy)]
struct Kind {
    /// Equal for equal subtrees.
    number: usize,
    /// How many lines it takes if nothing in it is left out.
    lines: usize,
}

/// For each node the kind of the subtree below it.
fn kinds(nodes: &[Node]) -> Vec<Kind> {
    let mut numbers = BTreeMap::new();
    let mut kinds = vec![Kind { number: 0, lines: 0 }; nodes.len()];
    // A parent lies before its children, so going backwards meets the children first.
    for (at, node) in nodes.iter().enumerate().rev() {
        let below: Vec<Kind> = node.children().map(|child| kinds[usize::from(child)]).collect();
        let key = match node.view() {
            View::Test { signal, threshold, .. } => {
                (0, signal.0, threshold.to_bits(), below[0].number, below[1].number)
            }
            View::Run { candidate, .. } => (1, u16::from(candidate.0), 0, below[0].number, 0),
            View::Answer(Answer::Candidate(candidate)) => (2, u16::from(candidate.0), 0, 0, 0),
            View::Answer(Answer::Average(of)) => (3, of.0, 0, 0, 0),
        };
        let next = numbers.len();
        let number = *numbers.entry(key).or_insert(next);
        kinds[at] = Kind { number, lines: 1 + below.iter().map(|kind| kind.lines).sum::<usize>() };
    }
    kinds
}

/// How a repeated subtree is labelled, and whether it was printed already.
struct Label {
    number: usize,
    is_printed: bool,
}

struct Drawing<'a> {
    nodes: &'a [Node],
    signals: &'a [Signal],
    candidates: &'a [String],
    kinds: Vec<Kind>,
    /// By the number of a kind: the labels of the subtrees that come several times.
    labels: BTreeMap<usize, Label>,
}

impl Drawing<'_> {
    /// Labels the subtrees that come several times, without looking for repeats inside of one that will not be printed again. `met` has the
    /// kinds that were met so far.
    fn find_repeats(&mut self, at: usize, met: &mut BTreeSet<usize>) {
        let Kind { number, lines } = self.kinds[at];
        if lines >= FEWEST_LINES && !met.insert(number) {
            self.labels.entry(number).or_insert(Label { number: 0, is_printed: false });
            return;
        }
        let nodes = self.nodes;
        nodes[at].children().for_each(|child| self.find_repeats(usize::from(child), met));
    }

    /// `before` stands in front of what the node says: which branch of a test it is.
    fn draw(&mut self, at: usize, indent: usize, before: &str, text: &mut String) {
        text.push_str(&"  ".repeat(indent));
        text.push_str(before);
        let count = self.labels.values().filter(|label| label.is_printed).count();
        if let Some(label) = self.labels.get_mut(&self.kinds[at].number) {
            if label.is_printed {
                text.push_str(&format!("as [{}]\n", label.number));
                return;
            }
            // Labels are numbered in the order in which they are printed.
            *label = Label { number: count + 1, is_printed: true };
            text.push_str(&format!("[{}] ", label.number));
        }
        let name = |candidate: crate::CandidateId| &self.candidates[candidate.index()];
        match self.nodes[at].view() {
            View::Test { signal, threshold, then, otherwise } => {
                let signal = self.signals[signal.index()].name(self.candidates);
                text.push_str(&format!("if {signal} <= {threshold}\n"));
                self.draw(usize::from(then), indent + 1, "then: ", text);
                self.draw(usize::from(otherwise), indent + 1, "else: ", text);
            }
            View::Run { candidate, next } => {
                text.push_str(&format!("run {}\n", name(candidate)));
                self.draw(usize::from(next), indent, "", text);
            }
            View::Answer(Answer::Candidate(candidate)) => text.push_str(&format!("answer {}\n", name(candidate))),
            View::Answer(Answer::Average(of)) => {
                let names: Vec<&str> = of.iter().map(|candidate| name(candidate).as_str()).collect();
                text.push_str(&format!("answer the average of {}\n", names.join(", ")));
            }
        }
    }
}

/// The way from the first node to `to`: the tests that were passed and the candidates that ran.
pub(crate) fn why(nodes: &[Node], to: usize, signals: &[Signal], candidates: &[String]) -> String {
    let mut at = to;
    let mut parts = Vec::new();
    while at > 0 {
        let Some(parent) = nodes.iter().position(|n| n.children().any(|c| usize::from(c) == at)) else {
            break;
        };
        match nodes[parent].view() {
            View::Test { signal, threshold, then, .. } => {
                let signal = signals[signal.index()].name(candidates);
                let sign = if usize::from(then) == at { "<=" } else { ">" };
                parts.push(format!("{signal} {sign} {threshold}"));
            }
            View::Run { candidate, .. } => parts.push(format!("ran {}", candidates[candidate.index()])),
            View::Answer(_) => {}
        }
        at = parent;
    }
    parts.reverse();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CandidateId, Mask, SignalId};

    const A: CandidateId = CandidateId(0);
    const B: CandidateId = CandidateId(1);

    fn drawn(nodes: &[Node]) -> String {
        let names = [String::from("a"), String::from("b")];
        let signals = ["signal.x", "signal.y"].map(|name| Signal::parse(name, &names).expect("a signal"));
        tree(nodes, &signals, &names)
    }

    /// Run B, and answer by y: five lines with the Run.
    fn tail(at: u16, threshold: f32) -> [Node; 4] {
        [
            Node::run(B, at + 1),
            Node::test(SignalId(1), threshold, at + 2, at + 3),
            Node::answer(A),
            Node::average(Mask(3)),
        ]
    }

    #[test]
    fn a_subtree_that_comes_again_is_printed_once() {
        let mut nodes = vec![Node::run(A, 1), Node::test(SignalId(0), 0.5, 2, 6)];
        nodes.extend(tail(2, 0.25));
        nodes.extend(tail(6, 0.25));
        assert_eq!(
            drawn(&nodes),
            "run a\nif signal.x <= 0.5\n  then: [1] run b\n  if signal.y <= 0.25\n    then: answer a\n    else: answer the average \
             of a, b\n  else: as [1]\n"
        );
        // Another threshold makes another subtree, and two lines are printed again.
        nodes.truncate(6);
        nodes.extend(tail(6, 0.75));
        assert!(!drawn(&nodes).contains('['), "{}", drawn(&nodes));
        let short =
            [Node::test(SignalId(0), 0.5, 1, 3), Node::run(A, 2), Node::answer(A), Node::run(A, 4), Node::answer(A)];
        assert_eq!(drawn(&short), "if signal.x <= 0.5\n  then: run a\n  answer a\n  else: run a\n  answer a\n");
    }

    #[test]
    fn labels_follow_the_order_of_printing() {
        // The last test repeats a subtree inside of which another one is repeated: only the outer one is referred to there.
        let mut nodes = vec![Node::run(A, 1), Node::test(SignalId(0), 0.5, 2, 11)];
        for at in [2_u16, 11] {
            nodes.push(Node::test(SignalId(0), 0.25, at + 1, at + 5));
            nodes.extend(tail(at + 1, 0.25));
            nodes.extend(tail(at + 5, 0.25));
        }
        let text = drawn(&nodes);
        let marked: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains('[')).collect();
        assert_eq!(
            marked,
            ["then: [1] if signal.x <= 0.25", "then: [2] run b", "else: as [2]", "else: as [1]"],
            "{text}"
        );
    }
}
