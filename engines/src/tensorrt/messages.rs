//! TensorRT's messages. All of them go to `log`; errors that TensorRT reports during one of our calls also go into that call's error.
//!
//! A call of TensorRT that fails answers null or false and gives the reason only to its logger, of which a process has one. So each of our
//! calls listens on its own thread while it runs, and hears neither messages of other threads nor those of earlier calls. Messages that
//! TensorRT sends on threads of its own go to `log` only.

use std::cell::UnsafeCell;
use std::ffi::{CStr, c_char};

use super::bindings;
use crate::{Error, ErrorKind};

/// The target of forwarded messages.
const TARGET: &str = "tensorrt";

/// Bytes of error messages that are kept for one call. The rest is cut off; `log` gets all of it.
const KEPT_BYTES: usize = 2048;

/// Bytes kept of the last warning.
const WARNING_BYTES: usize = 512;

/// Text in a buffer of fixed size.
struct Text<const N: usize> {
    length: usize,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    const EMPTY: Text<N> = Text { length: 0, bytes: [0; N] };

    /// Adds a message, after a semicolon if there is text already. Line breaks and other control characters become spaces.
    fn add(&mut self, message: &[u8]) {
        let message = message.trim_ascii();
        let separator: &[u8] = if self.length == 0 { b"" } else { b"; " };
        for &byte in separator.iter().chain(message) {
            if self.length == N {
                break;
            }
            self.bytes[self.length] = if byte.is_ascii_control() { b' ' } else { byte };
            self.length += 1;
        }
    }

    fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.bytes[..self.length]).into_owned()
    }
}

/// What one call has heard. Its buffers are of fixed size and have no destructor, so that listening allocates nothing, not even in a
/// thread's first call.
struct Heard {
    listening: bool,
    errors: Text<KEPT_BYTES>,
    /// Where the first error ends.
    first: usize,
    /// The last warning.
    warning: Text<WARNING_BYTES>,
}

impl Heard {
    fn take(&mut self, severity: i32, message: &[u8]) {
        if severity == bindings::TRTSEL_SHIM_WARNING {
            self.warning.length = 0;
            self.warning.add(message);
            return;
        }
        self.errors.add(message);
        if self.first == 0 {
            self.first = self.errors.length;
        }
    }
}

thread_local! {
    static HEARD: UnsafeCell<Heard> = const {
        UnsafeCell::new(Heard { listening: false, errors: Text::EMPTY, first: 0, warning: Text::EMPTY })
    };
}

fn with<R>(act: impl FnOnce(&mut Heard) -> R) -> R {
    HEARD.with(|heard| {
        // SAFETY: the cell belongs to this thread, and every `act` below is plain data handling that neither calls out nor
        // comes back here, so there is no second reference while this one lives.
        act(unsafe { &mut *heard.get() })
    })
}

/// Listens on this thread until it is dropped. There must be one at a time: an inner listener would take the outer one's messages.
pub(super) struct Listener(());

impl Listener {
    /// Begins to listen on this thread.
    pub(super) fn begin() -> Listener {
        with(|heard| {
            heard.listening = true;
            heard.errors.length = 0;
            heard.first = 0;
            heard.warning.length = 0;
        });
        Listener(())
    }

    /// The errors heard so far, in order, joined to one line; empty if there were none.
    pub(super) fn text(&self) -> String {
        with(|heard| heard.errors.to_text())
    }

    /// An error of what TensorRT refused. `what` is the object and the deed, e.g. `nano.plan: TensorRT 10.3.0 refused it`.
    pub(super) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        // TensorRT 8 reports a missing driver as a warning, without any error. Later versions report it after other errors as well; only
        // their first message is the reason of the failure.
        let (text, first) = with(|heard| match heard.errors.length {
            0 => (heard.warning.to_text(), heard.warning.length),
            _ => (heard.errors.to_text(), heard.first),
        });
        if text.get(..first).is_some_and(tells_of_no_driver) {
            return Error::new(
                ErrorKind::DriverMissing,
                format!(
                    "{what}: expected an NVIDIA GPU, but no NVIDIA driver was found, or one too old for this TensorRT \
                     ({text}); install the driver, or run it on a machine that has one"
                ),
            );
        }
        let kind = if tells_of_no_memory(&text) { ErrorKind::DeviceMemory } else { kind };
        let text = if text.is_empty() { "TensorRT gave no reason" } else { &text };
        Error::new(kind, format!("{what} ({text})"))
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        with(|heard| heard.listening = false);
    }
}

/// CUDA error 35 is "driver version is insufficient for the runtime", which is also reported on a machine without a driver.
fn tells_of_no_driver(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["cudaerror 35", "error: 35", "error 35", "failure 35", "driver version is insufficient", "no cuda-capable device"]
        .iter()
        .any(|words| lower.contains(words))
}

fn tells_of_no_memory(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    ["outofmemory", "out of memory", "out_of_memory"].iter().any(|words| lower.contains(words))
}

/// TensorRT's logger. It is called on any thread.
pub(super) extern "C" fn forward(severity: i32, message: *const c_char) {
    if message.is_null() {
        return;
    }
    // SAFETY: TensorRT hands over a C string that lives as long as this call.
    let message = unsafe { CStr::from_ptr(message) };
    if severity <= bindings::TRTSEL_SHIM_WARNING {
        with(|heard| {
            if heard.listening {
                heard.take(severity, message.to_bytes());
            }
        });
    }
    let level = match severity {
        i32::MIN..=bindings::TRTSEL_SHIM_ERROR => log::Level::Error,
        bindings::TRTSEL_SHIM_WARNING => log::Level::Warn,
        // TensorRT's information is dozens of lines for one plan, so it is logged as details.
        bindings::TRTSEL_SHIM_INFO => log::Level::Debug,
        _ => log::Level::Trace,
    };
    if log::log_enabled!(target: TARGET, level) {
        log::log!(target: TARGET, level, "{}", message.to_string_lossy().trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(severity: i32, text: &CStr) {
        forward(severity, text.as_ptr());
    }

    #[test]
    fn errors_of_the_call_are_kept_and_nothing_else() {
        say(0, c"before");
        let listener = Listener::begin();
        say(1, c"first\nline ");
        say(2, c"a warning");
        say(3, c"information");
        say(0, c"second");
        std::thread::scope(|s| {
            s.spawn(|| say(1, c"another thread's"));
        });
        assert_eq!(listener.text(), "first line; second");
        drop(listener);
        say(1, c"after");
        assert_eq!(Listener::begin().text(), "");
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let listener = Listener::begin();
        let long = std::ffi::CString::new("x".repeat(KEPT_BYTES - 1)).expect("no null");
        say(1, &long);
        say(1, c"more");
        say(1, c"and more");
        assert_eq!(listener.text().len(), KEPT_BYTES);
        assert!(listener.text().ends_with("x;"));
    }

    #[test]
    fn a_missing_driver_and_missing_memory_are_told_apart() {
        let listener = Listener::begin();
        say(1, c"CUDA initialization failure with error: 35");
        let error = listener.error(ErrorKind::Plan, "x.plan: refused");
        assert_eq!(error.kind(), ErrorKind::DriverMissing);
        assert!(error.to_string().contains("no NVIDIA driver was found"), "{error}");
        assert!(error.to_string().contains("failure with error: 35"), "{error}");
        let listener = Listener::begin();
        say(1, c"Serialization assertion failed");
        say(1, c"cudaError 35: CUDA driver version is insufficient for CUDA runtime version");
        assert_eq!(listener.error(ErrorKind::Plan, "x.plan: refused").kind(), ErrorKind::Plan);
        let listener = Listener::begin();
        say(2, c"Unable to determine GPU memory usage");
        say(2, c"CUDA initialization failure with error: 35. Please check your CUDA installation");
        assert_eq!(listener.text(), "", "a warning is no error");
        assert_eq!(listener.error(ErrorKind::Plan, "x.plan: refused").kind(), ErrorKind::DriverMissing);
        let listener = Listener::begin();
        say(1, c"[allocator.cpp] Error Code 2: OutOfMemory (requested 256 bytes)");
        assert_eq!(listener.error(ErrorKind::Plan, "x.plan: refused").kind(), ErrorKind::DeviceMemory);
        let listener = Listener::begin();
        let error = listener.error(ErrorKind::Plan, "x.plan: refused");
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::Plan, "x.plan: refused (TensorRT gave no reason)")
        );
    }
}
