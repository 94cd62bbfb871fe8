//! Antialiased separable resampling of 8-bit rows, bit for bit as Pillow does it.
//!
//! Along one axis, let `scale` = in/out and `support` = the filter's radius · max(1, scale). Output i has its centre at
//! (i + ½)·scale, and is the weighted sum of the input samples x in [centre − support, centre + support]. The weights are
//! filter((x + ½ − centre)/max(1, scale)), normalized to a sum of 1 and rounded to multiples of 1/2²². There are two passes, the first
//! along rows; after each of them the sums are rounded and clamped to bytes. (Source: Pillow's `Resample.c`.)
//!
//! For a crop after the resize, only the outputs inside the crop are computed, and they are the same as without the crop.
//!
//! This is not taken from `fast_image_resize`, since version 6.1.0 of it reads outside its buffers for some fractional crops (it drops
//! weights of 0, so a later window may start before the first one), and it allocates for every image.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::AxisWindow;

use super::Filter;

/// Number of fraction bits of the integer weights.
const WEIGHT_BITS: u32 = 22;
/// One half in this format, which is added so that shifting rounds to the nearest.
const HALF: i32 = 1 << (WEIGHT_BITS - 1);

impl Filter {
    /// The filter's radius in samples, for an image that does not shrink.
    fn radius(self) -> f64 {
        match self {
            Filter::Bicubic => 2.0,
            Filter::Bilinear => 1.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let x = x.abs();
        match self {
            Filter::Bicubic => {
                const A: f64 = -0.5;
                if x < 1.0 {
                    ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * A
                } else {
                    0.0
                }
            }
            Filter::Bilinear => (1.0 - x).max(0.0),
        }
    }
}

/// The part of one axis that is wanted: `input` samples are resized to `resized` outputs, and of these `len` are wanted, from `offset`
/// on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) input: u32,
    pub(super) resized: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
}

impl Span {
    /// Whether each output is simply an input sample, perhaps shifted.
    pub(super) fn is_copy(&self) -> bool {
        self.input == self.resized
    }
}

/// Windows and weights of one axis, as the preprocess kernel reads them too. Setting it again uses its memory again.
#[derive(Debug, Default)]
pub(super) struct Axis {
    span: Span,
    windows: Vec<AxisWindow>,
    weights: Vec<i32>,
    /// The weights of one window, before they are rounded to integers.
    exact: Vec<f64>,
}

impl Axis {
    /// Computes windows and weights for a span and a filter. Does nothing if these are the ones that are set already.
    pub(super) fn set(&mut self, span: Span, filter: Filter) {
        if self.span == span {
            return;
        }
        self.span = span;
        self.windows.clear();
        self.weights.clear();
        let input = span.input as usize;
        let scale = f64::from(span.input) / f64::from(span.resized.max(1));
        let widened = scale.max(1.0);
        let support = filter.radius() * widened;
        for i in span.offset..span.offset.saturating_add(span.len) {
            let centre = (f64::from(i) + 0.5) * scale;
            // Where the number is negative the cast gives 0.
            let start = ((centre - support + 0.5) as usize).min(input);
            let end = ((centre + support + 0.5) as usize).clamp(start, input);
            self.exact.clear();
            self.exact.extend((start..end).map(|x| filter.weight((x as f64 - centre + 0.5) * (1.0 / widened))));
            let sum: f64 = self.exact.iter().sum();
            let first = self.weights.len() as u32;
            let one = f64::from(1u32 << WEIGHT_BITS);
            self.weights.extend(self.exact.iter().map(|w| {
                let w = if sum == 0.0 { *w } else { w / sum };
                (w * one + if w < 0.0 { -0.5 } else { 0.5 }) as i32
            }));
            self.windows.push(AxisWindow { start: start as u32, first, len: (end - start) as u32, reserved: 0 });
        }
    }

    /// One window for each output. Empty before the first [`Axis::set`].
    pub(super) fn windows(&self) -> &[AxisWindow] {
        &self.windows
    }

    /// The weights of all windows, one window after the other, as integers with 22 fraction bits.
    pub(super) fn weights(&self) -> &[i32] {
        &self.weights
    }

    /// The range of input samples that the outputs depend on: the first one, and one past the last.
    pub(super) fn reads(&self) -> (usize, usize) {
        let first = self.windows.iter().map(|w| w.start).min().unwrap_or(0);
        let end = self.windows.iter().map(|w| w.start + w.len).max().unwrap_or(0);
        (first as usize, end.max(first) as usize)
    }

    /// For each output, its first input sample and its weights.
    fn outputs(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.windows.iter().map(|w| {
            let weights = self.weights.get(w.first as usize..(w.first + w.len) as usize).unwrap_or(&[]);
            (w.start as usize, weights)
        })
    }

    /// Resamples one row of pixels of `N` bytes each. Samples beyond the end of `row` count as 0.
    pub(super) fn row<const N: usize>(&self, row: &[u8], out: &mut [u8]) {
        let pixels = row.as_chunks::<N>().0;
        for (o, (start, weights)) in out.as_chunks_mut::<N>().0.iter_mut().zip(self.outputs()) {
            let mut sums = [HALF; N];
            for (p, &w) in pixels.get(start..).unwrap_or(&[]).iter().zip(weights) {
                for (s, &v) in sums.iter_mut().zip(p) {
                    *s += i32::from(v) * w;
                }
            }
            *o = sums.map(to_byte);
        }
    }

    /// Resamples columns. `rows` holds the input rows from number `first_row` on, `row_bytes` bytes each. `emit` is called with the number
    /// and the bytes of each finished row. `sums` and `row` are scratch memory of at least `row_bytes` elements.
    pub(super) fn columns(
        &self,
        rows: &[u8],
        first_row: usize,
        row_bytes: usize,
        sums: &mut [i32],
        row: &mut [u8],
        mut emit: impl FnMut(usize, &[u8]),
    ) {
        let n = row_bytes.min(sums.len()).min(row.len());
        let (sums, row) = (&mut sums[..n], &mut row[..n]);
        for (y, (start, weights)) in self.outputs().enumerate() {
            sums.fill(HALF);
            let from = start.saturating_sub(first_row) * row_bytes;
            let taps = rows.get(from..).unwrap_or(&[]).chunks_exact(row_bytes.max(1));
            for (tap, &w) in taps.zip(weights) {
                for (s, &v) in sums.iter_mut().zip(tap) {
                    *s += i32::from(v) * w;
                }
            }
            for (o, &s) in row.iter_mut().zip(sums.iter()) {
                *o = to_byte(s);
            }
            emit(y, row);
        }
    }
}

fn to_byte(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(input: u32, resized: u32, filter: Filter) -> Axis {
        let mut axis = Axis::default();
        axis.set(Span { input, resized, offset: 0, len: resized }, filter);
        axis
    }

    /// Sums of 255 · |weight| fit 32 bits, windows lie inside the input, and the weights of each window add up to 1.
    #[test]
    fn weights_are_bounded() {
        for filter in [Filter::Bicubic, Filter::Bilinear] {
            for input in (1..80).chain([97, 224, 333, 1_000, 1_280, 32_768]) {
                for resized in (1..80).chain([97, 224, 256, 341, 1_000]) {
                    let axis = axis(input, resized, filter);
                    assert_eq!(axis.outputs().count(), resized as usize);
                    for (start, weights) in axis.outputs() {
                        assert!(!weights.is_empty() && start + weights.len() <= input as usize);
                        let magnitude: i64 = weights.iter().map(|w| i64::from(w.abs())).sum();
                        assert!(255 * magnitude + i64::from(HALF) <= i64::from(i32::MAX), "{input} to {resized}");
                        let sum: i64 = weights.iter().map(|&w| i64::from(w)).sum();
                        assert!((sum - (1 << WEIGHT_BITS)).abs() <= weights.len() as i64, "{input} to {resized}");
                    }
                }
            }
        }
    }

    #[test]
    fn same_size_is_a_copy() {
        let row: Vec<u8> = (0..90).map(|i| i * 2).collect();
        let mut out = vec![0; 90];
        for filter in [Filter::Bicubic, Filter::Bilinear] {
            axis(30, 30, filter).row::<3>(&row, &mut out);
            assert_eq!(out, row);
        }
    }

    #[test]
    fn a_part_equals_the_whole() {
        let row: Vec<u8> = (0..97u32).map(|i| (i * 37 % 251) as u8).collect();
        let mut whole = vec![0; 41];
        axis(97, 41, Filter::Bicubic).row::<1>(&row, &mut whole);
        let mut part = Axis::default();
        part.set(Span { input: 97, resized: 41, offset: 7, len: 20 }, Filter::Bicubic);
        let mut out = vec![0; 20];
        part.row::<1>(&row, &mut out);
        assert_eq!(out, whole[7..27]);
        let (first, end) = part.reads();
        assert!(first > 0 && end < 97);
    }

    #[test]
    fn columns_equal_rows() {
        let input: Vec<u8> = (0..50u32).map(|i| (i * 91 % 253) as u8).collect();
        let axis = axis(50, 13, Filter::Bilinear);
        let mut want = vec![0; 13];
        axis.row::<1>(&input, &mut want);
        let mut got = Vec::new();
        axis.columns(&input, 0, 1, &mut [0; 1], &mut [0; 1], |_, row| got.push(row[0]));
        assert_eq!(got, want);
    }
}
