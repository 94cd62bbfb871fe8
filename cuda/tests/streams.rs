//! Order, delay, capture and replay on the double.
#![cfg(feature = "driver")]

use std::ffi::c_void;

use trt_select_cuda::driver::{Context, DeviceBuffer, Error, ErrorKind, Event, Module, PinnedBuffer, Stream};

mod common;

use common::{ADD, FULL, PTX, RECORD, with_double};

struct Things {
    context: Context,
    stream: Stream,
    device: DeviceBuffer,
    source: PinnedBuffer,
    result: PinnedBuffer,
}

impl Things {
    fn new() -> Things {
        let context = Context::primary(0).unwrap();
        let stream = Stream::new(&context).unwrap();
        let device = DeviceBuffer::zeroed(&context, 64).unwrap();
        let source = PinnedBuffer::new(&context, 64, false).unwrap();
        let result = PinnedBuffer::new(&context, 64, false).unwrap();
        Things { context, stream, device, source, result }
    }

    /// source → device → result, on a stream.
    fn copy(&mut self) -> Result<(), Error> {
        let to = self.result.as_mut_ptr();
        // SAFETY: the blocks live as long as the stream and the graphs; the tests synchronise before they look.
        unsafe {
            self.stream.copy_to_device_async(self.device.address(), self.source.as_ptr(), 64)?;
            self.stream.copy_to_host_async(to, self.device.address(), 64)
        }
    }
}

#[test]
fn queries_do_not_wait() {
    with_double("queries_do_not_wait", FULL, &[], |double| {
        let mut t = Things::new();
        let done = Event::new(&t.context, false).unwrap();
        assert!(done.query().unwrap(), "nothing was recorded");
        t.source.as_mut_slice().fill(5);
        double.delay(3);
        t.copy().unwrap();
        done.record(&t.stream).unwrap();
        assert_eq!((0..5).map(|_| t.stream.query().unwrap()).collect::<Vec<_>>(), [false, false, false, true, true]);
        assert!(done.query().unwrap());
        assert_eq!(t.result.as_slice(), [5; 64]);

        // Only the hook, or who waits.
        double.delay(u64::MAX);
        t.source.as_mut_slice().fill(6);
        t.copy().unwrap();
        done.record(&t.stream).unwrap();
        for _ in 0..100 {
            assert!(!done.query().unwrap() && !t.stream.query().unwrap());
        }
        assert_eq!(t.result.as_slice(), [5; 64]);
        assert_eq!(double.step(2), 2);
        assert_eq!(t.result.as_slice(), [6; 64]);
        assert!(!done.query().unwrap());
        double.release();
        assert!(done.query().unwrap());
        t.source.as_mut_slice().fill(7);
        t.copy().unwrap();
        done.record(&t.stream).unwrap();
        assert_eq!(double.calls("cuEventSynchronize") + double.calls("cuCtxSynchronize"), 0);
        done.synchronize().unwrap();
        assert!(t.stream.query().unwrap());
        assert_eq!(t.result.as_slice(), [7; 64]);

        // A graph is delayed as a whole.
        let stream = Stream::new(&t.context).unwrap();
        let graph = t.stream.begin_capture().and_then(|()| t.copy()).and_then(|()| t.stream.end_capture()).unwrap();
        let exec = graph.instantiate().unwrap();
        t.source.as_mut_slice().fill(8);
        // SAFETY: as in `copy`.
        unsafe { exec.launch(&stream) }.unwrap();
        assert!(!stream.query().unwrap() && t.stream.query().unwrap());
        assert_eq!(double.live("pending"), 2);
        t.context.synchronize().unwrap();
        assert_eq!((double.live("pending"), t.result.as_slice()), (0, &[8; 64][..]));
        drop((t, done, stream, graph, exec));
        double.is_clean();
    });
}

#[test]
fn streams_wait_for_each_other() {
    with_double("streams_wait_for_each_other", FULL, &[], |double| {
        let mut t = Things::new();
        // The caller's streams: one that does not block, one that does, and the default one.
        for (round, flags) in [(1_u8, Some(1)), (2, Some(0)), (3, None)] {
            let foreign = flags.map_or(0, |flags| double.foreign_stream(&t.context, flags));
            let (ready, done) = (Event::new(&t.context, false).unwrap(), Event::new(&t.context, false).unwrap());
            double.delay(u64::MAX);
            t.source.as_mut_slice().fill(round);
            let (raw, to, bytes) = (t.device.address(), t.source.as_ptr(), 64_usize);
            {
                // The caller uploads on its own stream; we wait for that, and it waits for our result.
                let _entered = t.context.enter().unwrap();
                type Copy = unsafe extern "C" fn(u64, *const u8, usize, u64) -> i32;
                // SAFETY: the driver's signature; the blocks live until the end of the round.
                assert_eq!(unsafe { double.get::<Copy>("cuMemcpyHtoDAsync_v2")(raw, to, bytes, foreign) }, 0);
            }
            // SAFETY: the stream is the caller's and alive.
            unsafe { ready.record_raw(foreign) }.unwrap();
            t.stream.wait(&ready).unwrap();
            let to = t.result.as_mut_ptr();
            // SAFETY: as in `copy`.
            unsafe { t.stream.copy_to_host_async(to, t.device.address(), 64) }.unwrap();
            done.record(&t.stream).unwrap();
            // SAFETY: as above.
            unsafe { done.make_wait_raw(foreign) }.unwrap();
            // What the caller enqueues now comes after ours.
            let after = Event::new(&t.context, false).unwrap();
            // SAFETY: as above.
            unsafe { after.record_raw(foreign) }.unwrap();
            assert!(!done.query().unwrap() && !after.query().unwrap());
            if round == 1 {
                // Waiting for the caller's is waiting for ours.
                after.synchronize().unwrap();
            } else {
                // Ours cannot run before the caller's.
                t.stream.synchronize().unwrap();
            }
            assert_eq!(t.result.as_slice(), [round; 64]);
            assert!(ready.query().unwrap() && done.query().unwrap());
            assert_eq!(after.query().unwrap(), round == 1);
            double.release();
            if foreign != 0 {
                double.destroy_stream(&t.context, foreign);
            }
        }
        drop(t);
        double.is_clean();
    });
}

/// Our streams and the default one do not wait for each other unless they are told to.
#[test]
fn streams_do_not_wait_for_the_default_stream() {
    with_double("streams_do_not_wait_for_the_default_stream", FULL, &[], |double| {
        let mut t = Things::new();
        let of_default = Event::new(&t.context, false).unwrap();
        double.delay(u64::MAX);
        // SAFETY: 0 is the default stream.
        unsafe { of_default.record_raw(0) }.unwrap();
        t.copy().unwrap();
        t.stream.synchronize().unwrap();
        assert!(!of_default.query().unwrap());
        t.copy().unwrap();
        of_default.synchronize().unwrap();
        assert!(!t.stream.query().unwrap());
        drop((t, of_default));
        double.is_clean();
    });
}

/// A block that was zeroed or written is so for every stream, though the default stream is delayed and others do not wait for it.
#[test]
fn blocking_calls_are_done_when_they_return() {
    with_double("blocking_calls_are_done_when_they_return", FULL, &[("TRT_SELECT_DOUBLE_DELAY", "-1")], |double| {
        let mut t = Things::new();
        t.result.as_mut_slice().fill(1);
        let to = t.result.as_mut_ptr();
        // SAFETY: as in `copy`.
        unsafe { t.stream.copy_to_host_async(to, t.device.address(), 64) }.unwrap();
        assert_eq!(double.step(1), 1);
        assert_eq!(t.result.as_slice(), [0; 64]);
        t.device.write(0, &[9; 64]).unwrap();
        // SAFETY: as in `copy`.
        unsafe { t.stream.copy_to_host_async(to, t.device.address(), 64) }.unwrap();
        assert_eq!(double.step(1), 1);
        assert_eq!(t.result.as_slice(), [9; 64]);
        drop(t);
        double.is_clean();
    });
}

#[test]
fn graphs_replay() {
    with_double("graphs_replay", FULL, &[], |double| {
        let mut t = Things::new();
        let module = Module::load_ptx(&t.context, PTX).unwrap();
        let (add, record) = (module.function(ADD).unwrap(), module.function(RECORD).unwrap());
        let mapped = PinnedBuffer::new(&t.context, 16, true).unwrap();
        t.stream.begin_capture().unwrap();
        t.copy().unwrap();
        let (mut a, mut b, mut out, mut count) = (t.device.address(), t.device.address(), t.device.address(), 16_u32);
        let mut args =
            [(&raw mut a).cast::<c_void>(), (&raw mut b).cast(), (&raw mut out).cast(), (&raw mut count).cast()];
        // SAFETY: the kernel's arguments; the blocks outlive the graph.
        unsafe { add.launch(&t.stream, [1, 1, 1], [32, 1, 1], 0, &mut args) }.unwrap();
        let (mut to, mut payload, mut sequence) = (mapped.device_address().unwrap(), 1_u64, 1_u64);
        let mut args = [(&raw mut to).cast::<c_void>(), (&raw mut payload).cast(), (&raw mut sequence).cast()];
        // SAFETY: as above.
        unsafe { record.launch(&t.stream, [1, 1, 1], [1, 1, 1], 0, &mut args) }.unwrap();
        let graph = t.stream.end_capture().unwrap();
        // Arguments were copied then; memory is read when the graph runs.
        (payload, sequence) = (77, 77);
        assert_eq!((payload, sequence), (77, 77));
        let exec = graph.instantiate().unwrap();
        drop(graph);
        assert_eq!((mapped.load_u64(8), t.result.as_slice()[0]), (0, 0), "nothing has run");
        for round in [3_u8, 4] {
            t.source.as_mut_slice().fill(round);
            // SAFETY: as above.
            unsafe { exec.launch(&t.stream) }.unwrap();
            t.stream.synchronize().unwrap();
            assert_eq!(t.result.as_slice(), [round; 64]);
            let mut doubled = [0; 64];
            t.device.read(0, &mut doubled).unwrap();
            assert_eq!(doubled, [2 * round; 64]);
            assert_eq!((mapped.load_u64(0), mapped.load_u64(8)), (1, 1));
        }
        // A second stream forks off and comes back.
        let (fork, join) = (Event::new(&t.context, false).unwrap(), Event::new(&t.context, false).unwrap());
        let other = Stream::new(&t.context).unwrap();
        let forked = |back: bool| {
            t.stream.capture(|| {
                fork.record(&t.stream)?;
                other.wait(&fork)?;
                // SAFETY: as above.
                unsafe { other.set_bytes_async(t.device.address(), 1, 64) }?;
                join.record(&other)?;
                if back { t.stream.wait(&join) } else { Ok(()) }
            })
        };
        drop(forked(true).unwrap());
        assert_eq!(forked(false).unwrap_err().code(), 904, "unjoined");
        drop((t, module, add, record, mapped, exec, fork, join, other));
        double.is_clean();
    });
}

#[test]
fn a_capture_always_ends() {
    with_double("a_capture_always_ends", FULL, &[], |double| {
        let mut t = Things::new();
        let event = Event::new(&t.context, false).unwrap();
        event.record(&t.stream).unwrap();
        let other = Stream::new(&t.context).unwrap();
        let works = |t: &mut Things| {
            t.source.as_mut_slice()[0] += 1;
            t.copy().unwrap();
            t.stream.synchronize().unwrap();
            assert_eq!(t.result.as_slice(), t.source.as_slice());
            assert_eq!((double.live("captures"), double.live("graphs")), (0, 0));
        };
        type Breaks<'a> = &'a dyn Fn(&Things) -> Result<(), Error>;
        let breaks: [(&str, i32, Breaks<'_>); 8] = [
            ("allocates", 900, &|t| DeviceBuffer::new(&t.context, 64).map(drop)),
            ("frees", 900, &|t| {
                let context = t.context.clone();
                // A block that another thread has made, and that is freed in this one.
                drop(std::thread::spawn(move || DeviceBuffer::new(&context, 64).unwrap()).join().unwrap());
                t.context.take_error().map_or(Ok(()), Err)
            }),
            ("copies and waits", 900, &|t| t.device.read(0, &mut [0; 64])),
            ("synchronises", 900, &|t| t.stream.synchronize()),
            ("synchronises the context", 900, &|t| t.context.synchronize()),
            ("asks", 900, &|t| t.stream.query().map(drop)),
            ("waits for what came before", 905, &|t| t.stream.wait(&event)),
            ("asks for an event of the capture", 907, &|t| {
                let event = Event::new(&t.context, false)?;
                event.record(&t.stream)?;
                event.query().map(drop)
            }),
        ];
        for (what, code, break_it) in breaks {
            // The closure's error is given.
            let error = t.stream.capture(|| break_it(&t)).unwrap_err();
            assert_eq!(error.code(), code, "{what}: {error}");
            works(&mut t);
            // Where it is not told, the end of the capture is refused; so is what is enqueued after it.
            let error = t
                .stream
                .capture(|| {
                    drop(break_it(&t));
                    // SAFETY: the block outlives the capture.
                    let refused = unsafe { t.stream.set_bytes_async(t.device.address(), 0, 64) }.unwrap_err();
                    assert_eq!(refused.code(), 901, "{what}");
                    Ok::<(), Error>(())
                })
                .unwrap_err();
            assert_eq!((error.call(), error.code()), ("cuStreamEndCapture", 901), "{what}");
            assert!(error.to_string().contains("without graphs"), "{error}");
            works(&mut t);
        }
        // The block of "frees" could not be freed in the capture: the driver still has it, twice.
        assert_eq!(double.live("device_blocks"), 3);

        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            t.stream.capture::<Error>(|| panic!("in a capture"))
        }));
        assert!(panicked.is_err());
        works(&mut t);

        // Another thread may allocate and synchronise: the capture is this thread's.
        let (context, stream) = (t.context.clone(), other);
        let graph = t.stream.capture(|| {
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    drop(DeviceBuffer::zeroed(&context, 64).unwrap());
                    stream.synchronize().unwrap();
                });
            });
            Ok::<(), Error>(())
        });
        drop(graph.unwrap());
        assert_eq!(t.stream.end_capture().unwrap_err().code(), 401, "nothing captures");
        t.stream.begin_capture().unwrap();
        assert_eq!(t.stream.begin_capture().unwrap_err().code(), 401);
        let wrong = std::thread::scope(|scope| scope.spawn(|| t.stream.end_capture().unwrap_err()).join().unwrap());
        assert_eq!(wrong.code(), 908, "a capture ends in the thread in which it began");
        // The error is true: the stream still captures, and the thread that began the capture can end it.
        let text = wrong.to_string();
        assert!(text.contains("the stream still captures") && text.contains("in the thread that began it"), "{text}");
        assert_eq!((double.live("captures"), t.stream.begin_capture().unwrap_err().code()), (1, 401));
        drop(t.stream.end_capture().unwrap());
        works(&mut t);
        // An error of the end is told even where a stream could not be entered at first.
        double.fail("cuCtxPushCurrent_v2", 2, 201);
        drop(t.stream.capture(|| Ok::<(), Error>(())).unwrap());
        let error = t.context.take_error().unwrap();
        assert_eq!((error.kind(), error.call()), (ErrorKind::Call, "cuCtxPushCurrent_v2"));
        works(&mut t);
        assert_eq!(double.misuse(), 0, "{}", double.misuse_text());
    });
}
