//! The C ABI: the functions that `include/trt_select.h` declares, for C, C++ and whatever else speaks C.
//!
//! This page and the header say the same; the header is made from these sources by `src/capi/make-header`. A short guide with
//! build lines is `docs/c-api.md`; `examples/c` and `examples/cpp` are programs.
//!
//! # Rules
//! **Handles** are opaque. `_open` gives one, `_close` frees it and takes NULL. A handle may be used on any thread. Calls that take
//! it as `const` may be made at any time on any thread. Of the others one at a time may be under way: a second one gets
//! `TRTSEL_BUSY` and does nothing. Close is the last call on a handle; nothing is defined after it. Different handles
//! have nothing to do with each other.
//!
//! **Statuses.** Every call that can fail answers a [`trtsel_status`](status::trtsel_status). Outputs are written with
//! `TRTSEL_OK` only. The text of a handle's last failure is `trtsel_selector_error` and its like; `_open` takes a buffer for
//! it, which may be NULL.
//!
//! **Pointers.** Where nothing else is said, a pointer must not be NULL (`TRTSEL_NULL_POINTER`), and what it points to is used during
//! the call only. Texts end with a NUL and are UTF-8. Text outputs are cut to the buffer, between characters, and always end with a
//! NUL; `needed_bytes`, which may be NULL, gets what the whole text takes, its NUL included.
//!
//! **Structs** begin with `struct_size`, which the caller sets to `sizeof` before every call, inputs and outputs alike. A shorter
//! struct of an earlier version is taken, the rest being zeros; so zero means "the default" everywhere. A longer one is taken
//! where what this version does not know is zero; in outputs it is set to zero.
//!
//! **Panics** do not cross: the call answers `TRTSEL_PANIC`, the handle is poisoned, and everything but `_error` and `_close`
//! answers `TRTSEL_POISONED`. (Memory that cannot be had ends the process, as it does in all of Rust.)
//!
//! **Memory.** Calls that allocate say so. After warm-up, infer, submit, poll and wait allocate nothing of their own. (The text of a
//! failure may be made on the heap; that of a wrong argument, a wrong state or a deadline is not.)
//!
//! Times are in nanoseconds by the monotonic clock, sizes in bytes, sides in pixels, as the names say.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

mod boundary;
pub mod decider;
pub mod decider_info;
pub mod features;
pub mod frame;
pub mod info;
pub mod log;
pub mod options;
pub mod outcome;
pub mod queries;
pub mod result;
pub mod selector;
mod sized;
pub mod statistics;
pub mod status;
mod text;
pub mod version;

// Structs of the ABI hold addresses of 8 bytes, and their sizes are checked for those alone: 32-bit machines are not supported.
const _: () = assert!(size_of::<usize>() == 8, "the C ABI is made for 64-bit targets");
