//! Signals as bin numbers: what the search reads.

use trt_select_premodel::Mask;

/// Bins per column: three to each threshold that cascades try.
pub(super) const BINS: usize = 75;

/// What kind of signal a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalClass {
    /// How sure a candidate or an average is of its own answer. The search takes any gain by it for real.
    Confidence,
    /// Any other signal that costs nothing to read. Its gain must be significant, as that of a feature.
    Other,
    /// An image feature: the first one that is read costs the time of all.
    Feature,
}

/// Which way a signal says that what has run is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The larger, the surer: a probability, a margin, an agreement.
    Rising,
    /// The smaller, the surer: an entropy, a risk.
    Falling,
    /// Nobody knows beforehand: an image feature, a signal of the user's own.
    Free,
}

/// A signal's values as bin numbers: `codes[row] <= b` exactly where `value <= cuts[b]`.
#[derive(Clone, Debug)]
pub(super) struct Binned {
    /// The candidates that must have run before the signal exists.
    pub(super) needs: Mask,
    pub(super) class: SignalClass,
    pub(super) direction: Direction,
    pub(super) codes: Vec<u8>,
    pub(super) cuts: Vec<f32>,
}

impl Binned {
    /// At most `most` bins (and never more than 256) with about as many values each. Where there are no more distinct values than
    /// that, each gets a bin.
    pub(super) fn new(values: &[f32], needs: Mask, kind: (SignalClass, Direction), most: usize) -> Binned {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f32::total_cmp);
        let mut ends = Vec::new();
        let mut distinct = sorted.clone();
        distinct.dedup();
        if distinct.len() <= most {
            ends.extend_from_slice(&distinct);
        } else {
            for b in 1..=most {
                ends.push(sorted[b * sorted.len() / most - 1]);
            }
            ends.dedup();
        }
        let cuts = ends.windows(2).map(|w| {
            // The next larger value in the column: the cut lies between two values that occur.
            let next = distinct[distinct.partition_point(|&v| v <= w[0])];
            let middle = ((f64::from(w[0]) + f64::from(next)) / 2.0) as f32;
            if middle < next { middle } else { w[0] }
        });
        let cuts: Vec<f32> = cuts.collect();
        let codes = values.iter().map(|&v| cuts.partition_point(|&c| c < v) as u8).collect();
        let (class, direction) = kind;
        Binned { needs, class, direction, codes, cuts }
    }

    /// Number of bins.
    pub(super) fn bins(&self) -> usize {
        self.cuts.len() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn cuts_part_values_as_codes_do() {
        let mut rng = Rng::new(3);
        for distinct in [1_u64, 2, 5, 63, 64, 65, 128, 1000, 1 << 40] {
            let values: Vec<f32> = (0..3000).map(|_| (rng.next_u64() % distinct) as f32 * 1.37e-9).collect();
            let binned = Binned::new(&values, Mask::EMPTY, (SignalClass::Other, Direction::Free), BINS);
            assert!(binned.cuts.len() < BINS && binned.cuts.windows(2).all(|w| w[0] < w[1]));
            for (value, &code) in values.iter().zip(&binned.codes) {
                for (b, cut) in binned.cuts.iter().enumerate() {
                    assert_eq!(usize::from(code) <= b, value <= cut, "{distinct} distinct values");
                }
            }
        }
    }

    #[test]
    fn a_column_of_one_value_has_one_bin() {
        let kind = (SignalClass::Other, Direction::Free);
        let binned = Binned::new(&[0.5; 10], Mask::EMPTY, kind, BINS);
        assert_eq!((binned.bins(), binned.codes[3]), (1, 0));
    }
}
