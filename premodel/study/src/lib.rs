//! The papers' tables: baselines beside our programs, each judged on inputs that it was not fitted on.
//!
//! ```text
//! Profile ─► BaselineTable ─► folds ─┬─► chains, single classifiers (image features choose)    ─┐
//!                                    ├─► confidence cascades (thresholds by price)             ─┼─► Summary ─► CSV, Markdown, SVG
//!                                    └─► single networks, oracle, random mix, trained programs ─┘
//! ```
//! Whatever is fitted (the choice of networks, scales, classifiers, thresholds, prices) is fitted on the training rows of
//! a fold. Two accuracies are told apart. That of the *selector* is the share of rows on which it foretold the fastest right
//! network, or rightly that none is right. That of the *answers* is what a user gets. Where a selector foretells that no network
//! is right, the most capable one of its networks answers.
#![forbid(unsafe_code)]

mod adapter;
mod beside;
mod cascade;
mod chain;
mod classifier;
mod classify;
mod error;
mod features;
mod networks;
mod options;
mod outcome;
mod overhead;
mod plot;
mod progress;
mod report;
mod svm;
mod table;
mod tree;

use std::time::Instant;

use trt_select_premodel::CandidateId;
use trt_select_train::{Kept, Message, Profile, Rng, Worth};

pub use adapter::{FrontPoint, GroupFront};
pub use beside::{Beside, Rival};
pub use cascade::CascadePoint;
pub use chain::ChainAccuracy;
pub use error::{StudyError, StudyErrorKind};
pub use features::{Correlations, Dropped, Loss};
pub use networks::Count;
pub use options::Options;
pub use outcome::{ClassScore, Group, Summary};
pub use overhead::Overhead;
pub use progress::Progress;

use adapter::{Ask, features_only, kept, nested_programs, trained, walk_ns};
use chain::{ALONE, Part, STAGES, chains, classifiers};
use networks::{chain_parts, chain_set, counts, ids};
use outcome::{Outcome, summarise};
use progress::Counter;
use table::{BaselineTable, Fold, folds};

/// The papers' seven image features, by the names of this project.
pub const PAPER_FEATURES: [&str; 7] =
    ["keypoints", "brightness_perceived", "contrast", "hue1", "edge_length1", "area_by_perimeter", "aspect_ratio"];

/// The removal of features is tried on so many rows at most: it fits hundreds of chains.
const REMOVAL_ROWS: usize = 4000;

/// Where the figures of a study come from.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Source {
    /// SHA-256 of the profile.
    pub sha256: String,
    /// The profile's comments: key and value.
    pub comments: Vec<(String, String)>,
}

/// All results. Times are in nanoseconds unless a name says otherwise.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// The profile.
    pub profile: Source,
    /// What Algorithm 1 keeps on all rows, with θ.
    pub kept: Vec<Kept>,
    /// Networks of the chains in order, as all rows choose them. Folds may choose others.
    pub chain: Vec<CandidateId>,
    /// Folds that chose other networks than those.
    pub other_chains: usize,
    /// Share of rows for which each candidate is the fastest right one; the last number is the share for which none is right.
    pub optimal: Vec<f64>,
    /// Every selector: singles, oracle, chains, classifiers, cascades, programs.
    pub selectors: Vec<Summary>,
    /// Cascades by order and price: of each order the points that no other price of this order beats.
    pub cascades: Vec<CascadePoint>,
    /// Programs of the trainer, and trees over image features.
    pub fronts: Vec<GroupFront>,
    /// Correlations of the features; `None` where the profile has none.
    pub correlations: Option<Correlations>,
    /// Accuracies without each of the chain's features.
    pub losses: Vec<Loss>,
    /// Accuracies while the features that correlation leaves are removed one by one.
    pub greedy: Vec<Loss>,
    /// How many rows the removal of features was tried on.
    pub removal_rows: usize,
    /// The effect of the number of networks.
    pub counts: Vec<Count>,
    /// Measured times.
    pub overheads: Vec<Overhead>,
}

/// Studies a profile. All cores are used; the same profile, options and seed give the same result but for measured times.
///
/// ```
/// use trt_select_study::{Group, Options, study};
/// use trt_select_train::Profile;
///
/// // The feature tells which of two networks is right.
/// let mut csv = String::from("input,feature.f,features.cost_ns,a.reward,a.cost_ns,b.reward,b.cost_ns\n");
/// for row in 0..60 {
///     csv += &format!("r{row},{row},1000,{},1000000,{},9000000\n", u8::from(row < 30), u8::from(row >= 30));
/// }
/// let profile = Profile::parse("p.csv", csv.as_bytes())?;
/// let found = study(&profile, &Options::new().folds(3), &|_, _, _| ())?;
/// let best_chain = found.of(Group::Chain).map(|s| s.accuracy.mean).fold(0.0, f64::max);
/// assert!(best_chain > 0.9 && found.singles()[0].reward == 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Where the profile lacks costs, has fewer than two candidates or fewer rows than folds need, or lacks a feature asked for.
pub fn study(profile: &Profile, options: &Options, progress: Progress<'_>) -> Result<Study, StudyError> {
    let table = adapter::table(profile)?;
    let features = features(&table, options)?;
    check(&table, options)?;
    let folds = folds(&table.all_rows(), options.folds, options.seed);
    let work = Work { profile, table: &table, features: &features, options, folds: &folds, progress };
    let chains = chain_parts(profile, &table, &folds);
    let chain_of_all: Vec<usize> = chain_set(profile, &table, &table.all_rows());

    let mut outcomes: Vec<Outcome> = (0..table.names.len()).map(|c| Outcome::single(&table, c)).collect();
    outcomes.push(Outcome::oracle(&table));
    outcomes.extend(work.of_features(&chains));
    let mut overheads = Vec::new();
    let cascades = work.cascades(&mut outcomes, &mut overheads);
    let fronts = work.programs(&mut outcomes, &mut overheads)?;
    let removal = work.removal(&chain_of_all, &mut overheads);
    let counts = counts(profile, &table, &features, &folds, options, progress)?;
    let names = features.iter().map(|&f| table.features[f].name.clone()).collect();
    Ok(Study {
        optimal: optimal(&table),
        kept: kept(profile, &table, &table.all_rows(), options.theta),
        other_chains: chains.iter().filter(|p| p.set != chain_of_all).count(),
        chain: ids(&chain_of_all),
        options: options.clone().features(names),
        profile: Source {
            sha256: profile.sha256.clone(),
            comments: profile.meta.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        },
        selectors: outcomes.iter().map(|o| summarise(&table, o, options.seed)).collect(),
        cascades,
        fronts,
        correlations: removal.correlations,
        losses: removal.losses,
        greedy: removal.greedy,
        removal_rows: removal.rows,
        counts,
        overheads,
        candidates: table.names,
        costs_ns: table.costs,
        features_ns: table.features_ns,
        rows: table.rows,
    })
}

/// What every step of a study works on.
struct Work<'a> {
    profile: &'a Profile,
    table: &'a BaselineTable,
    /// Places of the features that chains and classifiers read.
    features: &'a [usize],
    options: &'a Options,
    folds: &'a [Fold],
    progress: Progress<'a>,
}

/// What the features are worth.
#[derive(Default)]
struct Removal {
    correlations: Option<Correlations>,
    losses: Vec<Loss>,
    greedy: Vec<Loss>,
    rows: usize,
}

impl Work<'_> {
    /// Chains and single classifiers; none without features.
    fn of_features(&self, parts: &[Part]) -> Vec<Outcome> {
        if self.features.is_empty() {
            return Vec::new();
        }
        let seed = self.options.seed;
        let done = Counter::new(self.progress, "chains", parts.len());
        let mut outcomes = chains(self.table, self.features, parts, &STAGES, seed, &|| done.one());
        let done = Counter::new(self.progress, "classifiers", ALONE.len());
        outcomes.extend(classifiers(self.table, self.features, parts, &ALONE, seed, &|| done.one()));
        outcomes
    }

    /// Confidence cascades; none without top-1 probabilities.
    fn cascades(&self, outcomes: &mut Vec<Outcome>, overheads: &mut Vec<Overhead>) -> Vec<CascadePoint> {
        let start = Instant::now();
        let prices = cascade::prices(&self.table.costs, cascade::PRICES);
        let done = Counter::new(self.progress, "cascades", self.folds.len());
        let found = cascade::cascades(self.table, &self.table.all(), self.folds, &prices, &|| done.one());
        let Some(found) = found else { return Vec::new() };
        // Each fold looks at all orders and prices, as training on all rows would.
        overheads.push(Overhead {
            selector: "cascades, all orders".to_string(),
            decision_ns: None,
            training_s: start.elapsed().as_secs_f64() / self.folds.len() as f64,
        });
        outcomes.push(found.at_least);
        outcomes.extend(found.by_price);
        found.by_order
    }

    /// Decision programs, and trees over image features where there are some.
    fn programs(
        &self,
        outcomes: &mut Vec<Outcome>,
        overheads: &mut Vec<Overhead>,
    ) -> Result<Vec<GroupFront>, StudyError> {
        let Options { folds, seed, .. } = *self.options;
        let mut asks = vec![(self.profile.clone(), Ask::programs(folds, seed))];
        if !self.table.features.is_empty() {
            asks.push((features_only(self.profile), Ask::feature_trees(folds, seed)));
        }
        let mut fronts = Vec::new();
        for (profile, ask) in &asks {
            let found = trained(profile, self.table, ask, &|d, of| (self.progress)("training", d, of))?;
            if let Some(premodel) = &found.premodel() {
                let (selector, decision_ns) = (ask.name.to_string(), walk_ns(premodel, profile));
                overheads.push(Overhead { selector, decision_ns, training_s: found.seconds });
            }
            fronts.push(GroupFront { group: ask.group, points: found.points() });
            let tell = |d: usize, of: usize| (self.progress)("nested training", d, of);
            outcomes.push(nested_programs(profile, self.table, self.folds, ask, &tell)?);
        }
        Ok(fronts)
    }

    /// What is lost without features, and the times of what reads them.
    fn removal(&self, chain_of_all: &[usize], overheads: &mut Vec<Overhead>) -> Removal {
        let Options { folds: count, seed, .. } = *self.options;
        let sample = removal_rows(self.table, seed);
        if self.features.is_empty() {
            return Removal { rows: sample.len(), ..Removal::default() };
        }
        let parts = chain_parts(self.profile, self.table, &folds(&sample, count, seed));
        let found = features::correlations(self.table);
        let many = found.kept.len();
        let done = Counter::new(self.progress, "features", self.features.len() + 1 + many * (many + 1) / 2);
        let losses = features::losses(self.table, self.features, &parts, &|| done.one());
        let greedy =
            if many > 0 { features::greedy(self.table, &found.kept, &parts, &|| done.one()) } else { Vec::new() };
        for kind in ALONE {
            overheads.extend(overhead::of_kind(self.table, self.features, chain_of_all, kind, seed));
        }
        Removal { correlations: Some(found), losses, greedy, rows: sample.len() }
    }
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

    /// Mean reward and mean time of every single network.
    pub fn singles(&self) -> Vec<Worth> {
        self.of(Group::Single).map(|s| Worth { reward: s.accuracy.mean, cost: s.mean_ns }).collect()
    }

    /// The selectors of a group.
    pub fn of(&self, group: Group) -> impl Iterator<Item = &Summary> {
        self.selectors.iter().filter(move |s| s.group == group)
    }
}

/// Share of rows for which each candidate is the fastest right one; the last is that of none.
fn optimal(table: &BaselineTable) -> Vec<f64> {
    let all = table.all();
    let share = |class: u8| {
        (0..table.rows).filter(|&row| table.fastest_right(&all, row) == class).count() as f64 / table.rows as f64
    };
    (0..table.names.len() as u8).chain([table::NONE]).map(share).collect()
}

/// Refuses a table with nothing to choose, and folds that it has too few rows for.
fn check(table: &BaselineTable, options: &Options) -> Result<(), StudyError> {
    let candidates = table.names.len();
    if candidates < 2 {
        let message = Message::new("profile", "at least 2 candidates", candidates, "there is nothing to choose");
        return Err(StudyError::new(StudyErrorKind::Candidates, message));
    }
    if options.folds < 2 || table.rows < 2 * options.folds {
        let expected = format!("2 to {} (two rows each)", table.rows / 2);
        let message = Message::new("folds", expected, options.folds, "give more rows or other folds");
        return Err(StudyError::new(StudyErrorKind::Folds, message));
    }
    Ok(())
}

/// Places of the features asked for.
fn features(table: &BaselineTable, options: &Options) -> Result<Vec<usize>, StudyError> {
    let place = |name: &str| table.features.iter().position(|feature| feature.name == name);
    if options.features.is_empty() {
        let papers: Option<Vec<usize>> = PAPER_FEATURES.iter().map(|name| place(name)).collect();
        return Ok(papers.unwrap_or_else(|| (0..table.features.len()).collect()));
    }
    let mut found = Vec::new();
    for asked in &options.features {
        let name = asked.strip_prefix("feature.").unwrap_or(asked);
        let Some(at) = place(name) else {
            let names: Vec<&str> = table.features.iter().map(|feature| feature.name.as_str()).collect();
            let has = if names.is_empty() { "no feature at all".to_string() } else { names.join(", ") };
            let (got, remedy) = (format!("'{asked}'"), format!("it has {has}"));
            let message = Message::new("features", "one of the profile's", got, remedy);
            return Err(StudyError::new(StudyErrorKind::Feature, message));
        };
        if !found.contains(&at) {
            found.push(at);
        }
    }
    Ok(found)
}

/// At most [`REMOVAL_ROWS`] rows, by the seed.
fn removal_rows(table: &BaselineTable, seed: u64) -> Vec<u32> {
    let mut rows = table.all_rows();
    if rows.len() > REMOVAL_ROWS {
        Rng::new(seed ^ 0x4E40).shuffle(&mut rows);
        rows.truncate(REMOVAL_ROWS);
        rows.sort_unstable();
    }
    rows
}
