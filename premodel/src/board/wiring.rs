//! What a board computes for one program, and from which candidates' outputs.
#![deny(clippy::disallowed_types)]

use alloc::vec;
use alloc::vec::Vec;

use crate::{Answer, AverageSignal, CandidateId, CandidateSignal, Mask, Premodel, Program, Signal, View};

/// A signal that depends on one candidate's output alone. The number is its place in the array of such signals in `Board::take`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Own {
    Top1 = 0,
    Margin = 1,
    Entropy = 2,
    Risk = 3,
}

#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) signal: usize,
    pub(crate) pair: [CandidateId; 2],
}

#[derive(Clone, Debug)]
pub(crate) struct Average {
    pub(crate) of: Mask,
    /// The candidates that are averaged, with their weights.
    pub(crate) members: Vec<(CandidateId, f32)>,
    /// Its signals that a test reads, each with its place among the values.
    pub(crate) signals: Vec<(usize, AverageSignal)>,
}

/// What is computed from the outputs for one program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wiring {
    /// For each candidate its signals that a test reads, each with its place among the values.
    pub(crate) own: Vec<Vec<(usize, Own)>>,
    pub(crate) agreements: Vec<Agreement>,
    pub(crate) averages: Vec<Average>,
    /// The candidates of all averages.
    pub(super) averaged: Mask,
}

impl Wiring {
    /// What has to be computed for a program.
    pub(super) fn of(program: Program<'_>, premodel: &Premodel) -> Wiring {
        let candidates = premodel.candidates().len();
        let mut wiring = Wiring { own: vec![Vec::new(); candidates], ..Wiring::default() };
        wiring.place_averages(program, premodel);
        let mut is_read = vec![false; premodel.signals().len()];
        program.reads().for_each(|signal| is_read[signal.index()] = true);
        for (at, signal) in premodel.signals().iter().enumerate().filter(|&(at, _)| is_read[at]) {
            wiring.place_signal(at, signal);
        }
        wiring
    }

    /// Adds the averages that the program reads or answers with.
    fn place_averages(&mut self, program: Program<'_>, premodel: &Premodel) {
        let read = program.reads().filter_map(|signal| match premodel.signals()[signal.index()] {
            Signal::Average(of, _) => Some(of),
            _ => None,
        });
        let answered = program.nodes().iter().filter_map(|node| match node.view() {
            View::Answer(Answer::Average(of)) => Some(of),
            _ => None,
        });
        for of in read.chain(answered) {
            if self.averages.iter().any(|average| average.of == of) {
                continue;
            }
            let members = premodel.members(of).map(|(candidate, weight, _)| (candidate, weight)).collect();
            self.averages.push(Average { of, members, signals: Vec::new() });
            self.averaged = self.averaged.union(of);
        }
    }

    /// Adds a signal that a test reads, whose place among the values is `at`, to those that are computed from the same output.
    fn place_signal(&mut self, at: usize, signal: &Signal) {
        match signal {
            // Whoever holds the board sets these.
            Signal::Feature(_) | Signal::User(_) => {}
            Signal::Candidate(candidate, signal) => {
                let own = match signal {
                    CandidateSignal::Top1 => Own::Top1,
                    CandidateSignal::Margin => Own::Margin,
                    CandidateSignal::Entropy => Own::Entropy,
                    CandidateSignal::Risk => Own::Risk,
                    // A number of a task other than classification: whoever runs the candidate sets it.
                    CandidateSignal::Other(_) => return,
                };
                self.own[candidate.index()].push((at, own));
            }
            Signal::Agreement(a, b) => self.agreements.push(Agreement { signal: at, pair: [*a, *b] }),
            Signal::Average(of, signal) => {
                if let Some(average) = self.averages.iter_mut().find(|average| average.of == *of) {
                    average.signals.push((at, *signal));
                }
            }
        }
    }

    /// The places of the signals that depend on a candidate's output.
    pub(crate) fn signals_of(&self, candidate: CandidateId) -> impl Iterator<Item = usize> + '_ {
        let own = self.own.get(candidate.index()).into_iter().flatten().map(|&(at, _)| at);
        let agreed = self.agreements.iter().filter(move |a| a.pair.contains(&candidate)).map(|a| a.signal);
        let of_candidate = self.averages.iter().filter(move |a| a.of.has(candidate));
        own.chain(agreed).chain(of_candidate.flat_map(|a| &a.signals).map(|&(at, _)| at))
    }
}
