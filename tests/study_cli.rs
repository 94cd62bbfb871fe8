//! Tests the `study` subcommand as a user runs it.
#![cfg(all(feature = "cli", feature = "study"))]

#[path = "common/json_keys.rs"]
mod json_keys;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trt-select"));
    command.args(args).env_remove("RUST_LOG").output().expect("the binary starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[track_caller]
fn ok(args: &[&str]) -> String {
    let out = run(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

/// Runs the command and expects this exit code, one line of error with all of these parts, and nothing on stdout.
#[track_caller]
fn refused(args: &[&str], code: i32, parts: &[&str]) {
    let out = run(args);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
    assert!(out.stdout.is_empty() && stderr.lines().count() == 1 && stderr.starts_with("trt-select: "), "{stderr}");
    assert!(parts.iter().all(|part| stderr.contains(part)), "{args:?}: expected {parts:?} in: {stderr}");
}

/// Writes a profile of 200 rows with two networks, and a feature that tells which of them is right.
fn profile(path: &Path) {
    let mut rows =
        String::from("input,feature.f,features.cost_ns,a.reward,a.cost_ns,a.top1,b.reward,b.cost_ns,b.top1\n");
    for row in 0..200 {
        let f = f64::from(row * 37 % 200) / 200.0;
        let a = u8::from(f < 0.5);
        writeln!(rows, "r{row},{f},1000,{a},1000000,{},{},9000000,0.9", 0.2 + 0.6 * f64::from(a), 1 - a).unwrap();
    }
    fs::write(path, rows).unwrap();
}

#[test]
fn a_profile_is_studied() {
    let dir = tempfile::tempdir().unwrap();
    let (table, out) = (dir.path().join("p.csv"), dir.path().join("new/study"));
    profile(&table);
    let args = ["study", text(&table), "-o", text(&out), "--folds", "4", "--features", "f"];
    let printed = ok(&args);
    assert!(printed.contains("oracle") && printed.contains("study.md"), "{printed}");
    let page = fs::read_to_string(out.join("study.md")).unwrap();
    for name in ["selectors.csv", "classes.csv", "optimal.csv", "fronts.csv", "overhead.csv", "accuracy.svg"] {
        assert!(page.contains(name) && out.join(name).is_file(), "{name}");
    }
    let json = json_keys::parse(&ok(&[&args[..], &["--json"]].concat()));
    let selectors = json["selectors"].as_array().unwrap();
    let named = |name: &str| selectors.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("{name}: {json}"));
    assert_eq!(named("a")["accuracy"]["mean"], 0.5);
    // The feature tells which network is right, so the chain is wrong only near the border between the two.
    assert!(named("chain knn.knn")["accuracy"]["mean"].as_f64().unwrap() > 0.97);
    assert!((named("oracle")["mean_ms"].as_f64().unwrap() - 5.0).abs() < 1e-9);
    // Weights of rows are passed over, which is said.
    let weighted = dir.path().join("weighted.csv");
    let rows = fs::read_to_string(&table).unwrap().replace("input,", "input,weight,").replace("\nr", "\nx");
    let rows: Vec<String> =
        rows.lines().map(|l| if l.starts_with('x') { l.replacen(',', ",2,", 1) } else { l.into() }).collect();
    fs::write(&weighted, rows.join("\n") + "\n").unwrap();
    let out_of = |path: &Path| {
        let args = ["study", text(path), "-o", text(&out), "--folds", "4", "--features", "f"];
        Command::new(env!("CARGO_BIN_EXE_trt-select")).args(args).env_remove("RUST_LOG").output().unwrap()
    };
    let said = out_of(&weighted);
    assert!(said.status.success() && String::from_utf8_lossy(&said.stderr).contains("a column 'weight'"), "{said:?}");
    assert!(!String::from_utf8_lossy(&out_of(&table).stderr).contains("weight"));
    // A folder with a profile.csv counts as a bundle that has been profiled.
    fs::rename(&table, dir.path().join("profile.csv")).unwrap();
    let out = dir.path().join("of_folder");
    ok(&["study", text(dir.path()), "-o", text(&out), "--folds", "4"]);
    assert!(out.join("study.md").is_file() && !out.join("profile.csv").exists());
}

#[test]
fn a_bundle_is_profiled_first() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = "format = 1\nname = \"t\"\n[input]\nkind = \"tensor\"\nshape = [1, 6]\n[samples]\nlist = \"rows.csv\"\n\
                  [[candidate]]\nname = \"a\"\nonnx = \"a.onnx\"\n[[candidate]]\nname = \"b\"\nonnx = \"b.onnx\"\n";
    fs::write(dir.path().join("bundle.toml"), bundle).unwrap();
    for name in ["a.onnx", "b.onnx"] {
        fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/engines/tests/models/identity.onnx"), dir.path().join(name))
            .unwrap();
    }
    // The samples have no labels, since on the engine that runs no network there is only one class.
    let rows: String = (0..40).map(|i| format!("1,2,3,4,5,{i}\n")).collect();
    fs::write(dir.path().join("rows.csv"), format!("p,q,r,s,t,u\n{rows}")).unwrap();
    let out = dir.path().join("out");
    ok(&["study", text(dir.path()), "-o", text(&out), "--folds", "4", "--engine", "null"]);
    let made = fs::read_to_string(out.join("profile.csv")).unwrap();
    assert!(made.lines().filter(|l| !l.starts_with('#')).count() == 41, "{made}");
    assert!(fs::read_to_string(out.join("study.md")).unwrap().contains("no image features"));
}

#[test]
fn what_cannot_be_studied_is_refused_with_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let (table, out) = (dir.path().join("p.csv"), dir.path().join("out"));
    profile(&table);
    let (table, out) = (text(&table), text(&out));
    refused(&["study", table, "-o", out, "--features", "f,hue9"], 1, &["'hue9'", "features"]);
    refused(&["study", table, "-o", out, "--folds", "101"], 1, &["folds", "2 to 100", "got 101"]);
    refused(&["study", table, "-o", out, "--folds", "1"], 2, &["--folds"]);
    refused(&["study", table, "-o", out, "--theta", "2"], 2, &["--theta"]);
    refused(&["study", table], 2, &["--output"]);
    refused(&["study", table, "-o", table], 1, &["p.csv", "-o"]);
    refused(&["study", text(&dir.path().join("none.csv")), "-o", out], 1, &["none.csv", "expected a profile"]);
}
