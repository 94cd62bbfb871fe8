//! How a bundle's engines are opened.
#![forbid(unsafe_code)]

use trt_select_cuda::FrameMemory;
use trt_select_engines::registry::Kind;

/// How to open a bundle's engines.
///
/// ```
/// use trt_select::OpenConfig;
/// use trt_select::engines::registry::Kind;
///
/// let config = OpenConfig::new(Kind::Tract).threads(2).strict(true);
/// assert_eq!((config.engine, config.threads, config.strict), (Kind::Tract, 2, true));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenConfig {
    /// Which engine.
    pub engine: Kind,
    /// Threads per inference, where the engine runs on the CPU.
    pub threads: usize,
    /// Refuse a premodel that was trained for another engine, precision or device, where otherwise a warning is logged.
    pub strict: bool,
    /// What only an engine on a GPU reads.
    pub gpu: GpuConfig,
}

impl OpenConfig {
    /// One thread per inference; a premodel that was trained for something else is warned of.
    pub fn new(engine: Kind) -> OpenConfig {
        OpenConfig { engine, threads: 1, strict: false, gpu: GpuConfig::default() }
    }

    /// With so many threads per inference.
    #[must_use]
    pub fn threads(self, threads: usize) -> OpenConfig {
        OpenConfig { threads, ..self }
    }

    /// Whether a premodel that was trained for something else is refused.
    #[must_use]
    pub fn strict(self, strict: bool) -> OpenConfig {
        OpenConfig { strict, ..self }
    }

    /// How a GPU is used.
    #[must_use]
    pub fn gpu(self, gpu: GpuConfig) -> OpenConfig {
        OpenConfig { gpu, ..self }
    }
}

impl Default for OpenConfig {
    fn default() -> Self {
        OpenConfig::new(Kind::Auto)
    }
}

/// How to use a GPU.
///
/// ```
/// use trt_select::GpuConfig;
/// let mut gpu = GpuConfig::default();
/// gpu.max_resident_bytes = Some(512 << 20);
/// assert!(gpu.graphs && gpu.ordinal == 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GpuConfig {
    /// Which device, as CUDA counts them.
    pub ordinal: u32,
    /// Where frames from the host go.
    pub frame_memory: FrameMemory,
    /// Room for a frame that is taken at open, in bytes, its rows rounded up to 64; a larger frame takes more when it comes.
    pub frame_bytes: usize,
    /// Capture each candidate's work as a CUDA graph, where that works.
    pub graphs: bool,
    /// Measure by events what the device does: [`StageTimes`](crate::StageTimes) then has its times.
    pub timing: bool,
    /// Keep plans in page-locked memory, so that an evicted candidate comes back without touching the disk.
    pub keep_plans: bool,
    /// Most device bytes that the candidates' weights may take together; the least recently used candidate goes first. The
    /// poll that asks for one that was evicted loads it: it blocks, allocates, and may log.
    pub max_resident_bytes: Option<u64>,
}

impl Default for GpuConfig {
    fn default() -> Self {
        GpuConfig {
            ordinal: 0,
            frame_memory: FrameMemory::Auto,
            frame_bytes: 1920 * 1080 * 4,
            graphs: true,
            timing: false,
            keep_plans: false,
            max_resident_bytes: None,
        }
    }
}

/// One method a field, so that options that come later break nobody.
macro_rules! with {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        impl GpuConfig {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $field(self, $field: $type) -> GpuConfig {
                    GpuConfig { $field, ..self }
                }
            )*
        }
    };
}

with! {
    /// Sets which device, as CUDA counts them.
    ordinal: u32,
    /// Sets where frames from the host go.
    frame_memory: FrameMemory,
    /// Sets the room for a frame that is taken at open, in bytes.
    frame_bytes: usize,
    /// Sets whether work is captured as CUDA graphs.
    graphs: bool,
    /// Sets whether the device's times are measured.
    timing: bool,
    /// Sets whether plans are kept in page-locked memory.
    keep_plans: bool,
    /// Sets how many device bytes weights may take together.
    max_resident_bytes: Option<u64>,
}
