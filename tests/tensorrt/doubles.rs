//! Runs a test in a process of its own with both doubles, the driver's and TensorRT's, and with a bundle of toy networks.

use std::ffi::{CStr, CString, c_char};
use std::path::PathBuf;

use libloading::Library;

use super::double::{self, Double, Variant};
use super::line::Line;
use super::toy;

/// The names that the double of TensorRT gives to the calls that can be made to fail.
pub(crate) const NV_CALLS: [&str; 9] = [
    "createInferRuntime",
    "deserializeCudaEngine",
    "getIOTensorName",
    "getTensorShape",
    "getDeviceMemorySizeV2",
    "createExecutionContextWithRuntimeConfig",
    "setDeviceMemoryV2",
    "setTensorAddress",
    "enqueueV3",
];

/// The two doubles and the bundle.
pub(crate) struct Doubles {
    pub(crate) cuda: Double,
    pub(crate) nv: Nv,
    pub(crate) bundle: PathBuf,
    _folder: tempfile::TempDir,
}

/// Runs a test's body in a child process with both doubles. `name` must be the test's own name.
pub(crate) fn with_doubles(name: &str, variables: &[(&str, &str)], body: impl FnOnce(&Doubles)) {
    with_variant(name, double::FULL, variables, body);
}

/// Does the same with a variant of the driver's double.
pub(crate) fn with_variant(name: &str, variant: Variant, variables: &[(&str, &str)], body: impl FnOnce(&Doubles)) {
    if double::is_child(name) {
        return body(&Doubles::open());
    }
    let Some(cuda) = double::build(variant) else { return };
    let Some(nv) = build() else { return };
    let count_malloc = cuda.with_file_name("libcountmalloc.so");
    let (cuda, nv) = (cuda.to_str().expect("a path").to_owned(), nv.to_str().expect("a path").to_owned());
    let mut variables = variables.to_vec();
    variables.extend([("TRT_SELECT_LIBCUDA", cuda.as_str()), ("TRT_SELECT_LIBNVINFER", nv.as_str())]);
    // Sanitizers and Valgrind bring their own allocator, so there this one is not preloaded.
    let preload = count_malloc.to_str().expect("a path").to_owned();
    if ["LD_PRELOAD", "TRT_SELECT_TEST_WRAPPER", "TRT_SELECT_TEST_SANITIZE"]
        .iter()
        .all(|v| std::env::var_os(v).is_none())
    {
        variables.push(("LD_PRELOAD", &preload));
    }
    double::run_child(name, &variables);
}

/// Builds the double of TensorRT-RTX against the real headers. Where these are not installed it prints so and returns `None`.
fn build() -> Option<PathBuf> {
    let line = Line::all().into_iter().find(|line| line.is_rtx());
    if line.is_none() {
        println!("skipped: no headers of TensorRT-RTX: run engines/get-tensorrt.sh, and build again");
    }
    line.map(|line| line.build(false))
}

impl Doubles {
    fn open() -> Doubles {
        Doubles::open_with(|toy| toy.plan())
    }

    /// Opens the doubles, with plans of another form in the bundle.
    pub(crate) fn open_with(plan: impl Fn(&toy::Toy) -> Vec<u8>) -> Doubles {
        let folder = tempfile::tempdir().expect("a folder");
        toy::write_bundle(folder.path(), plan);
        Doubles { cuda: Double::open(), nv: Nv::open(), bundle: folder.path().to_owned(), _folder: folder }
    }

    /// Checks that everything was released and that no call was a misuse.
    #[track_caller]
    pub(crate) fn assert_all_freed(&self) {
        assert_eq!((self.cuda.misuse(), self.cuda.misuse_text()), (0, String::new()), "the driver was misused");
        assert_eq!((self.nv.misuse(), self.nv.misuse_text()), (0, String::new()), "TensorRT was misused");
        self.assert_all_freed_but_misuse("");
    }

    /// Checks that everything was released.
    #[track_caller]
    pub(crate) fn assert_all_freed_but_misuse(&self, what: &str) {
        for kind in ["runtimes", "engines", "contexts", "weight_blocks"] {
            assert_eq!(self.nv.live(kind), 0, "TensorRT's {kind} left: {what}");
        }
        assert_eq!(self.cuda.left(), 0, "the driver's objects left: {what}");
    }

    /// How many times a scenario makes this call of TensorRT.
    pub(crate) fn nv_calls_of(&self, call: &str, scenario: impl FnOnce()) -> u64 {
        self.nv.reset();
        scenario();
        self.nv.calls(call)
    }
}

/// The hooks of TensorRT's double, by which a test controls it.
pub(crate) struct Nv {
    library: Library,
}

impl Nv {
    fn open() -> Nv {
        let path = std::env::var_os("TRT_SELECT_LIBNVINFER").expect("the double's path");
        // SAFETY: the double's initialisers only read the environment.
        Nv { library: unsafe { Library::new(path) }.expect("the double") }
    }

    fn get<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the callers below give the right types, and the library stays open as long as `self` lives.
        unsafe { *self.library.get::<F>(name.as_bytes()).unwrap_or_else(|e| panic!("{name}: {e}")) }
    }

    pub(crate) fn calls(&self, call: &str) -> u64 {
        let call = CString::new(call).expect("a name");
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(*const c_char) -> u64>("trtsel_nvdouble_calls")(call.as_ptr()) }
    }

    /// Makes this call fail once: the nth one from now on.
    pub(crate) fn fail(&self, call: &str, nth: u64) {
        let name = CString::new(call).expect("a name");
        // SAFETY: the hook's signature.
        let told = unsafe {
            self.get::<unsafe extern "C" fn(*const c_char, u64) -> i32>("trtsel_nvdouble_fail")(name.as_ptr(), nth)
        };
        assert_eq!(told, 0, "{call}");
    }

    /// What the last build was asked for: see `trtsel_nvdouble_build`.
    pub(crate) fn build(&self, what: &str) -> u64 {
        let name = CString::new(what).expect("a name");
        // SAFETY: the hook's signature.
        let asked =
            unsafe { self.get::<unsafe extern "C" fn(*const c_char) -> u64>("trtsel_nvdouble_build")(name.as_ptr()) };
        assert_ne!(asked, u64::MAX, "{what}");
        asked
    }

    pub(crate) fn live(&self, kind: &str) -> i64 {
        let name = CString::new(kind).expect("a name");
        // SAFETY: the hook's signature.
        let live =
            unsafe { self.get::<unsafe extern "C" fn(*const c_char) -> i64>("trtsel_nvdouble_live")(name.as_ptr()) };
        assert!(live >= 0, "{kind}");
        live
    }

    /// Tells the double that opening is over. From now on it counts binding an address as misuse.
    pub(crate) fn opened(&self) {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn(i32)>("trtsel_nvdouble_opened")(1) }
    }

    pub(crate) fn reset(&self) {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn()>("trtsel_nvdouble_reset")() }
    }

    pub(crate) fn misuse(&self) -> u64 {
        // SAFETY: the hook's signature.
        unsafe { self.get::<unsafe extern "C" fn() -> u64>("trtsel_nvdouble_misuse")() }
    }

    pub(crate) fn misuse_text(&self) -> String {
        let hook = self.get::<unsafe extern "C" fn() -> *const c_char>("trtsel_nvdouble_misuse_text");
        // SAFETY: the hook's signature; the text ends with 0.
        unsafe { CStr::from_ptr(hook()) }.to_string_lossy().into_owned()
    }

    /// For each live context, the address and size of the activation memory that it was given.
    pub(crate) fn activation_blocks(&self) -> Vec<(u64, u64)> {
        let hook = self.get::<unsafe extern "C" fn(u64, *mut u64, *mut u64) -> i32>("trtsel_nvdouble_activation");
        (0..)
            .map_while(|at| {
                let (mut address, mut bytes) = (0, 0);
                // SAFETY: the hook's signature; it writes two numbers.
                (unsafe { hook(at, &mut address, &mut bytes) } == 1).then_some((address, bytes))
            })
            .collect()
    }
}
