//! Plans that the double of the builder makes, on every version that this build has a line for.

use std::path::{Path, PathBuf};

use trt_select::ErrorKind;
use trt_select::engines::tensorrt::{BuildOptions, BuiltPlan, Library, Tactics, build_plan_with};

use super::doubles::Doubles;
use super::line::Line;
use super::lines::{on_every_line, with_lines};
use super::toy_plan::ToyPlan;
use super::{assert_same, on_cpu, open, pictures, toy};

/// Moves the double of a library to a folder, and its plugins to another folder in that. Gives both files.
pub(crate) fn moved(library: &Path, folder: &Path) -> (PathBuf, PathBuf) {
    let elsewhere = folder.join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a folder");
    let name = library.file_name().and_then(|n| n.to_str()).expect("a name");
    let plugins = name.replace("libnvinfer", "libnvinfer_plugin");
    let (here, there) = (folder.join(name), elsewhere.join(&plugins));
    std::fs::copy(library, &here).expect("copied");
    std::fs::copy(library.with_file_name(plugins), &there).expect("copied");
    (here, there)
}

/// The model `small` of the bundle, for which the double of the builder has this plan.
fn model(doubles: &Doubles, plan: &ToyPlan) -> PathBuf {
    let model = doubles.bundle.join("small.onnx");
    std::fs::write(doubles.bundle.join("small.onnx.toyplan"), plan.bytes()).expect("written");
    model
}

pub(crate) fn build(model: &Path, options: &BuildOptions) -> Result<BuiltPlan, trt_select::engines::Error> {
    build_plan_with(&Library::open()?, model, options, &mut |_| ())
}

/// The toy plan of the first network of the bundle, with a batch that is open.
fn open_batch(line: &Line) -> ToyPlan {
    let mut plan = toy::toys()[0].plan_as(line.form());
    (plan.input.shape[0], plan.output.shape[0]) = (-1, -1);
    plan
}

/// The first extent of the input in a built plan.
fn batch(built: &[u8]) -> i64 {
    i64::from_le_bytes(built[80 + 72..80 + 80].try_into().expect("eight bytes"))
}

#[test]
fn a_built_plan_runs() {
    on_every_line("builds::a_built_plan_runs", |doubles, line| {
        let model = model(doubles, &open_batch(line));
        let built = build(&model, &BuildOptions::default()).expect("built");
        // Only RTX makes other kernels for shapes that are fixed.
        assert_eq!(batch(&built), if line.is_rtx() { 1 } else { -1 });
        assert_eq!(doubles.nv.build("profiles"), u64::from(!line.is_rtx()));
        std::fs::write(toy::plan_path(&doubles.bundle, "small"), &*built).expect("written");
        drop(built);
        let picture = &pictures(1)[0];
        let expected = on_cpu(doubles).infer(picture.frame()).expect("answered");
        let mut selector = open(doubles).expect("open");
        assert_same(&selector.infer(picture.frame()).expect("answered"), &expected, "built here");
        drop(selector);
        doubles.assert_all_freed();
    });
}

/// Before 8.4 a builder takes no scratch memory unless it is told, and then finds no kernels.
#[test]
fn old_builders_are_given_scratch_memory() {
    let name = "builds::old_builders_are_given_scratch_memory";
    for integrated in ["0", "1"] {
        with_lines(
            name,
            |_| true,
            &[("TRT_SELECT_DOUBLE_INTEGRATED", integrated)],
            |doubles, line| {
                let model = model(doubles, &toy::toys()[0].plan_as(line.form()));
                build(&model, &BuildOptions::default()).expect("built");
                let is_old = line.number() < (8, 4) && !line.is_rtx();
                let context = trt_select::cuda::driver::Context::primary(0).expect("a device");
                let device = context.device();
                let expected = match (is_old, device.integrated) {
                    (false, _) => 1 << 40,
                    (true, false) => device.total_bytes,
                    (true, true) => 256 << 20,
                };
                assert_eq!(doubles.nv.build("workspace"), expected, "{}", line.name());
                build(&model, &BuildOptions::default().workspace_bytes(Some(3 << 20))).expect("built");
                assert_eq!(doubles.nv.build("workspace"), 3 << 20);
            },
        );
    }
}

#[test]
fn two_builds_with_one_timing_cache_give_the_same_plan() {
    on_every_line("builds::two_builds_with_one_timing_cache_give_the_same_plan", |doubles, line| {
        let model = model(doubles, &toy::toys()[0].plan_as(line.form()));
        let plain = BuildOptions::default();
        let bytes = |options: &BuildOptions| build(&model, options).expect("built").to_vec();
        assert_ne!(bytes(&plain), bytes(&plain), "without timings every build chooses anew");
        let cache = doubles.bundle.join("timings");
        let cached = plain.clone().timing_cache(Some(cache.clone()));
        let first = bytes(&cached);
        assert_eq!(doubles.nv.build("had_timing_cache"), 0);
        assert_eq!(bytes(&cached), first);
        assert_eq!(doubles.nv.build("had_timing_cache"), 1);
        // Timings of another GPU are begun anew. Why they did not fit is no part of a later error.
        let foreign = |bytes: &[u8]| std::fs::write(&cache, bytes).expect("written");
        foreign(b"TOYDxxxx");
        let anew = bytes(&cached);
        assert_ne!(anew, first);
        assert_eq!(bytes(&cached), anew, "{}", line.name());
        foreign(b"TOYDxxxx");
        doubles.nv.fail("buildSerializedNetwork", 1);
        let error = build(&model, &cached).expect_err("told to fail").to_string();
        assert!(error.contains("told to fail") && !error.contains("another device"), "{error}");
        // A file that holds no timings was named by mistake. It stays as it is.
        foreign(b"somebody's model");
        let error = build(&model, &cached).expect_err("no timings").to_string();
        assert!(error.contains("timings of earlier builds") && error.contains("magic failed"), "{error}");
        assert_eq!(std::fs::read(&cache).expect("still there"), b"somebody's model");
        // A place that cannot be read or written is found before the build, which takes minutes.
        let begun = doubles.nv.calls("createInferBuilder");
        std::fs::remove_file(&cache).expect("removed");
        std::fs::create_dir(&cache).expect("made");
        for place in [cache.clone(), doubles.bundle.join("none/timings")] {
            let error = build(&model, &plain.clone().timing_cache(Some(place))).expect_err("no place");
            assert_eq!(error.kind(), trt_select::engines::ErrorKind::Io, "{error}");
            assert!(error.to_string().contains("timings of builds: expected"), "{error}");
        }
        assert_eq!(doubles.nv.calls("createInferBuilder"), begun);
        doubles.assert_all_freed();
    });
}

#[test]
fn a_builder_that_fails_says_why() {
    on_every_line("builds::a_builder_that_fails_says_why", |doubles, line| {
        let model = model(doubles, &toy::toys()[0].plan_as(line.form()));
        for call in ["createInferBuilder", "buildSerializedNetwork"] {
            doubles.nv.fail(call, 1);
            let error = build(&model, &BuildOptions::default()).expect_err(call);
            let text = error.to_string();
            assert_eq!(error.kind(), trt_select::engines::ErrorKind::Build, "{text}");
            assert!(text.contains(call) && text.contains("told to fail") && !text.contains('\n'), "{text}");
            build(&model, &BuildOptions::default()).expect("only once");
        }
        doubles.assert_all_freed();
    });
}

#[test]
fn a_build_asks_for_what_the_version_has() {
    on_every_line("builds::a_build_asks_for_what_the_version_has", |doubles, line| {
        let model = model(doubles, &toy::toys()[0].plan_as(line.form()));
        let (has_fp16, compatible) =
            if line.is_rtx() { (false, false) } else { (line.number() < (11, 0), line.number() >= (8, 6)) };
        let unsupported = |options: &BuildOptions, word: &str| {
            let error = build(&model, options).expect_err(word);
            assert_eq!(error.kind(), trt_select::engines::ErrorKind::Unsupported, "{error}");
            assert!(error.to_string().contains(word) && !error.to_string().contains('\n'), "{error}");
        };
        let fp16 = BuildOptions::default().fp16(true);
        if has_fp16 {
            build(&model, &fp16).expect("built");
            assert_eq!(doubles.nv.build("fp16"), 1);
        } else {
            unsupported(&fp16, "fp16");
        }
        let versions = BuildOptions::default().version_compatible(true);
        if compatible {
            let with = build(&model, &versions).expect("built").to_vec();
            assert_eq!((doubles.nv.build("version_compatible"), doubles.nv.build("exclude_lean")), (1, 0));
            let without = build(&model, &versions.clone().exclude_lean_runtime(true)).expect("built").to_vec();
            assert_eq!((doubles.nv.build("version_compatible"), doubles.nv.build("exclude_lean")), (1, 1));
            assert_eq!((&with[41..43], &without[41..43]), (&[1, 1][..], &[1, 0][..]));
        } else {
            unsupported(&versions, "version-compatible");
        }
        // The double begins with all five sources of TensorRT up to 10; in 11 and RTX two are left, with other numbers.
        let two_are_left = line.is_rtx() || line.number() >= (11, 0);
        let tactics = |text: &str| BuildOptions::default().tactics(text.parse::<Tactics>().expect("right"));
        build(&model, &tactics("-CUBLAS,-CUBLAS_LT,-CUDNN")).expect("built");
        assert_eq!(doubles.nv.build("tactic_sources"), if two_are_left { 31 } else { 24 });
        if two_are_left {
            build(&model, &tactics("-EDGE_MASK_CONVOLUTIONS")).expect("built");
            assert_eq!(doubles.nv.build("tactic_sources"), 30);
            unsupported(&tactics("+CUDNN"), "+CUDNN");
        } else {
            build(&model, &tactics("-CUDNN")).expect("built");
            assert_eq!(doubles.nv.build("tactic_sources"), 27);
        }
    });
}

#[test]
fn a_build_on_a_gpu_that_is_not_there_names_it() {
    on_every_line("builds::a_build_on_a_gpu_that_is_not_there_names_it", |doubles, line| {
        let model = model(doubles, &toy::toys()[0].plan_as(line.form()));
        let error = build(&model, &BuildOptions::default().ordinal(7)).expect_err("there are fewer");
        assert_eq!(trt_select::Error::from(error).kind(), ErrorKind::DeviceMissing);
        let target = BuildOptions::default().ordinal(7).target(Some((8, 0)));
        assert_eq!(build(&model, &target).is_ok(), line.is_rtx(), "a target needs no GPU");
    });
}
