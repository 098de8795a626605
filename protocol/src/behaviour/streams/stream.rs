// SPDX-License-Identifier: MPL-2.0
//! A negotiated stream that counts for its connection as long as it exists.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};

/// What is in use of one connection.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    streams: AtomicUsize,
    bytes: AtomicU64,
}

impl Usage {
    /// Streams that exist.
    pub(crate) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Bytes that streams have carried, both directions together.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// A negotiated stream with tokio's I/O traits.
#[derive(Debug)]
pub(crate) struct Stream {
    inner: Compat<libp2p::Stream>,
    usage: Arc<Usage>,
    relayed: bool,
}

impl Stream {
    pub(super) fn new(inner: libp2p::Stream, usage: Arc<Usage>, relayed: bool) -> Self {
        usage.streams.fetch_add(1, Ordering::Relaxed);
        Self {
            inner: inner.compat(),
            usage,
            relayed,
        }
    }

    /// Whether the bytes pass through a relay.
    pub(crate) fn is_relayed(&self) -> bool {
        self.relayed
    }

    fn count(&self, len: usize) {
        self.usage.bytes.fetch_add(len as u64, Ordering::Relaxed);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.usage.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buffer);
        self.count(buffer.filled().len() - before);
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = polled {
            self.count(len);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
