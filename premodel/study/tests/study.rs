//! The study as a whole: it must not claim a gain where there is none, and the same seed must give the same results.

use std::fmt::Write;

use trt_select_study::{Group, Options, Rival, Study, study};
use trt_select_train::{Profile, Rng};

fn options() -> Options {
    Options::new().folds(5)
}

fn of(text: &str, options: &Options) -> Study {
    let profile = Profile::parse("study.csv", text.as_bytes()).expect("a table that fits");
    study(&profile, options, &|_, _, _| ()).expect("a profile that can be studied")
}

/// A table with three networks, two features and top-1 probabilities; `rewards` says what the networks are worth on a row
/// whose features and probabilities are given.
fn generated(rows: usize, seed: u64, rewards: impl Fn(&mut Rng, [f64; 2], [f64; 3]) -> [bool; 3]) -> String {
    let mut rng = Rng::new(seed);
    let mut text = String::from("# engine: by hand\ninput,feature.f0,feature.f1,features.cost_ns");
    for (name, cost) in [("a", 1), ("b", 3), ("c", 9)] {
        write!(text, ",{name}.reward,{name}.cost_ns,{name}.top1,{name}.top5,{name}.energy_mj").unwrap();
        assert!(cost > 0);
    }
    text.push('\n');
    for row in 0..rows {
        let features = [rng.unit(), rng.unit()];
        let top1 = [rng.unit(), rng.unit(), rng.unit()];
        let right = rewards(&mut rng, features, top1);
        write!(text, "row{row},{},{},100000", features[0], features[1]).unwrap();
        for (i, cost) in [1_000_000, 3_000_000, 9_000_000].into_iter().enumerate() {
            let top5 = right[i] || row % 2 == 0;
            write!(text, ",{},{cost},{},{},{}", u8::from(right[i]), top1[i], u8::from(top5), cost / 100_000).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn random_rewards_promise_nothing() {
    // Nothing tells which network is right, and all are right as often.
    let text = generated(1500, 11, |rng, _, _| [0; 3].map(|_| rng.unit() < 0.7));
    let found = of(&text, &options());
    assert!(found.of(Group::Chain).count() == 27 && found.of(Group::Classifier).count() == 4);
    assert!(found.of(Group::Cascade).count() > 10 && found.of(Group::Program).count() == 1);
    let unseen = found.selectors.iter().filter(|s| s.group != Group::Oracle);
    // Of 95 % intervals one in forty lies above 0 by luck, and there are many here. So the bound is one that all of them keep
    // together: four standard errors.
    for s in unseen {
        let standard_error = (s.over_best_single.high - s.over_best_single.low) / 3.92;
        assert!(s.over_best_single.mean <= 4.0 * standard_error + 1e-12, "{}: {:?}", s.name, s.over_best_single);
    }
    let goal = found.of(Group::Program).next().expect("a program");
    assert!(goal.over_best_single.low <= 0.0, "{:?}", goal.over_best_single);
    let oracle = found.of(Group::Oracle).next().expect("an oracle");
    assert!(oracle.accuracy.mean > 0.95, "the oracle sees the truth");
}

#[test]
fn where_one_network_dominates_all_say_so() {
    // The cheapest is right wherever any is.
    let text = generated(800, 12, |rng, _, _| {
        let a = rng.unit() < 0.9;
        [a, a && rng.unit() < 0.8, a && rng.unit() < 0.8]
    });
    let found = of(&text, &options());
    assert_eq!(found.kept.len(), 1, "Algorithm 1 keeps one");
    assert!(found.optimal[0] > 0.85 && found.optimal[1] == 0.0 && found.optimal[2] == 0.0);
    let single = found.of(Group::Single).next().expect("the first network").clone();
    for s in found.selectors.iter().filter(|s| s.group != Group::Single && s.group != Group::Oracle) {
        assert_eq!(s.accuracy.mean, single.accuracy.mean, "{}", s.name);
        let features = if matches!(s.group, Group::Chain | Group::Classifier) { found.features_ns } else { 0.0 };
        assert!((s.mean_ns - single.mean_ns - features).abs() < 1e-6, "{}: {}", s.name, s.mean_ns);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    // The features tell something, and the probabilities too.
    let text = generated(600, 13, |rng, f, t| [f[0] + 0.2 * t[0] > 0.5, f[1] > 0.4 || t[1] > 0.7, rng.unit() < 0.9]);
    let files = |seed: u64| of(&text, &options().seed(seed)).files().expect("plots can be drawn");
    let (first, second, other) = (files(1), files(1), files(2));
    // Measured times differ: those of overhead.csv, which study.md shows too.
    let measured = |name: &str| name == "overhead.csv" || name == "study.md";
    for (a, b) in first.iter().zip(&second).filter(|(a, _)| !measured(&a.0)) {
        assert_eq!(a, b, "{}", a.0);
    }
    let selectors =
        |files: &[(String, String)]| files.iter().find(|f| f.0 == "selectors.csv").expect("a table").1.clone();
    assert_ne!(selectors(&first), selectors(&other), "another seed deals other folds");

    let names: Vec<&str> = first.iter().map(|f| f.0.as_str()).collect();
    for name in ["accuracy.svg", "optimal.svg", "counts.svg", "features.svg", "correlations.csv", "study.md"] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
    let page = &first.last().expect("the page").1;
    for name in &names[..names.len() - 1] {
        assert!(page.contains(&format!("({name})")), "{name} is linked");
    }
    // Each row of a CSV has as many fields as its header; plots have their text.
    for (name, text) in &first {
        if name.ends_with(".csv") {
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            assert!(reader.records().all(|r| r.is_ok()), "{name}");
        }
        if name.ends_with(".svg") {
            assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>") && !text.contains("NaN"), "{name}");
        }
    }
    assert!(first.iter().any(|(n, text)| n == "accuracy.svg" && text.contains("decision programs")));
}

/// The programs may do what cascades do, so their front lies above cascades where confidence tells what is right.
#[test]
fn the_front_is_held_beside_all_others_at_their_own_time() {
    let text = generated(3000, 15, |rng, _, t| [t[0] > 0.4, rng.unit() < 0.5 + 0.45 * t[1], rng.unit() < 0.93]);
    let found = of(&text, &options());
    let beside = found.beside();
    let of_kind = |kind: Rival| beside.iter().filter(move |b| b.kind == kind);
    assert_eq!(of_kind(Rival::Single).count(), 3);
    assert!(Rival::ALL.into_iter().all(|kind| of_kind(kind).count() > 0));
    for b in &beside {
        let front = b.front.expect("the cheapest network is a program");
        assert_eq!(b.over(), Some(front - b.accuracy));
        // A single network is a program; others differ by the noise of 3,000 rows at the most.
        let least = if b.kind == Rival::Single { 0.0 } else { -0.01 };
        assert!(front - b.accuracy >= least - 1e-9, "{b:?}");
        for front_of in found.fronts.iter().filter(|f| f.group == Group::Program) {
            assert!(
                front_of.points.iter().all(|p| p.mean_ns > b.mean_ns * 1.000_001 || p.accuracy <= front + 1e-9),
                "{b:?}"
            );
        }
    }
    let dearest = of_kind(Rival::Single).max_by(|a, b| a.mean_ns.total_cmp(&b.mean_ns)).expect("three");
    assert!(dearest.over() > Some(0.005), "at the dearest network's time a program is better: {dearest:?}");
    for a in of_kind(Rival::Hindsight) {
        assert!(of_kind(Rival::Hindsight).all(|b| b == a || b.accuracy < a.accuracy || b.mean_ns > a.mean_ns));
    }
    let program = found.overheads.iter().find(|o| o.selector.starts_with("decision program")).expect("it was trained");
    assert!(program.decision_ns.is_some_and(|ns| ns > 0.0), "{program:?}");
}

/// Two networks over six classes, one of them unsure, with their five most probable classes beside: averages answer, and are
/// reported like all others.
#[test]
fn averages_have_a_top5_an_energy_and_an_overhead() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut rng = Rng::new(16);
    let mut text = String::from("input,label");
    for name in ["a", "b"] {
        write!(text, ",{name}.reward,{name}.cost_ns,{name}.answer,{name}.top1,{name}.energy_mj").unwrap();
    }
    let mut side = String::from("# k: 5\n# classes: 6\ninput,a.topk,b.topk\n");
    text.push('\n');
    for row in 0..1500 {
        let label = rng.below(6);
        write!(text, "row{row},{label}").unwrap();
        write!(side, "row{row}").unwrap();
        for (cost, skill) in [(1_000_000, 1.0), (9_000_000, 1.6)] {
            let scores: Vec<f64> = (0..6).map(|c| rng.unit() * 4.0 + if c == label { skill } else { 0.0 }).collect();
            let sum: f64 = scores.iter().map(|s| s.exp()).sum();
            let mut order: Vec<usize> = (0..6).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            let p = |c: usize| scores[c].exp() / sum;
            let right = u8::from(order[0] == label);
            write!(text, ",{right},{cost},{},{},{}", order[0], p(order[0]), cost / 100_000).unwrap();
            let cells: Vec<String> = order[..5].iter().map(|&c| format!("{c}:{:.6}", p(c))).collect();
            write!(side, ",{}", cells.join(" ")).unwrap();
        }
        text.push('\n');
        side.push('\n');
    }
    let path = dir.path().join("p.csv");
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join("p.topk.csv"), side).unwrap();
    let profile = Profile::read(&path).expect("a table that fits");
    let found = study(&profile, &options(), &|_, _, _| ()).expect("a profile that can be studied");
    let program = found.of(Group::Program).next().expect("a program");
    let best = found.of(Group::Single).nth(1).expect("the second network");
    let most = found.fronts[0].points.iter().map(|p| p.over_best_single).fold(f64::MIN, f64::max);
    assert!(most > 0.01, "two are better than one: {most}");
    let (top5, energy) = (program.top5.expect("known"), program.energy_mj.expect("measured"));
    assert!(top5 > best.top5.expect("known") - 0.02 && top5 < 1.0, "{top5} {best:?}");
    // Milliwatts are the same for both networks, so energy is time.
    assert!((energy - program.mean_ns / 1e5).abs() < 1e-6, "{energy} {}", program.mean_ns);
    let overhead = found.overheads.iter().find(|o| o.selector.starts_with("decision program")).expect("it was trained");
    assert!(overhead.decision_ns.is_some_and(|ns| ns > 0.0), "{overhead:?}");
    assert!(found.files().is_ok());
}

#[test]
fn top5_and_energy_are_reported_and_never_read() {
    // top5 would tell the truth on every odd row: a program that read it would be nearly perfect.
    let text = generated(1000, 14, |rng, _, _| [0; 3].map(|_| rng.unit() < 0.6));
    let found = of(&text, &options());
    for s in found.of(Group::Program) {
        assert!(s.over_best_single.mean < 0.06, "{:?}", s.over_best_single);
    }
    for front in &found.fronts {
        assert!(front.points.iter().all(|p| p.over_best_single < 0.06));
    }
    let small = found.of(Group::Single).next().expect("the first network");
    assert_eq!(small.energy_mj, Some(10.0));
    let top5 = small.top5.expect("the columns are there");
    assert!(top5 > 0.7 && top5 < 0.9, "{top5}");
}

#[test]
fn profiles_that_cannot_be_studied_say_why() {
    let error = |text: &str, options: &Options| {
        let profile = Profile::parse("t", text.as_bytes()).expect("a table");
        let error = study(&profile, options, &|_, _, _| ()).expect_err("no study").to_string();
        assert!(!error.contains('\n') && error.contains("expected") && error.contains("got"), "{error}");
        error
    };
    assert!(error("input,a.reward,b.reward\n1,1,0\n", &options()).contains("cost_ns"));
    assert!(error("input,a.reward,a.cost_ns\n1,1,5\n", &options()).contains("2 candidates"));
    let few = "input,a.reward,a.cost_ns,b.reward,b.cost_ns\n1,1,5,0,6\n2,1,5,0,6\n";
    assert!(error(few, &options()).contains("folds"));
    let unknown = options().features(vec!["hue9".into()]);
    assert!(error(few, &unknown).contains("'hue9'"));
    let text = generated(20, 1, |_, _, _| [true; 3]);
    assert!(error(&text, &options().folds(1)).contains("folds"));
}

#[test]
fn without_features_and_probabilities_the_rest_stands() {
    let mut rng = Rng::new(3);
    let mut text = String::from("input,a.reward,a.cost_ns,b.reward,b.cost_ns\n");
    for row in 0..100 {
        writeln!(text, "{row},{},1000,{},9000", rng.below(2), rng.below(2)).unwrap();
    }
    let found = of(&text, &options());
    assert_eq!((found.of(Group::Chain).count(), found.of(Group::Cascade).count()), (0, 0));
    assert!(found.correlations.is_none() && found.counts.len() == 1);
    let files = found.files().expect("plots can be drawn");
    assert!(files.iter().any(|(name, text)| name == "study.md" && text.contains("no image features")));
}
