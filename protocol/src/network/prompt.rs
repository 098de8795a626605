// SPDX-License-Identifier: MPL-2.0
//! A connection whose end is not waited for.

use std::pin::Pin;
use std::task::{Context, Poll};

use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerEvent;
use tokio::time::{Sleep, sleep};

use crate::limits::CLOSE_TIMEOUT;

/// A muxer that is closed after [`CLOSE_TIMEOUT`], whether or not the peer takes notice.
///
/// yamux writes what is left before it closes, which never ends over TCP to a peer that is gone; the swarm counts the connection as
/// established meanwhile.
#[derive(Debug)]
pub(super) struct Prompt<M> {
    inner: M,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<M> Prompt<M> {
    pub(super) fn new(inner: M) -> Self {
        Self {
            inner,
            deadline: None,
        }
    }
}

impl<M: StreamMuxer + Unpin> StreamMuxer for Prompt<M> {
    type Substream = M::Substream;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.inner).poll_inbound(cx)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.inner).poll_outbound(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if let Poll::Ready(closed) = Pin::new(&mut self.inner).poll_close(cx) {
            return Poll::Ready(closed);
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(sleep(CLOSE_TIMEOUT)));
        deadline.as_mut().poll(cx).map(Ok)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;
    use std::time::Duration;

    use futures::io::Cursor;
    use tokio::time::timeout;

    use super::*;

    /// Closes only if its peer is there.
    struct Half {
        is_peer_there: bool,
    }

    impl StreamMuxer for Half {
        type Substream = Cursor<Vec<u8>>;
        type Error = Infallible;

        fn poll_inbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_outbound(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<Self::Substream, Infallible>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            if self.is_peer_there {
                Poll::Ready(Ok(()))
            } else {
                Poll::Pending
            }
        }

        fn poll(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Result<StreamMuxerEvent, Infallible>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn closing_ends_with_the_peer_and_without_it() {
        for (is_peer_there, most) in [(true, Duration::ZERO), (false, CLOSE_TIMEOUT)] {
            let mut muxer = Prompt::new(Half { is_peer_there });
            let closing = poll_fn(|cx| Pin::new(&mut muxer).poll_close(cx));
            let limit = most + Duration::from_millis(1);
            timeout(limit, closing).await.unwrap().unwrap();
        }
    }
}
