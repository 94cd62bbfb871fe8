//! The costs of candidates: the medians of the profile, or the numbers in a file.

use std::path::Path;

use trt_select::{Error, ErrorKind, Result};
use trt_select_train::{Costs, MAX_COST, Profile, Unit};

/// Costs of the candidates and of the image features in nanoseconds: the medians of the profile, or the numbers in the CSV file
/// `given`. That file has the columns `candidate,cost_ns`; its row `features`, if any, is the cost of the image features.
pub(crate) fn costs(profile_path: &Path, profile: &Profile, given: Option<&Path>) -> Result<Costs> {
    let own = profile.median_costs(Unit::Time);
    let Some(path) = given else {
        return own.ok_or_else(|| {
            Error::expected(
                ErrorKind::Data,
                profile_path.display(),
                "columns CANDIDATE.cost_ns",
                "none",
                "add them, or give --costs",
            )
        });
    };
    let fail = |expected: &str, got: String| {
        Err(Error::expected(
            ErrorKind::Data,
            path.display(),
            expected,
            got,
            "give one row a candidate: candidate,cost_ns",
        ))
    };
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::expected(ErrorKind::Io, path.display(), "a CSV file of costs", e, "correct --costs"))?;
    let mut features_ns = profile.median_features_cost();
    let mut costs = vec![f64::NAN; profile.candidates.len()];
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    if reader.headers().ok().is_none_or(|h| h.iter().ne(["candidate", "cost_ns"])) {
        return fail("a header candidate,cost_ns", "another".into());
    }
    for record in reader.records() {
        let Ok(record) = record else { return fail("two fields a line", "another number".into()) };
        let (name, value) = (&record[0], &record[1]);
        let Some(cost) = value.parse::<f64>().ok().filter(|c| (0.0..=MAX_COST).contains(c)) else {
            return fail("a cost from 0 to 1e18", format!("'{value}' for '{name}'"));
        };
        match profile.candidates.iter().position(|c| c == name) {
            Some(c) if !costs[c].is_nan() => return fail("each candidate once", format!("'{name}' twice")),
            Some(c) => costs[c] = cost,
            None if name == "features" => features_ns = cost,
            None => return fail(&format!("a candidate of {:?}, or features", profile.candidates), format!("'{name}'")),
        }
    }
    match costs.iter().position(|c| c.is_nan()) {
        Some(c) => fail("a cost for each candidate", format!("none for '{}'", profile.candidates[c])),
        None => Ok(Costs::time_ns(costs, features_ns)),
    }
}
