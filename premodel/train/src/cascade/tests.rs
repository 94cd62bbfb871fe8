use std::sync::Arc;

use super::super::bins::{BINS, Direction, SignalClass};
use super::super::problem::Averaged;
use super::*;
use crate::Rng;

/// Three candidates of rising skill with an own confidence each, and averages of all their sets.
fn problem(rows: usize, seed: u64) -> (Problem, Confidences) {
    let mut rng = Rng::new(seed);
    let mut rewards = vec![Vec::new(); 3];
    let mut values = vec![Vec::new(); 3];
    for _ in 0..rows {
        let hard = rng.unit();
        for c in 0..3 {
            let is_right = hard < 0.4 + 0.25 * c as f64 + 0.1 * rng.unit();
            rewards[c].push(f32::from(u8::from(is_right)));
            values[c].push((1.0 - hard + 0.5 * rng.unit()) as f32);
        }
    }
    let states: Vec<Mask> = (0..8).map(Mask).collect();
    let kind = (SignalClass::Confidence, Direction::Rising);
    let column = |values: &[f32], needs: Mask, bins: usize| Arc::new(Binned::new(values, needs, kind, bins));
    let mut columns: Vec<Arc<Binned>> =
        (0..3).map(|c| column(&values[c], Mask::of(CandidateId(c as u8)), BINS)).collect();
    let mut confidences = Confidences { own: vec![Some(0), Some(1), Some(2)], averages: HashMap::new() };
    let mut averages = HashMap::new();
    for &set in &states[1..] {
        let mean: Vec<f32> =
            (0..rows).map(|row| set.iter().map(|c| values[c.index()][row]).sum::<f32>() / set.len() as f32).collect();
        confidences.averages.insert(set, columns.len());
        columns.push(column(&mean, set, 9));
        if set.len() > 1 {
            let best = set.iter().last().unwrap().index();
            let rewards = (0..rows).map(|row| if rng.unit() < 0.9 { rewards[best][row] } else { 1.0 }).collect();
            averages
                .insert(set, Averaged { classes: Arc::new(vec![0; rows]), rewards: Arc::new(rewards), loses: false });
        }
    }
    let problem = Problem {
        rows,
        rewards: Arc::new(rewards),
        averages,
        costs: vec![1.0, 3.0, 10.0],
        features_cost: 0.0,
        first_average: 3,
        columns,
        states,
        tests: 2,
        min_leaf: 20,
        significance: 2.0,
    };
    (problem, confidences)
}

/// Mean reward and cost of a plan over some rows, row by row.
fn walked(problem: &Problem, plan: &Plan, rows: &[u32]) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for &row in rows {
        let ended = problem.outcome(plan, 0.0, row as usize);
        sum.0 += f64::from(problem.rewards_of(ended.answer)[row as usize]);
        sum.1 += ended.cost;
    }
    sum
}

#[test]
fn every_trial_is_what_its_plan_earns_and_costs() {
    let (problem, confidences) = problem(300, 3);
    let rows: Vec<u32> = (0..300).filter(|row| row % 3 > 0).collect();
    let mut tried = 0;
    for kind in [Kind::Own, Kind::Average] {
        for order in orders(&problem, 3) {
            let stages = stages(&problem, &confidences, kind, &order).expect("all confidences are there");
            let trials = trials(&problem, &stages, &rows);
            for trial in trials.iter().step_by(37) {
                let cascade = Cascade { stages: stages.clone(), go_on: trial.go_on };
                let (reward, cost) = walked(&problem, &cascade.plan(), &rows);
                assert!((reward - trial.reward).abs() < 1e-9 && (cost - trial.cost).abs() < 1e-9, "{cascade:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn no_cascade_is_better_at_any_price() {
    let (problem, confidences) = problem(400, 5);
    let rows: Vec<u32> = (0..400).collect();
    let cascades = Cascades::fit(&problem, &confidences, &rows, 3);
    let all: Vec<Trial> = [Kind::Own, Kind::Average]
        .iter()
        .flat_map(|&kind| orders(&problem, 3).into_iter().map(move |order| (kind, order)).collect::<Vec<_>>())
        .filter_map(|(kind, order)| stages(&problem, &confidences, kind, &order))
        .flat_map(|stages| trials(&problem, &stages, &rows))
        .collect();
    for i in 0..40 {
        let price = 1e-4 * 1.3_f64.powi(i);
        let (reward, cost) = walked(&problem, &cascades.at(price).unwrap(), &rows);
        let best = all.iter().map(|trial| trial.reward - price * trial.cost).fold(f64::MIN, f64::max);
        assert!((reward - price * cost - best).abs() < 1e-9, "{price}");
    }
}

#[test]
fn orders_keep_to_the_states() {
    let (mut problem, _) = problem(10, 1);
    assert_eq!(orders(&problem, 3).len(), 6 + 6);
    assert_eq!(orders(&problem, 2).len(), 6);
    problem.states.retain(|&set| set != Mask(0b110));
    // 1 and 2 no longer run together first; the three together do, with 0 among the first two.
    assert_eq!(orders(&problem, 3).len(), 4 + 4);
}

#[test]
fn without_confidences_there_is_no_cascade() {
    let (problem, _) = problem(50, 2);
    let none = Confidences { own: vec![None; 3], averages: HashMap::new() };
    assert!(Cascades::fit(&problem, &none, &[0, 1, 2], 3).at(0.1).is_none());
}

#[test]
fn a_hull_keeps_what_is_best_at_some_price() {
    let points = vec![(0.9, 5.0), (0.5, 1.0), (0.55, 2.0), (0.4, 3.0), (0.9, 6.0), (0.8, 2.5)];
    assert_eq!(hull(points, |&p| p), [(0.5, 1.0), (0.8, 2.5), (0.9, 5.0)]);
}
