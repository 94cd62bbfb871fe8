//! The whole TensorRT path on the doubles of `libcuda` and of TensorRT: open, ten thousand inputs, close; failures of every
//! call; damaged plans; eviction; a device that takes its time. Each test runs in a process of its own, since driver and
//! library are loaded once.
//!
//! `TRT_SELECT_TEST_INFERS` is the number of inputs of the long run (10,000). `tests/doubles/campaign` runs it under
//! AddressSanitizer and Valgrind.

#[cfg(feature = "cli")]
mod cli;
#[path = "../../cuda/tests/common/mod.rs"]
mod double;
mod doubles;
mod failures;
#[path = "../gpu/frames.rs"]
mod frames;
mod plans;
mod toy;

use std::time::{Duration, Instant};

use trt_select::bundle::{Bundle, Scores};
use trt_select::engines::registry::Kind;
use trt_select::{Candidate, ErrorKind, GpuConfig, OpenConfig, Outcome, Selector};

use doubles::{Doubles, with_doubles};
use frames::{Picture, Random};
use toy::{OnCpu, toys};

fn config() -> OpenConfig {
    OpenConfig { engine: Kind::Tensorrt, ..OpenConfig::default() }
}

fn open(doubles: &Doubles) -> trt_select::Result<Selector> {
    open_with(doubles, &config())
}

fn open_with(doubles: &Doubles, config: &OpenConfig) -> trt_select::Result<Selector> {
    let bundle = Bundle::read(&doubles.bundle)?;
    Ok(Selector::open(&bundle, config)?.0)
}

/// The same candidates and premodel on the CPU.
fn on_cpu(doubles: &Doubles) -> Selector {
    let bundle = Bundle::read(&doubles.bundle).expect("a bundle");
    let candidates: Vec<Candidate> = toys()
        .into_iter()
        .zip(&bundle.candidates)
        .map(|(toy, spec)| {
            let engine = Box::new(OnCpu::new(toy));
            Candidate::new(&spec.name, engine, spec.image.clone(), Scores::Logits, None, None).expect("a candidate")
        })
        .collect();
    Selector::new(candidates, toy::premodel()).expect("a selector")
}

/// Frames of all formats, at some sizes, with all kinds of strides.
fn pictures(count: usize) -> Vec<Picture> {
    let mut random = Random::new(42);
    (0..count).map(|n| Picture::random(&mut random, n % 12)).collect()
}

/// Whether two outcomes are the same but for what the last bits of a sum may do.
fn assert_same(gpu: &Outcome, cpu: &Outcome, what: &str) {
    assert_eq!((gpu.class, gpu.answer, gpu.ran, gpu.node), (cpu.class, cpu.answer, cpu.ran, cpu.node), "{what}");
    assert!((gpu.probability - cpu.probability).abs() < 2e-6, "{what}: {gpu:?} {cpu:?}");
    assert!(gpu.failed.is_empty(), "{what}");
}

#[test]
fn ten_thousand_inputs_are_answered_as_on_the_cpu() {
    with_doubles("ten_thousand_inputs_are_answered_as_on_the_cpu", &[], |doubles| {
        let infers: usize = std::env::var("TRT_SELECT_TEST_INFERS").map_or(10_000, |n| n.parse().expect("a number"));
        let pictures = pictures(120);
        let mut selector = open(doubles).expect("open");
        for candidate in selector.candidates() {
            let gpu = candidate.gpu().expect("on the GPU");
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
        let allocations = doubles.heap_allocations();
        for i in 0..infers {
            outcomes.push(selector.infer(pictures[i % pictures.len()].frame()).expect("answered"));
        }
        if let (Some(before), Some(after)) = (allocations, doubles.heap_allocations()) {
            assert_eq!(after - before, 0, "heap allocations in {infers} inputs, Rust and C++ together");
        } else {
            println!("(allocations are not counted in this run)");
        }
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

/// The answers of tract, the built-in engine, on the same networks.
#[cfg(feature = "tract")]
#[test]
fn tract_answers_the_same() {
    with_doubles("tract_answers_the_same", &[], |doubles| {
        let pictures = pictures(24);
        let mut gpu = open(doubles).expect("open");
        let tract = OpenConfig { engine: Kind::Tract, ..OpenConfig::default() };
        let mut cpu = open_with(doubles, &tract).expect("open");
        for (i, picture) in pictures.iter().enumerate() {
            for candidate in 0..3 {
                let id = trt_select::premodel::CandidateId(candidate);
                let (a, b) = (gpu.run_single(id, picture.frame()), cpu.run_single(id, picture.frame()));
                let (a, b) = (a.expect("answered").summary, b.expect("answered").summary);
                // Half precision on the one side only.
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
            // Nothing is done until it is released, however often one asks.
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
            // Given up half way; the next one is not troubled.
            doubles.cuda.delay(u64::MAX);
            let mut flight = selector.submit(picture.frame()).expect("submitted");
            assert_eq!(flight.wait(Duration::from_millis(2)).expect("no failure"), None);
            drop(flight);
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
            // The caller's copy is still under way when the frame is submitted.
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

/// Copies of tables for frames of a new size: at most one a candidate that ran.
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
        for (candidate, toy) in selector.candidates().iter().zip(toys()) {
            assert_eq!(candidate.memory().activation_bytes, toy.activation_bytes);
        }
        let weights: Vec<u64> =
            selector.candidates().iter().map(|c| c.gpu().expect("on the GPU").engine().weight_bytes()).collect();
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
        // Room for the largest alone; for any two.
        for limit in [bytes[2], bytes[1] + bytes[2]] {
            for keep_plans in [true, false] {
                let gpu = GpuConfig { max_resident_bytes: Some(limit), keep_plans, ..GpuConfig::default() };
                let mut selector = open_with(doubles, &OpenConfig { gpu, ..config() }).expect("open");
                let hidden = toys().map_paths(doubles, keep_plans);
                let mut peak = 0;
                for picture in &pictures {
                    let outcome = selector.infer(picture.frame()).expect("answered");
                    assert_same(&outcome, &cpu.infer(picture.frame()).expect("answered"), "evicted and back");
                    let resident = selector.candidates().iter().filter_map(|c| c.gpu()).filter(|g| g.is_resident());
                    peak = peak.max(resident.map(|g| g.engine().weight_bytes()).sum::<u64>());
                }
                assert!(peak <= limit && peak > 0, "{peak} of {limit}");
                hidden.put_back();
                drop(selector);
                doubles.assert_all_freed();
            }
        }
        let gpu = GpuConfig { max_resident_bytes: Some(bytes[2] - 1), ..GpuConfig::default() };
        let error = open_with(doubles, &OpenConfig { gpu, ..config() }).expect_err("no room for the largest");
        assert_eq!(error.kind(), ErrorKind::Engine);
        assert!(error.to_string().contains("max_resident_bytes"), "{error}");
        doubles.assert_all_freed();
    });
}

trait Hide {
    fn map_paths(&self, doubles: &Doubles, hide: bool) -> Hidden;
}

/// Plans that were taken away: whoever keeps them in memory does not miss them.
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
                for candidate in selector.candidates() {
                    let gpu = candidate.gpu().expect("on the GPU");
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
                // A capture in another thread must not see this.
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
                            assert!(selector.candidates().iter().all(|c| c.gpu().expect("on the GPU").has_graph()));
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
