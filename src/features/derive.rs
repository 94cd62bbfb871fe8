//! The table of the features, and how each is computed from the accumulators.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::Accumulators;

use super::{Groups, Needs};

/// Number of features in [`FEATURES`].
pub const FEATURE_COUNT: usize = 34;

/// A description of one feature.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FeatureInfo {
    /// The feature's name in files and messages.
    pub name: &'static str,
    /// The unit of its values; `1` for shares and ratios.
    pub unit: &'static str,
    /// The smallest possible value, in `unit`.
    pub min: f32,
    /// The largest possible value, in `unit`.
    pub max: f32,
    /// The group of accumulators that it is computed from.
    pub group: Groups,
    /// The accumulators that it is computed from.
    pub needs: Needs,
    /// Its formula, in the field names of [`Accumulators`], with its value where a denominator is 0.
    pub formula: &'static str,
    /// The paper or other source that defines it.
    pub source: &'static str,
}

const PAPER: &str = "Taylor et al., Adaptive Selection of Deep Learning Models on Embedded Systems, LCTES 2018";
const OWN: &str = "trt-select";
const HUE: &str = "hue[k] / sum of hue; 0 for a frame without colour";
const LENGTH: &str = "edge_length[k]: components of edge cells of that length";
const ANGLE: &str = "edge_angle[k] / edge_cells; 0 for a frame without edges";

const fn row(name: &'static str, unit: &'static str, max: f32, needs: Needs, formula: &'static str) -> FeatureInfo {
    FeatureInfo { name, unit, min: 0.0, max, group: needs.groups(), needs, formula, source: PAPER }
}

/// What the features need that are shares of `edge_cells`.
const ANGLES: Needs = Needs::EDGES.union(Needs::ANGLES);

const fn own(mut info: FeatureInfo) -> FeatureInfo {
    info.source = OWN;
    info
}

/// All features in their public order. New ones are only ever appended. In formulas and units, `level` is one step of 8-bit brightness,
/// and `cell` is one cell of the grid.
///
/// ```
/// use trt_select::features::{FEATURE_COUNT, FEATURES, Groups};
/// assert_eq!(FEATURES.len(), FEATURE_COUNT);
/// let contrast = FEATURES.iter().find(|feature| feature.name == "contrast").unwrap();
/// assert_eq!(contrast.group, Groups::WHOLE);
/// ```
pub const FEATURES: [FeatureInfo; FEATURE_COUNT] = [
    row("keypoints", "cells", 19_200.0, Needs::KEYPOINTS, "keypoints: corner cells by FAST-9/16, threshold 20"),
    row("brightness_average", "level", 255.0, Needs::GREY, "sum_grey / pixels"),
    row("brightness_rms", "level", 255.0, Needs::GREY, "sqrt(sum_sq_grey / pixels)"),
    row(
        "brightness_perceived",
        "level",
        255.0,
        Needs::RGB,
        "sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2) of the channel means sum_rgb / pixels",
    ),
    row(
        "brightness_perceived_rms",
        "level",
        255.0,
        Needs::RGB_SQUARES,
        "sqrt(0.241 R^2 + 0.691 G^2 + 0.068 B^2) of the channel RMS, R^2 = sum_sq_rgb / pixels",
    ),
    row(
        "contrast",
        "level",
        127.5,
        Needs::GREY,
        "standard deviation of grey: sqrt(pixels sum_sq_grey - sum_grey^2) / pixels",
    ),
    row("hue1", "1", 1.0, Needs::HUE, HUE),
    row("hue2", "1", 1.0, Needs::HUE, HUE),
    row("hue3", "1", 1.0, Needs::HUE, HUE),
    row("hue4", "1", 1.0, Needs::HUE, HUE),
    row("hue5", "1", 1.0, Needs::HUE, HUE),
    row("hue6", "1", 1.0, Needs::HUE, HUE),
    row("hue7", "1", 1.0, Needs::HUE, HUE),
    row("edge_length1", "components", 4_800.0, Needs::EDGES, LENGTH),
    row("edge_length2", "components", 4_800.0, Needs::EDGES, LENGTH),
    row("edge_length3", "components", 2_400.0, Needs::EDGES, LENGTH),
    row("edge_length4", "components", 1_200.0, Needs::EDGES, LENGTH),
    row("edge_length5", "components", 600.0, Needs::EDGES, LENGTH),
    row("edge_length6", "components", 300.0, Needs::EDGES, LENGTH),
    row("edge_length7", "components", 150.0, Needs::EDGES, LENGTH),
    row("edge_angle1", "1", 1.0, ANGLES, ANGLE),
    row("edge_angle2", "1", 1.0, ANGLES, ANGLE),
    row("edge_angle3", "1", 1.0, ANGLES, ANGLE),
    row("edge_angle4", "1", 1.0, ANGLES, ANGLE),
    row("edge_angle5", "1", 1.0, ANGLES, ANGLE),
    row("edge_angle6", "1", 1.0, ANGLES, ANGLE),
    row("edge_angle7", "1", 1.0, ANGLES, ANGLE),
    row(
        "area_by_perimeter",
        "cells",
        240.0 / 7.0,
        Needs::EDGES,
        "w h / (2 (w + h)) of the largest component's box, object_width x object_height; 0 without edges",
    ),
    row("aspect_ratio", "1", 160.0, Needs::EDGES, "object_width / object_height; 0 without edges"),
    own(row(
        "saturation",
        "level",
        255.0,
        Needs::CHROMA,
        "mean chroma: sum_chroma / pixels, chroma = max - min of R, G, B",
    )),
    own(row("dark", "1", 1.0, Needs::CLIP, "dark / pixels: share of pixels with grey below 32")),
    own(row("bright", "1", 1.0, Needs::CLIP, "bright / pixels: share of pixels with grey at or above 224")),
    own(row("edge_density", "1", 1.0, Needs::EDGES, "edge_cells / cells")),
    own(row(
        "sharpness",
        "level^2",
        1_040_400.0,
        Needs::LAPLACIAN,
        "variance of the Laplacian: (inner_cells sum_sq_laplacian - sum_laplacian^2) / inner_cells^2; 0 without inner cells",
    )),
];

/// The index in [`FEATURES`] of the feature with this name; `None` where there is none.
///
/// ```
/// use trt_select::features::{FEATURES, feature_index};
/// let at = feature_index("brightness_average").unwrap();
/// assert_eq!(FEATURES[at].name, "brightness_average");
/// assert_eq!(feature_index("no such feature"), None);
/// ```
pub fn feature_index(name: &str) -> Option<usize> {
    FEATURES.iter().position(|f| f.name == name)
}

/// a / b, or 0 if b is 0.
fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// n·squares − sum², without rounding. It cannot be negative for real sums; for sums that were rounded elsewhere, 0 is returned where it
/// would be.
fn spread(n: u64, sum: u64, squares: u64) -> f64 {
    (u128::from(n) * u128::from(squares)).saturating_sub(u128::from(sum) * u128::from(sum)) as f64
}

fn perceived(squares: [f64; 3]) -> f64 {
    (0.241 * squares[0] + 0.691 * squares[1] + 0.068 * squares[2]).sqrt()
}

/// Computes the features from the accumulators and writes them to `out` in the order of [`FEATURES`]: as many as `out` has room for.
/// Elements of `out` beyond [`FEATURE_COUNT`] are not changed.
///
/// A feature is 0 if its accumulators were not computed or its denominator is 0. No value is ever NaN or infinite.
pub fn derive(a: &Accumulators, out: &mut [f32]) {
    let mut values = [0.0f32; FEATURE_COUNT];
    fill(a, &mut values);
    for (o, v) in out.iter_mut().zip(values) {
        *o = v;
    }
}

fn fill(a: &Accumulators, out: &mut [f32; FEATURE_COUNT]) {
    let mut next = out.iter_mut();
    let mut push = |value: f64| {
        if let Some(o) = next.next() {
            *o = value as f32;
        }
    };
    let means = a.sum_rgb.map(|sum| ratio(sum, a.pixels));
    let mean_squares = a.sum_sq_rgb.map(|sum| ratio(sum, a.pixels));

    push(a.keypoints as f64);
    push(ratio(a.sum_grey, a.pixels));
    push(ratio(a.sum_sq_grey, a.pixels).sqrt());
    push(perceived(means.map(|m| m * m)));
    push(perceived(mean_squares));
    let deviation = spread(a.pixels, a.sum_grey, a.sum_sq_grey).sqrt();
    push(if a.pixels == 0 { 0.0 } else { deviation / a.pixels as f64 });
    let coloured = a.hue.iter().fold(0u64, |sum, &n| sum.saturating_add(n));
    a.hue.iter().for_each(|&n| push(ratio(n, coloured)));
    a.edge_length.iter().for_each(|&n| push(n as f64));
    a.edge_angle.iter().for_each(|&n| push(ratio(n, a.edge_cells)));
    let (w, h) = (a.object_width as f64, a.object_height as f64);
    push(if w + h > 0.0 { w * h / (2.0 * (w + h)) } else { 0.0 });
    push(ratio(a.object_width, a.object_height));
    push(ratio(a.sum_chroma, a.pixels));
    push(ratio(a.dark, a.pixels));
    push(ratio(a.bright, a.pixels));
    push(ratio(a.edge_cells, a.cells));
    let inner = a.inner_cells as f64;
    let laplacian = spread(a.inner_cells, a.sum_laplacian.unsigned_abs(), a.sum_sq_laplacian);
    push(if a.inner_cells == 0 { 0.0 } else { laplacian / (inner * inner) });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(a: &Accumulators, name: &str) -> f32 {
        let mut out = [f32::NAN; FEATURE_COUNT];
        derive(a, &mut out);
        out[feature_index(name).unwrap()]
    }

    #[test]
    fn names_are_unique_and_found() {
        for (i, f) in FEATURES.iter().enumerate() {
            assert_eq!(feature_index(f.name), Some(i));
            assert!(f.min < f.max && !f.formula.is_empty() && !f.source.is_empty() && !f.unit.is_empty());
        }
        assert_eq!(feature_index("hue8"), None);
    }

    #[test]
    fn nothing_computed_gives_zeros() {
        let mut out = [f32::NAN; FEATURE_COUNT];
        derive(&Accumulators::default(), &mut out);
        assert_eq!(out, [0.0; FEATURE_COUNT]);
    }

    #[test]
    fn hand_computed_values() {
        // Two pixels: red (255, 0, 0), whose grey is 77, and grey (100, 100, 100).
        let a = Accumulators {
            pixels: 2,
            sum_rgb: [355, 100, 100],
            sum_sq_rgb: [75_025, 10_000, 10_000],
            sum_grey: 177,
            sum_sq_grey: 15_929,
            sum_chroma: 255,
            hue: [1, 0, 0, 0, 0, 0, 0],
            cells: 40,
            inner_cells: 4,
            sum_laplacian: -8,
            sum_sq_laplacian: 100,
            edge_cells: 10,
            edge_angle: [0, 5, 5, 0, 0, 0, 0],
            object_width: 6,
            object_height: 3,
            keypoints: 12,
            ..Accumulators::default()
        };
        assert_eq!(value(&a, "brightness_average"), 88.5);
        assert_eq!(value(&a, "contrast"), 11.5);
        assert_eq!(value(&a, "saturation"), 127.5);
        assert_eq!(value(&a, "hue1"), 1.0);
        assert_eq!(value(&a, "sharpness"), 21.0);
        assert_eq!(value(&a, "edge_density"), 0.25);
        assert_eq!(value(&a, "edge_angle3"), 0.5);
        assert_eq!(value(&a, "area_by_perimeter"), 1.0);
        assert_eq!(value(&a, "aspect_ratio"), 2.0);
        assert_eq!(value(&a, "keypoints"), 12.0);
        let perceived = (0.241f64 * 177.5 * 177.5 + 0.759 * 2_500.0).sqrt();
        assert!((f64::from(value(&a, "brightness_perceived")) - perceived).abs() < 1e-4);
    }

    #[test]
    fn short_and_long_outputs() {
        let a = Accumulators { keypoints: 3, ..Accumulators::default() };
        derive(&a, &mut []);
        let mut one = [0.0];
        derive(&a, &mut one);
        assert_eq!(one, [3.0]);
        let mut long = [7.0; FEATURE_COUNT + 2];
        derive(&a, &mut long);
        assert_eq!(long[FEATURE_COUNT..], [7.0, 7.0]);
    }

    #[test]
    fn garbage_is_finite() {
        let m = u64::MAX;
        let mut bytes = vec![0xffu8; size_of::<Accumulators>()];
        for round in 0..4u8 {
            let a: Accumulators = bytemuck::pod_read_unaligned(&bytes);
            let mut out = [0.0; FEATURE_COUNT];
            derive(&a, &mut out);
            assert!(out.iter().all(|v| v.is_finite()), "{out:?}");
            bytes.iter_mut().enumerate().for_each(|(i, b)| *b = (i as u8).wrapping_mul(97) ^ round);
        }
        let a = Accumulators { pixels: 1, sum_grey: m, sum_sq_grey: m, sum_laplacian: i64::MIN, ..Default::default() };
        assert_eq!(value(&a, "contrast"), 0.0);
    }
}
