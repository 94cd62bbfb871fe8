//! Runs the same tests once more, with the double of `libcuda`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the double, or prints why it cannot be built.
fn libcuda() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = root.join("target/doubles/gpu");
    let built = Command::new(root.join("tests/doubles/build-libcuda")).arg(&out).output();
    match built {
        Ok(made) if made.status.success() => Some(out.join("libcuda.so.1")),
        Ok(made) => {
            let text = String::from_utf8_lossy(&made.stderr).into_owned();
            assert!(text.contains("C++ compiler"), "the double does not build: {text}");
            println!("skipped: {}", text.trim());
            None
        }
        Err(error) => {
            println!("skipped: no shell to build the double with: {error}");
            None
        }
    }
}

#[test]
fn all_of_it_through_the_double() {
    if std::env::var_os("TRT_SELECT_LIBCUDA").is_some() {
        return;
    }
    let Some(library) = libcuda() else { return };
    // A GPU of which the driver compiles the PTX, and a TX2, which gets machine code.
    for (integrated, capability) in [("0", "8.0"), ("1", "6.2")] {
        let run = Command::new(std::env::current_exe().expect("this test's own path"))
            .args(["--nocapture", "--test-threads=1", "--skip", "script::"])
            .env("TRT_SELECT_LIBCUDA", &library)
            .env("TRT_SELECT_DOUBLE_INTEGRATED", integrated)
            .env("TRT_SELECT_DOUBLE_CC", capability)
            .output()
            .expect("this test again");
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!(run.status.success(), "integrated {integrated}: {said}");
        assert!(!said.contains("skipped:"), "integrated {integrated}: {said}");
    }
}
