// Compiled once per ABI line of TensorRT, from that line's headers, with
//   -DTRTSEL_LINE=<line> -Dnvinfer1=trtsel_nv_<line> -Dnvonnxparser=trtsel_onnx_<line>
// NVIDIA's inline functions and vtables have the same names in every version, but not the same contents. Renaming the
// namespaces keeps the linker from merging those of two lines. Everything of ours is in an anonymous namespace, but for
// the one function at the end.
//
// Nothing of the C++ runtime is needed: no exceptions, no typeinfo, no heap of C++, no static with a constructor or a
// destructor. A Rust static library with this in it links into a C program as well as into a C++ one. build.rs gives the
// flags. TensorRT's own functions are noexcept, but for the ONNX parser's up to 10.x: what throws there ends the process,
// since these frames cannot be unwound.

#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#endif

#include "NvInfer.h"

#if defined(__has_include)
#if __has_include("NvOnnxParser.h")
#define TRTSEL_PARSER 1
// An inline function of 10.1's header catches exceptions, which the flags forbid. It is not called here: its words need
// only be grammatical.
#include <exception>
#include <string>
#include <vector>
#define try
#define catch(declaration) if (declaration = *static_cast<std::exception*>(nullptr); false)
#include "NvOnnxParser.h"
#undef try
#undef catch
#endif
#endif
#ifndef TRTSEL_PARSER
#define TRTSEL_PARSER 0
#endif

// What the line has. RTX counts its versions anew; it branched off after 10.
#ifdef TRT_MAJOR_RTX
#define TRTSEL_RTX 1
#define TRTSEL_AT_LEAST(major, minor) 1
#else
#define TRTSEL_RTX 0
#define TRTSEL_AT_LEAST(major, minor) \
    (NV_TENSORRT_MAJOR > (major) || (NV_TENSORRT_MAJOR == (major) && NV_TENSORRT_MINOR >= (minor)))
#endif
#define TRTSEL_NAMES TRTSEL_AT_LEAST(8, 5)
#define TRTSEL_VERSIONED TRTSEL_AT_LEAST(10, 0)
#define TRTSEL_MEMORY_V2 TRTSEL_AT_LEAST(10, 1)
#define TRTSEL_COMPATIBLE (TRTSEL_AT_LEAST(8, 6) && !TRTSEL_RTX)
// The flag went when networks became strongly typed.
#define TRTSEL_FP16 (!TRTSEL_AT_LEAST(11, 0))

#if TRTSEL_RTX && (NV_TENSORRT_MAJOR != 1 || NV_TENSORRT_MINOR < 5)
#error "TensorRT-RTX: expected headers of 1.5 or a later 1.x"
#elif !TRTSEL_RTX && (!TRTSEL_AT_LEAST(8, 2) || NV_TENSORRT_MAJOR == 9 || NV_TENSORRT_MAJOR > 11)
#error "TensorRT: expected headers of 8.2 to 8.6, 10.x or 11.x"
#endif

namespace nv = nvinfer1;

// The deleting destructors of NVIDIA's interfaces name these. Nothing ever calls them here, and a program without a C++
// runtime has none: weak references make do with nothing.
__asm__(".weak _ZdlPv\n.weak _ZdlPvm\n.weak __cxa_pure_virtual\n");

namespace
{
constexpr int32_t version_int(int32_t major, int32_t minor, int32_t patch)
{
    return 10000 * major + 100 * minor + patch;
}

// Whether TensorRT answered with an object. Some versions answer a small number instead of null where they refuse: lean
// 11.4's createInferRuntime_INTERNAL, on a machine without a driver, gives a null pointer converted to a base class at
// offset 0x228.
bool is_object(void const* answer) noexcept
{
    return reinterpret_cast<uintptr_t>(answer) >= 65536;
}

trtsel_shim_log_fn g_log = nullptr;

// Placement in memory that is never given back; see the head of this file for why not `new`.
struct InPlace
{
    static void* operator new(size_t, void* memory) noexcept
    {
        return memory;
    }
    static void operator delete(void*) noexcept {}
};

class Log final : public nv::ILogger, public InPlace
{
public:
    void log(Severity severity, nv::AsciiChar const* message) noexcept override
    {
        trtsel_shim_log_fn const log = __atomic_load_n(&g_log, __ATOMIC_ACQUIRE);
        if (log != nullptr && message != nullptr)
        {
            log(static_cast<int32_t>(severity), message);
        }
    }
};

// TensorRT keeps the first logger that it is given for as long as the process lives, so there is one, made at first use
// and never destroyed.
Log* logger() noexcept
{
    static Log* made = nullptr;
    Log* present = __atomic_load_n(&made, __ATOMIC_ACQUIRE);
    if (present != nullptr)
    {
        return present;
    }
    void* const memory = malloc(sizeof(Log));
    if (memory == nullptr)
    {
        return nullptr;
    }
    Log* const fresh = new (memory) Log;
    if (__atomic_compare_exchange_n(&made, &present, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    {
        return fresh;
    }
    free(memory);
    return present;
}

class Allocator final : public nv::IGpuAllocator, public InPlace
{
public:
    explicit Allocator(trtsel_shim_allocator const& to) noexcept
        : mTo(to)
    {
    }

    void* allocate(uint64_t const size, uint64_t const alignment, nv::AllocatorFlags const) noexcept override
    {
        return size == 0 ? nullptr : reinterpret_cast<void*>(mTo.allocate(mTo.user, size, alignment));
    }

    bool deallocate(void* const memory) noexcept override
    {
        return memory == nullptr || mTo.release(mTo.user, reinterpret_cast<uint64_t>(memory)) != 0;
    }

#if TRTSEL_VERSIONED
    // Memory is had and given back at once, whatever the stream: our caller's allocator knows none.
    void* allocateAsync(uint64_t const size, uint64_t const alignment, nv::AllocatorFlags const flags,
        cudaStream_t) noexcept override
    {
        return allocate(size, alignment, flags);
    }

    bool deallocateAsync(void* const memory, cudaStream_t) noexcept override
    {
        return deallocate(memory);
    }
#else
    void free(void* const memory) noexcept override
    {
        static_cast<void>(deallocate(memory));
    }
#endif

private:
    trtsel_shim_allocator mTo;
};
} // namespace

struct trtsel_shim_runtime
{
    nv::IRuntime* runtime;
    int32_t library_version;
    alignas(Allocator) unsigned char allocator[sizeof(Allocator)];
};

struct trtsel_shim_engine
{
    nv::ICudaEngine* engine;
    int32_t library_version;
    int32_t tensors;
};

struct trtsel_shim_context
{
    nv::IExecutionContext* context;
    trtsel_shim_engine const* engine;
#if !TRTSEL_NAMES
    // One for each binding of the engine: those of its other profiles stay null.
    void** bindings;
#endif
};

namespace
{
template <typename T>
T* make() noexcept
{
    return static_cast<T*>(calloc(1, sizeof(T)));
}

// A library older than the headers is told its own version: what it lacks is not called.
int32_t spoken_version(int32_t library_version) noexcept
{
    int32_t const headers = version_int(NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH);
    if (library_version >= headers)
    {
        return static_cast<int32_t>(NV_TENSORRT_VERSION);
    }
    int32_t const major = library_version / 10000;
    int32_t const minor = library_version / 100 % 100;
    int32_t const patch = library_version % 100;
#if TRTSEL_VERSIONED
    return version_int(major, minor, patch);
#else
    return 1000 * major + 100 * minor + patch;
#endif
}

void set_log(trtsel_shim_log_fn log) noexcept
{
    __atomic_store_n(&g_log, log, __ATOMIC_RELEASE);
}
} // namespace

#include "shim_runtime.inc"

namespace
{
void engine_destroy(trtsel_shim_engine* engine) noexcept
{
    if (engine != nullptr)
    {
        delete engine->engine;
        free(engine);
    }
}

int32_t engine_deserialize(
    trtsel_shim_runtime* runtime, void const* plan, uint64_t bytes, trtsel_shim_engine** out) noexcept
{
    if (runtime == nullptr || plan == nullptr || out == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    trtsel_shim_engine* const made = make<trtsel_shim_engine>();
    if (made == nullptr)
    {
        return TRTSEL_SHIM_MEMORY;
    }
    made->library_version = runtime->library_version;
    made->engine = runtime->runtime->deserializeCudaEngine(plan, static_cast<size_t>(bytes));
    if (!is_object(made->engine))
    {
        free(made);
        return TRTSEL_SHIM_REFUSED;
    }
#if TRTSEL_NAMES
    made->tensors = made->engine->getNbIOTensors();
#else
    // Each profile has its own bindings; ours is the first.
    int32_t const profiles = made->engine->getNbOptimizationProfiles();
    made->tensors = made->engine->getNbBindings() / (profiles > 0 ? profiles : 1);
#endif
    *out = made;
    return TRTSEL_SHIM_OK;
}

bool has_tensor(trtsel_shim_engine const* engine, int32_t index) noexcept
{
    return engine != nullptr && index >= 0 && index < engine->tensors;
}

// Fills in rank and extents; false for what has none.
bool copy_dims(nv::Dims const& dims, int32_t* rank, int64_t* extents) noexcept
{
    if (dims.nbDims < 0 || dims.nbDims > TRTSEL_SHIM_MAX_RANK)
    {
        return false;
    }
    *rank = dims.nbDims;
    for (int32_t i = 0; i < dims.nbDims; ++i)
    {
        extents[i] = dims.d[i];
    }
    return true;
}

int32_t engine_tensor_count(trtsel_shim_engine const* engine, int32_t* out) noexcept
{
    if (engine == nullptr || out == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    *out = engine->tensors;
    return TRTSEL_SHIM_OK;
}

int32_t engine_tensor(trtsel_shim_engine const* engine, int32_t index, trtsel_shim_tensor* out) noexcept
{
    if (!has_tensor(engine, index) || out == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    nv::ICudaEngine const* const of = engine->engine;
    trtsel_shim_tensor tensor = {};
#if TRTSEL_NAMES
    char const* const name = of->getIOTensorName(index);
    if (name == nullptr)
    {
        return TRTSEL_SHIM_REFUSED;
    }
    nv::Dims const dims = of->getTensorShape(name);
    tensor.name = name;
    tensor.is_input = of->getTensorIOMode(name) == nv::TensorIOMode::kINPUT;
    tensor.data_type = static_cast<int32_t>(of->getTensorDataType(name));
    tensor.is_linear = of->getTensorFormat(name) == nv::TensorFormat::kLINEAR;
    tensor.is_on_device = of->getTensorLocation(name) == nv::TensorLocation::kDEVICE && !of->isShapeInferenceIO(name);
#else
    nv::Dims const dims = of->getBindingDimensions(index);
    tensor.name = of->getBindingName(index);
    tensor.is_input = of->bindingIsInput(index);
    tensor.data_type = static_cast<int32_t>(of->getBindingDataType(index));
    tensor.is_linear = of->getBindingFormat(index) == nv::TensorFormat::kLINEAR;
    tensor.is_on_device = of->getLocation(index) == nv::TensorLocation::kDEVICE && !of->isShapeBinding(index);
    if (tensor.name == nullptr)
    {
        return TRTSEL_SHIM_REFUSED;
    }
#endif
    if (!copy_dims(dims, &tensor.rank, tensor.extents))
    {
        return TRTSEL_SHIM_REFUSED;
    }
    *out = tensor;
    return TRTSEL_SHIM_OK;
}

int32_t engine_activation_bytes(trtsel_shim_engine const* engine, uint64_t* out) noexcept
{
    if (engine == nullptr || out == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
#if TRTSEL_RTX || NV_TENSORRT_MAJOR >= 11
    int64_t const bytes = engine->engine->getDeviceMemorySizeV2();
#elif TRTSEL_MEMORY_V2
    int64_t const bytes = engine->library_version >= version_int(10, 1, 0)
        ? engine->engine->getDeviceMemorySizeV2()
        : static_cast<int64_t>(engine->engine->getDeviceMemorySize());
#else
    int64_t const bytes = static_cast<int64_t>(engine->engine->getDeviceMemorySize());
#endif
    if (bytes < 0)
    {
        return TRTSEL_SHIM_REFUSED;
    }
    *out = static_cast<uint64_t>(bytes);
    return TRTSEL_SHIM_OK;
}

int32_t engine_profile_count(trtsel_shim_engine const* engine, int32_t* out) noexcept
{
    if (engine == nullptr || out == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    *out = engine->engine->getNbOptimizationProfiles();
    return TRTSEL_SHIM_OK;
}

void context_destroy(trtsel_shim_context* context) noexcept
{
    if (context != nullptr)
    {
        delete context->context;
#if !TRTSEL_NAMES
        free(context->bindings);
#endif
        free(context);
    }
}

int32_t context_create(trtsel_shim_engine* engine, trtsel_shim_context** out) noexcept
{
    if (engine == nullptr || out == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    trtsel_shim_context* const made = make<trtsel_shim_context>();
    if (made == nullptr)
    {
        return TRTSEL_SHIM_MEMORY;
    }
    made->engine = engine;
#if !TRTSEL_NAMES
    made->bindings = static_cast<void**>(calloc(static_cast<size_t>(engine->engine->getNbBindings()) + 1, sizeof(void*)));
    if (made->bindings == nullptr)
    {
        free(made);
        return TRTSEL_SHIM_MEMORY;
    }
#endif
#if TRTSEL_RTX
    // Left to itself, RTX runs a network of open shapes with slow general kernels until those for the shapes at hand are made in the
    // background. A graph that is captured meanwhile would keep the slow ones, so the kernels are made before the first run returns.
    nv::IRuntimeConfig* const config = engine->engine->createRuntimeConfig();
    if (is_object(config))
    {
        config->setExecutionContextAllocationStrategy(nv::ExecutionContextAllocationStrategy::kUSER_MANAGED);
        config->setDynamicShapesKernelSpecializationStrategy(nv::DynamicShapesKernelSpecializationStrategy::kEAGER);
        made->context = engine->engine->createExecutionContext(config);
        delete config;
    }
#elif TRTSEL_VERSIONED
    made->context = engine->engine->createExecutionContext(nv::ExecutionContextAllocationStrategy::kUSER_MANAGED);
#else
    made->context = engine->engine->createExecutionContextWithoutDeviceMemory();
#endif
    if (!is_object(made->context))
    {
        made->context = nullptr;
        context_destroy(made);
        return TRTSEL_SHIM_REFUSED;
    }
    *out = made;
    return TRTSEL_SHIM_OK;
}

int32_t context_set_activation(trtsel_shim_context* context, uint64_t address, uint64_t bytes) noexcept
{
    if (context == nullptr || bytes > static_cast<uint64_t>(INT64_MAX))
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    void* const memory = reinterpret_cast<void*>(address);
#if TRTSEL_MEMORY_V2
    if (TRTSEL_RTX || NV_TENSORRT_MAJOR >= 11 || context->engine->library_version >= version_int(10, 1, 0))
    {
        context->context->setDeviceMemoryV2(memory, static_cast<int64_t>(bytes));
        return TRTSEL_SHIM_OK;
    }
#endif
    context->context->setDeviceMemory(memory);
    return TRTSEL_SHIM_OK;
}

int32_t context_set_address(trtsel_shim_context* context, int32_t index, uint64_t address) noexcept
{
    if (context == nullptr || !has_tensor(context->engine, index))
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
#if TRTSEL_NAMES
    char const* const name = context->engine->engine->getIOTensorName(index);
    bool const done = name != nullptr && context->context->setTensorAddress(name, reinterpret_cast<void*>(address));
    return done ? TRTSEL_SHIM_OK : TRTSEL_SHIM_REFUSED;
#else
    context->bindings[index] = reinterpret_cast<void*>(address);
    return TRTSEL_SHIM_OK;
#endif
}

int32_t context_set_shape(
    trtsel_shim_context* context, int32_t index, int32_t rank, int64_t const* extents) noexcept
{
    if (context == nullptr || !has_tensor(context->engine, index) || rank < 0 || rank > TRTSEL_SHIM_MAX_RANK
        || extents == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    nv::Dims dims = {};
    dims.nbDims = rank;
    for (int32_t i = 0; i < rank; ++i)
    {
        if (extents[i] < 0 || extents[i] > INT32_MAX)
        {
            return TRTSEL_SHIM_ARGUMENT;
        }
#if TRTSEL_VERSIONED
        dims.d[i] = extents[i];
#else
        dims.d[i] = static_cast<int32_t>(extents[i]);
#endif
    }
#if TRTSEL_NAMES
    char const* const name = context->engine->engine->getIOTensorName(index);
    bool const done = name != nullptr && context->context->setInputShape(name, dims);
#else
    bool const done = context->context->setBindingDimensions(index, dims);
#endif
    return done ? TRTSEL_SHIM_OK : TRTSEL_SHIM_REFUSED;
}

int32_t context_shape(trtsel_shim_context const* context, int32_t index, int32_t* rank, int64_t* extents) noexcept
{
    if (context == nullptr || !has_tensor(context->engine, index) || rank == nullptr || extents == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
#if TRTSEL_NAMES
    char const* const name = context->engine->engine->getIOTensorName(index);
    if (name == nullptr)
    {
        return TRTSEL_SHIM_REFUSED;
    }
    nv::Dims const dims = context->context->getTensorShape(name);
#else
    nv::Dims const dims = context->context->getBindingDimensions(index);
#endif
    return copy_dims(dims, rank, extents) ? TRTSEL_SHIM_OK : TRTSEL_SHIM_REFUSED;
}

int32_t context_enqueue(trtsel_shim_context* context, uint64_t stream) noexcept
{
    if (context == nullptr)
    {
        return TRTSEL_SHIM_ARGUMENT;
    }
    cudaStream_t const on = reinterpret_cast<cudaStream_t>(stream);
#if TRTSEL_NAMES
    bool const done = context->context->enqueueV3(on);
#else
    bool const done = context->context->enqueueV2(context->bindings, on, nullptr);
#endif
    return done ? TRTSEL_SHIM_OK : TRTSEL_SHIM_REFUSED;
}
} // namespace

#include "shim_build.inc"

#define TRTSEL_JOIN_(a, b) a##b
#define TRTSEL_JOIN(a, b) TRTSEL_JOIN_(a, b)

extern "C" trtsel_shim_table const* TRTSEL_JOIN(trtsel_shim_, TRTSEL_LINE)() noexcept
{
    static constexpr trtsel_shim_table table = {
        TRTSEL_RTX ? TRTSEL_SHIM_RTX : TRTSEL_SHIM_ENTERPRISE,
        NV_TENSORRT_MAJOR,
        NV_TENSORRT_MINOR,
        NV_TENSORRT_PATCH,
        NV_TENSORRT_BUILD,
        TRTSEL_FP16,
        TRTSEL_RTX,
        TRTSEL_VERSIONED,
        TRTSEL_PARSER,
        TRTSEL_COMPATIBLE,
        set_log,
        plugins_register,
        runtime_create,
        runtime_destroy,
        runtime_allow_host_code,
        runtime_load,
        engine_deserialize,
        engine_destroy,
        engine_tensor_count,
        engine_tensor,
        engine_activation_bytes,
        engine_profile_count,
        context_create,
        context_destroy,
        context_set_activation,
        context_set_address,
        context_set_shape,
        context_shape,
        context_enqueue,
        plan_build,
        plan_free,
    };
    return &table;
}
