//! Plain HTTP is for AWS stand-ins on this machine only: a stray setting must not send secrets over a network.

use url::{Host, Url};

/// The endpoint is plain HTTP and not on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an AWS endpoint with plain http must have a loopback host")]
pub struct InsecureEndpoint;

/// Whether requests may be sent to `uri`: https anywhere, http to the loopback only.
///
/// # Errors
/// When they may not, also when the URI cannot be read.
pub fn check_endpoint(uri: &str) -> Result<(), InsecureEndpoint> {
    let url = Url::parse(uri).map_err(|_| InsecureEndpoint)?;
    if url.scheme() == "https" {
        return Ok(());
    }
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "http" && is_loopback { Ok(()) } else { Err(InsecureEndpoint) }
}

#[cfg(test)]
mod tests {
    use super::check_endpoint;

    #[test]
    fn plain_http_is_for_the_loopback_only() {
        for good in [
            "https://cognito-idp.us-east-1.amazonaws.com/",
            "http://127.0.0.1:4566",
            "http://[::1]:1/",
            "http://localhost:1",
        ] {
            assert!(check_endpoint(good).is_ok(), "{good}");
        }
        for bad in
            ["http://aws.example", "http://127.0.0.1.example", "http://10.0.0.1", "ftp://localhost", "", "localhost:80"]
        {
            assert!(check_endpoint(bad).is_err(), "{bad}");
        }
    }
}
