//! `profile`: every candidate on every sample, written as it goes.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use serde_json::json;
use sha2::{Digest, Sha256};
use trt_select::bundle::Bundle;
use trt_select::engines::registry::{Choice, EngineKind};
use trt_select::features::FEATURES;
use trt_select::samples::{Buffer, Samples};
use trt_select::{CandidateInfo, CandidateSet, Error, ErrorKind, Input, OpenConfig, Result};
use trt_select_base::text::hex;
use trt_select_premodel::CandidateId;
use trt_select_train::TopK;

use crate::common::{EngineArgs, SampleArgs, input, print, print_json, progress, say, unwritable};

mod topk;

/// Arguments of `profile`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// The profile to write; one that is there already is gone on with
    #[arg(short, long, value_name = "CSV", default_value = "profile.csv")]
    output: PathBuf,
    #[command(flatten)]
    samples: SampleArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Only samples i, i+n, i+2n, … (counted from 0); `cat` joins the files
    #[arg(long, value_name = "i/n", value_parser = parse_shard)]
    shard: Option<(usize, usize)>,
    /// Samples worked on at once. More than 1 makes the measured costs those of a busy machine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Classes kept a candidate in the side file (`profile.topk.csv` beside `profile.csv`), the most probable first; 0 writes
    /// none. Averages are trained and judged from it
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(0..=4096))]
    top_k: u16,
    /// Only the first N samples
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Print one JSON object when done
    #[arg(long)]
    json: bool,
}

fn parse_shard(text: &str) -> std::result::Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    parts.filter(|&(i, n)| i < n).ok_or_else(|| "expected i/n with i below n, such as 0/4".to_owned())
}

/// What a worker needs to make rows.
struct Worker {
    set: CandidateSet,
    buffer: Buffer,
    images: bool,
    /// Classes in a cell of the side file; 0: there is none.
    top_k: usize,
    order: Vec<u32>,
}

/// A line of the profile and one of the side file, their newlines included.
struct Lines {
    row: Vec<u8>,
    topk: Vec<u8>,
}

/// Profiles a bundle for another subcommand, as `profile BUNDLE -o OUTPUT` does but for its last words on stdout.
pub(crate) fn make(bundle: &Path, output: &Path, samples: &SampleArgs, engine: &EngineArgs) -> Result<()> {
    let args = Args {
        bundle: bundle.to_path_buf(),
        output: output.to_path_buf(),
        samples: samples.clone(),
        engine: engine.clone(),
        shard: None,
        jobs: 1,
        limit: None,
        top_k: 16,
        json: false,
    };
    profile(&args).map(drop)
}

pub(crate) fn main(args: &Args) -> Result<()> {
    let (rows, new) = profile(args)?;
    if args.json {
        return print_json(&json!({ "profile": args.output.display().to_string(), "rows": rows, "new_rows": new }));
    }
    print(&format!("{}: {rows} rows, {new} of them new\n", args.output.display()))
}

/// Writes the rows that are not there yet. The number of rows there are now, and of those that are new.
fn profile(args: &Args) -> Result<(usize, usize)> {
    let bundle = Bundle::read_untrained(&args.bundle)?;
    let samples = args.samples.open(&bundle)?;
    let config = args.engine.config();
    let (first, choice) = Worker::open(&bundle, &samples, &config, args.top_k.into())?;
    say(format_args!("Engine: {}", choice.reason));
    let (head, side_head) = headers(&first, choice.kind, args, &bundle, &samples)?;

    let (i, n) = args.shard.unwrap_or((0, 1));
    let limit = args.limit.map_or(samples.len(), |n| samples.len().min(n as usize));
    let (mut file, rows) = open_output(&args.output, &head)?;
    let present: HashSet<String> = rows.into_iter().map(|r| r.name).collect();
    let mut side = Side::open(args, &first, &side_head, &present)?;
    let there = |name: &String| present.contains(name) && side.as_ref().is_none_or(|s| s.present.contains(name));
    let todo: Vec<usize> = (0..limit).filter(|s| s % n == i && !there(&samples.name(*s))).collect();
    if !present.is_empty() {
        say(format_args!("{}: {} rows are there already, {} to go", args.output.display(), present.len(), todo.len()));
    }
    let mut rows = present.len();

    let bar = progress(todo.len() as u64, "profiling");
    write_rows(args, &bundle, &samples, &config, first, &todo, |sample, lines| {
        bar.inc(1);
        let name = samples.name(sample);
        // One write a line, the side file's first: a kill leaves at most one line cut short, or one in the side file that the
        // profile lacks. The next run takes either away.
        if let Some(side) = &mut side
            && !side.present.contains(&name)
        {
            side.file.write_all(&lines.topk).map_err(|e| unwritable(&side.path, "-o", &e))?;
        }
        if present.contains(&name) {
            return Ok(());
        }
        rows += 1;
        file.write_all(&lines.row).map_err(|e| unwritable(&args.output, "-o", &e))
    })?;
    bar.finish_and_clear();
    Ok((rows, todo.len()))
}

/// Makes the rows of `todo` with as many workers as asked for, and hands them on in order.
fn write_rows(
    args: &Args,
    bundle: &Bundle,
    samples: &Samples,
    config: &OpenConfig,
    first: Worker,
    todo: &[usize],
    mut write: impl FnMut(usize, &Lines) -> Result<()>,
) -> Result<()> {
    let jobs = usize::from(args.jobs).min(todo.len().max(1));
    let mut workers = vec![first];
    for _ in 1..jobs {
        workers.push(Worker::open(bundle, samples, config, args.top_k.into())?.0);
    }
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    // A bounded channel: a writer on a slow disk holds the workers back instead of filling memory.
    let (sender, receiver) = mpsc::sync_channel(4 * jobs);
    std::thread::scope(|scope| {
        for mut worker in workers {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&sample) = todo.get(at) else { break };
                    if sender.send((at, worker.row(samples, sample))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        let mut result = Ok(());
        for (at, row) in receiver {
            waiting.insert(at, row);
            while let Some(row) = waiting.remove(&due) {
                if result.is_ok() {
                    result = row.and_then(|lines| write(todo[due], &lines));
                    stop.store(result.is_err(), Ordering::Relaxed);
                }
                due += 1;
            }
        }
        result
    })
}

impl Worker {
    fn open(bundle: &Bundle, samples: &Samples, config: &OpenConfig, top_k: usize) -> Result<(Worker, Choice)> {
        let (set, choice) = CandidateSet::open(bundle, config)?;
        let classes = set.as_slice()[0].classes();
        let mut worker =
            Worker { set, buffer: Buffer::new(), images: true, top_k: top_k.min(classes), order: Vec::new() };
        samples.check_classes(classes)?;
        if samples.is_empty() {
            return Err(Error::expected(ErrorKind::Data, "samples", "at least one", "none", "name others"));
        }
        // Warm up: the first runs are slower, and a sample that does not fit is found before anything is written.
        samples.load(0, &mut worker.buffer)?;
        worker.images = matches!(input(&worker.buffer)?, Input::Frame(_));
        for _ in 0..10 {
            for candidate in 0..worker.set.as_slice().len() {
                worker.set.run(CandidateId(candidate as u8), &input(&worker.buffer)?)?;
            }
        }
        Ok((worker, choice))
    }

    /// The lines of one sample.
    fn row(&mut self, samples: &Samples, sample: usize) -> Result<Lines> {
        samples.load(sample, &mut self.buffer)?;
        let input = input(&self.buffer)?;
        let label = samples.label(sample);
        let mut fields = vec![samples.name(sample), label.map_or(String::new(), |l| l.to_string())];
        let mut runs = Vec::with_capacity(self.set.as_slice().len());
        if let Some(features) = self.set.run_all(&input, &mut runs)? {
            fields.extend(features.values.iter().map(f32::to_string));
            fields.push(features.cost_ns.to_string());
        }
        // Without a label, the reward is agreement with the last candidate, which a bundle lists as its most capable.
        let truth = label.unwrap_or_else(|| runs.last().map_or(0, |r| r.summary.class));
        for run in &runs {
            let s = run.summary;
            fields.push(u8::from(s.class == truth).to_string());
            fields.push((run.preprocess_ns + run.compute_ns).to_string());
            fields.push(s.class.to_string());
            fields.extend([s.top1, s.margin, s.entropy].map(|v| v.to_string()));
        }
        let topk = match self.top_k {
            0 => Vec::new(),
            k => topk::row(samples.name(sample), &self.set, k, &mut self.order)?,
        };
        Ok(Lines { row: line(&fields)?, topk })
    }
}

/// The side file, open for appending.
struct Side {
    path: PathBuf,
    file: File,
    present: HashSet<String>,
}

impl Side {
    /// Opens it, and takes from its end what the profile does not have: that came out right before a kill, and is made again
    /// together with the profile's row.
    fn open(args: &Args, worker: &Worker, head: &[u8], profile: &HashSet<String>) -> Result<Option<Side>> {
        let path = TopK::path_beside(&args.output);
        if worker.top_k == 0 {
            if path.exists() {
                let remedy = "remove that file, or leave out --top-k 0";
                return Err(Error::expected(
                    ErrorKind::Usage,
                    path.display(),
                    "no such file with --top-k 0",
                    "one",
                    remedy,
                ));
            }
            return Ok(None);
        }
        let (file, mut rows) = open_output(&path, head)?;
        while let Some(row) = rows.pop_if(|row| !profile.contains(&row.name)) {
            file.set_len(row.start).map_err(|e| unwritable(&path, "-o", &e))?;
        }
        let present = rows.into_iter().map(|r| r.name).collect();
        Ok(Some(Side { path, file, present }))
    }
}

/// The comments and the header line, of the profile and of its side file. The comments say what the rows were made from, so that a profile is only gone on with
/// from the same: bundle, networks, samples, labels, engine, device.
fn headers(
    worker: &Worker,
    kind: EngineKind,
    args: &Args,
    bundle: &Bundle,
    samples: &Samples,
) -> Result<(Vec<u8>, Vec<u8>)> {
    let labelled = samples.labelled();
    if labelled != 0 && labelled != samples.len() {
        return Err(Error::expected(
            ErrorKind::Data,
            "samples",
            "a label for each, or for none",
            format!("{labelled} labels for {} samples", samples.len()),
            "label the rest, or profile the two parts apart",
        ));
    }
    let last = worker.set.as_slice().last().map_or("", CandidateInfo::name);
    let judged_by = if labelled > 0 { "labels".to_owned() } else { format!("agreement with {last}") };
    let mut inputs = Sha256::new();
    for i in 0..samples.len() {
        inputs.update(format!("{:?}{:?}", samples.name(i), samples.label(i)));
    }
    let networks = networks(kind, bundle)?;
    let short = |hash: Sha256| hex(&hash.finalize()[..8]);
    let first = worker.set.as_slice()[0].description();
    let mut columns = vec!["input".to_owned(), "label".to_owned()];
    if worker.images {
        columns.extend(FEATURES.iter().map(|f| format!("feature.{}", f.name)));
        columns.push("features.cost_ns".to_owned());
    }
    for candidate in worker.set.as_slice() {
        for column in ["reward", "cost_ns", "answer", "top1", "margin", "entropy"] {
            columns.push(format!("{}.{column}", candidate.name()));
        }
    }
    let comments = [
        format!("# engine: {}", first.version),
        format!("# device: {}", worker.set.device()),
        format!("# precision: {}", first.precision.name()),
        format!("# classes: {}", worker.set.as_slice()[0].classes()),
        format!("# judged_by: {judged_by}"),
        format!("# jobs: {}", args.jobs),
        format!("# samples: {} {}", samples.len(), short(inputs)),
        format!("# networks: {}", short(networks)),
    ];
    let side = topk::header(&comments, worker.set.as_slice(), worker.top_k)?;
    let mut head = format!("# trt-select profile\n{}\n", comments.join("\n")).into_bytes();
    head.extend(line(&columns)?);
    Ok((head, side))
}

/// Hash of the files that the engine runs: plans on TensorRT, whose models need not be here, and models on the others.
fn networks(kind: EngineKind, bundle: &Bundle) -> Result<Sha256> {
    let mut networks = Sha256::new();
    for spec in &bundle.candidates {
        let (path, key) = match (kind, &spec.onnx) {
            (EngineKind::Tensorrt, _) => (spec.plan_path(bundle), "plan"),
            (_, Some(onnx)) if onnx.exists() => (onnx.clone(), "onnx"),
            // The null engine needs no file.
            _ => continue,
        };
        // In pieces: a plan may be as large as the memory that is free.
        let hashed = File::open(&path).and_then(|file| {
            let mut reader = BufReader::with_capacity(1 << 16, file);
            loop {
                let piece = reader.fill_buf()?;
                if piece.is_empty() {
                    return Ok(());
                }
                networks.update(piece);
                let len = piece.len();
                reader.consume(len);
            }
        });
        hashed.map_err(|e| {
            let remedy = format!("correct `{key}` in bundle.toml");
            Error::expected(ErrorKind::Io, path.display(), "a network", e, remedy)
        })?;
    }
    Ok(networks)
}

/// Fields as a line of CSV, its newline included.
fn line(fields: &[String]) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).comment(Some(b'#')).from_writer(Vec::new());
    let written = writer.write_record(fields).map_err(|e| e.to_string());
    let text = written.and_then(|()| writer.into_inner().map_err(|e| e.to_string()));
    text.map_err(|e| {
        Error::expected(ErrorKind::Data, "profile row", "fields that CSV can hold", e, "rename the sample")
    })
}

/// Reads a profile's lines, or those of its side file: comments are left out.
fn records(text: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(text)
}

/// A row that a file has.
struct Present {
    /// Its input.
    name: String,
    /// Where it begins in the file, in bytes.
    start: u64,
}

/// Opens the profile, or its side file, for appending. One that is there is read for the inputs it has, in order; a last line
/// that was cut short is taken away.
fn open_output(path: &Path, head: &[u8]) -> Result<(File, Vec<Present>)> {
    let fail = |e| unwritable(path, "-o", &e);
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(Error::expected(
            ErrorKind::Usage,
            path.display(),
            "a file that can be gone on with",
            "a device or a pipe",
            "choose a file with -o",
        ));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(fail)?;
    let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let keep = &text[..whole];
    // A kill may have come before the whole header was out.
    if text.len() < head.len() && head.starts_with(&text) {
        file.set_len(0).and_then(|()| file.write_all(head)).map_err(fail)?;
        return Ok((file, Vec::new()));
    }
    if !keep.starts_with(head) {
        return Err(Error::expected(
            ErrorKind::Data,
            path.display(),
            "a profile of these networks, samples, engine and device to go on with",
            "another file",
            "remove it, or choose another with -o; another --top-k makes another side file",
        ));
    }
    let mut present = Vec::new();
    let columns = records(head).records().next().and_then(std::result::Result::ok).unwrap_or_default();
    for record in records(&keep[head.len()..]).records() {
        // Joined shards bring their headers along.
        if record.as_ref().is_ok_and(|r| *r == columns) {
            continue;
        }
        let record = record.ok().filter(|r| r.len() == columns.len()).ok_or_else(|| {
            let at = present.len() + 1;
            Error::expected(
                ErrorKind::Data,
                format!("{} row {at}", path.display()),
                format!("{} fields", columns.len()),
                "another number",
                "remove that line: it is made again",
            )
        })?;
        let start = head.len() as u64 + record.position().map_or(0, csv::Position::byte);
        present.push(Present { name: record[0].to_owned(), start });
    }
    file.set_len(whole as u64).map_err(fail)?;
    Ok((file, present))
}
