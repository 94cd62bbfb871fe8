//! The C clients under sanitizers and Valgrind's tools, and in one program with another Rust library.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::library::{
    Compiler, NATIVE, archive, archive_that_panics, client, compilers, has, root, run, second_library, shared,
};
use super::premodel;

fn premodel_file(dir: &Path) -> PathBuf {
    let path = dir.join("premodel.json");
    std::fs::write(&path, premodel(2).to_json()).expect("written");
    path
}

fn gcc() -> Option<Compiler> {
    compilers().into_iter().find(|c| c.name == "gcc")
}

/// The clients misuse.c and panic.c run under AddressSanitizer and UndefinedBehaviorSanitizer. Only their C code is instrumented,
/// but AddressSanitizer watches the heap of the Rust code too.
#[test]
fn sanitizers_find_nothing() {
    let Some(gcc) = gcc() else { return };
    let asan = run(Command::new("gcc").arg("-print-file-name=libasan.so"));
    if !Path::new(asan.trim()).is_absolute() {
        return println!("skipped: the compiler has no libasan");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let premodel = premodel_file(dir.path());
    let flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"];
    for (source, library) in [("misuse.c", archive()), ("panic.c", archive_that_panics())] {
        let program = gcc.program(&client(source), &library, &flags);
        run(Command::new(program)
            .arg(root().join("tests/capi/bundle"))
            .arg(&premodel)
            .env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1"));
    }
}

#[test]
fn valgrind_finds_nothing() {
    if !has("valgrind") {
        return println!("skipped: no valgrind");
    }
    let Some(gcc) = gcc() else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let premodel = premodel_file(dir.path());
    for (source, library) in [("misuse.c", archive()), ("panic.c", archive_that_panics())] {
        let program = gcc.program(&client(source), &library, &[]);
        run(Command::new("valgrind")
            .args(["--quiet", "--error-exitcode=99", "--leak-check=full"])
            .args(["--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect"])
            .arg(program)
            .arg(root().join("tests/capi/bundle"))
            .arg(&premodel));
    }
}

#[test]
fn threads_do_as_the_rules_say() {
    let Some(gcc) = gcc() else { return };
    let program = gcc.program(&client("threads.c"), &archive(), &[]);
    let bundle = root().join("tests/capi/bundle");
    for mode in ["two", "handed", "watched", "clash"] {
        let text = run(Command::new(&program).arg(&bundle).args(["20000", mode]));
        assert!(text.contains("passed"), "{text}");
        println!("{}", text.trim());
    }
    if !has("valgrind") {
        return println!("skipped: no valgrind");
    }
    // The mode "clash" is left out: an atomic flag guards it, and these tools do not know what the flag orders.
    for tool in ["helgrind", "drd"] {
        for mode in ["two", "handed", "watched"] {
            let mut valgrind = Command::new("valgrind");
            valgrind.args(["--quiet", "--error-exitcode=99"]).arg(format!("--tool={tool}"));
            if mode == "watched" {
                valgrind.arg(format!("--suppressions={}", root().join("tests/capi/atomics.supp").display()));
            }
            run(valgrind.arg(&program).arg(&bundle).args(["50", mode]));
        }
    }
}

/// The client threads.c runs under ThreadSanitizer. Only its C code is instrumented; of the Rust code ThreadSanitizer sees locks
/// and allocations.
#[test]
fn thread_sanitizer_finds_nothing_in_the_c_side() {
    let Some(gcc) = gcc() else { return };
    let tsan = run(Command::new("gcc").arg("-print-file-name=libtsan.so"));
    if !Path::new(tsan.trim()).is_absolute() {
        return println!("skipped: the compiler has no libtsan");
    }
    let program = gcc.program(&client("threads.c"), &archive(), &["-fsanitize=thread"]);
    for mode in ["two", "handed", "watched", "clash"] {
        run(Command::new(&program)
            .arg(root().join("tests/capi/bundle"))
            .args(["2000", mode])
            .env("TSAN_OPTIONS", "halt_on_error=1"));
    }
}

/// A program can be linked with another Rust static library and with this library as a shared one, which exports nothing but its
/// functions.
#[test]
fn two_rust_libraries_in_one_program() {
    if gcc().is_none() {
        return;
    }
    let second = second_library();
    let dir = second.parent().expect("a folder");
    let library = shared();
    let program = dir.join("two");
    let compile = || {
        let mut command = Command::new("gcc");
        command.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-I"]).arg(root().join("include"));
        command.arg(client("two_libraries.c")).arg("-o").arg(&program);
        command
    };
    let folder = library.parent().expect("a folder");
    run(compile()
        .arg(&second)
        .arg("-L")
        .arg(folder)
        .arg("-ltrt_select")
        .arg(format!("-Wl,-rpath,{}", folder.display()))
        .args(NATIVE));
    let text = run(Command::new(&program).arg(root().join("tests/capi/bundle")));
    assert!(text.contains("two libraries: passed"), "{text}");
}
