// A double of TensorRT's library for tests: what all its files share. It is compiled against TensorRT's own headers, so
// its tables are laid out as the real ones are. See ../toy-plan.md for what it runs.
#pragma once

#include "NvInfer.h"

#include <atomic>
#include <cstdint>

#ifdef TRT_MAJOR_RTX
#define TRTSEL_DOUBLE_RTX 1
#else
#define TRTSEL_DOUBLE_RTX 0
#endif

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace nv = nvinfer1;

namespace trtsel_nvdouble
{
// The calls that are counted, and whether they can fail: what is told to fail answers as TensorRT does, and logs an error.
#define TRTSEL_NVDOUBLE_CALLS(CALL) \
    CALL(createInferRuntime, true) \
    CALL(setGpuAllocator, false) \
    CALL(deserializeCudaEngine, true) \
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

// A call that the product does not make.
void unexpected(char const* name) noexcept;

// Whether `trtsel_nvdouble_opened` was called: addresses are bound by then.
bool opened() noexcept;

// Keeps the logger of the first runtime, as TensorRT does.
void take_logger(nv::ILogger* logger) noexcept;

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
    int (*create_stream)(void** stream, unsigned flags);
    int (*destroy_stream)(void* stream);
};

// Null if there is no driver; says so in the log as TensorRT does.
Driver const* driver() noexcept;
} // namespace trtsel_nvdouble

using namespace trtsel_nvdouble;
