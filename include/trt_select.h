/*
 * trt_select.h: runs each input on the cheapest DNN that will be right. The C ABI of trt-select.
 * Made by src/capi/make-header from src/capi; do not edit it.
 *
 * The C ABI: the functions that `include/trt_select.h` declares, for C, C++ and every other language that can call C.
 *
 * This page and the header say the same, because `src/capi/make-header` makes the header from these sources. `docs/c-api.md` is
 * a short guide with build lines; `examples/c` and `examples/cpp` hold example programs.
 *
 * # Rules
 * **Handles** are opaque. A function named `_open` creates a handle, and the one named `_close` frees it; closing NULL does
 * nothing. A handle may be used on any thread. Functions that take it as `const` may be called at any time on any thread. Of the
 * other functions only one call at a time may run on a handle: a second one returns `TRTSEL_BUSY` and does nothing. Unless it
 * returns `TRTSEL_BUSY`, `_close` is the last call on a handle, and any later use of the handle is undefined behaviour. Different
 * handles are independent of each other.
 *
 * **Statuses.** Every call that can fail returns a `trtsel_status`. Each function names the failures
 * that are its own; those that follow from the rules on this page apply to all. Outputs are written only when the call returns
 * `TRTSEL_OK`. `trtsel_selector_error` and the like functions of the other handles give the text of the last failure on a
 * handle; `_open`, which has no handle yet, writes that text to a buffer of the caller's, which may be NULL.
 *
 * **Pointers.** Unless its function says otherwise, a pointer must not be NULL (`TRTSEL_NULL_POINTER`), and the library uses
 * what it points to only during the call. Texts are UTF-8 and end with a NUL. A text output is cut between two characters to
 * what fits into the buffer, and always ends with a NUL; `needed_bytes`, which may be NULL, receives the size of the whole text
 * with its NUL.
 *
 * **Structs** begin with `struct_size`, which the caller sets to the struct's `sizeof` before every call, for inputs and outputs
 * alike. The library accepts a shorter struct of an earlier version and reads the missing fields as zeros; that is why zero
 * means "the default" everywhere. It accepts a longer input struct of a later version if the fields that it does not know are
 * zero, and sets such fields of an output struct to zero.
 *
 * **Panics** of the library never reach the caller's code: the call returns `TRTSEL_PANIC` and the handle is poisoned. From then
 * on every call on it except `_error` and `_close` returns `TRTSEL_POISONED`. (Running out of memory aborts the process, as in
 * every Rust program.)
 *
 * **Memory.** Each function says whether it allocates. After warm-up the library's own code allocates nothing in infer, submit,
 * poll and wait, except that it may allocate the text of a failure; the texts for a wrong argument, a wrong state and a missed
 * deadline are not allocated.
 *
 * Times are in nanoseconds of the monotonic clock, sizes in bytes and sides in pixels, as the names of the fields say.
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
 * The library has ONNX Runtime, whose own library is looked for at run time.
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
 * Errors: something does not work.
 */
#define TRTSEL_LOG_ERROR 1

/**
 * Warnings: something works, but not in the expected way; for example, a candidate runs without a CUDA graph.
 */
#define TRTSEL_LOG_WARN 2

/**
 * Information, for example which engine was chosen.
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
 * TensorRT if every candidate has a plan that opens; else ONNX Runtime if this build and this machine have it; else tract.
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
 * The null engine, which runs no networks: every output is zeros. It serves to try and to measure everything but the networks.
 */
#define TRTSEL_ENGINE_NULL 4

/**
 * Flag of the options: refuse a premodel that was trained for another engine, precision or device. Without this flag such a
 * premodel is used, and a warning is logged.
 */
#define TRTSEL_STRICT 1

/**
 * Flag of the options: do not capture CUDA graphs.
 */
#define TRTSEL_NO_GRAPHS 2

/**
 * Flag of the options: measure the device's work with CUDA events, so that results have device times.
 */
#define TRTSEL_DEVICE_TIMES 4

/**
 * Flag of the options: keep plans in memory, so that an evicted candidate is loaded again without reading the disk.
 */
#define TRTSEL_KEEP_PLANS 8

/**
 * Device memory; on an integrated GPU, device memory or mapped memory, whichever a measurement finds faster.
 */
#define TRTSEL_FRAME_MEMORY_AUTO 0

/**
 * Frames from the host are copied to device memory.
 */
#define TRTSEL_FRAME_MEMORY_DEVICE 1

/**
 * Frames from the host are copied to mapped host memory, which the device reads.
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
 * Two planes: 8-bit luma, and interleaved Cb, Cr of half its width and height, rounded up (4:2:0).
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
 * Luma and chroma 0 to 255.
 */
#define TRTSEL_RANGE_FULL 1

/**
 * The planes lie in host memory.
 */
#define TRTSEL_PLACE_HOST 0

/**
 * The planes lie in memory that the GPU can read: device memory, or mapped or managed host memory, in the device's primary
 * context. Only TensorRT takes such frames.
 */
#define TRTSEL_PLACE_DEVICE 1

/**
 * Flag of a result: the average of several candidates answered.
 */
#define TRTSEL_AVERAGE 1

/**
 * Flag of a result: the deadline passed while the program still asked for a candidate, so the most capable candidate that had
 * run answered.
 */
#define TRTSEL_LATE 2

/**
 * The value of `candidate` where no single candidate is meant.
 */
#define TRTSEL_NO_CANDIDATE 4294967295

/**
 * In place of a candidate's number in `trtsel_selector_memory`: the memory that all candidates share. It holds frames, the
 * records of the features, what TensorRT allocated at run time, and the one activation block.
 */
#define TRTSEL_MEMORY_SHARED 4294967294

/**
 * In place of a candidate's number in `trtsel_selector_memory`: the sum of the shared memory and that of every candidate.
 */
#define TRTSEL_MEMORY_SUM 4294967295

/**
 * The number of buckets of the histogram of latencies.
 */
#define TRTSEL_LATENCY_BUCKETS 40

/**
 * The scores are logits, that is any real numbers, which softmax turns into probabilities.
 */
#define TRTSEL_LOGITS 0

/**
 * The scores are probabilities.
 */
#define TRTSEL_PROBABILITIES 1

/**
 * Kind of a decision: run `candidate`, set its signals, and ask again.
 */
#define TRTSEL_DECIDE_RUN 1

/**
 * Kind of a decision: answer with `candidate`, or with the average of the candidates in `answer_mask`.
 */
#define TRTSEL_DECIDE_ANSWER 2

/**
 * Kind of a decision: every candidate that could answer has failed.
 */
#define TRTSEL_DECIDE_NONE_WORKS 3

/**
 * A decider: a premodel without networks. It decides on one input at a time.
 */
typedef struct trtsel_decider trtsel_decider;

/**
 * The memory that features are computed in, about 500 KB. Threads that compute features at the same time need one each.
 */
typedef struct trtsel_features trtsel_features;

/**
 * A selector: the candidates and the premodel of a bundle that was opened. At most one input is in flight at a time.
 */
typedef struct trtsel_selector trtsel_selector;

/**
 * What a call returns: 0 for success, `TRTSEL_PENDING` for "not yet", and any other number for a failure. Later versions may add
 * numbers, and a program must treat a number that it does not know as a failure.
 */
typedef int32_t trtsel_status;

/**
 * Who can do something about a status: a `TRTSEL_GROUP_` number. Later versions may add numbers.
 */
typedef int32_t trtsel_group;

/**
 * A description of a selector. Its texts live until the selector is closed.
 */
typedef struct trtsel_info {
    /**
     * `sizeof(trtsel_info)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * The engine that the selector uses: a `TRTSEL_ENGINE_` number.
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
     * Number of class labels: `class_count`, or 0 where the bundle has no labels.
     */
    uint32_t label_count;
    /**
     * Number of the caller's own signals that premodels of this selector have named so far; their slots are numbered from 0. A
     * reload may add signals. It removes none, and a slot always stands for the same signal.
     */
    uint32_t signal_count;
    /**
     * 1 where the chosen program of the premodel in use reads image features, else 0.
     */
    uint32_t reads_features;
    /**
     * 1 where that program was compiled into the library, else 0.
     */
    uint32_t is_baked;
    /**
     * One line of text that says which engine was chosen, and why.
     */
    const char *engine_reason;
    /**
     * The device that the networks run on, as a text.
     */
    const char *device;
    /**
     * The cost of the most expensive path through the chosen program of the premodel in use, in nanoseconds, by the costs that
     * the premodel states.
     */
    double worst_case_ns;
} trtsel_info;

/**
 * Memory that a candidate, or all of a selector, holds, in bytes.
 */
typedef struct trtsel_memory {
    /**
     * `sizeof(trtsel_memory)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * Reserved; 0.
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
     * Device memory that a candidate needs only while it runs. All candidates share one block, as large as the largest of them
     * needs; `device_bytes` of `TRTSEL_MEMORY_SHARED` includes that block, and `device_bytes` of a candidate does not.
     */
    uint64_t activation_bytes;
} trtsel_memory;

/**
 * Counts since the selector was opened or its counts were reset. Sums of times are in nanoseconds.
 */
typedef struct trtsel_statistics {
    /**
     * `sizeof(trtsel_statistics)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * Reserved; 0.
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
     * Results in which an average answered.
     */
    uint64_t averages;
    /**
     * Results with `TRTSEL_LATE`.
     */
    uint64_t late;
    /**
     * Inputs that were not done by their deadline: those with a result that has `TRTSEL_LATE` or took longer, and those that
     * ended with `TRTSEL_DEADLINE`.
     */
    uint64_t deadline_misses;
    /**
     * Results whose true class was told by `trtsel_selector_feedback`.
     */
    uint64_t fed_back;
    /**
     * The results among `fed_back` that were right.
     */
    uint64_t right;
    /**
     * The sum of the latencies. A latency is the time from submit to the result.
     */
    uint64_t latency_sum_ns;
    /**
     * The smallest latency; 0 before the first result.
     */
    uint64_t latency_min_ns;
    /**
     * The largest latency.
     */
    uint64_t latency_max_ns;
    /**
     * The sum of `features_ns` of all results.
     */
    uint64_t features_sum_ns;
    /**
     * The sum of `decide_ns` of all results.
     */
    uint64_t decide_sum_ns;
    /**
     * The sum of `preprocess_ns` of all results.
     */
    uint64_t preprocess_sum_ns;
    /**
     * The sum of `compute_ns` of all results.
     */
    uint64_t compute_sum_ns;
    /**
     * Bucket k counts the latencies from 2^k to 2^(k+1) - 1 ns. Bucket 0 also counts a latency of 0, and the last bucket all
     * larger ones.
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
     * Reserved; 0.
     */
    uint32_t reserved;
    /**
     * Inputs on which the candidate ran without failing.
     */
    uint64_t runs;
    /**
     * Inputs on which the candidate failed.
     */
    uint64_t failures;
    /**
     * Inputs that the candidate answered alone.
     */
    uint64_t answers;
    /**
     * Runs on inputs whose true class was told by `trtsel_selector_feedback`.
     */
    uint64_t fed_back;
    /**
     * The runs among `fed_back` in which the candidate's most probable class was the true one, whether or not the candidate
     * answered.
     */
    uint64_t right;
} trtsel_candidate_statistics;

/**
 * A function of the caller's that receives one log line: `user` is `log_user` of the options, `level` a `TRTSEL_LOG_` number,
 * and `line` a text that is valid only during the call. The library calls it on the thread that called the library. It must
 * return normally (no exception, no longjmp). Calls that it makes on the handle that logs, other than those with a `const`
 * handle, return `TRTSEL_BUSY`.
 */
typedef void (*trtsel_log_callback)(void *user, uint32_t level, const char *line);

/**
 * The options with which a bundle is opened. A zero in any field but `struct_size` means the default, so
 * `trtsel_options o = {.struct_size = sizeof o};` sets all defaults.
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
     * The number of the GPU to use, as CUDA counts them.
     */
    uint32_t device;
    /**
     * Threads that an engine on the CPU uses for one inference; 0 means 1.
     */
    uint32_t threads;
    /**
     * `TRTSEL_STRICT` and the other flags, added up.
     */
    uint32_t flags;
    /**
     * A `TRTSEL_FRAME_MEMORY_` number; only TensorRT uses it.
     */
    uint32_t frame_memory;
    /**
     * The size of the frame that memory is allocated for at open, in bytes, with each row rounded up to 64 bytes; 0 means
     * 1920x1080 pixels of RGBA. Only TensorRT uses it.
     */
    uint64_t frame_bytes;
    /**
     * The limit, in bytes, of the device memory that the weights of all candidates may take together; 0 sets no limit. Beyond
     * the limit the least recently used candidate is evicted, and the poll that needs it again loads it: that poll blocks,
     * allocates and may log.
     */
    uint64_t max_resident_bytes;
    /**
     * How long an input may take from its submit on, in nanoseconds; 0 sets no limit. See `trtsel_selector_set_deadline`.
     */
    uint64_t deadline_ns;
    /**
     * The stream of device frames that name none of their own: a `CUstream` or `cudaStream_t` of the device's primary context,
     * which lives as long as the selector. Such a frame is complete once the work that was enqueued there before its submit is
     * done. NULL says that such frames are complete before their submit. (The legacy default stream is `CU_STREAM_LEGACY`, not
     * NULL.)
     */
    void *stream;
    /**
     * Receives the lines that calls on this selector log, on the thread of the call. With NULL nothing is logged.
     */
    trtsel_log_callback log;
    /**
     * Passed to `log` as its `user`.
     */
    void *log_user;
    /**
     * The most detailed level that is logged, a `TRTSEL_LOG_` number; 0 means `TRTSEL_LOG_WARN`.
     */
    uint32_t log_level;
    /**
     * Reserved; must be 0.
     */
    uint32_t reserved;
} trtsel_options;

/**
 * One frame; the library borrows its planes. A zero in any field but the sizes and the planes means the default.
 *
 * The planes must stay readable and unchanged until the input has its result or was cancelled, because networks on the CPU read
 * a host frame only when the program asks for them. (With TensorRT the submit copies a host frame, which may be freed once the
 * submit has returned.) After `TRTSEL_LATE` or `TRTSEL_DEADLINE` the GPU may go on reading a device frame until the selector's
 * next submit, infer, cancel or close returns.
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
     * Height in pixels, with the limits of the width.
     */
    uint32_t height_px;
    /**
     * A `TRTSEL_MATRIX_` number; only NV12 and YUYV use it.
     */
    uint32_t matrix;
    /**
     * A `TRTSEL_RANGE_` number; only NV12 and YUYV use it.
     */
    uint32_t range;
    /**
     * A `TRTSEL_PLACE_` number.
     */
    uint32_t place;
    /**
     * Reserved; must be 0.
     */
    uint32_t reserved;
    /**
     * The first byte of the first row of the pixels, for NV12 of its luma.
     */
    const void *plane0;
    /**
     * The first byte of the chroma of NV12; NULL for all other formats.
     */
    const void *plane1;
    /**
     * Bytes from one row of plane 0 to the next; 0 for rows without gaps. The last row need not have bytes after its last pixel.
     */
    uint64_t stride0_bytes;
    /**
     * Bytes from one row of plane 1 to the next; 0 for rows without gaps.
     */
    uint64_t stride1_bytes;
    /**
     * For a device frame: the CUDA stream that writes it. The frame is complete once the work that was enqueued on this stream
     * before the submit is done. NULL stands for the stream of the options.
     */
    void *stream;
} trtsel_frame;

/**
 * The time of each stage in nanoseconds. A stage that happened more than once has the sum of its times.
 */
typedef struct trtsel_times {
    /**
     * Computing the image features.
     */
    uint64_t features_ns;
    /**
     * Walking the program. Where the program begins with a Run, the way to that Run is not timed.
     */
    uint64_t decide_ns;
    /**
     * Converting the frame to the networks' input tensors.
     */
    uint64_t preprocess_ns;
    /**
     * Running the networks and computing their signals; where the input is a tensor, also copying it.
     */
    uint64_t compute_ns;
    /**
     * From submit to the result. This includes the time that the caller spends between polls.
     */
    uint64_t total_ns;
    /**
     * Copying the frame, by the device's clock. The times whose names begin with `device_` are 0 without TensorRT; those by the
     * device's clock are also 0 without `TRTSEL_DEVICE_TIMES`.
     */
    uint64_t device_upload_ns;
    /**
     * Running the feature kernels, by the device's clock.
     */
    uint64_t device_features_ns;
    /**
     * Enqueueing the candidates' work, by the host's clock.
     */
    uint64_t device_enqueue_ns;
    /**
     * Preprocessing, networks and their signals, by the device's clock.
     */
    uint64_t device_compute_ns;
} trtsel_times;

/**
 * The result of an input.
 */
typedef struct trtsel_result {
    /**
     * `sizeof(trtsel_result)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * The sum of the flags that apply: `TRTSEL_AVERAGE`, `TRTSEL_LATE`.
     */
    uint32_t flags;
    /**
     * The number of the class in the answer, counted from 0.
     */
    uint32_t class_index;
    /**
     * The probability of that class, 0 to 1, by the candidate or the average that answered.
     */
    float probability;
    /**
     * The candidate that answered; `TRTSEL_NO_CANDIDATE` for an average.
     */
    uint32_t candidate;
    /**
     * The candidates behind the answer: bit k is set for candidate k.
     */
    uint32_t answer_mask;
    /**
     * The candidates that ran, by the same bits.
     */
    uint32_t ran_mask;
    /**
     * The candidates that failed, by the same bits; `trtsel_selector_failure` says why.
     */
    uint32_t failed_mask;
    /**
     * The node of the program at which the walk ended: `trtsel_selector_why` puts it into words.
     */
    uint32_t node;
    /**
     * The number of the premodel's program that decided, counted from 0.
     */
    uint32_t program;
    /**
     * The time of each stage.
     */
    struct trtsel_times times;
} trtsel_result;

/**
 * The summary of one candidate's output.
 */
typedef struct trtsel_summary {
    /**
     * `sizeof(trtsel_summary)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * The class with the largest probability; if several have it, the first of them.
     */
    uint32_t class_index;
    /**
     * The probability of that class, 0 to 1.
     */
    float top1;
    /**
     * `top1` less the probability of the second most probable class, 0 to 1; `top1` itself where there is only one class.
     */
    float margin;
    /**
     * The entropy of the probabilities, divided by the logarithm of the number of classes, 0 to 1.
     */
    float entropy;
    /**
     * Reserved; 0.
     */
    uint32_t reserved;
} trtsel_summary;

/**
 * A decision: what the caller has to do next.
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
     * The candidate to run or to answer with; `TRTSEL_NO_CANDIDATE` for an average, and where no candidate works.
     */
    uint32_t candidate;
    /**
     * For an answer the candidates behind it, bit k for candidate k; else 0.
     */
    uint32_t answer_mask;
    /**
     * The candidates that were asked for so far and did not fail, by the same bits.
     */
    uint32_t ran_mask;
    /**
     * The candidates that failed, by the same bits.
     */
    uint32_t failed_mask;
    /**
     * The node of the program at which the walk stands: `trtsel_decider_why` puts it into words.
     */
    uint32_t node;
    /**
     * The number of the premodel's program that decides, counted from 0.
     */
    uint32_t program;
} trtsel_decision;

/**
 * The class and the probability of an answer.
 */
typedef struct trtsel_answer {
    /**
     * `sizeof(trtsel_answer)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * The number of the most probable class, counted from 0.
     */
    uint32_t class_index;
    /**
     * The probability of that class, 0 to 1, by the candidate or the average that answers.
     */
    float probability;
    /**
     * `probability` less the probability of the second most probable class; `probability` itself where there is only one class.
     */
    float margin;
} trtsel_answer;

/**
 * A program of a premodel, and what to expect of it. Numbers that the premodel does not state are NaN.
 */
typedef struct trtsel_program {
    /**
     * `sizeof(trtsel_program)`; set it before the call.
     */
    uint32_t struct_size;
    /**
     * 1 for the program that decides where nobody asks for another and the premodel has no mix, else 0.
     */
    uint32_t is_chosen;
    /**
     * 1 where the program reads image features, else 0.
     */
    uint32_t reads_features;
    /**
     * Number of the program's nodes.
     */
    uint32_t node_count;
    /**
     * The price that the program was trained for, in reward per millisecond.
     */
    double price;
    /**
     * The expected mean reward: for classification the share of right answers. The next two are the ends of its 95 % interval.
     */
    double reward;
    /**
     * See `reward`.
     */
    double reward_low;
    /**
     * See `reward`.
     */
    double reward_high;
    /**
     * The expected mean cost of an input, in nanoseconds, by the costs that the premodel states. The next two are the ends of its
     * 95 % interval.
     */
    double cost_ns;
    /**
     * See `cost_ns`.
     */
    double cost_ns_low;
    /**
     * See `cost_ns`.
     */
    double cost_ns_high;
    /**
     * The expected mean reward less that of the best single network on the same inputs. The next two are the ends of its 95 %
     * interval.
     */
    double over_best_single;
    /**
     * See `over_best_single`.
     */
    double over_best_single_low;
    /**
     * See `over_best_single`.
     */
    double over_best_single_high;
    /**
     * The cost of the most expensive path through the program, in nanoseconds, by the costs that the premodel states.
     */
    double worst_case_ns;
} trtsel_program;

/**
 * The call succeeded. Outputs are written with this status only.
 */
#define TRTSEL_OK 0

/**
 * The input is still in flight: poll or wait again. This is not an error.
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
 * A `struct_size` is too small or too large, or a field that this version does not know is not zero.
 */
#define TRTSEL_STRUCT_SIZE 5

/**
 * The caller's array or buffer is too small.
 */
#define TRTSEL_BUFFER_TOO_SMALL 6

/**
 * Another call on this handle is running: on another thread, or on this one, when the log callback makes a call. Nothing was
 * done.
 */
#define TRTSEL_BUSY 7

/**
 * The library panicked in this call, which is a defect of the library. The handle is poisoned from now on.
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
 * The contents of a `bundle.toml`, or of a file that it names, are not valid.
 */
#define TRTSEL_BUNDLE 13

/**
 * A premodel could not be understood, or does not fit the candidates.
 */
#define TRTSEL_PREMODEL 14

/**
 * An engine failed, or no candidate works.
 */
#define TRTSEL_ENGINE 15

/**
 * A frame, a tensor or a network's scores cannot be used.
 */
#define TRTSEL_INPUT 16

/**
 * This build or this engine does not have what was asked for.
 */
#define TRTSEL_UNSUPPORTED 17

/**
 * An error of a kind that has no status of its own.
 */
#define TRTSEL_ERROR 18

/**
 * TensorRT or ONNX Runtime is not on this machine, or not in a version that this library can use.
 */
#define TRTSEL_LIBRARY_MISSING 19

/**
 * There is no NVIDIA driver on this machine, or one that is too old.
 */
#define TRTSEL_DRIVER_MISSING 20

/**
 * There is an NVIDIA driver, but not the GPU that was asked for.
 */
#define TRTSEL_DEVICE_MISSING 21

/**
 * The GPU faulted; only a new process can use it again.
 */
#define TRTSEL_DEVICE_LOST 22

/**
 * The GPU does not have enough free memory.
 */
#define TRTSEL_DEVICE_MEMORY 23

/**
 * The host does not have enough free memory, or not enough that can be page-locked.
 */
#define TRTSEL_HOST_MEMORY 24

/**
 * A limit that the caller set (`max_resident_bytes`) is too low for what was asked for.
 */
#define TRTSEL_LIMIT 25

/**
 * The operating system does not allow this process to do what was asked for.
 */
#define TRTSEL_DENIED 26

/**
 * There is no plan where a candidate's plan should be.
 */
#define TRTSEL_PLAN_MISSING 27

/**
 * A plan was made for another TensorRT or another GPU, or from another model than the one in the bundle.
 */
#define TRTSEL_PLAN_MISMATCH 28

/**
 * A plan is damaged, or TensorRT refuses it.
 */
#define TRTSEL_PLAN 29

/**
 * A model could not be understood, or its tensors are not those that the bundle describes.
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
 * Something on the machine is missing, broken or forbidden: a file, a library, a driver, a GPU or a permission.
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
 * The library's version as a static text, for example "0.1.0". Any thread; does not allocate.
 */
const char *trtsel_version_text(void);

/**
 * The library's version as a number: major << 16 | minor << 8 | patch. Any thread; does not allocate.
 */
uint32_t trtsel_version(void);

/**
 * What was built into the library: the sum of the `TRTSEL_HAS_` flags that apply. The null engine is always built in. Any
 * thread; does not allocate.
 */
uint32_t trtsel_built_in(void);

/**
 * The name of the status's constant as a static text, for example "TRTSEL_OK"; "TRTSEL_UNKNOWN" for a number that is no status.
 * Any thread; does not allocate.
 */
const char *trtsel_status_name(trtsel_status status);

/**
 * What the status means, in a few words, as a static text. The text that `trtsel_selector_error` and the like functions give
 * says more about a failure. Any thread; does not allocate.
 */
const char *trtsel_status_message(trtsel_status status);

/**
 * Who can do something about a status: a `TRTSEL_GROUP_` number. It is `TRTSEL_GROUP_CALLER` for a number that is no status. Any
 * thread; does not allocate.
 */
trtsel_group trtsel_status_group(trtsel_status status);

/**
 * Writes a description of the selector. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `info` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_info(const trtsel_selector *selector, trtsel_info *info);

/**
 * Writes the address of a candidate's name, which lives until the selector is closed; `TRTSEL_NOT_FOUND` where there is no
 * candidate of this number. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_selector_candidate_name(const trtsel_selector *selector,
                                             uint32_t candidate,
                                             const char **name);

/**
 * Writes the address of a class's label, which lives until the selector is closed; `TRTSEL_NOT_FOUND` where there is no class of
 * this number, and where the bundle has no labels. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `label` NULL or writable.
 */
trtsel_status trtsel_selector_label(const trtsel_selector *selector,
                                    uint32_t class_index,
                                    const char **label);

/**
 * Writes the address of the name of one of the caller's own signals, without `signal.`. It lives until the selector is closed;
 * `TRTSEL_NOT_FOUND` where there is no such slot. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_selector_signal_name(const trtsel_selector *selector,
                                          uint32_t slot,
                                          const char **name);

/**
 * Writes the slot of the caller's own signal with this name, without `signal.`; `TRTSEL_NOT_FOUND` where the premodel in use has
 * no such signal. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `signal` NULL or a text, `slot` NULL or writable.
 */
trtsel_status trtsel_selector_signal_slot(const trtsel_selector *selector,
                                          const char *signal,
                                          uint32_t *slot);

/**
 * Writes how many bytes of memory the candidate with this number holds; for `TRTSEL_MEMORY_SHARED` what all candidates share,
 * for `TRTSEL_MEMORY_SUM` the sum of all. `TRTSEL_NOT_FOUND` for other numbers. It does not count the driver's context and
 * loaded code, the host memory of the engines' libraries, the workspace that features are computed in on the host, and what
 * TensorRT allocates without its allocator. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `memory` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_memory(trtsel_selector *selector,
                                     uint32_t candidate,
                                     trtsel_memory *memory);

/**
 * Writes the counts of what the selector has done so far. While another thread infers, some counts may already include an input
 * that others do not yet include. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `statistics` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_statistics(const trtsel_selector *selector,
                                         trtsel_statistics *statistics);

/**
 * Like `trtsel_selector_statistics`, for one candidate; `TRTSEL_NOT_FOUND` where there is no candidate of this number. Any
 * thread, at any time; does not allocate.
 *
 * The caller promises:
 * As for `trtsel_selector_statistics`.
 */
trtsel_status trtsel_selector_candidate_statistics(const trtsel_selector *selector,
                                                   uint32_t candidate,
                                                   trtsel_candidate_statistics *statistics);

/**
 * Sets all counts of the selector and its candidates to 0. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_reset_statistics(trtsel_selector *selector);

/**
 * Opens a bundle: its engine, networks and premodel. NULL for `options` means the defaults. On success `*selector` is the new
 * handle. On failure one line that says why is written to `error_text`, a buffer of `error_bytes` bytes, which may be NULL.
 *
 * Errors: `TRTSEL_IO`, `TRTSEL_BUNDLE`, `TRTSEL_PREMODEL`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_STRUCT_SIZE`,
 * `TRTSEL_UNSUPPORTED`, `TRTSEL_ENGINE`, and the statuses from `TRTSEL_LIBRARY_MISSING` on, which say what is wrong with the
 * engine's library, the driver, the device, a plan or a model. Any thread; allocates, reads files, and may take seconds.
 *
 * The caller promises:
 * `bundle_folder` is NULL or a text; `options` NULL or a struct of its `struct_size`; `selector` NULL or writable; `error_text`
 * NULL or a buffer of `error_bytes` bytes.
 */
trtsel_status trtsel_selector_open(const char *bundle_folder,
                                   const trtsel_options *options,
                                   trtsel_selector **selector,
                                   char *error_text,
                                   size_t error_bytes);

/**
 * Closes a selector: waits until the device has finished its work, and frees everything; NULL does nothing. Returns
 * `TRTSEL_BUSY`, and frees nothing, while another call on the selector is running. After `TRTSEL_OK` the handle no longer
 * exists.
 *
 * The caller promises:
 * `selector` is NULL or open, and no other thread will use it.
 */
trtsel_status trtsel_selector_close(trtsel_selector *selector);

/**
 * The text of the last failure of a call that takes the selector without `const`; empty before the first one, and never NULL. It
 * is valid until the next such call. One call at a time; works on a poisoned selector too; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
const char *trtsel_selector_error(trtsel_selector *selector);

/**
 * Computes the features and runs every candidate once on a frame, so that all memory that depends on the frame's size is
 * allocated. There is no result, the last one is discarded, and the statistics do not count the frame. Errors as for
 * `trtsel_selector_submit`. One call at a time; allocates.
 *
 * The caller promises:
 * `selector` is NULL or open, `frame` NULL or a frame as `trtsel_frame` says.
 */
trtsel_status trtsel_selector_warm_up(trtsel_selector *selector,
                                      const trtsel_frame *frame);

/**
 * Begins an input that is a frame: computes the features that the premodel reads (with TensorRT: enqueues their computation). No
 * network runs yet. The frame must stay unchanged until the result is there or the input is cancelled: see `trtsel_frame`.
 *
 * Errors: `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_INPUT`, `TRTSEL_INVALID_ARGUMENT`, `TRTSEL_UNSUPPORTED`,
 * `TRTSEL_ENGINE` or another status of the engine. One call at a time; allocates only where the frame is larger than every frame
 * before.
 *
 * The caller promises:
 * As for `trtsel_selector_warm_up`; the frame's planes live as long as `trtsel_frame` says.
 */
trtsel_status trtsel_selector_submit(trtsel_selector *selector,
                                     const trtsel_frame *frame);

/**
 * Like `trtsel_selector_submit`, for a bundle whose input is a tensor: `values` holds its elements in the network's order, and
 * must stay unchanged until the result is there or the input is cancelled. `TRTSEL_INPUT` where the premodel reads image
 * features. (A wrong `count` is found only by the poll, which then fails.)
 *
 * The caller promises:
 * `selector` is NULL or open; `values` NULL or an array of `count` floats that lives until the input is done.
 */
trtsel_status trtsel_selector_submit_tensor(trtsel_selector *selector,
                                            const float *values,
                                            size_t count);

/**
 * Walks the program as far as it can without waiting for the device, and starts the candidates that the program asks for.
 * (Engines on the CPU run their networks within this call.) `TRTSEL_OK` says that the result is written and no input is in
 * flight any more; `TRTSEL_PENDING` says that the device is still at work.
 *
 * A candidate that fails does not make the input fail, since the most capable candidate that works answers in its place. Errors:
 * `TRTSEL_ENGINE` or another status of the engine where no candidate works, `TRTSEL_DEADLINE`, `TRTSEL_INPUT`; after these no
 * input is in flight either. `TRTSEL_WRONG_STATE` where no input was in flight. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `result` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_poll(trtsel_selector *selector,
                                   trtsel_result *result);

/**
 * Polls without sleeping until the result is there, or until `timeout_ns` nanoseconds have passed; then it returns
 * `TRTSEL_PENDING`, and the input stays in flight. In all else like `trtsel_selector_poll`.
 *
 * The caller promises:
 * As for `trtsel_selector_poll`.
 */
trtsel_status trtsel_selector_wait(trtsel_selector *selector,
                                   uint64_t timeout_ns,
                                   trtsel_result *result);

/**
 * Submits a frame and waits for its result. Errors and allocations are those of `trtsel_selector_submit` and
 * `trtsel_selector_poll`. One call at a time.
 *
 * The caller promises:
 * As for `trtsel_selector_submit` and `trtsel_selector_poll`.
 */
trtsel_status trtsel_selector_infer(trtsel_selector *selector,
                                    const trtsel_frame *frame,
                                    trtsel_result *result);

/**
 * Like `trtsel_selector_infer`, for a bundle whose input is a tensor.
 *
 * The caller promises:
 * As for `trtsel_selector_submit_tensor` and `trtsel_selector_poll`.
 */
trtsel_status trtsel_selector_infer_tensor(trtsel_selector *selector,
                                           const float *values,
                                           size_t count,
                                           trtsel_result *result);

/**
 * Gives up the input in flight, if there is one, and waits until nothing reads its frame any more. One call at a time; does not
 * allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_cancel(trtsel_selector *selector);

/**
 * Puts the selector back into the state that it had after open: cancels the input in flight, discards the last result, unsets
 * the caller's own signals, forgets prices, programs and cost multipliers, and sets all counts to 0. The deadline and the
 * premodel in use stay. One call at a time; does not
 * allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_reset(trtsel_selector *selector);

/**
 * Sets how long an input may take from its submit on, in nanoseconds; 0 sets no limit. The new limit applies from the next input
 * on.
 *
 * Once an input's deadline has passed, no further candidate is started, and no candidate that is running on a device is waited
 * for. The most capable candidate that has run answers, and the result has `TRTSEL_LATE`; where none has run, the input ends
 * with `TRTSEL_DEADLINE`. The deadline is checked between candidates and in each poll, so a network that runs on the CPU is not
 * interrupted. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_set_deadline(trtsel_selector *selector,
                                           uint64_t deadline_ns);

/**
 * Sets one of the caller's own signals, by the slot that `trtsel_selector_signal_slot` gives. The value stays until it is set
 * again or the selector is reset. A signal that is not set is NaN, for which every test takes its else branch.
 * `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_set_signal(trtsel_selector *selector,
                                         uint32_t slot,
                                         float value);

/**
 * Replaces the premodel by that of a `premodel.json` for the same candidates, while the selector stays open: the networks, their
 * memory, the deadline, the caller's own signals with their slots and values, and all counts stay. So do a price and the cost
 * multipliers; a program that was set by its number does not. The last result is discarded. If the call fails, nothing has
 * changed.
 *
 * Errors: `TRTSEL_WRONG_STATE` where an input is in flight; `TRTSEL_IO`, `TRTSEL_PREMODEL`. One call at a time; allocates, and
 * reads the file.
 *
 * The caller promises:
 * `selector` is NULL or open, `premodel_file` NULL or a text.
 */
trtsel_status trtsel_selector_reload(trtsel_selector *selector,
                                     const char *premodel_file);

/**
 * Like `trtsel_selector_reload`, with the premodel that a bundle names. `TRTSEL_BUNDLE` where the bundle names other networks
 * than those that were opened, or where the networks' files were changed since. Labels stay those that were read at open.
 *
 * The caller promises:
 * `selector` is NULL or open, `bundle_folder` NULL or a text.
 */
trtsel_status trtsel_selector_reload_bundle(trtsel_selector *selector,
                                            const char *bundle_folder);

/**
 * Writes the address and number of the class probabilities behind the last result. They belong to the selector, and are valid
 * until the next submit, infer, warm-up, reset, reload or close. `TRTSEL_WRONG_STATE` where there is no last result: before the
 * first one, and after a submit, infer, warm-up, reset or reload, each of which discards it. One call at a time; does not
 * allocate.
 *
 * The caller promises:
 * `selector` is NULL or open; the outputs NULL or writable.
 */
trtsel_status trtsel_selector_probabilities(trtsel_selector *selector,
                                            const float **probabilities,
                                            size_t *count);

/**
 * Copies the class probabilities behind the last result to an array of `capacity` floats. `TRTSEL_BUFFER_TOO_SMALL` where there
 * are more classes than that (`class_count` of `trtsel_info`). In all else like `trtsel_selector_probabilities`.
 *
 * The caller promises:
 * `selector` is NULL or open; `probabilities` NULL or an array of `capacity` floats.
 */
trtsel_status trtsel_selector_copy_probabilities(trtsel_selector *selector,
                                                 float *probabilities,
                                                 size_t capacity);

/**
 * Writes the summary of one candidate's output for the input of the last result. `TRTSEL_NOT_FOUND` where that candidate did not
 * run; `TRTSEL_WRONG_STATE` where there is no last result. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `summary` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_summary(trtsel_selector *selector,
                                      uint32_t candidate,
                                      trtsel_summary *summary);

/**
 * Writes in words which tests and runs lead to a node (`node` of a result) of the program that decided on the last result; where
 * there is no last result, of the program that decides next. `TRTSEL_NOT_FOUND` where the program has no such node. One call at a time; allocates.
 *
 * The caller promises:
 * `selector` is NULL or open; `text` NULL or a buffer of `text_bytes` bytes; `needed_bytes` NULL or writable.
 */
trtsel_status trtsel_selector_why(trtsel_selector *selector,
                                  uint32_t node,
                                  char *text,
                                  size_t text_bytes,
                                  size_t *needed_bytes);

/**
 * Writes in one line why a candidate failed on the last input (`failed_mask` of its result); the text is empty where none
 * failed. One call at a time; does not allocate.
 *
 * The caller promises:
 * As for `trtsel_selector_why`.
 */
trtsel_status trtsel_selector_failure(trtsel_selector *selector,
                                      char *text,
                                      size_t text_bytes,
                                      size_t *needed_bytes);

/**
 * Tells the selector the true class of the input of the last result. The statistics then count the result, and every candidate
 * that ran on the input, as right or wrong. Allowed once per result: `TRTSEL_WRONG_STATE` the second time and where there is no
 * last result; `TRTSEL_INVALID_ARGUMENT` for a class that the networks do not have. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_feedback(trtsel_selector *selector,
                                       uint32_t true_class);

/**
 * The number of features. They are numbered from 0, and the number of a feature never changes. Any thread; does not allocate.
 */
uint32_t trtsel_feature_count(void);

/**
 * The name of a feature, for example "brightness_average", as a static text; NULL where no feature has this number. Any thread;
 * the first call allocates.
 */
const char *trtsel_feature_name(uint32_t feature);

/**
 * Writes the number of the feature with this name; `TRTSEL_NOT_FOUND` where no feature has it. Any thread; does not allocate.
 *
 * The caller promises:
 * `feature` is NULL or a text, `number` NULL or writable.
 */
trtsel_status trtsel_feature_number(const char *feature,
                                    uint32_t *number);

/**
 * Allocates the memory to compute features in. Any thread; allocates.
 *
 * The caller promises:
 * `features` is NULL or writable.
 */
trtsel_status trtsel_features_open(trtsel_features **features);

/**
 * Frees the memory; NULL does nothing. Returns `TRTSEL_BUSY`, and frees nothing, while another call on the handle is running.
 *
 * The caller promises:
 * `features` is NULL or open, and no other thread will use it.
 */
trtsel_status trtsel_features_close(trtsel_features *features);

/**
 * The text of the last failure; empty before the first one, and never NULL. It is valid until the next call on the handle. One
 * call at a time; does not allocate.
 *
 * The caller promises:
 * `features` is NULL or open.
 */
const char *trtsel_features_error(trtsel_features *features);

/**
 * Computes the features whose numbers stand in `numbers`, of a frame in host memory, and writes them to `values` in the same
 * order. Both arrays have `count` elements. With NULL for `numbers` it computes all features, and `count`, the room in `values`,
 * must be at least `trtsel_feature_count()`. Parts of the computation that none of the wanted features needs are left out.
 *
 * Errors: `TRTSEL_INPUT` for a frame that does not fit its description; `TRTSEL_INVALID_ARGUMENT` for a number that no feature
 * has and for a frame in device memory; `TRTSEL_BUFFER_TOO_SMALL`. One call at a time; does not allocate.
 *
 * The caller promises:
 * `features` is NULL or open; `frame` NULL or a frame as `trtsel_frame` says; `numbers` NULL or an array of `count` numbers;
 * `values` NULL or an array of `count` floats.
 */
trtsel_status trtsel_features_compute(trtsel_features *features,
                                      const trtsel_frame *frame,
                                      const uint32_t *numbers,
                                      float *values,
                                      size_t count);

/**
 * Opens the premodel of a `premodel.json`. On success `*decider` is the new handle. On failure one line that says why is written
 * to `error_text`, a buffer of `error_bytes` bytes, which may be NULL. Errors: `TRTSEL_IO`, `TRTSEL_PREMODEL`. Any thread;
 * allocates, and reads the file.
 *
 * The caller promises:
 * `premodel_file` is NULL or a text; `decider` NULL or writable; `error_text` NULL or a buffer of `error_bytes` bytes.
 */
trtsel_status trtsel_decider_open(const char *premodel_file,
                                  trtsel_decider **decider,
                                  char *error_text,
                                  size_t error_bytes);

/**
 * Like `trtsel_decider_open`, for a premodel in memory: `json` points to `json_bytes` bytes of JSON, which may be freed after
 * the call.
 *
 * The caller promises:
 * `json` is NULL or an array of `json_bytes` bytes; the rest as for `trtsel_decider_open`.
 */
trtsel_status trtsel_decider_open_memory(const char *json,
                                         size_t json_bytes,
                                         trtsel_decider **decider,
                                         char *error_text,
                                         size_t error_bytes);

/**
 * Closes a decider; NULL does nothing. Returns `TRTSEL_BUSY`, and frees nothing, while another call on the decider is running.
 *
 * The caller promises:
 * `decider` is NULL or open, and no other thread will use it.
 */
trtsel_status trtsel_decider_close(trtsel_decider *decider);

/**
 * The text of the last failure of a call that takes the decider without `const`; empty before the first one, and never NULL. It
 * is valid until the next such call. One call at a time; works on a poisoned decider too; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
const char *trtsel_decider_error(trtsel_decider *decider);

/**
 * Sets the signal in a slot. The caller's own signals (`signal.X`) keep their value until they are set again; begin unsets all
 * others, that is, sets them to NaN, for which every test takes its else branch. `TRTSEL_NOT_FOUND` where there is no such slot.
 * One call at a time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_set_signal(trtsel_decider *decider,
                                        uint32_t slot,
                                        float value);

/**
 * Writes the value of the signal in a slot; NaN where it is unset. `trtsel_decider_set_scores` computes only signals that a test
 * reads, so the others are NaN. `TRTSEL_NOT_FOUND` where there is no such slot. One call at a time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `value` NULL or writable.
 */
trtsel_status trtsel_decider_get_signal(trtsel_decider *decider,
                                        uint32_t slot,
                                        float *value);

/**
 * Begins an input, at the first node of the program that decides: see `trtsel_decider_set_price`. All signals of the input before are unset, except the caller's own. One
 * call at a time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_begin(trtsel_decider *decider);

/**
 * Sets the signals of all image features that the premodel knows. `values` holds the values of all features, as
 * `trtsel_features_compute` writes them where its `numbers` are NULL. `TRTSEL_INVALID_ARGUMENT` where `count` is less than
 * `trtsel_feature_count()`. To be called after begin, which unsets these signals. One call at a time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `values` NULL or an array of `count` floats.
 */
trtsel_status trtsel_decider_set_features(trtsel_decider *decider,
                                          const float *values,
                                          size_t count);

/**
 * Decides what to do next. After `TRTSEL_DECIDE_RUN` the caller runs that candidate and sets its signals by
 * `trtsel_decider_set_scores` or `trtsel_decider_set_signal`, or reports by `trtsel_decider_failed` that it failed, and then
 * calls this function again. A decision of any other kind is the last one for the input: further calls return it again until the
 * next begin.
 *
 * `TRTSEL_WRONG_STATE` before the first begin, and where a test reads an average although the scores of a candidate in it were
 * not set. One call at a time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `decision` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_decider_next(trtsel_decider *decider,
                                  trtsel_decision *decision);

/**
 * Computes and sets a candidate's signals from its class scores: top-1, margin, entropy, risk, the agreement with candidates
 * whose scores were set before, and averages. `kind` is `TRTSEL_LOGITS` or `TRTSEL_PROBABILITIES`.
 *
 * Errors: `TRTSEL_WRONG_STATE` where the last decision did not ask for this candidate; `TRTSEL_INVALID_ARGUMENT` for an unknown
 * `kind`, and where `count` is not the premodel's number of classes, or, if the premodel does not state it, not that of the
 * other candidates of an average; `TRTSEL_INPUT` where the scores are not finite numbers, or not probabilities, although `kind`
 * says so. One call at a time; allocates only where the premodel does not state its number of classes and `count` is not that of
 * the candidate's call before.
 *
 * The caller promises:
 * `decider` is NULL or open, `scores` NULL or an array of `count` floats.
 */
trtsel_status trtsel_decider_set_scores(trtsel_decider *decider,
                                        uint32_t candidate,
                                        uint32_t kind,
                                        const float *scores,
                                        size_t count);

/**
 * Writes the class and the probability of the answer, after a decision of `TRTSEL_DECIDE_ANSWER`. An average is computed from
 * the scores that were set: it is the weighted mean of its candidates' probabilities at their temperatures. Where
 * `probabilities` is not NULL, the probabilities of all classes are copied to it; `TRTSEL_BUFFER_TOO_SMALL` where there are more
 * classes than `capacity`. `TRTSEL_WRONG_STATE` where the last decision was not an answer, and where the scores of a candidate
 * behind the answer were not set. One call at a time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `answer` NULL or a struct of its `struct_size`, `probabilities` NULL or an array of `capacity`
 * floats.
 */
trtsel_status trtsel_decider_answer(trtsel_decider *decider,
                                    trtsel_answer *answer,
                                    float *probabilities,
                                    size_t capacity);

/**
 * Reports that the candidate that the last decision asked for has failed. The most capable candidate that works will answer in
 * its place; `trtsel_decider_next` says what to do next. `TRTSEL_WRONG_STATE` where the last decision did not ask for this
 * candidate. One call at a time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_failed(trtsel_decider *decider,
                                    uint32_t candidate);

/**
 * Summarises class scores without a decider: writes `count` probabilities and their summary. `TRTSEL_INPUT` where the scores are
 * not finite numbers, or not probabilities, although `kind` says so; then the contents of `probabilities` are unspecified.
 * `TRTSEL_INVALID_ARGUMENT` where `count` is 0, and for an unknown `kind`. Any thread; does not allocate.
 *
 * The caller promises:
 * `scores` and `probabilities` are NULL or arrays of `count` floats that do not overlap; `summary` NULL or a struct of its
 * `struct_size`.
 */
trtsel_status trtsel_summarise(uint32_t kind,
                               const float *scores,
                               float *probabilities,
                               size_t count,
                               trtsel_summary *summary);

/**
 * Writes the address of a candidate's name, which lives until the decider is closed; `TRTSEL_NOT_FOUND` where there is no
 * candidate of this number. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_decider_candidate_name(const trtsel_decider *decider,
                                            uint32_t candidate,
                                            const char **name);

/**
 * Writes the address of the name of the premodel's signal in this slot: `feature.X`, `signal.X`, `CANDIDATE.top1`, `agree.A.B`,
 * …. It lives until the decider is closed; `TRTSEL_NOT_FOUND` where there is no such slot. Any thread, at any time; does not
 * allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `name` NULL or writable.
 */
trtsel_status trtsel_decider_signal_name(const trtsel_decider *decider,
                                         uint32_t slot,
                                         const char **name);

/**
 * Writes the slot of the signal with this whole name (see `trtsel_decider_signal_name`); `TRTSEL_NOT_FOUND` where the premodel
 * has no such signal. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `signal` NULL or a text, `slot` NULL or writable.
 */
trtsel_status trtsel_decider_signal_slot(const trtsel_decider *decider,
                                         const char *signal,
                                         uint32_t *slot);

/**
 * Writes the temperature that the premodel applies to a candidate's probabilities before it averages them; 1 where the premodel
 * has no temperatures. `TRTSEL_NOT_FOUND` where there is no candidate of this number. Any thread, at any time; does not
 * allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `temperature` NULL or writable.
 */
trtsel_status trtsel_decider_temperature(const trtsel_decider *decider,
                                         uint32_t candidate,
                                         float *temperature);

/**
 * Writes the weight of a candidate in the average of the candidates in `mask` (bit k stands for candidate k). `TRTSEL_NOT_FOUND`
 * where the candidate is not in `mask`, or `mask` has a candidate that the premodel does not have. Any thread, at any time; does
 * not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `weight` NULL or writable.
 */
trtsel_status trtsel_decider_weight(const trtsel_decider *decider,
                                    uint32_t mask,
                                    uint32_t candidate,
                                    float *weight);

/**
 * Writes in words which tests and runs lead the program that decides on the current input to a node (`node` of a decision).
 * `TRTSEL_NOT_FOUND` where the program has no such node. One call at a time; allocates.
 *
 * The caller promises:
 * `decider` is NULL or open; `text` NULL or a buffer of `text_bytes` bytes; `needed_bytes` NULL or writable.
 */
trtsel_status trtsel_decider_why(trtsel_decider *decider,
                                 uint32_t node,
                                 char *text,
                                 size_t text_bytes,
                                 size_t *needed_bytes);

/**
 * Writes the number of programs of the premodel in use; they are numbered from 0. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `count` NULL or writable.
 */
trtsel_status trtsel_selector_program_count(const trtsel_selector *selector,
                                            uint32_t *count);

/**
 * Writes what is known of a program of the premodel in use. `TRTSEL_NOT_FOUND` where there is no program of this number. Any
 * thread, at any time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `info` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_selector_program_info(const trtsel_selector *selector,
                                           uint32_t program,
                                           trtsel_program *info);

/**
 * Lets the best program at this price decide from the next submit on. The price is in reward per millisecond. The best program
 * has the largest expected reward less price times cost, where the cost follows `trtsel_selector_set_cost_multiplier`; of
 * several, it is the cheapest. An input in flight keeps its program.
 *
 * `TRTSEL_INVALID_ARGUMENT` where the price is not finite or below 0; `TRTSEL_PREMODEL` where no program says what to expect of
 * it. One call at a time; takes a few nanoseconds, and does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_set_price(trtsel_selector *selector,
                                        double price);

/**
 * Lets the program of this number decide from the next submit on, whatever it costs. `TRTSEL_NOT_FOUND` where there is no such
 * program. An input in flight keeps its program. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_set_program(trtsel_selector *selector,
                                          uint32_t program);

/**
 * Says that one run of a candidate now costs this many times what it cost when the premodel was made, for example 2 where its
 * server has become half as fast. After `trtsel_selector_set_price` the best program at that price and these costs decides from
 * the next submit on; after `trtsel_selector_set_program` that program; else the best at the price that the chosen program was
 * trained for, and where it has none the chosen program.
 *
 * `TRTSEL_NOT_FOUND` where there is no such candidate; `TRTSEL_INVALID_ARGUMENT` where the multiplier is not finite or below 0.
 * One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_set_cost_multiplier(trtsel_selector *selector,
                                                  uint32_t candidate,
                                                  double multiplier);

/**
 * Forgets prices, programs and cost multipliers that were set: from the next submit on the premodel's own choice decides. One
 * call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open.
 */
trtsel_status trtsel_selector_reset_control(trtsel_selector *selector);

/**
 * Writes the number of the program that decides from the next submit on. Where a mix of two programs decides, it is the one that
 * decided last; `program` of a result says which one decided. One call at a time; does not allocate.
 *
 * The caller promises:
 * `selector` is NULL or open, `program` NULL or writable.
 */
trtsel_status trtsel_selector_current_program(trtsel_selector *selector,
                                              uint32_t *program);

/**
 * Writes the number of programs of the premodel; they are numbered from 0. Any thread, at any time; does not allocate.
 *
 * The caller promises:
 * `decider` is NULL or open, `count` NULL or writable.
 */
trtsel_status trtsel_decider_program_count(const trtsel_decider *decider,
                                           uint32_t *count);

/**
 * Like `trtsel_selector_program_info`, for a decider.
 *
 * The caller promises:
 * `decider` is NULL or open, `info` NULL or a struct of its `struct_size`.
 */
trtsel_status trtsel_decider_program_info(const trtsel_decider *decider,
                                          uint32_t program,
                                          trtsel_program *info);

/**
 * Like `trtsel_selector_set_price`, for a decider: it applies from the next begin on.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_set_price(trtsel_decider *decider, double price);

/**
 * Like `trtsel_selector_set_program`, for a decider: it applies from the next begin on.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_set_program(trtsel_decider *decider, uint32_t program);

/**
 * Like `trtsel_selector_set_cost_multiplier`, for a decider: it applies from the next begin on.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_set_cost_multiplier(trtsel_decider *decider,
                                                 uint32_t candidate,
                                                 double multiplier);

/**
 * Like `trtsel_selector_reset_control`, for a decider: it applies from the next begin on.
 *
 * The caller promises:
 * `decider` is NULL or open.
 */
trtsel_status trtsel_decider_reset_control(trtsel_decider *decider);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TRT_SELECT_H */
