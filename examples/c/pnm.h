/* Reads binary PGM (P5) and PPM (P6) images with 8 bits per sample, for the examples. */
#ifndef EXAMPLES_PNM_H
#define EXAMPLES_PNM_H

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trt_select.h"

/* Reads the next number of a header, and skips comments before it; returns 0 where there is no number. */
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
    return number; /* The one space behind the number has been read too. */
}

/* Reads an image into a frame, whose plane0 the caller frees. Returns 0, and prints a line to stderr, where that fails. */
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

/* The engine with this name; TRTSEL_ENGINE_AUTO for any other name. */
static inline uint32_t engine_of(const char* name) {
    if (strcmp(name, "tensorrt") == 0) return TRTSEL_ENGINE_TENSORRT;
    if (strcmp(name, "ort") == 0) return TRTSEL_ENGINE_ORT;
    if (strcmp(name, "tract") == 0) return TRTSEL_ENGINE_TRACT;
    if (strcmp(name, "null") == 0) return TRTSEL_ENGINE_NULL;
    return TRTSEL_ENGINE_AUTO;
}

#endif
