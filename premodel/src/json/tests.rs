use super::*;
use crate::model::tests::sample;
use crate::provenance::Interval;

#[test]
fn json_gives_back_the_same_bits() {
    let model = sample();
    let text = model.to_json();
    assert_eq!(Premodel::from_json(&text).unwrap(), model);
    assert!(text.contains("0.3333333432674408"), "{text}");
}

fn calibrated() -> Premodel {
    let mut model = sample();
    model.signals[1] = Signal::Average(Mask(1), crate::AverageSignal::Margin);
    let average = Average { of: Mask(3), weights: [0.3, 0.7].into() };
    model.with_calibration([1.1, 0.05].into(), [average].into()).unwrap()
}

#[test]
fn calibration_goes_both_ways_and_old_files_stay_as_they_are() {
    let model = calibrated();
    let text = model.to_json();
    assert!(text.contains("avg.small.margin") && text.contains("1.100000023841858"), "{text}");
    assert_eq!(Premodel::from_json(&text).unwrap(), model);
    // The names of an average may stand in any order, as long as each weight stands where its name does.
    let file = |of: [&str; 2], weights: [f64; 2]| {
        let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["averages"] = serde_json::json!([{ "of": of, "weights": weights }]);
        Premodel::from_json(&value.to_string())
    };
    assert_eq!(file(["large", "small"], [0.7, 0.3]).unwrap(), model);
    for (of, weights, expected) in [
        (["small", "small"], [0.3, 0.7], "distinct candidates"),
        (["small", "medium"], [0.3, 0.7], "'medium'"),
        (["small", "large"], [0.3, 0.8], "sum 1"),
        (["small", "large"], [1e300, -1e300], "0..=1"),
    ] {
        let error = file(of, weights).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{error}");
    }
    let old = sample().to_json();
    assert!(!old.contains("temperatures") && !old.contains("averages"), "{old}");
    assert_eq!(Premodel::from_json(&old).unwrap().to_json(), old);
}

/// The sample's program, one that always runs `small`, and one that always runs `large`, with a mix of the last two.
fn several() -> Premodel {
    let at = |mean: f64| Interval { mean, low: mean - 0.125, high: mean + 0.125 };
    let expect = |reward, ns| Some(Expected::new(at(reward), at(ns), at(reward - 0.9), "made up".into()));
    let nodes = sample().program().nodes().to_vec();
    let small = Alternative::single(CandidateId(0), 2).expected(expect(0.8, 1e3));
    let programs = alloc::vec![
        small.price(Some(2.5)),
        Alternative::new(nodes).price(Some(0.1)).expected(expect(0.9, 5e3)).ran([0.75, 1.0 / 3.0].into()),
        Alternative::new([Node::run(CandidateId(1), 1), Node::answer(CandidateId(1))].into()),
    ];
    let mix = Mix { programs: [0, 2], share: 0.375, seed: u64::MAX };
    sample().with_programs(programs, 1).unwrap().with_mix(Some(mix)).unwrap()
}

#[test]
fn several_programs_go_both_ways() {
    let model = several();
    let text = model.to_json();
    assert!(text.contains("\"version\": 2"), "{text}");
    let again = Premodel::from_json(&text).unwrap();
    assert_eq!((&again, again.to_json()), (&model, text));
    assert_eq!((again.chosen(), again.programs().len(), again.mix().unwrap().share), (1, 3, 0.375));
    assert_eq!(again.program().nodes(), sample().program().nodes());
    assert_eq!(again.expected.as_ref().unwrap().reward.mean, 0.9);
    let other = again.with_chosen(0).unwrap();
    assert_eq!(other.expected.as_ref().unwrap().reward.mean, 0.8);
    assert_eq!(other.program_at(1).unwrap().expected().unwrap().reward.mean, 0.9);
    assert_eq!(Premodel::from_json(&other.to_json()).unwrap(), other);
    assert_eq!(other.with_chosen(0).unwrap().with_chosen(1).unwrap(), model);

    // One program is version 1 unless it says what version 1 cannot.
    let nodes = || sample().program().nodes().to_vec();
    let one = |alternative: Alternative| sample().with_programs(alloc::vec![alternative], 0).unwrap();
    assert_eq!(one(Alternative::new(nodes())).to_json(), sample().to_json());
    for more in [Alternative::new(nodes()).price(Some(0.0)), Alternative::new(nodes()).ran([1.0, 0.0].into())] {
        let model = one(more);
        assert!(model.to_json().contains("\"version\": 2"));
        assert_eq!(Premodel::from_json(&model.to_json()).unwrap(), model);
    }
}

#[test]
fn faulty_files_of_several_programs_are_refused_with_a_line() {
    let text = several().to_json();
    let good: serde_json::Value = serde_json::from_str(&text).unwrap();
    let refuse = |change: &dyn Fn(&mut serde_json::Value), expected: &str| {
        let mut value = good.clone();
        change(&mut value);
        let error = Premodel::from_json(&value.to_string()).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{expected}: {error}");
    };
    let set = |path: &'static str, to: serde_json::Value, expected: &str| {
        refuse(&|value: &mut serde_json::Value| *value.pointer_mut(path).expect(path) = to.clone(), expected);
    };
    use serde_json::json;
    set("/chosen", json!(3), "1 to 64 programs and the number of the chosen one, got 3 and 3");
    set("/chosen", json!(-1), "expected its JSON form");
    set("/programs", json!([]), "got 0 and 1");
    set("/programs/0/price", json!(-1.0), "programs[0]: expected a finite price of at least 0, got -1");
    set("/programs/1/ran", json!([0.5]), "programs[1]: expected 2 shares in 0..=1 under ran");
    set("/programs/1/ran/0", json!(1.5), "programs[1]: expected 2 shares in 0..=1 under ran");
    set("/programs/0/expected/cost_ns/mean", json!(-1.0), "programs[0]: expected finite expectations");
    set("/programs/0/expected/reward/low", json!(null), "expected its JSON form");
    set("/programs/2/program/1/answer", json!("small"), "programs[2]: program node 1");
    set("/programs/2/program/0/run", json!("medium"), "got 'medium'");
    set("/programs/1/program/2/threshold", json!(0.1), "programs[1] node 2: expected a threshold");
    set("/programs/1/program", json!([]), "programs[1]: ");
    set("/mix/share", json!(1.5), "two of 3 programs and a share in 0..=1");
    set("/mix/programs", json!([0, 3]), "two of 3 programs");
    set("/mix/programs", json!([2, 2]), "two of 3 programs");
    set("/mix/programs", json!([0]), "expected its JSON form");
    set("/version", json!(1), "key 'program' in version 1: expected one, got none");
    let remove = |value: &mut serde_json::Value, key: &str| value.as_object_mut().unwrap().remove(key);
    for key in ["programs", "chosen"] {
        refuse(&|value| drop(remove(value, key)), &alloc::format!("key '{key}' in version 2: expected one, got none"));
    }
    for key in ["program", "expected"] {
        let place = alloc::format!("/programs/1/{key}");
        let add = |value: &mut serde_json::Value| value[key] = value.pointer(&place).unwrap().clone();
        refuse(&add, &alloc::format!("key '{key}' in version 2"));
    }
    refuse(&|value| value["programs"][0]["x"] = json!(0), "unknown field `x`");
    refuse(&|value| value["mix"]["x"] = json!(0), "unknown field `x`");
    let many = |value: &mut serde_json::Value| value["programs"] = json!(alloc::vec![good["programs"][2].clone(); 65]);
    refuse(&many, "1 to 64 programs");
    let mix_of_one = |value: &mut serde_json::Value| {
        *value = serde_json::from_str(&sample().to_json()).unwrap();
        value["mix"] = good["mix"].clone();
    };
    refuse(&mix_of_one, "key 'mix' in version 1: expected none, got one");
}

proptest::proptest! {
    #[test]
    fn any_calibration_goes_both_ways(
        t in proptest::array::uniform2(0.05_f32..=20.0),
        w in 0.0_f32..=1.0,
        alone in proptest::bool::ANY,
    ) {
        let mut averages = alloc::vec![Average { of: Mask(3), weights: [w, 1.0 - w].into() }];
        if alone {
            averages.push(Average { of: Mask(2), weights: [1.0].into() });
        }
        let model = sample().with_calibration(t.into(), averages).unwrap();
        proptest::prop_assert_eq!(Premodel::from_json(&model.to_json()).unwrap(), model);
    }

    /// However the text is changed, reading it gives either a premodel that is the same after writing and reading it again, or an error
    /// of one line.
    #[test]
    fn mutated_files_are_read_or_refused(
        at in 0.0..1.0, byte in 0x20_u8..0x7f, cut in 0_usize..40, many in proptest::bool::ANY,
    ) {
        let mut bytes = if many { several() } else { calibrated() }.to_json().into_bytes();
        let from = (at * bytes.len() as f64) as usize;
        let to = (from + cut).min(bytes.len());
        bytes.splice(from..to, [byte]);
        match Premodel::from_json(core::str::from_utf8(&bytes).unwrap()) {
            Ok(model) => proptest::prop_assert_eq!(Premodel::from_json(&model.to_json()).unwrap(), model),
            Err(e) => proptest::prop_assert!(!e.to_string().contains('\n')),
        }
    }
}

#[test]
fn faulty_files_are_refused_with_a_line() {
    let good = sample().to_json();
    let cases = [
        ("\"threshold\": 0.3333333432674408", "\"threshold\": 0.3333", "32-bit float"),
        ("\"threshold\": 0.3333333432674408", "\"threshold\": null", "expected its JSON form"),
        ("\"threshold\": 0.3333333432674408", "\"threshold\": NaN", "expected its JSON form"),
        ("\"test\": \"small.margin\"", "\"test\": \"large.margin\"", "listed under \"signals\""),
        ("\"small.margin\"", "\"large.margin\"", "read after candidates {1} ran"),
        ("\"run\": \"small\"", "\"run\": \"medium\"", "got 'medium'"),
        ("\"next\": 4", "\"next\": 2", "a cycle"),
        ("\"next\": 4", "\"next\": 40", "within the program"),
        ("\"version\": 1", "\"version\": 3", "version 3"),
        ("\"version\": 1", "\"version\": 0", "version 0"),
        ("\"version\": 1", "\"version\": 2", "key 'program' in version 2: expected none, got one"),
        ("\"program\": [", "\"programs\": [], \"program\": [", "key 'programs' in version 1: expected none"),
        ("\"program\": [", "\"chosen\": 0, \"program\": [", "key 'chosen' in version 1: expected none"),
        ("\"version\": 1", "\"version\": 1, \"x\": 0", "unknown field `x`"),
        ("9000.0", "-1.0", "at least 0"),
        ("\"large\"\n  ],\n  \"classes\"", "\"small\"\n  ],\n  \"classes\"", "got 'large'"),
    ];
    for (from, to, expected) in cases {
        assert!(good.contains(from), "{from}\n{good}");
        let error = Premodel::from_json(&good.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains('\n'), "{from} -> {to}: {error}");
    }
    let twice = good.replacen("\"run\": \"large\"", "\"run\": \"small\"", 1);
    assert!(Premodel::from_json(&twice).unwrap_err().to_string().contains("run once on a path"));
}
