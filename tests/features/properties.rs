//! Properties that the features of every frame must have.

use proptest::prelude::*;
use trt_select::features::{FEATURE_COUNT, FEATURES, Features, Groups, Workspace, derive};
use trt_select_cuda::{Accumulators, Format, Matrix, Range};

use crate::golden::to_json;
use crate::patterns::{self, Pattern, Sample, encode, raw_noise};

const COLOR: (Matrix, Range) = (Matrix::Bt601, Range::Limited);

fn compute(s: &Sample) -> Accumulators {
    Features::compute(&s.frame(), Groups::ALL, &mut Workspace::new())
}

fn values(s: &Sample) -> [f32; FEATURE_COUNT] {
    let mut out = [f32::NAN; FEATURE_COUNT];
    derive(&compute(s), &mut out);
    out
}

fn sizes() -> impl Strategy<Value = (u32, u32)> {
    prop_oneof![(1u32..40, 1u32..40), (1u32..260, 1u32..200), (1u32..4, 1u32..700), (1u32..700, 1u32..4)]
}

fn colors() -> impl Strategy<Value = (Matrix, Range)> {
    (prop_oneof![Just(Matrix::Bt601), Just(Matrix::Bt709)], prop_oneof![Just(Range::Limited), Just(Range::Full)])
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    (0usize..8).prop_map(|i| -> Pattern {
        use patterns::{checkerboard, disc, flat, gradient, lines, noise, scene, wheel};
        [noise as Pattern, flat, gradient, checkerboard, disc, lines, scene, wheel][i]
    })
}

fn any_format() -> impl Strategy<Value = Format> {
    (0usize..6).prop_map(|i| Format::ALL[i])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_give_consistent_sums(size in sizes(), format in any_format(), color in colors(), seed in any::<u32>()) {
        let s = raw_noise("", size, format, color, seed);
        let a = compute(&s);
        let n = u64::from(size.0) * u64::from(size.1);
        prop_assert_eq!(a.pixels, n);
        prop_assert!(a.hue.iter().sum::<u64>() <= n);
        prop_assert!(a.dark + a.bright <= n);
        for c in 0..3 {
            prop_assert!(a.sum_rgb[c] <= 255 * n);
            prop_assert!(a.sum_sq_rgb[c] <= 255 * a.sum_rgb[c]);
        }
        // The inequality of Cauchy and Schwarz.
        prop_assert!(a.sum_grey * a.sum_grey <= n * a.sum_sq_grey);
        prop_assert!(a.sum_chroma <= a.sum_rgb.iter().sum());
        prop_assert!(a.cells >= 1 && a.cells <= 19_200 && a.cells <= n);
        prop_assert!(a.inner_cells <= a.cells && a.keypoints <= a.inner_cells);
        prop_assert_eq!(a.edge_angle.iter().sum::<u64>(), a.edge_cells);
        let components = a.edge_length.iter().sum::<u64>();
        prop_assert!(components <= a.edge_cells && (components == 0) == (a.edge_cells == 0));
        prop_assert!(a.object_width * a.object_height <= a.cells);
        prop_assert_eq!(a.object_width == 0, a.edge_cells == 0);
        for (v, info) in values(&s).iter().zip(&FEATURES) {
            prop_assert!((info.min..=info.max).contains(v), "{} = {}", info.name, v);
        }
    }

    #[test]
    fn rgb_bgr_and_rgba_agree(size in sizes(), pattern in any_pattern(), padding in 0usize..9) {
        let [rgb, bgr, rgba] =
            [Format::Rgb8, Format::Bgr8, Format::Rgba8].map(|f| compute(&encode("", pattern, size, f, padding, COLOR)));
        prop_assert_eq!(rgb, bgr);
        prop_assert_eq!(rgb, rgba);
    }

    #[test]
    fn padding_never_matters(
        size in sizes(), pattern in any_pattern(), format in any_format(), color in colors(), padding in 1usize..40,
    ) {
        let tight = compute(&encode("", pattern, size, format, 0, color));
        prop_assert_eq!(compute(&encode("", pattern, size, format, padding, color)), tight);
    }

    #[test]
    fn a_mirrored_picture_keeps_the_whole_frame_sums((w, h) in sizes(), grey in any::<bool>(), seed in any::<u32>()) {
        let (format, n) = if grey { (Format::Gray8, 1) } else { (Format::Rgb8, 3) };
        let s = raw_noise("", (w, h), format, COLOR, seed);
        let mut mirrored = s.clone();
        mirrored.plane0 =
            s.plane0.chunks(n * w as usize).flat_map(|row| row.chunks(n).rev().flatten().copied()).collect();
        let whole = |s: &Sample| Features::compute(&s.frame(), Groups::WHOLE, &mut Workspace::new());
        prop_assert_eq!(whole(&s), whole(&mirrored));
    }

    #[test]
    fn groups_are_independent(size in sizes(), format in any_format(), seed in any::<u32>()) {
        let s = raw_noise("", size, format, COLOR, seed);
        let mut workspace = Workspace::new();
        let [none, whole, grid, all] = [Groups::NONE, Groups::WHOLE, Groups::GRID, Groups::ALL]
            .map(|g| to_json(&Features::compute(&s.frame(), g, &mut workspace)));
        let zero = to_json(&Accumulators::default());
        prop_assert_eq!(&none, &zero);
        for (key, v) in all.as_object().unwrap() {
            // Each field belongs to one of the two groups, and is computed only where this group is asked for.
            let (w, g) = (&whole[key], &grid[key]);
            prop_assert!((w == v && g == &zero[key]) || (g == v && w == &zero[key]), "{}", key);
        }
    }

    #[test]
    fn grey_equals_rgb_of_equal_channels(size in sizes(), seed in any::<u32>()) {
        let grey = raw_noise("", size, Format::Gray8, COLOR, seed);
        let mut rgb = grey.clone();
        rgb.format = Format::Rgb8;
        rgb.stride *= 3;
        rgb.plane0 = grey.plane0.iter().flat_map(|&v| [v; 3]).collect();
        prop_assert_eq!(compute(&grey), compute(&rgb));
    }
}

/// One workspace is used for large and small frames in turn. Nothing may be left over from the frame before.
#[test]
fn a_workspace_keeps_nothing() {
    let mut workspace = Workspace::new();
    let samples = patterns::samples();
    for (i, s) in samples.iter().enumerate() {
        let other = &samples[samples.len() - 1 - i];
        Features::compute(&other.frame(), Groups::ALL, &mut workspace);
        assert_eq!(Features::compute(&s.frame(), Groups::ALL, &mut workspace), compute(s), "{}", s.name);
    }
}

/// The bounds between formats for a picture whose chroma is smooth, as the documentation of `features` gives them.
const LEVELS: f32 = 1.0;
const SHARES: f32 = 0.05;
const COUNTS_OF_CELLS: f32 = 0.005;
const RATIOS: f32 = 0.05;
const SHARPNESS_LEVELS: f32 = 5.0;

#[test]
fn nv12_yuyv_and_rgb_agree() {
    for size in [(320, 240), (128, 96), (151, 101)] {
        let rgb = encode("", patterns::smooth_chroma, size, Format::Rgb8, 0, COLOR);
        let want = values(&rgb);
        let cells = compute(&rgb).cells as f32;
        for format in [Format::Nv12, Format::Yuyv] {
            for matrix in [Matrix::Bt601, Matrix::Bt709] {
                for range in [Range::Limited, Range::Full] {
                    let got = values(&encode("", patterns::smooth_chroma, size, format, 0, (matrix, range)));
                    for ((info, &g), &w) in FEATURES.iter().zip(&got).zip(&want) {
                        let bound = match (info.name, info.unit) {
                            (_, "level") => LEVELS,
                            ("aspect_ratio" | "area_by_perimeter", _) => RATIOS * w,
                            (_, "1") => SHARES,
                            (_, "level^2") => RATIOS * w + SHARPNESS_LEVELS,
                            _ => COUNTS_OF_CELLS * cells,
                        };
                        let context = format!("{size:?} {format:?} {matrix:?} {range:?} {}: {g}, rgb {w}", info.name);
                        assert!((g - w).abs() <= bound, "{context}");
                        if g != w {
                            println!("{context}");
                        }
                    }
                }
            }
        }
    }
}
