//! The examples in C and C++ are compiled with all warnings as errors, and run on the null engine.

use std::io::Write;
use std::process::{Command, Stdio};

use super::library::{archive, compilers, root, run};

#[test]
fn the_examples_run() {
    let dir = tempfile::tempdir().expect("a folder");
    let pixels: Vec<u8> = (0..28 * 28_u32).map(|i| (i * 7) as u8).collect();
    let (pgm, grey) = (dir.path().join("image.pgm"), dir.path().join("image.gray"));
    std::fs::write(&pgm, [b"P5\n# a comment\n28 28\n255\n".as_slice(), &pixels].concat()).expect("written");
    std::fs::write(&grey, &pixels).expect("written");
    let fashion = root().join("tests/capi/bundle");
    for compiler in compilers() {
        let example = |name: &str| compiler.program(&root().join("examples").join(name), &archive(), &[]);
        let text = run(Command::new(example("c/classify.c")).arg(&fashion).arg(&pgm).arg("null"));
        assert!(text.contains("T-shirt") && text.contains("by large"), "{text}");
        let premodel = fashion.join("premodel.json");
        let text = run(Command::new(example("c/own_inference.c")).arg(premodel).arg(&pgm));
        assert!(text.starts_with("run small\n") && text.contains("answer with candidate"), "{text}");
        let text = run(Command::new(example("cpp/classify.cpp")).arg(&fashion).arg(&grey).arg("null"));
        assert!(text.contains("T-shirt"), "{text}");
        let text = run(Command::new(example("cpp/two_threads.cpp")).arg(&fashion).args(["500", "null"]));
        assert_eq!(text.matches("500 inputs").count(), 2, "{text}");

        let mut camera = Command::new(example("c/camera.c"))
            .arg(&fashion)
            .args(["65", "47", "1000", "null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let frame = vec![77_u8; 65 * 47 + 66 * 24];
        let mut stdin = camera.stdin.take().expect("a pipe");
        for _ in 0..3 {
            stdin.write_all(&frame).expect("written");
        }
        drop(stdin);
        let output = camera.wait_with_output().expect("it ends");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("3 inputs, 3 answered"), "{text}");
        // The log callback printed the warning that the premodel was trained for another engine.
        assert!(String::from_utf8_lossy(&output.stderr).contains("trained for"), "{:?}", output.stderr);
    }
}
