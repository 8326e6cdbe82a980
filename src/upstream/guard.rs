//! The one HTTP client of all AWS clients, with a guard in front: whatever a profile or the environment says, nothing is
//! sent over plain HTTP to another machine. STS is called by clients that no interceptor of ours can be put into.

use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connector_metadata::ConnectorMetadata,
        http::{
            HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
            SharedHttpConnector,
        },
        orchestrator::HttpRequest,
        result::ConnectorError,
        runtime_components::{RuntimeComponents, RuntimeComponentsBuilder},
    },
};
use aws_smithy_types::config_bag::ConfigBag;
use hyper_rustls::HttpsConnectorBuilder;
use rustls::crypto::aws_lc_rs;

use super::endpoint;

/// One connection pool for all clients, with TLS by rustls on aws-lc and the machine's root certificates.
pub(super) fn http_client() -> SharedHttpClient {
    let client = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build_https();
    SharedHttpClient::new(Guarded(client))
}

/// The same for a stand-in on this machine: without TLS, so that no root certificates are needed.
pub(super) fn http_client_without_tls() -> SharedHttpClient {
    SharedHttpClient::new(Guarded(aws_smithy_http_client::Builder::new().build_http()))
}

/// Whether there are root certificates: building a client without them would panic.
///
/// # Errors
/// What the machine lacks.
pub fn check_root_certificates() -> Result<(), String> {
    let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(aws_lc_rs::default_provider());
    builder.map(drop).map_err(|why| format!("the certificates that this machine trusts: {why}"))
}

#[derive(Debug)]
struct Guarded<T>(T);

impl HttpClient for Guarded<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Guarded(self.0.http_connector(settings, components)))
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_base_client_config(components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        self.0.validate_final_config(components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

impl HttpConnector for Guarded<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match endpoint::check_any(request.uri()) {
            Ok(()) => self.0.call(request),
            Err(why) => HttpConnectorFuture::ready(Err(ConnectorError::user(why.into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

    use super::http_client;
    use crate::upstream::{classify, endpoint::InsecureEndpoint};

    /// A client with no interceptor of ours, such as those that the SDK makes itself for credentials.
    async fn ask(endpoint: &str) -> bool {
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http_client())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
            .endpoint_url(endpoint)
            .build();
        let refused = aws_sdk_sts::Client::new(&sdk).get_caller_identity().send().await.unwrap_err();
        classify::find::<InsecureEndpoint>(&refused).is_some()
    }

    #[tokio::test]
    async fn no_client_sends_over_plain_http_to_another_machine() {
        assert!(ask("http://192.0.2.1:80").await);
        // Port 0 takes no connection, but asking is allowed.
        assert!(!ask("http://127.0.0.1:0").await);
    }
}
