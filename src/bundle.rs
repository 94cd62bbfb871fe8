//! Bundles: one folder is one ready-to-run candidate set, and its `bundle.toml` says what is in it.
//!
//! ```toml
//! format = 1
//! name = "fashion"
//! premodel = "premodel.json"
//! labels = "labels.txt"
//!
//! [samples]
//! images = "t10k-images-idx3-ubyte.gz"
//! labels = "t10k-labels-idx1-ubyte.gz"
//!
//! [[candidate]]
//! name = "nano"
//! onnx = "nano.onnx"
//! size = [28, 28]
//! channels = 1
//! mean = [0.286]
//! std = [0.353]
//!
//! [[candidate]]
//! name = "large"
//! # …
//! ```
//!
//! # Keys
//! Paths are taken from the bundle's folder; absolute ones are taken as they are. A key that is not listed is refused.
//!
//! | key | default | meaning |
//! | --- | --- | --- |
//! | `format` | needed | version of the file's form: 1 |
//! | `name` | needed | name of the bundle, for people |
//! | `task` | `"classification"` | what the networks do |
//! | `premodel` | none | the premodel's file; without one, only fixed candidates can run |
//! | `labels` | none | text file, one class name a line, in the order of the networks' outputs |
//! | `[input] kind` | `"image"` | `"image"`: frames are preprocessed for each candidate; `"tensor"`: floats are taken as they are |
//! | `[input] shape` | needed for tensors | extents of the input tensor, outermost first; refused for images |
//! | `[samples] images`, `labels` | none | IDX files, plain or gzip; `labels` may be left out |
//! | `[samples] list` | none | CSV: for images the columns `image,label`, for tensors one row of numbers a sample |
//! | `[samples] root` | the bundle's folder | folder that the images of `list` are taken from |
//! | `[[candidate]] name` | needed | unique; letters, digits, `_`, `-` |
//! | `onnx` | none | the network; one of `onnx` and `plan` is needed |
//! | `plan` | none | serialized TensorRT engine; it may be built later where `onnx` is there; see [`CandidateSpec::plan_path`] |
//! | `precision` | `"fp32"` | `"fp32"`, `"fp16"` or `"int8"` |
//! | `input` | the network's only input | name of the input IO tensor |
//! | `output` | the network's only output | name of the output IO tensor |
//! | `scores` | `"logits"` | what the output holds: `"logits"` or `"probabilities"` |
//! | `size` | needed for images | `[width, height]` in px of the network's input |
//! | `channels` | 3 | 1 (grey) or 3 (colour) |
//! | `order` | `"rgb"` | order of 3 channels: `"rgb"` or `"bgr"` |
//! | `layout` | `"nchw"` | `"nchw"` (planes) or `"nhwc"` (interleaved) |
//! | `resize` | `"stretch"` | `"stretch"`: the whole frame onto the whole input; `"crop"`: shorter side to size ÷ `crop`, then the centre |
//! | `crop` | 0.875 | the part of the resized frame that is kept, in [0.1, 1]; only with `resize = "crop"` |
//! | `filter` | `"bicubic"` | `"bicubic"` or `"bilinear"` |
//! | `mean` | 0 for each channel | subtracted from the channel, which runs from 0 to 1 |
//! | `std` | 1 for each channel | what the channel is then divided by; more than 0 |
//! | `cost_ns` | unknown | measured mean cost of one run, in nanoseconds |
//!
//! Candidates stand in the order of their capability, the most capable last: on samples without labels, agreement with the
//! last one is what `profile` and `bench` judge by.
//!
//! The keys from `size` to `std` describe preprocessing; with `kind = "tensor"` they are refused, since nothing would
//! read them.
#![forbid(unsafe_code)]

mod check;
mod document;

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use trt_select_engines::Precision;

use crate::error::{Error, ErrorKind, Result};
use crate::preprocess::PreprocessConfig;

/// The version of `bundle.toml` that this release reads.
pub const FORMAT: i64 = 1;

/// Name of the file that makes a folder a bundle.
pub const FILE_NAME: &str = "bundle.toml";

/// Most elements of a tensor input.
pub const MAX_TENSOR_LEN: usize = 1 << 30;

/// A candidate set as `bundle.toml` describes it. Nothing is opened but text: engines and premodel are named, not read.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bundle {
    /// The bundle's folder, as it was given.
    pub dir: PathBuf,
    /// Its name, for people.
    pub name: String,
    /// What its networks do.
    pub task: Task,
    /// What goes in.
    pub input: InputKind,
    /// The premodel's file.
    pub premodel: Option<PathBuf>,
    /// The file that `labels` were read from.
    pub labels_file: Option<PathBuf>,
    /// Class names in the order of the networks' outputs; empty where the bundle names no file, and after
    /// [`Bundle::parse`].
    pub labels: Vec<String>,
    /// Sample inputs.
    pub samples: Option<SampleSource>,
    /// The candidates; a candidate's id is its index here. At least 1, at most [`trt_select_premodel::MAX_CANDIDATES`].
    pub candidates: Vec<CandidateSpec>,
}

/// What a bundle's networks do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// One score for each class; the largest is the answer.
    #[default]
    Classification,
}

/// What a bundle's candidates are given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputKind {
    /// Frames, preprocessed for each candidate as its [`PreprocessConfig`] says.
    Image,
    /// Floats, taken as they are.
    Tensor {
        /// Extents, outermost first; each at least 1, their product at most [`MAX_TENSOR_LEN`].
        shape: Vec<usize>,
    },
}

impl InputKind {
    /// Number of elements of a tensor input; `None` for images.
    pub fn tensor_len(&self) -> Option<usize> {
        match self {
            InputKind::Image => None,
            InputKind::Tensor { shape } => Some(shape.iter().product()),
        }
    }
}

/// Where sample inputs come from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SampleSource {
    /// Images in an IDX file (plain or gzip): `idx3` is GRAY8, `idx4` with a last extent of 3 is RGB8.
    Idx {
        /// The images.
        images: PathBuf,
        /// Their classes, an `idx1` of bytes; without it the samples are unlabelled.
        labels: Option<PathBuf>,
    },
    /// Image files, listed in a CSV file with the columns `image` and, where labels are known, `label`.
    List {
        /// The CSV file.
        list: PathBuf,
        /// The folder that the listed names are taken from.
        root: PathBuf,
    },
    /// Tensors, one row of a CSV file each, with an optional column `label`.
    Table {
        /// The CSV file.
        table: PathBuf,
    },
    /// Image files, named one by one, unlabelled.
    Files {
        /// The files.
        files: Vec<PathBuf>,
    },
}

/// One selectable network.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CandidateSpec {
    /// Its name, unique in the bundle.
    pub name: String,
    /// The network. At least one of `onnx` and `plan` is there.
    pub onnx: Option<PathBuf>,
    /// The serialized TensorRT engine; the file may not exist yet where `onnx` is there.
    pub plan: Option<PathBuf>,
    /// Arithmetic it is built for.
    pub precision: Precision,
    /// Name of its input; `None` means the network's only one.
    pub input: Option<String>,
    /// Name of its output; `None` means the network's only one.
    pub output: Option<String>,
    /// What its output holds.
    pub scores: Scores,
    /// How frames become its input; `None` where the bundle's input is a tensor.
    pub image: Option<PreprocessConfig>,
    /// Measured mean cost of one run, in nanoseconds; more than 0.
    pub cost_ns: Option<f64>,
}

impl CandidateSpec {
    /// Where its serialized TensorRT engine is looked for, and where `trt-select build` puts it: `plan` where the bundle names
    /// one, else `NAME.plan` in the bundle's folder. Nothing need be there.
    pub fn plan_path(&self, bundle: &Bundle) -> PathBuf {
        self.plan.clone().unwrap_or_else(|| default_plan(&bundle.dir, &self.name))
    }
}

fn default_plan(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.plan"))
}

pub use trt_select_premodel::Scores;

impl Bundle {
    /// Reads `dir/bundle.toml` and the label file that it names, and looks that every other file it names is there.
    ///
    /// A candidate's `plan` may be missing where its `onnx` is there, and the other way round.
    ///
    /// # Errors
    /// One line that names file and line: [`ErrorKind::Io`] for what is missing or cannot be read,
    /// [`ErrorKind::Bundle`] for what does not say what it must.
    pub fn read(dir: &Path) -> Result<Bundle> {
        Bundle::read_file(dir, true)
    }

    /// As [`Bundle::read`], but the premodel's file need not be there: for the commands that make it.
    ///
    /// # Errors
    /// As [`Bundle::read`].
    pub fn read_untrained(dir: &Path) -> Result<Bundle> {
        Bundle::read_file(dir, false)
    }

    /// The bundle that `text` describes, with paths taken from `dir`. No file is opened or looked for, so `labels` stays
    /// empty.
    ///
    /// # Errors
    /// [`ErrorKind::Bundle`], as [`Bundle::read`].
    pub fn parse(dir: &Path, text: &str) -> Result<Bundle> {
        check::bundle(dir, text).map(|(bundle, _)| bundle)
    }

    /// The id of the candidate with this name.
    pub fn candidate(&self, name: &str) -> Option<usize> {
        self.candidates.iter().position(|candidate| candidate.name == name)
    }

    /// Holds the label file against the number of classes that the networks turned out to have. A bundle without labels
    /// passes.
    ///
    /// # Errors
    /// [`ErrorKind::Bundle`] if the numbers differ.
    pub fn check_labels(&self, classes: usize) -> Result<()> {
        let Some(file) = &self.labels_file else { return Ok(()) };
        if self.labels.len() == classes {
            return Ok(());
        }
        Err(Error::expected(
            ErrorKind::Bundle,
            file.display(),
            format_args!("{classes} class names, as many as the networks' classes"),
            self.labels.len(),
            "give one name a line, in the order of the networks' outputs",
        ))
    }

    fn read_file(dir: &Path, premodel_needed: bool) -> Result<Bundle> {
        let text = read_document(dir)?;
        let (mut bundle, references) = check::bundle(dir, &text)?;
        for reference in &references {
            reference.look(premodel_needed)?;
        }
        if let Some(file) = &bundle.labels_file {
            bundle.labels = read_labels(file)?;
        }
        Ok(bundle)
    }
}

/// The text of `dir/bundle.toml`.
fn read_document(dir: &Path) -> Result<String> {
    const BUNDLE: &str = "a bundle (a folder with a bundle.toml)";
    let no_bundle = |got: &dyn std::fmt::Display| {
        Error::expected(ErrorKind::Io, dir.display(), BUNDLE, got, "name the folder of a bundle")
    };
    match fs::metadata(dir) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return Err(no_bundle(&"a file")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(no_bundle(&"no such folder")),
        Err(e) => return Err(no_bundle(&e)),
    }
    let path = dir.join(FILE_NAME);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(no_bundle(&"a folder without bundle.toml")),
        Err(e) => return Err(unreadable(&path, &e)),
    };
    utf8(&path, bytes)
}

fn unreadable(path: &Path, e: &io::Error) -> Error {
    Error::expected(ErrorKind::Io, path.display(), "a readable file", e, "check the file and its permissions")
}

/// Text without byte order mark, or the line that is not text.
fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(e) => {
            let (at, bytes) = (e.utf8_error().valid_up_to(), e.as_bytes());
            let line = 1 + bytes[..at].iter().filter(|&&b| b == b'\n').count();
            Err(Error::expected(
                ErrorKind::Bundle,
                format_args!("{}:{line}", path.display()),
                "UTF-8 text",
                format_args!("byte 0x{:02x}", bytes[at]),
                "save the file as UTF-8",
            ))
        }
    }
}

/// Class names, one a line. Empty lines at the end are dropped.
fn read_labels(path: &Path) -> Result<Vec<String>> {
    let text = utf8(path, fs::read(path).map_err(|e| unreadable(path, &e))?)?;
    let labels: Vec<String> = text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
    let remedy = "give one name a line, in the order of the networks' outputs";
    if labels.is_empty() {
        return Err(Error::expected(ErrorKind::Bundle, path.display(), "class names", "an empty file", remedy));
    }
    if let Some(i) = labels.iter().position(String::is_empty) {
        let object = format!("{}:{}", path.display(), i + 1);
        return Err(Error::expected(ErrorKind::Bundle, object, "a class name", "an empty line", remedy));
    }
    Ok(labels)
}
