//! Progress of a study.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Is called with what is being done, how much of it is done, and of how much; from any thread.
pub type Progress<'a> = &'a (dyn Fn(&'static str, usize, usize) + Sync);

/// Counts what is done, from any thread.
pub(super) struct Counter<'a> {
    progress: Progress<'a>,
    what: &'static str,
    of: usize,
    done: AtomicUsize,
}

impl<'a> Counter<'a> {
    pub(super) fn new(progress: Progress<'a>, what: &'static str, of: usize) -> Counter<'a> {
        progress(what, 0, of);
        Counter { progress, what, of, done: AtomicUsize::new(0) }
    }

    pub(super) fn one(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.progress)(self.what, done.min(self.of), self.of);
    }
}
