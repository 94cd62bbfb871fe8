//! Options for opening a bundle's engines.
#![forbid(unsafe_code)]

use trt_select_cuda::FrameMemory;
use trt_select_engines::registry::EngineKind;

/// Options for opening a bundle's engines.
///
/// ```
/// use trt_select::OpenConfig;
/// use trt_select::engines::registry::EngineKind;
///
/// let config = OpenConfig::new(EngineKind::Tract).threads(2).strict(true);
/// assert_eq!((config.engine, config.threads, config.strict), (EngineKind::Tract, 2, true));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenConfig {
    /// Which engine runs the networks.
    pub engine: EngineKind,
    /// Number of threads for each inference, if the engine runs on the CPU.
    pub threads: usize,
    /// Whether a premodel that was trained for another engine, precision or device is refused. If not, a warning is logged.
    pub strict: bool,
    /// Options that only an engine on a GPU reads.
    pub gpu: GpuConfig,
}

impl OpenConfig {
    /// Options for this engine: one thread for each inference, and a warning for a premodel that was trained for something else.
    pub fn new(engine: EngineKind) -> OpenConfig {
        OpenConfig { engine, threads: 1, strict: false, gpu: GpuConfig::default() }
    }

    /// Sets the number of threads for each inference.
    #[must_use]
    pub fn threads(self, threads: usize) -> OpenConfig {
        OpenConfig { threads, ..self }
    }

    /// Sets whether a premodel that was trained for something else is refused.
    #[must_use]
    pub fn strict(self, strict: bool) -> OpenConfig {
        OpenConfig { strict, ..self }
    }

    /// Sets how a GPU is used.
    #[must_use]
    pub fn gpu(self, gpu: GpuConfig) -> OpenConfig {
        OpenConfig { gpu, ..self }
    }
}

impl Default for OpenConfig {
    fn default() -> Self {
        OpenConfig::new(EngineKind::Auto)
    }
}

/// Options for the use of a GPU.
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
    /// The device's number, as CUDA counts devices.
    pub ordinal: u32,
    /// In which memory frames from the host are put for the device.
    pub frame_memory: FrameMemory,
    /// How many bytes are reserved for a frame when the bundle is opened, where each row is rounded up to 64 bytes. A larger frame
    /// allocates more when it comes.
    pub frame_bytes: usize,
    /// Whether each candidate's work is captured as a CUDA graph, where that is possible.
    pub graphs: bool,
    /// Whether events measure the device's work; [`StageTimes`](crate::StageTimes) then has the device's times.
    pub timing: bool,
    /// Whether plans stay in memory, so that an evicted candidate can be loaded again without the disk. The memory is page-locked where the
    /// device can use it so; it is ordinary memory on a TX2 or a Nano.
    pub keep_plans: bool,
    /// The largest number of device bytes that the candidates' weights may take together. If there is no room, the candidate that was not
    /// used for longest is evicted. The poll that needs an evicted candidate loads it again: this poll blocks, allocates, and may log. It
    /// waits for the whole device, so no other part of the program may be capturing a CUDA graph meanwhile (docs/tensorrt.md).
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

/// Writes one method for each field, so that options that are added later break nobody's code.
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
    /// Sets the device's number, as CUDA counts devices.
    ordinal: u32,
    /// Sets in which memory frames from the host are put for the device.
    frame_memory: FrameMemory,
    /// Sets how many bytes are reserved for a frame when the bundle is opened.
    frame_bytes: usize,
    /// Sets whether each candidate's work is captured as a CUDA graph.
    graphs: bool,
    /// Sets whether events measure the device's work.
    timing: bool,
    /// Sets whether plans stay in memory.
    keep_plans: bool,
    /// Sets the largest number of device bytes that the candidates' weights may take together.
    max_resident_bytes: Option<u64>,
}
