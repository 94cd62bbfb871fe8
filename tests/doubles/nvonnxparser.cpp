// The double of the ONNX parser's library. It understands a model FILE if a toy plan FILE.toyplan stands beside it: see toy-plan.md.

#include "rest.h"

#include <cstdio>
#include <new>
#include <string>
#include <vector>

namespace trtsel_nvdouble
{
void unexpected(char const* name) noexcept
{
    std::fprintf(stderr, "the double of the ONNX parser has no %s\n", name);
    std::abort();
}
} // namespace trtsel_nvdouble

extern "C" char const* trtsel_nvdouble_take_network(void* network, void const* plan, uint64_t bytes) noexcept;

namespace
{
class Error final : public nvonnxparser::IParserErrorRest
{
public:
    char const* desc() const noexcept override { return text.c_str(); }
    int node() const noexcept override { return -1; }
    std::string text;
};

class Parser final : public nvonnxparser::IParserRest
{
public:
    explicit Parser(void* network)
        : mNetwork(network)
    {
    }

    bool parseFromFile(char const* file, int) noexcept override
    {
        std::string const beside = std::string(file) + ".toyplan";
        std::FILE* const from = std::fopen(beside.c_str(), "rb");
        if (from == nullptr)
        {
            mError.text = "no toy plan beside the model: " + beside;
            return false;
        }
        std::vector<unsigned char> plan;
        unsigned char block[4096];
        for (size_t n; (n = std::fread(block, 1, sizeof block, from)) > 0;)
        {
            plan.insert(plan.end(), block, block + n);
        }
        std::fclose(from);
        char const* const wrong = trtsel_nvdouble_take_network(mNetwork, plan.data(), plan.size());
        mError.text = wrong == nullptr ? "" : wrong;
        return wrong == nullptr;
    }

    int getNbErrors() const noexcept override { return mError.text.empty() ? 0 : 1; }
    nvonnxparser::IParserError const* getError(int index) const noexcept override { return index == 0 ? &mError : nullptr; }

private:
    void* mNetwork;
    Error mError;
};
} // namespace

EXPORT void* createNvOnnxParser_INTERNAL(void* network, void*, int) noexcept
{
    return static_cast<nvonnxparser::IParser*>(new (std::nothrow) Parser(network));
}
