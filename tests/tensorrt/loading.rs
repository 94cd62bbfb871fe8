//! How plans and weights come to the device.

use trt_select::GpuConfig;
use trt_select::cuda::FrameMemory;
use trt_select::premodel::CandidateId;

use super::doubles::with_doubles;
use super::toy::{plan_path, toys};
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

/// A device that cannot page-lock a mapping is not asked to. Its plans are read into ordinary memory, which the processor reads at full
/// speed, and are counted as such.
#[test]
fn plans_are_read_into_ordinary_memory_where_none_can_be_registered() {
    let told = [("TRT_SELECT_DOUBLE_HOST_REGISTER", "0"), ("TRT_SELECT_DOUBLE_INTEGRATED", "1")];
    let name = "loading::plans_are_read_into_ordinary_memory_where_none_can_be_registered";
    with_doubles(name, &told, |doubles| {
        let pictures = pictures(12);
        let mut cpu = on_cpu(doubles);
        let largest = toys().iter().map(|t| 4 * (t.weights.len() + t.bias.len()) as u64).max();
        let [dropped, kept] = [false, true].map(|keep| {
            let gpu = GpuConfig::default().max_resident_bytes(largest).keep_plans(keep);
            let gpu = gpu.frame_memory(FrameMemory::Mapped);
            let mut selector = open_with(doubles, &config().gpu(gpu)).expect("open");
            for picture in &pictures {
                let expected = cpu.infer(picture.frame()).expect("answered");
                assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "ordinary memory");
            }
            let memory = [0, 1, 2].map(|candidate| selector.set().memory(CandidateId(candidate)));
            let held = memory.iter().map(|m| m.pinned_bytes).sum::<u64>() + selector.set().shared_memory().pinned_bytes;
            let locked = doubles.cuda.live("pinned_bytes") + doubles.cuda.live("mapped_bytes");
            assert_eq!(held as i64, locked, "what is told to be page-locked is, and nothing else");
            memory
        });
        assert_eq!(doubles.cuda.calls("cuMemHostRegister_v2"), 0);
        for ((toy, dropped), kept) in toys().iter().zip(dropped).zip(kept) {
            let plan = std::fs::metadata(plan_path(&doubles.bundle, toy.name)).expect("a plan").len();
            assert_eq!((dropped.host_bytes, kept.host_bytes), (0, plan), "{}", toy.name);
            assert_eq!(dropped.pinned_bytes, kept.pinned_bytes, "{}", toy.name);
        }
        doubles.assert_all_freed();
    });
}

/// On an integrated device both ways of a frame are measured. The features read each byte once; preprocessing reads many again, which counts
/// where mapped memory is slow to read.
#[test]
fn frames_are_placed_where_features_and_preprocessing_are_fast() {
    // For the three candidates together 180 ms more than by copy, which no chance makes up for.
    let told = [("TRT_SELECT_DOUBLE_INTEGRATED", "1"), ("TRT_SELECT_DOUBLE_SLOW_MAPPED", "preprocess:60000")];
    let name = "loading::frames_are_placed_where_features_and_preprocessing_are_fast";
    with_doubles(name, &told, |doubles| {
        let pictures = pictures(12);
        let mut cpu = on_cpu(doubles);
        let mut selector = open_with(doubles, &config()).expect("open");
        let about = selector.set().gpu().expect("on the GPU").about().to_owned();
        assert!(
            about.contains(
                "frames: copied to device memory: measured faster (1280x720, in us by copy/mapped: upload and features "
            ),
            "{about}"
        );
        // The figures: `NAME COPY/MAPPED` for each part.
        let figures = |part: &str| -> (f64, f64) {
            let (_, rest) = about.split_once(&format!("{part} ")).unwrap_or_else(|| panic!("{part}: {about}"));
            let (copy, mapped) = rest.split_once('/').expect("two figures");
            let mapped = mapped.split([',', ')']).next().expect("a figure");
            (copy.parse().expect("a number"), mapped.parse().expect("a number"))
        };
        for part in ["small", "middle", "large"] {
            assert!(figures(part).1 >= 60_000.0, "{about}");
        }
        let (copied, mapped) = figures("in all");
        assert!(copied < mapped && mapped >= 180_000.0 && !about.contains('\n'), "{about}");
        // What was measured leaves nothing behind.
        for picture in &pictures {
            let expected = cpu.infer(picture.frame()).expect("answered");
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "copied");
        }
        drop(selector);
        doubles.assert_all_freed();
    });
}

/// Where both are read alike, the copy is what mapped memory saves.
#[test]
fn frames_stay_in_mapped_memory_where_that_is_faster() {
    let told = [("TRT_SELECT_DOUBLE_INTEGRATED", "1")];
    with_doubles("loading::frames_stay_in_mapped_memory_where_that_is_faster", &told, |doubles| {
        let pictures = pictures(12);
        let mut cpu = on_cpu(doubles);
        let mut selector = open_with(doubles, &config()).expect("open");
        let gpu = selector.set().gpu().expect("on the GPU");
        assert!(
            gpu.about().contains("measured faster (1280x720") && gpu.about().contains(", small "),
            "{}",
            gpu.about()
        );
        // Whichever was faster on this machine: the device's room for a frame goes where it is not needed.
        let held = selector.set().shared_memory().device_bytes;
        assert_eq!(gpu.about().contains("in mapped memory"), held < 1920 * 1080 * 4, "{held}");
        for picture in &pictures {
            let expected = cpu.infer(picture.frame()).expect("answered");
            assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "placed");
        }
        drop(selector);
        doubles.assert_all_freed();
    });
}
