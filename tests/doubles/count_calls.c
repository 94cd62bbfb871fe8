/* Counts what a hot loop must not do, between two marks that the loop sets: locks, conditions, semaphores, raw system calls (futex),
 * heap allocations. To be loaded with LD_PRELOAD; glibc only. The marks are close(-7001) and close(-7002); at the second one the
 * counts are written to stderr. What glibc calls inside itself cannot be seen here: strace sees what of it reaches the kernel. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

extern void* __libc_malloc(size_t);
extern void* __libc_calloc(size_t, size_t);
extern void* __libc_realloc(void*, size_t);
extern void* __libc_memalign(size_t, size_t);

/* Volatile: glibc promises the compiler that its functions do not call back into this file, which malloc breaks. */
static volatile int counting;
static unsigned long locks, allocations, calls;

static void note(unsigned long* count) {
    if (counting) ++*count;
}

/* The function of glibc behind ours. Of the conditions there are two kinds by one name; the newer one is meant. What the search
 * itself allocates does not count. */
static void* next(const char* name) {
    static const char* const versions[] = {"GLIBC_2.3.2", "GLIBC_2.17"};
    int was_counting = counting;
    void* found = NULL;
    counting = 0;
    for (unsigned i = 0; i < 2 && !found; ++i) found = dlvsym(RTLD_NEXT, name, versions[i]);
    if (!found) found = dlsym(RTLD_NEXT, name);
    counting = was_counting;
    return found;
}

#define LOCK(name, parameters, arguments)                                                   \
    int name parameters {                                                                   \
        static int(*real) parameters;                                                       \
        if (!real) real = (int(*) parameters)next(#name);                                   \
        note(&locks);                                                                       \
        return real arguments;                                                              \
    }

LOCK(pthread_mutex_lock, (pthread_mutex_t * m), (m))
LOCK(pthread_mutex_trylock, (pthread_mutex_t * m), (m))
LOCK(pthread_mutex_timedlock, (pthread_mutex_t * m, const struct timespec* t), (m, t))
LOCK(pthread_mutex_unlock, (pthread_mutex_t * m), (m))
LOCK(pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
LOCK(pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
LOCK(pthread_rwlock_tryrdlock, (pthread_rwlock_t * l), (l))
LOCK(pthread_rwlock_trywrlock, (pthread_rwlock_t * l), (l))
LOCK(pthread_rwlock_unlock, (pthread_rwlock_t * l), (l))
LOCK(pthread_spin_lock, (pthread_spinlock_t * l), (l))
LOCK(pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t* m), (c, m))
LOCK(pthread_cond_timedwait, (pthread_cond_t * c, pthread_mutex_t* m, const struct timespec* t), (c, m, t))
LOCK(pthread_cond_signal, (pthread_cond_t * c), (c))
LOCK(pthread_cond_broadcast, (pthread_cond_t * c), (c))
LOCK(pthread_once, (pthread_once_t * o, void (*f)(void)), (o, f))
LOCK(sem_wait, (sem_t * s), (s))
LOCK(sem_post, (sem_t * s), (s))

/* Rust's own locks come here when they wait or wake: futex. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    long a[6];
    __builtin_va_list list;
    if (!real) real = (long (*)(long, ...))next("syscall");
    __builtin_va_start(list, number);
    for (int i = 0; i < 6; ++i) a[i] = __builtin_va_arg(list, long);
    __builtin_va_end(list);
    note(&calls);
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void* malloc(size_t bytes) {
    note(&allocations);
    return __libc_malloc(bytes);
}

void* calloc(size_t n, size_t bytes) {
    note(&allocations);
    return __libc_calloc(n, bytes);
}

void* realloc(void* old, size_t bytes) {
    note(&allocations);
    return __libc_realloc(old, bytes);
}

void* aligned_alloc(size_t alignment, size_t bytes) {
    note(&allocations);
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** out, size_t alignment, size_t bytes) {
    note(&allocations);
    *out = __libc_memalign(alignment, bytes);
    return *out ? 0 : 12;
}

int close(int file) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))next("close");
    if (file == -7001) counting = 1;
    if (file == -7002) {
        counting = 0;
        fprintf(stderr, "counted: locks %lu, raw system calls %lu, allocations %lu\n", locks, calls, allocations);
    }
    return real(file);
}
