//! Who calls, by a bearer token (JWT, RFC 7519, checked as RFC 8725 advises): signed by a configured issuer, for this
//! service, now.
//!
//! `jsonwebtoken` checks the signature and the registered claims. This module says which key and algorithm it may use,
//! and refuses what it would let pass: tokens of other kinds, extensions, members that occur twice, issuers as a list.
//! Knows no header, no policy, and no other proof. No verdict is remembered, so a token ends with its key.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation, errors::ErrorKind};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::jwks::{
    Named,
    fetch::{Fetcher, check_url},
    present,
    source::Keys,
};
use crate::telemetry::{Metrics, Reloaded};

/// The longest token, in bytes. All headers of a call together may have 16 KiB.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// How far the clocks of issuers and of this machine may be apart, in seconds; more than 60 is not to be had.
const LEEWAY_S: u64 = 30;

/// The longest subject, in bytes: that of a SPIFFE ID, the longest in use (`OpenID` Connect: 255).
const SUBJECT_BYTES_MAX: usize = 2048;

/// The most groups of a caller; policies see them all.
const GROUPS_MAX: usize = 1000;

/// The last second of the year 9999, beyond which times cannot be written down.
const EXPIRY_MAX_S: u64 = 253_402_300_799;

/// One `[[identity.jwt]]` entry.
#[derive(Clone, Debug)]
pub struct JwtIssuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// What the `aud` of its tokens must contain.
    pub audience: String,
    /// Its public keys.
    pub keys: KeySource,
}

/// Where a key set (JWKS) is.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// In a file.
    File(PathBuf),
    /// At an https URL.
    Url(Url),
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// `iss`: a configured issuer.
    pub issuer: String,
    /// `sub`: not empty, without control characters.
    pub subject: String,
    /// `groups`.
    pub groups: BTreeSet<String>,
    /// `exp`, without the leeway.
    pub expires_at: SystemTime,
}

/// Why a token proves nothing. The text is for the caller and the log, and holds nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwtRefusal(&'static str);

impl fmt::Display for JwtRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Verifies tokens of the configured issuers.
pub struct JwtVerifier {
    issuers: HashMap<String, Issuer>,
}

struct Issuer {
    audience: String,
    keys: Arc<Keys>,
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier").field("issuers", &self.issuers.keys()).finish_non_exhaustive()
    }
}

impl JwtVerifier {
    /// Reads key files at once; key sets at URLs are fetched by [`Self::keep_fresh`] and on demand.
    ///
    /// # Errors
    /// Every mistake of [`check_issuers`] in one text; without trusted certificates for a URL that too.
    pub fn new(issuers: Vec<JwtIssuer>) -> Result<Self, String> {
        let has_url = issuers.iter().any(|issuer| matches!(issuer.keys, KeySource::Url(_)));
        let fetcher = if has_url { Some(Arc::new(Fetcher::native()?)) } else { None };
        Self::with_fetcher(issuers, fetcher.as_ref())
    }

    fn with_fetcher(issuers: Vec<JwtIssuer>, fetcher: Option<&Arc<Fetcher>>) -> Result<Self, String> {
        let (opened, mistakes) = open(issuers, fetcher);
        if mistakes.is_empty() { Ok(Self { issuers: opened }) } else { Err(mistakes.join("; ")) }
    }

    /// Keeps the key sets fresh until `stop`.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken, metrics: Arc<Metrics>) {
        let mut tasks = JoinSet::new();
        for issuer in self.issuers.values() {
            let (keys, reload) = (Arc::clone(&issuer.keys), metrics.source(Reloaded::KeySets));
            tasks.spawn(async move { keys.keep_fresh(reload).await });
        }
        // They end with the set.
        stop.cancelled().await;
    }

    /// Verifies the text after `Bearer `.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub async fn verify(&self, token: &str) -> Result<Claims, JwtRefusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(JwtRefusal("the token is larger than 8 KiB"));
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwtRefusal("the token is no signed JWT: it must have three parts"));
        };
        let header: Header = decode(header).ok_or(JwtRefusal("the token's header cannot be read"))?;
        let algorithm = header.check()?;
        // Not to be believed yet: it only picks the issuer whose keys must prove it.
        let Claimed { iss } = decode(payload).ok_or(JwtRefusal("the token's claims cannot be read"))?;
        let issuer = self.issuers.get(&iss).ok_or(JwtRefusal("the token's issuer (iss) is not configured"))?;
        let id = header.kid.as_deref();
        let mut keys = issuer.keys.current();
        if matches!(keys.find(id, algorithm), Named::Unknown) {
            issuer.keys.look_again().await;
            keys = issuer.keys.current();
        }
        let key = match keys.find(id, algorithm) {
            Named::Key(key) => key,
            Named::Unknown => return Err(JwtRefusal("the token's issuer has no such key (kid) for its algorithm")),
            Named::Ambiguous => return Err(JwtRefusal("the token does not say which key of its issuer it is (kid)")),
        };
        let validation = validation(algorithm, &iss, &issuer.audience);
        let token = jsonwebtoken::decode::<Payload>(token, key, &validation).map_err(|why| refusal(why.kind()))?;
        token.claims.check(iss)
    }
}

/// What is wrong with the entries, as far as it can be found without a network.
pub fn check_issuers(issuers: &[JwtIssuer]) -> Vec<String> {
    open(issuers.to_vec(), None).1
}

/// Opens the entries; those with a URL only with a fetcher.
fn open(issuers: Vec<JwtIssuer>, fetcher: Option<&Arc<Fetcher>>) -> (HashMap<String, Issuer>, Vec<String>) {
    let (mut opened, mut mistakes, mut seen) = (HashMap::new(), Vec::new(), BTreeSet::new());
    for JwtIssuer { issuer, audience, keys } in issuers {
        let mut mistake = |why: &str| mistakes.push(format!("issuer {issuer:?}: {why}"));
        if issuer.is_empty() || issuer.chars().any(char::is_control) {
            mistake("must not be empty or hold control characters");
        }
        // A caller's id is "<iss>|<sub>": with a bar in the issuer, two callers could have the same.
        if issuer.contains('|') {
            mistake("must not contain \"|\"");
        }
        if !seen.insert(issuer.clone()) {
            mistake("is configured twice");
        }
        if audience.is_empty() {
            mistake("its audience must not be empty");
        }
        let keys = match keys {
            KeySource::File(path) => Keys::of_file(&issuer, &path).map(Some).map_err(|why| format!("jwks_file {why}")),
            KeySource::Url(url) => match check_url(&url) {
                Ok(()) => Ok(fetcher.map(|fetcher| Keys::of_url(&issuer, url, Arc::clone(fetcher)))),
                Err(why) => Err(format!("jwks_url {why}")),
            },
        };
        match keys {
            Ok(Some(keys)) => {
                opened.insert(issuer, Issuer { audience, keys: Arc::new(keys) });
            }
            Ok(None) => {}
            Err(why) => mistake(&why),
        }
    }
    (opened, mistakes)
}

/// The header. Keys that it brings along (`jwk`, `jku`, `x5c`) play no part.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default, deserialize_with = "present")]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: Option<IgnoredAny>,
}

impl Header {
    fn check(&self) -> Result<Algorithm, JwtRefusal> {
        /// So that a token that the issuer signed to another end (a logout, an event) is none. RFC 8725, 3.11.
        const TYPES: [&str; 3] = ["jwt", "at+jwt", "jose"];
        if self.crit.is_some() {
            return Err(JwtRefusal("the token needs extensions (crit), and none is supported"));
        }
        let typ = self.typ.as_deref().map(str::to_ascii_lowercase);
        let typ = typ.as_deref().map(|typ| typ.strip_prefix("application/").unwrap_or(typ));
        if typ.is_some_and(|typ| !TYPES.contains(&typ)) {
            return Err(JwtRefusal("the token is of another kind (typ) than JWT and at+jwt"));
        }
        match self.alg.as_str() {
            "RS256" => Ok(Algorithm::RS256),
            "ES256" => Ok(Algorithm::ES256),
            "EdDSA" => Ok(Algorithm::EdDSA),
            _ => Err(JwtRefusal("the token's algorithm (alg) is not RS256, ES256 or EdDSA")),
        }
    }
}

#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

/// The claims that this module looks at itself; `jsonwebtoken` reads `aud` and `nbf` from the same bytes. A member
/// that occurs twice is an error in both.
#[derive(Deserialize)]
struct Payload {
    iss: String,
    exp: serde_json::Number,
    #[serde(default, deserialize_with = "present")]
    sub: Option<String>,
    #[serde(default, deserialize_with = "present")]
    groups: Option<serde_json::Value>,
}

impl Payload {
    fn check(self, issuer: String) -> Result<Claims, JwtRefusal> {
        if self.iss != issuer {
            return Err(refusal(&ErrorKind::InvalidIssuer));
        }
        let subject = self.sub.filter(|sub| !sub.is_empty()).ok_or(JwtRefusal("the token has no subject (sub)"))?;
        if subject.len() > SUBJECT_BYTES_MAX || subject.chars().any(char::is_control) {
            return Err(JwtRefusal("the token's subject (sub) is too long or holds control characters"));
        }
        // A fraction of a second is allowed and plays no part.
        let seconds = self.exp.as_u64().map(Duration::from_secs);
        let lifetime =
            seconds.or_else(|| self.exp.as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()));
        let lifetime = lifetime.filter(|lifetime| lifetime.as_secs() <= EXPIRY_MAX_S);
        let expires_at = lifetime.and_then(|lifetime| UNIX_EPOCH.checked_add(lifetime));
        let expires_at = expires_at.ok_or(JwtRefusal("the token's expiry (exp) is no time"))?;
        Ok(Claims { issuer, subject, groups: groups(self.groups)?, expires_at })
    }
}

fn groups(claim: Option<serde_json::Value>) -> Result<BTreeSet<String>, JwtRefusal> {
    const NO_TEXTS: JwtRefusal = JwtRefusal("the token's groups are not an array of texts");
    let Some(claim) = claim else { return Ok(BTreeSet::new()) };
    let serde_json::Value::Array(groups) = claim else { return Err(NO_TEXTS) };
    if groups.len() > GROUPS_MAX {
        return Err(JwtRefusal("the token has more than 1000 groups"));
    }
    let text = |group| if let serde_json::Value::String(group) = group { Ok(group) } else { Err(NO_TEXTS) };
    groups.into_iter().map(text).collect()
}

fn decode<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// What `jsonwebtoken` checks. Every setting of it that matters is here.
fn validation(algorithm: Algorithm, issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "aud", "iss"]);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.validate_exp = true;
    validation.validate_nbf = true;
    validation.validate_aud = true;
    validation.leeway = LEEWAY_S;
    validation
}

/// `jsonwebtoken`'s own texts may quote the token.
fn refusal(why: &ErrorKind) -> JwtRefusal {
    JwtRefusal(match why {
        ErrorKind::InvalidSignature => "the token's signature is not of its issuer's key",
        ErrorKind::ExpiredSignature => "the token has expired (exp)",
        ErrorKind::ImmatureSignature => "the token is not valid yet (nbf)",
        ErrorKind::InvalidAudience => "the token is for another audience (aud)",
        ErrorKind::InvalidIssuer => "the token is of another issuer (iss)",
        ErrorKind::InvalidAlgorithm => "the token's algorithm (alg) is not that of its issuer's key",
        ErrorKind::MissingRequiredClaim(claim) | ErrorKind::InvalidClaimFormat(claim) => match claim.as_str() {
            "exp" => "the token has no expiry (exp) that can be read",
            "aud" => "the token has no audience (aud) that can be read",
            "nbf" => "the token's nbf is no time",
            _ => "a claim of the token is missing or cannot be read",
        },
        ErrorKind::Json(_) => "the token's claims cannot be read: exp and sub must be there, nothing may be twice",
        _ => "the token cannot be read",
    })
}

#[cfg(test)]
mod tests;
