//! Freestanding C99, which is also C++.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::board_c::{self, BoardInC};
use super::board_parts::BoardParts;
use super::names::Names;
use super::{Form, Plan, float};
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
    format!("/*\n{} */\n#include \"{}.h\"\n{}", plan.title(" *"), plan.options.name, names.definitions(plan, ""))
}

impl Names {
    /// An enumeration with these constants, where `lines` holds `NAME = number` for each of them.
    fn constants(&self, lines: impl Iterator<Item = String>) -> String {
        let lines: Vec<String> = lines.map(|line| format!("    {}_{line}", self.k)).collect();
        format!("enum {{\n{}\n}};\n", lines.join(",\n"))
    }

    /// One constant for each name, and one for how many there are.
    fn numbered(&self, what: &str, names: &[String]) -> String {
        let each = names.iter().enumerate().map(|(i, name)| format!("{what}_{name} = {i}"));
        self.constants(each.chain([format!("{what}S = {}", names.len())]))
    }

    /// The whole header: comment, guard, types and constants, and then `rest`.
    fn head(&self, plan: &Plan<'_>, rest: &str) -> String {
        let Names { x, k } = self;
        let nodes = plan.node_names().into_iter().map(|(name, at)| format!("NODE_{name} = {at}"));
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

/* A number that tells this program from others; trt-select inspect prints the same one. */
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
    {k}_AVERAGE = 3     /* done: the weighted average of the candidates in request.average answers */
}};

typedef struct {{
    uint8_t kind;      /* one of the four above */
    uint8_t candidate; /* for {k}_RUN and {k}_ANSWER */
    uint16_t average;  /* for {k}_AVERAGE: bit i stands for candidate i */
}} {x}_request;

/* Where a walk stands. A walk that is all zero stands at the start. */
typedef struct {{
    uint32_t leaf;   /* the last Run or Answer; its lowest 12 bits are the node */
    uint16_t ran;    /* candidates that ran, including those that failed: bit i stands for candidate i */
    uint16_t failed; /* candidates that failed */
    uint8_t rescue;  /* after a failure: 1 + the candidate that answers instead */
}} {x}_walk;
{types}{rest}
#ifdef __cplusplus
}}
#endif

#endif
",
            title = plan.title(" *"),
            types = board_c::types(plan, self),
            usage = self.usage(plan),
            hash = plan.model.program().hash(),
            candidates = self.numbered("CANDIDATE", &plan.candidates),
            signals = self.numbered("SIGNAL", &plan.signals),
            nodes = self.constants(nodes),
        )
    }

    /// An example of how the functions are used, for the comment at the top.
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
 *     {x}_begin(&board);               ... then set features and signals of your own in board.signals ({k}_SIGNAL_...) ...
 *     {x}_request request = {x}_step(&walk, board.signals);
 *     while (request.kind == {k}_RUN) {{
 *         ... run request.candidate: scores ...
 *         request = it_worked && {x}_scores(&board, request.candidate, {k}_LOGITS, scores)
 *                       ? {x}_step(&walk, board.signals) : {x}_failed(&walk, request.candidate);
 *     }}
 *     {x}_answer(&board, request, &summary, NULL);
 *
 * A program that computes the signals itself writes them to an array of its own, and needs no board.
"
        )
    }

    fn signatures(&self) -> [(String, String); 3] {
        let Names { x, k } = self;
        [
            (
                format!(
                    "/* Goes on until a candidate has to run or an answer is found. signals holds {k}_SIGNALS values. Those of candidates
 * that have not run are not read, and a test whose signal is NaN goes to its else branch. */"
                ),
                format!("{x}_request {x}_step({x}_walk *walk, const float *signals)"),
            ),
            (
                "/* Tells the walk that a candidate failed. The first candidate of the fallback list that has not failed will\n * \
                 answer; the result asks for it to run if it has not run yet. */"
                    .into(),
                format!("{x}_request {x}_failed({x}_walk *walk, uint8_t candidate)"),
            ),
            (
                format!("/* The node that the walk stands on ({k}_NODE_...). After an answer this is the node that gave it. */"),
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
            "\n/* A leaf in 32 bits: what to do, for which candidate or average, and at which node. */\n#define {k}_LEAF_(kind, who, node) ((uint32_t)(who) << 16 | \
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
            let parts = BoardParts::of(board);
            text.push_str(&BoardInC { plan, names: self, parts, linkage, private }.definitions());
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

    /// One block written out: up to three tests, all of which are made. A test that fails counts 1.
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
 * Two levels of tests: the upper test, the test after it if it holds, and the test after it if it fails. next is the first of
 * the four places that they lead to. A place is the number of a block, or the number of blocks plus the number of a leaf.
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
 * The leaf that the tests from a place on lead to. All three tests of a block are made, and their results (1 for a test that
 * fails) are added up to the next place. So there is no jump whose direction the processor would have to predict.
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

    /// The function that finds the leaf after a leaf.
    fn next(&self, plan: &Plan<'_>, private: &str, text: &mut String) {
        let Names { x, k } = self;
        let (to_tests, to_leaves): (Vec<_>, Vec<_>) =
            plan.runs.iter().partition(|(_, next)| plan.nodes[usize::from(*next)].is_test());
        let name = |at: u16| super::node_name(plan.view(at), at, &plan.candidates).unwrap_or_default();
        // They are two functions so that compilers make a table of the second, which reads no signal.
        if !to_leaves.is_empty() {
            let _ = write!(
                text,
                "\n/* The leaf after a Run that no test separates from it; 0 where tests come first. */\n{private}uint32_t {x}_then_(uint32_t \
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
            "\n/* The leaf after the one that the walk stands on. After an answer, that same answer. */\n{private}uint32_t {x}_next_(uint32_t leaf, const float \
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
