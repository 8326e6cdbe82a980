//! A client's certificate → caller. TLS has verified the chain before; here only its names are read.

use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
};

use super::{Caller, Proof, Unidentified, spiffe};

/// The names of a verified certificate, or why they name nobody. Read once for a connection.
#[derive(Clone, Debug)]
pub struct Certificate(Result<Caller, Unidentified>);

impl Certificate {
    /// Reads a leaf certificate: exactly one SPIFFE id, else the first DNS name.
    pub fn of_der(der: &[u8]) -> Self {
        Self(read(der).map_err(Unidentified::because))
    }

    /// Whom it names.
    pub(super) fn caller(&self) -> Result<Caller, Unidentified> {
        self.0.clone()
    }
}

fn read(der: &[u8]) -> Result<Caller, &'static str> {
    let unreadable = "the client's certificate cannot be read";
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| unreadable)?;
    let names = certificate.subject_alternative_name().map_err(|_| unreadable)?;
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let uris = names.iter().filter_map(|name| if let GeneralName::URI(uri) = name { Some(*uri) } else { None });
    let mut ids = uris.filter(|uri| uri.get(..9).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe://")));
    if let Some(id) = ids.next() {
        if ids.next().is_some() {
            return Err("the client's certificate has more than one SPIFFE id");
        }
        let domain = spiffe::trust_domain(id).ok_or("the client's certificate has a malformed SPIFFE id")?;
        return Ok(Caller::new(id.to_owned(), Proof::Mtls, Some(domain.to_owned())));
    }
    let mut dns =
        names.iter().filter_map(|name| if let GeneralName::DNSName(name) = name { Some(*name) } else { None });
    let name = dns.next().ok_or("the client's certificate has neither a SPIFFE id nor a DNS name")?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    // A wildcard names many: it identifies nobody.
    if name.is_empty() || name.len() > 253 || !name.bytes().all(is_plain) {
        return Err("the client's certificate has a malformed DNS name");
    }
    Ok(Caller::new(format!("dns:{}", name.trim_end_matches('.').to_ascii_lowercase()), Proof::Mtls, None))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::Certificate;

    fn caller(names: &[SanType]) -> Result<String, String> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let caller = Certificate::of_der(certificate.der()).caller();
        caller.map(|caller| caller.id().to_owned()).map_err(|why| why.to_string())
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().unwrap())
    }

    fn dns(text: &str) -> SanType {
        SanType::DnsName(text.try_into().unwrap())
    }

    #[test]
    fn a_certificate_names_one_caller_or_nobody() {
        let id = "spiffe://prod.example/ns/iam/sa/console";
        assert_eq!(caller(&[dns("a.example"), uri(id)]).as_deref(), Ok(id));
        assert_eq!(caller(&[dns("A.example"), dns("b.example")]).as_deref(), Ok("dns:a.example"));
        assert_eq!(caller(&[uri("https://a.example"), dns("a.example")]).as_deref(), Ok("dns:a.example"));
        for nobody in [
            &[][..],
            &[uri(id), uri("spiffe://prod.example/other")],
            &[uri("spiffe://prod.example"), dns("a.example")],
            &[uri("SPIFFE://prod.example/x"), dns("a.example")],
            &[dns("*.example")],
            &[uri("https://a.example")],
        ] {
            assert!(caller(nobody).is_err(), "{nobody:?}");
        }
        assert!(Certificate::of_der(b"garbage").caller().is_err());
    }
}
