//! What candidates cost, in which unit, and what a way to answer is worth.

use trt_select_premodel::CandidateId;

/// What is paid for running a candidate.
///
/// Costs are counted in a small unit and shown in one a million times larger:
///
/// ```
/// use trt_select_train::Unit;
///
/// assert_eq!((Unit::Time.counted(), Unit::Time.shown()), ("ns", "ms"));
/// assert_eq!((Unit::Energy.counted(), Unit::Energy.shown()), ("nJ", "mJ"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Time, in nanoseconds; shown in milliseconds.
    #[default]
    Time,
    /// Energy, in nanojoules; shown in millijoules.
    Energy,
}

impl Unit {
    /// Units of [`Unit::counted`] in one of [`Unit::shown`].
    pub const SHOWN: f64 = 1e6;

    /// The unit that costs are counted in.
    pub const fn counted(self) -> &'static str {
        match self {
            Unit::Time => "ns",
            Unit::Energy => "nJ",
        }
    }

    /// The unit that people read.
    pub const fn shown(self) -> &'static str {
        match self {
            Unit::Time => "ms",
            Unit::Energy => "mJ",
        }
    }
}

/// The cost of one run of each candidate, and that of the image features.
///
/// ```
/// use trt_select_train::{Costs, Unit};
///
/// let costs = Costs::energy_mj(&[0.5, 20.0]);
/// assert_eq!((costs.unit, costs.candidates), (Unit::Energy, vec![0.5e6, 20e6]));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Costs {
    /// What is counted.
    pub unit: Unit,
    /// Of a run of each candidate, in the order of their ids.
    pub candidates: Vec<f64>,
    /// Of all image features together, paid once by an input for which any of them is read.
    pub features: f64,
}

impl Costs {
    /// Times in nanoseconds.
    pub fn time_ns(candidates: Vec<f64>, features: f64) -> Costs {
        Costs { unit: Unit::Time, candidates, features }
    }

    /// Energies in millijoules. What the image features draw is not measured apart and counts nothing.
    pub fn energy_mj(candidates: &[f64]) -> Costs {
        let candidates = candidates.iter().map(|mj| mj * Unit::SHOWN).collect();
        Costs { unit: Unit::Energy, candidates, features: 0.0 }
    }

    /// The costs of some of the candidates, in the order given.
    ///
    /// # Panics
    /// If there is no such candidate.
    #[must_use]
    pub fn of(&self, keep: &[CandidateId]) -> Costs {
        Costs { candidates: keep.iter().map(|c| self.candidates[c.index()]).collect(), ..self.clone() }
    }

    /// The cheapest candidate's cost.
    pub(crate) fn least(&self) -> f64 {
        self.candidates.iter().copied().fold(f64::MAX, f64::min)
    }
}

/// What a way to answer earns and costs: on one row, or on average.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Worth {
    /// Reward, 0..=1.
    pub reward: f64,
    /// Cost, in nanoseconds, or in nanojoules where energy is counted.
    pub cost: f64,
}
