use alloc::string::{String, ToString};

use super::*;
use crate::alternative::Alternative;
use crate::provenance::{Expected, Interval, TrainedFor};
use crate::{Answer, Node};

use trt_select_base::random::Rng;

const A: CandidateId = CandidateId(0);
const B: CandidateId = CandidateId(1);

fn expected(reward: f64, cost_ms: f64) -> Option<Expected> {
    let at = |mean: f64| Interval { mean, low: mean, high: mean };
    Some(Expected::new(at(reward), at(cost_ms * 1e6), at(0.0), String::new()))
}

/// Programs of two candidates that cost 1 ms and 4 ms, each with a price, a reward, and the shares on which it runs both.
fn premodel(programs: &[(Option<f64>, f64, [f64; 2])], chosen: usize) -> Premodel {
    let nodes = vec![Node::run(A, 1), Node::answer(A)];
    let trained_for = TrainedFor::of_costs(vec![1e6, 4e6]);
    let names = vec!["a".to_string(), "b".to_string()];
    let one = Premodel::new(names, 2, vec![], nodes.clone(), vec![B, A], vec![], trained_for).unwrap();
    let alternative = |&(price, reward, ran): &(Option<f64>, f64, [f64; 2])| {
        let expected = expected(reward, ran[0] + 4.0 * ran[1]);
        Alternative::new(nodes.clone()).price(price).expected(expected).ran(ran.to_vec())
    };
    one.with_programs(programs.iter().map(alternative).collect(), chosen).unwrap()
}

/// The value of a program at a price, as the formula says.
fn value(control: &Control, program: usize, price: f64) -> f64 {
    control.programs[program].reward - price * control.cost_ms(program).unwrap()
}

#[test]
fn a_price_chooses_the_best_program() {
    let mut rng = Rng::new(11);
    for round in 0..500 {
        let count = 1 + rng.below(16);
        // Coarse numbers, so that equal costs and rewards come up.
        let mut coarse = |steps: usize| rng.below(steps + 1) as f64 / steps as f64;
        let programs: Vec<_> = (0..count).map(|_| (None, coarse(20), [coarse(4), coarse(4)])).collect();
        let mut control = Control::new(&premodel(&programs, 0));
        for _ in 0..20 {
            let (candidate, multiplier) = (CandidateId(rng.below(2) as u8), rng.pick(&[0.0, 0.5, 1.0, 3.0, 1e200]));
            let price = rng.pick(&[0.0, 0.01, 0.1, 1.0, 1e9]) * (1.0 + rng.unit());
            control.set_cost_multiplier(candidate, multiplier).unwrap();
            let best = control.set_price(price).unwrap();
            assert_eq!((control.program(), control.next_program()), (best, best));
            let most = (0..count).map(|k| value(&control, k, price)).fold(f64::NEG_INFINITY, f64::max);
            let got = value(&control, best, price);
            assert!(
                // Prices are compared as 32-bit floats, so that programs whose values hardly differ may change places.
                most - got <= 1e-6 * most.abs().max(1.0),
                "round {round}: {got} of {most} at {price}, {programs:?}"
            );
        }
    }
}

#[test]
fn of_equal_values_the_cheapest_decides() {
    let mut control = Control::new(&premodel(&[(None, 0.5, [0.0, 1.0]), (None, 0.5, [1.0, 0.0])], 0));
    assert_eq!(control.next_program(), 0);
    assert_eq!(control.set_price(0.0), Ok(1));
    // Where a price makes two programs equal: 0.3 more for 3 ms.
    let mut control = Control::new(&premodel(&[(None, 0.75, [0.0, 1.0]), (None, 0.0, [1.0, 0.0])], 0));
    assert_eq!((control.set_price(0.25), control.set_price(0.2499)), (Ok(1), Ok(0)));
}

#[test]
fn costs_follow_the_multipliers_and_the_shares() {
    let programs = [(Some(0.05), 0.9, [0.5, 0.25]), (Some(0.5), 0.8, [1.0, 0.0]), (Some(0.01), 0.95, [0.0, 1.0])];
    let mut control = Control::new(&premodel(&programs, 0));
    let near = |got: Option<f64>, want: f64| assert!((got.unwrap() - want).abs() < 1e-12, "{got:?} is not {want}");
    near(control.cost_ms(0), 1.5);
    // Nothing was told, so the chosen program decides; a slow B makes it too dear at the price that it was trained for.
    assert_eq!((control.next_program(), control.price()), (0, None));
    assert_eq!(control.set_cost_multiplier(B, 3.0), Ok(1));
    near(control.cost_ms(0), 3.5);
    near(control.cost_ms(1), 1.0);
    near(control.cost_ms(2), 12.0);
    // As fast as before, the chosen program decides again.
    assert_eq!(control.set_cost_multiplier(B, 1.0), Ok(0));
    // A program that was asked for stays, and so does a price.
    control.set_program(2).unwrap();
    assert_eq!((control.set_cost_multiplier(B, 9.0), control.next_program()), (Ok(2), 2));
    assert_eq!((control.set_price(0.002), control.set_price(0.5)), (Ok(0), Ok(1)));
    assert_eq!((control.set_cost_multiplier(B, 0.0), control.cost_ms(2)), (Ok(2), Some(0.0)));
    assert_eq!((control.price(), control.cost_multiplier(B)), (Some(0.5), Some(0.0)));
    // Costs beyond all bounds are still costs.
    control.set_cost_multiplier(A, f64::MAX).unwrap();
    assert_eq!((control.set_cost_multiplier(B, f64::MAX), control.set_price(0.0)), (Ok(2), Ok(2)));
    control.reset();
    assert_eq!((control.next_program(), control.cost_multiplier(B)), (0, Some(1.0)));
    near(control.cost_ms(2), 4.0);

    // A chosen program that was trained for no price has one at which it is the best.
    let programs = programs.map(|(_, reward, ran)| (None, reward, ran));
    let mut control = Control::new(&premodel(&programs, 2));
    assert_eq!((control.set_cost_multiplier(B, 1.01), control.set_cost_multiplier(B, 100.0)), (Ok(2), Ok(1)));
}

#[test]
fn a_multiplier_moves_the_chosen_program_only_where_it_makes_another_one_better() {
    // At the price that it was trained for, the chosen program is not the best by what folds said of it: program 1 is by 0.0003.
    let programs = [(Some(0.05), 0.9, [1.0, 0.25]), (None, 0.875_3, [1.0, 0.125]), (None, 0.8, [1.0, 0.0])];
    let mut control = Control::new(&premodel(&programs, 0));
    assert_eq!(control.set_price(0.05), Ok(1));
    control.reset();
    // All programs run A, and a faster B is no reason to run it less.
    for (candidate, multiplier) in [(A, 1.000_000_1), (A, 50.0), (A, 1.0), (B, 0.9), (B, 0.5), (B, 1.0)] {
        assert_eq!(control.set_cost_multiplier(candidate, multiplier), Ok(0), "{candidate:?} {multiplier}");
    }
    assert_eq!((control.set_cost_multiplier(B, 1.2), control.set_cost_multiplier(B, 20.0)), (Ok(1), Ok(2)));
}

#[test]
fn large_fronts_are_searched_in_rows() {
    for count in [15, 16, 17, 32, 33, 63, 64] {
        // A concave front: program k gains 1 / (k + 1) less for each step of a sixteenth of a millisecond.
        let programs: Vec<_> = (0..count)
            .scan(0.0, |reward, k| {
                *reward += 0.01 / (k + 1) as f64;
                Some((None, *reward, [k as f64 / 64.0, 0.0]))
            })
            .collect();
        let mut control = Control::new(&premodel(&programs, 0));
        for k in 1..count {
            let even = 64.0 * 0.01 / (k + 1) as f64;
            for price in [0.999 * even, 1.001 * even] {
                let best = (0..count).max_by(|&a, &b| value(&control, a, price).total_cmp(&value(&control, b, price)));
                assert_eq!(control.set_price(price).ok(), best, "{count} programs, {price}");
            }
        }
        assert_eq!((control.set_price(0.0), control.set_price(1e9)), (Ok(count - 1), Ok(0)));
    }
}

#[test]
fn a_new_premodel_keeps_what_runs_were_said_to_cost() {
    let made = |b_ns: f64| {
        let model = premodel(&[(Some(0.05), 0.9, [0.5, 0.25]), (None, 0.5, [1.0, 0.0])], 0);
        let trained_for = TrainedFor::of_costs(vec![1e6, b_ns]);
        let names = model.candidates().to_vec();
        Premodel::new(names, 2, vec![], model.program().nodes().to_vec(), vec![B, A], vec![], trained_for).unwrap()
    };
    let mut before = Control::new(&made(4e6));
    before.set_cost_multiplier(B, 3.0).unwrap();
    // Trained anew while the server was slow: 12 ms are 12 ms.
    for (b_ns, multiplier) in [(12e6, 1.0), (4e6, 3.0), (6e6, 2.0)] {
        let mut control = Control::new(&made(b_ns));
        control.take_over(&before);
        assert_eq!((control.cost_multiplier(A), control.cost_multiplier(B)), (Some(1.0), Some(multiplier)));
    }
    let mut control = Control::new(&made(0.0));
    control.take_over(&before);
    assert_eq!(control.cost_multiplier(B), Some(3.0), "a cost that cannot be scaled");
}

#[test]
fn nonsense_is_refused_in_one_line_and_changes_nothing() {
    let model = premodel(&[(Some(0.1), 0.9, [0.0, 1.0]), (None, 0.5, [1.0, 0.0])], 0);
    let mut control = Control::new(&model);
    control.set_price(0.0).unwrap();
    let mut refused = vec![control.set_program(2), control.set_program(usize::MAX)];
    for bad in [f64::NAN, f64::INFINITY, -1e-9] {
        refused.extend([control.set_price(bad).map(drop), control.set_cost_multiplier(A, bad).map(drop)]);
    }
    refused.push(control.set_cost_multiplier(CandidateId(2), 1.0).map(drop));
    for error in refused {
        let error = error.unwrap_err().to_string();
        assert!(error.contains("expected") && error.contains("got") && !error.contains('\n'), "{error}");
    }
    assert_eq!((control.next_program(), control.price(), control.cost_multiplier(A)), (0, Some(0.0), Some(1.0)));

    // Without expectations there is nothing to choose by.
    let mut bare = Control::new(&model.with_programs(vec![Alternative::single(A, 2)], 0).unwrap());
    assert_eq!((bare.set_price(0.1), bare.cost_ms(0)), (Err(ControlError::NoExpectations), None));
    assert_eq!((bare.set_cost_multiplier(A, 2.0), bare.set_program(0)), (Ok(0), Ok(())));
}

#[test]
fn a_mix_takes_its_shares_and_is_the_same_for_the_same_seed() {
    let model = premodel(&[(Some(0.1), 0.9, [0.0, 1.0]), (None, 0.5, [1.0, 0.0]), (None, 0.6, [1.0, 0.1])], 0);
    let draws = |share: f64, seed: u64| {
        let mix = Mix { programs: [2, 1], share, seed };
        let mut control = Control::new(&model.clone().with_mix(Some(mix)).unwrap());
        (0..10_000).map(|_| control.next_program()).collect::<Vec<_>>()
    };
    let count = |draws: &[usize], program: usize| draws.iter().filter(|&&p| p == program).count();
    let third = draws(0.3, 5);
    assert_eq!(count(&third, 0), 0);
    // Four standard deviations of 10,000 draws at 0.3 are 183.
    assert!(count(&third, 2).abs_diff(3_000) < 183, "{}", count(&third, 2));
    assert_eq!(third, draws(0.3, 5));
    assert_ne!(third, draws(0.3, 6));
    // Neighbouring inputs are independent: of the pairs that begin with 2, the share that goes on with 2 is the same.
    let pairs = third.windows(2).filter(|pair| pair == &[2, 2]).count();
    assert!(pairs.abs_diff(900) < 120, "{pairs}");
    assert_eq!((count(&draws(0.0, 5), 1), count(&draws(1.0, 5), 2)), (10_000, 10_000));
}

#[test]
fn a_mix_ends_where_something_is_told_and_begins_anew_afterwards() {
    let model = premodel(&[(Some(0.1), 0.9, [0.0, 1.0]), (None, 0.5, [1.0, 0.0])], 0);
    let model = model.with_mix(Some(Mix { programs: [0, 1], share: 0.5, seed: 3 })).unwrap();
    let draw = |control: &mut Control, n: usize| (0..n).map(|_| control.next_program()).collect::<Vec<_>>();
    let whole = draw(&mut Control::new(&model), 64);
    assert!(whole.contains(&0) && whole.contains(&1));
    let mut control = Control::new(&model);
    assert_eq!(draw(&mut control, 32), whole[..32]);
    control.set_price(9.0).unwrap();
    assert_eq!(draw(&mut control, 16), [1; 16]);
    control.set_program(0).unwrap();
    assert_eq!(draw(&mut control, 16), [0; 16]);
    control.set_cost_multiplier(B, 2.0).unwrap();
    control.reset();
    assert_eq!(draw(&mut control, 64), whole);
    // A slow candidate stops it, too.
    control.set_cost_multiplier(B, 100.0).unwrap();
    assert_eq!(draw(&mut control, 16), [1; 16]);
}

#[test]
fn another_premodel_takes_over_price_and_multipliers() {
    let old = premodel(&[(Some(0.1), 0.9, [0.0, 1.0]), (None, 0.5, [1.0, 0.0])], 0);
    let new = premodel(&[(None, 0.5, [1.0, 0.0]), (Some(0.1), 0.9, [0.0, 1.0]), (None, 0.1, [0.0, 0.0])], 1);
    let mut before = Control::new(&old);
    before.set_cost_multiplier(B, 3.0).unwrap();
    before.set_price(0.01).unwrap();
    let mut after = Control::new(&new);
    after.take_over(&before);
    assert_eq!((after.next_program(), after.price(), after.cost_multiplier(B)), (1, Some(0.01), Some(3.0)));
    assert!((after.cost_ms(1).unwrap() - 12.0).abs() < 1e-12);
    // A number means another program in another premodel.
    before.reset();
    before.set_program(0).unwrap();
    let mut after = Control::new(&new);
    after.take_over(&before);
    assert_eq!(after.next_program(), 1);
    assert!(matches!(new.program().nodes()[1].view(), crate::View::Answer(Answer::Candidate(A))));
}
