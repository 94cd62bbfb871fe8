//! Version-compatible plans of 8.6 in TensorRT 10, and in the lean runtime.

use std::time::Duration;

use trt_select::ErrorKind;
use trt_select::engines::Precision;
use trt_select::engines::tensorrt::sidecar::{self, Built, Sidecar};
use trt_select::engines::tensorrt::{Edition, Version, plan};

use super::doubles::Doubles;
use super::line::Line;
use super::lines::{with_libraries, with_lines};
use super::toy_plan::{Form, ToyPlan};
use super::{assert_same, on_cpu, open, pictures, toy};

/// The line of 8.6 (or 8.5 built against headers of 8.6), which the plans are of.
fn eight() -> Option<Line> {
    Line::all().into_iter().find(|line| !line.is_rtx() && ((8, 6)..(9, 0)).contains(&line.number()))
}

fn is_ten(line: &Line) -> bool {
    !line.is_rtx() && ((10, 0)..(11, 0)).contains(&line.number()) && eight().is_some()
}

/// Writes the bundle's plans anew, as `change` makes them, each with a sidecar that says whether it is version-compatible.
fn write_plans(doubles: &Doubles, form: Form, change: impl Fn(&mut ToyPlan)) {
    for toy in toy::toys() {
        let mut toy_plan = toy.plan_as(form);
        change(&mut toy_plan);
        let (onnx, path) =
            (doubles.bundle.join(format!("{}.onnx", toy.name)), toy::plan_path(&doubles.bundle, toy.name));
        let [major, minor, patch, build] = form.version.map(u32::from);
        let built = Built {
            edition: Edition::Enterprise,
            version: Version { major, minor, patch, build },
            compute_capabilities: Vec::new(),
            precision: if toy.half { Precision::Fp16 } else { Precision::Fp32 },
            version_compatible: toy_plan.compatible,
            onnx: &onnx,
            onnx_sha256: plan::sha256_of_file(&onnx).expect("a model"),
            built_at: "2026-11-28T00:00:00Z".to_owned(),
            took: Duration::from_secs(1),
        };
        let bytes = toy_plan.bytes();
        sidecar::write(&path, &bytes, &Sidecar::new(&bytes, &built).expect("a sidecar")).expect("written");
    }
}

fn answers(doubles: &Doubles) {
    let picture = &pictures(1)[0];
    let expected = on_cpu(doubles).infer(picture.frame()).expect("answered");
    let mut selector = open(doubles).expect("open");
    assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "version-compatible");
    drop(selector);
    doubles.assert_all_freed();
}

/// The plan brings the code that runs it, which is allowed for no longer than it is read.
#[test]
fn ten_runs_plans_of_eight_that_bring_their_runtime() {
    with_lines("compatible::ten_runs_plans_of_eight_that_bring_their_runtime", is_ten, &[], |doubles, _| {
        let eight = eight().expect("the parent has looked").form();
        write_plans(doubles, eight, |plan| (plan.compatible, plan.has_lean) = (true, true));
        answers(doubles);
        assert_eq!(doubles.nv.calls("setEngineHostCodeAllowed"), 6, "on and off for each plan");
        assert_eq!(doubles.nv.calls("loadRuntime"), 0);
        // A plan whose sidecar does not say so is refused before TensorRT sees it.
        write_plans(doubles, eight, |plan| plan.has_lean = true);
        assert_eq!(open(doubles).expect_err("of another version").kind(), ErrorKind::PlanMismatch);
    });
}

#[test]
fn ten_runs_plans_of_eight_with_the_lean_library_that_is_named() {
    let Some(lean) = eight().map(|line| line.build(true)) else {
        println!("skipped: this build has no line of TensorRT 8.6: run tests/doubles/lines");
        return;
    };
    let named = [("TRT_SELECT_LIBNVINFER_LEAN", lean.to_str().expect("a path"))];
    let name = "compatible::ten_runs_plans_of_eight_with_the_lean_library_that_is_named";
    with_lines(name, is_ten, &named, |doubles, _| {
        for has_lean in [false, true] {
            doubles.nv.reset();
            let eight = eight().expect("as above").form();
            write_plans(doubles, eight, |plan| (plan.compatible, plan.has_lean) = (true, has_lean));
            answers(doubles);
            assert_eq!(doubles.nv.calls("loadRuntime"), 1, "one for all plans");
        }
        doubles.nv.fail("loadRuntime", 1);
        let error = open(doubles).expect_err("told to fail").to_string();
        assert!(error.contains("libnvinfer_lean.so.8") && error.contains("lean runtime"), "{error}");
    });
}

/// NVIDIA's header promises a lean runtime for the plans of its own version alone. So plans of another one run by the code they bring.
#[test]
fn a_lean_library_of_another_version_is_left_alone() {
    let Some(ten) = Line::all().into_iter().find(is_ten) else {
        println!("skipped: this build has no line of TensorRT 10 beside one of 8.6: run tests/doubles/lines");
        return;
    };
    let lean = ten.build(true);
    let named = [("TRT_SELECT_LIBNVINFER_LEAN", lean.to_str().expect("a path"))];
    with_lines("compatible::a_lean_library_of_another_version_is_left_alone", is_ten, &named, |doubles, _| {
        let eight = eight().expect("the parent has looked").form();
        write_plans(doubles, eight, |plan| (plan.compatible, plan.has_lean) = (true, true));
        answers(doubles);
        write_plans(doubles, eight, |plan| plan.compatible = true);
        let error = open(doubles).expect_err("no lean runtime of its version").to_string();
        assert!(error.contains("libnvinfer_lean.so.8 of TensorRT 8."), "{error}");
        assert_eq!(doubles.nv.calls("loadRuntime"), 0);
        // Out of memory is another matter than a missing runtime.
        write_plans(doubles, eight, |plan| (plan.compatible, plan.has_lean) = (true, true));
        doubles.cuda.fail("cuMemAlloc_v2", 1, 2);
        let error = open(doubles).expect_err("no memory").to_string();
        assert!(!error.contains("lean"), "{error}");
        doubles.assert_all_freed();
    });
}

#[test]
fn a_name_that_leads_to_no_lean_library_is_refused() {
    let named = [("TRT_SELECT_LIBNVINFER_LEAN", "/nowhere/libnvinfer_lean.so.8")];
    with_lines("compatible::a_name_that_leads_to_no_lean_library_is_refused", is_ten, &named, |doubles, _| {
        let eight = eight().expect("the parent has looked").form();
        write_plans(doubles, eight, |plan| (plan.compatible, plan.has_lean) = (true, true));
        let error = open(doubles).expect_err("named, and not there");
        assert_eq!(error.kind(), ErrorKind::LibraryMissing, "{error}");
        assert!(error.to_string().contains("correct or unset TRT_SELECT_LIBNVINFER_LEAN"), "{error}");
    });
}

#[test]
fn a_plan_without_its_runtime_says_what_is_missing() {
    with_lines("compatible::a_plan_without_its_runtime_says_what_is_missing", is_ten, &[], |doubles, _| {
        write_plans(doubles, eight().expect("the parent has looked").form(), |plan| plan.compatible = true);
        let error = open(doubles).expect_err("no lean runtime").to_string();
        assert!(error.contains("libnvinfer_lean.so.8") && error.contains("TRT_SELECT_LIBNVINFER_LEAN"), "{error}");
        assert!(!error.contains('\n'), "{error}");
        doubles.assert_all_freed();
    });
}

/// A plan that brings code is refused by its own version too, unless that code is allowed.
#[test]
fn the_version_that_built_a_plan_runs_it() {
    let has_them = |line: &Line| !line.is_rtx() && line.number() >= (8, 6);
    with_lines("compatible::the_version_that_built_a_plan_runs_it", has_them, &[], |doubles, line| {
        write_plans(doubles, line.form(), |plan| (plan.compatible, plan.has_lean) = (true, true));
        answers(doubles);
    });
}

#[test]
fn a_lean_library_runs_version_compatible_plans_and_no_others() {
    let name = "compatible::a_lean_library_runs_version_compatible_plans_and_no_others";
    let has_them = |line: &Line| !line.is_rtx() && line.number() >= (8, 6);
    with_libraries(name, has_them, true, &[], |doubles, line| {
        for has_lean in [false, true] {
            write_plans(doubles, line.form(), |plan| (plan.compatible, plan.has_lean) = (true, has_lean));
            answers(doubles);
        }
        write_plans(doubles, line.form(), |_| ());
        let error = open(doubles).expect_err("a plan of one version");
        assert_eq!(error.kind(), ErrorKind::PlanMismatch, "{error}");
        assert!(error.to_string().contains("--version-compatible"), "{error}");
    });
}
