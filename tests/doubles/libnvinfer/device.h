// With build-libnvinfer --device: the network's work as kernels on a real GPU, in place of functions of the host.
#pragma once

#include "toy.h"

namespace trtsel_nvdouble
{
#ifdef TRTSEL_DOUBLE_PTX
constexpr bool ON_DEVICE = true;
#else
constexpr bool ON_DEVICE = false;
#endif

// What a network works on.
struct ToyWork
{
    ToyPlan const& plan;
    void const* weights;
    void const* bias;
    void* input;
    void* output;
    void* activation;
    uint64_t activation_bytes;
    uint8_t pattern;
};

// The three kernels of toy_device.cu. Each execution context has its own and gives it back, so that whoever counts the device's memory finds
// nothing left of a session. (The product keeps the primary context; another program that uses this library may not, and its modules go with
// it.)
class DeviceKernels
{
public:
    DeviceKernels() = default;
    // The work on the stream must be done.
    ~DeviceKernels();
    DeviceKernels(DeviceKernels const&) = delete;
    DeviceKernels& operator=(DeviceKernels const&) = delete;

    // Loads them into the CUDA context that is current; the log says what failed.
    bool load() noexcept;
    bool enqueue(void* stream, ToyWork const& work) noexcept;

private:
    void* mModule = nullptr;
    void* mFill = nullptr;
    void* mRun = nullptr;
    void* mCheck = nullptr;
    // A word of the host that the device counts wrong bytes of activation memory in.
    unsigned volatile* mWrong = nullptr;
    unsigned long long mWrongOnDevice = 0;
};
} // namespace trtsel_nvdouble
