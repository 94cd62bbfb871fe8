//! Rust that needs nothing, the standard library included.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::{Form, Plan, board_rust, float};
use crate::pack::Pack;
use crate::{Answer, View};

const USAGE: &str = "//! let mut walk = Walk::START;
//! let mut request = walk.step(&signals);
//! while let Request::Run(candidate) = request {
//!     // Run it, write its signals to their places (signal::...), then:
//!     request = if it_worked { walk.step(&signals) } else { walk.failed(candidate) };
//! }
";

const USAGE_WITH_BOARD: &str = "//! let mut board = Board::new(); // once
//! board.begin(); // then set features and signals of your own: board.signals[signal::...]
//! let mut walk = Walk::START;
//! let mut request = walk.step(&board.signals);
//! while let Request::Run(candidate) = request {
//!     // Run it; then, with its scores:
//!     let it_worked = board.scores(candidate, Scores::Logits, &scores);
//!     request = if it_worked { walk.step(&board.signals) } else { walk.failed(candidate) };
//! }
//! let (summary, probabilities) = board.answer(request)?;
";

/// The types of a walk, which are the same for every program.
const WALK: &str = "\
/// What a walk asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run this candidate, write its signals, then call [`Walk::step`] or [`Walk::failed`].
    Run(u8),
    /// Done: this candidate answers.
    Answer(u8),
    /// Done: the weighted average of these candidates answers; bit i stands for candidate i.
    Average(u16),
    /// Nothing can answer: every candidate of the fallback list failed.
    NoneWorks,
}

/// Where a walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    leaf: u32,
    ran: u16,
    failed: u16,
    rescue: Option<u8>,
}

impl Walk {
    /// At the first node.
    pub const START: Walk = Walk { leaf: 0, ran: 0, failed: 0, rescue: None };

    /// Goes on until a candidate has to run or an answer is found. Signals of candidates that have not run are not read, and a
    /// test whose signal is NaN goes to its else branch.
    #[inline]
    pub fn step(&mut self, signals: &[f32; SIGNALS]) -> Request {
        if let Some(candidate) = self.rescue {
            return Request::Answer(candidate);
        }
        self.leaf = after(self.leaf, signals);
        let who = self.leaf >> 16;
        match self.leaf >> 12 & 0xf {
            RUN => {
                self.ran |= 1 << who;
                Request::Run(who as u8)
            }
            ANSWER => Request::Answer(who as u8),
            _ => Request::Average(who as u16),
        }
    }

    /// Tells the walk that a candidate failed. The first candidate of the fallback list that has not failed will answer; the
    /// result asks for it to run if it has not run yet.
    pub fn failed(&mut self, candidate: u8) -> Request {
        self.failed |= if candidate < 16 { 1 << candidate } else { 0 };
        self.rescue = FALLBACK.iter().copied().find(|c| self.failed >> c & 1 == 0);
        match self.rescue {
            None => Request::NoneWorks,
            Some(c) if self.ran >> c & 1 == 1 => Request::Answer(c),
            Some(c) => {
                self.ran |= 1 << c;
                Request::Run(c)
            }
        }
    }

    /// The candidates that ran and did not fail: bit i stands for candidate i.
    pub fn ran(&self) -> u16 {
        self.ran & !self.failed
    }

    /// The candidates that failed: bit i stands for candidate i.
    pub fn has_failed(&self) -> u16 {
        self.failed
    }

    /// The node that the walk stands on. After an answer this is the node that gave it.
    pub fn node(&self) -> u16 {
        (self.leaf & 0xfff) as u16
    }
}
";

/// A whole module.
pub(super) fn module(plan: &Plan<'_>) -> String {
    let title = plan.title("//!");
    let (mut candidates, mut signals, mut nodes) = (String::new(), String::new(), String::new());
    for (i, (name, original)) in plan.candidates.iter().zip(plan.model.candidates()).enumerate() {
        let _ = writeln!(candidates, "    /// `{original}`\n    pub const {name}: u8 = {i};");
    }
    for (i, name) in plan.signals.iter().enumerate() {
        let _ = writeln!(signals, "    pub const {name}: usize = {i};");
    }
    for (name, at) in plan.node_names() {
        let _ = writeln!(nodes, "    pub const NODE_{name}: u16 = {at};");
    }
    let fallback: Vec<String> =
        plan.model.fallback().iter().map(|c| format!("candidate::{}", plan.candidates[c.index()])).collect();
    format!(
        "{title}//!
//! ```ignore
{usage}//! ```
#![allow(dead_code, missing_docs, unreachable_pub, clippy::neg_cmp_op_on_partial_ord)]

/// A number that tells this program from others; `trt-select inspect` prints the same one.
pub const PROGRAM: u64 = 0x{hash:016x};
/// Number of candidates.
pub const CANDIDATES: usize = {candidate_count};
/// Number of signals.
pub const SIGNALS: usize = {signal_count};

/// The candidates.
#[rustfmt::skip]
pub mod candidate {{
{candidates}}}

/// The signals: places in the array that [`Walk::step`] reads.
#[rustfmt::skip]
pub mod signal {{
{signals}}}

/// The nodes that a walk can stand on.
#[rustfmt::skip]
pub mod node {{
{nodes}}}

{WALK}
/// The candidates that take over when another one fails, the most capable first.
static FALLBACK: [u8; {fallback_count}] = [{fallback}];
{next}{tests}{board}",
        hash = plan.model.program().hash(),
        candidate_count = plan.candidates.len(),
        signal_count = plan.signals.len(),
        usage = if plan.board.is_some() { USAGE_WITH_BOARD } else { USAGE },
        fallback_count = fallback.len(),
        fallback = fallback.join(", "),
        next = after(plan),
        tests = functions(plan),
        board = plan.board.as_ref().map_or_else(String::new, |board| board_rust::module(plan, board)),
    )
}

/// The file that trt-select's own build includes: the tests as code, and the nodes that they were made from.
pub(super) fn baked(plan: &Plan<'_>) -> String {
    let mut text = plan.title("//");
    let _ = write!(
        text,
        "
/// A number that tells this program from others.
pub(crate) const PROGRAM: Option<u64> = Some(0x{:016x});
const SIGNALS: usize = {};

/// The nodes that the code below was made from.
#[rustfmt::skip]
static NODES: [Node; {}] = [
",
        plan.model.program().hash(),
        plan.signals.len(),
        plan.nodes.len()
    );
    for node in plan.nodes {
        let _ = match node.view() {
            View::Test { signal, threshold, then, otherwise } => {
                writeln!(text, "    Node::test(SignalId({}), {}, {then}, {otherwise}),", signal.0, float(threshold))
            }
            View::Run { candidate, next } => writeln!(text, "    Node::run(CandidateId({}), {next}),", candidate.0),
            View::Answer(Answer::Candidate(c)) => writeln!(text, "    Node::answer(CandidateId({})),", c.0),
            View::Answer(Answer::Average(mask)) => writeln!(text, "    Node::average(Mask({})),", mask.0),
        };
    }
    text.push_str(
        "];

/// Whether a program is the one that was compiled in.
pub(crate) fn is_baked(program: &Program<'_>) -> bool {
    program.schema().needs.len() == SIGNALS && program.nodes() == NODES
}

/// The first Run or Answer at or below a node of the program that was compiled in.
#[inline]
pub(crate) fn next(at: u16, signals: &[f32]) -> u16 {
    let Some(signals) = signals.first_chunk::<SIGNALS>() else { return u16::MAX };
    match at {
",
    );
    for tests in &plan.tests {
        let _ = writeln!(text, "        {0} => (tests_{0}(signals) & 0xfff) as u16,", tests.start);
    }
    text.push_str("        _ => at,\n    }\n}\n");
    for (i, name) in plan.signals.iter().enumerate() {
        if i == 0 {
            text.push_str("\n#[rustfmt::skip]\n#[allow(dead_code)]\nmod signal {\n");
        }
        let _ = writeln!(text, "    pub(super) const {name}: usize = {i};");
    }
    text.push_str(if plan.signals.is_empty() { "" } else { "}\n" });
    for (i, name) in plan.candidates.iter().enumerate() {
        if i == 0 {
            text.push_str("\n#[rustfmt::skip]\n#[allow(dead_code)]\nmod candidate {\n");
        }
        let _ = writeln!(text, "    pub(super) const {name}: u8 = {i};");
    }
    text.push_str("}\n");
    text + &functions(plan)
}

fn leaf(plan: &Plan<'_>, node: u16) -> String {
    let candidate = |c: crate::CandidateId| format!("candidate::{} as u32", plan.candidates[c.index()]);
    match plan.view(node) {
        View::Run { candidate: c, .. } => format!("leaf(RUN, {}, {node})", candidate(c)),
        View::Answer(Answer::Candidate(c)) => format!("leaf(ANSWER, {}, {node})", candidate(c)),
        View::Answer(Answer::Average(mask)) => format!("leaf(AVERAGE, 0x{:x}, {node})", mask.0),
        View::Test { .. } => unreachable!("a test is no leaf"),
    }
}

/// The functions that find the leaf after a leaf.
fn after(plan: &Plan<'_>) -> String {
    let (to_tests, to_leaves): (Vec<_>, Vec<_>) =
        plan.runs.iter().partition(|(_, next)| plan.nodes[usize::from(*next)].is_test());
    let name = |at: u16| super::node_name(plan.view(at), at, &plan.candidates).unwrap_or_default();
    let start = if plan.nodes[0].is_test() { "tests_0(signals)".into() } else { leaf(plan, 0) };
    let mut text = String::new();
    // They are two functions so that compilers make a table of the second, which reads no signal.
    let _ = write!(
        text,
        "
/// The leaf after the one that the walk stands on. After an answer, that same answer.
#[inline]
fn after(last: u32, signals: &[f32; SIGNALS]) -> u32 {{
    let _ = signals;
    if last == 0 {{
        return {start};
    }}
    match (last & 0xfff) as u16 {{
"
    );
    for &&(at, next) in &to_tests {
        let _ = writeln!(text, "        node::NODE_{} => tests_{next}(signals),", name(at));
    }
    text.push_str(
        "        at => match then(at) {
            0 => last,
            then => then,
        },
    }
}

/// The leaf after a Run that no test separates from it; 0 where tests come first.
#[rustfmt::skip]
fn then(at: u16) -> u32 {
    match at {
",
    );
    for &&(at, next) in &to_leaves {
        let _ = writeln!(text, "        node::NODE_{} => {},", name(at), leaf(plan, next));
    }
    text.push_str("        _ => 0,\n    }\n}\n");
    text
}

/// The functions that make the tests, and the items that these functions need.
fn functions(plan: &Plan<'_>) -> String {
    let mut text = String::from(
        "
#[allow(dead_code)]
const RUN: u32 = 1;
#[allow(dead_code)]
const ANSWER: u32 = 2;
#[allow(dead_code)]
const AVERAGE: u32 = 3;

/// A leaf in 32 bits: what to do, for which candidate or average, and at which node.
const fn leaf(kind: u32, who: u32, node: u32) -> u32 {
    who << 16 | kind << 12 | node
}
",
    );
    table(plan, &mut text);
    for tests in &plan.tests {
        let start = tests.start;
        let _ = write!(
            text,
            "\n/// The tests from node {start} on.\n#[rustfmt::skip]\nfn tests_{start}(signals: &[f32; SIGNALS]) -> u32 {{\n"
        );
        match tests.form {
            Form::Nested => nested(plan, start, 1, &mut text),
            Form::Single(block) => single(plan, start, block, &mut text),
            Form::Table(place) => {
                let _ = writeln!(text, "    descend({place}, signals)");
            }
        }
        text.push_str("}\n");
    }
    text
}

fn nested(plan: &Plan<'_>, at: u16, depth: usize, text: &mut String) {
    let indent = "    ".repeat(depth);
    let View::Test { signal, threshold, then, otherwise } = plan.view(at) else {
        let _ = writeln!(text, "{indent}{}", leaf(plan, at));
        return;
    };
    let signal = &plan.signals[signal.index()];
    let _ = writeln!(text, "{indent}if signals[signal::{signal}] <= {} {{", float(threshold));
    nested(plan, then, depth + 1, text);
    let _ = writeln!(text, "{indent}}} else {{");
    nested(plan, otherwise, depth + 1, text);
    let _ = writeln!(text, "{indent}}}");
}

/// One block written out: up to three tests, all of which are made. A test that fails counts 1. A test on NaN fails too, so it is not written
/// with `>`.
fn single(plan: &Plan<'_>, start: u16, block: u16, text: &mut String) {
    let block = &plan.singles.blocks[usize::from(block)];
    let View::Test { then, otherwise, .. } = plan.view(start) else { unreachable!("tests start with a test") };
    let there = [true, plan.nodes[usize::from(then)].is_test(), plan.nodes[usize::from(otherwise)].is_test()];
    for ((name, there), i) in ["a", "b", "c"].into_iter().zip(there).zip(0..) {
        if there {
            let signal = &plan.signals[usize::from(block.signals[i])];
            let threshold = float(block.thresholds[i]);
            let _ = writeln!(text, "    let {name} = usize::from(!(signals[signal::{signal}] <= {threshold}));");
        }
    }
    let first = usize::from(block.next) - plan.singles.blocks.len();
    let _ = writeln!(text, "    static LEAVES: [u32; 4] = [");
    for &node in &plan.singles.leaves[first..first + 4] {
        let _ = writeln!(text, "        {},", leaf(plan, node));
    }
    let _ = writeln!(text, "    ];\n    LEAVES[({}) & 3]", super::place_of(there, ""));
}

fn table(plan: &Plan<'_>, text: &mut String) {
    let Pack { blocks, leaves, .. } = &plan.pack;
    if blocks.is_empty() {
        return;
    }
    let _ = write!(
        text,
        "
/// Two levels of tests: the upper test, the test after it if it holds, and the test after it if it fails. `next` is the first of
/// the four places that they lead to. A place is the number of a block, or the number of blocks plus the number of a leaf.
struct Block {{
    thresholds: [f32; 3],
    signals: [u16; 3],
    next: u16,
}}

/// The leaf that the tests from a place on lead to. All three tests of a block are made, and their results (1 for a test that
/// fails, as a test on NaN does) are added up to the next place. So there is no jump whose direction the processor would have to
/// predict.
#[inline]
fn descend(mut place: usize, signals: &[f32; SIGNALS]) -> u32 {{
    while let Some(block) = BLOCKS.get(place) {{
        let [a, b, c] = [0, 1, 2].map(|i| {{
            let holds = signals[usize::from(block.signals[i])] <= block.thresholds[i];
            usize::from(!holds)
        }});
        place = usize::from(block.next) + 2 * a + b + c.wrapping_sub(b).wrapping_mul(a);
    }}
    LEAVES[place - BLOCKS.len()]
}}

#[rustfmt::skip]
static BLOCKS: [Block; {}] = [
",
        blocks.len()
    );
    for block in blocks {
        let thresholds: Vec<String> = block.thresholds.iter().map(|&t| float(t)).collect();
        let signals: Vec<String> =
            block.signals.iter().map(|&s| format!("signal::{} as u16", plan.signals[usize::from(s)])).collect();
        let _ = writeln!(
            text,
            "    Block {{ thresholds: [{}], signals: [{}], next: {} }},",
            thresholds.join(", "),
            signals.join(", "),
            block.next
        );
    }
    let _ = write!(text, "];\n\n#[rustfmt::skip]\nstatic LEAVES: [u32; {}] = [\n", leaves.len());
    for &node in leaves {
        let _ = writeln!(text, "    {},", leaf(plan, node));
    }
    text.push_str("];\n");
}
