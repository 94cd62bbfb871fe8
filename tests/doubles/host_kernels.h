/* The kernels of cuda/kernels compiled for the host: what the double of libcuda.so runs. C99. */
#ifndef TRTSEL_HOST_KERNELS_H
#define TRTSEL_HOST_KERNELS_H

#ifdef __cplusplus
extern "C" {
#endif

/* Runs one launch to its end on the calling thread. args: as cuLaunchKernel's kernelParams, one pointer to each
 * argument. "Device" addresses in the arguments are host addresses. Thread rules: launches that share no scratch, record
 * or output may run at once. A block that is not the kernel's own size, or a grid that it cannot have, aborts with a
 * message. */
typedef void (*trtsel_host_kernel_fn)(const unsigned grid[3], const unsigned block[3], void** args);

typedef struct {
    const char* name; /* as in the PTX */
    trtsel_host_kernel_fn run;
} trtsel_host_kernel;

extern const trtsel_host_kernel trtsel_host_kernels[];
extern const unsigned trtsel_host_kernel_count;

/* Sizes and offsets of the structures that kernels are told things by, and other numbers that Rust has too. */
typedef struct {
    const char* name; /* "Struct" for its size, "Struct.field" for an offset, else a constant's name */
    unsigned value;
} trtsel_host_number;

extern const trtsel_host_number trtsel_host_numbers[];
extern const unsigned trtsel_host_number_count;

#ifdef __cplusplus
}
#endif

#endif
