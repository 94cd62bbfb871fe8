//! `train`: trains a premodel from a profile table.

use std::path::{Path, PathBuf};

use trt_select::{Error, ErrorKind, Result};
use trt_select_premodel::{CandidateId, Premodel};
use trt_select_train::{
    Costs, Front, Goal, Kept, Mixed, Point, Profile, Settings, Split, Task, Teacher, TrainError, Unit, Warning,
    WarningKind, Worth, algorithm_1, judge, nested, sweep,
};

use crate::common::{Output, number, print, print_json, progress};
use crate::remedies::{of_profile, of_training};

mod report;

use report::Report;

/// Arguments of `train`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The profile table; several recordings of the same networks, say of other days, are joined into one table. (Shards of one
    /// recording are joined by `cat` before)
    #[arg(required = true, value_name = "PROFILE")]
    profiles: Vec<PathBuf>,
    /// The premodel to write [default: premodel.json beside the first profile]
    #[arg(short, long, value_name = "JSON")]
    output: Option<PathBuf>,
    /// Choose the cheapest program whose mean reward is at least this (0 to 1), or that of the best single candidate, which is
    /// the default
    #[arg(long, value_name = "best-single|REWARD", value_parser = parse_at_least)]
    at_least: Option<AtLeast>,
    /// With --at-least best-single: by how much the reward must exceed that of the best single candidate. By default the reward
    /// may be a tenth of a point lower, since smaller differences cannot be told from luck
    #[arg(long, value_name = "REWARD", default_value_t = -0.001, allow_negative_numbers = true, value_parser = number(-1.0, 1.0))]
    margin: f64,
    /// Choose the program with the largest reward whose mean cost is at most this many milliseconds
    #[arg(long, value_name = "MS", conflicts_with_all = ["at_least", "margin"], value_parser = number(0.0, 1e12))]
    at_most_ms: Option<f64>,
    /// Every path of the program must cost at most this many milliseconds. Without another goal, the program with the largest
    /// reward is chosen
    #[arg(long, value_name = "MS", value_parser = number(0.0, 1e12))]
    at_most_worst_ms: Option<f64>,
    /// Choose the program that is best at this price, in reward per millisecond
    #[arg(long, value_name = "PRICE", conflicts_with_all = ["at_least", "margin", "at_most_ms"], value_parser = number(0.0, 1e12))]
    lambda: Option<f64>,
    /// Costs in place of the profile's: a CSV file with the columns candidate,cost_ns; its row `features` is the cost
    /// of the image features
    #[arg(long, value_name = "CSV")]
    costs: Option<PathBuf>,
    /// Take energy as the cost in place of time: the medians of the columns CANDIDATE.energy_mj. The output is then in
    /// millijoules, and what the premodel calls nanoseconds are nanojoules
    #[arg(long, conflicts_with = "costs")]
    energy: bool,
    /// Train without labels: the answer of a teacher counts as right. The teacher `average` is the average of all candidates,
    /// each weighted by its cost; `best` is the most expensive candidate, which no other can then beat
    #[arg(long, value_name = "average|best", num_args = 0..=1, default_missing_value = "average")]
    label_free: Option<TeacherKind>,
    /// Also judge the training itself, with its choice of a program, on N folds that it has not seen, or on each file in turn. This
    /// trains once more for each of them. With --folds by-file these are files, too
    #[arg(long, value_name = "N|by-file", value_parser = parse_folds)]
    nested: Option<Folds>,
    /// Keep only the candidates that Algorithm 1 keeps with this threshold on the gain in union accuracy (0.005 is half a
    /// point)
    #[arg(long, value_name = "GAIN", value_parser = number(0.0, 1.0))]
    theta: Option<f64>,
    /// Write up to N programs of the front into the premodel, from the cheapest candidate alone to the best program there is. The one that
    /// meets the goal decides until a caller sets a price or a program
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=64))]
    front: Option<u8>,
    /// Meet the goal exactly by two programs that take turns: for each input a coin of this seed says which. That is better than either
    /// where a goal of cost or reward lies between two programs
    #[arg(long, value_name = "SEED", num_args = 0..=1, default_missing_value = "1", conflicts_with_all = ["front", "lambda", "nested"])]
    mix: Option<u64>,
    /// Also judge the premodel on this other profile, which is not used for training
    #[arg(long, value_name = "CSV")]
    judge: Option<PathBuf>,
    /// Most candidates that run for one input
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    max_runs: u8,
    /// Most tests in a row between two runs
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=8))]
    tests: u8,
    /// A test of a signal that is no confidence is used only if its gain is this many standard errors, or more if many were tried
    #[arg(long, value_name = "Z", default_value_t = 2.0, value_parser = number(0.0, 1e6))]
    significance: f64,
    /// Test a signal only where at least twice so many rows come [default: a two-hundredth of the rows, 20 at least]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    min_leaf: usize,
    /// Folds of the cross-validation. by-file makes each profile a fold: the forecast is then one for a recording yet to be made, and
    /// not for more inputs of these
    #[arg(long, value_name = "N|by-file", default_value = "5", value_parser = parse_folds)]
    folds: Folds,
    /// How often to do the cross-validation, with other folds each time; 0 means three times, or once from 10,000 rows on
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    repeats: u8,
    /// Seed of the folds: the same seed gives the same premodel
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum TeacherKind {
    Average,
    Best,
}

#[derive(Clone, Copy, Debug)]
enum AtLeast {
    BestSingle,
    Reward(f64),
}

/// How many folds, and how rows are dealt into them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Folds {
    Random(u16),
    ByFile,
}

fn parse_folds(text: &str) -> std::result::Result<Folds, String> {
    if text == "by-file" {
        return Ok(Folds::ByFile);
    }
    let number = text.parse().ok().filter(|n| *n >= 2);
    number.map(Folds::Random).ok_or_else(|| "expected by-file, or a number from 2 to 65535".to_owned())
}

fn parse_at_least(text: &str) -> std::result::Result<AtLeast, String> {
    if text == "best-single" {
        return Ok(AtLeast::BestSingle);
    }
    let reward = text.parse().ok().filter(|r| (0.0..=1.0).contains(r));
    reward.map(AtLeast::Reward).ok_or_else(|| "expected best-single, or a reward from 0 to 1 such as 0.93".to_owned())
}

fn data(message: String) -> Error {
    Error::new(ErrorKind::Data, message)
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let mut truth = read(&args.profiles)?;
    let mut costs = costs(args, &truth)?;
    let kept = algorithm_1(&truth, &costs.candidates, args.theta.unwrap_or(0.0));
    if args.theta.is_some() {
        let mut keep: Vec<CandidateId> = kept.iter().map(|k| k.candidate).collect();
        keep.sort_unstable();
        costs = costs.of(&keep);
        truth = truth.with_candidates(&keep);
    }
    let label_free = args.label_free.map(|kind| truth.label_free(teacher(kind, &costs), &costs));
    let label_free = label_free.transpose().map_err(|e| of_profile(&e))?;
    let profile = label_free.as_ref().unwrap_or(&truth);
    let output = output(args)?;
    let unseen = unseen(args, profile)?;
    let warnings = warnings(args, &truth, unseen.as_ref());
    warnings.iter().for_each(|warning| log::warn!("{warning}"));
    let (goal, settings) = (goal(args), settings(args, profile)?);
    let split = split(args, profile, &settings)?;
    let destination = Output::open(&output, "-o")?;
    let task = Task::new(profile, costs.clone()).judged_by(&truth);
    let front = with_bar("training", |tell| sweep(&task, &settings, tell)).map_err(|e| of_training(&e, goal))?;
    let point = front.meeting(goal).map_err(|e| of_training(&e, goal))?;
    let mixed = args.mix.map(|_| front.mixing(goal)).transpose().map_err(|e| of_training(&e, goal))?.flatten();
    let premodel = premodel(args, &front, point, mixed.as_ref()).map_err(|e| of_training(&e, goal))?;
    let judged = unseen.as_ref().map(|unseen| {
        worth(&premodel, unseen).ok_or_else(|| {
            data(format!(
                "{}: expected the candidates and signals that the premodel reads (for averages, also the .topk.csv beside it), got others; profile the same bundle",
                args.judge.as_deref().unwrap_or(Path::new("")).display()
            ))
        })
    });
    let judged = judged.transpose()?;
    // What was trained is kept, whatever judging it comes to.
    destination.write(&premodel.to_json())?;
    let nested = split.map(|split| with_bar("nested", |tell| nested(&task, &settings, &[goal], split, tell)));
    let nested = nested.transpose().map_err(|e| of_training(&e, goal))?.and_then(|mut found| found.pop());
    let report = Report {
        profile: &truth,
        costs: &costs,
        front: &front,
        point,
        mixed,
        premodel: &premodel,
        judged,
        nested: nested.as_ref(),
        warnings: &warnings,
        output: &output,
    };
    if args.json { print_json(&report.to_json()) } else { print(&report.to_text(&kept_names(&kept, args, &front))) }
}

/// The premodel of the point that was chosen: its program alone, or with others of the front, or mixed with one.
fn premodel(
    args: &Args,
    front: &Front,
    point: &Point,
    mixed: Option<&Mixed<'_>>,
) -> std::result::Result<Premodel, TrainError> {
    match (mixed, args.mix, args.front) {
        (Some(mixed), Some(seed), _) => front.premodel_of_mix(mixed, seed),
        (_, _, Some(most)) => {
            let points = front.spread(usize::from(most), point);
            let chosen = points.iter().position(|other| std::ptr::eq(*other, point)).unwrap_or(0);
            front.premodel_of(&points, chosen)
        }
        _ => front.premodel(point),
    }
}

/// What a premodel is worth on a profile by its own choice: its chosen program, or its mix. `None` where the profile lacks what it reads.
fn worth(premodel: &Premodel, profile: &Profile) -> Option<Worth> {
    let Some(mix) = premodel.mix() else { return Some(judge(premodel, profile)?.worth()) };
    let of = |number| Some(judge(&premodel.clone().with_chosen(number).ok()?, profile)?.worth());
    let [first, second] = [of(mix.programs[0])?, of(mix.programs[1])?];
    Some(Worth { reward: mix.between(first.reward, second.reward), cost: mix.between(first.cost, second.cost) })
}

/// The path to write the premodel to, which must be none of the files that are read.
fn output(args: &Args) -> Result<PathBuf> {
    let output = args.output.clone().unwrap_or_else(|| args.profiles[0].with_file_name("premodel.json"));
    for read in args.profiles.iter().chain(&args.costs).chain(&args.judge) {
        if let (Ok(a), Ok(b)) = (read.canonicalize(), output.canonicalize())
            && a == b
        {
            let (expected, remedy) = ("a place other than the files that are read", "choose another with -o");
            return Err(Error::expected(ErrorKind::Usage, output.display(), expected, "one of them", remedy));
        }
    }
    Ok(output)
}

/// The profile that `--judge` names, which must be none of those that are trained on; `None` without the option.
fn unseen(args: &Args, profile: &Profile) -> Result<Option<Profile>> {
    let Some(path) = args.judge.as_deref() else { return Ok(None) };
    let unseen = Profile::read(path).map_err(|e| of_profile(&e))?;
    if profile.recordings.files().iter().any(|file| file.sha256 == unseen.sha256) {
        let (expected, remedy) =
            ("another profile than those trained on", "give one of other inputs, or leave --judge out");
        return Err(Error::expected(ErrorKind::Usage, path.display(), expected, "one of them", remedy));
    }
    Ok(Some(unseen))
}

/// Why the results may be less than they seem.
fn warnings(args: &Args, profile: &Profile, unseen: Option<&Profile>) -> Vec<Warning> {
    let mut warnings = profile.warnings();
    // Times that are not used cannot be uneven.
    let other_costs = args.costs.is_some() || args.energy;
    warnings.retain(|warning| warning.kind != WarningKind::UnevenCosts || !other_costs);
    warnings.extend(unseen.and_then(|unseen| profile.seen_by(unseen)));
    warnings
}

/// The goal that the options state.
fn goal(args: &Args) -> Goal {
    match (args.at_most_ms, args.lambda, args.at_most_worst_ms, args.at_least) {
        (Some(ms), ..) => Goal::AtMost(ms),
        (_, Some(price), ..) => Goal::Price(price),
        (_, _, _, Some(AtLeast::BestSingle)) => Goal::AtLeastBestSingle { margin: args.margin },
        (_, _, _, Some(AtLeast::Reward(reward))) => Goal::AtLeast(reward),
        (_, _, Some(worst), None) => Goal::AtMost(worst),
        (_, _, None, None) => Goal::AtLeastBestSingle { margin: args.margin },
    }
}

fn settings(args: &Args, profile: &Profile) -> Result<Settings> {
    let settings = Settings::new()
        .max_runs(usize::from(args.max_runs))
        .tests(usize::from(args.tests))
        .significance(args.significance)
        .min_leaf(args.min_leaf)
        .repeats(usize::from(args.repeats))
        .prices(args.lambda.into_iter().collect())
        .goal(goal(args))
        .worst(args.at_most_worst_ms.map(|ms| ms * Unit::SHOWN))
        .seed(args.seed);
    match args.folds {
        Folds::Random(folds) => Ok(settings.folds(usize::from(folds))),
        Folds::ByFile if args.repeats > 1 => {
            let (expected, remedy) = ("1 with --folds by-file", "leave it out: files are dealt in one way only");
            Err(Error::expected(ErrorKind::Usage, "--repeats", expected, args.repeats, remedy))
        }
        Folds::ByFile => settings.by_recording(profile).map_err(|e| of_training(&e, goal(args))),
    }
}

/// The outer folds that `--nested` asks for; `None` without the option. They can be dealt: nobody wants to learn after the training that they
/// cannot.
fn split(args: &Args, profile: &Profile, settings: &Settings) -> Result<Option<Split<'static>>> {
    let files = profile.recordings.files().len();
    let split = match (args.nested, args.folds) {
        (None, _) => return Ok(None),
        (Some(Folds::ByFile), _) => Split::Recordings,
        (Some(Folds::Random(outer)), Folds::ByFile) if usize::from(outer) == files => Split::Recordings,
        (Some(Folds::Random(outer)), Folds::ByFile) => {
            let expected = format!("by-file, or {files} with --folds by-file");
            let remedy = "outer folds are files, too, so their number is that of the profiles";
            return Err(Error::expected(ErrorKind::Usage, "--nested", expected, outer, remedy));
        }
        (Some(Folds::Random(outer)), Folds::Random(_)) => Split::Folds(usize::from(outer)),
    };
    split.fold_of(profile, settings).map_err(|e| of_training(&e, goal(args)))?;
    Ok(Some(split))
}

/// Reads the profiles, and joins them if there are several.
fn read(paths: &[PathBuf]) -> Result<Profile> {
    let profiles = paths.iter().map(|path| Profile::read(path)).collect::<std::result::Result<Vec<_>, _>>();
    profiles.and_then(Profile::join).map_err(|e| of_profile(&e))
}

/// Shows a progress bar while `work` runs, and removes it afterwards.
fn with_bar<T>(what: &'static str, work: impl FnOnce(trt_select_train::Progress<'_>) -> T) -> T {
    let bar = progress(0, what);
    let done = work(&|done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    done
}

fn teacher(kind: TeacherKind, costs: &Costs) -> Teacher {
    let costs = &costs.candidates;
    match kind {
        TeacherKind::Average => Teacher::Average,
        TeacherKind::Best => {
            let dearest = (0..costs.len()).max_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
            Teacher::Candidate(CandidateId(dearest as u8))
        }
    }
}

/// Costs of the candidates and of the image features: the medians of the profile, or the numbers in the file that `--costs`
/// names.
fn costs(args: &Args, profile: &Profile) -> Result<Costs> {
    if !args.energy {
        return crate::costs::costs(&args.profiles[0], profile, args.costs.as_deref());
    }
    profile.median_costs(Unit::Energy).ok_or_else(|| {
        let remedy = "measure them, and add a column for each candidate";
        Error::expected(ErrorKind::Data, args.profiles[0].display(), "columns CANDIDATE.energy_mj", "none", remedy)
    })
}

/// A line about the candidates that Algorithm 1 keeps.
fn kept_names(kept: &[Kept], args: &Args, front: &Front) -> String {
    let names = front.candidates();
    if args.theta.is_some() {
        return format!("Algorithm 1 kept {} candidates: {}\n", names.len(), names.join(", "));
    }
    let steps: Vec<String> =
        kept.iter().map(|k| format!("{} {:.2} %", names[k.candidate.index()], 100.0 * k.union_accuracy)).collect();
    format!("Algorithm 1 (union accuracy, in order of keeping): {}\n", steps.join(", "))
}
