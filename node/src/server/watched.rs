// SPDX-License-Identifier: MPL-2.0
//! A client's connection that tells what becomes of answers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use a2al_service::Outgoing;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that tells `outgoing` when the server has nothing left to write, and when it breaks.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    outgoing: Outgoing,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, outgoing: Outgoing) -> Self {
        Self { stream, outgoing }
    }

    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|_| self.outgoing.broken())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        Poll::Ready(self.told(read))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        Poll::Ready(self.told(written))
    }

    /// The server flushes when its own buffer is empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.outgoing.flushed();
        Poll::Ready(self.told(flushed))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, buffers));
        Poll::Ready(self.told(written))
    }
}
