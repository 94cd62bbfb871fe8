//! C programs replace the premodel of a selector that stays open.

use std::process::Command;

use trt_select::premodel::{CandidateId, Node, Premodel};

use super::library::{archive, client, compilers, run};
use super::{premodel, write_null_bundle};

#[test]
fn a_thousand_reloads_between_inputs_in_c() {
    let dir = tempfile::tempdir().expect("a folder");
    write_null_bundle(dir.path());
    let ours = premodel(4);
    // A second premodel with the same signals, which always answers with the large candidate.
    let large = CandidateId(1);
    let other = Premodel::new(
        ours.candidates().to_vec(),
        4,
        ours.signals().to_vec(),
        vec![Node::run(large, 1), Node::answer(large)],
        ours.fallback().to_vec(),
        Vec::new(),
        ours.trained_for.clone(),
    )
    .expect("a premodel");
    let (first, second) = (dir.path().join("first.json"), dir.path().join("second.json"));
    std::fs::write(&first, ours.to_json()).expect("written");
    std::fs::write(&second, other.to_json()).expect("written");
    for compiler in compilers() {
        let program = compiler.program(&client("reload.c"), &archive(), &[]);
        // glibc counts blocks in its caches of freed memory as held. Without those caches it counts what is held.
        let tunables = ("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0");
        let mut command = Command::new(program);
        command.arg(dir.path()).arg(&first).arg(&second).env_remove("LD_PRELOAD").env(tunables.0, tunables.1);
        let text = run(&mut command);
        assert!(text.contains("reload: passed"), "{text}");
        println!("{}", text.trim());
    }
}
