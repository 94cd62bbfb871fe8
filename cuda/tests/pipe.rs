//! Pipe and lanes on the double: which work the host has seen, when the driver is asked, and what a lane answers.
#![cfg(feature = "driver")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use trt_select_cuda::driver::{Context, DeviceBuffer, Error, Stream};
use trt_select_cuda::pipe::{
    AnyFrame, Axes, AxisTables, FeatureGroups, HostFrame, Lane, LaneInput, LaneSpec, Network, NetworkTensor, Pipe,
    PipeOptions, Preprocessing,
};
use trt_select_cuda::{Format, FrameDesc, FrameMemory};

mod common;

use common::{FULL, with_double};

const SIDE: u32 = 4;
const LEN: usize = (SIDE * SIDE) as usize;

/// A network that copies its input to its output. It can be evicted, and its `restore` can be made to fail.
struct Copying {
    input: DeviceBuffer,
    output: DeviceBuffer,
    resident: bool,
    refuses: Arc<AtomicBool>,
}

// SAFETY: the copy uses the two buffers of this object, which never change.
unsafe impl Network for Copying {
    type Error = Error;

    fn input(&self) -> NetworkTensor<'_> {
        NetworkTensor { buffer: &self.input, len: LEN, half: false }
    }

    fn output(&self) -> NetworkTensor<'_> {
        NetworkTensor { buffer: &self.output, len: LEN, half: false }
    }

    unsafe fn enqueue(&mut self, stream: &Stream) -> Result<(), Error> {
        // SAFETY: both buffers have room and live as long as the network.
        unsafe { stream.copy_on_device_async(self.output.address(), self.input.address(), 4 * LEN) }
    }

    fn evict(&mut self) -> Result<(), Error> {
        self.resident = false;
        Ok(())
    }

    fn is_resident(&self) -> bool {
        self.resident
    }

    fn restore(&mut self) -> Result<(), Error> {
        // A call that is refused, as an allocation is where the device has no room.
        if self.refuses.load(Ordering::Relaxed) {
            DeviceBuffer::new(self.input.context(), 0)?;
        }
        self.resident = true;
        Ok(())
    }
}

/// A pipe with two lanes, which read grey frames of 4 x 4 pixels as they are.
struct Bench {
    pipe: Pipe,
    lanes: [Lane<Copying>; 2],
    /// Whether networks refuse to come back to the device.
    refuses: Arc<AtomicBool>,
}

/// What a byte becomes: itself.
fn table() -> [[f32; 256]; 1] {
    [std::array::from_fn(|byte| byte as f32)]
}

impl Bench {
    fn new(memory: FrameMemory) -> Bench {
        let context = Context::primary(0).unwrap();
        let options = PipeOptions::default().frame_memory(memory).frame_bytes(4096);
        let mut pipe = Pipe::new(&context, &options).unwrap();
        let refuses = Arc::new(AtomicBool::new(false));
        let lanes = [0, 1].map(|_| {
            let buffer = || DeviceBuffer::zeroed(&context, 4 * LEN).unwrap();
            let network = Copying { input: buffer(), output: buffer(), resident: true, refuses: Arc::clone(&refuses) };
            let tables = table();
            let input = LaneInput::Frame(Preprocessing {
                width_px: SIDE,
                height_px: SIDE,
                bgr: false,
                interleaved: false,
                tables: &tables,
            });
            let spec = LaneSpec { input, logits: true, graph: true };
            let mut lane = Lane::new(&pipe, network, &spec).unwrap();
            lane.prepare(&mut pipe).unwrap();
            lane
        });
        Bench { pipe, lanes, refuses }
    }

    /// Begins a grey frame of one value. No features are asked for.
    fn begin(&mut self, value: u8) {
        self.begin_with(value, FeatureGroups::default());
    }

    fn begin_with(&mut self, value: u8, groups: FeatureGroups) {
        let pixels = [value; LEN];
        self.pipe.begin(&frame(&pixels), groups).unwrap();
    }

    fn load(&mut self, lane: usize) {
        let same = AxisTables { is_copy: true, offset: 0, windows: &[], weights: &[] };
        self.lanes[lane].load_frame(&mut self.pipe, Some(&Axes { columns: same, rows: same })).unwrap();
    }

    fn launch(&mut self, lane: usize) {
        self.load(lane);
        self.lanes[lane].launch(&mut self.pipe).unwrap();
    }

    fn poll(&mut self, lane: usize) -> Result<bool, Error> {
        Ok(self.lanes[lane].poll(&mut self.pipe)?.is_some())
    }

    /// The first element of a lane's output.
    fn output(&self, lane: usize) -> f32 {
        let mut bytes = [0; 4];
        self.lanes[lane].network().output.read(0, &mut bytes).unwrap();
        f32::from_le_bytes(bytes)
    }
}

fn frame(pixels: &[u8]) -> AnyFrame<'_> {
    let desc = FrameDesc {
        width_px: SIDE,
        height_px: SIDE,
        stride0_bytes: u64::from(SIDE),
        format: Format::Gray8 as u32,
        ..FrameDesc::default()
    };
    AnyFrame::Host(HostFrame { planes: [pixels, &[]], desc })
}

/// Two lanes are under way. That the result of the first one has arrived says nothing of the second one, which still reads the frame.
#[test]
fn a_result_is_the_end_of_its_own_launch_only() {
    with_double("a_result_is_the_end_of_its_own_launch_only", FULL, &[], |double| {
        let mut bench = Bench::new(FrameMemory::Mapped);
        double.delay(u64::MAX);
        bench.begin(16);
        bench.launch(0);
        bench.launch(1);
        // Operation by operation, until the first lane's result is there. The second lane has not begun then.
        while !bench.poll(0).unwrap() {
            assert_eq!(double.step(1), 1);
        }
        assert!(!bench.poll(1).unwrap());
        // The next frame is written to the same block, so the pipe has to wait for the second lane.
        bench.begin(240);
        assert!(bench.poll(1).unwrap());
        assert_eq!((bench.output(0), bench.output(1)), (16.0, 16.0));
        double.delay(0);
        drop(bench);
        double.is_clean();
    });
}

/// Asking the driver costs a microsecond or more, which a caller that polls without a pause must not pay again and again.
#[test]
fn a_busy_poll_hardly_asks_the_driver() {
    with_double("a_busy_poll_hardly_asks_the_driver", FULL, &[], |double| {
        let mut bench = Bench::new(FrameMemory::Device);
        double.delay(u64::MAX);
        for _ in 0..3 {
            bench.begin(1);
            bench.launch(0);
            let (before, start) = (double.calls("cuStreamQuery"), Instant::now());
            let mut polls = 0_u64;
            while start.elapsed() < Duration::from_millis(5) {
                assert!(!bench.poll(0).unwrap());
                polls += 1;
            }
            // Five milliseconds, or more where the machine is busy with something else.
            let (asked, took) = (double.calls("cuStreamQuery") - before, start.elapsed());
            assert!(u128::from(asked) <= took.as_millis() + 1, "{asked} times in {polls} polls and {took:?}");
            double.release();
            assert!(bench.poll(0).unwrap());
        }
        // Features alike, which are asked for by `begin`.
        bench.begin_with(1, FeatureGroups { whole: true, grid: None });
        let (before, start) = (double.calls("cuStreamQuery"), Instant::now());
        while start.elapsed() < Duration::from_millis(5) {
            assert!(bench.pipe.poll_features().unwrap().is_none());
        }
        assert!(u128::from(double.calls("cuStreamQuery") - before) <= start.elapsed().as_millis() + 1);
        double.delay(0);
        drop(bench);
        double.is_clean();
    });
}

/// What the driver says is told within some milliseconds, to a caller that polls all the time and to one that polls now and then: that the
/// work failed, and that it is done without a result.
#[test]
fn a_failure_is_told_however_often_the_caller_polls() {
    with_double("a_failure_is_told_however_often_the_caller_polls", FULL, &[], |double| {
        let mut bench = Bench::new(FrameMemory::Device);
        for pause_ms in [0, 2] {
            let until_error = |bench: &mut Bench| {
                let start = Instant::now();
                for polls in 1.. {
                    match bench.poll(0) {
                        Ok(there) => assert!(!there),
                        Err(error) => return (error, polls, start.elapsed()),
                    }
                    std::thread::sleep(Duration::from_millis(pause_ms));
                }
                unreachable!("an error comes");
            };
            double.delay(u64::MAX);
            bench.begin(1);
            bench.launch(0);
            double.fail("cuStreamQuery", 2, 719);
            let (error, polls, after) = until_error(&mut bench);
            assert_eq!((error.code(), error.call()), (719, "cuStreamQuery"));
            assert!(pause_ms == 0 || polls <= 4, "{polls} polls, {after:?}");
            double.release();
            assert!(bench.poll(0).unwrap());

            double.set("skip_kernels", 1);
            double.delay(1);
            bench.begin(1);
            bench.launch(0);
            let (error, polls, after) = until_error(&mut bench);
            assert!(error.to_string().starts_with("network: expected a record"), "{error}");
            assert!(pause_ms == 0 || polls <= 4, "{polls} polls, {after:?}");
            double.set("skip_kernels", 0);
        }
        double.delay(0);
        drop(bench);
        double.is_clean();
    });
}

/// The pipe waits for nothing where the last result was seen, and the order in which results are seen does not matter.
#[test]
fn nothing_is_waited_for_once_the_last_result_was_seen() {
    with_double("nothing_is_waited_for_once_the_last_result_was_seen", FULL, &[], |double| {
        let mut bench = Bench::new(FrameMemory::Mapped);
        for order in [[0, 1], [1, 0]] {
            bench.begin(16);
            bench.launch(0);
            bench.launch(1);
            for lane in order {
                assert!(bench.poll(lane).unwrap());
            }
            let before = double.calls("cuStreamSynchronize");
            bench.begin(17);
            assert_eq!(double.calls("cuStreamSynchronize"), before);
        }
        drop(bench);
        double.is_clean();
    });
}

/// Probabilities are copied once, when somebody asks, and belong to the result that was given last.
#[test]
fn probabilities_are_those_of_the_last_result() {
    with_double("probabilities_are_those_of_the_last_result", FULL, &[], |double| {
        let mut bench = Bench::new(FrameMemory::Device);
        assert!(bench.lanes[0].probabilities().is_empty(), "it was prepared only");
        double.delay(u64::MAX);
        for last in [3, 9] {
            let mut pixels = [0; LEN];
            pixels[last] = 2;
            bench.pipe.begin(&frame(&pixels), FeatureGroups::default()).unwrap();
            bench.launch(0);
            assert!(!bench.poll(0).unwrap() && bench.lanes[0].probabilities().is_empty());
            double.release();
            assert!(bench.poll(0).unwrap());
            let probabilities = bench.lanes[0].probabilities();
            let sum = 2_f32.exp() + (LEN - 1) as f32;
            assert_eq!(probabilities.len(), LEN);
            for (class, p) in probabilities.iter().enumerate() {
                let expected = if class == last { 2_f32.exp() / sum } else { 1.0 / sum };
                assert!((p - expected).abs() < 1e-6, "{class}: {p} {expected}");
            }
            let before = probabilities.to_vec();
            double.fill_mapped(4 * LEN as u64, 0);
            assert_eq!(bench.lanes[0].probabilities(), before, "they were copied");
        }
        double.delay(0);
        drop(bench);
        double.is_clean();
    });
}

/// A record that is still there from an earlier launch is no result of a lane that was not launched.
#[test]
fn a_lane_without_a_launch_has_no_result() {
    with_double("a_lane_without_a_launch_has_no_result", FULL, &[], |double| {
        let mut bench = Bench::new(FrameMemory::Device);
        assert!(!bench.poll(0).unwrap(), "it was prepared only");
        bench.begin(5);
        bench.launch(0);
        assert!(bench.poll(0).unwrap() && !bench.poll(1).unwrap());
        // A launch that fails before it enqueues anything.
        bench.lanes[0].evict().unwrap();
        bench.begin(6);
        bench.load(0);
        bench.refuses.store(true, Ordering::Relaxed);
        assert!(bench.lanes[0].launch(&mut bench.pipe).is_err());
        assert!(!bench.poll(0).unwrap());
        // One that fails on its way.
        bench.refuses.store(false, Ordering::Relaxed);
        double.fail("cuGraphLaunch", 1, 999);
        assert_eq!(bench.lanes[0].launch(&mut bench.pipe).unwrap_err().code(), 999);
        assert!(!bench.poll(0).unwrap());
        bench.launch(0);
        assert!(bench.poll(0).unwrap());
        assert_eq!(bench.output(0), 6.0);
        drop(bench);
        double.is_clean();
    });
}
