//! The features over vectors, once for every instruction set.
//!
//! Every sum is of integers, so the order of the pixels does not matter, and this equals the scalar reference bit for bit.
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
//!         corners:   with v[0..16] the circle, a corner's is brighter if the greatest of the least nine in a row is
//!                    over centre + 20, darker if the least of the greatest nine is under centre − 20
//!         Laplacian: sum, sum of squares
//!         edges:     Sobel; maxima over the low threshold as one bitmap, those over the high one as another
//!                    runs of bits, joined where they touch; a component with a bit of the second bitmap is an edge
//! ```
//!
//! The last line is Canny's hysteresis: what touches an edge through weak cells is the weak and strong cells' component.
#![forbid(unsafe_code)]

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

/// Pixels split into planes at a time. They fit the first-level cache, and their counts of a vector's lane fit a byte.
const SPAN_PX: usize = 2_048;
/// Most lanes of any instruction set.
const MAX_LANES: usize = 32;

/// Memory of the vector implementations, taken once.
pub(super) struct Scratch {
    planes: Planes,
    grid: Grid,
}

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch { planes: Planes([const { [0; SPAN_PX] }; 3].into()), grid: Grid::new() }
    }
}

/// Red, green, blue of a span.
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

/// Adds what is needed to `out`.
#[inline(always)]
pub(super) fn compute<V: Vector>(
    v: V,
    frame: &Frame<'_>,
    needs: Needs,
    scratch: &mut Scratch,
    out: &mut Accumulators,
) {
    let (whole, cells) = (needs.intersects(Needs::WHOLE), needs.intersects(Needs::GRID));
    let mut pass = Whole { v, frame, needs, planes: &mut scratch.planes, odd: [0; 3 * MAX_LANES], odd_px: 0 };
    let height = frame.height();
    if !cells {
        pass.rows(0, height, out);
    } else {
        let size = GridSize::of(frame.width(), height);
        scratch.grid.resize(size);
        let mut y = 0;
        for j in 0..size.height {
            let end = if j + 1 == size.height { height } else { y + size.scale };
            if whole {
                pass.rows(y, end, out);
            }
            scratch.grid.sample(v, frame, size, j);
            y = end;
        }
    }
    if whole {
        pass.finish(out);
    }
    if cells {
        scratch.grid.compute(v, needs, out);
    }
}

/// The pass over every pixel.
struct Whole<'a, 'f, V> {
    v: V,
    frame: &'a Frame<'f>,
    needs: Needs,
    planes: &'a mut Planes,
    /// Last pixels of rows of odd width, where two pixels share their chroma: red, green, blue.
    odd: [u8; 3 * MAX_LANES],
    odd_px: usize,
}

impl<V: Vector> Whole<'_, '_, V> {
    /// Adds the rows from `start` to before `end`.
    #[inline(always)]
    fn rows(&mut self, start: u32, end: u32, out: &mut Accumulators) {
        let frame = self.frame;
        let format = frame.format();
        let row_bytes = format.row_bytes(frame.width()) as usize;
        let width = frame.width() as usize;
        let joined = frame.stride_bytes() == row_bytes && format != Format::Nv12;
        if joined && (format != Format::Yuyv || width.is_multiple_of(2)) {
            let bytes = frame.pixels().get(start as usize * row_bytes..end as usize * row_bytes).unwrap_or(&[]);
            self.run(bytes, &[], (end - start) as usize * width, out);
            return;
        }
        for y in start..end {
            let mut px = width;
            if matches!(format, Format::Nv12 | Format::Yuyv) && !width.is_multiple_of(2) {
                px -= 1;
                let last = Row::new(frame, y).rgb(px);
                self.odd[3 * self.odd_px..][..3].copy_from_slice(&last);
                self.odd_px += 1;
                if self.odd_px == MAX_LANES {
                    self.flush_odd(out);
                }
            }
            self.run(frame.row(y), frame.chroma_row(y), px, out);
        }
    }

    /// Adds what `rows` left over, and what follows from the sums.
    #[inline(always)]
    fn finish(&mut self, out: &mut Accumulators) {
        self.flush_odd(out);
        out.pixels = u64::from(self.frame.width()) * u64::from(self.frame.height());
        if self.frame.format() == Format::Gray8 {
            // Red = green = blue = grey, and chroma is 0.
            if self.needs.contains(Needs::RGB) {
                out.sum_rgb = [out.sum_grey; 3];
            }
            if self.needs.contains(Needs::RGB_SQUARES) {
                out.sum_sq_rgb = [out.sum_sq_grey; 3];
            }
            if !self.needs.contains(Needs::GREY) {
                (out.sum_grey, out.sum_sq_grey) = (0, 0);
            }
        }
    }

    #[inline(always)]
    fn flush_odd(&mut self, out: &mut Accumulators) {
        let px = std::mem::take(&mut self.odd_px);
        let odd = self.odd;
        self.rgb_run(&odd[..3 * px], false, out);
    }

    /// Adds `px` pixels that lie beside each other; an even number where two share their chroma.
    #[inline(always)]
    fn run(&mut self, bytes: &[u8], chroma: &[u8], px: usize, out: &mut Accumulators) {
        match self.frame.format() {
            Format::Rgb8 => self.rgb_run(bytes, false, out),
            Format::Bgr8 => self.rgb_run(bytes, true, out),
            Format::Rgba8 => self.rgba_run(bytes, out),
            Format::Gray8 => self.grey_run(bytes, out),
            Format::Nv12 => self.nv12_run(&bytes[..px], &chroma[..px], out),
            Format::Yuyv => self.yuyv_run(&bytes[..2 * px], out),
            _ => {}
        }
    }

    #[inline(always)]
    fn rgb_run(&mut self, bytes: &[u8], swapped: bool, out: &mut Accumulators) {
        let v = self.v;
        let order = |[a, b, c]: [V::Bytes; 3]| if swapped { [c, b, a] } else { [a, b, c] };
        for span in bytes.chunks(3 * SPAN_PX) {
            let px = span.len() / 3;
            let full = px / V::LANES * V::LANES;
            for at in (0..full).step_by(V::LANES) {
                self.planes.put(v, at, order(v.load_rgb(&span[3 * at..])));
            }
            if full < px {
                let mut tail = [0; 3 * MAX_LANES];
                tail[..3 * (px - full)].copy_from_slice(&span[3 * full..3 * px]);
                self.planes.put(v, full, order(v.load_rgb(&tail)));
            }
            self.span(px, out);
        }
    }

    #[inline(always)]
    fn rgba_run(&mut self, bytes: &[u8], out: &mut Accumulators) {
        let v = self.v;
        for span in bytes.chunks(4 * SPAN_PX) {
            let px = span.len() / 4;
            let full = px / V::LANES * V::LANES;
            for at in (0..full).step_by(V::LANES) {
                self.planes.put(v, at, v.load_rgbx(&span[4 * at..]));
            }
            if full < px {
                let mut tail = [0; 4 * MAX_LANES];
                tail[..4 * (px - full)].copy_from_slice(&span[4 * full..4 * px]);
                self.planes.put(v, full, v.load_rgbx(&tail));
            }
            self.span(px, out);
        }
    }

    #[inline(always)]
    fn nv12_run(&mut self, luma: &[u8], chroma: &[u8], out: &mut Accumulators) {
        let (v, yuv) = (self.v, Yuv::new(self.v, self.frame));
        for (luma, chroma) in luma.chunks(SPAN_PX).zip(chroma.chunks(SPAN_PX)) {
            let px = luma.len().min(chroma.len());
            let full = px / V::LANES * V::LANES;
            for at in (0..full).step_by(V::LANES) {
                let rgb = yuv.rgb_of_pairs(v, v.load(&luma[at..]), v.load(&chroma[at..]));
                self.planes.put(v, at, rgb);
            }
            if full < px {
                let (mut y, mut c) = ([yuv.black; MAX_LANES], [128; MAX_LANES]);
                y[..px - full].copy_from_slice(&luma[full..px]);
                c[..px - full].copy_from_slice(&chroma[full..px]);
                self.planes.put(v, full, yuv.rgb_of_pairs(v, v.load(&y), v.load(&c)));
            }
            self.span(px, out);
        }
    }

    #[inline(always)]
    fn yuyv_run(&mut self, bytes: &[u8], out: &mut Accumulators) {
        let (v, yuv) = (self.v, Yuv::new(self.v, self.frame));
        for span in bytes.chunks(2 * SPAN_PX) {
            let px = span.len() / 2;
            let full = px / V::LANES * V::LANES;
            for at in (0..full).step_by(V::LANES) {
                let [y, c] = v.load_pairs(&span[2 * at..]);
                self.planes.put(v, at, yuv.rgb_of_pairs(v, y, c));
            }
            if full < px {
                let mut tail = [0; 2 * MAX_LANES];
                for pair in tail.as_chunks_mut::<2>().0 {
                    *pair = [yuv.black, 128];
                }
                tail[..2 * (px - full)].copy_from_slice(&span[2 * full..2 * px]);
                let [y, c] = v.load_pairs(&tail);
                self.planes.put(v, full, yuv.rgb_of_pairs(v, y, c));
            }
            self.span(px, out);
        }
    }

    #[inline(always)]
    fn grey_run(&mut self, bytes: &[u8], out: &mut Accumulators) {
        let v = self.v;
        let moments = self.needs.intersects(Needs::GREY.union(Needs::RGB).union(Needs::RGB_SQUARES));
        for span in bytes.chunks(SPAN_PX) {
            let full = span.len() / V::LANES * V::LANES;
            let mut grey = GreySums::new(v);
            for at in (0..full).step_by(V::LANES) {
                grey.add(v, v.load(&span[at..]), moments, self.needs.contains(Needs::CLIP));
            }
            let tail_px = span.len() - full;
            let mut filled = 0;
            if tail_px > 0 {
                let mut tail = [0; MAX_LANES];
                tail[..tail_px].copy_from_slice(&span[full..]);
                grey.add(v, v.load(&tail), moments, self.needs.contains(Needs::CLIP));
                filled = V::LANES - tail_px;
            }
            grey.finish(v, filled, out);
        }
    }

    /// Adds the first `px` pixels of the planes; what fills the last vector up is black.
    #[inline(always)]
    fn span(&mut self, px: usize, out: &mut Accumulators) {
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

    /// The sum of chroma, and with `HUE` the histogram of hue.
    #[inline(always)]
    fn hue<const HUE: bool>(&mut self, end: usize, out: &mut Accumulators) {
        let v = self.v;
        let (p, q, first) = (v.table(&SECTOR_RISE), v.table(&SECTOR_CHROMA), v.table(&SECTOR_FIRST));
        let (one, two, four) = (v.splat(1), v.splat(2), v.splat(4));
        let mut sum = v.no_sum();
        // Of sectors 0 and 2 to 6, and of pixels without colour; sector 1 is what remains.
        let mut counts = [v.splat(0); HUE_BINS];
        for at in (0..end).step_by(V::LANES) {
            let [red, green, blue] = self.planes.get(v, at);
            let (low, high) = (v.min(red, green), v.max(red, green));
            let below = v.min(high, blue);
            let (max, middle, min) = (v.max(high, blue), v.max(low, below), v.min(low, blue));
            let chroma = v.sub(max, min);
            sum = v.add_sum(sum, chroma);
            if HUE {
                let order = v.or(
                    v.or(v.and(v.eq(high, red), one), v.and(v.ge(green, blue), two)),
                    v.and(v.ge(red, blue), four),
                );
                let later = v.not_negative(v.sub(middle, min), chroma, v.lookup(p, order), v.lookup(q, order));
                // A mask is −1.
                let sector = v.sub(v.lookup(first, order), later);
                for (k, count) in counts.iter_mut().enumerate() {
                    // Without colour all three are equal, which counts as sector 1.
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

/// By the order of the channels, (red ≥ green) + 2 (green ≥ blue) + 4 (red ≥ blue): the sextant of the hue circle, which is
/// the sector in which it begins. Orders 3 and 4 cannot be.
const SECTOR_FIRST: [u8; 16] = [3, 4, 2, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// The later sector begins where `SECTOR_RISE`·(middle − least) + `SECTOR_CHROMA`·chroma ≥ 0. In the sextants 0, 2, 4 the
/// middle channel rises with the hue, in the others it falls.
const SECTOR_RISE: [u8; 16] = signed([-7, 7, 7, 0, 0, -7, -7, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
/// See `SECTOR_RISE`: 6/7, 5/7, … 1/7 of the sextants 0, 1, … 5.
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

/// Sums over grey.
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

    /// `filled` pixels of black are taken off again.
    #[inline(always)]
    fn finish(self, v: V, filled: usize, out: &mut Accumulators) {
        let count = |lanes: V::Bytes| v.total(v.add_sum(v.no_sum(), lanes));
        out.sum_grey += v.total(self.sum);
        out.sum_sq_grey += v.total(self.squares);
        let dark = count(self.dark);
        // Nothing was counted where nothing was asked for.
        out.dark += dark.saturating_sub(filled as u64);
        out.bright += count(self.bright);
    }
}
