//! A premodel of several programs in a selector: which program decides, and that it decides as it does alone.

mod common;

use std::time::Duration;

use common::{LARGE, SMALL, alone, expected, null_candidates, several, sure_on_two_of_three, tensor_candidates};
use trt_select::cuda::Format;
use trt_select::premodel::{Alternative, Answer, Mask, Mix, Premodel};
use trt_select::{ErrorKind, Frame, Input, Outcome, Selector};
use trt_select_base::random::Rng;

/// A selector on candidates of which the small one is sure on two inputs of three.
fn selector(premodel: Premodel, polls: u32) -> Selector {
    Selector::new(null_candidates(polls, sure_on_two_of_three).0, premodel).unwrap()
}

/// What an outcome says, apart from its times and the program's number.
fn said(o: &Outcome) -> (u32, u32, Answer, Mask, Mask, usize) {
    (o.class, o.probability.to_bits(), o.answer, o.ran, o.failed, o.node)
}

#[test]
fn each_program_decides_as_it_does_alone() {
    let front = several();
    let mut r = Rng::new(5);
    let values: Vec<[f32; 16]> = (0..50).map(|_| std::array::from_fn(|_| r.unit_f32())).collect();
    let (flat, edges) = ([9_u8; 16], std::array::from_fn::<u8, 16, _>(|i| if i % 2 == 0 { 0 } else { 250 }));
    let frames = [&flat, &edges].map(|pixels| Frame::packed(Format::Gray8, 4, 4, 4, pixels).unwrap());
    for polls in [0, 2] {
        let mut seen = [[0_u32; 3]; 4];
        for small in [[0.1, 0.0], [1.2, 0.0], [4.0, 0.0]] {
            let candidates = || null_candidates(polls, move |_| small).0;
            let mut together = Selector::new(candidates(), front.clone()).unwrap();
            let mut singles: Vec<Selector> =
                (0..4).map(|k| Selector::new(candidates(), alone(&front, k)).unwrap()).collect();
            for _ in 0..60 {
                let (k, frame) = (r.below(4), *r.pick(&[&frames[0], &frames[1]]));
                together.set_program(k).unwrap();
                let (ours, theirs) = (together.infer(frame).unwrap(), singles[k].infer(frame).unwrap());
                assert_eq!((ours.program, theirs.program), (k, 0));
                assert_eq!(said(&ours), said(&theirs), "program {k} on {small:?}");
                let bits = |selector: &Selector| selector.signals().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&together), bits(&singles[k]));
                assert_eq!(together.probabilities(), singles[k].probabilities());
                assert_eq!(ours.times.features_ns > 0, k == 3, "only the last program reads a feature");
                seen[k][ours.ran.len() as usize] += 1;
            }
        }
        assert!(seen[1][1] > 0 && seen[1][2] > 0 && seen[2][1] > 0 && seen[2][2] > 0, "{seen:?}");
        assert!(seen[3][1] > 0 && seen[3][2] > 0, "{seen:?}");
    }
    // Programs that read no feature take tensors, too.
    let mut tensors = Selector::new(tensor_candidates([0.1, 0.0], [0.0, 5.0]), front).unwrap();
    for value in &values {
        let k = r.below(3);
        tensors.set_program(k).unwrap();
        assert_eq!(tensors.infer(Input::Tensor(value)).unwrap().program, k);
    }
    tensors.set_program(3).unwrap();
    assert_eq!(tensors.infer(Input::Tensor(&values[0])).unwrap_err().kind(), ErrorKind::Input);
}

#[test]
fn prices_numbers_and_slow_candidates_choose() {
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    let mut selector = selector(several(), 0);
    let decides = |selector: &mut Selector| {
        let outcome = selector.infer(frame).unwrap();
        assert_eq!(outcome.program, selector.current_program());
        outcome.program
    };
    assert_eq!(decides(&mut selector), 1, "the chosen program");
    for (price, program) in [(0.0, 3), (0.001, 3), (0.005, 2), (0.02, 1), (0.5, 0), (0.0, 3)] {
        assert_eq!((selector.set_price(price).unwrap(), decides(&mut selector)), (program, program), "at {price}");
    }
    // At 0.02, the cascade costs 4 ms. With a large network that takes three times as long it costs 10 ms.
    selector.set_price(0.02).unwrap();
    assert_eq!((selector.set_cost_multiplier(LARGE, 3.0).unwrap(), decides(&mut selector)), (0, 0));
    assert!((selector.control().cost_ms(1).unwrap() - 10.0).abs() < 1e-9);
    selector.set_program(2).unwrap();
    assert_eq!((decides(&mut selector), selector.control().price()), (2, None));
    selector.reset_control();
    assert_eq!((decides(&mut selector), selector.control().cost_multiplier(LARGE)), (1, Some(1.0)));
    // Nothing but a slow network: the price is that of the chosen program.
    assert_eq!((selector.set_cost_multiplier(LARGE, 3.0).unwrap(), decides(&mut selector)), (0, 0));

    let errors = [
        selector.set_price(-1.0).map(drop).unwrap_err(),
        selector.set_program(4).unwrap_err(),
        selector.set_cost_multiplier(SMALL, f64::NAN).map(drop).unwrap_err(),
        selector.set_cost_multiplier(trt_select::premodel::CandidateId(2), 1.0).map(drop).unwrap_err(),
    ];
    assert!(errors.iter().all(|error| error.kind() == ErrorKind::Usage), "{errors:?}");
    assert_eq!(decides(&mut selector), 0);
}

#[test]
fn an_input_that_is_given_up_leaves_the_next_one_its_own_program() {
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    let mut selector = selector(several(), 3);
    selector.set_program(3).unwrap();
    // The input borrows the selector, so that it can only be given up here; its program is that of its submit.
    let mut flight = selector.submit(frame).unwrap();
    assert!(flight.poll().unwrap().is_none());
    selector.set_program(0).unwrap();
    let outcome = selector.infer(frame).unwrap();
    assert_eq!((outcome.program, outcome.answer), (0, Answer::Candidate(SMALL)));

    // A deadline that passes before anything ran is an error under every program, and leaves the program as it was.
    selector.set_program(2).unwrap();
    selector.set_deadline(Some(Duration::ZERO));
    assert_eq!(selector.infer(frame).unwrap_err().kind(), ErrorKind::Deadline);
    selector.set_deadline(None);
    assert_eq!(selector.infer(frame).unwrap().program, 2);
}

#[test]
fn a_mix_decides_until_something_is_told() {
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    let mix = Mix { programs: [3, 0], share: 0.25, seed: 9 };
    let front = several().with_mix(Some(mix)).unwrap();
    let draw = |selector: &mut Selector, n: usize| -> Vec<usize> {
        (0..n).map(|_| selector.infer(frame).unwrap().program).collect()
    };
    let mut whole = selector(front.clone(), 0);
    let drawn = draw(&mut whole, 400);
    let of_three = drawn.iter().filter(|&&k| k == 3).count();
    // Four standard deviations around 100.
    assert!(drawn.iter().all(|k| [0, 3].contains(k)) && of_three.abs_diff(100) < 35, "{of_three}");
    assert_eq!(whole.current_program(), drawn[399]);
    // A warm-up takes no chance. What is told ends the mix, which begins anew after a reset.
    let mut broken = selector(front, 0);
    broken.warm_up(frame.into()).unwrap();
    assert_eq!(draw(&mut broken, 150), drawn[..150]);
    broken.set_price(0.02).unwrap();
    assert_eq!(draw(&mut broken, 9), [1; 9]);
    broken.reset_control();
    assert_eq!(draw(&mut broken, 400), drawn);
}

#[test]
fn a_reload_keeps_price_and_costs_but_no_number() {
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    let mut selector = selector(several(), 0);
    let back_to_front = || {
        let front = several();
        let reversed = (0..4).rev().map(|k| {
            let program = front.program_at(k).unwrap();
            let one = Alternative::new(program.program().nodes().to_vec());
            one.price(program.price()).expected(program.expected().cloned()).ran(program.ran().to_vec())
        });
        let programs = reversed.collect();
        front.clone().with_programs(programs, 0).unwrap()
    };
    selector.set_price(0.02).unwrap();
    selector.set_cost_multiplier(LARGE, 3.0).unwrap();
    selector.reload(back_to_front()).unwrap();
    let decides = |selector: &mut Selector| selector.infer(frame).unwrap().program;
    assert_eq!((decides(&mut selector), selector.control().price()), (3, Some(0.02)));
    selector.set_cost_multiplier(LARGE, 1.0).unwrap();
    assert_eq!(decides(&mut selector), 2);
    selector.set_program(3).unwrap();
    selector.reload(back_to_front()).unwrap();
    assert_eq!(decides(&mut selector), 0, "the chosen one");
    // A premodel of one program takes any price, as long as it says what to expect.
    let mut one = alone(&several(), 0);
    assert_eq!(
        Selector::new(tensor_candidates([0.0; 2], [0.0; 2]), one.clone()).unwrap().set_price(1.0).unwrap_err().kind(),
        ErrorKind::Premodel
    );
    one.expected = Some(expected(0.5, 1.0));
    selector.set_price(0.25).unwrap();
    selector.reload(one).unwrap();
    assert_eq!((selector.set_price(7.0).unwrap(), decides(&mut selector)), (0, 0));
}
