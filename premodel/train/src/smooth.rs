//! Which action is best along one signal? Sums of values per bin, a smooth curve through them, cuts where the best curve changes.
//!
//! Rewards are mostly 0 and 1, so the mean value of an action in a bin is noise around a curve that changes slowly with a
//! confidence. The curve is a cubic over the signal's rank: with x in 0..1 the share of rows below, and P₁…P₃ the shifted
//! Legendre polynomials, orthonormal on 0..1,
//!
//! ```text
//! d(x) = mean + Σⱼ βⱼ Pⱼ(x),  β = argmin Σ_rows (value − d(x))² + PENALTY Σⱼ j⁴ βⱼ²
//! ```
//! (ridge regression whose penalty grows with the bend, as a smoothing spline's does). Only differences between actions
//! matter; the action that is best by these curves is taken in each bin, with few changes along the way.
//!
//! A cubic blurs a step: where a network is right above some confidence and wrong below it, the bins' own means say so better.
//! They are the other curve that can be asked for.

/// How strongly curves are bent back to a constant, in rows.
const PENALTY: f64 = 3.0;

/// What an interval more has to gain, in rewards summed over all rows: below a right answer, nothing is worth a test.
const CUT_COST: f64 = 0.5;

/// Sums over rows, by bin of one signal.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    pub(super) actions: usize,
    /// Rows by bin.
    pub(super) counts: Vec<f64>,
    /// Sums of values by bin, then action.
    pub(super) values: Vec<f64>,
}

impl Sums {
    pub(super) fn new(bins: usize, actions: usize) -> Sums {
        Sums { actions, counts: vec![0.0; bins], values: vec![0.0; bins * actions] }
    }

    /// Adds one row's values.
    pub(super) fn add(&mut self, bin: usize, values: &[f32]) {
        self.counts[bin] += 1.0;
        for (sum, &v) in self.values[bin * self.actions..][..self.actions].iter_mut().zip(values) {
            *sum += f64::from(v);
        }
    }

    /// Adds other sums of the same shape, or takes them away with a sign of −1.
    pub(super) fn add_all(&mut self, other: &Sums, sign: f64) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(a, b)| *a += sign * b);
        self.values.iter_mut().zip(&other.values).for_each(|(a, b)| *a += sign * b);
    }

    /// Sum of an action's values in a bin.
    pub(super) fn at(&self, bin: usize, action: usize) -> f64 {
        self.values[bin * self.actions + action]
    }

    /// Sums of each action's values over all bins.
    pub(super) fn totals(&self) -> Vec<f64> {
        let mut totals = vec![0.0; self.actions];
        for bin in self.values.chunks_exact(self.actions) {
            totals.iter_mut().zip(bin).for_each(|(t, v)| *t += v);
        }
        totals
    }
}

/// A choice along one signal: `actions[i]` from above `cuts[i − 1]` up to `cuts[i]`, as bin numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) cuts: Vec<u8>,
    pub(super) actions: Vec<usize>,
}

impl Choice {
    /// The action of a bin.
    pub(super) fn action(&self, bin: u8) -> usize {
        self.actions[self.cuts.partition_point(|&c| c < bin)]
    }
}

/// The action of the largest total; of equals, the first.
pub(super) fn best_of(totals: &[f64]) -> usize {
    let mut best = 0;
    for (a, total) in totals.iter().enumerate() {
        if *total > totals[best] {
            best = a;
        }
    }
    best
}

/// What is taken for an action's value along a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    /// The penalised cubic.
    Smooth,
    /// The mean of each bin.
    Means,
}

/// The best choice of at most `intervals` intervals by the curves.
pub(super) fn choose(sums: &Sums, intervals: usize, curve: Curve) -> Choice {
    let totals = sums.totals();
    let base = best_of(&totals);
    let rows: f64 = sums.counts.iter().sum();
    if intervals < 2 || sums.counts.len() < 2 || sums.actions < 2 || rows < 1.0 {
        return Choice { cuts: vec![], actions: vec![base] };
    }
    let gains = match curve {
        Curve::Smooth => cubics(sums, &totals, base, rows),
        Curve::Means => means(sums, base),
    };
    intervals_of(&sums.counts, &gains, sums.actions, intervals)
}

/// By bin, then action: the gain over the base action, per row; nothing in an empty bin.
fn means(sums: &Sums, base: usize) -> Vec<f64> {
    let gain = |bin: usize, action: usize| (sums.at(bin, action) - sums.at(bin, base)) / sums.counts[bin].max(1.0);
    (0..sums.counts.len()).flat_map(|bin| (0..sums.actions).map(move |action| gain(bin, action))).collect()
}

/// By bin, then action: the smooth gain over the base action, per row.
fn cubics(sums: &Sums, totals: &[f64], base: usize, rows: f64) -> Vec<f64> {
    let (bins, actions) = (sums.counts.len(), sums.actions);
    let mut basis = vec![[0.0_f64; 3]; bins];
    let mut below = 0.0;
    for (b, p) in basis.iter_mut().enumerate() {
        let x = (below + sums.counts[b] / 2.0) / rows;
        below += sums.counts[b];
        *p = [
            3.0_f64.sqrt() * (2.0 * x - 1.0),
            5.0_f64.sqrt() * (6.0 * x * x - 6.0 * x + 1.0),
            7.0_f64.sqrt() * (20.0 * x * x * x - 30.0 * x * x + 12.0 * x - 1.0),
        ];
    }
    // Where bins are few or uneven the polynomials have means and products: both are taken into account.
    let mut means = [0.0_f64; 3];
    for (p, n) in basis.iter().zip(&sums.counts) {
        means.iter_mut().zip(p).for_each(|(m, p)| *m += p * n / rows);
    }
    let mut gram = [[0.0_f64; 3]; 3];
    for (p, n) in basis.iter_mut().zip(&sums.counts) {
        p.iter_mut().zip(&means).for_each(|(p, m)| *p -= m);
        for i in 0..3 {
            for j in 0..3 {
                gram[i][j] += p[i] * p[j] * n;
            }
        }
    }
    for (j, row) in gram.iter_mut().enumerate() {
        row[j] += PENALTY * ((j + 1) as f64).powi(4);
    }
    let mut gains = vec![0.0; bins * actions];
    for a in (0..actions).filter(|&a| a != base) {
        let mean = (totals[a] - totals[base]) / rows;
        let mut right = [0.0_f64; 3];
        for (b, p) in basis.iter().enumerate() {
            let d = sums.at(b, a) - sums.at(b, base);
            right.iter_mut().zip(p).for_each(|(r, p)| *r += p * d);
        }
        let beta = solve(gram, right);
        for (b, p) in basis.iter().enumerate() {
            gains[b * actions + a] = mean + p.iter().zip(&beta).map(|(p, b)| p * b).sum::<f64>();
        }
    }
    gains
}

/// Solves a symmetric positive definite 3 × 3 system by elimination; the penalty on the diagonal keeps pivots above 0.
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> [f64; 3] {
    for i in 0..3 {
        for j in i + 1..3 {
            let f = a[j][i] / a[i][i];
            let above = a[i];
            a[j].iter_mut().zip(&above).skip(i).for_each(|(to, from)| *to -= f * from);
            b[j] -= f * b[i];
        }
    }
    for i in (0..3).rev() {
        for k in i + 1..3 {
            b[i] -= a[i][k] * b[k];
        }
        b[i] /= a[i][i];
    }
    b
}

/// The intervals of the largest summed gain, by dynamic programming over (bin, changes so far, action).
fn intervals_of(counts: &[f64], gains: &[f64], actions: usize, most: usize) -> Choice {
    let bins = counts.len();
    // best[m][a]: the largest sum of the bins so far with m changes and a as the last action; from[..]: the action before.
    let mut best = vec![f64::MIN; most * actions];
    let mut before = best.clone();
    let mut from: Vec<u16> = vec![0; bins * most * actions];
    for b in 0..bins {
        before.copy_from_slice(&best);
        for m in 0..most {
            // The best end with one change fewer.
            let start = m.checked_sub(1).map(|m| {
                let a = best_of(&before[m * actions..][..actions]);
                (before[m * actions + a] - CUT_COST, a)
            });
            for a in 0..actions {
                let here = counts[b] * gains[b * actions + a];
                let at = m * actions + a;
                let (mut value, mut came) =
                    if b == 0 { (if m == 0 { 0.0 } else { f64::MIN }, a) } else { (before[at], a) };
                if let Some((jump, other)) = start
                    && b > 0
                    && other != a
                    && jump > value
                {
                    (value, came) = (jump, other);
                }
                best[at] = value + here;
                from[(b * most + m) * actions + a] = came as u16;
            }
        }
    }
    let (mut m, mut a) = (0, 0);
    for at in 0..best.len() {
        if best[at] > best[m * actions + a] {
            (m, a) = (at / actions, at % actions);
        }
    }
    let (mut cuts, mut taken) = (Vec::new(), vec![a]);
    for b in (1..bins).rev() {
        let came = usize::from(from[(b * most + m) * actions + a]);
        if came != a {
            cuts.push(b as u8 - 1);
            taken.push(came);
            (m, a) = (m - 1, came);
        }
    }
    cuts.reverse();
    taken.reverse();
    Choice { cuts, actions: taken }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    fn table(rows: usize, seed: u64, value: impl Fn(f64, usize, &mut Rng) -> f32) -> Sums {
        let mut rng = Rng::new(seed);
        let mut sums = Sums::new(64, 3);
        for _ in 0..rows {
            let bin = rng.below(64);
            let values: Vec<f32> = (0..3).map(|a| value((bin as f64 + 0.5) / 64.0, a, &mut rng)).collect();
            sums.add(bin, &values);
        }
        sums
    }

    #[test]
    fn cuts_lie_where_the_curves_cross() {
        // Action 1 is better below 0.3, action 2 above 0.7, in coin throws.
        let p = |x: f64, a: usize| match a {
            0 => 0.5,
            1 => 0.5 + 1.0 * (0.3 - x),
            _ => 0.5 + 1.0 * (x - 0.7),
        };
        let sums = table(20_000, 1, |x, a, rng| f32::from(u8::from(rng.unit() < p(x, a).clamp(0.0, 1.0))));
        let choice = choose(&sums, 4, Curve::Smooth);
        assert_eq!(choice.actions, [1, 0, 2], "{choice:?}");
        assert!(
            (i32::from(choice.cuts[0]) - 18).abs() <= 4 && (i32::from(choice.cuts[1]) - 44).abs() <= 4,
            "{choice:?}"
        );
        assert_eq!((choice.action(0), choice.action(choice.cuts[0]), choice.action(choice.cuts[0] + 1)), (1, 1, 0));
    }

    #[test]
    fn means_find_a_step_that_a_cubic_blurs() {
        // Action 1 loses everything below a fifth, and gains a little above.
        let sums = table(4000, 4, |x, a, _| match a {
            1 if x < 0.2 => -1.0,
            1 => 0.05,
            _ => 0.0,
        });
        let cut = |curve| choose(&sums, 2, curve).cuts;
        assert_eq!(cut(Curve::Means), [12]);
        assert_ne!(cut(Curve::Smooth), [12]);
    }

    #[test]
    fn fewer_intervals_are_kept_to() {
        let p = |x: f64, a: usize| match a {
            0 => 0.5,
            1 => 0.5 + 1.0 * (0.3 - x),
            _ => 0.5 + 1.0 * (x - 0.7),
        };
        let sums = table(20_000, 1, |x, a, _| p(x, a) as f32);
        assert_eq!(choose(&sums, 2, Curve::Smooth).actions.len(), 2);
        assert_eq!(choose(&sums, 1, Curve::Smooth).actions.len(), 1);
    }

    #[test]
    fn the_best_of_all_intervals_is_found() {
        // Against trying every way, on small random tables.
        let mut rng = Rng::new(9);
        for _ in 0..300 {
            let (bins, actions, most) = (2 + rng.below(5), 2 + rng.below(2), 1 + rng.below(3));
            let counts: Vec<f64> = (0..bins).map(|_| rng.below(9) as f64).collect();
            let gains: Vec<f64> = (0..bins * actions).map(|_| rng.unit() - 0.5).collect();
            let value = |path: &[usize]| {
                let changes = path.windows(2).filter(|w| w[0] != w[1]).count();
                let sum: f64 = path.iter().enumerate().map(|(b, &a)| counts[b] * gains[b * actions + a]).sum();
                if changes < most { sum - CUT_COST * changes as f64 } else { f64::MIN }
            };
            let mut best = f64::MIN;
            for code in 0..actions.pow(bins as u32) {
                let path: Vec<usize> = (0..bins).map(|b| code / actions.pow(b as u32) % actions).collect();
                best = best.max(value(&path));
            }
            let choice = intervals_of(&counts, &gains, actions, most);
            let path: Vec<usize> = (0..bins).map(|b| choice.action(b as u8)).collect();
            assert!((value(&path) - best).abs() < 1e-9, "{choice:?}");
        }
    }

    #[test]
    fn noise_is_smoothed_away() {
        let mut cut = 0;
        for seed in 0..20 {
            let sums =
                table(2000, seed, |_, a, rng| f32::from(u8::from(rng.unit() < if a == 0 { 0.55 } else { 0.45 })));
            cut += usize::from(!choose(&sums, 4, Curve::Smooth).cuts.is_empty());
        }
        assert!(cut <= 1, "{cut} of 20 tables of noise were cut");
    }
}
