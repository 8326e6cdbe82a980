//! Providers of every type, with secrets that can be searched for.

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD as STANDARD_NO_PAD};
use prost::Message;

/// Part of every secret in these samples, and of nothing else.
pub(crate) const CANARY: &str = "canary7f3a";

/// AWS's values of the six types.
pub(crate) const KINDS: [&str; 6] = ["SAML", "Facebook", "Google", "LoginWithAmazon", "SignInWithApple", "OIDC"];

pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// Details of a type as a caller sends them: everything required, and the secret where the type has one.
pub(crate) fn details(kind: &str) -> BTreeMap<String, String> {
    let secret = format!("{CANARY} \"quoted\" \\ \n ünïcødé");
    let client = [("client_id", "my-client"), ("client_secret", secret.as_str()), ("authorize_scopes", "openid email")];
    let private_key = format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----");
    match kind {
        "SAML" => map(&[("MetadataURL", "https://idp.example/sso/saml/metadata"), ("IDPSignout", "true")]),
        "Facebook" => map(&[&client[..], &[("api_version", "v17.0")]].concat()),
        "Google" | "LoginWithAmazon" => map(&client),
        "SignInWithApple" => map(&[
            ("client_id", "com.example.web"),
            ("team_id", "TEAM123456"),
            ("key_id", "KEY1234567"),
            ("private_key", &private_key),
            ("authorize_scopes", "email name"),
        ]),
        "OIDC" => {
            map(&[&client[..], &[("oidc_issuer", "https://idp.example"), ("attributes_request_method", "GET")]]
                .concat())
        }
        other => panic!("{other} is no type"),
    }
}

/// What an answer may show of details that were sent.
pub(crate) fn shown(mut details: BTreeMap<String, String>) -> BTreeMap<String, String> {
    details.retain(|_, value| !value.contains(CANARY));
    details
}

/// Whether the bytes of a message hold a secret of these samples.
pub(crate) fn is_leaking(message: &impl Message) -> bool {
    let bytes = message.encode_to_vec();
    bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
}

/// A text holds no secret of these samples, also not as a list of bytes or in base64.
#[track_caller]
pub(crate) fn assert_no_canary(text: &str) {
    let bytes = CANARY.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    // The inner bytes at each of the three places that they can have in base64.
    let encoded = (0..3).map(|at| STANDARD_NO_PAD.encode(&CANARY.as_bytes()[at..at + 6]));
    let forms: Vec<String> = [CANARY.to_owned(), bytes].into_iter().chain(encoded).collect();
    let place = text.lines().find(|line| forms.iter().any(|form| line.contains(form)));
    assert!(place.is_none(), "a secret in: {}", place.unwrap_or_default());
}

/// A SAML metadata document of at least `bytes` bytes with what is hard to carry: quotes, line breaks of both kinds,
/// entities, characters outside of ASCII and of the basic plane.
pub(crate) fn saml_metadata(bytes: usize) -> String {
    let padding = "x".repeat(bytes);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- 'single' \"double\" \\ Ümläut 日本語 \u{1f512} {padding} -->\r\n\
         <md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID='https://idp.example/?a=1&amp;b=2'>\n\
         \t<md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">\n\
         \t\t<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
         Location=\"https://idp.example/sso\"/>\n\t</md:IDPSSODescriptor>\n</md:EntityDescriptor>\n"
    )
}
