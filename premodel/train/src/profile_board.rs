//! A board that is fed with the rows of a profile, as a selector feeds one with what its networks say.

use trt_select_premodel::{
    Answer, Board, CandidateId, CandidateSignal, Mask, Premodel, Signal, SignalId, Summary, View,
};

use super::Profile;
use super::reward::reward_of;

/// The columns of a profile that make a candidate's summary.
struct Columns<'a> {
    /// The candidate's place in the profile.
    place: CandidateId,
    top1: Option<&'a [f32]>,
    margin: Option<&'a [f32]>,
    entropy: Option<&'a [f32]>,
    answers: Option<&'a [u32]>,
}

/// A signal that the board takes from a column as it stands.
struct Given<'a> {
    signal: SignalId,
    needs: Mask,
    values: &'a [f32],
}

/// A premodel's board on the rows of a profile: [`Board`] computes the signals, and the profile says what candidates said.
///
/// ```
/// use trt_select_premodel::{CandidateId, CandidateSignal, Node, Premodel, Signal, SignalId, TrainedFor};
/// use trt_select_train::{Profile, ProfileBoard};
///
/// let a = CandidateId(0);
/// let nodes = vec![Node::run(a, 1), Node::test(SignalId(0), 0.5, 2, 3), Node::answer(a), Node::answer(a)];
/// let trained_for = TrainedFor::of_costs(vec![1.0]);
/// let signals = vec![Signal::Candidate(a, CandidateSignal::Margin)];
/// let premodel = Premodel::new(vec!["a".into()], 2, signals, nodes, vec![a], Vec::new(), trained_for)?;
///
/// let profile = Profile::parse("p.csv", b"input,a.reward,a.margin\nx,1,0.75\ny,0,0.25\n")?;
/// let mut board = ProfileBoard::new(&premodel, &profile).expect("the profile has the margin");
/// board.begin(1);
/// assert!(board.values()[0].is_nan(), "the candidate has not run");
/// board.run(a);
/// assert_eq!(board.values(), [0.25]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ProfileBoard<'a> {
    profile: &'a Profile,
    board: Board,
    /// By candidate of the premodel; `None` for one that the profile lacks.
    candidates: Vec<Option<Columns<'a>>>,
    given: Vec<Given<'a>>,
    row: usize,
}

impl<'a> ProfileBoard<'a> {
    /// `None` where the profile lacks a candidate that the program runs, or what a signal is made of that the program reads or an
    /// average that it answers with.
    pub fn new(premodel: &'a Premodel, profile: &'a Profile) -> Option<ProfileBoard<'a>> {
        let classes = profile.topk.as_ref().map_or(0, |topk| topk.class_count() as usize);
        let mut board = ProfileBoard {
            profile,
            board: Board::new(premodel, classes),
            candidates: premodel.candidates().iter().map(|name| Columns::of(profile, name)).collect(),
            given: Vec::new(),
            row: 0,
        };
        let program = premodel.program();
        let has_all = program.runs().iter().all(|c| board.candidates[c.index()].is_some());
        let can_answer = program.nodes().iter().all(|node| match node.view() {
            View::Answer(Answer::Average(of)) => board.has_average(of),
            _ => true,
        });
        if !has_all || !can_answer {
            return None;
        }
        for id in program.reads() {
            let signal = &premodel.signals()[id.index()];
            if !board.computes(signal, premodel) {
                let values = column(profile, signal, premodel.candidates())?;
                board.given.push(Given { signal: id, needs: signal.needs(), values });
            }
        }
        Some(board)
    }

    fn columns(&self, candidate: CandidateId) -> Option<&Columns<'a>> {
        self.candidates.get(candidate.index())?.as_ref()
    }

    /// Whether the most probable classes of all members of an average are there.
    fn has_average(&self, of: Mask) -> bool {
        self.profile.topk.is_some() && of.iter().all(|c| self.columns(c).is_some())
    }

    /// Whether the board computes a signal from what candidates said; the others are taken from a column of their own.
    fn computes(&self, signal: &Signal, premodel: &Premodel) -> bool {
        let answers = |c: CandidateId| self.columns(c).is_some_and(|columns| columns.answers.is_some());
        match signal {
            Signal::Candidate(c, CandidateSignal::Top1) => self.columns(*c).is_some_and(|c| c.top1.is_some()),
            Signal::Candidate(c, CandidateSignal::Margin) => self.columns(*c).is_some_and(|c| c.margin.is_some()),
            Signal::Candidate(c, CandidateSignal::Entropy) => self.columns(*c).is_some_and(|c| c.entropy.is_some()),
            Signal::Candidate(c, CandidateSignal::Risk) => premodel.risk(*c).is_some() && answers(*c),
            Signal::Agreement(a, b) => answers(*a) && answers(*b),
            Signal::Average(of, _) => self.has_average(*of),
            _ => false,
        }
    }

    /// Begins a row: no candidate has run.
    pub fn begin(&mut self, row: usize) {
        self.row = row;
        self.board.begin();
        self.give(Mask::EMPTY);
    }

    /// Tells the board what a candidate said on the row.
    ///
    /// # Panics
    /// If the profile lacks the candidate, which the program then does not run.
    pub fn run(&mut self, candidate: CandidateId) {
        let columns = self.candidates[candidate.index()].as_ref().expect("a candidate that the program runs");
        if let Some(topk) = &self.profile.topk {
            topk.spread(columns.place, self.row, self.board.probabilities_mut(candidate));
        }
        self.board.take_summary(candidate, columns.summary(self.row));
        self.give(Mask::of(candidate));
    }

    /// Sets the signals that columns give and that exist since some candidates ran.
    fn give(&mut self, since: Mask) {
        let reported = self.board.reported();
        for given in &self.given {
            let is_new = given.needs.is_empty() && since.is_empty() || since.iter().any(|c| given.needs.has(c));
            if is_new && given.needs.without(reported).is_empty() {
                self.board.set(given.signal, given.values[self.row]);
            }
        }
    }

    /// The values of all signals: see [`Board::values`].
    pub fn values(&self) -> &[f32] {
        self.board.values()
    }

    /// The values of all signals on a row, as if every candidate of the program had run.
    pub fn all(&mut self, premodel: &Premodel, row: usize) -> &[f32] {
        self.begin(row);
        for candidate in premodel.program().runs().iter() {
            self.run(candidate);
        }
        self.values()
    }

    /// What an answer is worth on the row; its candidates have run.
    pub(super) fn reward(&mut self, answer: Answer) -> Option<f32> {
        match answer {
            Answer::Candidate(c) => Some(self.profile.rewards[self.columns(c)?.place.index()][self.row]),
            Answer::Average(of) => {
                let class = self.board.answer(answer)?.class;
                let members = of.iter().filter_map(|c| self.columns(c)).map(|columns| columns.place);
                Some(reward_of(self.profile, self.row, class, members))
            }
        }
    }

    /// Whether the label is among the five most probable classes behind an answer, of classes that the side file names; `None` where
    /// the profile does not tell.
    pub(super) fn in_top5(&mut self, answer: Answer) -> Option<bool> {
        const TOP: usize = 5;
        let label = self.profile.labels[self.row]?;
        let topk = self.profile.topk.as_ref().filter(|topk| topk.k() >= TOP)?;
        match answer {
            Answer::Candidate(c) => Some(topk.holds(self.columns(c)?.place, self.row, label, TOP)),
            Answer::Average(of) => {
                self.board.answer(answer)?;
                let mut members = of.iter().filter_map(|c| self.columns(c));
                let is_named = members.any(|columns| topk.holds(columns.place, self.row, label, topk.k()));
                let probabilities = self.board.probabilities(answer);
                Some(is_named && rank(probabilities, label as usize)? < TOP)
            }
        }
    }
}

impl<'a> Columns<'a> {
    /// `None` where the profile lacks the candidate.
    fn of(profile: &'a Profile, name: &str) -> Option<Columns<'a>> {
        let place = CandidateId(profile.candidates.iter().position(|c| c == name)? as u8);
        let column = |signal: CandidateSignal| {
            let wanted = Signal::Candidate(place, signal);
            profile.columns.iter().find(|column| column.signal == wanted).map(|column| column.values.as_slice())
        };
        Some(Columns {
            place,
            top1: column(CandidateSignal::Top1),
            margin: column(CandidateSignal::Margin),
            entropy: column(CandidateSignal::Entropy),
            answers: profile.answers.get(place.index()).map(Vec::as_slice),
        })
    }

    /// What the candidate said of its own answer on a row; NaN, and no class, where the profile has no such column.
    fn summary(&self, row: usize) -> Summary {
        let value = |column: Option<&[f32]>| column.map_or(f32::NAN, |values| values[row]);
        Summary {
            class: self.answers.map_or(u32::MAX, |answers| answers[row]),
            top1: value(self.top1),
            margin: value(self.margin),
            entropy: value(self.entropy),
        }
    }
}

/// The profile's column of a signal of a premodel with these candidates. Agreement is the same whichever of the two is named first.
fn column<'a>(profile: &'a Profile, signal: &Signal, names: &[String]) -> Option<&'a [f32]> {
    let flipped = match *signal {
        Signal::Agreement(a, b) => Some(Signal::Agreement(b, a).name(names)),
        _ => None,
    };
    let wanted = [Some(signal.name(names)), flipped];
    let found = profile.columns.iter().find(|c| wanted.contains(&Some(c.signal.name(&profile.candidates))));
    found.map(|column| column.values.as_slice())
}

/// How many classes come before one, by probability; of equals the lower number comes first. `None` where there is no such class.
fn rank(probabilities: &[f32], class: usize) -> Option<usize> {
    let own = *probabilities.get(class)?;
    let is_before = |(c, p): (usize, f32)| p > own || (p == own && c < class);
    Some(probabilities.iter().copied().enumerate().filter(|&other| is_before(other)).count())
}
