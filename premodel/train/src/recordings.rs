//! Which recording each row of a table comes from.

use std::collections::BTreeMap;

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
/// [`Profile::join`](crate::Profile::join) for several.
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

    /// An input's name within its recording: what [`Profile::join`](crate::Profile::join) put before it is left out.
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
