// Toy plans: see ../toy-plan.md.
#pragma once

#include "state.h"

#include <string>
#include <vector>

struct ToyTensor
{
    std::string name;
    nv::DataType type = nv::DataType::kFLOAT;
    nv::Dims shape{};
    // Elements, an extent left open counted as 1.
    int64_t elements = 1;
    bool open = false;
};

struct ToyPlan
{
    uint64_t activation_bytes = 0;
    // Whether it runs only where the plugins are registered.
    bool wants_plugins = false;
    // Whether other versions run it too, and whether it brings the code for that with it.
    bool compatible = false;
    bool has_lean = false;
    // Which of several equal ways the builder took.
    uint32_t tactic = 0;
    uint8_t version[4] = {};
    // Input, output, and where there are three an output of 32-bit integers.
    ToyTensor tensors[3];
    int count = 2;
    std::vector<float> weights; // [output][input]
    std::vector<float> bias;
};

// Reads a plan; empty text on success, else what is wrong, as TensorRT would say it.
std::string read_plan(void const* data, size_t bytes, ToyPlan& plan);

// Whether this library, or the lean runtime of another major version that it opened, may run a plan; empty text if so.
std::string may_run(ToyPlan const& plan, int32_t lean_major, bool host_code);

// Writes a plan's header anew: magic and version of this library, size, check sum.
void seal_plan(std::vector<uint8_t>& plan);

// Writes the first extent of the input into a plan.
void write_first_extent(std::vector<uint8_t>& plan, int64_t extent);

// y = W x + b, sums in single precision, in the order of the index, the bias last.
void run_network(float const* weights, float const* bias, ToyTensor const& input, void const* x, ToyTensor const& output, void* y);
