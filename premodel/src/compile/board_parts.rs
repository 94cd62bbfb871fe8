//! What the code of a board consists of, as lists that both languages write in the same order.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::arithmetic::ln_f64;
use crate::board::{Agreement, Average, Own};
use crate::{AverageSignal, Board, CandidateId};

/// A board, and the candidates whose probabilities it keeps a second time.
pub(super) struct BoardParts<'a> {
    pub(super) board: &'a Board,
    /// The candidates that enter averages at another temperature than 1, with that temperature. The code keeps an array `calibrated`
    /// with one row for each of them, in this order.
    pub(super) calibrated: Vec<(CandidateId, f32)>,
}

/// What has to be computed when a candidate's scores are taken.
pub(super) struct OfCandidate<'a> {
    pub(super) candidate: usize,
    /// Its signals that a test reads, as places among the values.
    pub(super) signals: &'a [(usize, Own)],
    /// Its row in `calibrated`, and its temperature; `None` where no average needs them.
    pub(super) calibrated: Option<(usize, f32)>,
}

/// A group of signals that can be computed once several candidates have run.
pub(super) enum Joint<'a> {
    Agreement(&'a Agreement),
    /// The number of an average, and its signals that a test reads, as places among the values.
    Average(usize, &'a [(usize, AverageSignal)]),
}

impl<'a> BoardParts<'a> {
    pub(super) fn of(board: &'a Board) -> BoardParts<'a> {
        let calibrated = board.calibrated().collect();
        BoardParts { board, calibrated }
    }

    /// The candidates of whose shares of wrong answers the code needs a table, with the table.
    pub(super) fn risks(&self) -> impl Iterator<Item = (usize, &'a [f32])> {
        let own = self.board.wiring.own.iter().enumerate();
        let with_risk = own.filter(|(_, signals)| signals.iter().any(|(_, own)| matches!(own, Own::Risk)));
        with_risk.map(|(c, _)| (c, self.board.outputs[c].risk.as_slice()))
    }

    /// For each candidate of whose scores anything is computed besides its summary: what that is.
    pub(super) fn of_candidates(&self) -> impl Iterator<Item = OfCandidate<'a>> {
        self.board.wiring.own.iter().enumerate().filter_map(|(candidate, signals)| {
            let row = self.calibrated.iter().position(|(c, _)| c.index() == candidate);
            let calibrated = row.map(|row| (row, self.calibrated[row].1));
            let is_needed = !signals.is_empty() || calibrated.is_some();
            is_needed.then_some(OfCandidate { candidate, signals, calibrated })
        })
    }

    /// The agreements and averages that a test reads, each with the candidates that must have run. Bit i of the mask stands for
    /// candidate i.
    pub(super) fn joints(&self) -> impl Iterator<Item = (u16, Joint<'a>)> {
        let agreements = self.board.wiring.agreements.iter().map(|agreement| {
            let [a, b] = agreement.pair;
            (1 << a.0 | 1 << b.0, Joint::Agreement(agreement))
        });
        let averages = self.board.wiring.averages.iter().enumerate().filter(|(_, average)| !average.signals.is_empty());
        agreements.chain(averages.map(|(at, average)| (average.of.0, Joint::Average(at, &average.signals))))
    }

    /// For each candidate with signals that depend on its scores: the places of these signals among the values.
    pub(super) fn dependent_signals(&self) -> impl Iterator<Item = (usize, Vec<usize>)> {
        let board = self.board;
        (0..board.outputs.len()).filter_map(|c| {
            let places: Vec<usize> = board.wiring.signals_of(CandidateId(c as u8)).collect();
            (!places.is_empty()).then_some((c, places))
        })
    }

    /// The members of an average: for each the expression for its probabilities, which is the same in both languages, and its weight.
    pub(super) fn members(&self, average: &Average) -> Vec<(String, f32)> {
        let row = |c: CandidateId| match self.calibrated.iter().position(|(other, _)| *other == c) {
            Some(row) => format!("calibrated[{row}]"),
            None => format!("probabilities[{}]", c.0),
        };
        average.members.iter().map(|&(c, weight)| (row(c), weight)).collect()
    }
}

/// The factor that turns an entropy in nats into one in 0..=1, written so that C and Rust both read it.
pub(super) fn entropy_scale(classes: usize) -> String {
    format!("{:?}", 1.0 / ln_f64(classes.max(2) as f64))
}
