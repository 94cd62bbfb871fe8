//! Which action is best along one signal?
//!
//! Rewards are mostly 0 and 1, so the mean value of an action in a bin is noise around a curve that changes slowly with a
//! confidence. The curve is a cubic over the signal's rank: with x in 0..1 the share of rows below, and P₁…P₃ the shifted
//! Legendre polynomials, orthonormal on 0..1,
//!
//! ```text
//! d(x) = mean + Σⱼ βⱼ Pⱼ(x),  β = argmin Σ_rows (value − d(x))² + PENALTY Σⱼ j⁴ βⱼ²
//! ```
//! (ridge regression whose penalty grows with the bend, as a smoothing spline's does). Only differences between actions
//! matter: each bin gets the action whose curve is highest there, with few changes from bin to bin.
//!
//! A cubic blurs a step. Where a network is right above some confidence and wrong below it, the means of the bins find the
//! step better; they are the other [`Curve`].

use super::bins::Direction;

/// How strongly curves are drawn towards a constant: as strongly as by so many rows.
const PENALTY: f64 = 3.0;

/// What one more interval has to gain, in rewards summed over all rows: a test that gains less than half a right answer is not
/// worth making.
const CUT_COST: f64 = 0.5;

/// Rows, and sums of the values of each action over them, by bin of one signal.
#[derive(Clone, Debug)]
pub(super) struct Sums {
    /// Number of actions.
    pub(super) actions: usize,
    /// Rows by bin, each counted by its weight.
    pub(super) counts: Vec<f64>,
    /// Sums of values by bin, then action.
    pub(super) values: Vec<f64>,
}

impl Sums {
    pub(super) fn new(bins: usize, actions: usize) -> Sums {
        Sums { actions, counts: vec![0.0; bins], values: vec![0.0; bins * actions] }
    }

    /// Adds the values of a row that counts as much as `weight` rows.
    pub(super) fn add(&mut self, bin: usize, weight: f64, values: &[f32]) {
        self.counts[bin] += weight;
        for (sum, &v) in self.values[bin * self.actions..][..self.actions].iter_mut().zip(values) {
            *sum += weight * f64::from(v);
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

/// The range of a signal in intervals, each with an action. Interval `i` ends with bin `cuts[i]`, the last one with the last bin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Intervals {
    pub(super) cuts: Vec<u8>,
    pub(super) actions: Vec<usize>,
}

impl Intervals {
    /// The interval that a bin lies in.
    pub(super) fn place(&self, bin: u8) -> usize {
        self.cuts.partition_point(|&c| c < bin)
    }

    /// The same intervals where bins are counted from the other end.
    fn turned(self, bins: usize) -> Intervals {
        Intervals {
            cuts: self.cuts.iter().rev().map(|&cut| (bins - 2 - usize::from(cut)) as u8).collect(),
            actions: self.actions.into_iter().rev().collect(),
        }
    }

    /// The action of a bin.
    pub(super) fn action(&self, bin: u8) -> usize {
        self.actions[self.place(bin)]
    }
}

/// The place of the largest number; of equals, the first.
pub(super) fn largest(numbers: &[f64]) -> usize {
    let mut best = 0;
    for (i, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = i;
        }
    }
    best
}

/// How the value of an action is estimated along a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Curve {
    /// The penalised cubic.
    Smooth,
    /// The mean of each bin.
    Means,
}

/// How the range of a signal may be cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shape<'a> {
    /// How many intervals there may be.
    pub(super) most: usize,
    /// Which way the signal says that what has run is right: that way, actions may only go from dearer ones to cheaper ones.
    pub(super) direction: Direction,
    /// How dear each action is, ascending. Actions of the same rank may follow each other either way.
    pub(super) ranks: &'a [u8],
}

/// The intervals that have the largest value by the estimates.
pub(super) fn best_intervals(sums: &Sums, shape: Shape<'_>, curve: Curve) -> Intervals {
    let totals = sums.totals();
    let base = largest(&totals);
    let rows: f64 = sums.counts.iter().sum();
    if shape.most < 2 || sums.counts.len() < 2 || sums.actions < 2 || rows < 1.0 {
        return Intervals { cuts: vec![], actions: vec![base] };
    }
    let gains = match curve {
        Curve::Smooth => cubics(sums, &totals, base, rows),
        Curve::Means => means(sums, base),
    };
    walked(&sums.counts, &gains, shape)
}

/// The intervals of the largest summed gain. The way from a signal's sure end to its unsure one goes from cheap actions to dear ones.
fn walked(counts: &[f64], gains: &[f64], shape: Shape<'_>) -> Intervals {
    match shape.direction {
        Direction::Falling => Walk::new(counts, gains, shape.most, shape.ranks).best(),
        Direction::Free => Walk::new(counts, gains, shape.most, &vec![0; shape.ranks.len()]).best(),
        Direction::Rising => {
            let counts: Vec<f64> = counts.iter().rev().copied().collect();
            let gains: Vec<f64> = gains.chunks_exact(shape.ranks.len()).rev().flatten().copied().collect();
            Walk::new(&counts, &gains, shape.most, shape.ranks).best().turned(counts.len())
        }
    }
}

/// By bin, then action: the mean gain of a row over the base action; 0 in an empty bin.
fn means(sums: &Sums, base: usize) -> Vec<f64> {
    let gain = |bin: usize, action: usize| {
        let gain = sums.at(bin, action) - sums.at(bin, base);
        if sums.counts[bin] > 1e-9 { gain / sums.counts[bin] } else { 0.0 }
    };
    (0..sums.counts.len()).flat_map(|bin| (0..sums.actions).map(move |action| gain(bin, action))).collect()
}

/// By bin, then action: the smooth gain of a row over the base action.
fn cubics(sums: &Sums, totals: &[f64], base: usize, rows: f64) -> Vec<f64> {
    let (basis, gram) = basis(&sums.counts, rows);
    let mut gains = vec![0.0; basis.len() * sums.actions];
    for a in (0..sums.actions).filter(|&a| a != base) {
        let mean = (totals[a] - totals[base]) / rows;
        let mut right = [0.0_f64; 3];
        for (b, p) in basis.iter().enumerate() {
            let d = sums.at(b, a) - sums.at(b, base);
            right.iter_mut().zip(p).for_each(|(r, p)| *r += p * d);
        }
        let beta = solve(gram, right);
        for (b, p) in basis.iter().enumerate() {
            gains[b * sums.actions + a] = mean + p.iter().zip(&beta).map(|(p, b)| p * b).sum::<f64>();
        }
    }
    gains
}

/// The polynomials in the middle of each bin, less their means, and their products summed over all rows, with the penalty added.
fn basis(counts: &[f64], rows: f64) -> (Vec<[f64; 3]>, [[f64; 3]; 3]) {
    let mut basis = vec![[0.0_f64; 3]; counts.len()];
    let mut below = 0.0;
    for (b, p) in basis.iter_mut().enumerate() {
        let x = (below + counts[b] / 2.0) / rows;
        below += counts[b];
        *p = [
            3.0_f64.sqrt() * (2.0 * x - 1.0),
            5.0_f64.sqrt() * (6.0 * x * x - 6.0 * x + 1.0),
            7.0_f64.sqrt() * (20.0 * x * x * x - 30.0 * x * x + 12.0 * x - 1.0),
        ];
    }
    // Where bins are few or uneven, the polynomials' means and products are not quite 0: both are taken into account.
    let mut means = [0.0_f64; 3];
    for (p, n) in basis.iter().zip(counts) {
        means.iter_mut().zip(p).for_each(|(m, p)| *m += p * n / rows);
    }
    let mut gram = [[0.0_f64; 3]; 3];
    for (p, n) in basis.iter_mut().zip(counts) {
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
    (basis, gram)
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

/// Finds the intervals of the largest summed gain by dynamic programming: from bin to bin, the best sum is kept for every
/// number of changes so far and every last action. No change goes to an action of a lower rank.
struct Walk<'a> {
    counts: &'a [f64],
    /// Gains of a row by bin, then action.
    gains: &'a [f64],
    actions: usize,
    /// How many intervals there may be.
    most: usize,
    /// By action: how many actions have its rank or a lower one.
    reached_from: Vec<usize>,
    /// `best[changes · actions + action]`: the largest sum up to the bin reached.
    best: Vec<f64>,
    /// The same up to the bin before.
    before: Vec<f64>,
    /// `came_from[(bin · most + changes) · actions + action]`: the action of the bin before.
    came_from: Vec<u16>,
}

impl<'a> Walk<'a> {
    /// `ranks` has one number an action, ascending.
    fn new(counts: &'a [f64], gains: &'a [f64], most: usize, ranks: &[u8]) -> Walk<'a> {
        let actions = ranks.len();
        let reached_from = ranks.iter().map(|&rank| ranks.partition_point(|&r| r <= rank)).collect();
        let came_from = vec![0; counts.len() * most * actions];
        let nothing = vec![f64::MIN; most * actions];
        Walk { counts, gains, actions, most, reached_from, best: nothing.clone(), before: nothing, came_from }
    }

    fn best(mut self) -> Intervals {
        for bin in 0..self.counts.len() {
            self.step(bin);
        }
        self.back()
    }

    /// Goes on to a bin: the action stays what it was, or changes to another one, which costs [`CUT_COST`].
    fn step(&mut self, bin: usize) {
        std::mem::swap(&mut self.best, &mut self.before);
        let before = &self.before;
        for changes in 0..self.most {
            // A change to another action starts from the best sum with one change fewer. `jump` is that among the actions whose ranks allow
            // it; from one action to the next there can only be more of them.
            let (mut jump, mut seen) = (None, 0);
            for action in 0..self.actions {
                if let Some(fewer) = changes.checked_sub(1) {
                    for other in seen..self.reached_from[action] {
                        let from = before[fewer * self.actions + other] - CUT_COST;
                        if jump.is_none_or(|(best, _)| from > best) {
                            jump = Some((from, other));
                        }
                    }
                    seen = self.reached_from[action];
                }
                let here = self.counts[bin] * self.gains[bin * self.actions + action];
                let at = changes * self.actions + action;
                let (mut value, mut came) = (before[at], action);
                if bin == 0 {
                    value = if changes == 0 { 0.0 } else { f64::MIN };
                } else if let Some((jump, other)) = jump
                    && other != action
                    && jump > value
                {
                    (value, came) = (jump, other);
                }
                self.best[at] = value + here;
                self.came_from[(bin * self.most + changes) * self.actions + action] = came as u16;
            }
        }
    }

    /// Follows the best end back to the first bin.
    fn back(&self) -> Intervals {
        let end = largest(&self.best);
        let (mut changes, mut action) = (end / self.actions, end % self.actions);
        let (mut cuts, mut actions) = (Vec::new(), vec![action]);
        for bin in (1..self.counts.len()).rev() {
            let came = usize::from(self.came_from[(bin * self.most + changes) * self.actions + action]);
            if came != action {
                cuts.push(bin as u8 - 1);
                actions.push(came);
                (changes, action) = (changes - 1, came);
            }
        }
        cuts.reverse();
        actions.reverse();
        Intervals { cuts, actions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    /// A shape without a direction.
    fn free(most: usize, ranks: &[u8]) -> Shape<'_> {
        Shape { most, direction: Direction::Free, ranks }
    }

    fn table(rows: usize, seed: u64, value: impl Fn(f64, usize, &mut Rng) -> f32) -> Sums {
        let mut rng = Rng::new(seed);
        let mut sums = Sums::new(64, 3);
        for _ in 0..rows {
            let bin = rng.below(64);
            let values: Vec<f32> = (0..3).map(|a| value((bin as f64 + 0.5) / 64.0, a, &mut rng)).collect();
            sums.add(bin, 1.0, &values);
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
        let choice = best_intervals(&sums, free(4, &[0; 3]), Curve::Smooth);
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
        let cut = |curve| best_intervals(&sums, free(2, &[0; 3]), curve).cuts;
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
        assert_eq!(best_intervals(&sums, free(2, &[0; 3]), Curve::Smooth).actions.len(), 2);
        assert_eq!(best_intervals(&sums, free(1, &[0; 3]), Curve::Smooth).actions.len(), 1);
    }

    #[test]
    fn the_best_of_all_intervals_is_found() {
        // Against trying every way, on small random tables.
        let mut rng = Rng::new(9);
        for _ in 0..300 {
            let (bins, actions, most) = (2 + rng.below(5), 2 + rng.below(2), 1 + rng.below(3));
            let direction = [Direction::Rising, Direction::Falling, Direction::Free][rng.below(3)];
            let ranks: [&[u8]; 3] = [&[0, 1, 2], &[0, 0, 1], &[0, 0, 0]];
            let ranks = &ranks[rng.below(3)][..actions];
            let counts: Vec<f64> = (0..bins).map(|_| rng.below(9) as f64).collect();
            let gains: Vec<f64> = (0..bins * actions).map(|_| rng.unit() - 0.5).collect();
            let value = |path: &[usize]| {
                let changes = path.windows(2).filter(|w| w[0] != w[1]).count();
                let is_allowed = path.windows(2).all(|w| match direction {
                    Direction::Rising => ranks[w[0]] >= ranks[w[1]],
                    Direction::Falling => ranks[w[0]] <= ranks[w[1]],
                    Direction::Free => true,
                });
                let sum: f64 = path.iter().enumerate().map(|(b, &a)| counts[b] * gains[b * actions + a]).sum();
                if changes < most && is_allowed { sum - CUT_COST * changes as f64 } else { f64::MIN }
            };
            let mut best = f64::MIN;
            for code in 0..actions.pow(bins as u32) {
                let path: Vec<usize> = (0..bins).map(|b| code / actions.pow(b as u32) % actions).collect();
                best = best.max(value(&path));
            }
            let choice = walked(&counts, &gains, Shape { most, direction, ranks });
            let path: Vec<usize> = (0..bins).map(|b| choice.action(b as u8)).collect();
            assert!((value(&path) - best).abs() < 1e-9, "{choice:?} {direction:?} {ranks:?}");
        }
    }

    #[test]
    fn noise_is_smoothed_away() {
        let mut cut = 0;
        for seed in 0..20 {
            let sums =
                table(2000, seed, |_, a, rng| f32::from(u8::from(rng.unit() < if a == 0 { 0.55 } else { 0.45 })));
            cut += usize::from(!best_intervals(&sums, free(4, &[0; 3]), Curve::Smooth).cuts.is_empty());
        }
        assert!(cut <= 1, "{cut} of 20 tables of noise were cut");
    }
}
