//! Turns the output of a network into class probabilities and their summary.
//!
//! Nothing here allocates. No mathematical library is called either, since its results would differ between machines.
#![deny(clippy::disallowed_types)]

use crate::arithmetic::{ln_f64, of_scores, two_largest};

/// What a network's output holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scores {
    /// Any real numbers, of which softmax makes probabilities.
    #[default]
    Logits,
    /// Class probabilities.
    Probabilities,
}

/// The most probable class of some class probabilities, with its probability and margin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Top {
    /// The class with the largest probability; where several have it, the first of them.
    pub class: u32,
    /// The probability of that class, 0..=1.
    pub top1: f32,
    /// That probability less the second largest one, 0..=1. With one class it equals `top1`.
    pub margin: f32,
}

impl Top {
    /// The most probable class of these class probabilities; all zeros where there are none.
    ///
    /// ```
    /// use trt_select_premodel::Top;
    /// let top = Top::of(&[0.25, 0.625, 0.125]);
    /// assert_eq!((top.class, top.top1, top.margin), (1, 0.625, 0.375));
    /// ```
    #[inline]
    pub fn of(probabilities: &[f32]) -> Top {
        let (class, top1, margin) = two_largest(probabilities);
        Top { class, top1, margin }
    }
}

/// The summary of a candidate's output: its most probable class, and how sure the candidate is of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// The class with the largest probability; where several have it, the first of them. Different logits may give the same probability
    /// if they lie close together; then the first class is taken.
    pub class: u32,
    /// The probability of that class, 0..=1.
    pub top1: f32,
    /// That probability less the second largest one, 0..=1. With one class it equals `top1`.
    pub margin: f32,
    /// Entropy of the probabilities, −Σ p ln p, divided by ln(number of classes): 0..=1. With one class it is 0.
    pub entropy: f32,
}

/// Writes the class probabilities of a network's output, and returns their summary. For logits z, p = softmax(z): e^(z − max z), divided
/// by the sum of these. A logit that lies more than 87 below the largest gets the probability 0. Probabilities are copied;
/// those that exceed 1 by rounding count as 1.
///
/// Returns `None`, and leaves `probabilities` unspecified, if the output cannot be trusted: a score is not a finite number, a
/// probability lies outside 0..=1.001, there are no scores, or the two slices differ in length.
///
/// ```
/// use trt_select_premodel::{Scores, summarise};
/// let mut probabilities = [0.0; 3];
/// let said = summarise(&[1.0, 3.0, 2.0], Scores::Logits, &mut probabilities).unwrap();
/// assert_eq!(said.class, 1);
/// assert!((said.top1 - 0.665_241).abs() < 1e-6 && (said.margin - 0.420_512).abs() < 1e-6);
/// assert_eq!(summarise(&[1.0, f32::NAN, 2.0], Scores::Logits, &mut probabilities), None);
/// ```
pub fn summarise(scores: &[f32], kind: Scores, probabilities: &mut [f32]) -> Option<Summary> {
    summarise_by(scores, kind, probabilities, 1.0 / ln_f64(scores.len() as f64))
}

/// Does what [`summarise`] does, for a caller who knows 1 over the natural logarithm of the number of classes already.
#[inline]
pub(crate) fn summarise_by(
    scores: &[f32],
    kind: Scores,
    probabilities: &mut [f32],
    entropy_scale: f64,
) -> Option<Summary> {
    let entropy = of_scores(scores, kind == Scores::Logits, probabilities, entropy_scale)?;
    let (class, top1, margin) = two_largest(probabilities);
    Some(Summary { class, top1, margin, entropy })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    use trt_select_base::random::Rng;

    /// The summary of these probabilities.
    fn sum_up(probabilities: &[f32]) -> Summary {
        let mut same = Vec::from(probabilities);
        summarise(probabilities, Scores::Probabilities, &mut same).unwrap()
    }

    #[test]
    fn softmax_and_what_it_says() {
        let mut p = [0.0; 3];
        let s = summarise(&[1.0, 3.0, 2.0], Scores::Logits, &mut p).unwrap();
        // e^-2, 1 and e^-1, each divided by their sum 1.503215.
        let expected = [0.090_030_57, 0.665_240_96, 0.244_728_48];
        assert!(p.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{p:?}");
        assert_eq!(s.class, 1);
        assert!((s.margin - (expected[1] - expected[2])).abs() < 1e-6);
        // 0.832396 nats divided by ln 3.
        assert!((s.entropy - 0.757_680).abs() < 1e-4, "{s:?}");
    }

    /// Compares softmax with its definition, computed in 64-bit floats throughout.
    #[test]
    fn softmax_is_the_definition() {
        let mut rng = Rng::new(1);
        let mut random = || rng.unit_f32();
        for n in (1..20).chain([1_000]) {
            assert!((ln_f64(n as f64) - (n as f64).ln()).abs() < 1e-15);
            for spread in [0.0, 0.01, 1.0, 20.0, 300.0] {
                let scores: Vec<f32> = (0..n).map(|_| spread * (random() - 0.5)).collect();
                let mut p = std::vec![0.0; n];
                let s = summarise(&scores, Scores::Logits, &mut p).unwrap();
                let top = scores.iter().copied().fold(f32::MIN, f32::max);
                let e: Vec<f64> = scores.iter().map(|s| (f64::from(*s) - f64::from(top)).exp()).collect();
                let sum: f64 = e.iter().sum();
                let want: Vec<f64> = e.iter().map(|e| e / sum).collect();
                assert!(p.iter().zip(&want).all(|(p, w)| (f64::from(*p) - w).abs() < 1e-6));
                let entropy: f64 = want.iter().map(|&p| if p > 0.0 { -p * p.ln() } else { 0.0 }).sum();
                let entropy = if n == 1 { 0.0 } else { entropy / (n as f64).ln() };
                assert!((f64::from(s.entropy) - entropy).abs() < 1e-5, "{n} classes, {spread}: {s:?}, {entropy}");
                let summed = sum_up(&p);
                assert_eq!((s.class, s.top1, s.margin), (summed.class, summed.top1, summed.margin), "{n}, {spread}");
                assert!((s.entropy - summed.entropy).abs() < 1e-4);
            }
        }
        let mut p = [0.0; 2];
        let far = summarise(&[f32::MAX, f32::MIN], Scores::Logits, &mut p).unwrap();
        assert_eq!((far.class, far.top1, far.margin, far.entropy, p), (0, 1.0, 1.0, 0.0, [1.0, 0.0]));
    }

    #[test]
    fn extremes_are_defined() {
        let mut p = [0.0; 4];
        let sure = summarise(&[1e30, -1e30, 0.0, 1.0], Scores::Logits, &mut p).unwrap();
        assert_eq!((sure.class, sure.top1, sure.margin, sure.entropy), (0, 1.0, 1.0, 0.0));
        let unsure = summarise(&[0.25; 4], Scores::Probabilities, &mut p).unwrap();
        assert_eq!((unsure.class, unsure.top1, unsure.margin), (0, 0.25, 0.0));
        assert!((unsure.entropy - 1.0).abs() < 1e-6);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(summarise(&[0.0, bad, 1.0, 2.0], Scores::Logits, &mut p), None);
        }
        assert_eq!(summarise(&[0.0, -0.1, 1.1, 0.0], Scores::Probabilities, &mut p), None);
        assert_eq!(summarise(&[0.0; 3], Scores::Logits, &mut p), None);
        assert_eq!(summarise(&[], Scores::Logits, &mut []), None);
        let one = summarise(&[-3.0], Scores::Logits, &mut p[..1]).unwrap();
        assert_eq!((one.class, one.top1, one.margin, one.entropy), (0, 1.0, 1.0, 0.0));
    }

    #[test]
    fn two_largest() {
        let of = |p: &[f32]| Top::of(p);
        assert_eq!(of(&[0.25, 0.5, 0.125]), Top { class: 1, top1: 0.5, margin: 0.25 });
        assert_eq!(of(&[0.5, 0.5]), Top { class: 0, top1: 0.5, margin: 0.0 });
        assert_eq!(of(&[0.5, 0.25, 0.375]), Top { class: 0, top1: 0.5, margin: 0.125 });
        assert_eq!(of(&[0.75]), Top { class: 0, top1: 0.75, margin: 0.75 });
        assert_eq!(of(&[]), Top::default());
    }
}
