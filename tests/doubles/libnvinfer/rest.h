// The calls of TensorRT's tables that the product does not make, in the order of the headers. Each counts as misuse.
#pragma once

#include "state.h"

#include <cstdlib>

namespace trtsel_nvdouble
{
class RuntimeRest : public nv::apiv::VRuntime
{
public:
    void setDLACore(int32_t) noexcept override { unexpected("setDLACore"); }
    int32_t getDLACore() const noexcept override { unexpected("getDLACore"); return {}; }
    int32_t getNbDLACores() const noexcept override { unexpected("getNbDLACores"); return {}; }
    void setErrorRecorder(nv::IErrorRecorder*) noexcept override { unexpected("setErrorRecorder"); }
    nv::IErrorRecorder* getErrorRecorder() const noexcept override { unexpected("getErrorRecorder"); return {}; }
    nv::ILogger* getLogger() const noexcept override { unexpected("getLogger"); return {}; }
    bool setMaxThreads(int32_t) noexcept override { unexpected("setMaxThreads"); return {}; }
    int32_t getMaxThreads() const noexcept override { unexpected("getMaxThreads"); return {}; }
    void setTemporaryDirectory(char const*) noexcept override { unexpected("setTemporaryDirectory"); }
    char const* getTemporaryDirectory() const noexcept override { unexpected("getTemporaryDirectory"); return {}; }
    void setTempfileControlFlags(nv::TempfileControlFlags) noexcept override { unexpected("setTempfileControlFlags"); }
    nv::TempfileControlFlags getTempfileControlFlags() const noexcept override { unexpected("getTempfileControlFlags"); return {}; }
    nv::IPluginRegistry& getPluginRegistry() noexcept override { unexpected("getPluginRegistry"); abort(); }
    void setPluginRegistryParent(nv::IPluginRegistry*) noexcept override { unexpected("setPluginRegistryParent"); }
    nv::IRuntime* loadRuntime(char const*) noexcept override { unexpected("loadRuntime"); return {}; }
    void setEngineHostCodeAllowed(bool) noexcept override { unexpected("setEngineHostCodeAllowed"); }
    bool getEngineHostCodeAllowed() const noexcept override { unexpected("getEngineHostCodeAllowed"); return {}; }
    nv::ICudaEngine* deserializeCudaEngineV2(nv::IStreamReaderV2&) noexcept override { unexpected("deserializeCudaEngineV2"); return {}; }
#if TRTSEL_DOUBLE_RTX
    int64_t getEngineHeaderSize() const noexcept override { unexpected("getEngineHeaderSize"); return {}; }
    nv::EngineValidity getEngineValidity(void const*, int64_t, uint64_t*) const noexcept override { unexpected("getEngineValidity"); return {}; }
    void setDeferredWeightsLoading(bool) noexcept override { unexpected("setDeferredWeightsLoading"); }
    bool getDeferredWeightsLoading() const noexcept override { unexpected("getDeferredWeightsLoading"); return {}; }
#endif
    bool setDLAWorkspaceAllocationStrategy(nv::DLAWorkspaceAllocationStrategy) noexcept override { unexpected("setDLAWorkspaceAllocationStrategy"); return {}; }
    nv::DLAWorkspaceAllocationStrategy getDLAWorkspaceAllocationStrategy() const noexcept override { unexpected("getDLAWorkspaceAllocationStrategy"); return {}; }
};

class CudaEngineRest : public nv::apiv::VCudaEngine
{
public:
    int32_t getNbLayers() const noexcept override { unexpected("getNbLayers"); return {}; }
    nv::IHostMemory* serialize() const noexcept override { unexpected("serialize"); return {}; }
    bool isRefittable() const noexcept override { unexpected("isRefittable"); return {}; }
    char const* getName() const noexcept override { unexpected("getName"); return {}; }
    nv::EngineCapability getEngineCapability() const noexcept override { unexpected("getEngineCapability"); return {}; }
    void setErrorRecorder(nv::IErrorRecorder*) noexcept override { unexpected("setErrorRecorder"); }
    nv::IErrorRecorder* getErrorRecorder() const noexcept override { unexpected("getErrorRecorder"); return {}; }
    nv::TacticSources getTacticSources() const noexcept override { unexpected("getTacticSources"); return {}; }
    nv::ProfilingVerbosity getProfilingVerbosity() const noexcept override { unexpected("getProfilingVerbosity"); return {}; }
    nv::IEngineInspector* createEngineInspector() const noexcept override { unexpected("createEngineInspector"); return {}; }
    int32_t getTensorBytesPerComponent(char const*) const noexcept override { unexpected("getTensorBytesPerComponent"); return {}; }
    int32_t getTensorComponentsPerElement(char const*) const noexcept override { unexpected("getTensorComponentsPerElement"); return {}; }
    char const* getTensorFormatDesc(char const*) const noexcept override { unexpected("getTensorFormatDesc"); return {}; }
    int32_t getTensorVectorizedDim(char const*) const noexcept override { unexpected("getTensorVectorizedDim"); return {}; }
    nv::Dims getProfileShape(char const*, int32_t, nv::OptProfileSelector) const noexcept override { unexpected("getProfileShape"); return {}; }
    nv::HardwareCompatibilityLevel getHardwareCompatibilityLevel() const noexcept override { unexpected("getHardwareCompatibilityLevel"); return {}; }
    int32_t getNbAuxStreams() const noexcept override { unexpected("getNbAuxStreams"); return {}; }
    int32_t getTensorBytesPerComponentV2(char const*, int32_t) const noexcept override { unexpected("getTensorBytesPerComponentV2"); return {}; }
    int32_t getTensorComponentsPerElementV2(char const*, int32_t) const noexcept override { unexpected("getTensorComponentsPerElementV2"); return {}; }
    nv::TensorFormat getTensorFormatV2(char const*, int32_t) const noexcept override { unexpected("getTensorFormatV2"); return {}; }
    char const* getTensorFormatDescV2(char const*, int32_t) const noexcept override { unexpected("getTensorFormatDescV2"); return {}; }
    int32_t getTensorVectorizedDimV2(char const*, int32_t) const noexcept override { unexpected("getTensorVectorizedDimV2"); return {}; }
    nv::ISerializationConfig* createSerializationConfig() noexcept override { unexpected("createSerializationConfig"); return {}; }
    nv::IHostMemory* serializeWithConfig(nv::ISerializationConfig&) const noexcept override { unexpected("serializeWithConfig"); return {}; }
    nv::IRefitter* createRefitter(nv::ILogger&) noexcept override { unexpected("createRefitter"); return {}; }
    int64_t getStreamableWeightsSize() const noexcept override { unexpected("getStreamableWeightsSize"); return {}; }
    bool isDebugTensor(char const*) const noexcept override { unexpected("isDebugTensor"); return {}; }
    bool setWeightStreamingBudgetV2(int64_t) noexcept override { unexpected("setWeightStreamingBudgetV2"); return {}; }
    int64_t getWeightStreamingBudgetV2() const noexcept override { unexpected("getWeightStreamingBudgetV2"); return {}; }
    int64_t getWeightStreamingAutomaticBudget() const noexcept override { unexpected("getWeightStreamingAutomaticBudget"); return {}; }
    int64_t getWeightStreamingScratchMemorySize() const noexcept override { unexpected("getWeightStreamingScratchMemorySize"); return {}; }
    int64_t getDeviceMemorySizeForProfileV2(int32_t) const noexcept override { unexpected("getDeviceMemorySizeForProfileV2"); return {}; }
    int64_t const* getProfileTensorValuesV2(char const*, int32_t, nv::OptProfileSelector) const noexcept override { unexpected("getProfileTensorValuesV2"); return {}; }
    nv::IExecutionContext* createExecutionContextWithRuntimeConfig(nv::IRuntimeConfig*) noexcept override { unexpected("createExecutionContextWithRuntimeConfig"); return {}; }
    nv::IRuntimeConfig* createRuntimeConfig() noexcept override { unexpected("createRuntimeConfig"); return {}; }
    int64_t getEngineStat(nv::EngineStat) const noexcept override { unexpected("getEngineStat"); return {}; }
    char const* getAliasedInputTensor(char const*) const noexcept override { unexpected("getAliasedInputTensor"); return {}; }
#if TRTSEL_DOUBLE_RTX
    bool areWeightsLoaded() const noexcept override { unexpected("areWeightsLoaded"); return {}; }
    bool loadWeights(void const*, int64_t) noexcept override { unexpected("loadWeights"); return {}; }
    bool loadWeightsAsync(nv::IStreamReaderV2&, cudaStream_t) noexcept override { unexpected("loadWeightsAsync"); return {}; }
    bool unloadWeights() noexcept override { unexpected("unloadWeights"); return {}; }
    nv::IWeightsManager* createWeightsManager() noexcept override { unexpected("createWeightsManager"); return {}; }
#endif
};

class ExecutionContextRest : public nv::apiv::VExecutionContext
{
public:
    void setDebugSync(bool) noexcept override { unexpected("setDebugSync"); }
    bool getDebugSync() const noexcept override { unexpected("getDebugSync"); return {}; }
    void setProfiler(nv::IProfiler*) noexcept override { unexpected("setProfiler"); }
    nv::IProfiler* getProfiler() const noexcept override { unexpected("getProfiler"); return {}; }
    nv::ICudaEngine const& getEngine() const noexcept override { unexpected("getEngine"); abort(); }
    void setName(char const*) noexcept override { unexpected("setName"); }
    char const* getName() const noexcept override { unexpected("getName"); return {}; }
    int32_t getOptimizationProfile() const noexcept override { unexpected("getOptimizationProfile"); return {}; }
    bool allInputDimensionsSpecified() const noexcept override { unexpected("allInputDimensionsSpecified"); return {}; }
    void setErrorRecorder(nv::IErrorRecorder*) noexcept override { unexpected("setErrorRecorder"); }
    nv::IErrorRecorder* getErrorRecorder() const noexcept override { unexpected("getErrorRecorder"); return {}; }
    bool executeV2(void* const*) noexcept override { unexpected("executeV2"); return {}; }
    bool setOptimizationProfileAsync(int32_t, cudaStream_t) noexcept override { unexpected("setOptimizationProfileAsync"); return {}; }
    void setEnqueueEmitsProfile(bool) noexcept override { unexpected("setEnqueueEmitsProfile"); }
    bool getEnqueueEmitsProfile() const noexcept override { unexpected("getEnqueueEmitsProfile"); return {}; }
    bool reportToProfiler() const noexcept override { unexpected("reportToProfiler"); return {}; }
    nv::Dims getTensorStrides(char const*) const noexcept override { unexpected("getTensorStrides"); return {}; }
    void const* getTensorAddress(char const*) const noexcept override { unexpected("getTensorAddress"); return {}; }
    bool setInputTensorAddress(char const*, void const*) noexcept override { unexpected("setInputTensorAddress"); return {}; }
    bool setOutputTensorAddress(char const*, void*) noexcept override { unexpected("setOutputTensorAddress"); return {}; }
    int32_t inferShapes(int32_t, char const**) noexcept override { unexpected("inferShapes"); return {}; }
    bool setInputConsumedEvent(cudaEvent_t) noexcept override { unexpected("setInputConsumedEvent"); return {}; }
    cudaEvent_t getInputConsumedEvent() const noexcept override { unexpected("getInputConsumedEvent"); return {}; }
    void* getOutputTensorAddress(char const*) const noexcept override { unexpected("getOutputTensorAddress"); return {}; }
    bool setOutputAllocator(char const*, nv::IOutputAllocator*) noexcept override { unexpected("setOutputAllocator"); return {}; }
    nv::IOutputAllocator* getOutputAllocator(char const*) noexcept override { unexpected("getOutputAllocator"); return {}; }
    int64_t getMaxOutputSize(char const*) const noexcept override { unexpected("getMaxOutputSize"); return {}; }
    bool setTemporaryStorageAllocator(nv::IGpuAllocator*) noexcept override { unexpected("setTemporaryStorageAllocator"); return {}; }
    nv::IGpuAllocator* getTemporaryStorageAllocator() const noexcept override { unexpected("getTemporaryStorageAllocator"); return {}; }
    void setPersistentCacheLimit(size_t) noexcept override { unexpected("setPersistentCacheLimit"); }
    size_t getPersistentCacheLimit() const noexcept override { unexpected("getPersistentCacheLimit"); return {}; }
    bool setNvtxVerbosity(nv::ProfilingVerbosity) noexcept override { unexpected("setNvtxVerbosity"); return {}; }
    nv::ProfilingVerbosity getNvtxVerbosity() const noexcept override { unexpected("getNvtxVerbosity"); return {}; }
    void setAuxStreams(cudaStream_t*, int32_t) noexcept override { unexpected("setAuxStreams"); }
    bool setDebugListener(nv::IDebugListener*) noexcept override { unexpected("setDebugListener"); return {}; }
    nv::IDebugListener* getDebugListener() noexcept override { unexpected("getDebugListener"); return {}; }
    bool setTensorDebugState(char const*, bool) noexcept override { unexpected("setTensorDebugState"); return {}; }
    bool getDebugState(char const*) const noexcept override { unexpected("getDebugState"); return {}; }
    bool setAllTensorsDebugState(bool) noexcept override { unexpected("setAllTensorsDebugState"); return {}; }
    size_t updateDeviceMemorySizeForShapes() noexcept override { unexpected("updateDeviceMemorySizeForShapes"); return {}; }
    nv::IRuntimeConfig* getRuntimeConfig() const noexcept override { unexpected("getRuntimeConfig"); return {}; }
    bool setUnfusedTensorsDebugState(bool) noexcept override { unexpected("setUnfusedTensorsDebugState"); return {}; }
    bool getUnfusedTensorsDebugState() const noexcept override { unexpected("getUnfusedTensorsDebugState"); return {}; }
#if TRTSEL_DOUBLE_RTX
    bool isStreamCapturable(cudaStream_t) const noexcept override { unexpected("isStreamCapturable"); return {}; }
#endif
    bool setCommunicator(void*) noexcept override { unexpected("setCommunicator"); return {}; }
};
} // namespace trtsel_nvdouble
