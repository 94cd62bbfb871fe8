// Two selectors in two threads, while a third thread reads the statistics of one of them. Uses exceptions.
//
//   cargo rustc --release --lib --crate-type staticlib --no-default-features --features capi,tract
//   c++ -std=c++17 -Iinclude examples/cpp/two_threads.cpp target/release/libtrt_select.a -lpthread -ldl -lm -o two_threads
//   ./two_threads plans/fashion 1000
#define TRTSEL_EXCEPTIONS
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "trt_select.hpp"

namespace {

// Runs inputs on a selector. Each thread has a selector of its own, and the selectors share nothing.
void work(trtsel::selector& selector, int inputs, unsigned seed) {
    std::array<unsigned char, 28 * 28> pixels{};
    const auto frame = trtsel::frame::packed(TRTSEL_FORMAT_GRAY8, 28, 28, pixels.data());
    selector.warm_up(frame);
    for (int i = 0; i < inputs; ++i) {
        for (auto& pixel : pixels) {
            seed = seed * 1664525U + 1013904223U;
            pixel = static_cast<unsigned char>(seed >> 24);
        }
        selector.infer(frame);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fprintf(stderr, "usage: two_threads BUNDLE INPUTS [null]\n");
        return 2;
    }
    const int inputs = std::atoi(argv[2]);
    const bool null = argc > 3 && std::string(argv[3]) == "null";
    try {
        const trtsel::options options(null ? TRTSEL_ENGINE_NULL : TRTSEL_ENGINE_AUTO);
        auto left = trtsel::selector::open(argv[1], options);
        auto right = trtsel::selector::open(argv[1], options);
        std::atomic<bool> done{false};
        // Calls on a const selector may be made while another thread infers.
        std::thread watcher([&done, &watched = std::as_const(left)] {
            while (!done) {
                watched.statistics();
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
        std::thread first(work, std::ref(left), inputs, 1U), second(work, std::ref(right), inputs, 2U);
        first.join();
        second.join();
        done = true;
        watcher.join();
        for (const auto* selector : {&left, &right}) {
            const auto s = selector->statistics();
            std::printf("%llu inputs, mean %.4f ms\n", static_cast<unsigned long long>(s.answered),
                        s.answered == 0 ? 0.0 : static_cast<double>(s.latency_sum_ns) / static_cast<double>(s.answered) / 1e6);
        }
    } catch (const trtsel::exception& e) {
        std::fprintf(stderr, "%s: %s\n", trtsel_status_name(e.status()), e.what());
        return 1;
    }
    return 0;
}
