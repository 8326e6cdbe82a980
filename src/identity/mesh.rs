//! The header in which a sidecar says who calls: Envoy's `x-forwarded-client-cert`, or Linkerd's `l5d-client-id`.
//!
//! It is worth what its sender is worth: believed from trusted peers only, and refused, not ignored, from others.

use std::{borrow::Cow, fmt, str::FromStr};

use http::HeaderMap;
use ipnet::IpNet;

use super::{Caller, Peer, Proof, Unidentified, spiffe};

/// Which mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MeshHeader {
    /// Envoy and Istio.
    ForwardedClientCert,
    /// Linkerd.
    LinkerdClientId,
}

impl MeshHeader {
    const ALL: [Self; 2] = [Self::ForwardedClientCert, Self::LinkerdClientId];

    /// The header's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ForwardedClientCert => "x-forwarded-client-cert",
            Self::LinkerdClientId => "l5d-client-id",
        }
    }
}

/// A peer that may say who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedPeer {
    /// An address or a network.
    Network(IpNet),
    /// Whoever can open our unix socket.
    UnixSocket,
}

impl FromStr for TrustedPeer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "unix" {
            return Ok(Self::UnixSocket);
        }
        let network = text.parse().map(Self::Network);
        network.map_err(|_| "must be networks such as 127.0.0.1/32, or unix".to_owned())
    }
}

impl fmt::Display for TrustedPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "{network}"),
            Self::UnixSocket => f.write_str("unix"),
        }
    }
}

/// The mesh that is believed.
#[derive(Clone, Debug)]
pub struct Mesh {
    header: MeshHeader,
    trusted: Vec<TrustedPeer>,
}

impl Mesh {
    /// Believes `header` from `trusted`.
    pub fn new(header: MeshHeader, trusted: Vec<TrustedPeer>) -> Self {
        Self { header, trusted }
    }

    /// The header that is believed.
    pub fn header(&self) -> MeshHeader {
        self.header
    }

    /// From whom it is believed.
    pub fn trusted(&self) -> &[TrustedPeer] {
        &self.trusted
    }

    fn trusts(&self, peer: &Peer) -> bool {
        self.trusted.iter().any(|trusted| match (trusted, peer.address) {
            // An IPv4 peer of a dual-stack socket has a mapped address.
            (TrustedPeer::Network(network), Some(address)) => network.contains(&address.to_canonical()),
            (TrustedPeer::UnixSocket, None) => true,
            _ => false,
        })
    }
}

/// Who calls by the mesh's word; nobody if it says nothing.
pub(super) fn identify(mesh: Option<&Mesh>, peer: &Peer, headers: &HeaderMap) -> Result<Option<Caller>, Unidentified> {
    let mut caller = None;
    // All of them: one that is good must not hide one that is not.
    for header in MeshHeader::ALL {
        let mut values = headers.get_all(header.name()).iter().peekable();
        if values.peek().is_none() {
            continue;
        }
        let Some(mesh) = mesh.filter(|mesh| mesh.header == header) else {
            return Err(Unidentified::because(
                "a mesh identity header was sent that this server is not set up to believe",
            ));
        };
        if !mesh.trusts(peer) {
            return Err(Unidentified::because(
                "a mesh identity header was sent by a peer that is not trusted to send it",
            ));
        }
        let malformed = || Unidentified::because("the mesh identity header cannot be read");
        let values: Option<Vec<&str>> = values.map(|value| value.to_str().ok()).collect();
        let values = values.ok_or_else(malformed)?;
        let said = match header {
            MeshHeader::ForwardedClientCert => forwarded(&values),
            MeshHeader::LinkerdClientId => linkerd(&values),
        };
        caller = Some(said.map_err(Unidentified::because)?);
    }
    Ok(caller)
}

/// The `URI` of the last element: the one that the nearest proxy, which is the trusted one, has added.
fn forwarded(values: &[&str]) -> Result<Caller, &'static str> {
    let malformed = "x-forwarded-client-cert cannot be read";
    // Several headers of one name are one list (RFC 9110, 5.3).
    let values = values.join(",");
    let last = last_element(&values).ok_or(malformed)?;
    let mut ids = last.iter().filter(|(key, _)| key.eq_ignore_ascii_case("uri")).map(|(_, value)| value);
    let id = ids.next().filter(|id| !id.is_empty()).ok_or("x-forwarded-client-cert has no URI in its last element")?;
    if ids.next().is_some() {
        return Err("x-forwarded-client-cert has more than one URI in its last element");
    }
    let domain = spiffe::trust_domain(id).ok_or("x-forwarded-client-cert has a malformed SPIFFE id")?;
    Ok(Caller::new(id.to_string(), Proof::Mesh, Some(domain.to_owned())))
}

/// `name.namespace.serviceaccount.identity.…`: a DNS name.
fn linkerd(values: &[&str]) -> Result<Caller, &'static str> {
    let [id] = values else {
        return Err("l5d-client-id was sent more than once");
    };
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(is_plain)
    };
    let is_name = id.len() <= 253 && id.contains('.') && id.split('.').all(is_label);
    if is_name { Ok(Caller::new((*id).to_owned(), Proof::Mesh, None)) } else { Err("l5d-client-id is not a name") }
}

/// The pairs of the last element by Envoy's grammar: elements with commas between, pairs with semicolons, values quoted
/// where they hold `,` `;` or `=`, quotes in them as `\"`. Anything else, wherever it is, makes the whole malformed.
fn last_element(text: &str) -> Option<Vec<(&str, Cow<'_, str>)>> {
    let mut element = Vec::new();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once('=')?;
        // Optional white space after a comma.
        let key = key.trim_start_matches([' ', '\t']);
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return None;
        }
        let (value, after) = after.strip_prefix('"').map_or_else(|| plain(after), quoted)?;
        element.push((key, value));
        let mut after = after.chars();
        match after.next() {
            None => return Some(element),
            Some(';') => {}
            Some(',') => element.clear(),
            Some(_) => return None,
        }
        rest = after.as_str();
    }
}

/// A value up to what ends it, and that.
fn plain(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let (value, after) = text.split_at_checked(text.find([',', ';', '"']).unwrap_or(text.len()))?;
    Some((Cow::Borrowed(value), after))
}

/// A value up to its closing quote, and what follows that.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let (plain, end) = rest.split_at_checked(rest.find(['"', '\\'])?)?;
        value.push_str(plain);
        let mut end = end.chars();
        if end.next()? == '"' {
            return Some((Cow::Owned(value), end.as_str()));
        }
        value.push(end.next()?);
        rest = end.as_str();
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::{Mesh, MeshHeader, identify};
    use crate::identity::Peer;

    fn peer(address: &str) -> Peer {
        Peer { address: Some(address.parse().unwrap()), certificate: None }
    }

    fn ask(header: MeshHeader, from: &Peer, sent: &[(&'static str, &str)]) -> Result<Option<String>, String> {
        let mesh = Mesh::new(header, vec!["127.0.0.1/32".parse().unwrap(), "10.1.0.0/16".parse().unwrap()]);
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, value.parse().unwrap());
        }
        let caller = identify(Some(&mesh), from, &headers);
        caller.map(|caller| caller.map(|caller| caller.id().to_owned())).map_err(|why| why.to_string())
    }

    const XFCC: &str = "x-forwarded-client-cert";
    const ID: &str = "spiffe://prod.example/ns/iam/sa/console";

    #[test]
    fn the_uri_of_the_last_element_says_who_calls() {
        let local = peer("127.0.0.1");
        for value in [
            format!("URI={ID}"),
            format!("By=spiffe://prod.example/ns/x/sa/y;Hash=abc;Subject=\"CN=a,O=\\\"b;c\\\"\";URI={ID}"),
            format!("URI=spiffe://evil.example/x, By=spiffe://a.example/b;URI={ID};DNS=a.example"),
            format!("Subject=\"x,URI=spiffe://evil.example/x\";URI={ID}"),
            format!("By=;URI={ID}"),
        ] {
            let asked = ask(MeshHeader::ForwardedClientCert, &local, &[(XFCC, &value)]);
            assert_eq!(asked, Ok(Some(ID.to_owned())), "{value}");
        }
        let two = [(XFCC, "URI=spiffe://evil.example/x"), (XFCC, &format!("URI={ID}"))];
        assert_eq!(ask(MeshHeader::ForwardedClientCert, &local, &two), Ok(Some(ID.to_owned())));
        assert_eq!(ask(MeshHeader::ForwardedClientCert, &local, &[]), Ok(None));
    }

    #[test]
    fn a_malformed_or_ambiguous_header_is_refused() {
        let local = peer("127.0.0.1");
        for value in [
            "",
            "URI",
            "=x",
            "URI=",
            "Hash=abc",
            &format!("URI={ID},"),
            &format!("URI={ID};"),
            &format!("URI={ID};URI=spiffe://prod.example/other"),
            &format!("URI=\"{ID}"),
            &format!("URI=\"{ID}\"x"),
            &format!("URI={ID}\""),
            &format!("Subject=\"a\\\";URI={ID}"),
            &format!("Subject=\"a;URI={ID}\\"),
            &format!("URI={ID},Hash=abc"),
            "URI=https://prod.example/x",
            "URI=spiffe://prod.example",
            "U RI=x",
        ] {
            assert!(ask(MeshHeader::ForwardedClientCert, &local, &[(XFCC, value)]).is_err(), "{value}");
        }
    }

    #[test]
    fn the_header_is_refused_from_peers_that_are_not_trusted() {
        let value = format!("URI={ID}");
        let sent = [(XFCC, value.as_str())];
        for (from, is_trusted) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.1", true),
            ("10.1.2.3", true),
            ("127.0.0.2", false),
            ("10.2.0.1", false),
            ("::1", false),
        ] {
            assert_eq!(ask(MeshHeader::ForwardedClientCert, &peer(from), &sent).is_ok(), is_trusted, "{from}");
        }
        assert!(ask(MeshHeader::ForwardedClientCert, &Peer::default(), &sent).is_err());
        // The header of the other mesh is no proof, and is not passed over.
        assert!(ask(MeshHeader::LinkerdClientId, &peer("127.0.0.1"), &sent).is_err());
        let both = [(XFCC, value.as_str()), ("l5d-client-id", "console.iam")];
        assert!(ask(MeshHeader::ForwardedClientCert, &peer("127.0.0.1"), &both).is_err());
        assert!(ask(MeshHeader::LinkerdClientId, &peer("127.0.0.1"), &both).is_err());
        let mut headers = HeaderMap::new();
        headers.insert(XFCC, value.parse().unwrap());
        assert!(identify(None, &peer("127.0.0.1"), &headers).is_err());
    }

    #[test]
    fn linkerds_header_is_a_name() {
        let name = "console.iam.serviceaccount.identity.linkerd.cluster.local";
        let ask = |values: &[&str]| {
            let sent: Vec<_> = values.iter().map(|&value| ("l5d-client-id", value)).collect();
            ask(MeshHeader::LinkerdClientId, &peer("127.0.0.1"), &sent)
        };
        assert_eq!(ask(&[name]), Ok(Some(name.to_owned())));
        for wrong in
            [&["anonymous"][..], &["dns:a.example"], &["A.example"], &["a..b"], &[name, name], &["https://x|y.z"]]
        {
            assert!(ask(wrong).is_err(), "{wrong:?}");
        }
    }
}
