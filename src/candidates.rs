//! The candidates of a bundle, opened together: they share the GPU's pipe where they run on one.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use std::time::Instant;

use trt_select_engines::Completion;
use trt_select_engines::registry::{self, Choice, Kind};
use trt_select_premodel::CandidateId;

use crate::bundle::Bundle;
use crate::candidate::{Candidate, DeviceTimes, Input, OpenConfig, Run, nanoseconds};
use crate::device;
use crate::error::{Error, ErrorKind, Result};
use crate::features::{FEATURE_COUNT, Groups};
use crate::gpu::Gpu;
use crate::scores::Summary;

/// Candidates of one task, in the order of their ids.
#[derive(Debug)]
pub struct CandidateSet {
    // The candidates' lanes are dropped before the pipe that they run on.
    pub(crate) list: Vec<Candidate>,
    pub(crate) gpu: Option<Gpu>,
    threads: usize,
}

impl From<Vec<Candidate>> for CandidateSet {
    fn from(list: Vec<Candidate>) -> Self {
        CandidateSet { list, gpu: None, threads: 1 }
    }
}

impl CandidateSet {
    /// Opens every candidate of a bundle. (The engines run each network once when they open it, so that what they do lazily is
    /// done.) Answers which engine was chosen, and why.
    ///
    /// [`registry::choose`] says in which order engines are tried.
    ///
    /// # Errors
    /// Where an engine, a model or a plan cannot be opened, or models differ in their number of classes.
    pub fn open(bundle: &Bundle, config: &OpenConfig) -> Result<(CandidateSet, Choice)> {
        let on_gpu = || Gpu::open(bundle, config).map(|(set, choice)| (set, choice.reason));
        let on_host = |kind| CandidateSet::on_host(bundle, config, kind);
        let (set, choice) = registry::choose(config.engine, Gpu::may_open(bundle), on_gpu, on_host)?;
        let classes = set.list.iter().map(Candidate::classes).collect::<Vec<_>>();
        if let Some(at) = classes.iter().position(|&c| c != classes[0]) {
            return Err(Error::expected(
                ErrorKind::Bundle,
                format!("candidate {}", set.list[at].name()),
                format!("{} classes, as {} has", classes[0], set.list[0].name()),
                classes[at],
                "give candidates of one task",
            ));
        }
        bundle.check_labels(classes[0])?;
        Ok((set, choice))
    }

    fn on_host(bundle: &Bundle, config: &OpenConfig, kind: Kind) -> Result<CandidateSet> {
        let open = |spec| Candidate::open(bundle, spec, kind, config);
        let list = bundle.candidates.iter().map(open).collect::<Result<Vec<_>>>()?;
        Ok(CandidateSet { list, gpu: None, threads: config.threads })
    }

    /// Candidates on the GPU that they share.
    #[cfg(feature = "tensorrt")]
    pub(crate) fn on_gpu(list: Vec<Candidate>, gpu: Gpu) -> CandidateSet {
        CandidateSet { list, gpu: Some(gpu), threads: 1 }
    }

    /// The candidates.
    pub fn as_slice(&self) -> &[Candidate] {
        &self.list
    }

    /// The GPU that they run on, where they do.
    pub fn gpu(&self) -> Option<&Gpu> {
        self.gpu.as_ref()
    }

    /// What the networks run on: the GPU's name, or the processor's with its number of threads.
    pub fn device(&self) -> String {
        match &self.gpu {
            Some(gpu) => gpu.device_name().to_owned(),
            None => device::cpu(self.threads),
        }
    }

    /// Runs one candidate on an input and waits. On a GPU its times contain the input's way there.
    ///
    /// # Errors
    /// Where the input does not fit, or the network fails or answers with something that is no number.
    ///
    /// # Panics
    /// If there is no such candidate.
    pub fn run(&mut self, candidate: CandidateId, input: &Input<'_>) -> Result<Run> {
        let start = Instant::now();
        self.begin(input, Groups::NONE)?;
        let mut run = self.run_begun(candidate, input, start)?;
        if let Some(gpu) = &self.gpu {
            run.device.upload_ns = gpu.begin_times()?.upload_ns;
        }
        Ok(run)
    }

    /// Runs every candidate on an input, as [`CandidateSet::run`] does, for a profile. On a GPU the input is brought there
    /// once, as a selector does it: that, with all features, is the time answered; the runs' own times are without it. On
    /// the host there is no such time: `None`.
    ///
    /// # Errors
    /// As [`CandidateSet::run`].
    pub fn run_all(&mut self, input: &Input<'_>, runs: &mut Vec<Run>) -> Result<Option<u64>> {
        let start = Instant::now();
        let is_tensor = matches!(input, Input::Tensor(_));
        self.begin(input, if is_tensor { Groups::NONE } else { Groups::ALL })?;
        let mut on_gpu = None;
        if let (Some(gpu), false) = (&mut self.gpu, is_tensor) {
            let mut features = [0.0; FEATURE_COUNT];
            while !gpu.poll_features(&mut features)? {
                std::hint::spin_loop();
            }
            on_gpu = Some(nanoseconds(start.elapsed()));
        }
        for candidate in 0..self.list.len() {
            runs.push(self.run_begun(CandidateId(candidate as u8), input, Instant::now())?);
        }
        Ok(on_gpu)
    }

    /// Runs one candidate on the input that was begun.
    fn run_begun(&mut self, candidate: CandidateId, input: &Input<'_>, start: Instant) -> Result<Run> {
        self.load(candidate, input)?;
        let loaded = Instant::now();
        let completion = self.enqueue(candidate)?;
        let enqueue_ns = nanoseconds(loaded.elapsed());
        if completion == Completion::Pending {
            while !self.ready(candidate)? {
                std::hint::spin_loop();
            }
        }
        let summary = self.finish(candidate)?;
        let compute_ns = nanoseconds(loaded.elapsed());
        let mut device = self.device_times(candidate);
        if self.gpu.is_some() {
            device.enqueue_ns = enqueue_ns;
        }
        Ok(Run { summary, preprocess_ns: nanoseconds(loaded - start), compute_ns, device })
    }

    /// Brings an input to where the candidates run, and starts on the features. Nothing is done on the host.
    pub(crate) fn begin(&mut self, input: &Input<'_>, groups: Groups) -> Result<()> {
        self.gpu.as_mut().map_or(Ok(()), |gpu| gpu.begin(input, groups))
    }

    pub(crate) fn load(&mut self, candidate: CandidateId, input: &Input<'_>) -> Result<()> {
        self.list[candidate.index()].load(input, self.gpu.as_mut())
    }

    pub(crate) fn enqueue(&mut self, candidate: CandidateId) -> Result<Completion> {
        if let Some(gpu) = &mut self.gpu {
            gpu.make_room(&mut self.list, candidate.index())?;
        }
        self.list[candidate.index()].enqueue(self.gpu.as_mut())
    }

    pub(crate) fn ready(&mut self, candidate: CandidateId) -> Result<bool> {
        self.list[candidate.index()].ready(self.gpu.as_mut())
    }

    pub(crate) fn finish(&mut self, candidate: CandidateId) -> Result<Summary> {
        self.list[candidate.index()].finish()
    }

    pub(crate) fn device_times(&self, candidate: CandidateId) -> DeviceTimes {
        self.list[candidate.index()].device_times()
    }
}
