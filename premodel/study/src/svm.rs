//! Support vector machines with a radial kernel, by sequential minimal optimisation.
//!
//! The pair to work on is chosen by second-order information (Fan, Chen, Lin, *Working Set Selection Using Second Order
//! Information*, JMLR 2005), as in LIBSVM; there is no shrinking.
//!
//! ```text
//! minimise ½ αᵀQα − Σα   with 0 ≤ α ≤ C, Σ yα = 0, Q = y yᵀ K
//! until the largest violation of the optimum's conditions is below 0.001:
//!     i = the largest −yG among those whose α may grow in direction y
//!     j = the one that lowers the objective most together with i
//!     move along (i, j), clip to the box, update the gradient G
//! ```

use trt_select_train::Rng;

use super::classifier::{Classifier, majority};
use super::table::Scaled;

/// Width of the kernel: exp(−GAMMA · distance²).
const GAMMA: f64 = 0.001;
/// Largest weight of a row.
const C: f64 = 1.0;
/// The search ends where no pair violates the conditions of the optimum by more than this.
const TOLERANCE: f64 = 1e-3;
/// How many rows a machine is fitted on at most: time grows with their square. Of larger tables a random sample is taken, by the seed.
pub(super) const MAX_ROWS: usize = 10_000;

/// One machine for each pair of classes. Each votes for one of its two classes, and the class of most votes wins.
pub(super) struct Machines {
    classes: usize,
    pairs: Vec<Pair>,
}

/// Tells two classes apart; a positive value stands for `high`.
struct Pair {
    low: usize,
    high: usize,
    machine: Machine,
}

struct Machine {
    vectors: Scaled,
    weights: Vec<f64>,
    bias: f64,
}

fn kernel(a: &[f32], b: &[f32]) -> f64 {
    let squared: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (-GAMMA * f64::from(squared)).exp()
}

impl Machines {
    pub(super) fn fit(x: &Scaled, y: &[usize], classes: usize, seed: u64) -> Machines {
        let mut rows: Vec<usize> = (0..x.rows()).collect();
        if rows.len() > MAX_ROWS {
            Rng::new(seed ^ 0x5633).shuffle(&mut rows);
            rows.truncate(MAX_ROWS);
            rows.sort_unstable();
        }
        let mut pairs = Vec::new();
        for high in 1..classes {
            for low in 0..high {
                let of_two: Vec<usize> = rows.iter().copied().filter(|&r| y[r] == low || y[r] == high).collect();
                let occurs = |class| of_two.iter().any(|&r| y[r] == class);
                if occurs(low) && occurs(high) {
                    let signs: Vec<f64> = of_two.iter().map(|&r| if y[r] == high { 1.0 } else { -1.0 }).collect();
                    pairs.push(Pair { low, high, machine: Machine::fit(&x.pick(&of_two), &signs) });
                } else if occurs(low) != occurs(high) {
                    // A class that does not occur never wins.
                    let bias = if occurs(high) { 1.0 } else { -1.0 };
                    let vectors = Scaled { width: x.width, values: Vec::new() };
                    let machine = Machine { vectors, weights: Vec::new(), bias };
                    pairs.push(Pair { low, high, machine });
                }
            }
        }
        Machines { classes, pairs }
    }
}

impl Machine {
    fn fit(x: &Scaled, y: &[f64]) -> Machine {
        let n = y.len();
        let (mut alpha, mut gradient) = (vec![0.0; n], vec![-1.0; n]);
        let row = |i: usize| (0..n).map(|t| kernel(x.row(i), x.row(t))).collect::<Vec<f64>>();
        // α may grow in direction y, or against it.
        let up = |t: usize, alpha: &[f64]| if y[t] > 0.0 { alpha[t] < C } else { alpha[t] > 0.0 };
        let down = |t: usize, alpha: &[f64]| if y[t] > 0.0 { alpha[t] > 0.0 } else { alpha[t] < C };
        for _ in 0..100 * n.max(1000) {
            let mut largest = (f64::NEG_INFINITY, usize::MAX);
            for t in 0..n {
                if up(t, &alpha) && -y[t] * gradient[t] > largest.0 {
                    largest = (-y[t] * gradient[t], t);
                }
            }
            let i = largest.1;
            if i == usize::MAX {
                break;
            }
            let k_i = row(i);
            let (mut least, mut best) = (f64::INFINITY, (0.0, usize::MAX));
            for t in 0..n {
                if down(t, &alpha) {
                    let value = -y[t] * gradient[t];
                    least = least.min(value);
                    let gap = largest.0 - value;
                    if gap > 0.0 {
                        // K(t, t) is 1 for this kernel.
                        let gain = -gap * gap / (2.0 - 2.0 * k_i[t]).max(1e-12);
                        if gain < best.0 {
                            best = (gain, t);
                        }
                    }
                }
            }
            let j = best.1;
            if j == usize::MAX || largest.0 - least < TOLERANCE {
                break;
            }
            let k_j = row(j);
            let curvature = (2.0 - 2.0 * k_i[j]).max(1e-12);
            // y_i α_i grows by the step and y_j α_j falls by it; the box clips it.
            let mut step = (largest.0 + y[j] * gradient[j]) / curvature;
            step = step.min(if y[i] > 0.0 { C - alpha[i] } else { alpha[i] });
            step = step.min(if y[j] > 0.0 { alpha[j] } else { C - alpha[j] });
            alpha[i] = (alpha[i] + y[i] * step).clamp(0.0, C);
            alpha[j] = (alpha[j] - y[j] * step).clamp(0.0, C);
            for t in 0..n {
                gradient[t] += y[t] * step * (k_i[t] - k_j[t]);
            }
        }
        // The bias is that of the rows inside the box, else midway between the bounds.
        let (mut sum, mut inside, mut high, mut low) = (0.0, 0, f64::INFINITY, f64::NEG_INFINITY);
        for t in 0..n {
            let value = y[t] * gradient[t];
            if alpha[t] > 0.0 && alpha[t] < C {
                sum += value;
                inside += 1;
            }
            if up(t, &alpha) {
                high = high.min(value);
            }
            if down(t, &alpha) {
                low = low.max(value);
            }
        }
        let rho = if inside > 0 { sum / f64::from(inside) } else { (high + low) / 2.0 };
        let kept: Vec<usize> = (0..n).filter(|&t| alpha[t] > 0.0).collect();
        let weights = kept.iter().map(|&t| alpha[t] * y[t]).collect();
        Machine { vectors: x.pick(&kept), weights, bias: -rho }
    }

    fn value(&self, x: &[f32]) -> f64 {
        let terms = self.weights.iter().enumerate().map(|(i, w)| w * kernel(self.vectors.row(i), x));
        terms.sum::<f64>() + self.bias
    }
}

impl Classifier for Machines {
    fn predict(&self, x: &[f32]) -> usize {
        let mut votes = vec![0; self.classes];
        for Pair { low, high, machine } in &self.pairs {
            votes[if machine.value(x) > 0.0 { *high } else { *low }] += 1;
        }
        majority(&votes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_rows_by_hand() {
        // Rows at 0 and 20: K = exp(−0.4) = 0.67032. By symmetry both weights are min(C, 1 / (1 − K)) = 1, the bias 0.
        let x = Scaled { width: 1, values: vec![0.0, 20.0] };
        let machine = Machine::fit(&x, &[-1.0, 1.0]);
        assert_eq!(machine.weights, [-1.0, 1.0]);
        assert!(machine.bias.abs() < 1e-9);
        let at_20 = 1.0 - (-0.4_f64).exp();
        assert!((machine.value(&[20.0]) - at_20).abs() < 1e-6 && machine.value(&[10.0]).abs() < 1e-9);
        // Rows at 0 and 60: 1 / (1 − exp(−3.6)) is 1.0281, still clipped to 1.
        let machine = Machine::fit(&Scaled { width: 1, values: vec![0.0, 60.0] }, &[1.0, -1.0]);
        assert_eq!(machine.weights, [1.0, -1.0]);
    }

    #[test]
    fn the_optimum_s_conditions_hold() {
        // 60 rows whose classes overlap: where α is inside the box the margin is 1, at 0 at least 1, at C at most 1.
        let mut rng = Rng::new(9);
        let (mut values, mut y) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            let class = rng.below(2) as f64;
            values.push((40.0 * rng.unit() + 25.0 * class) as f32);
            y.push(2.0 * class - 1.0);
        }
        let x = Scaled { width: 1, values };
        let machine = Machine::fit(&x, &y);
        assert!(machine.weights.iter().sum::<f64>().abs() < 1e-9, "Σ yα = 0");
        for (t, sign) in y.iter().enumerate() {
            let kept = (0..machine.weights.len()).find(|&k| machine.vectors.row(k) == x.row(t));
            let (margin, alpha) = (sign * machine.value(x.row(t)), kept.map_or(0.0, |k| machine.weights[k].abs()));
            let fits = match alpha {
                0.0 => margin > 1.0 - 2e-3,
                a if a >= C => margin < 1.0 + 2e-3,
                _ => (margin - 1.0).abs() < 2e-3,
            };
            assert!(fits, "row {t}: margin {margin}, alpha {alpha}");
        }
    }

    #[test]
    fn three_classes_vote() {
        let x = Scaled { width: 1, values: vec![0.0, 1.0, 50.0, 51.0, 100.0, 101.0] };
        let machines = Machines::fit(&x, &[0, 0, 1, 1, 2, 2], 3, 0);
        assert_eq!([0.5, 50.5, 100.5].map(|v| machines.predict(&[v])), [0, 1, 2]);
        // Class 1 does not occur.
        let machines = Machines::fit(&x, &[0, 0, 0, 2, 2, 2], 3, 0);
        assert_eq!([0.5, 100.5].map(|v| machines.predict(&[v])), [0, 2]);
    }
}
