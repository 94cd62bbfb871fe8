/* Does what answers.c does, through the C++ wrapper, and prints the same lines. The tests compile it without and with
 * TRTSEL_EXCEPTIONS. */
#include "trt_select.hpp"

#include <cstdio>
#include <cstring>

#include "frames.h"

extern "C" std::uint64_t trtsel_malloc_count_of_thread() __attribute__((weak));

static std::uint64_t allocations() {
    return &trtsel_malloc_count_of_thread != nullptr ? trtsel_malloc_count_of_thread() : 0;
}

#ifdef TRTSEL_EXCEPTIONS
template <class T>
T take(T value) {
    return value;
}
#else
template <class T>
T take(trtsel::expected<T> value) {
    if (!value) {
        std::fprintf(stderr, "answers: %s: %s\n", value.error().name(), value.error().text.c_str());
        std::exit(1);
    }
    return std::move(value).value();
}
#endif

static trtsel::result once(trtsel::selector& s, const trtsel::frame& f, bool polling) {
    if (!polling) return take(s.infer(f));
    take(s.submit(f));
    for (;;) {
        if (auto r = take(s.poll())) return *r;
    }
}

/* Checks what the wrapper adds to the C API, namely moves, errors and exceptions, and calls its other classes once. */
static void wrapper(trtsel::selector& s, const char* bundle) {
    trtsel::selector moved = std::move(s);
    CHECK(!s && moved);
    s = std::move(moved);
    CHECK(s && !moved);
    CHECK(std::strlen(take(s.candidate_name(0))) > 0);
    CHECK(take(s.info()).candidate_count > 1);
    CHECK(take(s.memory()).struct_size == sizeof(trtsel_memory));
#ifdef TRTSEL_EXCEPTIONS
    trtsel_status caught = TRTSEL_OK;
    try {
        trtsel::selector::open("no such folder");
    } catch (const trtsel::exception& e) {
        CHECK(std::strstr(e.what(), "no such folder") != nullptr);
        caught = e.status();
    }
    CHECK(caught == TRTSEL_IO);
#else
    const auto none = trtsel::selector::open("no such folder");
    CHECK(!none && none.status() == TRTSEL_IO && none.error().text.find("no such folder") != std::string::npos);
    CHECK(moved.infer(trtsel::frame()).status() == TRTSEL_NULL_POINTER);
    CHECK(s.poll().status() == TRTSEL_WRONG_STATE);
    CHECK(s.slot_of("no such").status() == TRTSEL_NOT_FOUND);
    CHECK(s.candidate_name(77).status() == TRTSEL_NOT_FOUND);
    CHECK(s.program(1).status() == TRTSEL_NOT_FOUND && s.set_price(-1).status() == TRTSEL_INVALID_ARGUMENT);
    CHECK(s.submit(trtsel::frame()).error().text.find("frame") != std::string::npos);
#endif
    CHECK(take(s.program_count()) == 1 && take(s.program(0)).is_chosen == 1 && take(s.current_program()) == 0);
    take(s.set_program(0));
    take(s.set_cost_multiplier(1, 2.5));
    take(s.reset_control());
    auto d = take(trtsel::decider::open(std::string(bundle) + "/premodel.json"));
    CHECK(take(d.program_count()) == 1 && take(d.program(0)).node_count > 0);
    take(d.set_program(0));
#ifndef TRTSEL_EXCEPTIONS
    CHECK(d.set_price(-1).status() == TRTSEL_INVALID_ARGUMENT);
#endif
    take(d.set_cost_multiplier(1, 2.5));
    take(d.reset_control());
    take(d.begin());
    auto f = take(trtsel::features::open());
    float values[64] = {};
    const unsigned char grey[4] = {120, 120, 120, 120};
    take(f.compute(trtsel::frame::packed(TRTSEL_FORMAT_GRAY8, 2, 2, grey), trtsel::view<float>(values, 64)));
    CHECK(values[take(trtsel::features::number("brightness_average"))] == 120.0f);
    take(d.set_features(trtsel::view<const float>(values, trtsel::features::count())));
    CHECK(take(d.next()).kind == TRTSEL_DECIDE_RUN);
    CHECK(!take(d.why(take(d.next()).node)).empty());
}

int main(int argc, char** argv) {
    CHECK(argc == 5);
    const auto rounds = static_cast<unsigned>(std::atoi(argv[4]));
    std::size_t count = 0;
    trtsel_frame* raw = read_frames(argv[3], &count);
    const auto frames = std::make_unique<trtsel::frame[]>(count);
    for (std::size_t i = 0; i < count; ++i) static_cast<trtsel_frame&>(frames[i]) = raw[i];

    auto s = take(trtsel::selector::open(argv[1], trtsel::options(static_cast<std::uint32_t>(std::atoi(argv[2])))));
    wrapper(s, argv[1]);
    std::uint32_t slot = 0;
    const bool own = trtsel_selector_signal_slot(s.get(), "speed", &slot) == TRTSEL_OK;
    for (std::size_t i = 0; i < count; ++i) take(s.warm_up(frames[i]));
    for (std::size_t i = 0; i < count; ++i) {
        if (own) take(s.set_signal(trtsel::signal_slot{slot}, static_cast<float>(i % 7)));
        const auto r = once(s, frames[i], i % 2 == 1);
        const auto p = take(s.probabilities());
        std::printf("%zu: class %u %08x candidate %u answer %x ran %x failed %x node %u flags %u p %016llx\n", i,
                    r.class_index, bits_of(r.probability), r.candidate, r.answer_mask, r.ran_mask, r.failed_mask, r.node,
                    r.flags, static_cast<unsigned long long>(hash_of(p.data(), p.size())));
    }
    const std::uint64_t before = allocations();
    for (unsigned round = 0; round < rounds; ++round) {
        for (std::size_t i = 0; i < count; ++i) once(s, frames[i], round % 2 == 1);
    }
    std::fprintf(stderr, "allocations: %s %llu in %llu inputs\n",
                 &trtsel_malloc_count_of_thread != nullptr ? "counted" : "unknown",
                 static_cast<unsigned long long>(allocations() - before),
                 static_cast<unsigned long long>(rounds) * count);
    CHECK(take(s.statistics()).failed <= 1);
    free_frames(raw, count);
    return 0;
}
