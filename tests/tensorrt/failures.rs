//! Every call of the driver and of TensorRT that open and infer make fails once.

use trt_select::Outcome;

use super::doubles::{Doubles, with_doubles};
use super::frames::Picture;
use super::{assert_same, on_cpu, open, pictures};

/// Opens, answers for every picture (a candidate that fails is another one's turn), and answers once more for the first.
fn scenario(doubles: &Doubles, pictures: &[Picture], expected: &[Outcome]) -> Vec<String> {
    let mut errors = Vec::new();
    let mut selector = match open(doubles) {
        Ok(selector) => selector,
        Err(error) => return vec![error.to_string()],
    };
    for (picture, expected) in pictures.iter().zip(expected) {
        match selector.infer(picture.frame()) {
            Ok(outcome) if outcome.failed.is_empty() => assert_same(&outcome, expected, "beside a failure"),
            Ok(_) => errors.push(selector.failure().expect("a candidate failed").to_string()),
            Err(error) => errors.push(error.to_string()),
        }
    }
    // The one call has failed: from here on all is well.
    let again = selector.infer(pictures[0].frame()).unwrap_or_else(|e| panic!("after {errors:?}: {e}"));
    assert_same(&again, &expected[0], "after a failure");
    errors
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
    with_doubles("every_call_of_the_driver_may_fail_once", &[], |doubles| {
        let pictures = pictures(6);
        let expected = expected(doubles, &pictures);
        doubles.cuda.reset();
        assert!(scenario(doubles, &pictures, &expected).is_empty());
        let calls = doubles.cuda.calls("*");
        assert!(calls > 200, "{calls} calls");
        let (mut failed_at_open, mut failed_later, mut unnoticed) = (0, 0, 0);
        for n in 1..=calls {
            doubles.cuda.reset();
            // Out of memory, an illegal address (once), and one that nobody knows.
            let code = [2, 700, 9999][n as usize % 3];
            doubles.cuda.fail("*", n, code);
            let errors = scenario(doubles, &pictures, &expected);
            errors.iter().for_each(|e| assert_one_line(e));
            assert!(errors.len() <= 1, "call {n}: one failure, {errors:?}");
            match errors.len() {
                0 => unnoticed += 1,
                _ if errors[0].contains("candidate")
                    || errors.len() == 1 && doubles.cuda.calls("cuGraphLaunch") == 0 =>
                {
                    failed_at_open += 1
                }
                _ => failed_later += 1,
            }
            doubles.assert_all_freed_but_misuse(&format!("call {n} of {calls} failed with {code}: {errors:?}"));
        }
        println!(
            "{calls} calls: {failed_at_open} failed open, {failed_later} failed an input, {unnoticed} were made up for"
        );
        assert!(failed_at_open > 50 && failed_later > 10, "{failed_at_open} {failed_later} {unnoticed}");
    });
}

#[test]
fn every_call_of_tensorrt_may_fail_once() {
    with_doubles("every_call_of_tensorrt_may_fail_once", &[], |doubles| {
        let pictures = pictures(6);
        let expected = expected(doubles, &pictures);
        doubles.nv.reset();
        assert!(scenario(doubles, &pictures, &expected).is_empty());
        let mut noticed = 0;
        for call in super::doubles::NV_CALLS {
            let made = doubles.nv_calls_of(call, || drop(scenario(doubles, &pictures, &expected)));
            for n in 1..=made {
                doubles.nv.reset();
                doubles.nv.fail(call, n);
                let errors = scenario(doubles, &pictures, &expected);
                errors.iter().for_each(|e| assert_one_line(e));
                assert!(errors.len() <= 1, "{call} {n}: {errors:?}");
                noticed += errors.len();
                doubles.assert_all_freed_but_misuse(&format!("{call} {n}: {errors:?}"));
            }
        }
        assert!(noticed >= 20, "{noticed}");
    });
}
