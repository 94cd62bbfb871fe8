//! C programs switch among the programs of a premodel.

use std::process::Command;

use trt_select::premodel::{Alternative, CandidateId, Expected, Interval, Premodel};

use super::answers::counter;
use super::library::{archive, client, compilers, run};
use super::{premodel, write_null_bundle};

/// The premodel of the null bundle as the chosen one of three programs. Candidates cost 1 ms and 10 ms.
fn front() -> Premodel {
    let mut ours = premodel(4);
    ours.trained_for.costs_ns = vec![1e6, 10e6];
    let about = |mean: f64| Interval { mean, low: mean - 0.03125, high: mean + 0.03125 };
    let expect = |reward: f64, cost_ms: f64| {
        Some(Expected::new(about(reward), about(1e6 * cost_ms), about(reward - 0.875), "made up".into()))
    };
    let nodes = ours.program().nodes().to_vec();
    let programs = vec![
        Alternative::new(nodes).price(Some(0.0625)).expected(expect(0.75, 4.0)).ran(vec![0.5, 0.35]),
        Alternative::single(CandidateId(1), 2).expected(expect(0.875, 10.0)),
        Alternative::single(CandidateId(0), 2).expected(expect(0.625, 1.0)),
    ];
    ours.with_programs(programs, 0).expect("programs")
}

#[test]
fn programs_take_turns_in_c() {
    let dir = tempfile::tempdir().expect("a folder");
    write_null_bundle(dir.path());
    std::fs::write(dir.path().join("premodel.json"), front().to_json()).expect("written");
    let counter = counter();
    for compiler in compilers() {
        let program = compiler.program(&client("programs.c"), &archive(), &[]);
        let mut command = Command::new(program);
        command.arg(dir.path()).env_remove("LD_PRELOAD");
        if let Some(counter) = &counter {
            command.env("LD_PRELOAD", counter);
        }
        let text = run(&mut command);
        assert!(text.contains("programs: passed"), "{text}");
        assert_eq!(text.contains("allocations counted"), counter.is_some(), "{text}");
    }
}
