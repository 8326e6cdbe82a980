//! The rules of the key table, case by case.

use std::collections::BTreeMap;

use super::{AnsweredDetails, Details, TypeOfDetails, UnknownKeys};
use crate::domain::{Fingerprinter, ProviderType, Violations};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn read(kind: TypeOfDetails, pairs: &[(&str, &str)]) -> Result<Details, Violations> {
    Details::parse("provider_details", map(pairs), kind, UnknownKeys::Reject)
}

fn mistakes(read: Result<Details, Violations>) -> Vec<String> {
    let found = read.err().unwrap_or_default();
    found.iter().map(|one| format!("{} {}", one.field(), one.description())).collect()
}

const OIDC: [(&str, &str); 4] = [
    ("client_id", "c"),
    ("authorize_scopes", "openid email"),
    ("oidc_issuer", "https://Issuer.Example./x"),
    ("attributes_request_method", "GET"),
];
const GOOGLE: [(&str, &str); 3] = [("client_id", "c"), ("client_secret", "s3cr3t"), ("authorize_scopes", "email")];
const APPLE: [(&str, &str); 5] =
    [("client_id", "c"), ("team_id", "t"), ("key_id", "k"), ("private_key", "p"), ("authorize_scopes", "email name")];

fn with<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [base, more].concat()
}

#[test]
fn complete_details_of_every_type_are_taken() {
    let saml =
        [("MetadataURL", "https://idp.example/m"), ("IDPInit", "true"), ("RequestSigningAlgorithm", "rsa-sha256")];
    for (kind, pairs) in [
        (ProviderType::Saml, &saml[..]),
        (ProviderType::Facebook, &with(&GOOGLE, &[("api_version", "v17.0")])),
        (ProviderType::Google, &GOOGLE),
        (ProviderType::LoginWithAmazon, &GOOGLE),
        (ProviderType::SignInWithApple, &APPLE),
        (ProviderType::Oidc, &OIDC),
    ] {
        assert_eq!(mistakes(read(TypeOfDetails::New(kind), pairs)), [""; 0], "{kind}");
        assert_eq!(mistakes(read(TypeOfDetails::Unstated(None), pairs)), [""; 0], "{kind}");
    }
    let read = read(TypeOfDetails::New(ProviderType::Oidc), &OIDC).unwrap();
    assert_eq!(read.hosts().get("oidc_issuer").map(String::as_str), Some("issuer.example"));
    assert_eq!(read.scopes().collect::<Vec<_>>(), ["openid", "email"]);
}

#[test]
fn every_mistake_is_named_at_once_and_none_shows_a_value() {
    let found = mistakes(read(
        TypeOfDetails::New(ProviderType::Oidc),
        &[
            ("client_secret", ""),
            ("authorize_scopes", "email VALUE"),
            ("oidc_issuer", "http://VALUE.example"),
            ("attributes_request_method", "VALUE"),
            ("token_endpoint", "VALUE"),
            ("attributes_url_add_attributes", "VALUE"),
            ("team_id", "VALUE"),
        ],
    ));
    assert_eq!(
        found,
        [
            r#"provider_details["client_id"] is required for type OIDC"#,
            r#"provider_details["attributes_request_method"] must be GET or POST"#,
            r#"provider_details["attributes_url_add_attributes"] is set by AWS for type OIDC and cannot be sent; it is shown in effective_details"#,
            r#"provider_details["authorize_scopes"] must contain the scope openid for type OIDC"#,
            r#"provider_details["client_secret"] must not be empty"#,
            r#"provider_details["oidc_issuer"] must be a URL that begins with https://"#,
            r#"provider_details["team_id"] is not a key of type OIDC; it is one of SignInWithApple"#,
            r#"provider_details["token_endpoint"] is not a key that AWS documents for type OIDC; did you mean token_url?"#,
        ]
    );
}

#[test]
fn saml_has_exactly_one_source_of_metadata() {
    let kind = TypeOfDetails::New(ProviderType::Saml);
    let none = mistakes(read(kind, &[("IDPInit", "true")]));
    assert_eq!(none, ["provider_details must have one of MetadataURL and MetadataFile for type SAML"]);
    let both = mistakes(read(kind, &[("MetadataURL", "https://idp.example"), ("MetadataFile", "<x/>")]));
    assert_eq!(both, ["provider_details must have only one of MetadataURL and MetadataFile"]);
}

#[test]
fn an_update_is_judged_by_the_type_that_fits_best() {
    // Apple's key may be left out on update, but not on create.
    assert_eq!(mistakes(read(TypeOfDetails::Unstated(None), &APPLE[..3])).len(), 1);
    let without_key: Vec<_> = APPLE.into_iter().filter(|(key, _)| *key != "private_key").collect();
    assert_eq!(mistakes(read(TypeOfDetails::Unstated(None), &without_key)), [""; 0]);
    assert_eq!(mistakes(read(TypeOfDetails::New(ProviderType::SignInWithApple), &without_key)).len(), 1);
    // One mistake in otherwise clear OIDC details is explained as OIDC's.
    let found = mistakes(read(TypeOfDetails::Unstated(None), &with(&OIDC[1..], &[("token_url", "https://a.example")])));
    assert_eq!(found, [r#"provider_details["client_id"] is required for type OIDC"#]);
    // A provider called Google is first judged as one.
    let found = mistakes(read(TypeOfDetails::Unstated(Some(ProviderType::Google)), &GOOGLE[..1]));
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|one| one.ends_with("for type Google")), "{found:?}");
    assert!(!mistakes(read(TypeOfDetails::Unstated(None), &[])).is_empty());
}

#[test]
fn forwarding_lets_keys_through_but_keeps_the_other_rules() {
    let read = |pairs: &[(&str, &str)]| {
        let map = map(&with(&OIDC, pairs));
        Details::parse("provider_details", map, TypeOfDetails::New(ProviderType::Oidc), UnknownKeys::Forward)
    };
    assert!(read(&[("brand_new_key", "x"), ("token_request_method", "POST")]).is_ok());
    assert!(read(&[("brand_new_url", "HTTP://x.example")]).is_err());
    assert!(read(&[("token_url", "http://x.example")]).is_err());
    let oidc = TypeOfDetails::New(ProviderType::Oidc);
    assert!(Details::parse("provider_details", BTreeMap::new(), oidc, UnknownKeys::Forward).is_err());
}

#[test]
fn lengths_are_those_of_aws() {
    let saml = |file: &str| read(TypeOfDetails::New(ProviderType::Saml), &[("MetadataFile", file)]).is_ok();
    assert!(saml(&"é".repeat(131_072)));
    assert!(!saml(&"é".repeat(131_073)));
}

#[test]
fn an_answer_is_split_and_shows_no_secret() {
    let fingerprinter = Fingerprinter::with_key(b"test");
    let answered = |place: &str| {
        let details =
            map(&with(&OIDC, &[("client_secret", "S"), ("attributes_url_add_attributes", "false"), ("new_key", "S")]));
        AnsweredDetails::split(Some("OIDC"), details, place, &fingerprinter)
    };
    let answer = answered("pool/a");
    assert_eq!(answer.callers.len(), OIDC.len());
    assert_eq!(answer.effective, map(&[("attributes_url_add_attributes", "false")]));
    assert_eq!(answer.fingerprints.keys().collect::<Vec<_>>(), ["client_secret", "new_key"]);
    assert!(answer.fingerprints.values().all(|hash| hash.len() == 32));
    assert_eq!(answer, answered("pool/a"));
    assert_ne!(answer.fingerprints, answered("pool/b").fingerprints);
    assert_ne!(answer.fingerprints.get("client_secret"), answer.fingerprints.get("new_key"));
    let newer = AnsweredDetails::split(Some("Newer"), map(&OIDC), "p", &fingerprinter);
    assert!(newer.callers.is_empty());
    assert!(!format!("{:?}", read(TypeOfDetails::New(ProviderType::Google), &GOOGLE).unwrap()).contains("s3cr3t"));
}
