//! `Selector::open` finds plans that are damaged or were made for another machine.

use trt_select::ErrorKind;
use trt_select_base::random::Rng;

use super::doubles::with_doubles;
use super::{open, toy};

#[test]
fn damaged_plans_never_reach_an_answer() {
    with_doubles("plans::damaged_plans_never_reach_an_answer", &[], |doubles| {
        let path = toy::plan_path(&doubles.bundle, "middle");
        let whole = std::fs::read(&path).expect("the plan");
        let refused = |bytes: &[u8], what: &str| {
            std::fs::write(&path, bytes).expect("written");
            let error = open(doubles).map(|_| ()).expect_err(what);
            assert!(matches!(error.kind(), ErrorKind::Plan | ErrorKind::PlanMismatch), "{what}: {error}");
            assert!(error.to_string().contains("middle") && !error.to_string().contains('\n'), "{what}: {error}");
            doubles.assert_all_freed_but_misuse(what);
        };
        let mut random = Rng::new(5);
        refused(b"", "an empty file");
        for n in 0..100 {
            refused(&whole[..n * whole.len() / 100], &format!("cut at {n} %"));
        }
        // There is no sidecar, so either the header's own checks or TensorRT (here the double's checksum) find the damage.
        for n in 0..200 {
            let mut flipped = whole.clone();
            let at = if n < 60 { random.below(64) } else { random.below(whole.len()) };
            flipped[at] ^= 1 << random.below(8);
            refused(&flipped, &format!("bit flipped in byte {at}"));
        }
        std::fs::write(&path, &whole).expect("written");
        assert!(open(doubles).is_ok());
    });
}
