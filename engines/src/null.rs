//! An engine without a network: it answers what the caller has set. For tests, and for measuring how long the selector itself takes.
//!
//! After [`NullEngine::new`] it does not allocate, lock or block, unless the function given to [`NullEngine::set_function`] does.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Completion, Description, Engine, Error, Memory, Precision, TensorInfo};

/// Computes outputs from inputs. Both are one slice a tensor, in the description's order.
type Function = Box<dyn FnMut(&[Box<[f32]>], &mut [Box<[f32]>]) + Send>;

/// The engine without a network.
///
/// Its outputs are zeros, or what was set by [`set_output`](NullEngine::set_output) or is computed by the function of
/// [`set_function`](NullEngine::set_function). Its work can be made to fail or to stay pending. Where a real engine leaves an output's
/// contents unspecified (after a failure, and while work is pending), this one fills it with NaN, so that a test notices code that reads
/// the output then.
///
/// ```
/// use trt_select_engines::null::NullEngine;
/// use trt_select_engines::{Completion, DataType, Engine, TensorInfo};
///
/// let tensor = |name: &str, shape: &[usize]| TensorInfo { name: name.into(), data_type: DataType::F32, shape: shape.into() };
/// let mut engine = NullEngine::new(vec![tensor("image", &[1, 3, 2, 2])], vec![tensor("logits", &[1, 2])])?;
/// engine.set_output(0, &[0.25, 0.75]);
/// assert_eq!(engine.enqueue()?, Completion::Done);
/// assert_eq!(engine.output(0), [0.25, 0.75]);
/// # Ok::<(), trt_select_engines::Error>(())
/// ```
pub struct NullEngine {
    description: Description,
    inputs: Vec<Box<[f32]>>,
    /// The outputs' contents after the next enqueue.
    answers: Vec<Box<[f32]>>,
    outputs: Vec<Box<[f32]>>,
    /// Whether `outputs` hold a copy of `answers` already, so that an enqueue need not copy.
    current: bool,
    function: Option<Function>,
    /// The numbers of the enqueues that are to fail, each with its error.
    failures: Vec<(u64, Error)>,
    polls_per_enqueue: u32,
    /// How many more polls of the pending work will be answered with false; `None` if no work is pending.
    polls_left: Option<u32>,
    /// The error that the pending work will end with.
    pending_failure: Option<Error>,
    /// Whether failures are reported by `ready` rather than by `enqueue`.
    fail_late: bool,
    enqueues: Arc<AtomicU64>,
}

impl NullEngine {
    /// An engine with these inputs and outputs; all buffers are zero.
    ///
    /// # Errors
    /// [`ErrorKind::Shape`](crate::ErrorKind::Shape) if a tensor is not of type f32.
    pub fn new(inputs: Vec<TensorInfo>, outputs: Vec<TensorInfo>) -> Result<NullEngine, Error> {
        for (role, tensors) in [("input", &inputs), ("output", &outputs)] {
            if let Some(other) = tensors.iter().find(|t| t.data_type != crate::DataType::F32) {
                return Err(Error::new(
                    crate::ErrorKind::Shape,
                    format!("null engine: {role} `{}` holds {}, expected f32", other.name, other.data_type.name()),
                ));
            }
        }
        let buffers = |tensors: &[TensorInfo]| tensors.iter().map(|t| vec![0.0; t.len()].into()).collect::<Vec<_>>();
        Ok(NullEngine {
            inputs: buffers(&inputs),
            answers: buffers(&outputs),
            outputs: buffers(&outputs),
            current: true,
            function: None,
            failures: Vec::new(),
            polls_per_enqueue: 0,
            polls_left: None,
            pending_failure: None,
            fail_late: false,
            enqueues: Arc::new(AtomicU64::new(0)),
            description: Description {
                kind: "null",
                version: concat!("null ", env!("CARGO_PKG_VERSION")).to_owned(),
                device: "none".to_owned(),
                precision: Precision::Fp32,
                inputs,
                outputs,
            },
        })
    }

    /// Sets the contents of output `index` from the next [`enqueue`](Engine::enqueue) on.
    ///
    /// # Panics
    /// If there is no such output, or its length is another.
    pub fn set_output(&mut self, index: usize, values: &[f32]) {
        self.answers[index].copy_from_slice(values);
        self.current = false;
    }

    /// Sets a function that computes the answers from the inputs in every [`enqueue`](Engine::enqueue) that does not fail.
    /// The answers keep their values between calls. It runs on the thread that enqueues.
    pub fn set_function(&mut self, function: impl FnMut(&[Box<[f32]>], &mut [Box<[f32]>]) + Send + 'static) {
        self.function = Some(Box::new(function));
    }

    /// Makes the `number`-th enqueue fail with `error`. Enqueues count from 0 since the engine was made, failed ones too.
    pub fn fail_at(&mut self, number: u64, error: Error) {
        self.failures.push((number, error));
    }

    /// Sets whether failures are reported when the work ends, by [`ready`](Engine::ready), rather than by [`enqueue`](Engine::enqueue).
    /// Only work that is pending can fail late; see [`set_polls`](NullEngine::set_polls).
    pub fn set_fail_late(&mut self, late: bool) {
        self.fail_late = late;
    }

    /// Makes every enqueue from now on answer [`Completion::Pending`], and the next `polls` calls of [`ready`](Engine::ready) answer
    /// false. With 0, work is done when `enqueue` returns.
    ///
    /// ```
    /// use trt_select_engines::null::NullEngine;
    /// use trt_select_engines::{Completion, DataType, Engine, TensorInfo};
    ///
    /// let tensor = |name: &str| TensorInfo { name: name.into(), data_type: DataType::F32, shape: vec![1, 2] };
    /// let mut engine = NullEngine::new(vec![tensor("in")], vec![tensor("out")])?;
    /// engine.set_polls(1);
    /// assert_eq!(engine.enqueue()?, Completion::Pending);
    /// assert_eq!((engine.ready()?, engine.ready()?), (false, true));
    /// # Ok::<(), trt_select_engines::Error>(())
    /// ```
    pub fn set_polls(&mut self, polls: u32) {
        self.polls_per_enqueue = polls;
    }

    /// How many enqueues there were since the engine was made, failed ones included.
    pub fn enqueues(&self) -> u64 {
        self.enqueues.load(Ordering::Relaxed)
    }

    /// The counter behind [`enqueues`](NullEngine::enqueues), for tests that give the engine away.
    pub fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.enqueues)
    }

    fn poison(&mut self) {
        self.outputs.iter_mut().for_each(|o| o.fill(f32::NAN));
        self.current = false;
    }

    fn publish(&mut self) {
        if !self.current {
            for (output, answer) in self.outputs.iter_mut().zip(&self.answers) {
                output.copy_from_slice(answer);
            }
            self.current = true;
        }
    }
}

impl fmt::Debug for NullEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NullEngine")
            .field("description", &self.description)
            .field("enqueues", &self.enqueues())
            .finish_non_exhaustive()
    }
}

impl Engine for NullEngine {
    fn description(&self) -> &Description {
        &self.description
    }

    fn memory(&self) -> Memory {
        let buffers = self.inputs.iter().chain(&self.outputs).chain(&self.answers);
        Memory { host_bytes: buffers.map(|b| size_of_val::<[f32]>(b) as u64).sum(), ..Memory::default() }
    }

    fn input(&mut self, index: usize) -> &mut [f32] {
        &mut self.inputs[index]
    }

    fn output(&self, index: usize) -> &[f32] {
        &self.outputs[index]
    }

    fn enqueue(&mut self) -> Result<Completion, Error> {
        let number = self.enqueues.fetch_add(1, Ordering::Relaxed);
        self.polls_left = None;
        self.pending_failure = None;
        let failure = self.failures.iter().position(|(at, _)| *at == number).map(|i| self.failures.swap_remove(i).1);
        let pending = self.polls_per_enqueue > 0;
        match failure {
            Some(error) if !(pending && self.fail_late) => {
                self.poison();
                return Err(error);
            }
            late => self.pending_failure = late,
        }
        if let Some(function) = &mut self.function {
            function(&self.inputs, &mut self.answers);
            self.current = false;
        }
        if pending {
            self.polls_left = Some(self.polls_per_enqueue);
            self.poison();
            return Ok(Completion::Pending);
        }
        self.publish();
        Ok(Completion::Done)
    }

    fn ready(&mut self) -> Result<bool, Error> {
        match self.polls_left {
            None => return Ok(true),
            Some(0) => self.polls_left = None,
            Some(left) => {
                self.polls_left = Some(left - 1);
                return Ok(false);
            }
        }
        if let Some(error) = self.pending_failure.take() {
            return Err(error);
        }
        self.publish();
        Ok(true)
    }
}
