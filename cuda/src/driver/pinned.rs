//! Page-locked memory of the host: our own, and other owners'.

use std::ffi::c_void;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use bytemuck::Pod;
use cudarc::driver::sys::{
    CU_MEMHOSTALLOC_DEVICEMAP, CU_MEMHOSTALLOC_PORTABLE, CU_MEMHOSTREGISTER_PORTABLE, CU_MEMHOSTREGISTER_READ_ONLY,
};

use super::memory::no_bytes;
use super::table::{call, check};
use super::{Context, Error, ErrorKind, Result};

/// A block of page-locked host memory, zeroed, aligned to 256 bytes at least; where it is *mapped*, kernels read and write it too.
///
/// While the device may write it, the host must not hold slices of it ([`PinnedBuffer::as_slice`]), and reads it by
/// [`PinnedBuffer::load_u64`] and [`PinnedBuffer::read_pod`] instead. The calls that enqueue such work are `unsafe`, since their caller
/// promises this. The memory is never write-combined, so the host reads it at full speed, but on devices where
/// [`DeviceInfo::can_register_host`](super::DeviceInfo::can_register_host) is false: there it is not cached.
///
/// Dropping it frees it; work that uses it must be done by then.
pub struct PinnedBuffer {
    context: Context,
    pointer: NonNull<u8>,
    bytes: usize,
    device_address: Option<u64>,
}

// SAFETY: plain memory that this object owns.
unsafe impl Send for PinnedBuffer {}
// SAFETY: through a shared reference it is only read.
unsafe impl Sync for PinnedBuffer {}

impl PinnedBuffer {
    /// A block of zeros; `mapped` gives it a device address.
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for no bytes; [`ErrorKind::OutOfMemory`]; the call's (a device may be unable to map).
    pub fn new(context: &Context, bytes: usize, mapped: bool) -> Result<PinnedBuffer> {
        if bytes == 0 {
            return Err(no_bytes("cuMemHostAlloc"));
        }
        let flags = CU_MEMHOSTALLOC_PORTABLE | if mapped { CU_MEMHOSTALLOC_DEVICEMAP } else { 0 };
        let mut pointer: *mut c_void = std::ptr::null_mut();
        context.with(|table| {
            // SAFETY: the call writes one address.
            match unsafe { (table.cuMemHostAlloc)(&mut pointer, bytes, flags) } {
                0 => Ok(()),
                code => Err(Error::of_call_about("cuMemHostAlloc", code, &format!(" of {bytes} bytes"), "")),
            }
        })?;
        let Some(pointer) = NonNull::new(pointer.cast::<u8>()) else {
            let message =
                "cuMemHostAlloc: expected an address, got none; see the system's log for what the driver says";
            return Err(Error::new(ErrorKind::Call, "cuMemHostAlloc", message));
        };
        // SAFETY: the block is ours and of that size.
        unsafe { pointer.write_bytes(0, bytes) };
        // From here on the block is freed by `Drop`.
        let mut buffer = PinnedBuffer { context: context.clone(), pointer, bytes, device_address: None };
        if mapped {
            context.counts().mapped.add(bytes);
            // `Drop` takes the block from this count.
            buffer.device_address = Some(0);
            let mut address = 0;
            let host = pointer.as_ptr().cast::<c_void>();
            // SAFETY: the block is mapped; the call writes one address.
            context.with(|table| unsafe { call!(table, cuMemHostGetDevicePointer_v2(&mut address, host, 0)) })?;
            buffer.device_address = Some(address);
        } else {
            context.counts().pinned.add(bytes);
        }
        Ok(buffer)
    }

    /// The host's address of the block.
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.pointer.as_ptr()
    }

    /// The host's address of the block, for writing.
    #[must_use]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.pointer.as_ptr()
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The device's address of the block, where it is mapped.
    #[must_use]
    pub fn device_address(&self) -> Option<u64> {
        self.device_address
    }

    /// The block. Not while the device may write it.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the block is ours, initialised, and written only through `&mut self` or by work whose enqueuer promises that
        // no slice is held meanwhile.
        unsafe { std::slice::from_raw_parts(self.pointer.as_ptr(), self.bytes) }
    }

    /// The block, to be written. Not while the device may use it.
    #[must_use]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the reference is the only one.
        unsafe { std::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.bytes) }
    }

    /// The word at an offset, with acquire ordering: what the device wrote (and fenced system-wide) before it wrote this word
    /// is read after it. May be called while the device writes. Does not allocate.
    ///
    /// # Panics
    /// Where the offset is not a multiple of 8 or the word does not lie in the block.
    #[inline]
    #[must_use]
    pub fn load_u64(&self, offset: usize) -> u64 {
        self.check_range(offset, 8, 8);
        // SAFETY: the word lies in the block and is aligned; whoever writes it writes it whole.
        unsafe { &*self.pointer.as_ptr().add(offset).cast::<AtomicU64>() }.load(Ordering::Acquire)
    }

    /// A copy of the value at an offset. Every byte is read once, in words of 8 bytes where the value has them. May be called
    /// while the device writes, whose half-written values are then what is read: a sequence word
    /// ([`PinnedBuffer::load_u64`]) tells when they are whole. Does not allocate.
    ///
    /// # Panics
    /// Where the offset is not a multiple of 8 or the value does not lie in the block.
    #[inline]
    #[must_use]
    pub fn read_pod<T: Pod>(&self, offset: usize) -> T {
        self.check_range(offset, size_of::<T>(), 8);
        let mut value = T::zeroed();
        // SAFETY: the range lies in the block.
        let source = unsafe { self.pointer.as_ptr().add(offset) };
        let bytes = bytemuck::bytes_of_mut(&mut value);
        let whole = bytes.len() / 8 * 8;
        let (words, rest) = bytes.split_at_mut(whole);
        for (i, word) in words.chunks_exact_mut(8).enumerate() {
            // SAFETY: within the range, and aligned as the offset is. Atomic, since the device may be writing.
            let read = unsafe { &*source.add(8 * i).cast::<AtomicU64>() }.load(Ordering::Relaxed);
            word.copy_from_slice(&read.to_ne_bytes());
        }
        for (i, byte) in rest.iter_mut().enumerate() {
            // SAFETY: within the range; atomic as above.
            *byte = unsafe { &*source.add(whole + i).cast::<AtomicU8>() }.load(Ordering::Relaxed);
        }
        value
    }

    /// Writes a value at an offset. Not while the device may use it. Does not allocate.
    ///
    /// # Panics
    /// Where the offset is not a multiple of 8 or the value does not lie in the block.
    #[inline]
    pub fn write_pod<T: Pod>(&mut self, offset: usize, value: &T) {
        self.check_range(offset, size_of::<T>(), 8);
        self.as_mut_slice()[offset..offset + size_of::<T>()].copy_from_slice(bytemuck::bytes_of(value));
    }

    #[inline]
    fn check_range(&self, offset: usize, len: usize, align: usize) {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.bytes);
        assert!(
            inside && offset.is_multiple_of(align),
            "PinnedBuffer: expected an aligned range in {} bytes, got {len} bytes from {offset}",
            self.bytes
        );
    }
}

impl std::fmt::Debug for PinnedBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mapped = if self.device_address.is_some() { ", mapped" } else { "" };
        write!(f, "PinnedBuffer({:p}, {} bytes{mapped})", self.pointer, self.bytes)
    }
}

impl Drop for PinnedBuffer {
    fn drop(&mut self) {
        let host = self.pointer.as_ptr().cast::<c_void>();
        // SAFETY: the block is ours and goes with this object.
        self.context.release("cuMemFreeHost", |table| unsafe { (table.cuMemFreeHost)(host) });
        let counts = self.context.counts();
        if self.device_address.is_some() { &counts.mapped } else { &counts.pinned }.remove(self.bytes);
    }
}

/// The owner of memory that is to be page-locked where it is: a mapped file, a vector.
pub type Owner = Arc<dyn AsRef<[u8]> + Send + Sync>;

/// Memory of another owner, page-locked for as long as this lives. The owner is kept alive.
pub struct Registered {
    context: Context,
    owner: Owner,
    pointer: *mut c_void,
    bytes: usize,
}

// SAFETY: the pointer is only a key to the driver; the memory is reached through the owner, which can be sent and shared.
unsafe impl Send for Registered {}
// SAFETY: as above.
unsafe impl Sync for Registered {}

impl Registered {
    /// Page-locks the owner's bytes, for reading where the driver knows that flag (CUDA 11.1; a read-only file mapping cannot be
    /// registered otherwise on most machines).
    ///
    /// Many machines refuse this (the system limits locked memory; some drivers do not lock file mappings): copy into a
    /// [`PinnedBuffer`] then. Some devices cannot at all: see [`DeviceInfo::can_register_host`](super::DeviceInfo::can_register_host).
    ///
    /// # Errors
    /// [`ErrorKind::Misuse`] for no bytes; the call's.
    pub fn new(context: &Context, owner: Owner) -> Result<Registered> {
        const CALL: &str = "cuMemHostRegister_v2";
        let slice = (*owner).as_ref();
        if slice.is_empty() {
            return Err(no_bytes(CALL));
        }
        let (pointer, bytes) = (slice.as_ptr().cast_mut().cast::<c_void>(), slice.len());
        context.with(|table| {
            let flags = CU_MEMHOSTREGISTER_PORTABLE;
            // SAFETY: the range is the owner's, who lives as long as the registration. The driver does not write it.
            match unsafe { (table.cuMemHostRegister_v2)(pointer, bytes, flags | CU_MEMHOSTREGISTER_READ_ONLY) } {
                // CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_SUPPORTED: the flag is not known, or not to this device.
                1 | 801 => {
                    // SAFETY: as above.
                    check(CALL, unsafe { (table.cuMemHostRegister_v2)(pointer, bytes, flags) })
                }
                code => check(CALL, code),
            }
        })?;
        context.counts().registered.add(bytes);
        Ok(Registered { context: context.clone(), owner, pointer, bytes })
    }

    /// The owner's bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        (*self.owner).as_ref()
    }

    /// How many bytes are page-locked.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The owner.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }
}

impl std::fmt::Debug for Registered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Registered({:p}, {} bytes)", self.pointer, self.bytes)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let pointer = self.pointer;
        // SAFETY: registered by this object; the owner is still alive.
        self.context.release("cuMemHostUnregister", |table| unsafe { (table.cuMemHostUnregister)(pointer) });
        self.context.counts().registered.remove(self.bytes);
    }
}
