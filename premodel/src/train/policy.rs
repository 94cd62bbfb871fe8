//! The trainer's core: which program maximises mean reward − λ · mean cost on a table?
//!
//! A *state* is the set of candidates that ran. In a state, a *policy* is a small tree of tests on the signals that exist
//! there, whose leaves are *actions*: answer with a candidate of the set, or run another one. The value of an action on a
//! row is known once the policies of the larger states are: so states are solved from the largest down (backward
//! induction), and the program is then built from the empty state up, fitting each policy anew on the rows that reach it.
//!
//! ```text
//! for set in sets of at most max_runs candidates, largest first:
//!     value(answer j in set)   = reward[j]
//!     value(run k not in set)  = V[set + k] − λ · cost[k]
//!     fit a tree on each half of the rows; V[set] = values of the actions that the *other* half's tree chooses
//! build(∅, all rows): fit a tree with these values; for each leaf "run k", build(set + k, rows of the leaf)
//! ```
//! Valuing a row by a tree that has not seen it keeps the search from believing in noise.

use std::boxed::Box;
use std::collections::HashMap;
use std::vec;
use std::vec::Vec;

use crate::{CandidateId, Mask, Node, SignalId};

use super::stats::Rng;

/// Bins per column. Codes are bytes.
const BINS: usize = 128;

/// Cuts to either side that a cut's value is averaged over.
const SMOOTHING: usize = 3;

/// A signal's values as bin numbers: `codes[row] <= b` exactly where `value <= cuts[b]`.
#[derive(Clone, Debug)]
pub(super) struct Binned {
    pub(super) needs: Mask,
    pub(super) is_feature: bool,
    codes: Vec<u8>,
    cuts: Vec<f32>,
}

impl Binned {
    /// Bins of about equal count; up to [`BINS`] distinct values get one each.
    pub(super) fn new(values: &[f32], needs: Mask, is_feature: bool) -> Binned {
        let mut sorted = values.to_vec();
        sorted.sort_by(f32::total_cmp);
        let mut ends = Vec::new();
        let mut distinct = sorted.clone();
        distinct.dedup();
        if distinct.len() <= BINS {
            ends.extend_from_slice(&distinct);
        } else {
            for b in 1..=BINS {
                ends.push(sorted[b * sorted.len() / BINS - 1]);
            }
            ends.dedup();
        }
        let cuts = ends.windows(2).map(|w| {
            // The next larger value that occurs, so that the cut lies between two values that do.
            let next = distinct[distinct.partition_point(|&v| v <= w[0])];
            let middle = ((f64::from(w[0]) + f64::from(next)) / 2.0) as f32;
            if middle < next { middle } else { w[0] }
        });
        let cuts: Vec<f32> = cuts.collect();
        let codes = values.iter().map(|&v| cuts.partition_point(|&c| c < v) as u8).collect();
        Binned { needs, is_feature, codes, cuts }
    }
}

/// The table in the form that the search reads.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) rows: usize,
    /// By candidate, then row.
    pub(super) rewards: Vec<Vec<f32>>,
    pub(super) costs: Vec<f64>,
    pub(super) features_cost: f64,
    pub(super) columns: Vec<Binned>,
    pub(super) max_runs: usize,
    /// Most tests in a row between two runs.
    pub(super) tests: usize,
    pub(super) min_leaf: usize,
    /// A split must gain this many standard errors.
    pub(super) significance: f64,
}

/// A program as a tree of boxes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    Test { column: usize, bin: u8, then: Box<Plan>, otherwise: Box<Plan> },
    Run { candidate: CandidateId, next: Box<Plan> },
    Answer(CandidateId),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Answer(CandidateId),
    Run(CandidateId),
}

enum Tree {
    Leaf(usize),
    Split { column: usize, bin: u8, sides: Box<[Tree; 2]> },
}

impl Tree {
    fn action(&self, columns: &[Binned], row: usize) -> usize {
        match self {
            Tree::Leaf(action) => *action,
            Tree::Split { column, bin, sides } => {
                sides[usize::from(columns[*column].codes[row] > *bin)].action(columns, row)
            }
        }
    }
}

/// The actions of a state and their values, row by row.
struct Values {
    actions: Vec<Action>,
    /// `values[row · actions + action]`.
    values: Vec<f32>,
}

impl Values {
    fn at(&self, row: u32, action: usize) -> f64 {
        f64::from(self.values[row as usize * self.actions.len() + action])
    }

    /// Per action, the sum of its values over some rows.
    fn totals(&self, rows: &[u32]) -> Vec<f64> {
        let mut totals = vec![0.0_f64; self.actions.len()];
        for &row in rows {
            for (a, total) in totals.iter_mut().enumerate() {
                *total += self.at(row, a);
            }
        }
        totals
    }
}

/// One training run: a problem, a price, and whether image features may be read.
struct Search<'a> {
    problem: &'a Problem,
    lambda: f64,
    with_features: bool,
    /// Value of each solved state on each row.
    solved: HashMap<Mask, Vec<f32>>,
}

impl Problem {
    /// The best program found for the rows and the price, by the better of two searches: with and without image features,
    /// whose cost is paid on every row once any test reads one.
    pub(super) fn train(&self, rows: &[u32], lambda: f64, seed: u64) -> Plan {
        let run = |with_features| {
            let mut search = Search { problem: self, lambda, with_features, solved: HashMap::new() };
            let value = search.solve(rows, seed);
            (search.build(Mask::EMPTY, rows), value)
        };
        let (plain, plain_value) = run(false);
        if !self.columns.iter().any(|c| c.is_feature) {
            return plain;
        }
        let (rich, rich_value) = run(true);
        if rich.reads_features(&self.columns) && rich_value - lambda * self.features_cost > plain_value {
            rich
        } else {
            plain
        }
    }

    /// Reward and cost of a plan on a row.
    pub(super) fn outcome(&self, plan: &Plan, row: usize) -> (f64, f64) {
        let mut cost = if plan.reads_features(&self.columns) { self.features_cost } else { 0.0 };
        let mut at = plan;
        loop {
            match at {
                Plan::Test { column, bin, then, otherwise } => {
                    at = if self.columns[*column].codes[row] <= *bin { then } else { otherwise };
                }
                Plan::Run { candidate, next } => {
                    cost += self.costs[candidate.index()];
                    at = next;
                }
                Plan::Answer(c) => return (f64::from(self.rewards[c.index()][row]), cost),
            }
        }
    }
}

impl Search<'_> {
    /// Solves every state; answers the mean value of the empty one.
    fn solve(&mut self, rows: &[u32], seed: u64) -> f64 {
        let n = self.problem.costs.len();
        let mut sets: Vec<Mask> = (0..1_u32 << n).map(|m| Mask(m as u16)).collect();
        sets.retain(|m| m.len() as usize <= self.problem.max_runs);
        sets.sort_by_key(|m| std::cmp::Reverse(m.len()));
        let mut rng = Rng::new(seed);
        let mut halves = [Vec::new(), Vec::new()];
        for &row in rows {
            halves[(rng.next_u64() >> 63) as usize].push(row);
        }
        for set in sets {
            let values = self.values(set);
            let mut chosen = vec![0.0_f32; self.problem.rows];
            for (fit, judged) in [(0, 1), (1, 0)] {
                let (tree, _) = self.grow(set, &values, halves[fit].clone(), self.problem.tests, 1);
                for &row in &halves[judged] {
                    let action = tree.action(&self.problem.columns, row as usize);
                    chosen[row as usize] = values.at(row, action) as f32;
                }
            }
            self.solved.insert(set, chosen);
        }
        let root = &self.solved[&Mask::EMPTY];
        rows.iter().map(|&row| f64::from(root[row as usize])).sum::<f64>() / rows.len().max(1) as f64
    }

    fn values(&self, set: Mask) -> Values {
        let p = self.problem;
        let mut actions: Vec<Action> = set.iter().map(Action::Answer).collect();
        if (set.len() as usize) < p.max_runs {
            actions.extend((0..p.costs.len()).map(|c| CandidateId(c as u8)).filter(|&c| !set.has(c)).map(Action::Run));
        }
        let mut values = vec![0.0_f32; p.rows * actions.len()];
        for (a, action) in actions.iter().enumerate() {
            let column = values[a..].iter_mut().step_by(actions.len());
            match *action {
                Action::Answer(c) => column.zip(&p.rewards[c.index()]).for_each(|(v, r)| *v = *r),
                Action::Run(c) => {
                    let price = (self.lambda * p.costs[c.index()]) as f32;
                    column.zip(&self.solved[&set.with(c)]).for_each(|(v, later)| *v = *later - price);
                }
            }
        }
        Values { actions, values }
    }

    /// The plan of a state for the rows that reach it.
    fn build(&self, set: Mask, rows: &[u32]) -> Plan {
        let values = self.values(set);
        let (tree, _) = self.grow(set, &values, rows.to_vec(), self.problem.tests, 3);
        self.expand(set, &values, &tree, rows.to_vec())
    }

    fn expand(&self, set: Mask, values: &Values, tree: &Tree, rows: Vec<u32>) -> Plan {
        match tree {
            Tree::Leaf(action) => match values.actions[*action] {
                Action::Answer(c) => Plan::Answer(c),
                Action::Run(c) => Plan::Run { candidate: c, next: Box::new(self.build(set.with(c), &rows)) },
            },
            Tree::Split { column, bin, sides } => {
                let (low, high) = self.part(rows, *column, *bin);
                let then = Box::new(self.expand(set, values, &sides[0], low));
                let otherwise = Box::new(self.expand(set, values, &sides[1], high));
                if then == otherwise { *then } else { Plan::Test { column: *column, bin: *bin, then, otherwise } }
            }
        }
    }

    fn part(&self, rows: Vec<u32>, column: usize, bin: u8) -> (Vec<u32>, Vec<u32>) {
        let codes = &self.problem.columns[column].codes;
        rows.into_iter().partition(|&row| codes[row as usize] <= bin)
    }

    /// A tree of at most `depth` tests for the rows, with its summed value; the `width` best columns are each followed to
    /// the end, the best end wins.
    fn grow(&self, set: Mask, values: &Values, rows: Vec<u32>, depth: usize, width: usize) -> (Tree, f64) {
        let count = values.actions.len();
        let totals = values.totals(&rows);
        let best = best_of(&totals);
        let mut result = (Tree::Leaf(best), totals[best]);
        if depth == 0 || rows.len() < self.problem.min_leaf.saturating_mul(2) || count < 2 {
            return result;
        }
        let mut splits = Vec::new();
        for (c, column) in self.problem.columns.iter().enumerate() {
            let readable = column.needs.without(set).is_empty() && (self.with_features || !column.is_feature);
            if readable && let Some((bin, value)) = self.best_cut(column, values, &rows, &totals) {
                splits.push((value, c, bin));
            }
        }
        splits.sort_by(|a, b| b.0.total_cmp(&a.0));
        for &(_, column, bin) in splits.iter().take(width) {
            let (low, high) = self.part(rows.clone(), column, bin);
            if !self.pays(values, &low, &high, best) {
                continue;
            }
            let (then, low_value) = self.grow(set, values, low, depth - 1, 1);
            let (otherwise, high_value) = self.grow(set, values, high, depth - 1, 1);
            if low_value + high_value > result.1 {
                result = (Tree::Split { column, bin, sides: Box::new([then, otherwise]) }, low_value + high_value);
            }
        }
        result
    }

    /// The cut of a column with the largest summed value of the best action on either side, averaged over the cuts beside
    /// it: rewards of 0 and 1 make the value of single cuts jump, and the highest jump is luck.
    fn best_cut(&self, column: &Binned, values: &Values, rows: &[u32], totals: &[f64]) -> Option<(u8, f64)> {
        let count = values.actions.len();
        let bins = column.cuts.len() + 1;
        let mut sums = vec![0.0_f64; bins * count];
        let mut sizes = vec![0_usize; bins];
        for &row in rows {
            let bin = usize::from(column.codes[row as usize]);
            sizes[bin] += 1;
            let from = &values.values[row as usize * count..][..count];
            for (sum, &value) in sums[bin * count..][..count].iter_mut().zip(from) {
                *sum += f64::from(value);
            }
        }
        let mut left = vec![0.0_f64; count];
        let mut seen = 0;
        let mut cuts: Vec<(u8, f64)> = Vec::new();
        for bin in 0..bins - 1 {
            seen += sizes[bin];
            for (l, s) in left.iter_mut().zip(&sums[bin * count..]) {
                *l += s;
            }
            if sizes[bin] == 0 || seen < self.problem.min_leaf || rows.len() - seen < self.problem.min_leaf {
                continue;
            }
            let low = left.iter().copied().fold(f64::MIN, f64::max);
            let high = left.iter().zip(totals).map(|(l, t)| t - l).fold(f64::MIN, f64::max);
            cuts.push((bin as u8, low + high));
        }
        let smooth = |at: usize| {
            let near = &cuts[at.saturating_sub(SMOOTHING)..cuts.len().min(at + SMOOTHING + 1)];
            near.iter().map(|c| c.1).sum::<f64>() / near.len() as f64
        };
        let mut best: Option<(u8, f64)> = None;
        for (at, cut) in cuts.iter().enumerate() {
            let value = smooth(at);
            if best.is_none_or(|b| value > b.1) {
                best = Some((cut.0, value));
            }
        }
        best
    }

    /// Whether a split gains more than noise would: the sum of per-row gains over the one best action, against the
    /// standard error of that sum.
    fn pays(&self, values: &Values, low: &[u32], high: &[u32], best: usize) -> bool {
        let (mut gain, mut square) = (0.0, 0.0);
        for side in [low, high] {
            let here = best_of(&values.totals(side));
            if here != best {
                for &row in side {
                    let d = values.at(row, here) - values.at(row, best);
                    gain += d;
                    square += d * d;
                }
            }
        }
        gain > 0.0 && gain >= self.problem.significance * square.sqrt()
    }
}

/// The first action of the largest total.
fn best_of(totals: &[f64]) -> usize {
    let mut best = 0;
    for (a, total) in totals.iter().enumerate() {
        if *total > totals[best] {
            best = a;
        }
    }
    best
}

impl Plan {
    /// The plan that runs one candidate and answers with it.
    pub(super) fn single(candidate: CandidateId) -> Plan {
        Plan::Run { candidate, next: Box::new(Plan::Answer(candidate)) }
    }

    fn reads_features(&self, columns: &[Binned]) -> bool {
        match self {
            Plan::Test { column, then, otherwise, .. } => {
                columns[*column].is_feature || then.reads_features(columns) || otherwise.reads_features(columns)
            }
            Plan::Run { next, .. } => next.reads_features(columns),
            Plan::Answer(_) => false,
        }
    }

    /// Columns that any test reads, ascending.
    pub(super) fn columns(&self, into: &mut Vec<usize>) {
        match self {
            Plan::Test { column, then, otherwise, .. } => {
                into.push(*column);
                then.columns(into);
                otherwise.columns(into);
            }
            Plan::Run { next, .. } => next.columns(into),
            Plan::Answer(_) => {}
        }
        into.sort_unstable();
        into.dedup();
    }

    /// Writes the plan as nodes, parents first; `place` gives each column's place among the program's signals.
    pub(super) fn flatten(&self, columns: &[Binned], place: &dyn Fn(usize) -> SignalId, nodes: &mut Vec<Node>) {
        let at = nodes.len();
        match self {
            Plan::Test { column, bin, then, otherwise } => {
                let (signal, cut) = (place(*column), columns[*column].cuts[usize::from(*bin)]);
                nodes.push(Node::test(signal, cut, 0, 0));
                then.flatten(columns, place, nodes);
                let second = nodes.len() as u16;
                otherwise.flatten(columns, place, nodes);
                nodes[at] = Node::test(signal, cut, at as u16 + 1, second);
            }
            Plan::Run { candidate, next } => {
                nodes.push(Node::run(*candidate, at as u16 + 1));
                next.flatten(columns, place, nodes);
            }
            Plan::Answer(candidate) => nodes.push(Node::answer(*candidate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_part_values_as_codes_do() {
        let mut rng = Rng::new(3);
        for distinct in [1_u64, 2, 5, 127, 128, 129, 1000, 1 << 40] {
            let values: Vec<f32> = (0..3000).map(|_| (rng.next_u64() % distinct) as f32 * 1.37e-9).collect();
            let binned = Binned::new(&values, Mask::EMPTY, false);
            assert!(binned.cuts.len() < BINS && binned.cuts.windows(2).all(|w| w[0] < w[1]));
            for (value, &code) in values.iter().zip(&binned.codes) {
                for (b, cut) in binned.cuts.iter().enumerate() {
                    assert_eq!(usize::from(code) <= b, value <= cut, "{distinct} distinct values");
                }
            }
        }
    }
}
