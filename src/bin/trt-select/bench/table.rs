//! Computes and prints the results of `bench` from the measured times and answers.

use std::fmt::Write;

use serde_json::{Value, json};
use trt_select::samples::Samples;
use trt_select::{DeviceTimes, Selector, StageTimes};
use trt_select_premodel::{CandidateId, Expected, Interval, Program};
use trt_select_train::{Worth, bootstrap_ratio, random_mix};

use super::Measured;
use super::inputs::{Inputs, SEED, over_best};
use super::sweep::Sweep;
use crate::report::{PERCENTILES, TextTable, Times};

/// By how much the top-1 of the reference single may be lower than that of the best single: a tenth of a point.
const REFERENCE_SLACK: f64 = 0.001;

struct Single {
    name: String,
    top1: f64,
    times: Times,
    /// Share of the inputs that this candidate answered under the selector. An input that an average of n candidates answered
    /// counts as 1/n for each of them.
    share: f64,
    /// Share of the inputs on which the selector ran this candidate.
    runs: f64,
}

/// Times of the adaptive selector's work on a device, with trtexec's definitions.
struct DeviceStages {
    /// Copy of the frame to the device.
    h2d: Times,
    /// Host time to enqueue the networks.
    enqueue: Times,
    /// Features, preprocessing, networks and signals, by the device's clock.
    compute: Times,
    /// Copies back to the host. They take no time, since the last kernel writes its results to host memory.
    d2h: Times,
    /// H2D, compute and D2H.
    latency: Times,
}

pub(super) struct Results {
    engine: String,
    device: String,
    judged_by: String,
    inputs: usize,
    wall_s: f64,
    singles: Vec<Single>,
    /// Index of the best single: see [`best_and_reference`].
    best: usize,
    /// Index of the reference single: see [`best_and_reference`].
    reference: usize,
    adaptive_top1: f64,
    adaptive: Times,
    stages: Vec<(&'static str, Times)>,
    /// The stages on the device; `None` if the networks run on the host.
    device_stages: Option<DeviceStages>,
    /// Top-1 of the adaptive selector minus that of the best single.
    over_best: Interval,
    /// Mean latency of the reference single divided by that of the adaptive selector.
    speedup: Interval,
    /// Top-1 of the random mix that has the adaptive selector's mean latency; `None` if there is no such mix.
    mix: Option<f64>,
    /// Top-1 and mean latency of the oracle.
    oracle: (f64, f64),
    /// What each of the premodel's programs did; `None` without `--sweep`.
    sweep: Option<Sweep>,
    expected: Option<Expected>,
    /// The reference single's cost that the premodel was trained with. The forecast of the speed-up is based on it.
    expected_reference_ns: f64,
    reason: String,
}

/// What each candidate did alone, and under the selector.
fn singles(inputs: &Inputs<'_>, names: &[String]) -> Vec<Single> {
    let adaptive = &inputs.measured.adaptive;
    let single = |(k, name): (usize, &String)| {
        let id = CandidateId(k as u8);
        Single {
            name: name.clone(),
            top1: inputs.mean(|i| inputs.right(k, i)),
            times: Times::of_ns((0..inputs.truth.len()).map(|i| inputs.latency_ns(k, i))),
            share: inputs.mean(|i| {
                let by = adaptive[i].answer.needs();
                if by.has(id) { 1.0 / f64::from(by.len()) } else { 0.0 }
            }),
            runs: inputs.mean(|i| f64::from(adaptive[i].ran.has(id))),
        }
    };
    names.iter().enumerate().map(single).collect()
}

/// Top-1 and mean latency of the oracle, which takes for each input the cheapest candidate that is right, or the cheapest one
/// if none is right.
fn oracle(inputs: &Inputs<'_>, worths: &[Worth]) -> (f64, f64) {
    let mut by_cost: Vec<usize> = (0..worths.len()).collect();
    by_cost.sort_by(|&a, &b| worths[a].cost.total_cmp(&worths[b].cost));
    let pick = |i: usize| by_cost.iter().copied().find(|&k| inputs.right(k, i) == 1.0);
    (inputs.mean(|i| f64::from(pick(i).is_some())), inputs.mean(|i| worths[pick(i).unwrap_or(by_cost[0])].cost))
}

/// Times of the adaptive selector's stages on the host.
fn stages(measured: &Measured) -> Vec<(&'static str, Times)> {
    let stage = |f: fn(&StageTimes) -> u64| Times::of_ns(measured.adaptive.iter().map(|o| f(&o.times)));
    vec![
        ("features", stage(|t| t.features_ns)),
        ("decide", stage(|t| t.decide_ns)),
        ("preprocess", stage(|t| t.preprocess_ns)),
        ("compute", stage(|t| t.compute_ns)),
        ("total", stage(|t| t.total_ns)),
    ]
}

fn device_stages(measured: &Measured) -> DeviceStages {
    let stage = |f: fn(&DeviceTimes) -> u64| Times::of_ns(measured.adaptive.iter().map(|o| f(&o.times.device)));
    DeviceStages {
        h2d: stage(|t| t.upload_ns),
        enqueue: stage(|t| t.enqueue_ns),
        compute: stage(|t| t.features_ns + t.compute_ns),
        d2h: stage(|_| 0),
        latency: stage(DeviceTimes::total_ns),
    }
}

impl Results {
    pub(super) fn new(
        measured: &Measured,
        selector: &Selector,
        samples: &Samples,
        reason: &str,
        device: String,
    ) -> Results {
        let names = selector.premodel().candidates();
        let inputs = Inputs::new(measured, samples, names);
        let singles = singles(&inputs, names);
        let (best, reference) = best_and_reference(&singles);
        let worths: Vec<Worth> = singles.iter().map(|s| Worth { reward: s.top1, cost: s.times.mean() }).collect();
        let adaptive = Times::of_ns(measured.adaptive.iter().map(|o| o.times.total_ns));
        // The bootstrap gets one number for each sample, since measuring a sample again gives no further evidence.
        let differences = inputs.per_sample(|i| inputs.outcome_right(&measured.adaptive, i) - inputs.right(best, i));
        let reference_ns = inputs.per_sample(|i| inputs.latency_ns(reference, i) as f64);
        let adaptive_ns = inputs.per_sample(|i| measured.adaptive[i].times.total_ns as f64);
        let premodel = selector.premodel();
        let trained_for = &premodel.trained_for;
        // Without a sweep the premodel's own choice was measured, which may be a mix.
        let mixed = premodel.mix().filter(|_| measured.sweep.is_empty()).map(|mix| mix.programs.to_vec());
        let numbers = mixed.unwrap_or_else(|| vec![premodel.chosen()]);
        let adaptive_programs: Vec<Program<'_>> =
            numbers.into_iter().filter_map(|number| Some(premodel.program_at(number)?.program())).collect();
        let first = selector.candidates()[0].description();
        Results {
            engine: first.version.clone(),
            device,
            inputs: measured.samples.len(),
            wall_s: measured.wall.as_secs_f64(),
            best,
            reference,
            adaptive_top1: inputs.mean(|i| inputs.outcome_right(&measured.adaptive, i)),
            over_best: over_best(&differences, adaptive_programs.into_iter(), CandidateId(best as u8)),
            speedup: bootstrap_ratio(&reference_ns, &adaptive_ns, SEED),
            mix: random_mix(&worths, adaptive.mean()),
            adaptive,
            stages: stages(measured),
            device_stages: selector.set().is_on_device().then(|| device_stages(measured)),
            oracle: oracle(&inputs, &worths),
            sweep: (!measured.sweep.is_empty()).then(|| Sweep::new(&inputs, selector.premodel())),
            expected: if measured.sweep.is_empty() {
                selector.premodel().expected_by_default()
            } else {
                selector.premodel().expected.clone()
            },
            expected_reference_ns: trained_for.costs_ns[reference],
            reason: reason.to_owned(),
            judged_by: inputs.by,
            singles,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let entry = |top1: f64, times: &Times| {
            let mut value = times.to_json();
            value["top1"] = json!(top1);
            value
        };
        let single = |s: &Single| {
            let mut value = entry(s.top1, &s.times);
            value["name"] = json!(s.name);
            value["share_answered"] = json!(s.share);
            value["share_run"] = json!(s.runs);
            value
        };
        let mut adaptive = entry(self.adaptive_top1, &self.adaptive);
        adaptive["top1_over_best_single"] = json!(self.over_best);
        adaptive["speedup_over_reference_single"] = json!(self.speedup);
        adaptive["stages"] = self.stages.iter().map(|(name, t)| ((*name).to_owned(), t.to_json())).collect();
        if let Some(d) = &self.device_stages {
            adaptive["device"] = json!({
                "h2d": d.h2d.to_json(), "enqueue": d.enqueue.to_json(), "gpu_compute": d.compute.to_json(),
                "d2h": d.d2h.to_json(), "latency": d.latency.to_json(),
            });
        }
        let forecast = self.expected.as_ref().map(|e| {
            json!({
                "top1": e.reward, "mean_ms": e.cost_ns.mean / 1e6, "top1_over_best_single": e.over_best_single,
                "speedup_over_reference_single": self.expected_reference_ns / e.cost_ns.mean, "judged_by": e.judged_by,
            })
        });
        json!({
            "inputs": self.inputs, "engine": self.engine, "device": self.device, "judged_by": self.judged_by,
            "wall_s": self.wall_s,
            "candidates": self.singles.iter().map(single).collect::<Vec<_>>(),
            "best_single": single(&self.singles[self.best]),
            "reference_single": single(&self.singles[self.reference]),
            "adaptive": adaptive,
            "random_mix": { "top1": self.mix, "mean_ms": self.adaptive.mean() },
            "oracle": { "top1": self.oracle.0, "mean_ms": self.oracle.1 },
            "forecast": forecast, "sweep": self.sweep.as_ref().map(Sweep::to_json),
        })
    }

    pub(super) fn to_text(&self, percentiles: &[f64]) -> String {
        let mut text = format!(
            "=== Bench: {} inputs, {}, {} ===\nEngine: {}\nJudged by {}\n\n",
            self.inputs, self.engine, self.device, self.reason, self.judged_by
        );
        let _ = write!(text, "=== Adaptive: stages, ms ===\n{}", self.stage_table());
        text += "\n=== Adaptive: performance summary ===\n";
        self.summarize(percentiles, &mut text);
        let _ = write!(text, "\n=== Candidates side by side ===\n{}\n", self.side_by_side());
        self.compare(&mut text);
        if let Some(sweep) = &self.sweep {
            text += &sweep.to_text();
        }
        text += "(Intervals: 95 %, paired bootstrap over samples, or the rule of three where no sample differs; the forecast's difference: 1.96 standard errors. Speed-ups are over the reference single: the cheapest single \
                 network\nwhose top-1 is within 0.10 points of the best.)\n";
        text
    }

    fn stage_table(&self) -> String {
        let mut head = vec!["stage", "min", "mean", "median"];
        let named: Vec<String> = PERCENTILES[1..].iter().map(|p| format!("p{p}")).collect();
        head.extend(named.iter().map(String::as_str));
        head.push("max");
        let mut table = TextTable::new(&head);
        for (name, t) in &self.stages {
            let mut cells = vec![(*name).to_owned(), f4(t.min()), f4(t.mean())];
            cells.extend(PERCENTILES.iter().map(|&p| f4(t.percentile(p))));
            cells.push(f4(t.max()));
            table.row(cells);
        }
        table.render()
    }

    /// Writes the lines that trtexec prints, too: throughput, latency and its parts, wall time.
    fn summarize(&self, percentiles: &[f64], text: &mut String) {
        let _ = writeln!(text, "Throughput: {:.6} qps", 1e3 / self.adaptive.mean());
        if let Some(d) = &self.device_stages {
            *text += &d.latency.line("Latency", percentiles);
            *text += &d.enqueue.line("Enqueue Time", percentiles);
            *text += &d.h2d.line("H2D Latency", percentiles);
            *text += &d.compute.line("GPU Compute Time", percentiles);
            *text += &d.d2h.line("D2H Latency", percentiles);
            *text += &self.adaptive.line("Total", percentiles);
            *text += "(Latency is H2D + GPU compute + D2H, as trtexec defines it; the last kernel writes results to host memory, so that nothing is \
                      copied back. Total is the host's time from submit to outcome.)\n";
            if d.enqueue.mean() > 0.8 * d.compute.mean() {
                *text += "Warning: enqueueing takes more than 0.8 of the compute time: the GPU waits for the host; keep CUDA graphs on.\n";
            }
        } else {
            *text += &self.adaptive.line("Latency", percentiles);
            let compute = self.stages.iter().find(|(name, _)| *name == "compute");
            if let Some((_, times)) = compute {
                *text += &times.line("Compute Time", percentiles);
            }
        }
        let _ = writeln!(text, "Total Host Walltime: {:.6} s", self.wall_s);
    }

    /// The table with one row for each candidate, the adaptive selector, the random mix and the oracle.
    fn side_by_side(&self) -> String {
        let reference = self.singles[self.reference].times.mean();
        let speedup = |mean: f64| format!("{:.2}x", reference / mean);
        let dash = || "-".to_owned();
        let mut table =
            TextTable::new(&["", "top-1 %", "mean ms", "median ms", "p99 ms", "speed-up", "answers %", "runs %", ""]);
        let mut row = |name: &str, top1: f64, t: &Times, answers: String, runs: String, notes: String| {
            let times = [f4(t.mean()), f4(t.median()), f4(t.percentile(99.0)), speedup(t.mean())];
            table.row([name.to_owned(), percent(top1)].into_iter().chain(times).chain([answers, runs, notes]));
        };
        for (k, s) in self.singles.iter().enumerate() {
            let notes = [(self.best, "best single"), (self.reference, "reference single")];
            let notes: Vec<&str> = notes.into_iter().filter(|&(at, _)| at == k).map(|(_, note)| note).collect();
            let (answers, runs) = (format!("{:.1}", 100.0 * s.share), format!("{:.1}", 100.0 * s.runs));
            row(&s.name, s.top1, &s.times, answers, runs, notes.join(", "));
        }
        row("adaptive", self.adaptive_top1, &self.adaptive, "100.0".into(), dash(), String::new());
        let mut bare = |name: &str, top1: Option<f64>, mean: f64, note: &str| {
            let top1 = top1.map_or_else(dash, percent);
            table.row([name.into(), top1, f4(mean), dash(), dash(), speedup(mean), dash(), dash(), note.into()]);
        };
        bare("random mix", self.mix, self.adaptive.mean(), "best mix of two singles with adaptive's mean");
        bare("oracle", Some(self.oracle.0), self.oracle.1, "cheapest right, in hindsight");
        table.render()
    }

    /// Writes how the adaptive selector compares with the singles and the random mix, and what the training of the premodel
    /// expected.
    fn compare(&self, text: &mut String) {
        let over = &self.over_best;
        let speedup = &self.speedup;
        let _ = write!(
            text,
            "Adaptive top-1 less best single's ({}): {:+.2} points [{:+.2}, {:+.2}]\n\
             Adaptive speed-up over reference single ({}): {:.2}x [{:.2}, {:.2}]\n",
            self.singles[self.best].name,
            100.0 * over.mean,
            100.0 * over.low,
            100.0 * over.high,
            self.singles[self.reference].name,
            speedup.mean,
            speedup.low,
            speedup.high
        );
        if let Some(mix) = self.mix {
            let _ =
                writeln!(text, "Adaptive top-1 less random mix's: {:+.2} points", 100.0 * (self.adaptive_top1 - mix));
        }
        if let Some(e) = &self.expected {
            let b = &e.over_best_single;
            let _ = writeln!(
                text,
                "Forecast from validation: top-1 {:.2} % [{:.2}, {:.2}], {:+.2} points over best single [{:+.2}, {:+.2}], mean {:.4} \
                 ms, speed-up {:.2}x ({})",
                100.0 * e.reward.mean,
                100.0 * e.reward.low,
                100.0 * e.reward.high,
                100.0 * b.mean,
                100.0 * b.low,
                100.0 * b.high,
                e.cost_ns.mean / 1e6,
                self.expected_reference_ns / e.cost_ns.mean,
                e.judged_by
            );
        }
    }
}

/// The indices of the best single, which has the largest top-1 (of several, the cheapest), and of the reference single, which is
/// the cheapest whose top-1 is lower by at most [`REFERENCE_SLACK`].
fn best_and_reference(singles: &[Single]) -> (usize, usize) {
    let cheaper = |a: usize, b: usize| singles[b].times.mean().total_cmp(&singles[a].times.mean());
    let best = (0..singles.len())
        .max_by(|&a, &b| singles[a].top1.total_cmp(&singles[b].top1).then(cheaper(a, b)))
        .unwrap_or(0);
    // Shares are rounded before they are compared, since 0.934 − 0.001 and 0.933 are different floating-point numbers.
    let points = |x: f64| (x * 1e9).round();
    let near = (0..singles.len()).filter(|&k| points(singles[k].top1) >= points(singles[best].top1 - REFERENCE_SLACK));
    (best, near.max_by(|&a, &b| cheaper(a, b)).unwrap_or(best))
}

fn f4(ms: f64) -> String {
    format!("{ms:.4}")
}

fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_the_cheapest_within_a_tenth_of_a_point() {
        let single =
            |top1: f64, ns: u64| Single { name: String::new(), top1, times: Times::of_ns([ns]), share: 0.0, runs: 0.0 };
        let of = |list: &[(f64, u64)]| best_and_reference(&list.iter().map(|&(t, n)| single(t, n)).collect::<Vec<_>>());
        assert_eq!(of(&[(0.90, 1), (0.933, 5), (0.934, 9)]), (2, 1));
        assert_eq!(of(&[(0.90, 1), (0.9329, 5), (0.934, 9)]), (2, 2));
        assert_eq!(of(&[(0.934, 9), (0.934, 5)]), (1, 1));
    }
}
