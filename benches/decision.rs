//! Measures the time of one decision on rows that no branch predictor can learn: the walk of this crate beside any number of shared
//! libraries that decide the same tree. `benches/compare-decision` builds the libraries and runs this program.
//!
//!     decision [--premodel P --rows R] [NAME=LIBRARY[:f64]]…
//!
//! A library exports `int decide(const float *row)` (or `const double *`, if `:f64` follows its name), which returns the number of the
//! candidate that runs first. All contenders are called through a pointer, with one row a call, over the same rows. They take turns in
//! blocks of 8192 rows. Without arguments only the walk is measured, on a tree of its own.
//!
//! There are two times. *Free*: the calls do not depend on each other, as in a loop over many rows, so the processor works on several rows
//! at once. *Chained*: which row comes next depends on the answer before, so this is the whole time from signals to answer.

use std::ffi::c_int;
use std::hint::black_box;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Instant;

use libloading::Library;
use trt_select_base::random::Rng;
use trt_select_premodel::{CandidateId, Node, Premodel, Request, Signal, SignalId, TrainedFor};

const SIGNALS: usize = 16;
const DEPTH: u32 = 8;
const ROWS: usize = 1 << 17;
const BLOCK: usize = 1 << 13;
const TURNS: usize = 61;

type Decide32 = unsafe extern "C" fn(*const f32) -> c_int;
type Decide64 = unsafe extern "C" fn(*const f64) -> c_int;

enum Contender {
    Single(Decide32),
    Double(Decide64),
}

/// A full tree with `DEPTH` levels of tests, and below them a Run and an Answer each. No path reads a signal twice, and all thresholds lie
/// in 0.3..0.7, so on rows with values in 0..1 every test is about as uncertain as the throw of a coin.
fn tree(random: &mut Rng) -> Premodel {
    fn grow(nodes: &mut Vec<Node>, left: &[u16], depth: u32, random: &mut Rng) -> u16 {
        let at = nodes.len() as u16;
        if depth == 0 {
            let candidate = CandidateId((random.next_u64() % 4) as u8);
            nodes.extend([Node::run(candidate, at + 1), Node::answer(candidate)]);
            return at;
        }
        let signal = left[(random.next_u64() % left.len() as u64) as usize];
        let threshold = 0.3 + 0.4 * random.unit_f32();
        nodes.push(Node::answer(CandidateId(0)));
        let left: Vec<u16> = left.iter().copied().filter(|&s| s != signal).collect();
        let then = grow(nodes, &left, depth - 1, random);
        let otherwise = grow(nodes, &left, depth - 1, random);
        nodes[usize::from(at)] = Node::test(SignalId(signal), threshold, then, otherwise);
        at
    }
    let mut nodes = Vec::new();
    grow(&mut nodes, &Vec::from_iter(0..SIGNALS as u16), DEPTH, random);
    let candidates: Vec<String> = ["nano", "tiny", "small", "large"].map(String::from).to_vec();
    let signals = (0..SIGNALS).map(|i| Signal::User(format!("s{i}"))).collect();
    let fallback = (0..4).rev().map(CandidateId).collect();
    let trained_for = TrainedFor::of_costs(vec![1.0; 4]);
    Premodel::new(candidates, 0, signals, nodes, fallback, Vec::new(), trained_for).expect("a sound program")
}

static MODEL: OnceLock<Premodel> = OnceLock::new();

/// The walk of this crate, as a function that is called through a pointer like the others.
unsafe extern "C" fn walk(row: *const f32) -> c_int {
    // SAFETY: the caller passes a pointer to SIGNALS values.
    let signals = unsafe { &*row.cast::<[f32; SIGNALS]>() };
    let program = MODEL.get().expect("set in main").program();
    match program.step(&mut program.start(), signals) {
        Request::Run(candidate) => c_int::from(candidate.0),
        _ => -1,
    }
}

/// Nanoseconds for one row: first with calls that do not depend on each other, then with calls that do.
fn measure<T>(rows: &[[T; SIGNALS]], decide: impl Fn(*const T) -> c_int) -> [f64; 2] {
    let mut sum = 0_u32;
    let started = Instant::now();
    for row in rows {
        sum = sum.wrapping_add(decide(row.as_ptr()) as u32);
    }
    let free = started.elapsed();
    black_box(sum);
    let mut last = 0_usize;
    let started = Instant::now();
    for row in 0..rows.len() {
        // Answers are below 16, so this is always the same row, but the processor cannot know that before it has the answer.
        last = black_box(decide(rows[(row + (last >> 8)) % rows.len()].as_ptr()) as usize);
    }
    let chained = started.elapsed();
    [free, chained].map(|t| t.as_secs_f64() * 1e9 / rows.len() as f64)
}

fn main() {
    let mut random = Rng::new(1);
    let model = tree(&mut random);
    let rows: Vec<[f32; SIGNALS]> = (0..ROWS).map(|_| std::array::from_fn(|_| random.unit_f32())).collect();
    let wide: Vec<[f64; SIGNALS]> = rows.iter().map(|r| r.map(f64::from)).collect();

    // Cargo adds --bench, which means nothing here.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if let [write, premodel, file] = &arguments[..]
        && write == "--write"
    {
        std::fs::write(Path::new(premodel), model.to_json()).expect("the premodel is written");
        let bytes: Vec<u8> = rows.iter().flatten().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(Path::new(file), bytes).expect("the rows are written");
        return;
    }
    MODEL.set(model).expect("set once");

    // The libraries must stay loaded while their functions are called.
    let (contenders, _libraries) = load(&arguments);
    check(&contenders, &rows, &wide);
    take_turns(&contenders, &rows, &wide);
}

/// The walk, and the function of each library that the arguments name.
fn load(arguments: &[String]) -> (Vec<(String, Contender)>, Vec<Library>) {
    let mut libraries = Vec::new();
    let mut contenders = vec![("walk".to_owned(), Contender::Single(walk))];
    for argument in arguments {
        let (name, path) =
            argument.split_once("=").unwrap_or_else(|| panic!("expected NAME=LIBRARY[:f64], got {argument}"));
        let (path, double) = path.strip_suffix(":f64").map_or((path, false), |p| (p, true));
        // SAFETY: compare-decision built the library, and loading it runs no code.
        let library = unsafe { Library::new(path) }.unwrap_or_else(|e| panic!("{path}: {e}"));
        // SAFETY: every such library's `decide` has this type.
        let contender = unsafe {
            if double {
                Contender::Double(*library.get::<Decide64>(b"decide").expect("it exports decide"))
            } else {
                Contender::Single(*library.get::<Decide32>(b"decide").expect("it exports decide"))
            }
        };
        contenders.push((name.to_owned(), contender));
        libraries.push(library);
    }
    (contenders, libraries)
}

/// Stops with a message unless all contenders give the walk's answer on every row.
fn check(contenders: &[(String, Contender)], rows: &[[f32; SIGNALS]], wide: &[[f64; SIGNALS]]) {
    for (name, contender) in contenders {
        for (row, wide) in rows.iter().zip(wide) {
            // SAFETY: each function gets a pointer to SIGNALS values of its type.
            let (expected, got) = unsafe {
                (
                    walk(row.as_ptr()),
                    match contender {
                        Contender::Single(f) => f(row.as_ptr()),
                        Contender::Double(f) => f(wide.as_ptr()),
                    },
                )
            };
            assert_eq!(got, expected, "{name}: expected the walk's answer on {row:?}");
        }
    }
}

/// Measures and prints the times of all contenders.
fn take_turns(contenders: &[(String, Contender)], rows: &[[f32; SIGNALS]], wide: &[[f64; SIGNALS]]) {
    let mut times = vec![[Vec::new(), Vec::new()]; contenders.len()];
    for _ in 0..TURNS {
        let mut sums = vec![[0.0; 2]; contenders.len()];
        // The contenders take turns block by block, so that other work on the machine slows all of them alike.
        for (rows, wide) in rows.chunks(BLOCK).zip(wide.chunks(BLOCK)) {
            for ((_, contender), sums) in contenders.iter().zip(&mut sums) {
                let block = match contender {
                    // SAFETY: the function gets a pointer to SIGNALS values of its type.
                    Contender::Single(f) => measure(rows, |row| unsafe { f(row) }),
                    // SAFETY: the function gets a pointer to SIGNALS values of its type.
                    Contender::Double(f) => measure(wide, |row| unsafe { f(row) }),
                };
                *sums = [sums[0] + block[0], sums[1] + block[1]];
            }
        }
        for (sums, times) in sums.iter().zip(&mut times) {
            let blocks = (ROWS / BLOCK) as f64;
            times[0].push(sums[0] / blocks);
            times[1].push(sums[1] / blocks);
        }
    }
    println!("name,free_median_ns,free_min_ns,chained_median_ns,chained_min_ns");
    for ((name, _), times) in contenders.iter().zip(&mut times) {
        let [free, chained] = times.each_mut().map(|t| {
            t.sort_by(f64::total_cmp);
            [t[TURNS / 2], t[0]]
        });
        println!("{name},{:.2},{:.2},{:.2},{:.2}", free[0], free[1], chained[0], chained[1]);
    }
}
