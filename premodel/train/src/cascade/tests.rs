use std::sync::Arc;

use super::*;
use crate::drawn::problem;
use crate::weights::Weights;

/// Reward and cost of a plan over some rows, row by row, each counted by its weight.
fn walked(problem: &Problem, plan: &Plan, rows: &[u32]) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for &row in rows {
        let ended = problem.outcome(plan, 0.0, row as usize);
        sum.0 += problem.weight(row) * f64::from(problem.rewards_of(ended.answer)[row as usize]);
        sum.1 += problem.weight(row) * ended.cost;
    }
    sum
}

#[test]
fn every_trial_is_what_its_plan_earns_and_costs() {
    let (problem, confidences) = problem(300, 3);
    trials_are_what_plans_do(&problem, &confidences);
    // Rows that count from a half to two.
    let weights = (0..300).map(|row| [0.5, 1.0, 2.0, 1.25][row % 4]).collect();
    let weighted = Problem { weights: Some(Arc::new(Weights::checked(weights))), ..problem };
    trials_are_what_plans_do(&weighted, &confidences);
}

fn trials_are_what_plans_do(problem: &Problem, confidences: &Confidences) {
    let rows: Vec<u32> = (0..300).filter(|row| row % 3 > 0).collect();
    let mut tried = 0;
    for kind in Kind::ALL {
        for order in orders(problem, 3) {
            let stages = stages(problem, confidences, kind, &order).expect("all confidences are there");
            let trials = trials(problem, &stages, &rows);
            for trial in trials.iter().step_by(11).chain(trials.last()) {
                let cascade = Cascade { stages: stages.clone(), go_on: trial.go_on };
                // As nodes, too: a test needs a threshold.
                let plan = cascade.plan(problem);
                assert!(plan.nodes(&problem.columns, &|column| trt_select_premodel::SignalId(column as u16)).len() > 1);
                let (reward, cost) = walked(problem, &cascade.plan(problem), &rows);
                assert!((reward - trial.reward).abs() < 1e-9 && (cost - trial.cost).abs() < 1e-9, "{cascade:?}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn no_cascade_of_its_kind_is_better_at_any_price() {
    let (problem, confidences) = problem(400, 5);
    let rows: Vec<u32> = (0..400).collect();
    let cascades = Cascades::fit(&problem, &confidences, &rows, 3);
    for kind in Kind::ALL {
        let all: Vec<Trial> = orders(&problem, 3)
            .iter()
            .filter_map(|order| stages(&problem, &confidences, kind, order))
            .flat_map(|stages| trials(&problem, &stages, &rows))
            .collect();
        for i in 0..40 {
            let price = 1e-4 * 1.3_f64.powi(i);
            let (reward, cost) = walked(&problem, &cascades.at(&problem, kind, price).unwrap(), &rows);
            let best = all.iter().map(|trial| trial.reward - price * trial.cost).fold(f64::MIN, f64::max);
            assert!((reward - price * cost - best).abs() < 1e-9, "{kind:?} {price}");
        }
    }
}

#[test]
fn a_test_needs_rows() {
    let (mut problem, confidences) = problem(400, 6);
    let rows: Vec<u32> = (0..400).collect();
    let stages = stages(&problem, &confidences, Kind::Own, &[0, 1, 2].map(CandidateId)).unwrap();
    let all = |go_on: usize, stage: usize| {
        stages[stage].confidence.is_none_or(|column| go_on == problem.columns[column].bins())
    };
    let first = trials(&problem, &stages, &rows).into_iter().filter(|trial| !all(trial.go_on[0], 0)).count();
    assert!(first > 300, "{first}");
    // More than half of the rows must come to a second test.
    let mut narrow = problem.clone();
    narrow.min_leaf = 120;
    let wide_open = trials(&narrow, &stages, &rows).into_iter().filter(|trial| !all(trial.go_on[1], 1));
    let least = wide_open.map(|trial| trial.go_on[0]).min().expect("where all go on, as many come");
    let column = stages[0].confidence.unwrap();
    let come = rows.iter().filter(|&&row| usize::from(problem.columns[column].codes[row as usize]) < least).count();
    assert!((240..300).contains(&come), "{come}");
    problem.min_leaf = 201;
    assert!(trials(&problem, &stages, &rows).iter().all(|trial| trial.go_on[0] == problem.columns[column].bins()));
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
    let cascades = Cascades::fit(&problem, &none, &[0, 1, 2], 3);
    assert!(Kind::ALL.iter().all(|&kind| cascades.at(&problem, kind, 0.1).is_none()));
}
