//! The board in Rust: what turns scores into signals, and an answer into a class.

use core::fmt::Write;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Plan, float};
use crate::board::{Agreement, Average, Own, signals_of};
use crate::{AverageSignal, Board, CandidateId};

/// What trt-select itself computes with: put into the module as it stands.
const ARITHMETIC: &str = include_str!("../arithmetic.rs");

pub(super) fn module(plan: &Plan<'_>, board: &Board) -> String {
    let calibrated: Vec<(usize, f32)> = board
        .outputs
        .iter()
        .enumerate()
        .filter_map(|(c, output)| Some((c, output.calibration.as_ref()?.temperature)))
        .collect();
    let mut text = types(plan, board, calibrated.len());
    text.push_str(&scores(plan, board, &calibrated));
    text.push_str(&unset(plan, board));
    text.push_str(&answers(plan, board, &calibrated));
    text.push_str("}\n\nimpl Default for Board {\n    fn default() -> Board {\n        Board::new()\n    }\n}\n");
    for (candidate, output) in plan.candidates.iter().zip(&board.outputs) {
        if output.signals.iter().any(|(_, own)| matches!(own, Own::Risk)) {
            let all: Vec<String> = output.risk.iter().map(|&r| float(r)).collect();
            let _ = write!(
                text,
                "\n/// Share of wrong answers by the class answered.\n#[rustfmt::skip]\nstatic RISK_{candidate}: [f32; CLASSES] = [{}];\n",
                all.join(", ")
            );
        }
    }
    let _ = write!(
        text,
        "\n/// What trt-select computes with, as it stands there.\n#[rustfmt::skip]\n#[allow(clippy::all, clippy::pedantic, rustdoc::all)]\nmod \
         arithmetic {{\n{}}}\n",
        ARITHMETIC
            .lines()
            .map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") })
            .collect::<String>()
    );
    text
}

/// Types, and what begins an input.
fn types(plan: &Plan<'_>, board: &Board, calibrated: usize) -> String {
    let classes = plan.model.classes();
    format!(
        "
/// Number of classes.
pub const CLASSES: usize = {classes};

/// What scores are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scores {{
    /// Any real numbers; softmax makes them probabilities.
    Logits,
    /// Probabilities already.
    Probabilities,
}}

/// What a candidate says of an input, or an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Said {{
    /// The class of the largest probability; of equals, the first.
    pub class: u32,
    /// Its probability, 0..=1.
    pub probability: f32,
    /// What that is above the second largest; with one class, itself.
    pub margin: f32,
    /// Of the probabilities, over that of even ones: 0..=1; of an average 0.
    pub entropy: f32,
}}

/// The signals of one input and what they are made of.
#[derive(Clone, Debug)]
pub struct Board {{
    /// For [`Walk::step`]; features and own signals are written to their places (`signal::...`) after [`Board::begin`].
    pub signals: [f32; SIGNALS],
    heard: u16,
    said: [Said; CANDIDATES],
    probabilities: [[f32; CLASSES]; CANDIDATES],
    calibrated: [[f32; CLASSES]; {calibrated}],
    mixed: [f32; CLASSES],
}}

impl Board {{
    /// All signals unset (NaN).
    pub const fn new() -> Board {{
        Board {{
            signals: [f32::NAN; SIGNALS],
            heard: 0,
            said: [Said {{ class: 0, probability: 0.0, margin: 0.0, entropy: 0.0 }}; CANDIDATES],
            probabilities: [[0.0; CLASSES]; CANDIDATES],
            calibrated: [[0.0; CLASSES]; {calibrated}],
            mixed: [0.0; CLASSES],
        }}
    }}

    /// Begins an input: all signals are unset but the user's own.
    pub fn begin(&mut self) {{
{transient}        self.heard = 0;
    }}
",
        transient = board
            .transient
            .iter()
            .map(|&at| format!("        self.signals[signal::{}] = f32::NAN;\n", plan.signals[at]))
            .collect::<String>(),
    )
}

/// What takes the scores of a candidate.
fn scores(plan: &Plan<'_>, board: &Board, calibrated: &[(usize, f32)]) -> String {
    format!(
        "
    /// Takes the scores of a candidate that ran, and computes the signals that exist since: its own, agreements, averages.
    /// `false` where the scores cannot be trusted (not finite, or no probabilities): then call [`Walk::failed`].
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
        let said = Said {{ class, probability, margin, entropy }};
        self.said[at] = said;
        self.heard |= 1 << candidate;
{own}{joint}        true
    }}
",
        entropy_scale = super::board_c::entropy_scale(plan.model.classes() as usize),
        own = own(plan, board, calibrated),
        joint = joint(plan, board),
    )
}

/// A candidate's own signals, and its probabilities for averages.
fn own(plan: &Plan<'_>, board: &Board, calibrated: &[(usize, f32)]) -> String {
    let mut cases = String::new();
    for (i, output) in board.outputs.iter().enumerate() {
        let candidate = &plan.candidates[i];
        let row = calibrated.iter().position(|&(c, _)| c == i);
        if output.signals.is_empty() && row.is_none() {
            continue;
        }
        let _ = writeln!(cases, "            candidate::{candidate} => {{");
        for &(at, which) in &output.signals {
            let value = match which {
                Own::Top1 => "said.probability".into(),
                Own::Margin => "said.margin".into(),
                Own::Entropy => "said.entropy".into(),
                Own::Risk => format!("RISK_{candidate}[said.class as usize]"),
            };
            let _ = writeln!(cases, "                self.signals[signal::{}] = {value};", plan.signals[at]);
        }
        if let Some(row) = row {
            let temperature = float(calibrated[row].1);
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
    if cases.is_empty() {
        cases
    } else {
        format!("        match candidate {{\n{cases}            _ => {{}}\n        }}\n")
    }
}

/// Agreements and averages, once all their candidates have run.
fn joint(plan: &Plan<'_>, board: &Board) -> String {
    let mut text = String::new();
    let mut when = |mask: u16, what: &str| {
        let _ = write!(
            text,
            "        if 0x{mask:x}_u16 >> candidate & 1 == 1 && self.heard & 0x{mask:x} == 0x{mask:x} {{\n{what}        }}\n"
        );
    };
    for Agreement { signal, pair: [a, b] } in &board.agreements {
        let signal = &plan.signals[*signal];
        let what = format!(
            "            let agree = self.said[{}].class == self.said[{}].class;\n            self.signals[signal::{signal}] = if agree {{ 1.0 }} \
             else {{ 0.0 }};\n",
            a.0, b.0
        );
        when(1 << a.0 | 1 << b.0, &what);
    }
    for (at, Average { of, signals, .. }) in board.averages.iter().enumerate() {
        if signals.is_empty() {
            continue;
        }
        let mut what = format!("            let average = self.average_{at}();\n");
        for (value, signal) in signals {
            let field = match signal {
                AverageSignal::Top1 => "probability",
                AverageSignal::Margin => "margin",
            };
            let _ = writeln!(what, "            self.signals[signal::{}] = average.{field};", plan.signals[*value]);
        }
        when(of.0, &what);
    }
    text
}

fn unset(plan: &Plan<'_>, board: &Board) -> String {
    let mut cases = String::new();
    for (i, candidate) in plan.candidates.iter().enumerate() {
        let concerned: Vec<usize> =
            signals_of(CandidateId(i as u8), &board.outputs, &board.agreements, &board.averages).collect();
        if concerned.is_empty() {
            continue;
        }
        let _ = writeln!(cases, "            candidate::{candidate} => {{");
        for at in concerned {
            let _ = writeln!(cases, "                self.signals[signal::{}] = f32::NAN;", plan.signals[at]);
        }
        cases.push_str("            }\n");
    }
    if !cases.is_empty() {
        cases = format!("        match candidate {{\n{cases}            _ => {{}}\n        }}\n");
    }
    format!("\n    fn unset(&mut self, candidate: u8) {{\n        self.heard &= !(1 << candidate);\n{cases}    }}\n")
}

/// What an answer says, and one function an average.
fn answers(plan: &Plan<'_>, board: &Board, calibrated: &[(usize, f32)]) -> String {
    let mut text = String::new();
    let cases: String = (0..)
        .zip(&board.averages)
        .map(|(at, average): (u32, &Average)| {
            format!("                    0x{:x} => self.average_{at}(),\n", average.of.0)
        })
        .collect();
    let average = if cases.is_empty() {
        String::new()
    } else {
        format!(
            "            Request::Average(of) if self.heard & of == of => {{
                let said = match of {{
{cases}                    _ => return None,
                }};
                Some((said, &self.mixed))
            }}
"
        )
    };
    let _ = write!(
        text,
        "
    /// What an answer says, and the probabilities behind it. `None` where the request is no answer, or the scores of a candidate
    /// behind it are not here.
    pub fn answer(&mut self, request: Request) -> Option<(Said, &[f32; CLASSES])> {{
        match request {{
            Request::Answer(c) if usize::from(c) < CANDIDATES && self.heard >> c & 1 == 1 => {{
                Some((self.said[usize::from(c)], &self.probabilities[usize::from(c)]))
            }}
{average}            _ => None,
        }}
    }}
"
    );
    for (at, Average { members, .. }) in board.averages.iter().enumerate() {
        let what: Vec<&str> = members.iter().map(|(c, _)| plan.candidates[c.index()].as_str()).collect();
        let _ = write!(
            text,
            "\n    /// The average of {}.\n    fn average_{at}(&mut self) -> Said {{\n        self.mixed = [0.0; CLASSES];\n",
            what.join(", ")
        );
        for (c, weight) in members {
            let row = match calibrated.iter().position(|&(other, _)| other == c.index()) {
                Some(row) => format!("calibrated[{row}]"),
                None => format!("probabilities[{}]", c.0),
            };
            let _ =
                writeln!(text, "        arithmetic::add_weighted(&mut self.mixed, {}, &self.{row});", float(*weight));
        }
        text.push_str(
            "        let (class, probability, margin) = arithmetic::two_largest(&self.mixed);\n        Said { class, probability, margin, entropy: \
             0.0 }\n    }\n",
        );
    }
    text
}
