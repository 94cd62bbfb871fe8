use super::*;
use crate::drawn::problem;
use crate::problem::Ended;

/// The program of a search with what is not missed left out, and the whole one.
fn both<'a>(problem: &'a Problem, rows: &[u32], price: f64, seed: u64) -> (Plan, Plan, Search<'a>) {
    let rows = RowSet::dealt(rows, INNER_FOLDS, &mut Rng::new(seed));
    let mut search =
        Search { problem, rows, price, with_features: false, solved: HashMap::new(), policies: HashMap::new() };
    search.solve(|_| true);
    let whole = search.built(|builder, rows| Builder { prunes: false, ..builder }.plan(Mask::EMPTY, rows));
    (search.plan(), whole, search)
}

/// What a row does under the policies as they were found, state by state.
fn followed(search: &Search<'_>, row: usize) -> Ended {
    let (mut ran, mut cost) = (Mask::EMPTY, 0.0);
    loop {
        let solved = &search.policies[&ran];
        let mut tree = &solved.tree;
        let action = loop {
            match tree {
                Tree::Leaf(action) => break solved.actions[*action],
                Tree::Test { column, intervals, parts } => {
                    tree = &parts[intervals.place(search.problem.columns[*column].codes[row])];
                }
            }
        };
        match action {
            Action::Answer(answer) => return Ended { answer, cost, ran },
            Action::Run(c) => {
                cost += search.problem.costs[c.index()];
                ran = ran.with(c);
            }
        }
    }
}

fn nodes(plan: &Plan, problem: &Problem) -> usize {
    plan.nodes(&problem.columns, &|column| trt_select_premodel::SignalId(column as u16)).len()
}

#[test]
fn merged_programs_decide_as_the_policies_they_are_made_of() {
    let mut tests = 0;
    for seed in 0..12 {
        let (problem, _) = problem(900, seed);
        let rows: Vec<u32> = (0..900).filter(|row| row % 3 > 0).collect();
        let (_, whole, search) = both(&problem, &rows, 0.03, seed);
        for row in 0..900 {
            let (merged, single) = (problem.outcome(&whole, 0.0, row), followed(&search, row));
            assert_eq!((merged.answer, merged.ran, merged.cost), (single.answer, single.ran, single.cost), "row {row}");
        }
        tests += whole.columns().len();
    }
    assert!(tests > 12, "{tests}");
}

#[test]
fn what_is_left_out_is_not_missed_on_rows_that_nobody_saw() {
    let (mut smaller, mut gained, mut programs) = (0, 0.0, 0.0);
    for seed in 0..30 {
        let (problem, _) = problem(6000, 100 + seed);
        let rows: Vec<u32> = (0..600).collect();
        for price in [0.005, 0.02, 0.06] {
            let (pruned, whole, _) = both(&problem, &rows, price, seed);
            assert!(nodes(&pruned, &problem) <= nodes(&whole, &problem), "seed {seed}, price {price}");
            smaller += usize::from(nodes(&pruned, &problem) < nodes(&whole, &problem));
            let worth = |plan: &Plan, row: usize| {
                let ended = problem.outcome(plan, 0.0, row);
                f64::from(problem.rewards_of(ended.answer)[row]) - price * ended.cost
            };
            let unseen = 600..6000;
            gained +=
                unseen.clone().map(|row| worth(&pruned, row) - worth(&whole, row)).sum::<f64>() / unseen.len() as f64;
            programs += 1.0;
        }
    }
    assert!(smaller > 5, "{smaller}");
    assert!(gained / programs > -2e-4, "{}", gained / programs);
}
