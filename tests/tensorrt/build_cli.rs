//! `trt-select build` on the double of the builder, on every version that this build has a line for.

use std::fs;

use trt_select::engines::tensorrt::sidecar::Sidecar;

use super::cli::{refused, text, trt_select};
use super::doubles::Doubles;
use super::line::Line;
use super::lines::{on_every_line, with_lines};
use super::{assert_same, json_keys, on_cpu, open, pictures, toy};

/// Lets the double of the builder build the bundle's networks, whose plans are not there yet.
pub(crate) fn unbuilt(doubles: &Doubles, line: &Line) {
    for toy in toy::toys() {
        let (plan, model) = (toy::plan_path(&doubles.bundle, toy.name), format!("{}.onnx.toyplan", toy.name));
        fs::write(doubles.bundle.join(model), toy.plan_as(line.form()).bytes()).expect("written");
        fs::remove_file(plan).expect("removed");
    }
    // RTX and 11 take half precision from the model's weights, which those of this model are not.
    if line.is_rtx() || line.number() >= (11, 0) {
        let file = doubles.bundle.join("bundle.toml");
        let bundle = fs::read_to_string(&file).expect("a bundle");
        fs::write(&file, bundle.replace("precision = \"fp16\"\n", "")).expect("written");
    }
}

#[test]
fn a_bundle_is_built_and_runs() {
    on_every_line("build_cli::a_bundle_is_built_and_runs", |doubles, line| {
        unbuilt(doubles, line);
        let built = trt_select(doubles, &["build", "BUNDLE", "--json", "--device", "0"]);
        let (out, err) = text(&built);
        assert!(built.status.success(), "{err}");
        let json = json_keys::parse(&out);
        for plan in json["plans"].as_array().expect("a list") {
            assert_eq!((&plan["state"], &plan["version_compatible"]), (&"built".into(), &false.into()), "{plan}");
        }
        let caches = || {
            let names = fs::read_dir(&doubles.bundle).expect("a folder").map(|e| e.expect("an entry").file_name());
            names.filter(|n| n.to_string_lossy().starts_with("timings-")).collect::<Vec<_>>()
        };
        assert_eq!(caches().len(), usize::from(!line.is_rtx()), "{:?}", caches());
        let picture = &pictures(1)[0];
        let expected = on_cpu(doubles).infer(picture.frame()).expect("answered");
        let mut selector = open(doubles).expect("open");
        assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "built here");
        drop(selector);
        let again = text(&trt_select(doubles, &["build", "BUNDLE"])).0;
        assert_eq!(again.matches("up to date").count(), 3, "{again}");

        // With the timings of the first build, another build gives the same plan.
        let small = toy::plan_path(&doubles.bundle, "small");
        let first = fs::read(&small).expect("a plan");
        let forced = |more: &[&str]| {
            let args = [&["build", "BUNDLE", "--only", "small", "--force"], more].concat();
            let built = trt_select(doubles, &args);
            assert!(built.status.success(), "{}", text(&built).1);
            fs::read(&small).expect("a plan")
        };
        if !line.is_rtx() {
            assert_eq!(forced(&[]), first);
        }
        assert_ne!(forced(&["--no-timing-cache"]), first);
        let named = doubles.bundle.join("named.cache");
        let file = ["--timing-cache-file", named.to_str().expect("a path")];
        assert_eq!(forced(&file), forced(&file));
        // Where the default file cannot be written, the plan is built without it.
        for cache in caches() {
            let place = doubles.bundle.join(cache);
            fs::remove_file(&place).expect("removed");
            fs::create_dir(&place).expect("made");
            let built = trt_select(doubles, &["build", "BUNDLE", "--only", "small", "--force"]);
            assert!(built.status.success() && text(&built).1.contains("Timings of this build are not kept"));
        }
    });
}

#[test]
fn version_compatible_plans_say_so_in_their_sidecar() {
    let name = "build_cli::version_compatible_plans_say_so_in_their_sidecar";
    let has_them = |line: &Line| !line.is_rtx() && line.number() >= (8, 6);
    with_lines(name, has_them, &[], |doubles, line| {
        unbuilt(doubles, line);
        let small = ["build", "BUNDLE", "--only", "small"];
        let compatible = [&small[..], &["--version-compatible", "--exclude-lean-runtime"]].concat();
        let sidecar = || {
            let read = Sidecar::read(&toy::plan_path(&doubles.bundle, "small")).expect("readable");
            read.expect("there").version_compatible
        };
        assert!(text(&trt_select(doubles, &compatible)).0.contains("built"));
        assert!(sidecar());
        assert!(text(&trt_select(doubles, &compatible)).0.contains("up to date"));
        assert!(text(&trt_select(doubles, &small)).0.contains("built"), "one of this version alone was asked for");
        assert!(!sidecar());
    });
}

#[test]
fn what_cannot_be_built_is_told_in_a_line() {
    on_every_line("build_cli::what_cannot_be_built_is_told_in_a_line", |doubles, line| {
        unbuilt(doubles, line);
        let fails = |args: &[&str], code: i32, words: &[&str]| {
            refused(doubles, args, code, words);
        };
        fails(&["build", "BUNDLE", "--device", "7"], 1, &["GPU 7", "nvidia-smi"]);
        fails(&["build", "BUNDLE", "--tactic-sources", "CUDNN"], 2, &["--tactic-sources", "CUBLAS_LT"]);
        fails(&["build", "BUNDLE", "--exclude-lean-runtime"], 2, &["--version-compatible"]);
        fails(&["build", "BUNDLE", "--timing-cache-file", "x", "--no-timing-cache"], 2, &["--no-timing-cache"]);
        let nowhere = ["build", "BUNDLE", "--timing-cache-file", "/nowhere/x"];
        fails(&nowhere, 1, &["/nowhere/x: timings of builds: expected a place"]);
        if line.is_rtx() || line.number() < (8, 6) {
            fails(&["build", "BUNDLE", "--version-compatible"], 1, &["version-compatible", "8.6"]);
        }
    });
}
