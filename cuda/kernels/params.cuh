// What kernels are told, and what they tell: the structures of `cuda/src/params.rs`, `frame.rs` and `accumulators.rs`.
// Addresses are u64, so that both sides agree on every size.
#ifndef TRTSEL_PARAMS_CUH
#define TRTSEL_PARAMS_CUH

#include "portable.cuh"

#define TS_TOP_K 5
#define TS_BINS 7
#define TS_CLIP_DARK 32u
#define TS_CLIP_BRIGHT 224u

// Numbers of `Format`, `Matrix` and `Range`.
#define TS_RGB8 0
#define TS_BGR8 1
#define TS_RGBA8 2
#define TS_GRAY8 3
#define TS_NV12 4
#define TS_YUYV 5
#define TS_BT709 1u
#define TS_FULL 1u

struct FrameDesc {
    ts_u64 plane0;
    ts_u64 plane1;
    ts_u64 stride0_bytes;
    ts_u64 stride1_bytes;
    ts_u32 width_px;
    ts_u32 height_px;
    ts_u32 format;
    ts_u32 matrix;
    ts_u32 range;
    ts_u32 reserved;
};

struct Accumulators {
    ts_u64 pixels;
    ts_u64 sum_rgb[3];
    ts_u64 sum_sq_rgb[3];
    ts_u64 sum_grey;
    ts_u64 sum_sq_grey;
    ts_u64 sum_chroma;
    ts_u64 hue[TS_BINS];
    ts_u64 dark;
    ts_u64 bright;
    ts_u64 cells;
    ts_u64 inner_cells;
    ts_i64 sum_laplacian;
    ts_u64 sum_sq_laplacian;
    ts_u64 keypoints;
    ts_u64 edge_cells;
    ts_u64 edge_angle[TS_BINS];
    ts_u64 edge_length[TS_BINS];
    ts_u64 object_width;
    ts_u64 object_height;
};

struct FeaturesParams {
    FrameDesc frame;
    ts_u64 scratch;
    ts_u64 record;
    ts_u64 sequence;
    ts_u32 grid_scale;
    ts_u32 grid_width;
    ts_u32 grid_height;
    ts_u32 reserved;
};

struct FeaturesRecord {
    Accumulators accumulators;
    ts_u64 whole_sequence;
    ts_u64 grid_sequence;
};

struct AxisWindow {
    ts_u32 start;
    ts_u32 first;
    ts_u32 len;
    ts_u32 reserved;
};

struct AxisParams {
    ts_u64 windows;
    ts_u64 weights;
    ts_u32 is_copy;
    ts_u32 offset;
};

struct PreprocessParams {
    FrameDesc frame;
    AxisParams columns;
    AxisParams rows;
    ts_u64 tables;
    ts_u64 output;
    ts_u32 width;
    ts_u32 height;
    ts_u32 channels;
    ts_u32 bgr;
    ts_u32 interleaved;
    ts_u32 half;
};

struct SignalsParams {
    ts_u64 scores;
    ts_u64 probabilities;
    ts_u64 record;
    ts_u64 sequence;
    ts_u32 count;
    ts_u32 logits;
    ts_u32 half;
    ts_u32 reserved;
};

struct SignalsRecord {
    ts_u32 class_index;
    float top1;
    float margin;
    float entropy;
    ts_u32 valid;
    ts_u32 top_k;
    ts_u32 top_classes[TS_TOP_K];
    float top_probabilities[TS_TOP_K];
    ts_u64 sequence;
};

struct LaneParams {
    PreprocessParams preprocess;
    SignalsParams signals;
};

static_assert(sizeof(FrameDesc) == 56, "FrameDesc: must be cuda/src/frame.rs");
static_assert(sizeof(Accumulators) == 41 * 8, "Accumulators: must be cuda/src/accumulators.rs");
static_assert(sizeof(FeaturesParams) == 96, "FeaturesParams: must be cuda/src/params.rs");
static_assert(sizeof(FeaturesRecord) == 43 * 8, "FeaturesRecord: must be cuda/src/params.rs");
static_assert(sizeof(AxisWindow) == 16, "AxisWindow: must be cuda/src/params.rs");
static_assert(sizeof(AxisParams) == 24, "AxisParams: must be cuda/src/params.rs");
static_assert(sizeof(PreprocessParams) == 144, "PreprocessParams: must be cuda/src/params.rs");
static_assert(sizeof(SignalsParams) == 48, "SignalsParams: must be cuda/src/params.rs");
static_assert(sizeof(SignalsRecord) == 72, "SignalsRecord: must be cuda/src/params.rs");
static_assert(sizeof(LaneParams) == 192, "LaneParams: must be cuda/src/params.rs");
// NVRTC has no offsetof without a header; the other compilers speak for it.
#if !defined(__CUDACC_RTC__)
static_assert(__builtin_offsetof(SignalsRecord, sequence) == 64, "SignalsRecord: the sequence word is last");
static_assert(__builtin_offsetof(PreprocessParams, tables) == 104, "PreprocessParams: tables follow the axes");
static_assert(__builtin_offsetof(LaneParams, signals) == 144, "LaneParams: signals follow preprocess");
#endif

#endif
