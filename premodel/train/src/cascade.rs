//! Plain cascades, which compete with what the search finds.
//!
//! A cascade runs candidates in a fixed order. After each but the last one it looks at one confidence, and answers where that is high
//! enough. There are two kinds: the confidence and the answer of the candidate that ran last, or those of the average of all that ran.
//! Every order of up to three candidates is tried with every pair of thresholds, on the training rows; for each price, the one of the
//! largest mean reward − price · mean cost is taken. Thresholds lie between the 25 groups of a confidence's bins, which hold about as many rows each:
//! finer ones follow the luck of the training rows.

use std::collections::HashMap;

use rayon::prelude::*;

use trt_select_premodel::{Answer, CandidateId, Mask};

use super::bins::Binned;
use super::hull::hull;
use super::plan::Plan;
use super::problem::Problem;

/// How many candidates a cascade may run. The thresholds of all stages are tried together, which takes too long for more.
const MOST_RUNS: usize = 3;

/// What is summed over rows while thresholds are tried: weights, the rewards of each stage, and rows.
const SUMS: usize = MOST_RUNS + 2;
const ROWS: usize = SUMS - 1;

/// Where the confidences of candidates and averages stand among a problem's columns.
#[derive(Clone, Debug, Default)]
pub(super) struct Confidences {
    /// By candidate: its own top-1 probability, `None` where the profile has none.
    pub(super) own: Vec<Option<usize>>,
    /// By set: that of the average.
    pub(super) averages: HashMap<Mask, usize>,
}

/// What a cascade reads and answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The candidate that ran last.
    Own,
    /// The average of all that ran.
    Average,
}

impl Kind {
    pub(super) const ALL: [Kind; 2] = [Kind::Own, Kind::Average];
}

/// A stage: what it looks at where another one follows, and what it answers with.
#[derive(Clone, Copy, Debug)]
struct Stage {
    candidate: CandidateId,
    confidence: Option<usize>,
    answer: Answer,
}

/// A cascade of some stages; as many bins of each confidence go on as `go_on` says, from the lowest one, at least one.
#[derive(Clone, Debug)]
struct Cascade {
    stages: Vec<Stage>,
    go_on: [usize; MOST_RUNS - 1],
}

/// What a cascade earns and costs on the training rows, in sums.
#[derive(Clone, Copy, Debug)]
struct Trial {
    reward: f64,
    cost: f64,
    go_on: [usize; MOST_RUNS - 1],
}

/// The best cascades of a table, of which each is the best one of its kind at some price. The kinds are kept apart: which of them is better is
/// for rows to say that none of them was fitted on.
#[derive(Clone, Debug, Default)]
pub(super) struct Cascades {
    /// By kind, then cost, ascending, with reward and cost summed over the rows.
    best: [Vec<(f64, f64, Cascade)>; 2],
}

impl Cascades {
    /// The best cascades on `rows` of at most so many candidates.
    pub(super) fn fit(problem: &Problem, confidences: &Confidences, rows: &[u32], max_runs: usize) -> Cascades {
        // Without tests there is nothing to go on by.
        let most = if problem.tests == 0 { 1 } else { max_runs.min(MOST_RUNS) };
        let orders = orders(problem, most);
        Cascades { best: Kind::ALL.map(|kind| Cascades::of_kind(problem, confidences, rows, &orders, kind)) }
    }

    fn of_kind(
        problem: &Problem,
        confidences: &Confidences,
        rows: &[u32],
        orders: &[Vec<CandidateId>],
        kind: Kind,
    ) -> Vec<(f64, f64, Cascade)> {
        let orders: Vec<Vec<Stage>> =
            orders.iter().filter_map(|order| stages(problem, confidences, kind, order)).collect();
        let found: Vec<Vec<(f64, f64, Cascade)>> = orders
            .into_par_iter()
            .map(|stages| {
                let trials = hull(trials(problem, &stages, rows), |trial| (trial.reward, trial.cost));
                let cascade =
                    |trial: Trial| (trial.reward, trial.cost, Cascade { stages: stages.clone(), go_on: trial.go_on });
                trials.into_iter().map(cascade).collect()
            })
            .collect();
        hull(found.into_iter().flatten().collect(), |&(reward, cost, _)| (reward, cost))
    }

    /// The best cascade of a kind at a price in reward per unit of cost; `None` where there is none: no candidate says how sure it is, or no two may
    /// run.
    pub(super) fn at(&self, problem: &Problem, kind: Kind, price: f64) -> Option<Plan> {
        let value = |(reward, cost, _): &(f64, f64, Cascade)| reward - price * cost;
        let best =
            self.best[kind as usize].iter().reduce(|best, other| if value(other) > value(best) { other } else { best });
        best.map(|(_, _, cascade)| cascade.plan(problem))
    }
}

impl Cascade {
    fn plan(&self, problem: &Problem) -> Plan {
        let mut plan = None;
        for (i, stage) in self.stages.iter().enumerate().rev() {
            let answer = Plan::Answer(stage.answer);
            let next = match (plan.take(), stage.confidence) {
                // Where all bins go on there is nothing to test.
                (Some(next), Some(column)) if self.go_on[i] == problem.columns[column].bins() => next,
                (Some(next), Some(column)) => {
                    let cut = (self.go_on[i] - 1) as u8;
                    Plan::Test { column, cuts: vec![cut], parts: vec![next, answer] }
                }
                _ => answer,
            };
            plan = Some(Plan::Run { candidate: stage.candidate, next: Box::new(next) });
        }
        plan.unwrap_or(Plan::Answer(Answer::Candidate(CandidateId(0))))
    }
}

/// Every order of two candidates and more, in which the sets of those that ran are states of the problem.
fn orders(problem: &Problem, most: usize) -> Vec<Vec<CandidateId>> {
    let all = || (0..problem.costs.len()).map(|c| CandidateId(c as u8));
    let mut found: Vec<Vec<CandidateId>> =
        all().filter(|&c| problem.states.contains(&Mask::of(c))).map(|c| vec![c]).collect();
    let mut from = 0;
    for _ in 1..most {
        let until = found.len();
        for i in from..until {
            let ran = found[i].iter().fold(Mask::EMPTY, |ran, &c| ran.with(c));
            for next in all().filter(|&c| !ran.has(c) && problem.states.contains(&ran.with(c))) {
                found.push(found[i].iter().copied().chain([next]).collect());
            }
        }
        from = until;
    }
    found.retain(|order| order.len() > 1);
    found
}

/// The stages of an order; `None` where a confidence is lacking.
fn stages(problem: &Problem, confidences: &Confidences, kind: Kind, order: &[CandidateId]) -> Option<Vec<Stage>> {
    let mut ran = Mask::EMPTY;
    let mut stages = Vec::new();
    for (i, &candidate) in order.iter().enumerate() {
        ran = ran.with(candidate);
        let (confidence, answer) = match kind {
            Kind::Own => (confidences.own[candidate.index()], Answer::Candidate(candidate)),
            Kind::Average if i == 0 => (confidences.averages.get(&ran).copied(), Answer::Candidate(candidate)),
            Kind::Average => (confidences.averages.get(&ran).copied(), problem.averaged(ran)?),
        };
        let is_last = i + 1 == order.len();
        if !is_last {
            confidence?;
        }
        stages.push(Stage { candidate, confidence: confidence.filter(|_| !is_last), answer });
    }
    Some(stages)
}

/// The groups of a confidence's bins, between which the thresholds lie.
#[derive(Clone, Copy)]
struct Groups<'a> {
    /// `None` for a stage that tests nothing: all rows are in one group.
    binned: Option<&'a Binned>,
    count: usize,
}

impl<'a> Groups<'a> {
    fn new(binned: Option<&'a Binned>) -> Groups<'a> {
        let last = binned.and_then(|binned| binned.groups.last());
        Groups { binned, count: last.map_or(1, |&last| usize::from(last) + 1) }
    }

    /// The group of a row.
    fn of(&self, row: u32) -> usize {
        self.binned.map_or(0, |binned| usize::from(binned.groups[usize::from(binned.codes[row as usize])]))
    }

    /// How many bins the lowest so many groups hold.
    fn bins_of(&self, groups: usize) -> usize {
        self.binned.map_or(1, |binned| binned.groups.partition_point(|&group| usize::from(group) < groups))
    }
}

/// Every way to set the thresholds of an order. The rows are put into groups by the first two confidences once; how many go on, and what all
/// of them earn, are then sums over the groups below the thresholds. As in the search, no confidence is tested where fewer rows come than
/// twice the least number of a leaf.
fn trials(problem: &Problem, stages: &[Stage], rows: &[u32]) -> Vec<Trial> {
    let groups = |i: usize| Groups::new(stages[i].confidence.map(|column| &*problem.columns[column]));
    let (first, second) = (groups(0), groups(1));
    let (high, wide) = (first.count, second.count);
    // By the groups of both: rows, each counted by its weight; what the stages earn; and rows, each counted once.
    let mut sums = vec![[0.0_f64; SUMS]; high * wide];
    let rewards: Vec<&[f32]> = stages.iter().map(|stage| problem.rewards_of(stage.answer)).collect();
    for &row in rows {
        let sum = &mut sums[first.of(row) * wide + second.of(row)];
        let weight = problem.weight(row);
        sum[0] += weight;
        sum[ROWS] += 1.0;
        sum[1..ROWS]
            .iter_mut()
            .zip(&rewards)
            .for_each(|(sum, rewards)| *sum += weight * f64::from(rewards[row as usize]));
    }
    let cost = |i: usize| problem.costs[stages[i].candidate.index()];
    let needed = 2.0 * problem.min_leaf as f64;
    let total = sums.iter().fold([0.0; SUMS], added);
    let mut found = Vec::with_capacity(high * wide);
    // By the groups of the second confidence: the rows that went past the first one.
    let mut open = vec![[0.0_f64; SUMS]; wide];
    for i in 0..high {
        open.iter_mut().zip(&sums[i * wide..]).for_each(|(open, sum)| *open = added(*open, sum));
        if i + 1 < high && total[ROWS] < needed {
            continue;
        }
        let past = open.iter().fold([0.0; SUMS], added);
        let reward = total[1] - past[1] + past[2];
        let paid = total[0] * cost(0) + past[0] * cost(1);
        if stages.len() == 2 {
            found.push(Trial { reward, cost: paid, go_on: [first.bins_of(i + 1), 0] });
            continue;
        }
        let mut deep = [0.0; SUMS];
        for (j, sum) in open.iter().enumerate() {
            deep = added(deep, sum);
            if j + 1 < wide && past[ROWS] < needed {
                continue;
            }
            let reward = reward - deep[2] + deep[3];
            let go_on = [first.bins_of(i + 1), second.bins_of(j + 1)];
            found.push(Trial { reward, cost: paid + deep[0] * cost(2), go_on });
        }
    }
    found
}

fn added<const N: usize>(mut a: [f64; N], b: &[f64; N]) -> [f64; N] {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

#[cfg(test)]
mod tests;
