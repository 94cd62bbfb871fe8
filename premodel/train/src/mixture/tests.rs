use super::*;
use crate::Rng;

/// Rows of three candidates and twelve classes, of which eight are given; `skill` says how often each candidate favours the true class.
fn drawn(rows: usize, skill: [f64; 3], seed: u64) -> Vec<(Vec<Vec<f32>>, usize)> {
    let mut rng = Rng::new(seed);
    let mut row = |_| {
        let truth = rng.below(8);
        let mut given = Vec::new();
        for skill in skill {
            let favourite = if rng.unit() < skill { truth } else { rng.below(8) };
            let mut all: Vec<f32> = (0..8).map(|_| (0.02 * rng.unit()) as f32).collect();
            all[favourite] += (0.2 + 3.0 * rng.unit()) as f32;
            let sum: f32 = all.iter().sum::<f32>() + 0.04;
            given.push(all.iter().map(|p| p / sum).collect());
        }
        (given, truth)
    };
    (0..rows).map(&mut row).collect()
}

fn examples(drawn: &[(Vec<Vec<f32>>, usize)], classes: usize) -> Examples {
    let row = |(given, truth): &(Vec<Vec<f32>>, usize)| (Row::new(given, Some(*truth), classes).unwrap(), 1.0);
    Examples::new(drawn.iter().map(row).collect(), 3)
}

/// The loss as its formula says it, in 64 bits, over all classes one by one.
fn plain(drawn: &[(Vec<Vec<f32>>, usize)], classes: usize, theta: &[f64], b: f64) -> f64 {
    let (weights, sharpness) = (softmax(theta), b.exp());
    let mut sum = 0.0;
    for (given, truth) in drawn {
        let rest: Vec<f64> = given.iter().map(|all| 1.0 - all.iter().map(|&p| f64::from(p)).sum::<f64>()).collect();
        let others = classes - given[0].len();
        let p = |k: usize, class: usize| match given[k].get(class) {
            Some(&p) => f64::from(p),
            None => rest[k] / others as f64,
        };
        let power = |class: usize| {
            let mixed: f64 = weights.iter().enumerate().map(|(k, w)| w * p(k, class)).sum();
            mixed.powf(sharpness)
        };
        sum -= (power(*truth) / (0..classes).map(power).sum::<f64>()).ln();
    }
    sum / drawn.len() as f64 + 1e-4 * (theta.iter().map(|t| t * t).sum::<f64>() + b * b)
}

#[test]
fn the_loss_is_its_formula_and_the_slope_is_its_slope() {
    let drawn = drawn(101, [0.9, 0.6, 0.3], 4);
    let examples = examples(&drawn, 12);
    let members = [0, 1, 2].map(CandidateId);
    let at = [0.3, -0.2, 0.7, 0.4];
    let mut slope = [0.0; 4];
    let loss = examples.loss(&members, &at, &mut slope);
    assert!((loss - plain(&drawn, 12, &at[..3], at[3])).abs() < 1e-5, "{loss}");
    for i in 0..4 {
        let moved = |by: f64| {
            let mut there = at;
            there[i] += by;
            plain(&drawn, 12, &there[..3], there[3])
        };
        let expected = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((slope[i] - expected).abs() < 1e-4, "{i}: {} {expected}", slope[i]);
    }
}

#[test]
fn no_other_weights_nearby_have_a_smaller_loss() {
    let drawn = drawn(600, [0.9, 0.6, 0.3], 5);
    let found = examples(&drawn, 12).weights(Mask(7));
    // At the weights found, the best sharpness is looked for; elsewhere none may be better by more than the last decimals are worth.
    let best = |weights: &[f64]| {
        let theta: Vec<f64> = weights.iter().map(|w| w.max(1e-9).ln()).collect();
        let mean = theta.iter().sum::<f64>() / 3.0;
        let theta: Vec<f64> = theta.iter().map(|t| t - mean).collect();
        (0..60).map(|i| plain(&drawn, 12, &theta, -1.0 + 0.05 * f64::from(i))).fold(f64::MAX, f64::min)
    };
    let found: Vec<f64> = found.iter().map(|&w| f64::from(w)).collect();
    let here = best(&found);
    for i in 0..3 {
        for j in (0..3).filter(|&j| j != i) {
            let mut other = found.clone();
            let step = 0.03_f64.min(other[i]);
            other[i] -= step;
            other[j] += step;
            assert!(best(&other) > here - 2e-4, "{found:?} {other:?}: {here} {}", best(&other));
        }
    }
}

#[test]
fn the_better_candidate_weighs_more_and_one_that_knows_nothing_next_to_nothing() {
    let examples = examples(&drawn(2000, [0.9, 0.6, 0.0], 6), 12);
    let w = examples.weights(Mask(7));
    assert!(w[0] > w[1] && w[1] > w[2] && w[2] < 0.1, "{w:?}");
    assert!((w.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    let pair = examples.weights(Mask(5));
    assert!(pair[1] < 0.1, "{pair:?}");
    assert_eq!(examples.weights(Mask(2)), [1.0]);
    assert_eq!(Examples::new(Vec::new(), 2).weights(Mask(3)), [0.5, 0.5]);
}

#[test]
fn a_row_that_counts_twice_is_as_good_as_two() {
    let drawn = drawn(64, [0.8, 0.7, 0.4], 7);
    let rows = |drawn: &[(Vec<Vec<f32>>, usize)], weight: f32| -> Vec<(Row, f32)> {
        drawn.iter().map(|(given, truth)| (Row::new(given, Some(*truth), 12).unwrap(), weight)).collect()
    };
    let mut twice = rows(&drawn[..32], 2.0);
    twice.extend(rows(&drawn[32..], 1.0));
    let mut doubled = rows(&drawn, 1.0);
    doubled.extend(rows(&drawn[..32], 1.0));
    let (a, b) = (Examples::new(twice, 3).weights(Mask(7)), Examples::new(doubled, 3).weights(Mask(7)));
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 0.003), "{a:?} {b:?}");
}

#[test]
fn a_true_class_that_nobody_names_is_among_the_others() {
    let given = vec![vec![0.7, 0.2, 0.00001], vec![0.5, 0.3, 0.00002]];
    let row = Row::new(&given, None, 10).unwrap();
    assert_eq!((row.counts, row.truth), (vec![1.0, 1.0, 8.0], 2));
    let row = Row::new(&given, Some(2), 10).unwrap();
    assert_eq!((row.counts, row.truth), (vec![1.0, 1.0, 1.0, 7.0], 2));
    assert_eq!(Row::new(&given, Some(0), 3).unwrap().counts, [1.0, 1.0, 1.0], "the third stands for itself");
    let known = vec![vec![0.7, 0.3], vec![0.5, 0.5]];
    assert!(Row::new(&known, None, 2).is_none(), "there is no other class");
}
