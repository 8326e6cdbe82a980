//! Where calls come in: a TCP address or a unix socket.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
};

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// TCP; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A unix socket, written `unix:/path`.
    Unix(PathBuf),
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err("must be an absolute path after unix:".to_owned())
            };
        }
        text.parse().map(Self::Tcp).map_err(|_| "must be an address such as 127.0.0.1:50051 or unix:/path".to_owned())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound socket; a unix socket's file is removed with it.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    pub(super) async fn bind(listen: &Listen) -> io::Result<Self> {
        match listen {
            Listen::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            Listen::Unix(path) => {
                remove_stale(path).await?;
                UnixListener::bind(path).map(|listener| Self::Unix(listener, path.clone()))
            }
        }
    }

    pub(super) fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|why| why.to_string(), |address| address.to_string())
            }
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// The next connection with its peer's address; a unix socket's peer has none.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Stream>, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are small and awaited: nothing is gained by holding them back.
                stream.set_nodelay(true)?;
                Ok((Box::new(stream), Some(peer.ip())))
            }
            Self::Unix(listener, _) => Ok((Box::new(listener.accept().await?.0), None)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path) = self {
            // It may be gone already, which is what is wanted.
            drop(std::fs::remove_file(path));
        }
    }
}

/// Removes the socket of a process that was killed; one that somebody still listens on stays, and binding fails.
async fn remove_stale(path: &PathBuf) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let Ok(found) = tokio::fs::symlink_metadata(path).await else {
        return Ok(());
    };
    let is_dead = found.file_type().is_socket()
        && tokio::net::UnixStream::connect(path).await.is_err_and(|why| why.kind() == io::ErrorKind::ConnectionRefused);
    if is_dead { tokio::fs::remove_file(path).await } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::Listen;

    #[test]
    fn addresses_are_tcp_or_unix() {
        for (text, is_local) in [("127.0.0.1:0", true), ("[::1]:1", true), ("0.0.0.0:1", false), ("unix:/tmp/x", true)]
        {
            let listen: Listen = text.parse().unwrap();
            assert_eq!((listen.to_string(), listen.is_local()), (text.to_owned(), is_local));
        }
        for wrong in ["", "localhost:1", "127.0.0.1", "unix:relative", "50051"] {
            assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
        }
    }
}
