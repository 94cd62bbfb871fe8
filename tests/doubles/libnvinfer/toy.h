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
    ToyTensor tensors[2]; // input, output
    std::vector<float> weights; // [output][input]
    std::vector<float> bias;
};

// Reads a plan; empty text on success, else what is wrong, as TensorRT would say it.
std::string read_plan(void const* data, size_t bytes, ToyPlan& plan);

// y = W x + b, sums in single precision, in the order of the index, the bias last.
void run_network(float const* weights, float const* bias, ToyTensor const& input, void const* x, ToyTensor const& output, void* y);
