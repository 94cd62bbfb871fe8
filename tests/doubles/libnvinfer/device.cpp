// The double's network as kernels of a real GPU: see device.h.

#include "device.h"

#include "state.h"

#include <cstdio>

namespace trtsel_nvdouble
{
namespace
{
constexpr char const* PTX =
#ifdef TRTSEL_DOUBLE_PTX
#include "toy_device_ptx.h"
    ;
#else
    nullptr;
#endif

// Host memory that is pinned for all contexts, and that kernels can write.
constexpr unsigned PORTABLE_AND_MAPPED = 3;

void log_code(char const* what, int code) noexcept
{
    char text[128];
    std::snprintf(text, sizeof text, "the toy network's kernels: Error Code 1: Cuda Driver (%s: the driver answered %d)", what, code);
    log_error(text);
}
} // namespace

bool DeviceKernels::load() noexcept
{
    Driver const* const cuda = driver();
    if (cuda == nullptr)
    {
        return false;
    }
    int code = cuda->module_load(&mModule, PTX);
    code = code ? code : cuda->get_function(&mFill, mModule, "trtsel_toy_fill");
    code = code ? code : cuda->get_function(&mRun, mModule, "trtsel_toy_run");
    code = code ? code : cuda->get_function(&mCheck, mModule, "trtsel_toy_check");
    void* word = nullptr;
    code = code ? code : cuda->host_allocate(&word, sizeof(unsigned), PORTABLE_AND_MAPPED);
    mWrong = static_cast<unsigned*>(word);
    code = code ? code : cuda->host_pointer(&mWrongOnDevice, word, 0);
    if (code != 0)
    {
        log_code("load", code);
        return false;
    }
    *mWrong = 0;
    return true;
}

DeviceKernels::~DeviceKernels()
{
    if (mWrong != nullptr && *mWrong != 0)
    {
        misuse("activation memory was written by others while the network ran");
    }
    Driver const* const cuda = mModule == nullptr ? nullptr : driver();
    if (cuda == nullptr)
    {
        return;
    }
    if (mWrong != nullptr && cuda->host_release(const_cast<unsigned*>(mWrong)) != 0)
    {
        misuse("the toy network's word on the host could not be given back");
    }
    if (cuda->module_unload(mModule) != 0)
    {
        misuse("the toy network's kernels could not be unloaded");
    }
}

bool DeviceKernels::enqueue(void* stream, ToyWork const& work) noexcept
{
    Driver const* const cuda = driver();
    if (cuda == nullptr)
    {
        return false;
    }
    ToyTensor const& input = work.plan.tensors[0];
    ToyTensor const& output = work.plan.tensors[1];
    void *block = work.activation, *x = work.input, *y = work.output;
    void const *w = work.weights, *b = work.bias;
    unsigned long long bytes = work.activation_bytes, wrong = mWrongOnDevice;
    unsigned long long inputs = static_cast<unsigned long long>(input.elements), outputs = static_cast<unsigned long long>(output.elements);
    unsigned pattern = work.pattern, x_half = input.type == nv::DataType::kHALF, y_half = output.type == nv::DataType::kHALF;
    void* fill[] = {&block, &bytes, &pattern};
    void* run[] = {&w, &b, &x, &x_half, &inputs, &y, &y_half, &outputs};
    void* check[] = {&block, &bytes, &pattern, &wrong};
    unsigned const blocks = static_cast<unsigned>(bytes / 256 + 1 < 1024 ? bytes / 256 + 1 : 1024);
    unsigned const rows = static_cast<unsigned>((outputs + 63) / 64);
    int code = cuda->launch(mFill, blocks, 1, 1, 256, 1, 1, 0, stream, fill, nullptr);
    code = code ? code : cuda->launch(mRun, rows, 1, 1, 64, 1, 1, 0, stream, run, nullptr);
    code = code ? code : cuda->launch(mCheck, blocks, 1, 1, 256, 1, 1, 0, stream, check, nullptr);
    if (code != 0)
    {
        log_code("enqueue", code);
    }
    return code == 0;
}
} // namespace trtsel_nvdouble
