//! Builds, loads and launches the host's kernels.

use std::ffi::{CStr, OsString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bytemuck::Pod;
use libloading::Library;
use trt_select::Frame;
use trt_select::features::GridSize;
use trt_select_cuda::{FeaturesParams, FeaturesRecord, PreprocessParams, SignalsParams, kernels};

/// Names a library that is built already.
pub(crate) const LIBRARY: &str = "TRT_SELECT_HOST_KERNELS";
/// How many random cases to run.
pub(crate) const CASES: &str = "TRT_SELECT_KERNEL_CASES";

type Run = unsafe extern "C" fn(*const [u32; 3], *const [u32; 3], *mut *mut c_void);

#[repr(C)]
struct RawKernel {
    name: *const c_char,
    run: Run,
}

#[repr(C)]
struct RawNumber {
    name: *const c_char,
    value: u32,
}

/// The kernels of a loaded library.
pub(crate) struct Kernels {
    table: Vec<(String, Run)>,
    pub(crate) numbers: Vec<(String, u32)>,
}

/// Random cases to run: `share` of the number asked for.
pub(crate) fn cases(share: f64) -> u64 {
    let all = std::env::var(CASES).ok().and_then(|v| v.parse().ok()).unwrap_or(1_000.0);
    (all * share).ceil() as u64
}

/// Random frames for the features: ten times as many, where no number is asked for and no sanitizer slows them down.
pub(crate) fn frames() -> u64 {
    let quick = std::env::var_os(CASES).is_some() || std::env::var_os(LIBRARY).is_some();
    cases(if quick { 1.0 } else { 10.0 })
}

pub(crate) fn compiler() -> OsString {
    std::env::var_os("CXX").unwrap_or_else(|| "c++".into())
}

/// Builds the kernels with extra compiler flags; `None`, with the reason, where there is no compiler.
pub(crate) fn build(name: &str, flags: &[&str]) -> Result<PathBuf, String> {
    let cxx = compiler();
    if !Command::new(&cxx).arg("--version").output().is_ok_and(|o| o.status.success()) {
        return Err(format!("no C++ compiler {}; install g++ or set CXX", cxx.to_string_lossy()));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doubles/build-host-kernels");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = Command::new(script).arg(&library).args(flags).output().expect("bash runs the script");
    assert!(output.status.success(), "build-host-kernels: {}", String::from_utf8_lossy(&output.stderr));
    Ok(library)
}

/// The kernels, built once a process; `None` where they cannot be, after a line that says why.
pub(crate) fn get() -> Option<&'static Kernels> {
    static KERNELS: OnceLock<Result<Kernels, String>> = OnceLock::new();
    let kernels = KERNELS.get_or_init(|| {
        let path = match std::env::var_os(LIBRARY) {
            Some(path) => PathBuf::from(path),
            None => build("libtrtsel_host_kernels.so", &[])?,
        };
        Ok(Kernels::load(&path))
    });
    match kernels {
        Ok(kernels) => Some(kernels),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

/// The address of what a kernel may write, as a number.
pub(crate) fn address<T>(data: &mut [T]) -> u64 {
    data.as_mut_ptr().expose_provenance() as u64
}

impl Kernels {
    fn load(path: &Path) -> Kernels {
        // SAFETY: the library is our own, and runs nothing when it is loaded.
        let library = unsafe { Library::new(path) }.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        // SAFETY: tests/doubles/host_kernels.h declares the four symbols with these types; the library stays loaded.
        let (table, numbers) = unsafe {
            let count = |name: &[u8]| **library.get::<*const u32>(name).unwrap() as usize;
            let table = std::slice::from_raw_parts(
                *library.get::<*const RawKernel>(b"trtsel_host_kernels").unwrap(),
                count(b"trtsel_host_kernel_count"),
            );
            let numbers = std::slice::from_raw_parts(
                *library.get::<*const RawNumber>(b"trtsel_host_numbers").unwrap(),
                count(b"trtsel_host_number_count"),
            );
            let text = |name: *const c_char| CStr::from_ptr(name).to_str().unwrap().to_owned();
            (
                table.iter().map(|k| (text(k.name), k.run)).collect(),
                numbers.iter().map(|n| (text(n.name), n.value)).collect(),
            )
        };
        std::mem::forget(library);
        Kernels { table, numbers }
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.table.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// # Safety
    /// The addresses in `argument` must be good for what the kernel does with them.
    unsafe fn launch<T: Pod>(&self, name: &str, grid: [u32; 3], block: u32, mut argument: T) {
        let (_, run) = self.table.iter().find(|(n, _)| n == name).expect("every kernel is in the table");
        let mut args = [std::ptr::from_mut(&mut argument).cast::<c_void>()];
        // SAFETY: one argument of the kernel's type, which the caller vouches for.
        unsafe { run(&grid, &[block, 1, 1], args.as_mut_ptr()) };
    }

    /// Runs a features kernel on a frame: the whole-frame group in `blocks` blocks, or the grid group.
    pub(crate) fn features(
        &self,
        blocks: Option<u32>,
        frame: &Frame<'_>,
        scratch: &mut [u64],
        record: &mut FeaturesRecord,
        sequence: u64,
    ) {
        assert_eq!(size_of_val(scratch), kernels::SCRATCH_BYTES);
        let grid = GridSize::of(frame.width(), frame.height());
        // The planes' addresses are used from outside of Rust.
        frame.pixels().as_ptr().expose_provenance();
        frame.chroma().as_ptr().expose_provenance();
        let params = FeaturesParams {
            frame: frame.desc(),
            scratch: address(scratch),
            record: address(std::slice::from_mut(record)),
            sequence,
            grid_scale: grid.scale,
            grid_width: grid.width,
            grid_height: grid.height,
            reserved: 0,
        };
        // SAFETY: the frame is borrowed and sound, scratch and record are ours alone and of the right size.
        unsafe {
            match blocks {
                Some(n) => self.launch(kernels::FEATURES_WHOLE, [n, 1, 1], kernels::WHOLE_BLOCK, params),
                None => self.launch(kernels::FEATURES_GRID, [1, 1, 1], kernels::GRID_BLOCK, params),
            }
        }
    }

    /// # Safety
    /// Every address in the parameters must be good for the sizes in them.
    pub(crate) unsafe fn preprocess(&self, params: &PreprocessParams) {
        let grid = kernels::preprocess_grid(params.width, params.height);
        let at = std::ptr::from_ref(params).expose_provenance() as u64;
        // SAFETY: the caller's promise.
        unsafe { self.launch(kernels::PREPROCESS, grid, kernels::PREPROCESS_BLOCK, at) }
    }

    /// # Safety
    /// Every address in the parameters must be good for the count in them.
    pub(crate) unsafe fn signals(&self, params: &SignalsParams) {
        let at = std::ptr::from_ref(params).expose_provenance() as u64;
        // SAFETY: the caller's promise.
        unsafe { self.launch(kernels::SIGNALS, [1, 1, 1], kernels::SIGNALS_BLOCK, at) }
    }
}
