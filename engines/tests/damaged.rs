//! Files that are missing, cut off or damaged end in one typed line, never in a panic.

mod support;

use std::path::Path;

use support::{model, onnx_engines};
use trt_select_base::random::Rng;
use trt_select_engines::registry::{self, EngineKind};
use trt_select_engines::{Engine, Error, ErrorKind, OpenOptions};

fn open(kind: EngineKind, path: &Path) -> Result<Box<dyn Engine>, Error> {
    registry::open(kind, path, "candidate", &OpenOptions::default())
}

fn refusal(kind: EngineKind, path: &Path) -> Error {
    let Err(error) = open(kind, path) else { panic!("{kind}: {} was taken", path.display()) };
    let line = error.to_string();
    assert!(line.contains(&path.display().to_string()) && !line.contains('\n'), "{kind}: {line}");
    eprintln!("{kind}: {line}");
    error
}

#[test]
fn what_is_no_model_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        path
    };
    for kind in onnx_engines() {
        assert_eq!(refusal(kind, &folder.path().join("missing.onnx")).kind(), ErrorKind::Io);
        assert_eq!(refusal(kind, folder.path()).kind(), ErrorKind::Io);
        for (name, bytes) in [
            ("empty.onnx", &b""[..]),
            ("text.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 5325116\n"),
            ("zeros.onnx", &[0; 4096]),
            ("ones.onnx", &[0xff; 4096]),
            // A picture's first bytes.
            ("picture.onnx", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0"),
            // A model proto with nothing but its version.
            ("bare.onnx", &[8, 8]),
        ] {
            assert_eq!(refusal(kind, &file(name, bytes)).kind(), ErrorKind::Model, "{kind}: {name}");
        }
    }
}

#[test]
fn cut_off_anywhere_a_model_is_refused() {
    let whole = std::fs::read(model("classifier.onnx")).expect("a model");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cut.onnx");
    for kind in onnx_engines() {
        let mut taken = Vec::new();
        for step in 0..100 {
            let length = whole.len() * step / 100;
            std::fs::write(&path, &whole[..length]).expect("writable");
            match open(kind, &path) {
                Err(error) => assert!(!error.to_string().contains('\n'), "{kind}: {error}"),
                Ok(_) => taken.push(length),
            }
        }
        // Cut at the end of a field, a model can be whole: what follows the graph (its opset) may lack. Nothing else may.
        let graph_end = whole.len() - 16;
        assert!(taken.iter().all(|&length| length >= graph_end), "{kind}: taken though cut at {taken:?}");
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("flipped.onnx");
    let mut rng = Rng::new(1);
    // tract's own panics are expected on this thread, and caught: their backtraces would only bury the result.
    let (usual, here) = (std::panic::take_hook(), std::thread::current().id());
    std::panic::set_hook(Box::new(move |info| {
        let ours = info.location().is_some_and(|l| l.file().ends_with(file!()));
        if std::thread::current().id() != here || ours {
            usual(info);
        }
    }));
    let mut lines = Vec::new();
    for kind in onnx_engines() {
        let (mut taken, mut panics) = (0, 0);
        for name in ["classifier.onnx", "batch_named.onnx", "lstm.onnx"] {
            let whole = std::fs::read(model(name)).expect("a model");
            for _ in 0..100 {
                let mut bytes = whole.clone();
                let at = rng.below(bytes.len());
                bytes[at] ^= 1 << (rng.below(8));
                std::fs::write(&path, &bytes).expect("writable");
                match open(kind, &path) {
                    // A weight or a name was hit: still a model, and it must run.
                    Ok(mut engine) => {
                        taken += 1;
                        let _ = engine.enqueue();
                    }
                    Err(error) => {
                        panics += u32::from(error.to_string().contains("gave up on it"));
                        assert!(!error.to_string().contains('\n'), "{kind}: {error}");
                    }
                }
            }
        }
        lines.push(format!("{kind}: of 300 damaged files {taken} ran, {panics} made the library panic"));
    }
    let _ = std::panic::take_hook();
    eprintln!("{}", lines.join("\n"));
}
