//! The crate's error: a kind for programs to read, and one line for people.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::Display;

use trt_select_base::cause::Cause;
use trt_select_base::text::one_line;
use trt_select_engines::ErrorKind as EngineErrorKind;

/// What went wrong, for programs that treat errors differently. [`ErrorKind::group`] says who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or folder is missing, or could not be read or written.
    Io,
    /// The content of a `bundle.toml`, or of a file that it names, is not what it must be.
    Bundle,
    /// A premodel is not sound, or does not fit the candidates that it is used with.
    Premodel,
    /// An engine failed, or no candidate can answer.
    Engine,
    /// The frame or tensor that the caller gave cannot be used.
    Input,
    /// A call or a command was used in a way that is not allowed.
    Usage,
    /// A recording, label file or table has content that is not allowed there.
    Data,
    /// The deadline of an input passed before any candidate had run.
    Deadline,
    /// TensorRT or ONNX Runtime is not installed on this machine, or not in a version that can be used.
    LibraryMissing,
    /// No NVIDIA driver is installed on this machine, or one that is too old.
    DriverMissing,
    /// There is an NVIDIA driver, but not the GPU that was asked for.
    DeviceMissing,
    /// The GPU has failed. This process cannot use it any more, but a new process can.
    DeviceLost,
    /// The GPU does not have enough memory left.
    DeviceMemory,
    /// The host does not have enough memory left, or not enough that can be page-locked.
    HostMemory,
    /// A limit that the caller set (`max_resident_bytes`) is too small for what was asked for.
    Limit,
    /// The operating system does not permit this process to do what was asked for.
    Denied,
    /// A candidate's plan does not exist.
    PlanMissing,
    /// A plan was made for another TensorRT or GPU, or from another model than the one beside it.
    PlanMismatch,
    /// A plan is damaged, or TensorRT does not accept it.
    Plan,
    /// A model cannot be read, or its tensors are not what they must be.
    Model,
    /// This build, or the chosen engine, does not offer what was asked for.
    Unsupported,
}

/// Who can do something about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorGroup {
    /// The same call may succeed later, for instance once memory is free. Nothing is wrong with the program, its files or the machine.
    Retry,
    /// The caller asked for something that cannot be done. The program, its files or its settings have to change.
    Caller,
    /// Something on the machine is missing, broken or forbidden: a file, a library, a driver, a GPU, a permission.
    Environment,
}

impl ErrorKind {
    /// Every kind, in the order of the declaration.
    pub const ALL: [ErrorKind; 21] = [
        ErrorKind::Io,
        ErrorKind::Bundle,
        ErrorKind::Premodel,
        ErrorKind::Engine,
        ErrorKind::Input,
        ErrorKind::Usage,
        ErrorKind::Data,
        ErrorKind::Deadline,
        ErrorKind::LibraryMissing,
        ErrorKind::DriverMissing,
        ErrorKind::DeviceMissing,
        ErrorKind::DeviceLost,
        ErrorKind::DeviceMemory,
        ErrorKind::HostMemory,
        ErrorKind::Limit,
        ErrorKind::Denied,
        ErrorKind::PlanMissing,
        ErrorKind::PlanMismatch,
        ErrorKind::Plan,
        ErrorKind::Model,
        ErrorKind::Unsupported,
    ];

    /// Who can do something about an error of this kind.
    ///
    /// ```
    /// use trt_select::error::{ErrorGroup, ErrorKind};
    /// assert_eq!(ErrorKind::DeviceMemory.group(), ErrorGroup::Retry);
    /// assert_eq!(ErrorKind::LibraryMissing.group(), ErrorGroup::Environment);
    /// ```
    pub const fn group(self) -> ErrorGroup {
        match self {
            ErrorKind::Deadline | ErrorKind::DeviceMemory | ErrorKind::HostMemory => ErrorGroup::Retry,
            ErrorKind::Bundle
            | ErrorKind::Premodel
            | ErrorKind::Input
            | ErrorKind::Usage
            | ErrorKind::Data
            | ErrorKind::Limit
            | ErrorKind::Model
            | ErrorKind::Unsupported => ErrorGroup::Caller,
            ErrorKind::Io
            | ErrorKind::Engine
            | ErrorKind::LibraryMissing
            | ErrorKind::DriverMissing
            | ErrorKind::DeviceMissing
            | ErrorKind::DeviceLost
            | ErrorKind::Denied
            | ErrorKind::PlanMissing
            | ErrorKind::PlanMismatch
            | ErrorKind::Plan => ErrorGroup::Environment,
        }
    }
}

/// An error whose message is one line: the object, what was expected, what was found, and what to do. Programs read its kind, and its
/// [`source`](std::error::Error::source) is the error that caused it, where there is one.
///
/// ```
/// use trt_select::error::{Error, ErrorKind};
/// let e = Error::expected(ErrorKind::Bundle, "bundle.toml:3: `format`", "1", "2", "use a release that reads format 2");
/// assert_eq!(e.to_string(), "bundle.toml:3: `format`: expected 1, got 2; use a release that reads format 2");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    text: Text,
}

/// Every result of the hot path has room for an error, so an error is small: what was made at run time lies behind a pointer.
#[derive(Clone, PartialEq, Eq)]
enum Text {
    Static(&'static str),
    Made(Box<Made>),
}

#[derive(Clone, PartialEq, Eq)]
struct Made {
    message: String,
    cause: Option<Cause>,
}

const _: () = assert!(size_of::<Error>() <= 24);

/// The result of this crate's calls that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of this kind with this message. Line breaks and control characters in the message are replaced, so that it stays one line
    /// whatever a library or a file's name put into it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error::made(kind, one_line(message.into()).into_owned(), None)
    }

    /// An error whose message is known at compile time. Making it allocates nothing, so the hot path may do it.
    pub const fn from_static(kind: ErrorKind, message: &'static str) -> Self {
        Error { kind, text: Text::Static(message) }
    }

    fn made(kind: ErrorKind, message: String, cause: Option<Cause>) -> Self {
        Error { kind, text: Text::Made(Box::new(Made { message, cause })) }
    }

    /// Its line and its cause.
    fn into_parts(self) -> (Cow<'static, str>, Option<Cause>) {
        match self.text {
            Text::Static(message) => (Cow::Borrowed(message), None),
            Text::Made(made) => (Cow::Owned(made.message), made.cause),
        }
    }

    /// An error whose message has four parts: `object: expected X, got Y; remedy`.
    pub fn expected(
        kind: ErrorKind,
        object: impl Display,
        expected: impl Display,
        got: impl Display,
        remedy: impl Display,
    ) -> Self {
        Error::new(kind, format!("{object}: expected {expected}, got {got}; {remedy}"))
    }

    /// The same error, with the error that caused it as its source.
    ///
    /// ```
    /// use std::error::Error as _;
    /// use trt_select::error::{Error, ErrorKind};
    ///
    /// let cause = std::io::Error::other("disk on fire");
    /// let error = Error::new(ErrorKind::Io, "profile.csv: cannot be read; check the disk").caused_by(cause);
    /// assert_eq!(error.source().unwrap().to_string(), "disk on fire");
    /// ```
    #[must_use]
    pub fn caused_by(self, cause: impl Into<Cause>) -> Self {
        Error::made(self.kind, self.into_parts().0.into_owned(), Some(cause.into()))
    }

    /// The same error, with an object that the message does not name yet, such as a candidate, in front of it: `object: message`.
    ///
    /// ```
    /// use trt_select::error::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Model, "input: expected 4 elements, got 3; export it again").within("small");
    /// assert_eq!(error.message(), "small: input: expected 4 elements, got 3; export it again");
    /// ```
    #[must_use]
    pub fn within(self, object: impl Display) -> Self {
        let (kind, (message, cause)) = (self.kind, self.into_parts());
        Error::made(kind, one_line(format!("{object}: {message}")).into_owned(), cause)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    #[cfg(feature = "capi")]
    pub(crate) fn into_message(self) -> Cow<'static, str> {
        self.into_parts().0
    }

    /// The message: one line.
    pub fn message(&self) -> &str {
        match &self.text {
            Text::Static(message) => message,
            Text::Made(made) => &made.message,
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.message())
    }
}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Error").field("kind", &self.kind).field("message", &self.message()).finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.text {
            Text::Static(_) => None,
            Text::Made(made) => made.cause.as_ref().map(|cause| {
                let below: &(dyn std::error::Error + 'static) = &**cause;
                below
            }),
        }
    }
}

#[cfg(feature = "tensorrt")]
impl From<trt_select_cuda::driver::Error> for Error {
    fn from(error: trt_select_cuda::driver::Error) -> Self {
        Error::from(trt_select_engines::Error::from(error))
    }
}

impl From<trt_select_engines::Error> for Error {
    fn from(error: trt_select_engines::Error) -> Self {
        let kind = match error.kind() {
            EngineErrorKind::Io => ErrorKind::Io,
            EngineErrorKind::LibraryMissing => ErrorKind::LibraryMissing,
            EngineErrorKind::DriverMissing => ErrorKind::DriverMissing,
            EngineErrorKind::DeviceMissing => ErrorKind::DeviceMissing,
            EngineErrorKind::DeviceLost => ErrorKind::DeviceLost,
            EngineErrorKind::DeviceMemory => ErrorKind::DeviceMemory,
            EngineErrorKind::HostMemory => ErrorKind::HostMemory,
            EngineErrorKind::Limit => ErrorKind::Limit,
            EngineErrorKind::Denied => ErrorKind::Denied,
            EngineErrorKind::PlanMissing => ErrorKind::PlanMissing,
            EngineErrorKind::PlanMismatch => ErrorKind::PlanMismatch,
            EngineErrorKind::Plan => ErrorKind::Plan,
            EngineErrorKind::Model | EngineErrorKind::Shape => ErrorKind::Model,
            EngineErrorKind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Engine,
        };
        Error::new(kind, error.to_string()).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_stays_one_line() {
        let e = Error::expected(ErrorKind::Io, "a\nb", "x", "y\r\n  z\u{7}", "w\n");
        assert_eq!(e.to_string(), "a; b: expected x, got y; z\\u{7}; w");
        assert_eq!(e.kind(), ErrorKind::Io);
        let e = Error::expected(ErrorKind::Data, "a", "x", "of a library: no;\n", "w");
        assert_eq!(e.to_string(), "a: expected x, got of a library: no; w");
        assert_eq!(Error::from_static(ErrorKind::Usage, "plain").message(), "plain");
    }

    #[test]
    fn every_kind_has_a_group() {
        for (at, kind) in ErrorKind::ALL.into_iter().enumerate() {
            assert!(!ErrorKind::ALL[..at].contains(&kind), "{kind:?} is listed twice");
        }
        for group in [ErrorGroup::Retry, ErrorGroup::Caller, ErrorGroup::Environment] {
            assert!(ErrorKind::ALL.iter().any(|kind| kind.group() == group), "{group:?}");
        }
    }

    #[test]
    fn engine_errors_keep_their_line() {
        use trt_select_engines as engines;
        for (kind, ours) in [
            (engines::ErrorKind::Io, ErrorKind::Io),
            (engines::ErrorKind::LibraryMissing, ErrorKind::LibraryMissing),
            (engines::ErrorKind::DriverMissing, ErrorKind::DriverMissing),
            (engines::ErrorKind::DeviceMemory, ErrorKind::DeviceMemory),
            (engines::ErrorKind::PlanMissing, ErrorKind::PlanMissing),
            (engines::ErrorKind::PlanMismatch, ErrorKind::PlanMismatch),
            (engines::ErrorKind::Plan, ErrorKind::Plan),
            (engines::ErrorKind::Model, ErrorKind::Model),
            (engines::ErrorKind::Shape, ErrorKind::Model),
            (engines::ErrorKind::Run, ErrorKind::Engine),
        ] {
            let e = Error::from(engines::Error::new(kind, "net.onnx: expected a model, got nothing; export it again"));
            assert_eq!(e.kind(), ours);
            assert_eq!(e.message(), "net.onnx: expected a model, got nothing; export it again");
            let source = std::error::Error::source(&e).and_then(|s| s.downcast_ref::<engines::Error>());
            assert_eq!(source.map(engines::Error::kind), Some(kind));
        }
    }
}
