//! From a table to a front: price after price, each judged on rows that the judged programs had not seen.

use std::sync::atomic::{AtomicUsize, Ordering};

use trt_select_premodel::CandidateId;

use super::bins::BINS;
use super::cascade;
use super::costs::Unit;
use super::error::{Message, TrainError, TrainErrorKind};
use super::folds::Folds;
use super::front::{Base, Front, Kind, Point};
use super::goal::Goal;
use super::judge::singles;
use super::prices::{self, Priced};
use super::settings::Settings;
use super::stats;
use super::task::Task;
use super::training_table::{SharedColumns, TrainingTable};

/// Is called with how much is done, and of how much; from any thread.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// From so many rows on, cross-validation is done once and not several times.
const MANY_ROWS: usize = 10_000;

/// So many times as many prices as the search had are tried for cascades besides.
const MORE_CASCADES: usize = 2;

/// Trains and judges programs over a range of prices.
///
/// Each price is judged by repeated cross-validation: every row's reward and cost come from programs trained on the other
/// folds, and are averaged over the repeats. (The bins of the signals are made from all rows, without a look at the rewards.)
///
/// ```
/// use trt_select_train::{Profile, Settings, Task, Unit, sweep};
///
/// let mut csv = String::from("input,a.reward,a.cost_ns,b.reward,b.cost_ns\n");
/// for row in 0..60 {
///     csv += &format!("r{row},{},1000,1,5000\n", row % 2);
/// }
/// let profile = Profile::parse("p.csv", csv.as_bytes())?;
/// let costs = profile.median_costs(Unit::Time).expect("the table has costs");
/// let front = sweep(&Task::new(&profile, costs), &Settings::new().steps(6), &|done, of| assert!(done <= of))?;
/// assert!(front.points.iter().all(|p| p.over_best_single <= 0.0), "nothing tells when b is needed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Where the costs do not fit the profile, the tables of the task differ, or a setting makes no sense.
pub fn sweep(task: &Task<'_>, settings: &Settings, progress: Progress<'_>) -> Result<Front, TrainError> {
    task.check()?;
    check(task, settings)?;
    let costs = &task.costs.candidates;
    let singles = singles(task.truth, costs);
    let best = singles.iter().max_by(|a, b| a.reward.total_cmp(&b.reward).then(b.cost.total_cmp(&a.cost)));
    let best_single = best.map_or(CandidateId(0), |s| s.candidate);
    let best_rewards = &task.truth.rewards[best_single.index()];
    let repeats = match settings.repeats {
        0 if task.rows() < MANY_ROWS => 3,
        0 => 1,
        n => n,
    };
    let settings = &settings.clone().repeats(repeats);

    let shared = SharedColumns::new(task.profile, &task.costs, BINS);
    let folds = Folds::new(task, &shared, settings, repeats);
    let base = Base { best_rewards, weights: task.truth.weights.as_ref() };
    let judged = judged(&folds, costs, settings, base, progress);
    let mut points: Vec<Point> =
        judged.iter().map(|priced| Point::of_price(priced.price, Kind::Searched, &priced.outcomes, base)).collect();
    let prices: Vec<f64> = judged.iter().map(|priced| priced.price).collect();
    // A cascade at another price is looked up, not trained, and where the search found one program for a wide range of prices there may be
    // several cascades.
    let more = MORE_CASCADES * prices.len();
    for kind in cascade::Kind::ALL {
        let cascades = refined(&prices, more, settings.goal, base, |prices| folds.cascades(kind, prices));
        points.extend(cascades.iter().map(|priced| Point::of_cascade(priced.price, kind, &priced.outcomes, base)));
    }
    for single in singles.iter().filter(|s| settings.worst.is_none_or(|worst| s.cost <= worst)) {
        points.push(Point::of_single(single, singles.len(), &task.truth.rewards[single.candidate.index()], base));
    }
    let all: Vec<u32> = (0..task.rows() as u32).collect();
    let table = TrainingTable::new(task.profile, &shared, &all, settings);
    Ok(Front::new(task, points, singles, best_single, table, settings.clone()))
}

/// Judges a third of the prices spread over the range, and those asked for; then prices between them, where programs differ.
fn judged(
    folds: &Folds<'_>,
    costs: &[f64],
    settings: &Settings,
    base: Base<'_>,
    progress: Progress<'_>,
) -> Vec<Priced> {
    let mut first = prices::spread(settings.steps.div_ceil(3), costs);
    // Where nothing costs anything there is one price, and nothing between.
    let further = if first.len() > 1 { settings.steps - first.len() } else { 0 };
    let above = prices::above(&first, costs);
    let left = further + 2 * above.len();
    first.extend(above);
    first.extend(settings.prices.iter().map(|price| price / Unit::SHOWN));

    let trainings = settings.repeats * settings.folds * (first.len() + left);
    let done = AtomicUsize::new(0);
    let tell = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, trainings);
    let judged = refined(&first, left, settings.goal, base, |prices| folds.searched(prices, &tell));
    progress(trainings, trainings);
    judged
}

/// Judges some prices, and then at most `left` between them, a few at a time, where what was judged differs.
fn refined(
    first: &[f64],
    mut left: usize,
    goal: Option<Goal>,
    base: Base<'_>,
    judge: impl Fn(&[f64]) -> Vec<Priced>,
) -> Vec<Priced> {
    let best_single = stats::mean(base.best_rewards.iter().map(|&r| f64::from(r)), base.weights);
    let mut judged = judge(first);
    while left > 0 {
        let next = prices::between(&mut judged, left, goal, best_single);
        if next.is_empty() {
            break;
        }
        judged.extend(judge(&next));
        left -= next.len();
    }
    judged
}

/// Refuses settings that make no sense for the task.
fn check(task: &Task<'_>, settings: &Settings) -> Result<(), TrainError> {
    let fail = |kind, object: &str, expected: String, got: String, remedy: String| {
        Err(TrainError::new(kind, Message::new(object, expected, got, remedy)))
    };
    let rows = task.rows();
    if settings.folds < 2 || rows < settings.folds {
        let (expected, got) = (format!("2 to {rows} (the number of rows)"), settings.folds.to_string());
        return fail(TrainErrorKind::Folds, "folds", expected, got, "give more rows or fewer folds".into());
    }
    let is_sensible = |x: &f64| x.is_finite() && *x >= 0.0;
    for (object, numbers) in [("significance", &[settings.significance][..]), ("prices", &settings.prices)] {
        if let Some(odd) = numbers.iter().find(|x| !is_sensible(x)) {
            let expected = "finite numbers of at least 0".into();
            return fail(TrainErrorKind::Setting, object, expected, odd.to_string(), "correct it".into());
        }
    }
    if settings.max_runs == 0 || settings.steps == 0 {
        let (expected, got) = ("at least 1".into(), "0".into());
        return fail(TrainErrorKind::Setting, "max_runs, steps", expected, got, "give more".into());
    }
    let least = task.costs.least();
    if let Some(worst) = settings.worst.filter(|&worst| worst < least) {
        let unit = task.costs.unit.shown();
        let expected = format!("room for the cheapest candidate: {:.4} {unit}", least / Unit::SHOWN);
        let got = format!("{:.4} {unit}", worst / Unit::SHOWN);
        let remedy = "allow more".into();
        return fail(TrainErrorKind::WorstCase, "worst case", expected, got, remedy);
    }
    Ok(())
}
