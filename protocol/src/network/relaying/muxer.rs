// SPDX-License-Identifier: MPL-2.0
//! A connection whose circuits are metered.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerEvent;

use super::RelayMeter;
use super::substream::Substream;

/// The other end of a connection, and the meter for what it has relayed.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) peer: PeerId,
    pub(super) meter: RelayMeter,
}

/// A muxer that meters the circuits its remote opens through this node. Everything else passes as it is.
#[derive(Debug)]
pub(crate) struct Muxer<M> {
    inner: M,
    source: Arc<Source>,
}

impl<M> Muxer<M> {
    pub(crate) fn new(inner: M, peer: PeerId, meter: RelayMeter) -> Self {
        let source = Arc::new(Source { peer, meter });
        Self { inner, source }
    }
}

impl<M> StreamMuxer for Muxer<M>
where
    M: StreamMuxer + Unpin,
    M::Substream: Unpin,
{
    type Substream = Substream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let inbound = Pin::new(&mut self.inner).poll_inbound(cx);
        inbound.map_ok(|stream| Substream::inbound(stream, Arc::clone(&self.source)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let outbound = Pin::new(&mut self.inner).poll_outbound(cx);
        outbound.map_ok(Substream::outbound)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}
