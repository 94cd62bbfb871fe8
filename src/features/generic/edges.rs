//! Components of edge cells. A row of cells is a row of bits, and the unit of work is a run of set bits.
#![forbid(unsafe_code)]
#![deny(clippy::disallowed_types)]

use trt_select_cuda::Accumulators;

use crate::features::canny::{angle_bin, length_bin};
use crate::features::grid::{GRID_LONG_CELLS, GRID_SHORT_CELLS};

/// Number of 64-bit words that a row takes. There is room for a 0 behind the last cell, so a run always ends within the row.
const WORDS: usize = GRID_LONG_CELLS / 64 + 1;
/// The largest number of runs on any grid: one for every second cell of every row.
const MAX_RUNS: usize = GRID_LONG_CELLS * GRID_SHORT_CELLS / 2;

/// One bit for each cell of the grid.
pub(super) struct Bitmap(Box<[[u64; WORDS]; GRID_LONG_CELLS]>);

impl Bitmap {
    pub(super) fn new() -> Bitmap {
        Bitmap(Box::new([[0; WORDS]; GRID_LONG_CELLS]))
    }

    /// Sets the bits of a row. Bits beyond the grid must be 0.
    #[inline(always)]
    pub(super) fn set(&mut self, y: usize, bits: [u64; WORDS]) {
        self.0[y] = bits;
    }
}

/// A run: the set bits of a row from `start` to before `end`. In the root of a component, the run also holds what is known of it.
#[derive(Clone, Copy, Default)]
struct Run {
    /// An earlier run of the same component. A run that is its own parent is a root, and holds the component's first cell.
    parent: u16,
    start: u8,
    end: u8,
    row: u8,
    /// Whether the run has a strong cell; in a root, whether the component has one.
    strong: bool,
    left: u8,
    right: u8,
    bottom: u8,
    cells: u16,
}

/// The runs of a bitmap, joined into components.
pub(super) struct Components {
    runs: Box<[Run]>,
    count: usize,
}

impl Components {
    pub(super) fn new() -> Components {
        Components { runs: vec![Run::default(); MAX_RUNS].into_boxed_slice(), count: 0 }
    }

    /// Finds the components of the bits of `weak`, where each cell has eight neighbours. The bits of `strong` are also set in `weak`.
    pub(super) fn find(&mut self, weak: &Bitmap, strong: &Bitmap, height: usize) {
        self.count = 0;
        let mut above = 0;
        for (y, (weak, strong)) in weak.0.iter().zip(strong.0.iter()).enumerate().take(height) {
            let row = self.count;
            self.add_row(y, weak, strong);
            self.join(above, row);
            above = row;
        }
        // Every parent stands before its children, so one pass in this order makes the root the parent of every run.
        for i in 0..self.count {
            let run = self.runs[i];
            let root = self.runs[usize::from(run.parent)].parent;
            self.runs[i].parent = root;
            let root = &mut self.runs[usize::from(root)];
            root.cells += u16::from(run.end - run.start);
            root.strong |= run.strong;
            root.left = root.left.min(run.start);
            root.right = root.right.max(run.end - 1);
            root.bottom = run.row;
        }
    }

    /// Adds the runs of a row. Each of them is its own root at first.
    fn add_row(&mut self, y: usize, bits: &[u64; WORDS], strong: &[u64; WORDS]) {
        let mut carry = 0;
        let mut open = None;
        for (k, &word) in bits.iter().enumerate() {
            // A run starts or ends wherever a bit differs from the bit before it.
            let mut flips = word ^ (word << 1 | carry);
            carry = word >> 63;
            while flips != 0 {
                let x = 64 * k + flips.trailing_zeros() as usize;
                flips &= flips - 1;
                let Some(start) = open.take() else {
                    open = Some(x);
                    continue;
                };
                self.runs[self.count] = Run {
                    parent: self.count as u16,
                    start: start as u8,
                    end: x as u8,
                    row: y as u8,
                    strong: any(strong, start, x),
                    left: start as u8,
                    right: start as u8,
                    bottom: y as u8,
                    cells: 0,
                };
                self.count += 1;
            }
        }
    }

    /// Joins the runs from number `row` on with the runs of the row above, whose numbers go from `above` to before `row`.
    fn join(&mut self, mut above: usize, row: usize) {
        for i in row..self.count {
            let run = self.runs[i];
            while above < row && self.runs[above].end < run.start {
                above += 1;
            }
            let mut other = above;
            while other < row && self.runs[other].start <= run.end {
                let (a, b) = (self.root(i), self.root(other));
                self.runs[a.max(b)].parent = a.min(b) as u16;
                other += 1;
            }
        }
    }

    fn root(&mut self, mut i: usize) -> usize {
        loop {
            let parent = usize::from(self.runs[i].parent);
            if parent == i {
                return i;
            }
            // Every second run on the way to the root is given its grandparent as parent, so that later ways are shorter.
            self.runs[i].parent = self.runs[parent].parent;
            i = usize::from(self.runs[i].parent);
        }
    }

    /// Adds the number of edge cells, the lengths of the components with a strong cell, and the box of the largest of these components.
    pub(super) fn measure(&self, out: &mut Accumulators) {
        let mut largest = 0;
        for (i, run) in self.runs[..self.count].iter().enumerate() {
            if usize::from(run.parent) != i || !run.strong {
                continue;
            }
            out.edge_cells += u64::from(run.cells);
            out.edge_length[length_bin(u64::from(run.cells))] += 1;
            if run.cells > largest {
                largest = run.cells;
                out.object_width = u64::from(run.right - run.left) + 1;
                out.object_height = u64::from(run.bottom - run.row) + 1;
            }
        }
    }

    /// Adds the orientations of the cells in components with a strong cell. The rows of `dx` and `dy` are `pitch` words apart.
    pub(super) fn angles(&self, dx: &[i16], dy: &[i16], pitch: usize, out: &mut Accumulators) {
        for run in &self.runs[..self.count] {
            if !self.runs[usize::from(run.parent)].strong {
                continue;
            }
            let cells = usize::from(run.row) * pitch + usize::from(run.start);
            let cells = cells..cells + usize::from(run.end - run.start);
            for (&dx, &dy) in dx[cells.clone()].iter().zip(&dy[cells]) {
                out.edge_angle[angle_bin(dx, dy)] += 1;
            }
        }
    }
}

/// Whether any bit from `start` to before `end` is set.
fn any(bits: &[u64; WORDS], start: usize, end: usize) -> bool {
    let last = end - 1;
    (start / 64..=last / 64).any(|k| {
        let from = if k == start / 64 { u64::MAX << (start % 64) } else { u64::MAX };
        let to = if k == last / 64 { u64::MAX >> (63 - last % 64) } else { u64::MAX };
        bits[k] & from & to != 0
    })
}
