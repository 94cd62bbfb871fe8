//! Averages of calibrated probabilities, for training: many averages of the same row, by the arithmetic that a
//! [`Board`](trt_select_premodel::Board) uses, in the same order, so that they have the same bits.

use trt_select_premodel::temper::{add_weighted, of_probabilities};
use trt_select_premodel::{CandidateId, Top};

use super::topk::TopK;

/// A candidate's part in an average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) candidate: CandidateId,
    /// What its probabilities weigh; the weights of an average add up to 1.
    pub(super) weight: f32,
}

/// Calibrates each candidate once a row, and then mixes as many averages as are wanted.
///
/// All classes that no candidate's cell names have the same probability in an average. So after calibration only the classes that some
/// cell names are looked at, and the first two others: they hold the largest and the second largest probability, to the bit.
pub(super) struct Mixer<'a> {
    topk: &'a TopK,
    /// By candidate.
    temperatures: &'a [f32],
    /// Whether a class is among those that are looked at on the row.
    is_looked_at: Vec<bool>,
    /// The classes that are looked at, ascending.
    classes: Vec<u32>,
    /// By candidate: the probabilities of these classes, at its temperature.
    calibrated: Vec<Vec<f32>>,
    /// Room for a candidate's probabilities of all classes, at temperature 1 and at its own.
    plain: Vec<f32>,
    tempered: Vec<f32>,
    /// Room for the probabilities of an average.
    mixed: Vec<f32>,
}

impl<'a> Mixer<'a> {
    pub(super) fn new(topk: &'a TopK, temperatures: &'a [f32]) -> Mixer<'a> {
        let classes = topk.class_count() as usize;
        Mixer {
            topk,
            temperatures,
            is_looked_at: vec![false; classes],
            classes: Vec::new(),
            calibrated: vec![Vec::new(); temperatures.len()],
            plain: vec![0.0; classes],
            tempered: vec![0.0; classes],
            mixed: Vec::new(),
        }
    }

    /// Goes to a row.
    pub(super) fn begin(&mut self, row: usize) {
        self.look_at_classes(row);
        for (c, &temperature) in self.temperatures.iter().enumerate() {
            self.topk.spread(CandidateId(c as u8), row, &mut self.plain);
            let probabilities = if temperature == 1.0 {
                &self.plain
            } else {
                of_probabilities(&self.plain, temperature, &mut self.tempered);
                &self.tempered
            };
            self.calibrated[c].clear();
            self.calibrated[c].extend(self.classes.iter().map(|&class| probabilities[class as usize]));
        }
    }

    /// By candidate: its probabilities, at its temperature, of the classes that are looked at on the row.
    pub(super) fn calibrated(&self) -> &[Vec<f32>] {
        &self.calibrated
    }

    /// The place of a class among those that are looked at; `None` where it is not among them.
    pub(super) fn place(&self, class: u32) -> Option<usize> {
        self.classes.binary_search(&class).ok()
    }

    /// Finds the classes that are looked at on a row.
    fn look_at_classes(&mut self, row: usize) {
        self.classes.clear();
        for c in 0..self.temperatures.len() {
            for &class in self.topk.named(CandidateId(c as u8), row) {
                if !std::mem::replace(&mut self.is_looked_at[class as usize], true) {
                    self.classes.push(class);
                }
            }
        }
        let named = self.classes.len();
        let others = (0..self.is_looked_at.len()).filter(|&class| !self.is_looked_at[class]);
        self.classes.extend(others.take(2).map(|class| class as u32));
        self.classes[..named].iter().for_each(|&class| self.is_looked_at[class as usize] = false);
        self.classes.sort_unstable();
    }

    /// An average on the row.
    pub(super) fn top(&mut self, members: &[Member]) -> Top {
        self.mixed.clear();
        self.mixed.resize(self.classes.len(), 0.0);
        for member in members {
            add_weighted(&mut self.mixed, member.weight, &self.calibrated[member.candidate.index()]);
        }
        let top = Top::of(&self.mixed);
        Top { class: self.classes.get(top.class as usize).copied().unwrap_or(0), ..top }
    }
}

#[cfg(test)]
mod tests;
