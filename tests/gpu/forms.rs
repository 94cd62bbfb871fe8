//! How long the driver takes to load the kernels: as machine code, and as PTX that it compiles.

use std::ffi::CString;
use std::time::Instant;

use trt_select::cuda::driver::{Error, Module};
use trt_select::cuda::kernels;
use trt_select::cuda::pipe::{KERNELS_VARIABLE, Pipe, PipeOptions};

use crate::given::context;

/// Loads the kernels several times and gives each time in milliseconds. The functions are looked up too, since a driver may load
/// their code only then.
fn times_ms(load: impl Fn() -> Result<Module, Error>) -> Result<Vec<f64>, Error> {
    let once = || {
        let start = Instant::now();
        let module = load()?;
        for name in kernels::NAMES {
            module.function(&CString::new(name).expect("no zero byte"))?;
        }
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    (0..5).map(|_| once()).collect()
}

/// Prints the times of loading both forms. With `CUDA_CACHE_DISABLE=1` the driver compiles the PTX each time; without it, its cache on disk
/// may have the result of an earlier run. It has no bound to fail.
#[test]
#[ignore = "a measurement: run it by name, in a release build, on a GPU"]
fn loading_the_kernels_both_ways() {
    let Some(context) = context() else { return };
    let (major, minor) = context.device().compute_capability;
    let variable = |name| std::env::var(name).unwrap_or_else(|_| "not set".to_owned());
    let taken = Pipe::new(&context, &PipeOptions::default()).expect("a pipe").kernel_form();
    println!(
        "compute capability {major}.{minor}: a pipe takes {taken}; CUDA_CACHE_DISABLE: {}",
        variable("CUDA_CACHE_DISABLE")
    );
    let print = |form: &str, times: Result<Vec<f64>, Error>| match times {
        Ok(times) => println!("{form}: {} ms", times.iter().map(|t| format!("{t:.2}")).collect::<Vec<_>>().join(", ")),
        Err(error) => println!("{form}: refused: {error}"),
    };
    match kernels::cubin_for((major, minor)) {
        Some(cubin) => print(cubin.name(), times_ms(|| Module::load_cubin(&context, cubin))),
        None => println!("no machine code for this device"),
    }
    print("ptx", times_ms(|| Module::load_ptx(&context, kernels::PTX)));
}

/// All other tests have run the form that this names. It is the one that `TRT_SELECT_KERNELS` asks for, where it asks for one.
#[test]
fn the_form_that_was_tested() {
    let Some(context) = context() else { return };
    let (major, minor) = context.device().compute_capability;
    let form = Pipe::new(&context, &PipeOptions::default()).expect("a pipe").kernel_form();
    println!("compute capability {major}.{minor}: the kernels were loaded as {form}");
    let own = kernels::cubin_for((major, minor)).map(|cubin| cubin.name());
    match std::env::var(KERNELS_VARIABLE).as_deref() {
        Ok("cubin") => assert_eq!(Some(form), own),
        Ok("ptx") => assert_eq!(form, "ptx"),
        _ => assert!(form == "ptx" || Some(form) == own, "{form} {own:?}"),
    }
}
