//! What AWS says to calls with secrets: success, refusals that echo them, and what makes no sense.

use idp_proxy::domain::Service;
use serde_json::{Value, json};

use crate::{rpcs::Rpc, support::Answer};

/// What AWS could tell on.
pub(super) struct Echo {
    /// What this caller sent.
    pub(super) secrets: Vec<String>,
    /// Whether AWS could take it for a name.
    pub(super) is_secret: bool,
    /// What it never sent, such as the secret that somebody else has set.
    pub(super) foreign: String,
}

/// Status, code.
const COGNITO: [(u16, &str); 13] = [
    (400, "InvalidParameterException"),
    (400, "DuplicateProviderException"),
    (400, "ResourceNotFoundException"),
    (400, "NotAuthorizedException"),
    (400, "TooManyRequestsException"),
    (400, "LimitExceededException"),
    (400, "UnsupportedIdentityProviderException"),
    (400, "ConcurrentModificationException"),
    (500, "InternalErrorException"),
    (503, "ServiceUnavailable"),
    (403, "InvalidSignatureException"),
    (400, "SerializationException"),
    (400, "SomethingNewException"),
];
const WEB: [(u16, &str); 11] = [
    (400, "ValidationException"),
    (409, "ConflictException"),
    (404, "ResourceNotFoundException"),
    (403, "AccessDeniedException"),
    (429, "ThrottlingException"),
    (402, "ServiceQuotaExceededException"),
    (400, "TooManyTagsException"),
    (500, "InternalServerException"),
    (503, "ServiceUnavailable"),
    (403, "ExpiredTokenException"),
    (400, "SomethingNewException"),
];

/// Every answer to a call of this RPC, by name.
pub(super) fn answers(rpc: &Rpc, echo: &Echo) -> Vec<(String, Answer)> {
    let mut all = vec![("success".to_owned(), success(rpc, echo))];
    let service = rpc.action.service();
    let codes = if service == Service::Cognito { &COGNITO[..] } else { &WEB };
    for (at, (status, code)) in codes.iter().enumerate() {
        let texts = texts(echo);
        // The codes whose text is passed on meet every text, the others one each.
        let all_of_them = ["InvalidParameterException", "ValidationException"].contains(code);
        let few = if all_of_them { texts } else { vec![texts[at % texts.len()].clone()] };
        for text in few {
            all.push((format!("{code}: {text:?}"), refusal(service, *status, code, &text, echo.is_secret)));
        }
    }
    let body = json!({"request": echo.secrets, "more": echo.foreign}).to_string();
    for (status, body) in [
        (200, body.clone()),
        (200, format!("<html>{body}")),
        (200, format!("{{\"IdentityProvider\": {body}, \"identityProvider\": {:?}}}", echo.foreign)),
        (400, body.clone()),
        (400, format!("not JSON {body}")),
        (502, format!("<html>{body}</html>")),
        (302, body.clone()),
    ] {
        all.push((format!("{status} {body:?}"), Answer::new(status, body)));
    }
    all
}

/// With secrets that the caller did not send, also under keys that nobody knows yet.
fn success(rpc: &Rpc, echo: &Echo) -> Answer {
    let mut success = rpc.success.clone();
    let secret = echo.secrets.first().unwrap_or(&echo.foreign).clone();
    let more = json!({
        "client_id": "client-1", "client_secret": secret, "private_key": echo.foreign, "a_new_secret": echo.foreign,
        "Client_Secret": echo.foreign,
    });
    for path in ["/IdentityProvider/ProviderDetails", "/identityProvider/identityProviderDetails"] {
        if let Some(details) = success.pointer_mut(path) {
            *details = more.clone();
        }
    }
    // Members that no version of the SDK knows.
    success["Unknown"] = json!(echo.foreign);
    Answer::new(200, success.to_string())
}

/// AWS's words around a secret, in the writings that have been seen or are likely.
fn texts(echo: &Echo) -> Vec<String> {
    let nothing = String::from("nothing");
    let secret = echo.secrets.first().unwrap_or(&nothing);
    let escaped = serde_json::to_string(secret).unwrap();
    let bare = escaped.trim_matches('"');
    vec![
        format!("1 validation error detected: Value '{secret}' at 'providerDetails.client_secret' failed"),
        format!(
            "Unexpected member in {{\"UserPoolId\":\"us-east-1_x\",\"ProviderDetails\":{{\"client_secret\":{escaped}}}}}"
        ),
        format!("{secret} is not a valid key for SAML identity provider details."),
        format!("AttributeMapping contains invalid mapping: [{bare}] {secret}"),
        format!("Value '{{client_secret={secret}, client_id=client-1}}' at 'providerDetails' failed; {bare}"),
    ]
}

/// An error in the wire format of a service, with the text in every member that takes one.
fn refusal(service: Service, status: u16, code: &str, text: &str, in_names: bool) -> Answer {
    let name = if in_names { text } else { "name" };
    let fields = json!([
        {"name": "identityProviderDetails.client_secret", "message": text},
        {"name": format!("identityProviderDetails.{name}"), "message": "is wrong"},
    ]);
    let members = json!({
        "__type": format!("com.amazonaws.cognito.identity.idp.model#{code}"),
        "message": text, "Message": text, "reasonCode": name, "resourceId": name, "resourceType": name,
        "serviceCode": name, "quotaCode": name, "resourceName": name, "fieldList": fields,
        "reason": Value::from(if code == "ValidationException" { "fieldValidationFailed" } else { name }),
    });
    let answer = Answer::new(status, members.to_string());
    match service {
        Service::Cognito => answer.header("content-type", "application/x-amz-json-1.1"),
        Service::WorkspacesWeb => {
            answer.header("content-type", "application/json").header("x-amzn-errortype", format!("{code}:http://aws/"))
        }
    }
}
