// Asks the driver what trt-select relies on: its calls, the device's attributes, whether file mappings can be page-locked, what a poll of
// a stream costs, and whether a context that was released comes back. It contains no code of the product and needs no header of CUDA.
//
//   c++ -std=c++17 -O2 probe.cpp -ldl -o probe
//   probe REQUIRED,CALLS OPTIONAL,CALLS       tests/gpu/run takes both lists from cuda/src/driver/table.rs
//
// Exit 1 if a required call is missing or fails. What a driver may refuse is only printed.
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void* library;
int failures = 0;

template <class F>
F call(const char* name) {
    return reinterpret_cast<F>(dlsym(library, name));
}

// Prints the calls of a list that the driver lacks, and gives their number.
int missing(const char* what, std::string list) {
    std::string absent;
    int count = 0;
    for (size_t at = 0; at < list.size();) {
        const size_t end = std::min(list.find(',', at), list.size());
        const std::string name = list.substr(at, end - at);
        if (!name.empty() && !dlsym(library, name.c_str())) absent += " " + name, ++count;
        at = end + 1;
    }
    std::printf("%s calls that are missing:%s\n", what, count ? absent.c_str() : " none");
    return count;
}

void must(int code, const char* what) {
    if (code == 0) return;
    std::printf("FAILED: %s: the driver answered %d\n", what, code);
    ++failures;
}

void attributes(int device) {
    const auto get = call<int (*)(int*, int, int)>("cuDeviceGetAttribute");
    const struct {
        const char* name;
        int number;
    } wanted[] = {{"compute capability, major", 75}, {"compute capability, minor", 76}, {"multiprocessors", 16},
        {"integrated", 18}, {"maps host memory", 19}, {"unified addressing", 41}, {"asynchronous engines", 40},
        {"pageable memory access", 88}, {"host memory can be registered (IO coherency)", 99},
        {"pageable memory through the host's page tables", 100}, {"read-only host memory can be registered", 113}};
    for (const auto& attribute : wanted) {
        int value = -1;
        const int code = get(&value, attribute.number, device);
        if (code) std::printf("attribute %d, %s: the driver answered %d\n", attribute.number, attribute.name, code);
        else std::printf("attribute %d, %s: %d\n", attribute.number, attribute.name, value);
    }
}

// Page-locks mappings of a file, as plans are mapped: read-only, with and without the flag that says so.
void mappings() {
    const auto reg = call<int (*)(void*, size_t, unsigned)>("cuMemHostRegister_v2");
    const auto unreg = call<int (*)(void*)>("cuMemHostUnregister");
    for (size_t mib : {1, 64}) {
        const size_t bytes = mib << 20;
        char path[] = "/tmp/trt-select-probe-XXXXXX";
        const int file = mkstemp(path);
        const std::vector<char> content(bytes, 1);
        if (file < 0 || write(file, content.data(), bytes) != ssize_t(bytes)) {
            std::printf("mappings of %zu MiB: skipped: no room in /tmp\n", mib);
        } else {
            for (int flags : {MAP_SHARED, MAP_PRIVATE}) {
                void* const map = mmap(nullptr, bytes, PROT_READ, flags | MAP_POPULATE, file, 0);
                // 1 is portable, 8 is read-only.
                for (unsigned how : {9u, 1u}) {
                    const auto start = Clock::now();
                    const int code = map == MAP_FAILED ? -1 : reg(map, bytes, how);
                    std::printf("page-locking %zu MiB, read-only %s mapping, flags %u: result %d, %.2f ms\n", mib,
                        flags == MAP_SHARED ? "shared" : "private", how, code, 1e3 * seconds_since(start));
                    if (code == 0) must(unreg(map), "cuMemHostUnregister");
                }
                if (map != MAP_FAILED) munmap(map, bytes);
            }
        }
        if (file >= 0) close(file), unlink(path);
    }
}

template <class F>
void cost(const char* name, F once) {
    const int rounds = 20000;
    const auto start = Clock::now();
    for (int i = 0; i < rounds; ++i) once();
    std::printf("cost of %s: %.3f us\n", name, seconds_since(start) / rounds * 1e6);
}

void costs(void* context) {
    const auto push = call<int (*)(void*)>("cuCtxPushCurrent_v2");
    const auto pop = call<int (*)(void**)>("cuCtxPopCurrent_v2");
    const auto query = call<int (*)(void*)>("cuStreamQuery");
    const auto event_query = call<int (*)(void*)>("cuEventQuery");
    void *stream = nullptr, *event = nullptr;
    must(call<int (*)(void**, unsigned)>("cuStreamCreate")(&stream, 1), "cuStreamCreate");
    must(call<int (*)(void**, unsigned)>("cuEventCreate")(&event, 2), "cuEventCreate");
    if (failures) return;
    must(call<int (*)(void*, void*)>("cuEventRecord")(event, stream), "cuEventRecord");
    must(call<int (*)(void*)>("cuStreamSynchronize")(stream), "cuStreamSynchronize");
    cost("cuStreamQuery of an idle stream", [&] { query(stream); });
    cost("cuEventQuery of a done event", [&] { event_query(event); });
    cost("cuCtxPushCurrent and cuCtxPopCurrent", [&] {
        void* before;
        push(context);
        pop(&before);
    });
    must(call<int (*)(void*)>("cuEventDestroy_v2")(event), "cuEventDestroy");
    must(call<int (*)(void*)>("cuStreamDestroy_v2")(stream), "cuStreamDestroy");
}

}  // namespace

int main(int count, char** words) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (count != 3) {
        std::fputs("usage: probe REQUIRED,CALLS OPTIONAL,CALLS\n", stderr);
        return 2;
    }
    // An empty list would find nothing missing.
    if (!*words[1]) {
        std::fputs("probe: expected the calls that are required, got none; tests/gpu/run reads them from cuda/src/driver/table.rs\n", stderr);
        return 2;
    }
    const char* const named = std::getenv("TRT_SELECT_LIBCUDA");
    library = dlopen(named && *named ? named : "libcuda.so.1", RTLD_NOW);
    if (!library) {
        std::printf("FAILED: %s\n", dlerror());
        return 1;
    }
    if (missing("required", words[1])) return 1;
    missing("optional", words[2]);
    must(call<int (*)(unsigned)>("cuInit")(0), "cuInit");
    int version = 0, device = 0;
    must(call<int (*)(int*)>("cuDriverGetVersion")(&version), "cuDriverGetVersion");
    must(call<int (*)(int*, int)>("cuDeviceGet")(&device, 0), "cuDeviceGet");
    if (failures) return 1;
    std::printf("driver's CUDA version: %d\n", version);
    attributes(device);
    const auto retain = call<int (*)(void**, int)>("cuDevicePrimaryCtxRetain");
    const auto release = call<int (*)(int)>(dlsym(library, "cuDevicePrimaryCtxRelease_v2") ? "cuDevicePrimaryCtxRelease_v2" : "cuDevicePrimaryCtxRelease");
    const auto push = call<int (*)(void*)>("cuCtxPushCurrent_v2");
    const auto pop = call<int (*)(void**)>("cuCtxPopCurrent_v2");
    void *context = nullptr, *before = nullptr;
    for (int round = 0; round < 4 && !failures; ++round) {
        void* const earlier = context;
        const auto start = Clock::now();
        must(retain(&context, device), "cuDevicePrimaryCtxRetain");
        must(push(context), "cuCtxPushCurrent");
        std::printf("primary context %s in %.3f s%s\n", round ? "retained again" : "retained", seconds_since(start),
            round ? (earlier == context ? ", the same handle" : ", another handle") : "");
        if (round == 0 && !failures) {
            mappings();
            costs(context);
        }
        must(pop(&before), "cuCtxPopCurrent");
        must(release(device), "cuDevicePrimaryCtxRelease");
    }
    std::puts(failures ? "probe: failed" : "probe: done");
    return failures != 0;
}
