//! The shim against real libraries of TensorRT, as far as that goes without a GPU. `engines/get-tensorrt.sh` brings them
//! (`--all` for the older ones); what is not there is skipped, with the reason.
#![cfg(feature = "tensorrt")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use trt_select_engines::tensorrt::{BuildOptions, Edition, Library, Progress, Runtime, build_plan_with, lines};
use trt_select_engines::{Error, ErrorKind};

/// Messages as they came: level and text.
static LOGGED: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

struct Collector;

impl log::Log for Collector {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target() == "tensorrt" {
            LOGGED.lock().expect("no test panics here").push((record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

fn collect_messages() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        log::set_logger(&Collector).expect("the only logger");
        log::set_max_level(log::LevelFilter::Trace);
    });
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_path_buf()
}

/// A library that was brought, if this build has a line for it.
fn brought(file: &str, edition: Edition, major: u32) -> Option<Arc<Library>> {
    collect_messages();
    let path = root().join("target/tensorrt/lib").join(file);
    if !path.exists() {
        eprintln!("skipped: {file} was not brought (engines/get-tensorrt.sh --all)");
        return None;
    }
    if !lines().iter().any(|l| l.edition == edition && l.header_version.major == major) {
        eprintln!("skipped: {file}: this build has no line for {edition} {major} (TENSORRT_INCLUDE_DIR)");
        return None;
    }
    match Library::open_path(&path) {
        Ok(library) => Some(library),
        // 8.4 loads cuDNN and cuBLAS by name.
        Err(e) if e.to_string().contains("cannot open shared object file") => {
            eprintln!("skipped: {e}; set LD_LIBRARY_PATH to its folder");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

fn rtx() -> Option<Arc<Library>> {
    brought("rtx/libtensorrt_rtx.so.1", Edition::Rtx, 1)
}

fn model(name: &str) -> PathBuf {
    root().join("engines/tests/models").join(name)
}

fn fashion(name: &str) -> PathBuf {
    root().join("plans/fashion").join(name)
}

fn sm_80() -> BuildOptions {
    BuildOptions::default().target(Some((8, 0)))
}

fn one_line(error: &Error) -> String {
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

fn has_driver() -> bool {
    Path::new("/proc/driver/nvidia/version").exists() || Path::new("/dev/nvidiactl").exists()
}

fn refuses_garbage(library: &Arc<Library>) {
    eprintln!("{library}");
    let runtime = match Runtime::new(library, None) {
        Ok(runtime) => runtime,
        Err(e) if !has_driver() => {
            // Older versions look for a GPU at once.
            eprintln!("{}", one_line(&e));
            assert_eq!(e.kind(), ErrorKind::DriverMissing, "{e}");
            return;
        }
        Err(e) => panic!("{e}"),
    };
    assert!(!runtime.counts_memory());
    let garbage: Vec<u8> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut wrong_version = garbage.clone();
    wrong_version[..8].copy_from_slice(&[0x66, 0x74, 0x72, 0x74, 0, 0, 0, 0]);
    for (what, plan) in
        [("garbage", &garbage[..]), ("a header", &wrong_version[..]), ("a few bytes", &garbage[..7]), ("nothing", &[])]
    {
        let error = runtime.deserialize(plan, what).expect_err(what);
        let text = one_line(&error);
        eprintln!("  {text}");
        assert!(text.starts_with(&format!("{what}: {} refused the plan (", library.name())), "{text}");
        assert!(!text.contains("gave no reason"), "{text}");
        assert!(matches!(error.kind(), ErrorKind::Plan | ErrorKind::DriverMissing), "{:?} {text}", error.kind());
    }
}

#[test]
fn every_real_library_tells_its_version_and_refuses_garbage() {
    for (file, edition, major, version, runtime_only) in [
        ("rtx/libtensorrt_rtx.so.1", Edition::Rtx, 1, "1.7.1.116", false),
        ("lean/libnvinfer_lean.so.11", Edition::Enterprise, 11, "11.4.0.106", true),
        ("8.4/libnvinfer.so.8", Edition::Enterprise, 8, "8.4.1", false),
    ] {
        let Some(library) = brought(file, edition, major) else { continue };
        assert_eq!(library.version().to_string(), version);
        assert_eq!((library.edition(), library.is_runtime_only()), (edition, runtime_only));
        assert!(library.path().ends_with(file), "{}", library.path().display());
        refuses_garbage(&library);
    }
}

#[test]
fn onnx_becomes_a_plan_without_a_gpu_and_loading_it_names_the_missing_driver() {
    let Some(library) = rtx() else { return };
    let runtime = Runtime::new(&library, None).expect("a runtime needs no GPU");
    for file in ["nano.onnx", "tiny.onnx", "small.onnx", "large.onnx"] {
        let mut events = Vec::new();
        let onnx = fashion(file);
        let plan = build_plan_with(&library, &onnx, &sm_80(), &mut |p| events.push(p.clone())).expect(file);
        eprintln!("{file}: {} bytes, {} events of progress", plan.len(), events.len());
        assert_eq!(plan[..4], *b"vtrt", "{file}: the magic of RTX's plans");
        assert_eq!((plan.version(), plan.edition()), (library.version(), Edition::Rtx));
        let started = events.iter().filter(|e| matches!(e, Progress::PhaseStarted { .. })).count();
        let finished = events.iter().filter(|e| matches!(e, Progress::PhaseFinished { .. })).count();
        assert!(started > 0 && started == finished, "{file}: {started} phases began, {finished} ended");
        if has_driver() {
            continue;
        }
        let error = runtime.deserialize(&plan, file).expect_err("there is no driver");
        let text = one_line(&error);
        eprintln!("{text}");
        assert_eq!(error.kind(), ErrorKind::DriverMissing, "{text}");
        assert!(text.contains("no NVIDIA driver was found"), "{text}");
        assert!(text.contains("35"), "TensorRT's own words: {text}");
    }
}

#[test]
fn a_batch_left_open_becomes_one_and_other_extents_are_refused() {
    let Some(library) = rtx() else { return };
    for (file, kind, word) in [
        ("batch_named.onnx", None, ""),
        ("batch_unnamed.onnx", None, ""),
        ("two_in_two_out.onnx", None, ""),
        ("spatial_open.onnx", Some(ErrorKind::Shape), "open"),
        ("unknown_operator.onnx", Some(ErrorKind::Model), "does not understand the model"),
        ("no_such_file.onnx", Some(ErrorKind::Io), "cannot be read"),
        ("make.py", Some(ErrorKind::Model), "does not understand the model"),
    ] {
        let result = build_plan_with(&library, &model(file), &sm_80(), &mut |_| ());
        match (result, kind) {
            (Ok(plan), None) => assert!(plan.len() > 1000, "{file}"),
            (Err(error), Some(kind)) => {
                let text = one_line(&error);
                eprintln!("{text}");
                assert_eq!(error.kind(), kind, "{text}");
                assert!(text.contains(file) && text.contains(word), "{text}");
                assert!(!text.ends_with("()"), "a reason is told: {text}");
            }
            (got, expected) => panic!("{file}: expected {expected:?}, got {got:?}"),
        }
    }
}

#[test]
fn what_the_version_cannot_build_is_said_before_it_tries() {
    let Some(library) = rtx() else { return };
    let onnx = fashion("nano.onnx");
    let refused = |options: BuildOptions| {
        let error = build_plan_with(&library, &onnx, &options, &mut |_| ()).expect_err("refused");
        eprintln!("{error}");
        (error.kind(), one_line(&error))
    };
    let (kind, text) = refused(sm_80().fp16(true));
    assert_eq!(kind, ErrorKind::Unsupported, "{text}");
    for part in ["no such builder flag", "an ONNX model of half precision"] {
        assert!(text.contains(part), "{text}");
    }
    for target in [(8, 7), (9, 0), (12, 34), (4, 2)] {
        let (kind, text) = refused(BuildOptions::default().target(Some(target)));
        assert_eq!(kind, ErrorKind::Unsupported, "{text}");
        assert!(text.contains("target"), "{text}");
    }
    if !has_driver() {
        let (kind, text) = refused(BuildOptions::default());
        assert_eq!(kind, ErrorKind::DriverMissing, "{text}");
        // The driver is asked before the library is.
        assert!(text.contains("NVIDIA driver: expected libcuda.so.1"), "{text}");
    }
    let workspace = sm_80().workspace_bytes(Some(64 << 20));
    build_plan_with(&library, &onnx, &workspace, &mut |_| ()).expect("a limit that suffices");
}

#[test]
fn a_library_that_only_runs_plans_does_not_build() {
    let Some(library) = brought("lean/libnvinfer_lean.so.11", Edition::Enterprise, 11) else { return };
    let error = build_plan_with(&library, &fashion("nano.onnx"), &BuildOptions::default(), &mut |_| ());
    let error = error.expect_err("there is no builder in it");
    assert_eq!(error.kind(), ErrorKind::LibraryMissing, "{error}");
    assert!(one_line(&error).contains("only runs them"), "{error}");
}

/// An error carries what TensorRT said to its own call, whatever other threads are told meanwhile.
#[test]
fn messages_of_two_threads_do_not_mix() {
    let Some(library) = rtx() else { return };
    let barrier = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        for kind in [ErrorKind::Io, ErrorKind::Plan] {
            let (barrier, library) = (&barrier, &library);
            scope.spawn(move || {
                let runtime = Runtime::new(library, None).expect("a runtime needs no GPU");
                for i in 0..20 {
                    barrier.wait();
                    if kind == ErrorKind::Plan {
                        let text = one_line(&runtime.deserialize(&[7; 64], "garbage").expect_err("garbage"));
                        assert!(!text.contains("no_such_operator") && !text.contains("batch"), "{i}: {text}");
                        assert!(text.starts_with("garbage: "), "{i}: {text}");
                        // One refusal, told as many times as TensorRT tells it to a single thread.
                        assert_eq!(text, one_line(&runtime.deserialize(&[7; 64], "garbage").expect_err("garbage")));
                    } else {
                        let onnx = model("unknown_operator.onnx");
                        let error =
                            build_plan_with(library, &onnx, &sm_80(), &mut |_| ()).expect_err("an unknown operator");
                        assert!(!one_line(&error).to_lowercase().contains("magic"), "{i}: {error}");
                    }
                }
            });
        }
    });
}

#[test]
fn messages_go_to_log_with_their_severity() {
    let Some(library) = rtx() else { return };
    let runtime = Runtime::new(&library, None).expect("a runtime needs no GPU");
    runtime.deserialize(&[9; 100], "garbage").expect_err("garbage");
    let logged = LOGGED.lock().expect("no test panics here").clone();
    let of = |level| logged.iter().filter(|(l, _)| *l == level).count();
    assert!(of(log::Level::Error) > 0, "{logged:?}");
    for (level, text) in &logged {
        assert!(!text.ends_with('\n'), "{level} {text:?}");
    }
}
