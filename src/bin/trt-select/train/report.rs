//! What `train` prints: the front, the program that was chosen, and what to expect of it.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};
use trt_select_premodel::{Interval, Premodel};
use trt_select_train::{
    Costs, Front, Judged, Kind, Mixed, Point, Profile, Single, Unit, Warning, Worth, oracle, random_mix,
};

use crate::report::{TextTable, warnings_json};

/// If the chosen program may have a reward that is lower than the best single candidate's by more than this, the report has a
/// note.
const NOTED_LOSS: f64 = 0.005;

/// The results of a training.
pub(super) struct Report<'a> {
    /// The profile with the true rewards, on which programs were judged.
    pub(super) profile: &'a Profile,
    pub(super) costs: &'a Costs,
    pub(super) front: &'a Front,
    /// The point that was chosen.
    pub(super) point: &'a Point,
    /// The two points that are mixed in its place; `None` where none are.
    pub(super) mixed: Option<Mixed<'a>>,
    pub(super) premodel: &'a Premodel,
    /// The premodel's reward and cost on the profile that `--judge` names; `None` without the option.
    pub(super) judged: Option<Worth>,
    pub(super) nested: Option<&'a Judged>,
    pub(super) warnings: &'a [Warning],
    /// Where the premodel was written.
    pub(super) output: &'a Path,
}

/// A cost in the unit of the output: milliseconds or millijoules.
fn shown(cost: f64) -> f64 {
    cost / Unit::SHOWN
}

impl Report<'_> {
    /// The reward of the random mix of single candidates that has this mean cost.
    fn mix(&self, cost: f64) -> Option<f64> {
        let singles: Vec<Worth> = self.front.singles.iter().map(Single::worth).collect();
        random_mix(&singles, cost)
    }

    /// The files that were trained on, with their rows.
    fn recordings(&self) -> Vec<Value> {
        let recordings = &self.profile.recordings;
        let mut rows = vec![0; recordings.files().len()];
        (0..self.profile.rows()).for_each(|row| rows[recordings.of(row)] += 1);
        let files = recordings.files().iter().zip(rows);
        files.map(|(file, rows)| json!({ "name": file.name, "rows": rows })).collect()
    }

    fn best_single(&self) -> &Single {
        &self.front.singles[self.front.best_single.index()]
    }

    /// The reward minus that of the best single candidate, and how many times cheaper the rows are than with it. Both are means
    /// with 95 % intervals from a bootstrap over rows.
    fn nested_intervals(&self, nested: &Judged) -> (Interval, Interval) {
        let best = self.front.best_single.index();
        (nested.over(&self.profile.rewards[best], 1), nested.times_cheaper(self.costs.candidates[best], 1))
    }

    pub(super) fn to_json(&self) -> Value {
        let names = &self.profile.candidates;
        let unit = self.costs.unit.shown().to_lowercase();
        let (mean, cost) = (format!("mean_{unit}"), format!("cost_{unit}"));
        let point = |p: &Point| {
            json!({
                "kind": p.kind.name(), (format!("lambda_per_{unit}")): p.price, "single": p.single.map(|c| &names[c.index()]), "reward": p.reward,
                (mean.clone()): shown(p.cost), "over_best_single": p.over_best_single,
                "over_best_single_se": p.over_best_single_se, "on_front": p.on_front, "random_mix": self.mix(p.cost),
            })
        };
        let singles = self.front.singles.iter();
        let oracle = oracle(self.profile, &self.costs.candidates);
        json!({
            "rows": self.profile.rows(),
            "recordings": self.recordings(),
            "candidates": singles.map(|s| json!({
                "name": names[s.candidate.index()], "reward": s.reward, (cost.clone()): shown(s.cost),
            })).collect::<Vec<_>>(),
            "best_single": names[self.front.best_single.index()],
            "oracle": { "reward": oracle.reward, (mean.clone()): shown(oracle.cost) },
            "points": self.front.points.iter().map(point).collect::<Vec<_>>(),
            "chosen": point(self.point),
            "expected": self.premodel.expected_by_default(),
            "programs": self.premodel.programs().len(),
            "mix": self.mixed.filter(|_| self.premodel.mix().is_some()).map(|mixed| json!({
                "share": mixed.share, "reward": mixed.reward(), (mean.clone()): shown(mixed.cost()),
                "over_best_single": mixed.over_best_single(), "points": mixed.points.map(point),
            })),
            (format!("worst_case_{unit}")): shown(self.worst_case_ns()),
            "nested": self.nested.map(|n| {
                let (over, cheaper) = self.nested_intervals(n);
                json!({ "over_best_single": over, "times_cheaper": cheaper })
            }),
            "judged": self.judged.map(|worth| json!({ "reward": worth.reward, (mean.clone()): shown(worth.cost) })),
            "warnings": warnings_json(self.warnings),
            "program": self.premodel.tree(),
            "premodel": self.output.display().to_string(),
        })
    }

    /// The report as text. `kept` is the line about Algorithm 1.
    pub(super) fn to_text(&self, kept: &str) -> String {
        let unit = self.costs.unit.shown();
        let (best, oracle) = (self.best_single(), oracle(self.profile, &self.costs.candidates));
        let of = match self.profile.recordings.files().len() {
            0 | 1 => String::new(),
            several => format!(" of {several} recordings"),
        };
        let mut text = format!(
            "Profile: {} rows{of}; best single candidate {} with {:.2} % at {:.4} {unit}; oracle {:.2} % at {:.4} {unit}\n{kept}\n",
            self.profile.rows(),
            self.profile.candidates[best.candidate.index()],
            100.0 * best.reward,
            shown(best.cost),
            100.0 * oracle.reward,
            shown(oracle.cost)
        );
        text += "Pareto front (each row's outcome from a program trained on the other folds):\n";
        text += &self.front_table();
        self.forecast(&mut text);
        if let Some(nested) = self.nested {
            let (over, cheaper) = self.nested_intervals(nested);
            let _ = writeln!(
                text,
                "Nested: {:+.2} points [{:+.2}, {:+.2}] over {}, {:.2} times cheaper [{:.2}, {:.2}]; training and choice saw other folds",
                100.0 * over.mean,
                100.0 * over.low,
                100.0 * over.high,
                self.profile.candidates[best.candidate.index()],
                cheaper.mean,
                cheaper.low,
                cheaper.high
            );
        }
        if let Some(worth) = self.judged {
            let (reward, cost) = (100.0 * worth.reward, shown(worth.cost));
            let _ = writeln!(text, "Judged on the other profile: reward {reward:.2} %, mean cost {cost:.4} {unit}");
        }
        self.programs(&mut text);
        let _ = writeln!(text, "\nWritten: {}", self.output.display());
        text
    }

    /// What the dearest path costs of the program that was chosen, or of those that are mixed.
    fn worst_case_ns(&self) -> f64 {
        let is_used = |number: usize| match self.premodel.mix() {
            Some(mix) => mix.programs.contains(&number),
            None => number == self.premodel.chosen(),
        };
        let used = self.premodel.programs().filter(|program| is_used(program.number()));
        used.map(|program| program.worst_case_ns()).fold(0.0, f64::max)
    }

    /// Writes the program that was chosen, or both that are mixed.
    fn programs(&self, text: &mut String) {
        let mix = self.premodel.mix();
        for program in self.premodel.programs() {
            let title = match mix {
                Some(mix) if program.number() == mix.programs[0] => {
                    format!("Program 0, for {:.1} % of the inputs", 100.0 * mix.share)
                }
                Some(mix) => {
                    format!("Program {}, for {:.1} % of the inputs", program.number(), 100.0 * (1.0 - mix.share))
                }
                None if program.is_chosen() => "Program".to_owned(),
                None => continue,
            };
            let _ = writeln!(text, "\n{title}:");
            for line in program.tree().lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        let count = self.premodel.programs().len();
        if mix.is_none() && count > 1 {
            let _ =
                writeln!(text, "\n{count} programs of the front are in the premodel; trt-select inspect lists them");
        }
    }

    fn front_table(&self) -> String {
        let unit = self.costs.unit.shown();
        let mut table = TextTable::new(&[
            &format!("price /{unit}"),
            "reward %",
            "over best single",
            "+- 1.96 se",
            &format!("mean {unit}"),
            "times cheaper",
            "random mix %",
            "",
        ]);
        for p in self.front.points.iter().filter(|p| p.on_front || p.single.is_some()) {
            let kind = match (p.kind, p.single) {
                (_, Some(c)) => Some(format!("always {}", self.profile.candidates[c.index()])),
                (Kind::Cascade, None) => Some("cascade".to_owned()),
                _ => None,
            };
            let is_mixed = |mixed: Mixed<'_>| mixed.points.iter().any(|point| std::ptr::eq(p, *point));
            let chosen = match self.mixed {
                Some(mixed) => is_mixed(mixed).then(|| "<- mixed".to_owned()),
                None => std::ptr::eq(p, self.point).then(|| "<- chosen".to_owned()),
            };
            table.row([
                p.price.map_or("-".to_owned(), |price| format!("{price:.4}")),
                format!("{:.2}", 100.0 * p.reward),
                format!("{:+.2}", 100.0 * p.over_best_single),
                format!("{:.2}", 196.0 * p.over_best_single_se),
                format!("{:.4}", shown(p.cost)),
                format!("{:.2}", self.best_single().cost / p.cost),
                self.mix(p.cost).map_or("-".into(), |m| format!("{:.2}", 100.0 * m)),
                kind.into_iter().chain(chosen).collect::<Vec<_>>().join(" "),
            ]);
        }
        table.render()
    }

    /// Writes what cross-validation expects of the program, and a note if the program may be worse than the best single
    /// candidate.
    fn forecast(&self, text: &mut String) {
        let unit = self.costs.unit.shown();
        if let Some(e) = &self.premodel.expected_by_default() {
            let _ = writeln!(
                text,
                "\nExpected: reward {:.2} % [{:.2}, {:.2}], mean cost {:.4} {unit} [{:.4}, {:.4}] ({}); worst case {:.4} {unit}",
                100.0 * e.reward.mean,
                100.0 * e.reward.low,
                100.0 * e.reward.high,
                shown(e.cost_ns.mean),
                shown(e.cost_ns.low),
                shown(e.cost_ns.high),
                e.judged_by,
                shown(self.worst_case_ns())
            );
        }
        let (over, se) = (self.point.over_best_single, self.point.over_best_single_se);
        if self.mixed.is_none() && self.point.single.is_none() && over - 1.96 * se < -NOTED_LOSS {
            let _ = writeln!(
                text,
                "Note: {} rows cannot tell this program from one that loses {:.2} points to {}; more rows would",
                self.profile.rows(),
                100.0 * (1.96 * se - over),
                self.profile.candidates[self.front.best_single.index()]
            );
        }
    }
}
