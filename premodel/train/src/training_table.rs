//! From a profile to the table that the search reads: signals in bins, averages fitted on the training rows, and the sets of
//! candidates that a program may run.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;

use trt_select_base::random::Rng;
use trt_select_premodel::{AverageSignal, CandidateId, CandidateSignal, Mask, Signal};

use super::bins::{BINS, Binned, Direction, SignalClass};
use super::calibrate::{Calibrated, calibrate};
use super::cascade::{Cascades, Confidences};
use super::costs::Costs;
use super::escalation::direction;
use super::plan::{Plan, ascending};
use super::prices;
use super::problem::{Averaged, Problem, fits};
use super::profile::{Column, MEASURED, Profile};
use super::risk;
use super::search::best_plan;
use super::settings::Settings;

/// Up to so many states, each is solved on all rows. Where there are more, a search on samples finds the ones worth solving.
const EXACT_STATES: usize = 100;

/// The samples of that search, and the rows of each. A few rows show which states are worth entering; the cuts are then found on all.
const SAMPLES: usize = 2;
const SAMPLE_ROWS: usize = 1500;

/// At most so many rows are used to fit temperatures and weights: that is plenty for a handful of numbers.
const FIT_ROWS: usize = 5000;

/// How many are for that search: there are many sets, and most of them are never entered.
const SAMPLE_FIT_ROWS: usize = 500;

/// The prices of that search, and the bins of its signals.
const SAMPLE_PRICES: usize = 8;
const SAMPLE_BINS: usize = 16;

/// Whether no program may read a column as it stands in the file.
fn is_withheld(signal: &Signal) -> bool {
    match signal {
        Signal::Candidate(_, CandidateSignal::Other(name)) => MEASURED.contains(&name.as_str()),
        // Computed anew, from the training rows alone.
        Signal::Candidate(_, CandidateSignal::Risk) => true,
        _ => false,
    }
}

/// What is the same for the tables of all folds. Of these only the rewards tell which answers are right; nothing else was made
/// with their help, so a fold may use bins that come from all rows.
#[derive(Clone, Debug)]
pub(super) struct SharedColumns {
    rewards: Arc<Vec<Vec<f32>>>,
    columns: Vec<Arc<Binned>>,
    signals: Vec<Signal>,
    costs: Costs,
}

impl SharedColumns {
    pub(super) fn new(profile: &Profile, costs: &Costs, bins: usize) -> SharedColumns {
        let has_averages = profile.topk.is_some();
        let readable: Vec<&Column> = profile.columns.iter().filter(|c| !is_withheld(&c.signal)).collect();
        let columns = readable.par_iter().map(|c| {
            let class = match &c.signal {
                Signal::Feature(_) => SignalClass::Feature,
                // Where there are averages, those say the same, and calibrated.
                Signal::Candidate(_, CandidateSignal::Top1 | CandidateSignal::Margin | CandidateSignal::Entropy)
                    if !has_averages =>
                {
                    SignalClass::Confidence
                }
                _ => SignalClass::Other,
            };
            Arc::new(Binned::new(&c.values, c.signal.needs(), (class, direction(&c.signal)), bins))
        });
        SharedColumns {
            rewards: Arc::new(profile.rewards.clone()),
            columns: columns.collect(),
            signals: readable.iter().map(|c| c.signal.clone()).collect(),
            costs: costs.clone(),
        }
    }
}

/// A problem with the names of its columns and with what its averages are.
#[derive(Clone, Debug)]
pub(super) struct TrainingTable {
    pub(super) problem: Problem,
    /// Signals of the problem's columns.
    pub(super) signals: Vec<Signal>,
    /// `None` where the profile has no most probable classes.
    pub(super) calibrated: Option<Calibrated>,
    /// The best plain cascades.
    pub(super) cascades: Cascades,
    /// Risk by candidate and class; empty where the profile has no answers.
    pub(super) risks: Vec<Vec<f32>>,
}

impl TrainingTable {
    /// The table for training on `rows`: temperatures, weights, risks and the choice of states come from these rows alone.
    pub(super) fn new(profile: &Profile, shared: &SharedColumns, rows: &[u32], settings: &Settings) -> TrainingTable {
        let all = states(&shared.costs, settings);
        let exact = all.len() <= EXACT_STATES || rows.len() < SAMPLES * SAMPLE_ROWS / 2;
        let states = if exact { all } else { worth_entering(profile, shared, rows, &all, settings) };
        let mut table = TrainingTable::of_states(profile, shared, rows, states, settings, FIT_ROWS);
        table.cascades = Cascades::fit(&table.problem, &table.confidences(), rows, settings.max_runs);
        table
    }

    /// Where the confidences stand that plain cascades read.
    fn confidences(&self) -> Confidences {
        let mut found = Confidences { own: vec![None; self.problem.costs.len()], averages: HashMap::new() };
        for (column, signal) in self.signals.iter().enumerate() {
            match signal {
                Signal::Candidate(c, CandidateSignal::Top1) => found.own[c.index()] = Some(column),
                Signal::Average(set, AverageSignal::Top1) => {
                    found.averages.insert(*set, column);
                }
                _ => {}
            }
        }
        found
    }

    fn of_states(
        profile: &Profile,
        shared: &SharedColumns,
        rows: &[u32],
        states: Vec<Mask>,
        settings: &Settings,
        fit_rows: usize,
    ) -> TrainingTable {
        let mut columns = shared.columns.clone();
        let mut signals = shared.signals.clone();
        let mut risks = Vec::new();
        for c in 0..profile.answers.len() {
            let id = CandidateId(c as u8);
            let by_class = risk::by_class(profile, c, rows.iter().copied());
            let values = risk::by_row(profile, c, rows, &by_class, settings.seed);
            columns.push(Arc::new(Binned::new(&values, Mask::of(id), (SignalClass::Other, Direction::Falling), BINS)));
            signals.push(Signal::Candidate(id, CandidateSignal::Risk));
            risks.push(by_class);
        }
        let first_average = columns.len();
        let sets: Vec<Mask> = states.iter().copied().filter(|s| !s.is_empty()).collect();
        let costs = &shared.costs.candidates;
        let calibrated =
            profile.topk.as_ref().map(|topk| calibrate(profile, topk, costs, rows, &sets, fit_rows, settings.seed));
        let mut averages = HashMap::new();
        for (&set, average) in calibrated.iter().flat_map(|c| &c.averages) {
            columns.extend([Arc::clone(&average.top1), Arc::clone(&average.margin)]);
            signals.extend([Signal::Average(set, AverageSignal::Top1), Signal::Average(set, AverageSignal::Margin)]);
            // The average of one candidate answers as the candidate does.
            if set.len() > 1 {
                let (classes, rewards) = (Arc::clone(&average.classes), Arc::clone(&average.rewards));
                averages.insert(set, Averaged { classes, rewards, loses: false });
            }
        }
        let mut problem = Problem {
            rows: profile.rows(),
            weights: profile.weights.clone().map(Arc::new),
            rewards: Arc::clone(&shared.rewards),
            averages,
            costs: shared.costs.candidates.clone(),
            features_cost: shared.costs.features,
            worst: settings.worst,
            first_average,
            columns,
            states,
            tests: settings.tests,
            min_leaf: if settings.min_leaf > 0 { settings.min_leaf } else { (rows.len() / 200).max(20) },
            significance: settings.significance,
        };
        problem.judge_averages(rows);
        TrainingTable { problem, signals, calibrated, cascades: Cascades::default(), risks }
    }
}

/// Every set of candidates that may run for one input: their number and the sum of their costs are bounded. A program that reads image
/// features has less room: see [`Problem::beside_features`].
fn states(costs: &Costs, settings: &Settings) -> Vec<Mask> {
    let sets = (0..1_u32 << costs.candidates.len()).map(|m| Mask(m as u16));
    sets.filter(|&set| set.len() as usize <= settings.max_runs && fits(set, &costs.candidates, 0.0, settings.worst))
        .collect()
}

/// The states of one candidate, and those that programs enter which are trained on samples of the rows, at prices over the whole
/// range.
fn worth_entering(
    profile: &Profile,
    shared: &SharedColumns,
    rows: &[u32],
    all: &[Mask],
    settings: &Settings,
) -> Vec<Mask> {
    let mut order = rows.to_vec();
    Rng::new(settings.seed ^ 0x5A3E).shuffle(&mut order);
    order.truncate(SAMPLES * SAMPLE_ROWS);
    let places: Vec<usize> = order.iter().map(|&r| r as usize).collect();
    let mut sample = profile.with_rows(&places);
    // How sure the candidates are is enough to tell which of them are worth running.
    sample.columns.retain(|c| !matches!(c.signal, Signal::Feature(_) | Signal::Agreement(..)));
    let coarse = settings.clone().steps(SAMPLE_PRICES).prices(Vec::new()).tests(1);
    let here: Vec<u32> = (0..sample.rows() as u32).collect();
    let sample_columns = SharedColumns::new(&sample, &shared.costs, SAMPLE_BINS);
    let table = TrainingTable::of_states(&sample, &sample_columns, &here, all.to_vec(), &coarse, SAMPLE_FIT_ROWS);
    // Two samples, and a state that either enters is kept: so a state is not missed that is nearly as good as another one.
    let prices = prices::spread(SAMPLE_PRICES, &shared.costs.candidates);
    let samples = || here.chunks(here.len().div_ceil(SAMPLES));
    // Programs that read image features may have less room, and enter other states.
    let has_features = profile.columns.iter().any(|c| matches!(c.signal, Signal::Feature(_)));
    let narrower = table.problem.beside_features().filter(|narrower| has_features && narrower.may_run());
    let problems = std::iter::once(&table.problem).chain(&narrower);
    let of_problem = |problem| {
        let of_price = move |&price| samples().map(move |rows| (problem, price, rows));
        prices.iter().flat_map(of_price)
    };
    let jobs: Vec<(&Problem, f64, &[u32])> = problems.flat_map(of_problem).collect();
    let plans: Vec<Plan> =
        jobs.par_iter().map(|&(problem, price, rows)| best_plan(problem, rows, price, settings.seed)).collect();
    let single = all.iter().copied().filter(|s| s.len() <= 1);
    ascending(single.chain(plans.iter().flat_map(Plan::states)).collect())
}
