// SPDX-License-Identifier: MPL-2.0
//! A negotiated stream that counts for its connection as long as it exists.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What is in use of one connection.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    streams: AtomicUsize,
    bytes: AtomicU64,
    superseded: AtomicBool,
    closed: CancellationToken,
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

    /// Whether another connection has taken over.
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Relaxed)
    }

    /// The connection carries nothing any more.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    pub(super) fn supersede(&self) {
        self.superseded.store(true, Ordering::Relaxed);
    }
}

/// The connection that a stream is on, for as long as that matters to whoever keeps the stream.
#[derive(Clone, Debug)]
pub struct StreamPath {
    usage: Arc<Usage>,
    relayed: bool,
}

impl StreamPath {
    /// Whether the bytes pass through a relay.
    pub fn is_relayed(&self) -> bool {
        self.relayed
    }

    /// Whether another connection has taken over: this one will end soon, and a new stream would not be on it.
    pub fn is_superseded(&self) -> bool {
        self.usage.is_superseded()
    }
}

/// A negotiated stream with tokio's I/O traits.
#[derive(Debug)]
pub(crate) struct Stream {
    inner: Compat<libp2p::Stream>,
    /// Reading has failed: where that was the negotiation, multistream-select panics at any further use.
    has_failed: bool,
    usage: Arc<Usage>,
    relayed: bool,
    /// The end of the connection, for whoever reads and for whoever writes.
    closed: [Closed; 2],
}

/// Resolves when the connection carries nothing any more; made when it is waited for.
type Closed = Option<Pin<Box<WaitForCancellationFutureOwned>>>;

const READER: usize = 0;
const WRITER: usize = 1;

impl Stream {
    pub(super) fn new(inner: libp2p::Stream, usage: Arc<Usage>, relayed: bool) -> Self {
        usage.streams.fetch_add(1, Ordering::Relaxed);
        Self {
            inner: inner.compat(),
            has_failed: false,
            usage,
            relayed,
            closed: [None, None],
        }
    }

    /// What a direction that cannot go on waits for besides: yamux leaves its streams waiting for ever when their connection is closed
    /// while the peer is gone.
    fn or_closed<T>(
        &mut self,
        direction: usize,
        polled: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            return polled;
        }
        let token = &self.usage.closed;
        let closed =
            self.closed[direction].get_or_insert_with(|| Box::pin(token.clone().cancelled_owned()));
        ready!(closed.as_mut().poll(cx));
        self.closed[direction] = None;
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }

    /// Whether the bytes pass through a relay.
    pub(crate) fn is_relayed(&self) -> bool {
        self.relayed
    }

    pub(crate) fn path(&self) -> StreamPath {
        StreamPath {
            usage: Arc::clone(&self.usage),
            relayed: self.relayed,
        }
    }

    /// The underlying stream, unless it has failed.
    fn inner(&mut self) -> io::Result<Pin<&mut Compat<libp2p::Stream>>> {
        if self.has_failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(Pin::new(&mut self.inner))
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
        let polled = self.inner()?.poll_read(cx, buffer);
        self.has_failed = matches!(polled, Poll::Ready(Err(_)));
        self.count(buffer.filled().len() - before);
        self.or_closed(READER, polled, cx)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = self.inner()?.poll_write(cx, bytes);
        if let Poll::Ready(Ok(len)) = polled {
            self.count(len);
        }
        self.or_closed(WRITER, polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.inner()?.poll_flush(cx);
        self.or_closed(WRITER, polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.inner()?.poll_shutdown(cx);
        self.or_closed(WRITER, polled, cx)
    }
}
