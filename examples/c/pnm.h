/* Binary PGM (P5) and PPM (P6) of 8 bits a sample, for the examples. */
#ifndef EXAMPLES_PNM_H
#define EXAMPLES_PNM_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "trt_select.h"

/* The next number of a header, comments skipped; 0 where there is none. */
static inline unsigned pnm_number(FILE* file) {
    int c = fgetc(file);
    unsigned number = 0;
    while (isspace(c) || c == '#') {
        if (c == '#') {
            while (c != '\n' && c != EOF) c = fgetc(file);
        } else {
            c = fgetc(file);
        }
    }
    while (isdigit(c) && number < 100000) {
        number = 10 * number + (unsigned)(c - '0');
        c = fgetc(file);
    }
    return number; /* with the one space behind it */
}

/* Reads an image into a frame whose plane0 is to be freed; 0, with a line on stderr, where it cannot. */
static inline int pnm_read(const char* path, trtsel_frame* frame) {
    FILE* file = fopen(path, "rb");
    int kind = 0;
    unsigned width, height, most;
    size_t bytes;
    unsigned char* pixels;
    if (file == NULL || fgetc(file) != 'P' || ((kind = fgetc(file)) != '5' && kind != '6')) {
        fprintf(stderr, "%s: expected a binary PGM or PPM file, got none; convert the image\n", path);
        if (file != NULL) fclose(file);
        return 0;
    }
    width = pnm_number(file);
    height = pnm_number(file);
    most = pnm_number(file);
    bytes = (size_t)width * height * (kind == '5' ? 1 : 3);
    pixels = bytes > 0 && most == 255 ? (unsigned char*)malloc(bytes) : NULL;
    if (pixels == NULL || fread(pixels, 1, bytes, file) != bytes) {
        fprintf(stderr, "%s: expected a whole image of 8 bits a sample, got another; convert it\n", path);
        free(pixels);
        fclose(file);
        return 0;
    }
    fclose(file);
    *frame = (trtsel_frame){.struct_size = sizeof *frame,
                            .format = kind == '5' ? TRTSEL_FORMAT_GRAY8 : TRTSEL_FORMAT_RGB8,
                            .width_px = width,
                            .height_px = height,
                            .plane0 = pixels};
    return 1;
}

/* An engine by its name; TRTSEL_ENGINE_AUTO for others. */
static inline uint32_t engine_of(const char* name) {
    switch (name[0] == '\0' ? '\0' : name[1]) {
        case 'e': return TRTSEL_ENGINE_TENSORRT; /* tensorrt */
        case 'r': return name[0] == 'o' ? TRTSEL_ENGINE_ORT : TRTSEL_ENGINE_TRACT;
        case 'u': return name[0] == 'n' ? TRTSEL_ENGINE_NULL : TRTSEL_ENGINE_AUTO;
        default: return TRTSEL_ENGINE_AUTO;
    }
}

#endif
