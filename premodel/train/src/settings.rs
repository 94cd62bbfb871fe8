//! How to train.

use super::Profile;
use super::error::{Message, TrainError, TrainErrorKind};
use super::goal::Goal;

/// How rows are dealt into the folds of the cross-validation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FoldBy {
    /// At random, by the seed: the forecast is for further inputs from the recordings that were trained on.
    #[default]
    Random,
    /// Each recording is a fold: every row is judged by programs that saw no row of its recording, so the forecast is for a recording
    /// that is yet to be made. See [`Settings::by_recording`].
    Recording,
}

/// How to train. Every field has a method of its name that sets it.
///
/// ```
/// use trt_select_train::{Goal, Settings};
///
/// let settings = Settings::new().max_runs(2).steps(12).goal(Goal::AtMost(3.5)).seed(7);
/// assert_eq!((settings.max_runs, settings.folds), (2, 5));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How many candidates may run for one input.
    pub max_runs: usize,
    /// How many tests may follow each other between two runs.
    pub tests: usize,
    /// A signal is tested only where at least twice so many rows come; 0 stands for a two-hundredth of the rows, 20 at least.
    pub min_leaf: usize,
    /// How many standard errors of its gain a test of anything but a confidence must gain.
    pub significance: f64,
    /// What the candidates of one input may cost together at most, in the unit of the costs; with the image features, where a program reads one.
    pub worst: Option<f64>,
    /// Folds of the cross-validation.
    pub folds: usize,
    /// How rows are dealt into these folds. [`Settings::by_recording`] sets it together with what goes with it.
    pub fold_by: FoldBy,
    /// How often the cross-validation is done, with other folds each time; a row's outcome is the mean. 0 stands for three
    /// times, or once from 10,000 rows on.
    pub repeats: usize,
    /// How many prices are tried: a third spread evenly in their logarithm, the others where mean costs lie far apart. Plain cascades, which need no
    /// further training, are judged at up to three times as many.
    pub steps: usize,
    /// Further prices to try, in reward per millisecond (or millijoule, where energy is counted).
    pub prices: Vec<f64>,
    /// What will be asked of the front: prices are looked for most closely where this is met.
    pub goal: Option<Goal>,
    /// Seed of the folds: the same seed gives the same result.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            max_runs: 3,
            tests: 2,
            min_leaf: 0,
            significance: 2.0,
            worst: None,
            folds: 5,
            fold_by: FoldBy::Random,
            repeats: 0,
            steps: 36,
            prices: Vec::new(),
            goal: None,
            seed: 1,
        }
    }
}

/// A method that sets the field of its name.
macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $kind:ty = $value:expr;)*) => {
        impl Settings {
            /// The defaults.
            pub fn new() -> Settings {
                Settings::default()
            }

            $($(#[$doc])*
            #[must_use]
            pub fn $field(mut self, $field: $kind) -> Settings {
                self.$field = $value;
                self
            })*
        }
    };
}

setters! {
    /// Sets [`Settings::max_runs`](#structfield.max_runs).
    max_runs: usize = max_runs;
    /// Sets [`Settings::tests`](#structfield.tests).
    tests: usize = tests;
    /// Sets [`Settings::min_leaf`](#structfield.min_leaf).
    min_leaf: usize = min_leaf;
    /// Sets [`Settings::significance`](#structfield.significance).
    significance: f64 = significance;
    /// Sets [`Settings::worst`](#structfield.worst).
    worst: impl Into<Option<f64>> = worst.into();
    /// Sets [`Settings::folds`](#structfield.folds).
    folds: usize = folds;
    /// Sets [`Settings::repeats`](#structfield.repeats).
    repeats: usize = repeats;
    /// Sets [`Settings::steps`](#structfield.steps).
    steps: usize = steps;
    /// Sets [`Settings::prices`](#structfield.prices).
    prices: Vec<f64> = prices;
    /// Sets [`Settings::goal`](#structfield.goal).
    goal: impl Into<Option<Goal>> = goal.into();
    /// Sets [`Settings::seed`](#structfield.seed).
    seed: u64 = seed;
}

impl Settings {
    /// Makes each recording of a table a fold: as many folds as recordings, and one repeat, since there is one way to deal them. The
    /// settings are for this table, or for one with rows of the same recordings.
    ///
    /// ```
    /// use trt_select_train::{Profile, Settings};
    ///
    /// let day = |name: &str, row: &str| Profile::parse(name, format!("input,a.reward\n{row},1\n").as_bytes());
    /// let monday = day("mon.csv", "1.png")?;
    /// assert!(Settings::new().by_recording(&monday).is_err(), "one recording cannot be judged by another");
    /// let both = Profile::join(vec![monday, day("tue.csv", "7.png")?])?;
    /// assert_eq!(Settings::new().by_recording(&both)?.folds, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Of the kind [`TrainErrorKind::Recordings`] where fewer than two recordings have rows.
    ///
    /// # Panics
    /// [`sweep`](super::sweep) panics where it is given such settings together with a table of one recording.
    pub fn by_recording(self, profile: &Profile) -> Result<Settings, TrainError> {
        let (_, recordings) = profile.recordings.folds(profile.rows());
        if recordings < 2 {
            return Err(too_few(2, recordings));
        }
        Ok(Settings { fold_by: FoldBy::Recording, folds: recordings, repeats: 1, ..self })
    }
}

/// The refusal to make folds of fewer recordings than are needed.
pub(super) fn too_few(needed: usize, recordings: usize) -> TrainError {
    let expected = format!("at least {needed} recordings");
    let message = Message::new("folds by recording", expected, recordings, "join more of them, or deal rows at random");
    TrainError::new(TrainErrorKind::Recordings, message)
}
