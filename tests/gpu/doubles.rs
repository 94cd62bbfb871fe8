//! Runs the same tests once more, with the double of `libcuda`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::given::REQUIRED;

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

/// What a process has printed, its errors last.
pub(crate) fn said(of: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&of.stdout), String::from_utf8_lossy(&of.stderr))
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
            .args(["--nocapture", "--test-threads=1", "--skip", "script::", "--skip", "doubles::"])
            .env("TRT_SELECT_LIBCUDA", &library)
            .env("TRT_SELECT_DOUBLE_INTEGRATED", integrated)
            .env("TRT_SELECT_DOUBLE_CC", capability)
            .output()
            .expect("this test again");
        let said = said(&run);
        assert!(run.status.success(), "integrated {integrated}: {said}");
        assert!(!said.contains("skipped:"), "integrated {integrated}: {said}");
    }
}

/// Runs one of these tests where there is no driver. Gives whether it passed, and what it said.
fn without_a_driver(test: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let run = Command::new(std::env::current_exe().expect("this test's own path"))
        .args(["--nocapture", "--include-ignored", "--exact", test])
        .env_remove(REQUIRED)
        .env_remove("TRT_SELECT_GPU_IMAGES")
        .env("TRT_SELECT_LIBCUDA", "/nonexistent/libcuda.so.1")
        .envs(variables.iter().copied())
        .output()
        .expect("this test again");
    (run.status.success(), said(&run))
}

#[test]
fn what_is_missing_fails_where_a_gpu_is_required() {
    let required = &[(REQUIRED, "1")];
    for (test, words) in [
        ("forms::the_form_that_was_tested", "/nonexistent/libcuda.so.1"),
        ("forms::loading_the_kernels_both_ways", "/nonexistent/libcuda.so.1"),
        ("features_against_a_device_copy", "/nonexistent/libcuda.so.1"),
        ("toys::write_images_to_measure_on", "TRT_SELECT_GPU_IMAGES"),
    ] {
        let (passed, said) = without_a_driver(test, &[]);
        assert!(passed && said.contains("1 passed") && said.contains("skipped: "), "{test}: {said}");
        let (passed, said) = without_a_driver(test, required);
        assert!(!passed && said.contains(words) && said.contains("1 failed"), "{test}: {said}");
    }
}
