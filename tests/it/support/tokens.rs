//! Issuers of bearer tokens: keys, key sets and what they sign.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The issuer of every token here, unless a test says otherwise.
pub(crate) const ISSUER: &str = "https://login.example";
/// Whom they are for.
pub(crate) const AUDIENCE: &str = "idp-proxy";

/// The time, in seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The claims of a good token.
pub(crate) fn claims(subject: &str, groups: &[&str]) -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "exp": now() + 3600, "groups": groups})
}

/// The section of the configuration that trusts the issuer.
pub(crate) fn section(jwks_file: &std::path::Path) -> String {
    format!("[[identity.jwt]]\nissuer = {ISSUER:?}\naudience = {AUDIENCE:?}\njwks_file = {jwks_file:?}\n")
}

/// A key set.
pub(crate) fn jwks(keys: &[&Signer]) -> String {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string()
}

enum Private {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A key of an issuer.
pub(crate) struct Signer {
    id: &'static str,
    private: Private,
}

impl Signer {
    pub(crate) fn rsa(id: &'static str) -> Self {
        Self { id, private: Private::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"))) }
    }

    pub(crate) fn p256(id: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Self { id, private: Private::P256(Box::new(key)) }
    }

    pub(crate) fn ed25519(id: &'static str) -> Self {
        Self { id, private: Private::Ed25519(Box::new(Ed25519KeyPair::generate().expect("a key"))) }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self.private {
            Private::Rsa(_) => "RS256",
            Private::P256(_) => "ES256",
            Private::Ed25519(_) => "EdDSA",
        }
    }

    fn jwk(&self) -> Value {
        let mut jwk = match &self.private {
            Private::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
            Private::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Private::Ed25519(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref())}),
        };
        jwk["kid"] = json!(self.id);
        jwk["alg"] = json!(self.algorithm());
        jwk["use"] = json!("sig");
        jwk
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"}), claims)
    }

    /// A token with any header.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()));
        let signature = match &self.private {
            Private::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                let signed = key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature);
                signed.expect("a signature");
                signature
            }
            Private::P256(key) => {
                key.sign(&SystemRandom::new(), message.as_bytes()).expect("a signature").as_ref().to_vec()
            }
            Private::Ed25519(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", text(&signature))
    }
}

/// A token without a signature, which says so.
pub(crate) fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", text(br#"{"alg":"none","typ":"JWT"}"#), text(claims.to_string().as_bytes()))
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
