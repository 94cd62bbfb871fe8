//! The table in the form that the search reads: which states there are, what can be done in each, what it earns and costs.

use std::collections::HashMap;
use std::sync::Arc;

use trt_select_premodel::{Answer, CandidateId, Mask};

use super::bins::{Binned, SignalClass};
use super::plan::Plan;
use super::weights::Weights;

/// Image features are read before this many candidates ran: what an image looks like says little once two networks have
/// seen it, and there are many features.
pub(super) const FEATURE_STATES: u32 = 2;

/// The average of a set: its answer and what that is worth, by row.
#[derive(Clone, Debug)]
pub(super) struct Averaged {
    pub(super) classes: Arc<Vec<u32>>,
    pub(super) rewards: Arc<Vec<f32>>,
    /// Whether it earned less on the training rows than its dearest member alone, or no more.
    pub(super) loses: bool,
}

/// All that the search knows.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) rows: usize,
    /// How much each row counts: see [`Weights`]; `None` where all count alike.
    pub(super) weights: Option<Arc<Weights>>,
    /// By candidate, then row.
    pub(super) rewards: Arc<Vec<Vec<f32>>>,
    /// The averages of sets of two candidates and more; empty where the profile has no most probable classes.
    pub(super) averages: HashMap<Mask, Averaged>,
    pub(super) costs: Vec<f64>,
    pub(super) features_cost: f64,
    /// What all that one input runs may cost together, the features among them if they are read.
    pub(super) worst: Option<f64>,
    /// The signals. Those of an average can be read where exactly the candidates of its set have run; others where theirs have.
    pub(super) columns: Vec<Arc<Binned>>,
    /// From this column on they are those of averages.
    pub(super) first_average: usize,
    /// The sets of candidates that may have run at some point of a program. For each set, all subsets are here too.
    pub(super) states: Vec<Mask>,
    /// How many tests may follow each other between two runs.
    pub(super) tests: usize,
    /// A signal is tested only where at least twice so many rows come.
    pub(super) min_leaf: usize,
    /// How many standard errors of its gain a signal must gain that is no confidence.
    pub(super) significance: f64,
}

/// How a plan ended on a row.
pub(super) struct Ended {
    pub(super) answer: Answer,
    /// What was paid.
    pub(super) cost: f64,
    /// The candidates that ran.
    pub(super) ran: Mask,
}

/// What can be done in a state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    Answer(Answer),
    Run(CandidateId),
}

/// Whether the candidates of a set may all run for one input, which pays `besides` too. Where none runs nothing is paid.
pub(super) fn fits(set: Mask, costs: &[f64], besides: f64, worst: Option<f64>) -> bool {
    let cost = besides + set.iter().map(|c| costs[c.index()]).sum::<f64>();
    worst.is_none_or(|worst| set.is_empty() || cost <= worst)
}

impl Problem {
    /// What a plan costs on every row before any candidate runs: the features, if it reads one.
    pub(super) fn entry_cost(&self, plan: &Plan) -> f64 {
        if plan.reads_features(&self.columns) { self.features_cost } else { 0.0 }
    }

    /// The problem of programs that pay for the image features: of its states, those that leave room for them. `None` where all do.
    pub(super) fn beside_features(&self) -> Option<Problem> {
        let fits = |set: &Mask| fits(*set, &self.costs, self.features_cost, self.worst);
        let states: Vec<Mask> = self.states.iter().copied().filter(fits).collect();
        (states.len() < self.states.len()).then(|| Problem { states, ..self.clone() })
    }

    /// Whether any candidate may run.
    pub(super) fn may_run(&self) -> bool {
        self.states.iter().any(|set| !set.is_empty())
    }

    /// How much a row counts.
    pub(super) fn weight(&self, row: u32) -> f64 {
        Weights::in_table(self.weights.as_deref(), row as usize)
    }

    /// How a plan ends on a row. `entry_cost` is that of the plan.
    pub(super) fn outcome(&self, plan: &Plan, entry_cost: f64, row: usize) -> Ended {
        let (mut cost, mut ran) = (entry_cost, Mask::EMPTY);
        let mut at = plan;
        loop {
            match at {
                Plan::Test { column, cuts, parts } => {
                    let code = self.columns[*column].codes[row];
                    at = &parts[cuts.partition_point(|&c| c < code)];
                }
                Plan::Run { candidate, next } => {
                    cost += self.costs[candidate.index()];
                    ran = ran.with(*candidate);
                    at = next;
                }
                Plan::Answer(answer) => return Ended { answer: *answer, cost, ran },
            }
        }
    }

    /// What an answer is worth, by row.
    pub(super) fn rewards_of(&self, answer: Answer) -> &[f32] {
        match answer {
            Answer::Candidate(c) => &self.rewards[c.index()],
            Answer::Average(set) => &self.averages[&set].rewards,
        }
    }

    /// The answer of several candidates that ran: their average, or the dearest one alone where the average loses to it. `None` where there
    /// is no average.
    pub(super) fn averaged(&self, set: Mask) -> Option<Answer> {
        let average = self.averages.get(&set)?;
        let dearest = self.dearest(set).filter(|_| average.loses);
        Some(dearest.map_or(Answer::Average(set), Answer::Candidate))
    }

    /// Finds the averages that lose to their dearest member on these rows.
    pub(super) fn judge_averages(&mut self, rows: &[u32]) {
        let weights: Vec<f64> = rows.iter().map(|&row| self.weight(row)).collect();
        let sum = |rewards: &[f32]| {
            rows.iter().zip(&weights).map(|(&row, weight)| weight * f64::from(rewards[row as usize])).sum::<f64>()
        };
        let sets: Vec<Mask> = self.averages.keys().copied().collect();
        for set in sets {
            let alone = self.dearest(set).map_or(0.0, |c| sum(&self.rewards[c.index()]));
            if let Some(average) = self.averages.get_mut(&set) {
                average.loses = sum(&average.rewards) <= alone;
            }
        }
    }

    fn dearest(&self, set: Mask) -> Option<CandidateId> {
        set.iter().max_by(|a, b| self.costs[a.index()].total_cmp(&self.costs[b.index()]))
    }

    /// What can be done where a set of candidates has run: answers first, and then runs from the cheapest to the dearest.
    pub(super) fn actions(&self, set: Mask) -> Vec<Action> {
        let mut actions: Vec<Action> = match self.averaged(set) {
            Some(answer) => vec![Action::Answer(answer)],
            None => set.iter().map(|c| Action::Answer(Answer::Candidate(c))).collect(),
        };
        // Candidates run from cheap to dear. After a dear one a cheap one says little that is new, and noise would often make
        // it look worth its cost.
        let dearest = self.dearest(set).map_or(0.0, |c| self.costs[c.index()]);
        let others = (0..self.costs.len()).map(|c| CandidateId(c as u8)).filter(|&c| !set.has(c));
        let dearer = others.filter(|c| self.costs[c.index()] >= dearest);
        let mut runs: Vec<CandidateId> = dearer.filter(|&c| self.states.contains(&set.with(c))).collect();
        runs.sort_by(|a, b| self.costs[a.index()].total_cmp(&self.costs[b.index()]));
        actions.extend(runs.into_iter().map(Action::Run));
        actions
    }

    /// How dear each of some actions is, in the order that [`Problem::actions`] gives: 0 for an answer, and a higher number for a run than for
    /// all cheaper ones.
    pub(super) fn ranks(&self, actions: &[Action]) -> Vec<u8> {
        let costs: Vec<f64> = actions
            .iter()
            .map(|action| match action {
                Action::Answer(_) => -1.0,
                Action::Run(c) => self.costs[c.index()],
            })
            .collect();
        costs.iter().map(|cost| costs.iter().take_while(|other| *other < cost).count() as u8).collect()
    }

    /// The columns that a test may read where a set of candidates has run.
    pub(super) fn readable(&self, set: Mask, with_features: bool) -> impl Iterator<Item = usize> + '_ {
        let is_readable = move |i: usize, column: &Binned| {
            let exists =
                if i < self.first_average { column.needs.without(set).is_empty() } else { column.needs == set };
            let is_feature = column.class == SignalClass::Feature;
            exists && column.bins() > 1 && (!is_feature || with_features && set.len() < FEATURE_STATES)
        };
        let columns = self.columns.iter().enumerate();
        columns.filter(move |(i, column)| is_readable(*i, column)).map(|(i, _)| i)
    }
}
