//! Where keys come from, and when they come and go.

use std::{fs, sync::Arc, time::Duration};

use futures_util::future::join_all;
use rustls::RootCertStore;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    ISSUER, OTHER_ISSUER, entry, good,
    support::{Directory, Server, Signer, fetcher, jwks, token},
};
use crate::{
    identity::{
        jwks::{KeySet, Named, fetch::Fetcher},
        jwt::{JwtIssuer, JwtVerifier, KeySource, check_issuers},
    },
    telemetry::Metrics,
};

/// Looks at the source of the one issuer now, as if its time had come.
async fn refresh(verifier: &JwtVerifier) {
    verifier.issuers[ISSUER].keys.refresh(Duration::ZERO).await;
}

fn of_url(server: &Server, fetcher: &Arc<Fetcher>) -> JwtVerifier {
    let issuers = vec![entry(ISSUER, KeySource::Url(server.url.clone()))];
    JwtVerifier::with_fetcher(issuers, Some(fetcher)).unwrap()
}

fn signed(signer: &Signer) -> String {
    token(signer, &signer.header(), &good())
}

#[tokio::test]
async fn keys_in_a_file_come_and_go_without_a_restart() {
    let (first, second, directory) = (Signer::p256("1"), Signer::ed25519("2"), Directory::new());
    let (of_first, of_second) = (signed(&first), signed(&second));
    let path = directory.write("keys.json", &jwks(&[first.jwk()]));
    let verifier = JwtVerifier::new(vec![entry(ISSUER, KeySource::File(path.clone()))]).unwrap();
    assert!(verifier.verify(&of_first).await.is_ok());
    assert!(verifier.verify(&of_second).await.is_err());

    directory.write("keys.json", &jwks(&[first.jwk(), second.jwk()]));
    refresh(&verifier).await;
    assert!(verifier.verify(&of_first).await.is_ok());
    assert!(verifier.verify(&of_second).await.is_ok());

    // A key that goes takes its tokens with it.
    directory.write("keys.json", &jwks(&[second.jwk()]));
    refresh(&verifier).await;
    assert!(verifier.verify(&of_first).await.is_err());
    assert!(verifier.verify(&of_second).await.is_ok());

    // What cannot be read changes nothing.
    for broken in ["", "{", "[]", r#"{"keys":{}}"#, &"x".repeat(2 << 20)] {
        directory.write("keys.json", broken);
        refresh(&verifier).await;
        assert!(verifier.verify(&of_second).await.is_ok());
    }
    fs::remove_file(&path).unwrap();
    refresh(&verifier).await;
    assert!(verifier.verify(&of_second).await.is_ok());

    // An empty set can be read: it revokes.
    directory.write("keys.json", &jwks(&[]));
    refresh(&verifier).await;
    assert!(verifier.verify(&of_second).await.is_err());
    directory.write("keys.json", &jwks(&[second.jwk()]));
    refresh(&verifier).await;
    assert!(verifier.verify(&of_second).await.is_ok());
}

#[tokio::test]
async fn one_fetch_serves_all_callers_with_an_unknown_key() {
    let (first, second, server) = (Signer::p256("1"), Signer::p256("2"), Server::start().await);
    let verifier = of_url(&server, &server.fetcher());
    server.answers("200 OK", "", &jwks(&[first.jwk()]));
    let (of_first, of_second) = (signed(&first), signed(&second));
    let verdicts = join_all((0..50).map(|_| verifier.verify(&of_first))).await;
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:?}");
    assert_eq!(server.requests(), 1);

    // Neither the known key nor, so soon, an unknown one is a reason to ask again.
    server.answers("200 OK", "", &jwks(&[second.jwk()]));
    let verdicts = join_all((0..50).map(|_| verifier.verify(&of_second))).await;
    assert!(verdicts.iter().all(Result::is_err));
    assert!(verifier.verify(&of_first).await.is_ok());
    assert_eq!(server.requests(), 1);

    refresh(&verifier).await;
    assert!(verifier.verify(&of_second).await.is_ok());
    assert!(verifier.verify(&of_first).await.is_err());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_fetch_that_fails_changes_nothing() {
    let (signer, other, server) = (Signer::p256("1"), Signer::p256("2"), Server::start().await);
    let verifier = of_url(&server, &server.fetcher());
    let of_signer = signed(&signer);
    let good = jwks(&[signer.jwk()]);
    let others = jwks(&[other.jwk()]);
    let elsewhere = Server::start().await;
    elsewhere.answers("200 OK", "", &others);
    server.answers("200 OK", "", &good);
    refresh(&verifier).await;
    let large = format!("{}{others}", " ".repeat(1 << 20));
    let to_elsewhere = format!("location: {}\r\n", elsewhere.url);
    for (status, headers, body) in [
        ("302 Found", to_elsewhere.as_str(), others.as_str()),
        ("307 Temporary Redirect", to_elsewhere.as_str(), ""),
        ("500 Internal Server Error", "", &others),
        ("404 Not Found", "", &others),
        ("204 No Content", "", ""),
        ("200 OK", "", "<html>"),
        ("200 OK", "", &large),
    ] {
        server.answers(status, headers, body);
        let before = server.requests();
        refresh(&verifier).await;
        assert_eq!(server.requests(), before + 1, "{status}");
        assert!(verifier.verify(&of_signer).await.is_ok(), "{status}");
    }
    assert_eq!(elsewhere.requests(), 0);
    server.answers("200 OK", "", &large);
    let why = server.fetcher().get(&server.url).await.unwrap_err();
    assert!(why.contains("could not be read"), "kept in memory: {why}");
    let plain = server.url.as_str().replacen("https", "http", 1).parse().unwrap();
    let why = server.fetcher().get(&plain).await.unwrap_err();
    assert!(why.contains("must be a URL that begins with https"), "{why}");
    server.answers("200 OK", "", &others);
    refresh(&verifier).await;
    assert!(verifier.verify(&of_signer).await.is_err(), "the rows above prove nothing");
}

#[tokio::test]
async fn keys_are_fetched_only_from_a_server_whose_certificate_is_trusted() {
    let (signer, server) = (Signer::p256("1"), Server::start().await);
    server.answers("200 OK", "", &jwks(&[signer.jwk()]));
    let stranger = of_url(&server, &fetcher(RootCertStore::empty()));
    assert!(stranger.verify(&signed(&signer)).await.is_err());
    // Of the right authority, but for another name.
    let mut url = server.url.clone();
    url.set_host(Some("127.0.0.1")).unwrap();
    let issuers = vec![entry(ISSUER, KeySource::Url(url))];
    let misnamed = JwtVerifier::with_fetcher(issuers, Some(&server.fetcher())).unwrap();
    assert!(misnamed.verify(&signed(&signer)).await.is_err());
    assert_eq!(server.requests(), 0);
    assert!(of_url(&server, &server.fetcher()).verify(&signed(&signer)).await.is_ok());
}

#[tokio::test]
async fn keys_are_fetched_before_the_first_caller_comes_and_no_longer_after_the_stop() {
    let (signer, server) = (Signer::p256("1"), Server::start().await);
    server.answers("200 OK", "", &jwks(&[signer.jwk()]));
    let verifier = Arc::new(of_url(&server, &server.fetcher()));
    let stop = CancellationToken::new();
    let kept = tokio::spawn(Arc::clone(&verifier).keep_fresh(stop.clone(), Arc::new(Metrics::new([]))));
    let fetched = async {
        while verifier.issuers[ISSUER].keys.current().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), fetched).await.unwrap();
    assert!(verifier.verify(&signed(&signer)).await.is_ok());
    assert_eq!(server.requests(), 1);
    stop.cancel();
    kept.await.unwrap();
}

#[test]
fn keys_that_cannot_be_used_are_ignored_with_a_reason() {
    let with = |signer: &Signer, name: &str, value: Value| {
        let mut jwk = signer.jwk();
        jwk[name] = value;
        jwk
    };
    let (rsa, p256, ed25519) = (Signer::rsa("r"), Signer::p256("p"), Signer::ed25519("e"));
    let short = "_".repeat(168);
    let rows = [
        (with(&p256, "use", json!("enc")), "use"),
        (with(&p256, "key_ops", json!(["sign"])), "key_ops"),
        (with(&p256, "d", json!("AA")), "private"),
        (with(&p256, "alg", json!("RS256")), "algorithm"),
        (with(&rsa, "alg", json!("RS512")), "algorithm"),
        (with(&rsa, "alg", json!("PS256")), "algorithm"),
        (with(&rsa, "alg", json!("HS256")), "algorithm"),
        (with(&rsa, "alg", json!("RSA-OAEP")), "algorithm"),
        (with(&rsa, "n", json!(short)), "2048"),
        (with(&rsa, "n", json!("")), "2048"),
        (with(&rsa, "e", json!("AQ")), "no valid"),
        (with(&rsa, "e", json!("Ag")), "no valid"),
        (with(&rsa, "e", json!("")), "no valid"),
        (with(&rsa, "n", json!("_".repeat(1400))), "no valid"),
        (with(&p256, "crv", json!("P-384")), "type"),
        (with(&p256, "crv", json!("secp256k1")), "type"),
        (with(&p256, "x", json!("AAAA")), "length"),
        (with(&p256, "x", p256.jwk()["y"].clone()), "point"),
        (with(&p256, "y", json!("not base64")), "base64url"),
        (with(&ed25519, "crv", json!("Ed448")), "type"),
        (with(&ed25519, "x", json!("AAAA")), "length"),
        (with(&ed25519, "kid", json!(7)), "cannot be read"),
        (json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}), "shared secret"),
        (json!({"kty": "RSA"}), "lacks"),
        (json!("text"), "cannot be read"),
    ];
    for (key, expected) in rows {
        // The other keys of the set stay usable.
        let set = KeySet::parse(jwks(&[key.clone(), ed25519.jwk()]).as_bytes()).unwrap();
        assert_eq!(set.len(), 1, "{key}");
        assert!(set.ignored()[0].contains(expected), "{key}: {:?}", set.ignored());
    }
    let all = [rsa.jwk(), p256.jwk(), ed25519.jwk(), with(&ed25519, "alg", json!("Ed25519"))];
    let set = KeySet::parse(jwks(&all).as_bytes()).unwrap();
    assert_eq!((set.len(), set.ignored().len()), (3, 0), "one is there twice");
    let same_id = [p256.jwk(), Signer::p256("p").jwk()];
    let set = KeySet::parse(jwks(&same_id).as_bytes()).unwrap();
    assert!(matches!(set.find(Some("p"), jsonwebtoken::Algorithm::ES256), Named::Ambiguous));
    assert!(KeySet::parse(jwks(&vec![p256.jwk(); 101]).as_bytes()).is_err());
}

#[test]
fn every_mistake_in_the_entries_is_found_and_named() {
    let directory = Directory::new();
    let keys = KeySource::File(directory.write("keys.json", &jwks(&[Signer::p256("1").jwk()])));
    let secrets = directory.write("secrets.json", &jwks(&[json!({"kty": "oct", "k": "c2VjcmV0"})]));
    let url = |text: &str| KeySource::Url(text.parse().unwrap());
    assert_eq!(
        check_issuers(&[entry(ISSUER, keys.clone()), entry(OTHER_ISSUER, url("https://other.example/jwks"))]),
        [""; 0]
    );
    let nameless = JwtIssuer { audience: String::new(), ..entry(ISSUER, keys.clone()) };
    let file = |name: &str| KeySource::File(directory.path().join(name));
    directory.write("wrong.json", "client_secret = hunter2");
    for (entries, expected) in [
        (vec![entry("", keys.clone())], "empty"),
        (vec![entry("https://a|b", keys.clone())], "\"|\""),
        (vec![nameless], "audience"),
        (vec![entry(ISSUER, keys.clone()), entry(ISSUER, keys.clone())], "twice"),
        (vec![entry(ISSUER, url("http://issuer.example/jwks"))], "https://"),
        (vec![entry(ISSUER, url("https://user:hunter2@issuer.example/jwks"))], "password"),
        (vec![entry(ISSUER, url("file:///etc/passwd"))], "https://"),
        (vec![entry(ISSUER, file("missing.json"))], "missing.json"),
        (vec![entry(ISSUER, file("wrong.json"))], "wrong.json"),
        (vec![entry(ISSUER, KeySource::File(directory.path().to_owned()))], "not a file"),
        (vec![entry(ISSUER, KeySource::File(secrets.clone()))], "no usable key"),
    ] {
        let found = check_issuers(&entries);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
        assert!(!found[0].contains("hunter2"), "{found:?}");
        // What the check finds, the start refuses.
        let Err(why) = JwtVerifier::with_fetcher(entries, None) else { panic!("opened: {expected}") };
        assert_eq!(why, found[0]);
    }
    let many = check_issuers(&[entry("", file("missing.json")), entry("", url("http://issuer.example"))]);
    assert_eq!(many.len(), 5, "{many:?}");
}
