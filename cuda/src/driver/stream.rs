//! Streams, and the work on them that needs no kernel: copies, fills, captures.

use std::ffi::{c_int, c_void};

use cudarc::driver::sys::{CUgraph, CUstream_flags, CUstream_st, CUstreamCaptureMode};

use super::error::NOT_READY;
use super::graph::no_graphs;
use super::table::{call, check};
use super::{Context, Error, ErrorKind, Event, Graph, Raw, Result};

const END: &str = "cuStreamEndCapture";

/// A stream of its own, which does not wait for the legacy default stream.
///
/// Dropping it does not wait. The work that is enqueued is done all the same.
pub struct Stream {
    context: Context,
    raw: Raw<CUstream_st>,
}

impl Stream {
    /// A new stream (`CU_STREAM_NON_BLOCKING`).
    ///
    /// # Errors
    /// The call's.
    pub fn new(context: &Context) -> Result<Stream> {
        let mut raw = std::ptr::null_mut();
        let flags = CUstream_flags::CU_STREAM_NON_BLOCKING as u32;
        // SAFETY: the call writes one handle.
        context.with(|table| unsafe { call!(table, cuStreamCreate(&mut raw, flags)) })?;
        Ok(Stream { context: context.clone(), raw: Raw(raw) })
    }

    /// The driver's handle (`CUstream`, which is `cudaStream_t`), for other libraries.
    #[must_use]
    pub fn raw(&self) -> u64 {
        self.raw.0 as u64
    }

    /// The context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    pub(super) fn handle(&self) -> *mut CUstream_st {
        self.raw.0
    }

    /// Blocks until everything enqueued is done.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the stream is alive.
        self.context.with(|table| unsafe { call!(table, cuStreamSynchronize(self.raw.0)) })
    }

    /// Whether everything enqueued is done. Never blocks; does not allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    #[inline]
    pub fn query(&self) -> Result<bool> {
        let _entered = self.context.enter()?;
        // SAFETY: the stream is alive.
        match unsafe { (self.context.table().cuStreamQuery)(self.raw.0) } {
            NOT_READY => Ok(false),
            code => check("cuStreamQuery", code).map(|()| true),
        }
    }

    /// Work that is enqueued from here on waits for the work that the event marks now. The host does not wait; nothing is allocated.
    ///
    /// # Errors
    /// The call's.
    #[inline]
    pub fn wait(&self, event: &Event) -> Result<()> {
        // SAFETY: both are alive; the driver keeps what it needs of the event.
        self.context.with(|table| unsafe { call!(table, cuStreamWaitEvent(self.raw.0, event.handle(), 0)) })
    }

    /// From here until [`Stream::end_capture`], in the same thread, work that is enqueued is not run but written into a graph. Other
    /// threads may use CUDA meanwhile (`CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`). This thread must not allocate, synchronise, copy with
    /// blocking calls, or drop buffers: the driver refuses to free a block during a capture, so the block leaks, and the error is kept
    /// for [`Context::take_error`]. [`Stream::capture`] ends the capture by itself.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the driver has no graphs; the call's.
    pub fn begin_capture(&self) -> Result<()> {
        let table = self.context.table();
        let Some(begin) = table.cuStreamBeginCapture_v2.filter(|_| table.has_graphs()) else { return Err(no_graphs()) };
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL as c_int;
        // SAFETY: the stream is alive; the mode is one of the header's.
        self.context.with(|_| check("cuStreamBeginCapture_v2", unsafe { begin(self.raw.0, mode) }))
    }

    /// Ends the capture and gives its graph. The stream captures no longer and can be used again, also after an error; but in another
    /// thread than the one that began the capture, this call ends nothing and the stream goes on capturing.
    ///
    /// # Errors
    /// The call's: `CUDA_ERROR_STREAM_CAPTURE_INVALIDATED` where something that a capture forbids was done,
    /// `CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD` where another thread began the capture.
    pub fn end_capture(&self) -> Result<Graph> {
        let Some(end) = self.context.table().cuStreamEndCapture else { return Err(no_graphs()) };
        let mut raw: CUgraph = std::ptr::null_mut();
        // SAFETY: the stream is alive; the call writes one handle.
        let ended = self.context.insist(END, |_| unsafe { end(self.raw.0, &mut raw) });
        // The driver may give a handle together with an error; it is destroyed then, too.
        let graph = (!raw.is_null()).then(|| Graph::from_raw(self.context.clone(), raw));
        ended?;
        graph.ok_or_else(|| {
            let message = "cuStreamEndCapture: expected a graph, got none; do without graphs";
            Error::new(ErrorKind::Call, END, message)
        })
    }

    /// Captures what a closure enqueues on this stream. The capture is ended even where the closure fails (its error is given)
    /// or panics.
    ///
    /// # Errors
    /// Those of [`Stream::begin_capture`] and [`Stream::end_capture`], and the closure's.
    pub fn capture<E: From<Error>>(&self, record: impl FnOnce() -> Result<(), E>) -> Result<Graph, E> {
        struct End<'a>(&'a Stream);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                drop(self.0.end_capture());
            }
        }

        self.begin_capture()?;
        let end_if_it_panics = End(self);
        let recorded = record();
        std::mem::forget(end_if_it_panics);
        let graph = self.end_capture();
        recorded?;
        Ok(graph?)
    }

    /// Enqueues a copy from host memory to device memory. Does not allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    ///
    /// # Safety
    /// `source` is readable and `destination` a device address, both for `bytes` and until the copy is done; nothing writes
    /// either meanwhile. In a capture this holds for every launch of the graph. The copy overlaps with the host only where
    /// the source is page-locked.
    #[inline]
    pub unsafe fn copy_to_device_async(&self, destination: u64, source: *const u8, bytes: usize) -> Result<()> {
        let source = source.cast::<c_void>();
        // SAFETY: the stream is alive; the rest is the caller's promise.
        self.context.with(|table| unsafe { call!(table, cuMemcpyHtoDAsync_v2(destination, source, bytes, self.raw.0)) })
    }

    /// Enqueues a copy from device memory to host memory. Does not allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    ///
    /// # Safety
    /// `destination` is writable and `source` a device address, both for `bytes` and until the copy is done; nothing else uses
    /// `destination` meanwhile. In a capture this holds for every launch of the graph.
    #[inline]
    pub unsafe fn copy_to_host_async(&self, destination: *mut u8, source: u64, bytes: usize) -> Result<()> {
        let destination = destination.cast::<c_void>();
        // SAFETY: the stream is alive; the rest is the caller's promise.
        self.context.with(|table| unsafe { call!(table, cuMemcpyDtoHAsync_v2(destination, source, bytes, self.raw.0)) })
    }

    /// Enqueues a copy within device memory. Does not allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    ///
    /// # Safety
    /// Both are device addresses for `bytes` until the copy is done, and do not overlap; nothing else writes them meanwhile.
    /// In a capture this holds for every launch of the graph.
    #[inline]
    pub unsafe fn copy_on_device_async(&self, destination: u64, source: u64, bytes: usize) -> Result<()> {
        // SAFETY: the stream is alive; the rest is the caller's promise.
        self.context.with(|table| unsafe { call!(table, cuMemcpyDtoDAsync_v2(destination, source, bytes, self.raw.0)) })
    }

    /// Enqueues the filling of device memory with one byte. Does not allocate.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    ///
    /// # Safety
    /// `destination` is a device address for `bytes` until it is done; nothing else uses it meanwhile. In a capture this holds
    /// for every launch of the graph.
    #[inline]
    pub unsafe fn set_bytes_async(&self, destination: u64, value: u8, bytes: usize) -> Result<()> {
        // SAFETY: the stream is alive; the rest is the caller's promise.
        self.context.with(|table| unsafe { call!(table, cuMemsetD8Async(destination, value, bytes, self.raw.0)) })
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({:#x})", self.raw())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and goes with this object.
        self.context.release("cuStreamDestroy_v2", |table| unsafe { (table.cuStreamDestroy_v2)(self.raw.0) });
    }
}
