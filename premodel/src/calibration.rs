//! Calibrated probabilities and their weighted averages: the temperatures and weights that a premodel stores for them.
//!
//! Networks give themselves higher probabilities than they deserve, and each network exaggerates by a different amount, so their
//! probabilities cannot be averaged as they are. One temperature T per candidate corrects this. With p the candidate's class
//! probabilities and z its logits,
//!
//! ```text
//! p_T,i = p_i^(1/T) / Σ_j p_j^(1/T)          which equals softmax(z / T)
//! average over a set = Σ_k w_k · p_T,k       w_k the weights of this set, which sum up to 1
//! ```
//! The class of an average is the one with the largest probability; where several have it, the first of them. The signal `top1` is that
//! probability, and `margin` is that probability less the second largest. With one class, `margin` equals `top1`.

use alloc::format;
use alloc::vec::Vec;

use crate::model_error::{ModelError, ModelErrorKind};
use crate::{CandidateId, Mask, Premodel};

/// The temperatures that a premodel may hold.
const TEMPERATURES: core::ops::RangeInclusive<f32> = 0.05..=20.0;

/// The weights of a set of candidates in their average.
#[derive(Clone, Debug, PartialEq)]
pub struct Average {
    /// The candidates that are averaged.
    pub of: Mask,
    /// One weight per candidate, in the order of the ids. Each is in 0..=1, and their sum is 1 (within 0.001).
    pub weights: Vec<f32>,
}

impl Premodel {
    /// The same premodel with these temperatures and weights. `temperatures` has one number per candidate, or none at all where every
    /// temperature is 1. `averages` has the weights of those averages whose candidates do not all weigh the same.
    ///
    /// ```
    /// use trt_select_premodel::{Average, CandidateId, Mask, Node, Premodel, TrainedFor};
    ///
    /// // Run both candidates and answer with their average.
    /// let both = Mask::of(CandidateId(0)).with(CandidateId(1));
    /// let names = vec!["small".to_string(), "large".to_string()];
    /// let nodes = vec![Node::run(CandidateId(0), 1), Node::run(CandidateId(1), 2), Node::average(both)];
    /// let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
    /// let premodel = Premodel::new(names, 10, vec![], nodes, vec![CandidateId(1)], vec![], trained_for)?
    ///     .with_calibration(vec![1.5, 0.75], vec![Average { of: both, weights: vec![0.25, 0.75] }])?;
    /// assert_eq!(premodel.temperature(CandidateId(0)), 1.5);
    /// let members: Vec<_> = premodel.members(both).collect();
    /// assert_eq!(members, [(CandidateId(0), 0.25, 1.5), (CandidateId(1), 0.75, 0.75)]);
    /// # Ok::<(), trt_select_premodel::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// A [`ModelError`] if there is not one temperature per candidate, each finite and in 0.05..=20; if the set of an average is empty,
    /// comes twice or has a candidate that does not exist; if there is not one weight per candidate of a set, each in 0..=1, with a sum
    /// of 1.
    pub fn with_calibration(mut self, temperatures: Vec<f32>, averages: Vec<Average>) -> Result<Premodel, ModelError> {
        let count = self.candidates.len();
        let fits = temperatures.iter().all(|t| TEMPERATURES.contains(t));
        if !(temperatures.is_empty() || temperatures.len() == count) || !fits {
            return Err(ModelError::new(
                ModelErrorKind::Calibration,
                format!("temperatures: expected {count} numbers in 0.05..=20, got {temperatures:?}; train it anew"),
            ));
        }
        let all = Mask::first(count);
        for (i, Average { of, weights }) in averages.iter().enumerate() {
            let fail = |what: alloc::string::String| {
                Err(ModelError::new(ModelErrorKind::Calibration, format!("averages: {what}; train it anew")))
            };
            if of.is_empty() || !of.without(all).is_empty() {
                return fail(format!("expected a set of candidates 0 to {}, got {of:?}", count - 1));
            }
            if averages[..i].iter().any(|a| a.of == *of) {
                return fail(format!("expected each set once, got {of:?} twice"));
            }
            let sum: f64 = weights.iter().map(|&w| f64::from(w)).sum();
            // `contains` also refuses NaN, which lies in no range.
            let fit = weights.iter().all(|w| (0.0..=1.0).contains(w)) && (0.999..=1.001).contains(&sum);
            if weights.len() != of.len() as usize || !fit {
                return fail(format!("expected {} weights in 0..=1 of sum 1 for {of:?}, got {weights:?}", of.len()));
            }
        }
        (self.temperatures, self.averages) = (temperatures, averages);
        Ok(self)
    }

    /// The temperature at which a candidate's probabilities enter averages; 1 where the premodel has none for it.
    pub fn temperature(&self, candidate: CandidateId) -> f32 {
        self.temperatures.get(candidate.index()).copied().unwrap_or(1.0)
    }

    /// One temperature per candidate; empty where all are 1.
    pub fn temperatures(&self) -> &[f32] {
        &self.temperatures
    }

    /// The weights of these candidates in their average, in the order of their ids; `None` where all weigh the same.
    pub fn weights(&self, of: Mask) -> Option<&[f32]> {
        self.averages.iter().find(|a| a.of == of).map(|a| a.weights.as_slice())
    }

    /// The candidates of an average in the order of their ids, each with its weight and its temperature.
    pub fn members(&self, of: Mask) -> impl Iterator<Item = (CandidateId, f32, f32)> {
        let (weights, equal) = (self.weights(of), 1.0 / of.len() as f32);
        let weight = move |i: usize| weights.map_or(equal, |w| w[i]);
        of.iter().enumerate().map(move |(i, c)| (c, weight(i), self.temperature(c)))
    }

    /// The averages that have weights of their own.
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
