//! What a premodel's program reads, taken from the columns of a profile.

use trt_select_premodel::Top;
use trt_select_premodel::{Answer, AverageSignal, CandidateId, CandidateSignal, Mask, Premodel, Signal};

use super::Profile;
use super::reward::reward_of;
use super::topk::{Member, Scratch, TopK};

/// Where a signal's values come from.
enum Source<'a> {
    /// The profile does not have it.
    Missing,
    Column(&'a [f32]),
    /// An average, by its place in the list of averages.
    Average(usize, AverageSignal),
    /// The premodel's risk by class, and the classes answered.
    Risk(&'a [f32], &'a [u32]),
}

/// An average that a premodel speaks of; its members are candidates of the profile.
struct Average {
    of: Mask,
    members: Vec<Member>,
}

/// What a premodel's program reads, on the rows of a profile.
pub struct Signals<'a> {
    premodel: &'a Premodel,
    profile: &'a Profile,
    /// By candidate of the premodel: its place in the profile.
    place: Vec<Option<usize>>,
    sources: Vec<Source<'a>>,
    averages: Vec<Average>,
    scratch: Scratch,
    mixtures: Vec<Top>,
    values: Vec<f32>,
}

impl<'a> Signals<'a> {
    /// `None` where the profile lacks a signal or a candidate that the program names.
    pub fn new(premodel: &'a Premodel, profile: &'a Profile) -> Option<Signals<'a>> {
        let place_of = |name: &String| profile.candidates.iter().position(|c| c == name);
        let mut signals = Signals {
            premodel,
            profile,
            place: premodel.candidates().iter().map(place_of).collect(),
            sources: Vec::new(),
            averages: Vec::new(),
            scratch: Scratch::default(),
            mixtures: Vec::new(),
            values: vec![f32::NAN; premodel.signals().len()],
        };
        let program = premodel.program();
        let read: Vec<usize> = program.reads().map(|s| s.index()).collect();
        for (i, signal) in premodel.signals().iter().enumerate() {
            let made = if read.contains(&i) { signals.made(signal) } else { None };
            let source = made.unwrap_or_else(|| signals.column(signal));
            signals.sources.push(source);
        }
        let lacks_signal = read.iter().any(|&s| matches!(signals.sources[s], Source::Missing));
        let lacks_candidate = program.runs().iter().any(|c| signals.place[c.index()].is_none());
        (!lacks_signal && !lacks_candidate).then_some(signals)
    }

    /// A signal that is made from other columns and not taken from one of its own.
    fn made(&mut self, signal: &Signal) -> Option<Source<'a>> {
        match *signal {
            Signal::Average(of, signal) => self.average(of).map(|at| Source::Average(at, signal)),
            Signal::Candidate(c, CandidateSignal::Risk) => {
                let answers = self.profile.answers.get(self.place[c.index()]?)?;
                Some(Source::Risk(self.premodel.risk(c)?, answers))
            }
            _ => None,
        }
    }

    /// The profile's column of a signal. Agreement is the same whichever of the two candidates is named first.
    fn column(&self, signal: &Signal) -> Source<'a> {
        let names = self.premodel.candidates();
        let flipped = match *signal {
            Signal::Agreement(a, b) => Some(Signal::Agreement(b, a).name(names)),
            _ => None,
        };
        let wanted = [Some(signal.name(names)), flipped];
        let found = self.profile.columns.iter().find(|column| {
            let name = Some(column.signal.name(&self.profile.candidates));
            wanted.contains(&name)
        });
        found.map_or(Source::Missing, |column| Source::Column(&column.values))
    }

    /// The most probable classes, where the profile has them.
    fn topk(&self) -> Option<&'a TopK> {
        self.profile.topk.as_ref()
    }

    /// The place of an average in the list; `None` where the profile lacks one of its candidates or the most probable classes.
    fn average(&mut self, of: Mask) -> Option<usize> {
        self.topk()?;
        if let Some(at) = self.averages.iter().position(|average| average.of == of) {
            return Some(at);
        }
        let member = |(c, weight, temperature): (CandidateId, f32, f32)| {
            Some(Member { candidate: CandidateId(self.place[c.index()]? as u8), weight, temperature })
        };
        let members = self.premodel.members(of).map(member).collect::<Option<Vec<_>>>()?;
        self.averages.push(Average { of, members });
        Some(self.averages.len() - 1)
    }

    /// All signals on a row, as if every candidate had run; NaN where the program does not read one that is missing.
    pub fn of(&mut self, row: usize) -> &[f32] {
        self.mixtures.clear();
        if let Some(topk) = self.topk() {
            let scratch = &mut self.scratch;
            self.mixtures.extend(self.averages.iter().map(|average| topk.mixture(row, &average.members, scratch)));
        }
        for (slot, source) in self.values.iter_mut().zip(&self.sources) {
            *slot = match *source {
                Source::Missing => f32::NAN,
                Source::Column(values) => values[row],
                // The premodel knows no risk of a class beyond its own.
                Source::Risk(risk, answers) => risk.get(answers[row] as usize).copied().unwrap_or(f32::NAN),
                Source::Average(at, AverageSignal::Top1) => self.mixtures[at].top1,
                Source::Average(at, AverageSignal::Margin) => self.mixtures[at].margin,
            };
        }
        &self.values
    }

    /// What an answer is worth on a row; `None` where the profile cannot tell.
    pub(super) fn reward(&mut self, answer: Answer, row: usize) -> Option<f32> {
        match answer {
            Answer::Candidate(c) => Some(self.profile.rewards[self.place[c.index()]?][row]),
            Answer::Average(of) => {
                let at = self.average(of)?;
                let members = &self.averages[at].members;
                let class = self.topk()?.mixture(row, members, &mut self.scratch).class;
                Some(reward_of(self.profile, row, class, members.iter().map(|m| m.candidate)))
            }
        }
    }

    /// Whether the label is among the five most probable classes behind an answer; `None` inside where the profile does not
    /// say, and outside where it lacks a candidate.
    pub(super) fn in_top5(&mut self, answer: Answer, row: usize) -> Option<Option<bool>> {
        let known = self.topk().filter(|topk| topk.k() >= 5).zip(self.profile.labels[row]);
        let Some((topk, label)) = known else { return Some(None) };
        Some(Some(match answer {
            Answer::Candidate(c) => topk.holds(CandidateId(self.place[c.index()]? as u8), row, label, 5),
            Answer::Average(of) => {
                let at = self.average(of)?;
                topk.mixture_holds(row, &self.averages[at].members, label, 5, &mut self.scratch)
            }
        }))
    }
}
