//! trt-select

pub mod bundle;
pub mod error;

pub use error::{Error, ErrorKind, Result};
