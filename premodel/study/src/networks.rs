//! Which networks: those that a chain is made of, and what more networks bring.

use trt_select_premodel::CandidateId;
use trt_select_train::{Profile, Worth};

use super::adapter::{Ask, kept, trained};
use super::cascade::{self, PRICES};
use super::chain::{ChainAccuracy, Part, knn_chain_accuracy};
use super::error::StudyError;
use super::options::Options;
use super::progress::Progress;
use super::table::{BaselineTable, Fold, NONE};

/// Networks of a chain.
const CHAIN: usize = 3;

/// The effect of the number of networks: those that Algorithm 1 takes first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Count {
    /// Networks, the last one being new in this row.
    pub set: Vec<CandidateId>,
    /// Share of rows that one of them gets right, and the mean time of the fastest right one.
    pub oracle: Worth,
    /// The best of them alone.
    pub single: Worth,
    /// Chain of nearest neighbours, one a network. None without features.
    pub chain: Option<ChainAccuracy>,
    /// Cascade at least as good as the best of them. None without top-1 probabilities.
    pub cascade: Option<Worth>,
    /// Cheapest trained program within a tenth of a point of the best of them.
    pub program: Option<Worth>,
}

pub(super) fn ids(set: &[usize]) -> Vec<CandidateId> {
    set.iter().map(|&c| CandidateId(c as u8)).collect()
}

/// The first networks that Algorithm 1 takes, without its stop at θ.
pub(super) fn chain_set(profile: &Profile, table: &BaselineTable, rows: &[u32]) -> Vec<usize> {
    let kept = kept(profile, table, rows, 0.0);
    let mut set: Vec<usize> = kept.iter().map(|k| k.candidate.index()).take(CHAIN).collect();
    if set.is_empty() {
        set.push(table.most_capable(&table.all(), rows));
    }
    set
}

/// The folds, each with the networks that its training rows choose.
pub(super) fn chain_parts(profile: &Profile, table: &BaselineTable, folds: &[Fold]) -> Vec<Part> {
    folds.iter().map(|fold| Part { fold: fold.clone(), set: chain_set(profile, table, &fold.train) }).collect()
}

/// The effect of the number of networks, from 2 to all. Their order is Algorithm 1's on all rows without its stop, and then
/// by mean reward: it is the axis of the table, and nothing that a fold fits.
pub(super) fn counts(
    profile: &Profile,
    table: &BaselineTable,
    features: &[usize],
    folds: &[Fold],
    options: &Options,
    progress: Progress<'_>,
) -> Result<Vec<Count>, StudyError> {
    let order = order(profile, table);
    let numbers = 2..=order.len();
    let count = |k: usize| {
        let tell = |done: usize, of: usize| progress("number of networks", (k - 2) * of + done, (order.len() - 1) * of);
        count(profile, table, features, folds, options, &order[..k], &tell)
    };
    numbers.map(count).collect()
}

/// All networks: those of Algorithm 1 first, the others by mean reward.
fn order(profile: &Profile, table: &BaselineTable) -> Vec<usize> {
    let rows = table.all_rows();
    let mut order: Vec<usize> = kept(profile, table, &rows, 0.0).iter().map(|k| k.candidate.index()).collect();
    let mut rest: Vec<usize> = table.all().into_iter().filter(|c| !order.contains(c)).collect();
    rest.sort_by(|&a, &b| table.mean_reward(b, &rows).total_cmp(&table.mean_reward(a, &rows)));
    order.extend(rest);
    order
}

/// What can be made of a set of networks.
fn count(
    profile: &Profile,
    table: &BaselineTable,
    features: &[usize],
    folds: &[Fold],
    options: &Options,
    set: &[usize],
    progress: trt_select_train::Progress<'_>,
) -> Result<Count, StudyError> {
    let best = table.most_capable(set, &table.all_rows());
    let parts: Vec<Part> = folds.iter().map(|f| Part { fold: f.clone(), set: set.to_vec() }).collect();
    let chain = (!features.is_empty()).then(|| knn_chain_accuracy(table, features, &parts));
    let prices = cascade::prices(&table.costs, PRICES);
    let cascade = cascade::cascades(table, set, folds, &prices, &|| ()).map(|cascades| cascades.at_least);
    let mut sorted = ids(set);
    sorted.sort_unstable();
    let ask = Ask::programs(options.folds, options.seed);
    let program = trained(&profile.with_candidates(&sorted), table, &ask, progress)?.worth();
    Ok(Count {
        set: ids(set),
        oracle: oracle(table, set),
        single: Worth { reward: table.mean_reward(best, &table.all_rows()), cost: table.costs[best] },
        chain,
        cascade: cascade.map(|c| Worth { reward: c.answer_accuracy(table), cost: c.mean_cost(table) }),
        program,
    })
}

/// Share of rows that a network of the set gets right, and the mean cost of the fastest right one; where none is right, of the
/// cheapest.
fn oracle(table: &BaselineTable, set: &[usize]) -> Worth {
    let cheapest = set.iter().map(|&c| table.costs[c]).fold(f64::INFINITY, f64::min);
    let (mut right, mut cost) = (0, 0.0);
    for row in 0..table.rows {
        let fastest = table.fastest_right(set, row);
        right += usize::from(fastest != NONE);
        cost += if fastest == NONE { cheapest } else { table.costs[usize::from(fastest)] };
    }
    Worth { reward: right as f64 / table.rows as f64, cost: cost / table.rows as f64 }
}
