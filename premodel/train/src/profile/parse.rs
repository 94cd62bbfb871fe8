//! From the CSV file to the table: what each column is, and what its fields may hold.

use std::collections::HashSet;

use trt_select_premodel::{CandidateSignal, MAX_CANDIDATES, RESERVED, Signal, is_candidate_name};

use super::{Column, CsvTable, MAX_COST, Profile, ProfileError, ProfileErrorKind, Recordings, Weights};

/// What a column of the file is. Numbers are places of candidates, and of signals among [`Profile::columns`].
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Input,
    Label,
    Weight,
    FeaturesCost,
    Reward(usize),
    Cost(usize),
    Answer(usize),
    Signal(usize),
}

const COST: &str = "a number in 0..=1e18";

/// Reads all rows. Hash and recordings are left empty, and agreements are not derived yet.
pub(super) fn profile(mut table: CsvTable<'_>) -> Result<Profile, ProfileError> {
    let candidates = candidate_names(&table)?;
    let (fields, signals) = fields(&table, &candidates)?;
    let by_candidate = |has_column: bool| if has_column { candidates.len() } else { 0 };
    let mut profile = Profile {
        inputs: Vec::new(),
        labels: Vec::new(),
        weights: None,
        rewards: vec![Vec::new(); candidates.len()],
        costs: vec![Vec::new(); by_candidate(fields.iter().any(|f| matches!(f, Field::Cost(_))))],
        answers: vec![Vec::new(); by_candidate(fields.iter().any(|f| matches!(f, Field::Answer(_))))],
        columns: signals.into_iter().map(|signal| Column { signal, values: Vec::new() }).collect(),
        features_cost: Vec::new(),
        topk: None,
        candidates,
        meta: table.comments().clone(),
        is_label_free: false,
        recordings: Recordings::default(),
        sha256: String::new(),
    };
    let (mut seen, mut weights) = (HashSet::new(), Vec::new());
    while table.next_row()? {
        for (column, &field) in fields.iter().enumerate() {
            if field == Field::Input && !seen.insert(table.row()[column].trim().to_string()) {
                return Err(bad_field(&table, column, "a name that no other row has"));
            }
            let text = table.row()[column].trim();
            let pushed = push(&mut profile, &mut weights, field, text);
            pushed.map_err(|expected| bad_field(&table, column, expected))?;
        }
        if profile.labels.len() < profile.inputs.len() {
            profile.labels.push(None);
        }
    }
    if profile.inputs.is_empty() {
        let remedy = "give a file with a header and rows";
        return Err(table.error(2, ProfileErrorKind::Empty, "at least one row", "none", remedy));
    }
    if fields.contains(&Field::Weight) {
        profile.weights = Some(Weights::checked(weights));
    }
    Ok(profile)
}

fn bad_field(table: &CsvTable<'_>, column: usize, expected: &str) -> ProfileError {
    table.bad_field(column, expected, "mend or remove the line")
}

/// Appends a field to its column; else what was expected of it.
fn push(profile: &mut Profile, weights: &mut Vec<f32>, field: Field, text: &str) -> Result<(), &'static str> {
    let number = |low: f64, high: f64| text.parse::<f64>().ok().filter(|x| (low..=high).contains(x));
    match field {
        Field::Input if text.is_empty() => return Err("a name that no other row has"),
        Field::Input => profile.inputs.push(text.to_string()),
        Field::Label if text.is_empty() => profile.labels.push(None),
        Field::Label => {
            profile.labels.push(Some(text.parse().map_err(|_| "the number of a class, or nothing")?));
        }
        Field::Weight => {
            let weight = text.parse::<f32>().ok().filter(|weight| weight.is_finite() && *weight > 0.0);
            weights.push(weight.ok_or("a finite number above 0")?);
        }
        Field::FeaturesCost => profile.features_cost.push(number(0.0, MAX_COST).ok_or(COST)?),
        Field::Reward(c) => profile.rewards[c].push(number(0.0, 1.0).ok_or("a number in 0..=1")? as f32),
        Field::Cost(c) => profile.costs[c].push(number(0.0, MAX_COST).ok_or(COST)?),
        Field::Answer(c) => profile.answers[c].push(text.parse().map_err(|_| "the number of a class")?),
        Field::Signal(i) => {
            // Parsed as 32-bit float at once: the same decimal gives the same bits as at run time.
            let value = text.parse::<f32>().ok().filter(|x| x.is_finite()).ok_or("a finite number")?;
            profile.columns[i].values.push(value);
        }
    }
    Ok(())
}

/// The candidates: those with a column of rewards.
fn candidate_names(table: &CsvTable<'_>) -> Result<Vec<String>, ProfileError> {
    let names: Vec<&str> = table.header().iter().collect();
    let missing = |column: &str| {
        let expected = format!("a column '{column}'");
        table.error(1, ProfileErrorKind::Header, expected, "none", "make the profile anew, or add it")
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
        let expected = format!("at most {MAX_CANDIDATES} candidates");
        return Err(table.error(1, ProfileErrorKind::Header, expected, candidates.len(), "leave some out"));
    }
    if let Some(candidate) = candidates.iter().find(|c| !is_candidate_name(c)) {
        let expected = format!("a candidate named by letters, digits, '_' and '-', and not one of {RESERVED:?}");
        return Err(table.bad_column(&format!("{candidate}.reward"), &expected, "another name", "rename it"));
    }
    // A candidate without one of the columns that others have is a mistake, not a choice.
    for kind in ["cost_ns", "answer"] {
        let has_column = |c: &&String| names.contains(&format!("{c}.{kind}").as_str());
        if candidates.iter().any(|c| has_column(&c))
            && let Some(without) = candidates.iter().find(|c| !has_column(c))
        {
            return Err(missing(&format!("{without}.{kind}")));
        }
    }
    Ok(candidates)
}

/// What each column is, and the signals among them.
fn fields(table: &CsvTable<'_>, candidates: &[String]) -> Result<(Vec<Field>, Vec<Signal>), ProfileError> {
    let names: Vec<&str> = table.header().iter().collect();
    let (mut fields, mut signals) = (Vec::new(), Vec::new());
    for (i, column) in names.iter().enumerate() {
        if names[..i].contains(column) {
            return Err(table.bad_column(column, "each column once", "it twice", "rename or remove it"));
        }
        fields.push(match *column {
            "input" => Field::Input,
            "label" => Field::Label,
            "weight" => Field::Weight,
            "features.cost_ns" => Field::FeaturesCost,
            _ => match Signal::parse(column, candidates) {
                Some(Signal::Candidate(c, CandidateSignal::Other(name))) if name == "reward" => {
                    Field::Reward(c.index())
                }
                Some(Signal::Candidate(c, CandidateSignal::Other(name))) if name == "cost_ns" => Field::Cost(c.index()),
                Some(Signal::Candidate(c, CandidateSignal::Other(name))) if name == "answer" => {
                    Field::Answer(c.index())
                }
                Some(signal) => {
                    signals.push(signal);
                    Field::Signal(signals.len() - 1)
                }
                None => {
                    let expected = "input, label, weight, feature.NAME, signal.NAME, features.cost_ns or CANDIDATE.NAME of a \
                                    candidate with a reward column";
                    return Err(table.bad_column(column, expected, "another name", "rename or remove it"));
                }
            },
        });
    }
    Ok((fields, signals))
}
