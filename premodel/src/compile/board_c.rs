//! The code of a board in C: it turns scores into signals, and an answer into a class.

use core::fmt::Write;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::board_parts::{self, BoardParts, Joint};
use super::names::Names;
use super::{Plan, float};
use crate::AverageSignal;
use crate::board::{Agreement, Own};

/// The same arithmetic as in `arithmetic.rs`. `@x@` stands for what the names of types and functions begin with, `@k@` for what those
/// of constants begin with.
const ARITHMETIC: &str = include_str!("arithmetic.c");

/// What the code of a board is made of, and how it is to be written.
pub(super) struct BoardInC<'a> {
    pub(super) plan: &'a Plan<'a>,
    pub(super) names: &'a Names,
    pub(super) parts: BoardParts<'a>,
    /// What stands before the functions that users call.
    pub(super) linkage: &'a str,
    /// What stands before the others.
    pub(super) private: &'a str,
}

/// Types and constants of the board, for the header.
pub(super) fn types(plan: &Plan<'_>, names: &Names) -> String {
    let Some(board) = &plan.board else { return String::new() };
    let Names { x, k } = names;
    let classes = plan.model.classes();
    let calibrated = match BoardParts::of(board).calibrated.len() {
        0 => String::new(),
        rows => format!("    float calibrated[{rows}][{k}_CLASSES]; /* at the temperatures of averages */\n"),
    };
    let mixed = match board.wiring.averages.len() {
        0 => String::new(),
        _ => format!("    float mixed[{k}_CLASSES]; /* the average that was computed last */\n"),
    };
    format!(
        "
/* Number of classes. */
#define {k}_CLASSES {classes}

/* Kinds of scores: logits, which may be any finite numbers and of which softmax makes probabilities, or class probabilities. */
enum {{ {k}_LOGITS = 0, {k}_PROBABILITIES = 1 }};

/* The most probable class of a candidate's output or of an answer, and how sure it is. */
typedef struct {{
    uint32_t class_index; /* the class with the largest probability; where several have it, the first of them */
    float probability;    /* the probability of that class, 0 to 1 */
    float margin;         /* that probability less the second largest; with one class, the probability itself */
    float entropy;        /* entropy of the probabilities over ln({k}_CLASSES), 0 to 1; 0 for an average */
}} {x}_summary;

/* The signals of one input, and the outputs that they are computed from. Call {x}_init once before its first input.
 * signals[{k}_SIGNAL_...] is what {x}_step reads. */
typedef struct {{
    float signals[{k}_SIGNALS > 0 ? {k}_SIGNALS : 1];
    uint16_t reported; /* the candidates whose scores were taken for this input: bit i stands for candidate i */
    {x}_summary summaries[{k}_CANDIDATES];
    float probabilities[{k}_CANDIDATES][{k}_CLASSES];
{calibrated}{mixed}}} {x}_board;
"
    )
}

/// The public functions: comment and signature.
pub(super) fn signatures(names: &Names) -> [(String, String); 4] {
    let Names { x, k } = names;
    [
        (
            "/* Prepares a board for its first input: all signals are unset (NaN). */".into(),
            format!("void {x}_init({x}_board *board)"),
        ),
        (
            "/* Begins an input: unsets all signals except the user's own (signal.NAME). Set the features after this call. */"
                .into(),
            format!("void {x}_begin({x}_board *board)"),
        ),
        (
            format!(
                "/* Takes the {k}_CLASSES scores of a candidate that ran (kind: {k}_LOGITS or {k}_PROBABILITIES), and computes every \
                 signal\n * that depends on them: the candidate's own, agreements, averages. Returns 1; or 0 where a score is not finite \
                 or is no\n * probability: then call {x}_failed. */"
            ),
            format!("int {x}_scores({x}_board *board, uint8_t candidate, int kind, const float *scores)"),
        ),
        (
            format!(
                "/* Writes the summary of an answer, and where its {k}_CLASSES probabilities stand in the board (unless probabilities is \
                 NULL).\n * Returns 1; or 0 where the request is no answer, or a candidate of the answer has not reported its scores. */"
            ),
            format!(
                "int {x}_answer({x}_board *board, {x}_request request, {x}_summary *summary, const float **probabilities)"
            ),
        ),
    ]
}

impl BoardInC<'_> {
    /// All functions.
    pub(super) fn definitions(&self) -> String {
        let mut text = self.arithmetic();
        self.risk_tables(&mut text);
        self.averages(&mut text);
        self.init_and_begin(&mut text);
        self.unset(&mut text);
        self.scores(&mut text);
        self.answer(&mut text);
        text.push_str("\n#if defined(__GNUC__) && !defined(__clang__)\n#pragma GCC pop_options\n#endif\n");
        text
    }

    /// The arithmetic that no program changes, without the functions that only averages call where no average is computed.
    fn arithmetic(&self) -> String {
        let (before, rest) = ARITHMETIC.split_once("@averages_only@\n").expect("the template has this mark");
        let (only, after) = rest.split_once("@averages_only_end@\n").expect("and its end");
        let only = if self.parts.calibrated.is_empty() { "" } else { only };
        format!("{before}{only}{after}")
            .replace("@private@@x@_summary", &format!("{}{}_summary", self.private, self.names.x))
            .replace("@private@", self.private)
            .replace("@x@", &self.names.x)
            .replace("@k@", &self.names.k)
            .replace("@entropy_scale@", &board_parts::entropy_scale(self.plan.model.classes() as usize))
    }

    fn risk_tables(&self, text: &mut String) {
        let k = &self.names.k;
        for (candidate, risk) in self.parts.risks() {
            let candidate = &self.plan.candidates[candidate];
            let all: Vec<String> = risk.iter().map(|&r| format!("{}f", float(r))).collect();
            let _ = write!(
                text,
                "\n/* How often {candidate} is wrong when it answers with each class. */\nstatic const float \
                 {k}_RISK_{candidate}_[{k}_CLASSES] = {{\n    {}\n}};\n",
                all.join(", ")
            );
        }
    }

    /// One function for each average, and the one that adds a candidate's share to it.
    fn averages(&self, text: &mut String) {
        let Names { x, k } = self.names;
        let private = self.private;
        let averages = &self.parts.board.wiring.averages;
        if averages.is_empty() {
            return;
        }
        let _ = write!(
            text,
            "
{private}void {x}_add_(float *sum, float weight, const float *probabilities)
{{
    uint32_t i;
    for (i = 0; i < {k}_CLASSES; i++) {{
        sum[i] += weight * probabilities[i];
    }}
}}
"
        );
        for (at, average) in averages.iter().enumerate() {
            let what = self.plan.names_of(average.of);
            let _ = write!(
                text,
                "\n/* The average of {what}. */\n{private}{x}_summary {x}_average_{at}_({x}_board *board)\n{{\n    uint32_t i;\n    for \
                 (i = 0; i < {k}_CLASSES; i++) {{\n        board->mixed[i] = 0.0f;\n    }}\n"
            );
            for (probabilities, weight) in self.parts.members(average) {
                let _ = writeln!(text, "    {x}_add_(board->mixed, {}f, board->{probabilities});", float(weight));
            }
            let _ = writeln!(text, "    return {x}_top_(board->mixed);\n}}");
        }
    }

    /// A statement that unsets a signal.
    fn unset_signal(&self, at: usize) -> String {
        let Names { x, k } = self.names;
        format!("board->signals[{k}_SIGNAL_{}] = {x}_float_(0x7fc00000u);\n", self.plan.signals[at])
    }

    fn init_and_begin(&self, text: &mut String) {
        let x = &self.names.x;
        let linkage = self.linkage;
        let [(init_comment, init), (begin_comment, begin), ..] = signatures(self.names);
        let transient: String =
            self.parts.board.transient.iter().map(|&at| format!("    {}", self.unset_signal(at))).collect();
        let _ = write!(
            text,
            "
{init_comment}
{linkage}{init}
{{
    uint32_t i;
    for (i = 0; i < sizeof board->signals / sizeof board->signals[0]; i++) {{
        board->signals[i] = {x}_float_(0x7fc00000u);
    }}
    board->reported = 0;
}}

{begin_comment}
{linkage}{begin}
{{
{transient}    board->reported = 0;
}}
"
        );
    }

    /// The function that forgets a candidate's output and everything that was computed from it.
    fn unset(&self, text: &mut String) {
        let Names { x, k } = self.names;
        let mut cases = String::new();
        for (candidate, places) in self.parts.dependent_signals() {
            let _ = writeln!(cases, "    case {k}_CANDIDATE_{}:", self.plan.candidates[candidate]);
            places.iter().for_each(|&at| cases.push_str(&format!("        {}", self.unset_signal(at))));
            cases.push_str("        break;\n");
        }
        let _ = write!(
            text,
            "
{private}void {x}_unset_({x}_board *board, uint8_t candidate)
{{
    board->reported = (uint16_t)(board->reported & ~(1u << candidate));
{switch}}}
",
            private = self.private,
            switch = switch(&cases),
        );
    }

    /// The function that takes a candidate's scores.
    fn scores(&self, text: &mut String) {
        let Names { x, k } = self.names;
        let [_, _, (comment, signature), _] = signatures(self.names);
        let reads_average = self.parts.joints().any(|(_, joint)| matches!(joint, Joint::Average(..)));
        let _ = write!(
            text,
            "
{comment}
{linkage}{signature}
{{
    {x}_summary *summary;
{average}    if (candidate >= {k}_CANDIDATES) {{
        return 0;
    }}
    summary = &board->summaries[candidate];
    if (!{x}_summarise_(kind, scores, board->probabilities[candidate], summary)) {{
        {x}_unset_(board, candidate);
        return 0;
    }}
    board->reported = (uint16_t)(board->reported | 1u << candidate);
{own}{joint}    return 1;
}}
",
            linkage = self.linkage,
            average = if reads_average { format!("    {x}_summary average;\n") } else { String::new() },
            own = switch(&self.cases_of_candidates()),
            joint = self.joint_signals(),
        );
    }

    /// For each candidate: what sets its own signals, and its probabilities for averages.
    fn cases_of_candidates(&self) -> String {
        let Names { x, k } = self.names;
        let mut cases = String::new();
        for of in self.parts.of_candidates() {
            let candidate = &self.plan.candidates[of.candidate];
            let _ = writeln!(cases, "    case {k}_CANDIDATE_{candidate}:");
            for &(at, own) in of.signals {
                let value = match own {
                    Own::Top1 => "summary->probability".into(),
                    Own::Margin => "summary->margin".into(),
                    Own::Entropy => "summary->entropy".into(),
                    Own::Risk => format!("{k}_RISK_{candidate}_[summary->class_index]"),
                };
                let _ = writeln!(cases, "        board->signals[{k}_SIGNAL_{}] = {value};", self.plan.signals[at]);
            }
            if let Some((row, temperature)) = of.calibrated {
                let temperature = float(temperature);
                let _ = write!(
                    cases,
                    "        if (kind == {k}_LOGITS) {{
            {x}_softmax_(scores, 1.0f / {temperature}f, board->calibrated[{row}]);
        }} else {{
            {x}_sharpen_(board->probabilities[candidate], 1.0f / {temperature}f, board->calibrated[{row}]);
        }}
"
                );
            }
            cases.push_str("        break;\n");
        }
        cases
    }

    /// What sets agreements and averages once all their candidates have run.
    fn joint_signals(&self) -> String {
        let Names { x, k } = self.names;
        let mut text = String::new();
        for (mask, joint) in self.parts.joints() {
            let _ = writeln!(
                text,
                "    if ((0x{mask:x}u >> candidate & 1u) != 0 && (board->reported & 0x{mask:x}u) == 0x{mask:x}u) {{"
            );
            match joint {
                Joint::Agreement(&Agreement { signal, pair: [a, b] }) => {
                    let signal = &self.plan.signals[signal];
                    let (a, b) = (a.0, b.0);
                    let _ = writeln!(
                        text,
                        "        board->signals[{k}_SIGNAL_{signal}] =\n            board->summaries[{a}].class_index == \
                         board->summaries[{b}].class_index ? 1.0f : 0.0f;"
                    );
                }
                Joint::Average(number, signals) => {
                    let _ = writeln!(text, "        average = {x}_average_{number}_(board);");
                    for &(at, signal) in signals {
                        let field = match signal {
                            AverageSignal::Top1 => "probability",
                            AverageSignal::Margin => "margin",
                        };
                        let signal = &self.plan.signals[at];
                        let _ = writeln!(text, "        board->signals[{k}_SIGNAL_{signal}] = average.{field};");
                    }
                }
            }
            text.push_str("    }\n");
        }
        text
    }

    /// The function that gives the class and the probabilities of an answer.
    fn answer(&self, text: &mut String) {
        let Names { x, k } = self.names;
        let [.., (comment, signature)] = signatures(self.names);
        let mut cases = String::new();
        for (at, average) in self.parts.board.wiring.averages.iter().enumerate() {
            let mask = average.of.0;
            let _ = writeln!(cases, "        case 0x{mask:x}: *summary = {x}_average_{at}_(board); break;");
        }
        let average = if cases.is_empty() {
            String::new()
        } else {
            format!(
                "    if (request.kind == {k}_AVERAGE && (board->reported & request.average) == request.average) {{
        switch (request.average) {{
{cases}        default: return 0;
        }}
        if (probabilities) {{
            *probabilities = board->mixed;
        }}
        return 1;
    }}
"
            )
        };
        let _ = write!(
            text,
            "
{comment}
{linkage}{signature}
{{
    if (request.kind == {k}_ANSWER && request.candidate < {k}_CANDIDATES && (board->reported >> request.candidate & 1u) != 0) {{
        *summary = board->summaries[request.candidate];
        if (probabilities) {{
            *probabilities = board->probabilities[request.candidate];
        }}
        return 1;
    }}
{average}    return 0;
}}
",
            linkage = self.linkage,
        );
    }
}

/// A switch over candidates with these cases, or nothing where there are none.
fn switch(cases: &str) -> String {
    match cases {
        "" => String::new(),
        _ => format!("    switch (candidate) {{\n{cases}    default: break;\n    }}\n"),
    }
}
