//! `trt-select build --verify` on the double of the builder, which gives whatever plan a test puts beside a model.
#![cfg_attr(not(feature = "tract"), allow(dead_code, unused_imports, reason = "most tests need an engine on the CPU"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use trt_select::engines::tensorrt::sidecar::{Sidecar, Verified};

use super::build_cli::unbuilt;
use super::cli::{refused, text, trt_select, write_samples};
use super::doubles::Doubles;
use super::json_keys;
use super::line::Line;
use super::lines::on_every_line;
use super::toy::{self, CLASSES, Toy};

/// A folder's files with their content; folders have none.
type Files = Vec<(PathBuf, Vec<u8>)>;

fn files(dir: &Path) -> Files {
    let paths = fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    let is_cache = |path: &PathBuf| path.extension().is_some_and(|e| e == "cache");
    let mut files: Files =
        paths.filter(|path| !is_cache(path)).map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect();
    files.sort();
    files
}

/// The plan `small` that the builder's double gives from now on.
fn give(doubles: &Doubles, line: &Line, toy: &Toy) {
    fs::write(doubles.bundle.join("small.onnx.toyplan"), toy.plan_as(line.form()).bytes()).expect("written");
}

fn small() -> Toy {
    toy::toys().swap_remove(0)
}

/// The network `small` with all its weights negated, so that it finds most probable what is least probable.
fn wrong() -> Toy {
    let mut toy = small();
    toy.weights.iter_mut().chain(&mut toy.bias).for_each(|w| *w = -*w);
    toy
}

/// As [`refused`], and nothing in the bundle's folder changes.
#[track_caller]
fn untouched(doubles: &Doubles, args: &[&str], words: &[&str]) -> String {
    let before = files(&doubles.bundle);
    let out = refused(doubles, args, 1, words);
    assert!(files(&doubles.bundle) == before, "{args:?} changed a file");
    out
}

/// Expects success. Gives the plans of the JSON.
#[track_caller]
fn plans(doubles: &Doubles, args: &[&str]) -> Vec<Value> {
    let output = trt_select(doubles, &[args, &["--json"]].concat());
    let (out, err) = text(&output);
    assert!(output.status.success(), "{args:?}: {err}");
    json_keys::parse(&out)["plans"].as_array().expect("a list").clone()
}

#[track_caller]
fn record(plan: &Path) -> Option<Verified> {
    Sidecar::read(plan).expect("readable").expect("there").verified
}

/// `build BUNDLE --only small --verify --list …/samples.csv` with more arguments.
fn verify_small<'a>(list: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["build", "BUNDLE", "--only", "small", "--verify", "--list", list], more].concat()
}

fn list_of(doubles: &Doubles) -> String {
    write_samples(doubles);
    doubles.bundle.join("samples.csv").to_str().expect("a path").to_owned()
}

#[cfg(feature = "tract")]
#[test]
fn right_plans_pass_and_are_recorded() {
    let name = "verify_cli::right_plans_pass_and_are_recorded";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let list = list_of(doubles);
        for plan in plans(doubles, &["build", "BUNDLE", "--verify", "--list", &list]) {
            let path = PathBuf::from(plan["plan"].as_str().expect("a path"));
            let verified = record(&path).expect("a record");
            assert_eq!((&plan["state"], &plan["verified"]), (&"built".into(), &serde_json::json!(verified)), "{plan}");
            assert_eq!((verified.samples, verified.inputs.as_str(), verified.top1_agreement), (12, "samples.csv", 1.0));
            let known = ["tract ", "onnxruntime "].iter().any(|engine| verified.with.starts_with(engine));
            // The middle network of the three has tensors in half precision.
            let bound = if plan["name"] == "middle" { 5e-3 } else { 1e-5 };
            assert!(known && verified.largest_difference < bound, "{verified:?}");
        }
        let again = text(&trt_select(doubles, &["build", "BUNDLE"])).0;
        assert_eq!(again.matches("up to date").count(), 3, "{again}");
        assert_eq!(again.matches("; verified: 100 % the class of ").count(), 3, "{again}");
        // What is recorded is not done again, unless more inputs or others are asked for.
        let small = toy::plan_path(&doubles.bundle, "small");
        let samples = |more: &[&str]| {
            let states = plans(doubles, &verify_small(&list, more));
            assert_eq!(states[0]["state"], "up to date");
            record(&small).expect("a record").samples
        };
        assert_eq!(samples(&["--verify-samples", "5"]), 12);
        let other = doubles.bundle.join("other.csv");
        fs::copy(&list, &other).expect("copied");
        let other = ["build", "BUNDLE", "--only", "small", "--verify", "--verify-samples", "5", "--list"]
            .into_iter()
            .chain([other.to_str().expect("a path")])
            .collect::<Vec<_>>();
        plans(doubles, &other);
        assert_eq!(record(&small).map(|v| (v.samples, v.inputs)), Some((5, "other.csv".to_owned())));
        assert_eq!(samples(&["--verify-samples", "3"]), 3);
        assert_eq!(samples(&[]), 12);
    });
}

#[cfg(feature = "tract")]
#[test]
fn a_wrong_plan_is_refused_and_the_old_one_stays() {
    let name = "verify_cli::a_wrong_plan_is_refused_and_the_old_one_stays";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let list = list_of(doubles);
        let small = toy::plan_path(&doubles.bundle, "small");
        let force = verify_small(&list, &["--force", "--json"]);
        let words =
            ["small.plan", "small.onnx", "at least 99.5 % of 12 inputs (samples.csv)", "not put into its place"];
        // There is no plan yet, and none comes.
        give(doubles, line, &wrong());
        untouched(doubles, &force, &words);
        give(doubles, line, &small_that_fails());
        untouched(doubles, &force, &["small.plan", "not put into its place", "0.ppm", "the plan", "finite"]);
        give(doubles, line, &self::small());
        plans(doubles, &["build", "BUNDLE", "--only", "small"]);

        give(doubles, line, &wrong());
        let out = json_keys::parse(&untouched(doubles, &force, &words));
        let plan = &out["plans"][0];
        assert_eq!(plan["state"], "failed");
        assert!(plan["verified"]["top1_agreement"].as_f64() < Some(0.5), "{plan}");
        assert!(plan["verified"]["largest_difference"].as_f64() > Some(0.01), "{plan}");
        // With the others of the bundle, which are right, the wrong one alone fails.
        let all = trt_select(doubles, &["build", "BUNDLE", "--verify", "--force", "--list", &list]);
        let (out, err) = text(&all);
        assert_eq!((all.status.code(), out.matches("; verified: 100 %").count()), (Some(1), 2), "{out}{err}");
        assert!(err.contains("small: refused: ") && err.contains("3 plans, got 2 without small"), "{err}");

        // Who names a lower bound gets the plan, with the record of what it is.
        let taken = plans(doubles, &verify_small(&list, &["--force", "--verify-at-least", "0"]));
        assert_eq!(taken[0]["state"], "built");
        let verified = record(&small).expect("a record");
        assert!(verified.top1_agreement < 0.5 && verified.samples == 12, "{verified:?}");
        // It is not taken for a good one later.
        untouched(doubles, &verify_small(&list, &[]), &["small.plan", "in its place and wrong", "--force"]);
        assert_eq!(plans(doubles, &verify_small(&list, &["--verify-at-least", "0"]))[0]["state"], "up to date");
    });
}

/// The network `small` with a bias that is no number.
fn small_that_fails() -> Toy {
    let mut toy = small();
    toy.bias[3] = f32::NAN;
    toy
}

#[cfg(feature = "tract")]
#[test]
fn a_plan_that_is_up_to_date_is_verified_where_it_is() {
    let name = "verify_cli::a_plan_that_is_up_to_date_is_verified_where_it_is";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let list = list_of(doubles);
        let small = toy::plan_path(&doubles.bundle, "small");
        let unverified = |toy: &Toy| {
            give(doubles, line, toy);
            plans(doubles, &["build", "BUNDLE", "--only", "small", "--force"]);
            (fs::read(&small).expect("a plan"), Sidecar::read(&small).expect("readable").expect("there"))
        };
        let (plan, mut sidecar) = unverified(&self::small());
        assert_eq!(sidecar.verified, None);
        assert_eq!(plans(doubles, &verify_small(&list, &[]))[0]["state"], "up to date");
        sidecar.verified = record(&small);
        assert_eq!(sidecar.verified.as_ref().map(|v| v.top1_agreement), Some(1.0));
        assert!(fs::read(&small).expect("a plan") == plan, "it was not built again");
        assert_eq!(Sidecar::read(&small), Ok(Some(sidecar)), "the rest of the record stays");

        unverified(&wrong());
        untouched(doubles, &verify_small(&list, &[]), &["small.plan", "in its place and wrong", "--force"]);
        unverified(&small_that_fails());
        untouched(doubles, &verify_small(&list, &[]), &["small.plan", "it stays in its place", "0.ppm", "finite"]);
    });
}

/// A network whose most probable class is 0 where the first pixel is bright, and else 1; and one that says 1 of everything.
fn spots() -> (Toy, Toy) {
    let mut right = small();
    right.weights.fill(0.0);
    right.weights[0] = 1.0;
    right.bias = vec![-4.0; CLASSES];
    (right.bias[0], right.bias[1]) = (0.0, 0.0);
    let mut blind = right.clone();
    (blind.weights[0], blind.bias[0]) = (0.0, -1.0);
    (right, blind)
}

/// 200 images of which some have a bright first pixel, as an IDX file.
fn write_spots(doubles: &Doubles, bright: usize) {
    let mut idx = vec![0, 0, 8, 3];
    [200_u32, 12, 16].iter().for_each(|extent| idx.extend(extent.to_be_bytes()));
    let pixel =
        |image: usize, at: usize| if at == 0 && image.is_multiple_of(7) && image < 7 * bright { 255 } else { 0 };
    (0..200).for_each(|image| idx.extend((0..12 * 16).map(|at| pixel(image, at))));
    fs::write(doubles.bundle.join("spots.idx"), idx).expect("written");
}

/// The bundle's own samples, and the default bounds: 99.5 % for fp32, 99 % for fp16.
#[cfg(feature = "tract")]
#[test]
fn the_bound_is_that_of_the_precision() {
    let name = "verify_cli::the_bound_is_that_of_the_precision";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let (right, blind) = spots();
        give(doubles, line, &blind);
        let file = doubles.bundle.join("bundle.toml");
        let text = fs::read_to_string(&file).expect("a bundle").replace("precision = \"fp16\"\n", "");
        let text = text.replacen("\n\n", "\n\n[samples]\nimages = \"spots.idx\"\n\n", 1);
        let small = toy::plan_path(&doubles.bundle, "small");
        let force = ["build", "BUNDLE", "--only", "small", "--verify", "--force"];
        for (half, enough, too_many, bound) in
            [(false, 1, 2, "at least 99.5 % of 200"), (true, 2, 3, "at least 99 % of 200")]
        {
            let key = if half { "onnx = \"small.onnx\"\nprecision = \"fp16\"\n" } else { "onnx = \"small.onnx\"\n" };
            fs::write(&file, text.replace("onnx = \"small.onnx\"\n", key)).expect("written");
            fs::write(doubles.bundle.join("small.onnx"), right.onnx_of_weights(half)).expect("written");
            write_spots(doubles, enough);
            assert_eq!(plans(doubles, &force)[0]["state"], "built");
            let agreement = 1.0 - enough as f64 / 200.0;
            assert_eq!(record(&small).map(|v| (v.top1_agreement, v.inputs)), Some((agreement, "spots.idx".to_owned())));
            write_spots(doubles, too_many);
            untouched(doubles, &force, &["small.plan", bound, "(spots.idx)"]);
        }
    });
}

#[cfg(feature = "tract")]
#[test]
fn a_model_alone_answers_random_tensors_or_a_table() {
    let name = "verify_cli::a_model_alone_answers_random_tensors_or_a_table";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let (model, plan) = (doubles.bundle.join("small.onnx"), doubles.bundle.join("x.plan"));
        let build = ["build", model.to_str().expect("a path"), "-o", plan.to_str().expect("a path"), "--verify"];
        let with = |more: &[&'static str]| [&build[..], more].concat();
        give(doubles, line, &wrong());
        untouched(doubles, &build, &["x.plan", "of 500 inputs (random tensors)", "not put into its place"]);
        give(doubles, line, &small());
        plans(doubles, &with(&["--verify-samples", "40"]));
        let first = record(&plan).expect("a record");
        assert_eq!((first.samples, first.inputs.as_str(), first.top1_agreement), (40, "random tensors", 1.0));
        plans(doubles, &with(&["--verify-samples", "40"]));
        assert_eq!(record(&plan), Some(first), "the same tensors each time");

        let table = doubles.bundle.join("rows.csv");
        let inputs = small().inputs();
        let row = |f: &dyn Fn(usize) -> String| (0..inputs).map(f).collect::<Vec<_>>().join(",") + "\n";
        let rows: String = (0..3).map(|n| row(&|i| format!("{}", (i * (n + 2) % 17) as f32 / 8.0 - 1.0))).collect();
        fs::write(&table, row(&|i| format!("v{i}")) + &rows).expect("written");
        let table = table.to_str().expect("a path");
        plans(doubles, &[&build[..], &["--list", table]].concat());
        assert_eq!(record(&plan).map(|v| (v.samples, v.inputs)), Some((3, "rows.csv".to_owned())));
    });
}

/// Whoever is killed while a plan is verified leaves the old plan in its place, and beside it the draft at most.
#[cfg(feature = "tract")]
#[test]
fn a_kill_leaves_the_old_plan() {
    let name = "verify_cli::a_kill_leaves_the_old_plan";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let (model, plan) = (doubles.bundle.join("small.onnx"), doubles.bundle.join("x.plan"));
        let build = ["build", model.to_str().expect("a path"), "-o", plan.to_str().expect("a path")];
        plans(doubles, &build);
        let before = files(&doubles.bundle);
        let mut child = Command::new(env!("CARGO_BIN_EXE_trt-select"));
        child.args(build).args(["--verify", "--verify-samples", "4000000000"]).env_remove("LD_PRELOAD");
        let mut child = child.stderr(Stdio::null()).spawn().expect("it starts");
        let begun = Instant::now();
        let drafts = || -> Files {
            let is_new = |file: &(PathBuf, Vec<u8>)| !before.contains(file);
            files(&doubles.bundle).into_iter().filter(is_new).collect()
        };
        while drafts().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(120), "no draft comes");
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().and_then(|()| child.wait()).expect("killed");
        let drafts = drafts();
        let names: Vec<String> = drafts.iter().map(|(path, _)| path.display().to_string()).collect();
        assert!(names.len() == 1 && names[0].contains("/.x.plan.") && names[0].ends_with(".part"), "{names:?}");
        let mut now = files(&doubles.bundle);
        now.retain(|file| !drafts.contains(file));
        assert!(now == before, "the old plan and its sidecar stay as they are");
    });
}

#[cfg(feature = "tract")]
#[test]
fn what_cannot_be_verified_is_told_before_anything_is_built() {
    let name = "verify_cli::what_cannot_be_verified_is_told_before_anything_is_built";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let list = list_of(doubles);
        let before = files(&doubles.bundle);
        refused(doubles, &verify_small(&list, &["--target", "sm_90"]), 2, &["build --verify", "sm_90", "got sm_80"]);
        refused(doubles, &["build", "BUNDLE", "--verify"], 2, &["[samples]", "name inputs"]);
        refused(doubles, &["build", "BUNDLE", "--list", &list], 2, &["--list", "--verify"]);
        refused(doubles, &verify_small("/nowhere.csv", &[]), 1, &["/nowhere.csv"]);
        fs::write(doubles.bundle.join("0.ppm"), "no image").expect("written");
        refused(doubles, &verify_small(&list, &[]), 1, &["0.ppm"]);
        write_samples(doubles);
        fs::write(doubles.bundle.join("small.onnx"), &small().onnx()[..2_000]).expect("written");
        refused(doubles, &verify_small(&list, &[]), 1, &["small.onnx"]);
        fs::write(doubles.bundle.join("small.onnx"), small().onnx()).expect("written");
        // The last candidate's model does not fit its preprocessing. Unless models are tried first, the first plan is built before.
        let large = fs::read(doubles.bundle.join("large.onnx")).expect("a model");
        fs::write(doubles.bundle.join("large.onnx"), small().onnx()).expect("written");
        refused(doubles, &["build", "BUNDLE", "--verify", "--list", &list], 1, &["candidate large", "bundle.toml"]);
        fs::write(doubles.bundle.join("large.onnx"), large).expect("written");
        assert!(files(&doubles.bundle) == before);
    });
}

#[cfg(not(any(feature = "tract", feature = "ort")))]
#[test]
fn without_an_engine_on_the_cpu_nothing_is_verified() {
    let name = "verify_cli::without_an_engine_on_the_cpu_nothing_is_verified";
    on_every_line(name, |doubles, line| {
        unbuilt(doubles, line);
        let list = list_of(doubles);
        untouched(doubles, &verify_small(&list, &[]), &["build --verify", "an engine on the CPU", "--features tract"]);
    });
}
