// The host side of portable.cuh with a thread of the host for each thread of a block (`TS_HOST_THREADS`).
//
// Blocks run one after the other, so races between blocks are not looked for. Shared memory is static, so one launch runs
// at a time. Atomics are relaxed and fences do nothing: what orders memory between threads is the barriers alone (and,
// more than on a device, the warp's shuffles).
#ifndef TRTSEL_HOST_THREADS_CUH
#define TRTSEL_HOST_THREADS_CUH

#include <pthread.h>

#define TS_MOST_THREADS 1024u

static thread_local ts_u32 ts_own_thread;
static pthread_barrier_t ts_block_barrier;
static pthread_barrier_t ts_warp_barriers[TS_MOST_THREADS / TS_WARP];
static ts_u32 ts_exchange[TS_MOST_THREADS];

TS_FN ts_u32 ts_thread() { return ts_own_thread; }

#define TS_FOR_THREADS(t, n) for (ts_u32 t = ts_thread(), ts_once = 1; ts_once; ts_once = 0)
#define TS_BARRIER() ((void)pthread_barrier_wait(&ts_block_barrier))
#define TS_SHARED(type, name, n) static type name[n]
#define TS_PER_THREAD(type, name, n) type name
#define TS_PER_THREAD_REF(type, name, n) type& name
#define TS_MY(name, t) ((void)(t), name)

TS_FN void ts_fence_device() {}
TS_FN void ts_fence_system() {}
template <class T>
TS_FN T ts_atomic_add(T* at, T v) {
    return __atomic_fetch_add(at, v, __ATOMIC_RELAXED);
}
TS_FN ts_u32 ts_atomic_min(ts_u32* at, ts_u32 v) {
    ts_u32 old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (v < old && !__atomic_compare_exchange_n(at, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}
TS_FN ts_u32 ts_atomic_max(ts_u32* at, ts_u32 v) {
    ts_u32 old = __atomic_load_n(at, __ATOMIC_RELAXED);
    while (v > old && !__atomic_compare_exchange_n(at, &old, v, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
    return old;
}
template <class T>
TS_FN T ts_load_volatile(const T* at) {
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}
TS_FN void ts_store_volatile(ts_u32* at, ts_u32 v) { __atomic_store_n(at, v, __ATOMIC_RELAXED); }
TS_FN ts_u32 ts_shuffle_xor(ts_u32 v, ts_u32 lanes) {
    pthread_barrier_t* const warp = &ts_warp_barriers[ts_thread() / TS_WARP];
    ts_exchange[ts_thread()] = v;
    pthread_barrier_wait(warp);
    const ts_u32 other = ts_exchange[ts_thread() ^ lanes];
    pthread_barrier_wait(warp);
    return other;
}

#endif
