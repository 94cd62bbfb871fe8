//! Temperatures of candidates, weights of averages, and what an average answers. Temperatures and weights are fitted on the training
//! rows; what the averages say is computed for all rows.
//!
//! ```text
//! temperature T of a candidate:  argmin_T − Σ_rows ln p_T(true class),   p_T,i = p_i^(1/T) / Σ_j p_j^(1/T)
//! ```
//! It is convex in 1/T and is searched by golden section (temperature scaling, Guo et al. 2017). How weights are fitted stands in
//! `mixture.rs`; under a teacher in place of labels, candidates weigh as much as they cost. Where a row has no label, the answer that earned
//! the largest reward stands for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use trt_select_base::random::Rng;
use trt_select_premodel::{CandidateId, Mask, Top};

use super::bins::{BINS, Binned, Direction, SignalClass};
use super::label_free::weights_by_cost;
use super::mixer::{Member, Mixer};
use super::mixture::{Examples, Row, rounded};
use super::profile::Profile;
use super::reward::reward_of;
use super::topk::TopK;

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
    /// How much the row counts.
    weight: f64,
}

/// Fits temperatures, and weights if there are labels, on at most `fit_rows` of `rows`, and computes what the averages of `sets` say on all
/// rows of the profile.
pub(super) fn calibrate(
    profile: &Profile,
    topk: &TopK,
    costs: &[f64],
    rows: &[u32],
    sets: &[Mask],
    fit_rows: usize,
    seed: u64,
) -> Calibrated {
    let n = profile.candidates.len();
    let example = |&row: &u32| {
        let row = row as usize;
        Some(Example { row, class: target(profile, row)?, weight: profile.weight(row) })
    };
    let mut examples: Vec<Example> = rows.iter().filter_map(example).collect();
    if examples.len() > fit_rows {
        Rng::new(seed ^ 0xCA11).shuffle(&mut examples);
        examples.truncate(fit_rows);
    }
    let temperatures: Vec<f32> =
        (0..n).into_par_iter().map(|c| temperature(topk, CandidateId(c as u8), &examples)).collect();
    let fitted = (!profile.is_label_free).then(|| fitted(topk, &temperatures, &examples));
    let weights = |set: Mask| match &fitted {
        Some(fitted) => fitted.weights(set),
        None => rounded(&weights_by_cost(set, costs)),
    };
    // By set.
    let members: Vec<Vec<Member>> = sets
        .par_iter()
        .map(|&set| set.iter().zip(weights(set)).map(|(candidate, weight)| Member { candidate, weight }).collect())
        .collect();
    let tops = tops(topk, &temperatures, &members, profile.rows());
    let averages = sets.par_iter().zip(&members).zip(tops.into_par_iter());
    let averages = averages.map(|((&set, members), tops)| (set, Arc::new(average(profile, set, members, &tops))));
    Calibrated { averages: averages.collect(), temperatures }
}

/// The examples with what each candidate says of their classes at its temperature.
fn fitted(topk: &TopK, temperatures: &[f32], examples: &[Example]) -> Examples {
    let rows = examples.par_chunks(CHUNK).flat_map_iter(|examples| {
        let mut mixer = Mixer::new(topk, temperatures);
        examples.iter().filter_map(move |example| {
            mixer.begin(example.row);
            let row = Row::new(mixer.calibrated(), mixer.place(example.class), topk.class_count() as usize)?;
            Some((row, example.weight as f32))
        })
    });
    Examples::new(rows.collect(), temperatures.len())
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
        examples.iter().map(|e| -e.weight * f64::from(of(e).max(1e-12)).ln()).sum()
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

/// An average from what it says on every row of the profile.
fn average(profile: &Profile, set: Mask, members: &[Member], tops: &[Top]) -> Average {
    let reward = |(row, top): (usize, &Top)| reward_of(profile, row, top.class, set.iter());
    let (top1, margin): (Vec<f32>, Vec<f32>) = tops.iter().map(|top| (top.top1, top.margin)).unzip();
    Average {
        weights: members.iter().map(|member| member.weight).collect(),
        classes: Arc::new(tops.iter().map(|top| top.class).collect()),
        rewards: Arc::new(tops.iter().enumerate().map(reward).collect()),
        top1: Arc::new(Binned::new(&top1, set, (SignalClass::Confidence, Direction::Rising), BINS)),
        margin: Arc::new(Binned::new(&margin, set, (SignalClass::Other, Direction::Rising), BINS)),
    }
}
