// Streams and events: what is enqueued, and when it is run.
#include <cstdlib>
#include <ctime>

#include "state.h"

namespace trtsel_double {
namespace {

double now_ms() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return double(now.tv_sec) * 1e3 + double(now.tv_nsec) * 1e-6;
}

// Work that went wrong: the context gives this from now on.
void fail(Stream& stream, int code) {
    if (Context* context = state().contexts.get(stream.context))
        if (!context->sticky) context->sticky = code;
}

// Waits where a kernel of the product is told to be slow with a frame in mapped memory. The address of the frame's first plane is the
// first word of what the kernel was given, which the feature kernels get by value and the others by an address.
void dawdle(const Op& op, const void* argument) {
    State& s = state();
    if (!strstr(op.kernel->host->name, s.slow_mapped)) return;
    const void* plane;
    if (op.kernel->argument_bytes[0] == 8) memcpy(&argument, argument, sizeof argument);
    memcpy(&plane, argument, sizeof plane);
    const Block* block = find_block(plane, 1);
    const double end = now_ms() + double(s.slow_mapped_us) * 1e-3;
    while (block && block->kind == Block::MAPPED && now_ms() < end) {
    }
}

void execute(Stream& stream, const Op& op) {
    State& s = state();
    switch (op.kind) {
        case Op::COPY:
            if ((op.to_device && !on_device(op.destination, op.bytes)) || (op.from_device && !on_device(op.source, op.bytes))) {
                misuse("a copy of %zu bytes used device memory that was freed before it was done", op.bytes);
                return fail(stream, ILLEGAL_ADDRESS);
            }
            memmove(op.destination, op.source, op.bytes);
            if (op.staged) free(const_cast<void*>(op.source));
            return;
        case Op::SET:
            if (!on_device(op.destination, op.bytes)) {
                misuse("a memset of %zu bytes used device memory that was freed before it was done", op.bytes);
                return fail(stream, ILLEGAL_ADDRESS);
            }
            memset(op.destination, op.value, op.bytes);
            return;
        case Op::KERNEL: {
            if (s.skip_kernels) return;
            void* pointers[MAX_ARGUMENTS];
            size_t offset = 0;
            for (unsigned i = 0; i < op.kernel->argument_count; ++i) {
                pointers[i] = const_cast<unsigned char*>(op.arguments) + offset;
                offset += (op.kernel->argument_bytes[i] + 7) / 8 * 8;
            }
            s.running = true;
            s.runner = pthread_self();
            op.kernel->host->run(op.grid, op.block, pointers);
            if (s.slow_mapped_us) dawdle(op, pointers[0]);
            s.running = false;
            return;
        }
        case Op::HOST:
            s.running = true;
            s.runner = pthread_self();
            op.host(op.user);
            s.running = false;
            return;
        case Op::RECORD:
            if (Event* event = s.events.get(op.other)) {
                event->completed = op.other_sequence;
                event->time_ms = now_ms();
            }
            return;
        case Op::WAIT:
            if (Stream* other = s.streams.get(op.other)) run(*other, op.other_sequence);
            return;
    }
}

void run_first(Stream& stream) {
    const Op& op = stream.ring[stream.head];
    execute(stream, op);
    stream.done = op.sequence;
    stream.head = (stream.head + 1) % stream.ring.size();
    --stream.count;
}

void push(Stream& stream, const Op& op) {
    State& s = state();
    if (stream.count == stream.ring.size()) {
        std::vector<Op> larger(stream.ring.size() * 2);
        for (size_t i = 0; i < stream.count; ++i) larger[i] = stream.ring[(stream.head + i) % stream.ring.size()];
        stream.ring.swap(larger);
        stream.head = 0;
    }
    if (stream.count == 0) stream.polls_left = s.delay;
    Op& slot = stream.ring[(stream.head + stream.count) % stream.ring.size()];
    slot = op;
    slot.sequence = ++stream.enqueued;
    slot.ticket = ++s.ticket;
    ++stream.count;
}

void push_wait(Stream& stream, Handle other, uint64_t sequence) {
    Op op;
    op.kind = Op::WAIT;
    op.other = other;
    op.other_sequence = sequence;
    push(stream, op);
}

// A stream for calls that do not enqueue work: any context of the process will do.
int any_stream(const char* call, const void* handle, Stream** stream, Handle* name) {
    Stream* found = state().streams.get(handle_of(handle));
    if (reinterpret_cast<uintptr_t>(handle) <= 1) return find_stream(handle, stream, name);
    if (!found || found->legacy) {
        misuse("%s: not a stream, or a destroyed one", call);
        return INVALID_HANDLE;
    }
    *stream = found;
    *name = handle_of(handle);
    return SUCCESS;
}

int find_event(const char* call, void* handle, Event** out) {
    *out = state().events.get(handle_of(handle));
    if (*out) return SUCCESS;
    misuse("%s: not an event, or a destroyed one", call);
    return INVALID_HANDLE;
}

// Whether an event has something recorded that is not done; its stream is given.
Stream* pending(const Event& event) {
    if (!event.recorded || event.completed >= event.records) return nullptr;
    return state().streams.get(event.stream);
}

int sticky(Handle context) {
    const Context* found = state().contexts.get(context);
    return found ? found->sticky : CONTEXT_IS_DESTROYED;
}

}  // namespace

int find_stream(const void* handle, Stream** stream, Handle* name) {
    State& s = state();
    const bool is_default = reinterpret_cast<uintptr_t>(handle) <= 1;
    *name = is_default ? s.contexts.get(current_handle())->legacy : handle_of(handle);
    *stream = s.streams.get(*name);
    if (!*stream || (!is_default && (*stream)->legacy)) {
        misuse("a call used a stream that is none, or is destroyed");
        return INVALID_HANDLE;
    }
    if ((*stream)->context != current_handle()) {
        misuse("a call used a stream of a context that is not current");
        return INVALID_HANDLE;
    }
    return SUCCESS;
}

int enqueue(Handle name, Stream& stream, const Op& op) {
    State& s = state();
    if (stream.capture) return capture_node(stream, op);
    if (stream.blocking) {
        // The default stream and those that block wait for each other.
        s.streams.each([&](Stream& other, Handle handle) {
            if (handle == name || other.context != stream.context || !other.blocking || other.count == 0) return;
            if (stream.legacy || other.legacy) push_wait(stream, handle, other.enqueued);
        });
    }
    push(stream, op);
    if (s.delay == 0) run(stream, stream.enqueued);
    return SUCCESS;
}

void run(Stream& stream, uint64_t upto) {
    while (stream.count && stream.done < upto) run_first(stream);
}

void run_all() {
    state().streams.each([](Stream& stream, Handle) { run(stream, stream.enqueued); });
}

bool step() {
    // The oldest operation of all waits for nothing that is not done.
    Stream* oldest = nullptr;
    state().streams.each([&](Stream& stream, Handle) {
        if (stream.count && (!oldest || stream.ring[stream.head].ticket < oldest->ring[oldest->head].ticket)) oldest = &stream;
    });
    if (oldest) run_first(*oldest);
    return oldest;
}

bool poll(Stream& stream, uint64_t upto) {
    if (stream.done >= upto) return true;
    if (stream.polls_left == 0) {
        run(stream, stream.enqueued);
        return true;
    }
    if (stream.polls_left != UINT64_MAX) --stream.polls_left;
    return false;
}

}  // namespace trtsel_double

using namespace trtsel_double;

EXPORT int cuStreamCreate(void** out, unsigned flags) {
    BEGIN(cuStreamCreate);
    CURRENT(context);
    if (!out || flags & ~1u) return INVALID_VALUE;
    const Handle handle = state().streams.create();
    Stream* stream = state().streams.get(handle);
    stream->context = current_handle();
    stream->blocking = !(flags & 1);
    stream->ring.resize(256);
    *out = pointer_of(handle);
    return SUCCESS;
}

EXPORT int cuStreamDestroy_v2(void* handle) {
    Call call(Symbol::cuStreamDestroy_v2);
    Context* context = nullptr;
    int code = current(&context);
    if (!context) return call.end(code);
    Stream* stream = state().streams.get(handle_of(handle));
    if (!stream || stream->legacy) {
        misuse("cuStreamDestroy_v2: not a stream, or a destroyed one");
        return call.end(INVALID_HANDLE);
    }
    invalidate(*stream);
    run(*stream, stream->enqueued);
    state().streams.destroy(handle_of(handle));
    return call.end(code);
}

EXPORT int cuStreamSynchronize(void* handle) {
    BEGIN(cuStreamSynchronize);
    CURRENT(context);
    Stream* stream;
    Handle name;
    if (int code = any_stream("cuStreamSynchronize", handle, &stream, &name)) return code;
    if (int code = no_capture(*stream)) return code;
    run(*stream, stream->enqueued);
    return sticky(stream->context);
}

EXPORT int cuStreamQuery(void* handle) {
    BEGIN(cuStreamQuery);
    CURRENT(context);
    Stream* stream;
    Handle name;
    if (int code = any_stream("cuStreamQuery", handle, &stream, &name)) return code;
    if (int code = no_capture(*stream)) return code;
    if (!poll(*stream, stream->enqueued)) return NOT_READY;
    return sticky(stream->context);
}

EXPORT int cuStreamWaitEvent(void* handle, void* event_handle, unsigned flags) {
    BEGIN(cuStreamWaitEvent);
    CURRENT(context);
    if (flags) return INVALID_VALUE;
    Stream* stream;
    Handle name;
    Event* event;
    if (int code = any_stream("cuStreamWaitEvent", handle, &stream, &name)) return code;
    if (int code = find_event("cuStreamWaitEvent", event_handle, &event)) return code;
    if (stream->capture || state().captures.get(event->capture)) return capture_wait(name, *stream, *event);
    if (!pending(*event)) return SUCCESS;
    Op op;
    op.kind = Op::WAIT;
    op.other = event->stream;
    op.other_sequence = event->sequence;
    return enqueue(name, *stream, op);
}

EXPORT int cuLaunchHostFunc(void* handle, void (*function)(void*), void* user) {
    BEGIN(cuLaunchHostFunc);
    CURRENT(context);
    if (!function) return INVALID_VALUE;
    Stream* stream;
    Handle name;
    if (int code = find_stream(handle, &stream, &name)) return code;
    Op op;
    op.kind = Op::HOST;
    op.host = function;
    op.user = user;
    return enqueue(name, *stream, op);
}

EXPORT int cuEventCreate(void** out, unsigned flags) {
    BEGIN(cuEventCreate);
    CURRENT(context);
    if (!out || flags & ~3u) return INVALID_VALUE;
    const Handle handle = state().events.create();
    Event* event = state().events.get(handle);
    event->context = current_handle();
    event->timing = !(flags & 2);
    *out = pointer_of(handle);
    return SUCCESS;
}

EXPORT int cuEventDestroy_v2(void* handle) {
    Call call(Symbol::cuEventDestroy_v2);
    Context* context = nullptr;
    int code = current(&context);
    if (!context) return call.end(code);
    Event* event;
    if (int none = find_event("cuEventDestroy_v2", handle, &event)) return call.end(none);
    state().events.destroy(handle_of(handle));
    return call.end(code);
}

EXPORT int cuEventRecord(void* event_handle, void* handle) {
    BEGIN(cuEventRecord);
    CURRENT(context);
    Stream* stream;
    Handle name;
    Event* event;
    if (int code = find_event("cuEventRecord", event_handle, &event)) return code;
    if (int code = find_stream(handle, &stream, &name)) return code;
    if (event->context != stream->context) {
        misuse("cuEventRecord: an event of another context than the stream's");
        return INVALID_HANDLE;
    }
    if (stream->capture) return capture_record(name, *stream, *event);
    event->capture = 0;
    event->recorded = true;
    event->stream = name;
    Op op;
    op.kind = Op::RECORD;
    op.other = handle_of(event_handle);
    op.other_sequence = ++event->records;
    const int code = enqueue(name, *stream, op);
    event->sequence = stream->enqueued;
    return code;
}

EXPORT int cuEventQuery(void* handle) {
    BEGIN(cuEventQuery);
    CURRENT(context);
    Event* event;
    if (int code = find_event("cuEventQuery", handle, &event)) return code;
    if (Capture* capture = state().captures.get(event->capture)) {
        capture->invalid = true;
        return CAPTURED_EVENT;
    }
    if (Stream* stream = pending(*event))
        if (!poll(*stream, event->sequence)) return NOT_READY;
    return sticky(event->context);
}

EXPORT int cuEventSynchronize(void* handle) {
    BEGIN(cuEventSynchronize);
    CURRENT(context);
    Event* event;
    if (int code = find_event("cuEventSynchronize", handle, &event)) return code;
    if (Capture* capture = state().captures.get(event->capture)) {
        capture->invalid = true;
        return CAPTURED_EVENT;
    }
    if (Stream* stream = pending(*event)) run(*stream, event->sequence);
    return sticky(event->context);
}

EXPORT int cuEventElapsedTime(float* milliseconds, void* start_handle, void* end_handle) {
    BEGIN(cuEventElapsedTime);
    CURRENT(context);
    Event *start, *end;
    if (!milliseconds) return INVALID_VALUE;
    if (int code = find_event("cuEventElapsedTime", start_handle, &start)) return code;
    if (int code = find_event("cuEventElapsedTime", end_handle, &end)) return code;
    if (!start->timing || !end->timing || !start->recorded || !end->recorded) return INVALID_HANDLE;
    if (pending(*start) || pending(*end)) return NOT_READY;
    *milliseconds = float(end->time_ms - start->time_ms);
    return SUCCESS;
}
