//! Fetches a key set with https: no redirects, no proxies, no compression, bounded in time and size.
//!
//! Knows neither what is in it nor when it is due. The address is the operator's word, so it may be a private one.

use std::{error::Error as _, time::Duration};

use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::crypto::aws_lc_rs;
use tokio::time::timeout;
use url::Url;

use super::BYTES_MAX;

/// For the whole fetch; the callers who wait for it wait less.
const FETCH_MAX: Duration = Duration::from_secs(5);

/// Fetches key sets.
pub(in crate::identity) struct Fetcher(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

impl Fetcher {
    /// Trusts what this machine trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` take its place.
    pub(in crate::identity) fn native() -> Result<Self, String> {
        let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(aws_lc_rs::default_provider());
        let builder = builder.map_err(|why| format!("the certificates that this machine trusts: {why}"))?;
        Ok(Self::over(builder.https_only().enable_http1().build()))
    }

    /// Trusts what `tls` says.
    #[cfg(test)]
    pub(in crate::identity) fn with_tls(tls: rustls::ClientConfig) -> Self {
        Self::over(HttpsConnectorBuilder::new().with_tls_config(tls).https_only().enable_http1().build())
    }

    fn over(connector: HttpsConnector<HttpConnector>) -> Self {
        // A fetch every few minutes gains nothing from a connection that is kept.
        Self(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
    }

    /// Fetches what is at `url`.
    pub(in crate::identity) async fn get(&self, url: &Url) -> Result<Vec<u8>, String> {
        timeout(FETCH_MAX, self.get_at_leisure(url))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", FETCH_MAX.as_secs())))
    }

    async fn get_at_leisure(&self, url: &Url) -> Result<Vec<u8>, String> {
        check_url(url)?;
        let uri = Uri::try_from(url.as_str()).map_err(|_| "cannot be requested".to_owned())?;
        let request = Request::get(uri).header(header::ACCEPT, "application/json, application/jwk-set+json");
        let request = request.body(Empty::new()).map_err(|why| why.to_string())?;
        // The reason is in the source; the outer text is only "client error (Connect)".
        let reason = |why: hyper_util::client::legacy::Error| match why.source() {
            Some(source) => format!("{why}: {source}"),
            None => why.to_string(),
        };
        let response = self.0.request(request).await.map_err(reason)?;
        match response.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => {
                return Err(format!("answered {status}, and redirects are not followed"));
            }
            status => return Err(format!("answered {status}")),
        }
        let body = Limited::new(response.into_body(), BYTES_MAX).collect().await;
        Ok(body.map_err(|why| format!("its answer could not be read: {why}"))?.to_bytes().to_vec())
    }
}

/// Whether a key set may be fetched from `url`.
pub(in crate::identity) fn check_url(url: &Url) -> Result<(), String> {
    if url.scheme() != "https" {
        return Err("must be a URL that begins with https://".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("must be a URL with a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must be a URL without user name and password".to_owned());
    }
    Ok(())
}
