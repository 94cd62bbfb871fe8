// Frame to tensor in one kernel: `src/preprocess.rs` and `src/preprocess/resample.rs` on the device, the same bytes
// before normalization and the same floats after it.
//
// A block makes a tile of the tensor. It walks over the rows of the frame that the tile depends on, some at a time:
// converts them into shared memory (a part of their columns at a time), resamples them to the tile's columns, and adds
// the results to the tile's rows. So a row is resampled once a tile, and windows may be as long as the frame.
#include "maths.cuh"
#include "pixel.cuh"

#define TS_PREPROCESS_THREADS 256u
#define TS_TILE_WIDTH 32u
#define TS_TILE_HEIGHT 16u
// Rows and columns of the frame that are in shared memory at a time.
#define TS_STAGE_ROWS 32u
#define TS_STAGE_COLUMNS 128u
// Rows of the frame, and of the tile, that one thread works on.
#define TS_ROWS_A_THREAD (TS_STAGE_ROWS * TS_TILE_WIDTH / TS_PREPROCESS_THREADS)
#define TS_OUTPUTS_A_THREAD (TS_TILE_HEIGHT * TS_TILE_WIDTH / TS_PREPROCESS_THREADS)
#define TS_THREAD_ROWS (TS_PREPROCESS_THREADS / TS_TILE_WIDTH)

#define TS_WEIGHT_BITS 22
#define TS_WEIGHT_HALF (1 << (TS_WEIGHT_BITS - 1))

// The input samples of one output, and their weights.
struct ts_window {
    ts_u32 start;
    ts_u32 end;
    // Null: one sample of weight 1.
    const ts_i32* weights;
};

TS_FN ts_window ts_window_of(const AxisParams& axis, ts_u32 i) {
    if (axis.is_copy) return ts_window{axis.offset + i, axis.offset + i + 1, nullptr};
    const AxisWindow w = ((const AxisWindow*)axis.windows)[i];
    return ts_window{w.start, w.start + w.len, (const ts_i32*)axis.weights + w.first};
}

TS_FN ts_i32 ts_weight(const ts_window& w, ts_u32 sample) {
    return w.weights ? w.weights[sample - w.start] : 1 << TS_WEIGHT_BITS;
}

// Sums of `ROWS` outputs, N components each.
template <ts_u32 N, ts_u32 ROWS>
struct ts_taps {
    ts_i32 v[ROWS][N];
};

template <ts_u32 N, ts_u32 ROWS>
TS_FN void ts_taps_reset(ts_taps<N, ROWS>& taps) {
    for (ts_u32 row = 0; row < ROWS; ++row) {
        for (ts_u32 c = 0; c < N; ++c) taps.v[row][c] = TS_WEIGHT_HALF;
    }
}

// Pixels in shared memory are components of one byte each, the first one lowest.
template <ts_u32 N>
TS_FN void ts_tap(ts_i32* sums, ts_u32 packed, ts_i32 weight) {
    for (ts_u32 c = 0; c < N; ++c) sums[c] += (ts_i32)(packed >> (8 * c) & 255u) * weight;
}

template <ts_u32 N>
TS_FN ts_u32 ts_bytes(const ts_i32* sums) {
    ts_u32 packed = 0;
    for (ts_u32 c = 0; c < N; ++c) packed |= ts_clamp_byte(sums[c] >> TS_WEIGHT_BITS) << (8 * c);
    return packed;
}

template <ts_u32 N>
TS_FN ts_u32 ts_stage_pixel(const ts_frame& frame, ts_u32 x, ts_u32 y) {
    if (N == 1) return ts_grey_pixel(frame, x, y);
    const ts_rgb p = ts_pixel(frame, x, y);
    return p.red | p.green << 8 | p.blue << 16;
}

// Normalizes one pixel of the tensor and writes it.
template <ts_u32 N>
TS_FN void ts_write_pixel(const PreprocessParams& p, ts_u32 packed, ts_u32 x, ts_u32 y) {
    const float* const tables = (const float*)p.tables;
    const ts_u64 pixel = (ts_u64)y * p.width + x;
    for (ts_u32 channel = 0; channel < p.channels; ++channel) {
        const ts_u32 component = N == 1 ? 0 : (p.bgr ? N - 1 - channel : channel);
        const float value = tables[256 * channel + (packed >> (8 * component) & 255u)];
        const ts_u64 at = p.interleaved ? pixel * p.channels + channel
                                        : (ts_u64)channel * p.width * p.height + pixel;
        if (p.half) {
            ((ts_u16*)p.output)[at] = ts_float_to_half(value);
        } else {
            ((float*)p.output)[at] = value;
        }
    }
}

// The tile whose first pixel is (left, top).
template <ts_u32 N>
TS_FN void ts_preprocess_tile(const PreprocessParams& p, ts_u32 left, ts_u32 top, ts_u32* staged, ts_u32* narrowed) {
    const ts_u32 tile_width = p.width - left < TS_TILE_WIDTH ? p.width - left : TS_TILE_WIDTH;
    const ts_u32 tile_height = p.height - top < TS_TILE_HEIGHT ? p.height - top : TS_TILE_HEIGHT;
    // Windows never go back, so the first and the last say what the tile depends on.
    const ts_u32 x_first = ts_window_of(p.columns, left).start;
    const ts_u32 x_end = ts_window_of(p.columns, left + tile_width - 1).end;
    const ts_u32 y_first = ts_window_of(p.rows, top).start;
    const ts_u32 y_end = ts_window_of(p.rows, top + tile_height - 1).end;

    typedef ts_taps<N, TS_ROWS_A_THREAD> across;
    typedef ts_taps<N, TS_OUTPUTS_A_THREAD> down;
    TS_PER_THREAD(across, sums, TS_PREPROCESS_THREADS);
    TS_PER_THREAD(down, outputs, TS_PREPROCESS_THREADS);
    TS_PER_THREAD(ts_window, column, TS_PREPROCESS_THREADS);
    TS_FOR_THREADS(t, TS_PREPROCESS_THREADS) {
        const ts_u32 x = t % TS_TILE_WIDTH;
        TS_MY(column, t) = x < tile_width ? ts_window_of(p.columns, left + x) : ts_window{0, 0, nullptr};
        ts_taps_reset(TS_MY(outputs, t));
    }

    for (ts_u32 y = y_first; y < y_end; y += TS_STAGE_ROWS) {
        const ts_u32 rows = y_end - y < TS_STAGE_ROWS ? y_end - y : TS_STAGE_ROWS;
        TS_FOR_THREADS(t, TS_PREPROCESS_THREADS) { ts_taps_reset(TS_MY(sums, t)); }
        for (ts_u32 x = x_first; x < x_end; x += TS_STAGE_COLUMNS) {
            const ts_u32 columns = x_end - x < TS_STAGE_COLUMNS ? x_end - x : TS_STAGE_COLUMNS;
            TS_FOR_THREADS(t, TS_PREPROCESS_THREADS) {
                const ts_frame frame = ts_frame_of(p.frame);
                for (ts_u32 i = t; i < rows * TS_STAGE_COLUMNS; i += TS_PREPROCESS_THREADS) {
                    const ts_u32 at = i % TS_STAGE_COLUMNS;
                    if (at < columns) staged[i] = ts_stage_pixel<N>(frame, x + at, y + i / TS_STAGE_COLUMNS);
                }
            }
            TS_BARRIER();
            TS_FOR_THREADS(t, TS_PREPROCESS_THREADS) {
                const ts_window w = TS_MY(column, t);
                const ts_u32 from = w.start > x ? w.start : x;
                const ts_u32 to = w.end < x + columns ? w.end : x + columns;
                for (ts_u32 sample = from; sample < to; ++sample) {
                    const ts_i32 weight = ts_weight(w, sample);
                    TS_UNROLL
                    for (ts_u32 j = 0; j < TS_ROWS_A_THREAD; ++j) {
                        const ts_u32 row = t / TS_TILE_WIDTH + j * TS_THREAD_ROWS;
                        if (row >= rows) continue;
                        ts_tap<N>(TS_MY(sums, t).v[j], staged[row * TS_STAGE_COLUMNS + sample - x], weight);
                    }
                }
            }
            TS_BARRIER();
        }
        TS_FOR_THREADS(t, TS_PREPROCESS_THREADS) {
            TS_UNROLL
            for (ts_u32 j = 0; j < TS_ROWS_A_THREAD; ++j) {
                const ts_u32 row = t / TS_TILE_WIDTH + j * TS_THREAD_ROWS;
                narrowed[row * TS_TILE_WIDTH + t % TS_TILE_WIDTH] = ts_bytes<N>(TS_MY(sums, t).v[j]);
            }
        }
        TS_BARRIER();
        TS_FOR_THREADS(t, TS_PREPROCESS_THREADS) {
            TS_UNROLL
            for (ts_u32 j = 0; j < TS_OUTPUTS_A_THREAD; ++j) {
                const ts_u32 output = t / TS_TILE_WIDTH + j * TS_THREAD_ROWS;
                if (output >= tile_height) continue;
                const ts_window w = ts_window_of(p.rows, top + output);
                const ts_u32 from = w.start > y ? w.start : y;
                const ts_u32 to = w.end < y + rows ? w.end : y + rows;
                for (ts_u32 row = from; row < to; ++row) {
                    const ts_u32 packed = narrowed[(row - y) * TS_TILE_WIDTH + t % TS_TILE_WIDTH];
                    ts_tap<N>(TS_MY(outputs, t).v[j], packed, ts_weight(w, row));
                }
            }
        }
        // The next rows pass two barriers before they are written to `narrowed`.
    }

    TS_FOR_THREADS(t, TS_PREPROCESS_THREADS) {
        const ts_u32 x = t % TS_TILE_WIDTH;
        if (x >= tile_width) continue;
        TS_UNROLL
        for (ts_u32 j = 0; j < TS_OUTPUTS_A_THREAD; ++j) {
            const ts_u32 output = t / TS_TILE_WIDTH + j * TS_THREAD_ROWS;
            if (output < tile_height) ts_write_pixel<N>(p, ts_bytes<N>(TS_MY(outputs, t).v[j]), left + x, top + output);
        }
    }
}

// One block a tile. The parameters and the tables lie in device memory.
TS_KERNEL(trtsel_preprocess, TS_PREPROCESS_THREADS, 3, const PreprocessParams*, params) {
    TS_SHARED(ts_u32, staged, TS_STAGE_ROWS * TS_STAGE_COLUMNS);
    TS_SHARED(ts_u32, narrowed, TS_STAGE_ROWS * TS_TILE_WIDTH);
    const PreprocessParams& p = *params;
    const ts_u32 left = ts_block_index(0) * TS_TILE_WIDTH;
    const ts_u32 top = ts_block_index(1) * TS_TILE_HEIGHT;
    if (left >= p.width || top >= p.height) return;
    // A grey frame stays one component until the end, whatever the network reads.
    if (p.channels == 1 || p.frame.format == TS_GRAY8) {
        ts_preprocess_tile<1>(p, left, top, staged, narrowed);
    } else {
        ts_preprocess_tile<3>(p, left, top, staged, narrowed);
    }
}
