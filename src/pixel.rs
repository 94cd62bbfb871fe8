//! Converts the pixels of every format to red, green and blue, and to grey, with integers only.
//!
//! The features and the preprocessing read frames through this module only. A CUDA kernel that does the same work must give the same
//! bytes. The rules are:
//!
//! - **RGB8, BGR8, RGBA8**: the bytes themselves; alpha is ignored.
//! - **GRAY8**: red = green = blue = the value.
//! - **NV12, YUYV**: each chroma sample is used for all of its pixels (the pixel in column x uses the sample in column x/2, and for NV12
//!   the pixel in row y the one in row y/2). With Y′ = Y − 16 (limited range) or Y (full range), u = Cb − 128, v = Cr − 128, and
//!   coefficients in 1/65536:
//!   - R = clamp((cy·Y′ + rv·v + 32768) >> 16)
//!   - G = clamp((cy·Y′ − gu·u − gv·v + 32768) >> 16)
//!   - B = clamp((cy·Y′ + bu·u + 32768) >> 16)
//!
//!   where `>>` is the arithmetic shift, and clamp cuts to 0..=255. The coefficients are 65536 times the exact ones of ITU-R BT.601
//!   (Kr 0.299, Kb 0.114) and BT.709 (Kr 0.2126, Kb 0.0722), rounded. Limited range scales luma by 255/219 and chroma by 255/224.
//! - **Grey** = (77·R + 150·G + 29·B + 128) >> 8. The weights add up to 256, so for R = G = B = v the grey is v.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::{Format, Matrix, Range};

use crate::frame::Frame;

/// The coefficients of one colour matrix and range, in 1/65536. `black` is the luma of black.
pub(crate) struct Coefficients {
    pub(crate) black: i32,
    pub(crate) cy: i32,
    pub(crate) rv: i32,
    pub(crate) gu: i32,
    pub(crate) gv: i32,
    pub(crate) bu: i32,
}

const BT601_LIMITED: Coefficients =
    Coefficients { black: 16, cy: 76_309, rv: 104_597, gu: 25_675, gv: 53_279, bu: 132_201 };
const BT601_FULL: Coefficients = Coefficients { black: 0, cy: 65_536, rv: 91_881, gu: 22_553, gv: 46_802, bu: 116_130 };
const BT709_LIMITED: Coefficients =
    Coefficients { black: 16, cy: 76_309, rv: 117_489, gu: 13_975, gv: 34_925, bu: 138_438 };
const BT709_FULL: Coefficients =
    Coefficients { black: 0, cy: 65_536, rv: 103_206, gu: 12_276, gv: 30_679, bu: 121_609 };

/// The coefficients of a colour matrix and range. An unknown matrix counts as BT.601, an unknown range as limited.
pub(crate) fn coefficients(matrix: Matrix, range: Range) -> &'static Coefficients {
    match (matrix, range) {
        (Matrix::Bt709, Range::Full) => &BT709_FULL,
        (Matrix::Bt709, _) => &BT709_LIMITED,
        (_, Range::Full) => &BT601_FULL,
        _ => &BT601_LIMITED,
    }
}

fn clamp(v: i32) -> u8 {
    ((v + 32_768) >> 16).clamp(0, 255) as u8
}

impl Coefficients {
    /// Red, green and blue of one pixel.
    pub(crate) fn rgb(&self, y: u8, cb: u8, cr: u8) -> [u8; 3] {
        let y = self.cy * (i32::from(y) - self.black);
        let u = i32::from(cb) - 128;
        let v = i32::from(cr) - 128;
        [clamp(y + self.rv * v), clamp(y - self.gu * u - self.gv * v), clamp(y + self.bu * u)]
    }
}

/// Grey of one pixel: (77·R + 150·G + 29·B + 128) >> 8.
pub(crate) fn grey(rgb: [u8; 3]) -> u8 {
    let [r, g, b] = rgb.map(u32::from);
    ((77 * r + 150 * g + 29 * b + 128) >> 8) as u8
}

/// One row of a frame, whose pixels can be converted.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    bytes: &'a [u8],
    chroma: &'a [u8],
    format: Format,
    coefficients: &'static Coefficients,
}

impl<'a> Row<'a> {
    /// Row `y` of a frame. A row below the frame has no pixels.
    pub(crate) fn new(frame: &Frame<'a>, y: u32) -> Self {
        Row {
            bytes: frame.row(y),
            chroma: frame.chroma_row(y),
            format: frame.format(),
            coefficients: coefficients(frame.matrix(), frame.range()),
        }
    }

    /// Red, green and blue of the pixel in column `x`; black for a column outside the row.
    pub(crate) fn rgb(&self, x: usize) -> [u8; 3] {
        match self.format {
            Format::Rgb8 => self.bytes.get(3 * x..3 * x + 3).map_or([0; 3], |p| [p[0], p[1], p[2]]),
            Format::Bgr8 => self.bytes.get(3 * x..3 * x + 3).map_or([0; 3], |p| [p[2], p[1], p[0]]),
            Format::Rgba8 => self.bytes.get(4 * x..4 * x + 3).map_or([0; 3], |p| [p[0], p[1], p[2]]),
            Format::Gray8 => self.bytes.get(x).map_or([0; 3], |&v| [v; 3]),
            Format::Nv12 => match (self.bytes.get(x), self.chroma.get(x / 2 * 2..x / 2 * 2 + 2)) {
                (Some(&y), Some(c)) => self.coefficients.rgb(y, c[0], c[1]),
                _ => [0; 3],
            },
            Format::Yuyv => match self.bytes.get(x / 2 * 4..x / 2 * 4 + 4) {
                Some(p) => self.coefficients.rgb(p[x % 2 * 2], p[1], p[3]),
                None => [0; 3],
            },
            _ => [0; 3],
        }
    }

    /// Grey of the pixel in column `x`; 0 for a column outside the row.
    pub(crate) fn grey(&self, x: usize) -> u8 {
        match self.format {
            Format::Gray8 => self.bytes.get(x).copied().unwrap_or(0),
            _ => grey(self.rgb(x)),
        }
    }

    /// Converts pixels into `out`, three bytes each, from column `x0` (an even number) on, until the row or `out` ends.
    pub(crate) fn write_rgb(&self, x0: usize, out: &mut [u8]) {
        let out = out.as_chunks_mut::<3>().0;
        let from = |bytes_per_px: usize| self.bytes.get(x0 * bytes_per_px..).unwrap_or(&[]);
        match self.format {
            Format::Rgb8 => {
                let src = from(3);
                let flat = out.as_flattened_mut();
                let n = flat.len().min(src.len() / 3 * 3);
                flat[..n].copy_from_slice(&src[..n]);
            }
            Format::Bgr8 => {
                for (o, p) in out.iter_mut().zip(from(3).as_chunks::<3>().0) {
                    *o = [p[2], p[1], p[0]];
                }
            }
            Format::Rgba8 => {
                for (o, p) in out.iter_mut().zip(from(4).as_chunks::<4>().0) {
                    *o = [p[0], p[1], p[2]];
                }
            }
            Format::Gray8 => {
                for (o, &v) in out.iter_mut().zip(from(1)) {
                    *o = [v; 3];
                }
            }
            Format::Nv12 => {
                let chroma = self.chroma.get(x0 / 2 * 2..).unwrap_or(&[]).as_chunks::<2>().0;
                for ((o, y), c) in out.chunks_mut(2).zip(from(1).chunks(2)).zip(chroma) {
                    for (o, &y) in o.iter_mut().zip(y) {
                        *o = self.coefficients.rgb(y, c[0], c[1]);
                    }
                }
            }
            Format::Yuyv => {
                let groups = self.bytes.get(x0 / 2 * 4..).unwrap_or(&[]).as_chunks::<4>().0;
                for (o, p) in out.chunks_mut(2).zip(groups) {
                    for (o, y) in o.iter_mut().zip([p[0], p[2]]) {
                        *o = self.coefficients.rgb(y, p[1], p[3]);
                    }
                }
            }
            _ => {}
        }
    }

    /// Converts pixels into `out`, one grey byte each, until the row or `out` ends.
    pub(crate) fn write_grey(&self, out: &mut [u8]) {
        if self.format == Format::Gray8 {
            let n = out.len().min(self.bytes.len());
            out[..n].copy_from_slice(&self.bytes[..n]);
            return;
        }
        let mut rgb = [0u8; 3 * SPAN_PX];
        for (i, span) in out.chunks_mut(SPAN_PX).enumerate() {
            self.write_rgb(i * SPAN_PX, &mut rgb[..3 * span.len()]);
            for (o, p) in span.iter_mut().zip(rgb.as_chunks::<3>().0) {
                *o = grey(*p);
            }
        }
    }
}

/// Number of pixels to convert at a time if a whole row is not needed at once. So many fit the first-level cache. It is even, since two
/// pixels may share their chroma.
pub(crate) const SPAN_PX: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_of_equal_channels_is_the_value() {
        for v in 0..=255u8 {
            assert_eq!(grey([v; 3]), v);
        }
    }

    #[test]
    fn known_colours() {
        // Limited range: black and white, then the pure red of BT.601 and of BT.709.
        assert_eq!(BT601_LIMITED.rgb(16, 128, 128), [0; 3]);
        assert_eq!(BT601_LIMITED.rgb(235, 128, 128), [255; 3]);
        assert_eq!(BT601_LIMITED.rgb(81, 90, 240), [254, 0, 0]);
        assert_eq!(BT709_LIMITED.rgb(63, 102, 240), [255, 1, 0]);
        for v in 0..=255u8 {
            assert_eq!(BT601_FULL.rgb(v, 128, 128), [v; 3]);
            assert_eq!(BT709_FULL.rgb(v, 128, 128), [v; 3]);
        }
    }

    /// The integers lie within half a unit of the formula in floating point, plus what rounding the coefficients can change.
    #[test]
    fn within_one_of_the_exact_formula() {
        let cases = [
            (BT601_LIMITED, 0.299, 0.114, true),
            (BT601_FULL, 0.299, 0.114, false),
            (BT709_LIMITED, 0.2126, 0.0722, true),
            (BT709_FULL, 0.2126, 0.0722, false),
        ];
        for (c, kr, kb, limited) in cases {
            let kg: f64 = 1.0 - kr - kb;
            let (sy, sc, black) = if limited { (255.0 / 219.0, 255.0 / 224.0, 16.0) } else { (1.0, 1.0, 0.0) };
            for y in (0..=255u8).step_by(5) {
                for cb in (0..=255u8).step_by(5) {
                    for cr in (0..=255u8).step_by(5) {
                        let l = sy * (f64::from(y) - black);
                        let (u, v) = (sc * (f64::from(cb) - 128.0), sc * (f64::from(cr) - 128.0));
                        let r = l + 2.0 * (1.0 - kr) * v;
                        let b = l + 2.0 * (1.0 - kb) * u;
                        let g = l - 2.0 * kb * (1.0 - kb) / kg * u - 2.0 * kr * (1.0 - kr) / kg * v;
                        for (got, want) in c.rgb(y, cb, cr).into_iter().zip([r, g, b]) {
                            let d = (f64::from(got) - want.clamp(0.0, 255.0)).abs();
                            assert!(d <= 0.51, "{y} {cb} {cr}: {got} {want}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn spans_agree_with_single_pixels() {
        let bytes: Vec<u8> = (0..4 * 700u32).map(|i| (i * 37 % 251) as u8).collect();
        let chroma: Vec<u8> = (0..700u32).map(|i| (i * 91 % 253) as u8).collect();
        for width in [1u32, 2, 3, 255, 256, 257, 601] {
            for format in Format::ALL {
                let row_bytes = format.row_bytes(width) as usize;
                let frame = match format {
                    Format::Nv12 => {
                        Frame::nv12(width, 1, &bytes, row_bytes, &chroma, width.div_ceil(2) as usize * 2).unwrap()
                    }
                    _ => Frame::packed(format, width, 1, row_bytes, &bytes).unwrap(),
                };
                let row = Row::new(&frame, 0);
                let mut rgb = vec![0u8; 3 * width as usize];
                row.write_rgb(0, &mut rgb);
                let mut grey = vec![0u8; width as usize];
                row.write_grey(&mut grey);
                for x in 0..width as usize {
                    assert_eq!(rgb[3 * x..3 * x + 3], row.rgb(x), "{format:?} {x}");
                    assert_eq!(grey[x], row.grey(x), "{format:?} {x}");
                }
                assert_eq!(row.rgb(width as usize + 2), [0; 3]);
                assert_eq!(Row::new(&frame, 1).grey(0), 0);
            }
        }
    }
}
