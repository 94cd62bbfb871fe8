//! How much rows count.

use super::error::{Message, ProfileError, ProfileErrorKind};

/// How much each row of a table counts: the column `weight`. Only ratios matter, so weights are seen divided by their mean: a row of
/// weight 2 counts as two rows of weight 1, and rows count 1 on average. Where all weights are equal, each is exactly 1, and results have
/// the bits that they have without weights.
///
/// ```
/// use trt_select_train::Weights;
///
/// let weights = Weights::new(vec![1.0, 3.0])?;
/// assert_eq!((weights.of(0), weights.of(1)), (0.5, 1.5));
/// assert_eq!(Weights::new(vec![0.1; 9])?.of(3), 1.0);
/// assert!(Weights::new(vec![1.0, 0.0]).is_err());
/// # Ok::<(), trt_select_train::ProfileError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    of_row: Vec<f32>,
    mean: f64,
}

impl Weights {
    /// Weights as the file has them, one a row.
    ///
    /// # Errors
    /// Of the kind [`ProfileErrorKind::Shape`] where one is not finite or not above 0.
    pub fn new(of_row: Vec<f32>) -> Result<Weights, ProfileError> {
        if let Some(odd) = of_row.iter().find(|weight| !(weight.is_finite() && **weight > 0.0)) {
            let message =
                Message::new("weights", "finite numbers above 0", odd, "leave rows out that are not to count");
            return Err(ProfileError::new(ProfileErrorKind::Shape, message));
        }
        Ok(Weights::checked(of_row))
    }

    pub(super) fn checked(of_row: Vec<f32>) -> Weights {
        // A sum of equal 32-bit floats is exact in 64 bits, so their mean is each of them to the bit.
        let mean = of_row.iter().map(|&weight| f64::from(weight)).sum::<f64>() / of_row.len() as f64;
        Weights { of_row, mean }
    }

    /// How much a row counts: its weight divided by the mean of all.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn of(&self, row: usize) -> f64 {
        f64::from(self.of_row[row]) / self.mean
    }

    /// The weights as they were given, one a row.
    pub fn as_given(&self) -> &[f32] {
        &self.of_row
    }

    /// How many rows of equal weight tell as much about a mean: (Σ w)² / Σ w² (Kish 1965). A few heavy rows tell less than many light
    /// ones.
    pub fn effective_rows(&self) -> f64 {
        let (sum, squares) = (0..self.of_row.len()).fold((0.0, 0.0), |(sum, squares), row| {
            let weight = self.of(row);
            (sum + weight, squares + weight * weight)
        });
        sum * sum / squares
    }

    /// How much a row counts in a table that has weights or none.
    pub(super) fn in_table(weights: Option<&Weights>, row: usize) -> f64 {
        weights.map_or(1.0, |weights| weights.of(row))
    }

    pub(super) fn with_rows(&self, rows: &[usize]) -> Weights {
        Weights::checked(rows.iter().map(|&row| self.of_row[row]).collect())
    }
}
