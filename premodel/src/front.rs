//! Premodels of several programs: a front, of which one program at a time decides.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::alternative::{Alternative, MAX_PROGRAMS, Mix, Stored};
use crate::model::Premodel;
use crate::model_error::{ModelError, ModelErrorKind};
use crate::provenance::{Expected, Interval};
use crate::{CandidateId, Mask, Program, View, tree};

/// One program of a premodel, with what is known of it. [`Premodel::programs`] gives all of them.
#[derive(Clone, Copy, Debug)]
pub struct FrontProgram<'a> {
    premodel: &'a Premodel,
    number: usize,
}

impl<'a> FrontProgram<'a> {
    fn stored(&self) -> &'a Stored {
        &self.premodel.programs[self.number]
    }

    /// Its number among the premodel's programs, counted from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Whether it is the one that decides where nobody asks for another and the premodel has no mix.
    pub fn is_chosen(&self) -> bool {
        self.number == self.premodel.chosen
    }

    /// The program itself, which was checked when the premodel was made.
    pub fn program(&self) -> Program<'a> {
        self.premodel.program_number(self.number)
    }

    /// The price that it was trained for, in reward per millisecond; `None` where it was not trained for one.
    pub fn price(&self) -> Option<f64> {
        self.stored().price
    }

    /// What to expect of it; `None` where it has not been judged.
    pub fn expected(&self) -> Option<&'a Expected> {
        if self.is_chosen() { self.premodel.expected.as_ref() } else { self.stored().expected.as_ref() }
    }

    /// For each candidate the share of inputs on which it is expected to run, 0..=1; empty where that is not known.
    pub fn ran(&self) -> &'a [f64] {
        &self.stored().ran
    }

    /// Whether one of its tests reads an image feature.
    pub fn reads_features(&self) -> bool {
        self.premodel.reads_features_of(self.number)
    }

    /// Cost in nanoseconds of its most expensive path, with the image features where it reads one.
    pub fn worst_case_ns(&self) -> f64 {
        self.premodel.worst_case_ns_of(self.number)
    }

    /// The program as an indented tree: see [`Premodel::tree`].
    pub fn tree(&self) -> String {
        tree::tree(&self.stored().nodes, &self.premodel.signals, &self.premodel.candidates)
    }

    /// The way from the first node to `node` in words: see [`Premodel::why`].
    pub fn why(&self, node: usize) -> String {
        tree::why(&self.stored().nodes, node, &self.premodel.signals, &self.premodel.candidates)
    }

    /// The candidate that it always runs and answers with; `None` where it does anything else.
    pub fn single(&self) -> Option<CandidateId> {
        match self.stored().nodes.as_slice() {
            [first, last] => match (first.view(), last.view()) {
                (View::Run { candidate, .. }, View::Answer(answer)) if answer.needs() == Mask::of(candidate) => {
                    Some(candidate)
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl Premodel {
    /// The same premodel with these programs in place of its own. They share its candidates, signals, calibration, risks and fallback list.
    /// Program `chosen` decides where nobody asks for another; it is the one that [`Premodel::program`] gives, and its expectations become
    /// [`Premodel::expected`]. A mix that the premodel had is dropped.
    ///
    /// ```
    /// use trt_select_premodel::{Alternative, CandidateId, Expected, Interval, Node, Premodel, TrainedFor};
    ///
    /// let names = vec!["small".to_string(), "large".to_string()];
    /// let (small, large) = (CandidateId(0), CandidateId(1));
    /// let nodes = vec![Node::run(small, 1), Node::answer(small)];
    /// let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
    /// let premodel = Premodel::new(names, 10, vec![], nodes, vec![large, small], vec![], trained_for)?;
    ///
    /// let at = |mean: f64| Interval { mean, low: mean, high: mean };
    /// let expect = |reward, ns| Some(Expected::new(at(reward), at(ns), at(reward - 0.9), "an example".to_string()));
    /// let premodel = premodel.with_programs(
    ///     vec![
    ///         Alternative::single(small, 2).expected(expect(0.8, 1e5)),
    ///         Alternative::single(large, 2).expected(expect(0.9, 9e5)),
    ///     ],
    ///     1,
    /// )?;
    /// assert_eq!((premodel.programs().len(), premodel.chosen()), (2, 1));
    /// assert_eq!(premodel.tree(), "run large\nanswer large\n");
    /// assert_eq!(premodel.program_at(0).unwrap().expected().unwrap().reward.mean, 0.8);
    /// # Ok::<(), trt_select_premodel::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// A [`ModelError`] if there is no program or more than [`MAX_PROGRAMS`], `chosen` is none of them, a price, a share or an expectation
    /// lies outside its range, or [`Program::check`] finds that a program is not sound.
    pub fn with_programs(mut self, programs: Vec<Alternative>, chosen: usize) -> Result<Premodel, ModelError> {
        let count = programs.len();
        if count == 0 || count > MAX_PROGRAMS || chosen >= count {
            let message = format!(
                "programs: expected 1 to {MAX_PROGRAMS} programs and the number of the chosen one, got {count} and {chosen}; train it anew"
            );
            return Err(ModelError::new(ModelErrorKind::Programs, message));
        }
        for (at, program) in programs.iter().enumerate() {
            program.check(at, self.candidates.len())?;
            Program::check(&program.nodes, self.schema()).map_err(|error| ModelError::of_program(error, at, count))?;
        }
        self.programs = programs.into_iter().map(Stored::of).collect();
        self.expected = self.programs[chosen].expected.take();
        self.chosen = chosen;
        self.mix = None;
        Ok(self)
    }

    /// The same premodel with another chosen program.
    ///
    /// # Errors
    /// A [`ModelError`] if there is no program of this number.
    pub fn with_chosen(mut self, chosen: usize) -> Result<Premodel, ModelError> {
        if chosen >= self.programs.len() {
            let last = self.programs.len() - 1;
            let message = format!("program: expected a number from 0 to {last}, got {chosen}; name another");
            return Err(ModelError::new(ModelErrorKind::Programs, message));
        }
        let expected = self.programs[chosen].expected.take();
        if chosen != self.chosen {
            self.programs[self.chosen].expected = core::mem::replace(&mut self.expected, expected);
            self.chosen = chosen;
        }
        Ok(self)
    }

    /// The same premodel with a mix of two of its programs, or without one. A mix decides as long as nobody asks for a program or a price.
    ///
    /// # Errors
    /// A [`ModelError`] if the mix does not name two different programs, or its share is not in 0..=1.
    pub fn with_mix(mut self, mix: Option<Mix>) -> Result<Premodel, ModelError> {
        if let Some(mix) = &mix {
            mix.check(self.programs.len())?;
        }
        self.mix = mix;
        Ok(self)
    }

    /// What to expect where nobody asks for a program or a price: of the mix, where there is one, else of the chosen program. `None` where that
    /// has not been judged. The interval of a mix has the means of its programs' ends, and is none too narrow, since what makes one of
    /// them better on some inputs makes the other one so.
    pub fn expected_by_default(&self) -> Option<Expected> {
        let Some(mix) = self.mix else { return self.expected.clone() };
        let [first, second] = mix.programs.map(|number| self.program_at(number).and_then(|program| program.expected()));
        let (first, second) = (first?, second?);
        let both = |a: Interval, b: Interval| {
            let [mean, low, high] =
                [(a.mean, b.mean), (a.low, b.low), (a.high, b.high)].map(|(a, b)| mix.between(a, b));
            Interval { mean, low, high }
        };
        Some(Expected::new(
            both(first.reward, second.reward),
            both(first.cost_ns, second.cost_ns),
            both(first.over_best_single, second.over_best_single),
            format!("a mix of two programs; {}", first.judged_by),
        ))
    }

    /// All programs, in the order of their numbers: at least one.
    pub fn programs(&self) -> impl ExactSizeIterator<Item = FrontProgram<'_>> {
        (0..self.programs.len()).map(|number| FrontProgram { premodel: self, number })
    }

    /// The program of this number, counted from 0; `None` where there are fewer.
    pub fn program_at(&self, number: usize) -> Option<FrontProgram<'_>> {
        (number < self.programs.len()).then_some(FrontProgram { premodel: self, number })
    }

    /// The number of the program that decides where nobody asks for another and the premodel has no mix.
    pub fn chosen(&self) -> usize {
        self.chosen
    }

    /// The mix of two programs that decides where nobody asks for a program or a price; `None` where there is none, so that the chosen
    /// program decides.
    pub fn mix(&self) -> Option<Mix> {
        self.mix
    }
}
