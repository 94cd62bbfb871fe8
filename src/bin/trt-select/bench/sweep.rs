//! `bench --sweep`: every program of the premodel on the same inputs, and each beside what was forecast of it.

use std::fmt::Write;

use serde_json::{Value, json};
use trt_select::Outcome;
use trt_select_premodel::{CandidateId, Expected, FrontProgram, Interval, Premodel};
use trt_select_train::bootstrap_ratio;

use super::inputs::{Inputs, SEED, over_best};
use crate::report::{TextTable, Times, times_cheaper};

/// Standard errors from the middle to the end of a 95 % interval.
const HALF_WIDTH: f64 = 1.96;

/// What was measured of one program.
struct Row {
    number: usize,
    is_chosen: bool,
    price: Option<f64>,
    top1: f64,
    times: Times,
    /// Its top-1 minus that of the best single network.
    over_best: Interval,
    /// The mean latency of the best single network divided by that of the program.
    speedup: Interval,
    expected: Option<Expected>,
    /// The speed-up by the costs that the premodel states.
    expected_speedup: Option<f64>,
}

pub(super) struct Sweep {
    /// The single network that the programs are compared with.
    best: String,
    rows: Vec<Row>,
}

impl Row {
    /// Whether the measured difference to the best single network lies in the interval that was forecast for it.
    fn is_inside(&self) -> Option<bool> {
        let forecast = &self.expected.as_ref()?.over_best_single;
        Some((forecast.low..=forecast.high).contains(&self.over_best.mean))
    }

    /// How far the measured difference and the forecast lie apart, in standard errors of their difference: both were found on samples, so
    /// about one in twenty lies further apart than 1.96 by chance alone. `None` where neither has any error.
    fn apart(&self) -> Option<f64> {
        let forecast = &self.expected.as_ref()?.over_best_single;
        let error = |interval: &Interval| (interval.high - interval.low) / (2.0 * HALF_WIDTH);
        let both = error(forecast).hypot(error(&self.over_best));
        (both > 0.0).then(|| (self.over_best.mean - forecast.mean) / both)
    }

    fn to_json(&self) -> Value {
        let mut value = self.times.to_json();
        value["program"] = json!(self.number);
        value["chosen"] = json!(self.is_chosen);
        value["price"] = json!(self.price);
        value["top1"] = json!(self.top1);
        value["top1_over_best_single"] = json!(self.over_best);
        value["speedup_over_best_single"] = json!(self.speedup);
        value["inside_forecast"] = json!(self.is_inside());
        value["standard_errors_apart"] = json!(self.apart());
        value["forecast"] = json!(self.expected.as_ref().map(|e| {
            json!({
                "top1": e.reward, "mean_ms": e.cost_ns.mean / 1e6, "top1_over_best_single": e.over_best_single,
                "speedup_over_best_single": self.expected_speedup, "judged_by": e.judged_by,
            })
        }));
        value
    }
}

impl Sweep {
    /// The best single network is that of the premodel: the first of its fallback list, with which its forecasts compare too. It was not
    /// chosen by looking at these inputs.
    pub(super) fn new(inputs: &Inputs<'_>, premodel: &Premodel) -> Sweep {
        let best = premodel.fallback().first().copied().unwrap_or(CandidateId(0));
        let best_ns = inputs.per_sample(|i| inputs.latency_ns(best.index(), i) as f64);
        let row = |(program, outcomes): (FrontProgram<'_>, &Vec<Outcome>)| {
            // The bootstrap gets one number for each sample, since measuring a sample again gives no further evidence.
            let differences = inputs.per_sample(|i| inputs.outcome_right(outcomes, i) - inputs.right(best.index(), i));
            let program_ns = inputs.per_sample(|i| outcomes[i].times.total_ns as f64);
            let expected = program.expected().cloned();
            Row {
                number: program.number(),
                is_chosen: program.is_chosen(),
                price: program.price(),
                top1: inputs.mean(|i| inputs.outcome_right(outcomes, i)),
                times: Times::of_ns(outcomes.iter().map(|o| o.times.total_ns)),
                over_best: over_best(&differences, std::iter::once(program.program()), best),
                speedup: bootstrap_ratio(&best_ns, &program_ns, SEED),
                expected_speedup: times_cheaper(premodel, &program),
                expected,
            }
        };
        Sweep {
            best: premodel.candidates()[best.index()].clone(),
            rows: premodel.programs().zip(&inputs.measured.sweep).map(row).collect(),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "best_single": self.best, "programs": self.rows.iter().map(Row::to_json).collect::<Vec<_>>() })
    }

    pub(super) fn to_text(&self) -> String {
        let mut table = TextTable::new(&[
            "program",
            "price",
            "top-1 %",
            "over best single",
            "forecast",
            "inside",
            "apart",
            "mean ms",
            "speed-up",
            "forecast x",
            "",
        ]);
        let points = |i: &Interval| format!("{:+.2} [{:+.2}, {:+.2}]", 100.0 * i.mean, 100.0 * i.low, 100.0 * i.high);
        let dash = || "-".to_owned();
        for row in &self.rows {
            let inside = row.is_inside().map(|inside| if inside { "yes" } else { "no" }.to_owned());
            table.row([
                row.number.to_string(),
                row.price.map_or_else(dash, |price| format!("{price:.4}")),
                format!("{:.2}", 100.0 * row.top1),
                points(&row.over_best),
                row.expected.as_ref().map_or_else(dash, |e| points(&e.over_best_single)),
                inside.unwrap_or_else(dash),
                row.apart().map_or_else(dash, |errors| format!("{errors:+.1}")),
                format!("{:.4}", row.times.mean()),
                format!("{:.2}x [{:.2}, {:.2}]", row.speedup.mean, row.speedup.low, row.speedup.high),
                row.expected_speedup.map_or_else(dash, |x| format!("{x:.2}x")),
                if row.is_chosen { "chosen".to_owned() } else { String::new() },
            ]);
        }
        let judged: Vec<bool> = self.rows.iter().filter_map(Row::is_inside).collect();
        let inside = judged.iter().filter(|inside| **inside).count();
        let mut text = format!("\n=== Programs of the premodel, beside their forecasts ===\n{}", table.render());
        let _ = writeln!(
            text,
            "Of {} forecasts of the difference to the best single network ({}, the premodel's), {inside} hold what was measured. Differences \
             are in points of\ntop-1. Apart: measured less forecast in standard errors of both; by chance alone one in twenty lies beyond 1.96. \
             Speed-ups are over the best\nsingle network.",
            judged.len(),
            self.best
        );
        text
    }
}
