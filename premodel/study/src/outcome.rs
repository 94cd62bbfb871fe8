//! What a selector did on each row, and what that is worth.

use trt_select_premodel::{CandidateId, Interval, Mask};
use trt_select_train::{Bootstrap, Judged, Worth, bootstrap_mean, bootstrap_ratio, percentile, random_mix};

use super::table::{BaselineTable, NONE};

/// What a selector did on each row. Whatever was fitted for a row was fitted without it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) group: Group,
    /// Whether the image features are computed for every input.
    pub(super) reads_features: bool,
    /// The candidate that it foretold to be the fastest right one, or [`NONE`].
    pub(super) choice: Vec<u8>,
    /// What it should have foretold: of the candidates that it may choose from the fastest right one, or [`NONE`].
    pub(super) truth: Vec<u8>,
    /// The candidate that answered.
    pub(super) answer: Vec<u8>,
    /// The candidates that ran.
    pub(super) runs: Vec<Mask>,
    /// For programs, what the trainer judged: an average may have answered, which is no network of the table.
    pub(super) judged: Option<Judged>,
}

/// Kind of selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// One network for every input.
    Single,
    /// A choice that knows the truth.
    Oracle,
    /// A chain of three binary classifiers over image features.
    Chain,
    /// One classifier over image features.
    Classifier,
    /// Networks that run in a fixed order until the top-1 probability of one is high enough.
    Cascade,
    /// A decision program over image features that runs one network.
    FeatureTree,
    /// A decision program of this project's trainer.
    Program,
}

impl Group {
    /// Name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Single => "single network",
            Group::Oracle => "oracle",
            Group::Chain => "chain",
            Group::Classifier => "single classifier",
            Group::Cascade => "confidence cascade",
            Group::FeatureTree => "image-features tree",
            Group::Program => "decision program",
        }
    }
}

impl Outcome {
    /// Always the same candidate.
    pub(super) fn single(table: &BaselineTable, candidate: usize) -> Outcome {
        let (all, rows) = (table.all(), table.rows);
        Outcome {
            name: table.names[candidate].clone(),
            group: Group::Single,
            reads_features: false,
            choice: vec![candidate as u8; rows],
            truth: (0..rows).map(|row| table.fastest_right(&all, row)).collect(),
            answer: vec![candidate as u8; rows],
            runs: vec![Mask::of(CandidateId(candidate as u8)); rows],
            judged: None,
        }
    }

    /// Hindsight: the fastest right candidate; where none is right, the cheapest of those of the largest reward.
    pub(super) fn oracle(table: &BaselineTable) -> Outcome {
        let (all, rows) = (table.all(), table.rows);
        let truth: Vec<u8> = (0..rows).map(|row| table.fastest_right(&all, row)).collect();
        let best = |row: usize| {
            let reward = |c: &usize| table.rewards[*c][row];
            let best = all
                .iter()
                .max_by(|a, b| reward(a).total_cmp(&reward(b)).then(table.costs[**b].total_cmp(&table.costs[**a])));
            best.map_or(0, |&c| c as u8)
        };
        let answer: Vec<u8> = (0..rows).map(best).collect();
        Outcome {
            name: "oracle".into(),
            group: Group::Oracle,
            reads_features: false,
            runs: answer.iter().map(|&c| Mask::of(CandidateId(c))).collect(),
            choice: truth.clone(),
            truth,
            answer,
            judged: None,
        }
    }

    /// Room for every row, with nothing in it yet.
    pub(super) fn empty(table: &BaselineTable, name: String, group: Group, reads_features: bool) -> Outcome {
        let rows = table.rows;
        let none = || vec![NONE; rows];
        Outcome {
            name,
            group,
            reads_features,
            choice: none(),
            truth: none(),
            answer: none(),
            runs: vec![Mask::EMPTY; rows],
            judged: None,
        }
    }

    pub(super) fn rewards(&self, table: &BaselineTable) -> Vec<f64> {
        if let Some(Judged { rewards, .. }) = &self.judged {
            return rewards.clone();
        }
        self.answer.iter().enumerate().map(|(row, &c)| f64::from(table.rewards[usize::from(c)][row])).collect()
    }

    pub(super) fn costs(&self, table: &BaselineTable) -> Vec<f64> {
        if let Some(Judged { costs, .. }) = &self.judged {
            return costs.clone();
        }
        let features = if self.reads_features { table.features_ns } else { 0.0 };
        self.runs.iter().map(|runs| features + runs.iter().map(|c| table.costs[c.index()]).sum::<f64>()).collect()
    }

    /// Mean reward over all rows.
    pub(super) fn answer_accuracy(&self, table: &BaselineTable) -> f64 {
        self.rewards(table).iter().sum::<f64>() / table.rows as f64
    }

    /// Mean cost over all rows.
    pub(super) fn mean_cost(&self, table: &BaselineTable) -> f64 {
        self.costs(table).iter().sum::<f64>() / table.rows as f64
    }

    /// Share of rows on which it foretold the fastest right candidate, or rightly that none is.
    pub(super) fn selector_accuracy(&self) -> f64 {
        self.choice.iter().zip(&self.truth).filter(|(a, b)| a == b).count() as f64 / self.choice.len() as f64
    }
}

/// Precision, recall and F1 of one class.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ClassScore {
    /// The candidate, or `None` for "no network is right".
    pub candidate: Option<CandidateId>,
    /// Of the rows that were foretold to be of this class, the share that is of it; 0 where no row was.
    pub precision: f64,
    /// Of the rows that are of this class, the share that was foretold so; 0 where no row is.
    pub recall: f64,
    /// Harmonic mean of the two; 0 where both are 0.
    pub f1: f64,
    /// Rows of this class.
    pub support: usize,
}

/// Scores of every class that occurs in truth or choice, candidates first.
pub(super) fn class_scores(choice: &[u8], truth: &[u8]) -> Vec<ClassScore> {
    let classes = (0..=NONE).filter(|class| choice.contains(class) || truth.contains(class));
    let scores = classes.map(|class| {
        let chosen = choice.iter().filter(|&&c| c == class).count();
        let support = truth.iter().filter(|&&c| c == class).count();
        let both = choice.iter().zip(truth).filter(|&(&a, &b)| a == class && b == class).count();
        let share = |of: usize| if of == 0 { 0.0 } else { both as f64 / of as f64 };
        let (precision, recall) = (share(chosen), share(support));
        let f1 = if both == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        let candidate = (class != NONE).then_some(CandidateId(class));
        ClassScore { candidate, precision, recall, f1, support }
    });
    scores.collect()
}

/// What a selector is worth. Times are in nanoseconds. They do not include the selector's own time, which [`Overhead`](super::Overhead)
/// has.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Name of the selector.
    pub name: String,
    /// What kind it is.
    pub group: Group,
    /// Mean reward of the answers (top-1 accuracy for classification) with its 95 % interval.
    pub accuracy: Interval,
    /// Mean reward less that of the best single network on the same rows, with its 95 % interval.
    pub over_best_single: Interval,
    /// Share of rows on which the fastest right network was foretold, or rightly that none is right.
    pub selector_accuracy: f64,
    /// Mean time of an answer.
    pub mean_ns: f64,
    /// Mean time of the best single network over that of this one, with its 95 % interval.
    pub speedup: Interval,
    /// Time that 99 % of the rows stay within.
    pub p99_ns: f64,
    /// Longest time of a row.
    pub worst_ns: f64,
    /// Mean reward of the best random mix of two single networks at the same mean time; `None` below the cheapest.
    pub random_mix: Option<f64>,
    /// Share of rows whose truth is among the answering network's five most probable classes, where known.
    pub top5: Option<f64>,
    /// Mean energy of an answer in millijoules, where measured.
    pub energy_mj: Option<f64>,
    /// Scores of each class of the selector.
    pub classes: Vec<ClassScore>,
    /// Mean over the classes of precision, recall and F1.
    pub macro_scores: [f64; 3],
}

/// The single network of the largest mean reward over all rows; of equals the cheapest.
pub(super) fn best_single(table: &BaselineTable) -> usize {
    table.most_capable(&table.all(), &table.all_rows())
}

/// Mean reward and cost of every single network.
pub(super) fn single_worths(table: &BaselineTable) -> Vec<Worth> {
    let rows = table.all_rows();
    let worth = |c: usize| Worth { reward: table.mean_reward(c, &rows), cost: table.costs[c] };
    table.all().into_iter().map(worth).collect()
}

/// What a selector is worth. Intervals are paired bootstraps of the seed.
pub(super) fn summarise(table: &BaselineTable, outcome: &Outcome, seed: u64) -> Summary {
    let (rewards, costs) = (outcome.rewards(table), outcome.costs(table));
    let best = best_single(table);
    let over: Vec<f64> = rewards.iter().zip(&table.rewards[best]).map(|(a, &b)| a - f64::from(b)).collect();
    let best_costs = vec![table.costs[best]; table.rows];
    let mut sorted = costs.clone();
    sorted.sort_by(f64::total_cmp);
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / table.rows as f64;
    let answered = || outcome.answer.iter().map(|&c| usize::from(c)).enumerate();
    let in_top5 = |(row, c): (usize, usize)| match table.top5.get(c) {
        Some(known) => known.get(row).map(|&v| f64::from(v)),
        None => outcome.judged.as_ref().and_then(|j| j.in_top5[row]).map(|held| f64::from(u8::from(held))),
    };
    let top5: Option<Vec<f64>> = answered().map(in_top5).collect();
    let classes = class_scores(&outcome.choice, &outcome.truth);
    let macro_of = |of: fn(&ClassScore) -> f64| classes.iter().map(of).sum::<f64>() / classes.len() as f64;
    let macro_scores = [macro_of(|c| c.precision), macro_of(|c| c.recall), macro_of(|c| c.f1)];
    let mean_ns = costs.iter().sum::<f64>() / table.rows as f64;
    Summary {
        name: outcome.name.clone(),
        group: outcome.group,
        accuracy: Bootstrap::new(seed).within(0.0, 1.0).mean(&rewards),
        over_best_single: bootstrap_mean(&over, seed),
        selector_accuracy: outcome.selector_accuracy(),
        mean_ns,
        speedup: bootstrap_ratio(&best_costs, &costs, seed),
        p99_ns: percentile(&sorted, 99.0),
        worst_ns: sorted.last().copied().unwrap_or(f64::NAN),
        random_mix: random_mix(&single_worths(table), mean_ns),
        top5: top5.map(|top5| mean(&mut top5.into_iter())),
        energy_mj: (!table.energy_mj.is_empty()).then(|| {
            mean(&mut outcome.runs.iter().map(|runs| runs.iter().map(|c| table.energy_mj[c.index()]).sum::<f64>()))
        }),
        classes,
        macro_scores,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::by_hand;
    use super::*;

    #[test]
    fn precision_and_recall_by_hand() {
        // Truth 0 0 0 1 1 none, foretold 0 0 1 1 none none.
        let scores = class_scores(&[0, 0, 1, 1, NONE, NONE], &[0, 0, 0, 1, 1, NONE]);
        let rounded = |s: &ClassScore| {
            let thousandths = [s.precision, s.recall, s.f1].map(|v| (v * 1000.0).round() as u32);
            (s.candidate.map(|c| c.0), thousandths, s.support)
        };
        assert_eq!(
            scores.iter().map(rounded).collect::<Vec<_>>(),
            [(Some(0), [1000, 667, 800], 3), (Some(1), [500, 500, 500], 2), (None, [500, 1000, 667], 1),]
        );
        // A class that is never foretold, and one that never occurs, count with zeros.
        let scores = class_scores(&[1, 1], &[0, 0]);
        assert!(scores.iter().all(|s| (s.precision, s.recall, s.f1) == (0.0, 0.0, 0.0)) && scores.len() == 2);
    }

    #[test]
    fn selector_and_answers_are_told_apart() {
        // net0 (1 ns) is right on row 0, net1 (4 ns) on rows 0 and 1; on row 2 none is.
        let table = by_hand(&[1.0, 4.0], &[&[1.0, 0.0, 0.0], &[1.0, 1.0, 0.0]], &[]);
        let mut outcome = Outcome::oracle(&table);
        assert_eq!((outcome.selector_accuracy(), outcome.truth.clone()), (1.0, vec![0, 1, NONE]));
        assert!((outcome.answer_accuracy(&table) - 2.0 / 3.0).abs() < 1e-12, "foretelling failure is no right answer");
        assert_eq!(outcome.mean_cost(&table), 2.0, "where all are wrong, the cheapest");
        // On row 0 the dear network is chosen: a right answer, and a wrong choice.
        (outcome.choice[0], outcome.answer[0]) = (1, 1);
        assert!((outcome.selector_accuracy() - 2.0 / 3.0).abs() < 1e-12);
        assert!((outcome.answer_accuracy(&table) - 2.0 / 3.0).abs() < 1e-12);
        let single = Outcome::single(&table, 1);
        assert!((single.selector_accuracy() - 1.0 / 3.0).abs() < 1e-12 && single.mean_cost(&table) == 4.0);
    }

    #[test]
    fn sums_by_hand() {
        let mut table = by_hand(&[1.0, 4.0], &[&[1.0, 0.0, 0.0, 0.0], &[1.0, 1.0, 0.0, 1.0]], &[]);
        table.features_ns = 0.5;
        table.top5 = vec![vec![1.0, 0.0, 1.0, 0.0], vec![1.0; 4]];
        table.energy_mj = vec![10.0, 30.0];
        let mut outcome = Outcome::empty(&table, "by hand".into(), Group::Chain, true);
        outcome.answer = vec![0, 1, 0, 1];
        let (small, both) = (Mask::of(CandidateId(0)), Mask::of(CandidateId(0)).with(CandidateId(1)));
        outcome.runs = vec![small, both, small, both];
        let s = summarise(&table, &outcome, 1);
        assert_eq!((s.accuracy.mean, s.over_best_single.mean), (0.75, 0.0));
        assert_eq!((s.mean_ns, s.p99_ns, s.worst_ns), (3.5, 5.5, 5.5));
        assert!((s.speedup.mean - 4.0 / 3.5).abs() < 1e-12);
        assert_eq!((s.top5, s.energy_mj), (Some(1.0), Some(25.0)));
        // At 3.5 of 1..4 the mix is five sixths of the way from 0.25 to 0.75.
        assert!((s.random_mix.unwrap() - (0.25 + 0.5 * 2.5 / 3.0)).abs() < 1e-12);
    }
}
