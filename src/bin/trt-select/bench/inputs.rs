//! The measured inputs of `bench`, and which answers count as right.

use trt_select::Outcome;
use trt_select::samples::Samples;
use trt_select_premodel::{Answer, CandidateId, Interval, Program, View};
use trt_select_train::Bootstrap;

use super::Measured;

/// Seed of all bootstraps, so that the same measurement gives the same intervals.
pub(super) const SEED: u64 = 2018;

/// The measured inputs, with the answer that counts as right for each.
pub(super) struct Inputs<'a> {
    pub(super) measured: &'a Measured,
    pub(super) truth: Vec<u32>,
    /// What decides which answer is right, in words.
    pub(super) by: String,
}

impl<'a> Inputs<'a> {
    /// An answer is right if it is the sample's label. If any sample has no label, an answer is right if it is that of the last
    /// candidate, as in `profile`.
    pub(super) fn new(measured: &'a Measured, samples: &Samples, names: &[String]) -> Inputs<'a> {
        let labels: Option<Vec<u32>> = measured.samples.iter().map(|&s| samples.label(s)).collect();
        let last = names.len() - 1;
        let by = if labels.is_some() { "labels".to_owned() } else { format!("agreement with {}", names[last]) };
        let truth = labels.unwrap_or_else(|| measured.singles[last].iter().map(|run| run.summary.class).collect());
        Inputs { measured, truth, by }
    }

    /// The mean of a number over all inputs.
    pub(super) fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        (0..self.truth.len()).map(of).sum::<f64>() / self.truth.len() as f64
    }

    /// For each sample that was measured, the mean of a number over the inputs that were this sample.
    pub(super) fn per_sample(&self, of: impl Fn(usize) -> f64) -> Vec<f64> {
        let samples = &self.measured.samples;
        let seen = samples.iter().max().map_or(0, |m| m + 1);
        let (mut sums, mut counts) = (vec![0.0; seen], vec![0.0; seen]);
        for (i, &s) in samples.iter().enumerate() {
            sums[s] += of(i);
            counts[s] += 1.0;
        }
        sums.iter().zip(&counts).filter(|(_, c)| **c > 0.0).map(|(s, c)| s / c).collect()
    }

    /// 1 where a candidate is right on an input, else 0.
    pub(super) fn right(&self, candidate: usize, i: usize) -> f64 {
        f64::from(self.measured.singles[candidate][i].summary.class == self.truth[i])
    }

    /// 1 where the selector is right on an input, else 0. `outcomes` are those of one of its programs.
    pub(super) fn outcome_right(&self, outcomes: &[Outcome], i: usize) -> f64 {
        f64::from(outcomes[i].class == self.truth[i])
    }

    pub(super) fn latency_ns(&self, candidate: usize, i: usize) -> u64 {
        let run = &self.measured.singles[candidate][i];
        run.preprocess_ns + run.compute_ns
    }
}

/// Top-1 of some programs' answers minus that of the best single, from the difference on each sample. Where none differs, others may, unless
/// the programs answer with that candidate always.
pub(super) fn over_best<'a>(
    differences: &[f64],
    mut programs: impl Iterator<Item = Program<'a>>,
    best: CandidateId,
) -> Interval {
    let is_other = |view| matches!(view, View::Answer(answer) if answer != Answer::Candidate(best));
    let differs = programs.any(|program| program.nodes().iter().any(|node| is_other(node.view())));
    let bootstrap = Bootstrap::new(SEED);
    if differs { bootstrap.within(-1.0, 1.0).mean(differences) } else { bootstrap.mean(differences) }
}
