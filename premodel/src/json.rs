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
//! Thresholds are 32-bit floats, written as the decimal of the 64-bit float of the same value: reading gives the same
//! bits back.

use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::model::{Expected, ModelError, Premodel, ProfileRef, TrainedFor};
use crate::{Answer, CandidateId, Mask, Node, Signal, SignalId, View};

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
    trained_for: TrainedFor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<ProfileRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expected: Option<Expected>,
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

impl Premodel {
    /// Reads `premodel.json`.
    ///
    /// # Errors
    /// One line: what was expected and what was found.
    pub fn from_json(text: &str) -> Result<Premodel, ModelError> {
        let file: File = serde_json::from_str(text)
            .map_err(|e| ModelError::new(format!("premodel: expected its JSON form, got: {e}; train it anew")))?;
        if file.format != FORMAT || file.version != VERSION {
            return Err(ModelError::new(format!(
                "premodel: expected format '{FORMAT}' version {VERSION}, got '{}' version {}; use the trt-select that wrote it",
                file.format, file.version
            )));
        }
        let candidate = |name: &String| {
            file.candidates.iter().position(|c| c == name).map(|i| CandidateId(i.min(255) as u8)).ok_or_else(|| {
                ModelError::new(format!(
                    "premodel: expected a candidate of {:?}, got '{name}'; train it anew",
                    file.candidates
                ))
            })
        };
        let mut signals = Vec::with_capacity(file.signals.len());
        for name in &file.signals {
            signals.push(Signal::parse(name, &file.candidates).ok_or_else(|| {
                ModelError::new(format!(
                    "premodel: signal '{name}': expected feature.NAME, signal.NAME, CANDIDATE.NAME or agree.A.B, got another form"
                ))
            })?);
        }
        let mut nodes = Vec::with_capacity(file.program.len());
        for (at, node) in file.program.iter().enumerate() {
            nodes.push(match node {
                FileNode::Test(t) => {
                    let signal = file.signals.iter().position(|s| *s == t.test).ok_or_else(|| {
                        ModelError::new(format!(
                            "premodel: program node {at}: expected a signal listed under \"signals\", got '{}'; train it anew",
                            t.test
                        ))
                    })?;
                    if f64::from(t.threshold as f32) != t.threshold {
                        return Err(ModelError::new(format!(
                            "premodel: program node {at}: expected a threshold that is a 32-bit float, got {}; write it as {}",
                            t.threshold,
                            f64::from(t.threshold as f32)
                        )));
                    }
                    Node::test(SignalId(signal as u16), t.threshold as f32, t.then, t.otherwise)
                }
                FileNode::Run(r) => Node::run(candidate(&r.run)?, r.next),
                FileNode::Answer(a) => Node::answer(candidate(&a.answer)?),
                FileNode::Average(a) => {
                    let mut mask = Mask::EMPTY;
                    for name in &a.average {
                        mask = mask.with(candidate(name)?);
                    }
                    Node::average(mask)
                }
            });
        }
        let fallback = file.fallback.iter().map(candidate).collect::<Result<_, _>>()?;
        let mut risk = Vec::new();
        if !file.risk.is_empty() {
            for name in &file.candidates {
                let table = file.risk.get(name).ok_or_else(|| {
                    ModelError::new(format!(
                        "premodel: risk: expected a table for each candidate, got none for '{name}'"
                    ))
                })?;
                risk.push(table.iter().map(|&r| r as f32).collect());
            }
        }
        let mut model = Premodel::new(file.candidates, file.classes, signals, nodes, fallback, risk, file.trained_for)?;
        model.profile = file.profile;
        model.expected = file.expected;
        Ok(model)
    }

    /// Writes `premodel.json`.
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
        let file = File {
            format: FORMAT.to_string(),
            version: VERSION,
            candidates: self.candidates.clone(),
            classes: self.classes,
            signals,
            program,
            fallback: self.fallback.iter().map(|&c| name(c)).collect(),
            risk: risk.map(|(name, table)| (name, table.iter().map(|&r| f64::from(r)).collect())).collect(),
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
