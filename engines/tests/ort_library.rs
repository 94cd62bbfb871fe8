//! What becomes of ONNX Runtime's library when it is missing, wrong, or chosen twice. Each case is a process of its own,
//! since a process has one ONNX Runtime for life.
#![cfg(feature = "ort")]

mod support;

use std::path::Path;
use std::process::Command;

use support::model;
use trt_select_engines::ort::{self, How};
use trt_select_engines::registry::{self, EngineKind};
use trt_select_engines::{Engine as _, ErrorKind, OpenOptions};

/// Runs one of the tests marked `ignore` below in a process where a variable has this value.
fn in_process(test: &str, variable: &str, value: &Path) {
    let output = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"])
        .env_remove(ort::VARIABLE)
        .env(variable, value)
        .output()
        .expect("it starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{test}: {text}");
    assert!(text.contains("1 passed"), "{test}: {text}");
}

#[test]
fn a_file_that_is_no_library() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let text = folder.path().join("libonnxruntime.so");
    std::fs::write(&text, "not a library").expect("writable");
    in_process("child_without_a_library", ort::VARIABLE, &text);
    in_process("child_without_a_library", ort::VARIABLE, &folder.path().join("missing.so"));
}

#[test]
#[ignore = "started by another test"]
fn child_without_a_library() {
    for _ in 0..2 {
        let find = ort::find().expect_err("no library");
        let resolve = registry::resolve_host(EngineKind::Ort).expect_err("no library");
        let path = model("classifier.onnx");
        let open = ort::OrtEngine::open(&path, &OpenOptions::default()).expect_err("no library");
        for error in [find, resolve, open] {
            assert_eq!(error.kind(), ErrorKind::LibraryMissing);
            assert!(error.to_string().starts_with("ORT_DYLIB_PATH="), "{error}");
        }
    }
    let auto = registry::resolve_host(EngineKind::Auto);
    if cfg!(feature = "tract") {
        let choice = auto.expect("tract");
        assert_eq!(choice.kind, EngineKind::Tract);
        assert!(choice.reason.contains("ORT_DYLIB_PATH="), "{}", choice.reason);
    } else {
        assert_eq!(auto.expect_err("nothing to run it").kind(), ErrorKind::LibraryMissing);
    }
}

#[test]
fn the_first_choice_stays() {
    let found = match ort::find() {
        Ok(found) => found,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    assert!(found.path.is_absolute() || !cfg!(target_os = "linux"), "{found}");
    in_process("child_with_a_library", ort::VARIABLE, &found.path);
}

#[test]
#[ignore = "started by another test"]
fn child_with_a_library() {
    let found = ort::find().expect("the library that the variable names");
    assert_eq!(found.how, How::Variable);
    assert_eq!(ort::find().as_ref(), Ok(&found));
    let choice = registry::resolve_host(EngineKind::Auto).expect("ort");
    assert_eq!(choice.kind, EngineKind::Ort);
    assert!(choice.reason.contains(&found.version) && choice.reason.contains("ORT_DYLIB_PATH"), "{}", choice.reason);

    // Many threads at once, each the first: one loads, all run.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let path = model("classifier.onnx");
                let mut engine = ort::OrtEngine::open(&path, &OpenOptions::default()).expect("a model to run");
                engine.enqueue().expect("it runs");
                assert_eq!(engine.description().version, format!("onnxruntime {}", found.version));
            });
        }
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_loader_knows_it_before_python_does() {
    let found = match ort::find() {
        Ok(found) => found,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::symlink(&found.path, folder.path().join("libonnxruntime.so.1")).expect("a link");
    in_process("child_on_the_library_path", "LD_LIBRARY_PATH", folder.path());
}

#[test]
#[ignore = "started by another test"]
fn child_on_the_library_path() {
    let found = ort::find().expect("the library in the folder");
    assert_eq!(found.how, How::System);
    assert!(found.path.is_absolute(), "the file behind the name is told: {found}");
    let path = model("classifier.onnx");
    ort::OrtEngine::open(&path, &OpenOptions::default()).expect("a model to run");
}
