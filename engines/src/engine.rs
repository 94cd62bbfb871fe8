//! The trait that engines implement, and the types of its arguments and results.

use crate::Error;

/// Type of a tensor's elements.
///
/// ```
/// use trt_select_engines::DataType;
/// assert_eq!((DataType::F16.name(), DataType::F16.size_bytes()), ("f16", 2));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DataType {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
}

impl DataType {
    /// Bytes an element takes.
    pub const fn size_bytes(self) -> usize {
        match self {
            DataType::F32 => 4,
            DataType::F16 => 2,
        }
    }

    /// The name used in messages: `f32`, `f16`.
    pub const fn name(self) -> &'static str {
        match self {
            DataType::F32 => "f32",
            DataType::F16 => "f16",
        }
    }
}

/// Arithmetic that an engine was built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats throughout.
    #[default]
    Fp32,
    /// 16-bit floats where the builder chose so.
    Fp16,
    /// 8-bit integers where the builder chose so.
    Int8,
}

impl Precision {
    /// The name used in files: `fp32`, `fp16`, `int8`.
    pub const fn name(self) -> &'static str {
        match self {
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }
}

/// Name, type and shape of one input or output.
///
/// ```
/// use trt_select_engines::{DataType, TensorInfo};
/// let image = TensorInfo { name: "image".into(), data_type: DataType::F32, shape: vec![1, 3, 224, 224] };
/// assert_eq!(image.len(), 150_528);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its name in the network.
    pub name: String,
    /// Type of its elements.
    pub data_type: DataType,
    /// Its extents, outermost first, all fixed. The batch is part of it.
    pub shape: Vec<usize>,
}

impl TensorInfo {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether an extent is zero.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What an engine is, and which tensors its network has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The engine's kind: `tract`, `ort`, `null`.
    pub kind: &'static str,
    /// Kind and version of the library that runs it, e.g. `tract 0.23.9`.
    pub version: String,
    /// Where it runs, e.g. `cpu, 1 thread`.
    pub device: String,
    /// The arithmetic that it computes in.
    pub precision: Precision,
    /// Inputs, in the network's order.
    pub inputs: Vec<TensorInfo>,
    /// Outputs, in the network's order.
    pub outputs: Vec<TensorInfo>,
}

/// How to open a model.
///
/// ```
/// use trt_select_engines::{OpenOptions, Precision};
/// let options = OpenOptions::default().threads(2).precision(Precision::Fp16);
/// assert_eq!((options.threads, options.precision), (2, Precision::Fp16));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Threads that work on one inference, the caller's included; at least 1.
    pub threads: usize,
    /// The arithmetic that the model's file was made for. A CPU engine runs the file as it is and only reports this.
    pub precision: Precision,
}

impl Default for OpenOptions {
    fn default() -> Self {
        OpenOptions { threads: 1, precision: Precision::Fp32 }
    }
}

impl OpenOptions {
    /// Sets how many threads work on one inference, the caller's included.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        OpenOptions { threads, ..self }
    }

    /// Sets the arithmetic that the model's file was made for.
    #[must_use]
    pub fn precision(self, precision: Precision) -> Self {
        OpenOptions { precision, ..self }
    }
}

/// Memory that an engine holds, as far as its library tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Host bytes: weights and IO buffers, and plans that are kept in ordinary memory.
    pub host_bytes: u64,
    /// Page-locked host bytes: plans that are kept in page-locked memory.
    pub pinned_bytes: u64,
    /// Device bytes: weights and IO tensors.
    pub device_bytes: u64,
    /// Device bytes that are needed only while the network runs. All engines of one selector share one block for them.
    pub activation_bytes: u64,
}

/// Whether enqueued work is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The outputs hold the result.
    Done,
    /// The work goes on. The outputs must not be read before [`Engine::ready`] answers true.
    Pending,
}

/// One network, ready to run on the host. It owns its input and output buffers. Their addresses never change, since most libraries bind
/// them to the network once, when it is opened.
///
/// # Pending work
/// After an `enqueue` that answered [`Completion::Pending`] the tensors are in use: inputs must not be written and nothing more may be
/// enqueued until [`Engine::ready`] has answered true or an error.
///
/// # Threads
/// An engine may be moved to another thread between calls; `&mut self` keeps two threads from using it at once.
pub trait Engine: Send {
    /// What the engine is, and its tensors.
    fn description(&self) -> &Description;

    /// Memory that it holds.
    fn memory(&self) -> Memory;

    /// The buffer of input `index`, for the caller to fill: its elements in the network's order, without gaps.
    ///
    /// # Panics
    /// If there is no such input.
    fn input(&mut self, index: usize) -> &mut [f32];

    /// The buffer of output `index`. Its contents are unspecified from an `enqueue` that answered [`Completion::Pending`] until
    /// [`Engine::ready`] has answered true.
    ///
    /// # Panics
    /// If there is no such output.
    fn output(&self, index: usize) -> &[f32];

    /// Runs the network once on what the inputs hold.
    ///
    /// # Errors
    /// What the library reported. The outputs are then unspecified, and the engine may be used again.
    fn enqueue(&mut self) -> Result<Completion, Error>;

    /// Whether the last enqueued work is done. Never blocks.
    ///
    /// # Errors
    /// What the library reported of the work under way.
    fn ready(&mut self) -> Result<bool, Error> {
        Ok(true)
    }
}
