//! A candidate: a network with its engine, its preprocessing, and what its output means.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_engines::registry::{self, EngineKind};
use trt_select_engines::{
    Completion, DataType, Description, Engine, Error as EngineError, Memory, OpenOptions, TensorInfo,
};
use trt_select_premodel::Scores;

use crate::bundle::{Bundle, CandidateSpec, InputKind};
use crate::config::OpenConfig;
use crate::error::{Error, ErrorKind, Result};
use crate::input::Input;
use crate::preprocess::{Preprocess, PreprocessConfig};

/// What is known about a candidate of a set: its name and its engine.
#[derive(Clone, Debug)]
pub struct CandidateInfo {
    name: String,
    description: Description,
    classes: usize,
}

impl CandidateInfo {
    pub(crate) fn new(name: &str, description: &Description, classes: usize) -> CandidateInfo {
        CandidateInfo { name: name.to_owned(), description: description.clone(), classes }
    }

    /// The candidate's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The engine's description of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Number of classes, which is the number of elements of the output.
    pub fn classes(&self) -> usize {
        self.classes
    }
}

/// A network that a program can choose, on an engine whose tensors the host fills and reads.
///
/// ```
/// use trt_select::engines::null::NullEngine;
/// use trt_select::engines::{DataType, TensorInfo};
/// use trt_select::premodel::Scores;
/// use trt_select::{Candidate, CandidateSet};
///
/// let tensor = |name: &str, n| TensorInfo { name: name.into(), data_type: DataType::F32, shape: vec![1, n] };
/// let network = NullEngine::new(vec![tensor("input", 4)], vec![tensor("logits", 10)])?;
/// // Without preprocessing it takes tensors; it has one input and one output, which need not be named.
/// let candidate = Candidate::new("tiny", Box::new(network), None, Scores::Logits, None, None)?;
/// let set = CandidateSet::from(vec![candidate]);
/// assert_eq!((set.as_slice()[0].name(), set.as_slice()[0].classes()), ("tiny", 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Candidate {
    name: String,
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
            .field("engine", self.engine.description())
            .finish_non_exhaustive()
    }
}

impl Candidate {
    /// Makes a candidate of its parts. `preprocess` says how a frame becomes the network's input; without it, the candidate takes tensors.
    /// `input` and `output` name the network's tensors; `None` stands for the only one.
    ///
    /// # Errors
    /// If there is no such tensor, or the input does not have the size that the preprocessing gives.
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
        Ok(Candidate { name: name.to_owned(), engine, preprocess, input: at, output: out, scores })
    }

    /// Opens a bundle's candidate on an engine of the host.
    pub(crate) fn open(
        bundle: &Bundle,
        spec: &CandidateSpec,
        kind: EngineKind,
        config: &OpenConfig,
    ) -> Result<Candidate> {
        let preprocess = spec.image.clone();
        let engine = if kind == EngineKind::Null {
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

    /// The candidate's name and its engine's description.
    pub fn info(&self) -> CandidateInfo {
        let description = self.engine.description();
        CandidateInfo::new(&self.name, description, description.outputs[self.output].len())
    }

    /// How much memory the engine holds.
    pub fn memory(&self) -> Memory {
        self.engine.memory()
    }

    /// Writes an input into the network's input tensor.
    pub(crate) fn load(&mut self, input: &Input<'_>) -> Result<()> {
        let tensor = self.engine.input(self.input);
        match (input, &mut self.preprocess) {
            (Input::Frame(frame), Some(preprocess)) => {
                preprocess.run(frame, tensor).map_err(|e| Error::new(ErrorKind::Input, e.to_string()))
            }
            (Input::Tensor(values), None) => copy_tensor(values, tensor, &self.name),
            (Input::Frame(_), None) => Err(WANTS_TENSOR),
            (Input::Tensor(_), Some(_)) => Err(WANTS_FRAME),
            #[cfg(feature = "tensorrt")]
            (Input::Device(_), _) => Err(Error::from_static(
                ErrorKind::Input,
                "input: expected memory of the host, got a frame on the device; open the bundle with TensorRT",
            )),
        }
    }

    #[inline]
    pub(crate) fn enqueue(&mut self) -> std::result::Result<Completion, EngineError> {
        self.engine.enqueue()
    }

    #[inline]
    pub(crate) fn is_ready(&mut self) -> std::result::Result<bool, EngineError> {
        self.engine.ready()
    }

    /// The output of the last run, and what it holds.
    pub(crate) fn output(&self) -> (Scores, &[f32]) {
        (self.scores, self.engine.output(self.output))
    }
}

/// The preprocessing that fills this input tensor. The tensor must have the size that the configuration gives.
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

/// Copies a tensor into a network's input. Both must have the same length.
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
