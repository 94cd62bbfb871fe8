#!/usr/bin/env python3
"""Computes the accumulators of frames with numpy and OpenCV and compares them with features.json.

    check_features.py FOLDER features.json

FOLDER holds frames.json and the planes of every frame; the test `opencv_agrees` makes it. Nothing here is shared with
the Rust code: pixels are converted from the documented formulas, edges come from cv2.Canny, corners from cv2's FAST,
components from cv2.connectedComponentsWithStats, angles from arctan2. Exits 1 on the first frame that differs.
"""

import json
import pathlib
import sys

import cv2
import numpy as np

KR_KB = {"Bt601": (0.299, 0.114), "Bt709": (0.2126, 0.0722)}


def plane(folder, i, number, rows, row_bytes, stride):
    data = np.frombuffer((folder / f"{i}.plane{number}").read_bytes(), np.uint8)
    return np.stack([data[y * stride : y * stride + row_bytes] for y in range(rows)])


def yuv_to_rgb(y, cb, cr, frame):
    kr, kb = KR_KB[frame["matrix"]]
    kg = 1 - kr - kb
    limited = frame["range"] == "Limited"
    sy, sc, black = (255 / 219, 255 / 224, 16) if limited else (1.0, 1.0, 0)
    one = 65536
    cy, rv, bu = (round(one * v) for v in (sy, sc * 2 * (1 - kr), sc * 2 * (1 - kb)))
    gu, gv = round(one * sc * 2 * kb * (1 - kb) / kg), round(one * sc * 2 * kr * (1 - kr) / kg)
    y, u, v = y.astype(np.int64) - black, cb.astype(np.int64) - 128, cr.astype(np.int64) - 128
    parts = (cy * y + rv * v, cy * y - gu * u - gv * v, cy * y + bu * u)
    rgb = np.stack([np.clip((p + 32768) >> 16, 0, 255) for p in parts], -1)
    # The same in floating point: the fixed-point formula must be the nearest integer, or next to it at a tie.
    exact = np.stack(
        [
            sy * y + 2 * (1 - kr) * sc * v,
            sy * y - 2 * kb * (1 - kb) / kg * sc * u - 2 * kr * (1 - kr) / kg * sc * v,
            sy * y + 2 * (1 - kb) * sc * u,
        ],
        -1,
    )
    assert np.abs(np.clip(exact, 0, 255) - rgb).max() <= 0.51
    return rgb


def to_rgb(folder, i, frame):
    w, h, stride = frame["width"], frame["height"], frame["stride"]
    kind = frame["format"]
    if kind in ("rgb8", "bgr8", "rgba8"):
        n = 4 if kind == "rgba8" else 3
        rgb = plane(folder, i, 0, h, n * w, stride).reshape(h, w, n)[..., :3]
        return (rgb[..., ::-1] if kind == "bgr8" else rgb).astype(np.int64)
    if kind == "gray8":
        return np.repeat(plane(folder, i, 0, h, w, stride)[..., None], 3, 2).astype(np.int64)
    half = (w + 1) // 2
    if kind == "nv12":
        y = plane(folder, i, 0, h, w, stride)
        c = plane(folder, i, 1, (h + 1) // 2, 2 * half, frame["chroma_stride"]).reshape(-1, half, 2)
        c = np.repeat(np.repeat(c, 2, 0), 2, 1)[:h, :w]
        return yuv_to_rgb(y, c[..., 0], c[..., 1], frame)
    groups = plane(folder, i, 0, h, 4 * half, stride).reshape(h, half, 4)
    y = groups[..., [0, 2]].reshape(h, 2 * half)[:, :w]
    return yuv_to_rgb(y, np.repeat(groups[..., 1], 2, 1)[:, :w], np.repeat(groups[..., 3], 2, 1)[:, :w], frame)


def whole(rgb):
    flat = rgb.reshape(-1, 3)
    r, g, b = flat.T
    grey = (77 * r + 150 * g + 29 * b + 128) >> 8
    big, small = flat.max(1), flat.min(1)
    chroma = big - small
    with np.errstate(divide="ignore", invalid="ignore"):
        sixths = np.where(big == r, ((g - b) / chroma) % 6, np.where(big == g, (b - r) / chroma + 2, (r - g) / chroma + 4))
    coloured = chroma > 0
    # Floating point cannot tell the boundaries apart: 1e-9 is less than any other distance to one.
    hue = np.bincount(np.floor(sixths[coloured] * 7 / 6 + 1e-9).astype(int), minlength=7)
    # OpenCV's own hue, in degrees, in single precision: equal but for pixels at a boundary.
    degrees = cv2.cvtColor((rgb / 255).astype(np.float32), cv2.COLOR_RGB2HSV)[..., 0].reshape(-1)[coloured]
    position = degrees.astype(np.float64) * 7 / 360
    doubtful = (np.abs(position - np.round(position)) < 1e-4).sum()
    theirs = np.bincount(np.floor(position).astype(int) % 7, minlength=7)
    assert np.abs(theirs - hue).sum() <= 2 * doubtful, ("hue by OpenCV", theirs, hue, doubtful)
    return {
        "pixels": len(flat),
        "sum_rgb": flat.sum(0),
        "sum_sq_rgb": (flat**2).sum(0),
        "sum_grey": grey.sum(),
        "sum_sq_grey": (grey**2).sum(),
        "sum_chroma": chroma.sum(),
        "hue": hue,
        "dark": (grey < 32).sum(),
        "bright": (grey >= 224).sum(),
    }


def sample_grid(rgb):
    h, w = rgb.shape[:2]
    s = max(1, -(-max(w, h) // 160), -(-min(w, h) // 120))
    gw, gh = max(1, w // s), max(1, h // s)
    grey = (rgb @ np.array([77, 150, 29]) + 128) >> 8
    offsets = (s // 4, s - 1 - s // 4)
    total = np.zeros((gh, gw), np.int64)
    for oy in offsets:
        for ox in offsets:
            ys = np.minimum(np.arange(gh) * s + oy, h - 1)
            xs = np.minimum(np.arange(gw) * s + ox, w - 1)
            total += grey[np.ix_(ys, xs)]
    return ((total + 2) >> 2).astype(np.uint8)


def grid(grey):
    h, w = grey.shape
    out = {"cells": w * h, "inner_cells": max(0, w - 2) * max(0, h - 2)}
    laplacian = cv2.Laplacian(grey, cv2.CV_64F, ksize=1)[1:-1, 1:-1]
    out["sum_laplacian"], out["sum_sq_laplacian"] = laplacian.sum(), (laplacian**2).sum()
    corners = cv2.FastFeatureDetector_create(20, False, cv2.FAST_FEATURE_DETECTOR_TYPE_9_16)
    out["keypoints"] = len(corners.detect(grey)) if min(w, h) >= 7 else 0
    edges = cv2.Canny(grey, 100, 200) > 0
    out["edge_cells"] = edges.sum()
    dx = cv2.Sobel(grey, cv2.CV_64F, 1, 0, borderType=cv2.BORDER_REPLICATE)[edges]
    dy = cv2.Sobel(grey, cv2.CV_64F, 0, 1, borderType=cv2.BORDER_REPLICATE)[edges]
    angle = np.floor((np.arctan2(dy, dx) / np.pi % 1.0) * 7).astype(int) % 7
    out["edge_angle"] = np.bincount(angle, minlength=7)
    n, labels, stats, _ = cv2.connectedComponentsWithStats(edges.astype(np.uint8), connectivity=8)
    cells = stats[1:, cv2.CC_STAT_AREA]
    out["edge_length"] = np.histogram(cells, [1, 4, 8, 16, 32, 64, 128, 10**9])[0]
    out["object_width"] = out["object_height"] = 0
    if n > 1:
        largest = np.flatnonzero(cells == cells.max()) + 1
        # Of equals, the one whose first cell comes first in raster order.
        first = min(largest, key=lambda k: np.flatnonzero(labels.ravel() == k)[0])
        out["object_width"] = stats[first, cv2.CC_STAT_WIDTH]
        out["object_height"] = stats[first, cv2.CC_STAT_HEIGHT]
    return out


def main():
    folder, golden = pathlib.Path(sys.argv[1]), json.loads(pathlib.Path(sys.argv[2]).read_text())
    frames = json.loads((folder / "frames.json").read_text())
    assert [f["name"] for f in frames] == [g["name"] for g in golden], "frames and golden file differ in their names"
    wrong = 0
    for i, (frame, entry) in enumerate(zip(frames, golden)):
        rgb = to_rgb(folder, i, frame)
        mine = {**whole(rgb), **grid(sample_grid(rgb))}
        assert mine.keys() == entry["accumulators"].keys()
        for key, want in entry["accumulators"].items():
            if np.atleast_1d(mine[key]).tolist() != np.atleast_1d(want).tolist():
                wrong += 1
                print(f"{entry['name']}: {key}: golden {want}, OpenCV {np.atleast_1d(mine[key]).tolist()}")
    print(f"OpenCV {cv2.__version__}: {len(frames)} frames, {wrong} differences")
    sys.exit(1 if wrong else 0)


main()
