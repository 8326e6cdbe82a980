//! What the documents beside the README point at is there: tests, files and fuzz targets.

use std::{collections::BTreeSet, path::PathBuf};

use crate::support::repository;

fn document(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

/// What stands in backticks in a text, code blocks aside.
fn quoted(text: &str) -> BTreeSet<String> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Names of all functions in `src` and `tests`.
fn functions() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut pending: Vec<PathBuf> = ["src", "tests"].map(|directory| repository().join(directory)).to_vec();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let after = text.split("fn ").skip(1);
                names.extend(after.filter_map(|rest| rest.split(['(', '<']).next()).map(str::to_owned));
            }
        }
    }
    names
}

#[test]
fn the_tests_that_the_documents_name_exist() {
    let functions = functions();
    let is_test = |word: &&String| {
        word.matches('_').count() >= 3 && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let mut seen = 0;
    for name in ["SECURITY.md", "CONTRIBUTING.md"] {
        for word in quoted(&document(name)).iter().filter(is_test) {
            assert!(functions.contains(word), "{name} names {word}, and there is no such test");
            seen += 1;
        }
    }
    assert!(seen > 35, "{seen} tests are named");
}

#[test]
fn every_threat_has_what_closes_it_and_what_shows_it() {
    let text = document("SECURITY.md");
    let (_, rest) = text.split_once("## Threats").unwrap();
    let (table, _) = rest.split_once("\n## ").unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() > 15, "{} rows", rows.len());
    for row in rows.iter().skip(1) {
        assert!(row.len() == 3 && row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        assert!(row[2].contains('`'), "nothing shows it: {row:?}");
    }
    for target in std::fs::read_dir(repository().join("tests/fuzz/corpus")).unwrap() {
        let target = target.unwrap().file_name().into_string().unwrap();
        // The fault that shows that fuzzing finds any is no threat.
        if target == "planted" {
            continue;
        }
        assert!(
            table.contains(&format!("`{target}`")),
            "the fuzz target {target} shows something, and nobody says what"
        );
    }
}

#[test]
fn the_files_that_the_documents_name_exist() {
    let mut seen = 0;
    for name in ["SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md"] {
        for word in quoted(&document(name)) {
            let is_path = word.contains('/') && word.contains('.') && !word.contains([' ', '<', ':', '*', '=']);
            if is_path {
                assert!(repository().join(&word).exists(), "{name} names {word}");
                seen += 1;
            }
        }
    }
    assert!(seen > 5, "{seen} files are named");
}
