//! Compares kernels, pipe and lanes with the CPU's reference, on any `libcuda`: that of a GPU's driver, or the test double, which runs the
//! same kernels compiled for the host. TensorRT is not needed, since the network here is a copy on the device.
//!
//! `cargo test --features tensorrt --test gpu` runs them on the GPU (without one the tests print that they skip), and then once more with
//! the double. `TRT_SELECT_GPU_FRAMES` is the number of random frames (default 1,000). With `TRT_SELECT_GPU_REQUIRED` a test that finds no GPU
//! fails.

#[cfg(feature = "cli")]
mod bundles;
mod doubles;
mod forms;
mod frames;
mod given;
mod grid;
mod heap;
#[cfg(feature = "cli")]
mod script;
#[path = "../tensorrt/toy.rs"]
#[allow(dead_code, reason = "its other users are tests/tensorrt")]
mod toy;
#[path = "../doubles/toy_plan.rs"]
mod toy_plan;
mod toys;

use trt_select::cuda::driver::{Context, DeviceBuffer, Error, Stream};
use trt_select::cuda::pipe::{
    AnyFrame, Axes, AxisTables, DeviceFrame, FeatureGroups, Grid, HostFrame, Lane, LaneInput, LaneSpec, Network,
    NetworkTensor, Pipe, PipeOptions, Preprocessing,
};
use trt_select::cuda::{FrameDesc, FrameMemory, SignalsRecord};
use trt_select::features::{Features, GridSize, Groups, Workspace};
use trt_select::premodel::summarise;
use trt_select::preprocess::{ChannelOrder, DeviceAxis, Filter, Layout, Preprocess, PreprocessConfig, Resize};
use trt_select::{Frame, bundle::Scores};

use frames::Picture;
use given::{context, number};
use grid::{GridKernel, chosen_blocks};
use trt_select_base::random::Rng;

fn frames_to_try() -> usize {
    number("TRT_SELECT_GPU_FRAMES", 1000)
}

fn all_groups(frame: &Frame<'_>) -> FeatureGroups {
    let g = GridSize::of(frame.width(), frame.height());
    FeatureGroups { whole: true, grid: Some(Grid { scale: g.scale, width: g.width, height: g.height }) }
}

fn host<'a>(frame: &Frame<'a>) -> AnyFrame<'a> {
    AnyFrame::Host(HostFrame { planes: [frame.pixels(), frame.chroma()], desc: frame.desc() })
}

/// A frame that is copied to the device with its padding, to an odd address, so that the kernels cannot load 16 bytes at once.
struct OnDevice {
    desc: FrameDesc,
    _planes: Vec<DeviceBuffer>,
}

impl OnDevice {
    fn new(context: &Context, frame: &Frame<'_>, offset: usize) -> OnDevice {
        let mut desc = frame.desc();
        let mut planes = Vec::new();
        for (bytes, address) in [(frame.pixels(), &mut desc.plane0), (frame.chroma(), &mut desc.plane1)] {
            if !bytes.is_empty() {
                let mut buffer = DeviceBuffer::new(context, bytes.len() + offset).expect("device memory");
                buffer.write(offset, bytes).expect("a copy");
                *address = buffer.address() + offset as u64;
                planes.push(buffer);
            }
        }
        OnDevice { desc, _planes: planes }
    }

    fn frame(&self) -> AnyFrame<'_> {
        // SAFETY: the planes are device memory that lives as long as `self`, and the caller waits for every result.
        AnyFrame::Device(unsafe { DeviceFrame::new(self.desc) }.expect("a frame"))
    }
}

#[test]
fn accumulators_equal_the_reference_bit_for_bit() {
    let Some(context) = context() else { return };
    let mut random = Rng::new(7);
    let mut workspace = Workspace::new();
    let mut pipes = [FrameMemory::Device, FrameMemory::Mapped]
        .map(|frame_memory| Pipe::new(&context, &PipeOptions::default().frame_memory(frame_memory)).expect("a pipe"));
    for n in 0..frames_to_try() {
        let picture = Picture::random(&mut random, n);
        let frame = picture.frame();
        let expected = Features::compute(&frame, Groups::ALL, &mut workspace);
        let on_device = OnDevice::new(&context, &frame, random.below(17));
        for (at, pipe) in pipes.iter_mut().enumerate() {
            for (way, any) in [("host", host(&frame)), ("device", on_device.frame())] {
                pipe.begin(&any, all_groups(&frame)).expect("begun");
                let sums = loop {
                    if let Some(sums) = pipe.poll_features().expect("no failure") {
                        break sums;
                    }
                };
                assert_eq!(sums, expected, "frame {n} {picture:?}, pipe {at}, {way}");
            }
        }
    }
}

/// A network that copies its input to its output.
struct Copying {
    input: DeviceBuffer,
    output: DeviceBuffer,
    len: usize,
    half: bool,
}

// SAFETY: the copy uses the two buffers of this object, which never change.
unsafe impl Network for Copying {
    type Error = Error;

    fn input(&self) -> NetworkTensor<'_> {
        NetworkTensor { buffer: &self.input, len: self.len, half: self.half }
    }

    fn output(&self) -> NetworkTensor<'_> {
        NetworkTensor { buffer: &self.output, len: self.len, half: self.half }
    }

    unsafe fn enqueue(&mut self, stream: &Stream) -> Result<(), Error> {
        let bytes = self.len * if self.half { 2 } else { 4 };
        // SAFETY: both buffers have room and live as long as the network.
        unsafe { stream.copy_on_device_async(self.output.address(), self.input.address(), bytes) }
    }

    fn evict(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn is_resident(&self) -> bool {
        true
    }

    fn restore(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl Copying {
    fn new(context: &Context, len: usize, half: bool) -> Copying {
        let buffer = || DeviceBuffer::zeroed(context, len * if half { 2 } else { 4 }).expect("device memory");
        Copying { input: buffer(), output: buffer(), len, half }
    }

    fn values(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len * if self.half { 2 } else { 4 }];
        self.output.read(0, &mut bytes).expect("read back");
        bytes
    }
}

fn axis(axis: DeviceAxis<'_>) -> AxisTables<'_> {
    AxisTables { is_copy: axis.is_copy, offset: axis.offset, windows: axis.windows, weights: axis.weights }
}

fn wait(lane: &mut Lane<Copying>, pipe: &mut Pipe, probabilities: &mut [f32]) -> SignalsRecord {
    loop {
        if let Some(record) = lane.poll(pipe).expect("no failure") {
            probabilities.copy_from_slice(lane.probabilities());
            return record;
        }
    }
}

fn configs() -> Vec<PreprocessConfig> {
    let colour = PreprocessConfig::imagenet(24, 20);
    let grey = PreprocessConfig::new(28, 28, 1)
        .resize(Resize::ShorterSideCrop { fraction: 0.875 })
        .normalize(vec![0.4], vec![0.3]);
    vec![
        colour.clone().resize(Resize::Stretch),
        colour.clone().filter(Filter::Bilinear).layout(Layout::Nhwc),
        colour.clone().order(ChannelOrder::Bgr).resize(Resize::ShorterSideCrop { fraction: 1.0 }),
        colour,
        grey.clone().resize(Resize::Stretch).filter(Filter::Bilinear),
        grey,
    ]
}

#[test]
fn lanes_preprocess_as_the_cpu_does_by_graph_and_part_by_part() {
    let Some(context) = context() else { return };
    let mut random = Rng::new(8);
    let mut pipe = Pipe::new(&context, &PipeOptions::default()).expect("a pipe");
    let rounds = (frames_to_try() / 24).max(4);
    for (c, config) in configs().into_iter().enumerate() {
        let len = config.output_len();
        let mut cpu = Preprocess::new(config.clone()).expect("a configuration");
        let mut tables = Preprocess::new(config.clone()).expect("a configuration");
        let mut lanes: Vec<Lane<Copying>> = [(false, true), (true, true), (false, false)]
            .map(|(half, graph)| {
                let input = LaneInput::Frame(Preprocessing {
                    width_px: config.width,
                    height_px: config.height,
                    bgr: config.order == ChannelOrder::Bgr,
                    interleaved: config.layout == Layout::Nhwc,
                    tables: tables.tables(),
                });
                let spec = LaneSpec { input, logits: true, graph };
                let mut lane = Lane::new(&pipe, Copying::new(&context, len, half), &spec).expect("a lane");
                lane.prepare(&mut pipe).expect("a first run");
                assert_eq!(lane.has_graph(), graph && context.has_graphs(), "{:?}", lane.graph_refused());
                lane
            })
            .into();
        let (mut expected, mut probabilities) = (vec![0.0_f32; len], vec![0.0_f32; len]);
        for n in 0..rounds {
            // Every second frame has the size of the frame before it, but another address, stride and format.
            let picture = Picture::random(&mut random, n / 2);
            let frame = picture.frame();
            cpu.run(&frame, &mut expected).expect("on the CPU");
            let mut cpu_probabilities = vec![0.0; len];
            let summary = summarise(&expected, Scores::Logits, &mut cpu_probabilities).expect("finite");
            let on_device = OnDevice::new(&context, &frame, random.below(5));
            for (l, lane) in lanes.iter_mut().enumerate() {
                let any = if (n + l) % 2 == 0 { host(&frame) } else { on_device.frame() };
                pipe.begin(&any, FeatureGroups::default()).expect("begun");
                let made = tables.device_tables(frame.width(), frame.height());
                lane.load_frame(&mut pipe, Some(&Axes { columns: axis(made.columns), rows: axis(made.rows) }))
                    .expect("loaded");
                lane.launch(&mut pipe).expect("launched");
                let record = wait(lane, &mut pipe, &mut probabilities);
                let what = || format!("configuration {c}, lane {l}, frame {n} {picture:?}");
                let bytes = lane.network().values();
                if lane.network().half {
                    let values: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
                    let wanted: Vec<u16> = expected.iter().map(|&v| half::f16::from_f32(v).to_bits()).collect();
                    assert!(values == wanted, "{}", what());
                } else {
                    let values: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b)).collect();
                    let wanted: Vec<u32> = expected.iter().map(|v| v.to_bits()).collect();
                    assert!(values == wanted, "{}", what());
                    assert_eq!((record.valid, record.class), (1, summary.class), "{}", what());
                    for (a, b) in [(record.top1, summary.top1), (record.margin, summary.margin)] {
                        assert!((a - b).abs() < 2e-6, "{a} {b} {}", what());
                    }
                    assert!((record.entropy - summary.entropy).abs() < 2e-5, "{record:?} {summary:?} {}", what());
                    let far = probabilities.iter().zip(&cpu_probabilities).any(|(a, b)| (a - b).abs() > 1e-6);
                    assert!(!far, "{}", what());
                }
            }
        }
    }
}

#[test]
fn lanes_take_tensors_and_report_scores_that_are_none() {
    let Some(context) = context() else { return };
    let mut pipe = Pipe::new(&context, &PipeOptions::default().timing(true)).expect("a pipe");
    let spec = LaneSpec { input: LaneInput::Tensor, logits: false, graph: true };
    let mut lane = Lane::new(&pipe, Copying::new(&context, 10, false), &spec).expect("a lane");
    lane.prepare(&mut pipe).expect("a first run");
    let mut probabilities = [0.0_f32; 10];
    for round in 0..50_u8 {
        let bad = round % 5 == 4;
        for (i, v) in lane.tensor_mut().expect("no failure").iter_mut().enumerate() {
            *v = if i == usize::from(round) % 10 { 0.55 } else { 0.05 };
        }
        if bad {
            lane.tensor_mut().expect("no failure")[3] = f32::NAN;
        }
        lane.launch(&mut pipe).expect("launched");
        let record = wait(&mut lane, &mut pipe, &mut probabilities);
        assert_eq!(record.valid, u32::from(!bad));
        if !bad {
            assert_eq!((record.class, record.top1, record.top_k), (u32::from(round) % 10, 0.55, 5));
            assert_eq!(probabilities[usize::from(round) % 10], 0.55);
        }
        let times = (0..1000).find_map(|_| lane.times().expect("no failure"));
        assert!(times.is_some_and(|t| t.compute_ms >= 0.0));
    }
    assert!(lane.tensor_mut().expect("no failure").len() == 10);
}

/// Prints the features kernels' times beside that of a copy of the same bytes on the device, and the grid kernel's with one block beside
/// that with as many as a pipe launches. It has no bound to fail.
#[test]
#[ignore = "a measurement: run it by name, in a release build, on a GPU"]
fn features_against_a_device_copy() {
    use trt_select::cuda::driver::Event;
    let Some(context) = context() else { return };
    let mut pipe = Pipe::new(&context, &PipeOptions::default().timing(true)).expect("a pipe");
    let mut grid_kernel = GridKernel::new(&context);
    let stream = Stream::new(&context).expect("a stream");
    let (start, end) = (Event::new(&context, true).expect("an event"), Event::new(&context, true).expect("an event"));
    for (width, height) in [(640_u32, 480_u32), (1280, 720), (1920, 1080), (3840, 2160)] {
        let pixels: Vec<u8> = {
            let mut random = Rng::new(9);
            (0..3 * width * height).map(|_| random.below(256) as u8).collect()
        };
        let frame =
            Frame::packed(trt_select::cuda::Format::Rgb8, width, height, 3 * width as usize, &pixels).expect("a frame");
        let (a, b) = (
            DeviceBuffer::zeroed(&context, pixels.len()).expect("device memory"),
            DeviceBuffer::zeroed(&context, pixels.len()).expect("device memory"),
        );
        let mut copies = Vec::new();
        for _ in 0..200 {
            start.record(&stream).expect("recorded");
            // SAFETY: both buffers have room and outlive the wait below.
            unsafe { stream.copy_on_device_async(b.address(), a.address(), pixels.len()).expect("a copy") };
            end.record(&stream).expect("recorded");
            stream.synchronize().expect("done");
            copies.push(end.elapsed_ms(&start).expect("a time"));
        }
        let on_device = OnDevice::new(&context, &frame, 0);
        let mut by_group = Vec::new();
        for groups in [
            FeatureGroups { whole: true, grid: None },
            FeatureGroups { whole: false, ..all_groups(&frame) },
            all_groups(&frame),
        ] {
            let mut times = Vec::new();
            for _ in 0..200 {
                pipe.begin(&on_device.frame(), groups).expect("begun");
                while pipe.poll_features().expect("no failure").is_none() {}
                let time = loop {
                    if let Some(time) = pipe.times().expect("no failure") {
                        break time;
                    }
                };
                times.push(time.features_ms);
            }
            by_group.push(median(times));
        }
        let copy = median(copies);
        println!(
            "{width}x{height} rgb8: device copy {:.4} ms; whole {:.4} ms ({:.2}x), grid {:.4} ms ({:.2}x), both {:.4} ms ({:.2}x)",
            copy,
            by_group[0],
            by_group[0] / copy,
            by_group[1],
            by_group[1] / copy,
            by_group[2],
            by_group[2] / copy
        );
        let chosen = chosen_blocks(&context, &on_device);
        let by_blocks = [1, chosen].map(|blocks| {
            let times = (0..200).map(|_| grid_kernel.run(&on_device, blocks).1).collect();
            median(times)
        });
        println!(
            "{width}x{height} rgb8: grid with 1 block {:.4} ms, with {chosen} blocks {:.4} ms ({:.1} times as fast)",
            by_blocks[0],
            by_blocks[1],
            by_blocks[0] / by_blocks[1]
        );
    }
}

fn median(mut times: Vec<f32>) -> f32 {
    times.sort_by(f32::total_cmp);
    times[times.len() / 2]
}
