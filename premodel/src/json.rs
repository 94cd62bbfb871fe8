//! `premodel.json`: a premodel as text.
//!
//! ```json
//! {
//!   "format": "trt-select premodel", "version": 1,
//!   "candidates": ["small", "large"], "classes": 10,
//!   "signals": ["small.margin"],
//!   "program": [
//!     {"run": "small", "next": 1},
//!     {"test": "small.margin", "threshold": 0.4000000059604645, "then": 2, "else": 4},
//!     {"run": "large", "next": 3}, {"average": ["small", "large"]},
//!     {"answer": "small"}
//!   ],
//!   "fallback": ["large", "small"],
//!   "trained_for": {"engine": "tract", "device": "cpu", "precision": "fp32", "costs_ns": [1000.0, 9000.0], "features_ns": 0.0}
//! }
//! ```
//! Thresholds are 32-bit floats. The file has the decimal number of the 64-bit float of the same value, so a threshold that is written
//! and read again has the same bits. The same holds for the numbers of these two keys, either of which may be absent:
//! ```json
//! "temperatures": [1.5, 0.75],
//! "averages": [{"of": ["small", "large"], "weights": [0.25, 0.75]}]
//! ```
//! `temperatures` has one number per candidate, in the order of the candidates. `averages` has the weights of those averages whose
//! candidates do not all weigh the same. [`Premodel::with_calibration`] gives the limits, and [`Average`] says how both are used.
//!
//! A premodel of several programs is version 2. In place of `program` and `expected` it has
//! ```json
//! "programs": [
//!   {"price": 0.02, "program": [{"run": "small", "next": 1}, {"answer": "small"}], "expected": {…}, "ran": [1.0, 0.0]},
//!   {"program": [{"run": "large", "next": 1}, {"answer": "large"}]}
//! ],
//! "chosen": 0,
//! "mix": {"programs": [0, 1], "share": 0.375, "seed": 7}
//! ```
//! `price`, `expected`, `ran` and `mix` may be absent: [`Alternative`] and [`Mix`] say what they mean.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::alternative::{Alternative, Mix};
use crate::front::FrontProgram;
use crate::model::Premodel;
use crate::model_error::{ModelError, ModelErrorKind};
use crate::provenance::{Expected, ProfileRef, TrainedFor};
use crate::{Answer, Average, CandidateId, Mask, Node, Signal, SignalId, View};

const FORMAT: &str = "trt-select premodel";
/// The version of files with one program.
const ONE: u32 = 1;
/// The version of files with several.
const SEVERAL: u32 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    candidates: Vec<String>,
    classes: u32,
    signals: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<Vec<FileNode>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    programs: Option<Vec<FileProgram>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chosen: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mix: Option<FileMix>,
    fallback: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    risk: BTreeMap<String, Vec<f64>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    temperatures: Vec<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    averages: Vec<FileWeights>,
    trained_for: TrainedFor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<Expected>,
}

/// One program of several.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileProgram {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<f64>,
    program: Vec<FileNode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<Expected>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ran: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMix {
    programs: [usize; 2],
    share: f64,
    seed: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileWeights {
    of: Vec<String>,
    weights: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum FileNode {
    Test(FileTest),
    Run(FileRun),
    Answer(FileAnswer),
    Average(FileAverage),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileTest {
    test: String,
    threshold: f64,
    then: u16,
    #[serde(rename = "else")]
    otherwise: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRun {
    run: String,
    next: u16,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAnswer {
    answer: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileAverage {
    average: Vec<String>,
}

impl File {
    fn check_version(&self) -> Result<(), ModelError> {
        if self.format != FORMAT || !(ONE..=SEVERAL).contains(&self.version) {
            return Err(ModelError::new(
                ModelErrorKind::Version,
                format!(
                    "premodel: expected format '{FORMAT}' version {ONE} or {SEVERAL}, got '{}' version {}; use the trt-select that wrote it",
                    self.format, self.version
                ),
            ));
        }
        let keys = [
            ("program", self.program.is_some(), ONE),
            ("programs", self.programs.is_some(), SEVERAL),
            ("chosen", self.chosen.is_some(), SEVERAL),
        ];
        for (key, is_there, version) in keys {
            if is_there != (version == self.version) {
                let (expected, got) = if is_there { ("none", "one") } else { ("one", "none") };
                return Err(self.misplaced(key, expected, got));
            }
        }
        if self.version == ONE && self.mix.is_some() {
            return Err(self.misplaced("mix", "none", "one"));
        }
        if self.version == SEVERAL && self.expected.is_some() {
            return Err(self.misplaced("expected", "none beside \"programs\"", "one"));
        }
        Ok(())
    }

    fn misplaced(&self, key: &str, expected: &str, got: &str) -> ModelError {
        let version = self.version;
        let message =
            format!("premodel: key '{key}' in version {version}: expected {expected}, got {got}; train it anew");
        ModelError::new(ModelErrorKind::Json, message)
    }

    /// The candidate with this name.
    fn candidate(&self, name: &str) -> Result<CandidateId, ModelError> {
        self.candidates.iter().position(|c| c == name).map(|i| CandidateId(i.min(255) as u8)).ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::Candidates,
                format!("premodel: expected a candidate of {:?}, got '{name}'; train it anew", self.candidates),
            )
        })
    }

    fn signals(&self) -> Result<Vec<Signal>, ModelError> {
        let signal = |name: &String| {
            Signal::parse(name, &self.candidates).ok_or_else(|| {
                let message = format!(
                    "premodel: signal '{name}': expected feature.NAME, signal.NAME, CANDIDATE.NAME, agree.A.B, avg.A+B.top1 or \
                     avg.A+B.margin, got another form"
                );
                ModelError::new(ModelErrorKind::Signals, message)
            })
        };
        self.signals.iter().map(signal).collect()
    }

    /// The nodes of a program. `label` says in messages which program it is.
    fn nodes(&self, program: &[FileNode], label: &str) -> Result<Vec<Node>, ModelError> {
        let mut nodes = Vec::with_capacity(program.len());
        for (at, node) in program.iter().enumerate() {
            nodes.push(match node {
                FileNode::Test(test) => self.test(label, at, test)?,
                FileNode::Run(r) => Node::run(self.candidate(&r.run)?, r.next),
                FileNode::Answer(a) => Node::answer(self.candidate(&a.answer)?),
                FileNode::Average(a) => {
                    let mut mask = Mask::EMPTY;
                    for name in &a.average {
                        mask = mask.with(self.candidate(name)?);
                    }
                    Node::average(mask)
                }
            });
        }
        Ok(nodes)
    }

    /// The programs of a file of either version, and the number of the chosen one.
    fn alternatives(&self) -> Result<(Vec<Alternative>, usize), ModelError> {
        if let Some(program) = &self.program {
            let only = Alternative::new(self.nodes(program, "program")?).expected(self.expected.clone());
            return Ok(([only].into(), 0));
        }
        let alternative = |(at, file): (usize, &FileProgram)| {
            let nodes = self.nodes(&file.program, &format!("programs[{at}]"))?;
            let alternative = Alternative::new(nodes).price(file.price).expected(file.expected.clone());
            Ok(alternative.ran(file.ran.clone()))
        };
        let programs =
            self.programs.iter().flatten().enumerate().map(alternative).collect::<Result<_, ModelError>>()?;
        Ok((programs, self.chosen.unwrap_or_default()))
    }

    /// The test that is node `at` of a program.
    fn test(&self, label: &str, at: usize, test: &FileTest) -> Result<Node, ModelError> {
        let signal = self.signals.iter().position(|s| *s == test.test).ok_or_else(|| {
            let message = format!(
                "premodel: {label} node {at}: expected a signal listed under \"signals\", got '{}'; train it anew",
                test.test
            );
            ModelError::new(ModelErrorKind::Signals, message)
        })?;
        let threshold = test.threshold as f32;
        if f64::from(threshold) != test.threshold {
            let message = format!(
                "premodel: {label} node {at}: expected a threshold that is a 32-bit float, got {}; write it as {}",
                test.threshold,
                f64::from(threshold)
            );
            return Err(ModelError::new(ModelErrorKind::Threshold, message));
        }
        Ok(Node::test(SignalId(signal as u16), threshold, test.then, test.otherwise))
    }

    /// For each candidate its table of risks; nothing where the file has no tables.
    fn risk(&self) -> Result<Vec<Vec<f32>>, ModelError> {
        if self.risk.is_empty() {
            return Ok(Vec::new());
        }
        let table = |name: &String| {
            let table = self.risk.get(name).ok_or_else(|| {
                ModelError::new(
                    ModelErrorKind::Risk,
                    format!("premodel: risk: expected a table for each candidate, got none for '{name}'"),
                )
            })?;
            Ok(table.iter().map(|&r| r as f32).collect())
        };
        self.candidates.iter().map(table).collect()
    }

    /// The file pairs each weight with a name, in any order. Sorting the pairs by candidate brings the weights into the order of the ids.
    fn average(&self, FileWeights { of, weights }: &FileWeights) -> Result<Average, ModelError> {
        let mut pairs = Vec::with_capacity(of.len());
        for (name, &weight) in of.iter().zip(weights) {
            pairs.push((self.candidate(name)?, weight as f32));
        }
        pairs.sort_by_key(|&(c, _)| c);
        pairs.dedup_by_key(|&mut (c, _)| c);
        if of.len() != weights.len() || pairs.len() != of.len() {
            let message = format!(
                "premodel: averages: expected a weight for each of distinct candidates, got {weights:?} for {of:?}; train it anew"
            );
            return Err(ModelError::new(ModelErrorKind::Calibration, message));
        }
        let of = pairs.iter().fold(Mask::EMPTY, |m, &(c, _)| m.with(c));
        Ok(Average { of, weights: pairs.into_iter().map(|(_, w)| w).collect() })
    }
}

impl Premodel {
    /// Reads and checks the text of a `premodel.json`.
    ///
    /// ```
    /// use trt_select_premodel::Premodel;
    ///
    /// let text = r#"{
    ///     "format": "trt-select premodel", "version": 1,
    ///     "candidates": ["small", "large"], "classes": 10,
    ///     "signals": ["small.margin"],
    ///     "program": [
    ///         {"run": "small", "next": 1},
    ///         {"test": "small.margin", "threshold": 0.5, "then": 2, "else": 4},
    ///         {"run": "large", "next": 3}, {"answer": "large"},
    ///         {"answer": "small"}
    ///     ],
    ///     "fallback": ["large", "small"],
    ///     "trained_for": {"engine": "tract", "device": "cpu", "precision": "fp32", "costs_ns": [1000.0, 9000.0], "features_ns": 0.0}
    /// }"#;
    /// let premodel = Premodel::from_json(text)?;
    /// assert_eq!(premodel.candidates(), ["small", "large"]);
    /// assert_eq!(premodel.worst_case_ns(), 10_000.0);
    ///
    /// let error = Premodel::from_json("{}").unwrap_err().to_string();
    /// assert!(!error.contains('\n'));
    /// # Ok::<(), trt_select_premodel::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// A [`ModelError`] of one line if the text is not a premodel or the premodel is not sound: it says what was expected and what was
    /// found.
    pub fn from_json(text: &str) -> Result<Premodel, ModelError> {
        let file: File = serde_json::from_str(text).map_err(|e| {
            ModelError::new(ModelErrorKind::Json, format!("premodel: expected its JSON form, got: {e}; train it anew"))
        })?;
        file.check_version()?;
        let (signals, risk) = (file.signals()?, file.risk()?);
        let (programs, chosen) = file.alternatives()?;
        let fallback = file.fallback.iter().map(|name| file.candidate(name)).collect::<Result<_, _>>()?;
        let averages = file.averages.iter().map(|average| file.average(average)).collect::<Result<_, _>>()?;
        let temperatures = file.temperatures.iter().map(|&t| t as f32).collect();
        let mix = file.mix.map(|FileMix { programs, share, seed }| Mix { programs, share, seed });
        let without =
            Premodel::without_programs(file.candidates, file.classes, signals, fallback, risk, file.trained_for)?;
        let mut model =
            without.with_programs(programs, chosen)?.with_mix(mix)?.with_calibration(temperatures, averages)?;
        model.profile = file.profile;
        Ok(model)
    }

    /// The premodel as the text of a `premodel.json`. [`Premodel::from_json`] makes an equal premodel of it.
    ///
    /// ```
    /// use trt_select_premodel::{CandidateId, Node, Premodel, TrainedFor};
    ///
    /// // A premodel that always runs its only candidate.
    /// let only = CandidateId(0);
    /// let nodes = vec![Node::run(only, 1), Node::answer(only)];
    /// let trained_for = TrainedFor::of_costs(vec![1e5]);
    /// let premodel = Premodel::new(vec!["tiny".to_string()], 10, vec![], nodes, vec![only], vec![], trained_for)?;
    /// assert_eq!(Premodel::from_json(&premodel.to_json())?, premodel);
    /// # Ok::<(), trt_select_premodel::ModelError>(())
    /// ```
    pub fn to_json(&self) -> String {
        let name = |c: CandidateId| self.candidates[c.index()].clone();
        let signals: Vec<String> = self.signals.iter().map(|s| s.name(&self.candidates)).collect();
        let risk = self.candidates.iter().cloned().zip(&self.risk);
        let averages = self.averages.iter().map(|a| FileWeights {
            of: a.of.iter().map(name).collect(),
            weights: a.weights.iter().map(|&w| f64::from(w)).collect(),
        });
        // A file of version 1 has no place for a price or for shares.
        let is_plain = |only: &FrontProgram<'_>| only.price().is_none() && only.ran().is_empty();
        let only = self.programs().next().filter(|only| self.programs().len() == 1 && is_plain(only));
        let program_of = |program: FrontProgram<'_>| FileProgram {
            price: program.price(),
            program: self.file_nodes(&program, &signals),
            expected: program.expected().cloned(),
            ran: program.ran().to_vec(),
        };
        let programs = only.is_none().then(|| self.programs().map(program_of).collect());
        let program = only.map(|only| self.file_nodes(&only, &signals));
        let file = File {
            format: FORMAT.to_string(),
            version: if only.is_some() { ONE } else { SEVERAL },
            candidates: self.candidates.clone(),
            classes: self.classes,
            signals,
            program,
            programs,
            chosen: only.is_none().then_some(self.chosen),
            mix: self.mix.map(|Mix { programs, share, seed }| FileMix { programs, share, seed }),
            fallback: self.fallback.iter().map(|&c| name(c)).collect(),
            risk: risk.map(|(name, table)| (name, table.iter().map(|&r| f64::from(r)).collect())).collect(),
            temperatures: self.temperatures.iter().map(|&t| f64::from(t)).collect(),
            averages: averages.collect(),
            trained_for: self.trained_for.clone(),
            profile: self.profile.clone(),
            expected: only.and_then(|only| only.expected().cloned()),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("plain data with string keys");
        text.push('\n');
        text
    }

    /// The nodes of a program as the file has them. `signals` has the names of the premodel's signals.
    fn file_nodes(&self, program: &FrontProgram<'_>, signals: &[String]) -> Vec<FileNode> {
        let name = |c: CandidateId| self.candidates[c.index()].clone();
        let node = |node: &Node| match node.view() {
            View::Test { signal, threshold, then, otherwise } => FileNode::Test(FileTest {
                test: signals[signal.index()].clone(),
                threshold: f64::from(threshold),
                then,
                otherwise,
            }),
            View::Run { candidate, next } => FileNode::Run(FileRun { run: name(candidate), next }),
            View::Answer(Answer::Candidate(c)) => FileNode::Answer(FileAnswer { answer: name(c) }),
            View::Answer(Answer::Average(of)) => {
                FileNode::Average(FileAverage { average: of.iter().map(name).collect() })
            }
        };
        program.program().nodes().iter().map(node).collect()
    }
}

#[cfg(test)]
mod tests;
