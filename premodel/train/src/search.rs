//! The trainer's core: which program has the largest mean reward − price · mean cost on a table?
//!
//! A *state* is the set of candidates that ran. In a state, a *policy* cuts the range of one signal that exists there into
//! intervals, and takes an *action* on each: answer, or run another candidate. What an action is worth on a row is known once the
//! policies of the larger states are. So states are solved from the largest down (backward induction), and the program is
//! then put together from the empty state up.
//!
//! ```text
//! for each state, those of most candidates first:
//!     value(answer)              = reward of the state's average, or of one of its candidates
//!     value(run k not in state)  = V[state + k] − price · cost[k]
//!     for each signal: choose intervals on all folds but one, add up their value on that one; the best signal wins
//!     V[state]      = for each row the value of what the other folds chose for it
//!     policy[state] = intervals of the best signal, chosen on all rows
//! ```
//! A row is valued by a choice that was made without it, so that the search does not take noise for a gain.
//!
//! Along a signal that says how sure the candidates are, actions only go from dearer ones to cheaper ones: whoever escalates at some
//! confidence escalates at every lower one. That costs nothing, and what breaks it is noise. Image features and the user's own signals
//! are free of it.

use std::collections::HashMap;
use std::ops::Range;

use trt_select_base::random::Rng;
use trt_select_premodel::{CandidateId, Mask};

use super::bins::{Direction, SignalClass};
use super::curve::{Curve, Intervals, Shape, Sums, best_intervals, largest};
use super::plan::Plan;
use super::problem::{Action, FEATURE_STATES, Problem};
use super::row_set::RowSet;
use super::tree::{Builder, Solved, Tree};

/// Folds inside a training run, for valuing states.
const INNER_FOLDS: usize = 3;

/// What the means of bins must gain over a smooth curve, in reward per row, before they are believed.
const STEP_GAIN: f64 = 0.005;

/// So many of the largest gains are tested for significance.
const TESTED_GAINS: usize = 3;

/// A state with what can be done in it, and what each action is worth on each row of the table.
struct State {
    set: Mask,
    actions: Vec<Action>,
    /// How dear each action is, ascending: see [`Problem::ranks`].
    ranks: Vec<u8>,
    /// `values[row · actions + action]`.
    values: Vec<f32>,
}

impl State {
    /// The values of all actions on a row.
    fn of(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.actions.len()..][..self.actions.len()]
    }
}

/// One signal tried in a state.
#[derive(Clone)]
struct Trial {
    /// The signal's column; `None` for always the same action.
    column: Option<usize>,
    curve: Curve,
    /// By fold: what the other folds choose.
    chosen: Vec<Intervals>,
    /// Summed over all folds: what is chosen without a fold, valued on that fold.
    value: f64,
}

/// The best trial so far.
struct Best {
    trial: Trial,
    /// By place in the row set: the action that the trial takes on a row, chosen by the other folds.
    taken: Vec<u8>,
}

/// A solved state.
struct Policy {
    tree: Tree,
    /// By place in the row set: the action taken on a row, chosen by the other folds.
    taken: Vec<u8>,
}

/// Where in a state a policy is looked for.
struct Place<'a> {
    state: &'a State,
    rows: &'a RowSet,
    /// The actions that may be taken. What is found names an action by its place in this range.
    actions: Range<usize>,
    /// How many tests may still follow each other.
    tests: usize,
    /// Whether no test was made in this state so far.
    first: bool,
}

impl Place<'_> {
    /// How many intervals the next test may make: two for one test in a row, four for two.
    fn intervals(&self) -> usize {
        1 << self.tests.min(2)
    }

    /// The values of the actions that may be taken on a row.
    fn of(&self, row: u32) -> &[f32] {
        &self.state.of(row)[self.actions.clone()]
    }

    /// How dear these actions are.
    fn ranks(&self) -> &[u8] {
        &self.state.ranks[self.actions.clone()]
    }

    /// Sums of each action's values over the rows.
    fn totals(&self, problem: &Problem) -> Vec<f64> {
        let mut totals = vec![0.0_f64; self.actions.len()];
        for &row in self.rows.rows() {
            let weight = problem.weight(row);
            totals.iter_mut().zip(self.of(row)).for_each(|(total, &value)| *total += weight * f64::from(value));
        }
        totals
    }

    /// How a column may be cut here.
    fn shape(&self, direction: Direction) -> Shape<'_> {
        Shape { most: self.intervals(), direction, ranks: self.ranks() }
    }
}

/// One training run: a problem, a price, and whether image features may be read.
struct Search<'a> {
    problem: &'a Problem,
    rows: RowSet,
    price: f64,
    with_features: bool,
    /// Value of each solved state on each of the problem's rows.
    solved: HashMap<Mask, Vec<f32>>,
    policies: HashMap<Mask, Solved>,
}

/// The best program that was found for some rows and a price, in reward per unit of cost. It is the better one of two searches,
/// with and without image features: once a test reads one, their cost is paid on every row.
pub(super) fn best_plan(problem: &Problem, rows: &[u32], price: f64, seed: u64) -> Plan {
    let rows = RowSet::dealt(rows, INNER_FOLDS, &mut Rng::new(seed));
    let mut search = Search::new(problem, rows.clone(), price);
    search.solve(|_| true);
    let plain_value = search.value();
    let plain = search.plan();
    if !problem.columns.iter().any(|c| c.class == SignalClass::Feature) {
        return plain;
    }
    let narrower = problem.beside_features();
    if let Some(narrower) = &narrower {
        if !narrower.may_run() {
            return plain;
        }
        // Every state may have counted on one that features leave no room for.
        search = Search::new(narrower, rows, price);
        search.solve(|set| set.len() >= FEATURE_STATES);
    }
    search.with_features = true;
    search.solve(|set| set.len() < FEATURE_STATES);
    let rich = search.plan();
    if rich.reads_features(&problem.columns) && search.value() - price * problem.features_cost > plain_value {
        rich
    } else {
        plain
    }
}

impl<'a> Search<'a> {
    fn new(problem: &'a Problem, rows: RowSet, price: f64) -> Search<'a> {
        Search { problem, rows, price, with_features: false, solved: HashMap::new(), policies: HashMap::new() }
    }

    /// Solves the states of which `which` says yes, those of most candidates first. A state that is one candidate larger must
    /// be among them or have been solved before.
    fn solve(&mut self, which: impl Fn(Mask) -> bool) {
        let mut sets: Vec<Mask> = self.problem.states.iter().copied().filter(|&set| which(set)).collect();
        sets.sort_by_key(|m| std::cmp::Reverse(m.len()));
        for set in sets {
            let state = self.state(set);
            let actions = 0..state.actions.len();
            let place = Place { state: &state, rows: &self.rows, actions, tests: self.problem.tests, first: true };
            let policy = self.policy(&place);
            let mut column = vec![0.0_f32; self.problem.rows];
            let mut taken = vec![0; self.problem.rows];
            for (&row, action) in self.rows.rows().iter().zip(policy.taken) {
                column[row as usize] = state.of(row)[usize::from(action)];
                taken[row as usize] = action;
            }
            self.solved.insert(set, column);
            self.policies.insert(set, Solved { actions: state.actions, tree: policy.tree, taken });
        }
    }

    /// What an action in a state is worth on a row.
    fn value_of(&self, set: Mask, action: Action, row: u32) -> f32 {
        match action {
            Action::Answer(answer) => self.problem.rewards_of(answer)[row as usize],
            Action::Run(c) => self.solved[&set.with(c)][row as usize] - self.paid(c),
        }
    }

    /// What a run of a candidate takes away.
    fn paid(&self, candidate: CandidateId) -> f32 {
        (self.price * self.problem.costs[candidate.index()]) as f32
    }

    /// Mean value of the empty state, which is that of the program.
    fn value(&self) -> f64 {
        let (root, mut sum, mut counted) = (&self.solved[&Mask::EMPTY], 0.0, 0.0);
        for &row in self.rows.rows() {
            let weight = self.problem.weight(row);
            sum += weight * f64::from(root[row as usize]);
            counted += weight;
        }
        if counted > 0.0 { sum / counted } else { 0.0 }
    }

    /// What can be done in a state, and what that is worth.
    fn state(&self, set: Mask) -> State {
        let problem = self.problem;
        let actions = problem.actions(set);
        let mut values = vec![0.0_f32; problem.rows * actions.len()];
        for (a, action) in actions.iter().enumerate() {
            let column = values[a..].iter_mut().step_by(actions.len());
            match *action {
                Action::Answer(answer) => {
                    column.zip(problem.rewards_of(answer)).for_each(|(value, reward)| *value = *reward);
                }
                Action::Run(c) => {
                    let paid = self.paid(c);
                    column.zip(&self.solved[&set.with(c)]).for_each(|(value, later)| *value = *later - paid);
                }
            }
        }
        State { set, ranks: problem.ranks(&actions), actions, values }
    }

    /// The policy at a place, and for each row the action that the other folds choose.
    fn policy(&self, place: &Place<'_>) -> Policy {
        let best = self.best(place);
        match best.trial.column {
            None => Policy { tree: Tree::Leaf(largest(&place.totals(self.problem))), taken: best.taken },
            Some(column) => self.cut(place, column, best),
        }
    }

    /// The best of all signals that can be read at a place, or always the same action.
    fn best(&self, place: &Place<'_>) -> Best {
        let (state, rows) = (place.state, place.rows);
        let trial = constant(place, self.problem);
        let taken = rows.iter().map(|row| trial.chosen[row.fold].actions[0] as u8).collect();
        let mut best = Best { trial, taken };
        if place.tests == 0 || place.actions.len() < 2 || rows.len() < 2 * self.problem.min_leaf {
            return best;
        }
        let (mut confidences, mut steps, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for column in self.problem.readable(state.set, self.with_features) {
            let sums = self.sums(column, place);
            let shape = place.shape(self.problem.columns[column].direction);
            let smooth = tried(Some(column), Curve::Smooth, &sums, shape);
            if place.first && self.problem.columns[column].class == SignalClass::Confidence {
                confidences.push(smooth);
                steps.push(tried(Some(column), Curve::Means, &sums, shape));
            } else {
                others.push(smooth);
            }
        }
        if let Some(trial) = confidences.iter().max_by(|a, b| a.value.total_cmp(&b.value))
            && trial.value > best.trial.value
        {
            best = Best { taken: self.taken(trial, rows), trial: trial.clone() };
        }
        // The means of bins can follow a step, which a smooth curve blurs; but they follow noise as well. So they are taken only
        // where their gain over the smooth curve is both large and significant. Every state looks for steps, so the
        // number of trials is that over all states.
        let counted: f64 = rows.rows().iter().map(|&row| self.problem.weight(row)).sum();
        let trials = steps.len() * self.problem.states.len();
        let needed = best.trial.value + STEP_GAIN * counted;
        steps.retain(|t| t.value > needed);
        self.improve(&mut best, trials, &steps, place);
        self.improve(&mut best, others.len(), &others, place);
        best
    }

    /// The tree of a test of the best trial's signal, and below it further tests where they are allowed and worth it.
    fn cut(&self, place: &Place<'_>, column_number: usize, best: Best) -> Policy {
        let (state, rows, mut taken) = (place.state, place.rows, best.taken);
        let column = &self.problem.columns[column_number];
        let mut sums = Sums::new(column.bins(), place.actions.len());
        for &row in rows.rows() {
            sums.add(usize::from(column.codes[row as usize]), self.problem.weight(row), place.of(row));
        }
        let intervals = best_intervals(&sums, place.shape(column.direction), best.trial.curve);
        let mut parts: Vec<Tree> = intervals.actions.iter().map(|&a| Tree::Leaf(a)).collect();
        // More than two intervals are two tests in a row. What is left over may cut each interval by another signal.
        let spent = if intervals.actions.len() > 2 { 2 } else { 1 };
        if place.tests > spent {
            for part in unsure_first(parts.len(), column.direction) {
                let is_inside = |row: u32| intervals.place(column.codes[row as usize]) == part;
                let places: Vec<usize> = (0..rows.len()).filter(|&i| is_inside(rows.rows()[i])).collect();
                let inside = rows.at(&places);
                let may = allowed(&parts, part, column.direction, place.ranks());
                let actions = place.actions.start + may.start..place.actions.start + may.end;
                let tests = place.tests - spent;
                let deeper = self.policy(&Place { state, rows: &inside, actions, tests, first: false });
                if matches!(deeper.tree, Tree::Test { .. }) {
                    parts[part] = deeper.tree.shifted(may.start);
                    places.iter().zip(deeper.taken).for_each(|(&i, action)| taken[i] = action + may.start as u8);
                }
            }
        }
        Policy { tree: Tree::Test { column: column_number, intervals, parts }, taken }
    }

    /// Takes one of further trials in place of the best so far, where its gain is no luck: the gain must be so many
    /// standard errors of itself, and the more, the more trials there were (the largest of m normal numbers is near √(2 ln m)).
    fn improve(&self, best: &mut Best, tried: usize, trials: &[Trial], place: &Place<'_>) {
        let needed = (self.problem.significance.powi(2) + 2.0 * (tried.max(1) as f64).ln()).sqrt();
        let mut better: Vec<&Trial> = trials.iter().filter(|t| t.value > best.trial.value).collect();
        better.sort_by(|a, b| b.value.total_cmp(&a.value));
        for trial in better.into_iter().take(TESTED_GAINS) {
            let taken = self.taken(trial, place.rows);
            let mut square = 0.0;
            for ((&row, &new), &old) in place.rows.rows().iter().zip(&taken).zip(&best.taken) {
                let values = place.of(row);
                let gain = f64::from(values[usize::from(new)] - values[usize::from(old)]);
                square += (self.problem.weight(row) * gain).powi(2);
            }
            if trial.value - best.trial.value >= needed * square.sqrt() {
                *best = Best { trial: trial.clone(), taken };
                return;
            }
        }
    }

    /// Sums of a column's bins, by fold.
    fn sums(&self, column: usize, place: &Place<'_>) -> Vec<Sums> {
        let binned = &self.problem.columns[column];
        let mut sums = vec![Sums::new(binned.bins(), place.actions.len()); INNER_FOLDS];
        for row in place.rows.iter() {
            let weight = self.problem.weight(row.row);
            sums[row.fold].add(usize::from(binned.codes[row.row as usize]), weight, place.of(row.row));
        }
        sums
    }

    /// The action that a trial's signal gives each row, chosen by the other folds.
    fn taken(&self, trial: &Trial, rows: &RowSet) -> Vec<u8> {
        let codes = trial.column.map(|column| &self.problem.columns[column].codes);
        let code = |row: u32| codes.map_or(0, |codes| codes[row as usize]);
        rows.iter().map(|row| trial.chosen[row.fold].action(code(row.row)) as u8).collect()
    }

    /// The program.
    fn plan(&self) -> Plan {
        self.built(|builder, rows| builder.plan(Mask::EMPTY, rows))
    }

    fn built<T>(&self, build: impl FnOnce(Builder<'_>, &[u32]) -> T) -> T {
        let value = |set, action, row| self.value_of(set, action, row);
        let builder = Builder { problem: self.problem, policies: &self.policies, value: &value, prunes: true };
        build(builder, self.rows.rows())
    }
}

/// Always the same action, tried as signals are.
fn constant(place: &Place<'_>, problem: &Problem) -> Trial {
    let mut sums = vec![Sums::new(1, place.actions.len()); INNER_FOLDS];
    place.rows.iter().for_each(|row| sums[row.fold].add(0, problem.weight(row.row), place.of(row.row)));
    tried(None, Curve::Smooth, &sums, Shape { most: 1, ..place.shape(Direction::Free) })
}

/// The places of parts, those first in which what has run is least sure to be right.
fn unsure_first(parts: usize, direction: Direction) -> Vec<usize> {
    match direction {
        Direction::Falling => (0..parts).rev().collect(),
        Direction::Rising | Direction::Free => (0..parts).collect(),
    }
}

/// The actions that may be taken somewhere in a part: none dearer than any in the next part of less confidence, whose tests are made, and none
/// cheaper than that of the next part of more confidence. So actions keep their order whatever the tests inside the parts say.
fn allowed(parts: &[Tree], part: usize, direction: Direction, ranks: &[u8]) -> Range<usize> {
    let (unsurer, surer) = match direction {
        Direction::Free => return 0..ranks.len(),
        Direction::Rising => (part.checked_sub(1), part + 1),
        Direction::Falling => (Some(part + 1), part.wrapping_sub(1)),
    };
    let actions = |part: Option<usize>| part.and_then(|part| parts.get(part)).map(Tree::actions);
    let end = actions(unsurer).and_then(|below| below.into_iter().map(|action| ranks[action]).min());
    let start = actions(Some(surer)).and_then(|above| above.into_iter().map(|action| ranks[action]).max());
    let first = start.map_or(0, |rank| ranks.partition_point(|&r| r < rank));
    first..end.map_or(ranks.len(), |rank| ranks.partition_point(|&r| r <= rank))
}

/// For each fold, chooses intervals on all other folds, and adds up what they are worth on that fold.
fn tried(column: Option<usize>, curve: Curve, folds: &[Sums], shape: Shape<'_>) -> Trial {
    let mut all = Sums::new(folds[0].counts.len(), folds[0].actions);
    folds.iter().for_each(|sums| all.add_all(sums, 1.0));
    let (mut chosen, mut value) = (Vec::new(), 0.0);
    for left_out in folds {
        let mut others = all.clone();
        others.add_all(left_out, -1.0);
        let choice = best_intervals(&others, shape, curve);
        value += (0..left_out.counts.len()).map(|b| left_out.at(b, choice.action(b as u8))).sum::<f64>();
        chosen.push(choice);
    }
    Trial { column, curve, chosen, value }
}

#[cfg(test)]
mod tests;
