//! The scalar reference: every other implementation must give the same integers.
//!
//! The loops run over short spans so that a compiler can vectorise them. The results do not depend on whether it does.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::{Accumulators, CLIP_BRIGHT, CLIP_DARK, Format, HUE_BINS};

use super::canny;
use super::fast;
use super::grid::Buffers;
use crate::frame::Frame;
use crate::pixel::{self, Row, SPAN_PX};

/// Computes the accumulators of the whole-frame group.
pub(super) fn whole(frame: &Frame<'_>, out: &mut Accumulators) {
    out.pixels = u64::from(frame.width()) * u64::from(frame.height());
    if frame.format() == Format::Gray8 {
        for y in 0..frame.height() {
            frame.row(y).chunks(SPAN_PX).for_each(|span| grey_span(span, out));
        }
        // Red, green and blue all equal the grey, and chroma is 0.
        out.sum_rgb = [out.sum_grey; 3];
        out.sum_sq_rgb = [out.sum_sq_grey; 3];
        return;
    }
    let width = frame.width() as usize;
    let mut rgb = [0u8; 3 * SPAN_PX];
    let mut planes = Planes::new();
    for y in 0..frame.height() {
        if frame.format() == Format::Rgb8 {
            for span in frame.row(y).chunks(3 * SPAN_PX) {
                planes.add(span.as_chunks::<3>().0, out);
            }
            continue;
        }
        let row = Row::new(frame, y);
        for x in (0..width).step_by(SPAN_PX) {
            let span = &mut rgb[..3 * SPAN_PX.min(width - x)];
            row.write_rgb(x, span);
            planes.add(span.as_chunks::<3>().0, out);
        }
    }
}

/// Sum and sum of squares of at most [`SPAN_PX`] bytes. Of so few, both fit 32 bits.
fn moments(values: &[u8]) -> (u64, u64) {
    let (mut sum, mut squares) = (0u32, 0u32);
    for &v in values {
        sum += u32::from(v);
        squares += u32::from(v) * u32::from(v);
    }
    (u64::from(sum), u64::from(squares))
}

fn grey_span(grey: &[u8], out: &mut Accumulators) {
    let (sum, squares) = moments(grey);
    out.sum_grey += sum;
    out.sum_sq_grey += squares;
    out.dark += grey.iter().map(|&v| u32::from(v < CLIP_DARK)).sum::<u32>() as u64;
    out.bright += grey.iter().map(|&v| u32::from(v >= CLIP_BRIGHT)).sum::<u32>() as u64;
}

/// A span of pixels, with an array for each channel.
struct Planes {
    red: [u8; SPAN_PX],
    green: [u8; SPAN_PX],
    blue: [u8; SPAN_PX],
    grey: [u8; SPAN_PX],
    chroma: [i16; SPAN_PX],
    /// Position on the hue circle, in 0..6·chroma.
    position: [i16; SPAN_PX],
}

impl Planes {
    fn new() -> Planes {
        Planes {
            red: [0; SPAN_PX],
            green: [0; SPAN_PX],
            blue: [0; SPAN_PX],
            grey: [0; SPAN_PX],
            chroma: [0; SPAN_PX],
            position: [0; SPAN_PX],
        }
    }

    /// Adds a span of at most [`SPAN_PX`] pixels.
    fn add(&mut self, span: &[[u8; 3]], out: &mut Accumulators) {
        let n = span.len().min(SPAN_PX);
        for (i, &p) in span.iter().enumerate().take(n) {
            [self.red[i], self.green[i], self.blue[i]] = p;
        }
        let (red, green, blue) = (&self.red[..n], &self.green[..n], &self.blue[..n]);
        for (channel, values) in [red, green, blue].into_iter().enumerate() {
            let (sum, squares) = moments(values);
            out.sum_rgb[channel] += sum;
            out.sum_sq_rgb[channel] += squares;
        }
        let (grey, chroma, position) = (&mut self.grey[..n], &mut self.chroma[..n], &mut self.position[..n]);
        for i in 0..n {
            grey[i] = pixel::grey([red[i], green[i], blue[i]]);
        }
        grey_span(grey, out);
        for i in 0..n {
            (chroma[i], position[i]) = hue_position(red[i], green[i], blue[i]);
        }
        out.sum_chroma += chroma.iter().map(|&c| u64::from(c.unsigned_abs())).sum::<u64>();
        // `reached[k]` is the number of pixels whose sector is k or a later one. The products are at most 7 · 6 · 255, which fits 16 bits.
        let mut reached = [0u64; HUE_BINS + 1];
        for (k, r) in reached.iter_mut().take(HUE_BINS).enumerate() {
            let bound = 6 * k as i16;
            let mut count = 0u16;
            for i in 0..n {
                count += u16::from((chroma[i] > 0) & (7 * position[i] >= bound * chroma[i]));
            }
            *r = u64::from(count);
        }
        for k in 0..HUE_BINS {
            out.hue[k] += reached[k] - reached[k + 1];
        }
    }
}

/// The chroma C = max − min of a pixel, and its position on the hue circle in 0..6C. Where C is 0 the position is 0 too.
fn hue_position(red: u8, green: u8, blue: u8) -> (i16, i16) {
    let (r, g, b) = (i16::from(red), i16::from(green), i16::from(blue));
    let max = r.max(g).max(b);
    let chroma = max - r.min(g).min(b);
    let from_red = if g < b { g - b + 6 * chroma } else { g - b };
    let from_green = 2 * chroma + b - r;
    let from_blue = 4 * chroma + r - g;
    let position = if max == r {
        from_red
    } else if max == g {
        from_green
    } else {
        from_blue
    };
    (chroma, position)
}

/// Computes the accumulators of the grid group.
pub(super) fn grid(frame: &Frame<'_>, workspace: &mut Buffers, out: &mut Accumulators) {
    let size = workspace.sample(frame);
    let (width, height) = (size.width as usize, size.height as usize);
    out.cells = (width * height) as u64;
    let grey = &workspace.grey[..width * height];
    laplacian(grey, width, height, out);
    out.keypoints = fast::keypoints(grey, width, height);
    canny::edges(workspace, width, height, out);
}

fn laplacian(grey: &[u8], width: usize, height: usize, out: &mut Accumulators) {
    if width < 3 || height < 3 {
        return;
    }
    out.inner_cells = ((width - 2) * (height - 2)) as u64;
    for y in 1..height - 1 {
        let row = |y: usize| &grey[y * width..(y + 1) * width];
        let (up, mid, down) = (row(y - 1), row(y), row(y + 1));
        let (mut sum, mut squares) = (0i32, 0u32);
        // A row has at most 158 such cells, and the Laplacian of each is at most 1020, so both sums fit 32 bits.
        for x in 1..width - 1 {
            let v = |row: &[u8], x: usize| i32::from(row[x]);
            let l = v(mid, x - 1) + v(mid, x + 1) + v(up, x) + v(down, x) - 4 * v(mid, x);
            sum += l;
            squares += (l * l) as u32;
        }
        out.sum_laplacian += i64::from(sum);
        out.sum_sq_laplacian += u64::from(squares);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(rgb: [u8; 3]) -> Option<usize> {
        let mut out = Accumulators::default();
        Planes::new().add(&[rgb], &mut out);
        out.hue.iter().position(|&n| n == 1)
    }

    #[test]
    fn hue_of_pure_colours() {
        assert_eq!(sector([9, 9, 9]), None);
        assert_eq!(sector([255, 0, 0]), Some(0));
        assert_eq!(sector([255, 255, 0]), Some(1)); // 60° of 51.4°
        assert_eq!(sector([0, 255, 0]), Some(2)); // 120° of 102.9°
        assert_eq!(sector([0, 255, 255]), Some(3)); // 180° of 154.3°
        assert_eq!(sector([0, 0, 255]), Some(4)); // 240° of 205.7°
        assert_eq!(sector([255, 0, 255]), Some(5)); // 300° of 257.1°
        assert_eq!(sector([255, 0, 1]), Some(6)); // just short of a full turn
    }

    #[test]
    fn boundary_belongs_to_the_later_sector() {
        // 7 · 6 = 42: with chroma 7, position 6 is exactly one seventh of the circle.
        assert_eq!(sector([7, 6, 0]), Some(1));
        assert_eq!(sector([7, 5, 0]), Some(0));
    }

    /// Compares the sectors with their definition, for every pair of channels, with the third at 0 or at 100.
    #[test]
    fn hue_against_exact_division() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                for rgb in [[a, b, 0], [0, a, b], [b, 0, a], [a, b, 100], [100, a, b], [b, 100, a]] {
                    let [r, g, bl] = rgb;
                    let (c, p) = hue_position(r, g, bl);
                    if c == 0 {
                        assert_eq!(sector(rgb), None);
                        continue;
                    }
                    assert!((0..6 * c).contains(&p), "{rgb:?}");
                    assert_eq!(sector(rgb), Some((7 * i32::from(p) / (6 * i32::from(c))) as usize), "{rgb:?}");
                }
            }
        }
    }
}
