// The part of TensorRT's C++ interface that the shim and its double use, for the lines 8.2-8.4, 8.5-8.6 and 10. Declarations of our own,
// written from NVIDIA's published API documentation, so that the shim's code for these lines is compiled and run where NVIDIA's headers
// are not at hand. They fit the double of TensorRT's library and nothing else: tables are laid out as they stand here, not as NVIDIA's, so
// never build a product with them. tests/doubles/lines also takes NVIDIA's own headers (TENSORRT_HEADERS).
//
// As in NVIDIA's, a class that users call forwards to a table in `apiv`, which the library implements.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda_runtime_api.h"

#define TRTSEL_OWN_HEADERS 1
#define TRTSEL_OWN_NAMES (NV_TENSORRT_MAJOR > 8 || NV_TENSORRT_MINOR >= 5)
#define TRTSEL_OWN_COMPATIBLE (NV_TENSORRT_MAJOR > 8 || NV_TENSORRT_MINOR >= 6)
#define TRTSEL_OWN_10 (NV_TENSORRT_MAJOR >= 10)

namespace nvinfer1
{
using AsciiChar = char;
using AllocatorFlags = uint32_t;
using NetworkDefinitionCreationFlags = uint32_t;
using TacticSources = uint32_t;

enum class DataType : int32_t { kFLOAT = 0, kHALF = 1, kINT8 = 2, kINT32 = 3, kBOOL = 4 };
enum class TensorFormat : int32_t { kLINEAR = 0, kCHW2 = 1 };
enum class TensorLocation : int32_t { kDEVICE = 0, kHOST = 1 };
enum class TensorIOMode : int32_t { kNONE = 0, kINPUT = 1, kOUTPUT = 2 };
enum class OptProfileSelector : int32_t { kMIN = 0, kOPT = 1, kMAX = 2 };
enum class NetworkDefinitionCreationFlag : int32_t { kEXPLICIT_BATCH = 0 };
enum class ExecutionContextAllocationStrategy : int32_t { kSTATIC = 0, kON_PROFILE_CHANGE = 1, kUSER_MANAGED = 2 };
enum class MemoryPoolType : int32_t { kWORKSPACE = 0 };
enum class TacticSource : int32_t { kCUBLAS = 0, kCUBLAS_LT = 1, kCUDNN = 2, kEDGE_MASK_CONVOLUTIONS = 3, kJIT_CONVOLUTIONS = 4 };
enum class BuilderFlag : int32_t { kFP16 = 0, kVERSION_COMPATIBLE = 16, kEXCLUDE_LEAN_RUNTIME = 17 };

struct Dims
{
    static constexpr int32_t MAX_DIMS = 8;
    int32_t nbDims;
#if TRTSEL_OWN_10
    int64_t d[MAX_DIMS];
#else
    int32_t d[MAX_DIMS];
#endif
};

class ILogger
{
public:
    enum class Severity : int32_t { kINTERNAL_ERROR = 0, kERROR = 1, kWARNING = 2, kINFO = 3, kVERBOSE = 4 };
    virtual void log(Severity severity, AsciiChar const* message) noexcept = 0;
    virtual ~ILogger() = default;
};

class IGpuAllocator
{
public:
    virtual void* allocate(uint64_t size, uint64_t alignment, AllocatorFlags flags) noexcept = 0;
    virtual ~IGpuAllocator() = default;
#if TRTSEL_OWN_10
    virtual bool deallocate(void* memory) noexcept = 0;
    virtual void* allocateAsync(uint64_t size, uint64_t alignment, AllocatorFlags flags, cudaStream_t) noexcept
    {
        return allocate(size, alignment, flags);
    }
    virtual bool deallocateAsync(void* memory, cudaStream_t) noexcept
    {
        return deallocate(memory);
    }
#else
    virtual void free(void* memory) noexcept = 0;
    virtual bool deallocate(void* memory) noexcept
    {
        this->free(memory);
        return true;
    }
#endif
};

#if TRTSEL_OWN_10
class IProgressMonitor
{
public:
    virtual void phaseStart(char const* phase, char const* parent, int32_t steps) noexcept = 0;
    virtual bool stepComplete(char const* phase, int32_t step) noexcept = 0;
    virtual void phaseFinish(char const* phase) noexcept = 0;
    virtual ~IProgressMonitor() = default;
};
#endif

class ICudaEngine;
class IExecutionContext;
class IHostMemory;
class IRuntime;
class ITensor;
class INetworkDefinition;
class IOptimizationProfile;
class ITimingCache;
class IBuilderConfig;
class IPluginFactory;

namespace apiv
{
class VRoot
{
public:
    virtual ~VRoot() noexcept = default;
};

class VHostMemory : public VRoot
{
public:
    virtual void* data() const noexcept = 0;
    virtual std::size_t size() const noexcept = 0;
};

class VRuntime : public VRoot
{
public:
#if TRTSEL_OWN_10
    virtual ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept = 0;
#else
    virtual ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size, IPluginFactory* factory) noexcept = 0;
#endif
    virtual void setGpuAllocator(IGpuAllocator* allocator) noexcept = 0;
    virtual int32_t getNbDLACores() const noexcept = 0;
#if TRTSEL_OWN_COMPATIBLE
    virtual IRuntime* loadRuntime(char const* path) noexcept = 0;
    virtual void setEngineHostCodeAllowed(bool allowed) noexcept = 0;
#endif
};

class VCudaEngine : public VRoot
{
public:
#if TRTSEL_OWN_10
    virtual IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy strategy) noexcept = 0;
    virtual int64_t getDeviceMemorySizeV2() const noexcept = 0;
#else
    virtual IExecutionContext* createExecutionContext() noexcept = 0;
    virtual IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept = 0;
    virtual int32_t getNbBindings() const noexcept = 0;
    virtual char const* getBindingName(int32_t index) const noexcept = 0;
    virtual bool bindingIsInput(int32_t index) const noexcept = 0;
    virtual Dims getBindingDimensions(int32_t index) const noexcept = 0;
    virtual DataType getBindingDataType(int32_t index) const noexcept = 0;
    virtual TensorLocation getLocation(int32_t index) const noexcept = 0;
    virtual TensorFormat getBindingFormat(int32_t index) const noexcept = 0;
    virtual bool isShapeBinding(int32_t index) const noexcept = 0;
#endif
    virtual std::size_t getDeviceMemorySize() const noexcept = 0;
    virtual int32_t getNbOptimizationProfiles() const noexcept = 0;
#if TRTSEL_OWN_NAMES
    virtual int32_t getNbIOTensors() const noexcept = 0;
    virtual char const* getIOTensorName(int32_t index) const noexcept = 0;
    virtual Dims getTensorShape(char const* name) const noexcept = 0;
    virtual DataType getTensorDataType(char const* name) const noexcept = 0;
    virtual TensorIOMode getTensorIOMode(char const* name) const noexcept = 0;
    virtual TensorFormat getTensorFormat(char const* name) const noexcept = 0;
    virtual TensorLocation getTensorLocation(char const* name) const noexcept = 0;
    virtual bool isShapeInferenceIO(char const* name) const noexcept = 0;
#endif
};

class VExecutionContext : public VRoot
{
public:
    virtual void setDeviceMemory(void* memory) noexcept = 0;
#if !TRTSEL_OWN_10
    virtual bool setBindingDimensions(int32_t index, Dims dims) noexcept = 0;
    virtual Dims getBindingDimensions(int32_t index) const noexcept = 0;
    virtual bool enqueueV2(void* const* bindings, cudaStream_t stream, cudaEvent_t* consumed) noexcept = 0;
#else
    virtual void setDeviceMemoryV2(void* memory, int64_t size) noexcept = 0;
#endif
#if TRTSEL_OWN_NAMES
    virtual bool setInputShape(char const* name, Dims const& dims) noexcept = 0;
    virtual Dims getTensorShape(char const* name) const noexcept = 0;
    virtual bool setTensorAddress(char const* name, void* data) noexcept = 0;
    virtual bool enqueueV3(cudaStream_t stream) noexcept = 0;
#endif
};

class VTensor : public VRoot
{
public:
    virtual char const* getName() const noexcept = 0;
#if TRTSEL_OWN_10
    virtual void setDimensions(Dims const& dims) noexcept = 0;
#else
    virtual void setDimensions(Dims dims) noexcept = 0;
#endif
    virtual Dims getDimensions() const noexcept = 0;
};

class VNetworkDefinition : public VRoot
{
public:
    virtual int32_t getNbInputs() const noexcept = 0;
    virtual ITensor* getInput(int32_t index) const noexcept = 0;
};

class VOptimizationProfile : public VRoot
{
public:
#if TRTSEL_OWN_10
    virtual bool setDimensions(char const* input, OptProfileSelector select, Dims const& dims) noexcept = 0;
#else
    virtual bool setDimensions(char const* input, OptProfileSelector select, Dims dims) noexcept = 0;
#endif
};

class VTimingCache : public VRoot
{
public:
    virtual IHostMemory* serialize() const noexcept = 0;
};

class VBuilderConfig : public VRoot
{
public:
    virtual void setFlag(BuilderFlag flag) noexcept = 0;
    virtual int32_t addOptimizationProfile(IOptimizationProfile const* profile) noexcept = 0;
    virtual bool setTacticSources(TacticSources sources) noexcept = 0;
    virtual TacticSources getTacticSources() const noexcept = 0;
    virtual ITimingCache* createTimingCache(void const* blob, std::size_t size) const noexcept = 0;
    virtual bool setTimingCache(ITimingCache const& cache, bool ignoreMismatch) noexcept = 0;
    virtual ITimingCache const* getTimingCache() const noexcept = 0;
#if TRTSEL_OWN_NAMES
    virtual void setMemoryPoolLimit(MemoryPoolType pool, std::size_t size) noexcept = 0;
#endif
#if TRTSEL_OWN_10
    virtual void setProgressMonitor(IProgressMonitor* monitor) noexcept = 0;
#else
    virtual void setMaxWorkspaceSize(std::size_t size) noexcept = 0;
#endif
};

class VBuilder : public VRoot
{
public:
    virtual IBuilderConfig* createBuilderConfig() noexcept = 0;
    virtual INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept = 0;
    virtual IOptimizationProfile* createOptimizationProfile() noexcept = 0;
    virtual IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept = 0;
};
} // namespace apiv

class INoCopy
{
protected:
    INoCopy() = default;
    virtual ~INoCopy() = default;
    INoCopy(INoCopy const&) = delete;
    INoCopy& operator=(INoCopy const&) = delete;
};

class IHostMemory : public INoCopy
{
public:
    ~IHostMemory() noexcept override = default;
    void* data() const noexcept { return mImpl->data(); }
    std::size_t size() const noexcept { return mImpl->size(); }

protected:
    apiv::VHostMemory* mImpl;
};

class IRuntime : public INoCopy
{
public:
    ~IRuntime() noexcept override = default;
#if TRTSEL_OWN_10
    ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept { return mImpl->deserializeCudaEngine(blob, size); }
#else
    ICudaEngine* deserializeCudaEngine(void const* blob, std::size_t size) noexcept { return mImpl->deserializeCudaEngine(blob, size, nullptr); }
#endif
    void setGpuAllocator(IGpuAllocator* allocator) noexcept { mImpl->setGpuAllocator(allocator); }
#if TRTSEL_OWN_COMPATIBLE
    IRuntime* loadRuntime(char const* path) noexcept { return mImpl->loadRuntime(path); }
    void setEngineHostCodeAllowed(bool allowed) noexcept { mImpl->setEngineHostCodeAllowed(allowed); }
#endif

protected:
    apiv::VRuntime* mImpl;
};

class ICudaEngine : public INoCopy
{
public:
    ~ICudaEngine() noexcept override = default;
#if TRTSEL_OWN_10
    IExecutionContext* createExecutionContext(ExecutionContextAllocationStrategy s = ExecutionContextAllocationStrategy::kSTATIC) noexcept
    {
        return mImpl->createExecutionContext(s);
    }
    int64_t getDeviceMemorySizeV2() const noexcept { return mImpl->getDeviceMemorySizeV2(); }
#else
    IExecutionContext* createExecutionContext() noexcept { return mImpl->createExecutionContext(); }
    IExecutionContext* createExecutionContextWithoutDeviceMemory() noexcept { return mImpl->createExecutionContextWithoutDeviceMemory(); }
    int32_t getNbBindings() const noexcept { return mImpl->getNbBindings(); }
    char const* getBindingName(int32_t index) const noexcept { return mImpl->getBindingName(index); }
    bool bindingIsInput(int32_t index) const noexcept { return mImpl->bindingIsInput(index); }
    Dims getBindingDimensions(int32_t index) const noexcept { return mImpl->getBindingDimensions(index); }
    DataType getBindingDataType(int32_t index) const noexcept { return mImpl->getBindingDataType(index); }
    TensorLocation getLocation(int32_t index) const noexcept { return mImpl->getLocation(index); }
    TensorFormat getBindingFormat(int32_t index) const noexcept { return mImpl->getBindingFormat(index); }
    bool isShapeBinding(int32_t index) const noexcept { return mImpl->isShapeBinding(index); }
#endif
    std::size_t getDeviceMemorySize() const noexcept { return mImpl->getDeviceMemorySize(); }
    int32_t getNbOptimizationProfiles() const noexcept { return mImpl->getNbOptimizationProfiles(); }
#if TRTSEL_OWN_NAMES
    int32_t getNbIOTensors() const noexcept { return mImpl->getNbIOTensors(); }
    char const* getIOTensorName(int32_t index) const noexcept { return mImpl->getIOTensorName(index); }
    Dims getTensorShape(char const* name) const noexcept { return mImpl->getTensorShape(name); }
    DataType getTensorDataType(char const* name) const noexcept { return mImpl->getTensorDataType(name); }
    TensorIOMode getTensorIOMode(char const* name) const noexcept { return mImpl->getTensorIOMode(name); }
    TensorFormat getTensorFormat(char const* name) const noexcept { return mImpl->getTensorFormat(name); }
    TensorLocation getTensorLocation(char const* name) const noexcept { return mImpl->getTensorLocation(name); }
    bool isShapeInferenceIO(char const* name) const noexcept { return mImpl->isShapeInferenceIO(name); }
#endif

protected:
    apiv::VCudaEngine* mImpl;
};

class IExecutionContext : public INoCopy
{
public:
    ~IExecutionContext() noexcept override = default;
    void setDeviceMemory(void* memory) noexcept { mImpl->setDeviceMemory(memory); }
#if !TRTSEL_OWN_10
    bool setBindingDimensions(int32_t index, Dims dims) noexcept { return mImpl->setBindingDimensions(index, dims); }
    Dims getBindingDimensions(int32_t index) const noexcept { return mImpl->getBindingDimensions(index); }
    bool enqueueV2(void* const* bindings, cudaStream_t stream, cudaEvent_t* consumed) noexcept
    {
        return mImpl->enqueueV2(bindings, stream, consumed);
    }
#else
    void setDeviceMemoryV2(void* memory, int64_t size) noexcept { mImpl->setDeviceMemoryV2(memory, size); }
#endif
#if TRTSEL_OWN_NAMES
    bool setInputShape(char const* name, Dims const& dims) noexcept { return mImpl->setInputShape(name, dims); }
    Dims getTensorShape(char const* name) const noexcept { return mImpl->getTensorShape(name); }
    bool setTensorAddress(char const* name, void* data) noexcept { return mImpl->setTensorAddress(name, data); }
    bool enqueueV3(cudaStream_t stream) noexcept { return mImpl->enqueueV3(stream); }
#endif

protected:
    apiv::VExecutionContext* mImpl;
};

class ITensor : public INoCopy
{
public:
    char const* getName() const noexcept { return mImpl->getName(); }
#if TRTSEL_OWN_10
    void setDimensions(Dims const& dims) noexcept { mImpl->setDimensions(dims); }
#else
    void setDimensions(Dims dims) noexcept { mImpl->setDimensions(dims); }
#endif
    Dims getDimensions() const noexcept { return mImpl->getDimensions(); }

protected:
    apiv::VTensor* mImpl;
    ~ITensor() noexcept override = default;
};

class INetworkDefinition : public INoCopy
{
public:
    ~INetworkDefinition() noexcept override = default;
    int32_t getNbInputs() const noexcept { return mImpl->getNbInputs(); }
    ITensor* getInput(int32_t index) const noexcept { return mImpl->getInput(index); }

protected:
    apiv::VNetworkDefinition* mImpl;
};

class IOptimizationProfile : public INoCopy
{
public:
    bool setDimensions(char const* input, OptProfileSelector select, Dims const& dims) noexcept
    {
        return mImpl->setDimensions(input, select, dims);
    }

protected:
    apiv::VOptimizationProfile* mImpl;
    ~IOptimizationProfile() noexcept override = default;
};

class ITimingCache : public INoCopy
{
public:
    ~ITimingCache() noexcept override = default;
    IHostMemory* serialize() const noexcept { return mImpl->serialize(); }

protected:
    apiv::VTimingCache* mImpl;
};

class IBuilderConfig : public INoCopy
{
public:
    ~IBuilderConfig() noexcept override = default;
    void setFlag(BuilderFlag flag) noexcept { mImpl->setFlag(flag); }
    int32_t addOptimizationProfile(IOptimizationProfile const* profile) noexcept { return mImpl->addOptimizationProfile(profile); }
    bool setTacticSources(TacticSources sources) noexcept { return mImpl->setTacticSources(sources); }
    TacticSources getTacticSources() const noexcept { return mImpl->getTacticSources(); }
    ITimingCache* createTimingCache(void const* blob, std::size_t size) const noexcept { return mImpl->createTimingCache(blob, size); }
    bool setTimingCache(ITimingCache const& cache, bool ignoreMismatch) noexcept { return mImpl->setTimingCache(cache, ignoreMismatch); }
    ITimingCache const* getTimingCache() const noexcept { return mImpl->getTimingCache(); }
#if TRTSEL_OWN_NAMES
    void setMemoryPoolLimit(MemoryPoolType pool, std::size_t size) noexcept { mImpl->setMemoryPoolLimit(pool, size); }
#endif
#if TRTSEL_OWN_10
    void setProgressMonitor(IProgressMonitor* monitor) noexcept { mImpl->setProgressMonitor(monitor); }
#else
    void setMaxWorkspaceSize(std::size_t size) noexcept { mImpl->setMaxWorkspaceSize(size); }
#endif

protected:
    apiv::VBuilderConfig* mImpl;
};

class IBuilder : public INoCopy
{
public:
    ~IBuilder() noexcept override = default;
    IBuilderConfig* createBuilderConfig() noexcept { return mImpl->createBuilderConfig(); }
    INetworkDefinition* createNetworkV2(NetworkDefinitionCreationFlags flags) noexcept { return mImpl->createNetworkV2(flags); }
    IOptimizationProfile* createOptimizationProfile() noexcept { return mImpl->createOptimizationProfile(); }
    IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept
    {
        return mImpl->buildSerializedNetwork(network, config);
    }

protected:
    apiv::VBuilder* mImpl;
};
} // namespace nvinfer1
