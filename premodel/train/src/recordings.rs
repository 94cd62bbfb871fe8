//! Which recording each row of a table comes from.

use std::collections::{BTreeMap, HashMap};

use trt_select_premodel::Signal;

use super::Profile;

/// A file that rows of a table come from.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Recording {
    /// Its path as the user gave it, or what stands for it in messages.
    pub name: String,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// Provenance: the `# key: value` comments of the file.
    pub meta: BTreeMap<String, String>,
}

/// The recordings that a table is made of, and which one each row comes from. A table that was read from one file has one; see
/// [`Profile::join`] for several.
///
/// ```
/// use trt_select_train::Profile;
///
/// let day = |name: &str, row: &str| Profile::parse(name, format!("input,a.reward\n{row},1\n").as_bytes());
/// let both = Profile::join(vec![day("mon.csv", "1.png")?, day("tue.csv", "7.png")?])?;
/// let names: Vec<&str> = both.recordings.files().iter().map(|file| file.name.as_str()).collect();
/// assert_eq!((names, both.recordings.of(1)), (vec!["mon.csv", "tue.csv"], 1));
/// # Ok::<(), trt_select_train::ProfileError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recordings {
    files: Vec<Recording>,
    /// The place in `files` of each row's recording; empty where all rows come from the first one.
    of_row: Vec<u32>,
}

/// Where only answers and labels can be compared, so many inputs must agree in all of them before they count as the same inputs.
const AGREEING: usize = 20;

impl Recordings {
    /// All rows come from one file.
    pub fn one(name: impl Into<String>, sha256: impl Into<String>, meta: BTreeMap<String, String>) -> Recordings {
        let file = Recording { name: name.into(), sha256: sha256.into(), meta };
        Recordings { files: vec![file], of_row: Vec::new() }
    }

    /// The files, in the order in which they were joined. A table of some rows only may have no row of some of them.
    pub fn files(&self) -> &[Recording] {
        &self.files
    }

    /// The place in [`Recordings::files`] of a row's recording.
    ///
    /// # Panics
    /// May panic if there is no such row.
    pub fn of(&self, row: usize) -> usize {
        if self.of_row.is_empty() { 0 } else { self.of_row[row] as usize }
    }

    /// An input's name within its recording: what [`Profile::join`] put before it is left out.
    ///
    /// # Panics
    /// May panic if there is no such row.
    pub fn name_within<'a>(&self, row: usize, input: &'a str) -> &'a str {
        if self.files.len() < 2 {
            return input;
        }
        let rest = input.strip_prefix(self.files[self.of(row)].name.as_str());
        rest.and_then(|rest| rest.strip_prefix(':')).unwrap_or(input)
    }

    /// For each of `rows` rows the number of its recording, counted from 0 among the recordings that have rows; and how many these are.
    pub(super) fn folds(&self, rows: usize) -> (Vec<usize>, usize) {
        let mut has_rows = vec![false; self.files.len().max(1)];
        (0..rows).for_each(|row| has_rows[self.of(row)] = true);
        let mut count = 0;
        let number: Vec<usize> = has_rows
            .iter()
            .map(|&has| {
                count += usize::from(has);
                count.saturating_sub(1)
            })
            .collect();
        ((0..rows).map(|row| number[self.of(row)]).collect(), count)
    }

    pub(super) fn with_rows(&self, rows: &[usize]) -> Recordings {
        let of_row = if self.of_row.is_empty() { Vec::new() } else { rows.iter().map(|&r| self.of_row[r]).collect() };
        Recordings { files: self.files.clone(), of_row }
    }

    /// Appends the recordings of another table. The tables have `own` and `others` rows.
    pub(super) fn append(&mut self, own: usize, other: Recordings, others: usize) {
        let before = self.files.len() as u32;
        if self.of_row.is_empty() {
            self.of_row = vec![0; own];
        }
        self.of_row.extend((0..others).map(|row| before + other.of(row) as u32));
        self.files.extend(other.files);
    }
}

impl Profile {
    /// How many inputs of another table are inputs of this one, as far as the tables tell: they have the same name within their
    /// recordings, and labels, answers, image features and own signals are the same. Names alone tell nothing, since each folder may
    /// have a `0001.png`. So this is 0 unless most inputs of equal names look the same; without features and own signals, unless all of
    /// them and at least 20 do.
    ///
    /// ```
    /// use trt_select_train::Profile;
    ///
    /// let table = |x: f32| Profile::parse("p.csv", format!("input,signal.x,a.reward\n1.png,{x},1\n").as_bytes());
    /// assert_eq!(table(0.5)?.inputs_again(&table(0.5)?), 1);
    /// assert_eq!(table(0.5)?.inputs_again(&table(0.75)?), 0, "another folder's 1.png");
    /// # Ok::<(), trt_select_train::ProfileError>(())
    /// ```
    pub fn inputs_again(&self, other: &Profile) -> usize {
        let mut rows_of: HashMap<&str, Vec<usize>> = HashMap::new();
        for (row, input) in self.inputs.iter().enumerate() {
            rows_of.entry(self.recordings.name_within(row, input)).or_default().push(row);
        }
        let compared = Compared::new(self, other);
        let (mut shared, mut same) = (0, 0);
        for (row, input) in other.inputs.iter().enumerate() {
            let Some(rows) = rows_of.get(other.recordings.name_within(row, input)) else { continue };
            shared += 1;
            same += usize::from(rows.iter().any(|&own| compared.are_same(own, row)));
        }
        let enough = if compared.signals.is_empty() { same == shared && same >= AGREEING } else { 2 * same > shared };
        if enough { same } else { 0 }
    }
}

/// What two tables say of an input, whoever measured it and on whichever machine.
struct Compared<'a> {
    labels: [&'a [Option<u32>]; 2],
    /// Answers of the candidates that both have; rewards where one has no answers.
    answers: Vec<[&'a [u32]; 2]>,
    rewards: Vec<[&'a [f32]; 2]>,
    /// Image features and own signals that both have.
    signals: Vec<[&'a [f32]; 2]>,
}

impl<'a> Compared<'a> {
    fn new(a: &'a Profile, b: &'a Profile) -> Compared<'a> {
        let mut compared =
            Compared { labels: [&a.labels, &b.labels], answers: Vec::new(), rewards: Vec::new(), signals: Vec::new() };
        for (i, name) in a.candidates.iter().enumerate() {
            let Some(j) = b.candidates.iter().position(|other| other == name) else { continue };
            match (a.answers.get(i), b.answers.get(j)) {
                (Some(own), Some(others)) => compared.answers.push([own, others]),
                _ => compared.rewards.push([&a.rewards[i], &b.rewards[j]]),
            }
        }
        for column in a.columns.iter().filter(|c| matches!(c.signal, Signal::Feature(_) | Signal::User(_))) {
            if let Some(other) = b.columns.iter().find(|c| c.signal == column.signal) {
                compared.signals.push([&column.values, &other.values]);
            }
        }
        compared
    }

    fn are_same(&self, a: usize, b: usize) -> bool {
        self.labels[0][a] == self.labels[1][b]
            && self.answers.iter().all(|[own, others]| own[a] == others[b])
            && self.rewards.iter().all(|[own, others]| own[a] == others[b])
            && self.signals.iter().all(|[own, others]| own[a] == others[b])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_without_rows_are_no_folds() {
        let files = ["a", "b", "c", "d"].map(|name| Recording { name: name.into(), ..Recording::default() });
        let all = Recordings { files: files.into(), of_row: vec![0, 0, 1, 2, 3, 3] };
        assert_eq!(all.folds(6), (vec![0, 0, 1, 2, 3, 3], 4));
        assert_eq!(all.with_rows(&[5, 2, 4]).folds(3), (vec![1, 0, 1], 2));
        assert_eq!(Recordings::default().folds(2), (vec![0, 0], 1));
        assert_eq!(all.name_within(3, "c:c:1.png"), "c:1.png");
    }
}
