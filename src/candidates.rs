//! The candidates of a bundle, together with the engines or the GPU that run them.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_engines::registry::{self, Choice, EngineKind};
use trt_select_engines::{Completion, Memory};
use trt_select_premodel::{Answer, Board, CandidateId, Mask, Summary};

use crate::backend::host::Host;
use crate::backend::{Backend, FeatureValues, SharedMemory, Wanted};
use crate::bundle::Bundle;
use crate::candidate::{Candidate, CandidateInfo};
use crate::config::OpenConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::features::FEATURE_COUNT;
use crate::input::Input;
use crate::times::{DeviceTimes, Stopwatch};

/// What one run of a candidate gave, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// The most probable class and how sure the candidate is.
    pub summary: Summary,
    /// Time to make the network's tensor from the input, in nanoseconds; 0 if the input is a tensor, which the host copies.
    pub preprocess_ns: u64,
    /// Time of the network and of computing its signals, in nanoseconds.
    pub compute_ns: u64,
    /// The times by the device's clock, if they were asked for: see [`GpuConfig::timing`](crate::GpuConfig::timing).
    pub device: DeviceTimes,
}

/// All features of a frame, and how long computing them took.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TimedFeatures {
    /// The features in the order of [`FEATURES`](crate::features::FEATURES).
    pub values: [f32; FEATURE_COUNT],
    /// Time from the frame to the values, in nanoseconds. On a GPU it contains the frame's way to the device.
    pub cost_ns: u64,
}

/// Candidates of one task, in the order of their ids.
#[derive(Debug)]
pub struct CandidateSet {
    list: Vec<CandidateInfo>,
    pub(crate) backend: Box<dyn Backend>,
    /// Holds the outputs of candidates that run outside a program: see [`CandidateSet::run`].
    board: Board,
    watch: Stopwatch,
}

impl From<Vec<Candidate>> for CandidateSet {
    fn from(list: Vec<Candidate>) -> Self {
        CandidateSet::on_host(list, 1)
    }
}

impl CandidateSet {
    /// Opens every candidate of a bundle, and returns them with the engine that was chosen and the reason for it. While it is opened, an
    /// engine runs each network once, so that whatever it does only at a first run has been done.
    ///
    /// [`registry::choose_and_open`] says in which order engines are tried.
    ///
    /// # Errors
    /// If an engine, a model or a plan cannot be opened, or the networks differ in their number of classes.
    pub fn open(bundle: &Bundle, config: &OpenConfig) -> Result<(CandidateSet, Choice)> {
        let on_host = |kind| CandidateSet::open_on_host(bundle, config, kind);
        let (set, choice) = registry::choose_and_open(
            config.engine,
            has_plans(bundle),
            || CandidateSet::open_on_gpu(bundle, config),
            on_host,
        )?;
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
        Err(registry::not_compiled(EngineKind::Tensorrt).into())
    }

    fn open_on_host(bundle: &Bundle, config: &OpenConfig, kind: EngineKind) -> Result<CandidateSet> {
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

    /// The candidates, in the order of their ids.
    pub fn as_slice(&self) -> &[CandidateInfo] {
        &self.list
    }

    /// The GPU that the networks run on, if they run on one.
    #[cfg(feature = "tensorrt")]
    pub fn gpu(&self) -> Option<&crate::backend::gpu::Gpu> {
        self.backend.as_gpu()
    }

    /// The name of what the networks run on: a GPU, or the processor with its number of threads.
    pub fn device(&self) -> String {
        self.backend.device()
    }

    /// Whether the networks run on a device with its own memory and its own clock.
    pub fn is_on_device(&self) -> bool {
        self.backend.is_device()
    }

    /// How much memory a candidate holds; none if there is no candidate with this id.
    pub fn memory(&self, candidate: CandidateId) -> Memory {
        self.backend.memory(candidate)
    }

    /// How much memory is held that belongs to no single candidate.
    pub fn shared_memory(&self) -> SharedMemory {
        self.backend.shared_memory()
    }

    /// Runs one candidate on an input and waits for it. On a GPU, the times contain the input's way to the device.
    ///
    /// # Errors
    /// If the input does not fit the network, the network fails, or its output is not made of finite numbers.
    ///
    /// # Panics
    /// If there is no candidate with this id.
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

    /// Runs every candidate on an input, as [`CandidateSet::run`] does, and appends what the runs gave to `runs`. This is for a profile.
    /// Returns the features of a frame, or `None` for a tensor, which has none. On a GPU the frame is brought to the device once, as a
    /// selector does it: this time is part of the features' time, and not of the runs' times.
    ///
    /// # Errors
    /// The errors of [`CandidateSet::run`].
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

    /// The class probabilities of a candidate's last [`CandidateSet::run`] or [`CandidateSet::run_all`]. Empty before its first run, and
    /// after another input has been begun.
    pub fn probabilities(&self, candidate: CandidateId) -> &[f32] {
        self.board.probabilities(Answer::Candidate(candidate))
    }

    /// Runs one candidate on the input that has been begun.
    fn run_begun(&mut self, candidate: CandidateId, input: &Input<'_>) -> Result<Run> {
        let mut device = DeviceTimes::default();
        let completion = self.backend.start(candidate, input, &mut self.watch)?;
        while !self.backend.poll(candidate, &mut self.board, &mut device)? {
            debug_assert_eq!(completion, Completion::Pending);
            std::hint::spin_loop();
        }
        self.watch.computed();
        // The next run of the candidate, for whichever board, would overwrite them.
        self.backend.bring_probabilities(Mask::of(candidate), &mut self.board);
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

/// Whether TensorRT is worth trying: this build supports it, and every candidate has the file of a plan.
fn has_plans(bundle: &Bundle) -> bool {
    cfg!(feature = "tensorrt") && bundle.candidates.iter().all(|c| c.plan_path(bundle).is_file())
}
