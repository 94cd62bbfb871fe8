//! `build`: builds serialized TensorRT engines (plans) from ONNX models, and writes them with their sidecars.

#[cfg(feature = "tensorrt")]
mod plans;

use std::path::PathBuf;

use trt_select::{Error, ErrorKind, Result};

use crate::common::{SampleArgs, number};

/// Arguments of `build`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// An ONNX model, or the folder of a bundle; the plans of a bundle's candidates are written to the files that the bundle
    /// names
    #[arg(value_name = "MODEL|BUNDLE")]
    source: PathBuf,
    /// The plan to write, if MODEL is given
    #[arg(short, long, value_name = "PLAN")]
    output: Option<PathBuf>,
    /// Let a model's plan compute in half precision (in a bundle, the candidate's `precision` says so)
    #[arg(long)]
    fp16: bool,
    /// GPU to build for: `current`, or a compute capability such as sm_80, if the library can build for another GPU
    #[arg(long, value_name = "GPU", default_value = "current", value_parser = target)]
    target: Target,
    /// Most device memory that TensorRT may use for one layer's scratch space [default: the library's own; before 8.4, which has none, all of
    /// the GPU's memory, or 256 MiB where the GPU has no memory of its own]
    #[arg(long, value_name = "MiB", value_parser = clap::value_parser!(u32).range(1..))]
    workspace: Option<u32>,
    /// Which GPU of this machine kernels are timed on, as CUDA counts them
    #[arg(long, value_name = "N", default_value_t = 0)]
    device: u32,
    /// Build plans that later versions of TensorRT run too (from 8.6 on; not RTX). They bring a lean runtime with them, and run slower than
    /// plans of one version
    #[arg(long)]
    version_compatible: bool,
    /// Leave the lean runtime out of version-compatible plans; libraries of other versions then need libnvinfer_lean of this one beside them,
    /// or in TRT_SELECT_LIBNVINFER_LEAN
    #[arg(long, requires = "version_compatible")]
    exclude_lean_runtime: bool,
    /// Sources of kernels to add or to leave out, as for trtexec: -CUDNN,-CUBLAS,-CUBLAS_LT
    #[arg(long, value_name = "SOURCES", allow_hyphen_values = true, value_parser = tactic_sources)]
    tactic_sources: Option<String>,
    /// Keep the builder's timings in this file, so that the next build chooses the same kernels [default: in a bundle, a file in its folder
    /// for each version and GPU; with a model, none]
    #[arg(long, value_name = "FILE", conflicts_with = "no_timing_cache")]
    timing_cache_file: Option<PathBuf>,
    /// Neither read nor keep the builder's timings
    #[arg(long)]
    no_timing_cache: bool,
    /// Build this candidate of a bundle only; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// In a bundle, also build plans that are up to date, and replace plans that trt-select did not build
    #[arg(long)]
    force: bool,
    /// Print one JSON object when done
    #[arg(long)]
    json: bool,
    /// Before a plan takes its place, let it and its model answer the same inputs, and refuse it if they disagree. The plan runs on this
    /// GPU, the model on the CPU: on ONNX Runtime if it is found, else on tract. What comes out is printed and recorded in the sidecar.
    /// In a bundle, plans that are up to date and not verified yet are verified too
    #[arg(long, help_heading = "Verification")]
    verify: bool,
    /// Smallest percentage of inputs on which both must give the same most probable class [default: 99.5 for fp32, 99 for fp16]
    #[arg(long, value_name = "PERCENT", requires = "verify", value_parser = number(0.0, 100.0), help_heading = "Verification")]
    verify_at_least: Option<f64>,
    /// Number of inputs: the first N samples in their order (all of them, if there are fewer). Without --list, a model that is given
    /// alone answers N random tensors, the same ones every time, whose elements lie in 0..1
    #[arg(long, value_name = "N", requires = "verify", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..), help_heading = "Verification")]
    verify_samples: u32,
    #[command(flatten, next_help_heading = "Verification")]
    samples: SampleArgs,
}

/// The GPU to build for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "tensorrt"), allow(dead_code, reason = "read by the part that builds"))]
enum Target {
    /// The GPU of this machine.
    Current,
    /// A GPU with this compute capability: its major and its minor number.
    Capability(u32, u32),
}

fn target(text: &str) -> std::result::Result<Target, String> {
    if text == "current" {
        return Ok(Target::Current);
    }
    let digits =
        text.strip_prefix("sm_").filter(|d| (2..=3).contains(&d.len()) && d.bytes().all(|b| b.is_ascii_digit()));
    match digits.and_then(|d| d.parse::<u32>().ok()) {
        Some(number @ 50..) => Ok(Target::Capability(number / 10, number % 10)),
        _ => Err("expected current, or sm_ and a compute capability's digits, such as sm_80".to_owned()),
    }
}

/// The text, if it names sources of tactics. A program without TensorRT refuses to build anyway.
fn tactic_sources(text: &str) -> std::result::Result<String, String> {
    #[cfg(feature = "tensorrt")]
    text.parse::<trt_select::engines::tensorrt::Tactics>()?;
    Ok(text.to_owned())
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let object = || args.source.display().to_string();
    let usage = |object: String, expected: &str, got: &str, remedy: &str| {
        Err(Error::expected(ErrorKind::Usage, object, expected, got, remedy))
    };
    if let Some(option) = args.samples.option().filter(|_| !args.verify) {
        return usage(format!("build: {option}"), "--verify, which is what samples are for", "none", "add it");
    }
    if args.source.is_dir() {
        if args.output.is_some() {
            let remedy = "leave it out; the bundle's `plan` keys say where plans go";
            return usage("build: -o".into(), "no such option with a bundle", "one", remedy);
        }
        if args.fp16 {
            let remedy = "set the candidate's `precision = \"fp16\"` in bundle.toml";
            return usage("build: --fp16".into(), "no such option with a bundle", "one", remedy);
        }
    } else {
        let Some(output) = &args.output else {
            let got = if args.source.exists() { "a file without -o" } else { "no such file or folder" };
            return usage(
                object(),
                "a bundle's folder, or a model with -o PLAN",
                got,
                "say where its plan goes with -o",
            );
        };
        if !args.only.is_empty() {
            return usage("build: --only".into(), "a bundle's folder", "a model", "leave it out");
        }
        if args.samples.option() == Some("--images") {
            let remedy = "give a table of its tensors' values with --list";
            return usage("build: --images".into(), "a bundle's folder", "a model", remedy);
        }
        if let (Ok(model), Ok(plan)) = (args.source.canonicalize(), output.canonicalize())
            && model == plan
        {
            return usage(
                output.display().to_string(),
                "another file than the model",
                "the same",
                "choose another with -o",
            );
        }
    }
    build(args)
}

#[cfg(feature = "tensorrt")]
fn build(args: &Args) -> Result<()> {
    plans::build(args)
}

#[cfg(not(feature = "tensorrt"))]
fn build(_: &Args) -> Result<()> {
    Err(Error::from_static(
        ErrorKind::Engine,
        "build: expected a trt-select with TensorRT, got one without; build it with `cargo build --release --features tensorrt`",
    ))
}
