use super::*;
use crate::mixer::{Member, Mixer};
use proptest::prelude::*;
use trt_select_premodel::Top;

const A: CandidateId = CandidateId(0);
const B: CandidateId = CandidateId(1);

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
    let mut temperatures = vec![1.0; table.classes.len()];
    parts.iter().for_each(|part| temperatures[part.candidate.index()] = part.temperature);
    let members: Vec<Member> =
        parts.iter().map(|part| Member { candidate: part.candidate, weight: part.weight }).collect();
    let mut mixer = Mixer::new(table, &temperatures);
    mixer.begin(row);
    mixer.top(&members)
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|s| s.to_string()).collect()
}

/// Every class's probability, written out.
fn dense(table: &TopK, candidate: CandidateId, row: usize) -> Vec<f64> {
    let (cell, n) = (row * table.k..(row + 1) * table.k, table.class_count as usize);
    let mut all = vec![f64::NAN; n];
    for (&class, &p) in
        table.classes[candidate.index()][cell.clone()].iter().zip(&table.probabilities[candidate.index()][cell])
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
    let mut sum = vec![0.0; table.class_count as usize];
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
fn odd_tables() {
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
    assert!(equal.holds(A, 0, 2, 1) && !equal.holds(A, 0, 1, 1) && equal.holds(A, 0, 1, 5) && !equal.holds(A, 0, 0, 5));
    assert!(!empty.holds(A, 0, NONE, 5));
    for (classes, probabilities) in [
        ([3, 1], [0.5, 0.4]),
        ([1, 1], [0.5, 0.4]),
        ([1, 2], [0.4, 0.5]),
        ([NONE, 1], [0.0, 0.5]),
        ([1, 2], [f32::NAN, 0.5]),
    ] {
        TopK::new(2, 3, vec![classes.to_vec()], vec![probabilities.to_vec()]).unwrap_err();
    }
    TopK::new(2, 3, vec![vec![1]], vec![vec![0.5]]).unwrap_err();
    TopK::new(0, 3, vec![], vec![]).unwrap_err();
}

#[test]
fn files_are_matched_by_name_or_refused() {
    let good = "# trt-select\n# k: 3\n# classes: 9\ninput,b.topk,c.topk,a.topk\ny,3:0.5,1:1,0:0.25 8:0.125\ninput,b.topk,c.topk,\
                a.topk\nz,1:1,1:1,1:1\n\"x,1\",4:1,1:1,\n";
    let (inputs, candidates) = (names(&["x,1", "y"]), names(&["a", "b"]));
    let parse = |text: &str| TopK::parse("t.topk.csv", text.as_bytes(), &inputs, &candidates, 0);
    let table = parse(good).unwrap();
    assert_eq!((table.k, table.class_count()), (3, 9));
    assert_eq!(table.classes, [[NONE, NONE, NONE, 0, 8, NONE], [4, NONE, NONE, 3, NONE, NONE]]);
    assert_eq!(table.probabilities, [[0.0, 0.0, 0.0, 0.25, 0.125, 0.0], [1.0, 0.0, 0.0, 0.5, 0.0, 0.0]]);
    let swapped = table.with_candidates(&[B, A]);
    assert_eq!((&swapped.classes[0], &swapped.tails[1]), (&table.classes[1], &table.tails[0]));
    // Without comments, the cells say what they need.
    let bare = parse(&good.replace("# k: 3\n# classes: 9\n", "")).unwrap();
    assert_eq!((bare.k, bare.class_count()), (2, 9));

    let cases = [
        ("0:0.25 8", "0:0.25 x", "line 5: column 'a.topk': expected pairs of class:probability"),
        ("0:0.25 8", "0:0.25 9", "line 5: column 'a.topk': expected classes below 9"),
        ("0:0.25 8", "0:0.25 0", "each class once"),
        ("8:0.125", "8:0.3", "the largest first"),
        ("8:0.125", "8:nan", "0..=1"),
        ("8:0.125", "8:.1 7:.1 6:.1", "at most 3 pairs"),
        ("y,3", "q,3", "expected a row for input 'y', got none"),
        ("\nz,", "\ny,", "line 7: column 'input': expected a name that no other row has, got 'y'"),
        ("z,1:1,", "\r\n\nx,", "line 9: expected 4 fields, got 3"),
        ("c.topk,a.topk\ny", "c.topk,q.topk\ny", "column 'a.topk', got none"),
        ("4:1,1:1,\n", "4:1,1:1,", "line 8: expected a newline at the end"),
        ("# k: 3", "# k: 0", "comment 'k'"),
        ("# classes: 9", "# classes: 4000000000", "at most 16777216 classes"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}");
        let error = parse(&good.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.starts_with("t.topk.csv") && !error.contains('\n'), "{to}: {error}");
    }
    assert!(parse("").unwrap_err().to_string().contains("an empty file"));
    assert!(
        TopK::parse("t", b"input\n\xff", &inputs, &candidates, 0)
            .unwrap_err()
            .to_string()
            .contains("line 2: expected UTF-8")
    );
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

    #[test]
    fn any_bytes_are_read_or_refused(text in "(# (k|classes): [0-9]{1,4}\n)?input,a.topk,b.topk\n(x,([0-9]{1,2}:0?\\.?[0-9]{0,3} ?){0,4},[0-9]:1\n)?(y,,\n)?.{0,6}") {
        let (inputs, candidates) = (names(&["x", "y"]), names(&["a", "b"]));
        match TopK::parse("t", text.as_bytes(), &inputs, &candidates, 3) {
            Ok(table) => {
                TopK::new(table.k, table.class_count, table.classes.clone(), table.probabilities.clone()).unwrap();
            }
            Err(e) => prop_assert!(!e.to_string().contains('\n')),
        }
    }
}
