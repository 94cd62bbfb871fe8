/* Checks that print the place where they failed, for all clients. C99 and C++17. */
#ifndef CHECK_H
#define CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trt_select.h"

#define CHECK(what)                                                             \
    do {                                                                        \
        if (!(what)) {                                                          \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);  \
            exit(1);                                                            \
        }                                                                       \
    } while (0)

/* Checks that a call returns the expected status. */
#define IS(status, call)                                                                                    \
    do {                                                                                                    \
        trtsel_status is_ = (call);                                                                         \
        if (is_ != (status)) {                                                                              \
            fprintf(stderr, "%s:%d: %s: expected %s, got %s\n", __FILE__, __LINE__, #call,                  \
                    trtsel_status_name(status), trtsel_status_name(is_));                                   \
            exit(1);                                                                                        \
        }                                                                                                   \
    } while (0)

/* The bits of a float as a number, for exact comparison. */
static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

#endif
