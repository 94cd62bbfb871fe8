//! One session: TensorRT on one device, and the plans of a bundle opened together.

use std::sync::{Arc, Mutex};

use trt_select_cuda::driver::Context;

use super::allocator::CountingAllocator;
use super::compatible::Compatible;
use super::engine::TensorrtEngine;
use super::held::PlanSpec;
use super::library::Library;
use super::runtime::{Allocator, Runtime};
use super::shared::{Activation, Shared};
use crate::{Error, ErrorKind};

/// How to open a session.
///
/// ```
/// use trt_select_engines::tensorrt::{Session, SessionOptions};
///
/// let options = SessionOptions::default().keep_plans(true).max_resident_bytes(Some(256 << 20));
/// // On a machine without TensorRT or without a GPU the error says what is missing.
/// match Session::open(&options) {
///     Ok(session) => println!("{}", session.about()),
///     Err(error) => eprintln!("{:?}: {error}", error.kind()),
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionOptions {
    /// Which device, as CUDA counts them.
    pub ordinal: u32,
    /// Keep plans in memory after they were deserialized, so that a candidate that was evicted comes back without touching the disk. The
    /// memory is page-locked where the device can use it so; it is ordinary memory on a TX2 or a Nano.
    pub keep_plans: bool,
    /// Most device bytes that the candidates' weights may take together. Where they would take more, the candidate that was used least
    /// recently is evicted first. `None`: no limit.
    pub max_resident_bytes: Option<u64>,
}

impl SessionOptions {
    /// Sets which device is used, as CUDA counts them.
    #[must_use]
    pub fn ordinal(self, ordinal: u32) -> Self {
        SessionOptions { ordinal, ..self }
    }

    /// Sets whether plans stay in memory after they were deserialized.
    #[must_use]
    pub fn keep_plans(self, keep_plans: bool) -> Self {
        SessionOptions { keep_plans, ..self }
    }

    /// Sets the most device bytes that the candidates' weights may take together; `None`: no limit.
    #[must_use]
    pub fn max_resident_bytes(self, max_resident_bytes: Option<u64>) -> Self {
        SessionOptions { max_resident_bytes, ..self }
    }
}

/// TensorRT on one device. Clones share it.
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
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
    /// - [`ErrorKind::DriverMissing`] if there is no NVIDIA driver, [`ErrorKind::DeviceMissing`] if there is no such device;
    /// - [`ErrorKind::LibraryMissing`] if no TensorRT library is found, or it is of another ABI line than this build's.
    pub fn open(options: &SessionOptions) -> Result<Session, Error> {
        // The library comes first: on a machine that has neither library nor driver, its error says more.
        let library = Library::open()?;
        let context = Context::primary(options.ordinal)?;
        let allocator = Arc::new(CountingAllocator::new(&context));
        let _current = context.enter()?;
        let runtime = Runtime::new(&library, Some(Arc::clone(&allocator) as Arc<dyn Allocator>))?;
        drop(_current);
        let shared = Shared {
            runtime: Some(runtime),
            compatible: Compatible::default(),
            library,
            allocator,
            context,
            keep_plans: options.keep_plans,
            max_resident_bytes: options.max_resident_bytes,
            loading: Mutex::new(()),
        };
        Ok(Session { shared: Arc::new(shared) })
    }

    /// Device bytes that TensorRT holds in all, by the count of its allocator; 0 if this version of TensorRT does not use the allocator.
    pub fn allocated_bytes(&self) -> u64 {
        self.shared.allocator.bytes()
    }

    /// The device's context.
    pub fn context(&self) -> &Context {
        &self.shared.context
    }

    /// TensorRT's version and library, and the device, in a line for people to read.
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
        self.shared.version()
    }

    /// Opens plans: checks and deserializes each, then allocates one block of activation memory for all, as large as the largest plan
    /// needs. With a limit on resident bytes, earlier plans are unloaded to make room for later ones; see
    /// [`SessionOptions::max_resident_bytes`].
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if a file cannot be read;
    /// - [`ErrorKind::PlanMissing`] if a plan is not there, [`ErrorKind::PlanMismatch`] if it was made for another TensorRT, another
    ///   device or another ONNX, [`ErrorKind::Plan`] if it is damaged;
    /// - [`ErrorKind::Shape`] if its tensors have open extents other than the batch, or its chosen input or output is no
    ///   linear tensor of 32-bit or 16-bit floats;
    /// - [`ErrorKind::Limit`] if a plan alone is larger than [`SessionOptions::max_resident_bytes`];
    /// - [`ErrorKind::DeviceMemory`], [`ErrorKind::HostMemory`], [`ErrorKind::Driver`] if the device refuses.
    pub fn open_plans(&self, specs: &[PlanSpec]) -> Result<Vec<TensorrtEngine>, Error> {
        let mut engines: Vec<TensorrtEngine> = Vec::with_capacity(specs.len());
        let held = |engines: &[TensorrtEngine]| -> u64 {
            engines.iter().filter(|e| e.is_loaded()).map(TensorrtEngine::weight_bytes).sum()
        };
        for spec in specs {
            if let Some(limit) = self.shared.max_resident_bytes {
                // How much the weights take is known only once they are on the device. Until then the plan's size is an estimate.
                let size = std::fs::metadata(&spec.plan).map_or(0, |m| m.len());
                make_room(&mut engines, limit.saturating_sub(size), &held);
            }
            let engine = TensorrtEngine::load(&self.shared, spec).map_err(|e| e.within(&spec.name))?;
            let Some(limit) = self.shared.max_resident_bytes else {
                engines.push(engine);
                continue;
            };
            let own = engine.weight_bytes();
            if own > limit {
                return Err(Error::new(
                    ErrorKind::Limit,
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
