//! The product's kernels on the double, through a pipe and launched by hand.
#![cfg(feature = "driver")]

use std::ffi::{CString, c_void};

use trt_select_cuda::driver::{Context, DeviceBuffer, Function, Module, PinnedBuffer, Stream};
use trt_select_cuda::pipe::{AnyFrame, FeatureGroups, Grid, HostFrame, Pipe, PipeOptions};
use trt_select_cuda::{Accumulators, FeaturesParams, FeaturesRecord, Format, FrameDesc, kernels};

mod common;

use common::{FULL, with_double};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
/// The grid of such a frame, as `features::GridSize` of the crate `trt-select` gives it.
const GRID: Grid = Grid { scale: 4, width: 160, height: 120 };

fn desc() -> FrameDesc {
    FrameDesc {
        stride0_bytes: u64::from(WIDTH),
        width_px: WIDTH,
        height_px: HEIGHT,
        format: Format::Gray8 as u32,
        ..FrameDesc::default()
    }
}

/// A frame of rings, which are components that lie in many bands, and of dots, which are many small components.
fn rings() -> Vec<u8> {
    let pixel = |x: i32, y: i32| {
        let far = ((x - 300) * (x - 300) + (y - 200) * (y - 200)).isqrt();
        if x % 32 < 6 && y % 24 < 6 || far / 24 % 2 == 0 { 210 } else { 30 }
    };
    (0..HEIGHT as i32).flat_map(|y| (0..WIDTH as i32).map(move |x| pixel(x, y))).collect()
}

/// The sums that a pipe gives for this frame.
fn through_a_pipe(context: &Context, pixels: &[u8]) -> Accumulators {
    let mut pipe = Pipe::new(context, &PipeOptions::default().frame_bytes(pixels.len())).unwrap();
    let frame = AnyFrame::Host(HostFrame { planes: [pixels, &[]], desc: desc() });
    pipe.begin(&frame, FeatureGroups { whole: false, grid: Some(GRID) }).unwrap();
    loop {
        if let Some(sums) = pipe.poll_features().unwrap() {
            return sums;
        }
    }
}

/// One block would leave all but one multiprocessor without work: a pipe launches as many as the grid has work for.
#[test]
fn a_pipe_spreads_the_grid_over_the_device() {
    with_double("a_pipe_spreads_the_grid_over_the_device", FULL, &[], |double| {
        let context = Context::primary(0).unwrap();
        assert_eq!(context.device().multiprocessors, 4);
        assert_eq!(double.blocks(kernels::FEATURES_GRID), 0);
        let sums = through_a_pipe(&context, &rings());
        assert_eq!(double.blocks(kernels::FEATURES_GRID), 8, "two blocks for each of four multiprocessors");
        assert!(sums.edge_cells > 1000 && sums.edge_length.iter().sum::<u64>() > 20, "{sums:?}");
        drop(context);
        double.is_clean();
    });
}

/// A kernel with the memory that it needs.
struct GridKernel {
    stream: Stream,
    function: Function,
    scratch: DeviceBuffer,
    record: PinnedBuffer,
    pixels: DeviceBuffer,
    sequence: u64,
}

impl GridKernel {
    fn new(context: &Context, bytes: &[u8]) -> GridKernel {
        let module = Module::load_ptx(context, kernels::PTX).unwrap();
        let mut pixels = DeviceBuffer::new(context, bytes.len()).unwrap();
        pixels.write(0, bytes).unwrap();
        GridKernel {
            stream: Stream::new(context).unwrap(),
            function: module.function(&CString::new(kernels::FEATURES_GRID).unwrap()).unwrap(),
            scratch: DeviceBuffer::zeroed(context, kernels::SCRATCH_BYTES).unwrap(),
            record: PinnedBuffer::new(context, size_of::<FeaturesRecord>(), true).unwrap(),
            pixels,
            sequence: 0,
        }
    }

    fn run(&mut self, blocks: u32) -> Accumulators {
        self.sequence += 1;
        self.record.write_pod(0, &FeaturesRecord::default());
        let mut params = FeaturesParams {
            frame: FrameDesc { plane0: self.pixels.address(), ..desc() },
            scratch: self.scratch.address(),
            record: self.record.device_address().unwrap(),
            sequence: self.sequence,
            grid_scale: GRID.scale,
            grid_width: GRID.width,
            grid_height: GRID.height,
            reserved: 0,
        };
        let mut args = [(&raw mut params).cast::<c_void>()];
        // SAFETY: the kernel's one argument; all blocks outlive the work, for which this waits.
        unsafe { self.function.launch(&self.stream, [blocks, 1, 1], [kernels::GRID_BLOCK, 1, 1], 0, &mut args) }
            .unwrap();
        self.stream.synchronize().unwrap();
        let record: FeaturesRecord = self.record.read_pod(0);
        assert_eq!((record.whole_sequence, record.grid_sequence), (0, self.sequence));
        record.accumulators
    }
}

/// `tests/kernels` of the workspace holds the sums against the CPU's; here they are those of the launch that a pipe makes.
#[test]
fn any_number_of_blocks_gives_the_same_sums() {
    with_double("any_number_of_blocks_gives_the_same_sums", FULL, &[], |double| {
        let context = Context::primary(0).unwrap();
        let pixels = rings();
        let expected = through_a_pipe(&context, &pixels);
        let mut kernel = GridKernel::new(&context, &pixels);
        for blocks in [1, 2, 3, 8, 15, 60, 119, 120, 121, 1000] {
            assert_eq!(kernel.run(blocks), expected, "{blocks} blocks");
            assert_eq!(double.blocks(kernels::FEATURES_GRID), u64::from(blocks));
        }
        drop((kernel, context));
        double.is_clean();
    });
}
