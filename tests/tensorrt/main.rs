//! Tests the whole TensorRT path on the doubles of `libcuda` and of TensorRT: opening, ten thousand inputs, closing; failures of every
//! call; damaged plans; eviction; and a device that takes its time. Each test runs in a process of its own, since a process loads driver
//! and library only once.
//!
//! `TRT_SELECT_TEST_INFERS` is the number of inputs of the long run (default 10,000). `tests/doubles/campaign` runs it under
//! AddressSanitizer and Valgrind.

#[cfg(feature = "cli")]
mod build_cli;
mod builds;
#[cfg(feature = "cli")]
mod cli;
mod compatible;
mod deadline;
#[path = "../../cuda/tests/common/mod.rs"]
mod double;
mod doubles;
mod failures;
#[path = "../gpu/frames.rs"]
mod frames;
#[path = "../gpu/heap.rs"]
mod heap;
#[cfg(feature = "cli")]
#[path = "../common/json_keys.rs"]
mod json_keys;
mod line;
mod lines;
mod loading;
mod plans;
mod probabilities;
mod programs;
mod toy;
#[path = "../doubles/toy_plan.rs"]
mod toy_plan;
#[cfg(feature = "cli")]
mod verify_cli;
#[path = "../doubles/versions.rs"]
mod versions;

use std::time::{Duration, Instant};

use trt_select::backend::gpu::GpuCandidate;
use trt_select::bundle::Bundle;
use trt_select::engines::registry::EngineKind;
use trt_select::{ErrorGroup, ErrorKind, GpuConfig, OpenConfig, Outcome, Selector};
use trt_select_base::random::Rng;

use doubles::{Doubles, with_doubles};
use frames::Picture;
use heap::Heap;
use toy::{assert_same, toys};

fn config() -> OpenConfig {
    OpenConfig::new(EngineKind::Tensorrt)
}

/// The selector's candidates on the GPU.
fn lanes(selector: &Selector) -> &[GpuCandidate] {
    selector.set().gpu().expect("on the GPU").candidates()
}

fn open(doubles: &Doubles) -> trt_select::Result<Selector> {
    open_with(doubles, &config())
}

fn open_with(doubles: &Doubles, config: &OpenConfig) -> trt_select::Result<Selector> {
    let bundle = Bundle::read(&doubles.bundle)?;
    Ok(Selector::open(&bundle, config)?.0)
}

/// A selector with the same networks and premodel on the CPU.
fn on_cpu(doubles: &Doubles) -> Selector {
    toy::on_cpu(&doubles.bundle)
}

/// Frames in all formats, in a few sizes, with many different strides.
fn pictures(count: usize) -> Vec<Picture> {
    let mut random = Rng::new(42);
    (0..count).map(|n| Picture::random(&mut random, n % 12)).collect()
}

#[test]
fn ten_thousand_inputs_are_answered_as_on_the_cpu() {
    with_doubles("ten_thousand_inputs_are_answered_as_on_the_cpu", &[], |doubles| {
        let infers: usize = std::env::var("TRT_SELECT_TEST_INFERS").map_or(10_000, |n| n.parse().expect("a number"));
        let pictures = pictures(120);
        let mut selector = open(doubles).expect("open");
        for gpu in lanes(&selector) {
            assert!(gpu.has_graph(), "{:?}", gpu.graph_refused());
        }
        for picture in &pictures {
            selector.warm_up(picture.frame().into()).expect("warm");
        }
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(infers);
        let bound = doubles.nv.calls("setTensorAddress");
        assert_eq!(bound, 6, "two tensors a candidate, each bound once");
        doubles.nv.opened();
        let driver = doubles.cuda.calls("cuMemAlloc_v2");
        let heap = Heap::of_thread();
        for i in 0..infers {
            outcomes.push(selector.infer(pictures[i % pictures.len()].frame()).expect("answered"));
        }
        let allocated = heap.since();
        println!("{}", Heap::words(allocated));
        assert_eq!(allocated.unwrap_or(0), 0, "heap allocations in {infers} inputs, Rust and C++ together");
        assert_eq!(doubles.cuda.calls("cuMemAlloc_v2"), driver, "device memory was allocated");
        assert_eq!(doubles.nv.calls("setTensorAddress"), bound, "addresses were bound after open");

        let mut cpu = on_cpu(doubles);
        let mut seen = std::collections::HashSet::new();
        for (i, picture) in pictures.iter().enumerate().take(infers) {
            let expected = cpu.infer(picture.frame()).expect("answered");
            for outcome in outcomes[i..].iter().step_by(pictures.len()) {
                assert_same(outcome, &expected, &format!("input {i}, {picture:?}"));
            }
            seen.insert(expected.node);
        }
        assert!(infers < pictures.len() || seen.len() >= 5, "the program's ends that were met: {seen:?}");
        drop(selector);
        doubles.assert_all_freed();
    });
}

/// Compares with the answers of tract, the built-in engine, on the same networks.
#[cfg(feature = "tract")]
#[test]
fn tract_answers_the_same() {
    with_doubles("tract_answers_the_same", &[], |doubles| {
        let pictures = pictures(24);
        let mut gpu = open(doubles).expect("open");
        let tract = OpenConfig::new(EngineKind::Tract);
        let mut cpu = open_with(doubles, &tract).expect("open");
        for (i, picture) in pictures.iter().enumerate() {
            for candidate in 0..3 {
                let id = trt_select::premodel::CandidateId(candidate);
                let (a, b) = (gpu.run_single(id, picture.frame()), cpu.run_single(id, picture.frame()));
                let (a, b) = (a.expect("answered").summary, b.expect("answered").summary);
                // Only one of the two sides computes in half precision.
                let bound = if candidate == 1 { 5e-3 } else { 1e-5 };
                assert!(a.class == b.class || a.margin < bound, "picture {i}, candidate {candidate}: {a:?} {b:?}");
                assert!((a.top1 - b.top1).abs() < bound, "picture {i}, candidate {candidate}: {a:?} {b:?}");
            }
        }
    });
}

#[test]
fn polling_never_waits_for_a_slow_device() {
    with_doubles("polling_never_waits_for_a_slow_device", &[], |doubles| {
        let pictures = pictures(24);
        let mut cpu = on_cpu(doubles);
        let mut selector = open(doubles).expect("open");
        for picture in &pictures {
            selector.warm_up(picture.frame().into()).expect("warm");
        }
        for picture in &pictures {
            let expected = cpu.infer(picture.frame()).expect("answered");
            // Until the device is released nothing happens, however often the selector is polled.
            doubles.cuda.delay(u64::MAX);
            let waits =
                || ["cuStreamSynchronize", "cuEventSynchronize", "cuCtxSynchronize"].map(|c| doubles.cuda.calls(c));
            let before = waits();
            let mut flight = selector.submit(picture.frame()).expect("submitted");
            let started = Instant::now();
            let mut stages = 0;
            let outcome = loop {
                for _ in 0..100 {
                    assert_eq!(flight.poll().expect("no failure"), None);
                }
                stages += 1;
                doubles.cuda.release();
                if let Some(outcome) = flight.poll().expect("no failure") {
                    break outcome;
                }
            };
            assert!(stages >= 2, "features and a network at least");
            assert_eq!(waits(), before, "a poll waited");
            assert!(started.elapsed() < Duration::from_secs(20));
            assert_same(&outcome, &expected, "slow");
            doubles.cuda.delay(3);
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "after a few polls");
            // The input is given up before it is done. The next input must not notice.
            doubles.cuda.delay(u64::MAX);
            let mut flight = selector.submit(picture.frame()).expect("submitted");
            assert_eq!(flight.wait(Duration::from_millis(2)).expect("no failure"), None);
            let _ = flight;
            doubles.cuda.delay(0);
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "after one that was given up");
        }
        doubles.cuda.delay(0);
        drop(selector);
        doubles.assert_all_freed();
    });
}

#[test]
fn frames_on_the_device_are_read_where_they_are_after_their_writer() {
    use trt_select::cuda::driver::{Context, DeviceBuffer, Event, PinnedBuffer, Stream};
    use trt_select::cuda::pipe::DeviceFrame;
    with_doubles("frames_on_the_device_are_read_where_they_are_after_their_writer", &[], |doubles| {
        let mut cpu = on_cpu(doubles);
        let mut selector = open(doubles).expect("open");
        let context = Context::primary(0).expect("a device");
        let callers = Stream::new(&context).expect("a stream");
        let uploads = || doubles.cuda.calls("cuMemcpyHtoDAsync_v2");
        for picture in pictures(24) {
            let frame = picture.frame();
            let expected = cpu.infer(frame).expect("answered");
            let mut desc = frame.desc();
            let mut planes = Vec::new();
            for (bytes, address) in [(frame.pixels(), &mut desc.plane0), (frame.chroma(), &mut desc.plane1)] {
                if !bytes.is_empty() {
                    let mut pinned = PinnedBuffer::new(&context, bytes.len(), false).expect("pinned memory");
                    pinned.as_mut_slice()[..bytes.len()].copy_from_slice(bytes);
                    let device = DeviceBuffer::zeroed(&context, bytes.len()).expect("device memory");
                    *address = device.address();
                    planes.push((pinned, device, bytes.len()));
                }
            }
            // The frame is submitted while the caller's own copy of it to the device is still under way.
            doubles.cuda.delay(40);
            for (pinned, device, len) in &planes {
                // SAFETY: both blocks have room and outlive the work: `planes` is dropped after the outcome.
                unsafe { callers.copy_to_device_async(device.address(), pinned.as_ptr(), *len).expect("a copy") };
            }
            let before = uploads();
            // SAFETY: the planes are device memory that lives until the outcome is there; the stream is of this context.
            let on_device = unsafe { DeviceFrame::new(desc).expect("a frame").after(callers.raw()) };
            let outcome = selector.infer(on_device).expect("answered");
            assert_same(&outcome, &expected, "on the device");
            assert_eq!(
                uploads(),
                before + u64::from(outcome.ran.len()) + axes_uploads(&outcome, before, uploads()),
                "the frame was copied"
            );
            doubles.cuda.delay(0);
            let event = Event::new(&context, false).expect("an event");
            event.record(&callers).expect("recorded");
            event.synchronize().expect("done");
        }
        drop((callers, context, selector));
        doubles.assert_all_freed();
    });
}

/// How many tables were copied to the device for frames of a new size: at most one for each candidate that ran.
fn axes_uploads(outcome: &Outcome, before: u64, after: u64) -> u64 {
    (after - before - u64::from(outcome.ran.len())).min(u64::from(outcome.ran.len()))
}

#[test]
fn all_candidates_share_one_activation_block() {
    with_doubles("all_candidates_share_one_activation_block", &[], |doubles| {
        let before = doubles.nv.activation_blocks();
        let selector = open(doubles).expect("open");
        let largest = toys().iter().map(|t| t.activation_bytes).max().expect("three");
        let blocks = doubles.nv.activation_blocks();
        assert!(before.is_empty());
        assert_eq!(blocks.len(), 3, "one a context");
        assert!(blocks.iter().all(|b| *b == blocks[0] && b.1 == largest), "{blocks:?}");
        assert_eq!(doubles.cuda.live_blocks_of(largest), 1, "blocks of that size");
        for toy in toys().iter().filter(|t| t.activation_bytes != largest) {
            assert_eq!(doubles.cuda.live_blocks_of(toy.activation_bytes), 0, "{}", toy.name);
        }
        for (lane, toy) in lanes(&selector).iter().zip(toys()) {
            assert_eq!(lane.memory().activation_bytes, toy.activation_bytes);
        }
        let weights: Vec<u64> = lanes(&selector).iter().map(|lane| lane.engine().weight_bytes()).collect();
        let expected: Vec<u64> = toys().iter().map(|t| 4 * (t.weights.len() + t.bias.len()) as u64).collect();
        assert_eq!(weights, expected, "counted by the allocator");
    });
}

#[test]
fn evicted_candidates_come_back() {
    with_doubles("evicted_candidates_come_back", &[], |doubles| {
        let pictures = pictures(36);
        let mut cpu = on_cpu(doubles);
        let mut bytes: Vec<u64> = toys().iter().map(|t| 4 * (t.weights.len() + t.bias.len()) as u64).collect();
        bytes.sort_unstable();
        // The limit has room for the largest plan alone, or for any two plans.
        for limit in [bytes[2], bytes[1] + bytes[2]] {
            for keep_plans in [true, false] {
                let gpu = GpuConfig::default().max_resident_bytes(Some(limit)).keep_plans(keep_plans);
                let mut selector = open_with(doubles, &config().gpu(gpu)).expect("open");
                let hidden = toys().map_paths(doubles, keep_plans);
                let mut peak = 0;
                for picture in &pictures {
                    let outcome = selector.infer(picture.frame()).expect("answered");
                    assert_same(&outcome, &cpu.infer(picture.frame()).expect("answered"), "evicted and back");
                    let resident = lanes(&selector).iter().filter(|lane| lane.is_resident());
                    peak = peak.max(resident.map(|g| g.engine().weight_bytes()).sum::<u64>());
                }
                assert!(peak <= limit && peak > 0, "{peak} of {limit}");
                hidden.put_back();
                drop(selector);
                doubles.assert_all_freed();
            }
        }
        let gpu = GpuConfig::default().max_resident_bytes(Some(bytes[2] - 1));
        let error = open_with(doubles, &config().gpu(gpu)).expect_err("no room for the largest");
        assert_eq!((error.kind(), error.kind().group()), (ErrorKind::Limit, ErrorGroup::Caller));
        assert!(error.to_string().contains("max_resident_bytes"), "{error}");
        doubles.assert_all_freed();
    });
}

trait Hide {
    fn map_paths(&self, doubles: &Doubles, hide: bool) -> Hidden;
}

/// Plans whose files are moved away for a while. Who keeps the plans in memory does not need the files.
struct Hidden(Vec<(std::path::PathBuf, std::path::PathBuf)>);

impl Hide for Vec<toy::Toy> {
    fn map_paths(&self, doubles: &Doubles, hide: bool) -> Hidden {
        let paths = self.iter().filter(|_| hide).map(|t| toy::plan_path(&doubles.bundle, t.name));
        Hidden(
            paths
                .map(|path| {
                    let away = path.with_extension("away");
                    std::fs::rename(&path, &away).expect("moved");
                    (path, away)
                })
                .collect(),
        )
    }
}

impl Hidden {
    fn put_back(self) {
        self.0.iter().for_each(|(path, away)| std::fs::rename(away, path).expect("moved back"));
    }
}

#[test]
fn without_graphs_the_parts_are_enqueued_one_by_one() {
    for (name, variant) in [("no-graphs", double::NO_GRAPHS), ("cuda-10.2", double::CUDA_10_2)] {
        doubles::with_variant(
            "without_graphs_the_parts_are_enqueued_one_by_one",
            variant,
            &[("TRT_SELECT_TEST_VARIANT", name)],
            |doubles| {
                let graphs = std::env::var("TRT_SELECT_TEST_VARIANT").is_ok_and(|v| v == "cuda-10.2");
                let mut cpu = on_cpu(doubles);
                let mut selector = open(doubles).expect("open");
                for gpu in lanes(&selector) {
                    assert_eq!(gpu.has_graph(), graphs);
                    assert_eq!(gpu.graph_refused().is_some(), !graphs);
                }
                for picture in pictures(60) {
                    let outcome = selector.infer(picture.frame()).expect("answered");
                    assert_same(&outcome, &cpu.infer(picture.frame()).expect("answered"), "an old driver");
                }
                drop(selector);
                doubles.assert_all_freed();
            },
        );
    }
}

#[test]
fn selectors_in_threads_do_not_trouble_each_other_or_the_callers_cuda() {
    use trt_select::cuda::driver::{Context, DeviceBuffer};
    with_doubles("selectors_in_threads_do_not_trouble_each_other_or_the_callers_cuda", &[], |doubles| {
        let pictures = pictures(24);
        let mut cpu = on_cpu(doubles);
        let expected: Vec<Outcome> = pictures.iter().map(|p| cpu.infer(p.frame()).expect("answered")).collect();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let callers = scope.spawn(|| {
                // A graph capture in another thread must not be disturbed by this.
                let context = Context::primary(0).expect("a device");
                let mut rounds = 0_u64;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(DeviceBuffer::zeroed(&context, 4096).expect("device memory"));
                    rounds += 1;
                }
                rounds
            });
            let workers: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..3 {
                            let mut selector = open(doubles).expect("open");
                            assert!(lanes(&selector).iter().all(GpuCandidate::has_graph));
                            for (picture, expected) in pictures.iter().zip(&expected) {
                                assert_same(&selector.infer(picture.frame()).expect("answered"), expected, "threads");
                            }
                        }
                    })
                })
                .collect();
            workers.into_iter().for_each(|w| w.join().expect("no panic"));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(callers.join().expect("no panic") > 10);
        });
        doubles.assert_all_freed();
    });
}

/// The pixels of a colour frame of this size.
fn colour(width: u32, height: u32) -> Vec<u8> {
    let mut random = Rng::new(u64::from(width * height));
    (0..3 * width * height).map(|i| if i % 5 == 0 { random.below(256) as u8 } else { (i % 251) as u8 }).collect()
}

#[test]
fn a_first_frame_of_the_networks_own_size_is_preprocessed_too() {
    with_doubles("a_first_frame_of_the_networks_own_size_is_preprocessed_too", &[], |doubles| {
        let mut cpu = on_cpu(doubles);
        for (candidate, width, height) in [(0, 16, 12), (1, 14, 14), (2, 20, 24)] {
            let mut selector = open(doubles).expect("open");
            let pixels = colour(width, height);
            let stride = 3 * width as usize;
            let frame = trt_select::Frame::packed(trt_select::cuda::Format::Rgb8, width, height, stride, &pixels)
                .expect("a frame");
            let id = trt_select::premodel::CandidateId(candidate);
            let (gpu, cpu) = (selector.run_single(id, frame), cpu.run_single(id, frame));
            let (gpu, cpu) = (gpu.expect("answered").summary, cpu.expect("answered").summary);
            assert_eq!(gpu.class, cpu.class, "candidate {candidate}");
            assert!((gpu.top1 - cpu.top1).abs() < 2e-6, "candidate {candidate}: {gpu:?} {cpu:?}");
        }
    });
}

#[test]
fn a_wait_that_fails_is_no_end_of_the_work() {
    with_doubles("a_wait_that_fails_is_no_end_of_the_work", &[], |doubles| {
        let pictures = pictures(2);
        let mut cpu = on_cpu(doubles);
        let mut selector = open(doubles).expect("open");
        pictures.iter().for_each(|p| selector.warm_up(p.frame().into()).expect("warm"));
        doubles.cuda.delay(u64::MAX);
        let _ = selector.submit(pictures[0].frame()).expect("submitted");
        doubles.cuda.fail("cuStreamSynchronize", 1, 999);
        let error = selector.submit(pictures[1].frame()).map(|_| ()).expect_err("the wait failed");
        assert_eq!(error.kind(), ErrorKind::Engine);
        doubles.cuda.delay(0);
        let outcome = selector.infer(pictures[1].frame()).expect("answered");
        assert_same(&outcome, &cpu.infer(pictures[1].frame()).expect("answered"), "after it");
        drop(selector);
        doubles.assert_all_freed_but_misuse("");
    });
}

#[test]
fn a_failed_copy_of_tables_fails_the_candidate_and_not_the_input() {
    with_doubles("a_failed_copy_of_tables_fails_the_candidate_and_not_the_input", &[], |doubles| {
        let picture = &pictures(1)[0];
        let mut selector = open(doubles).expect("open");
        // The first copy is that of the frame, the next one that of the first candidate's tables.
        doubles.cuda.fail("cuMemcpyHtoDAsync_v2", 2, 2);
        let outcome = selector.infer(picture.frame()).expect("another candidate answers");
        assert_eq!(outcome.failed.len(), 1);
        assert!(selector.failure().expect("told").to_string().contains("CUDA_ERROR_OUT_OF_MEMORY"));
        assert!(selector.infer(picture.frame()).expect("answered").failed.is_empty());
    });
}

#[test]
fn a_restore_that_fails_holds_nothing_and_is_tried_again() {
    with_doubles("a_restore_that_fails_holds_nothing_and_is_tried_again", &[], |doubles| {
        let mut bytes: Vec<u64> = toys().iter().map(|t| 4 * (t.weights.len() + t.bias.len()) as u64).collect();
        bytes.sort_unstable();
        let gpu = GpuConfig::default().max_resident_bytes(Some(bytes[2]));
        let mut selector = open_with(doubles, &config().gpu(gpu)).expect("open");
        let picture = &pictures(1)[0];
        let ids = [0, 1, 2].map(trt_select::premodel::CandidateId);
        for (call, away) in [
            ("createExecutionContextWithRuntimeConfig", 0),
            ("setDeviceMemoryV2", 1),
            ("enqueueV3", 0),
            ("deserializeCudaEngine", 1),
        ] {
            selector.run_single(ids[2], picture.frame()).expect("the large one is there, the others are not");
            doubles.nv.fail(call, 1);
            selector.run_single(ids[away], picture.frame()).expect_err(call);
            assert_eq!(doubles.nv.live("engines"), 0, "{call}: what is of no use is not kept");
            selector.run_single(ids[away], picture.frame()).expect(call);
            assert!(lanes(&selector)[away].has_graph(), "{call}");
        }
        drop(selector);
        doubles.assert_all_freed();
    });
}

#[test]
fn lanes_and_pipes_refuse_what_would_read_elsewhere() {
    use trt_select::cuda::driver::{Context, DeviceBuffer, Error, ErrorKind, Stream};
    use trt_select::cuda::pipe::*;

    struct Nothing(DeviceBuffer, DeviceBuffer);

    // SAFETY: it enqueues nothing.
    unsafe impl Network for Nothing {
        type Error = Error;
        fn input(&self) -> NetworkTensor<'_> {
            NetworkTensor { buffer: &self.0, len: 4 * 4, half: false }
        }
        fn output(&self) -> NetworkTensor<'_> {
            NetworkTensor { buffer: &self.1, len: 2, half: false }
        }
        unsafe fn enqueue(&mut self, _: &Stream) -> Result<(), Error> {
            Ok(())
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

    with_doubles("lanes_and_pipes_refuse_what_would_read_elsewhere", &[], |_| {
        let context = Context::primary(0).expect("a device");
        let options = PipeOptions::default().frame_bytes(64);
        let [mut pipe, mut other] = [0, 1].map(|_| Pipe::new(&context, &options).expect("a pipe"));
        let network = Nothing(DeviceBuffer::zeroed(&context, 64).unwrap(), DeviceBuffer::zeroed(&context, 8).unwrap());
        let tables = [[0.0; 256]];
        let input = LaneInput::Frame(Preprocessing {
            width_px: 4,
            height_px: 4,
            bgr: false,
            interleaved: false,
            tables: &tables,
        });
        let mut lane = Lane::new(&pipe, network, &LaneSpec { input, logits: true, graph: true }).expect("a lane");
        lane.prepare(&mut pipe).expect("a first run");
        let misuse = |result: Result<(), Error>| assert_eq!(result.expect_err("refused").kind(), ErrorKind::Misuse);
        let none = FeatureGroups::default();
        let pixels = vec![7_u8; 400 * 400];
        let frame = |side: u32| {
            let (width_px, height_px, stride0_bytes) = (side, side, u64::from(side));
            let format = trt_select::cuda::Format::Gray8 as u32;
            let desc = trt_select::cuda::FrameDesc { width_px, height_px, stride0_bytes, format, ..Default::default() };
            AnyFrame::Host(HostFrame { planes: [&pixels, &[]], desc })
        };
        let copy = |offset| AxisTables { is_copy: true, offset, windows: &[], weights: &[] };
        let axes = |offset| Axes { columns: copy(offset), rows: copy(offset) };

        // In turn: another frame than the one that was loaded, no frame loaded, and a frame of another pipe.
        pipe.begin(&frame(8), none).expect("begun");
        lane.load_frame(&mut pipe, Some(&axes(4))).expect("loaded");
        pipe.begin(&frame(400), none).expect("begun, larger");
        misuse(lane.launch(&mut pipe));
        other.begin(&frame(8), none).expect("begun");
        misuse(lane.load_frame(&mut other, Some(&axes(4))));
        misuse(lane.launch(&mut other));
        // Windows that lie outside the frame, that go backwards, or that have no weights.
        pipe.begin(&frame(9), none).expect("begun");
        misuse(lane.load_frame(&mut pipe, Some(&axes(6))));
        let window = |start, first, len| trt_select::cuda::AxisWindow { start, first, len, reserved: 0 };
        for windows in [
            [window(1_000_000_000, 0, 1); 4],
            [window(0, 0, 10); 4],
            [window(0, 4, 1); 4],
            [window(3, 0, 1), window(2, 0, 1), window(3, 0, 1), window(4, 0, 1)],
            [window(u32::MAX, 0, 1); 4],
        ] {
            let bad = AxisTables { is_copy: false, offset: 0, windows: &windows, weights: &[1 << 22; 4] };
            misuse(lane.load_frame(&mut pipe, Some(&Axes { columns: bad, rows: copy(0) })));
            misuse(lane.launch(&mut pipe));
        }
        // Grids that lie outside the frame or do not fit the kernel's memory.
        for (scale, width, height) in [(1, 4000, 4000), (0, 1, 1), (2, 5, 4), (1, 0, 4), (1, 160, 160)] {
            let groups = FeatureGroups { whole: false, grid: Some(Grid { scale, width, height }) };
            misuse(pipe.begin(&frame(9), groups));
        }
        misuse(pipe.begin(
            &frame(400),
            FeatureGroups { whole: false, grid: Some(Grid { scale: 1, width: 400, height: 400 }) },
        ));
        pipe.begin(&frame(9), none).expect("begun");
        lane.load_frame(&mut pipe, Some(&axes(5))).expect("loaded");
        lane.launch(&mut pipe).expect("launched");
        while lane.poll(&mut pipe).expect("no failure").is_none() {}
    });
}
