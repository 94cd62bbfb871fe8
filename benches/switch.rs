//! Measures what it takes to switch among the programs of a premodel: by a number, by a price, by what a candidate costs, and the choice that
//! each input makes. `cargo bench --bench switch`
//!
//! Prices come in an order that no branch predictor learns. The loop without a switch takes its time as well, which is printed in the
//! first row and is contained in the others.

use std::hint::black_box;
use std::time::Instant;

use trt_select::premodel::{Alternative, CandidateId, Control, Expected, Interval, Mix, Node, Premodel, TrainedFor};

/// Calls in a block, and blocks. The least and the median time of a block are printed.
const CALLS: u32 = 100_000;
const BLOCKS: usize = 101;
/// Number of prices that are asked for in turn.
const PRICES: usize = 4_096;

/// A premodel of this many programs, each of which is the best at some price, and of four candidates.
fn premodel(count: usize) -> Premodel {
    let names = (0..4).map(|c| format!("c{c}")).collect();
    let at = |mean: f64| Interval { mean, low: mean, high: mean };
    let program = |k: usize| {
        // Each further millisecond is worth less than the one before.
        let cost_ms = 1.0 + k as f64;
        let expected = Expected::new(at(1.0 - 0.5 / cost_ms), at(1e6 * cost_ms), at(0.0), "made up".into());
        Alternative::single(CandidateId((k % 4) as u8), 4).expected(Some(expected)).price(Some(0.1))
    };
    let nodes = vec![Node::run(CandidateId(0), 1), Node::answer(CandidateId(0))];
    let trained_for = TrainedFor::of_costs(vec![1e6, 2e6, 3e6, 4e6]);
    Premodel::new(names, 2, vec![], nodes, vec![CandidateId(3)], vec![], trained_for)
        .and_then(|premodel| premodel.with_programs((0..count).map(program).collect(), 0))
        .expect("a premodel")
}

/// The least and the median nanoseconds of one call.
fn measure<T>(mut call: impl FnMut(usize) -> T) -> [f64; 2] {
    let mut times: Vec<f64> = (0..BLOCKS)
        .map(|_| {
            let start = Instant::now();
            for i in 0..CALLS as usize {
                black_box(call(i));
            }
            start.elapsed().as_nanos() as f64 / f64::from(CALLS)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    [times[0], times[BLOCKS / 2]]
}

fn main() {
    let prices: Vec<f64> = (0..PRICES as u32)
        .map(|i| 0.5 * f64::from(i.wrapping_mul(2_654_435_761).rotate_left(11) >> 8) / f64::from(1 << 24))
        .collect();
    println!("| programs | | ns: least | median |\n| ---: | --- | ---: | ---: |");
    for count in [1, 8, 16, 64] {
        let plain = premodel(count);
        let mixed = (count > 1).then(|| Mix { programs: [0, count - 1], share: 0.5, seed: 1 });
        let row = |what: &str, [least, median]: [f64; 2]| println!("| {count} | {what} | {least:.2} | {median:.2} |");
        let mut control = Control::new(&plain);
        row("the loop alone", measure(|i| prices[i % PRICES]));
        row("set_price", measure(|i| black_box(&mut control).set_price(prices[i % PRICES]).is_ok()));
        row("set_program", measure(|i| black_box(&mut control).set_program(i % count).is_ok()));
        row("next_program", measure(|_| black_box(&mut control).next_program()));
        let mut waiting = 0;
        row(
            "set_price, then next_program, each waiting for the one before",
            measure(|i| {
                let control = black_box(&mut control);
                let price = prices[(i + waiting) % PRICES];
                black_box(control.set_price(price).is_ok());
                waiting = black_box(control.next_program());
            }),
        );
        row(
            "set_cost_multiplier",
            measure(|i| {
                let multiplier = 0.5 + prices[i % PRICES];
                black_box(&mut control).set_cost_multiplier(CandidateId((i % 4) as u8), multiplier).is_ok()
            }),
        );
        let mut control = Control::new(&plain.with_mix(mixed).expect("two programs"));
        row("next_program of a mix", measure(|_| black_box(&mut control).next_program()));
    }
}
