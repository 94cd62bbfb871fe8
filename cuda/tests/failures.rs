//! Every call of the driver fails once, each in its turn: a typed error each time, nothing leaks, the next run works.
#![cfg(feature = "driver")]

use std::ffi::c_void;
use std::sync::Arc;

use trt_select_cuda::driver::{
    Context, DeviceBuffer, Driver, Error, ErrorKind, Event, Module, OPTIONAL_CALLS, PinnedBuffer, REQUIRED_CALLS,
    Registered, Result, Stream,
};

mod common;

use common::{ADD, CUDA_10_2, Double, FULL, PTX, RECORD, SANITIZED, Variant, is_child, sanitizers, with_double};

/// Everything that the layer can do, once. Gives what went wrong, be it told or kept.
fn scenario() -> Result<()> {
    let context = Context::primary(0)?;
    let worked = with_context(&context);
    let kept = context.take_error();
    drop(context);
    let of_driver = Driver::load()?.take_error();
    worked.and(kept.or(of_driver).map_or(Ok(()), Err))
}

fn with_context(context: &Context) -> Result<()> {
    drop(context.enter()?);
    let mut input = DeviceBuffer::zeroed(context, 1024)?;
    let output = DeviceBuffer::new(context, 1024)?;
    input.write(0, &[1; 1024])?;
    let mut pinned = PinnedBuffer::new(context, 1024, false)?;
    let mapped = PinnedBuffer::new(context, 16, true)?;
    let owner: Arc<Vec<u8>> = Arc::new(vec![2; 1024]);
    let registered = Registered::new(context, owner)?;
    context.memory_info()?;
    let (stream, other) = (Stream::new(context)?, Stream::new(context)?);
    let (start, end) = (Event::new(context, true)?, Event::new(context, true)?);
    let module = Module::load_ptx(context, PTX)?;
    let (add, record) = (module.function(ADD)?, module.function(RECORD)?);
    start.record(&stream)?;
    // SAFETY: all blocks outlive their use (freeing waits for the device), and are not used by the host meanwhile.
    let work = || unsafe {
        stream.copy_to_device_async(input.address(), registered.as_slice().as_ptr(), 1024)?;
        stream.copy_on_device_async(output.address(), input.address(), 1024)?;
        stream.set_bytes_async(output.address(), 0, 16)?;
        let (mut a, mut b, mut out, mut count) = (input.address(), output.address(), output.address(), 256_u32);
        let mut args =
            [(&raw mut a).cast::<c_void>(), (&raw mut b).cast(), (&raw mut out).cast(), (&raw mut count).cast()];
        add.launch(&stream, [2, 1, 1], [128, 1, 1], 0, &mut args)?;
        let (mut to, mut payload, mut sequence) = (mapped.device_address().unwrap_or(0), 5_u64, 6_u64);
        let mut args = [(&raw mut to).cast::<c_void>(), (&raw mut payload).cast(), (&raw mut sequence).cast()];
        record.launch(&stream, [1, 1, 1], [1, 1, 1], 0, &mut args)
    };
    work()?;
    end.record(&stream)?;
    other.wait(&end)?;
    // SAFETY: the other stream is alive.
    unsafe {
        end.make_wait_raw(other.raw())?;
        end.record_raw(other.raw())?;
    }
    other.query()?;
    end.query()?;
    end.synchronize()?;
    end.elapsed_ms(&start)?;
    let exec = stream.capture(work)?.instantiate()?;
    // SAFETY: as above.
    unsafe {
        exec.launch(&stream)?;
        stream.copy_to_host_async(pinned.as_mut_ptr(), output.address(), 1024)?;
    }
    stream.synchronize()?;
    context.synchronize()?;
    let mut bytes = [0; 1024];
    output.read(0, &mut bytes)?;
    assert_eq!(bytes, pinned.as_slice());
    assert_eq!((bytes[0], bytes[15], bytes[16], bytes[1023]), (2, 2, 4, 4));
    assert_eq!((mapped.load_u64(0), mapped.load_u64(8)), (5, 6));
    Ok(())
}

fn is_the_error(error: &Error, code: i32, text: &str) {
    assert_eq!(error.code(), code, "{text}: {error}");
    let kind = match code {
        9999 => ErrorKind::UnknownResult,
        719 => ErrorKind::ContextLost,
        _ => ErrorKind::Call,
    };
    assert_eq!(error.kind(), kind, "{text}: {error}");
    assert!(!error.to_string().contains('\n'), "{text}: {error}");
    assert!(error.to_string().starts_with(error.call()), "{text}: {error}");
}

fn every_call_fails_once(double: &Double) {
    scenario().unwrap();
    double.is_clean();
    double.reset();
    scenario().unwrap();
    let total = double.calls("*");
    assert!(total > 150, "{total}");
    for code in [719, 9999] {
        for nth in 1..=total {
            double.reset();
            double.fail("*", nth, code);
            let Err(error) = scenario() else { panic!("call {nth} of {total} failed and nobody was told") };
            is_the_error(&error, code, &format!("call {nth} of {total}"));
            assert_eq!(double.current(), 0, "call {nth}: {error}");
            assert_eq!(double.misuse(), 0, "call {nth}: {error}: {}", double.misuse_text());
            assert_eq!(double.left(), 0, "call {nth}: {error}");
        }
    }
    double.reset();
    scenario().unwrap();
    double.is_clean();
    println!("{total} calls, each made to fail with two codes");
}

/// The same by name: the error names the call that was made to fail.
fn errors_name_their_call(double: &Double) {
    // Made once a process: when the driver is loaded, and when a device is used first.
    let at_load = ["cuInit", "cuDriverGetVersion", "cuDevicePrimaryCtxRetain"];
    for call in REQUIRED_CALLS.iter().chain(OPTIONAL_CALLS).filter(|call| !at_load.contains(call)) {
        double.reset();
        scenario().unwrap();
        let count = double.calls(call);
        let older = call.contains("Instantiate");
        assert!(count > 0 || older, "{call} is not in the scenario");
        for nth in 1..=count {
            double.reset();
            double.fail(call, nth, 304);
            let error = scenario().unwrap_err();
            is_the_error(&error, 304, call);
            assert_eq!(error.call(), *call);
            assert_eq!(double.left(), 0, "{call}");
        }
    }
}

fn run(name: &str, variant: Variant) {
    with_double(name, variant, &[], |double| {
        every_call_fails_once(double);
        errors_name_their_call(double);
    });
}

#[test]
fn each_call_fails() {
    run("each_call_fails", FULL);
}

#[test]
fn each_call_of_cuda_10_2_fails() {
    run("each_call_of_cuda_10_2_fails", CUDA_10_2);
}

/// The same with the double's memory watched: nothing is used after it was freed, nothing is lost (Rust's allocations are
/// counted too).
#[test]
fn each_call_fails_under_sanitizers() {
    const NAME: &str = "each_call_fails_under_sanitizers";
    let preload = if is_child(NAME) { None } else { sanitizers() };
    if preload.is_none() && !is_child(NAME) {
        return;
    }
    let preload = preload.unwrap_or_default();
    let variables = [("LD_PRELOAD", preload.as_str()), ("ASAN_OPTIONS", "detect_leaks=1")];
    with_double(NAME, SANITIZED, &variables, every_call_fails_once);
}

/// Work that goes wrong on the device: the error comes with a later call, and every call after it.
#[test]
fn a_lost_context_is_told() {
    with_double("a_lost_context_is_told", FULL, &[], |double| {
        let context = Context::primary(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let buffer = DeviceBuffer::new(&context, 64).unwrap();
        let mut pinned = PinnedBuffer::new(&context, 64, false).unwrap();
        let to = pinned.as_mut_ptr();
        // SAFETY: none: the block is freed before the graph is launched. The double sees it.
        let graph = stream.capture(|| unsafe { stream.copy_to_host_async(to, buffer.address(), 64) }).unwrap();
        let exec = graph.instantiate().unwrap();
        drop(buffer);
        // SAFETY: none, as above.
        let error = unsafe { exec.launch(&stream) }.unwrap_err();
        assert_eq!((error.code(), error.call()), (700, "cuGraphLaunch"));
        assert!(error.to_string().ends_with("the context is lost; restart the process"), "{error}");
        assert_eq!(stream.query().unwrap_err().code(), 700);
        assert_eq!(double.misuse_text(), "a copy of 64 bytes used device memory that was freed before it was done");
        drop((graph, exec, stream, pinned));
        assert_eq!(context.take_error().unwrap().code(), 700);
        drop(context);
        assert_eq!(double.left(), 0);
    });
}
