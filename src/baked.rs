//! The premodel that is compiled into the library if the environment variable `TRT_SELECT_PREMODEL` names one at build time.
//! `build.rs` writes the code.
#![forbid(unsafe_code)]
#![allow(unused_imports, reason = "each generated program uses only some of these")]
#![allow(clippy::neg_cmp_op_on_partial_ord, reason = "`!(x <= t)` is true if x is NaN, and `x > t` is not")]

use trt_select_premodel::{CandidateId, Mask, Node, Program, SignalId};

include!(concat!(env!("OUT_DIR"), "/baked.rs"));
