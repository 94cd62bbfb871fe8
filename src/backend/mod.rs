//! Backends: what runs the candidates of a selector.
//!
//! ```text
//! begin(input) ─► poll_features ─► start(c) ─► poll(c, board) ─► … ─► settle
//! ```
//! The module `host` runs engines whose tensors lie in host memory. The module `gpu` runs TensorRT's networks, each in its own
//! lane of one CUDA stream. The selector's state machine uses both through the trait `Backend`, and never asks which of them it
//! has.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

#[cfg(feature = "tensorrt")]
pub mod gpu;
pub(crate) mod host;

use trt_select_engines::{Completion, Memory};
use trt_select_premodel::{Board, CandidateId, Mask};

use crate::error::{Error, ErrorKind, Result};
use crate::features::{FEATURE_COUNT, Groups, Needs};
use crate::input::Input;
use crate::times::{DeviceTimes, Stopwatch};

/// The values of all features, in the order of [`FEATURES`](crate::features::FEATURES).
pub(crate) type FeatureValues = [f32; FEATURE_COUNT];

/// What a backend has to compute so that the features that are wanted of an input can be derived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The groups of accumulators. A device computes whole groups only.
    pub(crate) groups: Groups,
    /// The accumulators one by one, which is how the host computes them.
    pub(crate) needs: Needs,
}

impl Wanted {
    pub(crate) const NONE: Wanted = Wanted { groups: Groups::NONE, needs: Needs::NONE };
    pub(crate) const ALL: Wanted = Wanted { groups: Groups::ALL, needs: Needs::ALL };

    /// What the features with these indices need.
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
    /// Page-locked host memory, for frames and for the results of the feature kernels.
    pub pinned_bytes: u64,
    /// Device memory, for frames and for the feature kernels.
    pub device_bytes: u64,
    /// Device memory that the engine's library holds in addition to what the candidates are known to hold.
    pub library_bytes: u64,
}

/// Runs the candidates of a set. It works on one input at a time.
pub(crate) trait Backend: std::fmt::Debug + Send {
    /// Waits for the work of the previous input, takes a new input, and starts computing the wanted features. Returns true if
    /// they are there already; they are then in `features`.
    fn begin(&mut self, input: &Input<'_>, wanted: Wanted, features: &mut FeatureValues) -> Result<bool>;

    /// Returns true if the features that [`Backend::begin`] was asked for are there; they are then in `features`. Never blocks.
    fn poll_features(&mut self, features: &mut FeatureValues) -> Result<bool>;

    /// Makes the candidate's input tensor from the input, and starts the candidate. Ends the stage of preprocessing on `watch`.
    ///
    /// An error of the kind [`ErrorKind::Input`] says that the input does not fit. Any other error is a failure of the candidate.
    fn start(&mut self, candidate: CandidateId, input: &Input<'_>, watch: &mut Stopwatch) -> Result<Completion>;

    /// Returns true if a candidate that was started is done; the board has then taken its output, and of a device the summary alone unless the
    /// board reads the probabilities for a signal. Never blocks.
    ///
    /// An error is a failure of the candidate: its run failed, or its output cannot be used.
    fn poll(&mut self, candidate: CandidateId, board: &mut Board, times: &mut DeviceTimes) -> Result<bool>;

    /// Brings the board the probabilities of those of the given candidates whose summary alone it has taken. They are the candidates' last
    /// runs: whoever starts a candidate for another board or input calls this first, if its probabilities are still of use.
    fn bring_probabilities(&self, _: Mask, _: &mut Board) {}

    /// The probabilities of a candidate's last run, where a board has taken the summary alone.
    fn probabilities(&self, _: CandidateId) -> &[f32] {
        &[]
    }

    /// Waits for all work that is under way. After this, nothing reads the input's memory any more.
    fn settle(&mut self) -> Result<()>;

    /// Writes how long the device worked on the upload and the features of the input. Without a device this writes nothing.
    fn begin_times(&self, times: &mut DeviceTimes);

    /// The name of what the networks run on.
    fn device(&self) -> String;

    /// Whether the networks run on a device with its own memory and its own clock.
    fn is_device(&self) -> bool;

    /// The memory that a candidate holds.
    fn memory(&self, candidate: CandidateId) -> Memory;

    /// The memory that belongs to no single candidate.
    fn shared_memory(&self) -> SharedMemory;

    /// This backend, if it is a GPU.
    #[cfg(feature = "tensorrt")]
    fn as_gpu(&self) -> Option<&gpu::Gpu> {
        None
    }
}

/// The failure of a candidate whose output cannot be used.
pub(crate) const NOT_FINITE: Error = Error::from_static(
    ErrorKind::Engine,
    "network output: expected finite logits, or probabilities if `scores` says so, got other numbers; check the model and `scores`",
);
