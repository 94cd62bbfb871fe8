//! The features over vectors: one algorithm for every instruction set.
//!
//! All sums are sums of integers, so the order of the pixels does not matter, and the results equal the scalar reference's bit for bit.
//!
//! ```text
//! compute(frame, needs):
//!     for each band of `scale` rows (the rows of one row of cells), or for the whole frame where no grid is needed:
//!         for each span of SPAN_PX pixels of the band's runs:            a run: pixels without padding between them
//!             split the span into planes of red, green, blue             in any order, filled up with black
//!             for each vector of the planes, as far as needed:
//!                 channels:  sums, sums of squares
//!                 grey:      sum, sum of squares, counts of dark and bright
//!                 hue:       sort red, green, blue; chroma = greatest − least, rise = middle − least
//!                            sextant from the order of the three; each holds one boundary of the seven sectors:
//!                            7·rise against a multiple of the chroma tells on which side the pixel lies
//!                            sum of chroma, counts of six sectors and of pixels without colour; the rest is the seventh
//!         gather the taps of the band's cells, convert them to grey, average          while the rows are in the cache
//!     on the grid, as far as needed:
//!         corners:   of every nine neighbours on the circle of sixteen cells, take the least and the greatest; the cell is
//!                    a corner if any of the leasts is over centre + 20, or any of the greatests is under centre − 20
//!         Laplacian: sum, sum of squares
//!         edges:     Sobel; maxima over the low threshold as one bitmap, those over the high one as another
//!                    runs of bits, joined where they touch; a component with a bit of the second bitmap is an edge
//! ```
//!
//! The last line does what Canny's hysteresis does: the weak cells that touch an edge, directly or through other weak cells, are those in
//! a component with an edge.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

mod edges;
mod grid;
mod yuv;

use trt_select_cuda::{Accumulators, CLIP_BRIGHT, CLIP_DARK, Format, HUE_BINS};

use self::grid::Grid;
use self::yuv::Yuv;
use super::grid::GridSize;
use super::needs::Needs;
use super::vector::Vector;
use crate::frame::Frame;
use crate::pixel::{self, Row};

/// Number of pixels that are split into planes at a time. They fit the first-level cache, and what one lane counts in them fits a byte.
const SPAN_PX: usize = 2_048;
/// The largest number of lanes of any instruction set.
const MAX_LANES: usize = 32;

/// The memory that the vector implementations work in, allocated once.
pub(super) struct Scratch {
    planes: Planes,
    grid: Grid,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch { planes: Planes([const { [0; SPAN_PX] }; 3].into()), grid: Grid::new() }
    }
}

/// Red, green and blue of the pixels of a span, in three planes.
struct Planes(Box<[[u8; SPAN_PX]; 3]>);

impl Planes {
    #[inline(always)]
    fn put<V: Vector>(&mut self, v: V, at: usize, rgb: [V::Bytes; 3]) {
        for (plane, channel) in self.0.iter_mut().zip(rgb) {
            v.store(channel, &mut plane[at..]);
        }
    }

    #[inline(always)]
    fn get<V: Vector>(&self, v: V, at: usize) -> [V::Bytes; 3] {
        [v.load(&self.0[0][at..]), v.load(&self.0[1][at..]), v.load(&self.0[2][at..])]
    }
}

/// Computes the accumulators that are needed and adds them to `out`.
#[inline(always)]
pub(super) fn compute<V: Vector>(v: V, frame: &Frame<'_>, needs: Needs, scratch: &mut Scratch, out: &mut Accumulators) {
    let (whole, cells) = (needs.intersects(Needs::WHOLE), needs.intersects(Needs::GRID));
    let (width, height) = (frame.width(), frame.height());
    let size = GridSize::of(width, height);
    let bands = if cells { size.height } else { 1 };
    scratch.grid.resize(size);
    let mut pass = Whole { v, frame, needs, planes: &mut scratch.planes, odd: [0; 3 * MAX_LANES], odd_px: 0 };
    for j in 0..bands {
        let last = j + 1 == bands;
        if whole {
            pass.rows(j * size.scale, if last { height } else { (j + 1) * size.scale }, last, out);
        }
        if cells {
            scratch.grid.sample(v, frame, size, j);
        }
    }
    if whole {
        out.pixels = u64::from(width) * u64::from(height);
        if frame.format() == Format::Gray8 {
            grey_to_channels(needs, out);
        }
    }
    if cells {
        scratch.grid.compute(v, needs, out);
    }
}

/// For a grey frame: fills in the accumulators that follow from red = green = blue = grey. Its chroma is 0.
fn grey_to_channels(needs: Needs, out: &mut Accumulators) {
    if needs.contains(Needs::RGB) {
        out.sum_rgb = [out.sum_grey; 3];
    }
    if needs.contains(Needs::RGB_SQUARES) {
        out.sum_sq_rgb = [out.sum_sq_grey; 3];
    }
    if !needs.contains(Needs::GREY) {
        (out.sum_grey, out.sum_sq_grey) = (0, 0);
    }
}

/// The state of the pass over every pixel.
struct Whole<'a, 'f, V> {
    v: V,
    frame: &'a Frame<'f>,
    needs: Needs,
    planes: &'a mut Planes,
    /// If two pixels share their chroma and the width is odd, the last pixel of each row stands alone. Here such pixels are gathered, as
    /// red, green and blue, until they fill a vector.
    odd: [u8; 3 * MAX_LANES],
    odd_px: usize,
}

impl<V: Vector> Whole<'_, '_, V> {
    /// Adds the rows from `start` to before `end`. With `last`, the pixels gathered in `odd` are added too, since no later call would.
    // All kinds of runs share one loop, so that what is inlined into it is inlined only once.
    #[inline(always)]
    fn rows(&mut self, start: u32, end: u32, last: bool, out: &mut Accumulators) {
        let (frame, width) = (self.frame, self.frame.width() as usize);
        let format = frame.format();
        let row_bytes = format.row_bytes(frame.width()) as usize;
        let pairs = matches!(format, Format::Nv12 | Format::Yuyv);
        let lone = pairs && !width.is_multiple_of(2);
        let joined = frame.stride_bytes() == row_bytes && format != Format::Nv12 && !lone;
        let mut y = start;
        loop {
            let odd = self.odd;
            let run = if self.odd_px == MAX_LANES || (y == end && last && self.odd_px > 0) {
                let px = std::mem::take(&mut self.odd_px);
                Run { format: Format::Rgb8, bytes: &odd[..3 * px], chroma: &[], px }
            } else if y == end {
                break;
            } else if joined {
                let bytes = frame.pixels().get(y as usize * row_bytes..end as usize * row_bytes).unwrap_or(&[]);
                let px = (end - y) as usize * width;
                y = end;
                Run { format, bytes, chroma: &[], px }
            } else {
                if lone {
                    let rgb = Row::new(frame, y).rgb(width - 1);
                    self.odd[3 * self.odd_px..][..3].copy_from_slice(&rgb);
                    self.odd_px += 1;
                }
                y += 1;
                let px = width - usize::from(lone);
                Run { format, bytes: frame.row(y - 1), chroma: frame.chroma_row(y - 1), px }
            };
            for at in (0..run.px).step_by(SPAN_PX) {
                let px = (run.px - at).min(SPAN_PX);
                if run.format == Format::Gray8 {
                    self.grey(&run.bytes[at..at + px], out);
                } else {
                    self.split(&run, at, px);
                    self.statistics(px, out);
                }
            }
        }
    }

    /// Splits `px` pixels of a run, from pixel `at` on, into the planes. The last vector is filled up with black.
    #[inline(always)]
    fn split(&mut self, run: &Run<'_>, at: usize, px: usize) {
        let v = self.v;
        let full = px / V::LANES * V::LANES;
        let end = px.next_multiple_of(V::LANES);
        match run.format {
            Format::Rgb8 | Format::Bgr8 => {
                let bytes = &run.bytes[3 * at..3 * (at + px)];
                let mut tail = [0; 3 * MAX_LANES];
                tail[..3 * (px - full)].copy_from_slice(&bytes[3 * full..]);
                for at in (0..end).step_by(V::LANES) {
                    let [a, b, c] = v.load_rgb(if at < full { &bytes[3 * at..] } else { &tail });
                    self.planes.put(v, at, if run.format == Format::Rgb8 { [a, b, c] } else { [c, b, a] });
                }
            }
            Format::Rgba8 => {
                let bytes = &run.bytes[4 * at..4 * (at + px)];
                let mut tail = [0; 4 * MAX_LANES];
                tail[..4 * (px - full)].copy_from_slice(&bytes[4 * full..]);
                for at in (0..end).step_by(V::LANES) {
                    self.planes.put(v, at, v.load_rgbx(if at < full { &bytes[4 * at..] } else { &tail }));
                }
            }
            _ => {
                let yuv = Yuv::new(v, self.frame);
                let nv12 = run.format == Format::Nv12;
                let (unit, chroma) = if nv12 { (1, &run.chroma[at..at + px]) } else { (2, &[][..]) };
                let bytes = &run.bytes[unit * at..unit * (at + px)];
                let (mut tail, mut tail_chroma) = ([yuv.black; 2 * MAX_LANES], [128; MAX_LANES]);
                if nv12 {
                    tail_chroma[..px - full].copy_from_slice(&chroma[full..]);
                } else {
                    tail.iter_mut().skip(1).step_by(2).for_each(|c| *c = 128);
                }
                tail[..unit * (px - full)].copy_from_slice(&bytes[unit * full..]);
                for at in (0..end).step_by(V::LANES) {
                    let bytes = if at < full { &bytes[unit * at..] } else { &tail };
                    let [luma, chroma] = if nv12 {
                        [v.load(bytes), v.load(if at < full { &chroma[at..] } else { &tail_chroma })]
                    } else {
                        v.load_pairs(bytes)
                    };
                    self.planes.put(v, at, yuv.rgb_of_pairs(v, luma, chroma));
                }
            }
        }
    }

    /// Adds a span of grey pixels.
    #[inline(always)]
    fn grey(&mut self, span: &[u8], out: &mut Accumulators) {
        let v = self.v;
        let moments = self.needs.intersects(Needs::GREY.union(Needs::RGB).union(Needs::RGB_SQUARES));
        let full = span.len() / V::LANES * V::LANES;
        let end = span.len().next_multiple_of(V::LANES);
        let mut tail = [0; MAX_LANES];
        tail[..span.len() - full].copy_from_slice(&span[full..]);
        let mut grey = GreySums::new(v);
        for at in (0..end).step_by(V::LANES) {
            let value = v.load(if at < full { &span[at..] } else { &tail });
            grey.add(v, value, moments, self.needs.contains(Needs::CLIP));
        }
        grey.finish(v, end - span.len(), out);
    }

    /// Adds the first `px` pixels of the planes and the black ones that fill up the last vector. Black pixels add nothing to sums and have
    /// no hue, and they are subtracted from the count of dark pixels.
    #[inline(always)]
    fn statistics(&mut self, px: usize, out: &mut Accumulators) {
        let v = self.v;
        let end = px.next_multiple_of(V::LANES);
        if self.needs.intersects(Needs::RGB.union(Needs::RGB_SQUARES)) {
            self.channels(end, out);
        }
        if self.needs.intersects(Needs::GREY.union(Needs::CLIP)) {
            let (moments, clip) = (self.needs.contains(Needs::GREY), self.needs.contains(Needs::CLIP));
            let mut grey = GreySums::new(v);
            for at in (0..end).step_by(V::LANES) {
                grey.add(v, v.grey(self.planes.get(v, at)), moments, clip);
            }
            grey.finish(v, end - px, out);
        }
        if self.needs.contains(Needs::HUE) {
            self.hue::<true>(end, out);
        } else if self.needs.contains(Needs::CHROMA) {
            self.hue::<false>(end, out);
        }
    }

    #[inline(always)]
    fn channels(&mut self, end: usize, out: &mut Accumulators) {
        let v = self.v;
        for (channel, plane) in self.planes.0.iter().enumerate() {
            if self.needs.contains(Needs::RGB_SQUARES) {
                let (mut sum, mut squares) = (v.no_sum(), v.no_sum());
                for at in (0..end).step_by(V::LANES) {
                    let value = v.load(&plane[at..]);
                    sum = v.add_sum(sum, value);
                    squares = v.add_squares(squares, value);
                }
                if self.needs.contains(Needs::RGB) {
                    out.sum_rgb[channel] += v.total(sum);
                }
                out.sum_sq_rgb[channel] += v.total(squares);
            } else {
                let mut sum = v.no_sum();
                for at in (0..end).step_by(V::LANES) {
                    sum = v.add_sum(sum, v.load(&plane[at..]));
                }
                out.sum_rgb[channel] += v.total(sum);
            }
        }
    }

    /// Adds the sum of chroma, and if `HUE` is set, the histogram of hue.
    #[inline(always)]
    fn hue<const HUE: bool>(&mut self, end: usize, out: &mut Accumulators) {
        let v = self.v;
        let (p, q, first) = (v.table(&SECTOR_RISE), v.table(&SECTOR_CHROMA), v.table(&SECTOR_FIRST));
        let (one, two, four) = (v.splat(1), v.splat(2), v.splat(4));
        let mut sum = v.no_sum();
        // Counts of the pixels in the sectors 0 and 2 to 6; entry 1 counts those without colour. All other pixels are in sector 1.
        let mut counts = [v.splat(0); HUE_BINS];
        for at in (0..end).step_by(V::LANES) {
            let [red, green, blue] = self.planes.get(v, at);
            let (low, high) = (v.min(red, green), v.max(red, green));
            let below = v.min(high, blue);
            let (max, middle, min) = (v.max(high, blue), v.max(low, below), v.min(low, blue));
            let chroma = v.sub(max, min);
            sum = v.add_sum(sum, chroma);
            if HUE {
                let order = v
                    .or(v.or(v.and(v.eq(high, red), one), v.and(v.ge(green, blue), two)), v.and(v.ge(red, blue), four));
                let later = v.not_negative(v.sub(middle, min), chroma, v.lookup(p, order), v.lookup(q, order));
                // A mask that is set is −1, so subtracting it adds 1.
                let sector = v.sub(v.lookup(first, order), later);
                for (k, count) in counts.iter_mut().enumerate() {
                    // The three channels of a pixel without colour are equal, for which the tables give sector 1.
                    let mask = if k == 1 { v.eq(chroma, v.splat(0)) } else { v.eq(sector, v.splat(k as u8)) };
                    *count = v.sub(*count, mask);
                }
            }
        }
        if self.needs.contains(Needs::CHROMA) {
            out.sum_chroma += v.total(sum);
        }
        if HUE {
            let mut rest = end as u64;
            for (k, &count) in counts.iter().enumerate() {
                let n = v.total(v.add_sum(v.no_sum(), count));
                rest -= n;
                if k != 1 {
                    out.hue[k] += n;
                }
            }
            out.hue[1] += rest;
        }
    }
}

/// Pixels that lie beside each other in memory. If two pixels share their chroma, their number is even.
struct Run<'a> {
    format: Format,
    bytes: &'a [u8],
    chroma: &'a [u8],
    px: usize,
}

/// The sextant of the hue circle by the order of the channels, (red ≥ green) + 2 (green ≥ blue) + 4 (red ≥ blue). A sextant begins in the
/// sector with its own number. The orders 3 and 4 cannot occur.
const SECTOR_FIRST: [u8; 16] = [3, 4, 2, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// Each sextant contains one boundary between sectors. A pixel is in the later sector if `SECTOR_RISE`·(middle − least) +
/// `SECTOR_CHROMA`·chroma ≥ 0. In the sextants 0, 2 and 4 the middle channel rises with the hue, in the others it falls.
const SECTOR_RISE: [u8; 16] = signed([-7, 7, 7, 0, 0, -7, -7, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
/// See `SECTOR_RISE`. The boundaries lie at 6/7, 5/7, … 1/7 of the sextants 0, 1, … 5.
const SECTOR_CHROMA: [u8; 16] = signed([4, -2, -4, 0, 0, 6, 2, -6, 0, 0, 0, 0, 0, 0, 0, 0]);

const fn signed(values: [i8; 16]) -> [u8; 16] {
    let mut bytes = [0; 16];
    let mut i = 0;
    while i < 16 {
        bytes[i] = values[i] as u8;
        i += 1;
    }
    bytes
}

/// Sums and counts of grey values.
struct GreySums<V: Vector> {
    sum: V::Sums,
    squares: V::Sums,
    dark: V::Bytes,
    bright: V::Bytes,
}

impl<V: Vector> GreySums<V> {
    #[inline(always)]
    fn new(v: V) -> Self {
        GreySums { sum: v.no_sum(), squares: v.no_sum(), dark: v.splat(0), bright: v.splat(0) }
    }

    #[inline(always)]
    fn add(&mut self, v: V, grey: V::Bytes, moments: bool, clip: bool) {
        if moments {
            self.sum = v.add_sum(self.sum, grey);
            self.squares = v.add_squares(self.squares, grey);
        }
        if clip {
            self.dark = v.sub(self.dark, v.ge(v.splat(CLIP_DARK - 1), grey));
            self.bright = v.sub(self.bright, v.ge(grey, v.splat(CLIP_BRIGHT)));
        }
    }

    /// Adds the sums to `out`. `filled` black pixels were only there to fill up a vector, so they are subtracted from the dark ones.
    #[inline(always)]
    fn finish(self, v: V, filled: usize, out: &mut Accumulators) {
        out.sum_grey += v.total(self.sum);
        out.sum_sq_grey += v.total(self.squares);
        // If nothing had to be counted, the count is 0 and the subtraction stays at 0.
        out.dark += v.total(v.add_sum(v.no_sum(), self.dark)).saturating_sub(filled as u64);
        out.bright += v.total(v.add_sum(v.no_sum(), self.bright));
    }
}
