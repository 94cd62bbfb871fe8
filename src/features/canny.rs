//! Edges on the grid: Canny's detector as OpenCV computes it, the edges' orientations, and their connected components.
//!
//! 1. Compute the gradient by a 3×3 Sobel filter, with the border replicated. Its magnitude is |dx| + |dy|.
//! 2. Keep each cell whose magnitude is above the low threshold and is a maximum along the gradient (in one of four directions).
//! 3. Of these, the cells above the high threshold are edges, and so is each that touches an edge, directly or through others.
//! 4. Find the components of edge cells that touch each other, row by row.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::{ANGLE_BINS, Accumulators, LENGTH_BINS};

use super::grid::Buffers;

/// A cell whose magnitude is at or below this is not an edge.
pub(super) const LOW: u16 = 100;
/// A maximum whose magnitude is above this is an edge by itself.
pub(super) const HIGH: u16 = 200;
/// tan 22.5° in units of 1/32768, rounded as OpenCV rounds it.
pub(super) const TAN_22_5: i32 = 13_573;

/// What `map` holds for a cell: this value or one of the three below.
const NONE: u8 = 0;
const WEAK: u8 = 1;
const EDGE: u8 = 2;
const COUNTED: u8 = 3;

/// (cos, sin) of k·180°/7 for k = 1..=6, times 65536 and rounded.
const SECTORS: [(i32, i32); ANGLE_BINS - 1] =
    [(59_046, 28_435), (40_861, 51_238), (14_583, 63_893), (-14_583, 63_893), (-40_861, 51_238), (-59_046, 28_435)];

/// The sector that the gradient's orientation, taken modulo 180°, lies in: 0..7.
pub(super) fn angle_bin(dx: i16, dy: i16) -> usize {
    let (x, y) = (i32::from(dx), i32::from(dy));
    let (x, y) = if y < 0 || (y == 0 && x < 0) { (-x, -y) } else { (x, y) };
    SECTORS.iter().filter(|&&(cos, sin)| cos * y >= sin * x).count()
}

/// The class of a component by its number of cells: 1–3, 4–7, 8–15, 16–31, 32–63, 64–127, 128 or more.
pub(super) fn length_bin(cells: u64) -> usize {
    (cells.max(2).ilog2() as usize - 1).min(LENGTH_BINS - 1)
}

/// Computes the accumulators of edges from the grid in `workspace.grey`.
pub(super) fn edges(workspace: &mut Buffers, width: usize, height: usize, out: &mut Accumulators) {
    gradient(workspace, width, height);
    let strong = suppress(workspace, width, height);
    hysteresis(workspace, width, strong);
    components(workspace, width, height, out);
}

fn gradient(ws: &mut Buffers, width: usize, height: usize) {
    let padded = width + 2;
    ws.magnitude[..padded * (height + 2)].fill(0);
    for y in 0..height {
        let row = |y: usize| &ws.grey[y * width..(y + 1) * width];
        let (up, mid, down) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
        let dx = &mut ws.dx[y * width..(y + 1) * width];
        let dy = &mut ws.dy[y * width..(y + 1) * width];
        let magnitude = &mut ws.magnitude[(y + 1) * padded + 1..][..width];
        for x in 0..width {
            let (l, r) = (x.saturating_sub(1), (x + 1).min(width - 1));
            let v = |row: &[u8], x: usize| i16::from(row[x]);
            let gx = v(up, r) + 2 * v(mid, r) + v(down, r) - v(up, l) - 2 * v(mid, l) - v(down, l);
            let gy = v(down, l) + 2 * v(down, x) + v(down, r) - v(up, l) - 2 * v(up, x) - v(up, r);
            dx[x] = gx;
            dy[x] = gy;
            magnitude[x] = gx.unsigned_abs() + gy.unsigned_abs();
        }
    }
}

/// Marks each maximum as a weak cell or an edge. It puts the edges on the stack and returns how many there are.
fn suppress(ws: &mut Buffers, width: usize, height: usize) -> usize {
    let padded = width + 2;
    ws.map[..padded * (height + 2)].fill(NONE);
    let mut top = 0;
    for y in 0..height {
        for x in 0..width {
            let i = (y + 1) * padded + x + 1;
            let m = ws.magnitude[i];
            if m <= LOW {
                continue;
            }
            let (dx, dy) = (i32::from(ws.dx[y * width + x]), i32::from(ws.dy[y * width + x]));
            let (ax, ay) = (dx.abs(), dy.abs() << 15);
            let tan_22 = ax * TAN_22_5;
            let tan_67 = tan_22 + (ax << 16);
            let maximum = if ay < tan_22 {
                m > ws.magnitude[i - 1] && m >= ws.magnitude[i + 1]
            } else if ay > tan_67 {
                m > ws.magnitude[i - padded] && m >= ws.magnitude[i + padded]
            } else if (dx ^ dy) < 0 {
                m > ws.magnitude[i - padded + 1] && m > ws.magnitude[i + padded - 1]
            } else {
                m > ws.magnitude[i - padded - 1] && m > ws.magnitude[i + padded + 1]
            };
            if !maximum {
                continue;
            }
            if m > HIGH {
                ws.map[i] = EDGE;
                ws.stack[top] = i as u16;
                top += 1;
            } else {
                ws.map[i] = WEAK;
            }
        }
    }
    top
}

fn neighbours(i: usize, padded: usize) -> [usize; 8] {
    [i - padded - 1, i - padded, i - padded + 1, i - 1, i + 1, i + padded - 1, i + padded, i + padded + 1]
}

/// Turns weak cells that touch an edge, directly or through others, into edges.
fn hysteresis(ws: &mut Buffers, width: usize, mut top: usize) {
    while top > 0 {
        top -= 1;
        for n in neighbours(usize::from(ws.stack[top]), width + 2) {
            if ws.map[n] == WEAK {
                ws.map[n] = EDGE;
                ws.stack[top] = n as u16;
                top += 1;
            }
        }
    }
}

fn components(ws: &mut Buffers, width: usize, height: usize, out: &mut Accumulators) {
    let padded = width + 2;
    let mut largest = 0;
    for y in 1..=height {
        for x in 1..=width {
            let start = y * padded + x;
            if ws.map[start] != EDGE {
                continue;
            }
            ws.map[start] = COUNTED;
            ws.stack[0] = start as u16;
            let mut top = 1;
            let mut cells = 0u64;
            let (mut left, mut right, mut bottom) = (x, x, y);
            while top > 0 {
                top -= 1;
                let i = usize::from(ws.stack[top]);
                let (cx, cy) = (i % padded, i / padded);
                cells += 1;
                left = left.min(cx);
                right = right.max(cx);
                bottom = bottom.max(cy);
                let cell = (cy - 1) * width + cx - 1;
                out.edge_angle[angle_bin(ws.dx[cell], ws.dy[cell])] += 1;
                for n in neighbours(i, padded) {
                    if ws.map[n] == EDGE {
                        ws.map[n] = COUNTED;
                        ws.stack[top] = n as u16;
                        top += 1;
                    }
                }
            }
            out.edge_cells += cells;
            out.edge_length[length_bin(cells)] += 1;
            if cells > largest {
                // The first cell that is found lies in the component's top row, which is row `y`.
                largest = cells;
                out.object_width = (right - left + 1) as u64;
                out.object_height = (bottom - y + 1) as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_bins() {
        let bins: Vec<usize> =
            [0, 1, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 1_000, 19_200].into_iter().map(length_bin).collect();
        assert_eq!(bins, [0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6]);
    }

    /// For every gradient that can occur, the integer table gives the sector that its angle lies in.
    #[test]
    fn angle_bins_are_those_of_the_angle() {
        for dx in -1_020..=1_020i16 {
            for dy in -1_020..=1_020i16 {
                if (dx, dy) == (0, 0) {
                    continue;
                }
                let turn = f64::from(dy).atan2(f64::from(dx)) / std::f64::consts::PI;
                let position = turn.rem_euclid(1.0) * 7.0;
                // `rem_euclid` may round up to 1, which is 0 again.
                let want = (position.floor() as usize) % 7;
                let near = (position - position.round()).abs() < 1e-4;
                assert!(near || angle_bin(dx, dy) == want, "{dx} {dy}: {position}");
            }
        }
        assert_eq!(angle_bin(5, 0), 0);
        assert_eq!(angle_bin(-5, 0), 0);
        assert_eq!(angle_bin(0, -5), 3);
    }
}
