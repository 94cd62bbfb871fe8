/* Uses selectors from several threads on the null engine, as the header's rules allow it.
 * threads BUNDLE INPUTS MODE, where MODE is:
 *   two      two selectors, each used by a thread of its own
 *   handed   one selector that two threads use in turns, under a mutex of this program
 *   watched  one selector that one thread uses, while another thread reads names and statistics all the time
 *   clash    one selector that two threads use at once: a call that clashes with another one returns TRTSEL_BUSY and does
 *            nothing */
#include <pthread.h>

#include "check.h"

static unsigned char pixels[28 * 28];
static int inputs;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int with_mutex, with_clash;

static trtsel_selector* open_null(const char* bundle) {
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL};
    trtsel_selector* s = NULL;
    IS(TRTSEL_OK, trtsel_selector_open(bundle, &o, &s, NULL, 0));
    return s;
}

struct counts {
    trtsel_selector* s;
    uint64_t done, busy;
};

static void* infer(void* user) {
    struct counts* c = (struct counts*)user;
    trtsel_frame f = {.struct_size = sizeof f, .format = TRTSEL_FORMAT_GRAY8, .width_px = 28, .height_px = 28};
    trtsel_result r = {.struct_size = sizeof r};
    int i;
    f.plane0 = pixels;
    for (i = 0; i < inputs; ++i) {
        trtsel_status status;
        if (with_mutex) CHECK(pthread_mutex_lock(&mutex) == 0);
        status = trtsel_selector_infer(c->s, &f, &r);
        if (with_mutex) CHECK(pthread_mutex_unlock(&mutex) == 0);
        if (with_clash && status == TRTSEL_BUSY) {
            ++c->busy;
        } else {
            IS(TRTSEL_OK, status);
            ++c->done;
        }
    }
    return NULL;
}

static void* watch(void* user) {
    const struct counts* c = (const struct counts*)user;
    trtsel_statistics n = {.struct_size = sizeof n};
    trtsel_candidate_statistics k = {.struct_size = sizeof k};
    trtsel_info info = {.struct_size = sizeof info};
    const char* name = NULL;
    uint64_t before = 0;
    do {
        IS(TRTSEL_OK, trtsel_selector_statistics(c->s, &n));
        IS(TRTSEL_OK, trtsel_selector_candidate_statistics(c->s, 0, &k));
        IS(TRTSEL_OK, trtsel_selector_info(c->s, &info));
        IS(TRTSEL_OK, trtsel_selector_candidate_name(c->s, 0, &name));
        CHECK(n.inputs >= before && strlen(name) > 0);
        before = n.inputs;
    } while (n.answered < (uint64_t)inputs);
    return NULL;
}

int main(int argc, char** argv) {
    pthread_t threads[2];
    struct counts c[2] = {{NULL, 0, 0}, {NULL, 0, 0}};
    trtsel_statistics n = {.struct_size = sizeof n};
    int two, watched;
    CHECK(argc == 4);
    inputs = atoi(argv[2]);
    two = strcmp(argv[3], "two") == 0;
    watched = strcmp(argv[3], "watched") == 0;
    with_mutex = strcmp(argv[3], "handed") == 0;
    with_clash = strcmp(argv[3], "clash") == 0;
    CHECK(two || watched || with_mutex || with_clash);
    c[0].s = open_null(argv[1]);
    c[1].s = two ? open_null(argv[1]) : c[0].s;
    CHECK(pthread_create(&threads[0], NULL, infer, &c[0]) == 0);
    CHECK(pthread_create(&threads[1], NULL, watched ? watch : infer, &c[1]) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0 && pthread_join(threads[1], NULL) == 0);
    IS(TRTSEL_OK, trtsel_selector_statistics(c[0].s, &n));
    CHECK(n.answered == (two ? c[0].done : c[0].done + c[1].done) && n.failed == 0);
    CHECK(c[0].done + c[0].busy == (uint64_t)inputs);
    if (two) IS(TRTSEL_OK, trtsel_selector_close(c[1].s));
    IS(TRTSEL_OK, trtsel_selector_close(c[0].s));
    printf("threads: %s passed, busy %llu\n", argv[3], (unsigned long long)(c[0].busy + c[1].busy));
    return 0;
}
