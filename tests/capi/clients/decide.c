/* Decides with a premodel on logits that were computed elsewhere, and prints its decisions.
 * decide PREMODEL LOGITS    (LOGITS is a file that holds, for each image, 10 floats for each candidate) */
#include <stdio.h>
#include <string.h>
#include <trt_select.h>

#define CLASSES 10
#define CANDIDATES 4

int main(int argc, char** argv) {
    float logits[CANDIDATES][CLASSES];
    char error[512] = "usage: decide PREMODEL LOGITS";
    trtsel_decider* decider = NULL;
    FILE* file = argc == 3 ? fopen(argv[2], "rb") : NULL;
    if (!file || trtsel_decider_open(argv[1], &decider, error, sizeof error) != TRTSEL_OK) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    for (int i = 0; fread(logits, sizeof logits, 1, file) == 1; ++i) {
        trtsel_decision todo = {.struct_size = sizeof todo};
        trtsel_answer answer = {.struct_size = sizeof answer};
        uint32_t bits;
        trtsel_status status = trtsel_decider_begin(decider);
        while (status == TRTSEL_OK && (status = trtsel_decider_next(decider, &todo)) == TRTSEL_OK &&
               todo.kind == TRTSEL_DECIDE_RUN) {
            status = trtsel_decider_set_scores(decider, todo.candidate, TRTSEL_LOGITS, logits[todo.candidate], CLASSES);
        }
        if (status == TRTSEL_OK) status = trtsel_decider_answer(decider, &answer, NULL, 0);
        if (status != TRTSEL_OK) {
            fprintf(stderr, "%s\n", trtsel_decider_error(decider));
            return 1;
        }
        memcpy(&bits, &answer.probability, sizeof bits);
        printf("%d ran %x answer %x node %u class %u p %08x\n", i, todo.ran_mask, todo.answer_mask, todo.node,
               answer.class_index, bits);
    }
    fclose(file);
    return trtsel_decider_close(decider) == TRTSEL_OK ? 0 : 1;
}
