/* Prints the time of one infer of a small tensor on the null engine in ns: the smallest mean of several batches.
 * speed BUNDLE BATCHES BATCH    (BATCHES batches of BATCH infers) */
#include <time.h>

#include "check.h"

static double now_ns(void) {
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char** argv) {
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL};
    trtsel_selector* s = NULL;
    trtsel_result r = {.struct_size = sizeof r};
    const float tensor[4] = {1, 2, 3, 4};
    double best = 1e18;
    int batch, i, batches, size;
    CHECK(argc == 4);
    batches = atoi(argv[2]);
    size = atoi(argv[3]);
    IS(TRTSEL_OK, trtsel_selector_open(argv[1], &o, &s, NULL, 0));
    for (batch = 0; batch < batches; ++batch) {
        const double start = now_ns();
        double mean;
        for (i = 0; i < size; ++i) IS(TRTSEL_OK, trtsel_selector_infer_tensor(s, tensor, 4, &r));
        mean = (now_ns() - start) / size;
        if (mean < best) best = mean;
    }
    printf("%.2f\n", best);
    return trtsel_selector_close(s);
}
