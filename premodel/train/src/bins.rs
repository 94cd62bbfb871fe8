//! Signals as bin numbers: what the search reads.

use trt_select_premodel::Mask;

/// Bins per column.
pub(super) const BINS: usize = 3 * GROUPS;

/// At most so many groups of neighbouring bins, each with about as many rows.
pub(super) const GROUPS: usize = 25;

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
    /// By bin: its group, ascending from 0. See [`GROUPS`].
    pub(super) groups: Vec<u8>,
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
        let codes: Vec<u8> = values.iter().map(|&v| cuts.partition_point(|&c| c < v) as u8).collect();
        let groups = grouped(&codes, cuts.len() + 1);
        let (class, direction) = kind;
        Binned { needs, class, direction, codes, cuts, groups }
    }

    /// Number of bins.
    pub(super) fn bins(&self) -> usize {
        self.cuts.len() + 1
    }
}

/// By bin: its group. A group ends with the bin in which the next of [`GROUPS`] equal shares of the rows comes to its end, give or take half a
/// bin of [`BINS`], so that a value that many rows have ends its group.
fn grouped(codes: &[u8], bins: usize) -> Vec<u8> {
    let mut rows = vec![0; bins];
    codes.iter().for_each(|&code| rows[usize::from(code)] += 1);
    let half_a_bin = codes.len() / (2 * BINS);
    let (mut passed, mut ended, mut group) = (0, 0, 0);
    let of_bin = |rows: usize| {
        let here = group;
        passed += rows;
        let shares = (passed + half_a_bin) * GROUPS / codes.len().max(1);
        if shares > ended {
            (ended, group) = (shares, group + 1);
        }
        here
    };
    rows.into_iter().map(of_bin).collect()
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
    fn groups_hold_about_as_many_rows() {
        let kind = (SignalClass::Confidence, Direction::Rising);
        let binned = |values: &[f32]| Binned::new(values, Mask::EMPTY, kind, BINS);
        for rows in [75, 150, 2285, 8000, 10_000] {
            let all = binned(&(0..rows).map(|row| row as f32).collect::<Vec<_>>());
            assert_eq!(all.groups, (0..BINS).map(|bin| (bin / 3) as u8).collect::<Vec<_>>(), "{rows} rows");
        }
        // Seven in ten rows have one of the two highest values of forty: each of these ends its group.
        let mut rng = Rng::new(9);
        let mut value = |_| if rng.unit() < 0.7 { 38 + rng.below(2) } else { rng.below(38) } as f32;
        let few = binned(&(0..3000).map(&mut value).collect::<Vec<_>>());
        assert_eq!(few.bins(), 40);
        assert!(few.groups[38] < few.groups[39] && few.groups.is_sorted() && few.groups[39] < 25, "{:?}", few.groups);
        let rows_of = |group: u8| few.codes.iter().filter(|&&code| few.groups[usize::from(code)] == group).count();
        // No other group has much more than a twenty-fifth of the rows, and the bin that ends it.
        assert!((0..few.groups[38]).all(|group| rows_of(group) <= 120 + 40), "{:?}", few.groups);
    }

    #[test]
    fn a_column_of_one_value_has_one_bin() {
        let kind = (SignalClass::Other, Direction::Free);
        let binned = Binned::new(&[0.5; 10], Mask::EMPTY, kind, BINS);
        assert_eq!((binned.bins(), binned.codes[3]), (1, 0));
    }
}
