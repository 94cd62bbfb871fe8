//! Rows that count more or less than others.

use std::fmt::Write;

use trt_select_train::{
    Goal, Judged, Profile, ProfileErrorKind, Rng, Settings, Split, Task, Unit, Warning, WarningKind, Weights,
    algorithm_1, judge, nested, oracle, singles, sweep,
};

/// Rows of two candidates: a is right where its margin is large; b on nearly all rows. With `weight`, the n-th row has the weight
/// that it says.
fn table(rows: usize, weight: Option<fn(usize) -> f32>) -> Profile {
    let mut rng = Rng::new(5);
    let weight_column = if weight.is_some() { ",weight" } else { "" };
    let mut text = format!("input,a.reward,a.cost_ns,a.answer,a.margin{weight_column},b.reward,b.cost_ns,b.answer\n");
    for row in 0..rows {
        let a = rng.unit() < 0.7;
        let margin = if a { 0.3 + 0.7 * rng.unit() } else { 0.5 * rng.unit() };
        let b = rng.unit() < 0.9;
        let class = rng.below(3);
        let of = |right: bool| if right { class } else { (class + 1) % 3 };
        let weight = weight.map_or(String::new(), |weight| format!(",{}", weight(row)));
        writeln!(text, "r{row},{},1000,{},{margin}{weight},{},9000,{}", u8::from(a), of(a), u8::from(b), of(b))
            .unwrap();
    }
    Profile::parse("p.csv", text.as_bytes()).unwrap()
}

/// Everything that is made from a table and says nothing about its file, with all digits.
fn results(profile: &Profile) -> String {
    let costs = profile.median_costs(Unit::Time).unwrap();
    let task = Task::new(profile, costs.clone());
    let settings = Settings::new().steps(6).repeats(1);
    let goals = [Goal::AtLeastBestSingle { margin: -0.01 }];
    let front = sweep(&task, &settings, &|_, _| {}).unwrap();
    let premodel = front.premodel(front.meeting(goals[0]).unwrap()).unwrap();
    let intervals =
        |judged: &Judged| (judged.worth(), judged.over(&profile.rewards[1], 3), judged.times_cheaper(9000.0, 3));
    let nested = nested(&task, &settings, &goals, Split::Folds(3), &|_, _| {}).unwrap();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {}",
        front.points,
        singles(profile, &costs.candidates),
        oracle(profile, &costs.candidates),
        algorithm_1(profile, &costs.candidates, 0.0),
        intervals(&judge(&premodel, profile).unwrap()),
        intervals(&nested[0]),
        premodel.to_json().replace(&profile.sha256, ""),
    )
}

#[test]
fn equal_weights_give_the_bits_of_none() {
    let none = results(&table(400, None));
    for weight in [|_| 1.0, |_| 0.3, |_| 1e30] as [fn(usize) -> f32; 3] {
        let equal = table(400, Some(weight));
        assert!(equal.weights.is_some() && (0..400).all(|row| equal.weight(row) == 1.0));
        assert_eq!(results(&equal), none);
    }
    let unequal = table(400, Some(|row| (1 + row % 2) as f32));
    assert_ne!(results(&unequal), none, "other weights are felt");
}

#[test]
fn a_row_of_weight_two_counts_as_two_rows() {
    let weighted = table(300, Some(|row| (1 + row % 3) as f32));
    let rows: Vec<usize> = (0..300).flat_map(|row| std::iter::repeat_n(row, 1 + row % 3)).collect();
    let plain = table(300, None);
    let repeated = plain.with_rows(&rows);
    let near = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-12, "{a} and {b}");
    let costs = [1000.0, 9000.0];
    for (own, other) in singles(&weighted, &costs).iter().zip(singles(&repeated, &costs)) {
        near(own.reward, other.reward);
    }
    assert!((singles(&weighted, &costs)[0].reward - singles(&plain, &costs)[0].reward).abs() > 1e-4);
    let (own, other) = (oracle(&weighted, &costs), oracle(&repeated, &costs));
    near(own.reward, other.reward);
    near(own.cost, other.cost);
    let (own, other) = (algorithm_1(&weighted, &costs, 0.0), algorithm_1(&repeated, &costs, 0.0));
    assert_eq!(own.len(), other.len());
    for (own, other) in own.iter().zip(&other) {
        assert_eq!(own.candidate, other.candidate);
        near(own.union_accuracy, other.union_accuracy);
        near(own.gain, other.gain);
    }
    let task = Task::new(&plain, plain.median_costs(Unit::Time).unwrap());
    let front = sweep(&task, &Settings::new().steps(6).repeats(1), &|_, _| {}).unwrap();
    let premodel = front.premodel(front.meeting(Goal::AtLeastBestSingle { margin: -0.02 }).unwrap()).unwrap();
    let (own, other) = (judge(&premodel, &weighted).unwrap(), judge(&premodel, &repeated).unwrap());
    near(own.reward(), other.reward());
    near(own.cost(), other.cost());
    near(own.over(&weighted.rewards[1], 1).mean, other.over(&repeated.rewards[1], 1).mean);
    near(own.times_cheaper(9000.0, 1).mean, other.times_cheaper(9000.0, 1).mean);
}

#[test]
fn algorithm_1_keeps_what_is_right_on_the_rows_that_count() {
    // a is right on two rows, b on the third, which weighs more than both.
    let text = "input,weight,a.reward,b.reward\nx,1,1,0\ny,1,1,0\nz,3,0,1\n";
    let kept = algorithm_1(&Profile::parse("p.csv", text.as_bytes()).unwrap(), &[1.0, 2.0], 0.0);
    let named: Vec<(u8, f64)> = kept.iter().map(|k| (k.candidate.0, (k.union_accuracy * 1e6).round() / 1e6)).collect();
    assert_eq!(named, [(1, 0.6), (0, 1.0)]);
}

#[test]
fn few_heavy_rows_make_wide_intervals() {
    let even = table(400, None);
    let heavy = table(400, Some(|row| if row < 20 { 100.0 } else { 1.0 }));
    let width = |profile: &Profile| {
        let costs = profile.median_costs(Unit::Time).unwrap();
        let task = Task::new(profile, costs);
        let front = sweep(&task, &Settings::new().steps(2).repeats(1), &|_, _| {}).unwrap();
        let always = front.points.iter().find(|p| p.single.is_some_and(|c| c.0 == 0)).unwrap();
        let judged = judge(&front.premodel(always).unwrap(), profile).unwrap();
        let over = judged.over(&profile.rewards[1], 1);
        over.high - over.low
    };
    assert!(width(&heavy) > 2.0 * width(&even), "{} and {}", width(&heavy), width(&even));
    let effective = heavy.weights.as_ref().unwrap().effective_rows();
    assert!((effective - (2380.0 * 2380.0) / (20.0 * 1e4 + 380.0)).abs() < 1e-9, "{effective}");
    let warned = |profile: &Profile| profile.warnings().into_iter().find(|w: &Warning| w.kind == WarningKind::FewRows);
    assert_eq!(warned(&even), None);
    let text = warned(&heavy).expect("28 rows by weight").to_string();
    assert!(text.contains("got 28 and ") && text.contains(", counted by weight;"), "{text}");
}

#[test]
fn weights_go_with_their_rows() {
    let parse = |name: &str, text: &str| Profile::parse(name, text.as_bytes()).unwrap();
    let weighted = parse("mon.csv", "input,weight,a.reward\nx,2,1\ny,6,0\n");
    assert_eq!((weighted.weight(0), weighted.weight(1)), (0.5, 1.5));
    assert!(weighted.columns.is_empty(), "no program reads a weight");
    let turned = weighted.with_rows(&[1, 0, 0]);
    assert_eq!(turned.weights, Some(Weights::new(vec![6.0, 2.0, 2.0]).unwrap()));
    // A file without weights counts as if each row had the weight 1.
    let plain = parse("tue.csv", "input,a.reward\nx,1\n");
    for (files, expected) in [([&weighted, &plain], vec![2.0, 6.0, 1.0]), ([&plain, &weighted], vec![1.0, 2.0, 6.0])] {
        let joined = Profile::join(files.map(Clone::clone).into()).unwrap();
        assert_eq!(joined.weights.unwrap().as_given(), expected);
    }
    let other = parse("wed.csv", "input,a.reward\nx,0\n");
    assert_eq!(Profile::join(vec![plain, other]).unwrap().weights, None);
}

#[test]
fn odd_weights_are_refused() {
    for odd in ["0", "-1", "nan", "inf", "", "1e-60", "1e60", "x"] {
        let text = format!("input,weight,a.reward\nx,1,1\ny,{odd},1\n");
        let error = Profile::parse("p.csv", text.as_bytes()).expect_err(odd);
        let expected = format!("p.csv line 3: column 'weight': expected a finite number above 0, got '{odd}';");
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(error.kind(), ProfileErrorKind::Value);
    }
    for odd in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(Weights::new(vec![1.0, odd]).unwrap_err().kind(), ProfileErrorKind::Shape);
    }
}

#[test]
fn the_search_counts_rows_by_their_weights() {
    // On a third of the rows `a` is right, on the others only `b`, and nothing tells them apart. At this price a run of `b` costs 0.4 of a
    // right answer: it is worth that where rows count alike, and not where the third counts nine times.
    let trained = |weight: f32| {
        let mut text = String::from("input,weight,a.reward,a.cost_ns,a.top1,b.reward,b.cost_ns,b.top1\n");
        for row in 0..600 {
            let easy = row % 3 == 0;
            let (weight, a) = (if easy { weight } else { 1.0 }, u8::from(easy));
            writeln!(text, "r{row},{weight},{a},100000,0.{},1,4000000,0.9", 3 + row % 5).unwrap();
        }
        let profile = Profile::parse("p.csv", text.as_bytes()).unwrap();
        let costs = profile.median_costs(Unit::Time).unwrap();
        let settings = Settings::new().steps(6).repeats(1).prices(vec![0.1]);
        let front = sweep(&Task::new(&profile, costs), &settings, &|_, _| {}).unwrap();
        let point = front.meeting(Goal::Price(0.1)).unwrap();
        (front.premodel(point).unwrap().tree(), point.reward, point.ran.clone())
    };
    let (tree, reward, ran) = trained(1.0);
    assert_eq!((tree.as_str(), reward), ("run b\nanswer b\n", 1.0));
    assert_eq!(ran, [0.0, 1.0]);
    let (tree, reward, ran) = trained(9.0);
    // 200 rows count 9, 400 count 1.
    assert_eq!(tree, "run a\nanswer a\n");
    assert!(
        (reward - 1800.0 / 2200.0).abs() < 1e-6 && (ran[0] - 1.0).abs() < 1e-9 && ran[1] == 0.0,
        "{reward} {ran:?}"
    );
}
