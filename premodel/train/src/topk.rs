//! The most probable classes of each candidate on each input: what averages are trained and judged from.
//!
//! A profile `X.csv` may have a side file `X.topk.csv`. It is CSV as the profile is (comments, `cat` joins shards, every line
//! ends with a newline), with the columns `input` and, per candidate, `CANDIDATE.topk`. A cell holds `class:probability` pairs
//! with spaces between, the most probable first. Probabilities are those at temperature 1; at most `k` (`# k: 16`) stand in a
//! cell, and those below 0.000001 may be left out. `# classes: N` is the number of classes.
//!
//! The probabilities of a cell add up to a little less than 1. The rest is spread evenly over the classes that the cell does not
//! name, since the file does not say where it belongs. So averages made from the file are near those of all probabilities, and not
//! equal to them.

use std::path::{Path, PathBuf};

use trt_select_premodel::CandidateId;
use trt_select_premodel::temper::exp;

use super::error::{Message, ProfileError, ProfileErrorKind};

mod parse;

/// The class of an entry that is not there.
const NONE: u32 = u32::MAX;
/// No task has more classes. A larger number in a file is a mistake, and would take gigabytes of memory.
const MAX_CLASSES: u32 = 1 << 24;
/// A cell may have so many entries at most.
const MAX_K: usize = 4096;

/// The most probable classes by candidate, then `row * k + rank`, the most probable first.
///
/// ```
/// use trt_select_premodel::CandidateId;
/// use trt_select_train::TopK;
///
/// // One candidate, two rows of up to two entries, four classes.
/// let table = TopK::new(2, 4, vec![vec![3, 1, 0, u32::MAX]], vec![vec![0.75, 0.25, 1.0, 0.0]])?;
/// assert!(table.holds(CandidateId(0), 0, 1, 2) && !table.holds(CandidateId(0), 0, 1, 1));
/// # Ok::<(), trt_select_train::ProfileError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    k: usize,
    classes: Vec<Vec<u32>>,
    probabilities: Vec<Vec<f32>>,
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

impl TopK {
    /// The side file that belongs to a profile's: `X.topk.csv` beside `X.csv`.
    pub fn path_beside(profile: &Path) -> PathBuf {
        profile.with_extension("topk.csv")
    }

    /// A table from its entries, in the order that [`TopK::classes`] and [`TopK::probabilities`] describe. `k` is the number of
    /// entries of a cell, `class_count` that of the classes of the task.
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
        let misfit = |expected: String, got: String| {
            ProfileError::new(ProfileErrorKind::Shape, Message::new("top-k table", expected, got, "make it anew"))
        };
        if k == 0 || k > MAX_K || class_count > MAX_CLASSES {
            let expected = format!("k in 1..={MAX_K} and at most {MAX_CLASSES} classes");
            return Err(misfit(expected, format!("{k} and {class_count}")));
        }
        let len = classes.first().map_or(0, Vec::len);
        let lengths_fit = classes.iter().all(|c| c.len() == len) && probabilities.iter().all(|p| p.len() == len);
        if classes.len() != probabilities.len() || !lengths_fit || !len.is_multiple_of(k) {
            return Err(misfit(format!("rows of {k} entries for each candidate"), "other lengths".into()));
        }
        for (c, (classes, probabilities)) in classes.iter().zip(&probabilities).enumerate() {
            for (row, (classes, probabilities)) in classes.chunks(k).zip(probabilities.chunks(k)).enumerate() {
                check_cell(classes, probabilities, class_count).map_err(|expected| {
                    let message = Message::new(
                        format!("top-k table: row {row} of candidate {c}"),
                        expected,
                        "others",
                        "make it anew",
                    );
                    ProfileError::new(ProfileErrorKind::Shape, message)
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

    /// The same table with some rows only, in the order given.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn with_rows(&self, rows: &[usize]) -> TopK {
        let k = self.k;
        fn pick<T: Clone>(all: &[Vec<T>], rows: &[usize], k: usize) -> Vec<Vec<T>> {
            all.iter().map(|c| rows.iter().flat_map(|&r| c[r * k..(r + 1) * k].iter().cloned()).collect()).collect()
        }
        TopK {
            k,
            class_count: self.class_count,
            classes: pick(&self.classes, rows, k),
            probabilities: pick(&self.probabilities, rows, k),
            logs: pick(&self.logs, rows, k),
            tails: pick(&self.tails, rows, 1),
        }
    }

    /// Appends the rows of another table of the same candidates and number of classes. Cells get room for as many classes as the
    /// wider of the two has.
    pub(super) fn append(&mut self, mut other: TopK) {
        fn each<T>(all: &mut [Vec<T>], more: Vec<Vec<T>>) {
            all.iter_mut().zip(more).for_each(|(all, more)| all.extend(more));
        }
        let k = self.k.max(other.k);
        self.widen(k);
        other.widen(k);
        each(&mut self.classes, other.classes);
        each(&mut self.probabilities, other.probabilities);
        each(&mut self.logs, other.logs);
        each(&mut self.tails, other.tails);
    }

    /// Gives each cell room for `k` entries, which are at least as many as it has.
    fn widen(&mut self, k: usize) {
        fn each<T: Copy>(all: &mut [Vec<T>], from: usize, to: usize, nothing: T) {
            for column in all {
                let cells = column.chunks(from);
                *column = cells.flat_map(|cell| cell.iter().copied().chain((from..to).map(|_| nothing))).collect();
            }
        }
        if k > self.k {
            each(&mut self.classes, self.k, k, NONE);
            each(&mut self.probabilities, self.k, k, 0.0);
            each(&mut self.logs, self.k, k, f32::NEG_INFINITY);
            self.k = k;
        }
    }

    /// The probability of one class at a temperature: what fitting a temperature asks for many times. It does not spread the
    /// cell over all classes, and may differ from what the averages use in the last digits.
    pub(super) fn probability(&self, candidate: CandidateId, row: usize, class: u32, temperature: f32) -> f32 {
        let c = candidate.index();
        let tail = self.tails[c][row];
        let cell = row * self.k..row * self.k + tail.entries as usize;
        let (top, rate) = (self.logs[c].get(cell.start).copied().unwrap_or(0.0).max(tail.log), 1.0 / temperature);
        let outside = self.class_count.saturating_sub(tail.entries);
        let each = if tail.each > 0.0 { exp((tail.log - top) * rate) } else { 0.0 };
        let (mut sum, mut here) = (outside as f32 * each, each);
        for (&name, &log) in self.classes[c][cell.clone()].iter().zip(&self.logs[c][cell]) {
            let power = exp((log - top) * rate);
            sum += power;
            if name == class {
                here = power;
            }
        }
        here / sum
    }

    /// How many classes a cell may name.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The classes by candidate, then `row * k + rank`, the most probable first; `u32::MAX` where there is no entry.
    pub fn classes(&self) -> &[Vec<u32>] {
        &self.classes
    }

    /// Probabilities at temperature 1 in the places of [`TopK::classes`], 0..=1; 0 where there is no entry.
    pub fn probabilities(&self) -> &[Vec<f32>] {
        &self.probabilities
    }

    /// Writes a candidate's probabilities on a row, one a class. What the cell lacks to 1 is spread evenly over the classes that it
    /// does not name.
    ///
    /// ```
    /// use trt_select_premodel::CandidateId;
    /// use trt_select_train::TopK;
    ///
    /// let table = TopK::new(2, 4, vec![vec![3, 1]], vec![vec![0.5, 0.25]])?;
    /// let mut probabilities = [0.0; 4];
    /// table.spread(CandidateId(0), 0, &mut probabilities);
    /// assert_eq!(probabilities, [0.125, 0.25, 0.125, 0.5]);
    /// # Ok::<(), trt_select_train::ProfileError>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such candidate or row, or not one place a class.
    pub fn spread(&self, candidate: CandidateId, row: usize, probabilities: &mut [f32]) {
        assert_eq!(probabilities.len(), self.class_count as usize);
        let (c, start) = (candidate.index(), row * self.k);
        let tail = self.tails[c][row];
        probabilities.fill(tail.each);
        let cell = start..start + tail.entries as usize;
        for (&class, &p) in self.classes[c][cell.clone()].iter().zip(&self.probabilities[c][cell]) {
            probabilities[class as usize] = p;
        }
    }

    /// The classes that a cell names, the most probable first.
    pub(super) fn named(&self, candidate: CandidateId, row: usize) -> &[u32] {
        let (c, start) = (candidate.index(), row * self.k);
        &self.classes[c][start..start + self.tails[c][row].entries as usize]
    }

    /// Whether a class is among a candidate's `n` most probable on a row (with label and n = 5: whether it is top-5 right).
    ///
    /// # Panics
    /// If there is no such candidate or row.
    pub fn holds(&self, candidate: CandidateId, row: usize, class: u32, n: usize) -> bool {
        class != NONE && self.classes[candidate.index()][row * self.k..][..n.min(self.k)].contains(&class)
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

/// Checks the entries of a cell; an error says what was expected of them.
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

#[cfg(test)]
mod tests;
