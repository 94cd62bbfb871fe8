//! Freestanding C99, which is also C++.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::names::Names;
use super::{Form, Plan, board_c, float};
use crate::pack::Pack;
use crate::{Answer, View};

/// One header with everything.
pub(super) fn header(plan: &Plan<'_>) -> String {
    let names = Names::of(plan.options.name);
    names.head(plan, &names.definitions(plan, "static inline "))
}

/// A header of declarations.
pub(super) fn declarations(plan: &Plan<'_>) -> String {
    let names = Names::of(plan.options.name);
    let mut text = String::new();
    let of_board = plan.board.iter().flat_map(|_| board_c::signatures(&names));
    for (comment, signature) in names.signatures().into_iter().chain(of_board) {
        let _ = write!(text, "\n{comment}\n{signature};\n");
    }
    names.head(plan, &text)
}

/// The functions, for the header of declarations.
pub(super) fn source(plan: &Plan<'_>) -> String {
    let names = Names::of(plan.options.name);
    format!("/*\n{} */\n#include \"{}.h\"\n{}", title(plan), plan.options.name, names.definitions(plan, ""))
}

fn title(plan: &Plan<'_>) -> String {
    plan.title().iter().fold(String::new(), |text, line| text + format!(" * {line}").trim_end() + "\n")
}

impl Names {
    /// Types and constants, then the rest, in the guard.
    fn head(&self, plan: &Plan<'_>, rest: &str) -> String {
        let Names { x, k } = self;
        let constants = |what: &str, names: &[(String, usize)], count: Option<usize>| {
            let mut text = String::from("enum {\n");
            for (name, number) in names {
                let _ = writeln!(text, "    {k}_{what}_{name} = {number},");
            }
            match count {
                Some(count) => {
                    let _ = write!(text, "    {k}_{what}S = {count}\n}};\n");
                }
                None => {
                    text.truncate(text.len() - 2);
                    text.push_str("\n};\n");
                }
            }
            text
        };
        let numbered = |names: &[String]| -> Vec<(String, usize)> { names.iter().cloned().zip(0..).collect() };
        let nodes: Vec<(String, usize)> = plan.node_names().into_iter().map(|(n, at)| (n, usize::from(at))).collect();
        format!(
            "/*
{title} *
 * Use:
{usage} *
 * Threads: a walk is used by one thread at a time; there is no other state, and nothing is allocated.
 */
#ifndef {k}_H
#define {k}_H

#include <stdint.h>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error \"{x}: expected comparisons that know NaN, got -ffinite-math-only; compile without it and without -ffast-math\"
#endif

#ifdef __cplusplus
extern \"C\" {{
#endif

/* Tells this program from others: the same number as trt-select prints. */
#define {k}_PROGRAM UINT64_C(0x{hash:016x})

/* The candidates. */
{candidates}
/* The signals: places in the array that {x}_step reads. */
{signals}
/* The nodes that a walk can stand on; trt-select inspect shows the program with them. */
{nodes}
enum {{
    {k}_NONE_WORKS = 0, /* nothing can answer: every candidate of the fallback list failed */
    {k}_RUN = 1,        /* run request.candidate, then call {x}_step or {x}_failed */
    {k}_ANSWER = 2,     /* done: request.candidate answers */
    {k}_AVERAGE = 3     /* done: the mean of request.average answers */
}};

typedef struct {{
    uint8_t kind;      /* one of the four above */
    uint8_t candidate; /* for {k}_RUN and {k}_ANSWER */
    uint16_t average;  /* for {k}_AVERAGE: bit i stands for candidate i */
}} {x}_request;

/* Where a walk stands. All zero is the start. */
typedef struct {{
    uint32_t leaf;   /* the last Run or Answer; its lowest 12 bits are the node */
    uint16_t ran;    /* candidates that ran, those that failed included: bit i stands for candidate i */
    uint16_t failed; /* candidates that failed */
    uint8_t rescue;  /* after a failure: 1 + the candidate that answers in its place */
}} {x}_walk;
{types}{rest}
#ifdef __cplusplus
}}
#endif

#endif
",
            title = title(plan),
            types = plan.board.as_ref().map_or_else(String::new, |board| board_c::types(
                self,
                board,
                plan.model.classes() as usize
            )),
            usage = self.usage(plan),
            hash = plan.model.program().hash(),
            candidates = constants("CANDIDATE", &numbered(&plan.candidates), Some(plan.candidates.len())),
            signals = constants("SIGNAL", &numbered(&plan.signals), Some(plan.signals.len())),
            nodes = constants("NODE", &nodes, None),
        )
    }

    /// How the functions are used, for the comment at the top.
    fn usage(&self, plan: &Plan<'_>) -> String {
        let Names { x, k } = self;
        if plan.board.is_none() {
            return format!(
                " *     {x}_walk walk = {{0}};
 *     {x}_request request = {x}_step(&walk, signals);
 *     while (request.kind == {k}_RUN) {{
 *         ... run request.candidate, write its signals to their places ({k}_SIGNAL_...) ...
 *         request = it_worked ? {x}_step(&walk, signals) : {x}_failed(&walk, request.candidate);
 *     }}
"
            );
        }
        format!(
            " *     {x}_board board;                 once, then {x}_init(&board);
 *     {x}_walk walk = {{0}};
 *     {x}_begin(&board);               ... then set features and own signals in board.signals ({k}_SIGNAL_...) ...
 *     {x}_request request = {x}_step(&walk, board.signals);
 *     while (request.kind == {k}_RUN) {{
 *         ... run request.candidate: scores ...
 *         request = it_worked && {x}_scores(&board, request.candidate, {k}_LOGITS, scores)
 *                       ? {x}_step(&walk, board.signals) : {x}_failed(&walk, request.candidate);
 *     }}
 *     {x}_answer(&board, request, &said, NULL);
 *
 * A program that knows its signals itself writes them to an array of its own, and needs no board.
"
        )
    }

    fn signatures(&self) -> [(String, String); 3] {
        let Names { x, k } = self;
        [
            (
                format!(
                    "/* Goes on until a candidate is wanted or an answer is found. signals holds {k}_SIGNALS values; those of
 * candidates that have not run are not used, and one that is NaN goes to the else branch. */"
                ),
                format!("{x}_request {x}_step({x}_walk *walk, const float *signals)"),
            ),
            (
                "/* Tells the walk that a candidate failed: the first one of the fallback list that has not failed answers, and\n * \
                 runs first if it has not run yet. */"
                    .into(),
                format!("{x}_request {x}_failed({x}_walk *walk, uint8_t candidate)"),
            ),
            (
                format!("/* The node that the walk stands on: after an answer the one that gave it ({k}_NODE_...). */"),
                format!("uint16_t {x}_node(const {x}_walk *walk)"),
            ),
        ]
    }

    fn leaf(&self, plan: &Plan<'_>, node: u16) -> String {
        let k = &self.k;
        match plan.view(node) {
            View::Run { candidate, .. } => {
                format!("{k}_LEAF_({k}_RUN, {k}_CANDIDATE_{}, {node})", plan.candidates[candidate.index()])
            }
            View::Answer(Answer::Candidate(c)) => {
                format!("{k}_LEAF_({k}_ANSWER, {k}_CANDIDATE_{}, {node})", plan.candidates[c.index()])
            }
            View::Answer(Answer::Average(mask)) => format!("{k}_LEAF_({k}_AVERAGE, 0x{:x}, {node})", mask.0),
            View::Test { .. } => unreachable!("a test is no leaf"),
        }
    }

    /// All functions. `linkage` stands before the public ones.
    fn definitions(&self, plan: &Plan<'_>, linkage: &str) -> String {
        let Names { x, k } = self;
        let private = if linkage.is_empty() { "static " } else { linkage };
        let mut text = format!(
            "\n/* Of a leaf: what to do, with whom, and at which node. */\n#define {k}_LEAF_(kind, who, node) ((uint32_t)(who) << 16 | \
             (uint32_t)(kind) << 12 | (uint32_t)(node))\n"
        );
        self.table(plan, private, &mut text);
        for tests in &plan.tests {
            let start = tests.start;
            let _ = write!(
                text,
                "\n/* The tests from node {start} on. */\n{private}uint32_t {x}_tests_{start}_(const float *signals)\n{{\n"
            );
            match tests.form {
                Form::Nested => self.nested(plan, start, 1, &mut text),
                Form::Single(block) => self.single(plan, start, block, &mut text),
                Form::Table(place) => {
                    let _ = writeln!(text, "    return {x}_descend_({place}, signals);");
                }
            }
            text.push_str("}\n");
        }
        self.next(plan, private, &mut text);
        self.public(plan, linkage, private, &mut text);
        if let Some(board) = &plan.board {
            text.push_str(&board_c::definitions(plan, self, board, linkage, private));
        }
        text
    }

    fn nested(&self, plan: &Plan<'_>, at: u16, depth: usize, text: &mut String) {
        let indent = "    ".repeat(depth);
        let View::Test { signal, threshold, then, otherwise } = plan.view(at) else {
            let _ = writeln!(text, "{indent}return {};", self.leaf(plan, at));
            return;
        };
        let signal = &plan.signals[signal.index()];
        let _ = writeln!(text, "{indent}if (signals[{}_SIGNAL_{signal}] <= {}f) {{", self.k, float(threshold));
        self.nested(plan, then, depth + 1, text);
        let _ = writeln!(text, "{indent}}} else {{");
        self.nested(plan, otherwise, depth + 1, text);
        let _ = writeln!(text, "{indent}}}");
    }

    /// Up to three tests, made side by side. A test that fails counts 1.
    fn single(&self, plan: &Plan<'_>, start: u16, block: u16, text: &mut String) {
        let block = &plan.singles.blocks[usize::from(block)];
        let View::Test { then, otherwise, .. } = plan.view(start) else { unreachable!("tests start with a test") };
        let there = [true, plan.nodes[usize::from(then)].is_test(), plan.nodes[usize::from(otherwise)].is_test()];
        for ((name, there), i) in ["a", "b", "c"].into_iter().zip(there).zip(0..) {
            if there {
                let signal = &plan.signals[usize::from(block.signals[i])];
                let threshold = float(block.thresholds[i]);
                let _ = writeln!(
                    text,
                    "    const uint32_t {name} = !(signals[{}_SIGNAL_{signal}] <= {threshold}f);",
                    self.k
                );
            }
        }
        let first = usize::from(block.next) - plan.singles.blocks.len();
        let _ = writeln!(text, "    static const uint32_t leaves[4] = {{");
        for (i, &leaf) in plan.singles.leaves[first..first + 4].iter().enumerate() {
            let _ = writeln!(text, "        {}{}", self.leaf(plan, leaf), if i < 3 { "," } else { "" });
        }
        let _ = writeln!(text, "    }};\n    return leaves[{}];", super::place_of(there, "u"));
    }

    fn table(&self, plan: &Plan<'_>, private: &str, text: &mut String) {
        let Names { x, k } = self;
        let Pack { blocks, leaves, .. } = &plan.pack;
        if blocks.is_empty() {
            return;
        }
        let _ = write!(
            text,
            "
/*
 * Two levels of tests: the first, the one below it where it holds, the one below it where it fails. From next on stand the
 * four places that they lead to: blocks, and past those, leaves.
 */
typedef struct {{
    float threshold[3];
    uint16_t signal[3];
    uint16_t next;
}} {x}_block_;

static const {x}_block_ {k}_BLOCKS_[{}] = {{
",
            blocks.len()
        );
        for (i, block) in blocks.iter().enumerate() {
            let thresholds: Vec<String> = block.thresholds.iter().map(|&t| format!("{}f", float(t))).collect();
            let signals: Vec<String> =
                block.signals.iter().map(|&s| format!("{k}_SIGNAL_{}", plan.signals[usize::from(s)])).collect();
            let comma = if i + 1 < blocks.len() { "," } else { "" };
            let _ = writeln!(
                text,
                "    {{{{{}}}, {{{}}}, {}}}{comma}",
                thresholds.join(", "),
                signals.join(", "),
                block.next
            );
        }
        let _ = write!(text, "}};\n\nstatic const uint32_t {k}_LEAVES_[{}] = {{\n", leaves.len());
        for (i, &leaf) in leaves.iter().enumerate() {
            let comma = if i + 1 < leaves.len() { "," } else { "" };
            let _ = writeln!(text, "    {}{comma}", self.leaf(plan, leaf));
        }
        let _ = write!(
            text,
            "}};

/*
 * The leaf that the tests from a place on lead to. The three tests of a block wait for nothing but the block, and what they
 * say is added up (a test that fails counts 1): there is no jump that a processor would have to guess.
 */
{private}uint32_t {x}_descend_(uint32_t place, const float *signals)
{{
    while (place < {count}u) {{
        const {x}_block_ *block = &{k}_BLOCKS_[place];
        const uint32_t a = !(signals[block->signal[0]] <= block->threshold[0]);
        const uint32_t b = !(signals[block->signal[1]] <= block->threshold[1]);
        const uint32_t c = !(signals[block->signal[2]] <= block->threshold[2]);
        place = block->next + 2u * a + b + (c - b) * a;
    }}
    return {k}_LEAVES_[place - {count}u];
}}
",
            count = blocks.len()
        );
    }

    /// The function that knows where a walk goes on.
    fn next(&self, plan: &Plan<'_>, private: &str, text: &mut String) {
        let Names { x, k } = self;
        let (to_tests, to_leaves): (Vec<_>, Vec<_>) =
            plan.runs.iter().partition(|(_, next)| plan.nodes[usize::from(*next)].is_test());
        let name = |at: u16| super::node_name(plan.view(at), at, &plan.candidates).unwrap_or_default();
        // Two functions, so that the second, which reads no signal, becomes a table.
        if !to_leaves.is_empty() {
            let _ = write!(
                text,
                "\n/* The leaf right after a Run, where no test stands between; else 0. */\n{private}uint32_t {x}_then_(uint32_t \
                 node)\n{{\n    switch (node) {{\n"
            );
            for &&(at, next) in &to_leaves {
                let _ = writeln!(text, "    case {k}_NODE_{}: return {};", name(at), self.leaf(plan, next));
            }
            text.push_str("    default: return 0;\n    }\n}\n");
        }
        let start = if plan.nodes[0].is_test() { format!("{x}_tests_0_(signals)") } else { self.leaf(plan, 0) };
        let _ = write!(
            text,
            "\n/* The leaf after the one that the walk stands on. An answer stays. */\n{private}uint32_t {x}_next_(uint32_t leaf, const float \
             *signals)\n{{\n    uint32_t then = 0;\n    if (leaf == 0) {{\n        return {start};\n    }}\n"
        );
        if !to_tests.is_empty() {
            text.push_str("    switch (leaf & 0xfffu) {\n");
            for &&(at, next) in &to_tests {
                let _ = writeln!(text, "    case {k}_NODE_{}: return {x}_tests_{next}_(signals);", name(at));
            }
            text.push_str("    default: break;\n    }\n");
        }
        if !to_leaves.is_empty() {
            let _ = writeln!(text, "    then = {x}_then_(leaf & 0xfffu);");
        }
        text.push_str("    (void)signals;\n    return then != 0 ? then : leaf;\n}\n");
    }

    fn public(&self, plan: &Plan<'_>, linkage: &str, private: &str, text: &mut String) {
        let Names { x, k } = self;
        let fallback: Vec<String> =
            plan.model.fallback().iter().map(|c| format!("{k}_CANDIDATE_{}", plan.candidates[c.index()])).collect();
        let [(step_comment, step), (failed_comment, failed), (node_comment, node)] = self.signatures();
        let _ = write!(
            text,
            "
{private}{x}_request {x}_request_(uint32_t kind, uint32_t who)
{{
    {x}_request request;
    request.kind = (uint8_t)kind;
    request.candidate = (uint8_t)(kind == {k}_AVERAGE ? 0 : who);
    request.average = (uint16_t)(kind == {k}_AVERAGE ? who : 0);
    return request;
}}

{step_comment}
{linkage}{step}
{{
    if (walk->rescue != 0) {{
        return {x}_request_({k}_ANSWER, walk->rescue - 1u);
    }}
    walk->leaf = {x}_next_(walk->leaf, signals);
    if ((walk->leaf >> 12 & 0xfu) == {k}_RUN) {{
        walk->ran = (uint16_t)(walk->ran | 1u << (walk->leaf >> 16));
    }}
    return {x}_request_(walk->leaf >> 12 & 0xfu, walk->leaf >> 16);
}}

{failed_comment}
{linkage}{failed}
{{
    static const uint8_t fallback[{count}] = {{{fallback}}};
    uint32_t i;
    walk->failed = (uint16_t)(walk->failed | (candidate < 16 ? 1u << candidate : 0u));
    walk->rescue = 0;
    for (i = 0; i < {count}u; i++) {{
        const uint32_t other = fallback[i];
        if ((walk->failed >> other & 1u) == 0) {{
            walk->rescue = (uint8_t)(other + 1u);
            if ((walk->ran >> other & 1u) != 0) {{
                return {x}_request_({k}_ANSWER, other);
            }}
            walk->ran = (uint16_t)(walk->ran | 1u << other);
            return {x}_request_({k}_RUN, other);
        }}
    }}
    return {x}_request_({k}_NONE_WORKS, 0);
}}

{node_comment}
{linkage}{node}
{{
    return (uint16_t)(walk->leaf & 0xfffu);
}}
",
            count = fallback.len(),
            fallback = fallback.join(", "),
        );
    }
}
