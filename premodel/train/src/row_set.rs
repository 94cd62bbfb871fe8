//! Rows that a program is trained on, dealt into folds.

use trt_select_base::random::Rng;

/// Some rows of a table, each with the number of its fold. What is chosen for a row is chosen by rows of the other folds.
#[derive(Clone, Debug)]
pub(super) struct RowSet {
    rows: Vec<u32>,
    folds: Vec<u8>,
}

/// A row of a [`RowSet`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Its number in the table.
    pub(super) row: u32,
    pub(super) fold: usize,
}

impl RowSet {
    /// Deals rows into `count` folds at random.
    pub(super) fn dealt(rows: &[u32], count: usize, rng: &mut Rng) -> RowSet {
        RowSet { rows: rows.to_vec(), folds: rows.iter().map(|_| rng.below(count) as u8).collect() }
    }

    /// The rows at some places of this set, with the folds that they have here.
    pub(super) fn at(&self, places: &[usize]) -> RowSet {
        RowSet {
            rows: places.iter().map(|&i| self.rows[i]).collect(),
            folds: places.iter().map(|&i| self.folds[i]).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Numbers of the rows in the table.
    pub(super) fn rows(&self) -> &[u32] {
        &self.rows
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Row> + '_ {
        self.rows.iter().zip(&self.folds).map(|(&row, &fold)| Row { row, fold: usize::from(fold) })
    }
}
