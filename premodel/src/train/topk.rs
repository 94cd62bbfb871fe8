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
use std::format;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use super::profile::{ProfileError, read_meta};
use crate::CandidateId;
use crate::temper::{Mixture, exp};

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
    class_count: u32,
    /// Natural logarithms of the probabilities, in the same places.
    logs: Vec<Vec<f32>>,
    /// By candidate, then row: what lies outside the entries.
    tails: Vec<Vec<Tail>>,
}

/// The classes outside a cell's entries.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tail {
    /// Entries of the cell.
    entries: u32,
    /// Probability of each class outside.
    each: f32,
    /// Its logarithm.
    log: f32,
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

    /// Whether a class is among a candidate's `n` most probable on a row (with label and n = 5: whether it is top-5 right).
    ///
    /// # Panics
    /// If there is no such candidate or row.
    pub fn holds(&self, candidate: CandidateId, row: usize, class: u32, n: usize) -> bool {
        class != NONE && self.classes[candidate.index()][row * self.k..][..n.min(self.k)].contains(&class)
    }

    /// The weighted average of calibrated probabilities: `members` are (candidate, weight, temperature), as in
    /// [`Premodel::weights`](crate::Premodel::weights) and [`Premodel::temperature`](crate::Premodel::temperature), of
    /// distinct candidates. A cell's rest is spread evenly over the classes that it does not name, before the temperature is
    /// applied.
    ///
    /// # Panics
    /// If there is no such candidate or row.
    pub fn mixture(&self, row: usize, members: &[(CandidateId, f32, f32)], scratch: &mut Scratch) -> Mixture {
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
        Mixture { class, top1: top1 + floor, margin: top1 - second }
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const A: CandidateId = CandidateId(0);
    const B: CandidateId = CandidateId(1);

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|s| s.to_string()).collect()
    }

    /// Every class's probability, written out.
    fn dense(table: &TopK, candidate: CandidateId, row: usize) -> Vec<f64> {
        let (cell, n) = (row * table.k..(row + 1) * table.k, table.class_count as usize);
        let mut all = vec![f64::NAN; n];
        for (&class, &p) in
            table.classes[candidate.index()][cell.clone()].iter().zip(&table.probabilities[candidate.index()][cell])
        {
            if class != NONE {
                all[class as usize] = f64::from(p);
            }
        }
        let named: f64 = all.iter().filter(|p| !p.is_nan()).sum();
        let each = (1.0 - named).max(0.0) / all.iter().filter(|p| p.is_nan()).count() as f64;
        all.into_iter().map(|p| if p.is_nan() { each } else { p }).collect()
    }

    /// The mixture as its formula says it.
    fn plain(table: &TopK, row: usize, members: &[(CandidateId, f32, f32)]) -> (Vec<f64>, f64, f64) {
        let mut sum = vec![0.0; table.class_count as usize];
        for &(c, weight, t) in members {
            let mut all = dense(table, c, row);
            if t != 1.0 {
                all.iter_mut().for_each(|p| *p = p.powf(1.0 / f64::from(t)));
                let total: f64 = all.iter().sum();
                all.iter_mut().for_each(|p| *p /= total);
            }
            sum.iter_mut().zip(&all).for_each(|(s, p)| *s += f64::from(weight) * p);
        }
        let mut sorted = sum.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let margin = sorted[0] - sorted.get(1).copied().unwrap_or(0.0);
        (sum, sorted[0], margin)
    }

    fn compare(table: &TopK, row: usize, members: &[(CandidateId, f32, f32)], scratch: &mut Scratch) {
        let (sum, top1, margin) = plain(table, row, members);
        let got = table.mixture(row, members, scratch);
        assert!((f64::from(got.top1) - top1).abs() < 2e-6, "{members:?}: {got:?}, not {top1}");
        assert!((f64::from(got.margin) - margin).abs() < 2e-6, "{members:?}: {got:?}, not {margin}");
        assert!(sum[got.class as usize] > top1 - 2e-6, "{members:?}: {got:?} in {sum:?}");
    }

    #[test]
    fn a_mixture_by_hand() {
        let file = "# k: 2\n# classes: 4\ninput,a.topk,b.topk\nx,1:0.6 0:0.2,2:0.9\n";
        let table = TopK::parse("t", file.as_bytes(), &names(&["x"]), &names(&["a", "b"]), 0).unwrap();
        let mut scratch = Scratch::default();
        // a = .2 .6 .1 .1, b = .0333 .0333 .9 .0333
        let got = table.mixture(0, &[(A, 0.75, 1.0), (B, 0.25, 1.0)], &mut scratch);
        assert_eq!(got.class, 1);
        assert!((got.top1 - 0.458_333_3).abs() < 1e-6 && (got.margin - 0.158_333_3).abs() < 1e-6, "{got:?}");
        // At T = 0.5 the squares count: .36 .04 .01 .01 of .42.
        let got = table.mixture(0, &[(A, 1.0, 0.5)], &mut scratch);
        assert!((got.top1 - 0.36 / 0.42).abs() < 1e-6 && (got.margin - 0.32 / 0.42).abs() < 1e-6, "{got:?}");
        // The second class is one that no entry names.
        let got = table.mixture(0, &[(B, 1.0, 1.0)], &mut scratch);
        assert!((got.margin - (0.9 - 0.1 / 3.0)).abs() < 1e-6, "{got:?}");
    }

    #[test]
    fn odd_tables() {
        let one = TopK::new(1, 1, vec![vec![0, NONE]], vec![vec![1.0, 0.0]]).unwrap();
        let mut scratch = Scratch::default();
        for row in [0, 1] {
            for t in [0.05, 1.0, 20.0] {
                let got = one.mixture(row, &[(A, 1.0, t)], &mut scratch);
                assert_eq!(got, Mixture { class: 0, top1: 1.0, margin: 1.0 }, "{row} {t}");
            }
        }
        let empty = TopK::new(2, 4, vec![vec![NONE, NONE]], vec![vec![0.0, 0.0]]).unwrap();
        assert_eq!(empty.mixture(0, &[(A, 1.0, 3.0)], &mut scratch), Mixture { class: 0, top1: 0.25, margin: 0.0 });
        // Cells that no network gives stay finite.
        for (p, classes) in [(0.0, 1), (0.0, 3), (0.125, 2)] {
            let odd = TopK::new(1, classes, vec![vec![0]], vec![vec![p]]).unwrap();
            for t in [0.05, 1.0, 20.0] {
                let got = odd.mixture(0, &[(A, 1.0, t)], &mut scratch);
                assert!(
                    (0.0..=1.0).contains(&got.top1) && (0.0..=1.0).contains(&got.margin),
                    "{p} {classes} {t}: {got:?}"
                );
            }
        }
        // Of equals the first class, whatever their order in the cell.
        let equal = TopK::new(2, 3, vec![vec![2, 1]], vec![vec![0.5, 0.5]]).unwrap();
        assert_eq!(equal.mixture(0, &[(A, 1.0, 1.0)], &mut scratch), Mixture { class: 1, top1: 0.5, margin: 0.0 });
        assert!(
            equal.holds(A, 0, 2, 1) && !equal.holds(A, 0, 1, 1) && equal.holds(A, 0, 1, 5) && !equal.holds(A, 0, 0, 5)
        );
        assert!(!empty.holds(A, 0, NONE, 5));
        for (classes, probabilities) in [
            ([3, 1], [0.5, 0.4]),
            ([1, 1], [0.5, 0.4]),
            ([1, 2], [0.4, 0.5]),
            ([NONE, 1], [0.0, 0.5]),
            ([1, 2], [f32::NAN, 0.5]),
        ] {
            TopK::new(2, 3, vec![classes.to_vec()], vec![probabilities.to_vec()]).unwrap_err();
        }
        TopK::new(2, 3, vec![vec![1]], vec![vec![0.5]]).unwrap_err();
        TopK::new(0, 3, vec![], vec![]).unwrap_err();
    }

    #[test]
    fn files_are_matched_by_name_or_refused() {
        let good = "# trt-select\n# k: 3\n# classes: 9\ninput,b.topk,c.topk,a.topk\ny,3:0.5,1:1,0:0.25 8:0.125\ninput,b.topk,c.topk,\
                    a.topk\nz,1:1,1:1,1:1\n\"x,1\",4:1,1:1,\n";
        let (inputs, candidates) = (names(&["x,1", "y"]), names(&["a", "b"]));
        let parse = |text: &str| TopK::parse("t.topk.csv", text.as_bytes(), &inputs, &candidates, 0);
        let table = parse(good).unwrap();
        assert_eq!((table.k, table.class_count()), (3, 9));
        assert_eq!(table.classes, [[NONE, NONE, NONE, 0, 8, NONE], [4, NONE, NONE, 3, NONE, NONE]]);
        assert_eq!(table.probabilities, [[0.0, 0.0, 0.0, 0.25, 0.125, 0.0], [1.0, 0.0, 0.0, 0.5, 0.0, 0.0]]);
        let swapped = table.with_candidates(&[B, A]);
        assert_eq!((&swapped.classes[0], &swapped.tails[1]), (&table.classes[1], &table.tails[0]));
        // Without comments, the cells say what they need.
        let bare = parse(&good.replace("# k: 3\n# classes: 9\n", "")).unwrap();
        assert_eq!((bare.k, bare.class_count()), (2, 9));

        let cases = [
            ("0:0.25 8", "0:0.25 x", "line 5: column 'a.topk': expected pairs of class:probability"),
            ("0:0.25 8", "0:0.25 9", "line 5: column 'a.topk': expected classes below 9"),
            ("0:0.25 8", "0:0.25 0", "each class once"),
            ("8:0.125", "8:0.3", "the largest first"),
            ("8:0.125", "8:nan", "0..=1"),
            ("8:0.125", "8:.1 7:.1 6:.1", "at most 3 pairs"),
            ("y,3", "q,3", "expected a row for input 'y', got none"),
            ("\nz,", "\ny,", "line 7: column 'input': expected a name that no other row has, got 'y'"),
            ("z,1:1,", "\r\n\nx,", "line 9: expected 4 fields, got 3"),
            ("c.topk,a.topk\ny", "c.topk,q.topk\ny", "column 'a.topk', got none"),
            ("4:1,1:1,\n", "4:1,1:1,", "line 8: expected a newline at the end"),
            ("# k: 3", "# k: 0", "comment 'k'"),
            ("# classes: 9", "# classes: 4000000000", "at most 16777216 classes"),
        ];
        for (from, to, expected) in cases {
            assert!(good.contains(from), "{from}");
            let error = parse(&good.replace(from, to)).unwrap_err().to_string();
            assert!(
                error.contains(expected) && error.starts_with("t.topk.csv") && !error.contains('\n'),
                "{to}: {error}"
            );
        }
        assert!(parse("").unwrap_err().to_string().contains("an empty file"));
        assert!(
            TopK::parse("t", b"input\n\xff", &inputs, &candidates, 0)
                .unwrap_err()
                .to_string()
                .contains("line 2: expected UTF-8")
        );
    }

    /// Cells of up to four entries of nine classes.
    fn cell() -> impl Strategy<Value = (Vec<u32>, Vec<f32>)> {
        let pairs = proptest::collection::btree_map(0_u32..9, 1e-6_f32..1.0, 0..=4);
        (pairs, 0.5_f32..=1.0).prop_map(|(pairs, mass)| {
            let total: f32 = pairs.values().sum();
            // What lies outside must not be more than the last entry has.
            let floor = 0.5 / 9.0;
            let mut pairs: Vec<(u32, f32)> =
                pairs.into_iter().map(|(c, p)| (c, floor + p / total * mass * 0.5)).collect();
            pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
            let (mut classes, mut probabilities): (Vec<u32>, Vec<f32>) = pairs.into_iter().unzip();
            classes.resize(4, NONE);
            probabilities.resize(4, 0.0);
            (classes, probabilities)
        })
    }

    proptest! {
        #[test]
        fn mixtures_are_what_the_formula_says(
            a in cell(),
            b in cell(),
            t in proptest::array::uniform2(0.2_f32..5.0),
            w in 0.0_f32..=1.0,
            sharp in proptest::bool::ANY,
        ) {
            let (classes, probabilities) = [a, b].into_iter().unzip();
            let table = TopK::new(4, 9, classes, probabilities).unwrap();
            let mut scratch = Scratch::default();
            let t = if sharp { t } else { [1.0, t[1]] };
            compare(&table, 0, &[(A, w, t[0]), (B, 1.0 - w, t[1])], &mut scratch);
            compare(&table, 0, &[(B, 1.0, t[1])], &mut scratch);
            compare(&table, 0, &[(A, 1.0, 1.0)], &mut scratch);
            assert!(scratch.sums.iter().all(|s| s.is_nan()) && scratch.named.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(text in "(# (k|classes): [0-9]{1,4}\n)?input,a.topk,b.topk\n(x,([0-9]{1,2}:0?\\.?[0-9]{0,3} ?){0,4},[0-9]:1\n)?(y,,\n)?.{0,6}") {
            let (inputs, candidates) = (names(&["x", "y"]), names(&["a", "b"]));
            match TopK::parse("t", text.as_bytes(), &inputs, &candidates, 3) {
                Ok(table) => {
                    TopK::new(table.k, table.class_count, table.classes.clone(), table.probabilities.clone()).unwrap();
                }
                Err(e) => prop_assert!(!e.to_string().contains('\n')),
            }
        }
    }
}
