//! Who calls. A [`Caller`] is made here and nowhere else.
//!
//! Knows no policy and no AWS. Until other proofs exist a caller can only be anonymous, and only where the
//! configuration says so in words; a proof that cannot be checked is refused, never ignored.

use std::fmt;

use http::HeaderMap;

/// Whether calls without a proof of identity are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymous {
    /// They are refused.
    #[default]
    Refuse,
    /// They are served as the caller `anonymous`.
    Allow,
}

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Not at all.
    Anonymous,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    id: String,
    proof: Proof,
}

impl Caller {
    /// The id that policies and the audit use.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How the caller proved it.
    pub fn proof(&self) -> Proof {
        self.proof
    }
}

/// Why a caller is not known. The text is for the caller and holds nothing that it sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unidentified(&'static str);

impl fmt::Display for Unidentified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Headers in which a caller, or a sidecar for it, would prove who it is.
const PROOFS: [(&str, &str); 3] = [
    ("authorization", "a bearer token was sent, but no issuer is configured whose tokens could be checked"),
    ("x-forwarded-client-cert", "x-forwarded-client-cert was sent, but no peer is trusted to send it"),
    ("l5d-client-id", "l5d-client-id was sent, but no peer is trusted to send it"),
];

/// The rules by which callers are told apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity {
    anonymous: Anonymous,
}

impl Identity {
    /// With the configured rule for callers without a proof.
    pub fn new(anonymous: Anonymous) -> Self {
        Self { anonymous }
    }

    /// Tells who calls from what came with the connection and the request's headers, before its message is read.
    ///
    /// # Errors
    /// Why the caller is not known.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Caller, Unidentified> {
        if let Some((_, why)) = PROOFS.iter().find(|(name, _)| headers.contains_key(*name)) {
            return Err(Unidentified(why));
        }
        match self.anonymous {
            Anonymous::Refuse => Err(Unidentified("no proof of identity was sent, and anonymous callers are refused")),
            Anonymous::Allow => Ok(Caller { id: "anonymous".to_owned(), proof: Proof::Anonymous }),
        }
    }
}
