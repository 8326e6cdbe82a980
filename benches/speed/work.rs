//! The calls that are measured: what the caller sends, and what AWS answers.

use std::collections::BTreeMap;

use idp_proxy::proto::{cognito::v1 as c, workspacesweb::v1 as w};
use prost::Message as _;

pub(crate) const POOL: &str = "us-east-1_Bench01";
pub(crate) const PORTAL: &str =
    "arn:aws:workspaces-web:us-east-1:123456789012:portal/00000000-0000-4000-8000-000000000001";
/// Who calls, as the mesh's header says it.
pub(crate) const CALLER: &str = "spiffe://prod.example/ns/team1/sa/api";
/// Somebody whom no policy permits anything.
pub(crate) const STRANGER: &str = "spiffe://prod.example/ns/nobody/sa/none";

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Create,
    Describe,
    SamlCreate,
    WebCreate,
    Invalid,
    Denied,
}

impl Work {
    pub(crate) const ALL: [Self; 6] =
        [Self::Create, Self::Describe, Self::SamlCreate, Self::WebCreate, Self::Invalid, Self::Denied];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "Cognito create (OIDC, 9 keys)",
            Self::Describe => "Cognito describe",
            Self::SamlCreate => "Cognito create (SAML, 20 KB)",
            Self::WebCreate => "WorkSpaces Web create",
            Self::Invalid => "refused: invalid",
            Self::Denied => "refused: denied",
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Describe => "/idpproxy.cognito.v1.IdentityProviderService/DescribeIdentityProvider",
            Self::WebCreate => "/idpproxy.workspacesweb.v1.IdentityProviderService/CreateIdentityProvider",
            _ => "/idpproxy.cognito.v1.IdentityProviderService/CreateIdentityProvider",
        }
    }

    /// Messages to take turns with, each with its gRPC prefix. Equal reads in flight would be one call at AWS for ours and
    /// many for the others, so there are more different ones than calls at once.
    pub(crate) fn messages(self) -> Vec<Vec<u8>> {
        match self {
            Self::Describe => (0..DIFFERENT).map(|number| framed(&describe(number))).collect(),
            _ => vec![framed(&self.message())],
        }
    }

    fn message(self) -> Vec<u8> {
        match self {
            Self::Create | Self::Denied => create().encode_to_vec(),
            Self::Invalid => {
                let mut request = create();
                request.provider_details.remove("client_id");
                request.provider_details.insert("token_endpoint".to_owned(), "http://idp.example".to_owned());
                request.encode_to_vec()
            }
            Self::Describe => describe(0),
            Self::SamlCreate => saml_create().encode_to_vec(),
            Self::WebCreate => web_create().encode_to_vec(),
        }
    }

    pub(crate) fn caller(self) -> &'static str {
        if self == Self::Denied { STRANGER } else { CALLER }
    }

    /// The gRPC status that ours answers with.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Self::Invalid => "3",
            Self::Denied => "7",
            _ => "0",
        }
    }

    /// What a good answer must hold.
    pub(crate) fn holds(self) -> &'static str {
        if self == Self::WebCreate { "identityProvider/" } else { "Corp" }
    }
}

/// With gRPC's prefix.
pub(crate) fn framed(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// More than calls are made at once.
const DIFFERENT: usize = 256;

fn describe(number: usize) -> Vec<u8> {
    let (user_pool_id, provider_name) = (POOL.to_owned(), format!("Corp{number}"));
    c::DescribeIdentityProviderRequest { user_pool_id, provider_name }.encode_to_vec()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn details() -> BTreeMap<String, String> {
    map(&[
        ("client_id", "1example23456789"),
        ("client_secret", "provider-app-client-secret"),
        ("authorize_scopes", "openid profile email"),
        ("oidc_issuer", "https://idp.example"),
        ("attributes_request_method", "GET"),
        ("authorize_url", "https://idp.example/authorize"),
        ("token_url", "https://idp.example/token"),
        ("attributes_url", "https://idp.example/userinfo"),
        ("jwks_uri", "https://idp.example/.well-known/jwks.json"),
    ])
}

pub(crate) fn create() -> c::CreateIdentityProviderRequest {
    c::CreateIdentityProviderRequest {
        user_pool_id: POOL.to_owned(),
        provider_name: "Corp".to_owned(),
        provider_type: "OIDC".to_owned(),
        provider_details: details(),
        attribute_mapping: map(&[("email", "email"), ("name", "name"), ("username", "sub")]),
        idp_identifiers: vec!["corp.example".to_owned(), "corp".to_owned()],
        ..Default::default()
    }
}

pub(crate) fn saml_create() -> c::CreateIdentityProviderRequest {
    /// Bytes of the metadata document.
    const BYTES: usize = 20 * 1024;
    let certificate = "MIIC8DCCAdigAwIBAgIQ".repeat(BYTES / 20);
    let document = format!(
        "<EntityDescriptor entityID=\"https://idp.example\"><X509Certificate>{certificate}</X509Certificate></EntityDescriptor>"
    );
    c::CreateIdentityProviderRequest {
        provider_type: "SAML".to_owned(),
        provider_details: map(&[("MetadataFile", &document), ("IDPSignout", "true")]),
        ..create()
    }
}

fn web_create() -> w::CreateIdentityProviderRequest {
    w::CreateIdentityProviderRequest {
        portal_arn: PORTAL.to_owned(),
        identity_provider_name: "Corp".to_owned(),
        identity_provider_type: "OIDC".to_owned(),
        identity_provider_details: details(),
        client_token: "f9c0a6de-6b0a-4a3c-9d21-5a2f70c3a001".to_owned(),
        ..Default::default()
    }
}

/// What Cognito answers a create or describe with.
pub(crate) fn cognito_answer() -> String {
    let mapping = serde_json::json!({"email": "email", "name": "name", "username": "sub"});
    let provider = serde_json::json!({
        "UserPoolId": POOL, "ProviderName": "Corp", "ProviderType": "OIDC", "ProviderDetails": details(),
        "AttributeMapping": mapping, "IdpIdentifiers": ["corp.example", "corp"],
        "LastModifiedDate": 1_764_000_000.123, "CreationDate": 1_764_000_000.123,
    });
    serde_json::json!({ "IdentityProvider": provider }).to_string()
}

/// What `WorkSpaces` Web answers a create with.
pub(crate) fn web_answer() -> String {
    let arn = PORTAL.replace(":portal/", ":identityProvider/");
    serde_json::json!({ "identityProviderArn": format!("{arn}/00000000-0000-4000-8000-00000000000a") }).to_string()
}

/// So many policies: one that holds for everyone, one for portals, and one for each of the teams, with a pool of its own.
pub(crate) fn policies(count: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::from(
        "@id(\"no-privileged-attributes\") forbid (principal, action in IdpProxy::Action::\"write\", resource)\n\
         when { context.mapped_attributes.containsAny([\"email_verified\", \"custom:role\"]) };\n",
    );
    writeln!(
        text,
        "@id(\"portals\") permit (principal == IdpProxy::Caller::\"{CALLER}\", action, resource is IdpProxy::Portal);"
    )
    .unwrap();
    for team in 1..count.saturating_sub(1) {
        let pool = if team == 1 { POOL.to_owned() } else { format!("us-east-1_Team{team}") };
        let caller = format!("spiffe://prod.example/ns/team{team}/sa/api");
        writeln!(
            text,
            "@id(\"team-{team}\") permit (principal == IdpProxy::Caller::\"{caller}\", action, resource == IdpProxy::UserPool::\"{pool}\")\n\
             when {{ context.hosts.contains(\"idp.example\") || !context.validate_only }};"
        )
        .unwrap();
    }
    text
}
