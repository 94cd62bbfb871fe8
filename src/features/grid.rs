//! The grid that a frame is sampled down to, and the memory that the scalar code for it takes.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use crate::frame::Frame;
use crate::pixel::Row;

/// The largest number of cells along the longer side of a frame.
pub const GRID_LONG_CELLS: usize = 160;
/// The largest number of cells along the shorter side of a frame.
pub const GRID_SHORT_CELLS: usize = 120;

/// The largest number of cells of a grid.
const MAX_CELLS: usize = GRID_LONG_CELLS * GRID_SHORT_CELLS;
/// The largest number of cells of a grid together with a border of one cell around it.
const MAX_PADDED: usize = (GRID_LONG_CELLS + 2) * (GRID_SHORT_CELLS + 2);

/// The shape of the grid that a frame is sampled down to.
///
/// ```
/// use trt_select::features::GridSize;
///
/// // 1920 / 160 = 12 pixels a cell.
/// let size = GridSize::of(1920, 1080);
/// assert_eq!((size.scale, size.width, size.height), (12, 160, 90));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GridSize {
    /// Number of the frame's pixels per cell along each axis; at least 1.
    pub scale: u32,
    /// Number of cells in a row, 1 to 160.
    pub width: u32,
    /// Number of rows of cells, 1 to 160.
    pub height: u32,
}

impl GridSize {
    /// The grid of a frame with this size in pixels. A side of 0 counts as 1.
    pub fn of(width_px: u32, height_px: u32) -> GridSize {
        let (w, h) = (width_px.max(1), height_px.max(1));
        let by_long = w.max(h).div_ceil(GRID_LONG_CELLS as u32);
        let by_short = w.min(h).div_ceil(GRID_SHORT_CELLS as u32);
        let scale = by_long.max(by_short).max(1);
        GridSize { scale, width: (w / scale).max(1), height: (h / scale).max(1) }
    }
}

/// The memory of the scalar code for the grid group, allocated once for the largest grid (about 220 KB).
pub(super) struct Buffers {
    /// Grey, row by row.
    pub(super) grey: Box<[u8]>,
    /// Horizontal gradient, row by row.
    pub(super) dx: Box<[i16]>,
    /// Vertical gradient, row by row.
    pub(super) dy: Box<[i16]>,
    /// Magnitude of the gradient, row by row, with a border of zeros.
    pub(super) magnitude: Box<[u16]>,
    /// What is known of each cell, row by row, with a border of zeros: see `canny`.
    pub(super) map: Box<[u8]>,
    /// Cells that still have to be visited, as indices into `map`. During one search each cell enters at most once.
    pub(super) stack: Box<[u16]>,
}

impl Buffers {
    /// Allocates the memory.
    pub(super) fn new() -> Buffers {
        Buffers {
            grey: vec![0; MAX_CELLS].into_boxed_slice(),
            dx: vec![0; MAX_CELLS].into_boxed_slice(),
            dy: vec![0; MAX_CELLS].into_boxed_slice(),
            magnitude: vec![0; MAX_PADDED].into_boxed_slice(),
            map: vec![0; MAX_PADDED].into_boxed_slice(),
            stack: vec![0; MAX_CELLS].into_boxed_slice(),
        }
    }

    /// Samples a frame down to grey cells in `grey`.
    pub(super) fn sample(&mut self, frame: &Frame<'_>) -> GridSize {
        let size = GridSize::of(frame.width(), frame.height());
        let s = size.scale;
        let rows = self.grey.chunks_exact_mut(size.width as usize).take(size.height as usize);
        if s == 1 {
            for (y, out) in rows.enumerate() {
                Row::new(frame, y as u32).write_grey(out);
            }
            return size;
        }
        let (near, far) = (s / 4, s - 1 - s / 4);
        let (last_x, last_y) = (frame.width() - 1, frame.height() - 1);
        for (j, out) in rows.enumerate() {
            let top = j as u32 * s;
            let a = Row::new(frame, (top + near).min(last_y));
            let b = Row::new(frame, (top + far).min(last_y));
            for (i, o) in out.iter_mut().enumerate() {
                let left = i as u32 * s;
                let x0 = (left + near).min(last_x) as usize;
                let x1 = (left + far).min(last_x) as usize;
                let sum = [a.grey(x0), a.grey(x1), b.grey(x0), b.grey(x1)].into_iter().map(u32::from).sum::<u32>();
                *o = ((sum + 2) >> 2) as u8;
            }
        }
        size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::MAX_SIDE_PX;
    use trt_select_cuda::Format;

    #[test]
    fn sizes() {
        let of = |w, h| {
            let g = GridSize::of(w, h);
            (g.scale, g.width, g.height)
        };
        assert_eq!(of(28, 28), (1, 28, 28));
        assert_eq!(of(160, 120), (1, 160, 120));
        assert_eq!(of(120, 160), (1, 120, 160));
        assert_eq!(of(121, 121), (2, 60, 60));
        assert_eq!(of(161, 1), (2, 80, 1));
        assert_eq!(of(1280, 720), (8, 160, 90));
        assert_eq!(of(1920, 1080), (12, 160, 90));
        assert_eq!(of(1, MAX_SIDE_PX), (205, 1, 159));
        assert_eq!(of(0, 0), (1, 1, 1));
        assert_eq!(of(MAX_SIDE_PX, MAX_SIDE_PX), (274, 119, 119));
    }

    #[test]
    fn every_grid_fits() {
        for w in (1..=MAX_SIDE_PX).step_by(61).chain(1..400) {
            for h in (1..=MAX_SIDE_PX).step_by(997).chain([1, 2, 119, 120, 121, 160, 161, MAX_SIDE_PX]) {
                let g = GridSize::of(w, h);
                let (long, short) = (g.width.max(g.height) as usize, g.width.min(g.height) as usize);
                assert!(long <= GRID_LONG_CELLS && short <= GRID_SHORT_CELLS, "{w}x{h}: {g:?}");
            }
        }
    }

    #[test]
    fn taps_are_clamped_into_thin_frames() {
        // 1x400: the scale is 3 and the offsets are 0 and 2. There is only one column, so both taps of a row are in it.
        let bytes: Vec<u8> = (0..400u32).map(|y| (y % 256) as u8).collect();
        let frame = Frame::packed(Format::Gray8, 1, 400, 1, &bytes).unwrap();
        let mut ws = Buffers::new();
        let g = ws.sample(&frame);
        assert_eq!((g.scale, g.width, g.height), (3, 1, 133));
        assert_eq!(&ws.grey[..3], &[1, 4, 7]);
    }
}
