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
