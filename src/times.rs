//! Where an input's time goes: its stages, and the stopwatch that measures them.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use crate::clock::{Clock, Moment};

/// Time spent per stage on one input, in nanoseconds. Stages that happened more than once are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageTimes {
    /// Image features.
    pub features_ns: u64,
    /// Walking the program. A program that runs a network before it tests anything is not timed on the way there.
    pub decide_ns: u64,
    /// From frame to the networks' tensors.
    pub preprocess_ns: u64,
    /// The networks and their signals; copying an input that is a tensor already.
    pub compute_ns: u64,
    /// From submit to the outcome, the caller's own time between polls included.
    pub total_ns: u64,
    /// What the device's clock says, where the engine is on a device and was asked for it.
    pub device: DeviceTimes,
}

/// Times by the device's clock, in nanoseconds; all 0 where no device works or [`GpuConfig::timing`](crate::GpuConfig::timing) is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceTimes {
    /// Copy of the frame to the device (H2D).
    pub upload_ns: u64,
    /// Feature kernels.
    pub features_ns: u64,
    /// Host time to enqueue the candidates' work.
    pub enqueue_ns: u64,
    /// The candidates' work: preprocessing, network, signals. Results are written to host memory by the last kernel, so
    /// that there is no copy back (D2H) beside it.
    pub compute_ns: u64,
}

impl DeviceTimes {
    /// The device's own time: copy, features and compute.
    pub fn total_ns(&self) -> u64 {
        self.upload_ns + self.features_ns + self.compute_ns
    }
}

/// Measures the stages of one input after another. Each reading of the clock ends one stage and begins the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch {
    clock: Clock,
    started: Moment,
    /// When the stage under way began.
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

    /// An input begins.
    #[inline]
    pub(crate) fn start(&mut self) {
        self.started = self.clock.now();
        self.lap = self.started;
        self.times = StageTimes::default();
    }

    /// What happened since the last lap is no stage of the input.
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

    /// A device's work was enqueued, which is a part of the stage of computing.
    #[cfg(feature = "tensorrt")]
    pub(crate) fn enqueued(&mut self) {
        self.times.device.enqueue_ns += self.clock.ns_between(self.lap, self.clock.now());
    }

    /// The input is over: its last stage ended with the last lap.
    #[inline]
    pub(crate) fn stop(&mut self) {
        self.times.total_ns = self.clock.ns_between(self.started, self.lap);
    }
}
