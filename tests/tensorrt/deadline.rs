//! Deadlines that pass while the device is at work.

use std::time::Duration;

use trt_select::ErrorKind;
use trt_select::premodel::Answer;

use super::doubles::with_doubles;
use super::{assert_same, on_cpu, open, pictures};

#[test]
fn a_late_network_is_not_waited_for() {
    with_doubles("deadline::a_late_network_is_not_waited_for", &[], |doubles| {
        let pictures = pictures(24);
        let mut cpu = on_cpu(doubles);
        let mut selector = open(doubles).expect("open");
        let mut late = 0;
        for picture in &pictures {
            let expected = cpu.infer(picture.frame()).expect("answered");
            selector.set_deadline(None);
            selector.warm_up(picture.frame().into()).expect("warm");

            // Not even the features are ready before the deadline.
            doubles.cuda.delay(u64::MAX);
            selector.set_deadline(Some(Duration::from_millis(1)));
            let error = selector.infer(picture.frame()).expect_err("nothing ran");
            assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
            doubles.cuda.delay(0);

            // The features and one network are ready before the deadline.
            selector.set_deadline(None);
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "after one that was late");
            doubles.cuda.delay(u64::MAX);
            selector.set_deadline(Some(Duration::from_millis(100)));
            let mut flight = selector.submit(picture.frame()).expect("submitted");
            let mut released = 0;
            let outcome = loop {
                if let Some(outcome) = flight.poll().expect("no failure") {
                    break outcome;
                }
                if released < 2 {
                    doubles.cuda.release();
                    released += 1;
                }
            };
            if expected.ran.len() == 1 {
                assert_same(&outcome, &expected, "one network was enough");
                assert!(!outcome.late);
            } else {
                assert!(outcome.late && outcome.ran.len() == 1, "{outcome:?}");
                assert!(matches!(outcome.answer, Answer::Candidate(c) if outcome.ran.has(c)), "{outcome:?}");
                // The deadline is measured with the system's clock and the time with the selector's clock. They agree within a thousandth.
                assert!(outcome.times.total_ns >= 99_900_000, "{outcome:?}");
                late += 1;
            }
            doubles.cuda.delay(0);
            selector.set_deadline(None);
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "after one that was cut short");
        }
        assert!(late > 0, "no picture asked for two networks");
        drop(selector);
        doubles.assert_all_freed();
    });
}
