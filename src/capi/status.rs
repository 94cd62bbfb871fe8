//! Statuses, their names, messages and groups, and the status of each kind of error.

use std::borrow::Cow;
use std::ffi::c_char;

use crate::error::{Error, ErrorGroup, ErrorKind};

/// What a call returns: 0 for success, `TRTSEL_PENDING` for "not yet", and any other number for a failure. Later versions may add
/// numbers, and a program must treat a number that it does not know as a failure.
pub type trtsel_status = i32;

/// The call succeeded. Outputs are written with this status only.
pub const TRTSEL_OK: trtsel_status = 0;
/// The input is still in flight: poll or wait again. This is not an error.
pub const TRTSEL_PENDING: trtsel_status = 1;
/// The deadline passed before any candidate had run: there is no answer.
pub const TRTSEL_DEADLINE: trtsel_status = 2;
/// A pointer that must point to something is NULL.
pub const TRTSEL_NULL_POINTER: trtsel_status = 3;
/// A number, a flag or a text is not one of those that are allowed.
pub const TRTSEL_INVALID_ARGUMENT: trtsel_status = 4;
/// A `struct_size` is too small or too large, or a field that this version does not know is not zero.
pub const TRTSEL_STRUCT_SIZE: trtsel_status = 5;
/// The caller's array or buffer is too small.
pub const TRTSEL_BUFFER_TOO_SMALL: trtsel_status = 6;
/// Another call on this handle is running: on another thread, or on this one, when the log callback makes a call. Nothing was
/// done.
pub const TRTSEL_BUSY: trtsel_status = 7;
/// The library panicked in this call, which is a defect of the library. The handle is poisoned from now on.
pub const TRTSEL_PANIC: trtsel_status = 8;
/// An earlier call on this handle panicked. It can only be closed.
pub const TRTSEL_POISONED: trtsel_status = 9;
/// The call does not fit what the handle is doing, for example a poll with nothing in flight.
pub const TRTSEL_WRONG_STATE: trtsel_status = 10;
/// There is nothing of that name or number.
pub const TRTSEL_NOT_FOUND: trtsel_status = 11;
/// A file or folder is missing, or could not be read.
pub const TRTSEL_IO: trtsel_status = 12;
/// The contents of a `bundle.toml`, or of a file that it names, are not valid.
pub const TRTSEL_BUNDLE: trtsel_status = 13;
/// A premodel could not be understood, or does not fit the candidates.
pub const TRTSEL_PREMODEL: trtsel_status = 14;
/// An engine failed, or no candidate works.
pub const TRTSEL_ENGINE: trtsel_status = 15;
/// A frame, a tensor or a network's scores cannot be used.
pub const TRTSEL_INPUT: trtsel_status = 16;
/// This build or this engine does not have what was asked for.
pub const TRTSEL_UNSUPPORTED: trtsel_status = 17;
/// An error of a kind that has no status of its own.
pub const TRTSEL_ERROR: trtsel_status = 18;

/// TensorRT or ONNX Runtime is not on this machine, or not in a version that this library can use.
pub const TRTSEL_LIBRARY_MISSING: trtsel_status = 19;
/// There is no NVIDIA driver on this machine, or one that is too old.
pub const TRTSEL_DRIVER_MISSING: trtsel_status = 20;
/// There is an NVIDIA driver, but not the GPU that was asked for.
pub const TRTSEL_DEVICE_MISSING: trtsel_status = 21;
/// The GPU faulted; only a new process can use it again.
pub const TRTSEL_DEVICE_LOST: trtsel_status = 22;
/// The GPU does not have enough free memory.
pub const TRTSEL_DEVICE_MEMORY: trtsel_status = 23;
/// The host does not have enough free memory, or not enough that can be page-locked.
pub const TRTSEL_HOST_MEMORY: trtsel_status = 24;
/// A limit that the caller set (`max_resident_bytes`) is too low for what was asked for.
pub const TRTSEL_LIMIT: trtsel_status = 25;
/// The operating system does not allow this process to do what was asked for.
pub const TRTSEL_DENIED: trtsel_status = 26;
/// There is no plan where a candidate's plan should be.
pub const TRTSEL_PLAN_MISSING: trtsel_status = 27;
/// A plan was made for another TensorRT or another GPU, or from another model than the one in the bundle.
pub const TRTSEL_PLAN_MISMATCH: trtsel_status = 28;
/// A plan is damaged, or TensorRT refuses it.
pub const TRTSEL_PLAN: trtsel_status = 29;
/// A model could not be understood, or its tensors are not those that the bundle describes.
pub const TRTSEL_MODEL: trtsel_status = 30;

/// Who can do something about a status: a `TRTSEL_GROUP_` number. Later versions may add numbers.
pub type trtsel_group = i32;

/// No failure: `TRTSEL_OK` and `TRTSEL_PENDING`.
pub const TRTSEL_GROUP_NONE: trtsel_group = 0;
/// The same call may succeed later, or once memory is free.
pub const TRTSEL_GROUP_RETRY: trtsel_group = 1;
/// The caller asked for something that cannot be done: the program, its files or its settings have to change.
pub const TRTSEL_GROUP_CALLER: trtsel_group = 2;
/// Something on the machine is missing, broken or forbidden: a file, a library, a driver, a GPU or a permission.
pub const TRTSEL_GROUP_ENVIRONMENT: trtsel_group = 3;
/// A defect of this library: report it.
pub const TRTSEL_GROUP_DEFECT: trtsel_group = 4;

/// The name and the message of each status, in the order of the numbers; both end with a NUL.
const TABLE: [(&str, &str); 31] = [
    ("TRTSEL_OK\0", "done\0"),
    ("TRTSEL_PENDING\0", "the input is still in flight\0"),
    ("TRTSEL_DEADLINE\0", "the deadline passed before any candidate had run\0"),
    ("TRTSEL_NULL_POINTER\0", "a pointer that must point to something is NULL\0"),
    ("TRTSEL_INVALID_ARGUMENT\0", "an argument is not one of those that are allowed\0"),
    ("TRTSEL_STRUCT_SIZE\0", "a struct_size does not fit this version of the library\0"),
    ("TRTSEL_BUFFER_TOO_SMALL\0", "a buffer or an array is too small\0"),
    ("TRTSEL_BUSY\0", "another call on this handle is running\0"),
    ("TRTSEL_PANIC\0", "the library panicked; the handle is poisoned\0"),
    ("TRTSEL_POISONED\0", "an earlier call panicked; close the handle\0"),
    ("TRTSEL_WRONG_STATE\0", "the call does not fit what the handle is doing\0"),
    ("TRTSEL_NOT_FOUND\0", "there is nothing of that name or number\0"),
    ("TRTSEL_IO\0", "a file or folder is missing or cannot be read\0"),
    ("TRTSEL_BUNDLE\0", "the contents of the bundle, or of a file that it names, are not valid\0"),
    ("TRTSEL_PREMODEL\0", "the premodel cannot be understood, or does not fit the candidates\0"),
    ("TRTSEL_ENGINE\0", "an engine failed, or no candidate works\0"),
    ("TRTSEL_INPUT\0", "the frame, the tensor or the scores cannot be used\0"),
    ("TRTSEL_UNSUPPORTED\0", "this build does not have what was asked for\0"),
    ("TRTSEL_ERROR\0", "an error of another kind\0"),
    (
        "TRTSEL_LIBRARY_MISSING\0",
        "TensorRT or ONNX Runtime is not on this machine, or not in a version that can be used\0",
    ),
    ("TRTSEL_DRIVER_MISSING\0", "there is no NVIDIA driver, or one that is too old\0"),
    ("TRTSEL_DEVICE_MISSING\0", "the GPU that was asked for is not there\0"),
    ("TRTSEL_DEVICE_LOST\0", "the GPU faulted; only a new process can use it again\0"),
    ("TRTSEL_DEVICE_MEMORY\0", "the GPU does not have enough free memory\0"),
    ("TRTSEL_HOST_MEMORY\0", "the host does not have enough free memory, or not enough that can be page-locked\0"),
    ("TRTSEL_LIMIT\0", "a limit that the caller set is too low\0"),
    ("TRTSEL_DENIED\0", "the operating system does not allow what was asked for\0"),
    ("TRTSEL_PLAN_MISSING\0", "a candidate's plan is missing\0"),
    ("TRTSEL_PLAN_MISMATCH\0", "a plan is for another TensorRT, GPU or model\0"),
    ("TRTSEL_PLAN\0", "a plan is damaged, or TensorRT refuses it\0"),
    ("TRTSEL_MODEL\0", "a model cannot be understood, or its tensors do not fit\0"),
];

fn entry(status: trtsel_status) -> Option<&'static (&'static str, &'static str)> {
    TABLE.get(usize::try_from(status).ok()?)
}

/// The name of the status's constant as a static text, for example "TRTSEL_OK"; "TRTSEL_UNKNOWN" for a number that is no status.
/// Any thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_status_name(status: trtsel_status) -> *const c_char {
    entry(status).map_or("TRTSEL_UNKNOWN\0", |(name, _)| name).as_ptr().cast()
}

/// What the status means, in a few words, as a static text. The text that `trtsel_selector_error` and the like functions give
/// says more about a failure. Any thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_status_message(status: trtsel_status) -> *const c_char {
    entry(status).map_or("a status that this version does not know\0", |(_, message)| message).as_ptr().cast()
}

/// Who can do something about a status: a `TRTSEL_GROUP_` number. It is `TRTSEL_GROUP_CALLER` for a number that is no status. Any
/// thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_status_group(status: trtsel_status) -> trtsel_group {
    match status {
        TRTSEL_OK | TRTSEL_PENDING => TRTSEL_GROUP_NONE,
        TRTSEL_BUSY => TRTSEL_GROUP_RETRY,
        TRTSEL_PANIC | TRTSEL_POISONED => TRTSEL_GROUP_DEFECT,
        // The statuses that no kind of error has stand for breaches of the C ABI's rules, which are the caller's. So is any
        // number that is no status.
        _ => ErrorKind::ALL.into_iter().find(|&kind| number(kind) == status).map_or(TRTSEL_GROUP_CALLER, |kind| {
            match kind.group() {
                ErrorGroup::Retry => TRTSEL_GROUP_RETRY,
                ErrorGroup::Caller => TRTSEL_GROUP_CALLER,
                ErrorGroup::Environment => TRTSEL_GROUP_ENVIRONMENT,
            }
        }),
    }
}

/// The status for an error of this kind.
const fn number(kind: ErrorKind) -> trtsel_status {
    match kind {
        ErrorKind::Io => TRTSEL_IO,
        ErrorKind::Bundle => TRTSEL_BUNDLE,
        ErrorKind::Premodel => TRTSEL_PREMODEL,
        ErrorKind::Engine => TRTSEL_ENGINE,
        ErrorKind::Input => TRTSEL_INPUT,
        ErrorKind::Usage => TRTSEL_WRONG_STATE,
        ErrorKind::Deadline => TRTSEL_DEADLINE,
        ErrorKind::Data => TRTSEL_ERROR,
        ErrorKind::LibraryMissing => TRTSEL_LIBRARY_MISSING,
        ErrorKind::DriverMissing => TRTSEL_DRIVER_MISSING,
        ErrorKind::DeviceMissing => TRTSEL_DEVICE_MISSING,
        ErrorKind::DeviceLost => TRTSEL_DEVICE_LOST,
        ErrorKind::DeviceMemory => TRTSEL_DEVICE_MEMORY,
        ErrorKind::HostMemory => TRTSEL_HOST_MEMORY,
        ErrorKind::Limit => TRTSEL_LIMIT,
        ErrorKind::Denied => TRTSEL_DENIED,
        ErrorKind::PlanMissing => TRTSEL_PLAN_MISSING,
        ErrorKind::PlanMismatch => TRTSEL_PLAN_MISMATCH,
        ErrorKind::Plan => TRTSEL_PLAN,
        ErrorKind::Model => TRTSEL_MODEL,
        ErrorKind::Unsupported => TRTSEL_UNSUPPORTED,
    }
}

/// Why a call did not succeed.
#[derive(Debug)]
pub(super) struct Fail {
    pub(super) status: trtsel_status,
    pub(super) message: Cow<'static, str>,
}

impl Fail {
    /// A failure whose message is known at compile time, so that nothing is allocated.
    pub(super) const fn new(status: trtsel_status, message: &'static str) -> Fail {
        Fail { status, message: Cow::Borrowed(message) }
    }

    /// A failure whose message was made at run time.
    pub(super) fn text(status: trtsel_status, message: String) -> Fail {
        Fail { status, message: Cow::Owned(message) }
    }
}

impl From<Error> for Fail {
    fn from(error: Error) -> Fail {
        Fail { status: number(error.kind()), message: error.into_message() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    #[test]
    fn every_number_has_a_name() {
        let text = |p: *const c_char| {
            // SAFETY: the table's texts are static and end with a NUL.
            unsafe { CStr::from_ptr(p) }.to_str().unwrap().to_owned()
        };
        for (at, (name, message)) in TABLE.iter().enumerate() {
            assert!(name.ends_with('\0') && message.ends_with('\0'), "{name}");
            assert_eq!(format!("{}\0", text(trtsel_status_name(at as i32))), *name);
        }
        assert_eq!(text(trtsel_status_name(TRTSEL_ERROR)), "TRTSEL_ERROR");
        assert_eq!(text(trtsel_status_name(TRTSEL_POISONED)), "TRTSEL_POISONED");
        assert_eq!(text(trtsel_status_name(TRTSEL_MODEL)), "TRTSEL_MODEL");
        for unknown in [-1, TABLE.len() as i32, i32::MAX, i32::MIN] {
            assert_eq!(text(trtsel_status_name(unknown)), "TRTSEL_UNKNOWN");
            assert!(!text(trtsel_status_message(unknown)).is_empty());
        }
    }

    #[test]
    fn every_kind_has_a_number_and_every_number_a_group() {
        for (at, kind) in ErrorKind::ALL.into_iter().enumerate() {
            let status = number(kind);
            assert!((TRTSEL_DEADLINE..TABLE.len() as i32).contains(&status), "{kind:?}");
            assert!(ErrorKind::ALL[..at].iter().all(|&other| number(other) != status), "{kind:?}");
        }
        for (status, group) in [
            (TRTSEL_OK, TRTSEL_GROUP_NONE),
            (TRTSEL_PENDING, TRTSEL_GROUP_NONE),
            (TRTSEL_BUSY, TRTSEL_GROUP_RETRY),
            (TRTSEL_DEADLINE, TRTSEL_GROUP_RETRY),
            (TRTSEL_DEVICE_MEMORY, TRTSEL_GROUP_RETRY),
            (TRTSEL_NULL_POINTER, TRTSEL_GROUP_CALLER),
            (TRTSEL_BUNDLE, TRTSEL_GROUP_CALLER),
            (TRTSEL_LIBRARY_MISSING, TRTSEL_GROUP_ENVIRONMENT),
            (TRTSEL_PLAN_MISMATCH, TRTSEL_GROUP_ENVIRONMENT),
            (TRTSEL_PANIC, TRTSEL_GROUP_DEFECT),
            (TRTSEL_POISONED, TRTSEL_GROUP_DEFECT),
            (i32::MAX, TRTSEL_GROUP_CALLER),
        ] {
            assert_eq!(trtsel_status_group(status), group, "{status}");
        }
    }
}
