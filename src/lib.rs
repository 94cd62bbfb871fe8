//! trt-select
pub mod features;
pub mod frame;
mod pixel;
pub mod preprocess;

pub use frame::{Frame, FrameError};
