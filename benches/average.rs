//! Measures the arithmetic of calibrated averages: one candidate's probabilities at its temperature, the two largest of an average, and
//! a candidate's probabilities from the most probable classes in a profile. The trainer does each of these a million times.
//! `cargo bench --bench average`
//!
//! It prints the least and the median of many short rounds. Other work on the same cores raises the median, and hardly the least.

use std::hint::black_box;
use std::time::Instant;

use trt_select_premodel::CandidateId;
use trt_select_premodel::Top;
use trt_select_premodel::temper::{add_weighted, of_logits, of_probabilities};
use trt_select_train::{Rng, TopK};

const CLASSES: usize = 1000;
const ROWS: usize = 50_000;
const CANDIDATES: usize = 14;
const K: usize = 16;

/// Prints the nanoseconds of one call, where a round makes `parts` calls.
fn measure(name: &str, rounds: usize, parts: usize, mut round: impl FnMut(usize)) {
    let mut times: Vec<u128> = (0..rounds)
        .map(|i| {
            let start = Instant::now();
            round(i);
            start.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    let per_part = |t: u128| t as f64 / parts as f64;
    println!("{name:<44} least {:>6.0} ns   median {:>6.0} ns", per_part(times[0]), per_part(times[rounds / 2]));
}

fn main() {
    let mut random = Rng::new(1);
    let logits: Vec<f32> = (0..CLASSES).map(|_| 20.0 * random.unit() as f32).collect();
    let (mut p, mut out) = (vec![0.0; CLASSES], vec![0.0; CLASSES]);
    of_logits(&logits, 1.0, &mut p);
    measure("1000 classes, from logits", 20_000, 1, |_| of_logits(black_box(&logits), 1.3, black_box(&mut out)));
    measure("1000 classes, from probabilities", 20_000, 1, |_| {
        of_probabilities(black_box(&p), 1.3, black_box(&mut out));
    });
    measure("1000 classes, add to an average", 20_000, 1, |_| add_weighted(black_box(&mut out), 1e-9, black_box(&p)));
    measure("1000 classes, two largest", 20_000, 1, |_| {
        black_box(Top::of(black_box(&p)));
    });

    // Each cell has falling probabilities, and its classes overlap in part with those of other candidates.
    let (mut classes, mut probabilities) = (Vec::new(), Vec::new());
    let starts: Vec<usize> = (0..ROWS).map(|_| random.below(CLASSES)).collect();
    for _ in 0..CANDIDATES {
        let (mut all, mut of_all) = (Vec::with_capacity(ROWS * K), Vec::with_capacity(ROWS * K));
        for start in &starts {
            let mut next = *start + random.below(4);
            let (mut rest, keep) = (1.0, 0.3 + 0.5 * random.unit() as f32);
            for _ in 0..K {
                all.push((next % CLASSES) as u32);
                of_all.push(rest * keep);
                rest *= 1.0 - keep;
                next += 1 + random.below(3);
            }
        }
        classes.push(all);
        probabilities.push(of_all);
    }
    let table = TopK::new(K, CLASSES as u32, classes, probabilities).expect("cells as they should be");
    measure(&format!("{K} most probable, spread over the classes"), ROWS / 100, 100, |at| {
        for row in 100 * at..100 * (at + 1) {
            table.spread(CandidateId(0), row, black_box(&mut p));
        }
    });
}
