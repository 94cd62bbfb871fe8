//! `benches/count-instructions --check` really fails where it should. (CI runs the count itself.)

use std::process::Command;

use serde_json::Value;

/// The check fails for recorded counts that were changed on purpose.
#[test]
fn instruction_counts_are_held_against_the_record() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded = std::fs::read_to_string(root.join("benches/instructions.json")).expect("the record");
    let record: Value = serde_json::from_str(&recorded).expect("JSON");
    let dir = tempfile::tempdir().expect("a folder");
    let counts = dir.path().join("counts.json");
    let check = |counted: &Value| {
        std::fs::write(&counts, counted.to_string()).expect("a file");
        let out = Command::new("python3")
            .arg(root.join("benches/count-instructions"))
            .arg("--check")
            .arg("--counts")
            .arg(&counts)
            .output();
        out.map(|o| (o.status.code(), String::from_utf8_lossy(&[o.stdout, o.stderr].concat()).into_owned()))
    };
    let Ok(same) = check(&record) else { return println!("skipped: no python3") };
    assert_eq!(same.0, Some(0), "{}", same.1);
    let with = |factor: f64| {
        let mut other = record.clone();
        let count = &mut other["counts"]["dispatch_tensor"];
        let (old, new) = (count.as_u64().expect("a count"), (count.as_u64().expect("a count") as f64 * factor) as u64);
        *count = new.into();
        (other, old, new)
    };
    let (more, old, new) = with(1.07);
    let (code, text) = check(&more).expect("python3 runs");
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains(&format!("dispatch_tensor: expected at most 5 % over {old} instructions, got {new}")),
        "{text}"
    );
    assert_eq!(check(&with(1.04).0).expect("python3 runs").0, Some(0));
    let (code, text) = check(&with(0.9).0).expect("python3 runs");
    assert!(code == Some(0) && text.contains("record it"), "{text}");
    let mut other = more;
    other["rustc"] = "rustc 1.0.0".into();
    let (code, text) = check(&other).expect("python3 runs");
    assert!(code == Some(0) && text.starts_with("skipped: ") && text.contains("1.0.0"), "{text}");
}
