//! Image features of a frame in host memory, computed without a selector.

use std::ffi::c_char;
use std::sync::LazyLock;

use super::boundary::{self, Guarded, Handle, put, wanted};
use super::frame::{host, trtsel_frame};
use super::info::c_text;
use super::options::name;
use super::status::{
    Fail, TRTSEL_BUFFER_TOO_SMALL, TRTSEL_INVALID_ARGUMENT, TRTSEL_NOT_FOUND, TRTSEL_OK, trtsel_status,
};
use crate::features::{self, FEATURE_COUNT, FEATURES, Features, Needs, Workspace, feature_index};

/// The memory that features are computed in, about 500 KB. Threads that compute features at the same time need one each.
pub struct trtsel_features {
    guarded: Guarded<FeaturesState>,
}

/// What one call at a time may change.
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

/// The number of features. They are numbered from 0, and the number of a feature never changes. Any thread; does not allocate.
#[unsafe(no_mangle)]
pub extern "C" fn trtsel_feature_count() -> u32 {
    FEATURE_COUNT as u32
}

/// The name of a feature, for example "brightness_average", as a static text; NULL where no feature has this number. Any thread;
/// the first call allocates.
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

/// Writes the number of the feature with this name; `TRTSEL_NOT_FOUND` where no feature has it. Any thread; does not allocate.
///
/// # Safety
/// `feature` is NULL or a text, `number` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_feature_number(feature: *const c_char, number: *mut u32) -> trtsel_status {
    const NO_FEATURE: Fail = Fail::new(TRTSEL_NOT_FOUND, "feature: expected the name of a feature, got another text");
    // SAFETY: the caller's promise.
    let at = || feature_index(unsafe { name(feature)? }).map(|at| at as u32).ok_or(NO_FEATURE);
    // SAFETY: the caller's promise.
    boundary::plain(|| unsafe { put(number, at) })
}

/// Allocates the memory to compute features in. Any thread; allocates.
///
/// # Safety
/// `features` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_open(features: *mut *mut trtsel_features) -> trtsel_status {
    let opened = || {
        let state = FeaturesState { workspace: Workspace::new(), derived: [0.0; FEATURE_COUNT] };
        Ok(boundary::give(trtsel_features { guarded: Guarded::new(state) }))
    };
    // SAFETY: the caller's promise.
    boundary::plain(|| unsafe { put(features, opened) })
}

/// Frees the memory; NULL does nothing. Returns `TRTSEL_BUSY`, and frees nothing, while another call on the handle is running.
///
/// # Safety
/// `features` is NULL or open, and no other thread will use it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_close(features: *mut trtsel_features) -> trtsel_status {
    // SAFETY: the caller's promise.
    unsafe { boundary::close(features) }
}

/// The text of the last failure; empty before the first one, and never NULL. It is valid until the next call on the handle. One
/// call at a time; does not allocate.
///
/// # Safety
/// `features` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_error(features: *mut trtsel_features) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { boundary::error(features) }
}

/// Computes the features whose numbers stand in `numbers`, of a frame in host memory, and writes them to `values` in the same
/// order. Both arrays have `count` elements. With NULL for `numbers` it computes all features, and `count`, the room in `values`,
/// must be at least `trtsel_feature_count()`. Parts of the computation that none of the wanted features needs are left out.
///
/// Errors: `TRTSEL_INPUT` for a frame that does not fit its description; `TRTSEL_INVALID_ARGUMENT` for a number that no feature
/// has and for a frame in device memory; `TRTSEL_BUFFER_TOO_SMALL`. One call at a time; does not allocate.
///
/// # Safety
/// `features` is NULL or open; `frame` NULL or a frame as `trtsel_frame` says; `numbers` NULL or an array of `count` numbers;
/// `values` NULL or an array of `count` floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_features_compute(
    features: *mut trtsel_features,
    frame: *const trtsel_frame,
    numbers: *const u32,
    values: *mut f32,
    count: usize,
) -> trtsel_status {
    let work = |_: &trtsel_features, state: &mut FeaturesState| {
        let values = wanted(values)?;
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
        match numbers {
            // SAFETY: the caller's array has room for `count` floats, and `count` was found to be at least the number of
            // features.
            None => unsafe { std::ptr::copy_nonoverlapping(state.derived.as_ptr(), values, FEATURE_COUNT) },
            Some(numbers) => {
                for (at, &feature) in numbers.iter().enumerate() {
                    // SAFETY: `at` is less than `count`, the length of the caller's array.
                    unsafe { values.add(at).write(state.derived[feature as usize]) };
                }
            }
        }
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(features, work) }
}

/// The caller's array of feature numbers, each of which is checked.
///
/// # Safety
/// `numbers` is not NULL, points to `count` numbers, and stays unchanged as long as the returned slice lives.
unsafe fn numbers<'a>(numbers: *const u32, count: usize) -> Result<&'a [u32], Fail> {
    if !numbers.is_aligned() || count > isize::MAX as usize / size_of::<u32>() {
        return Err(Fail::new(TRTSEL_INVALID_ARGUMENT, "numbers: expected an array of uint32_t, got none; give one"));
    }
    // SAFETY: the array is aligned and fits the address space; the rest is the caller's promise.
    let numbers = unsafe { std::slice::from_raw_parts(numbers, count) };
    if numbers.iter().any(|&f| f as usize >= FEATURE_COUNT) {
        return Err(Fail::new(TRTSEL_INVALID_ARGUMENT, "numbers: expected numbers of features, got another"));
    }
    Ok(numbers)
}
