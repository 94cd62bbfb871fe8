//! Premodels of a front: of one point, of several that a control value chooses among, and of two that chance mixes.

use trt_select_premodel::{
    Alternative, Average, CandidateSignal, Expected, Interval, Mask, Mix, Node, Premodel, Signal, SignalId,
};

use rayon::prelude::*;

use super::{Front, Point, Template};
use crate::costs::Unit;
use crate::error::{Message, TrainError, TrainErrorKind};
use crate::goal::Goal;
use crate::hull::hull;
use crate::judge::Single;
use crate::plan::{Plan, ascending};
use crate::search::best_plan;
use crate::settings::{FoldBy, Settings};
use crate::stats::{Bootstrap, of_equal};
use crate::weights::Weights;

/// Two points of a front and the chance of the first one, by which a goal is met exactly: see [`Front::mixing`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Mixed<'a> {
    /// The two points, the cheaper one first.
    pub points: [&'a Point; 2],
    /// The share of the inputs that the cheaper one decides, 0..=1.
    pub share: f64,
}

impl Mixed<'_> {
    /// Mean reward of the mix.
    pub fn reward(&self) -> f64 {
        self.mean(|point| point.reward)
    }

    /// Mean cost of the mix.
    pub fn cost(&self) -> f64 {
        self.mean(|point| point.cost)
    }

    /// Mean reward of the mix less that of the best single candidate.
    pub fn over_best_single(&self) -> f64 {
        self.mean(|point| point.over_best_single)
    }

    fn mean(&self, of: fn(&Point) -> f64) -> f64 {
        // The premodel's mix of the same share; its seed makes no difference to a mean.
        Mix { programs: [0, 1], share: self.share, seed: 0 }.between(of(self.points[0]), of(self.points[1]))
    }
}

impl Front {
    /// The points that are the best ones at some price, by cost: no random mix of others lies above one of them.
    pub fn hull(&self) -> Vec<&Point> {
        hull(self.points.iter().collect(), |point| (point.reward, point.cost))
    }

    /// At most so many points of the hull, the one that is chosen among them, by cost: the cheapest and the best one as well, if three are
    /// allowed, and between them those which leave the smallest gaps in the logarithm of the cost. Of two, the other one is the end that lies
    /// farther from the chosen one.
    pub fn spread<'a>(&'a self, most: usize, chosen: &'a Point) -> Vec<&'a Point> {
        let mut all = self.hull();
        if !all.iter().any(|point| std::ptr::eq(*point, chosen)) {
            all.push(chosen);
            all.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        }
        while all.len() > most.max(1) {
            // What is left out is the point whose neighbours are nearest to each other.
            let gap = |i: usize| (all[i + 1].cost / all[i - 1].cost.max(1e-9)).ln();
            let inner = (1..all.len() - 1).filter(|&i| !std::ptr::eq(all[i], chosen));
            let last = all.len() - 1;
            let least = inner.min_by(|&a, &b| gap(a).total_cmp(&gap(b))).unwrap_or_else(|| {
                // The ends are left, and the chosen one may lie between them.
                let from_start = (chosen.cost / all[0].cost.max(1e-9)).ln();
                let to_end = (all[last].cost / chosen.cost.max(1e-9)).ln();
                if from_start < to_end { 0 } else { last }
            });
            all.remove(least);
        }
        all
    }

    /// The two points of the hull whose random mix meets a goal exactly, where one point alone would be dearer or worse; `None` where a
    /// single point of the hull meets it as well.
    ///
    /// # Errors
    /// Of the kind [`TrainErrorKind::Goal`] for a price, which one program alone is the best for, and where the whole front does not meet
    /// the goal.
    pub fn mixing(&self, goal: Goal) -> Result<Option<Mixed<'_>>, TrainError> {
        if let Goal::Price(price) = goal {
            let (expected, remedy) = ("a goal of reward or cost", "ask for one, or for no mix");
            let message = Message::new(format!("mix at price {price}"), expected, "a price", remedy);
            return Err(TrainError::new(TrainErrorKind::Goal, message));
        }
        self.meeting(goal)?;
        let hull = self.hull();
        // How far a point is past the goal; below 0 where it misses it on the cheap side, or keeps to it in cost.
        let past = |point: &Point| match goal {
            Goal::AtMost(cost) => point.cost - cost * Unit::SHOWN,
            Goal::AtLeast(reward) => point.reward - reward,
            Goal::AtLeastBestSingle { margin } => point.over_best_single - margin,
            Goal::Price(_) => 0.0,
        };
        let Some(at) = hull.windows(2).position(|pair| past(pair[0]) < 0.0 && past(pair[1]) > 0.0) else {
            return Ok(None);
        };
        let points = [hull[at], hull[at + 1]];
        let (below, above) = (past(points[0]), past(points[1]));
        Ok(Some(Mixed { points, share: above / (above - below) }))
    }

    /// The program of a point, trained on all rows, with what to expect of it.
    ///
    /// # Errors
    /// Where the program breaks a rule of [`Premodel::new`], such as the number of nodes.
    pub fn premodel(&self, point: &Point) -> Result<Premodel, TrainError> {
        self.made(&[point], 0)
    }

    /// The programs of several points in one premodel, in the order given, each with its price, what to expect of it and which candidates it
    /// runs; `chosen` is the number of the one that decides where nobody asks for another. Points whose programs came out the same, trained on
    /// all rows, become one.
    ///
    /// ```
    /// use trt_select_train::{Costs, Goal, Profile, Settings, Task, sweep};
    ///
    /// let mut csv = String::from("input,a.reward,a.top1,b.reward,b.top1\n");
    /// for row in 0..400 {
    ///     csv += &format!("r{row},{},{},1,0.9\n", u8::from(row % 4 > 0), if row % 4 > 0 { 0.9 } else { 0.4 });
    /// }
    /// let profile = Profile::parse("p.csv", csv.as_bytes())?;
    /// let task = Task::new(&profile, Costs::time_ns(vec![1e6, 10e6], 0.0));
    /// let front = sweep(&task, &Settings::new().steps(12).repeats(1), &|_, _| {})?;
    /// let chosen = front.meeting(Goal::AtLeast(1.0))?;
    /// let points = front.spread(8, chosen);
    /// let at = points.iter().position(|point| std::ptr::eq(*point, chosen)).expect("it is among them");
    /// let premodel = front.premodel_of(&points, at)?;
    /// assert!(premodel.programs().len() > 1, "always a; a, and b where a is unsure");
    /// assert_eq!(premodel.expected.as_ref().map(|e| e.reward.mean), Some(1.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Where a program breaks a rule of [`Premodel::new`], or there are too many: see [`Premodel::with_programs`].
    ///
    /// # Panics
    /// If `chosen` is not below the number of points.
    pub fn premodel_of(&self, points: &[&Point], chosen: usize) -> Result<Premodel, TrainError> {
        assert!(chosen < points.len(), "expected one of {} points as the chosen one, got {chosen}", points.len());
        self.made(points, chosen)
    }

    /// A premodel of two points that take turns by a seeded chance: see [`Mix`]. The chosen program, which decides where a caller asks for
    /// none and no mix, is the dearer one where it decides more often, else the cheaper one.
    ///
    /// # Errors
    /// As [`Front::premodel_of`].
    pub fn premodel_of_mix(&self, mixed: &Mixed<'_>, seed: u64) -> Result<Premodel, TrainError> {
        let premodel = self.made(&mixed.points, usize::from(mixed.share < 0.5))?;
        // Where both came out the same there is nothing to mix.
        let mix = (premodel.programs().len() == 2).then_some(Mix { programs: [0, 1], share: mixed.share, seed });
        Ok(premodel.with_mix(mix)?)
    }

    fn made(&self, points: &[&Point], chosen: usize) -> Result<Premodel, TrainError> {
        let plans: Vec<Plan> = points.par_iter().map(|point| self.plan(point)).collect::<Result<_, TrainError>>()?;
        // Only signals that some program reads go into the schema: they are what must be computed at run time.
        let used = ascending(plans.iter().flat_map(Plan::columns).collect());
        let place = |column: usize| SignalId(used.iter().position(|&c| c == column).unwrap_or(0) as u16);
        let nodes: Vec<Vec<Node>> = plans.iter().map(|plan| plan.nodes(&self.table.problem.columns, &place)).collect();
        let signals: Vec<Signal> = used.iter().map(|&c| self.table.signals[c].clone()).collect();
        let (temperatures, averages) = self.calibration(&plans, &signals);
        let reads_risk = signals.iter().any(|s| matches!(s, Signal::Candidate(_, CandidateSignal::Risk)));
        let risks = if reads_risk { self.table.risks.clone() } else { Vec::new() };
        // Where a candidate fails, the most capable one that works takes its place.
        let mut fallback: Vec<&Single> = self.singles.iter().collect();
        fallback.sort_by(|a, b| b.reward.total_cmp(&a.reward).then(a.cost.total_cmp(&b.cost)));
        let fallback = fallback.into_iter().map(|s| s.candidate).collect();
        let Template { candidates, classes, trained_for, profile } = self.template.clone();
        let first = nodes[chosen].clone();
        let premodel = Premodel::new(candidates, classes, signals, first, fallback, risks, trained_for)?;
        let mut premodel = premodel.with_calibration(temperatures, averages)?;
        premodel.profile = Some(profile);
        if points.len() == 1 {
            premodel.expected = Some(self.expected(points[0]));
            return Ok(premodel);
        }
        // Of points that came out the same the chosen one is kept, else the first.
        let is_kept = |i: usize| i == chosen || (!nodes[..i].contains(&nodes[i]) && nodes[i] != nodes[chosen]);
        let kept: Vec<usize> = (0..points.len()).filter(|&i| is_kept(i)).collect();
        let program = |&i: &usize| {
            let program = Alternative::new(nodes[i].clone()).price(points[i].price).ran(points[i].ran.clone());
            program.expected(Some(self.expected(points[i])))
        };
        let number = kept.iter().position(|&i| i == chosen).unwrap_or(0);
        Ok(premodel.with_programs(kept.par_iter().map(program).collect(), number)?)
    }

    /// The program of a point, trained on all rows.
    fn plan(&self, point: &Point) -> Result<Plan, TrainError> {
        let problem = &self.table.problem;
        match (point.single, point.cascade) {
            (Some(candidate), _) => Ok(Plan::single(candidate)),
            (None, Some(kind)) => self.table.cascades.at(problem, kind, point.price_per_unit).ok_or_else(|| {
                let (expected, got) =
                    ("sets of candidates with pairs", "none on all rows, though on those of each fold");
                let message = Message::new("cascade", expected, got, "choose another point, or fewer candidates");
                TrainError::new(TrainErrorKind::Goal, message)
            }),
            _ => {
                let all: Vec<u32> = (0..problem.rows as u32).collect();
                Ok(best_plan(problem, &all, point.price_per_unit, self.settings.seed))
            }
        }
    }

    /// Temperatures, and weights of the averages that programs read or answer with; nothing where they have no averages.
    fn calibration(&self, plans: &[Plan], signals: &[Signal]) -> (Vec<f32>, Vec<Average>) {
        let mut sets: Vec<Mask> = plans.iter().flat_map(Plan::averages).collect();
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
            let rows = self.weights.as_ref().map_or(point.rewards.len() as f64, Weights::effective_rows);
            of_equal(over, rows, (-1.0, 1.0))
        } else {
            Interval { mean: over, low: over - 1.96 * se, high: over + 1.96 * se }
        };
        let bootstrap = Bootstrap::new(seed).weighted(self.weights.as_ref());
        Expected::new(
            bootstrap.within(0.0, 1.0).mean(&wide(&point.rewards)),
            bootstrap.mean(&wide(&point.costs)),
            over_best,
            judged_by,
        )
    }
}
