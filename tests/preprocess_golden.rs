//! Compares preprocessing with Pillow. `tests/golden/make_pillow.py` makes the images that Pillow gives.

use trt_select::Frame;
use trt_select::preprocess::{Filter, Layout, Preprocess, PreprocessConfig, Resize};
use trt_select_cuda::Format;

const WIDTH: u32 = 97;
const HEIGHT: u32 = 61;

/// The largest difference from Pillow that is allowed, in steps of 8 bits. Both resample in the same integers, so there is none.
const TOLERANCE: i32 = 0;

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/golden/pillow/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}; run tests/golden/make_pillow.py"))
}

fn run(frame: &Frame<'_>, width: u32, height: u32, channels: u32, resize: Resize, filter: Filter) -> Vec<u8> {
    let config = PreprocessConfig::new(width, height, channels).resize(resize).filter(filter).layout(Layout::Nhwc);
    let mut preprocess = Preprocess::new(config).unwrap();
    let mut out = vec![0.0; preprocess.config().output_len()];
    preprocess.run(frame, &mut out).unwrap();
    out.iter().map(|v| (v * 255.0).round() as u8).collect()
}

#[track_caller]
fn check(got: &[u8], name: &str) {
    let want = golden(name);
    assert_eq!(got.len(), want.len(), "{name}");
    let worst = got.iter().zip(&want).map(|(&a, &b)| (i32::from(a) - i32::from(b)).abs()).max().unwrap();
    println!("{name}: largest difference {worst}/255");
    assert!(worst <= TOLERANCE, "{name}: differs by {worst}/255");
}

const CROP: Resize = Resize::ShorterSideCrop { fraction: 0.875 };

#[test]
fn colour_equals_pillow() {
    let picture = golden("picture_97x61.rgb");
    let frame = Frame::packed(Format::Rgb8, WIDTH, HEIGHT, 3 * WIDTH as usize, &picture).unwrap();
    for (w, h, resize, filter, name) in [
        (32, 32, Resize::Stretch, Filter::Bicubic, "stretch_bicubic_32x32.rgb"),
        (64, 48, Resize::Stretch, Filter::Bicubic, "stretch_bicubic_64x48.rgb"),
        (120, 80, Resize::Stretch, Filter::Bicubic, "stretch_bicubic_120x80.rgb"),
        (97, 20, Resize::Stretch, Filter::Bicubic, "stretch_bicubic_97x20.rgb"),
        (64, 48, Resize::Stretch, Filter::Bilinear, "stretch_bilinear_64x48.rgb"),
        (120, 80, Resize::Stretch, Filter::Bilinear, "stretch_bilinear_120x80.rgb"),
        (28, 28, CROP, Filter::Bicubic, "crop_bicubic_28x28.rgb"),
        (70, 70, CROP, Filter::Bicubic, "crop_bicubic_70x70.rgb"),
    ] {
        check(&run(&frame, w, h, 3, resize, filter), name);
    }
}

#[test]
fn portrait_equals_pillow() {
    let picture = golden("picture_97x61.rgb");
    let mut turned = Vec::new();
    for x in 0..WIDTH as usize {
        for y in 0..HEIGHT as usize {
            let i = 3 * (y * WIDTH as usize + x);
            turned.extend_from_slice(&picture[i..i + 3]);
        }
    }
    let frame = Frame::packed(Format::Rgb8, HEIGHT, WIDTH, 3 * HEIGHT as usize, &turned).unwrap();
    check(&run(&frame, 28, 28, 3, CROP, Filter::Bicubic), "crop_portrait_bicubic_28x28.rgb");
}

#[test]
fn grey_equals_pillow() {
    let green: Vec<u8> = golden("picture_97x61.rgb").into_iter().skip(1).step_by(3).collect();
    let frame = Frame::packed(Format::Gray8, WIDTH, HEIGHT, WIDTH as usize, &green).unwrap();
    check(&run(&frame, 32, 32, 1, Resize::Stretch, Filter::Bicubic), "stretch_bicubic_32x32.grey");
}
