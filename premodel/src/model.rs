//! A premodel: checked programs, the names of their candidates and signals, and what they were trained on and for.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::alternative::{Alternative, Mix, Stored};
use crate::model_error::{ModelError, ModelErrorKind};
use crate::provenance::{Expected, ProfileRef, TrainedFor};
use crate::schema::MAX_CANDIDATES;
use crate::signal::{RESERVED, is_candidate_name};
use crate::{Average, CandidateId, Mask, Node, Program, Schema, Signal, tree};

/// A program together with the names of its candidates and signals. [`Premodel::from_json`] and [`Premodel::new`] make one and check
/// it, so whoever holds a premodel may walk its [`program`](Premodel::program).
///
/// A premodel may hold several programs for the same candidates ([`Premodel::with_programs`]), of which one is chosen. What this type says of
/// its program is said of the chosen one; [`Premodel::programs`] gives all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Premodel {
    pub(crate) candidates: Vec<String>,
    pub(crate) classes: u32,
    pub(crate) signals: Vec<Signal>,
    needs: Vec<Mask>,
    /// At least one.
    pub(crate) programs: Vec<Stored>,
    /// The number of the chosen program.
    pub(crate) chosen: usize,
    pub(crate) mix: Option<Mix>,
    pub(crate) fallback: Vec<CandidateId>,
    /// For each candidate and class: how often the candidate is wrong when it answers with that class. Empty where no signal reads it.
    pub(crate) risk: Vec<Vec<f32>>,
    /// One temperature per candidate; empty where all are 1.
    pub(crate) temperatures: Vec<f32>,
    pub(crate) averages: Vec<Average>,
    /// The engine, device and precision that it was trained for.
    pub trained_for: TrainedFor,
    /// The profile that it was trained on, where it was trained on one.
    pub profile: Option<ProfileRef>,
    /// What to expect of the chosen program, where it has been judged.
    pub expected: Option<Expected>,
}

impl Premodel {
    /// Makes a premodel of its parts and checks it. `risk` holds `classes` numbers for each candidate; it may be empty where no signal is
    /// [`CandidateSignal::Risk`](crate::CandidateSignal::Risk). All temperatures are 1 and the candidates of an average weigh the same;
    /// [`Premodel::with_calibration`] sets others.
    ///
    /// ```
    /// use trt_select_premodel::{CandidateId, Node, Premodel, Signal, SignalId, TrainedFor};
    ///
    /// // Run `small` (0.1 ms); where its margin is at most 0.4, run `large` (0.9 ms) too.
    /// let names = vec!["small".to_string(), "large".to_string()];
    /// let (small, large) = (CandidateId(0), CandidateId(1));
    /// let signals = vec![Signal::parse("small.margin", &names).unwrap()];
    /// let nodes = vec![
    ///     Node::run(small, 1),
    ///     Node::test(SignalId(0), 0.4, 2, 4),
    ///     Node::run(large, 3),
    ///     Node::answer(large),
    ///     Node::answer(small),
    /// ];
    /// let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
    /// let premodel = Premodel::new(names, 10, signals, nodes, vec![large, small], vec![], trained_for)?;
    /// assert_eq!(premodel.worst_case_ns(), 1e6);
    /// assert!(!premodel.reads_features());
    /// # Ok::<(), trt_select_premodel::ModelError>(())
    /// ```
    ///
    /// # Errors
    /// A [`ModelError`] if a name may not be a candidate's, a number lies outside its range, a table has the wrong size, or
    /// [`Program::check`] finds that the program is not sound.
    pub fn new(
        candidates: Vec<String>,
        classes: u32,
        signals: Vec<Signal>,
        nodes: Vec<Node>,
        fallback: Vec<CandidateId>,
        risk: Vec<Vec<f32>>,
        trained_for: TrainedFor,
    ) -> Result<Premodel, ModelError> {
        let without = Premodel::without_programs(candidates, classes, signals, fallback, risk, trained_for)?;
        without.with_programs(vec![Alternative::new(nodes)], 0)
    }

    /// A premodel that has no program yet, with everything but programs checked. Whoever makes one has to give it programs.
    pub(crate) fn without_programs(
        candidates: Vec<String>,
        classes: u32,
        signals: Vec<Signal>,
        fallback: Vec<CandidateId>,
        risk: Vec<Vec<f32>>,
        trained_for: TrainedFor,
    ) -> Result<Premodel, ModelError> {
        let needs = signals.iter().map(Signal::needs).collect();
        let model = Premodel {
            candidates,
            classes,
            signals,
            needs,
            programs: Vec::new(),
            chosen: 0,
            mix: None,
            fallback,
            risk,
            temperatures: Vec::new(),
            averages: Vec::new(),
            trained_for,
            profile: None,
            expected: None,
        };
        model.validate()?;
        Ok(model)
    }

    fn validate(&self) -> Result<(), ModelError> {
        let count = self.candidates.len();
        if count == 0 || count > MAX_CANDIDATES {
            return Err(ModelError::new(
                ModelErrorKind::Candidates,
                format!("candidates: expected 1 to {MAX_CANDIDATES}, got {count}; name fewer"),
            ));
        }
        for (i, name) in self.candidates.iter().enumerate() {
            if !is_candidate_name(name) {
                return Err(ModelError::new(
                    ModelErrorKind::Candidates,
                    format!(
                        "candidates: expected names of letters, digits, '_' and '-', not one of {RESERVED:?}, got '{name}'; rename it"
                    ),
                ));
            }
            if self.candidates[..i].contains(name) {
                return Err(ModelError::new(
                    ModelErrorKind::Candidates,
                    format!("candidates: expected distinct names, got '{name}' twice; rename one"),
                ));
            }
        }
        if self.signals.len() > usize::from(u16::MAX) {
            return Err(ModelError::new(
                ModelErrorKind::Signals,
                format!("signals: expected at most 65535, got {}; name fewer", self.signals.len()),
            ));
        }
        if self.signals.iter().any(|s| matches!(s, Signal::Average(Mask::EMPTY, _))) {
            return Err(ModelError::new(
                ModelErrorKind::Signals,
                "signals: expected averages of at least one candidate, got one of none; name some",
            ));
        }
        let costs = &self.trained_for.costs_ns;
        if costs.len() != count
            || costs.iter().chain([&self.trained_for.features_ns]).any(|c| !(c.is_finite() && *c >= 0.0))
        {
            return Err(ModelError::new(
                ModelErrorKind::Costs,
                format!(
                    "trained_for.costs_ns: expected {count} finite numbers of at least 0, got {costs:?}; train it anew"
                ),
            ));
        }
        let reads_risk = self.signals.iter().any(|s| matches!(s, Signal::Candidate(_, crate::CandidateSignal::Risk)));
        if reads_risk || !self.risk.is_empty() {
            let right = self.risk.len() == count
                && self
                    .risk
                    .iter()
                    .all(|t| t.len() == self.classes as usize && t.iter().all(|r| (0.0..=1.0).contains(r)));
            if !right {
                return Err(ModelError::new(
                    ModelErrorKind::Risk,
                    format!(
                        "risk: expected {} numbers in 0..=1 for each of {count} candidates, got another table; train it anew",
                        self.classes
                    ),
                ));
            }
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn schema(&self) -> Schema<'_> {
        Schema {
            candidates: self.candidates.len().min(usize::from(u8::MAX)) as u8,
            classes: self.classes,
            needs: &self.needs,
            fallback: &self.fallback,
        }
    }

    /// The chosen program, which was checked when the premodel was made.
    #[inline]
    pub fn program(&self) -> Program<'_> {
        self.program_number(self.chosen)
    }

    /// The program of this number, for whoever walks one at every input.
    ///
    /// # Panics
    /// If there is no program of this number. [`Premodel::program_at`] asks.
    #[inline]
    pub fn program_number(&self, number: usize) -> Program<'_> {
        let Stored { nodes, pack, .. } = &self.programs[number];
        // The program was checked when it was put into the premodel, and nobody can have changed it since, as the fields are private. So it
        // is not checked again.
        Program::checked_before(nodes, self.schema(), pack.packed())
    }

    /// Names of the candidates, in the order of their ids.
    pub fn candidates(&self) -> &[String] {
        &self.candidates
    }

    /// Number of classes of the task, or 0 where it has none.
    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// The signals that tests can name, in the order of their ids.
    pub fn signals(&self) -> &[Signal] {
        &self.signals
    }

    /// The candidates that take over when another one fails, in this order: the most capable comes first.
    pub fn fallback(&self) -> &[CandidateId] {
        &self.fallback
    }

    /// For each class: how often the candidate is wrong when it answers with that class, 0..=1. `None` where the premodel has no such
    /// table.
    pub fn risk(&self, candidate: CandidateId) -> Option<&[f32]> {
        self.risk.get(candidate.index()).map(Vec::as_slice)
    }

    /// Whether a test of the chosen program reads an image feature.
    pub fn reads_features(&self) -> bool {
        self.reads_features_of(self.chosen)
    }

    pub(crate) fn reads_features_of(&self, number: usize) -> bool {
        let mut reads = self.program_number(number).reads();
        reads.any(|s| matches!(self.signals[s.index()], Signal::Feature(_)))
    }

    /// Cost in nanoseconds of the most expensive path of the chosen program, with the image features where the program reads one.
    pub fn worst_case_ns(&self) -> f64 {
        self.worst_case_ns_of(self.chosen)
    }

    pub(crate) fn worst_case_ns_of(&self, number: usize) -> f64 {
        let features = if self.reads_features_of(number) { self.trained_for.features_ns } else { 0.0 };
        features + self.program_number(number).worst_case(&self.trained_for.costs_ns)
    }

    /// The chosen program as an indented tree, one node a line. Where a part of three lines or more comes again, it is printed once with a
    /// label such as `[1]`, and then as `as [1]`.
    ///
    /// ```
    /// use trt_select_premodel::{CandidateId, Node, Premodel, Signal, SignalId, TrainedFor};
    ///
    /// let names = vec!["small".to_string(), "large".to_string()];
    /// let (small, large) = (CandidateId(0), CandidateId(1));
    /// let signals = vec![Signal::parse("feature.contrast", &names).unwrap()];
    /// let nodes = vec![
    ///     Node::test(SignalId(0), 20.0, 1, 3),
    ///     Node::run(small, 2),
    ///     Node::answer(small),
    ///     Node::run(large, 4),
    ///     Node::answer(large),
    /// ];
    /// let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
    /// let premodel = Premodel::new(names, 10, signals, nodes, vec![large, small], vec![], trained_for)?;
    /// let lines: Vec<String> = premodel.tree().lines().map(|line| line.trim().to_string()).collect();
    /// assert_eq!(
    ///     lines,
    ///     ["if feature.contrast <= 20", "then: run small", "answer small", "else: run large", "answer large"],
    /// );
    /// # Ok::<(), trt_select_premodel::ModelError>(())
    /// ```
    pub fn tree(&self) -> String {
        tree::tree(self.program().nodes(), &self.signals, &self.candidates)
    }

    /// The way from the chosen program's first node to `node`: the tests that were passed and the candidates that ran, in words. For the node of an answer
    /// this says why the program gives that answer.
    ///
    /// ```
    /// use trt_select_premodel::{CandidateId, Node, Premodel, Signal, SignalId, TrainedFor};
    ///
    /// let names = vec!["small".to_string(), "large".to_string()];
    /// let (small, large) = (CandidateId(0), CandidateId(1));
    /// let signals = vec![Signal::parse("small.margin", &names).unwrap()];
    /// let nodes = vec![
    ///     Node::run(small, 1),
    ///     Node::test(SignalId(0), 0.5, 2, 4),
    ///     Node::run(large, 3),
    ///     Node::answer(large),
    ///     Node::answer(small),
    /// ];
    /// let trained_for = TrainedFor::of_costs(vec![1e5, 9e5]);
    /// let premodel = Premodel::new(names, 10, signals, nodes, vec![large, small], vec![], trained_for)?;
    /// assert_eq!(premodel.why(4), "ran small, small.margin > 0.5");
    /// assert_eq!(premodel.why(3), "ran small, small.margin <= 0.5, ran large");
    /// # Ok::<(), trt_select_premodel::ModelError>(())
    /// ```
    pub fn why(&self, node: usize) -> String {
        tree::why(self.program().nodes(), node, &self.signals, &self.candidates)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::{CandidateSignal, SignalId};
    use alloc::vec;

    pub(crate) fn sample() -> Premodel {
        let (a, b) = (CandidateId(0), CandidateId(1));
        let signals = vec![
            Signal::Feature("contrast".into()),
            Signal::Candidate(a, CandidateSignal::Margin),
            Signal::User("speed".into()),
        ];
        let nodes = vec![
            Node::test(SignalId(2), 0.1, 1, 5),
            Node::run(a, 2),
            Node::test(SignalId(1), 1.0 / 3.0, 3, 7),
            Node::run(b, 4),
            Node::average(Mask(3)),
            Node::run(b, 6),
            Node::answer(b),
            Node::answer(a),
        ];
        let trained_for = TrainedFor {
            engine: "null".into(),
            device: "cpu".into(),
            precision: "fp32".into(),
            costs_ns: vec![1e3, 9e3],
            features_ns: 50.0,
        };
        Premodel::new(vec!["small".into(), "large".into()], 10, signals, nodes, vec![b, a], vec![], trained_for)
            .unwrap()
    }

    #[test]
    fn trees_and_reasons_read_well() {
        let model = sample();
        assert_eq!(
            model.tree(),
            "if signal.speed <= 0.1\n  then: run small\n  if small.margin <= 0.33333334\n    then: run large\n    answer the \
             average of small, large\n    else: answer small\n  else: run large\n  answer large\n"
        );
        assert_eq!(model.why(4), "signal.speed <= 0.1, ran small, small.margin <= 0.33333334, ran large");
        assert_eq!(model.worst_case_ns(), 10_000.0);
    }

    #[test]
    fn risk_tables_must_fit_the_classes() {
        let mut model = sample();
        model.risk = vec![vec![0.5; 10], vec![0.25; 9]];
        assert!(model.validate().unwrap_err().to_string().contains("risk"));
        model.risk[1].push(0.0);
        model.validate().unwrap();
        #[cfg(feature = "json")]
        assert_eq!(Premodel::from_json(&model.to_json()).unwrap(), model);
    }
}
