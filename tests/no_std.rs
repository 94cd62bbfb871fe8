//! A program without the standard library can link the premodel crate and walk a program with it.

use std::path::Path;
use std::process::Command;

#[test]
fn a_program_without_std_links_and_answers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = root.join("target/no_std");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--release", "--offline", "--quiet", "--manifest-path"])
        .arg(root.join("tests/no_std/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        // The C library is linked only for its start-up code.
        .env("RUSTFLAGS", "-C link-arg=-lc")
        .output()
        .expect("cargo starts");
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    let status = Command::new(target.join("release/no-std-proof")).status().expect("the program starts");
    assert_eq!(status.code(), Some(0));
}
