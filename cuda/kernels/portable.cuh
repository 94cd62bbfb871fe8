// One source for the device and for the host.
//
// A kernel is written as phases between barriers: `TS_FOR_THREADS(t, N) { ... }` is what every thread of a block of N
// does, `TS_BARRIER()` parts the phases. On the device a phase runs once in each thread; on the host it is a loop over
// the threads, so that a kernel is plain deterministic code that sanitizers and Valgrind understand. What a thread keeps
// over a barrier stands in `TS_PER_THREAD`: a register on the device, an array of N on the host; `TS_MY(name, t)` is the
// thread's own. Inside a phase use `continue`, never `return`.
//
// Compilers: clang in CUDA mode without any CUDA header, NVRTC, nvcc, and any C++17 compiler for the host. With
// `TS_HOST_THREADS` the host runs every thread of a block as a thread of its own, as the device does: slow, and for a
// race detector, which then finds a barrier that is missing.
#ifndef TRTSEL_PORTABLE_CUH
#define TRTSEL_PORTABLE_CUH

typedef unsigned char ts_u8;
typedef unsigned short ts_u16;
typedef int ts_i32;
typedef unsigned int ts_u32;
typedef long long ts_i64;
typedef unsigned long long ts_u64;

#if defined(__CUDACC__) || defined(__CUDA__)
#define TS_DEVICE 1
#if defined(__clang__) && !defined(__CUDACC__)
#define TS_BARE_CLANG 1
#ifndef __device__
#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(threads, blocks) __attribute__((launch_bounds(threads, blocks)))
#endif
#endif
#else
#define TS_DEVICE 0
#include <cstdio>
#include <cstdlib>
#include <cstring>
#endif

// Whether a thread's code runs in a thread of its own.
#if TS_DEVICE || defined(TS_HOST_THREADS)
#define TS_LANES 1
#else
#define TS_LANES 0
#endif

#define TS_WARP 32u

#if TS_DEVICE

#define TS_INLINE __device__ __attribute__((always_inline)) inline
#define TS_FN static TS_INLINE
// `blocks`: how many a multiprocessor should hold at once, which bounds the registers.
#define TS_KERNEL(name, threads, blocks, type, argument) \
    extern "C" __global__ void __launch_bounds__(threads, blocks) name(type argument)
#define TS_FOR_THREADS(t, n) for (ts_u32 t = ts_thread(), ts_once = 1; ts_once; ts_once = 0)
#define TS_BARRIER() __syncthreads()
#define TS_SHARED(type, name, n) __shared__ type name[n]
#define TS_PER_THREAD(type, name, n) type name
#define TS_PER_THREAD_REF(type, name, n) type& name
#define TS_MY(name, t) ((void)(t), name)
// Before a loop.
#define TS_UNROLL _Pragma("unroll")
#define TS_NO_UNROLL _Pragma("unroll 1")
#define TS_WORDS_16 __attribute__((aligned(16)))

#if defined(TS_BARE_CLANG)
TS_FN ts_u32 ts_thread() { return __nvvm_read_ptx_sreg_tid_x(); }
TS_FN ts_u32 ts_block_index(int axis) {
    return axis == 0 ? __nvvm_read_ptx_sreg_ctaid_x() : __nvvm_read_ptx_sreg_ctaid_y();
}
TS_FN ts_u32 ts_blocks_x() { return __nvvm_read_ptx_sreg_nctaid_x(); }
TS_FN ts_u32 ts_shuffle_xor(ts_u32 v, ts_u32 lanes) {
    return (ts_u32)__nvvm_shfl_sync_bfly_i32(0xffffffffu, (int)v, (int)lanes, 31);
}
TS_FN void ts_fence_device() { __nvvm_membar_gl(); }
TS_FN void ts_fence_system() { __nvvm_membar_sys(); }
TS_FN ts_u64 ts_atomic_add(ts_u64* at, ts_u64 v) { return (ts_u64)__nvvm_atom_add_gen_ll((ts_i64*)at, (ts_i64)v); }
TS_FN ts_u32 ts_atomic_add(ts_u32* at, ts_u32 v) { return (ts_u32)__nvvm_atom_add_gen_i((int*)at, (int)v); }
TS_FN ts_u32 ts_atomic_min(ts_u32* at, ts_u32 v) { return __nvvm_atom_min_gen_ui(at, v); }
TS_FN ts_u32 ts_atomic_max(ts_u32* at, ts_u32 v) { return __nvvm_atom_max_gen_ui(at, v); }
TS_FN ts_u32 ts_float_bits(float v) { return __builtin_bit_cast(ts_u32, v); }
TS_FN float ts_bits_float(ts_u32 v) { return __builtin_bit_cast(float, v); }
#else
TS_FN ts_u32 ts_thread() { return threadIdx.x; }
TS_FN ts_u32 ts_block_index(int axis) { return axis == 0 ? blockIdx.x : blockIdx.y; }
TS_FN ts_u32 ts_blocks_x() { return gridDim.x; }
TS_FN ts_u32 ts_shuffle_xor(ts_u32 v, ts_u32 lanes) { return __shfl_xor_sync(0xffffffffu, v, lanes); }
TS_FN void ts_fence_device() { __threadfence(); }
TS_FN void ts_fence_system() { __threadfence_system(); }
TS_FN ts_u64 ts_atomic_add(ts_u64* at, ts_u64 v) { return atomicAdd(at, v); }
TS_FN ts_u32 ts_atomic_add(ts_u32* at, ts_u32 v) { return atomicAdd(at, v); }
TS_FN ts_u32 ts_atomic_min(ts_u32* at, ts_u32 v) { return atomicMin(at, v); }
TS_FN ts_u32 ts_atomic_max(ts_u32* at, ts_u32 v) { return atomicMax(at, v); }
TS_FN ts_u32 ts_float_bits(float v) { return __float_as_uint(v); }
TS_FN float ts_bits_float(ts_u32 v) { return __uint_as_float(v); }
#endif

// Reads and writes that no cache or register may answer for.
TS_FN ts_u32 ts_load_volatile(const ts_u32* at) { return *(const volatile ts_u32*)at; }
TS_FN ts_u64 ts_load_volatile(const ts_u64* at) { return *(const volatile ts_u64*)at; }
TS_FN void ts_store_volatile(ts_u32* at, ts_u32 v) { *(volatile ts_u32*)at = v; }
// Publishes: call it after ts_fence_system().
TS_FN void ts_store_release(ts_u64* at, ts_u64 v) { *(volatile ts_u64*)at = v; }

#else

// The block that is being run, handed to every kernel by the host's launcher.
struct ts_host_block {
    ts_u32 index[3];
    ts_u32 blocks[3];
};

#define TS_INLINE inline
#define TS_FN [[maybe_unused]] static inline
// `threads` is what the launcher compares with the block size that it is asked for.
#define TS_KERNEL(name, threads, blocks, type, argument)  \
    static constexpr ts_u32 name##_threads = threads;     \
    static void name([[maybe_unused]] const ts_host_block& ts_block, type argument)
#define TS_UNROLL
#define TS_NO_UNROLL
#define TS_WORDS_16 __attribute__((may_alias, aligned(16)))

#define ts_block_index(axis) (ts_block.index[axis])
#define ts_blocks_x() (ts_block.blocks[0])
TS_FN ts_u32 ts_float_bits(float v) {
    ts_u32 bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}
TS_FN float ts_bits_float(ts_u32 v) {
    float f;
    memcpy(&f, &v, sizeof f);
    return f;
}
TS_FN void ts_store_release(ts_u64* at, ts_u64 v) { __atomic_store_n(at, v, __ATOMIC_RELEASE); }

#if defined(TS_HOST_THREADS)
// In tests/doubles.
#include "host_threads.cuh"
#else
#define TS_FOR_THREADS(t, n) for (ts_u32 t = 0; t < (n); ++t)
#define TS_BARRIER() ((void)0)
#define TS_SHARED(type, name, n) type name[n]
#define TS_PER_THREAD(type, name, n) type name[n]
#define TS_PER_THREAD_REF(type, name, n) type(&name)[n]
#define TS_MY(name, t) name[t]

TS_FN void ts_fence_device() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
TS_FN void ts_fence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
template <class T>
TS_FN T ts_atomic_add(T* at, T v) {
    const T old = *at;
    *at = old + v;
    return old;
}
TS_FN ts_u32 ts_atomic_min(ts_u32* at, ts_u32 v) {
    const ts_u32 old = *at;
    *at = v < old ? v : old;
    return old;
}
TS_FN ts_u32 ts_atomic_max(ts_u32* at, ts_u32 v) {
    const ts_u32 old = *at;
    *at = v > old ? v : old;
    return old;
}
template <class T>
TS_FN T ts_load_volatile(const T* at) {
    return *at;
}
TS_FN void ts_store_volatile(ts_u32* at, ts_u32 v) { *at = v; }
#endif

#endif

#if TS_LANES
TS_FN ts_i32 ts_shuffle_xor(ts_i32 v, ts_u32 lanes) { return (ts_i32)ts_shuffle_xor((ts_u32)v, lanes); }
TS_FN float ts_shuffle_xor(float v, ts_u32 lanes) { return ts_bits_float(ts_shuffle_xor(ts_float_bits(v), lanes)); }
TS_FN ts_u64 ts_shuffle_xor(ts_u64 v, ts_u32 lanes) {
    const ts_u64 high = ts_shuffle_xor((ts_u32)(v >> 32), lanes);
    return high << 32 | ts_shuffle_xor((ts_u32)v, lanes);
}
#endif

struct ts_sum {
    template <class T>
    static TS_INLINE T of(T a, T b) {
        return a + b;
    }
};

struct ts_max {
    template <class T>
    static TS_INLINE T of(T a, T b) {
        return a < b ? b : a;
    }
};

// Every thread gets its warp's value. The order of the operations is the same on both sides, floats included.
#if TS_LANES
template <class Op, ts_u32 N, class T>
TS_FN void ts_warp_reduce(T& v) {
    for (ts_u32 lanes = TS_WARP / 2; lanes > 0; lanes /= 2) v = Op::of(v, ts_shuffle_xor(v, lanes));
}
#else
template <class Op, ts_u32 N, class T>
TS_FN void ts_warp_reduce(T (&v)[N]) {
    for (ts_u32 lanes = TS_WARP / 2; lanes > 0; lanes /= 2) {
        T next[N];
        for (ts_u32 t = 0; t < N; ++t) next[t] = Op::of(v[t], v[t ^ lanes]);
        memcpy(v, next, sizeof next);
    }
}
#endif

// The value of the whole block of N threads, the same in every thread. `shared` has a place for each warp.
template <class Op, ts_u32 N, class T>
TS_FN T ts_block_reduce(TS_PER_THREAD_REF(T, v, N), T* shared) {
    ts_warp_reduce<Op, N>(v);
    TS_FOR_THREADS(t, N) {
        if (t % TS_WARP == 0) shared[t / TS_WARP] = TS_MY(v, t);
    }
    TS_BARRIER();
    T all = shared[0];
    for (ts_u32 warp = 1; warp < N / TS_WARP; ++warp) all = Op::of(all, shared[warp]);
    TS_BARRIER();
    return all;
}

// Adds the block's values to `total`, which is in shared memory: one atomic a warp. Integers only, so that the order
// does not matter. A barrier must follow before anyone reads.
template <ts_u32 N, class T>
TS_FN void ts_block_add(TS_PER_THREAD_REF(T, v, N), ts_u64* total) {
    ts_warp_reduce<ts_sum, N>(v);
    TS_FOR_THREADS(t, N) {
        if (t % TS_WARP == 0) ts_atomic_add(total, (ts_u64)(ts_i64)TS_MY(v, t));
    }
}

#endif
