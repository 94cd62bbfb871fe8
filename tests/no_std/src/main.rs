//! Checks and walks a program with neither the standard library nor an allocator. Its exit code says what it found.
#![no_std]
#![no_main]

use trt_select_premodel::{Answer, CandidateId, Mask, Node, Program, Request, Schema, SignalId};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The unwinding tables of the precompiled `core` name this symbol. Nothing unwinds in this program, so it is never called.
#[unsafe(no_mangle)]
pub extern "C" fn rust_eh_personality() {}

const SMALL: CandidateId = CandidateId(0);
const LARGE: CandidateId = CandidateId(1);

fn answer(margin: f32) -> Option<Answer> {
    let nodes = [
        Node::run(SMALL, 1),
        Node::test(SignalId(0), 0.4, 2, 4),
        Node::run(LARGE, 3),
        Node::answer(LARGE),
        Node::answer(SMALL),
    ];
    let needs = [Mask::of(SMALL)];
    let schema = Schema { candidates: 2, classes: 10, needs: &needs, fallback: &[LARGE, SMALL] };
    let program = Program::check(&nodes, schema).ok()?;
    let mut walk = program.start();
    loop {
        match program.step(&mut walk, &[margin]) {
            Request::Run(_) => {}
            Request::Answer(answer) => return Some(answer),
            Request::NoneWorks => return None,
        }
    }
}

/// Returns 0 if the program gives the right answers.
#[unsafe(no_mangle)]
pub extern "C" fn main(_argc: i32, _argv: *const *const u8) -> i32 {
    let right = answer(0.9) == Some(Answer::Candidate(SMALL)) && answer(0.1) == Some(Answer::Candidate(LARGE));
    if right { 0 } else { 1 }
}
