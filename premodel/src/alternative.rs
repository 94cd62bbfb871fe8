//! One program of several that a premodel holds, and the mix of two of them.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::model_error::{ModelError, ModelErrorKind};
use crate::pack::Pack;
use crate::provenance::Expected;
use crate::{CandidateId, Node};

/// Most programs that a premodel may hold.
pub const MAX_PROGRAMS: usize = 64;

/// A program for a premodel of several ([`Premodel::with_programs`](crate::Premodel::with_programs)): its nodes, and what is known of them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Alternative {
    /// The program's nodes. They name the candidates and signals of the premodel.
    pub nodes: Vec<Node>,
    /// The price that the program was trained for, in reward per millisecond; `None` where it was not trained for a price, as a program that
    /// always runs one candidate.
    pub price: Option<f64>,
    /// What to expect of the program, where it has been judged.
    pub expected: Option<Expected>,
    /// For each candidate the share of inputs on which the program is expected to run it, 0..=1. Empty where that is not known; then the
    /// cost of the program does not change with that of a candidate ([`Control::set_cost_multiplier`](crate::Control::set_cost_multiplier)).
    pub ran: Vec<f64>,
}

impl Alternative {
    /// A program of which nothing is known.
    pub fn new(nodes: Vec<Node>) -> Alternative {
        Alternative { nodes, ..Alternative::default() }
    }

    /// The program that always runs this candidate and answers with it. It runs that candidate on every input, and none of the others.
    ///
    /// ```
    /// use trt_select_premodel::{Alternative, CandidateId};
    /// let large = Alternative::single(CandidateId(1), 2);
    /// assert_eq!((large.nodes.len(), large.ran), (2, vec![0.0, 1.0]));
    /// ```
    pub fn single(candidate: CandidateId, candidates: usize) -> Alternative {
        let nodes = [Node::run(candidate, 1), Node::answer(candidate)].into();
        let ran = (0..candidates).map(|c| if c == candidate.index() { 1.0 } else { 0.0 }).collect();
        Alternative { nodes, ran, ..Alternative::default() }
    }

    /// Sets [`Alternative::price`].
    #[must_use]
    pub fn price(mut self, price: Option<f64>) -> Alternative {
        self.price = price;
        self
    }

    /// Sets [`Alternative::expected`].
    #[must_use]
    pub fn expected(mut self, expected: Option<Expected>) -> Alternative {
        self.expected = expected;
        self
    }

    /// Sets [`Alternative::ran`].
    #[must_use]
    pub fn ran(mut self, ran: Vec<f64>) -> Alternative {
        self.ran = ran;
        self
    }

    /// Checks everything but the nodes. `at` is the number of the program among those of its premodel.
    pub(crate) fn check(&self, at: usize, candidates: usize) -> Result<(), ModelError> {
        let fail = |what: String| {
            Err(ModelError::new(ModelErrorKind::Programs, format!("programs[{at}]: {what}; train it anew")))
        };
        if let Some(price) = self.price.filter(|price| !is_amount(*price)) {
            return fail(format!("expected a finite price of at least 0, got {price}"));
        }
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        if !(self.ran.is_empty() || self.ran.len() == candidates) || !self.ran.iter().all(is_share) {
            return fail(format!("expected {candidates} shares in 0..=1 under ran, got {:?}", self.ran));
        }
        if let Some(Expected { reward, cost_ns, over_best_single, .. }) = &self.expected {
            let all = [reward, cost_ns, over_best_single].map(|i| [i.mean, i.low, i.high]);
            if !all.as_flattened().iter().all(|x| x.is_finite()) || cost_ns.mean < 0.0 {
                return fail("expected finite expectations and a cost of at least 0, got others".into());
            }
        }
        Ok(())
    }
}

/// Two programs that take turns by chance, so that the mean cost and reward lie between theirs.
///
/// Each input takes the first program with the probability `share`, else the second. Which input takes which depends on nothing but `seed`
/// and how many inputs came before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mix {
    /// The numbers of the two programs.
    pub programs: [usize; 2],
    /// The share of inputs that the first of them decides, 0..=1.
    pub share: f64,
    /// The seed of the chance.
    pub seed: u64,
}

impl Mix {
    /// What is expected of the mix, where it is `first` of its first program and `second` of the other one.
    ///
    /// ```
    /// let mix = trt_select_premodel::Mix { programs: [0, 1], share: 0.25, seed: 1 };
    /// assert_eq!(mix.between(8.0, 4.0), 5.0);
    /// ```
    pub fn between(&self, first: f64, second: f64) -> f64 {
        self.share * first + (1.0 - self.share) * second
    }

    pub(crate) fn check(&self, programs: usize) -> Result<(), ModelError> {
        let [a, b] = self.programs;
        if a.max(b) < programs && a != b && (0.0..=1.0).contains(&self.share) {
            return Ok(());
        }
        let message = format!(
            "mix: expected two of {programs} programs and a share in 0..=1, got programs {a} and {b} and the share {}; train it anew",
            self.share
        );
        Err(ModelError::new(ModelErrorKind::Programs, message))
    }
}

/// A program as a premodel keeps it: its nodes were checked and packed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) nodes: Vec<Node>,
    /// The program's tests, packed as the walk reads them.
    pub(crate) pack: Pack,
    pub(crate) price: Option<f64>,
    /// What to expect of it; `None` for the chosen program, whose expectations are the premodel's own.
    pub(crate) expected: Option<Expected>,
    pub(crate) ran: Vec<f64>,
}

impl Stored {
    /// Keeps a program that was checked.
    pub(crate) fn of(Alternative { nodes, price, expected, ran }: Alternative) -> Stored {
        let pack = Pack::of(&nodes, Pack::starts_of(&nodes));
        Stored { nodes, pack, price, expected, ran }
    }
}

/// Whether a number is finite and at least 0.
pub(crate) fn is_amount(x: f64) -> bool {
    // Two comparisons: `is_finite` would take the number's bits apart, which is slower.
    (0.0..=f64::MAX).contains(&x)
}
