//! The stages of an input with their times, and the stopwatch that measures them.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use crate::clock::{Clock, Moment};

/// Time spent in each stage of one input, in nanoseconds. If a stage happened more than once, its times are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageTimes {
    /// Computing the image features.
    pub features_ns: u64,
    /// Walking the program. If a program runs a network before it makes any test, the walk to that first run is not measured.
    pub decide_ns: u64,
    /// Making the networks' tensors from the frame.
    pub preprocess_ns: u64,
    /// Running the networks and computing their signals; also copying an input that is a tensor already.
    pub compute_ns: u64,
    /// From submit to the outcome. The time that the caller spends between polls is part of it.
    pub total_ns: u64,
    /// The times by the device's clock, if the networks run on a device and this was asked for.
    pub device: DeviceTimes,
}

/// Times by the device's clock, in nanoseconds. All are 0 where there is no device or [`GpuConfig::timing`](crate::GpuConfig::timing) is
/// off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceTimes {
    /// Copying the frame to the device (H2D).
    pub upload_ns: u64,
    /// Running the feature kernels.
    pub features_ns: u64,
    /// Time that the host took to enqueue the candidates' work.
    pub enqueue_ns: u64,
    /// The candidates' work: preprocessing, network and signals. The last kernel writes the results into host memory, so there is no copy
    /// back (D2H).
    pub compute_ns: u64,
}

impl DeviceTimes {
    /// The device's own time: the copy, the features and the candidates' work.
    pub fn total_ns(&self) -> u64 {
        self.upload_ns + self.features_ns + self.compute_ns
    }
}

/// Measures the stages of one input after another. Each reading of the clock ends one stage and begins the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    clock: Clock,
    started: Moment,
    /// When the present stage began.
    lap: Moment,
    pub(crate) times: StageTimes,
}

impl Stopwatch {
    pub(crate) fn new() -> Stopwatch {
        let clock = Clock::chosen();
        let now = clock.now();
        Stopwatch { clock, started: now, lap: now, times: StageTimes::default() }
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Begins an input.
    #[inline]
    pub(crate) fn start(&mut self) {
        self.started = self.clock.now();
        self.lap = self.started;
        self.times = StageTimes::default();
    }

    /// Begins a stage now. The time since the last reading belongs to no stage of the input.
    #[inline]
    pub(crate) fn skip(&mut self) {
        self.lap = self.clock.now();
    }

    #[inline]
    fn lap(&mut self) -> u64 {
        let now = self.clock.now();
        let time = self.clock.ns_between(self.lap, now);
        self.lap = now;
        time
    }

    #[inline]
    pub(crate) fn featured(&mut self) {
        self.times.features_ns = self.lap();
    }

    #[inline]
    pub(crate) fn decided(&mut self) {
        self.times.decide_ns += self.lap();
    }

    #[inline]
    pub(crate) fn preprocessed(&mut self) {
        self.times.preprocess_ns += self.lap();
    }

    #[inline]
    pub(crate) fn computed(&mut self) {
        self.times.compute_ns += self.lap();
    }

    /// Adds the time since the last reading as that of enqueuing a device's work, which is part of the compute stage.
    #[cfg(feature = "tensorrt")]
    pub(crate) fn enqueued(&mut self) {
        self.times.device.enqueue_ns += self.clock.ns_between(self.lap, self.clock.now());
    }

    /// Ends the input. Its last stage ended with the last reading of the clock.
    #[inline]
    pub(crate) fn stop(&mut self) {
        self.times.total_ns = self.clock.ns_between(self.started, self.lap);
    }
}
