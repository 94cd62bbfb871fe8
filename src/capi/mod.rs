//! The C ABI: the functions that `include/trt_select.h` declares, for C, C++ and every other language that can call C.
//!
//! This page and the header say the same, because `src/capi/make-header` makes the header from these sources. `docs/c-api.md` is
//! a short guide with build lines; `examples/c` and `examples/cpp` hold example programs.
//!
//! # Rules
//! **Handles** are opaque. A function named `_open` creates a handle, and the one named `_close` frees it; closing NULL does
//! nothing. A handle may be used on any thread. Functions that take it as `const` may be called at any time on any thread. Of the
//! other functions only one call at a time may run on a handle: a second one returns `TRTSEL_BUSY` and does nothing. Unless it
//! returns `TRTSEL_BUSY`, `_close` is the last call on a handle, and any later use of the handle is undefined behaviour. Different
//! handles are independent of each other.
//!
//! **Statuses.** Every call that can fail returns a [`trtsel_status`](status::trtsel_status). Each function names the failures
//! that are its own; those that follow from the rules on this page apply to all. Outputs are written only when the call returns
//! `TRTSEL_OK`. `trtsel_selector_error` and the like functions of the other handles give the text of the last failure on a
//! handle; `_open`, which has no handle yet, writes that text to a buffer of the caller's, which may be NULL.
//!
//! **Pointers.** Unless its function says otherwise, a pointer must not be NULL (`TRTSEL_NULL_POINTER`), and the library uses
//! what it points to only during the call. Texts are UTF-8 and end with a NUL. A text output is cut between two characters to
//! what fits into the buffer, and always ends with a NUL; `needed_bytes`, which may be NULL, receives the size of the whole text
//! with its NUL.
//!
//! **Structs** begin with `struct_size`, which the caller sets to the struct's `sizeof` before every call, for inputs and outputs
//! alike. The library accepts a shorter struct of an earlier version and reads the missing fields as zeros; that is why zero
//! means "the default" everywhere. It accepts a longer input struct of a later version if the fields that it does not know are
//! zero, and sets such fields of an output struct to zero.
//!
//! **Panics** of the library never reach the caller's code: the call returns `TRTSEL_PANIC` and the handle is poisoned. From then
//! on every call on it except `_error` and `_close` returns `TRTSEL_POISONED`. (Running out of memory aborts the process, as in
//! every Rust program.)
//!
//! **Memory.** Each function says whether it allocates. After warm-up the library's own code allocates nothing in infer, submit,
//! poll and wait, except that it may allocate the text of a failure; the texts for a wrong argument, a wrong state and a missed
//! deadline are not allocated.
//!
//! Times are in nanoseconds of the monotonic clock, sizes in bytes and sides in pixels, as the names of the fields say.
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
pub mod programs;
pub mod queries;
pub mod result;
pub mod selector;
mod sized;
pub mod statistics;
pub mod status;
mod text;
pub mod version;

// 32-bit machines are not supported: the structs of the ABI hold addresses, and their sizes are only checked for addresses of 8
// bytes.
const _: () = assert!(size_of::<usize>() == 8, "the C ABI is made for 64-bit targets");
