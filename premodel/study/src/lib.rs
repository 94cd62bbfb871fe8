//! The papers' tables: baselines beside our programs, each judged on inputs that it was not fitted on.
//!
//! ```text
//! Profile ─► Table ─► folds ─┬─► chains, single classifiers (image features choose)     ─┐
//!                            ├─► confidence cascades (thresholds by λ)                  ─┼─► Summary ─► CSV, Markdown, SVG
//!                            └─► single networks, oracle, random mix, trained programs  ─┘
//! ```
//! Everything that is fitted (the choice of networks, scales, classifiers, thresholds, λ) is fitted on the training rows of
//! a fold. Two accuracies are told apart: the *selector's* (did it foretell the fastest right network, or rightly that none
//! is right) and that of the *answers*, which is what a user gets. Where a selector says that no network is right, the most
//! capable one of its networks answers.
#![forbid(unsafe_code)]

mod adapter;
mod beside;
mod cascade;
mod chain;
mod classify;
mod features;
mod outcome;
mod overhead;
mod plot;
mod report;
mod svm;
mod table;
mod tree;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use trt_select_premodel::CandidateId;
use trt_select_train::{Kept, Profile, Rng};

pub use adapter::FrontPoint;
pub use beside::{Beside, Kind};
pub use cascade::CascadePoint;
pub use features::{Correlations, Dropped, Loss};
pub use outcome::{ClassScore, Group, Summary};
pub use overhead::Overhead;

use adapter::{Ask, features_only, kept, nested_programs, trained, walk_ns};
use chain::{ALONE, Part, STAGES, chains, classifiers, knn_chain_accuracy};
use outcome::{Outcome, summarise};
use table::{Fold, Table, folds};

/// The papers' seven image features, by the names of this project.
pub const PAPER_FEATURES: [&str; 7] =
    ["keypoints", "brightness_perceived", "contrast", "hue1", "edge_length1", "area_by_perimeter", "aspect_ratio"];

/// Networks of a chain.
const CHAIN: usize = 3;
/// Prices of the cascades.
const PRICES: usize = 24;
/// Most rows that the removal of features is tried on: it fits hundreds of chains.
const REMOVAL_ROWS: usize = 4000;

/// What to study.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Folds of the cross-validation, 2 or more.
    pub folds: usize,
    /// Seed of the folds and of the intervals.
    pub seed: u64,
    /// Algorithm 1 stops where the gain in union accuracy is below this.
    pub theta: f64,
    /// Features that the chains and classifiers read, with or without `feature.`; those of the user with `signal.`. Empty:
    /// the papers' seven where the profile has them, else all.
    pub features: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Options { folds: 10, seed: 1, theta: 0.005, features: Vec::new() }
    }
}

/// Why a profile cannot be studied: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StudyError(String);

impl fmt::Display for StudyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StudyError {}

/// The effect of the number of networks: those that Algorithm 1 takes first.
#[derive(Clone, Debug, PartialEq)]
pub struct Count {
    /// Networks, the last one being new in this row.
    pub set: Vec<CandidateId>,
    /// Share of rows that one of them gets right, and the mean time of the fastest right one.
    pub oracle: (f64, f64),
    /// The best of them alone: mean reward and time.
    pub single: (f64, f64),
    /// Chain of nearest neighbours, one a network: selector accuracy, answer accuracy. None without features.
    pub chain: Option<(f64, f64)>,
    /// Cascade at least as good as the best of them: mean reward and mean time. None without top-1 probabilities.
    pub cascade: Option<(f64, f64)>,
    /// Cheapest trained program within a tenth of a point of the best of them: mean reward and mean time.
    pub program: Option<(f64, f64)>,
}

/// All results. Times are in nanoseconds unless a name says otherwise.
#[derive(Clone, Debug)]
pub struct Study {
    /// Names of the candidates.
    pub candidates: Vec<String>,
    /// Cost of each.
    pub costs_ns: Vec<f64>,
    /// Cost of the image features.
    pub features_ns: f64,
    /// Rows of the profile.
    pub rows: usize,
    /// What was asked for; `features` are those that were used.
    pub options: Options,
    /// SHA-256 of the profile, and its comments.
    pub profile: (String, Vec<(String, String)>),
    /// Algorithm 1 on all rows, with θ.
    pub kept: Vec<Kept>,
    /// Networks of the chains, in order, when all rows choose them; folds may choose others.
    pub chain: Vec<CandidateId>,
    /// Folds that chose other networks than those.
    pub other_chains: usize,
    /// Share of rows for which each candidate is the fastest right one; the last is that of none.
    pub optimal: Vec<f64>,
    /// Every selector: singles, oracle, chains, classifiers, cascades, programs.
    pub selectors: Vec<Summary>,
    /// Cascades by order and price: of each order the points that none of the same order beats.
    pub cascades: Vec<CascadePoint>,
    /// Programs of the trainer, and trees over image features.
    pub fronts: Vec<(Group, Vec<FrontPoint>)>,
    /// Features; empty tables where the profile has none.
    pub correlations: Option<Correlations>,
    /// Accuracy lost by each of the chain's features.
    pub losses: Vec<Loss>,
    /// Features that survive the correlation test, removed one by one.
    pub greedy: Vec<Loss>,
    /// Rows that the two were tried on.
    pub removal_rows: usize,
    /// The effect of the number of networks.
    pub counts: Vec<Count>,
    /// Measured times.
    pub overheads: Vec<Overhead>,
}

/// Told of the progress: what is being done, how much of it is done, of how much. From any thread.
pub type Progress<'a> = &'a (dyn Fn(&'static str, usize, usize) + Sync);

/// Studies a profile. All cores are used; the same profile, options and seed give the same result but for measured times.
///
/// # Errors
/// Where the profile lacks costs, has fewer than two candidates or fewer rows than folds need, or lacks a feature asked for.
pub fn study(profile: &Profile, options: &Options, progress: Progress<'_>) -> Result<Study, StudyError> {
    let table = adapter::table(profile)?;
    let features = features(&table, options)?;
    let n = table.names.len();
    let fail = |what: String| Err(StudyError(what));
    if n < 2 {
        return fail(format!("profile: expected at least 2 candidates, got {n}; there is nothing to choose"));
    }
    if options.folds < 2 || table.rows < 2 * options.folds {
        let (rows, asked) = (table.rows, options.folds);
        return fail(format!(
            "folds: expected 2 to {} (two rows each), got {asked}; give more rows or other folds",
            rows / 2
        ));
    }
    let parts = folds(&table.all_rows(), options.folds, options.seed);
    let of_three = chain_parts(profile, &table, &parts);
    let chain_of_all: Vec<usize> = chain_set(profile, &table, &table.all_rows());

    let mut outcomes: Vec<Outcome> = (0..n).map(|c| Outcome::single(&table, c)).collect();
    outcomes.push(Outcome::oracle(&table));
    if !features.is_empty() {
        let done = Counted::new(progress, "chains", of_three.len());
        outcomes.extend(chains(&table, &features, &of_three, &STAGES, options.seed, &|| done.one()));
        let done = Counted::new(progress, "classifiers", ALONE.len());
        outcomes.extend(classifiers(&table, &features, &of_three, &ALONE, options.seed, &|| done.one()));
    }
    let prices = cascade::prices(&table.costs, PRICES);
    let mut overheads = Vec::new();
    let (mut cascade_points, start) = (Vec::new(), Instant::now());
    let done = Counted::new(progress, "cascades", parts.len());
    if let Some(found) = cascade::cascades(&table, &table.all(), &parts, &prices, &|| done.one()) {
        // Each fold looks at all orders and prices, as training on all rows would.
        overheads.push(Overhead {
            selector: "cascades, all orders".to_string(),
            decision_ns: None,
            training_s: start.elapsed().as_secs_f64() / parts.len() as f64,
        });
        outcomes.push(found.at_least);
        outcomes.extend(found.by_price);
        cascade_points = found.by_order;
    }

    let mut fronts = Vec::new();
    let mut asks = vec![(profile.clone(), Ask::programs(options.folds, options.seed))];
    if !table.features.is_empty() {
        asks.push((features_only(profile), Ask::feature_trees(options.folds, options.seed)));
    }
    for (profile, ask) in &asks {
        let found = trained(profile, &table, ask, &|d, of| progress("training", d, of))?;
        if found.premodel.is_some() {
            let decision_ns = found.premodel.as_ref().and_then(|p| walk_ns(p, profile));
            let selector = ask.name.to_string();
            overheads.push(Overhead { selector, decision_ns, training_s: found.seconds });
        }
        fronts.push((ask.group, found.points));
        outcomes.push(nested_programs(profile, &table, &parts, ask, &|d, of| progress("nested training", d, of))?);
    }

    let sample = removal_rows(&table, options.seed);
    let removal = chain_parts(profile, &table, &folds(&sample, options.folds, options.seed));
    let (mut losses, mut greedy, mut correlations) = (Vec::new(), Vec::new(), None);
    if !features.is_empty() {
        let found = features::correlations(&table);
        let many = found.kept.len();
        let steps = features.len() + 1 + many * (many + 1) / 2;
        let done = Counted::new(progress, "features", steps);
        losses = features::losses(&table, &features, &removal, &|| done.one());
        if many > 0 {
            greedy = features::greedy(&table, &found.kept, &removal, &|| done.one());
        }
        correlations = Some(found);
        for kind in ALONE {
            let both = overhead::of_kind(&table, &features, &chain_of_all, kind, options.seed);
            // There are no chains of naive Bayes.
            overheads.extend(both.into_iter().skip(usize::from(!STAGES.contains(&kind))));
        }
    }
    let counts = counts(profile, &table, &features, &parts, options, progress)?;
    let selectors = outcomes.iter().map(|o| summarise(&table, o, options.seed)).collect();
    let share = |class: u8| {
        let all = table.all();
        (0..table.rows).filter(|&row| table.fastest_right(&all, row) == class).count() as f64 / table.rows as f64
    };
    Ok(Study {
        optimal: (0..n as u8).chain([table::NONE]).map(share).collect(),
        kept: kept(profile, &table, &table.all_rows(), options.theta),
        other_chains: of_three.iter().filter(|p| p.set != chain_of_all).count(),
        chain: ids(&chain_of_all),
        options: Options {
            features: features.iter().map(|&f| table.features[f].0.clone()).collect(),
            ..options.clone()
        },
        profile: (profile.sha256.clone(), profile.meta.iter().map(|(k, v)| (k.clone(), v.clone())).collect()),
        candidates: table.names.clone(),
        costs_ns: table.costs.clone(),
        features_ns: table.features_ns,
        rows: table.rows,
        selectors,
        cascades: cascade_points,
        fronts,
        correlations,
        losses,
        greedy,
        removal_rows: sample.len(),
        counts,
        overheads,
    })
}

impl Study {
    /// The files of a study: name and text. `study.md` links the others.
    ///
    /// # Errors
    /// Where a plot cannot be drawn.
    pub fn files(&self) -> Result<Vec<(String, String)>, StudyError> {
        let mut files = report::tables(self);
        files.extend(plot::plots(self)?);
        let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
        files.push(("study.md".to_string(), report::markdown(self, &names)));
        Ok(files)
    }

    /// (mean time, mean reward) of every single network.
    pub fn singles(&self) -> Vec<(f64, f64)> {
        self.of(Group::Single).map(|s| (s.mean_ns, s.accuracy.mean)).collect()
    }

    /// The selectors of a group.
    pub fn of(&self, group: Group) -> impl Iterator<Item = &Summary> {
        self.selectors.iter().filter(move |s| s.group == group)
    }
}

/// Counts what is done, from any thread.
struct Counted<'a> {
    progress: Progress<'a>,
    what: &'static str,
    of: usize,
    done: AtomicUsize,
}

impl<'a> Counted<'a> {
    fn new(progress: Progress<'a>, what: &'static str, of: usize) -> Counted<'a> {
        progress(what, 0, of);
        Counted { progress, what, of, done: AtomicUsize::new(0) }
    }

    fn one(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.progress)(self.what, done.min(self.of), self.of);
    }
}

fn ids(set: &[usize]) -> Vec<CandidateId> {
    set.iter().map(|&c| CandidateId(c as u8)).collect()
}

/// Places of the features asked for.
fn features(table: &Table, options: &Options) -> Result<Vec<usize>, StudyError> {
    let place = |name: &str| table.features.iter().position(|(n, _)| n == name);
    if options.features.is_empty() {
        let papers: Option<Vec<usize>> = PAPER_FEATURES.iter().map(|name| place(name)).collect();
        return Ok(papers.unwrap_or_else(|| (0..table.features.len()).collect()));
    }
    let mut found = Vec::new();
    for asked in &options.features {
        let name = asked.strip_prefix("feature.").unwrap_or(asked);
        let Some(at) = place(name) else {
            let names: Vec<&str> = table.features.iter().map(|(n, _)| n.as_str()).collect();
            let has = if names.is_empty() { "no feature at all".to_string() } else { names.join(", ") };
            return Err(StudyError(format!("features: expected one of the profile's, got '{asked}'; it has {has}")));
        };
        if !found.contains(&at) {
            found.push(at);
        }
    }
    Ok(found)
}

/// The first networks that Algorithm 1 takes, without its stop at θ.
fn chain_set(profile: &Profile, table: &Table, rows: &[u32]) -> Vec<usize> {
    let kept = kept(profile, table, rows, 0.0);
    let mut set: Vec<usize> = kept.iter().map(|k| k.candidate.index()).take(CHAIN).collect();
    if set.is_empty() {
        set.push(table.most_capable(&table.all(), rows));
    }
    set
}

fn chain_parts(profile: &Profile, table: &Table, folds: &[Fold]) -> Vec<Part> {
    folds.iter().map(|fold| Part { fold: fold.clone(), set: chain_set(profile, table, &fold.train) }).collect()
}

/// At most [`REMOVAL_ROWS`] rows, by the seed.
fn removal_rows(table: &Table, seed: u64) -> Vec<u32> {
    let mut rows = table.all_rows();
    if rows.len() > REMOVAL_ROWS {
        Rng::new(seed ^ 0x4E40).shuffle(&mut rows);
        rows.truncate(REMOVAL_ROWS);
        rows.sort_unstable();
    }
    rows
}

/// The effect of the number of networks, from 2 to all. Their order is Algorithm 1's on all rows without its stop, and then
/// by mean reward: it is the axis of the table, and nothing that a fold fits.
fn counts(
    profile: &Profile,
    table: &Table,
    features: &[usize],
    folds: &[Fold],
    options: &Options,
    progress: Progress<'_>,
) -> Result<Vec<Count>, StudyError> {
    let rows = table.all_rows();
    let mut order: Vec<usize> = kept(profile, table, &rows, 0.0).iter().map(|k| k.candidate.index()).collect();
    let mut rest: Vec<usize> = table.all().into_iter().filter(|c| !order.contains(c)).collect();
    rest.sort_by(|&a, &b| table.mean_reward(b, &rows).total_cmp(&table.mean_reward(a, &rows)));
    order.extend(rest);
    let prices = cascade::prices(&table.costs, PRICES);
    let mut found = Vec::new();
    for k in 2..=order.len() {
        let set = &order[..k];
        let best = table.most_capable(set, &rows);
        let (mut right, mut cost) = (0, 0.0);
        for row in 0..table.rows {
            let fastest = table.fastest_right(set, row);
            right += usize::from(fastest != table::NONE);
            let cheapest = || set.iter().map(|&c| table.costs[c]).fold(f64::INFINITY, f64::min);
            cost += if fastest == table::NONE { cheapest() } else { table.costs[usize::from(fastest)] };
        }
        let parts: Vec<Part> = folds.iter().map(|f| Part { fold: f.clone(), set: set.to_vec() }).collect();
        let chain = (!features.is_empty()).then(|| knn_chain_accuracy(table, features, &parts));
        let cascade = cascade::cascades(table, set, folds, &prices, &|| ());
        let mut sorted = ids(set);
        sorted.sort_unstable();
        let part = profile.with_candidates(&sorted);
        let ask = Ask::programs(options.folds, options.seed);
        let points = trained(&part, table, &ask, &|d, of| {
            progress("number of networks", (k - 2) * of + d, (order.len() - 1) * of);
        })?
        .points;
        let program = points.iter().filter(|p| p.over_best_single >= -0.001);
        let program = program.min_by(|a, b| a.mean_ns.total_cmp(&b.mean_ns));
        found.push(Count {
            set: ids(set),
            oracle: (right as f64 / table.rows as f64, cost / table.rows as f64),
            single: (table.mean_reward(best, &rows), table.costs[best]),
            chain,
            cascade: cascade.map(|c| (c.at_least.answer_accuracy(table), c.at_least.mean_cost(table))),
            program: program.map(|p| (p.accuracy, p.mean_ns)),
        });
    }
    Ok(found)
}

/// Reward of the best random mix of two single networks at a mean time.
pub(crate) fn mix(singles: &[(f64, f64)], mean_ns: f64) -> Option<f64> {
    let singles: Vec<_> = singles.iter().map(|&(cost, reward)| trt_select_train::Worth { reward, cost }).collect();
    trt_select_train::random_mix(&singles, mean_ns)
}
