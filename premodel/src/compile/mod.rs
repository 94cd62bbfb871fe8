//! Programs as source code: Rust or freestanding C99, in the manner of code written by hand.
//!
//! The code keeps the walk's rules: it is resumable across Runs, NaN takes the else branch, and a candidate that fails leads
//! to the first one of the fallback list that works. Two styles: *branchless*, where tests become table look-ups and
//! arithmetic, and *nested*, one `if` a test. On inputs whose branches cannot be learnt the first is faster, and it is the
//! default; `benches/compare-decision` measures both.
//!
//! # The shape of the code
//! The tests that follow one another without a Run between them become one function. It gives a *leaf*: the Run or Answer
//! node that they lead to, packed into 32 bits as operand (16 bits: a candidate, or the set of an average), kind (4 bits) and
//! node (12 bits).
//!
//! Beside the walk stands a board (`board_c`, `board_rust`): it makes signals of a candidate's scores, averages included, with the
//! arithmetic of this crate and to the same bits, so that a program without this crate needs nothing of ours.

mod board_c;
mod board_rust;
mod c;
mod names;
mod rust;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::model::Premodel;
use crate::model_error::{ModelError, ModelErrorKind};
use crate::pack::Pack;
use crate::schema::MAX_NODES;
use crate::{Answer, Board, Node, View};

/// How tests are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// Table look-ups and arithmetic: no jump depends on a signal but the end of the tests.
    #[default]
    Branchless,
    /// One `if` a test: easiest to read, and fast where most inputs go the same way.
    Nested,
}

impl Style {
    /// Its name, as the command line writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Style::Branchless => "branchless",
            Style::Nested => "nested",
        }
    }
}

impl core::str::FromStr for Style {
    type Err = ModelError;

    fn from_str(name: &str) -> Result<Style, ModelError> {
        [Style::Branchless, Style::Nested].into_iter().find(|s| s.name() == name).ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::Style,
                format!("style: expected branchless or nested, got '{name}'; name one of them"),
            )
        })
    }
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A Rust module that needs nothing, the standard library included.
    Rust,
    /// A C99 file with its functions, and a header that declares them.
    C,
    /// One C99 header that holds everything as `static inline` functions.
    Header,
    /// The Rust that `build.rs` bakes into trt-select: the tests, and the nodes to recognise the premodel by.
    Baked,
}

/// What stands in the code beside the program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options<'a> {
    /// What to write.
    pub target: Target,
    /// How tests are written.
    pub style: Style,
    /// Name of the output, as its file has it before the dot. In C it begins every name.
    pub name: &'a str,
    /// What it was compiled from, and with what: a line or more for the comment at the top.
    pub origin: &'a str,
}

/// Source code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Code {
    /// The file asked for.
    pub text: String,
    /// The header that goes with a [`Target::C`] file, to be written beside it as `NAME.h`.
    pub header: Option<String>,
}

/// Writes a premodel's program as source code. The same input gives the same bytes.
///
/// ```
/// use trt_select_premodel::compile::{Options, Style, Target, compile};
/// use trt_select_premodel::{CandidateId, Node, Premodel, TrainedFor};
///
/// let one = CandidateId(0);
/// let trained_for = TrainedFor::of_costs(vec![1e5]);
/// let nodes = vec![Node::run(one, 1), Node::answer(one)];
/// let premodel = Premodel::new(vec!["one".into()], 10, vec![], nodes, vec![one], vec![], trained_for)?;
/// let options = Options { target: Target::Header, style: Style::Nested, name: "which", origin: "An example." };
/// let code = compile(&premodel, &options)?;
/// assert!(code.text.contains("which_request which_step(which_walk *walk, const float *signals)"));
/// # Ok::<(), trt_select_premodel::ModelError>(())
/// ```
///
/// # Errors
/// Where the program reads or answers with an average and the premodel does not say how many classes there are: the code could not
/// compute it.
pub fn compile(premodel: &Premodel, options: &Options<'_>) -> Result<Code, ModelError> {
    let plan = Plan::new(premodel, options);
    if options.target != Target::Baked && plan.board.is_none() && premodel_averages(premodel) {
        return Err(ModelError::new(
            ModelErrorKind::Classes,
            "premodel: expected its number of classes, without which no average can be computed, got 0; train it anew",
        ));
    }
    Ok(match options.target {
        Target::Rust => Code { text: rust::module(&plan), header: None },
        Target::Baked => Code { text: rust::baked(&plan), header: None },
        Target::C => Code { text: c::source(&plan), header: Some(c::declarations(&plan)) },
        Target::Header => Code { text: c::header(&plan), header: None },
    })
}

fn premodel_averages(premodel: &Premodel) -> bool {
    Board::new(premodel, 0).averages().next().is_some()
}

/// Tests that follow one another without a Run between them.
struct Tests {
    /// The node they start at.
    start: u16,
    /// How they are written.
    form: Form,
}

enum Form {
    Nested,
    /// One block: two levels, written out. Its number in the plan's pack.
    Single(u16),
    /// From a place in the table of blocks.
    Table(u16),
}

/// A program, with all that both languages need to write it.
struct Plan<'a> {
    model: &'a Premodel,
    options: &'a Options<'a>,
    nodes: &'a [Node],
    candidates: Vec<String>,
    signals: Vec<String>,
    tests: Vec<Tests>,
    /// The tests that stand in a table.
    pack: Pack,
    /// The tests that are one block each.
    singles: Pack,
    /// For each Run node: the node after it.
    runs: Vec<(u16, u16)>,
    /// What computes the signals; `None` where the premodel does not say how many classes there are.
    board: Option<Board>,
}

impl<'a> Plan<'a> {
    fn new(model: &'a Premodel, options: &'a Options<'a>) -> Plan<'a> {
        let nodes = model.program().nodes();
        let is_test = |&n: &u16| matches!(nodes[usize::from(n)].view(), View::Test { .. });
        let starts: Vec<u16> = Pack::starts_of(nodes).filter(is_test).collect();
        let branchless = options.style == Style::Branchless;
        // One test alone is an `if` in every style: compilers know best what to make of it.
        let written_out = |n: &u16| branchless && levels(nodes, *n) > 1;
        let (single, table): (Vec<u16>, Vec<u16>) =
            starts.iter().copied().filter(written_out).partition(|&n| levels(nodes, n) == 2);
        let (singles, pack) = (Pack::of(nodes, single), Pack::of(nodes, table));
        let form = |n| match (singles.start(n), pack.start(n)) {
            (Some(block), _) => Form::Single(block),
            (None, Some(place)) => Form::Table(place),
            (None, None) => Form::Nested,
        };
        let runs = (0_u16..).zip(nodes).filter_map(|(at, node)| match node.view() {
            View::Run { next, .. } => Some((at, next)),
            _ => None,
        });
        let signal_names: Vec<String> = model.signals().iter().map(|s| s.name(model.candidates())).collect();
        Plan {
            candidates: names::constants(model.candidates()),
            signals: names::constants(&signal_names),
            tests: starts.iter().map(|&start| Tests { start, form: form(start) }).collect(),
            runs: runs.collect(),
            board: (model.classes() > 0).then(|| Board::new(model, 0)),
            model,
            options,
            nodes,
            pack,
            singles,
        }
    }

    fn view(&self, node: u16) -> View {
        self.nodes[usize::from(node)].view()
    }

    /// The comment at the top, without comment signs: what this is, its origin, and the program as a tree.
    fn title(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            ["Which network answers for this input? A decision program, compiled.", ""].map(ToString::to_string).into();
        lines.extend(self.options.origin.lines().map(names::comment));
        lines.push(format!(
            "Program {:016x}, {} style. Do not edit: compile it again.",
            self.model.program().hash(),
            self.options.style.name()
        ));
        lines.extend([String::new(), "The program:".into()]);
        lines.extend(self.model.tree().lines().map(|l| format!("  {}", names::comment(l))));
        lines
    }

    /// Names of the Run and Answer nodes, with their numbers.
    fn node_names(&self) -> Vec<(String, u16)> {
        (0_u16..)
            .zip(self.nodes)
            .filter_map(|(at, node)| Some((node_name(node.view(), at, &self.candidates)?, at)))
            .collect()
    }
}

fn node_name(view: View, at: u16, candidates: &[String]) -> Option<String> {
    Some(match view {
        View::Test { .. } => return None,
        View::Run { candidate, .. } => format!("{at}_RUN_{}", candidates[candidate.index()]),
        View::Answer(Answer::Candidate(c)) => format!("{at}_ANSWER_{}", candidates[c.index()]),
        View::Answer(Answer::Average(_)) => format!("{at}_AVERAGE"),
    })
}

/// Levels of tests from a node down to where each path meets a Run or an Answer.
fn levels(nodes: &[Node], at: u16) -> usize {
    match nodes[usize::from(at)].view() {
        View::Test { then, otherwise, .. } => 1 + levels(nodes, then).max(levels(nodes, otherwise)),
        _ => 0,
    }
}

/// The place among four leaves that up to three tests a, b, c lead to (see `packed`), of those that are there. `u` follows
/// numbers, as C's unsigned ones need.
fn place_of(there: [bool; 3], u: &str) -> String {
    match there {
        [_, false, false] => format!("2{u} * a"),
        [_, true, false] => format!("2{u} * a + b * (1{u} - a)"),
        [_, false, true] => format!("2{u} * a + c * a"),
        [_, true, true] if u.is_empty() => "2 * a + b * (1 - a) + c * a".into(),
        [_, true, true] => format!("2{u} * a + b + (c - b) * a"),
    }
}

/// A finite threshold as both languages read it: the shortest decimal that gives back the same bits.
fn float(value: f32) -> String {
    format!("{value:?}")
}

// A leaf's lowest 12 bits are its node.
const _: () = assert!(MAX_NODES == 1 << 12);
