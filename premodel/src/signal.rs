//! Signals by name.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

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

/// A signal of the weighted average of the calibrated probabilities of several candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AverageSignal {
    /// Its largest class probability, 0..=1.
    Top1,
    /// Its largest less its second largest class probability, 0..=1.
    Margin,
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
    /// `avg.A+B.top1` or `.margin`: of the average of candidates that all ran, named in the order of their ids. One candidate
    /// alone stands for its own calibrated probabilities. [`Premodel`](crate::Premodel) holds temperatures and weights.
    Average(Mask, AverageSignal),
}

/// First parts of a dotted name that cannot name a candidate.
pub const RESERVED: [&str; 5] = ["feature", "signal", "agree", "features", "avg"];

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
            "avg" => {
                let (names, signal) = tail.rsplit_once('.')?;
                let mut mask = Mask::EMPTY;
                for name in names.split('+') {
                    let next = Mask::of(id(name)?);
                    // One name for a set: each candidate once, and in order.
                    if next <= mask {
                        return None;
                    }
                    mask = mask.union(next);
                }
                Signal::Average(
                    mask,
                    match signal {
                        "top1" => AverageSignal::Top1,
                        "margin" => AverageSignal::Margin,
                        _ => return None,
                    },
                )
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
            Signal::Average(mask, signal) => {
                let signal = match signal {
                    AverageSignal::Top1 => "top1",
                    AverageSignal::Margin => "margin",
                };
                format!("avg.{}.{signal}", mask.iter().map(|c| of(&c)).collect::<Vec<_>>().join("+"))
            }
        }
    }

    /// The candidates that must have run before it exists.
    pub fn needs(&self) -> Mask {
        match self {
            Signal::Feature(_) | Signal::User(_) => Mask::EMPTY,
            Signal::Candidate(c, _) => Mask::of(*c),
            Signal::Agreement(a, b) => Mask::of(*a).with(*b),
            Signal::Average(mask, _) => *mask,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        let candidates: Vec<String> = ["nano", "large"].iter().map(|s| s.to_string()).collect();
        let good = ["feature.hue1", "signal.speed", "nano.top1", "large.risk", "nano.boxes", "agree.nano.large"];
        let averages = ["avg.nano+large.top1", "avg.nano+large.margin", "avg.large.margin", "avg.nano.top1"];
        for name in good.into_iter().chain(averages) {
            let signal = Signal::parse(name, &candidates).unwrap();
            assert_eq!(signal.name(&candidates), name);
        }
        for name in ["", "hue1", "feature.", "medium.top1", "agree.nano", "agree.nano.nano", "agree.nano.medium"] {
            assert_eq!(Signal::parse(name, &candidates), None, "{name}");
        }
        let faulty =
            ["large+nano.top1", "nano+nano.top1", "nano+.top1", "+nano.top1", ".top1", "nano", "nano.entropy", "top1"];
        for name in faulty {
            assert_eq!(Signal::parse(&format!("avg.{name}"), &candidates), None, "{name}");
        }
        assert_eq!(Signal::parse("avg.nano+large.top1", &candidates).unwrap().needs(), Mask(3));
        assert!(!is_candidate_name("avg"));
    }
}
