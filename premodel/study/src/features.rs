//! What the image features are worth: their correlations, and the accuracy lost with each one that is removed.

use super::chain::{ChainAccuracy, Part, knn_chain_accuracy};
use super::table::BaselineTable;

/// Features that are correlated more than this, in absolute value, are redundant.
pub(super) const LIMIT: f64 = 0.75;

/// Pearson's correlation; 0 where either is constant.
pub(super) fn pearson(a: &[f32], b: &[f32]) -> f64 {
    let n = a.len() as f64;
    let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let (ma, mb) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x) - ma, f64::from(y) - mb);
        (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
    }
    if aa > 0.0 && bb > 0.0 { (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0) } else { 0.0 }
}

/// A feature that was dropped, because it is constant or because another feature, which stays, says much the same.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Dropped {
    /// The feature.
    pub feature: String,
    /// The one it is correlated with; `None` for a feature that is constant.
    pub because: Option<String>,
    /// Their correlation; 0 for a constant feature.
    pub r: f64,
}

/// Correlations of all features: which features were dropped for them, and which stay.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Correlations {
    /// Names of the features.
    pub features: Vec<String>,
    /// r by feature, then feature.
    pub r: Vec<Vec<f64>>,
    /// Those dropped, in order.
    pub dropped: Vec<Dropped>,
    /// Places of those that stay, ascending.
    pub kept: Vec<usize>,
}

/// Drops constant features. Then, as long as two features are correlated beyond [`LIMIT`], takes the pair of the largest |r| and
/// drops the one of the two whose mean |r| to all others that are left is larger (where the means are equal, the later one).
pub(super) fn correlations(table: &BaselineTable) -> Correlations {
    let values: Vec<&[f32]> = table.features.iter().map(|feature| feature.values.as_slice()).collect();
    let n = values.len();
    let mut r = vec![vec![1.0; n]; n];
    for i in 0..n {
        for j in 0..i {
            r[i][j] = pearson(values[i], values[j]);
            r[j][i] = r[i][j];
        }
    }
    let name = |i: usize| table.features[i].name.clone();
    let constant = |v: &[f32]| v.iter().all(|&x| x == v[0]);
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for (i, values) in values.iter().enumerate() {
        if constant(values) {
            r[i][i] = 0.0;
            dropped.push(Dropped { feature: name(i), because: None, r: 0.0 });
        } else {
            kept.push(i);
        }
    }
    loop {
        let mut closest = (LIMIT, None);
        for (at, &j) in kept.iter().enumerate() {
            for &i in &kept[..at] {
                if r[i][j].abs() > closest.0 {
                    closest = (r[i][j].abs(), Some((i, j)));
                }
            }
        }
        let Some((i, j)) = closest.1 else { break };
        let mean = |of: usize| kept.iter().filter(|&&k| k != of).map(|&k| r[of][k].abs()).sum::<f64>();
        let (gone, stays) = if mean(i) > mean(j) { (i, j) } else { (j, i) };
        kept.retain(|&k| k != gone);
        dropped.push(Dropped { feature: name(gone), because: Some(name(stays)), r: r[i][j] });
    }
    Correlations { features: (0..n).map(name).collect(), r, dropped, kept }
}

/// Accuracies of the chain of nearest neighbours without a feature.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Loss {
    /// The feature that was removed; empty where all features are there.
    pub feature: String,
    /// Features that are left.
    pub left: usize,
    /// Selector accuracy without it.
    pub selector_accuracy: f64,
    /// Answer accuracy without it.
    pub answer_accuracy: f64,
}

impl Loss {
    fn new(feature: String, left: usize, accuracy: ChainAccuracy) -> Loss {
        Loss { feature, left, selector_accuracy: accuracy.selector, answer_accuracy: accuracy.answers }
    }
}

/// All features but one.
fn without(features: &[usize], gone: usize) -> Vec<usize> {
    features.iter().copied().filter(|&f| f != gone).collect()
}

/// The chain's accuracies with all features, and with each feature removed alone. `done` is called after each chain.
pub(super) fn losses(table: &BaselineTable, features: &[usize], parts: &[Part], done: &dyn Fn()) -> Vec<Loss> {
    let loss = |feature: String, left: &[usize]| {
        let accuracy = knn_chain_accuracy(table, left, parts);
        done();
        Loss::new(feature, left.len(), accuracy)
    };
    let mut rows = vec![loss(String::new(), features)];
    if features.len() > 1 {
        rows.extend(features.iter().map(|&f| loss(table.features[f].name.clone(), &without(features, f))));
    }
    rows
}

/// Removes features one by one until one is left: each time the one without which the selector's accuracy is highest (of
/// equals the one without which the answers' is, and of those the last). The first row is that of all features.
pub(super) fn greedy(table: &BaselineTable, features: &[usize], parts: &[Part], done: &dyn Fn()) -> Vec<Loss> {
    let mut left = features.to_vec();
    let of_all = knn_chain_accuracy(table, &left, parts);
    done();
    let mut rows = vec![Loss::new(String::new(), left.len(), of_all)];
    while left.len() > 1 {
        let mut best: Option<(ChainAccuracy, usize)> = None;
        for &feature in &left {
            let found = knn_chain_accuracy(table, &without(&left, feature), parts);
            done();
            let is_better =
                |(best, _): &(ChainAccuracy, usize)| (found.selector, found.answers) >= (best.selector, best.answers);
            if best.as_ref().is_none_or(is_better) {
                best = Some((found, feature));
            }
        }
        let Some((accuracy, gone)) = best else { break };
        left = without(&left, gone);
        rows.push(Loss::new(table.features[gone].name.clone(), left.len(), accuracy));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::super::chain::same_set;
    use super::super::table::folds;
    use super::super::table::tests::by_hand;
    use super::*;
    use trt_select_train::Rng;

    #[test]
    fn correlation_by_hand() {
        assert!((pearson(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]) - 1.0).abs() < 1e-12);
        assert!((pearson(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
        // Deviations −1.5 −0.5 0.5 1.5 and −1 1 −1 1: 2 / √(5 · 4).
        assert!((pearson(&[1.0, 2.0, 3.0, 4.0], &[0.0, 2.0, 0.0, 2.0]) - 2.0 / 20.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(pearson(&[1.0, 1.0], &[0.0, 2.0]), 0.0);
    }

    #[test]
    fn the_redundant_one_of_a_pair_is_dropped() {
        // b = −2a; c is near to both; d is apart; e is constant.
        let a: &[f32] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let b: &[f32] = &[0.0, -2.0, -4.0, -6.0, -8.0, -10.0];
        let c: &[f32] = &[0.0, 2.0, 1.0, 3.0, 5.0, 4.0];
        let d: &[f32] = &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0];
        let table = by_hand(&[1.0], &[&[1.0; 6]], &[a, b, c, d, &[7.0; 6]]);
        let found = correlations(&table);
        let gone: Vec<(&str, Option<&str>)> =
            found.dropped.iter().map(|d| (d.feature.as_str(), d.because.as_deref())).collect();
        // e first; then the pair a, b (|r| = 1; as close to all others, so the later one); then a and c (r = 0.886).
        assert_eq!(gone[..2], [("4", None), ("1", Some("0"))]);
        assert_eq!((found.dropped.len(), found.kept.len()), (3, 2));
        assert!((found.dropped[1].r + 1.0).abs() < 1e-12 && (found.dropped[2].r - 0.885_714).abs() < 1e-5);
        assert!(found.kept.contains(&3));
    }

    #[test]
    fn what_matters_is_lost() {
        // Feature 0 tells which network is right, features 1 and 2 are noise.
        let mut rng = Rng::new(6);
        let told: Vec<f32> = (0..240).map(|_| rng.below(2) as f32).collect();
        let noise: Vec<Vec<f32>> = (0..2).map(|_| (0..240).map(|_| rng.unit() as f32).collect()).collect();
        let other: Vec<f32> = told.iter().map(|t| 1.0 - t).collect();
        let table = by_hand(&[1.0, 2.0], &[&told, &other], &[&told, &noise[0], &noise[1]]);
        let parts = same_set(folds(&table.all_rows(), 5, 1), &[0, 1]);
        let rows = losses(&table, &[0, 1, 2], &parts, &|| ());
        assert_eq!((rows.len(), rows[0].selector_accuracy), (4, 1.0));
        assert!(rows[1].selector_accuracy < 0.7 && rows[1].answer_accuracy < 0.7, "{rows:?}");
        assert!(rows[2].selector_accuracy == 1.0 && rows[3].left == 2);
        let steps = greedy(&table, &[0, 1, 2], &parts, &|| ());
        assert_eq!(steps.len(), 3);
        assert!(steps.iter().all(|s| s.feature != "0" && s.selector_accuracy == 1.0), "{steps:?}");
    }
}
