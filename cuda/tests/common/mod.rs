//! The double of the driver: built by its script, loaded in a process of its own for each test.
//!
//! The driver is loaded once a process and reads its environment then, so every test runs its body in a child process.
#![allow(dead_code, reason = "each test uses its own part")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use libloading::Library;
use trt_select_cuda::driver::{Context, VARIABLE};

/// PTX with two small kernels: `trtsel_test_add(a, b, out, count)` and `trtsel_test_record(record, payload, sequence)`.
pub(crate) const PTX: &str = include_str!("kernels.ptx");
pub(crate) const ADD: &CStr = c"trtsel_test_add";
pub(crate) const RECORD: &CStr = c"trtsel_test_record";

const CHILD: &str = "TRT_SELECT_TEST_CHILD";

/// One build of the double: its folder's name, and the options of the script.
#[derive(Clone, Copy)]
pub(crate) struct Variant(&'static str, &'static [&'static str]);

pub(crate) const FULL: Variant = Variant("full", &[]);
pub(crate) const CUDA_10_2: Variant = Variant("cuda-10.2", &["--cuda-10.2"]);
pub(crate) const NO_GRAPHS: Variant = Variant("no-graphs", &["--no-graphs"]);
/// To be run with [`sanitizers`] in `LD_PRELOAD`.
pub(crate) const SANITIZED: Variant = Variant("sanitized", &["--sanitize=address,undefined,alignment"]);
/// Neither version of the call that releases a primary context.
pub(crate) const NO_RELEASE: Variant =
    Variant("no-release", &["--omit=cuDevicePrimaryCtxRelease", "--omit=cuDevicePrimaryCtxRelease_v2"]);
pub(crate) const NO_MEMORY_INFO: Variant = Variant("no-memory-info", &["--omit=cuMemGetInfo_v2"]);

/// The double's file, built where it is not up to date; none, with the reason printed, where it cannot be built here.
pub(crate) fn build(variant: Variant) -> Option<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    // This crate, or the one that holds it: whichever has the script.
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|dir| dir.join("tests/doubles/build-libcuda").is_file()).unwrap();
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "g++".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        println!("skipped: no C++ compiler ({})", compiler.display());
        return None;
    }
    // Beside the test programs: target/<profile>/deps/<this> gives target/doubles.
    let target = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf();
    let (suffix, sanitize) = sanitized();
    let out = target.join("doubles").join(format!("{}{suffix}", variant.0));
    let status = Command::new(root.join("tests/doubles/build-libcuda"))
        .arg(&out)
        .args(variant.1)
        .args(sanitize)
        .status()
        .expect("the script runs");
    assert!(status.success(), "build-libcuda: {status}");
    Some(out.join("libcuda.so.1"))
}

/// What `tests/doubles/campaign` builds the doubles with: a suffix of their folders, and the scripts' option.
pub(crate) fn sanitized() -> (&'static str, Option<String>) {
    match std::env::var("TRT_SELECT_TEST_SANITIZE") {
        Ok(list) => ("-sanitized", Some(format!("--sanitize={list}"))),
        Err(_) => ("", None),
    }
}

/// The run-time libraries of the compiler's sanitizers, for `LD_PRELOAD`; none, with the reason printed, where there are none.
pub(crate) fn sanitizers() -> Option<String> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "g++".into());
    let mut found = Vec::new();
    for name in ["libasan.so", "libubsan.so"] {
        let output = Command::new(&compiler).arg(format!("-print-file-name={name}")).output().ok();
        let path = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default();
        // The compiler gives back the bare name where it has no such file.
        if !Path::new(&path).is_absolute() {
            println!("skipped: the compiler has no {name}");
            return None;
        }
        found.push(path);
    }
    Some(found.join(" "))
}

/// Runs a test's body in a child process whose driver is a variant of the double. `name` is the test's own.
pub(crate) fn with_double(name: &str, variant: Variant, variables: &[(&str, &str)], body: impl FnOnce(&Double)) {
    if is_child(name) {
        return body(&Double::open());
    }
    let Some(library) = build(variant) else { return };
    let mut variables = variables.to_vec();
    let library = library.to_str().unwrap().to_owned();
    variables.push((VARIABLE, &library));
    run_child(name, &variables);
}

/// Whether this process was started for that test's body.
pub(crate) fn is_child(name: &str) -> bool {
    std::env::var_os(CHILD).is_some_and(|value| value == name)
}

/// This program anew, as the campaign wants it started (under Valgrind, say), without the product's variables.
pub(crate) fn anew() -> Command {
    let wrapper = std::env::var("TRT_SELECT_TEST_WRAPPER").unwrap_or_default();
    let mut words = wrapper.split_whitespace().map(std::ffi::OsString::from).collect::<Vec<_>>();
    words.push(std::env::current_exe().unwrap().into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if name.starts_with("TRT_SELECT_") && !name.starts_with("TRT_SELECT_TEST_") {
            command.env_remove(variable);
        }
    }
    command
}

/// Starts this program anew for one test, and waits for it.
#[track_caller]
pub(crate) fn run_child(name: &str, variables: &[(&str, &str)]) {
    let mut command = anew();
    let output = command
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    print!("{}", String::from_utf8_lossy(&output.stdout));
    print!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}", output.status);
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{name}: no such test");
}

/// The double's hooks.
pub(crate) struct Double {
    library: Library,
}

impl Double {
    pub(crate) fn open() -> Double {
        let path = std::env::var_os(VARIABLE).unwrap();
        // SAFETY: the double's initialisers do nothing.
        Double { library: unsafe { Library::new(path) }.unwrap() }
    }

    /// A function of the double. `F` is its type.
    pub(crate) fn get<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the caller knows the type; the library stays open for as long as the driver, which is for good.
        unsafe { *self.library.get::<F>(name.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}")) }
    }

    /// How often a call was made; `*` for all.
    pub(crate) fn calls(&self, call: &str) -> u64 {
        let call = CString::new(call).unwrap();
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(*const c_char) -> u64>("trtsel_double_calls")(call.as_ptr()) }
    }

    /// Makes the nth such call from now on fail once; `*` for any call.
    pub(crate) fn fail(&self, call: &str, nth: u64, code: i32) {
        let name = CString::new(call).unwrap();
        let hook = self.get::<unsafe extern "C" fn(*const c_char, u64, c_int) -> c_int>("trtsel_double_fail");
        // SAFETY: the hook's signature.
        assert_eq!(unsafe { hook(name.as_ptr(), nth, code) }, 1, "{call}");
    }

    /// Live objects of a kind; `*` for all.
    pub(crate) fn live(&self, kind: &str) -> i64 {
        let kind = CString::new(kind).unwrap();
        // SAFETY: the hook's signature.
        let live =
            unsafe { self.get::<unsafe extern "C" fn(*const c_char) -> i64>("trtsel_double_live")(kind.as_ptr()) };
        assert!(live >= 0, "{kind:?}");
        live
    }

    /// Writes one byte over all live blocks of mapped memory of exactly that size.
    pub(crate) fn fill_mapped(&self, bytes: u64, value: u8) -> u64 {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(u64, u8) -> u64>("trtsel_double_fill_mapped")(bytes, value) }
    }

    /// Live objects but for the primary contexts, of which the process keeps those that it has used, each retained once.
    #[track_caller]
    pub(crate) fn left(&self) -> i64 {
        let kept = self.live("primaries");
        assert_eq!(self.live("retained") - (self.live("contexts") - kept), kept, "retains of the primary contexts");
        self.live("*") - kept
    }

    /// Live blocks of device memory of exactly that size.
    pub(crate) fn live_blocks_of(&self, bytes: u64) -> u64 {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(u64) -> u64>("trtsel_double_live_blocks_of")(bytes) }
    }

    /// Sets a property of the device or the driver; the hook lists them.
    pub(crate) fn set(&self, what: &str, value: i64) {
        let name = CString::new(what).unwrap();
        let hook = self.get::<unsafe extern "C" fn(*const c_char, i64) -> c_int>("trtsel_double_set");
        // SAFETY: the hook's signature.
        assert_eq!(unsafe { hook(name.as_ptr(), value) }, 1, "{what}");
    }

    /// How many blocks the last launch of a kernel had; 0 where it was not launched yet.
    pub(crate) fn blocks(&self, kernel: &str) -> u64 {
        let kernel = CString::new(kernel).unwrap();
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(*const c_char) -> u64>("trtsel_double_blocks")(kernel.as_ptr()) }
    }

    pub(crate) fn reset(&self) {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn()>("trtsel_double_reset")() }
    }

    pub(crate) fn delay(&self, polls: u64) {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(u64)>("trtsel_double_delay")(polls) }
    }

    pub(crate) fn release(&self) {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn()>("trtsel_double_release")() }
    }

    pub(crate) fn step(&self, operations: u64) -> u64 {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(u64) -> u64>("trtsel_double_step")(operations) }
    }

    pub(crate) fn misuse(&self) -> u64 {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn() -> u64>("trtsel_double_misuse")() }
    }

    pub(crate) fn misuse_text(&self) -> String {
        // SAFETY: the hook's signature; the text ends with 0.
        unsafe { CStr::from_ptr(self.get::<unsafe extern "C" fn() -> *const c_char>("trtsel_double_misuse_text")()) }
            .to_string_lossy()
            .into_owned()
    }

    /// The driver's calls that this build exports.
    pub(crate) fn symbols(&self) -> Vec<String> {
        // SAFETY: the hook's signature; the text ends with 0.
        unsafe { CStr::from_ptr(self.get::<unsafe extern "C" fn() -> *const c_char>("trtsel_double_symbols")()) }
            .to_string_lossy()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// A context as a caller would have made it; it is current in this thread from now on.
    pub(crate) fn foreign_context(&self) -> u64 {
        let mut raw: *mut c_void = std::ptr::null_mut();
        let create = self.get::<unsafe extern "C" fn(*mut *mut c_void, u32, c_int) -> c_int>("cuCtxCreate_v2");
        // SAFETY: the driver's signature.
        assert_eq!(unsafe { create(&mut raw, 0, 0) }, 0);
        raw as u64
    }

    pub(crate) fn destroy_foreign(&self, context: u64) {
        let destroy = self.get::<unsafe extern "C" fn(*mut c_void) -> c_int>("cuCtxDestroy_v2");
        // SAFETY: the driver's signature.
        assert_eq!(unsafe { destroy(context as *mut c_void) }, 0);
    }

    /// What is current in this thread.
    pub(crate) fn current(&self) -> u64 {
        let mut raw: *mut c_void = std::ptr::null_mut();
        let get = self.get::<unsafe extern "C" fn(*mut *mut c_void) -> c_int>("cuCtxGetCurrent");
        // SAFETY: the driver's signature.
        assert_eq!(unsafe { get(&mut raw) }, 0);
        raw as u64
    }

    /// A stream that is not ours, in a context of ours.
    pub(crate) fn foreign_stream(&self, context: &Context, flags: u32) -> u64 {
        let _entered = context.enter().unwrap();
        let mut raw: *mut c_void = std::ptr::null_mut();
        let create = self.get::<unsafe extern "C" fn(*mut *mut c_void, u32) -> c_int>("cuStreamCreate");
        // SAFETY: the driver's signature.
        assert_eq!(unsafe { create(&mut raw, flags) }, 0);
        raw as u64
    }

    pub(crate) fn destroy_stream(&self, context: &Context, stream: u64) {
        let _entered = context.enter().unwrap();
        let destroy = self.get::<unsafe extern "C" fn(*mut c_void) -> c_int>("cuStreamDestroy_v2");
        // SAFETY: the driver's signature.
        assert_eq!(unsafe { destroy(stream as *mut c_void) }, 0);
    }

    /// Nothing was done wrongly.
    #[track_caller]
    pub(crate) fn is_used_well(&self) {
        assert_eq!(self.misuse(), 0, "{}", self.misuse_text());
    }

    /// Nothing is left, nothing was done wrongly.
    #[track_caller]
    pub(crate) fn is_clean(&self) {
        self.is_used_well();
        assert_eq!(self.left(), 0, "live objects");
    }
}
