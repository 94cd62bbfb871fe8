//! Compiles a premodel into the library. If the environment variable `TRT_SELECT_PREMODEL` names a premodel's file, its tests become
//! Rust code, and selectors that open this same premodel run that code. `TRT_SELECT_STYLE` chooses the style of the code: `branchless`
//! (the default) or `nested`.
//!
//! Without the variable nothing is compiled in, and selectors walk every premodel's nodes.

use std::path::{Path, PathBuf};
use std::process::exit;

use trt_select_premodel::Premodel;
use trt_select_premodel::compile::{Options, Style, Target, compile};

const NOTHING: &str = "
/// The program that was compiled in.
pub(crate) const PROGRAM: Option<u64> = None;

/// Whether a program is the one that was compiled in: none was.
pub(crate) fn is_baked(_: &Program<'_>) -> bool {
    false
}

/// Never called.
pub(crate) fn next(at: u16, _: &[f32]) -> u16 {
    at
}
";

fn main() {
    println!("cargo:rerun-if-env-changed=TRT_SELECT_PREMODEL");
    println!("cargo:rerun-if-env-changed=TRT_SELECT_STYLE");
    println!("cargo:rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("baked.rs");
    let code = match std::env::var_os("TRT_SELECT_PREMODEL").filter(|path| !path.is_empty()) {
        None => NOTHING.to_owned(),
        Some(path) => bake(Path::new(&path)).unwrap_or_else(|error| {
            eprintln!("TRT_SELECT_PREMODEL: {error}");
            exit(1);
        }),
    };
    if let Err(e) = std::fs::write(&out, code) {
        eprintln!("{}: expected to be written, got {e}; make room in the target folder", out.display());
        exit(1);
    }
}

/// The Rust code of a premodel's tests, or one line that says why there is none.
fn bake(path: &Path) -> Result<String, String> {
    // A relative name counts from the package's folder, since cargo runs build scripts there.
    println!("cargo:rerun-if-changed={}", path.display());
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| {
        format!("{name}: expected a premodel, got {e}; name one by its full path, or unset the variable")
    })?;
    let model = Premodel::from_json(&text).map_err(|e| format!("{name}: {e}"))?;
    let style: Style = match std::env::var("TRT_SELECT_STYLE") {
        Ok(style) => style.parse().map_err(|e| format!("TRT_SELECT_STYLE: {e}"))?,
        Err(_) => Style::default(),
    };
    let file = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let origin = format!("Baked from {file}.");
    let options = Options { target: Target::Baked, style, name: "baked", origin: &origin };
    Ok(compile(&model, &options).map_err(|e| e.to_string())?.text)
}
