//! Tests as a user runs them `profile` and its side file of the most probable classes: what is in the file, and that neither a kill nor a
//! cut makes the two files disagree. All runs are on the null engine, whose networks give every class the same probability.
#![cfg(feature = "cli")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use trt_select_premodel::CandidateId;
use trt_select_train::{Profile, TopK};

const FASHION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plans/fashion");

fn command(output: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trt-select"));
    command.args(["profile", FASHION, "--engine", "null", "-o"]).arg(output).args(more).env_remove("RUST_LOG");
    command
}

#[track_caller]
fn ok(output: &Path, more: &[&str]) -> Output {
    let out = command(output, more).output().expect("the binary starts");
    assert!(out.status.success(), "{more:?}: {} {}", out.status, String::from_utf8_lossy(&out.stderr));
    out
}

/// The lines of a file by their input, without comments and headers. Each input may occur only once.
#[track_caller]
fn lines(path: &Path) -> BTreeMap<String, String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "{} ends with a whole line", path.display());
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|l| !l.starts_with('#') && !l.starts_with("input,")) {
        let (name, cells) = line.split_once(',').unwrap();
        assert_eq!(all.insert(name.to_owned(), cells.to_owned()), None, "{name} twice in {}", path.display());
    }
    all
}

/// Checks that the two files have the same inputs and can be read together.
#[track_caller]
fn agree(path: &Path, rows: usize) -> Profile {
    let side = lines(&TopK::path_beside(path));
    assert!(lines(path).keys().eq(side.keys()));
    let profile = Profile::read(path).unwrap();
    assert_eq!(profile.rows(), rows);
    profile
}

#[test]
fn a_side_file_has_the_most_probable_classes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.csv");
    ok(&path, &["--limit", "20"]);
    let profile = agree(&path, 20);
    let topk = profile.topk.as_ref().unwrap();
    // Sixteen classes were asked for, but the networks have only ten.
    assert_eq!((topk.k(), topk.class_count(), topk.classes().len()), (10, 10, profile.candidates.len()));
    assert!(topk.probabilities().iter().flatten().all(|&p| p == 0.1));
    assert!(topk.classes().iter().all(|c| c.chunks(10).all(|cell| cell.iter().copied().eq(0..10))));
    assert!(topk.holds(CandidateId(1), 19, 4, 5) && !topk.holds(CandidateId(1), 19, 5, 5));

    let few = dir.path().join("few.csv");
    ok(&few, &["--limit", "3", "--top-k", "2"]);
    let text = fs::read_to_string(dir.path().join("few.topk.csv")).unwrap();
    assert!(text.contains("\n# k: 2\n") && text.contains("\n# classes: 10\n"), "{text}");
    assert!(lines(&dir.path().join("few.topk.csv")).values().all(|l| l.starts_with("0:0.1 1:0.1,0:0.1 1:0.1")));
    assert_eq!(agree(&few, 3).topk.unwrap().k(), 2);

    // Going on with another k is refused, and so is going on without a side file, since then the two files would disagree.
    for (more, expected) in
        [(["--top-k", "3"], "few.topk.csv: expected"), (["--top-k", "0"], "no such file with --top-k 0")]
    {
        let out = command(&few, &more).output().unwrap();
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert!(matches!(out.status.code(), Some(1 | 2)) && stderr.contains(expected), "{stderr}");
    }
    agree(&few, 3);
    let none = dir.path().join("none.csv");
    ok(&none, &["--limit", "3", "--top-k", "0"]);
    assert!(!TopK::path_beside(&none).exists() && Profile::read(&none).unwrap().topk.is_none());
    // A profile that was made before there were side files gets one, and keeps its rows.
    let before = fs::read(&none).unwrap();
    let out = ok(&none, &["--limit", "3"]);
    assert_eq!(fs::read(&none).unwrap(), before);
    agree(&none, 3);
    // The samples ran again for the side file, but the profile has no new row.
    let stdout = String::from_utf8_lossy(&out.stdout);
    assert!(stdout.ends_with("3 rows, 0 of them new\n"), "{stdout}");
}

#[test]
fn files_cut_anywhere_are_made_whole_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.csv");
    let side = TopK::path_beside(&path);
    ok(&path, &["--limit", "6"]);
    let (rows, cells) = (fs::read(&path).unwrap(), fs::read(&side).unwrap());
    let expected = lines(&side);
    let header = cells.iter().position(|&b| b == b'\n').unwrap();
    let cuts = |n: usize| [n, n - 1, n - 7, n / 2, n / 2 + 33, 3 * n / 4, n / 3, 0];
    for (i, a) in cuts(rows.len()).into_iter().enumerate() {
        for (j, b) in cuts(cells.len()).into_iter().chain([header, header + 1]).enumerate() {
            // Tests a third of all pairs; in each pair the files are cut at several places.
            if (i + j) % 3 != 0 {
                continue;
            }
            fs::write(&path, &rows[..a]).unwrap();
            fs::write(&side, &cells[..b]).unwrap();
            ok(&path, &["--limit", "6"]);
            agree(&path, 6);
            assert_eq!(lines(&side), expected, "cut to {a} and {b} bytes");
        }
    }
    // First a side file alone, then one with lines that the profile lacks, in its middle and at its end.
    let whole = String::from_utf8(rows).unwrap();
    let (head, body): (Vec<&str>, Vec<&str>) =
        whole.split_inclusive('\n').partition(|l| l.starts_with('#') || l.starts_with("input,"));
    fs::write(&path, [&head[..], &body[..1], &body[2..4]].concat().concat()).unwrap();
    fs::write(&side, &cells).unwrap();
    ok(&path, &["--limit", "6"]);
    agree(&path, 6);
    assert_eq!(lines(&side), expected);
}

#[test]
fn kills_lose_nothing_and_keep_the_two_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.csv");
    let side = TopK::path_beside(&path);
    let written = || fs::read(&path).map_or(0, |t| t.iter().filter(|&&b| b == b'\n').count());
    let mut kills = 0;
    for target in [100, 300, 500] {
        let mut child = command(&path, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while written() < target && start.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none() {}
        // On Unix this is SIGKILL.
        kills += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        // A line of the side file is written before its row of the profile, so the side file is never behind.
        let text = |p: &Path| fs::read_to_string(p).unwrap();
        let whole = |t: &str| t.rfind('\n').map_or(0, |at| t[..at].lines().filter(|l| !l.starts_with('#')).count());
        let (rows, cells) = (whole(&text(&path)), whole(&text(&side)));
        assert!(rows == cells || rows + 1 == cells, "{rows} rows, {cells} lines beside them");
    }
    assert!(kills >= 1, "at least one kill must come before the end");
    let done = lines(&path).len();
    let limit = (done + 50).to_string();
    ok(&path, &["--limit", &limit]);
    let rows = lines(&path).len();
    assert!(rows >= done);
    agree(&path, rows);
}

#[test]
fn shards_are_joined_by_cat() {
    let dir = tempfile::tempdir().unwrap();
    let (all, mut rows, mut cells) = (dir.path().join("all.csv"), Vec::new(), Vec::new());
    for shard in ["1/3", "0/3", "2/3"] {
        let path = dir.path().join(shard.replace('/', "-") + ".csv");
        ok(&path, &["--limit", "31", "--jobs", "2", "--shard", shard]);
        rows.extend(fs::read(&path).unwrap());
        cells.extend(fs::read(TopK::path_beside(&path)).unwrap());
    }
    fs::write(&all, &rows).unwrap();
    fs::write(TopK::path_beside(&all), &cells).unwrap();
    agree(&all, 31);
    // Goes on with the joined files, and once more after the end of the profile was lost.
    ok(&all, &["--limit", "40", "--jobs", "2"]);
    agree(&all, 40);
    fs::write(&all, &rows[..rows.len() - 1000]).unwrap();
    ok(&all, &["--limit", "40", "--jobs", "2"]);
    agree(&all, 40);
}

#[test]
fn weights_that_a_user_adds_are_kept_and_continued() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.csv");
    ok(&path, &["--limit", "4"]);
    let before = fs::read_to_string(&path).unwrap();
    for place in [1, 2, 60] {
        // Puts a column of weights at this place, or at the end.
        let mut weighted = String::new();
        for (i, line) in before.lines().enumerate() {
            let mut fields: Vec<&str> = line.split(',').collect();
            let weight = i.to_string();
            if !line.starts_with('#') {
                let place = place.min(fields.len());
                fields.insert(place, if line.starts_with("input,") { "weight" } else { &weight });
            }
            weighted += &format!("{}\n", fields.join(","));
        }
        fs::write(&path, &weighted).unwrap();
        fs::remove_file(TopK::path_beside(&path)).unwrap();
        ok(&path, &["--limit", "6"]);
        assert!(fs::read_to_string(&path).unwrap().starts_with(&weighted), "rows that were there stay");
        let profile = agree(&path, 6);
        let given = profile.weights.expect("weights").as_given().to_vec();
        let first = before.lines().count() as f32 - 4.0;
        assert_eq!(given, [first, first + 1.0, first + 2.0, first + 3.0, 1.0, 1.0], "{place}");
        // A row that was cut short is made again, with the weight 1.
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        ok(&path, &["--limit", "6"]);
        assert_eq!(agree(&path, 6).weights.unwrap().as_given(), given);
    }
    // Any other column is another file.
    fs::write(&path, before.replacen("input,label", "input,label,signal.x", 1)).unwrap();
    let out = command(&path, &["--limit", "6"]).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stderr).contains("another file"), "{out:?}");
}
