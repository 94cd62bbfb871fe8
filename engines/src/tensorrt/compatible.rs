//! Version-compatible plans, which other versions run with a lean runtime of the version that built them.
//!
//! The lean runtime is a library (`libnvinfer_lean`), or it is code in the plan itself. Code in a plan runs only if it is allowed to, for
//! a plan is then a program that the process runs. It is allowed for plans whose sidecar says that `trt-select build` made them so, and
//! for no longer than they are read. A library is preferred where there is one of the very version that built the plan: NVIDIA's header
//! promises nothing of others (`IRuntime::loadRuntime`).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::allocator::CountingAllocator;
use super::runtime::{Allocator, CudaEngine, Runtime};
use super::{Edition, Library, Version};
use crate::{Error, ErrorKind};

/// The variable that names the lean runtime's library for version-compatible plans of another version.
pub const LEAN_VARIABLE: &str = "TRT_SELECT_LIBNVINFER_LEAN";

/// The lean runtimes of other versions that a session has opened.
#[derive(Default)]
pub(super) struct Compatible {
    opened: Mutex<Vec<(Version, Arc<Runtime>)>>,
}

impl Compatible {
    /// Lets TensorRT deserialize a version-compatible plan that `version` built.
    pub(super) fn deserialize(
        &self,
        own: &Arc<Runtime>,
        allocator: &Arc<CountingAllocator>,
        version: Version,
        plan: &[u8],
        name: &str,
    ) -> Result<Arc<CudaEngine>, Error> {
        let is_own = version.is_same(own.library().version());
        let lean = if is_own { None } else { self.lean(own, allocator, version)? };
        let runtime = lean.as_ref().unwrap_or(own);
        // TensorRT refuses a plan with code in it unless that is allowed, also where the code is not needed.
        runtime.allow_host_code(true)?;
        let read = runtime.deserialize(plan, name);
        runtime.allow_host_code(false)?;
        read.map_err(|e| {
            let may_lack_it = e.kind() == ErrorKind::Plan && !is_own && lean.is_none();
            if may_lack_it { e.with_remedy(&remedy(version)) } else { e }
        })
    }

    /// The lean runtime of a version, opened once; `None` if there is no library of it.
    fn lean(
        &self,
        own: &Arc<Runtime>,
        allocator: &Arc<CountingAllocator>,
        version: Version,
    ) -> Result<Option<Arc<Runtime>>, Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, lean)) = opened.iter().find(|(of, _)| of.is_same(version)) {
            return Ok(Some(Arc::clone(lean)));
        }
        let Some(path) = lean_library(own.library(), version)? else { return Ok(None) };
        let lean = own.load(&path, Some(Arc::clone(allocator) as Arc<dyn Allocator>))?;
        log::debug!("{}: the lean runtime for version-compatible plans of TensorRT {version}", path.display());
        opened.push((version, Arc::clone(&lean)));
        Ok(Some(lean))
    }

    /// Forgets the runtimes, which hold the one that opened them.
    pub(super) fn clear(&mut self) {
        self.opened.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The lean runtime's library of a version: the one that the variable names, or the one beside TensorRT's own.
///
/// # Errors
/// [`ErrorKind::LibraryMissing`] if the variable names something else than a library of TensorRT.
fn lean_library(library: &Library, version: Version) -> Result<Option<PathBuf>, Error> {
    let is_it = |path: &PathBuf| {
        let (edition, found) = Library::version_of_file(path)?;
        let fits = edition == Edition::Enterprise && found.is_same(version);
        if !fits {
            log::debug!("{}: {edition} {found}, not the lean runtime of {version}", path.display());
        }
        Ok(fits)
    };
    if let Some(named) = std::env::var_os(LEAN_VARIABLE).filter(|named| !named.is_empty()).map(PathBuf::from) {
        let fits = is_it(&named).map_err(|why: String| {
            let what = format!("{LEAN_VARIABLE}: expected a library of TensorRT's lean runtime, got: {why}");
            Error::new(ErrorKind::LibraryMissing, format!("{what}; correct or unset {LEAN_VARIABLE}"))
        })?;
        if fits {
            return Ok(Some(named));
        }
    }
    let beside = library.path().with_file_name(format!("libnvinfer_lean.so.{}", version.major));
    // One that happens to be there and does not open is no reason to refuse a plan that may bring its runtime with it.
    Ok(Some(beside).filter(|beside| beside.exists() && is_it(beside).unwrap_or(false)))
}

fn remedy(version: Version) -> String {
    let major = version.major;
    format!(
        "name libnvinfer_lean.so.{major} of TensorRT {version} in {LEAN_VARIABLE}, or build the plan without --exclude-lean-runtime, or \
         with this library"
    )
}
