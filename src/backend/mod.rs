//! Where candidates run: the one thing that a selector asks of networks.
//!
//! ```text
//! begin(input) ─► poll_features ─► start(c) ─► poll(c, board) ─► … ─► settle
//! ```
//! `host` runs engines whose tensors lie in host memory; `gpu` runs TensorRT's networks in lanes of one CUDA stream. The state
//! machine above them is the same for both, and never asks which of them it has.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

#[cfg(feature = "tensorrt")]
pub mod gpu;
pub(crate) mod host;

use trt_select_engines::{Completion, Memory};
use trt_select_premodel::{Board, CandidateId};

use crate::error::{Error, ErrorKind, Result};
use crate::features::{FEATURE_COUNT, Groups, Needs};
use crate::input::Input;
use crate::times::{DeviceTimes, Stopwatch};

/// The values of all features, in the order of [`FEATURES`](crate::features::FEATURES).
pub(crate) type FeatureValues = [f32; FEATURE_COUNT];

/// The features that are wanted of an input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// What a device can switch off.
    pub(crate) groups: Groups,
    /// What the host can.
    pub(crate) needs: Needs,
}

impl Wanted {
    pub(crate) const NONE: Wanted = Wanted { groups: Groups::NONE, needs: Needs::NONE };
    pub(crate) const ALL: Wanted = Wanted { groups: Groups::ALL, needs: Needs::ALL };

    /// What features of these numbers need.
    pub(crate) fn of_features(features: impl Iterator<Item = usize> + Clone) -> Wanted {
        Wanted { groups: Groups::of_features(features.clone()), needs: Needs::of_features(features) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}

/// Memory that belongs to no candidate alone, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedMemory {
    /// Page-locked host memory: frames, the features' records.
    pub pinned_bytes: u64,
    /// Device memory: frames, the features' records.
    pub device_bytes: u64,
    /// Device memory that the engine's library holds beside what the candidates are known to hold.
    pub library_bytes: u64,
}

/// What runs the candidates of a set. One input is under way at a time.
pub(crate) trait Backend: std::fmt::Debug + Send {
    /// Settles the input before, takes an input, and starts on the features wanted of it. Answers whether they are there already; then
    /// they are written.
    fn begin(&mut self, input: &Input<'_>, wanted: Wanted, features: &mut FeatureValues) -> Result<bool>;

    /// Whether the features that [`Backend::begin`] was asked for have arrived; then they are written. Never blocks.
    fn poll_features(&mut self, features: &mut FeatureValues) -> Result<bool>;

    /// Fills a candidate's input and starts it. [`ErrorKind::Input`] where the input does not fit, which is not the candidate's
    /// failure. `watch` ends the stage of preprocessing.
    fn start(&mut self, candidate: CandidateId, input: &Input<'_>, watch: &mut Stopwatch) -> Result<Completion>;

    /// Whether a candidate that was started is done; then the board has taken its output. Never blocks.
    ///
    /// An error is the candidate's failure: of its run, or of an output that cannot be trusted.
    fn poll(&mut self, candidate: CandidateId, board: &mut Board, times: &mut DeviceTimes) -> Result<bool>;

    /// Waits for what is still under way. After it, the input's memory is not read any more.
    fn settle(&mut self) -> Result<()>;

    /// Writes the times of the input's way to the features, by the device's clock, where there is one.
    fn begin_times(&self, times: &mut DeviceTimes);

    /// The name of what the networks run on.
    fn device(&self) -> String;

    /// Whether that is a device with a memory and a clock of its own.
    fn is_device(&self) -> bool;

    /// Memory that a candidate holds.
    fn memory(&self, candidate: CandidateId) -> Memory;

    /// Memory that all candidates share.
    fn shared_memory(&self) -> SharedMemory;

    /// The GPU, where this is one.
    #[cfg(feature = "tensorrt")]
    fn as_gpu(&self) -> Option<&gpu::Gpu> {
        None
    }
}

pub(crate) const NOT_FINITE: Error = Error::from_static(
    ErrorKind::Engine,
    "network output: expected finite numbers, or probabilities where it gives such, got others; check the model and `scores`",
);
