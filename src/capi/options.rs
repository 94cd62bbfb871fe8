//! The options with which a bundle is opened.

use std::ffi::{CStr, c_char, c_void};
use std::path::PathBuf;
use std::time::Duration;

use trt_select_cuda::FrameMemory;
use trt_select_engines::registry::EngineKind;

use super::log::{Sink, TRTSEL_LOG_TRACE, TRTSEL_LOG_WARN, trtsel_log_callback};
use super::sized::Sized_;
use super::status::{Fail, TRTSEL_INVALID_ARGUMENT, TRTSEL_NULL_POINTER};
use crate::config::{GpuConfig, OpenConfig};

/// TensorRT if every candidate has a plan that opens; else ONNX Runtime if this build and this machine have it; else tract.
pub const TRTSEL_ENGINE_AUTO: u32 = 0;
/// TensorRT on an NVIDIA GPU.
pub const TRTSEL_ENGINE_TENSORRT: u32 = 1;
/// ONNX Runtime.
pub const TRTSEL_ENGINE_ORT: u32 = 2;
/// tract, on the CPU.
pub const TRTSEL_ENGINE_TRACT: u32 = 3;
/// The null engine, which runs no networks: every output is zeros. It serves to try and to measure everything but the networks.
pub const TRTSEL_ENGINE_NULL: u32 = 4;

/// Flag of the options: refuse a premodel that was trained for another engine, precision or device. Without this flag such a
/// premodel is used, and a warning is logged.
pub const TRTSEL_STRICT: u32 = 1;
/// Flag of the options: do not capture CUDA graphs.
pub const TRTSEL_NO_GRAPHS: u32 = 2;
/// Flag of the options: measure the device's work with CUDA events, so that results have device times.
pub const TRTSEL_DEVICE_TIMES: u32 = 4;
/// Flag of the options: keep plans in memory, so that an evicted candidate is loaded again without reading the disk.
pub const TRTSEL_KEEP_PLANS: u32 = 8;

/// Device memory; on an integrated GPU, device memory or mapped memory, whichever a measurement finds faster.
pub const TRTSEL_FRAME_MEMORY_AUTO: u32 = 0;
/// Frames from the host are copied to device memory.
pub const TRTSEL_FRAME_MEMORY_DEVICE: u32 = 1;
/// Frames from the host are copied to mapped host memory, which the device reads.
pub const TRTSEL_FRAME_MEMORY_MAPPED: u32 = 2;

/// The options with which a bundle is opened. A zero in any field but `struct_size` means the default, so
/// `trtsel_options o = {.struct_size = sizeof o};` sets all defaults.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct trtsel_options {
    /// `sizeof(trtsel_options)`.
    pub struct_size: u32,
    /// A `TRTSEL_ENGINE_` number.
    pub engine: u32,
    /// The number of the GPU to use, as CUDA counts them.
    pub device: u32,
    /// Threads that an engine on the CPU uses for one inference; 0 means 1.
    pub threads: u32,
    /// `TRTSEL_STRICT` and the other flags, added up.
    pub flags: u32,
    /// A `TRTSEL_FRAME_MEMORY_` number; only TensorRT uses it.
    pub frame_memory: u32,
    /// The size of the frame that memory is allocated for at open, in bytes, with each row rounded up to 64 bytes; 0 means
    /// 1920x1080 pixels of RGBA. Only TensorRT uses it.
    pub frame_bytes: u64,
    /// The limit, in bytes, of the device memory that the weights of all candidates may take together; 0 sets no limit. Beyond
    /// the limit the least recently used candidate is evicted, and the poll that needs it again loads it: that poll blocks,
    /// allocates and may log.
    pub max_resident_bytes: u64,
    /// How long an input may take from its submit on, in nanoseconds; 0 sets no limit. See `trtsel_selector_set_deadline`.
    pub deadline_ns: u64,
    /// The stream of device frames that name none of their own: a `CUstream` or `cudaStream_t` of the device's primary context,
    /// which lives as long as the selector. Such a frame is complete once the work that was enqueued there before its submit is
    /// done. NULL says that such frames are complete before their submit. (The legacy default stream is `CU_STREAM_LEGACY`, not
    /// NULL.)
    pub stream: *mut c_void,
    /// Receives the lines that calls on this selector log, on the thread of the call. With NULL nothing is logged.
    pub log: trtsel_log_callback,
    /// Passed to `log` as its `user`.
    pub log_user: *mut c_void,
    /// The most detailed level that is logged, a `TRTSEL_LOG_` number; 0 means `TRTSEL_LOG_WARN`.
    pub log_level: u32,
    /// Reserved; must be 0.
    pub reserved: u32,
}

// SAFETY: `repr(C)`, no padding; zeros and all other bytes are values (that `log`, where it is not NULL, is a function, the
// caller promises).
unsafe impl Sized_ for trtsel_options {
    const FIRST: usize = 8;
}

/// The caller's options, checked and converted to those of the Rust API.
pub(super) struct Options {
    pub(super) config: OpenConfig,
    pub(super) deadline: Option<Duration>,
    pub(super) stream: u64,
    pub(super) sink: Option<Sink>,
}

const fn invalid(line: &'static str) -> Fail {
    Fail::new(TRTSEL_INVALID_ARGUMENT, line)
}

impl trtsel_options {
    /// Checks and converts the options; fails with `TRTSEL_INVALID_ARGUMENT`.
    pub(super) fn understand(&self) -> Result<Options, Fail> {
        let engine = match self.engine {
            TRTSEL_ENGINE_AUTO => EngineKind::Auto,
            TRTSEL_ENGINE_TENSORRT => EngineKind::Tensorrt,
            TRTSEL_ENGINE_ORT => EngineKind::Ort,
            TRTSEL_ENGINE_TRACT => EngineKind::Tract,
            TRTSEL_ENGINE_NULL => EngineKind::Null,
            _ => return Err(invalid("options: expected an engine of TRTSEL_ENGINE_, got another number; choose one")),
        };
        let frame_memory = match self.frame_memory {
            TRTSEL_FRAME_MEMORY_AUTO => FrameMemory::Auto,
            TRTSEL_FRAME_MEMORY_DEVICE => FrameMemory::Device,
            TRTSEL_FRAME_MEMORY_MAPPED => FrameMemory::Mapped,
            _ => return Err(invalid("options: expected a TRTSEL_FRAME_MEMORY_, got another number; choose one")),
        };
        let known = TRTSEL_STRICT | TRTSEL_NO_GRAPHS | TRTSEL_DEVICE_TIMES | TRTSEL_KEEP_PLANS;
        if self.flags & !known != 0 || self.reserved != 0 {
            return Err(invalid("options: expected flags of this version, got others; clear them"));
        }
        if self.log_level > TRTSEL_LOG_TRACE {
            return Err(invalid("options: expected a TRTSEL_LOG_ level, got another number; choose one"));
        }
        if self.threads > 1024 {
            return Err(invalid("options: expected at most 1024 threads, got more; give the number per inference"));
        }
        let has = |flag: u32| self.flags & flag != 0;
        let defaults = GpuConfig::default();
        let frame_bytes = match self.frame_bytes {
            0 => defaults.frame_bytes,
            bytes => usize::try_from(bytes).map_err(|_| invalid("options: expected frame_bytes that fit, got more"))?,
        };
        let gpu = GpuConfig::default()
            .ordinal(self.device)
            .frame_memory(frame_memory)
            .frame_bytes(frame_bytes)
            .graphs(!has(TRTSEL_NO_GRAPHS))
            .timing(has(TRTSEL_DEVICE_TIMES))
            .keep_plans(has(TRTSEL_KEEP_PLANS))
            .max_resident_bytes((self.max_resident_bytes > 0).then_some(self.max_resident_bytes));
        let config = OpenConfig::new(engine).threads(self.threads.max(1) as usize).strict(has(TRTSEL_STRICT)).gpu(gpu);
        let level = if self.log_level == 0 { TRTSEL_LOG_WARN } else { self.log_level };
        Ok(Options {
            config,
            deadline: deadline(self.deadline_ns),
            stream: self.stream.addr() as u64,
            sink: self.log.map(|function| Sink { function, user: self.log_user, level }),
        })
    }
}

/// The deadline of the Rust API for one in nanoseconds, of which 0 means none.
pub(super) fn deadline(ns: u64) -> Option<Duration> {
    (ns > 0).then(|| Duration::from_nanos(ns))
}

/// The caller's path. On Unix it may be any bytes; it need not be UTF-8.
///
/// # Safety
/// `path` is NULL, or a text that ends with a NUL.
pub(super) unsafe fn path(path: *const c_char) -> Result<PathBuf, Fail> {
    if path.is_null() {
        return Err(Fail::new(TRTSEL_NULL_POINTER, "path: expected a text, got NULL; name a file or folder"));
    }
    // SAFETY: the caller's promise.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    #[cfg(unix)]
    return Ok(PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(bytes)));
    #[cfg(not(unix))]
    Ok(PathBuf::from(String::from_utf8_lossy(bytes).into_owned()))
}

/// The caller's name of a feature or signal, which must be UTF-8.
///
/// # Safety
/// `name` is NULL, or a text that ends with a NUL and stays unchanged during the call.
pub(super) unsafe fn name<'a>(name: *const c_char) -> Result<&'a str, Fail> {
    if name.is_null() {
        return Err(Fail::new(TRTSEL_NULL_POINTER, "name: expected a text, got NULL; give the name"));
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(name) }
        .to_str()
        .map_err(|_| Fail::new(TRTSEL_INVALID_ARGUMENT, "name: expected UTF-8, got other bytes; give it as UTF-8"))
}
