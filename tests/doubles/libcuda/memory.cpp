// Device, pinned, mapped and registered memory; copies.
#include <cstdio>
#include <cstdlib>

#include "state.h"

namespace trtsel_double {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr size_t GUARD = 0;  // the sanitizer has better ones
#else
constexpr size_t GUARD = 64;
#endif
constexpr unsigned char GUARD_BYTE = 0xcb, FRESH_BYTE = 0xcd, DEAD_BYTE = 0xdd, PINNED_BYTE = 0xa5;

int allocate(Block::Kind kind, size_t bytes, void** out) {
    State& s = state();
    void* pointer = nullptr;
    const size_t alignment = kind == Block::DEVICE ? 256 : 4096;
    if (posix_memalign(&pointer, alignment, bytes + GUARD)) return OUT_OF_MEMORY;
    // Nobody may count on zeros.
    memset(pointer, kind == Block::DEVICE ? FRESH_BYTE : PINNED_BYTE, bytes);
    memset(static_cast<char*>(pointer) + bytes, GUARD_BYTE, GUARD);
    s.blocks[reinterpret_cast<uintptr_t>(pointer)] = {kind, bytes, current_handle()};
    ++s.live_blocks[kind];
    s.live_bytes[kind] += int64_t(bytes);
    *out = pointer;
    return SUCCESS;
}

void forget(std::map<uintptr_t, Block>::iterator at) {
    State& s = state();
    --s.live_blocks[at->second.kind];
    s.live_bytes[at->second.kind] -= int64_t(at->second.bytes);
    s.blocks.erase(at);
}

void check_and_free(std::map<uintptr_t, Block>::iterator at) {
    unsigned char* pointer = reinterpret_cast<unsigned char*>(at->first);
    const size_t bytes = at->second.bytes;
    for (size_t i = 0; i < GUARD; ++i)
        if (pointer[bytes + i] != GUARD_BYTE) {
            misuse("a block of %zu bytes was written %zu bytes past its end", bytes, i + 1);
            break;
        }
    memset(pointer, DEAD_BYTE, bytes);
    forget(at);
    free(pointer);
}

// Freeing waits for the device, as the driver does.
void drain_current() {
    const Handle context = current_handle();
    state().streams.each([&](Stream& stream, Handle) {
        if (stream.context == context) run(stream, stream.enqueued);
    });
}

// What blocking copies do first: they are ordered with the default stream, and with no other that does not block.
int drain_default() {
    Stream* stream;
    Handle name;
    if (int code = find_stream(nullptr, &stream, &name)) return code;
    run(*stream, stream->enqueued);
    state().streams.each([&](Stream& other, Handle) {
        if (other.context == stream->context && other.blocking) run(other, other.enqueued);
    });
    return SUCCESS;
}

int copy_async(const char* call, bool to_device, bool from_device, void* destination, const void* source, size_t bytes, void* stream) {
    Stream* at;
    Handle name;
    if (int code = find_stream(stream, &at, &name)) return code;
    if (bytes == 0) return SUCCESS;
    if (!destination || !source) return INVALID_VALUE;
    if ((to_device && !on_device(destination, bytes)) || (from_device && !on_device(source, bytes))) {
        misuse("%s: %zu bytes that are not the device's", call, bytes);
        return INVALID_VALUE;
    }
    if ((!to_device && !page_locked(destination, bytes)) || (!from_device && !page_locked(source, bytes)))
        misuse("%s: %zu bytes of the host that are not page-locked", call, bytes);
    Op op;
    op.kind = Op::COPY;
    op.to_device = to_device;
    op.from_device = from_device;
    op.destination = destination;
    op.source = source;
    op.bytes = bytes;
    return enqueue(name, *at, op);
}

int set_async(void* stream, void* destination, unsigned char value, size_t bytes) {
    Stream* at;
    Handle name;
    if (int code = find_stream(stream, &at, &name)) return code;
    if (bytes == 0) return SUCCESS;
    if (!on_device(destination, bytes)) {
        misuse("cuMemsetD8: %zu bytes that are not the device's", bytes);
        return INVALID_VALUE;
    }
    Op op;
    op.kind = Op::SET;
    op.destination = destination;
    op.value = value;
    op.bytes = bytes;
    return enqueue(name, *at, op);
}

}  // namespace

const Block* find_block(const void* address, size_t bytes) {
    const auto& blocks = state().blocks;
    const uintptr_t start = reinterpret_cast<uintptr_t>(address);
    auto at = blocks.upper_bound(start);
    if (at == blocks.begin()) return nullptr;
    --at;
    const uintptr_t offset = start - at->first;
    return offset <= at->second.bytes && bytes <= at->second.bytes - offset ? &at->second : nullptr;
}

bool on_device(const void* address, size_t bytes) {
    const Block* block = find_block(address, bytes);
    return block && (block->kind == Block::DEVICE || block->kind == Block::MAPPED);
}

bool page_locked(const void* address, size_t bytes) {
    const Block* block = find_block(address, bytes);
    return block && block->kind != Block::DEVICE;
}

}  // namespace trtsel_double

using namespace trtsel_double;

EXPORT int cuMemGetInfo_v2(size_t* free_bytes, size_t* total) {
    BEGIN(cuMemGetInfo_v2);
    CURRENT(context);
    if (!free_bytes || !total) return INVALID_VALUE;
    *total = state().total_bytes;
    const uint64_t used = uint64_t(state().live_bytes[Block::DEVICE]);
    *free_bytes = *total > used ? *total - used : 0;
    return SUCCESS;
}

EXPORT int cuMemAlloc_v2(uint64_t* out, size_t bytes) {
    BEGIN(cuMemAlloc_v2);
    CURRENT(context);
    if (!out || !bytes) return INVALID_VALUE;
    if (int code = potentially_unsafe()) return code;
    const uint64_t used = uint64_t(state().live_bytes[Block::DEVICE]);
    if (bytes > state().total_bytes || used > state().total_bytes - bytes) return OUT_OF_MEMORY;
    void* pointer;
    if (int code = allocate(Block::DEVICE, bytes, &pointer)) return code;
    *out = reinterpret_cast<uint64_t>(pointer);
    return SUCCESS;
}

EXPORT int cuMemFree_v2(uint64_t address) {
    Call call(Symbol::cuMemFree_v2);
    Context* context = nullptr;
    int code = current(&context);
    if (!context) return call.end(code);
    if (address == 0) return call.end(code);
    if (int capturing = potentially_unsafe()) return call.end(capturing);
    State& s = state();
    const auto at = s.blocks.find(uintptr_t(address));
    if (at == s.blocks.end() || at->second.kind != Block::DEVICE) {
        misuse("cuMemFree_v2: not a block of device memory, or one that is freed");
        return call.end(INVALID_VALUE);
    }
    drain_current();
    check_and_free(at);
    return call.end(code);
}

EXPORT int cuMemHostAlloc(void** out, size_t bytes, unsigned flags) {
    BEGIN(cuMemHostAlloc);
    CURRENT(context);
    if (!out || !bytes || flags & ~7u) return INVALID_VALUE;
    if (int code = potentially_unsafe()) return code;
    if (flags & 4) misuse("cuMemHostAlloc: write-combined memory, which the host reads slowly");
    if ((flags & 2) && !state().can_map) return NOT_SUPPORTED;
    return allocate(flags & 2 ? Block::MAPPED : Block::PINNED, bytes, out);
}

EXPORT int cuMemFreeHost(void* pointer) {
    Call call(Symbol::cuMemFreeHost);
    Context* context = nullptr;
    int code = current(&context);
    if (!context) return call.end(code);
    if (int capturing = potentially_unsafe()) return call.end(capturing);
    State& s = state();
    const auto at = s.blocks.find(reinterpret_cast<uintptr_t>(pointer));
    if (at == s.blocks.end() || (at->second.kind != Block::PINNED && at->second.kind != Block::MAPPED)) {
        misuse("cuMemFreeHost: not a block of pinned memory, or one that is freed");
        return call.end(INVALID_VALUE);
    }
    drain_current();
    check_and_free(at);
    return call.end(code);
}

EXPORT int cuMemHostGetDevicePointer_v2(uint64_t* out, void* pointer, unsigned flags) {
    BEGIN(cuMemHostGetDevicePointer_v2);
    CURRENT(context);
    if (!out || flags) return INVALID_VALUE;
    const Block* block = find_block(pointer, 1);
    if (!block || block->kind != Block::MAPPED) return INVALID_VALUE;
    *out = reinterpret_cast<uint64_t>(pointer);
    return SUCCESS;
}

EXPORT int cuMemHostRegister_v2(void* pointer, size_t bytes, unsigned flags) {
    BEGIN(cuMemHostRegister_v2);
    CURRENT(context);
    State& s = state();
    if (s.host_register == 0 || (s.host_register < 0 && s.integrated)) return NOT_SUPPORTED;
    // The flag for reading only came with CUDA 11.1.
    const unsigned known = s.driver_version >= 11010 ? 15 : 7;
    if (!pointer || !bytes || flags & ~known) return INVALID_VALUE;
    if (int code = potentially_unsafe()) return code;
    const uintptr_t start = reinterpret_cast<uintptr_t>(pointer);
    const auto next = s.blocks.lower_bound(start);
    if ((next != s.blocks.end() && next->first - start < bytes) || find_block(pointer, 1)) return ALREADY_REGISTERED;
    s.blocks[start] = {Block::REGISTERED, bytes, current_handle()};
    ++s.live_blocks[Block::REGISTERED];
    s.live_bytes[Block::REGISTERED] += int64_t(bytes);
    return SUCCESS;
}

EXPORT int cuMemHostUnregister(void* pointer) {
    Call call(Symbol::cuMemHostUnregister);
    Context* context = nullptr;
    int code = current(&context);
    if (!context) return call.end(code);
    if (int capturing = potentially_unsafe()) return call.end(capturing);
    State& s = state();
    const auto at = s.blocks.find(reinterpret_cast<uintptr_t>(pointer));
    if (at == s.blocks.end() || at->second.kind != Block::REGISTERED) {
        misuse("cuMemHostUnregister: memory that is not registered");
        return call.end(NOT_REGISTERED);
    }
    drain_current();
    forget(at);
    return call.end(code);
}

EXPORT int cuMemcpyHtoD_v2(uint64_t destination, const void* source, size_t bytes) {
    BEGIN(cuMemcpyHtoD_v2);
    CURRENT(context);
    if (int code = potentially_unsafe()) return code;
    if (int code = drain_default()) return code;
    if (!source || !on_device(reinterpret_cast<void*>(destination), bytes)) {
        misuse("cuMemcpyHtoD_v2: %zu bytes that are not the device's", bytes);
        return INVALID_VALUE;
    }
    if (page_locked(source, bytes) || state().delay == 0 || bytes == 0) {
        memcpy(reinterpret_cast<void*>(destination), source, bytes);
        return context->sticky;
    }
    // From pageable memory the call returns when the driver has its own copy, before the device has the bytes.
    void* copy = malloc(bytes);
    if (!copy) return OUT_OF_MEMORY;
    memcpy(copy, source, bytes);
    Stream* stream;
    Handle name;
    if (int code = find_stream(nullptr, &stream, &name)) return code;
    Op op;
    op.kind = Op::COPY;
    op.to_device = op.staged = true;
    op.destination = reinterpret_cast<void*>(destination);
    op.source = copy;
    op.bytes = bytes;
    return enqueue(name, *stream, op);
}

EXPORT int cuMemcpyDtoH_v2(void* destination, uint64_t source, size_t bytes) {
    BEGIN(cuMemcpyDtoH_v2);
    CURRENT(context);
    if (int code = potentially_unsafe()) return code;
    if (int code = drain_default()) return code;
    if (!destination || !on_device(reinterpret_cast<void*>(source), bytes)) {
        misuse("cuMemcpyDtoH_v2: %zu bytes that are not the device's", bytes);
        return INVALID_VALUE;
    }
    memcpy(destination, reinterpret_cast<void*>(source), bytes);
    return context->sticky;
}

EXPORT int cuMemsetD8_v2(uint64_t destination, unsigned char value, size_t bytes) {
    BEGIN(cuMemsetD8_v2);
    CURRENT(context);
    if (int code = potentially_unsafe()) return code;
    // Of the default stream; the host does not wait for it.
    return set_async(nullptr, reinterpret_cast<void*>(destination), value, bytes);
}

EXPORT int cuMemcpyHtoDAsync_v2(uint64_t destination, const void* source, size_t bytes, void* stream) {
    BEGIN(cuMemcpyHtoDAsync_v2);
    CURRENT(context);
    return copy_async("cuMemcpyHtoDAsync_v2", true, false, reinterpret_cast<void*>(destination), source, bytes, stream);
}

EXPORT int cuMemcpyDtoHAsync_v2(void* destination, uint64_t source, size_t bytes, void* stream) {
    BEGIN(cuMemcpyDtoHAsync_v2);
    CURRENT(context);
    return copy_async("cuMemcpyDtoHAsync_v2", false, true, destination, reinterpret_cast<void*>(source), bytes, stream);
}

EXPORT int cuMemcpyDtoDAsync_v2(uint64_t destination, uint64_t source, size_t bytes, void* stream) {
    BEGIN(cuMemcpyDtoDAsync_v2);
    CURRENT(context);
    void* to = reinterpret_cast<void*>(destination);
    return copy_async("cuMemcpyDtoDAsync_v2", true, true, to, reinterpret_cast<void*>(source), bytes, stream);
}

EXPORT int cuMemsetD8Async(uint64_t destination, unsigned char value, size_t bytes, void* stream) {
    BEGIN(cuMemsetD8Async);
    CURRENT(context);
    return set_async(stream, reinterpret_cast<void*>(destination), value, bytes);
}
