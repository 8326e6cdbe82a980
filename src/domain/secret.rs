//! A text that no formatter shows, and the keyed hash that stands for it.

use std::fmt;

use aws_lc_rs::hmac;
use rand::{TryRngCore as _, rngs::OsRng};
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

/// The value of one detail. Any of them may be a secret (the schema is open at AWS), so none is ever shown.
///
/// Overwritten in memory when dropped. The copies that prost and the AWS SDK make are theirs and are not.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for the one place that sends it to AWS and for the rules that read it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// As it is displayed: what is serialized ends in a file or a log sooner or later.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Makes fingerprints of secrets: equal for an equal secret at the same place, useless for guessing it.
#[derive(Debug)]
pub struct Fingerprinter(hmac::Key);

/// Bytes of the HMAC that a fingerprint keeps: 128 bits, far beyond any chance collision.
const FINGERPRINT_BYTES: usize = 16;

impl Fingerprinter {
    /// With a key of this process's own: fingerprints change at every start and differ between replicas.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn of_this_process() -> Result<Self, rand::rand_core::OsError> {
        let mut key = Zeroizing::new([0_u8; 32]);
        // Not aws-lc's generator, whose first use takes 30 ms, which the start would have to wait for.
        OsRng.try_fill_bytes(&mut *key)?;
        Ok(Self::with_key(&*key))
    }

    /// With a configured key, so that fingerprints can be compared between replicas and over restarts.
    pub fn with_key(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// HMAC-SHA-256 over `place` (the resource), `key` and the secret, cut to 128 bits, as hexadecimal digits.
    /// The place is part of it, so that equal secrets of two providers cannot be told to be equal.
    pub fn of(&self, place: &str, key: &str, secret: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [place, key] {
            context.update(part.as_bytes());
            context.update(&[0]);
        }
        context.update(secret.as_bytes());
        let tag = context.sign();
        hex(tag.as_ref().iter().take(FINGERPRINT_BYTES))
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex<'a>(bytes: impl ExactSizeIterator<Item = &'a u8>) -> String {
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        hex.extend([byte >> 4, byte & 0xf].into_iter().filter_map(|digit| char::from_digit(digit.into(), 16)));
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn no_way_of_showing_a_secret_shows_it() {
        let secret = Secret::new("S3CR3T-CANARY".to_owned());
        assert_eq!(format!("{secret:?} {secret:#?} {secret}"), "Secret(…) Secret(…) …");
        assert_eq!(serde_json::to_string(&[&secret]).unwrap(), "[\"…\"]");
        assert_eq!(secret.expose(), "S3CR3T-CANARY");
    }
}
