//! What all plans of a session share: the driver's context, TensorRT's runtime, activation memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trt_select_cuda::driver::{Context, DeviceBuffer, Entered};

use super::allocator::CountingAllocator;
use super::library::Library;
use super::runtime::Runtime;
use crate::Error;

pub(super) struct Shared {
    pub(super) runtime: Option<Arc<Runtime>>,
    pub(super) library: Arc<Library>,
    pub(super) allocator: Arc<CountingAllocator>,
    pub(super) context: Context,
    pub(super) keep_plans: bool,
    pub(super) max_resident_bytes: Option<u64>,
    /// One plan is deserialized at a time, so that what is allocated meanwhile is known to be its own.
    pub(super) loading: Mutex<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // TensorRT frees what is on the device in the context that is current.
        let _current = enter_at_last(&self.context);
        self.runtime = None;
    }
}

/// Makes the context current where something is given back and nobody can be told of an error: it is kept, and the call tried
/// once more.
pub(super) fn enter_at_last(context: &Context) -> Option<Entered<'_>> {
    let again = |error| {
        context.keep(error);
        context.enter()
    };
    context.enter().or_else(again).map_err(|error| context.keep(error)).ok()
}

impl Shared {
    /// Kind and version as profiles and premodels record them, e.g. `TensorRT 10.3.0`.
    pub(super) fn version(&self) -> String {
        format!("{} {}", self.library.edition(), self.library.version())
    }
}

/// The activation memory that all candidates share: networks on one stream, one after the other.
pub(super) struct Activation {
    block: DeviceBuffer,
    /// The stream on which it was used first; 0 before.
    stream: AtomicU64,
}

impl Activation {
    pub(super) fn new(context: &Context, bytes: u64) -> Result<Activation, Error> {
        let block = DeviceBuffer::new(context, usize::try_from(bytes.max(1)).unwrap_or(usize::MAX))?;
        Ok(Activation { block, stream: AtomicU64::new(0) })
    }

    pub(super) fn block(&self) -> &DeviceBuffer {
        &self.block
    }

    /// Claims it for a stream, on which everything has an order; false where it is another's.
    pub(super) fn is_for(&self, stream: u64) -> bool {
        match self.stream.compare_exchange(0, stream, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(first) => first == stream,
        }
    }
}

/// Measures the device bytes that TensorRT takes while it lives.
pub(super) struct Taking<'a> {
    shared: &'a Shared,
    counted: bool,
    before: u64,
    /// What others take meanwhile must not be counted.
    _one_at_a_time: MutexGuard<'a, ()>,
}

impl<'a> Taking<'a> {
    pub(super) fn begin(shared: &'a Shared) -> Result<Taking<'a>, Error> {
        let one_at_a_time = shared.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = shared.runtime.as_ref().is_some_and(|r| r.counts_memory());
        let before = if counted { shared.allocator.bytes() } else { free_bytes(shared)? };
        Ok(Taking { shared, counted, before, _one_at_a_time: one_at_a_time })
    }

    pub(super) fn bytes(&self) -> Result<u64, Error> {
        Ok(if self.counted {
            self.shared.allocator.bytes().saturating_sub(self.before)
        } else {
            self.before.saturating_sub(free_bytes(self.shared)?)
        })
    }
}

fn free_bytes(shared: &Shared) -> Result<u64, Error> {
    Ok(shared.context.memory_info()?.0)
}
