//! The result of a sweep: programs by what they earn and cost, and the premodel of each.

mod premodels;

pub use premodels::Mixed;

use trt_select_premodel::{CandidateId, ProfileRef, TrainedFor};

use super::cascade;
use super::costs::{Unit, Worth};
use super::error::{Message, TrainError, TrainErrorKind};
use super::goal::Goal;
use super::judge::Single;
use super::prices::Outcomes;
use super::settings::Settings;
use super::stats;
use super::task::Task;
use super::training_table::TrainingTable;
use super::weights::Weights;

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
    /// Which kind of cascade it is, where it is one.
    cascade: Option<cascade::Kind>,
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
    /// How much the rows of the points count.
    weights: Option<Weights>,
}

/// What is the same in the premodels of all points.
#[derive(Clone, Debug)]
struct Template {
    candidates: Vec<String>,
    classes: u32,
    trained_for: TrainedFor,
    profile: ProfileRef,
}

/// What points are held against.
#[derive(Clone, Copy)]
pub(super) struct Base<'a> {
    /// By row: the rewards of the best single candidate.
    pub(super) best_rewards: &'a [f32],
    /// How much rows count.
    pub(super) weights: Option<&'a Weights>,
}

impl Point {
    /// A point of a price, from what its programs earned and cost on each row.
    pub(super) fn of_price(price_per_unit: f64, kind: Kind, outcomes: &Outcomes, base: Base<'_>) -> Point {
        let point = Point::new(kind, outcomes.worths.iter().copied(), base);
        Point { price: Some(price_per_unit * Unit::SHOWN), price_per_unit, ran: outcomes.ran.clone(), ..point }
    }

    /// A point of a price at which plain cascades of a kind were fitted.
    pub(super) fn of_cascade(price_per_unit: f64, kind: cascade::Kind, outcomes: &Outcomes, base: Base<'_>) -> Point {
        let point = Point::of_price(price_per_unit, Kind::Cascade, outcomes, base);
        Point { cascade: Some(kind), ..point }
    }

    /// The point of always using one candidate, of so many.
    pub(super) fn of_single(single: &Single, candidates: usize, rewards: &[f32], base: Base<'_>) -> Point {
        let outcomes = rewards.iter().map(|&r| Worth { reward: f64::from(r), cost: single.cost });
        let ran = (0..candidates).map(|c| f64::from(u8::from(c == single.candidate.index()))).collect();
        Point { single: Some(single.candidate), ran, ..Point::new(Kind::Single, outcomes, base) }
    }

    fn new(kind: Kind, outcomes: impl Iterator<Item = Worth>, base: Base<'_>) -> Point {
        let (rewards, costs): (Vec<f32>, Vec<f32>) = outcomes.map(|o| (o.reward as f32, o.cost as f32)).unzip();
        let mean = |v: &[f32]| stats::mean(v.iter().map(|&x| f64::from(x)), base.weights);
        let over = rewards.iter().zip(base.best_rewards).map(|(a, b)| f64::from(a - b));
        let over_best_single = stats::mean(over.clone(), base.weights);
        // The variance of a mean of n rows, of which each counts w: Σ w² d² / (Σ w)², which is that of the rows over n where all w are 1.
        let weight = |row: usize| Weights::in_table(base.weights, row);
        let squares = over.enumerate().map(|(row, d)| (weight(row) * (d - over_best_single)).powi(2));
        let over_best_single_se = squares.sum::<f64>().sqrt() / rewards.len() as f64;
        Point {
            kind,
            price: None,
            single: None,
            reward: mean(&rewards),
            cost: mean(&costs),
            over_best_single,
            over_best_single_se,
            on_front: false,
            ran: Vec::new(),
            price_per_unit: 0.0,
            cascade: None,
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
        let weights = task.truth.weights.clone();
        Front { points, singles, best_single, unit: task.costs.unit, table, settings, template, weights }
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
                let value = |p: &Point| p.reward - p.price_per_unit * p.cost;
                let best = points().filter(near).max_by(|a, b| value(a).total_cmp(&value(b)));
                best.ok_or_else(|| {
                    let (expected, remedy) = ("a price of the sweep", "add it to the settings");
                    fail(format!("price {price}"), expected, "another".into(), remedy)
                })
            }
        }
    }
}
