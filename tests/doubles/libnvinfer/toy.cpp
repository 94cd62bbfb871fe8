// Toy plans: reading and running them.

#include "toy.h"

#include "half.h"

#include <cstdio>
#include <cstring>

namespace
{
constexpr size_t HEADER_BYTES = 64;
constexpr size_t NAME_BYTES = 64;
constexpr size_t TENSOR_BYTES = NAME_BYTES + 4 + 4 + 8 * 8;
constexpr size_t BODY = HEADER_BYTES;
constexpr size_t TENSORS = BODY + 16;
constexpr size_t WEIGHTS = TENSORS + 2 * TENSOR_BYTES;
constexpr int64_t MAX_ELEMENTS = 1 << 24;

template <typename T>
T at(uint8_t const* data, size_t offset)
{
    T value;
    std::memcpy(&value, data + offset, sizeof value);
    return value;
}

uint32_t crc32(uint8_t const* data, size_t bytes)
{
    uint32_t crc = ~0U;
    for (size_t i = 0; i < bytes; ++i)
    {
        crc ^= data[i];
        for (int k = 0; k < 8; ++k)
        {
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0U);
        }
    }
    return ~crc;
}

std::string assertion(char const* what)
{
    return std::string("IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion ") + what
        + " failed.)";
}

bool read_tensor(uint8_t const* data, ToyTensor& tensor)
{
    char const* const name = reinterpret_cast<char const*>(data);
    size_t const length = strnlen(name, NAME_BYTES);
    uint32_t const type = at<uint32_t>(data, NAME_BYTES);
    uint32_t const rank = at<uint32_t>(data, NAME_BYTES + 4);
    if (length == 0 || length == NAME_BYTES || type > 1 || rank > 8)
    {
        return false;
    }
    tensor.name.assign(name, length);
    tensor.type = type == 0 ? nv::DataType::kFLOAT : nv::DataType::kHALF;
    tensor.shape.nbDims = static_cast<int32_t>(rank);
    for (uint32_t i = 0; i < rank; ++i)
    {
        int64_t const extent = at<int64_t>(data, NAME_BYTES + 8 + 8 * i);
        if (extent < -1 || extent == 0 || extent > MAX_ELEMENTS || (extent == -1 && i > 0))
        {
            return false;
        }
        tensor.shape.d[i] = extent;
        tensor.open = tensor.open || extent == -1;
        tensor.elements *= extent == -1 ? 1 : extent;
        if (tensor.elements > MAX_ELEMENTS)
        {
            return false;
        }
    }
    return true;
}

float load(ToyTensor const& tensor, void const* data, int64_t i)
{
    return tensor.type == nv::DataType::kFLOAT ? static_cast<float const*>(data)[i]
                                               : half_to_float(static_cast<uint16_t const*>(data)[i]);
}
} // namespace

// Up to 8.5 a plan's header tells no version, but the number of its serialization.
static constexpr char const* MAGIC = TRTSEL_DOUBLE_RTX ? "vtrt" : TRTSEL_DOUBLE_AT_LEAST(8, 6) ? "ftrt" : "ptrt";
static constexpr uint64_t SERIALIZATION = TRTSEL_DOUBLE_AT_LEAST(8, 6) ? 1
    : TRTSEL_DOUBLE_AT_LEAST(8, 5)                                      ? 232
    : TRTSEL_DOUBLE_AT_LEAST(8, 4)                                      ? 213
                                                                        : 205;

std::string read_plan(void const* data, size_t bytes, ToyPlan& plan)
{
    uint8_t const* const from = static_cast<uint8_t const*>(data);
    if (bytes < HEADER_BYTES)
    {
        return assertion("bufferSize >= minBufferSize");
    }
    if (std::memcmp(from, MAGIC, 4) != 0 || at<uint32_t>(from, 4) != 0)
    {
        return assertion("header.magicTag == kEXPECTED_MAGIC_TAG");
    }
    if (at<uint64_t>(from, 8) != SERIALIZATION)
    {
        return assertion("header.serialization == the library's serialization");
    }
    std::memcpy(plan.version, from + 24, 4);
    plan.wants_plugins = from[40] != 0;
    plan.compatible = from[41] != 0;
    plan.has_lean = from[42] != 0;
    plan.tactic = at<uint32_t>(from, 44);
    if (at<uint64_t>(from, 16) != bytes || bytes < WEIGHTS + 4)
    {
        return assertion("header.size == bufferSize");
    }
    if (crc32(from, bytes - 4) != at<uint32_t>(from, bytes - 4))
    {
        return assertion("checksum");
    }
    if (std::memcmp(from + BODY, "TOYP", 4) != 0 || at<uint32_t>(from, BODY + 4) != 1)
    {
        return assertion("a toy plan of version 1");
    }
    plan.activation_bytes = at<uint64_t>(from, BODY + 8);
    if (!read_tensor(from + TENSORS, plan.tensors[0]) || !read_tensor(from + TENSORS + TENSOR_BYTES, plan.tensors[1]))
    {
        return assertion("tensors");
    }
    if (from[43] != 0)
    {
        plan.tensors[2].name = "integers";
        plan.tensors[2].type = nv::DataType::kINT32;
        plan.tensors[2].shape.nbDims = 2;
        plan.tensors[2].shape.d[0] = 1;
        plan.tensors[2].shape.d[1] = 4;
        plan.tensors[2].elements = 4;
        plan.count = 3;
    }
    size_t const inputs = static_cast<size_t>(plan.tensors[0].elements);
    size_t const outputs = static_cast<size_t>(plan.tensors[1].elements);
    if (bytes != WEIGHTS + 4 * (inputs * outputs + outputs) + 4)
    {
        return assertion("weights");
    }
    plan.weights.resize(inputs * outputs);
    plan.bias.resize(outputs);
    std::memcpy(plan.weights.data(), from + WEIGHTS, 4 * plan.weights.size());
    std::memcpy(plan.bias.data(), from + WEIGHTS + 4 * plan.weights.size(), 4 * outputs);
    return {};
}

std::string may_run(ToyPlan const& plan, int32_t lean_major, bool host_code)
{
    uint8_t const own[4] = {NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH, NV_TENSORRT_BUILD};
    bool const same = lean_major == 0 && std::memcmp(plan.version, own, 4) == 0;
    if (TRTSEL_DOUBLE_LEAN && !plan.compatible)
    {
        return assertion("the plan is version-compatible, as a lean runtime wants it");
    }
    if (plan.wants_plugins && !has_plugins())
    {
        return "IPluginRegistry::getCreator: Error Code 4: API Usage Error (Cannot find plugin: InstanceNormalization_TRT, version: 1)";
    }
    // Code in a plan is refused unless it is allowed, even where it is not needed.
    if (plan.has_lean && !host_code)
    {
        return assertion("engine host code is allowed");
    }
    if (same || (TRTSEL_DOUBLE_LEAN && plan.version[0] == NV_TENSORRT_MAJOR))
    {
        return {};
    }
    if (!plan.compatible)
    {
        return assertion("header.version == the library's version");
    }
    if (lean_major != 0)
    {
        return lean_major == plan.version[0] ? "" : assertion("the lean runtime is of the plan's version");
    }
    return plan.has_lean ? "" : assertion("the plan brings a lean runtime with it");
}

void seal_plan(std::vector<uint8_t>& plan)
{
    uint64_t const size = plan.size();
    std::memcpy(plan.data(), MAGIC, 4);
    std::memcpy(plan.data() + 8, &SERIALIZATION, 8);
    std::memcpy(plan.data() + 16, &size, 8);
    uint8_t const own[4] = {NV_TENSORRT_MAJOR, NV_TENSORRT_MINOR, NV_TENSORRT_PATCH, NV_TENSORRT_BUILD};
    std::memcpy(plan.data() + 24, own, 4);
    std::memcpy(plan.data() + 28, MAGIC, 4);
    uint32_t const sum = crc32(plan.data(), plan.size() - 4);
    std::memcpy(plan.data() + plan.size() - 4, &sum, 4);
}

void write_first_extent(std::vector<uint8_t>& plan, int64_t extent)
{
    std::memcpy(plan.data() + TENSORS + NAME_BYTES + 8, &extent, 8);
}

void run_network(float const* weights, float const* bias, ToyTensor const& input, void const* x, ToyTensor const& output, void* y)
{
    for (int64_t o = 0; o < output.elements; ++o)
    {
        float sum = 0;
        for (int64_t i = 0; i < input.elements; ++i)
        {
            sum += weights[o * input.elements + i] * load(input, x, i);
        }
        sum += bias[o];
        if (output.type == nv::DataType::kFLOAT)
        {
            static_cast<float*>(y)[o] = sum;
        }
        else
        {
            static_cast<uint16_t*>(y)[o] = float_to_half(sum);
        }
    }
}
