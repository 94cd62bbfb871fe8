//! The driver's calls, one pointer each, found by name when the library is opened.
//!
//! cudarc's own table is not used: it panics where a symbol is missing and its result type is a Rust enum, for which a
//! result of a newer driver would be undefined behaviour. Here every call gives a plain integer, and only what a CUDA 10.2
//! driver has is required.
#![allow(non_snake_case, reason = "fields are named as the driver names its calls")]

use std::ffi::{c_char, c_int, c_uint, c_void};

use cudarc::driver::sys::{
    CUcontext, CUdevice, CUdeviceptr, CUevent, CUfunction, CUgraph, CUgraphExec, CUgraphNode, CUmodule, CUstream,
};
use libloading::Library;

use super::{Error, Result};

macro_rules! calls {
    (required { $($required:ident($($arg:ty),*);)* } optional { $($optional:ident($($optional_arg:ty),*);)* }) => {
        /// Pointers to the driver's calls. They stay valid because the library is never closed.
        pub(super) struct CallTable {
            $(pub(super) $required: unsafe extern "C" fn($($arg),*) -> c_int,)*
            $(pub(super) $optional: Option<unsafe extern "C" fn($($optional_arg),*) -> c_int>,)*
        }

        /// The calls without which the layer does not work. Every driver since CUDA 10.2 has them.
        pub const REQUIRED_CALLS: &[&str] = &[$(stringify!($required)),*];

        /// The calls that are used where the driver has them: capture and graphs.
        pub const OPTIONAL_CALLS: &[&str] = &[$(stringify!($optional)),*];

        impl CallTable {
            /// Looks all calls up; the error is the name of the first required one that is missing.
            ///
            /// # Safety
            /// The library is NVIDIA's driver (or a double with the same signatures) and is never closed.
            pub(super) unsafe fn load(library: &Library) -> Result<CallTable, &'static str> {
                Ok(CallTable {
                    $(
                        // SAFETY: the signature is that of the driver's header (the caller's promise).
                        $required: unsafe { find(library, concat!(stringify!($required), "\0")) }
                            .ok_or(stringify!($required))?,
                    )*
                    $(
                        // SAFETY: as above.
                        $optional: unsafe { find(library, concat!(stringify!($optional), "\0")) },
                    )*
                })
            }
        }
    };
}

calls! {
    required {
        cuInit(c_uint);
        cuDriverGetVersion(*mut c_int);
        cuDeviceGetCount(*mut c_int);
        cuDeviceGet(*mut CUdevice, c_int);
        cuDeviceGetName(*mut c_char, c_int, CUdevice);
        cuDeviceGetAttribute(*mut c_int, c_int, CUdevice);
        cuDeviceTotalMem_v2(*mut usize, CUdevice);
        cuDevicePrimaryCtxRetain(*mut CUcontext, CUdevice);
        cuCtxPushCurrent_v2(CUcontext);
        cuCtxPopCurrent_v2(*mut CUcontext);
        cuCtxSynchronize();
        cuMemGetInfo_v2(*mut usize, *mut usize);
        cuMemAlloc_v2(*mut CUdeviceptr, usize);
        cuMemFree_v2(CUdeviceptr);
        cuMemHostAlloc(*mut *mut c_void, usize, c_uint);
        cuMemFreeHost(*mut c_void);
        cuMemHostGetDevicePointer_v2(*mut CUdeviceptr, *mut c_void, c_uint);
        cuMemHostRegister_v2(*mut c_void, usize, c_uint);
        cuMemHostUnregister(*mut c_void);
        cuMemcpyHtoD_v2(CUdeviceptr, *const c_void, usize);
        cuMemcpyDtoH_v2(*mut c_void, CUdeviceptr, usize);
        cuMemsetD8_v2(CUdeviceptr, u8, usize);
        cuMemcpyHtoDAsync_v2(CUdeviceptr, *const c_void, usize, CUstream);
        cuMemcpyDtoHAsync_v2(*mut c_void, CUdeviceptr, usize, CUstream);
        cuMemcpyDtoDAsync_v2(CUdeviceptr, CUdeviceptr, usize, CUstream);
        cuMemsetD8Async(CUdeviceptr, u8, usize, CUstream);
        cuStreamCreate(*mut CUstream, c_uint);
        cuStreamDestroy_v2(CUstream);
        cuStreamSynchronize(CUstream);
        cuStreamQuery(CUstream);
        cuStreamWaitEvent(CUstream, CUevent, c_uint);
        cuEventCreate(*mut CUevent, c_uint);
        cuEventDestroy_v2(CUevent);
        cuEventRecord(CUevent, CUstream);
        cuEventQuery(CUevent);
        cuEventSynchronize(CUevent);
        cuEventElapsedTime(*mut f32, CUevent, CUevent);
        cuModuleLoadDataEx(*mut CUmodule, *const c_void, c_uint, *mut c_int, *mut *mut c_void);
        cuModuleGetFunction(*mut CUfunction, CUmodule, *const c_char);
        cuModuleUnload(CUmodule);
        cuLaunchKernel(
            CUfunction, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, CUstream, *mut *mut c_void, *mut *mut c_void
        );
    }
    optional {
        // Graphs: CUDA 10.1 for the capture with a mode, 10.0 for the rest.
        cuStreamBeginCapture_v2(CUstream, c_int);
        cuStreamEndCapture(CUstream, *mut CUgraph);
        // One of the three instantiates: 10.0, 11.0, 11.4. They give the same result; the newest is taken.
        cuGraphInstantiate(*mut CUgraphExec, CUgraph, *mut CUgraphNode, *mut c_char, usize);
        cuGraphInstantiate_v2(*mut CUgraphExec, CUgraph, *mut CUgraphNode, *mut c_char, usize);
        cuGraphInstantiateWithFlags(*mut CUgraphExec, CUgraph, u64);
        cuGraphLaunch(CUgraphExec, CUstream);
        cuGraphExecDestroy(CUgraphExec);
        cuGraphDestroy(CUgraph);
    }
}

/// One symbol as a function pointer.
///
/// # Safety
/// `F` is the pointer type of the function that the symbol names.
unsafe fn find<F: Copy>(library: &Library, name: &str) -> Option<F> {
    // SAFETY: the caller's promise.
    unsafe { library.get::<F>(name.as_bytes()) }.ok().map(|symbol| *symbol)
}

impl CallTable {
    /// Whether streams can be captured and graphs be made, launched and destroyed.
    pub(super) fn has_graphs(&self) -> bool {
        self.cuStreamBeginCapture_v2.is_some()
            && self.cuStreamEndCapture.is_some()
            && (self.cuGraphInstantiate.is_some()
                || self.cuGraphInstantiate_v2.is_some()
                || self.cuGraphInstantiateWithFlags.is_some())
            && self.cuGraphLaunch.is_some()
            && self.cuGraphExecDestroy.is_some()
            && self.cuGraphDestroy.is_some()
    }
}

/// A result of the driver as ours: 0 is success.
#[inline]
pub(super) fn check(call: &'static str, code: c_int) -> Result<()> {
    if code == 0 { Ok(()) } else { Err(Error::of_call(call, code)) }
}

/// Makes a required call and checks its result. It has to stand in an unsafe block, whose author keeps the driver's own rules.
macro_rules! call {
    ($table:expr, $name:ident($($arg:expr),* $(,)?)) => {
        $crate::driver::table::check(stringify!($name), ($table.$name)($($arg),*))
    };
}
pub(super) use call;
