//! Memory of the device.

use std::ffi::c_void;

use super::table::call;
use super::{Context, Error, ErrorKind, Result};

/// The error for a block of no bytes. The driver's own would be less clear.
pub(super) fn no_bytes(call: &'static str) -> Error {
    Error::new(ErrorKind::Misuse, call, format!("{call}: expected at least 1 byte, got 0; ask for what is needed"))
}

/// The error for a range that does not lie in a block.
#[cold]
pub(super) fn out_of_range(call: &'static str, offset: usize, len: usize, bytes: usize) -> Error {
    let message =
        format!("{call}: expected a range in {bytes} bytes, got {len} bytes from {offset}; use a larger block");
    Error::new(ErrorKind::Misuse, call, message)
}

/// A block of device memory, aligned to 256 bytes at least.
///
/// Dropping it frees it; work that uses it must be done by then.
pub struct DeviceBuffer {
    context: Context,
    address: u64,
    bytes: usize,
}

impl DeviceBuffer {
    /// A block with unspecified contents.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for no bytes; [`ErrorKind::OutOfMemory`]; the call's.
    pub fn new(context: &Context, bytes: usize) -> Result<DeviceBuffer> {
        if bytes == 0 {
            return Err(no_bytes("cuMemAlloc_v2"));
        }
        let mut address = 0;
        context.with(|table| {
            // SAFETY: the call writes one address.
            match unsafe { (table.cuMemAlloc_v2)(&mut address, bytes) } {
                0 => Ok(()),
                code => Err(Error::of_call_about("cuMemAlloc_v2", code, &format!(" of {bytes} bytes"), "")),
            }
        })?;
        context.counts().device.add(bytes);
        Ok(DeviceBuffer { context: context.clone(), address, bytes })
    }

    /// A block of zeros. Blocks until they are written.
    ///
    /// # Errors
    /// As [`DeviceBuffer::new`].
    pub fn zeroed(context: &Context, bytes: usize) -> Result<DeviceBuffer> {
        let buffer = DeviceBuffer::new(context, bytes)?;
        context.with(|table| {
            // SAFETY: the block is ours and of that size.
            unsafe { call!(table, cuMemsetD8_v2(buffer.address, 0, bytes)) }?;
            // cuMemsetD8 returns before the device is done, and our streams do not wait for the default stream that it runs on.
            // SAFETY: null is the default stream.
            unsafe { call!(table, cuStreamSynchronize(std::ptr::null_mut())) }
        })?;
        Ok(buffer)
    }

    /// The device address.
    #[must_use]
    pub fn address(&self) -> u64 {
        self.address
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Copies host memory into the block from `offset` on, and blocks until it is there. It does not wait for work on streams: the
    /// caller has made sure that no such work still uses these bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the range does not lie in the block; the call's.
    pub fn write(&mut self, offset: usize, source: &[u8]) -> Result<()> {
        self.check_range("cuMemcpyHtoD_v2", offset, source.len())?;
        if source.is_empty() {
            return Ok(());
        }
        let destination = self.address + offset as u64;
        self.context.with(|table| {
            // SAFETY: the ranges are checked.
            unsafe { call!(table, cuMemcpyHtoD_v2(destination, source.as_ptr().cast::<c_void>(), source.len())) }?;
            // cuMemcpyHtoD may return before the bytes are on the device, and our streams do not wait for the default stream that it runs on.
            // SAFETY: null is the default stream.
            unsafe { call!(table, cuStreamSynchronize(std::ptr::null_mut())) }
        })
    }

    /// Copies the block from `offset` on into host memory, and blocks until it is there. It does not wait for work on streams: the
    /// caller has made sure that no such work still writes these bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] where the range does not lie in the block; the call's.
    pub fn read(&self, offset: usize, destination: &mut [u8]) -> Result<()> {
        self.check_range("cuMemcpyDtoH_v2", offset, destination.len())?;
        if destination.is_empty() {
            return Ok(());
        }
        let source = self.address + offset as u64;
        let (pointer, bytes) = (destination.as_mut_ptr().cast::<c_void>(), destination.len());
        // SAFETY: the ranges are checked.
        self.context.with(|table| unsafe { call!(table, cuMemcpyDtoH_v2(pointer, source, bytes)) })
    }

    fn check_range(&self, call: &'static str, offset: usize, len: usize) -> Result<()> {
        match offset.checked_add(len) {
            Some(end) if end <= self.bytes => Ok(()),
            _ => Err(out_of_range(call, offset, len, self.bytes)),
        }
    }
}

impl std::fmt::Debug for DeviceBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceBuffer({:#x}, {} bytes)", self.address, self.bytes)
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        // SAFETY: the block is ours and goes with this object.
        self.context.release("cuMemFree_v2", |table| unsafe { (table.cuMemFree_v2)(self.address) });
        self.context.counts().device.remove(self.bytes);
    }
}
