//! Metrics, alert rules and dashboard as Prometheus and Grafana read them: judged by promtool, and by what a running proxy
//! really serves.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
};

use idp_proxy::domain::Action;
use regex::Regex;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::{
    rpcs::Rpc,
    support::{
        Authority, Proxy, Scratch, ScriptedAws, configured, eventually, finish, metric, metrics, repository,
        tls_channel, tool,
    },
};

fn deploy(path: &str) -> PathBuf {
    repository().join("deploy").join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// Runs promtool and answers whether it was content, and what it said.
async fn promtool(arguments: &[&str]) -> (bool, String) {
    let output = finish(Command::new(tool("promtool/promtool")).args(arguments)).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

/// The metrics of a proxy that has all there are: TLS, files to reload, calls that went well and badly.
async fn served() -> String {
    let (scratch, authority) = (Scratch::new(), Authority::new("server"));
    let leaf = authority.server();
    let certificate = scratch.file("server.pem", &leaf.certificate);
    let private_key = scratch.file("server.key", &leaf.private_key);
    let policies = scratch.join("policies");
    std::fs::create_dir(&policies).unwrap();
    std::fs::write(policies.join("all.cedar"), "permit (principal, action, resource);").unwrap();
    let toml = format!(
        "[server.tls]\ncertificate = {certificate:?}\nprivate_key = {private_key:?}\n\
         [policy]\ndirectory = {policies:?}\n[identity]\nanonymous = \"allow_for_test_purposes_only\"\n"
    );
    let list = Rpc::of(Action::CognitoList);
    let aws = ScriptedAws::always(list.answer()).await;
    let proxy: Proxy = configured(&scratch, &toml, &aws.endpoint, &[]).await;
    let channel = tls_channel(&proxy.address, &authority, None).await.unwrap();
    list.call(channel.clone()).await.unwrap();
    assert!(Rpc::of(Action::WebCreate).call(channel).await.is_err(), "the answer is another RPC's");
    let expiry = "idp_proxy_tls_certificate_expiry_timestamp_seconds{certificate=\"server\"}";
    eventually("the certificate's expiry", async || metric(&proxy, expiry).await).await;
    metrics(&proxy).await
}

/// The names of the families that a text of metrics tells the types of.
fn families(metrics: &str) -> BTreeSet<&str> {
    metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_metrics() {
    let text = served().await;
    for (text, is_good) in [(text.clone(), true), (text.replace("_attempts_total", "_attempts"), false)] {
        let mut command = Command::new(tool("promtool/promtool"));
        command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).await.unwrap();
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success() && said.trim().is_empty(), is_good, "{said}");
    }
}

#[tokio::test]
async fn the_alert_rules_are_good_and_fire_when_they_should() {
    let (rules, tests) = (deploy("prometheus/alerts.yaml"), deploy("prometheus/alerts_test.yaml"));
    let (is_good, said) = promtool(&["check", "rules", "--lint-fatal", rules.to_str().unwrap()]).await;
    assert!(is_good, "{said}");
    let (is_good, said) = promtool(&["test", "rules", tests.to_str().unwrap()]).await;
    assert!(is_good, "{said}");
    // Each alert has a case in which it fires.
    let (rules, tests) = (read(&rules), read(&tests));
    let names: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(tests.contains(&format!("alertname=\"{name}\"")), "{name} has no case in which it fires");
    }
    // A case that says something else is noticed.
    let scratch = Scratch::new();
    scratch.file("alerts.yaml", rules);
    let wrong = scratch.file("wrong.yaml", tests.replacen("severity=\"page\"", "severity=\"ticket\"", 1));
    assert!(!promtool(&["test", "rules", wrong.to_str().unwrap()]).await.0);
}

/// What the dashboard asks Prometheus for, by panel, with Grafana's variables as it would fill them in.
fn dashboard() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read(&deploy("grafana/idp-proxy.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let asked = |panel: &Value| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        assert!(panel["type"] == "row" || !targets.is_empty(), "{title} shows nothing");
        targets.into_iter().map(move |target| {
            let expression = target["expr"].as_str().unwrap();
            (
                title.clone(),
                expression.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*"),
            )
        })
    };
    panels.iter().flat_map(asked).collect()
}

#[tokio::test]
async fn everything_that_the_dashboard_asks_for_is_promql() {
    let panels = dashboard();
    assert!(panels.len() > 20, "{panels:?}");
    let scratch = Scratch::new();
    let check = async |expressions: Vec<&str>| {
        let rule = |(at, expression): (usize, &&str)| json!({"record": format!("panel:{at}"), "expr": expression});
        let rules: Vec<Value> = expressions.iter().enumerate().map(rule).collect();
        let file = scratch.file("panels.yaml", json!({"groups": [{"name": "panels", "rules": rules}]}).to_string());
        promtool(&["check", "rules", file.to_str().unwrap()]).await
    };
    for (title, expression) in &panels {
        assert!(!expression.contains('$'), "{title}: a variable that this test does not know: {expression}");
    }
    let (is_good, said) = check(panels.iter().map(|(_, expression)| expression.as_str()).collect()).await;
    assert!(is_good, "{said}");
    assert!(!check(vec!["sum(rate(x[5m])"]).await.0, "this check does not see mistakes");
}

#[tokio::test]
async fn rules_dashboard_and_readme_know_the_metrics_that_there_are_and_no_others() {
    let served = served().await;
    let samples: BTreeSet<&str> =
        served.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(['{', ' ']).next()).collect();
    let reasons = Regex::new("^idp_proxy_errors_total\\{reason=\"([^\"]*)\"").unwrap();
    let reasons: Vec<&str> = served.lines().filter_map(|line| Some(reasons.captures(line)?.get(1)?.as_str())).collect();
    assert!(reasons.len() > 30, "{reasons:?}");

    let alerts = read(&deploy("prometheus/alerts.yaml"));
    let panels: String = dashboard().into_iter().map(|(_, expression)| expression + "\n").collect();
    let name = Regex::new("\\b(?:idp_proxy|rpc_server)_[a-z_]+").unwrap();
    let reason = Regex::new("reason=~?\"([^\"]*)\"").unwrap();
    for (place, text) in [("the rules", &alerts), ("the dashboard", &panels)] {
        for found in name.find_iter(text) {
            let family = ["_bucket", "_count", "_sum"].map(|part| format!("{}{part}", found.as_str()));
            let is_there = samples.contains(found.as_str()) || family.iter().all(|one| samples.contains(one.as_str()));
            assert!(is_there, "{place} speak of {}, which no proxy serves", found.as_str());
        }
        for found in reason.captures_iter(text) {
            for one in found[1].split('|') {
                let pattern = Regex::new(&format!("^(?:{one})$")).unwrap();
                assert!(
                    reasons.iter().any(|reason| pattern.is_match(reason)),
                    "{place}: no error has the reason {one}"
                );
            }
        }
    }
    // And the other way round.
    let readme = read(&repository().join("README.md"));
    for family in families(&served) {
        assert!(readme.contains(&format!("`{family}`")), "the README does not know {family}");
        assert!(alerts.contains(family) || panels.contains(family), "nobody looks at {family}");
    }
}
