//! The versions of TensorRT that there is a double of.
#![allow(dead_code, reason = "the tests of the C API use a part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use trt_select::engines::tensorrt::{Edition, Version, lines};

use super::double;
use super::toy_plan::Form;
use super::versions::Headers;

/// A version of TensorRT whose headers are here, and for which this build has a line.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    headers: PathBuf,
    edition: Edition,
    version: Version,
}

impl Line {
    /// Every version, by the folders of headers that this build was made from.
    pub(crate) fn all() -> Vec<Line> {
        let line = |headers: Headers| {
            let [major, minor, patch, build] = headers.version;
            let version = Version { major, minor, patch, build };
            let edition = if headers.is_rtx { Edition::Rtx } else { Edition::Enterprise };
            let here = lines().iter().any(|line| line.edition == edition && line.header_version == version);
            here.then_some(Line { headers: headers.folder, edition, version })
        };
        Headers::all(Path::new(env!("CARGO_MANIFEST_DIR"))).into_iter().filter_map(line).collect()
    }

    pub(crate) fn is_rtx(&self) -> bool {
        self.edition == Edition::Rtx
    }

    /// Major and minor number.
    pub(crate) fn number(&self) -> (u32, u32) {
        (self.version.major, self.version.minor)
    }

    /// The form of its plans.
    pub(crate) fn form(&self) -> Form {
        let Version { major, minor, patch, build } = self.version;
        let version = [major, minor, patch, build].map(|n| n as u8);
        if self.is_rtx() { Form { version, ..Form::RTX } } else { Form::enterprise(version) }
    }

    /// `tensorrt-8.2.1.8`, for folders and messages.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.edition.name().to_lowercase(), self.version)
    }

    /// The double of its library, built where it is not up to date.
    pub(crate) fn build(&self, lean: bool) -> PathBuf {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let this = std::env::current_exe().expect("a path");
        let (suffix, sanitize) = double::sanitized();
        // A folder's name is told apart by its headers too: our declarations and NVIDIA's may be of one version.
        let own = if self.headers.starts_with(root.join("tests/doubles")) { "-own" } else { "" };
        let lean_suffix = if lean { "-lean" } else { "" };
        let folder = format!("doubles/{}{own}{lean_suffix}{suffix}", self.name());
        let out = this.ancestors().nth(3).expect("target").join(folder);
        let mut script = Command::new(root.join("tests/doubles/build-libnvinfer"));
        script.arg(&out).arg(&self.headers).args(lean.then_some("--lean")).args(sanitize);
        // What is preloaded into this process is not meant for a shell.
        script.env_remove("LD_PRELOAD");
        assert!(script.status().expect("the script runs").success(), "build-libnvinfer");
        match (self.is_rtx(), lean) {
            (true, _) => out.join("libtensorrt_rtx.so.1"),
            (false, false) => out.join(format!("libnvinfer.so.{}", self.version.major)),
            (false, true) => out.join(format!("libnvinfer_lean.so.{}", self.version.major)),
        }
    }
}
