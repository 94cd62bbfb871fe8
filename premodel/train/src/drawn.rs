//! Problems that tests draw.

use std::collections::HashMap;
use std::sync::Arc;

use trt_select_base::random::Rng;
use trt_select_premodel::{CandidateId, Mask};

use super::bins::{BINS, Binned, Direction, SignalClass};
use super::cascade::Confidences;
use super::problem::{Averaged, Problem};

/// Three candidates of rising skill with an own confidence each, and averages of all their sets.
pub(super) fn problem(rows: usize, seed: u64) -> (Problem, Confidences) {
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
        columns.push(column(&mean, set, 40));
        if set.len() > 1 {
            let best = set.iter().last().unwrap().index();
            let rewards = (0..rows).map(|row| if rng.unit() < 0.9 { rewards[best][row] } else { 1.0 }).collect();
            averages
                .insert(set, Averaged { classes: Arc::new(vec![0; rows]), rewards: Arc::new(rewards), loses: false });
        }
    }
    let problem = Problem {
        rows,
        weights: None,
        rewards: Arc::new(rewards),
        averages,
        costs: vec![1.0, 3.0, 10.0],
        features_cost: 0.0,
        first_average: 3,
        columns,
        states,
        worst: None,
        tests: 2,
        min_leaf: 20,
        significance: 2.0,
    };
    (problem, confidences)
}
