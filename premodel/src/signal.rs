//! Signals and their names.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::{CandidateId, Mask};

/// A signal that a candidate leaves behind when it has run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CandidateSignal {
    /// The largest class probability, 0..=1.
    Top1,
    /// The largest class probability less the second largest, 0..=1.
    Margin,
    /// Entropy of the class probabilities in nats, divided by the natural logarithm of the number of classes: 0..=1.
    Entropy,
    /// How often the candidate is wrong when it answers with the class that it gave here, 0..=1. The premodel holds this number for each
    /// class.
    Risk,
    /// A number with a name of the user's own, for tasks other than classification.
    Other(String),
}

/// A signal of the weighted average of the calibrated probabilities of several candidates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AverageSignal {
    /// The largest class probability of the average, 0..=1.
    Top1,
    /// The largest class probability of the average less the second largest, 0..=1.
    Margin,
}

/// Something that a test can read. Its name is also the name of its column in `profile.csv`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// `feature.NAME`: a feature of the image.
    Feature(String),
    /// `signal.NAME`: a value of the user's own, which the user sets before each input.
    User(String),
    /// `CANDIDATE.top1`, `.margin`, `.entropy`, `.risk`, or a name of the user's own after the dot.
    Candidate(CandidateId, CandidateSignal),
    /// `agree.A.B`: 1 where the two candidates gave the same class, else 0.
    Agreement(CandidateId, CandidateId),
    /// `avg.A+B.top1` or `avg.A+B.margin`: a signal of the average of these candidates, all of which must have run. The name gives them
    /// in the order of their ids. A set of one candidate means this candidate's own calibrated probabilities. The
    /// [`Premodel`](crate::Premodel) holds the temperatures and weights.
    Average(Mask, AverageSignal),
}

/// Words that cannot be a candidate's name, since the dotted names of signals and of profile columns begin with them.
pub const RESERVED: [&str; 5] = ["feature", "signal", "agree", "features", "avg"];

/// Whether a candidate may have this name: at least one of letters, digits, `_` and `-`, and not one of the [`RESERVED`] words.
///
/// ```
/// use trt_select_premodel::is_candidate_name;
/// assert!(is_candidate_name("resnet-50"));
/// assert!(!is_candidate_name("avg") && !is_candidate_name("a.b") && !is_candidate_name(""));
/// ```
pub fn is_candidate_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && !RESERVED.contains(&name)
}

impl Signal {
    /// The signal with this name. `None` where the name has none of the forms above, or names a candidate that is not in `candidates`.
    ///
    /// ```
    /// use trt_select_premodel::{AverageSignal, CandidateId, CandidateSignal, Mask, Signal};
    ///
    /// let names = ["small".to_string(), "large".to_string()];
    /// let margin = Signal::parse("small.margin", &names).unwrap();
    /// assert_eq!(margin, Signal::Candidate(CandidateId(0), CandidateSignal::Margin));
    /// assert_eq!(margin.name(&names), "small.margin");
    ///
    /// // An average exists once all of its candidates have run.
    /// let average = Signal::parse("avg.small+large.top1", &names).unwrap();
    /// assert_eq!(average, Signal::Average(Mask(0b11), AverageSignal::Top1));
    /// assert_eq!(average.needs(), Mask(0b11));
    ///
    /// assert_eq!(Signal::parse("huge.margin", &names), None);
    /// ```
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
                    // A set has only one name: each candidate comes once, and in the order of the ids.
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

    /// The signal's name. A candidate that `candidates` has no name for is written as its number.
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

    /// The candidates that must have run before the signal exists.
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
