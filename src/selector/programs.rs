//! Which of the premodel's programs decides: by a price, by its number, or by what candidates cost at the moment.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_premodel::{CandidateId, Control, ControlError, FrontProgram};

use super::Selector;
use crate::error::{Error, ErrorKind, Result};

/// Says in the library's terms what a control refused.
fn refused(error: ControlError) -> Error {
    let kind = if error == ControlError::NoExpectations { ErrorKind::Premodel } else { ErrorKind::Usage };
    Error::new(kind, error.to_string())
}

impl Selector {
    /// The premodel's programs, in the order of their numbers. There is at least one.
    pub fn programs(&self) -> impl ExactSizeIterator<Item = FrontProgram<'_>> {
        self.premodel().programs()
    }

    /// The number of the program that decides from the next input on. Where a mix decides
    /// ([`Premodel::mix`](trt_select_premodel::Premodel::mix)), the program that decided on the last input.
    /// [`Outcome::program`](super::Outcome::program) says which program decided on an input.
    pub fn current_program(&self) -> usize {
        self.control.program()
    }

    /// What the selector was told of prices, programs and costs.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Lets the best program at this price decide from the next input on, and returns its number. The price is in reward per
    /// millisecond: what a gain of one millisecond must be worth. The best program has the largest expected reward − price · cost,
    /// where the cost follows the multipliers ([`Selector::set_cost_multiplier`]); of several, it is the cheapest. An input in
    /// flight keeps its program.
    ///
    /// Takes a few nanoseconds, and allocates nothing.
    ///
    /// ```
    /// # use trt_select::engines::null::NullEngine;
    /// # use trt_select::engines::{DataType, TensorInfo};
    /// # use trt_select::premodel::{CandidateId, Scores};
    /// use trt_select::premodel::{Alternative, Expected, Interval, Node, Premodel, TrainedFor};
    /// use trt_select::{Candidate, Input, Selector};
    /// # let tensor = |name: &str, n| TensorInfo { name: name.into(), data_type: DataType::F32, shape: vec![1, n] };
    /// # let network = |name: &str, logits: [f32; 2]| -> trt_select::Result<Candidate> {
    /// #     let mut engine = NullEngine::new(vec![tensor("input", 4)], vec![tensor("logits", 2)])?;
    /// #     engine.set_output(0, &logits);
    /// #     Candidate::new(name, Box::new(engine), None, Scores::Logits, None, None)
    /// # };
    /// # let candidates = vec![network("small", [0.1, 0.0])?, network("large", [0.0, 5.0])?];
    /// # let names = vec!["small".to_string(), "large".to_string()];
    /// # let (small, large) = (CandidateId(0), CandidateId(1));
    /// // Two programs: `small` is right on 80 % of the inputs in 1 ms, `large` on 90 % in 3 ms.
    /// let at = |mean: f64| Interval { mean, low: mean, high: mean };
    /// let expect = |reward, ns| Some(Expected::new(at(reward), at(ns), at(reward - 0.9), "an example".to_string()));
    /// let programs = vec![
    ///     Alternative::single(small, 2).expected(expect(0.8, 1e6)),
    ///     Alternative::single(large, 2).expected(expect(0.9, 3e6)),
    /// ];
    /// # let nodes = vec![Node::run(small, 1), Node::answer(small)];
    /// # let trained_for = TrainedFor::of_costs(vec![1e6, 3e6]);
    /// # let premodel = Premodel::new(names, 2, vec![], nodes, vec![large, small], vec![], trained_for)?;
    /// let mut selector = Selector::new(candidates, premodel.with_programs(programs, 0)?)?;
    ///
    /// // A point of accuracy for each 0.1 ms: too dear for the large network, which gains 10 points in 2 ms.
    /// assert_eq!(selector.set_price(0.1)?, 0);
    /// assert_eq!(selector.infer(Input::Tensor(&[0.0; 4]))?.program, 0);
    /// assert_eq!(selector.set_price(0.01)?, 1);
    /// assert_eq!(selector.infer(Input::Tensor(&[0.0; 4]))?.program, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the price is not finite or below 0, [`ErrorKind::Premodel`] if no program of the premodel says what
    /// to expect of it. After an error nothing has changed.
    #[inline]
    pub fn set_price(&mut self, price: f64) -> Result<usize> {
        self.control.set_price(price).map_err(refused)
    }

    /// Lets the program of this number decide from the next input on, whatever it costs. An input in flight keeps its program.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the premodel has no such program. After an error nothing has changed.
    #[inline]
    pub fn set_program(&mut self, program: usize) -> Result<()> {
        self.control.set_program(program).map_err(refused)
    }

    /// Says that one run of a candidate now costs this many times what it cost when the premodel was made: 2 where its server has
    /// become half as fast. Returns the number of the program that decides from the next input on; [`Control`] says by which rule.
    /// The cost of a program changes only where it says on which share of inputs it runs the candidate
    /// ([`FrontProgram::ran`]). Allocates nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if there is no such candidate, or the multiplier is not finite or below 0. After an error nothing has
    /// changed.
    pub fn set_cost_multiplier(&mut self, candidate: CandidateId, multiplier: f64) -> Result<usize> {
        self.control.set_cost_multiplier(candidate, multiplier).map_err(refused)
    }

    /// What the selector was told, for callers that give it their own errors.
    #[cfg(feature = "capi")]
    pub(crate) fn control_mut(&mut self) -> &mut Control {
        &mut self.control
    }

    /// Whether this program's tests are those that were compiled into the library.
    #[cfg(feature = "capi")]
    pub(crate) fn is_baked_program(&self, program: usize) -> bool {
        self.prepared.programs[program].baked
    }

    /// Forgets prices, programs and multipliers that were set: from the next input on the premodel's own choice decides.
    pub fn reset_control(&mut self) {
        self.control.reset();
    }
}
