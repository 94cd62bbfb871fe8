//! From a profile to the search's table: signals in bins, averages fitted on the rows that may be seen, states worth entering.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use trt_select_premodel::{AverageSignal, CandidateId, CandidateSignal, Mask, Signal};

use super::bins::{BINS, Binned, Class};
use super::calibrate::{Calibrated, calibrate};
use super::policy::{Averaged, Plan, Problem};
use super::profile::{Column, MEASURED, Profile};
use super::risk;
use super::stats::Rng;
use super::sweep::{Settings, prices};

/// Up to so many states each is solved on all rows; above, a search on samples says which ones matter.
const EXACT_STATES: usize = 100;

/// Samples of that search, and rows of each. What a state more is worth shows on few rows; where its cuts lie is found on all.
const SAMPLES: usize = 2;
const SAMPLE_ROWS: usize = 1500;

/// Prices of that search, and bins of its signals.
const SAMPLE_PRICES: usize = 8;
const SAMPLE_BINS: usize = 16;

/// Whether a column is what only measuring knows, or must not be taken from the file: no program may read it as it stands.
fn is_measured(signal: &Signal) -> bool {
    match signal {
        Signal::Candidate(_, CandidateSignal::Other(name)) => MEASURED.contains(&name.as_str()),
        // Made anew from the rows that may be seen.
        Signal::Candidate(_, CandidateSignal::Risk) => true,
        _ => false,
    }
}

/// What all folds share: nothing in it depends on a reward but the rewards.
#[derive(Clone, Debug)]
pub(super) struct Base {
    rewards: Arc<Vec<Vec<f32>>>,
    columns: Vec<Arc<Binned>>,
    signals: Vec<Signal>,
    costs: Vec<f64>,
    features_cost: f64,
}

impl Base {
    pub(super) fn new(profile: &Profile, costs: &[f64], features_cost: f64, bins: usize) -> Base {
        let averaged = profile.topk.is_some();
        let known: Vec<&Column> = profile.columns.iter().filter(|c| !is_measured(&c.signal)).collect();
        let columns = known.par_iter().map(|c| {
            let class = match &c.signal {
                Signal::Feature(_) => Class::Feature,
                // Where averages are there, they say it better.
                Signal::Candidate(_, CandidateSignal::Top1 | CandidateSignal::Margin | CandidateSignal::Entropy)
                    if !averaged =>
                {
                    Class::Confidence
                }
                _ => Class::Other,
            };
            Arc::new(Binned::new(&c.values, c.signal.needs(), class, bins))
        });
        Base {
            rewards: Arc::new(profile.rewards.clone()),
            columns: columns.collect(),
            signals: known.iter().map(|c| c.signal.clone()).collect(),
            costs: costs.to_vec(),
            features_cost,
        }
    }
}

/// A problem with the names of its columns and what its averages are.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) problem: Problem,
    /// Signals of the problem's columns.
    pub(super) signals: Vec<Signal>,
    pub(super) calibrated: Option<Calibrated>,
    /// Risk by candidate and class; empty where the profile has no answers.
    pub(super) risks: Vec<Vec<f32>>,
}

impl Table {
    /// The table for training on `rows`: temperatures, weights and the choice of states come from these alone.
    pub(super) fn new(profile: &Profile, base: &Base, rows: &[u32], settings: &Settings) -> Table {
        let has_features = base.columns.iter().any(|c| c.class == Class::Feature);
        let all = states(&base.costs, if has_features { base.features_cost } else { 0.0 }, settings);
        let exact = all.len() <= EXACT_STATES || rows.len() < SAMPLES * SAMPLE_ROWS / 2;
        let states = if exact { all } else { worth_entering(profile, base, rows, &all, settings) };
        Table::of_states(profile, base, rows, states, settings)
    }

    fn of_states(profile: &Profile, base: &Base, rows: &[u32], states: Vec<Mask>, settings: &Settings) -> Table {
        let mut columns = base.columns.clone();
        let mut signals = base.signals.clone();
        let mut risks = Vec::new();
        for c in 0..profile.answers.len() {
            let (values, needs) = (risk::column(profile, c, rows, settings.seed), Mask::of(CandidateId(c as u8)));
            columns.push(Arc::new(Binned::new(&values, needs, Class::Other, BINS)));
            signals.push(Signal::Candidate(CandidateId(c as u8), CandidateSignal::Risk));
            risks.push(risk::table(profile, c, rows.iter().copied()));
        }
        let first_average = columns.len();
        let sets: Vec<Mask> = states.iter().copied().filter(|s| !s.is_empty()).collect();
        let calibrated = profile.topk.as_ref().map(|topk| calibrate(profile, topk, rows, &sets, settings.seed));
        let mut averages = HashMap::new();
        for (&set, average) in calibrated.iter().flat_map(|c| &c.averages) {
            columns.extend([Arc::clone(&average.top1), Arc::clone(&average.margin)]);
            signals.extend([Signal::Average(set, AverageSignal::Top1), Signal::Average(set, AverageSignal::Margin)]);
            // The average of one is its own answer.
            if set.len() > 1 {
                let (classes, rewards) = (Arc::clone(&average.classes), Arc::clone(&average.rewards));
                averages.insert(set, Averaged { classes, rewards });
            }
        }
        let problem = Problem {
            rows: profile.rows(),
            rewards: Arc::clone(&base.rewards),
            averages,
            costs: base.costs.clone(),
            features_cost: base.features_cost,
            first_average,
            columns,
            states,
            tests: settings.tests,
            min_leaf: if settings.min_leaf > 0 { settings.min_leaf } else { (rows.len() / 200).max(20) },
            significance: settings.significance,
        };
        Table { problem, signals, calibrated, risks }
    }
}

/// Every set of candidates that may run for one input: their number and the sum of their costs are bounded.
fn states(costs: &[f64], features_cost: f64, settings: &Settings) -> Vec<Mask> {
    let sets = (0..1_u32 << costs.len()).map(|m| Mask(m as u16));
    sets.filter(|set| {
        let cost = features_cost + set.iter().map(|c| costs[c.index()]).sum::<f64>();
        let room = settings.worst_ns.is_none_or(|worst| set.is_empty() || cost <= worst);
        set.len() as usize <= settings.max_runs && room
    })
    .collect()
}

/// The states that programs trained on samples of the rows enter, at prices over the whole range, and those of one candidate.
fn worth_entering(profile: &Profile, base: &Base, rows: &[u32], all: &[Mask], settings: &Settings) -> Vec<Mask> {
    let mut order = rows.to_vec();
    Rng::new(settings.seed ^ 0x5A3E).shuffle(&mut order);
    order.truncate(SAMPLES * SAMPLE_ROWS);
    let places: Vec<usize> = order.iter().map(|&r| r as usize).collect();
    let mut sample = profile.with_rows(&places);
    // Which candidates are worth running shows in what they say of themselves.
    sample.columns.retain(|c| !matches!(c.signal, Signal::Feature(_) | Signal::Agreement(..)));
    let base = Base::new(&sample, &base.costs, base.features_cost, SAMPLE_BINS);
    let coarse = Settings { steps: SAMPLE_PRICES, lambdas_per_ms: vec![], tests: 1, ..settings.clone() };
    let here: Vec<u32> = (0..sample.rows() as u32).collect();
    let table = Table::of_states(&sample, &base, &here, all.to_vec(), &coarse);
    // More than one sample: what only luck favours in one is missing in the other, and what is close is in either.
    let lambdas = prices(SAMPLE_PRICES, &base.costs);
    let samples = || here.chunks(here.len().div_ceil(SAMPLES));
    let jobs: Vec<(f64, &[u32])> = lambdas.iter().flat_map(|&l| samples().map(move |s| (l, s))).collect();
    let plans: Vec<Plan> = jobs.par_iter().map(|(l, rows)| table.problem.train(rows, *l, settings.seed)).collect();
    let mut entered: Vec<Mask> = all.iter().copied().filter(|s| s.len() <= 1).collect();
    plans.iter().for_each(|plan| plan.states(Mask::EMPTY, &mut entered));
    entered.sort_unstable();
    entered.dedup();
    entered
}
