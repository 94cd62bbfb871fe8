//! The result of a sweep: programs by what they earn and cost, and the premodel of each.

use trt_select_premodel::{
    Average, CandidateId, CandidateSignal, Expected, Interval, Mask, Premodel, ProfileRef, Signal, SignalId, TrainedFor,
};

use super::costs::{Unit, Worth};
use super::error::{Message, TrainError, TrainErrorKind};
use super::goal::Goal;
use super::judge::Single;
use super::plan::{Plan, ascending};
use super::prices::Outcomes;
use super::search::best_plan;
use super::settings::{FoldBy, Settings};
use super::stats::{Bootstrap, bootstrap_mean, of_equal};
use super::task::Task;
use super::training_table::TrainingTable;

/// How a program was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// By the search over programs.
    Searched,
    /// As the best plain cascade: candidates in a fixed order, each of which answers where one confidence is high enough.
    Cascade,
    /// One candidate for every input.
    Single,
}

impl Kind {
    /// In one word, for people and files.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Searched => "searched",
            Kind::Cascade => "cascade",
            Kind::Single => "single",
        }
    }
}

/// One program of the front. Reward and cost were judged on rows that the judged programs had not seen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// How its program was found.
    pub kind: Kind,
    /// The price, in reward per millisecond (or millijoule, where energy is counted); `None` for a single candidate.
    pub price: Option<f64>,
    /// The candidate, where the program is to use that one always.
    pub single: Option<CandidateId>,
    /// Mean reward.
    pub reward: f64,
    /// Mean cost, in the unit of the costs.
    pub cost: f64,
    /// Mean reward less the best single candidate's.
    pub over_best_single: f64,
    /// Standard error of [`Point::over_best_single`].
    pub over_best_single_se: f64,
    /// Whether no cheaper point has as much reward.
    pub on_front: bool,
    /// By candidate: on which share of the inputs it runs, 0..=1.
    pub ran: Vec<f64>,
    /// The price, in reward per unit of cost; 0 for a single candidate.
    price_per_unit: f64,
    /// By row.
    rewards: Vec<f32>,
    costs: Vec<f32>,
}

/// All points, and what they were made from.
///
/// ```
/// use trt_select_train::{Costs, Goal, Profile, Settings, Task, sweep};
///
/// // a is right where it is sure of itself; b always is.
/// let mut csv = String::from("input,a.reward,a.top1,b.reward,b.top1\n");
/// for row in 0..400 {
///     csv += &format!("r{row},{},{},1,0.9\n", u8::from(row % 4 > 0), if row % 4 > 0 { 0.9 } else { 0.4 });
/// }
/// let profile = Profile::parse("p.csv", csv.as_bytes())?;
/// let task = Task::new(&profile, Costs::time_ns(vec![1e6, 10e6], 0.0));
/// let front = sweep(&task, &Settings::new().steps(12).repeats(1), &|_, _| {})?;
///
/// let point = front.meeting(Goal::AtLeastBestSingle { margin: 0.0 })?;
/// assert!(point.reward == 1.0 && point.cost < 10e6);
/// assert_eq!(front.premodel(point)?.tree().lines().next(), Some("run a"));
/// assert!(front.meeting(Goal::AtMost(0.5)).is_err(), "the cheapest candidate takes 1 ms");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Front {
    /// Points by mean cost, ascending.
    pub points: Vec<Point>,
    /// Each candidate on its own.
    pub singles: Vec<Single>,
    /// The single candidate of the largest mean reward (the cheapest of these).
    pub best_single: CandidateId,
    /// What costs count.
    pub unit: Unit,
    table: TrainingTable,
    settings: Settings,
    template: Template,
}

/// What is the same in the premodels of all points.
#[derive(Clone, Debug)]
struct Template {
    candidates: Vec<String>,
    classes: u32,
    trained_for: TrainedFor,
    profile: ProfileRef,
}

impl Point {
    /// A point of a price, from what its programs earned and cost on each row.
    pub(super) fn of_price(price_per_unit: f64, kind: Kind, outcomes: &Outcomes, best_rewards: &[f32]) -> Point {
        let point = Point::new(kind, outcomes.worths.iter().copied(), best_rewards);
        Point { price: Some(price_per_unit * Unit::SHOWN), price_per_unit, ran: outcomes.ran.clone(), ..point }
    }

    /// The point of always using one candidate.
    pub(super) fn of_single(single: &Single, candidates: usize, rewards: &[f32], best_rewards: &[f32]) -> Point {
        let outcomes = rewards.iter().map(|&r| Worth { reward: f64::from(r), cost: single.cost });
        let ran = (0..candidates).map(|c| f64::from(u8::from(c == single.candidate.index()))).collect();
        Point { single: Some(single.candidate), ran, ..Point::new(Kind::Single, outcomes, best_rewards) }
    }

    fn new(kind: Kind, outcomes: impl Iterator<Item = Worth>, best_rewards: &[f32]) -> Point {
        let (rewards, costs): (Vec<f32>, Vec<f32>) = outcomes.map(|o| (o.reward as f32, o.cost as f32)).unzip();
        let n = rewards.len() as f64;
        let mean = |v: &[f32]| v.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let over = rewards.iter().zip(best_rewards).map(|(a, b)| f64::from(a - b));
        let over_best_single = over.clone().sum::<f64>() / n;
        let variance = over.map(|d| (d - over_best_single).powi(2)).sum::<f64>() / n;
        Point {
            kind,
            price: None,
            single: None,
            reward: mean(&rewards),
            cost: mean(&costs),
            over_best_single,
            over_best_single_se: (variance / n).sqrt(),
            on_front: false,
            ran: Vec::new(),
            price_per_unit: 0.0,
            rewards,
            costs,
        }
    }

    /// Its mean reward and mean cost.
    pub fn worth(&self) -> Worth {
        Worth { reward: self.reward, cost: self.cost }
    }
}

impl Front {
    /// Puts the points in order of cost, and marks those that no cheaper point equals in reward. `table` is made from all rows;
    /// `settings` have the number of repeats that was in fact made.
    pub(super) fn new(
        task: &Task<'_>,
        mut points: Vec<Point>,
        singles: Vec<Single>,
        best_single: CandidateId,
        table: TrainingTable,
        settings: Settings,
    ) -> Front {
        points.sort_by(|a, b| a.cost.total_cmp(&b.cost).then(b.reward.total_cmp(&a.reward)));
        let mut top = f64::MIN;
        for point in &mut points {
            point.on_front = point.reward > top;
            top = top.max(point.reward);
        }
        let profile = task.profile;
        let meta = |key: &str| profile.meta.get(key).cloned().unwrap_or_default();
        let mut trained_for = TrainedFor::of_costs(task.costs.candidates.clone());
        trained_for.features_ns = task.costs.features;
        trained_for.engine = meta("engine");
        trained_for.device = meta("device");
        trained_for.precision = meta("precision");
        let template = Template {
            candidates: profile.candidates.clone(),
            classes: profile.classes(),
            trained_for,
            profile: ProfileRef::new(profile.sha256.clone(), profile.rows() as u64),
        };
        Front { points, singles, best_single, unit: task.costs.unit, table, settings, template }
    }

    /// Names of the candidates, in the order of their ids.
    pub fn candidates(&self) -> &[String] {
        &self.template.candidates
    }

    /// The point that meets a goal.
    ///
    /// # Errors
    /// Of the kind [`TrainErrorKind::Goal`] where no point does; the message says how near the front comes.
    pub fn meeting(&self, goal: Goal) -> Result<&Point, TrainError> {
        let points = || self.points.iter();
        let most = |value: fn(&Point) -> f64| points().map(value).fold(f64::MIN, f64::max);
        let fail = |object: String, expected: &str, got: String, remedy: &str| {
            TrainError::new(TrainErrorKind::Goal, Message::new(object, expected, got, remedy))
        };
        match goal {
            Goal::AtLeastBestSingle { margin } => points().find(|p| p.over_best_single >= margin).ok_or_else(|| {
                let object = format!("at least the best single candidate with margin {margin}");
                let got = format!("{:.4} at most", most(|p| p.over_best_single));
                fail(object, "a program that is that much better", got, "ask for less")
            }),
            Goal::AtLeast(reward) => points().find(|p| p.reward >= reward).ok_or_else(|| {
                let got = format!("{:.4} at most", most(|p| p.reward));
                fail(format!("at least {reward}"), "a program of that reward", got, "ask for less")
            }),
            Goal::AtMost(cost) => {
                let within = points().filter(|p| p.cost <= cost * Unit::SHOWN);
                let best = within.max_by(|a, b| a.reward.total_cmp(&b.reward).then(b.cost.total_cmp(&a.cost)));
                best.ok_or_else(|| {
                    let unit = self.unit.shown();
                    let least = points().map(|p| p.cost).fold(f64::MAX, f64::min) / Unit::SHOWN;
                    let (object, got) = (format!("at most {cost} {unit}"), format!("{least:.4} {unit} at least"));
                    fail(object, "a program within that", got, "allow more")
                })
            }
            Goal::Price(price) => {
                let near = |p: &&Point| p.price.is_some_and(|own| (own - price).abs() <= price.abs() * 1e-9);
                points().find(near).ok_or_else(|| {
                    let (expected, remedy) = ("a price of the sweep", "add it to the settings");
                    fail(format!("price {price}"), expected, "another".into(), remedy)
                })
            }
        }
    }

    /// The program of a point, trained on all rows, with what to expect of it.
    ///
    /// # Errors
    /// Where the program breaks a rule of [`Premodel::new`], such as the number of nodes.
    pub fn premodel(&self, point: &Point) -> Result<Premodel, TrainError> {
        let plan = self.plan(point);
        // Only signals that the program reads go into its schema: they are what must be computed at run time.
        let used = plan.columns();
        let place = |column: usize| SignalId(used.iter().position(|&c| c == column).unwrap_or(0) as u16);
        let nodes = plan.nodes(&self.table.problem.columns, &place);
        let signals: Vec<Signal> = used.iter().map(|&c| self.table.signals[c].clone()).collect();
        let (temperatures, averages) = self.calibration(&plan, &signals);
        let reads_risk = signals.iter().any(|s| matches!(s, Signal::Candidate(_, CandidateSignal::Risk)));
        let risks = if reads_risk { self.table.risks.clone() } else { Vec::new() };
        // Where a candidate fails, the most capable one that works takes its place.
        let mut fallback: Vec<&Single> = self.singles.iter().collect();
        fallback.sort_by(|a, b| b.reward.total_cmp(&a.reward).then(a.cost.total_cmp(&b.cost)));
        let fallback = fallback.into_iter().map(|s| s.candidate).collect();
        let Template { candidates, classes, trained_for, profile } = self.template.clone();
        let premodel = Premodel::new(candidates, classes, signals, nodes, fallback, risks, trained_for)?;
        let mut premodel = premodel.with_calibration(temperatures, averages)?;
        premodel.profile = Some(profile);
        premodel.expected = Some(self.expected(point));
        Ok(premodel)
    }

    /// The program of a point, trained on all rows.
    fn plan(&self, point: &Point) -> Plan {
        match (point.kind, point.single) {
            (_, Some(candidate)) => Plan::single(candidate),
            (Kind::Cascade, None) => {
                self.table.cascades.at(point.price_per_unit).unwrap_or_else(|| Plan::single(self.best_single))
            }
            _ => {
                let all: Vec<u32> = (0..self.table.problem.rows as u32).collect();
                best_plan(&self.table.problem, &all, point.price_per_unit, self.settings.seed)
            }
        }
    }

    /// Temperatures, and weights of the averages that a program reads or answers with; nothing where it has no averages.
    fn calibration(&self, plan: &Plan, signals: &[Signal]) -> (Vec<f32>, Vec<Average>) {
        let mut sets: Vec<Mask> = plan.averages();
        sets.extend(signals.iter().filter_map(|s| if let Signal::Average(set, _) = s { Some(*set) } else { None }));
        let sets = ascending(sets);
        let Some(calibrated) = self.table.calibrated.as_ref().filter(|_| !sets.is_empty()) else {
            return (Vec::new(), Vec::new());
        };
        let several = sets.into_iter().filter(|set| set.len() > 1);
        let averages = several.map(|of| Average { of, weights: calibrated.averages[&of].weights.clone() });
        (calibrated.temperatures.clone(), averages.collect())
    }

    /// What the cross-validation says of a point.
    fn expected(&self, point: &Point) -> Expected {
        let wide = |v: &[f32]| v.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (over, se) = (point.over_best_single, point.over_best_single_se);
        let Settings { repeats, folds, fold_by, seed, .. } = self.settings;
        let judged_by = match fold_by {
            FoldBy::Random => format!("{repeats} times {folds}-fold cross-validation, seed {seed}"),
            FoldBy::Recording => format!("cross-validation by recording, {folds} of them, seed {seed}"),
        };
        // The best single candidate is as good as itself. Another program that was never seen to differ may differ elsewhere.
        let over_best = if se == 0.0 && point.single != Some(self.best_single) {
            of_equal(over, point.rewards.len() as f64, (-1.0, 1.0))
        } else {
            Interval { mean: over, low: over - 1.96 * se, high: over + 1.96 * se }
        };
        Expected::new(
            Bootstrap::new(seed).within(0.0, 1.0).mean(&wide(&point.rewards)),
            bootstrap_mean(&wide(&point.costs), seed),
            over_best,
            judged_by,
        )
    }
}
