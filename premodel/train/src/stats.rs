//! Statistics: medians, percentiles, bootstrap intervals.

use trt_select_base::random::Rng;
use trt_select_premodel::Interval;

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

/// Resamples of a bootstrap.
const RESAMPLES: usize = 1000;

/// The interval that 95 % of the resampled values lie in.
fn interval(mean: f64, mut draws: Vec<f64>) -> Interval {
    draws.sort_by(f64::total_cmp);
    Interval { mean, low: percentile(&draws, 2.5), high: percentile(&draws, 97.5) }
}

/// Mean of values with its 95 % interval: percentile bootstrap, 1,000 resamples.
///
/// ```
/// let right = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
/// let share = trt_select_train::bootstrap_mean(&right, 1);
/// assert!(share.mean == 0.75 && share.low < 0.75 && share.high > 0.75);
/// ```
pub fn bootstrap_mean(values: &[f64], seed: u64) -> Interval {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let mut rng = Rng::new(seed);
    let draws = (0..RESAMPLES).map(|_| (0..n).map(|_| values[rng.below(n)]).sum::<f64>() / n as f64);
    interval(mean, draws.collect())
}

/// Ratio of two means over the same inputs, with its 95 % interval: inputs are resampled, so that each keeps both of its
/// values (paired bootstrap, 1,000 resamples). The slices have the same length.
pub fn bootstrap_ratio(numerator: &[f64], denominator: &[f64], seed: u64) -> Interval {
    let n = numerator.len().min(denominator.len());
    let mean = numerator[..n].iter().sum::<f64>() / denominator[..n].iter().sum::<f64>();
    let mut rng = Rng::new(seed);
    let draws = (0..RESAMPLES).map(|_| {
        let (mut above, mut below) = (0.0, 0.0);
        for _ in 0..n {
            let i = rng.below(n);
            above += numerator[i];
            below += denominator[i];
        }
        above / below
    });
    interval(mean, draws.collect())
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
    fn shuffles_keep_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Rng::new(5).shuffle(&mut items);
        assert!(items.windows(2).any(|w| w[0] > w[1]));
        items.sort_unstable();
        assert!(items.iter().copied().eq(0..100));
    }
}
