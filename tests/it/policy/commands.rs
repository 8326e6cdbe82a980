//! `check` and `policy explain`.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{ALL, READS, directory};
use crate::support::{ANYONE, SANDBOX_USER_POOL, Scratch, idp_proxy, repository};

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn check_lists_every_mistake_of_a_set_at_once() {
    let scratch = Scratch::new();
    let files = [
        ("good.cedar", READS),
        (
            "attribute.cedar",
            "@id(\"misspelled\") permit (principal, action, resource) when { principal.kinds == \"jwt\" };",
        ),
        (
            "type.cedar",
            "@id(\"mistyped\") permit (principal, action, resource) when { principal.groups == \"admins\" };",
        ),
        (
            "unguarded.cedar",
            "@id(\"unguarded\") permit (principal, action, resource) when { principal.trust_domain == \"a\" };",
        ),
        (
            "action.cedar",
            "@id(\"no-such\") permit (principal, action == IdpProxy::Action::\"cognito:Rename\", resource);",
        ),
        ("syntax.cedar", "// A comment.\npermit (principal, action, resource)\nwhen { principal.kind = \"jwt\" };"),
        ("twice.cedar", READS),
        ("template.cedar", "permit (principal == ?principal, action, resource);"),
        ("notes.txt", "no policy at all"),
        (".hidden.cedar", "no policy either"),
    ];
    let directory = directory(&scratch, &files);
    std::fs::write(directory.join("binary.cedar"), [0xff, 0xfe]).unwrap();
    let policies = ("IDP_PROXY__POLICY__DIRECTORY", directory.to_str().unwrap());
    let output = idp_proxy(&["check"], &[ANYONE[0], policies]).await;
    let unreadable = error(&output);
    assert_eq!(output.status.code(), Some(64), "{unreadable}");
    assert!(unreadable.contains("binary.cedar"), "{unreadable}");

    std::fs::remove_file(directory.join("binary.cedar")).unwrap();
    for command in ["check", "serve"] {
        let output = idp_proxy(&[command], &[ANYONE[0], policies]).await;
        let error = error(&output);
        assert_eq!(output.status.code(), Some(64), "{command}: {error}");
        for said in [
            "attribute.cedar, misspelled",
            "type.cedar, mistyped",
            "unguarded.cedar, unguarded",
            "action.cedar, no-such",
            "syntax.cedar: line 3",
            "twice.cedar: the id reads is taken",
            "template.cedar",
        ] {
            assert!(error.contains(said), "{command} does not say {said}: {error}");
        }
        assert!(!error.contains("notes.txt") && !error.contains("good.cedar:"), "{command}: {error}");
    }
    for (name, _) in &files[1..8] {
        std::fs::remove_file(directory.join(name)).unwrap();
    }
    let output = idp_proxy(&["check"], &[ANYONE[0], policies]).await;
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
}

#[tokio::test]
async fn check_finds_the_example_policies_good() {
    let examples = repository().join("examples/policies");
    let policies = ("IDP_PROXY__POLICY__DIRECTORY", examples.to_str().unwrap());
    let output = idp_proxy(&["check"], &[ANYONE[0], policies]).await;
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
}

/// A made-up call.
fn request(kind: &str, groups: &[&str], action: &str, context: &Value) -> Value {
    let caller = json!({"id": "https://login.example|ann", "kind": kind, "groups": groups});
    json!({"caller": caller, "action": action, "resource": SANDBOX_USER_POOL, "context": context})
}

/// Explains by the example policies.
async fn explain(file: &Path, more: &[&str]) -> Output {
    let examples = repository().join("examples/policies");
    let arguments =
        ["policy", "explain", "--policies", examples.to_str().unwrap(), "--request", file.to_str().unwrap()];
    idp_proxy(&[&arguments, more].concat(), &[]).await
}

#[tokio::test]
async fn explain_says_what_is_decided_and_by_which_policies() {
    let scratch = Scratch::new();
    let (none, mapping) = (json!({}), json!({"mapped_attributes": ["custom:role"]}));
    let (read, write) = ("cognito:DescribeIdentityProvider", "cognito:UpdateIdentityProvider");
    let forbidden = "nobody-maps-privileged-attributes";
    for (request, decision, policies, words) in [
        (request("jwt", &["auditors"], read, &none), "allow", vec!["auditors-read"], "permitted by auditors-read"),
        (request("jwt", &["auditors"], write, &none), "deny", vec![], "no policy permits it"),
        (request("jwt", &["federation-break-glass"], write, &mapping), "deny", vec![forbidden], "forbidden by"),
    ] {
        let file = scratch.file("request.json", request.to_string());
        let output = explain(&file, &[]).await;
        assert_eq!(output.status.code(), Some(0), "{request}: {}", error(&output));
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&said["decision"], &said["policies"]), (&json!(decision), &json!(policies)), "{request}");
        assert!(said["why"].as_str().unwrap().contains(words), "{said}");
        // For tests of policies: 1 where the decision is another one.
        for expected in ["allow", "deny"] {
            let output = explain(&file, &["--expect", expected]).await;
            let wanted = i32::from(expected != decision);
            assert_eq!(output.status.code(), Some(wanted), "{request} --expect {expected}: {}", error(&output));
        }
    }
}

#[tokio::test]
async fn explain_reads_standard_input_and_the_directory_of_the_configuration() {
    let scratch = Scratch::new();
    let directory = directory(&scratch, &[("all.cedar", ALL)]);
    // What is wrong elsewhere in the configuration does not matter for a look at policies.
    let config = scratch.file("idp-proxy.toml", format!("[policy]\ndirectory = {directory:?}\n"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_idp-proxy"));
    command.args(["policy", "explain", "--request", "-", "--config"]).arg(config).env_clear().kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let question = request("anonymous", &[], "cognito:ListIdentityProviders", &json!({}));
    child.stdin.take().unwrap().write_all(question.to_string().as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", error(&output));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["decision"], &said["policies"]), (&json!("allow"), &json!(["all"])));
}

#[tokio::test]
async fn explain_refuses_what_it_cannot_read_with_64() {
    let scratch = Scratch::new();
    let good = request("jwt", &[], "cognito:ListIdentityProviders", &json!({}));
    let with = |path: &str, value: Value| {
        let mut request = good.clone();
        *request.pointer_mut(path).unwrap() = value;
        request.to_string()
    };
    for (text, said) in [
        (String::new(), "the request"),
        ("{\"caller\":".to_owned(), "the request"),
        ("[]".to_owned(), "the request"),
        (with("/action", json!("cognito:Rename")), "cognito:Rename"),
        (with("/resource", json!("nowhere")), "resource"),
        (with("/context", json!({"host": []})), "host"),
        (with("/context", json!({"hosts": "a.example"})), "the request"),
        (with("/caller", json!({"kind": "jwt"})), "id"),
    ] {
        let output = explain(&scratch.file("request.json", &text), &["--expect", "deny"]).await;
        assert_eq!(output.status.code(), Some(64), "{text}: {}", error(&output));
        assert!(error(&output).contains(said) && output.stdout.is_empty(), "{text}: {}", error(&output));
    }
    let output = explain(&scratch.join("none.json"), &[]).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(error(&output).contains("none.json"), "{}", error(&output));
    // Without policies, and with broken ones.
    let file = scratch.file("request.json", good.to_string());
    let file = file.to_str().unwrap();
    let output = idp_proxy(&["policy", "explain", "--request", file], &[]).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(error(&output).contains("policy.directory"), "{}", error(&output));
    let broken = directory(&scratch, &[("broken.cedar", "permit")]);
    let output =
        idp_proxy(&["policy", "explain", "--request", file, "--policies", broken.to_str().unwrap()], &[]).await;
    assert_eq!(output.status.code(), Some(64));
    assert!(error(&output).contains("broken.cedar: line 1"), "{}", error(&output));
}
