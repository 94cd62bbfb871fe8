// A double of NVIDIA's driver for tests: what all its files share.
//
// Device memory is host memory, a device address is its host address, kernels are functions of the host. Handles are
// numbers with a generation, so that a handle that was destroyed is known as such for ever. One lock guards everything and is
// held while work runs. After warm-up, copies, launches, records, queries and graph launches take no heap memory.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <vector>

#include "host_kernel.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace trtsel_double {

enum Result : int {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    CONTEXT_IS_DESTROYED = 709,
    ALREADY_REGISTERED = 712,
    NOT_REGISTERED = 713,
    NOT_PERMITTED = 800,
    NOT_SUPPORTED = 801,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_MERGE = 902,
    CAPTURE_UNMATCHED = 903,
    CAPTURE_UNJOINED = 904,
    CAPTURE_ISOLATION = 905,
    CAPTURED_EVENT = 907,
    CAPTURE_WRONG_THREAD = 908,
};

enum class Symbol : int {
#define SYMBOL(name) name,
#include "symbols.def"
#undef SYMBOL
    COUNT
};
constexpr int SYMBOL_COUNT = static_cast<int>(Symbol::COUNT);
extern const char* const SYMBOL_NAMES[SYMBOL_COUNT];

// Opaque to the caller: kind (8 bits), generation (32), index + 1 (24).
using Handle = uint64_t;
inline Handle handle_of(const void* pointer) { return reinterpret_cast<Handle>(pointer); }
inline void* pointer_of(Handle handle) { return reinterpret_cast<void*>(handle); }

// Objects by handle. Slots are used again, handles are not.
template <class T>
class Pool {
public:
    explicit Pool(uint8_t kind) : kind_(kind) {}

    Handle create() {
        uint32_t index;
        if (free_.empty()) {
            index = static_cast<uint32_t>(slots_.size());
            slots_.emplace_back();
        } else {
            index = free_.back();
            free_.pop_back();
        }
        Slot& slot = slots_[index];
        slot.live = true;
        slot.value = T();
        ++live_;
        return uint64_t(kind_) << 56 | uint64_t(slot.generation) << 24 | (index + 1);
    }

    T* get(Handle handle) {
        const uint64_t index = (handle & 0xffffff) - 1;
        if (handle >> 56 != kind_ || index >= slots_.size()) return nullptr;
        Slot& slot = slots_[index];
        return slot.live && slot.generation == uint32_t(handle >> 24) ? &slot.value : nullptr;
    }

    void destroy(Handle handle) {
        const uint64_t index = (handle & 0xffffff) - 1;
        Slot& slot = slots_[index];
        slot.value = T();
        slot.live = false;
        ++slot.generation;
        --live_;
        free_.push_back(static_cast<uint32_t>(index));
    }

    int64_t live() const { return live_; }

    template <class F>
    void each(F work) {
        for (uint32_t i = 0; i < slots_.size(); ++i)
            if (slots_[i].live) work(slots_[i].value, uint64_t(kind_) << 56 | uint64_t(slots_[i].generation) << 24 | (i + 1));
    }

private:
    struct Slot {
        T value;
        uint32_t generation = 1;
        bool live = false;
    };
    std::deque<Slot> slots_;  // addresses stay
    std::vector<uint32_t> free_;
    uint8_t kind_;
    int64_t live_ = 0;
};

constexpr size_t MAX_ARGUMENTS = 8;
constexpr size_t ARGUMENT_BYTES = 256;

// A kernel that the double can run, with the sizes of its arguments.
struct Kernel {
    const trtsel_host_kernel* host = nullptr;
    unsigned argument_count = 0;
    uint32_t argument_bytes[MAX_ARGUMENTS] = {};
};

struct Op {
    enum Kind : uint8_t { COPY, SET, KERNEL, HOST, RECORD, WAIT };
    Kind kind = COPY;
    // Which ends of a copy are on the device.
    bool to_device = false, from_device = false;
    bool staged = false;  // a copy whose source is the double's own, to be freed after it
    uint8_t value = 0;
    uint64_t sequence = 0;  // in its stream, from 1
    uint64_t ticket = 0;    // in the process
    void* destination = nullptr;
    const void* source = nullptr;
    size_t bytes = 0;
    const Kernel* kernel = nullptr;
    unsigned grid[3] = {}, block[3] = {};
    alignas(16) unsigned char arguments[ARGUMENT_BYTES] = {};
    void (*host)(void*) = nullptr;
    void* user = nullptr;
    Handle other = 0;             // RECORD: event; WAIT: stream
    uint64_t other_sequence = 0;  // RECORD: the event's generation of records; WAIT: what is waited for
};

struct Context {
    int device = 0;
    bool primary = false;
    uint64_t retained = 0;
    int sticky = 0;     // what every call gives once work went wrong
    Handle legacy = 0;  // its default stream
};

struct Stream {
    Handle context = 0;
    bool blocking = false, legacy = false;
    std::vector<Op> ring;
    size_t head = 0, count = 0;
    uint64_t enqueued = 0, done = 0;
    uint64_t polls_left = 0;
    Handle capture = 0;
    uint64_t captured = 0;  // number of captured operations of this stream
};

struct Event {
    Handle context = 0;
    bool timing = false;
    bool recorded = false;
    uint64_t records = 0;
    Handle stream = 0;
    uint64_t sequence = 0;
    uint64_t completed = 0;  // the newest of `records` that is done
    double time_ms = 0;
    Handle capture = 0;
    Handle capture_stream = 0;
    uint64_t captured = 0;
};

struct Forked {
    Handle stream = 0;
    bool joined = false;
};

struct Capture {
    Handle origin = 0;
    pthread_t thread = {};
    int mode = 0;
    bool invalid = false;
    std::vector<Op> nodes;
    std::vector<Forked> forked;
};

struct Graph {
    Handle context = 0;
    std::vector<Op> nodes;
};

struct Module {
    Handle context = 0;
    std::vector<char> text;
};

struct Function {
    Handle module = 0;
    const Kernel* kernel = nullptr;
};

struct Block {
    enum Kind : uint8_t { DEVICE, PINNED, MAPPED, REGISTERED };
    Kind kind = DEVICE;
    size_t bytes = 0;
    Handle context = 0;
};

struct Failure {
    int symbol = -1;  // SYMBOL_COUNT: any
    uint64_t nth = 0;
    int code = 0;
};

struct State {
    std::recursive_mutex mutex;
    bool initialised = false;
    int driver_version = 0, device_count = 1, integrated = 0, major = 8, minor = 0, can_map = 1;
    // Whether host memory can be registered; negative: the driver does not know the attribute, and integrated devices cannot.
    int host_register = 1;
    char name[64] = "libcuda double";
    uint64_t total_bytes = uint64_t(4) << 30, used_bytes = 0;
    uint64_t delay = 0;
    uint64_t ticket = 0;
    // A kernel whose name has this in it takes so much longer where its frame lies in mapped memory.
    char slow_mapped[64] = "";
    int64_t slow_mapped_us = 0;
    bool skip_kernels = false;  // kernels do nothing, as one that did not run
    bool running = false;  // a kernel or a host function is being run
    pthread_t runner = {};
    uint64_t calls[SYMBOL_COUNT] = {}, total_calls = 0;
    Failure failures[16];
    uint64_t misuses = 0;
    char misuse[256] = "";
    Handle primaries[8] = {};
    Pool<Context> contexts{1};
    Pool<Stream> streams{2};
    Pool<Event> events{3};
    Pool<Capture> captures{4};
    Pool<Graph> graphs{5};
    Pool<Graph> execs{6};
    Pool<Module> modules{7};
    Pool<Function> functions{8};
    std::map<uintptr_t, Block> blocks;
    int64_t live_blocks[4] = {}, live_bytes[4] = {};
};
State& state();

// One call of the caller's: holds the lock, counts, and knows whether it is to fail.
class Call {
public:
    explicit Call(Symbol symbol);
    ~Call();
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;
    int injected = 0;
    // What a destroying call gives: it has done its work, and tells an error of earlier work.
    int end(int result) const { return injected ? injected : result; }
};

void misuse(const char* format, ...) __attribute__((format(printf, 1, 2)));

// context.cpp
Handle current_handle();
int current(Context** context);  // an error where none is current, or where its work went wrong

// memory.cpp
const Block* find_block(const void* address, size_t bytes);
bool on_device(const void* address, size_t bytes);  // device memory, or host memory that the device reaches
bool page_locked(const void* address, size_t bytes);

// stream.cpp
int find_stream(const void* handle, Stream** stream, Handle* name);  // null is the default stream of the current context
int enqueue(Handle name, Stream& stream, const Op& op);             // runs, waits in the queue, or becomes a node
void run(Stream& stream, uint64_t upto);
void run_all();
bool step();
bool poll(Stream& stream, uint64_t upto);

// graph.cpp
int capture_node(Stream& stream, Op op);
int no_capture(Stream& stream);  // for calls that a capturing stream does not bear
int potentially_unsafe();        // for calls that a thread which captures must not make
int capture_wait(Handle name, Stream& stream, Event& event);
int capture_record(Handle name, Stream& stream, Event& event);
void invalidate(Stream& stream);

// module.cpp
const Kernel* find_kernel(const char* name);

}  // namespace trtsel_double

// The call, its failure first; for calls that need cuInit.
#define BEGIN(name)                                                     \
    ::trtsel_double::Call call(::trtsel_double::Symbol::name);          \
    if (call.injected) return call.injected
#define CURRENT(context)                                                \
    ::trtsel_double::Context* context = nullptr;                        \
    if (int code = ::trtsel_double::current(&context)) return code;     \
    (void)context
