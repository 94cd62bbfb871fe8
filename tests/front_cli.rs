//! The command line on a premodel of eight programs over `plans/fashion`: the shipped program, three of its tests made stricter or milder, and
//! each network alone.
#![cfg(all(feature = "cli", feature = "tract"))]

#[path = "common/json_keys.rs"]
mod json_keys;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;
use trt_select_premodel::{Alternative, CandidateId, Expected, Interval, Mix, Node, Premodel, View};
use trt_select_train::{Profile, bootstrap_mean, judge};

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/fashion");
/// The number of the shipped program, and of the largest network alone, which is the best single one.
const SHIPPED: usize = 0;
const LARGE: usize = 7;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trt-select"))
        .args(args)
        .env_remove("RUST_LOG")
        .output()
        .expect("the binary starts")
}

#[track_caller]
fn ok(args: &[&str]) -> String {
    let out = run(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).expect("UTF-8")
}

#[track_caller]
fn refused(args: &[&str], part: &str) {
    let out = run(args);
    let text = String::from_utf8_lossy(&out.stderr);
    let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("Engine: ") && !l.starts_with("[WARN")).collect();
    assert_eq!((out.status.code(), lines.len()), (Some(2), 1), "{args:?}: {text}");
    assert!(lines[0].contains(part), "{args:?}: {text}");
}

fn path_str(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The program with what every threshold lacks to 1 multiplied: below 1 fewer inputs are answered early.
fn shifted(nodes: &[Node], factor: f32) -> Vec<Node> {
    let shift = |node: &Node| match node.view() {
        View::Test { signal, threshold, then, otherwise } => {
            Node::test(signal, 1.0 - factor * (1.0 - threshold), then, otherwise)
        }
        _ => *node,
    };
    nodes.iter().map(shift).collect()
}

/// The premodel of eight programs, each judged on the profile.
fn front() -> Premodel {
    let folder = Path::new(FASHION);
    let shipped = Premodel::from_json(&fs::read_to_string(folder.join("premodel.json")).unwrap()).unwrap();
    let profile = Profile::read(&folder.join("profile.csv")).unwrap();
    let nodes = shipped.program().nodes().to_vec();
    let mut programs = vec![Alternative::new(nodes.clone())];
    programs.extend([0.25, 4.0, 20.0].map(|factor| Alternative::new(shifted(&nodes, factor))));
    programs.extend((0..4).map(|c| Alternative::single(CandidateId(c), 4)));
    let best = &profile.rewards[3];
    let mut judged = Vec::new();
    for (k, mut program) in programs.into_iter().enumerate() {
        let alone = shipped.clone().with_programs(vec![Alternative::new(program.nodes.clone())], 0).unwrap();
        let all = judge(&alone, &profile).expect("the profile has all signals");
        let share = |c: u8| all.ran.iter().filter(|ran| ran.has(CandidateId(c))).count() as f64 / all.ran.len() as f64;
        program.ran = (0..4).map(share).collect();
        let costs = bootstrap_mean(&all.costs, 1);
        program.expected = Some(Expected::new(
            bootstrap_mean(&all.rewards, 1),
            costs,
            all.over(best, 1),
            "the rows that thresholds come from".into(),
        ));
        program.price = (k < 4).then_some(0.01 * (k + 1) as f64);
        judged.push(program);
    }
    shipped.with_programs(judged, SHIPPED).unwrap()
}

/// A copy of the fashion bundle with that premodel.
fn bundle(premodel: &Premodel) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(FASHION).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| ["toml", "onnx", "txt", "gz"].iter().any(|x| e == *x)) {
            fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    fs::write(dir.path().join("premodel.json"), premodel.to_json()).unwrap();
    dir
}

fn interval(value: &Value) -> Interval {
    let of = |key: &str| value[key].as_f64().unwrap_or_else(|| panic!("{key}: {value}"));
    Interval { mean: of("mean"), low: of("low"), high: of("high") }
}

#[test]
fn inspect_lists_the_programs() {
    let premodel = front().with_mix(Some(Mix { programs: [0, 7], share: 0.375, seed: 1 })).unwrap();
    let dir = bundle(&premodel);
    let text = ok(&["inspect", path_str(dir.path())]);
    let rows: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("Programs ("))
        .skip(2)
        .take_while(|line| line.trim_start().starts_with(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(rows.len(), 8, "{text}");
    assert!(rows[0].ends_with("chosen") && rows[7].ends_with("always large") && text.contains("Mix: 37.5 % program 0"));
    assert!(text.contains("best single network: large"), "{text}");
    let json = json_keys::parse(&ok(&["inspect", path_str(dir.path()), "--json"]));
    let programs = json["premodel"]["programs"].as_array().unwrap();
    for (program, value) in premodel.programs().zip(programs) {
        let expected = program.expected().unwrap();
        assert_eq!(value["program"], program.number());
        assert_eq!(interval(&value["expected"]["over_best_single"]), expected.over_best_single);
        assert_eq!(value["worst_case_ns"].as_f64(), Some(program.worst_case_ns()));
        let times = premodel.trained_for.costs_ns[3] / expected.cost_ns.mean;
        assert!((value["times_cheaper_than_best_single"].as_f64().unwrap() - times).abs() < 1e-9);
    }
    assert_eq!((programs.len(), &json["premodel"]["chosen"]), (8, &Value::from(0)));
    // A premodel of one program has no table.
    let alone = Alternative::new(premodel.program().nodes().to_vec());
    let alone = bundle(&premodel.with_programs(vec![alone], 0).unwrap());
    assert!(!ok(&["inspect", path_str(alone.path())]).contains("Programs ("));
    // The shipped premodel has several.
    assert!(ok(&["inspect", FASHION]).contains("Programs ("));
}

#[test]
fn a_sweep_measures_every_program_beside_its_forecast() {
    let premodel = front();
    let dir = bundle(&premodel);
    let json = json_keys::parse(&ok(&["bench", path_str(dir.path()), "--sweep", "--iterations", "400", "--json"]));
    let rows = json["sweep"]["programs"].as_array().unwrap();
    assert_eq!((rows.len(), &json["sweep"]["best_single"]), (8, &Value::from("large")));
    // The candidates and the programs that always run one of them gave the same answers to the same inputs.
    for (k, candidate) in json["candidates"].as_array().unwrap().iter().enumerate() {
        assert_eq!(rows[4 + k]["top1"], candidate["top1"], "{candidate}");
    }
    assert_eq!(rows[SHIPPED]["top1"], json["adaptive"]["top1"]);
    assert_eq!(interval(&rows[LARGE]["top1_over_best_single"]), Interval::default());
    let large = rows[LARGE]["top1"].as_f64().unwrap();
    for (program, row) in premodel.programs().zip(rows) {
        let (over, forecast) =
            (interval(&row["top1_over_best_single"]), interval(&row["forecast"]["top1_over_best_single"]));
        assert!((over.mean - (row["top1"].as_f64().unwrap() - large)).abs() < 1e-9, "{row}");
        assert_eq!(forecast, program.expected().unwrap().over_best_single);
        assert_eq!(row["inside_forecast"], (forecast.low..=forecast.high).contains(&over.mean));
        let speedup = interval(&row["speedup_over_best_single"]);
        assert!(speedup.low <= speedup.mean && speedup.mean <= speedup.high && speedup.low > 0.0, "{row}");
        assert_eq!(row["chosen"], program.is_chosen());
    }
    // The milder programs run the largest network less often.
    let mean = |k: usize| rows[k]["mean_ms"].as_f64().unwrap();
    assert!(mean(3) < mean(1) && mean(4) < mean(LARGE), "{rows:?}");

    let text = ok(&["bench", path_str(dir.path()), "--sweep", "--iterations", "120"]);
    assert!(text.contains("Of 8 forecasts of the difference to the best single network (large"), "{text}");
    let plain = json_keys::parse(&ok(&["bench", path_str(dir.path()), "--iterations", "120", "--json"]));
    assert!(plain["sweep"].is_null() && plain["adaptive"]["top1"].is_number());
    refused(&["bench", path_str(dir.path()), "--sweep", "--jitter"], "--jitter");
}

#[test]
fn run_takes_a_program_or_a_price() {
    let premodel = front();
    let dir = bundle(&premodel);
    let image = dir.path().join("blob.pgm");
    fs::write(&image, [b"P5 28 28 255\n".to_vec(), vec![90; 28 * 28]].concat()).unwrap();
    let result = |options: &[&str]| {
        let args = [&["run", path_str(dir.path()), path_str(&image), "--json"], options].concat();
        let json = json_keys::parse(&ok(&args));
        (json["results"][0]["program"].as_u64().unwrap(), json["results"][0]["why"].as_str().unwrap().to_owned())
    };
    assert_eq!(result(&[]).0, 0);
    assert_eq!(result(&["--program", "7"]), (7, "ran large".into()));
    // So dear a time that only the cheapest network pays.
    assert_eq!(result(&["--price", "1e6"]), (4, "ran nano".into()));
    let best = premodel.programs().max_by(|a, b| {
        let reward = |p: &trt_select_premodel::FrontProgram<'_>| p.expected().unwrap().reward.mean;
        reward(a)
            .total_cmp(&reward(b))
            .then(b.expected().unwrap().cost_ns.mean.total_cmp(&a.expected().unwrap().cost_ns.mean))
    });
    assert_eq!(result(&["--price", "0"]).0, best.unwrap().number() as u64);
    let args = |options: &'static [&'static str]| [&["run", path_str(dir.path()), path_str(&image)], options].concat();
    refused(&args(&["--program", "8"]), "program: expected a number from 0 to 7, got 8");
    refused(&args(&["--price=-1"]), "--price");
    refused(&args(&["--price", "1", "--program", "1"]), "--program");
}

#[test]
fn compile_writes_the_program_asked_for() {
    let premodel = front();
    let dir = bundle(&premodel);
    let (file, out) = (dir.path().join("premodel.json"), dir.path().join("decide.h"));
    let code = |options: &[&str]| {
        ok(&[&["compile", path_str(&file), "-o", path_str(&out)], options].concat());
        fs::read_to_string(&out).unwrap()
    };
    for (options, number) in [(&[][..], 0), (&["--program", "0"][..], 0), (&["--program", "7"], 7)] {
        let text = code(options);
        let hash = format!("Program {:016x}", premodel.program_at(number).unwrap().program().hash());
        assert!(
            text.contains(&hash) && text.contains(&format!("premodel.json (program {number} of 0 to 7)")),
            "{text}"
        );
        // Only what that program averages is in its code.
        assert_eq!(text.contains("decide_average_"), number == 0);
    }
    refused(
        &["compile", path_str(&file), "-o", path_str(&out), "--program", "8"],
        "--program: expected a number from 0 to 7",
    );
}
