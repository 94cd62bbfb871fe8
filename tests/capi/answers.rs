//! Programs in Rust, C and C++ get the same answers, and the calls that give them allocate nothing on the heap: on the null
//! engine, and on the double of TensorRT.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use trt_select::bundle::Bundle;
use trt_select::engines::registry::EngineKind;
use trt_select::premodel::Answer;
use trt_select::{OpenConfig, Selector};
use trt_select_base::random::Rng;

use super::doubles::with_doubles;
use super::frames::Picture;
use super::library::{Compiler, archive, client, compilers, has, run};
use super::write_null_bundle;

/// `TRTSEL_ENGINE_NULL`, as an argument of the clients.
const NULL: &str = "4";
/// `TRTSEL_ENGINE_TENSORRT`, as an argument of the clients.
const TENSORRT: &str = "1";

fn pictures(count: usize) -> Vec<Picture> {
    let mut random = Rng::new(6);
    (0..count).map(|n| Picture::random(&mut random, n % 40)).collect()
}

/// Writes pictures to a file in the form that `clients/frames.h` reads.
fn write_frames(path: &Path, pictures: &[Picture]) {
    let mut bytes = Vec::new();
    for picture in pictures {
        let frame = picture.frame();
        let d = frame.desc();
        let head = [d.format, d.width_px, d.height_px, d.matrix, d.range, 0, 0, 0];
        let sizes = [d.stride0_bytes, d.stride1_bytes, frame.pixels().len() as u64, frame.chroma().len() as u64];
        head.iter().for_each(|n| bytes.extend(n.to_ne_bytes()));
        sizes.iter().for_each(|n| bytes.extend(n.to_ne_bytes()));
        bytes.extend_from_slice(frame.pixels());
        bytes.extend_from_slice(frame.chroma());
    }
    std::fs::write(path, bytes).expect("written");
}

/// The lines that the clients must print, made with the Rust API.
fn in_rust(bundle: &Path, kind: EngineKind, pictures: &[Picture]) -> String {
    let bundle = Bundle::read(bundle).expect("a bundle");
    let config = OpenConfig::new(kind);
    let (mut selector, _) = Selector::open(&bundle, &config).expect("open");
    let slot = selector.signal_slot("speed");
    let mut text = String::new();
    let mut nodes = std::collections::HashSet::new();
    for (i, picture) in pictures.iter().enumerate() {
        if let Some(slot) = slot {
            selector.set_signal(slot, (i % 7) as f32);
        }
        let o = selector.infer(picture.frame()).expect("answered");
        nodes.insert(o.node);
        let (candidate, mask) = match o.answer {
            Answer::Candidate(c) => (u32::from(c.0), 1 << c.0),
            Answer::Average(mask) => (u32::MAX, mask.0),
        };
        let hash = selector.probabilities().iter().fold(14_695_981_039_346_656_037_u64, |hash, p| {
            (hash ^ u64::from(p.to_bits())).wrapping_mul(1_099_511_628_211)
        });
        let flags = u32::from(candidate == u32::MAX);
        writeln!(
            text,
            "{i}: class {} {:08x} candidate {candidate} answer {mask:x} ran {:x} failed {:x} node {} flags {flags} p {hash:016x}",
            o.class,
            o.probability.to_bits(),
            o.ran.0,
            o.failed.0,
            o.node
        )
        .expect("written");
    }
    assert!(nodes.len() >= 3, "the program's ends that were met: {nodes:?}");
    text
}

/// Keeps a bundle with its frames and the expected lines for tests/aarch64/run-capi, which repeats the test on another
/// architecture.
fn keep(name: &str, bundle: &Path, expected: &str) {
    let to = super::library::target().join("cases").join(name);
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    run(Command::new("cp").arg("-r").arg(bundle).arg(&to).env_remove("LD_PRELOAD"));
    std::fs::write(to.join("expected"), expected).expect("written");
}

/// The client in C, in C++ without exceptions, and in C++ with exceptions.
fn programs(compiler: &Compiler) -> [PathBuf; 3] {
    [
        compiler.program(&client("answers.c"), &archive(), &[]),
        compiler.program(&client("answers.cpp"), &archive(), &["-fno-exceptions", "-fno-rtti"]),
        compiler.program(&client("answers.cpp"), &archive(), &["-DTRTSEL_EXCEPTIONS"]),
    ]
}

/// Runs every client, and compares the lines that it prints with those expected. Where `variables` preload the counter of
/// allocations, also checks that it counted none.
fn compare(bundle: &Path, engine: &str, expected: &str, frames: &Path, rounds: usize, variables: &[(&str, &str)]) {
    for compiler in compilers() {
        for program in programs(&compiler) {
            let mut command = Command::new(&program);
            command.arg(bundle).arg(engine).arg(frames).arg(rounds.to_string());
            command.env_remove("LD_PRELOAD").envs(variables.iter().copied());
            let output = command.output().expect("it runs");
            let notes = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{program:?}: {}\n{notes}", output.status);
            let got = String::from_utf8_lossy(&output.stdout);
            for (ours, theirs) in expected.lines().zip(got.lines()) {
                assert_eq!(ours, theirs, "{program:?}");
            }
            assert_eq!(expected.lines().count(), got.lines().count(), "{program:?}");
            let inputs = rounds * expected.lines().count();
            println!("{} inputs alike; {}", expected.lines().count(), notes.trim());
            if variables.iter().any(|(variable, _)| *variable == "LD_PRELOAD") {
                let none = format!("allocations: counted 0 in {inputs} inputs");
                assert!(notes.contains(&none), "{program:?}: {notes}");
            }
        }
    }
}

/// Builds the library that counts allocations when it is preloaded, if this machine has a C compiler, and returns its path.
pub(crate) fn counter() -> Option<String> {
    if !has("gcc") {
        println!("skipped: no gcc, so allocations are not counted");
        return None;
    }
    let out = super::library::target().join("libcountmalloc.so");
    std::fs::create_dir_all(super::library::target()).expect("a folder");
    let source = super::library::root().join("tests/doubles/libcuda/count_malloc.c");
    run(Command::new("gcc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&out).arg(source));
    Some(out.to_str().expect("a path").to_owned())
}

#[test]
fn a_thousand_inputs_on_the_null_engine() {
    let dir = tempfile::tempdir().expect("a folder");
    write_null_bundle(dir.path());
    let pictures = pictures(1000);
    let frames = dir.path().join("frames");
    write_frames(&frames, &pictures);
    let expected = in_rust(dir.path(), EngineKind::Null, &pictures);
    keep("null", dir.path(), &expected);
    let counter = counter();
    let variables: Vec<(&str, &str)> = counter.iter().map(|path| ("LD_PRELOAD", path.as_str())).collect();
    compare(dir.path(), NULL, &expected, &frames, 2, &variables);
}

#[test]
fn a_thousand_inputs_on_the_double_of_tensorrt() {
    let name = "answers::a_thousand_inputs_on_the_double_of_tensorrt";
    with_doubles(name, &[], |doubles| {
        let pictures = pictures(1000);
        let frames = doubles.bundle.join("frames");
        write_frames(&frames, &pictures);
        let expected = in_rust(&doubles.bundle, EngineKind::Tensorrt, &pictures);
        keep("doubles", &doubles.bundle, &expected);
        let counter = counter();
        // This process was started with the doubles' paths; the clients inherit them.
        let variables: Vec<(&str, &str)> = counter.iter().map(|path| ("LD_PRELOAD", path.as_str())).collect();
        compare(&doubles.bundle, TENSORRT, &expected, &frames, 2, &variables);
    });
}

#[test]
fn device_frames_on_the_double_of_tensorrt() {
    let name = "answers::device_frames_on_the_double_of_tensorrt";
    with_doubles(name, &[], |doubles| {
        let frames = doubles.bundle.join("frames");
        write_frames(&frames, &pictures(60));
        for compiler in compilers() {
            let program = compiler.program(&client("device.c"), &archive(), &[]);
            let text = run(Command::new(program).arg(&doubles.bundle).arg(&frames).env_remove("LD_PRELOAD"));
            assert!(text.contains("device: passed"), "{text}");
        }
    });
}
