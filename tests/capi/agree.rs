//! The selector, the decider, the judge, the board and the code that `compile` writes make the same steps and compute the same
//! bits of every signal: on random programs with random outputs of candidates, and on the fashion bundle with the logits of its
//! 10,000 test images. The walk with a bare `Board` in [`trace`] is the reference that all others are compared with.

mod forms;
mod programs;

use std::path::Path;
use std::process::Command;

use trt_select::bundle::Bundle;
use trt_select::engines::registry::{self, EngineKind};
use trt_select::engines::{Engine, OpenOptions};
use trt_select::premodel::{Answer, Board, Premodel, Request, Scores, Signal, SignalId};
use trt_select::preprocess::Preprocess;
use trt_select::samples::{Buffer, Sample, Samples};
use trt_select::train::{ProfileBoard, judge};
use trt_select::{ErrorKind, Frame, Input, OpenConfig, Selector};

use super::library::{archive, client, compilers, root, run};
use forms::{Forms, decide_in_c};
use programs::{Row, Subject};

/// A request encoded in a word of 32 bits. The harnesses in C and Rust write the same words.
fn word(request: Request) -> u32 {
    match request {
        Request::Run(c) => 1 << 24 | u32::from(c.0) << 16,
        Request::Answer(Answer::Candidate(c)) => 2 << 24 | u32::from(c.0) << 16,
        Request::Answer(Answer::Average(mask)) => 3 << 24 | u32::from(mask.0),
        Request::NoneWorks => 0,
    }
}

/// A hash (FNV-1a) of the bits of all probabilities.
fn hash(probabilities: &[f32]) -> u32 {
    probabilities.iter().fold(0x811c_9dc5, |hash, p| (hash ^ p.to_bits()).wrapping_mul(0x0100_0193))
}

/// Walks a subject's program on a row, and appends to `words` what it did: each request followed by the values of all signals,
/// then the answer, then the node that the walk ended at. Returns the last request and that node.
fn trace(subject: &Subject, row: &Row, board: &mut Board, words: &mut Vec<u32>) -> (Request, usize) {
    let program = subject.premodel.program();
    board.begin();
    for (&signal, &value) in subject.own.iter().zip(&row.own) {
        board.set(signal, value);
    }
    let mut walk = program.start();
    let mut request = program.step(&mut walk, board.values());
    loop {
        words.push(word(request));
        words.extend(board.values().iter().map(|v| v.to_bits()));
        let Request::Run(c) = request else { break };
        let output = &row.outputs[c.index()];
        request = match board.take_scores(c, subject.kinds[c.index()], output) {
            Some(_) => program.step(&mut walk, board.values()),
            None => program.failed(&mut walk, c),
        };
    }
    match request {
        Request::Answer(answer) => {
            let top = board.answer(answer).expect("its candidates ran");
            let all = hash(board.probabilities(answer));
            words.extend([1, top.class, top.top1.to_bits(), top.margin.to_bits(), all]);
        }
        _ => words.push(0),
    }
    words.push(0xff00_0000 | walk.node() as u32);
    (request, walk.node())
}

/// Runs the rows through a selector, and compares its outcome and its final signals with those of [`trace`].
fn through_a_selector(subject: &Subject, rows: &[Row]) {
    let mut selector = subject.selector(rows);
    let mut board = Board::new(&subject.premodel, subject.classes);
    for (i, row) in rows.iter().enumerate() {
        let mut words = Vec::new();
        let (request, node) = trace(subject, row, &mut board, &mut words);
        for (name, &value) in subject.own_names.iter().zip(&row.own) {
            let slot = selector.signal_slot(name).expect("one of the premodel's");
            selector.set_signal(slot, value);
        }
        let outcome = selector.infer(Input::Tensor(&[i as f32]));
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        assert_eq!(bits(selector.signals()), bits(board.values()), "{}: row {i}", subject.name);
        match (request, outcome) {
            (Request::Answer(answer), Ok(outcome)) => {
                let top = board.answer(answer).expect("its candidates ran");
                assert_eq!((outcome.answer, outcome.node), (answer, node), "{}: row {i}", subject.name);
                assert_eq!((outcome.class, outcome.probability), (top.class, top.top1), "{}: row {i}", subject.name);
                assert_eq!(bits(selector.probabilities()), bits(board.probabilities(answer)));
                assert_eq!(outcome.ran, board.reported(), "{}: row {i}", subject.name);
            }
            (Request::NoneWorks, Err(error)) => assert_eq!(error.kind(), ErrorKind::Engine),
            (request, outcome) => panic!("{}: row {i}: {request:?}, {outcome:?}", subject.name),
        }
    }
}

#[test]
fn random_programs_agree_in_every_form() {
    let subjects = programs::random(16);
    let dir = tempfile::tempdir().expect("a folder");
    let mut forms = Forms::new(dir.path());
    let mut steps = 0;
    let mut averages = 0;
    let mut failures = 0;
    for subject in &subjects {
        let rows = subject.rows(300);
        let mut board = Board::new(&subject.premodel, subject.classes);
        let mut words = Vec::new();
        for row in &rows {
            let (request, _) = trace(subject, row, &mut board, &mut words);
            averages += usize::from(matches!(request, Request::Answer(Answer::Average(_))));
            failures += usize::from(request == Request::NoneWorks);
        }
        steps += words.len();
        through_a_selector(subject, &rows);
        let decided = decide_in_c(subject, &rows);
        assert_eq!(words.len(), decided.len(), "{}", subject.name);
        let differs = words.iter().zip(&decided).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{}: the decider differs", subject.name);
        forms.add(subject, &rows, &words);
    }
    println!(
        "{} programs, {steps} words, {averages} answers by averages, {failures} rows on which nothing works",
        subjects.len()
    );
    assert!(averages > 300 && failures > 10 && steps > 100_000);
    forms.compare("random");
}

fn frame_of(buffer: &Buffer) -> Frame<'_> {
    let Sample::Image { format, width_px, height_px, stride_bytes, bytes } = buffer.sample() else {
        panic!("expected an image")
    };
    Frame::packed(format, width_px, height_px, stride_bytes, bytes).expect("a frame")
}

/// Where a profile holds the probabilities of all classes, the trainer's judge walks its rows with the same bits of every signal as
/// a selector.
#[test]
fn the_judge_walks_as_the_selector_does() {
    let mut judged_rows = 0;
    for mut subject in programs::random(30) {
        if subject.classes > 40 {
            continue;
        }
        subject.kinds.fill(Scores::Probabilities);
        let trusted = |row: &Row| row.outputs.iter().flatten().all(|p| (0.0..=1.001).contains(p));
        let mut rows = subject.rows(200);
        rows.retain(trusted);
        rows.iter_mut().flat_map(|row| &mut row.outputs).flatten().for_each(|p| *p = p.min(1.0));
        let profile = programs::profile(&subject, &rows);
        let judged = judge(&subject.premodel, &profile).expect("all that the program reads is there");
        let mut theirs = ProfileBoard::new(&subject.premodel, &profile).expect("as above");
        let program = subject.premodel.program();
        let signals = subject.premodel.signals().len();
        let read: Vec<usize> = program.reads().map(|signal| signal.index()).collect();
        let mut ours = Board::new(&subject.premodel, subject.classes);
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<u32>>();
        for (i, row) in rows.iter().enumerate() {
            let mut words = Vec::new();
            let (request, _) = trace(&subject, row, &mut ours, &mut words);
            assert_eq!(
                (Request::Answer(judged.answered[i]), judged.ran[i]),
                (request, ours.reported()),
                "{}",
                subject.name
            );
            // The judge's board is walked step by step, and written down as `trace` does it.
            theirs.begin(i);
            let mut walk = program.start();
            let mut seen = Vec::new();
            loop {
                let request = program.step(&mut walk, theirs.values());
                seen.push(word(request));
                seen.extend(bits(theirs.values()));
                match request {
                    Request::Run(c) => theirs.run(c),
                    _ => break,
                }
            }
            // Each step has written its request and then one word for each signal. Signals that no test reads are left out of the
            // comparison, because the judge leaves them unset, even the user's own.
            let is_compared = |at: usize| match at % (1 + signals) {
                0 => true,
                signal => read.contains(&(signal - 1)),
            };
            let differs = (0..seen.len()).find(|&at| is_compared(at) && seen[at] != words[at]);
            assert_eq!(differs, None, "{}: row {i}", subject.name);
            judged_rows += 1;
        }
    }
    println!("{judged_rows} rows judged as they are decided");
    assert!(judged_rows > 2_000);
}

/// The logits of each network of the fashion bundle for every test image: image by image, then network by network.
fn fashion_logits(bundle: &Bundle, samples: &Samples) -> Vec<Vec<Vec<f32>>> {
    let mut networks: Vec<(Box<dyn Engine>, Preprocess)> = bundle
        .candidates
        .iter()
        .map(|spec| {
            let path = spec.onnx.as_ref().expect("an ONNX");
            let engine =
                registry::open(EngineKind::Tract, path, &spec.name, &OpenOptions::default()).expect("a network");
            (engine, Preprocess::new(spec.image.clone().expect("an image")).expect("a size"))
        })
        .collect();
    let mut buffer = Buffer::new();
    (0..samples.len())
        .map(|i| {
            samples.load(i, &mut buffer).expect("an image");
            let frame = frame_of(&buffer);
            networks
                .iter_mut()
                .map(|(engine, preprocess)| {
                    preprocess.run(&frame, engine.input(0)).expect("it fits");
                    engine.enqueue().expect("it runs");
                    engine.output(0).to_vec()
                })
                .collect()
        })
        .collect()
}

/// A C program of at most forty lines that runs its own networks decides with the decider exactly as the selector does.
#[test]
fn own_logits_of_ten_thousand_images_are_decided_as_by_the_selector() {
    if registry::resolve_host(EngineKind::Tract).is_err() {
        return println!("skipped: built without the feature tract");
    }
    let folder = root().join("plans/fashion");
    let bundle = Bundle::read(&folder).expect("a bundle");
    let samples = Samples::of_bundle(&bundle).expect("test images");
    let (mut selector, _) = Selector::open(&bundle, &OpenConfig::new(EngineKind::Tract)).expect("open");
    let premodel = selector.premodel().clone();
    let logits = fashion_logits(&bundle, &samples);

    let mut lines = String::new();
    let mut buffer = Buffer::new();
    for i in 0..samples.len() {
        samples.load(i, &mut buffer).expect("an image");
        let frame = frame_of(&buffer);
        let o = selector.infer(frame).expect("answered");
        let (ran, answer) = (o.ran.0, o.answer.needs().0);
        let (class, probability) = (o.class, o.probability.to_bits());
        lines += &format!("{i} ran {ran:x} answer {answer:x} node {} class {class} p {probability:08x}\n", o.node);
    }
    assert_eq!(lines.lines().count(), 10_000);

    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("logits");
    let bytes: Vec<u8> = logits.iter().flatten().flatten().flat_map(|z| z.to_le_bytes()).collect();
    std::fs::write(&file, &bytes).expect("written");
    let source = std::fs::read_to_string(client("decide.c")).expect("the client");
    assert!(source.lines().count() <= 40, "a program of forty lines");
    for compiler in compilers() {
        let program = compiler.program(&client("decide.c"), &archive(), &[]);
        let said = run(Command::new(program).arg(folder.join("premodel.json")).arg(&file).env_remove("LD_PRELOAD"));
        let differs = lines.lines().zip(said.lines()).filter(|(a, b)| a != b).collect::<Vec<_>>();
        assert!(
            differs.is_empty(),
            "{} of 10,000 images differ: {:?}",
            differs.len(),
            &differs[..differs.len().min(3)]
        );
        assert_eq!(said.lines().count(), 10_000);
    }
    keep_for_other_processors(&file, &lines);

    // The selector's lines are compared with the ends of the board's traces, and then the traces of the emitted code with the
    // board's.
    let subject = Subject::new("fashion", premodel, vec![Scores::Logits; 4]);
    let rows: Vec<Row> = logits.into_iter().map(|outputs| Row { own: Vec::new(), outputs }).collect();
    let mut board = Board::new(&subject.premodel, subject.classes);
    let mut words = Vec::new();
    for (row, line) in rows.iter().zip(lines.lines()) {
        let (request, node) = trace(&subject, row, &mut board, &mut words);
        let Request::Answer(answer) = request else { panic!("{request:?}") };
        let top = board.answer(answer).expect("its candidates ran");
        let ours = format!(
            "ran {:x} answer {:x} node {node} class {} p {:08x}",
            board.reported().0,
            answer.needs().0,
            top.class,
            top.top1.to_bits()
        );
        assert_eq!(line.split_once(' ').expect("a number first").1, ours);
    }
    let mut forms = Forms::new(dir.path());
    forms.add(&subject, &rows, &words);
    forms.compare("fashion");
}

/// The folder in which tests/aarch64/run-capi finds the tests that it repeats under emulation.
fn cases() -> std::path::PathBuf {
    super::library::target().join("cases").join("agree")
}

/// Keeps the logits and the selector's lines for tests/aarch64/run-capi.
fn keep_for_other_processors(logits: &Path, lines: &str) {
    std::fs::create_dir_all(cases()).expect("a folder");
    std::fs::copy(logits, cases().join("logits")).expect("copied");
    std::fs::write(cases().join("decided"), lines).expect("written");
}

/// The names and the ids of the signals of the user's own that a premodel has.
fn own_signals(premodel: &Premodel) -> (Vec<String>, Vec<SignalId>) {
    let own = (0_u16..).zip(premodel.signals()).filter_map(|(at, signal)| match signal {
        Signal::User(name) => Some((name.clone(), SignalId(at))),
        _ => None,
    });
    own.unzip()
}
