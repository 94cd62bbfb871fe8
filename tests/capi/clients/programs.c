/* Switches among the programs of a premodel: by a price, by a number, by what a candidate costs, through a selector and a decider, without
 * allocating. An input in flight keeps its program.
 * programs BUNDLE    (its premodel has three programs: 0 is the chosen one, 1 always runs candidate 1, 2 always candidate 0) */
#include "check.h"

#include <math.h>

extern uint64_t trtsel_malloc_count_of_thread(void) __attribute__((weak));

static uint64_t allocations(void) {
    return trtsel_malloc_count_of_thread != NULL ? trtsel_malloc_count_of_thread() : 0;
}

static unsigned char pixels[28 * 28];
static trtsel_frame frame = {.struct_size = sizeof frame, .format = TRTSEL_FORMAT_GRAY8, .width_px = 28, .height_px = 28,
                              .plane0 = pixels};

/* The program that decides on the next input, which must be the one that the selector names. */
static uint32_t decided(trtsel_selector* s) {
    trtsel_result r = {.struct_size = sizeof r};
    uint32_t current = 99;
    IS(TRTSEL_OK, trtsel_selector_current_program(s, &current));
    IS(TRTSEL_OK, trtsel_selector_infer(s, &frame, &r));
    CHECK(r.program == current);
    CHECK(r.program == 0 || r.answer_mask == (r.program == 1 ? 2u : 1u));
    return r.program;
}

static void selector(const char* bundle) {
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL, .log_level = TRTSEL_LOG_ERROR};
    trtsel_program p[3];
    trtsel_result r = {.struct_size = sizeof r};
    trtsel_selector* s;
    uint32_t count = 0;
    uint64_t before;
    char text[200];
    IS(TRTSEL_OK, trtsel_selector_open(bundle, &o, &s, NULL, 0));
    IS(TRTSEL_OK, trtsel_selector_program_count(s, &count));
    CHECK(count == 3);
    for (uint32_t i = 0; i < 3; ++i) {
        p[i].struct_size = sizeof p[i];
        IS(TRTSEL_OK, trtsel_selector_program_info(s, i, &p[i]));
        CHECK(p[i].is_chosen == (i == 0) && (p[i].node_count == 2) == (i > 0) && p[i].reads_features == (i == 0));
        CHECK(p[i].reward_low < p[i].reward && p[i].reward < p[i].reward_high && p[i].worst_case_ns > 0);
    }
    CHECK(p[0].price == 0.0625 && isnan(p[1].price) && p[1].cost_ns == 10e6 && p[1].reward == 0.875);
    CHECK(fabs(p[2].over_best_single + 0.25) < 1e-12 && p[2].over_best_single_low < p[2].over_best_single);
    IS(TRTSEL_OK, trtsel_selector_warm_up(s, &frame));

    before = allocations();
    CHECK(decided(s) == 0);
    IS(TRTSEL_OK, trtsel_selector_set_price(s, 0));
    CHECK(decided(s) == 1);
    IS(TRTSEL_OK, trtsel_selector_set_price(s, 1));
    CHECK(decided(s) == 2);
    IS(TRTSEL_OK, trtsel_selector_set_price(s, 0.025));
    CHECK(decided(s) == 0);
    /* A slow large candidate: of the programs that run it, the chosen one gets too dear. */
    IS(TRTSEL_OK, trtsel_selector_set_cost_multiplier(s, 1, 4));
    CHECK(decided(s) == 2);
    IS(TRTSEL_OK, trtsel_selector_set_program(s, 1));
    CHECK(decided(s) == 1);
    IS(TRTSEL_OK, trtsel_selector_reset_control(s));
    CHECK(decided(s) == 0);
    IS(TRTSEL_INVALID_ARGUMENT, trtsel_selector_set_price(s, -1));
    IS(TRTSEL_NOT_FOUND, trtsel_selector_set_program(s, 3));
    CHECK(decided(s) == 0);

    /* The program is that of the submit. */
    IS(TRTSEL_OK, trtsel_selector_set_program(s, 2));
    IS(TRTSEL_OK, trtsel_selector_submit(s, &frame));
    IS(TRTSEL_OK, trtsel_selector_set_program(s, 1));
    IS(TRTSEL_OK, trtsel_selector_wait(s, UINT64_MAX, &r));
    CHECK(r.program == 2 && r.answer_mask == 1);
    CHECK(allocations() == before);
    IS(TRTSEL_OK, trtsel_selector_why(s, r.node, text, sizeof text, NULL));
    CHECK(strcmp(text, "ran small") == 0);
    CHECK(decided(s) == 1);
    IS(TRTSEL_OK, trtsel_selector_reset(s));
    CHECK(decided(s) == 0);
    IS(TRTSEL_OK, trtsel_selector_close(s));
}

/* The candidate that a decider asks for first. */
static trtsel_decision first(trtsel_decider* d) {
    trtsel_decision todo = {.struct_size = sizeof todo};
    IS(TRTSEL_OK, trtsel_decider_begin(d));
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    return todo;
}

static void decider(const char* bundle) {
    const float scores[4] = {0, 3, 0, 0};
    trtsel_program p = {.struct_size = sizeof p};
    trtsel_decider* d;
    trtsel_decision todo;
    uint32_t count = 0;
    uint64_t before;
    char file[1000], text[200];
    snprintf(file, sizeof file, "%s/premodel.json", bundle);
    IS(TRTSEL_OK, trtsel_decider_open(file, &d, NULL, 0));
    IS(TRTSEL_OK, trtsel_decider_program_count(d, &count));
    IS(TRTSEL_OK, trtsel_decider_program_info(d, 1, &p));
    CHECK(count == 3 && p.cost_ns == 10e6 && p.is_chosen == 0);
    before = allocations();
    CHECK(first(d).program == 0);
    IS(TRTSEL_OK, trtsel_decider_set_price(d, 0));
    todo = first(d);
    CHECK(todo.program == 1 && todo.kind == TRTSEL_DECIDE_RUN && todo.candidate == 1);
    /* What is set now is for the next input. */
    IS(TRTSEL_OK, trtsel_decider_set_program(d, 2));
    IS(TRTSEL_OK, trtsel_decider_set_scores(d, 1, TRTSEL_LOGITS, scores, 4));
    IS(TRTSEL_OK, trtsel_decider_next(d, &todo));
    CHECK(todo.program == 1 && todo.kind == TRTSEL_DECIDE_ANSWER && todo.candidate == 1);
    CHECK(allocations() == before);
    IS(TRTSEL_OK, trtsel_decider_why(d, todo.node, text, sizeof text, NULL));
    CHECK(strcmp(text, "ran large") == 0);
    todo = first(d);
    CHECK(todo.program == 2 && todo.candidate == 0);
    IS(TRTSEL_OK, trtsel_decider_reset_control(d));
    IS(TRTSEL_OK, trtsel_decider_set_cost_multiplier(d, 1, 100));
    CHECK(first(d).program == 2);
    IS(TRTSEL_OK, trtsel_decider_close(d));
}

int main(int argc, char** argv) {
    CHECK(argc == 2);
    selector(argv[1]);
    decider(argv[1]);
    printf("programs: passed; allocations %s\n", trtsel_malloc_count_of_thread != NULL ? "counted" : "unknown");
    return 0;
}
