//! The proxy in the hands of somebody with grpcurl and documents made for the AWS CLI.

use std::{path::Path, process::Output};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{
    Proxy, SANDBOX_PORTAL, SANDBOX_USER_POOL, Scratch, assert_no_canary, details, finish, python, repository, tool,
};

const COGNITO: &str = "idpproxy.cognito.v1.IdentityProviderService";
const WEB: &str = "idpproxy.workspacesweb.v1.IdentityProviderService";

async fn grpcurl(arguments: &[&str]) -> Output {
    finish(Command::new(tool("venv/bin/grpcurl")).args(arguments)).await
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Sends a document to an RPC; what it prints and its exit code.
async fn send(proxy: &Proxy, method: &str, document: &Value) -> (i32, String, String) {
    let output = grpcurl(&["-plaintext", "-d", &document.to_string(), &proxy.address, method]).await;
    (output.status.code().expect("it ended by itself"), text(&output.stdout), text(&output.stderr))
}

/// Sends a document that is taken; its answer, in which no secret is.
async fn taken(proxy: &Proxy, method: &str, document: &Value) -> Value {
    let (code, answer, error) = send(proxy, method, document).await;
    assert_eq!(code, 0, "{method}: {error}");
    assert_no_canary(&answer);
    serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{why}: {answer}"))
}

/// The details of a refusal by the last word of their type: grpcurl prints one in each line, numbered.
fn printed_details(error: &str) -> Vec<(String, Value)> {
    let lines = error.lines().filter_map(|line| line.split_once(")\t"));
    let details = lines.filter_map(|(_, detail)| serde_json::from_str::<Value>(detail).ok());
    let named = |detail: Value| {
        let name = detail["@type"].as_str()?.rsplit('.').next()?.to_owned();
        Some((name, detail))
    };
    details.filter_map(named).collect()
}

fn detail(error: &str, name: &str) -> Value {
    let found = printed_details(error).into_iter().find(|(kind, _)| kind == name);
    found.unwrap_or_else(|| panic!("no {name} in:\n{error}")).1
}

/// AWS's own client takes these documents for these operations: it is what the AWS CLI checks them with.
async fn assert_aws_takes(documents: &[(&str, &str, Value)]) {
    const VALIDATE: &str = "import boto3, json, sys
from botocore.validate import ParamValidator
for service, operation, document in json.loads(sys.argv[1]):
    model = boto3.client(service, 'us-east-1').meta.service_model.operation_model(operation)
    report = ParamValidator().validate(document, model.input_shape)
    assert not report.has_errors(), (service, operation, report.generate_report())";
    python(["-c", VALIDATE, &serde_json::to_string(documents).unwrap()]).await;
}

#[tokio::test]
async fn list_and_describe_show_both_services_and_the_details_of_errors() {
    let proxy = Proxy::sandbox().await;
    let output = grpcurl(&["-plaintext", &proxy.address, "list"]).await;
    let listed = text(&output.stdout);
    for service in [COGNITO, WEB, "grpc.health.v1.Health"] {
        assert!(listed.lines().any(|line| line == service), "{service} is not listed:\n{listed}");
    }
    for (service, rpcs) in [(COGNITO, 6), (WEB, 5)] {
        let output = grpcurl(&["-plaintext", &proxy.address, "describe", service]).await;
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).matches("  rpc ").count(), rpcs, "{service}");
    }
    let output = grpcurl(&["-plaintext", &proxy.address, "describe", "google.rpc.ErrorInfo"]).await;
    assert!(text(&output.stdout).contains("string reason = 1"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn documents_for_the_aws_cli_paste_into_all_six_cognito_rpcs() {
    let proxy = Proxy::sandbox().await;
    let provider = json!({ "UserPoolId": SANDBOX_USER_POOL, "ProviderName": "Corp" });
    let create = json!({
        "UserPoolId": SANDBOX_USER_POOL, "ProviderName": "Corp", "ProviderType": "OIDC",
        "ProviderDetails": details("OIDC"), "AttributeMapping": { "email": "mail" },
        "IdpIdentifiers": ["corp.example"], "AcrMapping": { "Level1": "urn:acr:1" },
    });
    let update = json!({
        "UserPoolId": SANDBOX_USER_POOL, "ProviderName": "Corp", "ProviderDetails": details("OIDC"),
        "AttributeMapping": { "name": "full_name" }, "IdpIdentifiers": ["other.example"],
    });
    let list = json!({ "UserPoolId": SANDBOX_USER_POOL, "MaxResults": 10 });
    let by_identifier = json!({ "UserPoolId": SANDBOX_USER_POOL, "IdpIdentifier": "other.example" });
    let documents = [
        ("cognito-idp", "CreateIdentityProvider", create),
        ("cognito-idp", "DescribeIdentityProvider", provider.clone()),
        ("cognito-idp", "UpdateIdentityProvider", update),
        ("cognito-idp", "ListIdentityProviders", list),
        ("cognito-idp", "GetIdentityProviderByIdentifier", by_identifier),
        ("cognito-idp", "DeleteIdentityProvider", provider),
    ];
    assert_aws_takes(&documents).await;
    let mut answers = Vec::new();
    for (_, operation, document) in &documents {
        answers.push(taken(&proxy, &format!("{COGNITO}/{operation}"), document).await);
    }
    let made = &answers[0]["IdentityProvider"];
    assert_eq!((&made["ProviderName"], &made["AcrMapping"]), (&json!("Corp"), &json!({ "Level1": "urn:acr:1" })));
    assert_eq!(made["ProviderDetails"]["oidc_issuer"], "https://idp.example");
    assert!(made["CreationDate"].as_str().is_some_and(|date| date.ends_with('Z')));
    assert!(made["secretFingerprints"]["client_secret"].is_string() && made["effectiveDetails"].is_object());
    assert_eq!(&answers[1]["IdentityProvider"], made);
    assert_eq!(answers[2]["IdentityProvider"]["AttributeMapping"], json!({ "name": "full_name" }));
    assert_eq!(answers[3]["Providers"][0]["ProviderName"], "Corp");
    assert_eq!(answers[4]["IdentityProvider"]["IdpIdentifiers"], json!(["other.example"]));
    assert_eq!(answers[5], json!({}));
}

#[tokio::test]
async fn documents_for_the_aws_cli_paste_into_all_five_workspaces_web_rpcs() {
    let proxy = Proxy::sandbox().await;
    let create = json!({
        "portalArn": SANDBOX_PORTAL, "identityProviderName": "Corp SAML", "identityProviderType": "SAML",
        "identityProviderDetails": details("SAML"), "clientToken": "token-1",
        "tags": [{ "Key": "team", "Value": "identity" }],
    });
    let made = taken(&proxy, &format!("{WEB}/CreateIdentityProvider"), &create).await;
    let arn = &made["identityProviderArn"];
    let documents = [
        ("workspaces-web", "CreateIdentityProvider", create),
        ("workspaces-web", "GetIdentityProvider", json!({ "identityProviderArn": arn })),
        (
            "workspaces-web",
            "UpdateIdentityProvider",
            json!({
                "identityProviderArn": arn, "identityProviderName": "Corp OIDC", "identityProviderType": "OIDC",
                "identityProviderDetails": details("OIDC"), "clientToken": "token-2",
            }),
        ),
        ("workspaces-web", "ListIdentityProviders", json!({ "portalArn": SANDBOX_PORTAL, "maxResults": 10 })),
        ("workspaces-web", "DeleteIdentityProvider", json!({ "identityProviderArn": arn })),
    ];
    assert_aws_takes(&documents).await;
    let mut answers = Vec::new();
    for (_, operation, document) in &documents {
        answers.push(taken(&proxy, &format!("{WEB}/{operation}"), document).await);
    }
    assert_eq!(answers[0], made, "the same token, the same answer");
    assert_eq!(answers[1]["identityProvider"]["identityProviderDetails"], json!(details("SAML")));
    assert_eq!(answers[2]["identityProvider"]["identityProviderType"], "OIDC");
    assert!(answers[2]["identityProvider"]["secretFingerprints"]["client_secret"].is_string());
    assert_eq!(answers[3]["identityProviders"][0]["identityProviderName"], "Corp OIDC");
    assert_eq!(answers[4], json!({}));
}

#[tokio::test]
async fn a_refusal_is_printed_with_its_details_and_ends_with_64_and_the_code() {
    let proxy = Proxy::sandbox().await;
    let mut provider_details = details("OIDC");
    provider_details.insert("token_endpoint".to_owned(), "canary7f3a".to_owned());
    provider_details.remove("client_id");
    let document = json!({
        "UserPoolId": SANDBOX_USER_POOL, "ProviderName": "x", "ProviderType": "OIDC", "ProviderDetails": provider_details,
    });
    let (code, _, error) = send(&proxy, &format!("{COGNITO}/CreateIdentityProvider"), &document).await;
    assert_eq!(code, 64 + 3, "{error}");
    assert_no_canary(&error);
    let info = detail(&error, "ErrorInfo");
    assert_eq!((&info["reason"], &info["domain"]), (&json!("INVALID_REQUEST"), &json!("idp-proxy")));
    assert_eq!(info["metadata"]["operation"], "CreateIdentityProvider");
    let bad = detail(&error, "BadRequest");
    let fields: Vec<_> = bad["fieldViolations"].as_array().unwrap().iter().map(|one| one["field"].clone()).collect();
    let wanted = ["provider_name", r#"provider_details["client_id"]"#, r#"provider_details["token_endpoint"]"#];
    assert_eq!(fields, wanted, "every mistake at once");
    assert!(error.contains("did you mean token_url?"), "{error}");
    assert!(detail(&error, "RequestInfo")["requestId"].is_string());

    let (code, _, error) = send(
        &proxy,
        &format!("{COGNITO}/DescribeIdentityProvider"),
        &json!({ "UserPoolId": SANDBOX_USER_POOL, "ProviderName": "Nobody" }),
    )
    .await;
    assert_eq!(code, 64 + 5, "{error}");
    assert_eq!(detail(&error, "ResourceInfo")["resourceType"], "cognito-idp:IdentityProvider");
}

#[tokio::test]
async fn what_is_no_request_is_refused_by_grpcurl_or_by_the_server() {
    let proxy = Proxy::sandbox().await;
    let describe = format!("{COGNITO}/DescribeIdentityProvider");
    for (method, document, why) in [
        (describe.as_str(), json!({ "UserPoolID": "x" }), "no known field named UserPoolID"),
        (&format!("{COGNITO}/NoSuchMethod"), json!({}), "does not include a method"),
        ("idpproxy.cognito.v1.NoSuchService/X", json!({}), "does not expose service"),
    ] {
        let (code, _, error) = send(&proxy, method, &document).await;
        assert_eq!(code, 1, "{error}");
        assert!(error.contains(why), "{error}");
    }
    // A client whose proto is ahead of the server's.
    let scratch = Scratch::new();
    let newer = "syntax = \"proto3\"; package idpproxy.cognito.v1; message Nothing {}
        service IdentityProviderService { rpc NoSuchMethod(Nothing) returns (Nothing); }";
    scratch.file("newer.proto", newer);
    let import = scratch.to_str().unwrap();
    let method = format!("{COGNITO}/NoSuchMethod");
    let output =
        grpcurl(&["-plaintext", "-import-path", import, "-proto", "newer.proto", &proxy.address, &method]).await;
    assert_eq!(output.status.code(), Some(64 + 12), "{}", text(&output.stderr));
}

#[tokio::test]
async fn it_works_without_reflection_from_the_proto_files() {
    let proxy = Proxy::sandbox().await;
    let proto = repository().join("proto");
    let document = json!({ "UserPoolId": SANDBOX_USER_POOL }).to_string();
    let method = format!("{COGNITO}/ListIdentityProviders");
    let output = grpcurl(&[
        "-plaintext",
        "-import-path",
        proto.to_str().unwrap(),
        "-proto",
        "idpproxy/cognito/v1/identity_provider_service.proto",
        "-d",
        &document,
        &proxy.address,
        &method,
    ])
    .await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!({}));
}

#[tokio::test]
async fn health_can_be_asked_by_service_and_as_a_whole() {
    let proxy = Proxy::sandbox().await;
    for service in ["", COGNITO, WEB] {
        let answer = taken(&proxy, "grpc.health.v1.Health/Check", &json!({ "service": service })).await;
        assert_eq!(answer, json!({ "status": "SERVING" }), "{service}");
    }
    let (code, _, error) = send(&proxy, "grpc.health.v1.Health/Check", &json!({ "service": "nobody" })).await;
    assert_eq!(code, 64 + 5, "{error}");
}

/// Runs a line in a shell that finds grpcurl.
async fn shell(line: &str) -> Output {
    let grpcurl = tool("venv/bin/grpcurl");
    let path = std::env::join_paths([grpcurl.parent().unwrap(), Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    finish(Command::new("sh").args(["-c", line]).env("PATH", path)).await
}

#[tokio::test]
async fn the_line_that_the_sandbox_prints_can_be_pasted_and_works() {
    let scratch = Scratch::new();
    let socket = format!("unix:{}", scratch.join("it.sock").display());
    for listen in ["127.0.0.1:0", &socket] {
        let arguments = ["serve", "--sandbox", "--listen", listen, "--admin-listen", "off"];
        let proxy = Proxy::start(&arguments, &[]).await;
        let line = proxy.printed("grpcurl ").await;
        let output = shell(&line).await;
        assert!(output.status.success(), "{line}\n{}", text(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["IdentityProvider"]["ProviderName"], "MyOidc");
        assert!(!text(&output.stdout).contains("my-secret"));
        let output = shell(&line).await;
        assert_eq!(output.status.code(), Some(64 + 6), "a second time it exists already");
        assert!(text(&output.stderr).contains("Code: AlreadyExists"), "{}", text(&output.stderr));
    }
}
