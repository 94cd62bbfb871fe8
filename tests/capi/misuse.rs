//! Every exported function returns a status for wrong arguments, and poisons its handle when it panics. The header declares all
//! of them.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::library::{archive, archive_that_panics, client, compilers, root, run, shared};
use super::premodel;

/// The functions that the header declares.
fn declared() -> Vec<String> {
    let header = std::fs::read_to_string(root().join("include/trt_select.h")).expect("the header");
    let mut names: Vec<String> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '#', '}']) && !line.starts_with("typedef"))
        .filter_map(|line| {
            let (before, _) = line.split_once('(')?;
            let name = before.rsplit([' ', '*']).next()?;
            name.starts_with("trtsel_").then(|| name.to_owned())
        })
        .collect();
    names.sort();
    names
}

fn premodel_file(dir: &Path) -> PathBuf {
    let path = dir.join("premodel.json");
    std::fs::write(&path, premodel(2).to_json()).expect("written");
    path
}

#[test]
fn wrong_arguments_are_statuses() {
    let source = std::fs::read_to_string(client("misuse.c")).expect("the client");
    let functions = declared();
    assert!(functions.len() > 50, "{functions:?}");
    for name in &functions {
        assert!(
            source.contains(&format!("{name}(")) || source.contains(&format!("NAMES({name}")),
            "{name} is not misused"
        );
    }
    let dir = tempfile::tempdir().expect("a folder");
    let premodel = premodel_file(dir.path());
    for compiler in compilers() {
        let program = compiler.program(&client("misuse.c"), &archive(), &[]);
        let text = run(Command::new(program).arg(root().join("tests/capi/bundle")).arg(&premodel));
        assert!(text.contains("misuse: passed"), "{text}");
    }
}

#[test]
fn panics_become_statuses() {
    let source = std::fs::read_to_string(client("panic.c")).expect("the client");
    // Functions that return a static text or number cannot panic, and the texts of errors must be readable after a panic.
    let safe = |name: &str| {
        name.starts_with("trtsel_status_")
            || name.starts_with("trtsel_version")
            || name.ends_with("_error")
            || ["trtsel_built_in", "trtsel_feature_count"].contains(&name)
    };
    for name in declared().iter().filter(|name| !safe(name)) {
        assert!(source.contains(&format!("{name}(")), "{name} does not panic in panic.c");
    }
    let dir = tempfile::tempdir().expect("a folder");
    let premodel = premodel_file(dir.path());
    for compiler in compilers() {
        let program = compiler.program(&client("panic.c"), &archive_that_panics(), &[]);
        let text = run(Command::new(program).arg(root().join("tests/capi/bundle")).arg(&premodel));
        assert!(text.contains("panic: passed"), "{text}");
    }
}

#[test]
fn the_shared_library_exports_what_the_header_declares() {
    let text = match Command::new("nm").args(["-D", "--defined-only"]).arg(shared()).output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => return println!("skipped: no nm"),
    };
    let mut exported: Vec<String> =
        text.lines().filter_map(|line| line.rsplit(' ').next()).map(str::to_owned).collect();
    exported.sort();
    assert_eq!(exported, declared());
}

#[test]
fn the_header_is_what_the_sources_make() {
    // Without cbindgen the script itself prints that it skips the comparison.
    println!("{}", run(Command::new(root().join("src/capi/make-header")).arg("--check")).trim());
}
