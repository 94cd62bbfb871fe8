//! What a program is worth on a profile, and what it is measured against.

use std::vec::Vec;

use crate::{Answer, CandidateId, Premodel, Request, Signal};

use super::Profile;

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
    /// The candidate that answered each row.
    pub answered: Vec<CandidateId>,
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
}

/// Walks a premodel over a profile with its own costs. `None` where the profile lacks a signal or a candidate that the
/// program names, or where it answers with an average, which a table of single rewards cannot judge.
pub fn judge(premodel: &Premodel, profile: &Profile) -> Option<Judged> {
    let program = premodel.program();
    let place: Vec<Option<usize>> =
        premodel.candidates().iter().map(|name| profile.candidates.iter().position(|c| c == name)).collect();
    let columns: Vec<Option<&[f32]>> = premodel
        .signals()
        .iter()
        .map(|signal| {
            let name = signal.name(premodel.candidates());
            let flipped = match *signal {
                Signal::Agreement(a, b) => Some(Signal::Agreement(b, a).name(premodel.candidates())),
                _ => None,
            };
            let column = profile.columns.iter().find(|c| {
                let column = c.signal.name(&profile.candidates);
                column == name || Some(&column) == flipped.as_ref()
            });
            column.map(|c| c.values.as_slice())
        })
        .collect();
    if program.reads().any(|s| columns[s.index()].is_none())
        || program.runs().iter().any(|c| place[c.index()].is_none())
    {
        return None;
    }
    let costs = &premodel.trained_for.costs_ns;
    let features = if premodel.reads_features() { premodel.trained_for.features_ns } else { 0.0 };
    let mut signals = std::vec![f32::NAN; columns.len()];
    let mut judged = Judged { rewards: Vec::new(), costs: Vec::new(), answered: Vec::new() };
    for row in 0..profile.rows() {
        for (slot, column) in signals.iter_mut().zip(&columns) {
            *slot = column.map_or(f32::NAN, |values| values[row]);
        }
        let mut walk = program.start();
        let answer = loop {
            match program.step(&mut walk, &signals) {
                Request::Run(_) => {}
                Request::Answer(Answer::Candidate(c)) => break c,
                Request::Answer(Answer::Average(_)) | Request::NoneWorks => return None,
            }
        };
        judged.rewards.push(f64::from(profile.rewards[place[answer.index()]?][row]));
        judged.costs.push(features + walk.ran().iter().map(|c| costs[c.index()]).sum::<f64>());
        judged.answered.push(answer);
    }
    Some(judged)
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
}
