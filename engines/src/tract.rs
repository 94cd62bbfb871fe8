//! tract: an ONNX interpreter in Rust, built into the program. It runs on the calling thread, alone.
//!
//! Beside running the network, the engine only copies each output once; tract reads the input buffers in place. tract itself allocates in
//! every inference, always the same number of times.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tract_onnx::pb;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::konst::Const;

use crate::model::{self, Extent, Role};
use crate::{Completion, Description, Engine, Error, ErrorKind, Memory, OpenOptions, TensorInfo};

/// Version of the crate `tract-onnx`, which does not tell its version itself. `Cargo.toml` asks for exactly this one; a test compares the
/// two.
const TRACT_VERSION: &str = "0.23.9";

/// A network run by tract.
pub struct TractEngine {
    description: Description,
    memory: Memory,
    path: Arc<Path>,
    plan: Arc<TypedSimplePlan>,
    /// The state of a run, kept for the next one: making a new one takes longer than a layer of a small network. `None` after a failure.
    state: Option<TypedSimpleState>,
    /// Whether an operator carries values over from one run to the next, as recurrent networks do. Inferences must not depend on each
    /// other, so such a network gets a new state for each.
    stateful: bool,
    /// While no run is under way, the only references are these, so that `Arc::get_mut` succeeds.
    inputs: Vec<Arc<Tensor>>,
    outputs: Vec<Box<[f32]>>,
}

impl TractEngine {
    /// Reads and optimises the ONNX model at `path`, and runs it once on zeros. Inputs and outputs must be f32 and of fixed shape, except
    /// that the batch may be left open: it becomes 1.
    ///
    /// tract uses the calling thread only. If `options.threads` is more than 1, that is said in the log and has no other effect.
    ///
    /// # Errors
    /// - [`ErrorKind::Io`] if the file cannot be read;
    /// - [`ErrorKind::Model`] if it is empty, truncated, damaged or no ONNX, or holds an operator that tract lacks;
    /// - [`ErrorKind::Shape`] if a tensor is not f32, or an extent other than the batch is left open;
    /// - [`ErrorKind::Unsupported`] if `options.threads` is 0.
    ///
    /// tract panics on some damaged files. Such a panic becomes an [`ErrorKind::Model`], after the program's panic hook has printed it. A
    /// program that was built with `panic = "abort"` ends instead.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<TractEngine, Error> {
        model::check_options(options)?;
        let file_bytes = model::check_file(path)?;
        if options.threads > 1 {
            log::warn!("{}: tract runs on 1 thread, not on {}", path.display(), options.threads);
        }
        let bytes = std::fs::read(path).map_err(|e| model::unreadable(path, e))?;
        let mut engine =
            model::guard(ErrorKind::Model, path, "tract", || Self::build(path, &bytes, file_bytes, options))?;
        // This run finds what fails only while running, and makes the caller's first inference as fast as later ones.
        engine.enqueue().map_err(|e| e.with_kind(ErrorKind::Model))?;
        Ok(engine)
    }

    fn build(path: &Path, bytes: &[u8], file_bytes: u64, options: &OpenOptions) -> Result<TractEngine, Error> {
        let onnx = tract_onnx::onnx();
        let mut proto = onnx.proto_model_for_read(&mut &*bytes).map_err(|e| {
            let size = bytes.len();
            Error::new(
                ErrorKind::Model,
                format!(
                    "{}: expected an ONNX model, got {size} bytes that do not decode ({}); the file is truncated or not \
                     ONNX: export or copy it again",
                    path.display(),
                    model::detail(&format!("{e:#}"))
                ),
            )
        })?;
        let Some(graph) = proto.graph.as_mut() else {
            return Err(Error::new(
                ErrorKind::Model,
                format!(
                    "{}: expected an ONNX model, got {} bytes without a graph; the file is truncated or not ONNX: export or \
                     copy it again",
                    path.display(),
                    bytes.len()
                ),
            ));
        };
        let inputs = take_inputs(path, graph)?;
        let outputs: Vec<String> = graph.output.iter().map(|o| o.name.clone()).collect();
        model::check_count(path, inputs.len(), outputs.len())?;
        check_operators(path, &onnx, graph)?;

        // Weights may lie in files of their own, beside the model.
        let folder = path.parent().and_then(Path::to_str);
        let refused = |e: TractError| refused(path, &e);
        let parsed = onnx.parse(&proto, folder).map_err(refused)?;
        if !parsed.unresolved_inputs.is_empty() {
            let names = parsed.unresolved_inputs.join(", ");
            return Err(Error::new(
                ErrorKind::Model,
                format!("{}: tensors that nothing computes: {names}; export it again", path.display()),
            ));
        }
        let typed = tract_onnx::tract_hir::infer::InferenceModelExt::into_typed(parsed.model).map_err(refused)?;
        check_sizes(path, &typed)?;
        let typed = typed.into_optimized().map_err(refused)?;
        let outputs = output_infos(path, &typed, &outputs)?;

        // The plan itself is told to use one thread. Otherwise tract reads a global setting behind a mutex for every matrix product.
        let run_options = RunOptions { executor: Some(multithread::Executor::SingleThread), ..RunOptions::default() };
        let plan = TypedSimplePlan::new_with_options(typed, &run_options).map_err(refused)?;
        let state = TypedSimpleState::new(&plan).map_err(refused)?;
        let stateful = state.op_states.iter().any(Option::is_some);
        let input_tensors = inputs
            .iter()
            .map(|info| Ok(Arc::new(Tensor::zero::<f32>(&info.shape).map_err(refused)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        let output_buffers: Vec<Box<[f32]>> = outputs.iter().map(|info| vec![0.0; info.len()].into()).collect();
        let io_elements: usize = inputs.iter().chain(&outputs).map(TensorInfo::len).sum();
        let memory = Memory {
            host_bytes: weight_bytes(plan.model()).max(file_bytes) + (io_elements * size_of::<f32>()) as u64,
            ..Memory::default()
        };
        Ok(TractEngine {
            description: Description {
                kind: "tract",
                version: format!("tract {TRACT_VERSION}"),
                device: "cpu, 1 thread".to_owned(),
                precision: options.precision,
                inputs,
                outputs,
            },
            memory,
            path: path.into(),
            plan,
            state: Some(state),
            stateful,
            inputs: input_tensors,
            outputs: output_buffers,
        })
    }

    fn run(&mut self) -> TractResult<()> {
        // The state is taken out of `self` while it is used, so that none is left behind if the run fails or panics.
        let mut state = match self.state.take() {
            Some(state) => state,
            None => TypedSimpleState::new(&self.plan)?,
        };
        let inputs = self.inputs.iter().map(|input| TValue::from_const(Arc::clone(input))).collect();
        let results = state.run(inputs)?;
        for (result, output) in results.iter().zip(&mut self.outputs) {
            output.copy_from_slice(result.try_as_plain_ram()?.as_slice::<f32>()?);
        }
        drop(results);
        // A state that still held an input would keep the caller from writing the next one, so such a state is dropped.
        if !self.stateful && self.inputs.iter_mut().all(|input| Arc::get_mut(input).is_some()) {
            self.state = Some(state);
        }
        Ok(())
    }
}

impl fmt::Debug for TractEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TractEngine").field("description", &self.description).finish_non_exhaustive()
    }
}

impl Engine for TractEngine {
    fn description(&self) -> &Description {
        &self.description
    }

    /// The weights as tract holds them (at least the model file's size), and the IO buffers. Intermediate tensors are not counted: tract
    /// allocates them while it runs.
    fn memory(&self) -> Memory {
        self.memory
    }

    fn input(&mut self, index: usize) -> &mut [f32] {
        let tensor =
            Arc::get_mut(&mut self.inputs[index]).expect("no run is under way, and each gives its inputs back");
        bytemuck::cast_slice_mut(tensor.as_bytes_mut())
    }

    fn output(&self, index: usize) -> &[f32] {
        &self.outputs[index]
    }

    /// Runs the network on the calling thread. A panic of tract becomes an error.
    fn enqueue(&mut self) -> Result<Completion, Error> {
        let path = Arc::clone(&self.path);
        model::guard(ErrorKind::Run, &path, "tract", || {
            self.run().map_err(|e| {
                let message = format!("{e:#}");
                Error::new(
                    ErrorKind::Run,
                    format!("{}: tract failed on it: {}", path.display(), model::detail(&message)),
                )
            })
        })?;
        Ok(Completion::Done)
    }
}

/// The graph's inputs, without those that are weights. An open batch becomes 1, also in the graph itself.
fn take_inputs(path: &Path, graph: &mut pb::GraphProto) -> Result<Vec<TensorInfo>, Error> {
    let mut infos = Vec::new();
    let mut batches: Vec<String> = Vec::new();
    for input in graph.input.iter_mut().filter(|i| graph.initializer.iter().all(|w| w.name != i.name)) {
        let Some(pb::type_proto::Value::TensorType(tensor)) = input.r#type.as_mut().and_then(|t| t.value.as_mut())
        else {
            return Err(Error::new(
                ErrorKind::Shape,
                format!("{}: input `{}` is no tensor, expected one of f32", path.display(), input.name),
            ));
        };
        let element = element_name(tensor.elem_type);
        let Some(shape) = tensor.shape.as_mut() else {
            return Err(Error::new(
                ErrorKind::Shape,
                format!(
                    "{}: input `{}` has no shape, expected fixed extents; export the model for one size",
                    path.display(),
                    input.name
                ),
            ));
        };
        let extents: Vec<Extent> = shape.dim.iter().map(|d| extent_of_proto(d.value.as_ref())).collect();
        infos.push(model::tensor_info(path, Role::Input, &input.name, &element, &extents)?);
        if let Some(Extent::Open(name)) = extents.first() {
            shape.dim[0].value = Some(Dim::DimValue(1));
            batches.push(name.clone());
        }
    }
    if !batches.is_empty() {
        // The exporter's notes on intermediate tensors may still name the open batch. tract infers these shapes anew.
        graph.value_info.clear();
    }
    Ok(infos)
}

/// The descriptions of the outputs, whose names are those of the file.
fn output_infos(path: &Path, typed: &TypedModel, names: &[String]) -> Result<Vec<TensorInfo>, Error> {
    let refused = |e: TractError| refused(path, &e);
    names
        .iter()
            .enumerate()
            .map(|(index, name)| {
                let fact = typed.output_fact(index).map_err(refused)?;
                let extents: Vec<Extent> = fact.shape.iter().map(extent_of_dim).collect();
                // An open batch was fixed with the inputs; an extent that is still open depends on the data.
                if let Some(open) = extents.iter().find(|e| matches!(e, Extent::Open(_))) {
                    return Err(Error::new(
                        ErrorKind::Shape,
                        format!(
                            "{}: output `{name}` has an extent that depends on the data ({open}), expected fixed ones; export \
                             the model without the operator that makes it (such as NonMaxSuppression)",
                            path.display()
                        ),
                    ));
                }
                let element = format!("{:?}", fact.datum_type).to_lowercase();
                model::tensor_info(path, Role::Output, name, &element, &extents)
            })
            .collect::<Result<Vec<_>, Error>>()
}

/// Refuses a model with operators that tract lacks. The error names all of them.
fn check_operators(path: &Path, onnx: &tract_onnx::Onnx, graph: &pb::GraphProto) -> Result<(), Error> {
    let mut missing: Vec<&str> =
        graph.node.iter().map(|n| &*n.op_type).filter(|op| !onnx.op_register.0.contains_key(*op)).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Model,
        format!(
            "{}: tract {TRACT_VERSION} lacks the operator {}; run it with another engine, or export it without",
            path.display(),
            model::detail(&missing.join(", "))
        ),
    ))
}

/// Refuses a model with a tensor that is too large for any machine: the attempt to allocate it would end the process.
fn check_sizes(path: &Path, typed: &TypedModel) -> Result<(), Error> {
    for node in typed.nodes() {
        for output in &node.outputs {
            let Some(shape) = output.fact.shape.as_concrete() else { continue };
            let size = output.fact.datum_type.size_of().max(1);
            let bytes = shape.iter().try_fold(size, |bytes, extent| bytes.checked_mul(*extent));
            if bytes.is_none_or(|bytes| bytes > model::MAX_TENSOR_BYTES) {
                return Err(Error::new(
                    ErrorKind::Model,
                    format!(
                        "{}: operator `{}` makes a tensor of shape {shape:?}, expected at most {} bytes; the file may be \
                         damaged",
                        path.display(),
                        node.name,
                        model::MAX_TENSOR_BYTES
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn refused(path: &Path, error: &TractError) -> Error {
    Error::new(
        ErrorKind::Model,
        format!(
            "{}: tract {TRACT_VERSION} cannot run it ({}); export it again, or run it with another engine",
            path.display(),
            model::detail(&format!("{error:#}"))
        ),
    )
}

fn extent_of_proto(dim: Option<&Dim>) -> Extent {
    match dim {
        Some(Dim::DimValue(extent)) => match usize::try_from(*extent) {
            Ok(extent) => Extent::Fixed(extent),
            // Some exporters write -1 for an extent that they leave open.
            Err(_) => Extent::Open(String::new()),
        },
        Some(Dim::DimParam(name)) => Extent::Open(name.clone()),
        None => Extent::Open(String::new()),
    }
}

fn extent_of_dim(dim: &TDim) -> Extent {
    let fixed = dim.to_i64().ok().and_then(|extent| usize::try_from(extent).ok());
    fixed.map_or_else(|| Extent::Open(dim.to_string()), Extent::Fixed)
}

/// The name of an element type by its number in ONNX, as Rust would call it.
fn element_name(number: i32) -> String {
    use pb::tensor_proto::DataType as T;
    match T::try_from(number) {
        Ok(T::Float) => "f32".to_owned(),
        Ok(T::Float16) => "f16".to_owned(),
        Ok(T::Bfloat16) => "bf16".to_owned(),
        Ok(T::Double) => "f64".to_owned(),
        Ok(T::Int8) => "i8".to_owned(),
        Ok(T::Int16) => "i16".to_owned(),
        Ok(T::Int32) => "i32".to_owned(),
        Ok(T::Int64) => "i64".to_owned(),
        Ok(T::Uint8) => "u8".to_owned(),
        Ok(T::Uint16) => "u16".to_owned(),
        Ok(T::Uint32) => "u32".to_owned(),
        Ok(T::Uint64) => "u64".to_owned(),
        Ok(other) => format!("{other:?}").to_lowercase(),
        Err(_) => format!("an element type unknown to ONNX ({number})"),
    }
}

/// Bytes of the plan's constants, which are the weights.
fn weight_bytes(model: &TypedModel) -> u64 {
    let constants = model.nodes().iter().filter_map(|node| node.op_as::<Const>());
    constants.map(|c| (c.val().volume() * c.val().datum_type().size_of()) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_told_is_the_version_built() {
        let manifest = include_str!("../Cargo.toml");
        let line = manifest.lines().find(|l| l.starts_with("tract-onnx")).expect("the dependency");
        assert!(line.contains(&format!("\"={TRACT_VERSION}\"")), "{line}");
    }
}
