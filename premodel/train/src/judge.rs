//! What a program is worth on a profile, and what it is measured against.

use trt_select_premodel::Top;
use trt_select_premodel::{
    Answer, AverageSignal, CandidateId, CandidateSignal, Interval, Mask, Premodel, Request, Signal,
};

use super::Profile;
use super::stats::{bootstrap_mean, bootstrap_ratio};
use super::topk::{Scratch, TopK};

/// One candidate used for every input.
#[derive(Clone, Debug, PartialEq)]
pub struct Single {
    /// The candidate.
    pub candidate: CandidateId,
    /// Its mean reward.
    pub reward: f64,
    /// Its cost.
    pub cost: f64,
}

/// What a premodel did on each row of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// Reward of each row.
    pub rewards: Vec<f64>,
    /// Cost of each row: of the candidates that ran, and of the image features where the program reads one.
    pub costs: Vec<f64>,
    /// Who answered each row.
    pub answered: Vec<Answer>,
    /// The candidates that ran.
    pub ran: Vec<Mask>,
    /// Whether the label is among the five most probable classes behind the answer; `None` where the profile cannot tell.
    pub in_top5: Vec<Option<bool>>,
}

impl Judged {
    /// Mean reward.
    pub fn reward(&self) -> f64 {
        self.rewards.iter().sum::<f64>() / self.rewards.len() as f64
    }

    /// Mean cost.
    pub fn cost(&self) -> f64 {
        self.costs.iter().sum::<f64>() / self.costs.len() as f64
    }

    /// Mean reward less that of another way to answer the same rows, in pairs.
    pub fn over(&self, rewards: &[f32], seed: u64) -> Interval {
        let differences: Vec<f64> = self.rewards.iter().zip(rewards).map(|(a, &b)| a - f64::from(b)).collect();
        bootstrap_mean(&differences, seed)
    }

    /// How many times less the rows cost than at a constant cost each.
    pub fn times_cheaper(&self, cost: f64, seed: u64) -> Interval {
        bootstrap_ratio(&vec![cost; self.costs.len()], &self.costs, seed)
    }

    /// Rows that nothing has been said of yet.
    pub(super) fn of_none(rows: usize) -> Judged {
        Judged {
            rewards: vec![f64::NAN; rows],
            costs: vec![f64::NAN; rows],
            answered: vec![Answer::Candidate(CandidateId(0)); rows],
            ran: vec![Mask::EMPTY; rows],
            in_top5: vec![None; rows],
        }
    }

    /// Takes over what was judged of some rows.
    pub(super) fn put(&mut self, rows: &[usize], part: &Judged) {
        for (i, &row) in rows.iter().enumerate() {
            (self.rewards[row], self.costs[row]) = (part.rewards[i], part.costs[i]);
            (self.answered[row], self.ran[row]) = (part.answered[i], part.ran[i]);
            self.in_top5[row] = part.in_top5[i];
        }
    }
}

/// Where a signal's values come from.
enum Source<'a> {
    /// Nowhere.
    Missing,
    Column(&'a [f32]),
    /// An average: its place in the list of averages.
    Average(usize, AverageSignal),
    /// The premodel's risk by class, and the classes answered.
    Risk(&'a [f32], &'a [u32]),
}

/// The averages that a premodel speaks of, made from the most probable classes of a profile.
struct Averages<'a> {
    table: &'a TopK,
    members: Vec<(Mask, Vec<Member>)>,
    scratch: Scratch,
}

/// Candidate (of the profile), weight, temperature.
type Member = (CandidateId, f32, f32);

impl Averages<'_> {
    /// The place of an average in the list, where the profile has its candidates.
    fn place(&mut self, of: Mask, premodel: &Premodel, place: &[Option<usize>]) -> Option<usize> {
        if let Some(at) = self.members.iter().position(|(mask, _)| *mask == of) {
            return Some(at);
        }
        let member = |(c, weight, t): Member| Some((CandidateId(place[c.index()]? as u8), weight, t));
        let members = premodel.members(of).map(member).collect::<Option<Vec<_>>>()?;
        self.members.push((of, members));
        Some(self.members.len() - 1)
    }

    fn mixture(&mut self, at: usize, row: usize) -> Top {
        self.table.mixture(row, &self.members[at].1, &mut self.scratch)
    }
}

/// Walks a premodel over a profile with its own costs. `None` where the profile lacks a signal or a candidate that the
/// program names.
///
/// Averages are made from [`Profile::topk`], and cannot be judged without it. The rest of a candidate's probability is spread
/// evenly over the classes outside its most probable ones, so a signal differs a little from what a selector sees. The
/// answer of an average is worth what a candidate of the profile got that answered the same class on that row, its own
/// candidates first; where none did, 1 if it is the label's class, else 0.
pub fn judge(premodel: &Premodel, profile: &Profile) -> Option<Judged> {
    let program = premodel.program();
    let mut signals = Signals::new(premodel, profile)?;
    let costs = &premodel.trained_for.costs_ns;
    let features = if premodel.reads_features() { premodel.trained_for.features_ns } else { 0.0 };
    let (ran, in_top5) = (Vec::new(), Vec::new());
    let mut judged = Judged { rewards: Vec::new(), costs: Vec::new(), answered: Vec::new(), ran, in_top5 };
    let top5 = profile.topk.as_ref().filter(|table| table.k() >= 5);
    for row in 0..profile.rows() {
        let values = signals.of(row);
        let mut walk = program.start();
        let answer = loop {
            match program.step(&mut walk, values) {
                Request::Run(_) => {}
                Request::Answer(answer) => break answer,
                Request::NoneWorks => return None,
            }
        };
        let label = profile.labels[row];
        let (reward, in_top5) = match answer {
            Answer::Candidate(c) => {
                let at = signals.place[c.index()]?;
                let held = top5.zip(label).map(|(table, label)| table.holds(CandidateId(at as u8), row, label, 5));
                (f64::from(profile.rewards[at][row]), held)
            }
            Answer::Average(of) => {
                let averages = signals.averages.as_mut()?;
                let at = averages.place(of, premodel, &signals.place)?;
                let class = averages.mixture(at, row).class;
                let Averages { members, scratch, .. } = averages;
                let members = &members[at].1;
                let held = top5.zip(label).map(|(table, label)| table.mixture_holds(row, members, label, 5, scratch));
                (f64::from(reward_of(profile, row, class, members.iter().map(|m| m.0))), held)
            }
        };
        judged.rewards.push(reward);
        judged.in_top5.push(in_top5);
        judged.ran.push(walk.ran());
        judged.costs.push(features + walk.ran().iter().map(|c| costs[c.index()]).sum::<f64>());
        judged.answered.push(answer);
    }
    Some(judged)
}

/// What a premodel's program reads, on the rows of a profile.
pub struct Signals<'a> {
    /// Each candidate's place in the profile.
    place: Vec<Option<usize>>,
    sources: Vec<Source<'a>>,
    averages: Option<Averages<'a>>,
    mixtures: Vec<Top>,
    values: Vec<f32>,
}

impl<'a> Signals<'a> {
    /// `None` where the profile lacks a signal or a candidate that the program names.
    pub fn new(premodel: &'a Premodel, profile: &'a Profile) -> Option<Signals<'a>> {
        let program = premodel.program();
        let place: Vec<Option<usize>> =
            premodel.candidates().iter().map(|name| profile.candidates.iter().position(|c| c == name)).collect();
        let mut averages =
            profile.topk.as_ref().map(|table| Averages { table, members: Vec::new(), scratch: Scratch::default() });
        let read: Vec<usize> = program.reads().map(|s| s.index()).collect();
        let mut sources = Vec::with_capacity(premodel.signals().len());
        for (i, signal) in premodel.signals().iter().enumerate() {
            let name = signal.name(premodel.candidates());
            let flipped = match *signal {
                Signal::Agreement(a, b) => Some(Signal::Agreement(b, a).name(premodel.candidates())),
                _ => None,
            };
            let average = match (signal, &mut averages) {
                (&Signal::Average(of, signal), Some(averages)) if read.contains(&i) => {
                    averages.place(of, premodel, &place).map(|at| Source::Average(at, signal))
                }
                (&Signal::Candidate(c, CandidateSignal::Risk), _) => match (premodel.risk(c), place[c.index()]) {
                    (Some(risk), Some(at)) if !profile.answers.is_empty() => {
                        Some(Source::Risk(risk, &profile.answers[at]))
                    }
                    _ => None,
                },
                _ => None,
            };
            let column = || {
                let column = profile.columns.iter().find(|c| {
                    let column = c.signal.name(&profile.candidates);
                    column == name || Some(&column) == flipped.as_ref()
                });
                column.map_or(Source::Missing, |c| Source::Column(&c.values))
            };
            sources.push(average.unwrap_or_else(column));
        }
        let lacks = read.iter().any(|&s| matches!(sources[s], Source::Missing))
            || program.runs().iter().any(|c| place[c.index()].is_none());
        let values = vec![f32::NAN; sources.len()];
        (!lacks).then_some(Signals { place, sources, averages, mixtures: Vec::new(), values })
    }

    /// All of them on a row, as if every candidate had run; NaN where the program reads none.
    pub fn of(&mut self, row: usize) -> &[f32] {
        self.mixtures.clear();
        if let Some(averages) = &mut self.averages {
            self.mixtures.extend((0..averages.members.len()).map(|at| averages.mixture(at, row)));
        }
        for (slot, source) in self.values.iter_mut().zip(&self.sources) {
            *slot = match *source {
                Source::Missing => f32::NAN,
                Source::Column(values) => values[row],
                // A class that the premodel has never heard of says nothing.
                Source::Risk(risk, answers) => risk.get(answers[row] as usize).copied().unwrap_or(f32::NAN),
                Source::Average(at, AverageSignal::Top1) => self.mixtures[at].top1,
                Source::Average(at, AverageSignal::Margin) => self.mixtures[at].margin,
            };
        }
        &self.values
    }
}

/// What answering with a class is worth on a row: see [`judge`]. The candidates given are asked before all.
pub(super) fn reward_of(profile: &Profile, row: usize, class: u32, first: impl Iterator<Item = CandidateId>) -> f32 {
    // Without a column of answers, the most probable class is the answer.
    let answered = |c: usize| match profile.answers.get(c) {
        Some(answers) => answers[row] == class,
        None => profile.topk.as_ref().is_some_and(|table| table.holds(CandidateId(c as u8), row, class, 1)),
    };
    let all = 0..profile.candidates.len();
    match first.map(CandidateId::index).chain(all).find(|&c| answered(c)) {
        Some(c) => profile.rewards[c][row],
        None => f32::from(u8::from(profile.labels[row] == Some(class))),
    }
}

/// Each candidate on its own, with the costs given.
pub fn singles(profile: &Profile, costs: &[f64]) -> Vec<Single> {
    let mean = |rewards: &Vec<f32>| rewards.iter().map(|&r| f64::from(r)).sum::<f64>() / rewards.len() as f64;
    let each = profile.rewards.iter().zip(costs).enumerate();
    each.map(|(c, (rewards, &cost))| Single { candidate: CandidateId(c as u8), reward: mean(rewards), cost }).collect()
}

/// Hindsight best: for each input the cheapest candidate of the largest reward. Mean reward and mean cost.
///
/// # Panics
/// If there are more costs than candidates.
pub fn oracle(profile: &Profile, costs: &[f64]) -> (f64, f64) {
    let (mut reward, mut cost) = (0.0, 0.0);
    for row in 0..profile.rows() {
        let best = (0..costs.len())
            .max_by(|&a, &b| {
                profile.rewards[a][row].total_cmp(&profile.rewards[b][row]).then(costs[b].total_cmp(&costs[a]))
            })
            .unwrap_or(0);
        reward += f64::from(profile.rewards[best][row]);
        cost += costs[best];
    }
    (reward / profile.rows() as f64, cost / profile.rows() as f64)
}

/// Reward of the best random mix at a mean cost: of two single candidates, one is chosen by coin for each input, with the
/// coin that gives this mean cost; the best pair counts. A cost above the dearest gives the best single reward; one below
/// the cheapest has no mix. `points` are (cost, reward) of the single candidates.
pub fn random_mix(points: &[(f64, f64)], cost: f64) -> Option<f64> {
    let mut best: Option<f64> = None;
    for &(c0, r0) in points {
        if c0 > cost {
            continue;
        }
        // A candidate that costs less than asked for is a mix with itself.
        best = Some(best.map_or(r0, |b: f64| b.max(r0)));
        for &(c1, r1) in points {
            if c1 > cost {
                let p = (cost - c0) / (c1 - c0);
                best = best.map(|b| b.max(r0 + p * (r1 - r0)));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixes_lie_on_the_best_chord() {
        let points = [(1.0, 0.5), (2.0, 0.55), (5.0, 0.9)];
        assert_eq!(random_mix(&points, 0.5), None);
        assert_eq!(random_mix(&points, 1.0), Some(0.5));
        // The chord from 1 to 5 passes above the middle point.
        assert!((random_mix(&points, 3.0).unwrap() - 0.7).abs() < 1e-12);
        assert!((random_mix(&points, 2.0).unwrap() - 0.6).abs() < 1e-12);
        assert_eq!(random_mix(&points, 9.0), Some(0.9));
    }

    #[test]
    fn the_oracle_takes_the_cheapest_of_the_best() {
        let text = "input,a.reward,b.reward\n1,1,1\n2,0,1\n3,0,0\n4,1,0\n";
        let profile = Profile::parse("t", text.as_bytes()).unwrap();
        assert_eq!(oracle(&profile, &[1.0, 3.0]), (0.75, 1.5));
        assert_eq!(singles(&profile, &[1.0, 3.0])[1], Single { candidate: CandidateId(1), reward: 0.5, cost: 3.0 });
    }

    /// Runs a; where the average of it alone is unsure, b too, and answers with the average of both.
    fn averaging() -> Premodel {
        use trt_select_premodel::{Average, Node, SignalId, TrainedFor};
        let (a, b, ab) = (CandidateId(0), CandidateId(1), Mask(3));
        let signals = vec![Signal::Average(Mask(1), AverageSignal::Top1), Signal::Average(ab, AverageSignal::Margin)];
        let nodes = vec![
            Node::run(a, 1),
            Node::test(SignalId(0), 0.75, 2, 6),
            Node::run(b, 3),
            Node::test(SignalId(1), 0.0625, 4, 5),
            Node::answer(b),
            Node::average(ab),
            Node::answer(a),
        ];
        let trained_for = TrainedFor { costs_ns: vec![1.0, 4.0], ..TrainedFor::default() };
        let names = ["a", "b"].map(Into::into).into();
        let model = Premodel::new(names, 3, signals, nodes, vec![b], Vec::new(), trained_for).unwrap();
        model.with_calibration([0.5, 1.0].into(), [Average { of: ab, weights: [0.25, 0.75].into() }].into()).unwrap()
    }

    #[test]
    fn averages_are_judged_from_the_most_probable_classes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.csv");
        // u is sure; v, w, x are averaged, and a class comes out that b answered, that only c answered, that nobody did and the
        // label is; y too, and nobody and no label; z is too unsure for an average.
        let rows = [
            ("u,2,0.5,2,0,1,0,1", "2:0.75 0:0.25,1:1,1:1"),
            ("v,1,0,0,0.5,1,0.25,2", "0:0.5 1:0.5,1:0.9,2:1"),
            ("w,2,0,0,0.5,1,0.25,2", "0:0.6 2:0.4,1:0.45 2:0.45,2:1"),
            ("x,2,0,0,0.5,1,0.25,0", "0:0.6 2:0.4,1:0.45 2:0.45,0:1"),
            ("y,1,0,0,0.5,1,0.25,0", "0:0.6 2:0.4,1:0.45 2:0.45,0:1"),
            ("z,1,0,0,0.5,1,0.25,0", "0:0.5 2:0.5,2:0.35 1:0.33 0:0.32,0:1"),
        ];
        // The side file has its rows in another order, and one more.
        let mut text = String::from("input,label,a.reward,a.answer,b.reward,b.answer,c.reward,c.answer\n");
        let mut side = String::from("# classes: 3\ninput,a.topk,b.topk,c.topk\nmore,0:1,0:1,0:1\n");
        rows.iter().for_each(|(row, _)| text += &format!("{row}\n"));
        rows.iter().rev().for_each(|(row, cells)| side += &format!("{},{cells}\n", &row[..1]));
        std::fs::write(&path, &text).unwrap();
        let model = averaging();
        assert_eq!(judge(&model, &Profile::read(&path).unwrap()), None, "without the side file");
        std::fs::write(TopK::path_beside(&path), &side).unwrap();
        let profile = Profile::read(&path).unwrap();
        let judged = judge(&model, &profile).unwrap();
        let (a, b, ab) =
            (Answer::Candidate(CandidateId(0)), Answer::Candidate(CandidateId(1)), Answer::Average(Mask(3)));
        assert_eq!(judged.answered, [a, ab, ab, ab, ab, b]);
        assert_eq!(judged.rewards, [0.5, 0.5, 0.25, 1.0, 0.0, 0.5]);
        assert_eq!(judged.costs, [1.0, 5.0, 5.0, 5.0, 5.0, 5.0]);
        // Another order of the candidates in the table changes nothing, and without b there is nothing to judge.
        let turned = profile.with_candidates(&[2, 1, 0].map(CandidateId));
        assert_eq!(judge(&model, &turned), Some(judged));
        assert_eq!(judge(&model, &profile.with_candidates(&[CandidateId(0)])), None);

        for (from, to, expected) in [
            ("w,0:0.6", "q,0:0.6", "p.topk.csv: expected a row for input 'w'"),
            ("# classes: 3", "# classes: 3\n# engine: other", "comment 'engine': expected 'one'"),
            ("v,0:0.5 1", "v,0:0.5 3", "column 'a.topk': expected classes below 3, got '0:0.5 3:0.5'"),
        ] {
            assert!(side.contains(from));
            std::fs::write(&path, format!("# engine: one\n{text}")).unwrap();
            std::fs::write(TopK::path_beside(&path), side.replace(from, to)).unwrap();
            let error = Profile::read(&path).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }
}
