//! What a profile is warned about, and that a sound one is not.

use std::fmt::Write;

use trt_select_train::{Goal, Profile, Rng, Settings, Task, Unit, Warning, WarningKind, sweep};

/// A table of `classes` classes whose candidates are right with these chances.
fn table(name: &str, rows: usize, classes: usize, chances: &[f64], cost: f64) -> Profile {
    let mut rng = Rng::new(name.bytes().map(u64::from).sum());
    let mut text = format!("# classes: {classes}\ninput,label,signal.x");
    (0..chances.len()).for_each(|c| write!(text, ",c{c}.reward,c{c}.cost_ns,c{c}.answer").unwrap());
    text.push('\n');
    for row in 0..rows {
        let label = rng.below(classes);
        write!(text, "r{row},{label},{}", rng.unit()).unwrap();
        for chance in chances {
            let right = rng.unit() < *chance;
            let answer = if right { label } else { (label + 1) % classes };
            write!(text, ",{},{},{answer}", u8::from(right), cost * (0.9 + 0.2 * rng.unit())).unwrap();
        }
        text.push('\n');
    }
    Profile::parse(name, text.as_bytes()).unwrap()
}

fn kinds(profile: &Profile) -> Vec<WarningKind> {
    let warnings = profile.warnings();
    for warning in &warnings {
        let line = warning.to_string();
        assert!(
            line.contains(": expected ") && line.contains(", got ") && line.contains("; ") && !line.contains('\n'),
            "{line}"
        );
    }
    warnings.iter().map(|warning| warning.kind).collect()
}

#[test]
fn a_sound_table_has_no_warning() {
    for classes in [2, 3, 10, 1000] {
        assert_eq!(kinds(&table("p.csv", 1000, classes, &[0.75, 0.9], 1e6)), []);
    }
}

#[test]
fn few_rows_are_told_and_promise_no_certainty() {
    let few = table("p.csv", 5, 10, &[1.0, 1.0], 1e6);
    assert_eq!(kinds(&few), [WarningKind::FewRows]);
    let task = Task::new(&few, few.median_costs(Unit::Time).unwrap());
    let front = sweep(&task, &Settings::new().steps(2), &|_, _| {}).unwrap();
    let point = front.meeting(Goal::AtLeastBestSingle { margin: 0.0 }).unwrap();
    let expected = front.premodel(point).unwrap().expected.unwrap();
    assert_eq!((expected.reward.mean, expected.reward.high), (1.0, 1.0));
    // 0.05 to the power 1/5.
    assert!((expected.reward.low - 0.5493).abs() < 1e-4, "{expected:?}");
    assert_eq!(kinds(&table("p.csv", 199, 10, &[0.7, 0.9], 1e6)), [WarningKind::FewRows]);
    // Enough rows, but the candidates agree on nearly all of them.
    let alike = table("p.csv", 400, 10, &[1.0, 0.98], 1e6);
    let differing = (0..400).filter(|&row| alike.rewards[0][row] != alike.rewards[1][row]).count();
    assert!((1..20).contains(&differing));
    let text = alike.warnings().iter().map(Warning::to_string).collect::<String>();
    assert!(text.contains(&format!("got 400 and {differing};")), "{text}");
    assert_eq!(kinds(&table("p.csv", 400, 10, &[0.9], 1e6)), [], "one candidate has nobody to differ from");
}

#[test]
fn candidates_that_guess_are_told() {
    use WarningKind::{BelowChance, NearChance};
    assert_eq!(kinds(&table("p.csv", 1000, 10, &[0.04, 0.1], 1e6))[0], NearChance);
    assert_eq!(kinds(&table("p.csv", 1000, 10, &[0.04, 0.9], 1e6)), [BelowChance]);
    assert_eq!(kinds(&table("p.csv", 1000, 10, &[0.3, 0.28], 1e6)), [], "surely above twice the chance");
    // Of two classes, twice the chance is everything; there a tenth more than chance counts.
    assert_eq!(kinds(&table("p.csv", 1000, 2, &[0.6, 0.58], 1e6)), [NearChance]);
    assert_eq!(kinds(&table("p.csv", 1000, 2, &[0.7, 0.68], 1e6)), []);
    let both = table("p.csv", 1000, 100, &[0.001, 0.002], 1e6);
    let text: Vec<String> = both.warnings().iter().filter(|w| w.kind == BelowChance).map(Warning::to_string).collect();
    assert!(
        text[0].starts_with("p.csv: expected candidates above chance (1.00 % for 100 classes), got c0 with "),
        "{text:?}"
    );
    assert!(text[0].contains(", c1 with ") && text[0].contains("labels shifted"), "{text:?}");
    // A reward of one's own says nothing about chance.
    let own = "input,a.reward,a.answer\n".to_string()
        + &(0..300).map(|row| format!("{row},{},{}\n", if row < 30 { 0.3 } else { 0.0 }, row % 10)).collect::<String>();
    assert_eq!(kinds(&Profile::parse("p.csv", own.as_bytes()).unwrap()), []);
}

#[test]
fn recordings_of_a_busy_machine_are_told() {
    let days = |costs: [f64; 2]| {
        let days = ["mon.csv", "tue.csv"].iter().zip(costs).map(|(name, cost)| table(name, 200, 10, &[0.7, 0.9], cost));
        Profile::join(days.collect()).unwrap()
    };
    assert_eq!(kinds(&days([1e6, 1.2e6])), []);
    let uneven = days([1.5e6, 1e6]);
    assert_eq!(kinds(&uneven), [WarningKind::UnevenCosts]);
    let text = uneven.warnings()[0].to_string();
    assert!(text.starts_with("mon.csv and 1 more: ") && text.contains(" in tue.csv and 1"), "{text}");
    // The rows of one day alone are even.
    assert_eq!(kinds(&uneven.with_rows(&(0..200).collect::<Vec<_>>())), []);
}

#[test]
fn a_judge_of_seen_inputs_is_told() {
    let days = ["mon.csv", "tue.csv"].map(|name| table(name, 200, 10, &[0.7, 0.9], 1e6));
    let both = Profile::join(days.clone().into()).unwrap();
    let again = both.seen_by(&days[1].with_rows(&[3, 4, 5])).expect("the second file's inputs");
    assert_eq!(again.kind, WarningKind::SeenInputs);
    assert!(
        again.to_string().starts_with("tue.csv: expected inputs that training did not see, got 3 of 3 that it saw;"),
        "{again}"
    );
    assert_eq!(both.seen_by(&table("wed.csv", 200, 10, &[0.7, 0.9], 1e6)), None, "equal names alone tell nothing");
    assert_eq!(days[0].seen_by(&days[1]), None);
}
