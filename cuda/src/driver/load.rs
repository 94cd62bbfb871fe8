//! Finding and opening the driver.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::ManuallyDrop;
use std::sync::{Mutex, OnceLock, PoisonError};

use cudarc::driver::sys::{CUctx_st, CUdevice};
use libloading::Library;
use trt_select_base::text::one_line;

use super::table::{CallTable, call};
use super::{Error, ErrorKind, Raw, Result};

/// The environment variable that names another driver library: a path, or a name for the system's loader.
pub const VARIABLE: &str = "TRT_SELECT_LIBCUDA";

/// The driver, opened and initialised. There is one in a process.
pub struct Driver {
    pub(super) table: CallTable,
    version: (i32, i32),
    path: String,
    /// The primary contexts that this process has retained, each once, and keeps.
    primaries: Mutex<Vec<(CUdevice, Raw<CUctx_st>)>>,
    error: Mutex<Option<Error>>,
}

impl Driver {
    /// Opens and initialises the driver; later calls give the same one. A load that failed is tried again by the next call.
    ///
    /// The library is the one that [`VARIABLE`] names; without it, `libcuda.so.1` as the system's loader finds it.
    ///
    /// # Errors
    /// [`ErrorKind::LibraryMissing`], [`ErrorKind::SymbolMissing`], [`ErrorKind::NoDevice`], or the error of `cuInit`.
    pub fn load() -> Result<&'static Driver> {
        static DRIVER: OnceLock<Driver> = OnceLock::new();
        static LOADING: Mutex<()> = Mutex::new(());
        if let Some(driver) = DRIVER.get() {
            return Ok(driver);
        }
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(driver) = DRIVER.get() {
            return Ok(driver);
        }
        let driver = Driver::open()?;
        Ok(DRIVER.get_or_init(|| driver))
    }

    /// Looks that there is a driver: that its library opens. Nothing of it is called, so this does not say whether there is a GPU.
    ///
    /// # Errors
    /// [`ErrorKind::LibraryMissing`].
    pub fn find() -> Result<()> {
        open_library().map(drop)
    }

    fn open() -> Result<Driver> {
        let (library, name) = open_library()?;
        // SAFETY: the user or the system says that this is the driver; it is never closed.
        let table = unsafe { CallTable::load(&library) };
        let table = table.map_err(|symbol| {
            let message = format!(
                "NVIDIA driver {name}: expected the call {symbol}, got none; install a driver of CUDA 10.2 or newer"
            );
            Error::new(ErrorKind::SymbolMissing, symbol, message)
        })?;
        let mut number = 0;
        // SAFETY: the call may stand before cuInit; it writes one integer.
        unsafe { call!(table, cuDriverGetVersion(&mut number)) }?;
        // SAFETY: no rule but that the flags are 0.
        unsafe { call!(table, cuInit(0)) }?;
        let path = file_of(table.cuInit as *const c_void).unwrap_or(name);
        let version = (number / 1000, number % 1000 / 10);
        log::debug!("NVIDIA driver {path}: CUDA {}.{}", version.0, version.1);
        Ok(Driver { table, version, path, primaries: Mutex::default(), error: Mutex::new(None) })
    }

    /// The newest CUDA version that the driver supports: major, minor.
    #[must_use]
    pub fn version(&self) -> (i32, i32) {
        self.version
    }

    /// The library's file; where the loader does not tell, the name by which it was opened.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the driver has CUDA graphs.
    #[must_use]
    pub fn has_graphs(&self) -> bool {
        self.table.has_graphs()
    }

    /// How many GPUs there are.
    ///
    /// # Errors
    /// The call's.
    pub fn device_count(&self) -> Result<u32> {
        let mut count = 0;
        // SAFETY: the driver is initialised; the call writes one integer.
        unsafe { call!(self.table, cuDeviceGetCount(&mut count)) }?;
        Ok(u32::try_from(count).unwrap_or(0))
    }

    /// A device's primary context. The first call for a device retains it, for as long as the process lives; see [`super::Context`].
    pub(super) fn primary(&self, device: CUdevice) -> Result<Raw<CUctx_st>> {
        let mut primaries = self.primaries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, raw)) = primaries.iter().find(|(known, _)| *known == device) {
            return Ok(*raw);
        }
        let mut raw = std::ptr::null_mut();
        // SAFETY: the caller has the device from the driver; the call writes one handle.
        unsafe { call!(self.table, cuDevicePrimaryCtxRetain(&mut raw, device)) }?;
        primaries.push((device, Raw(raw)));
        Ok(Raw(raw))
    }

    /// The first error since the last call of this function that [`super::Context::take_error`] was not asked for before its context and
    /// all objects in it were gone.
    pub fn take_error(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn store(&self, error: Error) {
        log::warn!("{error}");
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").field("version", &self.version).field("path", &self.path).finish_non_exhaustive()
    }
}

/// The driver's library, and the name by which it was opened. It is never closed: the driver's threads and destructors would still run code
/// of it.
fn open_library() -> Result<(ManuallyDrop<Library>, String)> {
    const REMEDY: &str = "install the driver, or use an engine that needs no GPU";
    let missing = |expected: &str, cause: libloading::Error| {
        let why = loader_says(&cause);
        let message = format!("NVIDIA driver: expected {expected}, got none ({}); {REMEDY}", one_line(why));
        Error::new(ErrorKind::LibraryMissing, "dlopen", message).caused_by(cause)
    };
    if let Some(named) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        let name = named.to_string_lossy().into_owned();
        // SAFETY: opening a library runs its initialisers; this is the one that the user named as the driver.
        return match unsafe { Library::new(&named) } {
            Ok(library) => Ok((ManuallyDrop::new(library), name)),
            Err(error) => Err(missing(&format!("{name} (from {VARIABLE})"), error)),
        };
    }
    const SONAME: &str = "libcuda.so.1";
    // SAFETY: opening a library runs its initialisers; the system's loader says that this is the driver.
    let first = match unsafe { Library::new(SONAME) } {
        Ok(library) => return Ok((ManuallyDrop::new(library), SONAME.to_owned())),
        Err(error) => error,
    };
    // SAFETY: it opens the libraries that the system knows by the driver's names, and closes them again.
    let present = unsafe { cudarc::driver::sys::is_culib_present() };
    let others = if present { cudarc::get_lib_name_candidates("cuda") } else { Vec::new() };
    for name in others {
        // SAFETY: as above.
        if let Ok(library) = unsafe { Library::new(&name) } {
            return Ok((ManuallyDrop::new(library), name));
        }
    }
    Err(missing(SONAME, first))
}

/// What the system's loader said: libloading keeps it as the source of its own error.
fn loader_says(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The file that a function was loaded from.
fn file_of(function: *const c_void) -> Option<String> {
    #[repr(C)]
    struct Info {
        file: *const c_char,
        base: *mut c_void,
        name: *const c_char,
        address: *mut c_void,
    }
    unsafe extern "C" {
        fn dladdr(address: *const c_void, info: *mut Info) -> c_int;
    }
    let null = std::ptr::null_mut();
    let mut info = Info { file: null, base: null.cast(), name: null, address: null.cast() };
    // SAFETY: the structure is the C library's Dl_info; the call fills it or gives 0.
    let found = unsafe { dladdr(function, &mut info) };
    if found == 0 || info.file.is_null() {
        return None;
    }
    // SAFETY: the loader's string of a library that stays open.
    Some(unsafe { CStr::from_ptr(info.file) }.to_string_lossy().into_owned())
}
