//! What `tests/gpu/run` tells the tests by variables.

use std::path::PathBuf;

use trt_select::cuda::driver::{Context, Error};

/// The variable that says that this machine has a GPU. A test that skips for want of one passes, and would be taken for evidence.
pub(crate) const REQUIRED: &str = "TRT_SELECT_GPU_REQUIRED";

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The context of the first GPU; `None` where there is none, after printing the reason.
///
/// # Panics
/// If there is none although [`REQUIRED`] is set.
pub(crate) fn context() -> Option<Context> {
    or_skipped(Context::primary(0), is_set(REQUIRED))
}

fn or_skipped(context: Result<Context, Error>, required: bool) -> Option<Context> {
    match context {
        Ok(context) => Some(context),
        Err(error) if required => panic!("{REQUIRED} is set, so there has to be a GPU: {error}"),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// The folder that a variable names; `None` where it names none, after printing so.
///
/// # Panics
/// If it names none although [`REQUIRED`] is set: the script then has forgotten to.
pub(crate) fn folder(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if named.is_none() {
        assert!(!is_set(REQUIRED), "{variable}: expected a folder, got nothing; {REQUIRED} is set, so name one");
        println!("skipped: {variable} names no folder");
    }
    named
}

/// Whether compute-sanitizer runs this program. It makes kernels many times slower, and takes device memory of its own meanwhile.
pub(crate) fn is_sanitized() -> bool {
    is_set("TRT_SELECT_GPU_SANITIZED")
}

/// The number that a variable holds.
pub(crate) fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Bytes of device memory that are free.
pub(crate) fn free_bytes() -> u64 {
    Context::primary(0).and_then(|context| context.memory_info()).expect("the driver tells").0
}

/// Times in nanoseconds as a line says them, in microseconds.
pub(crate) fn times(mut ns: Vec<u64>) -> String {
    ns.sort_unstable();
    let at = |share: f64| ns[((ns.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    format!("median {:.2} us, p99 {:.2} us, max {:.2} us", at(0.5), at(0.99), at(1.0))
}
