//! REST clients through a real Envoy with `deploy/envoy/transcoder.yaml`: JSON in, JSON out, errors with their details, and
//! identity as everywhere else.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{AUDITOR, CONSOLE, World, believing, unique};
use crate::support::{
    Authority, CANARY, Envoy, FakeAws, SANDBOX_PORTAL, SANDBOX_USER_POOL, Scratch, assert_no_canary, details,
    printed_outcome, replaced, repository, saml_metadata,
    tokens::{AUDIENCE, ISSUER, Signer, claims, jwks},
    tool,
};

const COGNITO: &str = "/idpproxy.cognito.v1.IdentityProviderService/";
const WEB: &str = "/idpproxy.workspacesweb.v1.IdentityProviderService/";
/// A caller with a token.
const ANN: &str = "https://login.example|ann";

/// The proxy behind the transcoder, and who signs its callers' tokens.
struct Rest {
    world: World,
    envoy: Envoy,
    signer: Signer,
}

impl Rest {
    /// As delivered, but for `change`.
    async fn new(change: impl FnOnce(String) -> String) -> Self {
        let aws = FakeAws::start(&[]).await;
        let (scratch, signer) = (Scratch::new(), Signer::p256("1"));
        let keys = scratch.file("jwks.json", jwks(&[&signer]));
        let tokens = format!("[{{issuer = {ISSUER:?}, audience = {AUDIENCE:?}, jwks_file = {keys:?}}}]");
        let identity = [&believing("[\"127.0.0.1/32\"]")[..], &[("IDP_PROXY__IDENTITY__JWT", &tokens)]].concat();
        let endpoint = aws.endpoint.clone();
        let world = World::of(&endpoint, scratch, Authority::new("prod.example"), &identity).await;
        let world = World { _aws: Some(aws), ..world };
        let envoy = Envoy::transcoder(&world.authority, &world.proxy.address, change).await;
        Self { world, envoy, signer }
    }

    /// Sends requests with a certificate for `name`, or without one.
    async fn send(&self, name: Option<&str>, requests: &[Value]) -> Vec<Answer> {
        let scratch = Scratch::new();
        let mut client = Command::new(tool("venv/bin/python"));
        client.arg(repository().join("tests/python/rest_client.py")).arg(&self.envoy.address);
        client.arg(scratch.file("ca.pem", self.world.authority.pem()));
        if let Some(name) = name {
            let leaf = self.world.authority.client(&[name]);
            client
                .arg(scratch.file("client.pem", &leaf.certificate))
                .arg(scratch.file("client.key", &leaf.private_key));
        }
        let pipes = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut running = pipes.spawn().unwrap();
        let mut stdin = running.stdin.take().unwrap();
        stdin.write_all(json!(requests).to_string().as_bytes()).await.unwrap();
        drop(stdin);
        let output = running.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answers: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        answers.into_iter().map(Answer).collect()
    }

    async fn one(&self, name: Option<&str>, request: Value) -> Answer {
        self.send(name, &[request]).await.remove(0)
    }

    fn bearer(&self, subject: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.signer.token(&claims(subject, &[]))))
    }
}

/// What a REST client reads.
#[derive(Debug)]
struct Answer(Value);

impl Answer {
    fn status(&self) -> u64 {
        self.0["status"].as_u64().unwrap()
    }

    fn body(&self) -> Value {
        let text = self.0["body"].as_str().unwrap();
        serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The body of a success, in which no secret is.
    fn taken(&self) -> Value {
        assert!(self.status() == 200 && self.0["headers"]["content-type"] == "application/json", "{self:?}");
        assert_no_canary(&self.0.to_string());
        self.body()
    }

    /// Refused with this HTTP status, gRPC code and reason; without a secret.
    #[track_caller]
    fn assert_refused(&self, status: u64, code: u64, reason: &str) {
        assert_eq!(self.status(), status, "{self:?}");
        assert_no_canary(&self.0.to_string());
        assert_eq!(
            (&self.body()["code"], &self.detail("ErrorInfo")["reason"]),
            (&json!(code), &json!(reason)),
            "{self:?}"
        );
    }

    /// The detail of this type that a refusal has.
    #[track_caller]
    fn detail(&self, kind: &str) -> Value {
        let (body, kind) = (self.body(), format!("type.googleapis.com/google.rpc.{kind}"));
        let mut details = body["details"].as_array().unwrap().iter();
        details.find(|detail| detail["@type"] == kind.as_str()).cloned().unwrap_or_else(|| panic!("{kind}: {body}"))
    }
}

/// A call as a REST client makes it, with further headers.
fn call(target: &str, body: &Value, headers: &[(&str, String)]) -> Value {
    let mut all = json!({ "content-type": "application/json" });
    for (name, value) in headers {
        all[*name] = json!(value);
    }
    json!({ "method": "POST", "target": target, "headers": all, "body": body.to_string() })
}

fn cognito(rpc: &str, body: &Value) -> Value {
    call(&format!("{COGNITO}{rpc}"), body, &[])
}

fn web(rpc: &str, body: &Value) -> Value {
    call(&format!("{WEB}{rpc}"), body, &[])
}

fn provider(name: &str) -> Value {
    json!({ "UserPoolId": SANDBOX_USER_POOL, "ProviderName": name })
}

/// A document for the AWS CLI, with a secret that must not come back.
fn create(name: &str) -> Value {
    let mut create = provider(name);
    create["ProviderType"] = json!("OIDC");
    create["ProviderDetails"] = json!(details("OIDC"));
    create["IdpIdentifiers"] = json!([format!("{name}.example")]);
    assert!(create.to_string().contains(CANARY));
    create
}

#[tokio::test]
async fn documents_for_the_aws_cli_make_read_list_change_and_delete_providers() {
    let rest = Rest::new(|text| text).await;
    let (list, by_identifier) = (
        json!({ "UserPoolId": SANDBOX_USER_POOL, "MaxResults": 10 }),
        json!({ "UserPoolId": SANDBOX_USER_POOL, "IdpIdentifier": "Corp.example" }),
    );
    let mut update = provider("Corp");
    update["updateMask"] = json!("idpIdentifiers");
    let requests = [
        cognito("CreateIdentityProvider", &create("Corp")),
        cognito("DescribeIdentityProvider", &provider("Corp")),
        cognito("ListIdentityProviders", &list),
        cognito("GetIdentityProviderByIdentifier", &by_identifier),
        cognito("UpdateIdentityProvider", &update),
        cognito("DeleteIdentityProvider", &provider("Corp")),
        cognito("ListIdentityProviders", &list),
    ];
    let answers: Vec<Value> = rest.send(Some(CONSOLE), &requests).await.iter().map(Answer::taken).collect();
    let made = &answers[0]["IdentityProvider"];
    assert_eq!((&made["ProviderName"], &made["ProviderType"]), (&json!("Corp"), &json!("OIDC")));
    assert_eq!(made["ProviderDetails"]["client_secret"], Value::Null);
    assert!(made["secretFingerprints"]["client_secret"].is_string() && made["CreationDate"].is_string(), "{made}");
    assert_eq!(&answers[1]["IdentityProvider"], made);
    assert_eq!(answers[2]["Providers"][0]["ProviderName"], "Corp");
    assert_eq!(&answers[3]["IdentityProvider"], made);
    assert!(answers[4]["IdentityProvider"]["IdpIdentifiers"].as_array().is_none_or(Vec::is_empty), "{}", answers[4]);
    assert_eq!((&answers[5], answers[6]["Providers"].as_array().map_or(0, Vec::len)), (&json!({}), 0));

    let create = json!({
        "portalArn": SANDBOX_PORTAL, "identityProviderName": "Corp SAML", "identityProviderType": "SAML",
        "identityProviderDetails": { "MetadataURL": "https://idp.example/metadata" },
    });
    let made = rest.one(Some(CONSOLE), web("CreateIdentityProvider", &create)).await.taken();
    let requests = [
        web("GetIdentityProvider", &made),
        web("ListIdentityProviders", &json!({ "portalArn": SANDBOX_PORTAL })),
        web("DeleteIdentityProvider", &made),
    ];
    let answers: Vec<Value> = rest.send(Some(CONSOLE), &requests).await.iter().map(Answer::taken).collect();
    assert_eq!(answers[0]["identityProvider"]["identityProviderName"], "Corp SAML");
    assert_eq!(answers[1]["identityProviders"][0]["identityProviderArn"], made["identityProviderArn"]);
    assert_eq!(answers[2], json!({}));
}

#[tokio::test]
async fn errors_are_an_http_status_and_a_body_with_every_detail() {
    let rest = Rest::new(|text| text).await;
    let mut wrong = create("Corp");
    wrong["ProviderDetails"]["oidc_issuer"] = json!("http://idp.example");
    wrong["ProviderDetails"]["authorize_scopes"] = json!("email");
    let id = unique();
    let wrong = call(&format!("{COGNITO}CreateIdentityProvider"), &wrong, &[("x-request-id", id.clone())]);
    let requests = [
        wrong,
        cognito("CreateIdentityProvider", &create("Corp")),
        cognito("CreateIdentityProvider", &create("Corp")),
        cognito("DescribeIdentityProvider", &provider("Other")),
        cognito("DescribeIdentityProvider", &json!({ "UserPoolId": "us-east-1_Elsewhere1", "ProviderName": "Corp" })),
    ];
    let answers = rest.send(Some(CONSOLE), &requests).await;
    answers[0].assert_refused(400, 3, "INVALID_REQUEST");
    let mistakes = answers[0].detail("BadRequest");
    let fields: Vec<_> = mistakes["fieldViolations"].as_array().unwrap().iter().map(|one| &one["field"]).collect();
    assert_eq!(fields, [r#"provider_details["authorize_scopes"]"#, r#"provider_details["oidc_issuer"]"#]);
    assert_eq!(answers[0].detail("RequestInfo")["requestId"], id.as_str());
    answers[1].taken();
    answers[2].assert_refused(409, 6, "IDENTITY_PROVIDER_EXISTS");
    assert_eq!(answers[2].detail("ErrorInfo")["metadata"]["awsErrorCode"], "DuplicateProviderException");
    answers[3].assert_refused(404, 5, "RESOURCE_NOT_FOUND");
    answers[4].assert_refused(403, 7, "POLICY_DENIED");
}

#[tokio::test]
async fn callers_are_who_their_certificate_or_token_says_and_nobody_else() {
    let rest = Rest::new(|text| text).await;
    let create = |headers: &[(&str, String)]| {
        let mut headers = headers.to_vec();
        let id = unique();
        headers.push(("x-request-id", id.clone()));
        (id, call(&format!("{COGNITO}CreateIdentityProvider"), &create(&unique()), &headers))
    };
    // The auditor may not write, whatever it says of itself.
    for forged in [("x-forwarded-client-cert", format!("URI={CONSOLE}")), ("l5d-client-id", "console".to_owned())] {
        let (id, request) = create(&[forged]);
        let refused = rest.one(Some(AUDITOR), request).await;
        refused.assert_refused(403, 7, "POLICY_DENIED");
        assert_eq!(refused.detail("ErrorInfo")["metadata"]["policies"], "auditor-never-writes");
        let line = printed_outcome(&rest.world.proxy, &id).await;
        assert_eq!((&line["caller"], &line["caller_kind"]), (&json!(AUDITOR), &json!("mesh")));
    }
    // Of certificate and token the token is the nearer one.
    let (id, request) = create(&[rest.bearer("ann")]);
    rest.one(Some(AUDITOR), request).await.taken();
    let line = printed_outcome(&rest.world.proxy, &id).await;
    assert_eq!((&line["caller"], &line["caller_kind"]), (&json!(ANN), &json!("jwt")));
    let (_, request) = create(&[("authorization", "Bearer x.y.z".to_owned())]);
    rest.one(Some(CONSOLE), request).await.assert_refused(401, 16, "CALLER_UNIDENTIFIED");
}

/// The change that `transcoder.yaml` describes for callers without certificates.
#[tokio::test]
async fn with_tokens_only_who_shows_none_is_refused() {
    let without_certificates = |text: String| {
        let text = replaced(&text, 1, "require_client_certificate: true", "require_client_certificate: false");
        let (before, rest) = text.split_once("              match_typed_subject_alt_names:\n").unwrap();
        let (_, after) = rest.split_once(")+' } }\n").unwrap();
        format!("{before}{after}")
    };
    let rest = Rest::new(without_certificates).await;
    let target = format!("{COGNITO}CreateIdentityProvider");
    rest.one(None, call(&target, &create("Corp"), &[rest.bearer("ann")])).await.taken();
    for headers in [vec![], vec![("x-forwarded-client-cert", format!("URI={CONSOLE}"))]] {
        rest.one(None, call(&target, &create("Corp2"), &headers)).await.assert_refused(401, 16, "CALLER_UNIDENTIFIED");
    }
    rest.one(None, call(&target, &create("Corp2"), &[rest.bearer("bob")])).await.assert_refused(
        403,
        7,
        "POLICY_DENIED",
    );
}

#[tokio::test]
async fn what_is_no_call_in_json_reaches_nobody() {
    let rest = Rest::new(|text| text).await;
    let target = format!("{COGNITO}CreateIdentityProvider");
    let with = |request: &Value, key: &str, value: Value| {
        let mut request = request.clone();
        request[key] = value;
        request
    };
    let good = call(&target, &create("Corp"), &[]);
    let secret_in_query = format!("{target}?ProviderDetails={CANARY}");
    let requests = [
        // What a page of another site may make a browser send without asking.
        with(&good, "headers", json!({ "content-type": "text/plain" })),
        with(&good, "headers", json!({ "content-type": "application/x-www-form-urlencoded" })),
        with(&good, "headers", json!({})),
        with(&good, "method", json!("GET")),
        with(&good, "method", json!("PUT")),
        with(&good, "target", json!("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")),
        with(&good, "target", json!(format!("{COGNITO}NoSuchMethod"))),
        with(&good, "target", json!(secret_in_query)),
        with(&good, "body", json!("{ \"UserPoolId\":")),
        with(&good, "body", json!(r#"{"NoSuchField": 1}"#)),
    ];
    let answers = rest.send(Some(CONSOLE), &requests).await;
    for (answer, request) in answers.iter().zip(&requests) {
        assert!((400..500).contains(&answer.status()), "{request} {answer:?}");
    }
    let left = rest.one(Some(CONSOLE), cognito("ListIdentityProviders", &json!({ "UserPoolId": SANDBOX_USER_POOL })));
    assert!(left.await.taken()["Providers"].as_array().is_none_or(Vec::is_empty));
    assert_no_canary(&rest.envoy.access_log());
}

#[tokio::test]
async fn a_document_of_half_a_megabyte_passes_and_a_larger_one_is_refused() {
    let rest = Rest::new(|text| text).await;
    let metadata = saml_metadata(0).replace("日本語", &"\u{1f512}".repeat(130_000));
    let saml = |metadata: &str| {
        let mut create = provider("Corp");
        create["ProviderType"] = json!("SAML");
        create["ProviderDetails"] = json!({ "MetadataFile": metadata });
        cognito("CreateIdentityProvider", &create)
    };
    let made = rest.one(Some(CONSOLE), saml(&metadata)).await.taken();
    assert_eq!(made["IdentityProvider"]["ProviderDetails"]["MetadataFile"], metadata);
    rest.one(Some(CONSOLE), saml(&saml_metadata(1_100_000))).await.assert_refused(400, 3, "REQUEST_TOO_LARGE");
    // Envoy keeps no body whole: the limit is the proxy's.
    rest.one(Some(CONSOLE), saml(&"x".repeat(5_000_000))).await.assert_refused(400, 3, "REQUEST_TOO_LARGE");
}
