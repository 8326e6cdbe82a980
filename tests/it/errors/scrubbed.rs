//! What AWS echoes of a caller's secrets and says of our own identity reaches neither callers nor the log.

use idp_proxy::{
    domain::{Action, Service},
    proto::{cognito::v1 as c, workspacesweb::v1 as w},
};
use serde_json::json;

use super::answered::answer;
use crate::{
    rpcs::{CLIENT_SECRET, Rpc, edit},
    support::{Answer, Proxy, ScriptedAws},
};

/// A secret that is short, is also a part of AWS's words, and holds quotes and a line break.
const ODD_SECRET: &str = "it's \"a\"\nsecret";
const ROLE: &str = "arn:aws:sts::111122223333:assumed-role/idp-proxy-role/session";

/// The codes whose text is passed on, and others whose text never is.
const CODES: [&str; 9] = [
    "InvalidParameterException",
    "ValidationException",
    "ValidationError",
    "AccessDeniedException",
    "DuplicateProviderException",
    "ConflictException",
    "InternalErrorException",
    "SomethingNewException",
    "ThrottlingException",
];

/// Texts as AWS writes them, with what must not be seen by anyone else.
fn messages(secret: &str) -> [String; 6] {
    [
        format!(
            "1 validation error detected: Value '{secret}' at 'providerDetails.client_secret' failed to satisfy it"
        ),
        format!("Value '{{client_secret={secret}, client_id=client-1}}' at 'providerDetails' failed; again: {secret}"),
        format!("User: {ROLE} is not authorized to perform: cognito-idp:CreateIdentityProvider"),
        format!("{secret}{secret} is not a valid key for SAML identity provider details."),
        format!("clientId is wrong (\"{secret}\") for {ROLE}, arn:aws:iam::111122223333:role/idp-proxy-role."),
        format!("AttributeMapping contains invalid mapping: [{secret}]"),
    ]
}

/// Everything a caller sees: message, details and headers.
fn seen(status: &tonic::Status) -> String {
    let details = String::from_utf8_lossy(status.details());
    let headers: Vec<String> = status.metadata().clone().into_headers().iter().map(|it| format!("{it:?}")).collect();
    format!("{} {details} {}", status.message(), headers.join(" "))
}

fn with_secret(action: Action, secret: &str) -> Rpc {
    let mut rpc = Rpc::of(action);
    let put = |details: &mut std::collections::BTreeMap<String, String>| {
        details.insert("client_secret".to_owned(), secret.to_owned());
    };
    rpc.valid = match action {
        Action::CognitoCreate => {
            edit(&rpc.valid, |it: &mut c::CreateIdentityProviderRequest| put(&mut it.provider_details))
        }
        Action::CognitoUpdate => {
            edit(&rpc.valid, |it: &mut c::UpdateIdentityProviderRequest| put(&mut it.provider_details))
        }
        Action::WebCreate => {
            edit(&rpc.valid, |it: &mut w::CreateIdentityProviderRequest| put(&mut it.identity_provider_details))
        }
        Action::WebUpdate => {
            edit(&rpc.valid, |it: &mut w::UpdateIdentityProviderRequest| put(&mut it.identity_provider_details))
        }
        other => panic!("{other} has no details"),
    };
    rpc
}

#[tokio::test]
async fn what_aws_echoes_reaches_neither_callers_nor_the_log() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let environment = [("IDP_PROXY__AWS__ATTEMPTS_MAX", "1"), ("RUST_LOG", "trace")];
    let proxy = Proxy::against(&aws.endpoint, &environment).await;
    let channel = proxy.channel().await;
    let mut passed_on = 0;
    for action in [Action::CognitoCreate, Action::CognitoUpdate, Action::WebCreate, Action::WebUpdate] {
        for secret in [CLIENT_SECRET, ODD_SECRET, "x1z"] {
            let rpc = with_secret(action, secret);
            for (code, message) in CODES.iter().flat_map(|code| messages(secret).map(|message| (*code, message))) {
                let fields = json!([{"name": "identityProviderDetails.client_secret", "message": &message}]);
                let body = json!({"message": &message, "fieldList": fields, "reason": "fieldValidationFailed"});
                aws.now(answer(action.service(), 400, code, &body.to_string()));
                let status = rpc.call(channel.clone()).await.expect_err(code);
                let seen = seen(&status);
                for word in [secret, "111122223333", "idp-proxy-role"] {
                    assert!(!seen.contains(word), "{word:?} of {message:?} reached the caller of {action}: {seen}");
                }
                passed_on += usize::from(status.message().contains("failed"));
            }
        }
    }
    assert!(passed_on > 0, "texts are passed on at all, or this shows nothing");
    // The same for an answer of success that cannot be read, and one that is no answer.
    for (action, body) in [
        (Action::CognitoCreate, CLIENT_SECRET),
        (Action::WebUpdate, "{\"identityProvider\": \"s3cr3t-of-the-caller\"}"),
    ] {
        aws.now(Answer::new(200, body));
        let status = Rpc::of(action).call(channel.clone()).await.unwrap_err();
        assert!(!seen(&status).contains(CLIENT_SECRET), "{status:?}");
    }
    // The line of a last call comes after those of all others.
    aws.now(Rpc::of(Action::WebList).answer());
    Rpc::of(Action::WebList).call(channel).await.unwrap();
    proxy.log_line(|line| (line["method"].as_str()? == Action::WebList.grpc_method()).then_some(())).await;
    let escaped = ODD_SECRET.escape_debug().to_string();
    for word in [CLIENT_SECRET, &escaped, "it's", "x1z", "111122223333", "idp-proxy-role", "validation error"] {
        let line = proxy.log().lines().find(|line| line.contains(word)).map(str::to_owned);
        assert_eq!(line, None, "{word:?} is in the log");
    }
    assert!(proxy.log().contains("SomethingNewException"), "the log says what AWS answered");
}

#[tokio::test]
async fn names_that_aws_calls_sensitive_are_not_in_an_error() {
    let aws = ScriptedAws::always(Answer::new(500, "{}")).await;
    let proxy = Proxy::against(&aws.endpoint, &[("IDP_PROXY__AWS__ATTEMPTS_MAX", "1")]).await;
    let text = "'My OIDC' with tag identity and token token-of-the-caller is not possible";
    let body = json!({"message": text, "fieldList": [{"name": "identityProviderName", "message": text}]});
    aws.now(answer(Service::WorkspacesWeb, 400, "ValidationException", &body.to_string()));
    let status = Rpc::of(Action::WebCreate).call(proxy.channel().await).await.unwrap_err();
    assert!(status.message().contains("is not possible"), "{}", status.message());
    for word in ["My OIDC", "tag identity", "token-of-the-caller"] {
        assert!(!seen(&status).contains(word), "{word} in {}", status.message());
    }
}
