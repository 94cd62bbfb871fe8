// Runtime, engine and context of the double. A table's method without `override` is one that not every version's table has.
#pragma once

#include "device.h"
#include "rest.h"
#include "toy.h"

#include <cstdlib>
#include <cstring>

namespace trtsel_nvdouble
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
        if (mStream != nullptr)
        {
            driver()->destroy_stream(mStream);
        }
        bool done;
        void* const memory = reinterpret_cast<void*>(mAddress);
        if (mAllocator == nullptr)
        {
            done = driver() != nullptr && driver()->release(mAddress) == 0;
        }
        else
        {
#if TRTSEL_DOUBLE_VERSIONED
            done = mAsync ? mAllocator->deallocateAsync(memory, nullptr) : mAllocator->deallocate(memory);
#else
            done = mAllocator->deallocate(memory);
#endif
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
#if TRTSEL_DOUBLE_VERSIONED
            void* const memory
                = async ? allocator->allocateAsync(bytes, ALIGNMENT, 0, nullptr) : allocator->allocate(bytes, ALIGNMENT, 0);
#else
            void* const memory = allocator->allocate(bytes, ALIGNMENT, 0);
#endif
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
        int copied;
        if (uploads_asynchronously())
        {
            // As TensorRT may do it: on a stream of its own, for which nobody has waited when the engine is there.
            mFrom = values.data();
            mBytes = bytes;
            copied = cuda.create_stream(&mStream, 1);
            copied = copied != 0 ? copied : cuda.launch_host_function(mStream, on_upload, this);
        }
        else
        {
            copied = cuda.copy_to_device(address, values.data(), bytes);
        }
        if (copied != 0)
        {
            log_error("IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (weights cannot be copied)");
            return false;
        }
        // On a device the copy of pageable memory may still be under way, and the streams of the product do not wait for it.
        return !ON_DEVICE || cuda.synchronize() == 0;
    }

    float const* values() const noexcept
    {
        return reinterpret_cast<float const*>(mAddress);
    }

private:
    static bool uploads_asynchronously() noexcept
    {
        char const* const told = std::getenv("TRT_SELECT_NVDOUBLE_ASYNC_WEIGHTS");
        return told != nullptr && told[0] != 0;
    }

    static void on_upload(void* block) noexcept
    {
        WeightBlock const& self = *static_cast<WeightBlock*>(block);
        std::memcpy(reinterpret_cast<void*>(self.mAddress), self.mFrom, self.mBytes);
    }

    void* mStream = nullptr;
    void const* mFrom = nullptr;
    size_t mBytes = 0;
    unsigned long long mAddress = 0;
    nv::IGpuAllocator* mAllocator = nullptr;
    bool mAsync = false;
};

class Context final : public nv::IExecutionContext
{
public:
    explicit Context(Engine& engine) noexcept;
    ~Context() noexcept override;

    struct Table final : nv::apiv::VExecutionContextRest
    {
        explicit Table(Context& context)
            : context(context)
        {
        }
        nv::IExecutionContext* getPImpl() noexcept
        {
            return &context;
        }
        void setDeviceMemory(void* memory) noexcept override;
        void setDeviceMemoryV2(void* memory, int64_t size) noexcept;
#if TRTSEL_DOUBLE_NAMES
        bool setInputShape(char const* name, nv::Dims const& dims) noexcept override;
        nv::Dims getTensorShape(char const* name) const noexcept override;
        bool setTensorAddress(char const* name, void* data) noexcept override;
        bool enqueueV3(cudaStream_t stream) noexcept override;
#else
        bool setBindingDimensions(int32_t index, nv::Dims dims) noexcept override;
        nv::Dims getBindingDimensions(int32_t index) const noexcept override;
        bool enqueueV2(void* const* bindings, cudaStream_t stream, cudaEvent_t* consumed) noexcept override;
#endif
        Context& context;
    };

    bool set_shape(bool is_input, nv::Dims const& dims, char const* call) noexcept;
    nv::Dims shape(int tensor) const noexcept;
    bool enqueue(cudaStream_t stream, char const* call) noexcept;

    // For RTX: whether kernels for the shapes at hand are made in the background.
    bool is_lazy = TRTSEL_DOUBLE_RTX;

    // The two halves of the network on the device. Between them other work may run, but none that uses the same block.
    void begin() noexcept;
    void finish() noexcept;

    // Used with --device alone.
    DeviceKernels kernels;

private:
    Engine& mEngine;
    Table mTable;
    std::atomic<bool> mBusy{false};
    uint8_t* mActivation = nullptr;
    uint64_t mActivationBytes = 0;
    void* mAddresses[3] = {};
    bool mShaped;
    uint8_t mPattern;
};

class Engine final : public nv::ICudaEngine
{
public:
    Engine(Runtime& runtime, ToyPlan&& plan) noexcept;
    ~Engine() noexcept override;
    bool upload() noexcept;

    struct Table final : nv::apiv::VCudaEngineRest
    {
        explicit Table(Engine& engine)
            : engine(engine)
        {
        }
        nv::ICudaEngine* getPImpl() noexcept
        {
            return &engine;
        }
#if TRTSEL_DOUBLE_VERSIONED
        nv::IExecutionContext* createExecutionContext(nv::ExecutionContextAllocationStrategy strategy) noexcept override;
#else
        nv::IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept override;
#endif
#if TRTSEL_DOUBLE_RTX
        nv::IExecutionContext* createExecutionContextWithRuntimeConfig(nv::IRuntimeConfig* config) noexcept override;
        nv::IRuntimeConfig* createRuntimeConfig() noexcept override;
#endif
#if TRTSEL_DOUBLE_NAMES
        int32_t getNbIOTensors() const noexcept override;
        char const* getIOTensorName(int32_t index) const noexcept override;
        nv::Dims getTensorShape(char const* name) const noexcept override;
        nv::DataType getTensorDataType(char const* name) const noexcept override;
        nv::TensorIOMode getTensorIOMode(char const* name) const noexcept override;
        nv::TensorFormat getTensorFormat(char const* name) const noexcept override;
        nv::TensorLocation getTensorLocation(char const* name) const noexcept override;
        bool isShapeInferenceIO(char const* name) const noexcept override;
#else
        int32_t getNbBindings() const noexcept override;
        char const* getBindingName(int32_t index) const noexcept override;
        bool bindingIsInput(int32_t index) const noexcept override;
        nv::Dims getBindingDimensions(int32_t index) const noexcept override;
        nv::DataType getBindingDataType(int32_t index) const noexcept override;
        nv::TensorLocation getLocation(int32_t index) const noexcept override;
        nv::TensorFormat getBindingFormat(int32_t index) const noexcept override;
        bool isShapeBinding(int32_t index) const noexcept override;
#endif
        int32_t getNbOptimizationProfiles() const noexcept override;
        size_t getDeviceMemorySize() const noexcept;
        int64_t getDeviceMemorySizeV2() const noexcept;
        Engine& engine;
    };

    // 0 is the input, 1 the output, 2 another output, -1 no tensor.
    int tensor(char const* name) const noexcept
    {
        for (int i = 0; name != nullptr && i < plan.count; ++i)
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

    struct Table final : nv::apiv::VRuntimeRest
    {
        explicit Table(Runtime& runtime)
            : runtime(runtime)
        {
        }
        nv::IRuntime* getPImpl() noexcept
        {
            return &runtime;
        }
#if TRTSEL_DOUBLE_VERSIONED
        nv::ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept override
        {
            return runtime.deserialize(blob, size);
        }
#else
        nv::ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size, nv::IPluginFactory*) noexcept override
        {
            return runtime.deserialize(blob, size);
        }
#endif
        void setGpuAllocator(nv::IGpuAllocator* allocator) noexcept override
        {
            fails(Call::setGpuAllocator);
            runtime.allocator = allocator;
        }
        nv::IRuntime* loadRuntime(char const* path) noexcept;
        void setEngineHostCodeAllowed(bool allowed) noexcept
        {
            fails(Call::setEngineHostCodeAllowed);
            runtime.host_code = allowed;
        }
        Runtime& runtime;
    };

    nv::ICudaEngine* deserialize(void const* blob, std::size_t size) noexcept;

    nv::IGpuAllocator* allocator = nullptr;
    std::atomic<int64_t> engines{0};
    // Whether code that a plan brings with it may run.
    bool host_code = false;
    // The major version of the lean runtime that this one stands for; 0 for the library's own runtime.
    int32_t lean_major = 0;

private:
    std::atomic<bool> mBusy{false};
    Table mTable;
};
} // namespace trtsel_nvdouble
