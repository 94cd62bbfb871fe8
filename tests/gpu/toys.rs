//! The whole way of an input, features, selector, lanes, graphs and eviction, on a GPU whose TensorRT is the double: its networks are toys,
//! and run as kernels on that GPU (`tests/doubles/build-libnvinfer --device`). `tests/gpu/run` starts these, with the library in
//! `TRT_SELECT_LIBNVINFER`.

use std::path::Path;
use std::time::{Duration, Instant};

use trt_select::backend::gpu::GpuCandidate;
use trt_select::bundle::Bundle;
use trt_select::cuda::driver::Context;
use trt_select::engines::registry::EngineKind;
use trt_select::engines::tensorrt::{Edition, Library};
use trt_select::{GpuConfig, OpenConfig, Outcome, Selector};
use trt_select_base::random::Rng;

use super::frames::Picture;
use super::given::{folder, free_bytes, is_sanitized, number, times};
use super::heap::Heap;
use super::toy::{self, Toy, toys};
use super::toy_plan::{Form, ToyPlan, ToyTensor};

const NO_LIBRARY: &str = "the double of TensorRT's library, in TRT_SELECT_LIBNVINFER";

/// The double of TensorRT, whose hooks stand beside the library's calls.
struct Double(libloading::Library);

impl Double {
    fn open() -> Double {
        let path = std::env::var_os("TRT_SELECT_LIBNVINFER").expect(NO_LIBRARY);
        // SAFETY: the double's initialisers only read the environment.
        Double(unsafe { libloading::Library::new(path) }.expect(NO_LIBRARY))
    }

    /// Major, minor, patch and build: the version whose plans it takes.
    fn version(&self) -> [u8; 4] {
        // SAFETY: the hook's signature.
        let hook = unsafe { self.0.get::<unsafe extern "C" fn() -> u32>(b"trtsel_nvdouble_version\0") };
        // SAFETY: the hook only gives a constant.
        unsafe { hook.expect(NO_LIBRARY)() }.to_be_bytes()
    }

    /// How many times it was used as TensorRT must not be.
    fn misuse(&self) -> u64 {
        // SAFETY: the hook's signature.
        let hook = unsafe { self.0.get::<unsafe extern "C" fn() -> u64>(b"trtsel_nvdouble_misuse\0") };
        // SAFETY: the hook only reads a counter.
        unsafe { hook.expect(NO_LIBRARY)() }
    }
}

/// The form of plans that the double takes.
fn form() -> Form {
    let version = Double::open().version();
    let is_rtx = Library::open().expect(NO_LIBRARY).edition() == Edition::Rtx;
    // The double does not look at an RTX plan's GPUs, but the product does: 0 is every GPU.
    if is_rtx { Form { version, gpus: 0, ..Form::RTX } } else { Form::enterprise(version) }
}

/// The toy network's plan. The first network's batch is open, so that shapes are set too.
fn plan(toy: &Toy, form: Form) -> Vec<u8> {
    let mut plan = toy.plan_as(form);
    if toy.name == "small" {
        (plan.input.shape[0], plan.output.shape[0]) = (-1, -1);
    }
    plan.bytes()
}

fn write_bundle(dir: &Path) {
    let form = form();
    toy::write_bundle(dir, |toy| plan(toy, form));
}

fn pictures() -> Vec<Picture> {
    let mut random = Rng::new(42);
    let count = if is_sanitized() { 24 } else { 120 };
    (0..count).map(|n| Picture::random(&mut random, n % 12)).collect()
}

fn open(dir: &Path, gpu: GpuConfig) -> Selector {
    let bundle = Bundle::read(dir).expect("a bundle");
    Selector::open(&bundle, &OpenConfig::new(EngineKind::Tensorrt).gpu(gpu)).expect("a selector on the GPU").0
}

/// Compares outcomes with the CPU's: by graphs, without them, and with candidates that are evicted and come back. Prints the times, and how
/// many times memory was allocated on the heap: never, where that is counted and nobody is evicted.
#[test]
#[ignore = "needs the double of TensorRT: tests/gpu/run starts it"]
fn toy_networks_are_selected_as_on_the_cpu() {
    let folder = tempfile::tempdir().expect("a folder");
    write_bundle(folder.path());
    let pictures = pictures();
    let mut cpu = toy::on_cpu(folder.path());
    let expected: Vec<Outcome> = pictures.iter().map(|p| cpu.infer(p.frame()).expect("answered")).collect();
    let ends: std::collections::HashSet<usize> = expected.iter().map(|outcome| outcome.node).collect();
    assert!(is_sanitized() || ends.len() >= 5, "the program's ends that were met: {ends:?}");
    let largest = toys().iter().map(|t| 4 * (t.weights.len() + t.bias.len()) as u64).max();
    let all = number("TRT_SELECT_TEST_INFERS", 10_000);
    let plain = GpuConfig::default();
    let ways = [
        ("graphs", plain, all, true),
        ("no graphs", plain.graphs(false), all / 5, false),
        ("evicted, plans kept", plain.max_resident_bytes(largest).keep_plans(true), all / 20, true),
        ("evicted", plain.max_resident_bytes(largest), all / 20, true),
    ];
    // What was allocated is judged once all ways have run, so that one that allocates does not hide the others.
    let mut allocated = Vec::new();
    for (name, gpu, infers, graphs) in ways {
        let mut selector = open(folder.path(), gpu);
        let lanes = selector.set().gpu().expect("on the GPU").candidates();
        let refused = lanes.iter().find_map(GpuCandidate::graph_refused).map(ToString::to_string);
        assert!(name.starts_with("evicted") || lanes.iter().all(|lane| lane.has_graph() == graphs), "{refused:?}");
        pictures.iter().for_each(|p| selector.warm_up(p.frame().into()).expect("warm"));
        let mut totals = Vec::with_capacity(infers);
        let (before, heap) = (free_bytes(), Heap::of_thread());
        for i in 0..infers {
            let at = i % pictures.len();
            let outcome = selector.infer(pictures[at].frame()).expect("answered");
            toy::assert_same(&outcome, &expected[at], name);
            totals.push(outcome.times.total_ns);
        }
        let (heap, device) = (heap.since(), before.saturating_sub(free_bytes()));
        println!("{name}: {infers} outcomes as on the CPU, {}, {}", times(totals), Heap::words(heap));
        // Whoever was evicted takes memory when it comes back. A sanitizer takes memory of its own.
        let judged = !name.starts_with("evicted") && !is_sanitized();
        if judged && (device, heap.unwrap_or(0)) != (0, 0) {
            allocated.push(format!("{name}: {device} bytes of device memory, {}", Heap::words(heap)));
        }
    }
    assert!(allocated.is_empty(), "inputs allocate after warm-up: {}", allocated.join("; "));
    assert_eq!(Double::open().misuse(), 0, "the double of TensorRT was misused");
}

/// Opens and closes selectors, and looks that device memory does not become less.
#[test]
#[ignore = "needs the double of TensorRT: tests/gpu/run starts it"]
fn toy_selectors_open_and_close_without_a_leak() {
    let folder = tempfile::tempdir().expect("a folder");
    write_bundle(folder.path());
    let pictures = pictures();
    // The process keeps the primary context. It is taken before the first round, so that no round pays for it.
    let _context = Context::primary(0).expect("a GPU");
    let limit = Duration::from_secs(number("TRT_SELECT_GPU_SOAK_S", 20) as u64);
    let start = Instant::now();
    let (mut rounds, mut before) = (0_u32, 0);
    while rounds < 3 || start.elapsed() < limit {
        let mut selector = open(folder.path(), GpuConfig::default());
        for picture in &pictures[..12] {
            selector.infer(picture.frame()).expect("answered");
        }
        drop(selector);
        rounds += 1;
        // The driver keeps some of what the first rounds took.
        if rounds == 3 {
            before = free_bytes();
        }
    }
    let lost = before.saturating_sub(free_bytes());
    println!(
        "{rounds} selectors opened and closed in {:.1} s, device memory lost: {lost} bytes",
        start.elapsed().as_secs_f64()
    );
    assert!(lost < 16 << 20, "{lost} bytes of device memory were lost in {rounds} rounds");
    assert_eq!(Double::open().misuse(), 0, "the double of TensorRT was misused");
}

/// Writes images to measure on, of four kinds from flat to noise, and a list of them without labels.
fn write_images(dir: &Path) {
    let mut random = Rng::new(5);
    let mut list = String::from("image\n");
    for n in 0..200_u32 {
        let mut image = b"P6 160 120 255\n".to_vec();
        let mut pixel = |i: u32| match n % 4 {
            0 => (i * (n + 3) / 7) as u8,
            1 => random.below(256) as u8,
            2 => (n + 16 * (i / 3 % 160 / 20)) as u8,
            _ => (i / 480 * 2 + n) as u8,
        };
        image.extend((0..160 * 120 * 3).map(&mut pixel));
        std::fs::write(dir.join(format!("{n}.ppm")), image).expect("written");
        list += &format!("{n}.ppm\n");
    }
    std::fs::write(dir.join("samples.csv"), list).expect("written");
}

/// Not a test: writes images to the folder that `TRT_SELECT_GPU_IMAGES` names.
#[test]
#[ignore = "writes files for tests/gpu/run"]
fn write_images_to_measure_on() {
    let Some(dir) = folder("TRT_SELECT_GPU_IMAGES") else { return };
    write_images(&dir);
}

/// Not a test: writes the toy bundle, with images to measure on, to the folder that `TRT_SELECT_TOY_BUNDLE` names.
#[test]
#[ignore = "writes files for tests/gpu/run"]
fn write_the_toy_bundle() {
    let Some(dir) = folder("TRT_SELECT_TOY_BUNDLE") else { return };
    write_bundle(&dir);
    write_images(&dir);
}

/// Not a test: writes the toy networks as a bundle of models alone, without a premodel and with samples that are still to be written, to the
/// folder that `TRT_SELECT_TOY_BUNDLE` names. Beside each model stands the plan that the double of the builder gives for it, whose answers
/// are the model's.
#[test]
#[ignore = "writes files for tests/gpu/run"]
fn write_the_toys_to_build() {
    let Some(dir) = folder("TRT_SELECT_TOY_BUNDLE") else { return };
    write_bundle(&dir);
    for toy in toys() {
        let (plan, built) = (toy::plan_path(&dir, toy.name), dir.join(format!("{}.onnx.toyplan", toy.name)));
        std::fs::rename(plan, built).expect("moved");
    }
    std::fs::remove_file(dir.join("premodel.json")).expect("removed");
    let file = dir.join("bundle.toml");
    let text = std::fs::read_to_string(&file).expect("the bundle") + "\n[samples]\nlist = \"samples.csv\"\n";
    std::fs::write(file, text).expect("written");
}

/// Not a test: writes a toy plan beside each model of the bundle that `TRT_SELECT_TOY_MODELS` names, which the double of the builder then
/// takes for what it has built. So a bundle of real models can be built and run without a GPU, though its plans answer something else. Models
/// that have one beside them keep it.
#[test]
#[ignore = "writes files for tests/gpu/run"]
fn write_toy_plans_for_models() {
    let Some(dir) = folder("TRT_SELECT_TOY_MODELS") else { return };
    let form = form();
    let bundle = Bundle::read_untrained(&dir).expect("a bundle");
    for spec in &bundle.candidates {
        let onnx = spec.onnx.as_ref().expect("a model");
        let beside = dir.join(format!("{}.toyplan", onnx.display()));
        if beside.exists() {
            continue;
        }
        let image = spec.image.as_ref().expect("a network for images");
        let shape = [1, image.channels as i64, i64::from(image.height), i64::from(image.width)];
        let input = ToyTensor::single("input", &shape);
        let plan = ToyPlan::new(form, input, ToyTensor::single("logits", &[1, 10]), 65_536);
        std::fs::write(beside, plan.bytes()).expect("written");
    }
}
