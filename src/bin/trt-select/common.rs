//! What several subcommands share: options for the engine and the samples, and output.

use std::fmt::Display;
use std::io::{ErrorKind as Io, IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trt_select::bundle::{Bundle, SampleSource};
use trt_select::cuda::FrameMemory;
use trt_select::engines::registry::EngineKind;
use trt_select::samples::Samples;
use trt_select::{Error, ErrorKind, GpuConfig, OpenConfig, Result, realtime};
use trt_select_base::file::Draft;

/// The note on aliases at the end of a help text. The options themselves show one spelling only, which keeps the help readable.
const SPELLINGS: &str =
    "GPU options are also taken in trtexec's spelling: as one word, with a capital in place of each hyphen.";

/// Which engine runs the networks.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = SPELLINGS)]
pub(crate) struct EngineArgs {
    /// Engine: auto, tensorrt, ort, tract, or null (runs no network: for measuring the selector itself)
    #[arg(long, default_value = "tract", value_parser = |s: &str| s.parse::<EngineKind>().map_err(|e| e.to_string()))]
    pub(crate) engine: EngineKind,
    /// Threads that one inference uses, if the engine runs on the CPU
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Refuse a premodel that was trained for another engine, precision or device, instead of warning about it
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) gpu: GpuArgs,
}

/// Options for engines on a GPU. Other engines ignore them.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct GpuArgs {
    /// Number of the GPU, as CUDA counts them
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "GPU")]
    device: u32,
    /// Replay each candidate's work as a CUDA graph (the default)
    #[arg(long, alias = "useCudaGraph", conflicts_with = "no_cuda_graph", help_heading = "GPU")]
    use_cuda_graph: bool,
    /// Enqueue each candidate's work part by part, without a CUDA graph
    #[arg(long, alias = "noCudaGraph", help_heading = "GPU")]
    no_cuda_graph: bool,
    /// Memory that frames go to: device, mapped, or auto (device, but on integrated GPUs the one that is measured to be faster)
    #[arg(long, alias = "frameMemory", value_name = "KIND", default_value = "auto", value_parser = str::parse::<FrameMemory>, help_heading = "GPU")]
    frame_memory: FrameMemory,
    /// Most device memory that weights may take, in MiB; to make room, candidates that were not used for longest are evicted
    #[arg(long, alias = "maxResident", value_name = "MiB", value_parser = clap::value_parser!(u32).range(1..), help_heading = "GPU")]
    max_resident: Option<u32>,
    /// Keep plans in memory, so that an evicted candidate is loaded again without reading the disk
    #[arg(long, alias = "keepPlans", help_heading = "GPU")]
    keep_plans: bool,
}

impl GpuArgs {
    fn config(&self) -> GpuConfig {
        GpuConfig::default()
            .ordinal(self.device)
            .frame_memory(self.frame_memory)
            .graphs(!self.no_cuda_graph)
            .keep_plans(self.keep_plans)
            .max_resident_bytes(self.max_resident.map(|mib| u64::from(mib) << 20))
    }
}

impl EngineArgs {
    pub(crate) fn config(&self) -> OpenConfig {
        OpenConfig::new(self.engine).threads(usize::from(self.threads)).strict(self.strict).gpu(self.gpu.config())
    }
}

/// How the measuring thread runs: see `trt_select::realtime`.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct RealtimeArgs {
    /// Keep all memory of the process from being paged out (mlockall)
    #[arg(long, help_heading = "Real time")]
    pub(crate) lock_memory: bool,
    /// Stay on this core, counted from 0
    #[arg(long, value_name = "N", help_heading = "Real time")]
    pub(crate) core: Option<usize>,
    /// Run at this real-time priority, 1 to 99 (SCHED_FIFO)
    #[arg(long, value_name = "PRIORITY", value_parser = clap::value_parser!(u8).range(1..=99), help_heading = "Real time")]
    pub(crate) realtime: Option<u8>,
}

impl RealtimeArgs {
    /// Applies the options. Core and priority are those of the calling thread; the memory is locked for the whole process.
    pub(crate) fn apply(&self) -> Result<()> {
        if let Some(core) = self.core {
            realtime::pin_to_core(core)?;
        }
        if self.lock_memory {
            realtime::lock_memory()?;
        }
        if let Some(priority) = self.realtime {
            realtime::set_priority(priority)?;
        }
        Ok(())
    }
}

/// Options that name samples other than the bundle's own.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SampleArgs {
    /// Images as an IDX file (plain or gzip), in place of the bundle's samples
    #[arg(long, value_name = "IDX", conflicts_with = "list")]
    images: Option<PathBuf>,
    /// Labels of the images as an IDX file
    #[arg(long, value_name = "IDX", requires = "images")]
    labels: Option<PathBuf>,
    /// A CSV list (image,label) of image files, or for tensor inputs a table of their values, in place of the bundle's
    /// samples
    #[arg(long, value_name = "CSV")]
    list: Option<PathBuf>,
    /// Folder that the list's names are relative to [default: the list's folder]
    #[arg(long, value_name = "DIR", requires = "list")]
    root: Option<PathBuf>,
}

impl SampleArgs {
    /// Where the samples come from; `None` if the options name none and the bundle has none.
    pub(crate) fn source(&self, bundle: &Bundle) -> Option<SampleSource> {
        match (&self.images, &self.list) {
            (_, Some(table)) if bundle.input.tensor_len().is_some() => {
                Some(SampleSource::Table { table: table.clone() })
            }
            (Some(images), _) => Some(SampleSource::Idx { images: images.clone(), labels: self.labels.clone() }),
            (None, Some(list)) => {
                let own = || list.parent().unwrap_or(Path::new("")).to_path_buf();
                Some(SampleSource::List { list: list.clone(), root: self.root.clone().unwrap_or_else(own) })
            }
            (None, None) => bundle.samples.clone(),
        }
    }

    /// Opens the samples that the options name, or the bundle's samples if they name none.
    pub(crate) fn open(&self, bundle: &Bundle) -> Result<Samples> {
        let mut with_samples = bundle.clone();
        with_samples.samples = self.source(bundle);
        Samples::of_bundle(&with_samples)
    }

    /// The option that names samples; `None` if there is none.
    pub(crate) fn option(&self) -> Option<&'static str> {
        self.images.as_ref().map(|_| "--images").or(self.list.as_ref().map(|_| "--list"))
    }
}

/// Writes a result to stdout. It is no error if the reader has closed the pipe, as `head` does.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != Io::BrokenPipe => {
            Err(Error::expected(ErrorKind::Io, "stdout", "to be written", e, "redirect it to where there is room"))
        }
        _ => Ok(()),
    }
}

/// Prints JSON, indented and with a newline at its end.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{value:#}\n"))
}

/// A progress bar on stderr, which is shown only if stderr is a terminal.
pub(crate) fn progress(len: u64, what: &'static str) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {human_pos}/{human_len} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(len), target).with_style(style).with_message(what)
}

/// A file that will be written whole or not at all. It is opened before long work begins, so that a path that cannot be written
/// is reported at once.
pub(crate) struct Output {
    draft: Draft,
    option: &'static str,
}

impl Output {
    /// Opens a draft of the file at `path`, which the user gave with `option`.
    pub(crate) fn open(path: &Path, option: &'static str) -> Result<Output> {
        let draft = Draft::new(path).map_err(|e| unwritable(path, option, &e))?;
        Ok(Output { draft, option })
    }

    /// Writes the file and puts it into its place.
    pub(crate) fn write(mut self, text: &str) -> Result<()> {
        let place = self.draft.place().to_path_buf();
        let written = self.draft.write(text.as_bytes()).and_then(|()| self.draft.persist());
        written.map_err(|e| unwritable(&place, self.option, &e))
    }
}

/// The error of a path that cannot be written. The user gave the path with `option`.
pub(crate) fn unwritable(path: &Path, option: &str, e: &std::io::Error) -> Error {
    let remedy = format!("choose another with {option}, or make room");
    Error::expected(ErrorKind::Io, path.display(), "a file that can be written", e, remedy)
}

/// The line that is printed for an error. The library does not know the command line, so the command or option that helps is
/// added here.
pub(crate) fn line_of(error: &Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::PlanMissing => "trt-select build MODEL.onnx -o PLAN, or trt-select build BUNDLE",
        ErrorKind::PlanMismatch => "trt-select build BUNDLE builds for this machine, with --target for another GPU",
        ErrorKind::Plan => "trt-select build BUNDLE --force",
        ErrorKind::DriverMissing | ErrorKind::DeviceMissing => "--engine tract needs no GPU",
        ErrorKind::DeviceMemory => "--max-resident keeps fewer weights on the GPU",
        _ => return error.to_string(),
    };
    format!("{error} ({remedy})")
}

/// Prints a line on stderr. If that fails, there is nowhere to report it, so the error is ignored.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A parser for options that take a number from `low` to `high`.
pub(crate) fn number(low: f64, high: f64) -> impl Fn(&str) -> std::result::Result<f64, String> + Clone + Send + Sync {
    move |text| {
        let number = text.parse().ok().filter(|x| (low..=high).contains(x));
        number.ok_or_else(|| format!("expected a number from {low} to {high}"))
    }
}
