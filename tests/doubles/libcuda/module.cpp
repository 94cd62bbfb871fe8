// Modules and kernels: the PTX names them, functions of the host do their work.
#include <cctype>
#include <cstdio>

#include "state.h"

// Kernels of the product, where they are linked in.
extern "C" {
extern const trtsel_host_kernel trtsel_host_kernels[] __attribute__((weak));
extern const unsigned trtsel_host_kernel_count __attribute__((weak));
}

namespace trtsel_double {

// Kernels of the driver layer's own tests: name, function, sizes of arguments.
extern const trtsel_host_kernel TEST_KERNELS[];
extern const unsigned TEST_KERNEL_ARGUMENTS[][MAX_ARGUMENTS];
extern const unsigned TEST_KERNEL_COUNT;

namespace {

std::vector<Kernel>* make_kernels() {
    auto* kernels = new std::vector<Kernel>;
    for (unsigned i = 0; i < TEST_KERNEL_COUNT; ++i) {
        Kernel kernel;
        kernel.host = &TEST_KERNELS[i];
        while (kernel.argument_count < MAX_ARGUMENTS && TEST_KERNEL_ARGUMENTS[i][kernel.argument_count]) {
            kernel.argument_bytes[kernel.argument_count] = TEST_KERNEL_ARGUMENTS[i][kernel.argument_count];
            ++kernel.argument_count;
        }
        kernels->push_back(kernel);
    }
    const unsigned count = &trtsel_host_kernel_count ? trtsel_host_kernel_count : 0;
    for (unsigned i = 0; i < count; ++i) {
        Kernel kernel;
        kernel.host = &trtsel_host_kernels[i];
        kernel.argument_count = 1;
        // The feature kernels take their FeaturesParams by value, the others a pointer to what they are told.
        kernel.argument_bytes[0] = strstr(kernel.host->name, "features") ? 96 : 8;
        kernels->push_back(kernel);
    }
    return kernels;
}

const char* skip_blank(const char* at) {
    for (;;) {
        while (isspace(static_cast<unsigned char>(*at))) ++at;
        if (at[0] == '/' && at[1] == '/') {
            while (*at && *at != '\n') ++at;
        } else if (at[0] == '/' && at[1] == '*') {
            const char* end = strstr(at + 2, "*/");
            if (!end) return at;
            at = end + 2;
        } else {
            return at;
        }
    }
}

// What is wrong with a text as PTX, or null.
const char* not_ptx(const char* text) {
    const char* at = skip_blank(text);
    if (strncmp(at, ".version", 8)) return "ptxas application ptx input, line 1; fatal   : Missing .version directive at start of file";
    const char* target = strstr(at, ".target");
    if (!target) return "ptxas application ptx input, line 2; fatal   : Missing .target directive";
    unsigned open = 0;
    for (; *at; ++at) open += *at == '{' ? 1u : *at == '}' ? ~0u : 0u;
    if (open) return "ptxas application ptx input; fatal   : Parsing error near '': syntax error";
    return nullptr;
}

bool has_entry(const char* text, const char* name) {
    const size_t len = strlen(name);
    for (const char* at = text; (at = strstr(at, ".entry"));) {
        at += 6;
        while (isspace(static_cast<unsigned char>(*at))) ++at;
        if (!strncmp(at, name, len) && !isalnum(static_cast<unsigned char>(at[len])) && at[len] != '_' && at[len] != '$') return true;
    }
    return false;
}

int load(Call& call, void** out, const void* image, unsigned count, const int* options, void** values) {
    if (call.injected) return call.injected;
    CURRENT(context);
    if (!out || !image || (count && (!options || !values))) return INVALID_VALUE;
    if (int code = potentially_unsafe()) return code;
    const char* text = static_cast<const char*>(image);
    if (const char* why = not_ptx(text)) {
        char* log = nullptr;
        size_t bytes = 0;
        unsigned size_at = count;
        for (unsigned i = 0; i < count; ++i) {
            if (options[i] == 5) log = static_cast<char*>(values[i]);
            if (options[i] == 6) {
                bytes = reinterpret_cast<uintptr_t>(values[i]);
                size_at = i;
            }
        }
        if (log && bytes) {
            const int written = snprintf(log, bytes, "%s\nptxas fatal   : Ptx assembly aborted due to errors", why);
            if (size_at < count) values[size_at] = reinterpret_cast<void*>(uintptr_t(written));
        }
        return INVALID_PTX;
    }
    const Handle handle = state().modules.create();
    Module* module = state().modules.get(handle);
    module->context = current_handle();
    module->text.assign(text, text + strlen(text) + 1);
    *out = pointer_of(handle);
    return SUCCESS;
}

}  // namespace

const Kernel* find_kernel(const char* name) {
    static const std::vector<Kernel>* kernels = make_kernels();
    for (const Kernel& kernel : *kernels)
        if (!strcmp(kernel.host->name, name)) return &kernel;
    return nullptr;
}

}  // namespace trtsel_double

using namespace trtsel_double;

EXPORT int cuModuleLoadData(void** out, const void* image) {
    Call call(Symbol::cuModuleLoadData);
    return load(call, out, image, 0, nullptr, nullptr);
}

EXPORT int cuModuleLoadDataEx(void** out, const void* image, unsigned count, int* options, void** values) {
    Call call(Symbol::cuModuleLoadDataEx);
    return load(call, out, image, count, options, values);
}

EXPORT int cuModuleGetFunction(void** out, void* handle, const char* name) {
    BEGIN(cuModuleGetFunction);
    CURRENT(context);
    Module* module = state().modules.get(handle_of(handle));
    if (!module) {
        misuse("cuModuleGetFunction: not a module, or an unloaded one");
        return INVALID_HANDLE;
    }
    if (!out || !name) return INVALID_VALUE;
    if (!has_entry(module->text.data(), name)) return NOT_FOUND;
    const Kernel* kernel = find_kernel(name);
    if (!kernel) {
        misuse("cuModuleGetFunction: the PTX has %s, but no kernel of that name is compiled for the host", name);
        return NOT_FOUND;
    }
    const Handle made = state().functions.create();
    *state().functions.get(made) = {handle_of(handle), kernel};
    *out = pointer_of(made);
    return SUCCESS;
}

EXPORT int cuModuleUnload(void* handle) {
    Call call(Symbol::cuModuleUnload);
    Context* context = nullptr;
    int code = current(&context);
    if (!context) return call.end(code);
    State& s = state();
    Module* module = s.modules.get(handle_of(handle));
    if (!module) {
        misuse("cuModuleUnload: not a module, or an unloaded one");
        return call.end(INVALID_HANDLE);
    }
    if (int capturing = potentially_unsafe()) return call.end(capturing);
    s.functions.each([&](Function& function, Handle name) {
        if (function.module == handle_of(handle)) s.functions.destroy(name);
    });
    s.modules.destroy(handle_of(handle));
    return call.end(code);
}

EXPORT int cuLaunchKernel(void* function_handle, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                          unsigned shared_bytes, void* stream_handle, void** arguments, void** extra) {
    BEGIN(cuLaunchKernel);
    CURRENT(context);
    Function* function = state().functions.get(handle_of(function_handle));
    if (!function) {
        misuse("cuLaunchKernel: not a function, or one of an unloaded module");
        return INVALID_HANDLE;
    }
    if (state().modules.get(function->module)->context != current_handle()) {
        misuse("cuLaunchKernel: a function of a context that is not current");
        return INVALID_HANDLE;
    }
    Stream* stream;
    Handle name;
    if (int code = find_stream(stream_handle, &stream, &name)) return code;
    if (extra) return NOT_SUPPORTED;
    if (!gx || !gy || !gz || gx > 2147483647u || gy > 65535 || gz > 65535) return INVALID_VALUE;
    if (!bx || !by || !bz || bx > 1024 || by > 1024 || bz > 64 || uint64_t(bx) * by * bz > 1024) return INVALID_VALUE;
    if (shared_bytes > 49152) return INVALID_VALUE;
    Op op;
    op.kind = Op::KERNEL;
    op.kernel = function->kernel;
    op.grid[0] = gx, op.grid[1] = gy, op.grid[2] = gz;
    op.block[0] = bx, op.block[1] = by, op.block[2] = bz;
    size_t offset = 0;
    for (unsigned i = 0; i < op.kernel->argument_count; ++i) {
        const uint32_t bytes = op.kernel->argument_bytes[i];
        if (!arguments || !arguments[i] || offset + bytes > ARGUMENT_BYTES) return INVALID_VALUE;
        memcpy(op.arguments + offset, arguments[i], bytes);
        offset += (bytes + 7) / 8 * 8;
    }
    op.kernel->blocks = uint64_t(gx) * gy * gz;
    return enqueue(name, *stream, op);
}

// How many blocks the last launch of a kernel had; 0 where it was not launched yet, and for a name that there is not.
EXPORT uint64_t trtsel_double_blocks(const char* kernel) {
    std::lock_guard<std::recursive_mutex> lock(state().mutex);
    const Kernel* found = find_kernel(kernel);
    return found ? found->blocks : 0;
}
