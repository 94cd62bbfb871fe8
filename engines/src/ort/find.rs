//! Finds ONNX Runtime's shared library.

use std::ffi::{CStr, OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use ::ort::sys::OrtApiBase;
use libloading::Library;

use crate::{Error, ErrorKind, python};

/// The variable that names the library's file.
pub const VARIABLE: &str = "ORT_DYLIB_PATH";

/// Minor version of the oldest ONNX Runtime (1.x) that will do. The feature `api-NN` of the crate `ort` sets it.
pub const OLDEST_MINOR: u32 = ::ort::MINOR_VERSION;

/// Names by which the system's loader may know the library.
const NAMES: &[&str] = if cfg!(target_os = "macos") {
    &["libonnxruntime.dylib"]
} else if cfg!(windows) {
    &["onnxruntime.dll"]
} else {
    &["libonnxruntime.so.1", "libonnxruntime.so"]
};

/// How long Python may take to answer.
const PYTHON_TIMEOUT: Duration = Duration::from_secs(5);

/// How the library was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum How {
    /// The variable `ORT_DYLIB_PATH` names it.
    Variable,
    /// The system's loader knows it.
    System,
    /// It lies in the Python package `onnxruntime`.
    Python,
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            How::Variable => "named by ORT_DYLIB_PATH",
            How::System => "on the system's library path",
            How::Python => "in the Python package onnxruntime",
        })
    }
}

/// A library that can be opened and is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its file; where the system does not tell that, the name by which the loader knows it.
    pub path: PathBuf,
    /// How it was found.
    pub how: How,
    /// Its version, e.g. `1.20.1`.
    pub version: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ONNX Runtime {} at {}, {}", self.version, self.path.display(), self.how)
    }
}

/// Looks for ONNX Runtime's library: the file that `ORT_DYLIB_PATH` names, or else one that the system's loader knows, or
/// else the one in the Python package `onnxruntime` (`python3` is asked, for 5 seconds at most; the package is not
/// imported). The library is opened and asked for its version, so that it is known to load.
///
/// What the first successful call found is kept for the life of the process, since a process can load only one ONNX Runtime: later calls
/// give the same, even if the variable has changed. Several threads may call this at once.
///
/// # Errors
/// [`ErrorKind::LibraryMissing`] if there is none, or if the file that `ORT_DYLIB_PATH` names is not ONNX Runtime, or older
/// than 1.17. The user chose that file, so if it will not do, no other place is searched.
pub fn find() -> Result<Found, Error> {
    static FOUND: OnceLock<Found> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found.clone());
    }
    let found = find_in(std::env::var_os(VARIABLE), NAMES, OsStr::new("python3"), PYTHON_TIMEOUT)?;
    Ok(FOUND.get_or_init(|| found).clone())
}

fn find_in(variable: Option<OsString>, names: &[&str], python: &OsStr, timeout: Duration) -> Result<Found, Error> {
    if let Some(named) = variable.filter(|v| !v.is_empty()) {
        let path = absolute(Path::new(&named));
        return probe(&path, How::Variable).map_err(|why| {
            Error::new(
                ErrorKind::LibraryMissing,
                format!(
                    "{VARIABLE}={}: expected the library of ONNX Runtime 1.{OLDEST_MINOR} or newer, got: {why}; correct or \
                     unset {VARIABLE}",
                    path.display()
                ),
            )
        });
    }
    let mut seen = vec![format!("{VARIABLE} is not set")];
    for name in names {
        match probe(Path::new(name), How::System) {
            Ok(found) => return Ok(found),
            Err(why) => seen.push(format!("library path: {why}")),
        }
    }
    match in_python(python, timeout).and_then(|path| probe(&path, How::Python)) {
        Ok(found) => return Ok(found),
        Err(why) => seen.push(format!("Python: {why}")),
    }
    Err(Error::new(
        ErrorKind::LibraryMissing,
        format!(
            "ONNX Runtime: expected its library, 1.{OLDEST_MINOR} or newer, found none ({}); install it (pip install \
             onnxruntime) or set {VARIABLE} to its file",
            seen.join("; ")
        ),
    ))
}

/// A path to an existing file made absolute; anything else is left as a name for the system's loader.
fn absolute(path: &Path) -> PathBuf {
    if path.exists() { std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()) } else { path.to_path_buf() }
}

/// Opens a library and asks for its version. The error is a part of a sentence that the caller completes.
fn probe(path: &Path, how: How) -> Result<Found, String> {
    // SAFETY: opening a library runs its initialisers. This file is one that the user or the system says is ONNX Runtime,
    // and running its code is what was asked for; nothing here or elsewhere depends on their order.
    let library = unsafe { Library::new(path) }.map_err(|e| {
        // libloading keeps what the system's loader said as the source of its own error.
        let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        if why.contains(&*path.to_string_lossy()) { why } else { format!("{}: {why}", path.display()) }
    })?;
    // SAFETY: this is the signature of the one symbol that every ONNX Runtime exports, given by its C header.
    let base = unsafe { library.get::<unsafe extern "system" fn() -> *const OrtApiBase>(b"OrtGetApiBase\0") };
    let Ok(base) = base.map(|symbol| *symbol) else {
        return Err(format!("{} is not ONNX Runtime (it has no OrtGetApiBase)", path.display()));
    };
    // The library is not closed again: the engine needs it, and its threads and thread-local destructors would still run code of it.
    std::mem::forget(library);
    // SAFETY: `base` has that signature and takes nothing; the library stays loaded.
    let table = unsafe { base() };
    if table.is_null() {
        return Err(format!("{} gives no interface", path.display()));
    }
    // SAFETY: a table that is not null is static and of this layout in every version, as is the string it gives.
    let version = unsafe {
        let text = ((*table).GetVersionString)();
        if text.is_null() { String::new() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    };
    let mut numbers = version.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(1)), Some(Ok(minor))) if minor >= OLDEST_MINOR => {}
        _ => return Err(format!("{} is version `{version}`, expected 1.{OLDEST_MINOR} or newer", path.display())),
    }
    // SAFETY: as above; a version that the library lacks gives null.
    if unsafe { ((*table).GetApi)(OLDEST_MINOR) }.is_null() {
        return Err(format!("{} ({version}) lacks the interface of 1.{OLDEST_MINOR}", path.display()));
    }
    let path = file_of(base as usize).unwrap_or_else(|| path.to_path_buf());
    Ok(Found { path, how, version })
}

/// The file that the code at an address was mapped from.
fn file_of(address: usize) -> Option<PathBuf> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        // start-end permissions offset device inode path
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        let file = &rest[rest.find('/')?..];
        range.contains(&address).then(|| PathBuf::from(file))
    })
}

/// The library's file in the Python package. The error is a part of a sentence that the caller completes.
fn in_python(python: &OsStr, timeout: Duration) -> Result<PathBuf, String> {
    let folder = python::package_folder(python, "onnxruntime", timeout)?;
    library_in(&folder.join("capi"))
}

/// The library's file in a folder: `libonnxruntime.so.1.20.1` and the like, not its providers.
fn library_in(folder: &Path) -> Result<PathBuf, String> {
    let is_library = |name: &str| {
        if cfg!(windows) {
            name == "onnxruntime.dll"
        } else if cfg!(target_os = "macos") {
            name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
        } else {
            name.starts_with("libonnxruntime.so")
        }
    };
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{} cannot be read: {e}", folder.display()))?;
    let names = entries.flatten().map(|e| e.file_name());
    let mut names: Vec<OsString> = names.filter(|n| n.to_str().is_some_and(is_library)).collect();
    names.sort();
    names.pop().map(|n| folder.join(n)).ok_or_else(|| format!("{} holds no libonnxruntime", folder.display()))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    const NO_NAMES: &[&str] = &["libonnxruntime-of-no-machine.so"];
    const NO_PYTHON: &str = "no-such-python";

    fn error(variable: Option<&OsStr>, python: &OsStr, timeout: Duration) -> Error {
        let error = find_in(variable.map(OsStr::to_owned), NO_NAMES, python, timeout).expect_err("nothing to be found");
        assert_eq!(error.kind(), ErrorKind::LibraryMissing, "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        error
    }

    /// An executable file with this text. The folder goes when the value does.
    fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("python");
        std::fs::write(&path, text).expect("writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
        (folder, path)
    }

    #[test]
    fn nothing_found_names_every_place_and_the_remedy() {
        let message = error(None, OsStr::new(NO_PYTHON), PYTHON_TIMEOUT).to_string();
        for word in [VARIABLE, NO_NAMES[0], NO_PYTHON, "pip install onnxruntime"] {
            assert!(message.contains(word), "{word}: {message}");
        }
    }

    #[test]
    fn a_named_file_is_decisive() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = folder.path().join("text.so");
        std::fs::write(&text, "not a library").expect("writable");
        let missing = folder.path().join("missing.so");
        // Every Linux program has a C library, which has no OrtGetApiBase.
        for (named, word) in [
            (text.as_os_str(), "text.so"),
            (missing.as_os_str(), "missing.so"),
            (folder.path().as_os_str(), "directory"),
            (OsStr::new("libc.so.6"), "OrtGetApiBase"),
        ] {
            let message = error(Some(named), OsStr::new("python3"), PYTHON_TIMEOUT).to_string();
            assert!(message.starts_with(&format!("{VARIABLE}=")), "{message}");
            assert!(message.contains(word), "{word}: {message}");
            assert!(message.contains("unset"), "{message}");
        }
    }

    #[test]
    fn an_empty_variable_is_no_variable() {
        let message = error(Some(OsStr::new("")), OsStr::new(NO_PYTHON), PYTHON_TIMEOUT).to_string();
        assert!(message.contains("is not set"), "{message}");
    }

    #[test]
    fn a_python_that_hangs_is_ended() {
        let (_folder, python) = script("#!/bin/sh\nexec sleep 30\n");
        let begun = Instant::now();
        let message = error(None, python.as_os_str(), Duration::from_millis(100)).to_string();
        assert!(message.contains("did not answer within 100 ms"), "{message}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_python_without_the_package_or_with_an_empty_one() {
        let (_folder, python) = script("#!/bin/sh\necho\n");
        assert!(error(None, python.as_os_str(), PYTHON_TIMEOUT).to_string().contains("has no package onnxruntime"));
        let (_folder, python) = script("#!/bin/sh\nexit 3\n");
        assert!(error(None, python.as_os_str(), PYTHON_TIMEOUT).to_string().contains("failed when asked"));
        let package = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(package.path().join("capi")).expect("writable");
        std::fs::write(package.path().join("capi/libonnxruntime_providers_shared.so"), "").expect("writable");
        let (_folder, python) = script(&format!("#!/bin/sh\necho '{}'\n", package.path().display()));
        assert!(error(None, python.as_os_str(), PYTHON_TIMEOUT).to_string().contains("holds no libonnxruntime"));
    }

    #[test]
    fn a_library_that_is_too_old_is_named_with_its_version() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let source = folder.path().join("old.c");
        let library = folder.path().join("libonnxruntime.so.1.8.0");
        let code = "static const char* version(void) { return \"1.8.0\"; }\n\
                    static const void* api(unsigned v) { return (void*)0; }\n\
                    static const struct { const void* (*a)(unsigned); const char* (*v)(void); } base = {api, version};\n\
                    const void* OrtGetApiBase(void) { return &base; }\n";
        std::fs::write(&source, code).expect("writable");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        if !built.is_ok_and(|s| s.success()) {
            eprintln!("skipped: no C compiler (cc) to make a library of an older version");
            return;
        }
        let message = error(Some(library.as_os_str()), OsStr::new(NO_PYTHON), PYTHON_TIMEOUT).to_string();
        assert!(message.contains("`1.8.0`") && message.contains("1.17 or newer"), "{message}");
    }
}
