//! What the baselines read of a profile, and the folds they are judged by.

use trt_select_train::deal;

/// A class that stands for "no network of the set is right".
pub(super) const NONE: u8 = u8::MAX;

/// The profile as the baselines read it: plain columns, without the trainer's signals.
#[derive(Clone, Debug)]
pub(super) struct BaselineTable {
    pub(super) names: Vec<String>,
    /// Rewards by candidate, then row.
    pub(super) rewards: Vec<Vec<f32>>,
    /// Cost of a run of each candidate in nanoseconds.
    pub(super) costs: Vec<f64>,
    /// Cost of the image features in nanoseconds.
    pub(super) features_ns: f64,
    /// Top-1 probability by candidate, then row; empty for a candidate that has none.
    pub(super) confidence: Vec<Vec<f32>>,
    /// Whether the truth is among the five most probable classes, by candidate, then row; empty where not known.
    pub(super) top5: Vec<Vec<f32>>,
    /// Energy of a run of each candidate in millijoules, where measured.
    pub(super) energy_mj: Vec<f64>,
    /// Image features and the user's own signals.
    pub(super) features: Vec<Feature>,
    pub(super) rows: usize,
}

/// A number that is known before any network runs.
#[derive(Clone, Debug)]
pub(super) struct Feature {
    pub(super) name: String,
    /// By row.
    pub(super) values: Vec<f32>,
}

impl BaselineTable {
    /// A reward of half or more counts as right.
    pub(super) fn right(&self, candidate: usize, row: usize) -> bool {
        self.rewards[candidate][row] >= 0.5
    }

    /// The fastest network of a set that is right on a row, or [`NONE`]. Of two that cost the same the first counts.
    pub(super) fn fastest_right(&self, set: &[usize], row: usize) -> u8 {
        let right = set.iter().copied().filter(|&c| self.right(c, row));
        right.min_by(|&a, &b| self.costs[a].total_cmp(&self.costs[b]).then(a.cmp(&b))).map_or(NONE, |c| c as u8)
    }

    /// Mean reward of a candidate on some rows.
    pub(super) fn mean_reward(&self, candidate: usize, rows: &[u32]) -> f64 {
        rows.iter().map(|&r| f64::from(self.rewards[candidate][r as usize])).sum::<f64>() / rows.len() as f64
    }

    /// The candidate of a set that has the largest mean reward on some rows; of equals the cheapest.
    ///
    /// # Panics
    /// If the set is empty.
    pub(super) fn most_capable(&self, set: &[usize], rows: &[u32]) -> usize {
        let best = set.iter().copied().max_by(|&a, &b| {
            let (a_mean, b_mean) = (self.mean_reward(a, rows), self.mean_reward(b, rows));
            a_mean.total_cmp(&b_mean).then(self.costs[b].total_cmp(&self.costs[a]))
        });
        best.expect("a set of at least one candidate")
    }

    /// All candidates.
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.names.len()).collect()
    }

    /// All rows.
    pub(super) fn all_rows(&self) -> Vec<u32> {
        (0..self.rows as u32).collect()
    }
}

/// One part of a cross-validation.
#[derive(Clone, Debug)]
pub(super) struct Fold {
    pub(super) train: Vec<u32>,
    pub(super) test: Vec<u32>,
}

/// Deals rows into folds, in random order by the seed. The sizes of the folds differ by one row at most. All rows of a table are dealt as the
/// trainer deals them, so that its front and what stands beside it are judged by the same folds.
pub(super) fn folds(rows: &[u32], count: usize, seed: u64) -> Vec<Fold> {
    let fold_of = deal(rows.len(), count, seed);
    let part = |wanted: usize| {
        let is_test = |place: usize| fold_of[place] == wanted;
        let (mut train, mut test) = (Vec::new(), Vec::new());
        for (place, &row) in rows.iter().enumerate() {
            if is_test(place) { test.push(row) } else { train.push(row) }
        }
        train.sort_unstable();
        test.sort_unstable();
        Fold { train, test }
    };
    (0..count).map(part).collect()
}

/// Features of some rows, scaled to 0..=1 by the least and largest value on the training rows; row-major.
#[derive(Clone, Debug)]
pub(super) struct Scaled {
    pub(super) width: usize,
    pub(super) values: Vec<f32>,
}

impl Scaled {
    /// The scale comes from the rows of `train` alone. It is applied to `rows`, which may come to lie outside of 0..=1. A
    /// feature that is constant in training becomes 0.
    pub(super) fn new(table: &BaselineTable, features: &[usize], train: &[u32], rows: &[u32]) -> Scaled {
        let mut values = vec![0.0; rows.len() * features.len()];
        for (at, &feature) in features.iter().enumerate() {
            let column = &table.features[feature].values;
            let (low, high) = train
                .iter()
                .map(|&r| column[r as usize])
                .fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
            let span = high - low;
            if span > 0.0 {
                for (i, &row) in rows.iter().enumerate() {
                    values[i * features.len() + at] = (column[row as usize] - low) / span;
                }
            }
        }
        Scaled { width: features.len(), values }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// One row.
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    /// Some of the rows.
    pub(super) fn pick(&self, rows: &[usize]) -> Scaled {
        let values = rows.iter().flat_map(|&r| self.row(r)).copied().collect();
        Scaled { width: self.width, values }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A table of rewards and features by hand: candidate `i` costs `costs[i]`.
    pub(crate) fn by_hand(costs: &[f64], rewards: &[&[f32]], features: &[&[f32]]) -> BaselineTable {
        let rows = rewards[0].len();
        BaselineTable {
            names: (0..costs.len()).map(|i| format!("net{i}")).collect(),
            rewards: rewards.iter().map(|r| r.to_vec()).collect(),
            costs: costs.to_vec(),
            features_ns: 0.0,
            confidence: vec![Vec::new(); costs.len()],
            top5: vec![Vec::new(); costs.len()],
            energy_mj: Vec::new(),
            features: features
                .iter()
                .enumerate()
                .map(|(i, v)| Feature { name: i.to_string(), values: v.to_vec() })
                .collect(),
            rows,
        }
    }

    #[test]
    fn the_fastest_right_one_is_the_label() {
        let table = by_hand(&[2.0, 1.0], &[&[1.0, 1.0, 0.0], &[1.0, 0.0, 0.0]], &[]);
        let labels: Vec<u8> = (0..3).map(|row| table.fastest_right(&[0, 1], row)).collect();
        assert_eq!(labels, [1, 0, NONE]);
        assert_eq!(table.fastest_right(&[1], 1), NONE, "only the set counts");
        assert_eq!(table.most_capable(&[0, 1], &[0, 1, 2]), 0);
        assert_eq!(table.most_capable(&[0, 1], &[0]), 1, "of two as good the cheaper one");
    }

    #[test]
    fn folds_hold_every_row_once_and_are_seeded() {
        let rows: Vec<u32> = (0..103).collect();
        let parts = folds(&rows, 10, 3);
        let mut tested: Vec<u32> = parts.iter().flat_map(|f| f.test.clone()).collect();
        tested.sort_unstable();
        assert_eq!(tested, rows);
        for fold in &parts {
            assert!(fold.train.len() + fold.test.len() == 103 && fold.test.len().abs_diff(10) <= 1);
            assert!(fold.test.iter().all(|r| !fold.train.contains(r)));
        }
        assert_eq!(folds(&rows, 10, 3)[0].test, parts[0].test);
        assert_ne!(folds(&rows, 10, 4)[0].test, parts[0].test);
        assert_ne!(parts[0].test, (0..11).collect::<Vec<u32>>(), "shuffled");
    }

    #[test]
    fn the_scale_comes_from_the_training_rows() {
        let table = by_hand(&[1.0], &[&[1.0; 4]], &[&[0.0, 2.0, 4.0, 9.0], &[5.0, 5.0, 5.0, 7.0]]);
        let scaled = Scaled::new(&table, &[0, 1], &[0, 1, 2], &[1, 3]);
        assert_eq!(scaled.values, [0.5, 0.0, 2.25, 0.0]);
    }
}
