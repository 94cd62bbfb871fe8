//! Calls on a selector that has given a result: they read its probabilities and the reasons for it, or tell the true class.

use std::ffi::c_char;

use trt_select_premodel::{CandidateId, Premodel};

use super::boundary::{self, Called, wanted};
use super::result::trtsel_summary;
use super::selector::{SelectorState, trtsel_selector};
use super::sized::Output;
use super::status::{
    Fail, TRTSEL_BUFFER_TOO_SMALL, TRTSEL_INVALID_ARGUMENT, TRTSEL_NOT_FOUND, TRTSEL_OK, TRTSEL_WRONG_STATE,
    trtsel_status,
};
use super::text::write_text;
use crate::error::Error;

/// Writes the address and number of the class probabilities behind the last result. They belong to the selector, and are valid
/// until the next submit, infer, warm-up, reset, reload or close. `TRTSEL_WRONG_STATE` where there is no last result: before the
/// first one, and after a submit, infer, warm-up, reset or reload, each of which discards it. One call at a time; does not
/// allocate.
///
/// # Safety
/// `selector` is NULL or open; the outputs NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_probabilities(
    selector: *mut trtsel_selector,
    probabilities: *mut *const f32,
    count: *mut usize,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        let (to, count) = (wanted(probabilities)?, wanted(count)?);
        state.last()?;
        let probabilities = state.selector.probabilities();
        // SAFETY: the caller's promise; NULL was refused.
        unsafe {
            to.write(probabilities.as_ptr());
            count.write(probabilities.len());
        }
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Copies the class probabilities behind the last result to an array of `capacity` floats. `TRTSEL_BUFFER_TOO_SMALL` where there
/// are more classes than that (`class_count` of `trtsel_info`). In all else like `trtsel_selector_probabilities`.
///
/// # Safety
/// `selector` is NULL or open; `probabilities` NULL or an array of `capacity` floats.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_copy_probabilities(
    selector: *mut trtsel_selector,
    probabilities: *mut f32,
    capacity: usize,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        let to = wanted(probabilities)?;
        state.last()?;
        let from = state.selector.probabilities();
        if from.len() > capacity {
            return Err(Fail::new(
                TRTSEL_BUFFER_TOO_SMALL,
                "probabilities: expected room for all classes, got less; give class_count floats",
            ));
        }
        // SAFETY: the caller's array has room for `capacity` floats, at least as many as are copied.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Writes the summary of one candidate's output for the input of the last result. `TRTSEL_NOT_FOUND` where that candidate did not
/// run; `TRTSEL_WRONG_STATE` where there is no last result. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open, `summary` NULL or a struct of its `struct_size`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_summary(
    selector: *mut trtsel_selector,
    candidate: u32,
    summary: *mut trtsel_summary,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        // SAFETY: the caller's promise.
        let output = unsafe { Output::new(summary)? };
        let ran = state.last()?.ran;
        let id = CandidateId(u8::try_from(candidate).unwrap_or(u8::MAX));
        let Some(summary) = state.selector.summary(id).filter(|_| ran.has(id)) else {
            return Err(Fail::new(TRTSEL_NOT_FOUND, "candidate: expected one that ran on the last input, got another"));
        };
        output.write(&summary.into());
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Writes in words which tests and runs lead to a node (`node` of a result) of the program that decided on the last result; where
/// there is no last result, of the program that decides next. `TRTSEL_NOT_FOUND` where the program has no such node. One call at a time; allocates.
///
/// # Safety
/// `selector` is NULL or open; `text` NULL or a buffer of `text_bytes` bytes; `needed_bytes` NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_why(
    selector: *mut trtsel_selector,
    node: u32,
    text: *mut c_char,
    text_bytes: usize,
    needed_bytes: *mut usize,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        let program = state.last.as_ref().map_or(state.selector.current_program(), |(outcome, _)| outcome.program);
        // SAFETY: the caller's promise.
        unsafe { give_why(state.selector.premodel(), program, node, text, text_bytes, needed_bytes) }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Writes in one line why a candidate failed on the last input (`failed_mask` of its result); the text is empty where none
/// failed. One call at a time; does not allocate.
///
/// # Safety
/// As for `trtsel_selector_why`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_failure(
    selector: *mut trtsel_selector,
    text: *mut c_char,
    text_bytes: usize,
    needed_bytes: *mut usize,
) -> trtsel_status {
    let work = |_: &trtsel_selector, state: &mut SelectorState| {
        let line = state.selector.failure().map_or("", Error::message);
        // SAFETY: the caller's promise.
        unsafe { give_text(line, text, text_bytes, needed_bytes) };
        Ok(TRTSEL_OK)
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}

/// Writes the way to a node of one of a premodel's programs in words.
///
/// # Safety
/// As for `give_text`.
pub(super) unsafe fn give_why(
    premodel: &Premodel,
    program: usize,
    node: u32,
    text: *mut c_char,
    text_bytes: usize,
    needed: *mut usize,
) -> Called {
    let Some(program) = premodel.program_at(program).filter(|p| (node as usize) < p.program().nodes().len()) else {
        return Err(Fail::new(TRTSEL_NOT_FOUND, "node: expected one of the program's, got another number"));
    };
    // SAFETY: the caller's promise.
    unsafe { give_text(&program.why(node as usize), text, text_bytes, needed) };
    Ok(TRTSEL_OK)
}

/// Writes a text, cut to the caller's buffer, and the size of the whole text with its NUL.
///
/// # Safety
/// `text` is NULL or a buffer of `text_bytes` bytes; `needed` NULL or writable.
unsafe fn give_text(line: &str, text: *mut c_char, text_bytes: usize, needed: *mut usize) {
    // SAFETY: the caller's promise.
    unsafe {
        write_text(line, text, text_bytes);
        if !needed.is_null() {
            needed.write(line.len() + 1);
        }
    }
}

/// Tells the selector the true class of the input of the last result. The statistics then count the result, and every candidate
/// that ran on the input, as right or wrong. Allowed once per result: `TRTSEL_WRONG_STATE` the second time and where there is no
/// last result; `TRTSEL_INVALID_ARGUMENT` for a class that the networks do not have. One call at a time; does not allocate.
///
/// # Safety
/// `selector` is NULL or open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn trtsel_selector_feedback(selector: *mut trtsel_selector, true_class: u32) -> trtsel_status {
    let work = |this: &trtsel_selector, state: &mut SelectorState| {
        if true_class as usize >= this.info.classes {
            return Err(Fail::new(
                TRTSEL_INVALID_ARGUMENT,
                "feedback: expected a class of the networks', got another number",
            ));
        }
        let selector = &state.selector;
        match &mut state.last {
            Some((outcome, was_fed_back @ false)) => {
                *was_fed_back = true;
                this.statistics
                    .feedback(outcome, true_class, |c| selector.summary(c).map_or(u32::MAX, |said| said.class));
                Ok(TRTSEL_OK)
            }
            _ => Err(Fail::new(
                TRTSEL_WRONG_STATE,
                "feedback: expected a result without feedback, got none; call this once after each result",
            )),
        }
    };
    // SAFETY: the caller's promise.
    unsafe { boundary::enter(selector, work) }
}
