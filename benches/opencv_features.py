"""The features by OpenCV on the frames of `benches/features.rs`, beside our times of the same run.

usage: python3 benches/opencv_features.py [--rounds N] [--scene scene|noise]

Needs opencv-python-headless and numpy (PyPI). Runs the benchmark with `--json --dump` (cargo builds it), times OpenCV on the
frames that it wrote, runs the benchmark again, and prints both: medians of all rounds, of ours the greater one of the two
runs. OpenCV has one thread (cv2.setNumThreads(1)) and its own choice of vector instructions; every array that can be is
allocated before. The features are the same on the same pixels and the same grid; where OpenCV has another rounding (grey, hue)
its own is taken, since that is its fastest way. That the rest agrees is checked.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

try:
    import cv2
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}; pip install opencv-python-headless numpy")
    sys.exit(0)

BENCH = "cargo bench -q --bench features -- --ratios --json --format rgb8".split()
NAMES = (
    ["pixels"] + ["sum_rgb"] * 3 + ["sum_sq_rgb"] * 3 + ["sum_grey", "sum_sq_grey", "sum_chroma"] + ["hue"] * 7
    + ["dark", "bright", "cells", "inner_cells", "sum_laplacian", "sum_sq_laplacian", "keypoints", "edge_cells"]
    + ["edge_angle"] * 7 + ["edge_length"] * 7 + ["object_width", "object_height"]
)
LEVELS = np.arange(256, dtype=np.float64)


class Whole:
    """The whole-frame group."""

    def __init__(self, image):
        shape = image.shape[:2]
        self.grey, self.high, self.low, self.mask = (np.empty(shape, np.uint8) for _ in range(4))
        self.planes = [np.empty(shape, np.uint8) for _ in range(3)]
        self.hsv = np.empty_like(image)

    def __call__(self, image):
        mean, deviation = cv2.meanStdDev(image)
        mean, deviation = mean.ravel(), deviation.ravel()
        cv2.cvtColor(image, cv2.COLOR_RGB2GRAY, dst=self.grey)
        grey = cv2.calcHist([self.grey], [0], None, [256], [0, 256]).ravel().astype(np.float64)
        cv2.split(image, self.planes)
        r, g, b = self.planes
        cv2.max(cv2.max(r, g, dst=self.high), b, dst=self.high)
        cv2.min(cv2.min(r, g, dst=self.low), b, dst=self.low)
        chroma = cv2.subtract(self.high, self.low, dst=self.high)
        cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL, dst=self.hsv)
        # The mask is anything but 0.
        hue = cv2.calcHist([self.hsv], [0], chroma, [7], [0, 256]).ravel()
        return {
            "mean": mean,
            "mean_square": deviation**2 + mean**2,
            "grey": grey @ LEVELS,
            "grey_square": grey @ LEVELS**2,
            "dark": grey[:32].sum(),
            "bright": grey[224:].sum(),
            "chroma": cv2.sumElems(chroma)[0],
            "hue": hue,
        }


class Grid:
    """The grid group."""

    def __init__(self, image):
        height, width = image.shape[:2]
        long, short = max(width, height), min(width, height)
        self.s = s = max(-(-long // 160), -(-short // 120), 1)
        self.w, self.h = max(width // s, 1), max(height // s, 1)
        self.near, self.far = s // 4, s - 1 - s // 4
        self.taps = np.empty((2 * self.h, 2 * self.w, 3), np.uint8)
        self.grey4 = np.empty((2 * self.h, 2 * self.w), np.uint8)
        self.grey = np.empty((self.h, self.w), np.uint8)
        self.dx, self.dy, self.laplacian = (np.empty((self.h, self.w), np.int16) for _ in range(3))
        self.edges = np.empty((self.h, self.w), np.uint8)
        self.fast = cv2.FastFeatureDetector_create(20, False)

    def __call__(self, image):
        h, w, s = self.h, self.w, self.s
        for i, y in enumerate((self.near, self.far)):
            for j, x in enumerate((self.near, self.far)):
                self.taps[i::2, j::2] = image[y::s, x::s][:h, :w]
        cv2.cvtColor(self.taps, cv2.COLOR_RGB2GRAY, dst=self.grey4)
        # Of a factor of two this is the rounded mean of four, and OpenCV's fastest way to it.
        grey = cv2.resize(self.grey4, (w, h), dst=self.grey, interpolation=cv2.INTER_AREA)
        keypoints = len(self.fast.detect(grey))
        cv2.Laplacian(grey, cv2.CV_16S, dst=self.laplacian, ksize=1)
        _, deviation = cv2.meanStdDev(self.laplacian[1:-1, 1:-1])
        dx = cv2.Sobel(grey, cv2.CV_16S, 1, 0, dst=self.dx, borderType=cv2.BORDER_REPLICATE)
        dy = cv2.Sobel(grey, cv2.CV_16S, 0, 1, dst=self.dy, borderType=cv2.BORDER_REPLICATE)
        edges = cv2.Canny(dx, dy, 100, 200, edges=self.edges, L2gradient=False)
        count, _, stats, _ = cv2.connectedComponentsWithStats(edges, connectivity=8, ltype=cv2.CV_16U)
        areas = stats[1:, cv2.CC_STAT_AREA]
        length = np.bincount(np.clip(np.log2(np.maximum(areas, 2)).astype(np.int64) - 1, 0, 6), minlength=7)
        box = stats[1 + areas.argmax()] if count > 1 else np.zeros(5, np.int32)
        at = np.flatnonzero(edges)
        angle = np.arctan2(dy.ravel()[at].astype(np.float32), dx.ravel()[at].astype(np.float32)) * np.float32(7 / np.pi)
        angle = np.bincount(np.floor(angle).astype(np.int64) % 7, minlength=7)
        return {
            "keypoints": keypoints,
            "deviation": deviation,
            "edge_cells": len(at),
            "edge_length": length,
            "edge_angle": angle,
            "box": (box[cv2.CC_STAT_WIDTH], box[cv2.CC_STAT_HEIGHT]),
        }


def check(ours, whole, grid, where):
    """Equal where OpenCV computes the same integers, near where it rounds otherwise."""
    a = {}
    for name, value in zip(NAMES, ours):
        a.setdefault(name, []).append(value)
    one = lambda name: a[name][0]
    pixels = one("pixels")
    near = lambda got, want, by: np.testing.assert_allclose(got, want, rtol=by, atol=by, err_msg=where)
    near(whole["mean"] * pixels, a["sum_rgb"], 1e-6)
    near(whole["mean_square"] * pixels, a["sum_sq_rgb"], 1e-6)
    near(whole["grey"] / pixels, one("sum_grey") / pixels, 5e-3)
    near(whole["grey_square"] / pixels, one("sum_sq_grey") / pixels, 1e-2)
    assert whole["chroma"] == one("sum_chroma"), where
    near(whole["hue"] / pixels, np.array(a["hue"]) / pixels, 2e-2)
    near(whole["dark"] / pixels, one("dark") / pixels, 1e-2)
    near(whole["bright"] / pixels, one("bright") / pixels, 1e-2)
    # The grid's grey may differ by 1 a cell, which moves few cells over a threshold.
    cells = one("cells")
    near(grid["keypoints"] / cells, one("keypoints") / cells, 1e-2)
    near(grid["edge_cells"] / cells, one("edge_cells") / cells, 2e-2)
    near(grid["edge_length"] / cells, np.array(a["edge_length"]) / cells, 1e-2)
    near(grid["edge_angle"] / cells, np.array(a["edge_angle"]) / cells, 1e-2)


def timed(f, image, pristine, rounds):
    """Median and least µs; before each call the frame is written anew, as in our benchmark."""
    times = []
    for i in range(rounds + 3):
        np.copyto(image, pristine)
        start = time.perf_counter_ns()
        f(image)
        if i >= 3:
            times.append(time.perf_counter_ns() - start)
    times.sort()
    return times[len(times) // 2] / 1e3, times[0] / 1e3


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--scene")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        def ours():
            command = BENCH + ["--dump", folder, "--rounds", str(options.rounds)]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        before = ours()
        theirs = []
        for frame in before["frames"]:
            pristine = np.fromfile(pathlib.Path(frame["file"]), np.uint8).reshape(frame["height"], frame["width"], 3)
            image = pristine.copy()
            whole, grid = Whole(image), Grid(image)
            check(frame["accumulators"], whole(image), grid(image), f"{frame['scene']} {frame['width']}")
            theirs.append((timed(whole, image, pristine, options.rounds), timed(grid, image, pristine, options.rounds)))
        after = ours()
    print(f"OpenCV {cv2.__version__}, numpy {np.__version__}, one thread; ours: {before['implementation']}; {options.rounds} rounds")
    print("µs, median (least)           whole: ours         OpenCV     ratio     grid: ours        OpenCV     ratio   both: ratio")
    for a, b, (whole, grid) in zip(before["frames"], after["frames"], theirs):
        if options.scene not in (None, a["scene"]):
            continue
        times = {}
        for part in ("whole", "grid", "all"):
            median = max(f["times"][part]["median_ns"] for f in (a, b)) / 1e3
            times[part] = (median, min(f["times"][part]["least_ns"] for f in (a, b)) / 1e3)
        line = f"{a['scene']:<6} {a['width']:>4}x{a['height']:<5}"
        for part, other in (("whole", whole), ("grid", grid)):
            mine = times[part]
            line += f" {mine[0]:>9.0f} ({mine[1]:>6.0f}) {other[0]:>7.0f} ({other[1]:>6.0f}) {other[0] / mine[0]:>6.1f}"
        print(line, f"{(whole[0] + grid[0]) / times['all'][0]:>8.1f}")


main()
