//! Runs each input on the cheapest DNN that will be right.
//!
//! A [`Selector`] holds several networks for one task and a trained [premodel]. For each input it
//! computes cheap features, walks the premodel's program, and runs the networks that the program asks for: usually one
//! small one, sometimes a larger one after it.
//!
//! ```no_run
//! use trt_select::bundle::Bundle;
//! use trt_select::cuda::Format;
//! use trt_select::{Frame, OpenConfig, Selector};
//!
//! let bundle = Bundle::read("plans/fashion".as_ref())?;
//! let (mut selector, choice) = Selector::open(&bundle, &OpenConfig::default())?;
//! println!("engine: {}", choice.reason);
//!
//! let pixels = [0_u8; 28 * 28];
//! let frame = Frame::packed(Format::Gray8, 28, 28, 28, &pixels)?;
//! let outcome = selector.infer(frame)?;
//! println!("{} in {} ns", bundle.labels[outcome.class as usize], outcome.times.total_ns);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Rooms
//! | module | holds |
//! | --- | --- |
//! | [`frame`] | a checked view of the caller's pixels |
//! | [`features`] | integer accumulators of a frame, and the signals made from them |
//! | [`preprocess`] | from frame to a network's tensor |
//! | [`bundle`] | `bundle.toml`: a ready-to-run candidate set |
//! | [`input`], [`config`] | what an input is, and how a bundle is opened |
//! | [`candidate`], [`candidates`] | one network on the host, and the networks of a bundle |
//! | [`backend`] | where networks run: on engines of the host, or on a GPU |
//! | [`selector`] | the state machine over one input; what networks say of it is computed by [`premodel::Board`] |
//! | [`times`], [`clock`] | the stages of an input, and what they are measured with |
//! | `capi` | the C ABI (feature `capi`) |
//! | `samples` | labelled inputs to measure on (feature `cli`) |

// Only the vector implementations of the features, the code that reads the processor's counter, and the C ABI allow unsafe code. Every
// other module forbids it.
#![deny(unsafe_code)]

pub mod backend;
mod baked;
pub mod bundle;
pub mod candidate;
pub mod candidates;
// The C ABI reads and writes memory through pointers that its callers give.
#[allow(unsafe_code)]
#[cfg(feature = "capi")]
pub mod capi;
pub mod clock;
pub mod config;
pub mod device;
pub mod error;
pub mod features;
pub mod frame;
pub mod input;
mod pixel;
pub mod preprocess;
#[cfg(feature = "cli")]
pub mod samples;
pub mod selector;
pub mod times;

/// The number ([`premodel::Program::hash`]) of the program that was compiled into this library; `None` where none was. A build with
/// `TRT_SELECT_PREMODEL=premodel.json` compiles one in. Selectors of this program run its compiled tests, and otherwise work as all do.
pub const BAKED_PROGRAM: Option<u64> = baked::PROGRAM;

pub use trt_select_cuda as cuda;
pub use trt_select_engines as engines;
pub use trt_select_engines::realtime;
pub use trt_select_premodel as premodel;
#[cfg(feature = "study")]
pub use trt_select_study as study;
#[cfg(feature = "train")]
pub use trt_select_train as train;

pub use candidate::{Candidate, CandidateInfo};
pub use candidates::{CandidateSet, Run, TimedFeatures};
pub use config::{GpuConfig, OpenConfig};
pub use error::{Error, ErrorGroup, ErrorKind, Result};
pub use frame::{Frame, FrameError};
pub use input::Input;
pub use selector::{InFlight, Outcome, Selector, SignalSlot, read_premodel};
pub use times::{DeviceTimes, StageTimes};
