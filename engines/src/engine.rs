//! The trait, and the words it speaks in.

use crate::Error;

/// Type of a tensor's elements.
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

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The engine's kind: `tract`, `ort`, `null`.
    pub kind: &'static str,
    /// Kind and version of the library that runs it, e.g. `tract 0.23.9`.
    pub version: String,
    /// Where it runs, e.g. `cpu, 1 thread`.
    pub device: String,
    /// Its arithmetic.
    pub precision: Precision,
    /// Inputs, in the network's order.
    pub inputs: Vec<TensorInfo>,
    /// Outputs, in the network's order.
    pub outputs: Vec<TensorInfo>,
}

/// How to open a model.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// Memory that an engine holds, as far as it can tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Host bytes: weights and IO buffers.
    pub host_bytes: u64,
    /// Page-locked host bytes: plans that are kept.
    pub pinned_bytes: u64,
    /// Device bytes: weights and IO tensors.
    pub device_bytes: u64,
    /// Device bytes needed only while it runs, which engines of one selector share.
    pub activation_bytes: u64,
}

/// What became of enqueued work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The outputs hold the result.
    Done,
    /// The outputs are not to be read before [`Engine::ready`] says so.
    Pending,
}

/// One network, ready to run on the host. It owns its input and output buffers, whose addresses never change: they are
/// bound once, at open.
///
/// # Pending work
/// After an `enqueue` that answered [`Completion::Pending`], inputs must not be written and nothing more may be enqueued
/// until [`Engine::ready`] has said true or failed: the tensors are in use.
///
/// # Threads
/// An engine may be moved to another thread between calls; `&mut self` keeps two threads from using it at once.
pub trait Engine: Send {
    /// What it is, and its tensors.
    fn description(&self) -> &Description;

    /// Memory that it holds.
    fn memory(&self) -> Memory;

    /// The buffer of input `index`: elements in the network's order, without gaps.
    ///
    /// # Panics
    /// If there is no such input.
    fn input(&mut self, index: usize) -> &mut [f32];

    /// The buffer of output `index`. Between an `enqueue` that answered [`Completion::Pending`] and the [`Engine::ready`]
    /// that says true, its contents are unspecified.
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
