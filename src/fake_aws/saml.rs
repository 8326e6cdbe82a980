//! What Cognito reads from SAML metadata: the redirect locations. It never fetches anything.

use roxmltree::{Document, Node, ParsingOptions};
use url::Url;

use super::detail::is_unreachable;

const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const HTTP_REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";

/// The certificate that every SAML provider of the fake encrypts to: a throw-away self-signed one whose key was
/// never kept, base64 of the DER as AWS shows it.
pub(super) const ACTIVE_ENCRYPTION_CERTIFICATE: &str = concat!(
    "MIIDHTCCAgWgAwIBAgIUa8FtnuOO1x61bjasf/yD/7pxrXcwDQYJKoZIhvcNAQELBQAwHjEcMBoGA1UEAwwTdXMtZWFzdC0xX1Nh",
    "bmRib3gwMTAeFw0yNjExMjMxODAyMThaFw0zNjExMjAxODAyMThaMB4xHDAaBgNVBAMME3VzLWVhc3QtMV9TYW5kYm94MDEwggEi",
    "MA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQDpnbTtaLH0VYdaHDlBHuUYAIMtI9wqLE7WrJe1sxZUQ8zIGIQ7MmMZwJyqlC1g",
    "D2IiS1AUqv2kuJ/5nKxX49y7Agk0hRDzdUgHAMgp7RmwwOv53NhIyJMAWwMfaZ5AdQyAdgPlyNYa1fNb9tTv4uVQfKR69aiJxCLk",
    "vEW2Y517HSvX0SaaRf8CJSkDn26NMJJNVVw0uDvjQwSzSPAw/XDfibBfWN4IlhhmrA5DfsC109TucrSohgC92dxzq2WTYOU2IJ5P",
    "EePS1d95iA2PU70LfkkmYdSbMhYJpQBcM0X4BJdlpBlMxAxXOGz4ottVoL6Z99qihd42jo5ObjHpgEuhAgMBAAGjUzBRMB0GA1Ud",
    "DgQWBBQTgRc1DW5zsf0Obu0rJZOGOhyXvjAfBgNVHSMEGDAWgBQTgRc1DW5zsf0Obu0rJZOGOhyXvjAPBgNVHRMBAf8EBTADAQH/",
    "MA0GCSqGSIb3DQEBCwUAA4IBAQClpO3zcr0Zk1u4RysAfOkAHGom7lFETUP1nLznJQ7ddXoT44uJu64sCR3vOfdA/SUf97JoKWDx",
    "832Pj8Jc2dtGxyWTNBWdVik5IqEnq69mkT6r/xmVDTFLAL545J+Dmkl71aCtEps09x2bgJDy8DFSW58UwCdG+Wc57NZMR4GBdnGB",
    "IhwJO732+V1cdv41ReYGqvDVNcNzmh0a5IxYrV57rx0+cIKqjPHAz20RxPlILDxEBfc82n14YdfY6XUutKJhKsQO9QptGOi/gyiW",
    "WO1/u6R2yBUF4lnyhGEbt/KAdgmkVFh9DoLuFg0UuKQ5e9Y0uELagu8wNzzYdgEVGswt",
);

/// Where the identity provider is redirected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) sign_on: String,
    pub(super) sign_out: Option<String>,
}

impl Endpoints {
    /// Reads a metadata document. The error is AWS's sentence where one is known.
    pub(super) fn of_file(metadata: &str) -> Result<Self, String> {
        // Our choice: a DTD is refused (entity bombs), and the sentence for unreadable XML is ours.
        let document = Document::parse_with_options(metadata, ParsingOptions::default())
            .map_err(|_| "Unable to parse the SAML metadata document.".to_owned())?;
        let descriptor = document.descendants().find(|node| node.has_tag_name((METADATA, "IDPSSODescriptor")));
        let location = |service: &str| {
            descriptor?
                .children()
                .filter(|node| node.has_tag_name((METADATA, service)))
                .find_map(|node| redirect_location(&node))
        };
        let sign_on = location("SingleSignOnService")
            .ok_or_else(|| "No SingleSignOn Http redirect binding location found in metadata.".to_owned())?;
        Ok(Self { sign_on, sign_out: location("SingleLogoutService") })
    }

    /// The endpoints of a provider that has a metadata URL, of the form that the API reference's example has:
    /// `https://HOST/sso/saml/metadata` has `https://HOST/sso/saml` and `https://HOST/slo/saml`.
    pub(super) fn of_url(metadata_url: &str) -> Result<Self, String> {
        // Our choice: a URL that cannot be fetched is refused in our words; http is let through, since it is not known
        // whether AWS refuses it.
        let url = Url::parse(metadata_url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| "MetadataURL is not a valid URL.".to_owned())?;
        if is_unreachable(metadata_url) {
            return Err(format!("Non-ok status code 404 returned from remote metadata source {metadata_url}"));
        }
        let origin = url.origin().ascii_serialization();
        Ok(Self { sign_on: format!("{origin}/sso/saml"), sign_out: Some(format!("{origin}/slo/saml")) })
    }
}

fn redirect_location(service: &Node<'_, '_>) -> Option<String> {
    (service.attribute("Binding") == Some(HTTP_REDIRECT))
        .then(|| service.attribute("Location"))
        .flatten()
        .filter(|location| !location.trim().is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(services: &str) -> String {
        format!(
            r#"<md:EntityDescriptor xmlns:md="{METADATA}" entityID="e"><md:IDPSSODescriptor>{services}</md:IDPSSODescriptor></md:EntityDescriptor>"#
        )
    }

    #[test]
    fn redirect_locations_are_read_and_other_bindings_are_not() {
        let post = r#"<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp/post"/>"#;
        let redirect = format!(
            r#"<md:SingleSignOnService Binding="{HTTP_REDIRECT}" Location="https://idp/redirect?a=1&amp;b=2"/>"#
        );
        let endpoints = Endpoints::of_file(&metadata(&format!("{post}{redirect}"))).unwrap();
        assert_eq!(endpoints.sign_on, "https://idp/redirect?a=1&b=2");
        assert_eq!(endpoints.sign_out, None);
        let refused = Endpoints::of_file(&metadata(post)).unwrap_err();
        assert_eq!(refused, "No SingleSignOn Http redirect binding location found in metadata.");
    }

    #[test]
    fn text_that_is_no_xml_is_refused() {
        for text in ["", "not xml", "<a>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"] {
            assert!(Endpoints::of_file(text).is_err(), "{text}");
        }
    }

    #[test]
    fn metadata_url_gives_the_endpoints_of_the_documented_example() {
        let endpoints = Endpoints::of_url("https://auth.example.com/sso/saml/metadata").unwrap();
        assert_eq!(endpoints.sign_on, "https://auth.example.com/sso/saml");
        assert_eq!(endpoints.sign_out.as_deref(), Some("https://auth.example.com/slo/saml"));
    }
}
