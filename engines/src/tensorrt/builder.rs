//! Builds plans from ONNX files.

use std::ffi::{CStr, CString, OsString, c_char, c_void};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use super::library::open_shared;
use super::messages::Listener;
use super::{Edition, Library, Version, bindings, call};
use crate::{Error, ErrorKind};

/// The variable that names the ONNX parser's file.
pub const PARSER_VARIABLE: &str = "TRT_SELECT_LIBNVONNXPARSER";

/// TensorRT recurses over the network, so the thread that builds has a larger stack than a main thread has by default.
const STACK_BYTES: usize = 16 << 20;

/// What to build.
///
/// ```
/// use trt_select_engines::tensorrt::BuildOptions;
/// let options = BuildOptions::default().target(Some((8, 6))).workspace_bytes(Some(64 << 20));
/// assert_eq!((options.target, options.fp16), (Some((8, 6)), false));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildOptions {
    /// The compute capability to build for, e.g. `(8, 0)`; `None` is that of this machine's GPU. Only RTX builds for
    /// another GPU than this machine's.
    pub target: Option<(u32, u32)>,
    /// Whether layers may run in half precision. Only TensorRT up to 10 has that; later ones, and RTX, take the precision
    /// from the ONNX file's own types, so that a half-precision model is built without this.
    pub fp16: bool,
    /// The most scratch memory on the device, in bytes; `None` leaves it to TensorRT.
    pub workspace_bytes: Option<u64>,
}

impl BuildOptions {
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
/// - [`ErrorKind::LibraryMissing`] if there is no library that builds, or no ONNX parser beside it;
/// - [`ErrorKind::Io`] if the file cannot be read;
/// - [`ErrorKind::Model`] if the parser refuses it; [`ErrorKind::Shape`] if it leaves another extent than the batch open;
/// - [`ErrorKind::Unsupported`] if the version has no half precision or no other target;
/// - [`ErrorKind::DriverMissing`] if it needs a GPU and there is none;
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

    // TensorRT calls back from threads of its own. A channel brings these events to `progress`, which is called on this thread.
    let (send, receive) = mpsc::channel();
    let told = Told { send, options: *options, path };
    std::thread::scope(|scope| {
        let build = std::thread::Builder::new()
            .name("trt-build".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || run(library, parser, &file.to_string(), told))
            .map_err(|e| Error::new(ErrorKind::Build, format!("{file}: no thread to build it on: {e}")).caused_by(e))?;
        for event in receive {
            progress(&event);
        }
        build.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
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
    parser_entry(library).map(drop)
}

/// What a build works on: its options, the model's path, and the channel for its progress, which closes when this is dropped.
struct Told {
    send: Sender<Progress>,
    options: BuildOptions,
    path: CString,
}

/// Where the shim's callbacks send what they are called with.
struct Hearers {
    send: Sender<Progress>,
    problems: Sender<String>,
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

/// Builds a plan. Called on a thread of its own.
fn run(library: &Arc<Library>, parser: usize, file: &str, told: Told) -> Result<BuiltPlan, Error> {
    let (problems, problems_told) = mpsc::channel();
    let hearers = Hearers { send: told.send, problems };
    let options = bindings::trtsel_shim_build_options {
        onnx_path: told.path.as_ptr(),
        target_sm: told.options.target.map_or(0, |(major, minor)| (10 * major + minor) as i32),
        fp16: i32::from(told.options.fp16),
        workspace_bytes: told.options.workspace_bytes.unwrap_or(0),
        user: std::ptr::from_ref(&hearers).cast_mut().cast(),
        problem: Some(problem),
        phase_started: Some(phase_started),
        step_done: Some(step_done),
        phase_finished: Some(phase_finished),
    };
    let mut plan = bindings::trtsel_shim_plan { data: std::ptr::null(), bytes: 0, owner: std::ptr::null_mut() };
    let mut stage = 0;
    let listener = Listener::begin();
    // SAFETY: the entry points are those of libraries of this line that stay loaded; options, path and hearers outlive the
    // call, and nothing of them is kept after it.
    let status = unsafe {
        call!(
            library.table(),
            plan_build(
                library.create_builder(),
                parser as *mut c_void,
                library.version_number(),
                &raw const options,
                &raw mut plan,
                &raw mut stage,
            )
        )
    };
    if status == bindings::TRTSEL_SHIM_OK && !plan.data.is_null() {
        return Ok(BuiltPlan { plan, library: Arc::clone(library) });
    }
    if status == bindings::TRTSEL_SHIM_OK {
        // SAFETY: it came with the empty plan, and is freed once.
        unsafe { call!(library.table(), plan_free(plan.owner)) };
    }
    let name = library.name();
    let problems: Vec<String> = problems_told.try_iter().collect();
    let target =
        told.options.target.map_or_else(|| "current".to_owned(), |(major, minor)| format!("sm_{major}{minor}"));
    Err(match (status, stage) {
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
        _ => listener.error(ErrorKind::Build, &format!("{file}: {name} builds no plan for the target {target}")),
    })
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
