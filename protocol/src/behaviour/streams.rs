// SPDX-License-Identifier: MPL-2.0
//! Raw streams of one protocol, opened on a connection we choose.
//!
//! [`Behaviour`] is the ground that `records` and `agents` stand on. It differs from a request-response behaviour and from
//! libp2p-stream in what A2AL needs: the opener prefers direct connections over relayed ones, inbound streams carry their
//! connection, nothing is queued without a bound, and neither opening nor accepting a stream passes through the swarm task:
//! connection handlers talk to [`Links`] and to the accept queue directly.

mod frame;
mod handler;
mod links;
mod slots;
mod stream;

pub(crate) use frame::{
    FrameError, encode as encode_frame, read as read_frame, write as write_frame,
};
pub use links::Paths;
pub(crate) use links::{Links, OpenError};
pub(crate) use slots::Slots;
pub use stream::StreamPath;
pub(crate) use stream::{Stream, Usage};

use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use tokio::sync::mpsc;

use crate::limits::MAX_YAMUX_STREAMS;
use crate::network::address;
use handler::Handler;

/// A stream that a remote peer opened.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) peer: PeerId,
    pub(crate) connection: ConnectionId,
    /// Where the peer is, as far as its address says so; nowhere if it is reached through a relay.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) stream: Stream,
}

/// Opens and accepts streams of one protocol.
#[derive(Debug)]
pub(crate) struct Behaviour {
    protocol: StreamProtocol,
    links: Links,
    incoming: mpsc::Sender<Incoming>,
}

impl Behaviour {
    /// Returns the behaviour, the table through which streams are opened, and the queue of inbound streams.
    ///
    /// A stream that arrives while `accept_queue` others wait is reset.
    pub(crate) fn new(
        protocol: StreamProtocol,
        accept_queue: usize,
    ) -> (Self, Links, mpsc::Receiver<Incoming>) {
        let (incoming, accepted) = mpsc::channel(accept_queue);
        let links = Links::default();
        (
            Self {
                protocol,
                links: links.clone(),
                incoming,
            },
            links,
            accepted,
        )
    }

    /// Serves a connection over `address`, the local one if the peer has opened it; the peer is at `remote`.
    fn handler(
        &self,
        peer: PeerId,
        connection: ConnectionId,
        address: &Multiaddr,
        remote: &Multiaddr,
    ) -> Handler {
        let relayed = is_relayed(address);
        let is_quic = !relayed && address::is_quic(address);
        let room = if is_quic {
            usize::MAX
        } else {
            MAX_YAMUX_STREAMS
        };
        let (requests, usage) = self.links.insert(peer, connection, relayed, room);
        Handler {
            protocol: self.protocol.clone(),
            requests,
            usage,
            incoming: self.incoming.clone(),
            peer,
            connection,
            ip: address::ip(remote).filter(|_| !relayed),
            relayed,
        }
    }
}

/// Whether an address leads through a relay.
pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = std::convert::Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local_address: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, local_address, remote))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler(peer, connection, address, address))
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.links.remove(closed.peer_id, closed.connection_id);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
