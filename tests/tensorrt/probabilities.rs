//! Probabilities stay in the memory that the device writes until somebody needs them: an average, or the user. Whoever asks, and whenever,
//! gets those of the right run.

use std::time::Duration;

use trt_select::premodel::{
    Answer, Average, AverageSignal, CandidateId, CandidateSignal, Mask, Node, Premodel, Signal, SignalId,
};
use trt_select::{Outcome, Selector};

use super::doubles::with_doubles;
use super::toy::{CLASSES, premodel, premodel_of};
use super::{assert_same, on_cpu, open, pictures};

/// The probabilities of the outcome and of every candidate are those of the CPU.
#[track_caller]
fn assert_same_probabilities(gpu: &Selector, cpu: &Selector, what: &str) {
    let of = |selector: &Selector| {
        let each = [0, 1, 2].map(|c| selector.probabilities_of(CandidateId(c)).to_vec());
        [selector.probabilities().to_vec(), each[0].clone(), each[1].clone(), each[2].clone()]
    };
    for (at, (gpu, cpu)) in of(gpu).iter().zip(&of(cpu)).enumerate() {
        assert_eq!(gpu.len(), cpu.len(), "{what}: {at}");
        for (a, b) in gpu.iter().zip(cpu) {
            assert!((a - b).abs() < 2e-6, "{what}: {at}: {gpu:?} {cpu:?}");
        }
    }
}

/// All three run; tests read the average of the first two, at temperatures, and that of all three answers unless the first one is sure.
fn averaging() -> Premodel {
    let [small, middle, large] = [CandidateId(0), CandidateId(1), CandidateId(2)];
    let (two, all) = (Mask::of(small).with(middle), Mask::of(small).with(middle).with(large));
    let signals = vec![
        Signal::Average(two, AverageSignal::Top1),
        Signal::Average(two, AverageSignal::Margin),
        Signal::Candidate(small, CandidateSignal::Top1),
    ];
    let nodes = vec![
        Node::run(small, 1),
        Node::run(middle, 2),
        Node::test(SignalId(0), 0.3, 3, 9),
        Node::run(large, 4),
        Node::test(SignalId(1), 0.08, 5, 8),
        Node::test(SignalId(2), 0.2, 6, 7),
        Node::average(all),
        Node::average(all),
        Node::average(all),
        Node::answer(middle),
    ];
    let weights = |of, weights| Average { of, weights };
    premodel_of(signals, nodes)
        .with_calibration(
            vec![1.5, 1.0, 0.7],
            vec![weights(two, vec![0.25, 0.75]), weights(all, vec![0.5, 0.25, 0.25])],
        )
        .expect("calibrated")
}

#[test]
fn probabilities_are_copied_when_somebody_asks() {
    with_doubles("probabilities::probabilities_are_copied_when_somebody_asks", &[], |doubles| {
        let pictures = pictures(24);
        let (mut gpu, mut cpu) = (open(doubles).expect("open"), on_cpu(doubles));
        let (mut singles, mut averages) = (0, 0);
        for picture in &pictures {
            let outcome = gpu.infer(picture.frame()).expect("answered");
            assert_same(&outcome, &cpu.infer(picture.frame()).expect("answered"), "lazy");
            let filled = doubles.cuda.fill_mapped(4 * CLASSES as u64, 0);
            assert_eq!(filled, 3, "a block for each candidate");
            if let Answer::Candidate(answer) = outcome.answer {
                // Nobody had needed them, so they were still in the device's memory.
                assert_eq!(
                    (gpu.probabilities(), gpu.probabilities_of(answer)),
                    (&[0.0; CLASSES][..], &[0.0; CLASSES][..])
                );
                singles += 1;
            } else {
                assert_same_probabilities(&gpu, &cpu, "an average has needed them");
                averages += 1;
            }
        }
        assert!(singles > 0 && averages > 0, "{singles} {averages}");
        drop(gpu);
        doubles.assert_all_freed();
    });
}

#[test]
fn probabilities_are_right_whenever_they_are_asked_for() {
    with_doubles("probabilities::probabilities_are_right_whenever_they_are_asked_for", &[], |doubles| {
        let pictures = pictures(24);
        let (mut gpu, mut cpu) = (open(doubles).expect("open"), on_cpu(doubles));
        let mut ends = std::collections::HashSet::new();
        for premodel in [premodel(), averaging()] {
            gpu.reload(premodel.clone()).expect("reloaded");
            cpu.reload(premodel).expect("reloaded");
            for (at, picture) in pictures.iter().enumerate() {
                let outcome: Outcome = gpu.infer(picture.frame()).expect("answered");
                assert_same(&outcome, &cpu.infer(picture.frame()).expect("answered"), "an outcome");
                ends.insert((outcome.answer, outcome.node));
                for (a, b) in gpu.signals().iter().zip(cpu.signals()) {
                    assert!((a - b).abs() < 1e-4 || (a.is_nan() && b.is_nan()), "{a} {b}");
                }
                if at % 2 == 0 {
                    assert_same_probabilities(&gpu, &cpu, "at once");
                }
                // Another input by a single candidate: the lanes have run again, and the outcome's probabilities stay.
                let other = pictures[(at + 7) % pictures.len()].frame();
                for candidate in [0, 1, 2].map(CandidateId) {
                    gpu.run_single(candidate, other).expect("run");
                    let (ours, theirs) = (gpu.set().probabilities(candidate), {
                        cpu.run_single(candidate, other).expect("run");
                        cpu.set().probabilities(candidate)
                    });
                    assert!(ours.len() == CLASSES && ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 2e-6));
                }
                assert_same_probabilities(&gpu, &cpu, "after single runs");
                // An input in flight has none of the last one's.
                doubles.cuda.delay(u64::MAX);
                let _ = gpu.submit(picture.frame()).expect("submitted");
                assert!(gpu.probabilities().is_empty() && gpu.probabilities_of(CandidateId(0)).is_empty());
                doubles.cuda.delay(0);
            }
        }
        assert!(
            ends.len() >= 5 && ends.iter().any(|(answer, _)| matches!(answer, Answer::Average(of) if of.len() == 3))
        );
        drop(gpu);
        doubles.assert_all_freed();
    });
}

/// A deadline ends the input while a second candidate is at work. The first one's probabilities are there all the same, also when the second
/// one has come to its end.
#[test]
fn probabilities_outlive_a_deadline() {
    with_doubles("probabilities::probabilities_outlive_a_deadline", &[], |doubles| {
        let pictures = pictures(24);
        let (mut gpu, mut cpu) = (open(doubles).expect("open"), on_cpu(doubles));
        let mut late = 0;
        for picture in &pictures {
            gpu.set_deadline(None);
            gpu.warm_up(picture.frame().into()).expect("warm");
            doubles.cuda.delay(u64::MAX);
            gpu.set_deadline(Some(Duration::from_millis(50)));
            let mut flight = gpu.submit(picture.frame()).expect("submitted");
            let mut released = 0;
            let outcome = loop {
                if let Some(outcome) = flight.poll().expect("no failure") {
                    break outcome;
                }
                if released < 2 {
                    doubles.cuda.release();
                    released += 1;
                }
            };
            cpu.infer(picture.frame()).expect("answered");
            if let (true, Answer::Candidate(answer)) = (outcome.late, outcome.answer) {
                doubles.cuda.release();
                let (ours, theirs) = (gpu.probabilities_of(answer), cpu.probabilities_of(answer));
                assert!(ours.len() == CLASSES && ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < 2e-6));
                assert_eq!(gpu.probabilities(), ours);
                late += 1;
            }
            doubles.cuda.delay(0);
        }
        assert!(late > 0, "no picture asked for two networks");
        drop(gpu);
        doubles.assert_all_freed();
    });
}
