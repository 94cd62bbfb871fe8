//! What `src/capi/install` installs is tested: pkg-config and CMake build programs outside this tree with it, it names the right
//! native libraries, a program with it is small, and it can be linked with a second Rust archive.

use std::path::Path;
use std::process::Command;

use super::library::{client, compiler_notes, compilers, has, install_command, installed, root, run, second_library};

/// Copies the installed library to another folder. The tests use the copy, since the installed files must work wherever they lie.
fn moved(dir: &Path, features: &str) -> std::path::PathBuf {
    let prefix = dir.join("moved");
    run(Command::new("cp").arg("-a").arg(installed(features)).arg(&prefix));
    prefix
}

/// The compiler flags that pkg-config gives for a package of a prefix.
fn pkg_config(prefix: &Path, package: &str, more: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(["--cflags", "--libs"]).args(more).arg(package);
    run(&mut command).split_whitespace().map(str::to_owned).collect()
}

/// Writes a grey image of 28x28 pixels, as bare bytes and as PGM.
fn images(dir: &Path) {
    let pixels: Vec<u8> = (0..28 * 28_u32).map(|i| (i * 7) as u8).collect();
    std::fs::write(dir.join("image.gray"), &pixels).expect("written");
    std::fs::write(dir.join("image.pgm"), [b"P5\n28 28\n255\n".as_slice(), &pixels].concat()).expect("written");
}

#[test]
fn programs_outside_the_tree() {
    if !has("pkg-config") || !has("gcc") {
        return println!("skipped: no pkg-config, or no gcc");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let prefix = moved(dir.path(), "capi,tensorrt");
    images(dir.path());
    for file in
        ["examples/c/classify.c", "examples/c/pnm.h", "examples/cpp/classify.cpp", "tests/capi/outside/CMakeLists.txt"]
    {
        let from = root().join(file);
        std::fs::copy(&from, dir.path().join(from.file_name().expect("a file"))).expect("copied");
    }
    let fashion = root().join("tests/capi/bundle");
    let check = |program: &mut Command, image: &str| {
        program.arg(&fashion).arg(dir.path().join(image)).arg("null").env("LD_LIBRARY_PATH", prefix.join("lib"));
        let text = run(program);
        assert!(text.starts_with("class 0 T-shirt"), "{text}");
    };
    for compiler in compilers() {
        for (package, more) in [("trt_select-static", vec![]), ("trt_select", vec![]), ("trt_select", vec!["--static"])]
        {
            run(Command::new(compiler.c)
                .current_dir(dir.path())
                .args(["-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "classify.c"])
                .args(pkg_config(&prefix, package, &more))
                .args(["-o", "classify"]));
            let needed = run(Command::new("readelf").current_dir(dir.path()).args(["-d", "classify"]));
            assert_eq!(needed.contains("libtrt_select.so.0"), package == "trt_select", "{needed}");
            check(&mut Command::new(dir.path().join("classify")), "image.pgm");
        }
        if !has("cmake") {
            println!("skipped: no cmake");
            continue;
        }
        for library in ["static", "shared"] {
            let build = dir.path().join(format!("{}-{library}", compiler.name));
            run(Command::new("cmake")
                .arg("-S")
                .arg(dir.path())
                .arg("-B")
                .arg(&build)
                .arg(format!("-DCMAKE_CXX_COMPILER={}", compiler.cxx))
                .arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()))
                .arg(format!("-DLIBRARY={library}")));
            run(Command::new("cmake").arg("--build").arg(&build));
            check(&mut Command::new(build.join("classify")), "image.gray");
        }
    }
}

/// pkg-config and CMake name exactly the native libraries that rustc says the archive needs, in the same order.
#[test]
fn the_native_libraries_are_those_of_rustc() {
    if !has("pkg-config") || !has("gcc") {
        return println!("skipped: no pkg-config, or no gcc");
    }
    let prefix = installed("capi,tensorrt");
    let text = compiler_notes("capi,tensorrt");
    let line = text.lines().find_map(|l| l.strip_prefix("note: native-static-libs: "));
    let native: Vec<&str> =
        line.unwrap_or_else(|| panic!("no native-static-libs in {text}")).split_whitespace().collect();
    assert!(native.contains(&"-lm"), "{native:?}");

    let read = |file: &str| std::fs::read_to_string(prefix.join("lib").join(file)).expect("installed");
    let after = |text: &str, key: &str| -> Vec<String> {
        let line =
            text.lines().find_map(|l| l.trim().strip_prefix(key)).unwrap_or_else(|| panic!("no {key} in {text}"));
        line.split([' ', ';']).map(|w| w.trim_matches(['"', ')']).to_owned()).filter(|w| !w.is_empty()).collect()
    };
    assert_eq!(after(&read("pkgconfig/trt_select.pc"), "Libs.private:"), native);
    assert_eq!(after(&read("pkgconfig/trt_select-static.pc"), "Libs:")[2..], native);
    let names: Vec<&str> = native.iter().map(|l| l.strip_prefix("-l").expect("a library")).collect();
    assert_eq!(after(&read("cmake/trt_select/trt_selectTargets.cmake"), "INTERFACE_LINK_LIBRARIES"), names);
}

/// A build of the library compiles neither the trainer nor the study, nor any crate that only they and the command line need.
#[test]
fn the_library_depends_on_no_trainer() {
    let tree = |features: &str| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(root()).args([
            "tree",
            "--locked",
            "--offline",
            "--no-default-features",
            "--features",
            features,
        ]);
        run(command.args(["--prefix", "none", "--edges", "normal,build", "--format", "{p}"]))
    };
    let names = |text: &str| -> std::collections::BTreeSet<String> {
        text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    };
    let never = ["trt-select-train", "trt-select-study", "rayon", "csv", "plotters", "clap", "image", "env_logger"];
    // The build of the command line has all of these crates, so this test looks for the right names.
    let all = names(&tree("cli"));
    assert!(never.iter().all(|&name| all.contains(name)), "{all:?}");
    for features in ["capi", "capi,tensorrt,ort"] {
        let library = names(&tree(features));
        let found: Vec<&&str> = never.iter().filter(|&&name| library.contains(name)).collect();
        assert!(library.contains("trt-select-premodel") && found.is_empty(), "{features}: {found:?} of {library:?}");
    }
}

/// The C example, linked with the static library with TensorRT and without tract, has less than 3 MB when it is stripped.
#[test]
fn a_static_program_is_small() {
    if !has("pkg-config") || !has("gcc") || !has("strip") {
        return println!("skipped: no pkg-config, gcc or strip");
    }
    let prefix = installed("capi,tensorrt");
    let shim = run(Command::new("nm").arg(prefix.join("lib/libtrt_select.a"))).contains("trtsel_shim_");
    if !shim {
        return println!("skipped: no TensorRT headers, so the library is smaller than it should be");
    }
    let dir = tempfile::tempdir().expect("a folder");
    for flags in [vec![], vec!["-Wl,--gc-sections"]] {
        let program = dir.path().join("classify");
        run(Command::new("gcc")
            .args(["-std=c99", "-O2"])
            .arg(root().join("examples/c/classify.c"))
            .args(pkg_config(&prefix, "trt_select-static", &[]))
            .args(&flags)
            .arg("-o")
            .arg(&program));
        run(Command::new("strip").arg(&program));
        let bytes = std::fs::metadata(&program).expect("a file").len();
        println!("examples/c/classify, capi,tensorrt, stripped {flags:?}: {bytes} bytes");
        assert!(bytes < 3_000_000, "{bytes} bytes");
    }
}

/// The archive can be linked into one program with another Rust archive, in either order, because its copy of Rust's runtime is not
/// visible from outside. In two_libraries.c the other library panics and catches its panics; in panic.c this one does.
#[test]
fn two_rust_archives_in_one_program() {
    if !has("gcc") {
        return println!("skipped: no gcc");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let premodel = dir.path().join("premodel.json");
    std::fs::write(&premodel, super::premodel(2).to_json()).expect("written");
    let second = second_library();
    let ours = installed("capi,tensorrt,capi-test-panic").join("lib/libtrt_select.a");
    for sections in ["-Wl,--no-gc-sections", "-Wl,--gc-sections"] {
        for (first, then) in [(&ours, &second), (&second, &ours)] {
            for source in ["two_libraries.c", "panic.c"] {
                let program = dir.path().join("two");
                run(Command::new("gcc")
                    .args(["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror", "-I"])
                    .arg(root().join("include"))
                    .arg(client(source))
                    // Both archives are linked in whole, so that every name that both define would be an error.
                    .args(["-Wl,--whole-archive"])
                    .arg(first)
                    .arg(then)
                    .args(["-Wl,--no-whole-archive", sections, "-lpthread", "-ldl", "-lm", "-o"])
                    .arg(&program));
                let mut command = Command::new(&program);
                command.arg(root().join("tests/capi/bundle"));
                if source == "panic.c" {
                    command.arg(&premodel);
                }
                run(&mut command);
            }
        }
    }
}

/// Where the installer cannot do what it is asked to, it says so in one line and installs nothing.
#[test]
fn the_installer_says_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a folder");
    let prefix = dir.path().join("prefix");
    let name = prefix.to_str().expect("UTF-8");
    let occupied = dir.path().join("file");
    std::fs::write(&occupied, "").expect("written");
    let cases: [(&[&str], i32, &str); 7] = [
        (&[], 2, "expected --prefix DIR"),
        (&["--prefix"], 2, "--prefix: expected a value"),
        (&["--prefix", name, "--features", "capi,cli"], 2, "got cli"),
        (&["--prefix", name, "--what"], 2, "got --what"),
        (&["--prefix", occupied.to_str().expect("UTF-8")], 1, "expected a folder"),
        (&["--prefix", name, "--target", "riscv64gc-unknown-nowhere-gnu"], 1, "riscv64gc-nowhere-gnu-gcc"),
        (&["--prefix", "/proc/nowhere/at/all"], 1, "expected a folder"),
    ];
    for (arguments, code, words) in cases {
        let output = install_command().args(arguments).output().expect("it runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        let ours: Vec<&str> = text.lines().filter(|l| l.starts_with("install: ")).collect();
        assert!(ours.len() == 1 && ours[0].contains(words), "{arguments:?}: {text}");
        assert!(!prefix.join("lib").exists(), "{arguments:?}");
    }
}
