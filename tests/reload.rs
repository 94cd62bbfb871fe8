//! The premodel of a selector is replaced a thousand times, with inputs in between, and the process holds no more memory than
//! before.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use common::{LARGE, SMALL, averaging, cascade, null_candidates, premodel};
use trt_select::cuda::Format;
use trt_select::premodel::{CandidateId, Mask, Node, Premodel, Signal, SignalId};
use trt_select::{ErrorKind, Frame, Outcome, Selector};

/// An allocator that counts the bytes and blocks that the process holds, and the calls that allocate.
struct Counting;

static BYTES: AtomicI64 = AtomicI64::new(0);
static BLOCKS: AtomicI64 = AtomicI64::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size() as i64, Ordering::Relaxed);
        BLOCKS.fetch_add(1, Ordering::Relaxed);
        CALLS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size() as i64, Ordering::Relaxed);
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The bytes and the blocks that the process holds.
fn held() -> (i64, i64) {
    (BYTES.load(Ordering::Relaxed), BLOCKS.load(Ordering::Relaxed))
}

/// A premodel in which one signal of the user's own decides which candidate answers: the small one up to 0.5, else the large one.
fn by_own_signal(name: &str) -> Premodel {
    let nodes = vec![
        Node::test(SignalId(0), 0.5, 1, 3),
        Node::run(SMALL, 2),
        Node::answer(SMALL),
        Node::run(LARGE, 4),
        Node::answer(LARGE),
    ];
    premodel(vec![Signal::User(name.into())], nodes)
}

/// The parts of an outcome by which the answers of different premodels can be told apart.
fn said(o: &Outcome) -> (u32, u32, trt_select::premodel::Answer, Mask, usize) {
    (o.class, o.probability.to_bits(), o.answer, o.ran, o.node)
}

/// This is the only test of the file, and it calls the other checks itself, because the counters count for the whole process and
/// tests would run at the same time.
#[test]
fn a_thousand_reloads_between_inputs() {
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    for polls in [0, 2] {
        let candidates = || null_candidates(polls, |_| [0.1, 0.0]).0;
        // One premodel reads a feature, one answers with averages, and two read a signal of the user's own. They differ in their
        // answers or in the candidates that they run.
        let models =
            [cascade(true), averaging(0.5, 2.0, Some([0.25, 0.75])), by_own_signal("night"), by_own_signal("day")];
        let alone: Vec<_> = models
            .iter()
            .map(|model| {
                let mut selector = Selector::new(candidates(), model.clone()).unwrap();
                if let Some(slot) = selector.signal_slot("night") {
                    selector.set_signal(slot, 0.25);
                }
                said(&selector.infer(frame).unwrap())
            })
            .collect();
        let mut distinct = alone.clone();
        distinct.dedup();
        assert!(distinct.len() >= 3, "{alone:?}");

        let mut selector = Selector::new(candidates(), models[2].clone()).unwrap();
        let night = selector.signal_slot("night").expect("its own signal");
        selector.set_signal(night, 0.25);
        selector.warm_up(frame.into()).unwrap();
        let reload_and_infer = |selector: &mut Selector, n: usize| {
            let at = n % models.len();
            selector.reload(models[at].clone()).unwrap();
            for _ in 0..10 {
                assert_eq!(said(&selector.infer(frame).unwrap()), alone[at], "reload {n}");
            }
            // An input that is given up in flight must not disturb the next reload.
            let mut flight = selector.submit(frame).unwrap();
            let _ = flight.poll();
        };
        // Each premodel is used once before memory is measured: its first use adds the names of its own signals to the selector,
        // and allocates what computing its features needs.
        for n in 0..models.len() {
            reload_and_infer(&mut selector, n);
        }
        let before = held();
        let calls = CALLS.load(Ordering::Relaxed);
        for n in 0..1_000 {
            reload_and_infer(&mut selector, n);
        }
        assert_eq!(held(), before, "bytes and blocks held after 1,000 reloads ({polls} polls)");
        assert!(CALLS.load(Ordering::Relaxed) > calls + 1_000, "the counter sees reloads");
        println!("1,000 reloads, 10,000 inputs, {polls} polls: {} bytes held, as before", before.0);
        assert_eq!(selector.signal_slot("night"), None, "the premodel in use names `day`");
        drop(selector);
    }
    refused_reloads_change_nothing();
}

/// A slot stands for the same signal whichever premodel is in use. A premodel that does not fit is refused, and the selector
/// stays as it was.
fn refused_reloads_change_nothing() {
    let pixels = [9_u8; 16];
    let frame = Frame::packed(Format::Gray8, 4, 4, 4, &pixels).unwrap();
    let candidates = null_candidates(0, |_| [0.1, 0.0]).0;
    let mut selector = Selector::new(candidates, by_own_signal("night")).unwrap();
    let night = selector.signal_slot("night").unwrap();
    selector.set_signal(night, 0.0);
    assert_eq!(selector.infer(frame).unwrap().ran, Mask::of(SMALL));
    selector.reload(by_own_signal("day")).unwrap();
    // `day` has never been set, so it is NaN and its test takes the else branch, whatever the value of `night` is.
    assert_eq!(selector.infer(frame).unwrap().ran, Mask::of(LARGE));
    selector.set_signal(night, 0.75);
    let day = selector.signal_slot("day").unwrap();
    assert_ne!(day, night);
    selector.set_signal(day, 0.0);
    assert_eq!(selector.infer(frame).unwrap().ran, Mask::of(SMALL));
    selector.reload(by_own_signal("night")).unwrap();
    assert_eq!(selector.infer(frame).unwrap().ran, Mask::of(LARGE), "set while another premodel was in use");

    let names = ["other", "large"].map(String::from).into();
    let trained_for = trt_select::premodel::TrainedFor::of_costs(vec![1.0, 2.0]);
    let nodes = vec![Node::run(LARGE, 1), Node::answer(LARGE)];
    let stranger = Premodel::new(names, 2, vec![], nodes, vec![CandidateId(1)], vec![], trained_for).unwrap();
    let error = selector.reload(stranger).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Premodel);
    assert_eq!((selector.signal_slot("night"), selector.infer(frame).unwrap().ran), (Some(night), Mask::of(LARGE)));
}
