//! Bundles with plans, on whatever TensorRT there is: which library that is, whether their answers are the CPU's, what a candidate costs with
//! everything around its network, and what inputs allocate. `tests/gpu/run` starts these, with the bundle in `TRT_SELECT_GPU_BUNDLE`.

use std::time::Instant;

use trt_select::bundle::Bundle;
use trt_select::cuda::Format;
use trt_select::engines::registry::EngineKind;
use trt_select::engines::tensorrt::{Edition, Library};
use trt_select::premodel::CandidateId;
use trt_select::samples::{Buffer, Samples};
use trt_select::{CandidateSet, Frame, GpuConfig, Input, OpenConfig, Selector};
use trt_select_base::random::Rng;

use super::given::{folder, free_bytes, number, times};
use super::heap::Heap;

const BUNDLE: &str = "TRT_SELECT_GPU_BUNDLE";
/// Most runs of a candidate before its times count.
const WARM: usize = 200;

/// Not a test: prints which TensorRT is found and what it can do, for the script to decide by. None is no failure where none was named.
#[test]
#[ignore = "needs TensorRT: tests/gpu/run starts it"]
fn the_library_that_is_found() {
    let library = match Library::open() {
        Ok(library) => library,
        Err(error) => {
            assert!(std::env::var_os("TRT_SELECT_LIBNVINFER").is_none(), "{error}");
            return println!("library: none: {error}");
        }
    };
    let yes = |is: bool| if is { "yes" } else { "no" };
    println!(
        "library: {} {} builds {} fp16 {} compatible {} {}",
        if library.edition() == Edition::Rtx { "rtx" } else { "tensorrt" },
        library.version(),
        yes(!library.is_runtime_only()),
        yes(library.line().has_fp16),
        yes(library.has_version_compatible()),
        library.path().display()
    );
}

/// The bundle's candidates on an engine. They need no premodel.
fn open_set(bundle: &Bundle, engine: EngineKind) -> CandidateSet {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    CandidateSet::open(bundle, &OpenConfig::new(engine).threads(threads)).expect("the candidates").0
}

/// The first samples of a bundle, at most so many.
fn load(bundle: &Bundle, most: usize) -> Vec<Buffer> {
    let samples = Samples::of_bundle(bundle).expect("samples");
    let load = |i| {
        let mut buffer = Buffer::new();
        samples.load(i, &mut buffer).expect("a sample");
        buffer
    };
    (0..samples.len().min(most)).map(load).collect()
}

/// Prints for each candidate how long a run takes by the host's clock, from the frame to its probabilities, without any event or timer on
/// the device. What the same plan takes with nothing around it, `bare.cpp` says.
#[test]
#[ignore = "a measurement on a bundle with plans: tests/gpu/run starts it"]
fn candidates_run_alone_with_nothing_timed_on_the_device() {
    let Some(dir) = folder(BUNDLE) else { return };
    let bundle = Bundle::read_untrained(&dir).expect("a bundle");
    let mut set = open_set(&bundle, EngineKind::Tensorrt);
    let buffers = load(&bundle, 200);
    let inputs: Vec<Input<'_>> = buffers.iter().map(|buffer| buffer.input().expect("an input")).collect();
    let runs = number("TRT_SELECT_TEST_INFERS", 10_000) / 5;
    let warm = WARM.min(runs);
    for (at, spec) in (0_u8..).zip(&bundle.candidates) {
        let mut took = Vec::with_capacity(runs);
        for n in 0..warm + runs {
            let start = Instant::now();
            set.run(CandidateId(at), &inputs[n % inputs.len()]).expect("a run");
            if n >= warm {
                took.push(start.elapsed().as_nanos() as u64);
            }
        }
        println!("alone {}: {} of {runs} runs", spec.name, times(took));
    }
}

/// Compares every candidate's most probable class with that of its model on the CPU. 1 % may differ, since TensorRT rounds in another order,
/// and on most GPUs multiplies with fewer digits.
#[cfg(feature = "tract")]
#[test]
#[ignore = "needs a bundle with plans and models: tests/gpu/run starts it"]
fn answers_are_those_of_the_cpu() {
    let Some(dir) = folder(BUNDLE) else { return };
    let bundle = Bundle::read_untrained(&dir).expect("a bundle");
    let (mut on_gpu, mut on_cpu) = (open_set(&bundle, EngineKind::Tensorrt), open_set(&bundle, EngineKind::Tract));
    let buffers = load(&bundle, number("TRT_SELECT_GPU_ANSWERS", 300));
    let mut wrong = Vec::new();
    for (at, spec) in (0_u8..).zip(&bundle.candidates) {
        let candidate = CandidateId(at);
        let (mut agreed, mut apart) = (0, 0.0_f32);
        for buffer in &buffers {
            let [ours, theirs] = [&mut on_gpu, &mut on_cpu].map(|set| {
                let class = set.run(candidate, &buffer.input().expect("an input")).expect("a run").summary.class;
                (class, set.probabilities(candidate).to_vec())
            });
            agreed += usize::from(ours.0 == theirs.0);
            assert_eq!(ours.1.len(), theirs.1.len(), "{}: classes", spec.name);
            apart = ours.1.iter().zip(&theirs.1).fold(apart, |apart, (a, b)| apart.max((a - b).abs()));
        }
        let share = agreed as f64 / buffers.len() as f64;
        println!(
            "answers {}: {agreed} of {} the class of {}, probabilities at most {apart:.6} apart",
            spec.name,
            buffers.len(),
            on_cpu.as_slice()[usize::from(at)].description().version
        );
        if share < 0.99 {
            wrong.push(format!("{} ({:.1} %)", spec.name, share * 100.0));
        }
    }
    assert!(
        wrong.is_empty(),
        "candidates with the CPU's class on fewer than 99 % of the samples: {}",
        wrong.join(", ")
    );
}

/// Runs frames of 1280x720 through a bundle with a premodel, and prints their times by the host's clock and how many times memory was
/// allocated on the heap. It fails where device memory was.
#[test]
#[ignore = "needs a bundle with plans: tests/gpu/run starts it"]
fn a_bundles_inputs_allocate_nothing() {
    let Some(dir) = folder(BUNDLE) else { return };
    let bundle = Bundle::read(&dir).expect("a bundle");
    let config = OpenConfig::new(EngineKind::Tensorrt).gpu(GpuConfig::default());
    let mut selector = Selector::open(&bundle, &config).expect("a selector on the GPU").0;
    let (width, height) = (1280_u32, 720_u32);
    let mut random = Rng::new(11);
    let pixels: Vec<u8> = (0..3 * width * height).map(|_| random.below(256) as u8).collect();
    let frame = Frame::packed(Format::Rgb8, width, height, 3 * width as usize, &pixels).expect("a frame");
    selector.warm_up(frame.into()).expect("warm");
    let infers = number("TRT_SELECT_TEST_INFERS", 10_000) / 5;
    let mut totals = Vec::with_capacity(infers);
    let (before, heap) = (free_bytes(), Heap::of_thread());
    for _ in 0..infers {
        totals.push(selector.infer(frame).expect("answered").times.total_ns);
    }
    let (heap, device) = (heap.since(), before.saturating_sub(free_bytes()));
    println!("{infers} frames of {width}x{height} rgb8: {}, {}", times(totals), Heap::words(heap));
    assert_eq!(device, 0, "bytes of device memory that inputs have taken");
}
