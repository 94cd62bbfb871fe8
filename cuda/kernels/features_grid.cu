// The grid group of the features: Laplacian, corners, edges and their components on the downsampled grid.
// `src/features/{grid,fast,canny,reference}.rs` say the same for the CPU; the numbers are equal bit for bit.
//
// Each block takes a band of the grid's rows:
//   sample        the cells of its rows, and of three more rows above and below, into shared memory
//   mark          Laplacian, corners, and which cells are edges, each from the cells around it
//   join, sum     components of edge cells inside of the band; what is known of each stands at its first cell
// and the last block to finish does what needs all of them, which is little:
//   seams, merge  joins components where bands touch, and adds up what is known of those that became one
//   finish        counts the components that have a strong cell, and writes the record
// Reading the frame takes longest, since hardly any of it is in a cache, and marking is most of the arithmetic: both are
// spread over all blocks. With one block there is one band, nothing is read twice, and there are no seams.
#include "pixel.cuh"
#include "scratch.cuh"

#define TS_GRID_THREADS 512u
#define TS_NO_CELL 0xffffffffu
// Rows above and below a band that its cells depend on: FAST's circle has radius 3. Canny needs two.
#define TS_HALO 3u

// Canny's thresholds, tan 22.5 degrees in 1/32768, FAST's threshold.
#define TS_CANNY_LOW 100u
#define TS_CANNY_HIGH 200u
#define TS_TAN_22_5 13573
#define TS_FAST_THRESHOLD 20

struct ts_gradient {
    ts_i32 dx;
    ts_i32 dy;
};

// The grid, of which a block has some rows in shared memory: those from `first` on. Cells are counted row by row.
struct ts_grid {
    const ts_u8* grey;
    ts_u32 width;
    ts_u32 height;
    ts_u32 first;
};

TS_FN const ts_u8* ts_row(const ts_grid& g, ts_u32 y) { return g.grey + (y - g.first) * g.width; }

// Rows `top` to `end` of the grid; none for some blocks where there are more blocks than rows.
struct ts_band {
    ts_u32 top;
    ts_u32 end;
};

// The product fits: a grid has at most 19200 rows, and so many blocks.
TS_FN ts_u32 ts_band_top(ts_u32 height, ts_u32 block, ts_u32 blocks) { return height * block / blocks; }

// The mean of four pixels of the cell. FORMAT is the frame's, as a constant: no branch stands between the loads of the
// four, so that they wait for memory together.
template <ts_u32 FORMAT>
TS_FN ts_u32 ts_sample(const ts_frame& frame, const FeaturesParams& p, ts_u32 column, ts_u32 row) {
    const ts_u32 s = p.grid_scale;
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

// Samples rows `rows.top` to `rows.end` of the grid.
template <ts_u32 FORMAT>
TS_FN void ts_sample_rows(const FeaturesParams& p, const ts_band& rows, ts_u8* grey, ts_u32 t) {
    ts_frame frame = ts_frame_of(p.frame);
    frame.format = FORMAT;
    const ts_u32 cells = (rows.end - rows.top) * p.grid_width;
    for (ts_u32 i = t; i < cells; i += TS_GRID_THREADS) {
        grey[i] = (ts_u8)ts_sample<FORMAT>(frame, p, i % p.grid_width, rows.top + i / p.grid_width);
    }
}

TS_FN void ts_sample_band(const FeaturesParams& p, const ts_band& rows, ts_u8* grey) {
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        switch (p.frame.format) {
            case TS_RGB8: ts_sample_rows<TS_RGB8>(p, rows, grey, t); break;
            case TS_BGR8: ts_sample_rows<TS_BGR8>(p, rows, grey, t); break;
            case TS_RGBA8: ts_sample_rows<TS_RGBA8>(p, rows, grey, t); break;
            case TS_NV12: ts_sample_rows<TS_NV12>(p, rows, grey, t); break;
            case TS_YUYV: ts_sample_rows<TS_YUYV>(p, rows, grey, t); break;
            default: ts_sample_rows<TS_GRAY8>(p, rows, grey, t); break;
        }
    }
}

// 3x3 Sobel, the border replicated.
TS_FN ts_gradient ts_sobel(const ts_grid& g, ts_u32 x, ts_u32 y) {
    const ts_u32 l = x > 0 ? x - 1 : 0, r = x + 1 < g.width ? x + 1 : x;
    const ts_u8* const up = ts_row(g, y > 0 ? y - 1 : 0);
    const ts_u8* const mid = ts_row(g, y);
    const ts_u8* const down = ts_row(g, y + 1 < g.height ? y + 1 : y);
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

TS_FN ts_u32 ts_size(const ts_gradient& d) { return (ts_u32)(ts_abs(d.dx) + ts_abs(d.dy)); }

// Computed anew from shared memory where it is needed: that is nearer than memory in which it could be kept.
TS_FN ts_u32 ts_magnitude(const ts_grid& g, ts_u32 x, ts_u32 y) {
    // Outside the grid, to the left and above too: these numbers wrap around.
    if (x >= g.width || y >= g.height) return 0;
    return ts_size(ts_sobel(g, x, y));
}

// Whether the magnitude is over the low threshold and a maximum along the gradient `d`.
TS_FN bool ts_is_maximum(const ts_grid& g, ts_u32 x, ts_u32 y, const ts_gradient& d) {
    const ts_u32 m = ts_size(d);
    if (m <= TS_CANNY_LOW) return false;
    const ts_i32 ax = ts_abs(d.dx), ay = ts_abs(d.dy) << 15;
    const ts_i32 tan_22 = ax * TS_TAN_22_5;
    const ts_i32 tan_67 = tan_22 + (ax << 16);
    const bool across = ay < tan_22, along = ay > tan_67;
    // The neighbour in the row above, and where the gradient is level the one to the left; then the one that faces it.
    const bool falls = (d.dx ^ d.dy) < 0;
    const ts_u32 step_x = along ? 0u : !across && falls ? 1u : ~0u;
    const ts_u32 step_y = across ? 0u : ~0u;
    const ts_u32 before = ts_magnitude(g, x + step_x, y + step_y);
    const ts_u32 after = ts_magnitude(g, x - step_x, y - step_y);
    return m > before && (across || along ? m >= after : m > after);
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

// Joins a cell with its neighbours to the left and, if `above`, in the row above. Where two of them touch each other, one
// is enough.
TS_FN void ts_join_neighbours(ts_u32* parent, ts_u32 width, ts_u32 i, ts_u32 x, bool above) {
    const bool left = x > 0, right = x + 1 < width;
    // An edge cell, or TS_NO_CELL.
    const auto edge = [&](bool there, ts_u32 cell) {
        return there && ts_load_volatile(parent + cell) != TS_NO_CELL ? cell : TS_NO_CELL;
    };
    ts_u32 next = edge(above, i - width), other = TS_NO_CELL;
    if (next == TS_NO_CELL) {
        next = edge(left, i - 1);
        if (next == TS_NO_CELL) next = edge(left && above, i - width - 1);
        other = edge(right && above, i - width + 1);
    }
    // A loop, so that the code of ts_join is here once.
    TS_NO_UNROLL
    for (ts_u32 k = 0; k < 2; ++k) {
        if (next != TS_NO_CELL) ts_join(parent, i, next);
        next = other;
    }
}

// What a thread counts of its cells. It has at most 38 of them, so that squares fit.
struct ts_grid_counts {
    ts_i32 laplacian;
    ts_u32 squares;
    ts_u32 keypoints;
};

// Counts of the cells of a band, and which of them are edges.
TS_FN ts_grid_counts ts_mark(const ts_grid& g, const ts_band& band, ts_grid_scratch* scratch, ts_u32 t) {
    ts_grid_counts mine = {};
    const ts_u32 width = g.width;
    for (ts_u32 i = band.top * width + t; i < band.end * width; i += TS_GRID_THREADS) {
        const ts_u32 x = i % width, y = i / width;
        const ts_u8* const at = ts_row(g, y) + x;
        if (x > 0 && y > 0 && x + 1 < width && y + 1 < g.height) {
            const ts_i32 l = at[-1] + at[1] + *(at - width) + at[width] - 4 * at[0];
            mine.laplacian += l;
            mine.squares += (ts_u32)(l * l);
        }
        if (x >= 3 && y >= 3 && x + 3 < width && y + 3 < g.height) mine.keypoints += ts_is_corner(at, (ts_i32)width);
        const bool maximum = ts_is_maximum(g, x, y, ts_sobel(g, x, y));
        scratch->parent[i] = maximum ? i : TS_NO_CELL;
        if (maximum) scratch->components[i] = ts_component{};
    }
    return mine;
}

// Adds the edge cells of a band to their components. Hysteresis keeps those that have a strong cell; until then weak and
// strong cells are together.
TS_FN void ts_sum_components(const ts_grid& g, const ts_band& band, ts_grid_scratch* scratch, ts_u32 t) {
    const ts_u32 width = g.width;
    for (ts_u32 i = band.top * width + t; i < band.end * width; i += TS_GRID_THREADS) {
        if (ts_load_volatile(&scratch->parent[i]) == TS_NO_CELL) continue;
        const ts_u32 first = ts_find(scratch->parent, i);
        ts_store_volatile(&scratch->parent[i], first);
        if (first == i) ts_store_volatile(&scratch->firsts[ts_atomic_add(&scratch->first_count, 1u)], i);
        const ts_u32 x = i % width, y = i / width;
        const ts_gradient d = ts_sobel(g, x, y);
        const ts_u32 bin = ts_angle_bin(d);
        ts_component* const to = &scratch->components[first];
        ts_atomic_add(&to->members, ts_size(d) > TS_CANNY_HIGH ? 0x10001u : 1u);
        ts_atomic_add(&to->angles[bin / TS_LANES_A_WORD], 1ull << ts_lane_shift(bin));
        ts_atomic_max(&to->left_complement, width - 1 - x);
        ts_atomic_max(&to->right, x);
        ts_atomic_max(&to->bottom, y);
    }
}

// Joins components where the bands of `blocks` blocks touch.
TS_FN void ts_join_seams(const FeaturesParams& p, ts_u32 blocks, ts_u32* parent, ts_u32 t) {
    const ts_u32 width = p.grid_width;
    for (ts_u32 i = t; i < (blocks - 1) * width; i += TS_GRID_THREADS) {
        const ts_u32 x = i % width, y = ts_band_top(p.grid_height, 1 + i / width, blocks);
        // Nothing is above the first row, at which bands without a row may stand too.
        if (y == 0 || ts_load_volatile(parent + y * width + x) == TS_NO_CELL) continue;
        ts_join_neighbours(parent, width, y * width + x, x, true);
    }
}

// Adds the `n`-th component to the one that it was joined with, if there is one.
TS_FN void ts_merge_component(ts_grid_scratch* scratch, ts_u32 n) {
    const ts_u32 first = ts_load_volatile(&scratch->firsts[n]);
    const ts_u32 top = ts_find(scratch->parent, first);
    if (top == first) return;
    const ts_component* const from = &scratch->components[first];
    ts_component* const to = &scratch->components[top];
    ts_atomic_add(&to->members, ts_load_volatile(&from->members));
    for (ts_u32 k = 0; k < TS_LANE_WORDS; ++k) ts_atomic_add(&to->angles[k], ts_load_volatile(&from->angles[k]));
    ts_atomic_max(&to->left_complement, ts_load_volatile(&from->left_complement));
    ts_atomic_max(&to->right, ts_load_volatile(&from->right));
    ts_atomic_max(&to->bottom, ts_load_volatile(&from->bottom));
}

// Edge cells by angle, components by length, and of the largest component: its cells times 65536, plus the complement of
// its first cell, so that of equals the first one is the larger number.
struct ts_edges {
    ts_u64 angles[TS_LANE_WORDS];
    ts_u64 lengths[TS_LANE_WORDS];
    ts_u32 largest;
};

// What a thread finds among the components that were joined with no other as the lower one.
TS_FN ts_edges ts_count_edges(const ts_grid_scratch* scratch, ts_u32 components, ts_u32 t) {
    ts_edges mine = {};
    for (ts_u32 n = t; n < components; n += TS_GRID_THREADS) {
        const ts_u32 first = ts_load_volatile(&scratch->firsts[n]);
        const ts_component* const at = &scratch->components[first];
        const ts_u32 members = ts_load_volatile(&at->members);
        if (ts_load_volatile(&scratch->parent[first]) != first || members >> 16 == 0) continue;
        const ts_u32 cells = members & 0xffffu, bin = ts_length_bin(cells);
        const ts_u32 key = cells << 16 | (0xffffu - first);
        mine.largest = key > mine.largest ? key : mine.largest;
        TS_UNROLL
        for (ts_u32 k = 0; k < TS_LANE_WORDS; ++k) {
            mine.angles[k] += ts_load_volatile(&at->angles[k]);
            mine.lengths[k] += bin / TS_LANES_A_WORD == k ? 1ull << ts_lane_shift(bin) : 0;
        }
    }
    return mine;
}

#define TS_TOTAL_LAPLACIAN 0
#define TS_TOTAL_SQUARES 1
#define TS_TOTAL_KEYPOINTS 2
static_assert(TS_TOTAL_KEYPOINTS + 1 == TS_GRID_SUMS, "sums of the grid group");

TS_FN ts_u64 ts_lane(const ts_u64* words, ts_u32 bin) {
    return words[bin / TS_LANES_A_WORD] >> ts_lane_shift(bin) & 0xffffu;
}

TS_FN void ts_write_grid(const FeaturesParams& p, const ts_u64* totals, const ts_edges& edges,
                         const ts_component* components, Accumulators& out) {
    const ts_u32 width = p.grid_width, height = p.grid_height;
    out.cells = width * height;
    out.inner_cells = width < 3 || height < 3 ? 0 : (width - 2) * (height - 2);
    out.sum_laplacian = (ts_i64)totals[TS_TOTAL_LAPLACIAN];
    out.sum_sq_laplacian = totals[TS_TOTAL_SQUARES];
    out.keypoints = totals[TS_TOTAL_KEYPOINTS];
    ts_u64 edge_cells = 0;
    for (ts_u32 k = 0; k < TS_BINS; ++k) {
        out.edge_angle[k] = ts_lane(edges.angles, k);
        out.edge_length[k] = ts_lane(edges.lengths, k);
        edge_cells += out.edge_angle[k];
    }
    out.edge_cells = edge_cells;
    out.object_width = out.object_height = 0;
    if (edges.largest == 0) return;
    const ts_u32 first = 0xffffu - (edges.largest & 0xffffu);
    const ts_component* const object = components + first;
    const ts_u32 left = width - 1 - ts_load_volatile(&object->left_complement);
    out.object_width = ts_load_volatile(&object->right) - left + 1;
    // The first cell of a component is in its top row.
    out.object_height = ts_load_volatile(&object->bottom) - first / width + 1;
}

// What the block does with the rows of its band, until its sums are in the scratch.
TS_FN void ts_do_band(const FeaturesParams& p, const ts_band& band, ts_u8* grey, ts_u64* totals,
                      ts_grid_scratch* scratch) {
    ts_band rows = {band.top > TS_HALO ? band.top - TS_HALO : 0, band.end + TS_HALO};
    if (rows.end > p.grid_height) rows.end = p.grid_height;
    const ts_grid grid = {grey, p.grid_width, p.grid_height, rows.top};
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        if (t < TS_GRID_SUMS) totals[t] = 0;
    }
    ts_sample_band(p, rows, grey);
    TS_BARRIER();

    TS_PER_THREAD(ts_grid_counts, counts, TS_GRID_THREADS);
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(counts, t) = ts_mark(grid, band, scratch, t); }
    TS_BARRIER();

    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        const ts_u32 width = grid.width;
        for (ts_u32 i = band.top * width + t; i < band.end * width; i += TS_GRID_THREADS) {
            if (ts_load_volatile(&scratch->parent[i]) == TS_NO_CELL) continue;
            ts_join_neighbours(scratch->parent, width, i, i % width, i / width > band.top);
        }
    }
    TS_BARRIER();

    TS_FOR_THREADS(t, TS_GRID_THREADS) { ts_sum_components(grid, band, scratch, t); }
    TS_PER_THREAD(ts_u64, one, TS_GRID_THREADS);
    TS_PER_THREAD(ts_u32, word, TS_GRID_THREADS);
    // A negative sum wraps around; it is right modulo 2^64.
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(one, t) = (ts_u64)(ts_i64)TS_MY(counts, t).laplacian; }
    ts_block_add<TS_GRID_THREADS>(one, &totals[TS_TOTAL_LAPLACIAN]);
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(one, t) = TS_MY(counts, t).squares; }
    ts_block_add<TS_GRID_THREADS>(one, &totals[TS_TOTAL_SQUARES]);
    TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(word, t) = TS_MY(counts, t).keypoints; }
    ts_block_add<TS_GRID_THREADS>(word, &totals[TS_TOTAL_KEYPOINTS]);
    TS_BARRIER();
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        if (t < TS_GRID_SUMS) ts_atomic_add(&scratch->sums[t], totals[t]);
    }
}

// What the last block does, once all bands are in the scratch.
TS_FN void ts_do_all(const FeaturesParams& p, ts_u32 blocks, ts_u64* totals, ts_u64* lanes, ts_u32* shared,
                     ts_grid_scratch* scratch) {
    const ts_u32 components = ts_load_volatile(&scratch->first_count);
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        if (t < 2 * TS_LANE_WORDS) lanes[t] = 0;
        if (t < TS_GRID_SUMS) {
            totals[t] = ts_load_volatile(&scratch->sums[t]);
            scratch->sums[t] = 0;
        }
        ts_join_seams(p, blocks, scratch->parent, t);
    }
    TS_BARRIER();
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        for (ts_u32 n = t; n < components; n += TS_GRID_THREADS) ts_merge_component(scratch, n);
    }
    TS_BARRIER();

    TS_PER_THREAD(ts_edges, edges, TS_GRID_THREADS);
    TS_PER_THREAD(ts_u64, one, TS_GRID_THREADS);
    TS_PER_THREAD(ts_u32, word, TS_GRID_THREADS);
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        TS_MY(edges, t) = ts_count_edges(scratch, components, t);
        TS_MY(word, t) = TS_MY(edges, t).largest;
    }
    TS_UNROLL
    for (ts_u32 k = 0; k < TS_LANE_WORDS; ++k) {
        TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(one, t) = TS_MY(edges, t).angles[k]; }
        ts_block_add<TS_GRID_THREADS>(one, &lanes[k]);
        TS_FOR_THREADS(t, TS_GRID_THREADS) { TS_MY(one, t) = TS_MY(edges, t).lengths[k]; }
        ts_block_add<TS_GRID_THREADS>(one, &lanes[TS_LANE_WORDS + k]);
    }
    const ts_u32 largest = ts_block_reduce<ts_max, TS_GRID_THREADS>(word, shared);

    // The reduction ends with a barrier: the lanes are complete.
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        if (t != 0) continue;
        ts_edges all = {};
        TS_UNROLL
        for (ts_u32 k = 0; k < TS_LANE_WORDS; ++k) {
            all.angles[k] = lanes[k];
            all.lengths[k] = lanes[TS_LANE_WORDS + k];
        }
        all.largest = largest;
        scratch->done = 0;
        scratch->first_count = 0;
        FeaturesRecord* const record = (FeaturesRecord*)p.record;
        ts_write_grid(p, totals, all, scratch->components, record->accumulators);
        ts_fence_system();
        ts_store_release(&record->grid_sequence, p.sequence);
    }
}

// Any number of blocks in x up to 19200; those beyond the grid's rows find nothing to do.
TS_KERNEL(trtsel_features_grid, TS_GRID_THREADS, 2, FeaturesParams, p) {
    TS_SHARED(ts_u8, grey, TS_MAX_CELLS);
    TS_SHARED(ts_u64, totals, TS_GRID_SUMS);
    TS_SHARED(ts_u64, lanes, 2 * TS_LANE_WORDS);
    TS_SHARED(ts_u32, shared, TS_GRID_THREADS / TS_WARP);
    TS_SHARED(ts_u32, last, 1);
    ts_grid_scratch* const scratch = &((ts_scratch*)p.scratch)->grid;
    const ts_u32 block = ts_block_index(0), blocks = ts_blocks_x();
    const ts_band band = {ts_band_top(p.grid_height, block, blocks), ts_band_top(p.grid_height, block + 1, blocks)};
    if (band.top < band.end) ts_do_band(p, band, grey, totals, scratch);

    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        (void)t;
        ts_fence_device();
    }
    TS_BARRIER();
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        if (t == 0) last[0] = ts_atomic_add(&scratch->done, 1u) == blocks - 1;
    }
    TS_BARRIER();
    if (!last[0]) return;

    // The last block: every other one is done with its band.
    TS_FOR_THREADS(t, TS_GRID_THREADS) {
        (void)t;
        ts_fence_device();
    }
    ts_do_all(p, blocks, totals, lanes, shared, scratch);
}
