//! Both feature kernels give the same integers as the scalar reference.

use trt_select::Frame;
use trt_select::features::{Features, GridSize, Groups, Workspace};
use trt_select_cuda::{Accumulators, FeaturesRecord, Format, kernels};

use trt_select_base::random::Rng;

use crate::frames::random_frame;
use crate::host::{self, Kernels};
use crate::patterns;

/// The value of every field of the record before a kernel writes to it.
const UNTOUCHED: u64 = 0xa5a5_a5a5_a5a5_a5a5;

/// Bytes at the beginning of the scratch that are zero between two launches: the whole-frame kernel's, and the grid kernel's counts.
const COUNTS_BYTES: usize = kernels::WHOLE_SCRATCH_BYTES + 64;

/// One block, a seam in the middle, seams at uneven rows, a band for every few rows or for every row, and blocks without a row.
const GRID_BLOCKS: [u32; 7] = [1, 2, 3, 7, 40, 120, 200];

fn untouched() -> FeaturesRecord {
    bytemuck::cast([UNTOUCHED; size_of::<FeaturesRecord>() / 8])
}

/// The accumulators of `base`, with the fields of `group` taken from `from`.
fn with_group(base: Accumulators, from: Accumulators, group: Groups) -> Accumulators {
    let words = |a: Accumulators| -> [u64; size_of::<Accumulators>() / 8] { bytemuck::cast(a) };
    let first_of_grid = std::mem::offset_of!(Accumulators, cells) / 8;
    let (mut out, from) = (words(base), words(from));
    let range = if group == Groups::WHOLE { 0..first_of_grid } else { first_of_grid..from.len() };
    out[range.clone()].copy_from_slice(&from[range]);
    bytemuck::cast(out)
}

struct Bench<'k> {
    kernels: &'k Kernels,
    scratch: Vec<u64>,
    workspace: Workspace,
    sequence: u64,
}

impl Bench<'_> {
    fn new(kernels: &Kernels) -> Bench<'_> {
        let scratch = vec![0; kernels::SCRATCH_BYTES / 8];
        Bench { kernels, scratch, workspace: Workspace::new(), sequence: 0 }
    }

    /// Runs both kernels, each with its number of blocks, one after the other on the same record, and checks every field after each of
    /// them. Checks too that the next launch finds the counts in the scratch as it needs them.
    fn check(&mut self, frame: &Frame<'_>, blocks: u32, grid_blocks: u32, what: &dyn Fn() -> String) -> Accumulators {
        let want = Features::compute(frame, Groups::ALL, &mut self.workspace);
        let mut record = untouched();
        let mut expected = untouched();
        self.sequence += 1;
        self.kernels.features(Groups::WHOLE, blocks, frame, &mut self.scratch, &mut record, self.sequence);
        expected.accumulators = with_group(expected.accumulators, want, Groups::WHOLE);
        expected.whole_sequence = self.sequence;
        assert_eq!(record, expected, "whole, {blocks} blocks: {}", what());
        assert!(self.scratch[..COUNTS_BYTES / 8].iter().all(|&w| w == 0), "{}", what());

        self.sequence += 1;
        self.kernels.features(Groups::GRID, grid_blocks, frame, &mut self.scratch, &mut record, self.sequence);
        expected.accumulators = with_group(expected.accumulators, want, Groups::GRID);
        expected.grid_sequence = self.sequence;
        assert_eq!(record, expected, "grid, {grid_blocks} blocks: {}", what());
        assert!(self.scratch[..COUNTS_BYTES / 8].iter().all(|&w| w == 0), "{}", what());
        want
    }
}

#[test]
fn golden_frames() {
    let Some(kernels) = host::get() else { return };
    let mut bench = Bench::new(kernels);
    for sample in patterns::samples() {
        for (n, grid_blocks) in GRID_BLOCKS.into_iter().enumerate() {
            bench.check(&sample.frame(), [1, 2, 7][n % 3], grid_blocks, &|| sample.name.clone());
        }
    }
}

#[test]
fn random_frames_of_every_format() {
    let Some(kernels) = host::get() else { return };
    let mut bench = Bench::new(kernels);
    let mut random = Rng::new(1);
    let (mut wide, mut objects, mut corners) = ([0; 6], 0, 0);
    let cases = host::frames();
    for case in 0..cases {
        let owned = random_frame(&mut random, Some(Format::ALL[case as usize % 6]), None);
        let frame = owned.frame();
        let own = kernels::whole_grid(frame.width(), frame.height(), random.within(1, 8));
        let blocks = if case % 4 == 0 { random.within(1, 20) } else { own };
        let rows = GridSize::of(frame.width(), frame.height()).height;
        let grid_blocks = match case % 4 {
            0 => random.within(1, 3),
            1 => random.within(1, rows + 2),
            _ => kernels::grid_blocks(rows, random.within(1, 40)),
        };
        let sums = bench.check(&frame, blocks, grid_blocks, &|| format!("case {case}: {}", owned.describe()));
        wide[case as usize % 6] += u64::from(owned.is_wide());
        objects += u64::from(sums.object_width > 0);
        corners += u64::from(sums.keypoints > 0);
    }
    println!("{cases} frames; wide by format: {wide:?}; with an object: {objects}; with corners: {corners}");
    if cases >= 1_000 {
        assert!(wide.iter().all(|&n| n > 20) && objects > 200 && corners > 200);
    }
}

/// So many white pixels for each thread that the sum of their squares does not fit 32 bits. The kernel has to add them in several rounds.
#[test]
fn sums_outgrow_32_bits() {
    let Some(kernels) = host::get() else { return };
    let (width, height) = (4_112, 4_200);
    let pixels = u64::from(width) * u64::from(height);
    assert!(pixels / u64::from(kernels::WHOLE_BLOCK) * 65_025 > u64::from(u32::MAX));
    let bytes = vec![255u8; pixels as usize];
    let frame = Frame::packed(Format::Gray8, width, height, width as usize, &bytes).unwrap();
    let sums = Bench::new(kernels).check(&frame, 1, 1, &|| "white".into());
    assert_eq!(sums.sum_sq_grey, 65_025 * pixels);
}

/// Long thin spirals and combs are the hard case for joining components: many cells are one component.
#[test]
fn winding_components() {
    let Some(kernels) = host::get() else { return };
    let mut bench = Bench::new(kernels);
    let (width, height) = (160u32, 120u32);
    let comb = |pitch: u32, flip: bool| -> Vec<u8> {
        let at = move |x: u32, y: u32| {
            let y = if flip { height - 1 - y } else { y };
            let line = y.is_multiple_of(pitch) && x > 2 && x < width - 3;
            // Lines are joined at one of their ends: in turn at the left and at the right one.
            let turn = (y / pitch).is_multiple_of(2);
            let edge = if turn { x == 3 } else { x == width - 4 };
            if line || edge { 230 } else { 20 }
        };
        (0..height).flat_map(|y| (0..width).map(move |x| at(x, y))).collect()
    };
    for pitch in 3..14 {
        for flip in [false, true] {
            let bytes = comb(pitch, flip);
            let frame = Frame::packed(Format::Gray8, width, height, width as usize, &bytes).unwrap();
            for grid_blocks in GRID_BLOCKS {
                let sums = bench.check(&frame, 3, grid_blocks, &|| format!("comb of {pitch}"));
                assert!(sums.object_height > 0);
            }
        }
    }
    // Weak edges, which are kept where a single strong cell touches them, and not kept where none does.
    for strong in [false, true] {
        let mut bytes: Vec<u8> = (0..width * height).map(|i| if i % width < 80 { 100 } else { 135 }).collect();
        if strong {
            for y in 100..104 {
                bytes[(y * width + 80) as usize] = 255;
            }
        }
        let frame = Frame::packed(Format::Gray8, width, height, width as usize, &bytes).unwrap();
        // The strong cell is in another band than most of the weak ones.
        for grid_blocks in GRID_BLOCKS {
            let sums = bench.check(&frame, 2, grid_blocks, &|| format!("weak edge, strong {strong}"));
            assert_eq!(sums.edge_cells > 0, strong);
        }
    }
}
