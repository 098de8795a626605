// SPDX-License-Identifier: MPL-2.0
//! Streams under HTTP, whose end is the end of both directions.
//!
//! An HTTP connection that is given up in the middle of an answer first ends its own direction. The
//! other node would take that for a caller who has said all and listens, and would wait to be rid
//! of the answer: over yamux for ever, as a stream whose own direction has ended is not reset when
//! it is dropped. So nothing is said, and the stream is dropped as it is.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Whether the directions of a stream end one by one.
#[derive(Clone, Debug, Default)]
pub(super) struct Halves(Arc<AtomicBool>);

impl Halves {
    /// From now on they do: what is spoken is not HTTP any more.
    pub(super) fn part(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A stream that ends as a whole, until its halves part.
#[derive(Debug)]
pub(super) struct EndedAsOne<S> {
    stream: S,
    halves: Halves,
}

impl<S> EndedAsOne<S> {
    /// The stream, and what parts its halves.
    pub(super) fn new(stream: S) -> (Self, Halves) {
        let halves = Halves::default();
        let ended = Self {
            stream,
            halves: halves.clone(),
        };
        (ended, halves)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for EndedAsOne<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for EndedAsOne<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.halves.0.load(Ordering::Relaxed) {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn one_direction_ends_alone_only_where_that_means_something() {
        let (near, mut far) = tokio::io::duplex(16);
        let (mut near, halves) = EndedAsOne::new(near);
        near.shutdown().await.unwrap();
        near.write_all(b"on").await.unwrap();
        let mut heard = [0; 2];
        far.read_exact(&mut heard).await.unwrap();
        halves.part();
        near.shutdown().await.unwrap();
        assert_eq!(far.read(&mut heard).await.unwrap(), 0);
        far.write_all(b"ok").await.unwrap();
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ok");
    }
}
