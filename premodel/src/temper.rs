//! Class probabilities at a temperature, and their weighted averages: the arithmetic, in plain loops that compilers turn into
//! vector code. No allocation, no libm. `compile` writes the same loops in C and in Rust (`compile/arithmetic.c` and `.rs`), which give
//! the same bits: whoever changes one changes all three.
//!
//! With p the probabilities of a candidate, z its logits and T its temperature,
//! p_T,i = p_i^(1/T) / Σ_j p_j^(1/T) = softmax(z / T)_i, and an average is Σ_k w_k · p_T,k.
//! Below 1 a temperature makes a candidate surer of itself, above 1 less sure.

/// Below this, e^x is taken as e^-87 = 1.6e-38, the last that is no subnormal number.
const LOWEST: f32 = -87.0;

/// e^x for x ≤ 0, with a relative error below 3e-7 down to −87; below that, 1.6e-38.
///
/// ```
/// use trt_select_premodel::temper::exp;
/// assert_eq!(exp(0.0), 1.0);
/// assert!((exp(-1.0) - 0.367_879_44).abs() < 1e-7);
/// ```
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Added to a small number, it leaves that number's nearest integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: the product of the first with an integer is exact.
    const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    // `max` would also settle NaN, at the price of an instruction more.
    let x = if x > LOWEST { x } else { LOWEST };
    let shifted = x * core::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2.0) - n * LN2.1;
    // The polynomial of Cephes' expf on |r| ≤ ln 2 / 2.
    let p = 1.987_569_1e-4_f32;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_6e-1;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    // 2^n: its exponent is n + 127, which is at least 1.
    y * f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23))
}

/// ln of a number in 2^-149..=1, with an error below 2e-7 relative to the larger of 1 and the result; of 0, some number
/// below −80.
#[inline(always)]
fn ln(p: f32) -> f32 {
    const SQRT_HALF: i32 = 0x3f35_04f3;
    // Subnormal numbers are lifted out of their range first.
    let bits = (p * 4_294_967_296.0).to_bits() as i32 - SQRT_HALF;
    let n = ((bits >> 23) - 32) as f32;
    // √½ ≤ m < √2
    let m = f32::from_bits(((bits & 0x007f_ffff) + SQRT_HALF) as u32);
    // ln m = 2 artanh s, whose series ends fast as s² < 0.03.
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    n * 0.693_359_4 + (n * -2.121_944_4e-4 + 2.0 * s * series)
}

/// ln of a finite number of at least 1, in 64 bits, with an error of about one unit in the last place.
pub(crate) fn ln_f64(x: f64) -> f64 {
    const SQRT_HALF: i64 = 0x3fe6_a09e_667f_3bcd;
    // ln 2 in two parts: the product of the first with an exponent is exact.
    const LN2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    let bits = x.to_bits() as i64 - SQRT_HALF;
    let n = (bits >> 52) as f64;
    // √½ ≤ m < √2
    let m = f64::from_bits(((bits & 0x000f_ffff_ffff_ffff) + SQRT_HALF) as u64);
    // ln m = 2 artanh s, and s² < 0.0295: the first term left out is below 1e-17.
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let mut series = 1.0 / 23.0;
    for odd in [21.0, 19.0, 17.0, 15.0, 13.0, 11.0, 9.0, 7.0, 5.0, 3.0] {
        series = series * q + 1.0 / odd;
    }
    n * LN2.0 + (n * LN2.1 + (2.0 * s * q * series + 2.0 * s))
}

/// Sums lie in sixteen places at a time, and in 64 bits beyond a block: over thousands of classes the roundings of one 32-bit
/// sum would add up.
const LANES: usize = 16;
const BLOCK: usize = 32 * LANES;

/// Writes softmax(logits / temperature), where differences beyond 87 temperatures give 0. Logits are finite, and the temperature lies
/// above 0.
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
    softmax(logits, 1.0 / temperature, out);
}

/// Writes softmax(logits · rate), and gives its entropy in nats. With t = max z, d = (z − t) · rate and S = Σ e^d, the entropy
/// −Σ p ln p is ln S − Σ e^d d / S: one logarithm for all classes.
#[inline(always)]
pub(crate) fn softmax(logits: &[f32], rate: f32, out: &mut [f32]) -> f64 {
    let top = largest(logits);
    // Differences of far logits may be infinite, which is as well: their exponential is 0.
    let [sum, weighted] = terms(logits, out, |z| {
        let d = (z - top) * rate;
        let e = if d > LOWEST { exp(d) } else { 0.0 };
        [e, e * if d > LOWEST { d } else { LOWEST }]
    });
    // The largest term is 1, so the sum is not 0.
    let inverse = 1.0 / sum;
    let scale = inverse as f32;
    out.iter_mut().for_each(|p| *p *= scale);
    ln_f64(sum) - weighted * inverse
}

/// Writes probabilities that are at most 1, and gives their entropy in nats, −Σ p ln p.
#[inline(always)]
pub(crate) fn copy_probabilities(scores: &[f32], out: &mut [f32]) -> f64 {
    let [_, sum] = terms(scores, out, |s| {
        let p = if s < 1.0 { s } else { 1.0 };
        [p, if p > 0.0 { p * ln(p) } else { 0.0 }]
    });
    -sum
}

/// Writes probabilities^(1 / temperature), divided by their sum. Probabilities lie in 0..=1, and the temperature above 0. Where
/// all are 0, all stay 0.
///
/// # Panics
/// If the lengths differ.
pub fn of_probabilities(probabilities: &[f32], temperature: f32, out: &mut [f32]) {
    let (top, rate) = (largest(probabilities), 1.0 / temperature);
    if top <= 0.0 {
        out.fill(0.0);
        return;
    }
    if top < f32::MIN_POSITIVE {
        // Its inverse would be infinite. Such a top is no network's.
        normalised(probabilities, out, |p| if p > 0.0 { exp((ln(p) - ln(top)) * rate) } else { 0.0 });
        return;
    }
    // Over the largest one, so that those that matter lie near 1, whose logarithm is exact.
    let scale = 1.0 / top;
    normalised(probabilities, out, |p| {
        let power = exp(ln(p * scale) * rate);
        if p > 0.0 { power } else { 0.0 }
    });
}

/// Adds weight · probabilities.
///
/// # Panics
/// If the lengths differ.
pub fn add_weighted(sum: &mut [f32], weight: f32, probabilities: &[f32]) {
    assert_eq!(sum.len(), probabilities.len());
    for (sum, p) in sum.iter_mut().zip(probabilities) {
        *sum += weight * p;
    }
}

#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    lanes.iter().chain(chunks.remainder()).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// Writes the first of the two numbers that `term` makes of each value, and answers the sums of both.
#[inline(always)]
fn terms(values: &[f32], out: &mut [f32], term: impl Fn(f32) -> [f32; 2]) -> [f64; 2] {
    assert_eq!(values.len(), out.len());
    let mut sums = [0.0_f64; 2];
    for (values, out) in values.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let mut lanes = [[0.0_f32; LANES]; 2];
        let (mut from, mut to) = (values.chunks_exact(LANES), out.chunks_exact_mut(LANES));
        for (values, out) in (&mut from).zip(&mut to) {
            for i in 0..LANES {
                let [first, second] = term(values[i]);
                out[i] = first;
                lanes[0][i] += first;
                lanes[1][i] += second;
            }
        }
        for (&value, out) in from.remainder().iter().zip(to.into_remainder()) {
            let [first, second] = term(value);
            *out = first;
            lanes[0][0] += first;
            lanes[1][0] += second;
        }
        for (sum, lanes) in sums.iter_mut().zip(lanes) {
            *sum += f64::from(lanes.iter().fold(0.0, |sum, lane| sum + lane));
        }
    }
    sums
}

/// Writes each term over the sum of all terms.
#[inline(always)]
fn normalised(values: &[f32], out: &mut [f32], term: impl Fn(f32) -> f32) {
    let [sum, _] = terms(values, out, |value| [term(value), 0.0]);
    // The largest term is 1, so the sum is not 0.
    let scale = (1.0 / sum) as f32;
    out.iter_mut().for_each(|p| *p *= scale);
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::vec::Vec;

    /// Softmax of scores at a temperature, in 64 bits.
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
        while x > LOWEST {
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
        let mut state = 7_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        for n in [1, 2, 10, 15, 16, 17, 511, 512, 1000, 1001, 21_841] {
            for t in [0.25, 0.7, 1.0, 1.3, 3.0, 20.0] {
                let logits: Vec<f32> = (0..n).map(|_| (random() + random() + random() - 1.5) * 20.0).collect();
                let expected = softmax(logits.iter().map(|&z| f64::from(z)), t);
                let mut out = std::vec![f32::NAN; n];
                of_logits(&logits, t, &mut out);
                near(&out, &expected, 1e-6, "logits");
                // The same from the probabilities at temperature 1.
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
        // Sharper than the sharpest: what is 0 stays 0 at every temperature.
        of_probabilities(&[1.0, 0.0, 0.0], 20.0, &mut out);
        assert_eq!(out, [1.0, 0.0, 0.0]);
        of_probabilities(&[0.0; 3], 2.0, &mut out);
        assert_eq!(out, [0.0; 3]);
        // Subnormal ones count for what they are.
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
