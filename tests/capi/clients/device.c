/* Infers frames in device memory on TensorRT. They get the same answers as frames in host memory, and each is read only after
 * the copy that was enqueued before it on the caller's stream. TRT_SELECT_LIBCUDA names the driver; the tests name its double.
 * device BUNDLE FRAMES */
#include <dlfcn.h>

#include "frames.h"

typedef int (*call0)(unsigned);
typedef int (*call_device)(int*, int);
typedef int (*call_retain)(void**, int);
typedef int (*call_push)(void*);
typedef int (*call_stream)(void**, unsigned);
typedef int (*call_alloc)(uint64_t*, size_t);
typedef int (*call_copy)(uint64_t, const void*, size_t, void*);
typedef int (*call_free)(uint64_t);
typedef int (*call_destroy)(void*);

static void* library;

/* Declares a function pointer and looks it up in the driver. ISO C has no cast from an object's address to a function's, so
 * `symbol` copies the bytes of the address. */
#define GET(type, name) \
    type name;          \
    symbol(#name, &name, sizeof name)

static void symbol(const char* name, void* to, size_t bytes) {
    void* found = dlsym(library, name);
    CHECK(found != NULL && bytes == sizeof found);
    memcpy(to, &found, sizeof found);
}

static size_t plane_bytes(const trtsel_frame* f, int plane) {
    const uint64_t rows = plane == 0 ? f->height_px : (f->height_px + 1) / 2;
    return (size_t)(rows * (plane == 0 ? f->stride0_bytes : f->stride1_bytes));
}

int main(int argc, char** argv) {
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_TENSORRT, .flags = TRTSEL_DEVICE_TIMES};
    trtsel_selector* s = NULL;
    trtsel_result host = {.struct_size = sizeof host}, device = {.struct_size = sizeof device};
    trtsel_memory memory = {.struct_size = sizeof memory};
    char text[300];
    size_t count, i;
    trtsel_frame* frames;
    int ordinal;
    void *context = NULL, *stream = NULL;
    CHECK(argc == 3);
    library = dlopen(getenv("TRT_SELECT_LIBCUDA"), RTLD_NOW);
    CHECK(library != NULL);
    GET(call0, cuInit);
    GET(call_device, cuDeviceGet);
    GET(call_retain, cuDevicePrimaryCtxRetain);
    GET(call_push, cuCtxPushCurrent_v2);
    GET(call_stream, cuStreamCreate);
    GET(call_alloc, cuMemAlloc_v2);
    GET(call_copy, cuMemcpyHtoDAsync_v2);
    GET(call_free, cuMemFree_v2);
    GET(call_destroy, cuStreamDestroy_v2);
    CHECK(cuInit(0) == 0 && cuDeviceGet(&ordinal, 0) == 0 && cuDevicePrimaryCtxRetain(&context, ordinal) == 0);
    CHECK(cuCtxPushCurrent_v2(context) == 0 && cuStreamCreate(&stream, 1) == 0);
    frames = read_frames(argv[2], &count);
    o.stream = stream;
    if (trtsel_selector_open(argv[1], &o, &s, text, sizeof text) != TRTSEL_OK) {
        fprintf(stderr, "device: %s\n", text);
        return 1;
    }
    IS(TRTSEL_OK, trtsel_selector_memory(s, TRTSEL_MEMORY_SUM, &memory));
    CHECK(memory.device_bytes > memory.activation_bytes && memory.activation_bytes > 0 && memory.pinned_bytes > 0);
    for (i = 0; i < count; ++i) {
        trtsel_frame f = frames[i];
        const float* p = NULL;
        size_t classes = 0;
        uint64_t planes[2] = {0, 0}, hash;
        int plane;
        IS(TRTSEL_OK, trtsel_selector_infer(s, &frames[i], &host));
        IS(TRTSEL_OK, trtsel_selector_probabilities(s, &p, &classes));
        hash = hash_of(p, classes);
        for (plane = 0; plane < 2; ++plane) {
            const size_t bytes = plane_bytes(&f, plane);
            if (bytes == 0) continue;
            CHECK(cuMemAlloc_v2(&planes[plane], bytes) == 0);
            CHECK(cuMemcpyHtoDAsync_v2(planes[plane], plane == 0 ? f.plane0 : f.plane1, bytes, stream) == 0);
        }
        f.place = TRTSEL_PLACE_DEVICE;
        f.plane0 = (const void*)(uintptr_t)planes[0];
        f.plane1 = (const void*)(uintptr_t)planes[1];
        /* Every second frame names its stream itself; the others rely on the stream of the options. */
        f.stream = i % 2 == 0 ? NULL : stream;
        IS(TRTSEL_OK, trtsel_selector_infer(s, &f, &device));
        IS(TRTSEL_OK, trtsel_selector_probabilities(s, &p, &classes));
        CHECK(device.class_index == host.class_index && device.node == host.node && hash_of(p, classes) == hash);
        f.plane0 = NULL;
        IS(TRTSEL_NULL_POINTER, trtsel_selector_infer(s, &f, &device));
        f.plane0 = (const void*)(uintptr_t)planes[0];
        f.width_px = 40000;
        IS(TRTSEL_INPUT, trtsel_selector_infer(s, &f, &device));
        for (plane = 0; plane < 2; ++plane) {
            if (planes[plane] != 0) CHECK(cuMemFree_v2(planes[plane]) == 0);
        }
    }
    IS(TRTSEL_OK, trtsel_selector_close(s));
    CHECK(cuStreamDestroy_v2(stream) == 0);
    free_frames(frames, count);
    puts("device: passed");
    return 0;
}
