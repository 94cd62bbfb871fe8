//! A selector whose premodel was compiled into the library gives the same answers as one with another premodel of the same meaning, which
//! is walked. If the library was built without `TRT_SELECT_PREMODEL`, nothing is compiled in, and the test checks only that.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{LARGE, SMALL, cascade, null_candidates, sure_on_two_of_three};
use trt_select::cuda::Format;
use trt_select::{BAKED_PROGRAM, Frame, Selector};
use trt_select_premodel::{Alternative, Premodel};

#[test]
fn only_the_program_that_was_compiled_in_is_taken_for_it() {
    let premodel = cascade(false);
    let hash = premodel.program().hash();
    let (candidates, _) = null_candidates(0, |_| [4.0, 0.0]);
    let selector = Selector::new(candidates, premodel).unwrap();
    assert_eq!(selector.is_baked(), BAKED_PROGRAM == Some(hash));
}

/// The premodel that was compiled in; `None`, with the reason printed, where another one was or none.
fn compiled_in() -> Option<Premodel> {
    let premodel = Premodel::from_json(include_str!("baked.json")).unwrap();
    let is_compiled_in = BAKED_PROGRAM == Some(premodel.program().hash());
    if !is_compiled_in {
        println!("skipped: the library was not built with TRT_SELECT_PREMODEL=tests/baked.json");
    }
    is_compiled_in.then_some(premodel)
}

#[test]
fn among_several_programs_the_compiled_in_one_decides_as_it_is_walked() {
    let Some(premodel) = compiled_in() else { return };
    let between_singles = |premodel: &Premodel| {
        let program = Alternative::new(premodel.program().nodes().to_vec());
        let programs = vec![Alternative::single(SMALL, 2), program, Alternative::single(LARGE, 2)];
        premodel.clone().with_programs(programs, 0).unwrap()
    };
    let selector = |premodel: &Premodel| {
        let (candidates, runs) = null_candidates(0, sure_on_two_of_three);
        (Selector::new(candidates, between_singles(premodel)).unwrap(), runs)
    };
    let ((mut baked, runs), (mut walking, _)) = (selector(&premodel), selector(&cascade(true)));
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    let mut ran = [0_u32; 3];
    for input in 0..90 {
        let number = input % 3;
        baked.set_program(number).unwrap();
        walking.set_program(number).unwrap();
        assert_eq!((baked.is_baked(), walking.is_baked()), (number == 1, false));
        let (x, y) = (baked.infer(frame).unwrap(), walking.infer(frame).unwrap());
        assert_eq!((x.program, x.class, x.answer, x.ran), (number, y.class, y.answer, y.ran));
        ran[number] += x.ran.len();
    }
    assert!(ran[0] == 30 && ran[2] == 30 && ran[1] > 30 && ran[1] < 60, "one candidate, both ways, one: {ran:?}");
    assert_eq!(runs[0].load(Ordering::Relaxed), 60, "the small one alone and first in the cascade");
}

#[test]
fn the_compiled_in_program_answers_as_the_walk_does() {
    let Some(premodel) = compiled_in() else { return };
    // This premodel has the same meaning, but its array has one node more. Its hash differs, so it is walked.
    let walked = cascade(true);
    let ((a, runs_a), (b, runs_b)) =
        (null_candidates(0, sure_on_two_of_three), null_candidates(0, sure_on_two_of_three));
    let (mut baked, mut walking) = (Selector::new(a, premodel).unwrap(), Selector::new(b, walked).unwrap());
    assert!(baked.is_baked() && !walking.is_baked());
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    for _ in 0..30 {
        let (x, y) = (baked.infer(frame).unwrap(), walking.infer(frame).unwrap());
        assert_eq!((x.class, x.answer, x.ran, x.failed), (y.class, y.answer, y.ran, y.failed));
    }
    let counts = |runs: [Arc<AtomicU64>; 2]| runs.map(|r| r.load(Ordering::Relaxed));
    let counts = (counts(runs_a), counts(runs_b));
    assert_eq!(counts.0, counts.1);
    assert!(counts.0[1] > 0 && counts.0[1] < counts.0[0], "both ways were gone: {counts:?}");
}
