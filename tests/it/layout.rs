//! Code that checks code: who may name what, who may import whom, and how long a file may be.

use std::path::{Path, PathBuf};

use crate::support::repository;

/// Lines of one file, tests included: about 400 is the aim, beyond this it is two subjects.
const LINES_MAX: usize = 450;

/// What a top-level module may import, besides itself, the standard library and crates: the direction of a call.
/// A new module needs a line here.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("fake_aws", &[]),
    ("proto", &[]),
    ("identity", &["domain", "telemetry"]),
    ("policy", &["domain", "identity", "telemetry"]),
    ("quota", &["domain"]),
    ("upstream", &["domain", "quota", "telemetry"]),
    ("audit", &["domain", "identity", "telemetry"]),
    ("same_effect", &["domain", "identity"]),
    ("fault", &["domain", "identity", "policy", "quota", "upstream"]),
    ("deadline", &["fault"]),
    ("operation", &["domain", "identity", "policy", "proto", "upstream"]),
    ("status", &["domain", "fault", "quota", "upstream"]),
    ("telemetry", &["domain"]),
    ("report", &["domain", "fault", "identity", "status", "telemetry", "upstream"]),
    (
        "pipeline",
        &[
            "audit",
            "deadline",
            "domain",
            "fault",
            "identity",
            "operation",
            "policy",
            "quota",
            "report",
            "same_effect",
            "status",
            "telemetry",
            "upstream",
        ],
    ),
    ("service", &["operation", "pipeline", "proto"]),
    ("server", &["deadline", "domain", "fault", "identity", "pipeline", "proto", "report", "status", "telemetry"]),
    ("config", &["audit", "domain", "identity", "operation", "quota", "server", "telemetry", "upstream"]),
    (
        "start",
        &[
            "audit",
            "config",
            "domain",
            "fake_aws",
            "identity",
            "operation",
            "pipeline",
            "policy",
            "quota",
            "same_effect",
            "server",
            "status",
            "telemetry",
            "upstream",
        ],
    ),
    ("lib", &[]),
];

/// One source file.
struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The top-level module that it belongs to.
    fn module(&self) -> &str {
        let first = self.path.iter().next().unwrap().to_str().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// Lines of code with their numbers: without comments, and without what stands in quotes.
    fn code(&self) -> impl Iterator<Item = (usize, String)> {
        let code = |line: &str| {
            let mut code = String::new();
            for (at, part) in line.split('"').enumerate() {
                let uncommented = part.split("//").next().unwrap_or_default();
                if at % 2 == 0 {
                    code.push_str(uncommented);
                }
                if at % 2 == 0 && uncommented.len() < part.len() {
                    break;
                }
            }
            code
        };
        self.text.lines().enumerate().map(move |(at, line)| (at + 1, code(line)))
    }
}

fn sources() -> Vec<Source> {
    let root = repository().join("src");
    let mut sources = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push(Source { path: path.strip_prefix(&root).unwrap().to_owned(), text });
            }
        }
    }
    assert!(sources.len() > 50, "the sources are not where this test looks for them");
    sources
}

/// Where `word` begins in `code`, not as the end of a longer name.
fn begins(code: &str, word: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).any(|(at, _)| code.get(..at).is_some_and(|before| !before.ends_with(is_name)))
}

fn assert_nowhere(found: &[String]) {
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

/// Lines in which `is_wrong` finds something, in files that `is_subject` picks.
fn search(is_subject: impl Fn(&Source) -> bool, is_wrong: impl Fn(&Source, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| is_subject(source)) {
        for (number, code) in source.code().filter(|(_, code)| is_wrong(source, code)) {
            found.push(format!("src/{}:{number}: {}", source.path.display(), code.trim()));
        }
    }
    found
}

#[test]
fn the_aws_sdk_is_named_under_upstream_and_operation_only() {
    let is_wrong = |_: &Source, code: &str| begins(code, "aws_sdk_");
    assert_nowhere(&search(|source| !["upstream", "operation"].contains(&source.module()), is_wrong));
    let used = search(|source| source.module() == "operation", is_wrong);
    assert!(used.len() >= 11, "this test does not see what it looks for: {used:?}");
}

#[test]
fn grpc_codes_are_picked_in_status_only() {
    let is_code = |_: &Source, code: &str| begins(code, "Status::") || begins(code, "Code::");
    assert_nowhere(&search(|source| !["status", "fake_aws"].contains(&source.module()), is_code));
    let used = search(|source| source.module() == "status", is_code);
    assert!(used.len() > 20, "this test does not see what it looks for: {used:?}");
    // Nor is a code brought in by its name.
    let imports = |_: &Source, code: &str| begins(code, "tonic::Code") || code.contains("Code::{");
    assert_nowhere(&search(|source| source.module() != "status", imports));
}

/// The modules of this crate that a file names, wherever in it: `crate::a`, `crate::{a, b::c}`.
fn imports(source: &Source) -> Vec<String> {
    let code: String = source.code().map(|(_, code)| code + "\n").collect();
    let mut found = Vec::new();
    for (at, word) in code.match_indices("crate::") {
        let rest = &code[at + word.len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            None => vec![rest],
            Some(list) => {
                let mut depth = 1;
                let mut start = 0;
                let mut names = Vec::new();
                for (at, letter) in list.char_indices() {
                    match letter {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if (letter == ',' && depth == 1) || depth == 0 {
                        names.push(&list[start..at]);
                        start = at + 1;
                    }
                    if depth == 0 {
                        break;
                    }
                }
                names
            }
        };
        let first = |name: &str| {
            name.trim()
                .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
                .next()
                .unwrap_or("")
                .to_owned()
        };
        found.extend(names.into_iter().map(first).filter(|name| !name.is_empty()));
    }
    found
}

#[test]
fn imports_between_modules_run_one_way() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    // Unit tests may speak of what comes later; `main` of everything.
    let is_subject = |source: &&Source| source.module() != "main" && !source.path.ends_with("tests.rs");
    for source in sources().iter().filter(is_subject) {
        let module = source.module();
        let allowed = MAY_IMPORT.iter().find(|(name, _)| *name == module).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("src/{module} has no line in MAY_IMPORT"));
        for import in imports(source) {
            seen += 1;
            if import != module && !allowed.contains(&import.as_str()) {
                wrong.push(format!("src/{}: crate::{import}", source.path.display()));
            }
        }
    }
    assert!(seen > 100, "this test does not see the imports: {seen}");
    assert_nowhere(&wrong);
}

#[test]
fn the_allowed_imports_have_no_circle() {
    let mut order: Vec<&str> = Vec::new();
    let mut left: Vec<_> = MAY_IMPORT.to_vec();
    while let Some(at) = left.iter().position(|(_, allowed)| allowed.iter().all(|name| order.contains(name))) {
        order.push(left.remove(at).0);
    }
    assert!(left.is_empty(), "these import each other, or what has no line of its own: {left:?}");
}

#[test]
fn every_module_of_the_crate_has_its_line_and_every_line_its_module() {
    let root = std::fs::read_to_string(repository().join("src/lib.rs")).unwrap();
    let modules = root.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    let mut modules: Vec<&str> = modules.chain(["lib"]).collect();
    let mut lines: Vec<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    modules.sort_unstable();
    lines.sort_unstable();
    assert_eq!(lines, modules);
}

#[test]
fn the_fake_aws_knows_nothing_of_the_rest_and_only_the_start_knows_it() {
    let is_wrong = |_: &Source, code: &str| begins(code, "crate::fake_aws") || begins(code, "fake_aws::");
    let others = |source: &Source| !["fake_aws", "main", "start", "lib"].contains(&source.module());
    assert_nowhere(&search(others, is_wrong));
    // Its own imports are in MAY_IMPORT; the crate's name would be a way around it.
    let around = |_: &Source, code: &str| begins(code, "idp_proxy::");
    assert_nowhere(&search(|source| source.module() != "main", around));
}

#[test]
fn no_file_is_about_two_subjects() {
    let directories = ["src", "tests/it"].map(|directory| repository().join(directory));
    let mut long = Vec::new();
    let mut pending: Vec<PathBuf> = directories.to_vec();
    while let Some(directory) = pending.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else if lines(&path) > LINES_MAX {
                long.push(path.strip_prefix(repository()).unwrap().display().to_string());
            }
        }
    }
    assert!(long.is_empty(), "longer than {LINES_MAX} lines: {long:?}");
}

/// How many lines a file of Rust's has; others are of no interest.
fn lines(path: &Path) -> usize {
    let is_rust = path.extension().is_some_and(|extension| extension == "rs");
    if is_rust { std::fs::read_to_string(path).unwrap().lines().count() } else { 0 }
}
