//! One error type for all engines.

use std::fmt;

use trt_select_base::text::one_line;

/// What went wrong, for code that wants to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A library is not on this machine, or not of a version that will do.
    LibraryMissing,
    /// A file could not be read.
    Io,
    /// A model could not be understood.
    Model,
    /// A model's tensors are not what the caller expects.
    Shape,
    /// The network failed while running.
    Run,
    /// The CUDA driver, or a call to it, failed.
    Driver,
    /// A plan is damaged, or was made for another TensorRT or another GPU.
    Plan,
    /// Memory could not be had, on the host or on the device.
    Memory,
    /// A plan could not be built from a model.
    Build,
    /// Something that this build or this engine does not have was asked for.
    Unsupported,
}

/// One line: the object, what was expected, what was found, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// An error of a kind with its line.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: one_line(message.into()).into_owned() }
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(feature = "tensorrt")]
impl From<trt_select_cuda::driver::Error> for Error {
    fn from(error: trt_select_cuda::driver::Error) -> Self {
        let kind = match error.kind() {
            trt_select_cuda::driver::ErrorKind::OutOfMemory => ErrorKind::Memory,
            _ => ErrorKind::Driver,
        };
        Error::new(kind, error.to_string())
    }
}
