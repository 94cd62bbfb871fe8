//! The allocator that TensorRT takes its device memory from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use trt_select_cuda::driver::{Context, DeviceBuffer, Error};

use super::runtime::Allocator;

/// Hands out device memory and counts it, so that a session knows how many bytes TensorRT holds.
pub(super) struct CountingAllocator {
    context: Context,
    blocks: Mutex<HashMap<u64, DeviceBuffer>>,
    bytes: AtomicU64,
    /// The driver's error where the last block could not be had. TensorRT is told only that there is none.
    refused: Mutex<Option<Error>>,
}

impl CountingAllocator {
    pub(super) fn new(context: &Context) -> CountingAllocator {
        CountingAllocator {
            context: context.clone(),
            blocks: Mutex::new(HashMap::new()),
            bytes: AtomicU64::new(0),
            refused: Mutex::new(None),
        }
    }

    /// Device bytes that were handed out and not given back.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The driver's error of the last block that could not be had since the last call of this function.
    pub(super) fn take_error(&self) -> Option<Error> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

// SAFETY: the blocks are the driver's, each of the size asked for, and stay in `blocks` until they are freed.
unsafe impl Allocator for CountingAllocator {
    fn allocate(&self, bytes: u64, alignment: u64) -> Option<u64> {
        let size = usize::try_from(bytes).ok()?;
        let block = match DeviceBuffer::new(&self.context, size.max(1)) {
            Ok(block) => block,
            Err(error) => {
                log::warn!("TensorRT asked for {bytes} bytes of device memory: {error}");
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                return None;
            }
        };
        let address = block.address();
        if alignment > 1 && !address.is_multiple_of(alignment) {
            log::warn!("TensorRT asked for device memory aligned to {alignment} bytes: the driver's blocks are not");
            return None;
        }
        self.bytes.fetch_add(block.bytes() as u64, Ordering::Relaxed);
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).insert(address, block);
        Some(address)
    }

    fn free(&self, address: u64) -> bool {
        let block = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).remove(&address);
        if let Some(block) = &block {
            self.bytes.fetch_sub(block.bytes() as u64, Ordering::Relaxed);
        }
        block.is_some()
    }
}
