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
mod tests {
    use super::*;
    use crate::model::tests::sample;
    use crate::provenance::Interval;

    #[test]
    fn json_gives_back_the_same_bits() {
        let model = sample();
        let text = model.to_json();
        assert_eq!(Premodel::from_json(&text).unwrap(), model);
        assert!(text.contains("0.3333333432674408"), "{text}");
    }

    fn calibrated() -> Premodel {
        let mut model = sample();
        model.signals[1] = Signal::Average(Mask(1), crate::AverageSignal::Margin);
        let average = Average { of: Mask(3), weights: [0.3, 0.7].into() };
        model.with_calibration([1.1, 0.05].into(), [average].into()).unwrap()
    }

    #[test]
    fn calibration_goes_both_ways_and_old_files_stay_as_they_are() {
        let model = calibrated();
        let text = model.to_json();
        assert!(text.contains("avg.small.margin") && text.contains("1.100000023841858"), "{text}");
        assert_eq!(Premodel::from_json(&text).unwrap(), model);
        // The names of an average may stand in any order, as long as each weight stands where its name does.
        let file = |of: [&str; 2], weights: [f64; 2]| {
            let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
            value["averages"] = serde_json::json!([{ "of": of, "weights": weights }]);
            Premodel::from_json(&value.to_string())
        };
        assert_eq!(file(["large", "small"], [0.7, 0.3]).unwrap(), model);
        for (of, weights, expected) in [
            (["small", "small"], [0.3, 0.7], "distinct candidates"),
            (["small", "medium"], [0.3, 0.7], "'medium'"),
            (["small", "large"], [0.3, 0.8], "sum 1"),
            (["small", "large"], [1e300, -1e300], "0..=1"),
        ] {
            let error = file(of, weights).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
        let old = sample().to_json();
        assert!(!old.contains("temperatures") && !old.contains("averages"), "{old}");
        assert_eq!(Premodel::from_json(&old).unwrap().to_json(), old);
    }

    /// The sample's program, one that always runs `small`, and one that always runs `large`, with a mix of the last two.
    fn several() -> Premodel {
        let at = |mean: f64| Interval { mean, low: mean - 0.125, high: mean + 0.125 };
        let expect = |reward, ns| Some(Expected::new(at(reward), at(ns), at(reward - 0.9), "made up".into()));
        let nodes = sample().program().nodes().to_vec();
        let small = Alternative::single(CandidateId(0), 2).expected(expect(0.8, 1e3));
        let programs = alloc::vec![
            small.price(Some(2.5)),
            Alternative::new(nodes).price(Some(0.1)).expected(expect(0.9, 5e3)).ran([0.75, 1.0 / 3.0].into()),
            Alternative::new([Node::run(CandidateId(1), 1), Node::answer(CandidateId(1))].into()),
        ];
        let mix = Mix { programs: [0, 2], share: 0.375, seed: u64::MAX };
        sample().with_programs(programs, 1).unwrap().with_mix(Some(mix)).unwrap()
    }

    #[test]
    fn several_programs_go_both_ways() {
        let model = several();
        let text = model.to_json();
        assert!(text.contains("\"version\": 2"), "{text}");
        let again = Premodel::from_json(&text).unwrap();
        assert_eq!((&again, again.to_json()), (&model, text));
        assert_eq!((again.chosen(), again.programs().len(), again.mix().unwrap().share), (1, 3, 0.375));
        assert_eq!(again.program().nodes(), sample().program().nodes());
        assert_eq!(again.expected.as_ref().unwrap().reward.mean, 0.9);
        let other = again.with_chosen(0).unwrap();
        assert_eq!(other.expected.as_ref().unwrap().reward.mean, 0.8);
        assert_eq!(other.program_at(1).unwrap().expected().unwrap().reward.mean, 0.9);
        assert_eq!(Premodel::from_json(&other.to_json()).unwrap(), other);
        assert_eq!(other.with_chosen(0).unwrap().with_chosen(1).unwrap(), model);

        // One program is version 1 unless it says what version 1 cannot.
        let nodes = || sample().program().nodes().to_vec();
        let one = |alternative: Alternative| sample().with_programs(alloc::vec![alternative], 0).unwrap();
        assert_eq!(one(Alternative::new(nodes())).to_json(), sample().to_json());
        for more in [Alternative::new(nodes()).price(Some(0.0)), Alternative::new(nodes()).ran([1.0, 0.0].into())] {
            let model = one(more);
            assert!(model.to_json().contains("\"version\": 2"));
            assert_eq!(Premodel::from_json(&model.to_json()).unwrap(), model);
        }
    }

    #[test]
    fn faulty_files_of_several_programs_are_refused_with_a_line() {
        let text = several().to_json();
        let good: serde_json::Value = serde_json::from_str(&text).unwrap();
        let refuse = |change: &dyn Fn(&mut serde_json::Value), expected: &str| {
            let mut value = good.clone();
            change(&mut value);
            let error = Premodel::from_json(&value.to_string()).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{expected}: {error}");
        };
        let set = |path: &'static str, to: serde_json::Value, expected: &str| {
            refuse(&|value: &mut serde_json::Value| *value.pointer_mut(path).expect(path) = to.clone(), expected);
        };
        use serde_json::json;
        set("/chosen", json!(3), "1 to 64 programs and the number of the chosen one, got 3 and 3");
        set("/chosen", json!(-1), "expected its JSON form");
        set("/programs", json!([]), "got 0 and 1");
        set("/programs/0/price", json!(-1.0), "programs[0]: expected a finite price of at least 0, got -1");
        set("/programs/1/ran", json!([0.5]), "programs[1]: expected 2 shares in 0..=1 under ran");
        set("/programs/1/ran/0", json!(1.5), "programs[1]: expected 2 shares in 0..=1 under ran");
        set("/programs/0/expected/cost_ns/mean", json!(-1.0), "programs[0]: expected finite expectations");
        set("/programs/0/expected/reward/low", json!(null), "expected its JSON form");
        set("/programs/2/program/1/answer", json!("small"), "programs[2]: program node 1");
        set("/programs/2/program/0/run", json!("medium"), "got 'medium'");
        set("/programs/1/program/2/threshold", json!(0.1), "programs[1] node 2: expected a threshold");
        set("/programs/1/program", json!([]), "programs[1]: ");
        set("/mix/share", json!(1.5), "two of 3 programs and a share in 0..=1");
        set("/mix/programs", json!([0, 3]), "two of 3 programs");
        set("/mix/programs", json!([2, 2]), "two of 3 programs");
        set("/mix/programs", json!([0]), "expected its JSON form");
        set("/version", json!(1), "key 'program' in version 1: expected one, got none");
        let remove = |value: &mut serde_json::Value, key: &str| value.as_object_mut().unwrap().remove(key);
        for key in ["programs", "chosen"] {
            refuse(
                &|value| drop(remove(value, key)),
                &alloc::format!("key '{key}' in version 2: expected one, got none"),
            );
        }
        for key in ["program", "expected"] {
            let place = alloc::format!("/programs/1/{key}");
            let add = |value: &mut serde_json::Value| value[key] = value.pointer(&place).unwrap().clone();
            refuse(&add, &alloc::format!("key '{key}' in version 2"));
        }
        refuse(&|value| value["programs"][0]["x"] = json!(0), "unknown field `x`");
        refuse(&|value| value["mix"]["x"] = json!(0), "unknown field `x`");
        let many =
            |value: &mut serde_json::Value| value["programs"] = json!(alloc::vec![good["programs"][2].clone(); 65]);
        refuse(&many, "1 to 64 programs");
        let mix_of_one = |value: &mut serde_json::Value| {
            *value = serde_json::from_str(&sample().to_json()).unwrap();
            value["mix"] = good["mix"].clone();
        };
        refuse(&mix_of_one, "key 'mix' in version 1: expected none, got one");
    }

    proptest::proptest! {
        #[test]
        fn any_calibration_goes_both_ways(
            t in proptest::array::uniform2(0.05_f32..=20.0),
            w in 0.0_f32..=1.0,
            alone in proptest::bool::ANY,
        ) {
            let mut averages = alloc::vec![Average { of: Mask(3), weights: [w, 1.0 - w].into() }];
            if alone {
                averages.push(Average { of: Mask(2), weights: [1.0].into() });
            }
            let model = sample().with_calibration(t.into(), averages).unwrap();
            proptest::prop_assert_eq!(Premodel::from_json(&model.to_json()).unwrap(), model);
        }

        /// However the text is changed, reading it gives either a premodel that is the same after writing and reading it again, or an error
        /// of one line.
        #[test]
        fn mutated_files_are_read_or_refused(
            at in 0.0..1.0, byte in 0x20_u8..0x7f, cut in 0_usize..40, many in proptest::bool::ANY,
        ) {
            let mut bytes = if many { several() } else { calibrated() }.to_json().into_bytes();
            let from = (at * bytes.len() as f64) as usize;
            let to = (from + cut).min(bytes.len());
            bytes.splice(from..to, [byte]);
            match Premodel::from_json(core::str::from_utf8(&bytes).unwrap()) {
                Ok(model) => proptest::prop_assert_eq!(Premodel::from_json(&model.to_json()).unwrap(), model),
                Err(e) => proptest::prop_assert!(!e.to_string().contains('\n')),
            }
        }
    }

    #[test]
    fn faulty_files_are_refused_with_a_line() {
        let good = sample().to_json();
        let cases = [
            ("\"threshold\": 0.3333333432674408", "\"threshold\": 0.3333", "32-bit float"),
            ("\"threshold\": 0.3333333432674408", "\"threshold\": null", "expected its JSON form"),
            ("\"threshold\": 0.3333333432674408", "\"threshold\": NaN", "expected its JSON form"),
            ("\"test\": \"small.margin\"", "\"test\": \"large.margin\"", "listed under \"signals\""),
            ("\"small.margin\"", "\"large.margin\"", "read after candidates {1} ran"),
            ("\"run\": \"small\"", "\"run\": \"medium\"", "got 'medium'"),
            ("\"next\": 4", "\"next\": 2", "a cycle"),
            ("\"next\": 4", "\"next\": 40", "within the program"),
            ("\"version\": 1", "\"version\": 3", "version 3"),
            ("\"version\": 1", "\"version\": 0", "version 0"),
            ("\"version\": 1", "\"version\": 2", "key 'program' in version 2: expected none, got one"),
            ("\"program\": [", "\"programs\": [], \"program\": [", "key 'programs' in version 1: expected none"),
            ("\"program\": [", "\"chosen\": 0, \"program\": [", "key 'chosen' in version 1: expected none"),
            ("\"version\": 1", "\"version\": 1, \"x\": 0", "unknown field `x`"),
            ("9000.0", "-1.0", "at least 0"),
            ("\"large\"\n  ],\n  \"classes\"", "\"small\"\n  ],\n  \"classes\"", "got 'large'"),
        ];
        for (from, to, expected) in cases {
            assert!(good.contains(from), "{from}\n{good}");
            let error = Premodel::from_json(&good.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains('\n'), "{from} -> {to}: {error}");
        }
        let twice = good.replacen("\"run\": \"large\"", "\"run\": \"small\"", 1);
        assert!(Premodel::from_json(&twice).unwrap_err().to_string().contains("run once on a path"));
    }
}
