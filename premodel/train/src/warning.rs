//! What makes a profile's results less than they seem, and is no error.

use std::fmt;

use trt_select_premodel::Interval;

use super::Profile;
use super::error::Message;
use super::stats::{Bootstrap, mean, median};
use super::weights::Weights;

/// With fewer rows than these, a program and its forecast are mostly luck: the interval of a mean reward is several points wide.
pub const FEW_ROWS: f64 = 200.0;
/// Choosing is learnt from rows on which the candidates' rewards differ; of fewer than these nothing can be learnt.
pub const FEW_DIFFERING: f64 = 20.0;
/// Recordings whose median costs differ by more than this ratio were not measured under equal conditions.
pub const UNEVEN_COSTS: f64 = 1.25;

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningKind {
    /// Recordings that were joined have median costs that differ by more than [`UNEVEN_COSTS`].
    UnevenCosts,
    /// There are fewer rows than [`FEW_ROWS`], or fewer than [`FEW_DIFFERING`] on which candidates differ; rows count by their weights.
    FewRows,
    /// The best single candidate is hardly better than guessing.
    NearChance,
    /// Candidates are right less often than guessing.
    BelowChance,
    /// Inputs that judge are inputs that were trained on.
    SeenInputs,
    /// The networks are not those that were profiled.
    OtherNetworks,
}

impl WarningKind {
    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            WarningKind::UnevenCosts => "uneven_costs",
            WarningKind::FewRows => "few_rows",
            WarningKind::NearChance => "near_chance",
            WarningKind::BelowChance => "below_chance",
            WarningKind::SeenInputs => "seen_inputs",
            WarningKind::OtherNetworks => "other_networks",
        }
    }
}

/// A reason to doubt results. Displayed it is one line, `object: expected X, got Y; remedy`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// Its parts.
    pub message: Message,
}

impl Warning {
    /// A warning of its kind and parts.
    pub fn new(kind: WarningKind, message: Message) -> Warning {
        Warning { kind, message }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl Profile {
    /// Why results of training on this table may be less than they seem, one warning for each reason: costs that differ between
    /// recordings, few rows, and candidates that are hardly better than guessing.
    ///
    /// The last is looked for where the number of classes is known and all rewards are 0 or 1. The best single candidate is near chance
    /// if its 95 % interval reaches below twice the share that guessing gets, 2 / classes, or, of few classes, below a tenth more than it,
    /// 1 / classes + 0.1.
    ///
    /// ```
    /// use trt_select_train::{Profile, WarningKind};
    ///
    /// // The labels are one row off, so the network is right as often as a guess.
    /// let mut csv = String::from("# classes: 10\ninput,label,a.reward,a.answer\n");
    /// for row in 0..300 {
    ///     let (label, answer) = ((row + 1) % 10, row % 10);
    ///     csv += &format!("{row}.png,{label},{},{answer}\n", u8::from(label == answer));
    /// }
    /// let warnings = Profile::parse("p.csv", csv.as_bytes())?.warnings();
    /// assert_eq!(warnings[0].kind, WarningKind::NearChance);
    /// assert!(warnings[0].to_string().starts_with("p.csv: expected a best single candidate well above chance"));
    /// # Ok::<(), trt_select_train::ProfileError>(())
    /// ```
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        warnings.extend(self.uneven_costs());
        warnings.extend(self.few_rows());
        warnings.extend(self.chance());
        warnings
    }

    /// The warning that another table, which is to judge what was learnt from this one, has inputs of this one: see
    /// [`Profile::inputs_again`].
    pub fn seen_by(&self, judge: &Profile) -> Option<Warning> {
        let again = self.inputs_again(judge);
        let message = || {
            let got = format!("{again} of {} that it saw", judge.rows());
            let remedy = "the result is too good for other inputs: judge on those";
            Message::new(judge.named(), "inputs that training did not see", got, remedy)
        };
        (again > 0).then(|| Warning::new(WarningKind::SeenInputs, message()))
    }

    /// What messages call the table.
    fn named(&self) -> String {
        match self.recordings.files() {
            [] => "profile".to_string(),
            [file] => file.name.clone(),
            [file, others @ ..] => format!("{} and {} more", file.name, others.len()),
        }
    }

    fn uneven_costs(&self) -> Option<Warning> {
        let files = self.recordings.files();
        let mut worst: Option<(f64, Message)> = None;
        for (candidate, costs) in self.candidates.iter().zip(&self.costs) {
            let mut by_file: Vec<Vec<f64>> = vec![Vec::new(); files.len()];
            if files.len() < 2 {
                continue;
            }
            costs.iter().enumerate().for_each(|(row, &cost)| by_file[self.recordings.of(row)].push(cost));
            let medians = by_file.iter().enumerate().filter(|(_, costs)| !costs.is_empty());
            let mut medians: Vec<(f64, &str)> =
                medians.map(|(file, costs)| (median(costs), &*files[file].name)).collect();
            medians.sort_by(|a, b| a.0.total_cmp(&b.0));
            let (Some(&(low, cheap)), Some(&(high, dear))) = (medians.first(), medians.last()) else { continue };
            let ratio = high / low;
            if ratio > UNEVEN_COSTS && worst.as_ref().is_none_or(|(most, _)| ratio > *most) {
                let expected = format!("median costs that differ by a ratio of {UNEVEN_COSTS} at most");
                let got = format!("{low:.0} in {cheap} and {high:.0} in {dear} for {candidate}");
                let remedy = "the median over all rows is taken: measure on a quiet machine, or give costs";
                worst = Some((ratio, Message::new(self.named(), expected, got, remedy)));
            }
        }
        worst.map(|(_, message)| Warning::new(WarningKind::UnevenCosts, message))
    }

    fn few_rows(&self) -> Option<Warning> {
        let differs = |row: &usize| self.rewards.iter().any(|rewards| rewards[*row] != self.rewards[0][*row]);
        let differing: Vec<usize> = (0..self.rows()).filter(differs).collect();
        let count = |rows: usize, weights: Option<Weights>| weights.map_or(rows as f64, |w| w.effective_rows());
        let rows = count(self.rows(), self.weights.clone());
        let several = self.candidates.len() > 1;
        let some = count(differing.len(), self.weights.as_ref().map(|weights| weights.with_rows(&differing)));
        let some = if differing.is_empty() { 0.0 } else { some };
        if rows >= FEW_ROWS && (some >= FEW_DIFFERING || !several) {
            return None;
        }
        let by_weight = if self.weights.is_some() { ", counted by weight" } else { "" };
        let expected =
            format!("at least {FEW_ROWS} rows, {FEW_DIFFERING} of them with rewards that differ between candidates");
        let got = format!("{rows:.0} and {some:.0}{by_weight}");
        let remedy = "program and forecast are mostly luck: profile more inputs";
        let message = Message::new(self.named(), expected, got, remedy);
        Some(Warning::new(WarningKind::FewRows, message))
    }

    /// Warnings that candidates are hardly better than guessing.
    fn chance(&self) -> Vec<Warning> {
        let classes = f64::from(self.classes());
        if classes < 2.0 || !self.rewards.iter().flatten().all(|&reward| reward == 0.0 || reward == 1.0) {
            return Vec::new();
        }
        let wide = |c: usize| self.rewards[c].iter().map(|&reward| f64::from(reward));
        let means: Vec<f64> = (0..self.rewards.len()).map(|c| mean(wide(c), self.weights.as_ref())).collect();
        let best = (0..means.len()).max_by(|&a, &b| means[a].total_cmp(&means[b])).unwrap_or(0);
        let (chance, remedy) = (
            1.0 / classes,
            "the usual causes are labels shifted or in another order, and wrong preprocessing (size, order of channels, mean, std)",
        );
        let well_above = (2.0 * chance).min(chance + 0.1);
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let values: Vec<f64> = wide(best).collect();
        let Interval { mean: reward, low, high } =
            Bootstrap::new(1).weighted(self.weights.as_ref()).within(0.0, 1.0).mean(&values);
        let mut warnings = Vec::new();
        if low < well_above {
            let expected = format!(
                "a best single candidate well above chance ({} for {classes} classes), above {}",
                percent(chance),
                percent(well_above)
            );
            let name = &self.candidates[best];
            let got = format!("{name} with {} [{:.2}, {:.2}]", percent(reward), 100.0 * low, 100.0 * high);
            let message = Message::new(self.named(), expected, got, remedy);
            warnings.push(Warning::new(WarningKind::NearChance, message));
        }
        let below = (0..means.len()).filter(|&c| means[c] < chance);
        let below: Vec<String> = below.map(|c| format!("{} with {}", self.candidates[c], percent(means[c]))).collect();
        if !below.is_empty() {
            let expected = format!("candidates above chance ({} for {classes} classes)", percent(chance));
            let message = Message::new(self.named(), expected, below.join(", "), remedy);
            warnings.push(Warning::new(WarningKind::BelowChance, message));
        }
        warnings
    }
}
