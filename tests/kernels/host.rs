//! Compiles the kernels for the host, loads them, and launches them.

use std::ffi::{CStr, OsString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use bytemuck::Pod;
use libloading::Library;
use trt_select::Frame;
use trt_select::features::{GridSize, Groups};
use trt_select_cuda::{FeaturesParams, FeaturesRecord, PreprocessParams, SignalsParams, kernels};

/// The environment variable that names a library which has been built already.
pub(crate) const LIBRARY: &str = "TRT_SELECT_HOST_KERNELS";
/// The environment variable that says how many random cases to run.
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

/// Number of random cases to run: this share of the number asked for.
pub(crate) fn cases(share: f64) -> u64 {
    let all = std::env::var(CASES).ok().and_then(|v| v.parse().ok()).unwrap_or(1_000.0);
    (all * share).ceil() as u64
}

/// Number of random frames for the features. It is ten times that of other cases, unless a number was asked for or a sanitizer slows the
/// test down.
pub(crate) fn frames() -> u64 {
    let quick = std::env::var_os(CASES).is_some() || std::env::var_os(LIBRARY).is_some();
    cases(if quick { 1.0 } else { 10.0 })
}

pub(crate) fn compiler() -> OsString {
    std::env::var_os("CXX").unwrap_or_else(|| "c++".into())
}

/// Builds the kernels with these extra compiler flags. The error says why that is not possible, e.g. for want of a compiler.
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

/// The kernels, which a process builds once. Where that is not possible it prints the reason and returns `None`.
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

/// The address of memory that a kernel may write, as a number.
pub(crate) fn address<T>(data: &mut [T]) -> u64 {
    data.as_mut_ptr().expose_provenance() as u64
}

impl Kernels {
    fn load(path: &Path) -> Kernels {
        // SAFETY: the library is this project's own, and runs no code when it is loaded.
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
    /// Every address in `argument` must be valid for what the kernel reads and writes there.
    unsafe fn launch<T: Pod>(&self, name: &str, grid: [u32; 3], block: u32, mut argument: T) {
        let (_, run) = self.table.iter().find(|(n, _)| n == name).expect("every kernel is in the table");
        let mut args = [std::ptr::from_mut(&mut argument).cast::<c_void>()];
        // SAFETY: the kernel gets one argument of its type, and the caller promises that the addresses in it are valid.
        unsafe { run(&grid, &[block, 1, 1], args.as_mut_ptr()) };
    }

    /// Runs the features kernel of a group on a frame, with this many blocks.
    pub(crate) fn features(
        &self,
        group: Groups,
        blocks: u32,
        frame: &Frame<'_>,
        scratch: &mut [u64],
        record: &mut FeaturesRecord,
        sequence: u64,
    ) {
        assert_eq!(size_of_val(scratch), kernels::SCRATCH_BYTES);
        let grid = GridSize::of(frame.width(), frame.height());
        // The kernel gets the planes' addresses as numbers, so their provenance has to be exposed.
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
        // SAFETY: the frame is borrowed and sound; scratch and record have the right size, and nobody else uses them.
        unsafe {
            if group == Groups::WHOLE {
                self.launch(kernels::FEATURES_WHOLE, [blocks, 1, 1], kernels::WHOLE_BLOCK, params);
            } else {
                self.launch(kernels::FEATURES_GRID, [blocks, 1, 1], kernels::GRID_BLOCK, params);
            }
        }
    }

    /// # Safety
    /// Every address in the parameters must be valid for the sizes in them.
    pub(crate) unsafe fn preprocess(&self, params: &PreprocessParams) {
        let grid = kernels::preprocess_grid(params.width, params.height);
        let at = std::ptr::from_ref(params).expose_provenance() as u64;
        // SAFETY: the caller promises that the addresses are valid.
        unsafe { self.launch(kernels::PREPROCESS, grid, kernels::PREPROCESS_BLOCK, at) }
    }

    /// # Safety
    /// Every address in the parameters must be valid for the count in them.
    pub(crate) unsafe fn signals(&self, params: &SignalsParams) {
        let at = std::ptr::from_ref(params).expose_provenance() as u64;
        // SAFETY: the caller promises that the addresses are valid.
        unsafe { self.launch(kernels::SIGNALS, [1, 1, 1], kernels::SIGNALS_BLOCK, at) }
    }
}
