// SPDX-License-Identifier: MPL-2.0
//! The routing table: who enters it, at which addresses, and what others see of it.

use std::collections::{HashMap, HashSet};

use libp2p::{PeerId, Swarm, identify};

use tokio::time::Instant;

use super::connections::{Connection, Connections};
use super::dials::dial_relay;

use crate::behaviour::Behaviour;
use crate::limits::{
    MAX_CACHED_PEERS, MAX_DIALLED_ADDRESSES, MAX_RELAY_BACKOFF, RELAY_SEARCH_INTERVAL,
};
use crate::network::address;
use crate::network::config::KnownPeer;
use crate::network::routing::{Routing, Via};
use crate::network::swarm::KAD_PROTOCOL;

/// Dials in a row after which a peer is taken out of the routing table.
const MAX_FAILURES: u32 = 2;

/// What dials tell about the peers of the routing table.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// Dials in a row that failed, by peer.
    failures: HashMap<PeerId, u32>,
    /// Peers that were dialled for no other reason than to meet them.
    visited: HashSet<PeerId>,
    /// When the next one may be.
    next_visit: Option<Instant>,
}

impl Neighbours {
    pub(super) fn on_connected(&mut self, peer: &PeerId) {
        self.failures.remove(peer);
    }

    /// Takes a peer out of the routing table that cannot be reached, so that nobody waits for it again; it comes back when it is met.
    ///
    /// Where no peer is connected the fault is more likely to be ours, and the table is kept.
    pub(super) fn on_unreachable(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId) {
        if swarm.is_connected(&peer) || swarm.network_info().num_peers() == 0 {
            return;
        }
        // Others can name any number of peers to us; forgetting a count costs one more dial.
        if self.failures.len() >= MAX_CACHED_PEERS {
            self.failures.clear();
        }
        let failures = self.failures.entry(peer).or_default();
        *failures += 1;
        if *failures >= MAX_FAILURES {
            self.failures.remove(&peer);
            swarm.behaviour_mut().kad.remove_peer(&peer);
        }
    }

    /// Dials a peer of the routing table that was not met yet: it may be of use in other ways. Once all were met, it starts over.
    pub(super) fn meet_another(&mut self, swarm: &mut Swarm<Behaviour>, connections: &Connections) {
        let now = Instant::now();
        if self.next_visit.is_some_and(|at| at > now) {
            return;
        }
        self.next_visit = Some(now + RELAY_SEARCH_INTERVAL);
        let known = known(swarm);
        let mut strangers = known
            .iter()
            .filter(|known| connections.of(&known.peer).next().is_none());
        let Some(stranger) = strangers.find(|known| !self.visited.contains(&known.peer)) else {
            self.visited.clear();
            self.next_visit = Some(now + MAX_RELAY_BACKOFF);
            return;
        };
        self.visited.insert(stranger.peer);
        let via = Via {
            relay: stranger.peer,
            addresses: stranger.addresses.clone(),
        };
        dial_relay(swarm, &via);
    }
}

/// Takes a peer into the routing table if it serves this network's DHT.
pub(super) fn on_identified(
    swarm: &mut Swarm<Behaviour>,
    peer: PeerId,
    connection: &Connection,
    info: &identify::Info,
) {
    if !info.protocols.contains(&KAD_PROTOCOL) {
        return;
    }
    let dialled = connection.is_dialer.then(|| connection.address.clone());
    let named = address::credible(&info.listen_addrs, &connection.address);
    for address in dialled.into_iter().chain(named).take(MAX_DIALLED_ADDRESSES) {
        swarm.behaviour_mut().kad.add_address(&peer, address);
    }
}

/// Gives a peer of an earlier run its chance.
pub(super) fn add_known(swarm: &mut Swarm<Behaviour>, known: &KnownPeer) {
    for address in known.addresses.iter().take(MAX_DIALLED_ADDRESSES) {
        swarm
            .behaviour_mut()
            .kad
            .add_address(&known.peer, address.clone());
    }
}

/// The peers of the routing table and their addresses.
pub(super) fn known(swarm: &mut Swarm<Behaviour>) -> Vec<KnownPeer> {
    let mut peers = Vec::new();
    for bucket in swarm.behaviour_mut().kad.kbuckets() {
        peers.extend(bucket.iter().map(|entry| KnownPeer {
            peer: *entry.node.key.preimage(),
            addresses: entry.node.value.iter().cloned().collect(),
        }));
    }
    peers.truncate(MAX_CACHED_PEERS);
    peers
}

/// The routing table as a value.
pub(super) fn routing(swarm: &mut Swarm<Behaviour>) -> Routing {
    let mut peers: Vec<PeerId> = Vec::new();
    for bucket in swarm.behaviour_mut().kad.kbuckets() {
        peers.extend(bucket.iter().map(|entry| *entry.node.key.preimage()));
    }
    Routing::new(
        peers
            .into_iter()
            .map(|peer| (peer, swarm.is_connected(&peer))),
    )
}
