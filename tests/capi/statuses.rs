//! Each reason for which a bundle does not open on TensorRT has a status of its own, whose group says who can do something about
//! it.

use std::process::Command;

use super::doubles::with_doubles;
use super::library::{archive, client, compilers, run};

/// `TRTSEL_ENGINE_TENSORRT`, as an argument of the client.
const TENSORRT: &str = "1";
/// `TRTSEL_GROUP_RETRY`.
const RETRY: u32 = 1;
/// `TRTSEL_GROUP_ENVIRONMENT`.
const ENVIRONMENT: u32 = 3;

#[test]
fn what_keeps_tensorrt_from_opening_is_told_apart() {
    with_doubles("statuses::what_keeps_tensorrt_from_opening_is_told_apart", &[], |doubles| {
        let Some(compiler) = compilers().into_iter().next() else { return };
        let program = compiler.program(&client("open.c"), &archive(), &[]);
        let open = |variables: &[(&str, &str)]| {
            let mut command = Command::new(&program);
            command.arg(&doubles.bundle).arg(TENSORRT).env_remove("LD_PRELOAD").envs(variables.iter().copied());
            run(&mut command)
        };
        let expect = |variables: &[(&str, &str)], status: &str, group: u32, word: &str| {
            let line = open(variables);
            assert!(line.starts_with(&format!("{status} group {group}: ")), "{variables:?}: {line}");
            assert!(line.contains(word), "{variables:?}: {line}");
        };
        assert!(open(&[]).starts_with("TRTSEL_OK group 0: "), "{}", open(&[]));
        let nowhere = "/nowhere/libnvinfer.so";
        expect(&[("TRT_SELECT_LIBNVINFER", nowhere)], "TRTSEL_LIBRARY_MISSING", ENVIRONMENT, nowhere);
        let nowhere = "/nowhere/libcuda.so.1";
        expect(&[("TRT_SELECT_LIBCUDA", nowhere)], "TRTSEL_DRIVER_MISSING", ENVIRONMENT, nowhere);
        expect(&[("TRT_SELECT_DOUBLE_DEVICES", "0")], "TRTSEL_DEVICE_MISSING", ENVIRONMENT, "GPU");
        expect(&[("TRT_SELECT_DOUBLE_MEMORY", "1000000")], "TRTSEL_DEVICE_MEMORY", RETRY, "OUT_OF_MEMORY");
        expect(&[("TRT_SELECT_DOUBLE_CC", "9.0")], "TRTSEL_PLAN_MISMATCH", ENVIRONMENT, "9.0");
        let plan = super::toy::plan_path(&doubles.bundle, "middle");
        let whole = std::fs::read(&plan).expect("the plan");
        std::fs::write(&plan, &whole[..whole.len() / 2]).expect("written");
        expect(&[], "TRTSEL_PLAN", ENVIRONMENT, "middle");
        std::fs::remove_file(&plan).expect("removed");
        expect(&[], "TRTSEL_PLAN_MISSING", ENVIRONMENT, "middle");
    });
}
