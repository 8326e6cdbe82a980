//! What is fuzzed: everything that reads bytes of a caller's, each with the promise that must hold whatever they are.
//!
//! An input is text, so that the corpus can be read and written by hand.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use idp_proxy::{
    deadline::TimeLimit,
    domain::{
        DetailKey, Details, IdentityProviderArn, PortalArn, ProviderType, TypeOfDetails, UnknownKeys, UserPoolId,
    },
    identity::{
        Anonymous, Caller, Identity, JwtIssuer, JwtVerifier, KeySource, Mesh, MeshHeader, Peer, Proof, Unidentified,
    },
};

#[path = "requests.rs"]
mod requests;

/// A target: its name, and what it does with an input.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Name and target; the name is also that of the directory with its corpus.
pub(crate) const ALL: [Target; 7] = [
    ("xfcc", xfcc),
    ("jwt", jwt),
    ("arn", arn),
    ("details", details),
    ("metadata", metadata),
    ("request", requests::request),
    ("planted", planted),
];

/// Stands for a secret: wherever it comes out, one has leaked.
pub(super) const CANARY: &str = "Zq7-canary-Xw3";

fn peer(last: u8) -> Peer {
    Peer { address: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))), certificate: None }
}

fn identify(identity: &Identity, peer: &Peer, headers: &HeaderMap) -> Result<Caller, Unidentified> {
    identity.identify(peer, headers).now_or_never().expect("neither files nor the network are asked")
}

/// What the header says is believed from the mesh only, read as the mesh wrote it, and never twice.
fn xfcc(data: &[u8]) {
    let header =
        if data.first() == Some(&b'l') { MeshHeader::LinkerdClientId } else { MeshHeader::ForwardedClientCert };
    let Ok(sent) = HeaderValue::from_bytes(data.get(1..).unwrap_or_default()) else { return };
    let mesh = Mesh::new(header, vec!["127.0.0.1/32".parse().expect("a network")]);
    let identity = Identity::new(Anonymous::Allow, Some(mesh), None);
    let ask = |values: &[&HeaderValue], from: &Peer| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header.name(), (*value).clone());
        }
        identify(&identity, from, &headers)
    };
    if let Ok(caller) = ask(&[&sent], &peer(1)) {
        assert_eq!(caller.proof(), Proof::Mesh);
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\,;|".contains(&byte);
        assert!(caller.id().bytes().all(is_plain), "an id that could be taken for another: {:?}", caller.id());
        assert_eq!(caller.id().starts_with("spiffe://"), header == MeshHeader::ForwardedClientCert);
        assert_eq!(caller.trust_domain().is_some(), header == MeshHeader::ForwardedClientCert);
    }
    assert!(ask(&[&sent], &peer(2)).is_err(), "believed from a peer that is not trusted");
    if header == MeshHeader::ForwardedClientCert {
        // The nearest proxy adds its element after what a caller has sent: nothing before it may change what it says.
        let id = "spiffe://prod.example/ns/iam/sa/console";
        let added = HeaderValue::from_str(&format!("By=spiffe://prod.example/x;Hash=0a;Subject=\"CN=a\";URI={id}"));
        let added = added.expect("a header");
        let joined = [sent.as_bytes(), b",", added.as_bytes()].concat();
        let joined = HeaderValue::from_bytes(&joined).expect("a header");
        for values in [&[&sent, &added][..], &[&joined]] {
            if let Ok(caller) = ask(values, &peer(1)) {
                assert_eq!(caller.id(), id, "a caller has said who it is itself");
            }
        }
    }
}

/// The keys are public ones from RFC 7515 and 8037: no input can be signed by them, save the RFCs' own examples.
static TOKENS: LazyLock<Identity> = LazyLock::new(|| {
    let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/jwks.json");
    let issuer = JwtIssuer {
        issuer: "https://login.example".to_owned(),
        audience: "idp-proxy".to_owned(),
        keys: KeySource::File(keys.into()),
    };
    let verifier = JwtVerifier::new(vec![issuer]).expect("a key set");
    Identity::new(Anonymous::Allow, None, Some(Arc::new(verifier)))
});

/// An `authorization` header that nobody signed never names a caller. `{…}` lines are encoded into the parts of a token first.
fn jwt(data: &[u8]) {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let sent = if data.starts_with(b"{") {
        let parts = data.split(|byte| *byte == b'\n').map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("Bearer {}", parts.collect::<Vec<_>>().join(".")).into_bytes()
    } else {
        data.to_vec()
    };
    let Ok(sent) = HeaderValue::from_bytes(&sent) else { return };
    let mut headers = HeaderMap::new();
    headers.insert("authorization", sent);
    let refused = identify(&TOKENS, &peer(1), &headers).expect_err("nobody signed it").to_string();
    assert!(refused.is_ascii() && refused.len() < 120, "the refusal may quote the token: {refused}");
}

/// An ARN or a pool's id that is read is written the same way, and its parts are parts of it.
fn arn(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(portal) = PortalArn::parse(text.to_owned()) {
        assert_eq!(portal.as_str(), text);
        assert_eq!(text.split(':').nth(3), Some(portal.region().as_str()));
        assert_eq!(text.split(':').nth(4), Some(portal.account().as_str()));
        assert!(
            portal.account().as_str().len() == 12
                && portal.account().as_str().bytes().all(|byte| byte.is_ascii_digit())
        );
    }
    if let Ok(provider) = IdentityProviderArn::parse(text.to_owned()) {
        assert_eq!(provider.as_str(), text);
        let portal = PortalArn::parse(provider.portal().as_str().to_owned());
        assert_eq!(portal.as_ref(), Ok(provider.portal()), "policies judge it by its portal");
        let id = provider.portal().as_str().rsplit('/').next();
        assert_eq!(text.split('/').nth(1), id, "the portal is another's");
        assert!(PortalArn::parse(text.to_owned()).is_err(), "both a portal and a provider");
    }
    if let Ok(pool) = UserPoolId::parse(text.to_owned()) {
        assert_eq!(pool.as_str(), text);
        assert_eq!(text.split_once('_').map(|(region, _)| region), Some(pool.region().as_str()));
    }
}

/// First line: type, `new` or `stated`, `reject` or `forward`; then `key=value` lines. No value comes out in a violation or in
/// Debug, and the hosts that policies see are those that any other reader of the URL sees.
fn details(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains(CANARY) {
        return;
    }
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut words = first.split(' ');
    let kind = words.next().and_then(ProviderType::of);
    let kind = match (kind, words.next()) {
        (Some(kind), Some("new")) => TypeOfDetails::New(kind),
        (Some(kind), Some("stated")) => TypeOfDetails::Stated(kind),
        (kind, _) => TypeOfDetails::Unstated(kind),
    };
    let unknown = if words.next() == Some("forward") { UnknownKeys::Forward } else { UnknownKeys::Reject };
    let is_secret = |key: &str| DetailKey::of(key).is_none_or(|key| key.is_secret);
    let pair = |line: &str| {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let value = if is_secret(key) { format!("{value}{CANARY}") } else { value.to_owned() };
        (key.to_owned(), value)
    };
    let read = Details::parse("provider_details", rest.split('\n').map(pair).collect(), kind, unknown);
    assert!(!format!("{read:?}").contains(CANARY), "Debug shows a secret");
    match read {
        Ok(details) => {
            for (key, host) in details.hosts() {
                let value = details.iter().find(|(name, _)| name == key).map(|(_, value)| value.expose());
                let other = url::Url::parse(value.expect("the key is there")).expect("a URL");
                let other = other.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase());
                assert_eq!(other.as_deref(), Some(host.as_str()), "policies see another host");
            }
        }
        Err(violations) => {
            assert!(!violations.is_empty());
            assert!(
                violations.iter().all(|violation| !violation.description().contains(CANARY)),
                "a violation tells it"
            );
        }
    }
}

/// `name: value` lines. A deadline lies within the limit, and a proof of identity that nothing is set up to check is refused,
/// never passed over, also where anonymous callers are served.
fn metadata(data: &[u8]) {
    const PROOFS: [&str; 3] = ["authorization", "x-forwarded-client-cert", "l5d-client-id"];
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = parts.next().and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
        if let (Some(name), Some(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let (arrival, most) = (tokio::time::Instant::now(), Duration::from_secs(30));
    if let Ok(limit) = TimeLimit::of(&headers, arrival, most) {
        assert!(limit.at >= arrival && limit.at <= arrival + most, "{limit:?}");
    }
    let who = identify(&Identity::new(Anonymous::Allow, None, None), &peer(1), &headers);
    let has_proof = PROOFS.iter().any(|name| headers.contains_key(*name));
    assert_eq!(who.is_err(), has_proof, "{who:?}");
    assert!(identify(&Identity::default(), &peer(1), &headers).is_err(), "served without a proof");
}

/// Shows that the fuzzer finds what it is there to find: it comes here only by learning letter after letter.
fn planted(data: &[u8]) {
    let mut letters = data.iter();
    for wanted in b"find" {
        if letters.next() != Some(wanted) {
            return;
        }
    }
    unreachable!("the planted fault was found");
}
