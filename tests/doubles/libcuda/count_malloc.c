/* Counts a process's heap allocations, of all its languages and threads. To be loaded with LD_PRELOAD; glibc only. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

static uint64_t count;
/* In the static block: its first use takes no heap memory. */
static __thread uint64_t of_thread __attribute__((tls_model("initial-exec")));

static void note(void) {
    __atomic_fetch_add(&count, 1, __ATOMIC_RELAXED);
    ++of_thread;
}

/* Allocations since the process began. */
uint64_t trtsel_malloc_count(void) { return __atomic_load_n(&count, __ATOMIC_RELAXED); }

/* Allocations that the calling thread has made. */
uint64_t trtsel_malloc_count_of_thread(void) { return of_thread; }

void* malloc(size_t bytes) {
    note();
    return __libc_malloc(bytes);
}

void* calloc(size_t n, size_t bytes) {
    note();
    return __libc_calloc(n, bytes);
}

void* realloc(void* old, size_t bytes) {
    note();
    return __libc_realloc(old, bytes);
}

void* memalign(size_t alignment, size_t bytes) {
    note();
    return __libc_memalign(alignment, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
    note();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** out, size_t alignment, size_t bytes) {
    note();
    void* made = __libc_memalign(alignment, bytes);
    if (!made) return ENOMEM;
    *out = made;
    return 0;
}
