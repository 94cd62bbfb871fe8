//! Shim, runtime, engine and context against doubles of TensorRT's library, one for each version that this build has a line for. The driver
//! is a stand-in of a few lines: device memory is host memory.
#![cfg(feature = "tensorrt")]

mod double;
mod life;
#[path = "../../../tests/doubles/toy_plan.rs"]
mod toy_plan;
#[path = "../../../tests/doubles/versions.rs"]
mod versions;
