//! Parts of a profile, and other ways to judge its answers.

use std::vec::Vec;

use super::Profile;
use super::profile::Column;

impl Profile {
    /// The same table with some rows only, in the order given; a row may come more than once.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn with_rows(&self, rows: &[usize]) -> Profile {
        fn pick<T: Clone>(all: &[T], rows: &[usize]) -> Vec<T> {
            if all.is_empty() { Vec::new() } else { rows.iter().map(|&r| all[r].clone()).collect() }
        }
        fn each<T: Clone>(all: &[Vec<T>], rows: &[usize]) -> Vec<Vec<T>> {
            all.iter().map(|column| pick(column, rows)).collect()
        }
        Profile {
            inputs: pick(&self.inputs, rows),
            labels: pick(&self.labels, rows),
            candidates: self.candidates.clone(),
            rewards: each(&self.rewards, rows),
            costs: each(&self.costs, rows),
            answers: each(&self.answers, rows),
            columns: self
                .columns
                .iter()
                .map(|c| Column { signal: c.signal.clone(), values: pick(&c.values, rows) })
                .collect(),
            features_cost: pick(&self.features_cost, rows),
            topk: self.topk.as_ref().map(|t| t.with_rows(rows)),
            meta: self.meta.clone(),
            sha256: self.sha256.clone(),
        }
    }
}
