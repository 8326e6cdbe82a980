//! Calls with secrets in them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use idp_proxy::{
    domain::Action,
    proto::{cognito::v1 as c, workspacesweb::v1 as w},
};
use serde_json::json;

use super::search::Canaries;
use crate::{
    rpcs::{self, Rpc, edit},
    support::{
        details,
        tokens::{Signer, claims, now, unsigned},
    },
};

/// A call with secrets in it.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) rpc: Rpc,
    pub(super) message: Vec<u8>,
    /// What AWS could echo.
    pub(super) secrets: Vec<String>,
    /// Whether they are secrets to AWS too.
    pub(super) is_secret: bool,
    /// Instead of a good token; empty for none.
    pub(super) authorization: Option<String>,
    pub(super) timeout: Option<&'static str>,
}

impl Call {
    pub(super) fn new(name: impl Into<String>, rpc: Rpc, message: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            rpc,
            message,
            secrets: Vec::new(),
            is_secret: true,
            authorization: None,
            timeout: None,
        }
    }
}

type Details = BTreeMap<String, String>;

/// The four RPCs that send details.
const WITH_DETAILS: [Action; 4] = [Action::CognitoCreate, Action::CognitoUpdate, Action::WebCreate, Action::WebUpdate];

/// The RPC's valid request with these details of a type.
fn with(action: Action, kind: &str, details: Details) -> Vec<u8> {
    let name = if kind == "OIDC" { "MyOidc" } else { kind };
    let valid = Rpc::of(action).valid;
    match action {
        Action::CognitoCreate => edit(&valid, |it: &mut c::CreateIdentityProviderRequest| {
            (it.provider_type, it.provider_name, it.provider_details) = (kind.into(), name.into(), details);
            it.acr_mapping.clear();
        }),
        Action::CognitoUpdate => edit(&valid, |it: &mut c::UpdateIdentityProviderRequest| {
            (it.provider_name, it.provider_details) = (name.into(), details);
        }),
        Action::WebCreate => edit(&valid, |it: &mut w::CreateIdentityProviderRequest| {
            (it.identity_provider_type, it.identity_provider_details) = (kind.into(), details);
        }),
        Action::WebUpdate => edit(&valid, |it: &mut w::UpdateIdentityProviderRequest| {
            (it.identity_provider_type, it.identity_provider_details) = (kind.into(), details);
        }),
        other => panic!("{other} has no details"),
    }
}

/// The key of the secret of a type.
fn secret_key(kind: &str) -> &'static str {
    if kind == "SignInWithApple" { "private_key" } else { "client_secret" }
}

/// Secrets as people have them, around a canary.
fn secrets(core: &str) -> [String; 3] {
    [
        core.to_owned(),
        format!("it's \"{core}\" \\ with\ttabs,\r\n line breaks, ünïcødé 🔑, </tag>, 100%, a+b&c=d and {{braces}}"),
        format!("-----BEGIN PRIVATE KEY-----\n{core}\n{core}==\n-----END PRIVATE KEY-----\n"),
    ]
}

/// A valid call of each RPC; of those with details one for each kind of secret, in one of its forms.
pub(super) fn valid(canaries: &mut Canaries, form: usize) -> Vec<Call> {
    let mut calls = Vec::new();
    for rpc in rpcs::all() {
        if !WITH_DETAILS.contains(&rpc.action) {
            let message = rpc.valid.clone();
            calls.push(Call::new(rpc.action.to_string(), rpc, message));
            continue;
        }
        for kind in ["OIDC", "SignInWithApple"] {
            let name = format!("the {} of {} {kind}", secret_key(kind), rpc.action);
            let secret = secrets(&canaries.make(&name))[form].clone();
            let mut details = details(kind);
            details.insert(secret_key(kind).to_owned(), secret.clone());
            let message = with(rpc.action, kind, details);
            calls.push(Call { secrets: vec![secret], ..Call::new(name, rpc.clone(), message) });
        }
    }
    for action in [Action::WebCreate, Action::WebUpdate] {
        let token = canaries.make("the client token");
        let rpc = Rpc::of(action);
        let message = match action {
            Action::WebCreate => {
                edit(&rpc.valid, |it: &mut w::CreateIdentityProviderRequest| it.client_token.clone_from(&token))
            }
            _ => edit(&rpc.valid, |it: &mut w::UpdateIdentityProviderRequest| it.client_token.clone_from(&token)),
        };
        calls.push(Call {
            secrets: vec![token],
            is_secret: false,
            ..Call::new(format!("the client token of {action}"), rpc, message)
        });
    }
    calls
}

/// What the proxy itself finds wrong, with secrets in every value; those in `misplaced` are where keys belong.
pub(super) fn invalid(canaries: &mut Canaries, misplaced: &mut Canaries) -> Vec<Call> {
    let mut calls: Vec<Call> = rpcs::all()
        .into_iter()
        .map(|rpc| Call::new(format!("{} without sense", rpc.action), rpc.clone(), rpc.invalid))
        .collect();
    for action in WITH_DETAILS {
        for kind in ["SAML", "Facebook", "Google", "LoginWithAmazon", "SignInWithApple", "OIDC"] {
            let name = format!("a value of a wrong {action} {kind}");
            let core = canaries.make(&name);
            let mut wrong = Vec::new();
            // Where it does not belong: in every key that there is, of the type or not, plain and as a URL.
            let keys = idp_proxy::domain::DETAIL_KEYS.iter().map(|key| key.name);
            let odd = keys.chain(["token_endpoint", "password", "Client_Secret", "clientSecret"]);
            for url in ["", "http://", "https://user:", "https://idp.example:99999/", "ftp://"] {
                let values = odd.clone().map(|key| (key.to_owned(), format!("{url}{core}@idp.example")));
                wrong.push(values.collect::<Details>());
            }
            for key in ["oidc_issuer", "attributes_request_method", "IDPSignout", "MetadataURL", "unknown", ""] {
                let mut details = details(kind);
                details.insert(secret_key(kind).to_owned(), core.clone());
                details.insert(key.to_owned(), format!("http://{core}"));
                details.remove("client_id");
                details.remove("authorize_scopes");
                wrong.push(details);
            }
            let mut swapped = Details::new();
            swapped.insert(misplaced.make(&format!("a key of a wrong {action} {kind}")), core.clone());
            wrong.push(swapped);
            let rpc = Rpc::of(action);
            let messages = wrong.into_iter().map(|details| with(action, kind, details));
            calls.extend(messages.map(|message| Call::new(name.clone(), rpc.clone(), message)));
        }
    }
    for rpc in rpcs::all() {
        let name = format!("the bytes of {}", rpc.action);
        let core = canaries.make(&name);
        // A text that is not UTF-8, one that is cut off, a field of another type, and more than the server reads.
        let text = |bytes: &[u8]| [&[0x0a, u8::try_from(bytes.len()).unwrap()], bytes].concat();
        let large = core.repeat(40_000);
        for message in [
            text(&[core.as_bytes(), &[0xff]].concat()),
            [&[0x0a, 0x7f], core.as_bytes()].concat(),
            [&[0x08], core.as_bytes()].concat(),
            core.clone().into_bytes(),
            large.into_bytes(),
        ] {
            calls.push(Call::new(name.clone(), rpc.clone(), message));
        }
    }
    calls
}

/// Callers who are not known, with secrets in their proofs.
pub(super) fn unidentified(canaries: &mut Canaries, signer: &Signer) -> Vec<Call> {
    let core = canaries.make("what stands where a token belongs");
    let mut with_canary = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut claims = claims("somebody", &[]);
        claims["jti"] = json!(canaries.make("a claim of a bad token"));
        change(&mut claims);
        claims
    };
    let good = signer.token(&with_canary(&|_| {}));
    let tampered = good.replacen('.', ".e", 1);
    let tokens = [
        signer.token(&with_canary(&|it| it["exp"] = json!(now() - 3600))),
        signer.token(&with_canary(&|it| it["nbf"] = json!(now() + 3600))),
        signer.token(&with_canary(&|it| it["aud"] = it["jti"].clone())),
        signer.token(&with_canary(&|it| it["iss"] = it["jti"].clone())),
        signer.token(&with_canary(&|it| it["sub"] = json!({"name": it["jti"]}))),
        signer.token(&with_canary(&|it| it["groups"] = json!({"name": it["jti"]}))),
        signer.token(&with_canary(&|it| it["exp"] = it["jti"].clone())),
        Signer::p256("1").token(&with_canary(&|_| {})),
        Signer::ed25519("2").token(&with_canary(&|_| {})),
        unsigned(&with_canary(&|_| {})),
        tampered,
        format!("{good}x"),
        core.clone(),
        format!("{core}.{core}.{core}"),
    ];
    for token in &tokens {
        if token.len() > 100 {
            canaries.add("a bad token", token);
        }
    }
    let basic = STANDARD.encode(format!("user:{core}"));
    let texts = tokens.iter().map(|token| format!("Bearer {token}"));
    let texts =
        texts.chain([format!("Basic {basic}"), core.clone(), format!("Bearer  {core}"), format!("Bearer\t{core}")]);
    let of = |text: String| {
        let rpcs = [Action::CognitoCreate, Action::WebList].map(Rpc::of);
        rpcs.map(|rpc| {
            let message = rpc.valid.clone();
            Call { authorization: Some(text.clone()), ..Call::new("an unknown caller's", rpc, message) }
        })
    };
    texts.flat_map(of).collect()
}

/// Callers who may not.
pub(super) fn denied(canaries: &mut Canaries) -> Vec<Call> {
    valid(canaries, 0).into_iter().map(|call| Call { authorization: Some(String::new()), ..call }).collect()
}
