//! Writes programs as source code, in Rust or freestanding C99, that reads like code written by hand.
//!
//! The code follows the rules of a walk: it stops at each Run and goes on afterwards, a test on NaN goes to its else branch, and
//! after a failure the first candidate of the fallback list that works takes over. There are two styles. In *branchless* style
//! tests become table look-ups and arithmetic; in *nested* style each test is one `if`. Branchless is faster where the processor
//! cannot predict which way a test goes, and it is the default; `benches/compare-decision` measures both.
//!
//! # The shape of the code
//! The tests that follow one another without a Run between them become one function. The function returns a *leaf*: the Run or
//! Answer node that they lead to, packed into 32 bits as operand (16 bits: a candidate, or the set of an average), kind (4 bits)
//! and node (12 bits).
//!
//! The code also has a board (`board_c`, `board_rust`), which computes signals from a candidate's scores, averages included. Its
//! arithmetic gives the same bits as that of this crate, so a user of the code needs nothing else of ours.

mod board_c;
mod board_parts;
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
use crate::{Answer, Board, CandidateId, Mask, Node, View};

/// How tests are written as code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Style {
    /// Table look-ups and arithmetic: only the end of the tests is a jump that depends on signals.
    #[default]
    Branchless,
    /// One `if` for each test. It is easiest to read, and fast where most inputs go the same way.
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
    /// A Rust module that uses only `core`.
    Rust,
    /// A C99 file with its functions, and a header that declares them.
    C,
    /// One C99 header that holds everything as `static inline` functions.
    Header,
    /// The Rust that `build.rs` bakes into trt-select: the tests as code, and the nodes by which trt-select recognises the premodel.
    Baked,
}

/// How the code is to be written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Options<'a> {
    /// What to write.
    pub target: Target,
    /// How tests are written as code.
    pub style: Style,
    /// Name of the output file, without its extension. In C every name begins with it.
    pub name: &'a str,
    /// One or more lines for the comment at the top, for example which premodel the code was compiled from, and by which command.
    pub origin: &'a str,
}

/// The source code of a program.
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
    /// How they are written as code.
    form: Form,
}

enum Form {
    Nested,
    /// Two levels, written out as one block: the block's number in `singles`.
    Single(u16),
    /// A loop over the table of blocks, which begins at this place.
    Table(u16),
}

/// A program, and what is needed of it to write it in either language.
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
    /// The board that computes the signals; `None` where the premodel does not say how many classes there are.
    board: Option<Board>,
}

impl<'a> Plan<'a> {
    fn new(model: &'a Premodel, options: &'a Options<'a>) -> Plan<'a> {
        let nodes = model.program().nodes();
        let is_test = |&n: &u16| matches!(nodes[usize::from(n)].view(), View::Test { .. });
        let starts: Vec<u16> = Pack::starts_of(nodes).filter(is_test).collect();
        let branchless = options.style == Style::Branchless;
        // A test that stands alone is an `if` in both styles: compilers choose well between a jump and a conditional move there.
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

    /// The lines of the comment at the top, each after `sign`: what the code is, its origin, and the program as a tree.
    fn title(&self, sign: &str) -> String {
        let mut lines: Vec<String> =
            ["A decision program as code: it chooses the network that answers for an input.", ""]
                .map(ToString::to_string)
                .into();
        lines.extend(self.options.origin.lines().map(names::comment));
        lines.push(format!(
            "Program {:016x}, {} style. Do not edit: compile it again.",
            self.model.program().hash(),
            self.options.style.name()
        ));
        lines.extend([String::new(), "The program:".into()]);
        lines.extend(self.model.tree().lines().map(|l| format!("  {}", names::comment(l))));
        lines.iter().fold(String::new(), |text, line| text + format!("{sign} {line}").trim_end() + "\n")
    }

    /// The names of the candidates in a set, separated by commas.
    fn names_of(&self, set: Mask) -> String {
        let names = self.candidates.iter().zip(0_u8..).filter(|(_, c)| set.has(CandidateId(*c)));
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
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

/// The expression for the leaf, 0 to 3, that the tests a, b and c of a block lead to (see `packed`), where `there` says which of
/// them exist. `u` is the suffix of an unsigned number: empty in Rust.
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
