// The kernels of cuda/kernels, compiled for the host. Built by tests/doubles/build-host-kernels; for tests only.
#include "host_kernels.h"

#include "kernels.cu"

namespace {

template <class Argument>
using Kernel = void (*)(const ts_host_block&, Argument);

// A GPU promises no order of the blocks. Here they run one after the other, but each launch begins with another one, so
// that the last to finish is not always the one with the highest number.
unsigned first_block(const unsigned grid[3]) {
    static unsigned launches = 0;
    return __atomic_fetch_add(&launches, 1u, __ATOMIC_RELAXED) % grid[0];
}

template <class Argument>
void run_blocks(Kernel<Argument> kernel, const unsigned grid[3], unsigned first, Argument argument) {
    for (unsigned y = 0; y < grid[1]; ++y) {
        for (unsigned i = 0; i < grid[0]; ++i) {
            const unsigned x = (first + i) % grid[0];
            const ts_host_block at = {{x, y, 0}, {grid[0], grid[1], grid[2]}};
            kernel(at, argument);
#if TS_LANES
            // Shared memory is the next block's only when this one is done with it.
            TS_BARRIER();
#endif
        }
    }
}

#if TS_LANES
template <class Argument>
struct Lane {
    Kernel<Argument> kernel;
    const unsigned* grid;
    unsigned first;
    Argument argument;
    ts_u32 thread;
};

template <class Argument>
void* run_lane(void* given) {
    const Lane<Argument>& lane = *static_cast<Lane<Argument>*>(given);
    ts_own_thread = lane.thread;
    run_blocks(lane.kernel, lane.grid, lane.first, lane.argument);
    return nullptr;
}

template <class Argument>
void run(Kernel<Argument> kernel, ts_u32 threads, const unsigned grid[3], Argument argument) {
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one_at_a_time);
    pthread_barrier_init(&ts_block_barrier, nullptr, threads);
    for (ts_u32 w = 0; w < threads / TS_WARP; ++w) pthread_barrier_init(&ts_warp_barriers[w], nullptr, TS_WARP);
    static pthread_t handles[TS_MOST_THREADS];
    static Lane<Argument> lanes[TS_MOST_THREADS];
    const unsigned first = first_block(grid);
    for (ts_u32 t = 0; t < threads; ++t) {
        lanes[t] = {kernel, grid, first, argument, t};
        if (pthread_create(&handles[t], nullptr, run_lane<Argument>, &lanes[t]) != 0) {
            fprintf(stderr, "host kernels: thread %u of %u could not be started\n", t, threads);
            abort();
        }
    }
    for (ts_u32 t = 0; t < threads; ++t) pthread_join(handles[t], nullptr);
    pthread_mutex_unlock(&one_at_a_time);
}
#else
template <class Argument>
void run(Kernel<Argument> kernel, ts_u32, const unsigned grid[3], Argument argument) {
    run_blocks(kernel, grid, first_block(grid), argument);
}
#endif

struct Limits {
    ts_u32 threads;
    // Most blocks in x and y.
    ts_u32 most_x;
    ts_u32 most_y;
};

template <class Argument>
void launch(const char* name, const Limits& limits, Kernel<Argument> kernel, const unsigned grid[3],
            const unsigned block[3], void** args) {
    if (block[0] != limits.threads || block[1] != 1 || block[2] != 1) {
        fprintf(stderr, "%s: expected a block of %ux1x1 threads, got %ux%ux%u; take it from trt_select_cuda::kernels\n",
                name, limits.threads, block[0], block[1], block[2]);
        abort();
    }
    const bool fits = grid[0] >= 1 && grid[0] <= limits.most_x && grid[1] >= 1 && grid[1] <= limits.most_y;
    if (!fits || grid[2] != 1) {
        fprintf(stderr, "%s: expected a grid of 1x1x1 to %ux%ux1 blocks, got %ux%ux%u; take it from trt_select_cuda::kernels\n",
                name, limits.most_x, limits.most_y, grid[0], grid[1], grid[2]);
        abort();
    }
    Argument argument;
    memcpy(&argument, args[0], sizeof argument);
    run(kernel, limits.threads, grid, argument);
}

#define LAUNCHER(kernel, most_x, most_y)                                                      \
    void start_##kernel(const unsigned grid[3], const unsigned block[3], void** args) {      \
        launch(#kernel, {kernel##_threads, most_x, most_y}, kernel, grid, block, args);      \
    }

// A grid has at most 19200 rows. A tensor has at most 16384 pixels a side.
LAUNCHER(trtsel_features_whole, 1u << 18, 1)
LAUNCHER(trtsel_features_grid, 19200, 1)
LAUNCHER(trtsel_preprocess, 16384 / TS_TILE_WIDTH, 16384 / TS_TILE_HEIGHT)
LAUNCHER(trtsel_signals, 1, 1)

}  // namespace

#define KERNEL(kernel) {#kernel, start_##kernel}
#define SIZE(type) {#type, sizeof(type)}
#define FIELD(type, field) {#type "." #field, __builtin_offsetof(type, field)}

extern "C" {

const trtsel_host_kernel trtsel_host_kernels[] = {
    KERNEL(trtsel_features_whole),
    KERNEL(trtsel_features_grid),
    KERNEL(trtsel_preprocess),
    KERNEL(trtsel_signals),
};
const unsigned trtsel_host_kernel_count = sizeof trtsel_host_kernels / sizeof trtsel_host_kernels[0];

const trtsel_host_number trtsel_host_numbers[] = {
    SIZE(FrameDesc),
    FIELD(FrameDesc, plane0),
    FIELD(FrameDesc, plane1),
    FIELD(FrameDesc, stride0_bytes),
    FIELD(FrameDesc, stride1_bytes),
    FIELD(FrameDesc, width_px),
    FIELD(FrameDesc, height_px),
    FIELD(FrameDesc, format),
    FIELD(FrameDesc, matrix),
    FIELD(FrameDesc, range),
    SIZE(Accumulators),
    FIELD(Accumulators, pixels),
    FIELD(Accumulators, sum_rgb),
    FIELD(Accumulators, sum_sq_rgb),
    FIELD(Accumulators, sum_grey),
    FIELD(Accumulators, sum_sq_grey),
    FIELD(Accumulators, sum_chroma),
    FIELD(Accumulators, hue),
    FIELD(Accumulators, dark),
    FIELD(Accumulators, bright),
    FIELD(Accumulators, cells),
    FIELD(Accumulators, inner_cells),
    FIELD(Accumulators, sum_laplacian),
    FIELD(Accumulators, sum_sq_laplacian),
    FIELD(Accumulators, keypoints),
    FIELD(Accumulators, edge_cells),
    FIELD(Accumulators, edge_angle),
    FIELD(Accumulators, edge_length),
    FIELD(Accumulators, object_width),
    FIELD(Accumulators, object_height),
    SIZE(FeaturesParams),
    FIELD(FeaturesParams, frame),
    FIELD(FeaturesParams, scratch),
    FIELD(FeaturesParams, record),
    FIELD(FeaturesParams, sequence),
    FIELD(FeaturesParams, grid_scale),
    FIELD(FeaturesParams, grid_width),
    FIELD(FeaturesParams, grid_height),
    SIZE(FeaturesRecord),
    FIELD(FeaturesRecord, accumulators),
    FIELD(FeaturesRecord, whole_sequence),
    FIELD(FeaturesRecord, grid_sequence),
    SIZE(AxisWindow),
    FIELD(AxisWindow, start),
    FIELD(AxisWindow, first),
    FIELD(AxisWindow, len),
    SIZE(AxisParams),
    FIELD(AxisParams, windows),
    FIELD(AxisParams, weights),
    FIELD(AxisParams, is_copy),
    FIELD(AxisParams, offset),
    SIZE(PreprocessParams),
    FIELD(PreprocessParams, frame),
    FIELD(PreprocessParams, columns),
    FIELD(PreprocessParams, rows),
    FIELD(PreprocessParams, tables),
    FIELD(PreprocessParams, output),
    FIELD(PreprocessParams, width),
    FIELD(PreprocessParams, height),
    FIELD(PreprocessParams, channels),
    FIELD(PreprocessParams, bgr),
    FIELD(PreprocessParams, interleaved),
    FIELD(PreprocessParams, half),
    SIZE(SignalsParams),
    FIELD(SignalsParams, scores),
    FIELD(SignalsParams, probabilities),
    FIELD(SignalsParams, record),
    FIELD(SignalsParams, sequence),
    FIELD(SignalsParams, count),
    FIELD(SignalsParams, logits),
    FIELD(SignalsParams, half),
    SIZE(SignalsRecord),
    {"SignalsRecord.class", __builtin_offsetof(SignalsRecord, class_index)},
    FIELD(SignalsRecord, top1),
    FIELD(SignalsRecord, margin),
    FIELD(SignalsRecord, entropy),
    FIELD(SignalsRecord, valid),
    FIELD(SignalsRecord, top_k),
    FIELD(SignalsRecord, top_classes),
    FIELD(SignalsRecord, top_probabilities),
    FIELD(SignalsRecord, sequence),
    SIZE(LaneParams),
    FIELD(LaneParams, preprocess),
    FIELD(LaneParams, signals),
    {"SCRATCH_BYTES", TS_SCRATCH_BYTES},
    {"WHOLE_SCRATCH_BYTES", sizeof(ts_whole_scratch)},
    {"WHOLE_BLOCK", trtsel_features_whole_threads},
    {"GRID_BLOCK", trtsel_features_grid_threads},
    {"PREPROCESS_BLOCK", trtsel_preprocess_threads},
    {"SIGNALS_BLOCK", trtsel_signals_threads},
    {"PREPROCESS_TILE_WIDTH", TS_TILE_WIDTH},
    {"PREPROCESS_TILE_HEIGHT", TS_TILE_HEIGHT},
};
const unsigned trtsel_host_number_count = sizeof trtsel_host_numbers / sizeof trtsel_host_numbers[0];

}  // extern "C"
