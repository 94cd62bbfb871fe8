// Capture, graphs, and what a capture forbids.
#include <cstdio>

#include "state.h"

namespace trtsel_double {
namespace {

enum Mode { GLOBAL = 0, THREAD_LOCAL = 1, RELAXED = 2 };

Forked* forked(Capture& capture, Handle stream) {
    for (Forked& entry : capture.forked)
        if (entry.stream == stream) return &entry;
    return nullptr;
}

// Its streams capture no longer.
void end(Handle handle) {
    State& s = state();
    s.streams.each([&](Stream& stream, Handle) {
        if (stream.capture == handle) stream.capture = 0;
    });
    s.captures.destroy(handle);
}

int end_capture(Stream& stream, Handle name, std::vector<Op>* nodes) {
    const Handle handle = stream.capture;
    Capture* capture = state().captures.get(handle);
    if (!capture) return ILLEGAL_STATE;
    if (capture->mode != RELAXED && !pthread_equal(capture->thread, pthread_self())) return CAPTURE_WRONG_THREAD;
    if (capture->origin != name) {
        capture->invalid = true;
        return CAPTURE_UNMATCHED;
    }
    int code = capture->invalid ? CAPTURE_INVALIDATED : SUCCESS;
    if (!code)
        for (const Forked& entry : capture->forked)
            if (!entry.joined) code = CAPTURE_UNJOINED;
    if (!code) nodes->swap(capture->nodes);
    end(handle);
    return code;
}

int instantiate(void** out, void* handle) {
    State& s = state();
    Graph* graph = s.graphs.get(handle_of(handle));
    if (!out || !graph) {
        misuse("cuGraphInstantiate: not a graph, or a destroyed one");
        return INVALID_VALUE;
    }
    const Handle exec = s.execs.create();
    *s.execs.get(exec) = *graph;
    *out = pointer_of(exec);
    return SUCCESS;
}

int instantiate_with_log(Call& call, void** out, void* graph, char* log, size_t bytes) {
    if (call.injected) {
        if (log && bytes) snprintf(log, bytes, "node 0 of the graph:\nfails because a test asked for it\n");
        return call.injected;
    }
    CURRENT(context);
    if (log && bytes) log[0] = 0;
    return instantiate(out, graph);
}

}  // namespace

int capture_node(Stream& stream, Op op) {
    Capture* capture = state().captures.get(stream.capture);
    if (capture->invalid) return CAPTURE_INVALIDATED;
    capture->nodes.push_back(op);
    ++stream.captured;
    for (Forked& entry : capture->forked)
        if (state().streams.get(entry.stream) == &stream) entry.joined = false;
    return SUCCESS;
}

int no_capture(Stream& stream) {
    if (!stream.capture) return SUCCESS;
    state().captures.get(stream.capture)->invalid = true;
    return CAPTURE_UNSUPPORTED;
}

int potentially_unsafe() {
    int code = SUCCESS;
    state().captures.each([&](Capture& capture, Handle) {
        const bool own = pthread_equal(capture.thread, pthread_self());
        if ((own && capture.mode != RELAXED) || (!own && capture.mode == GLOBAL)) {
            capture.invalid = true;
            code = CAPTURE_UNSUPPORTED;
        }
    });
    return code;
}

void invalidate(Stream& stream) {
    Capture* capture = state().captures.get(stream.capture);
    if (!capture) return;
    capture->invalid = true;
    // Nobody could end it any more.
    if (state().streams.get(capture->origin) == &stream) end(stream.capture);
}

int capture_record(Handle name, Stream& stream, Event& event) {
    if (state().captures.get(stream.capture)->invalid) return CAPTURE_INVALIDATED;
    event.capture = stream.capture;
    event.capture_stream = name;
    event.captured = stream.captured;
    event.recorded = false;
    return SUCCESS;
}

int capture_wait(Handle name, Stream& stream, Event& event) {
    State& s = state();
    Capture* of_event = s.captures.get(event.capture);
    Capture* of_stream = s.captures.get(stream.capture);
    if (!of_event) {
        if (of_stream->invalid) return CAPTURE_INVALIDATED;
        // The event was recorded outside of the capture: the graph would wait for what it does not hold.
        if (!event.recorded) return SUCCESS;
        of_stream->invalid = true;
        return CAPTURE_ISOLATION;
    }
    if (of_event->invalid) return CAPTURE_INVALIDATED;
    if (of_stream && of_stream != of_event) {
        of_stream->invalid = of_event->invalid = true;
        return CAPTURE_MERGE;
    }
    if (!of_stream) {
        if (stream.legacy) {
            of_event->invalid = true;
            return CAPTURE_UNSUPPORTED;
        }
        stream.capture = event.capture;
        stream.captured = 0;
        of_event->forked.push_back({name, false});
    } else if (Forked* waiting = forked(*of_event, name)) {
        waiting->joined = false;
    }
    const Stream* source = s.streams.get(event.capture_stream);
    Forked* from = forked(*of_event, event.capture_stream);
    if (from && source && event.captured == source->captured) from->joined = true;
    return SUCCESS;
}

}  // namespace trtsel_double

using namespace trtsel_double;

EXPORT int cuStreamBeginCapture_v2(void* handle, int mode) {
    BEGIN(cuStreamBeginCapture_v2);
    CURRENT(context);
    Stream* stream;
    Handle name;
    if (int code = find_stream(handle, &stream, &name)) return code;
    if (mode < GLOBAL || mode > RELAXED) return INVALID_VALUE;
    if (stream->legacy) return CAPTURE_UNSUPPORTED;
    if (stream->capture) return ILLEGAL_STATE;
    const Handle made = state().captures.create();
    Capture* capture = state().captures.get(made);
    capture->origin = name;
    capture->thread = pthread_self();
    capture->mode = mode;
    stream->capture = made;
    stream->captured = 0;
    return SUCCESS;
}

EXPORT int cuStreamEndCapture(void* handle, void** out) {
    Call call(Symbol::cuStreamEndCapture);
    CURRENT(context);
    if (out) *out = nullptr;
    Stream* stream;
    Handle name;
    if (int code = find_stream(handle, &stream, &name)) return call.end(code);
    if (!out) return call.end(INVALID_VALUE);
    std::vector<Op> nodes;
    const int code = end_capture(*stream, name, &nodes);
    if (code || call.injected) return call.end(code);
    const Handle made = state().graphs.create();
    Graph* graph = state().graphs.get(made);
    graph->context = current_handle();
    graph->nodes.swap(nodes);
    *out = pointer_of(made);
    return SUCCESS;
}

EXPORT int cuStreamIsCapturing(void* handle, int* status) {
    BEGIN(cuStreamIsCapturing);
    CURRENT(context);
    Stream* stream;
    Handle name;
    if (int code = find_stream(handle, &stream, &name)) return code;
    if (!status) return INVALID_VALUE;
    const Capture* capture = state().captures.get(stream->capture);
    *status = !capture ? 0 : capture->invalid ? 2 : 1;
    return SUCCESS;
}

EXPORT int cuGraphInstantiate(void** out, void* graph, void**, char* log, size_t bytes) {
    Call call(Symbol::cuGraphInstantiate);
    return instantiate_with_log(call, out, graph, log, bytes);
}

EXPORT int cuGraphInstantiate_v2(void** out, void* graph, void**, char* log, size_t bytes) {
    Call call(Symbol::cuGraphInstantiate_v2);
    return instantiate_with_log(call, out, graph, log, bytes);
}

EXPORT int cuGraphInstantiateWithFlags(void** out, void* graph, unsigned long long flags) {
    BEGIN(cuGraphInstantiateWithFlags);
    CURRENT(context);
    return flags & ~15ull ? int(INVALID_VALUE) : instantiate(out, graph);
}

EXPORT int cuGraphLaunch(void* handle, void* stream_handle) {
    BEGIN(cuGraphLaunch);
    CURRENT(context);
    Graph* exec = state().execs.get(handle_of(handle));
    if (!exec) {
        misuse("cuGraphLaunch: not an instantiated graph, or a destroyed one");
        return INVALID_VALUE;
    }
    Stream* stream;
    Handle name;
    if (int code = find_stream(stream_handle, &stream, &name)) return code;
    for (const Op& node : exec->nodes)
        if (int code = enqueue(name, *stream, node)) return code;
    return context->sticky;
}

EXPORT int cuGraphExecDestroy(void* handle) {
    Call call(Symbol::cuGraphExecDestroy);
    if (!state().execs.get(handle_of(handle))) {
        misuse("cuGraphExecDestroy: not an instantiated graph, or a destroyed one");
        return call.end(INVALID_VALUE);
    }
    state().execs.destroy(handle_of(handle));
    return call.end(SUCCESS);
}

EXPORT int cuGraphDestroy(void* handle) {
    Call call(Symbol::cuGraphDestroy);
    if (!state().graphs.get(handle_of(handle))) {
        misuse("cuGraphDestroy: not a graph, or a destroyed one");
        return call.end(INVALID_VALUE);
    }
    state().graphs.destroy(handle_of(handle));
    return call.end(SUCCESS);
}
