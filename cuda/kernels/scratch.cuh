// Scratch memory of the feature kernels. Each has its own part, so that both may run at once; the host zeroes all of it
// once, and what must be zero again at the next frame the kernels leave so.
#ifndef TRTSEL_SCRATCH_CUH
#define TRTSEL_SCRATCH_CUH

#include "portable.cuh"

#define TS_WHOLE_SUMS 18
// Cells of the largest grid, 160 x 120.
#define TS_MAX_CELLS 19200u

struct ts_whole_scratch {
    ts_u64 sums[TS_WHOLE_SUMS];
    // Blocks that have added theirs.
    ts_u32 done;
    ts_u32 unused[27];
};

#define TS_GRID_SUMS 3

// Seven counts in two words, 16 bits each: more than there are cells.
#define TS_LANES_A_WORD 4u
#define TS_LANE_WORDS 2u
static_assert(TS_MAX_CELLS < 65536, "a count of cells has 16 bits");
TS_FN ts_u32 ts_lane_shift(ts_u32 lane) { return 16 * (lane % TS_LANES_A_WORD); }

// What is known of a component of edge cells.
struct ts_component {
    // Cells by the angle of their gradient.
    ts_u64 angles[TS_LANE_WORDS];
    // Cells, and strong cells times 65536.
    ts_u32 members;
    // Its bounding box but for the top, as numbers whose maximum is wanted: width - 1 - left, and so on.
    ts_u32 left_complement;
    ts_u32 right;
    ts_u32 bottom;
};

struct ts_grid_scratch {
    ts_u64 sums[TS_GRID_SUMS];
    // Blocks that are done with their band.
    ts_u32 done;
    // How many of `firsts` there are.
    ts_u32 first_count;
    ts_u32 unused[8];
    // At the first cell of each component.
    ts_component components[TS_MAX_CELLS];
    // Where a cell's component goes on, at last its first cell; TS_NO_CELL where there is no edge.
    ts_u32 parent[TS_MAX_CELLS];
    // First cells of the components inside of bands, in any order.
    ts_u32 firsts[TS_MAX_CELLS];
};

struct ts_scratch {
    ts_whole_scratch whole;
    ts_grid_scratch grid;
};

#define TS_SCRATCH_BYTES 768320
static_assert(sizeof(ts_whole_scratch) == 256, "ts_whole_scratch: its size is part of SCRATCH_BYTES");
static_assert(sizeof(ts_component) == 32, "ts_component: its size is part of SCRATCH_BYTES");
static_assert(sizeof(ts_scratch) == TS_SCRATCH_BYTES, "ts_scratch: must be SCRATCH_BYTES of cuda/src/kernels.rs");

#endif
