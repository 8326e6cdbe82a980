//! TLS of the gRPC port: certificate, key and client CA from files, read anew when they change.
//!
//! Connections that are open keep what they were opened with.

use std::{
    fmt::{self, Display},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs::default_provider, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use x509_parser::parse_x509_certificate;

use crate::telemetry::{Metrics, Reload, Reloaded};

/// How often the files are looked at: changes take effect within 20 seconds.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// For a handshake; a peer that does not shake hands holds a connection.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// The files, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's chain, leaf first.
    pub certificate: PathBuf,
    /// Its key.
    pub private_key: PathBuf,
    /// Who signs the clients' certificates; with it, a client may prove who it is by its own.
    pub client_ca: Option<PathBuf>,
}

/// What the files held.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    private_key: zeroize::Zeroizing<Vec<u8>>,
    client_ca: Option<Vec<u8>>,
}

/// TLS in force.
pub struct Tls {
    files: TlsFiles,
    /// What the files held at the start: what has changed since then has to be seen.
    loaded: Contents,
    config: ArcSwap<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Everything that is wrong with them, by key of the configuration.
    pub fn load(files: TlsFiles) -> Result<Self, Vec<(&'static str, String)>> {
        let contents = Contents::read(&files)?;
        let config = contents.config().map_err(|mistake| vec![mistake])?;
        Ok(Self { files, loaded: contents, config: ArcSwap::from_pointee(config) })
    }

    /// Shakes hands with a client.
    pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> std::io::Result<TlsStream<S>> {
        let acceptor = TlsAcceptor::from(self.config.load_full());
        timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await?
    }

    /// Takes changed files into force until `stop`. Files with a mistake leave the last good ones in force.
    pub(super) async fn follow_changes(self: Arc<Self>, stop: CancellationToken, metrics: Arc<Metrics>) {
        let mut seen = Some(self.loaded.clone());
        let reload = metrics.source(Reloaded::Certificates);
        in_force(&self.loaded, &reload, &metrics);
        while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let (tls, last) = (Arc::clone(&self), seen.take());
            let (reload, metrics) = (reload.clone(), Arc::clone(&metrics));
            let look = tokio::task::spawn_blocking(move || tls.look(last, &reload, &metrics));
            seen = look.await.unwrap_or_default();
        }
    }

    fn look(&self, last: Option<Contents>, reload: &Reload, metrics: &Metrics) -> Option<Contents> {
        let report = |key: &str, why: &dyn Display| {
            tracing::error!(file = key, %why, "TLS files not reloaded; the last good ones stay in force");
        };
        let now = match Contents::read(&self.files) {
            Ok(now) if last.as_ref() == Some(&now) => return last,
            Ok(now) => now,
            Err(mistakes) => {
                for (key, why) in &mistakes {
                    report(key, why);
                }
                reload.failed();
                return None;
            }
        };
        match now.config() {
            Ok(config) => {
                self.config.store(Arc::new(config));
                in_force(&now, reload, metrics);
                tracing::info!("TLS files reloaded");
            }
            Err((key, why)) => {
                report(key, &why);
                reload.failed();
            }
        }
        Some(now)
    }
}

/// Notes that these files are in force, and until when their chain is good.
fn in_force(contents: &Contents, reload: &Reload, metrics: &Metrics) {
    reload.succeeded();
    if let Some(at_s) = contents.expiry_s() {
        metrics.certificate_expires(at_s);
    }
}

impl Contents {
    /// When the first certificate of the server's chain expires, in seconds since 1970.
    fn expiry_s(&self) -> Option<i64> {
        let chain = certificates(&self.certificate).ok()?;
        let expiry =
            |one: &CertificateDer<'_>| Some(parse_x509_certificate(one).ok()?.1.validity().not_after.timestamp());
        chain.iter().filter_map(expiry).min()
    }

    fn read(files: &TlsFiles) -> Result<Self, Vec<(&'static str, String)>> {
        let mut mistakes = Vec::new();
        let mut read = |key: &'static str, path: &PathBuf| {
            let note = |why| mistakes.push((key, format!("{} cannot be read: {why}", path.display())));
            std::fs::read(path).map_err(note).ok()
        };
        let certificate = read("server.tls.certificate", &files.certificate);
        let private_key = read("server.tls.private_key", &files.private_key);
        let client_ca = files.client_ca.as_ref().map(|path| read("server.tls.client_ca", path));
        match (certificate, private_key, client_ca) {
            (Some(certificate), Some(private_key), client_ca) if client_ca != Some(None) => {
                Ok(Self { certificate, private_key: private_key.into(), client_ca: client_ca.flatten() })
            }
            _ => Err(mistakes),
        }
    }

    fn config(&self) -> Result<ServerConfig, (&'static str, String)> {
        let at = |key: &'static str| move |why: &dyn Display| (key, why.to_string());
        let chain = certificates(&self.certificate).map_err(|why| at("server.tls.certificate")(&why))?;
        let key = PrivateKeyDer::from_pem_slice(&self.private_key);
        let key = key.map_err(|_| at("server.tls.private_key")(&"holds no private key in PEM"))?;
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let config = config.map_err(|why| at("server.tls")(&why))?;
        let config = match &self.client_ca {
            None => config.with_no_client_auth(),
            Some(pem) => {
                let wrong = at("server.tls.client_ca");
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem).map_err(|why| wrong(&why))? {
                    roots.add(certificate).map_err(|why| wrong(&why))?;
                }
                // A client may come without a certificate: health checks need none, and who calls an RPC is decided by
                // `identity`. One that is shown must be good.
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.allow_unauthenticated().build().map_err(|why| wrong(&why))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        let config = config.with_single_cert(chain, key);
        let mut config = config.map_err(|why| at("server.tls.private_key")(&why))?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err("holds no certificate in PEM".to_owned()),
        Err(why) => Err(format!("is not PEM: {why}")),
    }
}
