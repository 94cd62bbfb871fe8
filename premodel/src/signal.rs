//! Signals by name.

use std::format;
use std::string::{String, ToString};

use crate::{CandidateId, Mask};

/// A signal that a candidate leaves behind when it has run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CandidateSignal {
    /// Largest class probability, 0..=1.
    Top1,
    /// Largest less second largest class probability, 0..=1.
    Margin,
    /// Entropy of the class probabilities in nats, over the natural logarithm of the number of classes: 0..=1.
    Entropy,
    /// Share of inputs on which the candidate was wrong when it answered with this class, 0..=1: looked up in the table
    /// stored with the premodel.
    Risk,
    /// A number of the user's own, for tasks that are not classification.
    Other(String),
}

/// What a test can read. Its name is also that of its column in `profile.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `feature.NAME`: a feature of the image.
    Feature(String),
    /// `signal.NAME`: a value that the user sets before each input.
    User(String),
    /// `CANDIDATE.top1`, `.margin`, `.entropy`, `.risk`, or a name of the user's.
    Candidate(CandidateId, CandidateSignal),
    /// `agree.A.B`: 1 where two candidates gave the same class, else 0.
    Agreement(CandidateId, CandidateId),
}

/// First parts of a dotted name that cannot name a candidate.
pub const RESERVED: [&str; 4] = ["feature", "signal", "agree", "features"];

/// Whether a name can be a candidate's: letters, digits, `_` and `-`, and not one of [`RESERVED`], which column names use.
pub fn is_candidate_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !RESERVED.contains(&name)
}

impl Signal {
    /// The signal of a name, or `None` where the name is not of one of the forms or names an unknown candidate.
    pub fn parse(name: &str, candidates: &[String]) -> Option<Signal> {
        let (head, tail) = name.split_once('.')?;
        if tail.is_empty() {
            return None;
        }
        let id = |name: &str| candidates.iter().position(|c| c == name).map(|i| CandidateId(i as u8));
        Some(match head {
            "feature" => Signal::Feature(tail.to_string()),
            "signal" => Signal::User(tail.to_string()),
            "agree" => {
                let (a, b) = tail.split_once('.')?;
                let (a, b) = (id(a)?, id(b)?);
                if a == b {
                    return None;
                }
                Signal::Agreement(a, b)
            }
            candidate => Signal::Candidate(
                id(candidate)?,
                match tail {
                    "top1" => CandidateSignal::Top1,
                    "margin" => CandidateSignal::Margin,
                    "entropy" => CandidateSignal::Entropy,
                    "risk" => CandidateSignal::Risk,
                    other => CandidateSignal::Other(other.to_string()),
                },
            ),
        })
    }

    /// Its name. A candidate without a name is written as its number.
    pub fn name(&self, candidates: &[String]) -> String {
        let of = |c: &CandidateId| candidates.get(c.index()).cloned().unwrap_or_else(|| c.0.to_string());
        match self {
            Signal::Feature(name) => format!("feature.{name}"),
            Signal::User(name) => format!("signal.{name}"),
            Signal::Candidate(c, signal) => {
                let signal = match signal {
                    CandidateSignal::Top1 => "top1",
                    CandidateSignal::Margin => "margin",
                    CandidateSignal::Entropy => "entropy",
                    CandidateSignal::Risk => "risk",
                    CandidateSignal::Other(name) => name,
                };
                format!("{}.{signal}", of(c))
            }
            Signal::Agreement(a, b) => format!("agree.{}.{}", of(a), of(b)),
        }
    }

    /// The candidates that must have run before it exists.
    pub fn needs(&self) -> Mask {
        match self {
            Signal::Feature(_) | Signal::User(_) => Mask::EMPTY,
            Signal::Candidate(c, _) => Mask::of(*c),
            Signal::Agreement(a, b) => Mask::of(*a).with(*b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn names_go_both_ways() {
        let candidates: Vec<String> = ["nano", "large"].iter().map(|s| s.to_string()).collect();
        for name in ["feature.hue1", "signal.speed", "nano.top1", "large.risk", "nano.boxes", "agree.nano.large"] {
            let signal = Signal::parse(name, &candidates).unwrap();
            assert_eq!(signal.name(&candidates), name);
        }
        for name in ["", "hue1", "feature.", "medium.top1", "agree.nano", "agree.nano.nano", "agree.nano.medium"] {
            assert_eq!(Signal::parse(name, &candidates), None, "{name}");
        }
    }
}
