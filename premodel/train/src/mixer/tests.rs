use super::*;
use crate::{Profile, ProfileBoard, Rng};
use proptest::prelude::*;
use trt_select_premodel::{Average, AverageSignal, Mask, Node, Premodel, Signal, SignalId, TrainedFor};

const A: CandidateId = CandidateId(0);
const B: CandidateId = CandidateId(1);

/// The class of an entry that is not there.
const NONE: u32 = u32::MAX;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|s| s.to_string()).collect()
}

/// A candidate, its weight and its temperature.
#[derive(Clone, Copy, Debug)]
struct Part {
    candidate: CandidateId,
    weight: f32,
    temperature: f32,
}

fn part(candidate: CandidateId, weight: f32, temperature: f32) -> Part {
    Part { candidate, weight, temperature }
}

/// The average of some parts on a row.
fn mixture(table: &TopK, row: usize, parts: &[Part]) -> Top {
    let mut temperatures = vec![1.0; table.classes().len()];
    parts.iter().for_each(|part| temperatures[part.candidate.index()] = part.temperature);
    let members: Vec<Member> =
        parts.iter().map(|part| Member { candidate: part.candidate, weight: part.weight }).collect();
    let mut mixer = Mixer::new(table, &temperatures);
    mixer.begin(row);
    mixer.top(&members)
}

/// Every class's probability, written out.
fn dense(table: &TopK, candidate: CandidateId, row: usize) -> Vec<f64> {
    let (cell, n) = (row * table.k()..(row + 1) * table.k(), table.class_count() as usize);
    let mut all = vec![f64::NAN; n];
    for (&class, &p) in
        table.classes()[candidate.index()][cell.clone()].iter().zip(&table.probabilities()[candidate.index()][cell])
    {
        if class != NONE {
            all[class as usize] = f64::from(p);
        }
    }
    let named: f64 = all.iter().filter(|p| !p.is_nan()).sum();
    let each = (1.0 - named).max(0.0) / all.iter().filter(|p| p.is_nan()).count() as f64;
    all.into_iter().map(|p| if p.is_nan() { each } else { p }).collect()
}

/// The mixture as its formula says it.
fn plain(table: &TopK, row: usize, members: &[Part]) -> (Vec<f64>, f64, f64) {
    let mut sum = vec![0.0; table.class_count() as usize];
    for &Part { candidate: c, weight, temperature: t } in members {
        let mut all = dense(table, c, row);
        if t != 1.0 {
            all.iter_mut().for_each(|p| *p = p.powf(1.0 / f64::from(t)));
            let total: f64 = all.iter().sum();
            all.iter_mut().for_each(|p| *p /= total);
        }
        sum.iter_mut().zip(&all).for_each(|(s, p)| *s += f64::from(weight) * p);
    }
    let mut sorted = sum.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let margin = sorted[0] - sorted.get(1).copied().unwrap_or(0.0);
    (sum, sorted[0], margin)
}

fn compare(table: &TopK, row: usize, members: &[Part]) {
    let (sum, top1, margin) = plain(table, row, members);
    let got = mixture(table, row, members);
    assert!((f64::from(got.top1) - top1).abs() < 2e-6, "{members:?}: {got:?}, not {top1}");
    assert!((f64::from(got.margin) - margin).abs() < 2e-6, "{members:?}: {got:?}, not {margin}");
    assert!(sum[got.class as usize] > top1 - 2e-6, "{members:?}: {got:?} in {sum:?}");
}

#[test]
fn a_mixture_by_hand() {
    let file = "# k: 2\n# classes: 4\ninput,a.topk,b.topk\nx,1:0.6 0:0.2,2:0.9\n";
    let table = TopK::parse("t", file.as_bytes(), &names(&["x"]), &names(&["a", "b"]), 0).unwrap();
    // a = .2 .6 .1 .1, b = .0333 .0333 .9 .0333
    let got = mixture(&table, 0, &[part(A, 0.75, 1.0), part(B, 0.25, 1.0)]);
    assert_eq!(got.class, 1);
    assert!((got.top1 - 0.458_333_3).abs() < 1e-6 && (got.margin - 0.158_333_3).abs() < 1e-6, "{got:?}");
    // At T = 0.5 the squares count: .36 .04 .01 .01 of .42.
    let got = mixture(&table, 0, &[part(A, 1.0, 0.5)]);
    assert!((got.top1 - 0.36 / 0.42).abs() < 1e-6 && (got.margin - 0.32 / 0.42).abs() < 1e-6, "{got:?}");
    // The second class is one that no entry names.
    let got = mixture(&table, 0, &[part(B, 1.0, 1.0)]);
    assert!((got.margin - (0.9 - 0.1 / 3.0)).abs() < 1e-6, "{got:?}");
}

#[test]
fn averages_of_odd_tables() {
    let one = TopK::new(1, 1, vec![vec![0, NONE]], vec![vec![1.0, 0.0]]).unwrap();
    for row in [0, 1] {
        for t in [0.05, 1.0, 20.0] {
            let got = mixture(&one, row, &[part(A, 1.0, t)]);
            assert_eq!(got, Top { class: 0, top1: 1.0, margin: 1.0 }, "{row} {t}");
        }
    }
    let empty = TopK::new(2, 4, vec![vec![NONE, NONE]], vec![vec![0.0, 0.0]]).unwrap();
    assert_eq!(mixture(&empty, 0, &[part(A, 1.0, 3.0)]), Top { class: 0, top1: 0.25, margin: 0.0 });
    // Cells that no network gives stay finite.
    for (p, classes) in [(0.0, 1), (0.0, 3), (0.125, 2)] {
        let odd = TopK::new(1, classes, vec![vec![0]], vec![vec![p]]).unwrap();
        for t in [0.05, 1.0, 20.0] {
            let got = mixture(&odd, 0, &[part(A, 1.0, t)]);
            assert!((0.0..=1.0).contains(&got.top1) && (0.0..=1.0).contains(&got.margin), "{p} {classes} {t}: {got:?}");
        }
    }
    // Of equals the first class, whatever their order in the cell.
    let equal = TopK::new(2, 3, vec![vec![2, 1]], vec![vec![0.5, 0.5]]).unwrap();
    assert_eq!(mixture(&equal, 0, &[part(A, 1.0, 1.0)]), Top { class: 1, top1: 0.5, margin: 0.0 });
}

/// Cells of up to four entries of nine classes.
fn cell() -> impl Strategy<Value = (Vec<u32>, Vec<f32>)> {
    let pairs = proptest::collection::btree_map(0_u32..9, 1e-6_f32..1.0, 0..=4);
    (pairs, 0.5_f32..=1.0).prop_map(|(pairs, mass)| {
        let total: f32 = pairs.values().sum();
        // What lies outside must not be more than the last entry has.
        let floor = 0.5 / 9.0;
        let mut pairs: Vec<(u32, f32)> = pairs.into_iter().map(|(c, p)| (c, floor + p / total * mass * 0.5)).collect();
        pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
        let (mut classes, mut probabilities): (Vec<u32>, Vec<f32>) = pairs.into_iter().unzip();
        classes.resize(4, NONE);
        probabilities.resize(4, 0.0);
        (classes, probabilities)
    })
}

proptest! {
    #[test]
    fn mixtures_are_what_the_formula_says(
        a in cell(),
        b in cell(),
        t in proptest::array::uniform2(0.2_f32..5.0),
        w in 0.0_f32..=1.0,
        sharp in proptest::bool::ANY,
    ) {
        let (classes, probabilities) = [a, b].into_iter().unzip();
        let table = TopK::new(4, 9, classes, probabilities).unwrap();
        let t = if sharp { t } else { [1.0, t[1]] };
        compare(&table, 0, &[part(A, w, t[0]), part(B, 1.0 - w, t[1])]);
        compare(&table, 0, &[part(B, 1.0, t[1])]);
        compare(&table, 0, &[part(A, 1.0, 1.0)]);
    }
}

const CLASSES: usize = 37;
const K: usize = 5;

/// Cells of falling probabilities, on classes that are drawn.
fn cells(rows: usize, rng: &mut Rng) -> (Vec<u32>, Vec<f32>) {
    let (mut classes, mut probabilities) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let first = rng.below(CLASSES);
        let keep = 0.3 + 0.5 * rng.unit();
        for i in 0..K {
            classes.push(((first + i * (1 + first % 3)) % CLASSES) as u32);
            probabilities.push((keep * (1.0 - keep).powi(i as i32)) as f32);
        }
    }
    (classes, probabilities)
}

#[test]
fn averages_in_training_have_the_bits_of_a_board() {
    const ROWS: usize = 200;
    let mut rng = Rng::new(3);
    let mut csv = String::from("input,a.reward,b.reward,c.reward\n");
    (0..ROWS).for_each(|row| csv += &format!("r{row},1,0,1\n"));
    let mut profile = Profile::parse("p.csv", csv.as_bytes()).unwrap();
    let (classes, probabilities) = (0..3).map(|_| cells(ROWS, &mut rng)).unzip();
    profile.topk = Some(TopK::new(K, CLASSES as u32, classes, probabilities).unwrap());

    // Runs all three, reads the average of all, and answers with it.
    let (set, temperatures, weights) = (Mask(7), vec![0.7, 1.0, 1.9], vec![0.2, 0.3, 0.5]);
    let ids = [0, 1, 2].map(CandidateId);
    let nodes = vec![
        Node::run(ids[0], 1),
        Node::run(ids[1], 2),
        Node::run(ids[2], 3),
        Node::test(SignalId(0), 0.5, 4, 5),
        Node::average(set),
        Node::test(SignalId(1), 0.5, 6, 7),
        Node::average(set),
        Node::answer(ids[0]),
    ];
    let signals = vec![Signal::Average(set, AverageSignal::Top1), Signal::Average(set, AverageSignal::Margin)];
    let trained_for = TrainedFor::of_costs(vec![1.0; 3]);
    let names = ["a", "b", "c"].map(Into::into).into();
    let premodel = Premodel::new(names, CLASSES as u32, signals, nodes, ids.into(), Vec::new(), trained_for).unwrap();
    let average = Average { of: set, weights: weights.clone() };
    let premodel = premodel.with_calibration(temperatures.clone(), vec![average]).unwrap();

    let members: Vec<Member> =
        ids.into_iter().zip(weights).map(|(candidate, weight)| Member { candidate, weight }).collect();
    let mut board = ProfileBoard::new(&premodel, &profile).unwrap();
    let mut mixer = Mixer::new(profile.topk.as_ref().unwrap(), &temperatures);
    for row in 0..ROWS {
        mixer.begin(row);
        let top = mixer.top(&members);
        assert_eq!(board.all(&premodel, row), [top.top1, top.margin], "row {row}");
    }
}
