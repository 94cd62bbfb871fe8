//! From a network's output to signals: class probabilities, and what they say of themselves.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

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
    if scores.is_empty() || scores.len() != probabilities.len() {
        return None;
    }
    match kind {
        Scores::Logits => softmax(scores, probabilities),
        Scores::Probabilities => {
            // A little above 1 is rounding.
            if !scores.iter().all(|s| (0.0..=1.001).contains(s)) {
                return None;
            }
            probabilities.iter_mut().zip(scores).for_each(|(p, s)| *p = s.min(1.0));
            Some(sum_up(probabilities))
        }
    }
}

/// Probabilities of logits, and their summary. With t = max z and S = Σ e^(z − t), the entropy −Σ p ln p is ln S − Σ p (z − t): one
/// logarithm for all classes.
fn softmax(scores: &[f32], probabilities: &mut [f32]) -> Option<Summary> {
    let (mut top, mut finite) = (f32::MIN, true);
    for &s in scores {
        finite &= s.is_finite();
        top = top.max(s);
    }
    if !finite {
        return None;
    }
    // In f64: over thousands of classes the roundings of f32 would add up.
    let (mut sum, mut weighted) = (0.0_f64, 0.0_f64);
    for (p, &s) in probabilities.iter_mut().zip(scores) {
        *p = (s - top).exp();
        sum += f64::from(*p);
        weighted += f64::from(*p) * (f64::from(s) - f64::from(top));
    }
    // The largest term is 1, so the sum cannot be 0.
    let inverse = 1.0 / sum;
    let scale = inverse as f32;
    // The class is that of the largest probability, not of the largest logit: logits that differ by less than a probability can
    // tell are equals, as they are to the kernels.
    let (mut class, mut top1, mut second) = (0, f32::MIN, 0.0_f32);
    for (i, p) in probabilities.iter_mut().enumerate() {
        *p *= scale;
        if *p > top1 {
            second = second.max(top1);
            (class, top1) = (i, *p);
        } else {
            second = second.max(*p);
        }
    }
    let entropy = if scores.len() == 1 { 0.0 } else { (sum.ln() - weighted * inverse) / ln_count(scores.len()) };
    Some(Summary { class: class as u32, top1, margin: top1 - second, entropy: (entropy as f32).clamp(0.0, 1.0) })
}

/// ln of 2 to 15, which most tasks need, as literals; else computed.
fn ln_count(n: usize) -> f64 {
    const LN: [f64; 16] = [
        f64::NAN,
        0.0,
        std::f64::consts::LN_2,
        1.098_612_288_668_109_8,
        1.386_294_361_119_890_6,
        1.609_437_912_434_100_3,
        1.791_759_469_228_055,
        1.945_910_149_055_313_2,
        2.079_441_541_679_835_7,
        2.197_224_577_336_219_6,
        std::f64::consts::LN_10,
        2.397_895_272_798_370_7,
        2.484_906_649_788_000_4,
        2.564_949_357_461_536_7,
        2.639_057_329_615_258_4,
        2.708_050_201_102_210_3,
    ];
    LN.get(n).copied().unwrap_or_else(|| (n as f64).ln())
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
            let entropy = ((entropy / ln_count(n)) as f32).clamp(0.0, 1.0);
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

    /// Against the definition, in f64 throughout.
    #[test]
    fn softmax_is_the_definition() {
        let mut state = 1_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 24) as f32
        };
        for n in (1..20).chain([1_000]) {
            assert!((ln_count(n) - (n as f64).ln()).abs() < 1e-15);
            for spread in [0.0, 0.01, 1.0, 20.0, 300.0] {
                let scores: Vec<f32> = (0..n).map(|_| spread * (random() - 0.5)).collect();
                let mut p = vec![0.0; n];
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
}
