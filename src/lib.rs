//! trt-select

pub mod bundle;
pub mod error;
#[cfg(feature = "cli")]
pub mod samples;

pub use error::{Error, ErrorKind, Result};
