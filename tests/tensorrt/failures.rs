//! Each call of the driver and of TensorRT that `open` and `infer` make is made to fail once.

use trt_select::{ErrorGroup, ErrorKind, Outcome};

use super::doubles::{Doubles, with_doubles};
use super::frames::Picture;
use super::{assert_same, on_cpu, open, pictures};

/// What the failure of a call led to.
#[derive(Default)]
struct Seen {
    /// Whether the selector could not be opened.
    at_open: bool,
    errors: Vec<String>,
    /// Log messages about failures that did not stop anything, such as a graph that was refused, or an error while something was released.
    reports: Vec<String>,
}

/// Opens the selector, answers for every picture (if a candidate fails, another one takes over), and then answers for the first one again.
fn scenario(doubles: &Doubles, pictures: &[Picture], expected: &[Outcome]) -> Seen {
    let mut seen = open_and_infer(doubles, pictures, expected);
    let driver = trt_select::cuda::driver::Driver::load().expect("the double");
    seen.reports.extend(driver.take_error().map(|e| e.to_string()));
    seen
}

fn open_and_infer(doubles: &Doubles, pictures: &[Picture], expected: &[Outcome]) -> Seen {
    let mut errors = Vec::new();
    let mut selector = match open(doubles) {
        Ok(selector) => selector,
        Err(error) => return Seen { at_open: true, errors: vec![error.to_string()], ..Seen::default() },
    };
    for (picture, expected) in pictures.iter().zip(expected) {
        match selector.infer(picture.frame()) {
            Ok(outcome) if outcome.failed.is_empty() => assert_same(&outcome, expected, "beside a failure"),
            Ok(_) => errors.push(selector.failure().expect("a candidate failed").to_string()),
            Err(error) => errors.push(error.to_string()),
        }
    }
    // After the one call has failed, everything works again.
    let mut tries = 0;
    while let Some(error) = match selector.infer(pictures[0].frame()) {
        Ok(outcome) if outcome.failed.is_empty() => {
            assert_same(&outcome, &expected[0], "after a failure");
            None
        }
        Ok(_) => selector.failure().map(ToString::to_string),
        Err(error) => Some(error.to_string()),
    } {
        errors.push(error);
        tries += 1;
        assert!(tries < 3, "{errors:?}");
    }
    let mut reports: Vec<String> = selector
        .set()
        .gpu()
        .into_iter()
        .flat_map(|g| g.candidates())
        .filter_map(|c| Some(c.graph_refused()?.to_owned()))
        .collect();
    reports.extend(selector.set().gpu().and_then(|g| g.session().context().take_error()).map(|e| e.to_string()));
    Seen { at_open: false, errors, reports }
}

fn expected(doubles: &Doubles, pictures: &[Picture]) -> Vec<Outcome> {
    let mut cpu = on_cpu(doubles);
    pictures.iter().map(|p| cpu.infer(p.frame()).expect("answered")).collect()
}

fn assert_one_line(error: &str) {
    assert!(!error.is_empty() && !error.contains('\n'), "{error}");
}

#[test]
fn every_call_of_the_driver_may_fail_once() {
    with_doubles("failures::every_call_of_the_driver_may_fail_once", &[], |doubles| {
        let pictures = pictures(6);
        let expected = expected(doubles, &pictures);
        doubles.cuda.reset();
        assert!(scenario(doubles, &pictures, &expected).errors.is_empty());
        let made: Vec<(String, u64)> =
            doubles.cuda.symbols().into_iter().map(|call| (call.clone(), doubles.cuda.calls(&call))).collect();
        let made: Vec<(String, u64)> = made.into_iter().filter(|(_, n)| *n > 0).collect();
        assert!(made.len() > 30, "{made:?}");
        let (mut at_open, mut later, mut quiet) = (0, 0, 0);
        for (call, count) in &made {
            let mut unnoticed = 0_u64;
            for n in 1..=*count {
                doubles.cuda.reset();
                // Out of memory, an illegal address (for this call only), and a code that nobody knows.
                let code = [2, 700, 9999][n as usize % 3];
                doubles.cuda.fail(call, n, code);
                let seen = scenario(doubles, &pictures, &expected);
                let what = format!("{call} {n} of {count} failed with {code}: {:?}", seen.errors);
                seen.errors.iter().for_each(|e| assert_one_line(e));
                assert!(seen.errors.len() <= 1, "one failure: {what}");
                match seen.errors.len() {
                    0 if !seen.reports.is_empty() => quiet += 1,
                    0 => unnoticed += 1,
                    _ if seen.at_open => at_open += 1,
                    _ => later += 1,
                }
                doubles.assert_all_freed_but_misuse(&what);
            }
            let may_be = MAY_BE_QUIET.iter().find(|(name, _)| name == call).map_or(0, |(_, n)| *n);
            assert!(unnoticed <= may_be, "{call}: {unnoticed} of {count} failures were not noticed");
        }
        println!("{made:?}: {at_open} failed open, {later} failed an input, {quiet} were reported and made up for");
        assert!(at_open > 50 && later > 10, "{at_open} {later} {quiet}");
    });
}

/// Calls that may fail without any message, and how often each may.
const MAY_BE_QUIET: [(&str, u64); 5] = [
    // A process makes these once, and here the device has been used before.
    ("cuInit", 1),
    ("cuDriverGetVersion", 1),
    ("cuDevicePrimaryCtxRetain", 1),
    // If a mapped plan cannot be page-locked, it is read into pinned memory instead.
    ("cuMemHostRegister_v2", 3),
    ("cuCtxPushCurrent_v2", 3),
];

/// The kind of the error says that the device has no memory left, and its sources lead to the driver's own error.
#[test]
fn a_device_without_memory_is_told_as_such() {
    with_doubles("failures::a_device_without_memory_is_told_as_such", &[], |doubles| {
        use std::error::Error as _;
        doubles.cuda.fail("cuMemAlloc_v2", 1, 2);
        let error = open(doubles).map(|_| ()).expect_err("no memory");
        assert_eq!((error.kind(), error.kind().group()), (ErrorKind::DeviceMemory, ErrorGroup::Retry), "{error}");
        let sources = std::iter::successors(error.source(), |&e| e.source());
        let driver = sources.filter_map(|e| e.downcast_ref::<trt_select::cuda::driver::Error>()).next();
        assert_eq!(driver.map(|e| (e.call(), e.code())), Some(("cuMemAlloc_v2", 2)));
        doubles.cuda.reset();
        assert!(open(doubles).is_ok(), "the same call succeeds once there is memory");
        doubles.assert_all_freed_but_misuse("");
    });
}

#[test]
fn every_call_of_tensorrt_may_fail_once() {
    with_doubles("failures::every_call_of_tensorrt_may_fail_once", &[], |doubles| {
        let pictures = pictures(6);
        let expected = expected(doubles, &pictures);
        doubles.nv.reset();
        assert!(scenario(doubles, &pictures, &expected).errors.is_empty());
        let mut noticed = 0;
        for call in super::doubles::NV_CALLS {
            let made = doubles.nv_calls_of(call, || drop(scenario(doubles, &pictures, &expected)));
            for n in 1..=made {
                doubles.nv.reset();
                doubles.nv.fail(call, n);
                let errors = scenario(doubles, &pictures, &expected).errors;
                errors.iter().for_each(|e| assert_one_line(e));
                assert!(errors.len() <= 1, "{call} {n}: {errors:?}");
                noticed += errors.len();
                doubles.assert_all_freed_but_misuse(&format!("{call} {n}: {errors:?}"));
            }
        }
        assert!(noticed >= 20, "{noticed}");
    });
}
