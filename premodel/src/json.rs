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

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::model::{Expected, Premodel, ProfileRef, TrainedFor};
use crate::model_error::{ModelError, ModelErrorKind};
use crate::{Answer, Average, CandidateId, Mask, Node, Signal, SignalId, View};

const FORMAT: &str = "trt-select premodel";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u32,
    candidates: Vec<String>,
    classes: u32,
    signals: Vec<String>,
    program: Vec<FileNode>,
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
        if self.format == FORMAT && self.version == VERSION {
            return Ok(());
        }
        Err(ModelError::new(
            ModelErrorKind::Version,
            format!(
                "premodel: expected format '{FORMAT}' version {VERSION}, got '{}' version {}; use the trt-select that wrote it",
                self.format, self.version
            ),
        ))
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

    fn nodes(&self) -> Result<Vec<Node>, ModelError> {
        let mut nodes = Vec::with_capacity(self.program.len());
        for (at, node) in self.program.iter().enumerate() {
            nodes.push(match node {
                FileNode::Test(test) => self.test(at, test)?,
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

    /// The test that is node `at` of the program.
    fn test(&self, at: usize, test: &FileTest) -> Result<Node, ModelError> {
        let signal = self.signals.iter().position(|s| *s == test.test).ok_or_else(|| {
            let message = format!(
                "premodel: program node {at}: expected a signal listed under \"signals\", got '{}'; train it anew",
                test.test
            );
            ModelError::new(ModelErrorKind::Signals, message)
        })?;
        let threshold = test.threshold as f32;
        if f64::from(threshold) != test.threshold {
            let message = format!(
                "premodel: program node {at}: expected a threshold that is a 32-bit float, got {}; write it as {}",
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
        let (signals, nodes, risk) = (file.signals()?, file.nodes()?, file.risk()?);
        let fallback = file.fallback.iter().map(|name| file.candidate(name)).collect::<Result<_, _>>()?;
        let averages = file.averages.iter().map(|average| file.average(average)).collect::<Result<_, _>>()?;
        let temperatures = file.temperatures.iter().map(|&t| t as f32).collect();
        let mut model = Premodel::new(file.candidates, file.classes, signals, nodes, fallback, risk, file.trained_for)?
            .with_calibration(temperatures, averages)?;
        model.profile = file.profile;
        model.expected = file.expected;
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
        let program = self
            .nodes
            .iter()
            .map(|node| match node.view() {
                View::Test { signal, threshold, then, otherwise } => FileNode::Test(FileTest {
                    test: signals[signal.index()].clone(),
                    threshold: f64::from(threshold),
                    then,
                    otherwise,
                }),
                View::Run { candidate, next } => FileNode::Run(FileRun { run: name(candidate), next }),
                View::Answer(Answer::Candidate(c)) => FileNode::Answer(FileAnswer { answer: name(c) }),
                View::Answer(Answer::Average(mask)) => {
                    FileNode::Average(FileAverage { average: mask.iter().map(name).collect() })
                }
            })
            .collect();
        let risk = self.candidates.iter().cloned().zip(&self.risk);
        let averages = self.averages.iter().map(|a| FileWeights {
            of: a.of.iter().map(name).collect(),
            weights: a.weights.iter().map(|&w| f64::from(w)).collect(),
        });
        let file = File {
            format: FORMAT.to_string(),
            version: VERSION,
            candidates: self.candidates.clone(),
            classes: self.classes,
            signals,
            program,
            fallback: self.fallback.iter().map(|&c| name(c)).collect(),
            risk: risk.map(|(name, table)| (name, table.iter().map(|&r| f64::from(r)).collect())).collect(),
            temperatures: self.temperatures.iter().map(|&t| f64::from(t)).collect(),
            averages: averages.collect(),
            trained_for: self.trained_for.clone(),
            profile: self.profile.clone(),
            expected: self.expected.clone(),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("plain data with string keys");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::sample;

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
        fn mutated_files_are_read_or_refused(at in 0.0..1.0, byte in 0x20_u8..0x7f, cut in 0_usize..40) {
            let mut bytes = calibrated().to_json().into_bytes();
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
            ("\"version\": 1", "\"version\": 2", "version 2"),
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
