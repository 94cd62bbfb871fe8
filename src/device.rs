//! The name of this machine's processor, and whether a premodel was trained for what it is used with.
#![forbid(unsafe_code)]

use trt_select_premodel::TrainedFor;

use crate::candidate::CandidateInfo;

/// The processor's name as the operating system gives it, with the number of threads that run a network, e.g. `AMD EPYC, 1 thread`.
pub fn cpu(threads: usize) -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // x86 says "model name"; many Arm kernels say "Model" or nothing.
    let field = |key: &str| {
        let line = info.lines().find(|l| l.split(':').next().is_some_and(|k| k.trim() == key));
        line.and_then(|l| l.split_once(':')).map(|(_, v)| v.trim().to_owned()).filter(|v| !v.is_empty())
    };
    let board = || {
        let text = std::fs::read_to_string("/proc/device-tree/model").ok()?;
        Some(text.trim_end_matches('\0').to_owned()).filter(|t| !t.is_empty())
    };
    let name = board().or_else(|| field("model name")).or_else(|| field("Model"));
    let name = name.unwrap_or_else(|| format!("{} processor", std::env::consts::ARCH));
    format!("{name}, {threads} thread{}", if threads == 1 { "" } else { "s" })
}

/// Compares the engine, precision and device that a premodel was trained for with those of a candidate that was opened on `device`.
/// `None` where they are the same, else one line that says how they differ. What the premodel does not name counts as the same.
pub fn differs_from(trained_for: &TrainedFor, candidate: &CandidateInfo, device: &str) -> Option<String> {
    let opened = candidate.description();
    let precision = opened.precision.name();
    let here = [("engine", &trained_for.engine, opened.version.as_str()), ("device", &trained_for.device, device)];
    let mut differences: Vec<String> = here
        .into_iter()
        .filter(|(_, then, now)| !then.is_empty() && then != now)
        .map(|(what, then, now)| format!("{what} '{then}', got '{now}'"))
        .collect();
    if !trained_for.precision.is_empty() && trained_for.precision != precision {
        differences.push(format!("precision '{}', got '{precision}'", trained_for.precision));
    }
    (!differences.is_empty()).then(|| {
        format!(
            "premodel: expected what it was trained for: {}; its costs may not hold here: profile it here and train anew",
            differences.join("; ")
        )
    })
}
