//! The CUDA room: what host code and kernels share.
//!
//! - Plain-data descriptors: how a frame lies in memory ([`FrameDesc`]), the integer accumulators that every implementation
//!   of the features fills ([`Accumulators`]), the kernels' arguments and results ([`FeaturesParams`] and the rest). They are
//!   `#[repr(C)]` without padding, so that a kernel, a C caller and the scalar reference read the same bytes.
//! - [`kernels`]: the kernels' PTX, names and launch geometry.
//! - Feature `driver`: module `driver`, the thin layer over the CUDA driver, and module `pipe`, a frame's way over the device.
//! - Feature `nvtx`: module `nvtx`, named ranges for NVIDIA's profilers.
//!
//! Nothing here links against CUDA; the driver is opened at run time.
#![cfg_attr(not(any(feature = "driver", feature = "nvtx")), forbid(unsafe_code))]

mod accumulators;
#[cfg(feature = "driver")]
pub mod driver;
mod frame;
pub mod kernels;
#[cfg(feature = "nvtx")]
pub mod nvtx;
mod params;
#[cfg(feature = "driver")]
pub mod pipe;

pub use accumulators::{ANGLE_BINS, Accumulators, CLIP_BRIGHT, CLIP_DARK, HUE_BINS, LENGTH_BINS};
pub use frame::{Format, FrameDesc, FrameMemory, Matrix, Range};
pub use params::{
    AxisParams, AxisWindow, FeaturesParams, FeaturesRecord, LaneParams, PreprocessParams, SignalsParams, SignalsRecord,
    TOP_K,
};
