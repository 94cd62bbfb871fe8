//! The hot calls take no heap memory: Rust's, the double's and the C library's allocations are counted together. Those of
//! the calling thread are: the double has no threads, and the test harness's own thread allocates when it likes.
#![cfg(feature = "driver")]

use std::ffi::c_void;

use trt_select_cuda::driver::{Context, DeviceBuffer, Event, Module, PinnedBuffer, Stream, VARIABLE};

mod common;

use common::{ADD, Double, FULL, PTX, RECORD, build, is_child, run_child};

#[test]
fn hot_calls_do_not_allocate() {
    const NAME: &str = "hot_calls_do_not_allocate";
    if is_child(NAME) {
        return count(&Double::open());
    }
    let Some(library) = build(FULL) else { return };
    let counter = library.with_file_name("libcountmalloc.so");
    run_child(NAME, &[(VARIABLE, library.to_str().unwrap()), ("LD_PRELOAD", counter.to_str().unwrap())]);
}

fn count(double: &Double) {
    // SAFETY: this program's own symbols; the library that was preloaded has this function.
    let counter = libloading::os::unix::Library::this();
    // SAFETY: the function's signature.
    let allocations =
        unsafe { *counter.get::<unsafe extern "C" fn() -> u64>(b"trtsel_malloc_count_of_thread\0").unwrap() };
    // SAFETY: it takes nothing.
    let allocations = || unsafe { allocations() };
    let before = allocations();
    drop(std::hint::black_box(vec![1_u8; 100]));
    assert_eq!(allocations() - before, 1, "the counter counts");

    let context = Context::primary(0).unwrap();
    let (stream, other) = (Stream::new(&context).unwrap(), Stream::new(&context).unwrap());
    let foreign = double.foreign_stream(&context, 0);
    let (event, timed) = (Event::new(&context, false).unwrap(), Event::new(&context, true).unwrap());
    let device = DeviceBuffer::zeroed(&context, 4096).unwrap();
    let mut pinned = PinnedBuffer::new(&context, 4096, false).unwrap();
    let mapped = PinnedBuffer::new(&context, 4096, true).unwrap();
    let module = Module::load_ptx(&context, PTX).unwrap();
    let (add, record) = (module.function(ADD).unwrap(), module.function(RECORD).unwrap());
    let address = device.address();
    let (host, copy) = (pinned.as_mut_ptr(), mapped.device_address().unwrap());
    // SAFETY: all blocks outlive the stream's work; the host reads the record only, by atomic loads.
    let enqueue = || unsafe {
        stream.copy_to_device_async(address, host, 4096).unwrap();
        stream.copy_on_device_async(copy, address, 64).unwrap();
        stream.set_bytes_async(address, 1, 4096).unwrap();
        let (mut a, mut b, mut out, mut count) = (address, address, address, 1024_u32);
        let mut args =
            [(&raw mut a).cast::<c_void>(), (&raw mut b).cast(), (&raw mut out).cast(), (&raw mut count).cast()];
        add.launch(&stream, [8, 1, 1], [128, 1, 1], 0, &mut args).unwrap();
        let (mut to, mut payload, mut sequence) = (copy, 5_u64, 6_u64);
        let mut args = [(&raw mut to).cast::<c_void>(), (&raw mut payload).cast(), (&raw mut sequence).cast()];
        record.launch(&stream, [1, 1, 1], [1, 1, 1], 0, &mut args).unwrap();
        stream.copy_to_host_async(host, address, 4096).unwrap();
    };
    let graph = stream.capture(|| {
        enqueue();
        Ok::<(), trt_select_cuda::driver::Error>(())
    });
    let exec = graph.unwrap().instantiate().unwrap();

    let hot = || {
        // SAFETY: the stream is the caller's and alive; the rest is as above.
        unsafe {
            event.record_raw(foreign).unwrap();
            stream.wait(&event).unwrap();
            enqueue();
            exec.launch(&stream).unwrap();
            timed.record(&stream).unwrap();
            timed.make_wait_raw(foreign).unwrap();
        }
        other.wait(&timed).unwrap();
        while !timed.query().unwrap() {}
        while !stream.query().unwrap() {}
        drop(context.enter().unwrap());
        assert_eq!((mapped.load_u64(0), mapped.read_pod::<[u64; 3]>(0)[1]), (5, 6));
        stream.synchronize().unwrap();
        timed.synchronize().unwrap();
        context.synchronize().unwrap();
    };
    for polls in [0, 2] {
        double.delay(polls);
        hot();
        let rounds = 10_000;
        let (calls, before) = (double.calls("*"), allocations());
        for _ in 0..rounds {
            hot();
        }
        let (made, calls) = (allocations() - before, double.calls("*") - calls);
        assert_eq!(made, 0, "{polls} polls");
        println!("{polls} polls: 0 allocations in {rounds} rounds, {calls} calls of the driver");
    }
    double.delay(0);
    double.destroy_stream(&context, foreign);
    drop((stream, other, event, timed, device, pinned, mapped, module, add, record, exec, context));
    double.is_clean();
}
