//! `memory`: prints how much memory a bundle's candidates take, on the host and on the device.

use std::path::PathBuf;

use serde_json::json;
use trt_select::bundle::Bundle;
use trt_select::premodel::CandidateId;
use trt_select::{CandidateSet, Result};

use crate::common::{EngineArgs, print, print_json};
use crate::report::TextTable;

/// Arguments of `memory`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// One line of the report, in bytes.
#[derive(Clone, Copy, Default)]
struct Line {
    host: u64,
    pinned: u64,
    device: u64,
    /// Device memory that is needed only while the candidate runs. All candidates share one block for it.
    activation: u64,
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let bundle = Bundle::read_untrained(&args.bundle)?;
    let (set, choice) = CandidateSet::open(&bundle, &args.engine.config())?;
    let lines: Vec<(String, Line)> = set
        .as_slice()
        .iter()
        .zip(0_u8..)
        .map(|(c, at)| {
            let m = set.memory(CandidateId(at));
            let line = Line {
                host: m.host_bytes,
                pinned: m.pinned_bytes,
                device: m.device_bytes,
                activation: m.activation_bytes,
            };
            (c.name().to_owned(), line)
        })
        .collect();
    let shared = set.shared_memory();
    let activation = lines.iter().map(|(_, l)| l.activation).max().unwrap_or(0);
    let sum = Line {
        host: lines.iter().map(|(_, l)| l.host).sum(),
        pinned: lines.iter().map(|(_, l)| l.pinned).sum::<u64>() + shared.pinned_bytes,
        device: lines.iter().map(|(_, l)| l.device).sum::<u64>()
            + shared.device_bytes
            + shared.library_bytes
            + activation,
        activation,
    };
    if args.json {
        let object = |l: &Line| json!({ "host_bytes": l.host, "pinned_bytes": l.pinned, "device_bytes": l.device, "activation_bytes": l.activation });
        let candidates: Vec<_> = lines
            .iter()
            .map(|(name, l)| {
                let mut value = object(l);
                value["name"] = json!(name);
                value
            })
            .collect();
        return print_json(&json!({
            "engine": choice.kind.name(), "device": set.device(), "candidates": candidates,
            "shared": {
                "pinned_bytes": shared.pinned_bytes, "device_bytes": shared.device_bytes,
                "tensorrt_device_bytes": shared.library_bytes, "activation_block_bytes": activation,
            },
            "sum": object(&sum), "left_out": LEFT_OUT,
        }));
    }
    let mut table = TextTable::new(&["", "host KiB", "pinned KiB", "device KiB", "activation KiB"]);
    let mut row = |name: &str, l: &Line| {
        table.row([name.to_owned(), kib(l.host), kib(l.pinned), kib(l.device), kib(l.activation)])
    };
    for (name, line) in &lines {
        row(name, line);
    }
    row("frames, features", &Line { pinned: shared.pinned_bytes, device: shared.device_bytes, ..Line::default() });
    row("TensorRT, at run time", &Line { device: shared.library_bytes, ..Line::default() });
    row("activation block", &Line { device: activation, ..Line::default() });
    row("sum", &sum);
    print(&format!(
        "Engine: {}\n\n{}\nThe candidates share one activation block of the largest size needed: only one of them runs at a time.\nLeft out: {LEFT_OUT}.\n",
        choice.reason,
        table.render()
    ))
}

/// What the report leaves out.
const LEFT_OUT: &str = "the driver's context and loaded code, the libraries' own host memory, the features' host workspace, and what \
                        TensorRT allocates without its allocator";

fn kib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1024.0)
}
