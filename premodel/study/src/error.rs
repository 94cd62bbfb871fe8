//! Why a profile cannot be studied.

use std::error::Error;

use trt_select_train::{Message, TrainError};

/// What kind of reason there is for not studying a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StudyErrorKind {
    /// The profile has no costs.
    Costs,
    /// The profile has fewer than two candidates.
    Candidates,
    /// There are too few folds, or too few rows for them.
    Folds,
    /// The profile lacks a feature that was asked for.
    Feature,
    /// The trainer refused; the error's source says why.
    Training,
    /// A plot cannot be drawn; the error's source says why.
    Plot,
}

/// Why a profile cannot be studied. Displayed it is one line, `object: expected X, got Y; remedy`.
///
/// ```
/// use trt_select_study::{Options, StudyErrorKind, study};
/// use trt_select_train::Profile;
///
/// let profile = Profile::parse("p.csv", b"input,a.reward,a.cost_ns\nx,1,5\n").expect("a table that fits");
/// let error = study(&profile, &Options::new(), &|_, _, _| ()).unwrap_err();
/// assert_eq!(error.kind(), StudyErrorKind::Candidates);
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StudyError {
    kind: StudyErrorKind,
    message: Box<Message>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StudyError {
    pub(super) fn new(kind: StudyErrorKind, message: Message) -> StudyError {
        StudyError { kind, message: Box::new(message), source: None }
    }

    /// A plot that cannot be drawn.
    pub(super) fn of_plot(name: &str, cause: impl Error + Send + Sync + 'static) -> StudyError {
        let message = Message::new(name, "a plot", &cause, "please report this");
        StudyError { source: Some(Box::new(cause)), ..StudyError::new(StudyErrorKind::Plot, message) }
    }

    /// What kind of reason it is.
    pub fn kind(&self) -> StudyErrorKind {
        self.kind
    }

    /// The parts of its message.
    pub fn message(&self) -> &Message {
        &self.message
    }
}

impl From<TrainError> for StudyError {
    fn from(cause: TrainError) -> StudyError {
        let message = cause.message().clone();
        StudyError { source: Some(Box::new(cause)), ..StudyError::new(StudyErrorKind::Training, message) }
    }
}
