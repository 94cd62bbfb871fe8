/* A program that runs its networks itself, and asks a premodel which one to run next, and when to answer. The library that it
 * links needs no engine.
 *
 *   cargo rustc --release --lib --crate-type staticlib --no-default-features --features capi
 *   cc -std=c99 -Iinclude examples/c/own_inference.c target/release/libtrt_select.a -lpthread -ldl -lm -o own_inference
 *   ./own_inference plans/fashion/premodel.json shoe.pgm
 */
#include "pnm.h"

#define CLASSES 10

/* Stands for the program's own inference: it writes a candidate's class scores for the frame. */
static void my_network(uint32_t candidate, const trtsel_frame* frame, float logits[CLASSES]) {
    const unsigned char* pixels = (const unsigned char*)frame->plane0;
    const size_t count = (size_t)frame->width_px * frame->height_px;
    for (size_t k = 0; k < CLASSES; ++k) {
        logits[k] = (float)(candidate + 1) * (float)pixels[k * count / CLASSES] / 128.0f;
    }
}

int main(int argc, char** argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: own_inference PREMODEL.json IMAGE.pgm\n");
        return 2;
    }
    trtsel_decider* decider = NULL;
    trtsel_features* features = NULL;
    trtsel_frame frame;
    char error[512] = "features: no memory";
    float values[64], logits[CLASSES];
    if (trtsel_decider_open(argv[1], &decider, error, sizeof error) != TRTSEL_OK ||
        trtsel_features_open(&features) != TRTSEL_OK || !pnm_read(argv[2], &frame)) {
        fprintf(stderr, "%s\n", error);
        trtsel_decider_close(decider);
        trtsel_features_close(features);
        return 1;
    }
    trtsel_status status = trtsel_features_compute(features, &frame, NULL, values, trtsel_feature_count());
    if (status == TRTSEL_OK) status = trtsel_decider_begin(decider);
    if (status == TRTSEL_OK) status = trtsel_decider_set_features(decider, values, trtsel_feature_count());
    trtsel_decision todo = {.struct_size = sizeof todo};
    while (status == TRTSEL_OK && (status = trtsel_decider_next(decider, &todo)) == TRTSEL_OK &&
           todo.kind == TRTSEL_DECIDE_RUN) {
        const char* name = "";
        trtsel_decider_candidate_name(decider, todo.candidate, &name);
        printf("run %s\n", name);
        my_network(todo.candidate, &frame, logits);
        status = trtsel_decider_set_scores(decider, todo.candidate, TRTSEL_LOGITS, logits, CLASSES);
    }
    if (status == TRTSEL_OK && todo.kind == TRTSEL_DECIDE_ANSWER) {
        char why[512] = "";
        trtsel_answer answer = {.struct_size = sizeof answer};
        trtsel_decider_why(decider, todo.node, why, sizeof why, NULL);
        status = trtsel_decider_answer(decider, &answer, NULL, 0);
        if (todo.candidate == TRTSEL_NO_CANDIDATE) {
            printf("answer with the average of candidates 0x%x", todo.answer_mask);
        } else {
            printf("answer with candidate %u", todo.candidate);
        }
        printf(" (class %u, probability %.4f): %s\n", answer.class_index, answer.probability, why);
    } else {
        fprintf(stderr, "%s: %s\n", trtsel_status_name(status), trtsel_decider_error(decider));
    }
    free((void*)(uintptr_t)frame.plane0);
    trtsel_features_close(features);
    trtsel_decider_close(decider);
    return status == TRTSEL_OK ? 0 : 1;
}
