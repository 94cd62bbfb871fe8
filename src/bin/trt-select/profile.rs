//! `profile`: runs every candidate on every sample, and writes a sample's row as soon as it is measured.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use serde_json::json;
use trt_select::bundle::Bundle;
use trt_select::engines::registry::{Choice, EngineKind};
use trt_select::features::FEATURES;
use trt_select::samples::{Buffer, Samples};
use trt_select::{CandidateInfo, CandidateSet, Error, ErrorKind, Input, OpenConfig, Result};
use trt_select_premodel::CandidateId;
use trt_select_train::TopK;

use crate::common::{EngineArgs, SampleArgs, print, print_json, progress, say, unwritable};
use crate::provenance::{networks_digest, samples_digest};

mod topk;

/// Arguments of `profile`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle's folder
    bundle: PathBuf,
    /// The profile to write; to one that exists, the rows that it lacks are added
    #[arg(short, long, value_name = "CSV", default_value = "profile.csv")]
    output: PathBuf,
    #[command(flatten)]
    samples: SampleArgs,
    #[command(flatten)]
    engine: EngineArgs,
    /// Only samples i, i+n, i+2n, … (counted from 0); `cat` joins the files
    #[arg(long, value_name = "i/n", value_parser = parse_shard)]
    shard: Option<(usize, usize)>,
    /// Number of samples to work on at the same time. With more than 1, the measured costs are those of a busy machine
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Number of classes that the side file (`profile.topk.csv` beside `profile.csv`) keeps for each candidate, the most probable
    /// ones; 0 writes no side file. Averages are trained and judged from this file
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
    /// Whether the samples are images, which have features.
    images: bool,
    /// Number of classes in a cell of the side file; 0 if there is no side file.
    top_k: usize,
    /// Scratch memory for sorting classes.
    order: Vec<u32>,
}

/// The lines of one sample in the profile and in the side file, each with its newline.
struct Lines {
    row: Vec<u8>,
    /// Empty if there is no side file.
    topk: Vec<u8>,
}

/// Profiles a bundle for another subcommand. This does what `profile BUNDLE -o OUTPUT` does, but prints nothing on stdout.
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

/// Writes the rows that the profile and its side file lack. Returns how many rows the profile has now, and how many of them are new.
fn profile(args: &Args) -> Result<(usize, usize)> {
    let bundle = Bundle::read_untrained(&args.bundle)?;
    let samples = args.samples.open(&bundle)?;
    let config = args.engine.config();
    let (first, choice) = Worker::open(&bundle, &samples, &config, args.top_k.into())?;
    say(format_args!("Engine: {}", choice.reason));
    let (head, side_head) = headers(&first, choice.kind, args, &bundle, &samples)?;

    let (i, n) = args.shard.unwrap_or((0, 1));
    let limit = args.limit.map_or(samples.len(), |n| samples.len().min(n as usize));
    let Opened { mut file, rows, weight_at } = open_output(&args.output, &head, true)?;
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
        // Each line is one write, and the side file's line is written first. So if the process is killed, at most one line is cut
        // short, or the side file has one row more than the profile. The next run removes such a line.
        if let Some(side) = &mut side
            && !side.present.contains(&name)
        {
            side.file.write_all(&lines.topk).map_err(|e| unwritable(&side.path, "-o", &e))?;
        }
        if present.contains(&name) {
            return Ok(());
        }
        rows += 1;
        let row = weight_at.map(|at| weighted(&lines.row, at)).transpose()?;
        file.write_all(row.as_ref().unwrap_or(&lines.row)).map_err(|e| unwritable(&args.output, "-o", &e))
    })?;
    bar.finish_and_clear();
    Ok((rows, rows - present.len()))
}

/// Makes the lines of the samples in `todo` with as many workers as `--jobs` says, and hands them to `write` in the order of
/// `todo`.
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
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    // The channel is bounded, so that workers wait for a slow disk instead of filling the memory with lines.
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
        // Lines that came before it was their turn, and the index in `todo` of the sample whose turn it is.
        let mut waiting = BTreeMap::new();
        let mut due = 0;
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
        // Warm up, since the first runs are slower. This also finds out whether samples fit before anything is written.
        samples.load(0, &mut worker.buffer)?;
        worker.images = matches!(worker.buffer.input()?, Input::Frame(_));
        for _ in 0..10 {
            for candidate in 0..worker.set.as_slice().len() {
                worker.set.run(CandidateId(candidate as u8), &worker.buffer.input()?)?;
            }
        }
        Ok((worker, choice))
    }

    /// Runs every candidate on one sample, and makes its lines.
    fn row(&mut self, samples: &Samples, sample: usize) -> Result<Lines> {
        samples.load(sample, &mut self.buffer)?;
        let input = self.buffer.input()?;
        let label = samples.label(sample);
        let mut fields = vec![samples.name(sample), label.map_or(String::new(), |l| l.to_string())];
        let mut runs = Vec::with_capacity(self.set.as_slice().len());
        if let Some(features) = self.set.run_all(&input, &mut runs)? {
            fields.extend(features.values.iter().map(f32::to_string));
            fields.push(features.cost_ns.to_string());
        }
        // If the sample has no label, the answer of the last candidate counts as right, since a bundle lists its most capable one
        // last.
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
    /// The names of the samples that it has a row of.
    present: HashSet<String>,
}

impl Side {
    /// Opens the side file; `None` if none is wanted. Removes rows at its end that the profile does not have: a run was killed
    /// right after it had written them, and they are made again together with the profile's rows.
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
        let Opened { file, mut rows, .. } = open_output(&path, head, false)?;
        while let Some(row) = rows.pop_if(|row| !profile.contains(&row.name)) {
            file.set_len(row.start).map_err(|e| unwritable(&path, "-o", &e))?;
        }
        let present = rows.into_iter().map(|r| r.name).collect();
        Ok(Some(Side { path, file, present }))
    }
}

/// The comments and the header line of the profile, and those of its side file. The comments say what the rows are made from:
/// engine, device, precision, networks, samples and labels. Rows are only added to a file that has the same comments.
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
        format!("# samples: {}", samples_digest(samples)),
        format!("# networks: {}", networks_digest(kind, bundle)?),
    ];
    let side = topk::header(&comments, worker.set.as_slice(), worker.top_k)?;
    let mut head = format!("# trt-select profile\n{}\n", comments.join("\n")).into_bytes();
    head.extend(line(&columns)?);
    Ok((head, side))
}

/// The fields as a line of CSV, with its newline.
fn line(fields: &[String]) -> Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().has_headers(false).comment(Some(b'#')).from_writer(Vec::new());
    let written = writer.write_record(fields).map_err(|e| e.to_string());
    let text = written.and_then(|()| writer.into_inner().map_err(|e| e.to_string()));
    text.map_err(|e| {
        Error::expected(ErrorKind::Data, "profile row", "fields that CSV can hold", e, "rename the sample")
    })
}

/// A reader of the rows of a profile or a side file, which skips comments.
fn records(text: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(text)
}

/// A row that a file already has.
struct Present {
    /// The name of its sample.
    name: String,
    /// The byte of the file at which it begins.
    start: u64,
}

/// A profile or a side file, open for appending.
struct Opened {
    file: File,
    /// The rows that it already has, in their order.
    rows: Vec<Present>,
    /// Where among its columns the user has added the weights of rows.
    weight_at: Option<usize>,
}

/// The head of a file that differs from `head` by a column `weight`, and where that column is.
fn weighted_head<'a>(text: &'a [u8], head: &[u8]) -> Option<(&'a [u8], usize)> {
    let comments = head[..head.len() - 1].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    let rest = text.strip_prefix(&head[..comments])?;
    let end = comments + rest.iter().position(|&byte| byte == b'\n')? + 1;
    let columns = |text: &[u8]| records(text).records().next()?.ok();
    let (own, wanted) = (columns(&text[comments..end])?, columns(&head[comments..])?);
    let at = own.iter().position(|column| column == "weight")?;
    let others = own.iter().enumerate().filter(|&(i, _)| i != at).map(|(_, column)| column);
    others.eq(wanted.iter()).then_some((&text[..end], at))
}

/// A row with the weight 1 at this place among its fields.
fn weighted(row: &[u8], at: usize) -> Result<Vec<u8>> {
    let mut fields: Vec<String> = records(row)
        .records()
        .flatten()
        .flat_map(|record| record.iter().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    fields.insert(at, "1".to_owned());
    line(&fields)
}

/// Opens the profile or its side file for appending, and writes its head if it is new. A last line that was cut short is removed. With
/// `may_weigh`, the file may have a column of weights beside those of the head.
fn open_output(path: &Path, head: &[u8], may_weigh: bool) -> Result<Opened> {
    let fail = |e| unwritable(path, "-o", &e);
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(fail)?;
    if !file.metadata().map_err(fail)?.is_file() {
        return Err(Error::expected(
            ErrorKind::Usage,
            path.display(),
            "a file that rows can be added to",
            "a device or a pipe",
            "choose a file with -o",
        ));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text).map_err(fail)?;
    let whole = text.iter().rposition(|&b| b == b'\n').map_or(0, |at| at + 1);
    let keep = &text[..whole];
    // A run may have been killed before it had written the whole head.
    if text.len() < head.len() && head.starts_with(&text) {
        file.set_len(0).and_then(|()| file.write_all(head)).map_err(fail)?;
        return Ok(Opened { file, rows: Vec::new(), weight_at: None });
    }
    let weighted = if may_weigh { weighted_head(keep, head) } else { None };
    let (head, weight_at) = weighted.map_or((head, None), |(own, at)| (own, Some(at)));
    if !keep.starts_with(head) {
        return Err(Error::expected(
            ErrorKind::Data,
            path.display(),
            "a profile of these networks, samples, engine and device",
            "another file",
            "remove it, or choose another with -o; another --top-k makes another side file",
        ));
    }
    let mut present = Vec::new();
    let columns = records(head).records().next().and_then(std::result::Result::ok).unwrap_or_default();
    for record in records(&keep[head.len()..]).records() {
        // If shards were joined, each of them has brought its header line.
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
    Ok(Opened { file, rows: present, weight_at })
}
