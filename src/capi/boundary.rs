//! The wrapper around every exported function: it stops panics from reaching C, lets one call at a time into a handle, and keeps
//! the text of the last failure.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::log;
use super::status::{Fail, TRTSEL_BUSY, TRTSEL_NULL_POINTER, TRTSEL_OK, TRTSEL_PANIC, TRTSEL_POISONED, trtsel_status};
use super::text::{Text, write_text};

/// The result of a call: a status that is not a failure (`TRTSEL_OK` or `TRTSEL_PENDING`), or the failure.
pub(super) type Called = Result<trtsel_status, Fail>;

/// The text to report for a panic with this payload.
fn panic_text(payload: Box<dyn Any + Send>) -> String {
    let said = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let line = format!(
        "trt-select: expected no panic, got one: {}; this is a defect of the library: close the handle and report it",
        said.unwrap_or("it left no text")
    );
    discard(payload);
    line
}

/// Drops a panic's payload. If the drop panics in turn, the payload of that second panic is leaked, since its drop might panic
/// too.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Runs a call that has no handle, such as one that opens a handle. Writes the text of a failure to the caller's buffer.
///
/// # Safety
/// `error` is NULL, or points to `error_bytes` writable bytes.
pub(super) unsafe fn open(error: *mut c_char, error_bytes: usize, work: impl FnOnce() -> Called) -> trtsel_status {
    let fail = match catch_unwind(AssertUnwindSafe(|| {
        test_panic();
        work()
    })) {
        Ok(Ok(status)) => return status,
        Ok(Err(fail)) => fail,
        Err(payload) => Fail::text(TRTSEL_PANIC, panic_text(payload)),
    };
    // SAFETY: the caller's promise.
    unsafe { write_text(&fail.message, error, error_bytes) };
    fail.status
}

/// Runs a call that has no handle and no buffer for the text of a failure.
pub(super) fn plain(work: impl FnOnce() -> Called) -> trtsel_status {
    // SAFETY: NULL is allowed.
    unsafe { open(std::ptr::null_mut(), 0, work) }
}

/// The state of a handle, which one call at a time may change, with the text of the last failure.
pub(super) struct Guarded<T> {
    busy: AtomicBool,
    poisoned: AtomicBool,
    inner: UnsafeCell<T>,
    text: UnsafeCell<Text>,
}

// SAFETY: a thread accesses `inner` and `text` only after it has set `busy`, so accesses never overlap, and the ordering of
// `busy` makes each thread see the writes of the one before. Several threads may therefore share the handle if its state is
// `Send`.
unsafe impl<T: Send> Sync for Guarded<T> {}

const BUSY: &str = "handle: expected one call at a time, got a second one; let one thread at a time use it\0";

impl<T> Guarded<T> {
    pub(super) const fn new(inner: T) -> Guarded<T> {
        Guarded {
            busy: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            inner: UnsafeCell::new(inner),
            text: UnsafeCell::new(Text::new()),
        }
    }

    /// Runs a call that may change the handle's state. The lines that it logs go to `sink`.
    pub(super) fn enter(&self, sink: Option<log::Sink>, work: impl FnOnce(&mut T) -> Called) -> trtsel_status {
        if self.poisoned.load(Ordering::Relaxed) {
            return TRTSEL_POISONED;
        }
        if self.busy.swap(true, Ordering::Acquire) {
            return TRTSEL_BUSY;
        }
        // SAFETY: this call has just set `busy`, so no other call accesses the state and the text until `busy` is cleared below.
        let (inner, text) = unsafe { (&mut *self.inner.get(), &mut *self.text.get()) };
        let result = catch_unwind(AssertUnwindSafe(|| {
            test_panic();
            log::with(sink, || work(inner))
        }));
        let status = match result {
            Ok(Ok(status)) => status,
            Ok(Err(fail)) => {
                text.set(&fail.message);
                fail.status
            }
            Err(payload) => {
                text.set(&panic_text(payload));
                self.poisoned.store(true, Ordering::Relaxed);
                TRTSEL_PANIC
            }
        };
        self.busy.store(false, Ordering::Release);
        status
    }

    /// Runs a call that may be made on any thread at any time, because it does not access the guarded state: it reads only fields
    /// beside it that never change, that are atomics, or that have a lock of their own.
    pub(super) fn look(&self, work: impl FnOnce() -> Called) -> trtsel_status {
        if self.poisoned.load(Ordering::Relaxed) {
            return TRTSEL_POISONED;
        }
        match catch_unwind(AssertUnwindSafe(|| {
            test_panic();
            work()
        })) {
            Ok(Ok(status)) => status,
            Ok(Err(fail)) => fail.status,
            Err(payload) => {
                discard(payload);
                self.poisoned.store(true, Ordering::Relaxed);
                TRTSEL_PANIC
            }
        }
    }

    /// The text of the last failure; empty before the first one.
    pub(super) fn text(&self) -> *const c_char {
        if self.busy.swap(true, Ordering::Acquire) {
            return BUSY.as_ptr().cast();
        }
        // SAFETY: this call has just set `busy`, so no other call writes the text.
        let text = unsafe { &*self.text.get() }.as_ptr();
        self.busy.store(false, Ordering::Release);
        text
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Acquire)
    }
}

/// A type that C programs hold by an opaque pointer.
pub(super) trait Handle: Sized {
    type State;

    fn guarded(&self) -> &Guarded<Self::State>;

    /// Where the lines go that are logged during a call; `None` where the program named no place.
    fn sink(&self) -> Option<log::Sink> {
        None
    }
}

/// Runs a call that may change the handle.
///
/// # Safety
/// `handle` is NULL or open.
pub(super) unsafe fn enter<H: Handle>(handle: *mut H, work: impl FnOnce(&H, &mut H::State) -> Called) -> trtsel_status {
    // SAFETY: the caller's promise. The reference is shared, because other threads may call `look` at the same time.
    match unsafe { handle.as_ref() } {
        None => TRTSEL_NULL_POINTER,
        Some(handle) => handle.guarded().enter(handle.sink(), |state| work(handle, state)),
    }
}

/// Runs a call that changes nothing.
///
/// # Safety
/// `handle` is NULL or open.
pub(super) unsafe fn look<H: Handle>(handle: *const H, work: impl FnOnce(&H) -> Called) -> trtsel_status {
    // SAFETY: the caller's promise.
    match unsafe { handle.as_ref() } {
        None => TRTSEL_NULL_POINTER,
        Some(handle) => handle.guarded().look(|| work(handle)),
    }
}

/// Moves a handle to the heap and gives the caller its address.
pub(super) fn give<H: Handle>(handle: H) -> *mut H {
    Box::into_raw(Box::new(handle))
}

/// Frees a handle. If that panics, what was not freed yet is leaked.
///
/// # Safety
/// `handle` is NULL, or comes from [`give`] and was not closed yet.
pub(super) unsafe fn close<H: Handle>(handle: *mut H) -> trtsel_status {
    if handle.is_null() {
        return TRTSEL_OK;
    }
    // SAFETY: the caller's promise.
    if unsafe { &*handle }.guarded().is_busy() {
        return TRTSEL_BUSY;
    }
    plain(|| {
        // SAFETY: `give` made the pointer from a box, no call is running on the handle, and the caller makes no further one.
        drop(unsafe { Box::from_raw(handle) });
        Ok(TRTSEL_OK)
    })
}

const NULL_HANDLE: &str = "handle: expected an open one, got NULL; open one first\0";

/// The text of a handle's last failure.
///
/// # Safety
/// `handle` is NULL or open.
pub(super) unsafe fn error<H: Handle>(handle: *const H) -> *const c_char {
    // SAFETY: the caller's promise.
    match unsafe { handle.as_ref() } {
        None => NULL_HANDLE.as_ptr().cast(),
        Some(handle) => handle.guarded().text(),
    }
}

/// Refuses an output whose address is NULL.
pub(super) fn wanted<T>(output: *mut T) -> Result<*mut T, Fail> {
    const NO_OUTPUT: Fail = Fail::new(TRTSEL_NULL_POINTER, "output: expected an address, got NULL; give it");
    if output.is_null() { Err(NO_OUTPUT) } else { Ok(output) }
}

/// Writes a value to an output. An address that is NULL is refused before the value is computed.
///
/// # Safety
/// `output` is NULL or writable.
pub(super) unsafe fn put<T>(output: *mut T, value: impl FnOnce() -> Result<T, Fail>) -> Called {
    let output = wanted(output)?;
    let value = value()?;
    // SAFETY: the caller's promise; NULL was refused.
    unsafe { output.write(value) };
    Ok(TRTSEL_OK)
}

#[cfg(not(feature = "capi-test-panic"))]
#[inline(always)]
fn test_panic() {}

#[cfg(feature = "capi-test-panic")]
static PANIC_IN: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[cfg(feature = "capi-test-panic")]
fn test_panic() {
    if PANIC_IN.load(Ordering::Relaxed) > 0 && PANIC_IN.fetch_sub(1, Ordering::Relaxed) == 1 {
        panic!("a test asked for it");
    }
}

/// Makes the `calls`-th call from now on panic, counting only calls that can panic; 0 cancels that. It exists for the tests of
/// this tree, and no header declares it.
#[cfg(feature = "capi-test-panic")]
#[allow(unreachable_pub, reason = "C reaches it")]
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_test_panic(calls: u32) {
    PANIC_IN.store(calls, Ordering::Relaxed);
}
