//! The CUDA room: what host code and kernels share.
//!
//! Today it holds the plain-data descriptors: how a frame lies in memory ([`FrameDesc`]) and the integer
//! accumulators that every implementation of the features fills ([`Accumulators`]). They are `#[repr(C)]` without
//! padding, so that a kernel, a C caller and the scalar reference read the same bytes.
//!
//! With the feature `driver` there is also the thin layer over the CUDA driver (module `driver`): context, stream,
//! event, graph, device, pinned and mapped memory, kernels. Nothing here links against CUDA; the driver is opened at run time.
#![cfg_attr(not(feature = "driver"), forbid(unsafe_code))]

mod accumulators;
#[cfg(feature = "driver")]
pub mod driver;
mod frame;
pub mod kernels;
mod params;

pub use accumulators::{ANGLE_BINS, Accumulators, CLIP_BRIGHT, CLIP_DARK, HUE_BINS, LENGTH_BINS};
pub use frame::{Format, FrameDesc, Matrix, Range};
pub use params::{
    AxisParams, AxisWindow, FeaturesParams, FeaturesRecord, LaneParams, PreprocessParams, SignalsParams, SignalsRecord,
    TOP_K,
};
