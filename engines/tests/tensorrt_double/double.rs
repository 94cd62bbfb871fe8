//! The doubles of TensorRT's library, with their hooks, and the stand-in for the driver.

use std::ffi::{CStr, CString, c_char};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use libloading::os::unix::{Library as Shared, RTLD_LOCAL, RTLD_NOW};
use trt_select_engines::tensorrt::{Edition, Library, Version, lines};

use super::toy_plan::{Form, ToyPlan, ToyTensor};
use super::versions::Headers;

/// The stand-in for the driver. Host functions run at once, or when told.
const DRIVER: &str = r#"
#include <stdlib.h>
#include <string.h>
static void (*queue[64])(void*); static void* users[64]; static int queued, deferred; static long blocks;
int cuLaunchHostFunc(void* s, void (*f)(void*), void* u) {
    (void)s;
    if (!deferred) { f(u); return 0; }
    if (queued == 64) return 1;
    queue[queued] = f; users[queued++] = u; return 0;
}
int cuMemAlloc_v2(unsigned long long* p, size_t n) { *p = (unsigned long long)aligned_alloc(256, (n + 255) / 256 * 256); ++blocks; return 0; }
int cuMemFree_v2(unsigned long long p) { free((void*)p); --blocks; return 0; }
int cuMemcpyHtoD_v2(unsigned long long p, const void* from, size_t n) { memcpy((void*)p, from, n); return 0; }
void stand_in_defer(int on) { deferred = on; }
/* Runs what is queued, the entries with these indices first. */
void stand_in_run(const int* order, int n) { for (int i = 0; i < n; ++i) queue[order[i]](users[order[i]]); queued = 0; }
long stand_in_blocks(void) { return blocks; }
"#;

pub(crate) struct Double {
    pub(crate) library: Arc<Library>,
    pub(crate) form: Form,
    hooks: Shared,
    driver: &'static Shared,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}

/// The stand-in, loaded under the driver's name, by which the double finds it.
fn driver(folder: &Path) -> Option<&'static Shared> {
    let (source, library) = (folder.join("driver.c"), folder.join("libcuda.so.1"));
    std::fs::write(&source, DRIVER).expect("writable");
    let args = ["-shared", "-fPIC", "-O1", "-Wl,-soname,libcuda.so.1", "-o"];
    if !Command::new("cc").args(args).arg(&library).arg(&source).status().is_ok_and(|s| s.success()) {
        eprintln!("skipped: no C compiler (cc)");
        return None;
    }
    // SAFETY: the library has no initialisers.
    let shared = unsafe { Shared::open(Some(&library), RTLD_NOW | RTLD_LOCAL) }.expect("the stand-in loads");
    Some(Box::leak(Box::new(shared)))
}

/// A double of each version that this build has a line for; what is not there is skipped, with the reason.
pub(crate) fn doubles() -> &'static [Double] {
    static DOUBLES: OnceLock<Vec<Double>> = OnceLock::new();
    DOUBLES.get_or_init(|| {
        let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("libnvinfer-double");
        std::fs::create_dir_all(&out).expect("cargo's folder for tests");
        let Some(driver) = driver(&out) else { return Vec::new() };
        let doubles: Vec<Double> =
            Headers::all(root()).iter().filter_map(|headers| Double::open(&out, headers, driver)).collect();
        if doubles.is_empty() {
            eprintln!("skipped: no headers of TensorRT that this build has a line for (engines/get-tensorrt.sh)");
        }
        doubles
    })
}

/// The hooks are the process's: one test at a time.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Double {
    /// Builds and opens the double for these headers, if this build has a line for their version.
    fn open(out: &Path, headers: &Headers, driver: &'static Shared) -> Option<Double> {
        let edition = if headers.is_rtx { Edition::Rtx } else { Edition::Enterprise };
        let [major, minor, patch, build] = headers.version;
        let version = Version { major, minor, patch, build };
        if !lines().iter().any(|l| l.edition == edition && l.header_version == version) {
            return None;
        }
        // Libraries of one major number have one name.
        let out = out.join(format!("{}-{version}", edition.name()));
        let mut build = Command::new(root().join("tests/doubles/build-libnvinfer"));
        build.arg(&out).arg(&headers.folder);
        // E.g. `address,undefined`, with the sanitizer's library in LD_PRELOAD.
        if let Ok(list) = std::env::var("TRT_SELECT_DOUBLE_SANITIZE") {
            build.arg(format!("--sanitize={list}"));
        }
        let built = build.output().expect("bash");
        if built.status.code() == Some(3) {
            eprintln!("skipped: {}", String::from_utf8_lossy(&built.stderr));
            return None;
        }
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let file = if headers.is_rtx { "libtensorrt_rtx.so.1".into() } else { format!("libnvinfer.so.{major}") };
        let file = out.join(file);
        // The plugins name their library as `libnvinfer.so.8`, and in this process several have that name. tests/tensorrt has plugins.
        let _ = std::fs::remove_file(out.join(format!("libnvinfer_plugin.so.{major}")));
        let library = Library::open_path(&file).expect("the double");
        // SAFETY: it is loaded already.
        let hooks = unsafe { Shared::open(Some(&file), RTLD_NOW | RTLD_LOCAL) }.expect("the double");
        let numbers = headers.version.map(|n| n as u8);
        let form = if headers.is_rtx { Form { version: numbers, ..Form::RTX } } else { Form::enterprise(numbers) };
        Some(Double { library, form, hooks, driver })
    }

    /// Whether networks are enqueued with bindings by number, as before 8.5.
    pub(crate) fn has_bindings(&self) -> bool {
        self.library.edition() == Edition::Enterprise && (self.form.version[0], self.form.version[1]) < (8, 5)
    }

    pub(crate) fn calls(&self, name: &str) -> u64 {
        let name = CString::new(name).expect("no null");
        // SAFETY: the signature in tests/doubles/libnvinfer/state.cpp.
        unsafe {
            (self.hooks.get::<unsafe extern "C" fn(*const c_char) -> u64>(b"trtsel_nvdouble_calls\0").unwrap())(
                name.as_ptr(),
            )
        }
    }

    pub(crate) fn fail(&self, name: &str, nth: u64) {
        let name = CString::new(name).expect("no null");
        // SAFETY: as above.
        let answer = unsafe {
            (self.hooks.get::<unsafe extern "C" fn(*const c_char, u64) -> i32>(b"trtsel_nvdouble_fail\0").unwrap())(
                name.as_ptr(),
                nth,
            )
        };
        assert_eq!(answer, 0, "{name:?}");
    }

    pub(crate) fn failable(&self) -> Vec<String> {
        // SAFETY: as above.
        let names = unsafe {
            CStr::from_ptr((self
                .hooks
                .get::<unsafe extern "C" fn() -> *const c_char>(b"trtsel_nvdouble_failable\0")
                .unwrap())())
        };
        names.to_str().expect("ASCII").split(' ').map(str::to_owned).collect()
    }

    pub(crate) fn live(&self) -> [i64; 4] {
        ["runtimes", "engines", "contexts", "weight_blocks"].map(|kind| {
            let kind = CString::new(kind).expect("no null");
            // SAFETY: as above.
            unsafe {
                (self.hooks.get::<unsafe extern "C" fn(*const c_char) -> i64>(b"trtsel_nvdouble_live\0").unwrap())(
                    kind.as_ptr(),
                )
            }
        })
    }

    pub(crate) fn misuse(&self) -> (u64, String) {
        // SAFETY: as above.
        unsafe {
            let count = (self.hooks.get::<unsafe extern "C" fn() -> u64>(b"trtsel_nvdouble_misuse\0").unwrap())();
            let text =
                (self.hooks.get::<unsafe extern "C" fn() -> *const c_char>(b"trtsel_nvdouble_misuse_text\0").unwrap())(
                );
            (count, CStr::from_ptr(text).to_string_lossy().into_owned())
        }
    }

    pub(crate) fn opened(&self, is: bool) {
        // SAFETY: as above.
        unsafe { (self.hooks.get::<unsafe extern "C" fn(i32)>(b"trtsel_nvdouble_opened\0").unwrap())(i32::from(is)) }
    }

    pub(crate) fn reset(&self) {
        // SAFETY: as above.
        unsafe { (self.hooks.get::<unsafe extern "C" fn()>(b"trtsel_nvdouble_reset\0").unwrap())() }
    }

    pub(crate) fn defer(&self, on: bool) {
        // SAFETY: the signature in `DRIVER`.
        unsafe { (self.driver.get::<unsafe extern "C" fn(i32)>(b"stand_in_defer\0").unwrap())(i32::from(on)) }
    }

    pub(crate) fn run_queued(&self, order: &[i32]) {
        // SAFETY: as above; the array is as long as told.
        unsafe {
            (self.driver.get::<unsafe extern "C" fn(*const i32, i32)>(b"stand_in_run\0").unwrap())(
                order.as_ptr(),
                order.len() as i32,
            );
        }
    }

    pub(crate) fn driver_blocks(&self) -> i64 {
        // SAFETY: as above.
        unsafe { (self.driver.get::<unsafe extern "C" fn() -> i64>(b"stand_in_blocks\0").unwrap())() }
    }

    pub(crate) fn plan(&self, input: ToyTensor, output: ToyTensor, activation_bytes: u64) -> ToyPlan {
        ToyPlan::new(self.form, input, output, activation_bytes)
    }
}
