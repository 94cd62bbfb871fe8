//! The folders of TensorRT's headers that a build may have been made from. Tests include this file with `#[path]`.

use std::path::{Path, PathBuf};

/// A folder of headers.
#[derive(Clone, Debug)]
pub(crate) struct Headers {
    pub(crate) folder: PathBuf,
    pub(crate) is_rtx: bool,
    /// Major, minor, patch, build.
    pub(crate) version: [u32; 4],
}

impl Headers {
    /// What `TENSORRT_INCLUDE_DIR` names, and what engines/get-tensorrt.sh brought; the workspace lies at `root`.
    pub(crate) fn all(root: &Path) -> Vec<Headers> {
        let named = std::env::var_os("TENSORRT_INCLUDE_DIR").unwrap_or_default();
        let brought = std::fs::read_dir(root.join("target/tensorrt/include")).into_iter().flatten().flatten();
        let folders = std::env::split_paths(&named).chain(brought.map(|entry| entry.path()));
        let mut found: Vec<Headers> = folders.filter_map(Headers::of).collect();
        found.sort_by_key(|headers| (!headers.is_rtx, headers.version));
        found
    }

    fn of(folder: PathBuf) -> Option<Headers> {
        let text = std::fs::read_to_string(folder.join("NvInferVersion.h")).ok()?;
        let is_rtx = text.contains("TRT_MAJOR_RTX");
        // Since 10.13 the numbers stand behind second names.
        let product = if is_rtx { "RTX" } else { "ENTERPRISE" };
        let number = |part: &str| -> Option<u32> {
            let names = [format!("NV_TENSORRT_{part}"), format!("TRT_{part}_{product}")];
            text.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let is_it =
                    words.next() == Some("#define") && words.next().is_some_and(|w| names.iter().any(|n| n == w));
                is_it.then(|| words.next()?.parse().ok())?
            })
        };
        let version = [number("MAJOR")?, number("MINOR")?, number("PATCH")?, number("BUILD")?];
        Some(Headers { folder, is_rtx, version })
    }
}
