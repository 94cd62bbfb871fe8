//! Training without labels: a teacher's answers stand for the truth.

use trt_select_premodel::{CandidateId, Mask};

use super::Profile;
use super::costs::Costs;
use super::error::{Message, ProfileError, ProfileErrorKind};
use super::mixer::{Member, Mixer};

/// Whose answers stand for the truth where there are no labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Teacher {
    /// One candidate's answers.
    Candidate(CandidateId),
    /// The answers of the average of all candidates, which needs the table of the most probable classes.
    Average,
}

impl Profile {
    /// The table as if a teacher's answers were the truth: an answer is worth 1 where it agrees with the teacher's, else 0.
    /// In the average, each candidate weighs as much as it costs: who pays more for a candidate does so because it knows more.
    ///
    /// # Errors
    /// Where the table has no answers, or no most probable classes for an average.
    ///
    /// # Panics
    /// If there are fewer costs than candidates.
    pub fn label_free(&self, teacher: Teacher, costs: &Costs) -> Result<Profile, ProfileError> {
        if self.answers.is_empty() {
            return Err(missing("columns CANDIDATE.answer"));
        }
        let truth: Vec<u32> = match teacher {
            Teacher::Candidate(c) => self.answers[c.index()].clone(),
            Teacher::Average => {
                let topk = self.topk.as_ref().ok_or_else(|| missing("a side file of the most probable classes"))?;
                let members = members_by_cost(self.candidates.len(), costs);
                let temperatures = vec![1.0; members.len()];
                let mut mixer = Mixer::new(topk, &temperatures);
                let mut class = |row: usize| {
                    mixer.begin(row);
                    mixer.top(&members).class
                };
                (0..self.rows()).map(&mut class).collect()
            }
        };
        let agreement = |answers: &Vec<u32>| -> Vec<f32> {
            answers.iter().zip(&truth).map(|(answer, truth)| f32::from(u8::from(answer == truth))).collect()
        };
        Ok(Profile {
            rewards: self.answers.iter().map(agreement).collect(),
            labels: truth.iter().map(|&t| Some(t)).collect(),
            is_label_free: true,
            ..self.clone()
        })
    }
}

fn members_by_cost(candidates: usize, costs: &Costs) -> Vec<Member> {
    let all = (0..candidates).fold(Mask::EMPTY, |all, c| all.with(CandidateId(c as u8)));
    let weights = weights_by_cost(all, &costs.candidates);
    all.iter().zip(weights).map(|(candidate, weight)| Member { candidate, weight: weight as f32 }).collect()
}

/// What each candidate of a set weighs where it weighs as much as it costs, in the order of ids; the same for all where nothing costs anything.
///
/// The averages of programs that are trained without labels weigh so, too: weights that are fitted to a teacher's answers together with a sharpness
/// imitate the teacher, and answered worse on the photos of the record of 2026-11-28. Fitted by likelihood alone they were worse on drawn tables.
pub(super) fn weights_by_cost(set: Mask, costs: &[f64]) -> Vec<f64> {
    let sum: f64 = set.iter().map(|c| costs[c.index()]).sum();
    let weight = |c: CandidateId| if sum > 0.0 { costs[c.index()] / sum } else { 1.0 / f64::from(set.len()) };
    set.iter().map(weight).collect()
}

fn missing(what: &str) -> ProfileError {
    let message = Message::new("profile without labels", what, "none", "add what is missing to the profile");
    ProfileError::new(ProfileErrorKind::NotMeasured, message)
}
