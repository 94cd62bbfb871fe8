//! Tests `trt-select build` as a program: wrong usage, and where a real TensorRT is installed, real plans for a GPU that this machine
//! need not have.
#![cfg(feature = "cli")]

#[cfg(feature = "tensorrt")]
#[path = "common/json_keys.rs"]
mod json_keys;

#[cfg(feature = "tensorrt")]
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trt-select"));
    command.args(args).env_remove("RUST_LOG");
    command
}

fn fashion(file: &str) -> String {
    format!("{ROOT}/plans/fashion/{file}")
}

/// Expects the exit code, one line of error with all of these parts, and nothing on stdout. Only notices may stand beside the error.
#[track_caller]
fn refused(out: &Output, code: i32, parts: &[&str]) {
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert_eq!(out.status.code(), Some(code), "{stderr}");
    assert!(stdout.is_empty(), "{stdout}");
    // TensorRT's own messages go to the log, which is stderr too; these lines are not counted.
    let noise = |l: &&str| ["Builder: ", "[WARN", "[ERROR", " "].iter().any(|start| l.starts_with(start));
    let lines: Vec<&str> = stderr.lines().filter(|l| !noise(l)).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("trt-select: "), "{stderr}");
    for part in parts {
        assert!(lines[0].contains(part), "expected '{part}' in: {stderr}");
    }
}

#[test]
fn wrong_usage_is_one_line_and_exit_code_2() {
    let (model, bundle) = (fashion("nano.onnx"), fashion(""));
    let (model, bundle) = (model.as_str(), bundle.as_str());
    let cases: [(&[&str], &[&str]); 20] = [
        (&["build"], &["see --help"]),
        (&["build", model], &["a file without -o", "-o PLAN"]),
        (&["build", "no-such-thing"], &["no-such-thing", "no such file or folder"]),
        (&["build", model, "-o", model], &["nano.onnx", "another file than the model"]),
        (&["build", model, "-o", "x.plan", "--only", "nano"], &["--only", "a bundle's folder"]),
        (&["build", bundle, "-o", "x.plan"], &["-o", "no such option with a bundle"]),
        (&["build", bundle, "--fp16"], &["--fp16", "precision"]),
        (&["build", bundle, "--target", "80"], &["--target", "such as sm_80"]),
        (&["build", bundle, "--target", "sm_8"], &["--target", "such as sm_80"]),
        (&["build", bundle, "--target", "sm_x0"], &["--target"]),
        (&["build", bundle, "--target", "sm_20"], &["--target"]),
        (&["build", bundle, "--target", "sm_1200"], &["--target"]),
        (&["build", bundle, "--workspace", "0"], &["--workspace"]),
        (&["build", bundle, "--workspace", "lots"], &["--workspace"]),
        (&["build", bundle, "--verify-at-least", "50"], &["--verify"]),
        (&["build", bundle, "--verify", "--verify-at-least", "101"], &["--verify-at-least", "0 to 100"]),
        (&["build", bundle, "--verify-samples", "9"], &["--verify"]),
        (&["build", bundle, "--verify", "--verify-samples", "0"], &["--verify-samples"]),
        (&["build", bundle, "--list", "x.csv"], &["--list", "--verify"]),
        (&["build", model, "-o", "x.plan", "--verify", "--images", "x"], &["--images", "a bundle's folder", "--list"]),
    ];
    for (args, parts) in cases {
        refused(&command(args).output().unwrap(), 2, parts);
    }
}

#[test]
fn the_version_tells_what_is_built_in() {
    let text = |arg| String::from_utf8(command(&[arg]).output().unwrap().stdout).unwrap();
    let release = concat!("trt-select ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(text("-V"), release);
    let long = text("--version");
    assert!(long.starts_with(&format!("{release}engines: ")) && long.contains("null"), "{long}");
    assert_eq!(long.contains("tract"), cfg!(feature = "tract"), "{long}");
    assert_eq!(long.contains(", tensorrt\nTensorRT: "), cfg!(feature = "tensorrt"), "{long}");
    #[cfg(feature = "tensorrt")]
    for line in trt_select::engines::tensorrt::lines() {
        assert!(long.contains(&format!("TensorRT: {line}\n")), "{long}");
    }
}

#[cfg(not(feature = "tensorrt"))]
#[test]
fn a_build_without_tensorrt_says_how_to_have_one() {
    for args in [&["build", &fashion("")][..], &["build", &fashion("nano.onnx"), "-o", "x.plan"]] {
        refused(&command(args).output().unwrap(), 1, &["--features tensorrt"]);
    }
    assert!(!Path::new("x.plan").exists());
}

/// Runs `plans/make-fp16.py`. The error says why it cannot run, for example because no Python has what it needs.
fn make_fp16(model: &Path, half: &Path) -> Result<(), String> {
    let python = std::env::var("TRT_SELECT_PYTHON").unwrap_or_else(|_| "python3".into());
    let has = Command::new(&python).args(["-c", "import numpy, onnx, onnxconverter_common, onnxruntime"]).output();
    if !has.is_ok_and(|out| out.status.success()) {
        return Err(format!("{python} has no onnx, onnxconverter-common or onnxruntime"));
    }
    let script = format!("{ROOT}/plans/make-fp16.py");
    let out = Command::new(&python).arg(script).arg(model).arg("-o").arg(half).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Ok(())
}

#[test]
fn half_precision_models_answer_like_their_originals() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["nano", "tiny", "small", "large"] {
        let (model, half) = (PathBuf::from(fashion(&format!("{name}.onnx"))), dir.path().join(format!("{name}.onnx")));
        if let Err(reason) = make_fp16(&model, &half) {
            println!("skipped: {reason}");
            return;
        }
        let python = std::env::var("TRT_SELECT_PYTHON").unwrap_or_else(|_| "python3".into());
        let mut check = Command::new(python);
        check.arg(format!("{ROOT}/tests/check_fp16.py")).arg(&model).arg(&half);
        let out = check.arg(fashion("t10k-images-idx3-ubyte.gz")).arg("300").output().unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && text.contains("of 300, type of inputs tensor(float), fp16 weights"), "{text}");
    }
}

#[cfg(feature = "tensorrt")]
mod with_tensorrt {
    use std::time::SystemTime;

    use serde_json::Value;
    use tempfile::TempDir;
    use trt_select::engines::ErrorKind;
    use trt_select::engines::tensorrt::plan::{Here, PlanFile, check, sha256_of_file};
    use trt_select::engines::tensorrt::sidecar::Sidecar;
    use trt_select::engines::tensorrt::{Edition, lines};

    use super::*;

    const NAMES: [&str; 4] = ["nano", "tiny", "small", "large"];

    /// A TensorRT-RTX that can build plans without a GPU: the library that `TRT_SELECT_LIBNVINFER` names, or the one that
    /// `engines/get-tensorrt.sh` has downloaded.
    fn library() -> Result<PathBuf, String> {
        if lines().is_empty() {
            return Err("built without TensorRT's headers (engines/get-tensorrt.sh brings some)".into());
        }
        let brought = PathBuf::from(ROOT).join("target/tensorrt/lib/rtx/libtensorrt_rtx.so.1");
        let named = std::env::var_os("TRT_SELECT_LIBNVINFER").map(PathBuf::from);
        match named.unwrap_or(brought) {
            path if !path.is_file() => Err("no TensorRT-RTX here (engines/get-tensorrt.sh brings one)".into()),
            path if !path.to_string_lossy().contains("tensorrt_rtx") => {
                Err(format!("{} may not build plans without a GPU", path.display()))
            }
            path => Ok(path),
        }
    }

    /// The library; where there is none, the test prints the reason and ends.
    macro_rules! library_or_skip {
        () => {
            match library() {
                Ok(path) => path,
                Err(reason) => {
                    println!("skipped: {reason}");
                    return;
                }
            }
        };
    }

    fn run(library: &Path, args: &[&str]) -> Output {
        command(args).env("TRT_SELECT_LIBNVINFER", library).output().unwrap()
    }

    #[track_caller]
    fn ok(library: &Path, args: &[&str]) -> String {
        let out = run(library, args);
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// A copy of the fashion bundle's networks.
    fn bundle() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let text = fs::read_to_string(fashion("bundle.toml")).unwrap();
        // The copy leaves out what `build` does not read. One candidate has no `plan`, so its plan's place follows from its name.
        let drop_key = |line: &&str| {
            let key = line.split(" =").next().unwrap_or_default();
            !["premodel", "labels", "images"].contains(&key) && *line != "[samples]" && *line != "plan = \"tiny.plan\""
        };
        let text: Vec<&str> = text.lines().filter(drop_key).collect();
        fs::write(dir.path().join("bundle.toml"), text.join("\n")).unwrap();
        for name in NAMES {
            let file = format!("{name}.onnx");
            fs::copy(fashion(&file), dir.path().join(&file)).unwrap();
        }
        dir
    }

    fn states(json: &str) -> Vec<(String, String)> {
        let value = json_keys::parse(json);
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        value["plans"].as_array().unwrap().iter().map(|p| (text(&p["name"]), text(&p["state"]))).collect()
    }

    fn expected(names: &[&str], state: &str) -> Vec<(String, String)> {
        names.iter().map(|n| ((*n).to_owned(), state.to_owned())).collect()
    }

    fn changed(path: &Path) -> SystemTime {
        fs::metadata(path).unwrap().modified().unwrap()
    }

    #[test]
    fn every_network_of_a_bundle_becomes_a_plan_once() {
        let library = library_or_skip!();
        let dir = bundle();
        let folder = dir.path().to_str().unwrap();
        let build = ["build", folder, "--target", "sm_80"];
        let text = ok(&library, &build);
        assert_eq!(text.lines().count(), 4, "{text}");
        for (line, name) in text.lines().zip(NAMES) {
            assert!(line.starts_with(&format!("{name}.plan built: ")), "{line}");
            for part in [" MiB, ", " s, for sm_80, fp32, "] {
                assert!(line.contains(part), "{line}");
            }
            let path = dir.path().join(format!("{name}.plan"));
            let (plan, sidecar) = (PlanFile::open(&path).unwrap(), Sidecar::read(&path).unwrap().unwrap());
            sidecar.check_against(&plan).unwrap();
            assert_eq!((sidecar.edition, sidecar.compute_capabilities.as_slice()), (Edition::Rtx, &[(8, 0)][..]));
            json_keys::parse(&fs::read_to_string(dir.path().join(format!("{name}.plan.json"))).unwrap());
            assert_eq!(sidecar.onnx, format!("{name}.onnx"));
            assert_eq!(sidecar.onnx_sha256, sha256_of_file(&dir.path().join(&sidecar.onnx)).unwrap());
        }
        // The folder holds only models, plans, sidecars and the bundle's text.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 13);

        // Opening plans needs a driver; where there is none, the error says so.
        if trt_select::cuda::driver::Driver::load().is_err() {
            refused(&run(&library, &["memory", folder, "--engine", "tensorrt"]), 1, &["NVIDIA driver", "libcuda.so.1"]);
        }

        // The second run finds everything up to date: it builds nothing and touches no file.
        let at = |name: &str| dir.path().join(name);
        let times = NAMES.map(|name| changed(&at(&format!("{name}.plan"))));
        let json = |more: &[&str]| states(&ok(&library, &[&build[..], &["--json"], more].concat()));
        assert_eq!(json(&[]), expected(&NAMES, "up to date"));
        assert_eq!(NAMES.map(|name| changed(&at(&format!("{name}.plan")))), times);

        // A changed model, another GPU, a damaged plan, a damaged sidecar, a missing sidecar: each time only that candidate's plan is
        // built again.
        let mut model = fs::read(at("tiny.onnx")).unwrap();
        // Field 6 of an ONNX model is its doc string. These three bytes add one, and the network stays the same.
        model.extend(*b"\x32\x01x");
        fs::write(at("tiny.onnx"), model).unwrap();
        let rebuilt = |name: &str| {
            NAMES.map(|n| (n.to_owned(), if n == name { "built" } else { "up to date" }.to_owned())).to_vec()
        };
        assert_eq!(json(&[]), rebuilt("tiny"));
        for (file, name) in [("small.plan", "small"), ("large.plan.json", "large")] {
            let mut bytes = fs::read(at(file)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            fs::write(at(file), bytes).unwrap();
            assert_eq!(json(&[]), rebuilt(name), "{file}");
        }
        assert_eq!(json(&["--only", "nano", "--force"]), expected(&["nano"], "built"));
        let other_gpu = ok(&library, &["build", folder, "--target", "sm_86", "--only", "nano", "--json"]);
        assert_eq!(states(&other_gpu), expected(&["nano"], "built"));
        assert_eq!(json(&["--only", "nano", "--only", "tiny"]), {
            let mut states = expected(&["nano"], "built");
            states.extend(expected(&["tiny"], "up to date"));
            states
        });

        // A plan without a sidecar may have been made by somebody else, so it is kept.
        fs::remove_file(at("small.plan.json")).unwrap();
        let before = fs::read(at("small.plan")).unwrap();
        let kept = json(&["--only", "small"]);
        assert_eq!(kept, expected(&["small"], "kept"));
        assert_eq!(fs::read(at("small.plan")).unwrap(), before);
        assert_eq!(json(&["--only", "small", "--force"]), expected(&["small"], "built"));
        // A file that is not a plan is not replaced, even with --force.
        fs::remove_file(at("small.plan.json")).unwrap();
        fs::write(at("small.plan"), "precious").unwrap();
        refused(&run(&library, &[&build[..], &["--force"]].concat()), 1, &["small.plan", "got another file"]);
        assert_eq!(fs::read(at("small.plan")).unwrap(), b"precious");
    }

    #[test]
    fn a_model_becomes_a_plan_where_it_was_said() {
        let library = library_or_skip!();
        let dir = tempfile::tempdir().unwrap();
        let plan = dir.path().join("n.plan");
        let (model, place) = (fashion("nano.onnx"), plan.to_str().unwrap());
        let text = ok(&library, &["build", &model, "-o", place, "--target", "sm_89", "--workspace", "64"]);
        assert!(text.starts_with("n.plan built: ") && text.contains("for sm_89, fp32"), "{text}");
        assert_eq!(Sidecar::read(&plan).unwrap().unwrap().compute_capabilities, [(8, 9)]);

        // A build that fails leaves the old files as they were.
        let before = fs::read(&plan).unwrap();
        let no_model = dir.path().join("text.onnx");
        fs::write(&no_model, "no model").unwrap();
        let cut = dir.path().join("cut.onnx");
        fs::write(&cut, &fs::read(&model).unwrap()[..20_000]).unwrap();
        let unknown = format!("{ROOT}/engines/tests/models/unknown_operator.onnx");
        for (model, part) in [
            (no_model.to_str().unwrap(), "text.onnx"),
            (cut.to_str().unwrap(), "cut.onnx"),
            (&unknown, "unknown_operator.onnx"),
            ("no-such.onnx", "no-such.onnx"),
        ] {
            refused(&run(&library, &["build", model, "-o", place, "--target", "sm_80"]), 1, &[part]);
            assert_eq!(fs::read(&plan).unwrap(), before);
        }
        // First a GPU that the library cannot build for, then `native` without a GPU.
        refused(&run(&library, &["build", &model, "-o", place, "--target", "sm_53"]), 1, &["nano.onnx"]);
        if !Path::new("/dev/nvidia0").exists() {
            refused(&run(&library, &["build", &model, "-o", place]), 1, &["an NVIDIA GPU, got none", "--target sm_80"]);
        }
        // In this library, the model itself says where it computes in half precision.
        refused(
            &run(&library, &["build", &model, "-o", place, "--target", "sm_80", "--fp16"]),
            1,
            // The remedy must name the way that is shown to work below.
            &["plans/make-fp16.py", "with --fp16", "precision = \"fp16\""],
        );
        assert_eq!(fs::read(&plan).unwrap(), before);

        let half = dir.path().join("half.onnx");
        if let Err(reason) = make_fp16(Path::new(&model), &half) {
            println!("skipped: half precision: {reason}");
            return;
        }
        let half = half.to_str().unwrap();
        refused(&run(&library, &["build", half, "-o", place, "--target", "sm_80"]), 1, &["weights in fp16", "--fp16"]);
        let text = ok(&library, &["build", half, "-o", place, "--target", "sm_80", "--fp16"]);
        assert!(text.contains("for sm_80, fp16"), "{text}");
    }

    /// Holds what `plan.rs` knows of headers against real plans, and then damages one of them in every way.
    #[test]
    fn real_plans_have_the_headers_that_we_know_and_damage_is_found() {
        let library = library_or_skip!();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n.plan");
        let (model, place) = (fashion("nano.onnx"), path.to_str().unwrap());
        for (target, capability) in
            [("sm_120", (12, 0)), ("sm_121", (12, 1)), ("sm_89", (8, 9)), ("sm_86", (8, 6)), ("sm_80", (8, 0))]
        {
            ok(&library, &["build", &model, "-o", place, "--target", target]);
            let plan = PlanFile::open(&path).unwrap();
            assert_eq!(plan.header().compute_capabilities, [capability]);
            assert_eq!(plan.header().size_bytes, Some(plan.size_bytes()));
        }
        let sidecar = Sidecar::read(&path).unwrap().unwrap();
        let here = Here {
            edition: sidecar.edition,
            version: sidecar.version,
            lean: false,
            compute_capability: Some((8, 0)),
            library_path: library,
        };
        let look = || {
            let plan = PlanFile::open(&path)?;
            check(&plan, Sidecar::read(&path)?.as_ref(), &here, Some(Path::new(&model)))
        };
        assert_eq!(look(), Ok(vec![]));
        let refused = |what: &str| assert_eq!(look().expect_err(what).kind(), ErrorKind::Plan, "{what}");
        let whole = fs::read(&path).unwrap();
        for i in 0..100 {
            let keep = if i < 70 { i } else { whole.len() * (i - 69) / 31 - 1 };
            fs::write(&path, &whole[..keep]).unwrap();
            refused(&format!("cut at {keep}"));
        }
        let beside = dir.path().join("n.plan.json");
        let text = fs::read(&beside).unwrap();
        // The step has no factor in common with the lengths, so each round reaches other bytes.
        for i in 0..1_000 {
            let (file, bytes, at) = match i % 3 {
                0 => (&path, &whole, i / 3 % 112),
                1 => (&path, &whole, 112 + i * 7_919 % (whole.len() - 112)),
                _ => (&beside, &text, i * 7_919 % text.len()),
            };
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (i % 8);
            fs::write(&path, &whole).unwrap();
            fs::write(&beside, &text).unwrap();
            fs::write(file, damaged).unwrap();
            refused(&format!("bit {} of byte {at} of {}", i % 8, file.display()));
        }
    }

    #[test]
    fn what_is_missing_is_one_line() {
        if lines().is_empty() {
            println!("skipped: built without TensorRT's headers");
            return;
        }
        let (model, dir) = (fashion("nano.onnx"), tempfile::tempdir().unwrap());
        let plan = dir.path().join("n.plan");
        let place = plan.to_str().unwrap();
        let missing = dir.path().join("libtensorrt_rtx.so.1");
        refused(&run(&missing, &["build", &model, "-o", place]), 1, &["libtensorrt_rtx.so.1"]);
        let library = library_or_skip!();
        let nowhere = dir.path().join("no/such/n.plan");
        let nowhere = nowhere.to_str().unwrap();
        refused(&run(&library, &["build", &model, "-o", nowhere, "--target", "sm_80"]), 1, &["no/such", "written"]);
        let (clash, bundle) = (fs::read_to_string(fashion("bundle.toml")).unwrap(), bundle());
        let clash = clash.replace("tiny.plan", "nano.plan").replace("premodel =", "# ").replace("labels =", "# ");
        let clash = clash.replace("[samples]", "").replace("images =", "# ");
        fs::write(bundle.path().join("bundle.toml"), clash).unwrap();
        let folder = bundle.path().to_str().unwrap();
        refused(&run(&library, &["build", folder]), 1, &["candidate tiny", "a plan of its own", "nano.plan"]);
        refused(&run(&library, &["build", folder, "--only", "huge"]), 2, &["--only", "nano, tiny", "huge"]);
    }

    /// All files of a folder with their content, to see later that none was touched.
    fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = paths.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect();
        files.sort();
        files
    }

    /// Expects that the command is refused and leaves the folder as it is.
    #[track_caller]
    fn untouched(library: &Path, args: &[&str], dir: &Path, code: i32, parts: &[&str]) {
        let before = files(dir);
        refused(&run(library, args), code, parts);
        assert_eq!(files(dir), before);
    }

    #[test]
    fn a_file_that_is_somebody_elses_is_never_overwritten() {
        let library = library_or_skip!();
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let (plan, beside) = (at("w.plan"), at("w.plan.json"));
        let place = plan.to_str().unwrap();
        let build =
            |model: &Path| ["build", model.to_str().unwrap(), "-o", place, "--target", "sm_80"].map(str::to_owned);
        let refused_with = |model: &Path, code: i32, parts: &[&str]| {
            let args = build(model);
            untouched(&library, &args.each_ref().map(String::as_str), dir.path(), code, parts);
        };

        // The model lies where the sidecar would go; then the same through a link.
        fs::copy(fashion("nano.onnx"), &beside).unwrap();
        refused_with(&beside, 2, &["w.plan.json", "another file than the model"]);
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(&beside, at("link.onnx")).unwrap();
            refused_with(&at("link.onnx"), 2, &["w.plan.json", "another file than the model"]);
        }
        // Any other file lies where the sidecar would go, with and without a file where the plan would go.
        let model = PathBuf::from(fashion("nano.onnx"));
        for junk in ["junk", "{\"classes\": [\"plan\"]}", "[1, 2]"] {
            fs::write(&beside, junk).unwrap();
            let _ = fs::remove_file(&plan);
            refused_with(&model, 1, &["w.plan.json", "a plan's sidecar, or nothing"]);
            fs::write(&plan, "junk").unwrap();
            refused_with(&model, 1, &["w.plan"]);
        }
        fs::remove_file(&beside).unwrap();
        refused_with(&model, 1, &["w.plan", "a plan, or nothing"]);
        fs::remove_file(&plan).unwrap();
        fs::create_dir(&beside).unwrap();
        refused_with(&model, 1, &["w.plan.json", "a folder"]);
        fs::remove_dir(&beside).unwrap();

        // A sidecar that `build` wrote may be replaced: whole, cut short, damaged, or empty.
        let args = build(&model);
        let args = args.each_ref().map(String::as_str);
        ok(&library, &args);
        let (bytes, text) = (fs::read(&plan).unwrap(), fs::read(&beside).unwrap());
        for (plan_bytes, sidecar_bytes) in [
            (&bytes[..], &text[..]),
            (&bytes[..100], &text[..]),
            (&bytes[..], &text[..400]),
            (&[], &text[..]),
            (&[], &[]),
        ] {
            fs::write(&plan, plan_bytes).unwrap();
            fs::write(&beside, sidecar_bytes).unwrap();
            ok(&library, &args);
            Sidecar::read(&plan).unwrap().unwrap().check_against(&PlanFile::open(&plan).unwrap()).unwrap();
        }
        // A file beside a sidecar of ours that is not a plan may not be replaced.
        fs::write(&plan, "precious").unwrap();
        refused_with(&model, 1, &["w.plan", "a plan, or nothing"]);
    }

    #[test]
    fn a_file_that_the_bundle_names_is_never_overwritten() {
        let library = library_or_skip!();
        let bundle = bundle();
        let dir = bundle.path();
        let at = |name: &str| dir.join(name);
        let folder = dir.to_str().unwrap();
        let text = fs::read_to_string(at("bundle.toml")).unwrap();
        let with = |head: &str, plan: &str| {
            let text = text.replace("plan = \"nano.plan\"", &format!("plan = \"{plan}\""));
            fs::write(at("bundle.toml"), text.replace("format = 1", &format!("format = 1\n{head}"))).unwrap();
        };
        let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        fs::write(at("labels.json"), names.join("\n")).unwrap();
        let is_refused = |code: i32, parts: &[&str]| {
            for more in [&[][..], &["--force"], &["--only", "nano"]] {
                let args = [&["build", folder, "--target", "sm_80"], more].concat();
                untouched(&library, &args, dir, code, parts);
            }
        };
        with("labels = \"labels.json\"", "labels");
        is_refused(1, &["candidate nano", "labels.json", "the bundle's `labels`"]);
        // The premodel's file need not exist yet.
        with("premodel = \"pre.json\"", "pre");
        is_refused(1, &["candidate nano", "pre.json", "the bundle's `premodel`"]);
        with("premodel = \"pre.json\"", "pre.json");
        is_refused(1, &["candidate nano", "pre.json", "the bundle's `premodel`"]);
        with("", "tiny.onnx");
        is_refused(1, &["candidate nano", "tiny.onnx", "the model of candidate tiny"]);
        with("", "bundle.toml");
        is_refused(1, &["candidate nano", "bundle.toml"]);
        // One candidate's plan would go where another's sidecar goes; then one plan is named twice, in two spellings.
        with("", "tiny.plan.json");
        is_refused(1, &["candidate tiny", "tiny.plan.json", "nano"]);
        fs::create_dir(at("sub")).unwrap();
        with("", "sub/../tiny.plan");
        is_refused(1, &["candidate tiny", "a plan of its own", "nano"]);
    }

    /// An ONNX model with nothing but its weights: six numbers in half precision.
    const HALF: &[u8] = b"\x08\x08\x3a\x08\x2a\x06\x08\x02\x08\x03\x10\x0a";

    #[test]
    fn what_can_be_found_before_is_found_before_anything_is_built() {
        let library = library_or_skip!();
        let bundle = bundle();
        let dir = bundle.path();
        let at = |name: &str| dir.join(name);
        let folder = dir.to_str().unwrap();
        let build = ["build", folder, "--target", "sm_80"];
        let text = fs::read_to_string(at("bundle.toml")).unwrap();
        let large = fs::read(at("large.onnx")).unwrap();
        // The damage is always done to the last candidate's model: the others would be built before the error is found.
        let with = |from: &str, to: &str| {
            let (head, tail) = text.split_at(text.find("name = \"large\"").unwrap());
            assert!(tail.contains(from));
            fs::write(at("bundle.toml"), head.to_owned() + &tail.replace(from, to)).unwrap();
        };
        let is_refused = |parts: &[&str]| untouched(&library, &build, dir, 1, parts);
        with("\"fp32\"", "\"fp16\"");
        is_refused(&["large.onnx", "plans/make-fp16.py", "precision = \"fp16\""]);
        with("\"fp32\"", "\"int8\"");
        is_refused(&["candidate large", "fp32 or fp16", "trtexec"]);
        with("\"large.plan\"", "\"no/such/large.plan\"");
        is_refused(&["no/such/large.plan", "`plan` in bundle.toml"]);
        with("", "");
        for (model, parts) in
            [(HALF, &["weights in fp32", "fp16"][..]), (b"no model", &["large.onnx", "an ONNX model"])]
        {
            fs::write(at("large.onnx"), model).unwrap();
            is_refused(parts);
        }
        fs::write(at("large.onnx"), large).unwrap();
        assert_eq!(states(&ok(&library, &[&build[..], &["--json"]].concat())), expected(&NAMES, "built"));
    }

    #[test]
    fn one_build_that_fails_leaves_the_others() {
        let library = library_or_skip!();
        let bundle = bundle();
        let folder = bundle.path().to_str().unwrap();
        let unknown = format!("{ROOT}/engines/tests/models/unknown_operator.onnx");
        fs::copy(&unknown, bundle.path().join("tiny.onnx")).unwrap();
        let mut now = expected(&NAMES, "built");
        now[1].1 = "failed".to_owned();
        let build = ["build", folder, "--target", "sm_80", "--json"];
        for state in ["built", "up to date"] {
            let out = run(&library, &build);
            let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
            assert_eq!(out.status.code(), Some(1), "{stderr}");
            now.iter_mut().filter(|(name, _)| name != "tiny").for_each(|entry| entry.1 = state.to_owned());
            assert_eq!(states(&stdout), now);
            let json: Value = serde_json::from_str(&stdout).unwrap();
            assert!(json["plans"][1]["error"].as_str().unwrap().contains("tiny.onnx"), "{stdout}");
            let last = stderr.lines().last().unwrap();
            for part in ["trt-select: ", "4 plans, got 3", "tiny"] {
                assert!(last.contains(part), "{stderr}");
            }
        }
        assert!(!bundle.path().join("tiny.plan").exists());
        // Without --json there is a line for each plan that was built, and the reason why the other one was not.
        let out = run(&library, &["build", folder, "--target", "sm_80", "--force"]);
        let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert_eq!((out.status.code(), stdout.lines().count()), (Some(1), 3), "{stdout}{stderr}");
        assert!(stderr.lines().any(|l| l.starts_with("tiny: not built: ") && l.contains("tiny.onnx")), "{stderr}");
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_plan_is_built_once() {
        let library = library_or_skip!();
        let (bundle, store) = (bundle(), tempfile::tempdir().unwrap());
        let folder = bundle.path().to_str().unwrap();
        let build = ["build", folder, "--target", "sm_80", "--only", "nano", "--json"];
        ok(&library, &build);
        let (link, stored) = (bundle.path().join("nano.plan"), store.path().join("stored.plan"));
        fs::rename(&link, &stored).unwrap();
        fs::rename(bundle.path().join("nano.plan.json"), store.path().join("stored.plan.json")).unwrap();
        std::os::unix::fs::symlink(&stored, &link).unwrap();
        assert_eq!(states(&ok(&library, &build)), expected(&["nano"], "up to date"));
        let forced = [&build[..], &["--force"]].concat();
        assert_eq!(states(&ok(&library, &forced)), expected(&["nano"], "built"));
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
        assert_eq!(states(&ok(&library, &build)), expected(&["nano"], "up to date"));
    }

    #[test]
    fn a_network_of_imagenet_becomes_a_plan() {
        let library = library_or_skip!();
        let model = PathBuf::from(ROOT).join("../shared/imagenet/models/mbv1_050_160.onnx");
        if !model.is_file() {
            println!("skipped: no ../shared/imagenet here");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let plan = dir.path().join("m.plan");
        ok(&library, &["build", model.to_str().unwrap(), "-o", plan.to_str().unwrap(), "--target", "sm_80"]);
        let opened = PlanFile::open(&plan).unwrap();
        assert!(opened.size_bytes() > 1 << 20, "{}", opened.size_bytes());
        Sidecar::read(&plan).unwrap().unwrap().check_against(&opened).unwrap();
    }
}
