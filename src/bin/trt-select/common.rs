//! What several subcommands share: engine choice, samples, output.

use std::io::{ErrorKind as Io, IsTerminal, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use trt_select::bundle::{Bundle, SampleSource};
use trt_select::engines::registry::Kind;
use trt_select::samples::{Buffer, Sample, Samples};
use trt_select::{Error, ErrorKind, Frame, Input, OpenConfig, Result};

/// Which engine runs the networks.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct EngineArgs {
    /// Engine: auto, tensorrt, ort, tract, or null (runs no network: for measuring the selector itself)
    #[arg(long, default_value = "tract", value_parser = |s: &str| s.parse::<Kind>().map_err(|e| e.to_string()))]
    pub(crate) engine: Kind,
    /// Threads that one inference uses, where the engine runs on the CPU
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Refuse a premodel that was trained for another engine, precision or device, instead of a warning
    #[arg(long)]
    pub(crate) strict: bool,
}

impl EngineArgs {
    pub(crate) fn config(&self) -> OpenConfig {
        OpenConfig { engine: self.engine, threads: usize::from(self.threads), strict: self.strict }
    }
}

/// Samples other than the bundle's own.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct SampleArgs {
    /// Images as an IDX file (plain or gzip), in place of the bundle's samples
    #[arg(long, value_name = "IDX", conflicts_with = "list")]
    images: Option<PathBuf>,
    /// Their labels as an IDX file
    #[arg(long, value_name = "IDX", requires = "images")]
    labels: Option<PathBuf>,
    /// A CSV list (image,label) of image files, in place of the bundle's samples
    #[arg(long, value_name = "CSV")]
    list: Option<PathBuf>,
    /// Folder that the list's names are relative to [default: the list's own]
    #[arg(long, value_name = "DIR", requires = "list")]
    root: Option<PathBuf>,
}

impl SampleArgs {
    /// The samples asked for, else the bundle's.
    pub(crate) fn open(&self, bundle: &Bundle) -> Result<Samples> {
        let source = match (&self.images, &self.list) {
            (Some(images), _) => SampleSource::Idx { images: images.clone(), labels: self.labels.clone() },
            (None, Some(list)) => {
                let own = || list.parent().unwrap_or(Path::new("")).to_path_buf();
                SampleSource::List { list: list.clone(), root: self.root.clone().unwrap_or_else(own) }
            }
            (None, None) => return Samples::of_bundle(bundle),
        };
        let samples = Samples::open(&source)?;
        if !bundle.labels.is_empty() {
            samples.check_classes(bundle.labels.len())?;
        }
        Ok(samples)
    }
}

/// A loaded sample as an input.
pub(crate) fn input(buffer: &Buffer) -> Result<Input<'_>> {
    match buffer.sample() {
        Sample::Image { format, width_px, height_px, stride_bytes, bytes } => {
            Frame::packed(format, width_px, height_px, stride_bytes, bytes)
                .map(Input::Frame)
                .map_err(|e| Error::new(ErrorKind::Input, e.to_string()))
        }
        Sample::Tensor(values) => Ok(Input::Tensor(values)),
        _ => Err(Error::from_static(
            ErrorKind::Input,
            "sample: expected an image or a tensor, got another kind; update trt-select",
        )),
    }
}

/// Writes a result to stdout. A reader that has gone away is no failure of ours.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != Io::BrokenPipe => {
            Err(Error::expected(ErrorKind::Io, "stdout", "to be written", e, "redirect it to where there is room"))
        }
        _ => Ok(()),
    }
}

/// JSON as it is printed everywhere: indented, with a newline.
pub(crate) fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{value:#}\n"))
}

/// A progress bar on stderr: shown where that is a terminal, and not otherwise.
pub(crate) fn progress(len: u64, what: &'static str) -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("{msg} [{bar:40}] {human_pos}/{human_len} {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(Some(len), target).with_style(style).with_message(what)
}

/// Writes a file whole or not at all: beside its place first, then renamed.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<()> {
    let part = path.with_extension("part");
    std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path)).map_err(|e| {
        let _ = std::fs::remove_file(&part);
        Error::expected(ErrorKind::Io, path.display(), "a file that can be written", e, "choose another place with -o")
    })
}
