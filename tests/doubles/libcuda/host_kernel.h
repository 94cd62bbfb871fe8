// The interface between the driver's double and kernels that were compiled for the host.
#pragma once

#if __has_include("../host_kernels.h")
#include "../host_kernels.h"
#else
extern "C" {
typedef void (*trtsel_host_kernel_fn)(const unsigned grid[3], const unsigned block[3], void** args);
typedef struct {
    const char* name;
    trtsel_host_kernel_fn run;
} trtsel_host_kernel;
extern const trtsel_host_kernel trtsel_host_kernels[];
extern const unsigned trtsel_host_kernel_count;
}
#endif
