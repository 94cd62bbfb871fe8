/*
 * trt_select.hpp: the C++17 wrapper of trt_select.h. Header-only; handles are move-only and close themselves.
 *
 * Calls that can fail give a trtsel::expected<T>: a value or an error with status and text. With TRTSEL_EXCEPTIONS defined before
 * this header is included they give the T itself and throw trtsel::exception. Without it nothing here throws on its own, and the
 * header compiles with -fno-exceptions -fno-rtti. (What the standard library does when memory is out is its own.)
 *
 * What each call means, its units, errors, thread rules and whether it allocates stands in trt_select.h; this header adds: a failure's
 * text is copied, so a call that fails allocates; calls that succeed allocate where they give a std::string, and where that header says so.
 * A member that is `const` takes the handle as const and may run at any time on any thread; of the others one at a time.
 *
 * A moved-from handle is empty: every call on it but the destructor and assignment fails with TRTSEL_NULL_POINTER.
 */
#ifndef TRT_SELECT_HPP
#define TRT_SELECT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#ifdef TRTSEL_EXCEPTIONS
#include <stdexcept>
#endif

#include "trt_select.h"

namespace trtsel {

/* Why a call failed. */
struct error {
    trtsel_status status = TRTSEL_OK;
    std::string text;

    /* The status's name, a static text. */
    const char* name() const noexcept { return trtsel_status_name(status); }
    /* Who can do something about it: a TRTSEL_GROUP_ number. */
    trtsel_group group() const noexcept { return trtsel_status_group(status); }
};

#ifdef TRTSEL_EXCEPTIONS

/* What is thrown. */
class exception : public std::runtime_error {
  public:
    explicit exception(const error& e) : std::runtime_error(e.text), status_(e.status) {}
    trtsel_status status() const noexcept { return status_; }
    /* Who can do something about it: a TRTSEL_GROUP_ number. */
    trtsel_group group() const noexcept { return trtsel_status_group(status_); }

  private:
    trtsel_status status_;
};

template <class T>
using expected = T;

#else

/* A value, or why there is none. Asking for what is not there ends the program: look first. */
template <class T>
class [[nodiscard]] expected {
  public:
    using value_type = T;

    expected(T value) : value_(std::move(value)) {}
    expected(trtsel::error e) : error_(std::move(e)) {}

    explicit operator bool() const noexcept { return value_.has_value(); }
    bool has_value() const noexcept { return value_.has_value(); }

    T& operator*() & { return get(); }
    const T& operator*() const& { return const_cast<expected*>(this)->get(); }
    T&& operator*() && { return std::move(get()); }
    T* operator->() { return &get(); }
    const T* operator->() const { return &const_cast<expected*>(this)->get(); }

    T& value() & { return get(); }
    T&& value() && { return std::move(get()); }
    T value_or(T other) const { return value_ ? *value_ : std::move(other); }

    const trtsel::error& error() const noexcept { return error_; }
    trtsel_status status() const noexcept { return error_.status; }

  private:
    T& get() {
        if (!value_) {
            std::abort();
        }
        return *value_;
    }

    std::optional<T> value_;
    trtsel::error error_;
};

#endif

/* What stands for nothing, so that calls without a value are expected<done>. */
struct done {};

/* Numbers that someone else holds: an address and a count. */
template <class T>
class view {
  public:
    constexpr view() noexcept = default;
    constexpr view(T* data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class Container, class = decltype(std::declval<Container&>().data())>
    constexpr view(Container& c) noexcept : data_(c.data()), size_(c.size()) {}

    constexpr T* data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T* begin() const noexcept { return data_; }
    constexpr T* end() const noexcept { return data_ + size_; }
    constexpr T& operator[](std::size_t at) const noexcept { return data_[at]; }

  private:
    T* data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {

/* A struct of the C header, zero but for its size. */
template <class T>
T sized() noexcept {
    T value{};
    value.struct_size = static_cast<std::uint32_t>(sizeof(T));
    return value;
}

#ifdef TRTSEL_EXCEPTIONS
template <class T>
[[noreturn]] expected<T> fail(trtsel_status status, const char* text) {
    throw exception(error{status, text});
}
#else
template <class T>
expected<T> fail(trtsel_status status, const char* text) {
    return trtsel::error{status, text};
}
#endif

/* A call without a text of its own. */
template <class T>
expected<T> from(trtsel_status status, T value) {
    if (status != TRTSEL_OK) {
        return fail<T>(status, trtsel_status_message(status));
    }
    return expected<T>(std::move(value));
}

inline std::uint64_t nanoseconds(std::chrono::nanoseconds time) noexcept {
    return time.count() < 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

/* Two calls of the pattern text, bytes, needed bytes. */
template <class Call>
trtsel_status text_of(std::string& text, Call call) {
    std::size_t needed = 0;
    char first[256];
    trtsel_status status = call(first, sizeof first, &needed);
    if (status != TRTSEL_OK || needed == 0) {
        return status;
    }
    if (needed <= sizeof first) {
        text.assign(first, needed - 1);
        return status;
    }
    text.resize(needed);
    status = call(&text[0], text.size(), &needed);
    text.resize(needed - 1);
    return status;
}

}  // namespace detail

/* The library's version, "0.1.0". */
inline const char* version() noexcept { return trtsel_version_text(); }

/* How to open a bundle: the C struct with defaults. */
struct options : trtsel_options {
    options() noexcept : trtsel_options(detail::sized<trtsel_options>()) {}
    explicit options(std::uint32_t with_engine) noexcept : options() { engine = with_engine; }
    void set_deadline(std::chrono::nanoseconds deadline) noexcept { deadline_ns = detail::nanoseconds(deadline); }
};

/* A borrowed frame: the C struct with defaults. Strides of 0 mean rows without gaps. */
struct frame : trtsel_frame {
    frame() noexcept : trtsel_frame(detail::sized<trtsel_frame>()) {}

    /* One plane: every TRTSEL_FORMAT_ but NV12. */
    static frame packed(std::uint32_t format, std::uint32_t width_px, std::uint32_t height_px, const void* pixels,
                        std::uint64_t stride_bytes = 0) noexcept {
        frame f;
        f.format = format;
        f.width_px = width_px;
        f.height_px = height_px;
        f.plane0 = pixels;
        f.stride0_bytes = stride_bytes;
        return f;
    }

    static frame nv12(std::uint32_t width_px, std::uint32_t height_px, const void* luma, const void* chroma,
                      std::uint64_t luma_stride_bytes = 0, std::uint64_t chroma_stride_bytes = 0) noexcept {
        frame f = packed(TRTSEL_FORMAT_NV12, width_px, height_px, luma, luma_stride_bytes);
        f.plane1 = chroma;
        f.stride1_bytes = chroma_stride_bytes;
        return f;
    }

    /* The same frame in device memory, complete after the work on `cuda_stream` (NULL: the options' stream). */
    frame on_device(void* cuda_stream = nullptr) const noexcept {
        frame f = *this;
        f.place = TRTSEL_PLACE_DEVICE;
        f.stream = cuda_stream;
        return f;
    }

    frame with_color(std::uint32_t color_matrix, std::uint32_t color_range) const noexcept {
        frame f = *this;
        f.matrix = color_matrix;
        f.range = color_range;
        return f;
    }
};

/* What became of an input: the C struct. */
struct result : trtsel_result {
    result() noexcept : trtsel_result(detail::sized<trtsel_result>()) {}
    bool is_average() const noexcept { return (flags & TRTSEL_AVERAGE) != 0; }
    bool is_late() const noexcept { return (flags & TRTSEL_LATE) != 0; }
    bool has_run(std::uint32_t of_candidate) const noexcept {
        return of_candidate < 16 && (ran_mask >> of_candidate & 1U) != 0;
    }
    std::chrono::nanoseconds total() const noexcept {
        return std::chrono::nanoseconds(static_cast<std::int64_t>(times.total_ns));
    }
};

/* A slot of one of the caller's own signals. */
enum class signal_slot : std::uint32_t {};

/* A bundle's candidates and premodel, open. */
class selector {
  public:
    /* Opens a bundle's folder. */
    static expected<selector> open(const char* bundle_folder, const options& with = options()) {
        char text[1024];
        trtsel_selector* handle = nullptr;
        const trtsel_status status = trtsel_selector_open(bundle_folder, &with, &handle, text, sizeof text);
        if (status != TRTSEL_OK) {
            return detail::fail<selector>(status, text);
        }
        return expected<selector>(selector(handle));
    }
    static expected<selector> open(const std::string& bundle_folder, const options& with = options()) {
        return open(bundle_folder.c_str(), with);
    }

    /* Takes over a handle of the C API. */
    explicit selector(trtsel_selector* handle) noexcept : handle_(handle) {}
    selector() noexcept = default;

    trtsel_selector* get() noexcept { return handle_.get(); }
    const trtsel_selector* get() const noexcept { return handle_.get(); }
    /* Gives the handle away: the caller closes it. */
    trtsel_selector* release() noexcept { return handle_.release(); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    expected<done> warm_up(const frame& f) { return check(trtsel_selector_warm_up(get(), &f)); }

    /* The frame's planes stay as they are until the result is there or the input is cancelled. */
    expected<done> submit(const frame& f) { return check(trtsel_selector_submit(get(), &f)); }
    expected<done> submit(view<const float> tensor) {
        return check(trtsel_selector_submit_tensor(get(), tensor.data(), tensor.size()));
    }
    /* Nothing while the input is under way. */
    expected<std::optional<result>> poll() {
        result r;
        return pending(trtsel_selector_poll(get(), &r), r);
    }
    expected<std::optional<result>> wait(std::chrono::nanoseconds timeout) {
        result r;
        return pending(trtsel_selector_wait(get(), detail::nanoseconds(timeout), &r), r);
    }
    expected<result> infer(const frame& f) {
        result r;
        return check(trtsel_selector_infer(get(), &f, &r), r);
    }
    expected<result> infer(view<const float> tensor) {
        result r;
        return check(trtsel_selector_infer_tensor(get(), tensor.data(), tensor.size(), &r), r);
    }
    expected<done> cancel() { return check(trtsel_selector_cancel(get())); }
    expected<done> reset() { return check(trtsel_selector_reset(get())); }
    /* Another premodel of the same candidates, between two inputs. */
    expected<done> reload(const char* premodel_file) { return check(trtsel_selector_reload(get(), premodel_file)); }
    expected<done> reload(const std::string& premodel_file) { return reload(premodel_file.c_str()); }
    /* The premodel of a bundle of the same networks that is read again. */
    expected<done> reload_bundle(const char* bundle_folder) {
        return check(trtsel_selector_reload_bundle(get(), bundle_folder));
    }
    expected<done> reload_bundle(const std::string& bundle_folder) { return reload_bundle(bundle_folder.c_str()); }
    /* 0: no limit. */
    expected<done> set_deadline(std::chrono::nanoseconds deadline) {
        return check(trtsel_selector_set_deadline(get(), detail::nanoseconds(deadline)));
    }

    /* The premodel's programs, numbered from 0. */
    expected<std::uint32_t> program_count() const {
        std::uint32_t count = 0;
        const trtsel_status status = trtsel_selector_program_count(get(), &count);
        return detail::from(status, count);
    }
    expected<trtsel_program> program(std::uint32_t number) const {
        auto p = detail::sized<trtsel_program>();
        const trtsel_status status = trtsel_selector_program_info(get(), number, &p);
        return detail::from(status, p);
    }
    /* From the next submit on the best program at this price decides, in reward per millisecond. */
    expected<done> set_price(double price) { return check(trtsel_selector_set_price(get(), price)); }
    expected<done> set_program(std::uint32_t number) { return check(trtsel_selector_set_program(get(), number)); }
    /* What one run of a candidate costs now, as a multiple of what it cost when the premodel was made. */
    expected<done> set_cost_multiplier(std::uint32_t candidate, double multiplier) {
        return check(trtsel_selector_set_cost_multiplier(get(), candidate, multiplier));
    }
    expected<done> reset_control() { return check(trtsel_selector_reset_control(get())); }
    /* The program that decides on the next input; of a mix, the one that decided last. */
    expected<std::uint32_t> current_program() {
        std::uint32_t number = 0;
        const trtsel_status status = trtsel_selector_current_program(get(), &number);
        return check(status, number);
    }

    expected<signal_slot> slot_of(const char* signal) const {
        std::uint32_t slot = 0;
        const trtsel_status status = trtsel_selector_signal_slot(get(), signal, &slot);
        return detail::from(status, static_cast<signal_slot>(slot));
    }
    expected<done> set_signal(signal_slot slot, float value) {
        return check(trtsel_selector_set_signal(get(), static_cast<std::uint32_t>(slot), value));
    }

    /* Borrowed: valid until the next submit, infer, warm-up, reset, or the selector's end. */
    expected<view<const float>> probabilities() {
        const float* data = nullptr;
        std::size_t size = 0;
        const trtsel_status status = trtsel_selector_probabilities(get(), &data, &size);
        return check(status, view<const float>(data, size));
    }
    expected<done> copy_probabilities(view<float> to) {
        return check(trtsel_selector_copy_probabilities(get(), to.data(), to.size()));
    }
    expected<trtsel_summary> summary(std::uint32_t candidate) {
        auto s = detail::sized<trtsel_summary>();
        return check(trtsel_selector_summary(get(), candidate, &s), s);
    }
    expected<std::string> why(std::uint32_t node) {
        std::string text;
        const auto call = [&](char* to, std::size_t bytes, std::size_t* needed) {
            return trtsel_selector_why(get(), node, to, bytes, needed);
        };
        const trtsel_status status = detail::text_of(text, call);
        return check(status, std::move(text));
    }
    expected<std::string> failure() {
        std::string text;
        const auto call = [&](char* to, std::size_t bytes, std::size_t* needed) {
            return trtsel_selector_failure(get(), to, bytes, needed);
        };
        const trtsel_status status = detail::text_of(text, call);
        return check(status, std::move(text));
    }
    expected<done> feedback(std::uint32_t true_class) { return check(trtsel_selector_feedback(get(), true_class)); }

    expected<trtsel_info> info() const {
        auto i = detail::sized<trtsel_info>();
        const trtsel_status status = trtsel_selector_info(get(), &i);
        return detail::from(status, i);
    }
    expected<const char*> candidate_name(std::uint32_t candidate) const {
        const char* name = nullptr;
        const trtsel_status status = trtsel_selector_candidate_name(get(), candidate, &name);
        return detail::from(status, name);
    }
    expected<const char*> label(std::uint32_t class_index) const {
        const char* name = nullptr;
        const trtsel_status status = trtsel_selector_label(get(), class_index, &name);
        return detail::from(status, name);
    }
    expected<const char*> signal_name(signal_slot slot) const {
        const char* name = nullptr;
        const trtsel_status status = trtsel_selector_signal_name(get(), static_cast<std::uint32_t>(slot), &name);
        return detail::from(status, name);
    }
    /* A candidate's number, TRTSEL_MEMORY_SHARED or TRTSEL_MEMORY_SUM. */
    expected<trtsel_memory> memory(std::uint32_t of = TRTSEL_MEMORY_SUM) {
        auto m = detail::sized<trtsel_memory>();
        return check(trtsel_selector_memory(get(), of, &m), m);
    }
    expected<trtsel_statistics> statistics() const {
        auto s = detail::sized<trtsel_statistics>();
        const trtsel_status status = trtsel_selector_statistics(get(), &s);
        return detail::from(status, s);
    }
    expected<trtsel_candidate_statistics> statistics(std::uint32_t candidate) const {
        auto s = detail::sized<trtsel_candidate_statistics>();
        const trtsel_status status = trtsel_selector_candidate_statistics(get(), candidate, &s);
        return detail::from(status, s);
    }
    expected<done> reset_statistics() { return check(trtsel_selector_reset_statistics(get())); }

  private:
    struct close {
        void operator()(trtsel_selector* handle) const noexcept { (void)trtsel_selector_close(handle); }
    };

    template <class T = done>
    expected<T> check(trtsel_status status, T value = T()) {
        if (status != TRTSEL_OK) {
            return detail::fail<T>(status, text(status));
        }
        return expected<T>(std::move(value));
    }
    expected<std::optional<result>> pending(trtsel_status status, const result& r) {
        using T = std::optional<result>;
        if (status == TRTSEL_PENDING) {
            return expected<T>(T());
        }
        return check<T>(status, T(r));
    }
    /* The handle keeps no text of what was not its own call. */
    const char* text(trtsel_status status) {
        const bool own = handle_ != nullptr && status != TRTSEL_BUSY && status != TRTSEL_POISONED;
        return own ? trtsel_selector_error(get()) : trtsel_status_message(status);
    }

    std::unique_ptr<trtsel_selector, close> handle_;
};

/* Image features of frames in host memory. */
class features {
  public:
    static expected<features> open() {
        trtsel_features* handle = nullptr;
        const trtsel_status status = trtsel_features_open(&handle);
        return detail::from(status, features(handle));
    }
    explicit features(trtsel_features* handle) noexcept : handle_(handle) {}
    features() noexcept = default;

    static std::size_t count() noexcept { return trtsel_feature_count(); }
    static const char* name(std::uint32_t feature) noexcept { return trtsel_feature_name(feature); }
    static expected<std::uint32_t> number(const char* feature) {
        std::uint32_t at = 0;
        const trtsel_status status = trtsel_feature_number(feature, &at);
        return detail::from(status, at);
    }

    trtsel_features* get() noexcept { return handle_.get(); }
    trtsel_features* release() noexcept { return handle_.release(); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /* All features, in the order of their numbers. */
    expected<done> compute(const frame& f, view<float> values) {
        return check(trtsel_features_compute(get(), &f, nullptr, values.data(), values.size()));
    }
    /* Those with these numbers; there must be room for as many values. */
    expected<done> compute(const frame& f, view<const std::uint32_t> numbers, view<float> values) {
        if (values.size() < numbers.size()) {
            return detail::fail<done>(TRTSEL_BUFFER_TOO_SMALL, trtsel_status_message(TRTSEL_BUFFER_TOO_SMALL));
        }
        return check(trtsel_features_compute(get(), &f, numbers.data(), values.data(), numbers.size()));
    }

  private:
    struct close {
        void operator()(trtsel_features* handle) const noexcept { (void)trtsel_features_close(handle); }
    };
    expected<done> check(trtsel_status status) {
        if (status != TRTSEL_OK) {
            const bool own = handle_ != nullptr && status != TRTSEL_BUSY && status != TRTSEL_POISONED;
            return detail::fail<done>(status, own ? trtsel_features_error(get()) : trtsel_status_message(status));
        }
        return expected<done>(done());
    }

    std::unique_ptr<trtsel_features, close> handle_;
};

/* A premodel without networks: for programs that run theirs themselves. */
class decider {
  public:
    static expected<decider> open(const char* premodel_file) {
        char text[1024];
        trtsel_decider* handle = nullptr;
        const trtsel_status status = trtsel_decider_open(premodel_file, &handle, text, sizeof text);
        return opened(status, handle, text);
    }
    static expected<decider> open(const std::string& premodel_file) { return open(premodel_file.c_str()); }
    static expected<decider> parse(const char* json, std::size_t bytes) {
        char text[1024];
        trtsel_decider* handle = nullptr;
        const trtsel_status status = trtsel_decider_open_memory(json, bytes, &handle, text, sizeof text);
        return opened(status, handle, text);
    }
    explicit decider(trtsel_decider* handle) noexcept : handle_(handle) {}
    decider() noexcept = default;

    trtsel_decider* get() noexcept { return handle_.get(); }
    const trtsel_decider* get() const noexcept { return handle_.get(); }
    trtsel_decider* release() noexcept { return handle_.release(); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    expected<const char*> candidate_name(std::uint32_t candidate) const {
        const char* name = nullptr;
        const trtsel_status status = trtsel_decider_candidate_name(get(), candidate, &name);
        return detail::from(status, name);
    }
    expected<const char*> signal_name(signal_slot slot) const {
        const char* name = nullptr;
        const trtsel_status status = trtsel_decider_signal_name(get(), static_cast<std::uint32_t>(slot), &name);
        return detail::from(status, name);
    }
    /* By the whole name: "signal.speed", "small.margin". */
    expected<signal_slot> slot_of(const char* signal) const {
        std::uint32_t slot = 0;
        const trtsel_status status = trtsel_decider_signal_slot(get(), signal, &slot);
        return detail::from(status, static_cast<signal_slot>(slot));
    }
    expected<done> set_signal(signal_slot slot, float value) {
        return check(trtsel_decider_set_signal(get(), static_cast<std::uint32_t>(slot), value));
    }
    expected<float> signal(signal_slot slot) {
        float value = 0;
        const trtsel_status status = trtsel_decider_get_signal(get(), static_cast<std::uint32_t>(slot), &value);
        return check(status, value);
    }
    /* The premodel's programs, numbered from 0. */
    expected<std::uint32_t> program_count() const {
        std::uint32_t count = 0;
        const trtsel_status status = trtsel_decider_program_count(get(), &count);
        return detail::from(status, count);
    }
    expected<trtsel_program> program(std::uint32_t number) const {
        auto p = detail::sized<trtsel_program>();
        const trtsel_status status = trtsel_decider_program_info(get(), number, &p);
        return detail::from(status, p);
    }
    /* From the next begin on the best program at this price decides, in reward per millisecond. */
    expected<done> set_price(double price) { return check(trtsel_decider_set_price(get(), price)); }
    expected<done> set_program(std::uint32_t number) { return check(trtsel_decider_set_program(get(), number)); }
    /* What one run of a candidate costs now, as a multiple of what it cost when the premodel was made. */
    expected<done> set_cost_multiplier(std::uint32_t candidate, double multiplier) {
        return check(trtsel_decider_set_cost_multiplier(get(), candidate, multiplier));
    }
    expected<done> reset_control() { return check(trtsel_decider_reset_control(get())); }
    expected<done> begin() { return check(trtsel_decider_begin(get())); }
    expected<done> set_features(view<const float> values) {
        return check(trtsel_decider_set_features(get(), values.data(), values.size()));
    }
    expected<trtsel_decision> next() {
        auto d = detail::sized<trtsel_decision>();
        return check(trtsel_decider_next(get(), &d), d);
    }
    /* Class scores of the candidate that was asked for: TRTSEL_LOGITS or TRTSEL_PROBABILITIES. */
    expected<done> set_scores(std::uint32_t candidate, std::uint32_t kind, view<const float> scores) {
        return check(trtsel_decider_set_scores(get(), candidate, kind, scores.data(), scores.size()));
    }
    expected<done> failed(std::uint32_t candidate) { return check(trtsel_decider_failed(get(), candidate)); }
    /* What the answer says, averages included. */
    expected<trtsel_answer> answer() {
        auto a = detail::sized<trtsel_answer>();
        return check(trtsel_decider_answer(get(), &a, nullptr, 0), a);
    }
    /* The same, with the probabilities of all classes. */
    expected<trtsel_answer> answer(view<float> probabilities) {
        auto a = detail::sized<trtsel_answer>();
        return check(trtsel_decider_answer(get(), &a, probabilities.data(), probabilities.size()), a);
    }
    expected<float> temperature(std::uint32_t candidate) const {
        float temperature = 0;
        const trtsel_status status = trtsel_decider_temperature(get(), candidate, &temperature);
        return detail::from(status, temperature);
    }
    /* Of a candidate in the average of those of the mask. */
    expected<float> weight(std::uint32_t mask, std::uint32_t candidate) const {
        float weight = 0;
        const trtsel_status status = trtsel_decider_weight(get(), mask, candidate, &weight);
        return detail::from(status, weight);
    }
    expected<std::string> why(std::uint32_t node) {
        std::string text;
        const auto call = [&](char* to, std::size_t bytes, std::size_t* needed) {
            return trtsel_decider_why(get(), node, to, bytes, needed);
        };
        const trtsel_status status = detail::text_of(text, call);
        return check(status, std::move(text));
    }

  private:
    struct close {
        void operator()(trtsel_decider* handle) const noexcept { (void)trtsel_decider_close(handle); }
    };
    static expected<decider> opened(trtsel_status status, trtsel_decider* handle, const char* text) {
        if (status != TRTSEL_OK) {
            return detail::fail<decider>(status, text);
        }
        return expected<decider>(decider(handle));
    }
    template <class T = done>
    expected<T> check(trtsel_status status, T value = T()) {
        if (status != TRTSEL_OK) {
            const bool own = handle_ != nullptr && status != TRTSEL_BUSY && status != TRTSEL_POISONED;
            return detail::fail<T>(status, own ? trtsel_decider_error(get()) : trtsel_status_message(status));
        }
        return expected<T>(std::move(value));
    }

    std::unique_ptr<trtsel_decider, close> handle_;
};

/* Sums up class scores; writes as many probabilities. */
inline expected<trtsel_summary> summarise(std::uint32_t kind, view<const float> scores, view<float> probabilities) {
    auto s = detail::sized<trtsel_summary>();
    if (probabilities.size() < scores.size()) {
        return detail::fail<trtsel_summary>(TRTSEL_BUFFER_TOO_SMALL, trtsel_status_message(TRTSEL_BUFFER_TOO_SMALL));
    }
    const trtsel_status status = trtsel_summarise(kind, scores.data(), probabilities.data(), scores.size(), &s);
    return detail::from(status, s);
}

}  // namespace trtsel

#endif
