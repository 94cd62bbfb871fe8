//! The code of a board in Rust: it turns scores into signals, and an answer into a class.

use core::fmt::Write;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::board_parts::{self, BoardParts, Joint};
use super::{Plan, float};
use crate::board::{Agreement, Own};
use crate::{AverageSignal, Board};

/// The arithmetic of this crate itself, which the module gets as it stands.
const ARITHMETIC: &str = include_str!("../arithmetic.rs");

pub(super) fn module(plan: &Plan<'_>, board: &Board) -> String {
    let parts = BoardParts::of(board);
    let mut text = types(plan, &parts);
    text.push_str(&scores(plan, &parts));
    text.push_str(&unset(plan, &parts));
    text.push_str(&answer(&parts));
    text.push_str(&averages(plan, &parts));
    text.push_str("}\n\nimpl Default for Board {\n    fn default() -> Board {\n        Board::new()\n    }\n}\n");
    for (candidate, risk) in parts.risks() {
        let candidate = &plan.candidates[candidate];
        let all: Vec<String> = risk.iter().map(|&r| float(r)).collect();
        let _ = write!(
            text,
            "\n/// How often the candidate is wrong when it answers with each class.\n#[rustfmt::skip]\nstatic RISK_{candidate}: [f32; CLASSES] = \
             [{}];\n",
            all.join(", ")
        );
    }
    let indented: String =
        ARITHMETIC.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect();
    let _ = write!(
        text,
        "\n/// The arithmetic of trt-select itself, as it stands there.\n#[rustfmt::skip]\n#[allow(clippy::all, clippy::pedantic, \
         rustdoc::all)]\nmod arithmetic {{\n{indented}}}\n",
    );
    text
}

/// The types, and the functions that make a board and begin an input.
fn types(plan: &Plan<'_>, parts: &BoardParts<'_>) -> String {
    let (classes, calibrated) = (plan.model.classes(), parts.calibrated.len());
    format!(
        "
/// Number of classes.
pub const CLASSES: usize = {classes};

/// What the scores of a network are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {{
    /// Any finite numbers, of which softmax makes probabilities.
    Logits,
    /// Class probabilities.
    Probabilities,
}}

/// The most probable class of a candidate's output or of an answer, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {{
    /// The class with the largest probability; where several have it, the first of them.
    pub class: u32,
    /// The probability of that class, 0..=1.
    pub probability: f32,
    /// That probability less the second largest, 0..=1. With one class it equals `probability`.
    pub margin: f32,
    /// Entropy of the probabilities, divided by ln([`CLASSES`]): 0..=1. It is 0 for an average.
    pub entropy: f32,
}}

/// The signals of one input, and the outputs that they are computed from.
#[derive(Clone, Debug)]
pub struct Board {{
    /// What [`Walk::step`] reads. Write features and signals of your own to their places (`signal::...`) after [`Board::begin`].
    pub signals: [f32; SIGNALS],
    /// The candidates whose scores were taken for this input: bit i stands for candidate i.
    reported: u16,
    summaries: [Summary; CANDIDATES],
    probabilities: [[f32; CLASSES]; CANDIDATES],
    calibrated: [[f32; CLASSES]; {calibrated}],
    mixed: [f32; CLASSES],
}}

impl Board {{
    /// A board whose signals are all unset (NaN).
    pub const fn new() -> Board {{
        Board {{
            signals: [f32::NAN; SIGNALS],
            reported: 0,
            summaries: [Summary {{ class: 0, probability: 0.0, margin: 0.0, entropy: 0.0 }}; CANDIDATES],
            probabilities: [[0.0; CLASSES]; CANDIDATES],
            calibrated: [[0.0; CLASSES]; {calibrated}],
            mixed: [0.0; CLASSES],
        }}
    }}

    /// Begins an input: unsets all signals except the user's own.
    pub fn begin(&mut self) {{
{transient}        self.reported = 0;
    }}
",
        transient = parts
            .board
            .transient
            .iter()
            .map(|&at| format!("        self.signals[signal::{}] = f32::NAN;\n", plan.signals[at]))
            .collect::<String>(),
    )
}

/// The function that takes a candidate's scores.
fn scores(plan: &Plan<'_>, parts: &BoardParts<'_>) -> String {
    format!(
        "
    /// Takes the scores of a candidate that ran, and computes every signal that depends on them: the candidate's own, agreements,
    /// averages. Returns `false` where a score is not finite or is no probability: then call [`Walk::failed`].
    pub fn scores(&mut self, candidate: u8, kind: Scores, scores: &[f32; CLASSES]) -> bool {{
        let at = usize::from(candidate);
        if at >= CANDIDATES {{
            return false;
        }}
        let Some(entropy) =
            arithmetic::of_scores(scores, kind == Scores::Logits, &mut self.probabilities[at], {entropy_scale})
        else {{
            self.unset(candidate);
            return false;
        }};
        let (class, probability, margin) = arithmetic::two_largest(&self.probabilities[at]);
        let summary = Summary {{ class, probability, margin, entropy }};
        self.summaries[at] = summary;
        self.reported |= 1 << candidate;
{own}{joint}        true
    }}
",
        entropy_scale = board_parts::entropy_scale(plan.model.classes() as usize),
        own = match_candidate(&cases_of_candidates(plan, parts)),
        joint = joint_signals(plan, parts),
    )
}

/// A match over candidates with these cases, or nothing where there are none.
fn match_candidate(cases: &str) -> String {
    match cases {
        "" => String::new(),
        _ => format!("        match candidate {{\n{cases}            _ => {{}}\n        }}\n"),
    }
}

/// For each candidate: what sets its own signals, and its probabilities for averages.
fn cases_of_candidates(plan: &Plan<'_>, parts: &BoardParts<'_>) -> String {
    let mut cases = String::new();
    for of in parts.of_candidates() {
        let candidate = &plan.candidates[of.candidate];
        let _ = writeln!(cases, "            candidate::{candidate} => {{");
        for &(at, own) in of.signals {
            let value = match own {
                Own::Top1 => "summary.probability".into(),
                Own::Margin => "summary.margin".into(),
                Own::Entropy => "summary.entropy".into(),
                Own::Risk => format!("RISK_{candidate}[summary.class as usize]"),
            };
            let _ = writeln!(cases, "                self.signals[signal::{}] = {value};", plan.signals[at]);
        }
        if let Some((row, temperature)) = of.calibrated {
            let temperature = float(temperature);
            let _ = write!(
                cases,
                "                match kind {{
                    Scores::Logits => arithmetic::of_logits(scores, {temperature}, &mut self.calibrated[{row}]),
                    Scores::Probabilities => {{
                        arithmetic::of_probabilities(&self.probabilities[at], {temperature}, &mut self.calibrated[{row}])
                    }}
                }}
"
            );
        }
        cases.push_str("            }\n");
    }
    cases
}

/// What sets agreements and averages once all their candidates have run.
fn joint_signals(plan: &Plan<'_>, parts: &BoardParts<'_>) -> String {
    let mut text = String::new();
    for (mask, joint) in parts.joints() {
        let _ = writeln!(
            text,
            "        if 0x{mask:x}_u16 >> candidate & 1 == 1 && self.reported & 0x{mask:x} == 0x{mask:x} {{"
        );
        match joint {
            Joint::Agreement(&Agreement { signal, pair: [a, b] }) => {
                let signal = &plan.signals[signal];
                let (a, b) = (a.0, b.0);
                let _ = writeln!(
                    text,
                    "            let agree = self.summaries[{a}].class == self.summaries[{b}].class;\n            \
                     self.signals[signal::{signal}] = if agree {{ 1.0 }} else {{ 0.0 }};"
                );
            }
            Joint::Average(number, signals) => {
                let _ = writeln!(text, "            let average = self.average_{number}();");
                for &(at, signal) in signals {
                    let field = match signal {
                        AverageSignal::Top1 => "probability",
                        AverageSignal::Margin => "margin",
                    };
                    let signal = &plan.signals[at];
                    let _ = writeln!(text, "            self.signals[signal::{signal}] = average.{field};");
                }
            }
        }
        text.push_str("        }\n");
    }
    text
}

/// The function that forgets a candidate's output and everything that was computed from it.
fn unset(plan: &Plan<'_>, parts: &BoardParts<'_>) -> String {
    let mut cases = String::new();
    for (candidate, places) in parts.dependent_signals() {
        let _ = writeln!(cases, "            candidate::{} => {{", plan.candidates[candidate]);
        for at in places {
            let _ = writeln!(cases, "                self.signals[signal::{}] = f32::NAN;", plan.signals[at]);
        }
        cases.push_str("            }\n");
    }
    let cases = match_candidate(&cases);
    format!("\n    fn unset(&mut self, candidate: u8) {{\n        self.reported &= !(1 << candidate);\n{cases}    }}\n")
}

/// The function that gives the class and the probabilities of an answer.
fn answer(parts: &BoardParts<'_>) -> String {
    let mut cases = String::new();
    for (at, average) in parts.board.wiring.averages.iter().enumerate() {
        let _ = writeln!(cases, "                    0x{:x} => self.average_{at}(),", average.of.0);
    }
    let average = if cases.is_empty() {
        String::new()
    } else {
        format!(
            "            Request::Average(of) if self.reported & of == of => {{
                let summary = match of {{
{cases}                    _ => return None,
                }};
                Some((summary, &self.mixed))
            }}
"
        )
    };
    format!(
        "
    /// The summary of an answer, and its probabilities. `None` where the request is no answer, or a candidate of the answer has not
    /// reported its scores.
    pub fn answer(&mut self, request: Request) -> Option<(Summary, &[f32; CLASSES])> {{
        match request {{
            Request::Answer(c) if usize::from(c) < CANDIDATES && self.reported >> c & 1 == 1 => {{
                Some((self.summaries[usize::from(c)], &self.probabilities[usize::from(c)]))
            }}
{average}            _ => None,
        }}
    }}
"
    )
}

/// One function for each average.
fn averages(plan: &Plan<'_>, parts: &BoardParts<'_>) -> String {
    let mut text = String::new();
    for (at, average) in parts.board.wiring.averages.iter().enumerate() {
        let what = plan.names_of(average.of);
        let _ = write!(
            text,
            "\n    /// The average of {what}.\n    fn average_{at}(&mut self) -> Summary {{\n        self.mixed = [0.0; CLASSES];\n"
        );
        for (probabilities, weight) in parts.members(average) {
            let weight = float(weight);
            let _ =
                writeln!(text, "        arithmetic::add_weighted(&mut self.mixed, {weight}, &self.{probabilities});");
        }
        text.push_str(
            "        let (class, probability, margin) = arithmetic::two_largest(&self.mixed);\n        Summary { class, probability, margin, \
             entropy: 0.0 }\n    }\n",
        );
    }
    text
}
