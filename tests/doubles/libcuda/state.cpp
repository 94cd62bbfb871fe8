// Calls counted and made to fail, misuse noted; the hooks for tests.
#include <dlfcn.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

#include "state.h"

namespace trtsel_double {

const char* const SYMBOL_NAMES[SYMBOL_COUNT] = {
#define SYMBOL(name) #name,
#include "symbols.def"
#undef SYMBOL
};

namespace {

#ifndef DRIVER_VERSION
#define DRIVER_VERSION 12040
#endif

int64_t env(const char* name, int64_t otherwise) {
    const char* value = getenv(name);
    return value && *value ? strtoll(value, nullptr, 10) : otherwise;
}

// The symbol's number, SYMBOL_COUNT for "*", -1 for what there is not.
int symbol_by_name(const char* name) {
    if (!name) return -1;
    if (!strcmp(name, "*")) return SYMBOL_COUNT;
    for (int i = 0; i < SYMBOL_COUNT; ++i)
        if (!strcmp(name, SYMBOL_NAMES[i])) return i;
    return -1;
}

bool add_failure(State& s, int symbol, uint64_t nth, int code) {
    if (symbol < 0 || nth == 0) return false;
    for (Failure& failure : s.failures)
        if (failure.symbol < 0) {
            failure = {symbol, nth, code};
            return true;
        }
    return false;
}

// symbol:nth:code, several parted by commas.
void failures_from_env(State& s) {
    const char* text = getenv("TRT_SELECT_DOUBLE_FAIL");
    while (text && *text) {
        char symbol[64];
        unsigned long long nth = 0;
        int code = 0, used = 0;
        if (sscanf(text, "%63[^:]:%llu:%d%n", symbol, &nth, &code, &used) < 3 || !add_failure(s, symbol_by_name(symbol), nth, code)) {
            fprintf(stderr, "libcuda double: TRT_SELECT_DOUBLE_FAIL: expected symbol:nth:code, got %s\n", text);
            abort();
        }
        text += used;
        if (*text == ',') ++text;
    }
}

State* make_state() {
    State* s = new State;
    s->driver_version = int(env("TRT_SELECT_DOUBLE_DRIVER", DRIVER_VERSION));
    s->device_count = int(env("TRT_SELECT_DOUBLE_DEVICES", 1));
    if (s->device_count > 8) s->device_count = 8;
    s->integrated = int(env("TRT_SELECT_DOUBLE_INTEGRATED", 0));
    s->can_map = int(env("TRT_SELECT_DOUBLE_CAN_MAP", 1));
    s->host_register = int(env("TRT_SELECT_DOUBLE_HOST_REGISTER", 1));
    s->total_bytes = uint64_t(env("TRT_SELECT_DOUBLE_MEMORY", int64_t(4) << 30));
    s->delay = uint64_t(env("TRT_SELECT_DOUBLE_DELAY", 0));
    if (const char* capability = getenv("TRT_SELECT_DOUBLE_CC")) sscanf(capability, "%d.%d", &s->major, &s->minor);
    if (const char* name = getenv("TRT_SELECT_DOUBLE_NAME")) snprintf(s->name, sizeof s->name, "%s", name);
    // NAME:MICROSECONDS
    if (const char* slow = getenv("TRT_SELECT_DOUBLE_SLOW_MAPPED")) {
        long long us = 0;
        sscanf(slow, "%63[^:]:%lld", s->slow_mapped, &us);
        s->slow_mapped_us = us;
    }
    failures_from_env(*s);
    return s;
}

}  // namespace

State& state() {
    // Never destroyed: calls may come while the process ends.
    static State* s = make_state();
    return *s;
}

Call::Call(Symbol symbol) {
    State& s = state();
    s.mutex.lock();
    const int number = int(symbol);
    ++s.calls[number];
    ++s.total_calls;
    if (s.running && pthread_equal(s.runner, pthread_self())) {
        misuse("%s: called from a host function or a kernel", SYMBOL_NAMES[number]);
        injected = NOT_PERMITTED;
        return;
    }
    for (Failure& failure : s.failures)
        if (failure.symbol == number || failure.symbol == SYMBOL_COUNT)
            if (--failure.nth == 0) {
                injected = failure.code;
                failure.symbol = -1;
            }
    if (!s.initialised && symbol != Symbol::cuInit && symbol != Symbol::cuDriverGetVersion && !injected) {
        misuse("%s: called before cuInit", SYMBOL_NAMES[number]);
        injected = NOT_INITIALIZED;
    }
}

Call::~Call() { state().mutex.unlock(); }

void misuse(const char* format, ...) {
    State& s = state();
    ++s.misuses;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s.misuse, sizeof s.misuse, format, arguments);
    va_end(arguments);
}

}  // namespace trtsel_double

using namespace trtsel_double;
using Lock = std::lock_guard<std::recursive_mutex>;

// How often a call was made; 0 for a name that there is not.
EXPORT uint64_t trtsel_double_calls(const char* symbol) {
    State& s = state();
    Lock lock(s.mutex);
    const int number = symbol_by_name(symbol);
    return number < 0 ? 0 : number == SYMBOL_COUNT ? s.total_calls : s.calls[number];
}

EXPORT uint64_t trtsel_double_total_calls(void) { return trtsel_double_calls("*"); }

// Makes the nth call from now on (from 1) fail once, with that code. "*" counts every call. Gives 0 for a name that there is
// not, or where 16 failures wait already.
EXPORT int trtsel_double_fail(const char* symbol, uint64_t nth, int code) {
    State& s = state();
    Lock lock(s.mutex);
    return add_failure(s, symbol_by_name(symbol), nth, code);
}

// Forgets counts, failures that have not come, and misuse.
EXPORT void trtsel_double_reset(void) {
    State& s = state();
    Lock lock(s.mutex);
    memset(s.calls, 0, sizeof s.calls);
    s.total_calls = s.misuses = 0;
    for (Failure& failure : s.failures) failure = Failure();
    s.misuse[0] = 0;
}

// Live objects of a kind; -1 for a kind that there is not.
EXPORT int64_t trtsel_double_live(const char* kind) {
    State& s = state();
    Lock lock(s.mutex);
    const auto is = [&](const char* name) { return !strcmp(kind, name); };
    if (is("contexts")) return s.contexts.live();
    if (is("primaries")) {
        int64_t sum = 0;
        s.contexts.each([&](Context& context, Handle) { sum += context.primary; });
        return sum;
    }
    if (is("retained")) {
        int64_t sum = 0;
        s.contexts.each([&](Context& context, Handle) { sum += int64_t(context.retained); });
        return sum;
    }
    if (is("streams")) {
        int64_t sum = 0;
        s.streams.each([&](Stream& stream, Handle) { sum += !stream.legacy; });
        return sum;
    }
    if (is("events")) return s.events.live();
    if (is("captures")) return s.captures.live();
    if (is("graphs")) return s.graphs.live();
    if (is("execs")) return s.execs.live();
    if (is("modules")) return s.modules.live();
    if (is("pending")) {
        int64_t sum = 0;
        s.streams.each([&](Stream& stream, Handle) { sum += int64_t(stream.count); });
        return sum;
    }
    static const char* const blocks[4] = {"device_blocks", "pinned_blocks", "mapped_blocks", "registered_blocks"};
    static const char* const bytes[4] = {"device_bytes", "pinned_bytes", "mapped_bytes", "registered_bytes"};
    for (int i = 0; i < 4; ++i) {
        if (is(blocks[i])) return s.live_blocks[i];
        if (is(bytes[i])) return s.live_bytes[i];
    }
    // Everything that somebody must give back, and the primary contexts, which the product keeps.
    if (is("*")) {
        int64_t sum = s.contexts.live() + s.events.live() + s.captures.live() + s.graphs.live() + s.execs.live() + s.modules.live();
        s.streams.each([&](Stream& stream, Handle) { sum += !stream.legacy; });
        for (int64_t count : s.live_blocks) sum += count;
        return sum;
    }
    return -1;
}

// Work that is enqueued from now on is found done by the query after `polls` queries of its stream or event; 0: at once;
// UINT64_MAX: never by queries. Synchronising runs it in any case.
EXPORT void trtsel_double_delay(uint64_t polls) {
    State& s = state();
    Lock lock(s.mutex);
    s.delay = polls;
}

// Live blocks of device memory of exactly that size.
EXPORT uint64_t trtsel_double_live_blocks_of(uint64_t bytes) {
    State& s = state();
    Lock lock(s.mutex);
    uint64_t count = 0;
    for (const auto& [address, block] : s.blocks) count += block.kind == Block::DEVICE && block.bytes == bytes;
    return count;
}

// Writes one byte over all live blocks of mapped memory of exactly that size; gives how many there are. It shows who still reads them.
EXPORT uint64_t trtsel_double_fill_mapped(uint64_t bytes, unsigned char value) {
    State& s = state();
    Lock lock(s.mutex);
    uint64_t count = 0;
    for (const auto& [address, block] : s.blocks)
        if (block.kind == Block::MAPPED && block.bytes == bytes) {
            memset(reinterpret_cast<void*>(address), value, bytes);
            ++count;
        }
    return count;
}

// Runs everything that waits in queues.
EXPORT void trtsel_double_release(void) {
    Lock lock(state().mutex);
    run_all();
}

// Runs up to that many operations in the order in which they were enqueued; gives how many were run.
EXPORT uint64_t trtsel_double_step(uint64_t operations) {
    Lock lock(state().mutex);
    uint64_t done = 0;
    while (done < operations && step()) ++done;
    return done;
}

EXPORT uint64_t trtsel_double_misuse(void) {
    State& s = state();
    Lock lock(s.mutex);
    return s.misuses;
}

// The last misuse; "" where there was none. Valid until the next one.
EXPORT const char* trtsel_double_misuse_text(void) { return state().misuse; }

// The driver's calls that this build exports, one a line.
EXPORT const char* trtsel_double_symbols(void) {
    static char text[SYMBOL_COUNT * 40];
    State& s = state();
    Lock lock(s.mutex);
    Dl_info info;
    if (text[0] || !dladdr(reinterpret_cast<void*>(&trtsel_double_symbols), &info)) return text;
    void* self = dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    if (!self) return text;
    char* end = text;
    for (const char* name : SYMBOL_NAMES)
        if (dlsym(self, name)) end += snprintf(end, size_t(text + sizeof text - end), "%s\n", name);
    dlclose(self);
    return text;
}

// Sets a property of the device or the driver: "integrated", "can_map", "host_register", "major", "minor", "driver_version",
// "devices", "total_bytes"; with "skip_kernels", kernels do nothing from now on. Gives 0 for another name.
EXPORT int trtsel_double_set(const char* what, int64_t value) {
    State& s = state();
    Lock lock(s.mutex);
    const auto is = [&](const char* name) { return !strcmp(what, name); };
    if (is("integrated")) s.integrated = int(value);
    else if (is("can_map")) s.can_map = int(value);
    else if (is("host_register")) s.host_register = int(value);
    else if (is("major")) s.major = int(value);
    else if (is("minor")) s.minor = int(value);
    else if (is("driver_version")) s.driver_version = int(value);
    else if (is("devices")) s.device_count = value > 8 ? 8 : int(value);
    else if (is("total_bytes")) s.total_bytes = uint64_t(value);
    else if (is("skip_kernels")) s.skip_kernels = value != 0;
    else return 0;
    return 1;
}
