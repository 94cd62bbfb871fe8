//! The board in C: what turns scores into signals, and an answer into a class.

use core::fmt::Write;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::names::Names;
use super::{Plan, float};
use crate::arithmetic::ln_f64;
use crate::board::{Agreement, Average, Own, signals_of};
use crate::{AverageSignal, Board, CandidateId};

/// The same arithmetic as `arithmetic.rs`, with `@x@` and `@k@` where names begin.
const ARITHMETIC: &str = include_str!("arithmetic.c");

/// Types and constants of the board, for the header.
pub(super) fn types(names: &Names, board: &Board, classes: usize) -> String {
    let Names { x, k } = names;
    let calibrated = calibrated(board).len();
    let averages = if board.averages.is_empty() {
        String::new()
    } else {
        let row =
            if calibrated > 0 { format!("    float calibrated[{calibrated}][{k}_CLASSES];\n") } else { String::new() };
        format!("{row}    float mixed[{k}_CLASSES];\n")
    };
    format!(
        "
/* Number of classes. */
#define {k}_CLASSES {classes}

/* Kinds of scores: any real numbers, which softmax makes probabilities; or probabilities already. */
enum {{ {k}_LOGITS = 0, {k}_PROBABILITIES = 1 }};

/* What a candidate says of an input, or an answer. */
typedef struct {{
    uint32_t class_index; /* of the largest probability; of equals, the first */
    float probability;    /* its probability, 0 to 1 */
    float margin;         /* what that is above the second largest; with one class, itself */
    float entropy;        /* of the probabilities, over that of even ones: 0 to 1; of an average 0 */
}} {x}_said;

/* The signals of one input and what they are made of. {x}_init makes one; signals[{k}_SIGNAL_...] is for {x}_step. */
typedef struct {{
    float signals[{k}_SIGNALS > 0 ? {k}_SIGNALS : 1];
    uint16_t heard; /* the candidates whose scores are here: bit i stands for candidate i */
    {x}_said said[{k}_CANDIDATES];
    float probabilities[{k}_CANDIDATES][{k}_CLASSES];
{averages}}} {x}_board;
"
    )
}

/// The public functions: comment and signature.
pub(super) fn signatures(names: &Names) -> [(String, String); 4] {
    let Names { x, k } = names;
    [
        (
            "/* A board before its first input: all signals unset (NaN). */".into(),
            format!("void {x}_init({x}_board *board)"),
        ),
        (
            "/* Begins an input: all signals are unset but the user's own (signal.NAME). Features are set after it. */"
                .into(),
            format!("void {x}_begin({x}_board *board)"),
        ),
        (
            format!(
                "/* Takes the scores of a candidate that ran, {k}_CLASSES of them ({k}_LOGITS or {k}_PROBABILITIES), and computes the \
                 signals that\n * exist since: its own, agreements, averages. 0 where the scores cannot be trusted (not finite, or no \
                 probabilities): then call\n * {x}_failed. */"
            ),
            format!("int {x}_scores({x}_board *board, uint8_t candidate, int kind, const float *scores)"),
        ),
        (
            format!(
                "/* What an answer says, and the probabilities behind it ({k}_CLASSES, in the board; NULL: not wanted). 0 where the \
                 request is no\n * answer, or the scores of a candidate behind it are not here. */"
            ),
            format!(
                "int {x}_answer({x}_board *board, {x}_request request, {x}_said *said, const float **probabilities)"
            ),
        ),
    ]
}

/// Candidates that go into averages at another temperature than 1, with their inverse temperatures' divisors.
fn calibrated(board: &Board) -> Vec<(CandidateId, f32)> {
    let outputs = (0_u8..).map(CandidateId).zip(&board.outputs);
    outputs.filter_map(|(c, output)| Some((c, output.calibration.as_ref()?.temperature))).collect()
}

/// All functions. `linkage` stands before the public ones, `private` before the others.
pub(super) fn definitions(plan: &Plan<'_>, names: &Names, board: &Board, linkage: &str, private: &str) -> String {
    let Names { x, k } = names;
    let calibrated = calibrated(board);
    let mut text = arithmetic(names, private, !calibrated.is_empty(), &entropy_scale(plan.model.classes() as usize));
    for (candidate, output) in plan.candidates.iter().zip(&board.outputs) {
        if output.signals.iter().any(|(_, own)| matches!(own, Own::Risk)) {
            let all: Vec<String> = output.risk.iter().map(|&r| format!("{}f", float(r))).collect();
            let _ = write!(
                text,
                "\n/* Share of wrong answers of {candidate} by the class that it answers. */\nstatic const float {k}_RISK_{candidate}_[{k}_CLASSES] = \
                 {{\n    {}\n}};\n",
                all.join(", ")
            );
        }
    }
    averages(plan, names, board, private, &calibrated, &mut text);
    let [(init_comment, init), (begin_comment, begin), ..] = signatures(names);
    let transient: String = board
        .transient
        .iter()
        .map(|&at| format!("    board->signals[{k}_SIGNAL_{}] = {x}_float_(0x7fc00000u);\n", plan.signals[at]))
        .collect();
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
    board->heard = 0;
}}

{begin_comment}
{linkage}{begin}
{{
{transient}    board->heard = 0;
}}
"
    );
    scores(plan, names, board, linkage, private, &calibrated, &mut text);
    answer(names, board, linkage, &mut text);
    text.push_str("\n#if defined(__GNUC__) && !defined(__clang__)\n#pragma GCC pop_options\n#endif\n");
    text
}

fn arithmetic(names: &Names, private: &str, tempers: bool, scale: &str) -> String {
    let (before, rest) = ARITHMETIC.split_once("@averages_only@\n").expect("the template has this mark");
    let (only, after) = rest.split_once("@averages_only_end@\n").expect("and its end");
    let text = if tempers { format!("{before}{only}{after}") } else { format!("{before}{after}") };
    text.replace("@private@@x@_said", &format!("{private}{}_said", names.x))
        .replace("@private@", private)
        .replace("@x@", &names.x)
        .replace("@k@", &names.k)
        .replace("@entropy_scale@", scale)
}

/// One function an average, and the one that adds up.
fn averages(
    plan: &Plan<'_>,
    names: &Names,
    board: &Board,
    private: &str,
    calibrated: &[(CandidateId, f32)],
    text: &mut String,
) {
    let Names { x, k } = names;
    if board.averages.is_empty() {
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
    for (at, Average { members, .. }) in board.averages.iter().enumerate() {
        let what: Vec<&str> = members.iter().map(|(c, _)| plan.candidates[c.index()].as_str()).collect();
        let _ = write!(
            text,
            "\n/* The average of {}. */\n{private}{x}_said {x}_average_{at}_({x}_board *board)\n{{\n    uint32_t i;\n    for (i = 0; i < \
             {k}_CLASSES; i++) {{\n        board->mixed[i] = 0.0f;\n    }}\n",
            what.join(", ")
        );
        for (c, weight) in members {
            let row = match calibrated.iter().position(|(other, _)| other == c) {
                Some(row) => format!("calibrated[{row}]"),
                None => format!("probabilities[{}]", c.0),
            };
            let _ = writeln!(text, "    {x}_add_(board->mixed, {}f, board->{row});", float(*weight));
        }
        let _ = writeln!(text, "    return {x}_top_(board->mixed);\n}}");
    }
}

/// For each candidate: what unsets the signals that are made of what it says.
fn unset_cases(plan: &Plan<'_>, names: &Names, board: &Board) -> String {
    let Names { x, k } = names;
    let mut cases = String::new();
    for (i, candidate) in plan.candidates.iter().enumerate() {
        let concerned: Vec<usize> =
            signals_of(CandidateId(i as u8), &board.outputs, &board.agreements, &board.averages).collect();
        if concerned.is_empty() {
            continue;
        }
        let _ = writeln!(cases, "    case {k}_CANDIDATE_{candidate}:");
        for at in concerned {
            let signal = &plan.signals[at];
            let _ = writeln!(cases, "        board->signals[{k}_SIGNAL_{signal}] = {x}_float_(0x7fc00000u);");
        }
        cases.push_str("        break;\n");
    }
    cases
}

/// For each candidate: its own signals, and its probabilities for averages.
fn own_cases(plan: &Plan<'_>, names: &Names, board: &Board, calibrated: &[(CandidateId, f32)]) -> String {
    let Names { x, k } = names;
    let mut own = String::new();
    for (i, output) in board.outputs.iter().enumerate() {
        let candidate = &plan.candidates[i];
        let temper = calibrated.iter().position(|(c, _)| c.index() == i);
        if output.signals.is_empty() && temper.is_none() {
            continue;
        }
        let _ = writeln!(own, "    case {k}_CANDIDATE_{candidate}:");
        for &(at, which) in &output.signals {
            let value = match which {
                Own::Top1 => "said->probability".into(),
                Own::Margin => "said->margin".into(),
                Own::Entropy => "said->entropy".into(),
                Own::Risk => format!("{k}_RISK_{candidate}_[said->class_index]"),
            };
            let _ = writeln!(own, "        board->signals[{k}_SIGNAL_{}] = {value};", plan.signals[at]);
        }
        if let Some(row) = temper {
            let temperature = float(calibrated[row].1);
            let _ = write!(
                own,
                "        if (kind == {k}_LOGITS) {{
            {x}_softmax_(scores, 1.0f / {temperature}f, board->calibrated[{row}]);
        }} else {{
            {x}_sharpen_(board->probabilities[candidate], 1.0f / {temperature}f, board->calibrated[{row}]);
        }}
"
            );
        }
        own.push_str("        break;\n");
    }
    own
}

fn scores(
    plan: &Plan<'_>,
    names: &Names,
    board: &Board,
    linkage: &str,
    private: &str,
    calibrated: &[(CandidateId, f32)],
    text: &mut String,
) {
    let Names { x, k } = names;
    let [_, _, (comment, signature), _] = signatures(names);
    let (unset, own) = (unset_cases(plan, names, board), own_cases(plan, names, board, calibrated));
    let switch = |cases: &str| match cases {
        "" => String::new(),
        _ => format!("    switch (candidate) {{\n{cases}    default: break;\n    }}\n"),
    };
    let unset = switch(&unset);
    let _ = write!(
        text,
        "
{private}void {x}_unset_({x}_board *board, uint8_t candidate)
{{
    board->heard = (uint16_t)(board->heard & ~(1u << candidate));
{unset}}}

{comment}
{linkage}{signature}
{{
    {x}_said *said;
{top}    if (candidate >= {k}_CANDIDATES) {{
        return 0;
    }}
    said = &board->said[candidate];
    if (!{x}_summarise_(kind, scores, board->probabilities[candidate], said)) {{
        {x}_unset_(board, candidate);
        return 0;
    }}
    board->heard = (uint16_t)(board->heard | 1u << candidate);
{own}{joint}    return 1;
}}
",
        top = if board.averages.iter().all(|a| a.signals.is_empty()) {
            String::new()
        } else {
            format!("    {x}_said average;\n")
        },
        own = switch(&own),
        joint = joint(plan, names, board),
    );
}

/// Agreements and averages, once all their candidates have run.
fn joint(plan: &Plan<'_>, names: &Names, board: &Board) -> String {
    let Names { x, k } = names;
    let mut text = String::new();
    let mut when = |mask: u16, what: &str| {
        let _ = write!(
            text,
            "    if ((0x{mask:x}u >> candidate & 1u) != 0 && (board->heard & 0x{mask:x}u) == 0x{mask:x}u) {{\n{what}    }}\n"
        );
    };
    for Agreement { signal, pair: [a, b] } in &board.agreements {
        let mask = 1 << a.0 | 1 << b.0;
        let signal = &plan.signals[*signal];
        when(
            mask,
            &format!(
                "        board->signals[{k}_SIGNAL_{signal}] = board->said[{}].class_index == board->said[{}].class_index ? 1.0f : 0.0f;\n",
                a.0, b.0
            ),
        );
    }
    for (at, Average { of, signals, .. }) in board.averages.iter().enumerate() {
        if signals.is_empty() {
            continue;
        }
        let mut what = format!("        average = {x}_average_{at}_(board);\n");
        for (value, signal) in signals {
            let field = match signal {
                AverageSignal::Top1 => "probability",
                AverageSignal::Margin => "margin",
            };
            let _ = writeln!(what, "        board->signals[{k}_SIGNAL_{}] = average.{field};", plan.signals[*value]);
        }
        when(of.0, &what);
    }
    text
}

fn answer(names: &Names, board: &Board, linkage: &str, text: &mut String) {
    let Names { x, k } = names;
    let [.., (comment, signature)] = signatures(names);
    let cases: String = board
        .averages
        .iter()
        .enumerate()
        .map(|(at, average)| format!("        case 0x{:x}: *said = {x}_average_{at}_(board); break;\n", average.of.0))
        .collect();
    let average = if cases.is_empty() {
        String::new()
    } else {
        format!(
            "    if (request.kind == {k}_AVERAGE && (board->heard & request.average) == request.average) {{
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
    if (request.kind == {k}_ANSWER && request.candidate < {k}_CANDIDATES && (board->heard >> request.candidate & 1u) != 0) {{
        *said = board->said[request.candidate];
        if (probabilities) {{
            *probabilities = board->probabilities[request.candidate];
        }}
        return 1;
    }}
{average}    return 0;
}}
"
    );
}

/// What entropies in nats are multiplied with, as both languages read it.
pub(super) fn entropy_scale(classes: usize) -> String {
    format!("{:?}", 1.0 / ln_f64(classes.max(2) as f64))
}
