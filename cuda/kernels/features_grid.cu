// The grid group of the features: Laplacian, corners, edges and their components on the downsampled grid. One block.
// `src/features/{grid,fast,canny,reference}.rs` say the same for the CPU; the numbers are equal bit for bit.
#include "pixel.cuh"
#include "scratch.cuh"

#define TS_GRID_THREADS 512u
#define TS_NO_CELL 0xffffffffu

// Canny's thresholds, tan 22.5 degrees in 1/32768, FAST's threshold.
#define TS_CANNY_LOW 100u
#define TS_CANNY_HIGH 200u
#define TS_TAN_22_5 13573
#define TS_FAST_THRESHOLD 20

struct ts_gradient {
    ts_i32 dx;
    ts_i32 dy;
};

// The grid in shared memory. Cells are counted row by row.
struct ts_grid {
    const ts_u8* grey;
    ts_u32 width;
    ts_u32 height;
};

TS_FN ts_u32 ts_sample(const ts_frame& frame, const FeaturesParams& p, ts_u32 column, ts_u32 row) {
    const ts_u32 s = p.grid_scale;
    if (s == 1) return ts_grey_pixel(frame, column, row);
    const ts_u32 near = s / 4, far = s - 1 - s / 4;
    const ts_u32 last_x = p.frame.width_px - 1, last_y = p.frame.height_px - 1;
    const ts_u32 left = column * s, top = row * s;
    const ts_u32 x0 = left + near < last_x ? left + near : last_x;
    const ts_u32 x1 = left + far < last_x ? left + far : last_x;
    const ts_u32 y0 = top + near < last_y ? top + near : last_y;
    const ts_u32 y1 = top + far < last_y ? top + far : last_y;
    const ts_u32 sum = ts_grey_pixel(frame, x0, y0) + ts_grey_pixel(frame, x1, y0) + ts_grey_pixel(frame, x0, y1) +
                       ts_grey_pixel(frame, x1, y1);
    return (sum + 2) >> 2;
}

// 3x3 Sobel, the border replicated.
TS_FN ts_gradient ts_sobel(const ts_grid& g, ts_u32 x, ts_u32 y) {
    const ts_u32 l = x > 0 ? x - 1 : 0, r = x + 1 < g.width ? x + 1 : x;
    const ts_u8* const up = g.grey + (y > 0 ? y - 1 : 0) * g.width;
    const ts_u8* const mid = g.grey + y * g.width;
    const ts_u8* const down = g.grey + (y + 1 < g.height ? y + 1 : y) * g.width;
    const ts_i32 ul = up[l], ur = up[r], dl = down[l], dr = down[r];
    return ts_gradient{ur + 2 * mid[r] + dr - ul - 2 * mid[l] - dl, dl + 2 * down[x] + dr - ul - 2 * up[x] - ur};
}

TS_FN ts_i32 ts_abs(ts_i32 v) { return v < 0 ? -v : v; }

TS_FN bool ts_nine_in_a_row(ts_u32 bits) {
    const ts_u32 m = bits | bits << 16;
    const ts_u32 two = m & m >> 1;
    const ts_u32 four = two & two >> 2;
    const ts_u32 eight = four & four >> 4;
    return (eight & m >> 8) != 0;
}

// FAST-9/16. The cell must be at least 3 from every border.
TS_FN bool ts_is_corner(const ts_u8* at, ts_i32 width) {
    const ts_i32 low = at[0] - TS_FAST_THRESHOLD, high = at[0] + TS_FAST_THRESHOLD;
    // The circle of radius 3, in order around it, from the point below the centre.
    const ts_i32 circle[16] = {3 * width,  3 * width + 1,  2 * width + 2,  width + 3,  3,  -width + 3,
                               -2 * width + 2, -3 * width + 1, -3 * width, -3 * width - 1, -2 * width - 2,
                               -width - 3, -3, width - 3, 2 * width - 2, 3 * width - 1};
    // Nine in a row hold at least one of any two that face each other.
    for (ts_u32 i = 0; i < 8; i += 4) {
        const ts_i32 a = at[circle[i]], b = at[circle[i + 8]];
        if (a >= low && a <= high && b >= low && b <= high) return false;
    }
    ts_u32 bright = 0, dark = 0;
    TS_UNROLL
    for (ts_u32 i = 0; i < 16; ++i) {
        const ts_i32 v = at[circle[i]];
        bright |= (ts_u32)(v > high) << i;
        dark |= (ts_u32)(v < low) << i;
    }
    return ts_nine_in_a_row(bright) || ts_nine_in_a_row(dark);
}

TS_FN ts_u32 ts_magnitude(const ts_u16* magnitude, const ts_grid& g, ts_u32 x, ts_u32 y) {
    // Outside the grid, to the left and above too: these numbers wrap around.
    if (x >= g.width || y >= g.height) return 0;
    return magnitude[y * g.width + x];
}

// Whether the magnitude is over the low threshold and a maximum along the gradient.
TS_FN bool ts_is_maximum(const ts_u16* magnitude, const ts_grid& g, ts_u32 x, ts_u32 y) {
    const ts_u32 m = ts_magnitude(magnitude, g, x, y);
    if (m <= TS_CANNY_LOW) return false;
    const ts_gradient d = ts_sobel(g, x, y);
    const ts_i32 ax = ts_abs(d.dx), ay = ts_abs(d.dy) << 15;
    const ts_i32 tan_22 = ax * TS_TAN_22_5;
    const ts_i32 tan_67 = tan_22 + (ax << 16);
    if (ay < tan_22) {
        return m > ts_magnitude(magnitude, g, x - 1, y) && m >= ts_magnitude(magnitude, g, x + 1, y);
    }
    if (ay > tan_67) {
        return m > ts_magnitude(magnitude, g, x, y - 1) && m >= ts_magnitude(magnitude, g, x, y + 1);
    }
    const ts_u32 above = (d.dx ^ d.dy) < 0 ? x + 1 : x - 1;
    const ts_u32 below = (d.dx ^ d.dy) < 0 ? x - 1 : x + 1;
    return m > ts_magnitude(magnitude, g, above, y - 1) && m > ts_magnitude(magnitude, g, below, y + 1);
}

// The sector of the gradient's orientation, modulo 180 degrees.
TS_FN ts_u32 ts_angle_bin(const ts_gradient& d) {
    const bool turn = d.dy < 0 || (d.dy == 0 && d.dx < 0);
    const ts_i32 x = turn ? -d.dx : d.dx, y = turn ? -d.dy : d.dy;
    // cos and sin of k 180/7 degrees, times 65536.
    return (ts_u32)(59046 * y >= 28435 * x) + (40861 * y >= 51238 * x) + (14583 * y >= 63893 * x) +
           (-14583 * y >= 63893 * x) + (-40861 * y >= 51238 * x) + (-59046 * y >= 28435 * x);
}

// The class of a component with this many cells: 1-3, 4-7, 8-15, 16-31, 32-63, 64-127, 128 or more.
TS_FN ts_u32 ts_length_bin(ts_u32 cells) {
    return (ts_u32)(cells >= 4) + (cells >= 8) + (cells >= 16) + (cells >= 32) + (cells >= 64) + (cells >= 128);
}

TS_FN ts_u32 ts_find(const ts_u32* parent, ts_u32 cell) {
    for (;;) {
        const ts_u32 up = ts_load_volatile(parent + cell);
        if (up == cell) return cell;
        cell = up;
    }
}

// Joins two components. A first cell is only ever put below a smaller one, so that whatever the order of the threads,
// a component ends with its smallest cell on top.
TS_FN void ts_join(ts_u32* parent, ts_u32 a, ts_u32 b) {
    for (;;) {
        a = ts_find(parent, a);
        b = ts_find(parent, b);
        if (a == b) return;
        const ts_u32 larger = a > b ? a : b, smaller = a > b ? b : a;
        const ts_u32 old = ts_atomic_min(parent + larger, smaller);
        if (old == larger) return;
        // Another thread was faster: what it put `larger` below must be joined too.
        a = old;
        b = smaller;
    }
}

// Joins a cell with its neighbours to the left and above. Where two of them touch each other, one is enough.
TS_FN void ts_join_neighbours(ts_u32* parent, const ts_grid& g, ts_u32 i, ts_u32 x, ts_u32 y) {
    const bool left = x > 0, above = y > 0, right = x + 1 < g.width;
    if (above && ts_load_volatile(parent + i - g.width) != TS_NO_CELL) {
        ts_join(parent, i, i - g.width);
        return;
    }
    if (left && ts_load_volatile(parent + i - 1) != TS_NO_CELL) {
        ts_join(parent, i, i - 1);
    } else if (left && above && ts_load_volatile(parent + i - g.width - 1) != TS_NO_CELL) {
        ts_join(parent, i, i - g.width - 1);
    }
    if (right && above && ts_load_volatile(parent + i - g.width + 1) != TS_NO_CELL) {
        ts_join(parent, i, i - g.width + 1);
    }
}

// What a thread counts. A thread has at most 38 cells, so that seven counters fit one word.
struct ts_grid_counts {
    ts_i32 laplacian;
    ts_u32 squares;
    ts_u32 keypoints;
    ts_u64 angles;
    ts_u64 lengths;
    // Of the components whose first cell is this thread's: cells times 65536, plus the complement of the first cell.
    ts_u32 largest;
};
static_assert((TS_MAX_CELLS + TS_GRID_THREADS - 1) / TS_GRID_THREADS < 256, "a thread's counters have eight bits each");

#define TS_TOTAL_LAPLACIAN 0
#define TS_TOTAL_SQUARES 1
#define TS_TOTAL_KEYPOINTS 2
#define TS_TOTAL_ANGLES 3
#define TS_TOTAL_LENGTHS (TS_TOTAL_ANGLES + TS_BINS)
#define TS_GRID_TOTALS (TS_TOTAL_LENGTHS + TS_BINS)

// Bounding box of the largest component, as numbers whose maximum is wanted.
struct ts_box {
    ts_u32 left_complement;
    ts_u32 right;
    ts_u32 bottom;
};

TS_KERNEL(trtsel_features_grid, TS_GRID_THREADS, 1, FeaturesParams, p) {
    TS_SHARED(ts_u8, grey, TS_MAX_CELLS);
    TS_SHARED(ts_u64, totals, TS_GRID_TOTALS);
    TS_SHARED(ts_u32, shared, TS_GRID_THREADS / TS_WARP);
    ts_grid_scratch* const scratch = &((ts_scratch*)p.scratch)->grid;
    const ts_grid grid = {grey, p.grid_width, p.grid_height};
    const ts_u32 width = grid.width, height = grid.height, cells = width * height;
    TS_PER_THREAD(ts_grid_counts, counts, TS_GRID_THREADS);
    TS_PER_THREAD(ts_u64, one, TS_GRID_THREADS);
    TS_PER_THREAD(ts_u32, word, TS_GRID_THREADS);

    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        const ts_frame frame = ts_frame_of(p.frame);
        if (t < TS_GRID_TOTALS) totals[t] = 0;
        for (ts_u32 i = t; i < cells; i += TS_GRID_THREADS) {
            grey[i] = (ts_u8)ts_sample(frame, p, i % width, i / width);
        }
    }
    TS_BARRIER();

    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        ts_grid_counts mine = {};
        for (ts_u32 i = t; i < cells; i += TS_GRID_THREADS) {
            const ts_u32 x = i % width, y = i / width;
            const ts_gradient d = ts_sobel(grid, x, y);
            scratch->magnitude[i] = (ts_u16)(ts_abs(d.dx) + ts_abs(d.dy));
            if (x > 0 && y > 0 && x + 1 < width && y + 1 < height) {
                const ts_i32 l = grey[i - 1] + grey[i + 1] + grey[i - width] + grey[i + width] - 4 * grey[i];
                mine.laplacian += l;
                mine.squares += (ts_u32)(l * l);
            }
            if (x >= 3 && y >= 3 && x + 3 < width && y + 3 < height) {
                mine.keypoints += ts_is_corner(grey + i, (ts_i32)width);
            }
        }
        TS_MY(counts, t) = mine;
    }
    TS_BARRIER();

    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        for (ts_u32 i = t; i < cells; i += TS_GRID_THREADS) {
            const bool maximum = ts_is_maximum(scratch->magnitude, grid, i % width, i / width);
            scratch->parent[i] = maximum ? i : TS_NO_CELL;
            scratch->members[i] = 0;
        }
    }
    TS_BARRIER();

    // Components of weak and strong cells together. Hysteresis keeps those that have a strong cell.
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        for (ts_u32 i = t; i < cells; i += TS_GRID_THREADS) {
            if (ts_load_volatile(&scratch->parent[i]) == TS_NO_CELL) continue;
            ts_join_neighbours(scratch->parent, grid, i, i % width, i / width);
        }
    }
    TS_BARRIER();

    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        for (ts_u32 i = t; i < cells; i += TS_GRID_THREADS) {
            if (ts_load_volatile(&scratch->parent[i]) == TS_NO_CELL) continue;
            const ts_u32 first = ts_find(scratch->parent, i);
            ts_store_volatile(&scratch->parent[i], first);
            const ts_u32 strong = scratch->magnitude[i] > TS_CANNY_HIGH;
            ts_atomic_add(&scratch->members[first], 1u + (strong << 16));
        }
    }
    TS_BARRIER();

    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        ts_grid_counts mine = TS_MY(counts, t);
        for (ts_u32 i = t; i < cells; i += TS_GRID_THREADS) {
            const ts_u32 first = scratch->parent[i];
            if (first == TS_NO_CELL) continue;
            const ts_u32 members = ts_load_volatile(&scratch->members[first]);
            if (members >> 16 == 0) continue;
            mine.angles += 1ull << (8 * ts_angle_bin(ts_sobel(grid, i % width, i / width)));
            if (first != i) continue;
            const ts_u32 size = members & 0xffffu;
            mine.lengths += 1ull << (8 * ts_length_bin(size));
            const ts_u32 key = size << 16 | (0xffffu - i);
            mine.largest = key > mine.largest ? key : mine.largest;
        }
        TS_MY(counts, t) = mine;
        TS_MY(word, t) = mine.largest;
    }
    const ts_u32 largest = ts_block_reduce<ts_max, TS_GRID_THREADS>(word, shared);

    // A negative sum wraps around; it is right modulo 2^64.
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(one, t) = (ts_u64)(ts_i64)TS_MY(counts, t).laplacian; }
    ts_block_add<TS_GRID_THREADS>(one, &totals[TS_TOTAL_LAPLACIAN]);
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(one, t) = TS_MY(counts, t).squares; }
    ts_block_add<TS_GRID_THREADS>(one, &totals[TS_TOTAL_SQUARES]);
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(word, t) = TS_MY(counts, t).keypoints; }
    ts_block_add<TS_GRID_THREADS>(word, &totals[TS_TOTAL_KEYPOINTS]);
    for (ts_u32 k = 0; k < TS_BINS; ++k) {
        TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(word, t) = (ts_u32)(TS_MY(counts, t).angles >> (8 * k)) & 255u; }
        ts_block_add<TS_GRID_THREADS>(word, &totals[TS_TOTAL_ANGLES + k]);
        TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(word, t) = (ts_u32)(TS_MY(counts, t).lengths >> (8 * k)) & 255u; }
        ts_block_add<TS_GRID_THREADS>(word, &totals[TS_TOTAL_LENGTHS + k]);
    }

    TS_PER_THREAD(ts_box, box, TS_GRID_THREADS);
    const ts_u32 object = 0xffffu - (largest & 0xffffu);
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        ts_box mine = {};
        for (ts_u32 i = t; largest > 0 && i < cells; i += TS_GRID_THREADS) {
            if (scratch->parent[i] != object) continue;
            const ts_u32 x = i % width, y = i / width, complement = width - 1 - x;
            mine.left_complement = complement > mine.left_complement ? complement : mine.left_complement;
            mine.right = x > mine.right ? x : mine.right;
            mine.bottom = y > mine.bottom ? y : mine.bottom;
        }
        TS_MY(box, t) = mine;
    }
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(word, t) = TS_MY(box, t).left_complement; }
    const ts_u32 left = width - 1 - ts_block_reduce<ts_max, TS_GRID_THREADS>(word, shared);
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(word, t) = TS_MY(box, t).right; }
    const ts_u32 right = ts_block_reduce<ts_max, TS_GRID_THREADS>(word, shared);
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(word, t) = TS_MY(box, t).bottom; }
    const ts_u32 bottom = ts_block_reduce<ts_max, TS_GRID_THREADS>(word, shared);

    // The reductions above end with a barrier: the totals are complete.
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        if (t != 0) continue;
        FeaturesRecord* const record = (FeaturesRecord*)p.record;
        Accumulators& out = record->accumulators;
        out.cells = cells;
        out.inner_cells = width < 3 || height < 3 ? 0 : (width - 2) * (height - 2);
        out.sum_laplacian = (ts_i64)totals[TS_TOTAL_LAPLACIAN];
        out.sum_sq_laplacian = totals[TS_TOTAL_SQUARES];
        out.keypoints = totals[TS_TOTAL_KEYPOINTS];
        ts_u64 edges = 0;
        for (ts_u32 k = 0; k < TS_BINS; ++k) {
            edges += totals[TS_TOTAL_ANGLES + k];
            out.edge_angle[k] = totals[TS_TOTAL_ANGLES + k];
            out.edge_length[k] = totals[TS_TOTAL_LENGTHS + k];
        }
        out.edge_cells = edges;
        // The first cell of a component is in its top row.
        out.object_width = largest > 0 ? right - left + 1 : 0;
        out.object_height = largest > 0 ? bottom - object / width + 1 : 0;
        ts_fence_system();
        ts_store_release(&record->grid_sequence, p.sequence);
    }
}
