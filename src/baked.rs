//! The premodel that was compiled into the library, where `TRT_SELECT_PREMODEL` named one at build time: `build.rs` writes this code.
#![forbid(unsafe_code)]
#![allow(unused_imports, reason = "what is compiled in needs its own part")]
#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "a test on NaN fails, which `>` would not say")]

use trt_select_premodel::{CandidateId, Mask, Node, Program, SignalId};

include!(concat!(env!("OUT_DIR"), "/baked.rs"));
