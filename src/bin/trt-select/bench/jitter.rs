//! `bench --jitter`: measures the distribution of the time from frame to answer, with its rare long times, and what the operating
//! system did meanwhile. The measuring loop allocates nothing: samples are loaded before it, and times go into a histogram.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::json;
use trt_select::clock::Clock;
use trt_select::engines::registry::EngineKind;
use trt_select::realtime::{self, Usage};
use trt_select::samples::{Buffer, Samples};
use trt_select::{Error, ErrorKind, Input, Result, Selector};

use super::Args;
use crate::common::{print, print_json, say};

/// Number of runs without `--iterations`.
const RUNS: u64 = 1_000_000;
/// Number of seconds after which the measurement ends without `--iterations` and `--duration`. The null engine has no such limit.
const REAL_SECONDS: f64 = 60.0;
/// The largest number of samples that are held in memory. Further runs use them again.
const SAMPLES: usize = 1_000;
/// Number of significant decimal digits that the histogram keeps of a time.
const DIGITS: u8 = 3;
/// How exact this is: a time up to 2,047 ns is known to the nanosecond, and a longer one to this fraction of itself (one in
/// `WITHIN`).
const WITHIN: u64 = 1_024;
/// Number of characters of the longest bar.
const BAR: f64 = 50.0;
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

/// A histogram of times in nanoseconds. Of the shortest and the longest time the exact values are kept, too.
struct Times {
    counts: Histogram<u64>,
    min: u64,
    max: u64,
}

impl Times {
    fn new() -> Result<Times> {
        // The histogram has a bucket for every `u64`, so it allocates nothing later.
        let mut counts = Histogram::new_with_bounds(1, u64::MAX, DIGITS).map_err(|e| {
            Error::expected(ErrorKind::Usage, "jitter", "a histogram that can be made", e, "report this as a bug")
        })?;
        // The operating system gives a process its memory pages only when they are first written to. So zeros are written to all
        // buckets now, which keeps page faults out of the measurement. `black_box` hides from the compiler that the buckets are
        // zero already.
        std::hint::black_box(&mut counts).reset();
        Ok(Times { counts, min: u64::MAX, max: 0 })
    }

    fn add(&mut self, ns: u64) {
        self.counts.saturating_record(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    fn total(&self) -> u64 {
        self.counts.len()
    }

    /// The time that this share of the runs did not exceed. The histogram knows only the bucket of that time, so this is the
    /// longest time in the bucket, but never more than the longest time measured.
    fn quantile(&self, share: f64) -> u64 {
        let longest = self.counts.value_at_quantile(share);
        if self.counts.equivalent(longest, self.max) { self.max } else { longest }
    }

    /// The rows to print: from, to (exclusive), count. Each power of two is divided into eight, four, two or one rows, the most
    /// that make no more than forty rows in all. Empty rows are left out.
    fn rows(&self) -> Vec<(u64, u64, u64)> {
        let octaves = self.max.max(1).ilog2() - self.min.clamp(1, self.max.max(1)).ilog2() + 1;
        // The number of rows in each power of two is 8, 4, 2 or 1; this is its binary logarithm.
        let parts_log2 = (0..=3).rev().find(|&parts| octaves << parts <= 40).unwrap_or(0);
        let mut rows: Vec<(u64, u64, u64)> = Vec::new();
        for step in self.counts.iter_recorded() {
            let ns = step.value_iterated_to();
            let shift = ns.max(1).ilog2().saturating_sub(parts_log2);
            let from = ns >> shift << shift;
            match rows.last_mut() {
                Some(row) if row.0 == from => row.2 += step.count_at_value(),
                _ => rows.push((from, from.saturating_add(1 << shift), step.count_at_value())),
            }
        }
        rows
    }
}

struct Measured {
    times: Times,
    wall: Duration,
    usage: Usage,
    failures: u64,
}

fn measure(selector: &mut Selector, inputs: &[Input<'_>], runs: u64, most_ns: u64, idle: Duration) -> Result<Measured> {
    let clock = Clock::chosen();
    let (mut times, mut failures) = (Times::new()?, 0);
    // Every input runs once before the measurement, so that all memory that depends on an input's size is allocated.
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
    let null = args.engine.engine == EngineKind::Null;
    let seconds = if args.duration > 0.0 { args.duration } else { REAL_SECONDS };
    let bounded = !null && args.iterations.is_none();
    let most_ns = if bounded { (seconds * 1e9) as u64 } else { u64::MAX };
    let runs = args.iterations.map_or(RUNS, u64::from);
    if bounded {
        say(format_args!("jitter: at most {runs} runs and {seconds} s; with --iterations there is no limit of time"));
    }
    let mut buffers = Vec::new();
    for i in 0..samples.len().min(SAMPLES) {
        let mut buffer = Buffer::new();
        samples.load(i, &mut buffer)?;
        buffers.push(buffer);
    }
    let inputs = buffers.iter().map(Buffer::input).collect::<Result<Vec<_>>>()?;
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
        .map(|(from, to, count)| json!({ "from_ns": from, "to_ns": to, "count": count }))
        .collect();
    json!({
        "engine": engine, "runs": times.total(), "failures": measured.failures, "wall_s": measured.wall.as_secs_f64(),
        "min_ns": times.min, "max_ns": times.max,
        "p50_ns": times.quantile(0.5), "p99_ns": times.quantile(0.99), "p99_9_ns": times.quantile(0.999),
        "p99_99_ns": times.quantile(0.9999),
        "minor_faults": usage.minor_faults, "major_faults": usage.major_faults,
        "voluntary_switches": usage.voluntary_switches, "involuntary_switches": usage.involuntary_switches,
        "lock_memory": args.realtime.lock_memory, "core": args.realtime.core, "realtime": args.realtime.realtime,
        "histogram": histogram,
    })
}

fn to_text(measured: &Measured, engine: &str, args: &Args) -> String {
    let (times, usage) = (&measured.times, measured.usage);
    let mut text = format!("=== Jitter: {} runs, {engine}, {:.3} s ===\n", times.total(), measured.wall.as_secs_f64());
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
    let _ = writeln!(text, ", max = {} ns (percentiles within 1/{WITHIN})", times.max);
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
    fn buckets_hold_their_times() {
        let mut times = Times::new().unwrap();
        for ns in (0..5_000).chain((0..64).flat_map(|s| [(1_u64 << s) - 1, 1 << s, (1 << s) + 1])).chain([u64::MAX]) {
            let (least, most) = (times.counts.lowest_equivalent(ns), times.counts.highest_equivalent(ns));
            assert!(least <= ns && ns - least <= ns / WITHIN, "{ns}: from {least}");
            assert!(ns <= most && most - ns <= ns / WITHIN, "{ns}: to {most}");
            assert_eq!(times.counts.lowest_equivalent(least), least);
            times.add(ns);
            assert_eq!(times.quantile(1.0), times.max, "nothing is cut off at the end");
        }
        assert_eq!(times.total(), 5_000 + 3 * 64 + 1);
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut h = Times::new().unwrap();
        (1..=100_000_u64).for_each(|ns| h.add(ns));
        for (_, share) in QUANTILES {
            let (want, got) = (100_000.0 * share, h.quantile(share) as f64);
            assert!(got >= want && got <= want * (1.0 + 1.0 / WITHIN as f64), "{share}: {got}");
        }
        assert_eq!((h.min, h.max, h.quantile(1.0)), (1, 100_000, 100_000));
        assert_eq!(h.rows().iter().map(|r| r.2).sum::<u64>(), 100_000);
        assert!(h.rows().windows(2).all(|w| w[0].1 <= w[1].0) && h.rows().len() <= 40);
    }

    /// A row holds the times from its first bound to before its second one.
    #[test]
    fn rows_hold_their_times() {
        for times in [&[1, 7, 9, 200][..], &[300, 301, 350, 420, 100_000], &[0, 1, u64::MAX >> 1]] {
            let mut h = Times::new().unwrap();
            times.iter().for_each(|&ns| h.add(ns));
            for (from, to, count) in h.rows() {
                assert_eq!(times.iter().filter(|&&ns| (from..to).contains(&ns)).count() as u64, count, "{from}..{to}");
            }
            assert_eq!(h.rows().iter().map(|r| r.2).sum::<u64>(), times.len() as u64);
        }
    }
}
