//! The arithmetic of outputs: softmax, entropy, temperatures, averages.
//!
//! `compile` copies this file as it stands into the Rust that it writes, so the file uses no item of another module, no allocation and
//! no mathematical library. `compile/arithmetic.c` is the same arithmetic in C. A test compares the results bit for bit
//! (tests/capi/agree.rs).
#![deny(clippy::disallowed_types)]

/// For smaller x, e^x is taken as e^-87 = 1.6e-38. For x below about -87.3 the result would be a subnormal number.
const LOWEST: f32 = -87.0;

/// e^x for x ≤ 0, with a relative error below 3e-7 down to −87; below that, 1.6e-38.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // `f32::max` would also handle NaN, which costs one more instruction and is not needed here.
    exp_above_lowest(if x > LOWEST { x } else { LOWEST })
}

/// [`exp`] for x in LOWEST..=0.
#[inline(always)]
fn exp_above_lowest(x: f32) -> f32 {
    // This is 1.5 · 2^23: the sum of it and a small number has that number's nearest integer in its lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts: the product of the first with an integer is exact.
    const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
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
pub(super) fn ln(p: f32) -> f32 {
    const SQRT_HALF: i32 = 0x3f35_04f3;
    // The factor 2^32 makes subnormal numbers normal.
    let bits = (p * 4_294_967_296.0).to_bits() as i32 - SQRT_HALF;
    let n = ((bits >> 23) - 32) as f32;
    // √½ ≤ m < √2
    let m = f32::from_bits(((bits & 0x007f_ffff) + SQRT_HALF) as u32);
    // ln m = 2 artanh s. Few terms of its series are enough, since s² < 0.03.
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q * (1.0 / 9.0))));
    n * 0.693_359_4 + (n * -2.121_944_4e-4 + 2.0 * s * series)
}

/// ln of a finite number of at least 1, in 64 bits, with an error of about one unit in the last place.
#[inline(always)]
pub(super) fn ln_f64(x: f64) -> f64 {
    const SQRT_HALF: i64 = 0x3fe6_a09e_667f_3bcd;
    // ln 2 in two parts: the product of the first with an exponent is exact.
    const LN2: (f64, f64) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    let bits = x.to_bits() as i64 - SQRT_HALF;
    let n = (bits >> 52) as f64;
    // √½ ≤ m < √2
    let m = f64::from_bits(((bits & 0x000f_ffff_ffff_ffff) + SQRT_HALF) as u64);
    // ln m = 2 artanh s. Since s² < 0.0295, the first term of the series that is left out is below 1e-17.
    let s = (m - 1.0) / (m + 1.0);
    let q = s * s;
    // The terms are summed up in pairs, which the processor can compute at the same time.
    let (q2, q4) = (q * q, q * q * (q * q));
    let low = (1.0 / 3.0 + q * (1.0 / 5.0)) + q2 * (1.0 / 7.0 + q * (1.0 / 9.0));
    let high = (1.0 / 11.0 + q * (1.0 / 13.0)) + q2 * (1.0 / 15.0 + q * (1.0 / 17.0));
    let series = low + q4 * (high + q4 * (1.0 / 19.0));
    n * LN2.0 + (n * LN2.1 + (2.0 * s * q * series + 2.0 * s))
}

/// Number of partial sums that a block of values is summed up in: that many can be computed at the same time.
const LANES: usize = 16;
/// Number of values in a block. The sums of blocks are added up in 64 bits: over thousands of classes the rounding errors of a single
/// 32-bit sum would add up.
const BLOCK: usize = 32 * LANES;

/// Writes softmax(logits / temperature). A logit that lies more than 87 temperatures below the largest gets the probability 0. The
/// logits must be finite and the temperature above 0.
///
/// # Panics
/// If the lengths differ.
pub(super) fn of_logits(logits: &[f32], temperature: f32, out: &mut [f32]) {
    softmax(logits, largest(logits), 1.0 / temperature, out);
}

/// Writes softmax(logits · rate), and returns its entropy in nats. `top` is the largest logit. With d = (z − top) · rate and S = Σ e^d,
/// the entropy −Σ p ln p equals ln S − Σ e^d d / S, which takes a single logarithm for all classes.
#[inline(always)]
pub(super) fn softmax(logits: &[f32], top: f32, rate: f32, out: &mut [f32]) -> f64 {
    // The difference of two logits that lie far apart may be −infinity. Its exponential is taken as 0, which is right.
    let [sum, weighted] = terms(logits, out, |z| {
        let d = (z - top) * rate;
        let d = if d > LOWEST { d } else { LOWEST };
        let e = exp_above_lowest(d);
        let e = if d > LOWEST { e } else { 0.0 };
        [e, e * d]
    });
    // The largest term is 1, so the sum is not 0.
    let inverse = 1.0 / sum;
    let scale = inverse as f32;
    out.iter_mut().for_each(|p| *p *= scale);
    ln_f64(sum) - weighted * inverse
}

/// Writes the probabilities, those above 1 as 1, and returns their entropy in nats, −Σ p ln p.
#[inline(always)]
pub(super) fn copy_probabilities(scores: &[f32], out: &mut [f32]) -> f64 {
    let [_, sum] = terms(scores, out, |s| {
        let p = if s < 1.0 { s } else { 1.0 };
        [p, if p > 0.0 { p * ln(p) } else { 0.0 }]
    });
    -sum
}

/// Writes probabilities^(1 / temperature), divided by their sum. The probabilities must be in 0..=1 and the temperature above 0. If all
/// probabilities are 0, all stay 0.
///
/// # Panics
/// If the lengths differ.
pub(super) fn of_probabilities(probabilities: &[f32], temperature: f32, out: &mut [f32]) {
    let (top, rate) = (largest(probabilities), 1.0 / temperature);
    if top <= 0.0 {
        out.fill(0.0);
        return;
    }
    if top < f32::MIN_POSITIVE {
        // The inverse of a subnormal number would be infinite. No real network gives such a largest probability.
        normalised(probabilities, out, |p| if p > 0.0 { exp((ln(p) - ln(top)) * rate) } else { 0.0 });
        return;
    }
    // All are divided by the largest one. So those that matter most lie near 1, where the logarithm is most exact.
    let scale = 1.0 / top;
    normalised(probabilities, out, |p| {
        let power = exp(ln(p * scale) * rate);
        if p > 0.0 { power } else { 0.0 }
    });
}

/// Adds weight · probability to each element of `sum`.
///
/// # Panics
/// If the lengths differ.
pub(super) fn add_weighted(sum: &mut [f32], weight: f32, probabilities: &[f32]) {
    assert_eq!(sum.len(), probabilities.len());
    for (sum, p) in sum.iter_mut().zip(probabilities) {
        *sum += weight * p;
    }
}

/// The largest logit; `None` where a logit is not finite.
#[inline(always)]
pub(super) fn largest_finite(logits: &[f32]) -> Option<f32> {
    if logits.len() < LANES {
        let (mut tops, mut finite) = ([f32::NEG_INFINITY; 4], true);
        let mut fours = logits.chunks_exact(4);
        for four in &mut fours {
            for i in 0..4 {
                finite &= four[i].is_finite();
                tops[i] = if four[i] > tops[i] { four[i] } else { tops[i] };
            }
        }
        let larger = |a: f32, b: f32| if b > a { b } else { a };
        let mut top = larger(larger(tops[0], tops[1]), larger(tops[2], tops[3]));
        for &z in fours.remainder() {
            finite &= z.is_finite();
            top = larger(top, z);
        }
        return finite.then_some(top);
    }
    let mut finite = true;
    for z in logits {
        finite &= z.is_finite();
    }
    finite.then(|| largest(logits))
}

#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    if values.len() < LANES {
        return values.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    }
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    lanes.iter().chain(chunks.remainder()).fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}

/// Computes two numbers from each value, writes the first of them, and returns the sums of both.
#[inline(always)]
fn terms(values: &[f32], out: &mut [f32], term: impl Fn(f32) -> [f32; 2]) -> [f64; 2] {
    assert_eq!(values.len(), out.len());
    if values.len() < LANES {
        // The loops below would compute the same sums in the same order, but their preparations take longer than so few values do.
        let mut lane = [0.0_f32; 2];
        for (&value, out) in values.iter().zip(out) {
            let [first, second] = term(value);
            *out = first;
            lane[0] += first;
            lane[1] += second;
        }
        return lane.map(f64::from);
    }
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

/// The class with the largest probability (where several have it, the first of them), that probability, and its distance to the second
/// largest. With one class the distance is the probability itself. All zeros where there is no class.
#[inline]
pub(super) fn two_largest(probabilities: &[f32]) -> (u32, f32, f32) {
    let (mut class, mut top1, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
    for (i, &p) in probabilities.iter().enumerate() {
        if p > second {
            if p > top1 {
                second = top1;
                (class, top1) = (i as u32, p);
            } else {
                second = p;
            }
        }
    }
    match probabilities.len() {
        0 => (0, 0.0, 0.0),
        1 => (class, top1, top1),
        _ => (class, top1, top1 - second),
    }
}

/// Writes the probabilities of scores, and returns their entropy divided by ln(number of classes), 0..=1. `scale` is 1 over this
/// logarithm. Returns `None`, and leaves the probabilities unspecified, if there are no scores, if a logit is not finite, or if a
/// probability is not one.
#[inline(always)]
pub(super) fn of_scores(scores: &[f32], are_logits: bool, probabilities: &mut [f32], scale: f64) -> Option<f32> {
    if scores.is_empty() || scores.len() != probabilities.len() {
        return None;
    }
    let nats = if are_logits {
        let top = largest_finite(scores)?;
        softmax(scores, top, 1.0, probabilities)
    } else {
        // A probability may exceed 1 a little by rounding.
        if !scores.iter().all(|s| (0.0..=1.001).contains(s)) {
            return None;
        }
        copy_probabilities(scores, probabilities)
    };
    Some(if scores.len() == 1 { 0.0 } else { ((nats * scale) as f32).clamp(0.0, 1.0) })
}
