//! ARCHITECTURE.md names files; they are there.

use std::collections::BTreeSet;
use std::path::Path;

/// The texts between backticks in a line, with what stands inside fenced blocks left out by the caller.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[test]
fn files_that_the_architecture_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the page");
    let mut named = BTreeSet::new();
    for word in text.lines().flat_map(quoted) {
        // A path in full: it begins at the root, and has a file's ending.
        let is_path = word.contains('/') && !word.contains([' ', '*', '{', '<']) && !word.starts_with(['/', '.']);
        let ends_like_a_file =
            [".rs", ".c", ".h", ".hpp", ".md", ".json", ".cu", ".cuh", ".sh"].iter().any(|e| word.ends_with(e));
        if is_path && ends_like_a_file && root.join(word.split('/').next().unwrap_or_default()).is_dir() {
            named.insert(word.to_owned());
        }
    }
    let missing: Vec<&String> = named.iter().filter(|path| !root.join(path).is_file()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md: expected files that are there, got {missing:?}");
    assert!(named.len() > 40, "{named:?}");
}

/// Two tables that a newcomer can follow: of at most fifteen rows, each of which names a file.
#[test]
fn a_frame_and_a_row_are_followed_in_fifteen_steps() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).expect("the page");
    for title in ["## A frame, file by file", "## A profile's row, file by file"] {
        let table = text.split_once(title).unwrap_or_else(|| panic!("no section {title}")).1;
        let rows: Vec<&str> = table
            .lines()
            .skip_while(|line| !line.starts_with("| ---"))
            .skip(1)
            .take_while(|line| line.starts_with('|'))
            .collect();
        assert!((5..=15).contains(&rows.len()), "{title}: {} rows", rows.len());
        for row in rows {
            let files: Vec<&str> = quoted(row).filter(|word| word.ends_with(".rs")).collect();
            assert!(!files.is_empty(), "{row}: expected a file, got none");
            assert!(files.iter().all(|file| root.join(file).is_file()), "{row}: expected files that are there");
        }
    }
}
