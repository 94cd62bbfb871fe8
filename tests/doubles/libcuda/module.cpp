// Modules and kernels: PTX or machine code names them, functions of the host do their work.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>

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

bool has_entry(const Module& module, const char* name) {
    const size_t len = strlen(name);
    // A section has the name of the kernel that it holds.
    if (module.elf) {
        const std::string section = std::string(".text.") + name;
        const auto end = module.text.end();
        return std::search(module.text.begin(), end, section.c_str(), section.c_str() + section.size() + 1) != end;
    }
    for (const char* at = module.text.data(); (at = strstr(at, ".entry"));) {
        at += 6;
        while (isspace(static_cast<unsigned char>(*at))) ++at;
        if (!strncmp(at, name, len) && !isalnum(static_cast<unsigned char>(at[len])) && at[len] != '_' && at[len] != '$') return true;
    }
    return false;
}

template <class T>
T read_at(const char* image, size_t offset) {
    T value;
    memcpy(&value, image + offset, sizeof value);
    return value;
}

bool is_elf(const char* image) { return !memcmp(image, "\177ELF", 4); }

// Bytes of an ELF file of 64 bits: up to the end of its tables of sections and segments, which ptxas writes last.
size_t elf_bytes(const char* image) {
    const uint64_t segments = read_at<uint64_t>(image, 0x20) + uint64_t(56) * read_at<uint16_t>(image, 0x38);
    const uint64_t sections = read_at<uint64_t>(image, 0x28) + uint64_t(64) * read_at<uint16_t>(image, 0x3c);
    return size_t(segments > sections ? segments : sections);
}

// Whether the device runs this machine code: that of its own capability, or of an earlier one with the same major number where
// neither is a Jetson's.
bool runs(const char* image) {
    const uint32_t flags = read_at<uint32_t>(image, 0x30);
    const int sm = int(image[8] < 8 ? flags & 255 : flags >> 8 & 255);
    const int own = 10 * state().major + state().minor;
    const auto jetson = [](int number) { return number == 53 || number == 62 || number == 72 || number == 87; };
    return sm == own || (sm / 10 == own / 10 && sm < own && !jetson(sm) && !jetson(own));
}

// What a driver says of an image of machine code.
int take_elf(const char* image) {
    if (reinterpret_cast<uintptr_t>(image) % 8) misuse("cuModuleLoadData: an ELF file that is not at a multiple of 8");
    if (int code = state().cubin_result) return code;
    // EM_CUDA.
    if (read_at<uint16_t>(image, 0x12) != 190) return INVALID_IMAGE;
    return runs(image) ? SUCCESS : NO_BINARY_FOR_GPU;
}

int load(Call& call, void** out, const void* image, unsigned count, const int* options, void** values) {
    if (call.injected) return call.injected;
    CURRENT(context);
    if (!out || !image || (count && (!options || !values))) return INVALID_VALUE;
    if (int code = potentially_unsafe()) return code;
    const char* text = static_cast<const char*>(image);
    const bool elf = is_elf(text);
    if (int code = elf ? take_elf(text) : state().ptx_result) return code;
    if (const char* why = elf ? nullptr : not_ptx(text)) {
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
    module->elf = elf;
    module->text.assign(text, text + (elf ? elf_bytes(text) : strlen(text) + 1));
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
    if (!has_entry(*module, name)) return NOT_FOUND;
    const Kernel* kernel = find_kernel(name);
    if (!kernel) {
        misuse("cuModuleGetFunction: the module has %s, but no kernel of that name is compiled for the host", name);
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
