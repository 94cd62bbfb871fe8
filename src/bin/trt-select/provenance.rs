//! What a profile was made from: digests of samples and networks, which stand in its comments. From them and from the profile beside a
//! premodel it is told whether inputs or networks are those of the training.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use trt_select::bundle::{Bundle, CandidateSpec};
use trt_select::engines::registry::EngineKind;
use trt_select::samples::Samples;
use trt_select::{Error, ErrorKind, Result, read_premodel};
use trt_select_base::text::hex;
use trt_select_train::{Message, Profile, Warning, WarningKind};

/// The name of the profile that is looked for beside a premodel.
const BESIDE: &str = "profile.csv";

fn short(hash: Sha256) -> String {
    hex(&hash.finalize()[..8])
}

/// Number of the samples, and a digest of their names and labels. It says nothing about what the files hold.
pub(crate) fn samples_digest(samples: &Samples) -> String {
    let mut inputs = Sha256::new();
    for i in 0..samples.len() {
        inputs.update(format!("{:?}{:?}", samples.name(i), samples.label(i)));
    }
    format!("{} {}", samples.len(), short(inputs))
}

/// Digest of the files that the engine runs: TensorRT runs plans, whose models need not be on this machine; other engines run
/// models.
pub(crate) fn networks_digest(kind: EngineKind, bundle: &Bundle) -> Result<String> {
    let mut networks = Sha256::new();
    for spec in &bundle.candidates {
        let (path, key) = network(kind, bundle, spec);
        // The null engine needs no file.
        let Some(path) = path.filter(|path| key == "plan" || path.exists()) else { continue };
        // The file is hashed in pieces, since a plan may be larger than the free memory.
        let hashed = File::open(&path).and_then(|file| {
            let mut reader = BufReader::with_capacity(1 << 16, file);
            loop {
                let piece = reader.fill_buf()?;
                if piece.is_empty() {
                    return Ok(());
                }
                networks.update(piece);
                let len = piece.len();
                reader.consume(len);
            }
        });
        hashed.map_err(|e| {
            let remedy = format!("correct `{key}` in bundle.toml");
            Error::expected(ErrorKind::Io, path.display(), "a network", e, remedy)
        })?;
    }
    Ok(short(networks))
}

/// The file that an engine runs for a candidate, and the key of bundle.toml that names it.
fn network(kind: EngineKind, bundle: &Bundle, spec: &CandidateSpec) -> (Option<PathBuf>, &'static str) {
    match kind {
        EngineKind::Tensorrt => (Some(spec.plan_path(bundle)), "plan"),
        _ => (spec.onnx.clone(), "onnx"),
    }
}

/// The profile that a premodel was trained on.
struct TrainedOn {
    path: PathBuf,
    bytes: Vec<u8>,
    comments: BTreeMap<String, String>,
}

impl TrainedOn {
    /// The file `profile.csv` beside a bundle's premodel. `None` where there is none, or it is not what the premodel was trained on: its
    /// SHA-256 is another one. That is so, too, where several recordings were joined.
    fn beside(premodel: &Path) -> Option<TrainedOn> {
        let trained_on = read_premodel(premodel).ok()?.profile?;
        let path = premodel.with_file_name(BESIDE);
        let bytes = std::fs::read(&path).ok()?;
        if hex(&Sha256::digest(&bytes)) != trained_on.sha256 {
            return None;
        }
        // The comments that are asked for stand at the head of the file.
        let head = bytes.split(|&byte| byte == b'\n').take_while(|line| line.starts_with(b"#"));
        let comments = head.filter_map(|line| {
            let (key, value) = std::str::from_utf8(line).ok()?.strip_prefix('#')?.split_once(':')?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        });
        let comments = comments.collect();
        Some(TrainedOn { path, bytes, comments })
    }

    /// A warning if the bundle's networks are others than those that were profiled. A file that is not on this machine tells nothing.
    fn other_networks(&self, bundle: &Bundle) -> Option<Warning> {
        let engine = self.comments.get("engine")?;
        let is_tensorrt = engine.to_ascii_lowercase().starts_with("tensorrt");
        let kind = if is_tensorrt { EngineKind::Tensorrt } else { EngineKind::Tract };
        let is_there = |spec: &CandidateSpec| network(kind, bundle, spec).0.is_some_and(|path| path.is_file());
        if !bundle.candidates.iter().all(is_there) {
            return None;
        }
        let (then, now) = (self.comments.get("networks")?, networks_digest(kind, bundle).ok()?);
        (*then != now).then(|| {
            let object = format!("{}: networks", bundle.dir.display());
            let expected = format!("those that the premodel was trained for ({then} in {})", self.path.display());
            let got = format!("{now}, so files were exchanged or built anew since");
            let remedy = "its thresholds may not hold: profile them and train anew";
            Warning::new(WarningKind::OtherNetworks, Message::new(object, expected, got, remedy))
        })
    }

    /// A warning if training saw the first `count` samples, or some of them.
    fn seen_inputs(&self, bundle: &Bundle, samples: &Samples, count: usize) -> Option<Warning> {
        let profile = Profile::parse(&self.path.display().to_string(), &self.bytes).ok()?;
        let labels: HashMap<&str, Option<u32>> =
            profile.inputs.iter().map(String::as_str).zip(profile.labels.iter().copied()).collect();
        let is_seen = |i: &usize| labels.get(samples.name(*i).as_str()) == Some(&samples.label(*i));
        let count = count.min(samples.len());
        let seen = (0..count).filter(is_seen).count();
        // Equal digests say that all samples have the names and labels of those that were profiled. Otherwise the files may be others.
        let (are, remedy) = if self.comments.get("samples") == Some(&samples_digest(samples)) {
            ("that it saw", "the results are too good for other inputs: bench on those")
        } else {
            ("with names and labels of inputs that it saw", "if they are the same, the results are too good for others")
        };
        (seen > 0).then(|| {
            let object = format!("{}: samples", bundle.dir.display());
            let expected = format!("inputs that training did not see ({})", self.path.display());
            let message = Message::new(object, expected, format!("{seen} of {count} {are}"), remedy);
            Warning::new(WarningKind::SeenInputs, message)
        })
    }
}

/// Warns if the bundle's networks are not those that its premodel was trained for, and if its training saw the samples (of which so many
/// are used). This is told from the profile beside the premodel; where that is not there, there is no warning.
pub(crate) fn warn(bundle: &Bundle, samples: Option<(&Samples, usize)>) -> Vec<Warning> {
    let Some(trained_on) = bundle.premodel.as_deref().and_then(TrainedOn::beside) else { return Vec::new() };
    let mut warnings: Vec<Warning> = trained_on.other_networks(bundle).into_iter().collect();
    warnings.extend(samples.and_then(|(samples, count)| trained_on.seen_inputs(bundle, samples, count)));
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    warnings
}
