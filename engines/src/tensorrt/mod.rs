//! TensorRT, opened with `dlopen` when it is asked for.
//!
//! | module | holds |
//! | --- | --- |
//! | `library` | finds TensorRT's library, and the ABI line of the shim that can call it |
//! | `runtime` | runtime, deserialized engine and execution context, each keeping alive what it was made from |
//! | `builder` | plans from ONNX files |
//! | `compatible` | version-compatible plans of other versions, and the lean runtimes that they need |
//! | `plugins` | libraries of plugins, registered before the first runtime or builder |
//! | `timings` | a build's timings, kept so that the next build takes the same tactics |
//! | `messages` | TensorRT's messages, for the log and for errors |
//! | [`plan`] | a plan's file and its sidecar: read, and checked before TensorRT sees the plan |
//! | [`weights`] | whether a model's weights are half precision |
//! | `session` | TensorRT on one device: opens the plans of a bundle together |
//! | `shared` | what these plans share: the driver's context, TensorRT's runtime, activation memory |
//! | `allocator` | where TensorRT takes device memory from, counted |
//! | `held` | a plan in memory, page-locked where that is of use, while TensorRT reads it |
//! | `engine` | one plan with its execution context and its tensors on the device |
//! | `tensors` | these tensors, and which of them a lane can fill or read |
//!
//! The shim (`engines/tensorrt/`) is compiled for every ABI line whose headers were found when the crate was built:
//! [`lines()`] tells which. Nothing here links against TensorRT or CUDA.

mod allocator;
// Made by bindgen, which names and documents items in its own way.
#[allow(dead_code, missing_docs, non_camel_case_types, unreachable_pub)]
#[rustfmt::skip]
mod bindings;
mod builder;
mod compatible;
mod engine;
mod held;
mod library;
mod messages;
pub mod plan;
mod plugins;
mod runtime;
mod session;
mod shared;
mod tactics;
mod tensors;
mod timings;
pub mod weights;

use std::fmt;

pub use self::builder::{BuildOptions, BuiltPlan, PARSER_VARIABLE, Progress, build_plan, build_plan_with, check_build};
pub use self::compatible::LEAN_VARIABLE;
pub use self::engine::TensorrtEngine;
pub use self::held::PlanSpec;
pub use self::library::{LIBRARY_VARIABLE, Library, Line, lines};
pub use self::plan::sidecar;
pub use self::plugins::PLUGINS_VARIABLE;
pub use self::runtime::{Allocator, Context, CudaEngine, IoTensor, Runtime};
pub use self::session::{Session, SessionOptions};
pub use self::tactics::{TacticSource, Tactics};

/// A version of TensorRT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
    /// Fourth number; 0 where a library does not tell it.
    pub build: u32,
}

impl Version {
    /// Whether two numbers name the same version. Some libraries do not tell their build number: it is 0 then, and is not compared. The
    /// header of a plan holds the last byte of it.
    pub(crate) fn is_same(self, other: Version) -> bool {
        let build = self.build == 0 || other.build == 0 || self.build % 256 == other.build % 256;
        build && (self.major, self.minor, self.patch) == (other.major, other.minor, other.patch)
    }

    pub(crate) fn is_newer_than(self, other: Version) -> bool {
        !self.is_same(other) && self > other
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if self.build == 0 { Ok(()) } else { write!(f, ".{}", self.build) }
    }
}

/// A product of the TensorRT family. Each counts its versions by itself, and neither reads the other's plans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Edition {
    /// TensorRT proper (`libnvinfer`), of Jetson and of servers.
    Enterprise,
    /// TensorRT for RTX (`libtensorrt_rtx`).
    Rtx,
}

impl Edition {
    /// The name used in messages: `TensorRT`, `TensorRT-RTX`.
    pub const fn name(self) -> &'static str {
        match self {
            Edition::Enterprise => "TensorRT",
            Edition::Rtx => "TensorRT-RTX",
        }
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Calls a function of the shim's table: `call!(table.name(arguments))`.
macro_rules! call {
    ($table:expr, $name:ident($($argument:expr),* $(,)?)) => {
        ($table.$name.expect("the shim fills its whole table"))($($argument),*)
    };
}
use call;
