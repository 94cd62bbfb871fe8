//! Whether a plan can run here, as far as its header and its sidecar tell.

use std::fmt;
use std::path::{Path, PathBuf};

use super::file::PlanFile;
use super::hash::sha256_of_file;
use super::sidecar::Sidecar;
use super::{Capabilities, REBUILD, refused};
use crate::tensorrt::{Edition, Version};
use crate::{Error, ErrorKind};

/// The library and the GPU that a plan is to run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// The library's product.
    pub edition: Edition,
    /// The library's version.
    pub version: Version,
    /// Whether it is the lean runtime, which takes version-compatible plans only.
    pub lean: bool,
    /// Compute capability of the GPU; `None` where it is not known, and then not checked.
    pub compute_capability: Option<(u32, u32)>,
    /// The library's file, for the errors' lines.
    pub library_path: PathBuf,
}

impl Here {
    fn describe(&self) -> String {
        let lean = if self.lean { " lean" } else { "" };
        format!("{}{lean} {} ({})", self.edition, self.version, self.library_path.display())
    }
}

/// Something about a plan that is worth a line in the log and does not keep it from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice(String);

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks whether a plan can run here, as far as header and sidecar tell: its product, version and GPU; and, if there is a sidecar, its
/// size, its SHA-256, and that `onnx` (if that file is there) is still the model that the plan was built from. With a sidecar, the whole
/// plan is read.
///
/// # Errors
/// - [`ErrorKind::PlanMismatch`], in one line that names the plan, what was expected, what was found, and the remedy;
/// - [`ErrorKind::Plan`] if it is damaged: it is not what its sidecar says;
/// - [`ErrorKind::Io`] if plan or model cannot be read.
pub fn check(
    plan: &PlanFile,
    sidecar: Option<&Sidecar>,
    here: &Here,
    onnx: Option<&Path>,
) -> Result<Vec<Notice>, Error> {
    let mut notices = Vec::new();
    let notice = |text: String| Notice(format!("{}: {text}", plan.path().display()));
    if let Some(sidecar) = sidecar {
        sidecar.check_against(plan)?;
    }
    let compatible = sidecar.map(|sidecar| sidecar.version_compatible);
    notices.extend(check_version(plan, sidecar, compatible, here)?.map(notice));
    check_capability(plan, sidecar, here)?;
    match sidecar {
        Some(sidecar) => {
            if let Some(onnx) = onnx.filter(|onnx| onnx.exists())
                && sha256_of_file(onnx)? != sidecar.onnx_sha256
            {
                return Err(refused(
                    ErrorKind::PlanMismatch,
                    plan.path(),
                    format_args!("a plan of {} as it is now", onnx.display()),
                    format_args!("one built from it as it was at {}", sidecar.built_at),
                    REBUILD,
                ));
            }
        }
        None => {
            let unchecked = if plan.header().compute_capabilities.is_empty() { "GPU, damage" } else { "damage" };
            notices.push(notice(format!("no sidecar beside it: only its header was checked ({unchecked} not)")));
        }
    }
    Ok(notices)
}

/// Checks product and version. Gives a notice where something could not be checked.
fn check_version(
    plan: &PlanFile,
    sidecar: Option<&Sidecar>,
    compatible: Option<bool>,
    here: &Here,
) -> Result<Option<String>, Error> {
    let header = plan.header();
    let wrong = |remedy: &str| {
        let expected = format!("a plan for {}", here.describe());
        Err(refused(
            ErrorKind::PlanMismatch,
            plan.path(),
            expected,
            format_args!("one of {}", header.made_by()),
            remedy,
        ))
    };
    let rebuild = "build it with this library";
    if header.edition != here.edition {
        return wrong(rebuild);
    }
    // Plans of TensorRT 8.5 and older do not have their version in the header. The sidecar has it.
    let Some(version) = header.version.or(sidecar.map(|sidecar| sidecar.version)) else {
        return match header.old_minor() {
            _ if here.version.major != 8 => wrong(rebuild),
            Some(minor) if minor != here.version.minor => wrong(rebuild),
            Some(_) => Ok(None),
            None => Ok(Some(format!(
                "a header of TensorRT 8 whose serialization number {} is not known: its version was not checked",
                header.serialization.unwrap_or(0)
            ))),
        };
    };
    let takes = takes_compatible(version, here);
    if here.lean {
        // A lean library runs only plans that were built to be version-compatible.
        let remedy = "build it with --version-compatible by a library that is not newer, or use the full library";
        if !takes || compatible == Some(false) {
            return wrong(remedy);
        }
        return Ok(compatible.is_none().then(|| {
            format!("made by {version}, runs with {} only if it was built to be version-compatible", here.describe())
        }));
    }
    if version.is_same(here.version) {
        return Ok(None);
    }
    if compatible == Some(true) && takes {
        return Ok(Some(format!("made by {version}, taken by {} as version-compatible", here.describe())));
    }
    wrong(rebuild)
}

/// Whether a library takes a version-compatible plan of another version: an older one of its own major version, and 10 those of 8.6. 11
/// takes none of 8.
fn takes_compatible(version: Version, here: &Here) -> bool {
    let of_8_for_10 = here.version.major == 10 && version.major == 8 && version.minor >= 6;
    of_8_for_10 || (version.major == here.version.major && !version.is_newer_than(here.version))
}

/// Checks the GPU.
fn check_capability(plan: &PlanFile, sidecar: Option<&Sidecar>, here: &Here) -> Result<(), Error> {
    let Some(gpu) = here.compute_capability else { return Ok(()) };
    let told = [Some(&plan.header().compute_capabilities), sidecar.map(|sidecar| &sidecar.compute_capabilities)];
    for capabilities in told.into_iter().flatten().filter(|capabilities| !capabilities.is_empty()) {
        if !capabilities.contains(&gpu) {
            return Err(refused(
                ErrorKind::PlanMismatch,
                plan.path(),
                format_args!("a plan for this GPU's compute capability {}.{}", gpu.0, gpu.1),
                format_args!("one for {}", Capabilities(capabilities)),
                "build it on this machine, or for its GPU",
            ));
        }
    }
    Ok(())
}
