//! `study`: writes the papers' baselines, tables and plots of a profile.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Value, json};
use trt_select::{Error, ErrorKind, Result};
use trt_select_study::{FrontPoint, Group, GroupFront, Options, Study, Summary, study};
use trt_select_train::Profile;

use crate::common::{EngineArgs, Output, SampleArgs, number, print, print_json, progress, say, unwritable};
use crate::costs::costs;
use crate::profile;
use crate::remedies::of_profile;
use crate::report::TextTable;

/// Arguments of `study`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A profile table, or a bundle's folder: its profile.csv is used if it exists, else the bundle is profiled first
    source: PathBuf,
    /// The folder to write to: study.md, and the CSV and SVG files that it links
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Folds of the cross-validation
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// Seed of the folds: the same seed gives the same tables, except for measured times
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Algorithm 1 stops where the gain in union accuracy is below this (0.005 is half a point)
    #[arg(long, value_name = "GAIN", default_value_t = 0.005, value_parser = number(0.0, 1.0))]
    theta: f64,
    /// Features that chains and classifiers read [default: the papers' seven where the profile has them, else all]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    features: Vec<String>,
    /// Costs in place of the profile's, as for `train`: a CSV file with the columns candidate,cost_ns
    #[arg(long, value_name = "CSV")]
    costs: Option<PathBuf>,
    #[command(flatten)]
    samples: SampleArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.output).map_err(|e| unwritable(&args.output, "-o", &e))?;
    let path = profile_of(args)?;
    let data = |e: String| Error::new(ErrorKind::Data, e);
    let mut profile = Profile::read(&path).map_err(|e| of_profile(&e))?;
    if profile.weights.is_some() {
        log::warn!("{}: expected rows that count alike, got a column 'weight'; a study passes over it", path.display());
    }
    if args.costs.is_some() {
        let costs = costs(&path, &profile, args.costs.as_deref())?;
        profile = profile.with_costs(&costs);
    }
    let options =
        Options::new().folds(usize::from(args.folds)).seed(args.seed).theta(args.theta).features(args.features.clone());
    let bar = progress(0, "study");
    let stage = Mutex::new("");
    let tell = |what: &'static str, done: usize, of: usize| {
        if let Ok(mut stage) = stage.lock()
            && *stage != what
        {
            *stage = what;
            bar.set_message(what);
        }
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let found = study(&profile, &options, &tell).map_err(|e| data(e.to_string()))?;
    bar.finish_and_clear();
    let files = found.files().map_err(|e| data(e.to_string()))?;
    for (name, text) in &files {
        Output::open(&args.output.join(name), "-o")?.write(text)?;
    }
    if args.json {
        return print_json(&to_json(&found, &path, &args.output));
    }
    let mut table =
        TextTable::new(&["selector", "top-1 %", "over best", "mix %", "selector %", "mean ms", "times faster"]);
    let (singles, rest): (Vec<&Summary>, Vec<&Summary>) =
        found.selectors.iter().partition(|s| matches!(s.group, Group::Single | Group::Oracle));
    for s in singles.into_iter().chain(best_of(&rest)) {
        table.row([
            s.name.clone(),
            format!("{:.2}", 100.0 * s.accuracy.mean),
            format!("{:+.2}", 100.0 * s.over_best_single.mean),
            s.random_mix.map_or_else(|| "-".to_owned(), |m| format!("{:.2}", 100.0 * m)),
            format!("{:.2}", 100.0 * s.selector_accuracy),
            format!("{:.4}", s.mean_ns / 1e6),
            format!("{:.2}", s.speedup.mean),
        ]);
    }
    let page = args.output.join("study.md");
    print(&format!("{}\nAll selectors, tables and plots: {}\n", table.render(), page.display()))
}

/// The most accurate chain, the most accurate classifier, and every selector with the goal to be as good as the best single one.
fn best_of<'a>(rest: &[&'a Summary]) -> Vec<&'a Summary> {
    let mut shown: Vec<&Summary> = Vec::new();
    for group in [Group::Chain, Group::Classifier] {
        let of_group = rest.iter().filter(|s| s.group == group);
        shown.extend(of_group.max_by(|a, b| a.accuracy.mean.total_cmp(&b.accuracy.mean)));
    }
    shown.extend(rest.iter().filter(|s| s.name.ends_with("at least best single")));
    shown
}

/// The profile to read: the one named, the bundle's, or a new one in the folder of the study.
fn profile_of(args: &Args) -> Result<PathBuf> {
    if !args.source.is_dir() {
        return Ok(args.source.clone());
    }
    let own = args.source.join("profile.csv");
    if own.is_file() {
        say(format_args!("{}: used as it is", own.display()));
        return Ok(own);
    }
    let new = args.output.join("profile.csv");
    profile::make(&args.source, &new, &args.samples, &args.engine)?;
    Ok(new)
}

fn to_json(study: &Study, profile: &Path, output: &Path) -> Value {
    let name = |c: trt_select_premodel::CandidateId| study.candidates.get(c.index()).cloned();
    let selector = |s: &Summary| {
        json!({
            "name": s.name, "group": s.group.name(), "accuracy": s.accuracy,
            "over_best_single": s.over_best_single, "selector_accuracy": s.selector_accuracy,
            "mean_ms": s.mean_ns / 1e6, "speedup": s.speedup, "p99_ms": s.p99_ns / 1e6,
            "worst_ms": s.worst_ns / 1e6, "random_mix": s.random_mix, "top5": s.top5, "energy_mj": s.energy_mj,
            "macro_precision": s.macro_scores[0], "macro_recall": s.macro_scores[1], "macro_f1": s.macro_scores[2],
        })
    };
    let front = |front: &GroupFront| {
        let point = |p: &FrontPoint| {
            json!({
                "lambda_per_ms": p.price, "accuracy": p.accuracy, "over_best_single": p.over_best_single,
                "mean_ms": p.mean_ns / 1e6, "on_front": p.on_front,
            })
        };
        json!({ "group": front.group.name(), "points": front.points.iter().map(point).collect::<Vec<_>>() })
    };
    json!({
        "profile": profile.display().to_string(),
        "output": output.display().to_string(),
        "rows": study.rows,
        "folds": study.options.folds,
        "seed": study.options.seed,
        "theta": study.options.theta,
        "features": study.options.features,
        "kept": study.kept.iter().map(|k| name(k.candidate)).collect::<Vec<_>>(),
        "chain": study.chain.iter().map(|&c| name(c)).collect::<Vec<_>>(),
        "optimal": study.optimal,
        "selectors": study.selectors.iter().map(selector).collect::<Vec<_>>(),
        "fronts": study.fronts.iter().map(front).collect::<Vec<_>>(),
    })
}
