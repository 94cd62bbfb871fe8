/* Calls every exported function with each pointer NULL, with wrong sizes and numbers, and in the wrong state. Each call must
 * return a status, and none may crash.
 * misuse BUNDLE PREMODEL   (BUNDLE takes grey frames of 28x28 pixels, and its premodel has no signals of the caller's own;
 * PREMODEL has the signal `speed`) */
#include "check.h"

static unsigned char pixels[28 * 28 * 4];

static trtsel_frame grey(void) {
    trtsel_frame f = {.struct_size = sizeof f, .format = TRTSEL_FORMAT_GRAY8, .width_px = 28, .height_px = 28};
    f.plane0 = pixels;
    return f;
}

static void statics(void) {
    int status;
    for (status = -3; status < 40; ++status) {
        CHECK(strlen(trtsel_status_name(status)) > 3 && strlen(trtsel_status_message(status)) > 3);
    }
    CHECK(strcmp(trtsel_status_name(TRTSEL_POISONED), "TRTSEL_POISONED") == 0);
    CHECK(trtsel_status_group(TRTSEL_OK) == TRTSEL_GROUP_NONE && trtsel_status_group(TRTSEL_BUSY) == TRTSEL_GROUP_RETRY);
    CHECK(trtsel_status_group(TRTSEL_NULL_POINTER) == TRTSEL_GROUP_CALLER && trtsel_status_group(-7) == TRTSEL_GROUP_CALLER);
    CHECK(trtsel_status_group(TRTSEL_LIBRARY_MISSING) == TRTSEL_GROUP_ENVIRONMENT);
    CHECK(trtsel_version() ==
          (TRTSEL_VERSION_MAJOR << 16 | TRTSEL_VERSION_MINOR << 8 | TRTSEL_VERSION_PATCH));
    CHECK(strchr(trtsel_version_text(), '.') != NULL);
    CHECK((trtsel_built_in() & ~15u) == 0);
}

static void features(void) {
    trtsel_features* h = (trtsel_features*)(uintptr_t)8;
    trtsel_frame f = grey();
    float values[64];
    uint32_t numbers[3] = {0, 5, 1}, number = 77;
    const uint32_t all = trtsel_feature_count();
    CHECK(all > 30 && all < 64);
    CHECK(trtsel_feature_name(all) == NULL && trtsel_feature_name(UINT32_MAX) == NULL);
    CHECK(strcmp(trtsel_feature_name(1), "brightness_average") == 0);
    IS(TRTSEL_NULL_POINTER, trtsel_feature_number(NULL, &number));
    IS(TRTSEL_NULL_POINTER, trtsel_feature_number("contrast", NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_feature_number("no such", &number));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_feature_number("\xff\xfe", &number));
    CHECK(number == 77);
    IS(TRTSEL_OK, trtsel_feature_number("brightness_average", &number));
    CHECK(number == 1);

    IS(TRTSEL_NULL_POINTER, trtsel_features_open(NULL));
    IS(TRTSEL_OK, trtsel_features_open(&h));
    IS(TRTSEL_OK, trtsel_features_close(NULL));
    CHECK(strlen(trtsel_features_error(NULL)) > 0 && strlen(trtsel_features_error(h)) == 0);
    values[0] = -1;
    IS(TRTSEL_NULL_POINTER, trtsel_features_compute(NULL, &f, numbers, values, 3));
    IS(TRTSEL_NULL_POINTER, trtsel_features_compute(h, NULL, numbers, values, 3));
    IS(TRTSEL_NULL_POINTER, trtsel_features_compute(h, &f, numbers, NULL, 3));
    CHECK(strstr(trtsel_features_error(h), "output") != NULL);
    IS(TRTSEL_BUFFER_TOO_SMALL, trtsel_features_compute(h, &f, NULL, values, all - 1));
    IS(TRTSEL_BUFFER_TOO_SMALL, trtsel_features_compute(h, &f, NULL, values, 0));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_features_compute(h, &f, numbers, values, SIZE_MAX));
    numbers[1] = all;
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_features_compute(h, &f, numbers, values, 3));
    f.place = TRTSEL_PLACE_DEVICE;
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_features_compute(h, &f, NULL, values, 64));
    f = grey();
    f.struct_size = 71;
    IS(TRTSEL_STRUCT_SIZE, trtsel_features_compute(h, &f, NULL, values, 64));
    CHECK(values[0] == -1);
    f = grey();
    memset(pixels, 90, sizeof pixels);
    numbers[1] = 1;
    IS(TRTSEL_OK, trtsel_features_compute(h, &f, numbers, values, 3));
    CHECK(values[1] == 90 && values[2] == 90);
    IS(TRTSEL_OK, trtsel_features_compute(h, &f, NULL, values, all));
    CHECK(values[1] == 90);
    IS(TRTSEL_OK, trtsel_features_compute(h, &f, numbers, values, 0));
    IS(TRTSEL_OK, trtsel_features_close(h));
}

/* Submits frames, each of which is wrong in one way. */
static void frames(trtsel_selector* s) {
    trtsel_result r = {.struct_size = sizeof r, .class_index = 4711};
    trtsel_frame f = grey();
    struct {
        trtsel_frame frame;
        uint64_t more;
    } longer;
#define WRONG(status, change)                                                       \
    f = grey();                                                                     \
    change;                                                                         \
    IS(status, trtsel_selector_infer(s, &f, &r));                                   \
    CHECK(strlen(trtsel_selector_error(s)) > 10);                                   \
    IS(status, trtsel_selector_submit(s, &f));                                      \
    IS(status, trtsel_selector_warm_up(s, &f));                                     \
    CHECK(r.class_index == 4711)
    WRONG(TRTSEL_STRUCT_SIZE, f.struct_size = 0);
    WRONG(TRTSEL_STRUCT_SIZE, f.struct_size = 4);
    WRONG(TRTSEL_STRUCT_SIZE, f.struct_size = UINT32_MAX);
    WRONG(TRTSEL_INVALID_ARGUMENT, f.format = 6);
    WRONG(TRTSEL_INVALID_ARGUMENT, f.format = UINT32_MAX);
    WRONG(TRTSEL_INVALID_ARGUMENT, f.matrix = 2);
    WRONG(TRTSEL_INVALID_ARGUMENT, f.range = 2);
    WRONG(TRTSEL_INVALID_ARGUMENT, f.place = 2);
    WRONG(TRTSEL_INVALID_ARGUMENT, f.reserved = 1);
    WRONG(TRTSEL_NULL_POINTER, f.plane0 = NULL);
    WRONG(TRTSEL_NULL_POINTER, f.format = TRTSEL_FORMAT_NV12);
    WRONG(TRTSEL_INPUT, f.width_px = 0);
    WRONG(TRTSEL_INPUT, f.height_px = 0);
    WRONG(TRTSEL_INPUT, f.width_px = UINT32_MAX);
    WRONG(TRTSEL_INPUT, f.height_px = UINT32_MAX);
    WRONG(TRTSEL_INPUT, f.stride0_bytes = 27);
    WRONG(TRTSEL_INPUT, f.stride0_bytes = UINT64_MAX);
    /* The null engine cannot take a device frame, nor can a build without TensorRT. */
    f = grey();
    f.place = TRTSEL_PLACE_DEVICE;
    CHECK(trtsel_selector_infer(s, &f, &r) == TRTSEL_INPUT || trtsel_selector_infer(s, &f, &r) == TRTSEL_UNSUPPORTED);
    /* A longer struct of a later version is accepted if the fields that this version does not know are zero. */
    memset(&longer, 0, sizeof longer);
    longer.frame = grey();
    longer.frame.struct_size = sizeof longer;
    IS(TRTSEL_OK, trtsel_selector_infer(s, &longer.frame, &r));
    longer.more = 1;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_infer(s, &longer.frame, &r));
}

static void open_options(const char* bundle) {
    trtsel_selector* s = (trtsel_selector*)(uintptr_t)8;
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL};
    char text[16];
#define OPTION(status, change)                                                     \
    memset(&o, 0, sizeof o);                                                       \
    o.struct_size = sizeof o;                                                      \
    o.engine = TRTSEL_ENGINE_NULL;                                                 \
    change;                                                                        \
    memset(text, 'x', sizeof text);                                                \
    IS(status, trtsel_selector_open(bundle, &o, &s, text, sizeof text));           \
    CHECK(s == (trtsel_selector*)(uintptr_t)8 && memchr(text, 0, sizeof text) != NULL && text[0] != 0)
    OPTION(TRTSEL_STRUCT_SIZE, o.struct_size = 0);
    OPTION(TRTSEL_STRUCT_SIZE, o.struct_size = 7);
    OPTION(TRTSEL_STRUCT_SIZE, o.struct_size = UINT32_MAX);
    OPTION(TRTSEL_INVALID_ARGUMENT, o.engine = 5);
    OPTION(TRTSEL_INVALID_ARGUMENT, o.engine = UINT32_MAX);
    OPTION(TRTSEL_INVALID_ARGUMENT, o.flags = 16);
    OPTION(TRTSEL_INVALID_ARGUMENT, o.frame_memory = 3);
    OPTION(TRTSEL_INVALID_ARGUMENT, o.log_level = 6);
    OPTION(TRTSEL_INVALID_ARGUMENT, o.reserved = 1);
    OPTION(TRTSEL_INVALID_ARGUMENT, o.threads = UINT32_MAX);
    o.threads = 0;
    IS(TRTSEL_NULL_POINTER, trtsel_selector_open(NULL, &o, &s, text, sizeof text));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_open(bundle, &o, NULL, text, sizeof text));
    IS(TRTSEL_IO, trtsel_selector_open("no such folder", &o, &s, NULL, 100));
    IS(TRTSEL_IO, trtsel_selector_open("no such folder", &o, &s, text, 0));
    IS(TRTSEL_IO, trtsel_selector_open("", &o, &s, text, 1));
    CHECK(text[0] == 0 && s == (trtsel_selector*)(uintptr_t)8);
    /* The options of an earlier version are shorter, and the library uses the defaults for the missing fields, here for the
     * deadline. */
    o.struct_size = 8;
    o.deadline_ns = 1;
    IS(TRTSEL_OK, trtsel_selector_open(bundle, &o, &s, text, sizeof text));
    IS(TRTSEL_OK, trtsel_selector_close(s));
}

static void logged(void* user, uint32_t level, const char* line) {
    trtsel_result r = {.struct_size = sizeof r};
    trtsel_selector** s = (trtsel_selector**)user;
    (void)level;
    CHECK(strlen(line) > 0);
    if (*s != NULL) IS(TRTSEL_BUSY, trtsel_selector_poll(*s, &r));
}

/* Calls that choose a program; the bundle's premodel has one. */
static void programs(trtsel_selector* s) {
    trtsel_program g = {.struct_size = sizeof g};
    uint32_t n = 99;
    IS(TRTSEL_NULL_POINTER, trtsel_selector_program_count(NULL, &n));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_program_count(s, NULL));
    IS(TRTSEL_OK, trtsel_selector_program_count(s, &n));
    CHECK(n == 1);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_program_info(NULL, 0, &g));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_program_info(s, 0, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_program_info(s, 1, &g));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_program_info(s, UINT32_MAX, &g));
    g.struct_size = 8;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_program_info(s, 0, &g));
    CHECK(g.node_count == 0);
    g.struct_size = sizeof g;
    IS(TRTSEL_OK, trtsel_selector_program_info(s, 0, &g));
    CHECK(g.is_chosen == 1 && g.node_count > 0 && g.worst_case_ns > 0 && g.struct_size == sizeof g);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_set_price(NULL, 1));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_selector_set_price(s, -1));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_selector_set_price(s, strtod("nan", NULL)));
    CHECK(strstr(trtsel_selector_error(s), "price") != NULL);
    IS(TRTSEL_OK, trtsel_selector_set_price(s, 1));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_set_program(NULL, 0));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_set_program(s, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_set_program(s, UINT32_MAX));
    IS(TRTSEL_OK, trtsel_selector_set_program(s, 0));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_set_cost_multiplier(NULL, 0, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_set_cost_multiplier(s, 16, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_set_cost_multiplier(s, UINT32_MAX, 1));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_selector_set_cost_multiplier(s, 0, -1));
    IS(TRTSEL_OK, trtsel_selector_set_cost_multiplier(s, 0, 3));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_reset_control(NULL));
    IS(TRTSEL_OK, trtsel_selector_reset_control(s));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_current_program(NULL, &n));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_current_program(s, NULL));
    IS(TRTSEL_OK, trtsel_selector_current_program(s, &n));
    CHECK(n == 0);
}

static void selector(const char* bundle, const char* premodel) {
    trtsel_selector* s = NULL;
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL, .log_level = TRTSEL_LOG_TRACE};
    trtsel_frame f = grey();
    trtsel_result r = {.struct_size = sizeof r};
    trtsel_info info = {.struct_size = sizeof info};
    trtsel_memory m = {.struct_size = sizeof m};
    trtsel_summary y = {.struct_size = sizeof y};
    trtsel_statistics n = {.struct_size = sizeof n};
    trtsel_candidate_statistics c = {.struct_size = sizeof c};
    float p[64], tensor[3] = {0, 0, 0};
    char path[512];
    const float* borrowed = NULL;
    const char* name = NULL;
    char text[200];
    size_t needed = 0, classes = 0;
    uint32_t slot = 0;
    o.log = logged;
    o.log_user = &s;

    IS(TRTSEL_OK, trtsel_selector_close(NULL));
    IS(TRTSEL_OK, trtsel_selector_open(bundle, &o, &s, text, sizeof text));
    CHECK(trtsel_selector_error(s)[0] == 0 && trtsel_selector_error(NULL)[0] != 0);

    IS(TRTSEL_NULL_POINTER, trtsel_selector_info(NULL, &info));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_info(s, NULL));
    info.struct_size = 55;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_info(s, &info));
    info.struct_size = sizeof info;
    IS(TRTSEL_OK, trtsel_selector_info(s, &info));
    CHECK(info.engine == TRTSEL_ENGINE_NULL && info.candidate_count > 0 && info.class_count > 1 && info.class_count < 64);
    CHECK(strlen(info.engine_reason) > 0 && strlen(info.device) > 0 && info.struct_size == sizeof info);

#define NAMES(call, count)                             \
    IS(TRTSEL_NULL_POINTER, call(NULL, 0, &name));     \
    IS(TRTSEL_NULL_POINTER, call(s, 0, NULL));         \
    IS(TRTSEL_NOT_FOUND, call(s, count, &name));       \
    IS(TRTSEL_NOT_FOUND, call(s, UINT32_MAX, &name));  \
    CHECK(name == NULL)
    NAMES(trtsel_selector_candidate_name, info.candidate_count);
    NAMES(trtsel_selector_label, info.label_count);
    NAMES(trtsel_selector_signal_name, info.signal_count);
    IS(TRTSEL_OK, trtsel_selector_candidate_name(s, 0, &name));
    IS(TRTSEL_OK, trtsel_selector_label(s, info.class_count - 1, &name));
    CHECK(strlen(name) > 0);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_signal_slot(NULL, "speed", &slot));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_signal_slot(s, NULL, &slot));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_signal_slot(s, "speed", NULL));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_selector_signal_slot(s, "\xff", &slot));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_signal_slot(s, "no such", &slot));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_set_signal(NULL, 0, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_set_signal(s, info.signal_count, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_set_signal(s, UINT32_MAX, 1));

    IS(TRTSEL_NULL_POINTER, trtsel_selector_memory(NULL, 0, &m));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_memory(s, 0, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_memory(s, info.candidate_count, &m));
    IS(TRTSEL_OK, trtsel_selector_memory(s, 0, &m));
    CHECK(m.host_bytes > 0);
    IS(TRTSEL_OK, trtsel_selector_memory(s, TRTSEL_MEMORY_SHARED, &m));
    IS(TRTSEL_OK, trtsel_selector_memory(s, TRTSEL_MEMORY_SUM, &m));
    m.struct_size = 0;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_memory(s, 0, &m));

    /* No input is in flight, and there is no result. */
    IS(TRTSEL_WRONG_STATE, trtsel_selector_poll(s, &r));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_wait(s, 0, &r));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_wait(s, UINT64_MAX, &r));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_probabilities(s, &borrowed, &classes));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_copy_probabilities(s, p, 64));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_feedback(s, 0));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_feedback(s, 0));
    IS(TRTSEL_OK, trtsel_selector_failure(s, text, sizeof text, &needed));
    CHECK(needed == 1 && text[0] == 0);

    IS(TRTSEL_NULL_POINTER, trtsel_selector_warm_up(NULL, &f));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_warm_up(s, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_submit(NULL, &f));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_submit(s, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_submit_tensor(NULL, tensor, 3));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_submit_tensor(s, NULL, 3));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_poll(NULL, &r));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_poll(s, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_wait(NULL, 0, &r));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_wait(s, 0, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_infer(NULL, &f, &r));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_infer(s, NULL, &r));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_infer(s, &f, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_infer_tensor(NULL, tensor, 3, &r));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_infer_tensor(s, NULL, 3, &r));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_infer_tensor(s, tensor, 3, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_cancel(NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_reset(NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_set_deadline(NULL, 1));
    programs(s);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_probabilities(NULL, &borrowed, &classes));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_copy_probabilities(NULL, p, 64));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_summary(NULL, 0, &y));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_why(NULL, 0, text, sizeof text, &needed));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_failure(NULL, text, sizeof text, &needed));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_feedback(NULL, 0));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_statistics(NULL, &n));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_statistics(s, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_candidate_statistics(NULL, 0, &c));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_candidate_statistics(s, 0, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_reset_statistics(NULL));

    frames(s);
    /* This bundle's networks take frames. */
    IS(TRTSEL_INPUT, trtsel_selector_infer_tensor(s, tensor, 3, &r));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_selector_infer_tensor(s, tensor, SIZE_MAX, &r));

    IS(TRTSEL_OK, trtsel_selector_submit(s, &f));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_submit(s, &f));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_infer(s, &f, &r));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_warm_up(s, &f));
    r.struct_size = 39;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_poll(s, &r));
    r.struct_size = sizeof r;
    IS(TRTSEL_OK, trtsel_selector_poll(s, &r));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_poll(s, &r));
    CHECK(r.ran_mask != 0 && r.struct_size == sizeof r);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_probabilities(s, NULL, &classes));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_probabilities(s, &borrowed, NULL));
    IS(TRTSEL_OK, trtsel_selector_probabilities(s, &borrowed, &classes));
    CHECK(classes == info.class_count);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_copy_probabilities(s, NULL, 64));
    IS(TRTSEL_BUFFER_TOO_SMALL, trtsel_selector_copy_probabilities(s, p, classes - 1));
    IS(TRTSEL_OK, trtsel_selector_copy_probabilities(s, p, classes));
    CHECK(memcmp(p, borrowed, classes * sizeof *p) == 0);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_summary(s, r.candidate, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_summary(s, 16, &y));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_summary(s, UINT32_MAX, &y));
    IS(TRTSEL_OK, trtsel_selector_summary(s, r.candidate, &y));
    CHECK(y.class_index == r.class_index && bits_of(y.top1) == bits_of(r.probability));
    y.struct_size = 20;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_summary(s, r.candidate, &y));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_why(s, UINT32_MAX, text, sizeof text, &needed));
    IS(TRTSEL_OK, trtsel_selector_why(s, r.node, NULL, 0, &needed));
    IS(TRTSEL_OK, trtsel_selector_why(s, r.node, text, 5, NULL));
    CHECK(strlen(text) <= 4);
    IS(TRTSEL_OK, trtsel_selector_why(s, r.node, text, sizeof text, &needed));
    CHECK(strlen(text) + 1 == needed);
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_selector_feedback(s, info.class_count));
    IS(TRTSEL_OK, trtsel_selector_feedback(s, r.class_index));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_feedback(s, r.class_index));

    n.struct_size = 135;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_statistics(s, &n));
    n.struct_size = 136; /* the struct without its histogram, which must then stay unwritten */
    n.latency_histogram[0] = 99;
    IS(TRTSEL_OK, trtsel_selector_statistics(s, &n));
    CHECK(n.latency_histogram[0] == 99 && n.fed_back == 1 && n.right == 1 && n.answered > 0);
    n.struct_size = sizeof n;
    IS(TRTSEL_OK, trtsel_selector_statistics(s, &n));
    CHECK(n.inputs == n.answered + n.failed + n.cancelled && n.latency_max_ns >= n.latency_min_ns);
    IS(TRTSEL_NOT_FOUND, trtsel_selector_candidate_statistics(s, info.candidate_count, &c));
    c.struct_size = 47;
    IS(TRTSEL_STRUCT_SIZE, trtsel_selector_candidate_statistics(s, 0, &c));
    c.struct_size = sizeof c;
    IS(TRTSEL_OK, trtsel_selector_candidate_statistics(s, r.candidate, &c));
    CHECK(c.answers == n.answered && c.fed_back == 1 && c.right == 1);
    IS(TRTSEL_OK, trtsel_selector_reset_statistics(s));
    IS(TRTSEL_OK, trtsel_selector_statistics(s, &n));
    CHECK(n.inputs == 0 && n.latency_min_ns == 0 && n.latency_max_ns == 0);

    /* With a deadline of 1 ns no candidate can run in time. */
    IS(TRTSEL_OK, trtsel_selector_set_deadline(s, 1));
    IS(TRTSEL_DEADLINE, trtsel_selector_infer(s, &f, &r));
    IS(TRTSEL_OK, trtsel_selector_set_deadline(s, 0));
    IS(TRTSEL_OK, trtsel_selector_statistics(s, &n));
    CHECK(n.deadline_misses == 1 && n.failed == 1 && n.inputs == 1);

    /* A reload of a wrong premodel is refused and changes nothing; one of a right premodel discards the last result. */
    IS(TRTSEL_NULL_POINTER, trtsel_selector_reload(NULL, premodel));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_reload(s, NULL));
    IS(TRTSEL_IO, trtsel_selector_reload(s, "no such file"));
    IS(TRTSEL_PREMODEL, trtsel_selector_reload(s, premodel));
    CHECK(strstr(trtsel_selector_error(s), "the candidates") != NULL);
    IS(TRTSEL_NULL_POINTER, trtsel_selector_reload_bundle(NULL, bundle));
    IS(TRTSEL_NULL_POINTER, trtsel_selector_reload_bundle(s, NULL));
    IS(TRTSEL_IO, trtsel_selector_reload_bundle(s, "no such folder"));
    IS(TRTSEL_OK, trtsel_selector_submit(s, &f));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_reload_bundle(s, bundle));
    IS(TRTSEL_OK, trtsel_selector_wait(s, 1000, &r));

    /* This premodel reads features, which a tensor does not have. Such an input counts as failed, whichever call it was given to. */
    snprintf(path, sizeof path, "%s/features.json", bundle);
    IS(TRTSEL_OK, trtsel_selector_reload(s, path));
    IS(TRTSEL_OK, trtsel_selector_reset_statistics(s));
    IS(TRTSEL_INPUT, trtsel_selector_submit_tensor(s, tensor, 3));
    IS(TRTSEL_INPUT, trtsel_selector_infer_tensor(s, tensor, 3, &r));
    IS(TRTSEL_OK, trtsel_selector_statistics(s, &n));
    CHECK(n.inputs == 2 && n.failed == 2 && n.answered == 0);

    IS(TRTSEL_OK, trtsel_selector_reload_bundle(s, bundle));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_feedback(s, 0));
    IS(TRTSEL_OK, trtsel_selector_infer(s, &f, &r));

    IS(TRTSEL_OK, trtsel_selector_submit(s, &f));
    IS(TRTSEL_OK, trtsel_selector_cancel(s));
    IS(TRTSEL_OK, trtsel_selector_cancel(s));
    IS(TRTSEL_WRONG_STATE, trtsel_selector_poll(s, &r));
    IS(TRTSEL_OK, trtsel_selector_submit(s, &f));
    IS(TRTSEL_OK, trtsel_selector_reset(s));
    IS(TRTSEL_OK, trtsel_selector_submit(s, &f));
    IS(TRTSEL_OK, trtsel_selector_wait(s, 1000, &r));
    IS(TRTSEL_OK, trtsel_selector_submit(s, &f));
    /* A selector may be closed while an input is in flight. */
    IS(TRTSEL_OK, trtsel_selector_close(s));
}

static void decider(const char* bundle, const char* premodel) {
    trtsel_decider* d = (trtsel_decider*)(uintptr_t)8;
    trtsel_decision todo = {.struct_size = sizeof todo};
    trtsel_summary y = {.struct_size = sizeof y};
    trtsel_answer a = {.struct_size = sizeof a};
    trtsel_program g = {.struct_size = sizeof g};
    float scores[2] = {0, 4}, unsure[2] = {0.1f, 0}, p[2], values[64] = {0};
    char text[100], json[10000];
    const char* name = NULL;
    uint32_t slot = 0;
    size_t bytes, needed;
    FILE* file = fopen(premodel, "rb");
    CHECK(file != NULL);
    bytes = fread(json, 1, sizeof json, file);
    fclose(file);

    IS(TRTSEL_OK, trtsel_decider_close(NULL));
    CHECK(trtsel_decider_error(NULL)[0] != 0);
    IS(TRTSEL_NULL_POINTER, trtsel_decider_open(NULL, &d, text, sizeof text));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_open(premodel, NULL, text, sizeof text));
    IS(TRTSEL_IO, trtsel_decider_open("no such file", &d, text, sizeof text));
    IS(TRTSEL_IO, trtsel_decider_open(bundle, &d, NULL, 0));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_open_memory(NULL, 3, &d, text, sizeof text));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_open_memory(json, bytes, NULL, text, sizeof text));
    IS(TRTSEL_PREMODEL, trtsel_decider_open_memory(json, bytes - 9, &d, text, sizeof text));
    IS(TRTSEL_PREMODEL, trtsel_decider_open_memory(json, 0, &d, text, sizeof text));
    IS(TRTSEL_PREMODEL, trtsel_decider_open_memory("\xff\xff", 2, &d, text, sizeof text));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_open_memory(json, SIZE_MAX, &d, text, sizeof text));
    CHECK(d == (trtsel_decider*)(uintptr_t)8);
    IS(TRTSEL_OK, trtsel_decider_open(premodel, &d, text, sizeof text));
    IS(TRTSEL_OK, trtsel_decider_close(d));
    IS(TRTSEL_OK, trtsel_decider_open_memory(json, bytes, &d, text, sizeof text));

    IS(TRTSEL_NULL_POINTER, trtsel_decider_candidate_name(NULL, 0, &name));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_candidate_name(d, 0, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_candidate_name(d, 16, &name));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_signal_name(NULL, 0, &name));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_signal_name(d, 0, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_signal_name(d, UINT32_MAX, &name));
    IS(TRTSEL_OK, trtsel_decider_signal_name(d, 0, &name));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_signal_slot(NULL, name, &slot));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_signal_slot(d, NULL, &slot));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_signal_slot(d, name, NULL));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_signal_slot(d, "\xff", &slot));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_signal_slot(d, "speed", &slot));
    IS(TRTSEL_OK, trtsel_decider_signal_slot(d, "signal.speed", &slot));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_signal(NULL, slot, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_set_signal(d, UINT32_MAX, 1));
    IS(TRTSEL_OK, trtsel_decider_set_signal(d, slot, 1));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_get_signal(NULL, slot, p));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_get_signal(d, slot, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_get_signal(d, UINT32_MAX, p));
    IS(TRTSEL_OK, trtsel_decider_get_signal(d, slot, p));
    CHECK(p[0] == 1);
    IS(TRTSEL_NULL_POINTER, trtsel_decider_program_count(NULL, &slot));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_program_count(d, NULL));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_program_info(NULL, 0, &g));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_program_info(d, 0, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_program_info(d, 1, &g));
    IS(TRTSEL_OK, trtsel_decider_program_info(d, 0, &g));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_price(NULL, 1));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_set_price(d, -1));
    IS(TRTSEL_PREMODEL, trtsel_decider_set_price(d, 1));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_program(NULL, 0));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_set_program(d, UINT32_MAX));
    IS(TRTSEL_OK, trtsel_decider_set_program(d, 0));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_cost_multiplier(NULL, 0, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_set_cost_multiplier(d, 2, 1));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_set_cost_multiplier(d, 256, 1));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_set_cost_multiplier(d, 0, -1));
    IS(TRTSEL_OK, trtsel_decider_set_cost_multiplier(d, 0, 2));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_reset_control(NULL));
    IS(TRTSEL_OK, trtsel_decider_reset_control(d));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_temperature(NULL, 0, p));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_temperature(d, 0, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_temperature(d, 2, p));
    IS(TRTSEL_OK, trtsel_decider_temperature(d, 1, p));
    CHECK(p[0] == 1);
    IS(TRTSEL_NULL_POINTER, trtsel_decider_weight(NULL, 3, 0, p));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_weight(d, 3, 0, NULL));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_weight(d, 2, 0, p));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_weight(d, 7, 0, p));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_weight(d, 3, 2, p));
    IS(TRTSEL_OK, trtsel_decider_weight(d, 3, 0, p));
    CHECK(p[0] == 0.5f);

    IS(TRTSEL_WRONG_STATE, trtsel_decider_next(d, &todo));
    CHECK(strstr(trtsel_decider_error(d), "begin") != NULL);
    IS(TRTSEL_WRONG_STATE, trtsel_decider_failed(d, 0));
    IS(TRTSEL_WRONG_STATE, trtsel_decider_set_scores(d, 0, TRTSEL_LOGITS, scores, 2));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_begin(NULL));
    IS(TRTSEL_OK, trtsel_decider_begin(d));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_features(NULL, values, 64));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_features(d, NULL, 64));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_set_features(d, values, 3));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_set_features(d, values, SIZE_MAX));
    IS(TRTSEL_OK, trtsel_decider_set_features(d, values, trtsel_feature_count()));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_next(NULL, &todo));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_next(d, NULL));
    todo.struct_size = 31;
    IS(TRTSEL_STRUCT_SIZE, trtsel_decider_next(d, &todo));
    todo.struct_size = sizeof todo;
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    CHECK(todo.kind == TRTSEL_DECIDE_RUN);
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_scores(NULL, todo.candidate, TRTSEL_LOGITS, scores, 2));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_set_scores(d, todo.candidate, TRTSEL_LOGITS, NULL, 2));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_set_scores(d, todo.candidate, 2, scores, 2));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_set_scores(d, todo.candidate, TRTSEL_LOGITS, scores, 1));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_decider_set_scores(d, todo.candidate, TRTSEL_LOGITS, scores, 0));
    IS(TRTSEL_INPUT, trtsel_decider_set_scores(d, todo.candidate, TRTSEL_PROBABILITIES, scores, 2));
    IS(TRTSEL_WRONG_STATE, trtsel_decider_set_scores(d, 1 - todo.candidate, TRTSEL_LOGITS, scores, 2));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_set_scores(d, 16, TRTSEL_LOGITS, scores, 2));
    IS(TRTSEL_OK, trtsel_decider_set_scores(d, todo.candidate, TRTSEL_LOGITS, scores, 2));
    IS(TRTSEL_WRONG_STATE, trtsel_decider_answer(d, &a, NULL, 0));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_failed(NULL, 0));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_failed(d, UINT32_MAX));
    IS(TRTSEL_WRONG_STATE, trtsel_decider_failed(d, 1 - todo.candidate));
    IS(TRTSEL_OK, trtsel_decider_failed(d, todo.candidate));
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    CHECK(todo.kind == TRTSEL_DECIDE_RUN && todo.failed_mask != 0);
    IS(TRTSEL_OK, trtsel_decider_failed(d, todo.candidate));
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    CHECK(todo.kind == TRTSEL_DECIDE_NONE_WORKS && todo.candidate == TRTSEL_NO_CANDIDATE);
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    CHECK(todo.kind == TRTSEL_DECIDE_NONE_WORKS);
    /* First a candidate answers; then an average answers twice, without the scores of its candidates, and with them. */
    IS(TRTSEL_OK, trtsel_decider_begin(d));
    IS(TRTSEL_OK, trtsel_decider_set_features(d, values, trtsel_feature_count()));
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    IS(TRTSEL_OK, trtsel_decider_set_scores(d, todo.candidate, TRTSEL_LOGITS, scores, 2));
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    CHECK(todo.kind == TRTSEL_DECIDE_ANSWER && todo.candidate == 0);
    IS(TRTSEL_NULL_POINTER, trtsel_decider_answer(NULL, &a, p, 2));
    IS(TRTSEL_NULL_POINTER, trtsel_decider_answer(d, NULL, p, 2));
    IS(TRTSEL_BUFFER_TOO_SMALL, trtsel_decider_answer(d, &a, p, 1));
    a.struct_size = 15;
    IS(TRTSEL_STRUCT_SIZE, trtsel_decider_answer(d, &a, p, 2));
    a.struct_size = sizeof a;
    IS(TRTSEL_OK, trtsel_decider_answer(d, &a, p, 2));
    CHECK(a.class_index == 1 && bits_of(a.probability) == bits_of(p[1]) && a.margin > 0.9f);
    for (int with_scores = 0; with_scores < 2; ++with_scores) {
        IS(TRTSEL_OK, trtsel_decider_begin(d));
        IS(TRTSEL_OK, trtsel_decider_set_features(d, values, trtsel_feature_count()));
        while (trtsel_decider_next(d, &todo) == TRTSEL_OK && todo.kind == TRTSEL_DECIDE_RUN) {
            if (with_scores) IS(TRTSEL_OK, trtsel_decider_set_scores(d, todo.candidate, TRTSEL_LOGITS, unsure, 2));
            else IS(TRTSEL_OK, trtsel_decider_set_signal(d, 2, 0.1f));
        }
        CHECK(todo.kind == TRTSEL_DECIDE_ANSWER && todo.answer_mask == 3);
        IS(with_scores ? TRTSEL_OK : TRTSEL_WRONG_STATE, trtsel_decider_answer(d, &a, NULL, 0));
    }
    IS(TRTSEL_NULL_POINTER, trtsel_decider_why(NULL, 0, text, sizeof text, &needed));
    IS(TRTSEL_NOT_FOUND, trtsel_decider_why(d, UINT32_MAX, text, sizeof text, &needed));
    IS(TRTSEL_OK, trtsel_decider_why(d, todo.node, NULL, 0, NULL));
    IS(TRTSEL_OK, trtsel_decider_close(d));

    IS(TRTSEL_NULL_POINTER, trtsel_summarise(TRTSEL_LOGITS, NULL, p, 2, &y));
    IS(TRTSEL_NULL_POINTER, trtsel_summarise(TRTSEL_LOGITS, scores, NULL, 2, &y));
    IS(TRTSEL_NULL_POINTER, trtsel_summarise(TRTSEL_LOGITS, scores, p, 2, NULL));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_summarise(2, scores, p, 2, &y));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_summarise(TRTSEL_LOGITS, scores, p, 0, &y));
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_summarise(TRTSEL_LOGITS, scores, p, SIZE_MAX, &y));
    IS(TRTSEL_INPUT, trtsel_summarise(TRTSEL_PROBABILITIES, scores, p, 2, &y));
    IS(TRTSEL_OK, trtsel_summarise(TRTSEL_LOGITS, scores, p, 2, &y));
    CHECK(y.class_index == 1 && bits_of(y.top1) == bits_of(p[1]));
}

int main(int argc, char** argv) {
    CHECK(argc == 3);
    statics();
    features();
    open_options(argv[1]);
    selector(argv[1], argv[2]);
    decider(argv[1], argv[2]);
    puts("misuse: passed");
    return 0;
}
