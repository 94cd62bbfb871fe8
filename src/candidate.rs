//! A candidate: one network with its engine, its preprocessing and the meaning of its output.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::FrameMemory;
use trt_select_engines::registry::{self, Kind};
use trt_select_engines::{Completion, DataType, Description, Engine, OpenOptions, TensorInfo};
use trt_select_premodel::temper;

use crate::Frame;
use crate::bundle::{Bundle, CandidateSpec, InputKind, Scores};
use crate::error::{Error, ErrorKind, Result};
use crate::gpu::{Gpu, GpuRunner};
use crate::preprocess::{Preprocess, PreprocessConfig};
use crate::scores::{Summary, summarise};

/// What an input is: a frame that each candidate preprocesses for itself, or a tensor that all take as it is.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Input<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// A tensor's elements, in the network's order.
    Tensor(&'a [f32]),
    /// A frame that is on the device already; for engines on a GPU.
    #[cfg(feature = "tensorrt")]
    Device(trt_select_cuda::pipe::DeviceFrame),
}

impl<'a> From<Frame<'a>> for Input<'a> {
    fn from(frame: Frame<'a>) -> Self {
        Input::Frame(frame)
    }
}

/// How to open a bundle's engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenConfig {
    /// Which engine.
    pub engine: Kind,
    /// Threads per inference, where the engine runs on the CPU.
    pub threads: usize,
    /// Refuse a premodel that was trained for another engine, precision or device, where otherwise a warning is logged.
    pub strict: bool,
    /// What only an engine on a GPU reads.
    pub gpu: GpuConfig,
}

impl Default for OpenConfig {
    fn default() -> Self {
        OpenConfig { engine: Kind::Auto, threads: 1, strict: false, gpu: GpuConfig::default() }
    }
}

/// How to use a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GpuConfig {
    /// Which device, as CUDA counts them.
    pub ordinal: u32,
    /// Where frames from the host go.
    pub frame_memory: FrameMemory,
    /// Room for a frame that is taken at open, in bytes, its rows rounded up to 64; a larger frame takes more when it comes.
    pub frame_bytes: usize,
    /// Capture each candidate's work as a CUDA graph, where that works.
    pub graphs: bool,
    /// Measure by events what the device does: [`StageTimes`](crate::StageTimes) then has its times.
    pub timing: bool,
    /// Keep plans in page-locked memory, so that an evicted candidate comes back without touching the disk.
    pub keep_plans: bool,
    /// Most device bytes that the candidates' weights may take together; the least recently used candidate goes first. The
    /// poll that asks for one that was evicted loads it: it blocks, allocates, and may log.
    pub max_resident_bytes: Option<u64>,
}

impl Default for GpuConfig {
    fn default() -> Self {
        GpuConfig {
            ordinal: 0,
            frame_memory: FrameMemory::Auto,
            frame_bytes: 1920 * 1080 * 4,
            graphs: true,
            timing: false,
            keep_plans: false,
            max_resident_bytes: None,
        }
    }
}

#[cfg(feature = "tensorrt")]
impl From<trt_select_cuda::pipe::DeviceFrame> for Input<'_> {
    fn from(frame: trt_select_cuda::pipe::DeviceFrame) -> Self {
        Input::Device(frame)
    }
}

/// One run of a candidate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Run {
    /// What it said.
    pub summary: Summary,
    /// Time from the input to the network's tensor, in nanoseconds.
    pub preprocess_ns: u64,
    /// Time of the network and of its signals, in nanoseconds.
    pub compute_ns: u64,
    /// What the device's clock says, where it was asked: see [`GpuConfig::timing`].
    pub device: DeviceTimes,
}

/// Times by the device's clock, in nanoseconds; all 0 where no device works or [`GpuConfig::timing`] is off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// One selectable network, ready to run.
pub struct Candidate {
    name: String,
    runner: Runner,
    probabilities: Vec<f32>,
    summary: Summary,
    calibration: Calibration,
}

/// Probabilities at another temperature than 1, made when they are first asked for after a run.
#[derive(Default)]
struct Calibration {
    /// `None`: they are the probabilities themselves.
    temperature: Option<f32>,
    probabilities: Vec<f32>,
    /// Whether they are those of the last run.
    is_made: bool,
}

/// What runs it.
#[allow(clippy::large_enum_variant, reason = "there are few, and they stay where they are")]
enum Runner {
    /// An engine whose tensors the host fills and reads.
    Host(HostRunner),
    /// A network on the GPU with all that is before and after it.
    Gpu(Box<GpuRunner>),
}

struct HostRunner {
    engine: Box<dyn Engine>,
    preprocess: Option<Preprocess>,
    input: usize,
    output: usize,
    scores: Scores,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidate")
            .field("name", &self.name)
            .field("engine", self.description())
            .finish_non_exhaustive()
    }
}

impl Candidate {
    /// A candidate of its parts. `preprocess` is what makes a frame into its input; without it, it takes tensors.
    /// `input` and `output` name its tensors; `None` takes the only one.
    ///
    /// # Errors
    /// Where a tensor is not there, or does not have the size that the preprocessing gives.
    pub fn new(
        name: &str,
        engine: Box<dyn Engine>,
        preprocess: Option<PreprocessConfig>,
        scores: Scores,
        input: Option<&str>,
        output: Option<&str>,
    ) -> Result<Candidate> {
        let description = engine.description();
        let find = |role: &str, tensors: &[TensorInfo], wanted: Option<&str>| -> Result<usize> {
            let names: Vec<&str> = tensors.iter().map(|t| t.name.as_str()).collect();
            let found = match wanted {
                Some(wanted) => names.iter().position(|n| *n == wanted),
                None if names.len() == 1 => Some(0),
                None => None,
            };
            found.ok_or_else(|| {
                let expected = wanted.map_or_else(|| format!("one {role}"), |w| format!("an {role} named '{w}'"));
                let remedy = format!("name one of them as `{role}` in bundle.toml");
                Error::expected(ErrorKind::Bundle, format!("candidate {name}"), expected, format!("{names:?}"), remedy)
            })
        };
        let (at, out) = (find("input", &description.inputs, input)?, find("output", &description.outputs, output)?);
        if description.inputs.len() != 1 {
            return Err(Error::expected(
                ErrorKind::Bundle,
                format!("candidate {name}"),
                "a network of one input",
                description.inputs.len(),
                "export the network with its other inputs fixed",
            ));
        }
        let tensor = &description.inputs[at];
        let preprocess = preprocess.map(|config| preprocess_for(name, tensor, config)).transpose()?;
        let classes = description.outputs[out].len();
        let name = name.to_owned();
        let (probabilities, summary) = (vec![0.0; classes], Summary::default());
        let runner = Runner::Host(HostRunner { engine, preprocess, input: at, output: out, scores });
        Ok(Candidate { name, runner, probabilities, summary, calibration: Calibration::default() })
    }

    /// A candidate on the GPU.
    #[cfg_attr(not(feature = "tensorrt"), expect(dead_code, reason = "a build without a GPU makes none"))]
    pub(crate) fn on_gpu(name: &str, runner: GpuRunner) -> Candidate {
        let probabilities = vec![0.0; runner.classes()];
        Candidate {
            name: name.to_owned(),
            runner: Runner::Gpu(Box::new(runner)),
            probabilities,
            summary: Summary::default(),
            calibration: Calibration::default(),
        }
    }

    #[cfg(feature = "tensorrt")]
    pub(crate) fn gpu_mut(&mut self) -> Option<&mut GpuRunner> {
        match &mut self.runner {
            Runner::Gpu(runner) => Some(runner),
            Runner::Host(_) => None,
        }
    }

    /// Its way through the GPU, where it has one: graph, memory.
    pub fn gpu(&self) -> Option<&GpuRunner> {
        match &self.runner {
            Runner::Gpu(runner) => Some(runner),
            Runner::Host(_) => None,
        }
    }

    /// Opens a candidate on a host engine.
    pub(crate) fn open(bundle: &Bundle, spec: &CandidateSpec, kind: Kind, config: &OpenConfig) -> Result<Candidate> {
        let preprocess = spec.image.clone();
        let engine = if kind == Kind::Null {
            let tensor = |name: &Option<String>, other: &str, shape| TensorInfo {
                name: name.clone().unwrap_or_else(|| other.to_owned()),
                data_type: DataType::F32,
                shape,
            };
            let shape = match (&bundle.input, &preprocess) {
                (InputKind::Tensor { shape }, _) => shape.clone(),
                (_, Some(p)) => p.shape().to_vec(),
                (_, None) => vec![1],
            };
            let classes = bundle.labels.len().max(1);
            registry::open_null(
                vec![tensor(&spec.input, "input", shape)],
                vec![tensor(&spec.output, "output", vec![1, classes])],
            )?
        } else {
            let path = spec.onnx.as_ref().ok_or_else(|| {
                Error::expected(
                    ErrorKind::Bundle,
                    format!("candidate {}", spec.name),
                    "an `onnx` file for this engine",
                    "a plan only",
                    "add the ONNX, or use an engine that runs plans",
                )
            })?;
            let options = OpenOptions::default().threads(config.threads).precision(spec.precision);
            registry::open(kind, path, &spec.name, &options)?
        };
        Candidate::new(&spec.name, engine, preprocess, spec.scores, spec.input.as_deref(), spec.output.as_deref())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its engine says of itself.
    pub fn description(&self) -> &Description {
        match &self.runner {
            Runner::Host(host) => host.engine.description(),
            Runner::Gpu(gpu) => gpu.description(),
        }
    }

    /// Memory that its engine holds.
    pub fn memory(&self) -> trt_select_engines::Memory {
        match &self.runner {
            Runner::Host(host) => host.engine.memory(),
            Runner::Gpu(gpu) => gpu.memory(),
        }
    }

    /// Number of classes: elements of its output.
    pub fn classes(&self) -> usize {
        self.probabilities.len()
    }

    /// Class probabilities of the last run.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// Says at which temperature its probabilities go into averages, and takes the memory for it.
    pub(crate) fn set_temperature(&mut self, temperature: f32) {
        let temperature = (temperature != 1.0).then_some(temperature);
        let probabilities = vec![0.0; if temperature.is_some() { self.classes() } else { 0 }];
        self.calibration = Calibration { temperature, probabilities, is_made: false };
    }

    /// Class probabilities of the last run at its temperature: from the logits where they are at hand, else from the
    /// probabilities.
    pub(crate) fn calibrated(&mut self) -> &[f32] {
        let Calibration { temperature, probabilities, is_made } = &mut self.calibration;
        let Some(temperature) = *temperature else { return &self.probabilities };
        if !*is_made {
            match &self.runner {
                Runner::Host(host) if host.scores == Scores::Logits => {
                    temper::of_logits(host.engine.output(host.output), temperature, probabilities);
                }
                _ => temper::of_probabilities(&self.probabilities, temperature, probabilities),
            }
            *is_made = true;
        }
        probabilities
    }

    /// What the last run said.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Writes the network's input. On a GPU the frame is there already: see `CandidateSet::begin`.
    pub(crate) fn load(&mut self, input: &Input<'_>, gpu: Option<&mut Gpu>) -> Result<()> {
        match &mut self.runner {
            Runner::Host(host) => host.load(input, &self.name),
            Runner::Gpu(runner) => runner.load(input, gpu.ok_or(NO_GPU)?, &self.name),
        }
    }

    pub(crate) fn enqueue(&mut self, gpu: Option<&mut Gpu>) -> Result<Completion> {
        match &mut self.runner {
            Runner::Host(host) => Ok(host.engine.enqueue()?),
            Runner::Gpu(runner) => runner.enqueue(gpu.ok_or(NO_GPU)?),
        }
    }

    pub(crate) fn ready(&mut self, gpu: Option<&mut Gpu>) -> Result<bool> {
        match &mut self.runner {
            Runner::Host(host) => Ok(host.engine.ready()?),
            Runner::Gpu(runner) => runner.ready(gpu.ok_or(NO_GPU)?, &mut self.probabilities),
        }
    }

    /// Reads the network's output.
    pub(crate) fn finish(&mut self) -> Result<Summary> {
        self.calibration.is_made = false;
        self.summary = match &mut self.runner {
            Runner::Host(host) => {
                let scores = host.engine.output(host.output);
                summarise(scores, host.scores, &mut self.probabilities).ok_or(NOT_FINITE)?
            }
            Runner::Gpu(runner) => runner.summary().ok_or(NOT_FINITE)?,
        };
        Ok(self.summary)
    }

    /// Times of the last run by the device's clock.
    pub(crate) fn device_times(&self) -> DeviceTimes {
        match &self.runner {
            Runner::Host(_) => DeviceTimes::default(),
            Runner::Gpu(runner) => runner.times(),
        }
    }
}

impl HostRunner {
    fn load(&mut self, input: &Input<'_>, name: &str) -> Result<()> {
        let tensor = self.engine.input(self.input);
        match (input, &mut self.preprocess) {
            (Input::Frame(frame), Some(preprocess)) => {
                preprocess.run(frame, tensor).map_err(|e| Error::new(ErrorKind::Input, e.to_string()))
            }
            (Input::Tensor(values), None) => copy_tensor(values, tensor, name),
            (Input::Frame(_), None) => Err(WANTS_TENSOR),
            (Input::Tensor(_), Some(_)) => Err(WANTS_FRAME),
            #[cfg(feature = "tensorrt")]
            (Input::Device(_), _) => Err(Error::from_static(
                ErrorKind::Input,
                "input: expected memory of the host, got a frame on the device; open the bundle with --engine tensorrt",
            )),
        }
    }
}

/// The preprocessing that fills a network's input, which must be of the size that it gives.
pub(crate) fn preprocess_for(name: &str, tensor: &TensorInfo, config: PreprocessConfig) -> Result<Preprocess> {
    let wanted = config.shape();
    let ends_alike = tensor.shape.len() <= 4 && wanted[4 - tensor.shape.len()..] == tensor.shape[..];
    if tensor.len() != config.output_len() || !ends_alike {
        return Err(Error::expected(
            ErrorKind::Bundle,
            format!("candidate {name}: input '{}'", tensor.name),
            format!("{wanted:?} as bundle.toml says"),
            format!("{:?} in the network", tensor.shape),
            "correct `size`, `channels` or `layout`",
        ));
    }
    Preprocess::new(config).map_err(|e| Error::new(ErrorKind::Bundle, format!("candidate {name}: {e}")))
}

/// Copies a tensor of the network's length.
pub(crate) fn copy_tensor(values: &[f32], tensor: &mut [f32], name: &str) -> Result<()> {
    if values.len() != tensor.len() {
        return Err(Error::expected(
            ErrorKind::Input,
            format_args!("input of candidate {name}"),
            format_args!("{} elements", tensor.len()),
            values.len(),
            "give a tensor of the network's input shape",
        ));
    }
    tensor.copy_from_slice(values);
    Ok(())
}

pub(crate) const WANTS_TENSOR: Error =
    Error::from_static(ErrorKind::Input, "input: expected a tensor, got a frame; the bundle's input is `tensor`");
pub(crate) const WANTS_FRAME: Error =
    Error::from_static(ErrorKind::Input, "input: expected a frame, got a tensor; the bundle's input is `image`");
const NO_GPU: Error = Error::from_static(
    ErrorKind::Usage,
    "candidate: expected the set that it was opened with, got none; run it through its CandidateSet",
);
const NOT_FINITE: Error = Error::from_static(
    ErrorKind::Engine,
    "network output: expected finite numbers, or probabilities where it gives such, got others; check the model and `scores`",
);

/// A duration as nanoseconds; past 584 years it stays there.
pub(crate) fn nanoseconds(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}
