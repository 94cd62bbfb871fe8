//! The ROS 2 node. Where ROS 2 is installed, its tools build the node; else the node is compiled against stand-in headers, which
//! call its callbacks.

use std::path::PathBuf;
use std::process::Command;

use super::library::{archive, compilers, installed, root, run, target};

/// The setup script of the ROS 2 that this machine has, if it has one.
fn ros() -> Option<PathBuf> {
    std::fs::read_dir("/opt/ros").ok()?.flatten().map(|e| e.path().join("setup.bash")).find(|p| p.is_file())
}

#[test]
fn the_ros2_node_compiles() {
    if let Some(setup) = ros() {
        let script = r#"source "$1" && cmake -S "$2" -B "$3" -DCMAKE_PREFIX_PATH="$4" && cmake --build "$3""#;
        let build = target().join("ros2");
        run(Command::new("bash")
            .args(["-c", script, "ros2"])
            .arg(setup)
            .arg(root().join("examples/ros2"))
            .arg(build)
            .arg(installed("capi,tensorrt")));
        return;
    }
    println!("skipped: no ROS 2 below /opt/ros; the node is compiled against stand-in headers instead");
    let stand_ins = format!("-I{}", root().join("tests/capi/ros2-stand-ins").display());
    for compiler in compilers() {
        let source = root().join("examples/ros2/src/classifier.cpp");
        // -Wpedantic is switched off, since ROS 2's logging macros are not ISO C++.
        let program = compiler.program(&source, &archive(), &[&stand_ins, "-Wno-pedantic"]);
        let bundle = format!("bundle:={}", root().join("tests/capi/bundle").display());
        let text = run(Command::new(&program).args(["--ros-args", "-p", &bundle, "-p", "engine:=null"]));
        assert_eq!(text.matches("~/class: 0 T-shirt").count(), 6, "{text}");
        assert!(text.contains("encoding bayer_rggb8 is not known"), "{text}");
        assert!(text.contains("expected 3072 bytes, got 3071"), "{text}");
        assert!(text.contains("6 of 6 inputs answered"), "{text}");

        let output = Command::new(&program).args(["-p", "engine:=best"]).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(1) && text.contains("expected auto, tensorrt"), "{text}");
    }
}
