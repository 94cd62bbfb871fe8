//! Builds the static and the shared library, and programs that are linked with them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard};

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's target folder, in which this test program was built. The libraries are built there too, so that dependencies which are
/// built already are used again.
fn builds() -> PathBuf {
    let this = std::env::current_exe().expect("a path");
    this.ancestors().nth(3).expect("target").to_owned()
}

/// The folder for everything that these tests make.
pub(crate) fn target() -> PathBuf {
    builds().join("capi")
}

/// The libraries and prefixes that this process has built.
static BUILT: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Held while cargo builds the library and the result is copied to its place, so that no second build overwrites it meanwhile. Other
/// threads wait for `built`. Other processes wait for `_file`: tests on the doubles run in child processes, which build too.
struct Building {
    built: MutexGuard<'static, Vec<PathBuf>>,
    _file: File,
}

fn begin_building() -> Building {
    let built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    std::fs::create_dir_all(target()).expect("a folder");
    let file = File::create(target().join("lock")).expect("a file");
    file.lock().expect("the system locks files");
    Building { built, _file: file }
}

/// Removes the environment variables that were set for this test only, and that would change the build which the command starts.
fn forget_the_test(command: &mut Command) {
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("CARGO_PKG_") || variable == "LD_PRELOAD" {
            command.env_remove(variable);
        }
    }
}

/// The command `src/capi/install`, with the target folder that this module builds in.
pub(crate) fn install_command() -> Command {
    let mut command = Command::new(root().join("src/capi/install"));
    forget_the_test(command.env("CARGO_TARGET_DIR", builds()));
    command
}

/// A prefix into which `src/capi/install` has installed the library with these features. It does so once in a run.
pub(crate) fn installed(features: &str) -> PathBuf {
    let mut building = begin_building();
    let prefix = target().join("prefix").join(features.replace(',', "-"));
    if !building.built.contains(&prefix) {
        println!("{}", run(install_command().args(["--features", features, "--prefix"]).arg(&prefix)));
        building.built.push(prefix.clone());
    }
    prefix
}

/// The messages of rustc when it builds the archive with these features.
pub(crate) fn compiler_notes(features: &str) -> String {
    let _building = begin_building();
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(["rustc", "--release", "--lib", "--crate-type", "staticlib,cdylib"]);
    command.args(["--no-default-features", "--features", features, "--target-dir"]).arg(builds());
    command.args(["--", "--print", "native-static-libs", "-C", "link-arg=-Wl,-soname,libtrt_select.so.0"]);
    forget_the_test(command.env("CARGO_TERM_COLOR", "never"));
    String::from_utf8_lossy(&command.output().expect("cargo runs").stderr).into_owned()
}

/// Builds another Rust static library, whose function `second_sum` also panics and catches the panic.
pub(crate) fn second_library() -> PathBuf {
    static ONCE: Mutex<()> = Mutex::new(());
    let _once = ONCE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let dir = target().join("second");
    std::fs::create_dir_all(&dir).expect("a folder");
    let source = "#[unsafe(no_mangle)]\npub extern \"C\" fn second_sum(n: u32) -> u64 {\n    \
        let sum = std::panic::catch_unwind(|| (0..u64::from(n)).collect::<Vec<_>>().iter().sum()).unwrap_or(0);\n    \
        sum + u64::from(std::panic::catch_unwind(|| [0_u8; 4][std::hint::black_box(n as usize) + 4]).is_ok())\n}\n";
    std::fs::write(dir.join("second.rs"), source).expect("written");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    run(Command::new(rustc).current_dir(&dir).args(["--edition=2024", "--crate-type=staticlib", "-O", "second.rs"]));
    dir.join("libsecond.a")
}

/// The library `file` with these features as cargo made it, copied to a folder of its own. It is built once in a run.
fn build(crate_type: &str, features: &str, file: &str) -> PathBuf {
    let mut building = begin_building();
    let out = target().join(features.replace(',', "-")).join(file);
    if building.built.contains(&out) {
        return out;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .current_dir(root())
        .args(["rustc", "--quiet", "--release", "--lib", "--crate-type", crate_type, "--no-default-features"])
        .args(["--features", features, "--target-dir"])
        .arg(builds());
    forget_the_test(&mut command);
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "cargo rustc --crate-type {crate_type} --features {features}: {status}");
    std::fs::create_dir_all(out.parent().expect("a folder")).expect("a folder");
    // The library is renamed to its place, since a linker, perhaps in another process, may be reading the one that is there.
    let part = out.with_extension("part");
    std::fs::copy(builds().join("release").join(file), &part).expect("the library");
    std::fs::rename(&part, &out).expect("renamed");
    building.built.push(out.clone());
    out
}

pub(crate) fn archive() -> PathBuf {
    build("staticlib", "capi,tensorrt", "libtrt_select.a")
}

pub(crate) fn archive_that_panics() -> PathBuf {
    build("staticlib", "capi,tensorrt,capi-test-panic", "libtrt_select.a")
}

pub(crate) fn shared() -> PathBuf {
    build("cdylib", "capi", "libtrt_select.so")
}

/// The native libraries that a program needs besides the archive.
pub(crate) const NATIVE: [&str; 5] = ["-lstdc++", "-lpthread", "-ldl", "-lm", "-lrt"];

const WARNINGS: [&str; 7] =
    ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wmissing-field-initializers", "-Werror"];

/// The C and the C++ compiler of one maker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiler {
    pub(crate) name: &'static str,
    pub(crate) c: &'static str,
    pub(crate) cxx: &'static str,
}

/// The compilers that this machine has. Prints which of them it lacks.
pub(crate) fn compilers() -> Vec<Compiler> {
    let all = [
        Compiler { name: "gcc", c: "gcc", cxx: "g++" },
        Compiler { name: "clang", c: "clang", cxx: "clang++" },
        Compiler { name: "clang", c: "clang-14", cxx: "clang++-14" },
    ];
    let mut found: Vec<Compiler> = Vec::new();
    for compiler in all {
        if found.iter().all(|f| f.name != compiler.name) && has(compiler.c) && has(compiler.cxx) {
            found.push(compiler);
        }
    }
    for name in ["gcc", "clang"] {
        if found.iter().all(|f| f.name != name) {
            println!("skipped: no {name}");
        }
    }
    found
}

/// Whether this machine has a program.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

pub(crate) fn client(name: &str) -> PathBuf {
    root().join("tests/capi/clients").join(name)
}

impl Compiler {
    /// Compiles a program (C99 or C++17 by its name) with all warnings as errors, and links it with the library.
    #[track_caller]
    pub(crate) fn program(&self, source: &Path, library: &Path, flags: &[&str]) -> PathBuf {
        let cpp = source.extension().is_some_and(|e| e == "cpp");
        let folder = library.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
        let file = source.file_name().expect("a file").to_string_lossy().replace('.', "-");
        let flavour = flags.concat().replace(|c: char| !c.is_ascii_alphanumeric(), "");
        let out = target().join("programs").join(format!("{file}-{}-{folder}-{flavour}", self.name));
        std::fs::create_dir_all(out.parent().expect("a folder")).expect("a folder");
        let mut command = Command::new(if cpp { self.cxx } else { self.c });
        command
            .arg(if cpp { "-std=c++17" } else { "-std=c99" })
            // With -std=c99 the system's headers declare POSIX functions only for programs that define this.
            .args(["-D_POSIX_C_SOURCE=200809L", "-O2", "-g"])
            .args(WARNINGS)
            .args(flags)
            .arg("-I")
            .arg(root().join("include"))
            .arg("-I")
            .arg(root().join("tests/capi/clients"))
            .arg(source)
            .arg(library)
            .args(NATIVE)
            .arg("-o");
        // The compiler writes to another name, since another test, perhaps in another process, may be starting the same program.
        let part = out.with_extension(std::process::id().to_string());
        run(command.arg(&part));
        std::fs::rename(&part, &out).expect("renamed");
        out
    }
}

/// Runs a command that must succeed, and returns what it printed.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output: Output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}\n{text}\n{error}", output.status);
    text
}
