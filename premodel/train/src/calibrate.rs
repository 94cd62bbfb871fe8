//! Temperatures of candidates, weights of averages, and what an average answers. Temperatures and weights are fitted on the training
//! rows; what the averages say is computed for all rows.
//!
//! ```text
//! temperature T of a candidate:  argmin_T − Σ_rows ln p_T(true class),   p_T,i = p_i^(1/T) / Σ_j p_j^(1/T)
//! weights w of a set:            argmin_w − Σ_rows ln Σ_k w_k p_T,k(true class),  w ≥ 0, Σ w = 1
//! ```
//! The first is convex in 1/T and is searched by golden section (temperature scaling, Guo et al. 2017); the second is a mixture's
//! likelihood, and expectation maximisation finds its maximum without a weight ever leaving its bounds. Where a row has no label,
//! the answer that earned the largest reward stands for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use trt_select_base::random::Rng;
use trt_select_premodel::{CandidateId, Mask, Top};

use super::bins::{BINS, Binned, SignalClass};
use super::mixer::{Member, Mixer};
use super::profile::Profile;
use super::reward::reward_of;
use super::topk::TopK;

/// At most so many rows are used to fit temperatures and weights: that is plenty for a handful of numbers.
const FIT_ROWS: usize = 5000;

/// Rows whose averages one thread makes at a time.
const CHUNK: usize = 256;

/// Temperatures are searched in 1/4..=4. At lower ones so many probabilities become 1 that a sure answer can no longer be told from a
/// surer one.
const LEAST_TEMPERATURE: f64 = 0.25;

/// The candidates' temperatures, and what the averages of sets of candidates say on every row.
#[derive(Clone, Debug)]
pub(super) struct Calibrated {
    /// One a candidate.
    pub(super) temperatures: Vec<f32>,
    /// By set.
    pub(super) averages: BTreeMap<Mask, Arc<Average>>,
}

/// An average of a set of candidates. That of one candidate is the candidate itself at its temperature.
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

/// A row to fit on, and the class that the answer should be.
struct Example {
    row: usize,
    class: u32,
}

/// Fits temperatures and weights on `rows`, and computes what the averages of `sets` say on all rows of the profile.
pub(super) fn calibrate(profile: &Profile, topk: &TopK, rows: &[u32], sets: &[Mask], seed: u64) -> Calibrated {
    let n = profile.candidates.len();
    let example = |&row: &u32| Some(Example { row: row as usize, class: target(profile, row as usize)? });
    let mut examples: Vec<Example> = rows.iter().filter_map(example).collect();
    if examples.len() > FIT_ROWS {
        Rng::new(seed ^ 0xCA11).shuffle(&mut examples);
        examples.truncate(FIT_ROWS);
    }
    let temperatures: Vec<f32> =
        (0..n).into_par_iter().map(|c| temperature(topk, CandidateId(c as u8), &examples)).collect();
    // By candidate, then example: the probability that it gave to the true class.
    let truths: Vec<Vec<f64>> = (0..n)
        .into_par_iter()
        .map(|c| {
            let id = CandidateId(c as u8);
            examples.iter().map(|e| f64::from(topk.probability(id, e.row, e.class, temperatures[c]))).collect()
        })
        .collect();
    // By set.
    let members: Vec<Vec<Member>> = sets
        .par_iter()
        .map(|set| {
            let weights = weights(&set.iter().map(|c| truths[c.index()].as_slice()).collect::<Vec<_>>());
            set.iter().zip(weights).map(|(candidate, weight)| Member { candidate, weight }).collect()
        })
        .collect();
    let tops = tops(topk, &temperatures, &members, profile.rows());
    let averages = sets.par_iter().zip(&members).zip(tops.into_par_iter());
    let averages = averages.map(|((&set, members), tops)| (set, Arc::new(average(profile, set, members, &tops))));
    Calibrated { averages: averages.collect(), temperatures }
}

/// By set, then row: what the averages say.
fn tops(topk: &TopK, temperatures: &[f32], members: &[Vec<Member>], rows: usize) -> Vec<Vec<Top>> {
    let starts: Vec<usize> = (0..rows).step_by(CHUNK).collect();
    // By chunk of rows, then set: each candidate is calibrated once a row, for all sets.
    let chunks: Vec<Vec<Vec<Top>>> = starts
        .into_par_iter()
        .map(|start| {
            let mut mixer = Mixer::new(topk, temperatures);
            let mut tops = vec![Vec::with_capacity(CHUNK); members.len()];
            for row in start..rows.min(start + CHUNK) {
                mixer.begin(row);
                for (tops, members) in tops.iter_mut().zip(members) {
                    tops.push(mixer.top(members));
                }
            }
            tops
        })
        .collect();
    (0..members.len()).map(|set| chunks.iter().flat_map(|tops| &tops[set]).copied().collect()).collect()
}

/// The class that a row's answer should be: its label, else the answer that earned the largest reward, if that is half or more.
fn target(profile: &Profile, row: usize) -> Option<u32> {
    if let Some(label) = profile.labels[row] {
        return Some(label);
    }
    let best = (0..profile.candidates.len())
        .max_by(|&a, &b| profile.rewards[a][row].total_cmp(&profile.rewards[b][row]).then(b.cmp(&a)))?;
    (profile.rewards[best][row] >= 0.5).then(|| profile.answers.get(best).map(|a| a[row]))?
}

/// The temperature at which a candidate's probabilities of the true classes are likeliest, by golden section.
fn temperature(topk: &TopK, candidate: CandidateId, examples: &[Example]) -> f32 {
    if examples.is_empty() {
        return 1.0;
    }
    let loss = |log_t: f64| -> f64 {
        let of = |e: &Example| topk.probability(candidate, e.row, e.class, log_t.exp() as f32);
        examples.iter().map(|e| -f64::from(of(e).max(1e-12)).ln()).sum()
    };
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (LEAST_TEMPERATURE.ln(), -LEAST_TEMPERATURE.ln());
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut at_a, mut at_b) = (loss(a), loss(b));
    // After fourteen steps the range is a thousandth of what it was.
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
    // Three decimals: what lies behind them is noise, and people read premodels.
    ((f64::midpoint(low, high).exp() * 1000.0).round() / 1000.0) as f32
}

/// Mixture weights by expectation maximisation, from the probability that each member gave to the true class.
fn weights(truths: &[&[f64]]) -> Vec<f32> {
    let n = truths.len();
    let mut weights = vec![1.0 / n as f64; n];
    let rows = truths.first().map_or(0, |t| t.len());
    // By row, then member. A little is added, so that no row is impossible where all members gave the true class nothing.
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

/// An average from what it says on every row of the profile.
fn average(profile: &Profile, set: Mask, members: &[Member], tops: &[Top]) -> Average {
    let reward = |(row, top): (usize, &Top)| reward_of(profile, row, top.class, set.iter());
    let (top1, margin): (Vec<f32>, Vec<f32>) = tops.iter().map(|top| (top.top1, top.margin)).unzip();
    Average {
        weights: members.iter().map(|member| member.weight).collect(),
        classes: Arc::new(tops.iter().map(|top| top.class).collect()),
        rewards: Arc::new(tops.iter().enumerate().map(reward).collect()),
        top1: Arc::new(Binned::new(&top1, set, SignalClass::Confidence, BINS)),
        margin: Arc::new(Binned::new(&margin, set, SignalClass::Other, BINS)),
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
