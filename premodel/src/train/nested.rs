//! The whole of training, its choice included, judged on inputs that none of it saw.
//!
//! A front's points are judged by cross-validation, but the point that is chosen from it was chosen for looking good: what it
//! promises is a little too much. Here the rows are dealt into outer folds; for each one, everything (bins, temperatures,
//! weights, states, policies, λ and the choice among the points) is made from the other folds, as a user would, and the
//! premodel is walked over the fold left out.

use std::vec;
use std::vec::Vec;

use crate::{Answer, CandidateId, Interval, Mask};

use super::Profile;
use super::choose::{Goal, choose};
use super::judge::judge;
use super::stats::{bootstrap_mean, bootstrap_ratio};
use super::sweep::{Settings, TrainError, folds, sweep};

/// What came of one goal, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Nested {
    /// Reward of each row.
    pub rewards: Vec<f64>,
    /// Cost of each row.
    pub costs: Vec<f64>,
    /// Who answered each row, by the profile's order of candidates.
    pub answered: Vec<Answer>,
    /// The candidates that ran.
    pub ran: Vec<Mask>,
    /// As [`Judged::in_top5`](super::Judged::in_top5).
    pub in_top5: Vec<Option<bool>>,
}

impl Nested {
    /// Mean reward less that of another way to answer the same rows, in pairs.
    pub fn over(&self, rewards: &[f32], seed: u64) -> Interval {
        let differences: Vec<f64> = self.rewards.iter().zip(rewards).map(|(a, &b)| a - f64::from(b)).collect();
        bootstrap_mean(&differences, seed)
    }

    /// How many times less the rows cost than at a constant cost each.
    pub fn times_cheaper(&self, cost: f64, seed: u64) -> Interval {
        bootstrap_ratio(&vec![cost; self.costs.len()], &self.costs, seed)
    }
}

/// Trains on all outer folds but one, chooses by each goal, and walks the premodel over the one left out; for each fold in
/// turn. `truth` is the table that judges what was learnt from `profile`: the same one, but for training without labels.
///
/// # Errors
/// As [`sweep`] and [`choose`]; and where the tables differ in their inputs.
#[expect(clippy::too_many_arguments, reason = "what to learn from, what it costs, how, for what, and how it is judged")]
pub fn nested(
    profile: &Profile,
    truth: &Profile,
    costs_ns: &[f64],
    features_ns: f64,
    settings: &Settings,
    goals: &[Goal],
    outer: usize,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Nested>, TrainError> {
    let rows = profile.rows();
    if outer < 2 || rows < outer || profile.inputs != truth.inputs {
        return Err(TrainError(std::format!(
            "outer folds: expected 2 to {rows} (the number of rows) over one set of inputs, got {outer}; give more rows or fewer \
             folds"
        )));
    }
    let fold_of = folds(rows, outer, settings.seed ^ 0x0E57ED);
    nested_over(profile, truth, costs_ns, features_ns, settings, goals, &fold_of, progress)
}

/// [`nested`] over outer folds that are given: that of each row, from 0 on.
#[expect(clippy::too_many_arguments, reason = "those of `nested`")]
pub(crate) fn nested_over(
    profile: &Profile,
    truth: &Profile,
    costs_ns: &[f64],
    features_ns: f64,
    settings: &Settings,
    goals: &[Goal],
    fold_of: &[usize],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Nested>, TrainError> {
    let (rows, outer) = (fold_of.len(), fold_of.iter().max().map_or(0, |last| last + 1));
    // Of several goals the first is the one that prices are looked for most closely for.
    let settings = Settings { goal: settings.goal.or(goals.first().copied()), ..settings.clone() };
    let nothing = Answer::Candidate(CandidateId(0));
    let empty = Nested {
        rewards: vec![f64::NAN; rows],
        costs: vec![f64::NAN; rows],
        answered: vec![nothing; rows],
        ran: vec![Mask::EMPTY; rows],
        in_top5: vec![None; rows],
    };
    let mut results = vec![empty; goals.len()];
    for fold in 0..outer {
        let (unseen, seen): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&row| fold_of[row] == fold);
        let tell = |done: usize, of: usize| progress(fold * of + done, outer * of);
        let front = sweep(&profile.with_rows(&seen), costs_ns, features_ns, &settings, &tell)?;
        let kept = truth.with_rows(&unseen);
        for (goal, result) in goals.iter().zip(&mut results) {
            let premodel = front.premodel(choose(&front, *goal)?)?;
            let judged = judge(&premodel, &kept).ok_or_else(|| {
                TrainError("nested: expected the premodel's signals in its own table, got others".into())
            })?;
            for (i, &row) in unseen.iter().enumerate() {
                (result.rewards[row], result.costs[row]) = (judged.rewards[i], judged.costs[i]);
                // A front's premodels have the profile's candidates, in its order.
                (result.answered[row], result.ran[row]) = (judged.answered[i], judged.ran[i]);
                result.in_top5[row] = judged.in_top5[i];
            }
        }
    }
    Ok(results)
}
