//! The same effect as one call: lost answers, repeated calls, equal calls in flight, and calls that only ask.

mod confirmed;
mod equal;
mod rehearsed;
mod tokens;

use std::time::{Duration, SystemTime};

use idp_proxy::proto::cognito::v1::CreateIdentityProviderRequest as Create;
use serde_json::{Value, json};
use tonic::{Request, Status};

use crate::support::{Answer, Proxy, SANDBOX_USER_POOL, Scratch, Seen, configured, details, info, map};

/// Callers are told apart by a header that the test's own address may set.
const MANY_CALLERS: &str = "[identity.mesh]\nheader = \"l5d-client-id\"\ntrusted_peers = [\"127.0.0.1/32\"]\n";

/// A proxy that believes who the test says it is, and lets everyone do everything; with an audit file.
async fn for_many_callers(scratch: &Scratch, endpoint: &str) -> Proxy {
    let (audit, policies) = (scratch.join("audit.log"), crate::support::ANYONE[1].1);
    let toml = format!("{MANY_CALLERS}[audit]\nsink = {audit:?}\n[policy]\ndirectory = {policies:?}\n");
    configured(scratch, &toml, endpoint, &[]).await
}

/// A request of a caller that the mesh names.
fn from<T>(caller: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("l5d-client-id", caller.parse().expect("a header's value"));
    request
}

/// A request under an `x-request-id`.
fn under<T>(id: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-request-id", id.parse().expect("a header's value"));
    request
}

/// A provider with everything that a create can send.
fn create(request_id: &str) -> Create {
    Create {
        user_pool_id: SANDBOX_USER_POOL.to_owned(),
        provider_name: "Corp".to_owned(),
        provider_type: "OIDC".to_owned(),
        provider_details: details("OIDC"),
        attribute_mapping: map(&[("email", "mail"), ("name", "display")]),
        idp_identifiers: vec!["a.example".to_owned(), "b.example".to_owned()],
        acr_mapping: map(&[("Level1", "urn:one")]),
        request_id: request_id.to_owned(),
        ..Create::default()
    }
}

/// Stands for the date of creation until the answer is given.
const AGE: &str = "age";

/// What AWS shows of it, made `age` before AWS answers.
fn shown(request: &Create, age: Duration) -> Value {
    let mut details = json!(request.provider_details);
    // What AWS adds by itself is no difference.
    details["attributes_url_add_attributes"] = "false".into();
    let identifiers: Vec<&String> = request.idp_identifiers.iter().rev().collect();
    json!({"IdentityProvider": {
        "UserPoolId": request.user_pool_id, "ProviderName": request.provider_name, "ProviderType": request.provider_type,
        "ProviderDetails": details, "AttributeMapping": request.attribute_mapping, "IdpIdentifiers": identifiers,
        "AcrMapping": request.acr_mapping, AGE: age.as_secs_f64(),
    }})
}

/// The answer with its date, when it is given.
fn dated(mut answer: Answer) -> Answer {
    let Ok(mut body) = serde_json::from_str::<Value>(&answer.body) else { return answer };
    if let Some(age) = body["IdentityProvider"].as_object_mut().and_then(|provider| provider.remove(AGE)) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        body["IdentityProvider"]["CreationDate"] = json!(now.as_secs_f64() - age.as_f64().unwrap());
        answer.body = body.to_string();
    }
    answer
}

fn is(seen: &Seen, operation: &str) -> bool {
    seen.headers.iter().any(|(name, value)| name == "x-amz-target" && value.ends_with(&format!(".{operation}")))
}

fn count(seen: &[Seen], operation: &str) -> usize {
    seen.iter().filter(|seen| is(seen, operation)).count()
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer::new(status, json!({"__type": code, "message": ""}).to_string())
}

fn said(status: &Status, key: &str) -> Option<String> {
    info(status).metadata.get(key).cloned()
}
