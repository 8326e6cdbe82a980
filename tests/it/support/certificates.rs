//! Certificates of authorities of a test's own, and connections over TLS with them.

use std::{io, sync::Arc};

use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};

/// The name of every server here.
const SERVER: &str = "idp-proxy.example";

/// An authority that signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub(crate) struct Leaf {
    der: CertificateDer<'static>,
    key: Vec<u8>,
    /// In PEM.
    pub(crate) certificate: String,
    /// In PEM.
    pub(crate) private_key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// For the server.
    pub(crate) fn server(&self) -> Leaf {
        self.sign(&CertificateParams::new([SERVER.to_owned()]).expect("a name"))
    }

    /// For the server, until the first of January of this year.
    pub(crate) fn server_until(&self, year: i32) -> Leaf {
        let mut params = CertificateParams::new([SERVER.to_owned()]).expect("a name");
        params.not_after = date_time_ymd(year, 1, 1);
        self.sign(&params)
    }

    /// For a server at 127.0.0.1.
    pub(crate) fn loopback_server(&self) -> Leaf {
        self.sign(&CertificateParams::new(["127.0.0.1".to_owned()]).expect("an address"))
    }

    /// For a client of these names: URIs where they look like one, DNS names else.
    pub(crate) fn client(&self, names: &[&str]) -> Leaf {
        self.sign(&of_names(names))
    }

    /// The same, expired.
    pub(crate) fn expired_client(&self, names: &[&str]) -> Leaf {
        let mut params = of_names(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.0).expect("a certificate");
        Leaf {
            der: signed.der().clone(),
            key: key.serialize_der(),
            certificate: signed.pem(),
            private_key: key.serialize_pem(),
        }
    }
}

fn of_names(names: &[&str]) -> CertificateParams {
    let name = |name: &&str| {
        if name.contains("://") {
            SanType::URI((*name).try_into().expect("a URI"))
        } else {
            SanType::DnsName((*name).try_into().expect("a name"))
        }
    };
    let mut params = CertificateParams::default();
    params.subject_alt_names = names.iter().map(name).collect();
    params
}

/// Shakes hands with a server of `authority`'s.
pub(crate) async fn shake_hands(
    address: &str,
    authority: &Authority,
    client: Option<&Leaf>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.0.der().clone()).expect("an authority");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
    let mut config = match client {
        None => config.with_no_client_auth(),
        Some(leaf) => {
            let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(leaf.key.clone()));
            config.with_client_auth_cert(vec![leaf.der.clone()], key).expect("a client's certificate")
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The certificate that the server shows, if `authority` has signed it.
pub(crate) async fn shown(address: &str, authority: &Authority) -> io::Result<Vec<u8>> {
    let stream = shake_hands(address, authority, None).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).map(|shown| shown.to_vec());
    Ok(shown.expect("a server shows a certificate"))
}

/// A gRPC channel on one TLS connection.
pub(crate) async fn tls_channel(
    address: &str,
    authority: &Authority,
    client: Option<&Leaf>,
) -> Result<Channel, tonic::transport::Error> {
    // One connection, made here: a channel would connect again by itself, which some tests must not have.
    let stream = shake_hands(address, authority, client).await;
    let mut once = Some(stream.map(TokioIo::new));
    let connector = tower::service_fn(move |_| {
        let stream = once.take().unwrap_or_else(|| Err(io::Error::other("the one connection has ended")));
        std::future::ready(stream)
    });
    Endpoint::from_static("http://idp-proxy.example").connect_with_connector(connector).await
}

impl Leaf {
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }
}
