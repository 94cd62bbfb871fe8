//! The double itself: what it counts as misuse, what it does for other libraries, and the product's kernels in it.
#![cfg(feature = "driver")]

use std::ffi::{CString, c_char, c_int, c_void};

use trt_select_cuda::driver::{Context, DeviceBuffer, Error, Event, Module, PinnedBuffer, Stream};
use trt_select_cuda::{FeaturesParams, FeaturesRecord, Format, FrameDesc, SignalsParams, SignalsRecord, kernels};

mod common;

use common::{Double, FULL, with_double};

/// One wrong call: its result, and that the double has noted it.
#[track_caller]
fn is_noted(double: &Double, result: c_int, expected: c_int, text: &str) {
    assert_eq!(result, expected, "{text}: {}", double.misuse_text());
    assert_eq!(double.misuse(), 1, "{text}");
    assert!(double.misuse_text().contains(text), "{}", double.misuse_text());
    double.reset();
}

#[test]
fn misuse_is_noted() {
    with_double("misuse_is_noted", FULL, &[("TRT_SELECT_DOUBLE_DEVICES", "2")], |double| {
        type Free = unsafe extern "C" fn(u64) -> c_int;
        type Alloc = unsafe extern "C" fn(*mut u64, usize) -> c_int;
        type Copy = unsafe extern "C" fn(u64, *const u8, usize, u64) -> c_int;
        let free = double.get::<Free>("cuMemFree_v2");
        let query = double.get::<Free>("cuStreamQuery");
        let destroy_event = double.get::<Free>("cuEventDestroy_v2");
        let push = double.get::<Free>("cuCtxPushCurrent_v2");
        let destroy_exec = double.get::<Free>("cuGraphExecDestroy");
        let alloc = double.get::<Alloc>("cuMemAlloc_v2");
        let copy = double.get::<Copy>("cuMemcpyHtoDAsync_v2");
        let init = double.get::<unsafe extern "C" fn(u32) -> c_int>("cuInit");
        let release = double.get::<unsafe extern "C" fn(c_int) -> c_int>("cuDevicePrimaryCtxRelease_v2");
        let pop = double.get::<unsafe extern "C" fn(*mut u64) -> c_int>("cuCtxPopCurrent_v2");
        let mut address = 0;
        // SAFETY: the double bears all of these calls, which no driver would: that is what is tested.
        unsafe {
            is_noted(double, alloc(&mut address, 1), 3, "before cuInit");
            assert_eq!(init(0), 0);
            is_noted(double, alloc(&mut address, 1), 201, "no context current");
            is_noted(double, release(0), 201, "once too often");
            is_noted(double, pop(std::ptr::null_mut()), 201, "nothing was pushed");
            let (context, second) = (Context::primary(0).unwrap(), Context::primary(1).unwrap());
            let elsewhere = Stream::new(&second).unwrap();
            let stream = double.foreign_stream(&context, 1);
            let _entered = context.enter().unwrap();
            assert_eq!(alloc(&mut address, 100), 0);
            is_noted(double, free(address + 1), 1, "not a block of device memory");
            is_noted(double, copy(address, [0_u8; 8].as_ptr(), 8, stream), 0, "not page-locked");
            is_noted(double, copy(address, [0_u8; 101].as_ptr(), 101, stream), 1, "not the device's");
            is_noted(
                double,
                copy(address, [0_u8; 8].as_ptr(), 8, elsewhere.raw()),
                400,
                "a context that is not current",
            );
            assert_eq!(free(address), 0);
            is_noted(double, free(address), 1, "or one that is freed");
            // A block that is written past its end.
            assert_eq!(alloc(&mut address, 100), 0);
            *((address + 101) as *mut u8) = 0;
            is_noted(double, free(address), 0, "written 2 bytes past its end");
            double.destroy_stream(&context, stream);
            is_noted(double, query(stream), 400, "not a stream, or a destroyed one");
            let event = Event::new(&context, false).unwrap();
            let handle = event.raw();
            drop(event);
            is_noted(double, destroy_event(handle), 400, "not an event, or a destroyed one");
            is_noted(double, destroy_exec(handle), 1, "not an instantiated graph");
            is_noted(double, push(handle), 201, "not a context");
            drop(_entered);
            drop((context, elsewhere, second));
        }
        double.is_clean();
    });
}

struct Counted {
    calls: u64,
    inner: Option<unsafe extern "C" fn(c_int) -> c_int>,
    result: c_int,
}

unsafe extern "C" fn count(user: *mut c_void) {
    // SAFETY: the test gives a `Counted` that outlives the stream.
    let counted = unsafe { &mut *user.cast::<Counted>() };
    counted.calls += 1;
    if let Some(inner) = counted.inner {
        // SAFETY: a call that is forbidden here; the double notes it.
        counted.result = unsafe { inner(0) };
    }
}

/// What a double of TensorRT needs: host functions in the order of a stream, and in graphs.
#[test]
fn host_functions_are_ordered_and_captured() {
    with_double("host_functions_are_ordered_and_captured", FULL, &[], |double| {
        type Launch = unsafe extern "C" fn(u64, unsafe extern "C" fn(*mut c_void), *mut c_void) -> c_int;
        let launch = double.get::<Launch>("cuLaunchHostFunc");
        let context = Context::primary(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let mut counted = Counted { calls: 0, inner: None, result: 0 };
        let user = (&raw mut counted).cast::<c_void>();
        let enqueue = || {
            let _entered = context.enter()?;
            // SAFETY: `counted` outlives the stream's work and the graph.
            assert_eq!(unsafe { launch(stream.raw(), count, user) }, 0);
            Ok::<(), Error>(())
        };
        // SAFETY: the pointer is valid, and the double calls from this thread only.
        let calls = || unsafe { (*user.cast::<Counted>()).calls };
        enqueue().unwrap();
        assert_eq!(calls(), 1);
        double.delay(u64::MAX);
        enqueue().unwrap();
        assert_eq!(calls(), 1);
        stream.synchronize().unwrap();
        assert_eq!(calls(), 2);
        let exec = stream.capture(enqueue).unwrap().instantiate().unwrap();
        assert_eq!(calls(), 2);
        for _ in 0..3 {
            // SAFETY: as above.
            unsafe { exec.launch(&stream) }.unwrap();
        }
        assert_eq!(double.step(2), 2);
        assert_eq!(calls(), 4);
        double.release();
        assert_eq!(calls(), 5);
        double.is_used_well();
        // Calls of the driver are forbidden there.
        // SAFETY: as in `calls`.
        unsafe { (*user.cast::<Counted>()).inner = Some(double.get("cuInit")) };
        enqueue().unwrap();
        stream.synchronize().unwrap();
        // SAFETY: as in `calls`.
        is_noted(double, unsafe { (*user.cast::<Counted>()).result }, 800, "called from a host function");
        drop((stream, exec, context));
        double.is_clean();
    });
}

#[test]
fn hooks_say_what_they_do_not_know() {
    with_double("hooks_say_what_they_do_not_know", FULL, &[], |double| {
        let fail = double.get::<unsafe extern "C" fn(*const c_char, u64, c_int) -> c_int>("trtsel_double_fail");
        let live = double.get::<unsafe extern "C" fn(*const c_char) -> i64>("trtsel_double_live");
        let set = double.get::<unsafe extern "C" fn(*const c_char, i64) -> c_int>("trtsel_double_set");
        // SAFETY: the hooks' signatures.
        unsafe {
            assert_eq!(fail(c"cuNothing".as_ptr(), 1, 1), 0);
            assert_eq!(live(c"nothing".as_ptr()), -1);
            assert_eq!(set(c"nothing".as_ptr(), 1), 0);
            assert_eq!(
                (set(c"integrated".as_ptr(), 1), set(c"major".as_ptr(), 5), set(c"minor".as_ptr(), 3)),
                (1, 1, 1)
            );
        }
        assert_eq!(double.calls("cuNothing"), 0);
        let context = Context::primary(0).unwrap();
        assert!(context.device().integrated);
        assert_eq!(context.device().compute_capability, (5, 3));
    });
}

/// The product's PTX loads, all its kernels are there, and two of them compute through launch and graph.
#[test]
fn the_products_kernels_run() {
    with_double("the_products_kernels_run", FULL, &[], |double| {
        let context = Context::primary(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let module = Module::load_ptx(&context, kernels::PTX).unwrap();
        let function = |name: &str| module.function(&CString::new(name).unwrap()).unwrap();
        let functions = kernels::NAMES.map(function);
        assert_eq!(double.live("modules"), 1);

        let mut pixels = DeviceBuffer::new(&context, 100 * 50).unwrap();
        pixels.write(0, &(0..5000_u32).map(|i| (i % 251) as u8).collect::<Vec<_>>()).unwrap();
        let scratch = DeviceBuffer::zeroed(&context, kernels::SCRATCH_BYTES).unwrap();
        let record = PinnedBuffer::new(&context, size_of::<FeaturesRecord>(), true).unwrap();
        let mut params = FeaturesParams {
            frame: FrameDesc {
                plane0: pixels.address(),
                stride0_bytes: 100,
                width_px: 100,
                height_px: 50,
                format: Format::Gray8 as u32,
                ..FrameDesc::default()
            },
            scratch: scratch.address(),
            record: record.device_address().unwrap(),
            sequence: 7,
            grid_scale: 1,
            grid_width: 100,
            grid_height: 50,
            reserved: 0,
        };
        let grid = [kernels::whole_grid(100, 50, context.device().multiprocessors), 1, 1];
        let mut args = [(&raw mut params).cast::<c_void>()];
        // SAFETY: the kernel's one argument; all blocks outlive the stream's work.
        unsafe { functions[0].launch(&stream, grid, [kernels::WHOLE_BLOCK, 1, 1], 0, &mut args) }.unwrap();
        stream.synchronize().unwrap();
        let features: FeaturesRecord = record.read_pod(0);
        assert_eq!((features.whole_sequence, features.grid_sequence), (7, 0));
        assert_eq!(features.accumulators.pixels, 5000);

        // Signals of four logits, in a graph whose parameters are rewritten between launches.
        let mut scores = DeviceBuffer::new(&context, 16).unwrap();
        let probabilities = PinnedBuffer::new(&context, 16, true).unwrap();
        let answer = PinnedBuffer::new(&context, size_of::<SignalsRecord>(), true).unwrap();
        let mut params = PinnedBuffer::new(&context, size_of::<SignalsParams>(), true).unwrap();
        let told = |sequence| SignalsParams {
            scores: scores.address(),
            probabilities: probabilities.device_address().unwrap(),
            record: answer.device_address().unwrap(),
            sequence,
            count: 4,
            logits: 1,
            half: 0,
            reserved: 0,
        };
        let (first, second) = (told(1), told(2));
        let mut address = params.device_address().unwrap();
        let mut args = [(&raw mut address).cast::<c_void>()];
        let signals = function(kernels::SIGNALS);
        // SAFETY: as above.
        let launched = || unsafe { signals.launch(&stream, [1, 1, 1], [kernels::SIGNALS_BLOCK, 1, 1], 0, &mut args) };
        let exec = stream.capture(launched).unwrap().instantiate().unwrap();
        for (told, logits, class) in [(first, [0.0_f32, 3.0, 1.0, 1.0], 1), (second, [9.0, 3.0, 1.0, 1.0], 0)] {
            scores.write(0, &logits.map(f32::to_ne_bytes).concat()).unwrap();
            params.write_pod(0, &told);
            // SAFETY: as above.
            unsafe { exec.launch(&stream) }.unwrap();
            while !stream.query().unwrap() {}
            assert_eq!(answer.load_u64(std::mem::offset_of!(SignalsRecord, sequence)), told.sequence);
            let signals: SignalsRecord = answer.read_pod(0);
            assert_eq!((signals.class, signals.valid, signals.top_k), (class, 1, 4));
            let expected = logits.iter().map(|x| f64::from(*x).exp()).sum::<f64>();
            let expected = f64::from(logits[class as usize]).exp() / expected;
            assert!((f64::from(signals.top1) - expected).abs() < 1e-6, "{} {expected}", signals.top1);
        }
        drop((
            functions,
            signals,
            module,
            pixels,
            scratch,
            scores,
            probabilities,
            record,
            answer,
            params,
            exec,
            stream,
        ));
        drop(context);
        double.is_clean();
    });
}
