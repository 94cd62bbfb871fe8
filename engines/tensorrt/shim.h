/*
 * The C face of TensorRT. No type of TensorRT's appears here, so that one binary can hold several of these tables, each
 * compiled from the headers of another ABI line (see shim.cpp), and so that the bindings need no C++.
 *
 * Each line's object exports one function, `trtsel_shim_<line>`, which returns its table. Nothing here links against
 * TensorRT: the caller opens the library and hands over the addresses of its entry points.
 *
 * Every function returns a status and writes its out-parameters only on TRTSEL_SHIM_OK. None lets a C++ exception out.
 * TensorRT tells why it refused only in its log: see set_log.
 *
 * Threads: a runtime, an engine or a context may be used by one thread at a time. A context goes before its engine, an
 * engine before its runtime. set_log may be called at any time.
 */
#ifndef TRTSEL_SHIM_H
#define TRTSEL_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The most extents that a tensor has. */
#define TRTSEL_SHIM_MAX_RANK 8

/* Statuses. */
#define TRTSEL_SHIM_OK 0
/* TensorRT answered null or false; its log says why. */
#define TRTSEL_SHIM_REFUSED 1
/* An index, a rank or a size is out of range. */
#define TRTSEL_SHIM_ARGUMENT 2
/* This line of TensorRT, or this build of the shim, does not have it. */
#define TRTSEL_SHIM_UNSUPPORTED 3
/* The host has no memory for a handle. */
#define TRTSEL_SHIM_MEMORY 4

/* Editions. */
#define TRTSEL_SHIM_ENTERPRISE 0
#define TRTSEL_SHIM_RTX 1

/* Severities of messages, as TensorRT numbers them. */
#define TRTSEL_SHIM_INTERNAL_ERROR 0
#define TRTSEL_SHIM_ERROR 1
#define TRTSEL_SHIM_WARNING 2
#define TRTSEL_SHIM_INFO 3
#define TRTSEL_SHIM_VERBOSE 4

/* Element types, as TensorRT numbers them; there are more than these. */
#define TRTSEL_SHIM_F32 0
#define TRTSEL_SHIM_F16 1

/* How far a build came. */
#define TRTSEL_SHIM_STAGE_BUILDER 0
#define TRTSEL_SHIM_STAGE_PARSER 1
#define TRTSEL_SHIM_STAGE_PARSE 2
#define TRTSEL_SHIM_STAGE_INPUTS 3
#define TRTSEL_SHIM_STAGE_FP16 4
#define TRTSEL_SHIM_STAGE_TARGET 5
#define TRTSEL_SHIM_STAGE_COMPATIBLE 6
#define TRTSEL_SHIM_STAGE_TACTICS 7
#define TRTSEL_SHIM_STAGE_CACHE 8
#define TRTSEL_SHIM_STAGE_CACHE_FITS 9
#define TRTSEL_SHIM_STAGE_BUILD 10

/* Sources of tactics. TensorRT's own numbers for them differ by version. */
#define TRTSEL_SHIM_TACTICS_CUBLAS 1
#define TRTSEL_SHIM_TACTICS_CUBLAS_LT 2
#define TRTSEL_SHIM_TACTICS_CUDNN 4
#define TRTSEL_SHIM_TACTICS_EDGE_MASK_CONVOLUTIONS 8
#define TRTSEL_SHIM_TACTICS_JIT_CONVOLUTIONS 16

typedef struct trtsel_shim_runtime trtsel_shim_runtime;
typedef struct trtsel_shim_engine trtsel_shim_engine;
typedef struct trtsel_shim_context trtsel_shim_context;

/* Takes TensorRT's messages, from any of its threads at any time. `message` lives as long as the call. */
typedef void (*trtsel_shim_log_fn)(int32_t severity, const char *message);

/* Device memory. Both functions are called from any thread; `user` is handed through. */
typedef struct trtsel_shim_allocator {
    void *user;
    /* An address, or 0 if there is no memory. `alignment` is a power of two. */
    uint64_t (*allocate)(void *user, uint64_t bytes, uint64_t alignment);
    /* Whether the address was one of ours. Work that uses the memory may still be under way on the device. */
    int32_t (*release)(void *user, uint64_t address);
} trtsel_shim_allocator;

/* An input or output of an engine. */
typedef struct trtsel_shim_tensor {
    /* Lives as long as the engine. */
    const char *name;
    int32_t is_input;
    int32_t data_type;
    /* Whether its elements lie one after the other, outermost extent first. */
    int32_t is_linear;
    /* Whether it lies in device memory; shapes that TensorRT reads on the host do not. */
    int32_t is_on_device;
    /* Extents. -1 is one that the plan leaves open. */
    int32_t rank;
    int64_t extents[TRTSEL_SHIM_MAX_RANK];
} trtsel_shim_tensor;

/* What to build, and who hears of it. The functions may be null. They are called from any of TensorRT's threads. */
typedef struct trtsel_shim_build_options {
    /* The ONNX file. */
    const char *onnx_path;
    /* Compute capability times ten, e.g. 80; 0 is that of this machine's GPU. */
    int32_t target_sm;
    /* Whether layers may run in half precision. */
    int32_t fp16;
    /* Whether later versions shall run the plan too, and whether it then goes without the lean runtime's code in it. */
    int32_t version_compatible;
    int32_t exclude_lean_runtime;
    /* The most scratch memory that a layer may take; 0 leaves it to TensorRT. */
    uint64_t workspace_bytes;
    /* Sources of tactics to add to those that TensorRT takes by itself, and to leave out of them: sums of TRTSEL_SHIM_TACTICS_*.
     * To leave out what a version does not have is no error. */
    uint32_t tactics_on;
    uint32_t tactics_off;
    /* What an earlier build handed to `timed`; null with 0 is none. One that does not fit is refused at stage CACHE. */
    const void *timing_cache;
    uint64_t timing_cache_bytes;
    void *user;
    /* Takes the timings of this build; the block lives as long as the call. Null: no timings are kept. */
    void (*timed)(void *user, const void *data, uint64_t bytes);
    /* A clause on what is wrong with the model or the request. */
    void (*problem)(void *user, const char *text);
    /* Phases nest: `parent` is null for the outermost. */
    void (*phase_started)(void *user, const char *phase, const char *parent, int32_t steps);
    void (*step_done)(void *user, const char *phase, int32_t step);
    void (*phase_finished)(void *user, const char *phase);
} trtsel_shim_build_options;

/* A plan in TensorRT's memory; `owner` is to be handed to plan_free. */
typedef struct trtsel_shim_plan {
    const void *data;
    uint64_t bytes;
    void *owner;
} trtsel_shim_plan;

/* One ABI line. */
typedef struct trtsel_shim_table {
    /* Version of the headers that it was compiled from. */
    int32_t edition;
    int32_t major;
    int32_t minor;
    int32_t patch;
    int32_t build;
    /* What the line has: a builder flag for half precision, plans for other GPUs than this machine's, reports of a build's
     * progress, the ONNX parser's header. */
    int32_t has_fp16;
    int32_t has_targets;
    int32_t has_progress;
    int32_t has_parser;
    /* Plans that later versions run too. A library of this line may still be too old for it. */
    int32_t has_version_compatible;

    /* Who takes the messages of all runtimes and builders of this line; null is nobody. */
    void (*set_log)(trtsel_shim_log_fn log);

    /* `entry` is the address of initLibNvInferPlugins of a library of plugins: they become known to the whole process. */
    int32_t (*plugins_register)(void *entry);

    /* `entry` is the address of createInferRuntime_INTERNAL; `library_version` is 10000 major + 100 minor + patch of the
     * library it lies in, which must be of this line: calls that an older library lacks are not made. `allocator` is
     * copied; null leaves device memory to TensorRT. */
    int32_t (*runtime_create)(void *entry, int32_t library_version, const trtsel_shim_allocator *allocator,
                              trtsel_shim_runtime **out);
    void (*runtime_destroy)(trtsel_shim_runtime *runtime);
    /* Whether code that a version-compatible plan brings with it may run. */
    int32_t (*runtime_allow_host_code)(trtsel_shim_runtime *runtime, int32_t allowed);
    /* A runtime of another version, from its lean library's file, for version-compatible plans of that version. It goes before
     * the runtime that opened it. */
    int32_t (*runtime_load)(trtsel_shim_runtime *runtime, const char *path, const trtsel_shim_allocator *allocator,
                            trtsel_shim_runtime **out);

    /* `plan` is not needed afterwards. */
    int32_t (*engine_deserialize)(trtsel_shim_runtime *runtime, const void *plan, uint64_t bytes,
                                  trtsel_shim_engine **out);
    void (*engine_destroy)(trtsel_shim_engine *engine);
    int32_t (*engine_tensor_count)(const trtsel_shim_engine *engine, int32_t *out);
    int32_t (*engine_tensor)(const trtsel_shim_engine *engine, int32_t index, trtsel_shim_tensor *out);
    /* Device memory that a context needs while it runs, over all optimization profiles. */
    int32_t (*engine_activation_bytes)(const trtsel_shim_engine *engine, uint64_t *out);
    int32_t (*engine_profile_count)(const trtsel_shim_engine *engine, int32_t *out);

    /* A context without device memory of its own, on the first optimization profile. */
    int32_t (*context_create)(trtsel_shim_engine *engine, trtsel_shim_context **out);
    void (*context_destroy)(trtsel_shim_context *context);
    /* TensorRT answers nothing to this: a refusal stands in its log only. */
    int32_t (*context_set_activation)(trtsel_shim_context *context, uint64_t address, uint64_t bytes);
    int32_t (*context_set_address)(trtsel_shim_context *context, int32_t index, uint64_t address);
    int32_t (*context_set_shape)(trtsel_shim_context *context, int32_t index, int32_t rank, const int64_t *extents);
    /* Extents once those of the inputs are set; `extents` has room for TRTSEL_SHIM_MAX_RANK. */
    int32_t (*context_shape)(const trtsel_shim_context *context, int32_t index, int32_t *rank, int64_t *extents);
    /* `stream` is a CUstream as number. Allocates nothing of its own. */
    int32_t (*context_enqueue)(trtsel_shim_context *context, uint64_t stream);

    /* `builder_entry` and `parser_entry` are the addresses of createInferBuilder_INTERNAL and createNvOnnxParser_INTERNAL.
     * An extent of an input that the model leaves open becomes 1 if it is the first; `stage` is written in every case. */
    int32_t (*plan_build)(void *builder_entry, void *parser_entry, int32_t library_version,
                          const trtsel_shim_build_options *options, trtsel_shim_plan *out, int32_t *stage);
    void (*plan_free)(void *owner);
} trtsel_shim_table;

#ifdef __cplusplus
}
#endif

#endif
