/* Reads frames from a file, and hashes floats. C99 and C++17. */
#ifndef FRAMES_H
#define FRAMES_H

#include "check.h"

/* Reads the frames that `write_frames` in answers.rs wrote: eight numbers of 32 bits, four of 64 bits, and the planes of each. */
static trtsel_frame* read_frames(const char* path, size_t* count) {
    FILE* file = fopen(path, "rb");
    uint32_t head[8];
    uint64_t sizes[4];
    trtsel_frame* frames = NULL;
    CHECK(file != NULL);
    *count = 0;
    while (fread(head, sizeof head, 1, file) == 1) {
        trtsel_frame* f;
        int plane;
        CHECK(fread(sizes, sizeof sizes, 1, file) == 1);
        frames = (trtsel_frame*)realloc(frames, (*count + 1) * sizeof *frames);
        CHECK(frames != NULL);
        f = &frames[(*count)++];
        memset(f, 0, sizeof *f);
        f->struct_size = (uint32_t)sizeof *f;
        f->format = head[0];
        f->width_px = head[1];
        f->height_px = head[2];
        f->matrix = head[3];
        f->range = head[4];
        f->stride0_bytes = sizes[0];
        f->stride1_bytes = sizes[1];
        for (plane = 0; plane < 2; ++plane) {
            size_t bytes = (size_t)sizes[2 + plane];
            void* memory = NULL;
            if (bytes > 0) {
                memory = malloc(bytes);
                CHECK(memory != NULL && fread(memory, bytes, 1, file) == 1);
            }
            if (plane == 0) {
                f->plane0 = memory;
            } else {
                f->plane1 = memory;
            }
        }
    }
    fclose(file);
    CHECK(*count > 0);
    return frames;
}

static void free_frames(trtsel_frame* frames, size_t count) {
    size_t i;
    for (i = 0; i < count; ++i) {
        free((void*)(uintptr_t)frames[i].plane0);
        free((void*)(uintptr_t)frames[i].plane1);
    }
    free(frames);
}

/* The FNV-1a hash of the bits of floats. */
static uint64_t hash_of(const float* values, size_t count) {
    uint64_t hash = 14695981039346656037u;
    size_t i;
    for (i = 0; i < count; ++i) {
        hash = (hash ^ bits_of(values[i])) * 1099511628211u;
    }
    return hash;
}

#endif
