//! ONNX Runtime. Its library is opened with `dlopen` when the first model is; [`find()`] says where it is looked for.
//!
//! A process has one ONNX Runtime. The first [`find()`] or [`OrtEngine::open`] that succeeds decides which; later ones use the same, even
//! if `ORT_DYLIB_PATH` has changed by then. It is never unloaded.
//!
//! Beside running the network, the engine does nothing: inputs and outputs are bound to its buffers once, at open. The library allocates in
//! every inference, through C++; nothing is allocated in Rust.

mod find;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::ort::AsPointer as _;
use ::ort::environment::Environment;
use ::ort::logging::LogLevel;
use ::ort::memory::Allocator;
use ::ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ::ort::session::{IoBinding, Session};
use ::ort::value::{Outlet, Tensor, ValueType};

pub use self::find::{Found, How, OLDEST_MINOR, VARIABLE, find};
use crate::model::{self, Extent, Role};
use crate::{Completion, Description, Engine, Error, ErrorKind, Memory, OpenOptions, TensorInfo};

/// The library, and the environment that all sessions share. Neither is ever dropped.
struct Runtime {
    found: Found,
    environment: Environment,
}

/// A network run by ONNX Runtime, on the CPU.
pub struct OrtEngine {
    description: Description,
    memory: Memory,
    path: Arc<Path>,
    /// Binds the tensors below to the session. Made once, at open.
    binding: IoBinding,
    session: Session,
    inputs: Vec<Tensor<f32>>,
    outputs: Vec<Tensor<f32>>,
}

impl OrtEngine {
    /// Reads and optimises the ONNX model at `path`, and runs it once on zeros. Inputs and outputs must be f32 and of fixed shape, except
    /// that the batch may be left open: it becomes 1. If the file does not tell an output's extents, those of that first run are taken.
    ///
    /// With `options.threads` of 1 everything runs on the calling thread. With more, the engine has a pool of threads, which sleep, and do
    /// not spin, while there is nothing to do.
    ///
    /// # Errors
    /// - [`ErrorKind::LibraryMissing`] if there is no ONNX Runtime; see [`find()`];
    /// - [`ErrorKind::Io`] if the file cannot be read;
    /// - [`ErrorKind::Model`] if it is empty, truncated, damaged or no ONNX, or holds an operator that the library lacks;
    /// - [`ErrorKind::Shape`] if a tensor is not f32, or an extent other than the batch is left open;
    /// - [`ErrorKind::Unsupported`] if `options.threads` is 0.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<OrtEngine, Error> {
        model::check_options(options)?;
        let file_bytes = model::check_file(path)?;
        let runtime = runtime()?;
        let mut engine =
            model::guard(ErrorKind::Model, path, "the crate ort", || Self::build(runtime, path, file_bytes, options))?;
        // This run finds what fails only while running, and makes the caller's first inference as fast as later ones.
        engine.enqueue().map_err(|e| e.with_kind(ErrorKind::Model))?;
        Ok(engine)
    }

    fn build(runtime: &Runtime, path: &Path, file_bytes: u64, options: &OpenOptions) -> Result<OrtEngine, Error> {
        let refused = |e: ::ort::Error| refused(runtime, path, &e);
        let mut session =
            builder(runtime, options).and_then(|mut builder| builder.commit_from_file(path)).map_err(refused)?;
        model::check_count(path, session.inputs().len(), session.outputs().len())?;
        let inputs = tensor_infos(path, Role::Input, session.inputs())?;

        // The library can plan its memory if it knows the batch beforehand. It is told by the batch's name; one without a name stays open.
        let mut batches: Vec<String> = session.inputs().iter().filter_map(open_batch).collect();
        batches.sort_unstable();
        batches.dedup();
        if !batches.is_empty() {
            let mut fixed = builder(runtime, options).map_err(refused)?;
            for name in &batches {
                fixed = fixed.with_dimension_override(name, 1).map_err(|e| refused(::ort::Error::from(e)))?;
            }
            session = fixed.commit_from_file(path).map_err(refused)?;
        }

        let input_tensors = inputs
            .iter()
            .map(|info| Tensor::from_array((info.shape.clone(), vec![0.0_f32; info.len()])))
            .collect::<Result<Vec<_>, _>>()
            .map_err(refused)?;
        let outputs = output_infos(path, &mut session, &inputs, &input_tensors, &refused)?;
        let output_tensors = outputs
            .iter()
            .map(|info| {
                let mut tensor = Tensor::<f32>::new(&Allocator::default(), info.shape.clone())?;
                tensor.try_extract_tensor_mut::<f32>()?.1.fill(0.0);
                Ok(tensor)
            })
            .collect::<Result<Vec<_>, ::ort::Error>>()
            .map_err(refused)?;

        let binding = bind(&session, &inputs, &input_tensors, &outputs, output_tensors);
        let (binding, output_tensors) = binding.map_err(refused)?;
        let io_elements: usize = inputs.iter().chain(&outputs).map(TensorInfo::len).sum();
        let threads = options.threads;
        Ok(OrtEngine {
            description: Description {
                kind: "ort",
                version: format!("onnxruntime {}", runtime.found.version),
                device: format!("cpu, {threads} thread{}", if threads == 1 { "" } else { "s" }),
                precision: options.precision,
                inputs,
                outputs,
            },
            memory: Memory { host_bytes: file_bytes + (io_elements * size_of::<f32>()) as u64, ..Memory::default() },
            path: path.into(),
            binding,
            session,
            inputs: input_tensors,
            outputs: output_tensors,
        })
    }
}

impl fmt::Debug for OrtEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrtEngine").field("description", &self.description).finish_non_exhaustive()
    }
}

impl Engine for OrtEngine {
    fn description(&self) -> &Description {
        &self.description
    }

    /// The weights, taken to be of the model file's size, and the IO buffers. The library does not tell what it allocates for intermediate
    /// tensors and for weights in another layout.
    fn memory(&self) -> Memory {
        self.memory
    }

    fn input(&mut self, index: usize) -> &mut [f32] {
        self.inputs[index].extract_tensor_mut().1
    }

    fn output(&self, index: usize) -> &[f32] {
        self.outputs[index].extract_tensor().1
    }

    /// Runs the network on the calling thread, and on those of its pool if it has one.
    fn enqueue(&mut self) -> Result<Completion, Error> {
        let session = self.session.ptr().cast_mut();
        // `Session::run_binding` would do the same, but then collect the outputs, which are known here, with allocations of its own.
        // SAFETY: session and binding belong together, and neither is in use elsewhere: both are only ours, behind
        // `&mut self`. The tensors that the binding refers to are ours too, so they live. Null stands for no run options.
        let result = unsafe {
            let status = (::ort::api().RunWithBinding)(session, std::ptr::null(), self.binding.ptr());
            ::ort::Error::result_from_status(status)
        };
        match result {
            Ok(()) => Ok(Completion::Done),
            Err(e) => Err(Error::new(
                ErrorKind::Run,
                format!("{}: ONNX Runtime failed on it: {}", self.path.display(), model::detail(e.message())),
            )),
        }
    }
}

/// The library. The first call loads it.
fn runtime() -> Result<&'static Runtime, Error> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    // The environment may be made only once in a process, so only one thread at a time may try.
    let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let found = find()?;
    let failed = |what: String| {
        Error::new(
            ErrorKind::LibraryMissing,
            format!("{found}: it was found but cannot be used ({}); set {VARIABLE} to another", model::detail(&what)),
        )
    };
    let environment = model::guard(ErrorKind::LibraryMissing, &found.path, "the crate ort", || {
        let builder = ::ort::init_from(&found.path).map_err(|e| failed(e.to_string()))?;
        let builder = builder.with_name("trt-select").with_telemetry(false).with_logger(Arc::new(forward));
        builder.build().map_err(|e| failed(e.to_string()))
    })?;
    environment.set_log_level(LogLevel::Warning);
    log::info!("{found}");
    Ok(RUNTIME.get_or_init(|| Runtime { found, environment }))
}

/// Passes the library's messages on to `log`, at lower levels: what the library logs as an error it also returns as one, and its warnings
/// are for those who make models, not for those who use them.
fn forward(level: LogLevel, _category: &str, _id: &str, location: &str, message: &str) {
    let level = match level {
        LogLevel::Fatal => log::Level::Error,
        LogLevel::Error => log::Level::Warn,
        LogLevel::Warning => log::Level::Debug,
        LogLevel::Info | LogLevel::Verbose => log::Level::Trace,
    };
    log::log!(target: "onnxruntime", level, "{message} ({location})");
}

/// A session's settings.
fn builder(runtime: &Runtime, options: &OpenOptions) -> Result<SessionBuilder, ::ort::Error> {
    let builder = Session::builder(&runtime.environment)?;
    // A minimal build of the library refuses to optimise, but runs models all the same.
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All).unwrap_or_else(|e| e.recover());
    let builder = builder
        .with_intra_threads(options.threads)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_log_level(LogLevel::Error)?;
    Ok(builder)
}

/// Binds inputs and outputs to their places, for good.
fn bind(
    session: &Session,
    inputs: &[TensorInfo],
    input_tensors: &[Tensor<f32>],
    outputs: &[TensorInfo],
    mut output_tensors: Vec<Tensor<f32>>,
) -> Result<(IoBinding, Vec<Tensor<f32>>), ::ort::Error> {
    let mut binding = session.create_binding()?;
    for (info, tensor) in inputs.iter().zip(input_tensors) {
        binding.bind_input(&*info.name, tensor)?;
    }
    for (info, tensor) in outputs.iter().zip(&mut output_tensors) {
        binding.bind_output(&*info.name, tensor)?;
    }
    Ok((binding, output_tensors))
}

/// The outputs' descriptions. Extents that the file leaves open are taken from a run on zeros.
fn output_infos(
    path: &Path,
    session: &mut Session,
    inputs: &[TensorInfo],
    input_tensors: &[Tensor<f32>],
    refused: &dyn Fn(::ort::Error) -> Error,
) -> Result<Vec<TensorInfo>, Error> {
    let told: Vec<Vec<Extent>> = session.outputs().iter().map(extents).collect();
    let is_open = |extents: &[Extent]| extents.iter().any(|e| matches!(e, Extent::Open(_)));
    // Types are checked first: no run can change them.
    for (outlet, extents) in session.outputs().iter().zip(&told) {
        let fixed: &[Extent] = if is_open(extents) { &[] } else { extents };
        model::tensor_info(path, Role::Output, outlet.name(), &element(outlet), fixed)?;
    }
    if !told.iter().any(|e| is_open(e)) {
        return tensor_infos(path, Role::Output, session.outputs());
    }
    let names: Vec<String> = session.outputs().iter().map(|o| o.name().to_owned()).collect();
    let feeds: Vec<(&str, &Tensor<f32>)> = inputs.iter().map(|i| &*i.name).zip(input_tensors).collect();
    let results = session.run(feeds).map_err(refused)?;
    names
        .iter()
        .map(|name| {
            let shape = results[name.as_str()].try_extract_tensor::<f32>().map_err(refused)?.0;
            let extents: Vec<Extent> = shape.iter().map(|&e| extent(e, "")).collect();
            model::tensor_info(path, Role::Output, name, "f32", &extents)
        })
        .collect()
}

fn tensor_infos(path: &Path, role: Role, outlets: &[Outlet]) -> Result<Vec<TensorInfo>, Error> {
    outlets.iter().map(|o| model::tensor_info(path, role, o.name(), &element(o), &extents(o))).collect()
}

/// Name of the batch, if it is left open and has one.
fn open_batch(outlet: &Outlet) -> Option<String> {
    match extents(outlet).into_iter().next() {
        Some(Extent::Open(name)) if !name.is_empty() => Some(name),
        _ => None,
    }
}

/// The name of its element type, as Rust would call it.
fn element(outlet: &Outlet) -> String {
    match outlet.dtype() {
        ValueType::Tensor { ty, .. } => ty.to_string().to_lowercase(),
        ValueType::Sequence(_) => "a sequence".to_owned(),
        ValueType::Map { .. } => "a map".to_owned(),
        ValueType::Optional(_) => "an optional value".to_owned(),
    }
}

fn extents(outlet: &Outlet) -> Vec<Extent> {
    match outlet.dtype() {
        ValueType::Tensor { shape, dimension_symbols, .. } => shape
            .iter()
            .enumerate()
            .map(|(axis, &value)| extent(value, dimension_symbols.get(axis).map_or("", String::as_str)))
            .collect(),
        _ => Vec::new(),
    }
}

fn extent(value: i64, name: &str) -> Extent {
    usize::try_from(value).map_or_else(|_| Extent::Open(name.to_owned()), Extent::Fixed)
}

fn refused(runtime: &Runtime, path: &Path, error: &::ort::Error) -> Error {
    let remedy = match error.code() {
        ::ort::ErrorCode::InvalidProtobuf => "the file is truncated or not ONNX: export or copy it again",
        _ => "export it again, or run it with another engine",
    };
    Error::new(
        ErrorKind::Model,
        format!(
            "{}: ONNX Runtime {} cannot run it ({}); {remedy}",
            path.display(),
            runtime.found.version,
            model::detail(error.message())
        ),
    )
}
