//! Training with averages of calibrated probabilities, on tables drawn from a stated model.

use trt_select_premodel::{Answer, CandidateId, CandidateSignal, Mask, Premodel, Signal};
use trt_select_train::{
    Column, Front, Goal, Profile, Rng, Settings, Split, Task, Teacher, TopK, Unit, judge, nested, sweep,
};

const CLASSES: usize = 20;
const K: usize = 6;

/// A normal number, nearly: the sum of twelve uniform ones less six.
fn normal(rng: &mut Rng) -> f64 {
    (0..12).map(|_| rng.unit()).sum::<f64>() - 6.0
}

/// Rows of a model: an input has a difficulty d ~ N(0, 1) and a true class; candidate k gives the true class the logit
/// 2.5 + skill[k] − d + N(0, 0.7) and any other N(0, 1), and says softmax(sharpness[k] · logits). Candidates cost what `costs` says.
/// With `random` labels the labels are drawn anew, so that no signal tells anything about them.
fn table(rows: usize, seed: u64, skills: &[f64], sharpness: &[f64], costs: &[f64], random: bool) -> Profile {
    let n = skills.len();
    let mut rng = Rng::new(seed);
    let (mut classes, mut probabilities) = (vec![Vec::new(); n], vec![Vec::new(); n]);
    let mut profile = Profile {
        inputs: (0..rows).map(|r| format!("r{r}")).collect(),
        labels: Vec::new(),
        is_label_free: false,
        weights: None,
        candidates: (0..n).map(|c| format!("c{c}")).collect(),
        rewards: vec![Vec::new(); n],
        costs: costs.iter().map(|&c| vec![c; rows]).collect(),
        answers: vec![Vec::new(); n],
        columns: Vec::new(),
        features_cost: Vec::new(),
        topk: None,
        meta: Default::default(),
        recordings: Default::default(),
        sha256: "none".into(),
    };
    let mut top1 = vec![Vec::new(); n];
    for _ in 0..rows {
        let (difficulty, truth) = (normal(&mut rng), rng.below(CLASSES));
        let label = if random { rng.below(CLASSES) } else { truth };
        profile.labels.push(Some(label as u32));
        for c in 0..n {
            let mut said: Vec<(usize, f64)> = (0..CLASSES)
                .map(|class| {
                    let known = 2.5 + skills[c] - difficulty + 0.7 * normal(&mut rng);
                    let z = if class == truth { known } else { normal(&mut rng) };
                    (class, (sharpness[c] * z).exp())
                })
                .collect();
            let sum: f64 = said.iter().map(|s| s.1).sum();
            said.sort_by(|a, b| b.1.total_cmp(&a.1));
            profile.answers[c].push(said[0].0 as u32);
            profile.rewards[c].push(if said[0].0 == label { 1.0 } else { 0.0 });
            top1[c].push((said[0].1 / sum) as f32);
            classes[c].extend(said[..K].iter().map(|s| s.0 as u32));
            probabilities[c].extend(said[..K].iter().map(|s| (s.1 / sum) as f32));
        }
    }
    for (c, values) in top1.into_iter().enumerate() {
        let signal = Signal::Candidate(CandidateId(c as u8), CandidateSignal::Top1);
        profile.columns.push(Column { signal, values });
    }
    profile.topk = Some(TopK::new(K, CLASSES as u32, classes, probabilities).unwrap());
    profile
}

fn three(rows: usize, seed: u64, random: bool) -> Profile {
    table(rows, seed, &[0.0, 1.2, 2.0], &[1.0, 0.4, 2.5], &[1e6, 5e6, 12e6], random)
}

fn train(profile: &Profile, settings: &Settings) -> Front {
    let costs = profile.median_costs(Unit::Time).unwrap();
    sweep(&Task::new(profile, costs), settings, &|_, _| {}).unwrap()
}

fn quick() -> Settings {
    Settings::new().repeats(1).steps(18)
}

/// How many times cheaper than the best single candidate the front is at its reward, by the straight line between points.
fn times_cheaper(front: &Front) -> f64 {
    let best = front.singles[front.best_single.index()].clone();
    let curve: Vec<(f64, f64)> = front.points.iter().filter(|p| p.on_front).map(|p| (p.reward, p.cost)).collect();
    let at = curve.iter().position(|p| p.0 >= best.reward).expect("the best single candidate is a point");
    let (low, high) = (curve[at.saturating_sub(1)], curve[at]);
    let part = if high.0 > low.0 { ((best.reward - low.0) / (high.0 - low.0)).clamp(0.0, 1.0) } else { 1.0 };
    best.cost / (low.1 + part * (high.1 - low.1))
}

#[test]
fn averages_are_learnt_written_and_worth_it() {
    let profile = three(3000, 1, false);
    let front = train(&profile, &quick());
    let alone = train(&Profile { topk: None, ..profile.clone() }, &quick());
    assert!(times_cheaper(&front) > times_cheaper(&alone), "{} {}", times_cheaper(&front), times_cheaper(&alone));

    let point = front.meeting(Goal::AtLeastBestSingle { margin: 0.0 }).unwrap();
    let premodel = front.premodel(point).unwrap();
    let again = Premodel::from_json(&premodel.to_json()).unwrap();
    assert_eq!(again, premodel);
    assert!(premodel.signals().iter().any(|s| matches!(s, Signal::Average(..))), "{}", premodel.tree());
    // The second candidate was made too unsure of itself, the third too sure: sharpness 0.4 and 2.5.
    let t: Vec<f32> = (0..3).map(|c| premodel.temperature(CandidateId(c))).collect();
    assert!(t[1] < 0.7 * t[0] && t[2] > 1.3 * t[0], "{t:?}");

    let unseen = three(20_000, 2, false);
    let judged = judge(&again, &unseen).unwrap();
    assert!(judged.answered.iter().any(|a| matches!(a, Answer::Average(_))));
    let best = unseen.rewards[2].iter().map(|&r| f64::from(r)).sum::<f64>() / 20_000.0;
    assert!(
        judged.reward() > best - 0.006 && judged.cost() < 12e6 / 1.5,
        "{} {best} {}",
        judged.reward(),
        judged.cost()
    );
}

#[test]
fn random_labels_promise_nothing() {
    for seed in 0..3 {
        let profile = three(1500, 10 + seed, true);
        let front = train(&profile, &quick());
        for point in &front.points {
            assert!(point.over_best_single <= 3.0 * point.over_best_single_se.max(1e-9), "{point:?}");
        }
        let costs = profile.median_costs(Unit::Time).unwrap();
        let goal = [Goal::AtLeastBestSingle { margin: 0.0 }];
        let found = nested(&Task::new(&profile, costs), &quick(), &goal, Split::Folds(4), &|_, _| {}).unwrap();
        let over = found[0].over(&profile.rewards[front.best_single.index()], 1);
        assert!(over.low <= 0.0, "a gain from noise: {over:?}");
    }
}

#[test]
fn what_nested_promises_is_seen_on_new_inputs() {
    let profile = three(2000, 3, false);
    let costs = profile.median_costs(Unit::Time).unwrap();
    let goals = [Goal::AtLeastBestSingle { margin: 0.0 }, Goal::AtMost(4.0)];
    let unseen = three(20_000, 4, false);
    for goal in &goals {
        let found =
            nested(&Task::new(&profile, costs.clone()), &quick(), &[*goal], Split::Folds(5), &|_, _| {}).unwrap();
        let front = train(&profile, &quick().goal(*goal));
        let nested = &found[0];
        assert!(nested.rewards.iter().chain(&nested.costs).all(|v| v.is_finite()), "every row is judged once");
        let premodel = front.premodel(front.meeting(*goal).unwrap()).unwrap();
        let judged = judge(&premodel, &unseen).unwrap();
        let over = nested.over(&profile.rewards[2], 1);
        let seen =
            judged.rewards.iter().zip(&unseen.rewards[2]).map(|(a, &b)| a - f64::from(b)).sum::<f64>() / 20_000.0;
        assert!(over.low - 0.01 < seen && seen < over.high + 0.01, "{goal:?}: promised {over:?}, seen {seen}");
        let cheaper = nested.times_cheaper(costs.candidates[2], 1);
        assert!(
            (costs.candidates[2] / judged.cost() / cheaper.mean - 1.0).abs() < 0.2,
            "{cheaper:?} {}",
            judged.cost()
        );
    }
}

#[test]
fn without_labels_candidates_weigh_as_much_as_they_cost() {
    let profile = three(3000, 5, false);
    let costs = profile.median_costs(Unit::Time).unwrap();
    let free = profile.label_free(Teacher::Average, &costs).unwrap();
    let weights = |profile: &Profile| {
        let front = train(profile, &quick());
        let premodels: Vec<Premodel> = front.points.iter().map(|point| front.premodel(point).unwrap()).collect();
        let averages = premodels.iter().flat_map(|premodel| premodel.averages());
        averages.map(|average| (average.of, average.weights.clone())).collect::<Vec<_>>()
    };
    let by_cost = |(of, weights): &(Mask, Vec<f32>)| {
        let cost = |c: CandidateId| costs.candidates[c.index()];
        let sum: f64 = of.iter().map(cost).sum();
        of.iter().zip(weights).all(|(c, &weight)| (f64::from(weight) - cost(c) / sum).abs() < 0.002)
    };
    // The rows of a fold are as label-free as the table, and no table is half of it.
    assert!(free.with_rows(&[1, 2]).is_label_free && !profile.is_label_free);
    let other = |profile: Profile| Profile { recordings: Default::default(), ..profile };
    let error = Profile::join(vec![other(free.clone()), other(three(10, 6, false))]).unwrap_err().to_string();
    assert!(error.contains("expected a teacher's answers as in profile, got labels;"), "{error}");
    let free = weights(&free);
    assert!(!free.is_empty() && free.iter().all(by_cost), "{free:?}");
    assert!(!weights(&profile).iter().any(by_cost), "with labels weights are fitted");
}

#[test]
fn without_labels_most_of_the_gain_is_kept() {
    let gain = |front: &Front| 1.0 - 1.0 / times_cheaper(front);
    // One table keeps 0.7 to 1.0 of the gain, ten together 0.852 of theirs.
    let (mut with, mut without) = (0.0, 0.0);
    for seed in 5..15 {
        let profile = three(3000, seed, false);
        let costs = profile.median_costs(Unit::Time).unwrap();
        with += gain(&train(&profile, &quick()));
        let free = profile.label_free(Teacher::Average, &costs).unwrap();
        assert!(free.rewards != profile.rewards && free.labels != profile.labels);
        without += gain(&sweep(&Task::new(&free, costs).judged_by(&profile), &quick(), &|_, _| {}).unwrap());
    }
    assert!(without > 0.84 * with, "{without} of {with}");

    let profile = three(3000, 5, false);
    let costs = profile.median_costs(Unit::Time).unwrap();
    let best = profile.label_free(Teacher::Candidate(CandidateId(2)), &costs).unwrap();
    assert!(best.rewards[2].iter().all(|&r| r == 1.0), "the teacher agrees with itself");
    let no_answers = Profile { answers: vec![], ..profile.clone() };
    assert!(no_answers.label_free(Teacher::Average, &costs).is_err());
    assert!(Profile { topk: None, ..profile }.label_free(Teacher::Average, &costs).is_err());
}

#[test]
fn the_worst_path_is_kept_to() {
    let profile = three(2000, 6, false);
    for (worst_ms, most) in [(6.5, 6e6), (12.5, 12e6), (13.5, 13e6)] {
        let settings = quick().worst(worst_ms * 1e6);
        let front = train(&profile, &settings);
        for point in front.points.iter().filter(|p| p.on_front) {
            assert!(front.premodel(point).unwrap().worst_case_ns() <= most, "{worst_ms}");
        }
    }
    let costs = profile.median_costs(Unit::Time).unwrap();
    let none = quick().worst(0.5e6);
    let error = sweep(&Task::new(&profile, costs), &none, &|_, _| {}).unwrap_err().to_string();
    assert!(error.contains("room for the cheapest candidate: 1.0000 ms, got 0.5000 ms"), "{error}");
}

#[test]
fn many_candidates_are_searched_by_samples() {
    let n = 12;
    let skills: Vec<f64> = (0..n).map(|c| 0.25 * f64::from(c)).collect();
    let costs: Vec<f64> = (0..n).map(|c| 1e6 * 1.3_f64.powi(c)).collect();
    let profile = table(4000, 7, &skills, &vec![1.0; n as usize], &costs, false);
    let settings = Settings::new().folds(2).steps(9).repeats(1);
    let front = train(&profile, &settings);
    assert!(times_cheaper(&front) > 1.5, "{}", times_cheaper(&front));
    let json = |front: &Front| {
        let point = front.meeting(Goal::AtLeastBestSingle { margin: 0.0 }).unwrap();
        front.premodel(point).unwrap().to_json()
    };
    assert_eq!(json(&front), json(&train(&profile, &settings)), "the same seed, the same premodel");
}

#[test]
fn columns_that_only_measuring_knows_are_never_read() {
    let mut profile = Profile { topk: None, ..three(1500, 8, false) };
    for c in 0..3 {
        let signal = Signal::Candidate(CandidateId(c), CandidateSignal::Other("top5".into()));
        profile.columns.push(Column { signal, values: profile.rewards[usize::from(c)].clone() });
        let signal = Signal::Candidate(CandidateId(c), CandidateSignal::Other("energy_mj".into()));
        profile.columns.push(Column { signal, values: vec![f32::from(c) + 1.5; 1500] });
    }
    assert_eq!(profile.energies_mj().unwrap(), [1.5, 2.5, 3.5]);
    let front = train(&profile, &quick());
    for point in &front.points {
        let premodel = front.premodel(point).unwrap();
        assert!(premodel.signals().iter().all(|s| !matches!(s, Signal::Candidate(_, CandidateSignal::Other(_)))));
    }
}

#[test]
fn the_risk_of_a_class_is_learnt_where_it_tells() {
    // The cheap candidate confuses classes 0 to 3 half of the time and no others; it says the same of all.
    let mut rng = Rng::new(12);
    let mut text = String::from("input,label,a.reward,a.cost_ns,a.answer,b.reward,b.cost_ns,b.answer\n");
    for row in 0..3000 {
        let class = rng.below(10);
        let wrong = class < 4 && rng.unit() < 0.5;
        let answer = if wrong { (class + 1) % 4 } else { class };
        text += &format!("r{row},{class},{},1000,{answer},1,20000,{class}\n", u8::from(!wrong));
    }
    let profile = Profile::parse("risk.csv", text.as_bytes()).unwrap();
    let front = train(&profile, &quick());
    let point = front.meeting(Goal::AtLeast(0.97)).unwrap();
    let premodel = Premodel::from_json(&front.premodel(point).unwrap().to_json()).unwrap();
    assert!(premodel.tree().contains("a.risk"), "{}", premodel.tree());
    let risk = premodel.risk(CandidateId(0)).unwrap();
    assert!(risk[..4].iter().all(|r| (0.4..0.6).contains(r)) && risk[4..].iter().all(|&r| r < 0.05), "{risk:?}");
    let judged = judge(&premodel, &profile).unwrap();
    assert!(judged.reward() > 0.99 && judged.cost() < 10_000.0, "{} {}", judged.reward(), judged.cost());
}
