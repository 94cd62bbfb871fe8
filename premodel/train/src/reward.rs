//! What an answer is worth that is not any candidate's own.

use trt_select_premodel::CandidateId;

use super::Profile;

/// What answering with a class is worth on a row: see the function `judge`. The candidates of `first` are asked before all others.
pub(super) fn reward_of(profile: &Profile, row: usize, class: u32, first: impl Iterator<Item = CandidateId>) -> f32 {
    // Without a column of answers, the most probable class is the answer.
    let answered = |c: usize| match profile.answers.get(c) {
        Some(answers) => answers[row] == class,
        None => profile.topk.as_ref().is_some_and(|table| table.holds(CandidateId(c as u8), row, class, 1)),
    };
    let all = 0..profile.candidates.len();
    match first.map(CandidateId::index).chain(all).find(|&c| answered(c)) {
        Some(c) => profile.rewards[c][row],
        None => f32::from(u8::from(profile.labels[row] == Some(class))),
    }
}
