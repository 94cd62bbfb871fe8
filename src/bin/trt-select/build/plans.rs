//! Builds plans, one after the other.

mod places;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use indicatif::ProgressBar;
use jiff::Timestamp;
use serde_json::{Value, json};
use trt_select::bundle::Bundle;
use trt_select::cuda::driver::Context;
use trt_select::engines::Precision;
use trt_select::engines::tensorrt::plan::{Here, PlanFile, check, sha256_of_file};
use trt_select::engines::tensorrt::sidecar::{self, Built, Sidecar, Verified};
use trt_select::engines::tensorrt::weights::Weights;
use trt_select::engines::tensorrt::{BuildOptions, Edition, Library, Progress, build_plan_with, check_build};
use trt_select::{Error, ErrorKind, Result};
use trt_select_base::file::Draft;

use self::places::Place;
use self::verify::{Verification, percent};
use super::{Args, Target};
use crate::common::{line_of, print, print_json, progress, say};

/// One plan to build.
struct Job {
    /// The name in the output: the candidate's, or that of the model's file.
    name: String,
    onnx: PathBuf,
    plan: PathBuf,
    precision: Precision,
}

/// What has to be done for a job.
enum Todo {
    /// Nothing, since trt-select did not build the plan that is there and may not replace it.
    Keep,
    /// Nothing, since the plan that is there is up to date. This is its sidecar.
    UpToDate(Sidecar),
    /// The plan has to be built.
    Build { options: BuildOptions, onnx_sha256: String },
}

/// What was done for a job.
struct Done {
    /// The word that the output has for it.
    state: &'static str,
    sidecar: Option<Sidecar>,
}

/// Why a job failed.
struct Failure {
    /// What was not done, in the output's words.
    what: &'static str,
    error: Error,
    /// How the plan answered, if that is what it failed for.
    verified: Option<Verified>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure { what: "not built", error, verified: None }
    }
}

pub(super) fn build(args: &Args) -> Result<()> {
    let bundle = args.source.is_dir().then(|| Bundle::read_untrained(&args.source)).transpose()?;
    let jobs = match &bundle {
        Some(bundle) => jobs_of_bundle(args, bundle)?,
        None => vec![job_of_model(args)?],
    };
    // Building takes minutes and replaces files, so all jobs are checked before the first one is built. The checks that need no
    // library come first.
    let half_weights = jobs.iter().map(|job| look(args, job)).collect::<Result<Vec<Option<bool>>>>()?;
    let library = open_library()?;
    let gpu = match args.target {
        Target::Current => current_capability(args, &library)?,
        Target::Capability(major, minor) => (major, minor),
    };
    let verification = args.verify.then(|| Verification::open(args, bundle.as_ref(), &jobs, gpu)).transpose()?;
    let mut todos = Vec::with_capacity(jobs.len());
    for (job, half) in jobs.iter().zip(half_weights) {
        let todo = match half {
            Some(half) => prepare(args, &library, gpu, job, half)?,
            None => Todo::Keep,
        };
        if let Some(verification) = &verification {
            match &todo {
                Todo::Build { .. } => verification.try_model(job)?,
                Todo::UpToDate(sidecar) if !verification.is_recorded(sidecar) => verification.try_model(job)?,
                _ => {}
            }
        }
        todos.push(todo);
    }

    let mut report = Vec::with_capacity(jobs.len());
    let mut failed = Vec::new();
    for (job, todo) in jobs.iter().zip(todos) {
        let verification = verification.as_ref();
        let done = match todo {
            Todo::Keep => Ok(Done { state: "kept", sidecar: None }),
            Todo::UpToDate(sidecar) => up_to_date_one(job, sidecar, verification),
            Todo::Build { options, onnx_sha256 } => build_one(&library, gpu, job, &options, onnx_sha256, verification),
        };
        match done {
            Ok(done) => {
                if !args.json {
                    print(&line(job, &done))?;
                }
                report.push(as_json(job, &done));
            }
            Err(failure) => {
                if jobs.len() > 1 {
                    say(format_args!("{}: {}: {}", job.name, failure.what, line_of(&failure.error)));
                }
                report.push(failure_as_json(job, &failure));
                failed.push((job, failure.error));
            }
        }
    }
    if args.json {
        print_json(&json!({ "library": library.path().display().to_string(), "plans": report }))?;
    }
    outcome(args, &jobs, failed)
}

/// The error of the jobs that failed, if any did.
fn outcome(args: &Args, jobs: &[Job], mut failed: Vec<(&Job, Error)>) -> Result<()> {
    if jobs.len() == 1
        && let Some((_, error)) = failed.pop()
    {
        return Err(error);
    }
    if failed.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = failed.iter().map(|(job, _)| job.name.as_str()).collect();
    Err(Error::expected(
        ErrorKind::Engine,
        format_args!("build {}", args.source.display()),
        format_args!("{} plans", jobs.len()),
        format_args!("{} without {}", jobs.len() - failed.len(), names.join(", ")),
        "the lines above say why; the others are in place",
    ))
}

/// Opens a library that can build plans.
fn open_library() -> Result<Arc<Library>> {
    let library = Library::open()?;
    if library.is_runtime_only() {
        return Err(Error::expected(
            ErrorKind::Engine,
            library.path().display(),
            "a TensorRT that builds plans",
            format_args!("the runtime alone ({} {})", library.edition(), library.version()),
            "name a full library with TRT_SELECT_LIBNVINFER",
        ));
    }
    say(format_args!("Builder: {} {} ({})", library.edition(), library.version(), library.path().display()));
    Ok(library)
}

fn job_of_model(args: &Args) -> Result<Job> {
    let onnx = args.source.clone();
    let precision = if args.fp16 { Precision::Fp16 } else { Precision::Fp32 };
    // `main` has checked that -o was given.
    let plan = args.output.clone().unwrap_or_default();
    let job = Job { name: file_name(&onnx), onnx, plan, precision };
    places::apart_from_model(&job)?;
    Ok(job)
}

fn jobs_of_bundle(args: &Args, bundle: &Bundle) -> Result<Vec<Job>> {
    if let Some(unknown) = args.only.iter().find(|name| bundle.candidate(name).is_none()) {
        let names: Vec<&str> = bundle.candidates.iter().map(|c| c.name.as_str()).collect();
        let (expected, got) = (format!("one of {}", names.join(", ")), format!("{unknown:?}"));
        return Err(Error::expected(
            ErrorKind::Usage,
            "build: --only",
            expected,
            got,
            "name a candidate of the bundle",
        ));
    }
    let mut jobs: Vec<Job> = Vec::new();
    for spec in &bundle.candidates {
        if !args.only.is_empty() && !args.only.contains(&spec.name) {
            continue;
        }
        let plan = spec.plan_path(bundle);
        let object = || format!("candidate {}", spec.name);
        match &spec.onnx {
            Some(onnx) if onnx.is_file() => {
                jobs.push(Job { name: spec.name.clone(), onnx: onnx.clone(), plan, precision: spec.precision });
            }
            // The candidate's model is not here, so its plan cannot be built. The plan itself is here, since reading the bundle
            // has checked that one of the two exists.
            _ if args.only.is_empty() => {
                say(format_args!("{}: {} is kept: its ONNX model is not here", object(), plan.display()))
            }
            _ => {
                let remedy = "bring its ONNX here, or leave out --only";
                return Err(Error::expected(ErrorKind::Io, object(), "its ONNX model", "a plan only", remedy));
            }
        }
    }
    places::apart_in_bundle(bundle, &jobs)?;
    Ok(jobs)
}

/// Checks the files of a job. Returns whether the model's weights are half precision; `None` if the plan that is there must be
/// kept.
fn look(args: &Args, job: &Job) -> Result<Option<bool>> {
    // A plan that trt-select did not build is replaced only if the user has named that file or has given --force.
    if places::look(&job.plan)? == Place::Foreign && args.source.is_dir() && !args.force {
        let (plan, too) = (job.plan.display(), if args.verify { " or verified" } else { "" });
        say(format_args!(
            "{plan}: kept: it has no sidecar, so it was not built{too} by trt-select; --force replaces it"
        ));
        return Ok(None);
    }
    if job.precision == Precision::Int8 {
        return Err(Error::expected(
            ErrorKind::Engine,
            format_args!("candidate {}", job.name),
            "precision fp32 or fp16",
            "int8",
            "build that plan with trtexec and its calibration, into the place that the bundle names",
        ));
    }
    let half = Weights::of(&job.onnx)?.half();
    if half && job.precision == Precision::Fp32 {
        return Err(Error::expected(
            ErrorKind::Bundle,
            job.onnx.display(),
            "weights in fp32",
            "weights in fp16",
            "ask for fp16: --fp16, or `precision = \"fp16\"` in bundle.toml",
        ));
    }
    Ok(Some(half))
}

/// Decides what has to be done for a job. If its plan has to be built, checks that this library can build it and that it can be
/// written.
fn prepare(args: &Args, library: &Library, gpu: (u32, u32), job: &Job, half: bool) -> Result<Todo> {
    let onnx_sha256 = sha256_of_file(&job.onnx)?;
    if args.source.is_dir()
        && !args.force
        && let Some(sidecar) = up_to_date(args, library, gpu, job, &onnx_sha256)
    {
        return Ok(Todo::UpToDate(sidecar));
    }
    // Without a target TensorRT builds for this machine's GPU. A target is given only for another GPU, since some versions take
    // none.
    let target = (args.target != Target::Current).then_some(gpu);
    // A builder without a flag for half precision takes the precision from the model's weights. So a model with weights in half
    // precision is built as it is, and any other model is refused.
    let fp16 = job.precision == Precision::Fp16 && (library.line().has_fp16 || !half);
    if fp16 && !library.line().has_fp16 {
        return Err(Error::expected(
            ErrorKind::Unsupported,
            job.onnx.display(),
            format_args!("weights in fp16, which {} takes precision from", library.name()),
            "weights in fp32",
            "make an fp16 ONNX with plans/make-fp16.py and build that with --fp16 (in a bundle: name it as `onnx`, with \
             `precision = \"fp16\"`)",
        ));
    }
    let workspace_bytes = args.workspace.map(|mib| u64::from(mib) << 20);
    // The sources were read when the arguments were.
    let tactics = args.tactic_sources.as_ref().and_then(|text| text.parse().ok()).unwrap_or_default();
    let options = BuildOptions::default()
        .ordinal(args.device)
        .target(target)
        .fp16(fp16)
        .workspace_bytes(workspace_bytes)
        .version_compatible(args.version_compatible)
        .exclude_lean_runtime(args.exclude_lean_runtime)
        .tactics(tactics)
        .timing_cache(timing_cache(args, library, gpu));
    check_build(library, &job.onnx, &options)?;
    places::writable(args, &job.plan)?;
    Ok(Todo::Build { options, onnx_sha256 })
}

/// The file for the builder's timings. Those of another version or GPU are of no use, so by default each has a file of its own. RTX times
/// nothing while it builds.
fn timing_cache(args: &Args, library: &Library, (major, minor): (u32, u32)) -> Option<PathBuf> {
    if args.no_timing_cache {
        return None;
    }
    let in_bundle = args.source.is_dir() && library.edition() == Edition::Enterprise;
    let beside = || args.source.join(format!("timings-{}-sm_{major}{minor}.cache", library.version()));
    // Nobody named the default file, so a folder that cannot be written is no reason not to build.
    let is_writable = |path: &PathBuf| match Draft::new(path) {
        Ok(_) => true,
        Err(e) => {
            say(format_args!("Timings of this build are not kept: {}: {e}", path.display()));
            false
        }
    };
    args.timing_cache_file.clone().or_else(|| in_bundle.then(beside).filter(is_writable))
}

/// Verifies a plan that is up to date, if that is wanted and not recorded yet, and adds the record to its sidecar.
fn up_to_date_one(
    job: &Job,
    sidecar: Sidecar,
    verification: Option<&Verification<'_>>,
) -> std::result::Result<Done, Failure> {
    let sidecar = match verification {
        Some(verification) => verification.in_place(job, sidecar)?,
        None => sidecar,
    };
    Ok(Done { state: "up to date", sidecar: Some(sidecar) })
}

/// Builds the plan of a job, verifies it if that is wanted, and puts it and its sidecar into their places.
fn build_one(
    library: &Arc<Library>,
    gpu: (u32, u32),
    job: &Job,
    options: &BuildOptions,
    onnx_sha256: String,
    verification: Option<&Verification<'_>>,
) -> std::result::Result<Done, Failure> {
    let start = Instant::now();
    let mut bar = Bar::new(&job.name);
    let built = build_plan_with(library, &job.onnx, options, &mut |event| bar.show(event));
    bar.clear();
    let plan = built.map_err(Error::from)?;
    if sha256_of_file(&job.onnx).map_err(Error::from)? != onnx_sha256 {
        let (expected, got) = ("a model that stays as it is while its plan is built", "one that was written meanwhile");
        return Err(Error::expected(ErrorKind::Io, job.onnx.display(), expected, got, "build it again").into());
    }
    let about = Built {
        edition: library.edition(),
        version: library.version(),
        compute_capabilities: vec![gpu],
        precision: job.precision,
        version_compatible: options.version_compatible,
        onnx: &job.onnx,
        onnx_sha256,
        built_at: utc(Timestamp::now()),
        took: start.elapsed(),
    };
    let mut sidecar = Sidecar::new(&plan, &about).map_err(Error::from)?;
    if let Some(verification) = verification {
        sidecar.verified = Some(verification.before_its_place(job, &plan, &sidecar)?);
    }
    // Another program may have put a file there during the minutes of building.
    places::look(&job.plan)?;
    sidecar::write(&job.plan, &plan, &sidecar).map_err(Error::from)?;
    Ok(Done { state: "built", sidecar: Some(sidecar) })
}

/// A time to the second, as `2026-11-21T10:30:43Z`.
fn utc(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The compute capability of the GPU that TensorRT builds for without a target.
fn current_capability(args: &Args, library: &Library) -> Result<(u32, u32)> {
    match Context::primary(args.device) {
        Ok(context) => Ok(context.device().compute_capability),
        Err(e) if library.line().has_targets && args.device == 0 => Err(Error::expected(
            ErrorKind::Engine,
            "build --target current",
            "an NVIDIA GPU",
            format_args!("none ({e})"),
            // Without a GPU nothing can be verified, so then another target alone is no remedy.
            if args.verify {
                "leave out --verify and name the GPU to build for, such as --target sm_80"
            } else {
                "name the GPU to build for, such as --target sm_80"
            },
        )),
        Err(e) => Err(e.into()),
    }
}

/// The progress bar of one build.
struct Bar<'a> {
    name: &'a str,
    bar: ProgressBar,
    /// The outermost phase that is under way. The bar counts its steps.
    phase: Option<String>,
}

impl<'a> Bar<'a> {
    fn new(name: &'a str) -> Bar<'a> {
        let bar = progress(1, "building");
        bar.set_message(format!("building {name}"));
        Bar { name, bar, phase: None }
    }

    fn show(&mut self, event: &Progress) {
        match event {
            Progress::PhaseStarted { phase, parent: None, steps } => {
                self.bar.set_message(format!("building {}: {phase}", self.name));
                self.bar.set_length(u64::from(*steps));
                self.bar.set_position(0);
                self.phase = Some(phase.clone());
            }
            Progress::PhaseStarted { phase, .. } => self.bar.set_message(format!("building {}: {phase}", self.name)),
            Progress::StepDone { phase, step } if self.phase.as_ref() == Some(phase) => {
                self.bar.set_position(u64::from(*step) + 1);
            }
            _ => {}
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// The sidecar of the plan that is there, if this plan is up to date: built from the same model by the same library, for the same
/// GPU and precision, and not damaged.
fn up_to_date(args: &Args, library: &Library, gpu: (u32, u32), job: &Job, onnx_sha256: &str) -> Option<Sidecar> {
    // If one of the two files cannot be used, the plan is built again. So the error does not matter.
    let sidecar = Sidecar::read(&job.plan).ok()??;
    let plan = PlanFile::open(&job.plan).ok()?;
    let fits = sidecar.onnx_sha256 == onnx_sha256
        && sidecar.precision == job.precision
        && sidecar.version_compatible == args.version_compatible
        && sidecar.compute_capabilities == [gpu];
    let here = Here {
        edition: library.edition(),
        version: library.version(),
        lean: false,
        compute_capability: Some(gpu),
        library_path: library.path().to_path_buf(),
    };
    (fits && check(&plan, Some(&sidecar), &here, None).is_ok()).then_some(sidecar)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn line(job: &Job, done: &Done) -> String {
    let about = done.sidecar.as_ref().map_or_else(String::new, |s| {
        format!(
            ": {:.2} MiB, {:.2} s, for {}, {}, {} {}",
            s.size_bytes as f64 / f64::from(1 << 20),
            s.build_seconds,
            if s.compute_capabilities.is_empty() { "this GPU".to_owned() } else { capabilities(s).join(" ") },
            s.precision.name(),
            s.edition,
            s.version
        )
    });
    let verified = done.sidecar.as_ref().and_then(|s| s.verified.as_ref()).map_or_else(String::new, |v| {
        let (agreement, apart) = (percent(v), v.largest_difference);
        format!(
            "; verified: {agreement} the class of {} on {} inputs ({}), probabilities at most {apart} apart",
            v.with, v.samples, v.inputs
        )
    });
    format!("{} {}{about}{verified}\n", file_name(&job.plan), done.state)
}

fn capabilities(sidecar: &Sidecar) -> Vec<String> {
    sidecar.compute_capabilities.iter().map(|(major, minor)| format!("sm_{major}{minor}")).collect()
}

fn as_json(job: &Job, done: &Done) -> Value {
    let mut value = json!({ "name": job.name, "plan": job.plan.display().to_string(), "state": done.state });
    if let Some(s) = &done.sidecar {
        value["size_bytes"] = s.size_bytes.into();
        value["build_seconds"] = s.build_seconds.into();
        value["target"] = capabilities(s).into();
        value["precision"] = s.precision.name().into();
        value["edition"] = s.edition.to_string().into();
        value["version"] = s.version.to_string().into();
        value["version_compatible"] = s.version_compatible.into();
        value["sha256"] = s.sha256.clone().into();
        value["verified"] = json!(s.verified);
    }
    value
}

fn failure_as_json(job: &Job, failure: &Failure) -> Value {
    json!({
        "name": job.name,
        "plan": job.plan.display().to_string(),
        "state": "failed",
        "error": failure.error.to_string(),
        "verified": failure.verified,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_dates() {
        // Made with `date -u -d @N +%FT%TZ`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (1_795_257_043, "2026-11-21T10:30:43Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            // The fraction of a second is cut off.
            for nanosecond in [0, 999_999_999] {
                assert_eq!(utc(Timestamp::new(seconds, nanosecond).unwrap()), text);
            }
        }
    }
}
