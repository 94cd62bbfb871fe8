//! `inspect`: shows what a bundle contains.

use std::fmt::Write;
use std::path::PathBuf;

use serde_json::json;
use trt_select::bundle::Bundle;
use trt_select::selector::check_candidates;
use trt_select::{Result, read_premodel};
use trt_select_premodel::{FrontProgram, Premodel};
use trt_select_train::escalations;

use crate::common::{print, print_json};
use crate::provenance;
use crate::remedies::read_bundle;
use crate::report::{TextTable, times_cheaper, warnings_json};

/// Arguments of `inspect`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let bundle = read_bundle(&args.bundle)?;
    let premodel = bundle.premodel.as_deref().map(read_premodel).transpose()?;
    if let Some(premodel) = &premodel {
        check_candidates(premodel, bundle.candidates.iter().map(|c| c.name.as_str()))?;
    }
    let warnings = provenance::warn(&bundle, None);
    if args.json {
        let mut object = as_json(&bundle, premodel.as_ref());
        object["warnings"] = warnings_json(&warnings);
        print_json(&object)
    } else {
        print(&as_text(&bundle, premodel.as_ref()))
    }
}

fn shown(path: &Option<PathBuf>) -> Option<String> {
    path.as_ref().map(|p| p.display().to_string())
}

fn as_json(bundle: &Bundle, premodel: Option<&Premodel>) -> serde_json::Value {
    let candidates: Vec<_> = bundle
        .candidates
        .iter()
        .map(|c| {
            json!({
                "name": c.name, "onnx": shown(&c.onnx), "plan": shown(&c.plan), "precision": c.precision.name(), "cost_ns": c.cost_ns,
                "size_px": c.image.as_ref().map(|i| [i.width, i.height]),
            })
        })
        .collect();
    let premodel = premodel.map(|p| {
        let program = p.program();
        json!({
            "program": p.tree(), "hash": format!("{:016x}", program.hash()), "nodes": program.nodes().len(), "max_runs": program.max_runs(),
            "max_tests": program.max_tests(), "reads_features": p.reads_features(),
            "signals": p.signals().iter().map(|s| s.name(p.candidates())).collect::<Vec<_>>(),
            "programs": p.programs().map(|program| program_json(p, program)).collect::<Vec<_>>(), "chosen": p.chosen(),
            "mix": p.mix().map(|mix| json!({ "programs": mix.programs, "share": mix.share, "seed": mix.seed })),
            "notes": escalation_notes(p),
            "worst_case_ns": p.worst_case_ns(), "trained_for": p.trained_for, "profile": p.profile, "expected": p.expected_by_default(),
        })
    });
    json!({ "name": bundle.name, "classes": bundle.labels.len(), "candidates": candidates, "premodel": premodel })
}

fn as_text(bundle: &Bundle, premodel: Option<&Premodel>) -> String {
    let mut text = format!(
        "Bundle: {} ({} candidates, {} classes)\n\n",
        bundle.name,
        bundle.candidates.len(),
        bundle.labels.len()
    );
    let mut table = TextTable::new(&["candidate", "input px", "precision", "cost ms", "onnx", "plan"]);
    for (i, c) in bundle.candidates.iter().enumerate() {
        let cost = premodel.map(|p| p.trained_for.costs_ns[i]).or(c.cost_ns);
        let file = |f: &Option<PathBuf>| {
            let name = f.as_ref().and_then(|p| p.file_name());
            name.map_or("-".into(), |n| n.to_string_lossy().into_owned())
        };
        table.row([
            c.name.clone(),
            c.image.as_ref().map_or("-".into(), |i| format!("{}x{}x{}", i.width, i.height, i.channels)),
            c.precision.name().into(),
            cost.map_or("-".into(), |ns| format!("{:.4}", ns / 1e6)),
            file(&c.onnx),
            file(&c.plan),
        ]);
    }
    text.push_str(&table.render());
    let Some(p) = premodel else {
        text.push_str("\nPremodel: none; make one with trt-select profile, then trt-select train\n");
        return text;
    };
    let program = p.program();
    let t = &p.trained_for;
    let _ = writeln!(text, "\nPremodel: trained for {} on {}, {}", t.engine, t.device, t.precision);
    if let Some(e) = &p.expected_by_default() {
        let _ = writeln!(
            text,
            "Expected: reward {:.4} [{:.4}, {:.4}], mean cost {:.4} ms [{:.4}, {:.4}] ({})",
            e.reward.mean,
            e.reward.low,
            e.reward.high,
            e.cost_ns.mean / 1e6,
            e.cost_ns.low / 1e6,
            e.cost_ns.high / 1e6,
            e.judged_by
        );
    }
    let _ = writeln!(
        text,
        "Worst case: {:.4} ms ({} runs and {} tests at most{})",
        p.worst_case_ns() / 1e6,
        program.max_runs(),
        program.max_tests(),
        if p.reads_features() { format!("; image features {:.4} ms", t.features_ns / 1e6) } else { String::new() }
    );
    for line in calibration(p) {
        let _ = writeln!(text, "{line}");
    }
    if p.programs().len() > 1 {
        text.push_str(&programs(p));
    }
    for note in escalation_notes(p) {
        let _ = writeln!(text, "Note: {note}");
    }
    let _ = writeln!(text, "\nProgram {:016x}:", program.hash());
    for line in p.tree().lines() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn program_json(p: &Premodel, program: FrontProgram<'_>) -> serde_json::Value {
    json!({
        "program": program.number(), "price": program.price(), "expected": program.expected(), "ran": program.ran(),
        "times_cheaper_than_best_single": times_cheaper(p, &program), "worst_case_ns": program.worst_case_ns(),
        "hash": format!("{:016x}", program.program().hash()), "nodes": program.program().nodes().len(),
        "reads_features": program.reads_features(), "chosen": program.is_chosen(), "tree": program.tree(),
    })
}

/// The table of a premodel's programs, and its mix.
fn programs(p: &Premodel) -> String {
    let mut table = TextTable::new(&[
        "program",
        "price",
        "reward",
        "over best single",
        "mean ms",
        "times cheaper",
        "worst ms",
        "nodes",
        "",
    ]);
    let dash = || "-".to_owned();
    for program in p.programs() {
        let expected = program.expected();
        let over = expected.map(|e| {
            let over = &e.over_best_single;
            format!("{:+.4} [{:+.4}, {:+.4}]", over.mean, over.low, over.high)
        });
        let single = program.single().map(|c| format!("always {}", p.candidates()[c.index()]));
        let notes = [program.is_chosen().then(|| "chosen".to_owned()), single];
        table.row([
            program.number().to_string(),
            program.price().map_or_else(dash, |price| format!("{price:.4}")),
            expected.map_or_else(dash, |e| format!("{:.4}", e.reward.mean)),
            over.unwrap_or_else(dash),
            expected.map_or_else(dash, |e| format!("{:.4}", e.cost_ns.mean / 1e6)),
            times_cheaper(p, &program).map_or_else(dash, |times| format!("{times:.2}x")),
            format!("{:.4}", program.worst_case_ns() / 1e6),
            program.program().nodes().len().to_string(),
            notes.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ]);
    }
    let best = p.fallback().first().map_or("-", |best| p.candidates()[best.index()].as_str());
    let mut text = format!("\nPrograms (price: reward per ms; best single network: {best}):\n{}", table.render());
    if let Some(mix) = p.mix() {
        let [a, b] = mix.programs;
        let _ = writeln!(text, "Mix: {:.1} % program {a}, else program {b}", 100.0 * mix.share);
    }
    text
}

/// A line for each test at which a program runs a dearer candidate on a higher confidence.
fn escalation_notes(p: &Premodel) -> Vec<String> {
    let mut notes = Vec::new();
    for program in p.programs() {
        let alone = p.clone().with_chosen(program.number());
        for found in alone.iter().flat_map(escalations) {
            let signal = p.signals()[found.signal.index()].name(p.candidates());
            let (number, node, threshold) = (program.number(), found.node, found.threshold);
            notes.push(format!(
                "program {number}, node {node}: where '{signal}' is on the surer side of {threshold}, a dearer candidate runs than on the \
                 other one; train it anew"
            ));
        }
    }
    notes
}

/// The premodel's temperatures in one line, and one line for each average with its weights.
fn calibration(p: &Premodel) -> Vec<String> {
    let mut lines = Vec::new();
    if !p.temperatures().is_empty() {
        let all = p.candidates().iter().zip(p.temperatures()).map(|(name, t)| format!("{name} {t}"));
        lines.push(format!("Temperatures in averages: {}", all.collect::<Vec<_>>().join(", ")));
    }
    for average in p.averages() {
        let parts = average.of.iter().zip(&average.weights).map(|(c, w)| format!("{w} {}", p.candidates()[c.index()]));
        lines.push(format!("Average: {}", parts.collect::<Vec<_>>().join(" + ")));
    }
    lines
}
