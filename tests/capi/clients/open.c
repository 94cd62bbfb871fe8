/* Opens a bundle with an engine, and prints the status, its group and the text of a failure.
 * open BUNDLE ENGINE   (ENGINE is the number of a TRTSEL_ENGINE_ constant) */
#include "check.h"

int main(int argc, char** argv) {
    trtsel_options o = {.struct_size = sizeof o};
    trtsel_selector* s = NULL;
    char text[1024] = "";
    trtsel_status status;
    CHECK(argc == 3);
    o.engine = (uint32_t)atoi(argv[2]);
    status = trtsel_selector_open(argv[1], &o, &s, text, sizeof text);
    printf("%s group %d: %s\n", trtsel_status_name(status), (int)trtsel_status_group(status), text);
    return trtsel_selector_close(s) == TRTSEL_OK ? 0 : 1;
}
