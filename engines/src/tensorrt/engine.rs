//! A deserialized plan with its execution context and its tensors on the device.

use std::sync::Arc;

use trt_select_cuda::driver::Stream;
use trt_select_cuda::pipe::{Network, NetworkTensor};

use super::held::{HeldPlan, PlanSpec, deserialize};
use super::runtime::{Context, CudaEngine};
use super::shared::{Activation, Shared, Taking, enter_at_last};
use super::tensors::Tensor;
use crate::{Description, Error, ErrorKind, Memory};

/// One network of a [`Session`](super::Session). Its tensors' addresses are bound once, when its context is made.
///
/// # Threads
/// It may be moved to another thread between calls.
pub struct TensorrtEngine {
    // The fields are dropped in this order: context, engine, then the memory that they use, the plan, and last what the session shares.
    context: Option<Context>,
    engine: Option<Arc<CudaEngine>>,
    tensors: Vec<Tensor>,
    activation: Option<Arc<Activation>>,
    kept: Option<HeldPlan>,
    spec: PlanSpec,
    description: Description,
    /// Indices into `tensors`.
    input: usize,
    output: usize,
    activation_bytes: u64,
    weight_bytes: u64,
    context_bytes: u64,
    plan_bytes: u64,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for TensorrtEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TensorrtEngine")
            .field("name", &self.spec.name)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

impl TensorrtEngine {
    /// Checks and deserializes a plan and allocates its tensors. [`TensorrtEngine::bind`] must be called afterwards.
    pub(super) fn load(shared: &Arc<Shared>, spec: &PlanSpec) -> Result<TensorrtEngine, Error> {
        let held = HeldPlan::open(shared, spec)?;
        let plan_bytes = held.bytes().len() as u64;
        // Current until this function returns, since the engine may be dropped in it: TensorRT frees its memory in whichever context is
        // current.
        let _current = shared.context.enter()?;
        let taking = Taking::begin(shared)?;
        let engine = deserialize(shared, &held, &spec.plan.display().to_string())?;
        let weight_bytes = taking.bytes()?;
        drop(taking);
        let mut tensors = Vec::new();
        for (index, io) in engine.tensors().iter().enumerate() {
            tensors.push(Tensor::new(&shared.context, index, io)?);
        }
        let pick = |input: bool, wanted: Option<&str>| pick(&tensors, input, wanted);
        let (input, output) = (pick(true, spec.input.as_deref())?, pick(false, spec.output.as_deref())?);
        let inputs = tensors.iter().filter(|t| t.is_input).count();
        if inputs != 1 {
            return Err(Error::new(
                ErrorKind::Shape,
                format!("plan: expected a network of one input, got {inputs}; export it with its other inputs fixed"),
            ));
        }
        tensors[input].check_chosen()?;
        tensors[output].check_chosen()?;
        let of = |input: bool| tensors.iter().filter(|t| t.is_input == input).filter_map(Tensor::info).collect();
        let device = shared.context.device();
        let description = Description {
            kind: "tensorrt",
            version: shared.version(),
            device: device.name.clone(),
            precision: spec.precision,
            inputs: of(true),
            outputs: of(false),
        };
        let activation_bytes = engine.activation_bytes();
        Ok(TensorrtEngine {
            context: None,
            engine: Some(engine),
            tensors,
            activation: None,
            kept: shared.keep_plans.then_some(held),
            spec: spec.clone(),
            description,
            input,
            output,
            activation_bytes,
            weight_bytes,
            context_bytes: 0,
            plan_bytes,
            shared: Arc::clone(shared),
        })
    }

    /// Takes the block of activation memory that all candidates share, and makes the execution context, unless the plan was unloaded
    /// meanwhile.
    pub(super) fn bind(&mut self, activation: Arc<Activation>) -> Result<(), Error> {
        self.activation = Some(activation);
        if self.engine.is_some() { self.make_context() } else { Ok(()) }
    }

    /// Whether the plan is deserialized.
    pub(super) fn is_loaded(&self) -> bool {
        self.engine.is_some()
    }

    /// Frees what deserializing the plan allocated.
    pub(super) fn unload(&mut self) {
        let _current = enter_at_last(&self.shared.context);
        self.context = None;
        self.engine = None;
    }

    fn make_context(&mut self) -> Result<(), Error> {
        let (Some(engine), Some(activation)) = (&self.engine, &self.activation) else {
            return Err(Error::new(
                ErrorKind::Run,
                "plan: expected activation memory before the context, got none; open it through a session",
            ));
        };
        let _current = self.shared.context.enter()?;
        let taking = Taking::begin(&self.shared)?;
        let mut context = engine.create_context()?;
        let block = activation.block();
        // SAFETY: the block has at least `activation_bytes` and lives as long as the context: it is dropped after it. All
        // networks that share it run on one stream: `enqueue` sees to that.
        unsafe { context.set_activation(block.address(), block.bytes() as u64)? };
        for tensor in &self.tensors {
            if tensor.is_input && tensor.open_batch {
                let shape: Vec<i64> = tensor.shape.iter().map(|&n| n as i64).collect();
                context.set_input_shape(tensor.index, &shape)?;
            }
        }
        for tensor in &self.tensors {
            // All extents are fixed now. They must be those that the buffers were allocated for.
            let shape = context.shape(tensor.index)?;
            if shape.len() != tensor.shape.len() || shape.iter().zip(&tensor.shape).any(|(a, b)| *a != *b as i64) {
                return Err(Error::new(
                    ErrorKind::Shape,
                    format!(
                        "{}: tensor '{}': expected {:?} for a batch of 1, got {shape:?}; export it with fixed extents",
                        self.spec.plan.display(),
                        tensor.name,
                        tensor.shape
                    ),
                ));
            }
            // SAFETY: the buffer has room for the tensor's elements and is dropped after the context.
            unsafe { context.bind(tensor.index, tensor.buffer.address())? };
        }
        // A context allocates memory of its own beside the weights.
        self.context_bytes = taking.bytes()?;
        drop(taking);
        self.context = Some(context);
        Ok(())
    }

    /// What the engine is, and its tensors.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The index of the input among [`Description::inputs`], and of the output that candidates are judged by among
    /// [`Description::outputs`].
    pub fn selected(&self) -> (usize, usize) {
        let among = |at: usize| {
            let before = self.tensors[..at].iter().filter(|t| t.is_input == self.tensors[at].is_input);
            before.filter_map(Tensor::info).count()
        };
        (among(self.input), among(self.output))
    }

    /// Memory that it holds; a kept plan counts as page-locked memory, or as ordinary memory where the device cannot page-lock it. TensorRT
    /// does not tell what it allocates on the host, so that is not counted.
    pub fn memory(&self) -> Memory {
        let tensors: usize = self.tensors.iter().map(|t| t.buffer.bytes()).sum();
        let kept = |locked| match &self.kept {
            Some(plan) if plan.is_locked() == locked => self.plan_bytes,
            _ => 0,
        };
        Memory {
            host_bytes: kept(false),
            pinned_bytes: kept(true),
            device_bytes: tensors as u64 + if self.is_loaded() { self.weight_bytes() } else { 0 },
            activation_bytes: self.activation_bytes,
        }
    }

    /// Device bytes that the plan and its context took when they were made: the weights and what TensorRT adds to them. What TensorRT
    /// allocates at the first run is not counted, since it is not known which candidate it belongs to.
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes + self.context_bytes
    }

    /// Device bytes that it needs while it runs; all plans of a session share one block.
    pub fn activation_bytes(&self) -> u64 {
        self.activation_bytes
    }

    /// Size of the plan's file.
    pub fn plan_bytes(&self) -> u64 {
        self.plan_bytes
    }
}

impl Drop for TensorrtEngine {
    fn drop(&mut self) {
        self.unload();
    }
}

// SAFETY: `enqueue` calls TensorRT's enqueue only, on tensors and an activation block that this object owns (or shares) and
// drops after the context; their addresses are bound once, in `make_context`. `evict` drops context and engine only, and a
// graph captured before it is not launched again: the lane drops it first.
unsafe impl Network for TensorrtEngine {
    type Error = Error;

    fn input(&self) -> NetworkTensor<'_> {
        self.tensors[self.input].as_network()
    }

    fn output(&self) -> NetworkTensor<'_> {
        self.tensors[self.output].as_network()
    }

    unsafe fn enqueue(&mut self, stream: &Stream) -> Result<(), Error> {
        let Some(context) = &mut self.context else {
            return Err(Error::new(
                ErrorKind::Run,
                format!("{}: expected a candidate on the device, got an evicted one; restore it", self.spec.name),
            ));
        };
        if !self.activation.as_ref().is_some_and(|a| a.is_for(stream.raw())) {
            return Err(Error::new(
                ErrorKind::Run,
                format!(
                    "{}: expected the stream of the session's other candidates, got another; open a session for each pipe",
                    self.spec.name
                ),
            ));
        }
        let _current = self.shared.context.enter()?;
        // SAFETY: the stream is alive (borrowed), and tensors and activation memory are bound.
        unsafe { context.enqueue(stream.raw()) }
    }

    fn evict(&mut self) -> Result<(), Error> {
        self.unload();
        Ok(())
    }

    fn is_resident(&self) -> bool {
        self.context.is_some()
    }

    fn restore(&mut self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let _current = shared.context.enter()?;
        if self.engine.is_none() {
            let opened;
            let held = match &self.kept {
                Some(kept) => kept,
                None => {
                    opened = HeldPlan::open(&self.shared, &self.spec)?;
                    &opened
                }
            };
            let taking = Taking::begin(&shared)?;
            let engine = deserialize(&shared, held, &self.spec.plan.display().to_string())?;
            let weight_bytes = taking.bytes()?;
            drop(taking);
            // If the plan was not kept in memory, its file may have been replaced since it was opened.
            let same = engine.tensors().len() == self.tensors.len()
                && engine.activation_bytes() <= self.activation.as_ref().map_or(0, |a| a.block().bytes() as u64)
                && engine.tensors().iter().zip(&self.tensors).all(|(io, tensor)| tensor.is_as(io));
            if !same {
                return Err(Error::new(
                    ErrorKind::PlanMismatch,
                    format!(
                        "{}: expected the plan that was opened, got one with other tensors; open the bundle again",
                        self.spec.plan.display()
                    ),
                ));
            }
            (self.engine, self.weight_bytes) = (Some(engine), weight_bytes);
        }
        // Without a context the plan is of no use, and `is_resident` would not tell that its weights still take memory: so it is unloaded.
        self.make_context().inspect_err(|_| self.unload())
    }
}

/// The input, or the output, of the name `wanted`; without a name, the only one.
fn pick(tensors: &[Tensor], input: bool, wanted: Option<&str>) -> Result<usize, Error> {
    let candidates: Vec<usize> = (0..tensors.len()).filter(|&i| tensors[i].is_input == input).collect();
    let found = match wanted {
        Some(wanted) => candidates.iter().copied().find(|&i| tensors[i].name == wanted),
        None if candidates.len() == 1 => Some(candidates[0]),
        None => None,
    };
    found.ok_or_else(|| {
        let role = if input { "input" } else { "output" };
        let names: Vec<&str> = candidates.iter().map(|&i| tensors[i].name.as_str()).collect();
        let expected = wanted.map_or_else(|| format!("one {role}"), |w| format!("an {role} named '{w}'"));
        Error::new(
            ErrorKind::Shape,
            format!("plan: expected {expected}, got {names:?}; name one of them as the candidate's {role}"),
        )
    })
}
