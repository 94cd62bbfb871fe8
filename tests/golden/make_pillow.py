#!/usr/bin/env python3
"""Makes the golden images of tests/preprocess_golden.rs with Pillow.

    python3 tests/golden/make_pillow.py

writes tests/golden/pillow/*.rgb and *.grey: raw bytes, row by row. The sizes and offsets of the crop are those of
torchvision's Resize and CenterCrop. Made with Pillow 9.4.0; its 8-bit resampling has not changed since version 2.7.
"""

import math
import pathlib

from PIL import Image

OUT = pathlib.Path(__file__).parent / "pillow"
WIDTH, HEIGHT = 97, 61


def picture():
    """Ramps, a disc, stripes of one pixel and noise: smooth parts, edges, and the highest frequency."""
    state = 12345
    data = bytearray()
    for y in range(HEIGHT):
        for x in range(WIDTH):
            state = (state * 1664525 + 1013904223) % 2**32
            if (x - 30) ** 2 + (y - 25) ** 2 < 300:
                rgb = (250, 20 + 3 * y, 10)
            elif x > 70:
                rgb = (255 * (x % 2), 255 * (y % 2), 255 * ((x + y) % 2))
            elif y > 45:
                rgb = (state >> 24, state >> 16 & 255, state >> 8 & 255)
            else:
                rgb = (x * 255 // 96, y * 255 // 60, (x + y) * 255 // 156)
            data += bytes(rgb)
    return Image.frombytes("RGB", (WIDTH, HEIGHT), bytes(data))


def shorter_side_crop(image, size, fraction, how):
    """torchvision: Resize(round(size / fraction)), CenterCrop(size)."""
    short = round(size / fraction)
    w, h = image.size
    w, h = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    left, top = int(round((w - size) / 2.0)), int(round((h - size) / 2.0))
    return image.resize((w, h), how).crop((left, top, left + size, top + size))


def main():
    OUT.mkdir(exist_ok=True)
    image = picture()
    grey = Image.frombytes("L", image.size, image.tobytes()[1::3])
    portrait = image.transpose(Image.Transpose.TRANSPOSE)
    cubic, linear = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
    made = {
        "picture_97x61.rgb": image,
        "stretch_bicubic_32x32.rgb": image.resize((32, 32), cubic),
        "stretch_bicubic_64x48.rgb": image.resize((64, 48), cubic),
        "stretch_bicubic_120x80.rgb": image.resize((120, 80), cubic),
        "stretch_bicubic_97x20.rgb": image.resize((97, 20), cubic),
        "stretch_bilinear_64x48.rgb": image.resize((64, 48), linear),
        "stretch_bilinear_120x80.rgb": image.resize((120, 80), linear),
        "crop_bicubic_28x28.rgb": shorter_side_crop(image, 28, 0.875, cubic),
        "crop_bicubic_70x70.rgb": shorter_side_crop(image, 70, 0.875, cubic),
        "crop_portrait_bicubic_28x28.rgb": shorter_side_crop(portrait, 28, 0.875, cubic),
        "stretch_bicubic_32x32.grey": grey.resize((32, 32), cubic),
    }
    for name, result in made.items():
        (OUT / name).write_bytes(result.tobytes())


main()
