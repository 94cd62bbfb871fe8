//! What each candidate weighs in an average.
//!
//! An average answers with its most probable class, so its weights should make that class the right one. Fitted by likelihood alone they
//! have a second task: a mixture that is too sure of itself is made less sure by a weak candidate, whose weight then drags answers
//! down too. So a sharpness β is fitted together with the weights, which takes that task over, and is then thrown away:
//!
//! ```text
//! w = softmax(θ),   m_c = Σ_k w_k P_k,c,   β = exp(b)
//! minimise over θ, b:   − mean ln (m_y^β / Σ_c m_c^β) + 1e-4 (|θ|² + b²)
//! ```
//! P_k,c is candidate k's probability of class c at its temperature, y the true class. The start is θ = 0 and β = 1.5; a few BFGS steps
//! are enough for so few numbers.
//!
//! Classes that no candidate gives a ten-thousandth are many and matter little: they are taken as one class that stands for all of
//! them, each with the mean of their probabilities.

use trt_select_premodel::temper::{exp, ln};
use trt_select_premodel::{CandidateId, Mask};

/// Rows that are worked on side by side, which lets the compiler use vectors.
const LANES: usize = 16;

/// What a class needs from some candidate, to be looked at on its own.
const LOOKED_AT: f32 = 1e-4;

/// Keeps logarithms finite where all candidates gave a class nothing.
const FLOOR: f32 = 1e-9;

/// Steps of the minimiser.
const STEPS: usize = 15;

/// How strongly θ and b are drawn to 0.
const DRAWN: f64 = 1e-4;

/// The sharpness that fitting starts with.
const START: f64 = 1.5;

/// The classes of one row that are looked at.
pub(super) struct Row {
    /// By class: each candidate's probability.
    pub(super) probabilities: Vec<Vec<f32>>,
    /// By class: how many classes it stands for.
    pub(super) counts: Vec<f32>,
    /// The place of the true class.
    pub(super) truth: usize,
}

impl Row {
    /// `given` has each candidate's probabilities of some classes, among them all that matter; `truth` is the true one's place there,
    /// `None` where it is not among them. There are `classes` classes in all. `None` where the true class is none of all these.
    pub(super) fn new(given: &[Vec<f32>], truth: Option<usize>, classes: usize) -> Option<Row> {
        let candidates = given.len();
        let mut row = Row { probabilities: Vec::new(), counts: Vec::new(), truth: usize::MAX };
        let mut rest = vec![1.0_f32; candidates];
        for class in 0..given.first().map_or(0, Vec::len) {
            let of_class: Vec<f32> = given.iter().map(|all| all[class]).collect();
            if truth == Some(class) {
                row.truth = row.counts.len();
            } else if of_class.iter().all(|&p| p < LOOKED_AT) {
                continue;
            }
            rest.iter_mut().zip(&of_class).for_each(|(rest, p)| *rest -= p);
            row.probabilities.push(of_class);
            row.counts.push(1.0);
        }
        let others = classes.saturating_sub(row.counts.len());
        if others > 0 {
            row.probabilities.push(rest.iter().map(|r| r.max(0.0) / others as f32).collect());
            row.counts.push(others as f32);
        }
        if row.truth == usize::MAX {
            // The true class is among the others, if there are others.
            row.truth = row.counts.len().checked_sub(1).filter(|_| others > 0)?;
        }
        Some(row)
    }
}

/// Rows side by side: the `i`-th class of each of them.
struct Entry {
    /// By candidate.
    probabilities: Vec<[f32; LANES]>,
    counts: [f32; LANES],
    /// 1 where it is the true class.
    is_true: [f32; LANES],
}

/// Some rows, padded to the largest number of classes among them with classes that count nothing.
struct Block {
    entries: Vec<Entry>,
    /// What each row counts; 0 for rows that only fill the block.
    weights: [f32; LANES],
}

/// The rows that weights are fitted on.
pub(super) struct Examples {
    blocks: Vec<Block>,
    /// Sum of what the rows count.
    total: f64,
}

impl Examples {
    /// Rows with what each of them counts. Their order does not matter much: those of as many classes are put together.
    pub(super) fn new(mut rows: Vec<(Row, f32)>, candidates: usize) -> Examples {
        rows.sort_by_key(|(row, _)| row.counts.len());
        let total = rows.iter().map(|&(_, weight)| f64::from(weight)).sum();
        let blocks = rows.chunks(LANES).map(|rows| Block::new(rows, candidates)).collect();
        Examples { blocks, total }
    }

    /// The weights of a set's members, in the order of their ids.
    pub(super) fn weights(&self, set: Mask) -> Vec<f32> {
        let members: Vec<CandidateId> = set.iter().collect();
        let n = members.len();
        if n < 2 || self.total <= 0.0 {
            return vec![1.0 / n as f32; n];
        }
        let mut start = vec![0.0; n];
        start.push(f64::ln(START));
        let found = minimum(start, STEPS, |at, slope| self.loss(&members, at, slope));
        rounded(&softmax(&found[..n]))
    }

    /// The loss at θ and b, and its slope.
    fn loss(&self, members: &[CandidateId], at: &[f64], slope: &mut [f64]) -> f64 {
        let n = members.len();
        let (weights, sharpness) = (softmax(&at[..n]), at[n].exp());
        let single: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
        let mut sums = vec![0.0_f64; n + 1];
        let mut loss = 0.0;
        let mut work = Vec::new();
        for block in &self.blocks {
            loss += block.loss(members, &single, sharpness as f32, &mut sums, &mut work);
        }
        // By θ: w_j (g_j − Σ_k w_k g_k), where g is the slope by w.
        let mean: f64 = weights.iter().zip(&sums).map(|(w, g)| w * g).sum();
        for (j, w) in weights.iter().enumerate() {
            slope[j] = w * (sums[j] - mean) / self.total + 2.0 * DRAWN * at[j];
        }
        slope[n] = sums[n] / self.total + 2.0 * DRAWN * at[n];
        loss / self.total + DRAWN * at.iter().map(|x| x * x).sum::<f64>()
    }
}

impl Block {
    fn new(rows: &[(Row, f32)], candidates: usize) -> Block {
        let most = rows.iter().map(|(row, _)| row.counts.len()).max().unwrap_or(0);
        let nothing =
            || Entry { probabilities: vec![[0.0; LANES]; candidates], counts: [0.0; LANES], is_true: [0.0; LANES] };
        let mut block = Block { entries: (0..most).map(|_| nothing()).collect(), weights: [0.0; LANES] };
        for (lane, (row, weight)) in rows.iter().enumerate() {
            block.weights[lane] = *weight;
            for (class, entry) in block.entries.iter_mut().enumerate().take(row.counts.len()) {
                entry.counts[lane] = row.counts[class];
                entry.is_true[lane] = f32::from(u8::from(row.truth == class));
                for (to, from) in entry.probabilities.iter_mut().zip(&row.probabilities[class]) {
                    to[lane] = *from;
                }
            }
        }
        block
    }

    /// The loss of the block's rows, summed. Adds its slopes by the weights, and last by b, to `sums`. `work` is room for numbers.
    fn loss(
        &self,
        members: &[CandidateId],
        weights: &[f32],
        sharpness: f32,
        sums: &mut [f64],
        work: &mut Vec<[[f32; LANES]; 2]>,
    ) -> f64 {
        // By class: the mixture m, and then s = β ln m.
        work.clear();
        let mut top = [f32::MIN; LANES];
        for entry in &self.entries {
            let mut mixed = [0.0_f32; LANES];
            for (c, w) in members.iter().zip(weights) {
                let p = &entry.probabilities[c.index()];
                (0..LANES).for_each(|i| mixed[i] += w * p[i]);
            }
            let mut power = [0.0_f32; LANES];
            for i in 0..LANES {
                // Rounding may bring a sure class above 1, where the logarithm is not exact.
                mixed[i] = mixed[i].clamp(FLOOR, 1.0);
                power[i] = sharpness * ln(mixed[i]);
                top[i] = if entry.counts[i] > 0.0 && power[i] > top[i] { power[i] } else { top[i] };
            }
            work.push([mixed, power]);
        }
        let (mut all, mut of_truth) = ([0.0_f32; LANES], [0.0_f32; LANES]);
        for (entry, [_, power]) in self.entries.iter().zip(&*work) {
            for i in 0..LANES {
                all[i] += entry.counts[i] * exp((power[i] - top[i]).min(0.0));
                of_truth[i] += entry.is_true[i] * power[i];
            }
        }
        let mut scale = [0.0_f32; LANES];
        let mut loss = 0.0;
        for i in 0..LANES {
            scale[i] = if all[i] > 0.0 { 1.0 / all[i] } else { 0.0 };
            if self.weights[i] > 0.0 {
                loss +=
                    f64::from(self.weights[i]) * (f64::from(top[i]) + f64::from(all[i]).ln() - f64::from(of_truth[i]));
            }
        }
        let mut slopes = vec![[0.0_f32; LANES]; sums.len()];
        for (entry, [mixed, power]) in self.entries.iter().zip(&*work) {
            let mut by_mixed = [0.0_f32; LANES];
            for i in 0..LANES {
                let share = entry.counts[i] * exp((power[i] - top[i]).min(0.0)) * scale[i];
                let residual = self.weights[i] * (share - entry.is_true[i]);
                by_mixed[i] = residual * sharpness / mixed[i];
                slopes[members.len()][i] += residual * power[i];
            }
            for (slope, c) in slopes.iter_mut().zip(members) {
                let p = &entry.probabilities[c.index()];
                (0..LANES).for_each(|i| slope[i] += by_mixed[i] * p[i]);
            }
        }
        for (sum, slope) in sums.iter_mut().zip(&slopes) {
            *sum += slope.iter().map(|&s| f64::from(s)).sum::<f64>();
        }
        loss
    }
}

fn softmax(theta: &[f64]) -> Vec<f64> {
    let top = theta.iter().copied().fold(f64::MIN, f64::max);
    let powers: Vec<f64> = theta.iter().map(|t| (t - top).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum).collect()
}

/// As near to three decimals as weights come that add up to 1: what lies behind them is noise, and people read premodels.
pub(super) fn rounded(weights: &[f64]) -> Vec<f32> {
    let rounded: Vec<f64> = weights.iter().map(|w| (w * 1000.0).round() / 1000.0).collect();
    let sum: f64 = rounded.iter().sum();
    rounded.iter().map(|w| (w / sum) as f32).collect()
}

/// Goes down from `at` by so many BFGS steps: the inverse of the curvature is built up from the changes of the slope. `loss` gives the
/// value and writes the slope.
fn minimum(mut at: Vec<f64>, steps: usize, mut loss: impl FnMut(&[f64], &mut [f64]) -> f64) -> Vec<f64> {
    let n = at.len();
    let mut slope = vec![0.0; n];
    let mut value = loss(&at, &mut slope);
    let mut inverse = identity(n);
    for step in 0..steps {
        let mut way: Vec<f64> = inverse.chunks_exact(n).map(|row| -dot(row, &slope)).collect();
        let mut fall = dot(&way, &slope);
        if fall > -1e-12 {
            // Flat, or what was learnt of the curvature is of no use any more.
            break;
        }
        if step == 0 {
            // Nothing is known of the curvature yet: the first step is at most one unit long.
            let long = dot(&way, &way).sqrt().max(1.0);
            way.iter_mut().for_each(|w| *w /= long);
            fall /= long;
        }
        let Some((next, new_value, new_slope)) = shorter(&at, value, &way, fall, &mut loss) else { break };
        let moved: Vec<f64> = next.iter().zip(&at).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = new_slope.iter().zip(&slope).map(|(a, b)| a - b).collect();
        if step == 0 {
            let scale = dot(&moved, &turned) / dot(&turned, &turned).max(1e-300);
            inverse.iter_mut().for_each(|x| *x *= scale.max(1e-6));
        }
        learn(&mut inverse, &moved, &turned);
        (at, value, slope) = (next, new_value, new_slope);
    }
    at
}

/// A place and what the loss is there: its value and slope.
type Found = (Vec<f64>, f64, Vec<f64>);

/// The first of ever shorter steps along a way that brings the value down by enough; `None` where none does.
fn shorter(
    at: &[f64],
    value: f64,
    way: &[f64],
    fall: f64,
    loss: &mut impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Option<Found> {
    let mut length = 1.0;
    for _ in 0..12 {
        let next: Vec<f64> = at.iter().zip(way).map(|(a, w)| a + length * w).collect();
        let mut slope = vec![0.0; at.len()];
        let new = loss(&next, &mut slope);
        if new <= value + 1e-4 * length * fall {
            return Some((next, new, slope));
        }
        length /= 2.0;
    }
    None
}

/// The BFGS update of the inverse curvature.
fn learn(inverse: &mut [f64], moved: &[f64], turned: &[f64]) {
    let n = moved.len();
    let along = dot(moved, turned);
    if along <= 1e-14 {
        return;
    }
    let seen: Vec<f64> = inverse.chunks_exact(n).map(|row| dot(row, turned)).collect();
    let factor = (along + dot(turned, &seen)) / (along * along);
    for i in 0..n {
        for j in 0..n {
            inverse[i * n + j] += factor * moved[i] * moved[j] - (seen[i] * moved[j] + moved[i] * seen[j]) / along;
        }
    }
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|i| if i / n == i % n { 1.0 } else { 0.0 }).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests;
