// The builder of the double. What it "builds" stands beside the model, as FILE.toyplan: see ../toy-plan.md.

#include "rest.h"
#include "toy.h"

#include <atomic>
#include <cstring>
#include <memory>
#include <new>
#include <time.h>

#if !TRTSEL_DOUBLE_LEAN
namespace trtsel_nvdouble
{
namespace
{
// An object of TensorRT's whose table forwards to it. The tables' methods without `override` are those that not every version has.
template <typename Interface>
class Object : public Interface
{
public:
    template <typename Table>
    void use(Table& table) noexcept
    {
        this->mImpl = &table;
    }
};

class HostMemory final : public Object<nv::IHostMemory>
{
public:
    explicit HostMemory(std::vector<uint8_t> bytes) noexcept
        : bytes(std::move(bytes))
        , mTable(*this)
    {
        use(mTable);
    }
    ~HostMemory() noexcept override = default;
    std::vector<uint8_t> bytes;

private:
    struct Table final : nv::apiv::VHostMemoryRest
    {
        explicit Table(HostMemory& of)
            : of(of)
        {
        }
        void* data() const noexcept override { return of.bytes.data(); }
        std::size_t size() const noexcept override { return of.bytes.size(); }
        HostMemory& of;
    };
    Table mTable;
};

class Tensor final : public Object<nv::ITensor>
{
public:
    Tensor() noexcept
        : mTable(*this)
    {
        use(mTable);
    }
    ~Tensor() noexcept override = default;
    std::string name;
    nv::Dims dims{};

private:
    struct Table final : nv::apiv::VTensorRest
    {
        explicit Table(Tensor& of)
            : of(of)
        {
        }
        char const* getName() const noexcept override { return of.name.c_str(); }
#if TRTSEL_DOUBLE_VERSIONED
        void setDimensions(nv::Dims const& dims) noexcept override { of.dims = dims; }
#else
        void setDimensions(nv::Dims dims) noexcept override { of.dims = dims; }
#endif
        nv::Dims getDimensions() const noexcept override { return of.dims; }
        Tensor& of;
    };
    Table mTable;
};

class Network final : public Object<nv::INetworkDefinition>
{
public:
    Network() noexcept
        : mTable(*this)
    {
        use(mTable);
    }
    ~Network() noexcept override = default;
    std::vector<uint8_t> plan;
    Tensor input;

private:
    struct Table final : nv::apiv::VNetworkDefinitionRest
    {
        explicit Table(Network& of)
            : of(of)
        {
        }
        int32_t getNbInputs() const noexcept override { return of.plan.empty() ? 0 : 1; }
        nv::ITensor* getInput(int32_t index) const noexcept override { return index == 0 ? &of.input : nullptr; }
        Network& of;
    };
    Table mTable;
};

class Profile final : public Object<nv::IOptimizationProfile>
{
public:
    Profile() noexcept
        : mTable(*this)
    {
        use(mTable);
    }
    ~Profile() noexcept override = default;

private:
    struct Table final : nv::apiv::VOptimizationProfileRest
    {
        explicit Table(Profile&) {}
#if TRTSEL_DOUBLE_VERSIONED
        bool setDimensions(char const*, nv::OptProfileSelector, nv::Dims const&) noexcept override { return true; }
#else
        bool setDimensions(char const*, nv::OptProfileSelector, nv::Dims) noexcept override { return true; }
#endif
    };
    Table mTable;
};

// Builders that were made and not destroyed.
std::atomic<int> g_builders{0};

// What a file of timings begins with, and what one of another GPU does.
constexpr char TIMINGS[] = "TOYC";
constexpr char FOREIGN_TIMINGS[] = "TOYD";

// Holds the tactic of the network that was built with it; 0 is none.
class TimingCache final : public Object<nv::ITimingCache>
{
public:
    TimingCache(uint32_t tactic, bool is_foreign) noexcept
        : tactic(tactic)
        , is_foreign(is_foreign)
        , mTable(*this)
    {
        use(mTable);
    }
    ~TimingCache() noexcept override
    {
        if (g_builders != 0)
        {
            misuse("a timing cache that is destroyed before its builder");
        }
    }
    mutable uint32_t tactic;
    bool const is_foreign;

private:
    struct Table final : nv::apiv::VTimingCacheRest
    {
        explicit Table(TimingCache& of)
            : of(of)
        {
        }
        nv::IHostMemory* serialize() const noexcept override
        {
            std::vector<uint8_t> bytes(8);
            std::memcpy(bytes.data(), TIMINGS, 4);
            std::memcpy(bytes.data() + 4, &of.tactic, 4);
            return new (std::nothrow) HostMemory(std::move(bytes));
        }
        TimingCache& of;
    };
    Table mTable;
};

class Config final : public Object<nv::IBuilderConfig>
{
public:
    Config() noexcept
        : mTable(*this)
    {
        use(mTable);
    }
    ~Config() noexcept override = default;
    Build build{TRTSEL_DOUBLE_AT_LEAST(8, 4) ? UINT64_C(1) << 40 : 0, 0, 0, 0, 31, 0, 0, 0};
    TimingCache const* cache = nullptr;
#if TRTSEL_DOUBLE_VERSIONED
    nv::IProgressMonitor* monitor = nullptr;
#endif

private:
    struct Table final : nv::apiv::VBuilderConfigRest
    {
        explicit Table(Config& of)
            : of(of)
        {
        }
        void setFlag(nv::BuilderFlag flag) noexcept override
        {
#if !TRTSEL_DOUBLE_11
            of.build.fp16 |= flag == nv::BuilderFlag::kFP16;
#endif
#if TRTSEL_DOUBLE_COMPATIBLE
            of.build.version_compatible |= flag == nv::BuilderFlag::kVERSION_COMPATIBLE;
            of.build.exclude_lean |= flag == nv::BuilderFlag::kEXCLUDE_LEAN_RUNTIME;
#endif
            static_cast<void>(flag);
        }
        int32_t addOptimizationProfile(nv::IOptimizationProfile const*) noexcept override
        {
            return static_cast<int32_t>(of.build.profiles++);
        }
        bool setTacticSources(nv::TacticSources sources) noexcept override
        {
            of.build.tactic_sources = sources;
            return true;
        }
        nv::TacticSources getTacticSources() const noexcept override
        {
            return static_cast<nv::TacticSources>(of.build.tactic_sources);
        }
        nv::ITimingCache* createTimingCache(void const* blob, std::size_t size) const noexcept override
        {
            uint32_t tactic = 0;
            bool const is_foreign = size == 8 && std::memcmp(blob, FOREIGN_TIMINGS, 4) == 0;
            if (size != 0 && !is_foreign && (size != 8 || std::memcmp(blob, TIMINGS, 4) != 0))
            {
                log_error("IBuilderConfig::createTimingCache: Error Code 1: Serialization (Serialization assertion magic failed.)");
                return nullptr;
            }
            if (size != 0)
            {
                std::memcpy(&tactic, static_cast<uint8_t const*>(blob) + 4, 4);
                of.build.had_timing_cache = 1;
            }
            return new (std::nothrow) TimingCache(tactic, is_foreign);
        }
        bool setTimingCache(nv::ITimingCache const& cache, bool ignoreMismatch) noexcept override
        {
            if (static_cast<TimingCache const&>(cache).is_foreign && !ignoreMismatch)
            {
                log_error("IBuilderConfig::setTimingCache: Error Code 3: API Usage Error (the timing cache is of another device)");
                return false;
            }
            of.cache = static_cast<TimingCache const*>(&cache);
            return true;
        }
        nv::ITimingCache const* getTimingCache() const noexcept override { return of.cache; }
#if TRTSEL_DOUBLE_NAMES
        void setMemoryPoolLimit(nv::MemoryPoolType, std::size_t size) noexcept override { of.build.workspace = size; }
#endif
        void setMaxWorkspaceSize(std::size_t size) noexcept { of.build.workspace = size; }
#if TRTSEL_DOUBLE_VERSIONED
        void setProgressMonitor(nv::IProgressMonitor* monitor) noexcept override { of.monitor = monitor; }
#endif
#if TRTSEL_DOUBLE_RTX
        bool setNbComputeCapabilities(int32_t count) noexcept override { return count == 1; }
        bool setComputeCapability(nv::ComputeCapability capability, int32_t) noexcept override
        {
            of.build.target = static_cast<uint64_t>(capability);
            return true;
        }
#endif
        Config& of;
    };
    Table mTable;
};

class Builder final : public Object<nv::IBuilder>
{
public:
    Builder() noexcept
        : mTable(*this)
    {
        use(mTable);
        ++g_builders;
    }
    ~Builder() noexcept override { --g_builders; }
    // They go with the builder.
    std::vector<std::unique_ptr<Profile>> profiles;

    nv::IHostMemory* build(Network const& network, Config& config) noexcept;

private:
    struct Table final : nv::apiv::VBuilderRest
    {
        explicit Table(Builder& of)
            : of(of)
        {
        }
        nv::IBuilderConfig* createBuilderConfig() noexcept override { return new (std::nothrow) Config(); }
        nv::INetworkDefinition* createNetworkV2(nv::NetworkDefinitionCreationFlags flags) noexcept override
        {
            if (!TRTSEL_DOUBLE_VERSIONED && flags != 1)
            {
                misuse("a network without explicit batch");
            }
            return new (std::nothrow) Network();
        }
        nv::IOptimizationProfile* createOptimizationProfile() noexcept override
        {
            of.profiles.emplace_back(new Profile());
            return of.profiles.back().get();
        }
        nv::IHostMemory* buildSerializedNetwork(nv::INetworkDefinition& network, nv::IBuilderConfig& config) noexcept override
        {
            return fails(Call::buildSerializedNetwork) ? nullptr : of.build(static_cast<Network&>(network), static_cast<Config&>(config));
        }
        Builder& of;
    };
    Table mTable;
};

// A tactic that no other build had: as TensorRT's timings, it is never the same twice.
uint32_t another_tactic() noexcept
{
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<uint32_t>(now.tv_nsec) | 1;
}

nv::IHostMemory* Builder::build(Network const& network, Config& config) noexcept
{
    g_build = config.build;
    bool const open = network.input.dims.nbDims > 0 && network.input.dims.d[0] < 0;
    char const* wrong = nullptr;
    if (network.plan.empty())
    {
        wrong = "IBuilder::buildSerializedNetwork: Error Code 4: Internal Error (Network must have at least one output)";
    }
    else if (open && config.build.profiles == 0)
    {
        wrong = "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (a network with dynamic inputs has no optimization profile)";
    }
    else if (config.build.workspace == 0)
    {
        wrong = "IBuilder::buildSerializedNetwork: Error Code 10: Internal Error (Could not find any implementation for node MatMul_0: "
                "insufficient workspace)";
    }
    if (wrong != nullptr)
    {
        log_error(wrong);
        return nullptr;
    }
#if TRTSEL_DOUBLE_VERSIONED
    if (config.monitor != nullptr)
    {
        config.monitor->phaseStart("Building Engine", nullptr, 1);
        config.monitor->stepComplete("Building Engine", 0);
        config.monitor->phaseFinish("Building Engine");
    }
#endif
    std::vector<uint8_t> plan = network.plan;
    plan[41] = config.build.version_compatible != 0;
    plan[42] = config.build.version_compatible != 0 && config.build.exclude_lean == 0;
    uint32_t tactic = config.cache == nullptr ? 0 : config.cache->tactic;
    tactic = tactic == 0 ? another_tactic() : tactic;
    if (config.cache != nullptr)
    {
        config.cache->tactic = tactic;
    }
    std::memcpy(plan.data() + 44, &tactic, 4);
    // An extent that was made static is so in the plan.
    write_first_extent(plan, open ? -1 : network.input.dims.d[0]);
    seal_plan(plan);
    return new (std::nothrow) HostMemory(std::move(plan));
}
} // namespace
} // namespace trtsel_nvdouble

// For the double of the parser: makes a network of a toy plan. Null if it did, else what is wrong.
EXPORT char const* trtsel_nvdouble_take_network(void* to, void const* plan, uint64_t bytes) noexcept
{
    static std::string wrong;
    auto* const network = static_cast<Network*>(static_cast<nv::INetworkDefinition*>(to));
    std::vector<uint8_t> copy(static_cast<uint8_t const*>(plan), static_cast<uint8_t const*>(plan) + bytes);
    if (copy.size() < 64)
    {
        return "expected a toy plan beside the model, got less than its header";
    }
    seal_plan(copy);
    ToyPlan read;
    wrong = read_plan(copy.data(), copy.size(), read);
    if (!wrong.empty())
    {
        return wrong.c_str();
    }
    network->input.name = read.tensors[0].name;
    network->input.dims = read.tensors[0].shape;
    network->plan = std::move(copy);
    return nullptr;
}

EXPORT void* createInferBuilder_INTERNAL(void* logger, int32_t version) noexcept
{
    take_logger(static_cast<nv::ILogger*>(logger));
    if (fails(Call::createInferBuilder) || !may_begin(version, "createInferBuilder"))
    {
        return nullptr;
    }
#if TRTSEL_DOUBLE_VERSIONED && !TRTSEL_DOUBLE_RTX
    if (driver() == nullptr)
    {
        return nullptr;
    }
#endif
    return static_cast<nv::IBuilder*>(new (std::nothrow) Builder());
}
#endif
