// A double of TensorRT's library for tests: what all its files share. It is compiled against the headers of one version: NVIDIA's own, so
// that its tables are laid out as the real ones are, or our declarations in ../headers. See ../toy-plan.md for what it runs.
#pragma once

#include "NvInfer.h"

#include <atomic>
#include <cstdint>

// What the version has. RTX branched off after 10.
#ifdef TRT_MAJOR_RTX
#define TRTSEL_DOUBLE_RTX 1
#define TRTSEL_DOUBLE_AT_LEAST(major, minor) 1
#else
#define TRTSEL_DOUBLE_RTX 0
#define TRTSEL_DOUBLE_AT_LEAST(major, minor) \
    (NV_TENSORRT_MAJOR > (major) || (NV_TENSORRT_MAJOR == (major) && NV_TENSORRT_MINOR >= (minor)))
#endif
#define TRTSEL_DOUBLE_NAMES TRTSEL_DOUBLE_AT_LEAST(8, 5)
#define TRTSEL_DOUBLE_COMPATIBLE (TRTSEL_DOUBLE_AT_LEAST(8, 6) && !TRTSEL_DOUBLE_RTX)
#define TRTSEL_DOUBLE_VERSIONED TRTSEL_DOUBLE_AT_LEAST(10, 0)
#define TRTSEL_DOUBLE_MEMORY_V2 TRTSEL_DOUBLE_AT_LEAST(10, 1)
#define TRTSEL_DOUBLE_11 TRTSEL_DOUBLE_AT_LEAST(11, 0)

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace nv = nvinfer1;

namespace trtsel_nvdouble
{
// The calls that are counted, and whether they can fail: what is told to fail answers as TensorRT does, and logs an error.
#define TRTSEL_NVDOUBLE_CALLS(CALL) \
    CALL(createInferRuntime, true) \
    CALL(setGpuAllocator, false) \
    CALL(loadRuntime, true) \
    CALL(setEngineHostCodeAllowed, false) \
    CALL(initLibNvInferPlugins, false) \
    CALL(deserializeCudaEngine, true) \
    CALL(getNbBindings, false) \
    CALL(getBindingName, true) \
    CALL(getBindingDimensions, true) \
    CALL(getDeviceMemorySize, false) \
    CALL(setBindingDimensions, true) \
    CALL(contextGetBindingDimensions, true) \
    CALL(createExecutionContextWithoutDeviceMemory, true) \
    CALL(createExecutionContextWithRuntimeConfig, true) \
    CALL(enqueueV2, true) \
    CALL(createInferBuilder, true) \
    CALL(buildSerializedNetwork, true) \
    CALL(getNbIOTensors, false) \
    CALL(getIOTensorName, true) \
    CALL(getTensorShape, true) \
    CALL(getTensorDataType, false) \
    CALL(getTensorIOMode, false) \
    CALL(getTensorFormat, false) \
    CALL(getTensorLocation, false) \
    CALL(isShapeInferenceIO, false) \
    CALL(getNbOptimizationProfiles, false) \
    CALL(getDeviceMemorySizeV2, true) \
    CALL(createExecutionContext, true) \
    CALL(setDeviceMemory, true) \
    CALL(setDeviceMemoryV2, true) \
    CALL(setTensorAddress, true) \
    CALL(setInputShape, true) \
    CALL(contextGetTensorShape, true) \
    CALL(enqueueV3, true) \
    CALL(destroyRuntime, false) \
    CALL(destroyEngine, false) \
    CALL(destroyContext, false)

enum class Call : int
{
#define TRTSEL_NVDOUBLE_NAME(name, fails) name,
    TRTSEL_NVDOUBLE_CALLS(TRTSEL_NVDOUBLE_NAME)
#undef TRTSEL_NVDOUBLE_NAME
        COUNT
};

enum class Kind : int
{
    runtimes,
    engines,
    contexts,
    weight_blocks,
    COUNT
};

// Counts a call; true if it is the one that was told to fail.
bool fails(Call call) noexcept;

void live(Kind kind, int64_t change) noexcept;

// Something that a correct program does not do.
void misuse(char const* text) noexcept;

// Whether a runtime or a builder may be made for a caller of this version. Where TensorRT 8 finds no driver, the real calls end in a fault
// of memory; this one then ends the process too.
bool may_begin(int32_t version, char const* call) noexcept;

// A call that the product does not make.
void unexpected(char const* name) noexcept;

// Whether `trtsel_nvdouble_opened` was called: addresses are bound by then.
bool opened() noexcept;

// Keeps the logger of the first runtime or builder, as TensorRT does.
void take_logger(nv::ILogger* logger) noexcept;

// Whether the plugins' library was told to register what it has.
bool has_plugins() noexcept;

// What the last build was asked for: see trtsel_nvdouble_build.
struct Build
{
    uint64_t workspace;
    uint64_t fp16;
    uint64_t version_compatible;
    uint64_t exclude_lean;
    uint64_t tactic_sources;
    uint64_t had_timing_cache;
    uint64_t profiles;
    uint64_t target;
};
extern Build g_build;

void log_error(char const* text) noexcept;

// The activation memory that a context has; null where it goes.
void activation(void const* context, void const* memory, uint64_t bytes) noexcept;

// The driver's calls that the double makes, from whatever library of the driver the process has.
struct Driver
{
    int (*launch_host_function)(void* stream, void (*function)(void*), void* user);
    int (*copy_to_device)(unsigned long long to, void const* from, size_t bytes);
    int (*allocate)(unsigned long long* address, size_t bytes);
    int (*release)(unsigned long long address);
    // Null where the driver has no graphs.
    int (*is_capturing)(void* stream, int* status);
    // For uploads of weights on a stream of the library's own, which a test asks for.
    int (*create_stream)(void** stream, unsigned flags);
    int (*destroy_stream)(void* stream);
    // What kernels of its own need (build-libnvinfer --device).
    int (*synchronize)();
    int (*module_load)(void** module, void const* ptx);
    int (*module_unload)(void* module);
    int (*get_function)(void** function, void* module, char const* name);
    int (*launch)(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
        unsigned shared_bytes, void* stream, void** arguments, void** extra);
    int (*host_allocate)(void** memory, size_t bytes, unsigned flags);
    int (*host_pointer)(unsigned long long* address, void* memory, unsigned flags);
    int (*host_release)(void* memory);
};

// Null if there is no driver; says so in the log as TensorRT does.
Driver const* driver() noexcept;
} // namespace trtsel_nvdouble

using namespace trtsel_nvdouble;
