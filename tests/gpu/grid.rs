//! The kernel of the grid group with a chosen number of blocks; a pipe launches it with the number for its device.

use std::ffi::{CString, c_void};

use trt_select::cuda::driver::{Context, DeviceBuffer, Error, Event, Function, Module, PinnedBuffer, Stream};
use trt_select::cuda::pipe::{Pipe, PipeOptions};
use trt_select::cuda::{Accumulators, FeaturesParams, FeaturesRecord, kernels};
use trt_select::features::{Features, GridSize, Groups, Workspace};
use trt_select_base::random::Rng;

use crate::frames::Picture;
use crate::given::context;
use crate::{OnDevice, frames_to_try};

/// The kernel, and the memory that it works in.
pub(crate) struct GridKernel {
    stream: Stream,
    function: Function,
    scratch: DeviceBuffer,
    record: PinnedBuffer,
    begun: Event,
    done: Event,
    sequence: u64,
}

/// Loads the kernels in the form that a pipe takes on this device, which `TRT_SELECT_KERNELS` may say.
fn load(context: &Context) -> Result<Module, Error> {
    let form = Pipe::new(context, &PipeOptions::default())?.kernel_form();
    match kernels::cubin_for(context.device().compute_capability) {
        Some(cubin) if form == cubin.name() => Module::load_cubin(context, cubin),
        _ => Module::load_ptx(context, kernels::PTX),
    }
}

impl GridKernel {
    pub(crate) fn new(context: &Context) -> GridKernel {
        let module = load(context).expect("the kernels");
        let name = CString::new(kernels::FEATURES_GRID).expect("no zero byte");
        let event = || Event::new(context, true).expect("an event");
        GridKernel {
            stream: Stream::new(context).expect("a stream"),
            function: module.function(&name).expect("a kernel"),
            scratch: DeviceBuffer::zeroed(context, kernels::SCRATCH_BYTES).expect("device memory"),
            record: PinnedBuffer::new(context, size_of::<FeaturesRecord>(), true).expect("pinned memory"),
            begun: event(),
            done: event(),
            sequence: 0,
        }
    }

    /// Runs the kernel with this many blocks. Gives the sums, and the kernel's time in milliseconds.
    pub(crate) fn run(&mut self, frame: &OnDevice, blocks: u32) -> (Accumulators, f32) {
        let grid = GridSize::of(frame.desc.width_px, frame.desc.height_px);
        self.sequence += 1;
        self.record.write_pod(0, &FeaturesRecord::default());
        let mut params = FeaturesParams {
            frame: frame.desc,
            scratch: self.scratch.address(),
            record: self.record.device_address().expect("mapped memory"),
            sequence: self.sequence,
            grid_scale: grid.scale,
            grid_width: grid.width,
            grid_height: grid.height,
            reserved: 0,
        };
        let mut args = [(&raw mut params).cast::<c_void>()];
        self.begun.record(&self.stream).expect("recorded");
        // SAFETY: the kernel's one argument; frame, scratch and record outlive the work, for which this waits.
        unsafe { self.function.launch(&self.stream, [blocks, 1, 1], [kernels::GRID_BLOCK, 1, 1], 0, &mut args) }
            .expect("launched");
        self.done.record(&self.stream).expect("recorded");
        self.stream.synchronize().expect("done");
        let record: FeaturesRecord = self.record.read_pod(0);
        assert_eq!(record.grid_sequence, self.sequence);
        (record.accumulators, self.done.elapsed_ms(&self.begun).expect("a time"))
    }
}

/// How many blocks a pipe launches for this frame.
pub(crate) fn chosen_blocks(context: &Context, frame: &OnDevice) -> u32 {
    let rows = GridSize::of(frame.desc.width_px, frame.desc.height_px).height;
    kernels::grid_blocks(rows, context.device().multiprocessors)
}

#[test]
fn any_number_of_blocks_gives_the_references_sums() {
    let Some(context) = context() else { return };
    let mut random = Rng::new(10);
    let mut workspace = Workspace::new();
    let mut kernel = GridKernel::new(&context);
    for n in 0..frames_to_try() {
        let picture = Picture::random(&mut random, n);
        let frame = picture.frame();
        let expected = Features::compute(&frame, Groups::GRID, &mut workspace);
        let on_device = OnDevice::new(&context, &frame, random.below(17));
        let rows = GridSize::of(frame.width(), frame.height()).height;
        let many = random.within(4, rows + 4);
        for blocks in [1, 2, 3, many, chosen_blocks(&context, &on_device)] {
            let (sums, _) = kernel.run(&on_device, blocks);
            assert_eq!(sums, expected, "frame {n} {picture:?}, {blocks} blocks");
        }
    }
}
