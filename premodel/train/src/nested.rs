//! The whole of training, its choice included, judged on inputs that none of it saw.
//!
//! A front's points are judged by cross-validation, but the point that is chosen from it was chosen for looking good: what it
//! promises is a little too much. Here the rows are dealt into outer folds; for each one, everything (bins, temperatures,
//! weights, states, policies, λ and the choice among the points) is made from the other folds, as a user would, and the
//! premodel is walked over the fold left out.

use super::Profile;
use super::choose::{Goal, choose};
use super::judge::{Judged, judge};
use super::sweep::{Settings, TrainError, folds, sweep};

/// Trains on all outer folds but one, chooses by each goal, and walks the premodel over the one left out; for each fold in
/// turn: what became of every row, by goal. `truth` is the table that judges what was learnt from `profile`: the same one, but for training without labels.
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
) -> Result<Vec<Judged>, TrainError> {
    let rows = profile.rows();
    if outer < 2 || rows < outer || profile.inputs != truth.inputs {
        return Err(TrainError(format!(
            "outer folds: expected 2 to {rows} (the number of rows) over one set of inputs, got {outer}; give more rows or fewer \
             folds"
        )));
    }
    let fold_of = folds(rows, outer, settings.seed ^ 0x0E57ED);
    nested_over(profile, truth, costs_ns, features_ns, settings, goals, &fold_of, progress)
}

/// [`nested`] over outer folds that are given: `fold_of` has the number of each row's fold, from 0 on.
///
/// # Errors
/// As [`sweep`] and [`choose`].
#[expect(clippy::too_many_arguments, reason = "those of `nested`")]
pub fn nested_over(
    profile: &Profile,
    truth: &Profile,
    costs_ns: &[f64],
    features_ns: f64,
    settings: &Settings,
    goals: &[Goal],
    fold_of: &[usize],
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<Judged>, TrainError> {
    let (rows, outer) = (fold_of.len(), fold_of.iter().max().map_or(0, |last| last + 1));
    // Of several goals the first is the one that prices are looked for most closely for.
    let settings = Settings { goal: settings.goal.or(goals.first().copied()), ..settings.clone() };
    let mut results = vec![Judged::of_none(rows); goals.len()];
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
            // A front's premodels have the profile's candidates, in its order.
            result.put(&unseen, &judged);
        }
    }
    Ok(results)
}
