//! Finds TensorRT's library, and the line of the shim that can call it.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use libloading::os::unix;

use super::{Edition, Version, bindings, call, messages};
use crate::{Error, ErrorKind, python};

include!(concat!(env!("OUT_DIR"), "/tensorrt_lines.rs"));

/// The variable that names the library's file.
pub const LIBRARY_VARIABLE: &str = "TRT_SELECT_LIBNVINFER";

/// The Python package that carries the RTX library.
const PYTHON_PACKAGE: &str = "tensorrt_rtx_libs";

/// How long Python may take to answer.
const PYTHON_TIMEOUT: Duration = Duration::from_secs(5);

/// Names by which the system's loader may know the library: complete ones first, then those that only run plans.
const NAMES: &[(Edition, u32, &str)] = &[
    (Edition::Enterprise, 11, "libnvinfer.so.11"),
    (Edition::Enterprise, 10, "libnvinfer.so.10"),
    (Edition::Enterprise, 8, "libnvinfer.so.8"),
    (Edition::Enterprise, 11, "libnvinfer_lean.so.11"),
    (Edition::Enterprise, 10, "libnvinfer_lean.so.10"),
    (Edition::Enterprise, 8, "libnvinfer_lean.so.8"),
    (Edition::Rtx, 1, "libtensorrt_rtx.so.1"),
];

/// The error of a build that has no line at all.
const NO_LINES: &str = "this build has no shim for any version of it (it found no headers, or no C++ compiler); bring \
    headers (engines/get-tensorrt.sh, or set TENSORRT_INCLUDE_DIR) and build again";

/// One ABI line of TensorRT: the versions whose libraries one compilation of the shim can call.
#[derive(Clone, Copy)]
pub struct Line {
    /// Its name, e.g. `TensorRT 10`, `TensorRT-RTX 1`.
    pub name: &'static str,
    /// Its edition.
    pub edition: Edition,
    /// Version of the headers that the shim was compiled from.
    pub header_version: Version,
    /// Whether its builder takes networks in single precision and runs them in half precision where that is faster.
    pub has_fp16: bool,
    /// Whether it builds plans for GPUs other than this machine's.
    pub has_targets: bool,
    /// Whether it builds plans that later versions run too (8.6 and later, but not RTX).
    pub has_version_compatible: bool,
    pub(super) table: &'static bindings::trtsel_shim_table,
}

impl Line {
    /// Whether libraries of this version belong to this line.
    pub fn speaks(&self, edition: Edition, version: Version) -> bool {
        let generation = |v: Version| (v.major, v.major == 8 && v.minor >= 5);
        let oldest_minor = match (edition, version.major) {
            (Edition::Rtx, _) => 5,
            (Edition::Enterprise, 8) => 2,
            (Edition::Enterprise, _) => 0,
        };
        self.edition == edition
            && generation(self.header_version) == generation(version)
            && version.minor >= oldest_minor
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (headers {})", self.name, self.header_version)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The lines that this build has, in the order in which their libraries are looked for. Empty where no headers were found
/// when it was built.
pub fn lines() -> &'static [Line] {
    static LINES: OnceLock<Vec<Line>> = OnceLock::new();
    LINES.get_or_init(|| {
        let line = |&(name, table): &(&'static str, unsafe extern "C" fn() -> *const bindings::trtsel_shim_table)| {
            // SAFETY: these are functions of objects that this crate is linked with; they take nothing and return the
            // address of a constant of this type.
            let table: &'static bindings::trtsel_shim_table = unsafe { &*table() };
            // SAFETY: the function stores a pointer to a function, which lives as long as the program.
            unsafe { call!(table, set_log(Some(messages::forward))) };
            Line {
                name,
                edition: if table.edition == bindings::TRTSEL_SHIM_RTX { Edition::Rtx } else { Edition::Enterprise },
                header_version: Version {
                    major: table.major as u32,
                    minor: table.minor as u32,
                    patch: table.patch as u32,
                    build: table.build as u32,
                },
                has_fp16: table.has_fp16 != 0,
                has_targets: table.has_targets != 0,
                has_version_compatible: table.has_version_compatible != 0,
                table,
            }
        };
        TABLES.iter().map(line).collect()
    })
}

/// An open library of TensorRT. It is never closed: TensorRT's threads and destructors would still run code of it.
pub struct Library {
    handle: unix::Library,
    path: PathBuf,
    line: Line,
    version: Version,
    create_runtime: *mut c_void,
    create_builder: *mut c_void,
}

// SAFETY: the pointers are addresses of code that is never unloaded, and looking symbols up is thread-safe.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    /// Opens TensorRT: the file that `TRT_SELECT_LIBNVINFER` names, or else the first library that this build has a line
    /// for and that the system's loader knows, or else the RTX library in the Python package `tensorrt_rtx_libs`
    /// (`python3` is asked, for 5 seconds at most; the package is not imported).
    ///
    /// # Errors
    /// - [`ErrorKind::LibraryMissing`] if there is none, or none of a version that this build has a line for. A file that is named was
    ///   chosen by the user: if it will not do, no other place is searched.
    /// - [`ErrorKind::Unsupported`] if this build has no line at all.
    pub fn open() -> Result<Arc<Library>, Error> {
        Self::open_in(std::env::var_os(LIBRARY_VARIABLE), NAMES, OsStr::new("python3"))
    }

    /// Opens the library in a file.
    ///
    /// # Errors
    /// As [`Library::open`].
    pub fn open_path(path: &Path) -> Result<Arc<Library>, Error> {
        if lines().is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, format!("TensorRT: {NO_LINES}")));
        }
        let path = if path.exists() { std::path::absolute(path).unwrap_or_else(|_| path.into()) } else { path.into() };
        Self::load(&path).map(Arc::new).map_err(|why| {
            Error::new(
                ErrorKind::LibraryMissing,
                format!("{}: expected a library of {}, got: {why}", path.display(), names_of_lines()),
            )
        })
    }

    fn open_in(
        variable: Option<OsString>,
        names: &[(Edition, u32, &str)],
        python: &OsStr,
    ) -> Result<Arc<Library>, Error> {
        if let Some(named) = variable.filter(|v| !v.is_empty()) {
            return Self::open_path(Path::new(&named)).map_err(|e| {
                Error::new(e.kind(), format!("{LIBRARY_VARIABLE}={e}; correct or unset {LIBRARY_VARIABLE}"))
            });
        }
        if lines().is_empty() {
            return Err(Error::new(ErrorKind::Unsupported, format!("TensorRT: {NO_LINES}")));
        }
        let mut seen = vec![format!("{LIBRARY_VARIABLE} is not set")];
        let has_line = |edition, major| lines().iter().any(|l| l.edition == edition && l.header_version.major == major);
        for &(edition, major, name) in names {
            if has_line(edition, major) {
                match Self::load(Path::new(name)) {
                    Ok(library) => return Ok(Arc::new(library)),
                    Err(why) => seen.push(why),
                }
            }
        }
        if has_line(Edition::Rtx, 1) {
            let found = python::package_folder(python, PYTHON_PACKAGE, PYTHON_TIMEOUT)
                .and_then(|folder| Self::load(&folder.join("libtensorrt_rtx.so.1")));
            match found {
                Ok(library) => return Ok(Arc::new(library)),
                Err(why) => seen.push(format!("Python: {why}")),
            }
        }
        // If there is a library of another line, the error says why it is not taken.
        for &(edition, major, name) in names {
            if !has_line(edition, major)
                && let Err(why) = Self::load(Path::new(name))
                && why.contains("no line")
            {
                seen.push(why);
            }
        }
        Err(Error::new(
            ErrorKind::LibraryMissing,
            format!(
                "TensorRT: expected a library of {}, found none ({}); install it, or set {LIBRARY_VARIABLE} to its file",
                names_of_lines(),
                seen.join("; ")
            ),
        ))
    }

    /// Opens a library and finds the line for it. The error is a part of a sentence that the caller completes.
    fn load(path: &Path) -> Result<Library, String> {
        let handle = open_shared(path)?;
        let (path, edition, version) = who_is(&handle, path)?;
        let Some(line) = lines().iter().find(|l| l.speaks(edition, version)) else {
            return Err(format!(
                "{} is {edition} {version}, for which this build has no line (it has {})",
                path.display(),
                names_of_lines()
            ));
        };
        let address = |name: &[u8]| {
            // SAFETY: only the address is taken; the shim calls it with the signature of the line's headers.
            let symbol = unsafe { handle.get::<*mut c_void>(name) };
            symbol.map_or(std::ptr::null_mut(), |s| s.into_raw())
        };
        let create_runtime = address(b"createInferRuntime_INTERNAL\0");
        if create_runtime.is_null() {
            return Err(format!("{} ({edition} {version}) has no createInferRuntime_INTERNAL", path.display()));
        }
        let create_builder = address(b"createInferBuilder_INTERNAL\0");
        Ok(Library { handle, path, line: *line, version, create_runtime, create_builder })
    }

    /// Edition and version of the library in a file, for which this build need not have a line. It stays open. The error is a part of a
    /// sentence.
    pub(super) fn version_of_file(path: &Path) -> Result<(Edition, Version), String> {
        let handle = open_shared(path)?;
        let (_, edition, version) = who_is(&handle, path)?;
        Ok((edition, version))
    }

    /// The file that it was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Its edition.
    pub fn edition(&self) -> Edition {
        self.line.edition
    }

    /// The line of the shim that calls it.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Whether it only runs plans (`libnvinfer_lean`): it cannot build any.
    pub fn is_runtime_only(&self) -> bool {
        self.create_builder.is_null()
    }

    /// Whether it knows plans that other versions run too: TensorRT from 8.6 on, where this build was made from such headers.
    pub fn has_version_compatible(&self) -> bool {
        self.line.has_version_compatible && self.could_be_compatible()
    }

    /// Whether its version has such plans, whatever this build's headers say.
    fn could_be_compatible(&self) -> bool {
        self.edition() == Edition::Enterprise && (self.version.major > 8 || self.version.minor >= 6)
    }

    /// Why [`Library::has_version_compatible`] says no, as a part of a sentence.
    pub(super) fn why_not_version_compatible(&self) -> String {
        if self.could_be_compatible() {
            let headers = self.line.header_version;
            return format!(
                "this build's headers of TensorRT {headers} know no plans that other versions run, although {} has them: build \
                 trt-select with headers of 8.6",
                self.name()
            );
        }
        format!("{} has no plans that other versions run (TensorRT does from 8.6 on, RTX does not)", self.name())
    }

    /// Its name in messages, e.g. `TensorRT 10.3.0.26`.
    pub fn name(&self) -> String {
        format!("{} {}", self.edition(), self.version)
    }

    pub(super) fn table(&self) -> &'static bindings::trtsel_shim_table {
        self.line.table
    }

    /// The version in the form that the shim takes.
    pub(super) fn version_number(&self) -> i32 {
        (10_000 * self.version.major + 100 * self.version.minor + self.version.patch) as i32
    }

    pub(super) fn create_runtime(&self) -> *mut c_void {
        self.create_runtime
    }

    /// Null for a library that only runs plans.
    pub(super) fn create_builder(&self) -> *mut c_void {
        self.create_builder
    }
}

/// The file that a library was loaded from, its edition and its version. The error is a part of a sentence.
fn who_is(handle: &unix::Library, path: &Path) -> Result<(PathBuf, Edition, Version), String> {
    // SAFETY: this is the signature of the symbol in every version's headers.
    let version_of = unsafe { handle.get::<unsafe extern "C" fn() -> i32>(b"getInferLibVersion\0") };
    let Ok(version_of) = version_of.map(|symbol| *symbol) else {
        return Err(format!("{} is not TensorRT (it has no getInferLibVersion)", path.display()));
    };
    let path = file_of(version_of as *const c_void).unwrap_or_else(|| path.to_path_buf());
    // SAFETY: it takes nothing and returns a number.
    let number = unsafe { version_of() };
    let Some((edition, mut version)) = decode(number) else {
        return Err(format!("{} says to be version {number}, which is none of TensorRT's", path.display()));
    };
    // SAFETY: as above; libraries before 10 do not have it.
    if let Ok(build) = unsafe { handle.get::<unsafe extern "C" fn() -> i32>(b"getInferLibBuildVersion\0") } {
        // SAFETY: as above.
        version.build = u32::try_from(unsafe { build() }).unwrap_or(0);
    }
    Ok((path, edition, version))
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only = if self.is_runtime_only() { ", runtime only" } else { "" };
        write!(f, "{} {} at {}{only}", self.edition(), self.version, self.path.display())
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("handle", &self.handle)
            .field("path", &self.path)
            .field("line", &self.line)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// `TensorRT 11, TensorRT-RTX 1`.
fn names_of_lines() -> String {
    lines().iter().map(|l| l.name).collect::<Vec<_>>().join(", ")
}

/// Edition and version from the number that `getInferLibVersion` gives. Up to TensorRT 9 the major version is multiplied by 1,000, since
/// then by 10,000. TensorRT-RTX counts from 1.
fn decode(number: i32) -> Option<(Edition, Version)> {
    let number = u32::try_from(number).ok()?;
    let parts = |unit: u32, step: u32| Version {
        major: number / unit,
        minor: number % unit / step,
        patch: number % step,
        build: 0,
    };
    match number {
        5_000..10_000 => Some((Edition::Enterprise, parts(1_000, 100))),
        10_000..50_000 => Some((Edition::Rtx, parts(10_000, 100))),
        100_000..1_000_000 => Some((Edition::Enterprise, parts(10_000, 100))),
        _ => None,
    }
}

/// Opens a shared library, never to be closed. The error is a part of a sentence that the caller completes.
pub(super) fn open_shared(path: &Path) -> Result<unix::Library, String> {
    open_with(path, unix::RTLD_LOCAL)
}

/// As [`open_shared`], and lets libraries that are opened later find its symbols.
pub(super) fn open_global(path: &Path) -> Result<unix::Library, String> {
    open_with(path, unix::RTLD_GLOBAL)
}

fn open_with(path: &Path, scope: c_int) -> Result<unix::Library, String> {
    // SAFETY: opening a library runs its initialisers. This file is one that the user or the system says is TensorRT, and
    // running its code is what was asked for; nothing here or elsewhere depends on their order.
    let opened = unsafe { unix::Library::open(Some(path), unix::RTLD_NOW | scope) };
    let library = opened.map_err(|e| {
        // libloading keeps what the system's loader said as the source of its own error.
        let why = std::error::Error::source(&e).map_or_else(|| e.to_string(), ToString::to_string);
        if why.contains(&*path.to_string_lossy()) { why } else { format!("{}: {why}", path.display()) }
    })?;
    // A second handle, which is never closed, keeps the library loaded when the first one is dropped.
    // SAFETY: as above; it is loaded already, so nothing runs.
    let kept = unsafe { unix::Library::open(Some(path), unix::RTLD_NOW | scope) };
    std::mem::forget(kept);
    Ok(library)
}

/// The file that the code at an address was mapped from.
pub(super) fn file_of(address: *const c_void) -> Option<PathBuf> {
    /// `Dl_info` of `<dlfcn.h>`.
    #[repr(C)]
    struct Info {
        file: *const c_char,
        base: *mut c_void,
        symbol: *const c_char,
        symbol_address: *mut c_void,
    }
    unsafe extern "C" {
        fn dladdr(address: *const c_void, info: *mut Info) -> c_int;
    }
    let mut info = Info {
        file: std::ptr::null(),
        base: std::ptr::null_mut(),
        symbol: std::ptr::null(),
        symbol_address: std::ptr::null_mut(),
    };
    // SAFETY: the function reads the loader's tables only, and writes one `Dl_info`, which this is.
    let found = unsafe { dladdr(address, &raw mut info) };
    if found == 0 || info.file.is_null() {
        return None;
    }
    // SAFETY: the loader's name of a library that stays loaded.
    let file = unsafe { CStr::from_ptr(info.file) };
    let file = PathBuf::from(file.to_str().ok()?);
    Some(std::fs::canonicalize(&file).unwrap_or(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_PYTHON: &str = "no-such-python";

    fn version(major: u32, minor: u32, patch: u32) -> Version {
        Version { major, minor, patch, build: 0 }
    }

    #[test]
    fn versions_of_all_lines_are_decoded() {
        for (number, edition, expected) in [
            (8201, Edition::Enterprise, version(8, 2, 1)),
            (8601, Edition::Enterprise, version(8, 6, 1)),
            (9300, Edition::Enterprise, version(9, 3, 0)),
            (100_300, Edition::Enterprise, version(10, 3, 0)),
            (101_303, Edition::Enterprise, version(10, 13, 3)),
            (110_400, Edition::Enterprise, version(11, 4, 0)),
            (10_701, Edition::Rtx, version(1, 7, 1)),
        ] {
            assert_eq!(decode(number), Some((edition, expected)), "{number}");
        }
        for number in [-1, 0, 4321, 60_000, i32::MAX] {
            assert_eq!(decode(number), None, "{number}");
        }
    }

    #[test]
    fn a_build_says_which_lines_it_has() {
        for line in lines() {
            assert!(line.speaks(line.edition, line.header_version), "{line}");
            assert!(line.to_string().contains(&line.header_version.to_string()), "{line}");
            assert!(!line.speaks(line.edition, version(7, 2, 3)), "{line}");
            assert!(!line.speaks(line.edition, version(12, 0, 0)), "{line}");
            // TensorRT 11 and RTX take types from the model, and have no switch for half precision.
            assert_eq!(line.has_fp16, line.edition == Edition::Enterprise && line.header_version.major < 11, "{line}");
            assert_eq!(line.has_targets, line.edition == Edition::Rtx, "{line}");
            let header = line.header_version;
            let compatible = line.edition == Edition::Enterprise && (header.major > 8 || header.minor >= 6);
            assert_eq!(line.has_version_compatible, compatible, "{line}");
            let others = lines().iter().filter(|l| l.speaks(line.edition, line.header_version)).count();
            assert_eq!(others, 1, "{line}");
        }
    }

    #[test]
    fn nothing_found_names_every_place_and_the_remedy() {
        let error = Library::open_in(None, &[], OsStr::new(NO_PYTHON)).expect_err("nothing to be found");
        if lines().is_empty() {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains("TENSORRT_INCLUDE_DIR"), "{error}");
        } else {
            assert_eq!(error.kind(), ErrorKind::LibraryMissing, "{error}");
            for line in lines() {
                assert!(error.to_string().contains(line.name), "{error}");
            }
            assert!(error.to_string().contains(LIBRARY_VARIABLE), "{error}");
        }
        assert!(!error.to_string().contains('\n'), "{error}");
    }

    #[test]
    fn a_named_file_is_decisive() {
        if lines().is_empty() {
            eprintln!("skipped: this build has no line of TensorRT");
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = folder.path().join("text.so");
        std::fs::write(&text, "not a library").expect("writable");
        let missing = folder.path().join("missing.so");
        for (named, word) in [
            (text.as_os_str(), "text.so"),
            (missing.as_os_str(), "missing.so"),
            (OsStr::new("libc.so.6"), "getInferLibVersion"),
        ] {
            let error =
                Library::open_in(Some(named.to_owned()), NAMES, OsStr::new(NO_PYTHON)).expect_err("none of these");
            let message = error.to_string();
            assert_eq!(error.kind(), ErrorKind::LibraryMissing, "{message}");
            assert!(message.starts_with(&format!("{LIBRARY_VARIABLE}=")), "{message}");
            assert!(message.contains(word), "{word}: {message}");
            assert!(message.contains("unset"), "{message}");
        }
    }
}
