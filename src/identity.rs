//! Who calls. A [`Caller`] is made here and nowhere else.
//!
//! Knows no policy and no AWS. The rule for several proofs: every proof that is presented must be good, and one that
//! cannot be checked is refused, never ignored. Of several good ones the bearer token says who calls, else the mesh's
//! header, else the certificate: the proof that is nearest to the caller itself.

mod jwks;
mod jwt;
mod mesh;
mod mtls;
mod spiffe;

use std::{borrow::Cow, collections::BTreeSet, fmt, net::IpAddr, sync::Arc};

use http::HeaderMap;

pub use self::{
    jwt::{JwtIssuer, JwtVerifier, KeySource, check_issuers},
    mesh::{Mesh, MeshHeader, TrustedPeer},
    mtls::Certificate,
};

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
    /// By the certificate of its TLS connection.
    Mtls,
    /// By a header of its sidecar's.
    Mesh,
    /// By a bearer token.
    Jwt,
    /// Not at all.
    Anonymous,
}

impl Proof {
    /// The word that policies and the audit use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mtls => "mtls",
            Self::Mesh => "mesh",
            Self::Jwt => "jwt",
            Self::Anonymous => "anonymous",
        }
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    id: String,
    proof: Proof,
    groups: BTreeSet<String>,
    trust_domain: Option<String>,
}

impl Caller {
    fn new(id: String, proof: Proof, trust_domain: Option<String>) -> Self {
        Self { id, proof, groups: BTreeSet::new(), trust_domain }
    }

    /// The id that policies and the audit use.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How the caller proved it.
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// The groups that its token names.
    pub fn groups(&self) -> &BTreeSet<String> {
        &self.groups
    }

    /// The trust domain of its SPIFFE id.
    pub fn trust_domain(&self) -> Option<&str> {
        self.trust_domain.as_deref()
    }
}

/// Why a caller is not known. The text is for the caller and holds nothing that it sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unidentified(Cow<'static, str>);

impl Unidentified {
    const fn because(why: &'static str) -> Self {
        Self(Cow::Borrowed(why))
    }
}

impl fmt::Display for Unidentified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a connection's other end.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address; a unix socket's peer has none.
    pub address: Option<IpAddr>,
    /// The certificate that it showed, which TLS has verified.
    pub certificate: Option<Certificate>,
}

/// The rules by which callers are told apart.
#[derive(Debug, Default)]
pub struct Identity {
    anonymous: Anonymous,
    mesh: Option<Mesh>,
    tokens: Option<Arc<JwtVerifier>>,
}

impl Identity {
    /// With the configured rules.
    pub fn new(anonymous: Anonymous, mesh: Option<Mesh>, tokens: Option<Arc<JwtVerifier>>) -> Self {
        Self { anonymous, mesh, tokens }
    }

    /// Tells who calls from what came with the connection and the request's headers, before its message is read.
    ///
    /// # Errors
    /// Why the caller is not known.
    pub async fn identify(&self, peer: &Peer, headers: &HeaderMap) -> Result<Caller, Unidentified> {
        let by_certificate = peer.certificate.as_ref().map(Certificate::caller).transpose()?;
        let by_mesh = mesh::identify(self.mesh.as_ref(), peer, headers)?;
        let by_token = self.by_token(headers).await?;
        match (by_token.or(by_mesh).or(by_certificate), self.anonymous) {
            (Some(caller), _) => Ok(caller),
            (None, Anonymous::Allow) => Ok(Caller::new("anonymous".to_owned(), Proof::Anonymous, None)),
            (None, Anonymous::Refuse) => {
                Err(Unidentified::because("no proof of identity was sent, and anonymous callers are refused"))
            }
        }
    }

    async fn by_token(&self, headers: &HeaderMap) -> Result<Option<Caller>, Unidentified> {
        let mut values = headers.get_all("authorization").iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Unidentified::because("the authorization header was sent more than once"));
        }
        let Some(tokens) = &self.tokens else {
            let why = "a bearer token was sent, but no issuer is configured whose tokens could be checked";
            return Err(Unidentified::because(why));
        };
        let token = value.to_str().ok().and_then(|value| value.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) =
            token.ok_or_else(|| Unidentified::because("the authorization header holds no bearer token"))?;
        let claims = tokens.verify(token).await.map_err(|why| Unidentified(why.to_string().into()))?;
        // Neither a SPIFFE id nor a DNS name can hold the bar, so that no other proof can lead to this id.
        let id = format!("{}|{}", claims.issuer, claims.subject);
        Ok(Some(Caller { id, proof: Proof::Jwt, groups: claims.groups, trust_domain: None }))
    }
}

/// Makes callers for the tests of other modules.
#[cfg(test)]
pub(crate) fn caller_for_tests(id: &str, proof: Proof, groups: &[&str], trust_domain: Option<&str>) -> Caller {
    let groups = groups.iter().map(|&group| group.to_owned()).collect();
    Caller { id: id.to_owned(), proof, groups, trust_domain: trust_domain.map(str::to_owned) }
}

/// Makes a refusal for the tests of other modules.
#[cfg(test)]
pub(crate) fn unidentified_for_tests() -> Unidentified {
    Unidentified::because("no proof of identity was sent")
}
