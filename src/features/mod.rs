//! Features of a frame: integers that are accumulated over its pixels, and numbers that are computed from these.
//!
//! [`Features::compute`] reads a frame and fills [`Accumulators`], which are integers, so that all implementations (the scalar reference,
//! AVX2, NEON, CUDA) can agree bit for bit. [`derive()`] then computes the [`FEATURES`] from them, with the same result on every machine:
//! it uses + − × ÷ √ in `f64`, which IEEE 754 rounds correctly, and one rounding to `f32`.
//!
//! When a process makes its first [`Workspace`], the fastest [`Implementation`] that the CPU can run is chosen, or the one that the
//! environment variable `TRT_SELECT_SIMD` names (`scalar`, `avx2`, `neon`). [`Needs`] says which accumulators to compute.
//!
//! # The whole-frame group
//! One pass over every pixel, taken as red, green and blue (see [Pixels](#pixels)), gives the sums and sums of squares of the channels and
//! of grey, the sum of chroma C = max − min, the histogram of hue, and the counts of dark and bright pixels.
//!
//! **Hue.** Only pixels with C > 0 have one. The hue circle of HSV, which starts at red, is cut into seven equal sectors. Let p be the
//! position on the circle, in units of 1/(6C) of a turn: p = G − B, plus 6C if that is negative, where red is the maximum; else
//! p = 2C + B − R where green is; else p = 4C + R − G. The number of the sector is the number of k in 1..=6 with 7p ≥ 6Ck.
//!
//! # The grid group
//! The frame is sampled down by the integer s = max(1, ⌈long side/160⌉, ⌈short side/120⌉) to a grid of max(1, ⌊width/s⌋) × max(1,
//! ⌊height/s⌋) cells, which are at most 160 × 120 or 120 × 160. The grey of a cell is the rounded mean (sum + 2) >> 2 of four pixels of
//! the cell, at the offsets ⌊s/4⌋ and s − 1 − ⌊s/4⌋ along both axes, clamped into the frame. (With s = 1 all four are the same pixel.) So
//! the cost does not grow with the frame. On the grid there are:
//!
//! - **Laplacian**: left + right + up + down − 4·centre, over the cells that have all four neighbours.
//! - **Keypoints**: FAST-9/16 with threshold 20 and no suppression of non-maxima. A cell is a keypoint if nine neighbouring ones of the
//!   sixteen cells on the circle of radius 3 around it are all brighter than it by more than 20, or all darker by more than 20. Cells
//!   within 3 of the border are no keypoints. (OpenCV: `FAST`, `nonmaxSuppression = false`.)
//! - **Edges**: Canny with thresholds 100 and 200 and no smoothing: 3×3 Sobel with the border replicated, magnitude
//!   |dx| + |dy|, suppression of non-maxima in four directions with OpenCV's integer tan 22.5° = 13573/32768 and zero
//!   magnitude outside the grid, hysteresis over eight neighbours. (OpenCV: `Canny`, `L2gradient = false`.)
//! - **Edge angles**: the orientation of the gradient (dx, dy), with y pointing down, modulo 180°, in seven equal sectors from 0°. First
//!   (dx, dy) is turned into the half plane dy > 0, or dy = 0 and dx > 0; the number of the sector is then the number of k in 1..=6 with
//!   cos(k·180°/7)·dy ≥ sin(k·180°/7)·dx. Cosines and sines are a table of integers: the values times 65536, rounded.
//! - **Edge lengths**: the connected components of edge cells, where each cell has eight neighbours, are counted by their number of cells:
//!   1–3, 4–7, 8–15, 16–31, 32–63, 64–127, 128 or more.
//! - **Main object**: the bounding box of the component with the most cells. Of several such components it is the one whose first cell,
//!   row by row, comes first.
//!
//! # Pixels
//! RGB8, BGR8 and RGBA8 are taken as they are. GRAY8 is R = G = B. Grey is (77·R + 150·G + 29·B + 128) >> 8, which is v
//! where R = G = B = v. NV12 and YUYV replicate chroma (column x/2; row y/2 in NV12), then, with y = Y − 16 (limited
//! range) or Y (full), u = Cb − 128, v = Cr − 128, and the arithmetic shift,
//! R = (cy·y + rv·v + 32768) >> 16, G = (cy·y − gu·u − gv·v + 32768) >> 16, B = (cy·y + bu·u + 32768) >> 16, each clamped
//! to 0..=255:
//!
//! | matrix, range | cy | rv | gu | gv | bu |
//! | --- | --- | --- | --- | --- | --- |
//! | BT.601, limited | 76309 | 104597 | 25675 | 53279 | 132201 |
//! | BT.601, full | 65536 | 91881 | 22553 | 46802 | 116130 |
//! | BT.709, limited | 76309 | 117489 | 13975 | 34925 | 138438 |
//! | BT.709, full | 65536 | 103206 | 12276 | 30679 | 121609 |
//!
//! # The same picture in several formats
//! Subsampled chroma and 8-bit Y′CbCr lose information. For pictures whose chroma is smooth, the features of NV12 and YUYV stay near those
//! of RGB8: brightness, contrast and saturation within 1 level, shares (`hue*`, `edge_angle*`, `dark`, `bright`, `edge_density`) within
//! 0.05, `keypoints` and `edge_length*` within 0.5 % of the cells, `sharpness` within 5 % and 5, and `area_by_perimeter` and `aspect_ratio`
//! within 5 % as long as the main object stays the same component. A test checks these bounds. A single cell can join two components, and
//! then another component may be the largest, so there is no general bound for the features of the main object. There is none either for
//! the hue of pictures that are nearly grey.
#![deny(clippy::disallowed_types)]

#[cfg(target_arch = "x86_64")]
mod avx2;
mod canny;
mod derive;
mod fast;
mod generic;
mod grid;
#[allow(clippy::disallowed_types, reason = "the choice is made once in a process, before the first workspace")]
mod implementation;
mod needs;
#[cfg(target_arch = "aarch64")]
mod neon;
mod reference;
mod vector;

use std::fmt;
use std::ops::{BitOr, BitOrAssign};

use trt_select_cuda::Accumulators;

pub use derive::{FEATURE_COUNT, FEATURES, FeatureInfo, derive, feature_index};
pub use grid::{GRID_LONG_CELLS, GRID_SHORT_CELLS, GridSize};
pub use implementation::{Implementation, SIMD_VARIABLE};
pub use needs::Needs;

use crate::frame::Frame;

/// A set of flags that says which groups of accumulators to compute.
///
/// ```
/// use trt_select::features::{Groups, feature_index};
///
/// let sharpness = feature_index("sharpness");
/// assert_eq!(Groups::of_features(sharpness), Groups::GRID);
/// assert!(Groups::ALL.contains(Groups::GRID));
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Groups(u32);

impl Groups {
    /// No group.
    pub const NONE: Groups = Groups(0);
    /// Sums, moments and histograms: one pass over every pixel.
    pub const WHOLE: Groups = Groups(1);
    /// Edges, components and corners on the downsampled grid. Their cost does not grow with the frame.
    pub const GRID: Groups = Groups(2);
    /// Both groups.
    pub const ALL: Groups = Groups(3);

    /// Whether this set has every group of `other`.
    pub const fn contains(self, other: Groups) -> bool {
        self.0 & other.0 == other.0
    }

    /// The groups that are in either set.
    pub const fn union(self, other: Groups) -> Groups {
        Groups(self.0 | other.0)
    }

    /// Whether the set has no group.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The groups that the features with these indices are computed from. Indices that no feature has are ignored.
    pub fn of_features(indices: impl IntoIterator<Item = usize>) -> Groups {
        indices.into_iter().filter_map(|i| FEATURES.get(i)).fold(Groups::NONE, |set, info| set | info.group)
    }

    /// The set as a number: bit 0 stands for [`Groups::WHOLE`], bit 1 for [`Groups::GRID`].
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl BitOr for Groups {
    type Output = Groups;

    fn bitor(self, other: Groups) -> Groups {
        self.union(other)
    }
}

impl BitOrAssign for Groups {
    fn bitor_assign(&mut self, other: Groups) {
        *self = self.union(other);
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.contains(Groups::WHOLE), self.contains(Groups::GRID)) {
            (true, true) => "WHOLE | GRID",
            (true, false) => "WHOLE",
            (false, true) => "GRID",
            (false, false) => "NONE",
        })
    }
}

/// An implementation and the memory that it works in (about 500 KB), which is allocated once. Each thread needs its own.
pub struct Workspace(implementation::Memory);

impl Workspace {
    /// Allocates the memory that [`Implementation::chosen`] works in.
    pub fn new() -> Workspace {
        Workspace::of(Implementation::chosen())
    }

    /// Allocates the memory that this implementation works in.
    pub fn of(implementation: Implementation) -> Workspace {
        Workspace(implementation.memory())
    }

    /// The implementation that works in this memory.
    pub fn implementation(&self) -> Implementation {
        self.0.implementation()
    }
}

impl Default for Workspace {
    fn default() -> Self {
        Workspace::new()
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workspace").field(&self.implementation()).finish()
    }
}

/// The computation of a frame's accumulators.
#[derive(Clone, Copy, Debug)]
pub struct Features;

impl Features {
    /// Computes those accumulators of a frame that are needed; the others are 0. `needs` is a set of [`Needs`] or of [`Groups`]. This
    /// neither allocates nor fails.
    ///
    /// ```
    /// use trt_select::Frame;
    /// use trt_select::features::{self, FEATURE_COUNT, Features, Groups, Workspace};
    /// use trt_select_cuda::Format;
    ///
    /// let pixels = [90u8; 28 * 28];
    /// let frame = Frame::packed(Format::Gray8, 28, 28, 28, &pixels)?;
    /// let mut workspace = Workspace::new();
    /// let accumulators = Features::compute(&frame, Groups::ALL, &mut workspace);
    /// let mut values = [0.0f32; FEATURE_COUNT];
    /// features::derive(&accumulators, &mut values);
    /// let mean = features::feature_index("brightness_average").unwrap();
    /// assert_eq!(values[mean], 90.0);
    /// # Ok::<(), trt_select::FrameError>(())
    /// ```
    pub fn compute(frame: &Frame<'_>, needs: impl Into<Needs>, workspace: &mut Workspace) -> Accumulators {
        workspace.0.compute(frame, needs.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_a_set() {
        assert_eq!(Groups::WHOLE | Groups::GRID, Groups::ALL);
        assert!(Groups::ALL.contains(Groups::GRID) && !Groups::WHOLE.contains(Groups::GRID));
        assert!(Groups::NONE.is_empty() && Groups::ALL.contains(Groups::NONE));
        let mut set = Groups::NONE;
        set |= Groups::GRID;
        assert_eq!(set.bits(), 2);
        assert_eq!(format!("{:?} {:?}", set, Groups::ALL), "GRID WHOLE | GRID");
    }

    #[test]
    fn groups_of_features() {
        let at = |name| feature_index(name).unwrap();
        assert_eq!(Groups::of_features([at("hue1")]), Groups::WHOLE);
        assert_eq!(Groups::of_features([at("hue1"), at("keypoints")]), Groups::ALL);
        assert_eq!(Groups::of_features([usize::MAX]), Groups::NONE);
    }
}
