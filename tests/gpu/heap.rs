//! Heap allocations of this thread, in Rust, C and C++: counted where `libcountmalloc.so` of `tests/doubles/build-libcuda` is preloaded.

type Count = unsafe extern "C" fn() -> u64;

/// The number of allocations at one moment.
pub(crate) struct Heap(Option<(Count, u64)>);

impl Heap {
    /// The number now.
    pub(crate) fn of_thread() -> Heap {
        // SAFETY: this only looks a symbol up among what the process has loaded; no code of a library runs.
        let found = unsafe { libloading::os::unix::Library::this().get(b"trtsel_malloc_count_of_thread\0") };
        let count: Option<Count> = found.ok().map(|symbol: libloading::os::unix::Symbol<Count>| *symbol);
        // SAFETY: the function's signature; it reads a counter.
        Heap(count.map(|count| (count, unsafe { count() })))
    }

    /// The allocations since then, in words.
    pub(crate) fn since(&self) -> String {
        match self.0 {
            // SAFETY: as above.
            Some((count, before)) => (unsafe { count() } - before).to_string(),
            None => "not counted (libcountmalloc.so is not preloaded)".to_owned(),
        }
    }
}
