//! What a premodel was trained on and for, and what to expect of it.

use alloc::string::String;
use alloc::vec::Vec;

/// The engine, device and precision that a premodel was trained for, with the costs that were measured there. On another engine,
/// device or precision the candidates cost something else, so that the premodel's choices may no longer be good ones.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct TrainedFor {
    /// Name and version of the engine, e.g. `tract 0.23.9`; empty where it is not known.
    pub engine: String,
    /// The device, e.g. the processor's name and the number of threads; empty where it is not known.
    pub device: String,
    /// Precision of the candidates, e.g. `fp32`; empty where it is not known.
    pub precision: String,
    /// Mean cost of one run of each candidate in nanoseconds, with its preprocessing and the computation of its signals.
    pub costs_ns: Vec<f64>,
    /// Cost of the image features in nanoseconds. An input pays it once, and only if the program reads a feature.
    pub features_ns: f64,
}

impl TrainedFor {
    /// A device and an engine that are not named, on which one run of each candidate costs so many nanoseconds and the image features
    /// cost nothing.
    ///
    /// ```
    /// use trt_select_premodel::TrainedFor;
    /// let mut trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
    /// trained_for.engine = "tract 0.23.9".to_string();
    /// assert_eq!((trained_for.costs_ns[1], trained_for.features_ns), (9e5, 0.0));
    /// ```
    pub fn of_costs(costs_ns: Vec<f64>) -> TrainedFor {
        TrainedFor { costs_ns, ..TrainedFor::default() }
    }
}

/// The profile that a premodel was trained on.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct ProfileRef {
    /// SHA-256 of the profile's file, in hexadecimal digits.
    pub sha256: String,
    /// Number of inputs that the profile has.
    pub rows: u64,
}

impl ProfileRef {
    /// The profile whose file has this SHA-256, in hexadecimal digits, and so many inputs.
    pub fn new(sha256: String, rows: u64) -> ProfileRef {
        ProfileRef { sha256, rows }
    }
}

/// A mean with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// What to expect of a premodel on inputs like those of its profile. Programs were judged only on rows that they had not been trained
/// on.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "json", derive(serde::Serialize, serde::Deserialize), serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct Expected {
    /// Mean reward (for classification: the share of right answers).
    pub reward: Interval,
    /// Mean cost of an input in nanoseconds.
    pub cost_ns: Interval,
    /// Mean over the inputs of the premodel's reward less that of the best single candidate on the same input.
    pub over_best_single: Interval,
    /// In words: how the numbers were found.
    pub judged_by: String,
}

impl Expected {
    /// Expectations that were found as `judged_by` says in words.
    pub fn new(reward: Interval, cost_ns: Interval, over_best_single: Interval, judged_by: String) -> Expected {
        Expected { reward, cost_ns, over_best_single, judged_by }
    }
}
