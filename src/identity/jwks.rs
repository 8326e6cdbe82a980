//! The keys of a token issuer (RFC 7517): which of a key set can check a signature, with which algorithm, and which
//! of them a token names. The algorithm is the key's, never the token's.
//!
//! Knows no token and no claim; where key sets come from is in [`source`].

pub(super) mod fetch;
pub(super) mod source;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

/// The largest key set that is read, in bytes; those of the large providers are below 20 KiB.
pub(super) const BYTES_MAX: usize = 1 << 20;

/// The most keys in a set; issuers publish two or three.
const KEYS_MAX: usize = 100;

/// The shortest RSA modulus, in bits (RFC 7518, 3.3).
const RSA_BITS_MIN: usize = 2048;

/// The longest RSA modulus and exponent that AWS-LC verifies with, in bits.
const RSA_BITS_MAX: usize = 8192;
const EXPONENT_BITS_MAX: usize = 33;

/// The bytes of a P-256 coordinate and of an Ed25519 key.
const COORDINATE_BYTES: usize = 32;

/// A public key and the one algorithm that it is for.
struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    /// What the key consists of, to tell one that is published twice from two.
    material: Vec<u8>,
    public: DecodingKey,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (&self.id, self.algorithm, &self.material) == (&other.id, other.algorithm, &other.material)
    }
}

/// The usable keys of an issuer.
#[derive(Default, PartialEq)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Why the other keys of the document are not.
    ignored: Vec<String>,
}

/// The key that a token names.
pub(super) enum Named<'a> {
    /// This one.
    Key(&'a DecodingKey),
    /// None of the set.
    Unknown,
    /// More than one of the set.
    Ambiguous,
}

impl KeySet {
    /// Reads a JWKS document. Keys that cannot be used are left out, as RFC 7517 (5) wants it.
    pub(super) fn parse(document: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        if document.len() > BYTES_MAX {
            return Err(format!("is larger than {BYTES_MAX} bytes"));
        }
        let Document { keys } = serde_json::from_slice(document).map_err(|why| {
            // Its text may quote the document, and a wrong file may hold anything.
            format!("is no key set (JWKS): line {} column {}", why.line(), why.column())
        })?;
        if keys.len() > KEYS_MAX {
            return Err(format!("holds more than {KEYS_MAX} keys"));
        }
        let mut set = Self::default();
        for (place, key) in (1..).zip(keys) {
            match serde_json::from_value::<Jwk>(key).map_err(|_| "cannot be read").and_then(Jwk::into_key) {
                Ok(key) if set.keys.contains(&key) => {}
                Ok(key) => set.keys.push(key),
                Err(why) => set.ignored.push(format!("key {place} {why}")),
            }
        }
        Ok(set)
    }

    /// The key for `algorithm` with this id; without an id the only one there is for `algorithm`.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Named<'_> {
        let fits = |key: &&Key| key.algorithm == algorithm && (id.is_none() || key.id.as_deref() == id);
        let mut fitting = self.keys.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (None, _) => Named::Unknown,
            (Some(key), None) => Named::Key(&key.public),
            (Some(_), Some(_)) => Named::Ambiguous,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Why keys of the document were left out; without anything of the keys.
    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }
}

/// A key as it is published. Members that are not here play no part.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    #[serde(default, deserialize_with = "present")]
    d: Option<IgnoredAny>,
}

impl Jwk {
    fn into_key(self) -> Result<Key, &'static str> {
        if self.d.is_some() {
            return Err("is a private key: publish its public half, and replace it if others could read it");
        }
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return Err("is not for signatures (use)");
        }
        if self.key_ops.as_ref().is_some_and(|ops| ops.iter().all(|op| op != "verify")) {
            return Err("is not for the verification of signatures (key_ops)");
        }
        let (algorithm, names, (material, public)) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => (Algorithm::RS256, ["RS256", "RS256"], self.rsa()?),
            ("EC", Some("P-256")) => (Algorithm::ES256, ["ES256", "ES256"], self.p256()?),
            // RFC 9864 gave EdDSA with this curve a name of its own.
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, ["EdDSA", "Ed25519"], self.ed25519()?),
            ("oct", _) => return Err("is a shared secret, and only public keys are taken"),
            _ => return Err("is of a type other than RSA, EC P-256 and OKP Ed25519"),
        };
        if self.alg.as_deref().is_some_and(|alg| !names.contains(&alg)) {
            return Err("is for an algorithm other than RS256, ES256 and EdDSA, or than its type allows");
        }
        Ok(Key { id: self.kid, algorithm, material, public })
    }

    fn rsa(&self) -> Result<(Vec<u8>, DecodingKey), &'static str> {
        let (n, e) = (number(self.n.as_deref())?, number(self.e.as_deref())?);
        let modulus_bits = bits(&n);
        if modulus_bits < RSA_BITS_MIN {
            return Err("is an RSA key of fewer than 2048 bits");
        }
        // An exponent of 1 would make every signature good. AWS-LC refuses these too, but only when it verifies.
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        if modulus_bits > RSA_BITS_MAX || !is_odd(&n) || !is_odd(&e) || !(2..=EXPONENT_BITS_MAX).contains(&bits(&e)) {
            return Err("is no valid RSA key");
        }
        let key = DecodingKey::from_rsa_raw_components(&n, &e);
        Ok(([n, e].concat(), key))
    }

    fn p256(&self) -> Result<(Vec<u8>, DecodingKey), &'static str> {
        /// SEC 1, 2.3.3: a point that is not compressed.
        const UNCOMPRESSED: u8 = 4;
        let point = [vec![UNCOMPRESSED], coordinate(self.x.as_deref())?, coordinate(self.y.as_deref())?].concat();
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point).map_err(|_| "is no point of its curve")?;
        let key = DecodingKey::from_ec_der(&point);
        Ok((point, key))
    }

    fn ed25519(&self) -> Result<(Vec<u8>, DecodingKey), &'static str> {
        let point = coordinate(self.x.as_deref())?;
        ParsedPublicKey::new(&ED25519, &point).map_err(|_| "is no point of its curve")?;
        let key = DecodingKey::from_ed_der(&point);
        Ok((point, key))
    }
}

fn octets(text: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let text = text.ok_or("lacks a member of its type")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "is not written in base64url")
}

/// A number without the leading zeros that some issuers write.
fn number(text: Option<&str>) -> Result<Vec<u8>, &'static str> {
    Ok(octets(text)?.into_iter().skip_while(|octet| *octet == 0).collect())
}

/// The length of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

fn coordinate(text: Option<&str>) -> Result<Vec<u8>, &'static str> {
    let octets = octets(text)?;
    if octets.len() == COORDINATE_BYTES { Ok(octets) } else { Err("has a coordinate of a wrong length") }
}

/// Takes a member that is there as it is, so that `null` is not the same as absent.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}
