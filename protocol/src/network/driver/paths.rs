// SPDX-License-Identifier: MPL-2.0
//! The connections of one peer: which of them is kept when a better one exists, and how a direct one is sought.
//!
//! New streams take the best connection by themselves. A connection that is superseded is kept off new streams, and closed when its
//! last stream has ended; of several direct ones the node with the smaller PeerId chooses, so that two nodes never close each
//! other's choice.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::time::Instant;

use super::connections::{Connection, Connections};
use super::dials::dial_circuit;
use super::relays::Relays;
use crate::behaviour::Behaviour;
use crate::behaviour::dial_back::{Recent, target};
use crate::behaviour::streams::Usage;
use crate::limits::{
    CIRCUIT_RENEWAL_PERCENT, IDLE_CONNECTION_TIMEOUT, MAX_DIALLED_ADDRESSES, MAX_KNOWN_RELAYS,
    RENEWAL_BACKOFF, SUPERSEDED_GRACE,
};
use crate::network::address;
use crate::network::peer::Transport;
use crate::network::routing::Via;

/// What is remembered of paths beyond the connections themselves.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// What each relay said a circuit may use, when we opened the last one.
    limits: HashMap<PeerId, Limit>,
    /// Circuits that are being replaced, with the attempt that will.
    renewals: HashMap<ConnectionId, ConnectionId>,
    /// Circuits that could not be replaced, and when that may be tried again.
    not_before: HashMap<ConnectionId, Instant>,
    /// Circuits whose other end was dialled directly once.
    sought: HashSet<ConnectionId>,
    /// Which hosts were dialled because a relayed peer named them.
    named: Recent,
    /// What each circuit had carried when that changed last.
    carried: HashMap<ConnectionId, (u64, Instant)>,
}

/// What one circuit may use.
#[derive(Clone, Copy, Debug, Default)]
struct Limit {
    duration: Option<Duration>,
    bytes: Option<u64>,
}

impl Limit {
    /// Whether a circuit is so near to its end that another one is needed.
    fn is_near(self, connection: &Connection, usage: Option<&Usage>) -> bool {
        let percent = u64::from(CIRCUIT_RENEWAL_PERCENT);
        let age = self.duration.is_some_and(|limit| {
            connection.since.elapsed() >= limit * CIRCUIT_RENEWAL_PERCENT / 100
        });
        let bytes = usage.map_or(0, Usage::bytes);
        age || self
            .bytes
            .is_some_and(|limit| bytes >= limit / 100 * percent)
    }
}

impl Paths {
    /// A relay tells what the circuit that it opened for us may use.
    pub(super) fn on_circuit(
        &mut self,
        relay: PeerId,
        duration: Option<Duration>,
        bytes: Option<u64>,
    ) {
        // A record can name any relay; forgetting a limit costs one circuit that ends too early.
        if self.limits.len() >= MAX_KNOWN_RELAYS {
            self.limits.clear();
        }
        self.limits.insert(relay, Limit { duration, bytes });
    }

    /// A connection is there: if it replaces a circuit, that one gets no new streams.
    pub(super) fn on_connected(
        &mut self,
        connections: &Connections,
        peer: PeerId,
        connection: ConnectionId,
    ) {
        let replaced = self.renewals.iter().find(|(_, new)| **new == connection);
        if let Some((old, _)) = replaced.map(|(old, new)| (*old, *new)) {
            connections.retire(&peer, old);
        }
    }

    pub(super) fn on_closed(&mut self, connection: ConnectionId) {
        self.renewals.remove(&connection);
        self.renewals.retain(|_, new| *new != connection);
        self.not_before.remove(&connection);
        self.sought.remove(&connection);
        self.carried.remove(&connection);
    }

    /// An attempt failed; a renewal will be tried again after a while.
    pub(super) fn on_failed(&mut self, attempt: ConnectionId) {
        let later = Instant::now() + RENEWAL_BACKOFF;
        for (old, _) in self.renewals.extract_if(|_, new| *new == attempt) {
            self.not_before.insert(old, later);
        }
    }

    /// A peer that came to us through a relay says where it is. Where DCUtR cannot help, because our own NAT gives every destination
    /// another port or lets no UDP out, we dial the peer: that works if it can be reached, or punches towards us at the same time.
    pub(super) fn on_identified(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connections: &Connections,
        connection: ConnectionId,
        listening: &[Multiaddr],
    ) {
        let Some(circuit) = connections.get(connection) else {
            return;
        };
        let peer = circuit.peer;
        let is_direct = connections.of(&peer).any(|(_, other)| !other.relayed);
        if !circuit.relayed || circuit.is_dialer || is_direct || !self.sought.insert(connection) {
            return;
        }
        let addresses = self.nameable(listening);
        if addresses.is_empty() {
            return;
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(addresses)
            .build();
        if let Err(error) = swarm.dial(options) {
            tracing::debug!(%peer, %error, "relayed peer not dialled directly");
        }
    }

    /// What of the addresses that a peer names may be dialled: those of one public host for each IP version, a dozen times a minute for
    /// everybody who names it. The peer is not known otherwise, and could name somebody else.
    fn nameable(&mut self, named: &[Multiaddr]) -> Vec<Multiaddr> {
        let mut hosts: Vec<IpAddr> = Vec::new();
        let mut addresses = Vec::new();
        for address in named {
            let ip = target::ip(address).filter(|ip| !address::is_private(*ip));
            let Some(ip) = ip else {
                continue;
            };
            if !hosts.contains(&ip) {
                let has_other = hosts.iter().any(|host| host.is_ipv4() == ip.is_ipv4());
                if has_other || !self.named.admit(ip, Instant::now()) {
                    continue;
                }
                hosts.push(ip);
            }
            addresses.push(address.clone());
        }
        addresses.truncate(MAX_DIALLED_ADDRESSES / 2);
        addresses
    }

    /// Whether a circuit has carried nothing for a while.
    fn is_unused(&mut self, id: ConnectionId, usage: Option<&Usage>) -> bool {
        let bytes = usage.map_or(0, Usage::bytes);
        let now = Instant::now();
        let carried = self.carried.entry(id).or_insert((bytes, now));
        if carried.0 != bytes {
            *carried = (bytes, now);
        }
        now - carried.1 >= IDLE_CONNECTION_TIMEOUT
    }

    /// Looks after all connections; to be called about once a second.
    pub(super) fn care(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connections: &Connections,
        relays: &Relays,
    ) {
        self.renew(swarm, connections);
        for (peer, of_peer) in connections.by_peer() {
            let may_choose = *swarm.local_peer_id() < peer && !relays.is_between(&peer);
            let unused: Vec<ConnectionId> = of_peer
                .iter()
                .filter(|(_, connection)| connection.relayed)
                .filter(|(id, _)| self.is_unused(*id, connections.usage(&peer, *id).as_deref()))
                .map(|(id, _)| *id)
                .collect();
            for connection in superfluous(&of_peer, &unused, may_choose) {
                connections.retire(&peer, connection);
                let usage = connections.usage(&peer, connection);
                let is_idle = usage.is_none_or(|usage| usage.streams() == 0);
                if is_idle {
                    swarm.close_connection(connection);
                }
            }
        }
    }

    /// Opens another circuit where one of ours comes to its limit and is in use.
    fn renew(&mut self, swarm: &mut Swarm<Behaviour>, connections: &Connections) {
        for (id, circuit) in connections.all() {
            let Some((relay, at)) = address::via(&circuit.address) else {
                continue;
            };
            let usage = connections.usage(&circuit.peer, id);
            let limit = self.limits.get(&relay).copied().unwrap_or_default();
            let is_in_use = usage.as_deref().is_some_and(|usage| usage.bytes() > 0);
            if !circuit.is_dialer
                || self.renewals.contains_key(&id)
                || self
                    .not_before
                    .get(&id)
                    .is_some_and(|at| *at > Instant::now())
                || !is_in_use
                || !limit.is_near(circuit, usage.as_deref())
                || connections
                    .of(&circuit.peer)
                    .any(|(_, other)| !other.relayed)
            {
                continue;
            }
            let via = Via {
                relay,
                addresses: vec![at],
            };
            if let Some(attempt) = dial_circuit(swarm, &via, circuit.peer) {
                tracing::debug!(peer = %circuit.peer, %relay, "a circuit takes over before the old one ends");
                self.renewals.insert(id, attempt);
            }
        }
    }
}

/// Those of a peer's connections that are not needed, given the others.
fn superfluous(
    of_peer: &[(ConnectionId, &Connection)],
    unused: &[ConnectionId],
    may_choose: bool,
) -> Vec<ConnectionId> {
    let settled = |connection: &Connection| connection.since.elapsed() >= SUPERSEDED_GRACE;
    let best = of_peer
        .iter()
        .filter(|(_, connection)| !connection.relayed)
        .min_by_key(|(_, connection)| preference(connection));
    let Some((best_id, best)) = best else {
        return unused_circuits(of_peer, unused);
    };
    if !settled(best) {
        return Vec::new();
    }
    let is_superfluous = |(id, connection): &&(ConnectionId, &Connection)| {
        id != best_id && settled(connection) && (connection.relayed || may_choose)
    };
    let superfluous = of_peer.iter().filter(is_superfluous);
    superfluous.map(|(id, _)| *id).collect()
}

/// Among direct connections: QUIC before TCP, old before new.
fn preference(connection: &Connection) -> (bool, Instant) {
    (connection.transport() != Transport::Quic, connection.since)
}

/// Circuits that carry nothing, and all but the newest: DCUtR alone would keep them for ever.
fn unused_circuits(
    of_peer: &[(ConnectionId, &Connection)],
    unused: &[ConnectionId],
) -> Vec<ConnectionId> {
    let newest = of_peer.iter().map(|(_, connection)| connection.since).max();
    let is_superfluous = |(id, connection): &&(ConnectionId, &Connection)| {
        let is_replaced =
            Some(connection.since) != newest && connection.since.elapsed() >= SUPERSEDED_GRACE;
        unused.contains(id) || is_replaced
    };
    let superfluous = of_peer.iter().filter(is_superfluous);
    superfluous.map(|(id, _)| *id).collect()
}
