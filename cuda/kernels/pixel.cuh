// Pixels of every format as red, green, blue and grey: `src/pixel.rs` on the device.
#ifndef TRTSEL_PIXEL_CUH
#define TRTSEL_PIXEL_CUH

#include "params.cuh"

struct ts_rgb {
    ts_u32 red;
    ts_u32 green;
    ts_u32 blue;
};

// Coefficients of a matrix and range, in 1/65536; `black` is the luma that stands for black.
struct ts_coefficients {
    ts_i32 black, cy, rv, gu, gv, bu;
};

TS_FN ts_coefficients ts_coefficients_of(const FrameDesc& frame) {
    const bool full = frame.range == TS_FULL;
    if (frame.matrix == TS_BT709) {
        return full ? ts_coefficients{0, 65536, 103206, 12276, 30679, 121609}
                    : ts_coefficients{16, 76309, 117489, 13975, 34925, 138438};
    }
    return full ? ts_coefficients{0, 65536, 91881, 22553, 46802, 116130}
                : ts_coefficients{16, 76309, 104597, 25675, 53279, 132201};
}

TS_FN ts_u32 ts_clamp_byte(ts_i32 v) { return v < 0 ? 0u : (v > 255 ? 255u : (ts_u32)v); }

TS_FN ts_rgb ts_yuv(const ts_coefficients& k, ts_u32 luma, ts_u32 cb, ts_u32 cr) {
    const ts_i32 y = k.cy * ((ts_i32)luma - k.black);
    const ts_i32 u = (ts_i32)cb - 128;
    const ts_i32 v = (ts_i32)cr - 128;
    return ts_rgb{ts_clamp_byte((y + k.rv * v + 32768) >> 16),
                  ts_clamp_byte((y - k.gu * u - k.gv * v + 32768) >> 16),
                  ts_clamp_byte((y + k.bu * u + 32768) >> 16)};
}

TS_FN ts_u32 ts_grey(const ts_rgb& p) { return (77 * p.red + 150 * p.green + 29 * p.blue + 128) >> 8; }

// A frame ready to be read a pixel at a time. Addresses need no alignment: only bytes are read.
struct ts_frame {
    const ts_u8* plane0;
    const ts_u8* plane1;
    ts_u64 stride0;
    ts_u64 stride1;
    ts_u32 format;
    ts_coefficients coefficients;
};

TS_FN ts_frame ts_frame_of(const FrameDesc& frame) {
    return ts_frame{(const ts_u8*)frame.plane0, (const ts_u8*)frame.plane1, frame.stride0_bytes,
                    frame.stride1_bytes,        frame.format,               ts_coefficients_of(frame)};
}

// The pixel in column x of row y; both must be inside the frame. A GRAY8 value is all three.
TS_FN ts_rgb ts_pixel(const ts_frame& f, ts_u32 x, ts_u32 y) {
    const ts_u8* const row = f.plane0 + y * f.stride0;
    switch (f.format) {
        case TS_RGB8: {
            const ts_u8* const p = row + 3u * x;
            return ts_rgb{p[0], p[1], p[2]};
        }
        case TS_BGR8: {
            const ts_u8* const p = row + 3u * x;
            return ts_rgb{p[2], p[1], p[0]};
        }
        case TS_RGBA8: {
            const ts_u8* const p = row + 4u * x;
            return ts_rgb{p[0], p[1], p[2]};
        }
        case TS_NV12: {
            const ts_u8* const c = f.plane1 + (y / 2) * f.stride1 + x / 2 * 2;
            return ts_yuv(f.coefficients, row[x], c[0], c[1]);
        }
        case TS_YUYV: {
            const ts_u8* const p = row + x / 2 * 4u;
            return ts_yuv(f.coefficients, p[x % 2 * 2], p[1], p[3]);
        }
        default: {
            const ts_u32 v = row[x];
            return ts_rgb{v, v, v};
        }
    }
}

TS_FN ts_u32 ts_grey_pixel(const ts_frame& f, ts_u32 x, ts_u32 y) {
    if (f.format == TS_GRAY8) return f.plane0[y * f.stride0 + x];
    return ts_grey(ts_pixel(f, x, y));
}

#endif
