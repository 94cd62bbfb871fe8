//! Sends log lines to the caller's function. A line goes to the function of the handle whose call is running on this thread, so
//! the lines of two selectors in one program stay apart.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::fmt::Write;
use std::sync::Once;

use super::text::Text;

/// Nothing is logged.
pub const TRTSEL_LOG_OFF: u32 = 0;
/// Errors: something does not work.
pub const TRTSEL_LOG_ERROR: u32 = 1;
/// Warnings: something works, but not in the expected way; for example, a candidate runs without a CUDA graph.
pub const TRTSEL_LOG_WARN: u32 = 2;
/// Information, for example which engine was chosen.
pub const TRTSEL_LOG_INFO: u32 = 3;
/// Details.
pub const TRTSEL_LOG_DEBUG: u32 = 4;
/// More details.
pub const TRTSEL_LOG_TRACE: u32 = 5;

/// A function of the caller's that receives one log line: `user` is `log_user` of the options, `level` a `TRTSEL_LOG_` number,
/// and `line` a text that is valid only during the call. The library calls it on the thread that called the library. It must
/// return normally (no exception, no longjmp). Calls that it makes on the handle that logs, other than those with a `const`
/// handle, return `TRTSEL_BUSY`.
pub type trtsel_log_callback = Option<unsafe extern "C" fn(user: *mut c_void, level: u32, line: *const c_char)>;

/// The caller's function and the level up to which it wants lines.
#[derive(Clone, Copy)]
pub(super) struct Sink {
    pub(super) function: unsafe extern "C" fn(*mut c_void, u32, *const c_char),
    pub(super) user: *mut c_void,
    pub(super) level: u32,
}

// SAFETY: the options' documentation says that function and user pointer are used on whichever thread calls the library.
unsafe impl Send for Sink {}
// SAFETY: as above; a shared sink is only copied.
unsafe impl Sync for Sink {}

thread_local! {
    static CURRENT: Cell<Option<Sink>> = const { Cell::new(None) };
}

/// Runs `work`, and sends the lines that it logs on this thread to `sink`, if there is one.
pub(super) fn with<R>(sink: Option<Sink>, work: impl FnOnce() -> R) -> R {
    /// Puts back the sink of the call around this one, if there is one, also when `work` panics.
    struct Restore(Option<Sink>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    if sink.is_none() {
        return work();
    }
    install();
    let _restore = Restore(CURRENT.replace(sink));
    work()
}

/// Sets the process's logger. If a Rust program has set one already, that one stays, and the callbacks receive nothing.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if ::log::set_logger(&Callbacks).is_ok() {
            ::log::set_max_level(::log::LevelFilter::Trace);
        }
    });
}

/// The process's logger, which passes each line to the sink of the call that is running on the thread.
struct Callbacks;

impl ::log::Log for Callbacks {
    fn enabled(&self, metadata: &::log::Metadata<'_>) -> bool {
        CURRENT.get().is_some_and(|sink| metadata.level() as u32 <= sink.level)
    }

    fn log(&self, record: &::log::Record<'_>) {
        let Some(sink) = CURRENT.get().filter(|sink| record.level() as u32 <= sink.level) else { return };
        let mut text = Text::new();
        if write!(text, "{}", record.args()).is_ok() {
            // SAFETY: the caller promised a function as the documentation of `trtsel_log_callback` says; the text ends with a
            // NUL.
            unsafe { (sink.function)(sink.user, record.level() as u32, text.as_ptr()) };
        }
    }

    fn flush(&self) {}
}
