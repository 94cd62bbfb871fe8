//! Class probabilities at a temperature, and their weighted averages.
//!
//! With p the probabilities of a candidate, z its logits and T its temperature,
//! p_T,i = p_i^(1/T) / Σ_j p_j^(1/T) = softmax(z / T)_i, and an average is Σ_k w_k · p_T,k.
//! A temperature below 1 makes a candidate surer of its class, and one above 1 makes it less sure.
//!
//! A [`Board`](crate::Board) does all of this for whoever walks a program. Nothing here allocates or calls a mathematical library.

use crate::arithmetic;

/// e^x for x ≤ 0. Down to −87 the relative error is below 3e-7; for smaller x the result is 1.6e-38.
///
/// ```
/// use trt_select_premodel::temper::exp;
/// assert_eq!(exp(0.0), 1.0);
/// assert!((exp(-1.0) - 0.367_879_44).abs() < 1e-7);
/// ```
#[inline]
pub fn exp(x: f32) -> f32 {
    arithmetic::exp(x)
}

/// ln of a number in 2^-149..=1, with an error below 2e-7 relative to the larger of 1 and the result. Of 0 it gives some number below −80.
///
/// ```
/// use trt_select_premodel::temper::ln;
/// assert_eq!(ln(1.0), 0.0);
/// assert!((ln(0.5) + 0.693_147_2).abs() < 2e-7);
/// ```
#[inline]
pub fn ln(p: f32) -> f32 {
    arithmetic::ln(p)
}

/// Writes softmax(logits / temperature). The logits must be finite and the temperature above 0. A logit that lies more than 87
/// temperatures below the largest gets the probability 0.
///
/// ```
/// use trt_select_premodel::temper::of_logits;
/// let mut probabilities = [0.0; 2];
/// // A temperature above 1 makes a network less sure of itself.
/// of_logits(&[2.0, 0.0], 2.0, &mut probabilities);
/// assert!((probabilities[0] - 0.731_058_6).abs() < 1e-6);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn of_logits(logits: &[f32], temperature: f32, out: &mut [f32]) {
    arithmetic::of_logits(logits, temperature, out);
}

/// Writes probabilities^(1 / temperature), divided by their sum. The probabilities must be in 0..=1 and the temperature above 0. If all
/// probabilities are 0, all stay 0.
///
/// ```
/// use trt_select_premodel::temper::of_probabilities;
/// let mut calibrated = [0.0; 2];
/// of_probabilities(&[0.8, 0.2], 0.5, &mut calibrated);
/// // 0.8² = 0.64 and 0.2² = 0.04, each divided by their sum.
/// assert!((calibrated[0] - 0.941_176_5).abs() < 1e-6);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn of_probabilities(probabilities: &[f32], temperature: f32, out: &mut [f32]) {
    arithmetic::of_probabilities(probabilities, temperature, out);
}

/// Adds weight · probability to each element of `sum`.
///
/// ```
/// use trt_select_premodel::temper::add_weighted;
/// let mut average = [0.0; 2];
/// add_weighted(&mut average, 0.25, &[1.0, 0.0]);
/// add_weighted(&mut average, 0.75, &[0.5, 0.5]);
/// assert_eq!(average, [0.625, 0.375]);
/// ```
///
/// # Panics
/// If the lengths differ.
pub fn add_weighted(sum: &mut [f32], weight: f32, probabilities: &[f32]) {
    arithmetic::add_weighted(sum, weight, probabilities);
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use crate::arithmetic::ln;
    use std::vec::Vec;

    use trt_select_base::random::Rng;

    /// Softmax of scores at a temperature, in 64-bit floats.
    fn softmax(scores: impl Iterator<Item = f64> + Clone, t: f32) -> Vec<f64> {
        let t = f64::from(t);
        let top = scores.clone().fold(f64::NEG_INFINITY, f64::max);
        let all: Vec<f64> = scores.map(|z| ((z - top) / t).exp()).collect();
        let sum: f64 = all.iter().sum();
        all.into_iter().map(|p| p / sum).collect()
    }

    fn near(got: &[f32], expected: &[f64], within: f64, what: &str) {
        for (i, (g, e)) in got.iter().zip(expected).enumerate() {
            assert!((f64::from(*g) - e).abs() <= within, "{what}: {i}: {g} is not {e}");
        }
    }

    #[test]
    fn exponentials_and_logarithms_are_near_the_true_ones() {
        let (mut worst, mut x) = (0.0_f64, 0.0_f32);
        while x > -87.0 {
            worst = worst.max((f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs());
            x -= 1e-4 + x.abs() * 1e-5;
        }
        assert!(worst < 3e-7, "exp: {worst}");
        assert_eq!((exp(0.0), exp(-0.0)), (1.0, 1.0));
        assert!(exp(f32::NEG_INFINITY) < 2e-38 && exp(-1e30) < 2e-38);
        let mut worst = 0.0_f64;
        for bits in (1..=1.0_f32.to_bits()).step_by(1009).chain([1, 2, 1.0_f32.to_bits()]) {
            let p = f32::from_bits(bits);
            let expected = f64::from(p).ln();
            worst = worst.max((f64::from(ln(p)) - expected).abs() / expected.abs().max(1.0));
        }
        assert!(worst < 2e-7, "ln: {worst}");
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn long_and_short_rows_are_what_the_formula_says() {
        let mut rng = Rng::new(7);
        let mut random = || rng.unit_f32();
        for n in [1, 2, 10, 15, 16, 17, 511, 512, 1000, 1001, 21_841] {
            for t in [0.25, 0.7, 1.0, 1.3, 3.0, 20.0] {
                let logits: Vec<f32> = (0..n).map(|_| (random() + random() + random() - 1.5) * 20.0).collect();
                let expected = softmax(logits.iter().map(|&z| f64::from(z)), t);
                let mut out = std::vec![f32::NAN; n];
                of_logits(&logits, t, &mut out);
                near(&out, &expected, 1e-6, "logits");
                // The probabilities at temperature 1 must give the same as the logits do.
                let p: Vec<f32> =
                    softmax(logits.iter().map(|&z| f64::from(z)), 1.0).iter().map(|&p| p as f32).collect();
                let expected = softmax(p.iter().map(|&p| f64::from(p).ln()), t);
                of_probabilities(&p, t, &mut out);
                near(&out, &expected, 1e-6, "probabilities");
            }
        }
    }

    #[test]
    fn extremes_are_defined() {
        let mut out = [f32::NAN; 3];
        of_logits(&[f32::MAX, f32::MIN, 0.0], 0.05, &mut out);
        near(&out, &[1.0, 0.0, 0.0], 1e-30, "far logits");
        // A probability of 0 stays 0 at every temperature.
        of_probabilities(&[1.0, 0.0, 0.0], 20.0, &mut out);
        assert_eq!(out, [1.0, 0.0, 0.0]);
        of_probabilities(&[0.0; 3], 2.0, &mut out);
        assert_eq!(out, [0.0; 3]);
        // Probabilities below the smallest normal float must not be taken for 0.
        of_probabilities(&[1.0, 1e-42, 0.0], 20.0, &mut out);
        near(&out, &softmax([0.0, f64::from(1e-42_f32).ln(), f64::NEG_INFINITY].into_iter(), 20.0), 1e-6, "subnormal");
        of_probabilities(&[1e-42, 2e-42, 0.0], 2.0, &mut out);
        near(
            &out,
            &softmax([f64::from(1e-42_f32).ln(), f64::from(2e-42_f32).ln(), f64::NEG_INFINITY].into_iter(), 2.0),
            1e-6,
            "tiny",
        );
    }
}
