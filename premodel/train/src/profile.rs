//! The profile table: one row an input, plain CSV.
//!
//! | column | holds | |
//! | --- | --- | --- |
//! | `input` | a name, distinct in the file | required |
//! | `label` | number of the true class, empty where unknown | optional |
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

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::topk::TopK;
use trt_select_premodel::{CandidateId, CandidateSignal, MAX_CANDIDATES, Mask, RESERVED, Signal, is_candidate_name};

/// Why a profile cannot be used: one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError(pub(super) String);

impl std::fmt::Display for ProfileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ProfileError {}

/// A signal's values, one a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Which signal.
    pub signal: Signal,
    /// Its values, all finite.
    pub values: Vec<f32>,
}

/// The table in memory, column by column. All columns are as long as [`Profile::inputs`].
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Names of the inputs.
    pub inputs: Vec<String>,
    /// True classes, where known.
    pub labels: Vec<Option<u32>>,
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
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
}

/// Columns of a candidate that only measuring knows: no program may read them.
pub(super) const MEASURED: [&str; 2] = ["top5", "energy_mj"];

/// Largest cost that a profile may hold. In nanoseconds it is 31 years; sums of costs stay exact enough as 32-bit floats.
pub const MAX_COST: f64 = 1e18;

/// What a column of the file is.
enum Kind {
    Input,
    Label,
    FeaturesCost,
    Reward(usize),
    Cost(usize),
    Answer(usize),
    Signal(usize),
}

impl Profile {
    /// Reads a profile from a file, and the side file beside it where there is one: see [`TopK`].
    ///
    /// # Errors
    /// One line that names the file, the line and the column.
    pub fn read(path: &Path) -> Result<Profile, ProfileError> {
        let name = path.display().to_string();
        let bytes = std::fs::read(path).map_err(|e| {
            ProfileError(format!("{name}: expected a profile, got: {e}; make one with trt-select profile"))
        })?;
        let mut profile = Profile::parse(&name, &bytes)?;
        profile.read_topk(path)?;
        Ok(profile)
    }

    /// Reads a profile from its bytes; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Profile::read`].
    pub fn parse(name: &str, bytes: &[u8]) -> Result<Profile, ProfileError> {
        let fail = |line: u64, what: String| ProfileError(format!("{name} line {line}: {what}"));
        let sha256 = hex(&Sha256::digest(bytes));
        // Spreadsheets put a byte-order mark before the first line.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let meta = read_meta(name, bytes)?;
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(bytes);
        let mut records = reader.records();
        let bad_csv = |e: csv::Error| {
            let line = e.position().map_or(0, csv::Position::line);
            fail(line, format!("expected CSV in UTF-8, got: {e}; mend or remove that line"))
        };
        let header = match records.next() {
            None => {
                return Err(fail(1, "expected a header, got an empty file; make one with trt-select profile".into()));
            }
            Some(record) => record.map_err(bad_csv)?,
        };
        let names: Vec<&str> = header.iter().collect();
        let candidates = candidate_names(name, &names)?;
        let (kinds, signals) = column_kinds(name, &names, &candidates)?;

        let has = |wanted: fn(&Kind) -> bool| kinds.iter().any(wanted);
        let per = |yes: bool| if yes { candidates.len() } else { 0 };
        let mut profile = Profile {
            inputs: Vec::new(),
            labels: Vec::new(),
            rewards: vec![Vec::new(); candidates.len()],
            costs: vec![Vec::new(); per(has(|k| matches!(k, Kind::Cost(_))))],
            answers: vec![Vec::new(); per(has(|k| matches!(k, Kind::Answer(_))))],
            columns: signals.into_iter().map(|signal| Column { signal, values: Vec::new() }).collect(),
            features_cost: Vec::new(),
            topk: None,
            candidates,
            meta,
            sha256,
        };
        let mut seen = HashSet::new();
        let (mut line, mut at) = (1, 0);
        for record in records {
            let record = record.map_err(bad_csv)?;
            if record == header {
                continue;
            }
            // The reader's own count of lines passes over blank ones that end with CR LF.
            let from = record.position().map_or(0, |p| p.byte() as usize).min(bytes.len());
            let skipped = bytes[from..].iter().take_while(|b| b"\r\n".contains(b)).count();
            line += bytes[at..from + skipped].iter().filter(|&&b| b == b'\n').count() as u64;
            at = from + skipped;
            if record.len() != names.len() {
                return Err(fail(
                    line,
                    format!(
                        "expected {} fields, got {}; remove the line, or run trt-select profile again: it goes on from there",
                        names.len(),
                        record.len()
                    ),
                ));
            }
            for ((field, column), kind) in record.iter().zip(&names).zip(&kinds) {
                profile.push(kind, field.trim(), &mut seen).map_err(|expected| {
                    fail(
                        line,
                        format!("column '{column}': expected {expected}, got '{field}'; mend or remove the line"),
                    )
                })?;
            }
            if profile.labels.len() < profile.inputs.len() {
                profile.labels.push(None);
            }
        }
        if !bytes.ends_with(b"\n") {
            let line = bytes.iter().filter(|&&b| b == b'\n').count() as u64 + 1;
            return Err(fail(
                line,
                "expected a newline at the end, got a line cut short; remove it, or end it with a newline if it is whole".into(),
            ));
        }
        if profile.inputs.is_empty() {
            return Err(fail(2, "expected at least one row, got none; make one with trt-select profile".into()));
        }
        profile.derive_agreements();
        Ok(profile)
    }

    fn read_topk(&mut self, path: &Path) -> Result<(), ProfileError> {
        let path = TopK::path_beside(path);
        let name = path.display().to_string();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => {
                return Err(ProfileError(format!(
                    "{name}: expected the most probable classes of the profile beside it, got: {e}; mend or remove it"
                )));
            }
        };
        let other = read_meta(&name, &bytes)?;
        for (key, value) in &self.meta {
            if let Some(got) = other.get(key)
                && got != value
            {
                return Err(ProfileError(format!(
                    "{name}: comment '{key}': expected '{value}' as in the profile beside it, got '{got}'; remove the file, or make both \
                     anew"
                )));
            }
        }
        self.topk = Some(TopK::parse(&name, &bytes, &self.inputs, &self.candidates, self.classes())?);
        Ok(())
    }

    fn push(&mut self, kind: &Kind, field: &str, seen: &mut HashSet<String>) -> Result<(), &'static str> {
        let number = || field.parse::<f64>().ok().filter(|x| x.is_finite());
        let whole = || field.parse::<u32>();
        match *kind {
            Kind::Input => {
                if field.is_empty() || !seen.insert(field.to_string()) {
                    return Err("a name that no other row has");
                }
                self.inputs.push(field.to_string());
            }
            Kind::Label if field.is_empty() => self.labels.push(None),
            Kind::Label => self.labels.push(Some(whole().map_err(|_| "the number of a class, or nothing")?)),
            Kind::FeaturesCost => {
                self.features_cost
                    .push(number().filter(|x| (0.0..=MAX_COST).contains(x)).ok_or("a number in 0..=1e18")?);
            }
            Kind::Reward(c) => {
                let reward = number().filter(|x| (0.0..=1.0).contains(x)).ok_or("a number in 0..=1")?;
                self.rewards[c].push(reward as f32);
            }
            Kind::Cost(c) => {
                self.costs[c].push(number().filter(|x| (0.0..=MAX_COST).contains(x)).ok_or("a number in 0..=1e18")?);
            }
            Kind::Answer(c) => self.answers[c].push(whole().map_err(|_| "the number of a class")?),
            Kind::Signal(i) => {
                // Parsed as 32-bit float at once: the same decimal gives the same bits as at run time.
                let value = field.parse::<f32>().ok().filter(|x| x.is_finite()).ok_or("a finite number")?;
                self.columns[i].values.push(value);
            }
        }
        Ok(())
    }

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

    /// Cost of a run of each candidate: the median of its column, or `None` where the file has no costs.
    ///
    /// The median, because a network takes the same time on every input, and what differs is the machine's noise.
    pub fn cost_vector(&self) -> Option<Vec<f64>> {
        (!self.costs.is_empty()).then(|| self.costs.iter().map(|c| median(c)).collect())
    }

    /// Cost of the image features: the median of their column, or 0 where the file has none.
    pub fn features_cost_ns(&self) -> f64 {
        if self.features_cost.is_empty() { 0.0 } else { median(&self.features_cost) }
    }

    /// Number of classes: the `# classes:` comment, else one more than the largest class seen, else 0.
    pub fn classes(&self) -> u32 {
        let seen = self.answers.iter().flatten().copied().chain(self.labels.iter().flatten().copied()).max();
        let seen = seen.map_or(0, |c| c.saturating_add(1));
        self.meta.get("classes").and_then(|c| c.parse().ok()).unwrap_or(0).max(seen)
    }

    /// The same table with some candidates only, and with the signals that exist without the others.
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
}

pub(super) fn read_meta(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, String>, ProfileError> {
    let mut meta = BTreeMap::new();
    for (i, line) in bytes.split(|&b| b == b'\n').enumerate() {
        let Some(rest) = line.strip_prefix(b"#") else { continue };
        let text = String::from_utf8_lossy(rest);
        let Some((key, value)) = text.split_once(':') else { continue };
        let (key, value) = (key.trim().to_string(), value.trim().to_string());
        if let Some(before) = meta.get(&key)
            && *before != value
        {
            return Err(ProfileError(format!(
                "{name} line {}: comment '{key}': expected '{before}' as before, got '{value}'; join only shards of one set-up",
                i + 1
            )));
        }
        meta.insert(key, value);
    }
    Ok(meta)
}

fn candidate_names(name: &str, names: &[&str]) -> Result<Vec<String>, ProfileError> {
    let missing = |column: &str| {
        ProfileError(format!("{name} line 1: expected a column '{column}', got none; make the profile anew, or add it"))
    };
    if !names.contains(&"input") {
        return Err(missing("input"));
    }
    let candidates: Vec<String> =
        names.iter().filter_map(|n| n.strip_suffix(".reward")).map(|n| n.to_string()).collect();
    if candidates.is_empty() {
        return Err(missing("CANDIDATE.reward"));
    }
    if candidates.len() > MAX_CANDIDATES {
        return Err(ProfileError(format!(
            "{name} line 1: expected at most {MAX_CANDIDATES} candidates, got {}; leave some out",
            candidates.len()
        )));
    }
    for candidate in &candidates {
        if !is_candidate_name(candidate) {
            return Err(ProfileError(format!(
                "{name} line 1: column '{candidate}.reward': expected a candidate named by letters, digits, '_' and '-', and not \
                 one of {RESERVED:?}, got another name; rename it"
            )));
        }
    }
    // A candidate without one of the columns that others have is a mistake, not a choice.
    for kind in ["cost_ns", "answer"] {
        let with = |c: &String| names.contains(&format!("{c}.{kind}").as_str());
        if candidates.iter().any(with)
            && let Some(without) = candidates.iter().find(|c| !with(c))
        {
            return Err(missing(&format!("{without}.{kind}")));
        }
    }
    Ok(candidates)
}

fn column_kinds(name: &str, names: &[&str], candidates: &[String]) -> Result<(Vec<Kind>, Vec<Signal>), ProfileError> {
    let mut signals = Vec::new();
    let mut kinds = Vec::new();
    for (i, column) in names.iter().enumerate() {
        let fail = |expected: &str| {
            Err(ProfileError(format!("{name} line 1: column '{column}': expected {expected}; rename or remove it")))
        };
        if names[..i].contains(column) {
            return fail("each column once, got it twice");
        }
        kinds.push(match *column {
            "input" => Kind::Input,
            "label" => Kind::Label,
            "features.cost_ns" => Kind::FeaturesCost,
            _ => match Signal::parse(column, candidates) {
                Some(Signal::Candidate(c, CandidateSignal::Other(other))) if other == "reward" => Kind::Reward(c.index()),
                Some(Signal::Candidate(c, CandidateSignal::Other(other))) if other == "cost_ns" => Kind::Cost(c.index()),
                Some(Signal::Candidate(c, CandidateSignal::Other(other))) if other == "answer" => Kind::Answer(c.index()),
                Some(signal) => {
                    signals.push(signal);
                    Kind::Signal(signals.len() - 1)
                }
                None => {
                    return fail(
                        "input, label, feature.NAME, signal.NAME, features.cost_ns or CANDIDATE.NAME of a candidate with a reward \
                         column, got another name",
                    );
                }
            },
        });
    }
    Ok((kinds, signals))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Of no values, 0.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { 0.0 } else { (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0 }
}
