//! The papers' premodel: classifiers over image features choose one network before any has run.
//!
//! A chain has one stage for each of its networks: a binary classifier that says whether this network should run. The first
//! stage that says yes decides. A stage is trained on the rows whose fastest right network is none of the stages before it,
//! and should say yes where it is its own. Where every stage says no, no network is expected to be right, and the network
//! answers that was the most capable one on the training rows. A single classifier chooses between the same networks and
//! "none" at once.

use rayon::prelude::*;

use trt_select_premodel::{CandidateId, Mask};

use super::classify::{ClassifierKind, fit};
use super::outcome::{Group, Outcome};
use super::table::{BaselineTable, Fold, NONE, Scaled};

/// The kinds that chains are made of.
pub(super) const STAGES: [ClassifierKind; 3] = [ClassifierKind::Knn, ClassifierKind::Tree, ClassifierKind::Svm];
/// The kinds that stand alone.
pub(super) const ALONE: [ClassifierKind; 4] =
    [ClassifierKind::Knn, ClassifierKind::Tree, ClassifierKind::Svm, ClassifierKind::Bayes];

/// A fold together with the networks that its training rows chose, in the chain's order.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) fold: Fold,
    pub(super) set: Vec<usize>,
}

/// What a stage of a chain is trained on.
#[derive(Debug, PartialEq)]
pub(super) struct StageRows {
    /// Places among the training rows.
    pub(super) rows: Vec<usize>,
    /// For each of them 1 for a yes, else 0.
    pub(super) is_own: Vec<usize>,
}

/// What the stages of a chain are trained on.
pub(super) fn stage_rows(table: &BaselineTable, set: &[usize], train: &[u32]) -> Vec<StageRows> {
    let labels: Vec<u8> = train.iter().map(|&row| table.fastest_right(set, row as usize)).collect();
    let stage = |at: usize| {
        let before = &set[..at];
        let rows: Vec<usize> = (0..train.len()).filter(|&i| !before.contains(&usize::from(labels[i]))).collect();
        let is_own = rows.iter().map(|&i| usize::from(usize::from(labels[i]) == set[at])).collect();
        StageRows { rows, is_own }
    };
    (0..set.len()).map(stage).collect()
}

/// Scaled features of a part's training rows and test rows.
struct PartFeatures {
    train: Scaled,
    test: Scaled,
}

impl PartFeatures {
    fn new(table: &BaselineTable, features: &[usize], fold: &Fold) -> PartFeatures {
        PartFeatures {
            train: Scaled::new(table, features, &fold.train, &fold.train),
            test: Scaled::new(table, features, &fold.train, &fold.test),
        }
    }
}

/// What every stage says to every test row of a part: by kind, stage, row.
fn stage_answers(
    table: &BaselineTable,
    features: &[usize],
    part: &Part,
    kinds: &[ClassifierKind],
    seed: u64,
) -> Vec<Vec<Vec<bool>>> {
    let x = PartFeatures::new(table, features, &part.fold);
    let stages = stage_rows(table, &part.set, &part.fold.train);
    let of_kind = |&kind: &ClassifierKind| {
        let of_stage = |stage: &StageRows| {
            let fitted = fit(kind, &x.train.pick(&stage.rows), &stage.is_own, 2, seed);
            (0..x.test.rows()).map(|row| fitted.predict(x.test.row(row)) == 1).collect()
        };
        stages.iter().map(of_stage).collect()
    };
    kinds.iter().map(of_kind).collect()
}

/// The network of the first stage that says yes.
pub(super) fn first_yes(set: &[usize], says: impl Fn(usize) -> bool) -> u8 {
    (0..set.len()).find(|&stage| says(stage)).map_or(NONE, |stage| set[stage] as u8)
}

/// What a selector does on a row.
struct Decision {
    row: usize,
    /// The network that it chooses, or [`NONE`].
    choice: u8,
    /// What would have been best.
    truth: u8,
    /// The network that answers.
    answer: u8,
}

/// What a selector does on the test rows of a part; `choose` is given the place of a row among them.
fn decisions(table: &BaselineTable, part: &Part, choose: impl Fn(usize) -> u8) -> Vec<Decision> {
    let capable = table.most_capable(&part.set, &part.fold.train) as u8;
    let decision = |(i, &row): (usize, &u32)| {
        let (row, choice) = (row as usize, choose(i));
        let answer = if choice == NONE { capable } else { choice };
        Decision { row, choice, truth: table.fastest_right(&part.set, row), answer }
    };
    part.fold.test.iter().enumerate().map(decision).collect()
}

/// Writes down what a selector does on the test rows of a part.
fn record(table: &BaselineTable, outcome: &mut Outcome, part: &Part, choose: impl Fn(usize) -> u8) {
    for Decision { row, choice, truth, answer } in decisions(table, part, choose) {
        outcome.choice[row] = choice;
        outcome.truth[row] = truth;
        outcome.answer[row] = answer;
        outcome.runs[row] = Mask::of(CandidateId(answer));
    }
}

/// Every chain of the kinds given, one kind a stage, judged by cross-validation; `done` is called after each part.
/// Three kinds and three networks make 27 chains. The first is that of the first kind throughout.
pub(super) fn chains(
    table: &BaselineTable,
    features: &[usize],
    parts: &[Part],
    kinds: &[ClassifierKind],
    seed: u64,
    done: &(dyn Fn() + Sync),
) -> Vec<Outcome> {
    let said: Vec<_> = parts
        .par_iter()
        .map(|part| {
            let said = stage_answers(table, features, part, kinds, seed);
            done();
            said
        })
        .collect();
    let stages = parts.iter().map(|p| p.set.len()).max().unwrap_or(0);
    let count = kinds.len().pow(stages as u32);
    let chain = |number: usize| {
        // Written with as many digits as there are stages, the number says the kind of each stage, from the first digit on.
        let kind_of = |stage: usize| number / kinds.len().pow((stages - 1 - stage) as u32) % kinds.len();
        let names: Vec<&str> = (0..stages).map(|stage| kinds[kind_of(stage)].name()).collect();
        let mut outcome = Outcome::empty(table, format!("chain {}", names.join(".")), Group::Chain, true);
        for (part, said) in parts.iter().zip(&said) {
            record(table, &mut outcome, part, |i| first_yes(&part.set, |stage| said[kind_of(stage)][stage][i]));
        }
        outcome
    };
    (0..count).map(chain).collect()
}

/// Single classifiers, judged by cross-validation; `done` is called after each.
pub(super) fn classifiers(
    table: &BaselineTable,
    features: &[usize],
    parts: &[Part],
    kinds: &[ClassifierKind],
    seed: u64,
    done: &(dyn Fn() + Sync),
) -> Vec<Outcome> {
    let outcomes = kinds.par_iter().map(|&kind| {
        let mut outcome = Outcome::empty(table, format!("single {}", kind.name()), Group::Classifier, true);
        for part in parts {
            let x = PartFeatures::new(table, features, &part.fold);
            let fitted = fit(kind, &x.train, &class_numbers(table, part), part.set.len() + 1, seed);
            let chosen: Vec<usize> = (0..x.test.rows()).map(|row| fitted.predict(x.test.row(row))).collect();
            record(table, &mut outcome, part, |i| part.set.get(chosen[i]).map_or(NONE, |&c| c as u8));
        }
        done();
        outcome
    });
    outcomes.collect()
}

/// Labels of the training rows as places in the set; one past its end is "none".
pub(super) fn class_numbers(table: &BaselineTable, part: &Part) -> Vec<usize> {
    let label = |&row: &u32| {
        let fastest = usize::from(table.fastest_right(&part.set, row as usize));
        part.set.iter().position(|&c| c == fastest).unwrap_or(part.set.len())
    };
    part.fold.train.iter().map(label).collect()
}

/// How good a chain is, in its two ways.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChainAccuracy {
    /// Share of rows on which it foretold the fastest right network, or rightly that none is right.
    pub selector: f64,
    /// Mean reward of its answers.
    pub answers: f64,
}

/// The accuracies of the chain of nearest neighbours, on the rows that the parts test.
pub(super) fn knn_chain_accuracy(table: &BaselineTable, features: &[usize], parts: &[Part]) -> ChainAccuracy {
    let sums: Vec<ChainAccuracy> = parts
        .par_iter()
        .map(|part| {
            let said = stage_answers(table, features, part, &[ClassifierKind::Knn], 0);
            let decisions = decisions(table, part, |i| first_yes(&part.set, |stage| said[0][stage][i]));
            let reward = |d: &Decision| f64::from(table.rewards[usize::from(d.answer)][d.row]);
            ChainAccuracy {
                selector: decisions.iter().filter(|d| d.choice == d.truth).count() as f64,
                answers: decisions.iter().map(reward).sum(),
            }
        })
        .collect();
    let rows = parts.iter().map(|part| part.fold.test.len()).sum::<usize>() as f64;
    ChainAccuracy {
        selector: sums.iter().map(|s| s.selector).sum::<f64>() / rows,
        answers: sums.iter().map(|s| s.answers).sum::<f64>() / rows,
    }
}

/// Parts of which each uses the same networks.
#[cfg(test)]
pub(super) fn same_set(folds: Vec<Fold>, set: &[usize]) -> Vec<Part> {
    folds.into_iter().map(|fold| Part { fold, set: set.to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::table::folds;
    use super::super::table::tests::by_hand;
    use super::*;

    #[test]
    fn the_first_yes_decides() {
        let says = |answers: [bool; 3]| first_yes(&[4, 2, 7], |stage| answers[stage]);
        assert_eq!(says([true, true, false]), 4);
        assert_eq!(says([false, true, true]), 2);
        assert_eq!(says([false, false, true]), 7);
        assert_eq!(says([false; 3]), NONE);
    }

    #[test]
    fn stages_train_on_what_is_left() {
        // net0 is right on rows 0 and 1, net1 on 1 and 2, net2 on 3; none on 4.
        let rewards: [&[f32]; 3] = [&[1.0, 1.0, 0.0, 0.0, 0.0], &[0.0, 1.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 0.0, 1.0, 0.0]];
        let table = by_hand(&[1.0, 2.0, 3.0], &rewards, &[]);
        let stages = stage_rows(&table, &[0, 1, 2], &[0, 1, 2, 3, 4]);
        let expected = |rows: Vec<usize>, is_own: Vec<usize>| StageRows { rows, is_own };
        assert_eq!(stages[0], expected(vec![0, 1, 2, 3, 4], vec![1, 1, 0, 0, 0]));
        assert_eq!(stages[1], expected(vec![2, 3, 4], vec![1, 0, 0]), "row 1 is net0's, the faster one");
        assert_eq!(stages[2], expected(vec![3, 4], vec![1, 0]));
        // Another order of the chain does not change whose row it is.
        assert_eq!(stage_rows(&table, &[1, 0], &[0, 1, 2])[0], expected(vec![0, 1, 2], vec![0, 0, 1]));
    }

    /// 300 rows: the feature tells the fastest right network exactly, in thirds: net0, net1, none.
    fn told_by_a_feature() -> BaselineTable {
        let third = |row: usize| row / 100;
        let column = |f: &dyn Fn(usize) -> f32| (0..300).map(f).collect::<Vec<f32>>();
        let (a, b) = (column(&|r| f32::from(third(r) == 0)), column(&|r| f32::from(third(r) <= 1)));
        let feature = column(&|r| (10 * third(r)) as f32 + (r % 100) as f32 / 100.0);
        let mut table = by_hand(&[1.0, 5.0], &[&a, &b], &[&feature]);
        table.features_ns = 0.25;
        table
    }

    #[test]
    fn what_the_features_tell_is_learnt() {
        let table = told_by_a_feature();
        let parts = same_set(folds(&table.all_rows(), 10, 1), &[0, 1]);
        let chain = &chains(&table, &[0], &parts, &[ClassifierKind::Knn], 1, &|| ())[0];
        assert_eq!((chain.name.as_str(), chain.selector_accuracy()), ("chain knn.knn", 1.0));
        // A right choice of "none" is no right answer; the most capable network is asked then.
        assert!((chain.answer_accuracy(&table) - 2.0 / 3.0).abs() < 1e-9);
        assert!(chain.choice[250] == NONE && chain.answer[250] == 1);
        assert!((chain.mean_cost(&table) - (0.25 + (1.0 + 5.0 + 5.0) / 3.0)).abs() < 1e-9);
        let of_knn = knn_chain_accuracy(&table, &[0], &parts);
        assert_eq!((of_knn.selector, of_knn.answers), (1.0, chain.answer_accuracy(&table)));
        for alone in classifiers(
            &table,
            &[0],
            &parts,
            &[ClassifierKind::Knn, ClassifierKind::Tree, ClassifierKind::Bayes],
            1,
            &|| (),
        ) {
            assert!(alone.selector_accuracy() > 0.98, "{} {}", alone.name, alone.selector_accuracy());
        }
    }

    #[test]
    fn three_kinds_and_three_networks_make_27_chains() {
        let rewards: Vec<Vec<f32>> = (0..3).map(|c| (0..60).map(|r| f32::from(r % 3 == c)).collect()).collect();
        let feature: Vec<f32> = (0..60).map(|r| (r % 3) as f32).collect();
        let table = by_hand(&[1.0, 2.0, 3.0], &[&rewards[0], &rewards[1], &rewards[2]], &[&feature]);
        let parts = same_set(folds(&table.all_rows(), 3, 1), &[0, 1, 2]);
        let all = chains(&table, &[0], &parts, &STAGES, 1, &|| ());
        let names: std::collections::BTreeSet<&str> = all.iter().map(|o| o.name.as_str()).collect();
        assert_eq!((all.len(), names.len()), (27, 27));
        assert_eq!((all[0].name.as_str(), all[26].name.as_str()), ("chain knn.knn.knn", "chain svm.svm.svm"));
        assert_eq!(all[5].name, "chain knn.dt.svm");
        assert_eq!(all[0].selector_accuracy(), 1.0);
    }
}
