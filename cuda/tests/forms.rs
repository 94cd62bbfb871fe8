//! In which form the driver gets the kernels: machine code for its device where it takes it, else PTX.
#![cfg(feature = "driver")]

use std::sync::Mutex;

use trt_select_cuda::driver::{Context, Error, ErrorKind, Module};
use trt_select_cuda::kernels;
use trt_select_cuda::pipe::{AnyFrame, FeatureGroups, Grid, HostFrame, KERNELS_VARIABLE, Pipe, PipeOptions};
use trt_select_cuda::{Accumulators, Format, FrameDesc};

mod common;

use common::{Double, FULL, with_double};

/// The device of the context is described when it is made, so each pipe has one of its own.
fn pipe_on(double: &Double, (major, minor): (i64, i64)) -> Result<Pipe, Error> {
    double.set("major", major);
    double.set("minor", minor);
    Pipe::new(&Context::primary(0).unwrap(), &PipeOptions::default().frame_bytes(10_000))
}

fn form_on(double: &Double, capability: (i64, i64)) -> &'static str {
    pipe_on(double, capability).unwrap().kernel_form()
}

/// The sums of a small frame.
fn sums(mut pipe: Pipe) -> Accumulators {
    let pixels: Vec<u8> = (0..10_000_u32).map(|i| (i * i % 251) as u8).collect();
    let desc = FrameDesc {
        stride0_bytes: 100,
        width_px: 100,
        height_px: 100,
        format: Format::Gray8 as u32,
        ..FrameDesc::default()
    };
    let groups = FeatureGroups { whole: true, grid: Some(Grid { scale: 1, width: 100, height: 100 }) };
    pipe.begin(&AnyFrame::Host(HostFrame { planes: [&pixels, &[]], desc }), groups).unwrap();
    loop {
        if let Some(sums) = pipe.poll_features().unwrap() {
            return sums;
        }
    }
}

/// Keeps what is logged, for the tests to read.
struct Kept;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl log::Log for Kept {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().unwrap().push(format!("{}: {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

/// The lines about the kernels since the last call. The first call only starts keeping them.
fn logged() -> Vec<String> {
    log::set_max_level(log::LevelFilter::Debug);
    let _ = log::set_logger(&Kept);
    let lines = std::mem::take(&mut *LINES.lock().unwrap());
    lines.into_iter().filter(|line| line.contains("kernels") || line.contains(KERNELS_VARIABLE)).collect()
}

#[test]
fn machine_code_is_chosen_by_the_device() {
    with_double("machine_code_is_chosen_by_the_device", FULL, &[], |double| {
        let mut last = None;
        for (capability, form) in [
            ((5, 3), "sm_53"),
            ((6, 2), "sm_62"),
            ((7, 2), "sm_72"),
            ((8, 7), "sm_87"),
            ((9, 0), "sm_90"),
            ((12, 0), "sm_120"),
            ((12, 1), "sm_120"),
            // None for these, however near a Jetson's number is to theirs.
            ((5, 2), "ptx"),
            ((7, 5), "ptx"),
            ((8, 9), "ptx"),
            ((11, 0), "ptx"),
        ] {
            double.reset();
            let pipe = pipe_on(double, capability).unwrap();
            assert_eq!(pipe.kernel_form(), form, "{capability:?}");
            assert_eq!(double.calls("cuModuleLoadDataEx"), 1, "{capability:?}");
            let found = sums(pipe);
            assert_eq!(*last.get_or_insert(found), found, "{capability:?}");
        }
        double.is_clean();
    });
}

/// An older driver may not know the format of the machine code, whatever it says then. That is no failure, and nothing is left of it.
#[test]
fn a_driver_that_refuses_machine_code_gets_ptx() {
    with_double("a_driver_that_refuses_machine_code_gets_ptx", FULL, &[], |double| {
        logged();
        for code in [200, 209, 222, 301, 999, 9999] {
            double.reset();
            double.set("cubin", code);
            let pipe = pipe_on(double, (6, 2)).unwrap();
            assert_eq!((pipe.kernel_form(), double.calls("cuModuleLoadDataEx")), ("ptx", 2), "{code}");
            let lines = logged();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(
                lines[0].starts_with("DEBUG: kernels: the driver does not take sm_62, so it compiles the PTX: ")
                    && lines[0].contains(&format!("{code}")),
                "{lines:?}"
            );
            assert_eq!(pipe.context().take_error(), None);
            assert!(sums(pipe).pixels == 10_000);
        }
        // A driver that looks at a kernel's code when the kernel is asked for refuses it then.
        double.set("cubin", 0);
        double.reset();
        double.fail("cuModuleGetFunction", 3, 209);
        assert_eq!(form_on(double, (6, 2)), "ptx");
        assert_eq!((double.calls("cuModuleLoadDataEx"), double.calls("cuModuleUnload")), (2, 2));
        double.is_clean();
    });
}

/// What is told is the failure of the PTX; the machine code's was none.
#[test]
fn a_container_without_the_drivers_compiler_is_told_what_it_lacks() {
    let variables = [("TRT_SELECT_DOUBLE_CUBIN", "200"), ("TRT_SELECT_DOUBLE_PTX", "221")];
    with_double("a_container_without_the_drivers_compiler_is_told_what_it_lacks", FULL, &variables, |double| {
        // With machine code for the device and without.
        for capability in [(6, 2), (8, 0)] {
            let error = pipe_on(double, capability).unwrap_err();
            assert_eq!((error.kind(), error.call(), error.code()), (ErrorKind::Call, "cuModuleLoadDataEx", 221));
            assert_eq!(
                error.to_string(),
                "cuModuleLoadDataEx: expected success, got CUDA_ERROR_JIT_COMPILER_NOT_FOUND (221); install \
                 libnvidia-ptxjitcompiler.so.1 of the driver's version, or give the container the driver capabilities \
                 compute,utility"
            );
        }
        // Machine code needs no compiler.
        double.set("cubin", 0);
        assert_eq!(form_on(double, (6, 2)), "sm_62");
        double.is_clean();
    });
}

#[test]
fn ptx_can_be_asked_for() {
    with_double("ptx_can_be_asked_for", FULL, &[(KERNELS_VARIABLE, "ptx")], |double| {
        assert_eq!((form_on(double, (6, 2)), double.calls("cuModuleLoadDataEx")), ("ptx", 1));
        double.is_clean();
    });
}

#[test]
fn machine_code_can_be_asked_for() {
    with_double("machine_code_can_be_asked_for", FULL, &[(KERNELS_VARIABLE, "cubin")], |double| {
        assert_eq!(form_on(double, (6, 2)), "sm_62");
        let error = pipe_on(double, (8, 0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            "kernels: expected machine code for compute capability 8.0, got none; unset TRT_SELECT_KERNELS, and the driver \
             compiles them"
        );
        // Who asks for it is told why it does not load.
        double.set("cubin", 200);
        let error = pipe_on(double, (6, 2)).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Call, 200));
        assert!(error.to_string().starts_with("cuModuleLoadDataEx of the kernels for sm_62: "), "{error}");
        double.is_clean();
    });
}

#[test]
fn another_form_is_ignored_with_a_warning() {
    with_double("another_form_is_ignored_with_a_warning", FULL, &[(KERNELS_VARIABLE, "sass")], |double| {
        logged();
        assert_eq!(form_on(double, (6, 2)), "sm_62");
        assert_eq!(logged(), ["WARN: TRT_SELECT_KERNELS: expected auto, cubin or ptx, got sass; taking auto"]);
        double.is_clean();
    });
}

/// The double is as strict as a driver: without that, the tests above would show little.
#[test]
fn the_double_refuses_machine_code_of_another_device() {
    with_double("the_double_refuses_machine_code_of_another_device", FULL, &[], |double| {
        let cubin = |major, minor| kernels::cubin_for((major, minor)).unwrap();
        for (device, code) in
            [((8, 9), cubin(8, 7)), ((6, 1), cubin(6, 2)), ((9, 0), cubin(12, 0)), ((5, 3), cubin(6, 2))]
        {
            double.set("major", device.0);
            double.set("minor", device.1);
            let error = Module::load_cubin(&Context::primary(0).unwrap(), code).unwrap_err();
            assert_eq!(error.code(), 209, "{device:?} {code:?}");
            assert!(error.to_string().ends_with("; update the driver"), "{error}");
        }
        double.is_clean();
    });
}
