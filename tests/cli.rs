//! Tests the command line as a user runs it: real networks on real images, a kill in the middle, and bad input.
#![cfg(all(feature = "cli", feature = "tract"))]

#[path = "common/json_keys.rs"]
mod json_keys;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use trt_select_premodel::{Alternative, Premodel};

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/fashion");

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trt-select"));
    command.args(args).env_remove("RUST_LOG");
    command
}

fn run(args: &[&str]) -> Output {
    command(args).output().expect("the binary starts")
}

#[track_caller]
fn ok(args: &[&str]) -> String {
    let out = run(args);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {} {stderr}", out.status);
    String::from_utf8(out.stdout).expect("UTF-8")
}

/// Runs the command and expects one line of error, this exit code, and nothing on stdout.
#[track_caller]
fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let out = run(args);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(out.stdout.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&out.stdout));
    // Only notices may stand beside the error: which engine was chosen, and warnings.
    let lines: Vec<&str> = stderr.lines().filter(|l| !l.starts_with("Engine: ") && !l.starts_with("[WARN")).collect();
    assert!(lines.len() == 1 && lines[0].starts_with("trt-select: "), "{args:?}: {stderr}");
    for part in parts {
        assert!(stderr.contains(part), "{args:?}: expected '{part}' in: {stderr}");
    }
}

/// A copy of the fashion bundle. The sample images are not copied; their paths lead to the original.
fn copy_of_fashion() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(FASHION).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| ["toml", "onnx", "json", "txt", "gz"].iter().any(|x| e == *x)) {
            fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    dir
}

fn path_str(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn bench_prints_its_table_and_its_object() {
    let text = ok(&["bench", FASHION, "--iterations", "300", "--warm-up", "50"]);
    for part in [
        "Throughput: ",
        "Latency: min = ",
        "percentile(99%) = ",
        "features",
        "decide",
        "preprocess",
        "compute",
        "total",
        "adaptive",
        "random mix",
        "oracle",
        "Forecast from validation",
        "best single",
        "reference single",
    ] {
        assert!(text.contains(part), "expected '{part}' in:\n{text}");
    }
    let times = tempfile::tempdir().unwrap();
    let file = times.path().join("times.json");
    let json =
        json_keys::parse(&ok(&["bench", FASHION, "--iterations", "250", "--json", "--export-times", path_str(&file)]));
    assert_eq!(json["inputs"], 250);
    let candidates = json["candidates"].as_array().unwrap();
    assert!(candidates.len() >= 4);
    for entry in candidates
        .iter()
        .chain(["best_single", "reference_single", "adaptive", "random_mix", "oracle"].map(|k| &json[k]))
    {
        let (top1, mean) = (entry["top1"].as_f64(), entry["mean_ms"].as_f64().unwrap());
        // There may be no mix of candidates at the same cost if adaptive is cheaper than the cheapest candidate. Here it is not.
        assert!(top1.is_some_and(|t| (0.0..=1.0).contains(&t)) && mean > 0.0, "{entry}");
    }
    for key in ["min_ms", "median_ms", "p90_ms", "p95_ms", "p99_ms", "p99_9_ms", "max_ms"] {
        assert!(json["adaptive"][key].is_f64() && json["adaptive"]["stages"]["compute"][key].is_f64(), "{key}");
    }
    let exported = json_keys::parse(&fs::read_to_string(&file).unwrap());
    let rows = exported.as_array().unwrap();
    let mean = rows.iter().map(|r| r["latency_ms"].as_f64().unwrap()).sum::<f64>() / rows.len() as f64;
    assert!((mean / json["adaptive"]["mean_ms"].as_f64().unwrap() - 1.0).abs() < 1e-6);
    for single in rows.iter().flat_map(|r| r["singles"].as_array().unwrap().iter().zip(candidates)) {
        assert!(single.0["name"] == single.1["name"] && single.0["compute_ms"].as_f64() > Some(0.0), "{single:?}");
    }
    let right = rows.iter().filter(|r| r["class"] == r["label"]).count() as f64 / rows.len() as f64;
    assert!((right - json["adaptive"]["top1"].as_f64().unwrap()).abs() < 1e-9);
}

#[test]
fn bench_repeats_samples_and_goes_on_for_a_duration() {
    let json = json_keys::parse(&ok(&["bench", FASHION, "--iterations", "2", "--duration", "1", "--json"]));
    assert!(json["inputs"].as_u64().unwrap() > 2 && json["wall_s"].as_f64().unwrap() >= 1.0, "{json}");
}

#[test]
fn the_null_engine_runs_without_networks() {
    let json = json_keys::parse(&ok(&["bench", FASHION, "--engine", "null", "--iterations", "1000", "--json"]));
    assert!(json["engine"].as_str().unwrap().starts_with("null"));
    // On the null engine every output is all zeros, so every network answers class 0, which is right for about a tenth of the images. It
    // takes hardly any time.
    assert!((json["adaptive"]["top1"].as_f64().unwrap() - 0.1).abs() < 0.05);
    // Nobody ever differs from anybody, which a thousand inputs promise of all but three in a thousand others.
    let over = &json["adaptive"]["top1_over_best_single"];
    let (low, high) = (over["low"].as_f64().unwrap(), over["high"].as_f64().unwrap());
    assert!(over["mean"] == 0.0 && (high - 0.003).abs() < 1e-4 && low == -high, "{over}");
    assert!(json["reference_single"]["median_ms"].as_f64().unwrap() < 0.02);
}

#[test]
fn run_says_who_answered_and_why() {
    let dir = tempfile::tempdir().unwrap();
    // The image need not look like much: the test is about the form, and that both forms give the same answer.
    let pixels: Vec<u8> = (0..28 * 28)
        .map(|i| if (6..24).contains(&(i / 28)) && (4..24).contains(&(i % 28)) { 180 } else { 0 })
        .collect();
    let image = dir.path().join("blob.pgm");
    fs::write(&image, [b"P5 28 28 255\n".to_vec(), pixels].concat()).unwrap();
    let text = ok(&["run", FASHION, path_str(&image)]);
    assert!(text.contains("blob.pgm") && text.contains("ran "), "{text}");
    let json = json_keys::parse(&ok(&["run", FASHION, path_str(&image), "--json"]));
    let result = &json["results"][0];
    for key in ["image", "label", "probability", "candidate", "ran", "why", "total_ms"] {
        assert!(!result[key].is_null(), "{key}: {result}");
    }
    assert!(text.contains(result["label"].as_str().unwrap()));
}

#[test]
fn inspect_draws_the_program() {
    let text = ok(&["inspect", FASHION]);
    assert!(text.contains("Worst case: ") && text.contains("answer ") && text.contains("run "), "{text}");
    let json = json_keys::parse(&ok(&["inspect", FASHION, "--json"]));
    assert!(json["premodel"]["worst_case_ns"].as_f64().unwrap() > 0.0);
    assert!(text.contains(json["premodel"]["program"].as_str().unwrap().lines().next().unwrap()));
}

/// The rows of a profile, in their order, without the columns of times.
fn rows_without_times(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines().filter(|l| !l.starts_with('#'));
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let keep: Vec<usize> = (0..head.len()).filter(|&i| !head[i].ends_with("cost_ns")).collect();
    lines
        .filter(|l| !l.starts_with("input,"))
        .map(|l| {
            let fields: Vec<&str> = l.split(',').collect();
            assert_eq!(fields.len(), head.len());
            keep.iter().map(|&i| fields[i].to_owned()).collect()
        })
        .collect()
}

#[test]
fn a_killed_profile_goes_on_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (whole, killed) = (at("whole.csv"), at("killed.csv"));
    ok(&["profile", FASHION, "-o", path_str(&whole), "--limit", "600"]);
    let expected = rows_without_times(&whole);
    assert_eq!(expected.len(), 600);

    let args = ["profile", FASHION, "-o", path_str(&killed), "--limit", "600"];
    let rows = || fs::read(&killed).map_or(0, |t| t.iter().filter(|&&b| b == b'\n').count());
    let mut kills = 0;
    for target in [50, 200, 350] {
        let mut child = command(&args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while rows() < target && start.elapsed() < Duration::from_secs(120) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        // On Unix this is SIGKILL.
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        // The file is cut as a kill in the middle of a write would leave it.
        let text = fs::read(&killed).unwrap();
        fs::write(&killed, &text[..text.len().saturating_sub(7)]).unwrap();
    }
    assert!(kills >= 1, "at least one kill must come before the end");
    ok(&args);
    assert_eq!(rows_without_times(&killed), expected);
    // The profile is complete already, so nothing changes.
    let before = fs::read(&killed).unwrap();
    ok(&args);
    assert_eq!(fs::read(&killed).unwrap(), before);
}

#[test]
fn a_header_cut_short_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.csv");
    let args = ["profile", FASHION, "-o", path_str(&file), "--limit", "3"];
    ok(&args);
    let whole = fs::read(&file).unwrap();
    let expected = rows_without_times(&file);
    for keep in [0, 5, 30, 200] {
        fs::write(&file, &whole[..keep]).unwrap();
        ok(&args);
        assert_eq!(rows_without_times(&file), expected, "{keep} bytes kept");
    }
}

#[test]
fn shards_and_jobs_make_the_same_rows() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let whole = at("whole.csv");
    ok(&["profile", FASHION, "-o", path_str(&whole), "--limit", "90", "--jobs", "2"]);
    let expected = rows_without_times(&whole);
    let mut joined = String::new();
    for shard in ["0/3", "1/3", "2/3"] {
        let file = at(&shard.replace('/', "-"));
        ok(&["profile", FASHION, "-o", path_str(&file), "--limit", "90", "--shard", shard]);
        joined += &fs::read_to_string(&file).unwrap();
    }
    let all = at("all.csv");
    fs::write(&all, joined).unwrap();
    let mut rows = rows_without_times(&all);
    assert_eq!(rows.len(), expected.len());
    rows.sort();
    let mut sorted = expected.clone();
    sorted.sort();
    assert_eq!(rows, sorted);
    // `train` can read files that `cat` joined.
    let premodel = at("premodel.json");
    let json = json_keys::parse(&ok(&["train", path_str(&all), "-o", path_str(&premodel), "--json", "--folds", "3"]));
    assert_eq!(json["rows"], 90);
    assert!(premodel.exists());
}

#[test]
fn the_shipped_premodel_is_what_training_gives() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("premodel.json");
    let profile = format!("{FASHION}/profile.csv");
    let readme = fs::read_to_string(format!("{FASHION}/README.md")).unwrap();
    // This takes the command from the bundle's README, so that the README stays true.
    let line = readme
        .lines()
        .find(|l| l.contains("trt-select train plans/fashion/profile.csv"))
        .expect("the README's command");
    let options: Vec<&str> =
        line.split_whitespace().skip_while(|w| *w != "plans/fashion/profile.csv").skip(1).collect();
    let mut args = vec!["train", profile.as_str(), "-o", path_str(&out)];
    args.extend(options);
    let text = ok(&args);
    assert!(text.contains("<- chosen"), "{text}");
    assert_eq!(fs::read_to_string(&out).unwrap(), fs::read_to_string(format!("{FASHION}/premodel.json")).unwrap());
}

#[test]
fn a_bundle_of_tensors_works_with_and_without_labels() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // The network gives back its input, so its class is the largest of six numbers.
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/engines/tests/models/identity.onnx");
    for name in ["a.onnx", "b.onnx"] {
        fs::copy(model, at(name)).unwrap();
    }
    let candidates: String =
        ["a", "b"].iter().map(|n| format!("[[candidate]]\nname = \"{n}\"\nonnx = \"{n}.onnx\"\n")).collect();
    fs::write(
        at("bundle.toml"),
        format!(
            "format = 1\nname = \"t\"\npremodel = \"premodel.json\"\n[input]\nkind = \"tensor\"\nshape = [1, 6]\n\
             [samples]\nlist = \"rows.csv\"\n{candidates}"
        ),
    )
    .unwrap();
    let bundle = path_str(dir.path()).to_owned();
    let profile = at("profile.csv");
    for (labelled, judged_by) in [(true, "labels"), (false, "agreement with b")] {
        let mut rows = String::from(if labelled { "label,p,q,r,s,t,u\n" } else { "p,q,r,s,t,u\n" });
        for i in 0..40 {
            let values: Vec<String> = (0..6).map(|c| if c == i % 6 { "2.5" } else { "0.5" }.to_owned()).collect();
            // Every tenth label is another class than the network's answer.
            let label = if i % 10 == 0 { (i + 1) % 6 } else { i % 6 };
            rows += &if labelled { format!("{label},{}\n", values.join(",")) } else { values.join(",") + "\n" };
        }
        fs::write(at("rows.csv"), rows).unwrap();
        let _ = fs::remove_file(&profile);
        let _ = fs::remove_file(at("profile.topk.csv"));
        ok(&["profile", &bundle, "-o", path_str(&profile)]);
        let text = fs::read_to_string(&profile).unwrap();
        assert!(text.contains(&format!("# judged_by: {judged_by}\n")) && !text.contains("feature."), "{text}");
        ok(&["train", path_str(&profile), "--folds", "2"]);
        let json = json_keys::parse(&ok(&["bench", &bundle, "--json"]));
        assert_eq!(json["judged_by"], judged_by);
        assert_eq!(json["adaptive"]["top1"], if labelled { 0.9 } else { 1.0 });
    }
    refused(&["bench", FASHION, "--list", path_str(&at("rows.csv"))], 1, &["rows.csv"]);
}

#[test]
fn train_takes_costs_and_a_candidate_threshold() {
    let dir = tempfile::tempdir().unwrap();
    let (profile, costs, out) = (dir.path().join("p.csv"), dir.path().join("c.csv"), dir.path().join("o.json"));
    ok(&["profile", FASHION, "-o", path_str(&profile), "--limit", "200"]);
    let json = json_keys::parse(&ok(&["inspect", FASHION, "--json"]));
    let names: Vec<&str> = json["candidates"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    let rows: Vec<String> = names.iter().enumerate().map(|(i, n)| format!("{n},{}", 1000 * (i + 1))).collect();
    fs::write(&costs, format!("candidate,cost_ns\n{}\nfeatures,77\n", rows.join("\n"))).unwrap();
    let train = |extra: &[&str]| {
        let mut args = vec!["train", path_str(&profile), "-o", path_str(&out), "--costs", path_str(&costs)];
        args.extend(extra);
        ok(&args);
        serde_json::from_str::<Value>(&fs::read_to_string(&out).unwrap()).unwrap()
    };
    let premodel = train(&[]);
    assert_eq!(premodel["trained_for"]["features_ns"], 77.0);
    assert_eq!(premodel["trained_for"]["costs_ns"][1], 2000.0);
    assert_eq!(train(&["--theta", "0.9"])["candidates"].as_array().unwrap().len(), 1);
    assert!(train(&["--at-most-ms", "0.0015"])["expected"]["cost_ns"]["mean"].as_f64().unwrap() <= 1500.0);
    train(&["--lambda", "3.5"]);
    fs::write(&costs, "candidate,cost_ns\nnano,1\n").unwrap();
    let args = ["train", path_str(&profile), "--costs", path_str(&costs)];
    refused(&args, 1, &["expected a cost for each candidate", "got none for"]);
    refused(&["train", path_str(&profile), "--costs", "/no/such"], 1, &["/no/such", "costs"]);
}

#[test]
fn bad_bundles_are_refused_with_a_line() {
    refused(&["bench", "no/such/bundle"], 1, &["no/such/bundle", "expected", "got", ";"]);
    let good = copy_of_fashion();
    let toml = fs::read_to_string(good.path().join("bundle.toml")).unwrap();
    let cases: [(&str, &str, &[&str]); 8] = [
        ("format = 1", "format = ", &["bundle.toml:2"]),
        ("[input]", "colour = 3\n[input]", &["bundle.toml", "colour"]),
        (
            "size = [28, 28]",
            "size = [28, 29]",
            &["candidate nano", "expected [1, 1, 29, 28]", "[1, 1, 28, 28] in the network", "size"],
        ),
        ("labels = \"labels.txt\"", "labels = \"names.txt\"", &["names.txt", "expected"]),
        ("onnx = \"nano.onnx\"", "onnx = \"none.onnx\"", &["none.onnx", "expected"]),
        ("output = \"logits\"", "output = \"scores\"", &["candidate nano", "an output named 'scores'", "logits"]),
        ("premodel = \"premodel.json\"", "premodel = \"none.json\"", &["none.json", "expected"]),
        ("images = \"t10k-images", "images = \"x10k-images", &["x10k-images", "expected"]),
    ];
    let path = good.path().join("bundle.toml");
    for (from, to, parts) in cases {
        assert!(toml.contains(from), "{from}");
        fs::write(&path, toml.replacen(from, to, 1)).unwrap();
        refused(&["bench", path_str(good.path())], 1, parts);
    }
    fs::write(&path, &toml).unwrap();
    let labels = good.path().join("labels.txt");
    let names = fs::read_to_string(&labels).unwrap();
    fs::write(&labels, names.replace("Trouser\n", "")).unwrap();
    refused(&["bench", path_str(good.path())], 1, &["labels", "expected", "9"]);
    fs::write(&labels, names).unwrap();

    let onnx = good.path().join("nano.onnx");
    let bytes = fs::read(&onnx).unwrap();
    for keep in [0, 1, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&onnx, &bytes[..keep]).unwrap();
        refused(&["bench", path_str(good.path())], 1, &["nano", "expected"]);
    }
    // A profile that could not start must not have written anything.
    let out = good.path().join("out.csv");
    refused(&["profile", path_str(good.path()), "-o", path_str(&out)], 1, &["nano"]);
    assert!(!out.exists());
    fs::write(&onnx, bytes).unwrap();
    let file = good.path().join("bundle.toml");
    refused(&["inspect", path_str(&file)], 1, &["bundle.toml"]);
}

#[test]
fn bad_premodels_are_refused_with_a_line() {
    let good = copy_of_fashion();
    let path = good.path().join("premodel.json");
    // One program alone, which is version 1 of the file.
    let shipped = Premodel::from_json(&fs::read_to_string(&path).unwrap()).unwrap();
    let alone = Alternative::new(shipped.program().nodes().to_vec());
    let premodel = shipped.with_programs(vec![alone], 0).unwrap();
    let premodel: Value = serde_json::from_str(&premodel.to_json()).unwrap();
    assert_eq!(premodel["version"], 1);
    let write = |program: Value, signals: Value| {
        let mut changed = premodel.clone();
        changed["program"] = program;
        changed["signals"] = signals;
        fs::write(&path, changed.to_string()).unwrap();
    };
    let refused_with = |parts: &[&str]| {
        refused(&["bench", path_str(good.path())], 1, parts);
        refused(&["inspect", path_str(good.path())], 1, parts);
    };
    let (run, answer) = (serde_json::json!({"run": "nano", "next": 1}), serde_json::json!({"answer": "nano"}));
    let test = |threshold: Value, then: u32| serde_json::json!({"test": "large.margin", "threshold": threshold, "then": then, "else": 3});
    let signals = serde_json::json!(["large.margin"]);
    let half = serde_json::json!(0.5);
    let program = |nodes: &[&Value]| Value::Array(nodes.iter().map(|n| (*n).clone()).collect());

    write(program(&[&run, &test(half.clone(), 2), &answer, &answer]), signals.clone());
    refused_with(&["premodel.json", "node 1", "read after candidates"]);
    write(program(&[&run, &serde_json::json!({"run": "tiny", "next": 0})]), signals.clone());
    refused_with(&["premodel.json", "node 1", "a cycle"]);
    write(program(&[&run, &serde_json::json!({"run": "nano", "next": 2}), &answer]), signals.clone());
    refused_with(&["premodel.json", "node 1", "run once"]);
    write(program(&[&serde_json::json!({"run": "nano", "next": 9}), &answer]), signals.clone());
    refused_with(&["premodel.json", "node 0", "within the program"]);
    let own = serde_json::json!(["nano.margin"]);
    let nan = serde_json::json!({"test": "nano.margin", "threshold": "NaN", "then": 2, "else": 3});
    write(program(&[&run, &nan, &answer, &answer]), own);
    refused_with(&["premodel.json", "expected"]);
    let text = fs::read_to_string(format!("{FASHION}/premodel.json")).unwrap();
    fs::write(&path, text.replacen("\"threshold\": ", "\"threshold\": NaN, \"x\": ", 1)).unwrap();
    refused_with(&["premodel.json", "expected its JSON form"]);
    fs::write(&path, &text[..text.len() / 2]).unwrap();
    refused_with(&["premodel.json", "expected its JSON form"]);
}

#[test]
fn bad_profiles_are_refused_with_a_line_and_write_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("p.csv"), dir.path().join("premodel.json"));
    let good = "input,a.reward,a.cost_ns,b.reward,b.cost_ns\nx,1,10,0,20\ny,0,10,1,20\n";
    let cases: [(String, &[&str]); 4] = [
        (good.replace(",b.cost_ns", ",b.cost"), &["line 1", "expected a column 'b.cost_ns', got none"]),
        (good.replace("x,1,10", "x,NaN,10"), &["line 2", "column 'a.reward'", "got 'NaN'"]),
        (format!("{good}z,1,10"), &["line 4", "expected 5 fields, got 3"]),
        (format!("{good}z,1,10,1,2"), &["line 4", "cut short"]),
    ];
    for (text, parts) in cases {
        fs::write(&file, text).unwrap();
        refused(&["train", path_str(&file)], 1, parts);
        assert!(!out.exists());
    }
    refused(&["train", path_str(&dir.path().join("none.csv"))], 1, &["none.csv", "expected a profile"]);
    fs::write(&file, good).unwrap();
    refused(&["train", path_str(&file)], 1, &["folds"]);
    refused(&["train", path_str(&file), "--at-least", "93"], 2, &["best-single"]);
    refused(&["bench", FASHION, "--engine", "tensorflow"], 2, &["tensorflow", "expected one of"]);
    refused(&["profile", FASHION, "--shard", "4/4"], 2, &["i/n"]);
    // A file that is not a profile is never overwritten, whatever it ends with.
    for precious in ["precious\n", "precious", "# trt-select profile of mine"] {
        fs::write(&file, precious).unwrap();
        let parts = ["p.csv", "expected a profile of these networks", "another file"];
        refused(&["profile", FASHION, "-o", path_str(&file)], 1, &parts);
        assert_eq!(fs::read_to_string(&file).unwrap(), precious);
    }
}

#[test]
fn outputs_spare_what_is_not_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (profile, out, neighbour) = (at("p.csv"), at("m.json"), at("m.part"));
    ok(&["profile", FASHION, "-o", path_str(&profile), "--limit", "50"]);
    let rows = fs::read(&profile).unwrap();
    refused(&["train", path_str(&profile), "-o", path_str(&profile)], 2, &["p.csv", "choose another with -o"]);
    assert_eq!(fs::read(&profile).unwrap(), rows);
    fs::write(&neighbour, "mine").unwrap();
    ok(&["train", path_str(&profile), "-o", path_str(&out)]);
    assert_eq!(fs::read_to_string(&neighbour).unwrap(), "mine");
    refused(&["train", path_str(&profile), "-o", path_str(dir.path())], 1, &["expected a file that can be written"]);
    refused(&["train", path_str(&profile), "-o", path_str(&at("no/such/m.json"))], 1, &["no/such", "written"]);
    refused(&["train", path_str(&profile), "--judge", path_str(&profile)], 2, &["one of them"]);
    let count = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(count, 4, "nothing is left beside the three files and the profile's side file");
    #[cfg(unix)]
    {
        refused(&["profile", FASHION, "-o", "/dev/null"], 2, &["/dev/null", "a device or a pipe"]);
        ok(&["train", path_str(&profile), "-o", "/dev/null"]);
        let link = at("link.json");
        std::os::unix::fs::symlink(&out, &link).unwrap();
        ok(&["train", path_str(&profile), "-o", path_str(&link), "--at-most-ms", "1e6"]);
        assert!(fs::symlink_metadata(&link).unwrap().file_type().is_symlink());
    }
    // Rows of another kind are not added to a profile.
    let images = format!("{FASHION}/t10k-images-idx3-ubyte.gz");
    refused(&["profile", FASHION, "-o", path_str(&profile), "--images", &images], 1, &["p.csv", "another file"]);
}

#[test]
fn numbers_without_sense_are_usage_errors() {
    for args in [
        &["bench", FASHION, "--duration", "1e30"][..],
        &["bench", FASHION, "--warm-up", "-1"],
        &["bench", FASHION, "--iterations", "4294967295"],
        &["bench", FASHION, "--percentile", "0"],
        &["profile", FASHION, "--limit", "0"],
        &["profile", FASHION, "--jobs", "0"],
        &["train", "p.csv", "--lambda=-1"],
        &["train", "p.csv", "--lambda", "inf"],
        &["train", "p.csv", "--margin", "NaN"],
        &["train", "p.csv", "--at-most-ms", "NaN"],
        &["train", "p.csv", "--theta", "2"],
        &["train", "p.csv", "--significance", "NaN"],
        &["train", "p.csv", "--folds", "1"],
        &["run", FASHION],
        &["inspect"],
        &["paint"],
    ] {
        refused(args, 2, &["see --help"]);
    }
}

#[test]
fn a_premodel_of_another_machine_warns_or_is_refused() {
    let copy = copy_of_fashion();
    let path: PathBuf = copy.path().join("premodel.json");
    let mut premodel: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    premodel["trained_for"]["engine"] = "abacus 1".into();
    fs::write(&path, premodel.to_string()).unwrap();
    let out = run(&["bench", path_str(copy.path()), "--iterations", "10"]);
    assert!(out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("engine 'abacus 1', got 'tract"));
    refused(&["bench", path_str(copy.path()), "--strict"], 1, &["abacus 1", "train anew"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child =
        command(&["inspect", FASHION, "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert!(child.wait().unwrap().success(), "{stderr}");
}

/// A bundle with a candidate's name that is no key: wherever names are keys, the check of keys shows it.
#[test]
fn json_keys_are_in_snake_case() {
    let copy = copy_of_fashion();
    let at = |name: &str| path_str(&copy.path().join(name)).to_owned();
    let text = fs::read_to_string(at("bundle.toml")).unwrap();
    fs::write(at("bundle.toml"), text.replace("name = \"nano\"", "name = \"Na-No\"")).unwrap();
    let image = at("black.pgm");
    fs::write(&image, [b"P5 28 28 255\n".to_vec(), vec![0; 28 * 28]].concat()).unwrap();
    let (bundle, profile, times) = (path_str(copy.path()), at("p.csv"), at("times.json"));
    let premodel = at("premodel.json");
    for args in [
        &["profile", bundle, "-o", &profile, "--limit", "120"][..],
        &["train", &profile, "-o", &premodel, "--folds", "3", "--nested", "3"],
        &["inspect", bundle],
        &["memory", bundle],
        &["run", bundle, &image],
        &["bench", bundle, "--iterations", "50", "--export-times", &times],
        &["bench", bundle, "--iterations", "50", "--jitter"],
        &["study", &profile, "-o", &at("study"), "--folds", "3", "--features", "contrast"],
    ] {
        let json = json_keys::parse(&ok(&[args, &["--json"]].concat()));
        let named = ["profile", "run"].contains(&args[0]) || args.contains(&"--jitter");
        assert!(named || json.to_string().contains("\"Na-No\""), "{args:?}: {json}");
    }
    for written in [premodel, times] {
        assert!(json_keys::parse(&fs::read_to_string(written).unwrap()).to_string().contains("\"Na-No\""));
    }
}

#[test]
fn options_are_in_kebab_case_and_taken_as_trtexec_spells_them() {
    let dir = tempfile::tempdir().unwrap();
    let times = dir.path().join("t.json");
    let bench = ["bench", FASHION, "--engine", "null", "--iterations", "20"];
    for [kebab, trtexec, value] in [
        ["--warm-up", "--warmUp", "1"],
        ["--idle-time", "--idleTime", "0.01"],
        ["--export-times", "--exportTimes", path_str(&times)],
        ["--use-cuda-graph", "--useCudaGraph", ""],
        ["--no-cuda-graph", "--noCudaGraph", ""],
        ["--frame-memory", "--frameMemory", "mapped"],
        ["--max-resident", "--maxResident", "64"],
        ["--keep-plans", "--keepPlans", ""],
    ] {
        for option in [kebab, trtexec] {
            let value: &[&str] = if value.is_empty() { &[] } else { &[value] };
            ok(&[&bench[..], &[option], value].concat());
            // Both are the same option: it cannot be given twice, and what is said of it is in kebab-case.
            let twice = [&bench[..], &[kebab], value, &[option], value].concat();
            refused(&twice, 2, &[kebab, "cannot be used multiple times"]);
        }
        if value == "1" || value == "0.01" {
            ok(&[&bench[..], &[&format!("{trtexec}={value}")]].concat());
        }
    }
    assert!(times.is_file());
    refused(&["bench", FASHION, "--useCudaGraph", "--noCudaGraph"], 2, &["--use-cuda-graph", "--no-cuda-graph"]);
    for command in ["bench", "profile", "train", "study", "build", "compile", "run", "memory", "inspect"] {
        for help in ["-h", "--help"] {
            let text = ok(&[command, help]);
            let options =
                text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|w| w.starts_with("--"));
            for option in options {
                assert!(!option.bytes().any(|b| b.is_ascii_uppercase()), "{command} {help}: {option}");
            }
            assert_eq!(text.contains("trtexec's spelling"), text.contains("--keep-plans"), "{command} {help}: {text}");
        }
    }
}

#[test]
fn a_bundle_without_its_premodel_is_told_what_makes_one() {
    let copy = copy_of_fashion();
    let bundle = path_str(copy.path());
    let image = copy.path().join("black.pgm");
    fs::write(&image, [b"P5 28 28 255\n".to_vec(), vec![0; 28 * 28]].concat()).unwrap();
    let commands = "(trt-select profile, then trt-select train)";
    fs::remove_file(copy.path().join("premodel.json")).unwrap();
    for args in [&["bench", bundle][..], &["run", bundle, path_str(&image)], &["inspect", bundle]] {
        refused(args, 1, &["`premodel`: expected a file", "premodel.json; train one", commands]);
    }
    let text = fs::read_to_string(copy.path().join("bundle.toml")).unwrap();
    fs::write(copy.path().join("bundle.toml"), text.replace("premodel = \"premodel.json\"\n", "")).unwrap();
    for args in [&["bench", bundle][..], &["run", bundle, path_str(&image)]] {
        refused(args, 1, &["bundle.toml", "a `premodel`", "train one, and name it", commands]);
    }
    assert!(ok(&["inspect", bundle]).contains("trt-select profile, then trt-select train"));
    // Other errors stay as they are.
    fs::write(copy.path().join("bundle.toml"), text).unwrap();
    fs::write(copy.path().join("premodel.json"), "{}").unwrap();
    let out = run(&["inspect", bundle]);
    assert!(!String::from_utf8_lossy(&out.stderr).contains("trt-select profile"), "{out:?}");
}

/// The kinds of the warnings in the JSON that a command prints; each is one line on stderr, too.
#[track_caller]
fn warnings(args: &[&str]) -> Vec<String> {
    let out = run(args);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{args:?}: {stderr}");
    let json = json_keys::parse(&String::from_utf8(out.stdout).unwrap());
    let found = json["warnings"].as_array().unwrap();
    for warning in found {
        let text = warning["text"].as_str().unwrap();
        let lines = stderr.lines().filter(|line| line.starts_with("[WARN") && line.ends_with(text));
        assert!(text.contains(": expected ") && lines.count() == 1, "{text}: {stderr}");
    }
    found.iter().map(|warning| warning["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn inputs_and_networks_of_the_training_are_told() {
    let image = tempfile::tempdir().unwrap();
    let image = image.path().join("grey.pgm");
    fs::write(&image, [b"P5 28 28 255\n".to_vec(), vec![90; 28 * 28]].concat()).unwrap();
    // The bundle as it is: other inputs, the same networks.
    assert!(warnings(&["bench", FASHION, "--iterations", "20", "--json"]).is_empty());
    assert!(warnings(&["inspect", FASHION, "--json"]).is_empty());
    assert!(warnings(&["run", FASHION, path_str(&image), "--json"]).is_empty());

    let copy = copy_of_fashion();
    let bundle = path_str(copy.path());
    let at = |name: &str| copy.path().join(name);
    let (profile, premodel) = (at("profile.csv"), at("premodel.json"));
    ok(&["profile", bundle, "--engine", "null", "-o", path_str(&profile), "--limit", "30", "--top-k", "0"]);
    ok(&["train", path_str(&profile), "-o", path_str(&premodel)]);
    let bench =
        |more: &[&str]| warnings(&[&["bench", bundle, "--engine", "null", "--json", "--warm-up", "1"], more].concat());
    assert_eq!(bench(&["--iterations", "50"]), ["seen_inputs"]);
    let out = run(&["bench", bundle, "--engine", "null", "--iterations", "20", "--warm-up", "1"]);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(stderr.contains("got 20 of 20 that it saw;"), "{stderr}");
    let list = at("list.csv");
    fs::write(&list, format!("image,label\n{},\n", path_str(&image))).unwrap();
    assert!(bench(&["--list", path_str(&list)]).is_empty(), "an input that training did not see");
    // Other samples whose names and labels are in the profile may be the same.
    let text = fs::read_to_string(&profile).unwrap();
    let renamed = text.replace("\"t10k-images-idx3-ubyte#0\",9,", &format!("{},,", path_str(&image)));
    assert_ne!(renamed, text);
    fs::write(&profile, renamed).unwrap();
    assert!(bench(&["--list", path_str(&list)]).is_empty(), "the profile beside it is another one by now");
    ok(&["train", path_str(&profile), "-o", path_str(&premodel)]);
    let out = run(&["bench", bundle, "--engine", "null", "--list", path_str(&list), "--warm-up", "1"]);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(stderr.contains("got 1 of 1 with names and labels of inputs that it saw; if they are"), "{stderr}");

    // A network that was exchanged since. (The null engine does not open it.)
    let mut network = fs::read(at("nano.onnx")).unwrap();
    network.push(0);
    fs::write(at("nano.onnx"), network).unwrap();
    assert_eq!(bench(&["--list", path_str(&list)]), ["other_networks", "seen_inputs"]);
    assert_eq!(warnings(&["inspect", bundle, "--json"]), ["other_networks"]);
    assert_eq!(warnings(&["run", bundle, path_str(&image), "--engine", "null", "--json"]), ["other_networks"]);
    // A machine that has plans alone cannot tell.
    let toml = fs::read_to_string(at("bundle.toml")).unwrap().replace("onnx = \"nano.onnx\"\n", "");
    fs::write(at("bundle.toml"), toml).unwrap();
    fs::rename(at("nano.onnx"), at("nano.plan")).unwrap();
    assert!(warnings(&["inspect", bundle, "--json"]).is_empty());
}
