//! What all classifiers share.

/// A fitted classifier. Classes are numbers from 0.
pub(super) trait Classifier: Send + Sync {
    /// The class of one row of features.
    fn predict(&self, x: &[f32]) -> usize;
}

/// The class of most votes; of two with as many, the lower number.
pub(super) fn majority(votes: &[usize]) -> usize {
    let most = votes.iter().copied().max().unwrap_or(0);
    votes.iter().position(|&v| v == most).unwrap_or(0)
}
