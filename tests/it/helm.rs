//! The chart of `deploy/helm/`, rendered by the real helm: closed until it is told in words, and what it renders is good in the eyes
//! of Kubernetes' schemas and of the program itself.

use std::{path::Path, process::Stdio};

use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::support::{
    Authority, Scratch, finish, idp_proxy, repository,
    tokens::{Signer, jwks},
    tool,
};

fn chart() -> std::path::PathBuf {
    repository().join("deploy/helm/idp-proxy")
}

/// `helm template` with these values files and settings: the manifests, or what helm says.
async fn render(values: &[&Path], settings: &[&str]) -> Result<String, String> {
    let home = Scratch::new();
    let mut helm = Command::new(tool("helm/helm"));
    helm.args(["template", "idp-proxy", "--namespace", "iam"]).arg(chart()).env_clear().env("HOME", &*home);
    for file in values {
        helm.arg("--values").arg(file);
    }
    for setting in settings {
        helm.args(["--set-json", setting]);
    }
    let output = finish(&mut helm).await;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// Judges manifests; leaves the configuration and the policies in `directory`. Answers the kinds.
async fn judge(rendered: &str, directory: &Path) -> String {
    let mut python = Command::new(tool("venv/bin/python"));
    python.arg(repository().join("tests/python/helm_rendered.py")).arg(repository()).arg(directory);
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut running = python.spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(rendered.as_bytes()).await.unwrap();
    drop(stdin);
    let output = running.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}\n{rendered}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn nothing_is_rendered_until_everything_is_said_that_has_no_safe_default() {
    let refused = render(&[], &[]).await.unwrap_err();
    for missing in ["image.repository:", "identity:", "policies:", "networkPolicy.callers:"] {
        assert!(refused.contains(&format!("* {missing}")), "{missing} is not asked for: {refused}");
    }
    let callers = r#"networkPolicy.callers=[{"podSelector":{}}]"#;
    let said = [
        r#"image.repository="registry.example/idp-proxy""#,
        r#"identity.anonymous="allow_for_test_purposes_only""#,
        r#"withoutPolicies="deny_every_call""#,
        callers,
    ];
    render(&[], &said).await.unwrap();
    for left_out in 0..said.len() {
        let rest: Vec<&str> = said.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, one)| *one).collect();
        let refused = render(&[], &rest).await.unwrap_err();
        let key = said[left_out].split(['.', '=']).next().unwrap().replace("withoutPolicies", "policies");
        assert!(
            refused.contains(&format!("* {key}")) && refused.matches("\n  * ").count() == 1,
            "{left_out}: {refused}"
        );
    }
    // What would open or break something, said by mistake.
    for (wrong, why) in [
        (r#"identity.anonymous="allow""#, "anonymous"),
        (r#"identity.mesh={"kind":"istio","controlPlaneNamespace":""}"#, "controlPlaneNamespace"),
        (
            r#"identity.jwt=[{"issuer":"https://a.example","audience":"x","jwksUrl":"https://a.example/k"}]"#,
            "in plaintext",
        ),
        (r#"identity.jwt=[{"issuer":"https://a.example","audience":"x","jwksUrl":"http://a.example/k"}]"#, "jwksUrl"),
        (r#"tls.clientCa="issuer""#, "tls.source"),
        (r#"config.identity={"anonymous":"allow_for_test_purposes_only"}"#, "config.identity"),
        (r#"config.server={"listen":"0.0.0.0:1"}"#, "config.server.listen"),
        (r#"config.telemetry={"log_format":"pretty"}"#, "config.telemetry.log_format"),
        (r#"aws.environment={"AWS_SECRET_ACCESS_KEY":"x"}"#, "AWS_SECRET_ACCESS_KEY"),
        (r#"policies={"a.txt":"x"}"#, "a.txt"),
        (r"metrics.enabled=true", "networkPolicy.scrapers"),
        (r#"config.telemetry={"otlp_endpoint":"https://collector.example:4317"}"#, "networkPolicy.otlpTo.peers"),
        (r#"networkPolicy.otlpTo={"peers":[{"podSelector":{}}]}"#, "config.telemetry.otlp_endpoint"),
        (r"replicaCount=3", "replicaCount"),
        (r"networkPolicy.disable=true", "disable"),
    ] {
        let refused = render(&[], &[&said[..], &[wrong]].concat()).await.unwrap_err();
        assert!(refused.contains(why), "{wrong}: {refused}");
    }
}

/// The files under the paths of the pod, as far as the configuration names them.
fn place(config: &str, scratch: &Scratch) -> String {
    let authority = Authority::new("everyone");
    let server = authority.server();
    for (certificate, key, bundle) in
        [("tls.crt", "tls.key", "ca.crt"), ("svid.pem", "svid_key.pem", "svid_bundle.pem")]
    {
        scratch.file(certificate, &server.certificate);
        scratch.file(key, &server.private_key);
        scratch.file(bundle, authority.pem());
    }
    scratch.file("fingerprint.key", [7; 32]);
    scratch.file("jwks.json", jwks(&[&Signer::p256("1")]));
    let here = scratch.to_str().unwrap();
    let mut text = config.replace("/etc/idp-proxy/policies", &format!("{here}/policies"));
    for directory in ["tls", "client-ca", "audit", "jwks/0", "jwks/1"] {
        text = text.replace(&format!("/etc/idp-proxy/{directory}/"), &format!("{here}/"));
    }
    assert!(!text.contains("/etc/idp-proxy"), "{text}");
    text
}

#[tokio::test]
async fn every_values_file_renders_what_kubernetes_and_the_program_accept() {
    let common = ["ConfigMap", "Deployment", "Service"];
    for (name, more) in [
        ("istio", &["NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"][..]),
        ("linkerd", &["HorizontalPodAutoscaler", "ServiceMonitor"]),
        ("cert-manager", &["Certificate", "NetworkPolicy"]),
        ("spiffe-csi", &["ServiceAccount"]),
        ("spire", &["NetworkPolicy"]),
        ("secret", &["NetworkPolicy"]),
        ("otlp", &["NetworkPolicy"]),
    ] {
        let values = chart().join("ci").join(format!("{name}-values.yaml"));
        let rendered = render(&[&values], &[]).await.unwrap_or_else(|why| panic!("{name}: {why}"));
        let scratch = Scratch::new();
        let kinds = judge(&rendered, &scratch).await;
        for kind in common.iter().chain(more) {
            assert!(kinds.split(' ').any(|found| found == *kind), "{name}: no {kind} in {kinds}");
        }
        let config = std::fs::read_to_string(scratch.join("idp-proxy.toml")).unwrap();
        let config = place(&config, &scratch);
        let file = scratch.file("idp-proxy.toml", &config);
        let checked = idp_proxy(&["check", "--config", file.to_str().unwrap()], &[]).await;
        assert!(checked.status.success(), "{name}: {}\n{config}", String::from_utf8_lossy(&checked.stderr));
        // It is these policies that are checked: a broken one is found.
        let policies = scratch.join("policies");
        if let Some(policy) = std::fs::read_dir(&policies).unwrap().next() {
            std::fs::write(policy.unwrap().path(), "permit (principal);").unwrap();
            assert_eq!(idp_proxy(&["check", "--config", file.to_str().unwrap()], &[]).await.status.code(), Some(64));
        }
    }
    let files = std::fs::read_dir(chart().join("ci")).unwrap().count();
    assert_eq!(files, 7, "a values file is rendered by nobody");
}

#[tokio::test]
async fn roles_and_settings_come_where_they_belong() {
    let values = |name: &str| chart().join("ci").join(format!("{name}-values.yaml"));
    let istio = render(&[&values("istio")], &[]).await.unwrap();
    assert!(istio.contains("eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/idp-proxy"), "{istio}");
    let linkerd = render(&[&values("linkerd")], &[]).await.unwrap();
    assert!(linkerd.contains("169.254.170.23/32") && !istio.contains("169.254.170.23"), "the agent of Pod Identity");
    // HTTPS has a way already, wherever the collector is.
    let https = r#"config.telemetry={"otlp_endpoint":"https://collector.example"}"#;
    assert!(!render(&[&values("istio")], &[https]).await.unwrap().contains("4317"));
    // Another configuration restarts the pods; another policy does not.
    let checksum = |rendered: &str| {
        let line = rendered.lines().find(|line| line.contains("checksum/config:"));
        line.unwrap().to_owned()
    };
    let other = render(&[&values("istio")], &["config.aws={\"attempts_max\":1}"]).await.unwrap();
    assert!(other.contains("attempts_max = 1\n") && checksum(&other) != checksum(&istio));
    let policy = r#"policies={"other.cedar":"permit (principal, action, resource);"}"#;
    let other = render(&[&values("istio")], &[policy]).await.unwrap();
    assert!(other.contains("other.cedar") && checksum(&other) == checksum(&istio));
}

#[tokio::test]
async fn helm_lints_the_chart_and_its_version_is_the_programs() {
    let home = Scratch::new();
    let mut helm = Command::new(tool("helm/helm"));
    helm.args(["lint", "--strict"]).arg(chart()).env_clear().env("HOME", &*home);
    let output = finish(helm.arg("--values").arg(chart().join("ci/istio-values.yaml"))).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let chart = std::fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    assert!(chart.contains(&format!("\nappVersion: {}\n", env!("CARGO_PKG_VERSION"))), "{chart}");
}
