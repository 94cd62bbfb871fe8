// Runtime, engine and context of the double, and the library's entry points.

#include "rest.h"
#include "toy.h"

#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>


namespace
{
constexpr uint64_t ALIGNMENT = 256;

// Held by a call while it runs: two threads in one object are misuse.
class Alone
{
public:
    explicit Alone(std::atomic<bool>& busy) noexcept
        : mBusy(busy)
    {
        if (mBusy.exchange(true))
        {
            misuse("two threads in one object at once");
        }
    }
    ~Alone()
    {
        mBusy = false;
    }
    Alone(Alone const&) = delete;
    Alone& operator=(Alone const&) = delete;

private:
    std::atomic<bool>& mBusy;
};

class Runtime;
class Engine;

// A block that the engine keeps on the device.
class WeightBlock
{
public:
    ~WeightBlock()
    {
        if (mAddress == 0)
        {
            return;
        }
        bool done;
        void* const memory = reinterpret_cast<void*>(mAddress);
        if (mAllocator == nullptr)
        {
            done = driver() != nullptr && driver()->release(mAddress) == 0;
        }
        else
        {
            done = mAsync ? mAllocator->deallocateAsync(memory, nullptr) : mAllocator->deallocate(memory);
        }
        if (!done)
        {
            misuse("a weight block could not be given back");
        }
        live(Kind::weight_blocks, -1);
    }

    // Both ways that the allocator's interface has are used.
    bool fill(Driver const& cuda, nv::IGpuAllocator* allocator, bool async, std::vector<float> const& values) noexcept
    {
        size_t const bytes = 4 * values.size();
        unsigned long long address = 0;
        if (allocator == nullptr)
        {
            if (cuda.allocate(&address, bytes) != 0)
            {
                address = 0;
            }
        }
        else
        {
            void* const memory
                = async ? allocator->allocateAsync(bytes, ALIGNMENT, 0, nullptr) : allocator->allocate(bytes, ALIGNMENT, 0);
            address = reinterpret_cast<uint64_t>(memory);
        }
        if (address == 0)
        {
            log_error("[defaultAllocator.cpp::allocate::31] Error Code 1: Cuda Runtime (out of memory)");
            return false;
        }
        mAddress = address;
        mAllocator = allocator;
        mAsync = async;
        live(Kind::weight_blocks, 1);
        if (address % ALIGNMENT != 0)
        {
            misuse("the allocator gave memory that is not aligned as asked");
        }
        if (cuda.copy_to_device(address, values.data(), bytes) != 0)
        {
            log_error("IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (weights cannot be copied)");
            return false;
        }
        return true;
    }

    float const* values() const noexcept
    {
        return reinterpret_cast<float const*>(mAddress);
    }

private:
    unsigned long long mAddress = 0;
    nv::IGpuAllocator* mAllocator = nullptr;
    bool mAsync = false;
};

class Context final : public nv::IExecutionContext
{
public:
    explicit Context(Engine& engine) noexcept;
    ~Context() noexcept override;

    struct Table final : ExecutionContextRest
    {
        explicit Table(Context& context)
            : context(context)
        {
        }
        nv::IExecutionContext* getPImpl() noexcept override
        {
            return &context;
        }
        void setDeviceMemory(void* memory) noexcept override;
        void setDeviceMemoryV2(void* memory, int64_t size) noexcept override;
        bool setInputShape(char const* name, nv::Dims const& dims) noexcept override;
        nv::Dims getTensorShape(char const* name) const noexcept override;
        bool setTensorAddress(char const* name, void* data) noexcept override;
        bool enqueueV3(cudaStream_t stream) noexcept override;
        Context& context;
    };

    // The two halves of the network on the device. Between them other work may run, but none that uses the same block.
    void begin() noexcept;
    void finish() noexcept;

private:
    Engine& mEngine;
    Table mTable;
    std::atomic<bool> mBusy{false};
    uint8_t* mActivation = nullptr;
    uint64_t mActivationBytes = 0;
    void* mAddresses[2] = {};
    bool mShaped;
    uint8_t mPattern;
};

class Engine final : public nv::ICudaEngine
{
public:
    Engine(Runtime& runtime, ToyPlan&& plan) noexcept;
    ~Engine() noexcept override;
    bool upload() noexcept;

    struct Table final : CudaEngineRest
    {
        explicit Table(Engine& engine)
            : engine(engine)
        {
        }
        nv::ICudaEngine* getPImpl() noexcept override
        {
            return &engine;
        }
        nv::IExecutionContext* createExecutionContext(nv::ExecutionContextAllocationStrategy strategy) noexcept override;
        int32_t getNbIOTensors() const noexcept override;
        char const* getIOTensorName(int32_t index) const noexcept override;
        nv::Dims getTensorShape(char const* name) const noexcept override;
        nv::DataType getTensorDataType(char const* name) const noexcept override;
        nv::TensorIOMode getTensorIOMode(char const* name) const noexcept override;
        nv::TensorFormat getTensorFormat(char const* name) const noexcept override;
        nv::TensorLocation getTensorLocation(char const* name) const noexcept override;
        bool isShapeInferenceIO(char const* name) const noexcept override;
        int32_t getNbOptimizationProfiles() const noexcept override;
        int64_t getDeviceMemorySizeV2() const noexcept override;
        Engine& engine;
    };

    // 0 is the input, 1 the output, -1 no tensor.
    int tensor(char const* name) const noexcept
    {
        for (int i = 0; name != nullptr && i < 2; ++i)
        {
            if (plan.tensors[i].name == name)
            {
                return i;
            }
        }
        return -1;
    }

    ToyPlan plan;
    WeightBlock weights;
    WeightBlock bias;
    std::atomic<int64_t> contexts{0};

private:
    Runtime& mRuntime;
    Table mTable;
};

class Runtime final : public nv::IRuntime
{
public:
    Runtime() noexcept
        : mTable(*this)
    {
        mImpl = &mTable;
        live(Kind::runtimes, 1);
    }

    ~Runtime() noexcept override
    {
        fails(Call::destroyRuntime);
        if (engines != 0)
        {
            misuse("a runtime was destroyed before its engines");
        }
        live(Kind::runtimes, -1);
    }

    struct Table final : RuntimeRest
    {
        explicit Table(Runtime& runtime)
            : runtime(runtime)
        {
        }
        nv::IRuntime* getPImpl() noexcept override
        {
            return &runtime;
        }
        nv::ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override;
        void setGpuAllocator(nv::IGpuAllocator* allocator) noexcept override
        {
            fails(Call::setGpuAllocator);
            runtime.allocator = allocator;
        }
        Runtime& runtime;
    };

    nv::IGpuAllocator* allocator = nullptr;
    std::atomic<int64_t> engines{0};

private:
    std::atomic<bool> mBusy{false};
    Table mTable;
};

nv::ICudaEngine* Runtime::Table::deserializeCudaEngine(void const* blob, std::size_t size) noexcept
{
    Alone const alone(runtime.mBusy);
    if (fails(Call::deserializeCudaEngine))
    {
        return nullptr;
    }
    if (blob == nullptr || size == 0)
    {
        log_error("IRuntime::deserializeCudaEngine: Error Code 3: API Usage Error (Cannot deserialize with an empty memory buffer.)");
        return nullptr;
    }
    ToyPlan plan;
    std::string const wrong = read_plan(blob, size, plan);
    if (!wrong.empty())
    {
        log_error(wrong.c_str());
        return nullptr;
    }
    std::unique_ptr<Engine> engine(new (std::nothrow) Engine(runtime, std::move(plan)));
    if (engine == nullptr || !engine->upload())
    {
        return nullptr;
    }
    return engine.release();
}

Engine::Engine(Runtime& runtime, ToyPlan&& from) noexcept
    : plan(std::move(from))
    , mRuntime(runtime)
    , mTable(*this)
{
    mImpl = &mTable;
    ++mRuntime.engines;
    live(Kind::engines, 1);
}

Engine::~Engine() noexcept
{
    fails(Call::destroyEngine);
    if (contexts != 0)
    {
        misuse("an engine was destroyed before its contexts");
    }
    --mRuntime.engines;
    live(Kind::engines, -1);
}

bool Engine::upload() noexcept
{
    Driver const* const cuda = driver();
    return cuda != nullptr && weights.fill(*cuda, mRuntime.allocator, true, plan.weights)
        && bias.fill(*cuda, mRuntime.allocator, false, plan.bias);
}

nv::IExecutionContext* Engine::Table::createExecutionContext(nv::ExecutionContextAllocationStrategy strategy) noexcept
{
    if (fails(Call::createExecutionContext))
    {
        return nullptr;
    }
    if (strategy != nv::ExecutionContextAllocationStrategy::kUSER_MANAGED)
    {
        misuse("a context with device memory of its own");
        return nullptr;
    }
    return new (std::nothrow) Context(engine);
}

int32_t Engine::Table::getNbIOTensors() const noexcept
{
    fails(Call::getNbIOTensors);
    return 2;
}

char const* Engine::Table::getIOTensorName(int32_t index) const noexcept
{
    bool const fail = fails(Call::getIOTensorName);
    return fail || index < 0 || index > 1 ? nullptr : engine.plan.tensors[index].name.c_str();
}

nv::Dims Engine::Table::getTensorShape(char const* name) const noexcept
{
    bool const fail = fails(Call::getTensorShape);
    int const i = engine.tensor(name);
    return fail || i < 0 ? nv::Dims{-1, {}} : engine.plan.tensors[i].shape;
}

nv::DataType Engine::Table::getTensorDataType(char const* name) const noexcept
{
    fails(Call::getTensorDataType);
    int const i = engine.tensor(name);
    return i < 0 ? nv::DataType::kFLOAT : engine.plan.tensors[i].type;
}

nv::TensorIOMode Engine::Table::getTensorIOMode(char const* name) const noexcept
{
    fails(Call::getTensorIOMode);
    int const i = engine.tensor(name);
    return i < 0 ? nv::TensorIOMode::kNONE : i == 0 ? nv::TensorIOMode::kINPUT : nv::TensorIOMode::kOUTPUT;
}

nv::TensorFormat Engine::Table::getTensorFormat(char const*) const noexcept
{
    fails(Call::getTensorFormat);
    return nv::TensorFormat::kLINEAR;
}

nv::TensorLocation Engine::Table::getTensorLocation(char const*) const noexcept
{
    fails(Call::getTensorLocation);
    return nv::TensorLocation::kDEVICE;
}

bool Engine::Table::isShapeInferenceIO(char const*) const noexcept
{
    fails(Call::isShapeInferenceIO);
    return false;
}

int32_t Engine::Table::getNbOptimizationProfiles() const noexcept
{
    fails(Call::getNbOptimizationProfiles);
    return 1;
}

int64_t Engine::Table::getDeviceMemorySizeV2() const noexcept
{
    return fails(Call::getDeviceMemorySizeV2) ? -1 : static_cast<int64_t>(engine.plan.activation_bytes);
}

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
} // namespace

EXPORT void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept
{
    take_logger(static_cast<nv::ILogger*>(logger));
    if (fails(Call::createInferRuntime))
    {
        return nullptr;
    }
    if (version / 10000 != NV_TENSORRT_MAJOR)
    {
        misuse("createInferRuntime for another version");
        return nullptr;
    }
    return static_cast<nv::IRuntime*>(new (std::nothrow) Runtime());
}

EXPORT int32_t getInferLibVersion() noexcept
{
    return static_cast<int32_t>(NV_TENSORRT_VERSION);
}

EXPORT int32_t getInferLibMajorVersion() noexcept
{
    return NV_TENSORRT_MAJOR;
}

EXPORT int32_t getInferLibMinorVersion() noexcept
{
    return NV_TENSORRT_MINOR;
}

EXPORT int32_t getInferLibPatchVersion() noexcept
{
    return NV_TENSORRT_PATCH;
}

EXPORT int32_t getInferLibBuildVersion() noexcept
{
    return NV_TENSORRT_BUILD;
}
