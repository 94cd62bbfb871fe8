//! The golden accumulators, and their check with OpenCV.
//!
//! `TRT_SELECT_REGENERATE=1 cargo test --test features` writes the golden file anew. `TRT_SELECT_PYTHON` names a Python with numpy and
//! OpenCV for the check (default `python3`).

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use trt_select::features::{FEATURE_COUNT, FEATURES, Features, Groups, Workspace, derive};
use trt_select_cuda::Accumulators;

use crate::patterns::{Sample, samples};

fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub(crate) fn to_json(a: &Accumulators) -> Value {
    // The pattern names every field, so that a new field cannot be forgotten here.
    let Accumulators {
        pixels,
        sum_rgb,
        sum_sq_rgb,
        sum_grey,
        sum_sq_grey,
        sum_chroma,
        hue,
        dark,
        bright,
        cells,
        inner_cells,
        sum_laplacian,
        sum_sq_laplacian,
        keypoints,
        edge_cells,
        edge_angle,
        edge_length,
        object_width,
        object_height,
    } = *a;
    json!({
        "pixels": pixels,
        "sum_rgb": sum_rgb,
        "sum_sq_rgb": sum_sq_rgb,
        "sum_grey": sum_grey,
        "sum_sq_grey": sum_sq_grey,
        "sum_chroma": sum_chroma,
        "hue": hue,
        "dark": dark,
        "bright": bright,
        "cells": cells,
        "inner_cells": inner_cells,
        "sum_laplacian": sum_laplacian,
        "sum_sq_laplacian": sum_sq_laplacian,
        "keypoints": keypoints,
        "edge_cells": edge_cells,
        "edge_angle": edge_angle,
        "edge_length": edge_length,
        "object_width": object_width,
        "object_height": object_height,
    })
}

/// The golden file's text, with one line for each frame, so that a diff shows which frames changed.
fn render(samples: &[Sample]) -> String {
    let mut workspace = Workspace::new();
    let lines: Vec<String> = samples
        .iter()
        .map(|s| {
            let a = Features::compute(&s.frame(), Groups::ALL, &mut workspace);
            json!({ "name": s.name, "accumulators": to_json(&a) }).to_string()
        })
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

#[test]
fn accumulators_equal_the_golden_ones() {
    let samples = samples();
    let got = render(&samples);
    let path = golden_path("features.json");
    if std::env::var_os("TRT_SELECT_REGENERATE").is_some() {
        std::fs::write(&path, &got).unwrap();
    }
    let want = std::fs::read_to_string(&path).unwrap();
    let (got, want): (Value, Value) = (serde_json::from_str(&got).unwrap(), serde_json::from_str(&want).unwrap());
    let (got, want) = (got.as_array().unwrap(), want.as_array().unwrap());
    assert_eq!(got.len(), want.len());
    for (g, w) in got.iter().zip(want) {
        assert_eq!(g, w, "{}", w["name"]);
    }
}

#[test]
fn derived_features_are_in_range() {
    let mut workspace = Workspace::new();
    for s in samples() {
        let a = Features::compute(&s.frame(), Groups::ALL, &mut workspace);
        let mut values = [f32::NAN; FEATURE_COUNT];
        derive(&a, &mut values);
        for (v, info) in values.iter().zip(&FEATURES) {
            assert!((info.min..=info.max).contains(v), "{}: {} = {v}", s.name, info.name);
        }
    }
}

/// Every part of every accumulator is non-zero in some frame, since otherwise the golden file would not test it.
#[test]
fn golden_frames_exercise_everything() {
    let mut workspace = Workspace::new();
    let all: Vec<Value> =
        samples().iter().map(|s| to_json(&Features::compute(&s.frame(), Groups::ALL, &mut workspace))).collect();
    for (key, first) in all[0].as_object().unwrap() {
        for i in 0..first.as_array().map_or(1, Vec::len) {
            let set = all.iter().any(|a| {
                let v = &a[key];
                v.get(i).unwrap_or(v).as_i64() != Some(0)
            });
            assert!(set, "{key}[{i}] is 0 in every frame");
        }
    }
}

/// Runs `check_features.py`, which computes the same numbers with numpy and OpenCV.
#[test]
fn opencv_agrees() {
    let python = std::env::var("TRT_SELECT_PYTHON").unwrap_or_else(|_| "python3".into());
    let usable = Command::new(&python).args(["-c", "import cv2, numpy"]).output().is_ok_and(|o| o.status.success());
    if !usable {
        println!("skipped: {python} with cv2 and numpy not found; pip install opencv-python-headless numpy");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut frames = Vec::new();
    for (i, s) in samples().iter().enumerate() {
        std::fs::write(folder.path().join(format!("{i}.plane0")), &s.plane0).unwrap();
        std::fs::write(folder.path().join(format!("{i}.plane1")), &s.plane1).unwrap();
        frames.push(json!({
            "name": s.name,
            "format": s.format.name(),
            "matrix": format!("{:?}", s.matrix),
            "range": format!("{:?}", s.range),
            "width": s.width,
            "height": s.height,
            "stride": s.stride,
            "chroma_stride": s.chroma_stride,
        }));
    }
    std::fs::write(folder.path().join("frames.json"), Value::Array(frames).to_string()).unwrap();
    let output = Command::new(&python)
        .arg(golden_path("check_features.py"))
        .arg(folder.path())
        .arg(golden_path("features.json"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{out}");
    assert!(output.status.success(), "{out}{err}");
}
