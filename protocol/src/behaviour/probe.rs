// SPDX-License-Identifier: MPL-2.0
//! libp2p's AutoNAT client, which has other nodes test our addresses: bounded, and without consequences of its own.
//!
//! It never forgets an address that it was given, tests every one, and confirms addresses to the whole swarm by itself. Peers propose
//! addresses, in effect, by saying where they see us; so only a bounded number is let through. What follows from a test is for
//! [`reach`](super::reach) to decide.

use std::collections::HashSet;
use std::task::{Context, Poll, ready};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, autonat::v2::client};
use tokio::time::Instant;

use crate::limits::{MAX_PROBED_ADDRESSES, PROBE_INTERVAL, PROBE_WINDOW};

/// Has other nodes test our addresses.
pub(crate) struct Behaviour {
    inner: client::Behaviour,
    /// Addresses let through since `window`.
    admitted: HashSet<Multiaddr>,
    window: Instant,
}

impl Behaviour {
    pub(crate) fn new() -> Self {
        let config = client::Config::default().with_probe_interval(PROBE_INTERVAL);
        Self {
            inner: client::Behaviour::new(rand::make_rng(), config),
            admitted: HashSet::new(),
            window: Instant::now(),
        }
    }

    /// Whether an address is one of few.
    fn admit(&mut self, address: &Multiaddr) -> bool {
        if self.window.elapsed() >= PROBE_WINDOW {
            self.admitted.clear();
            self.window = Instant::now();
        }
        self.admitted.contains(address)
            || (self.admitted.len() < MAX_PROBED_ADDRESSES && self.admitted.insert(address.clone()))
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <client::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = client::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner
            .handle_established_outbound_connection(connection, peer, address, role, port_use)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::NewExternalAddrCandidate(candidate) = &event
            && !self.admit(candidate.addr)
        {
            return;
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        self.inner
            .on_connection_handler_event(peer, connection, event);
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        loop {
            match ready!(self.inner.poll(cx)) {
                ToSwarm::ExternalAddrConfirmed(_) => {}
                action => return Poll::Ready(action),
            }
        }
    }
}
