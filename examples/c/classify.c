/* Classifies one image, with as little code as possible.
 *
 *   cargo rustc --release --lib --crate-type staticlib --no-default-features --features capi,tract
 *   cc -std=c99 -Iinclude examples/c/classify.c target/release/libtrt_select.a -lpthread -ldl -lm -o classify
 *   ./classify plans/fashion shoe.pgm [auto|tensorrt|ort|tract|null]
 *
 * (With the feature tensorrt, add -lstdc++.)
 */
#include "pnm.h"

int main(int argc, char** argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: classify BUNDLE IMAGE.pgm [ENGINE]\n");
        return 2;
    }
    trtsel_options options = {.struct_size = sizeof options, .engine = argc > 3 ? engine_of(argv[3]) : TRTSEL_ENGINE_AUTO};
    trtsel_selector* selector = NULL;
    char error[512];
    if (trtsel_selector_open(argv[1], &options, &selector, error, sizeof error) != TRTSEL_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    trtsel_frame frame;
    if (!pnm_read(argv[2], &frame)) {
        trtsel_selector_close(selector);
        return 1;
    }
    int failed = 0;
    trtsel_result result = {.struct_size = sizeof result};
    if (trtsel_selector_infer(selector, &frame, &result) == TRTSEL_OK) {
        const char* label = "";
        const char* candidate = "an average";
        char why[512] = "";
        trtsel_selector_label(selector, result.class_index, &label);
        trtsel_selector_candidate_name(selector, result.candidate, &candidate);
        trtsel_selector_why(selector, result.node, why, sizeof why, NULL);
        printf("class %u %s, probability %.3f, by %s in %.3f ms: %s\n", result.class_index, label,
               (double)result.probability, candidate, (double)result.times.total_ns / 1e6, why);
    } else {
        fprintf(stderr, "%s\n", trtsel_selector_error(selector));
        failed = 1;
    }
    free((void*)(uintptr_t)frame.plane0);
    trtsel_selector_close(selector);
    return failed;
}
