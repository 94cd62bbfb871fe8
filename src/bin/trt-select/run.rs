//! `run`: classifies images.

use std::path::PathBuf;

use serde_json::json;
use trt_select::bundle::SampleSource;
use trt_select::samples::{Buffer, Samples};
use trt_select::{Outcome, Result, Selector};
use trt_select_premodel::Answer;

use crate::common::{EngineArgs, number, print, print_json, say};
use crate::provenance;
use crate::remedies::{of_bundle, read_bundle};
use crate::report::{TextTable, warnings_json};

/// Arguments of `run`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// Images: JPEG, PNG, BMP or PNM
    #[arg(required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    engine: EngineArgs,
    /// Number of the program that decides, if the premodel has several [default: the chosen one, or the
    /// premodel's mix]
    #[arg(long, value_name = "K")]
    program: Option<usize>,
    /// Let the best program at this price decide, in reward per millisecond
    #[arg(long, value_name = "P", conflicts_with = "program", value_parser = number(0.0, 1e12))]
    price: Option<f64>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let bundle = read_bundle(&args.bundle)?;
    let samples = Samples::open(&SampleSource::Files { files: args.images.clone() })?;
    let opened = Selector::open(&bundle, &args.engine.config());
    let (mut selector, choice) = opened.map_err(|e| of_bundle(e, &bundle))?;
    say(format_args!("Engine: {}", choice.reason));
    match (args.price, args.program) {
        (Some(price), _) => selector.set_price(price).map(drop)?,
        (None, Some(program)) => selector.set_program(program)?,
        (None, None) => {}
    }
    let warnings = provenance::warn(&bundle, None);
    let mut buffer = Buffer::new();
    let mut rows = Vec::new();
    for (i, path) in args.images.iter().enumerate() {
        samples.load(i, &mut buffer)?;
        let frame = buffer.input()?;
        // The first input of a size allocates memory, and the first runs of a network are slow.
        selector.warm_up(frame)?;
        let outcome = selector.infer(frame)?;
        if let Some(failure) = selector.failure() {
            log::warn!("{}: {failure}", path.display());
        }
        rows.push((path, outcome));
    }
    let label = |class: u32| bundle.labels.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    let names = selector.premodel().candidates();
    let answered = |o: &Outcome| match o.answer {
        Answer::Candidate(c) => names[c.index()].clone(),
        Answer::Average(mask) => {
            let all: Vec<&str> = mask.iter().map(|c| names[c.index()].as_str()).collect();
            format!("average of {}", all.join(", "))
        }
    };
    let why = |o: &Outcome| selector.premodel().program_at(o.program).map(|p| p.why(o.node)).unwrap_or_default();
    let ran = |o: &Outcome| o.ran.iter().map(|c| names[c.index()].clone()).collect::<Vec<_>>();
    if args.json {
        let all: Vec<_> = rows
            .iter()
            .map(|(path, o)| {
                json!({
                    "image": path.display().to_string(), "class": o.class, "label": label(o.class), "probability": o.probability,
                    "candidate": answered(o), "ran": ran(o), "program": o.program, "why": why(o),
                    "features_ms": ms(o.times.features_ns), "decide_ms": ms(o.times.decide_ns),
                    "preprocess_ms": ms(o.times.preprocess_ns), "compute_ms": ms(o.times.compute_ns),
                    "total_ms": ms(o.times.total_ns),
                })
            })
            .collect();
        return print_json(
            &json!({ "engine": choice.kind.name(), "results": all, "warnings": warnings_json(&warnings) }),
        );
    }
    let mut table = TextTable::new(&["image", "answer", "probability", "candidate", "total ms", "why"]);
    for (path, o) in &rows {
        table.row([
            path.display().to_string().escape_debug().to_string(),
            label(o.class),
            format!("{:.3}", o.probability),
            answered(o),
            format!("{:.3}", ms(o.times.total_ns)),
            why(o),
        ]);
    }
    print(&table.render())
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
