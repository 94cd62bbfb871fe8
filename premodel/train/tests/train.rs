//! Training, from tables made by hand.

use std::fmt::Write;

use trt_select_premodel::{Answer, CandidateId, Premodel, Request, Signal};
use trt_select_train::{
    Costs, Front, Goal, Point, Profile, ProfileError, Rng, Settings, Task, Unit, Worth, judge, oracle, sweep,
};

fn train(profile: &Profile, settings: &Settings) -> Front {
    let costs = profile.median_costs(Unit::Time).expect("the table has costs");
    sweep(&Task::new(profile, costs), settings, &|_, _| {}).expect("a table that fits")
}

fn best(front: &Front) -> Premodel {
    let point = front.meeting(Goal::AtLeastBestSingle { margin: 0.0 }).expect("a single candidate always meets it");
    front.premodel(point).expect("a program that fits")
}

/// 2,000 rows. The cheap candidate is right where the user's signal `speed` is at most 0.6, and its margin tells most of
/// the rest; the dear one is right on all but every twentieth row.
fn by_hand(rows: usize, seed: u64) -> String {
    let mut rng = Rng::new(seed);
    let mut text = String::from(
        "# engine: by hand\n# device: none\ninput,signal.speed,small.reward,small.cost_ns,small.margin,large.reward,large.cost_ns\n",
    );
    for row in 0..rows {
        let speed = rng.unit();
        let small = speed <= 0.6 || rng.unit() < 0.3;
        let margin = if small { 0.4 + 0.6 * rng.unit() } else { 0.7 * rng.unit() };
        let large = rng.unit() < 0.95;
        writeln!(text, "row{row},{speed},{},1000,{margin},{},20000", u8::from(small), u8::from(large)).unwrap();
    }
    text
}

#[test]
fn a_hand_made_table_works_end_to_end() {
    const ROWS: usize = 20_000;
    let profile = Profile::parse("by_hand.csv", by_hand(2000, 7).as_bytes()).unwrap();
    let front = train(&profile, &Settings::default());
    let premodel = best(&front);

    // Written, read back, checked, and walked as a program would: the user's column set before each input.
    let premodel = Premodel::from_json(&premodel.to_json()).unwrap();
    assert_eq!(premodel.trained_for.engine, "by hand");
    let unseen = Profile::parse("unseen.csv", by_hand(ROWS, 8).as_bytes()).unwrap();
    let program = premodel.program();
    let (mut reward, mut cost) = (0.0, 0.0);
    for row in 0..ROWS {
        let mut walk = program.start();
        let mut signals = vec![f32::NAN; premodel.signals().len()];
        let column = |signal: &Signal| unseen.columns.iter().find(|c| c.signal == *signal).unwrap().values[row];
        for (slot, signal) in signals.iter_mut().zip(premodel.signals()) {
            if matches!(signal, Signal::User(_)) {
                *slot = column(signal);
            }
        }
        let answer = loop {
            match program.step(&mut walk, &signals) {
                Request::Run(c) => {
                    cost += premodel.trained_for.costs_ns[c.index()];
                    for (slot, signal) in signals.iter_mut().zip(premodel.signals()) {
                        if signal.needs().has(c) {
                            *slot = column(signal);
                        }
                    }
                }
                Request::Answer(Answer::Candidate(c)) => break c,
                other => panic!("{other:?}"),
            }
        };
        reward += f64::from(unseen.rewards[answer.index()][row]);
    }
    let (reward, cost) = (reward / ROWS as f64, cost / ROWS as f64);
    // Small where it is surely right: both better and several times cheaper than the large one's 0.95 at 20,000.
    assert!(reward > 0.955 && cost < 11_000.0, "{reward} at {cost}\n{}", premodel.tree());
    let expected = premodel.expected.clone().unwrap();
    assert!((expected.reward.mean - reward).abs() < 0.015, "forecast {expected:?}, seen {reward}");
    assert!((expected.cost_ns.mean / cost - 1.0).abs() < 0.1, "forecast {expected:?}, seen {cost}");
    let mut named: Vec<String> = premodel.signals().iter().map(|s| s.name(premodel.candidates())).collect();
    named.sort();
    assert!(named.contains(&"signal.speed".to_string()), "{named:?}");
}

#[test]
fn the_same_seed_gives_the_same_premodel() {
    let profile = Profile::parse("by_hand.csv", by_hand(1000, 7).as_bytes()).unwrap();
    let once = best(&train(&profile, &Settings::default())).to_json();
    assert_eq!(once, best(&train(&profile, &Settings::default())).to_json());
}

#[test]
fn random_rewards_promise_no_gain() {
    let mut gained = 0;
    for seed in 0..5 {
        let mut rng = Rng::new(100 + seed);
        let mut text = String::from("input,feature.x,signal.y,a.reward,a.cost_ns,a.top1,b.reward,b.cost_ns,b.top1\n");
        for row in 0..2000 {
            let bit = |p: f64, rng: &mut Rng| u8::from(rng.unit() < p);
            let (a, b) = (bit(0.80, &mut rng), bit(0.85, &mut rng));
            let (x, y, t, u) = (rng.unit(), rng.unit(), rng.unit(), rng.unit());
            writeln!(text, "{row},{x},{y},{a},1,{t},{b},10,{u}").unwrap();
        }
        let profile = Profile::parse("random.csv", text.as_bytes()).unwrap();
        let front = train(&profile, &Settings::default());
        // No program may look better than the best single candidate by more than chance.
        for point in &front.points {
            assert!(point.over_best_single <= 3.0 * point.over_best_single_se.max(1e-9), "{point:?}");
        }
        let chosen = front.meeting(Goal::AtLeastBestSingle { margin: 0.0 }).unwrap();
        gained += usize::from(chosen.single != Some(front.best_single) && chosen.cost < 9.0);
    }
    assert_eq!(gained, 0, "a cheaper program as good as the best single candidate, from noise");
}

#[test]
fn a_dominant_candidate_is_used_always() {
    let mut rng = Rng::new(11);
    let mut text = String::from("input,feature.x,a.reward,a.cost_ns,a.top1,b.reward,b.cost_ns,b.top1\n");
    for row in 0..2000 {
        let b = rng.unit() < 0.7;
        let a = b || rng.unit() < 0.5;
        writeln!(text, "{row},{},{},5,{},{},10,{}", rng.unit(), u8::from(a), rng.unit(), u8::from(b), rng.unit())
            .unwrap();
    }
    let profile = Profile::parse("dominant.csv", text.as_bytes()).unwrap();
    let premodel = best(&train(&profile, &Settings::default()));
    assert_eq!(premodel.tree(), "run a\nanswer a\n");
}

#[test]
fn features_are_read_only_where_they_pay() {
    let table = |features_ns: u32| {
        let mut rng = Rng::new(21);
        let mut text = String::from("input,feature.x,features.cost_ns,a.reward,a.cost_ns,b.reward,b.cost_ns\n");
        for row in 0..3000 {
            let x = rng.unit();
            let a = x < 0.5 || rng.unit() < 0.5;
            writeln!(text, "{row},{x},{features_ns},{},100,1,1000", u8::from(a)).unwrap();
        }
        Profile::parse("features.csv", text.as_bytes()).unwrap()
    };
    let cheap = best(&train(&table(10), &Settings::default()));
    assert!(cheap.reads_features(), "{}", cheap.tree());
    let cost = &cheap.expected.as_ref().unwrap().cost_ns;
    assert!(cost.mean > 500.0 && cost.mean < 700.0, "half the rows at 100, half at 1000, all at 10: {cost:?}");
    assert_eq!(cheap.worst_case_ns(), 10.0 + cheap.program().worst_case(&[100.0, 1000.0]));
    let dear = best(&train(&table(900), &Settings::default()));
    assert!(!dear.reads_features(), "{}", dear.tree());
}

#[test]
fn features_take_room_from_the_worst_case() {
    // x tells where a is right, and b everywhere else; c is always right.
    let mut rng = Rng::new(22);
    let mut text =
        String::from("input,feature.x,features.cost_ns,a.reward,a.cost_ns,b.reward,b.cost_ns,c.reward,c.cost_ns\n");
    for row in 0..3000 {
        let x = rng.unit();
        writeln!(text, "{row},{x},300,{},100,{},500,1,1000", u8::from(x < 0.5), u8::from(x > 0.45)).unwrap();
    }
    let profile = Profile::parse("room.csv", text.as_bytes()).unwrap();
    let costs = profile.median_costs(Unit::Time).unwrap();
    let programs = |worst: f64| {
        let front = sweep(&Task::new(&profile, costs.clone()), &Settings::new().repeats(1).worst(worst), &|_, _| {});
        let front = front.unwrap();
        let all: Vec<Premodel> = front.points.iter().map(|point| front.premodel(point).unwrap()).collect();
        assert!(all.iter().all(|premodel| premodel.worst_case_ns() <= worst), "{worst}");
        all
    };
    let runs = |all: &[Premodel], features: bool, tree: &str| {
        all.iter().any(|premodel| premodel.reads_features() == features && premodel.tree().contains(tree))
    };
    // c fits only without the features, b beside them.
    let all = programs(1000.0);
    assert!(runs(&all, false, "run c") && runs(&all, true, "run b") && !runs(&all, true, "run c"));
    // The features leave no room for any candidate.
    let all = programs(350.0);
    assert!(runs(&all, false, "run a") && !all.iter().any(Premodel::reads_features));
    assert!(runs(&programs(1300.0), true, "run b"));
}

#[test]
fn where_samples_choose_the_sets_some_fit_beside_the_features() {
    // a is right on a quarter of the rows, where it is sure, and on most of those with x above a half. b knows the rest where x is below a half, e
    // more than that, but a and e together leave no room for the features. Seven networks know nothing, so that there are many sets.
    let mut rng = Rng::new(23);
    let names = ["a", "b", "c", "e", "n1", "n2", "n3", "n4", "n5", "n6", "n7"];
    let mut text = String::from("input,feature.x,features.cost_ns");
    names.iter().for_each(|name| write!(text, ",{name}.reward,{name}.cost_ns,{name}.top1").unwrap());
    text.push('\n');
    for row in 0..4000 {
        let (x, y) = (rng.unit(), rng.unit());
        let (below, a) = (x < 0.5, if x < 0.5 { y < 0.5 } else { y < 0.8 });
        let (b, e) = (below && !a, !a);
        write!(text, "{row},{x},50").unwrap();
        let sure = |is_sure: bool| if is_sure { 0.9 } else { 0.3 };
        for (right, cost, top1) in [(a, 100, sure(below && a)), (b, 400, sure(b)), (true, 600, 0.9), (e, 500, sure(e))]
        {
            write!(text, ",{},{cost},{}", u8::from(right), top1 + 0.05 * rng.unit()).unwrap();
        }
        (0..7).for_each(|_| write!(text, ",0,10,{}", rng.unit()).unwrap());
        text.push('\n');
    }
    let profile = Profile::parse("many.csv", text.as_bytes()).unwrap();
    let costs = profile.median_costs(Unit::Time).unwrap();
    let settings = Settings::new().repeats(1).folds(2).worst(600.0);
    let front = sweep(&Task::new(&profile, costs), &settings, &|_, _| {}).unwrap();
    let reads = |point: &&Point| front.premodel(point).unwrap().reads_features();
    let best = front.points.iter().filter(reads).map(|point| point.reward).fold(0.0, f64::max);
    assert!(best > 0.87, "x below a half: a, or b where a is unsure; else a: 0.9 of the rows, got {best}");
}

#[test]
fn judged_by_its_own_walk_a_premodel_does_what_was_forecast() {
    let profile = Profile::parse("by_hand.csv", by_hand(2000, 7).as_bytes()).unwrap();
    let front = train(&profile, &Settings::default());
    let unseen = Profile::parse("unseen.csv", by_hand(20_000, 8).as_bytes()).unwrap();
    let curve: Vec<(f64, f64)> = front.points.iter().filter(|p| p.on_front).map(|p| (p.cost, p.reward)).collect();
    for point in front.points.iter().filter(|p| p.on_front) {
        let judged = judge(&front.premodel(point).unwrap(), &unseen).unwrap();
        // Where programs change from one price to the next, a forecast is the mean of both kinds: so the program trained on all
        // rows is held against the front at its own cost, by the straight line between two points.
        let ahead = curve.iter().position(|p| p.0 >= judged.cost()).unwrap_or(curve.len() - 1);
        let (low, high) = (curve[ahead.saturating_sub(1)], curve[ahead]);
        let part = if high.0 > low.0 { ((judged.cost() - low.0) / (high.0 - low.0)).clamp(0.0, 1.0) } else { 0.0 };
        let forecast = low.1 + part * (high.1 - low.1);
        assert!((judged.reward() - forecast).abs() < 0.025, "{} at {}: {forecast}", judged.reward(), judged.cost());
        let Worth { reward, cost } = oracle(&unseen, &[1000.0, 20_000.0]);
        assert!(judged.reward() <= reward && (judged.cost() >= cost || judged.reward() < reward));
    }
    let rewards: Vec<f64> = front.points.iter().filter(|p| p.on_front).map(|p| p.reward).collect();
    assert!(rewards.windows(2).all(|w| w[0] < w[1]));
}

#[test]
fn goals_pick_their_point_or_say_what_there_is() {
    let profile = Profile::parse("by_hand.csv", by_hand(1000, 7).as_bytes()).unwrap();
    let settings = Settings::new().prices(vec![12.5]);
    let front = train(&profile, &settings);
    let cheap = front.meeting(Goal::AtMost(0.0015)).unwrap();
    assert!(cheap.cost <= 1500.0);
    assert!(front.meeting(Goal::AtLeast(0.9)).unwrap().reward >= 0.9);
    assert_eq!(front.meeting(Goal::Price(12.5)).unwrap().price, Some(12.5));
    for (goal, expected) in [
        (Goal::AtMost(0.0001), "0.0010 ms at least"),
        (Goal::AtLeast(1.1), "at most; ask for less"),
        (Goal::AtLeastBestSingle { margin: 0.5 }, "at most; ask for less"),
        (Goal::Price(3.0), "a price of the sweep"),
    ] {
        let error = front.meeting(goal).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn faulty_tables_are_refused_with_a_line() {
    const HEAD: &str = "input,label,feature.x,a.reward,a.cost_ns,a.answer,b.reward,b.cost_ns,b.answer\n";
    let parse = |text: &str| Profile::parse("p.csv", text.as_bytes());
    let row = "r1,3,0.5,1,10,3,0,20,4\n";
    let good = parse(&format!("# classes: 10\n{HEAD}{row}{HEAD}r2,,-1e3,0.25,10,3,0,20,3\n")).unwrap();
    assert_eq!((good.rows(), good.classes()), (2, 10));
    assert_eq!(good.labels, [Some(3), None]);
    let marked = parse(&format!("\u{feff}# engine: e\n{HEAD}{row}")).unwrap();
    assert_eq!(marked.meta["engine"], "e", "a byte-order mark hides nothing");
    let hash = parse(&format!("{HEAD}{}", row.replace("r1", "\"#1\""))).unwrap();
    assert_eq!(hash.inputs, ["#1"], "a quoted # is no comment");
    let agree = Signal::Agreement(CandidateId(0), CandidateId(1));
    assert_eq!(good.columns.iter().find(|c| c.signal == agree).unwrap().values, [0.0, 1.0]);

    let cases = [
        (String::new(), "line 1: expected a header"),
        (HEAD.into(), "at least one row"),
        (format!("{}{row}", HEAD.replace("b.cost_ns", "b.costs")), "expected a column 'b.cost_ns', got none"),
        (format!("{}{row}", HEAD.replace("input", "name")), "expected a column 'input', got none"),
        (format!("{}{row}", HEAD.replace(".reward", ".gain")), "expected a column 'CANDIDATE.reward', got none"),
        (format!("{}{row}", HEAD.replace("feature.x", "x")), "column 'x'"),
        (format!("{}{row}", HEAD.replace("feature.x", "c.top1")), "column 'c.top1'"),
        (format!("{}{row}", HEAD.replace("label", "input")), "each column once"),
        (
            format!("{HEAD}{}", row.replace("0.5", "NaN")),
            "line 2: column 'feature.x': expected a finite number, got 'NaN'",
        ),
        (format!("{HEAD}{}", row.replace("0.5", "inf")), "column 'feature.x': expected a finite number"),
        (format!("{HEAD}{}", row.replace("0.5", "")), "column 'feature.x': expected a finite number, got ''"),
        (format!("{HEAD}{}", row.replace(",1,10", ",1.5,10")), "column 'a.reward': expected a number in 0..=1"),
        (format!("{HEAD}{}", row.replace(",1,10", ",nan,10")), "column 'a.reward'"),
        (format!("{HEAD}{}", row.replace(",10,", ",-1,")), "column 'a.cost_ns'"),
        (format!("{HEAD}{}", row.replace("r1,3", "r1,x")), "column 'label'"),
        (format!("{HEAD}{row}{row}"), "line 3: column 'input': expected a name that no other row has"),
        (format!("{HEAD}{row}r2,3,0.5\n"), "line 3: expected 9 fields, got 3"),
        (format!("{HEAD}{row}r2,3,0.5,1"), "line 3: expected 9 fields, got 4"),
        (format!("{HEAD}{row}r2,3,0.5,1,10,3,0,20,"), "line 3: column 'b.answer'"),
        (format!("{HEAD}{row}r2,3,0.5,1,10,3,0,20,4"), "line 3: expected a newline at the end"),
        (format!("# engine: a\n{HEAD}{row}# engine: b\n"), "line 4: comment 'engine': expected 'a' as before, got 'b'"),
        (format!("{HEAD}\r\n\r\n{row}{row}"), "line 5: column 'input'"),
        (format!("{HEAD}{}", row.replace(",10,", ",1e300,")), "column 'a.cost_ns': expected a number in 0..=1e18"),
        (format!("{HEAD}r\u{fffd},").replace('\u{fffd}', "\""), "line 2"),
    ];
    for (text, expected) in cases {
        let error: ProfileError = parse(&text).expect_err(&text);
        let line = error.to_string();
        assert!(line.contains(expected) && line.starts_with("p.csv") && !line.contains('\n'), "{text:?}: {line}");
    }
    let latin = Profile::parse("p.csv", &[HEAD.as_bytes(), b"r\xff1,3,0.5,1,10,3,0,20,4\n"].concat()).unwrap_err();
    assert!(latin.to_string().contains("UTF-8"), "{latin}");
}

#[test]
fn fewer_candidates_keep_what_still_makes_sense() {
    let text = "input,a.reward,a.answer,a.top1,b.reward,b.answer,c.reward,c.answer\n1,1,2,0.5,0,2,1,3\n";
    let profile = Profile::parse("p.csv", text.as_bytes()).unwrap();
    let some = profile.with_candidates(&[CandidateId(2), CandidateId(0)]);
    assert_eq!(some.candidates, ["c", "a"]);
    assert_eq!(some.rewards, [[1.0], [1.0]]);
    let names: Vec<String> = some.columns.iter().map(|c| c.signal.name(&some.candidates)).collect();
    assert_eq!(names, ["a.top1", "agree.a.c"]);
}

#[test]
fn where_nothing_costs_anything_the_best_reward_is_taken() {
    let profile = Profile::parse("by_hand.csv", by_hand(1000, 7).as_bytes()).unwrap();
    let front =
        sweep(&Task::new(&profile, Costs::time_ns(vec![0.0, 0.0], 0.0)), &Settings::default(), &|_, _| {}).unwrap();
    let premodel = best(&front);
    assert!(front.points.iter().all(|p| p.cost == 0.0 && p.price.is_none_or(|l| l == 0.0)));
    let judged = judge(&premodel, &profile).unwrap();
    assert!(judged.reward() >= 0.94, "{}", premodel.tree());
}

#[test]
fn settings_without_sense_are_refused() {
    let profile = Profile::parse("by_hand.csv", by_hand(1000, 7).as_bytes()).unwrap();
    let base = Settings::default();
    for settings in [
        base.clone().folds(1),
        base.clone().folds(1001),
        base.clone().max_runs(0),
        base.clone().steps(0),
        base.clone().significance(f64::NAN),
        base.clone().prices(vec![-1.0]),
        base.clone().prices(vec![f64::INFINITY]),
    ] {
        assert!(
            sweep(&Task::new(&profile, Costs::time_ns(vec![1.0, 2.0], 0.0)), &settings, &|_, _| {}).is_err(),
            "{settings:?}"
        );
    }
    assert!(sweep(&Task::new(&profile, Costs::time_ns(vec![1.0], 0.0)), &base, &|_, _| {}).is_err());
    assert!(sweep(&Task::new(&profile, Costs::time_ns(vec![1.0, f64::NAN], 0.0)), &base, &|_, _| {}).is_err());
}
