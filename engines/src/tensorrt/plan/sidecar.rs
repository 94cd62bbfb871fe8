//! The sidecar of a plan: `X.plan.json` beside `X.plan`, written with it ([`write()`]), says what the plan was built from, for
//! what, and its SHA-256.
//!
//! ```json
//! {
//!   "format": 1,
//!   "sha256": "…",
//!   "size_bytes": 308916,
//!   "edition": "rtx",
//!   "version": "1.7.1.116",
//!   "compute_capability": ["8.0"],
//!   "precision": "fp32",
//!   "version_compatible": false,
//!   "onnx": "nano.onnx",
//!   "onnx_sha256": "…",
//!   "built_at": "2026-11-21T10:30:43Z",
//!   "build_seconds": 0.412,
//!   "by": "trt-select 0.1.0",
//!   "verified": {
//!     "samples": 500,
//!     "inputs": "t10k-images-idx3-ubyte.gz",
//!     "top1_agreement": 0.998,
//!     "largest_difference": 0.001249332,
//!     "with": "onnxruntime 1.32.0"
//!   },
//!   "check": "…"
//! }
//! ```
//!
//! | key | meaning |
//! | --- | --- |
//! | `format` | version of the file's form: 1 |
//! | `sha256`, `size_bytes` | of the plan |
//! | `edition`, `version` | of the library that built it: `"tensorrt"` or `"rtx"`, and four numbers |
//! | `compute_capability` | GPUs that it was built for; empty where that is not known |
//! | `precision` | `"fp32"`, `"fp16"` or `"int8"` |
//! | `version_compatible` | whether newer libraries of the same major version may run it, and 10 what 8.6 built |
//! | `onnx`, `onnx_sha256` | name of the model's file, and its SHA-256 |
//! | `built_at`, `build_seconds`, `by` | when (UTC), in what time, and by which release |
//! | `verified` | how the plan answered beside its model; only where that was looked at. See [`Verified`] |
//! | `check` | SHA-256 of this file's text without this key |
//!
//! A sidecar is a record, not a place for settings: one that is not, byte for byte, what [`write()`] wrote is refused.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use trt_select_base::file::Draft;

use super::Capabilities;
use super::file::PlanFile;
use super::hash::sha256;
use super::header::PlanHeader;
use crate::tensorrt::{Edition, Version};
use crate::{Error, ErrorKind, Precision};

/// The version of the sidecar's form that this release reads and writes.
pub const FORMAT: u32 = 1;

/// Largest sidecar that is read, in bytes.
const MAX_BYTES: u64 = 64 << 10;

const REBUILD: &str = "build the plan again";

/// What a plan was built from, by what, and for what.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sidecar {
    /// SHA-256 of the plan, in small hexadecimal digits.
    pub sha256: String,
    /// Size of the plan, in bytes.
    pub size_bytes: u64,
    /// Product that built it.
    pub edition: Edition,
    /// Version that built it.
    pub version: Version,
    /// Compute capabilities that it was built for; empty where that is not known.
    pub compute_capabilities: Vec<(u32, u32)>,
    /// Arithmetic that it was built for.
    pub precision: Precision,
    /// Whether newer libraries of the same major version may run it, and 10 what 8.6 built.
    pub version_compatible: bool,
    /// Name of the model's file, without its folder.
    pub onnx: String,
    /// SHA-256 of the model's file, in small hexadecimal digits.
    pub onnx_sha256: String,
    /// When it was built: UTC, as `2026-11-21T10:30:43Z`.
    pub built_at: String,
    /// How long that took, in seconds.
    pub build_seconds: f64,
    /// Which program built it.
    pub by: String,
    /// How it answered beside its model; `None` where nobody has looked.
    pub verified: Option<Verified>,
}

/// How a plan and the model that it was built from answered the same inputs. Both outputs are taken as class probabilities: softmax
/// makes them of logits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// Number of inputs, at least 1.
    pub samples: u64,
    /// What the inputs were, for people to read: the name of the samples' file, or that they were random.
    pub inputs: String,
    /// Part of the inputs to which both gave the same most probable class, in 0..=1.
    pub top1_agreement: f64,
    /// Largest difference of a class's two probabilities, over all inputs and classes, in 0..=1.
    pub largest_difference: f64,
    /// The engine that ran the model, with its version: `onnxruntime 1.32.0`, `tract 0.23.9`.
    pub with: String,
}

impl Verified {
    /// The key whose value is not possible, with that value.
    fn wrong(&self) -> Option<(&'static str, String)> {
        let is_part = |value: f64| (0.0..=1.0).contains(&value);
        [
            (self.samples > 0, "verified.samples", self.samples.to_string()),
            (is_part(self.top1_agreement), "verified.top1_agreement", self.top1_agreement.to_string()),
            (is_part(self.largest_difference), "verified.largest_difference", self.largest_difference.to_string()),
        ]
        .into_iter()
        .find_map(|(is_possible, key, value)| (!is_possible).then_some((key, value)))
    }
}

/// What a sidecar records beside the plan itself.
#[derive(Clone, Debug)]
pub struct Built<'a> {
    /// Product that built the plan.
    pub edition: Edition,
    /// Version that built it.
    pub version: Version,
    /// Compute capabilities that were asked for; empty for the GPU at hand, unless it is known.
    pub compute_capabilities: Vec<(u32, u32)>,
    /// Arithmetic that it was built for.
    pub precision: Precision,
    /// Whether other versions may run it.
    pub version_compatible: bool,
    /// The model's file.
    pub onnx: &'a Path,
    /// SHA-256 of the model's file as it was when the build began.
    pub onnx_sha256: String,
    /// When it was built: UTC, as `2026-11-21T10:30:43Z`.
    pub built_at: String,
    /// How long the build took.
    pub took: Duration,
}

/// The file's JSON object, in the order of its keys.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    sha256: String,
    size_bytes: u64,
    edition: String,
    version: String,
    compute_capability: Vec<String>,
    precision: String,
    version_compatible: bool,
    onnx: String,
    onnx_sha256: String,
    built_at: String,
    build_seconds: f64,
    by: String,
    // Releases before this key wrote sidecars without it. These are written again as they were, so that their check still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified: Option<Verified>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    check: String,
}

impl Document {
    fn text(&self) -> String {
        // Serializing numbers and strings cannot fail. (A number that JSON cannot express, such as an infinite build time, is refused before.)
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// The file's text, with its check filled in.
    fn signed(mut self) -> String {
        self.check = String::new();
        self.check = sha256(self.text().as_bytes());
        self.text()
    }
}

/// Where the sidecar of a plan lies: at the plan's name with `.json` added. If the plan is a link, the name is that of the file that the
/// link leads to, so that a plan has one sidecar whatever name it is reached by. There is one exception, for stores that name files by
/// their content and link plan and sidecar one by one: a sidecar beside the link is taken if there is none beside the file. The path is
/// given whether or not a sidecar is there.
pub fn path_of(plan: &Path) -> PathBuf {
    let beside = |plan: &Path| {
        let mut path = plan.as_os_str().to_owned();
        path.push(".json");
        PathBuf::from(path)
    };
    let here = beside(plan);
    match plan.canonicalize() {
        Ok(file) if fs::symlink_metadata(plan).is_ok_and(|found| found.is_symlink()) => {
            let there = beside(&file);
            if here.exists() && !there.exists() { here } else { there }
        }
        _ => here,
    }
}

/// Whether these bytes look like a sidecar, whole or damaged, judged by their keys: something that may be replaced with a new one.
pub fn resembles(bytes: &[u8]) -> bool {
    const KEYS: [&str; 8] = [
        "sha256",
        "size_bytes",
        "edition",
        "compute_capability",
        "version_compatible",
        "onnx_sha256",
        "build_seconds",
        "check",
    ];
    let text = String::from_utf8_lossy(bytes);
    KEYS.iter().filter(|key| text.contains(&format!("\"{key}\":"))).count() >= KEYS.len() / 2
}

impl Sidecar {
    /// The sidecar of a plan that was just built.
    ///
    /// # Errors
    /// [`ErrorKind::Build`] if the library gave something that is no plan of its own.
    pub fn new(plan: &[u8], built: &Built<'_>) -> Result<Sidecar, Error> {
        let name = built.onnx.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let header = PlanHeader::parse(Path::new("the plan built"), plan)
            .map_err(|e| e.within(built.onnx.display()).with_kind(ErrorKind::Build))?;
        // Where the header names edition and version, it is more reliable than the caller.
        let (edition, version) = (header.edition, header.version.unwrap_or(built.version));
        if edition != built.edition || !version.is_same(built.version) {
            let line = format!(
                "{}: expected a plan of {} {}, got one of {edition} {version} from it; check the library",
                built.onnx.display(),
                built.edition,
                built.version
            );
            return Err(Error::new(ErrorKind::Build, line));
        }
        let capabilities = &header.compute_capabilities;
        let capabilities = if capabilities.is_empty() { &built.compute_capabilities } else { capabilities };
        let seconds = built.took.as_secs_f64();
        Ok(Sidecar {
            sha256: sha256(plan),
            size_bytes: plan.len() as u64,
            edition,
            version,
            compute_capabilities: capabilities.clone(),
            precision: built.precision,
            version_compatible: built.version_compatible,
            onnx: name,
            onnx_sha256: built.onnx_sha256.clone(),
            built_at: built.built_at.clone(),
            build_seconds: (seconds * 1e3).round() / 1e3,
            by: concat!("trt-select ", env!("CARGO_PKG_VERSION")).to_owned(),
            verified: None,
        })
    }

    /// Reads the sidecar of the plan at `plan`; `None` if there is none.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if it is there and cannot be read;
    /// - [`ErrorKind::Plan`] if it is not, byte for byte, a sidecar as this release writes them.
    pub fn read(plan: &Path) -> Result<Option<Sidecar>, Error> {
        let path = path_of(plan);
        let unreadable = |e: io::Error| {
            let line = format!("{}: expected a readable file, got {e}; check it, or remove it", path.display());
            Error::new(ErrorKind::Io, line).caused_by(e)
        };
        let bytes = match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(unreadable(e)),
            Ok(meta) if !meta.is_file() => return Err(unreadable(io::Error::other("a folder, a device or a pipe"))),
            Ok(_) => {
                let mut bytes = Vec::new();
                let read = File::open(&path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes));
                read.map_err(unreadable)?;
                bytes
            }
        };
        Sidecar::parse(&path, &bytes).map(Some)
    }

    /// The sidecar that `bytes` are. `path` is for the errors' lines.
    ///
    /// # Errors
    /// [`ErrorKind::Plan`] if they are not, byte for byte, a sidecar as this release writes them.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Sidecar, Error> {
        let wrong = |expected: &str, got: &dyn std::fmt::Display| {
            let line = format!("{}: expected {expected}, got {got}; {REBUILD}", path.display());
            Error::new(ErrorKind::Plan, line)
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(wrong("a plan's sidecar", &"a file larger than 64 KiB"));
        }
        // The format's number is read first: files of another format may have other keys.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        if let Ok(head) = serde_json::from_slice::<Head>(bytes)
            && head.format != FORMAT
        {
            return Err(wrong("a sidecar of format 1", &format_args!("format {}", head.format)));
        }
        let document: Document =
            serde_json::from_slice(bytes).map_err(|e| wrong("a plan's sidecar in its JSON form", &e))?;
        let sidecar = Sidecar::of(&document).map_err(|(key, got)| wrong(&format!("a value for `{key}`"), &got))?;
        if document.signed().as_bytes() != bytes {
            return Err(wrong("a sidecar as it was written with its plan", &"one that was changed since"));
        }
        Ok(sidecar)
    }

    fn of(document: &Document) -> Result<Sidecar, (&'static str, String)> {
        let quoted = |text: &str| format!("{text:?}");
        let wrong = |key: &'static str, text: &str| (key, quoted(text));
        let hash = |key, text: &str| {
            let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            if text.len() == 64 && text.bytes().all(hex) { Ok(text.to_owned()) } else { Err(wrong(key, text)) }
        };
        let edition = match document.edition.as_str() {
            "tensorrt" => Edition::Enterprise,
            "rtx" => Edition::Rtx,
            other => return Err(wrong("edition", other)),
        };
        let precisions = [Precision::Fp32, Precision::Fp16, Precision::Int8];
        let precision = precisions.into_iter().find(|p| p.name() == document.precision);
        let capability = |text: &String| {
            numbers::<2>(text).map(|[major, minor]| (major, minor)).ok_or_else(|| wrong("compute_capability", text))
        };
        if !(document.build_seconds.is_finite() && document.build_seconds >= 0.0) {
            return Err(("build_seconds", document.build_seconds.to_string()));
        }
        if let Some(wrong) = document.verified.as_ref().and_then(Verified::wrong) {
            return Err(wrong);
        }
        let [major, minor, patch, build] =
            numbers::<4>(&document.version).ok_or_else(|| wrong("version", &document.version))?;
        Ok(Sidecar {
            sha256: hash("sha256", &document.sha256)?,
            size_bytes: document.size_bytes,
            edition,
            version: Version { major, minor, patch, build },
            compute_capabilities: document.compute_capability.iter().map(capability).collect::<Result<_, _>>()?,
            precision: precision.ok_or_else(|| wrong("precision", &document.precision))?,
            version_compatible: document.version_compatible,
            onnx: document.onnx.clone(),
            onnx_sha256: hash("onnx_sha256", &document.onnx_sha256)?,
            built_at: document.built_at.clone(),
            build_seconds: document.build_seconds,
            by: document.by.clone(),
            verified: document.verified.clone(),
        })
    }

    /// The file's text.
    pub fn text(&self) -> String {
        let Version { major, minor, patch, build } = self.version;
        Document {
            format: FORMAT,
            sha256: self.sha256.clone(),
            size_bytes: self.size_bytes,
            edition: match self.edition {
                Edition::Enterprise => "tensorrt".to_owned(),
                Edition::Rtx => "rtx".to_owned(),
            },
            version: format!("{major}.{minor}.{patch}.{build}"),
            compute_capability: self.compute_capabilities.iter().map(|(a, b)| format!("{a}.{b}")).collect(),
            precision: self.precision.name().to_owned(),
            version_compatible: self.version_compatible,
            onnx: self.onnx.clone(),
            onnx_sha256: self.onnx_sha256.clone(),
            built_at: self.built_at.clone(),
            build_seconds: self.build_seconds,
            by: self.by.clone(),
            verified: self.verified.clone(),
            check: String::new(),
        }
        .signed()
    }

    /// Compares the plan with this record: size, product, version, GPUs, and SHA-256, for which the whole plan is read.
    ///
    /// # Errors
    /// - [`ErrorKind::Plan`] if one of them differs;
    /// - [`ErrorKind::Io`] if the plan cannot be read.
    pub fn check_against(&self, plan: &PlanFile) -> Result<(), Error> {
        let differs = |expected: String, got: String| {
            let name = path_of(plan.path());
            let name = name.file_name().unwrap_or_default().to_string_lossy();
            let line = format!("{}: expected {expected} as {name} says, got {got}; {REBUILD}", plan.path().display());
            Err(Error::new(ErrorKind::Plan, line))
        };
        let header = plan.header();
        if self.size_bytes != plan.size_bytes() {
            return differs(format!("{} bytes", self.size_bytes), plan.size_bytes().to_string());
        }
        let version = header.version.unwrap_or(self.version);
        if header.edition != self.edition || !version.is_same(self.version) {
            return differs(
                format!("a plan of {} {}", self.edition, self.version),
                format!("one of {} {version}", header.edition),
            );
        }
        let told = &header.compute_capabilities;
        if !told.is_empty() && *told != self.compute_capabilities {
            let list = |list| format!("compute capabilities [{}]", Capabilities(list));
            return differs(list(&self.compute_capabilities), list(told));
        }
        let found = plan.sha256()?;
        if found != self.sha256 {
            return differs(format!("SHA-256 {}", self.sha256), found);
        }
        plan.check_unchanged()
    }
}

/// `N` numbers with dots between them, such as `10.3.0.26`; `None` for any other text.
fn numbers<const N: usize>(text: &str) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut parts = text.split('.');
    for number in &mut numbers {
        *number = parts.next()?.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Puts a plan and its sidecar into their places. Both are first written to files beside their places and brought to the disk; then they
/// are renamed, the plan before its sidecar. Files that were there before stay whole until then, and stay there if this fails. (A crash
/// between the two renames leaves a new plan with an old sidecar, which is refused because its SHA-256 differs.) A place that is a link
/// stays one: the file that it leads to is replaced. Only a link that leads nowhere is replaced itself. [`path_of`] says where the sidecar
/// goes.
///
/// # Errors
/// [`ErrorKind::Io`] if one of them cannot be written.
pub fn write(plan: &Path, bytes: &[u8], sidecar: &Sidecar) -> Result<(), Error> {
    let beside = path_of(plan);
    let plan_draft = draft(plan, bytes)?;
    let sidecar_draft = draft(&beside, sidecar.text().as_bytes())?;
    plan_draft.persist().map_err(|e| unwritable(plan, e))?;
    sidecar_draft.persist().map_err(|e| unwritable(&beside, e))
}

/// Replaces the sidecar of a plan that stays as it is. [`write()`] says how files are replaced.
///
/// # Errors
/// [`ErrorKind::Io`] if it cannot be written.
pub fn rewrite(plan: &Path, sidecar: &Sidecar) -> Result<(), Error> {
    let beside = path_of(plan);
    draft(&beside, sidecar.text().as_bytes())?.persist().map_err(|e| unwritable(&beside, e))
}

/// A file that is written, and not in its place yet.
fn draft(place: &Path, bytes: &[u8]) -> Result<Draft, Error> {
    let mut draft = Draft::new(place).map_err(|e| unwritable(place, e))?;
    if draft.is_straight() {
        return Err(unwritable(place, io::Error::other("a device or a pipe")));
    }
    draft.write(bytes).map_err(|e| unwritable(place, e))?;
    Ok(draft)
}

fn unwritable(path: &Path, e: io::Error) -> Error {
    let line =
        format!("{}: expected a file that can be written, got {e}; choose another, or make room", path.display());
    Error::new(ErrorKind::Io, line).caused_by(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(numbers::<2>("8.6"), Some([8, 6]));
        assert_eq!(numbers::<4>("10.3.0.26"), Some([10, 3, 0, 26]));
        for wrong in ["8", "8.", "8.6.1", "8.x", "", ".", "-8.6"] {
            assert_eq!(numbers::<2>(wrong), None, "{wrong}");
        }
    }
}
