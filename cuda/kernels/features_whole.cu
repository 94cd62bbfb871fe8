// The whole-frame group of the features: sums, moments and histograms in one pass over every pixel.
// `src/features/reference.rs` says the same for the CPU; the numbers are equal bit for bit.
#include "pixel.cuh"
#include "scratch.cuh"

#define TS_WHOLE_THREADS 256u
// Pixels that a thread takes at a time: whole 16-byte words in every format.
#define TS_UNIT_PX 16u
// Units that a thread sums in 32 bits: 2048 * 16 * 255^2 fits.
#define TS_UNITS_A_ROUND 2048u

// Where the sums of a pixel go. `TS_REACHED + k` counts the pixels whose hue sector is k or a later one.
#define TS_SUM_RGB 0
#define TS_SUM_SQ_RGB 3
#define TS_SUM_GREY 6
#define TS_SUM_SQ_GREY 7
#define TS_SUM_CHROMA 8
#define TS_REACHED 9
#define TS_DARK 16
#define TS_BRIGHT 17
static_assert(TS_BRIGHT + 1 == TS_WHOLE_SUMS, "sums of the whole-frame group");

struct ts_sums {
    ts_u32 v[TS_WHOLE_SUMS];
};

// 16 bytes read at once; the address must be a multiple of 16.
struct TS_WORDS_16 ts_quad {
    ts_u32 w[4];
};

TS_FN void ts_add_grey(ts_sums& sums, ts_u32 grey) {
    sums.v[TS_SUM_GREY] += grey;
    sums.v[TS_SUM_SQ_GREY] += grey * grey;
    sums.v[TS_DARK] += grey < TS_CLIP_DARK;
    sums.v[TS_BRIGHT] += grey >= TS_CLIP_BRIGHT;
}

TS_FN void ts_add_rgb(ts_sums& sums, const ts_rgb& p) {
    sums.v[TS_SUM_RGB] += p.red;
    sums.v[TS_SUM_RGB + 1] += p.green;
    sums.v[TS_SUM_RGB + 2] += p.blue;
    sums.v[TS_SUM_SQ_RGB] += p.red * p.red;
    sums.v[TS_SUM_SQ_RGB + 1] += p.green * p.green;
    sums.v[TS_SUM_SQ_RGB + 2] += p.blue * p.blue;
    ts_add_grey(sums, ts_grey(p));

    const ts_i32 red = (ts_i32)p.red, green = (ts_i32)p.green, blue = (ts_i32)p.blue;
    const ts_i32 high = red > green ? (red > blue ? red : blue) : (green > blue ? green : blue);
    const ts_i32 low = red < green ? (red < blue ? red : blue) : (green < blue ? green : blue);
    const ts_i32 chroma = high - low;
    sums.v[TS_SUM_CHROMA] += (ts_u32)chroma;
    // Position on the hue circle, 0..6 chroma.
    const ts_i32 from_red = green < blue ? green - blue + 6 * chroma : green - blue;
    ts_i32 position = high == red     ? from_red
                      : high == green ? 2 * chroma + blue - red
                                      : 4 * chroma + red - green;
    // Without chroma no sector is reached.
    position = chroma > 0 ? 7 * position : -1;
    for (ts_i32 k = 0; k < TS_BINS; ++k) sums.v[TS_REACHED + k] += position >= 6 * k * chroma;
}

// Byte `i` of words that were read in memory order (all machines that run this are little-endian).
TS_FN ts_u32 ts_byte(const ts_u32* words, ts_u32 i) { return words[i / 4] >> (8 * (i % 4)) & 255u; }

template <ts_u32 QUADS>
TS_FN void ts_load_quads(const ts_u8* at, ts_u32* words) {
    TS_UNROLL
    for (ts_u32 q = 0; q < QUADS; ++q) {
        const ts_quad quad = ((const ts_quad*)at)[q];
        for (ts_u32 i = 0; i < 4; ++i) words[4 * q + i] = quad.w[i];
    }
}

// Bytes of plane 0 that a unit takes.
template <ts_u32 FORMAT>
TS_FN constexpr ts_u32 ts_unit_bytes() {
    return FORMAT == TS_RGB8 || FORMAT == TS_BGR8 ? 48 : FORMAT == TS_RGBA8 ? 64 : FORMAT == TS_YUYV ? 32 : 16;
}

// Adds four pixels whose words are the first ones.
template <ts_u32 FORMAT>
TS_FN void ts_add_four(ts_sums& sums, const ts_coefficients& k, const ts_u32* words, const ts_u32* chroma) {
    TS_UNROLL
    for (ts_u32 x = 0; x < 4; ++x) {
        if (FORMAT == TS_GRAY8) {
            ts_add_grey(sums, ts_byte(words, x));
        } else if (FORMAT == TS_RGB8) {
            ts_add_rgb(sums, ts_rgb{ts_byte(words, 3 * x), ts_byte(words, 3 * x + 1), ts_byte(words, 3 * x + 2)});
        } else if (FORMAT == TS_BGR8) {
            ts_add_rgb(sums, ts_rgb{ts_byte(words, 3 * x + 2), ts_byte(words, 3 * x + 1), ts_byte(words, 3 * x)});
        } else if (FORMAT == TS_RGBA8) {
            ts_add_rgb(sums, ts_rgb{ts_byte(words, 4 * x), ts_byte(words, 4 * x + 1), ts_byte(words, 4 * x + 2)});
        } else if (FORMAT == TS_NV12) {
            const ts_u32 pair = x / 2 * 2;
            ts_add_rgb(sums, ts_yuv(k, ts_byte(words, x), ts_byte(chroma, pair), ts_byte(chroma, pair + 1)));
        } else {
            const ts_u32 group = x / 2 * 4;
            ts_add_rgb(sums, ts_yuv(k, ts_byte(words, 2 * x), ts_byte(words, group + 1), ts_byte(words, group + 3)));
        }
    }
}

// Adds a whole unit whose addresses are multiples of 16. Four pixels at a time, the words moving up in between: that
// costs a few moves, and a quarter of the code and of the registers.
template <ts_u32 FORMAT>
TS_FN void ts_add_unit(ts_sums& sums, const ts_coefficients& k, const ts_u8* row, const ts_u8* chroma_row, ts_u32 unit) {
    const ts_u32 n = ts_unit_bytes<FORMAT>() / 4;
    ts_u32 words[n];
    ts_u32 chroma[4] = {};
    ts_load_quads<n / 4>(row + (ts_u64)unit * ts_unit_bytes<FORMAT>(), words);
    if (FORMAT == TS_NV12) ts_load_quads<1>(chroma_row + (ts_u64)unit * TS_UNIT_PX, chroma);
    TS_NO_UNROLL
    for (ts_u32 four = 0; four < TS_UNIT_PX / 4; ++four) {
        ts_add_four<FORMAT>(sums, k, words, chroma);
        TS_UNROLL
        for (ts_u32 i = 0; i + n / 4 < n; ++i) words[i] = words[i + n / 4];
        TS_UNROLL
        for (ts_u32 i = 0; i < 3; ++i) chroma[i] = chroma[i + 1];
    }
}

// Units `first`, `first + step`, ... below `end`. A frame has at most 2^26 units; `step` is as small.
struct ts_span {
    ts_u32 first;
    ts_u32 step;
    ts_u32 end;
};

// Sums units. `wide`: every row starts at a multiple of 16.
template <ts_u32 FORMAT>
TS_FN ts_sums ts_sum_units(const FrameDesc& desc, bool wide, ts_u32 units_a_row, const ts_span& span) {
    ts_frame frame = ts_frame_of(desc);
    frame.format = FORMAT;
    ts_sums sums = {};
    for (ts_u32 i = span.first; i < span.end; i += span.step) {
        const ts_u32 y = i / units_a_row;
        const ts_u32 unit = i - y * units_a_row;
        const ts_u32 x = unit * TS_UNIT_PX;
        if (wide && x + TS_UNIT_PX <= desc.width_px) {
            const ts_u8* const chroma_row = FORMAT == TS_NV12 ? frame.plane1 + (y / 2) * frame.stride1 : frame.plane0;
            ts_add_unit<FORMAT>(sums, frame.coefficients, frame.plane0 + y * frame.stride0, chroma_row, unit);
            continue;
        }
        const ts_u32 stop = x + TS_UNIT_PX < desc.width_px ? x + TS_UNIT_PX : desc.width_px;
        TS_NO_UNROLL
        for (ts_u32 column = x; column < stop; ++column) {
            if (FORMAT == TS_GRAY8) {
                ts_add_grey(sums, ts_grey_pixel(frame, column, y));
            } else {
                ts_add_rgb(sums, ts_pixel(frame, column, y));
            }
        }
    }
    return sums;
}

TS_FN ts_sums ts_sum_frame(const FrameDesc& f, bool wide, ts_u32 units_a_row, const ts_span& span) {
    switch (f.format) {
        case TS_RGB8: return ts_sum_units<TS_RGB8>(f, wide, units_a_row, span);
        case TS_BGR8: return ts_sum_units<TS_BGR8>(f, wide, units_a_row, span);
        case TS_RGBA8: return ts_sum_units<TS_RGBA8>(f, wide, units_a_row, span);
        case TS_NV12: return ts_sum_units<TS_NV12>(f, wide, units_a_row, span);
        case TS_YUYV: return ts_sum_units<TS_YUYV>(f, wide, units_a_row, span);
        default: return ts_sum_units<TS_GRAY8>(f, wide, units_a_row, span);
    }
}

TS_FN void ts_write_whole(const FrameDesc& frame, const ts_u64* sums, Accumulators& out) {
    const bool grey = frame.format == TS_GRAY8;
    out.pixels = (ts_u64)frame.width_px * frame.height_px;
    for (ts_u32 c = 0; c < 3; ++c) {
        // Red = green = blue = grey.
        out.sum_rgb[c] = sums[grey ? TS_SUM_GREY : TS_SUM_RGB + c];
        out.sum_sq_rgb[c] = sums[grey ? TS_SUM_SQ_GREY : TS_SUM_SQ_RGB + c];
    }
    out.sum_grey = sums[TS_SUM_GREY];
    out.sum_sq_grey = sums[TS_SUM_SQ_GREY];
    out.sum_chroma = sums[TS_SUM_CHROMA];
    for (ts_u32 k = 0; k < TS_BINS; ++k) {
        const ts_u64 later = k + 1 < TS_BINS ? sums[TS_REACHED + k + 1] : 0;
        out.hue[k] = sums[TS_REACHED + k] - later;
    }
    out.dark = sums[TS_DARK];
    out.bright = sums[TS_BRIGHT];
}

// Any number of blocks in x up to 2^18, the most that a frame can keep busy.
TS_KERNEL(trtsel_features_whole, TS_WHOLE_THREADS, 4, FeaturesParams, p) {
    TS_SHARED(ts_u64, totals, TS_WHOLE_SUMS);
    TS_SHARED(ts_u32, last, 1);
    ts_whole_scratch* const scratch = &((ts_scratch*)p.scratch)->whole;
    const FrameDesc& frame = p.frame;

    TS_FOR_THREADS(t, TS_WHOLE_THREADS) {
        if (t < TS_WHOLE_SUMS) totals[t] = 0;
    }
    TS_BARRIER();

    ts_u64 addresses = frame.plane0 | frame.stride0_bytes;
    if (frame.format == TS_NV12) addresses |= frame.plane1 | frame.stride1_bytes;
    const bool wide = addresses % 16 == 0;
    const ts_u32 units_a_row = (frame.width_px + TS_UNIT_PX - 1) / TS_UNIT_PX;
    const ts_u32 units = units_a_row * frame.height_px;
    const ts_u32 step = ts_blocks_x() * TS_WHOLE_THREADS;
    const ts_u64 round = (ts_u64)step * TS_UNITS_A_ROUND;
    for (ts_u64 start = 0; start < units; start += round) {
        const ts_u32 stop = start + round < units ? (ts_u32)(start + round) : units;
        TS_PER_THREAD(ts_sums, sums, TS_WHOLE_THREADS);
        TS_PER_THREAD(ts_u64, one, TS_WHOLE_THREADS);
        TS_FOR_THREADS(t, TS_WHOLE_THREADS) {
            const ts_span span = {(ts_u32)start + ts_block_index(0) * TS_WHOLE_THREADS + t, step, stop};
            TS_MY(sums, t) = ts_sum_frame(frame, wide, units_a_row, span);
        }
        TS_UNROLL
        for (ts_u32 k = 0; k < TS_WHOLE_SUMS; ++k) {
            TS_FOR_THREADS(t, TS_WHOLE_THREADS) { TS_MY(one, t) = TS_MY(sums, t).v[k]; }
            ts_block_add<TS_WHOLE_THREADS>(one, &totals[k]);
        }
    }
    TS_BARRIER();

    TS_FOR_THREADS(t, TS_WHOLE_THREADS) {
        if (t < TS_WHOLE_SUMS) ts_atomic_add(&scratch->sums[t], totals[t]);
        ts_fence_device();
    }
    TS_BARRIER();
    TS_FOR_THREADS(t, TS_WHOLE_THREADS) {
        if (t == 0) last[0] = ts_atomic_add(&scratch->done, 1u) == ts_blocks_x() - 1;
    }
    TS_BARRIER();
    if (!last[0]) return;

    // The last block: every other one has added its sums.
    TS_FOR_THREADS(t, TS_WHOLE_THREADS) {
        ts_fence_device();
        if (t < TS_WHOLE_SUMS) {
            totals[t] = ts_load_volatile(&scratch->sums[t]);
            scratch->sums[t] = 0;
        }
        if (t == 0) scratch->done = 0;
    }
    TS_BARRIER();
    TS_FOR_THREADS(t, TS_WHOLE_THREADS) {
        if (t != 0) continue;
        FeaturesRecord* const record = (FeaturesRecord*)p.record;
        ts_write_whole(frame, totals, record->accumulators);
        ts_fence_system();
        ts_store_release(&record->whole_sequence, p.sequence);
    }
}
