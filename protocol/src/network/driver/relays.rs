// SPDX-License-Identifier: MPL-2.0
//! The relays that keep a place for this node, so that others reach it whatever stands between.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, Swarm, identify, relay};
use tokio::time::Instant;

use super::connections::{Connection, Connections};
use super::dials::dial_relay;
use crate::behaviour::Behaviour;
use crate::clock;
use crate::limits::{
    HELD_RELAYS, MAX_KNOWN_RELAYS, MAX_RELAY_ADDRESSES, MAX_RELAY_BACKOFF, RELAY_BACKOFF,
    RESERVATION_PATIENCE,
};
use crate::network::address;
use crate::network::routing::Via;
use crate::network::state::HeldRelay;
use crate::time::UnixSeconds;

/// Known relays, the reservations on some of them, and those who have one on this node.
#[derive(Debug, Default)]
pub(super) struct Relays {
    known: HashMap<PeerId, Known>,
    reservations: HashMap<ListenerId, Reservation>,
    guests: HashSet<PeerId>,
}

/// A node that offers to relay.
#[derive(Debug)]
struct Known {
    addresses: Vec<Multiaddr>,
    failures: u32,
    not_before: Instant,
    /// Whether it was avoided last because it could not be reached.
    is_unreachable: bool,
}

#[derive(Debug)]
struct Reservation {
    relay: PeerId,
    begun: Instant,
    since: UnixSeconds,
    /// Where others reach us through the relay; empty until it has agreed.
    addresses: Vec<Multiaddr>,
    /// Whether it was given back.
    is_released: bool,
}

impl Reservation {
    fn is_held(&self) -> bool {
        !self.addresses.is_empty() && !self.is_released
    }
}

impl Relays {
    /// A peer says whether it relays. Only a public address is of use to others; in a private network there is nothing to relay.
    pub(super) fn on_identified(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        connection: &Connection,
        info: &identify::Info,
    ) {
        if !info.protocols.contains(&relay::HOP_PROTOCOL_NAME) {
            self.known.remove(&peer);
            // A place on a relay that carries nothing any more is worth nothing.
            self.release(swarm, |reservation| reservation.relay == peer);
            return;
        }
        let remote = &connection.address;
        // Where we dialled it is certain; where it came from may be a port of no further use.
        let mut addresses: Vec<Multiaddr> = connection
            .is_dialer
            .then(|| remote.clone())
            .into_iter()
            .collect();
        for named in address::credible(&info.listen_addrs, remote) {
            if !addresses.contains(&named) {
                addresses.push(named);
            }
        }
        addresses.truncate(MAX_RELAY_ADDRESSES);
        if addresses.is_empty() {
            return;
        }
        if let Some(known) = self.known.get_mut(&peer) {
            known.addresses = addresses;
            // Here it is: that it could not be reached says nothing any more.
            if std::mem::take(&mut known.is_unreachable) {
                known.forgive();
            }
        } else {
            self.make_room();
            let known = Known {
                addresses,
                failures: 0,
                not_before: Instant::now(),
                is_unreachable: false,
            };
            self.known.insert(peer, known);
        }
    }

    /// Forgets the least useful relay, if there are too many.
    fn make_room(&mut self) {
        if self.known.len() < MAX_KNOWN_RELAYS {
            return;
        }
        let is_free = |peer: &PeerId| !self.reservations.values().any(|r| r.relay == *peer);
        let known = self.known.iter().filter(|(peer, _)| is_free(peer));
        let worst = known.max_by_key(|(_, known)| known.failures);
        if let Some(worst) = worst.map(|(peer, _)| *peer) {
            self.known.remove(&worst);
        }
    }

    /// A relay has agreed, and says where it is reached; whether that concerned a reservation of ours.
    ///
    /// It is believed about ports and transports of the hosts at which we are connected to it, and about nothing else: others will
    /// dial what we publish.
    pub(super) fn on_listening(
        &mut self,
        connections: &Connections,
        listener: ListenerId,
        address: &Multiaddr,
    ) -> bool {
        let Some(reservation) = self.reservations.get_mut(&listener) else {
            return false;
        };
        if reservation.addresses.is_empty() {
            tracing::info!(relay = %reservation.relay, "a relay keeps a place for this node");
            reservation.since = clock::now();
            if let Some(known) = self.known.get_mut(&reservation.relay) {
                known.failures = 0;
            }
        }
        let is_its_own = is_of(connections, reservation.relay, address);
        let is_new = !reservation.addresses.contains(address);
        if is_its_own && is_new && reservation.addresses.len() < MAX_RELAY_ADDRESSES {
            reservation.addresses.push(address.clone());
            reservation
                .addresses
                .sort_by_key(|address| !address::is_quic(address));
        }
        true
    }

    /// A reservation was refused or lost; whether it was one of ours.
    ///
    /// A relay is avoided if it refuses. One whose connection was lost may be asked again as soon as it can be reached.
    pub(super) fn on_closed(&mut self, connections: &Connections, listener: ListenerId) -> bool {
        let Some(reservation) = self.reservations.remove(&listener) else {
            return false;
        };
        if !reservation.is_released {
            tracing::info!(relay = %reservation.relay, "a relay keeps no place for this node any more");
            if connections.of(&reservation.relay).any(|(_, c)| !c.relayed) {
                self.punish(reservation.relay);
            }
        }
        true
    }

    /// A relay cannot be reached.
    ///
    /// Whoever else dials it meanwhile finds nothing new.
    pub(super) fn on_unreachable(&mut self, peer: PeerId) {
        let Some(known) = self.known.get_mut(&peer) else {
            return;
        };
        if known.not_before <= Instant::now() {
            known.is_unreachable = true;
            self.punish(peer);
        }
    }

    fn punish(&mut self, relay: PeerId) {
        let Some(known) = self.known.get_mut(&relay) else {
            return;
        };
        known.failures = (known.failures + 1).min(16);
        let backoff = RELAY_BACKOFF.saturating_mul(1 << (known.failures - 1));
        known.not_before = Instant::now() + backoff.min(MAX_RELAY_BACKOFF);
    }

    /// The host is on another network: what failed may work now.
    pub(super) fn on_moved(&mut self) {
        self.known.values_mut().for_each(Known::forgive);
    }

    /// Reserves where places are missing, and gives places back that are not `wanted` any more.
    ///
    /// Returns whether more relays should be looked for.
    pub(super) fn maintain(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connections: &Connections,
        is_wanted: bool,
    ) -> bool {
        if !is_wanted {
            self.release(swarm, |_| true);
            return false;
        }
        let now = Instant::now();
        // One that takes its time does not keep others from being asked.
        let counts = |r: &&Reservation| r.is_held() || now - r.begun < RESERVATION_PATIENCE;
        while self.reservations.values().filter(counts).count() < HELD_RELAYS {
            let Some(relay) = self.best(swarm, connections) else {
                return true;
            };
            self.reserve(swarm, relay);
        }
        false
    }

    /// The relay to ask next: connected ones only, in a network where no other place is held if possible, near ones first. Others are
    /// dialled.
    fn best(&self, swarm: &mut Swarm<Behaviour>, connections: &Connections) -> Option<PeerId> {
        let now = Instant::now();
        let taken = |peer: &PeerId| self.reservations.values().any(|r| r.relay == *peer);
        let used: Vec<Option<u32>> = self
            .reservations
            .values()
            .filter_map(|r| self.known.get(&r.relay))
            .map(Known::network)
            .collect();
        let free = self
            .known
            .iter()
            .filter(|(peer, known)| !taken(peer) && known.not_before <= now);
        let (ready, absent): (Vec<_>, Vec<_>) =
            free.partition(|(peer, _)| connections.of(peer).any(|(_, c)| !c.relayed));
        for (peer, known) in absent.into_iter().take(HELD_RELAYS) {
            let via = Via {
                relay: *peer,
                addresses: known.addresses.clone(),
            };
            dial_relay(swarm, &via);
        }
        let rtt = |peer: &PeerId| connections.of(peer).filter_map(|(_, c)| c.rtt).min();
        let rank = |(peer, known): &(&PeerId, &Known)| {
            let is_used = used.contains(&known.network());
            (is_used, known.failures, rtt(peer).unwrap_or(Duration::MAX))
        };
        ready.into_iter().min_by_key(rank).map(|(peer, _)| *peer)
    }

    fn reserve(&mut self, swarm: &mut Swarm<Behaviour>, relay: PeerId) {
        let at = self.known.get(&relay).and_then(|k| k.addresses.first());
        let listening = at.map(|at| swarm.listen_on(address::reservation(at, relay)));
        match listening {
            Some(Ok(listener)) => {
                let reservation = Reservation {
                    relay,
                    begun: Instant::now(),
                    since: UnixSeconds(0),
                    addresses: Vec::new(),
                    is_released: false,
                };
                self.reservations.insert(listener, reservation);
            }
            failed => {
                tracing::debug!(%relay, ?failed, "no reservation");
                self.punish(relay);
            }
        }
    }

    /// Only what is held can be given back: libp2p does not forgive a listener that goes while its reservation is being made.
    fn release(&mut self, swarm: &mut Swarm<Behaviour>, which: impl Fn(&Reservation) -> bool) {
        for (listener, reservation) in &mut self.reservations {
            if reservation.is_held() && which(reservation) {
                reservation.is_released = true;
                swarm.remove_listener(*listener);
            }
        }
    }

    /// Another node has a place on this one.
    pub(super) fn on_guest(&mut self, peer: PeerId) {
        self.guests.insert(peer);
    }

    /// It has none any more.
    pub(super) fn on_guest_left(&mut self, peer: &PeerId) {
        self.guests.remove(peer);
    }

    /// Whether one of the connections to a peer carries a reservation; nobody can tell which.
    pub(super) fn is_between(&self, peer: &PeerId) -> bool {
        self.guests.contains(peer) || self.reservations.values().any(|r| r.relay == *peer)
    }

    /// The places that are held, oldest first.
    pub(super) fn held(&self) -> Vec<HeldRelay> {
        let held = self.reservations.values().filter(|r| r.is_held());
        let mut held: Vec<HeldRelay> = held
            .map(|reservation| HeldRelay {
                peer: reservation.relay,
                addresses: reservation.addresses.clone(),
                since: reservation.since,
            })
            .collect();
        held.sort_unstable_by_key(|relay| (relay.since, relay.peer));
        held
    }
}

/// Whether an address leads through that relay alone, at a host at which we are connected to it, by a transport of ours.
fn is_of(connections: &Connections, relay: PeerId, address: &Multiaddr) -> bool {
    let Some((through, at)) = address::via(address) else {
        return false;
    };
    let Some(ip) = address::ip(&at) else {
        return false;
    };
    let parts: Vec<Protocol<'_>> = at.iter().skip(1).collect();
    let is_ours = matches!(
        parts.as_slice(),
        [Protocol::Udp(_), Protocol::QuicV1] | [Protocol::Tcp(_)]
    );
    let mut direct = connections.of(&relay).filter(|(_, c)| !c.relayed);
    through == relay && is_ours && direct.any(|(_, c)| address::ip(&c.address) == Some(ip))
}

impl Known {
    /// It may be asked at once.
    fn forgive(&mut self) {
        self.failures = 0;
        self.not_before = Instant::now();
    }

    fn network(&self) -> Option<u32> {
        self.addresses.first().and_then(address::network_of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_dials_that_fail_at_once_count_as_one_failure() {
        let (mut relays, peer) = (Relays::default(), PeerId::random());
        let known = Known {
            addresses: Vec::new(),
            failures: 0,
            not_before: Instant::now(),
            is_unreachable: false,
        };
        relays.known.insert(peer, known);
        for _ in 0..10 {
            relays.on_unreachable(peer);
        }
        let known = &relays.known[&peer];
        assert_eq!(known.failures, 1);
        assert!(known.not_before <= Instant::now() + RELAY_BACKOFF);
    }
}
