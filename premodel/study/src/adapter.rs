//! Everything that the study asks of the trainer, in one place.

use std::time::Instant;

use trt_select_premodel::{Answer, CandidateId, CandidateSignal, Premodel, Request, Signal};
use trt_select_train::{
    Costs, Front, Goal, Kept, Kind, Message, Point, Profile, ProfileBoard, Settings, Split, Task, Unit, Worth,
    algorithm_1, nested, sweep,
};

use super::error::{StudyError, StudyErrorKind};
use super::outcome::{Group, Outcome};
use super::overhead::ns_per_call;
use super::table::{BaselineTable, Feature, Fold, NONE};

/// Column that says whether the truth is among the five most probable classes.
const TOP5: &str = "top5";
/// What the trainer is asked for: the cheapest program that loses no more to the best single network than a tenth of a point, which
/// cannot be told from luck.
const GOAL: Goal = Goal::AtLeastBestSingle { margin: -0.001 };

/// What the baselines read of a profile.
pub(super) fn table(profile: &Profile) -> Result<BaselineTable, StudyError> {
    let Some(costs) = profile.median_costs(Unit::Time) else {
        let message = Message::new("profile", "columns CANDIDATE.cost_ns", "none", "measure the times");
        return Err(StudyError::new(StudyErrorKind::Costs, message));
    };
    let n = profile.candidates.len();
    let mut table = BaselineTable {
        names: profile.candidates.clone(),
        rewards: profile.rewards.clone(),
        costs: costs.candidates,
        features_ns: costs.features,
        confidence: vec![Vec::new(); n],
        top5: vec![Vec::new(); n],
        energy_mj: profile.energies_mj().unwrap_or_default(),
        features: Vec::new(),
        rows: profile.rows(),
    };
    for column in &profile.columns {
        match &column.signal {
            Signal::Feature(name) => table.features.push(Feature { name: name.clone(), values: column.values.clone() }),
            Signal::User(name) => {
                let (name, values) = (format!("signal.{name}"), column.values.clone());
                table.features.push(Feature { name, values });
            }
            Signal::Candidate(c, CandidateSignal::Top1) => table.confidence[c.index()] = column.values.clone(),
            Signal::Candidate(c, CandidateSignal::Other(name)) if name == TOP5 => {
                table.top5[c.index()] = column.values.clone();
            }
            _ => {}
        }
    }
    if let Some(topk) = profile.topk.as_ref().filter(|topk| topk.k() >= 5) {
        for (c, top5) in table.top5.iter_mut().enumerate().filter(|(_, t)| t.is_empty()) {
            let holds = |(row, label): (usize, &Option<u32>)| {
                label.map(|label| f32::from(u8::from(topk.holds(CandidateId(c as u8), row, label, 5))))
            };
            *top5 = profile.labels.iter().enumerate().map(holds).collect::<Option<Vec<f32>>>().unwrap_or_default();
        }
    }
    Ok(table)
}

/// The profile with the image features and the user's own signals as its only signals.
pub(super) fn features_only(profile: &Profile) -> Profile {
    let mut kept = Profile { topk: None, ..profile.clone() };
    kept.columns.retain(|column| matches!(column.signal, Signal::Feature(_) | Signal::User(_)));
    kept
}

/// Some rows of a profile.
fn subset(profile: &Profile, rows: &[u32]) -> Profile {
    profile.with_rows(&rows.iter().map(|&r| r as usize).collect::<Vec<_>>())
}

/// Algorithm 1 on some rows.
pub(super) fn kept(profile: &Profile, table: &BaselineTable, rows: &[u32], theta: f64) -> Vec<Kept> {
    let mut slim = profile.clone();
    slim.columns.clear();
    algorithm_1(&subset(&slim, rows), &table.costs, theta)
}

/// The programs of one kind, over a range of prices.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GroupFront {
    /// The kind.
    pub group: Group,
    /// The programs by mean time, ascending.
    pub points: Vec<FrontPoint>,
}

/// One program of a front, judged by the trainer's cross-validation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FrontPoint {
    /// How it was found.
    pub kind: Kind,
    /// The price in reward per millisecond; `None` for a single network.
    pub price: Option<f64>,
    /// Mean reward.
    pub accuracy: f64,
    /// Mean reward less the best single network's.
    pub over_best_single: f64,
    /// Mean time of an answer.
    pub mean_ns: f64,
    /// Whether no other point has both more reward and less cost.
    pub on_front: bool,
}

/// What the trainer makes of a profile, and how long it takes.
pub(super) struct Trained {
    front: Front,
    pub(super) seconds: f64,
}

impl Trained {
    /// All points of the front.
    pub(super) fn points(&self) -> Vec<FrontPoint> {
        let point = |p: &Point| FrontPoint {
            kind: p.kind,
            price: p.price,
            accuracy: p.reward,
            over_best_single: p.over_best_single,
            mean_ns: p.cost,
            on_front: p.on_front,
        };
        self.front.points.iter().map(point).collect()
    }

    /// What the cheapest program earns and costs that is at least as good as the best single network.
    pub(super) fn worth(&self) -> Option<Worth> {
        self.front.meeting(GOAL).ok().map(|point| Worth { reward: point.reward, cost: point.cost })
    }

    /// That program, trained on all rows.
    pub(super) fn premodel(&self) -> Option<Premodel> {
        self.front.meeting(GOAL).ok().and_then(|point| self.front.premodel(point).ok())
    }
}

/// How the trainer is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) settings: Settings,
    pub(super) group: Group,
    pub(super) name: &'static str,
}

impl Ask {
    /// Decision programs by the trainer's defaults.
    pub(super) fn programs(folds: usize, seed: u64) -> Ask {
        let settings = Settings::new().folds(folds).repeats(1).seed(seed).goal(GOAL);
        Ask { settings, group: Group::Program, name: "decision program, at least best single" }
    }

    /// Trees over image features that run one network.
    pub(super) fn feature_trees(folds: usize, seed: u64) -> Ask {
        let settings = Ask::programs(folds, seed).settings.max_runs(1).tests(3);
        Ask { settings, group: Group::FeatureTree, name: "image-features tree, at least best single" }
    }
}

/// Trains on all rows of a profile.
pub(super) fn trained(
    profile: &Profile,
    table: &BaselineTable,
    ask: &Ask,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Trained, StudyError> {
    let start = Instant::now();
    let costs = profile.median_costs(Unit::Time).map_or(Vec::new(), |costs| costs.candidates);
    let task = Task::new(profile, Costs::time_ns(costs, table.features_ns));
    let front = sweep(&task, &ask.settings, progress)?;
    Ok(Trained { front, seconds: start.elapsed().as_secs_f64() })
}

/// "At least the best single network", nested: in each fold the program is trained and chosen on the training rows alone,
/// and judged on the others.
pub(super) fn nested_programs(
    profile: &Profile,
    table: &BaselineTable,
    folds: &[Fold],
    ask: &Ask,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Outcome, StudyError> {
    let mut fold_of = vec![0; table.rows];
    for (f, fold) in folds.iter().enumerate() {
        fold.test.iter().for_each(|&row| fold_of[row as usize] = f);
    }
    // To choose a point within a fold, five folds of its training rows are enough.
    let settings = ask.settings.clone().folds(ask.settings.folds.min(5));
    let task = Task::new(profile, Costs::time_ns(table.costs.clone(), table.features_ns));
    let found = nested(&task, &settings, &[GOAL], Split::Given(&fold_of), progress);
    let mut outcome = Outcome::empty(table, ask.name.to_string(), ask.group, false);
    let all = table.all();
    for found in found? {
        for (row, answered) in found.answered.iter().enumerate() {
            // An average is no candidate's answer, so it is not compared with the fastest right candidate.
            outcome.answer[row] = match answered {
                Answer::Candidate(c) => c.0,
                Answer::Average(_) => NONE,
            };
            outcome.choice[row] = outcome.answer[row];
            outcome.truth[row] = table.fastest_right(&all, row);
        }
        outcome.runs.clone_from(&found.ran);
        outcome.judged = Some(found);
    }
    Ok(outcome)
}

/// Mean time of a program's decisions for one input in nanoseconds; the time to make its signals is not counted. `None` where the
/// profile lacks one of them.
pub(super) fn walk_ns(premodel: &Premodel, profile: &Profile) -> Option<f64> {
    let mut board = ProfileBoard::new(premodel, profile)?;
    let rows: Vec<Vec<f32>> = (0..profile.rows()).map(|row| board.all(premodel, row).to_vec()).collect();
    let program = premodel.program();
    let walk = |row: &Vec<f32>| {
        let mut walk = program.start();
        while let Request::Run(_) = program.step(&mut walk, row) {}
        walk.node()
    };
    Some(ns_per_call(&rows, walk))
}
