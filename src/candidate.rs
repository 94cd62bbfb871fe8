//! A candidate: one network with its engine, its preprocessing and the meaning of its output.
#![forbid(unsafe_code)]

use std::time::Instant;

use trt_select_engines::registry::{self, Choice, Kind};
use trt_select_engines::{
    Completion, DataType, Description, Engine, OpenOptions, Stream, TensorInfo, TensorMut, TensorRef,
};

use crate::Frame;
use crate::bundle::{Bundle, CandidateSpec, InputKind, Scores};
use crate::error::{Error, ErrorKind, Result};
use crate::preprocess::{Preprocess, PreprocessConfig};
use crate::scores::{Summary, summarise};

/// What an input is: a frame that each candidate preprocesses for itself, or a tensor that all take as it is.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A frame.
    Frame(Frame<'a>),
    /// A tensor's elements, in the network's order.
    Tensor(&'a [f32]),
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
}

impl Default for OpenConfig {
    fn default() -> Self {
        OpenConfig { engine: Kind::Auto, threads: 1, strict: false }
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
}

/// One selectable network, ready to run.
pub struct Candidate {
    name: String,
    engine: Box<dyn Engine>,
    preprocess: Option<Preprocess>,
    input: usize,
    output: usize,
    scores: Scores,
    probabilities: Vec<f32>,
    summary: Summary,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let description = self.engine.description();
        f.debug_struct("Candidate").field("name", &self.name).field("engine", description).finish_non_exhaustive()
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
        let preprocess = match preprocess {
            None => None,
            Some(config) => {
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
                Some(
                    Preprocess::new(config)
                        .map_err(|e| Error::new(ErrorKind::Bundle, format!("candidate {name}: {e}")))?,
                )
            }
        };
        let classes = description.outputs[out].len();
        let name = name.to_owned();
        let (probabilities, summary) = (vec![0.0; classes], Summary::default());
        Ok(Candidate { name, engine, preprocess, input: at, output: out, scores, probabilities, summary })
    }

    /// Opens every candidate of a bundle, in its order. (The engines run each network once when they open it, so that what
    /// they do lazily is done.) Answers which engine was chosen, and why.
    ///
    /// # Errors
    /// Where an engine or a model cannot be opened, or models differ in their number of classes.
    pub fn open_all(bundle: &Bundle, config: &OpenConfig) -> Result<(Vec<Candidate>, Choice)> {
        let choice = registry::resolve(config.engine)?;
        let mut candidates = Vec::with_capacity(bundle.candidates.len());
        for spec in &bundle.candidates {
            candidates.push(Candidate::open(bundle, spec, choice.kind, config)?);
        }
        let classes = candidates.iter().map(Candidate::classes).collect::<Vec<_>>();
        if let Some(at) = classes.iter().position(|&c| c != classes[0]) {
            return Err(Error::expected(
                ErrorKind::Bundle,
                format!("candidate {}", candidates[at].name),
                format!("{} classes, as {} has", classes[0], candidates[0].name),
                classes[at],
                "give candidates of one task",
            ));
        }
        bundle.check_labels(classes[0])?;
        Ok((candidates, choice))
    }

    fn open(bundle: &Bundle, spec: &CandidateSpec, kind: Kind, config: &OpenConfig) -> Result<Candidate> {
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
            let options = OpenOptions { threads: config.threads, precision: spec.precision };
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
        self.engine.description()
    }

    /// Memory that its engine holds.
    pub fn memory(&self) -> trt_select_engines::Memory {
        self.engine.memory()
    }

    /// Number of classes: elements of its output.
    pub fn classes(&self) -> usize {
        self.probabilities.len()
    }

    /// Class probabilities of the last run.
    pub fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }

    /// What the last run said.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Runs it on an input and waits.
    ///
    /// # Errors
    /// Where the input does not fit, or the network fails or answers with something that is no number.
    pub fn run(&mut self, input: &Input<'_>) -> Result<Run> {
        let start = Instant::now();
        self.load(input)?;
        let loaded = Instant::now();
        if self.enqueue()? == Completion::Pending {
            while !self.ready()? {
                std::hint::spin_loop();
            }
        }
        let summary = self.finish()?;
        Ok(Run { summary, preprocess_ns: nanoseconds(loaded - start), compute_ns: nanoseconds(loaded.elapsed()) })
    }

    /// Writes the network's input.
    pub(crate) fn load(&mut self, input: &Input<'_>) -> Result<()> {
        let TensorMut::Host(tensor) = self.engine.input(self.input) else { return Err(NOT_ON_HOST) };
        match (input, &mut self.preprocess) {
            (Input::Frame(frame), Some(preprocess)) => {
                preprocess.run(frame, tensor).map_err(|e| Error::new(ErrorKind::Input, e.to_string()))
            }
            (Input::Tensor(values), None) if values.len() == tensor.len() => {
                tensor.copy_from_slice(values);
                Ok(())
            }
            (Input::Tensor(values), None) => Err(Error::expected(
                ErrorKind::Input,
                format_args!("input of candidate {}", self.name),
                format_args!("{} elements", tensor.len()),
                values.len(),
                "give a tensor of the network's input shape",
            )),
            (Input::Frame(_), None) => Err(Error::from_static(
                ErrorKind::Input,
                "input: expected a tensor, got a frame; the bundle's input is `tensor`",
            )),
            (Input::Tensor(_), Some(_)) => Err(Error::from_static(
                ErrorKind::Input,
                "input: expected a frame, got a tensor; the bundle's input is `image`",
            )),
        }
    }

    pub(crate) fn enqueue(&mut self) -> Result<Completion> {
        Ok(self.engine.enqueue(Stream::HOST)?)
    }

    pub(crate) fn ready(&mut self) -> Result<bool> {
        Ok(self.engine.ready()?)
    }

    /// Reads the network's output.
    pub(crate) fn finish(&mut self) -> Result<Summary> {
        let TensorRef::Host(scores) = self.engine.output(self.output) else { return Err(NOT_ON_HOST) };
        self.summary = summarise(scores, self.scores, &mut self.probabilities).ok_or(NOT_FINITE)?;
        Ok(self.summary)
    }
}

const NOT_ON_HOST: Error = Error::from_static(
    ErrorKind::Engine,
    "engine: expected host tensors, got device ones; this selector runs host engines",
);
const NOT_FINITE: Error = Error::from_static(
    ErrorKind::Engine,
    "network output: expected finite numbers, or probabilities where it gives such, got others; check the model and `scores`",
);

/// A duration as nanoseconds; past 584 years it stays there.
pub(crate) fn nanoseconds(d: std::time::Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}
