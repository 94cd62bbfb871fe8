//! The candidates of a bundle, opened together with what they run on.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_engines::registry::{self, Choice, Kind};
use trt_select_engines::{Completion, Memory};
use trt_select_premodel::{Answer, Board, CandidateId, Summary};

use crate::backend::host::Host;
use crate::backend::{Backend, FeatureValues, SharedMemory, Wanted};
use crate::bundle::Bundle;
use crate::candidate::{Candidate, CandidateInfo};
use crate::config::OpenConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::features::FEATURE_COUNT;
use crate::input::Input;
use crate::times::{DeviceTimes, Stopwatch};

/// One run of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// What it said.
    pub summary: Summary,
    /// Time from the input to the network's tensor, in nanoseconds; 0 where the input is a tensor that the host copies.
    pub preprocess_ns: u64,
    /// Time of the network and of its signals, in nanoseconds.
    pub compute_ns: u64,
    /// What the device's clock says, where it was asked: see [`GpuConfig::timing`](crate::GpuConfig::timing).
    pub device: DeviceTimes,
}

/// All features of a frame, and how long they took.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TimedFeatures {
    /// In the order of [`FEATURES`](crate::features::FEATURES).
    pub values: [f32; FEATURE_COUNT],
    /// From the frame to the values, in nanoseconds; on a GPU with the frame's way there.
    pub cost_ns: u64,
}

/// Candidates of one task, in the order of their ids.
#[derive(Debug)]
pub struct CandidateSet {
    list: Vec<CandidateInfo>,
    pub(crate) backend: Box<dyn Backend>,
    /// What candidates say that run outside a program: see [`CandidateSet::run`].
    board: Board,
    watch: Stopwatch,
}

impl From<Vec<Candidate>> for CandidateSet {
    fn from(list: Vec<Candidate>) -> Self {
        CandidateSet::on_host(list, 1)
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
        let on_host = |kind| CandidateSet::open_on_host(bundle, config, kind);
        let (set, choice) =
            registry::choose(config.engine, has_plans(bundle), || CandidateSet::open_on_gpu(bundle, config), on_host)?;
        let first = &set.list[0];
        if let Some(other) = set.list.iter().find(|c| c.classes() != first.classes()) {
            return Err(Error::expected(
                ErrorKind::Bundle,
                format!("candidate {}", other.name()),
                format!("{} classes, as {} has", first.classes(), first.name()),
                other.classes(),
                "give candidates of one task",
            ));
        }
        bundle.check_labels(first.classes())?;
        Ok((set, choice))
    }

    #[cfg(feature = "tensorrt")]
    fn open_on_gpu(bundle: &Bundle, config: &OpenConfig) -> Result<(CandidateSet, String)> {
        let gpu = crate::backend::gpu::Gpu::open(bundle, config)?;
        let reason = gpu.about().to_owned();
        Ok((CandidateSet::new(gpu.infos(), Box::new(gpu)), reason))
    }

    #[cfg(not(feature = "tensorrt"))]
    fn open_on_gpu(_: &Bundle, _: &OpenConfig) -> Result<(CandidateSet, String)> {
        Err(registry::not_compiled(Kind::Tensorrt).into())
    }

    fn open_on_host(bundle: &Bundle, config: &OpenConfig, kind: Kind) -> Result<CandidateSet> {
        let open = |spec| Candidate::open(bundle, spec, kind, config);
        let list = bundle.candidates.iter().map(open).collect::<Result<Vec<_>>>()?;
        Ok(CandidateSet::on_host(list, config.threads))
    }

    fn on_host(list: Vec<Candidate>, threads: usize) -> CandidateSet {
        let infos = list.iter().map(Candidate::info).collect();
        CandidateSet::new(infos, Box::new(Host::new(list, threads)))
    }

    fn new(list: Vec<CandidateInfo>, backend: Box<dyn Backend>) -> CandidateSet {
        let mut board = Board::of_outputs(list.len(), 0);
        for (at, info) in (0_u8..).zip(&list) {
            board.resize(CandidateId(at), info.classes());
        }
        CandidateSet { list, backend, board, watch: Stopwatch::new() }
    }

    /// The candidates.
    pub fn as_slice(&self) -> &[CandidateInfo] {
        &self.list
    }

    /// The GPU that they run on, where they do.
    #[cfg(feature = "tensorrt")]
    pub fn gpu(&self) -> Option<&crate::backend::gpu::Gpu> {
        self.backend.as_gpu()
    }

    /// What the networks run on: the GPU's name, or the processor's with its number of threads.
    pub fn device(&self) -> String {
        self.backend.device()
    }

    /// Whether the networks run on a device with a memory and a clock of its own.
    pub fn is_on_device(&self) -> bool {
        self.backend.is_device()
    }

    /// Memory that a candidate holds; nothing where there is none of that number.
    pub fn memory(&self, candidate: CandidateId) -> Memory {
        self.backend.memory(candidate)
    }

    /// Memory that belongs to no candidate alone.
    pub fn shared_memory(&self) -> SharedMemory {
        self.backend.shared_memory()
    }

    /// Runs one candidate on an input and waits. On a GPU its times contain the input's way there.
    ///
    /// # Errors
    /// Where the input does not fit, or the network fails or answers with something that is no number.
    ///
    /// # Panics
    /// If there is no such candidate.
    pub fn run(&mut self, candidate: CandidateId, input: &Input<'_>) -> Result<Run> {
        self.watch.start();
        self.board.begin();
        self.backend.begin(input, Wanted::NONE, &mut [0.0; FEATURE_COUNT])?;
        let mut run = self.run_begun(candidate, input)?;
        let mut way = DeviceTimes::default();
        self.backend.begin_times(&mut way);
        run.device.upload_ns = way.upload_ns;
        Ok(run)
    }

    /// Runs every candidate on an input, as [`CandidateSet::run`] does, for a profile, and appends what they did to `runs`. Answers the
    /// features of a frame. On a GPU the frame is brought there once, as a selector does it: that time is the features', and
    /// the runs' own times are without it. A tensor has no features: `None`.
    ///
    /// # Errors
    /// As [`CandidateSet::run`].
    pub fn run_all(&mut self, input: &Input<'_>, runs: &mut Vec<Run>) -> Result<Option<TimedFeatures>> {
        let is_tensor = matches!(input, Input::Tensor(_));
        let wanted = if is_tensor { Wanted::NONE } else { Wanted::ALL };
        let mut values: FeatureValues = [0.0; FEATURE_COUNT];
        self.watch.start();
        self.board.begin();
        if !self.backend.begin(input, wanted, &mut values)? {
            while !self.backend.poll_features(&mut values)? {
                std::hint::spin_loop();
            }
        }
        self.watch.featured();
        let features = TimedFeatures { values, cost_ns: self.watch.times.features_ns };
        for candidate in 0..self.list.len() {
            self.watch.start();
            runs.push(self.run_begun(CandidateId(candidate as u8), input)?);
        }
        Ok((!is_tensor).then_some(features))
    }

    /// Class probabilities of a candidate's last [`CandidateSet::run`] or [`CandidateSet::run_all`]; empty before the first, and where
    /// another input was begun since.
    pub fn probabilities(&self, candidate: CandidateId) -> &[f32] {
        self.board.probabilities(Answer::Candidate(candidate))
    }

    /// Runs one candidate on the input that was begun.
    fn run_begun(&mut self, candidate: CandidateId, input: &Input<'_>) -> Result<Run> {
        let mut device = DeviceTimes::default();
        let completion = self.backend.start(candidate, input, &mut self.watch)?;
        while !self.backend.poll(candidate, &mut self.board, &mut device)? {
            debug_assert_eq!(completion, Completion::Pending);
            std::hint::spin_loop();
        }
        self.watch.computed();
        let times = &self.watch.times;
        device.enqueue_ns = times.device.enqueue_ns;
        Ok(Run {
            summary: self.board.summary(candidate).unwrap_or_default(),
            preprocess_ns: times.preprocess_ns,
            compute_ns: times.compute_ns,
            device,
        })
    }
}

/// Whether TensorRT is worth trying: the build has it, and every candidate has a plan's file.
fn has_plans(bundle: &Bundle) -> bool {
    cfg!(feature = "tensorrt") && bundle.candidates.iter().all(|c| c.plan_path(bundle).is_file())
}
