//! `train`: from a profile table to a premodel.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trt_select::{Error, ErrorKind, Result};
use trt_select_premodel::{CandidateId, Interval, Premodel};
use trt_select_train::{
    Front, Goal, Judged, Point, Profile, Settings, Teacher, algorithm_1, choose, judge, nested, oracle, random_mix,
    sweep_judged,
};

use crate::common::{Output, number, print, print_json, progress};
use crate::report::Table;

/// A possible loss of reward above this is told.
const TELLING: f64 = 0.005;

/// Arguments of `train`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The profile table
    profile: PathBuf,
    /// The premodel to write [default: premodel.json beside the profile]
    #[arg(short, long, value_name = "JSON")]
    output: Option<PathBuf>,
    /// The cheapest program of at least this mean reward (0 to 1), or of that of the best single candidate, which is the default
    #[arg(long, value_name = "best-single|REWARD", value_parser = parse_at_least)]
    at_least: Option<AtLeast>,
    /// With --at-least best-single: how much better than it, in reward. By default a tenth of a point less passes, since
    /// smaller differences cannot be told from luck
    #[arg(long, value_name = "REWARD", default_value_t = -0.001, allow_negative_numbers = true, value_parser = number(-1.0, 1.0))]
    margin: f64,
    /// The best program of at most this mean cost
    #[arg(long, value_name = "MS", conflicts_with_all = ["at_least", "margin"], value_parser = number(0.0, 1e12))]
    at_most_ms: Option<f64>,
    /// No path of the program may cost more than this many milliseconds, the worst one included. Alone it asks for the largest
    /// reward
    #[arg(long, value_name = "MS", value_parser = number(0.0, 1e12))]
    at_most_worst_ms: Option<f64>,
    /// The program of this price, in reward per millisecond
    #[arg(long, value_name = "PRICE", conflicts_with_all = ["at_least", "margin", "at_most_ms"], value_parser = number(0.0, 1e12))]
    lambda: Option<f64>,
    /// Costs in place of the profile's: a CSV file with the columns candidate,cost_ns; a row `features` is that of the image
    /// features
    #[arg(long, value_name = "CSV")]
    costs: Option<PathBuf>,
    /// Price energy in place of time: the medians of the columns CANDIDATE.energy_mj are the costs. Where the output and the
    /// premodel say milliseconds, read millijoules
    #[arg(long, conflicts_with = "costs")]
    energy: bool,
    /// Learn without labels: the answer of a teacher stands for the truth. `average` is that of all candidates, each
    /// weighing as much as it costs; `best` that of the dearest one, which no other can then beat
    #[arg(long, value_name = "average|best", num_args = 0..=1, default_missing_value = "average")]
    label_free: Option<TeacherKind>,
    /// Judge the whole of training, the choice of the point included, on folds that none of it saw: N trainings more
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    nested: Option<u16>,
    /// Keep only the candidates that Algorithm 1 keeps with this threshold on the gain in union accuracy (0.005 is half a
    /// point)
    #[arg(long, value_name = "GAIN", value_parser = number(0.0, 1.0))]
    theta: Option<f64>,
    /// Judge the premodel on this further profile, which training does not see
    #[arg(long, value_name = "CSV")]
    judge: Option<PathBuf>,
    /// Most candidates that run for one input
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16))]
    max_runs: u8,
    /// Most tests in a row between two runs
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=8))]
    tests: u8,
    /// A test of anything but a confidence must gain this many standard errors of its gain, and more where many were tried
    #[arg(long, value_name = "Z", default_value_t = 2.0, value_parser = number(0.0, 1e6))]
    significance: f64,
    /// Fewest rows on either side of a test [default: a two-hundredth of the rows, 20 at least]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    min_leaf: usize,
    /// Folds of the cross-validation
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    folds: u16,
    /// How often the cross-validation is done, with other folds each time; 0 is three times, or once from 10,000 rows on
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

fn parse_at_least(text: &str) -> std::result::Result<AtLeast, String> {
    if text == "best-single" {
        return Ok(AtLeast::BestSingle);
    }
    let reward = text.parse().ok().filter(|r| (0.0..=1.0).contains(r));
    reward.map(AtLeast::Reward).ok_or_else(|| "expected best-single, or a reward from 0 to 1 such as 0.93".to_owned())
}

fn data(e: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Data, e.to_string())
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let mut profile = Profile::read(&args.profile).map_err(data)?;
    let (mut costs, features_ns) = costs(args, &profile)?;
    let kept = algorithm_1(&profile, &costs, args.theta.unwrap_or(0.0));
    if args.theta.is_some() {
        let mut keep: Vec<CandidateId> = kept.iter().map(|k| k.candidate).collect();
        keep.sort_unstable();
        costs = keep.iter().map(|c| costs[c.index()]).collect();
        profile = profile.with_candidates(&keep);
    }
    let truth = profile;
    let profile = match args.label_free {
        None => truth.clone(),
        Some(kind) => truth.label_free(teacher(kind, &costs), &costs).map_err(data)?,
    };
    let beside = args.profile.with_file_name("premodel.json");
    let output = args.output.as_deref().unwrap_or(&beside);
    for read in [Some(&args.profile), args.costs.as_ref(), args.judge.as_ref()].into_iter().flatten() {
        if let (Ok(a), Ok(b)) = (read.canonicalize(), output.canonicalize())
            && a == b
        {
            let (expected, remedy) = ("a place other than the files that are read", "choose another with -o");
            return Err(Error::expected(ErrorKind::Usage, output.display(), expected, "one of them", remedy));
        }
    }
    let unseen = args.judge.as_deref().map(Profile::read).transpose().map_err(data)?;
    if let Some(unseen) = &unseen
        && unseen.sha256 == profile.sha256
    {
        let object = args.judge.as_deref().unwrap_or(Path::new("")).display();
        let remedy = "give one of other inputs, or leave --judge out";
        return Err(Error::expected(
            ErrorKind::Usage,
            object,
            "another profile than the one trained on",
            "the same",
            remedy,
        ));
    }
    let destination = Output::open(output, "-o")?;
    let goal = match (args.at_most_ms, args.lambda, args.at_most_worst_ms, args.at_least) {
        (Some(ms), ..) => Goal::AtMostMs(ms),
        (_, Some(lambda), ..) => Goal::Lambda(lambda),
        (_, _, _, Some(AtLeast::BestSingle)) => Goal::AtLeastBestSingle { margin: args.margin },
        (_, _, _, Some(AtLeast::Reward(reward))) => Goal::AtLeast(reward),
        (_, _, Some(worst), None) => Goal::AtMostMs(worst),
        (_, _, None, None) => Goal::AtLeastBestSingle { margin: args.margin },
    };
    let settings = Settings {
        max_runs: usize::from(args.max_runs),
        tests: usize::from(args.tests),
        significance: args.significance,
        min_leaf: args.min_leaf,
        folds: usize::from(args.folds),
        repeats: usize::from(args.repeats),
        lambdas_per_ms: args.lambda.into_iter().collect(),
        goal: Some(goal),
        worst_ns: args.at_most_worst_ms.map(|ms| ms * 1e6),
        seed: args.seed,
        ..Settings::default()
    };
    let bar = progress(0, "training");
    let tell = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let front = sweep_judged(&profile, &truth, &costs, features_ns, &settings, &tell).map_err(data)?;
    bar.finish_and_clear();
    let point = choose(&front, goal).map_err(data)?;
    let premodel = front.premodel(point).map_err(data)?;
    let judged = unseen.as_ref().map(|unseen| {
        judge(&premodel, unseen).ok_or_else(|| {
            data(format!(
                "{}: expected the candidates and signals that the premodel reads (of averages: the .topk.csv beside it), got others; profile the same bundle",
                args.judge.as_deref().unwrap_or(Path::new("")).display()
            ))
        })
    });
    let judged = judged.transpose()?.map(|j| (j.reward(), j.cost()));
    let nested = args.nested.map(|outer| {
        let bar = progress(0, "nested");
        let tell = |done: usize, of: usize| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        };
        let found = nested(&profile, &truth, &costs, features_ns, &settings, &[goal], usize::from(outer), &tell);
        bar.finish_and_clear();
        found
    });
    let nested = nested.transpose().map_err(data)?.and_then(|mut found| found.pop());

    destination.write(&premodel.to_json())?;
    let report = Report {
        profile: &truth,
        costs: &costs,
        front: &front,
        point,
        premodel: &premodel,
        judged,
        nested: nested.as_ref(),
        output,
    };
    if args.json { print_json(&report.to_json()) } else { print(&report.to_text(&kept_names(&kept, args, &front))) }
}

fn teacher(kind: TeacherKind, costs: &[f64]) -> Teacher {
    match kind {
        TeacherKind::Average => Teacher::Average,
        TeacherKind::Best => {
            let dearest = (0..costs.len()).max_by(|&a, &b| costs[a].total_cmp(&costs[b])).unwrap_or(0);
            Teacher::Candidate(CandidateId(dearest as u8))
        }
    }
}

/// Costs of the candidates and of the image features: the profile's medians, or those of `--costs`.
fn costs(args: &Args, profile: &Profile) -> Result<(Vec<f64>, f64)> {
    if args.energy {
        let costs = profile.energies_mj().ok_or_else(|| {
            let remedy = "measure them, and add a column for each candidate";
            Error::expected(ErrorKind::Data, args.profile.display(), "columns CANDIDATE.energy_mj", "none", remedy)
        })?;
        // Millijoules stand where milliseconds do. What the features draw is not known apart.
        return Ok((costs.iter().map(|mj| mj * 1e6).collect(), 0.0));
    }
    crate::costs::costs(&args.profile, profile, args.costs.as_deref())
}

/// Algorithm 1's result in words.
fn kept_names(kept: &[trt_select_train::Kept], args: &Args, front: &Front) -> String {
    let names = front.candidates();
    if args.theta.is_some() {
        return format!("Algorithm 1 kept {} candidates: {}\n", names.len(), names.join(", "));
    }
    let steps: Vec<String> =
        kept.iter().map(|k| format!("{} {:.2} %", names[k.candidate.index()], 100.0 * k.union_accuracy)).collect();
    format!("Algorithm 1 (union accuracy, in order of keeping): {}\n", steps.join(", "))
}

struct Report<'a> {
    profile: &'a Profile,
    costs: &'a [f64],
    front: &'a Front,
    point: &'a Point,
    premodel: &'a Premodel,
    judged: Option<(f64, f64)>,
    nested: Option<&'a Judged>,
    output: &'a Path,
}

impl Report<'_> {
    fn mix(&self, cost: f64) -> Option<f64> {
        let points: Vec<(f64, f64)> = self.front.singles.iter().map(|s| (s.cost, s.reward)).collect();
        random_mix(&points, cost)
    }

    /// Reward over the best single candidate's, and how many times cheaper: means and 95 % intervals over pairs of rows.
    fn nested_intervals(&self, nested: &Judged) -> (Interval, Interval) {
        let best = self.front.best_single.index();
        (nested.over(&self.profile.rewards[best], 1), nested.times_cheaper(self.costs[best], 1))
    }

    fn to_json(&self) -> Value {
        let names = &self.profile.candidates;
        let point = |p: &Point| {
            json!({
                "lambda_per_ms": p.lambda_per_ms, "single": p.single.map(|c| &names[c.index()]), "reward": p.reward,
                "mean_ms": p.cost_ns / 1e6, "over_best_single": p.over_best_single,
                "over_best_single_se": p.over_best_single_se, "on_front": p.on_front, "random_mix": self.mix(p.cost_ns),
            })
        };
        let singles = self.front.singles.iter();
        let (reward, cost) = oracle(self.profile, self.costs);
        json!({
            "rows": self.profile.rows(),
            "candidates": singles.map(|s| json!({
                "name": names[s.candidate.index()], "reward": s.reward, "cost_ms": s.cost / 1e6,
            })).collect::<Vec<_>>(),
            "best_single": names[self.front.best_single.index()],
            "oracle": { "reward": reward, "mean_ms": cost / 1e6 },
            "points": self.front.points.iter().map(point).collect::<Vec<_>>(),
            "chosen": point(self.point),
            "expected": self.premodel.expected,
            "worst_case_ms": self.premodel.worst_case_ns() / 1e6,
            "nested": self.nested.map(|n| {
                let (over, cheaper) = self.nested_intervals(n);
                json!({ "over_best_single": over, "times_cheaper": cheaper })
            }),
            "judged": self.judged.map(|(reward, cost)| json!({ "reward": reward, "mean_ms": cost / 1e6 })),
            "program": self.premodel.tree(),
            "premodel": self.output.display().to_string(),
        })
    }

    fn to_text(&self, kept: &str) -> String {
        let names = &self.profile.candidates;
        let best = &self.front.singles[self.front.best_single.index()];
        let (reward, cost) = oracle(self.profile, self.costs);
        let mut text = format!(
            "Profile: {} rows; best single candidate {} with {:.2} % at {:.4} ms; oracle {:.2} % at {:.4} ms\n{kept}\n",
            self.profile.rows(),
            names[best.candidate.index()],
            100.0 * best.reward,
            best.cost / 1e6,
            100.0 * reward,
            cost / 1e6
        );
        text += "Pareto front (each row's outcome from a program trained on the other folds):\n";
        let mut table = Table::new(&[
            "price /ms",
            "reward %",
            "over best single",
            "+- 1.96 se",
            "mean ms",
            "times cheaper",
            "random mix %",
            "",
        ]);
        for p in self.front.points.iter().filter(|p| p.on_front || p.single.is_some()) {
            let what = p.lambda_per_ms.map_or("-".to_owned(), |l| format!("{l:.4}"));
            let mut note = p.single.map_or(String::new(), |c| format!("always {}", names[c.index()]));
            if std::ptr::eq(p, self.point) {
                note = if note.is_empty() { "<- chosen".into() } else { format!("{note} <- chosen") };
            }
            table.row([
                what,
                format!("{:.2}", 100.0 * p.reward),
                format!("{:+.2}", 100.0 * p.over_best_single),
                format!("{:.2}", 196.0 * p.over_best_single_se),
                format!("{:.4}", p.cost_ns / 1e6),
                format!("{:.2}", best.cost / p.cost_ns),
                self.mix(p.cost_ns).map_or("-".into(), |m| format!("{:.2}", 100.0 * m)),
                note,
            ]);
        }
        text += &table.render();
        if let Some(e) = &self.premodel.expected {
            let _ = writeln!(
                text,
                "\nExpected: reward {:.2} % [{:.2}, {:.2}], mean cost {:.4} ms [{:.4}, {:.4}] ({}); worst case {:.4} ms",
                100.0 * e.reward.mean,
                100.0 * e.reward.low,
                100.0 * e.reward.high,
                e.cost_ns.mean / 1e6,
                e.cost_ns.low / 1e6,
                e.cost_ns.high / 1e6,
                e.judged_by,
                self.premodel.worst_case_ns() / 1e6
            );
        }
        let (over, se) = (self.point.over_best_single, self.point.over_best_single_se);
        if self.point.single.is_none() && over - 1.96 * se < -TELLING {
            let _ = writeln!(
                text,
                "Note: {} rows cannot tell this program from one that loses {:.2} points to {}; more rows would",
                self.profile.rows(),
                100.0 * (1.96 * se - over),
                names[best.candidate.index()]
            );
        }
        if let Some(nested) = self.nested {
            let (over, cheaper) = self.nested_intervals(nested);
            let _ = writeln!(
                text,
                "Nested: {:+.2} points [{:+.2}, {:+.2}] over {}, {:.2} times cheaper [{:.2}, {:.2}]; training and choice saw other folds",
                100.0 * over.mean,
                100.0 * over.low,
                100.0 * over.high,
                names[best.candidate.index()],
                cheaper.mean,
                cheaper.low,
                cheaper.high
            );
        }
        if let Some((reward, cost)) = self.judged {
            let _ = writeln!(
                text,
                "Judged on the further profile: reward {:.2} %, mean cost {:.4} ms",
                100.0 * reward,
                cost / 1e6
            );
        }
        text += "\nProgram:\n";
        for line in self.premodel.tree().lines() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "\nWritten: {}", self.output.display());
        text
    }
}
