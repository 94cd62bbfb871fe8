//! The objects of the shim's lines do not share a symbol: the linker would take it from one of them, and the other would
//! call the wrong slots.
#![cfg(feature = "tensorrt")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Symbols that the objects in these files define for the linker to see, with the files; `None` without nm.
fn defined(files: &[PathBuf]) -> Option<HashMap<String, Vec<PathBuf>>> {
    let mut defined: HashMap<String, Vec<PathBuf>> = HashMap::new();
    for file in files {
        let listed = Command::new("nm").args(["-g", "--defined-only"]).arg(file).output().ok()?;
        assert!(listed.status.success(), "nm {}", file.display());
        for line in String::from_utf8_lossy(&listed.stdout).lines() {
            if let [_, _, symbol] = line.split_whitespace().collect::<Vec<_>>()[..] {
                defined.entry(symbol.to_owned()).or_default().push(file.clone());
            }
        }
    }
    Some(defined)
}

fn shared(files: &[PathBuf]) -> Option<Vec<String>> {
    let defined = defined(files)?;
    Some(defined.into_iter().filter(|(_, files)| files.len() > 1).map(|(symbol, _)| symbol).collect())
}

#[test]
fn no_two_lines_share_a_symbol() {
    let archives: Vec<PathBuf> = std::fs::read_dir(env!("OUT_DIR"))
        .expect("cargo's folder for the build script")
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("libtrtsel_shim_")))
        .collect();
    if archives.len() < 2 {
        eprintln!("skipped: {} line(s) of TensorRT in this build (engines/get-tensorrt.sh)", archives.len());
        return;
    }
    let Some(symbols) = defined(&archives) else {
        eprintln!("skipped: no nm");
        return;
    };
    assert!(symbols.keys().any(|s| s.starts_with("trtsel_shim_")), "nm lists the tables' functions");
    assert_eq!(shared(&archives).expect("nm ran above"), Vec::<String>::new(), "of {archives:?}");
}

/// What the renaming is for, and that the check above can fail.
#[test]
fn without_the_renaming_symbols_would_be_shared() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let headers = ["11.4", "rtx-1.7"].map(|name| root.join("../target/tensorrt/include").join(name));
    if let Some(missing) = headers.iter().find(|h| !h.exists()) {
        eprintln!("skipped: {} was not brought (engines/get-tensorrt.sh)", missing.display());
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut objects = Vec::new();
    for (line, headers) in ["a", "b"].iter().zip(&headers) {
        let object = folder.path().join(format!("{line}.o"));
        let compiled = Command::new("g++")
            .args(["-std=c++17", "-O2", "-fPIC", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-w", "-c"])
            .arg(format!("-DTRTSEL_LINE={line}"))
            .arg(format!("-I{}", root.join("tensorrt").display()))
            .arg(format!("-I{}", headers.display()))
            .arg(format!("-I{}", root.join("tensorrt/cuda_stub").display()))
            .arg(root.join("tensorrt/shim.cpp"))
            .arg("-o")
            .arg(&object)
            .status();
        match compiled {
            Ok(status) => assert!(status.success(), "g++ on {}", headers.display()),
            Err(e) => {
                eprintln!("skipped: g++: {e}");
                return;
            }
        }
        objects.push(object);
    }
    let Some(shared) = shared(&objects) else {
        eprintln!("skipped: no nm");
        return;
    };
    assert!(shared.iter().any(|s| s.contains("IGpuAllocator")), "{shared:?}");
}
