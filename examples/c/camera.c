/* A camera loop with a deadline: it reads frames as raw NV12 from stdin, prints an answer to each in time, and prints the
 * statistics of each stage at the end.
 *
 *   cargo rustc --release --lib --crate-type staticlib --no-default-features --features capi,tract
 *   cc -std=c99 -D_POSIX_C_SOURCE=200809L -Iinclude examples/c/camera.c target/release/libtrt_select.a -lpthread -ldl -lm -o camera
 *   ffmpeg -i video.mp4 -pix_fmt nv12 -f rawvideo - | ./camera plans/fashion 1280 720 10 tract
 */
#include <time.h>

#include "pnm.h"

/* Receives the library's log lines. It prints them to stderr; a robot would pass them to its own log. */
static void on_log(void* user, uint32_t level, const char* line) {
    (void)user;
    fprintf(stderr, "trt-select, level %u: %s\n", level, line);
}

static double ms(uint64_t sum_ns, uint64_t count) { return count == 0 ? 0 : (double)sum_ns / (double)count / 1e6; }

int main(int argc, char** argv) {
    if (argc < 5) {
        fprintf(stderr, "usage: camera BUNDLE WIDTH HEIGHT DEADLINE_MS [ENGINE] < frames.nv12\n");
        return 2;
    }
    const uint32_t width = (uint32_t)atoi(argv[2]), height = (uint32_t)atoi(argv[3]);
    const size_t luma = (size_t)width * height;
    const size_t chroma = (size_t)((width + 1) / 2 * 2) * ((height + 1) / 2);
    unsigned char* bytes = (unsigned char*)calloc(luma + chroma + 1, 1);
    trtsel_options options = {.struct_size = sizeof options,
                              .engine = argc > 5 ? engine_of(argv[5]) : TRTSEL_ENGINE_AUTO,
                              .deadline_ns = (uint64_t)(atof(argv[4]) * 1e6),
                              .log = on_log};
    trtsel_selector* selector = NULL;
    char error[512];
    if (bytes == NULL || trtsel_selector_open(argv[1], &options, &selector, error, sizeof error) != TRTSEL_OK) {
        fprintf(stderr, "%s\n", bytes == NULL ? "no memory for a frame" : error);
        free(bytes);
        return 1;
    }
    const trtsel_frame frame = {.struct_size = sizeof frame,
                                .format = TRTSEL_FORMAT_NV12,
                                .width_px = width,
                                .height_px = height,
                                .plane0 = bytes,
                                .plane1 = bytes + luma};
    /* The warm-up allocates all memory that depends on the frame's size, so that the loop does not. */
    int failed = trtsel_selector_warm_up(selector, &frame) != TRTSEL_OK;
    if (failed) fprintf(stderr, "%s\n", trtsel_selector_error(selector));
    while (!failed && fread(bytes, 1, luma + chroma, stdin) == luma + chroma) {
        trtsel_result result = {.struct_size = sizeof result};
        trtsel_status status = trtsel_selector_submit(selector, &frame);
        /* Between two polls the loop may do its own work, since a poll never waits for the GPU. */
        while (status == TRTSEL_OK && (status = trtsel_selector_poll(selector, &result)) == TRTSEL_PENDING) status = TRTSEL_OK;
        if (status == TRTSEL_DEADLINE) {
            puts("no answer in time");
        } else if (status != TRTSEL_OK) {
            fprintf(stderr, "%s\n", trtsel_selector_error(selector));
            failed = 1;
        } else {
            printf("class %u, probability %.3f%s\n", result.class_index, (double)result.probability,
                   result.flags & TRTSEL_LATE ? ", cut short" : "");
        }
    }
    trtsel_statistics s = {.struct_size = sizeof s};
    if (trtsel_selector_statistics(selector, &s) == TRTSEL_OK) {
        printf("%llu inputs, %llu answered, %llu cut short, %llu deadlines missed\n", (unsigned long long)s.inputs,
               (unsigned long long)s.answered, (unsigned long long)s.late, (unsigned long long)s.deadline_misses);
        printf("mean ms: features %.4f, decide %.4f, preprocess %.4f, networks %.4f, all %.4f; largest %.4f\n",
               ms(s.features_sum_ns, s.answered), ms(s.decide_sum_ns, s.answered), ms(s.preprocess_sum_ns, s.answered),
               ms(s.compute_sum_ns, s.answered), ms(s.latency_sum_ns, s.answered), (double)s.latency_max_ns / 1e6);
    }
    trtsel_selector_close(selector);
    free(bytes);
    return failed;
}
