// SPDX-License-Identifier: MPL-2.0
//! The part of [`super::Behaviour`] that lives with one connection.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, ConnectionId, StreamUpgradeError, SubstreamProtocol,
};
use libp2p::{PeerId, StreamProtocol};
use tokio::sync::mpsc;

use super::links::{OpenError, OpenRequest};
use super::{Incoming, Stream, Usage};
use crate::limits::STREAM_OPEN_TIMEOUT;

/// Opens streams on request and passes inbound ones to the accept queue.
#[derive(Debug)]
pub(crate) struct Handler {
    pub(super) protocol: StreamProtocol,
    pub(super) requests: mpsc::Receiver<OpenRequest>,
    pub(super) usage: Arc<Usage>,
    pub(super) incoming: mpsc::Sender<Incoming>,
    pub(super) peer: PeerId,
    pub(super) connection: ConnectionId,
    pub(super) ip: Option<IpAddr>,
    pub(super) relayed: bool,
}

impl Drop for Handler {
    /// The connection ends, or is about to: over TCP to a peer that is gone, nobody else tells the streams.
    fn drop(&mut self) {
        self.usage.close();
    }
}

impl Handler {
    fn stream(&self, negotiated: libp2p::Stream) -> Stream {
        Stream::new(negotiated, Arc::clone(&self.usage), self.relayed)
    }

    fn accept(&self, stream: libp2p::Stream) {
        let incoming = Incoming {
            peer: self.peer,
            connection: self.connection,
            ip: self.ip,
            stream: self.stream(stream),
        };
        if self.incoming.try_send(incoming).is_err() {
            tracing::debug!(peer = %self.peer, protocol = %self.protocol, "accept queue is full, stream reset");
        }
    }
}

/// Tells the requester why no stream came about. A requester who left is no concern of ours.
fn refuse(request: OpenRequest, error: StreamUpgradeError<Infallible>) {
    let reason = match error {
        StreamUpgradeError::Timeout => OpenError::Timeout,
        StreamUpgradeError::NegotiationFailed => OpenError::Unsupported,
        StreamUpgradeError::Io(source) => OpenError::Io(source),
        StreamUpgradeError::Apply(never) => match never {},
    };
    drop(request.send(Err(reason)));
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = OpenRequest;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, OpenRequest, Infallible>> {
        let Poll::Ready(Some(request)) = self.requests.poll_recv(cx) else {
            return Poll::Pending;
        };
        let upgrade = ReadyUpgrade::new(self.protocol.clone());
        let protocol = SubstreamProtocol::new(upgrade, request).with_timeout(STREAM_OPEN_TIMEOUT);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol, (), OpenRequest>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: stream,
                ..
            }) => self.accept(stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: request,
            }) => drop(request.send(Ok(self.stream(stream)))),
            ConnectionEvent::DialUpgradeError(DialUpgradeError {
                info: request,
                error,
            }) => {
                refuse(request, error);
            }
            _ => {}
        }
    }
}
