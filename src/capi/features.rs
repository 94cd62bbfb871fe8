//! Image features of a frame in host memory, without a selector.

use std::ffi::c_char;
use std::sync::LazyLock;

use super::boundary::{self, Guarded, Handle, wanted};
use super::frame::{host, trtsel_frame};
use super::info::c_text;
use super::options::name;
use super::selector::NO_OUTPUT;
use super::status::{
    Fail, TRTSEL_BUFFER_TOO_SMALL, TRTSEL_INVALID_ARGUMENT, TRTSEL_NOT_FOUND, TRTSEL_NULL_POINTER, TRTSEL_OK,
    trtsel_status,
};
use crate::features::{self, FEATURE_COUNT, FEATURES, Features, Needs, Workspace, feature_index};

/// Memory to compute features in, about 500 KB. One per thread.
pub struct trtsel_features {
    guarded: Guarded<FeaturesState>,
}

pub(super) struct FeaturesState {
    workspace: Workspace,
    derived: [f32; FEATURE_COUNT],
}

impl Handle for trtsel_features {
    type State = FeaturesState;

    fn guarded(&self) -> &Guarded<FeaturesState> {
        &self.guarded
    }
}

/// Number of features. Their numbers are 0 to this less 1, and never change. Any thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_feature_count() -> u32 {
    FEATURE_COUNT as u32
}

/// The name of a feature, for example "brightness_average"; NULL for a number that is none. A static text. Any thread; the first call
/// allocates.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_feature_name(feature: u32) -> *const c_char {
    static NAMES: LazyLock<Vec<std::ffi::CString>> =
        LazyLock::new(|| FEATURES.iter().map(|f| c_text(f.name)).collect());
    let mut found = std::ptr::null();
    boundary::plain(|| {
        found = NAMES.get(feature as usize).map_or(std::ptr::null(), |name| name.as_ptr());
        Ok(TRTSEL_OK)
    });
    found
}

/// The number of a feature, by its name; `TRTSEL_NOT_FOUND` where there is none of that name. Any thread; does not allocate.
///
/// # Safety
/// `feature` is NULL or a text, `number` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_feature_number(feature: *const c_char, number: *mut u32) -> trtsel_status {
    boundary::plain(|| {
        let number = wanted(number, NO_OUTPUT)?;
        // SAFETY: the caller's promise.
        let at = feature_index(unsafe { name(feature)? });
        let at = at.ok_or(Fail::new(TRTSEL_NOT_FOUND, "feature: expected a name of one, got another"))?;
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { number.write(at as u32) };
        Ok(TRTSEL_OK)
    })
}

/// Takes the memory. Any thread; allocates.
///
/// # Safety
/// `features` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_open(features: *mut *mut trtsel_features) -> trtsel_status {
    boundary::plain(|| {
        let to = wanted(features, NO_OUTPUT)?;
        let state = FeaturesState { workspace: Workspace::new(), derived: [0.0; FEATURE_COUNT] };
        // SAFETY: the caller's promise; NULL was refused.
        unsafe { to.write(boundary::give(trtsel_features { guarded: Guarded::new(state) })) };
        Ok(TRTSEL_OK)
    })
}

/// Frees the memory. NULL is taken. `TRTSEL_BUSY` where a call is inside: then nothing is freed.
///
/// # Safety
/// `features` is NULL or open, and no other thread will use it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_close(features: *mut trtsel_features) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::close(features) }
}

/// The text of the last failure; empty before the first. Never NULL. Valid until the next call on the handle. One call at a time.
///
/// # Safety
/// `features` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_error(features: *mut trtsel_features) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { boundary::error(features) }
}

/// Computes features of a frame in host memory: those with the `count` numbers in `numbers`, in that order, into `values`; with NULL
/// for `numbers` all of them, for which `values` has room for `count`, at least `trtsel_feature_count()`. Only what the features asked for need is computed.
///
/// `TRTSEL_INPUT`, `TRTSEL_INVALID_ARGUMENT` (a number that is none; a frame on a device), `TRTSEL_BUFFER_TOO_SMALL`. One call at a time;
/// allocates nothing.
///
/// # Safety
/// `features` is NULL or open; `frame` NULL or a frame as `trtsel_frame` says; `numbers` NULL or of `count`; `values` NULL or of `count`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_compute(
    features: *mut trtsel_features,
    frame: *const trtsel_frame,
    numbers: *const u32,
    values: *mut f32,
    count: usize,
) -> trtsel_status {
    let work = |state: &mut FeaturesState| {
        let values = wanted(values, NO_OUTPUT)?;
        // SAFETY: the caller's promise.
        let frame = unsafe { host(frame)? };
        let numbers = if numbers.is_null() {
            if count < FEATURE_COUNT {
                return Err(Fail::new(
                    TRTSEL_BUFFER_TOO_SMALL,
                    "values: expected room for all features, got less; give trtsel_feature_count() floats",
                ));
            }
            None
        } else {
            // SAFETY: the caller's promise.
            Some(unsafe { self::numbers(numbers, count)? })
        };
        let needs = numbers.map_or(Needs::ALL, |n| Needs::of_features(n.iter().map(|&f| f as usize)));
        let sums = Features::compute(&frame, needs, &mut state.workspace);
        features::derive(&sums, &mut state.derived);
        let put = |at: usize, value: f32| {
            // SAFETY: `at` is less than `count`, of which the caller's array is.
            unsafe { values.add(at).write(value) }
        };
        match numbers {
            None => state.derived.iter().enumerate().for_each(|(at, v)| put(at, *v)),
            Some(numbers) => numbers.iter().enumerate().for_each(|(at, &f)| put(at, state.derived[f as usize])),
        }
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    match unsafe { features.as_ref() } {
        None => TRTSEL_NULL_POINTER,
        Some(features) => features.guarded.enter(None, work),
    }
}

/// Numbers of features from the caller.
///
/// # Safety
/// `numbers` is not NULL and of `count`, and stays as it is while the answer lives.
unsafe fn numbers<'a>(numbers: *const u32, count: usize) -> Result<&'a [u32], Fail> {
    if !numbers.is_aligned() || count > isize::MAX as usize / size_of::<u32>() {
        return Err(Fail::new(TRTSEL_INVALID_ARGUMENT, "numbers: expected an array of uint32_t, got none; give one"));
    }
    // SAFETY: aligned, in the address space; the rest is the caller's promise.
    let numbers = unsafe { std::slice::from_raw_parts(numbers, count) };
    if numbers.iter().any(|&f| f as usize >= FEATURE_COUNT) {
        return Err(Fail::new(TRTSEL_INVALID_ARGUMENT, "numbers: expected numbers of features, got another"));
    }
    Ok(numbers)
}
