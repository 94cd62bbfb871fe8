//! What a program is worth on a profile, and what it is compared with: single candidates, hindsight, random mix.

use trt_select_premodel::{Answer, CandidateId, Interval, Mask, Premodel, Request};

use super::Profile;
use super::costs::Worth;
use super::profile_board::ProfileBoard;
use super::stats::{Bootstrap, mean};
use super::weights::Weights;

/// One candidate used for every input.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Single {
    /// The candidate.
    pub candidate: CandidateId,
    /// Its mean reward.
    pub reward: f64,
    /// Its cost.
    pub cost: f64,
}

impl Single {
    /// Its mean reward and its cost.
    pub fn worth(&self) -> Worth {
        Worth { reward: self.reward, cost: self.cost }
    }
}

/// What a premodel did on each row of a profile.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Judged {
    /// Reward of each row.
    pub rewards: Vec<f64>,
    /// Cost of each row: of the candidates that ran, and of the image features where the program reads one.
    pub costs: Vec<f64>,
    /// Which candidate answered each row, or the average of which ones.
    pub answered: Vec<Answer>,
    /// The candidates that ran.
    pub ran: Vec<Mask>,
    /// Whether the label is among the five most probable classes behind the answer; `None` where the profile cannot tell.
    pub in_top5: Vec<Option<bool>>,
    /// How much rows count in means and intervals: the weights of the profile.
    pub weights: Option<Weights>,
}

impl Judged {
    /// Mean reward.
    pub fn reward(&self) -> f64 {
        mean(self.rewards.iter().copied(), self.weights.as_ref())
    }

    /// Mean reward and mean cost.
    pub fn worth(&self) -> Worth {
        Worth { reward: self.reward(), cost: self.cost() }
    }

    /// Mean cost.
    pub fn cost(&self) -> f64 {
        mean(self.costs.iter().copied(), self.weights.as_ref())
    }

    /// Mean reward less that of another way to answer the same rows, with its 95 % interval (paired [`Bootstrap`] of the seed; it is not
    /// empty even if no row differs).
    pub fn over(&self, rewards: &[f32], seed: u64) -> Interval {
        let differences: Vec<f64> = self.rewards.iter().zip(rewards).map(|(a, &b)| a - f64::from(b)).collect();
        Bootstrap::new(seed).weighted(self.weights.as_ref()).within(-1.0, 1.0).mean(&differences)
    }

    /// How many times less the rows cost than if each cost `cost`, with its 95 % interval (bootstrap of the seed).
    pub fn times_cheaper(&self, cost: f64, seed: u64) -> Interval {
        Bootstrap::new(seed).weighted(self.weights.as_ref()).ratio(&vec![cost; self.costs.len()], &self.costs)
    }

    /// Room for the results of a profile's rows, which have not been judged yet.
    pub(super) fn of_none(profile: &Profile) -> Judged {
        let rows = profile.rows();
        Judged {
            rewards: vec![f64::NAN; rows],
            costs: vec![f64::NAN; rows],
            answered: vec![Answer::Candidate(CandidateId(0)); rows],
            ran: vec![Mask::EMPTY; rows],
            in_top5: vec![None; rows],
            weights: profile.weights.clone(),
        }
    }

    /// Copies the results of some rows to their places; `part` has one row for each of `rows`.
    pub(super) fn put(&mut self, rows: &[usize], part: &Judged) {
        for (i, &row) in rows.iter().enumerate() {
            (self.rewards[row], self.costs[row]) = (part.rewards[i], part.costs[i]);
            (self.answered[row], self.ran[row]) = (part.answered[i], part.ran[i]);
            self.in_top5[row] = part.in_top5[i];
        }
    }
}

/// Walks a premodel over a profile, at the costs that the premodel was trained for. `None` where the profile lacks a candidate that the
/// program runs, or a signal that it reads.
///
/// Averages are made from [`Profile::topk`], and cannot be judged without it. What a candidate's most probable classes lack to
/// a probability of 1 is spread evenly over its other classes, so a signal differs a little from what a selector sees. The
/// answer of an average is worth what a candidate of the profile got that answered the same class on that row; the average's
/// own candidates are asked first. Where no candidate answered so, it is worth 1 if it is the label's class, else 0.
///
/// ```
/// use trt_select_premodel::{CandidateId, Node, Premodel, SignalId, Signal, CandidateSignal, TrainedFor};
/// use trt_select_train::{Profile, judge};
///
/// // Run a; where its top-1 probability is at most 0.5, run b and let it answer.
/// let (a, b) = (CandidateId(0), CandidateId(1));
/// let nodes = vec![Node::run(a, 1), Node::test(SignalId(0), 0.5, 2, 4), Node::run(b, 3), Node::answer(b), Node::answer(a)];
/// let trained_for = TrainedFor::of_costs(vec![1.0, 9.0]);
/// let signals = vec![Signal::Candidate(a, CandidateSignal::Top1)];
/// let names = vec!["a".into(), "b".into()];
/// let premodel = Premodel::new(names, 10, signals, nodes, vec![b], Vec::new(), trained_for)?;
///
/// let csv = "input,a.reward,a.top1,b.reward\nx,1,0.9,1\ny,0,0.4,1\n";
/// let judged = judge(&premodel, &Profile::parse("p.csv", csv.as_bytes())?).expect("all that the program reads is there");
/// assert_eq!((judged.rewards, judged.costs), (vec![1.0, 1.0], vec![1.0, 10.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn judge(premodel: &Premodel, profile: &Profile) -> Option<Judged> {
    let program = premodel.program();
    let mut board = ProfileBoard::new(premodel, profile)?;
    let costs = &premodel.trained_for.costs_ns;
    let features = if premodel.reads_features() { premodel.trained_for.features_ns } else { 0.0 };
    let mut judged = Judged::of_none(profile);
    for row in 0..profile.rows() {
        board.begin(row);
        let mut walk = program.start();
        let answer = loop {
            match program.step(&mut walk, board.values()) {
                Request::Run(candidate) => board.run(candidate),
                Request::Answer(answer) => break answer,
                Request::NoneWorks => return None,
            }
        };
        judged.rewards[row] = f64::from(board.reward(answer)?);
        judged.in_top5[row] = board.in_top5(answer);
        judged.ran[row] = walk.ran();
        judged.costs[row] = features + walk.ran().iter().map(|c| costs[c.index()]).sum::<f64>();
        judged.answered[row] = answer;
    }
    Some(judged)
}

/// What each candidate is worth on its own, at the costs given. Rows count by their weights.
pub fn singles(profile: &Profile, costs: &[f64]) -> Vec<Single> {
    let mean = |rewards: &Vec<f32>| mean(rewards.iter().map(|&r| f64::from(r)), profile.weights.as_ref());
    let each = profile.rewards.iter().zip(costs).enumerate();
    each.map(|(c, (rewards, &cost))| Single { candidate: CandidateId(c as u8), reward: mean(rewards), cost }).collect()
}

/// Hindsight: the mean worth of a choice that knows the rewards, and takes for each input the cheapest candidate of the
/// largest reward. Rows count by their weights.
///
/// # Panics
/// If there are more costs than candidates.
pub fn oracle(profile: &Profile, costs: &[f64]) -> Worth {
    let (mut sum, mut counted) = (Worth::default(), 0.0);
    for row in 0..profile.rows() {
        let best = (0..costs.len())
            .max_by(|&a, &b| {
                profile.rewards[a][row].total_cmp(&profile.rewards[b][row]).then(costs[b].total_cmp(&costs[a]))
            })
            .unwrap_or(0);
        let weight = profile.weight(row);
        sum.reward += weight * f64::from(profile.rewards[best][row]);
        sum.cost += weight * costs[best];
        counted += weight;
    }
    Worth { reward: sum.reward / counted, cost: sum.cost / counted }
}

/// Reward of the best random mix at a mean cost: of two single candidates, a coin chooses one for each input, and it is
/// weighted so that the mean cost is `cost`; the best pair counts. At a cost above that of the dearest candidate this is the
/// best single reward. Below that of the cheapest there is no mix.
///
/// ```
/// use trt_select_train::{Worth, random_mix};
///
/// let singles = [Worth { reward: 0.5, cost: 1.0 }, Worth { reward: 0.9, cost: 5.0 }];
/// assert_eq!(random_mix(&singles, 3.0), Some(0.7));
/// assert_eq!(random_mix(&singles, 0.5), None);
/// ```
pub fn random_mix(singles: &[Worth], cost: f64) -> Option<f64> {
    let mut best: Option<f64> = None;
    for cheap in singles.iter().filter(|single| single.cost <= cost) {
        // A candidate that costs less than asked for is a mix with itself.
        let alone = best.map_or(cheap.reward, |b: f64| b.max(cheap.reward));
        let dearer = singles.iter().filter(|single| single.cost > cost);
        let mixed = dearer.map(|dear| {
            let share = (cost - cheap.cost) / (dear.cost - cheap.cost);
            cheap.reward + share * (dear.reward - cheap.reward)
        });
        best = Some(mixed.fold(alone, f64::max));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topk::TopK;

    #[test]
    fn mixes_lie_on_the_best_chord() {
        let points = [(0.5, 1.0), (0.55, 2.0), (0.9, 5.0)].map(|(reward, cost)| Worth { reward, cost });
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
        assert_eq!(oracle(&profile, &[1.0, 3.0]), Worth { reward: 0.75, cost: 1.5 });
        assert_eq!(singles(&profile, &[1.0, 3.0])[1], Single { candidate: CandidateId(1), reward: 0.5, cost: 3.0 });
    }

    /// Runs a; where the average of it alone is unsure, b too, and answers with the average of both.
    fn averaging() -> Premodel {
        use trt_select_premodel::{Average, AverageSignal, Node, Signal, SignalId, TrainedFor};
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
        let trained_for = TrainedFor::of_costs(vec![1.0, 4.0]);
        let names = ["a", "b"].map(Into::into).into();
        let model = Premodel::new(names, 3, signals, nodes, vec![b], Vec::new(), trained_for).unwrap();
        model.with_calibration([0.5, 1.0].into(), [Average { of: ab, weights: [0.25, 0.75].into() }].into()).unwrap()
    }

    #[test]
    fn averages_are_judged_from_the_most_probable_classes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p.csv");
        // On u candidate a is sure. On v, w, x and y an average answers. Its class is what b answered on v, what only c answered on w,
        // what nobody answered but the label says on x, and what neither anybody answered nor the label says on y. On z the average
        // is too unsure, and b answers.
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
