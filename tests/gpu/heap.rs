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

    /// The allocations since then; `None` where they are not counted.
    pub(crate) fn since(&self) -> Option<u64> {
        // SAFETY: as above.
        self.0.map(|(count, before)| unsafe { count() } - before)
    }

    /// A number of allocations in words.
    pub(crate) fn words(allocations: Option<u64>) -> String {
        let unknown = || "not counted (libcountmalloc.so is not preloaded)".to_owned();
        format!("heap allocations: {}", allocations.map_or_else(unknown, |count| count.to_string()))
    }
}
