// Runs plans in TensorRT with nothing around them: what a network costs that trt-select cannot make cheaper. tests/gpu/run holds the times
// of candidates against these. Compile it against headers of the major version that runs the plans: 8.6 or newer of 8, or 10.1 or newer of 10.
//
//   c++ -std=c++17 -O2 -I HEADERS -I engines/tensorrt/cuda_stub bare.cpp -ldl -o bare
//   bare LIBRARY LEAN|- NAME=PLAN...       LEAN: the lean runtime that loads plans of its version into a newer LIBRARY; - for none
//
// For each plan it prints `bare NAME: graph A us, enqueue B us, device C us`: medians from the launch to the end of the wait, by graph and
// by enqueueV3, and of the work alone by the device's clock. Where there are no graphs, A is `-`. Exit 1 if a plan does not run. Medians are
// of 2000 rounds, or of as many as the variable BARE_ROUNDS says.
#include "NvInfer.h"

#if (NV_TENSORRT_MAJOR == 8 && NV_TENSORRT_MINOR < 6) || (NV_TENSORRT_MAJOR == 10 && NV_TENSORRT_MINOR < 1)
#error "bare.cpp: expected headers of TensorRT 8.6 or later, or of 10.1 or later"
#endif

#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Address = unsigned long long;
constexpr int WARM = 200;
int rounds = 2000;

class Log : public nvinfer1::ILogger {
public:
    void log(Severity severity, char const* text) noexcept override {
        if (int(severity) <= 1) std::printf("[TensorRT] %s\n", text);
    }
} logger;

void* driver;

template <class F>
F cuda(char const* name) {
    return reinterpret_cast<F>(dlsym(driver, name));
}

bool ok(int code, char const* what) {
    if (code) std::printf("FAILED: %s: the driver answered %d\n", what, code);
    return code == 0;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

// A plan that is ready to be enqueued.
struct Network {
    nvinfer1::ICudaEngine* engine = nullptr;
    nvinfer1::IExecutionContext* context = nullptr;
    std::vector<Address> blocks;
};

bool allocate(Network& network, size_t bytes, Address& block) {
    if (!ok(cuda<int (*)(Address*, size_t)>("cuMemAlloc_v2")(&block, std::max<size_t>(bytes, 256)), "cuMemAlloc")) return false;
    network.blocks.push_back(block);
    return ok(cuda<int (*)(Address, unsigned char, size_t)>("cuMemsetD8_v2")(block, 0, std::max<size_t>(bytes, 256)), "cuMemsetD8");
}

bool open(nvinfer1::IRuntime& runtime, char const* path, Network& network) {
    std::ifstream file(path, std::ios::binary);
    std::string const plan((std::istreambuf_iterator<char>(file)), {});
    network.engine = plan.empty() ? nullptr : runtime.deserializeCudaEngine(plan.data(), plan.size());
    if (!network.engine) {
        std::printf("FAILED: %s: expected a plan that this library runs, got %zu bytes that it refused\n", path, plan.size());
        return false;
    }
    Address scratch = 0;
#if NV_TENSORRT_MAJOR >= 10
    network.context = network.engine->createExecutionContext(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED);
    size_t const bytes = size_t(network.engine->getDeviceMemorySizeV2());
#else
    network.context = network.engine->createExecutionContextWithoutDeviceMemory();
    size_t const bytes = network.engine->getDeviceMemorySize();
#endif
    if (!network.context || !allocate(network, bytes, scratch)) return false;
#if NV_TENSORRT_MAJOR >= 10
    network.context->setDeviceMemoryV2(reinterpret_cast<void*>(scratch), int64_t(bytes));
#else
    network.context->setDeviceMemory(reinterpret_cast<void*>(scratch));
#endif
    for (int i = 0; i < network.engine->getNbIOTensors(); ++i) {
        char const* const name = network.engine->getIOTensorName(i);
        nvinfer1::Dims dims = network.engine->getTensorShape(name);
        bool const is_input = network.engine->getTensorIOMode(name) == nvinfer1::TensorIOMode::kINPUT;
        bool open_batch = false;
        size_t elements = 1;
        for (int k = 0; k < dims.nbDims; ++k) {
            open_batch = open_batch || dims.d[k] < 0;
            dims.d[k] = dims.d[k] < 0 ? 1 : dims.d[k];
            elements *= size_t(dims.d[k]);
        }
        Address block = 0;
        if (is_input && open_batch && !network.context->setInputShape(name, dims)) return false;
        if (!allocate(network, 4 * elements, block) || !network.context->setTensorAddress(name, reinterpret_cast<void*>(block))) return false;
    }
    return true;
}

// Times a way to start the work: from the start to the end of the wait, in microseconds. Negative where it fails.
template <class F>
double host_us(void* stream, F start) {
    auto const wait = cuda<int (*)(void*)>("cuStreamSynchronize");
    std::vector<double> times;
    for (int i = 0; i < WARM + rounds; ++i) {
        auto const before = Clock::now();
        if (!start() || wait(stream)) return -1;
        if (i >= WARM) times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - before).count());
    }
    return median(times);
}

template <class F>
double device_us(void* stream, F start) {
    auto const record = cuda<int (*)(void*, void*)>("cuEventRecord");
    void* events[2];
    for (void*& event : events)
        if (!ok(cuda<int (*)(void**, unsigned)>("cuEventCreate")(&event, 0), "cuEventCreate")) return -1;
    std::vector<double> times;
    for (int i = 0; i < rounds; ++i) {
        float ms = 0;
        if (record(events[0], stream) || !start() || record(events[1], stream) || cuda<int (*)(void*)>("cuEventSynchronize")(events[1])) return -1;
        if (!ok(cuda<int (*)(float*, void*, void*)>("cuEventElapsedTime")(&ms, events[0], events[1]), "cuEventElapsedTime")) return -1;
        times.push_back(1e3 * double(ms));
    }
    for (void* event : events) cuda<int (*)(void*)>("cuEventDestroy_v2")(event);
    return median(times);
}

// The network as a graph; null where the driver has none, or a plan cannot be captured.
void* capture(void* stream, Network& network) {
    auto const begin = cuda<int (*)(void*, int)>("cuStreamBeginCapture_v2");
    auto const end = cuda<int (*)(void*, void**)>("cuStreamEndCapture");
    auto const newest = cuda<int (*)(void**, void*, Address)>("cuGraphInstantiateWithFlags");
    auto const older = cuda<int (*)(void**, void*, void**, char*, size_t)>("cuGraphInstantiate_v2");
    if (!begin || !end || (!newest && !older) || begin(stream, 2)) return nullptr;
    bool const enqueued = network.context->enqueueV3(static_cast<cudaStream_t>(stream));
    void *graph = nullptr, *exec = nullptr;
    if (end(stream, &graph) || !enqueued) return nullptr;
    int const code = newest ? newest(&exec, graph, 0) : older(&exec, graph, nullptr, nullptr, 0);
    cuda<int (*)(void*)>("cuGraphDestroy")(graph);
    return code ? nullptr : exec;
}

bool measure(nvinfer1::IRuntime& runtime, std::string const& name, char const* path) {
    Network network;
    void* stream = nullptr;
    if (!ok(cuda<int (*)(void**, unsigned)>("cuStreamCreate")(&stream, 1), "cuStreamCreate") || !open(runtime, path, network)) return false;
    auto const enqueue = [&] { return network.context->enqueueV3(static_cast<cudaStream_t>(stream)); };
    double const by_enqueue = host_us(stream, enqueue);
    double by_graph = -1, on_device = device_us(stream, enqueue);
    if (void* const exec = by_enqueue < 0 ? nullptr : capture(stream, network)) {
        auto const launch = [&] { return cuda<int (*)(void*, void*)>("cuGraphLaunch")(exec, stream) == 0; };
        by_graph = host_us(stream, launch);
        on_device = device_us(stream, launch);
        cuda<int (*)(void*)>("cuGraphExecDestroy")(exec);
    }
    char graph[32] = "-";
    if (by_graph >= 0) std::snprintf(graph, sizeof graph, "%.2f", by_graph);
    std::printf("bare %s: graph %s us, enqueue %.2f us, device %.2f us\n", name.c_str(), graph, by_enqueue, on_device);
    delete network.context;
    delete network.engine;
    for (Address block : network.blocks) cuda<int (*)(Address)>("cuMemFree_v2")(block);
    cuda<int (*)(void*)>("cuStreamDestroy_v2")(stream);
    return by_enqueue >= 0;
}

nvinfer1::IRuntime* open_runtime(char const* path, char const* lean) {
    void* const library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    auto const create = library ? reinterpret_cast<void* (*)(void*, int)>(dlsym(library, "createInferRuntime_INTERNAL")) : nullptr;
    auto* runtime = create ? static_cast<nvinfer1::IRuntime*>(create(&logger, NV_TENSORRT_VERSION)) : nullptr;
    if (!runtime) {
        std::printf("FAILED: %s: expected a runtime of TensorRT %d, got %s\n", path, int(NV_TENSORRT_MAJOR), library ? "none" : dlerror());
        return nullptr;
    }
    runtime->setEngineHostCodeAllowed(true);
    if (std::strcmp(lean, "-") != 0) runtime = runtime->loadRuntime(lean);
    if (!runtime) std::printf("FAILED: %s: expected a lean runtime, got none that %s loads\n", lean, path);
    return runtime;
}

}  // namespace

int main(int count, char** words) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (count < 4) {
        std::fputs("usage: bare LIBRARY LEAN|- NAME=PLAN...\n", stderr);
        return 2;
    }
    if (char const* const asked = std::getenv("BARE_ROUNDS")) rounds = std::max(1, std::atoi(asked));
    char const* const named = std::getenv("TRT_SELECT_LIBCUDA");
    driver = dlopen(named && *named ? named : "libcuda.so.1", RTLD_NOW);
    void* context = nullptr;
    if (!driver || !ok(cuda<int (*)(unsigned)>("cuInit")(0), "cuInit")
        || !ok(cuda<int (*)(void**, int)>("cuDevicePrimaryCtxRetain")(&context, 0), "cuDevicePrimaryCtxRetain")
        || !ok(cuda<int (*)(void*)>("cuCtxPushCurrent_v2")(context), "cuCtxPushCurrent")) return 1;
    nvinfer1::IRuntime* const runtime = open_runtime(words[1], words[2]);
    if (!runtime) return 1;
    int failed = 0;
    for (int i = 3; i < count; ++i) {
        char const* const equals = std::strchr(words[i], '=');
        failed += !equals || !measure(*runtime, std::string(words[i], size_t(equals - words[i])), equals + 1);
    }
    return failed != 0;
}
