// Runtime and engine of the double, and the library's entry points.

#include "objects.h"

#include <dlfcn.h>

#include <memory>
#include <new>

namespace trtsel_nvdouble
{
nv::ICudaEngine* Runtime::deserialize(void const* blob, std::size_t size) noexcept
{
    Alone const alone(mBusy);
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
    std::string wrong = read_plan(blob, size, plan);
    if (wrong.empty())
    {
        wrong = may_run(plan, lean_major, host_code);
    }
    if (!wrong.empty())
    {
        log_error(wrong.c_str());
        return nullptr;
    }
    std::unique_ptr<Engine> engine(new (std::nothrow) Engine(*this, std::move(plan)));
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

// As the real one, the library of another version is opened and stands behind a runtime of this one.
nv::IRuntime* Runtime::Table::loadRuntime(char const* path) noexcept
{
    if (fails(Call::loadRuntime))
    {
        return nullptr;
    }
    void* const library = path == nullptr ? nullptr : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    auto const version = library == nullptr ? nullptr : reinterpret_cast<int32_t (*)()>(dlsym(library, "getInferLibVersion"));
    if (version == nullptr)
    {
        log_error("IRuntime::loadRuntime: Error Code 3: API Usage Error (the lean runtime cannot be opened)");
        return nullptr;
    }
    Runtime* const made = new (std::nothrow) Runtime();
    if (made != nullptr)
    {
        made->lean_major = version() < 10000 ? version() / 1000 : version() / 10000;
    }
    return made;
}

namespace
{
// A context whose kernels are loaded, where it works on a device; null where they cannot be.
Context* ready(Context* made) noexcept
{
    if (ON_DEVICE && made != nullptr && !made->kernels.load())
    {
        delete made;
        return nullptr;
    }
    return made;
}
} // namespace

#if TRTSEL_DOUBLE_VERSIONED
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
    return ready(new (std::nothrow) Context(engine));
}
#else
nv::IExecutionContext* Engine::Table::createExecutionContextWithoutDeviceMemory() noexcept
{
    return fails(Call::createExecutionContextWithoutDeviceMemory) ? nullptr : ready(new (std::nothrow) Context(engine));
}
#endif

#if TRTSEL_DOUBLE_RTX
namespace
{
class RuntimeConfig final : public nv::IRuntimeConfig
{
public:
    RuntimeConfig() noexcept
        : mTable(*this)
    {
        mImpl = &mTable;
    }

    struct Table final : nv::apiv::VRuntimeConfigRest
    {
        explicit Table(RuntimeConfig& config)
            : config(config)
        {
        }
        nv::IRuntimeConfig* getPImpl() noexcept override
        {
            return &config;
        }
        void setExecutionContextAllocationStrategy(nv::ExecutionContextAllocationStrategy strategy) noexcept override
        {
            config.strategy = strategy;
        }
        void setDynamicShapesKernelSpecializationStrategy(nv::DynamicShapesKernelSpecializationStrategy how) noexcept override
        {
            config.specialization = how;
        }
        RuntimeConfig& config;
    };

    nv::ExecutionContextAllocationStrategy strategy = nv::ExecutionContextAllocationStrategy::kSTATIC;
    nv::DynamicShapesKernelSpecializationStrategy specialization = nv::DynamicShapesKernelSpecializationStrategy::kLAZY;

private:
    Table mTable;
};
} // namespace

nv::IRuntimeConfig* Engine::Table::createRuntimeConfig() noexcept
{
    return new (std::nothrow) RuntimeConfig();
}

nv::IExecutionContext* Engine::Table::createExecutionContextWithRuntimeConfig(nv::IRuntimeConfig* config) noexcept
{
    if (fails(Call::createExecutionContextWithRuntimeConfig))
    {
        return nullptr;
    }
    auto const* const given = static_cast<RuntimeConfig*>(config);
    if (given == nullptr || given->strategy != nv::ExecutionContextAllocationStrategy::kUSER_MANAGED)
    {
        misuse("a context with device memory of its own");
        return nullptr;
    }
    Context* const made = ready(new (std::nothrow) Context(engine));
    if (made != nullptr)
    {
        made->is_lazy = given->specialization == nv::DynamicShapesKernelSpecializationStrategy::kLAZY;
    }
    return made;
}
#endif

#if TRTSEL_DOUBLE_NAMES
int32_t Engine::Table::getNbIOTensors() const noexcept
{
    fails(Call::getNbIOTensors);
    return engine.plan.count;
}

char const* Engine::Table::getIOTensorName(int32_t index) const noexcept
{
    bool const fail = fails(Call::getIOTensorName);
    return fail || index < 0 || index >= engine.plan.count ? nullptr : engine.plan.tensors[index].name.c_str();
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

#else
int32_t Engine::Table::getNbBindings() const noexcept
{
    fails(Call::getNbBindings);
    return engine.plan.count;
}

char const* Engine::Table::getBindingName(int32_t index) const noexcept
{
    bool const fail = fails(Call::getBindingName);
    return fail || index < 0 || index >= engine.plan.count ? nullptr : engine.plan.tensors[index].name.c_str();
}

bool Engine::Table::bindingIsInput(int32_t index) const noexcept
{
    return index == 0;
}

nv::Dims Engine::Table::getBindingDimensions(int32_t index) const noexcept
{
    bool const fail = fails(Call::getBindingDimensions);
    return fail || index < 0 || index >= engine.plan.count ? nv::Dims{-1, {}} : engine.plan.tensors[index].shape;
}

nv::DataType Engine::Table::getBindingDataType(int32_t index) const noexcept
{
    return index < 0 || index >= engine.plan.count ? nv::DataType::kFLOAT : engine.plan.tensors[index].type;
}

nv::TensorLocation Engine::Table::getLocation(int32_t) const noexcept
{
    return nv::TensorLocation::kDEVICE;
}

nv::TensorFormat Engine::Table::getBindingFormat(int32_t) const noexcept
{
    return nv::TensorFormat::kLINEAR;
}

bool Engine::Table::isShapeBinding(int32_t) const noexcept
{
    return false;
}
#endif

int32_t Engine::Table::getNbOptimizationProfiles() const noexcept
{
    fails(Call::getNbOptimizationProfiles);
    return 1;
}

size_t Engine::Table::getDeviceMemorySize() const noexcept
{
    fails(Call::getDeviceMemorySize);
    return engine.plan.activation_bytes;
}

int64_t Engine::Table::getDeviceMemorySizeV2() const noexcept
{
    return fails(Call::getDeviceMemorySizeV2) ? -1 : static_cast<int64_t>(engine.plan.activation_bytes);
}
} // namespace trtsel_nvdouble

EXPORT void* createInferRuntime_INTERNAL(void* logger, int32_t version) noexcept
{
    take_logger(static_cast<nv::ILogger*>(logger));
    if (fails(Call::createInferRuntime) || !may_begin(version, "createInferRuntime"))
    {
        return nullptr;
    }
    return static_cast<nv::IRuntime*>(new (std::nothrow) Runtime());
}

EXPORT int32_t getInferLibVersion() noexcept
{
    return static_cast<int32_t>(NV_TENSORRT_VERSION);
}

#if TRTSEL_DOUBLE_VERSIONED
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
#endif
