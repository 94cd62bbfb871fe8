// Half precision in plain arithmetic, since not every compiler that builds the doubles has a type for it.
#pragma once

#include <cstdint>
#include <cstring>

namespace trtsel_nvdouble
{
inline float half_to_float(uint16_t half)
{
    uint32_t const sign = static_cast<uint32_t>(half & 0x8000) << 16;
    uint32_t const exponent = half >> 10 & 31;
    uint32_t mantissa = half & 1023;
    uint32_t bits;
    if (exponent == 31)
    {
        bits = sign | 0x7f800000U | mantissa << 13;
    }
    else if (exponent != 0)
    {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    }
    else if (mantissa == 0)
    {
        bits = sign;
    }
    else
    {
        uint32_t shifts = 0;
        while (!(mantissa & 1024))
        {
            mantissa <<= 1;
            ++shifts;
        }
        bits = sign | (113 - shifts) << 23 | (mantissa & 1023) << 13;
    }
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// To the nearest, ties to even.
inline uint16_t float_to_half(float value)
{
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    uint16_t const sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
    uint32_t const magnitude = bits & 0x7fffffffU;
    if (magnitude > 0x7f800000U)
    {
        return sign | 0x7e00;
    }
    if (magnitude >= 0x477ff000U)
    {
        return sign | 0x7c00;
    }
    // Mantissa with the leading one, and how far it goes down; the result counts in units of the last place.
    int32_t const exponent = static_cast<int32_t>(magnitude >> 23) - 112;
    uint32_t const mantissa = (magnitude & 0x7fffffU) | 0x800000U;
    uint32_t const shift = exponent > 0 ? 13 : 14 - exponent;
    if (shift > 24)
    {
        return sign;
    }
    uint32_t const kept = mantissa >> shift;
    uint32_t const lost = mantissa & ((1U << shift) - 1);
    uint32_t const tie = 1U << (shift - 1);
    uint32_t const rounded = kept + (lost > tie || (lost == tie && (kept & 1)));
    // With an exponent the leading one adds one to it.
    uint32_t const base = exponent > 0 ? static_cast<uint32_t>(exponent - 1) << 10 : 0;
    return static_cast<uint16_t>(sign | (base + rounded));
}
} // namespace trtsel_nvdouble
