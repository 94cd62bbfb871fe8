//! Decision programs: which network answers for this input?
//!
//! A premodel is a small binary tree in one flat array, with three kinds of node ([`Node`]):
//! *Test* a signal against a threshold, *Run* a candidate (its signals exist from there on), *Answer*.
//! [`Program::check`] proves that a program is sound; only a checked one can be walked ([`Walk`]).
//!
//! | layer | feature | needs |
//! | --- | --- | --- |
//! | [`Node`], [`Program`], [`Walk`] | none | nothing: `no_std`, no allocation |
//! | [`temper`]: calibrated probabilities and their averages | none | nothing: `no_std`, no allocation |
//! | [`summarise`]: what a network's output says of itself | none | nothing: `no_std`, no allocation |
//! | [`Premodel`]: programs with names, costs, provenance | `alloc` | an allocator |
//! | [`Control`]: which of a premodel's programs decides | `alloc` | an allocator, when it is made |
//! | [`Board`]: the values of all signals of one input | `alloc` | an allocator, when it is made |
//! | [`compile`]: Rust and C source code of a program | `alloc` | an allocator |
//! | `premodel.json` | `json` | the standard library |
//!
//! Programs are made from a profile table by the crate `trt-select-train`, and judged beside the papers' selectors by
//! `trt-select-study`; neither is needed to run one.
//!
//! ```
//! use trt_select_premodel::{Answer, CandidateId, Mask, Node, Program, Request, Schema, SignalId};
//!
//! let (small, large) = (CandidateId(0), CandidateId(1));
//! // Run the small network; where its margin (signal 0) is at most 0.4, run the large one too.
//! let nodes = [
//!     Node::run(small, 1),
//!     Node::test(SignalId(0), 0.4, 2, 4),
//!     Node::run(large, 3),
//!     Node::answer(large),
//!     Node::answer(small),
//! ];
//! let schema = Schema { candidates: 2, classes: 10, needs: &[Mask::of(small)], fallback: &[large, small] };
//! let program = Program::check(&nodes, schema)?;
//!
//! let mut walk = program.start();
//! assert_eq!(program.step(&mut walk, &[f32::NAN]), Request::Run(small));
//! assert_eq!(program.step(&mut walk, &[0.9]), Request::Answer(Answer::Candidate(small)));
//! # Ok::<(), trt_select_premodel::CheckError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
mod alternative;
mod arithmetic;
#[cfg(feature = "alloc")]
mod board;
#[cfg(feature = "alloc")]
mod calibration;
mod check;
#[cfg(feature = "alloc")]
pub mod compile;
#[cfg(feature = "alloc")]
mod control;
#[cfg(feature = "alloc")]
mod front;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "alloc")]
mod model;
#[cfg(feature = "alloc")]
mod model_error;
mod node;
#[cfg(feature = "alloc")]
mod pack;
mod packed;
mod program;
#[cfg(feature = "alloc")]
mod provenance;
mod schema;
#[cfg(feature = "alloc")]
mod signal;
mod summary;
pub mod temper;
#[cfg(feature = "alloc")]
mod tree;
mod walk;

#[cfg(feature = "alloc")]
pub use alternative::{Alternative, MAX_PROGRAMS, Mix};
#[cfg(feature = "alloc")]
pub use board::Board;
#[cfg(feature = "alloc")]
pub use calibration::Average;
pub use check::{CheckError, CheckErrorKind};
#[cfg(feature = "alloc")]
pub use control::{Control, ControlError};
#[cfg(feature = "alloc")]
pub use front::FrontProgram;
#[cfg(feature = "alloc")]
pub use model::Premodel;
#[cfg(feature = "alloc")]
pub use model_error::{ModelError, ModelErrorKind};
pub use node::{Answer, CandidateId, Mask, Node, SignalId, View};
pub use program::Program;
#[cfg(feature = "alloc")]
pub use provenance::{Expected, Interval, ProfileRef, TrainedFor};
pub use schema::{MAX_CANDIDATES, MAX_DEPTH, MAX_NODES, Schema};
#[cfg(feature = "alloc")]
pub use signal::{AverageSignal, CandidateSignal, RESERVED, Signal, is_candidate_name};
pub use summary::{Scores, Summary, Top, summarise};
pub use walk::{Request, Walk};
