//! `--version`: the release, and what this build contains.

use std::sync::LazyLock;

/// What `--version` prints after the program's name: the release, the engines, the versions of TensorRT that this build supports,
/// and the baked premodel.
pub(crate) fn long() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(text);
    &TEXT
}

fn text() -> String {
    let built_in = [("tract", cfg!(feature = "tract")), ("ort", cfg!(feature = "ort")), ("null", true)];
    let mut engines: Vec<&str> = built_in.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
    if cfg!(feature = "tensorrt") {
        engines.push("tensorrt");
    }
    let baked =
        trt_select::BAKED_PROGRAM.map_or(String::new(), |program| format!("\nbaked premodel: program {program:016x}"));
    format!("{}\nengines: {}{}{baked}", env!("CARGO_PKG_VERSION"), engines.join(", "), tensorrt())
}

#[cfg(feature = "tensorrt")]
fn tensorrt() -> String {
    let lines = trt_select::engines::tensorrt::lines();
    if lines.is_empty() {
        return "\nTensorRT: none: no headers were found at build time; get some (engines/get-tensorrt.sh, or set \
                TENSORRT_INCLUDE_DIR), and build again"
            .to_owned();
    }
    lines.iter().map(|line| format!("\nTensorRT: {line}")).collect()
}

#[cfg(not(feature = "tensorrt"))]
fn tensorrt() -> String {
    String::new()
}
