//! Which tokens are believed. They are signed with AWS-LC directly, so that the library which verifies has no part in
//! making them.

mod keys;
mod support;

use std::{
    collections::BTreeSet,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Value, json};

use self::support::{Directory, Signer, jwks, now, token};
use super::{JwtIssuer, JwtVerifier, KeySource};

const ISSUER: &str = "https://issuer.example";
const OTHER_ISSUER: &str = "https://other.example";
const AUDIENCE: &str = "idp-proxy";

fn entry(issuer: &str, keys: KeySource) -> JwtIssuer {
    JwtIssuer { issuer: issuer.to_owned(), audience: AUDIENCE.to_owned(), keys }
}

/// A verifier for two issuers: ours with one key of each algorithm and some that must play no part, another with one.
struct Fixture {
    verifier: JwtVerifier,
    rsa: Signer,
    p256: Signer,
    ed25519: Signer,
    /// Signs for nobody here.
    stranger: Signer,
    /// A second one of our issuer without an algorithm in its entry.
    second: Signer,
    /// In our issuer's set, but not for signatures.
    encryption: Signer,
    /// The other issuer's.
    other: Signer,
    _directory: Directory,
}

fn fixture() -> Fixture {
    let [rsa, p256, ed25519] = [Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("e")];
    let [stranger, second, encryption, other] =
        [Signer::p256("p"), Signer::p256("p2"), Signer::p256("enc"), Signer::ed25519("o")];
    let mut not_for_signatures = encryption.jwk();
    not_for_signatures["use"] = json!("enc");
    let mut plain = second.jwk();
    plain.as_object_mut().unwrap().remove("alg");
    let secret = json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0"});
    let ours = [rsa.jwk(), p256.jwk(), ed25519.jwk(), plain, not_for_signatures, secret];
    let directory = Directory::new();
    let ours = directory.write("ours.json", &jwks(&ours));
    let others = directory.write("others.json", &jwks(&[other.jwk()]));
    let issuers = vec![entry(ISSUER, KeySource::File(ours)), entry(OTHER_ISSUER, KeySource::File(others))];
    let verifier = JwtVerifier::new(issuers).unwrap();
    Fixture { verifier, rsa, p256, ed25519, stranger, second, encryption, other, _directory: directory }
}

fn good() -> Value {
    json!({"iss": ISSUER, "sub": "ada", "aud": AUDIENCE, "exp": now() + 60})
}

/// Good claims but for this; `null` removes a claim.
fn but(name: &str, value: Value) -> Value {
    let mut claims = good();
    match value {
        Value::Null => claims.as_object_mut().unwrap().remove(name),
        value => claims.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    claims
}

#[tokio::test]
async fn tokens_of_each_algorithm_are_believed() {
    let it = fixture();
    for signer in [&it.rsa, &it.p256, &it.ed25519, &it.second] {
        let claims = it.verifier.verify(&token(signer, &signer.header(), &good())).await;
        let claims = claims.unwrap_or_else(|why| panic!("{}: {why}", signer.algorithm()));
        assert_eq!((claims.issuer.as_str(), claims.subject.as_str()), (ISSUER, "ada"));
        assert_eq!(claims.groups, BTreeSet::new());
        let expiry = claims.expires_at.duration_since(UNIX_EPOCH).unwrap().as_secs();
        assert!((50..=60).contains(&(expiry - now())), "{expiry}");
    }
}

#[tokio::test]
async fn what_issuers_may_write_differently_is_believed() {
    let it = fixture();
    let header = it.p256.header();
    for claims in [
        but("aud", json!([AUDIENCE])),
        but("aud", json!(["others", AUDIENCE])),
        but("exp", json!(Duration::from_secs(now() + 60).as_secs_f64() + 0.5)),
        but("exp", json!(now() - 10)),
        but("nbf", json!(now() + 10)),
        but("nbf", json!(now() - 1000)),
        but("sub", json!("auth0|5f7")),
        but("scope", json!({"any": ["thing"]})),
        but("groups", json!([])),
    ] {
        let verdict = it.verifier.verify(&token(&it.p256, &header, &claims)).await;
        assert!(verdict.is_ok(), "{claims}: {verdict:?}");
    }
    for typ in ["JWT", "at+jwt", "application/at+JWT", "JOSE"] {
        let header = json!({"alg": "ES256", "kid": "p", "typ": typ});
        assert!(it.verifier.verify(&token(&it.p256, &header, &good())).await.is_ok(), "{typ}");
    }
    // The only keys for their algorithms need not be named.
    for (signer, algorithm) in [(&it.rsa, "RS256"), (&it.ed25519, "EdDSA")] {
        assert!(it.verifier.verify(&token(signer, &json!({"alg": algorithm}), &good())).await.is_ok(), "{algorithm}");
    }
    let groups = but("groups", json!(["b", "a", "b"]));
    let claims = it.verifier.verify(&token(&it.p256, &header, &groups)).await.unwrap();
    assert_eq!(claims.groups.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    let claims = json!({"iss": OTHER_ISSUER, "sub": "ada", "aud": AUDIENCE, "exp": now() + 60});
    let claims = it.verifier.verify(&token(&it.other, &it.other.header(), &claims)).await.unwrap();
    assert_eq!(claims.issuer, OTHER_ISSUER);
}

#[tokio::test]
async fn claims_that_are_missing_or_wrong_are_refused() {
    let it = fixture();
    let many: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
    let rows = [
        (but("exp", json!(now() - 40)), "expired"),
        (but("exp", json!(0)), "expired"),
        (but("exp", Value::Null), "exp"),
        (but("exp", json!("4102444800")), "exp"),
        (but("exp", json!(-1)), "exp"),
        (but("exp", json!(1e300)), "exp"),
        (but("exp", json!(u64::MAX)), "exp"),
        (but("nbf", json!(now() + 60)), "not valid yet"),
        (but("nbf", json!("soon")), "nbf"),
        (but("aud", Value::Null), "aud"),
        (but("aud", json!("others")), "another audience"),
        (but("aud", json!("IDP-PROXY")), "another audience"),
        (but("aud", json!(["others", "more"])), "another audience"),
        (but("aud", json!([])), "another audience"),
        (but("aud", json!({"idp-proxy": true})), "aud"),
        (but("iss", json!("https://issuer.example/")), "issuer (iss) is not configured"),
        (but("iss", json!("https://ISSUER.example")), "issuer (iss) is not configured"),
        (but("iss", Value::Null), "claims"),
        (but("iss", json!([ISSUER])), "claims"),
        (but("sub", Value::Null), "sub"),
        (but("sub", json!("")), "sub"),
        (but("sub", json!("ada\n")), "sub"),
        (but("sub", json!("a".repeat(2049))), "sub"),
        (but("sub", json!(7)), "claims"),
        (but("groups", json!("admins")), "groups"),
        (but("groups", json!(["admins", 7])), "groups"),
        (but("groups", json!({"admins": true})), "groups"),
        (but("groups", json!(many)), "groups"),
        (json!([]), "claims"),
        (json!("text"), "claims"),
    ];
    for (claims, expected) in rows {
        let why = it.verifier.verify(&token(&it.p256, &it.p256.header(), &claims)).await.unwrap_err().to_string();
        assert!(why.contains(expected), "{claims}: {why}");
        assert!(!why.contains("ada") && !why.contains("https://"), "{why}");
    }
    // What serde_json cannot write: null, and members that occur twice.
    let exp = now() + 60;
    let rest = format!(r#""iss":"{ISSUER}","sub":"ada","aud":"{AUDIENCE}","exp":{exp}"#);
    for more in [
        r#""exp":1"#,
        r#""exp":4102444800"#,
        r#""aud":"others""#,
        r#""sub":"eve""#,
        r#""iss":"https://other.example""#,
        r#""groups":[],"groups":["admins"]"#,
        r#""groups":null"#,
        r#""nbf":null"#,
        r#""nbf":1,"nbf":1"#,
    ] {
        for claims in [format!("{{{rest},{more}}}"), format!("{{{more},{rest}}}")] {
            let signed = it.p256.sign(&it.p256.header().to_string(), &claims);
            assert!(it.verifier.verify(&signed).await.is_err(), "believed: {claims}");
        }
    }
    let plain = it.p256.sign(&it.p256.header().to_string(), &format!("{{{rest}}}"));
    assert!(it.verifier.verify(&plain).await.is_ok(), "the rows above prove nothing");
}

#[tokio::test]
async fn headers_and_keys_that_do_not_fit_are_refused() {
    let it = fixture();
    let with = |alg: &str, kid: &str| json!({"alg": alg, "kid": kid});
    let crit = json!({"alg": "ES256", "kid": "p", "crit": ["exp"], "exp": 1});
    let b64 = json!({"alg": "ES256", "kid": "p", "crit": ["b64"], "b64": false});
    let logout = json!({"alg": "ES256", "kid": "p", "typ": "logout+jwt"});
    let brought = json!({"alg": "ES256", "kid": "mine", "jwk": it.stranger.jwk()});
    let rows = [
        ("another's key under our id", &it.stranger, with("ES256", "p"), "signature"),
        ("a key of the other issuer", &it.other, with("EdDSA", "o"), "no such key"),
        ("a key of the other issuer under our id", &it.other, with("EdDSA", "e"), "signature"),
        ("ES256 under the id of an RSA key", &it.p256, with("ES256", "r"), "no such key"),
        ("ES256 that says RS256", &it.p256, with("RS256", "r"), "signature"),
        ("ES256 that says EdDSA", &it.p256, with("EdDSA", "e"), "signature"),
        ("RS256 that says ES256", &it.rsa, with("ES256", "p"), "signature"),
        ("the wrong one of two keys", &it.p256, with("ES256", "p2"), "signature"),
        ("RS512", &it.rsa, with("RS512", "r"), "is not RS256"),
        ("PS256", &it.rsa, with("PS256", "r"), "is not RS256"),
        ("HS256", &it.rsa, with("HS256", "r"), "is not RS256"),
        ("none", &it.rsa, with("none", "r"), "is not RS256"),
        ("rs256", &it.rsa, with("rs256", "r"), "is not RS256"),
        ("an unknown id", &it.p256, with("ES256", "x"), "no such key"),
        ("an empty id", &it.p256, with("ES256", ""), "no such key"),
        ("no id and two keys", &it.p256, json!({"alg": "ES256"}), "which key"),
        ("a key for encryption", &it.encryption, with("ES256", "enc"), "no such key"),
        ("crit", &it.p256, crit, "crit"),
        ("crit that is null", &it.p256, json!({"alg": "ES256", "kid": "p", "crit": null}), "crit"),
        ("b64", &it.p256, b64, "crit"),
        ("a token for a logout", &it.p256, logout, "kind"),
        ("a key that it brings along", &it.stranger, brought, "no such key"),
        ("an id that is a number", &it.p256, json!({"alg": "ES256", "kid": 1}), "header"),
        ("no algorithm", &it.p256, json!({"kid": "p"}), "header"),
    ];
    for (what, signer, header, expected) in rows {
        let why = it.verifier.verify(&token(signer, &header, &good())).await;
        let why = why.err().unwrap_or_else(|| panic!("believed: {what}")).to_string();
        assert!(why.contains(expected), "{what}: {why}");
    }
    let twice = it.p256.sign(r#"{"alg":"none","alg":"ES256","kid":"p"}"#, &good().to_string());
    assert!(it.verifier.verify(&twice).await.is_err());
}

#[tokio::test]
async fn no_public_key_serves_as_a_shared_secret() {
    let it = fixture();
    let jwk = it.rsa.jwk();
    let secrets = [
        it.rsa.public_der(),
        it.rsa.public_pem().into_bytes(),
        jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        jwk.to_string().into_bytes(),
        b"secret".to_vec(),
    ];
    for secret in secrets {
        for (alg, kid) in [("HS256", "r"), ("HS256", "secret"), ("RS256", "r"), ("RS256", "secret")] {
            let forged = support::hmac(&secret, &json!({"alg": alg, "kid": kid}), &good());
            assert!(it.verifier.verify(&forged).await.is_err(), "believed: {alg} {kid}");
        }
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused() {
    let it = fixture();
    let signed = token(&it.p256, &it.p256.header(), &good());
    let parts: Vec<&str> = signed.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let eve = token(&it.p256, &it.p256.header(), &but("sub", json!("eve")));
    let swapped = eve.split('.').nth(1).unwrap();
    let rows = [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        "ünïcode.é.ß".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}.{signature}."),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{swapped}.{signature}"),
        format!("{header}.{payload}.{}", eve.rsplit('.').next().unwrap()),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}=.{payload}.{signature}"),
        format!(" {signed}"),
        format!("{signed} "),
        format!("{header}.{payload}.{}", "A".repeat(86)),
        format!("{header}.{payload}.{}", signature.chars().take(84).collect::<String>()),
    ];
    for row in rows {
        assert!(it.verifier.verify(&row).await.is_err(), "believed: {row}");
    }
    assert!(it.verifier.verify(&signed).await.is_ok(), "the rows above prove nothing");
    let padded = token(&it.p256, &it.p256.header(), &but("padding", json!("a".repeat(6000))));
    assert!(padded.len() > 8192, "{}", padded.len());
    let why = it.verifier.verify(&padded).await.unwrap_err();
    assert!(why.to_string().contains("8 KiB"), "{why}");
}

#[test]
fn nothing_of_a_key_shows_in_debug_output() {
    let it = fixture();
    let shown = format!("{:?}", it.verifier);
    assert!(shown.contains(ISSUER) && !shown.contains("key"), "{shown}");
}
