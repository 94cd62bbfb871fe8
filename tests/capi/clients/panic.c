/* A panic within a call becomes the status TRTSEL_PANIC, and every later call on the handle but error and close returns
 * TRTSEL_POISONED. Needs a library that was built with the feature capi-test-panic. panic BUNDLE PREMODEL */
#include "check.h"

extern void trtsel_test_panic(uint32_t calls);

static unsigned char pixels[28 * 28];
static trtsel_frame frame = {.struct_size = sizeof frame, .format = TRTSEL_FORMAT_GRAY8, .width_px = 28, .height_px = 28};
static trtsel_result result = {.struct_size = sizeof result};
static const char* bundle;
static const char* premodel;

static trtsel_selector* open_selector(void) {
    trtsel_selector* s = NULL;
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL};
    IS(TRTSEL_OK, trtsel_selector_open(bundle, &o, &s, NULL, 0));
    IS(TRTSEL_OK, trtsel_selector_infer(s, &frame, &result));
    return s;
}

static trtsel_decider* open_decider(void) {
    trtsel_decider* d = NULL;
    IS(TRTSEL_OK, trtsel_decider_open(premodel, &d, NULL, 0));
    IS(TRTSEL_OK, trtsel_decider_begin(d));
    return d;
}

static trtsel_features* open_features(void) {
    trtsel_features* h = NULL;
    IS(TRTSEL_OK, trtsel_features_open(&h));
    return h;
}

/* Opens a handle, makes the call panic, checks that the handle is poisoned, and closes it. `tells` says whether the call leaves
 * the text of the panic; calls with a `const` handle do not. */
#define POISONS(kind, call, tells)                                                          \
    do {                                                                                    \
        trtsel_##kind* h = open_##kind();                                                   \
        const char* told;                                                                   \
        trtsel_test_panic(1);                                                               \
        IS(TRTSEL_PANIC, call);                                                             \
        told = trtsel_##kind##_error(h);                                                    \
        CHECK(!(tells) || strstr(told, "a test asked for it") != NULL);                     \
        IS(TRTSEL_POISONED, call);                                                          \
        IS(TRTSEL_POISONED, call);                                                          \
        IS(TRTSEL_OK, trtsel_##kind##_close(h));                                            \
    } while (0)

int main(int argc, char** argv) {
    char text[300];
    float values[64];
    const float* borrowed;
    const char* name;
    size_t count;
    uint32_t number;
    trtsel_selector* s = NULL;
    trtsel_decider* d = NULL;
    trtsel_features* f = NULL;
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL};
    trtsel_info info = {.struct_size = sizeof info};
    trtsel_answer answer = {.struct_size = sizeof answer};
    trtsel_memory memory = {.struct_size = sizeof memory};
    trtsel_summary summary = {.struct_size = sizeof summary};
    trtsel_statistics statistics = {.struct_size = sizeof statistics};
    trtsel_candidate_statistics of_candidate = {.struct_size = sizeof of_candidate};
    trtsel_decision todo = {.struct_size = sizeof todo};
    trtsel_program program = {.struct_size = sizeof program};
    CHECK(argc == 3);
    bundle = argv[1];
    premodel = argv[2];
    frame.plane0 = pixels;

    /* Calls that have no handle. */
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_selector_open(bundle, &o, &s, text, sizeof text));
    CHECK(s == NULL && strstr(text, "a test asked for it") != NULL);
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_decider_open(premodel, &d, text, sizeof text));
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_decider_open_memory("{}", 2, &d, text, 4));
    CHECK(d == NULL && strlen(text) == 3);
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_features_open(&f));
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_feature_number("contrast", &number));
    trtsel_test_panic(1);
    CHECK(trtsel_feature_name(0) == NULL);
    CHECK(trtsel_feature_name(0) != NULL);
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_summarise(TRTSEL_LOGITS, values, values + 32, 2, &summary));

    POISONS(selector, trtsel_selector_info(h, &info), 0);
    POISONS(selector, trtsel_selector_candidate_name(h, 0, &name), 0);
    POISONS(selector, trtsel_selector_label(h, 0, &name), 0);
    POISONS(selector, trtsel_selector_signal_name(h, 0, &name), 0);
    POISONS(selector, trtsel_selector_signal_slot(h, "x", &number), 0);
    POISONS(selector, trtsel_selector_statistics(h, &statistics), 0);
    POISONS(selector, trtsel_selector_candidate_statistics(h, 0, &of_candidate), 0);
    POISONS(selector, trtsel_selector_memory(h, 0, &memory), 1);
    POISONS(selector, trtsel_selector_reset_statistics(h), 1);
    POISONS(selector, trtsel_selector_warm_up(h, &frame), 1);
    POISONS(selector, trtsel_selector_submit(h, &frame), 1);
    POISONS(selector, trtsel_selector_submit_tensor(h, values, 2), 1);
    POISONS(selector, trtsel_selector_poll(h, &result), 1);
    POISONS(selector, trtsel_selector_wait(h, 0, &result), 1);
    POISONS(selector, trtsel_selector_infer(h, &frame, &result), 1);
    POISONS(selector, trtsel_selector_infer_tensor(h, values, 2, &result), 1);
    POISONS(selector, trtsel_selector_cancel(h), 1);
    POISONS(selector, trtsel_selector_reset(h), 1);
    POISONS(selector, trtsel_selector_set_deadline(h, 0), 1);
    POISONS(selector, trtsel_selector_program_count(h, &number), 0);
    POISONS(selector, trtsel_selector_program_info(h, 0, &program), 0);
    POISONS(selector, trtsel_selector_set_price(h, 0), 1);
    POISONS(selector, trtsel_selector_set_program(h, 0), 1);
    POISONS(selector, trtsel_selector_set_cost_multiplier(h, 0, 1), 1);
    POISONS(selector, trtsel_selector_reset_control(h), 1);
    POISONS(selector, trtsel_selector_current_program(h, &number), 1);
    POISONS(selector, trtsel_selector_reload(h, premodel), 1);
    POISONS(selector, trtsel_selector_reload_bundle(h, bundle), 1);
    POISONS(selector, trtsel_selector_set_signal(h, 0, 0), 1);
    POISONS(selector, trtsel_selector_probabilities(h, &borrowed, &count), 1);
    POISONS(selector, trtsel_selector_copy_probabilities(h, values, 64), 1);
    POISONS(selector, trtsel_selector_summary(h, 0, &summary), 1);
    POISONS(selector, trtsel_selector_why(h, 0, text, sizeof text, &count), 1);
    POISONS(selector, trtsel_selector_failure(h, text, sizeof text, &count), 1);
    POISONS(selector, trtsel_selector_feedback(h, 0), 1);

    POISONS(decider, trtsel_decider_candidate_name(h, 0, &name), 0);
    POISONS(decider, trtsel_decider_signal_name(h, 0, &name), 0);
    POISONS(decider, trtsel_decider_signal_slot(h, "x", &number), 0);
    POISONS(decider, trtsel_decider_set_signal(h, 0, 0), 1);
    POISONS(decider, trtsel_decider_get_signal(h, 0, values), 1);
    POISONS(decider, trtsel_decider_begin(h), 1);
    POISONS(decider, trtsel_decider_set_features(h, values, 64), 1);
    POISONS(decider, trtsel_decider_next(h, &todo), 1);
    POISONS(decider, trtsel_decider_set_scores(h, 0, TRTSEL_LOGITS, values, 2), 1);
    POISONS(decider, trtsel_decider_answer(h, &answer, NULL, 0), 1);
    POISONS(decider, trtsel_decider_program_count(h, &number), 0);
    POISONS(decider, trtsel_decider_program_info(h, 0, &program), 0);
    POISONS(decider, trtsel_decider_set_price(h, 0), 1);
    POISONS(decider, trtsel_decider_set_program(h, 0), 1);
    POISONS(decider, trtsel_decider_set_cost_multiplier(h, 0, 1), 1);
    POISONS(decider, trtsel_decider_reset_control(h), 1);
    POISONS(decider, trtsel_decider_temperature(h, 0, values), 0);
    POISONS(decider, trtsel_decider_weight(h, 3, 0, values), 0);
    POISONS(decider, trtsel_decider_failed(h, 0), 1);
    POISONS(decider, trtsel_decider_why(h, 0, text, sizeof text, &count), 1);

    POISONS(features, trtsel_features_compute(h, &frame, NULL, values, 64), 1);

    /* The panic happens before close frees anything, so close returns the status, and the handle can be closed again. */
    s = open_selector();
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_selector_close(s));
    IS(TRTSEL_OK, trtsel_selector_close(s));
    d = open_decider();
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_decider_close(d));
    IS(TRTSEL_OK, trtsel_decider_close(d));
    f = open_features();
    trtsel_test_panic(1);
    IS(TRTSEL_PANIC, trtsel_features_close(f));
    IS(TRTSEL_OK, trtsel_features_close(f));
    puts("panic: passed");
    return 0;
}
