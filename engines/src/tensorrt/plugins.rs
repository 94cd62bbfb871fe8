//! TensorRT's plugins: layers that libraries beside TensorRT's own bring.
//!
//! Up to 8.6 the ONNX parser registers NVIDIA's plugins while it parses, so a model with such a layer (InstanceNormalization is one) builds
//! as it is; the runtime never does, and without them the plan does not load. So they are registered before the first runtime or builder of
//! a library is made, once in a process.

use std::ffi::{OsString, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::library::{open_global, open_shared};
use super::messages::Listener;
use super::{Edition, Library, bindings, call};
use crate::{Error, ErrorKind};

/// The variable that names more libraries of plugins, parted as in `PATH`. Each is opened; one that has `initLibNvInferPlugins` is told to
/// register what it has, others register themselves when they are opened.
pub const PLUGINS_VARIABLE: &str = "TRT_SELECT_PLUGINS";

const INIT: &[u8] = b"initLibNvInferPlugins\0";

/// Registers the plugins that came with a library, and those that [`PLUGINS_VARIABLE`] names. Does nothing for files that were registered
/// before. To be called while a CUDA context is current, since a library of plugins may use the device when it is opened.
///
/// # Errors
/// [`ErrorKind::LibraryMissing`] if a library that the variable names cannot be opened or registers nothing. One that merely stands beside
/// TensorRT is different: most plans need no plugin, so a warning has to do.
pub(super) fn register(library: &Library) -> Result<(), Error> {
    register_in(library, std::env::var_os(PLUGINS_VARIABLE))
}

fn register_in(library: &Library, named: Option<OsString>) -> Result<(), Error> {
    static REGISTERED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut once = |path: &Path, is_named: bool| -> Result<(), String> {
        if !registered.iter().any(|known| known == path) {
            register_file(library, path, is_named)?;
            registered.push(path.to_owned());
        }
        Ok(())
    };
    if let Some(beside) = beside(library).filter(|path| path.exists())
        && let Err(why) = once(&beside, false)
    {
        log::warn!("{}: plans that need its plugins will not load: {why}", beside.display());
    }
    let named = named.unwrap_or_default();
    for path in std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()) {
        once(&path, true).map_err(|why| {
            Error::new(
                ErrorKind::LibraryMissing,
                format!(
                    "{PLUGINS_VARIABLE}={}: expected a library of plugins for {}, got: {why}; correct or unset {PLUGINS_VARIABLE}",
                    path.display(),
                    library.name()
                ),
            )
        })?;
    }
    Ok(())
}

/// Where NVIDIA's packages put the plugins of a library. TensorRT-RTX has none.
fn beside(library: &Library) -> Option<PathBuf> {
    let stem = match (library.edition(), library.is_runtime_only()) {
        (Edition::Rtx, _) => return None,
        (Edition::Enterprise, false) => "libnvinfer_plugin",
        // The lean runtime takes only plugins that keep their interface between versions.
        (Edition::Enterprise, true) => "libnvinfer_vc_plugin",
    };
    Some(library.path().with_file_name(format!("{stem}.so.{}", library.version().major)))
}

/// Opens a library of plugins and lets it register them. The error is a part of a sentence that the caller completes.
fn register_file(library: &Library, path: &Path, is_named: bool) -> Result<(), String> {
    if is_named {
        // A library that was built without naming TensorRT's expects to find its calls among what the process has.
        open_global(library.path())?;
    }
    let plugins = open_shared(path)?;
    // SAFETY: only the address is taken; the shim calls it with the signature of the line's headers.
    let Ok(init) = (unsafe { plugins.get::<*mut c_void>(INIT) }) else {
        return if is_named { Ok(()) } else { Err(format!("{} has no initLibNvInferPlugins", path.display())) };
    };
    let listener = Listener::begin();
    // SAFETY: the entry point is that of a library that stays loaded; the shim's logger lives as long as the process.
    let status = unsafe { call!(library.table(), plugins_register(init.into_raw())) };
    if status == bindings::TRTSEL_SHIM_OK {
        log::debug!("{}: plugins are registered", path.display());
        return Ok(());
    }
    let said = listener.text();
    Err(if said.is_empty() { "it registers no plugins and gives no reason".to_owned() } else { said })
}
