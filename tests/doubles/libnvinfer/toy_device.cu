// The toy network on a real GPU: what toy-plan.md says, as three kernels. build-toy-ptx makes toy_device.ptx of this file.
#define KERNEL extern "C" __attribute__((global)) void
#define DEVICE static __attribute__((device)) inline

typedef unsigned long long u64;

DEVICE u64 thread_of_grid() {
    return (u64)__nvvm_read_ptx_sreg_ctaid_x() * __nvvm_read_ptx_sreg_ntid_x() + __nvvm_read_ptx_sreg_tid_x();
}

DEVICE u64 threads_of_grid() { return (u64)__nvvm_read_ptx_sreg_nctaid_x() * __nvvm_read_ptx_sreg_ntid_x(); }

DEVICE float widen(unsigned short half) {
    float wide;
    asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(half));
    return wide;
}

DEVICE unsigned short narrow(float wide) {
    unsigned short half;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(wide));
    return half;
}

// Fills the activation block with the context's own pattern.
KERNEL trtsel_toy_fill(unsigned char* block, u64 bytes, unsigned pattern) {
    for (u64 i = thread_of_grid(); i < bytes; i += threads_of_grid()) block[i] = (unsigned char)pattern;
}

// Counts the bytes of the block that somebody else has written since.
KERNEL trtsel_toy_check(const unsigned char* block, u64 bytes, unsigned pattern, unsigned* wrong) {
    for (u64 i = thread_of_grid(); i < bytes; i += threads_of_grid())
        if (block[i] != (unsigned char)pattern) __nvvm_atom_add_gen_i((int*)wrong, 1);
}

// y = W·x + b, a thread for each element of y. Each product and each sum is rounded (the compiler contracts nothing).
KERNEL trtsel_toy_run(const float* w, const float* b, const void* x, unsigned x_half, u64 inputs, void* y, unsigned y_half, u64 outputs) {
    const u64 o = thread_of_grid();
    if (o >= outputs) return;
    float sum = 0.0f;
    for (u64 i = 0; i < inputs; ++i) {
        const float value = x_half ? widen(((const unsigned short*)x)[i]) : ((const float*)x)[i];
        sum += w[o * inputs + i] * value;
    }
    sum += b[o];
    if (y_half) {
        ((unsigned short*)y)[o] = narrow(sum);
    } else {
        ((float*)y)[o] = sum;
    }
}
