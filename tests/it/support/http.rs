//! The plainest HTTP client there can be.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::Proxy;

/// GET over a connection of its own: status, head, body.
pub(crate) async fn get(address: &str, path: &str) -> (u16, String, String) {
    get_with(address, path, "").await
}

/// The same with further headers, each with its line break.
pub(crate) async fn get_with(address: &str, path: &str, headers: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n{headers}connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// All metrics of a proxy.
pub(crate) async fn metrics(proxy: &Proxy) -> String {
    let (status, _, text) = get(&proxy.admin, "/metrics").await;
    assert_eq!(status, 200);
    text
}

/// The value of one metric that is a whole number, named with all its labels.
pub(crate) async fn metric(proxy: &Proxy, name: &str) -> Option<u64> {
    let text = metrics(proxy).await;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a whole number"))
}
