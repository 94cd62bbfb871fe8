//! TensorRT's runtime, deserialized engine and execution context. Each keeps alive what it was made from, so that contexts are destroyed
//! before engines, and engines before the runtime.

use std::ffi::{CStr, CString, c_void};
use std::fmt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trt_select_cuda::driver::Driver;

use super::messages::Listener;
use super::{Edition, Library, bindings, call, plugins};
use crate::{DataType, Error, ErrorKind};

const MAX_RANK: usize = bindings::TRTSEL_SHIM_MAX_RANK as usize;

const NO_TENSOR: bindings::trtsel_shim_tensor = bindings::trtsel_shim_tensor {
    name: std::ptr::null(),
    is_input: 0,
    data_type: 0,
    is_linear: 0,
    is_on_device: 0,
    rank: 0,
    extents: [0; MAX_RANK],
};

/// Gives TensorRT the device memory for weights and constants. Its methods are called on any thread, also on TensorRT's own.
///
/// # Safety
/// The address that `allocate` gives must be that of so many bytes of device memory, which nothing else uses until `free`: TensorRT writes
/// there.
pub unsafe trait Allocator: Send + Sync {
    /// The address of `bytes` bytes, a multiple of `alignment` (a power of two); `None` if there is not enough memory.
    fn allocate(&self, bytes: u64, alignment: u64) -> Option<u64>;

    /// Takes back a block of [`Allocator::allocate`]; false if the address is not that of one. Work that uses the memory may still be under
    /// way on the device.
    fn free(&self, address: u64) -> bool;
}

extern "C" fn allocate(user: *mut c_void, bytes: u64, alignment: u64) -> u64 {
    // SAFETY: `user` is the address that `OwnedAllocator` holds until TensorRT's runtime is gone.
    let allocator = unsafe { &*user.cast::<Arc<dyn Allocator>>() };
    allocator.allocate(bytes, alignment).unwrap_or(0)
}

extern "C" fn release(user: *mut c_void, address: u64) -> i32 {
    // SAFETY: as in `allocate`.
    let allocator = unsafe { &*user.cast::<Arc<dyn Allocator>>() };
    i32::from(allocator.free(address))
}

/// The allocator at an address that TensorRT may keep. The address is a bare pointer rather than a box, since a box that is moved would
/// claim that nobody else has its address.
struct OwnedAllocator(NonNull<Arc<dyn Allocator>>);

impl OwnedAllocator {
    fn new(allocator: Arc<dyn Allocator>) -> OwnedAllocator {
        OwnedAllocator(NonNull::from(Box::leak(Box::new(allocator))))
    }

    /// How the shim is told of it.
    fn to_shim(&self) -> bindings::trtsel_shim_allocator {
        bindings::trtsel_shim_allocator {
            user: self.0.as_ptr().cast(),
            allocate: Some(allocate),
            release: Some(release),
        }
    }
}

impl Drop for OwnedAllocator {
    fn drop(&mut self) {
        // SAFETY: it was leaked by `new`, and is taken back once.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// TensorRT's `IRuntime`.
///
/// # Threads
/// May be shared: calls that TensorRT does not allow on several threads at once wait for each other.
pub struct Runtime {
    raw: NonNull<bindings::trtsel_shim_runtime>,
    /// Held while an engine or a context of this runtime is made or destroyed.
    guard: Mutex<()>,
    /// Dropped after `Drop` has destroyed TensorRT's runtime, which uses it.
    allocator: Option<OwnedAllocator>,
    /// The runtime that opened this one, for one of another version: it is destroyed after it.
    _opened_by: Option<Arc<Runtime>>,
    library: Arc<Library>,
}

// SAFETY: TensorRT's runtime belongs to no thread, and `guard` keeps two threads from using it at once.
unsafe impl Send for Runtime {}
// SAFETY: as above.
unsafe impl Sync for Runtime {}

impl Runtime {
    /// Makes a runtime. With an allocator, TensorRT takes the device memory for weights and constants from it. Plugins are registered first:
    /// those beside the library, and those that `TRT_SELECT_PLUGINS` names.
    ///
    /// TensorRT uses the context of the driver that is current in this thread, or else makes the first device's.
    ///
    /// # Errors
    /// [`ErrorKind::LibraryMissing`] if a library that `TRT_SELECT_PLUGINS` names cannot be opened; [`ErrorKind::DriverMissing`] if there
    /// is no NVIDIA driver and TensorRT is older than 10 or says so here already (others say it when a plan is loaded), else
    /// [`ErrorKind::LibraryMissing`] with TensorRT's words.
    pub fn new(library: &Arc<Library>, allocator: Option<Arc<dyn Allocator>>) -> Result<Arc<Runtime>, Error> {
        if library.edition() == Edition::Enterprise && library.version().major < 10 {
            // TensorRT 8.6 ends the process with a fault of memory where there is no driver.
            Driver::find()?;
        }
        plugins::register(library)?;
        let refused = format!("{library}: it makes no runtime");
        Self::made(library, allocator, None, &refused, |allocator, out| {
            // SAFETY: the entry point is that of a library of this line; `made` keeps its word on the allocator.
            unsafe {
                call!(
                    library.table(),
                    runtime_create(library.create_runtime(), library.version_number(), allocator, out)
                )
            }
        })
    }

    /// The runtime that a call of the shim makes. The call is given the allocator's description, which the shim copies; what its `user`
    /// points to is kept until the runtime is destroyed. `refused` is what is said if there is no runtime.
    fn made(
        library: &Arc<Library>,
        allocator: Option<Arc<dyn Allocator>>,
        opened_by: Option<Arc<Runtime>>,
        refused: &str,
        make: impl FnOnce(*const bindings::trtsel_shim_allocator, *mut *mut bindings::trtsel_shim_runtime) -> i32,
    ) -> Result<Arc<Runtime>, Error> {
        let allocator = allocator.map(OwnedAllocator::new);
        let to_allocator = allocator.as_ref().map(OwnedAllocator::to_shim);
        let to_allocator = to_allocator.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
        let mut raw = std::ptr::null_mut();
        let listener = Listener::begin();
        let status = make(to_allocator, &raw mut raw);
        match NonNull::new(raw) {
            Some(raw) if status == bindings::TRTSEL_SHIM_OK => {
                let (guard, library) = (Mutex::new(()), Arc::clone(library));
                Ok(Arc::new(Runtime { raw, guard, allocator, _opened_by: opened_by, library }))
            }
            _ => Err(listener.error(kind_of(status, ErrorKind::LibraryMissing), refused)),
        }
    }

    /// Opens the lean runtime of another version, from its library's file, for the version-compatible plans of that version.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if this TensorRT has no such call (before 8.6, and RTX), [`ErrorKind::LibraryMissing`] with what TensorRT
    /// said if it does not take the file.
    pub fn load(self: &Arc<Self>, lean: &Path, allocator: Option<Arc<dyn Allocator>>) -> Result<Arc<Runtime>, Error> {
        let file = lean.display();
        let path = CString::new(lean.as_os_str().as_encoded_bytes()).map_err(|_| {
            let what = format!("{file}: expected a path, got one with a null byte in it; correct it");
            Error::new(ErrorKind::Io, what)
        })?;
        let refused = format!("{file}: {} does not take it as a lean runtime", self.library.name());
        Self::made(&self.library, allocator, Some(Arc::clone(self)), &refused, |allocator, out| {
            let _guard = self.lock();
            // SAFETY: the runtime is alive and ours alone while the guard is held; the path is a C string; `made` keeps its word on the
            // allocator.
            unsafe { call!(self.library.table(), runtime_load(self.raw.as_ptr(), path.as_ptr(), allocator, out)) }
        })
    }

    /// Whether the code may run that version-compatible plans bring with them, a lean runtime of the version that built them. It is to be
    /// allowed only for plans that come from where the user trusts code.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] if this TensorRT has no such plans (before 8.6, and RTX).
    pub fn allow_host_code(&self, allowed: bool) -> Result<(), Error> {
        let _guard = self.lock();
        // SAFETY: the runtime is alive and ours alone while the guard is held.
        match unsafe { call!(self.library.table(), runtime_allow_host_code(self.raw.as_ptr(), i32::from(allowed))) } {
            bindings::TRTSEL_SHIM_OK => Ok(()),
            status => {
                let why = self.library.why_not_version_compatible();
                let what = format!("{}: it runs no code of plans: {why}", self.library);
                Err(Error::new(kind_of(status, ErrorKind::Unsupported), what))
            }
        }
    }

    /// The library that it belongs to.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// Whether the device memory that TensorRT keeps is counted by an allocator of ours.
    pub fn counts_memory(&self) -> bool {
        self.allocator.is_some()
    }

    /// Deserializes a plan. Its bytes are not needed afterwards. `name` is the plan's name in messages.
    ///
    /// # Errors
    /// [`ErrorKind::Plan`] if TensorRT refuses it, [`ErrorKind::DriverMissing`] if there is no NVIDIA driver,
    /// [`ErrorKind::DeviceMemory`] or [`ErrorKind::HostMemory`]; with what TensorRT said about it.
    pub fn deserialize(self: &Arc<Self>, plan: &[u8], name: &str) -> Result<Arc<CudaEngine>, Error> {
        let table = self.library.table();
        let mut raw = std::ptr::null_mut();
        let listener = Listener::begin();
        let status = {
            let _guard = self.lock();
            // SAFETY: the runtime is alive and ours alone while the guard is held; the bytes are read during the call.
            unsafe {
                call!(
                    table,
                    engine_deserialize(self.raw.as_ptr(), plan.as_ptr().cast(), plan.len() as u64, &raw mut raw)
                )
            }
        };
        let refused = |status, what: &str| {
            let is_of_plugin = listener.text().to_ascii_lowercase().contains("plugin");
            let remedy = if is_of_plugin { "; name the library of its plugins in TRT_SELECT_PLUGINS" } else { "" };
            let what = format!("{name}: {} {what}{remedy}", self.library.name());
            listener.error(kind_of(status, ErrorKind::Plan), &what)
        };
        let Some(raw) = NonNull::new(raw).filter(|_| status == bindings::TRTSEL_SHIM_OK) else {
            return Err(refused(status, "refused the plan"));
        };
        // From here on, TensorRT's engine is destroyed when this is dropped.
        let mut engine = CudaEngine { raw, tensors: Vec::new(), activation_bytes: 0, runtime: Arc::clone(self) };
        let mut count = 0;
        // SAFETY: the engine is alive, and the out-parameter is one number.
        let status = unsafe { call!(table, engine_tensor_count(engine.raw.as_ptr(), &raw mut count)) };
        if status != bindings::TRTSEL_SHIM_OK {
            return Err(refused(status, "does not tell the plan's tensors"));
        }
        for index in 0..count {
            let mut tensor = NO_TENSOR;
            // SAFETY: as above; the index is below the count.
            let status = unsafe { call!(table, engine_tensor(engine.raw.as_ptr(), index, &raw mut tensor)) };
            if status != bindings::TRTSEL_SHIM_OK {
                return Err(refused(status, &format!("does not describe tensor {index} of the plan")));
            }
            engine.tensors.push(IoTensor::new(&tensor));
        }
        // SAFETY: as above.
        let status =
            unsafe { call!(table, engine_activation_bytes(engine.raw.as_ptr(), &raw mut engine.activation_bytes)) };
        if status != bindings::TRTSEL_SHIM_OK {
            return Err(refused(status, "does not tell the device memory that the plan needs"));
        }
        Ok(Arc::new(engine))
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        // The guard protects TensorRT's objects, which are whole even if a thread of ours panicked while it held the guard.
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        // SAFETY: every engine holds an `Arc` of this, so there is none any more; the allocator is dropped after this.
        unsafe { call!(self.library.table(), runtime_destroy(self.raw.as_ptr())) };
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("library", &self.library)
            .field("counts_memory", &self.counts_memory())
            .finish_non_exhaustive()
    }
}

/// An input or output of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoTensor {
    /// Its name.
    pub name: String,
    /// Whether it is an input.
    pub input: bool,
    /// Type of its elements; `None` if it is one that this crate does not know.
    pub data_type: Option<DataType>,
    /// TensorRT's number of that type, for messages.
    pub raw_type: i32,
    /// Its extents, outermost first; -1 for one that the plan leaves open.
    pub shape: Vec<i64>,
    /// Whether its elements lie one after the other, outermost extent first, without gaps.
    pub linear: bool,
    /// Whether it lies in device memory. Shapes that TensorRT reads on the host do not.
    pub on_device: bool,
}

impl IoTensor {
    fn new(tensor: &bindings::trtsel_shim_tensor) -> IoTensor {
        let rank = usize::try_from(tensor.rank).unwrap_or(0).min(MAX_RANK);
        let name = if tensor.name.is_null() {
            String::new()
        } else {
            // SAFETY: a C string of the engine's, which is alive.
            unsafe { CStr::from_ptr(tensor.name) }.to_string_lossy().into_owned()
        };
        IoTensor {
            name,
            input: tensor.is_input != 0,
            data_type: match tensor.data_type {
                bindings::TRTSEL_SHIM_F32 => Some(DataType::F32),
                bindings::TRTSEL_SHIM_F16 => Some(DataType::F16),
                _ => None,
            },
            raw_type: tensor.data_type,
            shape: tensor.extents[..rank].to_vec(),
            linear: tensor.is_linear != 0,
            on_device: tensor.is_on_device != 0,
        }
    }

    /// Whether every extent is fixed.
    pub fn is_static(&self) -> bool {
        self.shape.iter().all(|&extent| extent >= 0)
    }
}

/// A deserialized plan: TensorRT's `ICudaEngine`.
///
/// # Threads
/// May be shared, as [`Runtime`].
pub struct CudaEngine {
    raw: NonNull<bindings::trtsel_shim_engine>,
    tensors: Vec<IoTensor>,
    activation_bytes: u64,
    runtime: Arc<Runtime>,
}

// SAFETY: TensorRT's engine belongs to no thread; what is called on it here reads only, or holds the runtime's guard.
unsafe impl Send for CudaEngine {}
// SAFETY: as above.
unsafe impl Sync for CudaEngine {}

impl CudaEngine {
    /// Its inputs and outputs, in the plan's order.
    pub fn tensors(&self) -> &[IoTensor] {
        &self.tensors
    }

    /// Device memory that a context of it needs while it runs, in bytes.
    pub fn activation_bytes(&self) -> u64 {
        self.activation_bytes
    }

    /// The runtime that it belongs to.
    pub fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// How many optimization profiles the plan has. Contexts are made on the first.
    pub fn profile_count(&self) -> u32 {
        let mut count = 0;
        // SAFETY: the engine is alive, and the out-parameter is one number.
        unsafe { call!(self.table(), engine_profile_count(self.raw.as_ptr(), &raw mut count)) };
        u32::try_from(count).unwrap_or(0)
    }

    /// Makes an execution context without device memory of its own: see [`Context::set_activation`].
    ///
    /// # Errors
    /// [`ErrorKind::DeviceMemory`], [`ErrorKind::HostMemory`] or [`ErrorKind::Plan`], with what TensorRT said about it.
    pub fn create_context(self: &Arc<Self>) -> Result<Context, Error> {
        let mut raw = std::ptr::null_mut();
        let listener = Listener::begin();
        let status = {
            let _guard = self.runtime.lock();
            // SAFETY: the engine is alive; the guard keeps other threads off it.
            unsafe { call!(self.table(), context_create(self.raw.as_ptr(), &raw mut raw)) }
        };
        match NonNull::new(raw) {
            Some(raw) if status == bindings::TRTSEL_SHIM_OK => {
                let table = self.table();
                Ok(Context { raw, table, engine: Arc::clone(self) })
            }
            _ => {
                let name = self.runtime.library.name();
                Err(listener.error(kind_of(status, ErrorKind::Plan), &format!("{name}: it makes no execution context")))
            }
        }
    }

    fn table(&self) -> &'static bindings::trtsel_shim_table {
        self.runtime.library.table()
    }
}

impl Drop for CudaEngine {
    fn drop(&mut self) {
        let _guard = self.runtime.lock();
        // SAFETY: every context holds an `Arc` of this, so there is none any more; the runtime is alive.
        unsafe { call!(self.table(), engine_destroy(self.raw.as_ptr())) };
    }
}

impl fmt::Debug for CudaEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CudaEngine")
            .field("tensors", &self.tensors)
            .field("activation_bytes", &self.activation_bytes)
            .finish_non_exhaustive()
    }
}

/// One network ready to be enqueued: TensorRT's `IExecutionContext`.
///
/// # Threads
/// May be moved to another thread between calls; it is not shared.
pub struct Context {
    raw: NonNull<bindings::trtsel_shim_context>,
    table: &'static bindings::trtsel_shim_table,
    engine: Arc<CudaEngine>,
}

// SAFETY: TensorRT's context belongs to no thread, and `&mut self` keeps two threads from using it at once.
unsafe impl Send for Context {}

impl Context {
    /// The engine that it runs.
    pub fn engine(&self) -> &Arc<CudaEngine> {
        &self.engine
    }

    /// Gives the context device memory to run in: at least [`CudaEngine::activation_bytes`], aligned to 256.
    ///
    /// # Errors
    /// [`ErrorKind::DeviceMemory`] with what TensorRT said about it.
    ///
    /// # Safety
    /// The block is device memory of the current CUDA context and stays so until the work enqueued here is done. Nothing
    /// else uses it while such work runs.
    pub unsafe fn set_activation(&mut self, address: u64, bytes: u64) -> Result<(), Error> {
        let listener = Listener::begin();
        // SAFETY: the context is alive, the block is the caller's word.
        let status = unsafe { call!(self.table, context_set_activation(self.raw.as_ptr(), address, bytes)) };
        // This call of TensorRT returns nothing, so only its log tells whether it failed.
        if status == bindings::TRTSEL_SHIM_OK && listener.text().is_empty() {
            return Ok(());
        }
        let what = format!("{}: it refuses {bytes} bytes of device memory to run in", self.name());
        Err(listener.error(ErrorKind::DeviceMemory, &what))
    }

    /// Binds tensor `index` to device memory. Some versions of TensorRT take long over this, so it is done once, at open.
    ///
    /// # Errors
    /// [`ErrorKind::Run`] with what TensorRT said about it.
    ///
    /// # Panics
    /// If there is no such tensor.
    ///
    /// # Safety
    /// The address is that of device memory that holds the whole tensor, aligned to 256, and stays so until the work
    /// enqueued here is done.
    pub unsafe fn bind(&mut self, index: usize, address: u64) -> Result<(), Error> {
        let tensor = &self.engine.tensors[index];
        let listener = Listener::begin();
        // SAFETY: the context is alive, the address is the caller's word.
        let status = unsafe { call!(self.table, context_set_address(self.raw.as_ptr(), index as i32, address)) };
        if status == bindings::TRTSEL_SHIM_OK {
            return Ok(());
        }
        let what = format!("{}: it refuses an address for tensor `{}`", self.name(), tensor.name);
        Err(listener.error(kind_of(status, ErrorKind::Run), &what))
    }

    /// Fixes the shape of input `index`, where the plan leaves it open.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] with what TensorRT said about it.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn set_input_shape(&mut self, index: usize, shape: &[i64]) -> Result<(), Error> {
        let tensor = &self.engine.tensors[index];
        let listener = Listener::begin();
        let rank = i32::try_from(shape.len()).unwrap_or(i32::MAX);
        // SAFETY: the context is alive; as many extents as the rank says are read, and the rank is checked first.
        let status =
            unsafe { call!(self.table, context_set_shape(self.raw.as_ptr(), index as i32, rank, shape.as_ptr())) };
        if status == bindings::TRTSEL_SHIM_OK {
            return Ok(());
        }
        let what = format!(
            "{}: tensor `{}` of shape {:?} does not take the shape {shape:?}",
            self.name(),
            tensor.name,
            tensor.shape
        );
        Err(listener.error(kind_of(status, ErrorKind::Shape), &what))
    }

    /// The shape of tensor `index` once the inputs' shapes are fixed; -1 for an extent that is known only after running.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`] with what TensorRT said about it.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn shape(&self, index: usize) -> Result<Vec<i64>, Error> {
        let tensor = &self.engine.tensors[index];
        let mut rank = 0;
        let mut extents = [0_i64; MAX_RANK];
        let listener = Listener::begin();
        // SAFETY: the context is alive; the array has the room that the shim asks for.
        let status = unsafe {
            call!(self.table, context_shape(self.raw.as_ptr(), index as i32, &raw mut rank, extents.as_mut_ptr()))
        };
        if status != bindings::TRTSEL_SHIM_OK {
            let what = format!("{}: tensor `{}` has no shape", self.name(), tensor.name);
            return Err(listener.error(kind_of(status, ErrorKind::Shape), &what));
        }
        Ok(extents[..usize::try_from(rank).unwrap_or(0).min(MAX_RANK)].to_vec())
    }

    /// Enqueues the network on a stream (a `CUstream` as number, not the default stream). If it succeeds, this neither allocates nor takes a
    /// lock itself.
    ///
    /// # Errors
    /// [`ErrorKind::Run`] with what TensorRT said about it.
    ///
    /// # Safety
    /// The stream is one of the current CUDA context. Activation memory and all tensors are bound, and this context's
    /// earlier work is done or on the same stream.
    pub unsafe fn enqueue(&mut self, stream: u64) -> Result<(), Error> {
        let listener = Listener::begin();
        // SAFETY: the context is alive, the rest is the caller's word.
        let status = unsafe { call!(self.table, context_enqueue(self.raw.as_ptr(), stream)) };
        if status == bindings::TRTSEL_SHIM_OK {
            return Ok(());
        }
        Err(listener.error(kind_of(status, ErrorKind::Run), &format!("{}: it refuses to enqueue", self.name())))
    }

    fn name(&self) -> String {
        self.engine.runtime.library.name()
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _guard = self.engine.runtime.lock();
        // SAFETY: the context is alive and nobody else has it; its engine goes after it.
        unsafe { call!(self.table, context_destroy(self.raw.as_ptr())) };
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// The error kind of a status of the shim that is not success; `refused` if TensorRT itself refused.
fn kind_of(status: i32, refused: ErrorKind) -> ErrorKind {
    match status {
        bindings::TRTSEL_SHIM_MEMORY => ErrorKind::HostMemory,
        bindings::TRTSEL_SHIM_UNSUPPORTED => ErrorKind::Unsupported,
        _ => refused,
    }
}
