//! The profile table: one row an input, plain CSV.
//!
//! | column | holds | |
//! | --- | --- | --- |
//! | `input` | a name, distinct in the file | required |
//! | `label` | number of the true class, empty where unknown | optional |
//! | `weight` | how much the row counts, finite and above 0; only ratios matter; rows without the column count alike | optional, never read by programs |
//! | `feature.NAME` | an image feature | any number |
//! | `signal.NAME` | a number of the user's own, known before any candidate runs | any number |
//! | `features.cost_ns` | time of all image features together | optional |
//! | `CANDIDATE.reward` | what its answer is worth, 0..=1; for classification 1 where right, else 0 | required |
//! | `CANDIDATE.cost_ns` | what running it costs, preprocessing and signals included; any unit that adds up | required, unless costs are given apart |
//! | `CANDIDATE.answer` | number of the class it answered; where two candidates have it, `agree.A.B` is derived | optional |
//! | `CANDIDATE.top5` | 1 where the true class is among its five most probable, else 0 | optional, never read by programs |
//! | `CANDIDATE.energy_mj` | energy of a run in millijoules | optional, never read by programs |
//! | `CANDIDATE.NAME` | any other number it leaves behind, such as `top1`, `margin`, `entropy` | any number |
//!
//! The candidates are those with a `reward` column, in the order of these columns. Lines that start with `#` are
//! comments; `# key: value` comments before the header carry the provenance (`engine`, `device`, `precision`,
//! `classes`). A line equal to the header is skipped, so that `cat` joins shards. Every line ends with a newline: a last
//! line without one counts as cut short.
//!
//! Weights are for a table whose rows do not stand for what will come: a recording that is longer than its share of the robot's day
//! gets a small weight, inputs at which a mistake is dear get a large one. The search, temperatures and averages, the front, `judge`,
//! `singles`, `oracle`, `algorithm_1`, risks by class and bootstrap intervals count rows by them.
//!
//! `cat` joins shards of one recording. Recordings of other days or folders are joined by [`Profile::join`], which knows which
//! file each row comes from.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use sha2::{Digest, Sha256};

use trt_select_base::text::hex;
use trt_select_premodel::{CandidateId, CandidateSignal, Mask, Signal};

use super::costs::{Costs, Unit};
use super::csv_table::CsvTable;
use super::error::{Message, ProfileError, ProfileErrorKind};
use super::recordings::Recordings;
use super::stats::median;
use super::topk::TopK;
use super::weights::Weights;

mod join;
mod parse;

/// A signal's values, one a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Which signal.
    pub signal: Signal,
    /// Its values, all finite.
    pub values: Vec<f32>,
}

/// The table in memory, column by column. All columns are as long as [`Profile::inputs`].
///
/// ```
/// use trt_select_train::{Profile, Unit};
///
/// let csv = "# classes: 10\ninput,label,a.reward,a.cost_ns,a.answer\nx,3,1,200,3\ny,4,0,400,7\n";
/// let profile = Profile::parse("p.csv", csv.as_bytes())?;
/// assert_eq!((profile.rows(), profile.classes()), (2, 10));
/// assert_eq!(profile.median_costs(Unit::Time).expect("a column of costs").candidates, [300.0]);
/// # Ok::<(), trt_select_train::ProfileError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Names of the inputs.
    pub inputs: Vec<String>,
    /// True classes, where known.
    pub labels: Vec<Option<u32>>,
    /// Whether labels and rewards are not true, but what a teacher answers: see [`Profile::label_free`].
    pub is_label_free: bool,
    /// How much rows count; `None` where the file has no weights, and all count alike. See [`Profile::weight`].
    pub weights: Option<Weights>,
    /// Names of the candidates.
    pub candidates: Vec<String>,
    /// Rewards in 0..=1, by candidate, then row.
    pub rewards: Vec<Vec<f32>>,
    /// Costs, by candidate, then row; empty where the file has none.
    pub costs: Vec<Vec<f64>>,
    /// Classes answered, by candidate, then row; empty where the file has none.
    pub answers: Vec<Vec<u32>>,
    /// Signals: image features, the user's own, the candidates', agreements.
    pub columns: Vec<Column>,
    /// Times of the image features, by row; empty where the file has none.
    pub features_cost: Vec<f64>,
    /// The most probable classes of each candidate: the side file, where there is one.
    pub topk: Option<TopK>,
    /// Provenance: the `# key: value` comments.
    pub meta: BTreeMap<String, String>,
    /// The files that the rows come from: one, or several that were [joined](Profile::join).
    pub recordings: Recordings,
    /// SHA-256 of the file in hexadecimal; of several, what [`Profile::join`] says.
    pub sha256: String,
}

/// Names of a candidate's columns that hold what only measuring knows: no program may read them.
pub(super) const MEASURED: [&str; 2] = [TOP5, ENERGY];
const TOP5: &str = "top5";
const ENERGY: &str = "energy_mj";

/// Largest cost that a profile may hold. In nanoseconds it is 31 years; sums of costs stay exact enough as 32-bit floats.
pub const MAX_COST: f64 = 1e18;

impl Profile {
    /// Reads a profile from a file, and the side file beside it where there is one: see [`TopK`].
    ///
    /// # Errors
    /// One that names the file, the line and the column.
    pub fn read(path: &Path) -> Result<Profile, ProfileError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|cause| {
            let message = Message::new(&name, "a profile", &cause, "give the path of a profile table");
            ProfileError::new(ProfileErrorKind::Unreadable, message).caused_by(cause)
        })?;
        let mut profile = Profile::parse(&name, &bytes)?;
        profile.topk = profile.read_side_file(&TopK::path_beside(path))?;
        Ok(profile)
    }

    /// Reads a profile from its bytes; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Profile::read`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Profile, ProfileError> {
        let sha256 = hex(&Sha256::digest(bytes));
        let mut profile = parse::profile(CsvTable::open(name, bytes)?)?;
        profile.recordings = Recordings::one(name, sha256.as_str(), profile.meta.clone());
        profile.sha256 = sha256;
        profile.derive_agreements();
        Ok(profile)
    }

    /// The most probable classes from the file beside the profile; `None` where there is no such file.
    fn read_side_file(&self, path: &Path) -> Result<Option<TopK>, ProfileError> {
        let name = path.display().to_string();
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => {
                let expected = "the most probable classes of the profile beside it";
                let message = Message::new(&name, expected, &cause, "mend or remove it");
                return Err(ProfileError::new(ProfileErrorKind::SideUnreadable, message).caused_by(cause));
            }
        };
        let table = CsvTable::open(&name, &bytes)?;
        for (key, value) in &self.meta {
            if let Some(got) = table.comments().get(key)
                && got != value
            {
                let message = Message::new(
                    format!("{name}: comment '{key}'"),
                    format!("'{value}' as in the profile beside it"),
                    format!("'{got}'"),
                    "remove the file, or make both anew",
                );
                return Err(ProfileError::new(ProfileErrorKind::Comment, message));
            }
        }
        TopK::read(&name, table, &self.inputs, &self.candidates, self.classes()).map(Some)
    }

    /// Adds the columns `agree.A.B` of all pairs of candidates with answers, where the file has none of its own.
    fn derive_agreements(&mut self) {
        for b in 1..self.answers.len() {
            for a in 0..b {
                let signal = Signal::Agreement(CandidateId(a as u8), CandidateId(b as u8));
                if self.columns.iter().any(|c| c.signal == signal) {
                    continue;
                }
                let pairs = self.answers[a].iter().zip(&self.answers[b]);
                let values = pairs.map(|(x, y)| if x == y { 1.0 } else { 0.0 }).collect();
                self.columns.push(Column { signal, values });
            }
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.inputs.len()
    }

    /// How much a row counts, where the rows of the table count 1 on average: the column `weight` divided by its mean, and exactly 1
    /// where there is no such column or all its values are equal. A mean over rows is Σ weight · value / Σ weight.
    ///
    /// ```
    /// use trt_select_train::{Profile, singles};
    ///
    /// let csv = "input,weight,a.reward\nx,0.5,1\ny,1.5,0\n";
    /// let profile = Profile::parse("p.csv", csv.as_bytes())?;
    /// assert_eq!((profile.weight(0), profile.weight(1)), (0.5, 1.5));
    /// assert_eq!(singles(&profile, &[1.0])[0].reward, 0.25);
    /// # Ok::<(), trt_select_train::ProfileError>(())
    /// ```
    ///
    /// # Panics
    /// If the table has weights and there is no such row.
    pub fn weight(&self, row: usize) -> f64 {
        Weights::in_table(self.weights.as_ref(), row)
    }

    /// What a run of each candidate costs, and what the image features cost: the medians of their columns. `None` where a
    /// candidate has no such column. Of time, features without a column cost nothing; of energy, they never do.
    ///
    /// The median, because a network takes the same time on every input, and what differs is the machine's noise. So weights of rows
    /// do not matter here.
    pub fn median_costs(&self, unit: Unit) -> Option<Costs> {
        match unit {
            Unit::Time => {
                let times = self.costs.iter().map(|column| median(column)).collect();
                (!self.costs.is_empty()).then(|| Costs::time_ns(times, self.median_features_cost()))
            }
            Unit::Energy => self.energies_mj().map(|energies| Costs::energy_mj(&energies)),
        }
    }

    /// Time of all image features together in nanoseconds: the median of their column, or 0 where the file has none.
    pub fn median_features_cost(&self) -> f64 {
        median(&self.features_cost)
    }

    /// Energy of a run of each candidate in millijoules: the medians of the columns `CANDIDATE.energy_mj`, or `None` where one
    /// is missing.
    pub fn energies_mj(&self) -> Option<Vec<f64>> {
        let energy_of = |c: usize| {
            let wanted = Signal::Candidate(CandidateId(c as u8), CandidateSignal::Other(ENERGY.into()));
            let column = self.columns.iter().find(|column| column.signal == wanted)?;
            Some(median(&column.values.iter().map(|&v| f64::from(v)).collect::<Vec<_>>()))
        };
        (0..self.candidates.len()).map(energy_of).collect()
    }

    /// Number of classes: the `# classes:` comment, else one more than the largest class seen, else 0.
    pub fn classes(&self) -> u32 {
        let seen = self.answers.iter().flatten().copied().chain(self.labels.iter().flatten().copied()).max();
        let seen = seen.map_or(0, |c| c.saturating_add(1));
        self.meta.get("classes").and_then(|c| c.parse().ok()).unwrap_or(0).max(seen)
    }

    /// The same table with some candidates only, and with the signals that exist without the others.
    ///
    /// ```
    /// use trt_select_premodel::CandidateId;
    /// use trt_select_train::Profile;
    ///
    /// let csv = "input,a.reward,a.top1,b.reward,b.top1\nx,1,0.75,0,0.5\n";
    /// let only_b = Profile::parse("p.csv", csv.as_bytes())?.with_candidates(&[CandidateId(1)]);
    /// assert_eq!((only_b.candidates, only_b.columns[0].values.clone()), (vec!["b".to_string()], vec![0.5]));
    /// # Ok::<(), trt_select_train::ProfileError>(())
    /// ```
    ///
    /// # Panics
    /// If a candidate to keep is not in the table.
    #[must_use]
    pub fn with_candidates(&self, keep: &[CandidateId]) -> Profile {
        let place: HashMap<CandidateId, CandidateId> =
            keep.iter().enumerate().map(|(new, &old)| (old, CandidateId(new as u8))).collect();
        fn pick<T: Clone>(all: &[Vec<T>], keep: &[CandidateId]) -> Vec<Vec<T>> {
            if all.is_empty() { Vec::new() } else { keep.iter().map(|c| all[c.index()].clone()).collect() }
        }
        let kept = keep.iter().fold(Mask::EMPTY, |m, &c| m.with(c));
        let columns = self.columns.iter().filter(|c| c.signal.needs().without(kept).is_empty()).map(|c| {
            let signal = match &c.signal {
                Signal::Candidate(k, s) => Signal::Candidate(place[k], s.clone()),
                Signal::Agreement(a, b) => Signal::Agreement(place[a], place[b]),
                other => other.clone(),
            };
            Column { signal, values: c.values.clone() }
        });
        Profile {
            candidates: keep.iter().map(|c| self.candidates[c.index()].clone()).collect(),
            rewards: pick(&self.rewards, keep),
            costs: pick(&self.costs, keep),
            answers: pick(&self.answers, keep),
            columns: columns.collect(),
            topk: self.topk.as_ref().map(|t| t.with_candidates(keep)),
            ..self.clone()
        }
    }

    /// The same table with other costs, the same ones in every row.
    ///
    /// # Panics
    /// If there are not as many costs as candidates.
    #[must_use]
    pub fn with_costs(mut self, costs: &Costs) -> Profile {
        assert_eq!(costs.candidates.len(), self.candidates.len());
        let rows = self.rows();
        self.costs = costs.candidates.iter().map(|&cost| vec![cost; rows]).collect();
        self.features_cost = vec![costs.features; rows];
        self
    }

    /// The same table with some rows only, in the order given; a row may come more than once.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn with_rows(&self, rows: &[usize]) -> Profile {
        fn pick<T: Clone>(all: &[T], rows: &[usize]) -> Vec<T> {
            if all.is_empty() { Vec::new() } else { rows.iter().map(|&r| all[r].clone()).collect() }
        }
        fn each<T: Clone>(all: &[Vec<T>], rows: &[usize]) -> Vec<Vec<T>> {
            all.iter().map(|column| pick(column, rows)).collect()
        }
        Profile {
            inputs: pick(&self.inputs, rows),
            labels: pick(&self.labels, rows),
            weights: self.weights.as_ref().map(|weights| weights.with_rows(rows)),
            candidates: self.candidates.clone(),
            rewards: each(&self.rewards, rows),
            costs: each(&self.costs, rows),
            answers: each(&self.answers, rows),
            columns: self
                .columns
                .iter()
                .map(|c| Column { signal: c.signal.clone(), values: pick(&c.values, rows) })
                .collect(),
            features_cost: pick(&self.features_cost, rows),
            topk: self.topk.as_ref().map(|t| t.with_rows(rows)),
            is_label_free: self.is_label_free,
            meta: self.meta.clone(),
            recordings: self.recordings.with_rows(rows),
            sha256: self.sha256.clone(),
        }
    }
}
