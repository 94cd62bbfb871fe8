use super::*;
use proptest::prelude::*;

const A: CandidateId = CandidateId(0);
const B: CandidateId = CandidateId(1);

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|s| s.to_string()).collect()
}

#[test]
fn odd_tables() {
    let empty = TopK::new(2, 4, vec![vec![NONE, NONE]], vec![vec![0.0, 0.0]]).unwrap();
    let equal = TopK::new(2, 3, vec![vec![2, 1]], vec![vec![0.5, 0.5]]).unwrap();
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

proptest! {
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
