//! `bench`: every candidate and the adaptive selector on the same inputs, in one run.
//!
//! The inputs are divided into chunks. The candidates and the adaptive selector (with `--sweep`: each of its programs) take turns: each of them runs over all inputs of
//! a chunk, and the order of the turns rotates from chunk to chunk. If the machine becomes slower or faster meanwhile, that
//! affects all of them alike. So ratios of their times can be trusted more than the times themselves.

mod inputs;
mod jitter;
mod sweep;
mod table;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use trt_select::samples::{Buffer, Samples};
use trt_select::{Outcome, Result, Run, Selector};
use trt_select_premodel::CandidateId;

use crate::common::{EngineArgs, Output, RealtimeArgs, SampleArgs, number, print, print_json, progress, say};
use crate::provenance;
use crate::remedies::{of_bundle, read_bundle};
use crate::report::warnings_json;

/// The note on aliases at the end of the help text. `bench` has more aliases than the other subcommands.
const SPELLINGS: &str = "GPU options, --warm-up, --idle-time and --export-times are also taken in trtexec's spelling: as one word, with a \
                         capital in place of each hyphen.";

/// Arguments of `bench`.
#[derive(clap::Args)]
#[command(after_help = SPELLINGS)]
pub(crate) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    #[command(flatten)]
    samples: SampleArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Number of inputs to measure; if there are fewer samples, they are used again [default: every sample once]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    iterations: Option<u32>,
    /// Go on for at least this many seconds
    #[arg(long, value_name = "S", default_value_t = 0.0, value_parser = number(0.0, 1e6))]
    duration: f64,
    /// Run for this many milliseconds before measuring
    #[arg(long, alias = "warmUp", value_name = "MS", default_value_t = 200.0, value_parser = number(0.0, 1e9))]
    warm_up: f64,
    /// Wait for this many milliseconds before each input, as a program does that waits for a camera
    #[arg(long, alias = "idleTime", value_name = "MS", default_value_t = 0.0, value_parser = number(0.0, 60_000.0))]
    idle_time: f64,
    /// Percentiles of the Latency line
    #[arg(long, value_name = "P,...", value_delimiter = ',', default_value = "90,95,99", value_parser = number(0.001, 100.0))]
    percentile: Vec<f64>,
    /// Write every measured time to this file as JSON
    #[arg(long, alias = "exportTimes", value_name = "FILE")]
    export_times: Option<PathBuf>,
    /// Run only the adaptive selector, 1,000,000 times unless --iterations says otherwise, and show the distribution of its
    /// times, with page faults and context switches. With an engine other than null this ends after 60 s, or after --duration,
    /// unless --iterations is given
    #[arg(long, conflicts_with_all = ["percentile", "export_times"])]
    jitter: bool,
    /// Measure every program of the premodel, each as a further contender, and hold it against its forecast. Without this
    /// option the premodel's own choice is measured: its chosen program, or its mix
    #[arg(long, conflicts_with = "jitter")]
    sweep: bool,
    #[command(flatten)]
    realtime: RealtimeArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Number of inputs in a chunk.
const CHUNK: usize = 100;

/// What was measured on each input, in the order of measuring.
pub(crate) struct Measured {
    /// Index of each input's sample.
    pub(crate) samples: Vec<usize>,
    /// For each candidate, its run on each input.
    pub(crate) singles: Vec<Vec<Run>>,
    /// The outcome of the premodel's own choice on each input: its chosen program, or its mix. With `--sweep` of the chosen program.
    pub(crate) adaptive: Vec<Outcome>,
    /// For each program its outcome on each input; empty without `--sweep`.
    pub(crate) sweep: Vec<Vec<Outcome>>,
    /// Wall time of the whole measurement.
    pub(crate) wall: Duration,
    /// How often a candidate failed under the selector.
    pub(crate) failures: usize,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let bundle = read_bundle(&args.bundle)?;
    let samples = args.samples.open(&bundle)?;
    let mut config = args.engine.config();
    config.gpu.timing = true;
    let (mut selector, choice) = Selector::open(&bundle, &config).map_err(|e| of_bundle(e, &bundle))?;
    samples.check_classes(selector.candidates()[0].classes())?;
    say(format_args!("Engine: {}", choice.reason));
    let used = args.iterations.map_or(samples.len(), |n| n as usize);
    let warnings = provenance::warn(&bundle, Some((&samples, used)));
    let export_to = args.export_times.as_deref().map(|path| Output::open(path, "--export-times")).transpose()?;
    warm_up(&mut selector, &samples, Duration::from_secs_f64(args.warm_up / 1e3))?;
    args.realtime.apply()?;
    if args.jitter {
        return jitter::main(&mut selector, &samples, args);
    }
    let measured = measure(&mut selector, &samples, args)?;
    if measured.failures > 0 {
        log::warn!("a candidate failed {} times, and another answered; the times include that", measured.failures);
    }
    let device = selector.set().device();
    let results = table::Results::new(&measured, &selector, &samples, &choice.reason, device);
    let to_json = || {
        let mut object = results.to_json();
        object["warnings"] = warnings_json(&warnings);
        object
    };
    if args.json { print_json(&to_json()) } else { print(&results.to_text(&args.percentile)) }?;
    export_to.map_or(Ok(()), |output| output.write(&export(&measured, &selector, &samples)))
}

fn warm_up(selector: &mut Selector, samples: &Samples, least: Duration) -> Result<()> {
    let mut buffer = Buffer::new();
    let start = Instant::now();
    for i in 0.. {
        samples.load(i % samples.len(), &mut buffer)?;
        selector.warm_up(buffer.input()?)?;
        selector.infer(buffer.input()?)?;
        if start.elapsed() >= least {
            break;
        }
    }
    Ok(())
}

fn measure(selector: &mut Selector, samples: &Samples, args: &Args) -> Result<Measured> {
    let inputs = args.iterations.map_or(samples.len(), |n| n as usize);
    let least = Duration::from_secs_f64(args.duration);
    let chosen = selector.premodel().chosen();
    // `None` is what the premodel does by itself: its chosen program, or its mix.
    let programs = if args.sweep { (0..selector.programs().len()).map(Some).collect() } else { vec![None] };
    let mut outcomes = vec![Vec::new(); programs.len()];
    let singles = selector.candidates().len();
    let runners = singles + programs.len();
    let mut measured = Measured {
        samples: Vec::new(),
        singles: vec![Vec::new(); singles],
        adaptive: Vec::new(),
        sweep: Vec::new(),
        wall: Duration::ZERO,
        failures: 0,
    };
    let mut buffers: Vec<Buffer> = (0..CHUNK.min(inputs)).map(|_| Buffer::new()).collect();
    let bar = progress(inputs as u64, "measuring");
    let start = Instant::now();
    let mut round = 0;
    while measured.samples.len() < inputs || start.elapsed() < least {
        let done = measured.samples.len();
        let here = if done < inputs { CHUNK.min(inputs - done) } else { CHUNK.min(inputs) };
        for (offset, buffer) in buffers[..here].iter_mut().enumerate() {
            let sample = (done + offset) % samples.len();
            samples.load(sample, buffer)?;
            measured.samples.push(sample);
        }
        for turn in 0..runners {
            let runner = (turn + round) % runners;
            if let Some(&Some(program)) = runner.checked_sub(singles).and_then(|at| programs.get(at)) {
                selector.set_program(program)?;
            }
            for buffer in &buffers[..here] {
                if args.idle_time > 0.0 {
                    std::thread::sleep(Duration::from_secs_f64(args.idle_time / 1e3));
                }
                if runner >= singles {
                    outcomes[runner - singles].push(selector.infer(buffer.input()?)?);
                    measured.failures += usize::from(selector.failure().is_some());
                } else {
                    measured.singles[runner].push(selector.run_single(CandidateId(runner as u8), buffer.input()?)?);
                }
            }
        }
        round += 1;
        bar.set_position(measured.samples.len().min(inputs) as u64);
    }
    bar.finish_and_clear();
    measured.wall = start.elapsed();
    if args.sweep {
        measured.adaptive = outcomes[chosen].clone();
        measured.sweep = outcomes;
    } else {
        measured.adaptive = outcomes.swap_remove(0);
    }
    Ok(measured)
}

/// All measured times as JSON, with one object for each input.
fn export(measured: &Measured, selector: &Selector, samples: &Samples) -> String {
    let names = selector.premodel().candidates();
    let rows = measured.samples.iter().enumerate().map(|(i, &sample)| {
        let o = &measured.adaptive[i];
        let singles: Vec<_> = names
            .iter()
            .zip(&measured.singles)
            .map(|(name, runs)| {
                let r = &runs[i];
                json!({
                    "name": name, "preprocess_ms": ms(r.preprocess_ns), "compute_ms": ms(r.compute_ns), "class": r.summary.class,
                })
            })
            .collect();
        json!({
            "input": samples.name(sample), "label": samples.label(sample), "class": o.class,
            "features_ms": ms(o.times.features_ns), "decide_ms": ms(o.times.decide_ns),
            "preprocess_ms": ms(o.times.preprocess_ns), "compute_ms": ms(o.times.compute_ns),
            "h2d_ms": ms(o.times.device.upload_ns), "enqueue_ms": ms(o.times.device.enqueue_ns),
            "gpu_features_ms": ms(o.times.device.features_ns), "gpu_compute_ms": ms(o.times.device.compute_ns),
            "latency_ms": ms(o.times.total_ns), "singles": singles,
        })
    });
    let mut text = String::from("[\n");
    for (i, row) in rows.enumerate() {
        text += if i == 0 { "" } else { ",\n" };
        text += &row.to_string();
    }
    text += "\n]\n";
    text
}

fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
