//! Engines whose tensors lie in host memory: tract, ONNX Runtime, the null engine, a user's own.
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
    /// The candidate whose engine works on its own, until it was seen to be done.
    under_way: Option<CandidateId>,
}

impl Host {
    pub(crate) fn new(candidates: Vec<Candidate>, threads: usize) -> Host {
        Host { candidates, threads, workspace: Workspace::new(), under_way: None }
    }

    /// Whether an engine that works on its own has come to an end, be it a good one.
    #[inline]
    fn is_over(&mut self, candidate: CandidateId) -> Result<bool> {
        match self.candidates[candidate.index()].is_ready() {
            Ok(false) => Ok(false),
            Ok(true) => {
                self.under_way = None;
                Ok(true)
            }
            Err(error) => {
                self.under_way = None;
                Err(error.into())
            }
        }
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
        // A tensor is copied, which is no stage worth a reading of the clock.
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
            // What became of it concerns nobody any more.
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
