//! From a profile to a front: λ after λ, each judged on rows that the judged program had not seen.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use trt_select_premodel::{
    Answer, Average, CandidateId, CandidateSignal, Expected, Interval, Mask, Premodel, ProfileRef, Signal, SignalId,
    TrainedFor,
};

use super::Profile;
use super::bins::BINS;
use super::choose::Goal;
use super::judge::{Single, reward_of, singles};
use super::policy::Plan;
use super::stats::{Rng, bootstrap_mean};
use super::table::{Base, Table};

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Most candidates that run for one input.
    pub max_runs: usize,
    /// Most tests in a row between two runs.
    pub tests: usize,
    /// Fewest rows on either side of a test; 0 stands for a two-hundredth of the rows, 20 at least.
    pub min_leaf: usize,
    /// A test of anything but a confidence must gain this many standard errors of its gain.
    pub significance: f64,
    /// Most that the candidates of one input may cost together, in nanoseconds.
    pub worst_ns: Option<f64>,
    /// Folds of the cross-validation.
    pub folds: usize,
    /// How often the cross-validation is done, with other folds each time; a row's outcome is the mean. 0 stands for three
    /// times, or once from 10,000 rows on.
    pub repeats: usize,
    /// Values of λ that are tried: a third spread evenly in its logarithm, the others where mean costs lie far apart.
    pub steps: usize,
    /// Further values of λ, in reward per millisecond.
    pub lambdas_per_ms: Vec<f64>,
    /// What will be asked of the front: prices are looked for most closely where it is met.
    pub goal: Option<Goal>,
    /// Seed of the folds: the same seed gives the same result.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_runs: 3,
            tests: 2,
            min_leaf: 0,
            significance: 2.0,
            worst_ns: None,
            folds: 5,
            repeats: 0,
            steps: 36,
            lambdas_per_ms: vec![],
            goal: None,
            seed: 1,
        }
    }
}

/// Why nothing can be trained: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainError(pub(super) String);

impl fmt::Display for TrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TrainError {}

/// One program of the front, judged out of sample.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// The price, in reward per millisecond; `None` for a single candidate.
    pub lambda_per_ms: Option<f64>,
    /// The candidate, where the program is to use that one always.
    pub single: Option<CandidateId>,
    /// Mean reward.
    pub reward: f64,
    /// Mean cost in nanoseconds.
    pub cost_ns: f64,
    /// Mean reward less the best single candidate's, and its standard error.
    pub over_best_single: f64,
    /// Standard error of [`Point::over_best_single`].
    pub over_best_single_se: f64,
    /// Whether no other point has both more reward and less cost.
    pub on_front: bool,
    lambda_per_ns: f64,
    rewards: Vec<f32>,
    costs: Vec<f32>,
}

/// All points, and what they were made from.
#[derive(Clone, Debug)]
pub struct Front {
    /// Points by mean cost, ascending.
    pub points: Vec<Point>,
    /// Each candidate on its own.
    pub singles: Vec<Single>,
    /// The single candidate of the largest mean reward (the cheapest of these).
    pub best_single: CandidateId,
    table: Table,
    settings: Settings,
    template: Template,
}

#[derive(Clone, Debug)]
struct Template {
    candidates: Vec<String>,
    classes: u32,
    trained_for: TrainedFor,
    profile: ProfileRef,
}

const NS_PER_MS: f64 = 1e6;

/// A price, and reward and cost by row.
type Priced = (f64, Vec<(f64, f64)>);

/// Programs whose mean costs differ by less than this share are near enough.
const NARROW: f64 = 0.03;

/// Trains and judges programs over a range of prices. `costs_ns` has one cost a candidate, `features_ns` is that of the
/// image features; `progress` is told (done, of) from any thread.
///
/// Each price is judged by repeated cross-validation: every row's reward and cost come from programs trained on the other
/// folds, and are averaged over the repeats.
/// (Bins of the signals are made from all rows; they use no reward.)
///
/// # Errors
/// Where the costs do not fit the profile, or a setting makes no sense.
pub fn sweep(
    profile: &Profile,
    costs_ns: &[f64],
    features_ns: f64,
    settings: &Settings,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Front, TrainError> {
    sweep_judged(profile, profile, costs_ns, features_ns, settings, progress)
}

/// As [`sweep`], but judged by the rewards of another table of the same inputs and candidates: what is learnt without labels
/// ([`Profile::label_free`]) can so be judged with them.
///
/// # Errors
/// As [`sweep`], and where the two tables differ in inputs or candidates.
pub fn sweep_judged(
    profile: &Profile,
    truth: &Profile,
    costs_ns: &[f64],
    features_ns: f64,
    settings: &Settings,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Front, TrainError> {
    let (n, rows) = (profile.candidates.len(), profile.rows());
    let fail = |what: String| Err(TrainError(what));
    if profile.inputs != truth.inputs || profile.candidates != truth.candidates {
        return fail(
            "judge: expected the inputs and candidates of the profile, got others; give the same table".into(),
        );
    }
    if costs_ns.len() != n || costs_ns.iter().chain([&features_ns]).any(|c| !(c.is_finite() && *c >= 0.0)) {
        return fail(format!(
            "costs: expected {n} finite numbers of at least 0, got {costs_ns:?}; give one a candidate"
        ));
    }
    if settings.folds < 2 || rows < settings.folds {
        return fail(format!(
            "folds: expected 2 to {rows} (the number of rows), got {}; give more rows or fewer folds",
            settings.folds
        ));
    }
    let sensible = |x: &f64| x.is_finite() && *x >= 0.0;
    if !sensible(&settings.significance) || !settings.lambdas_per_ms.iter().all(sensible) {
        return fail(
            "significance, lambda: expected finite numbers of at least 0, got others; correct them".to_string(),
        );
    }
    if settings.max_runs == 0 || settings.steps == 0 {
        return fail("max_runs, steps: expected at least 1, got 0; give more".to_string());
    }
    if !settings.worst_ns.is_none_or(|w| costs_ns.iter().any(|&c| c <= w)) {
        return fail(format!(
            "worst case: expected room for at least one candidate, got less than the cheapest costs; allow {:.4} ms",
            costs_ns.iter().copied().fold(f64::MAX, f64::min) / NS_PER_MS
        ));
    }
    let base = Base::new(profile, costs_ns, features_ns, BINS);
    let singles = singles(truth, costs_ns);
    let best = singles.iter().max_by(|a, b| a.reward.total_cmp(&b.reward).then(b.cost.total_cmp(&a.cost)));
    let best_single = best.map_or(CandidateId(0), |s| s.candidate);

    let repeats = match settings.repeats {
        0 if rows < 10_000 => 3,
        0 => 1,
        n => n,
    };
    let mut coarse = prices(settings.steps.div_ceil(3), costs_ns);
    // What the fine ones may add, none where nothing costs anything.
    let fine = if coarse.len() > 1 { settings.steps - coarse.len() } else { 0 };
    let dearer = dearer_prices(&coarse, costs_ns);
    let fine = fine + 2 * dearer.len();
    coarse.extend(dearer);
    let jobs = repeats * settings.folds;
    let all = jobs * (coarse.len() + fine + settings.lambdas_per_ms.len());
    let done = AtomicUsize::new(0);
    let tell = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
    let folds = Folds::new(profile, truth, &base, settings, repeats);
    let mut judged: Vec<Priced> = Vec::new();
    let asked = settings.lambdas_per_ms.iter().map(|l| l / NS_PER_MS);
    let first: Vec<f64> = coarse.iter().copied().chain(asked).collect();
    judged.extend(first.iter().copied().zip(folds.outcomes(&first, &tell)));
    let mut left = fine;
    while left > 0 {
        let next = between(&mut judged, left, settings.goal, &truth.rewards[best_single.index()]);
        if next.is_empty() {
            break;
        }
        left -= next.len();
        judged.extend(next.iter().copied().zip(folds.outcomes(&next, &tell)));
    }
    progress(all, all);

    let best_rewards = &truth.rewards[best_single.index()];
    let mut points = Vec::new();
    for (lambda, outcomes) in judged {
        points.push(Point::new(outcomes.into_iter(), Some(lambda), None, best_rewards));
    }
    for single in singles.iter().filter(|s| settings.worst_ns.is_none_or(|worst| s.cost <= worst)) {
        let rewards = &truth.rewards[single.candidate.index()];
        let outcomes = rewards.iter().map(|&r| (f64::from(r), single.cost));
        points.push(Point::new(outcomes, None, Some(single.candidate), best_rewards));
    }
    points.sort_by(|a, b| a.cost_ns.total_cmp(&b.cost_ns).then(b.reward.total_cmp(&a.reward)));
    let mut top = f64::MIN;
    for point in &mut points {
        point.on_front = point.reward > top;
        top = top.max(point.reward);
    }
    let meta = |key: &str| profile.meta.get(key).cloned().unwrap_or_default();
    let template = Template {
        candidates: profile.candidates.clone(),
        classes: profile.classes(),
        trained_for: TrainedFor {
            engine: meta("engine"),
            device: meta("device"),
            precision: meta("precision"),
            costs_ns: costs_ns.to_vec(),
            features_ns,
        },
        profile: ProfileRef { sha256: profile.sha256.clone(), rows: rows as u64 },
    };
    let all: Vec<u32> = (0..rows as u32).collect();
    let table = Table::new(profile, &base, &all, settings);
    let settings = Settings { repeats, ..settings.clone() };
    Ok(Front { points, singles, best_single, table, settings, template })
}

/// Prices halfway between those whose programs' mean costs lie far apart, at most `most`: where the goal is crossed first,
/// then the widest gaps.
fn between(judged: &mut [Priced], most: usize, goal: Option<Goal>, best: &[f32]) -> Vec<f64> {
    judged.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows = best.len() as f64;
    let cost = |outcomes: &[(f64, f64)]| outcomes.iter().map(|o| o.1).sum::<f64>() / rows;
    let reward = |outcomes: &[(f64, f64)]| outcomes.iter().map(|o| o.0).sum::<f64>() / rows;
    let target = best.iter().map(|&r| f64::from(r)).sum::<f64>() / rows;
    let met = |outcomes: &[(f64, f64)]| match goal {
        Some(Goal::AtMostMs(ms)) => cost(outcomes) <= ms * NS_PER_MS,
        Some(Goal::AtLeast(least)) => reward(outcomes) >= least,
        Some(Goal::AtLeastBestSingle { margin }) => reward(outcomes) >= target + margin,
        Some(Goal::Lambda(_)) | None => true,
    };
    let mut gaps: Vec<(bool, f64, f64)> = judged
        .windows(2)
        .filter(|w| w[0].0 > 0.0 && w[1].0 / w[0].0 > 1.02)
        .map(|w| {
            let width = (cost(&w[0].1) / cost(&w[1].1)).ln().abs();
            (met(&w[0].1) != met(&w[1].1), width, (w[0].0 * w[1].0).sqrt())
        })
        .filter(|gap| gap.1 > if gap.0 { NARROW / 6.0 } else { NARROW })
        .collect();
    gaps.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
    // A few at a time: what is found says where to look next.
    gaps.into_iter().take(most.min(6)).map(|gap| gap.2).collect()
}

/// The folds of all repeats, each with the table made from the other folds of its repeat: everything that a fold's programs
/// rest on.
struct Folds<'a> {
    truth: &'a Profile,
    seed: u64,
    repeats: usize,
    folds: Vec<Fold>,
}

struct Fold {
    table: Table,
    seen: Vec<u32>,
    unseen: Vec<u32>,
}

impl<'a> Folds<'a> {
    fn new(profile: &Profile, truth: &'a Profile, base: &Base, settings: &Settings, repeats: usize) -> Folds<'a> {
        let rows = profile.rows();
        // One partition a repeat.
        let fold_of: Vec<Vec<usize>> =
            (0..repeats as u64).map(|r| folds(rows, settings.folds, settings.seed.wrapping_add(r << 32))).collect();
        let jobs: Vec<(usize, usize)> = (0..repeats).flat_map(|r| (0..settings.folds).map(move |f| (r, f))).collect();
        let make = |&(r, f): &(usize, usize)| {
            let (seen, unseen): (Vec<u32>, Vec<u32>) = (0..rows as u32).partition(|&row| fold_of[r][row as usize] != f);
            Fold { table: Table::new(profile, base, &seen, settings), seen, unseen }
        };
        Folds { truth, seed: settings.seed, repeats, folds: jobs.par_iter().map(make).collect() }
    }

    /// By price, then row: reward and cost by programs that had not seen the row, averaged over the repeats.
    fn outcomes(&self, lambdas: &[f64], tell: &(dyn Fn() + Sync)) -> Vec<Vec<(f64, f64)>> {
        let jobs: Vec<(usize, &Fold)> =
            (0..lambdas.len()).flat_map(|l| self.folds.iter().map(move |fold| (l, fold))).collect();
        let parts: Vec<Vec<(f64, f64)>> = jobs
            .par_iter()
            .map(|&(l, fold)| {
                let plan = fold.table.problem.train(&fold.seen, lambdas[l], self.seed);
                tell();
                let judged = fold.unseen.iter().map(|&row| {
                    let (answer, cost) = fold.table.problem.outcome(&plan, row as usize);
                    (reward(self.truth, &fold.table, answer, row as usize), cost)
                });
                judged.collect()
            })
            .collect();
        let mut outcomes = vec![vec![(0.0, 0.0); self.truth.rows()]; lambdas.len()];
        for ((l, fold), part) in jobs.into_iter().zip(parts) {
            for (&row, (reward, cost)) in fold.unseen.iter().zip(part) {
                let sum = &mut outcomes[l][row as usize];
                sum.0 += reward / self.repeats as f64;
                sum.1 += cost / self.repeats as f64;
            }
        }
        outcomes
    }
}

/// What an answer is worth on a row of the table that judges.
fn reward(truth: &Profile, table: &Table, answer: Answer, row: usize) -> f64 {
    f64::from(match answer {
        Answer::Candidate(c) => truth.rewards[c.index()][row],
        Answer::Average(set) => reward_of(truth, row, table.problem.averages[&set].classes[row], set.iter()),
    })
}

/// Prices in reward per nanosecond: from "the dearest candidate costs next to nothing" to "it costs two right answers".
pub(super) fn prices(steps: usize, costs_ns: &[f64]) -> Vec<f64> {
    let dearest = costs_ns.iter().copied().fold(0.0, f64::max);
    if dearest == 0.0 {
        // Nothing costs anything: one price says all.
        return vec![0.0];
    }
    let (low, high) = (5e-4_f64, 2.0_f64);
    let last = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|i| low * (high / low).powf(i as f64 / last) / dearest).collect()
}

/// Prices above those, in the same steps, up to where running even the second cheapest candidate costs a right answer: there the
/// front reaches the cheapest one alone.
fn dearer_prices(prices: &[f64], costs_ns: &[f64]) -> Vec<f64> {
    let mut costs = costs_ns.to_vec();
    costs.sort_by(f64::total_cmp);
    let (&[.., before, last], Some(&second)) = (prices, costs.get(1)) else { return Vec::new() };
    let step = last / before;
    if second == 0.0 || step <= 1.0 {
        return Vec::new();
    }
    std::iter::successors(Some(last * step), |price| Some(price * step))
        .take_while(|price| price * second < 1.0)
        .collect()
}

/// The fold of each row, in random order and of about equal size.
pub(super) fn folds(rows: usize, folds: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    Rng::new(seed ^ 0xF01D).shuffle(&mut order);
    let mut fold_of = vec![0; rows];
    for (i, &row) in order.iter().enumerate() {
        fold_of[row] = i % folds;
    }
    fold_of
}

impl Point {
    fn new(
        outcomes: impl Iterator<Item = (f64, f64)>,
        lambda_per_ns: Option<f64>,
        single: Option<CandidateId>,
        best_rewards: &[f32],
    ) -> Point {
        let (rewards, costs): (Vec<f32>, Vec<f32>) = outcomes.map(|(r, c)| (r as f32, c as f32)).unzip();
        let n = rewards.len() as f64;
        let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let (reward, cost_ns) = (mean(&rewards), mean(&costs));
        let over = rewards.iter().zip(best_rewards).map(|(a, b)| f64::from(a - b));
        let over_best_single = over.clone().sum::<f64>() / n;
        let variance = over.map(|d| (d - over_best_single).powi(2)).sum::<f64>() / n;
        let over_best_single_se = (variance / n).sqrt();
        Point {
            lambda_per_ms: lambda_per_ns.map(|l| l * NS_PER_MS),
            lambda_per_ns: lambda_per_ns.unwrap_or(0.0),
            single,
            reward,
            cost_ns,
            over_best_single,
            over_best_single_se,
            on_front: false,
            rewards,
            costs,
        }
    }
}

impl Front {
    /// Names of the candidates, in the order of their ids.
    pub fn candidates(&self) -> &[String] {
        &self.template.candidates
    }

    /// The program of a point, trained on all rows, with what to expect of it.
    ///
    /// # Errors
    /// Where the program breaks a rule of [`Premodel::new`], such as the number of nodes.
    pub fn premodel(&self, point: &Point) -> Result<Premodel, TrainError> {
        let problem = &self.table.problem;
        let plan = self.plan(point);
        // Only signals that the program reads go into its schema: they are what must be computed at run time.
        let mut used = Vec::new();
        plan.columns(&mut used);
        let place = |column: usize| SignalId(used.iter().position(|&c| c == column).unwrap_or(0) as u16);
        let mut nodes = Vec::new();
        plan.flatten(&problem.columns, &place, &mut nodes);
        let signals: Vec<Signal> = used.iter().map(|&c| self.table.signals[c].clone()).collect();
        let (temperatures, averages) = self.calibration(&plan, &signals);
        let reads_risk = signals.iter().any(|s| matches!(s, Signal::Candidate(_, CandidateSignal::Risk)));
        let risks = if reads_risk { self.table.risks.clone() } else { Vec::new() };
        let mut fallback: Vec<&Single> = self.singles.iter().collect();
        fallback.sort_by(|a, b| b.reward.total_cmp(&a.reward).then(a.cost.total_cmp(&b.cost)));
        let t = &self.template;
        let mut premodel = Premodel::new(
            t.candidates.clone(),
            t.classes,
            signals,
            nodes,
            fallback.into_iter().map(|s| s.candidate).collect(),
            risks,
            t.trained_for.clone(),
        )
        .and_then(|premodel| premodel.with_calibration(temperatures, averages))
        .map_err(|e| TrainError(e.to_string()))?;
        premodel.profile = Some(t.profile.clone());
        premodel.expected = Some(self.expected(point));
        Ok(premodel)
    }

    /// The program of a point, trained on all rows.
    pub(super) fn plan(&self, point: &Point) -> Plan {
        match point.single {
            Some(candidate) => Plan::single(candidate),
            None => {
                let all: Vec<u32> = (0..self.table.problem.rows as u32).collect();
                self.table.problem.train(&all, point.lambda_per_ns, self.settings.seed)
            }
        }
    }

    /// Temperatures and weights of what a program reads and answers with; nothing where it has no averages.
    fn calibration(&self, plan: &Plan, signals: &[Signal]) -> (Vec<f32>, Vec<Average>) {
        let mut sets: Vec<Mask> = Vec::new();
        plan.averages(&mut sets);
        sets.extend(signals.iter().filter_map(|s| if let Signal::Average(set, _) = s { Some(*set) } else { None }));
        sets.sort_unstable();
        sets.dedup();
        let Some(calibrated) = self.table.calibrated.as_ref().filter(|_| !sets.is_empty()) else {
            return (Vec::new(), Vec::new());
        };
        let several = sets.into_iter().filter(|set| set.len() > 1);
        let averages = several.map(|of| Average { of, weights: calibrated.averages[&of].weights.clone() });
        (calibrated.temperatures.clone(), averages.collect())
    }

    fn expected(&self, point: &Point) -> Expected {
        let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (over, se) = (point.over_best_single, point.over_best_single_se);
        Expected {
            reward: bootstrap_mean(&wide(&point.rewards), self.settings.seed),
            cost_ns: bootstrap_mean(&wide(&point.costs), self.settings.seed),
            over_best_single: Interval { mean: over, low: over - 1.96 * se, high: over + 1.96 * se },
            judged_by: format!(
                "{} times {}-fold cross-validation, seed {}",
                self.settings.repeats, self.settings.folds, self.settings.seed
            ),
        }
    }
}
