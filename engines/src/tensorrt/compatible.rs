//! Version-compatible plans, which other versions run with a lean runtime of the version that built them.
//!
//! The lean runtime is a library (`libnvinfer_lean`), or it is code in the plan itself. Code in a plan runs only if it is allowed to, for
//! a plan is then a program that the process runs. It is allowed for plans whose sidecar says that `trt-select build` made them so, and
//! for no longer than they are read. A library is preferred where there is one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::allocator::CountingAllocator;
use super::runtime::{Allocator, CudaEngine, Runtime};
use super::{Library, Version};
use crate::Error;

/// The variable that names the lean runtime's library for version-compatible plans of another version.
pub const LEAN_VARIABLE: &str = "TRT_SELECT_LIBNVINFER_LEAN";

/// The lean runtimes of other versions that a session has opened, by major version.
#[derive(Default)]
pub(super) struct Compatible {
    opened: Mutex<Vec<(u32, Arc<Runtime>)>>,
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
        let library = own.library();
        // A lean library is the runtime of all such plans of its major version.
        let is_own = version.is_same(library.version())
            || (library.is_runtime_only() && version.major == library.version().major);
        let lean = if is_own { None } else { self.lean(own, allocator, version.major)? };
        let runtime = lean.as_ref().unwrap_or(own);
        // TensorRT refuses a plan with code in it unless that is allowed, also where the code is not needed.
        runtime.allow_host_code(true)?;
        let read = runtime.deserialize(plan, name);
        runtime.allow_host_code(false)?;
        read.map_err(|e| if is_own || lean.is_some() { e } else { e.with_remedy(&remedy(version.major)) })
    }

    /// The lean runtime of a major version, opened once; `None` if there is no library of it.
    fn lean(
        &self,
        own: &Arc<Runtime>,
        allocator: &Arc<CountingAllocator>,
        major: u32,
    ) -> Result<Option<Arc<Runtime>>, Error> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, lean)) = opened.iter().find(|(of, _)| *of == major) {
            return Ok(Some(Arc::clone(lean)));
        }
        let Some(path) = lean_library(own.library(), major) else { return Ok(None) };
        let lean = own.load(&path, Some(Arc::clone(allocator) as Arc<dyn Allocator>))?;
        log::debug!("{}: the lean runtime for version-compatible plans of TensorRT {major}", path.display());
        opened.push((major, Arc::clone(&lean)));
        Ok(Some(lean))
    }

    /// Forgets the runtimes, which hold the one that opened them.
    pub(super) fn clear(&mut self) {
        self.opened.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// The library that the variable names, or the one beside TensorRT's own.
fn lean_library(library: &Library, major: u32) -> Option<PathBuf> {
    let named = std::env::var_os(LEAN_VARIABLE).filter(|named| !named.is_empty());
    let beside = || {
        let beside = library.path().with_file_name(format!("libnvinfer_lean.so.{major}"));
        // A lean library has no other one beside it that would be of more use than itself.
        Some(beside).filter(|beside| beside.exists() && Path::new(beside) != library.path())
    };
    named.map(PathBuf::from).or_else(beside)
}

fn remedy(major: u32) -> String {
    format!(
        "name libnvinfer_lean.so.{major} in {LEAN_VARIABLE}, or build the plan without --exclude-lean-runtime, or with this library"
    )
}
