// The kernels of cuda/kernels, compiled for the host. Built by tests/doubles/build-host-kernels; for tests only.
#include "host_kernels.h"

#include "kernels.cu"

namespace {

template <class Argument>
void launch(const char* name, ts_u32 threads, void (*kernel)(const ts_host_block&, Argument), const unsigned grid[3],
            const unsigned block[3], void** args) {
    if (block[0] != threads || block[1] != 1 || block[2] != 1) {
        fprintf(stderr, "%s: expected a block of %ux1x1 threads, got %ux%ux%u; take it from trt_select_cuda::kernels\n",
                name, threads, block[0], block[1], block[2]);
        abort();
    }
    if (grid[0] == 0 || grid[1] == 0 || grid[2] != 1 || grid[1] > 65535) {
        fprintf(stderr, "%s: expected a grid of 1x1x1 to 2147483647x65535x1, got %ux%ux%u\n", name, grid[0], grid[1],
                grid[2]);
        abort();
    }
    Argument argument;
    memcpy(&argument, args[0], sizeof argument);
    for (unsigned y = 0; y < grid[1]; ++y) {
        for (unsigned x = 0; x < grid[0]; ++x) {
            const ts_host_block at = {{x, y, 0}, {grid[0], grid[1], grid[2]}};
            kernel(at, argument);
        }
    }
}

#define LAUNCHER(kernel)                                                                  \
    void run_##kernel(const unsigned grid[3], const unsigned block[3], void** args) {    \
        launch(#kernel, kernel##_threads, kernel, grid, block, args);                    \
    }

LAUNCHER(trtsel_features_whole)
LAUNCHER(trtsel_features_grid)
LAUNCHER(trtsel_preprocess)
LAUNCHER(trtsel_signals)

}  // namespace

#define KERNEL(kernel) {#kernel, run_##kernel}
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
