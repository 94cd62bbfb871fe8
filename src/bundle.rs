//! Bundles. A bundle is a folder with everything that a set of candidates needs to run; its `bundle.toml` says what is in it.
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
//! A relative path counts from the bundle's folder; an absolute one is used as it is. A key that is not listed here is refused.
//!
//! | key | default | meaning |
//! | --- | --- | --- |
//! | `format` | needed | version of the file's format: 1 |
//! | `name` | needed | name of the bundle, for people to read |
//! | `task` | `"classification"` | what the networks do |
//! | `premodel` | none | the premodel's file; without one, candidates can be run one by one, and no selector can be opened |
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
//! Candidates are listed in the order of their capability, the most capable last. Where samples have no labels, `profile` and `bench`
//! count an answer as right if the last candidate gives the same one.
//!
//! The keys from `size` to `std` describe preprocessing. With `kind = "tensor"` nothing would read them, so they are refused.
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

/// The largest number of elements that a tensor input may have.
pub const MAX_TENSOR_LEN: usize = 1 << 30;

/// A set of candidates as `bundle.toml` describes it. Reading one opens only text files: it keeps the paths of models, plans and
/// premodel, and does not open these.
///
/// ```
/// use trt_select::bundle::{Bundle, InputKind};
///
/// let text = r#"
///     format = 1
///     name = "demo"
///     input = { kind = "tensor", shape = [1, 4] }
///     [[candidate]]
///     name = "small"
///     onnx = "small.onnx"
///     [[candidate]]
///     name = "large"
///     onnx = "large.onnx"
/// "#;
/// let bundle = Bundle::parse("demo".as_ref(), text)?;
/// assert_eq!(bundle.input, InputKind::Tensor { shape: vec![1, 4] });
/// assert_eq!(bundle.candidate("large"), Some(1));
/// # Ok::<(), trt_select::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Bundle {
    /// The bundle's folder, as the caller gave it.
    pub dir: PathBuf,
    /// The bundle's name, for people to read.
    pub name: String,
    /// What the networks do.
    pub task: Task,
    /// What the candidates are given.
    pub input: InputKind,
    /// The premodel's file, where the bundle names one.
    pub premodel: Option<PathBuf>,
    /// The file that `labels` were read from, where the bundle names one.
    pub labels_file: Option<PathBuf>,
    /// Class names in the order of the networks' outputs. Empty where the bundle names no file of labels, and always after
    /// [`Bundle::parse`].
    pub labels: Vec<String>,
    /// Where sample inputs come from, where the bundle names any.
    pub samples: Option<SampleSource>,
    /// The candidates; the index of a candidate here is its id. There is at least 1, and there are at most
    /// [`trt_select_premodel::MAX_CANDIDATES`].
    pub candidates: Vec<CandidateSpec>,
}

/// What a bundle's networks do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// The networks give one score per class, and the class with the largest score is the answer.
    #[default]
    Classification,
}

/// What a bundle's candidates are given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputKind {
    /// Frames, preprocessed for each candidate as its [`PreprocessConfig`] says.
    Image,
    /// Floats, which every candidate takes as they are.
    Tensor {
        /// Extents of the tensor, outermost first. Each is at least 1, and their product is at most [`MAX_TENSOR_LEN`].
        shape: Vec<usize>,
    },
}

impl InputKind {
    /// Number of elements of a tensor input; `None` for images.
    ///
    /// ```
    /// use trt_select::bundle::InputKind;
    /// assert_eq!(InputKind::Tensor { shape: vec![1, 3, 8] }.tensor_len(), Some(24));
    /// assert_eq!(InputKind::Image.tensor_len(), None);
    /// ```
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
    /// Images in an IDX file, plain or gzip: an `idx3` file holds GRAY8 images, and an `idx4` file whose last extent is 3 holds RGB8
    /// images.
    Idx {
        /// The images.
        images: PathBuf,
        /// The classes of the images, in an `idx1` file of bytes; `None` where they are not known.
        labels: Option<PathBuf>,
    },
    /// Image files that a CSV file lists in its column `image`; a column `label` may give their classes.
    List {
        /// The CSV file.
        list: PathBuf,
        /// The folder that relative names in the list count from.
        root: PathBuf,
    },
    /// Tensors in a CSV file: each row is one, and a column `label` may give their classes.
    Table {
        /// The CSV file.
        table: PathBuf,
    },
    /// Image files, each named by its path, whose classes are not known.
    Files {
        /// The files.
        files: Vec<PathBuf>,
    },
}

/// One of the networks that a program can choose.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CandidateSpec {
    /// The candidate's name, which no other candidate of the bundle has.
    pub name: String,
    /// The model in ONNX format. A candidate has `onnx`, `plan` or both.
    pub onnx: Option<PathBuf>,
    /// The serialized TensorRT engine. Where `onnx` is given, this file need not exist yet.
    pub plan: Option<PathBuf>,
    /// The precision of the arithmetic that the network is built for.
    pub precision: Precision,
    /// Name of the network's input tensor; `None` where it has only one.
    pub input: Option<String>,
    /// Name of the network's output tensor; `None` where it has only one.
    pub output: Option<String>,
    /// What the network's output holds.
    pub scores: Scores,
    /// How a frame becomes the network's input; `None` where the bundle's input is a tensor.
    pub image: Option<PreprocessConfig>,
    /// Mean cost of one run as it was measured, in nanoseconds and above 0; `None` where it is not known.
    pub cost_ns: Option<f64>,
}

impl CandidateSpec {
    /// The file in which the candidate's serialized TensorRT engine is expected, and to which `trt-select build` writes it: `plan` where
    /// the bundle names one, else `NAME.plan` in the bundle's folder. The file need not exist.
    ///
    /// ```
    /// use trt_select::bundle::Bundle;
    ///
    /// let text = "format = 1\nname = \"demo\"\n[[candidate]]\nname = \"nano\"\nonnx = \"nano.onnx\"\nsize = [28, 28]\n";
    /// let bundle = Bundle::parse("demo".as_ref(), text)?;
    /// assert!(bundle.candidates[0].plan_path(&bundle).ends_with("demo/nano.plan"));
    /// # Ok::<(), trt_select::Error>(())
    /// ```
    pub fn plan_path(&self, bundle: &Bundle) -> PathBuf {
        self.plan.clone().unwrap_or_else(|| default_plan(&bundle.dir, &self.name))
    }
}

fn default_plan(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.plan"))
}

pub use trt_select_premodel::Scores;

impl Bundle {
    /// Reads `dir/bundle.toml` and the label file that it names, and checks that every other file it names exists. Of a candidate's
    /// `onnx` and `plan`, one may be missing.
    ///
    /// ```
    /// use std::fs;
    /// use trt_select::bundle::Bundle;
    /// use trt_select::error::ErrorKind;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let text = "format = 1\nname = \"demo\"\nlabels = \"labels.txt\"\n\
    ///     [[candidate]]\nname = \"nano\"\nonnx = \"nano.onnx\"\nsize = [28, 28]\nchannels = 1\n";
    /// fs::write(dir.path().join("bundle.toml"), text)?;
    /// fs::write(dir.path().join("labels.txt"), "cat\ndog\n")?;
    /// fs::write(dir.path().join("nano.onnx"), "only its existence is checked here")?;
    /// let bundle = Bundle::read(dir.path())?;
    /// assert_eq!(bundle.labels, ["cat", "dog"]);
    ///
    /// fs::remove_file(dir.path().join("labels.txt"))?;
    /// assert_eq!(Bundle::read(dir.path()).unwrap_err().kind(), ErrorKind::Io);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// One line that names the file and, where it can, the line in it. [`ErrorKind::Io`] if a file is missing or cannot be read,
    /// [`ErrorKind::Bundle`] if the content of a file is not what it must be.
    pub fn read(dir: &Path) -> Result<Bundle> {
        Bundle::read_file(dir, true)
    }

    /// Does what [`Bundle::read`] does, but the premodel's file need not exist. This is for the commands that make that file.
    ///
    /// # Errors
    /// As [`Bundle::read`].
    pub fn read_untrained(dir: &Path) -> Result<Bundle> {
        Bundle::read_file(dir, false)
    }

    /// The bundle that `text` describes, with relative paths counted from `dir`. No file is opened or looked for, so `labels` stays empty.
    ///
    /// # Errors
    /// [`ErrorKind::Bundle`] if the text is not what it must be.
    pub fn parse(dir: &Path, text: &str) -> Result<Bundle> {
        check::bundle(dir, text).map(|(bundle, _)| bundle)
    }

    /// The id of the candidate with this name; `None` where there is none.
    pub fn candidate(&self, name: &str) -> Option<usize> {
        self.candidates.iter().position(|candidate| candidate.name == name)
    }

    /// Checks that the label file has as many names as the networks have classes. A bundle without a label file always passes.
    ///
    /// # Errors
    /// [`ErrorKind::Bundle`] if the two numbers differ.
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

/// The bytes as text, without a byte order mark. The error names the first line that is not UTF-8.
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

/// The class names in a file, one a line. Empty lines at the end do not count.
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
