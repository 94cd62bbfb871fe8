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

struct ts_grid_scratch {
    // Where a cell's component goes on, at last its first cell; TS_NO_CELL where there is no edge.
    ts_u32 parent[TS_MAX_CELLS];
    // At a component's first cell: its cells, and its strong cells times 65536.
    ts_u32 members[TS_MAX_CELLS];
    ts_u16 magnitude[TS_MAX_CELLS];
};

struct ts_scratch {
    ts_whole_scratch whole;
    ts_grid_scratch grid;
};

#define TS_SCRATCH_BYTES 192256
static_assert(sizeof(ts_whole_scratch) == 256, "ts_whole_scratch: its size is part of SCRATCH_BYTES");
static_assert(sizeof(ts_scratch) == TS_SCRATCH_BYTES, "ts_scratch: must be SCRATCH_BYTES of cuda/src/kernels.rs");

#endif
