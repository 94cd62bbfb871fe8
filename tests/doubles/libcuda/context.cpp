// Devices and contexts.
#include <cstdio>

#include "state.h"

namespace trtsel_double {
namespace {

constexpr unsigned STACK = 32;
// In the static block: the first use in a thread takes no heap memory.
__attribute__((tls_model("initial-exec"))) thread_local Handle stack[STACK];
__attribute__((tls_model("initial-exec"))) thread_local unsigned depth = 0;

Handle make_context(int device, bool primary) {
    State& s = state();
    const Handle handle = s.contexts.create();
    const Handle legacy = s.streams.create();
    Stream* stream = s.streams.get(legacy);
    stream->context = handle;
    stream->blocking = stream->legacy = true;
    stream->ring.resize(64);
    Context* context = s.contexts.get(handle);
    context->device = device;
    context->primary = primary;
    context->retained = 1;
    context->legacy = legacy;
    return handle;
}

void drop_context(Handle handle) {
    State& s = state();
    uint64_t left = 0;
    s.streams.each([&](Stream& stream, Handle name) {
        if (stream.context != handle) return;
        run(stream, stream.enqueued);
        if (name != s.contexts.get(handle)->legacy) ++left;
    });
    s.events.each([&](Event& event, Handle) { left += event.context == handle; });
    s.modules.each([&](Module& module, Handle) { left += module.context == handle; });
    s.graphs.each([&](Graph& graph, Handle) { left += graph.context == handle; });
    s.execs.each([&](Graph& exec, Handle) { left += exec.context == handle; });
    for (const auto& block : s.blocks) left += block.second.context == handle;
    if (left) misuse("a context was let go with %llu of its objects alive", static_cast<unsigned long long>(left));
    s.streams.destroy(s.contexts.get(handle)->legacy);
    s.contexts.destroy(handle);
}

int release_primary(int device) {
    State& s = state();
    if (device < 0 || device >= s.device_count) return INVALID_DEVICE;
    const Handle handle = s.primaries[device];
    Context* context = s.contexts.get(handle);
    if (!context) {
        misuse("a primary context was released once too often");
        return INVALID_CONTEXT;
    }
    if (--context->retained == 0) {
        drop_context(handle);
        s.primaries[device] = 0;
    }
    return SUCCESS;
}

}  // namespace

Handle current_handle() { return depth ? stack[depth - 1] : 0; }

int current(Context** out) {
    if (!current_handle()) {
        misuse("a call was made with no context current");
        return INVALID_CONTEXT;
    }
    *out = state().contexts.get(current_handle());
    if (!*out) {
        misuse("a call was made with a context current that is destroyed");
        return CONTEXT_IS_DESTROYED;
    }
    return (*out)->sticky;
}

}  // namespace trtsel_double

using namespace trtsel_double;

EXPORT int cuInit(unsigned flags) {
    BEGIN(cuInit);
    if (flags) return INVALID_VALUE;
    if (state().device_count == 0) return NO_DEVICE;
    state().initialised = true;
    return SUCCESS;
}

EXPORT int cuDriverGetVersion(int* version) {
    BEGIN(cuDriverGetVersion);
    if (!version) return INVALID_VALUE;
    *version = state().driver_version;
    return SUCCESS;
}

EXPORT int cuDeviceGetCount(int* count) {
    BEGIN(cuDeviceGetCount);
    if (!count) return INVALID_VALUE;
    *count = state().device_count;
    return SUCCESS;
}

EXPORT int cuDeviceGet(int* device, int ordinal) {
    BEGIN(cuDeviceGet);
    if (!device) return INVALID_VALUE;
    if (ordinal < 0 || ordinal >= state().device_count) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

EXPORT int cuDeviceGetName(char* name, int len, int device) {
    BEGIN(cuDeviceGetName);
    if (!name || len < 1) return INVALID_VALUE;
    if (device < 0 || device >= state().device_count) return INVALID_DEVICE;
    snprintf(name, size_t(len), "%s", state().name);
    return SUCCESS;
}

EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
    BEGIN(cuDeviceGetAttribute);
    State& s = state();
    if (!value) return INVALID_VALUE;
    if (device < 0 || device >= s.device_count) return INVALID_DEVICE;
    switch (attribute) {
        case 1: *value = 1024; break;        // threads a block
        case 2: case 3: *value = 1024; break;
        case 4: *value = 64; break;
        case 5: *value = 2147483647; break;  // blocks a grid
        case 6: case 7: *value = 65535; break;
        case 8: *value = 49152; break;       // shared memory a block
        case 10: *value = 32; break;         // warp
        case 13: *value = 1000000; break;    // kHz
        case 16: *value = 4; break;          // multiprocessors
        case 18: *value = s.integrated; break;
        case 19: *value = s.can_map; break;
        case 40: *value = 1; break;          // copy engines
        case 41: *value = 1; break;          // one address space
        case 75: *value = s.major; break;
        case 76: *value = s.minor; break;
        case 99:                             // registering host memory
            if (s.host_register < 0) return INVALID_VALUE;
            *value = s.host_register;
            break;
        default: return INVALID_VALUE;
    }
    return SUCCESS;
}

EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) {
    BEGIN(cuDeviceTotalMem_v2);
    if (!bytes) return INVALID_VALUE;
    if (device < 0 || device >= state().device_count) return INVALID_DEVICE;
    *bytes = state().total_bytes;
    return SUCCESS;
}

EXPORT int cuDevicePrimaryCtxRetain(void** out, int device) {
    BEGIN(cuDevicePrimaryCtxRetain);
    State& s = state();
    if (!out) return INVALID_VALUE;
    if (device < 0 || device >= s.device_count) return INVALID_DEVICE;
    if (Context* context = s.contexts.get(s.primaries[device])) ++context->retained;
    else s.primaries[device] = make_context(device, true);
    *out = pointer_of(s.primaries[device]);
    return SUCCESS;
}

EXPORT int cuDevicePrimaryCtxRelease(int device) {
    Call call(Symbol::cuDevicePrimaryCtxRelease);
    return call.end(release_primary(device));
}

EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
    Call call(Symbol::cuDevicePrimaryCtxRelease_v2);
    return call.end(release_primary(device));
}

EXPORT int cuCtxCreate_v2(void** out, unsigned, int device) {
    BEGIN(cuCtxCreate_v2);
    if (!out) return INVALID_VALUE;
    if (device < 0 || device >= state().device_count) return INVALID_DEVICE;
    if (depth == STACK) return OUT_OF_MEMORY;
    stack[depth++] = make_context(device, false);
    *out = pointer_of(current_handle());
    return SUCCESS;
}

EXPORT int cuCtxDestroy_v2(void* handle) {
    Call call(Symbol::cuCtxDestroy_v2);
    Context* context = state().contexts.get(handle_of(handle));
    if (!context || context->primary) return call.end(INVALID_CONTEXT);
    drop_context(handle_of(handle));
    if (current_handle() == handle_of(handle)) --depth;
    return call.end(SUCCESS);
}

EXPORT int cuCtxPushCurrent_v2(void* handle) {
    BEGIN(cuCtxPushCurrent_v2);
    if (!state().contexts.get(handle_of(handle))) {
        misuse("cuCtxPushCurrent_v2: not a context, or a destroyed one");
        return INVALID_CONTEXT;
    }
    if (depth == STACK) return OUT_OF_MEMORY;
    stack[depth++] = handle_of(handle);
    return SUCCESS;
}

EXPORT int cuCtxPopCurrent_v2(void** out) {
    BEGIN(cuCtxPopCurrent_v2);
    if (!depth) {
        misuse("cuCtxPopCurrent_v2: nothing was pushed");
        return INVALID_CONTEXT;
    }
    --depth;
    if (out) *out = pointer_of(stack[depth]);
    return SUCCESS;
}

EXPORT int cuCtxGetCurrent(void** out) {
    BEGIN(cuCtxGetCurrent);
    if (!out) return INVALID_VALUE;
    *out = pointer_of(current_handle());
    return SUCCESS;
}

EXPORT int cuCtxSetCurrent(void* handle) {
    BEGIN(cuCtxSetCurrent);
    if (!handle) {
        if (depth) --depth;
        return SUCCESS;
    }
    if (!state().contexts.get(handle_of(handle))) return INVALID_CONTEXT;
    if (!depth) ++depth;
    stack[depth - 1] = handle_of(handle);
    return SUCCESS;
}

EXPORT int cuCtxGetDevice(int* device) {
    BEGIN(cuCtxGetDevice);
    CURRENT(context);
    if (!device) return INVALID_VALUE;
    *device = context->device;
    return SUCCESS;
}

EXPORT int cuCtxSynchronize(void) {
    BEGIN(cuCtxSynchronize);
    CURRENT(context);
    const Handle handle = current_handle();
    // A wait for the whole context is a wait for each of its streams, of which none may capture, in whichever thread.
    bool captures = false;
    state().captures.each([&](Capture& capture, Handle) {
        const Stream* origin = state().streams.get(capture.origin);
        if (!origin || origin->context != handle) return;
        capture.invalid = captures = true;
    });
    if (captures) return CAPTURE_UNSUPPORTED;
    state().streams.each([&](Stream& stream, Handle) {
        if (stream.context == handle) run(stream, stream.enqueued);
    });
    return context->sticky;
}
