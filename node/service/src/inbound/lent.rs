// SPDX-License-Identifier: MPL-2.0
//! A stream that is given to HTTP, and taken back when HTTP is over.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

/// Most bytes that are read ahead of whoever has the stream.
const MAX_AHEAD_LEN: usize = 1024;

/// One of the handles to a stream. The stream is dropped with the last one.
#[derive(Debug)]
pub(super) struct Lent<S>(Arc<Mutex<Shared<S>>>);

#[derive(Debug)]
struct Shared<S> {
    stream: S,
    /// What was read by [`Lent::has_ended`] and not by whoever has the stream.
    ahead: Bytes,
}

impl<S> Clone for Lent<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Lent<S> {
    pub(super) fn new(stream: S) -> Self {
        let ahead = Bytes::new();
        Self(Arc::new(Mutex::new(Shared { stream, ahead })))
    }

    fn lock(&self) -> MutexGuard<'_, Shared<S>> {
        // Nothing panics while the lock is held but the stream itself, which is then broken.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Lent<S> {
    /// Ends our direction, and reads what still comes up to the caller's end.
    ///
    /// A stream that is dropped before that refuses it, which the caller would take for a break.
    pub(super) async fn finish(mut self) {
        // A caller that has left needs no end.
        let _ = self.shutdown().await;
        let mut rest = [0; 1024];
        while matches!(self.read(&mut rest).await, Ok(len) if len > 0) {}
    }
}

impl<S: AsyncRead + Unpin> Lent<S> {
    /// Whether the caller has ended its direction, as far as that can be told now: behind bytes that
    /// nobody takes it cannot.
    ///
    /// Whoever has the stream has to be in the task that asks, to be woken by what arrives.
    pub(super) async fn has_ended(&self) -> bool {
        poll_fn(|cx| Poll::Ready(self.lock().has_ended(cx))).await
    }
}

impl<S: AsyncRead + Unpin> Shared<S> {
    fn has_ended(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.ahead.is_empty() {
            return false;
        }
        let mut bytes = [0; MAX_AHEAD_LEN];
        let mut buffer = ReadBuf::new(&mut bytes);
        match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
            Poll::Pending => return false,
            Poll::Ready(Err(_)) => return true,
            Poll::Ready(Ok(())) => {}
        }
        self.ahead = Bytes::copy_from_slice(buffer.filled());
        if !self.ahead.is_empty() {
            cx.waker().wake_by_ref();
        }
        self.ahead.is_empty()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lent<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Shared { stream, ahead } = &mut *self.lock();
        if ahead.is_empty() {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        let len = ahead.len().min(buffer.remaining());
        buffer.put_slice(&ahead.split_to(len));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lent<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.lock().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.lock().stream).poll_shutdown(cx)
    }
}
