//! The grid group of features, computed over vectors.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::{Accumulators, Format};

use super::edges::{Bitmap, Components};
use super::yuv::Yuv;
use super::{MAX_LANES, Vector};
use crate::features::canny::{HIGH, LOW, TAN_22_5};
use crate::features::fast::{CIRCLE, THRESHOLD};
use crate::features::grid::{GRID_LONG_CELLS, GridSize};
use crate::features::needs::Needs;
use crate::frame::Frame;
use crate::pixel::Row;

/// The largest number of cells in a row. It is a multiple of the lanes of every instruction set.
const MAX_WIDTH: usize = GRID_LONG_CELLS;
/// Number of cells that any grid takes with a border of one cell, with rows rounded up to whole vectors, and one more vector.
const ROOM: usize = (GRID_LONG_CELLS + 2 + MAX_LANES) * (GRID_LONG_CELLS + 2);

/// The grid, and the buffers that are computed from it.
pub(super) struct Grid {
    width: usize,
    height: usize,
    /// The distance from one row to the next, in bytes of `grey` and in words of `magnitude`: one column of border, the row rounded up to
    /// whole vectors, and one column of border.
    pitch: usize,
    /// Grey of the cells, with a border of one cell.
    grey: Box<[u8]>,
    dx: Box<[i16]>,
    dy: Box<[i16]>,
    /// Magnitude of the gradient, with a border of zeros.
    magnitude: Box<[i16]>,
    weak: Bitmap,
    strong: Bitmap,
    components: Components,
    taps: Box<Taps>,
}

/// The pixels that a row of cells is sampled from.
struct Taps {
    /// For one row of the frame: the near pixel and the far pixel of each cell, four bytes each.
    pixels: [[[u8; 4]; MAX_WIDTH]; 2],
    /// The same pixels as luma, Cb and Cr.
    yuv: [[[u8; MAX_WIDTH]; 3]; 2],
    /// Grey of the four pixels of each cell.
    grey: [[u8; MAX_WIDTH]; 4],
}

impl Grid {
    pub(super) fn new() -> Grid {
        Grid {
            width: 0,
            height: 0,
            pitch: 0,
            grey: vec![0; ROOM].into_boxed_slice(),
            dx: vec![0; ROOM].into_boxed_slice(),
            dy: vec![0; ROOM].into_boxed_slice(),
            magnitude: vec![0; ROOM].into_boxed_slice(),
            weak: Bitmap::new(),
            strong: Bitmap::new(),
            components: Components::new(),
            taps: Box::new(Taps {
                pixels: [[[0; 4]; MAX_WIDTH]; 2],
                yuv: [[[0; MAX_WIDTH]; 3]; 2],
                grey: [[0; MAX_WIDTH]; 4],
            }),
        }
    }

    /// Takes on the shape of a grid. The cells have no defined values afterwards.
    pub(super) fn resize(&mut self, size: GridSize) {
        (self.width, self.height) = (size.width as usize, size.height as usize);
        self.pitch = self.width.next_multiple_of(MAX_LANES) + 2;
    }

    /// The index of a row's first cell in `grey` and `magnitude`.
    #[inline(always)]
    fn row(&self, y: usize) -> usize {
        (y + 1) * self.pitch + 1
    }

    /// Computes row `j` of the grid from the frame.
    #[inline(always)]
    pub(super) fn sample<V: Vector>(&mut self, v: V, frame: &Frame<'_>, size: GridSize, j: u32) {
        let (s, width) = (size.scale, self.width);
        let (near, far) = (s / 4, s - 1 - s / 4);
        let last = frame.height() - 1;
        let rows = [(j * s + near).min(last), (j * s + far).min(last)];
        let at = self.row(j as usize);
        if frame.width() < s {
            // The frame is so narrow that there is only one column. Its taps are clamped into the frame.
            let last = frame.width() - 1;
            let grey = |y: u32, x: u32| u32::from(Row::new(frame, y).grey(x.min(last) as usize));
            let sum = rows.iter().map(|&y| grey(y, near) + grey(y, far)).sum::<u32>();
            self.grey[at] = ((sum + 2) >> 2) as u8;
        } else {
            let taps = if s == 1 { 1 } else { 2 };
            for (i, &y) in rows.iter().enumerate().take(taps) {
                self.taps.gather(v, frame, y, (s as usize, near as usize, far as usize), width, 2 * i);
            }
            let [a, b, c, d] = &self.taps.grey;
            // With a scale of 1 all four taps are the same pixel.
            let (b, c, d) = if s == 1 { (a, a, a) } else { (b, c, d) };
            for x in (0..width).step_by(V::LANES) {
                let mean = v.mean([v.load(&a[x..]), v.load(&b[x..]), v.load(&c[x..]), v.load(&d[x..])]);
                v.store(mean, &mut self.grey[at + x..]);
            }
        }
        self.grey[at - 1] = self.grey[at];
        self.grey[at + width] = self.grey[at + width - 1];
    }

    /// Computes the accumulators that are needed and adds them to `out`. Every row of the grid must have been computed.
    #[inline(always)]
    pub(super) fn compute<V: Vector>(&mut self, v: V, needs: Needs, out: &mut Accumulators) {
        let (width, height) = (self.width, self.height);
        out.cells = (width * height) as u64;
        if needs.contains(Needs::KEYPOINTS) && width >= 7 && height >= 7 {
            self.corners(v, out);
        }
        if needs.contains(Needs::LAPLACIAN) && width >= 3 && height >= 3 {
            self.laplacian(v, out);
        }
        if needs.intersects(Needs::EDGES.union(Needs::ANGLES)) {
            self.gradient(v);
            self.suppress(v);
            self.components.find(&self.weak, &self.strong, height);
            if needs.contains(Needs::EDGES) {
                self.components.measure(out);
            }
            if needs.contains(Needs::ANGLES) {
                self.components.angles(&self.dx, &self.dy, self.pitch, out);
            }
        }
    }

    #[inline(always)]
    fn corners<V: Vector>(&self, v: V, out: &mut Accumulators) {
        let threshold = v.splat(THRESHOLD as u8);
        let mut offsets = [0; 16];
        for (offset, (x, y)) in offsets.iter_mut().zip(CIRCLE) {
            *offset = (y + 3) as usize * self.pitch + (x + 3) as usize;
        }
        let zero = v.splat(0);
        for y in 3..self.height - 3 {
            let mut count = zero;
            for x in (3..self.width - 3).step_by(V::LANES) {
                let around = &self.grey[self.row(y - 3) + x - 3..];
                let centre = v.load(&around[3 * self.pitch + 3..]);
                let mut p = [centre; 16];
                for (p, &offset) in p.iter_mut().zip(&offsets) {
                    *p = v.load(&around[offset..]);
                }
                // Nine neighbours on the circle are eight of them that begin at an odd place, and with them either the one before these
                // eight or the one behind them.
                let (mut least, mut greatest) = ([centre; 8], [centre; 8]);
                for i in 0..8 {
                    let (a, b) = (p[2 * i + 1], p[(2 * i + 2) % 16]);
                    (least[i], greatest[i]) = (v.min(a, b), v.max(a, b));
                }
                let (mut least4, mut greatest4) = (least, greatest);
                for i in 0..8 {
                    least4[i] = v.min(least[i], least[(i + 1) % 8]);
                    greatest4[i] = v.max(greatest[i], greatest[(i + 1) % 8]);
                }
                let (mut brighter, mut darker) = (zero, v.splat(255));
                for i in 0..8 {
                    let (before, behind) = (p[2 * i], p[(2 * i + 9) % 16]);
                    let eight = v.min(least4[i], least4[(i + 2) % 8]);
                    brighter = v.max(brighter, v.min(eight, v.max(before, behind)));
                    let eight = v.max(greatest4[i], greatest4[(i + 2) % 8]);
                    darker = v.min(darker, v.max(eight, v.min(before, behind)));
                }
                let over = v.sub_clamped(brighter, v.add_clamped(centre, threshold));
                let under = v.sub_clamped(v.sub_clamped(centre, threshold), darker);
                let corner = v.and(v.ge(v.or(over, under), v.splat(1)), first_bytes(v, self.width - 3 - x));
                count = v.sub(count, corner);
            }
            out.keypoints += v.total(v.add_sum(v.no_sum(), count));
        }
    }

    #[inline(always)]
    fn laplacian<V: Vector>(&self, v: V, out: &mut Accumulators) {
        out.inner_cells = ((self.width - 2) * (self.height - 2)) as u64;
        let one = v.splat_words(1);
        for y in 1..self.height - 1 {
            let (mut sum, mut squares) = (v.no_sum(), v.no_sum());
            for x in (1..self.width - 1).step_by(V::LANES / 2) {
                let around = &self.grey[self.row(y - 1) + x - 1..];
                let cell = |x: usize, y: usize| v.load_wide(&around[y * self.pitch + x..]);
                let sides = v.add_words(v.add_words(cell(0, 1), cell(2, 1)), v.add_words(cell(1, 0), cell(1, 2)));
                let twice = v.add_words(cell(1, 1), cell(1, 1));
                let l = v.sub_words(sides, v.add_words(twice, twice));
                let l = v.and_words(l, first_words(v, self.width - 1 - x));
                sum = v.add_products(sum, l, one);
                squares = v.add_products(squares, l, l);
            }
            out.sum_laplacian += v.total_signed(sum);
            out.sum_sq_laplacian += v.total(squares);
        }
    }

    /// Computes the gradient by Sobel, and its magnitude |dx| + |dy|.
    #[inline(always)]
    fn gradient<V: Vector>(&mut self, v: V) {
        let (width, height, pitch) = (self.width, self.height, self.pitch);
        // The border repeats the outermost cells.
        self.grey.copy_within(pitch..2 * pitch, 0);
        self.grey.copy_within(height * pitch..(height + 1) * pitch, (height + 1) * pitch);
        self.magnitude[..pitch].fill(0);
        self.magnitude[(height + 1) * pitch..(height + 2) * pitch].fill(0);
        for y in 0..height {
            let at = self.row(y);
            self.magnitude[at - 1] = 0;
            self.magnitude[at + width] = 0;
            for x in (0..width.next_multiple_of(V::LANES)).step_by(V::LANES / 2) {
                let around = &self.grey[at + x - 1 - pitch..];
                let cell = |x: usize, y: usize| v.load_wide(&around[y * pitch + x..]);
                let smooth = |a, b, c| v.add_words(v.add_words(a, c), v.add_words(b, b));
                let (left, right) =
                    (smooth(cell(0, 0), cell(0, 1), cell(0, 2)), smooth(cell(2, 0), cell(2, 1), cell(2, 2)));
                let (up, down) =
                    (smooth(cell(0, 0), cell(1, 0), cell(2, 0)), smooth(cell(0, 2), cell(1, 2), cell(2, 2)));
                let (dx, dy) = (v.sub_words(right, left), v.sub_words(down, up));
                let magnitude = v.add_words(v.abs(dx), v.abs(dy));
                let inside = first_words(v, width.saturating_sub(x));
                v.store_words(v.and_words(magnitude, inside), &mut self.magnitude[at + x..]);
                v.store_words(dx, &mut self.dx[y * pitch + x..]);
                v.store_words(dy, &mut self.dy[y * pitch + x..]);
            }
        }
    }

    /// Marks the cells above the low threshold that are maxima along the gradient, and among these the ones above the high threshold.
    #[inline(always)]
    fn suppress<V: Vector>(&mut self, v: V) {
        for y in 0..self.height {
            let (mut weak, mut strong) = ([0; 3], [0; 3]);
            for x in (0..self.width).step_by(V::LANES) {
                let (weak_low, strong_low) = self.maxima(v, x, y);
                let (weak_high, strong_high) = self.maxima(v, x + V::LANES / 2, y);
                weak[x / 64] |= v.bits([weak_low, weak_high]) << (x % 64);
                strong[x / 64] |= v.bits([strong_low, strong_high]) << (x % 64);
            }
            self.weak.set(y, weak);
            self.strong.set(y, strong);
        }
    }

    /// For half a vector of cells: the mask of maxima above the low threshold, and the mask of those above the high one.
    #[inline(always)]
    fn maxima<V: Vector>(&self, v: V, x: usize, y: usize) -> (V::Words, V::Words) {
        let around = &self.magnitude[self.row(y) + x - 1 - self.pitch..];
        let cell = |x: usize, y: usize| v.load_words(&around[y * self.pitch + x..]);
        let magnitude = cell(1, 1);
        let dx = v.load_words(&self.dx[y * self.pitch + x..]);
        let dy = v.load_words(&self.dy[y * self.pitch + x..]);
        let (ax, ay) = (v.abs(dx), v.abs(dy));
        let twice = v.add_words(ax, ax);
        // `floor` is ⌊|dx| tan 22.5°⌋, and |dy| < |dx| tan 22.5° exactly if |dy| < floor + 1, unless the product is an integer. That
        // happens only for dx = 0; there |dy| is either above the low threshold or the cell does not matter.
        let floor = v.high_product(twice, v.splat_words(TAN_22_5 as i16));
        let flat = v.gt_words(v.add_words(floor, v.splat_words(1)), ay);
        let steep = v.gt_words(ay, v.add_words(floor, twice));
        let falling = v.gt_words(v.splat_words(0), v.xor_words(dx, dy));
        let before = v.select(falling, cell(2, 0), cell(0, 0));
        let behind = v.select(falling, cell(0, 2), cell(2, 2));
        let before = v.select(flat, cell(0, 1), v.select(steep, cell(1, 0), before));
        let behind = v.select(flat, cell(2, 1), v.select(steep, cell(1, 2), behind));
        // Along rows and columns a cell that equals the one behind it is still a maximum. A mask is −1, so subtracting it adds 1.
        let or_equal = v.sub_words(magnitude, v.or_words(flat, steep));
        let maximum = v.and_words(v.gt_words(magnitude, before), v.gt_words(or_equal, behind));
        let weak = v.and_words(maximum, v.gt_words(magnitude, v.splat_words(LOW as i16)));
        (weak, v.and_words(weak, v.gt_words(magnitude, v.splat_words(HIGH as i16))))
    }
}

impl Taps {
    /// Writes the grey of the taps of `width` cells that lie in row `y` of a frame: the near ones into `grey[into]`, and unless
    /// the scale is 1, the far ones into `grey[into + 1]`.
    #[inline(always)]
    fn gather<V: Vector>(
        &mut self,
        v: V,
        frame: &Frame<'_>,
        y: u32,
        (s, near, far): (usize, usize, usize),
        width: usize,
        into: usize,
    ) {
        let row = frame.row(y);
        let taps = if s == 1 { 1 } else { 2 };
        match frame.format() {
            Format::Gray8 => {
                for (i, cell) in row.chunks_exact(s).take(width).enumerate() {
                    self.grey[into][i] = cell[near];
                    if taps == 2 {
                        self.grey[into + 1][i] = cell[far];
                    }
                }
            }
            Format::Nv12 | Format::Yuyv => {
                for (tap, offset) in [near, far].into_iter().enumerate().take(taps) {
                    self.gather_yuv(frame, y, (s, offset), width, tap);
                }
                let yuv = Yuv::new(v, frame);
                for (planes, grey) in self.yuv.iter().zip(&mut self.grey[into..into + taps]) {
                    for x in (0..width).step_by(V::LANES) {
                        let [luma, cb, cr] = planes;
                        let rgb = yuv.rgb(v, v.load(&luma[x..]), v.load(&cb[x..]), v.load(&cr[x..]));
                        v.store(v.grey(rgb), &mut grey[x..]);
                    }
                }
            }
            format => {
                let (near_px, far_px) = self.pixels.split_at_mut(1);
                let cells = near_px[0].iter_mut().zip(&mut far_px[0]).take(width);
                if format == Format::Rgba8 {
                    let (near_at, far_at) = (4 * near, 4 * far);
                    for ((n, f), cell) in cells.zip(row.chunks_exact(4 * s)) {
                        n.copy_from_slice(&cell[near_at..near_at + 4]);
                        f.copy_from_slice(&cell[far_at..far_at + 4]);
                    }
                } else if s == 1 {
                    for ((n, _), p) in cells.zip(row.as_chunks::<3>().0) {
                        *n = [p[0], p[1], p[2], 0];
                    }
                } else {
                    // Copying four bytes at once is fast: the near pixel with the byte behind it, and the far pixel with the byte before
                    // it, which is then shifted out.
                    let (near_at, far_at) = (3 * near, 3 * far - 1);
                    for ((n, f), cell) in cells.zip(row.chunks_exact(3 * s)) {
                        n.copy_from_slice(&cell[near_at..near_at + 4]);
                        let mut pixel = [0; 4];
                        pixel.copy_from_slice(&cell[far_at..far_at + 4]);
                        *f = (u32::from_le_bytes(pixel) >> 8).to_le_bytes();
                    }
                }
                let weights = if format == Format::Bgr8 { [29, 150, 77] } else { [77, 150, 29] };
                for (pixels, grey) in self.pixels.iter().zip(&mut self.grey[into..into + taps]) {
                    for x in (0..width).step_by(V::LANES) {
                        v.store(v.grey_of_pixels(pixels[x..].as_flattened(), weights), &mut grey[x..]);
                    }
                }
            }
        }
    }

    /// Gathers luma and chroma of one tap of each cell.
    #[inline(always)]
    fn gather_yuv(&mut self, frame: &Frame<'_>, y: u32, (s, offset): (usize, usize), width: usize, tap: usize) {
        let (row, chroma) = (frame.row(y), frame.chroma_row(y));
        let [luma, cb, cr] = &mut self.yuv[tap];
        let nv12 = frame.format() == Format::Nv12;
        for (i, ((luma, cb), cr)) in luma.iter_mut().zip(cb).zip(cr).enumerate().take(width) {
            let x = i * s + offset;
            if nv12 {
                (*luma, *cb, *cr) = (row[x], chroma[x / 2 * 2], chroma[x / 2 * 2 + 1]);
            } else {
                (*luma, *cb, *cr) = (row[2 * x], row[x / 2 * 4 + 1], row[x / 2 * 4 + 3]);
            }
        }
    }
}

/// Ones followed by zeros: the vector that begins n bytes before the zeros is the mask of the first n lanes.
const BYTES: [u8; 2 * MAX_LANES] = {
    let mut mask = [0; 2 * MAX_LANES];
    let mut i = 0;
    while i < MAX_LANES {
        mask[i] = 0xff;
        i += 1;
    }
    mask
};
const WORDS: [i16; MAX_LANES] = {
    let mut mask = [0; MAX_LANES];
    let mut i = 0;
    while i < MAX_LANES / 2 {
        mask[i] = -1;
        i += 1;
    }
    mask
};

/// The mask of the first `n` lanes; of all lanes if there are fewer than `n`.
#[inline(always)]
fn first_bytes<V: Vector>(v: V, n: usize) -> V::Bytes {
    v.load(&BYTES[MAX_LANES - n.min(MAX_LANES)..])
}

/// The same mask, for words.
#[inline(always)]
fn first_words<V: Vector>(v: V, n: usize) -> V::Words {
    v.load_words(&WORDS[MAX_LANES / 2 - n.min(MAX_LANES / 2)..])
}
