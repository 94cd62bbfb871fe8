/* Prints a bundle's answer to each frame of a file as one line, and then counts the heap allocations of further rounds over the
 * frames.
 * answers BUNDLE ENGINE FRAMES ROUNDS   (ENGINE is the number of a TRTSEL_ENGINE_ constant) */
#include "frames.h"

/* A function of tests/doubles/libcuda/count_malloc.c; its address is NULL unless that library is preloaded. */
extern uint64_t trtsel_malloc_count_of_thread(void) __attribute__((weak));

static uint64_t allocations(void) {
    return &trtsel_malloc_count_of_thread != NULL ? trtsel_malloc_count_of_thread() : 0;
}

/* Gets the result of one frame: by a blocking call, or by submit and poll. Both must give the same answers. */
static trtsel_status once(trtsel_selector* s, const trtsel_frame* f, int polling, trtsel_result* r) {
    trtsel_status status;
    if (!polling) return trtsel_selector_infer(s, f, r);
    status = trtsel_selector_submit(s, f);
    if (status != TRTSEL_OK) return status;
    do {
        status = trtsel_selector_poll(s, r);
    } while (status == TRTSEL_PENDING);
    return status;
}

int main(int argc, char** argv) {
    trtsel_options o = {.struct_size = sizeof o};
    trtsel_selector* s = NULL;
    trtsel_result r = {.struct_size = sizeof r};
    trtsel_result first = r;
    char text[300];
    size_t count, i;
    uint32_t slot = 0;
    int own, round, rounds;
    uint64_t before, sum = 0;
    trtsel_frame* frames;
    CHECK(argc == 5);
    o.engine = (uint32_t)atoi(argv[2]);
    rounds = atoi(argv[4]);
    frames = read_frames(argv[3], &count);
    if (trtsel_selector_open(argv[1], &o, &s, text, sizeof text) != TRTSEL_OK) {
        fprintf(stderr, "answers: %s\n", text);
        return 1;
    }
    own = trtsel_selector_signal_slot(s, "speed", &slot) == TRTSEL_OK;
    for (i = 0; i < count; ++i) IS(TRTSEL_OK, trtsel_selector_warm_up(s, &frames[i]));
    for (i = 0; i < count; ++i) {
        const float* p = NULL;
        size_t classes = 0;
        if (own) IS(TRTSEL_OK, trtsel_selector_set_signal(s, slot, (float)(i % 7)));
        IS(TRTSEL_OK, once(s, &frames[i], 0, &r));
        IS(TRTSEL_OK, trtsel_selector_probabilities(s, &p, &classes));
        printf("%zu: class %u %08x candidate %u answer %x ran %x failed %x node %u flags %u p %016llx\n", i, r.class_index,
               bits_of(r.probability), r.candidate, r.answer_mask, r.ran_mask, r.failed_mask, r.node, r.flags,
               (unsigned long long)hash_of(p, classes));
    }
    if (own) IS(TRTSEL_OK, trtsel_selector_set_signal(s, slot, 1));
    before = allocations();
    for (round = 0; round < rounds; ++round) {
        for (i = 0; i < count; ++i) {
            IS(TRTSEL_OK, once(s, &frames[i], round & 1, &r));
            sum += r.class_index + r.node;
            if (i == 0 && round > 0) CHECK(r.class_index == first.class_index && r.node == first.node);
            if (i == 0) first = r;
        }
    }
    fprintf(stderr, "allocations: %s %llu in %llu inputs (%llu)\n",
            &trtsel_malloc_count_of_thread != NULL ? "counted" : "unknown", (unsigned long long)(allocations() - before),
            (unsigned long long)rounds * count, (unsigned long long)sum);
    IS(TRTSEL_OK, trtsel_selector_close(s));
    free_frames(frames, count);
    return 0;
}
