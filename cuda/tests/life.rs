//! Every object's life on the double: made, used, dropped; the caller's context is left alone; errors name their call.
#![cfg(feature = "driver")]

use std::ffi::c_void;
use std::sync::Arc;

use trt_select_cuda::driver::{
    Context, DeviceBuffer, Driver, ErrorKind, Event, Module, OPTIONAL_CALLS, PinnedBuffer, REQUIRED_CALLS, Registered,
    Stream, VARIABLE,
};

mod common;

use common::{
    ADD, CUDA_10_2, Double, FULL, NO_GRAPHS, NO_MEMORY_INFO, NO_RELEASE, PTX, RECORD, is_child, run_child, with_double,
};

#[test]
fn objects_live_and_die() {
    with_double("objects_live_and_die", FULL, &[], |double| {
        // The driver must be initialised before the caller can have a context.
        let driver = Driver::load().unwrap();
        assert_eq!(driver.version(), (12, 4));
        assert!(driver.path().ends_with("doubles/full/libcuda.so.1"), "{}", driver.path());
        assert!(std::ptr::eq(driver, Driver::load().unwrap()));
        let foreign = double.foreign_context();
        let kept = |what: &str| assert_eq!(double.current(), foreign, "after {what}");

        let context = Context::primary(0).unwrap();
        kept("primary");
        let device = context.device();
        assert_eq!((device.name.as_str(), device.ordinal, device.compute_capability), ("libcuda double", 0, (8, 0)));
        assert_eq!((device.integrated, device.can_map_host, device.multiprocessors), (false, true, 4));
        assert!(device.can_register_host);
        assert_eq!(device.total_bytes, 4 << 30);
        {
            let _entered = context.enter().unwrap();
            assert_eq!(double.current(), context.raw());
            let again = context.enter().unwrap();
            assert_eq!(double.current(), context.raw());
            drop(again);
            assert_eq!(double.current(), context.raw());
        }
        kept("enter");

        let mut a = DeviceBuffer::new(&context, 4096).unwrap();
        kept("DeviceBuffer::new");
        let mut b = DeviceBuffer::zeroed(&context, 4096).unwrap();
        kept("DeviceBuffer::zeroed");
        let out = DeviceBuffer::new(&context, 4096).unwrap();
        assert!(a.address().is_multiple_of(256) && b.address().is_multiple_of(256));
        let mut bytes = vec![1; 4096];
        b.read(0, &mut bytes).unwrap();
        kept("read");
        assert!(bytes.iter().all(|&byte| byte == 0));
        let numbers: Vec<u8> = (0..1024_u32).flat_map(u32::to_le_bytes).collect();
        a.write(0, &numbers).unwrap();
        kept("write");
        b.write(4, &numbers[..40]).unwrap();
        let (free, total) = context.memory_info().unwrap();
        kept("memory_info");
        assert_eq!((free, total), ((4 << 30) - 3 * 4096, 4 << 30));

        let mut pinned = PinnedBuffer::new(&context, 4096, false).unwrap();
        kept("PinnedBuffer::new");
        let mapped = PinnedBuffer::new(&context, 64, true).unwrap();
        kept("PinnedBuffer::new, mapped");
        assert!(pinned.as_slice().iter().chain(mapped.as_slice()).all(|&byte| byte == 0));
        assert_eq!(pinned.device_address(), None);
        pinned.as_mut_slice()[..4].copy_from_slice(&[1, 2, 3, 4]);
        pinned.write_pod(8, &0x0102_0304_0506_0708_u64);
        assert_eq!((pinned.load_u64(8), pinned.read_pod::<[u8; 4]>(0)), (0x0102_0304_0506_0708, [1, 2, 3, 4]));
        assert_eq!(pinned.read_pod::<[u8; 19]>(0)[8], 8);

        let file: Arc<Vec<u8>> = Arc::new(vec![7; 10_000]);
        let registered = Registered::new(&context, file.clone()).unwrap();
        kept("Registered::new");
        assert_eq!((registered.as_slice().as_ptr(), registered.bytes()), (file.as_ptr(), 10_000));
        let allocated = context.allocated();
        assert_eq!((allocated.device_bytes, allocated.device_blocks), (3 * 4096, 3));
        assert_eq!((allocated.pinned_bytes, allocated.pinned_blocks), (4096, 1));
        assert_eq!((allocated.mapped_bytes, allocated.mapped_blocks), (64, 1));
        assert_eq!((allocated.registered_bytes, allocated.registered_blocks), (10_000, 1));

        let stream = Stream::new(&context).unwrap();
        kept("Stream::new");
        let (start, end) = (Event::new(&context, true).unwrap(), Event::new(&context, true).unwrap());
        kept("Event::new");
        let module = Module::load_ptx(&context, PTX).unwrap();
        kept("load_ptx");
        let add = module.function(ADD).unwrap();
        let record = module.function(RECORD).unwrap();
        kept("function");
        drop(module);
        start.record(&stream).unwrap();
        kept("record");
        let (mut x, mut y, mut z, mut count) = (a.address(), b.address(), out.address(), 1024_u32);
        let mut args =
            [(&raw mut x).cast::<c_void>(), (&raw mut y).cast(), (&raw mut z).cast(), (&raw mut count).cast()];
        // SAFETY: four arguments of the kernel's types; the blocks live until the stream has been synchronised.
        unsafe { add.launch(&stream, [8, 1, 1], [128, 1, 1], 0, &mut args) }.unwrap();
        kept("launch");
        let (mut x, mut y, mut z) = (mapped.device_address().unwrap(), 42_u64, 1_u64);
        let mut args = [(&raw mut x).cast::<c_void>(), (&raw mut y).cast(), (&raw mut z).cast()];
        // SAFETY: as above, and the record is read by atomic loads only.
        unsafe { record.launch(&stream, [1, 1, 1], [1, 1, 1], 0, &mut args) }.unwrap();
        // SAFETY: both live until the stream has been synchronised, and nothing else uses them.
        unsafe { stream.copy_to_host_async(pinned.as_mut_ptr(), out.address(), 4096) }.unwrap();
        kept("copy_to_host_async");
        end.record(&stream).unwrap();
        end.synchronize().unwrap();
        kept("Event::synchronize");
        stream.synchronize().unwrap();
        kept("Stream::synchronize");
        assert!(stream.query().unwrap() && end.query().unwrap());
        kept("query");
        assert!(end.elapsed_ms(&start).unwrap() >= 0.0);
        kept("elapsed_ms");
        stream.wait(&end).unwrap();
        kept("wait");
        context.synchronize().unwrap();
        kept("Context::synchronize");
        assert_eq!((mapped.load_u64(0), mapped.load_u64(8)), (42, 1));
        let sums: Vec<u32> =
            pinned.as_slice().chunks_exact(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
        assert_eq!(sums[..4], [0, 1, 3, 5]);
        assert_eq!(sums[1023], 1023);

        let graph = stream
            .capture(|| {
                // SAFETY: the block outlives the graph.
                unsafe { stream.set_bytes_async(out.address(), 9, 4096) }
            })
            .unwrap();
        kept("capture");
        let exec = graph.instantiate().unwrap();
        kept("instantiate");
        drop(graph);
        kept("Graph::drop");
        // SAFETY: the block lives; nothing else uses it.
        unsafe { exec.launch(&stream) }.unwrap();
        kept("GraphExec::launch");
        stream.synchronize().unwrap();
        out.read(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 9));

        drop((a, b, out, pinned, mapped, registered, stream, start, end, add, record, exec));
        kept("drop");
        assert_eq!(context.allocated(), Default::default());
        assert_eq!(context.take_error(), None);
        assert_eq!(Arc::strong_count(&file), 1, "the owner was let go");
        assert_eq!(double.live("retained"), 2, "ours and the caller's");
        drop(context);
        kept("Context::drop");
        assert_eq!((double.live("retained"), double.live("primaries")), (2, 1), "the process keeps it");
        double.destroy_foreign(foreign);
        double.is_clean();
        assert_eq!(driver.take_error(), None);
    });
}

/// Objects hold their context: it can be dropped first.
#[test]
fn objects_keep_their_context() {
    with_double("objects_keep_their_context", FULL, &[], |double| {
        let context = Context::primary(0).unwrap();
        let other = Context::primary(0).unwrap();
        assert_eq!((context.raw(), double.live("contexts"), double.live("retained")), (other.raw(), 1, 1));
        let (stream, buffer) = (Stream::new(&context).unwrap(), DeviceBuffer::new(&other, 16).unwrap());
        assert_eq!((context.allocated().device_blocks, other.allocated().device_blocks), (0, 1));
        drop((context, other));
        stream.synchronize().unwrap();
        let elsewhere = std::thread::spawn(move || {
            stream.synchronize().unwrap();
            drop((stream, buffer));
        });
        elsewhere.join().unwrap();
        double.is_clean();
    });
}

/// Another library of the process may use the primary context when the last of our objects is gone, and making it anew takes a second.
#[test]
fn the_process_keeps_the_primary_contexts_it_has_used() {
    let two = [("TRT_SELECT_DOUBLE_DEVICES", "2")];
    with_double("the_process_keeps_the_primary_contexts_it_has_used", FULL, &two, |double| {
        let handles = [0, 1, 0].map(|ordinal| {
            let context = Context::primary(ordinal).unwrap();
            drop((Stream::new(&context).unwrap(), DeviceBuffer::new(&context, 16).unwrap()));
            context.raw()
        });
        assert_eq!(handles[0], handles[2], "it was not made anew");
        assert_eq!((double.live("primaries"), double.live("retained")), (2, 2), "one for each device");
        assert_eq!(double.calls("cuDevicePrimaryCtxRetain"), 2);
        // Threads that ask for it at the same time do not retain it twice.
        std::thread::scope(|scope| {
            (0..4).for_each(|_| drop(scope.spawn(|| Context::primary(0).unwrap().synchronize().unwrap())));
        });
        assert_eq!(double.live("retained"), 2);
        double.is_clean();
    });
}

/// Which devices can page-lock memory that is there already: an older driver does not tell, and of its devices those that are integrated
/// may not.
#[test]
fn devices_tell_whether_they_register_memory() {
    with_double("devices_tell_whether_they_register_memory", FULL, &[], |double| {
        for (told, integrated, expected) in
            [(1, 0, true), (1, 1, true), (0, 0, false), (0, 1, false), (-1, 0, true), (-1, 1, false)]
        {
            double.set("host_register", told);
            double.set("integrated", integrated);
            let context = Context::primary(0).unwrap();
            assert_eq!(context.device().can_register_host, expected, "{told} {integrated}");
            let registered = Registered::new(&context, Arc::new(vec![0; 64]));
            assert_eq!(registered.err().map(|error| error.code()), (!expected).then_some(801));
        }
        // Any other failure is one.
        double.fail("cuDeviceGetAttribute", 4, 999);
        assert_eq!(Context::primary(0).unwrap_err().code(), 999);
        double.is_clean();
    });
}

/// No call that releases a primary context is needed, so a driver may lack the old one or the new one.
#[test]
fn a_driver_without_the_calls_that_release_a_primary_context() {
    with_double("a_driver_without_the_calls_that_release_a_primary_context", NO_RELEASE, &[], |double| {
        assert!(!double.symbols().iter().any(|symbol| symbol.contains("PrimaryCtxRelease")));
        smoke(double, true);
    });
}

#[test]
fn misuse_is_told_before_any_call() {
    with_double("misuse_is_told_before_any_call", FULL, &[], |double| {
        let context = Context::primary(0).unwrap();
        let mut buffer = DeviceBuffer::new(&context, 100).unwrap();
        let before = double.calls("*");
        for error in [
            DeviceBuffer::new(&context, 0).unwrap_err(),
            PinnedBuffer::new(&context, 0, true).unwrap_err(),
            Registered::new(&context, Arc::new(Vec::new())).unwrap_err(),
            buffer.write(90, &[0; 11]).unwrap_err(),
            buffer.write(usize::MAX, &[0; 2]).unwrap_err(),
            buffer.read(101, &mut []).unwrap_err(),
            Module::load_ptx(&context, "a\0b").unwrap_err(),
        ] {
            assert_eq!((error.kind(), error.code()), (ErrorKind::Misuse, 0), "{error}");
            assert!(error.to_string().contains(": expected ") && !error.to_string().contains('\n'), "{error}");
        }
        assert_eq!(double.calls("*"), before);
        let pinned = PinnedBuffer::new(&context, 15, false).unwrap();
        for offset in [4, 8, usize::MAX - 7] {
            assert!(std::panic::catch_unwind(|| pinned.load_u64(offset)).is_err(), "{offset}");
        }
        let error = Context::primary(1).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoDevice);
        assert!(error.to_string().starts_with("GPU 1: expected a number below 1"), "{error}");
        drop((buffer, pinned, context));
        double.is_clean();
    });
}

#[test]
fn errors_carry_what_the_driver_says() {
    let memory = [("TRT_SELECT_DOUBLE_MEMORY", "1048576")];
    with_double("errors_carry_what_the_driver_says", FULL, &memory, |double| {
        let context = Context::primary(0).unwrap();
        let error = DeviceBuffer::new(&context, (1 << 20) + 1).unwrap_err();
        assert_eq!((error.kind(), error.call(), error.code()), (ErrorKind::OutOfMemory, "cuMemAlloc_v2", 2));
        assert!(
            error
                .to_string()
                .starts_with("cuMemAlloc_v2 of 1048577 bytes: expected success, got CUDA_ERROR_OUT_OF_MEMORY (2)")
        );

        let error = Module::load_ptx(&context, "no PTX").unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::Call, 218));
        let text = error.to_string();
        assert!(text.contains("Missing .version directive at start of file; ptxas fatal"), "{text}");
        assert!(!text.contains('\n') && text.ends_with("update the driver"), "{text}");

        let module = Module::load_ptx(&context, PTX).unwrap();
        let error = module.function(c"trtsel_test_ad").unwrap_err();
        assert_eq!((error.code(), error.call()), (500, "cuModuleGetFunction"));
        assert!(error.to_string().starts_with("cuModuleGetFunction of trtsel_test_ad: "), "{error}");

        let owner: Arc<Vec<u8>> = Arc::new(vec![0; 64]);
        let once = Registered::new(&context, owner.clone()).unwrap();
        assert_eq!(Registered::new(&context, owner.clone()).unwrap_err().code(), 712);
        drop(once);
        // A flag that is not known is left out.
        double.fail("cuMemHostRegister_v2", 1, 1);
        drop(Registered::new(&context, owner.clone()).unwrap());
        double.fail("cuMemHostRegister_v2", 1, 304);
        assert_eq!(Registered::new(&context, owner.clone()).unwrap_err().code(), 304);
        assert_eq!(Arc::strong_count(&owner), 1);

        double.fail("cuMemHostAlloc", 1, 9999);
        let error = PinnedBuffer::new(&context, 64, false).unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::UnknownResult, 9999));
        assert!(error.to_string().contains("result 9999, which this version does not know"), "{error}");

        // What was taken before the failure is given back, and the books agree.
        double.fail("cuMemHostGetDevicePointer_v2", 1, 1);
        assert_eq!(PinnedBuffer::new(&context, 64, true).unwrap_err().call(), "cuMemHostGetDevicePointer_v2");
        assert_eq!(context.allocated(), Default::default());

        let (timed, plain) = (Event::new(&context, true).unwrap(), Event::new(&context, false).unwrap());
        assert_eq!(plain.elapsed_ms(&timed).unwrap_err().code(), 400);
        drop((module, timed, plain, context));
        double.is_clean();
    });
}

#[test]
fn errors_of_drop_are_kept() {
    with_double("errors_of_drop_are_kept", FULL, &[], |double| {
        let driver = Driver::load().unwrap();
        let context = Context::primary(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        drop((stream, DeviceBuffer::new(&context, 8).unwrap()));
        assert_eq!(context.take_error(), None);
        double.fail("cuMemFree_v2", 1, 719);
        double.fail("cuStreamDestroy_v2", 1, 9999);
        drop(DeviceBuffer::new(&context, 8).unwrap());
        drop(Stream::new(&context).unwrap());
        let error = context.take_error().unwrap();
        assert_eq!((error.call(), error.code()), ("cuMemFree_v2", 719), "the first one");
        assert_eq!(context.take_error(), None);
        // A context that could not be popped at first: the call's result stands, the caller's context is current again.
        double.fail("cuCtxPopCurrent_v2", 1, 201);
        context.memory_info().unwrap();
        assert_eq!(double.current(), 0);
        assert_eq!(context.take_error().unwrap().call(), "cuCtxPopCurrent_v2");
        // A context that cannot be pushed does not keep a block from being freed.
        let buffer = DeviceBuffer::new(&context, 8).unwrap();
        double.fail("cuCtxPushCurrent_v2", 1, 201);
        drop(buffer);
        assert_eq!(double.live("device_blocks"), 0);
        // What nobody asked for goes to the driver, and so does the context's own error.
        assert_eq!(driver.take_error(), None);
        drop(context);
        assert_eq!(driver.take_error().unwrap().call(), "cuCtxPushCurrent_v2");
        double.is_clean();
    });
}

#[test]
fn a_failed_load_may_be_tried_again() {
    let fail = [("TRT_SELECT_DOUBLE_FAIL", "cuInit:1:100,cuDriverGetVersion:2:9999,cuDevicePrimaryCtxRetain:1:304")];
    with_double("a_failed_load_may_be_tried_again", FULL, &fail, |double| {
        let error = Driver::load().unwrap_err();
        assert_eq!((error.kind(), error.call(), error.code()), (ErrorKind::NoDevice, "cuInit", 100));
        assert!(error.to_string().contains("no GPU is visible"), "{error}");
        let error = Context::primary(0).unwrap_err();
        assert_eq!((error.kind(), error.call()), (ErrorKind::UnknownResult, "cuDriverGetVersion"));
        let error = Context::primary(0).unwrap_err();
        assert_eq!((error.code(), error.call()), (304, "cuDevicePrimaryCtxRetain"));
        drop(Context::primary(0).unwrap());
        double.is_clean();
    });
}

#[test]
fn no_library() {
    const NAME: &str = "no_library";
    if !is_child(NAME) {
        run_child(NAME, &[(VARIABLE, "libcuda-that-is-nowhere.so.1")]);
        return run_child(NAME, &[]);
    }
    if std::env::var_os(VARIABLE).is_some() {
        let error = Driver::load().unwrap_err();
        assert_eq!((error.kind(), error.code()), (ErrorKind::LibraryMissing, 0));
        let text = error.to_string();
        let start = "NVIDIA driver: expected libcuda-that-is-nowhere.so.1 (from TRT_SELECT_LIBCUDA), got none (libcuda-that-is-";
        assert!(
            text.starts_with(start) && text.ends_with("install the driver, or use an engine that needs no GPU"),
            "{text}"
        );
        return;
    }
    match Driver::load() {
        Ok(driver) => println!("skipped: this machine has a driver ({})", driver.path()),
        Err(error) if error.kind() == ErrorKind::LibraryMissing => {
            let text = error.to_string();
            assert!(
                text.starts_with("NVIDIA driver: expected libcuda.so.1, got none (libcuda.so.1: cannot open"),
                "{text}"
            );
            assert!(
                text.ends_with("); install the driver, or use an engine that needs no GPU") && !text.contains('\n'),
                "{text}"
            );
        }
        Err(error) => println!("skipped: this machine has a driver without a GPU ({error})"),
    }
}

#[test]
fn no_symbol() {
    with_double("no_symbol", NO_MEMORY_INFO, &[], |double| {
        let error = Driver::load().unwrap_err();
        assert_eq!((error.kind(), error.call()), (ErrorKind::SymbolMissing, "cuMemGetInfo_v2"));
        assert!(
            error
                .to_string()
                .contains("expected the call cuMemGetInfo_v2, got none; install a driver of CUDA 10.2 or newer")
        );
        assert_eq!(double.calls("*"), 0);
    });
}

/// The calls that the double has beyond what the layer uses: for the caller's part in tests, and for other libraries.
const OTHERS: [&str; 10] = [
    "cuCtxCreate_v2",
    "cuCtxDestroy_v2",
    "cuCtxGetCurrent",
    "cuCtxSetCurrent",
    "cuCtxGetDevice",
    "cuDevicePrimaryCtxRelease",
    "cuDevicePrimaryCtxRelease_v2",
    "cuLaunchHostFunc",
    "cuModuleLoadData",
    "cuStreamIsCapturing",
];

#[test]
fn the_double_has_every_call() {
    with_double("the_double_has_every_call", FULL, &[], |double| {
        let symbols = double.symbols();
        for call in REQUIRED_CALLS.iter().chain(OPTIONAL_CALLS) {
            assert!(symbols.iter().any(|symbol| symbol == call), "{call}");
        }
        for symbol in &symbols {
            let ours = REQUIRED_CALLS.iter().chain(OPTIONAL_CALLS).any(|call| call == symbol);
            assert!(ours || OTHERS.contains(&symbol.as_str()), "{symbol}");
        }
    });
}

/// All that the layer does with memory, streams and kernels, and with graphs where they are.
fn smoke(double: &Double, graphs: bool) {
    let context = Context::primary(0).unwrap();
    assert_eq!(context.has_graphs(), graphs);
    let stream = Stream::new(&context).unwrap();
    let out = DeviceBuffer::zeroed(&context, 64).unwrap();
    let mut pinned = PinnedBuffer::new(&context, 64, true).unwrap();
    let owner: Arc<Vec<u8>> = Arc::new(vec![3; 64]);
    let registered = Registered::new(&context, owner).unwrap();
    // SAFETY: all blocks outlive the graph and its launches, and are not used meanwhile.
    let enqueue = |to: *mut u8| unsafe {
        stream.copy_to_device_async(out.address(), registered.as_slice().as_ptr(), 64)?;
        stream.copy_to_host_async(to, out.address(), 64)
    };
    let to = pinned.as_mut_ptr();
    let captured = stream.capture(|| enqueue(to));
    if graphs {
        let exec = captured.unwrap().instantiate().unwrap();
        // SAFETY: as above.
        unsafe { exec.launch(&stream) }.unwrap();
    } else {
        let error = captured.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("do without graphs"), "{error}");
        assert_eq!(stream.end_capture().unwrap_err().kind(), ErrorKind::Unsupported);
        enqueue(to).unwrap();
    }
    stream.synchronize().unwrap();
    assert_eq!(pinned.as_slice(), [3; 64]);
    drop((stream, out, pinned, registered));
    assert_eq!(context.take_error(), None);
    drop(context);
    double.is_clean();
}

#[test]
fn a_driver_of_cuda_10_2() {
    with_double("a_driver_of_cuda_10_2", CUDA_10_2, &[], |double| {
        assert_eq!(Driver::load().unwrap().version(), (10, 2));
        let symbols = double.symbols();
        for newer in ["cuGraphInstantiateWithFlags", "cuGraphInstantiate_v2"] {
            assert!(!symbols.iter().any(|symbol| symbol == newer), "{newer}");
        }
        smoke(double, true);
        assert_eq!(double.calls("cuGraphInstantiate"), 1);
        assert_eq!(double.calls("cuMemHostRegister_v2"), 2, "with the flag that it does not know, and without");
        // What the driver wrote about a graph that it refused is in the error.
        let context = Context::primary(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let graph = stream.capture(|| Ok::<(), trt_select_cuda::driver::Error>(())).unwrap();
        double.fail("cuGraphInstantiate", 1, 1);
        let error = graph.instantiate().unwrap_err();
        assert!(error.to_string().contains("(node 0 of the graph:; fails because a test asked for it)"), "{error}");
        drop((graph, stream, context));
        double.is_clean();
    });
}

#[test]
fn a_driver_without_graphs() {
    with_double("a_driver_without_graphs", NO_GRAPHS, &[], |double| {
        assert!(!double.symbols().iter().any(|symbol| symbol.contains("Graph") || symbol.contains("Captur")));
        smoke(double, false);
    });
}

#[test]
fn the_newest_instantiate_is_taken() {
    with_double("the_newest_instantiate_is_taken", FULL, &[], |double| {
        smoke(double, true);
        assert_eq!((double.calls("cuGraphInstantiateWithFlags"), double.calls("cuGraphInstantiate")), (1, 0));
        assert_eq!(double.calls("cuMemHostRegister_v2"), 1);
    });
}
