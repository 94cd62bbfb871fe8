/*
 * trt_select.h: runs each input on the cheapest DNN that will be right. The C ABI of trt-select.
 * Made by src/capi/make-header from src/capi; do not edit it.
 *
 * The C ABI: the functions that `include/trt_select.h` declares, for C, C++ and whatever else speaks C.
 *
 * This page and the header say the same; the header is made from these sources by `src/capi/make-header`. A short guide with
 * build lines is `docs/c-api.md`; `examples/c` and `examples/cpp` are programs.
 *
 * # Rules
 * **Handles** are opaque. `_open` gives one, `_close` frees it and takes NULL. A handle may be used on any thread. Calls that take
 * it as `const` may be made at any time on any thread. Of the others one at a time may be under way: a second one gets
 * `TRTSEL_BUSY` and does nothing. Close is the last call on a handle; nothing is defined after it. Different handles
 * have nothing to do with each other.
 *
 * **Statuses.** Every call that can fail answers a `trtsel_status`. Outputs are written with
 * `TRTSEL_OK` only. The text of a handle's last failure is `trtsel_selector_error` and its like; `_open` takes a buffer for
 * it, which may be NULL.
 *
 * **Pointers.** Where nothing else is said, a pointer must not be NULL (`TRTSEL_NULL_POINTER`), and what it points to is used during
 * the call only. Texts end with a NUL and are UTF-8. Text outputs are cut to the buffer, between characters, and always end with a
 * NUL; `needed_bytes`, which may be NULL, gets what the whole text takes, its NUL included.
 *
 * **Structs** begin with `struct_size`, which the caller sets to `sizeof` before every call, inputs and outputs alike. A shorter
 * struct of an earlier version is taken, the rest being zeros; so zero means "the default" everywhere. A longer one is taken
 * where what this version does not know is zero; in outputs it is set to zero.
 *
 * **Panics** do not cross: the call answers `TRTSEL_PANIC`, the handle is poisoned, and everything but `_error` and `_close`
 * answers `TRTSEL_POISONED`. (Memory that cannot be had ends the process, as it does in all of Rust.)
 *
 * **Memory.** Calls that allocate say so. After warm-up, infer, submit, poll and wait allocate nothing of their own. (The text of a
 * failure may be made on the heap; that of a wrong argument, a wrong state or a deadline is not.)
 *
 * Times are in nanoseconds by the monotonic clock, sizes in bytes, sides in pixels, as the names say.
 */
#ifndef TRT_SELECT_H
#define TRT_SELECT_H

#include <stddef.h>
#include <stdint.h>

/**
 * Major version of the header.
 */
#define TRTSEL_VERSION_MAJOR 0

/**
 * Minor version of the header.
 */
#define TRTSEL_VERSION_MINOR 1

/**
 * Patch version of the header.
 */
#define TRTSEL_VERSION_PATCH 0

/**
 * The library has TensorRT.
 */
#define TRTSEL_HAS_TENSORRT 1

/**
 * The library has ONNX Runtime (whose library is looked for at run time).
 */
#define TRTSEL_HAS_ORT 2

/**
 * The library has tract.
 */
#define TRTSEL_HAS_TRACT 4

/**
 * A premodel was compiled into the library.
 */
#define TRTSEL_HAS_BAKED_PREMODEL 8

/**
 * Nothing is logged.
 */
#define TRTSEL_LOG_OFF 0

/**
 * What keeps something from working.
 */
#define TRTSEL_LOG_ERROR 1

/**
 * What works otherwise than one would think, for example a CUDA graph that was refused.
 */
#define TRTSEL_LOG_WARN 2

/**
 * What was chosen.
 */
#define TRTSEL_LOG_INFO 3

/**
 * Details.
 */
#define TRTSEL_LOG_DEBUG 4

/**
 * More details.
 */
#define TRTSEL_LOG_TRACE 5

/**
 * TensorRT where every candidate has a plan that opens, else ONNX Runtime where build and machine have it, else tract.
 */
#define TRTSEL_ENGINE_AUTO 0

/**
 * TensorRT on an NVIDIA GPU.
 */
#define TRTSEL_ENGINE_TENSORRT 1

/**
 * ONNX Runtime.
 */
#define TRTSEL_ENGINE_ORT 2

/**
 * tract, on the CPU.
 */
#define TRTSEL_ENGINE_TRACT 3

/**
 * No networks: every output is zeros. For trying and measuring what is around the networks.
 */
#define TRTSEL_ENGINE_NULL 4

/**
 * Flag of the options: refuse a premodel that was trained for another engine, precision or device; without it a warning is logged.
 */
#define TRTSEL_STRICT 1

/**
 * Flag of the options: do not capture CUDA graphs.
 */
#define TRTSEL_NO_GRAPHS 2

/**
 * Flag of the options: measure by CUDA events what the device does; results then have device times.
 */
#define TRTSEL_DEVICE_TIMES 4

/**
 * Flag of the options: keep plans in page-locked memory, so that an evicted candidate comes back without the disk.
 */
#define TRTSEL_KEEP_PLANS 8

/**
 * Device memory; on integrated devices whichever measures faster.
 */
#define TRTSEL_FRAME_MEMORY_AUTO 0

/**
 * Frames from the host are copied to device memory.
 */
#define TRTSEL_FRAME_MEMORY_DEVICE 1

/**
 * Frames from the host lie in mapped memory that the device reads.
 */
#define TRTSEL_FRAME_MEMORY_MAPPED 2

/**
 * 8-bit red, green, blue, interleaved.
 */
#define TRTSEL_FORMAT_RGB8 0

/**
 * 8-bit blue, green, red, interleaved.
 */
#define TRTSEL_FORMAT_BGR8 1

/**
 * 8-bit red, green, blue, alpha, interleaved; alpha is ignored.
 */
#define TRTSEL_FORMAT_RGBA8 2

/**
 * 8-bit grey.
 */
#define TRTSEL_FORMAT_GRAY8 3

/**
 * A plane of 8-bit luma, then one of interleaved Cb, Cr of half the size, rounded up (4:2:0).
 */
#define TRTSEL_FORMAT_NV12 4

/**
 * Packed Y0 Cb Y1 Cr (4:2:2).
 */
#define TRTSEL_FORMAT_YUYV 5

/**
 * ITU-R BT.601: SD video and JPEG.
 */
#define TRTSEL_MATRIX_BT601 0

/**
 * ITU-R BT.709: HD video.
 */
#define TRTSEL_MATRIX_BT709 1

/**
 * Luma 16 to 235, chroma 16 to 240: what most cameras send.
 */
#define TRTSEL_RANGE_LIMITED 0

/**
 * 0 to 255.
 */
#define TRTSEL_RANGE_FULL 1

/**
 * The planes lie in host memory.
 */
#define TRTSEL_PLACE_HOST 0

/**
 * The planes lie in memory that the GPU reads: device memory, or mapped or managed host memory, in the device's primary context.
 * For TensorRT.
 */
#define TRTSEL_PLACE_DEVICE 1

/**
 * Flag of a result: the average of several candidates answered.
 */
#define TRTSEL_AVERAGE 1

/**
 * Flag of a result: the deadline passed while the program still asked for a candidate, and the most capable one that had run
 * answered.
 */
#define TRTSEL_LATE 2

/**
 * `candidate` where no single candidate is meant.
 */
#define TRTSEL_NO_CANDIDATE 4294967295

/**
 * Instead of a candidate's number in `trtsel_selector_memory`: what all candidates share, that is frames, features' records, what
 * TensorRT took at run time, and the one activation block.
 */
#define TRTSEL_MEMORY_SHARED 4294967294

/**
 * Instead of a candidate's number in `trtsel_selector_memory`: all of it.
 */
#define TRTSEL_MEMORY_SUM 4294967295

/**
 * Buckets of the histogram of latencies.
 */
#define TRTSEL_LATENCY_BUCKETS 40

/**
 * Scores are any real numbers; softmax makes them probabilities.
 */
#define TRTSEL_LOGITS 0

/**
 * Scores are probabilities already.
 */
#define TRTSEL_PROBABILITIES 1

/**
 * Kind of a decision: run `candidate`, set its signals, and ask again.
 */
#define TRTSEL_DECIDE_RUN 1

/**
 * Kind of a decision: answer with `candidate`, or the average of `answer_mask`.
 */
#define TRTSEL_DECIDE_ANSWER 2

/**
 * Kind of a decision: every candidate that could answer has failed.
 */
#define TRTSEL_DECIDE_NONE_WORKS 3

/**
 * A premodel without networks. One input at a time.
 */
typedef struct trtsel_decider trtsel_decider;

/**
 * Memory to compute features in, about 500 KB. One per thread.
 */
typedef struct trtsel_features trtsel_features;

/**
 * A bundle's candidates and premodel, open. One input is in flight at a time.
 */
typedef struct trtsel_selector trtsel_selector;

/**
 * What a call answers: 0 for success, `TRTSEL_PENDING` for "not yet", else what went wrong. Numbers are only ever added; code
 * must take one that it does not know for a failure.
 */
typedef int32_t trtsel_status;

/**
 * Who can do something about a status: a `TRTSEL_GROUP_` number. Numbers are only ever added.
 */
typedef int32_t trtsel_group;

/**
 * What a selector is made of. The texts live until the selector is closed.
 */
typedef struct trtsel_info {
    /**
     * `sizeof(trtsel_info)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * The engine that was chosen: a `TRTSEL_ENGINE_` number.
     */
    uint32_t engine;
    /**
     * Number of candidates, 1 to 16.
     */
    uint32_t candidate_count;
    /**
     * Number of classes.
     */
    uint32_t class_count;
    /**
     * Number of class labels: `class_count`, or 0 where the bundle names none.
     */
    uint32_t label_count;
    /**
     * Number of the caller's own signals that premodels of this selector have named: slots are 0 to this less 1. A reload may add
     * some; it takes none away, and a slot keeps its meaning.
     */
    uint32_t signal_count;
    /**
     * 1 where the premodel in use reads image features, else 0.
     */
    uint32_t reads_features;
    /**
     * 1 where the premodel was compiled into the library, else 0.
     */
    uint32_t is_baked;
    /**
     * Which engine, and why: a line.
     */
    const char *engine_reason;
    /**
     * What the networks run on.
     */
    const char *device;
    /**
     * The dearest path's cost by the measurements of the premodel in use, in nanoseconds.
     */
    double worst_case_ns;
} trtsel_info;

/**
 * Memory in bytes.
 */
typedef struct trtsel_memory {
    /**
     * `sizeof(trtsel_memory)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Host memory: weights and IO buffers.
     */
    uint64_t host_bytes;
    /**
     * Page-locked host memory.
     */
    uint64_t pinned_bytes;
    /**
     * Device memory: weights and IO tensors.
     */
    uint64_t device_bytes;
    /**
     * Device memory needed only while it runs. One block of the largest candidate's size serves all: it is in `device_bytes` of
     * `TRTSEL_MEMORY_SHARED`, not in the candidates'.
     */
    uint64_t activation_bytes;
} trtsel_memory;

/**
 * Counts since open or `trtsel_selector_reset_statistics`. Sums of times are in nanoseconds.
 */
typedef struct trtsel_statistics {
    /**
     * `sizeof(trtsel_statistics)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Inputs submitted.
     */
    uint64_t inputs;
    /**
     * Inputs that got a result.
     */
    uint64_t answered;
    /**
     * Inputs that ended with an error.
     */
    uint64_t failed;
    /**
     * Inputs that were cancelled, or given up by a reset.
     */
    uint64_t cancelled;
    /**
     * Results of an average.
     */
    uint64_t averages;
    /**
     * Results with `TRTSEL_LATE`.
     */
    uint64_t late;
    /**
     * Inputs that were not done by their deadline: results that took longer, and `TRTSEL_DEADLINE`.
     */
    uint64_t deadline_misses;
    /**
     * Results whose true answer was fed back.
     */
    uint64_t fed_back;
    /**
     * Of these, results that were right.
     */
    uint64_t right;
    /**
     * Latency, from submit to the result: sum.
     */
    uint64_t latency_sum_ns;
    /**
     * Smallest; 0 before the first result.
     */
    uint64_t latency_min_ns;
    /**
     * Largest.
     */
    uint64_t latency_max_ns;
    /**
     * Sum of the features' times.
     */
    uint64_t features_sum_ns;
    /**
     * Sum of the decisions' times.
     */
    uint64_t decide_sum_ns;
    /**
     * Sum of the preprocessing's times.
     */
    uint64_t preprocess_sum_ns;
    /**
     * Sum of the networks' times.
     */
    uint64_t compute_sum_ns;
    /**
     * Bucket k counts latencies of 2^k to 2^(k+1) - 1 ns, bucket 0 also 0, the last one also all above.
     */
    uint64_t latency_histogram[TRTSEL_LATENCY_BUCKETS];
} trtsel_statistics;

/**
 * Counts of one candidate.
 */
typedef struct trtsel_candidate_statistics {
    /**
     * `sizeof(trtsel_candidate_statistics)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Inputs that it ran on and did not fail on.
     */
    uint64_t runs;
    /**
     * Inputs that it failed on.
     */
    uint64_t failures;
    /**
     * Inputs that it answered alone.
     */
    uint64_t answers;
    /**
     * Runs on inputs whose true answer was fed back.
     */
    uint64_t fed_back;
    /**
     * Of these, runs that were right, whether it answered or not.
     */
    uint64_t right;
} trtsel_candidate_statistics;

/**
 * Takes one line: `user` as in the options, a `TRTSEL_LOG_` level, a text that is valid during the call only. It runs on the
 * thread that is in a call of the library, must return normally (no exception, no longjmp), and gets `TRTSEL_BUSY` from calls
 * on the handle that logs.
 */
typedef void (*trtsel_log_callback)(void *user, uint32_t level, const char *line);

/**
 * How to open a bundle. All zeros but `struct_size` are the defaults: `trtsel_options o = {.struct_size = sizeof o};`.
 */
typedef struct trtsel_options {
    /**
     * `sizeof(trtsel_options)`.
     */
    uint32_t struct_size;
    /**
     * A `TRTSEL_ENGINE_` number.
     */
    uint32_t engine;
    /**
     * Which GPU, as CUDA counts them.
     */
    uint32_t device;
    /**
     * Threads per inference of an engine on the CPU; 0 is 1.
     */
    uint32_t threads;
    /**
     * `TRTSEL_STRICT` and the other flags, added up.
     */
    uint32_t flags;
    /**
     * A `TRTSEL_FRAME_MEMORY_` number; for TensorRT.
     */
    uint32_t frame_memory;
    /**
     * Room for one frame that is taken at open, in bytes, its rows rounded up to 64; 0 is that of 1920x1080 RGBA. For TensorRT.
     */
    uint64_t frame_bytes;
    /**
     * Most device bytes that the candidates' weights may take together; 0 is no limit. Past it the least recently used
     * candidate is evicted, and the poll that asks for it again loads it: that one blocks, allocates and may log.
     */
    uint64_t max_resident_bytes;
    /**
     * How long an input may take from its submit on, in nanoseconds; 0 is no limit. See `trtsel_selector_set_deadline`.
     */
    uint64_t deadline_ns;
    /**
     * A `CUstream` or `cudaStream_t` of the device's primary context: a frame in device memory that names no stream of its own is
     * complete when the work enqueued there before its submit is done. NULL: such a frame is complete before its submit.
     * (The legacy default stream is `CU_STREAM_LEGACY`, not NULL.) It lives as long as the selector.
     */
    void *stream;
    /**
     * Gets the lines that calls on this selector log, on the thread of the call; NULL: none.
     */
    trtsel_log_callback log;
    /**
     * Given to `log`.
     */
    void *log_user;
    /**
     * Most that is logged, a `TRTSEL_LOG_` number; 0 is `TRTSEL_LOG_WARN`.
     */
    uint32_t log_level;
    /**
     * 0.
     */
    uint32_t reserved;
} trtsel_options;

/**
 * One frame, borrowed. All zeros but sizes and planes are the defaults.
 *
 * A frame must stay readable and unchanged until the input has its result, or was cancelled: host frames because networks
 * on the CPU read them when they are asked for (with TensorRT the submit has copied a host frame when it returns, and it may go).
 * A device frame that got `TRTSEL_LATE` or `TRTSEL_DEADLINE` may still be read until the selector's next submit, infer, cancel or close returns.
 */
typedef struct trtsel_frame {
    /**
     * `sizeof(trtsel_frame)`.
     */
    uint32_t struct_size;
    /**
     * A `TRTSEL_FORMAT_` number.
     */
    uint32_t format;
    /**
     * Width in pixels, 1 to 32768 (on a device 32767).
     */
    uint32_t width_px;
    /**
     * Height in pixels, likewise.
     */
    uint32_t height_px;
    /**
     * A `TRTSEL_MATRIX_` number; for NV12 and YUYV.
     */
    uint32_t matrix;
    /**
     * A `TRTSEL_RANGE_` number; for NV12 and YUYV.
     */
    uint32_t range;
    /**
     * A `TRTSEL_PLACE_` number.
     */
    uint32_t place;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The pixels, or the luma of NV12: the first byte of the first row.
     */
    const void *plane0;
    /**
     * The chroma of NV12; else NULL.
     */
    const void *plane1;
    /**
     * Bytes from one row of plane 0 to the next; 0: rows without gaps. The last row may end with its last pixel.
     */
    uint64_t stride0_bytes;
    /**
     * Bytes from one row of plane 1 to the next; 0: rows without gaps.
     */
    uint64_t stride1_bytes;
    /**
     * For a device frame: the CUDA stream whose work, as enqueued before the submit, completes it; NULL: the options' stream.
     */
    void *stream;
} trtsel_frame;

/**
 * Time per stage in nanoseconds. Stages that happened more than once are summed.
 */
typedef struct trtsel_times {
    /**
     * Image features.
     */
    uint64_t features_ns;
    /**
     * Walking the program. A program that runs a network before it tests anything is not timed on the way there.
     */
    uint64_t decide_ns;
    /**
     * From frame to the networks' tensors.
     */
    uint64_t preprocess_ns;
    /**
     * The networks and their signals; copying an input that is a tensor already.
     */
    uint64_t compute_ns;
    /**
     * From submit to the result, the caller's own time between polls included.
     */
    uint64_t total_ns;
    /**
     * By the device's clock: copy of the frame. These are 0 without TensorRT, and all but `device_enqueue_ns` without
     * `TRTSEL_DEVICE_TIMES`.
     */
    uint64_t device_upload_ns;
    /**
     * By the device's clock: feature kernels.
     */
    uint64_t device_features_ns;
    /**
     * Host time to enqueue the candidates' work.
     */
    uint64_t device_enqueue_ns;
    /**
     * By the device's clock: preprocessing, network, signals.
     */
    uint64_t device_compute_ns;
} trtsel_times;

/**
 * What became of an input.
 */
typedef struct trtsel_result {
    /**
     * `sizeof(trtsel_result)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * `TRTSEL_AVERAGE`, `TRTSEL_LATE`, added up.
     */
    uint32_t flags;
    /**
     * Number of the class answered, from 0.
     */
    uint32_t class_index;
    /**
     * Its probability, 0 to 1, by the candidate that answered or the average.
     */
    float probability;
    /**
     * Who answered; `TRTSEL_NO_CANDIDATE` for an average.
     */
    uint32_t candidate;
    /**
     * The candidates behind the answer: bit k is candidate k.
     */
    uint32_t answer_mask;
    /**
     * The candidates that ran.
     */
    uint32_t ran_mask;
    /**
     * The candidates that failed; `trtsel_selector_failure` says why.
     */
    uint32_t failed_mask;
    /**
     * The program's node that the walk ended on: `trtsel_selector_why` puts it into words.
     */
    uint32_t node;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Where the time went.
     */
    struct trtsel_times times;
} trtsel_result;

/**
 * What one candidate said.
 */
typedef struct trtsel_summary {
    /**
     * `sizeof(trtsel_summary)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * The class of the largest probability; of equals, the first.
     */
    uint32_t class_index;
    /**
     * Its probability, 0 to 1.
     */
    float top1;
    /**
     * Its probability less that of the next class, 0 to 1; with one class, its probability.
     */
    float margin;
    /**
     * Entropy of the probabilities over the logarithm of the number of classes, 0 to 1.
     */
    float entropy;
    /**
     * 0.
     */
    uint32_t reserved;
} trtsel_summary;

/**
 * What to do next.
 */
typedef struct trtsel_decision {
    /**
     * `sizeof(trtsel_decision)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * A `TRTSEL_DECIDE_` number.
     */
    uint32_t kind;
    /**
     * Which candidate; `TRTSEL_NO_CANDIDATE` for an average and where none works.
     */
    uint32_t candidate;
    /**
     * The candidates behind an answer: bit k is candidate k; else 0.
     */
    uint32_t answer_mask;
    /**
     * The candidates that were asked for so far and did not fail.
     */
    uint32_t ran_mask;
    /**
     * The candidates that failed.
     */
    uint32_t failed_mask;
    /**
     * The program's node: `trtsel_decider_why` puts it into words.
     */
    uint32_t node;
    /**
     * 0.
     */
    uint32_t reserved;
} trtsel_decision;

/**
 * What an answer says.
 */
typedef struct trtsel_answer {
    /**
     * `sizeof(trtsel_answer)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * Number of the class.
     */
    uint32_t class_index;
    /**
     * Its probability, 0 to 1: the candidate's own, or that of the average.
     */
    float probability;
    /**
     * Its probability less that of the next class; with one class, its probability.
     */
    float margin;
} trtsel_answer;

/**
 * Done. Outputs are written with this status only.
 */
#define TRTSEL_OK 0

/**
 * The input is still under way: poll or wait again. No error.
 */
#define TRTSEL_PENDING 1

/**
 * The deadline passed before any candidate had run: there is no answer.
 */
#define TRTSEL_DEADLINE 2

/**
 * A pointer that must point to something is NULL.
 */
#define TRTSEL_NULL_POINTER 3

/**
 * A number, a flag or a text is not one of those that are allowed.
 */
#define TRTSEL_INVALID_ARGUMENT 4

/**
 * A `struct_size` is too small, or asks for fields that this version does not have.
 */
#define TRTSEL_STRUCT_SIZE 5

/**
 * The caller's array or buffer is too small.
 */
#define TRTSEL_BUFFER_TOO_SMALL 6

/**
 * Another thread, or the log callback's own caller, is inside a call on this handle. Nothing was done.
 */
#define TRTSEL_BUSY 7

/**
 * The library panicked in this call: a defect of it. The handle is poisoned from here on.
 */
#define TRTSEL_PANIC 8

/**
 * An earlier call on this handle panicked. It can only be closed.
 */
#define TRTSEL_POISONED 9

/**
 * The call does not fit what the handle is doing, for example a poll with nothing in flight.
 */
#define TRTSEL_WRONG_STATE 10

/**
 * There is nothing of that name or number.
 */
#define TRTSEL_NOT_FOUND 11

/**
 * A file or folder is missing, or could not be read.
 */
#define TRTSEL_IO 12

/**
 * A `bundle.toml`, or a file that it names, does not say what it must.
 */
#define TRTSEL_BUNDLE 13

/**
 * A premodel could not be understood, or does not fit.
 */
#define TRTSEL_PREMODEL 14

/**
 * An engine failed, or no candidate works.
 */
#define TRTSEL_ENGINE 15

/**
 * A frame or tensor cannot be taken.
 */
#define TRTSEL_INPUT 16

/**
 * This build or this engine does not have what was asked for.
 */
#define TRTSEL_UNSUPPORTED 17

/**
 * An error of a kind that has no number of its own.
 */
#define TRTSEL_ERROR 18

/**
 * TensorRT or ONNX Runtime is not on this machine, or not of a version that will do.
 */
#define TRTSEL_LIBRARY_MISSING 19

/**
 * There is no NVIDIA driver on this machine, or one that is too old.
 */
#define TRTSEL_DRIVER_MISSING 20

/**
 * There is an NVIDIA driver, but no such GPU.
 */
#define TRTSEL_DEVICE_MISSING 21

/**
 * The GPU faulted. Only a new process can use it again.
 */
#define TRTSEL_DEVICE_LOST 22

/**
 * The GPU has no more memory for what was asked for.
 */
#define TRTSEL_DEVICE_MEMORY 23

/**
 * The host has no more memory, or none that can be page-locked.
 */
#define TRTSEL_HOST_MEMORY 24

/**
 * A limit that the caller set (`max_resident_bytes`) leaves no room for what was asked for.
 */
#define TRTSEL_LIMIT 25

/**
 * The operating system does not let this process do what was asked for.
 */
#define TRTSEL_DENIED 26

/**
 * There is no plan where a candidate's plan should be.
 */
#define TRTSEL_PLAN_MISSING 27

/**
 * A plan was made for another TensorRT or another GPU, or from another model than the one beside it.
 */
#define TRTSEL_PLAN_MISMATCH 28

/**
 * A plan is damaged, or TensorRT refuses it.
 */
#define TRTSEL_PLAN 29

/**
 * A model could not be understood, or its tensors are not what they must be.
 */
#define TRTSEL_MODEL 30

/**
 * No failure: `TRTSEL_OK` and `TRTSEL_PENDING`.
 */
#define TRTSEL_GROUP_NONE 0

/**
 * The same call may succeed later, or once memory is free.
 */
#define TRTSEL_GROUP_RETRY 1

/**
 * The caller asked for something that cannot be done: the program, its files or its settings have to change.
 */
#define TRTSEL_GROUP_CALLER 2

/**
 * Something on the machine is missing, broken or forbidden: a file, a library, a driver, a GPU, a right.
 */
#define TRTSEL_GROUP_ENVIRONMENT 3

/**
 * A defect of this library: report it.
 */
#define TRTSEL_GROUP_DEFECT 4

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version as text, for example "0.1.0". A static text. Any thread; does not allocate.
 */
const char *trtsel_version_text(void);

/**
 * The library's version as a number: major << 16 | minor << 8 | patch. Any thread; does not allocate.
 */
uint32_t trtsel_version(void);

/**
 * What was built in: `TRTSEL_HAS_` flags. The null engine always is. Any thread; does not allocate.
 */
uint32_t trtsel_built_in(void);

/**
 * The constant's name, for example "TRTSEL_OK"; "TRTSEL_UNKNOWN" for a number that is none. A static text. Any thread; does not
 * allocate.
 */
const char *trtsel_status_name(trtsel_status status);

/**
 * What the status means, in a few words. A static text. Any thread; does not allocate. The whole story of a failure is in
 * `trtsel_selector_error` and its like.
 */
const char *trtsel_status_message(trtsel_status status);

/**
 * Who can do something about a status: a `TRTSEL_GROUP_` number. A number that is no status is the caller's mistake. Any thread; does not
 * allocate.
 */
trtsel_group trtsel_status_group(trtsel_status status);

/**
 * Writes what the selector is made of. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `info` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_info(const trtsel_selector *selector, trtsel_info *info);

/**
 * The name of a candidate; `TRTSEL_NOT_FOUND` past the last. It lives until the selector is closed. Any thread, at any time; does not
 * allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_selector_candidate_name(const trtsel_selector *selector,
                                             uint32_t candidate,
                                             const char **name);

/**
 * The label of a class; `TRTSEL_NOT_FOUND` past the last, and where the bundle has no labels. It lives until the selector is closed. Any
 * thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `label` NULL or writable.
 */
trtsel_status trtsel_selector_label(const trtsel_selector *selector,
                                    uint32_t class_index,
                                    const char **label);

/**
 * The name of one of the caller's own signals, by its slot; `TRTSEL_NOT_FOUND` past the last. It lives until the selector is closed. Any
 * thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_selector_signal_name(const trtsel_selector *selector,
                                          uint32_t slot,
                                          const char **name);

/**
 * The slot of one of the caller's own signals, by its name without `signal.`; `TRTSEL_NOT_FOUND` where the premodel has none of
 * that name. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `signal` NULL or a text, `slot` NULL or writable.
 */
trtsel_status trtsel_selector_signal_slot(const trtsel_selector *selector,
                                          const char *signal,
                                          uint32_t *slot);

/**
 * Bytes that one candidate holds, or `TRTSEL_MEMORY_SHARED`, or `TRTSEL_MEMORY_SUM`. `TRTSEL_NOT_FOUND` for other numbers. What is not counted:
 * the driver's context and loaded code, the libraries' own host memory, the features' host workspace, what TensorRT takes past its
 * allocator. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `selector` is NULL or open, `memory` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_memory(trtsel_selector *selector,
                                     uint32_t candidate,
                                     trtsel_memory *memory);

/**
 * Writes what the selector has done so far. Each number is whole; while another thread infers, they may be of one input
 * more or less than each other. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `statistics` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_statistics(const trtsel_selector *selector,
                                         trtsel_statistics *statistics);

/**
 * Writes what one candidate has done so far, as `trtsel_selector_statistics`; `TRTSEL_NOT_FOUND` where there is none of that number.
 * Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * As `trtsel_selector_statistics`.
 */
trtsel_status trtsel_selector_candidate_statistics(const trtsel_selector *selector,
                                                   uint32_t candidate,
                                                   trtsel_candidate_statistics *statistics);

/**
 * Sets all counts to 0. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_reset_statistics(trtsel_selector *selector);

/**
 * Opens a bundle: its engines, networks and premodel. `options` may be NULL: the defaults. On success `*selector` is the new
 * handle; else a line about why not is written to `error_text` (cut to `error_bytes`, with a NUL; NULL: nowhere).
 *
 * `TRTSEL_IO`, `TRTSEL_BUNDLE`, `TRTSEL_PREMODEL`, `TRTSEL_ENGINE`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_STRUCT_SIZE`. Any thread; allocates,
 * reads files, and may take seconds.
 *
 * The caller promises:
 * `bundle_folder` is NULL or a text; `options` NULL or a struct of its `struct_size`; `selector` NULL or writable; `error_text`
 * NULL or of `error_bytes`.
 */
trtsel_status trtsel_selector_open(const char *bundle_folder,
                                   const trtsel_options *options,
                                   trtsel_selector **selector,
                                   char *error_text,
                                   size_t error_bytes);

/**
 * Closes a selector: waits for what is under way and frees everything. NULL is taken. `TRTSEL_BUSY` where a call is inside:
 * then nothing is freed. After `TRTSEL_OK` the handle is gone.
 *
 * The caller promises:
 * `selector` is NULL or open, and no other thread will use it.
 */
trtsel_status trtsel_selector_close(trtsel_selector *selector);

/**
 * The text of the last failure of a call that takes the selector without `const`; empty before the first. Never NULL. Valid
 * until the next such call. One call at a time, but also on a poisoned selector; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
const char *trtsel_selector_error(trtsel_selector *selector);

/**
 * Runs the features and every candidate once on a frame, so that all memory that depends on its size is taken. No result, and
 * nothing is counted. One call at a time; allocates.
 *
 * The caller promises:
 * `selector` is NULL or open, `frame` NULL or a frame as `trtsel_frame` says.
 */
trtsel_status trtsel_selector_warm_up(trtsel_selector *selector,
                                      const trtsel_frame *frame);

/**
 * Starts on a frame: computes the features that the premodel reads (with TensorRT: enqueues them), runs no network. The frame
 * stays as it is until the result is there or the input is cancelled: see `trtsel_frame`.
 *
 * `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_INPUT`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_UNSUPPORTED`, `TRTSEL_ENGINE`. One call
 * at a time. Allocates nothing, unless the frame is larger than any before.
 *
 * The caller promises:
 * As `trtsel_selector_warm_up`; the frame's planes live as said.
 */
trtsel_status trtsel_selector_submit(trtsel_selector *selector,
                                     const trtsel_frame *frame);

/**
 * `trtsel_selector_submit` for a bundle whose input is a tensor: its elements in the network's order. `TRTSEL_INPUT` where the premodel
 * reads image features. (A wrong `count` shows in the poll.)
 *
 * The caller promises:
 * `selector` is NULL or open; `values` NULL or `count` floats that live as said.
 */
trtsel_status trtsel_selector_submit_tensor(trtsel_selector *selector,
                                            const float *values,
                                            size_t count);

/**
 * Takes the next decisions whose signals are there, and starts what they ask for. `TRTSEL_OK`: the result is written, and nothing is in
 * flight. `TRTSEL_PENDING`: something is at work on the device; nothing was waited for. (Engines on the CPU run inside this call.)
 *
 * A candidate that fails does not fail the input: the most capable one that works answers. `TRTSEL_ENGINE` where none does,
 * `TRTSEL_DEADLINE`, `TRTSEL_INPUT`; then nothing is in flight either. `TRTSEL_WRONG_STATE` where nothing was. One call at a time;
 * allocates nothing.
 *
 * The caller promises:
 * `selector` is NULL or open, `result` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_poll(trtsel_selector *selector,
                                   trtsel_result *result);

/**
 * Polls until the result is there or `timeout_ns` nanoseconds are over: then `TRTSEL_PENDING`, and the input stays in flight. It polls
 * without sleeping. Else as `trtsel_selector_poll`.
 *
 * The caller promises:
 * As `trtsel_selector_poll`.
 */
trtsel_status trtsel_selector_wait(trtsel_selector *selector,
                                   uint64_t timeout_ns,
                                   trtsel_result *result);

/**
 * Submits a frame and waits. Errors and memory as `trtsel_selector_submit` and `trtsel_selector_poll`. One call at a time.
 *
 * The caller promises:
 * As `trtsel_selector_submit` and `trtsel_selector_poll`.
 */
trtsel_status trtsel_selector_infer(trtsel_selector *selector,
                                    const trtsel_frame *frame,
                                    trtsel_result *result);

/**
 * `trtsel_selector_infer` for a bundle whose input is a tensor.
 *
 * The caller promises:
 * As `trtsel_selector_submit_tensor` and `trtsel_selector_poll`.
 */
trtsel_status trtsel_selector_infer_tensor(trtsel_selector *selector,
                                           const float *values,
                                           size_t count,
                                           trtsel_result *result);

/**
 * Gives up the input in flight, if there is one, and waits until nothing reads its frame any more. One call at a time; allocates
 * nothing.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_cancel(trtsel_selector *selector);

/**
 * Back to how it was after open: `trtsel_selector_cancel`, no last result, own signals not set, all counts 0. The deadline stays. One call
 * at a time; allocates nothing.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_reset(trtsel_selector *selector);

/**
 * Sets how long an input may take from its submit on, in nanoseconds, from the next input on; 0: no limit.
 *
 * Past its deadline no further candidate is started, and none that works on a device is waited for: of the candidates that ran the most
 * capable one answers, and the result has `TRTSEL_LATE`. Where none ran, the input ends with `TRTSEL_DEADLINE`. The clock is read
 * between candidates and in each poll: a network that runs on the CPU is not interrupted. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_set_deadline(trtsel_selector *selector,
                                           uint64_t deadline_ns);

/**
 * Sets one of the caller's own signals, by the slot that `trtsel_selector_signal_slot` gave. It stays until it is set again; before the
 * first time it is NaN, which takes the else branch of every test. `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time;
 * allocates nothing.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_set_signal(trtsel_selector *selector,
                                         uint32_t slot,
                                         float value);

/**
 * Takes another premodel of the same candidates, from a `premodel.json`, without a restart: networks, their memory, the deadline, own
 * signals with their slots and values, and all counts stay. There is no last result after it. On a failure nothing has changed.
 *
 * `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_IO`, `TRTSEL_PREMODEL`. One call at a time; allocates and reads the file.
 *
 * The caller promises:
 * `selector` is NULL or open, `premodel_file` NULL or a text.
 */
trtsel_status trtsel_selector_reload(trtsel_selector *selector,
                                     const char *premodel_file);

/**
 * `trtsel_selector_reload` with the premodel of a bundle that is read again. `TRTSEL_BUNDLE` where it names other networks than were
 * opened, or their files were changed since; labels are not read anew.
 *
 * The caller promises:
 * `selector` is NULL or open, `bundle_folder` NULL or a text.
 */
trtsel_status trtsel_selector_reload_bundle(trtsel_selector *selector,
                                            const char *bundle_folder);

/**
 * The class probabilities behind the last result, borrowed: valid until the next submit, infer, warm-up, reset or close.
 * `TRTSEL_WRONG_STATE` before the first result and while an input is in flight. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `selector` is NULL or open; the outputs NULL or writable.
 */
trtsel_status trtsel_selector_probabilities(trtsel_selector *selector,
                                            const float **probabilities,
                                            size_t *count);

/**
 * Copies the class probabilities behind the last result to an array of `capacity` floats: `TRTSEL_BUFFER_TOO_SMALL` where they are
 * more (`class_count` of `trtsel_info` says how many). Else as `trtsel_selector_probabilities`.
 *
 * The caller promises:
 * `selector` is NULL or open; `probabilities` NULL or of `capacity` floats.
 */
trtsel_status trtsel_selector_copy_probabilities(trtsel_selector *selector,
                                                 float *probabilities,
                                                 size_t capacity);

/**
 * What one candidate said on the input of the last result. `TRTSEL_NOT_FOUND` where it did not run. One call at a time; allocates
 * nothing.
 *
 * The caller promises:
 * `selector` is NULL or open, `summary` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_summary(trtsel_selector *selector,
                                      uint32_t candidate,
                                      trtsel_summary *summary);

/**
 * Why the program came to a node (`node` of a result), in words. One call at a time; allocates.
 *
 * The caller promises:
 * `selector` is NULL or open; `text` NULL or of `text_bytes`; `needed_bytes` NULL or writable.
 */
trtsel_status trtsel_selector_why(trtsel_selector *selector,
                                  uint32_t node,
                                  char *text,
                                  size_t text_bytes,
                                  size_t *needed_bytes);

/**
 * Why a candidate failed on the last input (`failed_mask` of its result), in a line; empty where none did. One call at a time; allocates
 * nothing.
 *
 * The caller promises:
 * As `trtsel_selector_why`.
 */
trtsel_status trtsel_selector_failure(trtsel_selector *selector,
                                      char *text,
                                      size_t text_bytes,
                                      size_t *needed_bytes);

/**
 * Tells the true class of the input of the last result. Every candidate that ran on it counts as right or wrong in the statistics.
 * Once per result: `TRTSEL_WRONG_STATE` the second time and where there is no result; `TRTSEL_INVALID_ARGUMENT` for a class that the networks
 * do not have. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_feedback(trtsel_selector *selector,
                                       uint32_t true_class);

/**
 * Number of features. Their numbers are 0 to this less 1, and never change. Any thread; does not allocate.
 */
uint32_t trtsel_feature_count(void);

/**
 * The name of a feature, for example "brightness_average"; NULL for a number that is none. A static text. Any thread; the first call
 * allocates.
 */
const char *trtsel_feature_name(uint32_t feature);

/**
 * The number of a feature, by its name; `TRTSEL_NOT_FOUND` where there is none of that name. Any thread; does not allocate.
 *
 * The caller promises:
 * `feature` is NULL or a text, `number` NULL or writable.
 */
trtsel_status trtsel_feature_number(const char *feature,
                                    uint32_t *number);

/**
 * Takes the memory. Any thread; allocates.
 *
 * The caller promises:
 * `features` is NULL or writable.
 */
trtsel_status trtsel_features_open(trtsel_features **features);

/**
 * Frees the memory. NULL is taken. `TRTSEL_BUSY` where a call is inside: then nothing is freed.
 *
 * The caller promises:
 * `features` is NULL or open, and no other thread will use it.
 */
trtsel_status trtsel_features_close(trtsel_features *features);

/**
 * The text of the last failure; empty before the first. Never NULL. Valid until the next call on the handle. One call at a time.
 *
 * The caller promises:
 * `features` is NULL or open.
 */
const char *trtsel_features_error(trtsel_features *features);

/**
 * Computes features of a frame in host memory: those with the `count` numbers in `numbers`, in that order, into `values`; with NULL
 * for `numbers` all of them, for which `values` has room for `count`, at least `trtsel_feature_count()`. Only what the features asked for need is computed.
 *
 * `TRTSEL_INPUT`, `TRTSEL_INVALID_ARGUMENT` (a number that is none; a frame on a device), `TRTSEL_BUFFER_TOO_SMALL`. One call at a time;
 * allocates nothing.
 *
 * The caller promises:
 * `features` is NULL or open; `frame` NULL or a frame as `trtsel_frame` says; `numbers` NULL or of `count`; `values` NULL or of `count`.
 */
trtsel_status trtsel_features_compute(trtsel_features *features,
                                      const trtsel_frame *frame,
                                      const uint32_t *numbers,
                                      float *values,
                                      size_t count);

/**
 * Opens a `premodel.json`. On success `*decider` is the new handle; else a line about why not is written to `error_text` (cut to
 * `error_bytes`, with a NUL; NULL: nowhere). `TRTSEL_IO`, `TRTSEL_PREMODEL`. Any thread; allocates and reads the file.
 *
 * The caller promises:
 * `premodel_file` is NULL or a text; `decider` NULL or writable; `error_text` NULL or of `error_bytes`.
 */
trtsel_status trtsel_decider_open(const char *premodel_file,
                                  trtsel_decider **decider,
                                  char *error_text,
                                  size_t error_bytes);

/**
 * `trtsel_decider_open` for a premodel in memory: `json_bytes` bytes of JSON, which are not needed after the call.
 *
 * The caller promises:
 * `json` is NULL or of `json_bytes`; else as `trtsel_decider_open`.
 */
trtsel_status trtsel_decider_open_memory(const char *json,
                                         size_t json_bytes,
                                         trtsel_decider **decider,
                                         char *error_text,
                                         size_t error_bytes);

/**
 * Closes a decider. NULL is taken. `TRTSEL_BUSY` where a call is inside: then nothing is freed.
 *
 * The caller promises:
 * `decider` is NULL or open, and no other thread will use it.
 */
trtsel_status trtsel_decider_close(trtsel_decider *decider);

/**
 * The text of the last failure of a call that takes the decider without `const`; empty before the first. Never NULL. Valid until the
 * next such call. One call at a time, but also on a poisoned decider; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
const char *trtsel_decider_error(trtsel_decider *decider);

/**
 * Sets a signal by its slot. Own signals (`signal.X`) stay until they are set again; all others are unset (NaN, which takes the else
 * branch of every test) by the next begin. `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_set_signal(trtsel_decider *decider,
                                        uint32_t slot,
                                        float value);

/**
 * Reads a signal by its slot: NaN where it is unset. Of the signals that are computed, those that no test reads are not.
 * `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `decider` is NULL or open, `value` NULL or writable.
 */
trtsel_status trtsel_decider_get_signal(trtsel_decider *decider,
                                        uint32_t slot,
                                        float *value);

/**
 * Begins an input: a walk at the program's first node. What the last one left is forgotten, own signals are not. One call at a time;
 * allocates nothing.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_begin(trtsel_decider *decider);

/**
 * Sets the signals of all image features that the premodel knows, from the values that `trtsel_features_compute` gives for NULL numbers:
 * `count` is at least `trtsel_feature_count()`, else `TRTSEL_INVALID_ARGUMENT`. After begin. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `decider` is NULL or open, `values` NULL or of `count`.
 */
trtsel_status trtsel_decider_set_features(trtsel_decider *decider,
                                          const float *values,
                                          size_t count);

/**
 * What to do next. After `TRTSEL_DECIDE_RUN`: run that candidate, then `trtsel_decider_set_scores` or `trtsel_decider_set_signal` for its
 * signals, or `trtsel_decider_failed`; then ask again. The other kinds are the end, and stay so until the next begin.
 * `TRTSEL_WRONG_STATE` before the first begin. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `decider` is NULL or open, `decision` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_decider_next(trtsel_decider *decider,
                                  trtsel_decision *decision);

/**
 * Sets a candidate's signals (top-1, margin, entropy, risk, agreement with those set before, averages) from its class scores. `kind` is
 * `TRTSEL_LOGITS` or `TRTSEL_PROBABILITIES`. `TRTSEL_WRONG_STATE` where it is not the candidate asked for last; `TRTSEL_INVALID_ARGUMENT` where
 * `count` is not the premodel's number of classes; `TRTSEL_INPUT` where a score is no number. One call at a time; allocates nothing, but
 * for the first call where the premodel does not say its number of classes.
 *
 * The caller promises:
 * `decider` is NULL or open, `scores` NULL or of `count`.
 */
trtsel_status trtsel_decider_set_scores(trtsel_decider *decider,
                                        uint32_t candidate,
                                        uint32_t kind,
                                        const float *scores,
                                        size_t count);

/**
 * What the answer says, after a decision of `TRTSEL_DECIDE_ANSWER`: its class and probability. An average is the weighted mean of its
 * candidates' probabilities at their temperatures, made from the scores that were set. Where `probabilities` is not NULL, the
 * probabilities of all classes are copied to it: `TRTSEL_BUFFER_TOO_SMALL` where they are more than `capacity`.
 * `TRTSEL_WRONG_STATE` where the last decision was no answer, and where the scores of a candidate behind it were not set. One call at a
 * time; allocates nothing.
 *
 * The caller promises:
 * `decider` is NULL or open, `answer` NULL or a struct of its `struct_size`, `probabilities` NULL or of `capacity` floats.
 */
trtsel_status trtsel_decider_answer(trtsel_decider *decider,
                                    trtsel_answer *answer,
                                    float *probabilities,
                                    size_t capacity);

/**
 * Tells that the candidate asked for last failed. From here on the most capable candidate that works answers; ask what is next.
 * `TRTSEL_WRONG_STATE` where it was not asked for. One call at a time; allocates nothing.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_failed(trtsel_decider *decider,
                                    uint32_t candidate);

/**
 * Sums up class scores, without a decider: writes `count` probabilities and what they say. `TRTSEL_INPUT` where a score is no number,
 * then the probabilities are unspecified; `TRTSEL_INVALID_ARGUMENT` where there is none, or for an unknown `kind`. Any thread; does not allocate.
 *
 * The caller promises:
 * `scores` and `probabilities` are NULL or of `count`, and do not overlap; `summary` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_summarise(uint32_t kind,
                               const float *scores,
                               float *probabilities,
                               size_t count,
                               trtsel_summary *summary);

/**
 * The name of a candidate; `TRTSEL_NOT_FOUND` past the last. It lives until the decider is closed. Any thread, at any time; does not
 * allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_decider_candidate_name(const trtsel_decider *decider,
                                            uint32_t candidate,
                                            const char **name);

/**
 * The name of a signal that the premodel knows, by its slot: `feature.X`, `signal.X`, `CANDIDATE.top1`, `agree.A.B`, …;
 * `TRTSEL_NOT_FOUND` past the last. It lives until the decider is closed. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_decider_signal_name(const trtsel_decider *decider,
                                         uint32_t slot,
                                         const char **name);

/**
 * The slot of a signal, by its whole name (see `trtsel_decider_signal_name`); `TRTSEL_NOT_FOUND` where the premodel has none of that name.
 * Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `signal` NULL or a text, `slot` NULL or writable.
 */
trtsel_status trtsel_decider_signal_slot(const trtsel_decider *decider,
                                         const char *signal,
                                         uint32_t *slot);

/**
 * The temperature at which a candidate's probabilities go into averages: 1 where the premodel has none. `TRTSEL_NOT_FOUND` past the last
 * candidate. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `temperature` NULL or writable.
 */
trtsel_status trtsel_decider_temperature(const trtsel_decider *decider,
                                         uint32_t candidate,
                                         float *temperature);

/**
 * The weight of a candidate in the average of the candidates of `mask` (bit k is candidate k). `TRTSEL_NOT_FOUND` where the candidate is
 * not in it, or the premodel has no such candidates. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `weight` NULL or writable.
 */
trtsel_status trtsel_decider_weight(const trtsel_decider *decider,
                                    uint32_t mask,
                                    uint32_t candidate,
                                    float *weight);

/**
 * Why the program came to a node (`node` of a decision), in words. One call at a time; allocates.
 *
 * The caller promises:
 * `decider` is NULL or open; `text` NULL or of `text_bytes`; `needed_bytes` NULL or writable.
 */
trtsel_status trtsel_decider_why(trtsel_decider *decider,
                                 uint32_t node,
                                 char *text,
                                 size_t text_bytes,
                                 size_t *needed_bytes);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TRT_SELECT_H */
