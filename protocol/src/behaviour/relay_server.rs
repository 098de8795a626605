// SPDX-License-Identifier: MPL-2.0
//! Relays for others, within limits that hold exactly.
//!
//! libp2p's relay lets one more circuit per node through than it is told to, counts those that a node receives as if it had opened them, and
//! refuses to renew reservations while all places are taken. So who may have what is decided here, with limiters that it asks
//! last, and its own counts are left open, apart from circuits in all and reservations per node. Bytes and rates are the
//! business of the [`RelayMeter`].

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use futures::task::noop_waker_ref;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, relay};

use crate::limits::MAX_RESERVATIONS_PER_PEER;
use crate::network::relaying::RelayMeter;

/// Serves as a relay while it is enabled.
pub(crate) struct Behaviour {
    inner: relay::Behaviour,
    meter: RelayMeter,
    places: Arc<Mutex<Places>>,
    actions: VecDeque<Action>,
}

type Action = ToSwarm<relay::Event, THandlerInEvent<relay::Behaviour>>;

/// The connections on which nodes hold a reservation.
#[derive(Debug, Default)]
struct Places {
    taken: HashMap<PeerId, HashSet<ConnectionId>>,
    /// Whether the request in hand was granted.
    has_admitted: bool,
}

impl Behaviour {
    /// It is not enabled.
    pub(crate) fn new(local: PeerId, meter: RelayMeter) -> Self {
        let places = Arc::<Mutex<Places>>::default();
        let mut inner = relay::Behaviour::new(local, config(&meter, &places));
        inner.set_status(Some(relay::Status::Disable));
        Self {
            inner,
            meter,
            places,
            actions: VecDeque::new(),
        }
    }

    /// Offers the service to peers, or no longer does. What has been granted holds until its end.
    pub(crate) fn set_status(&mut self, status: Option<relay::Status>) {
        self.inner.set_status(status);
    }

    /// Whether it carries nothing until the day is over; nothing is granted then.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.meter.is_exhausted()
    }

    /// Takes what the inner behaviour has decided on an event of that connection, so that it is known whom it concerns.
    fn collect(&mut self, peer: PeerId, connection: ConnectionId) {
        let mut cx = Context::from_waker(noop_waker_ref());
        while let Poll::Ready(action) = self.inner.poll(&mut cx) {
            match action {
                ToSwarm::GenerateEvent(relay::Event::ReservationTimedOut { .. }) => {
                    lock(&self.places).release(peer, connection);
                    self.remember(peer, connection);
                }
                // It may have been granted before, and the one that it renews have ended since.
                ToSwarm::GenerateEvent(relay::Event::ReservationReqAccepted { .. }) => {
                    lock(&self.places).take(peer, connection);
                }
                _ => {}
            }
            self.actions.push_back(action);
        }
    }

    /// Has the inner behaviour know a connection whose reservation has ended: it forgets that with the reservation, does not tell it
    /// of a new status, and panics if a renewal that was under way succeeds after all.
    fn remember(&mut self, peer: PeerId, connection: ConnectionId) {
        let endpoint = ConnectedPoint::Listener {
            local_addr: Multiaddr::empty(),
            send_back_addr: Multiaddr::empty(),
        };
        self.inner
            .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: connection,
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
    }

    fn publish(&self) {
        self.meter.set_reservations(lock(&self.places).taken.len());
    }
}

/// The settings of libp2p's relay. The limiters are asked after everything else, and what they grant is granted.
fn config(meter: &RelayMeter, places: &Arc<Mutex<Places>>) -> relay::Config {
    let limits = meter.limits();
    let (reserving, opening, places) = (meter.clone(), meter.clone(), Arc::clone(places));
    let admit_reservation = move |peer: PeerId, _: &Multiaddr, _: Instant| {
        !reserving.is_exhausted() && lock(&places).admit(peer, limits.reservations)
    };
    let admit_circuit = move |peer: PeerId, _: &Multiaddr, _: Instant| opening.admits_circuit(peer);
    relay::Config {
        max_reservations: usize::MAX,
        // One more is let through.
        max_reservations_per_peer: MAX_RESERVATIONS_PER_PEER - 1,
        reservation_duration: limits.reservation_duration,
        reservation_rate_limiters: vec![Box::new(admit_reservation)],
        max_circuits: limits.circuits,
        max_circuits_per_peer: usize::MAX,
        max_circuit_duration: limits.circuit_duration,
        max_circuit_bytes: limits.circuit_bytes,
        circuit_src_rate_limiters: vec![Box::new(admit_circuit)],
    }
}

fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Places {
    /// Whether a node may have a place among `limit`. Who has one keeps it.
    fn admit(&mut self, peer: PeerId, limit: usize) -> bool {
        self.has_admitted = self.taken.contains_key(&peer) || self.taken.len() < limit;
        self.has_admitted
    }

    fn take(&mut self, peer: PeerId, connection: ConnectionId) {
        self.taken.entry(peer).or_default().insert(connection);
    }

    fn release(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(connections) = self.taken.get_mut(&peer) else {
            return;
        };
        connections.remove(&connection);
        if connections.is_empty() {
            self.taken.remove(&peer);
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = <relay::Behaviour as NetworkBehaviour>::ConnectionHandler;
    type ToSwarm = relay::Event;

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
        if let FromSwarm::ConnectionClosed(closed) = &event {
            lock(&self.places).release(closed.peer_id, closed.connection_id);
            self.publish();
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        lock(&self.places).has_admitted = false;
        self.inner
            .on_connection_handler_event(peer, connection, event);
        let has_admitted = lock(&self.places).has_admitted;
        if has_admitted {
            lock(&self.places).take(peer, connection);
        }
        self.collect(peer, connection);
        self.publish();
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.actions.pop_front() {
            Some(action) => Poll::Ready(action),
            None => self.inner.poll(cx),
        }
    }
}
