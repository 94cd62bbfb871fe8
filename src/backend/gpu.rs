//! Runs the candidates of a bundle on an NVIDIA GPU: TensorRT's networks, each with its preprocessing and its signals, on one
//! pipe.
//!
//! ```text
//! frame ─► upload ─► features ─► decide (host) ─► lane of the candidate: preprocess, network, signals ─► decide, answer
//! ```
//! `trt_select_cuda::pipe` does the work on the device. This module connects it with bundles and selectors.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::pipe::{
    AnyFrame, Axes, AxisTables, FeatureGroups, Grid, HostFrame, Lane, LaneInput, LaneSpec, Network, Pipe, PipeOptions,
    Preprocessing,
};
use trt_select_engines::tensorrt::{PlanSpec, Session, SessionOptions, TensorrtEngine};
use trt_select_engines::{Completion, Memory};
use trt_select_premodel::{Board, CandidateId, Mask, Scores, Summary};

use super::{Backend, FeatureValues, NOT_FINITE, SharedMemory, Wanted};
use crate::bundle::{Bundle, CandidateSpec};
use crate::candidate::{CandidateInfo, WANTS_FRAME, WANTS_TENSOR, copy_tensor, preprocess_for};
use crate::config::OpenConfig;
use crate::error::{Error, Result};
use crate::features::{self, GridSize, Groups};
use crate::input::Input;
use crate::preprocess::{ChannelOrder, DeviceAxis, Layout, Preprocess, PreprocessConfig};
use crate::times::{DeviceTimes, Stopwatch};

/// A GPU, with the candidates that share it.
#[derive(Debug)]
pub struct Gpu {
    // This is the first field, so that the candidates' lanes are dropped before the pipe that they run on.
    candidates: Vec<GpuCandidate>,
    pipe: Pipe,
    session: Session,
    max_resident_bytes: Option<u64>,
    /// Whether the last input was a frame. Tensors do not go through the pipe, so it has no times for them.
    begun: bool,
    /// Counts launches, so that the candidate that was not used for longest can be found.
    clock: u64,
    reason: String,
}

impl Gpu {
    /// Opens the plans of a bundle.
    pub(crate) fn open(bundle: &Bundle, config: &OpenConfig) -> Result<Gpu> {
        let gpu = &config.gpu;
        let options = SessionOptions::default()
            .ordinal(gpu.ordinal)
            .keep_plans(gpu.keep_plans)
            .max_resident_bytes(gpu.max_resident_bytes);
        let session = Session::open(&options)?;
        let engines =
            session.open_plans(&bundle.candidates.iter().map(|c| plan_spec(bundle, c)).collect::<Vec<_>>())?;
        let options =
            PipeOptions::default().frame_memory(gpu.frame_memory).frame_bytes(gpu.frame_bytes).timing(gpu.timing);
        let pipe = Pipe::new(session.context(), &options)?;
        let mut candidates = Vec::with_capacity(engines.len());
        for (spec, engine) in bundle.candidates.iter().zip(engines) {
            candidates.push(GpuCandidate::new(&pipe, spec, engine, config.gpu.graphs)?);
        }
        let max_resident_bytes = gpu.max_resident_bytes;
        let mut gpu =
            Gpu { candidates, pipe, session, max_resident_bytes, begun: false, clock: 0, reason: String::new() };
        for at in 0..gpu.candidates.len() {
            gpu.make_room(at)?;
            let candidate = &mut gpu.candidates[at];
            let name = &candidate.name;
            let prepared = candidate.lane.prepare(&mut gpu.pipe).map_err(Error::from);
            prepared.map_err(|e| e.within(format_args!("candidate {name}")))?;
            if let Some(why) = candidate.graph_refused() {
                log::warn!("candidate {name}: no CUDA graph, its work is enqueued part by part: {why}");
            }
        }
        gpu.place_frames()?;
        gpu.reason = format!("tensorrt: {}; {}", gpu.session.about(), gpu.pipe.frame_memory().reason);
        Ok(gpu)
    }

    /// Finds out where frames should go, if that is to be measured.
    fn place_frames(&mut self) -> Result<()> {
        let mut of_frames: Vec<&mut GpuCandidate> =
            self.candidates.iter_mut().filter(|c| c.preprocess.is_some()).collect();
        let names: Vec<String> = of_frames.iter().map(|c| c.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.pipe.place_frames(&names, |pipe, at| {
            let candidate = &mut of_frames[at];
            candidate.load_frame(pipe)?;
            Ok(candidate.lane.preprocess(pipe)?)
        })
    }

    /// The candidates' names and descriptions, in the order of their ids.
    pub(crate) fn infos(&self) -> Vec<CandidateInfo> {
        let info = |c: &GpuCandidate| CandidateInfo::new(&c.name, c.engine().description(), c.engine().output().len);
        self.candidates.iter().map(info).collect()
    }

    /// The candidates, in the order of their ids.
    pub fn candidates(&self) -> &[GpuCandidate] {
        &self.candidates
    }

    /// Notes that a candidate is used now. If its weights are not on the device, evicts those candidates that were not used for
    /// longest, until there is room for its weights.
    fn make_room(&mut self, wanted: usize) -> Result<()> {
        self.clock += 1;
        self.candidates[wanted].last_used = self.clock;
        let Some(limit) = self.max_resident_bytes else { return Ok(()) };
        if self.candidates[wanted].is_resident() {
            return Ok(());
        }
        let needed = self.candidates[wanted].engine().weight_bytes();
        loop {
            let resident = || self.candidates.iter().enumerate().filter(|(_, c)| c.is_resident());
            let held: u64 = resident().map(|(_, c)| c.engine().weight_bytes()).sum();
            if held + needed <= limit {
                return Ok(());
            }
            let Some((oldest, _)) = resident().min_by_key(|(_, c)| c.last_used) else { return Ok(()) };
            self.candidates[oldest].lane.evict()?;
        }
    }

    /// The device's name.
    pub fn device_name(&self) -> &str {
        &self.pipe.context().device().name
    }

    /// One line that names the library, the device, and the memory that frames go to.
    pub fn about(&self) -> &str {
        &self.reason
    }

    /// The TensorRT session that holds the candidates' plans.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

impl Backend for Gpu {
    fn begin(&mut self, input: &Input<'_>, wanted: Wanted, _: &mut FeatureValues) -> Result<bool> {
        self.settle()?;
        let frame = match input {
            Input::Tensor(_) => {
                self.begun = false;
                return Ok(true);
            }
            Input::Frame(frame) => {
                AnyFrame::Host(HostFrame { planes: [frame.pixels(), frame.chroma()], desc: frame.desc() })
            }
            Input::Device(frame) => AnyFrame::Device(*frame),
        };
        let (width, height) = frame.size_px();
        let size = GridSize::of(width, height);
        let grid = Grid { scale: size.scale, width: size.width, height: size.height };
        let groups = FeatureGroups {
            whole: wanted.groups.contains(Groups::WHOLE),
            grid: wanted.groups.contains(Groups::GRID).then_some(grid),
        };
        self.begun = true;
        self.pipe.begin(&frame, groups)?;
        Ok(wanted.is_empty())
    }

    fn poll_features(&mut self, features: &mut FeatureValues) -> Result<bool> {
        let Some(sums) = self.pipe.poll_features()? else { return Ok(false) };
        features::derive(&sums, features);
        Ok(true)
    }

    fn start(&mut self, candidate: CandidateId, input: &Input<'_>, watch: &mut Stopwatch) -> Result<Completion> {
        self.candidates[candidate.index()].load(input, &mut self.pipe)?;
        watch.preprocessed();
        let started = self.launch(candidate.index());
        watch.enqueued();
        started.map(|()| Completion::Pending)
    }

    fn poll(&mut self, candidate: CandidateId, board: &mut Board, times: &mut DeviceTimes) -> Result<bool> {
        let runner = &mut self.candidates[candidate.index()];
        let Some(record) = runner.lane.poll(&mut self.pipe)? else { return Ok(false) };
        times.compute_ns += runner.compute_ns();
        if record.valid == 0 {
            return Err(NOT_FINITE);
        }
        let (class, top1, margin, entropy) = (record.class, record.top1, record.margin, record.entropy);
        let summary = Summary { class, top1, margin, entropy };
        let read = board.reads_probabilities_with(candidate);
        if !read.has(candidate) {
            board.take_summary_alone(candidate, summary);
            return Ok(true);
        }
        self.bring_probabilities(read, board);
        let from = self.probabilities(candidate);
        board.probabilities_mut(candidate).iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        board.take_summary(candidate, summary);
        Ok(true)
    }

    fn bring_probabilities(&self, of: Mask, board: &mut Board) {
        for candidate in board.without_probabilities(of) {
            board.take_probabilities(candidate, self.probabilities(candidate));
        }
    }

    fn probabilities(&self, candidate: CandidateId) -> &[f32] {
        self.candidates.get(candidate.index()).map_or(&[], |c| c.lane.probabilities())
    }

    /// After an error the device may still be using memory that the next input needs.
    fn settle(&mut self) -> Result<()> {
        Ok(self.pipe.settle()?)
    }

    /// If times are measured, this waits for the device's events.
    fn begin_times(&self, device: &mut DeviceTimes) {
        if self.begun && self.pipe.is_timing() {
            // This call cannot return an error. If the device has failed, the next call that can return one reports it.
            while let Ok(times) = self.pipe.times() {
                if let Some(times) = times {
                    device.upload_ns = from_ms(times.upload_ms);
                    device.features_ns = from_ms(times.features_ms);
                    break;
                }
                std::hint::spin_loop();
            }
        }
    }

    fn device(&self) -> String {
        self.device_name().to_owned()
    }

    fn is_device(&self) -> bool {
        true
    }

    fn memory(&self, candidate: CandidateId) -> Memory {
        self.candidates.get(candidate.index()).map_or_else(Memory::default, GpuCandidate::memory)
    }

    /// The activation block is not counted here: see [`Memory::activation_bytes`].
    fn shared_memory(&self) -> SharedMemory {
        let memory = self.pipe.memory();
        let resident = self.candidates.iter().filter(|c| c.is_resident());
        let known: u64 = resident.map(|c| c.engine().weight_bytes()).sum();
        SharedMemory {
            pinned_bytes: memory.pinned_bytes,
            device_bytes: memory.device_bytes,
            library_bytes: self.session.allocated_bytes().saturating_sub(known),
        }
    }

    fn as_gpu(&self) -> Option<&Gpu> {
        Some(self)
    }
}

impl Gpu {
    fn launch(&mut self, at: usize) -> Result<()> {
        self.make_room(at)?;
        let candidate = &mut self.candidates[at];
        let was_evicted = !candidate.is_resident();
        candidate.lane.launch(&mut self.pipe)?;
        if was_evicted && let Some(why) = candidate.graph_refused() {
            let name = &candidate.name;
            log::warn!(
                "candidate {name}: no CUDA graph after it was loaded again, its work is enqueued part by part: {why}"
            );
        }
        Ok(())
    }
}

/// One candidate on the GPU: its engine in a lane of the pipe, and its preprocessing.
#[derive(Debug)]
pub struct GpuCandidate {
    name: String,
    lane: Lane<TensorrtEngine>,
    /// Computes the tables that the preprocess kernel reads, and never sees a frame. `None` if the input is a tensor.
    preprocess: Option<Box<Preprocess>>,
    last_used: u64,
}

impl GpuCandidate {
    fn new(pipe: &Pipe, spec: &CandidateSpec, engine: TensorrtEngine, graph: bool) -> Result<GpuCandidate> {
        let tensor = &engine.description().inputs[engine.selected().0];
        let preprocess = spec.image.clone().map(|config| preprocess_for(&spec.name, tensor, config)).transpose()?;
        let preprocess = preprocess.map(Box::new);
        let lane_spec = LaneSpec {
            input: preprocess.as_deref().map_or(LaneInput::Tensor, |p| LaneInput::Frame(preprocessing(p))),
            logits: spec.scores == Scores::Logits,
            graph,
        };
        let lane = Lane::new(pipe, engine, &lane_spec)?;
        Ok(GpuCandidate { name: spec.name.clone(), lane, preprocess, last_used: 0 })
    }

    fn load(&mut self, input: &Input<'_>, pipe: &mut Pipe) -> Result<()> {
        match (input, &mut self.preprocess) {
            (Input::Tensor(values), None) => copy_tensor(values, self.lane.tensor_mut()?, &self.name),
            (Input::Tensor(_), Some(_)) => Err(WANTS_FRAME),
            _ => self.load_frame(pipe),
        }
    }

    /// Makes the pipe's frame the next input.
    fn load_frame(&mut self, pipe: &mut Pipe) -> Result<()> {
        let Some(preprocess) = &mut self.preprocess else { return Err(WANTS_TENSOR) };
        let axes = if self.lane.wants_axes(pipe) {
            let desc = pipe.desc();
            let tables = preprocess.device_tables(desc.width_px, desc.height_px);
            Some(Axes { columns: axis(tables.columns), rows: axis(tables.rows) })
        } else {
            None
        };
        Ok(self.lane.load_frame(pipe, axes.as_ref())?)
    }

    /// The time of the last run by the device's clock; 0 if it is not measured.
    fn compute_ns(&self) -> u64 {
        if !self.lane.is_timing() {
            return 0;
        }
        // The host has seen the run's record, and the event that ends the run comes within microseconds after it. The number of
        // tries is bounded, so that this ends even if the event never comes.
        for _ in 0..1_000_000 {
            match self.lane.times() {
                Ok(Some(times)) => return from_ms(times.compute_ms),
                Ok(None) => {}
                Err(_) => return 0,
            }
        }
        0
    }

    /// The engine that runs the candidate's plan.
    pub fn engine(&self) -> &TensorrtEngine {
        self.lane.network()
    }

    /// The memory that its engine and its lane hold together.
    pub fn memory(&self) -> Memory {
        let lane = self.lane.memory();
        let mut memory = self.engine().memory();
        memory.device_bytes += lane.device_bytes;
        memory.pinned_bytes += lane.pinned_bytes;
        memory
    }

    /// Whether its work is replayed as a CUDA graph.
    pub fn has_graph(&self) -> bool {
        self.lane.has_graph()
    }

    /// Why its work is not replayed as a CUDA graph although that was wanted; `None` otherwise.
    pub fn graph_refused(&self) -> Option<&str> {
        self.lane.graph_refused()
    }

    /// Whether its weights are on the device.
    pub fn is_resident(&self) -> bool {
        self.lane.is_resident()
    }
}

fn plan_spec(bundle: &Bundle, spec: &CandidateSpec) -> PlanSpec {
    PlanSpec {
        name: spec.name.clone(),
        plan: spec.plan_path(bundle),
        onnx: spec.onnx.clone(),
        precision: spec.precision,
        input: spec.input.clone(),
        output: spec.output.clone(),
    }
}

fn preprocessing(preprocess: &Preprocess) -> Preprocessing<'_> {
    let config: &PreprocessConfig = preprocess.config();
    Preprocessing {
        width_px: config.width,
        height_px: config.height,
        bgr: config.channels == 3 && config.order == ChannelOrder::Bgr,
        interleaved: config.layout == Layout::Nhwc,
        tables: preprocess.tables(),
    }
}

fn axis(axis: DeviceAxis<'_>) -> AxisTables<'_> {
    AxisTables { is_copy: axis.is_copy, offset: axis.offset, windows: axis.windows, weights: axis.weights }
}

fn from_ms(ms: f32) -> u64 {
    (f64::from(ms.max(0.0)) * 1e6).round() as u64
}
