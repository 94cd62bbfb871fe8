//! Named ranges for NVIDIA's profilers (NVTX), which Nsight Systems shows beside what the GPU does.
//!
//! A profiler names a library in `NVTX_INJECTION64_PATH`. It is opened at the first use and asked for its functions, as NVIDIA's header
//! `nvtx3` does; no library of CUDA's is needed for that. Without a profiler, `libnvToolsExt.so.1` of older toolkits is taken where it is,
//! and else a range does nothing.
//!
//! ```
//! use trt_select_cuda::nvtx;
//! {
//!     let _range = nvtx::push(c"preprocess");
//!     // What happens here belongs to the range, in this thread.
//! }
//! // This one may end in another thread, and need not end before ranges that began after it.
//! let id = nvtx::start(c"large");
//! nvtx::end(id);
//! ```
//!
//! # Threads
//! Everything may be called from any thread. [`Pushed`] stays in the thread that made it. After the first call nothing allocates or locks
//! here; what the profiler does is its own.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

use libloading::Library;

/// The variable in which a profiler names its library.
pub const INJECTION_VARIABLE: &str = "NVTX_INJECTION64_PATH";

/// The functions in use. Those that a profiler did not give are missing.
#[derive(Clone, Copy, Default)]
struct Functions {
    push: Option<unsafe extern "C" fn(*const c_char) -> c_int>,
    pop: Option<unsafe extern "C" fn() -> c_int>,
    start: Option<unsafe extern "C" fn(*const c_char) -> u64>,
    end: Option<unsafe extern "C" fn(u64)>,
}

/// A range of this thread, until it is dropped.
#[must_use = "the range ends when this is dropped"]
pub struct Pushed {
    of_this_thread: PhantomData<*const ()>,
}

/// Begins a range of this thread. Ranges of a thread nest.
#[inline]
pub fn push(name: &CStr) -> Pushed {
    if let Some(push) = functions().push {
        // SAFETY: the profiler's function reads a C string during the call.
        unsafe { push(name.as_ptr()) };
    }
    Pushed { of_this_thread: PhantomData }
}

impl Drop for Pushed {
    #[inline]
    fn drop(&mut self) {
        if let Some(pop) = functions().pop {
            // SAFETY: it takes nothing, and ends the range that `push` began in this thread.
            unsafe { pop() };
        }
    }
}

/// Begins a range that [`end`] ends, wherever and whenever. The number is for `end`; it is 0 where no profiler listens.
#[inline]
#[must_use]
pub fn start(name: &CStr) -> u64 {
    // SAFETY: as in `push`.
    functions().start.map_or(0, |start| unsafe { start(name.as_ptr()) })
}

/// Ends a range of [`start`].
#[inline]
pub fn end(id: u64) {
    if let Some(end) = functions().end {
        // SAFETY: it takes a number; one that it did not give is ignored.
        unsafe { end(id) };
    }
}

/// Whether somebody listens. The first call of this module looks for a profiler; making it at open keeps that from the hot path.
pub fn is_heard() -> bool {
    functions().start.is_some()
}

fn functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(|| injected().or_else(older).unwrap_or_default())
}

// The numbers are those of NVIDIA's header nvtxTypes.h.

/// Modules of functions, by number from 1, with how many numbers each has: core, CUDA, OpenCL, CUDA runtime, core 2, sync.
const MODULES: [usize; 6] = [16, 9, 15, 7, 16, 7];
const MOST: usize = 16;
/// Numbers in the module core.
const START: usize = 5;
const END: usize = 7;
const PUSH: usize = 9;
const POP: usize = 11;
/// Numbers of tables that a profiler may ask for.
const CALLBACKS: u32 = 1;
const VERSION_INFO: u32 = 3;
/// The version of NVTX.
const VERSION: u32 = 3;

/// Where the profiler writes its functions.
static SLOTS: [[AtomicPtr<c_void>; MOST]; MODULES.len()] =
    [const { [const { AtomicPtr::new(std::ptr::null_mut()) }; MOST] }; MODULES.len()];

/// Pointers to the slots of a module, ending with null; the first number of each module is not used.
#[repr(transparent)]
struct SlotTable([*const AtomicPtr<c_void>; MOST + 1]);

// SAFETY: the pointers are null or those of static atomics.
unsafe impl Sync for SlotTable {}

static TABLES: [SlotTable; MODULES.len()] = {
    let mut tables = [const { SlotTable([std::ptr::null(); MOST + 1]) }; MODULES.len()];
    let mut module = 0;
    while module < MODULES.len() {
        let mut number = 1;
        while number < MODULES[module] {
            tables[module].0[number] = &raw const SLOTS[module][number];
            number += 1;
        }
        module += 1;
    }
    tables
};

#[repr(C)]
struct Callbacks {
    bytes: usize,
    module_functions: extern "C" fn(c_int, *mut *const *const AtomicPtr<c_void>, *mut c_uint) -> c_int,
}

#[repr(C)]
struct VersionInfo {
    bytes: usize,
    version: u32,
    reserved: u32,
    set_injection_version: extern "C" fn(u32),
}

static CALLBACK_TABLE: Callbacks = Callbacks { bytes: size_of::<Callbacks>(), module_functions };
static VERSION_TABLE: VersionInfo =
    VersionInfo { bytes: size_of::<VersionInfo>(), version: VERSION, reserved: 0, set_injection_version };

/// Gives the table of a module and how many numbers it has.
extern "C" fn module_functions(
    module: c_int,
    table: *mut *const *const AtomicPtr<c_void>,
    count: *mut c_uint,
) -> c_int {
    let Some(at) = usize::try_from(module).ok().and_then(|m| m.checked_sub(1)).filter(|&at| at < MODULES.len()) else {
        return 0;
    };
    // SAFETY: the profiler gives two addresses to write to, either of which may be null.
    unsafe {
        if !table.is_null() {
            *table = TABLES[at].0.as_ptr();
        }
        if !count.is_null() {
            *count = MODULES[at] as c_uint;
        }
    }
    1
}

extern "C" fn set_injection_version(_: u32) {}

/// What a profiler asks for tables with.
extern "C" fn export_table(id: u32) -> *const c_void {
    match id {
        CALLBACKS => (&raw const CALLBACK_TABLE).cast(),
        VERSION_INFO => (&raw const VERSION_TABLE).cast(),
        _ => std::ptr::null(),
    }
}

/// The functions of the profiler that names itself in the environment.
fn injected() -> Option<Functions> {
    let path = std::env::var_os(INJECTION_VARIABLE).filter(|path| !path.is_empty())?;
    let refused = |why: String| {
        log::warn!("{INJECTION_VARIABLE}={}: no ranges are shown: {why}", path.to_string_lossy());
    };
    // SAFETY: opening a library runs its initialisers; this is the one that a profiler named for this purpose.
    let library = unsafe { Library::new(&path) }.map_err(|e| refused(e.to_string())).ok()?;
    type Initialize = unsafe extern "C" fn(extern "C" fn(u32) -> *const c_void) -> c_int;
    // SAFETY: this is the symbol's signature in nvtxTypes.h.
    let initialize = unsafe { library.get::<Initialize>(b"InitializeInjectionNvtx2\0") };
    let initialize = *initialize.map_err(|e| refused(e.to_string())).ok()?;
    // SAFETY: the library calls back during this call, for tables that live as long as the program.
    if unsafe { initialize(export_table) } == 0 {
        refused("its initialisation failed".to_owned());
        return None;
    }
    // The functions are used until the process ends.
    std::mem::forget(library);
    let slot = |number: usize| SLOTS[0][number].load(Ordering::Acquire);
    // SAFETY: the profiler wrote null, or its function of that number, whose signature is the header's.
    unsafe {
        Some(Functions {
            push: function(slot(PUSH)),
            pop: function(slot(POP)),
            start: function(slot(START)),
            end: function(slot(END)),
        })
    }
}

/// The library of toolkits up to 12, which asks for a profiler itself.
fn older() -> Option<Functions> {
    // SAFETY: opening a library runs its initialisers; the system's loader says that this is NVIDIA's.
    let library = unsafe { Library::new("libnvToolsExt.so.1") }.ok()?;
    let address = |name: &[u8]| {
        // SAFETY: only the address is taken.
        unsafe { library.get::<*mut c_void>(name) }.map_or(std::ptr::null_mut(), |symbol| *symbol)
    };
    // SAFETY: the signatures are those of nvToolsExt.h.
    let functions = unsafe {
        Functions {
            push: function(address(b"nvtxRangePushA\0")),
            pop: function(address(b"nvtxRangePop\0")),
            start: function(address(b"nvtxRangeStartA\0")),
            end: function(address(b"nvtxRangeEnd\0")),
        }
    };
    std::mem::forget(library);
    Some(functions)
}

/// An address as a function; `None` for null.
///
/// # Safety
/// `F` is the function's pointer type.
unsafe fn function<F: Copy>(address: *mut c_void) -> Option<F> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: a pointer to a function is as large as one to data here, and the type is the caller's word.
    (!address.is_null()).then(|| unsafe { std::mem::transmute_copy::<*mut c_void, F>(&address) })
}
