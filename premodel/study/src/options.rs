//! What to study.

/// What to study. Every field has a method of its name that sets it.
///
/// ```
/// let options = trt_select_study::Options::new().folds(5).seed(3);
/// assert_eq!((options.folds, options.theta), (5, 0.005));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// Folds of the cross-validation, 2 or more.
    pub folds: usize,
    /// Seed of the folds and of the intervals.
    pub seed: u64,
    /// Algorithm 1 stops where the gain in union accuracy is below this.
    pub theta: f64,
    /// Features that the chains and classifiers read, with or without `feature.`; those of the user with `signal.`. Empty:
    /// the papers' seven where the profile has them, else all.
    pub features: Vec<String>,
}

impl Default for Options {
    fn default() -> Options {
        Options { folds: 10, seed: 1, theta: 0.005, features: Vec::new() }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// Sets [`Options::folds`](#structfield.folds).
    #[must_use]
    pub fn folds(self, folds: usize) -> Options {
        Options { folds, ..self }
    }

    /// Sets [`Options::seed`](#structfield.seed).
    #[must_use]
    pub fn seed(self, seed: u64) -> Options {
        Options { seed, ..self }
    }

    /// Sets [`Options::theta`](#structfield.theta).
    #[must_use]
    pub fn theta(self, theta: f64) -> Options {
        Options { theta, ..self }
    }

    /// Sets [`Options::features`](#structfield.features).
    #[must_use]
    pub fn features(self, features: Vec<String>) -> Options {
        Options { features, ..self }
    }
}
