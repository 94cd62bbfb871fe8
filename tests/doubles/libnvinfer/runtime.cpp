// Runtime and engine of the double, and the library's entry points.

#include "objects.h"

#include <memory>
#include <new>

namespace trtsel_nvdouble
{
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
} // namespace trtsel_nvdouble

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
