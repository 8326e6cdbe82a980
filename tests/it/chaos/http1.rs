//! HTTP/1.1 messages as bytes: read whole, passed on unchanged.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A request or an answer with a `content-length`; both ends here write one.
pub(super) struct Message {
    /// The first line.
    pub(super) start: String,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    raw: Vec<u8>,
}

impl Message {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer's status")
    }

    /// All of it, as it came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// The part of it that a connection carries which ends in the middle of the body.
    pub(super) fn cut(&self) -> &[u8] {
        &self.raw[..self.raw.len() - self.body.len().div_ceil(2)]
    }
}

/// One end of a wire, with what was read too far.
pub(super) struct End {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl End {
    pub(super) fn new(stream: TcpStream) -> Self {
        // A small segment that waits for an acknowledgement would be 40 ms late.
        stream.set_nodelay(true).expect("a socket's option");
        Self { stream, rest: Vec::new() }
    }

    /// The next message; none when the other side has gone.
    pub(super) async fn read(&mut self) -> Option<Message> {
        let head = loop {
            if let Some(at) = self.rest.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let text = String::from_utf8_lossy(&self.rest[..head]).into_owned();
        let (start, rest) = text.split_once("\r\n").unwrap_or((&text, ""));
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header");
            (name.trim().to_ascii_lowercase(), value.trim().to_owned())
        };
        let headers: Vec<_> = rest.lines().map(header).collect();
        let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
        let end = head + 4 + length.parse::<usize>().expect("a length");
        while self.rest.len() < end {
            self.more().await?;
        }
        let raw: Vec<u8> = self.rest.drain(..end).collect();
        Some(Message { start: start.to_owned(), headers, body: raw[head + 4..].to_vec(), raw })
    }

    async fn more(&mut self) -> Option<()> {
        self.rest.reserve(16 * 1024);
        self.stream.read_buf(&mut self.rest).await.ok().filter(|&read| read > 0).map(drop)
    }

    /// That the other side has gone already is its affair.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes).await);
    }

    /// Waits until the other side has given up.
    pub(super) async fn abandoned(&mut self) {
        while self.more().await.is_some() {}
    }

    /// Ends the connection with a reset.
    pub(super) fn reset(self) {
        drop(self.stream.set_zero_linger());
    }
}
