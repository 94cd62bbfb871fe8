//! Runs engines whose tensors lie in host memory: tract, ONNX Runtime, the null engine, and engines that users write.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_engines::{Completion, Memory};
use trt_select_premodel::{Board, CandidateId};

use super::{Backend, FeatureValues, NOT_FINITE, SharedMemory, Wanted};
use crate::candidate::Candidate;
use crate::device;
use crate::error::Result;
use crate::features::{self, Features, Workspace};
use crate::input::Input;
use crate::times::{DeviceTimes, Stopwatch};

/// Candidates on the host, in the order of their ids.
#[derive(Debug)]
pub(crate) struct Host {
    candidates: Vec<Candidate>,
    threads: usize,
    workspace: Workspace,
    /// The candidate whose engine works asynchronously; `None` once the engine was found to be done.
    under_way: Option<CandidateId>,
}

impl Host {
    pub(crate) fn new(candidates: Vec<Candidate>, threads: usize) -> Host {
        Host { candidates, threads, workspace: Workspace::new(), under_way: None }
    }

    /// Whether a candidate's engine is done. After an error it is done too: its run has failed.
    #[inline]
    fn is_over(&mut self, candidate: CandidateId) -> Result<bool> {
        let is_ready = self.candidates[candidate.index()].is_ready();
        if !matches!(is_ready, Ok(false)) {
            self.under_way = None;
        }
        Ok(is_ready?)
    }
}

impl Backend for Host {
    fn begin(&mut self, input: &Input<'_>, wanted: Wanted, features: &mut FeatureValues) -> Result<bool> {
        if self.under_way.is_some() {
            self.settle()?;
        }
        if let (Input::Frame(frame), false) = (input, wanted.is_empty()) {
            let sums = Features::compute(frame, wanted.needs, &mut self.workspace);
            features::derive(&sums, features);
        }
        Ok(true)
    }

    fn poll_features(&mut self, _: &mut FeatureValues) -> Result<bool> {
        Ok(true)
    }

    fn start(&mut self, candidate: CandidateId, input: &Input<'_>, watch: &mut Stopwatch) -> Result<Completion> {
        let runner = &mut self.candidates[candidate.index()];
        runner.load(input)?;
        // A tensor is only copied. This counts as part of the compute stage, which saves a reading of the clock.
        if matches!(input, Input::Frame(_)) {
            watch.preprocessed();
        }
        let completion = runner.enqueue()?;
        self.under_way = (completion == Completion::Pending).then_some(candidate);
        Ok(completion)
    }

    fn poll(&mut self, candidate: CandidateId, board: &mut Board, _: &mut DeviceTimes) -> Result<bool> {
        if self.under_way.is_some() && !self.is_over(candidate)? {
            return Ok(false);
        }
        let (kind, scores) = self.candidates[candidate.index()].output();
        board.take_scores(candidate, kind, scores).map(|_| true).ok_or(NOT_FINITE)
    }

    fn settle(&mut self) -> Result<()> {
        if let Some(candidate) = self.under_way {
            // The result is not needed any more, so an error is ignored.
            while matches!(self.is_over(candidate), Ok(false)) {
                std::hint::spin_loop();
            }
        }
        Ok(())
    }

    fn begin_times(&self, _: &mut DeviceTimes) {}

    fn device(&self) -> String {
        device::cpu(self.threads)
    }

    fn is_device(&self) -> bool {
        false
    }

    fn memory(&self, candidate: CandidateId) -> Memory {
        self.candidates.get(candidate.index()).map_or_else(Memory::default, Candidate::memory)
    }

    fn shared_memory(&self) -> SharedMemory {
        SharedMemory::default()
    }
}
