//! The candidates of a bundle on an NVIDIA GPU: TensorRT's networks, each with its preprocessing and signals, on one pipe.
//!
//! ```text
//! frame ─► upload ─► features ─► decide (host) ─► lane of the candidate: preprocess, network, signals ─► decide, answer
//! ```
//! What happens on the device is `trt_select_cuda::pipe`; this module brings it together with bundles and selectors.
#![forbid(unsafe_code)]

use trt_select_cuda::pipe::{
    AnyFrame, Axes, AxisTables, FeatureGroups, Grid, HostFrame, Lane, LaneInput, LaneSpec, Network, Pipe, PipeOptions,
    Preprocessing,
};
use trt_select_engines::registry::{Choice, Kind};
use trt_select_engines::tensorrt::{PlanSpec, Session, SessionOptions, TensorrtEngine};
use trt_select_engines::{Completion, Description, Memory};

use crate::bundle::{Bundle, CandidateSpec, Scores};
use crate::candidate::{
    Candidate, DeviceTimes, Input, OpenConfig, WANTS_FRAME, WANTS_TENSOR, copy_tensor, preprocess_for,
};
use crate::candidates::CandidateSet;
use crate::error::Result;
use crate::features::{self, FEATURE_COUNT, GridSize, Groups};
use crate::preprocess::{ChannelOrder, DeviceAxis, Layout, Preprocess, PreprocessConfig};
use crate::scores::Summary;

/// The GPU that the candidates of a set share.
#[derive(Debug)]
pub struct Gpu {
    pipe: Pipe,
    session: Session,
    max_resident_bytes: Option<u64>,
    /// Whether the last input came through the pipe: tensors do not, and have no times there.
    begun: bool,
    /// Counts enqueues, for finding the candidate that was not used for longest.
    clock: u64,
    reason: String,
}

impl Gpu {
    /// Opens the plans of a bundle.
    pub(crate) fn open(bundle: &Bundle, config: &OpenConfig) -> Result<(CandidateSet, Choice)> {
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
        let reason = format!("tensorrt: {}; {}", session.about(), pipe.frame_memory().reason);
        let mut gpu = Gpu { pipe, session, max_resident_bytes: gpu.max_resident_bytes, begun: false, clock: 0, reason };
        let mut list = Vec::with_capacity(engines.len());
        for (spec, engine) in bundle.candidates.iter().zip(engines) {
            let runner = GpuRunner::new(&gpu.pipe, spec, engine, config.gpu.graphs)?;
            list.push(Candidate::on_gpu(&spec.name, runner));
        }
        for at in 0..list.len() {
            gpu.make_room(&mut list, at)?;
            let name = list[at].name().to_owned();
            let Some(runner) = list[at].gpu_mut() else { continue };
            runner.prepare(&mut gpu).map_err(|e| e.within(format_args!("candidate {name}")))?;
            if let Some(why) = runner.graph_refused() {
                log::warn!("candidate {name}: no CUDA graph, its work is enqueued part by part: {why}");
            }
        }
        let choice = Choice::new(Kind::Tensorrt, gpu.reason.clone());
        Ok((CandidateSet::on_gpu(list, gpu), choice))
    }

    /// Whether it is worth trying: every candidate has a plan's file.
    pub(crate) fn may_open(bundle: &Bundle) -> bool {
        bundle.candidates.iter().all(|c| c.plan_path(bundle).is_file())
    }

    /// Brings an input to the device and starts on the features.
    pub(crate) fn begin(&mut self, input: &Input<'_>, groups: Groups) -> Result<()> {
        let frame = match input {
            Input::Tensor(_) => {
                self.begun = false;
                return self.settle();
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
            whole: groups.contains(Groups::WHOLE),
            grid: groups.contains(Groups::GRID).then_some(grid),
        };
        self.begun = true;
        Ok(self.pipe.begin(&frame, groups)?)
    }

    /// Whether the features have arrived; then they are written. Never blocks.
    pub(crate) fn poll_features(&mut self, features: &mut [f32; FEATURE_COUNT]) -> Result<bool> {
        let Some(sums) = self.pipe.poll_features()? else { return Ok(false) };
        features::derive(&sums, features);
        Ok(true)
    }

    /// Times of the way to the features, by the device's clock; waits for its events where they are measured.
    pub(crate) fn begin_times(&self) -> Result<DeviceTimes> {
        if !self.begun || !self.pipe.is_timing() {
            return Ok(DeviceTimes::default());
        }
        loop {
            if let Some(times) = self.pipe.times()? {
                let (upload_ns, features_ns) = (from_ms(times.upload_ms), from_ms(times.features_ms));
                return Ok(DeviceTimes { upload_ns, features_ns, ..DeviceTimes::default() });
            }
            std::hint::spin_loop();
        }
    }

    /// Waits for work under way.
    ///
    /// # Errors
    /// Where the wait fails: the device may still be at work in memory that the next input needs.
    pub(crate) fn settle(&mut self) -> Result<()> {
        Ok(self.pipe.settle()?)
    }

    /// Evicts the candidates that were not used for longest until this one has room.
    pub(crate) fn make_room(&mut self, list: &mut [Candidate], wanted: usize) -> Result<()> {
        self.clock += 1;
        let (clock, limit) = (self.clock, self.max_resident_bytes);
        let Some(runner) = list[wanted].gpu_mut() else { return Ok(()) };
        runner.last_used = clock;
        let (Some(limit), false) = (limit, runner.lane.is_resident()) else { return Ok(()) };
        let needed = runner.engine().weight_bytes();
        loop {
            let resident = || {
                list.iter().enumerate().filter_map(|(i, c)| Some((i, c.gpu()?))).filter(|(_, r)| r.lane.is_resident())
            };
            let held: u64 = resident().map(|(_, r)| r.engine().weight_bytes()).sum();
            if held + needed <= limit {
                return Ok(());
            }
            let Some((oldest, _)) = resident().min_by_key(|(_, r)| r.last_used) else { return Ok(()) };
            if let Some(runner) = list[oldest].gpu_mut() {
                runner.lane.evict()?;
            }
        }
    }

    /// The device's name.
    pub fn device_name(&self) -> &str {
        &self.pipe.context().device().name
    }

    /// Device bytes that TensorRT holds beside what the candidates are known to hold: what it took at their first run.
    pub fn other_bytes(&self, candidates: &[Candidate]) -> u64 {
        let resident = candidates.iter().filter_map(Candidate::gpu).filter(|g| g.is_resident());
        let known: u64 = resident.map(|g| g.engine().weight_bytes()).sum();
        self.session.allocated_bytes().saturating_sub(known)
    }

    /// Library, device and the memory that frames go to, in a line.
    pub fn about(&self) -> &str {
        &self.reason
    }

    /// Bytes that all candidates share, pinned and on the device: frame buffers and the features' records. The activation
    /// block is apart.
    pub fn shared_bytes(&self) -> (u64, u64) {
        let memory = self.pipe.memory();
        (memory.pinned_bytes, memory.device_bytes)
    }

    /// What the driver has handed out to this process through trt-select.
    pub fn session(&self) -> &Session {
        &self.session
    }
}

/// One candidate on the GPU.
#[derive(Debug)]
pub struct GpuRunner {
    lane: Lane<TensorrtEngine>,
    /// Its tables; it never sees a frame. `None` where the input is a tensor.
    preprocess: Option<Box<Preprocess>>,
    summary: Option<Summary>,
    last_used: u64,
}

impl GpuRunner {
    fn new(pipe: &Pipe, spec: &CandidateSpec, engine: TensorrtEngine, graph: bool) -> Result<GpuRunner> {
        let tensor = &engine.description().inputs[engine.selected().0];
        let preprocess = spec.image.clone().map(|config| preprocess_for(&spec.name, tensor, config)).transpose()?;
        let preprocess = preprocess.map(Box::new);
        let spec = LaneSpec {
            input: preprocess.as_deref().map_or(LaneInput::Tensor, |p| LaneInput::Frame(preprocessing(p))),
            logits: spec.scores == Scores::Logits,
            graph,
        };
        let lane = Lane::new(pipe, engine, &spec)?;
        Ok(GpuRunner { lane, preprocess, summary: None, last_used: 0 })
    }

    fn prepare(&mut self, gpu: &mut Gpu) -> Result<()> {
        Ok(self.lane.prepare(&mut gpu.pipe)?)
    }

    pub(crate) fn load(&mut self, input: &Input<'_>, gpu: &mut Gpu, name: &str) -> Result<()> {
        match (input, &mut self.preprocess) {
            (Input::Tensor(values), None) => copy_tensor(values, self.lane.tensor_mut()?, name),
            (Input::Tensor(_), Some(_)) => Err(WANTS_FRAME),
            (_, None) => Err(WANTS_TENSOR),
            (_, Some(preprocess)) => {
                let axes = if self.lane.wants_axes(&gpu.pipe) {
                    let desc = gpu.pipe.desc();
                    let tables = preprocess.device_tables(desc.width_px, desc.height_px);
                    Some(Axes { columns: axis(tables.columns), rows: axis(tables.rows) })
                } else {
                    None
                };
                Ok(self.lane.load_frame(&mut gpu.pipe, axes.as_ref())?)
            }
        }
    }

    pub(crate) fn enqueue(&mut self, gpu: &mut Gpu) -> Result<Completion> {
        self.summary = None;
        let back = !self.lane.is_resident();
        self.lane.launch(&mut gpu.pipe)?;
        if back && let Some(why) = self.lane.graph_refused() {
            log::warn!("{}: no CUDA graph after it came back: {why}", self.engine().description().kind);
        }
        Ok(Completion::Pending)
    }

    pub(crate) fn ready(&mut self, gpu: &mut Gpu, probabilities: &mut [f32]) -> Result<bool> {
        let Some(record) = self.lane.poll(&mut gpu.pipe, probabilities)? else { return Ok(false) };
        let (class, top1, margin, entropy) = (record.class, record.top1, record.margin, record.entropy);
        self.summary = (record.valid != 0).then_some(Summary { class, top1, margin, entropy });
        Ok(true)
    }

    pub(crate) fn summary(&self) -> Option<Summary> {
        self.summary
    }

    pub(crate) fn times(&self) -> DeviceTimes {
        // The last event follows the record that was seen: what the driver still does is over within microseconds.
        let times = || (0..1_000_000).find_map(|_| self.lane.times().transpose());
        match if self.lane.is_timing() { times() } else { None } {
            Some(Ok(times)) => DeviceTimes { compute_ns: from_ms(times.compute_ms), ..DeviceTimes::default() },
            _ => DeviceTimes::default(),
        }
    }

    pub(crate) fn description(&self) -> &Description {
        self.engine().description()
    }

    /// The plan that it runs.
    pub fn engine(&self) -> &TensorrtEngine {
        self.lane.network()
    }

    /// Number of classes.
    pub(crate) fn classes(&self) -> usize {
        self.lane.network().output().len
    }

    /// Memory of its engine and of its lane.
    pub fn memory(&self) -> Memory {
        let (lane, mut memory) = (self.lane.memory(), self.engine().memory());
        memory.device_bytes += lane.device_bytes;
        memory.pinned_bytes += lane.pinned_bytes;
        memory
    }

    /// Whether its work is replayed as a CUDA graph.
    pub fn has_graph(&self) -> bool {
        self.lane.has_graph()
    }

    /// Why it is not, where it should be.
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
