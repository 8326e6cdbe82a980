//! Answers to calls at once leave in one piece.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::rt::{Read, ReadBufCursor, Write};

/// A stream that says of itself that it cannot write several buffers at once.
///
/// Where it can, h2 writes each answer of 256 bytes and more by itself, to save a copy. Where it cannot, those of up to a
/// kilobyte are copied behind each other, and calls that end together cost one system call instead of one each.
#[derive(Debug)]
pub(super) struct InOnePiece<T>(pub(super) T);

impl<T: Read + Unpin> Read for InOnePiece<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for InOnePiece<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, IoSlice},
        pin::Pin,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Context, Poll},
    };

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use hyper::{
        rt::{Read, ReadBufCursor, Write},
        service::service_fn,
    };
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::io::DuplexStream;

    use super::InOnePiece;

    /// Calls at once.
    const CALLS: usize = 8;

    /// Can write several buffers at once, and counts how often it writes.
    struct Counted(TokioIo<DuplexStream>, Arc<AtomicUsize>);

    impl Read for Counted {
        fn poll_read(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().0).poll_read(context, buffer)
        }
    }

    impl Write for Counted {
        fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffers: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.1.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.get_mut().0).poll_write_vectored(context, buffers)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().0).poll_flush(context)
        }

        fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.get_mut().0).poll_shutdown(context)
        }
    }

    /// How often a server writes that answers so many calls at once with 600 bytes each.
    async fn writes<T>(wrap: impl FnOnce(Counted) -> T) -> usize
    where
        T: Read + Write + Unpin + Send + 'static,
    {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let written = Arc::new(AtomicUsize::new(0));
        let stream = wrap(Counted(TokioIo::new(ours), Arc::clone(&written)));
        let answer = service_fn(async |_| Ok::<_, io::Error>(Response::new(Full::new(Bytes::from_static(&[0; 600])))));
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        tokio::spawn(async move { server.serve_connection(stream, answer).await });
        let (mut requests, connection) = h2::client::handshake(theirs).await.unwrap();
        tokio::spawn(connection);
        let mut answers = Vec::new();
        for _ in 0..CALLS {
            requests = requests.ready().await.unwrap();
            let request = Request::get("http://localhost/").body(()).unwrap();
            answers.push(requests.send_request(request, true).unwrap().0);
        }
        for answer in answers {
            let mut body = answer.await.unwrap().into_body();
            let mut length = 0;
            while let Some(part) = body.data().await {
                length += part.unwrap().len();
            }
            assert_eq!(length, 600);
        }
        written.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn answers_to_calls_at_once_leave_in_few_writes() {
        let (apart, together) = (writes(|stream| stream).await, writes(InOnePiece).await);
        assert!(apart >= CALLS, "h2 no longer writes each answer by itself, so this is no longer needed: {apart}");
        assert!(together <= apart / 2, "{together} of {apart}");
    }
}
