//! Several programs in one premodel decide as each of them decides alone.

#![cfg(feature = "json")]

use trt_select_base::random::Rng;
use trt_select_premodel::{
    Alternative, Average, Board, CandidateId, Control, Mask, Node, Premodel, Request, Scores, Signal, SignalId, Top,
    TrainedFor,
};

const NAMES: [&str; 3] = ["a", "b", "c"];
const CLASSES: usize = 4;
const SIGNALS: [&str; 16] = [
    "feature.contrast",
    "signal.own",
    "a.top1",
    "a.margin",
    "a.entropy",
    "a.risk",
    "b.top1",
    "b.margin",
    "c.risk",
    "c.entropy",
    "agree.a.b",
    "agree.b.c",
    "avg.a.top1",
    "avg.a+b.top1",
    "avg.a+b.margin",
    "avg.a+b+c.top1",
];

/// A program of random tests, Runs and answers.
fn nodes(signals: &[Signal], r: &mut Rng) -> Vec<Node> {
    fn grow(nodes: &mut Vec<Node>, signals: &[Signal], ran: Mask, depth: u32, r: &mut Rng) -> u16 {
        let at = nodes.len() as u16;
        nodes.push(Node::answer(CandidateId(0)));
        let may_read: Vec<u16> =
            (0_u16..).zip(signals).filter(|(_, s)| s.needs().without(ran).is_empty()).map(|(i, _)| i).collect();
        let may_run: Vec<CandidateId> = (0..3).map(CandidateId).filter(|&c| !ran.has(c)).collect();
        nodes[usize::from(at)] = if depth < 6 && r.below(10) < 6 {
            let then = grow(nodes, signals, ran, depth + 1, r);
            let otherwise = grow(nodes, signals, ran, depth + 1, r);
            Node::test(SignalId(r.pick(&may_read)), r.unit_f32(), then, otherwise)
        } else if ran.is_empty() || (!may_run.is_empty() && r.below(3) > 0) {
            let c = r.pick(&may_run);
            Node::run(c, grow(nodes, signals, ran.with(c), depth + 1, r))
        } else if r.below(2) == 0 {
            Node::average(ran)
        } else {
            Node::answer(ran.iter().nth(r.below(ran.len() as usize)).expect("one of them"))
        };
        at
    }
    let mut nodes = Vec::new();
    grow(&mut nodes, signals, Mask::EMPTY, 0, r);
    nodes
}

/// A premodel of this many programs.
fn front(count: usize, r: &mut Rng) -> Premodel {
    let names: Vec<String> = NAMES.map(String::from).into();
    let signals: Vec<Signal> = SIGNALS.iter().map(|name| Signal::parse(name, &names).expect("a signal")).collect();
    let programs: Vec<Alternative> = (0..count).map(|_| Alternative::new(nodes(&signals, r))).collect();
    let risk = vec![vec![0.1, 0.2, 0.3, 0.4]; 3];
    let first = programs[0].nodes.clone();
    let fallback = vec![CandidateId(2), CandidateId(0)];
    let trained_for = TrainedFor::of_costs(vec![1.0; 3]);
    let weights = Average { of: Mask(3), weights: vec![0.25, 0.75] };
    Premodel::new(names, CLASSES as u32, signals, first, fallback, risk, trained_for)
        .and_then(|premodel| premodel.with_calibration(vec![2.0, 1.0, 0.5], vec![weights]))
        .and_then(|premodel| premodel.with_programs(programs, r.below(count)))
        .expect("sound programs")
}

/// The premodel of one of the programs alone.
fn alone(front: &Premodel, number: usize) -> Premodel {
    let nodes = front.program_at(number).expect("it is there").program().nodes().to_vec();
    front.clone().with_programs(vec![Alternative::new(nodes)], 0).expect("it was sound before")
}

/// All that an input leads to: what the program asked for, the bits of all signals at each step, the answer and its probabilities.
type Course = (Vec<Request>, Vec<Vec<u32>>, Option<Top>, Vec<f32>);

/// What the networks say of an input, and which candidate fails on it.
struct Row {
    contrast: f32,
    logits: [[f32; CLASSES]; 3],
    failing: Option<CandidateId>,
}

fn walk(premodel: &Premodel, number: usize, board: &mut Board, row: &Row) -> Course {
    let program = premodel.program_number(number);
    let mut walk = program.start();
    let (mut requests, mut seen) = (Vec::new(), Vec::new());
    let bits = |board: &Board| board.values().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    board.set(SignalId(0), row.contrast);
    let mut failed = None;
    let answer = loop {
        let request = failed.take().unwrap_or_else(|| program.step(&mut walk, board.values()));
        requests.push(request);
        seen.push(bits(board));
        match request {
            Request::Run(c) if row.failing == Some(c) => failed = Some(program.failed(&mut walk, c)),
            Request::Run(c) => {
                board.take_scores(c, Scores::Logits, &row.logits[c.index()]).expect("finite numbers");
            }
            Request::Answer(answer) => break answer,
            Request::NoneWorks => return (requests, seen, None, Vec::new()),
        }
    };
    let top = board.answer(answer);
    (requests, seen, top, board.probabilities(answer).to_vec())
}

#[test]
fn each_program_decides_as_it_does_alone() {
    let mut r = Rng::new(2026);
    let (mut answers, mut averages, mut failures) = (0, 0, 0);
    for _ in 0..60 {
        let count = 2 + r.below(9);
        let front = front(count, &mut r);
        // The file gives back the same programs.
        assert_eq!(Premodel::from_json(&front.to_json()).expect("its own file"), front);
        let singles: Vec<Premodel> = (0..count).map(|k| alone(&front, k)).collect();
        let mut together = Board::new(&front, CLASSES);
        let mut boards: Vec<Board> = singles.iter().map(|single| Board::new(single, CLASSES)).collect();
        assert_eq!(together.program(), front.chosen());
        let own = r.unit_f32();
        together.set(SignalId(1), own);
        boards.iter_mut().for_each(|board| assert!(board.set(SignalId(1), own)));
        let mut control = Control::new(&front);
        for _ in 0..400 {
            let mut logits = [[0.0; CLASSES]; 3];
            logits.as_flattened_mut().iter_mut().for_each(|x| *x = 6.0 * r.unit_f32());
            let failing = (r.below(5) == 0).then(|| CandidateId(r.below(3) as u8));
            let row = Row { contrast: r.unit_f32(), logits, failing };
            let k = r.below(count);
            control.set_program(k).expect("it is there");
            together.begin_for(control.next_program());
            boards[k].begin();
            let course = walk(&front, k, &mut together, &row);
            assert_eq!(course, walk(&singles[k], 0, &mut boards[k], &row), "program {k} of\n{}", front.to_json());
            answers += usize::from(course.2.is_some());
            averages += usize::from(matches!(course.0.last(), Some(Request::Answer(a)) if a.needs().len() > 1));
            failures += usize::from(course.1.len() > 2 && row.failing.is_some());
        }
    }
    assert!(answers > 20_000 && averages > 1_000 && failures > 500, "{answers} {averages} {failures}");
}

#[test]
fn a_program_that_is_not_sound_is_named() {
    let front = front(3, &mut Rng::new(1));
    let sound = || front.program_at(0).unwrap().program().nodes().to_vec();
    // Answers with a candidate that did not run.
    let unsound = Alternative::new(vec![Node::run(CandidateId(0), 1), Node::answer(CandidateId(1))]);
    let error = front.clone().with_programs(vec![Alternative::new(sound()), unsound], 0).unwrap_err();
    assert!(error.to_string().starts_with("programs[1]: "), "{error}");
    assert!(std::error::Error::source(&error).is_some());
    let error = front.clone().with_chosen(3).unwrap_err().to_string();
    assert_eq!(error, "program: expected a number from 0 to 2, got 3; name another");
    assert!(front.program_at(3).is_none());
}
