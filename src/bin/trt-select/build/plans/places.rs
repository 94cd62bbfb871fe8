//! Checks the places that plans are written to, so that no other file is lost: a plan and its sidecar may only replace files that
//! TensorRT or trt-select wrote.

use std::fs::{self, File};
use std::io::{ErrorKind as Io, Read};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trt_select::bundle::{Bundle, FILE_NAME, SampleSource};
use trt_select::engines::tensorrt::{plan, sidecar};
use trt_select::{Error, ErrorKind, Result};

use super::super::Args;
use super::{Job, file_name};
use crate::common::unwritable;

/// What is in the place that a plan is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing, or a plan that trt-select built.
    Ours,
    /// A plan without a sidecar, which trt-select did not build.
    Foreign,
}

/// Looks at the plan and the sidecar that would be replaced.
///
/// # Errors
/// If there is a file in the plan's place that is no plan, or a file in the sidecar's place that is no sidecar.
pub(super) fn look(plan: &Path) -> Result<Place> {
    let beside = sidecar::path_of(plan);
    // A damaged sidecar is still recognised by its keys, since the remedy for it is to build the plan again.
    let has_sidecar = match start(&beside, 1 << 16)? {
        Some(bytes) if bytes.is_empty() || sidecar::resembles(&bytes) => !bytes.is_empty(),
        Some(_) => return Err(foreign(&beside, "a plan's sidecar, or nothing", "another file")),
        None => false,
    };
    // In the same way, a plan that was cut short is recognised by its first bytes.
    match start(plan, 4)? {
        Some(bytes) if bytes.is_empty() => Ok(Place::Ours),
        Some(bytes) if plan::MAGICS.iter().any(|magic| bytes == *magic) => {
            Ok(if has_sidecar { Place::Ours } else { Place::Foreign })
        }
        Some(_) => Err(foreign(plan, "a plan, or nothing", "another file")),
        None => Ok(Place::Ours),
    }
}

fn foreign(path: &Path, expected: &str, got: &str) -> Error {
    let remedy = "choose another place for the plan, or move that file away";
    Error::expected(ErrorKind::Io, path.display(), expected, got, remedy)
}

/// The first bytes of a file, at most `most` of them; `None` if there is no file.
fn start(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let unreadable = |e| {
        let remedy = "check that file and its permissions, or choose another place for the plan";
        Error::expected(ErrorKind::Io, path.display(), "a readable file, or nothing", e, remedy)
    };
    match fs::metadata(path) {
        Err(e) if e.kind() == Io::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e)),
        Ok(found) if !found.is_file() => {
            let got = if found.is_dir() { "a folder" } else { "a device or a pipe" };
            return Err(foreign(path, "a file, or nothing", got));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable)?;
    Ok(Some(bytes))
}

/// Checks that a job's plan and sidecar would not replace its model.
///
/// # Errors
/// If one of them would.
pub(super) fn apart_from_model(job: &Job) -> Result<()> {
    let model = resolved(&job.onnx);
    match [job.plan.clone(), sidecar::path_of(&job.plan)].into_iter().find(|path| resolved(path) == model) {
        None => Ok(()),
        Some(path) => Err(Error::expected(
            ErrorKind::Usage,
            path.display(),
            "another file than the model",
            "the same",
            "choose another with -o",
        )),
    }
}

/// Checks that the jobs write no file that the bundle names for another purpose, whether it exists or not, and that no two
/// candidates have the same file as plan or sidecar. (A candidate whose model is not here may share another candidate's plan.)
///
/// # Errors
/// If a file would have two purposes.
pub(super) fn apart_in_bundle(bundle: &Bundle, jobs: &[Job]) -> Result<()> {
    let clash = |name: &str, expected: &str, path: &Path, what: &str| {
        let (object, got) = (format!("candidate {name}"), format!("{}, {what}", path.display()));
        Err(Error::expected(ErrorKind::Bundle, object, expected, got, "give it another `plan` in bundle.toml"))
    };
    let named = named(bundle);
    for job in jobs {
        for path in [job.plan.clone(), sidecar::path_of(&job.plan)] {
            if let Some((_, what)) = named.iter().find(|(named, _)| *named == resolved(&path)) {
                return clash(&job.name, "a place of its own for its plan", &path, what);
            }
        }
    }
    let is_job = |name: &str| jobs.iter().any(|job| job.name == name);
    let places: Vec<_> = bundle
        .candidates
        .iter()
        .map(|spec| {
            let plan = spec.plan_path(bundle);
            let files = [resolved(&plan), resolved(&sidecar::path_of(&plan))];
            // The last element says whether the plan can be built here. One that cannot is only run, so it may be shared.
            (spec.name.as_str(), plan, files, spec.onnx.as_ref().is_some_and(|onnx| onnx.is_file()))
        })
        .collect();
    for (i, (name, plan, files, built)) in places.iter().enumerate() {
        for (other, _, others, other_built) in &places[..i] {
            if !is_job(name) && !is_job(other) {
                continue;
            }
            if files[0] == others[0] && *built && *other_built {
                return clash(name, "a plan of its own", plan, &format!("that of {other} too"));
            }
            if files[0] == others[1] {
                return clash(name, "a place of its own for its plan", plan, &format!("where {other}'s sidecar goes"));
            }
            if files[1] == others[0] {
                let what = format!("which is {other}'s plan");
                return clash(name, "a place of its own for its plan's sidecar", &sidecar::path_of(plan), &what);
            }
        }
    }
    Ok(())
}

/// All files that a bundle names except plans. Each comes with a description for people to read.
fn named(bundle: &Bundle) -> Vec<(PathBuf, String)> {
    let mut named = vec![(bundle.dir.join(FILE_NAME), "the bundle's own text".to_owned())];
    let mut add = |path: &Path, what: &str| named.push((path.to_path_buf(), what.to_owned()));
    for (path, key) in [(&bundle.premodel, "premodel"), (&bundle.labels_file, "labels")] {
        if let Some(path) = path {
            add(path, &format!("the bundle's `{key}`"));
        }
    }
    match &bundle.samples {
        Some(SampleSource::Idx { images, labels }) => {
            add(images, "the bundle's samples");
            if let Some(labels) = labels {
                add(labels, "the labels of the bundle's samples");
            }
        }
        Some(SampleSource::List { list: file, .. } | SampleSource::Table { table: file }) => {
            add(file, "the bundle's samples");
        }
        Some(SampleSource::Files { files }) => files.iter().for_each(|file| add(file, "one of the bundle's samples")),
        _ => {}
    }
    for spec in &bundle.candidates {
        if let Some(onnx) = &spec.onnx {
            add(onnx, &format!("the model of candidate {}", spec.name));
        }
    }
    named.into_iter().map(|(path, what)| (resolved(&path), what)).collect()
}

/// A path that is the same for all links and dots that lead to a file, also for a file that does not exist yet.
fn resolved(path: &Path) -> PathBuf {
    let in_folder = || Some(folder(path).canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_path_buf())
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A new folder beside a plan's place, for a plan that is not to take that place yet. Dropping it removes it with all that is in it.
///
/// # Errors
/// If it cannot be made.
pub(super) fn folder_beside(plan: &Path) -> Result<TempDir> {
    let place = resolved(plan);
    let prefix = format!(".{}.", file_name(&place));
    let made = tempfile::Builder::new().prefix(&prefix).suffix(".part").tempdir_in(folder(&place));
    made.map_err(|e| unwritable(plan, "-o, or `plan` in bundle.toml,", &e))
}

/// Checks that a plan and its sidecar can be written, since building takes minutes.
///
/// # Errors
/// If one of them cannot be written.
pub(super) fn writable(args: &Args, plan: &Path) -> Result<()> {
    let option = if args.source.is_dir() { "`plan` in bundle.toml" } else { "-o" };
    // If a place is a link, the file that it leads to will be replaced.
    for place in [resolved(plan), resolved(&sidecar::path_of(plan))] {
        let probe = folder(&place).join(format!(".{}.{}.probe", file_name(&place), std::process::id()));
        let opened = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&probe);
        let _ = fs::remove_file(&probe);
        opened.map_err(|e| unwritable(plan, option, &e))?;
    }
    Ok(())
}
