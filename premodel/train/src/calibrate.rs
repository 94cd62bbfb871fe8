//! Temperatures of candidates, weights of averages, and what an average answers: fitted on some rows, told for all.
//!
//! ```text
//! temperature T of a candidate:  argmin_T − Σ_rows ln p_T(true class),   p_T,i = p_i^(1/T) / Σ_j p_j^(1/T)
//! weights w of a set:            argmin_w − Σ_rows ln Σ_k w_k p_T,k(true class),  w ≥ 0, Σ w = 1
//! ```
//! The first is convex in 1/T and is searched by golden section (temperature scaling, Guo et al. 2017); the second is a mixture's
//! likelihood and is climbed by expectation maximisation, which keeps the weights in bounds by itself. Where a row has no label,
//! the class that earned the row's reward stands for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use trt_select_premodel::{CandidateId, Mask};

use super::bins::{BINS, Binned, Class};
use super::judge::reward_of;
use super::profile::Profile;
use super::stats::Rng;
use super::topk::{Scratch, TopK};

/// Rows that temperatures and weights are fitted on, at most: a handful of numbers needs no more.
const FIT_ROWS: usize = 5000;

/// Temperatures are searched in 1/4..=4. Lower ones push so many probabilities to 1 that the sure and the surest can no longer be
/// told apart.
const LEAST_TEMPERATURE: f64 = 0.25;

/// Candidates' temperatures and what averages of them say on every row.
#[derive(Clone, Debug)]
pub(super) struct Calibrated {
    /// One a candidate.
    pub(super) temperatures: Vec<f32>,
    /// By set.
    pub(super) averages: BTreeMap<Mask, Arc<Average>>,
}

/// An average of a set of candidates. The set of one is the candidate, calibrated.
#[derive(Clone, Debug)]
pub(super) struct Average {
    /// In the order of ids.
    pub(super) weights: Vec<f32>,
    /// Its answer, by row.
    pub(super) classes: Arc<Vec<u32>>,
    /// Reward of its answer, by row.
    pub(super) rewards: Arc<Vec<f32>>,
    /// Its largest probability.
    pub(super) top1: Arc<Binned>,
    /// Largest less second largest.
    pub(super) margin: Arc<Binned>,
}

/// Fits temperatures and weights on `rows`, and tells what the averages of `sets` say on all rows of the profile.
pub(super) fn calibrate(profile: &Profile, topk: &TopK, rows: &[u32], sets: &[Mask], seed: u64) -> Calibrated {
    let n = profile.candidates.len();
    let mut fit: Vec<(u32, u32)> = rows.iter().filter_map(|&r| Some((r, target(profile, r as usize)?))).collect();
    if fit.len() > FIT_ROWS {
        Rng::new(seed ^ 0xCA11).shuffle(&mut fit);
        fit.truncate(FIT_ROWS);
    }
    let temperatures: Vec<f32> =
        (0..n).into_par_iter().map(|c| temperature(topk, CandidateId(c as u8), &fit)).collect();
    let truths: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|c| {
            let of = |&(r, t): &(u32, u32)| topk.probability(CandidateId(c as u8), r as usize, t, temperatures[c]);
            fit.iter().map(|row| f64::from(of(row))).collect()
        })
        .collect();
    let averages = sets
        .par_iter()
        .map(|&set| {
            let weights = weights(&set.iter().map(|c| truths[c.index()].as_slice()).collect::<Vec<_>>());
            (set, Arc::new(average(profile, topk, set, weights, &temperatures)))
        })
        .collect();
    Calibrated { temperatures, averages }
}

/// The class that a row's answer should be: its label, else what earned the largest reward.
fn target(profile: &Profile, row: usize) -> Option<u32> {
    if let Some(label) = profile.labels[row] {
        return Some(label);
    }
    let best = (0..profile.candidates.len())
        .max_by(|&a, &b| profile.rewards[a][row].total_cmp(&profile.rewards[b][row]).then(b.cmp(&a)))?;
    (profile.rewards[best][row] >= 0.5).then(|| profile.answers.get(best).map(|a| a[row]))?
}

fn temperature(topk: &TopK, candidate: CandidateId, fit: &[(u32, u32)]) -> f32 {
    if fit.is_empty() {
        return 1.0;
    }
    let loss = |log_t: f64| -> f64 {
        let of = |&(r, t): &(u32, u32)| topk.probability(candidate, r as usize, t, log_t.exp() as f32);
        fit.iter().map(|row| -f64::from(of(row).max(1e-12)).ln()).sum()
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (LEAST_TEMPERATURE.ln(), -LEAST_TEMPERATURE.ln());
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_a, mut at_b) = (loss(a), loss(b));
    // Fourteen steps leave a thousandth of the range.
    for _ in 0..14 {
        if at_a <= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - golden * (high - low);
            at_a = loss(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + golden * (high - low);
            at_b = loss(b);
        }
    }
    // Few digits: more would be noise, and a premodel is read by people.
    ((f64::midpoint(low, high).exp() * 1000.0).round() / 1000.0) as f32
}

/// Mixture weights by expectation maximisation, from the probability that each member gave to the true class.
fn weights(truths: &[&[f64]]) -> Vec<f32> {
    let n = truths.len();
    let mut weights = vec![1.0 / n as f64; n];
    let rows = truths.first().map_or(0, |t| t.len());
    // By row, then member. A floor: a member that gave the true class nothing is wrong, not impossible.
    let given: Vec<f64> = (0..rows).flat_map(|row| truths.iter().map(move |t| t[row] + 1e-6)).collect();
    if n > 1 && rows > 0 {
        let mut sums = vec![0.0; n];
        for _ in 0..40 {
            sums.fill(0.0);
            for row in given.chunks_exact(n) {
                let all: f64 = row.iter().zip(&weights).map(|(p, w)| p * w).sum();
                for ((sum, p), w) in sums.iter_mut().zip(row).zip(&weights) {
                    *sum += p * w / all;
                }
            }
            weights.iter_mut().zip(&sums).for_each(|(w, s)| *w = s / rows as f64);
        }
    }
    let rounded: Vec<f64> = weights.iter().map(|w| (w * 1000.0).round() / 1000.0).collect();
    let sum: f64 = rounded.iter().sum();
    rounded.iter().map(|w| (w / sum) as f32).collect()
}

fn average(profile: &Profile, topk: &TopK, set: Mask, weights: Vec<f32>, temperatures: &[f32]) -> Average {
    let members: Vec<(CandidateId, f32, f32)> = set
        .iter()
        .zip(&weights)
        .map(|(candidate, &weight)| (candidate, weight, temperatures[candidate.index()]))
        .collect();
    let rows = profile.rows();
    let (mut classes, mut rewards) = (vec![0; rows], vec![0.0; rows]);
    let (mut top1, mut margin) = (vec![0.0; rows], vec![0.0; rows]);
    let mut scratch = Scratch::default();
    for row in 0..rows {
        let mixture = topk.mixture(row, &members, &mut scratch);
        (classes[row], top1[row], margin[row]) = (mixture.class, mixture.top1, mixture.margin);
        rewards[row] = reward_of(profile, row, mixture.class, members.iter().map(|m| m.0));
    }
    Average {
        weights,
        classes: Arc::new(classes),
        rewards: Arc::new(rewards),
        top1: Arc::new(Binned::new(&top1, set, Class::Confidence, BINS)),
        margin: Arc::new(Binned::new(&margin, set, Class::Other, BINS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_climb_to_the_likeliest_mixture() {
        // Member 0 gives the truth 0.9 on 3 of 4 rows and 0.1 on the rest, member 1 the other way round.
        let a: Vec<f64> = (0..400).map(|i| if i % 4 == 0 { 0.1 } else { 0.9 }).collect();
        let b: Vec<f64> = a.iter().map(|p| 1.0 - p).collect();
        let w = weights(&[&a, &b]);
        // d/dw of 3 ln(0.1 + 0.8 w) + ln(0.9 − 0.8 w) is 0 at w = 0.8125.
        assert!((w[0] - 0.8125).abs() < 0.002, "{w:?}");
        assert!((w.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(weights(&[&a]), [1.0]);
        assert_eq!(weights(&[&[], &[]]), [0.5, 0.5]);
    }
}
