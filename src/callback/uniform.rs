//! hyper answers what it cannot parse by itself, which would tell this listener from others: those
//! answers leave as the one 404.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What `routes::not_found` becomes on the wire; a test compares the two.
const NOT_FOUND: &[u8] =
    b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// The statuses that hyper gives unasked; no route of ours has them.
const UNASKED: [&[u8]; 3] = [b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 "];

/// A sender's connection.
pub(super) struct Uniform {
    stream: TcpStream,
    /// What is still to be sent in the place of an answer of hyper's.
    instead: Option<&'static [u8]>,
    replaced: bool,
}

impl Uniform {
    pub(super) fn new(stream: TcpStream) -> Uniform {
        Uniform {
            stream,
            instead: None,
            replaced: false,
        }
    }

    /// Whether an answer of hyper's own was replaced: the last one of this connection.
    pub(super) fn was_replaced(&self) -> bool {
        self.replaced
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.stream
    }

    /// Sends the 404 to its end, then says that all `length` bytes of hyper's answer went out.
    fn poll_instead(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        while let Some(rest) = self.instead {
            let sent = ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
            self.instead = (sent < rest.len()).then(|| &rest[sent..]);
        }
        Poll::Ready(Ok(length))
    }

    fn is_to_be_replaced(&mut self, answer: &[u8]) -> bool {
        if self.instead.is_none() && UNASKED.iter().any(|start| answer.starts_with(start)) {
            self.instead = Some(NOT_FOUND);
            self.replaced = true;
        }
        self.instead.is_some()
    }
}

impl AsyncRead for Uniform {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Uniform {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_to_be_replaced(bytes) {
            return self.poll_instead(cx, bytes.len());
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        if first.is_some_and(|first| self.is_to_be_replaced(first)) {
            let length = slices.iter().map(|slice| slice.len()).sum();
            return self.poll_instead(cx, length);
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
