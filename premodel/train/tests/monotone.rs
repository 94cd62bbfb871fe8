//! No trained program runs a dearer candidate on a higher confidence; what was left out of a program was not missed.

use std::path::Path;

use proptest::prelude::*;

use trt_select_premodel::{CandidateId, CandidateSignal, Node, Premodel, Signal, SignalId, TrainedFor, View};
use trt_select_train::{
    Column, Front, Kind, Profile, Rng, Settings, Task, TopK, Unit, escalations, judge, singles, sweep,
};

const CLASSES: usize = 6;

/// Candidates of random skill and costs, of which each has some confidences; some tables also have most probable classes, a feature and a
/// signal of the user's own, both of which tell something that no confidence does.
fn drawn(seed: u64, rows: usize, candidates: usize, with_topk: bool) -> Profile {
    let mut rng = Rng::new(seed);
    let skills: Vec<f64> = (0..candidates).map(|c| 0.45 + 0.3 * rng.unit() + 0.08 * c as f64).collect();
    let mut csv = String::from("input,label,feature.contrast,signal.speed");
    (0..candidates)
        .for_each(|c| csv += &format!(",c{c}.reward,c{c}.answer,c{c}.cost_ns,c{c}.top1,c{c}.margin,c{c}.entropy"));
    csv += "\n";
    let costs: Vec<f64> = (0..candidates).map(|c| 1e5 * (1.0 + 9.0 * rng.unit()) * (1.0 + c as f64)).collect();
    let (mut classes, mut probabilities) = (vec![Vec::new(); candidates], vec![Vec::new(); candidates]);
    for row in 0..rows {
        let (hard, label, fast) = (rng.unit(), rng.below(CLASSES), rng.unit() < 0.2);
        csv += &format!("r{row},{label},{},{}", 10.0 * hard + 5.0 * rng.unit(), u8::from(fast));
        for c in 0..candidates {
            // Fast inputs turn the confidence of the first candidate around.
            let known = skills[c] - 0.5 * hard + 0.4 * (rng.unit() - 0.5);
            let is_right = rng.unit() < (known + 0.3).clamp(0.05, 0.99);
            let said = if is_right { label } else { (label + 1 + rng.below(CLASSES - 1)) % CLASSES };
            let sure = if fast && c == 0 { 1.0 - known } else { known };
            let top1 = (0.25 + 0.7 * sure + 0.2 * rng.unit()).clamp(0.2, 0.999);
            let second = (1.0 - top1) * (0.3 + 0.6 * rng.unit());
            let entropy = (1.0 - top1) * (0.5 + 0.5 * rng.unit());
            csv += &format!(",{},{said},{},{top1},{},{entropy}", u8::from(is_right), costs[c], top1 - second);
            classes[c].extend([said as u32, ((said + 1) % CLASSES) as u32]);
            probabilities[c].extend([top1 as f32, second.min(top1) as f32]);
        }
        csv += "\n";
    }
    let mut profile = Profile::parse("drawn.csv", csv.as_bytes()).unwrap();
    profile.topk = with_topk.then(|| TopK::new(2, CLASSES as u32, classes, probabilities).unwrap());
    profile
}

fn trained(profile: &Profile, settings: &Settings) -> Front {
    let costs = profile.median_costs(Unit::Time).unwrap();
    sweep(&Task::new(profile, costs), settings, &|_, _| {}).unwrap()
}

/// The program of every point, plain cascades and single candidates too, can be made, and none escalates on a higher confidence.
fn check(front: &Front) -> Result<usize, TestCaseError> {
    let mut tests = 0;
    for point in &front.points {
        let premodel = front.premodel(point).unwrap();
        let found = escalations(&premodel);
        prop_assert!(found.is_empty(), "{found:?} in\n{}", premodel.tree());
        tests += premodel.program().nodes().iter().filter(|n| matches!(n.view(), View::Test { .. })).count();
    }
    Ok(tests)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_trained_program_escalates_on_a_higher_confidence(
        seed in any::<u64>(), candidates in 2_usize..5, with_topk in any::<bool>(), tests in 1_usize..4,
    ) {
        let profile = drawn(seed, 500, candidates, with_topk);
        let settings = Settings::new().steps(6).repeats(1).folds(2).tests(tests).significance(0.5).seed(seed);
        check(&trained(&profile, &settings))?;
    }

    /// Against every input of a grid: where the check finds nothing, no value of any signal breaks the order, and where it finds something,
    /// some value does.
    #[test]
    fn the_check_finds_what_a_grid_finds(seed in any::<u64>()) {
        let premodel = random_program(seed);
        let found = escalations(&premodel);
        prop_assert_eq!(found.is_empty(), grid(&premodel).is_none(), "{:?} {:?}\n{}", found, grid(&premodel), premodel.tree());
    }
}

/// A program that runs candidate 0 and then makes random tests of its top-1 probability, its entropy and a feature, with random actions.
fn random_program(seed: u64) -> Premodel {
    let mut rng = Rng::new(seed);
    let names: Vec<String> = ["a", "b", "c"].map(String::from).into();
    let signals = ["a.top1", "a.entropy", "feature.contrast"].map(|name| Signal::parse(name, &names).unwrap());
    let mut nodes = vec![Node::run(CandidateId(0), 1)];
    grow(&mut nodes, 3, &mut rng);
    let trained_for = TrainedFor::of_costs(vec![1.0, 3.0, 9.0]);
    Premodel::new(names, 4, signals.into(), nodes, vec![CandidateId(2)], Vec::new(), trained_for).unwrap()
}

fn grow(nodes: &mut Vec<Node>, depth: usize, rng: &mut Rng) {
    let at = nodes.len();
    if depth > 0 && rng.unit() < 0.8 {
        let (signal, threshold) = (SignalId(rng.below(3) as u16), 0.1 + 0.2 * rng.below(5) as f32);
        nodes.push(Node::test(signal, threshold, 0, 0));
        grow(nodes, depth - 1, rng);
        let second = nodes.len() as u16;
        grow(nodes, depth - 1, rng);
        nodes[at] = Node::test(signal, threshold, at as u16 + 1, second);
        return;
    }
    match rng.below(3) {
        0 => nodes.push(Node::answer(CandidateId(0))),
        c => nodes.extend([Node::run(CandidateId(c as u8), at as u16 + 1), Node::answer(CandidateId(c as u8))]),
    }
}

/// Two inputs that differ in one confidence alone, of which the surer one is asked for a dearer candidate.
fn grid(premodel: &Premodel) -> Option<([usize; 3], usize)> {
    const STEPS: usize = 6;
    let cost = |at: [usize; 3]| {
        let values = at.map(|i| 0.2 * i as f32);
        let nodes = premodel.program().nodes();
        let mut node = 1;
        loop {
            match nodes[node].view() {
                View::Test { signal, threshold, then, otherwise } => {
                    node = usize::from(if values[signal.index()] <= threshold { then } else { otherwise });
                }
                View::Run { candidate, .. } => return premodel.trained_for.costs_ns[candidate.index()],
                View::Answer(_) => return -1.0,
            }
        }
    };
    for place in 0..STEPS.pow(3) {
        let at = [place % STEPS, place / STEPS % STEPS, place / STEPS.pow(2)];
        // The top-1 probability makes surer as it rises, the entropy as it falls.
        for (signal, surer) in [(0, at[0] + 1), (1, at[1].wrapping_sub(1))] {
            let mut other = at;
            other[signal] = surer;
            if surer < STEPS && cost(other) > cost(at) {
                return Some((at, signal));
            }
        }
    }
    None
}

#[test]
fn fashion_programs_are_monotone_and_none_wastes_a_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plans/fashion/profile.csv");
    let profile = Profile::read(&path).unwrap();
    let front = trained(&profile, &Settings::new().steps(12).repeats(1));
    assert!(check(&front).unwrap() > 8, "programs make tests");
    // The band of the earlier premodel, on whose 2,027 rows `small` ran without changing an answer, is gone: no program of the front costs
    // more than always using the best candidate for no more reward.
    let best =
        singles(&profile, &profile.median_costs(Unit::Time).unwrap().candidates)[front.best_single.index()].clone();
    for point in front.points.iter().filter(|point| point.kind == Kind::Searched && point.on_front) {
        let judged = judge(&front.premodel(point).unwrap(), &profile).unwrap();
        assert!(judged.cost() < best.cost || judged.reward() > best.reward, "{point:?}");
    }
}

#[test]
fn a_free_signal_may_go_either_way() {
    // Where `speed` is 1 the cheap candidate is right, else mostly wrong, whatever it says of itself.
    let mut rng = Rng::new(4);
    let mut csv = String::from("input,signal.speed,a.reward,a.cost_ns,a.top1,b.reward,b.cost_ns,b.top1\n");
    for row in 0..800 {
        let fast = rng.unit() < 0.5;
        csv +=
            &format!("r{row},{},{},1000000,{},1,9000000,0.9\n", u8::from(fast), u8::from(fast), 0.5 + 0.4 * rng.unit());
    }
    let profile = Profile::parse("p.csv", csv.as_bytes()).unwrap();
    let front = trained(&profile, &Settings::new().steps(9).repeats(1));
    let point = front.points.iter().find(|p| p.reward == 1.0 && p.cost < 7e6).expect("the signal tells");
    let premodel = front.premodel(point).unwrap();
    assert!(premodel.signals().contains(&Signal::User("speed".into())), "{}", premodel.tree());
    assert!(escalations(&premodel).is_empty());
}

#[test]
fn columns_of_a_confidence_are_named() {
    // `drawn` has what the tests above are about.
    let profile = drawn(1, 50, 2, false);
    let has = |signal: &Signal| profile.columns.iter().any(|column: &Column| column.signal == *signal);
    assert!(has(&Signal::Candidate(CandidateId(1), CandidateSignal::Entropy)));
    assert!(has(&Signal::Feature("contrast".into())) && has(&Signal::User("speed".into())));
}
