//! Inference engines behind one trait. An engine takes tensors and gives tensors; it knows no frame.
//!
//! | engine | module | feature | needs at run time |
//! | --- | --- | --- | --- |
//! | tract | `tract` | `tract` | nothing: it is built in |
//! | ONNX Runtime | `ort` | `ort` | its shared library, 1.17 or newer, opened with `dlopen` |
//! | none | [`null`] | always | nothing: it runs no network and answers what the caller has set |
//! | TensorRT | `tensorrt` | `tensorrt` | its shared library and an NVIDIA driver, opened with `dlopen` |
//!
//! TensorRT's networks do not implement [`Engine`]: their tensors lie on the device, where the lanes of `trt_select_cuda::pipe` fill and
//! read them.
//!
//! [`registry`] chooses among them by name. Every engine that reads ONNX takes the same models: inputs and outputs of f32 and of fixed
//! extents, except that the batch may be left open, which then becomes 1. All of them refuse other models with the same words.
//!
//! Opening a model reads and optimises it, allocates its memory and runs it once. After that [`Engine::enqueue`] does nothing beside the
//! library's own work: it makes no allocation of its own, takes no lock, logs nothing and opens no file.

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
