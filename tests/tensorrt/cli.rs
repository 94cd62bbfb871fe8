//! Tests the command line with `--engine tensorrt`, on the doubles.

use std::process::{Command, Output};

use super::doubles::{Doubles, with_doubles};
use super::json_keys;
use super::toy::toys;

pub(crate) fn trt_select(doubles: &Doubles, args: &[&str]) -> Output {
    let bundle = doubles.bundle.to_str().expect("a path");
    let args: Vec<&str> = args.iter().map(|a| if *a == "BUNDLE" { bundle } else { a }).collect();
    // The preloaded library is meant for this process only.
    Command::new(env!("CARGO_BIN_EXE_trt-select")).args(args).env_remove("LD_PRELOAD").output().expect("it starts")
}

/// Expects one line of error that has these words. Gives stdout.
#[track_caller]
pub(crate) fn refused(doubles: &Doubles, args: &[&str], code: i32, words: &[&str]) -> String {
    let output = trt_select(doubles, args);
    let (out, err) = text(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
    let said: Vec<&str> = err.lines().filter(|line| line.starts_with("trt-select: ")).collect();
    assert_eq!(said.len(), 1, "{args:?}: {err}");
    words.iter().for_each(|word| assert!(said[0].contains(word), "{args:?}: no `{word}` in {err}"));
    out
}

pub(crate) fn text(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Writes some pictures and a list of them with labels.
pub(crate) fn write_samples(doubles: &Doubles) {
    let mut list = String::from("image,label\n");
    for n in 0..12_u8 {
        let mut image = b"P6 40 30 255\n".to_vec();
        image.extend((0..40 * 30 * 3_u32).map(|i| (i * (u32::from(n) + 3) / 7) as u8));
        std::fs::write(doubles.bundle.join(format!("{n}.ppm")), image).expect("written");
        list += &format!("{n}.ppm,{}\n", n % 10);
    }
    std::fs::write(doubles.bundle.join("samples.csv"), list).expect("written");
}

#[test]
fn memory_bench_run_and_profile() {
    with_doubles("cli::memory_bench_run_and_profile", &[], |doubles| {
        write_samples(doubles);
        let list = doubles.bundle.join("samples.csv");
        let list = list.to_str().expect("a path");

        let memory = trt_select(doubles, &["memory", "BUNDLE", "--engine", "tensorrt", "--json"]);
        let (out, err) = text(&memory);
        assert!(memory.status.success(), "{err}");
        let json = json_keys::parse(&out);
        let largest = toys().iter().map(|t| t.activation_bytes).max().expect("three");
        assert_eq!(json["shared"]["activation_block_bytes"], largest);
        for (candidate, toy) in json["candidates"].as_array().expect("a list").iter().zip(toys()) {
            assert_eq!(
                (candidate["name"].as_str(), &candidate["activation_bytes"]),
                (Some(toy.name), &toy.activation_bytes.into())
            );
            assert!(candidate["device_bytes"].as_u64() > Some(4 * toy.weights.len() as u64), "{candidate}");
            assert!(candidate["pinned_bytes"].as_u64() > Some(0), "{candidate}");
        }
        let kept = trt_select(doubles, &["memory", "BUNDLE", "--engine", "tensorrt", "--keep-plans", "--json"]);
        let kept = json_keys::parse(&text(&kept).0);
        let spelt = trt_select(doubles, &["memory", "BUNDLE", "--engine", "tensorrt", "--keepPlans", "--json"]);
        assert_eq!(json_keys::parse(&text(&spelt).0), kept, "trtexec's spelling is the same option");
        let plan = std::fs::metadata(super::toy::plan_path(&doubles.bundle, "small")).expect("a plan").len();
        let pinned = |json: &serde_json::Value| json["candidates"][0]["pinned_bytes"].as_u64().expect("a number");
        assert_eq!(pinned(&kept) - pinned(&json), plan);
        let (out, _) = text(&trt_select(doubles, &["memory", "BUNDLE", "--engine", "tensorrt"]));
        assert!(out.contains("activation block") && out.contains("Left out:"), "{out}");

        let bench =
            trt_select(doubles, &["bench", "BUNDLE", "--engine", "tensorrt", "--list", list, "--idle-time", "1"]);
        let (out, err) = text(&bench);
        assert!(bench.status.success(), "{err}");
        for line in [
            "Latency: min",
            "Enqueue Time: min",
            "H2D Latency: min",
            "GPU Compute Time: min",
            "D2H Latency: min",
            "Total: min",
        ] {
            assert!(out.contains(line), "{line}: {out}");
        }
        assert!(out.contains("libcuda double") && out.contains("TensorRT-RTX 1.7.1.116"), "{out}");
        let mapped = [
            "bench",
            "BUNDLE",
            "--engine",
            "tensorrt",
            "--list",
            list,
            "--frame-memory",
            "mapped",
            "--no-cuda-graph",
            "--json",
        ];
        let mapped = trt_select(doubles, &mapped);
        let json = json_keys::parse(&text(&mapped).0);
        assert!(json["adaptive"]["device"]["gpu_compute"]["mean_ms"].as_f64() > Some(0.0), "{json:#}");

        let image = doubles.bundle.join("3.ppm");
        let run =
            trt_select(doubles, &["run", "BUNDLE", image.to_str().expect("a path"), "--engine", "tensorrt", "--json"]);
        let (out, err) = text(&run);
        assert!(run.status.success(), "{err}");
        let json = json_keys::parse(&out);
        assert_eq!(json["engine"], "tensorrt");

        let profile = doubles.bundle.join("profile.csv");
        let profile = profile.to_str().expect("a path");
        let made = trt_select(doubles, &["profile", "BUNDLE", "--engine", "tensorrt", "--list", list, "-o", profile]);
        assert!(made.status.success(), "{}", text(&made).1);
        let rows = std::fs::read_to_string(profile).expect("a profile");
        assert!(
            rows.contains("# device: libcuda double") && rows.contains("# engine: TensorRT-RTX 1.7.1.116"),
            "{rows}"
        );
        // `auto` chooses TensorRT too, since every candidate has a plan.
        let auto = trt_select(doubles, &["memory", "BUNDLE", "--engine", "auto"]);
        assert!(text(&auto).0.contains("Engine: tensorrt:"), "{:?}", text(&auto));
    });
}

/// A profile that was made on TensorRT belongs to the plans that ran, whether or not their models exist.
#[test]
fn a_profile_belongs_to_its_plans() {
    with_doubles("cli::a_profile_belongs_to_its_plans", &[], |doubles| {
        write_samples(doubles);
        let list = doubles.bundle.join("samples.csv");
        let csv = doubles.bundle.join("profile.csv");
        let (list, csv) = (list.to_str().expect("a path"), csv.to_str().expect("a path"));
        let profile = |limit: &str| {
            let made = ["profile", "BUNDLE", "--engine", "tensorrt", "--list", list, "-o", csv, "--limit", limit];
            let made = trt_select(doubles, &made);
            (made.status.success(), text(&made).1)
        };
        let rows =
            || std::fs::read_to_string(csv).expect("a profile").lines().filter(|l| !l.starts_with('#')).count() - 1;
        let (made, err) = profile("2");
        assert!(made && rows() == 2, "{err}");
        // Without the models, the plans alone give the same profile.
        for toy in toys() {
            std::fs::remove_file(doubles.bundle.join(format!("{}.onnx", toy.name))).expect("removed");
        }
        let (made, err) = profile("4");
        assert!(made && rows() == 4, "{err}");
        // Another plan counts as another network.
        let mut large = toys().pop().expect("three");
        large.bias[0] += 1.0;
        std::fs::write(super::toy::plan_path(&doubles.bundle, "large"), large.plan()).expect("written");
        let (made, err) = profile("6");
        assert!(!made && err.contains("a profile of these networks") && rows() == 4, "{err}");
    });
}

#[test]
fn what_is_missing_is_told_in_a_line() {
    with_doubles("cli::what_is_missing_is_told_in_a_line", &[], |doubles| {
        let fails = |variables: &[(&str, &str)], args: &[&str], code: i32, words: &[&str]| {
            let bundle = doubles.bundle.to_str().expect("a path");
            let args: Vec<&str> = args.iter().map(|a| if *a == "BUNDLE" { bundle } else { a }).collect();
            let mut command = Command::new(env!("CARGO_BIN_EXE_trt-select"));
            let output = command
                .args(&args)
                .env_remove("LD_PRELOAD")
                .envs(variables.iter().copied())
                .output()
                .expect("it starts");
            let err = text(&output).1;
            assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
            let said: Vec<&str> = err.lines().filter(|line| !line.starts_with("[WARN ]")).collect();
            assert_eq!(said.len(), 1, "{args:?}: {err}");
            words.iter().for_each(|word| assert!(said[0].contains(word), "{args:?}: no `{word}` in {err}"));
        };
        let memory = ["memory", "BUNDLE", "--engine", "tensorrt"];
        fails(
            &[("TRT_SELECT_LIBCUDA", "/nowhere/libcuda.so.1")],
            &memory,
            1,
            &["NVIDIA driver", "/nowhere/libcuda.so.1"],
        );
        fails(&[("TRT_SELECT_LIBNVINFER", "/nowhere/libnvinfer.so")], &memory, 1, &["/nowhere/libnvinfer.so"]);
        fails(&[("TRT_SELECT_DOUBLE_DEVICES", "0")], &memory, 1, &["GPU"]);
        fails(&[], &["memory", "BUNDLE", "--engine", "tensorrt", "--device", "7"], 1, &["7"]);
        fails(&[], &["bench", "BUNDLE", "--use-cuda-graph", "--no-cuda-graph"], 2, &["--no-cuda-graph"]);
        fails(&[], &["bench", "BUNDLE", "--frame-memory", "elsewhere"], 2, &["auto, device or mapped"]);
        fails(&[], &["memory", "BUNDLE", "--engine", "tensorrt", "--max-resident", "0"], 2, &["--max-resident"]);
        fails(&[("TRT_SELECT_DOUBLE_CC", "9.0")], &memory, 1, &["8.0", "9.0", "trt-select build"]);
        fails(&[("TRT_SELECT_DOUBLE_MEMORY", "1000000")], &memory, 1, &["CUDA_ERROR_OUT_OF_MEMORY"]);
        std::fs::remove_file(super::toy::plan_path(&doubles.bundle, "middle")).expect("removed");
        fails(&[], &memory, 1, &["middle", "trt-select build"]);
    });
}
