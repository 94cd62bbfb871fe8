//! From a network's output to signals: class probabilities, and what they say of themselves.
#![forbid(unsafe_code)]

use crate::bundle::Scores;

/// What one run of a candidate says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// The class of the largest probability; of equals, the first.
    pub class: u32,
    /// Its probability, 0..=1.
    pub top1: f32,
    /// Its probability less that of the next class, 0..=1; with one class, its probability.
    pub margin: f32,
    /// Entropy of the probabilities −Σ p ln p, over ln(number of classes): 0..=1; 0 with one class.
    pub entropy: f32,
}

/// Turns scores into probabilities and sums them up. For logits, p = softmax(z): e^(z − max z), divided by their sum.
/// Probabilities are taken as they are.
///
/// Answers `None`, and leaves `probabilities` unspecified, where a score is not a finite number, or no probability where
/// it should be one, where there is none, or where the slices differ in length: such an output cannot be trusted.
pub fn summarise(scores: &[f32], kind: Scores, probabilities: &mut [f32]) -> Option<Summary> {
    // A little above 1 is rounding.
    let fits = |s: &f32| s.is_finite() && (kind == Scores::Logits || (0.0..=1.001).contains(s));
    if scores.is_empty() || scores.len() != probabilities.len() || !scores.iter().all(fits) {
        return None;
    }
    match kind {
        Scores::Logits => {
            let top = scores.iter().copied().fold(f32::MIN, f32::max);
            // In f64: over thousands of classes the roundings of f32 would add up.
            let mut sum = 0.0_f64;
            for (p, s) in probabilities.iter_mut().zip(scores) {
                *p = (s - top).exp();
                sum += f64::from(*p);
            }
            // The largest term is 1, so the sum cannot be 0.
            let scale = (1.0 / sum) as f32;
            probabilities.iter_mut().for_each(|p| *p *= scale);
        }
        Scores::Probabilities => probabilities.iter_mut().zip(scores).for_each(|(p, s)| *p = s.min(1.0)),
    }
    Some(sum_up(probabilities))
}

/// The summary of probabilities; all zeros where there is none.
pub fn sum_up(probabilities: &[f32]) -> Summary {
    let (mut class, mut top1, mut second) = (0, f32::MIN, f32::MIN);
    let mut entropy = 0.0_f64;
    for (i, &p) in probabilities.iter().enumerate() {
        if p > top1 {
            second = top1;
            (class, top1) = (i, p);
        } else if p > second {
            second = p;
        }
        if p > 0.0 {
            entropy -= f64::from(p * p.ln());
        }
    }
    match probabilities.len() {
        0 => Summary::default(),
        1 => Summary { class: 0, top1, margin: top1, entropy: 0.0 },
        n => {
            let entropy = ((entropy / (n as f64).ln()) as f32).clamp(0.0, 1.0);
            Summary { class: class as u32, top1, margin: top1 - second, entropy }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_and_what_it_says() {
        let mut p = [0.0; 3];
        let s = summarise(&[1.0, 3.0, 2.0], Scores::Logits, &mut p).unwrap();
        // e^-2, 1, e^-1 over their sum 1.503215.
        let expected = [0.090_030_57, 0.665_240_96, 0.244_728_48];
        assert!(p.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{p:?}");
        assert_eq!(s.class, 1);
        assert!((s.margin - (expected[1] - expected[2])).abs() < 1e-6);
        // 0.832396 nats over ln 3.
        assert!((s.entropy - 0.757_680).abs() < 1e-4, "{s:?}");
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
}
