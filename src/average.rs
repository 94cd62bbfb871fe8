//! Averages of calibrated probabilities: which a premodel speaks of, and what they say of an input.
#![forbid(unsafe_code)]

use trt_select_premodel::Top;
use trt_select_premodel::temper::add_weighted;
use trt_select_premodel::{Answer, AverageSignal, CandidateId, Mask, Premodel, Signal, View};

use crate::candidates::CandidateSet;
use crate::error::{Error, ErrorKind, Result};

/// One average.
#[derive(Debug)]
struct Average {
    of: Mask,
    /// Its candidates with their weights.
    members: Vec<(CandidateId, f32)>,
    /// Its signals that a test reads: (place among the values, which).
    signals: Vec<(usize, AverageSignal)>,
}

/// The averages of a program. Each is made at most once an input, and only where its candidates ran; nothing is allocated after
/// [`Averages::new`].
#[derive(Debug)]
pub(crate) struct Averages {
    list: Vec<Average>,
    /// The probabilities of the average made last.
    sum: Vec<f32>,
    /// Which that is, on this input.
    last: Option<(Mask, Top)>,
}

impl Averages {
    /// Finds them, and tells the candidates their temperatures.
    pub(crate) fn new(premodel: &Premodel, set: &mut CandidateSet) -> Result<Averages> {
        let mut list: Vec<Average> = Vec::new();
        let mut place = |of: Mask| {
            list.iter().position(|a| a.of == of).unwrap_or_else(|| {
                let members = premodel.members(of).map(|(c, weight, _)| (c, weight)).collect();
                list.push(Average { of, members, signals: Vec::new() });
                list.len() - 1
            })
        };
        let mut signals = Vec::new();
        for signal in premodel.program().reads() {
            if let Signal::Average(of, which) = premodel.signals()[signal.index()] {
                signals.push((place(of), signal.index(), which));
            }
        }
        for node in premodel.program().nodes() {
            if let View::Answer(Answer::Average(of)) = node.view() {
                place(of);
            }
        }
        for (at, signal, which) in signals {
            list[at].signals.push((signal, which));
        }
        let all = list.iter().fold(Mask::EMPTY, |m, a| m.union(a.of));
        let classes = set.list.first().map_or(0, |c| c.classes());
        for c in all.iter() {
            let candidate = &mut set.list[c.index()];
            if candidate.classes() != classes {
                return Err(Error::expected(
                    ErrorKind::Premodel,
                    format_args!("premodel: average with candidate {}", candidate.name()),
                    format_args!("{classes} classes, as the others have"),
                    candidate.classes(),
                    "give candidates of one task",
                ));
            }
            candidate.set_temperature(premodel.temperature(c));
        }
        let sum = vec![0.0; if list.is_empty() { 0 } else { classes }];
        Ok(Averages { list, sum, last: None })
    }

    /// Another input begins.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// Writes the signals that exist since a candidate ran.
    pub(crate) fn after_run(&mut self, candidate: CandidateId, ran: Mask, set: &mut CandidateSet, values: &mut [f32]) {
        for at in 0..self.list.len() {
            let average = &self.list[at];
            if average.signals.is_empty() || !average.of.has(candidate) || !average.of.without(ran).is_empty() {
                continue;
            }
            let mixture = self.mix(at, set);
            for &(value, which) in &self.list[at].signals {
                values[value] = match which {
                    AverageSignal::Top1 => mixture.top1,
                    AverageSignal::Margin => mixture.margin,
                };
            }
        }
    }

    /// What an average says that the program answers with.
    pub(crate) fn answer(&mut self, of: Mask, set: &mut CandidateSet) -> Top {
        match (self.last, self.list.iter().position(|a| a.of == of)) {
            (Some((mask, mixture)), _) if mask == of => mixture,
            (_, Some(at)) => self.mix(at, set),
            // A program's answers are all in the list.
            (_, None) => Top::default(),
        }
    }

    /// The probabilities of the average made last.
    pub(crate) fn probabilities(&self) -> &[f32] {
        &self.sum
    }

    fn mix(&mut self, at: usize, set: &mut CandidateSet) -> Top {
        let average = &self.list[at];
        self.sum.fill(0.0);
        for &(c, weight) in &average.members {
            add_weighted(&mut self.sum, weight, set.list[c.index()].calibrated());
        }
        let mixture = Top::of(&self.sum);
        self.last = Some((average.of, mixture));
        mixture
    }
}
