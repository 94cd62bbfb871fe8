//! Inference engines behind one trait. An engine takes tensors and gives tensors; it knows no frame.
//!
//! | engine | feature | needs at run time |
//! | --- | --- | --- |
//! | [`tract`](mod@tract) | `tract` | nothing: it is built in |
//! | [`ort`](mod@ort) | `ort` | `libonnxruntime.so`, opened with `dlopen` |
//! | [`null`] | always | nothing; its answers are whatever the caller set |

mod engine;
mod error;
pub mod null;
#[cfg(feature = "ort")]
pub mod ort;
#[cfg(feature = "tract")]
pub mod tract;

pub use engine::{
    Completion, DataType, Description, Engine, Memory, Precision, Stream, TensorInfo, TensorMut, TensorRef,
};
pub use error::{Error, ErrorKind};
