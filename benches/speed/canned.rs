//! A fake AWS that costs next to nothing: it reads a request to its end and writes an answer that was made before.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use crate::work;

/// Both answers, with their heads.
struct Answers {
    cognito: Vec<u8>,
    web: Vec<u8>,
}

/// Serves for ever, one thread for each connection.
pub(crate) fn serve(listener: &TcpListener, tls: Option<&Arc<ServerConfig>>) {
    let answer = |kind: &str, body: String| {
        let id = "0b7e6a5c-1b1f-4e0c-9a43-3a3a5d1c0f10";
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-amzn-requestid: {id}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
    };
    let answers = Arc::new(Answers {
        cognito: answer("application/x-amz-json-1.1", work::cognito_answer()),
        web: answer("application/json", work::web_answer()),
    });
    for stream in listener.incoming() {
        let (stream, tls, answers) = (stream.unwrap(), tls.cloned(), Arc::clone(&answers));
        stream.set_nodelay(true).unwrap();
        std::thread::spawn(move || match tls {
            None => connection(stream, &answers),
            Some(tls) => connection(StreamOwned::new(ServerConnection::new(tls).unwrap(), stream), &answers),
        });
    }
}

pub(crate) fn tls(certificate: &str, key: &str) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap())
}

fn connection(mut stream: impl Read + Write, answers: &Answers) {
    let mut buffer = vec![0; 256 * 1024];
    let mut filled = 0;
    loop {
        // One request after the other: nobody sends a second one before the answer to the first.
        let (head, length) = loop {
            if let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                let head = std::str::from_utf8(&buffer[..end]).unwrap();
                break (end + 4, header(head, "content-length").map_or(0, |length| length.parse().unwrap()));
            }
            match stream.read(&mut buffer[filled..]) {
                Ok(0) | Err(_) => return,
                Ok(read) => filled += read,
            }
        };
        while filled < head + length {
            match stream.read(&mut buffer[filled..]) {
                Ok(0) | Err(_) => return,
                Ok(read) => filled += read,
            }
        }
        assert_eq!(filled, head + length, "a second request came before the answer to the first");
        let is_web = buffer.starts_with(b"POST /identityProviders");
        filled = 0;
        let answer = if is_web { &answers.web } else { &answers.cognito };
        if stream.write_all(answer).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
