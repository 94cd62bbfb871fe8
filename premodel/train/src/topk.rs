//! The most probable classes of each candidate on each input: what averages are trained and judged from.
//!
//! A profile `X.csv` may have a side file `X.topk.csv`. It is CSV as the profile is (comments, `cat` joins shards, every line
//! ends with a newline), with the columns `input` and, per candidate, `CANDIDATE.topk`. A cell holds `class:probability` pairs
//! with spaces between, the most probable first. Probabilities are those at temperature 1; at most `k` (`# k: 16`) stand in a
//! cell, and those below 0.000001 may be left out. `# classes: N` is the number of classes.
//!
//! What a cell lacks to 1 is taken as spread evenly over the classes that it does not name. Averages made from it are
//! therefore near those of all probabilities, not equal to them; what differs is the tail.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::profile::{ProfileError, read_meta};
use trt_select_premodel::CandidateId;
use trt_select_premodel::Top;
use trt_select_premodel::temper::exp;

/// The class of an entry that is not there.
const NONE: u32 = u32::MAX;
/// More classes than any task has: a number beyond is a mistake, and would cost the memory that it says.
const MAX_CLASSES: u32 = 1 << 24;
/// Most entries that a cell may have.
const MAX_K: usize = 4096;

/// The most probable classes by candidate, then `row * k + rank`, the most probable first.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// Most entries of a candidate on a row.
    pub k: usize,
    /// The classes; `u32::MAX` where there is no entry.
    pub classes: Vec<Vec<u32>>,
    /// Their probabilities at temperature 1, 0..=1; 0 where there is no entry.
    pub probabilities: Vec<Vec<f32>>,
    pub(super) class_count: u32,
    /// Natural logarithms of the probabilities, in the same places.
    pub(super) logs: Vec<Vec<f32>>,
    /// By candidate, then row: what lies outside the entries.
    pub(super) tails: Vec<Vec<Tail>>,
}

/// The classes outside a cell's entries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tail {
    /// Entries of the cell.
    pub(super) entries: u32,
    /// Probability of each class outside.
    pub(super) each: f32,
    /// Its logarithm.
    pub(super) log: f32,
}

/// Memory that [`TopK::mixture`] works in. One a thread; any table may use it after any other.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// By class: the sum so far; NaN where no entry named the class. All NaN between calls.
    sums: Vec<f32>,
    /// Classes named.
    named: Vec<u32>,
    powers: Vec<f32>,
}

impl TopK {
    /// The side file that belongs to a profile's: `X.topk.csv` beside `X.csv`.
    pub fn path_beside(profile: &Path) -> PathBuf {
        profile.with_extension("topk.csv")
    }

    /// A table of its entries, which lie as [`TopK::classes`] and [`TopK::probabilities`] say. `class_count` is the number of
    /// classes of the task.
    ///
    /// # Errors
    /// Where lengths differ or are no multiple of `k`, where a cell's classes are not distinct and below `class_count`, or its
    /// probabilities are not in 0..=1 with the largest first.
    pub fn new(
        k: usize,
        class_count: u32,
        classes: Vec<Vec<u32>>,
        probabilities: Vec<Vec<f32>>,
    ) -> Result<TopK, ProfileError> {
        let error = |what: String| ProfileError(format!("top-k table: {what}; make it anew"));
        if k == 0 || k > MAX_K || class_count > MAX_CLASSES {
            return Err(error(format!(
                "expected k in 1..={MAX_K} and at most {MAX_CLASSES} classes, got {k} and {class_count}"
            )));
        }
        let lengths = || classes.iter().map(Vec::len).chain(probabilities.iter().map(Vec::len));
        let len = classes.first().map_or(0, Vec::len);
        if classes.len() != probabilities.len() || lengths().any(|n| n != len) || !len.is_multiple_of(k) {
            return Err(error(format!("expected rows of {k} entries for each candidate, got other lengths")));
        }
        for (c, (classes, probabilities)) in classes.iter().zip(&probabilities).enumerate() {
            for (row, (classes, probabilities)) in classes.chunks(k).zip(probabilities.chunks(k)).enumerate() {
                check_cell(classes, probabilities, class_count).map_err(|expected| {
                    error(format!("row {row} of candidate {c}: expected {expected}, got others"))
                })?;
            }
        }
        Ok(TopK::checked(k, class_count, classes, probabilities))
    }

    fn checked(k: usize, class_count: u32, classes: Vec<Vec<u32>>, probabilities: Vec<Vec<f32>>) -> TopK {
        let log = |p: &f32| if *p > 0.0 { f64::from(*p).ln() as f32 } else { f32::NEG_INFINITY };
        let logs = probabilities.iter().map(|all| all.iter().map(log).collect()).collect();
        let cells = classes.iter().zip(&probabilities);
        let tails = cells.map(|(classes, probabilities)| {
            let cells = classes.chunks(k).zip(probabilities.chunks(k));
            cells.map(|(classes, probabilities)| Tail::of(classes, probabilities, class_count)).collect()
        });
        let tails = tails.collect();
        TopK { k, classes, probabilities, class_count, logs, tails }
    }

    /// Reads a side file from its bytes; `name` stands for the file in messages. The table gets a row for each of `inputs` and
    /// a column for each of `candidates`, in their order; others in the file are passed over. `class_count` is the number
    /// of classes where the file says none.
    ///
    /// # Errors
    /// One line that names the file, the line and the column; or the input or candidate that is not there.
    pub fn parse(
        name: &str,
        bytes: &[u8],
        inputs: &[String],
        candidates: &[String],
        class_count: u32,
    ) -> Result<TopK, ProfileError> {
        let error = |line: usize, what: String| ProfileError(format!("{name} line {line}: {what}"));
        let fail = |line, what| Err(error(line, what));
        let meta = read_meta(name, bytes)?;
        let number = |key: &str| -> Result<Option<u32>, ProfileError> {
            let Some(text) = meta.get(key) else { return Ok(None) };
            let value = text.parse().ok().filter(|&n: &u32| n > 0);
            value.map(Some).ok_or_else(|| {
                ProfileError(format!("{name}: comment '{key}': expected a number above 0, got '{text}'; mend it"))
            })
        };
        let (k, stated) = (number("k")?, number("classes")?);
        let text = std::str::from_utf8(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)).map_err(|e| {
            let line = 1 + bytes[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count();
            ProfileError(format!("{name} line {line}: expected UTF-8, got another encoding; mend or remove that line"))
        })?;
        if !text.is_empty() && !text.ends_with('\n') {
            let line = text.lines().count();
            return fail(line, "expected a newline at the end, got a line cut short; remove it".into());
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        let bad_csv = |e: csv::Error| {
            let line = e.position().map_or(0, csv::Position::line);
            ProfileError(format!("{name} line {line}: expected CSV, got: {e}; mend or remove that line"))
        };
        let mut header = csv::StringRecord::new();
        if !reader.read_record(&mut header).map_err(bad_csv)? {
            return fail(1, "expected a header, got an empty file; make one with trt-select profile".into());
        }
        let column = |wanted: &str| {
            header.iter().position(|h| h == wanted).ok_or_else(|| {
                ProfileError(format!(
                    "{name}: expected a column '{wanted}', got none; remove the file, or make it anew with trt-select profile"
                ))
            })
        };
        let input = column("input")?;
        let columns = candidates.iter().map(|c| column(&format!("{c}.topk"))).collect::<Result<Vec<_>, _>>()?;
        let place: HashMap<&str, usize> = inputs.iter().enumerate().map(|(row, name)| (name.as_str(), row)).collect();

        // Cells as they come; they are put into a table once the longest is known.
        let mut found = vec![false; inputs.len()];
        let mut cells: Vec<Vec<(usize, usize, usize)>> = vec![Vec::new(); candidates.len()];
        let (mut entries, mut longest) = (Vec::<(u32, f32)>::new(), 1);
        let (mut record, mut at, mut line) = (csv::StringRecord::new(), 0, 1);
        while reader.read_record(&mut record).map_err(bad_csv)? {
            if record == header {
                continue;
            }
            let from = record.position().map_or(0, |p| p.byte() as usize).min(text.len());
            let skipped = text.as_bytes()[from..].iter().take_while(|b| b"\r\n".contains(b)).count();
            line += text.as_bytes()[at..from + skipped].iter().filter(|&&b| b == b'\n').count();
            at = from + skipped;
            if record.len() != header.len() {
                let remedy = "remove the line, or run trt-select profile again: it goes on from there";
                return fail(line, format!("expected {} fields, got {}; {remedy}", header.len(), record.len()));
            }
            let Some(&row) = place.get(record[input].trim()) else { continue };
            if std::mem::replace(&mut found[row], true) {
                let got = &record[input];
                return fail(
                    line,
                    format!("column 'input': expected a name that no other row has, got '{got}'; remove the line"),
                );
            }
            for (cells, &column) in cells.iter_mut().zip(&columns) {
                let start = entries.len();
                let limit = stated.unwrap_or(NONE);
                read_cell(&record[column], k.map_or(MAX_K, |k| k as usize), limit, &mut entries).map_err(
                    |expected| {
                        let (column, got) = (&header[column], &record[column]);
                        error(
                            line,
                            format!("column '{column}': expected {expected}, got '{got}'; mend or remove the line"),
                        )
                    },
                )?;
                cells.push((row, start, entries.len()));
                longest = longest.max(entries.len() - start);
            }
        }
        if let Some(row) = found.iter().position(|&f| !f) {
            return Err(ProfileError(format!(
                "{name}: expected a row for input '{}', got none; remove the file, or run trt-select profile again: it goes on from \
                 there",
                inputs[row]
            )));
        }
        let k = k.map_or(longest, |k| (k as usize).min(MAX_K));
        let seen = entries.iter().map(|&(class, _)| class.saturating_add(1)).max().unwrap_or(0);
        let class_count = stated.unwrap_or(class_count.max(seen));
        if class_count > MAX_CLASSES {
            return Err(ProfileError(format!(
                "{name}: expected at most {MAX_CLASSES} classes, got {class_count}; mend it"
            )));
        }
        let mut classes = vec![vec![NONE; inputs.len() * k]; candidates.len()];
        let mut probabilities = vec![vec![0.0; inputs.len() * k]; candidates.len()];
        for (c, cells) in cells.iter().enumerate() {
            for &(row, start, end) in cells {
                for (rank, &(class, p)) in entries[start..end].iter().enumerate() {
                    (classes[c][row * k + rank], probabilities[c][row * k + rank]) = (class, p);
                }
            }
        }
        Ok(TopK::checked(k, class_count, classes, probabilities))
    }

    /// Number of classes of the task.
    pub fn class_count(&self) -> u32 {
        self.class_count
    }

    /// The same table with some candidates only, in the order given.
    ///
    /// # Panics
    /// If a candidate to keep is not in the table.
    #[must_use]
    pub fn with_candidates(&self, keep: &[CandidateId]) -> TopK {
        fn pick<T: Clone>(all: &[Vec<T>], keep: &[CandidateId]) -> Vec<Vec<T>> {
            keep.iter().map(|c| all[c.index()].clone()).collect()
        }
        TopK {
            k: self.k,
            class_count: self.class_count,
            classes: pick(&self.classes, keep),
            probabilities: pick(&self.probabilities, keep),
            logs: pick(&self.logs, keep),
            tails: pick(&self.tails, keep),
        }
    }

    /// Most classes that an entry of it names.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Whether a class is among a candidate's `n` most probable on a row (with label and n = 5: whether it is top-5 right).
    ///
    /// # Panics
    /// If there is no such candidate or row.
    pub fn holds(&self, candidate: CandidateId, row: usize, class: u32, n: usize) -> bool {
        class != NONE && self.classes[candidate.index()][row * self.k..][..n.min(self.k)].contains(&class)
    }

    /// The weighted average of calibrated probabilities: `members` are (candidate, weight, temperature), as in
    /// [`Premodel::weights`](trt_select_premodel::Premodel::weights) and
    /// [`Premodel::temperature`](trt_select_premodel::Premodel::temperature), of distinct candidates. A cell's
    /// rest is spread evenly over the classes that it does not name, before the temperature is applied.
    ///
    /// # Panics
    /// If there is no such candidate or row.
    pub fn mixture(&self, row: usize, members: &[(CandidateId, f32, f32)], scratch: &mut Scratch) -> Top {
        let floor = self.add_up(row, members, scratch);
        let Scratch { sums, named, .. } = scratch;
        // From here on all is above the floor.
        let (mut class, mut top1, mut second) = (0, f32::NEG_INFINITY, f32::NEG_INFINITY);
        for &c in named.iter() {
            let sum = std::mem::replace(&mut sums[c as usize], f32::NAN);
            if sum > top1 || (sum == top1 && c < class) {
                second = top1;
                (class, top1) = (c, sum);
            } else if sum > second {
                second = sum;
            }
        }
        if named.is_empty() {
            top1 = 0.0;
        }
        let unnamed = self.class_count as usize - named.len();
        // No class outside beats all that are named, as each cell spreads at most its last entry (but for rounding).
        second = match (unnamed, named.len()) {
            (0, 0 | 1) | (1, 0) => -floor,
            (0, _) => second,
            _ => second.max(top1.min(0.0)),
        };
        named.clear();
        Top { class, top1: top1 + floor, margin: top1 - second }
    }

    /// Whether a class is among the `n` most probable ones of such an average; of equals, the first are. Classes that no entry names
    /// are not.
    ///
    /// # Panics
    /// As [`TopK::mixture`].
    pub fn mixture_holds(
        &self,
        row: usize,
        members: &[(CandidateId, f32, f32)],
        class: u32,
        n: usize,
        scratch: &mut Scratch,
    ) -> bool {
        self.add_up(row, members, scratch);
        let Scratch { sums, named, .. } = scratch;
        let own = if named.contains(&class) { sums[class as usize] } else { f32::NAN };
        let before = named.iter().filter(|&&c| {
            let sum = sums[c as usize];
            sum > own || (sum == own && c < class)
        });
        let held = !own.is_nan() && before.count() < n;
        named.iter().for_each(|&c| sums[c as usize] = f32::NAN);
        named.clear();
        held
    }

    /// Leaves in the scratch the classes that are named and their probabilities, less the floor, which every class has and which is
    /// the answer.
    fn add_up(&self, row: usize, members: &[(CandidateId, f32, f32)], scratch: &mut Scratch) -> f32 {
        let Scratch { sums, named, powers } = scratch;
        if sums.len() < self.class_count as usize {
            sums.resize(self.class_count as usize, f32::NAN);
        }
        // What a class has that no entry names.
        let mut floor = 0.0;
        for &(candidate, weight, temperature) in members {
            let c = candidate.index();
            let tail = self.tails[c][row];
            let cell = row * self.k..row * self.k + tail.entries as usize;
            let (classes, logs) = (&self.classes[c][cell.clone()], &self.logs[c][cell.clone()]);
            let (scale, each) = if temperature == 1.0 {
                powers.clear();
                powers.extend_from_slice(&self.probabilities[c][cell]);
                (weight, tail.each)
            } else {
                // The rest may be more than the first entry, where a file of others' making left out what it should not.
                let top = logs.first().map_or(tail.log, |log| log.max(tail.log));
                let rate = 1.0 / temperature;
                powers.clear();
                powers.extend(logs.iter().map(|&log| exp((log - top) * rate)));
                let outside = self.class_count - tail.entries;
                let each = if tail.each > 0.0 { exp((tail.log - top) * rate) } else { 0.0 };
                let sum = powers.iter().sum::<f32>() + outside as f32 * each;
                (weight / sum, each)
            };
            let base = scale * each;
            floor += base;
            for (&class, &power) in classes.iter().zip(powers.iter()) {
                let (sum, more) = (&mut sums[class as usize], scale * power - base);
                if sum.is_nan() {
                    named.push(class);
                    *sum = more;
                } else {
                    *sum += more;
                }
            }
        }
        floor
    }
}

impl Tail {
    fn of(classes: &[u32], probabilities: &[f32], class_count: u32) -> Tail {
        let entries = classes.iter().take_while(|&&c| c != NONE).count() as u32;
        let named: f64 = probabilities.iter().map(|&p| f64::from(p)).sum();
        let outside = class_count.saturating_sub(entries);
        let each = if outside > 0 { (1.0 - named).max(0.0) / f64::from(outside) } else { 0.0 };
        Tail { entries, each: each as f32, log: each.ln() as f32 }
    }
}

/// Whether a cell's entries are what they should be; else what was expected.
fn check_cell(classes: &[u32], probabilities: &[f32], class_count: u32) -> Result<(), &'static str> {
    let entries = classes.iter().take_while(|&&c| c != NONE).count();
    if classes[entries..].iter().any(|&c| c != NONE) || probabilities[entries..].iter().any(|&p| p != 0.0) {
        return Err("entries before the places without one");
    }
    let (classes, probabilities) = (&classes[..entries], &probabilities[..entries]);
    if classes.iter().any(|&c| c >= class_count) {
        return Err("classes below the number of classes");
    }
    if (1..entries).any(|i| classes[..i].contains(&classes[i])) {
        return Err("each class once");
    }
    if !probabilities.iter().all(|p| (0.0..=1.0).contains(p)) || !probabilities.is_sorted_by(|a, b| a >= b) {
        return Err("probabilities in 0..=1, the largest first");
    }
    Ok(())
}

/// Reads `class:p class:p …` behind the entries that are there.
fn read_cell(text: &str, k: usize, class_count: u32, entries: &mut Vec<(u32, f32)>) -> Result<(), String> {
    let start = entries.len();
    for pair in text.split_ascii_whitespace() {
        let pair = pair.split_once(':').and_then(|(class, p)| Some((class.parse().ok()?, p.parse().ok()?)));
        let (class, p): (u32, f32) = pair.ok_or("pairs of class:probability with spaces between")?;
        // The last number stands for no class.
        if class >= class_count.min(NONE - 1) {
            return Err(format!("classes below {class_count}"));
        }
        let before = &entries[start..];
        if before.len() == k {
            return Err(format!("at most {k} pairs"));
        }
        if before.iter().any(|e| e.0 == class) {
            return Err("each class once".to_string());
        }
        if !(0.0..=1.0).contains(&p) || before.last().is_some_and(|e| e.1 < p) {
            return Err("probabilities in 0..=1, the largest first".to_string());
        }
        entries.push((class, p));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
