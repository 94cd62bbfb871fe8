//! Compares the CUDA kernels, compiled for the host, with the CPU implementation: bit for bit, except where a library rounds floats
//! (signals), and there within a stated tolerance.
//!
//! `tests/doubles/build-host-kernels` builds the kernels; without a C++ compiler the tests are skipped. `TRT_SELECT_HOST_KERNELS` names a
//! library that has been built already (the sanitizers' test uses it), and `TRT_SELECT_KERNEL_CASES` gives the number of random cases
//! (default 1,000, and 10,000 frames for the features).

#[allow(dead_code, reason = "the features' tests use all of it")]
#[path = "features/patterns.rs"]
mod patterns;

#[path = "kernels/features.rs"]
mod features;
#[path = "kernels/frames.rs"]
mod frames;
#[path = "kernels/host.rs"]
mod host;
#[path = "kernels/layout.rs"]
mod layout;
#[path = "kernels/preprocess.rs"]
mod preprocess;
#[path = "kernels/sanitizers.rs"]
mod sanitizers;
#[path = "kernels/signals.rs"]
mod signals;
