//! Inference engines behind one trait. An engine takes tensors and gives tensors; it knows no frame.
//!
//! | engine | module | feature | needs at run time |
//! | --- | --- | --- | --- |
//! | tract | `tract` | `tract` | nothing: it is built in |
//! | ONNX Runtime | `ort` | `ort` | its shared library, 1.17 or newer, opened with `dlopen` |
//! | none | [`null`] | always | nothing; its answers are whatever the caller set |
//! | TensorRT | `tensorrt` | `tensorrt` | its shared library and an NVIDIA driver, opened with `dlopen` |
//!
//! TensorRT's networks are no [`Engine`]: their tensors lie on the device, and the lanes of `trt_select_cuda::pipe` fill and
//! read them.
//!
//! [`registry`] chooses among them by name. Every engine that reads ONNX takes the same models, and refuses the others in
//! the same words: inputs and outputs of f32, extents fixed, but for a batch left open, which becomes 1.
//!
//! Opening a model reads, optimises and allocates, and runs it once. After that [`Engine::enqueue`] adds nothing to what
//! the library itself does: no allocation, no lock, no log line, no file.

mod engine;
mod error;
#[cfg(any(feature = "ort", feature = "tract"))]
mod model;
pub mod null;
#[cfg(feature = "ort")]
pub mod ort;
#[cfg(any(feature = "ort", feature = "tensorrt"))]
mod python;
pub mod realtime;
pub mod registry;
#[cfg(feature = "tensorrt")]
pub mod tensorrt;
#[cfg(feature = "tract")]
pub mod tract;

pub use engine::{Completion, DataType, Description, Engine, Memory, OpenOptions, Precision, TensorInfo};
pub use error::{Error, ErrorKind};
