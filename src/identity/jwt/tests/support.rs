//! Makes keys, key sets, tokens and an https server that serves them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    encoding::{AsDer as _, PublicKeyX509Der},
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
        RsaPublicKeyComponents,
    },
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::aws_lc_rs as provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::identity::jwks::fetch::Fetcher;

pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

enum Private {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
    Ed25519(Box<Ed25519KeyPair>),
}

/// A key of an issuer.
pub(super) struct Signer {
    id: &'static str,
    private: Private,
}

impl Signer {
    pub(super) fn rsa(id: &'static str) -> Self {
        Self { id, private: Private::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())) }
    }

    pub(super) fn p256(id: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { id, private: Private::P256(Box::new(key)) }
    }

    pub(super) fn ed25519(id: &'static str) -> Self {
        Self { id, private: Private::Ed25519(Box::new(Ed25519KeyPair::generate().unwrap())) }
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match self.private {
            Private::Rsa(_) => "RS256",
            Private::P256(_) => "ES256",
            Private::Ed25519(_) => "EdDSA",
        }
    }

    pub(super) fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "kid": self.id, "typ": "JWT"})
    }

    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match &self.private {
            Private::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "n": text(&public.n), "e": text(&public.e)})
            }
            Private::P256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Private::Ed25519(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref())}),
        };
        jwk["kid"] = json!(self.id);
        jwk["alg"] = json!(self.algorithm());
        jwk["use"] = json!("sig");
        jwk
    }

    /// The public RSA key as others would have it at hand.
    pub(super) fn public_der(&self) -> Vec<u8> {
        let Private::Rsa(key) = &self.private else { panic!("no RSA key") };
        let der: PublicKeyX509Der<'_> = key.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    pub(super) fn public_pem(&self) -> String {
        let body = STANDARD.encode(self.public_der());
        let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
    }

    /// A token of these texts.
    pub(super) fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", text(header.as_bytes()), text(claims.as_bytes()));
        let signature = match &self.private {
            Private::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Private::P256(key) => key.sign(&SystemRandom::new(), message.as_bytes()).unwrap().as_ref().to_vec(),
            Private::Ed25519(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", text(&signature))
    }
}

pub(super) fn token(signer: &Signer, header: &Value, claims: &Value) -> String {
    signer.sign(&header.to_string(), &claims.to_string())
}

/// A token whose "signature" is an HMAC.
pub(super) fn hmac(secret: &[u8], header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", text(tag.as_ref()))
}

pub(super) fn jwks(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

/// A directory that ends with the test.
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("idp-proxy-jwt-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // It is in the directory for temporary files; nothing is lost if it stays.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An https server with a certificate of an authority of its own. Answers every request with the same.
pub(super) struct Server {
    pub(super) url: Url,
    roots: RootCertStore,
    answer: Arc<Mutex<String>>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let tls = ServerConfig::builder_with_provider(provider::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/jwks", listener.local_addr().unwrap().port()).parse().unwrap();
        let server = Self { url, roots, answer: Arc::default(), requests: Arc::default() };
        let (answer, requests) = (Arc::clone(&server.answer), Arc::clone(&server.requests));
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer, requests) = (acceptor.clone(), Arc::clone(&answer), Arc::clone(&requests));
                tokio::spawn(serve(stream, acceptor, answer, requests));
            }
        });
        server
    }

    /// From now on it answers with this.
    pub(super) fn answers(&self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        *self.answer.lock().unwrap() =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}");
    }

    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Trusts this server's authority.
    pub(super) fn fetcher(&self) -> Arc<Fetcher> {
        fetcher(self.roots.clone())
    }
}

pub(super) fn fetcher(roots: RootCertStore) -> Arc<Fetcher> {
    let tls = ClientConfig::builder_with_provider(provider::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(Fetcher::with_tls(tls))
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, answer: Arc<Mutex<String>>, requests: Arc<AtomicUsize>) {
    // A client that does not trust the certificate ends here.
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        request.push(byte);
    }
    requests.fetch_add(1, Ordering::SeqCst);
    let answer = answer.lock().unwrap().clone();
    // A client that has read enough goes away in the middle.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}
