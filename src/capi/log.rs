//! Log lines to the caller's function. A line goes to the function of the handle whose call is under way on this thread, so that
//! two selectors in one program keep their lines apart.

use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::fmt::Write;
use std::sync::Once;

use super::text::Text;

/// Nothing is logged.
pub const TRTSEL_LOG_OFF: u32 = 0;
/// What keeps something from working.
pub const TRTSEL_LOG_ERROR: u32 = 1;
/// What works otherwise than one would think, for example a CUDA graph that was refused.
pub const TRTSEL_LOG_WARN: u32 = 2;
/// What was chosen.
pub const TRTSEL_LOG_INFO: u32 = 3;
/// Details.
pub const TRTSEL_LOG_DEBUG: u32 = 4;
/// More details.
pub const TRTSEL_LOG_TRACE: u32 = 5;

/// Takes one line: `user` as in the options, a `TRTSEL_LOG_` level, a text that is valid during the call only. It runs on the
/// thread that is in a call of the library, must return normally (no exception, no longjmp), and gets `TRTSEL_BUSY` from calls
/// on the handle that logs.
pub type trtsel_log_callback = Option<unsafe extern "C" fn(user: *mut c_void, level: u32, line: *const c_char)>;

/// Where lines go.
#[derive(Clone, Copy)]
pub(super) struct Sink {
    pub(super) function: unsafe extern "C" fn(*mut c_void, u32, *const c_char),
    pub(super) user: *mut c_void,
    pub(super) level: u32,
}

// SAFETY: the options' documentation says that function and user pointer are used on whichever thread calls the library.
unsafe impl Send for Sink {}
// SAFETY: as above; a sink is only ever copied.
unsafe impl Sync for Sink {}

thread_local! {
    static CURRENT: Cell<Option<Sink>> = const { Cell::new(None) };
}

/// Sends what `work` logs on this thread to `sink`.
pub(super) fn with<R>(sink: Sink, work: impl FnOnce() -> R) -> R {
    /// Puts back what was there, also when a panic comes through.
    struct Back(Option<Sink>);
    impl Drop for Back {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    install();
    let _back = Back(CURRENT.replace(Some(sink)));
    work()
}

/// Sets the process's logger. In a Rust program that has one of its own, that one stays, and callbacks get nothing.
fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if ::log::set_logger(&Callbacks).is_ok() {
            ::log::set_max_level(::log::LevelFilter::Trace);
        }
    });
}

struct Callbacks;

impl ::log::Log for Callbacks {
    fn enabled(&self, metadata: &::log::Metadata<'_>) -> bool {
        CURRENT.get().is_some_and(|sink| metadata.level() as u32 <= sink.level)
    }

    fn log(&self, record: &::log::Record<'_>) {
        let Some(sink) = CURRENT.get().filter(|sink| record.level() as u32 <= sink.level) else { return };
        let mut text = Text::new();
        if write!(text, "{}", record.args()).is_ok() {
            // SAFETY: the options' documentation says what the function must bear with; the text ends with a NUL.
            unsafe { (sink.function)(sink.user, record.level() as u32, text.as_ptr()) };
        }
    }

    fn flush(&self) {}
}
