// Small kernels for the tests of the driver layer itself. The PTX that names them is in cuda/tests/common.
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

}  // namespace

extern const trtsel_host_kernel TEST_KERNELS[] = {{"trtsel_test_add", add}, {"trtsel_test_record", record}};
extern const unsigned TEST_KERNEL_ARGUMENTS[][MAX_ARGUMENTS] = {{8, 8, 8, 4}, {8, 8, 8}};
extern const unsigned TEST_KERNEL_COUNT = 2;

}  // namespace trtsel_double
