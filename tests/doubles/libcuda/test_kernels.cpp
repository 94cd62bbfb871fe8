// Small kernels for the tests of the driver layer itself (their PTX is in cuda/tests/common), and those of the toy network.
#include "../libnvinfer/half.h"
#include "state.h"

namespace trtsel_double {
namespace {

template <class T>
T argument(void** args, unsigned i) {
    T value;
    memcpy(&value, args[i], sizeof value);
    return value;
}

uint64_t threads(const unsigned grid[3], const unsigned block[3]) {
    return uint64_t(grid[0]) * grid[1] * grid[2] * block[0] * block[1] * block[2];
}

// out[i] = a[i] + b[i] for u32, one thread an element.
void add(const unsigned grid[3], const unsigned block[3], void** args) {
    const auto* a = argument<const uint32_t*>(args, 0);
    const auto* b = argument<const uint32_t*>(args, 1);
    auto* out = argument<uint32_t*>(args, 2);
    const uint32_t count = argument<uint32_t>(args, 3);
    for (uint64_t i = 0; i < threads(grid, block) && i < count; ++i) out[i] = a[i] + b[i];
}

// record = {payload, sequence}: the payload first, as kernels that the host watches do.
void record(const unsigned*, const unsigned*, void** args) {
    auto* words = argument<uint64_t*>(args, 0);
    __atomic_store_n(&words[0], argument<uint64_t>(args, 1), __ATOMIC_RELAXED);
    __atomic_store_n(&words[1], argument<uint64_t>(args, 2), __ATOMIC_RELEASE);
}

// The three kernels of the toy network: see ../libnvinfer/toy_device.cu.
void toy_fill(const unsigned*, const unsigned*, void** args) {
    memset(argument<void*>(args, 0), int(argument<uint32_t>(args, 2)), argument<uint64_t>(args, 1));
}

void toy_check(const unsigned*, const unsigned*, void** args) {
    const auto* block = argument<const unsigned char*>(args, 0);
    for (uint64_t i = 0; i < argument<uint64_t>(args, 1); ++i)
        if (block[i] != argument<uint32_t>(args, 2)) ++*argument<uint32_t*>(args, 3);
}

void toy_run(const unsigned*, const unsigned*, void** args) {
    const auto* w = argument<const float*>(args, 0);
    const auto* b = argument<const float*>(args, 1);
    const void* x = argument<const void*>(args, 2);
    const bool x_half = argument<uint32_t>(args, 3), y_half = argument<uint32_t>(args, 6);
    const uint64_t inputs = argument<uint64_t>(args, 4), outputs = argument<uint64_t>(args, 7);
    void* y = argument<void*>(args, 5);
    for (uint64_t o = 0; o < outputs; ++o) {
        float sum = 0;
        for (uint64_t i = 0; i < inputs; ++i)
            sum += w[o * inputs + i] * (x_half ? trtsel_nvdouble::half_to_float(static_cast<const uint16_t*>(x)[i]) : static_cast<const float*>(x)[i]);
        sum += b[o];
        if (y_half) {
            static_cast<uint16_t*>(y)[o] = trtsel_nvdouble::float_to_half(sum);
        } else {
            static_cast<float*>(y)[o] = sum;
        }
    }
}

}  // namespace

extern const trtsel_host_kernel TEST_KERNELS[] = {{"trtsel_test_add", add}, {"trtsel_test_record", record},
    {"trtsel_toy_fill", toy_fill}, {"trtsel_toy_check", toy_check}, {"trtsel_toy_run", toy_run}};
extern const unsigned TEST_KERNEL_ARGUMENTS[][MAX_ARGUMENTS] = {{8, 8, 8, 4}, {8, 8, 8},
    {8, 8, 4}, {8, 8, 4, 8}, {8, 8, 8, 4, 8, 8, 4, 8}};
extern const unsigned TEST_KERNEL_COUNT = 5;

}  // namespace trtsel_double
