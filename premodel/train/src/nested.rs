//! The whole of training, the choice of a point included, judged on inputs that none of it saw.
//!
//! A front's points are judged by cross-validation, but the point that is chosen from it was chosen for looking good: what it
//! promises is a little too much. Here the rows are dealt into outer folds. For each one, everything (bins, temperatures,
//! weights, states, policies, prices and the choice among the points) is made from the other folds, as a user would, and the
//! premodel is walked over the fold left out.

use super::error::{Message, TrainError, TrainErrorKind};
use super::folds::deal;
use super::goal::Goal;
use super::judge::{Judged, judge};
use super::profile::Profile;
use super::settings::{FoldBy, Settings, too_few};
use super::sweep::{Progress, sweep};
use super::task::Task;

/// How rows are dealt into outer folds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Split<'a> {
    /// Into so many folds, at random by the seed of the settings.
    Folds(usize),
    /// Each recording of the table is a fold: see [`Settings::by_recording`].
    Recordings,
    /// As given: the number of each row's fold, from 0 on.
    Given(&'a [usize]),
}

impl Split<'_> {
    /// The number of each row's outer fold. Whoever wants to know beforehand whether [`nested`] can deal its folds calls this.
    ///
    /// ```
    /// use trt_select_train::{Profile, Settings, Split};
    ///
    /// let profile = Profile::parse("p.csv", "input,a.reward\nx,1\ny,0\nz,1\n".as_bytes())?;
    /// let settings = Settings::new().folds(2);
    /// assert_eq!(Split::Folds(3).fold_of(&profile, &settings)?.len(), 3);
    /// assert!(Split::Folds(4).fold_of(&profile, &settings).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Of the kind [`TrainErrorKind::Recordings`] where the recordings are too few, and [`TrainErrorKind::Folds`] where the rows are, where what
    /// some fold leaves has fewer rows than the settings have folds, and where [`Split::Given`] is not as long as the profile.
    pub fn fold_of(&self, profile: &Profile, settings: &Settings) -> Result<Vec<usize>, TrainError> {
        let rows = profile.rows();
        let fold_of = match *self {
            Split::Folds(count) if (2..=rows).contains(&count) => deal(rows, count, settings.seed ^ 0x0E57ED),
            Split::Folds(count) => return Err(misdealt(format!("2 to {rows} (the number of rows)"), count)),
            Split::Recordings => {
                let (fold_of, recordings) = profile.recordings.folds(rows);
                let needed = if settings.fold_by == FoldBy::Recording { 3 } else { 2 };
                if recordings < needed {
                    return Err(too_few(needed, recordings));
                }
                fold_of
            }
            Split::Given(fold_of) if fold_of.len() == rows => fold_of.to_vec(),
            Split::Given(fold_of) => return Err(misdealt(format!("the fold of each of {rows} rows"), fold_of.len())),
        };
        let folds = fold_of.iter().max().map_or(0, |last| last + 1);
        let mut left = vec![rows; folds];
        fold_of.iter().for_each(|&fold| left[fold] -= 1);
        match left.into_iter().min() {
            Some(least) if settings.fold_by == FoldBy::Random && least < settings.folds => {
                let inner = settings.folds;
                Err(misdealt(format!("folds that leave {inner} rows for {inner} inner ones"), least))
            }
            _ => Ok(fold_of),
        }
    }
}

/// For each outer fold: trains on all others, finds the point of each goal, and walks its premodel over the fold left out. The
/// result has, for each goal, what became of every row.
///
/// ```
/// use trt_select_train::{Costs, Goal, Profile, Settings, Split, Task, nested};
///
/// let mut csv = String::from("input,a.reward,a.top1,b.reward,b.top1\n");
/// for row in 0..240 {
///     csv += &format!("r{row},{},{},1,0.9\n", u8::from(row % 4 > 0), if row % 4 > 0 { 0.9 } else { 0.4 });
/// }
/// let profile = Profile::parse("p.csv", csv.as_bytes())?;
/// let task = Task::new(&profile, Costs::time_ns(vec![1e6, 10e6], 0.0));
/// let settings = Settings::new().steps(9).repeats(1);
/// let judged = nested(&task, &settings, &[Goal::AtLeast(1.0)], Split::Folds(2), &|_, _| {})?;
/// assert_eq!(judged[0].reward(), 1.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`sweep`] and [`Front::meeting`](super::Front::meeting); and where there are fewer rows than folds, or fewer than two folds. With
/// [`Split::Recordings`] there must be two recordings, or three where the settings are [by recording](Settings::by_recording): the
/// two that are trained on judge each other.
pub fn nested(
    task: &Task<'_>,
    settings: &Settings,
    goals: &[Goal],
    split: Split<'_>,
    progress: Progress<'_>,
) -> Result<Vec<Judged>, TrainError> {
    task.check()?;
    let fold_of = split.fold_of(task.profile, settings)?;
    let (rows, inner_by_recording) = (task.rows(), settings.fold_by == FoldBy::Recording);
    let folds = fold_of.iter().max().map_or(0, |last| last + 1);
    // Prices are looked for most closely where the first of the goals is met.
    let settings = settings.clone().goal(settings.goal.or(goals.first().copied()));
    let mut results = vec![Judged::of_none(task.truth); goals.len()];
    for fold in 0..folds {
        let (unseen, seen): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&row| fold_of[row] == fold);
        let (learnt, truth) = (task.profile.with_rows(&seen), task.truth.with_rows(&seen));
        // Without the fold left out there may be fewer recordings.
        let settings = if inner_by_recording { settings.clone().by_recording(&learnt)? } else { settings.clone() };
        let tell = |done: usize, of: usize| progress(fold * of + done, folds * of);
        let front = sweep(&Task::new(&learnt, task.costs.clone()).judged_by(&truth), &settings, &tell)?;
        let left_out = task.truth.with_rows(&unseen);
        for (goal, result) in goals.iter().zip(&mut results) {
            let premodel = front.premodel(front.meeting(*goal)?)?;
            let judged = judge(&premodel, &left_out).ok_or_else(|| {
                let (expected, remedy) = ("the premodel's signals in its own table", "give one table");
                TrainError::new(TrainErrorKind::Tables, Message::new("nested", expected, "others", remedy))
            })?;
            result.put(&unseen, &judged);
        }
    }
    Ok(results)
}

fn misdealt(expected: String, got: usize) -> TrainError {
    let message = Message::new("outer folds", expected, got, "give more rows or fewer folds");
    TrainError::new(TrainErrorKind::Folds, message)
}
