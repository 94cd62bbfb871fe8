//! Tests the selector's state machine on engines that run no networks.

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{
    LARGE, SMALL, averaging, cascade, null_candidates, null_engine, of_frames, premodel, premodel_with_risk,
    tensor_candidates,
};
use trt_select::bundle::Scores;
use trt_select::cuda::Format;
use trt_select::engines::{Error as EngineError, ErrorKind as EngineErrorKind};
use trt_select::{Candidate, ErrorKind, Frame, Input, Selector};
use trt_select_base::random::Rng;
use trt_select_premodel::{Answer, CandidateSignal, Mask, Node, Signal, SignalId};

const PIXELS: [u8; 16] = [0, 50, 100, 150, 0, 50, 100, 150, 0, 50, 100, 150, 0, 50, 100, 150];

fn frame() -> Frame<'static> {
    Frame::packed(Format::Gray8, 4, 4, 4, &PIXELS).unwrap()
}

#[test]
fn sure_answers_stop_and_unsure_ones_go_on() {
    let (candidates, counters) = null_candidates(0, |run| if run == 0 { [4.0, 0.0] } else { [0.2, 0.0] });
    let mut selector = Selector::new(candidates, cascade(true)).unwrap();
    let sure = selector.infer(frame()).unwrap();
    assert_eq!((sure.class, sure.answer, sure.ran), (0, Answer::Candidate(SMALL), Mask::of(SMALL)));
    assert!((selector.probabilities()[0] - 0.982_013_8).abs() < 1e-6);
    let unsure = selector.infer(frame()).unwrap();
    assert_eq!((unsure.class, unsure.answer), (1, Answer::Candidate(LARGE)));
    assert_eq!(unsure.ran, Mask::of(SMALL).with(LARGE));
    assert_eq!(counters.each_ref().map(|c| c.load(Ordering::Relaxed)), [2, 1]);
    let why = selector.premodel().why(unsure.node);
    assert_eq!(why, "feature.contrast > 30, ran small, small.margin <= 0.5, ran large");
    let t = unsure.times;
    assert!(t.total_ns >= t.features_ns + t.decide_ns + t.preprocess_ns + t.compute_ns && t.features_ns > 0);
}

#[test]
fn features_that_no_test_reads_are_not_computed() {
    let (candidates, _) = null_candidates(0, |_| [4.0, 0.0]);
    let mut selector = Selector::new(candidates, cascade(false)).unwrap();
    assert_eq!(selector.infer(frame()).unwrap().times.features_ns, 0);
}

#[test]
fn poll_answers_while_an_engine_works() {
    let (candidates, counters) = null_candidates(3, |_| [0.2, 0.0]);
    let mut selector = Selector::new(candidates, cascade(false)).unwrap();
    let mut flight = selector.submit(frame()).unwrap();
    // For each candidate, the poll that starts it and three more answer "not yet".
    for poll in 0..8 {
        assert_eq!(flight.poll().unwrap(), None, "poll {poll}");
        let expected = if poll < 4 { [1, 0] } else { [1, 1] };
        assert_eq!(counters.each_ref().map(|c| c.load(Ordering::Relaxed)), expected, "poll {poll}");
    }
    assert_eq!(flight.poll().unwrap().unwrap().answer, Answer::Candidate(LARGE));
    let error = flight.poll().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
}

#[test]
fn wait_gives_up_in_time_and_can_be_called_again() {
    let (candidates, _) = null_candidates(2, |_| [4.0, 0.0]);
    let mut selector = Selector::new(candidates, cascade(false)).unwrap();
    let mut flight = selector.submit(frame()).unwrap();
    assert_eq!(flight.wait(Duration::ZERO).unwrap(), None);
    assert_eq!(flight.wait(Duration::from_secs(60)).unwrap().unwrap().class, 0);
}

#[test]
fn an_input_given_up_leaves_no_trace() {
    let (candidates, _) = null_candidates(1, |_| [4.0, 0.0]);
    let mut selector = Selector::new(candidates, cascade(false)).unwrap();
    {
        let mut flight = selector.submit(frame()).unwrap();
        assert_eq!(flight.poll().unwrap(), None);
    }
    assert_eq!(selector.infer(frame()).unwrap().class, 0);
}

#[test]
fn a_failure_is_answered_by_the_most_capable_that_works() {
    let broken = |late: bool, polls: u32| {
        let mut engine = null_engine();
        engine.set_polls(polls);
        engine.set_fail_late(late);
        engine.fail_at(0, EngineError::new(EngineErrorKind::Run, "network: expected to run, got a fault; try again"));
        engine
    };
    for (late, polls) in [(false, 0), (false, 2), (true, 2)] {
        let mut large = null_engine();
        large.set_output(0, &[0.0, 9.0]);
        let candidates = vec![of_frames("small", broken(late, polls)), of_frames("large", large)];
        let mut selector = Selector::new(candidates, cascade(false)).unwrap();
        let outcome = selector.infer(frame()).unwrap();
        assert_eq!((outcome.class, outcome.answer), (1, Answer::Candidate(LARGE)));
        assert_eq!((outcome.failed, outcome.ran), (Mask::of(SMALL), Mask::of(LARGE)));
        assert!(selector.failure().unwrap().message().contains("got a fault"));
        // The next input starts afresh, and the candidate works again. All its logits are 0, so it is unsure and the large one runs.
        let next = selector.infer(frame()).unwrap();
        assert_eq!((next.failed, next.ran), (Mask::EMPTY, Mask(3)));
        assert!(selector.failure().is_none());
    }
}

#[test]
fn a_network_that_answers_nan_has_failed() {
    let (candidates, _) = null_candidates(0, |_| [f32::NAN, 0.0]);
    let mut selector = Selector::new(candidates, cascade(false)).unwrap();
    let outcome = selector.infer(frame()).unwrap();
    assert_eq!((outcome.answer, outcome.failed), (Answer::Candidate(LARGE), Mask::of(SMALL)));
}

#[test]
fn where_none_works_the_error_says_why() {
    let broken = || {
        let mut engine = null_engine();
        engine.fail_at(0, EngineError::new(EngineErrorKind::Run, "network: expected to run, got a fault; try again"));
        engine
    };
    let candidates = vec![of_frames("small", broken()), of_frames("large", broken())];
    let mut selector = Selector::new(candidates, cascade(false)).unwrap();
    let error = selector.infer(frame()).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (ErrorKind::Engine, "network: expected to run, got a fault; try again")
    );
    assert!(selector.infer(frame()).is_ok());
}

#[test]
fn own_signals_are_set_by_slot() {
    let signals = vec![Signal::User("speed".into())];
    let nodes = vec![
        Node::test(SignalId(0), 2.0, 1, 3),
        Node::run(LARGE, 2),
        Node::answer(LARGE),
        Node::run(SMALL, 4),
        Node::answer(SMALL),
    ];
    let (candidates, _) = null_candidates(0, |_| [4.0, 0.0]);
    let mut selector = Selector::new(candidates, premodel(signals, nodes)).unwrap();
    assert_eq!(selector.signal_slot("height"), None);
    let slot = selector.signal_slot("speed").unwrap();
    let mut answer = |value: Option<f32>| {
        if let Some(value) = value {
            selector.set_signal(slot, value);
        }
        selector.infer(frame()).unwrap().answer
    };
    assert_eq!(answer(None), Answer::Candidate(SMALL), "unset is NaN: the else branch");
    assert_eq!(answer(Some(2.0)), Answer::Candidate(LARGE));
    assert_eq!(answer(None), Answer::Candidate(LARGE), "it stays until it is set again");
    assert_eq!(answer(Some(2.1)), Answer::Candidate(SMALL));
}

#[test]
fn averages_agreement_and_risk() {
    let signals = vec![Signal::Agreement(SMALL, LARGE), Signal::Candidate(SMALL, CandidateSignal::Risk)];
    // Where the two agree, or the small one's class is risky, the average answers; else the large one.
    let nodes = vec![
        Node::run(SMALL, 1),
        Node::run(LARGE, 2),
        Node::test(SignalId(0), 0.5, 3, 6),
        Node::test(SignalId(1), 0.2, 4, 5),
        Node::answer(LARGE),
        Node::average(Mask(3)),
        Node::answer(SMALL),
    ];
    let model = premodel_with_risk(signals, nodes, vec![vec![0.1, 0.3], vec![0.0, 0.0]]);
    let answer = |small: [f32; 2], large: [f32; 2]| {
        let (mut a, mut b) = (null_engine(), null_engine());
        a.set_output(0, &small);
        b.set_output(0, &large);
        let mut selector = Selector::new(vec![of_frames("small", a), of_frames("large", b)], model.clone()).unwrap();
        let outcome = selector.infer(frame()).unwrap();
        (outcome.answer, outcome.class, selector.probabilities().to_vec())
    };
    assert_eq!(answer([3.0, 0.0], [1.0, 0.0]).0, Answer::Candidate(SMALL), "they agree");
    assert_eq!(answer([3.0, 0.0], [0.0, 1.0]).0, Answer::Candidate(LARGE), "class 0 of the small one is safe");
    // Class 1 is risky. Its probability is 0.953 for the small one and 0.269 for the large one, and 0.611 on average.
    let (who, class, p) = answer([0.0, 3.0], [1.0, 0.0]);
    assert_eq!((who, class), (Answer::Average(Mask(3)), 1));
    assert!((p[1] - 0.610_758).abs() < 1e-5, "{p:?}");
}

#[test]
fn tensors_beside_images() {
    let candidates = || tensor_candidates([0.1, 0.0], [0.0, 5.0]);
    let mut selector = Selector::new(candidates(), cascade(false)).unwrap();
    let values = [0.5; 16];
    assert_eq!(selector.infer(Input::Tensor(&values)).unwrap().class, 1);
    let error = selector.infer(Input::Tensor(&values[..15])).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (
            ErrorKind::Input,
            "input of candidate small: expected 16 elements, got 15; give a tensor of the network's input shape"
        )
    );
    assert_eq!(selector.infer(frame()).unwrap_err().kind(), ErrorKind::Input);
    let mut reading = Selector::new(candidates(), cascade(true)).unwrap();
    assert!(reading.infer(Input::Tensor(&values)).unwrap_err().message().contains("reads image features"));

    let (of_images, _) = null_candidates(0, |_| [4.0, 0.0]);
    let mut selector = Selector::new(of_images, cascade(false)).unwrap();
    assert!(selector.infer(Input::Tensor(&values)).unwrap_err().message().contains("expected a frame"));
}

#[test]
fn what_does_not_fit_is_refused_at_open() {
    let refused = |premodel, expected: &str| {
        let (candidates, _) = null_candidates(0, |_| [4.0, 0.0]);
        let error = Selector::new(candidates, premodel).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Premodel);
        assert!(error.message().contains(expected), "{error}");
    };
    let test_on = |signal| {
        let nodes =
            vec![Node::run(SMALL, 1), Node::test(SignalId(0), 0.5, 2, 3), Node::answer(SMALL), Node::answer(SMALL)];
        premodel(vec![signal], nodes)
    };
    refused(test_on(Signal::Feature("smell".into())), "feature.smell");
    refused(test_on(Signal::Candidate(SMALL, CandidateSignal::Other("boxes".into()))), "small.boxes");
    let (candidates, _) = null_candidates(0, |_| [4.0, 0.0]);
    let swapped: Vec<Candidate> = candidates.into_iter().rev().collect();
    assert!(Selector::new(swapped, cascade(false)).unwrap_err().message().contains("the candidates"));
    let no_such = Candidate::new("x", Box::new(null_engine()), None, Scores::Logits, Some("pixels"), None).unwrap_err();
    assert!(no_such.message().contains("an input named 'pixels'"), "{no_such}");
}

/// A small candidate that is never sure, and a large one. `polls` says how many polls each needs, `takes` how long the small one runs.
fn slow_cascade(polls: [u32; 2], takes: Duration) -> Selector {
    let (mut small, mut large) = (null_engine(), null_engine());
    small.set_function(move |_, outputs| {
        std::thread::sleep(takes);
        outputs[0].copy_from_slice(&[0.1, 0.0]);
    });
    large.set_output(0, &[0.0, 9.0]);
    small.set_polls(polls[0]);
    large.set_polls(polls[1]);
    Selector::new(vec![of_frames("small", small), of_frames("large", large)], cascade(false)).unwrap()
}

#[test]
fn past_its_deadline_an_input_is_answered_with_what_ran() {
    let pixels = [7_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    // In the first case the deadline passes while the first candidate runs, so the second one is not started. In the other case it
    // passes while the second one runs, which is then not waited for.
    for (polls, takes, deadline) in [([0, 0], 5, 2_000), ([3, 2_000_000], 0, 300)] {
        let mut selector = slow_cascade(polls, Duration::from_millis(takes));
        let whole = selector.infer(frame).unwrap();
        assert_eq!((whole.class, whole.late, whole.ran.len()), (1, false, 2));
        selector.set_deadline(Some(Duration::from_micros(deadline)));
        let outcome = selector.infer(frame).unwrap();
        assert!(outcome.late, "{outcome:?}");
        assert_eq!((outcome.class, outcome.answer), (0, Answer::Candidate(SMALL)));
        assert_eq!((outcome.ran, outcome.failed.len()), (Mask::of(SMALL), 0));
        assert_eq!(selector.probabilities(), selector.probabilities_of(SMALL));
        // The next input waits for the run that was left behind, and is then answered in full.
        selector.set_deadline(None);
        assert_eq!(selector.infer(frame).unwrap().class, 1);
        // A deadline with enough time changes nothing.
        selector.set_deadline(Some(Duration::from_secs(600)));
        let outcome = selector.infer(frame).unwrap();
        assert_eq!((outcome.class, outcome.late), (1, false));
    }
}

#[test]
fn past_its_deadline_with_nothing_run_an_input_fails() {
    let pixels = [7_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    for polls in [[0, 0], [2_000_000, 0]] {
        let mut selector = slow_cascade(polls, Duration::ZERO);
        selector.set_deadline(Some(if polls[0] == 0 { Duration::from_nanos(1) } else { Duration::from_micros(300) }));
        let error = selector.infer(frame).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
        assert!(error.to_string().contains("expected") && error.to_string().contains("got"), "{error}");
        // Nothing is in flight, and polling the input says so once more.
        {
            let mut flight = selector.submit(frame).unwrap();
            while matches!(flight.poll(), Ok(None)) {}
            assert_eq!(flight.poll().unwrap_err().kind(), ErrorKind::Usage);
        }
        selector.set_deadline(None);
        assert_eq!(selector.infer(frame).unwrap().class, 1);
    }
}

/// The average of the candidates' probabilities at their temperatures, computed from logits by the formula.
fn plain_average(members: &[([f32; 2], f64, f64)]) -> [f64; 2] {
    let mut sum = [0.0; 2];
    for (logits, weight, t) in members {
        let terms = logits.map(|z| (f64::from(z) / t).exp());
        (0..2).for_each(|i| sum[i] += weight * terms[i] / (terms[0] + terms[1]));
    }
    sum
}

#[test]
fn averages_are_of_calibrated_probabilities() {
    let mut rng = Rng::new(3);
    let mut random = || rng.unit_f32();
    let mut answers = [0; 3];
    for round in 0..300 {
        let (ta, tb) = if round % 3 == 0 { (1.0, 1.0) } else { (0.25 + 3.0 * random(), 0.25 + 3.0 * random()) };
        let weights = (round % 2 == 0).then(|| [random(), 0.0]).map(|[w, _]| [w, 1.0 - w]);
        let (wa, wb) = weights.map_or((0.5, 0.5), |[a, b]| (f64::from(a), f64::from(b)));
        let model = averaging(ta, tb, weights);
        // Probabilities are tested too: some networks give them, and a GPU always does.
        let scores = if round % 5 == 0 { Scores::Probabilities } else { Scores::Logits };
        let candidate = |name: &str, logits: [f32; 2], polls: u32| {
            let mut engine = null_engine();
            match scores {
                Scores::Logits => engine.set_output(0, &logits),
                _ => engine.set_output(0, &plain_average(&[(logits, 1.0, 1.0)]).map(|p| p as f32)),
            }
            engine.set_polls(polls);
            Candidate::new(name, Box::new(engine), None, scores, Some("input"), Some("logits")).unwrap()
        };
        let logits = [[4.0 * random(), 4.0 * random()], [4.0 * random(), 4.0 * random()]];
        let candidates = vec![candidate("small", logits[0], round % 3), candidate("large", logits[1], 0)];
        let mut selector = Selector::new(candidates, model).unwrap();
        let alone = plain_average(&[(logits[0], 1.0, f64::from(ta))]);
        let both = plain_average(&[(logits[0], wa, f64::from(ta)), (logits[1], wb, f64::from(tb))]);
        let top = |p: [f64; 2]| p[0].max(p[1]);
        if (top(alone) - 0.75).abs() < 1e-5 || ((both[0] - both[1]).abs() - 0.125).abs() < 1e-5 {
            continue;
        }
        // Each input is run twice, since an average of the input before must not stay.
        for _ in 0..2 {
            let outcome = selector.infer(Input::Tensor(&[0.5; 16])).unwrap();
            let (answer, expected) = if top(alone) > 0.75 {
                (Answer::Average(Mask::of(SMALL)), alone)
            } else if (both[0] - both[1]).abs() > 0.125 {
                (Answer::Average(Mask(3)), both)
            } else {
                (Answer::Candidate(LARGE), plain_average(&[(logits[1], 1.0, 1.0)]))
            };
            answers[usize::from(outcome.node == 6) + 2 * usize::from(outcome.node == 4)] += 1;
            assert_eq!(outcome.answer, answer, "{round}: {alone:?} {both:?}");
            assert_eq!(outcome.class, u32::from(expected[1] > expected[0]), "{round}");
            assert!((f64::from(outcome.probability) - top(expected)).abs() < 1e-6, "{round}: {outcome:?}");
            for (p, e) in selector.probabilities().iter().zip(expected) {
                assert!((f64::from(*p) - e).abs() < 1e-6, "{round}: {p} {e}");
            }
        }
    }
    assert!(answers.iter().all(|&n| n > 20), "every way is taken: {answers:?}");
}

#[test]
fn averages_follow_each_run() {
    // The small candidate says something else each time. Nothing of the run before may stay.
    let (candidates, _) = null_candidates(2, |run| [0.3 * (run % 7) as f32, 0.0]);
    let mut selector = Selector::new(candidates, averaging(0.5, 2.0, Some([0.5, 0.5]))).unwrap();
    for run in 0..30_u32 {
        let small = [0.3 * (run % 7) as f32, 0.0];
        let outcome = selector.infer(frame()).unwrap();
        let alone = plain_average(&[(small, 1.0, 0.5)]);
        let both = plain_average(&[(small, 0.5, 0.5), ([0.0, 9.0], 0.5, 2.0)]);
        let expected = match outcome.node {
            6 => alone,
            5 => both,
            _ => plain_average(&[([0.0, 9.0], 1.0, 1.0)]),
        };
        assert_eq!(outcome.node == 6, alone[0] > 0.75, "{run}: {outcome:?}");
        assert!((f64::from(selector.probabilities()[0]) - expected[0]).abs() < 1e-6, "{run}: {outcome:?}");
    }
}
