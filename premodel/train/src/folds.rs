//! Cross-validation: every row is judged by programs that were trained on other rows.

use rayon::prelude::*;

use trt_select_base::random::Rng;
use trt_select_premodel::Answer;

use super::Profile;
use super::cascade::Kind;
use super::costs::Worth;
use super::plan::Plan;
use super::prices::{Outcomes, Priced};
use super::reward::reward_of;
use super::search::best_plan;
use super::settings::{FoldBy, Settings};
use super::stats;
use super::task::Task;
use super::training_table::{SharedColumns, TrainingTable};

/// The number of each row's fold: dealt in random order, so that folds differ by one row at most.
///
/// [`sweep`](super::sweep) deals the folds of its first repeat so, by the seed of its settings. Whoever holds something else against a front
/// on the same folds deals them by this function and the same seed.
///
/// ```
/// use trt_select_train::deal;
///
/// let fold_of = deal(10, 3, 1);
/// let count = |fold| fold_of.iter().filter(|&&f| f == fold).count();
/// assert_eq!((count(0), count(1), count(2)), (4, 3, 3));
/// assert_eq!(fold_of, deal(10, 3, 1));
/// ```
pub fn deal(rows: usize, folds: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    Rng::new(seed ^ 0xF01D).shuffle(&mut order);
    let mut fold_of = vec![0; rows];
    for (i, &row) in order.iter().enumerate() {
        fold_of[row] = i % folds;
    }
    fold_of
}

/// By repeat the number of each row's fold, and how many folds there are. Recordings are dealt in one way only, so there is one repeat
/// of them.
fn dealt(profile: &Profile, settings: &Settings, repeats: usize) -> (Vec<Vec<usize>>, usize) {
    let rows = profile.rows();
    match settings.fold_by {
        FoldBy::Random => {
            let seed_of = |repeat: u64| settings.seed.wrapping_add(repeat << 32);
            let deals = (0..repeats as u64).map(|repeat| deal(rows, settings.folds, seed_of(repeat)));
            (deals.collect(), settings.folds)
        }
        FoldBy::Recording => {
            let (fold_of, count) = profile.recordings.folds(rows);
            assert!(count > 1, "settings by recording: expected a table of at least two recordings, got {count}");
            (vec![fold_of], count)
        }
    }
}

/// The folds of all repeats. Each has its own table, made from the other folds of its repeat: whatever a fold's programs rest on
/// comes from rows outside the fold.
pub(super) struct Folds<'a> {
    truth: &'a Profile,
    seed: u64,
    repeats: usize,
    folds: Vec<Fold>,
}

struct Fold {
    table: TrainingTable,
    seen: Vec<u32>,
    unseen: Vec<u32>,
}

impl<'a> Folds<'a> {
    pub(super) fn new(task: &Task<'a>, shared: &SharedColumns, settings: &Settings, repeats: usize) -> Folds<'a> {
        let rows = task.rows();
        let (fold_of, count) = dealt(task.profile, settings, repeats);
        let repeats = fold_of.len();
        let jobs: Vec<(usize, usize)> =
            (0..repeats).flat_map(|repeat| (0..count).map(move |fold| (repeat, fold))).collect();
        let make = |&(repeat, fold): &(usize, usize)| {
            let (seen, unseen): (Vec<u32>, Vec<u32>) =
                (0..rows as u32).partition(|&row| fold_of[repeat][row as usize] != fold);
            Fold { table: TrainingTable::new(task.profile, shared, &seen, settings), seen, unseen }
        };
        let folds = jobs.par_iter().map(make).collect();
        Folds { truth: task.truth, seed: settings.seed, repeats, folds }
    }

    /// By price: what became of every row under programs, found by the search, that had not seen it. `tell` is called after each training.
    pub(super) fn searched(&self, prices: &[f64], tell: &(dyn Fn() + Sync)) -> Vec<Priced> {
        self.priced(prices, |fold, price| {
            let plan = best_plan(&fold.table.problem, &fold.seen, price, self.seed);
            tell();
            Some(plan)
        })
    }

    /// By price: what became of every row under plain cascades of a kind that had not seen it. Nothing where some fold has no cascade,
    /// because its training rows chose sets of candidates without pairs.
    pub(super) fn cascades(&self, kind: Kind, prices: &[f64]) -> Vec<Priced> {
        self.priced(prices, |fold, price| fold.table.cascades.at(&fold.table.problem, kind, price))
    }

    /// By price: what became of every row under the plan that `plan` makes of the other folds. A price at which some fold has none is left out.
    fn priced(&self, prices: &[f64], plan: impl Fn(&Fold, f64) -> Option<Plan> + Sync) -> Vec<Priced> {
        let jobs: Vec<(f64, &Fold)> =
            prices.iter().flat_map(|&price| self.folds.iter().map(move |fold| (price, fold))).collect();
        let judge = |&(price, fold): &(f64, &Fold)| plan(fold, price).map(|plan| self.unseen(fold, &plan));
        let parts: Vec<Option<Outcomes>> = jobs.par_iter().map(judge).collect();
        let of_price = |(&price, parts): (&f64, &[Option<Outcomes>])| {
            let parts: Vec<&Outcomes> = parts.iter().map(Option::as_ref).collect::<Option<_>>()?;
            Some(Priced { price, outcomes: self.added(&parts) })
        };
        prices.iter().zip(parts.chunks(self.folds.len())).filter_map(of_price).collect()
    }

    /// What became of all rows, from what became of those of each fold.
    fn added(&self, parts: &[&Outcomes]) -> Outcomes {
        let mut worths = vec![Worth::default(); self.truth.rows()];
        let mut ran = vec![0.0; self.truth.candidates.len()];
        let repeats = self.repeats as f64;
        for (fold, part) in self.folds.iter().zip(parts) {
            for (&row, worth) in fold.unseen.iter().zip(&part.worths) {
                let sum = &mut worths[row as usize];
                sum.reward += worth.reward / repeats;
                sum.cost += worth.cost / repeats;
            }
            ran.iter_mut().zip(&part.ran).for_each(|(sum, ran)| *sum += ran);
        }
        // Weights are 1 on average, so those of all rows of all repeats add up to this, but for rounding.
        let counted = worths.len() as f64 * repeats;
        ran.iter_mut().for_each(|ran| *ran = (*ran / counted).min(1.0));
        let mean = |of: fn(&Worth) -> f64| stats::mean(worths.iter().map(of), self.truth.weights.as_ref());
        let mean = Worth { reward: mean(|worth| worth.reward), cost: mean(|worth| worth.cost) };
        Outcomes { worths, ran, mean }
    }

    /// What becomes of the rows that a fold's plan has not seen, in their order. `ran` counts rows, and `mean` is left out.
    fn unseen(&self, fold: &Fold, plan: &Plan) -> Outcomes {
        let problem = &fold.table.problem;
        let entry_cost = problem.entry_cost(plan);
        let mut ran = vec![0.0; problem.costs.len()];
        let worth = |&row: &u32| {
            let ended = problem.outcome(plan, entry_cost, row as usize);
            ended.ran.iter().for_each(|c| ran[c.index()] += problem.weight(row));
            Worth { reward: self.reward(&fold.table, ended.answer, row as usize), cost: ended.cost }
        };
        Outcomes { worths: fold.unseen.iter().map(worth).collect(), ran, mean: Worth::default() }
    }

    /// What an answer is worth on a row of the table that judges.
    fn reward(&self, table: &TrainingTable, answer: Answer, row: usize) -> f64 {
        f64::from(match answer {
            Answer::Candidate(c) => self.truth.rewards[c.index()][row],
            Answer::Average(set) => {
                let class = table.problem.averages[&set].classes[row];
                reward_of(self.truth, row, class, set.iter())
            }
        })
    }
}
