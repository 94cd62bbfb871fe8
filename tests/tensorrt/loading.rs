//! How plans and weights come to the device.

use trt_select::GpuConfig;

use super::doubles::with_doubles;
use super::toy::toys;
use super::{assert_same, config, on_cpu, open_with, pictures};

/// TensorRT may fill weights on a stream of its own, which our stream does not wait for. Nothing runs before they are there: neither after
/// open nor after a candidate has come back.
#[test]
fn weights_that_are_still_on_their_way_are_waited_for() {
    let told = [("TRT_SELECT_NVDOUBLE_ASYNC_WEIGHTS", "1"), ("TRT_SELECT_DOUBLE_DELAY", "1")];
    with_doubles("loading::weights_that_are_still_on_their_way_are_waited_for", &told, |doubles| {
        let pictures = pictures(12);
        let mut cpu = on_cpu(doubles);
        let largest = toys().iter().map(|t| 4 * (t.weights.len() + t.bias.len()) as u64).max();
        for limit in [None, largest] {
            // Plans that are kept: what else is freed while a plan is loaded makes the driver wait, and would hide the fault.
            let gpu = GpuConfig::default().max_resident_bytes(limit).keep_plans(true);
            let mut selector = open_with(doubles, &config().gpu(gpu)).expect("open");
            for picture in &pictures {
                let expected = cpu.infer(picture.frame()).expect("answered");
                assert_same(
                    &selector.infer(picture.frame()).expect("answered"),
                    &expected,
                    &format!("limit {limit:?}"),
                );
            }
            drop(selector);
            doubles.assert_all_freed();
        }
    });
}
