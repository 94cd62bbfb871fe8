// Execution contexts of the double: shapes, addresses, and the network's work on a stream.

#include "objects.h"

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
    if (!fails(Call::setDeviceMemory))
    {
        context.mActivation = static_cast<uint8_t*>(memory);
        context.mActivationBytes = context.mEngine.plan.activation_bytes;
    }
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

bool Context::Table::setInputShape(char const* name, nv::Dims const& dims) noexcept
{
    Alone const alone(context.mBusy);
    if (fails(Call::setInputShape))
    {
        return false;
    }
    ToyTensor const& input = context.mEngine.plan.tensors[0];
    bool fits = context.mEngine.tensor(name) == 0 && dims.nbDims == input.shape.nbDims;
    for (int32_t i = 0; fits && i < dims.nbDims; ++i)
    {
        fits = dims.d[i] == (input.shape.d[i] == -1 ? 1 : input.shape.d[i]);
    }
    if (!fits)
    {
        log_error("IExecutionContext::setInputShape: Error Code 3: API Usage Error (Given invalid shape, outside of the profile)");
        return false;
    }
    context.mShaped = true;
    return true;
}

nv::Dims Context::Table::getTensorShape(char const* name) const noexcept
{
    bool const fail = fails(Call::contextGetTensorShape);
    int const i = context.mEngine.tensor(name);
    if (fail || i < 0)
    {
        return {-1, {}};
    }
    nv::Dims dims = context.mEngine.plan.tensors[i].shape;
    for (int32_t k = 0; context.mShaped && k < dims.nbDims; ++k)
    {
        dims.d[k] = dims.d[k] == -1 ? 1 : dims.d[k];
    }
    return dims;
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

bool Context::Table::enqueueV3(cudaStream_t stream) noexcept
{
    Alone const alone(context.mBusy);
    if (fails(Call::enqueueV3))
    {
        return false;
    }
    char const* wrong = nullptr;
    if (context.mAddresses[0] == nullptr || context.mAddresses[1] == nullptr)
    {
        wrong = "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (Neither address or allocator is set for a tensor)";
    }
    else if (!context.mShaped)
    {
        wrong = "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (an input's shape is not specified)";
    }
    else if (context.mEngine.plan.activation_bytes != 0 && context.mActivation == nullptr)
    {
        wrong = "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (device memory is not set)";
    }
    if (wrong != nullptr)
    {
        misuse(wrong);
        log_error(wrong);
        return false;
    }
    if (stream == nullptr)
    {
        misuse("enqueueV3 on the default stream");
    }
    Driver const* const cuda = driver();
    if (cuda == nullptr)
    {
        return false;
    }
    if (cuda->launch_host_function(stream, on_begin, &context) != 0
        || cuda->launch_host_function(stream, on_finish, &context) != 0)
    {
        log_error("IExecutionContext::enqueueV3: Error Code 1: Cuda Driver (the work cannot be enqueued)");
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
}
} // namespace trtsel_nvdouble
