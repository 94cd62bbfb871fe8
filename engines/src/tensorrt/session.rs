//! One session: the driver's context, TensorRT's runtime, and the memory that all plans of a bundle share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trt_select_cuda::driver::{Context, DeviceBuffer, Entered, Owner, PinnedBuffer, Registered};

use super::Edition;
use super::engine::TensorrtEngine;
use super::library::Library;
use super::plan::{self, Here, PlanFile};
use super::runtime::{Allocator, CudaEngine, Runtime};
use super::sidecar::Sidecar;
use crate::{Error, ErrorKind, Precision};

/// How to open a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionOptions {
    /// Which device, as CUDA counts them.
    pub ordinal: u32,
    /// Keep plans in page-locked memory after they were deserialized, so that a candidate that was evicted comes back
    /// without touching the disk.
    pub keep_plans: bool,
    /// Most device bytes that the candidates' weights may take together; the least recently used go first. `None`: no limit.
    pub max_resident_bytes: Option<u64>,
}

/// A plan to open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanSpec {
    /// The candidate's name, for messages.
    pub name: String,
    /// The plan's file.
    pub plan: PathBuf,
    /// The ONNX file that it was built from, where there is one: its hash must be the sidecar's.
    pub onnx: Option<PathBuf>,
    /// The arithmetic that the bundle names.
    pub precision: Precision,
    /// Name of the input, where the network has several.
    pub input: Option<String>,
    /// Name of the output, where the network has several.
    pub output: Option<String>,
}

/// TensorRT on one device. Clones share it.
#[derive(Clone)]
pub struct Session {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    runtime: Option<Arc<Runtime>>,
    pub(super) library: Arc<Library>,
    pub(super) weights: Arc<Weights>,
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

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("library", &self.shared.library.path()).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens the driver, the device and TensorRT's library.
    ///
    /// # Errors
    /// - [`ErrorKind::Driver`] if there is no NVIDIA driver or no such device;
    /// - [`ErrorKind::LibraryMissing`] if no TensorRT library is found, or it is of another ABI line than this build's.
    pub fn open(options: &SessionOptions) -> Result<Session, Error> {
        // The library first: it says more about what is missing on a machine that has neither.
        let library = Library::open()?;
        let context = Context::primary(options.ordinal)?;
        let weights = Arc::new(Weights::new(&context));
        let _current = context.enter()?;
        let runtime = Runtime::new(&library, Some(Arc::clone(&weights) as Arc<dyn Allocator>))?;
        drop(_current);
        let shared = Shared {
            runtime: Some(runtime),
            library,
            weights,
            context,
            keep_plans: options.keep_plans,
            max_resident_bytes: options.max_resident_bytes,
            loading: Mutex::new(()),
        };
        Ok(Session { shared: Arc::new(shared) })
    }

    /// Device bytes that TensorRT holds in all, as its allocator counts them; 0 where this TensorRT takes none.
    pub fn allocated_bytes(&self) -> u64 {
        self.shared.weights.bytes()
    }

    /// The device's context.
    pub fn context(&self) -> &Context {
        &self.shared.context
    }

    /// TensorRT's version and library, and the device, in a line for a person.
    pub fn about(&self) -> String {
        let (library, device) = (&self.shared.library, self.shared.context.device());
        let (major, minor) = device.compute_capability;
        format!(
            "{} {} ({}) on {}, compute capability {major}.{minor}",
            library.edition(),
            library.version(),
            library.path().display(),
            device.name
        )
    }

    /// Kind and version as profiles and premodels record them, e.g. `TensorRT 10.3.0`.
    pub fn version(&self) -> String {
        format!("{} {}", self.shared.library.edition(), self.shared.library.version())
    }

    /// Opens plans: checks and deserializes each, then takes one block of activation memory for all, of the largest one's size.
    /// With a limit on resident bytes, earlier plans make room for later ones; see [`SessionOptions::max_resident_bytes`].
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if a file cannot be read;
    /// - [`ErrorKind::Plan`] if a plan is damaged, or made for another TensorRT, another device or another ONNX;
    /// - [`ErrorKind::Shape`] if its tensors have open extents other than the batch, or a type that is not a float;
    /// - [`ErrorKind::Memory`], [`ErrorKind::Driver`] if the device refuses.
    pub fn open_plans(&self, specs: &[PlanSpec]) -> Result<Vec<TensorrtEngine>, Error> {
        let mut engines: Vec<TensorrtEngine> = Vec::with_capacity(specs.len());
        let held = |engines: &[TensorrtEngine]| -> u64 {
            engines.iter().filter(|e| e.is_loaded()).map(TensorrtEngine::weight_bytes).sum()
        };
        for spec in specs {
            if let Some(limit) = self.shared.max_resident_bytes {
                // A plan's size is near that of its weights, which are known only when they are on the device.
                let size = std::fs::metadata(&spec.plan).map_or(0, |m| m.len());
                make_room(&mut engines, limit.saturating_sub(size), &held);
            }
            let engine =
                TensorrtEngine::load(self, spec).map_err(|e| Error::new(e.kind(), format!("{}: {e}", spec.name)))?;
            let Some(limit) = self.shared.max_resident_bytes else {
                engines.push(engine);
                continue;
            };
            let own = engine.weight_bytes();
            if own > limit {
                return Err(Error::new(
                    ErrorKind::Memory,
                    format!(
                        "{}: expected at most {limit} resident bytes (max_resident_bytes), got {own} of this candidate alone; raise the limit or leave it out",
                        spec.name
                    ),
                ));
            }
            make_room(&mut engines, limit - own, &held);
            engines.push(engine);
        }
        let bytes = engines.iter().map(TensorrtEngine::activation_bytes).max().unwrap_or(0);
        let block = Arc::new(Activation::new(&self.shared.context, bytes)?);
        for engine in &mut engines {
            engine.bind(Arc::clone(&block))?;
        }
        Ok(engines)
    }
}

/// Unloads engines, the first ones first, until no more than `limit` bytes are held.
fn make_room(engines: &mut [TensorrtEngine], limit: u64, held: &dyn Fn(&[TensorrtEngine]) -> u64) {
    for at in 0..engines.len() {
        if held(engines) <= limit {
            return;
        }
        engines[at].unload();
    }
}

/// The activation memory that all candidates share: networks on one stream, one after the other.
pub(super) struct Activation {
    block: DeviceBuffer,
    /// The stream on which it was used first; 0 before.
    stream: AtomicU64,
}

impl Activation {
    fn new(context: &Context, bytes: u64) -> Result<Activation, Error> {
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

/// A plan's bytes while TensorRT reads them: page-locked, never in a pageable heap buffer.
pub(super) enum Pinned {
    /// The file's mapping, registered with the driver.
    Mapping { _registered: Registered, file: Arc<PlanFile> },
    /// A copy in a block of the driver's, where it refused the mapping.
    Block { block: PinnedBuffer, bytes: usize },
}

impl Pinned {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Pinned::Mapping { file, .. } => file.bytes(),
            Pinned::Block { block, bytes } => &block.as_slice()[..*bytes],
        }
    }

    /// Whether the file is still what it was when it was checked. A copy does not care.
    fn check_unchanged(&self) -> Result<(), Error> {
        match self {
            Pinned::Mapping { file, .. } => file.check_unchanged(),
            Pinned::Block { .. } => Ok(()),
        }
    }

    /// Checks a plan and pins it.
    pub(super) fn open(shared: &Shared, spec: &PlanSpec) -> Result<Pinned, Error> {
        let file = Arc::new(PlanFile::open(&spec.plan)?);
        let sidecar = Sidecar::read(&spec.plan)?;
        let here = Here {
            edition: shared.library.edition(),
            version: shared.library.version(),
            // TensorRT-RTX has no lean runtime.
            lean: shared.library.is_runtime_only() && shared.library.edition() == Edition::Enterprise,
            compute_capability: Some(shared.context.device().compute_capability),
            library_path: shared.library.path().to_owned(),
        };
        for notice in plan::check(&file, sidecar.as_ref(), &here, spec.onnx.as_deref())? {
            log::warn!("{}: {notice}", spec.name);
        }
        let bytes = file.bytes().len();
        match Registered::new(&shared.context, Arc::clone(&file) as Owner) {
            Ok(registered) => Ok(Pinned::Mapping { _registered: registered, file }),
            Err(refused) => {
                log::debug!(
                    "{}: the mapping was not page-locked ({refused}); read once into a pinned block",
                    spec.name
                );
                let mut block = PinnedBuffer::new(&shared.context, bytes, false)?;
                file.read_into(&mut block.as_mut_slice()[..bytes])?;
                Ok(Pinned::Block { block, bytes })
            }
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
        let before = if counted { shared.weights.bytes() } else { free_bytes(shared)? };
        Ok(Taking { shared, counted, before, _one_at_a_time: one_at_a_time })
    }

    pub(super) fn bytes(&self) -> Result<u64, Error> {
        Ok(if self.counted {
            self.shared.weights.bytes().saturating_sub(self.before)
        } else {
            self.before.saturating_sub(free_bytes(self.shared)?)
        })
    }
}

/// A deserialized plan.
pub(super) fn deserialize(shared: &Shared, pinned: &Pinned, name: &str) -> Result<Arc<CudaEngine>, Error> {
    let Some(runtime) = &shared.runtime else {
        return Err(Error::new(
            ErrorKind::Run,
            "TensorRT's runtime: expected it open, got it closed; open a new session",
        ));
    };
    let engine = runtime.deserialize(pinned.bytes(), name)?;
    pinned.check_unchanged()?;
    Ok(engine)
}

fn free_bytes(shared: &Shared) -> Result<u64, Error> {
    Ok(shared.context.memory_info()?.0)
}

/// The allocator that TensorRT is given: counts what it hands out.
pub(super) struct Weights {
    context: Context,
    blocks: Mutex<HashMap<u64, DeviceBuffer>>,
    bytes: AtomicU64,
}

impl Weights {
    fn new(context: &Context) -> Weights {
        Weights { context: context.clone(), blocks: Mutex::new(HashMap::new()), bytes: AtomicU64::new(0) }
    }

    /// Device bytes handed out and not given back.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

// SAFETY: the blocks are the driver's, each of the size asked for, and stay in `blocks` until they are freed.
unsafe impl Allocator for Weights {
    fn allocate(&self, bytes: u64, alignment: u64) -> Option<u64> {
        let size = usize::try_from(bytes).ok()?;
        let block = DeviceBuffer::new(&self.context, size.max(1))
            .inspect_err(|e| log::warn!("TensorRT asked for {bytes} bytes of device memory: {e}"))
            .ok()?;
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
