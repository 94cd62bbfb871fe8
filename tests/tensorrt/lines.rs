//! The whole path on a double of every version of TensorRT that this build has a line for: RTX and 11 where their headers were brought, and
//! 8.2, 8.6 and 10 where `tests/doubles/lines` runs the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use trt_select::GpuConfig;
use trt_select::engines::tensorrt::BuildOptions;

use super::doubles::Doubles;
use super::line::Line;
use super::{assert_same, config, double, lanes, on_cpu, open, open_with, pictures, toy};

const LINE: &str = "TRT_SELECT_TEST_LINE";

/// Runs a test's body in a child process for each version that is wanted, with the driver's double and that version's. `name` must be the
/// test's own name.
pub(crate) fn with_lines(
    name: &str,
    wanted: impl Fn(&Line) -> bool,
    variables: &[(&str, &str)],
    body: impl Fn(&Doubles, &Line),
) {
    with_libraries(name, wanted, false, variables, body);
}

/// The same for every version.
pub(crate) fn on_every_line(name: &str, body: impl Fn(&Doubles, &Line)) {
    with_lines(name, |_| true, &[], body);
}

/// The same with each version's lean library, if `lean`.
pub(crate) fn with_libraries(
    name: &str,
    wanted: impl Fn(&Line) -> bool,
    lean: bool,
    variables: &[(&str, &str)],
    body: impl Fn(&Doubles, &Line),
) {
    let all: Vec<Line> = Line::all().into_iter().filter(wanted).collect();
    if double::is_child(name) {
        let this = std::env::var(LINE).expect("the parent names it");
        let line = all.iter().find(|line| line.name() == this).expect("one of them");
        return body(&Doubles::open_with(|toy| toy.plan_as(line.form()).bytes()), line);
    }
    let Some(cuda) = double::build(double::FULL) else { return };
    if all.is_empty() {
        println!("skipped: this build has no line of TensorRT that this test is for: run tests/doubles/lines");
    }
    for line in all {
        let (cuda, nv, this) = (cuda.to_str().expect("a path"), line.build(lean), line.name());
        println!("{name}: {this}");
        let mut variables = variables.to_vec();
        variables.extend([
            ("TRT_SELECT_LIBCUDA", cuda),
            ("TRT_SELECT_LIBNVINFER", nv.to_str().expect("a path")),
            (LINE, &this),
        ]);
        double::run_child(name, &variables);
    }
}

#[test]
fn every_version_answers_as_on_the_cpu() {
    on_every_line("lines::every_version_answers_as_on_the_cpu", |doubles, line| {
        let pictures = pictures(48);
        let mut cpu = on_cpu(doubles);
        let mut selector = open(doubles).expect("open");
        let (enqueue, bind) =
            if line.number() < (8, 5) && !line.is_rtx() { ("enqueueV2", 0) } else { ("enqueueV3", 6) };
        assert_eq!(doubles.nv.calls("setTensorAddress"), bind, "two tensors a candidate, each bound once");
        for gpu in lanes(&selector) {
            assert!(gpu.has_graph(), "{:?}", gpu.graph_refused());
        }
        let captured = doubles.nv.calls(enqueue);
        assert!(captured >= 6, "each is run once and captured once");
        for picture in &pictures {
            let expected = cpu.infer(picture.frame()).expect("answered");
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, &format!("{picture:?}"));
        }
        assert_eq!(doubles.nv.calls(enqueue), captured, "graphs are replayed");
        let largest = toy::toys().iter().map(|t| t.activation_bytes).max().expect("three");
        let blocks = doubles.nv.activation_blocks();
        assert!(blocks.len() == 3 && blocks.iter().all(|block| block.0 == blocks[0].0), "{blocks:?}");
        assert_eq!(doubles.cuda.live_blocks_of(largest), 1, "one block for all");
        drop(selector);
        doubles.assert_all_freed();

        let limit = toy::toys().iter().map(|t| 4 * (t.weights.len() + t.bias.len()) as u64).max();
        let gpu = GpuConfig::default().max_resident_bytes(limit).keep_plans(true).graphs(false);
        let mut selector = open_with(doubles, &config().gpu(gpu)).expect("open");
        for picture in pictures.iter().take(24) {
            let expected = cpu.infer(picture.frame()).expect("answered");
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "evicted and back");
        }
        assert!(doubles.nv.calls(enqueue) > captured + 24);
        drop(selector);
        doubles.assert_all_freed();
    });
}

/// Plans that need plugins: those beside the library are registered by themselves, others where the user names them.
#[test]
fn plugins_are_registered_before_plans_are_read() {
    let name = "lines::plugins_are_registered_before_plans_are_read";
    let enterprise = |line: &Line| !line.is_rtx();
    let write = |doubles: &Doubles, line: &Line| {
        let mut plan = toy::toys()[0].plan_as(line.form());
        plan.wants_plugins = true;
        std::fs::write(toy::plan_path(&doubles.bundle, "small"), plan.bytes()).expect("written");
    };
    with_lines(name, enterprise, &[], |doubles, line| {
        write(doubles, line);
        let picture = &pictures(1)[0];
        let expected = on_cpu(doubles).infer(picture.frame()).expect("answered");
        for _ in 0..2 {
            let mut selector = open(doubles).expect("the plugins beside the library are registered");
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "with a plugin");
        }
        assert_eq!(doubles.nv.calls("initLibNvInferPlugins"), 1, "once in a process");
        doubles.assert_all_freed();
    });
}

#[test]
fn plugins_elsewhere_are_named() {
    use super::builds::moved;
    for line in Line::all().iter().filter(|line| !line.is_rtx()) {
        let Some(cuda) = double::build(double::FULL) else { return };
        // The library alone, with its plugins in another folder.
        let folder = tempfile::tempdir().expect("a folder");
        let (nv, plugins) = moved(&line.build(false), folder.path());
        for (named, words) in [
            (None, vec!["InstanceNormalization_TRT", "TRT_SELECT_PLUGINS"]),
            (Some(PathBuf::from("/nowhere/plugins.so")), vec!["TRT_SELECT_PLUGINS=/nowhere/plugins.so", "unset"]),
            (Some(plugins), vec![]),
        ] {
            let bundle = tempfile::tempdir().expect("a folder");
            toy::write_bundle(bundle.path(), |toy| {
                let mut plan = toy.plan_as(line.form());
                plan.wants_plugins = toy.name == "small";
                plan.bytes()
            });
            let [answer, _] = open_and_build(bundle.path(), |child| {
                child.env("TRT_SELECT_LIBCUDA", &cuda).env("TRT_SELECT_LIBNVINFER", &nv);
                child.envs(named.iter().map(|named| ("TRT_SELECT_PLUGINS", named)));
            });
            if words.is_empty() {
                assert_eq!(answer, "ok", "{}", line.name());
            }
            words.iter().for_each(|word| assert!(answer.contains(word), "{}: no {word} in {answer}", line.name()));
        }
    }
}

/// Opens a bundle and builds a plan of its model `small`, in a process of its own. Gives what came of either: `ok`, or the error.
fn open_and_build(bundle: &Path, variables: impl FnOnce(&mut Command)) -> [String; 2] {
    let mut child = double::anew();
    child.args(["lines::opens_and_builds", "--exact", "--nocapture", "--include-ignored"]);
    child.env("TRT_SELECT_TEST_BUNDLE", bundle);
    variables(&mut child);
    let output = child.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    ["opened: ", "built: "].map(|which| said.lines().find_map(|l| l.split_once(which)).expect("an answer").1.to_owned())
}

/// Not a test of its own: what `open_and_build` runs.
#[test]
#[ignore = "run by another test"]
fn opens_and_builds() {
    let Some(folder) = std::env::var_os("TRT_SELECT_TEST_BUNDLE") else { return };
    let bundle = trt_select::bundle::Bundle::read(Path::new(&folder)).expect("a bundle");
    let word = |error: Option<String>| error.unwrap_or("ok".to_owned());
    println!("opened: {}", word(trt_select::Selector::open(&bundle, &config()).err().map(|e| e.to_string())));
    let model = Path::new(&folder).join("small.onnx");
    println!("built: {}", word(super::builds::build(&model, &BuildOptions::default()).err().map(|e| e.to_string())));
}

/// TensorRT 8 ends the process with a fault of memory where it is asked for a runtime or a builder and there is no driver. So the driver is
/// asked first.
#[test]
fn without_a_driver_no_library_is_asked_for_anything() {
    on_every_line("lines::without_a_driver_no_library_is_asked_for_anything", |doubles, line| {
        // In this process the driver is there. In its child it is not.
        let nv = std::env::var_os("TRT_SELECT_LIBNVINFER").expect("the double's path");
        let said = open_and_build(&doubles.bundle, |child| {
            child.env("TRT_SELECT_LIBNVINFER", &nv).env("TRT_SELECT_LIBCUDA", "/nowhere/libcuda.so.1");
        });
        assert!(said.iter().all(|said| said.contains("NVIDIA driver")), "{}: {said:?}", line.name());
    });
}

/// RTX makes its kernels for the shapes at hand in the background, unless it is told otherwise, and a graph would keep the slow ones.
#[test]
fn a_foreign_plan_of_open_batch_is_not_captured_with_slow_kernels() {
    let name = "lines::a_foreign_plan_of_open_batch_is_not_captured_with_slow_kernels";
    on_every_line(name, |doubles, line| {
        let mut plan = toy::toys()[0].plan_as(line.form());
        (plan.input.shape[0], plan.output.shape[0]) = (-1, -1);
        std::fs::write(toy::plan_path(&doubles.bundle, "small"), plan.bytes()).expect("written");
        let picture = &pictures(1)[0];
        let expected = on_cpu(doubles).infer(picture.frame()).expect("answered");
        let mut selector = open(doubles).expect("open");
        assert!(lanes(&selector)[0].has_graph());
        assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "open batch");
        drop(selector);
        doubles.assert_all_freed();
    });
}

/// An output that nobody chose may be of any type: it gets memory, and nothing else is asked of it.
#[test]
fn only_the_chosen_tensors_have_to_be_floats() {
    on_every_line("lines::only_the_chosen_tensors_have_to_be_floats", |doubles, line| {
        let mut plan = toy::toys()[0].plan_as(line.form());
        plan.has_integers = true;
        std::fs::write(toy::plan_path(&doubles.bundle, "small"), plan.bytes()).expect("written");
        let error = open(doubles).expect_err("two outputs, and none is named").to_string();
        assert!(error.contains("integers") && error.contains("logits"), "{error}");
        let file = doubles.bundle.join("bundle.toml");
        let text = std::fs::read_to_string(&file).expect("a bundle");
        let name = |output: &str| {
            std::fs::write(&file, text.replacen("input = \"input\"", &format!("output = \"{output}\""), 1))
                .expect("written");
        };
        name("integers");
        let error = open(doubles).expect_err("integers are no scores");
        assert!(error.to_string().contains("'integers': expected fp32 or fp16, got TensorRT's type 3"), "{error}");
        name("logits");
        let picture = &pictures(1)[0];
        let expected = on_cpu(doubles).infer(picture.frame()).expect("answered");
        let mut selector = open(doubles).expect("open");
        assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "beside integers");
        drop(selector);
        doubles.assert_all_freed();
    });
}
