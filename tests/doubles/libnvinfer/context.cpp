// Execution contexts of the double: shapes, addresses, and the network's work on a stream.

#include "objects.h"

#include <cstdio>
#include <cstring>
#include <mutex>

namespace trtsel_nvdouble
{
namespace
{
// Contexts that are alive. A graph may be launched when its context is gone; work must not look at it then.
std::mutex g_contexts_lock;
Context* g_contexts[256];

bool is_alive(Context const* context) noexcept
{
    for (Context const* const other : g_contexts)
    {
        if (other == context)
        {
            return true;
        }
    }
    return false;
}

} // namespace

Context::Context(Engine& engine) noexcept
    : mEngine(engine)
    , mTable(*this)
    , mShaped(!engine.plan.tensors[0].open)
{
    static std::atomic<uint8_t> next{1};
    mPattern = next++;
    mImpl = &mTable;
    ++mEngine.contexts;
    live(Kind::contexts, 1);
    std::lock_guard<std::mutex> const lock(g_contexts_lock);
    for (Context*& place : g_contexts)
    {
        if (place == nullptr)
        {
            place = this;
            return;
        }
    }
    misuse("more contexts than the double knows");
}

Context::~Context() noexcept
{
    fails(Call::destroyContext);
    activation(this, nullptr, 0);
    {
        std::lock_guard<std::mutex> const lock(g_contexts_lock);
        for (Context*& place : g_contexts)
        {
            if (place == this)
            {
                place = nullptr;
            }
        }
    }
    --mEngine.contexts;
    live(Kind::contexts, -1);
}

void Context::Table::setDeviceMemory(void* memory) noexcept
{
    Alone const alone(context.mBusy);
    if (fails(Call::setDeviceMemory))
    {
        return;
    }
    if (reinterpret_cast<uint64_t>(memory) % ALIGNMENT != 0)
    {
        log_error("IExecutionContext::setDeviceMemory: Error Code 3: API Usage Error (the memory is not aligned to 256)");
        return;
    }
    context.mActivation = static_cast<uint8_t*>(memory);
    context.mActivationBytes = context.mEngine.plan.activation_bytes;
    activation(&context, memory, context.mActivationBytes);
}

void Context::Table::setDeviceMemoryV2(void* memory, int64_t size) noexcept
{
    Alone const alone(context.mBusy);
    if (fails(Call::setDeviceMemoryV2))
    {
        return;
    }
    if (size < static_cast<int64_t>(context.mEngine.plan.activation_bytes))
    {
        log_error("IExecutionContext::setDeviceMemoryV2: Error Code 3: API Usage Error (the memory is smaller than the engine needs)");
        return;
    }
    if (reinterpret_cast<uint64_t>(memory) % ALIGNMENT != 0)
    {
        log_error("IExecutionContext::setDeviceMemoryV2: Error Code 3: API Usage Error (the memory is not aligned to 256)");
        return;
    }
    context.mActivation = static_cast<uint8_t*>(memory);
    context.mActivationBytes = context.mEngine.plan.activation_bytes;
    activation(&context, memory, static_cast<uint64_t>(size));
}

bool Context::set_shape(bool is_input, nv::Dims const& dims, char const* call) noexcept
{
    ToyTensor const& input = mEngine.plan.tensors[0];
    bool fits = is_input && dims.nbDims == input.shape.nbDims;
    for (int32_t i = 0; fits && i < dims.nbDims; ++i)
    {
        fits = dims.d[i] == (input.shape.d[i] == -1 ? 1 : input.shape.d[i]);
    }
    if (!fits)
    {
        char text[160];
        std::snprintf(text, sizeof text,
            "IExecutionContext::%s: Error Code 3: API Usage Error (Given invalid shape, outside of the profile)", call);
        log_error(text);
        return false;
    }
    mShaped = true;
    return true;
}

nv::Dims Context::shape(int tensor) const noexcept
{
    if (tensor < 0)
    {
        return {-1, {}};
    }
    nv::Dims dims = mEngine.plan.tensors[tensor].shape;
    for (int32_t k = 0; mShaped && k < dims.nbDims; ++k)
    {
        dims.d[k] = dims.d[k] == -1 ? 1 : dims.d[k];
    }
    return dims;
}

#if TRTSEL_DOUBLE_NAMES
bool Context::Table::setInputShape(char const* name, nv::Dims const& dims) noexcept
{
    Alone const alone(context.mBusy);
    return !fails(Call::setInputShape) && context.set_shape(context.mEngine.tensor(name) == 0, dims, "setInputShape");
}

nv::Dims Context::Table::getTensorShape(char const* name) const noexcept
{
    return context.shape(fails(Call::contextGetTensorShape) ? -1 : context.mEngine.tensor(name));
}

bool Context::Table::setTensorAddress(char const* name, void* data) noexcept
{
    Alone const alone(context.mBusy);
    if (fails(Call::setTensorAddress))
    {
        return false;
    }
    if (opened())
    {
        misuse("setTensorAddress after open");
    }
    int const i = context.mEngine.tensor(name);
    if (i < 0 || data == nullptr || reinterpret_cast<uint64_t>(data) % ALIGNMENT != 0)
    {
        log_error("IExecutionContext::setTensorAddress: Error Code 3: API Usage Error (no such tensor, or its address is null or "
                  "not aligned to 256)");
        return false;
    }
    context.mAddresses[i] = data;
    return true;
}
#else
bool Context::Table::setBindingDimensions(int32_t index, nv::Dims dims) noexcept
{
    Alone const alone(context.mBusy);
    return !fails(Call::setBindingDimensions) && context.set_shape(index == 0, dims, "setBindingDimensions");
}

nv::Dims Context::Table::getBindingDimensions(int32_t index) const noexcept
{
    return context.shape(fails(Call::contextGetBindingDimensions) || index >= context.mEngine.plan.count ? -1 : index);
}
#endif

namespace
{
void on_begin(void* context) noexcept
{
    std::lock_guard<std::mutex> const lock(g_contexts_lock);
    if (is_alive(static_cast<Context*>(context)))
    {
        static_cast<Context*>(context)->begin();
    }
    else
    {
        misuse("work of a context that was destroyed");
    }
}

void on_finish(void* context) noexcept
{
    std::lock_guard<std::mutex> const lock(g_contexts_lock);
    if (is_alive(static_cast<Context*>(context)))
    {
        static_cast<Context*>(context)->finish();
    }
}

} // namespace

#if TRTSEL_DOUBLE_NAMES
bool Context::Table::enqueueV3(cudaStream_t stream) noexcept
{
    Alone const alone(context.mBusy);
    return !fails(Call::enqueueV3) && context.enqueue(stream, "enqueueV3");
}
#else
bool Context::Table::enqueueV2(void* const* bindings, cudaStream_t stream, cudaEvent_t* consumed) noexcept
{
    Alone const alone(context.mBusy);
    if (fails(Call::enqueueV2))
    {
        return false;
    }
    if (consumed != nullptr)
    {
        misuse("enqueueV2 with an event, which the product does not ask for");
    }
    for (int i = 0; i < context.mEngine.plan.count; ++i)
    {
        context.mAddresses[i] = bindings == nullptr ? nullptr : bindings[i];
        if (reinterpret_cast<uint64_t>(context.mAddresses[i]) % ALIGNMENT != 0)
        {
            misuse("enqueueV2 with an address that is not aligned to 256");
        }
    }
    return context.enqueue(stream, "enqueueV2");
}
#endif

bool Context::enqueue(cudaStream_t stream, char const* call) noexcept
{
    char const* wrong = nullptr;
    bool bound = true;
    for (int i = 0; i < mEngine.plan.count; ++i)
    {
        bound = bound && mAddresses[i] != nullptr;
    }
    if (!bound)
    {
        wrong = "Neither address or allocator is set for a tensor";
    }
    else if (!mShaped)
    {
        wrong = "an input's shape is not specified";
    }
    else if (mEngine.plan.activation_bytes != 0 && mActivation == nullptr)
    {
        wrong = "device memory is not set";
    }
    if (wrong != nullptr)
    {
        char text[160];
        std::snprintf(text, sizeof text, "IExecutionContext::%s: Error Code 3: API Usage Error (%s)", call, wrong);
        misuse(text);
        log_error(text);
        return false;
    }
    if (stream == nullptr)
    {
        misuse("a network is enqueued on the default stream");
    }
    Driver const* const cuda = driver();
    if (cuda == nullptr)
    {
        return false;
    }
    // Where shapes are open and kernels are made lazily, a graph would keep the slow kernels for good.
    if (is_lazy && mEngine.plan.tensors[0].open && cuda->is_capturing != nullptr)
    {
        int capturing = 0;
        if (cuda->is_capturing(stream, &capturing) == 0 && capturing != 0)
        {
            misuse("a network with open shapes is captured while its kernels are made lazily");
        }
    }
    if (ON_DEVICE)
    {
        return kernels.enqueue(stream,
            ToyWork{mEngine.plan, mEngine.weights.values(), mEngine.bias.values(), mAddresses[0], mAddresses[1], mActivation,
                mActivationBytes, mPattern});
    }
    if (cuda->launch_host_function(stream, on_begin, this) != 0 || cuda->launch_host_function(stream, on_finish, this) != 0)
    {
        log_error("IExecutionContext::enqueue: Error Code 1: Cuda Driver (the work cannot be enqueued)");
        return false;
    }
    return true;
}

void Context::begin() noexcept
{
    std::memset(mActivation, mPattern, mActivationBytes);
}

void Context::finish() noexcept
{
    for (uint64_t i = 0; i < mActivationBytes; ++i)
    {
        if (mActivation[i] != mPattern)
        {
            misuse("activation memory was written by others while the network ran");
            break;
        }
    }
    ToyPlan const& plan = mEngine.plan;
    run_network(mEngine.weights.values(), mEngine.bias.values(), plan.tensors[0], mAddresses[0], plan.tensors[1], mAddresses[1]);
    if (plan.count == 3)
    {
        int32_t const sevens[4] = {7, 7, 7, 7};
        std::memcpy(mAddresses[2], sevens, sizeof sevens);
    }
}
} // namespace trtsel_nvdouble
