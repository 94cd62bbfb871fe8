//! Tests `bench --jitter` and the real-time options as a user runs them.
#![cfg(feature = "cli")]

#[path = "common/json_keys.rs"]
mod json_keys;

use std::process::{Command, Output};

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/fashion");

fn jitter(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trt-select"))
        .args(["bench", FASHION, "--engine", "null", "--jitter", "--warm-up", "0"])
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .expect("the binary starts")
}

#[test]
fn the_histogram_holds_every_run() {
    let out = jitter(&["--iterations", "20000", "--json", "--core", "0"]);
    let stderr = String::from_utf8_lossy(&out.stderr);
    if stderr.contains("core 0: expected") {
        return println!("skipped: {stderr}");
    }
    assert!(out.status.success(), "{stderr}");
    let json = json_keys::parse(std::str::from_utf8(&out.stdout).expect("UTF-8"));
    let number = |key: &str| json[key].as_u64().unwrap_or_else(|| panic!("{key}: {json}"));
    assert_eq!((number("runs"), number("failures"), number("core")), (20_000, 0, 0));
    let rows = json["histogram"].as_array().expect("rows");
    assert_eq!(rows.iter().map(|r| r["count"].as_u64().expect("a count")).sum::<u64>(), 20_000);
    let order = ["min_ns", "p50_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns"].map(number);
    assert!(order[0] > 0 && order.is_sorted(), "{order:?}");
    // The loop uses no memory for the first time, but the code that prints the last row may have to be paged in.
    assert!(number("minor_faults") < 20, "{json}");
    for key in ["major_faults", "voluntary_switches", "involuntary_switches"] {
        number(key);
    }
}

#[test]
fn the_text_says_it_all() {
    let out = jitter(&["--iterations", "2000"]);
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for part in ["=== Jitter: 2000 runs, null", "p99.99 = ", "max = ", "Page faults: ", "context switches: ", "###"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_cannot_be_had_is_one_line() {
    for (args, code, part) in [
        (&["--core", "1023"][..], 1, "core 1023: expected one that this process may use"),
        (&["--realtime", "0"], 2, "1..=99"),
        (&["--percentile", "90"], 2, "cannot be used with"),
    ] {
        let out = jitter(args);
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(part) && out.stdout.is_empty(), "{args:?}: {stderr}");
    }
    for args in [&["--lock-memory"][..], &["--realtime", "1"]] {
        let out = jitter(&[args, &["--iterations", "100"]].concat());
        let stderr = String::from_utf8_lossy(&out.stderr);
        if !out.status.success() {
            assert!(stderr.contains("; raise it") || stderr.contains("; give CAP_SYS_NICE"), "{args:?}: {stderr}");
            println!("skipped: {}", stderr.lines().last().unwrap_or_default());
        }
    }
}
