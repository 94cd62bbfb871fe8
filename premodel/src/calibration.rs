//! Calibrated probabilities and their weighted averages: what a premodel stores for them.
//!
//! Networks are surer of themselves than they should be, each in its own measure, so their probabilities cannot be averaged
//! as they are. A temperature T per candidate evens that out. With p the candidate's class probabilities and z its logits,
//!
//! ```text
//! p_T,i = p_i^(1/T) / Σ_j p_j^(1/T)          which equals softmax(z / T)
//! average over a set = Σ_k w_k · p_T,k       w_k the weights of this set, which sum up to 1
//! ```
//! The class of an average is that of its largest probability, of equals the first; `top1` is that probability, and
//! `margin` what it is above the second largest (with one class: itself).

use alloc::format;
use alloc::vec::Vec;

use crate::model::ModelError;
use crate::{CandidateId, Mask, Premodel};

/// Temperatures that a premodel can hold.
const TEMPERATURES: core::ops::RangeInclusive<f32> = 0.05..=20.0;

/// The weights of one set of candidates in its average.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    /// The set.
    pub of: Mask,
    /// One weight a candidate, in the order of the ids: each in 0..=1, and their sum is 1 (within 0.001).
    pub weights: Vec<f32>,
}

impl Premodel {
    /// The same premodel with a temperature per candidate (or none at all: all are 1) and with the weights of those averages
    /// whose candidates do not weigh the same.
    ///
    /// # Errors
    /// Where there is not one temperature per candidate, each finite and in 0.05..=20; where a set of an average is empty, is
    /// there twice or has a candidate that does not exist; where weights are not one a candidate, in 0..=1, with the sum 1.
    pub fn with_calibration(mut self, temperatures: Vec<f32>, averages: Vec<Average>) -> Result<Premodel, ModelError> {
        let count = self.candidates.len();
        let fits = temperatures.iter().all(|t| TEMPERATURES.contains(t));
        if !(temperatures.is_empty() || temperatures.len() == count) || !fits {
            return Err(ModelError::new(format!(
                "temperatures: expected {count} numbers in 0.05..=20, got {temperatures:?}; train it anew"
            )));
        }
        let all = Mask(u16::MAX >> (16 - count));
        for (i, Average { of, weights }) in averages.iter().enumerate() {
            let fail = |what: alloc::string::String| Err(ModelError::new(format!("averages: {what}; train it anew")));
            if of.is_empty() || !of.without(all).is_empty() {
                return fail(format!("expected a set of candidates 0 to {}, got {of:?}", count - 1));
            }
            if averages[..i].iter().any(|a| a.of == *of) {
                return fail(format!("expected each set once, got {of:?} twice"));
            }
            let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            // What is not a number lies in no range.
            let fit = weights.iter().all(|w| (0.0..=1.0).contains(w)) && (0.999..=1.001).contains(&sum);
            if weights.len() != of.len() as usize || !fit {
                return fail(format!("expected {} weights in 0..=1 of sum 1 for {of:?}, got {weights:?}", of.len()));
            }
        }
        (self.temperatures, self.averages) = (temperatures, averages);
        Ok(self)
    }

    /// Temperature of a candidate's probabilities in averages; 1 where none was learnt.
    pub fn temperature(&self, candidate: CandidateId) -> f32 {
        self.temperatures.get(candidate.index()).copied().unwrap_or(1.0)
    }

    /// Temperatures by candidate; empty where all are 1.
    pub fn temperatures(&self) -> &[f32] {
        &self.temperatures
    }

    /// Weights of a set of candidates in its average, in the order of their ids; `None`: all weigh the same.
    pub fn weights(&self, of: Mask) -> Option<&[f32]> {
        self.averages.iter().find(|a| a.of == of).map(|a| a.weights.as_slice())
    }

    /// The candidates of an average, each with its weight and its temperature, in the order of their ids.
    pub fn members(&self, of: Mask) -> impl Iterator<Item = (CandidateId, f32, f32)> {
        let (weights, equal) = (self.weights(of), 1.0 / of.len() as f32);
        let weight = move |i: usize| weights.map_or(equal, |w| w[i]);
        of.iter().enumerate().map(move |(i, c)| (c, weight(i), self.temperature(c)))
    }

    /// The averages whose weights were learnt.
    pub fn averages(&self) -> &[Average] {
        &self.averages
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::sample;
    use alloc::string::ToString;
    use alloc::vec;

    #[test]
    fn calibration_is_checked() {
        let ab = Mask(3);
        let average = |of, weights: &[f32]| Average { of, weights: weights.to_vec() };
        let model = sample().with_calibration(vec![1.5, 0.75], vec![average(ab, &[0.25, 0.75])]).unwrap();
        assert_eq!((model.temperature(CandidateId(1)), model.weights(ab)), (0.75, Some(&[0.25, 0.75][..])));
        let (a, b) = (CandidateId(0), CandidateId(1));
        assert!(model.members(ab).eq([(a, 0.25, 1.5), (b, 0.75, 0.75)]) && model.members(Mask(2)).eq([(b, 1.0, 0.75)]));
        assert!(sample().members(ab).eq([(a, 0.5, 1.0), (b, 0.5, 1.0)]));
        assert_eq!((model.weights(Mask(1)), model.temperature(CandidateId(9))), (None, 1.0));
        assert_eq!(sample().temperature(CandidateId(0)), 1.0);
        assert_eq!(sample().with_calibration(vec![], vec![]).unwrap(), sample());
        sample().with_calibration(vec![0.05, 20.0], vec![average(Mask(2), &[1.0]), average(ab, &[0.0, 1.0])]).unwrap();

        let faults: [(&[f32], Vec<Average>, &str); 13] = [
            (&[1.0], vec![], "temperatures"),
            (&[1.0; 3], vec![], "temperatures"),
            (&[1.0, f32::NAN], vec![], "temperatures"),
            (&[f32::INFINITY, 1.0], vec![], "temperatures"),
            (&[0.04, 1.0], vec![], "temperatures"),
            (&[1.0, 20.1], vec![], "temperatures"),
            (&[], vec![average(Mask::EMPTY, &[])], "set of candidates 0 to 1"),
            (&[], vec![average(Mask(5), &[0.5, 0.5])], "set of candidates 0 to 1"),
            (&[], vec![average(ab, &[0.5, 0.5]), average(ab, &[0.5, 0.5])], "twice"),
            (&[], vec![average(ab, &[1.0])], "2 weights"),
            (&[], vec![average(ab, &[0.5, 0.49])], "sum 1"),
            (&[], vec![average(ab, &[-0.5, 1.5])], "0..=1"),
            (&[], vec![average(ab, &[f32::NAN, 1.0])], "0..=1"),
        ];
        for (temperatures, averages, expected) in faults {
            let error = sample().with_calibration(temperatures.to_vec(), averages).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }
}
