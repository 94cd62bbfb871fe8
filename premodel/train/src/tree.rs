//! From the policies of all states to a program: what the rows that come to a place do not miss is left out.
//!
//! A state's policy is found on all rows of the table, since those that come to it change with the policies before it. Once all
//! policies are known, so are the rows that come to each test. A test which does not part them to any use, and a run which gains them
//! nothing, are left out: that is judged by what the actions are worth that other folds chose.

use std::collections::HashMap;

use trt_select_premodel::Mask;

use super::curve::Intervals;
use super::plan::Plan;
use super::problem::{Action, Problem};

/// What rows may lose without a cut or a run before they miss it, in rewards summed over them: half a right answer.
const MISSED: f64 = 0.5;

/// What a state does: a leaf is the place of an action among the state's actions.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Leaf(usize),
    Test { column: usize, intervals: Intervals, parts: Vec<Tree> },
}

impl Tree {
    /// The same with so much added to the places of all actions.
    pub(super) fn shifted(self, by: usize) -> Tree {
        match self {
            Tree::Leaf(action) => Tree::Leaf(action + by),
            Tree::Test { column, mut intervals, parts } => {
                intervals.actions.iter_mut().for_each(|action| *action += by);
                let parts = parts.into_iter().map(|part| part.shifted(by)).collect();
                Tree::Test { column, intervals, parts }
            }
        }
    }

    /// The actions of all leaves.
    pub(super) fn actions(&self) -> Vec<usize> {
        match self {
            Tree::Leaf(action) => vec![*action],
            Tree::Test { parts, .. } => parts.iter().flat_map(Tree::actions).collect(),
        }
    }
}

/// A solved state.
pub(super) struct Solved {
    pub(super) actions: Vec<Action>,
    pub(super) tree: Tree,
    /// By row of the table: the action that is taken there, chosen by the other folds.
    pub(super) taken: Vec<u8>,
}

/// Puts a program together.
pub(super) struct Builder<'a> {
    pub(super) problem: &'a Problem,
    pub(super) policies: &'a HashMap<Mask, Solved>,
    /// What an action in a state is worth on a row.
    pub(super) value: &'a dyn Fn(Mask, Action, u32) -> f32,
    /// Whether what is not missed is left out.
    pub(super) prunes: bool,
}

/// A state in which a program is put together.
#[derive(Clone, Copy)]
struct Here<'a> {
    set: Mask,
    solved: &'a Solved,
}

impl Builder<'_> {
    /// The program from a state on, to which these rows come.
    pub(super) fn plan(&self, set: Mask, rows: &[u32]) -> Plan {
        let here = Here { set, solved: &self.policies[&set] };
        if !self.prunes {
            return self.expand(here, &here.solved.tree, rows);
        }
        let mut tree = self.pruned(here, here.solved.tree.clone(), rows);
        if let Tree::Leaf(action) = tree {
            // Cheaper actions come first.
            let cheaper = (0..action).map(|cheaper| (self.missed(here, &Tree::Leaf(cheaper), rows), cheaper));
            if let Some((missed, cheaper)) = cheaper.min_by(|a, b| a.0.total_cmp(&b.0))
                && missed <= MISSED
            {
                tree = Tree::Leaf(cheaper);
            }
        }
        self.expand(here, &tree, rows)
    }

    /// What may be lost where the rows do what a tree says, in place of what other folds chose for them: the sum that is, and a standard error
    /// of it.
    fn missed(&self, here: Here<'_>, tree: &Tree, rows: &[u32]) -> f64 {
        let value = |action: usize, row: u32| (self.value)(here.set, here.solved.actions[action], row);
        let (mut lost, mut square) = (0.0, 0.0_f64);
        for &row in rows {
            let (taken, other) = (usize::from(here.solved.taken[row as usize]), self.action(tree, row));
            if taken != other {
                let loss = self.problem.weight(row) * f64::from(value(taken, row) - value(other, row));
                lost += loss;
                square += loss * loss;
            }
        }
        lost + square.sqrt()
    }

    /// The action that a tree gives a row.
    fn action(&self, tree: &Tree, row: u32) -> usize {
        match tree {
            Tree::Leaf(action) => *action,
            Tree::Test { column, intervals, parts } => {
                self.action(&parts[intervals.place(self.problem.columns[*column].codes[row as usize])], row)
            }
        }
    }

    /// The rows of each part of a test.
    fn parted(&self, column: usize, intervals: &Intervals, rows: &[u32]) -> Vec<Vec<u32>> {
        let mut parted = vec![Vec::new(); intervals.actions.len()];
        for &row in rows {
            parted[intervals.place(self.problem.columns[column].codes[row as usize])].push(row);
        }
        parted
    }

    /// The tree without the cuts that these rows do not miss. A cut goes where one of its sides can do what the other one does.
    fn pruned(&self, here: Here<'_>, tree: Tree, rows: &[u32]) -> Tree {
        let Tree::Test { column, mut intervals, parts } = tree else { return tree };
        let mut inside = self.parted(column, &intervals, rows);
        let mut parts: Vec<Tree> =
            parts.into_iter().zip(&inside).map(|(part, rows)| self.pruned(here, part, rows)).collect();
        while parts.len() > 1 {
            let sides = (1..parts.len()).flat_map(|i| [(i, i - 1), (i - 1, i)]);
            let missed = |(from, to): (usize, usize)| (self.missed(here, &parts[to], &inside[from]), from, to);
            let Some((missed, from, to)) = sides.map(missed).min_by(|a, b| a.0.total_cmp(&b.0)) else { break };
            if missed > MISSED {
                break;
            }
            let moved = std::mem::take(&mut inside[from]);
            inside[to].extend(moved);
            inside.remove(from);
            parts.remove(from);
            intervals.actions.remove(from);
            intervals.cuts.remove(from.min(to));
        }
        if parts.len() == 1 { parts.remove(0) } else { Tree::Test { column, intervals, parts } }
    }

    /// The program from a box of a state's tree on, to which these rows come.
    fn expand(&self, here: Here<'_>, tree: &Tree, rows: &[u32]) -> Plan {
        let (column, intervals, parts) = match tree {
            Tree::Leaf(action) => {
                return match here.solved.actions[*action] {
                    Action::Answer(answer) => Plan::Answer(answer),
                    Action::Run(c) => Plan::Run { candidate: c, next: Box::new(self.plan(here.set.with(c), rows)) },
                };
            }
            Tree::Test { column, intervals, parts } => (*column, intervals, parts),
        };
        let (mut cuts, mut plans) = (Vec::new(), Vec::<Plan>::new());
        let inside = self.parted(column, intervals, rows);
        for (i, (part, rows)) in parts.iter().zip(&inside).enumerate() {
            // A part that is a test of the same signal again becomes parts of this test.
            let (inner, deeper) = match self.expand(here, part, rows) {
                Plan::Test { column: same, cuts, parts } if same == column => (cuts, parts),
                plan => (vec![], vec![plan]),
            };
            let ends = inner.into_iter().map(Some).chain([intervals.cuts.get(i).copied()]);
            for (plan, end) in deeper.into_iter().zip(ends) {
                // Neighbours that do the same become one.
                if plans.last() == Some(&plan) {
                    cuts.pop();
                } else {
                    plans.push(plan);
                }
                cuts.extend(end);
            }
        }
        if plans.len() == 1 { plans.remove(0) } else { Plan::Test { column, cuts, parts: plans } }
    }
}
