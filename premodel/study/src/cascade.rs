//! Plain confidence cascades: networks run in a fixed order until the top-1 probability of one is above its threshold.
//!
//! All ordered pairs and triples of networks are tried. Thresholds are quantiles of the probabilities on the training rows of a
//! fold; of all combinations, the one of the largest mean reward − price · mean cost on these rows is taken. So each price gives
//! one cascade a fold, which is judged on the fold's test rows.

use rayon::prelude::*;

use trt_select_premodel::{CandidateId, Mask};

use super::outcome::{Group, Outcome};
use super::table::{BaselineTable, Fold};

/// How many thresholds are tried for each network of a cascade, besides "always answer" and "never answer".
const CUTS: usize = 24;

/// Prices that cascades are fitted for.
pub(super) const PRICES: usize = 24;

/// Networks in their order, two or three.
type Order = Vec<usize>;

/// A cascade. Every network but the last has a threshold: where its top-1 probability is above it, it answers, and no further
/// network runs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Cascade {
    pub(super) order: Order,
    pub(super) thresholds: Vec<f32>,
}

impl Cascade {
    /// How many networks run for a row.
    pub(super) fn runs(&self, table: &BaselineTable, row: usize) -> usize {
        let leave = |(&c, &t): (&usize, &f32)| table.confidence[c][row] > t;
        self.order.iter().zip(&self.thresholds).position(leave).map_or(self.order.len(), |at| at + 1)
    }

    /// Writes down what the cascade does on a row; it may use the networks of `all`.
    fn record(&self, table: &BaselineTable, outcome: &mut Outcome, row: usize, all: &[usize]) {
        let ran = &self.order[..self.runs(table, row)];
        let answer = ran[ran.len() - 1] as u8;
        outcome.choice[row] = answer;
        outcome.truth[row] = table.fastest_right(all, row);
        outcome.answer[row] = answer;
        outcome.runs[row] = ran.iter().fold(Mask::EMPTY, |m, &c| m.with(CandidateId(c as u8)));
    }
}

/// Every ordered pair and triple of the networks that have a top-1 probability; the last of a cascade needs none.
pub(super) fn orders(table: &BaselineTable, among: &[usize]) -> Vec<Order> {
    let confident = |&c: &usize| !table.confidence[c].is_empty();
    let mut orders = Vec::new();
    for &a in among.iter().filter(|c| confident(c)) {
        for &b in among.iter().filter(|&&b| b != a) {
            orders.push(vec![a, b]);
            if confident(&b) {
                orders.extend(among.iter().filter(|&&c| c != a && c != b).map(|&c| vec![a, b, c]));
            }
        }
    }
    orders
}

/// The thresholds to choose from for a network, and the bin of each row.
struct Cuts {
    cuts: Vec<f32>,
    bins: Vec<u8>,
}

impl Cuts {
    fn new(values: &[f32], rows: &[u32]) -> Cuts {
        let mut sorted: Vec<f32> = rows.iter().map(|&r| values[r as usize]).collect();
        sorted.sort_by(f32::total_cmp);
        let mut cuts: Vec<f32> = (1..=CUTS).map(|i| sorted[i * (sorted.len() - 1) / (CUTS + 1)]).collect();
        cuts.dedup();
        let bins = rows.iter().map(|&r| cuts.partition_point(|&c| c < values[r as usize]) as u8).collect();
        Cuts { cuts, bins }
    }

    /// The threshold that is passed by the rows of bin `at` and of all higher bins.
    fn threshold(&self, at: usize) -> f32 {
        if at == 0 { f32::NEG_INFINITY } else { self.cuts.get(at - 1).copied().unwrap_or(f32::INFINITY) }
    }

    /// Number of thresholds to choose from: the cuts, one that no row passes, and one that all pass.
    fn choices(&self) -> usize {
        self.cuts.len() + 2
    }
}

/// What the networks of an order earn and cost on the training rows, in sums, with thresholds at some places of [`Cuts`].
struct ThresholdTrial {
    reward: f64,
    cost: f64,
    at: [usize; 2],
}

/// Tries every combination of thresholds of an order. Rows are counted by the bins of their first two networks once; sums over
/// all rows below a pair of thresholds then are prefix sums.
fn threshold_trials(table: &BaselineTable, order: &Order, cuts: &[Option<Cuts>], rows: &[u32]) -> Vec<ThresholdTrial> {
    let empty = || Cuts { cuts: Vec::new(), bins: Vec::new() };
    let no_cuts = empty();
    let of = |stage: usize| cuts[order[stage]].as_ref().unwrap_or(&no_cuts);
    let three = order.len() == 3;
    let (first, second) = (of(0), if three { of(1) } else { &no_cuts });
    let (high, wide) = (first.choices(), if three { second.choices() } else { 1 });
    // Sums over the rows of a bin of the first and of the second network: rows, and the rewards of all three.
    let mut sums = vec![[0.0_f64; 4]; high * wide];
    for (i, &row) in rows.iter().enumerate() {
        let bin = usize::from(first.bins[i]) * wide + if three { usize::from(second.bins[i]) } else { 0 };
        sums[bin][0] += 1.0;
        for (sum, &c) in sums[bin][1..].iter_mut().zip(order) {
            *sum += f64::from(table.rewards[c][row as usize]);
        }
    }
    // `below[at(i, j)]` sums over all rows whose bins lie below i and below j.
    let mut below = vec![[0.0_f64; 4]; (high + 1) * (wide + 1)];
    let at = |i: usize, j: usize| i * (wide + 1) + j;
    for i in 0..high {
        for j in 0..wide {
            for v in 0..4 {
                below[at(i + 1, j + 1)][v] =
                    sums[i * wide + j][v] + below[at(i, j + 1)][v] + below[at(i + 1, j)][v] - below[at(i, j)][v];
            }
        }
    }
    let cost = |stage: usize| table.costs[order[stage]];
    let total = below[at(high, wide)];
    let mut found = Vec::with_capacity(high * wide);
    for i in 0..high {
        // Rows that go on past the first network.
        let open = below[at(i, wide)];
        if !three {
            let reward = total[1] - open[1] + open[2];
            found.push(ThresholdTrial { reward, cost: total[0] * cost(0) + open[0] * cost(1), at: [i, 0] });
            continue;
        }
        for j in 0..wide {
            let deep = below[at(i, j)];
            let reward = total[1] - open[1] + open[2] - deep[2] + deep[3];
            let cost = total[0] * cost(0) + open[0] * cost(1) + deep[0] * cost(2);
            found.push(ThresholdTrial { reward, cost, at: [i, j] });
        }
    }
    found
}

/// Prices in reward per nanosecond, from "the dearest network costs a hundredth of a right answer" to "it costs four".
pub(super) fn prices(costs: &[f64], steps: usize) -> Vec<f64> {
    let dearest = costs.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let last = steps.saturating_sub(1).max(1) as f64;
    (0..steps).map(|i| 0.01 * 400.0_f64.powf(i as f64 / last) / dearest).collect()
}

/// What one fold's training rows chose.
struct Chosen {
    /// By price: the best cascade of all orders.
    by_price: Vec<Cascade>,
    /// By order, then price.
    by_order: Vec<Vec<Cascade>>,
    /// The cheapest cascade that is at least as good as the best single network; where there is none, that network alone.
    at_least: Cascade,
}

/// Fits thresholds on the training rows of a fold.
fn fit_fold(table: &BaselineTable, orders: &[Order], among: &[usize], fold: &Fold, prices: &[f64]) -> Chosen {
    let cuts: Vec<Option<Cuts>> = (0..table.names.len())
        .map(|c| (!table.confidence[c].is_empty()).then(|| Cuts::new(&table.confidence[c], &fold.train)))
        .collect();
    let cascade = |order: &Order, at: [usize; 2]| {
        let stages = order[..order.len() - 1].iter().zip(at);
        let thresholds = stages.map(|(&c, at)| cuts[c].as_ref().map_or(f32::INFINITY, |cuts| cuts.threshold(at)));
        Cascade { order: order.clone(), thresholds: thresholds.collect() }
    };
    let best = table.most_capable(among, &fold.train);
    let rows = fold.train.len() as f64;
    let needed = table.mean_reward(best, &fold.train) * rows;
    let mut cheapest = (table.costs[best] * rows, Cascade { order: vec![best], thresholds: Vec::new() });
    let mut by_price: Vec<Option<(f64, Cascade)>> = vec![None; prices.len()];
    let mut by_order = Vec::with_capacity(orders.len());
    for order in orders {
        let trials = threshold_trials(table, order, &cuts, &fold.train);
        let mut of_order = Vec::with_capacity(prices.len());
        for (price, best) in prices.iter().zip(&mut by_price) {
            let mut top = (f64::NEG_INFINITY, [0; 2]);
            for s in &trials {
                let value = s.reward - price * s.cost;
                if value > top.0 {
                    top = (value, s.at);
                }
            }
            let found = cascade(order, top.1);
            if best.as_ref().is_none_or(|b| top.0 > b.0) {
                *best = Some((top.0, found.clone()));
            }
            of_order.push(found);
        }
        by_order.push(of_order);
        for s in &trials {
            if s.reward >= needed - 1e-9 && s.cost < cheapest.0 {
                cheapest = (s.cost, cascade(order, s.at));
            }
        }
    }
    Chosen { by_price: by_price.into_iter().flatten().map(|b| b.1).collect(), by_order, at_least: cheapest.1 }
}

/// One cascade order at one price, judged by cross-validation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CascadePoint {
    /// The networks in their order.
    pub order: Vec<CandidateId>,
    /// Price in reward per nanosecond.
    pub price_per_ns: f64,
    /// Mean reward.
    pub accuracy: f64,
    /// Mean time of an answer.
    pub mean_ns: f64,
}

impl CascadePoint {
    /// Whether this point has as much reward as another in as little time, and more of the one or less of the other.
    pub(super) fn beats(&self, other: &CascadePoint) -> bool {
        let is_as_good = self.accuracy >= other.accuracy && self.mean_ns <= other.mean_ns;
        is_as_good && (self.accuracy > other.accuracy || self.mean_ns < other.mean_ns)
    }
}

/// All cascades, judged by cross-validation.
pub(super) struct Cascades {
    /// By price: the best of all orders, chosen by the training rows of each fold.
    pub(super) by_price: Vec<Outcome>,
    /// By order and price: of each order the points that no other price of this order beats.
    pub(super) by_order: Vec<CascadePoint>,
    /// The cheapest that is at least as good as the best single network on the training rows.
    pub(super) at_least: Outcome,
}

/// The points without those that another point beats. Of equal points the first stays.
fn unbeaten(points: &[CascadePoint]) -> Vec<CascadePoint> {
    let beaten = |(i, p): (usize, &CascadePoint)| {
        let is_equal = |q: &CascadePoint| q.accuracy == p.accuracy && q.mean_ns == p.mean_ns;
        points.iter().enumerate().any(|(j, q)| q.beats(p) || (j < i && is_equal(q)))
    };
    points.iter().enumerate().filter(|&(i, p)| !beaten((i, p))).map(|(_, p)| p.clone()).collect()
}

/// Judges all cascades of some networks; `done` is called after each fold. `None` where no network has a top-1 probability.
pub(super) fn cascades(
    table: &BaselineTable,
    among: &[usize],
    folds: &[Fold],
    prices: &[f64],
    done: &(dyn Fn() + Sync),
) -> Option<Cascades> {
    let orders = orders(table, among);
    if orders.is_empty() {
        return None;
    }
    let chosen: Vec<Chosen> = folds
        .par_iter()
        .map(|fold| {
            let chosen = fit_fold(table, &orders, among, fold, prices);
            done();
            chosen
        })
        .collect();
    let judge = |name: String, of: &dyn Fn(&Chosen) -> Cascade| {
        let mut outcome = Outcome::empty(table, name, Group::Cascade, false);
        for (fold, chosen) in folds.iter().zip(&chosen) {
            let cascade = of(chosen);
            fold.test.iter().for_each(|&row| cascade.record(table, &mut outcome, row as usize, among));
        }
        outcome
    };
    let by_price = prices.iter().enumerate().map(|(p, price)| {
        judge(format!("cascade at {:.3e} per ms", price * 1e6), &|chosen| chosen.by_price[p].clone())
    });
    let tested = folds.iter().map(|f| f.test.len()).sum::<usize>() as f64;
    let by_order: Vec<Vec<CascadePoint>> = orders
        .par_iter()
        .enumerate()
        .map(|(o, order)| {
            let point = |(p, &price_per_ns): (usize, &f64)| {
                let (mut reward, mut cost) = (0.0, 0.0);
                for (fold, chosen) in folds.iter().zip(&chosen) {
                    let cascade = &chosen.by_order[o][p];
                    for &row in &fold.test {
                        let ran = &order[..cascade.runs(table, row as usize)];
                        reward += f64::from(table.rewards[ran[ran.len() - 1]][row as usize]);
                        cost += ran.iter().map(|&c| table.costs[c]).sum::<f64>();
                    }
                }
                let order = order.iter().map(|&c| CandidateId(c as u8)).collect();
                CascadePoint { order, price_per_ns, accuracy: reward / tested, mean_ns: cost / tested }
            };
            unbeaten(&prices.iter().enumerate().map(point).collect::<Vec<_>>())
        })
        .collect();
    Some(Cascades {
        by_price: by_price.collect(),
        by_order: by_order.into_iter().flatten().collect(),
        at_least: judge("cascade, at least best single".into(), &|chosen| chosen.at_least.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::table::folds;
    use super::super::table::tests::by_hand;
    use super::*;
    use trt_select_train::Rng;

    #[test]
    fn a_cascade_by_hand() {
        let mut table = by_hand(&[1.0, 10.0, 100.0], &[&[1.0; 3], &[1.0; 3], &[1.0; 3]], &[]);
        table.confidence = vec![vec![0.9, 0.5, 0.5], vec![0.1, 0.8, 0.6], vec![]];
        let cascade = Cascade { order: vec![0, 1, 2], thresholds: vec![0.5, 0.7] };
        assert_eq!([0, 1, 2].map(|row| cascade.runs(&table, row)), [1, 2, 3], "equal to the threshold goes on");
        // net2 has no probability: it can only be the last. 2 firsts × 2 others, and 0 1 2, 1 0 2.
        assert_eq!(
            orders(&table, &[0, 1, 2]),
            [vec![0, 1], vec![0, 1, 2], vec![0, 2], vec![1, 0], vec![1, 0, 2], vec![1, 2]]
        );
    }

    /// 400 rows: net0 is right exactly where its probability is above 0.6; net1 always is.
    fn told_by_confidence() -> BaselineTable {
        let mut rng = Rng::new(4);
        let confidence: Vec<f32> = (0..400).map(|_| rng.unit() as f32).collect();
        let right: Vec<f32> = confidence.iter().map(|&c| f32::from(c > 0.6)).collect();
        let mut table = by_hand(&[1.0, 10.0], &[&right, &[1.0; 400]], &[]);
        table.confidence[0] = confidence;
        table
    }

    #[test]
    fn settings_are_what_walking_gives() {
        // Three networks of random rewards and probabilities: sums by prefix equal sums by walking, for every setting.
        let mut rng = Rng::new(8);
        let mut column = |p: f64| (0..200).map(|_| f32::from(rng.unit() < p)).collect::<Vec<f32>>();
        let (a, b, c) = (column(0.5), column(0.6), column(0.8));
        let mut table = by_hand(&[1.0, 3.0, 7.0], &[&a, &b, &c], &[]);
        table.confidence = (0..3).map(|_| (0..200).map(|_| rng.unit() as f32).collect()).collect();
        let rows: Vec<u32> = (0..200).step_by(2).collect();
        let cuts: Vec<Option<Cuts>> = table.confidence.iter().map(|v| Some(Cuts::new(v, &rows))).collect();
        for order in [vec![0, 1, 2], vec![2, 0, 1], vec![1, 2]] {
            for s in threshold_trials(&table, &order, &cuts, &rows) {
                let thresholds = order[..order.len() - 1].iter().zip(s.at);
                let thresholds = thresholds.map(|(&c, at)| cuts[c].as_ref().unwrap().threshold(at)).collect();
                let cascade = Cascade { order: order.clone(), thresholds };
                let (mut reward, mut cost) = (0.0, 0.0);
                for &row in &rows {
                    let ran = &order[..cascade.runs(&table, row as usize)];
                    reward += f64::from(table.rewards[ran[ran.len() - 1]][row as usize]);
                    cost += ran.iter().map(|&c| table.costs[c]).sum::<f64>();
                }
                assert!((reward - s.reward).abs() < 1e-9 && (cost - s.cost).abs() < 1e-9, "{order:?} {:?}", s.at);
            }
        }
    }

    #[test]
    fn thresholds_are_learnt() {
        let table = told_by_confidence();
        let parts = folds(&table.all_rows(), 10, 1);
        let found = cascades(&table, &[0, 1], &parts, &prices(&table.costs, 9), &|| ()).unwrap();
        let at_least = &found.at_least;
        assert!(at_least.answer_accuracy(&table) > 0.97, "{}", at_least.answer_accuracy(&table));
        // Four tenths pass at 1, the others cost 11: 7.0, and a little more since thresholds lie on quantiles.
        let cost = at_least.mean_cost(&table);
        assert!((6.8..7.8).contains(&cost), "{cost}");
        // The dearest price leaves nearly everything to the cheap network.
        let cheap = found.by_price.last().unwrap();
        assert!(cheap.mean_cost(&table) < 1.1, "{}", cheap.mean_cost(&table));
        let order = [CandidateId(0), CandidateId(1)];
        assert!(found.by_order.iter().all(|p| p.order == order), "only net0 can come first");
    }

    #[test]
    fn points_that_are_beaten_go() {
        let point = |accuracy, mean_ns| CascadePoint { order: Vec::new(), price_per_ns: 0.0, accuracy, mean_ns };
        let points = [point(0.5, 1.0), point(0.5, 2.0), point(0.6, 2.0), point(0.6, 2.0), point(0.4, 0.5)];
        assert_eq!(unbeaten(&points), [point(0.5, 1.0), point(0.6, 2.0), point(0.4, 0.5)]);
    }
}
