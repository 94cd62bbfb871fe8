//! One error type for the driver layer.

use trt_select_base::cause::Cause;
use trt_select_base::text::one_line;

use super::names::result_name;

/// `CUDA_ERROR_OUT_OF_MEMORY`.
pub(super) const OUT_OF_MEMORY: i32 = 2;
/// `CUDA_ERROR_NOT_READY`: no failure where one asks whether work is done.
pub(super) const NOT_READY: i32 = 600;

/// What went wrong, for code that wants to tell cases apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no driver on this machine, or it could not be opened.
    LibraryMissing,
    /// The driver lacks a call that this version needs.
    SymbolMissing,
    /// There is a driver but no such GPU.
    NoDevice,
    /// The device has no more memory for what was asked for.
    OutOfMemory,
    /// The host has no more memory that can be page-locked.
    OutOfHostMemory,
    /// The GPU faulted, and everything in its context is lost: only a new process can use it again.
    ContextLost,
    /// A call failed.
    Call,
    /// A call gave a result that this version does not know.
    UnknownResult,
    /// The driver is older than what was asked for (graphs, for one).
    Unsupported,
    /// The layer itself was used wrongly; no call was made.
    Misuse,
}

/// One line: the object, what was expected, what was found, what to do.
///
/// ```
/// use trt_select_cuda::driver::{Context, ErrorKind};
///
/// // On a machine without a GPU the error says so: nothing panics.
/// match Context::primary(0) {
///     Ok(context) => println!("{}", context.device().name),
///     Err(error) if error.kind() == ErrorKind::LibraryMissing => println!("no NVIDIA driver: {error}"),
///     Err(error) => println!("{} failed with {}: {error}", error.call(), error.code()),
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    call: &'static str,
    code: i32,
    message: String,
    #[source]
    cause: Option<Cause>,
}

impl Error {
    /// An error that no call of the driver gave. `call` names what was asked for.
    pub(crate) fn new(kind: ErrorKind, call: &'static str, message: impl AsRef<str>) -> Self {
        Error { kind, call, code: 0, message: one_line(message.as_ref()).into_owned(), cause: None }
    }

    /// The same error with the one that caused it.
    pub(super) fn caused_by(self, cause: impl Into<Cause>) -> Self {
        Error { cause: Some(cause.into()), ..self }
    }

    /// The error for a result other than 0.
    #[cold]
    pub(super) fn of_call(call: &'static str, code: i32) -> Self {
        Error::of_call_about(call, code, "", "")
    }

    /// As [`Error::of_call`], with what the call was about (`about`, such as ` of 64 bytes`) and what the driver wrote in its log
    /// (`said`).
    #[cold]
    pub(super) fn of_call_about(call: &'static str, code: i32, about: &str, said: &str) -> Self {
        let kind = match code {
            OUT_OF_MEMORY if call.starts_with("cuMemHost") => ErrorKind::OutOfHostMemory,
            OUT_OF_MEMORY => ErrorKind::OutOfMemory,
            code if is_lost(code) => ErrorKind::ContextLost,
            // NO_DEVICE, INVALID_DEVICE
            100 | 101 => ErrorKind::NoDevice,
            _ if result_name(code).is_none() => ErrorKind::UnknownResult,
            _ => ErrorKind::Call,
        };
        let mut message = match result_name(code) {
            Some(name) => format!("{call}{about}: expected success, got {name} ({code})"),
            None => format!("{call}{about}: expected success, got result {code}, which this version does not know"),
        };
        let said = one_line(said.trim());
        if !said.is_empty() {
            message.push_str(" (");
            message.push_str(&said);
            message.push(')');
        }
        if let Some(remedy) = remedy(code) {
            message.push_str("; ");
            message.push_str(remedy);
        }
        Error { kind, call, code, message, cause: None }
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The driver's call that failed, or what was asked for where no call was made.
    #[must_use]
    pub fn call(&self) -> &'static str {
        self.call
    }

    /// The driver's result code; 0 where no call was made or none failed.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }
}

/// Results after which nothing in the context works any more: illegal addresses, timeouts, traps.
fn is_lost(code: i32) -> bool {
    matches!(code, 214 | 220 | 700 | 702 | 710 | 714..=719)
}

/// What to do about a result, where there is something to do.
fn remedy(code: i32) -> Option<&'static str> {
    Some(match code {
        OUT_OF_MEMORY => "free memory, or use fewer or smaller candidates",
        3 | 4 => "the process is ending, or the driver was not initialised; call it earlier",
        34 => "this is the toolkit's stub of the driver; put the directory of the driver's own library first",
        46 => "another process holds the GPU, or its compute mode forbids this one; see nvidia-smi -q",
        100 => "no GPU is visible; see nvidia-smi and CUDA_VISIBLE_DEVICES, or use an engine that needs no GPU",
        101 => "ask for a smaller device number",
        code if is_lost(code) => "the context is lost; restart the process",
        // No binary, invalid PTX, unknown PTX version.
        209 | 218 | 222 => "update the driver",
        201 | 709 => "leave cudaDeviceReset out of the program: it destroys the context that all its libraries share",
        // The driver compiles PTX by a library of its own, which containers often lack.
        221 => {
            "install libnvidia-ptxjitcompiler.so.1 of the driver's version, or give the container the driver capabilities \
             compute,utility"
        }
        223 => "unset CUDA_DISABLE_PTX_JIT",
        802 | 999 => "see the system's log for what the driver says",
        803 | 804 => "the driver's library and its kernel module differ in version; reboot, or install one driver",
        900..=907 => "do without graphs, or leave calls that a capture forbids out of it",
        // The driver's documentation: only the thread that began a capture can end it.
        908 => "the stream still captures and does no other work: end the capture in the thread that began it",
        _ if result_name(code).is_none() => "see the header of the driver's CUDA version",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_with_name_and_code() {
        let error = Error::of_call_about("cuMemAlloc_v2", 2, " of 64 bytes", "");
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!((error.call(), error.code()), ("cuMemAlloc_v2", 2));
        assert_eq!(
            error.to_string(),
            "cuMemAlloc_v2 of 64 bytes: expected success, got CUDA_ERROR_OUT_OF_MEMORY (2); free memory, or use fewer or \
             smaller candidates"
        );
        assert_eq!(Error::of_call("cuMemHostAlloc", 2).kind(), ErrorKind::OutOfHostMemory);
        assert_eq!(Error::of_call("cuStreamQuery", 700).kind(), ErrorKind::ContextLost);
        let error = Error::of_call("cuStreamQuery", 9999);
        assert_eq!(error.kind(), ErrorKind::UnknownResult);
        assert!(error.to_string().contains("got result 9999, which this version does not know"), "{error}");
        let error = Error::of_call_about("cuModuleLoadDataEx", 218, "", "line 1; syntax\n  fatal : abandoned\n");
        assert_eq!(error.kind(), ErrorKind::Call);
        assert!(error.to_string().contains("(218) (line 1; syntax; fatal : abandoned)"), "{error}");
        let error = Error::of_call("cuModuleLoadDataEx", 221);
        assert_eq!(error.kind(), ErrorKind::Call);
        assert_eq!(
            error.to_string(),
            "cuModuleLoadDataEx: expected success, got CUDA_ERROR_JIT_COMPILER_NOT_FOUND (221); install \
             libnvidia-ptxjitcompiler.so.1 of the driver's version, or give the container the driver capabilities \
             compute,utility"
        );
        for code in -1..1100 {
            assert!(!Error::of_call("x", code).to_string().contains('\n'));
        }
    }
}
