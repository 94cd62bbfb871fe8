// Counters, hooks, log and the way to the driver.

#include "device.h"
#include "state.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <type_traits>

namespace
{
constexpr int CALLS = static_cast<int>(Call::COUNT);
constexpr int KINDS = static_cast<int>(Kind::COUNT);

constexpr char const* CALL_NAMES[CALLS] = {
#define TRTSEL_NVDOUBLE_STRING(name, fails) #name,
    TRTSEL_NVDOUBLE_CALLS(TRTSEL_NVDOUBLE_STRING)
#undef TRTSEL_NVDOUBLE_STRING
};
constexpr bool CAN_FAIL[CALLS] = {
#define TRTSEL_NVDOUBLE_FAILS(name, fails) fails,
    TRTSEL_NVDOUBLE_CALLS(TRTSEL_NVDOUBLE_FAILS)
#undef TRTSEL_NVDOUBLE_FAILS
};
constexpr char const* KIND_NAMES[KINDS] = {"runtimes", "engines", "contexts", "weight_blocks"};

std::atomic<uint64_t> g_calls[CALLS];
// The number of the call that is to fail; 0 is none.
std::atomic<uint64_t> g_fail_at[CALLS];
std::atomic<int64_t> g_live[KINDS];
std::atomic<uint64_t> g_misuse{0};
std::atomic<bool> g_opened{false};
std::atomic<bool> g_plugins{false};
std::atomic<nv::ILogger*> g_logger{nullptr};
char g_misuse_text[512];
std::mutex g_misuse_lock;

struct Activation
{
    void const* context = nullptr;
    void const* memory = nullptr;
    uint64_t bytes = 0;
};
Activation g_activations[64];

// Whether this version has the call, so that a test may ask for its failure.
bool is_of_this_version(Call call)
{
    switch (call)
    {
    case Call::getBindingName:
    case Call::getBindingDimensions:
    case Call::setBindingDimensions:
    case Call::contextGetBindingDimensions:
    case Call::enqueueV2: return !TRTSEL_DOUBLE_NAMES;
    case Call::getIOTensorName:
    case Call::getTensorShape:
    case Call::setTensorAddress:
    case Call::setInputShape:
    case Call::contextGetTensorShape:
    case Call::enqueueV3: return TRTSEL_DOUBLE_NAMES;
    case Call::createExecutionContextWithoutDeviceMemory: return !TRTSEL_DOUBLE_VERSIONED;
    case Call::createExecutionContext: return TRTSEL_DOUBLE_VERSIONED && !TRTSEL_DOUBLE_RTX;
    case Call::createExecutionContextWithRuntimeConfig: return TRTSEL_DOUBLE_RTX;
    case Call::getDeviceMemorySizeV2:
    case Call::setDeviceMemoryV2: return TRTSEL_DOUBLE_MEMORY_V2;
    case Call::setDeviceMemory: return !TRTSEL_DOUBLE_MEMORY_V2;
    case Call::loadRuntime: return TRTSEL_DOUBLE_COMPATIBLE;
    default: return true;
    }
}

int index_of(char const* name)
{
    for (int i = 0; name != nullptr && i < CALLS; ++i)
    {
        if (std::strcmp(name, CALL_NAMES[i]) == 0)
        {
            return i;
        }
    }
    return -1;
}
} // namespace

// How often a call was made; `*` is all of them.
EXPORT uint64_t trtsel_nvdouble_calls(char const* name)
{
    if (name != nullptr && std::strcmp(name, "*") == 0)
    {
        uint64_t sum = 0;
        for (auto const& calls : g_calls)
        {
            sum += calls;
        }
        return sum;
    }
    int const i = index_of(name);
    return i < 0 ? 0 : g_calls[i].load();
}

// Makes the n-th call from now on (1 is the next) fail, once; 0 takes that back. -1 if there is no such call, or it has no
// way to fail.
EXPORT int32_t trtsel_nvdouble_fail(char const* name, uint64_t nth)
{
    int const i = index_of(name);
    if (i < 0 || !CAN_FAIL[i])
    {
        return -1;
    }
    g_fail_at[i] = nth == 0 ? 0 : g_calls[i] + nth;
    return 0;
}

// The calls that can be told to fail, parted by spaces.
EXPORT char const* trtsel_nvdouble_failable(void)
{
    static char text[1024];
    static std::once_flag once;
    std::call_once(once, [] {
        for (int i = 0; i < CALLS; ++i)
        {
            if (CAN_FAIL[i] && is_of_this_version(static_cast<Call>(i)))
            {
                std::strcat(text, text[0] == 0 ? "" : " ");
                std::strcat(text, CALL_NAMES[i]);
            }
        }
    });
    return text;
}

// Objects that were made and not destroyed: runtimes, engines, contexts, weight_blocks; -1 for another word.
EXPORT int64_t trtsel_nvdouble_live(char const* kind)
{
    for (int i = 0; kind != nullptr && i < KINDS; ++i)
    {
        if (std::strcmp(kind, KIND_NAMES[i]) == 0)
        {
            return g_live[i];
        }
    }
    return -1;
}

EXPORT uint64_t trtsel_nvdouble_misuse(void)
{
    return g_misuse;
}

// What the last misuse was; empty if there was none.
EXPORT char const* trtsel_nvdouble_misuse_text(void)
{
    return g_misuse_text;
}

// What the last build was asked for, by the name of a field of `Build`; all ones if there is no such field.
EXPORT uint64_t trtsel_nvdouble_build(char const* name)
{
    struct Field
    {
        char const* name;
        uint64_t value;
    };
    Field const fields[] = {{"workspace", g_build.workspace}, {"fp16", g_build.fp16},
        {"version_compatible", g_build.version_compatible}, {"exclude_lean", g_build.exclude_lean},
        {"tactic_sources", g_build.tactic_sources}, {"had_timing_cache", g_build.had_timing_cache},
        {"profiles", g_build.profiles}, {"target", g_build.target}};
    for (Field const& field : fields)
    {
        if (name != nullptr && std::strcmp(name, field.name) == 0)
        {
            return field.value;
        }
    }
    return ~0ULL;
}

// The version whose plans this library takes: major, minor, patch and build, a byte each, the major number highest. TensorRT's own call
// leaves the build out up to 8.6.
EXPORT uint32_t trtsel_nvdouble_version(void)
{
    return uint32_t{NV_TENSORRT_MAJOR} << 24 | uint32_t{NV_TENSORRT_MINOR} << 16 | uint32_t{NV_TENSORRT_PATCH} << 8
        | (uint32_t{NV_TENSORRT_BUILD} & 255U);
}

// Called by the double of the plugins' library.
EXPORT void trtsel_nvdouble_register_plugins(void* logger)
{
    fails(Call::initLibNvInferPlugins);
    take_logger(static_cast<nv::ILogger*>(logger));
    g_plugins = true;
}

// From here on a call to setTensorAddress is misuse; with 0, no longer.
EXPORT void trtsel_nvdouble_opened(int32_t is_opened)
{
    g_opened = is_opened != 0;
}

// Address and size of the activation memory of the index-th live context that has some; 1 if there is one.
EXPORT int32_t trtsel_nvdouble_activation(uint64_t index, uint64_t* address, uint64_t* bytes)
{
    std::lock_guard<std::mutex> const lock(g_misuse_lock);
    for (Activation const& block : g_activations)
    {
        if (block.context != nullptr && index-- == 0)
        {
            *address = reinterpret_cast<uint64_t>(block.memory);
            *bytes = block.bytes;
            return 1;
        }
    }
    return 0;
}

// Forgets calls, failures to come and misuse, but not what is alive.
EXPORT void trtsel_nvdouble_reset(void)
{
    for (int i = 0; i < CALLS; ++i)
    {
        g_calls[i] = 0;
        g_fail_at[i] = 0;
    }
    std::lock_guard<std::mutex> const lock(g_misuse_lock);
    g_misuse = 0;
    g_misuse_text[0] = 0;
    g_opened = false;
}

// TRT_SELECT_NVDOUBLE_FAIL=name:nth does what trtsel_nvdouble_fail does.
__attribute__((constructor)) static void fail_by_environment()
{
    char const* const text = std::getenv("TRT_SELECT_NVDOUBLE_FAIL");
    char name[64];
    unsigned long long nth = 0;
    if (text == nullptr || text[0] == 0)
    {
        return;
    }
    if (std::sscanf(text, "%63[^:]:%llu", name, &nth) != 2 || trtsel_nvdouble_fail(name, nth) != 0)
    {
        std::fprintf(stderr, "TRT_SELECT_NVDOUBLE_FAIL=%s: expected name:nth of a call that can fail (%s)\n", text,
            trtsel_nvdouble_failable());
        std::abort();
    }
}

namespace trtsel_nvdouble
{
bool fails(Call call) noexcept
{
    int const i = static_cast<int>(call);
    uint64_t const number = ++g_calls[i];
    uint64_t expected = number;
    if (number == 0 || !g_fail_at[i].compare_exchange_strong(expected, 0))
    {
        return false;
    }
    char text[128];
    std::snprintf(text, sizeof text, "%s: Error Code 2: Internal Error (told to fail, call %llu)", CALL_NAMES[i],
        static_cast<unsigned long long>(number));
    log_error(text);
    return true;
}

void live(Kind kind, int64_t change) noexcept
{
    g_live[static_cast<int>(kind)] += change;
}

void misuse(char const* text) noexcept
{
    std::lock_guard<std::mutex> const lock(g_misuse_lock);
    ++g_misuse;
    std::snprintf(g_misuse_text, sizeof g_misuse_text, "%s", text);
}

void unexpected(char const* name) noexcept
{
    char text[128];
    std::snprintf(text, sizeof text, "%s: a call that the double does not have", name);
    misuse(text);
}

bool opened() noexcept
{
    return g_opened;
}

Build g_build;

bool has_plugins() noexcept
{
    return g_plugins;
}

void take_logger(nv::ILogger* logger) noexcept
{
    nv::ILogger* none = nullptr;
    if (logger == nullptr)
    {
        misuse("a call without a logger");
    }
    else if (!g_logger.compare_exchange_strong(none, logger) && none != logger)
    {
        misuse("a second logger: TensorRT keeps the first");
    }
}

void log_error(char const* text) noexcept
{
    if (nv::ILogger* const logger = g_logger)
    {
        logger->log(nv::ILogger::Severity::kERROR, text);
    }
}

void activation(void const* context, void const* memory, uint64_t bytes) noexcept
{
    std::lock_guard<std::mutex> const lock(g_misuse_lock);
    Activation* found = nullptr;
    for (Activation& block : g_activations)
    {
        if (block.context == context || (found == nullptr && block.context == nullptr))
        {
            found = &block;
            if (block.context == context)
            {
                break;
            }
        }
    }
    if (found != nullptr && (memory != nullptr || found->context == context))
    {
        *found = memory == nullptr ? Activation{} : Activation{context, memory, bytes};
    }
}

bool may_begin(int32_t version, char const* call) noexcept
{
    // Up to 9 a version is a thousand times its major number.
    if (version / (NV_TENSORRT_MAJOR < 10 && !TRTSEL_DOUBLE_RTX ? 1000 : 10000) != NV_TENSORRT_MAJOR)
    {
        char text[128];
        std::snprintf(text, sizeof text, "%s for another version", call);
        misuse(text);
        return false;
    }
#if !TRTSEL_DOUBLE_VERSIONED
    if (driver() == nullptr)
    {
        std::fprintf(stderr, "the double of TensorRT 8: %s without a driver\n", call);
        std::abort();
    }
#endif
    return true;
}

Driver const* driver() noexcept
{
    static Driver driver;
    static bool present = false;
    static std::once_flag once;
    std::call_once(once, [] {
        char const* const named = std::getenv("TRT_SELECT_LIBCUDA");
        void* const library = dlopen(named != nullptr && named[0] != 0 ? named : "libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr)
        {
            return;
        }
        bool all = true;
        auto const find = [&](auto& call, char const* name, bool wanted) {
            call = reinterpret_cast<std::remove_reference_t<decltype(call)>>(dlsym(library, name));
            all = all && (call != nullptr || !wanted);
        };
        find(driver.launch_host_function, "cuLaunchHostFunc", true);
        find(driver.copy_to_device, "cuMemcpyHtoD_v2", true);
        find(driver.allocate, "cuMemAlloc_v2", true);
        find(driver.release, "cuMemFree_v2", true);
        find(driver.is_capturing, "cuStreamIsCapturing", false);
        find(driver.create_stream, "cuStreamCreate", false);
        find(driver.destroy_stream, "cuStreamDestroy_v2", false);
        find(driver.synchronize, "cuCtxSynchronize", ON_DEVICE);
        find(driver.module_load, "cuModuleLoadData", ON_DEVICE);
        find(driver.module_unload, "cuModuleUnload", ON_DEVICE);
        find(driver.get_function, "cuModuleGetFunction", ON_DEVICE);
        find(driver.launch, "cuLaunchKernel", ON_DEVICE);
        find(driver.host_allocate, "cuMemHostAlloc", ON_DEVICE);
        find(driver.host_pointer, "cuMemHostGetDevicePointer_v2", ON_DEVICE);
        find(driver.host_release, "cuMemFreeHost", ON_DEVICE);
        present = all;
    });
    if (!present)
    {
        log_error("IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (cudaError 35: CUDA driver version is "
                  "insufficient for CUDA runtime version)");
        return nullptr;
    }
    return &driver;
}
} // namespace trtsel_nvdouble
