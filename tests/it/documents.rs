//! What the documents point at is there: tests, files, sections and fuzz targets.

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
    // The others name files, and metrics and keys that look like names of tests.
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

/// The directories that documents name files in; what is made elsewhere, as in a machine's `/etc`, is not ours.
const OURS: [&str; 7] = [".ci", "benches", "deploy", "examples", "proto", "src", "tests"];

/// What a document names in the repository: in backticks, in a command too, from the top or from where it stands; and what
/// it links to.
fn files(name: &str) -> Vec<PathBuf> {
    let text = document(name);
    let here = repository().join(name).parent().unwrap().to_owned();
    let is_plain = |word: &str| !word.contains([' ', '<', '>', ':', '*', '=', '{', '}', '…']);
    let is_path = |word: &String| word.contains('/') && word.contains('.') && is_plain(word);
    let is_ours = |word: &String| {
        let first = word.split('/').next().unwrap_or_default();
        OURS.contains(&first) || (here != repository() && !first.is_empty() && here.join(first).is_dir())
    };
    let words = quoted(&text).into_iter();
    let words = words.flat_map(|text| text.split([' ', ';']).map(str::to_owned).collect::<Vec<_>>());
    let named = words.filter(is_path).filter(is_ours).map(|word| {
        let from_the_top = repository().join(&word);
        if from_the_top.exists() { from_the_top } else { here.join(word) }
    });
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let linked = linked.filter(|link| !link.is_empty() && !link.contains("://")).map(|link| here.join(link));
    named.chain(linked).collect()
}

#[test]
fn the_files_that_the_documents_name_exist() {
    for (name, at_least) in [
        ("README.md", 25),
        ("deploy/README.md", 25),
        ("SECURITY.md", 1),
        ("CONTRIBUTING.md", 10),
        ("CHANGELOG.md", 1),
        ("examples/README.md", 3),
        ("tests/tools/README.md", 3),
    ] {
        let named = files(name);
        for file in &named {
            assert!(file.exists(), "{name} names {}", file.display());
        }
        assert!(named.len() >= at_least, "{name} names {} files", named.len());
    }
}

/// GitHub's name of a headline: lower-case, without marks, blanks as dashes.
fn anchor(headline: &str) -> String {
    let kept = headline.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
    kept.map(|letter| if letter == ' ' { '-' } else { letter.to_ascii_lowercase() }).collect()
}

#[test]
fn the_sections_that_the_documents_link_to_exist() {
    let mut seen = 0;
    for name in ["README.md", "deploy/README.md", "SECURITY.md", "CONTRIBUTING.md", "examples/README.md"] {
        let text = document(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((file, section)) = link.split_once('#').filter(|(file, _)| !file.contains("://")) else {
                continue;
            };
            let target = repository().join(name).parent().unwrap().join(file);
            let target = if file.is_empty() { text.clone() } else { std::fs::read_to_string(target).unwrap() };
            let headlines =
                target.lines().filter(|line| line.starts_with('#')).map(|line| anchor(line.trim_matches(['#', ' '])));
            assert!(headlines.into_iter().any(|headline| headline == section), "{name} links to {link}");
            seen += 1;
        }
    }
    assert!(seen > 4, "{seen} links to sections");
}

#[test]
fn each_licence_that_the_manifest_names_is_there() {
    let manifest: toml::Table = document("Cargo.toml").parse().unwrap();
    let licences = manifest["package"]["license"].as_str().unwrap();
    let texts = licences.split(" OR ").map(|licence| match licence {
        "MIT" => ("LICENSE-MIT", "Permission is hereby granted, free of charge"),
        "Apache-2.0" => ("LICENSE-APACHE", "Version 2.0, January 2004"),
        other => panic!("whose text is {other}?"),
    });
    for (file, says) in texts {
        assert!(document(file).contains(says), "{file} is another licence's");
    }
}
