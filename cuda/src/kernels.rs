//! The kernels: their PTX and machine code, their names, and how they are launched.
//!
//! They are plain constants and need no driver. A test compares them with the constants in the kernels' sources.
//!
//! | kernel | argument | block | grid |
//! | --- | --- | --- | --- |
//! | [`FEATURES_WHOLE`] | [`FeaturesParams`](crate::FeaturesParams) by value | [`WHOLE_BLOCK`] | [`whole_grid`] |
//! | [`FEATURES_GRID`] | [`FeaturesParams`](crate::FeaturesParams) by value | [`GRID_BLOCK`] | [`grid_blocks`] |
//! | [`PREPROCESS`] | device address of [`PreprocessParams`](crate::PreprocessParams) | [`PREPROCESS_BLOCK`] | [`preprocess_grid`] |
//! | [`SIGNALS`] | device address of [`SignalsParams`](crate::SignalsParams) | [`SIGNALS_BLOCK`] | 1 |
//!
//! A block, or a grid, that is given as one number extends along x. No kernel uses dynamic shared memory.
//!
//! # What runs at once
//! The two feature kernels are given the same scratch of [`SCRATCH_BYTES`] and the same record, and each uses a part of its own, so they
//! may run at the same time. Two launches of the same kernel on the same scratch must run one after the other, as they do on one stream.

mod cubin;

pub use cubin::{Cubin, cubin_for};

/// The kernels as PTX (ISA 6.0, for sm_53 and everything later), as `cuda/kernels/build-ptx` made it.
pub const PTX: &str = include_str!("../kernels/kernels.ptx");

/// Sums, moments and histograms of a frame: the whole-frame group of the accumulators.
pub const FEATURES_WHOLE: &str = "trtsel_features_whole";
/// Edges, components and corners of a frame: the grid group of the accumulators.
pub const FEATURES_GRID: &str = "trtsel_features_grid";
/// Frame to tensor.
pub const PREPROCESS: &str = "trtsel_preprocess";
/// A network's output to probabilities and signals.
pub const SIGNALS: &str = "trtsel_signals";

/// Every kernel of [`PTX`].
pub const NAMES: [&str; 4] = [FEATURES_WHOLE, FEATURES_GRID, PREPROCESS, SIGNALS];

/// Threads in a block of [`FEATURES_WHOLE`].
pub const WHOLE_BLOCK: u32 = 256;
/// Threads in a block of [`FEATURES_GRID`].
pub const GRID_BLOCK: u32 = 512;
/// Threads in a block of [`PREPROCESS`].
pub const PREPROCESS_BLOCK: u32 = 256;
/// Threads in a block of [`SIGNALS`].
pub const SIGNALS_BLOCK: u32 = 256;

/// Bytes of device memory that [`FeaturesParams::scratch`](crate::FeaturesParams::scratch) points to, at a multiple of 8.
/// The host zeroes them once; each kernel leaves its part as the next launch expects it. After a launch that did not come to its end
/// (because the context failed or was destroyed) the host must zero them again.
pub const SCRATCH_BYTES: usize = WHOLE_SCRATCH_BYTES + 64 + MAX_CELLS as usize * (32 + 4 + 4);
/// Most cells of the grid that [`FEATURES_GRID`] works on.
pub const MAX_CELLS: u32 = 19_200;
/// Bytes at the beginning of the scratch that [`FEATURES_WHOLE`] uses; [`FEATURES_GRID`] uses the rest.
pub const WHOLE_SCRATCH_BYTES: usize = 256;

/// Width in pixels of the part of the tensor that one block of [`PREPROCESS`] makes.
pub const PREPROCESS_TILE_WIDTH: u32 = 32;
/// Height in pixels of that part.
pub const PREPROCESS_TILE_HEIGHT: u32 = 16;

/// Pixels of a row that a thread of [`FEATURES_WHOLE`] takes at a time.
const UNIT_PX: u32 = 16;
/// Blocks of [`FEATURES_WHOLE`] that a multiprocessor can hold at once, on the GPUs with the fewest registers.
const WHOLE_BLOCKS_PER_MULTIPROCESSOR: u32 = 4;
/// Rows of the grid that a block of [`FEATURES_GRID`] takes where the device has room for so many blocks. A block reads six rows beside
/// its own, and the last one joins what the blocks have parted: fewer rows would cost more of both than they save.
const GRID_ROWS_PER_BLOCK: u32 = 8;
/// Blocks of [`FEATURES_GRID`] that a multiprocessor can hold at once, on the GPUs with the fewest registers.
const GRID_BLOCKS_PER_MULTIPROCESSOR: u32 = 2;

/// How many blocks of [`FEATURES_WHOLE`] to launch for a frame of this size in pixels, on a device of this many multiprocessors: as many
/// as find work, but no more than the device can run at once. The sums are the same for any number of blocks from 1 on.
///
/// ```
/// use trt_select_cuda::kernels::whole_grid;
/// // A small frame keeps 5 blocks busy; a large one as many as 2 multiprocessors hold.
/// assert_eq!(whole_grid(160, 120, 16), 5);
/// assert_eq!(whole_grid(1920, 1080, 2), 8);
/// ```
pub const fn whole_grid(width: u32, height: u32, multiprocessors: u32) -> u32 {
    let units = width.div_ceil(UNIT_PX) as u64 * height as u64;
    let busy = units.div_ceil(WHOLE_BLOCK as u64);
    let at_once = multiprocessors as u64 * WHOLE_BLOCKS_PER_MULTIPROCESSOR as u64;
    let blocks = if busy < at_once { busy } else { at_once };
    if blocks == 0 { 1 } else { blocks as u32 }
}

/// How many blocks of [`FEATURES_GRID`] to launch for a grid of this many rows of cells, on a device of this many multiprocessors. The sums
/// are the same for any number of blocks from 1 on; one block reads no cell twice, but keeps a single multiprocessor busy.
///
/// ```
/// use trt_select_cuda::kernels::grid_blocks;
/// // 120 rows are work for 15 blocks; a device of 2 multiprocessors runs 4 at once.
/// assert_eq!(grid_blocks(120, 16), 15);
/// assert_eq!(grid_blocks(120, 2), 4);
/// ```
pub const fn grid_blocks(rows: u32, multiprocessors: u32) -> u32 {
    let busy = rows.div_ceil(GRID_ROWS_PER_BLOCK);
    let at_once = multiprocessors.saturating_mul(GRID_BLOCKS_PER_MULTIPROCESSOR);
    let blocks = if busy < at_once { busy } else { at_once };
    if blocks == 0 { 1 } else { blocks }
}

/// The grid of [`PREPROCESS`] for a tensor of this size in pixels. It does not depend on the frame, so that a graph that was captured
/// once can be replayed on frames of any size.
pub const fn preprocess_grid(width: u32, height: u32) -> [u32; 3] {
    [width.div_ceil(PREPROCESS_TILE_WIDTH), height.div_ceil(PREPROCESS_TILE_HEIGHT), 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids() {
        assert_eq!(whole_grid(1, 1, 2), 1);
        assert_eq!(whole_grid(1, 1, 0), 1);
        assert_eq!(whole_grid(160, 120, 16), 5);
        assert_eq!(whole_grid(1920, 1080, 2), 8);
        assert_eq!(whole_grid(1920, 1080, 1_000), 507);
        assert_eq!(whole_grid(32_768, 32_768, u32::MAX), 262_144);
        assert_eq!(
            [grid_blocks(1, 16), grid_blocks(0, 16), grid_blocks(120, 0), grid_blocks(9, u32::MAX)],
            [1, 1, 1, 2]
        );
        assert_eq!([grid_blocks(90, 132), grid_blocks(120, 1), grid_blocks(MAX_CELLS, 1_000)], [12, 2, 2000]);
        assert_eq!(preprocess_grid(224, 224), [7, 14, 1]);
        assert_eq!(preprocess_grid(1, 1), [1, 1, 1]);
    }

    /// The checked-in PTX is for the oldest driver and GPU, and has these kernels and no others.
    #[test]
    fn ptx_is_what_it_should_be() {
        let line = |start: &str| PTX.lines().find(|l| l.starts_with(start)).unwrap_or_default();
        assert_eq!(line(".version"), ".version 6.0");
        assert_eq!(line(".target"), ".target sm_53");
        assert_eq!(line(".address_size"), ".address_size 64");
        let mut entries: Vec<&str> = PTX
            .lines()
            .filter_map(|l| l.split_once(".entry "))
            .filter_map(|(_, rest)| rest.split('(').next())
            .collect();
        entries.sort_unstable();
        let mut names = NAMES;
        names.sort_unstable();
        assert_eq!(entries, names);
        // Nothing to link with, and floats that are rounded as the host rounds them.
        assert!(!PTX.contains(".extern"));
        for inexact in ["fma.", ".approx", ".ftz"] {
            assert!(!PTX.contains(inexact), "{inexact}");
        }
        // Block sizes are those that the kernels were compiled for.
        for (name, threads) in [
            (FEATURES_WHOLE, WHOLE_BLOCK),
            (FEATURES_GRID, GRID_BLOCK),
            (PREPROCESS, PREPROCESS_BLOCK),
            (SIGNALS, SIGNALS_BLOCK),
        ] {
            let after = PTX.split_once(&format!(".entry {name}(")).unwrap().1;
            let bound = after.lines().find_map(|l| l.trim().strip_prefix(".maxntid ")).unwrap();
            assert_eq!(bound, format!("{threads}, 1, 1"), "{name}");
        }
    }
}
