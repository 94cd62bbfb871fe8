//! Statistics: medians, percentiles, bootstrap intervals.

use trt_select_base::random::Rng;
use trt_select_premodel::Interval;

use super::weights::Weights;

/// Percentile `p` (0..=100) of ascending values, by trtexec's rule: `sorted[max(n − 1 − ⌊(1 − p/100)·n⌋, 0)]`.
/// NaN where there is no value.
///
/// ```
/// assert_eq!(trt_select_train::percentile(&[1.0, 2.0, 3.0, 4.0], 75.0), 3.0);
/// ```
pub fn percentile(sorted: &[f64], p: f64) -> f64 {
    let n = sorted.len();
    if n == 0 {
        return f64::NAN;
    }
    // A little is added against rounding: 10 % of 100 values are 10, and not 9.
    let excluded = ((100.0 - p) * n as f64 / 100.0 + 1e-9) as usize;
    sorted[(n - 1).saturating_sub(excluded)]
}

/// The middle value, or the mean of the two middle ones; 0 where there is none.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    if n == 0 { 0.0 } else { (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0 }
}

/// The mean of values, one a row, counted by weights.
pub(super) fn mean(values: impl IntoIterator<Item = f64>, weights: Option<&Weights>) -> f64 {
    let (mut sum, mut counted) = (0.0, 0.0);
    for (row, value) in values.into_iter().enumerate() {
        let weight = Weights::in_table(weights, row);
        sum += weight * value;
        counted += weight;
    }
    sum / counted
}

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;

/// Intervals from a bootstrap over rows: rows are drawn with replacement 1,000 times, and 95 % of the results lie in the interval
/// (percentile bootstrap). A row keeps its weight and all its values (paired bootstrap).
///
/// Where all values are the same, every resample is the same, and five right answers of five would promise that all others are
/// right, too. So [`Bootstrap::within`] says between which values others may lie, and then the share of other values among all inputs is
/// taken to be at most 1 − 0.05^(1/n): with a larger share, n rows without any would be a chance of less than 5 % (for many rows this
/// is 3 / n, the *rule of three*).
///
/// ```
/// use trt_select_train::Bootstrap;
///
/// let share = Bootstrap::new(1).within(0.0, 1.0).mean(&[1.0; 5]);
/// assert_eq!((share.mean, share.high), (1.0, 1.0));
/// assert!((share.low - 0.549).abs() < 1e-3, "five right answers of five: 54.9 % to 100 %");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap<'a> {
    seed: u64,
    weights: Option<&'a Weights>,
    bounds: Option<(f64, f64)>,
}

impl<'a> Bootstrap<'a> {
    /// One whose rows count alike, of values without bounds. The same seed gives the same interval.
    pub fn new(seed: u64) -> Bootstrap<'a> {
        Bootstrap { seed, weights: None, bounds: None }
    }

    /// Counts rows by these weights, where there are any.
    #[must_use]
    pub fn weighted(self, weights: Option<&'a Weights>) -> Bootstrap<'a> {
        Bootstrap { weights, ..self }
    }

    /// All values lie between these, whether seen or not: rewards between 0 and 1, differences of two rewards between −1 and 1.
    #[must_use]
    pub fn within(self, low: f64, high: f64) -> Bootstrap<'a> {
        Bootstrap { bounds: Some((low, high)), ..self }
    }

    /// Mean of values, one a row, with its 95 % interval.
    ///
    /// # Panics
    /// If there are weights, and not as many as values.
    pub fn mean(&self, values: &[f64]) -> Interval {
        self.check(values.len());
        let all = mean(values.iter().copied(), self.weights);
        if let (Some(bounds), Some(first)) = (self.bounds, values.first())
            && values.iter().all(|value| value == first)
        {
            let rows = self.weights.map_or(values.len() as f64, Weights::effective_rows);
            return of_equal(*first, rows, bounds);
        }
        let mut rng = Rng::new(self.seed);
        interval(all, (0..RESAMPLES).map(|_| self.resampled(values.len(), &mut rng, |row| values[row])).collect())
    }

    /// Ratio of two means over the same rows, with its 95 % interval. The slices have the same length.
    ///
    /// # Panics
    /// If there are weights, and not as many as values.
    pub fn ratio(&self, numerator: &[f64], denominator: &[f64]) -> Interval {
        let n = numerator.len().min(denominator.len());
        self.check(n);
        let weight = |row: usize| Weights::in_table(self.weights, row);
        let sum = |values: &[f64]| (0..n).map(|row| weight(row) * values[row]).sum::<f64>();
        let all = sum(numerator) / sum(denominator);
        let mut rng = Rng::new(self.seed);
        let draws = (0..RESAMPLES).map(|_| {
            let (mut above, mut below) = (0.0, 0.0);
            for _ in 0..n {
                let row = rng.below(n);
                above += weight(row) * numerator[row];
                below += weight(row) * denominator[row];
            }
            above / below
        });
        interval(all, draws.collect())
    }

    /// The mean over as many rows as there are, drawn with replacement.
    fn resampled(&self, n: usize, rng: &mut Rng, value: impl Fn(usize) -> f64) -> f64 {
        let Some(weights) = self.weights else {
            return (0..n).map(|_| value(rng.below(n))).sum::<f64>() / n as f64;
        };
        let (mut sum, mut counted) = (0.0, 0.0);
        for _ in 0..n {
            let row = rng.below(n);
            sum += weights.of(row) * value(row);
            counted += weights.of(row);
        }
        sum / counted
    }

    fn check(&self, values: usize) {
        assert!(self.weights.is_none_or(|weights| weights.as_given().len() == values), "one weight a value");
    }
}

/// The interval that 95 % of the resampled values lie in.
fn interval(mean: f64, mut draws: Vec<f64>) -> Interval {
    draws.sort_by(f64::total_cmp);
    Interval { mean, low: percentile(&draws, 2.5), high: percentile(&draws, 97.5) }
}

/// The interval of a mean where all of `rows` values are the same, and others may lie between `low` and `high`: see [`Bootstrap`].
pub(super) fn of_equal(value: f64, rows: f64, (low, high): (f64, f64)) -> Interval {
    let share = 1.0 - 0.05_f64.powf(1.0 / rows);
    Interval { mean: value, low: value - share * (value - low).max(0.0), high: value + share * (high - value).max(0.0) }
}

/// Mean of values without bounds, with its 95 % interval: [`Bootstrap::mean`] of rows that count alike.
///
/// ```
/// let right = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
/// let share = trt_select_train::bootstrap_mean(&right, 1);
/// assert!(share.mean == 0.75 && share.low < 0.75 && share.high > 0.75);
/// ```
pub fn bootstrap_mean(values: &[f64], seed: u64) -> Interval {
    Bootstrap::new(seed).mean(values)
}

/// Ratio of two means over the same inputs, with its 95 % interval: [`Bootstrap::ratio`] of rows that count alike.
pub fn bootstrap_ratio(numerator: &[f64], denominator: &[f64], seed: u64) -> Interval {
    Bootstrap::new(seed).ratio(numerator, denominator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_follow_trtexec() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&sorted, 90.0), 90.0);
        assert_eq!(percentile(&sorted, 99.0), 99.0);
        assert_eq!(percentile(&sorted, 100.0), 100.0);
        assert_eq!(percentile(&[7.0], 1.0), 7.0);
        assert!(percentile(&[], 50.0).is_nan());
    }

    #[test]
    fn intervals_hold_the_mean_and_shrink() {
        let mut rng = Rng::new(1);
        let many: Vec<f64> = (0..4000).map(|_| rng.unit()).collect();
        let (few, all) = (bootstrap_mean(&many[..100], 2), bootstrap_mean(&many, 2));
        assert!(few.low < few.mean && few.mean < few.high);
        // The standard error of a uniform mean is √(1/12n): the interval is 2 · 1.96 of it wide.
        let expected = 2.0 * 1.96 * (1.0_f64 / 12.0 / 4000.0).sqrt();
        assert!(((all.high - all.low) / expected - 1.0).abs() < 0.15, "{all:?}");
        assert!(few.high - few.low > 3.0 * (all.high - all.low));
        let twice: Vec<f64> = many.iter().map(|x| 2.0 * x).collect();
        let ratio = bootstrap_ratio(&twice, &many, 3);
        assert!((ratio.low - 2.0).abs() < 1e-12 && (ratio.high - 2.0).abs() < 1e-12, "pairs stay together");
    }

    #[test]
    fn equal_values_promise_no_certainty() {
        // With the share of other values at its bound, n rows without any have a chance of 5 %.
        for n in [1, 5, 60, 3000] {
            let all = Bootstrap::new(1).within(0.0, 1.0).mean(&vec![1.0; n]);
            assert!((all.low.powi(n as i32) - 0.05).abs() < 1e-9 && all.high == 1.0, "{n}: {all:?}");
            let none = Bootstrap::new(1).within(-1.0, 1.0).mean(&vec![0.0; n]);
            assert!(none.low == -none.high && (none.high - (1.0 - all.low)).abs() < 1e-12, "{n}: {none:?}");
        }
        assert!(
            (1.0 - Bootstrap::new(1).within(0.0, 1.0).mean(&[1.0; 3000]).low - 3.0 / 3000.0).abs() < 1e-5,
            "rule of three"
        );
        // Ten rows that hold nearly all weight tell as little as ten rows.
        let weights = Weights::checked((0..1000).map(|row| if row < 10 { 1e6 } else { 1.0 }).collect());
        let heavy = Bootstrap::new(1).weighted(Some(&weights)).within(0.0, 1.0).mean(&[1.0; 1000]);
        assert!((heavy.low - 0.05_f64.powf(0.1)).abs() < 1e-3, "{heavy:?}");
        // What cannot be otherwise is not widened, and neither is what was seen to differ.
        assert_eq!(bootstrap_mean(&[7.0; 5], 1), Interval { mean: 7.0, low: 7.0, high: 7.0 });
        let mixed = [1.0, 0.0, 1.0, 1.0];
        assert_eq!(Bootstrap::new(4).within(0.0, 1.0).mean(&mixed), bootstrap_mean(&mixed, 4));
    }

    #[test]
    fn shuffles_keep_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::new(5).shuffle(&mut items);
        assert!(items.windows(2).any(|w| w[0] > w[1]));
        items.sort_unstable();
        assert!(items.iter().copied().eq(0..100));
    }
}
