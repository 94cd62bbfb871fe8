//! Runs the kernels' tests under AddressSanitizer with UndefinedBehaviorSanitizer, under ThreadSanitizer, and under Valgrind: this test
//! program starts itself again with a library that was built for that.

use std::path::PathBuf;
use std::process::Command;

use crate::host::{self, CASES, LIBRARY};

/// The sanitizer's runtime library, which has to be preloaded, since this program itself is not instrumented.
fn runtime(name: &str) -> Option<PathBuf> {
    let output = Command::new(host::compiler()).arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    // For a library that it does not have, the compiler prints the bare name.
    path.is_absolute().then_some(path)
}

fn passes(mut again: Command) {
    // Run all tests except these, or the program would start itself for ever.
    again.args(["--skip", "sanitizers::", "--nocapture"]);
    let output = again.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(!out.contains("skipped:") && out.contains("test result: ok."), "{out}{err}");
    for line in out.lines().filter(|l| l.starts_with("test result")) {
        println!("{line}");
    }
}

#[test]
fn address_alignment_and_undefined_behaviour() {
    if std::env::var_os(LIBRARY).is_some() {
        println!("skipped: {LIBRARY} is set, so that library is the one to test");
        return;
    }
    let Some(asan) = runtime("libasan.so") else {
        println!("skipped: no libasan.so of {}", host::compiler().to_string_lossy());
        return;
    };
    let flags = ["-fsanitize=address,undefined,alignment", "-fno-sanitize-recover=all", "-O1"];
    let library = match host::build("libtrtsel_host_kernels_sanitized.so", &flags) {
        Ok(library) => library,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let mut again = Command::new(std::env::current_exe().unwrap());
    again
        .env(LIBRARY, library)
        .env("LD_PRELOAD", asan)
        .env("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1");
    passes(again);
}

/// Under ThreadSanitizer, each thread of a block is a real thread. A missing barrier then shows as a race, and the results must be right
/// in whatever order the threads run.
#[test]
fn threads() {
    if std::env::var_os(LIBRARY).is_some() {
        println!("skipped: {LIBRARY} is set, so that library is the one to test");
        return;
    }
    let Some(tsan) = runtime("libtsan.so") else {
        println!("skipped: no libtsan.so of {}", host::compiler().to_string_lossy());
        return;
    };
    let flags = ["-DTS_HOST_THREADS", "-fsanitize=thread", "-pthread", "-O1"];
    let library = match host::build("libtrtsel_host_kernels_threads.so", &flags) {
        Ok(library) => library,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    // Address randomization is off, since older sanitizer runtimes cannot place their memory with it.
    let mut again = Command::new("setarch");
    again.arg("-R").arg("env").arg(format!("LD_PRELOAD={}", tsan.display())).arg(std::env::current_exe().unwrap());
    again.args(["random_frames", "random_scores", "--test-threads", "1"]);
    again
        .env(LIBRARY, library)
        .env(CASES, "4")
        .env("TSAN_OPTIONS", "halt_on_error=1:exitcode=9:ignore_noninstrumented_modules=1");
    passes(again);
}

/// Valgrind finds memory that is read before it is written, which no sanitizer of the host's compiler finds.
#[test]
fn valgrind() {
    if std::env::var_os(LIBRARY).is_some() {
        println!("skipped: {LIBRARY} is set, so that library is the one to test");
        return;
    }
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|o| o.status.success()) {
        println!("skipped: no valgrind; install it");
        return;
    }
    let library = match host::build("libtrtsel_host_kernels_valgrind.so", &["-O1"]) {
        Ok(library) => library,
        Err(reason) => {
            println!("skipped: {reason}");
            return;
        }
    };
    let mut again = Command::new("valgrind");
    again.args(["--error-exitcode=9", "--quiet"]).arg(std::env::current_exe().unwrap());
    again.args(["--skip", "sums_outgrow", "--skip", "long_windows", "--test-threads", "1"]);
    again.env(LIBRARY, library).env(CASES, "30");
    passes(again);
}
