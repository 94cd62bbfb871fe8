//! Checks what a `bundle.toml` says, and makes a [`Bundle`] of it.

use std::fmt::Display;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use trt_select_engines::Precision;
use trt_select_premodel::{MAX_CANDIDATES, RESERVED, is_candidate_name};

use super::document::{self, Document};
use super::{Bundle, CandidateSpec, FILE_NAME, FORMAT, InputKind, MAX_TENSOR_LEN, SampleSource, Scores, Task};
use crate::error::{Error, ErrorKind, Result};
use crate::preprocess::{ChannelOrder, Filter, Layout, MAX_INPUT_SIDE_PX, MIN_CROP_FRACTION, PreprocessConfig, Resize};

/// The bundle that a text describes, and the files that the text names.
pub(super) fn bundle(dir: &Path, text: &str) -> Result<(Bundle, Vec<Reference>)> {
    let doc = Document { path: dir.join(FILE_NAME), dir, text };
    format(&doc)?;
    let root: document::Root = doc.parse()?;
    let mut references = Vec::new();

    if root.name.get_ref().trim().is_empty() {
        return Err(doc.error(root.name.span(), "`name`", "a name", "an empty string", "name the bundle"));
    }
    let task = choice(&doc, "`task`", root.task, &[("classification", Task::Classification)])?;
    let input = input(&doc, root.input)?;
    let premodel = path(&doc, "`premodel`", &root.premodel)?;
    if let (Some(path), Some(key)) = (&premodel, &root.premodel) {
        references.push(Reference::premodel(doc.at(key.span()), path.clone()));
    }
    let labels_file = path(&doc, "`labels`", &root.labels)?;
    if let (Some(path), Some(key)) = (&labels_file, &root.labels) {
        references.push(Reference::file(doc.at(key.span()), "`labels`", path.clone(), "restore it or remove the key"));
    }
    let samples = match root.samples {
        Some(raw) => Some(samples(&doc, raw, &input, &mut references)?),
        None => None,
    };
    let candidates = candidates(&doc, root.candidate, &input, &mut references)?;

    let name = root.name.into_inner();
    let dir = dir.to_path_buf();
    Ok((Bundle { dir, name, task, input, premodel, labels_file, labels: Vec::new(), samples, candidates }, references))
}

fn format(doc: &Document<'_>) -> Result<()> {
    let head: document::Head = doc.parse()?;
    let remedy = "write `format = 1`, or use the release that made this bundle";
    match head.format {
        Some(format) if format.get_ref().as_integer() == Some(FORMAT) => Ok(()),
        Some(format) => Err(doc.error(format.span(), "`format`", FORMAT, format.get_ref(), remedy)),
        None => Err(Error::expected(
            ErrorKind::Bundle,
            doc.path.display(),
            "the key `format`",
            "a table without it",
            remedy,
        )),
    }
}

fn input(doc: &Document<'_>, raw: Option<Spanned<document::Input>>) -> Result<InputKind> {
    let Some(raw) = raw else { return Ok(InputKind::Image) };
    let span = raw.span();
    let raw = raw.into_inner();
    let tensor = choice(doc, "`[input] kind`", raw.kind, &[("image", false), ("tensor", true)])?;
    let what = "`[input] shape`";
    let remedy = "give the extents of the networks' input, e.g. [1, 16]";
    match (tensor, raw.shape) {
        (false, None) => Ok(InputKind::Image),
        (false, Some(shape)) => {
            Err(doc.error(shape.span(), what, "no such key with images", "the key", "remove it; `size` says it"))
        }
        (true, None) => Err(doc.error(span, what, "the input tensor's extents", "no such key", remedy)),
        (true, Some(raw)) => {
            let shape: Option<Vec<usize>> =
                raw.get_ref().iter().map(|&n| usize::try_from(n).ok().filter(|&n| n > 0)).collect();
            let shape = shape.filter(|shape| {
                let len = shape.iter().try_fold(1_usize, |len, &n| len.checked_mul(n));
                !shape.is_empty() && len.is_some_and(|len| len <= MAX_TENSOR_LEN)
            });
            let Some(shape) = shape else {
                let expected = format!("extents of at least 1 with a product of at most {MAX_TENSOR_LEN}");
                return Err(doc.error(raw.span(), what, expected, format_args!("{:?}", raw.get_ref()), remedy));
            };
            Ok(InputKind::Tensor { shape })
        }
    }
}

fn samples(
    doc: &Document<'_>,
    raw: Spanned<document::Samples>,
    input: &InputKind,
    references: &mut Vec<Reference>,
) -> Result<SampleSource> {
    let span = raw.span();
    let raw = raw.into_inner();
    let images = path(doc, "`[samples] images`", &raw.images)?;
    let labels = path(doc, "`[samples] labels`", &raw.labels)?;
    let list = path(doc, "`[samples] list`", &raw.list)?;
    let root = path(doc, "`[samples] root`", &raw.root)?;

    let absent = "restore it or remove [samples]";
    for (what, key, path) in [
        ("`[samples] images`", &raw.images, &images),
        ("`[samples] labels`", &raw.labels, &labels),
        ("`[samples] list`", &raw.list, &list),
    ] {
        if let (Some(key), Some(path)) = (key, path) {
            references.push(Reference::file(doc.at(key.span()), what, path.clone(), absent));
        }
    }
    if let (Some(key), Some(path)) = (&raw.root, &root) {
        references.push(Reference::folder(doc.at(key.span()), "`[samples] root`", path.clone(), absent));
    }

    let tensor = *input != InputKind::Image;
    match (images, labels, list, root) {
        (Some(images), labels, None, None) if !tensor => Ok(SampleSource::Idx { images, labels }),
        (None, None, Some(list), root) if !tensor => {
            Ok(SampleSource::List { list, root: root.unwrap_or_else(|| doc.dir.to_path_buf()) })
        }
        (None, None, Some(table), None) if tensor => Ok(SampleSource::Table { table }),
        (images, labels, list, root) => {
            let given: Vec<&str> = [("images", images), ("labels", labels), ("list", list), ("root", root)]
                .iter()
                .filter(|(_, path)| path.is_some())
                .map(|&(key, _)| key)
                .collect();
            let got = if given.is_empty() { "none".to_owned() } else { given.join(", ") };
            let expected = if tensor { "the key list (tensors)" } else { "the keys images, labels or list, root" };
            Err(doc.error(span, "[samples]", expected, got, "name the samples in one of these ways"))
        }
    }
}

fn candidates(
    doc: &Document<'_>,
    raw: Vec<Spanned<document::Candidate>>,
    input: &InputKind,
    references: &mut Vec<Reference>,
) -> Result<Vec<CandidateSpec>> {
    let count = raw.len();
    if count == 0 {
        let remedy = "add a [[candidate]] table with its name and onnx";
        return Err(Error::expected(ErrorKind::Bundle, doc.path.display(), "at least 1 candidate", "none", remedy));
    }
    if let Some(first_over) = raw.get(MAX_CANDIDATES) {
        let expected = format!("at most {MAX_CANDIDATES} candidates");
        return Err(doc.error(first_over.span(), "[[candidate]]", expected, count, "remove some"));
    }
    let mut candidates: Vec<CandidateSpec> = Vec::with_capacity(count);
    for raw in raw {
        let name = raw.get_ref().name.span();
        let candidate = candidate(doc, raw, input, references)?;
        if candidates.iter().any(|other| other.name == candidate.name) {
            let got = format!("\"{}\" a second time", candidate.name);
            return Err(doc.error(
                name,
                "`name` of a candidate",
                "unique names",
                got,
                "give each candidate its own name",
            ));
        }
        candidates.push(candidate);
    }
    Ok(candidates)
}

fn candidate(
    doc: &Document<'_>,
    raw: Spanned<document::Candidate>,
    input: &InputKind,
    references: &mut Vec<Reference>,
) -> Result<CandidateSpec> {
    let span = raw.span();
    let mut raw = raw.into_inner();
    let name = raw.name.get_ref().clone();
    if !is_candidate_name(&name) {
        // With one of the reserved words as a candidate's name, the columns of a profile would be ambiguous.
        let expected = format!("letters, digits, _ and - (at least one), and none of {RESERVED:?}");
        let remedy = "rename the candidate";
        return Err(doc.error(raw.name.span(), "`name` of a candidate", expected, format_args!("{name:?}"), remedy));
    }
    let of = |key: &str| format!("`{key}` of candidate \"{name}\"");

    let image = image(doc, span.clone(), &mut raw, input)?;
    let onnx = path(doc, of("onnx"), &raw.onnx)?;
    let plan = path(doc, of("plan"), &raw.plan)?;
    match (&onnx, &plan, &raw.onnx, &raw.plan) {
        (Some(path), other, Some(key), _) => {
            let mut reference = Reference::file(
                doc.at(key.span()),
                of("onnx"),
                path.clone(),
                "restore it, correct the path, or give a plan that is there",
            );
            reference.instead = Some(other.clone().unwrap_or_else(|| super::default_plan(doc.dir, &name)));
            references.push(reference);
        }
        (None, Some(path), _, Some(key)) => references.push(Reference::file(
            doc.at(key.span()),
            of("plan"),
            path.clone(),
            "build it on this machine from its ONNX file, or give `onnx`",
        )),
        _ => {
            let what = format!("candidate \"{name}\"");
            return Err(doc.error(span, what, "`onnx` or `plan`", "neither", "name the network's file"));
        }
    }

    for (key, value) in [("input", &raw.input), ("output", &raw.output)] {
        if let Some(value) = value.as_ref().filter(|value| value.get_ref().is_empty()) {
            let remedy = "name the IO tensor, or remove the key if there is only one";
            return Err(doc.error(value.span(), of(key), "a tensor's name", "an empty string", remedy));
        }
    }
    let precisions = [Precision::Fp32, Precision::Fp16, Precision::Int8].map(|p| (p.name(), p));
    let precision = choice(doc, of("precision"), raw.precision, &precisions)?;
    let scores = [("logits", Scores::Logits), ("probabilities", Scores::Probabilities)];
    let scores = choice(doc, of("scores"), raw.scores, &scores)?;
    if let Some(cost) = raw.cost_ns.as_ref().filter(|cost| !(cost.get_ref().is_finite() && *cost.get_ref() > 0.0)) {
        let remedy = "measure it again, or remove the key";
        return Err(doc.error(cost.span(), of("cost_ns"), "a finite number above 0", cost.get_ref(), remedy));
    }
    Ok(CandidateSpec {
        onnx,
        plan,
        precision,
        input: raw.input.map(Spanned::into_inner),
        output: raw.output.map(Spanned::into_inner),
        scores,
        image,
        cost_ns: raw.cost_ns.map(Spanned::into_inner),
        name,
    })
}

/// The preprocessing that the keys from `size` to `std` describe; `None` where the bundle's input is a tensor.
fn image(
    doc: &Document<'_>,
    span: Range<usize>,
    raw: &mut document::Candidate,
    input: &InputKind,
) -> Result<Option<PreprocessConfig>> {
    let name = raw.name.get_ref().clone();
    let of = |key: &str| format!("`{key}` of candidate \"{name}\"");
    if *input != InputKind::Image {
        return match given(raw).first() {
            None => Ok(None),
            Some((key, span)) => Err(doc.error(
                span.clone(),
                of(key),
                "no preprocessing with tensor inputs",
                "the key",
                "remove it, or set [input] kind = \"image\"",
            )),
        };
    }

    let [width, height] = size(doc, of("size"), span, raw.size.take())?;
    let channels = match &raw.channels {
        None => 3,
        Some(n) => match *n.get_ref() {
            1 => 1,
            3 => 3,
            other => {
                return Err(doc.error(n.span(), of("channels"), "1 (grey) or 3 (colour)", other, "correct the value"));
            }
        },
    };
    let order = [("rgb", ChannelOrder::Rgb), ("bgr", ChannelOrder::Bgr)];
    let layout = [("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc)];
    let filter = [("bicubic", Filter::Bicubic), ("bilinear", Filter::Bilinear)];
    Ok(Some(PreprocessConfig {
        width,
        height,
        channels,
        order: choice(doc, of("order"), raw.order.take(), &order)?,
        layout: choice(doc, of("layout"), raw.layout.take(), &layout)?,
        resize: resize(doc, of, raw.resize.take(), raw.crop.take())?,
        filter: choice(doc, of("filter"), raw.filter.take(), &filter)?,
        mean: per_channel(doc, of("mean"), raw.mean.take(), channels, 0.0, "finite numbers", |x| x.is_finite())?,
        std: per_channel(doc, of("std"), raw.std.take(), channels, 1.0, "numbers above 0", |x| {
            x.is_normal() && x > 0.0
        })?,
    }))
}

/// The preprocessing keys that a candidate has, each with its place in the text.
fn given(raw: &document::Candidate) -> Vec<(&'static str, Range<usize>)> {
    fn at<T>(value: &Option<Spanned<T>>) -> Option<Range<usize>> {
        value.as_ref().map(Spanned::span)
    }
    [
        ("size", at(&raw.size)),
        ("channels", at(&raw.channels)),
        ("order", at(&raw.order)),
        ("layout", at(&raw.layout)),
        ("resize", at(&raw.resize)),
        ("crop", at(&raw.crop)),
        ("filter", at(&raw.filter)),
        ("mean", at(&raw.mean)),
        ("std", at(&raw.std)),
    ]
    .into_iter()
    .filter_map(|(key, span)| Some((key, span?)))
    .collect()
}

fn size(doc: &Document<'_>, what: String, table: Range<usize>, raw: Option<Spanned<Vec<i64>>>) -> Result<[u32; 2]> {
    let remedy = "give the size of the network's input, e.g. [224, 224]";
    let Some(raw) = raw else {
        return Err(doc.error(table, what, "[width, height] in px", "no such key", remedy));
    };
    let side = |n: i64| u32::try_from(n).ok().filter(|n| (1..=MAX_INPUT_SIDE_PX).contains(n));
    if let [width, height] = raw.get_ref()[..]
        && let (Some(width), Some(height)) = (side(width), side(height))
    {
        return Ok([width, height]);
    }
    let expected = format!("[width, height] with sides of 1 to {MAX_INPUT_SIDE_PX} px");
    Err(doc.error(raw.span(), what, expected, format_args!("{:?}", raw.get_ref()), remedy))
}

fn resize(
    doc: &Document<'_>,
    of: impl Fn(&str) -> String,
    resize: Option<Spanned<String>>,
    crop: Option<Spanned<f64>>,
) -> Result<Resize> {
    let cropped = choice(doc, of("resize"), resize, &[("stretch", false), ("crop", true)])?;
    match (cropped, crop) {
        (false, None) => Ok(Resize::Stretch),
        (false, Some(crop)) => {
            let remedy = "set `resize = \"crop\"`, or remove `crop`";
            Err(doc.error(
                crop.span(),
                of("crop"),
                "the key only with resize = \"crop\"",
                "resize = \"stretch\"",
                remedy,
            ))
        }
        (true, None) => Ok(Resize::ShorterSideCrop { fraction: 0.875 }),
        (true, Some(crop)) => {
            let fraction = *crop.get_ref() as f32;
            if (MIN_CROP_FRACTION..=1.0).contains(&fraction) {
                return Ok(Resize::ShorterSideCrop { fraction });
            }
            Err(doc.error(
                crop.span(),
                of("crop"),
                format_args!("a number in [{MIN_CROP_FRACTION}, 1]"),
                crop.get_ref(),
                "give the part to keep, e.g. 0.875",
            ))
        }
    }
}

/// The numbers of a key that takes one number per channel. Each, as an `f32`, must satisfy `allowed`.
fn per_channel(
    doc: &Document<'_>,
    what: String,
    raw: Option<Spanned<Vec<f64>>>,
    channels: u32,
    default: f32,
    expected: &str,
    allowed: impl Fn(f32) -> bool,
) -> Result<Vec<f32>> {
    let Some(raw) = raw else { return Ok(vec![default; channels as usize]) };
    let values: Vec<f32> = raw.get_ref().iter().map(|&x| x as f32).collect();
    if values.len() != channels as usize {
        let expected = format!("as many values as channels, {channels}");
        return Err(doc.error(raw.span(), what, expected, values.len(), "give one value a channel"));
    }
    if let Some(i) = values.iter().position(|&x| !allowed(x)) {
        let got = raw.get_ref()[i];
        return Err(doc.error(raw.span(), what, expected, got, "give the value that the network was trained with"));
    }
    Ok(values)
}

/// The value that a key's word stands for; the default where the key is absent.
fn choice<T: Copy + Default>(
    doc: &Document<'_>,
    what: impl Display,
    raw: Option<Spanned<String>>,
    words: &[(&str, T)],
) -> Result<T> {
    let Some(raw) = raw else { return Ok(T::default()) };
    if let Some((_, value)) = words.iter().find(|(word, _)| word == raw.get_ref()) {
        return Ok(*value);
    }
    let expected = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
    Err(doc.error(raw.span(), what, expected, format_args!("{:?}", raw.get_ref()), "correct the value"))
}

/// The path that a key gives. A relative one counts from the bundle's folder.
fn path(doc: &Document<'_>, what: impl Display, raw: &Option<Spanned<String>>) -> Result<Option<PathBuf>> {
    match raw {
        None => Ok(None),
        Some(raw) if raw.get_ref().is_empty() => {
            Err(doc.error(raw.span(), what, "a path", "an empty string", "name a file, or remove the key"))
        }
        Some(raw) => Ok(Some(doc.dir.join(raw.get_ref()))),
    }
}

/// A file or folder that the document names, and the line that names it.
pub(super) struct Reference {
    object: String,
    path: PathBuf,
    /// Where this other file exists, the named one may be missing.
    instead: Option<PathBuf>,
    folder: bool,
    premodel: bool,
    remedy: &'static str,
}

impl Reference {
    fn file(at: String, what: impl Display, path: PathBuf, remedy: &'static str) -> Self {
        Reference { object: format!("{at}: {what}"), path, instead: None, folder: false, premodel: false, remedy }
    }

    fn folder(at: String, what: impl Display, path: PathBuf, remedy: &'static str) -> Self {
        Reference { folder: true, ..Reference::file(at, what, path, remedy) }
    }

    fn premodel(at: String, path: PathBuf) -> Self {
        let remedy = "train one, or remove the key";
        Reference { premodel: true, ..Reference::file(at, "`premodel`", path, remedy) }
    }

    /// Checks that the file or folder exists.
    pub(super) fn look(&self, premodel_needed: bool) -> Result<()> {
        let there = if self.folder { self.path.is_dir() } else { self.path.is_file() };
        let instead = self.instead.as_ref().is_some_and(|path| path.is_file());
        if there || instead || (self.premodel && !premodel_needed) {
            return Ok(());
        }
        let what = if self.folder { "a folder" } else { "a file" };
        let got = format!("none at {}", self.path.display());
        Err(Error::expected(ErrorKind::Io, &self.object, what, got, self.remedy))
    }
}
