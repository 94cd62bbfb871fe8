//! Several recordings as one table, and as the folds of a cross-validation.

use std::fmt::Write;
use std::fs;

use trt_select_premodel::CandidateId;
use trt_select_train::{
    FoldBy, Front, Goal, Profile, ProfileErrorKind, Rng, Settings, Split, Task, TopK, TrainErrorKind, Unit, nested,
    sweep,
};

const HEAD: &str = "input,label,feature.x,a.reward,a.cost_ns,a.answer,b.reward,b.cost_ns,b.answer\n";
const COMMENTS: &str = "# engine: e 1\n# device: d\n# precision: fp32\n# classes: 10\n# judged_by: labels\n# networks: 01\n# samples: 2 aa\n";

fn parse(name: &str, text: &str) -> Profile {
    Profile::parse(name, text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
}

/// Two rows whose feature has these values. Their inputs have the same names in every recording.
fn day(name: &str, values: [f32; 2]) -> Profile {
    parse(name, &day_text(values))
}

fn day_text([x, y]: [f32; 2]) -> String {
    format!("{COMMENTS}{HEAD}1.png,3,{x},1,10,3,0,20,4\n2.png,4,{y},0,12,3,1,22,4\n")
}

#[test]
fn recordings_become_one_table_that_knows_its_files() {
    let (monday, tuesday) = (day("mon.csv", [0.25, 0.5]), day("tue.csv", [0.75, 1.0]));
    let all = Profile::join(vec![monday.clone(), tuesday.clone(), day("wed.csv", [2.0, 3.0])]).unwrap();
    assert_eq!(all.rows(), 6);
    let names = ["mon.csv:1.png", "mon.csv:2.png", "tue.csv:1.png", "tue.csv:2.png", "wed.csv:1.png", "wed.csv:2.png"];
    assert_eq!(all.inputs, names);
    assert_eq!(all.columns[0].values, [0.25, 0.5, 0.75, 1.0, 2.0, 3.0]);
    assert_eq!(all.columns[1].values, [0.0; 6], "agreements are joined, too");
    assert_eq!((&all.rewards[1], &all.answers[1]), (&vec![0.0, 1.0, 0.0, 1.0, 0.0, 1.0], &vec![4; 6]));
    assert_eq!(all.median_costs(Unit::Time).unwrap().candidates, [11.0, 21.0]);
    // What all files say stays; what differs stays with its file.
    assert_eq!(all.meta.get("networks").map(String::as_str), Some("01"));
    let samples = parse("thu.csv", &day_text([5.0, 6.0]).replace("2 aa", "2 bb"));
    let differ = Profile::join(vec![monday.clone(), samples]).unwrap();
    assert_eq!((differ.meta.get("samples"), differ.recordings.files()[1].meta["samples"].as_str()), (None, "2 bb"));

    // Some rows, and some candidates, of the table still know their files.
    let some = all.with_rows(&[5, 0, 3]).with_candidates(&[CandidateId(1)]);
    let of: Vec<usize> = (0..3).map(|row| some.recordings.of(row)).collect();
    assert_eq!((of, some.recordings.name_within(0, &some.inputs[0])), (vec![2, 0, 1], "2.png"));
    assert_eq!(some.recordings.files()[2].name, "wed.csv");

    // One table alone is what it was, and joining in two steps is joining at once.
    assert_eq!(Profile::join(vec![monday.clone()]).unwrap(), monday);
    let two = Profile::join(vec![monday, tuesday]).unwrap();
    assert_eq!(Profile::join(vec![two, day("wed.csv", [2.0, 3.0])]).unwrap(), all);
}

/// The digest of a joined table, found with the commands that the documentation names.
#[test]
fn the_digest_of_several_is_what_the_documentation_says() {
    let dir = tempfile::tempdir().unwrap();
    let files = ["mon.csv", "tue.csv"].map(|name| dir.path().join(name));
    fs::write(&files[0], day_text([0.25, 0.5])).unwrap();
    fs::write(&files[1], day_text([0.75, 1.0])).unwrap();
    let all = Profile::join(files.iter().map(|file| Profile::read(file).unwrap()).collect()).unwrap();
    let script = "sha256sum mon.csv tue.csv | cut -c1-64 | sha256sum | cut -c1-64";
    let out = match std::process::Command::new("sh").args(["-c", script]).current_dir(&dir).output() {
        Ok(out) if out.status.success() => out,
        _ => return println!("skipped: no sha256sum"),
    };
    assert_eq!(String::from_utf8(out.stdout).unwrap().trim(), all.sha256);
    let turned = Profile::join(files.iter().rev().map(|file| Profile::read(file).unwrap()).collect()).unwrap();
    assert_ne!(turned.sha256, all.sha256, "the order counts");
}

#[test]
fn what_makes_no_one_table_is_refused_with_a_line() {
    let first = day("mon.csv", [0.25, 0.5]);
    let text = day_text([0.75, 1.0]);
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    };
    let column =
        |wanted: &str, lacks: &str, has: &str| format!("{lacks}: expected a column '{wanted}' as in {has}, got none;");
    let cases = [
        (changed("b.", "c."), "tue.csv: expected the candidates of mon.csv (a, b), got a, c;".to_string()),
        (changed("networks: 01", "networks: 02"), "comment 'networks': expected '01' as in mon.csv, got '02';".into()),
        (changed("# networks: 01\n", ""), "comment 'networks': expected '01' as in mon.csv, got none;".into()),
        (changed("engine: e 1", "engine: e 2"), "comment 'engine': expected 'e 1'".into()),
        (changed("device: d", "device: f"), "comment 'device'".into()),
        (changed("fp32", "fp16"), "comment 'precision'".into()),
        (changed("classes: 10", "classes: 11"), "comment 'classes'".into()),
        (changed("judged_by: labels", "judged_by: agreement with b"), "comment 'judged_by'".into()),
        (changed("feature.x", "feature.y"), column("feature.x", "tue.csv", "mon.csv")),
        (
            changed("a.cost_ns,a.answer", "a.cost_ns,a.top1").replace("b.answer", "b.top1"),
            column("CANDIDATE.answer", "tue.csv", "mon.csv"),
        ),
        (changed("\n1.png", ",signal.z\n1.png").replace(",4\n", ",4,9\n"), column("signal.z", "mon.csv", "tue.csv")),
        (
            changed("0.75", "0.25").replace(",1,0,12", ",0.5,0,13"),
            "tue.csv: expected inputs that no recording before it has, got 2 that are there already;".into(),
        ),
    ];
    for (text, expected) in cases {
        let error = Profile::join(vec![first.clone(), parse("tue.csv", &text)]).expect_err(&expected);
        let line = error.to_string();
        assert!(line.contains(&expected) && !line.contains('\n'), "expected {expected}, got {line}");
        assert_eq!(error.kind(), ProfileErrorKind::Recordings);
    }
    for again in [day("mon.csv", [7.0, 8.0]), day("copy.csv", [0.25, 0.5])] {
        let line = Profile::join(vec![first.clone(), again]).unwrap_err().to_string();
        assert!(line.contains("expected each recording once"), "{line}");
    }
    assert_eq!(Profile::join(Vec::new()).unwrap_err().kind(), ProfileErrorKind::Empty);
}

#[test]
fn inputs_are_known_again_by_more_than_their_names() {
    // Two tables that share `rows` names; of a row, `differs` says whether the second table answers otherwise.
    let again = |rows: usize, signal: bool, differs: fn(usize) -> bool| {
        let table = |second: bool| {
            let mut text = String::from(if signal { "input,signal.x,a.reward\n" } else { "input,a.reward\n" });
            for row in 0..rows {
                let differs = second && differs(row);
                let x = if signal { format!("{},", row + 1000 * usize::from(differs)) } else { String::new() };
                writeln!(text, "{row}.png,{x}{}", u8::from(differs)).unwrap();
            }
            parse("p.csv", &text)
        };
        table(false).inputs_again(&table(true))
    };
    assert_eq!(again(30, true, |_| false), 30);
    assert_eq!(again(30, true, |row| row < 14), 16, "most of them");
    assert_eq!(again(30, true, |row| row < 15), 0, "a folder with names of its own");
    // Without a signal, right and wrong agree by chance more often than not.
    assert_eq!(again(30, false, |_| false), 30);
    assert_eq!(again(30, false, |row| row == 7), 0);
    assert_eq!(again(19, false, |_| false), 0);
    // Two easy days on which every answer is right, and the network is not equally sure.
    let sure = |change: f32| {
        let row = |row: usize| format!("{row}.png,1,{},{row}\n", 0.5 + 0.01 * row as f32 + change);
        parse("p.csv", &format!("input,a.reward,a.top1,a.energy_mj\n{}", (0..30).map(row).collect::<String>()))
    };
    assert_eq!((sure(0.0).inputs_again(&sure(1e-4)), sure(0.0).inputs_again(&sure(0.02))), (30, 0));
}

#[test]
fn side_files_are_joined_to_the_wider_cell_or_refused() {
    let side = |k: usize, classes: u32, p: &[f32]| {
        let named = (0..2).flat_map(|_| 0..k as u32).collect::<Vec<u32>>();
        let shares = [p, p].concat();
        TopK::new(k, classes, vec![named.clone(), named], vec![shares.clone(), shares]).unwrap()
    };
    let with = |name: &str, values: [f32; 2], topk: Option<TopK>| Profile { topk, ..day(name, values) };
    let (narrow, wide) = (side(1, 10, &[0.5]), side(3, 10, &[0.5, 0.25, 0.125]));
    let first = with("mon.csv", [0.25, 0.5], Some(narrow.clone()));
    let all = Profile::join(vec![first.clone(), with("tue.csv", [0.75, 1.0], Some(wide.clone()))]).unwrap();
    let joined = all.topk.as_ref().unwrap();
    assert_eq!(joined.k(), 3);
    // Each row says what it said before.
    let spread = |table: &TopK, row: usize| {
        let mut probabilities = [0.0; 10];
        table.spread(CandidateId(1), row, &mut probabilities);
        probabilities
    };
    assert_eq!(spread(joined, 1), spread(&narrow, 1));
    assert_eq!(spread(joined, 2), spread(&wide, 0));
    assert_eq!(all.with_rows(&[2, 3]).topk.unwrap(), wide);

    let none = Profile::join(vec![first.clone(), day("tue.csv", [0.75, 1.0])]).unwrap_err().to_string();
    assert!(
        none.starts_with("tue.csv: expected the most probable classes beside it (.topk.csv) as beside mon.csv"),
        "{none}"
    );
    let other = with("tue.csv", [0.75, 1.0], Some(side(1, 12, &[0.5])));
    let line = Profile::join(vec![first, other]).unwrap_err().to_string();
    assert!(line.contains("expected 10 classes") && line.contains("got 12"), "{line}");
}

/// Four scenes of 300 rows, told apart by an own signal. In the first and the third candidate a is right, in the others b; c is right
/// on three rows of four everywhere, and as dear as the others.
fn scenes() -> Profile {
    let mut rng = Rng::new(3);
    let scene = |number: usize| {
        let mut text = String::from("input,signal.scene,a.reward,a.cost_ns,b.reward,b.cost_ns,c.reward,c.cost_ns\n");
        for row in 0..300 {
            let (a, c) = (number.is_multiple_of(2), rng.unit() < 0.75);
            writeln!(text, "r{row},{number},{},100,{},100,{},100", u8::from(a), u8::from(!a), u8::from(c)).unwrap();
        }
        parse(&format!("scene{number}.csv"), &text)
    };
    Profile::join((0..4).map(scene).collect()).unwrap()
}

fn best(front: &Front) -> f64 {
    front.points.iter().map(|p| p.reward).fold(0.0, f64::max)
}

#[test]
fn folds_by_recording_forecast_scenes_that_training_did_not_see() {
    let profile = scenes();
    let task = Task::new(&profile, profile.median_costs(Unit::Time).unwrap());
    let quick = Settings::new().steps(6);
    let random = sweep(&task, &quick, &|_, _| {}).unwrap();
    assert!(best(&random) > 0.99, "rows of a scene tell what is right in it: {}", best(&random));
    let by_file = quick.clone().by_recording(&profile).unwrap();
    assert_eq!((by_file.fold_by, by_file.folds, by_file.repeats), (FoldBy::Recording, 4, 1));
    let judged = sweep(&task, &by_file, &|done, of| assert!(done <= of)).unwrap();
    // A scene that was never seen is answered as its neighbours are, which is wrong: nothing is better than c.
    assert!(best(&judged) < 0.80, "{}", best(&judged));
    let point = judged.meeting(Goal::AtLeastBestSingle { margin: 0.0 }).unwrap();
    let expected = judged.premodel(point).unwrap().expected.unwrap();
    assert_eq!(expected.judged_by, "cross-validation by recording, 4 of them, seed 1");

    // The choice of the point, judged on scenes left out: with the program chosen by random folds it looks as bad as it is.
    let goals = [Goal::AtLeast(0.7)];
    let outer =
        |settings: &Settings| nested(&task, settings, &goals, Split::Recordings, &|_, _| {}).unwrap()[0].reward();
    assert!(outer(&quick) < 0.3, "{}", outer(&quick));
    assert!(outer(&by_file) > 0.7, "by recording inside, too, c is chosen: {}", outer(&by_file));
}

#[test]
fn too_few_recordings_are_no_folds() {
    let all = scenes();
    let two = all.with_rows(&(0..600).collect::<Vec<_>>());
    let one = all.with_rows(&(300..600).collect::<Vec<_>>());
    let refused = |result: Result<(), trt_select_train::TrainError>, parts: [&str; 2]| {
        let error = result.unwrap_err();
        let line = error.to_string();
        assert_eq!(error.kind(), TrainErrorKind::Recordings);
        assert!(parts.iter().all(|part| line.contains(part)) && !line.contains('\n'), "{line}");
    };
    refused(Settings::new().by_recording(&one).map(drop), ["at least 2 recordings", "got 1"]);
    let by_file = Settings::new().by_recording(&two).unwrap();
    let task = Task::new(&two, two.median_costs(Unit::Time).unwrap());
    let outer =
        |settings: &Settings| nested(&task, settings, &[Goal::AtLeast(0.0)], Split::Recordings, &|_, _| {}).map(drop);
    refused(outer(&by_file), ["at least 3 recordings", "got 2"]);
    outer(&Settings::new().steps(2).repeats(1)).expect("random folds within one recording");
    let task = Task::new(&one, one.median_costs(Unit::Time).unwrap());
    refused(
        nested(&task, &Settings::new(), &[], Split::Recordings, &|_, _| {}).map(drop),
        ["at least 2 recordings", "got 1"],
    );
}
