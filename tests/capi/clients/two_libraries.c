/* Calls two Rust libraries in turns. The other one also panics, and catches its panics itself. two BUNDLE */
#include "check.h"

extern uint64_t second_sum(uint32_t n);

int main(int argc, char** argv) {
    trtsel_options o = {.struct_size = sizeof o, .engine = TRTSEL_ENGINE_NULL};
    trtsel_selector* s = NULL;
    static unsigned char pixels[28 * 28];
    trtsel_frame f = {.struct_size = sizeof f, .format = TRTSEL_FORMAT_GRAY8, .width_px = 28, .height_px = 28};
    trtsel_result r = {.struct_size = sizeof r};
    uint32_t i;
    CHECK(argc == 2);
    f.plane0 = pixels;
    IS(TRTSEL_OK, trtsel_selector_open(argv[1], &o, &s, NULL, 0));
    for (i = 0; i < 100; ++i) {
        CHECK(second_sum(i) == (uint64_t)i * (i - (i > 0)) / 2);
        IS(TRTSEL_OK, trtsel_selector_infer(s, &f, &r));
    }
    IS(TRTSEL_OK, trtsel_selector_close(s));
    puts("two libraries: passed");
    return 0;
}
