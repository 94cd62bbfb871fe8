//! What choosing costs: the time of a decision, and that of training. These are measured, so they differ from study to study.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::chain::{Part, STAGES, class_numbers, stage_rows};
use super::classify::{ClassifierKind, fit};
use super::table::{BaselineTable, Fold, Scaled};

/// Time of one selector.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Overhead {
    /// The selector.
    pub selector: String,
    /// Mean time of the decisions for one input in nanoseconds, on one core, image features not included; `None`
    /// where it was not measured.
    pub decision_ns: Option<f64>,
    /// Time of training on all rows in seconds, threshold search and choice of the price included.
    pub training_s: f64,
}

/// Mean time of a call in nanoseconds: the least of five rounds over the arguments, each of at least ten milliseconds.
pub(super) fn ns_per_call<T, R>(arguments: &[T], call: impl Fn(&T) -> R) -> f64 {
    let round = || {
        let (start, mut calls) = (Instant::now(), 0_u64);
        loop {
            for argument in arguments {
                black_box(call(black_box(argument)));
                calls += 1;
                // A round over many arguments of a slow call must not take minutes, so the clock is read within a round too.
                if calls % 64 == 0 && start.elapsed() > Duration::from_millis(500) {
                    break;
                }
            }
            if start.elapsed() > Duration::from_millis(10) {
                return start.elapsed().as_nanos() as f64 / calls as f64;
            }
        }
    };
    if arguments.is_empty() { f64::NAN } else { (0..5).map(|_| round()).fold(f64::INFINITY, f64::min) }
}

/// The times of a single classifier of one kind, and before it those of a chain of that kind if there are such chains. All are fitted
/// on all rows. The time to scale the features (one product for each) is not counted.
pub(super) fn of_kind(
    table: &BaselineTable,
    features: &[usize],
    set: &[usize],
    kind: ClassifierKind,
    seed: u64,
) -> Vec<Overhead> {
    let part = Part { fold: Fold { train: table.all_rows(), test: Vec::new() }, set: set.to_vec() };
    let x = Scaled::new(table, features, &part.fold.train, &part.fold.train);
    let rows: Vec<Vec<f32>> = (0..table.rows.min(1000)).map(|r| x.row(r).to_vec()).collect();
    let mut overheads = Vec::new();

    if STAGES.contains(&kind) {
        let start = Instant::now();
        let stages: Vec<_> = stage_rows(table, set, &part.fold.train)
            .iter()
            .map(|stage| fit(kind, &x.pick(&stage.rows), &stage.is_own, 2, seed))
            .collect();
        let training_s = start.elapsed().as_secs_f64();
        let decision_ns = Some(ns_per_call(&rows, |row| stages.iter().position(|s| s.predict(row) == 1)));
        let dots = vec![kind.name(); set.len()].join(".");
        overheads.push(Overhead { selector: format!("chain {dots}"), decision_ns, training_s });
    }

    let start = Instant::now();
    let alone = fit(kind, &x, &class_numbers(table, &part), set.len() + 1, seed);
    let training_s = start.elapsed().as_secs_f64();
    let decision_ns = Some(ns_per_call(&rows, |row| alone.predict(row)));
    overheads.push(Overhead { selector: format!("single {}", kind.name()), decision_ns, training_s });
    overheads
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_work_takes_more_time() {
        let sum = |n: &u64| (0..*n).fold(0_u64, |a, b| black_box(a + b));
        let (few, many) = (ns_per_call(&[100], sum), ns_per_call(&[100_000], sum));
        assert!(few > 0.0 && many > 50.0 * few, "{few} {many}");
        assert!(ns_per_call(&[], sum).is_nan());
    }
}
