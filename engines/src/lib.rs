//! Inference engines behind one trait. An engine takes tensors and gives tensors; it knows no frame.
//!
//! | engine | feature | needs at run time |
//! | --- | --- | --- |
//! | [`tract`](mod@tract) | `tract` | nothing: it is built in |
//! | [`ort`](mod@ort) | `ort` | `libonnxruntime.so`, opened with `dlopen` |
//! | [`null`] | always | nothing; its answers are whatever the caller set |

mod engine;
mod error;
#[cfg(any(feature = "ort", feature = "tract"))]
mod model;
pub mod null;
#[cfg(feature = "ort")]
pub mod ort;
pub mod registry;
#[cfg(feature = "tract")]
pub mod tract;

pub use engine::{
    Completion, DataType, Description, Engine, Memory, OpenOptions, Precision, Stream, TensorInfo, TensorMut, TensorRef,
};
pub use error::{Error, ErrorKind};
