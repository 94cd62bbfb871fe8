//! What a walk must do, written down as plainly as possible and without the crate's own walk.

use trt_select_premodel::{Answer, CandidateId, Mask, Premodel, Program, Request, View};

/// One input: the values of its signals, and the candidates that fail on it.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) signals: Vec<f32>,
    pub(crate) failing: Mask,
}

const NONE_WORKS: u32 = 0;

fn run(c: CandidateId) -> u32 {
    1 << 24 | u32::from(c.0) << 16
}

fn answer(answer: Answer) -> u32 {
    match answer {
        Answer::Candidate(c) => 2 << 24 | u32::from(c.0) << 16,
        Answer::Average(mask) => 3 << 24 | u32::from(mask.0),
    }
}

/// Appends every request of a walk, then the request of one more step, then the node on which the walk stands.
pub(crate) fn record(model: &Premodel, row: &Row, words: &mut Vec<u32>) {
    let nodes = model.program().nodes();
    let (mut at, mut ran, mut failed) = (0_usize, Mask::EMPTY, Mask::EMPTY);
    // Visits nodes until there is an answer or a candidate fails.
    let failing = loop {
        match nodes[at].view() {
            View::Test { signal, threshold, then, otherwise } => {
                let holds = row.signals[signal.index()] <= threshold;
                at = usize::from(if holds { then } else { otherwise });
            }
            View::Run { candidate, next } => {
                words.push(run(candidate));
                ran = ran.with(candidate);
                if row.failing.has(candidate) {
                    break candidate;
                }
                at = usize::from(next);
            }
            View::Answer(a) => {
                // One more step gives the same answer again.
                words.extend([answer(a), answer(a), 0xff00_0000 | at as u32]);
                return;
            }
        }
    };
    // From here on the candidates of the fallback list take over.
    let mut failing = failing;
    loop {
        failed = failed.with(failing);
        let Some(next) = model.fallback().iter().copied().find(|&c| !failed.has(c)) else {
            words.push(NONE_WORKS);
            break;
        };
        if ran.has(next) {
            words.extend([answer(Answer::Candidate(next)); 2]);
            words.push(0xff00_0000 | at as u32);
            return;
        }
        words.push(run(next));
        ran = ran.with(next);
        if !row.failing.has(next) {
            words.extend([answer(Answer::Candidate(next)); 2]);
            words.push(0xff00_0000 | at as u32);
            return;
        }
        failing = next;
    }
    // If no candidate works, one more step goes on after the Run that failed, as if it had not failed. The walk has always done so.
    let View::Run { next, .. } = nodes[at].view() else { unreachable!("it was a Run that failed") };
    at = usize::from(next);
    while let View::Test { signal, threshold, then, otherwise } = nodes[at].view() {
        at = usize::from(if row.signals[signal.index()] <= threshold { then } else { otherwise });
    }
    words.push(match nodes[at].view() {
        View::Run { candidate, .. } => run(candidate),
        View::Answer(a) => answer(a),
        View::Test { .. } => unreachable!(),
    });
    words.push(0xff00_0000 | at as u32);
}

/// Appends the same from the crate's own walk.
pub(crate) fn record_walk(program: &Program<'_>, row: &Row, words: &mut Vec<u32>) {
    let word = |request| match request {
        Request::Run(c) => run(c),
        Request::Answer(a) => answer(a),
        Request::NoneWorks => NONE_WORKS,
    };
    let mut walk = program.start();
    let mut request = program.step(&mut walk, &row.signals);
    words.push(word(request));
    while let Request::Run(c) = request {
        request = if row.failing.has(c) { program.failed(&mut walk, c) } else { program.step(&mut walk, &row.signals) };
        words.push(word(request));
    }
    words.push(word(program.step(&mut walk, &row.signals)));
    words.push(0xff00_0000 | walk.node() as u32);
}
