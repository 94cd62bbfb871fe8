//! A device's primary context.

use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::sys::{CUctx_st, CUdevice, CUdevice_attribute};

use super::table::{CallTable, call, check};
use super::{Driver, Error, ErrorKind, Raw, Result};

/// A device's properties.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// Its name, as the driver gives it.
    pub name: String,
    /// Its number, from 0.
    pub ordinal: u32,
    /// Major and minor.
    pub compute_capability: (u32, u32),
    /// It shares the host's memory (Jetson).
    pub integrated: bool,
    /// Host memory can be mapped into its address space.
    pub can_map_host: bool,
    /// Memory of the host that is there already can be page-locked for it ([`super::Registered`]). An integrated device that is not coherent
    /// with the processor's caches (Jetson TX2, Nano) cannot; page-locked memory is not cached there, so the host reads it slowly.
    pub can_register_host: bool,
    /// Number of streaming multiprocessors.
    pub multiprocessors: u32,
    /// Its memory, or what it may use of the host's.
    pub total_bytes: u64,
}

/// How much memory the objects hold that were made with one [`Context::primary`] and its clones, by kind of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allocated {
    /// Bytes of [`super::DeviceBuffer`]s.
    pub device_bytes: u64,
    /// How many of them there are.
    pub device_blocks: u64,
    /// Bytes of [`super::PinnedBuffer`]s that are not mapped.
    pub pinned_bytes: u64,
    /// How many of them there are.
    pub pinned_blocks: u64,
    /// Bytes of [`super::PinnedBuffer`]s that are mapped.
    pub mapped_bytes: u64,
    /// How many of them there are.
    pub mapped_blocks: u64,
    /// Bytes of the owners' memory that [`super::Registered`] has page-locked.
    pub registered_bytes: u64,
    /// How many of them there are.
    pub registered_blocks: u64,
}

/// One kind of memory: bytes and blocks.
#[derive(Default)]
pub(super) struct Count {
    bytes: AtomicU64,
    blocks: AtomicU64,
}

impl Count {
    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.blocks.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes as u64, Ordering::Relaxed);
        self.blocks.fetch_sub(1, Ordering::Relaxed);
    }

    fn get(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.blocks.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) device: Count,
    pub(super) pinned: Count,
    pub(super) mapped: Count,
    pub(super) registered: Count,
}

struct Inner {
    driver: &'static Driver,
    raw: Raw<CUctx_st>,
    device: DeviceInfo,
    counts: Counts,
    error: Mutex<Option<Error>>,
}

/// The primary context of a device, which the CUDA runtime and TensorRT use too.
///
/// The first call of [`Context::primary`] for a device retains it, and the process keeps it from then on: nothing here releases it. Another
/// library of the process may still be using it when the last object of this layer is gone, and making it anew takes about a second.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

impl Context {
    /// The primary context of a device, counted from 0. Another call for the same device gives the same context; its objects are counted
    /// apart ([`Context::allocated`]).
    ///
    /// # Errors
    /// Those of [`Driver::load`]; [`ErrorKind::NoDevice`]; the errors of the calls made.
    pub fn primary(ordinal: u32) -> Result<Context> {
        let driver = Driver::load()?;
        let count = driver.device_count()?;
        if ordinal >= count {
            let message = format!(
                "GPU {ordinal}: expected a number below {count}, which is how many the driver sees; see nvidia-smi and \
                 CUDA_VISIBLE_DEVICES"
            );
            return Err(Error::new(ErrorKind::NoDevice, "cuDeviceGet", message));
        }
        let table = &driver.table;
        let mut cu_device: CUdevice = 0;
        // SAFETY: the ordinal is below the count, so it fits; the call writes one integer.
        unsafe { call!(table, cuDeviceGet(&mut cu_device, ordinal as c_int)) }?;
        let device = describe(table, cu_device, ordinal)?;
        let raw = driver.primary(cu_device)?;
        let (counts, error) = (Counts::default(), Mutex::new(None));
        Ok(Context { inner: Arc::new(Inner { driver, raw, device, counts, error }) })
    }

    /// Makes this context current in the calling thread until the guard is dropped; then the one before is current again. Objects of
    /// this layer do so themselves: this is for other libraries (TensorRT), which use whichever context is current.
    ///
    /// Does not allocate.
    ///
    /// # Errors
    /// That of `cuCtxPushCurrent`.
    #[inline]
    pub fn enter(&self) -> Result<Entered<'_>> {
        // SAFETY: the context is held by `inner`.
        unsafe { call!(self.table(), cuCtxPushCurrent_v2(self.inner.raw.0)) }?;
        Ok(Entered { context: self, of_this_thread: PhantomData })
    }

    /// The device's properties.
    #[must_use]
    pub fn device(&self) -> &DeviceInfo {
        &self.inner.device
    }

    /// The driver.
    #[must_use]
    pub fn driver(&self) -> &'static Driver {
        self.inner.driver
    }

    /// The driver's handle (`CUcontext`).
    #[must_use]
    pub fn raw(&self) -> u64 {
        self.inner.raw.0 as u64
    }

    /// Free and total bytes of the device.
    ///
    /// # Errors
    /// The call's.
    pub fn memory_info(&self) -> Result<(u64, u64)> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: the call writes two integers.
        self.with(|table| unsafe { call!(table, cuMemGetInfo_v2(&mut free, &mut total)) })?;
        Ok((free as u64, total as u64))
    }

    /// Blocks until all work of the context is done, other libraries' too. Not while a stream of the context captures, in whichever thread:
    /// the driver refuses the wait then, and the capture is broken.
    ///
    /// # Errors
    /// The call's, or that of work that was enqueued earlier.
    pub fn synchronize(&self) -> Result<()> {
        // SAFETY: the call has no precondition but a current context.
        self.with(|table| unsafe { call!(table, cuCtxSynchronize()) })
    }

    /// Whether the driver has CUDA graphs.
    #[must_use]
    pub fn has_graphs(&self) -> bool {
        self.inner.driver.has_graphs()
    }

    /// The first error since the last call of this function that could not be returned to a caller: one in a `Drop`, or one while the
    /// context before was put back. Takes a lock: not for the hot path.
    pub fn take_error(&self) -> Option<Error> {
        self.inner.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// How much memory the objects made with this context and its clones hold now, by the layer's own count.
    #[must_use]
    pub fn allocated(&self) -> Allocated {
        let counts = &self.inner.counts;
        let (device_bytes, device_blocks) = counts.device.get();
        let (pinned_bytes, pinned_blocks) = counts.pinned.get();
        let (mapped_bytes, mapped_blocks) = counts.mapped.get();
        let (registered_bytes, registered_blocks) = counts.registered.get();
        Allocated {
            device_bytes,
            device_blocks,
            pinned_bytes,
            pinned_blocks,
            mapped_bytes,
            mapped_blocks,
            registered_bytes,
            registered_blocks,
        }
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.inner.counts
    }

    #[inline]
    pub(super) fn table(&self) -> &'static CallTable {
        &self.inner.driver.table
    }

    /// Runs `work` while this context is current in the calling thread.
    #[inline]
    pub(super) fn with<T>(&self, work: impl FnOnce(&'static CallTable) -> Result<T>) -> Result<T> {
        let _entered = self.enter()?;
        work(self.table())
    }

    /// Makes a call without which something would leak. If the context cannot be made current, that is tried once more, and the first
    /// error is kept for [`Context::take_error`]. Gives the call's result.
    pub(super) fn insist(&self, name: &'static str, work: impl FnOnce(&'static CallTable) -> c_int) -> Result<()> {
        let entered = self.enter().or_else(|error| {
            self.keep(error);
            self.enter()
        });
        let _entered = entered?;
        check(name, work(self.table()))
    }

    /// As [`Context::insist`], for `Drop`, which cannot return an error: it is kept.
    ///
    /// A call that destroys something is not tried again when it fails: it reports errors of earlier work and has destroyed the object
    /// all the same.
    pub(super) fn release(&self, name: &'static str, work: impl FnOnce(&'static CallTable) -> c_int) {
        if let Err(error) = self.insist(name, work) {
            self.keep(error);
        }
    }

    /// Keeps an error that cannot be returned to a caller, for [`Context::take_error`]. While one is kept, later ones are dropped.
    pub fn keep(&self, error: Error) {
        self.inner.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("device", self.device()).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // An error that is still kept here would be lost with this object, so the driver keeps it from now on.
        if let Some(error) = self.error.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            self.driver.store(error);
        }
    }
}

/// A context that is current in this thread. Guards are to be dropped in the reverse order of their making.
#[must_use = "the context is current for as long as this lives"]
pub struct Entered<'a> {
    context: &'a Context,
    of_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        let table = self.context.table();
        let mut popped = std::ptr::null_mut();
        // SAFETY: pops what `enter` pushed in this thread (the guard cannot leave it).
        let first = unsafe { call!(table, cuCtxPopCurrent_v2(&mut popped)) };
        if let Err(error) = first {
            // The pop failed, so our context is still current in this thread. The caller's must be current again: try once more.
            self.context.keep(error);
            // SAFETY: as above.
            if let Err(error) = unsafe { call!(table, cuCtxPopCurrent_v2(&mut popped)) } {
                self.context.keep(error);
            }
        }
    }
}

/// `CUDA_ERROR_INVALID_VALUE`.
const INVALID_VALUE: c_int = 1;

fn describe(table: &CallTable, device: CUdevice, ordinal: u32) -> Result<DeviceInfo> {
    let mut name = [0 as c_char; 256];
    // SAFETY: the call writes at most the given number of characters, the last one 0.
    unsafe { call!(table, cuDeviceGetName(name.as_mut_ptr(), name.len() as c_int, device)) }?;
    name[255] = 0;
    // SAFETY: the last character is 0.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy();
    let mut total_bytes = 0;
    // SAFETY: the call writes one integer.
    unsafe { call!(table, cuDeviceTotalMem_v2(&mut total_bytes, device)) }?;
    let attribute = |attribute: CUdevice_attribute| -> Result<u32> {
        let mut value = 0;
        // SAFETY: as above; attributes are plain numbers to the driver.
        unsafe { call!(table, cuDeviceGetAttribute(&mut value, attribute as c_int, device)) }?;
        Ok(u32::try_from(value).unwrap_or(0))
    };
    let integrated = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_INTEGRATED)? != 0;
    let can_register_host = match attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_HOST_REGISTER_SUPPORTED) {
        Ok(value) => value != 0,
        // A driver that is older than the attribute. Of the devices that it can have, those that are integrated may lack it.
        Err(error) if error.code() == INVALID_VALUE => !integrated,
        Err(error) => return Err(error),
    };
    Ok(DeviceInfo {
        name: name.trim().to_owned(),
        ordinal,
        compute_capability: (
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        integrated,
        can_map_host: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY)? != 0,
        can_register_host,
        multiprocessors: attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        total_bytes: total_bytes as u64,
    })
}
