//! Builds plans from ONNX files.

use std::ffi::{CStr, CString, OsString, c_char, c_void};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};

use trt_select_cuda::driver::Context;

use super::library::open_shared;
use super::messages::Listener;
use super::tactics::Tactics;
use super::timings::Timings;
use super::{Edition, Library, Version, bindings, call, plugins};
use crate::{Error, ErrorKind};

/// The variable that names the ONNX parser's file.
pub const PARSER_VARIABLE: &str = "TRT_SELECT_LIBNVONNXPARSER";

/// TensorRT recurses over the network, so the thread that builds has a larger stack than a main thread has by default.
const STACK_BYTES: usize = 16 << 20;

/// Scratch memory for libraries before 8.4, which take none unless they are told, on a GPU that shares the host's memory.
const SHARED_WORKSPACE_BYTES: u64 = 256 << 20;

/// What to build.
///
/// ```
/// use trt_select_engines::tensorrt::BuildOptions;
/// let options = BuildOptions::default().target(Some((8, 6))).workspace_bytes(Some(64 << 20));
/// assert_eq!((options.target, options.fp16), (Some((8, 6)), false));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildOptions {
    /// The GPU that kernels are timed on, as CUDA counts them. Not used where RTX builds for a target.
    pub ordinal: u32,
    /// The compute capability to build for, e.g. `(8, 0)`; `None` is that of this machine's GPU. Only RTX builds for
    /// another GPU than this machine's.
    pub target: Option<(u32, u32)>,
    /// Whether layers may run in half precision. Only TensorRT up to 10 has that; later ones, and RTX, take the precision
    /// from the ONNX file's own types, so that a half-precision model is built without this.
    pub fp16: bool,
    /// The most scratch memory on the device, in bytes. `None` leaves it to TensorRT, which takes what it finds; libraries before 8.4, which
    /// would take none, get the GPU's whole memory, or 256 MiB of it where it is the host's too.
    pub workspace_bytes: Option<u64>,
    /// Whether later libraries shall run the plan too: those of the same major version, and 10 those of 8.6. From 8.6 on, but not RTX.
    pub version_compatible: bool,
    /// Whether a version-compatible plan goes without the lean runtime's code (16 MB and more) in it. Other versions then need the library
    /// of that runtime.
    pub exclude_lean_runtime: bool,
    /// What to change in the sources of tactics.
    pub tactics: Tactics,
    /// A file for the timings of builds: those of earlier builds are read from it, so that this build chooses the same tactics, and those of
    /// this build are written to it. If it holds timings of another GPU or version, it is begun anew.
    pub timing_cache: Option<PathBuf>,
}

impl BuildOptions {
    /// Sets the GPU that kernels are timed on, as CUDA counts them.
    #[must_use]
    pub fn ordinal(self, ordinal: u32) -> Self {
        BuildOptions { ordinal, ..self }
    }

    /// Sets the compute capability to build for; `None` is that of this machine's GPU.
    #[must_use]
    pub fn target(self, target: Option<(u32, u32)>) -> Self {
        BuildOptions { target, ..self }
    }

    /// Sets whether layers may run in half precision.
    #[must_use]
    pub fn fp16(self, fp16: bool) -> Self {
        BuildOptions { fp16, ..self }
    }

    /// Sets the most scratch memory on the device, in bytes; `None` leaves it to TensorRT.
    #[must_use]
    pub fn workspace_bytes(self, workspace_bytes: Option<u64>) -> Self {
        BuildOptions { workspace_bytes, ..self }
    }

    /// Sets whether later libraries shall run the plan too.
    #[must_use]
    pub fn version_compatible(self, version_compatible: bool) -> Self {
        BuildOptions { version_compatible, ..self }
    }

    /// Sets whether a version-compatible plan goes without the lean runtime's code.
    #[must_use]
    pub fn exclude_lean_runtime(self, exclude_lean_runtime: bool) -> Self {
        BuildOptions { exclude_lean_runtime, ..self }
    }

    /// Sets what to change in the sources of tactics.
    #[must_use]
    pub fn tactics(self, tactics: Tactics) -> Self {
        BuildOptions { tactics, ..self }
    }

    /// Sets the file for the timings of builds.
    #[must_use]
    pub fn timing_cache(self, timing_cache: Option<PathBuf>) -> Self {
        BuildOptions { timing_cache, ..self }
    }
}

/// How far a build is. Phases nest, and several may be under way.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A phase begins.
    PhaseStarted {
        /// Its name.
        phase: String,
        /// The phase that it is part of; `None` for the outermost.
        parent: Option<String>,
        /// How many steps it will take.
        steps: u32,
    },
    /// A step of a phase is done.
    StepDone {
        /// The phase's name.
        phase: String,
        /// The step, counted from 0.
        step: u32,
    },
    /// A phase is over. Some of its steps may not have been reported.
    PhaseFinished {
        /// The phase's name.
        phase: String,
    },
}

/// A plan in TensorRT's memory, and what made it. Dereferences to the plan's bytes.
pub struct BuiltPlan {
    plan: bindings::trtsel_shim_plan,
    library: Arc<Library>,
}

// SAFETY: the bytes are read only and belong to no thread; they are freed once, by `Drop`.
unsafe impl Send for BuiltPlan {}
// SAFETY: as above.
unsafe impl Sync for BuiltPlan {}

impl BuiltPlan {
    /// The library that made it.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// The edition that runs it.
    pub fn edition(&self) -> Edition {
        self.library.edition()
    }

    /// The version that runs it.
    pub fn version(&self) -> Version {
        self.library.version()
    }
}

impl Deref for BuiltPlan {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: TensorRT gave this block, and it lives until `Drop` frees its owner. It is not null: see `build_plan`.
        unsafe { std::slice::from_raw_parts(self.plan.data.cast(), self.plan.bytes as usize) }
    }
}

impl Drop for BuiltPlan {
    fn drop(&mut self) {
        // SAFETY: the owner is the one that came with these bytes, freed once.
        unsafe { call!(self.library.table(), plan_free(self.plan.owner)) };
    }
}

impl fmt::Debug for BuiltPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuiltPlan({} bytes by {})", self.plan.bytes, self.library)
    }
}

/// Builds a plan from an ONNX file with the library that [`Library::open`] finds. A batch that the file leaves open becomes 1. `progress`
/// is called on this thread, if this version of TensorRT reports progress (10 and later, RTX). TensorRT's messages go to `log`.
///
/// # Errors
/// - [`ErrorKind::LibraryMissing`] if there is no library that builds, no ONNX parser beside it, or no library of plugins that was named;
/// - [`ErrorKind::Io`] if the file, or that of the timings, cannot be read or written;
/// - [`ErrorKind::Model`] if the parser refuses it; [`ErrorKind::Shape`] if it leaves another extent than the batch open;
/// - [`ErrorKind::Unsupported`] if the version has no half precision, no other target, no version-compatible plans, or not those tactics;
/// - [`ErrorKind::DriverMissing`], [`ErrorKind::DeviceMissing`] if it needs a GPU and there is none;
/// - [`ErrorKind::Build`] if the builder refuses it.
pub fn build_plan(
    onnx: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<BuiltPlan, Error> {
    build_plan_with(&Library::open()?, onnx, options, progress)
}

/// As [`build_plan`], with a library that is open.
///
/// # Errors
/// As [`build_plan`].
pub fn build_plan_with(
    library: &Arc<Library>,
    onnx: &Path,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&Progress),
) -> Result<BuiltPlan, Error> {
    let file = onnx.display();
    check_build(library, onnx, options)?;
    let path = CString::new(onnx.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::new(ErrorKind::Io, format!("{file}: a path with a null byte cannot be read")))?;
    let parser = parser_entry(library)? as usize;
    // A library that needs a GPU may end the process where there is none. So the driver is asked first, whose error says what is missing.
    let needs_gpu = library.edition() == Edition::Enterprise || options.target.is_none();
    let context = if needs_gpu { Some(Context::primary(options.ordinal)?) } else { None };
    let timings = options.timing_cache.as_deref().map(Timings::open).transpose()?;

    // TensorRT calls back from threads of its own. A channel brings these events to `progress`, which is called on this thread.
    let (send, receive) = mpsc::channel();
    let workspace_bytes = workspace_bytes(library, options, context.as_ref());
    let mut told = Told { send, options: options.clone(), path, workspace_bytes, timings };
    let (built, timings) = std::thread::scope(|scope| {
        let build = std::thread::Builder::new()
            .name("trt-build".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || {
                let built = run_in(context.as_ref(), library, parser, &file.to_string(), &mut told);
                (built, told.timings)
            })
            .map_err(|e| Error::new(ErrorKind::Build, format!("{file}: no thread to build it on: {e}")).caused_by(e))?;
        for event in receive {
            progress(&event);
        }
        Ok::<_, Error>(build.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    let built = built?;
    if let Some(timings) = timings {
        timings.keep();
    }
    Ok(built)
}

/// Runs a build while the GPU's context is current.
fn run_in(
    context: Option<&Context>,
    library: &Arc<Library>,
    parser: usize,
    file: &str,
    told: &mut Told,
) -> Result<BuiltPlan, Error> {
    let _current = context.map(Context::enter).transpose()?;
    plugins::register(library)?;
    run(library, parser, file, told)
}

/// What the builder is told about scratch memory; 0 leaves it to TensorRT.
fn workspace_bytes(library: &Library, options: &BuildOptions, context: Option<&Context>) -> u64 {
    let version = library.version();
    let takes_none = library.edition() == Edition::Enterprise && (version.major, version.minor) < (8, 4);
    match (options.workspace_bytes, context.filter(|_| takes_none)) {
        (Some(bytes), _) => bytes,
        (None, None) => 0,
        (None, Some(context)) if context.device().integrated => {
            SHARED_WORKSPACE_BYTES.min(context.device().total_bytes)
        }
        (None, Some(context)) => context.device().total_bytes,
    }
}

/// Looks for whatever can be known to be missing or refused before a build begins. [`build_plan_with`] does this first. It is quick, so
/// that a program that builds several plans can check all of them before it builds the first.
///
/// # Errors
/// As [`build_plan`], but for what only the parser and the builder find.
pub fn check_build(library: &Library, onnx: &Path, options: &BuildOptions) -> Result<(), Error> {
    check_options(library, onnx, options)?;
    // TensorRT's parser does not say that a file is not there.
    let file = onnx.display();
    std::fs::File::open(onnx)
        .map_err(|e| Error::new(ErrorKind::Io, format!("{file}: cannot be read: {e}")).caused_by(e))?;
    options.timing_cache.as_deref().map(Timings::open).transpose()?;
    parser_entry(library).map(drop)
}

/// What a build works on: its options, the model's path, timings of earlier builds, and the channel for its progress, which closes when
/// this is dropped.
struct Told {
    send: Sender<Progress>,
    options: BuildOptions,
    path: CString,
    workspace_bytes: u64,
    timings: Option<Timings>,
}

/// Where the shim's callbacks send what they are called with.
struct Hearers {
    send: Sender<Progress>,
    problems: Sender<String>,
    /// The timings that the build ended with.
    timed: Mutex<Vec<u8>>,
}

fn check_options(library: &Library, onnx: &Path, options: &BuildOptions) -> Result<(), Error> {
    let unsupported = |what: String| Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", onnx.display())));
    if library.is_runtime_only() {
        return Err(Error::new(
            ErrorKind::LibraryMissing,
            format!(
                "{library}: expected a library that builds plans, this one only runs them; install the complete one"
            ),
        ));
    }
    if options.fp16 && !library.line().has_fp16 {
        return unsupported(format!(
            "fp16 was asked for, but {} has no such builder flag: it takes precision from the ONNX file's types; \
             make an ONNX model of half precision, and build a plan from that",
            library.name()
        ));
    }
    if options.version_compatible && !library.has_version_compatible() {
        return unsupported(format!(
            "version-compatible was asked for, but {}; build a plan with each library that is to run it",
            library.why_not_version_compatible()
        ));
    }
    if let Some((major, minor)) = options.target {
        if major > 99 || minor > 9 {
            return unsupported(format!("target {major}.{minor}: expected a compute capability such as 8.0"));
        }
        if !library.line().has_targets {
            return unsupported(format!(
                "target sm_{major}{minor}: {} builds only for the GPU of this machine; build it on the machine that runs \
                 it, for that machine's GPU",
                library.name()
            ));
        }
    }
    Ok(())
}

/// Builds a plan. Called on a thread of its own. Timings of another GPU or another version are left out.
fn run(library: &Arc<Library>, parser: usize, file: &str, told: &mut Told) -> Result<BuiltPlan, Error> {
    let (problems, problems_told) = mpsc::channel();
    let mut hearers = Hearers { send: told.send.clone(), problems, timed: Mutex::default() };
    let mut plan = bindings::trtsel_shim_plan { data: std::ptr::null(), bytes: 0, owner: std::ptr::null_mut() };
    let mut stage = 0;
    let mut listener = Listener::begin();
    let mut status = build_once(library, parser, told, &hearers, &mut plan, &mut stage);
    if status != bindings::TRTSEL_SHIM_OK
        && stage == bindings::TRTSEL_SHIM_STAGE_CACHE_FITS
        && let Some(timings) = told.timings.as_mut().filter(|timings| !timings.before.is_empty())
    {
        log::warn!("{}: timings of another GPU or version of TensorRT; begun anew", timings.path());
        timings.before.clear();
        // What TensorRT said of those timings is not why the second build fails, if it does.
        drop(listener);
        listener = Listener::begin();
        status = build_once(library, parser, told, &hearers, &mut plan, &mut stage);
    }
    if let Some(timings) = &mut told.timings {
        timings.after = std::mem::take(hearers.timed.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
    if status == bindings::TRTSEL_SHIM_OK && !plan.data.is_null() {
        return Ok(BuiltPlan { plan, library: Arc::clone(library) });
    }
    if status == bindings::TRTSEL_SHIM_OK {
        // SAFETY: it came with the empty plan, and is freed once.
        unsafe { call!(library.table(), plan_free(plan.owner)) };
    }
    let problems: Vec<String> = problems_told.try_iter().collect();
    Err(refusal(library, file, told, (status, stage), &listener, &problems))
}

/// One call of the shim. Gives its status; `plan` is written if it succeeds, `stage` in every case.
fn build_once(
    library: &Library,
    parser: usize,
    told: &Told,
    hearers: &Hearers,
    plan: &mut bindings::trtsel_shim_plan,
    stage: &mut i32,
) -> i32 {
    let asked = &told.options;
    let (tactics_on, tactics_off) = asked.tactics.bits();
    let before = told.timings.as_ref().map_or(&[] as &[u8], |timings| &timings.before);
    let options = bindings::trtsel_shim_build_options {
        onnx_path: told.path.as_ptr(),
        target_sm: asked.target.map_or(0, |(major, minor)| (10 * major + minor) as i32),
        fp16: i32::from(asked.fp16),
        version_compatible: i32::from(asked.version_compatible),
        exclude_lean_runtime: i32::from(asked.exclude_lean_runtime),
        workspace_bytes: told.workspace_bytes,
        tactics_on,
        tactics_off,
        timing_cache: if before.is_empty() { std::ptr::null() } else { before.as_ptr().cast() },
        timing_cache_bytes: before.len() as u64,
        user: std::ptr::from_ref(hearers).cast_mut().cast(),
        timed: told.timings.as_ref().map(|_| timed as unsafe extern "C" fn(_, _, _)),
        problem: Some(problem),
        phase_started: Some(phase_started),
        step_done: Some(step_done),
        phase_finished: Some(phase_finished),
    };
    // SAFETY: the entry points are those of libraries of this line that stay loaded; options, path, timings and hearers outlive the
    // call, and nothing of them is kept after it.
    unsafe {
        call!(
            library.table(),
            plan_build(
                library.create_builder(),
                parser as *mut c_void,
                library.version_number(),
                &raw const options,
                plan,
                stage,
            )
        )
    }
}

/// The error of a build that was refused, by the shim's status and how far the build came.
fn refusal(
    library: &Library,
    file: &str,
    told: &Told,
    (status, stage): (i32, i32),
    listener: &Listener,
    problems: &[String],
) -> Error {
    let (name, options) = (library.name(), &told.options);
    let target = options.target.map_or_else(|| "current".to_owned(), |(major, minor)| format!("sm_{major}{minor}"));
    match (status, stage) {
        (bindings::TRTSEL_SHIM_MEMORY, _) => {
            Error::new(ErrorKind::HostMemory, format!("{file}: no memory to build it"))
        }
        (bindings::TRTSEL_SHIM_UNSUPPORTED, bindings::TRTSEL_SHIM_STAGE_PARSER) => Error::new(
            ErrorKind::Unsupported,
            format!(
                "{file}: this build was made from headers without NvOnnxParser.h, so it cannot build plans with {name}; \
                 build it again with that header beside NvInfer.h, or make the plan with trtexec"
            ),
        ),
        (_, bindings::TRTSEL_SHIM_STAGE_BUILDER) => {
            listener.error(ErrorKind::Build, &format!("{file}: {name} makes no builder"))
        }
        (_, bindings::TRTSEL_SHIM_STAGE_PARSER) => {
            listener.error(ErrorKind::Build, &format!("{file}: {name} makes no ONNX parser"))
        }
        (_, bindings::TRTSEL_SHIM_STAGE_PARSE) => {
            let why = if problems.is_empty() { listener.text() } else { problems.join("; ") };
            Error::new(ErrorKind::Model, format!("{file}: {name} does not understand the model ({why})"))
        }
        (bindings::TRTSEL_SHIM_ARGUMENT, bindings::TRTSEL_SHIM_STAGE_INPUTS) => {
            Error::new(ErrorKind::Shape, format!("{file}: {}", problems.join("; ")))
        }
        (_, bindings::TRTSEL_SHIM_STAGE_TARGET) => {
            listener.error(ErrorKind::Unsupported, &format!("{file}: {name} does not build for the target {target}"))
        }
        (bindings::TRTSEL_SHIM_UNSUPPORTED, bindings::TRTSEL_SHIM_STAGE_TACTICS) => Error::new(
            ErrorKind::Unsupported,
            format!(
                "{file}: {name} has not all of the tactic sources in {}; leave out those that it lacks",
                options.tactics
            ),
        ),
        (_, bindings::TRTSEL_SHIM_STAGE_TACTICS) => listener.error(
            ErrorKind::Unsupported,
            &format!("{file}: {name} does not take the tactic sources {}", options.tactics),
        ),
        (_, bindings::TRTSEL_SHIM_STAGE_CACHE | bindings::TRTSEL_SHIM_STAGE_CACHE_FITS) => {
            match told.timings.as_ref().filter(|timings| !timings.before.is_empty()) {
                Some(timings) => listener.error(
                    ErrorKind::Build,
                    &format!(
                        "{}: expected the timings of earlier builds, got what {name} does not read; name another file, or remove this one",
                        timings.path()
                    ),
                ),
                None => listener
                    .error(ErrorKind::Build, &format!("{file}: {name} keeps no timings; build without a timing cache")),
            }
        }
        _ => listener.error(ErrorKind::Build, &format!("{file}: {name} builds no plan for the target {target}")),
    }
}

/// The parser's entry point: in the file that `TRT_SELECT_LIBNVONNXPARSER` names, or beside the library, or where the
/// system's loader knows it.
fn parser_entry(library: &Library) -> Result<*mut c_void, Error> {
    let name = match library.edition() {
        Edition::Enterprise => format!("libnvonnxparser.so.{}", library.version().major),
        Edition::Rtx => format!("libtensorrt_onnxparser_rtx.so.{}", library.version().major),
    };
    parser_in(std::env::var_os(PARSER_VARIABLE), library, &name)
}

fn parser_in(variable: Option<OsString>, library: &Library, name: &str) -> Result<*mut c_void, Error> {
    let named = variable.filter(|v| !v.is_empty());
    let places: Vec<PathBuf> = match &named {
        Some(named) => vec![PathBuf::from(named)],
        None => vec![library.path().with_file_name(name), PathBuf::from(name)],
    };
    let mut seen = Vec::new();
    for place in places {
        let parser = match open_shared(&place) {
            Ok(parser) => parser,
            Err(why) => {
                seen.push(why);
                continue;
            }
        };
        // SAFETY: only the address is taken; the shim calls it with the signature of the line's headers.
        match unsafe { parser.get::<*mut c_void>(b"createNvOnnxParser_INTERNAL\0") } {
            Ok(entry) => return Ok(entry.into_raw()),
            Err(_) => seen.push(format!("{} has no createNvOnnxParser_INTERNAL", place.display())),
        }
    }
    let remedy = if named.is_some() {
        format!("correct or unset {PARSER_VARIABLE}")
    } else {
        format!("install it, or set {PARSER_VARIABLE} to its file")
    };
    Err(Error::new(
        ErrorKind::LibraryMissing,
        format!("{name}: expected the ONNX parser of {}, found none ({}); {remedy}", library.name(), seen.join("; ")),
    ))
}

/// # Safety
/// `user` is the address of a [`Hearers`] that is alive.
unsafe fn hearers<'a>(user: *mut c_void) -> &'a Hearers {
    // SAFETY: the caller's word.
    unsafe { &*user.cast::<Hearers>() }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn owned(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's word.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

unsafe extern "C" fn problem(user: *mut c_void, text: *const c_char) {
    // SAFETY: the shim hands through what `run` gave it, and a C string. A channel whose receiver is gone hears nothing.
    unsafe {
        let _ = hearers(user).problems.send(owned(text).unwrap_or_default());
    }
}

unsafe extern "C" fn timed(user: *mut c_void, data: *const c_void, bytes: u64) {
    let bytes = usize::try_from(bytes).unwrap_or(0);
    if !data.is_null() && bytes > 0 {
        // SAFETY: as in `problem`; the block has as many bytes.
        unsafe {
            let timings = std::slice::from_raw_parts(data.cast::<u8>(), bytes).to_vec();
            *hearers(user).timed.lock().unwrap_or_else(PoisonError::into_inner) = timings;
        }
    }
}

unsafe extern "C" fn phase_started(user: *mut c_void, phase: *const c_char, parent: *const c_char, steps: i32) {
    // SAFETY: as in `problem`.
    unsafe {
        let phase = owned(phase).unwrap_or_default();
        let steps = u32::try_from(steps).unwrap_or(0);
        let _ = hearers(user).send.send(Progress::PhaseStarted { phase, parent: owned(parent), steps });
    }
}

unsafe extern "C" fn step_done(user: *mut c_void, phase: *const c_char, step: i32) {
    // SAFETY: as in `problem`.
    unsafe {
        let phase = owned(phase).unwrap_or_default();
        let _ = hearers(user).send.send(Progress::StepDone { phase, step: u32::try_from(step).unwrap_or(0) });
    }
}

unsafe extern "C" fn phase_finished(user: *mut c_void, phase: *const c_char) {
    // SAFETY: as in `problem`.
    unsafe {
        let _ = hearers(user).send.send(Progress::PhaseFinished { phase: owned(phase).unwrap_or_default() });
    }
}
