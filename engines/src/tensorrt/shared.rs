//! What all plans of a session share: the driver's context, TensorRT's runtime, activation memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trt_select_cuda::driver::{Context, DeviceBuffer, Entered};

use super::allocator::CountingAllocator;
use super::compatible::Compatible;
use super::library::Library;
use super::runtime::Runtime;
use crate::Error;

pub(super) struct Shared {
    pub(super) runtime: Option<Arc<Runtime>>,
    pub(super) compatible: Compatible,
    pub(super) library: Arc<Library>,
    pub(super) allocator: Arc<CountingAllocator>,
    pub(super) context: Context,
    pub(super) keep_plans: bool,
    pub(super) max_resident_bytes: Option<u64>,
    /// Held while a plan is deserialized: only one at a time is, so that what is allocated meanwhile is known to belong to that plan.
    pub(super) loading: Mutex<()>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        // TensorRT frees its device memory in whichever context is current.
        let _current = enter_at_last(&self.context);
        self.compatible.clear();
        self.runtime = None;
    }
}

/// Makes the context current where something is freed in a `Drop`, which cannot return an error. If that fails, the error is kept for
/// [`Context::take_error`], and it is tried once more.
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

/// The activation memory that all candidates share. They can share it because their networks run on one stream, one after the other.
pub(super) struct Activation {
    block: DeviceBuffer,
    /// The stream on which it was used first; 0 if it was not used yet.
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

    /// Reserves the memory for a stream, on which all work has an order. False if another stream uses it already.
    pub(super) fn is_for(&self, stream: u64) -> bool {
        match self.stream.compare_exchange(0, stream, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => true,
            Err(first) => first == stream,
        }
    }
}

/// Measures how many device bytes TensorRT takes from its making on.
pub(super) struct Taking<'a> {
    shared: &'a Shared,
    counted: bool,
    before: u64,
    /// Keeps other plans from being deserialized meanwhile: what they take must not be counted here.
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
