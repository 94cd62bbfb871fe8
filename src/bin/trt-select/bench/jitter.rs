//! `bench --jitter`: how the time from frame to answer is spread, to its last thousandths, and what the operating system did
//! meanwhile. The loop allocates nothing: samples are loaded before it, and what is measured goes into a histogram.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use trt_select::clock::Clock;
use trt_select::engines::registry::Kind;
use trt_select::realtime::{self, Usage};
use trt_select::samples::{Buffer, Samples};
use trt_select::{Input, Result, Selector};

use super::Args;
use crate::common::{input, print, print_json, say};

/// Runs, where nothing else is said.
const RUNS: u64 = 1_000_000;
/// Seconds after which a real engine stops, where nothing else is said.
const REAL_SECONDS: f64 = 60.0;
/// Samples held in memory at most; they come round again.
const SAMPLES: usize = 1_000;
/// Parts that each power of two is divided into: a time is known within 1/64.
const PARTS: usize = 64;
const PARTS_LOG2: u32 = PARTS.ilog2();
/// Characters of the longest bar.
const BAR: f64 = 50.0;
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// Counts of times in nanoseconds, by powers of two and parts of them.
struct Histogram {
    counts: Vec<u64>,
    total: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    fn new() -> Histogram {
        // Written, so that the pages are there.
        let mut counts = vec![1; (64 - PARTS_LOG2 as usize + 1) * PARTS];
        counts.fill(0);
        Histogram { counts, total: 0, min: u64::MAX, max: 0 }
    }

    /// Times below `PARTS` have a place each; the others share one with those that agree in their first bits.
    fn place(ns: u64) -> usize {
        if ns < PARTS as u64 {
            return ns as usize;
        }
        let shift = ns.ilog2() - PARTS_LOG2;
        (shift as usize) * PARTS + (ns >> shift) as usize
    }

    /// The least time of a place.
    fn least(place: usize) -> u64 {
        if place < 2 * PARTS {
            return place as u64;
        }
        let shift = place / PARTS - 1;
        ((place - shift * PARTS) as u64) << shift
    }

    fn add(&mut self, ns: u64) {
        self.counts[Histogram::place(ns)] += 1;
        self.total += 1;
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    /// The time that a share of the runs did not exceed: the upper end of its place, and never over the greatest.
    fn quantile(&self, share: f64) -> u64 {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut sum = 0;
        for (place, count) in self.counts.iter().enumerate() {
            sum += count;
            if sum >= wanted {
                return (Histogram::least(place + 1) - 1).min(self.max);
            }
        }
        self.max
    }

    /// Rows to show: from, to (exclusive), count. As many a power of two as keep them to about forty, the empty ones left out.
    fn rows(&self) -> Vec<(u64, u64, u64)> {
        let octaves = (self.max.max(1).ilog2() - self.min.clamp(1, self.max.max(1)).ilog2() + 1) as usize;
        let step = PARTS / [8, 4, 2, 1].into_iter().find(|n| n * octaves <= 40).unwrap_or(1);
        let rows = self.counts.chunks(step).enumerate().filter_map(|(i, counts)| {
            let count = counts.iter().sum();
            let ends = [i, i + 1].map(|i| Histogram::least(i * step));
            (count > 0).then_some((ends[0], ends[1], count))
        });
        rows.collect()
    }
}

struct Measured {
    times: Histogram,
    wall: Duration,
    usage: Usage,
    failures: u64,
}

fn measure(selector: &mut Selector, inputs: &[Input<'_>], runs: u64, most_ns: u64, idle: Duration) -> Result<Measured> {
    let clock = Clock::chosen();
    let (mut times, mut failures) = (Histogram::new(), 0);
    // Every input once, so that no size comes for the first time.
    for &input in inputs {
        selector.infer(input)?;
    }
    let before = realtime::usage();
    let begun = clock.now();
    let mut next = 0;
    for _ in 0..runs {
        if !idle.is_zero() {
            std::thread::sleep(idle);
        }
        let start = clock.now();
        let outcome = selector.infer(inputs[next])?;
        let end = clock.now();
        times.add(clock.ns_between(start, end));
        failures += u64::from(!outcome.failed.is_empty());
        next = if next + 1 == inputs.len() { 0 } else { next + 1 };
        if clock.ns_between(begun, end) >= most_ns {
            break;
        }
    }
    let wall = Duration::from_nanos(clock.ns_between(begun, clock.now()));
    Ok(Measured { times, wall, usage: realtime::usage().since(before), failures })
}

pub(super) fn main(selector: &mut Selector, samples: &Samples, args: &Args) -> Result<()> {
    let null = args.engine.engine == Kind::Null;
    let seconds = if args.duration > 0.0 { args.duration } else { REAL_SECONDS };
    let bounded = !null && args.iterations.is_none();
    let most_ns = if bounded { (seconds * 1e9) as u64 } else { u64::MAX };
    let runs = args.iterations.map_or(RUNS, u64::from);
    if bounded {
        say(format_args!("jitter: {runs} runs, or {seconds} s, whichever is first; --iterations lifts the bound"));
    }
    let mut buffers = Vec::new();
    for i in 0..samples.len().min(SAMPLES) {
        let mut buffer = Buffer::new();
        samples.load(i, &mut buffer)?;
        buffers.push(buffer);
    }
    let inputs = buffers.iter().map(input).collect::<Result<Vec<_>>>()?;
    let idle = Duration::from_secs_f64(args.idle_time / 1e3);
    let measured = measure(selector, &inputs, runs, most_ns, idle)?;
    if measured.failures > 0 {
        log::warn!("a candidate failed on {} inputs, and another answered; the times include that", measured.failures);
    }
    let engine = selector.candidates()[0].description().version.clone();
    if args.json { print_json(&to_json(&measured, &engine, args)) } else { print(&to_text(&measured, &engine, args)) }
}

fn to_json(measured: &Measured, engine: &str, args: &Args) -> serde_json::Value {
    let (times, usage) = (&measured.times, measured.usage);
    let histogram: Vec<_> = times
        .rows()
        .into_iter()
        .map(|(from, to, count)| json!({ "fromNs": from, "toNs": to, "count": count }))
        .collect();
    json!({
        "engine": engine, "runs": times.total, "failures": measured.failures, "wallS": measured.wall.as_secs_f64(),
        "minNs": times.min, "maxNs": times.max,
        "p50Ns": times.quantile(0.5), "p99Ns": times.quantile(0.99), "p99_9Ns": times.quantile(0.999),
        "p99_99Ns": times.quantile(0.9999),
        "minorFaults": usage.minor_faults, "majorFaults": usage.major_faults,
        "voluntarySwitches": usage.voluntary_switches, "involuntarySwitches": usage.involuntary_switches,
        "lockMemory": args.realtime.lock_memory, "core": args.realtime.core, "realtime": args.realtime.realtime,
        "histogram": histogram,
    })
}

fn to_text(measured: &Measured, engine: &str, args: &Args) -> String {
    let (times, usage) = (&measured.times, measured.usage);
    let mut text = format!("=== Jitter: {} runs, {engine}, {:.3} s ===\n", times.total, measured.wall.as_secs_f64());
    let _ = writeln!(
        text,
        "Memory {}; {}; {}",
        if args.realtime.lock_memory { "locked" } else { "not locked" },
        args.realtime.core.map_or_else(|| "any core".to_owned(), |n| format!("core {n}")),
        args.realtime.realtime.map_or_else(|| "usual priority".to_owned(), |p| format!("SCHED_FIFO {p}")),
    );
    let _ = writeln!(text, "\nFrom submit to outcome, ns; bars are logarithmic");
    let log = |n: u64| (1.0 + n as f64).ln();
    let widest = times.rows().iter().map(|r| r.2).max().unwrap_or(1);
    for (from, to, count) in times.rows() {
        let bar = "#".repeat((BAR * log(count) / log(widest)).ceil() as usize);
        let _ = writeln!(text, "{from:>12} .. {to:<12}{count:>10} {bar}");
    }
    let _ = write!(text, "\nLatency: min = {} ns", times.min);
    for (name, share) in QUANTILES {
        let _ = write!(text, ", {name} = {} ns", times.quantile(share));
    }
    let _ = writeln!(text, ", max = {} ns (percentiles within 1/{PARTS})", times.max);
    let _ = writeln!(
        text,
        "Page faults: {} minor, {} major; context switches: {} voluntary, {} involuntary",
        usage.minor_faults, usage.major_faults, usage.voluntary_switches, usage.involuntary_switches
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_hold_their_times() {
        for ns in (0..5_000).chain((0..64).flat_map(|s| [(1_u64 << s) - 1, 1 << s, (1 << s) + 1])).chain([u64::MAX]) {
            let place = Histogram::place(ns);
            let least = Histogram::least(place);
            assert!(least <= ns && ns - least <= ns / PARTS as u64, "{ns}: place {place} from {least}");
            assert_eq!(Histogram::place(least), place);
        }
        assert!(Histogram::place(u64::MAX) < Histogram::new().counts.len());
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut h = Histogram::new();
        (1..=100_000_u64).for_each(|ns| h.add(ns));
        for (_, share) in QUANTILES {
            let (want, got) = (100_000.0 * share, h.quantile(share) as f64);
            assert!(got >= want && got <= want * (1.0 + 1.0 / PARTS as f64), "{share}: {got}");
        }
        assert_eq!((h.min, h.max, h.quantile(1.0)), (1, 100_000, 100_000));
        assert_eq!(h.rows().iter().map(|r| r.2).sum::<u64>(), 100_000);
        assert!(h.rows().windows(2).all(|w| w[0].1 <= w[1].0) && h.rows().len() <= 40);
    }
}
