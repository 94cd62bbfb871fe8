//! A classification tree: CART by Gini impurity.

use super::classifier::{Classifier, majority};
use super::table::Scaled;

enum Branch {
    Leaf(usize),
    /// Feature, threshold, and the place of the branch for values above it; the other one comes next.
    Split(usize, f32, usize),
}

/// A fitted tree.
pub(super) struct Tree {
    branches: Vec<Branch>,
}

/// Sum over classes of count². The larger this is over the number of rows, summed over both sides, the purer a split is.
fn squares(counts: &[usize]) -> f64 {
    counts.iter().map(|&n| (n * n) as f64).sum()
}

impl Tree {
    /// Splits until a leaf is pure, no split lowers the impurity, or the depth is reached. Thresholds lie midway between
    /// two values that occur; of splits as good the first feature's lowest counts.
    pub(super) fn fit(x: &Scaled, y: &[usize], classes: usize, depth: usize) -> Tree {
        let mut tree = Tree { branches: Vec::new() };
        tree.grow(x, y, classes, depth, (0..x.rows()).collect());
        tree
    }

    fn grow(&mut self, x: &Scaled, y: &[usize], classes: usize, depth: usize, mut rows: Vec<usize>) {
        let mut counts = vec![0; classes];
        rows.iter().for_each(|&r| counts[y[r]] += 1);
        let n = rows.len();
        let mut best = (squares(&counts) / n as f64 * (1.0 + 1e-12), None);
        if depth > 0 && counts.iter().filter(|&&c| c > 0).count() > 1 {
            for feature in 0..x.width {
                let value = |r: usize| x.row(r)[feature];
                rows.sort_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
                let (mut below, mut above) = (vec![0_usize; classes], counts.clone());
                for (i, pair) in rows.windows(2).enumerate() {
                    below[y[pair[0]]] += 1;
                    above[y[pair[0]]] -= 1;
                    let (low, high) = (value(pair[0]), value(pair[1]));
                    if low < high {
                        let purity = squares(&below) / (i + 1) as f64 + squares(&above) / (n - i - 1) as f64;
                        if purity > best.0 {
                            let middle = low + (high - low) / 2.0;
                            // Of two neighbouring floats the middle is one of them: the lower one must go below.
                            best = (purity, Some((feature, if middle < high { middle } else { low })));
                        }
                    }
                }
            }
        }
        let Some((feature, threshold)) = best.1 else {
            return self.branches.push(Branch::Leaf(majority(&counts)));
        };
        let (low, high) = rows.into_iter().partition(|&r| x.row(r)[feature] <= threshold);
        let at = self.branches.len();
        self.branches.push(Branch::Split(feature, threshold, 0));
        self.grow(x, y, classes, depth - 1, low);
        self.branches[at] = Branch::Split(feature, threshold, self.branches.len());
        self.grow(x, y, classes, depth - 1, high);
    }
}

impl Classifier for Tree {
    fn predict(&self, x: &[f32]) -> usize {
        let mut at = 0;
        loop {
            match self.branches[at] {
                Branch::Leaf(class) => return class,
                Branch::Split(feature, threshold, above) => at = if x[feature] <= threshold { at + 1 } else { above },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_by_hand() {
        // Feature 1 parts the classes between 3 and 5; feature 0 says nothing.
        let x = Scaled { width: 2, values: vec![0.0, 1.0, 1.0, 3.0, 0.0, 5.0, 1.0, 7.0] };
        let tree = Tree::fit(&x, &[0, 0, 1, 1], 2, 16);
        assert_eq!(tree.branches.len(), 3);
        assert!(matches!(tree.branches[0], Branch::Split(1, 4.0, 2)));
        assert_eq!((tree.predict(&[0.5, 4.0]), tree.predict(&[0.5, 4.1])), (0, 1));
        // Depth 0 is the majority, of two as many the lower number.
        assert_eq!(Tree::fit(&x, &[1, 1, 1, 0], 2, 0).predict(&[0.0, 7.0]), 1);
        // An interval needs two splits: 0 | 1 1 | 0.
        let tree = Tree::fit(&x, &[0, 1, 1, 0], 2, 16);
        assert_eq!([1.0, 3.0, 5.0, 7.0].map(|v| tree.predict(&[0.5, v])), [0, 1, 1, 0]);
    }

    #[test]
    fn rows_that_are_alike_end_in_a_leaf() {
        let x = Scaled { width: 1, values: vec![1.0; 5] };
        assert_eq!(Tree::fit(&x, &[0, 1, 1, 1, 0], 2, 16).predict(&[1.0]), 1);
    }
}
