use alloc::string::ToString;

use super::*;
use crate::{Node, TrainedFor};

const A: CandidateId = CandidateId(0);
const B: CandidateId = CandidateId(1);
const AB: Mask = Mask(3);
const SIGNALS: [&str; 10] = [
    "feature.x",
    "signal.own",
    "a.top1",
    "a.margin",
    "a.entropy",
    "b.risk",
    "agree.a.b",
    "avg.a.top1",
    "avg.a+b.margin",
    "a.boxes",
];

/// Reads every signal once on the way to the average of both.
fn premodel() -> Premodel {
    let names = Vec::from(["a", "b"].map(|n| n.to_string()));
    let signals: Vec<Signal> = SIGNALS.iter().map(|name| Signal::parse(name, &names).unwrap()).collect();
    let mut nodes = vec![Node::run(A, 1), Node::run(B, 2)];
    for at in 0..SIGNALS.len() as u16 {
        let here = nodes.len() as u16;
        nodes.extend([Node::test(SignalId(at), 0.5, here + 1, here + 2), Node::average(AB)]);
    }
    nodes.push(Node::answer(B));
    let risk = vec![vec![0.0; 3], vec![0.25, 0.5, 0.75]];
    let trained_for = TrainedFor::of_costs(vec![1.0, 2.0]);
    let weights = crate::Average { of: AB, weights: vec![0.25, 0.75] };
    let model = Premodel::new(names, 3, signals, nodes, vec![B], risk, trained_for).unwrap();
    model.with_calibration(vec![2.0, 1.0], vec![weights]).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

const LOGITS: [[f32; 3]; 2] = [[2.0, 0.0, 1.0], [0.0, 3.0, 1.0]];

#[test]
fn signals_come_with_their_candidates() {
    let mut board = Board::new(&premodel(), 3);
    let unset = bits(board.values());
    assert!(board.set(SignalId(1), 0.5) && board.set(SignalId(0), 7.0) && !board.set(SignalId(10), 1.0));
    board.begin();
    let mut expected = [f32::NAN; 10];
    expected[1] = 0.5;
    assert_eq!(bits(board.values()), bits(&expected), "own signals stay, all others go");
    assert_eq!((board.answer(Answer::Candidate(A)), board.answer(Answer::Average(AB))), (None, None));
    assert!(
        board.probabilities(Answer::Candidate(A)).is_empty() && board.probabilities(Answer::Average(AB)).is_empty()
    );

    let a = board.take_scores(A, Scores::Logits, &LOGITS[0]).unwrap();
    let mut p = [[0.0; 3]; 2];
    assert_eq!(crate::summarise(&LOGITS[0], Scores::Logits, &mut p[0]), Some(a));
    let mut sharpened = [0.0; 3];
    of_logits(&LOGITS[0], 2.0, &mut sharpened);
    (expected[2], expected[3], expected[4], expected[7]) = (a.top1, a.margin, a.entropy, Top::of(&sharpened).top1);
    assert_eq!(bits(board.values()), bits(&expected), "of a alone");

    let b = board.take_scores(B, Scores::Logits, &LOGITS[1]).unwrap();
    crate::summarise(&LOGITS[1], Scores::Logits, &mut p[1]).unwrap();
    let mixed: Vec<f32> = sharpened.iter().zip(&p[1]).map(|(a, b)| (0.0 + 0.25 * a) + 0.75 * b).collect();
    (expected[5], expected[6], expected[8]) = (0.5, 0.0, Top::of(&mixed).margin);
    assert_eq!(bits(board.values()), bits(&expected), "of both");
    assert_eq!((board.summary(A), board.summary(B), board.reported()), (Some(a), Some(b), AB));
    assert_eq!(board.answer(Answer::Average(AB)), Some(Top::of(&mixed)));
    assert_eq!(board.probabilities(Answer::Average(AB)), mixed);
    assert_eq!(board.answer(Answer::Candidate(B)).map(|top| (top.class, top.top1)), Some((b.class, b.top1)));
    assert_eq!(board.probabilities(Answer::Candidate(B)), p[1]);

    board.begin();
    assert_eq!((board.summary(A), board.answer(Answer::Average(AB)), board.reported()), (None, None, Mask::EMPTY));
    assert_eq!(unset.len(), 10);
}

#[test]
fn an_output_that_cannot_be_trusted_leaves_no_signal() {
    let mut board = Board::new(&premodel(), 3);
    board.begin();
    for (c, logits) in [A, B].into_iter().zip(&LOGITS) {
        board.take_scores(c, Scores::Logits, logits).unwrap();
    }
    assert!(board.answer(Answer::Average(AB)).is_some());
    assert_eq!(board.take_scores(A, Scores::Logits, &[0.0, f32::NAN, 1.0]), None);
    let is_set: Vec<bool> = board.values().iter().map(|v| !v.is_nan()).collect();
    // Of b: its risk.
    assert_eq!(is_set, [false, false, false, false, false, true, false, false, false, false]);
    assert_eq!((board.summary(A), board.answer(Answer::Average(AB))), (None, None));
    assert_eq!(board.take_scores(CandidateId(2), Scores::Logits, &[0.0; 3]), None);
    assert_eq!(board.take_scores(B, Scores::Logits, &[0.0; 2]), None, "another number of classes");
}

#[test]
fn what_was_computed_elsewhere_counts_alike() {
    let (mut ours, mut theirs) = (Board::new(&premodel(), 3), Board::new(&premodel(), 3));
    for (c, logits) in [A, B].into_iter().zip(&LOGITS) {
        let mut p = [0.0; 3];
        let summary = crate::summarise(logits, Scores::Logits, &mut p).unwrap();
        let again = ours.take_scores(c, Scores::Probabilities, &p).unwrap();
        assert_eq!((again.class, again.top1, again.margin), (summary.class, summary.top1, summary.margin));
        theirs.probabilities_mut(c).copy_from_slice(&p);
        theirs.take_summary(c, again);
    }
    assert_eq!(bits(ours.values()), bits(theirs.values()));
    // Sooner or later, a candidate may say something else: its averages are made anew.
    let before = ours.answer(Answer::Average(AB));
    ours.take_scores(A, Scores::Logits, &[0.0, 9.0, 0.0]).unwrap();
    assert_ne!(ours.answer(Answer::Average(AB)), before);
}

/// Probabilities may come after the summary. Until then nothing is made of them: neither the old ones nor an average.
#[test]
fn probabilities_may_come_later() {
    let (mut ours, mut theirs) = (Board::new(&premodel(), 3), Board::new(&premodel(), 3));
    for round in 0..2 {
        ours.begin();
        theirs.begin();
        let mut p = [[0.0; 3]; 2];
        for (c, logits) in [A, B].into_iter().zip(&LOGITS) {
            let p = &mut p[c.index()];
            crate::summarise(&logits.map(|x| x * (1.0 + round as f32)), Scores::Logits, p).unwrap();
            let summary = ours.take_scores(c, Scores::Probabilities, p).unwrap();
            theirs.take_summary_alone(c, summary);
            assert!(theirs.probabilities(Answer::Candidate(c)).is_empty());
        }
        assert_eq!(theirs.answer(Answer::Candidate(B)), ours.answer(Answer::Candidate(B)));
        // The average of both is not computed of what an earlier input left behind.
        assert!(theirs.values()[8].is_nan() && theirs.answer(Answer::Average(AB)).is_none());
        assert_eq!(theirs.without_probabilities(AB).fold(Mask::EMPTY, Mask::with), AB);
        assert!(!theirs.take_probabilities(A, &[0.5; 2]) && !theirs.take_probabilities(CandidateId(2), &p[0]));
        for c in [A, B] {
            assert!(theirs.take_probabilities(c, &p[c.index()]));
            assert_eq!(theirs.probabilities(Answer::Candidate(c)), p[c.index()]);
        }
        assert!(theirs.without_probabilities(AB).next().is_none());
        assert_eq!(theirs.answer(Answer::Average(AB)), ours.answer(Answer::Average(AB)));
    }
    ours.begin();
    assert!(!ours.take_probabilities(A, &[1.0, 0.0, 0.0]), "it has not reported on this input");
    // Tests read the average of `a` alone, and that of both once both have reported.
    assert_eq!((ours.reads_probabilities_with(A), ours.reads_probabilities_with(B)), (Mask::of(A), Mask::EMPTY));
    ours.take_scores(A, Scores::Logits, &LOGITS[0]).unwrap();
    assert_eq!((ours.reads_probabilities_with(A), ours.reads_probabilities_with(B)), (Mask::of(A), AB));
}

#[test]
fn averages_are_of_equally_many_classes() {
    let mut board = Board::new(&premodel(), 3);
    board.resize(B, 2);
    assert_eq!((board.classes(A), board.classes(B)), (3, 2));
    board.take_scores(A, Scores::Logits, &LOGITS[0]).unwrap();
    board.take_scores(B, Scores::Logits, &[0.0, 1.0]).unwrap();
    assert!(board.values()[8].is_nan() && board.answer(Answer::Average(AB)).is_none());
    board.resize(A, 2);
    assert!(board.summary(A).is_none() && board.values()[7].is_nan());
    board.take_scores(A, Scores::Logits, &[1.0, 0.0]).unwrap();
    assert!(board.answer(Answer::Average(AB)).is_some() && board.probabilities(Answer::Average(AB)).len() == 2);
    // Without a premodel there is no signal, but all that candidates say.
    let mut plain = Board::of_outputs(2, 3);
    plain.take_scores(A, Scores::Logits, &LOGITS[0]).unwrap();
    assert!(plain.values().is_empty() && plain.summary(A).is_some() && plain.summary(B).is_none());
}
