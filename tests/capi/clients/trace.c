/* Decides with a premodel on rows of given outputs, and writes every request and every signal as words, as `trace` in agree.rs
 * does.
 * trace PREMODEL ROWS CLASSES KINDS OWN...    (KINDS has a character for each candidate, 0 for logits and 1 for probabilities;
 * each OWN is the slot of a signal of the caller's own) */
#include "check.h"

#include <stdlib.h>

static trtsel_decider* d;
static uint32_t signals;

static void put(uint32_t word) { fwrite(&word, sizeof word, 1, stdout); }

/* Asks for the next decision, and writes it as one word, followed by all signals. Returns whether the decision is to run a
 * candidate. */
static int step(trtsel_decision* todo) {
    uint32_t i;
    IS(TRTSEL_OK, trtsel_decider_next(d, todo));
    switch (todo->kind) {
        case TRTSEL_DECIDE_RUN: put(1u << 24 | todo->candidate << 16); break;
        case TRTSEL_DECIDE_ANSWER:
            put(todo->candidate == TRTSEL_NO_CANDIDATE ? 3u << 24 | todo->answer_mask : 2u << 24 | todo->candidate << 16);
            break;
        default: put(0);
    }
    for (i = 0; i < signals; ++i) {
        float value = 0;
        IS(TRTSEL_OK, trtsel_decider_get_signal(d, i, &value));
        put(bits_of(value));
    }
    return todo->kind == TRTSEL_DECIDE_RUN;
}

int main(int argc, char** argv) {
    const char *kinds, *name;
    size_t classes, i;
    float *scores, *probabilities, own;
    FILE* rows;
    CHECK(argc >= 5);
    IS(TRTSEL_OK, trtsel_decider_open(argv[1], &d, NULL, 0));
    while (trtsel_decider_signal_name(d, signals, &name) == TRTSEL_OK) ++signals;
    rows = fopen(argv[2], "rb");
    CHECK(rows != NULL);
    classes = (size_t)atoi(argv[3]);
    kinds = argv[4];
    scores = malloc(strlen(kinds) * classes * sizeof *scores);
    probabilities = malloc(classes * sizeof *probabilities);
    for (;;) {
        trtsel_decision todo = {.struct_size = sizeof todo};
        IS(TRTSEL_OK, trtsel_decider_begin(d));
        for (i = 5; i < (size_t)argc && fread(&own, sizeof own, 1, rows) == 1; ++i) {
            IS(TRTSEL_OK, trtsel_decider_set_signal(d, (uint32_t)atoi(argv[i]), own));
        }
        if (fread(scores, sizeof *scores * classes, strlen(kinds), rows) != strlen(kinds)) break;
        while (step(&todo)) {
            const uint32_t kind = kinds[todo.candidate] == '0' ? TRTSEL_LOGITS : TRTSEL_PROBABILITIES;
            const float* given = scores + todo.candidate * classes;
            const trtsel_status status = trtsel_decider_set_scores(d, todo.candidate, kind, given, classes);
            CHECK(status == TRTSEL_OK || status == TRTSEL_INPUT);
            if (status == TRTSEL_INPUT) IS(TRTSEL_OK, trtsel_decider_failed(d, todo.candidate));
        }
        if (todo.kind == TRTSEL_DECIDE_ANSWER) {
            trtsel_answer answer = {.struct_size = sizeof answer};
            uint32_t hash = 0x811c9dc5u;
            IS(TRTSEL_OK, trtsel_decider_answer(d, &answer, probabilities, classes));
            for (i = 0; i < classes; ++i) hash = (hash ^ bits_of(probabilities[i])) * 0x01000193u;
            put(1);
            put(answer.class_index);
            put(bits_of(answer.probability));
            put(bits_of(answer.margin));
            put(hash);
        } else {
            put(0);
        }
        put(0xff000000u | todo.node);
    }
    free(scores);
    free(probabilities);
    fclose(rows);
    return trtsel_decider_close(d) == TRTSEL_OK ? 0 : 1;
}
