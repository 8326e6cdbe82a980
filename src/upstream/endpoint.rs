//! Plain HTTP is for AWS stand-ins on this machine only: a stray setting must not send secrets over a network.

use std::{fmt, net::IpAddr};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_types::service_config::ServiceConfigKey;
use http::Uri;

use super::guard;

/// An endpoint that the environment or a profile sets in place of AWS's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointOverride {
    /// The service, as AWS's CLI calls it.
    pub service: &'static str,
    /// Where it is called.
    pub url: String,
}

impl fmt::Display for EndpointOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.service, self.url)
    }
}

impl EndpointOverride {
    /// Those of the services that are called, read as the SDK reads them, without a network.
    pub async fn all() -> Vec<Self> {
        // With a region named, nobody asks the machine's metadata for one.
        let loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(guard::http_client());
        let sdk = loader.region(Region::from_static("us-east-1")).load().await;
        let services =
            [("cognito-idp", "Cognito Identity Provider"), ("workspaces-web", "WorkSpaces Web"), ("sts", "STS")];
        let found = services.into_iter().map(|(service, id)| Some(Self { service, url: set_for(&sdk, id)? }));
        found.flatten().collect()
    }
}

/// The order of the clients' own: what is set for the service, then what is set for all.
fn set_for(sdk: &SdkConfig, service_id: &str) -> Option<String> {
    let key =
        ServiceConfigKey::builder().service_id(service_id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let own = sdk.service_config().zip(key.ok()).and_then(|(config, key)| config.load_config(key));
    own.or_else(|| sdk.endpoint_url().map(str::to_owned))
}

/// The endpoint is plain HTTP and not on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an AWS endpoint with plain http must have a loopback host")]
pub struct InsecureEndpoint;

/// Whether requests may be sent to `uri`: https anywhere, http to the loopback only.
///
/// # Errors
/// When they may not, also when the URI cannot be read.
pub fn check_endpoint(uri: &str) -> Result<(), InsecureEndpoint> {
    check(uri, is_loopback)
}

/// The same for what the SDK asks for credentials: a machine's and a container's own metadata services have plain http
/// on addresses that are never routed.
pub(super) fn check_any(uri: &str) -> Result<(), InsecureEndpoint> {
    check(uri, |host| is_loopback(host) || is_metadata_service(host))
}

/// Reads the URI as the HTTP client reads it: what is judged is where it would connect to.
fn check(uri: &str, may_be_plain: impl FnOnce(&str) -> bool) -> Result<(), InsecureEndpoint> {
    let uri = uri.parse::<Uri>().map_err(|_| InsecureEndpoint)?;
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if uri.host().is_some_and(may_be_plain) => Ok(()),
        _ => Err(InsecureEndpoint),
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|address| address.is_loopback())
}

/// 169.254.169.254 (EC2), 169.254.170.2 (ECS), 169.254.170.23 (EKS), and the two of them that have an IPv6 address.
fn is_metadata_service(host: &str) -> bool {
    match address(host) {
        None => false,
        Some(IpAddr::V4(address)) => address.is_link_local(),
        Some(IpAddr::V6(address)) => matches!(address.segments(), [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23 | 0x254]),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    v6.unwrap_or(host).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{check_any, check_endpoint};

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
        for bad in [
            "http://aws.example",
            "http://127.0.0.1.example",
            "http://127.0.0.1@aws.example",
            "http://10.0.0.1",
            "ftp://localhost",
            "",
            "localhost:80",
        ] {
            assert!(check_endpoint(bad).is_err() && check_any(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_also_come_from_the_metadata_services() {
        for good in [
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2",
            "http://[fd00:ec2::254]/",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://127.0.0.1:4566",
        ] {
            assert!(check_any(good).is_ok(), "{good}");
        }
        assert!(check_endpoint("http://169.254.169.254").is_err(), "but AWS's services are not there");
        assert!(check_any("http://[fd00:ec2::1]/").is_err());
    }
}
