//! What the crates of trt-select share and that belongs to none of them.
//!
//! | module | holds |
//! | --- | --- |
//! | [`text`] | texts of several lines as one line, bytes as hexadecimal digits |
//! | [`cause`] | the error below an error |
//! | [`random`] | random numbers that are the same on every machine |
//! | `file` | files that are written whole or not at all (feature `file`) |
#![forbid(unsafe_code)]

pub mod cause;
#[cfg(feature = "file")]
pub mod file;
pub mod random;
pub mod text;
