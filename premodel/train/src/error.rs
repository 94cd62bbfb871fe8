//! Why a profile cannot be read, and why nothing can be trained from it.

use std::error::Error;
use std::fmt::{self, Display};

use trt_select_premodel::ModelError;

/// What is wrong, in four parts. Displayed it is one line: `object: expected X, got Y; remedy`.
///
/// The remedy speaks of this library. A program with remedies of its own (such as a subcommand to run) takes the other parts
/// and says its own in place: see [`Message::with_remedy`].
///
/// ```
/// use trt_select_train::Message;
///
/// let message = Message::new("p.csv line 3", "9 fields", 4, "remove the line");
/// assert_eq!(message.to_string(), "p.csv line 3: expected 9 fields, got 4; remove the line");
/// assert_eq!(message.with_remedy("run it again").to_string(), "p.csv line 3: expected 9 fields, got 4; run it again");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// What the message is about: a file with its line and column, a setting, a table.
    pub object: String,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub got: String,
    /// What to do about it.
    pub remedy: String,
}

impl Message {
    /// A message of its four parts. Line breaks become spaces, so that it stays one line.
    pub fn new(object: impl Display, expected: impl Display, got: impl Display, remedy: impl Display) -> Message {
        Message { object: line(&object), expected: line(&expected), got: line(&got), remedy: line(&remedy) }
    }

    /// The same message about something else: what the caller's user knows the object as.
    #[must_use]
    pub fn with_object(mut self, object: impl Display) -> Message {
        self.object = line(&object);
        self
    }

    /// The same message with another remedy.
    #[must_use]
    pub fn with_remedy(mut self, remedy: impl Display) -> Message {
        self.remedy = line(&remedy);
        self
    }
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}, got {}; {}", self.object, self.expected, self.got, self.remedy)
    }
}

fn line(text: &dyn Display) -> String {
    text.to_string().replace(['\n', '\r'], " ")
}

/// What kind of fault a profile or its side file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProfileErrorKind {
    /// The profile's file cannot be read; the error's source says why.
    Unreadable,
    /// The side file is there and cannot be read; the error's source says why.
    SideUnreadable,
    /// The file has no header or no row.
    Empty,
    /// A line is not CSV in UTF-8.
    Syntax,
    /// A `# key: value` comment contradicts another one, or has a value that makes no sense.
    Comment,
    /// The header lacks a column, has it twice, or has one of an unknown name.
    Header,
    /// A line has more or fewer fields than the header.
    FieldCount,
    /// A field holds what its column cannot hold.
    Value,
    /// The last line has no newline at its end: what follows may be missing.
    CutShort,
    /// The side file lacks a column of a candidate of the profile.
    SideColumn,
    /// The side file lacks the row of an input of the profile.
    SideRow,
    /// The table lacks columns, or the side file, that what was asked for needs.
    NotMeasured,
    /// Recordings that are to be joined do not make one table: see [`Profile::join`](crate::Profile::join).
    Recordings,
    /// Parts of a table that was made in memory do not fit each other.
    Shape,
}

/// Why a profile cannot be used. Displayed it is one line, `object: expected X, got Y; remedy`.
///
/// ```
/// use std::error::Error;
/// use trt_select_train::{Profile, ProfileErrorKind};
///
/// let error = Profile::parse("p.csv", b"input,a.reward\nx,2\n").unwrap_err();
/// assert_eq!(error.kind(), ProfileErrorKind::Value);
/// assert!(error.to_string().starts_with("p.csv line 2: column 'a.reward': expected a number in 0..=1, got '2'"));
///
/// let error = Profile::read("no/such.csv".as_ref()).unwrap_err();
/// assert_eq!(error.kind(), ProfileErrorKind::Unreadable);
/// assert!(error.source().is_some_and(|cause| cause.is::<std::io::Error>()));
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ProfileError {
    kind: ProfileErrorKind,
    message: Box<Message>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ProfileError {
    pub(crate) fn new(kind: ProfileErrorKind, message: Message) -> ProfileError {
        ProfileError { kind, message: Box::new(message), source: None }
    }

    pub(crate) fn caused_by(mut self, cause: impl Error + Send + Sync + 'static) -> ProfileError {
        self.source = Some(Box::new(cause));
        self
    }

    /// What kind of fault it is.
    pub fn kind(&self) -> ProfileErrorKind {
        self.kind
    }

    /// The parts of its message.
    pub fn message(&self) -> &Message {
        &self.message
    }
}

/// What kind of reason there is for not training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrainErrorKind {
    /// The table that judges has other inputs or candidates than the one that is learnt from.
    Tables,
    /// Costs are not one a candidate, or are no finite numbers of at least 0.
    Costs,
    /// There are too few folds, or too few rows for them.
    Folds,
    /// There are too few recordings for each to be a fold.
    Recordings,
    /// A setting makes no sense.
    Setting,
    /// The bound on the cost of an input leaves no candidate to run.
    WorstCase,
    /// No point of the front meets the goal.
    Goal,
    /// The program breaks a rule of premodels; the error's source says which.
    Program,
}

/// Why nothing can be trained. Displayed it is one line, `object: expected X, got Y; remedy`.
///
/// ```
/// use trt_select_train::{Costs, Profile, Settings, Task, TrainErrorKind, sweep};
///
/// let profile = Profile::parse("p.csv", b"input,a.reward\nx,1\ny,0\n")?;
/// let error = sweep(&Task::new(&profile, Costs::time_ns(vec![5.0], 0.0)), &Settings::new(), &|_, _| {}).unwrap_err();
/// assert_eq!(error.kind(), TrainErrorKind::Folds);
/// # Ok::<(), trt_select_train::ProfileError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TrainError {
    kind: TrainErrorKind,
    message: Box<Message>,
    source: Option<ModelError>,
}

impl TrainError {
    pub(crate) fn new(kind: TrainErrorKind, message: Message) -> TrainError {
        TrainError { kind, message: Box::new(message), source: None }
    }

    /// The kind of reason.
    pub fn kind(&self) -> TrainErrorKind {
        self.kind
    }

    /// The parts of its message.
    pub fn message(&self) -> &Message {
        &self.message
    }
}

impl From<ModelError> for TrainError {
    fn from(cause: ModelError) -> TrainError {
        let message = Message::new("program", "one that keeps the rules of premodels", &cause, "ask for a smaller one");
        TrainError { kind: TrainErrorKind::Program, message: Box::new(message), source: Some(cause) }
    }
}
