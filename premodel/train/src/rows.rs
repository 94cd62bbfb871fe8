//! Parts of a profile, and other ways to judge its answers.

use trt_select_premodel::temper::exp;
use trt_select_premodel::{CandidateId, CandidateSignal, Signal};

use super::Profile;
use super::profile::{Column, ProfileError, median};
use super::topk::{Scratch, TopK};

/// Who stands for the truth where there are no labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Teacher {
    /// One candidate's answer.
    Candidate(CandidateId),
    /// The answer of the average of all candidates, which needs the table of the most probable classes.
    Average,
}

impl Profile {
    /// The table as if a teacher's answer were the truth: an answer is worth 1 where it agrees with the teacher's, else 0.
    /// In the average, candidates weigh as `weights` say (such as their costs: a dear one is kept because it knows more).
    ///
    /// # Errors
    /// Where the table has no answers, or no most probable classes for an average.
    pub fn label_free(&self, teacher: Teacher, weights: &[f64]) -> Result<Profile, ProfileError> {
        let missing = |what: &str| {
            ProfileError(format!("profile without labels: expected {what}, got none; make it with trt-select profile"))
        };
        if self.answers.is_empty() {
            return Err(missing("columns CANDIDATE.answer"));
        }
        let truth: Vec<u32> = match teacher {
            Teacher::Candidate(c) => self.answers[c.index()].clone(),
            Teacher::Average => {
                let topk = self.topk.as_ref().ok_or_else(|| missing("a side file of the most probable classes"))?;
                let sum: f64 = weights.iter().sum();
                let members: Vec<(CandidateId, f32, f32)> = (0..self.candidates.len())
                    .map(|c| (CandidateId(c as u8), (weights[c] / sum) as f32, 1.0))
                    .collect();
                let mut scratch = Scratch::default();
                (0..self.rows()).map(|row| topk.mixture(row, &members, &mut scratch).class).collect()
            }
        };
        let agree = |answers: &Vec<u32>| {
            answers.iter().zip(&truth).map(|(a, t)| f32::from(u8::from(a == t))).collect::<Vec<f32>>()
        };
        Ok(Profile {
            rewards: self.answers.iter().map(agree).collect(),
            labels: truth.iter().map(|&t| Some(t)).collect(),
            ..self.clone()
        })
    }

    /// Energy of a run of each candidate in millijoules: the medians of the columns `CANDIDATE.energy_mj`, or `None` where one
    /// is missing.
    pub fn energies_mj(&self) -> Option<Vec<f64>> {
        let of = |c: usize| {
            let wanted = Signal::Candidate(CandidateId(c as u8), CandidateSignal::Other("energy_mj".into()));
            let column = self.columns.iter().find(|column| column.signal == wanted)?;
            Some(median(&column.values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>()))
        };
        (0..self.candidates.len()).map(of).collect()
    }

    /// The same table with other costs: one a candidate, and one of the image features, for every row.
    ///
    /// # Panics
    /// If there are not as many costs as candidates.
    #[must_use]
    pub fn with_costs(mut self, costs_ns: &[f64], features_ns: f64) -> Profile {
        assert_eq!(costs_ns.len(), self.candidates.len());
        let rows = self.rows();
        self.costs = costs_ns.iter().map(|&cost| vec![cost; rows]).collect();
        self.features_cost = vec![features_ns; rows];
        self
    }

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

impl TopK {
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

    /// What a candidate gives a class on a row at a temperature.
    ///
    /// # Panics
    /// If there is no such candidate or row.
    pub fn probability(&self, candidate: CandidateId, row: usize, class: u32, temperature: f32) -> f32 {
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
}
