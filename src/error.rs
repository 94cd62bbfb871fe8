//! The crate's error: a kind for code, one line for people.
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::fmt::{self, Display};

use trt_select_base::text::one_line;

/// What went wrong, for code that wants to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A file or folder is missing, or could not be read or written.
    Io,
    /// A `bundle.toml`, or a file that it names, does not say what it must.
    Bundle,
    /// A premodel could not be understood, or does not fit what it is used with.
    Premodel,
    /// An engine or its library is missing, or failed.
    Engine,
    /// A frame or tensor handed in cannot be taken.
    Input,
    /// A call or a command was used in a way that it does not allow.
    Usage,
    /// A recording, label file or table holds something that it must not.
    Data,
    /// An input's deadline passed before any candidate had run.
    Deadline,
}

/// One line: the object, what was expected, what was found, what to do.
///
/// ```
/// use trt_select::error::{Error, ErrorKind};
/// let e = Error::expected(ErrorKind::Bundle, "bundle.toml:3: `format`", "1", "2", "use a release that reads format 2");
/// assert_eq!(e.to_string(), "bundle.toml:3: `format`: expected 1, got 2; use a release that reads format 2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
}

/// What the crate's fallible calls give.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of a kind with its line. Line breaks and control characters in it are replaced, so that it stays one
    /// line whatever a library or a file name put into it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: Cow::Owned(one_line(message.into()).into_owned()) }
    }

    /// An error whose line is known at compile time: nothing is allocated, so it may be made on the hot path.
    pub const fn from_static(kind: ErrorKind, message: &'static str) -> Self {
        Error { kind, message: Cow::Borrowed(message) }
    }

    /// The line from its four parts: `object: expected X, got Y; remedy`.
    pub fn expected(
        kind: ErrorKind,
        object: impl Display,
        expected: impl Display,
        got: impl Display,
        remedy: impl Display,
    ) -> Self {
        Error::new(kind, format!("{object}: expected {expected}, got {got}; {remedy}"))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    #[cfg(feature = "capi")]
    pub(crate) fn into_message(self) -> Cow<'static, str> {
        self.message
    }

    /// The line.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(feature = "tensorrt")]
impl From<trt_select_cuda::driver::Error> for Error {
    fn from(error: trt_select_cuda::driver::Error) -> Self {
        Error::from(trt_select_engines::Error::from(error))
    }
}

impl From<trt_select_engines::Error> for Error {
    fn from(error: trt_select_engines::Error) -> Self {
        let kind = match error.kind() {
            trt_select_engines::ErrorKind::Io => ErrorKind::Io,
            _ => ErrorKind::Engine,
        };
        Error::new(kind, error.to_string())
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
    fn engine_errors_keep_their_line() {
        use trt_select_engines as engines;
        for (kind, ours) in [
            (engines::ErrorKind::Io, ErrorKind::Io),
            (engines::ErrorKind::LibraryMissing, ErrorKind::Engine),
            (engines::ErrorKind::Model, ErrorKind::Engine),
            (engines::ErrorKind::Shape, ErrorKind::Engine),
            (engines::ErrorKind::Run, ErrorKind::Engine),
        ] {
            let e = Error::from(engines::Error::new(kind, "net.onnx: expected a model, got nothing; export it again"));
            assert_eq!(e.kind(), ours);
            assert_eq!(e.message(), "net.onnx: expected a model, got nothing; export it again");
        }
    }
}
