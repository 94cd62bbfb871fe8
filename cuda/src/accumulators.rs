//! The integers that features are made from.

use bytemuck::{Pod, Zeroable};

/// Bins of the hue histogram.
pub const HUE_BINS: usize = 7;
/// Bins of the histogram of edge-component lengths.
pub const LENGTH_BINS: usize = 7;
/// Bins of the histogram of edge orientations.
pub const ANGLE_BINS: usize = 7;
/// A pixel whose grey is below this counts as dark.
pub const CLIP_DARK: u8 = 32;
/// A pixel whose grey is at or above this counts as bright.
pub const CLIP_BRIGHT: u8 = 224;

/// The integers that one walk over a frame adds up. Every implementation of the walk (scalar, SIMD, CUDA) fills it with the same
/// numbers, bit for bit, and one function on the host computes the features from them. The order of the fields is part of the ABI that
/// the kernels share with the host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Accumulators {
    // Whole-frame group: one pass over every pixel.
    /// Pixels seen.
    pub pixels: u64,
    /// Sums of red, green, blue.
    pub sum_rgb: [u64; 3],
    /// Sums of the squares of red, green, blue.
    pub sum_sq_rgb: [u64; 3],
    /// Sum of grey.
    pub sum_grey: u64,
    /// Sum of grey squared.
    pub sum_sq_grey: u64,
    /// Sum of chroma (the largest of red, green, blue less the smallest).
    pub sum_chroma: u64,
    /// Pixels with chroma, per sector of hue.
    pub hue: [u64; HUE_BINS],
    /// Pixels with grey below [`CLIP_DARK`].
    pub dark: u64,
    /// Pixels with grey at or above [`CLIP_BRIGHT`].
    pub bright: u64,

    // Grid group: on the downsampled grid.
    /// Cells of the grid.
    pub cells: u64,
    /// Inner cells: those with four neighbours.
    pub inner_cells: u64,
    /// Sum of the Laplacian over the inner cells.
    pub sum_laplacian: i64,
    /// Sum of the Laplacian squared over the inner cells.
    pub sum_sq_laplacian: u64,
    /// Corner cells (FAST-9).
    pub keypoints: u64,
    /// Edge cells (Canny).
    pub edge_cells: u64,
    /// Edge cells per sector of gradient orientation.
    pub edge_angle: [u64; ANGLE_BINS],
    /// Connected components of edge cells per class of length.
    pub edge_length: [u64; LENGTH_BINS],
    /// Width in cells of the bounding box of the largest component, or 0.
    pub object_width: u64,
    /// Height in cells of the bounding box of the largest component, or 0.
    pub object_height: u64,
}
