// Exponential, logarithm and half-precision conversion: the same instructions on every side, no library.
//
// Compiled without contraction (`-ffp-contract=off`, `--fmad=false`), host and device agree to the last bit.
#ifndef TRTSEL_MATHS_CUH
#define TRTSEL_MATHS_CUH

#include "portable.cuh"

// ln 2 in two parts. The first has 12 fraction bits to spare, so that its product with a small integer is exact.
#define TS_LN2_HIGH 0.693145751953125f
#define TS_LN2_LOW 1.42860677e-6f

// e^x for x <= 0; the result's error is below 1 unit in the last place. x = k ln 2 + r with |r| <= 0.35, and e^r is its
// Taylor polynomial of degree 7 (what is left out is below 6e-9).
TS_FN float ts_exp(float x) {
    if (!(x > -104.0f)) return 0.0f;
    // Adding 1.5 * 2^23 rounds to the nearest integer.
    const float k = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    const float r = (x - k * TS_LN2_HIGH) - k * TS_LN2_LOW;
    float q = 1.98412698e-4f;
    q = q * r + 1.38888889e-3f;
    q = q * r + 8.33333333e-3f;
    q = q * r + 4.16666667e-2f;
    q = q * r + 1.66666667e-1f;
    q = q * r + 0.5f;
    const float y = 1.0f + (r + r * r * q);
    const ts_i32 power = (ts_i32)k;
    if (power >= -126) return y * ts_bits_float((ts_u32)(127 + power) << 23);
    // 2^-126 and the rest, so that results below the normal range are rounded once.
    return y * ts_bits_float((ts_u32)(127 + power + 64) << 23) * ts_bits_float((ts_u32)(127 - 64) << 23);
}

// ln x for finite x > 0; the result's error is below 1 unit in the last place. x = 2^k m with m in [0.7, 1.42], and
// ln m = 2 atanh(s), s = (m - 1) / (m + 1): a series in s^2 <= 0.0295 (what is left out is below 1e-9).
TS_FN float ts_log(float x) {
    ts_i32 k = 0;
    if (x < 1.17549435e-38f) {
        x *= 8388608.0f;
        k = -23;
    }
    // 0x3f3504f3 is the square root of a half.
    const ts_u32 bits = ts_float_bits(x) - 0x3f3504f3u;
    k += (ts_i32)bits >> 23;
    const float m = ts_bits_float((bits & 0x007fffffu) + 0x3f3504f3u);
    const float f = m - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    float q = 1.11111111e-1f;
    q = q * z + 1.42857143e-1f;
    q = q * z + 0.2f;
    q = q * z + 3.33333333e-1f;
    // 2 s = f - s f, and f is exact.
    const float tail = s * (f - 2.0f * z * q);
    const float n = (float)k;
    return n * TS_LN2_HIGH + (f - (tail - n * TS_LN2_LOW));
}

// The value of a 16-bit float.
TS_FN float ts_half_to_float(ts_u16 half) {
    const ts_u32 sign = (ts_u32)(half & 0x8000u) << 16;
    const ts_u32 rest = half & 0x7fffu;
    if (rest >= 0x7c00u) return ts_bits_float(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
    if (rest >= 0x0400u) return ts_bits_float(sign | ((rest << 13) + 0x38000000u));
    // Zero and below the normal range: units of 2^-24.
    const float value = (float)(ts_i32)rest * 5.9604644775390625e-8f;
    return ts_bits_float(sign | ts_float_bits(value));
}

// The nearest 16-bit float, halves to even; too large becomes infinity. Not-a-number stays one.
TS_FN ts_u16 ts_float_to_half(float value) {
    const ts_u32 bits = ts_float_bits(value);
    const ts_u32 sign = bits >> 16 & 0x8000u;
    const ts_u32 rest = bits & 0x7fffffffu;
    if (rest > 0x7f800000u) return (ts_u16)(sign | 0x7e00u | (rest >> 13 & 0x3ffu));
    // 65520 and more.
    if (rest >= 0x477ff000u) return (ts_u16)(sign | 0x7c00u);
    if (rest >= 0x38800000u) {
        const ts_u32 even = rest >> 13 & 1u;
        return (ts_u16)(sign | ((rest + 0xfffu + even - 0x38000000u) >> 13));
    }
    // Below the normal range the sum's last place is 2^-24: adding 0.5 rounds.
    const float sum = ts_bits_float(rest) + 0.5f;
    return (ts_u16)(sign | (ts_float_bits(sum) - 0x3f000000u));
}

#endif
