//! Tests the goals and modes of `train`, on a table that is drawn from a known model.
#![cfg(feature = "cli")]

#[path = "common/json_keys.rs"]
mod json_keys;

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use trt_select_premodel::{CandidateId, Premodel};
use trt_select_train::Profile;

fn run(args: &[&str]) -> (bool, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_trt-select")).args(args).output().unwrap();
    (out.status.success(), String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
}

fn json(args: &[&str]) -> Value {
    let (ok, stdout, stderr) = run(args);
    assert!(ok, "{args:?}: {stderr}");
    json_keys::parse(&stdout)
}

/// The report of a training with one repeat, which writes its premodel to `out`.
fn trained(profile: &str, out: &Path, more: &[&str]) -> Value {
    let args = ["train", profile, "-o", out.to_str().unwrap(), "--json", "--repeats", "1"];
    json(&[&args[..], more].concat())
}

/// Writes a table of 1,500 rows with two candidates and four classes, and the most probable classes beside it. The small candidate
/// (1 ms, 5 mJ) is right where it is sure, the large one (10 ms, 20 mJ) nearly always.
fn table(dir: &Path) -> String {
    recording(dir, "p", 9)
}

/// The same with a name and a seed of its own.
fn recording(dir: &Path, name: &str, seed: u64) -> String {
    let mut state = seed;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let mut rows = String::from("input,label");
    for c in ["small", "large"] {
        write!(rows, ",{c}.reward,{c}.cost_ns,{c}.answer,{c}.top1,{c}.energy_mj,{c}.top5").unwrap();
    }
    let mut side = String::from("# k: 2\n# classes: 4\ninput,small.topk,large.topk\n");
    rows.push('\n');
    for row in 0..1500 {
        let label = (unit() * 4.0) as u32;
        write!(rows, "r{row},{label}").unwrap();
        write!(side, "r{row}").unwrap();
        for (sure, cost, energy) in [(0.3 + 0.69 * unit(), 1e6, 5.0), (0.8 + 0.19 * unit(), 1e7, 20.0)] {
            let right = unit() < sure;
            let answer = if right { label } else { (label + 1) % 4 };
            write!(rows, ",{},{cost},{answer},{sure},{energy},1", u8::from(right)).unwrap();
            let second = (answer + 2) % 4;
            write!(side, ",{answer}:{sure:.5} {second}:{:.5}", 0.9 * sure.min(1.0 - sure)).unwrap();
        }
        rows.push('\n');
        side.push('\n');
    }
    fs::write(dir.join(format!("{name}.csv")), rows).unwrap();
    fs::write(dir.join(format!("{name}.topk.csv")), side).unwrap();
    dir.join(format!("{name}.csv")).to_str().unwrap().to_owned()
}

#[test]
fn goals_and_modes() {
    let dir = tempfile::tempdir().unwrap();
    let profile = table(dir.path());
    let out = dir.path().join("m.json");
    let train = |more: &[&str]| trained(&profile, &out, more);
    let plain = train(&["--margin", "-0.01", "--nested", "4"]);
    assert_eq!(plain["best_single"], "large");
    assert!(plain["chosen"]["mean_ms"].as_f64().unwrap() < 9.0, "{plain}");
    let nested = &plain["nested"];
    assert!(nested["times_cheaper"]["low"].as_f64().unwrap() > 1.0, "{nested}");
    assert!(nested["over_best_single"]["low"].as_f64() < nested["over_best_single"]["high"].as_f64());
    let program = fs::read_to_string(&out).unwrap();
    json_keys::parse(&program);
    assert!(program.contains("\"avg."), "averages are learnt: {program}");
    assert!(!program.contains("energy_mj") && !program.contains("top5"), "{program}");
    assert_eq!(plain["worst_case_ms"], 11.0);

    let short = train(&["--at-most-worst-ms", "10.5"]);
    assert!(short["worst_case_ms"].as_f64().unwrap() <= 10.5);
    let shorter = train(&["--at-most-worst-ms", "2"]);
    assert_eq!((&shorter["worst_case_ms"], &shorter["program"]), (&1.0.into(), &"run small\nanswer small\n".into()));

    let energy = train(&["--energy", "--margin", "-0.01"]);
    assert_eq!(energy["candidates"][1]["cost_mj"], 20.0);

    let free = train(&["--label-free", "--margin", "-0.01"]);
    assert!(free["chosen"]["mean_ms"].as_f64().unwrap() < 9.5, "{free}");
    let best = train(&["--label-free=best", "--at-least", "0.85"]);
    assert_eq!(best["best_single"], "large");

    let (ok, text, _) = run(&["train", &profile, "-o", out.to_str().unwrap(), "--nested", "3", "--repeats", "1"]);
    assert!(ok && text.contains("\nNested: ") && text.contains("1500 rows cannot tell"), "{text}");
}

#[test]
fn what_cannot_be_asked_is_refused_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let profile = table(dir.path());
    let bare = dir.path().join("bare.csv");
    fs::write(&bare, "input,a.reward,a.cost_ns\nx,1,5\ny,1,5\nz,0,5\nw,1,5\nv,1,5\n").unwrap();
    let bare = bare.to_str().unwrap();
    let second = recording(dir.path(), "q", 10);
    for (args, parts) in [
        (
            vec!["train", &profile, "--at-most-worst-ms", "0.5"],
            vec!["worst case", "the cheapest candidate: 1.0000 ms, got 0.5000 ms"],
        ),
        (vec!["train", bare, "--energy"], vec!["bare.csv", "energy_mj"]),
        (vec!["train", bare, "--label-free"], vec!["CANDIDATE.answer"]),
        (vec!["train", bare, "--nested", "9"], vec!["outer folds", "2 to 5"]),
        (vec!["train", bare, "--nested", "5"], vec!["outer folds: expected folds that leave 5 rows", "got 4"]),
        (vec!["train", &profile, &profile], vec!["p.csv: expected each recording once", "leave it out"]),
        (vec!["train", &profile, bare], vec!["bare.csv: expected the candidates of", "got a"]),
        (
            vec!["train", &profile, "--folds", "by-file"],
            vec!["folds by file: expected at least 2", "name the profiles of more"],
        ),
        (
            vec!["train", &profile, &second, "--folds", "by-file", "--nested", "by-file"],
            vec!["at least 3 recordings, got 2"],
        ),
        (
            vec!["train", &profile, &second, "--folds", "by-file", "--nested", "5"],
            vec!["--nested: expected by-file, or 2 with"],
        ),
        (
            vec!["train", &profile, &second, "--folds", "by-file", "--repeats", "3"],
            vec!["--repeats: expected 1 with", "got 3"],
        ),
        (
            vec!["train", &profile, &second, "--judge", &second],
            vec!["q.csv: expected another profile than those", "got one of them"],
        ),
        (vec!["train", &profile, &second, "--folds", "1"], vec!["expected by-file, or a number from 2"]),
    ] {
        let mut args = args;
        let out = dir.path().join("x.json");
        args.extend(["-o", out.to_str().unwrap()]);
        let (ok, _, stderr) = run(&args);
        assert!(!ok && parts.iter().all(|p| stderr.contains(p)), "{args:?}: {stderr}");
        assert!(!out.exists(), "{args:?} wrote a premodel");
        assert_eq!(
            stderr
                .trim()
                .lines()
                .filter(|l| !l.contains("training") && !l.is_empty() && !l.starts_with("[WARN"))
                .count(),
            1,
            "{stderr}"
        );
    }
}

#[test]
fn recordings_are_joined_and_judge_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["p", "q", "r"];
    let files: Vec<String> = names.iter().zip(9..).map(|(name, seed)| recording(dir.path(), name, seed)).collect();
    let args = |more: &[&'static str]| {
        let mut args = vec!["train", &files[0], &files[1], &files[2], "--json"];
        args.extend(more);
        json(&args)
    };
    let found = args(&["--folds", "by-file", "--nested", "by-file", "--margin", "-0.01"]);
    assert_eq!((&found["rows"], &found["recordings"][2]["rows"]), (&4500.into(), &1500.into()), "{found}");
    assert_eq!(found["recordings"][1]["name"], files[1].as_str());
    assert_eq!(found["expected"]["judged_by"], "cross-validation by recording, 3 of them, seed 1");
    assert!(found["nested"]["times_cheaper"]["low"].as_f64().unwrap() > 1.0, "{found}");
    // Without -o, the premodel lies beside the first profile, and names the digest of all.
    let written = json_keys::parse(&fs::read_to_string(dir.path().join("premodel.json")).unwrap());
    let joined = Profile::join(files.iter().map(|file| Profile::read(file.as_ref()).unwrap()).collect()).unwrap();
    assert_eq!(written["profile"]["sha256"], joined.sha256.as_str());
    assert_eq!(written["profile"]["rows"], 4500);
    // The side files are joined, too: some program of the front reads an average.
    args(&["--folds", "by-file", "--front", "20"]);
    let front = fs::read_to_string(dir.path().join("premodel.json")).unwrap();
    assert!(front.contains("\"avg."), "{front}");
    // None of the files that are read may be written.
    for file in &files {
        let before = fs::read(file).unwrap();
        let (ok, _, stderr) = run(&["train", &files[0], &files[1], &files[2], "-o", file]);
        assert!(!ok && stderr.contains("a place other than the files that are read"), "{stderr}");
        assert_eq!(fs::read(file).unwrap(), before);
    }
    let text = run(&["train", &files[0], &files[1], "--folds", "by-file"]).1;
    assert!(text.starts_with("Profile: 3000 rows of 2 recordings; best single"), "{text}");
}

/// The kinds of the warnings in the JSON, each of which is one line on stderr, too.
fn warned(args: &[&str]) -> Vec<String> {
    let (ok, stdout, stderr) = run(args);
    assert!(ok, "{args:?}: {stderr}");
    let found = json_keys::parse(&stdout);
    let warnings = found["warnings"].as_array().unwrap();
    let texts: Vec<&str> = warnings.iter().map(|warning| warning["text"].as_str().unwrap()).collect();
    let lines: Vec<&str> = stderr.lines().filter(|line| line.starts_with("[WARN")).collect();
    assert!(
        lines.len() == texts.len() && lines.iter().zip(&texts).all(|(line, text)| line.ends_with(text)),
        "{stderr}"
    );
    warnings.iter().map(|warning| warning["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn results_that_are_less_than_they_seem_are_warned_about() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (first, second) = (recording(dir.path(), "p", 9), recording(dir.path(), "q", 10));
    let train = |more: &[&str]| warned(&[&["train", "--json", "--repeats", "1", "-o", &at("m.json")], more].concat());
    assert!(train(&[&first]).is_empty());
    assert!(train(&[&first, "--judge", &second]).is_empty(), "equal names, other inputs");
    // The second file again, measured anew: the digest of the file is another one, and the inputs are the same.
    let anew = fs::read_to_string(&second).unwrap().replace(",1000000,", ",1100000,");
    fs::write(at("anew.csv"), &anew).unwrap();
    fs::copy(at("q.topk.csv"), at("anew.topk.csv")).unwrap();
    assert_eq!(train(&[&first, &second, "--judge", &at("anew.csv")]), ["seen_inputs"]);
    // Costs of a slower machine, and labels of other classes.
    fs::write(at("slow.csv"), fs::read_to_string(&second).unwrap().replace(",10000000,", ",15000000,")).unwrap();
    fs::copy(at("q.topk.csv"), at("slow.topk.csv")).unwrap();
    assert_eq!(train(&[&first, &at("slow.csv")]), ["uneven_costs"]);
    assert!(train(&[&first, &at("slow.csv"), "--energy"]).is_empty(), "times do not matter there");
    let mut shifted = String::from("# classes: 4\ninput,label,a.reward,a.cost_ns,a.answer\n");
    (0..400)
        .for_each(|row| writeln!(shifted, "{row},{},{},5,{}", (row + 1) % 4, u8::from(row % 5 == 0), row % 4).unwrap());
    fs::write(at("shifted.csv"), shifted).unwrap();
    assert_eq!(train(&[&at("shifted.csv")]), ["near_chance", "below_chance"]);

    // Five rows, all of them right, are no certainty.
    fs::write(at("five.csv"), "input,a.reward,a.cost_ns\nx,1,5\ny,1,5\nz,1,5\nw,1,5\nv,1,5\n").unwrap();
    assert_eq!(train(&[&at("five.csv")]), ["few_rows"]);
    let text = run(&["train", &at("five.csv"), "-o", &at("m.json")]).1;
    assert!(text.contains("Expected: reward 100.00 % [54.93, 100.00]"), "{text}");
}

#[test]
fn rewards_of_ones_own() {
    if Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let profile = table(dir.path());
    let weighted = dir.path().join("w.csv");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/rewards.py");
    let made = Command::new("python3")
        .args([script, &profile, weighted.to_str().unwrap(), "0=1.0", "1=0.5"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let text = fs::read_to_string(&weighted).unwrap();
    let rewards: Vec<&str> = text.lines().skip(1).map(|l| l.split(',').nth(2).unwrap()).collect();
    assert!(rewards.contains(&"0.5") && rewards.contains(&"0.4") && rewards.contains(&"1"), "{rewards:?}");
    let out = dir.path().join("m.json");
    let found = json(&["train", weighted.to_str().unwrap(), "-o", out.to_str().unwrap(), "--json", "--repeats", "1"]);
    assert!(found["candidates"][1]["reward"].as_f64().unwrap() < 0.7, "{found}");
}

fn path_of(dir: &tempfile::TempDir, name: &str) -> String {
    dir.path().join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_front_travels_with_the_premodel() {
    let dir = tempfile::tempdir().unwrap();
    let profile = table(dir.path());
    let out = dir.path().join("m.json");
    let train = |more: &[&str]| {
        (trained(&profile, &out, more), Premodel::from_json(&fs::read_to_string(&out).unwrap()).unwrap())
    };
    let (alone, one) = train(&["--at-most-ms", "6"]);
    assert_eq!((one.programs().len(), &alone["programs"]), (1, &Value::from(1)));
    let (report, premodel) = train(&["--at-most-ms", "6", "--front", "6"]);
    assert_eq!(report["programs"].as_u64(), Some(premodel.programs().len() as u64));
    assert!((3..=6).contains(&premodel.programs().len()), "{}", premodel.programs().len());
    // The program that the goal names decides, and is the same as alone.
    assert_eq!(premodel.tree(), one.tree());
    assert_eq!(premodel.expected, one.expected);
    let mut last = f64::MIN;
    for program in premodel.programs() {
        let expected = program.expected().unwrap();
        assert!(expected.cost_ns.mean > last, "by cost");
        last = expected.cost_ns.mean;
        // What runs costs what was expected.
        let ran: f64 = program.ran().iter().zip(&premodel.trained_for.costs_ns).map(|(share, cost)| share * cost).sum();
        assert!((ran / last - 1.0).abs() < 1e-6, "{ran} {last}");
    }
    // Both ends: the cheapest candidate alone, and the best there is.
    let names = |k: usize| premodel.program_at(k).unwrap().single();
    assert_eq!(names(0), Some(CandidateId(0)));
    let most = report["points"].as_array().unwrap().iter().map(|p| p["reward"].as_f64().unwrap()).fold(0.0, f64::max);
    let last = premodel.program_at(premodel.programs().len() - 1).unwrap().expected().unwrap().reward.mean;
    assert!((last - most).abs() < 1e-6, "{last} {most}");
    // Of two the chosen one is kept, and the end that is farther away.
    let (_, two) = train(&["--at-most-ms", "6", "--front", "2"]);
    assert_eq!((two.programs().len(), two.tree()), (2, one.tree()));
    // Three repeats and weights, whose shares are sums that rounding may bring above 1.
    let weighted = fs::read_to_string(&profile).unwrap();
    let weighted = weighted.lines().enumerate().map(|(i, line)| match i {
        0 => format!("{line},weight\n"),
        _ => format!("{line},{}\n", 0.1 + (i % 7) as f64),
    });
    fs::write(dir.path().join("w.csv"), weighted.collect::<String>()).unwrap();
    fs::copy(dir.path().join("p.topk.csv"), dir.path().join("w.topk.csv")).unwrap();
    let weighted = path_of(&dir, "w.csv");
    let args = ["train", &weighted, "-o", out.to_str().unwrap(), "--json"];
    let three = [&args[..], &["--repeats", "3", "--folds", "3", "--front", "64", "--at-most-ms", "6"]].concat();
    assert!(json(&three)["programs"].as_u64().unwrap() > 6);
    // Kinds are told, and single candidates and cascades take part.
    let kinds: Vec<&str> = report["points"].as_array().unwrap().iter().map(|p| p["kind"].as_str().unwrap()).collect();
    assert!(["searched", "cascade", "single"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
}

#[test]
fn a_mix_meets_a_goal_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let profile = table(dir.path());
    let other = recording(dir.path(), "q", 77);
    let out = dir.path().join("m.json");
    let train = |more: &[&str]| trained(&profile, &out, &[&["--judge", &other], more].concat());
    let report = train(&["--at-most-ms", "6", "--mix", "7"]);
    let mix = &report["mix"];
    assert!((mix["mean_ms"].as_f64().unwrap() - 6.0).abs() < 1e-6, "{mix}");
    // The mix is at least as good as the best point alone within the same cost.
    assert!(mix["reward"].as_f64().unwrap() >= report["chosen"]["reward"].as_f64().unwrap() - 1e-9, "{report}");
    let premodel = Premodel::from_json(&fs::read_to_string(&out).unwrap()).unwrap();
    let mixed = premodel.mix().expect("two programs take turns");
    assert!(mixed.seed == 7 && (mixed.share - mix["share"].as_f64().unwrap()).abs() < 1e-12);
    let expected = premodel.expected_by_default().unwrap();
    assert!((expected.cost_ns.mean - 6e6).abs() < 1.0 && expected.cost_ns.low < 6e6 && expected.cost_ns.high > 6e6);
    // On other inputs, too, it costs about that much.
    let judged = report["judged"]["mean_ms"].as_f64().unwrap();
    assert!((judged - 6.0).abs() < 0.4, "{judged}");

    let reward = train(&["--at-least", "0.8", "--mix"]);
    assert!((reward["mix"]["reward"].as_f64().unwrap() - 0.8).abs() < 1e-6, "{}", reward["mix"]);
    // The whole front is within this: nothing is mixed.
    assert!(train(&["--at-most-ms", "100", "--mix"])["mix"].is_null());
    assert_eq!(Premodel::from_json(&fs::read_to_string(&out).unwrap()).unwrap().programs().len(), 1);
    let (ok, _, stderr) = run(&["train", &profile, "--mix", "--lambda", "0.1"]);
    assert!(!ok && stderr.contains("--mix") && stderr.contains("--lambda"), "{stderr}");
}
