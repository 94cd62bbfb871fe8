//! One error type for all engines.

use std::fmt::Display;

use trt_select_base::cause::Cause;
use trt_select_base::text::one_line;

/// What went wrong, for code that wants to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A library (TensorRT, its ONNX parser, ONNX Runtime) is not on this machine, or not of a version that will do.
    LibraryMissing,
    /// There is no NVIDIA driver on this machine, or one that is too old.
    DriverMissing,
    /// There is an NVIDIA driver, but no such GPU.
    DeviceMissing,
    /// The GPU faulted. Only a new process can use it again.
    DeviceLost,
    /// A call to the CUDA driver failed.
    Driver,
    /// The GPU has no more memory for what was asked for.
    DeviceMemory,
    /// The host has no more memory, or none that can be page-locked.
    HostMemory,
    /// A limit that the caller set (`max_resident_bytes`) leaves no room for what was asked for.
    Limit,
    /// The operating system does not let this process do what was asked for.
    Denied,
    /// A file could not be read or written.
    Io,
    /// There is no plan of that name.
    PlanMissing,
    /// A plan was made for another TensorRT or another GPU, or from another model than the one beside it.
    PlanMismatch,
    /// A plan is damaged, or TensorRT refuses it.
    Plan,
    /// A model could not be understood.
    Model,
    /// A model's tensors are not what the caller expects.
    Shape,
    /// A plan could not be built from a model.
    Build,
    /// The network failed while running.
    Run,
    /// Something that this build or this engine does not have was asked for.
    Unsupported,
}

/// One line: the object, what was expected, what was found, what to do. Its kind is for code, and its
/// [`source`](std::error::Error::source) the error of the system, the driver or a library that caused it, where there is one.
///
/// ```
/// use std::error::Error as _;
/// use std::io;
/// use trt_select_engines::{Error, ErrorKind};
///
/// let cause = io::Error::from(io::ErrorKind::PermissionDenied);
/// let line = format!("net.onnx: expected a readable file, got {cause}; check its permissions");
/// let error = Error::new(ErrorKind::Io, line).caused_by(cause);
/// assert_eq!(error.kind(), ErrorKind::Io);
/// let cause = error.source().and_then(|e| e.downcast_ref::<io::Error>()).expect("the system's error");
/// assert_eq!(cause.kind(), io::ErrorKind::PermissionDenied);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    #[source]
    cause: Option<Cause>,
}

impl Error {
    /// An error of a kind with its line. Libraries answer with several lines: they are joined.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: one_line(message.into()).into_owned(), cause: None }
    }

    /// The same error with the one that caused it.
    #[must_use]
    pub fn caused_by(self, cause: impl Into<Cause>) -> Self {
        Error { cause: Some(cause.into()), ..self }
    }

    /// The same error as another kind.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        Error { kind, ..self }
    }

    /// The same error of an object that the line does not name yet, such as a candidate: `object: line`.
    ///
    /// ```
    /// use trt_select_engines::{Error, ErrorKind};
    /// let error = Error::new(ErrorKind::Run, "the network failed").within("small");
    /// assert_eq!(error.to_string(), "small: the network failed");
    /// ```
    #[must_use]
    pub fn within(self, object: impl Display) -> Self {
        let line = format!("{object}: {}", self.message);
        Error { message: one_line(line).into_owned(), ..self }
    }

    /// The same error with what to do about it.
    #[cfg(feature = "tensorrt")]
    pub(crate) fn with_remedy(self, remedy: &str) -> Self {
        let message = format!("{}; {remedy}", self.message);
        Error { message, ..self }
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

#[cfg(feature = "tensorrt")]
impl From<trt_select_cuda::driver::Error> for Error {
    fn from(error: trt_select_cuda::driver::Error) -> Self {
        use trt_select_cuda::driver::ErrorKind as Of;
        let kind = match error.kind() {
            Of::LibraryMissing | Of::SymbolMissing => ErrorKind::DriverMissing,
            Of::NoDevice => ErrorKind::DeviceMissing,
            Of::ContextLost => ErrorKind::DeviceLost,
            Of::OutOfMemory => ErrorKind::DeviceMemory,
            Of::OutOfHostMemory => ErrorKind::HostMemory,
            Of::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Driver,
        };
        Error::new(kind, error.to_string()).caused_by(error)
    }
}
