//! Events: points in the order of a stream.

use cudarc::driver::sys::{CUevent_flags, CUevent_st, CUstream};

use super::error::NOT_READY;
use super::table::{call, check};
use super::{Context, Raw, Result, Stream};

/// A point in the order of a stream's work. The host can ask whether the work before it is done, or wait for it.
pub struct Event {
    context: Context,
    raw: Raw<CUevent_st>,
}

impl Event {
    /// A new event. With `timing` it can be used in [`Event::elapsed_ms`]; without, recording is cheaper.
    ///
    /// # Errors
    /// The call's.
    pub fn new(context: &Context, timing: bool) -> Result<Event> {
        let flags =
            if timing { CUevent_flags::CU_EVENT_DEFAULT } else { CUevent_flags::CU_EVENT_DISABLE_TIMING } as u32;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the call writes one handle.
        context.with(|table| unsafe { call!(table, cuEventCreate(&mut raw, flags)) })?;
        Ok(Event { context: context.clone(), raw: Raw(raw) })
    }

    /// The driver's handle (`CUevent`), for other libraries.
    #[must_use]
    pub fn raw(&self) -> u64 {
        self.raw.0 as u64
    }

    pub(super) fn handle(&self) -> *mut CUevent_st {
        self.raw.0
    }

    /// Marks the end of what is enqueued so far on a stream of the same context. The event forgets what it marked before. Does not
    /// allocate.
    ///
    /// # Errors
    /// The call's.
    #[inline]
    pub fn record(&self, stream: &Stream) -> Result<()> {
        // SAFETY: both are alive.
        self.context.with(|table| unsafe { call!(table, cuEventRecord(self.raw.0, stream.handle())) })
    }

    /// As [`Event::record`], on a stream that another library made: a `CUstream` (or `cudaStream_t`) as a number, 0 for the default
    /// stream. Does not allocate.
    ///
    /// # Errors
    /// The call's.
    ///
    /// # Safety
    /// `stream` is 0 or a stream of the same context that is alive.
    #[inline]
    pub unsafe fn record_raw(&self, stream: u64) -> Result<()> {
        // SAFETY: the event is alive, and so is the stream by the caller's promise.
        self.context.with(|table| unsafe { call!(table, cuEventRecord(self.raw.0, stream as CUstream)) })
    }

    /// Makes a stream that another library made wait for the work that this event marks. The host does not wait; nothing is allocated.
    ///
    /// # Errors
    /// The call's.
    ///
    /// # Safety
    /// `stream` is 0 or a stream that is alive.
    #[inline]
    pub unsafe fn make_wait_raw(&self, stream: u64) -> Result<()> {
        // SAFETY: the event is alive, and so is the stream by the caller's promise.
        self.context.with(|table| unsafe { call!(table, cuStreamWaitEvent(stream as CUstream, self.raw.0, 0)) })
    }

    /// Whether the work that this event marks is done; true as well if it marks none. Never blocks; does not allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    #[inline]
    pub fn query(&self) -> Result<bool> {
        let _entered = self.context.enter()?;
        // SAFETY: the event is alive.
        match unsafe { (self.context.table().cuEventQuery)(self.raw.0) } {
            NOT_READY => Ok(false),
            code => check("cuEventQuery", code).map(|()| true),
        }
    }

    /// Blocks until the work that this event marks is done.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the event is alive.
        self.context.with(|table| unsafe { call!(table, cuEventSynchronize(self.raw.0)) })
    }

    /// Milliseconds on the device from `start` to this event, to about half a microsecond. Both have timing, and what they
    /// recorded is done.
    ///
    /// # Errors
    /// The call's: `CUDA_ERROR_NOT_READY` where one is not done, `CUDA_ERROR_INVALID_HANDLE` where one has no timing or was
    /// not recorded.
    pub fn elapsed_ms(&self, start: &Event) -> Result<f32> {
        let mut milliseconds = 0.0;
        let (start, end, out) = (start.raw.0, self.raw.0, &mut milliseconds);
        // SAFETY: both events are alive; the call writes one number.
        self.context.with(|table| unsafe { call!(table, cuEventElapsedTime(out, start, end)) })?;
        Ok(milliseconds)
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event({:#x})", self.raw())
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and goes with this object.
        self.context.release("cuEventDestroy_v2", |table| unsafe { (table.cuEventDestroy_v2)(self.raw.0) });
    }
}
