//! The trainer's core: which program maximises mean reward − λ · mean cost on a table?
//!
//! A *state* is the set of candidates that ran. In a state, a *policy* cuts one signal that exists there into intervals; what
//! follows on each is an *action*: answer, or run another candidate. The value of an action on a row is known once the policies
//! of the larger states are: so states are solved from the largest down (backward induction), and the program is then read off
//! from the empty state up.
//!
//! ```text
//! for set in the states, largest first:
//!     value(answer)            = reward of the set's average, or of one of its members
//!     value(run k not in set)  = V[set + k] − λ · cost[k]
//!     for each signal: choose() on all folds but one, judged on that one; the best signal wins
//!     V[set] = values of what was chosen by the folds that a row is not in
//!     policy[set] = choose() on all rows
//! ```
//! Valuing a row by a choice that has not seen it keeps the search from believing in noise.

use std::collections::HashMap;
use std::sync::Arc;

use trt_select_premodel::{Answer, CandidateId, Mask, Node, SignalId};

use super::bins::{Binned, Class};
use super::smooth::{Choice, Curve, Sums, best_of, choose};
use super::stats::Rng;

/// Folds inside a training run, for valuing states.
const INNER_FOLDS: usize = 3;

/// Image features are read before this many candidates ran: what an image looks like says little once two networks have
/// seen it, and there are many features.
const FEATURE_STATES: u32 = 2;

/// What means of bins must gain over a smooth curve, in reward per row.
const STEP_GAIN: f64 = 0.005;

/// The average of a set: its answer and what that is worth, by row.
#[derive(Clone, Debug)]
pub(super) struct Averaged {
    pub(super) classes: Arc<Vec<u32>>,
    pub(super) rewards: Arc<Vec<f32>>,
}

/// The table in the form that the search reads.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) rows: usize,
    /// By candidate, then row.
    pub(super) rewards: Arc<Vec<Vec<f32>>>,
    /// Rewards of the averages of sets of two and more, by set, then row; empty where the profile cannot tell.
    pub(super) averages: HashMap<Mask, Averaged>,
    pub(super) costs: Vec<f64>,
    pub(super) features_cost: f64,
    /// Columns; those of averages exist in the state of their very set.
    pub(super) columns: Vec<Arc<Binned>>,
    /// From which column on they are those of averages.
    pub(super) first_average: usize,
    /// States that may be entered; with each, all that lead to it.
    pub(super) states: Vec<Mask>,
    /// Most tests in a row between two runs.
    pub(super) tests: usize,
    pub(super) min_leaf: usize,
    /// What is no confidence must gain this many standard errors.
    pub(super) significance: f64,
}

/// A program as a tree of boxes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// The parts of a signal's range, from low to high: part `i` ends with bin `cuts[i]`.
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

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Answer(Answer),
    Run(CandidateId),
}

/// What a state does.
#[derive(Clone, Debug)]
enum Tree {
    Leaf(usize),
    Test { column: usize, choice: Choice, parts: Vec<Tree> },
}

/// The actions of a state and their values, row by row.
struct Values {
    actions: Vec<Action>,
    /// `values[row · actions + action]`.
    values: Vec<f32>,
}

impl Values {
    fn of(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.actions.len()..][..self.actions.len()]
    }
}

/// Sums by inner fold, and what each fold's complement chooses.
#[derive(Clone)]
struct Trial {
    column: usize,
    curve: Curve,
    /// By fold left out.
    choices: Vec<Choice>,
    /// Summed values of the choices on the folds that they did not see.
    value: f64,
}

/// One training run: a problem, a price, and whether image features may be read.
struct Search<'a> {
    problem: &'a Problem,
    rows: &'a [u32],
    /// The inner fold of each of `rows`.
    folds: Vec<u8>,
    lambda: f64,
    with_features: bool,
    /// Value of each solved state on each of the problem's rows.
    solved: HashMap<Mask, Vec<f32>>,
    policies: HashMap<Mask, (Vec<Action>, Tree)>,
}

impl Problem {
    /// The best program found for the rows and the price, by the better of two searches: with and without image features,
    /// whose cost is paid on every row once any test reads one.
    pub(super) fn train(&self, rows: &[u32], lambda: f64, seed: u64) -> Plan {
        let mut rng = Rng::new(seed);
        let folds = rows.iter().map(|_| rng.below(INNER_FOLDS) as u8).collect();
        let (solved, policies) = (HashMap::new(), HashMap::new());
        let mut search = Search { problem: self, rows, folds, lambda, with_features: false, solved, policies };
        search.solve(|_| true);
        let plain_value = search.value();
        let plain = search.plan(Mask::EMPTY);
        if !self.columns.iter().any(|c| c.class == Class::Feature) {
            return plain;
        }
        search.with_features = true;
        search.solve(|set| set.len() < FEATURE_STATES);
        let rich = search.plan(Mask::EMPTY);
        if rich.reads_features(&self.columns) && search.value() - lambda * self.features_cost > plain_value {
            rich
        } else {
            plain
        }
    }

    /// Answer and cost of a plan on a row.
    pub(super) fn outcome(&self, plan: &Plan, row: usize) -> (Answer, f64) {
        let mut cost = if plan.reads_features(&self.columns) { self.features_cost } else { 0.0 };
        let mut at = plan;
        loop {
            match at {
                Plan::Test { column, cuts, parts } => {
                    let code = self.columns[*column].codes[row];
                    at = &parts[cuts.partition_point(|&c| c < code)];
                }
                Plan::Run { candidate, next } => {
                    cost += self.costs[candidate.index()];
                    at = next;
                }
                Plan::Answer(answer) => return (*answer, cost),
            }
        }
    }

    fn rewards_of(&self, answer: Answer) -> &[f32] {
        match answer {
            Answer::Candidate(c) => &self.rewards[c.index()],
            Answer::Average(set) => &self.averages[&set].rewards,
        }
    }

    /// What can be done in a state: an average takes the place of its members' own answers.
    fn actions(&self, set: Mask) -> Vec<Action> {
        let mut actions: Vec<Action> = if self.averages.contains_key(&set) {
            vec![Action::Answer(Answer::Average(set))]
        } else {
            set.iter().map(|c| Action::Answer(Answer::Candidate(c))).collect()
        };
        // From cheap to dear: who ran a dear one learns little from a cheap one, and noise would often say otherwise.
        let dearest = set.iter().map(|c| self.costs[c.index()]).fold(0.0, f64::max);
        let others = (0..self.costs.len()).map(|c| CandidateId(c as u8)).filter(|&c| !set.has(c));
        let dearer = others.filter(|c| self.costs[c.index()] >= dearest);
        actions.extend(dearer.filter(|&c| self.states.contains(&set.with(c))).map(Action::Run));
        actions
    }

    /// The columns that a state's policy may cut.
    fn readable(&self, set: Mask, with_features: bool) -> impl Iterator<Item = usize> + '_ {
        let averages = self.first_average;
        self.columns.iter().enumerate().filter_map(move |(i, column)| {
            let there = if i < averages { column.needs.without(set).is_empty() } else { column.needs == set };
            let feature = column.class == Class::Feature;
            (there && column.bins() > 1 && (!feature || with_features && set.len() < FEATURE_STATES)).then_some(i)
        })
    }
}

impl Search<'_> {
    /// Solves those states, for which all larger ones are solved or among them.
    fn solve(&mut self, which: impl Fn(Mask) -> bool) {
        let mut sets: Vec<Mask> = self.problem.states.iter().copied().filter(|&set| which(set)).collect();
        sets.sort_by_key(|m| std::cmp::Reverse(m.len()));
        for set in sets {
            let values = self.values(set);
            let (tree, chosen) = self.policy(set, &values, self.rows, self.problem.tests, true);
            let mut column = vec![0.0_f32; self.problem.rows];
            for (&row, action) in self.rows.iter().zip(chosen) {
                column[row as usize] = values.of(row)[usize::from(action)];
            }
            self.solved.insert(set, column);
            self.policies.insert(set, (values.actions, tree));
        }
    }

    /// Mean value of the empty state, which is that of the program.
    fn value(&self) -> f64 {
        let root = &self.solved[&Mask::EMPTY];
        self.rows.iter().map(|&row| f64::from(root[row as usize])).sum::<f64>() / self.rows.len().max(1) as f64
    }

    fn values(&self, set: Mask) -> Values {
        let p = self.problem;
        let actions = p.actions(set);
        let mut values = vec![0.0_f32; p.rows * actions.len()];
        for (a, action) in actions.iter().enumerate() {
            let column = values[a..].iter_mut().step_by(actions.len());
            match *action {
                Action::Answer(answer) => column.zip(p.rewards_of(answer)).for_each(|(v, r)| *v = *r),
                Action::Run(c) => {
                    let price = (self.lambda * p.costs[c.index()]) as f32;
                    column.zip(&self.solved[&set.with(c)]).for_each(|(v, later)| *v = *later - price);
                }
            }
        }
        Values { actions, values }
    }

    /// The policy of a state for some of the rows, and for each of these the action taken by who had not seen it. `tests` is the
    /// number of tests in a row that may be spent; `first` says that no test was made in this state so far.
    fn policy(&self, set: Mask, values: &Values, rows: &[u32], tests: usize, first: bool) -> (Tree, Vec<u8>) {
        let folds = |i: usize| usize::from(self.folds[i]);
        let count = values.actions.len();
        // Rows are positions in `self.rows` where they are a part of it.
        let fold_of: Vec<usize> = if rows.len() == self.rows.len() {
            (0..rows.len()).map(folds).collect()
        } else {
            let place: HashMap<u32, usize> = self.rows.iter().enumerate().map(|(i, &r)| (r, i)).collect();
            rows.iter().map(|r| folds(place[r])).collect()
        };
        let constant = self.constant(values, rows, &fold_of);
        let mut best = constant;
        let mut chosen: Vec<u8> = fold_of.iter().map(|&f| best.choices[f].actions[0] as u8).collect();
        if tests > 0 && count > 1 && rows.len() >= 2 * self.problem.min_leaf {
            let intervals = 1 << tests.min(2);
            let (mut confident, mut stepped, mut others) = (Vec::new(), Vec::new(), Vec::new());
            for column in self.problem.readable(set, self.with_features) {
                let sums = self.sums(column, values, rows, &fold_of);
                let smooth = Search::judge(column, Curve::Smooth, &sums, intervals);
                if first && self.problem.columns[column].class == Class::Confidence {
                    confident.push(smooth);
                    stepped.push(Search::judge(column, Curve::Means, &sums, intervals));
                } else {
                    others.push(smooth);
                }
            }
            if let Some(trial) = confident.iter().max_by(|a, b| a.value.total_cmp(&b.value))
                && trial.value > best.value
            {
                chosen = self.taken(trial, rows, &fold_of);
                best = trial.clone();
            }
            // Means of bins follow steps that a smooth curve blurs, and noise too: they have to show which it is. Each state looks
            // for steps, so what was tried counts over all states; and a curve is left for a gain that is felt.
            let tried = stepped.len() * self.problem.states.len();
            let felt = best.value + STEP_GAIN * rows.len() as f64;
            stepped.retain(|t| t.value > felt);
            self.improve(&mut best, &mut chosen, tried, &stepped, values, rows, &fold_of);
            self.improve(&mut best, &mut chosen, others.len(), &others, values, rows, &fold_of);
        }
        if best.column == usize::MAX {
            let totals = self.totals(values, rows);
            return (Tree::Leaf(best_of(&totals)), chosen);
        }
        let column = &self.problem.columns[best.column];
        let mut sums = Sums::new(column.bins(), count);
        rows.iter().for_each(|&row| sums.add(usize::from(column.codes[row as usize]), values.of(row)));
        let intervals = 1 << tests.min(2);
        let choice = choose(&sums, intervals, best.curve);
        // Each interval may be parted once more by what tells more there.
        let spent = if choice.actions.len() > 2 { 2 } else { 1 };
        let mut parts: Vec<Tree> = choice.actions.iter().map(|&a| Tree::Leaf(a)).collect();
        if tests > spent {
            for (part, tree) in parts.iter_mut().enumerate() {
                let inside = |row: u32| choice.cuts.partition_point(|&c| c < column.codes[row as usize]) == part;
                let places: Vec<usize> = (0..rows.len()).filter(|&i| inside(rows[i])).collect();
                let some: Vec<u32> = places.iter().map(|&i| rows[i]).collect();
                let (deeper, taken) = self.policy(set, values, &some, tests - spent, false);
                if matches!(deeper, Tree::Test { .. }) {
                    *tree = deeper;
                    places.iter().zip(taken).for_each(|(&i, action)| chosen[i] = action);
                }
            }
        }
        (Tree::Test { column: best.column, choice, parts }, chosen)
    }

    /// Takes the best of further trials in place of what was chosen, where it shows that it is no luck: its gain must be so many
    /// standard errors of itself, the more so the more were tried (of m normal numbers the largest is near √(2 ln m)); the
    /// largest gains are looked at.
    #[expect(clippy::too_many_arguments, reason = "what was chosen, what is tried, and on what")]
    fn improve(
        &self,
        best: &mut Trial,
        chosen: &mut Vec<u8>,
        tried: usize,
        trials: &[Trial],
        values: &Values,
        rows: &[u32],
        fold_of: &[usize],
    ) {
        let needed = (self.problem.significance.powi(2) + 2.0 * (tried.max(1) as f64).ln()).sqrt();
        let mut better: Vec<&Trial> = trials.iter().filter(|t| t.value > best.value).collect();
        better.sort_by(|a, b| b.value.total_cmp(&a.value));
        for trial in better.into_iter().take(3) {
            let taken = self.taken(trial, rows, fold_of);
            let mut square = 0.0;
            for ((&row, &new), &old) in rows.iter().zip(&taken).zip(chosen.iter()) {
                let of = values.of(row);
                square += f64::from(of[usize::from(new)] - of[usize::from(old)]).powi(2);
            }
            if trial.value - best.value >= needed * square.sqrt() {
                *chosen = taken;
                *best = trial.clone();
                return;
            }
        }
    }

    fn totals(&self, values: &Values, rows: &[u32]) -> Vec<f64> {
        let mut totals = vec![0.0_f64; values.actions.len()];
        for &row in rows {
            totals.iter_mut().zip(values.of(row)).for_each(|(t, &v)| *t += f64::from(v));
        }
        totals
    }

    /// Always the same action, judged as signals are.
    fn constant(&self, values: &Values, rows: &[u32], fold_of: &[usize]) -> Trial {
        let mut sums: Vec<Sums> = (0..INNER_FOLDS).map(|_| Sums::new(1, values.actions.len())).collect();
        rows.iter().zip(fold_of).for_each(|(&row, &fold)| sums[fold].add(0, values.of(row)));
        Search::judge(usize::MAX, Curve::Smooth, &sums, 1)
    }

    /// A column's sums, by fold.
    fn sums(&self, column: usize, values: &Values, rows: &[u32], fold_of: &[usize]) -> Vec<Sums> {
        let binned = &self.problem.columns[column];
        let mut sums: Vec<Sums> = (0..INNER_FOLDS).map(|_| Sums::new(binned.bins(), values.actions.len())).collect();
        for (&row, &fold) in rows.iter().zip(fold_of) {
            sums[fold].add(usize::from(binned.codes[row as usize]), values.of(row));
        }
        sums
    }

    /// Chooses on all folds but one, for each one, and adds up what the choices are worth on the fold left out.
    fn judge(column: usize, curve: Curve, folds: &[Sums], intervals: usize) -> Trial {
        let mut all = Sums::new(folds[0].counts.len(), folds[0].actions);
        folds.iter().for_each(|sums| all.add_all(sums, 1.0));
        let (mut choices, mut value) = (Vec::new(), 0.0);
        for left_out in folds {
            let mut seen = all.clone();
            seen.add_all(left_out, -1.0);
            let choice = choose(&seen, intervals, curve);
            value += (0..left_out.counts.len()).map(|b| left_out.at(b, choice.action(b as u8))).sum::<f64>();
            choices.push(choice);
        }
        Trial { column, curve, choices, value }
    }

    fn taken(&self, trial: &Trial, rows: &[u32], fold_of: &[usize]) -> Vec<u8> {
        let codes = &self.problem.columns[trial.column].codes;
        rows.iter().zip(fold_of).map(|(&row, &fold)| trial.choices[fold].action(codes[row as usize]) as u8).collect()
    }

    /// The program from a state on.
    fn plan(&self, set: Mask) -> Plan {
        let (actions, tree) = &self.policies[&set];
        self.expand(set, actions, tree)
    }

    fn expand(&self, set: Mask, actions: &[Action], tree: &Tree) -> Plan {
        match tree {
            Tree::Leaf(action) => match actions[*action] {
                Action::Answer(answer) => Plan::Answer(answer),
                Action::Run(c) => Plan::Run { candidate: c, next: Box::new(self.plan(set.with(c))) },
            },
            Tree::Test { column, choice, parts } => {
                let (mut cuts, mut plans) = (Vec::new(), Vec::<Plan>::new());
                for (i, part) in parts.iter().enumerate() {
                    // A part that is parted once more along the same signal is parts of this test.
                    let (inner, deeper) = match self.expand(set, actions, part) {
                        Plan::Test { column: same, cuts, parts } if same == *column => (cuts, parts),
                        plan => (vec![], vec![plan]),
                    };
                    let ends = inner.into_iter().map(Some).chain([choice.cuts.get(i).copied()]);
                    for (plan, end) in deeper.into_iter().zip(ends) {
                        // Neighbours that do the same are one.
                        if plans.last() == Some(&plan) {
                            cuts.pop();
                        } else {
                            plans.push(plan);
                        }
                        cuts.extend(end);
                    }
                }
                if plans.len() == 1 { plans.remove(0) } else { Plan::Test { column: *column, cuts, parts: plans } }
            }
        }
    }
}

impl Plan {
    /// The plan that runs one candidate and answers with it.
    pub(super) fn single(candidate: CandidateId) -> Plan {
        Plan::Run { candidate, next: Box::new(Plan::Answer(Answer::Candidate(candidate))) }
    }

    fn reads_features(&self, columns: &[Arc<Binned>]) -> bool {
        let mut used = Vec::new();
        self.columns(&mut used);
        used.iter().any(|&c| columns[c].class == Class::Feature)
    }

    /// Columns that any test reads, ascending.
    pub(super) fn columns(&self, into: &mut Vec<usize>) {
        match self {
            Plan::Test { column, parts, .. } => {
                into.push(*column);
                parts.iter().for_each(|p| p.columns(into));
            }
            Plan::Run { next, .. } => next.columns(into),
            Plan::Answer(_) => {}
        }
        into.sort_unstable();
        into.dedup();
    }

    /// Sets whose average answers.
    pub(super) fn averages(&self, into: &mut Vec<Mask>) {
        match self {
            Plan::Test { parts, .. } => parts.iter().for_each(|p| p.averages(into)),
            Plan::Run { next, .. } => next.averages(into),
            Plan::Answer(Answer::Average(set)) => into.push(*set),
            Plan::Answer(_) => {}
        }
        into.sort_unstable();
        into.dedup();
    }

    /// The states that the plan enters, of those rows that get there.
    pub(super) fn states(&self, set: Mask, into: &mut Vec<Mask>) {
        into.push(set);
        match self {
            Plan::Test { parts, .. } => parts.iter().for_each(|p| p.states(set, into)),
            Plan::Run { candidate, next } => next.states(set.with(*candidate), into),
            Plan::Answer(_) => {}
        }
        into.sort_unstable();
        into.dedup();
    }

    /// Writes the plan as nodes, parents first; `place` gives each column's place among the program's signals.
    pub(super) fn flatten(&self, columns: &[Arc<Binned>], place: &dyn Fn(usize) -> SignalId, nodes: &mut Vec<Node>) {
        match self {
            Plan::Test { column, cuts, parts } => Plan::part(*column, cuts, parts, columns, place, nodes),
            Plan::Run { candidate, next } => {
                let at = nodes.len();
                nodes.push(Node::run(*candidate, at as u16 + 1));
                next.flatten(columns, place, nodes);
            }
            Plan::Answer(Answer::Candidate(candidate)) => nodes.push(Node::answer(*candidate)),
            Plan::Answer(Answer::Average(set)) => nodes.push(Node::average(*set)),
        }
    }

    /// Intervals as a balanced tree of tests.
    fn part(
        column: usize,
        cuts: &[u8],
        parts: &[Plan],
        columns: &[Arc<Binned>],
        place: &dyn Fn(usize) -> SignalId,
        nodes: &mut Vec<Node>,
    ) {
        if let [only] = parts {
            return only.flatten(columns, place, nodes);
        }
        let middle = cuts.len() / 2;
        let (signal, cut) = (place(column), columns[column].cuts[usize::from(cuts[middle])]);
        let at = nodes.len();
        nodes.push(Node::test(signal, cut, 0, 0));
        Plan::part(column, &cuts[..middle], &parts[..=middle], columns, place, nodes);
        let second = nodes.len() as u16;
        Plan::part(column, &cuts[middle + 1..], &parts[middle + 1..], columns, place, nodes);
        nodes[at] = Node::test(signal, cut, at as u16 + 1, second);
    }
}
