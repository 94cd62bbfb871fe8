//! What to train on.

use super::Profile;
use super::costs::Costs;
use super::error::{Message, TrainError, TrainErrorKind};

/// What to train on: the table that is learnt from, the table that judges what was learnt, and what candidates cost.
///
/// The two tables are the same one, but for training without labels ([`Profile::label_free`]), which is judged with them.
///
/// ```
/// use trt_select_train::{Profile, Settings, Task, Teacher, Unit, sweep};
///
/// let mut table = String::from("input,a.reward,a.cost_ns,a.answer,b.reward,b.cost_ns,b.answer\n");
/// for row in 0..40 {
///     table += &format!("r{row},{},1000,{},1,9000,7\n", u8::from(row % 4 > 0), if row % 4 > 0 { 7 } else { 3 });
/// }
/// let labelled = Profile::parse("p.csv", table.as_bytes())?;
/// let costs = labelled.median_costs(Unit::Time).expect("the table has costs");
/// let learnt = labelled.label_free(Teacher::Candidate(trt_select_premodel::CandidateId(1)), &costs)?;
/// let task = Task::new(&learnt, costs).judged_by(&labelled);
/// let front = sweep(&task, &Settings::new().steps(6), &|_, _| {}).expect("a table that fits");
/// assert_eq!(front.candidates()[front.best_single.index()], "b");
/// # Ok::<(), trt_select_train::ProfileError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Task<'a> {
    /// The table that is learnt from.
    pub profile: &'a Profile,
    /// The table whose rewards judge what was learnt: of the same inputs and candidates.
    pub truth: &'a Profile,
    /// What candidates and image features cost.
    pub costs: Costs,
}

impl<'a> Task<'a> {
    /// To learn from a table and be judged by it.
    pub fn new(profile: &'a Profile, costs: Costs) -> Task<'a> {
        Task { profile, truth: profile, costs }
    }

    /// The same task, judged by another table of the same inputs and candidates.
    #[must_use]
    pub fn judged_by(self, truth: &'a Profile) -> Task<'a> {
        Task { truth, ..self }
    }

    /// Number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.profile.rows()
    }

    /// Refuses tables that differ and costs that do not fit them.
    pub(crate) fn check(&self) -> Result<(), TrainError> {
        if self.profile.inputs != self.truth.inputs || self.profile.candidates != self.truth.candidates {
            let expected = "the inputs and candidates of the profile";
            let message = Message::new("judge", expected, "others", "give the same table");
            return Err(TrainError::new(TrainErrorKind::Tables, message));
        }
        let n = self.profile.candidates.len();
        let Costs { candidates, features, .. } = &self.costs;
        let is_cost = |cost: &f64| cost.is_finite() && *cost >= 0.0;
        if candidates.len() != n || !candidates.iter().all(is_cost) || !is_cost(features) {
            let expected = format!("{n} finite numbers of at least 0");
            let message = Message::new("costs", expected, format!("{candidates:?}"), "give one a candidate");
            return Err(TrainError::new(TrainErrorKind::Costs, message));
        }
        Ok(())
    }
}
