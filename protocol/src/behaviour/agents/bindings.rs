// SPDX-License-Identifier: MPL-2.0
//! Which agents proved themselves to each other on which connection.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use crate::aid::Aid;
use crate::key::PublicKey;
use crate::limits::BINDINGS_PER_CONNECTION;
use crate::time::UnixSeconds;

/// A caller and an agent, in the direction of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub(crate) caller: Aid,
    pub(crate) agent: Aid,
}

/// What the other side proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Binding {
    /// Its operational key.
    pub(crate) key: PublicKey,
    /// When its delegation was issued; 0 without one.
    pub(crate) issued_at: UnixSeconds,
    /// Until when its delegation, and so the binding, holds.
    pub(crate) expires_at: Option<UnixSeconds>,
}

impl Binding {
    fn holds_at(&self, now: UnixSeconds) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Proven pairs by connection and direction; forgotten when the connection closes.
///
/// At most [`BINDINGS_PER_CONNECTION`] pairs are kept for a connection and direction: a pair more has to prove itself on every stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bindings {
    table: Arc<Mutex<Table>>,
}

/// Which side of a call this node is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    /// This node's agent calls.
    Caller,
    /// This node's agent is called.
    Callee,
}

type Table = HashMap<(ConnectionId, Side), HashMap<Pair, Binding>>;

impl Bindings {
    /// What the other side of `pair` proved on that connection, if it still holds.
    pub(crate) fn get(
        &self,
        connection: ConnectionId,
        side: Side,
        pair: Pair,
        now: UnixSeconds,
    ) -> Option<Binding> {
        self.with(|table| {
            let pairs = table.get_mut(&(connection, side))?;
            let binding = *pairs.get(&pair)?;
            if !binding.holds_at(now) {
                pairs.remove(&pair);
                return None;
            }
            Some(binding)
        })
    }

    pub(crate) fn insert(
        &self,
        connection: ConnectionId,
        side: Side,
        pair: Pair,
        binding: Binding,
    ) {
        self.with(|table| {
            let pairs = table.entry((connection, side)).or_default();
            if pairs.len() < BINDINGS_PER_CONNECTION || pairs.contains_key(&pair) {
                pairs.insert(pair, binding);
            }
        });
    }

    pub(crate) fn remove(&self, connection: ConnectionId, side: Side, pair: Pair) {
        self.with(|table| {
            if let Some(pairs) = table.get_mut(&(connection, side)) {
                pairs.remove(&pair);
            }
        });
    }

    fn forget(&self, connection: ConnectionId) {
        self.with(|table| {
            table.remove(&(connection, Side::Caller));
            table.remove(&(connection, Side::Callee));
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        change(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl NetworkBehaviour for Bindings {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ConnectionClosed(closed) = event {
            self.forget(closed.connection_id);
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
