//! Why a premodel cannot be used.

use core::fmt;

use alloc::format;
use alloc::string::{String, ToString};

use crate::CheckError;

/// What is wrong with a premodel, for code that wants to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelErrorKind {
    /// Its file is no JSON, or not of the form that a premodel has.
    Json,
    /// Its file is of another format or version.
    Version,
    /// Its candidates are too many, too few, wrongly named, or one is named that does not exist.
    Candidates,
    /// A signal has a name that none can have, or is named where it is not listed.
    Signals,
    /// A threshold is not a 32-bit float.
    Threshold,
    /// Costs are not one finite number per candidate.
    Costs,
    /// The table of risks does not fit candidates and classes.
    Risk,
    /// Temperatures or weights of averages are out of bounds or do not fit the candidates.
    Calibration,
    /// There are too many programs or none, or the number, price, shares, expectations or mix of one lie outside their range.
    Programs,
    /// The program is not sound: the [`CheckError`] is the source.
    Program,
    /// An average was asked for, and the premodel does not say how many classes there are.
    Classes,
    /// There is no style of this name: see [`Style`](crate::compile::Style).
    Style,
}

/// Why a premodel cannot be used, in one line: what was expected, what was found, and what to do. Its kind is for code; where the program
/// is not sound, its source is the [`CheckError`].
///
/// ```
/// use trt_select_premodel::{CandidateId, ModelErrorKind, Node, Premodel, TrainedFor};
///
/// let nodes = vec![Node::answer(CandidateId(0))];
/// let error = Premodel::new(vec!["a".into()], 2, vec![], nodes, vec![CandidateId(0)], vec![], TrainedFor::of_costs(vec![1.0]));
/// let error = error.unwrap_err();
/// assert_eq!(error.kind(), ModelErrorKind::Program);
/// assert!(std::error::Error::source(&error).is_some());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelError {
    kind: ModelErrorKind,
    message: String,
    check: Option<CheckError>,
}

impl ModelError {
    pub(crate) fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        ModelError { kind, message: message.into(), check: None }
    }

    /// The error of a program that is not sound; `at` is its number among `count` programs.
    pub(crate) fn of_program(error: CheckError, at: usize, count: usize) -> Self {
        let error = ModelError::from(error);
        // Where there is but one program, its number says nothing.
        if count == 1 { error } else { ModelError { message: format!("programs[{at}]: {}", error.message), ..error } }
    }

    /// What is wrong.
    pub fn kind(&self) -> ModelErrorKind {
        self.kind
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for ModelError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.check.as_ref().map(|check| {
            let below: &(dyn core::error::Error + 'static) = check;
            below
        })
    }
}

impl From<CheckError> for ModelError {
    fn from(error: CheckError) -> Self {
        ModelError { kind: ModelErrorKind::Program, message: error.to_string(), check: Some(error) }
    }
}
