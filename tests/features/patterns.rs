//! Pictures that are computed from a function, and their encoding in every format.

use trt_select::Frame;
use trt_select_cuda::{Format, Matrix, Range};

/// The arguments of one call of [`encode`].
type Row = (&'static str, Pattern, (u32, u32), Format, usize, (Matrix, Range));

/// A picture as a function from a place to its red, green and blue.
pub(crate) type Pattern = fn(u32, u32) -> [u8; 3];

/// A picture in one format, with the memory that it lies in.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) format: Format,
    pub(crate) matrix: Matrix,
    pub(crate) range: Range,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) stride: usize,
    pub(crate) chroma_stride: usize,
    pub(crate) plane0: Vec<u8>,
    pub(crate) plane1: Vec<u8>,
}

impl Sample {
    pub(crate) fn frame(&self) -> Frame<'_> {
        match self.format {
            Format::Nv12 => {
                Frame::nv12(self.width, self.height, &self.plane0, self.stride, &self.plane1, self.chroma_stride)
            }
            _ => Frame::packed(self.format, self.width, self.height, self.stride, &self.plane0),
        }
        .unwrap()
        .with_color(self.matrix, self.range)
    }
}

/// A noise value that depends only on the place.
pub(crate) fn hash(x: u32, y: u32) -> u32 {
    let mut h = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca77);
    h = (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ h >> 12).wrapping_mul(0x297a_2d39);
    h ^ h >> 15
}

pub(crate) fn noise(x: u32, y: u32) -> [u8; 3] {
    let [a, b, c, _] = hash(x, y).to_le_bytes();
    [a, b, c]
}

pub(crate) fn flat(_: u32, _: u32) -> [u8; 3] {
    [200, 120, 40]
}

pub(crate) fn gradient(x: u32, y: u32) -> [u8; 3] {
    [(x * 4 % 256) as u8, (y * 5 % 256) as u8, ((x + y) * 2 % 256) as u8]
}

pub(crate) fn checkerboard(x: u32, y: u32) -> [u8; 3] {
    if (x / 5 + y / 5).is_multiple_of(2) { [230, 230, 225] } else { [20, 25, 20] }
}

pub(crate) fn disc(x: u32, y: u32) -> [u8; 3] {
    let inside = |cx: i64, cy: i64, r: i64| (i64::from(x) - cx).pow(2) + (i64::from(y) - cy).pow(2) < r * r;
    if inside(50, 40, 25) {
        [250, 60, 30]
    } else if inside(20, 20, 11) {
        [30, 80, 240]
    } else {
        [90, 100, 95]
    }
}

pub(crate) fn lines(x: u32, y: u32) -> [u8; 3] {
    let steep = (3 * x + 7 * y) % 60 < 8;
    let flat = (y + x / 9) % 23 < 2;
    let up = x.is_multiple_of(31);
    if steep || flat || up { [255; 3] } else { [10; 3] }
}

/// A picture of 7×7 pixels with one dark dot in the middle.
pub(crate) fn dot(x: u32, y: u32) -> [u8; 3] {
    if (x, y) == (3, 3) { [0; 3] } else { [160; 3] }
}

/// From left to right one turn of the hue circle, getting lighter from top to bottom.
pub(crate) fn wheel(x: u32, y: u32) -> [u8; 3] {
    let ramp = (x * 6 % 180 * 255 / 180) as u8;
    let low = (y % 100) as u8;
    let (up, down) = (ramp.max(low), (255 - ramp).max(low));
    match x / 30 % 6 {
        0 => [255, up, low],
        1 => [down, 255, low],
        2 => [low, 255, up],
        3 => [low, down, 255],
        4 => [up, low, 255],
        _ => [255, low, down],
    }
}

/// Boxes and discs with sharp edges on a ramp, with a little noise.
pub(crate) fn scene(x: u32, y: u32) -> [u8; 3] {
    let ramp = (x / 4 % 128 + y / 3 % 100) as u8;
    let n = (hash(x, y) % 9) as u8;
    if (80..160).contains(&x) && (60..200).contains(&y) {
        [200 - n, 180 - n, 60 + n]
    } else if (i64::from(x) - 260).pow(2) + (i64::from(y) - 130).pow(2) < 3_600 {
        [20 + n, 60 + n, 90 + n]
    } else if y % 90 > 82 {
        [240 - n; 3]
    } else {
        [ramp / 2 + n, ramp + n, ramp.saturating_add(20)]
    }
}

/// Colour changes slowly; brightness also changes in sharp steps at one large box and many small ones that do not touch. No pixel is nearly
/// grey or clipped.
pub(crate) fn smooth_chroma(x: u32, y: u32) -> [u8; 3] {
    let large = (20..100).contains(&x) && (15..75).contains(&y);
    let small = (10..26).contains(&(x % 40)) && (10..22).contains(&(y % 40));
    let around_large = x < 120 && y < 90;
    let step = if large || (small && !around_large) { 70 } else { 0 };
    let r = 130 + x * 30 / 320;
    let b = 20 + y * 25 / 240;
    let g = 70 + (x + y) * 30 / 560;
    [(r + step) as u8, (g + step) as u8, (b + step) as u8]
}

/// RGB to Y, Cb and Cr, computed from the definition and independently of the code under test.
fn to_yuv(rgb: [u8; 3], matrix: Matrix, range: Range) -> [u8; 3] {
    let (kr, kb) = if matrix == Matrix::Bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
    let [r, g, b] = rgb.map(|v| f64::from(v) / 255.0);
    let y = kr * r + (1.0 - kr - kb) * g + kb * b;
    let (cb, cr) = ((b - y) / (2.0 - 2.0 * kb), (r - y) / (2.0 - 2.0 * kr));
    let (luma, black, chroma) = if range == Range::Full { (255.0, 0.0, 255.0) } else { (219.0, 16.0, 224.0) };
    // Rounding an exact half could differ between machines, and with it the golden numbers. The small shift keeps every value away
    // from one.
    let byte = |v: f64| (v + 0.500_000_1).floor().clamp(0.0, 255.0) as u8;
    [byte(black + luma * y), byte(128.0 + chroma * cb), byte(128.0 + chroma * cr)]
}

/// Encodes a picture. After each row but the last, `padding` bytes of noise follow.
pub(crate) fn encode(
    name: &str,
    pattern: Pattern,
    (width, height): (u32, u32),
    format: Format,
    padding: usize,
    (matrix, range): (Matrix, Range),
) -> Sample {
    let yuv = |x: u32, y: u32| to_yuv(pattern(x.min(width - 1), y.min(height - 1)), matrix, range);
    let mut rows: Vec<Vec<u8>> = Vec::new();
    let mut chroma: Vec<Vec<u8>> = Vec::new();
    for y in 0..height {
        rows.push(match format {
            Format::Yuyv => (0..width.div_ceil(2))
                .flat_map(|i| {
                    let (a, b) = (yuv(2 * i, y), yuv(2 * i + 1, y));
                    let mean = |c: usize| ((u32::from(a[c]) + u32::from(b[c])).div_ceil(2)) as u8;
                    [a[0], mean(1), b[0], mean(2)]
                })
                .collect(),
            Format::Nv12 => (0..width).map(|x| yuv(x, y)[0]).collect(),
            _ => (0..width)
                .flat_map(|x| {
                    let [r, g, b] = pattern(x, y);
                    match format {
                        Format::Bgr8 => vec![b, g, r],
                        Format::Rgba8 => vec![r, g, b, (hash(x, y) >> 24) as u8],
                        Format::Gray8 => vec![g],
                        _ => vec![r, g, b],
                    }
                })
                .collect(),
        });
    }
    if format == Format::Nv12 {
        for j in 0..height.div_ceil(2) {
            let row = (0..width.div_ceil(2)).flat_map(|i| {
                let four = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| yuv(2 * i + dx, 2 * j + dy));
                let mean = |c: usize| ((four.iter().map(|p| u32::from(p[c])).sum::<u32>() + 2) / 4) as u8;
                [mean(1), mean(2)]
            });
            chroma.push(row.collect());
        }
    }
    let (stride, plane0) = join(&rows, padding);
    let (chroma_stride, plane1) = join(&chroma, padding);
    Sample { name: name.into(), format, matrix, range, width, height, stride, chroma_stride, plane0, plane1 }
}

fn join(rows: &[Vec<u8>], padding: usize) -> (usize, Vec<u8>) {
    let stride = rows.first().map_or(0, |r| r.len() + padding);
    let mut plane = Vec::new();
    for (y, row) in rows.iter().enumerate() {
        plane.extend_from_slice(row);
        if y + 1 < rows.len() {
            plane.extend((0..padding as u32).map(|i| hash(i, y as u32) as u8));
        }
    }
    (stride, plane)
}

/// A frame whose bytes are noise, so that all values of luma and chroma occur, also those outside the legal range.
pub(crate) fn raw_noise(name: &str, size: (u32, u32), format: Format, color: (Matrix, Range), seed: u32) -> Sample {
    let (width, height) = size;
    let stride = format.row_bytes(width) as usize;
    let chroma_stride = format.chroma_row_bytes(width) as usize;
    let bytes = |n: usize, salt: u32| (0..n as u32).map(|i| hash(i, seed ^ salt) as u8).collect();
    Sample {
        name: name.into(),
        format,
        matrix: color.0,
        range: color.1,
        width,
        height,
        stride,
        chroma_stride,
        plane0: bytes(stride * height as usize, 0),
        plane1: bytes(chroma_stride * height.div_ceil(2) as usize, 1 << 30),
    }
}

/// The frames that the golden file has numbers for.
pub(crate) fn samples() -> Vec<Sample> {
    use Format::{Bgr8, Gray8, Nv12, Rgb8, Rgba8, Yuyv};
    let bt601 = (Matrix::Bt601, Range::Limited);
    let bt601_full = (Matrix::Bt601, Range::Full);
    let bt709 = (Matrix::Bt709, Range::Limited);
    let bt709_full = (Matrix::Bt709, Range::Full);
    let rows: [Row; 31] = [
        ("rgb8 1x1", noise, (1, 1), Rgb8, 0, bt601),
        ("gray8 1x1", noise, (1, 1), Gray8, 0, bt601),
        ("nv12 1x1", flat, (1, 1), Nv12, 0, bt601),
        ("yuyv 1x1", flat, (1, 1), Yuyv, 0, bt709),
        ("bgr8 2x2", noise, (2, 2), Bgr8, 1, bt601),
        ("rgba8 97x1", noise, (97, 1), Rgba8, 0, bt601),
        ("gray8 1x97", noise, (1, 97), Gray8, 2, bt601),
        ("rgb8 2x400, thin and downsampled", noise, (2, 400), Rgb8, 3, bt601),
        ("yuyv 301x1, thin and downsampled", noise, (301, 1), Yuyv, 0, bt601_full),
        ("rgb8 3x3", noise, (3, 3), Rgb8, 0, bt601),
        ("gray8 7x7 dot", dot, (7, 7), Gray8, 5, bt601),
        ("gray8 6x7 dot, too small for corners", dot, (6, 7), Gray8, 0, bt601),
        ("rgb8 64x48 gradient", gradient, (64, 48), Rgb8, 7, bt601),
        ("bgr8 33x21 gradient", gradient, (33, 21), Bgr8, 2, bt601),
        ("gray8 40x30 checkerboard", checkerboard, (40, 30), Gray8, 0, bt601),
        ("rgb8 101x77 disc", disc, (101, 77), Rgb8, 1, bt601),
        ("gray8 120x90 lines", lines, (120, 90), Gray8, 9, bt601),
        ("gray8 28x28 noise", noise, (28, 28), Gray8, 0, bt601),
        ("rgb8 160x120 noise", noise, (160, 120), Rgb8, 0, bt601),
        ("rgba8 161x121 noise", noise, (161, 121), Rgba8, 4, bt601),
        ("rgb8 50x50 flat", flat, (50, 50), Rgb8, 0, bt601),
        ("rgb8 180x100 hue wheel", wheel, (180, 100), Rgb8, 0, bt601),
        ("nv12 99x75 disc", disc, (99, 75), Nv12, 3, bt601),
        ("nv12 65x43 gradient", gradient, (65, 43), Nv12, 0, bt709_full),
        ("yuyv 64x40 lines", lines, (64, 40), Yuyv, 4, bt601_full),
        ("yuyv 37x19 wheel", wheel, (37, 19), Yuyv, 0, bt709),
        ("rgb8 640x360 scene", scene, (640, 360), Rgb8, 0, bt601),
        ("bgr8 200x501 scene", scene, (200, 501), Bgr8, 11, bt601),
        ("nv12 320x240 scene", scene, (320, 240), Nv12, 0, bt601),
        ("yuyv 331x253 scene", scene, (331, 253), Yuyv, 6, bt709_full),
        ("rgb8 480x353 lines", lines, (480, 353), Rgb8, 0, bt601),
    ];
    let mut all: Vec<Sample> = rows
        .into_iter()
        .map(|(name, pattern, size, format, padding, color)| encode(name, pattern, size, format, padding, color))
        .collect();
    all.push(raw_noise("nv12 61x47 any bytes, bt601 limited", (61, 47), Nv12, bt601, 1));
    all.push(raw_noise("nv12 60x46 any bytes, bt709 full", (60, 46), Nv12, bt709_full, 2));
    all.push(raw_noise("yuyv 61x47 any bytes, bt709 limited", (61, 47), Yuyv, bt709, 3));
    all.push(raw_noise("yuyv 200x121 any bytes, bt601 full", (200, 121), Yuyv, bt601_full, 4));
    all
}
