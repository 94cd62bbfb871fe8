//! Which prices are worth trying: in reward per unit of cost.

use super::costs::{Unit, Worth};
use super::goal::Goal;

/// Programs whose mean costs differ by less than this share are near enough.
const NARROW: f64 = 0.03;

/// Neighbouring prices nearer than this ratio are not parted further.
const NEAREST: f64 = 1.02;

/// At most so many prices are tried at a time: their results say where to look next.
const AT_A_TIME: usize = 6;

/// What became of rows under programs that had not seen them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Outcomes {
    /// By row: what the programs earned and cost.
    pub(super) worths: Vec<Worth>,
    /// By candidate: on which share of the rows it ran, each counted by its weight.
    pub(super) ran: Vec<f64>,
    /// What they earned and cost on average; rows are counted by their weights.
    pub(super) mean: Worth,
}

/// A price with what its programs earned and cost on each row.
pub(super) struct Priced {
    pub(super) price: f64,
    pub(super) outcomes: Outcomes,
}

impl Priced {
    fn reward(&self) -> f64 {
        self.outcomes.mean.reward
    }

    fn cost(&self) -> f64 {
        self.outcomes.mean.cost
    }

    fn meets(&self, goal: Option<Goal>, best_single: f64) -> bool {
        match goal {
            Some(Goal::AtMost(most)) => self.cost() <= most * Unit::SHOWN,
            Some(Goal::AtLeast(least)) => self.reward() >= least,
            Some(Goal::AtLeastBestSingle { margin }) => self.reward() >= best_single + margin,
            Some(Goal::Price(_)) | None => true,
        }
    }
}

/// Evenly spread in their logarithm: from "the dearest candidate costs next to nothing" to "it costs two right answers".
pub(super) fn spread(steps: usize, costs: &[f64]) -> Vec<f64> {
    let dearest = costs.iter().copied().fold(0.0, f64::max);
    if dearest == 0.0 {
        // Nothing costs anything, so all prices are the same.
        return vec![0.0];
    }
    let (low, high) = (5e-4_f64, 2.0_f64);
    let last = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|i| low * (high / low).powf(i as f64 / last) / dearest).collect()
}

/// Prices above those, in the same steps, up to where running even the second cheapest candidate costs a right answer: there the
/// front reaches the cheapest candidate alone.
pub(super) fn above(prices: &[f64], costs: &[f64]) -> Vec<f64> {
    let mut costs = costs.to_vec();
    costs.sort_by(f64::total_cmp);
    let (&[.., before, last], Some(&second)) = (prices, costs.get(1)) else { return Vec::new() };
    let step = last / before;
    if second == 0.0 || step <= 1.0 {
        return Vec::new();
    }
    std::iter::successors(Some(last * step), |price| Some(price * step))
        .take_while(|price| price * second < 1.0)
        .collect()
}

/// A pair of neighbouring prices whose programs differ.
struct Gap {
    /// Whether one of the two meets the goal, and the other does not.
    crosses_goal: bool,
    /// Logarithm of the ratio of the mean costs.
    width: f64,
    /// The price halfway between.
    middle: f64,
}

/// Prices halfway between those whose programs' mean costs lie far apart, at most `most`: first where the goal is crossed,
/// then in the widest gaps. `best_single` is the mean reward of the best single candidate.
pub(super) fn between(judged: &mut [Priced], most: usize, goal: Option<Goal>, best_single: f64) -> Vec<f64> {
    judged.sort_by(|a, b| a.price.total_cmp(&b.price));
    let mut gaps: Vec<Gap> = judged
        .windows(2)
        .filter(|pair| pair[0].price > 0.0 && pair[1].price / pair[0].price > NEAREST)
        .map(|pair| Gap {
            crosses_goal: pair[0].meets(goal, best_single) != pair[1].meets(goal, best_single),
            width: (pair[0].cost() / pair[1].cost()).ln().abs(),
            middle: (pair[0].price * pair[1].price).sqrt(),
        })
        .filter(|gap| gap.width > if gap.crosses_goal { NARROW / 6.0 } else { NARROW })
        .collect();
    gaps.sort_by(|a, b| b.crosses_goal.cmp(&a.crosses_goal).then(b.width.total_cmp(&a.width)));
    gaps.into_iter().take(most.min(AT_A_TIME)).map(|gap| gap.middle).collect()
}
